/*
 * test_token.c
 *	  Tokens and receipts: golden bytes, and that nothing but the signed bytes,
 *	  in their time, under their key and purpose, is accepted.
 */
#include "../golden.h"

#include "contract/pk_token.h"

#define NOW UINT64_C(1800000000)

static pk_keyring
make_ring(uint32_t id, uint8_t first)
{
	pk_keyring ring = {.count = 1};

	ring.keys[0].id = id;
	memset(ring.keys[0].secret, first, PK_KEY_SIZE);
	return ring;
}

static pk_token
make_token(uint8_t method)
{
	pk_token token = {.method = method, .length = 1, .not_before = NOW - 10, .expires = NOW + 10};

	memset(token.hash, 0x77, sizeof(token.hash));
	return token;
}

/* Signs bytes that pk_token_sign would not make. */
static void
sign_bytes(char *text, uint8_t *bytes, size_t size, const pk_keyring *ring, pk_purpose purpose)
{
	uint8_t derived[PK_KEY_SIZE];

	pk_key_derive(derived, &ring->keys[0], purpose);
	pk_hmac_sha256(bytes + size - PK_SHA256_SIZE, derived, sizeof(derived), bytes, size - PK_SHA256_SIZE);
	pk_base64_encode(text, bytes, size);
}

static void
refused_token(const char *text, size_t length, const pk_keyring *ring, uint64_t now)
{
	static const pk_token zero;
	pk_token token;

	memset(&token, 0x5a, sizeof(token));
	assert_int_equal(pk_token_verify(&token, text, length, ring, now), PK_ERR_DENIED);
	/* nothing of a refused token is left to be used by mistake */
	assert_memory_equal(&token, &zero, sizeof(zero));
}

static void
refused_receipt(const char *text, size_t length, const pk_keyring *ring, uint64_t now)
{
	pk_receipt receipt;

	assert_int_equal(pk_receipt_verify(&receipt, text, length, ring, now), PK_ERR_DENIED);
	assert_true(receipt.length == 0 && receipt.expires == 0);
}

static void
golden_keyring(const struct golden *golden, pk_keyring *ring)
{
	memset(ring, 0, sizeof(*ring));
	ring->count = 1;
	ring->keys[0].id = (uint32_t) golden_number(golden, 1);
	assert_int_equal(golden_bytes(golden, 2, ring->keys[0].secret, PK_KEY_SIZE), PK_KEY_SIZE);
}

static void
tokens_golden(void **state)
{
	struct golden g;

	(void) state;
	golden_open(&g, "token");
	while (golden_next(&g, 21))
	{
		pk_token token = {0}, verified;
		char text[PK_TOKEN_TEXT + 1];
		pk_keyring ring;

		golden_keyring(&g, &ring);
		token.method = (uint8_t) golden_number(&g, 3);
		token.flags = (uint16_t) golden_number(&g, 4);
		token.generation = (uint32_t) golden_number(&g, 5);
		golden_bytes(&g, 6, token.cell, PK_UUID_SIZE);
		token.ns_id = golden_number(&g, 7);
		token.bucket_id = golden_number(&g, 8);
		token.offset = golden_number(&g, 9);
		token.stored_length = (uint32_t) golden_number(&g, 10);
		token.length = (uint32_t) golden_number(&g, 11);
		token.crc32c = (uint32_t) golden_number(&g, 12);
		token.epoch.incarnation = (uint32_t) golden_number(&g, 13);
		token.epoch.timeline = (uint32_t) golden_number(&g, 14);
		token.epoch.starts = (uint32_t) golden_number(&g, 15);
		golden_bytes(&g, 16, token.hash, PK_SHA256_SIZE);
		token.not_before = golden_number(&g, 17);
		token.expires = golden_number(&g, 18);
		golden_bytes(&g, 19, token.nonce, sizeof(token.nonce));
		pk_token_sign(text, &token, &ring);
		assert_string_equal(text, g.column[20]);

		memset(&verified, 0, sizeof(verified));
		assert_int_equal(pk_token_verify(&verified, text, strlen(text), &ring, token.expires - 1), PK_OK);
		assert_true(verified.key_id == ring.keys[0].id && verified.method == token.method);
		/* signed again, it is the same: every field came back */
		pk_token_sign(text, &verified, &ring);
		assert_string_equal(text, g.column[20]);
	}
}

