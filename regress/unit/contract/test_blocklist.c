/*
 * test_blocklist.c
 *	  Block lists: faults and where they are, in text and bytes.
 */
#include "../golden.h"

#include "contract/pk_blocklist.h"

#define HASH "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void
text_faults_and_where(void **state)
{
	static const struct
	{
		const char *text;
		const char *fault; /* its beginning; NULL when there is none */
		size_t at;
	} cases[] = {
		{"{}", NULL, 2},
		{"{" HASH ":1," HASH ":4194304}", NULL, 141},
		{"", "an opening brace", 0},
		{"{", "64 hexadecimal", 1},
		{"{" HASH, "a colon", 65},
		{"{" HASH ":", "a size", 66},
		{"{" HASH "}:", "a colon", 65},
		{"{x" HASH ":1}", "64 hexadecimal", 1},
		{"{" HASH ":0}", "a size", 66},
		{"{" HASH ":01}", "a size", 66},
		{"{" HASH ":4194305}", "a size", 66},
		{"{" HASH ":18446744073709551617}", "a size", 66},
		{"{" HASH ":1", "a comma", 67},
		{"{" HASH ":1,}", "64 hexadecimal", 68},
		{"{" HASH ":1}}", "nothing", 68},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		size_t length = strlen(cases[i].text);
		pk_listed_block blocks[4];
		size_t count = pk_blocklist_count_text(cases[i].text, length);
		size_t at;
		const char *fault = pk_blocklist_parse(blocks, count, cases[i].text, length, &at);

		assert_true((fault == NULL) == (cases[i].fault == NULL));
		if (fault != NULL)
			assert_memory_equal(fault, cases[i].fault, strlen(cases[i].fault));
		assert_int_equal(at, cases[i].at);
	}
}

static void
bytes_come_back(void **state)
{
	pk_listed_block blocks[2] = {{.hash = {{1, 2, 3}}, .size = 1}, {.hash = {{4}}, .size = PK_BLOCK_SIZE_MAX}};
	pk_listed_block again[2];
	uint8_t bytes[PK_BLOCKLIST_SIZE(2)];
	size_t at;

	(void) state;
	pk_blocklist_encode(bytes, blocks, 2);
	for (size_t length = 0; length < sizeof(bytes); length++)
		assert_int_equal(pk_blocklist_count(bytes, length), -1);
	assert_int_equal(pk_blocklist_count(bytes, sizeof(bytes)), 2);
	assert_null(pk_blocklist_decode(again, 2, bytes, &at));
	assert_memory_equal(again, blocks, sizeof(blocks));
	blocks[1].size++;
	pk_blocklist_encode(bytes, blocks, 2);
	assert_non_null(pk_blocklist_decode(again, 2, bytes, &at));
	assert_int_equal(at, 4 + 36 + 32);
	blocks[0].size = 0;
	pk_blocklist_encode(bytes, blocks, 2);
	assert_non_null(pk_blocklist_decode(again, 2, bytes, &at));
	assert_int_equal(at, 4 + 32);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_faults_and_where),
		cmocka_unit_test(bytes_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
