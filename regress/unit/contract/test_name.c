/*
 * test_name.c
 *	  Valid names, and keys: golden, bounded, and fixed points, over all code
 *	  points and over random strings of the ones that interact.
 */
#include "../golden.h"

#include "contract/pk_hash.h"
#include "contract/pk_name.h"

static size_t
put_utf8(char *out, uint32_t code)
{
	size_t size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	static const uint8_t lead[5] = {0, 0, 0xc0, 0xe0, 0xf0};

	for (size_t i = size; i-- > 1; code >>= 6)
		out[i] = (char) (0x80 | (code & 0x3f));
	out[0] = (char) (lead[size] | code);
	return size;
}

static pk_name_fault
check(const char *name, size_t *at)
{
	return pk_name_check(name, strlen(name), at);
}

/* The key, checked to be valid, within its bound, and its own key when it is short enough to be a name. */
static size_t
key_of(char out[PK_NAME_KEY_MAX + 1], const char *name, size_t length)
{
	size_t key_length = pk_name_key(out, name, length);
	size_t at;

	assert_true(key_length <= 3 * length && out[key_length] == '\0');
	if (key_length <= PK_NAME_SIZE_MAX)
	{
		char again[PK_NAME_KEY_MAX + 1];

		if (length > 0)
			assert_int_equal(pk_name_check(out, key_length, &at), PK_NAME_VALID);
		assert_int_equal(pk_name_key(again, out, key_length), key_length);
		assert_memory_equal(again, out, key_length + 1);
	}
	return key_length;
}

static void
faults_and_where(void **state)
{
	static const struct
	{
		const char *name;
		pk_name_fault fault;
		size_t at;
	} cases[] = {
		{"", PK_NAME_EMPTY, 0},
		{".", PK_NAME_DOTS, 0},
		{"..", PK_NAME_DOTS, 0},
		{"...", PK_NAME_VALID, 0},
		{".a", PK_NAME_VALID, 0},
		{"..a", PK_NAME_VALID, 0},
		{" ", PK_NAME_VALID, 0},
		{"a b\xc2\xa0", PK_NAME_VALID, 0},
		{"\\:*?\"<>|", PK_NAME_VALID, 0},
		{"/", PK_NAME_SLASH, 0},
		{"ab/c", PK_NAME_SLASH, 2},
		{"a\x01", PK_NAME_CONTROL, 1},
		{"\x1f", PK_NAME_CONTROL, 0},
		{"ab\x7f", PK_NAME_CONTROL, 2},
		{"a\xc2\x80", PK_NAME_CONTROL, 1},
		{"a\xc2\x9f", PK_NAME_CONTROL, 1},
		{"a\n", PK_NAME_CONTROL, 1},
		{"\x80", PK_NAME_ENCODING, 0},
		{"a\xbf", PK_NAME_ENCODING, 1},
		{"\xc0\xaf", PK_NAME_ENCODING, 0},				/* overlong slash */
		{"\xc1\xbf", PK_NAME_ENCODING, 0},				/* overlong */
		{"\xe0\x80\xaf", PK_NAME_ENCODING, 0},			/* overlong slash */
		{"\xe0\x9f\xbf", PK_NAME_ENCODING, 0},			/* overlong */
		{"\xf0\x80\x80\xaf", PK_NAME_ENCODING, 0},		/* overlong slash */
		{"\xf0\x8f\xbf\xbf", PK_NAME_ENCODING, 0},		/* overlong */
		{"\xed\xa0\x80", PK_NAME_ENCODING, 0},			/* U+D800 */
		{"\xed\xbf\xbf", PK_NAME_ENCODING, 0},			/* U+DFFF */
		{"\xed\x9f\xbf\xee\x80\x80", PK_NAME_VALID, 0}, /* their neighbours */
		{"\xf4\x8f\xbf\xbf", PK_NAME_VALID, 0},			/* U+10FFFF */
		{"\xf4\x90\x80\x80", PK_NAME_ENCODING, 0},		/* U+110000 */
		{"\xf5\x80\x80\x80", PK_NAME_ENCODING, 0},		/* lead beyond */
		{"\xf8\x88\x80\x80\x80", PK_NAME_ENCODING, 0},	/* five bytes */
		{"\xff", PK_NAME_ENCODING, 0},
		{"ab\xc3", PK_NAME_ENCODING, 2}, /* truncated */
		{"ab\xe2\x82", PK_NAME_ENCODING, 2},
		{"ab\xf0\x9f\x98", PK_NAME_ENCODING, 2},
		{"\xc3\x41", PK_NAME_ENCODING, 0}, /* no continuation */
		{"\xe2\x82\x41", PK_NAME_ENCODING, 0},
		{"\xe2\x41\x82", PK_NAME_ENCODING, 0},
		{"\xf0\x9f\x98\xc0", PK_NAME_ENCODING, 0},
	};
	size_t at;

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		assert_int_equal(check(cases[i].name, &at), cases[i].fault);
		assert_int_equal(at, cases[i].at);
	}
	assert_int_equal(pk_name_check("a\0b", 3, &at), PK_NAME_CONTROL);
	assert_int_equal(at, 1);
}

