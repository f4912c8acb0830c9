/*
 * test_code.c
 *	  Names of codes and of extent files, and the matrix that a code's name means.
 */
#include "../golden.h"

#include <isa-l/erasure_code.h>

#include "contract/pk_code.h"

static void
codes_golden(void **state)
{
	struct golden golden;

	(void) state;
	golden_open(&golden, "code");
	while (golden_next(&golden, 4))
	{
		pk_code code = {PK_CODE_RS, 77, 78};
		pk_error error = pk_code_parse(&code, golden.column[0]);
		char text[PK_CODE_TEXT];

		if (golden.column[1][0] >= 'a')
		{
			/* refused, and nothing written */
			assert_int_equal(error, pk_error_by_name(golden.column[1]));
			assert_true(code.k == 77 && code.m == 78);
			continue;
		}
		assert_int_equal(error, PK_OK);
		assert_int_equal(code.kind, golden_number(&golden, 1));
		assert_int_equal(code.k, golden_number(&golden, 2));
		assert_int_equal(code.m, golden_number(&golden, 3));
		pk_code_format(text, &code);
		assert_string_equal(text, golden.column[0]);
	}
}

static void
every_code_within_the_limit_parses_and_none_beyond(void **state)
{
	(void) state;
	for (int k = 0; k <= PK_MEMBERS_MAX + 1; k++)
	{
		for (int m = 0; m <= PK_MEMBERS_MAX + 1; m++)
		{
			bool valid = k >= 1 && m >= 1 && k + m <= PK_MEMBERS_MAX;
			char text[32], again[PK_CODE_TEXT];
			pk_code code;

			snprintf(text, sizeof(text), "rs(%d,%d)", k, m);
			assert_int_equal(pk_code_parse(&code, text), valid ? PK_OK : PK_ERR_MALFORMED);
			if (!valid)
				continue;
			assert_true(code.kind == PK_CODE_RS && code.k == k && code.m == m);
			pk_code_format(again, &code);
			assert_string_equal(again, text);
		}
	}
}

/* The golden rows are computed from FORMAT.md's formula; isa-l has to agree. The others: regress/unit/erasure/test_paths.c. */
static void
matrix_golden(void **state)
{
	struct golden golden;

	(void) state;
	golden_open(&golden, "matrix");
	while (golden_next(&golden, 2))
	{
		uint8_t rows[1024], expected[1024];
		size_t length = golden_bytes(&golden, 1, expected, sizeof(expected));
		pk_code code;

		assert_int_equal(pk_code_parse(&code, golden.column[0]), PK_OK);
		assert_int_equal(length, code.k * code.m);
		if (code.kind != PK_CODE_RS)
			continue;
		gf_gen_cauchy1_matrix(rows, code.k + code.m, code.k);
		for (int i = 0; i < code.k * code.k; i++)
			assert_int_equal(rows[i], i % code.k == i / code.k);
		assert_memory_equal(rows + code.k * code.k, expected, length);
	}
}

static void
extent_files_golden(void **state)
{
	struct golden golden;

	(void) state;
	golden_open(&golden, "extent_file");
	while (golden_next(&golden, 4))
	{
		pk_extent_kind kind = (pk_extent_kind) golden_number(&golden, 0), parsed_kind;
		uint64_t id = strtoull(golden.column[1], NULL, 16), parsed_id;
		int position = (int) golden_number(&golden, 2), parsed_position;
		char path[PK_EXTENT_FILE];

		pk_extent_file(path, kind, id, position);
		assert_string_equal(path, golden.column[3]);
		assert_true(pk_extent_file_parse(strrchr(path, '/') + 1, &parsed_kind, &parsed_id, &parsed_position));
		assert_true(parsed_kind == kind && parsed_id == id && parsed_position == position);
	}
}

static void
other_files_are_no_extents(void **state)
{
	static const char *const bad[] = {
		"",
		"b",
		"b-",
		"b-000000000000003",
		"b-000000000000003f0",
		"b-000000000000003F",
		"b-000000000000003g",
		"b_000000000000003f",
		"B-000000000000003f",
		"p-000000000000003f",
		"x-000000000000003f",
		"b-000000000000003f-08",
		"p-0000000000000007-8",
		"p-0000000000000007-008",
		"p-0000000000000007-32",
		"p-0000000000000007-0a",
		"p-0000000000000007_08",
		"p-0000000000000007- 8",
		"b-000000000000003f.tmp",
		"extents/3f/b-000000000000003f",
		"b-+00000000000003f",
	};
	pk_extent_kind kind;
	uint64_t id;
	int position;

	(void) state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(pk_extent_file_parse(bad[i], &kind, &id, &position));
	assert_true(pk_extent_file_parse("p-0000000000000007-31", &kind, &id, &position));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codes_golden),
		cmocka_unit_test(every_code_within_the_limit_parses_and_none_beyond),
		cmocka_unit_test(matrix_golden),
		cmocka_unit_test(extent_files_golden),
		cmocka_unit_test(other_files_are_no_extents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
