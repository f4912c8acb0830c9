/*
 * regress/unit/cli/test_format.c
 *	  Numbers, times, names and the bar, as people read them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/format.h"

static void
bytes_have_units_and_three_digits(void **state)
{
	static const struct
	{
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{0, "0 B"},		   {999, "999 B"},	   {1000, "1.0 kB"},   {1550, "1.6 kB"},	  {99949, "99.9 kB"},
		{99950, "100 kB"}, {999499, "999 kB"}, {999500, "1.0 MB"}, {127000000, "127 MB"}, {UINT64_MAX, "18.4 EB"}};
	char out[PD_FORMAT_SIZE];

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		pd_format_bytes(out, cases[i].bytes);
		assert_string_equal(out, cases[i].text);
	}
}

static void
times_are_minutes_or_hours(void **state)
{
	char out[PD_FORMAT_SIZE];

	(void) state;
	pd_format_time(out, 0);
	assert_string_equal(out, "0:00");
	pd_format_time(out, 59.6);
	assert_string_equal(out, "1:00");
	pd_format_time(out, 750);
	assert_string_equal(out, "12:30");
	pd_format_time(out, 10809);
	assert_string_equal(out, "3:00:09");
	pd_format_time(out, -1);
	assert_string_equal(out, "-:--");
	pd_format_time(out, 1e30);
	assert_string_equal(out, "-:--");
	pd_format_time(out, 0.0 / 0.0);
	assert_string_equal(out, "-:--");
}

static void
counts_have_commas(void **state)
{
	char out[PD_FORMAT_SIZE];

	(void) state;
	pd_format_count(out, 0);
	assert_string_equal(out, "0");
	pd_format_count(out, 999);
	assert_string_equal(out, "999");
	pd_format_count(out, 1000);
	assert_string_equal(out, "1,000");
	pd_format_count(out, 123456789012345);
	assert_string_equal(out, "123,456,789,012,345");
	pd_format_count(out, UINT64_MAX);
	assert_string_equal(out, "18446744073709551615");
}

static void
names_cannot_steer_a_terminal(void **state)
{
	char out[64];
	char small[12];

	(void) state;
	pd_format_name(out, sizeof(out), "plain", 5);
	assert_string_equal(out, "plain");
	pd_format_name(out, sizeof(out), "\xc3\xbc\xe2\x9c\x93\xf0\x9f\x90\x98", 9);
	assert_string_equal(out, "\xc3\xbc\xe2\x9c\x93\xf0\x9f\x90\x98");
	pd_format_name(out, sizeof(out), "a\x1b[2Jb\n", 7);
	assert_string_equal(out, "a\\x1b[2Jb\\x0a");
	pd_format_name(out, sizeof(out), "\xff\xc3", 2);
	assert_string_equal(out, "\\xff\\xc3");
	pd_format_name(out, sizeof(out), "\xc2\x9b\xed\xa0\x80", 5); /* C1, surrogate */
	assert_string_equal(out, "\\xc2\\x9b\\xed\\xa0\\x80");
	pd_format_name(out, sizeof(out), "\xe2\x80\xae", 3); /* right-to-left override */
	assert_string_equal(out, "\\xe2\\x80\\xae");
	pd_format_name(small, sizeof(small), "abcdefghijklmnop", 16);
	assert_string_equal(small, "abcdefgh...");
	pd_format_name(small, sizeof(small), "", 0);
	assert_string_equal(small, "");
}

static void
bar_fits_any_width(void **state)
{
	struct pd_format_state s = {.verb = "import",
								.files = 1234,
								.files_total = 5000,
								.bytes = 45000000,
								.bytes_total = 127000000,
								.seconds = 3};
	char out[512];

	(void) state;
	pd_format_bar(out, sizeof(out), 100, &s);
	assert_true(strlen(out) <= 100);
	assert_non_null(strstr(out, "1,234/5,000 files"));
	assert_non_null(strstr(out, "15.0 MB/s"));
	assert_non_null(strstr(out, "["));
	for (int columns = 1; columns <= 300; columns++)
	{
		pd_format_bar(out, sizeof(out), columns, &s);
		assert_true(strlen(out) <= (size_t) columns);
	}
}

static void
fraction_and_time_left_make_sense(void **state)
{
	struct pd_format_state s = {.verb = "x", .files_total = 0, .bytes_total = 0};

	(void) state;
	assert_true(pd_format_fraction(&s) == 1.0);
	s.files_total = 10;
	assert_true(pd_format_fraction(&s) == 0.0);
	assert_true(pd_format_left(&s) < 0.0);
	s.files = 5;
	s.seconds = 10;
	assert_true(pd_format_fraction(&s) == 0.5);
	assert_true(pd_format_left(&s) == 10.0);
	s.files = 20; /* the tree grew */
	assert_true(pd_format_fraction(&s) == 1.0);
	assert_true(pd_format_left(&s) == 0.0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_have_units_and_three_digits),
		cmocka_unit_test(times_are_minutes_or_hours),
		cmocka_unit_test(counts_have_commas),
		cmocka_unit_test(names_cannot_steer_a_terminal),
		cmocka_unit_test(bar_fits_any_width),
		cmocka_unit_test(fraction_and_time_left_make_sense),
	};

	return cmocka_run_group_tests_name("cli/format", tests, NULL, NULL);
}
