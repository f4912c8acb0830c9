/*
 * test_vector.c
 *	  Version vectors: faults and where they are, in text and bytes.
 */
#include "../golden.h"

#include "contract/pk_vector.h"

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
		{"{7:2,1:4}", NULL, 9},
		{"{0:9223372036854775807}", NULL, 23},
		{"", "an opening brace", 0},
		{"{", "a replica", 1},
		{"{1", "a colon", 2},
		{"{1:", "a counter", 3},
		{"{1:0}", "a counter", 3},
		{"{1:9223372036854775808}", "a counter", 3},
		{"{9223372036854775808:1}", "a replica", 1},
		{"{-1:1}", "a replica", 1},
		{"{1:1", "a comma", 4},
		{"{1:1,", "a replica", 5},
		{"{1:1,}", "a replica", 5},
		{"{1:1}x", "nothing", 5},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		size_t length = strlen(cases[i].text);
		pk_counter counters[4];
		size_t count = pk_vector_count_text(cases[i].text, length);
		size_t at;
		const char *fault = pk_vector_parse(counters, count, cases[i].text, length, &at);

		assert_true((fault == NULL) == (cases[i].fault == NULL));
		if (fault != NULL)
			assert_memory_equal(fault, cases[i].fault, strlen(cases[i].fault));
		assert_int_equal(at, cases[i].at);
	}
}

static void
bytes_are_canonical(void **state)
{
	static const pk_counter good[2] = {{1, 4}, {7, 2}};
	static const struct
	{
		pk_counter counters[2];
		size_t at;
	} cases[] = {{{{7, 2}, {1, 4}}, 20},
				 {{{1, 4}, {1, 4}}, 20},
				 {{{-1, 4}, {1, 4}}, 4},
				 {{{1, 0}, {2, 4}}, 12},
				 {{{1, 1}, {2, -4}}, 28}};
	uint8_t bytes[PK_VECTOR_SIZE(2)];
	pk_counter counters[2];
	size_t at;

	(void) state;
	pk_vector_encode(bytes, good, 2);
	for (size_t length = 0; length < sizeof(bytes); length++)
		assert_int_equal(pk_vector_count(bytes, length), -1);
	assert_int_equal(pk_vector_count(bytes, sizeof(bytes)), 2);
	assert_null(pk_vector_decode(counters, 2, bytes, &at));
	assert_memory_equal(counters, good, sizeof(good));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		pk_vector_encode(bytes, cases[i].counters, 2);
		assert_non_null(pk_vector_decode(counters, 2, bytes, &at));
		assert_int_equal(at, cases[i].at);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_faults_and_where),
		cmocka_unit_test(bytes_are_canonical),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
