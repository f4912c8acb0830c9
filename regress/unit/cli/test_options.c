/*
 * regress/unit/cli/test_options.c
 *	  What the command line accepts and refuses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/options.h"

#define ARGUMENTS_MAX 8

static bool
parse(struct pd_options *options, const char *const *arguments)
{
	char *argv[ARGUMENTS_MAX + 2] = {(char *) "pocket"};
	char error[256] = "";
	int argc = 1;
	bool ok;

	for (; arguments[argc - 1] != NULL; argc++)
		argv[argc] = (char *) arguments[argc - 1];
	ok = pd_options_parse(options, argc, argv, error, sizeof(error));
	assert_true(ok || strlen(error) > 10);
	return ok;
}

#define PARSE(o, ...) parse(o, (const char *const[ARGUMENTS_MAX + 1]){__VA_ARGS__})

static void
commands_and_options_are_understood(void **state)
{
	struct pd_options o;

	(void) state;
	assert_true(PARSE(&o, "import", "/usr", "docs:/"));
	assert_int_equal(o.command, PD_COMMAND_IMPORT);
	assert_string_equal(o.directory, "/usr");
	assert_string_equal(o.path, "docs:/");
	assert_int_equal(o.jobs, PD_JOBS_DEFAULT);
	assert_false(o.json);
	assert_string_equal(o.conninfo, "");
	assert_true(PARSE(&o, "-d", "host=/tmp", "--json", "-j64", "export", "docs:/a b/c", "out"));
	assert_int_equal(o.command, PD_COMMAND_EXPORT);
	assert_string_equal(o.directory, "out");
	assert_string_equal(o.path, "docs:/a b/c");
	assert_int_equal(o.jobs, 64);
	assert_true(o.json);
	assert_string_equal(o.conninfo, "host=/tmp");
	assert_true(PARSE(&o, "import", "dir", "docs:", "--jobs=1"));
	assert_int_equal(o.jobs, 1);
	assert_true(PARSE(&o, "import", "--", "-dir", "/in/the/default/namespace"));
	assert_string_equal(o.directory, "-dir");
	assert_true(PARSE(&o, "status"));
	assert_int_equal(o.command, PD_COMMAND_STATUS);
	assert_true(PARSE(&o, "--help"));
	assert_int_equal(o.command, PD_COMMAND_HELP);
	assert_true(PARSE(&o, "-V"));
	assert_int_equal(o.command, PD_COMMAND_VERSION);
}

static void
nonsense_is_refused(void **state)
{
	struct pd_options o;

	(void) state;
	assert_false(PARSE(&o, NULL));
	assert_false(PARSE(&o, "ls", "docs:/"));
	assert_false(PARSE(&o, "import"));
	assert_false(PARSE(&o, "import", "dir"));
	assert_false(PARSE(&o, "import", "dir", "docs:/", "more"));
	assert_false(PARSE(&o, "status", "more"));
	assert_false(PARSE(&o, "import", "", "docs:/"));
	assert_false(PARSE(&o, "import", "dir", ""));
	assert_false(PARSE(&o, "import", "dir", "docs"));
	assert_false(PARSE(&o, "import", "dir", ":/a"));
	assert_false(PARSE(&o, "import", "dir", "docs:a"));
	assert_false(PARSE(&o, "import", "dir", "a/b:/c"));
	assert_false(PARSE(&o, "--nonsense", "status"));
	assert_false(PARSE(&o, "-x", "status"));
	assert_false(PARSE(&o, "status", "-d"));
	assert_false(PARSE(&o, "-j", "0", "status"));
	assert_false(PARSE(&o, "-j", "65", "status"));
	assert_false(PARSE(&o, "-j", "4x", "status"));
	assert_false(PARSE(&o, "-j", "", "status"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_and_options_are_understood),
		cmocka_unit_test(nonsense_is_refused),
	};

	return cmocka_run_group_tests_name("cli/options", tests, NULL, NULL);
}
