/*
 * A bucket's key comes out of its wrapping just for its cell and bucket and
 * with the key that wrapped it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include "crypt/crypt.h"

static const uint8_t cell[PK_UUID_SIZE] = "cell of the test";
static const uint8_t nonce[12] = "twelve bytes";
static const uint8_t zero[PD_BUCKET_KEY];

static pk_keyring
ring_of(uint32_t first, uint32_t second)
{
	pk_keyring ring;
	const uint32_t ids[2] = {first, second};

	memset(&ring, 0, sizeof(ring));
	for (int i = 0; i < 2 && ids[i] != 0; i++)
	{
		ring.keys[i].id = ids[i];
		memset(ring.keys[i].secret, (int) ids[i], PK_KEY_SIZE);
		ring.count++;
	}
	return ring;
}

static void
make_wrapped(uint8_t wrapped[PD_WRAPPED_KEY], uint8_t key[PD_BUCKET_KEY], const pk_keyring *ring)
{
	struct pd_err err;

	for (int i = 0; i < PD_BUCKET_KEY; i++)
		key[i] = (uint8_t) (200 - i);
	assert_int_equal(pd_key_wrap(wrapped, key, cell, 9, nonce, ring, &err), PK_OK);
}

static void
a_wrapped_key_comes_back(void **state)
{
	pk_keyring ring = ring_of(5, 0);
	uint8_t wrapped[PD_WRAPPED_KEY];
	uint8_t key[PD_BUCKET_KEY];
	uint8_t out[PD_BUCKET_KEY];
	struct pd_err err;

	(void) state;
	make_wrapped(wrapped, key, &ring);
	assert_int_equal(pk_get_u32(wrapped), 5);
	assert_int_equal(pd_key_unwrap(out, wrapped, cell, 9, &ring, &err), PK_OK);
	assert_memory_equal(out, key, PD_BUCKET_KEY);
}

static void
an_older_key_of_the_ring_still_unwraps(void **state)
{
	pk_keyring old = ring_of(5, 0);
	pk_keyring rotated = ring_of(6, 5);
	uint8_t wrapped[PD_WRAPPED_KEY];
	uint8_t key[PD_BUCKET_KEY];
	uint8_t out[PD_BUCKET_KEY];
	struct pd_err err;

	(void) state;
	make_wrapped(wrapped, key, &old);
	assert_int_equal(pd_key_unwrap(out, wrapped, cell, 9, &rotated, &err), PK_OK);
	assert_memory_equal(out, key, PD_BUCKET_KEY);
	make_wrapped(wrapped, key, &rotated);
	assert_int_equal(pk_get_u32(wrapped), 6);
}

static void
a_missing_key_is_named(void **state)
{
	pk_keyring ring = ring_of(5, 0);
	pk_keyring other = ring_of(6, 7);
	pk_keyring empty = ring_of(0, 0);
	uint8_t wrapped[PD_WRAPPED_KEY];
	uint8_t key[PD_BUCKET_KEY];
	uint8_t out[PD_BUCKET_KEY];
	struct pd_err err;

	(void) state;
	make_wrapped(wrapped, key, &ring);
	assert_int_equal(pd_key_unwrap(out, wrapped, cell, 9, &other, &err), PK_ERR_NO_KEY);
	assert_non_null(strstr(err.text, "key 5"));
	assert_int_equal(pd_key_wrap(wrapped, key, cell, 9, nonce, &empty, &err), PK_ERR_NO_KEY);
	memset(wrapped, 0, sizeof(wrapped));
	assert_int_equal(pd_key_unwrap(out, wrapped, cell, 9, &ring, &err), PK_ERR_NO_KEY);
}

static void
a_key_of_the_same_id_with_another_secret_does_not_open(void **state)
{
	pk_keyring ring = ring_of(5, 0);
	uint8_t wrapped[PD_WRAPPED_KEY];
	uint8_t key[PD_BUCKET_KEY];
	uint8_t out[PD_BUCKET_KEY];
	struct pd_err err;

	(void) state;
	make_wrapped(wrapped, key, &ring);
	ring.keys[0].secret[0] ^= 1;
	assert_int_equal(pd_key_unwrap(out, wrapped, cell, 9, &ring, &err), PK_ERR_CORRUPT);
	assert_memory_equal(out, zero, PD_BUCKET_KEY);
}

static void
every_byte_altered_does_not_open(void **state)
{
	pk_keyring ring = ring_of(5, 4);
	uint8_t wrapped[PD_WRAPPED_KEY];
	uint8_t key[PD_BUCKET_KEY];
	uint8_t out[PD_BUCKET_KEY];
	struct pd_err err;

	(void) state;
	make_wrapped(wrapped, key, &ring);
	for (int bit = 0; bit < 8 * PD_WRAPPED_KEY; bit++)
	{
		pk_error result;

		memset(out, 0xaa, sizeof(out));
		wrapped[bit / 8] ^= (uint8_t) (1 << bit % 8);
		result = pd_key_unwrap(out, wrapped, cell, 9, &ring, &err);
		/* bit 0 turns key 5 into key 4, which is there */
		assert_int_equal(result, bit > 0 && bit < 32 ? PK_ERR_NO_KEY : PK_ERR_CORRUPT);
		assert_memory_equal(out, zero, PD_BUCKET_KEY);
		wrapped[bit / 8] ^= (uint8_t) (1 << bit % 8);
	}
}

static void
another_cell_or_bucket_does_not_open(void **state)
{
	pk_keyring ring = ring_of(5, 0);
	uint8_t wrapped[PD_WRAPPED_KEY];
	uint8_t key[PD_BUCKET_KEY];
	uint8_t out[PD_BUCKET_KEY];
	uint8_t other[PK_UUID_SIZE];
	struct pd_err err;

	(void) state;
	make_wrapped(wrapped, key, &ring);
	memcpy(other, cell, sizeof(other));
	other[15] ^= 1;
	assert_int_equal(pd_key_unwrap(out, wrapped, other, 9, &ring, &err), PK_ERR_CORRUPT);
	assert_int_equal(pd_key_unwrap(out, wrapped, cell, 10, &ring, &err), PK_ERR_CORRUPT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wrapped_key_comes_back),
		cmocka_unit_test(an_older_key_of_the_ring_still_unwraps),
		cmocka_unit_test(a_missing_key_is_named),
		cmocka_unit_test(a_key_of_the_same_id_with_another_secret_does_not_open),
		cmocka_unit_test(every_byte_altered_does_not_open),
		cmocka_unit_test(another_cell_or_bucket_does_not_open),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
