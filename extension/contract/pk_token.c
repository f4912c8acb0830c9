/*
 * pk_token.c
 *	  Encoding, signing and verifying of capability tokens and receipts.
 *
 * Token, 192 bytes, little-endian:
 *	  0	magic "PKT1"		 40	bucket_id			 80	hash, 32 bytes
 *	  4	method, u8			 48	offset				112	not_before, u64
 *	  5	zero, u8			 56	stored_length, u32	120	expires, u64
 *	  6	flags, u16			 60	length, u32			128	nonce, 8 bytes
 *	  8	key_id, u32			 64	crc32c, u32			136	zeros, 24 bytes
 *	 12	generation, u32		 68	incarnation, u32	160	HMAC-SHA256 of bytes 0 .. 159
 *	 16	cell, 16 bytes		 72	timeline, u32
 *	 32	ns_id, u64			 76	starts, u32
 *
 * Receipt, 144 bytes:
 *	  0	magic "PKA1"		 40	offset, u64			 64	hash, 32 bytes
 *	  4	key_id, u32			 48	stored_length, u32	 96	expires, u64
 *	  8	ns_id, u64			 52	length, u32			104	zeros, 8 bytes
 *	 16	cell, 16 bytes		 56	crc32c, u32			112	HMAC-SHA256 of bytes 0 .. 111
 *	 32	bucket_id, u64		 60	zero, u32
 *
 * Tokens and receipts are signed with keys derived for one purpose each, so
 * neither can stand for the other.
 */
#include "contract/pk_token.h"

#include <assert.h>
#include <string.h>

#define TOKEN_MAGIC 0x31544b50u	  /* "PKT1" */
#define RECEIPT_MAGIC 0x31414b50u /* "PKA1" */

enum
{
	TOKEN_METHOD = 4,
	TOKEN_FLAGS = 6,
	TOKEN_KEY_ID = 8,
	TOKEN_GENERATION = 12,
	TOKEN_CELL = 16,
	TOKEN_NS_ID = 32,
	TOKEN_BUCKET_ID = 40,
	TOKEN_OFFSET = 48,
	TOKEN_STORED_LENGTH = 56,
	TOKEN_LENGTH = 60,
	TOKEN_CRC32C = 64,
	TOKEN_INCARNATION = 68,
	TOKEN_TIMELINE = 72,
	TOKEN_STARTS = 76,
	TOKEN_HASH = 80,
	TOKEN_NOT_BEFORE = 112,
	TOKEN_EXPIRES = 120,
	TOKEN_NONCE = 128,
	TOKEN_ZEROS = 136,
	TOKEN_SIGNATURE = 160
};

enum
{
	RECEIPT_KEY_ID = 4,
	RECEIPT_NS_ID = 8,
	RECEIPT_CELL = 16,
	RECEIPT_BUCKET_ID = 32,
	RECEIPT_OFFSET = 40,
	RECEIPT_STORED_LENGTH = 48,
	RECEIPT_LENGTH = 52,
	RECEIPT_CRC32C = 56,
	RECEIPT_ZERO = 60,
	RECEIPT_HASH = 64,
	RECEIPT_EXPIRES = 96,
	RECEIPT_ZEROS = 104,
	RECEIPT_SIGNATURE = 112
};

_Static_assert(TOKEN_CELL + PK_UUID_SIZE == TOKEN_NS_ID, "token: cell");
_Static_assert(TOKEN_STARTS + 4 == TOKEN_HASH, "token: the numbers end where the hash begins");
_Static_assert(TOKEN_HASH + PK_SHA256_SIZE == TOKEN_NOT_BEFORE, "token: hash");
_Static_assert(TOKEN_SIGNATURE + PK_SHA256_SIZE == PK_TOKEN_SIZE, "token: the signature ends it");
_Static_assert(RECEIPT_CELL + PK_UUID_SIZE == RECEIPT_BUCKET_ID, "receipt: cell");
_Static_assert(RECEIPT_HASH + PK_SHA256_SIZE == RECEIPT_EXPIRES, "receipt: hash");
_Static_assert(RECEIPT_SIGNATURE + PK_SHA256_SIZE == PK_RECEIPT_SIZE, "receipt: the signature ends it");
_Static_assert(PK_TOKEN_TEXT == 256 && PK_RECEIPT_TEXT == 192, "whole groups of base64url: no unused bits");

int
pk_epoch_compare(const pk_epoch *a, const pk_epoch *b)
{
	if (a->incarnation != b->incarnation)
		return a->incarnation < b->incarnation ? -1 : 1;
	if (a->timeline != b->timeline)
		return a->timeline < b->timeline ? -1 : 1;
	if (a->starts != b->starts)
		return a->starts < b->starts ? -1 : 1;
	return 0;
}

static bool
all_zero(const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		if (bytes[i] != 0)
			return false;
	}
	return true;
}

/* The HMAC of the first n bytes under the key's derivative for a purpose. */
static void
compute_signature(uint8_t out[PK_SHA256_SIZE], const uint8_t *bytes, size_t n, const pk_key *key, pk_purpose purpose)
{
	uint8_t derived[PK_KEY_SIZE];

	pk_key_derive(derived, key, purpose);
	pk_hmac_sha256(out, derived, sizeof(derived), bytes, n);
}

