/*
 * test_err.c
 *	  Errors carry their code, their sentence and the system's reason.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"

static void
test_fail_fills_and_returns_the_code(void **state)
{
	struct pd_err err;

	(void) state;
	assert_int_equal(pd_fail(&err, PK_ERR_CORRUPT, "extent %d of \"%s\"", 7, "sda"), PK_ERR_CORRUPT);
	assert_int_equal(err.code, PK_ERR_CORRUPT);
	assert_string_equal(err.text, "extent 7 of \"sda\"");
	assert_int_equal(pd_fail(NULL, PK_ERR_IO, "nobody asks"), PK_ERR_IO);
}

static void
test_text_is_one_line_and_cut_at_its_limit(void **state)
{
	struct pd_err err;
	char longer[2 * PD_ERR_TEXT];

	(void) state;
	(void) pd_fail(&err, PK_ERR_IO, "a\nb\rc\x7f");
	assert_string_equal(err.text, "a b c ");
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	(void) pd_fail(&err, PK_ERR_IO, "%s", longer);
	assert_int_equal(strlen(err.text), PD_ERR_TEXT - 1);
	(void) pd_fail_errno(&err, -EIO, "%s", longer);
	assert_int_equal(strlen(err.text), PD_ERR_TEXT - 1);
}

static void
test_errno_becomes_a_code_and_a_reason(void **state)
{
	struct pd_err err;

	(void) state;
	assert_int_equal(pd_fail_errno(&err, -ENOSPC, "write"), PK_ERR_DISK_FULL);
	assert_string_equal(err.text, "write: No space left on device");
	assert_int_equal(pd_fail_errno(&err, -EDQUOT, "write"), PK_ERR_DISK_FULL);
	assert_int_equal(pd_fail_errno(&err, -ENOENT, "open"), PK_ERR_NOT_FOUND);
	assert_int_equal(pd_fail_errno(&err, -EIO, "read"), PK_ERR_IO);
	assert_int_equal(pd_fail_errno(NULL, -EIO, "read"), PK_ERR_IO);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fail_fills_and_returns_the_code),
		cmocka_unit_test(test_text_is_one_line_and_cut_at_its_limit),
		cmocka_unit_test(test_errno_becomes_a_code_and_a_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