static void
receipts_golden(void **state)
{
	struct golden g;

	(void) state;
	golden_open(&g, "receipt");
	while (golden_next(&g, 13))
	{
		pk_receipt receipt = {0}, verified;
		char text[PK_RECEIPT_TEXT + 1];
		pk_keyring ring;

		golden_keyring(&g, &ring);
		receipt.ns_id = golden_number(&g, 3);
		golden_bytes(&g, 4, receipt.cell, PK_UUID_SIZE);
		receipt.bucket_id = golden_number(&g, 5);
		receipt.offset = golden_number(&g, 6);
		receipt.stored_length = (uint32_t) golden_number(&g, 7);
		receipt.length = (uint32_t) golden_number(&g, 8);
		receipt.crc32c = (uint32_t) golden_number(&g, 9);
		golden_bytes(&g, 10, receipt.hash, PK_SHA256_SIZE);
		receipt.expires = golden_number(&g, 11);
		pk_receipt_sign(text, &receipt, &ring);
		assert_string_equal(text, g.column[12]);

		assert_int_equal(pk_receipt_verify(&verified, text, strlen(text), &ring, receipt.expires - 1), PK_OK);
		pk_receipt_sign(text, &verified, &ring);
		assert_string_equal(text, g.column[12]);
	}
}

/* Each bit of the decoded form, each other value of the first and last characters, each shorter and longer text. */
static void
any_other_token_is_refused(void **state)
{
	pk_keyring ring = make_ring(1, 0x11);
	char text[PK_TOKEN_TEXT + 2];
	uint8_t bytes[PK_TOKEN_SIZE];
	pk_token token = make_token(PK_METHOD_PUT);

	(void) state;
	pk_token_sign(text, &token, &ring);
	assert_int_equal(pk_token_verify(&token, text, PK_TOKEN_TEXT, &ring, NOW), PK_OK);
	assert_true(pk_base64_decode(bytes, sizeof(bytes), text, PK_TOKEN_TEXT));
	for (size_t bit = 0; bit < 8 * sizeof(bytes); bit++)
	{
		char flipped[PK_TOKEN_TEXT + 1];

		bytes[bit / 8] ^= (uint8_t) (1 << bit % 8);
		pk_base64_encode(flipped, bytes, sizeof(bytes));
		refused_token(flipped, PK_TOKEN_TEXT, &ring, NOW);
		bytes[bit / 8] ^= (uint8_t) (1 << bit % 8);
	}
	for (size_t length = 0; length < PK_TOKEN_TEXT; length++)
		refused_token(text, length, &ring, NOW);
	text[PK_TOKEN_TEXT] = 'A';
	refused_token(text, PK_TOKEN_TEXT + 1, &ring, NOW);
}

static void
any_other_receipt_is_refused(void **state)
{
	pk_keyring ring = make_ring(1, 0x11);
	char text[PK_RECEIPT_TEXT + 2];
	uint8_t bytes[PK_RECEIPT_SIZE];
	pk_receipt receipt = {.length = 1, .expires = NOW + 10};

	(void) state;
	pk_receipt_sign(text, &receipt, &ring);
	assert_int_equal(pk_receipt_verify(&receipt, text, PK_RECEIPT_TEXT, &ring, NOW), PK_OK);
	assert_true(pk_base64_decode(bytes, sizeof(bytes), text, PK_RECEIPT_TEXT));
	for (size_t bit = 0; bit < 8 * sizeof(bytes); bit++)
	{
		char flipped[PK_RECEIPT_TEXT + 1];

		bytes[bit / 8] ^= (uint8_t) (1 << bit % 8);
		pk_base64_encode(flipped, bytes, sizeof(bytes));
		refused_receipt(flipped, PK_RECEIPT_TEXT, &ring, NOW);
		bytes[bit / 8] ^= (uint8_t) (1 << bit % 8);
	}
	for (size_t length = 0; length < PK_RECEIPT_TEXT; length++)
		refused_receipt(text, length, &ring, NOW);
	text[PK_RECEIPT_TEXT] = 'A';
	refused_receipt(text, PK_RECEIPT_TEXT + 1, &ring, NOW);
}

static void
time_is_from_not_before_to_expires_exclusive(void **state)
{
	pk_keyring ring = make_ring(1, 0x11);
	pk_token token = make_token(PK_METHOD_GET), verified;
	pk_receipt receipt = {.length = 1, .expires = NOW};
	char text[PK_TOKEN_TEXT + 1];

	(void) state;
	pk_token_sign(text, &token, &ring);
	refused_token(text, PK_TOKEN_TEXT, &ring, 0);
	refused_token(text, PK_TOKEN_TEXT, &ring, token.not_before - 1);
	assert_int_equal(pk_token_verify(&verified, text, PK_TOKEN_TEXT, &ring, token.not_before), PK_OK);
	assert_int_equal(pk_token_verify(&verified, text, PK_TOKEN_TEXT, &ring, token.expires - 1), PK_OK);
	refused_token(text, PK_TOKEN_TEXT, &ring, token.expires);
	refused_token(text, PK_TOKEN_TEXT, &ring, UINT64_MAX);
	token.not_before = 0;
	pk_token_sign(text, &token, &ring);
	assert_int_equal(pk_token_verify(&verified, text, PK_TOKEN_TEXT, &ring, 0), PK_OK);

	pk_receipt_sign(text, &receipt, &ring);
	assert_int_equal(pk_receipt_verify(&receipt, text, PK_RECEIPT_TEXT, &ring, NOW - 1), PK_OK);
	refused_receipt(text, PK_RECEIPT_TEXT, &ring, NOW);
}

