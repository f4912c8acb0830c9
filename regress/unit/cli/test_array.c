/*
 * regress/unit/cli/test_array.c
 *	  Arrays are, byte for byte, what array_recv of PostgreSQL reads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/array.h"

static void
text_array_is_exact(void **state)
{
	static const uint8_t expected[] = {0, 0, 0, 1, 0, 0, 0, 0, 0, 0,   0,	25, 0, 0, 0,
									   2, 0, 0, 0, 1, 0, 0, 0, 2, 'a', 'b', 0,	0, 0, 0};
	struct pd_array a;

	(void) state;
	pd_array_init(&a, PD_OID_TEXT);
	assert_true(pd_array_add(&a, "ab", 2));
	assert_true(pd_array_add(&a, NULL, 0));
	pd_array_finish(&a);
	assert_int_equal(a.length, sizeof(expected));
	assert_memory_equal(a.data, expected, sizeof(expected));
	pd_array_free(&a);
}

static void
numbers_times_and_json_are_exact(void **state)
{
	static const uint8_t minus_two[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe};
	struct pd_array a;

	(void) state;
	pd_array_init(&a, PD_OID_TIMESTAMPTZ);
	assert_true(pd_array_add_time(&a, INT64_C(946684800000000) - 2));
	pd_array_finish(&a);
	assert_int_equal(a.length, 32);
	assert_memory_equal(a.data + 24, minus_two, 8);
	pd_array_free(&a);
	assert_true(pd_array_timestamp(INT64_MIN) == INT64_MIN);
	assert_true(pd_array_timestamp(0) == -INT64_C(946684800000000));

	pd_array_init(&a, PD_OID_JSONB);
	assert_true(pd_array_add_jsonb(&a, "{}"));
	pd_array_finish(&a);
	assert_int_equal(a.length, 20 + 4 + 3);
	assert_memory_equal(a.data + 24, "\1{}", 3);
	pd_array_free(&a);
}

static void
retracting_and_reusing_leave_no_trace(void **state)
{
	struct pd_array a;
	struct pd_array b;
	uint8_t *place;

	(void) state;
	pd_array_init(&a, PD_OID_BYTEA);
	pd_array_init(&b, PD_OID_BYTEA);
	place = pd_array_reserve(&a, 100000);
	assert_non_null(place);
	memset(place, 7, 100000);
	pd_array_retract(&a, 100000);
	assert_true(pd_array_add(&a, "x", 1));
	pd_array_finish(&a);
	assert_true(pd_array_add(&b, "x", 1));
	pd_array_finish(&b);
	assert_int_equal(a.length, b.length);
	assert_memory_equal(a.data, b.data, b.length);
	pd_array_reset(&a);
	pd_array_finish(&a);
	assert_int_equal(a.length, 20);
	assert_int_equal(a.data[15], 0);
	assert_true(pd_array_add(&a, "x", 1));
	pd_array_finish(&a);
	assert_memory_equal(a.data, b.data, b.length);
	pd_array_free(&a);
	pd_array_free(&b);
}

static void
what_no_message_can_hold_is_refused(void **state)
{
	struct pd_array a;

	(void) state;
	pd_array_init(&a, PD_OID_BYTEA);
	assert_null(pd_array_reserve(&a, (size_t) PD_ARRAY_SIZE_MAX));
	assert_null(pd_array_reserve(&a, SIZE_MAX));
	assert_int_equal(a.count, 0);
	pd_array_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_array_is_exact),
		cmocka_unit_test(numbers_times_and_json_are_exact),
		cmocka_unit_test(retracting_and_reusing_leave_no_trace),
		cmocka_unit_test(what_no_message_can_hold_is_refused),
	};

	return cmocka_run_group_tests_name("cli/array", tests, NULL, NULL);
}
