/*
 * test_buffer.c
 *	  Buffers are aligned, large enough, used again, and kept within bounds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"

#define MIB ((size_t) 1024 * 1024)

static void
test_buffers_are_aligned_and_large_enough(void **state)
{
	struct pd_buffer_pool *pool = pd_buffer_pool_create(64 * MIB);

	(void) state;
	for (size_t size = 0; size <= 9 * MIB; size = size * 5 / 3 + 1)
	{
		struct pd_buffer *buffer = pd_buffer_get(pool, size);

		assert_non_null(buffer);
		assert_true(buffer->size >= size);
		assert_true(size < 65536 || buffer->size <= size + size / 4 + 4096);
		assert_int_equal((uintptr_t) buffer->data % 4096, 0);
		memset(buffer->data, 0xa5, buffer->size);
		pd_buffer_put(pool, buffer);
	}
	assert_null(pd_buffer_get(pool, SIZE_MAX));
	pd_buffer_put(pool, NULL);
	pd_buffer_pool_free(pool);
}

static void
test_the_last_buffer_given_back_is_the_next_one(void **state)
{
	struct pd_buffer_pool *pool = pd_buffer_pool_create(64 * MIB);
	struct pd_buffer *first = pd_buffer_get(pool, 4 * MIB);
	struct pd_buffer *second = pd_buffer_get(pool, 4 * MIB);
	uint8_t *first_data = first->data;
	uint8_t *second_data = second->data;

	(void) state;
	assert_ptr_not_equal(first_data, second_data);
	pd_buffer_put(pool, first);
	pd_buffer_put(pool, second);
	second = pd_buffer_get(pool, 4 * MIB - 100);
	first = pd_buffer_get(pool, 4 * MIB);
	assert_ptr_equal(second->data, second_data);
	assert_ptr_equal(first->data, first_data);
	pd_buffer_put(pool, first);
	pd_buffer_put(pool, second);
	pd_buffer_pool_free(pool);
}

static void
test_no_more_is_kept_than_the_limit(void **state)
{
	struct pd_buffer_pool *pool = pd_buffer_pool_create(8 * MIB);
	struct pd_buffer *buffers[4];
	struct pd_buffer *again;
	uint8_t *kept;

	(void) state;
	for (int i = 0; i < 4; i++)
		buffers[i] = pd_buffer_get(pool, 4 * MIB);
	kept = buffers[1]->data;
	for (int i = 0; i < 4; i++)
		pd_buffer_put(pool, buffers[i]); /* the last two are freed, which a leak checker sees */
	again = pd_buffer_get(pool, 4 * MIB);
	assert_ptr_equal(again->data, kept);
	pd_buffer_put(pool, again);
	pd_buffer_pool_free(pool);
}

static void
test_another_size_takes_the_place_of_what_lies_idle(void **state)
{
	struct pd_buffer_pool *pool = pd_buffer_pool_create(4 * MIB);
	struct pd_buffer *small = pd_buffer_get(pool, MIB);
	struct pd_buffer *large = pd_buffer_get(pool, 4 * MIB);
	uint8_t *data = large->data;

	(void) state;
	pd_buffer_put(pool, small);
	pd_buffer_put(pool, large);
	large = pd_buffer_get(pool, 4 * MIB);
	assert_ptr_equal(large->data, data);
	pd_buffer_put(pool, large);
	pd_buffer_pool_free(pool);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buffers_are_aligned_and_large_enough),
		cmocka_unit_test(test_the_last_buffer_given_back_is_the_next_one),
		cmocka_unit_test(test_no_more_is_kept_than_the_limit),
		cmocka_unit_test(test_another_size_takes_the_place_of_what_lies_idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