static void
any_key_of_the_ring_verifies_and_no_other(void **state)
{
	pk_keyring old = make_ring(1, 0x11), other = make_ring(1, 0x12), renamed = make_ring(2, 0x11), none = {0};
	pk_keyring ring = make_ring(2, 0x22);
	pk_token token = make_token(PK_METHOD_GET), verified;
	pk_receipt receipt = {.length = 1, .expires = NOW + 1};
	char text[PK_TOKEN_TEXT + 1], receipt_text[PK_RECEIPT_TEXT + 1];

	(void) state;
	ring.keys[ring.count++] = old.keys[0];
	pk_token_sign(text, &token, &old);
	assert_int_equal(token.key_id, 1);
	pk_receipt_sign(receipt_text, &receipt, &old);
	assert_int_equal(pk_token_verify(&verified, text, PK_TOKEN_TEXT, &ring, NOW), PK_OK);
	assert_int_equal(pk_receipt_verify(&receipt, receipt_text, PK_RECEIPT_TEXT, &ring, NOW), PK_OK);
	refused_token(text, PK_TOKEN_TEXT, &other, NOW);
	refused_token(text, PK_TOKEN_TEXT, &renamed, NOW);
	refused_token(text, PK_TOKEN_TEXT, &none, NOW);
	refused_receipt(receipt_text, PK_RECEIPT_TEXT, &other, NOW);
	refused_receipt(receipt_text, PK_RECEIPT_TEXT, &renamed, NOW);
	refused_receipt(receipt_text, PK_RECEIPT_TEXT, &none, NOW);
}

/* Even its signer cannot make one accepted that this version does not know. */
static void
signed_nonsense_is_refused(void **state)
{
	static const size_t zeros[] = {0, 5, 136, 159};
	static const size_t receipt_zeros[] = {0, 60, 63, 104, 111};
	pk_keyring ring = make_ring(1, 0x11);
	pk_token token = make_token(PK_METHOD_PUT);
	pk_receipt receipt = {.length = 1, .expires = NOW + 1};
	char text[PK_TOKEN_TEXT + 1];
	uint8_t bytes[PK_TOKEN_SIZE];

	(void) state;
	pk_token_sign(text, &token, &ring);
	assert_true(pk_base64_decode(bytes, PK_TOKEN_SIZE, text, PK_TOKEN_TEXT));
	for (size_t i = 0; i < sizeof(zeros) / sizeof(zeros[0]); i++)
	{
		bytes[zeros[i]] ^= 1;
		sign_bytes(text, bytes, PK_TOKEN_SIZE, &ring, PK_PURPOSE_TOKEN);
		refused_token(text, PK_TOKEN_TEXT, &ring, NOW);
		bytes[zeros[i]] ^= 1;
	}
	/* the key of another purpose */
	sign_bytes(text, bytes, PK_TOKEN_SIZE, &ring, PK_PURPOSE_RECEIPT);
	refused_token(text, PK_TOKEN_TEXT, &ring, NOW);
	sign_bytes(text, bytes, PK_TOKEN_SIZE, &ring, PK_PURPOSE_TOKEN);
	assert_int_equal(pk_token_verify(&token, text, PK_TOKEN_TEXT, &ring, NOW), PK_OK);

	pk_receipt_sign(text, &receipt, &ring);
	assert_true(pk_base64_decode(bytes, PK_RECEIPT_SIZE, text, PK_RECEIPT_TEXT));
	for (size_t i = 0; i < sizeof(receipt_zeros) / sizeof(receipt_zeros[0]); i++)
	{
		bytes[receipt_zeros[i]] ^= 1;
		sign_bytes(text, bytes, PK_RECEIPT_SIZE, &ring, PK_PURPOSE_RECEIPT);
		refused_receipt(text, PK_RECEIPT_TEXT, &ring, NOW);
		bytes[receipt_zeros[i]] ^= 1;
	}
	sign_bytes(text, bytes, PK_RECEIPT_SIZE, &ring, PK_PURPOSE_TOKEN);
	refused_receipt(text, PK_RECEIPT_TEXT, &ring, NOW);
}