static void
length_at_the_limit_and_beyond(void **state)
{
	char name[PK_NAME_SIZE_MAX + 2];
	size_t at;

	(void) state;
	memset(name, 'x', sizeof(name));
	assert_int_equal(pk_name_check(name, PK_NAME_SIZE_MAX, &at), PK_NAME_VALID);
	assert_int_equal(pk_name_check(name, PK_NAME_SIZE_MAX + 1, &at), PK_NAME_LONG);
	assert_int_equal(at, PK_NAME_SIZE_MAX);
	/* a character that the limit cuts is not the fault; its length is counted in bytes */
	memcpy(name + PK_NAME_SIZE_MAX - 2, "\xe2\x82\xac", 3);
	assert_int_equal(pk_name_check(name, PK_NAME_SIZE_MAX + 1, &at), PK_NAME_LONG);
	assert_int_equal(pk_name_check(name, PK_NAME_SIZE_MAX, &at), PK_NAME_ENCODING);
	assert_int_equal(at, PK_NAME_SIZE_MAX - 2);
}

static void
every_fault_has_a_text(void **state)
{
	(void) state;
	for (int i = PK_NAME_VALID; i <= PK_NAME_DOTS; i++)
	{
		for (int j = PK_NAME_VALID; j < i; j++)
			assert_string_not_equal(pk_name_fault_text((pk_name_fault) i), pk_name_fault_text((pk_name_fault) j));
	}
	assert_string_equal(pk_name_fault_text(PK_NAME_EMPTY), "is empty");
	assert_non_null(pk_name_fault_text((pk_name_fault) 99));
}

/* Each of the 2^16 pairs of bytes, and each code point and surrogate encoded, is valid or not as it should be. */
static void
utf8_exhaustively(void **state)
{
	size_t at;

	(void) state;
	for (int first = 0; first < 256; first++)
	{
		for (int second = 0; second < 256; second++)
		{
			char pair[2] = {(char) first, (char) second};
			bool ascii = first >= 0x20 && first < 0x7f && first != '/' && second >= 0x20 && second < 0x7f &&
						 second != '/' && !(first == '.' && second == '.');
			bool two =
				first >= 0xc2 && first < 0xe0 && second >= 0x80 && second < 0xc0 && !(first == 0xc2 && second < 0xa0);

			assert_true((pk_name_check(pair, 2, &at) == PK_NAME_VALID) == (ascii || two));
		}
	}
	for (uint32_t code = 0xa0; code < 0x200000; code++)
	{
		char text[4];
		size_t size = put_utf8(text, code);
		bool good = code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);

		assert_true((pk_name_check(text, size, &at) == PK_NAME_VALID) == good);
	}
}

static void
keys_golden(void **state)
{
	struct golden golden;

	(void) state;
	golden_open(&golden, "name_key");
	while (golden_next(&golden, 2))
	{
		char name[PK_NAME_SIZE_MAX], expected[PK_NAME_KEY_MAX], actual[PK_NAME_KEY_MAX + 1];
		size_t length = golden_bytes(&golden, 0, name, sizeof(name));
		size_t expected_length = golden_bytes(&golden, 1, expected, sizeof(expected));
		size_t at;

		assert_int_equal(pk_name_check(name, length, &at), PK_NAME_VALID);
		assert_int_equal(key_of(actual, name, length), expected_length);
		assert_memory_equal(actual, expected, expected_length);
	}
}

