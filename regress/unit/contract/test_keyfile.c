/*
 * test_keyfile.c
 *	  The key file: what parses, what does not and at which line, and derivation.
 */
#include "../golden.h"

#include "contract/pk_keyfile.h"

#define HEX_A "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define HEX_B "FFEEDDCCBBAA99887766554433221100ffeeddccbbaa99887766554433221100"

static pk_error
parse(pk_keyring *ring, const char *text, int *line)
{
	/* a copy of just that length, so that a sanitizer sees any byte read beyond it */
	size_t length = strlen(text);
	char *copy = malloc(length + 1);
	pk_error error;

	assert_non_null(copy);
	memcpy(copy, text, length);
	memset(ring, 0x5a, sizeof(*ring));
	*line = -1;
	copy = realloc(copy, length > 0 ? length : 1);
	assert_non_null(copy);
	error = pk_keyring_parse(ring, copy, length, line);
	free(copy);
	return error;
}

static void
keys_comments_and_blank_lines(void **state)
{
	pk_keyring ring;
	int line;

	(void) state;
	assert_int_equal(parse(&ring,
						   "# the keys of a cell\n\n7 " HEX_A "\n \t\r\n#8 none\n4294967295 \t " HEX_B "  \r\n"
						   "1\t" HEX_A,
						   &line),
					 PK_OK);
	assert_int_equal(ring.count, 3);
	assert_int_equal(ring.keys[0].id, 7);
	assert_true(ring.keys[1].id == UINT32_MAX);
	assert_int_equal(ring.keys[2].id, 1);
	assert_int_equal(ring.keys[0].secret[1], 0x11);
	assert_int_equal(ring.keys[1].secret[0], 0xff);
	assert_ptr_equal(pk_keyring_find(&ring, 1), &ring.keys[2]);
	assert_null(pk_keyring_find(&ring, 0));
	assert_null(pk_keyring_find(&ring, 2));
}

static void
faults_name_their_line(void **state)
{
	static const struct
	{
		const char *text;
		pk_error error;
		int line;
	} cases[] = {
		{"", PK_ERR_NO_KEY, 0},
		{"\n\n# nothing\n", PK_ERR_NO_KEY, 3},
		{"0 " HEX_A "\n", PK_ERR_MALFORMED, 1},
		{"4294967296 " HEX_A "\n", PK_ERR_MALFORMED, 1},
		{"99999999999999999999999999 " HEX_A "\n", PK_ERR_MALFORMED, 1},
		{"01 " HEX_A "\n", PK_ERR_MALFORMED, 1},
		{"-1 " HEX_A "\n", PK_ERR_MALFORMED, 1},
		{"+1 " HEX_A "\n", PK_ERR_MALFORMED, 1},
		{"0x1 " HEX_A "\n", PK_ERR_MALFORMED, 1},
		{" 1 " HEX_A "\n", PK_ERR_MALFORMED, 1},
		{"1\n", PK_ERR_MALFORMED, 1},
		{"1 \n", PK_ERR_MALFORMED, 1},
		{"1" HEX_A "\n", PK_ERR_MALFORMED, 1},
		{HEX_A "\n", PK_ERR_MALFORMED, 1},
		{"1 " HEX_A "0\n", PK_ERR_MALFORMED, 1},
		{"1 " HEX_A " x\n", PK_ERR_MALFORMED, 1},
		{"1 " HEX_A " # why\n", PK_ERR_MALFORMED, 1},
		{"1 g0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n", PK_ERR_MALFORMED, 1},
		{"1 0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n", PK_ERR_MALFORMED, 1},
		{"1 " HEX_A "\n2 " HEX_B "\n\n1 " HEX_B "\n", PK_ERR_MALFORMED, 4},
		{"1 " HEX_A "\r2 " HEX_B "\n", PK_ERR_MALFORMED, 1},
		{"\xef\xbb\xbf"
		 "1 " HEX_A "\n",
		 PK_ERR_MALFORMED, 1},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		pk_keyring ring;
		int line;

		assert_int_equal(parse(&ring, cases[i].text, &line), cases[i].error);
		assert_int_equal(line, cases[i].line);
		assert_int_equal(ring.count, 0);
		assert_null(pk_keyring_find(&ring, 1));
	}
}