/* Whether bytes n .. n+31 sign the n bytes before them under the ring's key of that id. */
static bool
check_signature(const uint8_t *bytes, size_t n, const pk_keyring *ring, uint32_t key_id, pk_purpose purpose)
{
	const pk_key *key = pk_keyring_find(ring, key_id);
	uint8_t expected[PK_SHA256_SIZE];

	if (key == NULL)
		return false;
	compute_signature(expected, bytes, n, key, purpose);
	return pk_equal_secret(expected, bytes + n, sizeof(expected));
}

static void
encode_token(uint8_t out[PK_TOKEN_SIZE], const pk_token *token)
{
	memset(out, 0, PK_TOKEN_SIZE);
	pk_put_u32(out, TOKEN_MAGIC);
	out[TOKEN_METHOD] = token->method;
	pk_put_u16(out + TOKEN_FLAGS, token->flags);
	pk_put_u32(out + TOKEN_KEY_ID, token->key_id);
	pk_put_u32(out + TOKEN_GENERATION, token->generation);
	memcpy(out + TOKEN_CELL, token->cell, PK_UUID_SIZE);
	pk_put_u64(out + TOKEN_NS_ID, token->ns_id);
	pk_put_u64(out + TOKEN_BUCKET_ID, token->bucket_id);
	pk_put_u64(out + TOKEN_OFFSET, token->offset);
	pk_put_u32(out + TOKEN_STORED_LENGTH, token->stored_length);
	pk_put_u32(out + TOKEN_LENGTH, token->length);
	pk_put_u32(out + TOKEN_CRC32C, token->crc32c);
	pk_put_u32(out + TOKEN_INCARNATION, token->epoch.incarnation);
	pk_put_u32(out + TOKEN_TIMELINE, token->epoch.timeline);
	pk_put_u32(out + TOKEN_STARTS, token->epoch.starts);
	memcpy(out + TOKEN_HASH, token->hash, PK_SHA256_SIZE);
	pk_put_u64(out + TOKEN_NOT_BEFORE, token->not_before);
	pk_put_u64(out + TOKEN_EXPIRES, token->expires);
	memcpy(out + TOKEN_NONCE, token->nonce, sizeof(token->nonce));
}

static void
decode_token(pk_token *token, const uint8_t in[PK_TOKEN_SIZE])
{
	memset(token, 0, sizeof(*token));
	token->method = in[TOKEN_METHOD];
	token->flags = pk_get_u16(in + TOKEN_FLAGS);
	token->key_id = pk_get_u32(in + TOKEN_KEY_ID);
	token->generation = pk_get_u32(in + TOKEN_GENERATION);
	memcpy(token->cell, in + TOKEN_CELL, PK_UUID_SIZE);
	token->ns_id = pk_get_u64(in + TOKEN_NS_ID);
	token->bucket_id = pk_get_u64(in + TOKEN_BUCKET_ID);
	token->offset = pk_get_u64(in + TOKEN_OFFSET);
	token->stored_length = pk_get_u32(in + TOKEN_STORED_LENGTH);
	token->length = pk_get_u32(in + TOKEN_LENGTH);
	token->crc32c = pk_get_u32(in + TOKEN_CRC32C);
	token->epoch.incarnation = pk_get_u32(in + TOKEN_INCARNATION);
	token->epoch.timeline = pk_get_u32(in + TOKEN_TIMELINE);
	token->epoch.starts = pk_get_u32(in + TOKEN_STARTS);
	memcpy(token->hash, in + TOKEN_HASH, PK_SHA256_SIZE);
	token->not_before = pk_get_u64(in + TOKEN_NOT_BEFORE);
	token->expires = pk_get_u64(in + TOKEN_EXPIRES);
	memcpy(token->nonce, in + TOKEN_NONCE, sizeof(token->nonce));
}

/* Whether a token that its signature proved is one that this version knows, and within the limits. */
static bool
token_is_known(const pk_token *token)
{
	switch (token->method)
	{
		case PK_METHOD_GET:
		case PK_METHOD_PUT:
			return (token->flags & ~PK_TOKEN_CRC_CHECKED) == 0 && token->length >= PK_BLOCK_SIZE_MIN &&
				   token->length <= PK_BLOCK_SIZE_MAX;
		case PK_METHOD_ORDER:
			return token->flags == 0 && token->length <= PK_ORDER_SIZE_MAX;
		case PK_METHOD_PEER:
			return token->flags == 0 && token->length <= PK_PEER_SIZE_MAX;
		default:
			return false;
	}
}

void
pk_token_sign(char out[PK_TOKEN_TEXT + 1], pk_token *token, const pk_keyring *ring)
{
	uint8_t bytes[PK_TOKEN_SIZE];

	assert(ring->count > 0);
	token->key_id = ring->keys[0].id;
	encode_token(bytes, token);
	compute_signature(bytes + TOKEN_SIGNATURE, bytes, TOKEN_SIGNATURE, &ring->keys[0], PK_PURPOSE_TOKEN);
	pk_base64_encode(out, bytes, sizeof(bytes));
}