/* Over all code points: bound and fixed point. */
static void
keys_of_all_code_points(void **state)
{
	(void) state;
	for (uint32_t code = 0; code <= 0x10ffff; code++)
	{
		char name[4], key[PK_NAME_KEY_MAX + 1];

		if (code >= 0xd800 && code <= 0xdfff)
			continue;
		pk_name_key(key, name, put_utf8(name, code));
		if (code >= 0xa0)
			key_of(key, name, put_utf8(name, code));
	}
}

/* Adds the key of a name and a newline to buffer, which grows; *length is what it holds. */
static void
append_key(char **buffer, size_t *length, size_t *size, const char *name, size_t name_length)
{
	if (*length + PK_NAME_KEY_MAX + 2 > *size)
	{
		*size = *size * 2 + 65536;
		*buffer = realloc(*buffer, *size);
		assert_non_null(*buffer);
	}
	*length += pk_name_key(*buffer + *length, name, name_length);
	(*buffer)[(*length)++] = '\n';
}

static size_t
parse_codes(uint32_t *codes, size_t most, char *text)
{
	size_t count = 0;

	for (char *word; (word = strsep(&text, ",")) != NULL && *word != '\0';)
	{
		assert_true(count < most);
		codes[count++] = (uint32_t) strtoul(word, NULL, 16);
	}
	return count;
}

/* Python's normalization of the same Unicode version agrees on each code point, and on all triples of lively ones. */
static void
keys_agree_with_another_implementation(void **state)
{
	struct golden golden;

	(void) state;
	golden_open(&golden, "name_key_hash");
	while (golden_next(&golden, 3))
	{
		uint32_t codes[100];
		size_t count = parse_codes(codes, 100, golden.column[1]);
		char name[12], *keys = NULL;
		size_t length = 0, size = 0;
		uint8_t expected[PK_SHA256_SIZE], actual[PK_SHA256_SIZE];

		golden_bytes(&golden, 2, expected, sizeof(expected));
		for (uint32_t code = 0; strcmp(golden.column[0], "all") == 0 && code <= 0x10ffff; code++)
		{
			if (code < 0xd800 || code > 0xdfff)
				append_key(&keys, &length, &size, name, put_utf8(name, code));
		}
		for (size_t i = 0; i < count * count * count; i++)
		{
			size_t n = put_utf8(name, codes[i / count / count]);

			n += put_utf8(name + n, codes[i / count % count]);
			n += put_utf8(name + n, codes[i % count]);
			append_key(&keys, &length, &size, name, n);
		}
		assert_true(length > 0);
		pk_sha256(actual, keys, length);
		free(keys);
		assert_memory_equal(actual, expected, sizeof(actual));
	}
}

/* The longest key there is: U+1D160 takes four bytes and composes to nothing shorter than twelve. */
static void
the_bound_is_reached(void **state)
{
	char name[PK_NAME_SIZE_MAX], key[PK_NAME_KEY_MAX + 1];
	size_t length = 0;

	(void) state;
	while (length + 4 <= sizeof(name))
		length += put_utf8(name + length, 0x1d160);
	assert_int_equal(pk_name_key(key, name, length), 3 * length);
}

/* xorshift64*: the same strings in each run */
static uint32_t
next_random(uint64_t *seed)
{
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return (uint32_t) (*seed * UINT64_C(0x2545f4914f6cdd1d) >> 33);
}

static uint32_t
random_code(uint64_t *seed)
{
	static const uint32_t lively[] = {
		0x345,	0x300,	0x301,	 0x304,	  0x307,   0x308,  0x313,  0x314,  0x316,  0x323,  0x327,  0x338,	0x342,
		0x344,	0x391,	0x3b1,	 0x3a9,	  0x3c9,   0x3b9,  0x399,  0x3ca,  0x390,  0x1fbc, 0x1fb3, 0x1f80,	0x1f88,
		0x1f82, 0x130,	0x131,	 'I',	  'i',	   'A',	   'a',	   'K',	   0x212a, 0x212b, 0x2126, 0x1100,	0x1161,
		0x11a8, 0xac00, 0xac01,	 0xdf,	  0x1e9e,  0xf71,  0xf72,  0xf73,  0x5b0,  0xfb1d, 0x958,  0x9c7,	0x9be,
		0x3099, 0x304b, 0x1d160, 0x1d15e, 0x2f800, 0x1ffe, 0x1fbf, 0x1b05, 0x1b35, 0x13a0, 0xab70, 0x10400, 0x1e900};
	uint32_t code = next_random(seed);

	switch (code % 4)
	{
		case 0:
		case 1:
			return lively[code / 4 % (sizeof(lively) / sizeof(lively[0]))];
		case 2:
			return 0x300 + code / 4 % 0x1d00; /* marks, Greek, Cyrillic and on */
		default:
			code = 0xa0 + code / 4 % (0x110000 - 0xa0);
			return code >= 0xd800 && code <= 0xdfff ? 0x345 : code;
	}
}

