/*
 * test_bytes.c
 *	  Integers, secret comparison, base64url, hex, uuid: one form each, both ways.
 */
#include "../golden.h"

static void
integers_are_little_endian(void **state)
{
	uint8_t p[9] = {0};

	(void) state;
	pk_put_u64(p + 1, UINT64_C(0x8877665544332211));
	for (int i = 0; i < 8; i++)
		assert_int_equal(p[1 + i], 0x11 * (i + 1));
	assert_true(pk_get_u64(p + 1) == UINT64_C(0x8877665544332211));
	assert_true(pk_get_u32(p + 1) == 0x44332211u);
	assert_true(pk_get_u16(p + 1) == 0x2211u);
	pk_put_u32(p, UINT32_MAX);
	pk_put_u16(p + 4, 0xfffe);
	assert_true(pk_get_u32(p) == UINT32_MAX && pk_get_u16(p + 4) == 0xfffe);
}

static void
secrets_differ_by_any_bit(void **state)
{
	uint8_t a[32] = {1, 2, 3};
	uint8_t b[32] = {1, 2, 3};

	(void) state;
	assert_true(pk_equal_secret(a, b, sizeof(a)));
	assert_true(pk_equal_secret(a, b, 0));
	for (int bit = 0; bit < 256; bit++)
	{
		b[bit / 8] ^= (uint8_t) (1 << bit % 8);
		assert_false(pk_equal_secret(a, b, sizeof(a)));
		b[bit / 8] ^= (uint8_t) (1 << bit % 8);
	}
}

/* RFC 4648, section 10, in the URL's alphabet and without padding */
static void
base64_vectors(void **state)
{
	static const char *const cases[][2] = {
		{"", ""},			{"f", "Zg"},		  {"fo", "Zm8"},		  {"foo", "Zm9v"},
		{"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xbf", "-_-_"}};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		size_t n = strlen(cases[i][0]);
		char text[16];
		uint8_t bytes[16];

		pk_base64_encode(text, (const uint8_t *) cases[i][0], n);
		assert_string_equal(text, cases[i][1]);
		assert_int_equal(strlen(text), PK_BASE64_LENGTH(n));
		assert_true(pk_base64_decode(bytes, n, text, strlen(text)));
		assert_memory_equal(bytes, cases[i][0], n);
	}
}

/* Of all 64 tails of each length just those decode that encoding can make. */
static void
base64_refuses_tails_that_are_not_canonical(void **state)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	int accepted[3] = {0};

	(void) state;
	for (int i = 0; i < 64; i++)
	{
		char two[] = {'A', digits[i]};
		char three[] = {'A', 'A', digits[i]};
		uint8_t bytes[2];

		accepted[1] += pk_base64_decode(bytes, 1, two, 2);
		accepted[2] += pk_base64_decode(bytes, 2, three, 3);
	}
	assert_int_equal(accepted[1], 4);
	assert_int_equal(accepted[2], 16);
}

static void
base64_refuses_other_characters_and_lengths(void **state)
{
	uint8_t bytes[8];

	(void) state;
	for (int c = 0; c < 256; c++)
	{
		char text[4] = {'A', 'A', (char) c, 'A'};
		bool digit = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';

		assert_true(pk_base64_decode(bytes, 3, text, 4) == digit);
	}
	assert_false(pk_base64_decode(bytes, 1, "Zg==", 4));
	assert_false(pk_base64_decode(bytes, 1, "Z", 1));
	assert_false(pk_base64_decode(bytes, 1, "Zm8", 3));
	assert_false(pk_base64_decode(bytes, 3, "Zm9vA", 5));
	assert_false(pk_base64_decode(bytes, 3, "Zm9", 3));
	assert_false(pk_base64_decode(bytes, 0, "A", 1));
	assert_false(pk_base64_decode(bytes, SIZE_MAX, "AAAA", 4));
	assert_true(pk_base64_decode(bytes, 0, "", 0));
}

static void
hex_both_ways(void **state)
{
	const uint8_t in[4] = {0x00, 0x9f, 0xa0, 0xff};
	uint8_t out[4];
	char text[9];

	(void) state;
	pk_hex_encode(text, in, 4);
	assert_string_equal(text, "009fa0ff");
	assert_true(pk_hex_decode(out, 4, "009FA0fF", 8));
	assert_memory_equal(out, in, 4);
	assert_false(pk_hex_decode(out, 4, "009fa0f", 7));
	assert_false(pk_hex_decode(out, 4, "009fa0fff", 9));
	assert_false(pk_hex_decode(out, SIZE_MAX / 2 + 2, "00", 2));
	for (int c = 0; c < 256; c++)
	{
		char two[2] = {'0', (char) c};
		bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');

		assert_true(pk_hex_decode(out, 1, two, 2) == digit);
	}
}

static void
uuid_has_one_form(void **state)
{
	static const char *const bad[] = {
		"",
		"00112233-4455-6677-8899-aabbccddeef",
		"00112233-4455-6677-8899-aabbccddeeff0",
		"00112233x4455-6677-8899-aabbccddeeff",
		"0011223-34455-6677-8899-aabbccddeeff",
		"{0112233-4455-6677-8899-aabbccddeef}",
		"00112233445566778899aabbccddeeff",
		"0011223g-4455-6677-8899-aabbccddeeff",
		"00112233-4455-6677-8899aabbccddeeff--",
	};
	uint8_t uuid[PK_UUID_SIZE];
	char text[PK_UUID_TEXT + 1];

	(void) state;
	assert_true(pk_uuid_decode(uuid, "00112233-4455-6677-8899-AABBCCddeeff", PK_UUID_TEXT));
	for (int i = 0; i < PK_UUID_SIZE; i++)
		assert_int_equal(uuid[i], 0x11 * i);
	pk_uuid_encode(text, uuid);
	assert_string_equal(text, "00112233-4455-6677-8899-aabbccddeeff");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(pk_uuid_decode(uuid, bad[i], strlen(bad[i])));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_are_little_endian),
		cmocka_unit_test(secrets_differ_by_any_bit),
		cmocka_unit_test(base64_vectors),
		cmocka_unit_test(base64_refuses_tails_that_are_not_canonical),
		cmocka_unit_test(base64_refuses_other_characters_and_lengths),
		cmocka_unit_test(hex_both_ways),
		cmocka_unit_test(uuid_has_one_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