pk_error
pk_token_verify(pk_token *token, const char *text, size_t text_length, const pk_keyring *ring, uint64_t now)
{
	uint8_t bytes[PK_TOKEN_SIZE];
	pk_token decoded;

	memset(token, 0, sizeof(*token));
	if (!pk_base64_decode(bytes, sizeof(bytes), text, text_length))
		return PK_ERR_DENIED;
	decode_token(&decoded, bytes);
	if (!check_signature(bytes, TOKEN_SIGNATURE, ring, decoded.key_id, PK_PURPOSE_TOKEN))
		return PK_ERR_DENIED;
	if (pk_get_u32(bytes) != TOKEN_MAGIC || bytes[TOKEN_METHOD + 1] != 0 ||
		!all_zero(bytes + TOKEN_ZEROS, TOKEN_SIGNATURE - TOKEN_ZEROS))
		return PK_ERR_DENIED;
	if (!token_is_known(&decoded) || now < decoded.not_before || now >= decoded.expires)
		return PK_ERR_DENIED;
	*token = decoded;
	return PK_OK;
}

static void
encode_receipt(uint8_t out[PK_RECEIPT_SIZE], const pk_receipt *receipt)
{
	memset(out, 0, PK_RECEIPT_SIZE);
	pk_put_u32(out, RECEIPT_MAGIC);
	pk_put_u32(out + RECEIPT_KEY_ID, receipt->key_id);
	pk_put_u64(out + RECEIPT_NS_ID, receipt->ns_id);
	memcpy(out + RECEIPT_CELL, receipt->cell, PK_UUID_SIZE);
	pk_put_u64(out + RECEIPT_BUCKET_ID, receipt->bucket_id);
	pk_put_u64(out + RECEIPT_OFFSET, receipt->offset);
	pk_put_u32(out + RECEIPT_STORED_LENGTH, receipt->stored_length);
	pk_put_u32(out + RECEIPT_LENGTH, receipt->length);
	pk_put_u32(out + RECEIPT_CRC32C, receipt->crc32c);
	memcpy(out + RECEIPT_HASH, receipt->hash, PK_SHA256_SIZE);
	pk_put_u64(out + RECEIPT_EXPIRES, receipt->expires);
}

static void
decode_receipt(pk_receipt *receipt, const uint8_t in[PK_RECEIPT_SIZE])
{
	memset(receipt, 0, sizeof(*receipt));
	receipt->key_id = pk_get_u32(in + RECEIPT_KEY_ID);
	receipt->ns_id = pk_get_u64(in + RECEIPT_NS_ID);
	memcpy(receipt->cell, in + RECEIPT_CELL, PK_UUID_SIZE);
	receipt->bucket_id = pk_get_u64(in + RECEIPT_BUCKET_ID);
	receipt->offset = pk_get_u64(in + RECEIPT_OFFSET);
	receipt->stored_length = pk_get_u32(in + RECEIPT_STORED_LENGTH);
	receipt->length = pk_get_u32(in + RECEIPT_LENGTH);
	receipt->crc32c = pk_get_u32(in + RECEIPT_CRC32C);
	memcpy(receipt->hash, in + RECEIPT_HASH, PK_SHA256_SIZE);
	receipt->expires = pk_get_u64(in + RECEIPT_EXPIRES);
}

void
pk_receipt_sign(char out[PK_RECEIPT_TEXT + 1], pk_receipt *receipt, const pk_keyring *ring)
{
	uint8_t bytes[PK_RECEIPT_SIZE];

	assert(ring->count > 0);
	receipt->key_id = ring->keys[0].id;
	encode_receipt(bytes, receipt);
	compute_signature(bytes + RECEIPT_SIGNATURE, bytes, RECEIPT_SIGNATURE, &ring->keys[0], PK_PURPOSE_RECEIPT);
	pk_base64_encode(out, bytes, sizeof(bytes));
}

pk_error
pk_receipt_verify(pk_receipt *receipt, const char *text, size_t text_length, const pk_keyring *ring, uint64_t now)
{
	uint8_t bytes[PK_RECEIPT_SIZE];
	pk_receipt decoded;

	memset(receipt, 0, sizeof(*receipt));
	if (!pk_base64_decode(bytes, sizeof(bytes), text, text_length))
		return PK_ERR_DENIED;
	decode_receipt(&decoded, bytes);
	if (!check_signature(bytes, RECEIPT_SIGNATURE, ring, decoded.key_id, PK_PURPOSE_RECEIPT))
		return PK_ERR_DENIED;
	if (pk_get_u32(bytes) != RECEIPT_MAGIC || !all_zero(bytes + RECEIPT_ZERO, 4) ||
		!all_zero(bytes + RECEIPT_ZEROS, RECEIPT_SIGNATURE - RECEIPT_ZEROS))
		return PK_ERR_DENIED;
	if (decoded.length < PK_BLOCK_SIZE_MIN || decoded.length > PK_BLOCK_SIZE_MAX || now >= decoded.expires)
		return PK_ERR_DENIED;
	*receipt = decoded;
	return PK_OK;
}
