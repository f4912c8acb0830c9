/*
 * test_path.c
 *	  Whole paths: faults and where they are, order, lineage.
 */
#include "../golden.h"

#include "contract/pk_path.h"

static void
faults_and_where(void **state)
{
	static const struct
	{
		const char *text;
		pk_path_fault fault;
		pk_name_fault name_fault;
		size_t at;
	} cases[] = {
		{"", PK_PATH_NO_NAMESPACE, PK_NAME_VALID, 0},
		{"/a", PK_PATH_NO_NAMESPACE, PK_NAME_VALID, 0},
		{"/a:/b", PK_PATH_NO_NAMESPACE, PK_NAME_VALID, 0},
		{"ab", PK_PATH_NO_NAMESPACE, PK_NAME_VALID, 0},
		{"a:", PK_PATH_NO_SLASH, PK_NAME_VALID, 2},
		{"a:b", PK_PATH_NO_SLASH, PK_NAME_VALID, 2},
		{":/", PK_PATH_NAME, PK_NAME_EMPTY, 0},
		{"a/b:/", PK_PATH_NAME, PK_NAME_SLASH, 1},
		{"a://", PK_PATH_NAME, PK_NAME_EMPTY, 3},
		{"a:/b//", PK_PATH_NAME, PK_NAME_EMPTY, 5},
		{"a:/b/../c", PK_PATH_NAME, PK_NAME_DOTS, 5},
		{"a:/b\x01", PK_PATH_NAME, PK_NAME_CONTROL, 4},
		{"a:/bc\xff", PK_PATH_NAME, PK_NAME_ENCODING, 5},
	};
	char out[64];

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		pk_path_error error;

		assert_int_equal(pk_path_parse(out, cases[i].text, strlen(cases[i].text), &error), 0);
		assert_int_equal(error.fault, cases[i].fault);
		assert_int_equal(error.name_fault, cases[i].name_fault);
		assert_int_equal(error.at, cases[i].at);
	}
}

static void
text_comes_back(void **state)
{
	static const char *const cases[][2] = {
		{"h:/", "h:/"}, {"h:/a", "h:/a"}, {"h:/a/", "h:/a"}, {"h:/a/b:/c", "h:/a/b:/c"}, {"h h:/ / ", "h h:/ / "}};
	static const int depths[] = {0, 1, 1, 3, 2};
	pk_path_error error;
	char stored[64], text[64];

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		size_t length = pk_path_parse(stored, cases[i][0], strlen(cases[i][0]), &error);

		assert_int_equal(pk_path_text_length(stored, length), strlen(cases[i][1]));
		pk_path_format(text, stored, length);
		assert_memory_equal(text, cases[i][1], strlen(cases[i][1]));
		assert_int_equal(pk_path_depth(stored, length), depths[i]);
		for (int depth = depths[i]; depth > 0; depth--)
		{
			size_t parent = pk_path_parent(stored, length);

			assert_int_equal(pk_path_depth(stored, parent), depth - 1);
			assert_true(pk_path_is_above(stored, parent, stored, length));
			assert_false(pk_path_is_above(stored, length, stored, parent));
			length = parent;
		}
		assert_int_equal(pk_path_parent(stored, length), 0);
	}
}

static void
a_subtree_follows_its_folder(void **state)
{
	static const char *const sorted[] = {"h:/",	   "h:/A",	 "h:/a",	 "h:/a/b", "h:/a/b/c", "h:/a/b c",
										 "h:/a b", "h:/a-b", "h:/a.txt", "h:/ab",  "h h:/",	   "h-h:/"};
	enum
	{
		COUNT = sizeof(sorted) / sizeof(sorted[0])
	};
	char stored[COUNT][16];
	size_t length[COUNT];
	pk_path_error error;

	(void) state;
	for (int i = 0; i < COUNT; i++)
		length[i] = pk_path_parse(stored[i], sorted[i], strlen(sorted[i]), &error);
	for (int i = 0; i < COUNT; i++)
	{
		for (int j = 0; j < COUNT; j++)
		{
			int order = pk_path_compare(stored[i], length[i], stored[j], length[j]);

			assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
		}
	}
	assert_true(pk_path_is_above(stored[2], length[2], stored[5], length[5]));
	assert_false(pk_path_is_above(stored[2], length[2], stored[6], length[6]));
	assert_false(pk_path_is_above(stored[0], length[0], stored[10], length[10]));
}

static void
lengths_at_the_limit_and_one_beyond(void **state)
{
	static char text[PK_PATH_SIZE_MAX + 2], stored[PK_PATH_SIZE_MAX];
	pk_path_error error;

	(void) state;
	memset(text, 'n', sizeof(text));
	memcpy(text, "h:/", 3);
	assert_int_equal(pk_path_parse(stored, text, 3 + PK_NAME_SIZE_MAX, &error), 2 + PK_NAME_SIZE_MAX);
	assert_int_equal(pk_path_parse(stored, text, 4 + PK_NAME_SIZE_MAX, &error), 0);
	assert_int_equal(error.name_fault, PK_NAME_LONG);

	for (size_t i = 2; i < sizeof(text); i += 64)
		text[i] = '/';
	assert_int_equal(pk_path_parse(stored, text, PK_PATH_SIZE_MAX, &error), PK_PATH_SIZE_MAX - 1);
	assert_int_equal(pk_path_parse(stored, text, PK_PATH_SIZE_MAX + 1, &error), 0);
	assert_int_equal(error.fault, PK_PATH_LONG);

	for (size_t i = 2; i < sizeof(text); i += 2)
		text[i] = '/';
	assert_int_equal(pk_path_parse(stored, text, 2 + 2 * PK_PATH_DEPTH_MAX, &error), 1 + 2 * PK_PATH_DEPTH_MAX);
	assert_int_equal(pk_path_parse(stored, text, 4 + 2 * PK_PATH_DEPTH_MAX, &error), 0);
	assert_int_equal(error.fault, PK_PATH_DEEP);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(faults_and_where),
		cmocka_unit_test(text_comes_back),
		cmocka_unit_test(a_subtree_follows_its_folder),
		cmocka_unit_test(lengths_at_the_limit_and_one_beyond),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
