/*
 * test_error.c
 *	  The table of errors: complete, unique, and frozen by its golden copy.
 */
#include "../golden.h"

#include <ctype.h>

#include "contract/pk_error.h"

static void
table_is_the_golden_one(void **state)
{
	struct golden golden;

	(void) state;
	golden_open(&golden, "error");
	while (golden_next(&golden, 4))
	{
		int code = (int) strtol(golden.column[0], NULL, 10);
		const pk_error_info *info = pk_error_lookup(code);

		assert_int_equal(info->code, code);
		assert_string_equal(info->name, golden.column[1]);
		assert_string_equal(info->sqlstate, golden.column[2]);
		assert_int_equal(info->http_status, golden_number(&golden, 3));
		assert_int_equal(pk_error_by_name(info->name), code);
	}
}

static void
each_code_has_an_entry_of_its_own(void **state)
{
	int found = 0;

	(void) state;
	for (int code = -1000; code <= 1000; code++)
	{
		const pk_error_info *info = pk_error_lookup(code);

		assert_non_null(info);
		assert_int_equal(strlen(info->sqlstate), 5);
		assert_true(islower((unsigned char) info->message[0]) && info->message[strlen(info->message) - 1] != '.');
		if ((int) info->code == code)
			found++;
		else
			assert_int_equal(info->code, PK_ERR_INTERNAL);
	}
	/* PK_OK, eight of class PK, and -20 .. -33 */
	assert_int_equal(found, 1 + 8 + 14);
}

static void
unknown_names_are_internal(void **state)
{
	(void) state;
	assert_int_equal(pk_error_by_name(""), PK_ERR_INTERNAL);
	assert_int_equal(pk_error_by_name("Denied"), PK_ERR_INTERNAL);
	assert_int_equal(pk_error_by_name("denied "), PK_ERR_INTERNAL);
	assert_int_equal(pk_error_by_name("denied"), PK_ERR_DENIED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_is_the_golden_one),
		cmocka_unit_test(each_code_has_an_entry_of_its_own),
		cmocka_unit_test(unknown_names_are_internal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
