/*
 * test_hash.c
 *	  The hashes against published and golden vectors.
 */
#include "../golden.h"

#include "contract/pk_hash.h"
#include "contract/pk_limits.h"

static void
sha256_golden(void **state)
{
	struct golden golden;

	(void) state;
	golden_open(&golden, "sha256");
	while (golden_next(&golden, 2))
	{
		uint8_t input[4096], expected[PK_SHA256_SIZE], actual[PK_SHA256_SIZE];
		size_t length = golden_bytes(&golden, 0, input, sizeof(input));

		assert_int_equal(golden_bytes(&golden, 1, expected, sizeof(expected)), PK_SHA256_SIZE);
		pk_sha256(actual, input, length);
		assert_memory_equal(actual, expected, PK_SHA256_SIZE);
	}
}

static void
sha256_of_nothing_takes_null(void **state)
{
	uint8_t out[PK_SHA256_SIZE];
	char hex[PK_SHA256_HEX + 1];

	(void) state;
	pk_sha256(out, NULL, 0);
	pk_hex_encode(hex, out, sizeof(out));
	assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	pk_content_hash(out, NULL, 0);
	pk_hex_encode(hex, out, sizeof(out));
	assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* In one go, and continued at each place. */
static void
crc32c_golden(void **state)
{
	struct golden golden;

	(void) state;
	assert_true(pk_crc32c(0, "123456789", 9) == 0xe3069283u);
	assert_true(pk_crc32c(0, NULL, 0) == 0);
	golden_open(&golden, "crc32c");
	while (golden_next(&golden, 2))
	{
		uint8_t input[4096];
		size_t length = golden_bytes(&golden, 0, input, sizeof(input));
		uint32_t expected = (uint32_t) strtoul(golden.column[1], NULL, 16);

		assert_true(pk_crc32c(0, input, length) == expected);
		for (size_t cut = 0; cut <= length; cut++)
			assert_true(pk_crc32c(pk_crc32c(0, input, cut), input + cut, length - cut) == expected);
	}
}

/* RFC 4231, test cases 1, 2, 3 and 6 */
static void
hmac_vectors(void **state)
{
	uint8_t key[131], data[50], out[PK_SHA256_SIZE];
	char hex[PK_SHA256_HEX + 1];

	(void) state;
	memset(key, 0x0b, 20);
	pk_hmac_sha256(out, key, 20, "Hi There", 8);
	pk_hex_encode(hex, out, sizeof(out));
	assert_string_equal(hex, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	pk_hmac_sha256(out, (const uint8_t *) "Jefe", 4, "what do ya want for nothing?", 28);
	pk_hex_encode(hex, out, sizeof(out));
	assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, sizeof(key));
	memset(data, 0xdd, sizeof(data));
	pk_hmac_sha256(out, key, 20, data, sizeof(data));
	pk_hex_encode(hex, out, sizeof(out));
	assert_string_equal(hex, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
	pk_hmac_sha256(out, key, sizeof(key), "Test Using Larger Than Block-Size Key - Hash Key First", 54);
	pk_hex_encode(hex, out, sizeof(out));
	assert_string_equal(hex, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void
hmac_of_nothing_under_no_key(void **state)
{
	uint8_t out[PK_SHA256_SIZE];
	char hex[PK_SHA256_HEX + 1];

	(void) state;
	/* another key first: an empty one is not "the same as before" */
	pk_hmac_sha256(out, (const uint8_t *) "Jefe", 4, "x", 1);
	pk_hmac_sha256(out, NULL, 0, NULL, 0);
	pk_hex_encode(hex, out, sizeof(out));
	assert_string_equal(hex, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void
content_hash_golden(void **state)
{
	struct golden golden;

	(void) state;
	golden_open(&golden, "content_hash");
	while (golden_next(&golden, 3))
	{
		uint8_t unit[512], expected[PK_SHA256_SIZE], actual[PK_SHA256_SIZE], hashes[8 * PK_SHA256_SIZE];
		size_t length = golden_bytes(&golden, 0, unit, sizeof(unit));
		size_t total = length * golden_number(&golden, 1);
		uint8_t *data = malloc(total + 1);
		size_t count = 0;

		assert_non_null(data);
		for (size_t at = 0; at < total; at += length)
			memcpy(data + at, unit, length);
		for (size_t at = 0; at < total; at += PK_BLOCK_SIZE_MAX, count++)
		{
			size_t left = total - at;

			assert_true(count < 8);
			pk_sha256(hashes + count * PK_SHA256_SIZE, data + at, left < PK_BLOCK_SIZE_MAX ? left : PK_BLOCK_SIZE_MAX);
		}
		free(data);
		golden_bytes(&golden, 2, expected, sizeof(expected));
		pk_content_hash(actual, hashes, count);
		assert_memory_equal(actual, expected, PK_SHA256_SIZE);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256_golden),
		cmocka_unit_test(sha256_of_nothing_takes_null),
		cmocka_unit_test(crc32c_golden),
		cmocka_unit_test(hmac_vectors),
		cmocka_unit_test(hmac_of_nothing_under_no_key),
		cmocka_unit_test(content_hash_golden),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