static void
keys_of_random_strings(void **state)
{
	uint64_t seed = 20220914;

	(void) state;
	for (int i = 0; i < 200000; i++)
	{
		char name[PK_NAME_SIZE_MAX], key[PK_NAME_KEY_MAX + 1];
		size_t most = next_random(&seed) % 16 == 0 ? PK_NAME_SIZE_MAX : 24;
		size_t length = 0;

		while (length + 4 <= most)
			length += put_utf8(name + length, random_code(&seed));
		key_of(key, name, length);
	}
}

/* A caller that did not check gets a key all the same, within its bound. */
static void
bytes_that_are_no_utf8_do_no_harm(void **state)
{
	char name[PK_NAME_SIZE_MAX], key[PK_NAME_KEY_MAX + 1];

	(void) state;
	memset(name, 0xff, sizeof(name));
	assert_int_equal(key_of(key, name, sizeof(name)), PK_NAME_KEY_MAX);
	assert_int_equal(key_of(key, name, 0), 0);
	assert_int_equal(key_of(key, "\xf0\x9f", 2), 6);
}

/* A name of ASCII alone goes another way than one with a character that neither folds nor composes behind it. */
static void
ascii_is_no_exception(void **state)
{
	(void) state;
	for (int c = 0; c < 0x80; c++)
	{
		const char longer[5] = {'x', (char) c, '\xe4', '\xb8', '\x80'};
		char key[PK_NAME_KEY_MAX + 1], other[PK_NAME_KEY_MAX + 1];

		assert_int_equal(pk_name_key(key, longer, 2), 2);
		assert_int_equal(pk_name_key(other, longer, sizeof(longer)), sizeof(longer));
		assert_memory_equal(key, other, 2);
		assert_int_equal(key[2], 0);
	}
}

static void
same_names_and_other_names(void **state)
{
	static const struct
	{
		const char *one;
		const char *other;
		bool same;
	} cases[] = {
		{"readme.TXT", "README.txt", true},
		{"\xc3\xa9", "E\xcc\x81", true},
		{"\xe2\x84\xab", "a\xcc\x8a", true}, /* ANGSTROM SIGN */
		{"\xce\xa3", "\xcf\x82", true},		 /* final sigma */
		{"\xea\xb0\x80", "\xe1\x84\x80\xe1\x85\xa1", true},
		{"stra\xc3\x9f"
		 "e",
		 "strasse", false},
		{"e", "\xc3\xa9", false},
		{"i", "\xc4\xb1", false},
		{"a", "\xef\xbd\x81", false}, /* no compatibility folding */
		{"a ", "a", false},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		char one[PK_NAME_KEY_MAX + 1], other[PK_NAME_KEY_MAX + 1];

		key_of(one, cases[i].one, strlen(cases[i].one));
		key_of(other, cases[i].other, strlen(cases[i].other));
		assert_true((strcmp(one, other) == 0) == cases[i].same);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(faults_and_where),
		cmocka_unit_test(length_at_the_limit_and_beyond),
		cmocka_unit_test(every_fault_has_a_text),
		cmocka_unit_test(utf8_exhaustively),
		cmocka_unit_test(keys_golden),
		cmocka_unit_test(keys_of_all_code_points),
		cmocka_unit_test(keys_agree_with_another_implementation),
		cmocka_unit_test(the_bound_is_reached),
		cmocka_unit_test(keys_of_random_strings),
		cmocka_unit_test(bytes_that_are_no_utf8_do_no_harm),
		cmocka_unit_test(ascii_is_no_exception),
		cmocka_unit_test(same_names_and_other_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