static void
methods_flags_and_lengths(void **state)
{
	static const struct
	{
		uint8_t method;
		uint16_t flags;
		uint32_t length;
		bool good;
	} cases[] = {
		{PK_METHOD_GET, 0, 0, false},
		{PK_METHOD_GET, 0, 1, true},
		{PK_METHOD_GET, 0, PK_BLOCK_SIZE_MAX, true},
		{PK_METHOD_GET, 0, PK_BLOCK_SIZE_MAX + 1, false},
		{PK_METHOD_GET, PK_TOKEN_CRC_CHECKED, 1, true},
		{PK_METHOD_GET, 2, 1, false},
		{PK_METHOD_PUT, 0, 0, false},
		{PK_METHOD_PUT, 0, PK_BLOCK_SIZE_MAX, true},
		{PK_METHOD_PUT, 0, PK_BLOCK_SIZE_MAX + 1, false},
		{PK_METHOD_PUT, PK_TOKEN_CRC_CHECKED, 1, true},
		{PK_METHOD_PUT, 2, 1, false},
		{PK_METHOD_PUT, 0x8001, 1, false},
		{PK_METHOD_ORDER, 0, 0, true},
		{PK_METHOD_ORDER, 0, PK_ORDER_SIZE_MAX, true},
		{PK_METHOD_ORDER, 0, PK_ORDER_SIZE_MAX + 1, false},
		{PK_METHOD_ORDER, PK_TOKEN_CRC_CHECKED, 1, false},
		{0, 0, 1, false},
		{PK_METHOD_PEER, 0, 0, true},
		{PK_METHOD_PEER, 0, PK_PEER_SIZE_MAX, true},
		{PK_METHOD_PEER, 0, PK_PEER_SIZE_MAX + 1, false},
		{PK_METHOD_PEER, PK_TOKEN_CRC_CHECKED, 1, false},
		{5, 0, 1, false},
		{255, 0, 1, false},
	};
	pk_keyring ring = make_ring(1, 0x11);
	char text[PK_TOKEN_TEXT + 1];

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		pk_token token = make_token(cases[i].method);

		token.flags = cases[i].flags;
		token.length = cases[i].length;
		pk_token_sign(text, &token, &ring);
		if (cases[i].good)
			assert_int_equal(pk_token_verify(&token, text, PK_TOKEN_TEXT, &ring, NOW), PK_OK);
		else
			refused_token(text, PK_TOKEN_TEXT, &ring, NOW);
	}
	for (uint32_t length = PK_BLOCK_SIZE_MAX; length < PK_BLOCK_SIZE_MAX + 2; length++)
	{
		pk_receipt receipt = {.length = length, .expires = NOW + 1};

		pk_receipt_sign(text, &receipt, &ring);
		assert_int_equal(pk_receipt_verify(&receipt, text, PK_RECEIPT_TEXT, &ring, NOW),
						 length > PK_BLOCK_SIZE_MAX ? PK_ERR_DENIED : PK_OK);
	}
}

static void
epochs_order_by_incarnation_then_timeline_then_starts(void **state)
{
	const pk_epoch a = {7, 1, 5}, b = {7, 1, 6}, c = {7, 2, 0}, again = {7, 1, 5}, last = {8, 0, 0};
	const pk_epoch before = {6, UINT32_MAX, UINT32_MAX};

	(void) state;
	assert_true(pk_epoch_compare(&a, &b) < 0 && pk_epoch_compare(&b, &a) > 0);
	assert_true(pk_epoch_compare(&b, &c) < 0 && pk_epoch_compare(&c, &b) > 0);
	assert_true(pk_epoch_compare(&a, &again) == 0 && pk_epoch_compare(&a, &a) == 0);
	assert_true(pk_epoch_compare(&c, &last) < 0 && pk_epoch_compare(&last, &c) > 0);
	assert_true(pk_epoch_compare(&a, &before) > 0 && pk_epoch_compare(&before, &a) < 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tokens_golden),
		cmocka_unit_test(receipts_golden),
		cmocka_unit_test(any_other_token_is_refused),
		cmocka_unit_test(any_other_receipt_is_refused),
		cmocka_unit_test(time_is_from_not_before_to_expires_exclusive),
		cmocka_unit_test(any_key_of_the_ring_verifies_and_no_other),
		cmocka_unit_test(signed_nonsense_is_refused),
		cmocka_unit_test(methods_flags_and_lengths),
		cmocka_unit_test(epochs_order_by_incarnation_then_timeline_then_starts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