static void
a_nul_is_no_digit(void **state)
{
	char text[] = "1 " HEX_A "\n";
	pk_keyring ring;
	int line;

	(void) state;
	for (size_t i = 0; i < sizeof(text) - 1; i++)
	{
		char kept = text[i];

		text[i] = '\0';
		assert_int_equal(pk_keyring_parse(&ring, text, sizeof(text) - 1, &line), PK_ERR_MALFORMED);
		text[i] = kept;
	}
	assert_int_equal(pk_keyring_parse(&ring, text, sizeof(text) - 1, &line), PK_OK);
}

/* Each shorter file is refused, but for the one that lacks just the last newline. */
static void
a_cut_file_is_refused(void **state)
{
	const char text[] = "12 " HEX_A "\n";
	pk_keyring ring;
	int line;

	(void) state;
	for (size_t length = 0; length + 2 < sizeof(text); length++)
		assert_int_not_equal(pk_keyring_parse(&ring, text, length, &line), PK_OK);
	assert_int_equal(pk_keyring_parse(&ring, text, sizeof(text) - 2, &line), PK_OK);
}

static void
keys_at_the_limit_and_one_beyond(void **state)
{
	char text[(PK_KEYS_MAX + 1) * PK_KEY_LINE + 1];
	size_t length = 0;
	pk_keyring ring;
	int line;

	(void) state;
	for (uint32_t i = 1; i <= PK_KEYS_MAX + 1; i++)
	{
		pk_key key = {.id = UINT32_MAX - i};

		pk_key_format(text + length, &key);
		length += strlen(text + length);
		assert_int_equal(pk_keyring_parse(&ring, text, length, &line), i <= PK_KEYS_MAX ? PK_OK : PK_ERR_TOO_LARGE);
		assert_int_equal(ring.count, i <= PK_KEYS_MAX ? (int) i : 0);
		assert_int_equal(line, i);
	}
}

static void
format_parses_back(void **state)
{
	pk_key key = {.id = UINT32_MAX};
	char text[PK_KEY_LINE];
	pk_keyring ring;
	int line;

	(void) state;
	for (int i = 0; i < PK_KEY_SIZE; i++)
		key.secret[i] = (uint8_t) (i * 7);
	pk_key_format(text, &key);
	assert_int_equal(strlen(text), PK_KEY_LINE - 1);
	assert_int_equal(pk_keyring_parse(&ring, text, strlen(text), &line), PK_OK);
	assert_true(ring.count == 1 && ring.keys[0].id == key.id);
	assert_memory_equal(ring.keys[0].secret, key.secret, PK_KEY_SIZE);
}

static void
derive_golden(void **state)
{
	static const char *const names[] = {"", "token", "receipt", "wrap"};
	struct golden golden;

	(void) state;
	golden_open(&golden, "derive");
	while (golden_next(&golden, 4))
	{
		pk_key key = {.id = (uint32_t) golden_number(&golden, 0)};
		uint8_t expected[PK_KEY_SIZE], actual[PK_KEY_SIZE];
		int purpose = 3;

		golden_bytes(&golden, 1, key.secret, PK_KEY_SIZE);
		golden_bytes(&golden, 3, expected, PK_KEY_SIZE);
		while (purpose > 0 && strcmp(names[purpose], golden.column[2]) != 0)
			purpose--;
		assert_int_not_equal(purpose, 0);
		pk_key_derive(actual, &key, (pk_purpose) purpose);
		assert_memory_equal(actual, expected, PK_KEY_SIZE);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_comments_and_blank_lines),
		cmocka_unit_test(faults_name_their_line),
		cmocka_unit_test(a_nul_is_no_digit),
		cmocka_unit_test(a_cut_file_is_refused),
		cmocka_unit_test(keys_at_the_limit_and_one_beyond),
		cmocka_unit_test(format_parses_back),
		cmocka_unit_test(derive_golden),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
