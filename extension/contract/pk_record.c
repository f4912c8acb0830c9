/*
 * pk_record.c
 *	  Encoding and checking of record headers, and what the AEAD binds.
 *
 * Header, 128 bytes, little-endian:
 *	  0	magic "PKR1"			 16	offset, u64				 44	payload_crc32c, u32
 *	  4	version, u8: 1			 24	durable, u64			 48	hash, 32 bytes
 *	  5	codec, u8				 32	length, u32				 80	tag, 16 bytes
 *	  6	cipher, u8				 36	payload_length, u32		 96	zeros, 28 bytes
 *	  7	zero, u8				 40	crc32c, u32				124	CRC32C of bytes 0 .. 123
 *	  8	bucket_id, u64
 *
 * Associated data, 80 bytes:
 *	  0	cell, 16 bytes			 32	hash, 32 bytes			 72	codec, u8
 *	 16	bucket_id, u64			 64	length, u32				 73	zeros, 7 bytes
 *	 24	offset, u64				 68	payload_length, u32
 *
 * Nonce, 12 bytes: 0 offset, u64; 8 zeros.
 */
#include "contract/pk_record.h"

#include <string.h>

#include "contract/pk_limits.h"

#define RECORD_VERSION 1

enum
{
	RECORD_VERSION_AT = 4,
	RECORD_CODEC = 5,
	RECORD_CIPHER = 6,
	RECORD_ZERO = 7,
	RECORD_BUCKET_ID = 8,
	RECORD_OFFSET = 16,
	RECORD_DURABLE = 24,
	RECORD_LENGTH = 32,
	RECORD_PAYLOAD_LENGTH = 36,
	RECORD_CRC32C = 40,
	RECORD_PAYLOAD_CRC32C = 44,
	RECORD_HASH = 48,
	RECORD_TAG_AT = 80,
	RECORD_ZEROS = 96,
	RECORD_HEADER_CRC32C = 124
};

enum
{
	AAD_CELL = 0,
	AAD_BUCKET_ID = 16,
	AAD_OFFSET = 24,
	AAD_HASH = 32,
	AAD_LENGTH = 64,
	AAD_PAYLOAD_LENGTH = 68,
	AAD_CODEC = 72
};

_Static_assert(RECORD_HASH + PK_SHA256_SIZE == RECORD_TAG_AT, "hash");
_Static_assert(RECORD_TAG_AT + PK_RECORD_TAG == RECORD_ZEROS, "tag");
_Static_assert(RECORD_HEADER_CRC32C + 4 == PK_RECORD_HEADER, "the CRC ends the header");
_Static_assert(PK_RECORD_HEADER % PK_RECORD_ALIGN == 0, "a payload begins aligned");
_Static_assert(AAD_CELL + PK_UUID_SIZE == AAD_BUCKET_ID, "cell");
_Static_assert(AAD_HASH + PK_SHA256_SIZE == AAD_LENGTH, "hash");
_Static_assert(AAD_CODEC + 8 == PK_RECORD_AAD, "zeros end the associated data");

void
pk_record_encode(uint8_t out[PK_RECORD_HEADER], const pk_record *record)
{
	memset(out, 0, PK_RECORD_HEADER);
	pk_put_u32(out, PK_RECORD_MAGIC);
	out[RECORD_VERSION_AT] = RECORD_VERSION;
	out[RECORD_CODEC] = record->codec;
	out[RECORD_CIPHER] = record->cipher;
	pk_put_u64(out + RECORD_BUCKET_ID, record->bucket_id);
	pk_put_u64(out + RECORD_OFFSET, record->offset);
	pk_put_u64(out + RECORD_DURABLE, record->durable);
	pk_put_u32(out + RECORD_LENGTH, record->length);
	pk_put_u32(out + RECORD_PAYLOAD_LENGTH, record->payload_length);
	pk_put_u32(out + RECORD_CRC32C, record->crc32c);
	pk_put_u32(out + RECORD_PAYLOAD_CRC32C, record->payload_crc32c);
	memcpy(out + RECORD_HASH, record->hash, PK_SHA256_SIZE);
	memcpy(out + RECORD_TAG_AT, record->tag, PK_RECORD_TAG);
	pk_put_u32(out + RECORD_HEADER_CRC32C, pk_crc32c(0, out, RECORD_HEADER_CRC32C));
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

/* What a header says about its place: aligned, inside a bucket, behind what was durable. */
static bool
place_is_possible(const pk_record *record)
{
	return record->offset % PK_RECORD_ALIGN == 0 && record->durable <= record->offset &&
		   record->offset <= PK_BUCKET_SIZE_MAX &&
		   pk_record_size(record->payload_length) <= PK_BUCKET_SIZE_MAX - record->offset;
}

/* Lengths and kinds of the payload; compression that does not shorten is never stored. */
static bool
payload_is_possible(const pk_record *record)
{
	if (record->length < PK_BLOCK_SIZE_MIN || record->length > PK_BLOCK_SIZE_MAX)
		return false;
	if (record->payload_length == 0 || record->payload_length > record->length)
		return false;
	if (record->codec == PK_CODEC_RAW ? record->payload_length != record->length : record->codec != PK_CODEC_ZSTD)
		return false;
	if (record->cipher == PK_CIPHER_NONE)
		return all_zero(record->tag, PK_RECORD_TAG);
	return record->cipher == PK_CIPHER_AES256GCM;
}

pk_error
pk_record_decode(pk_record *record, const uint8_t in[PK_RECORD_HEADER], uint64_t bucket_id, uint64_t offset)
{
	pk_record decoded;

	if (pk_get_u32(in) != PK_RECORD_MAGIC || in[RECORD_VERSION_AT] != RECORD_VERSION || in[RECORD_ZERO] != 0)
		return PK_ERR_CORRUPT;
	if (pk_get_u32(in + RECORD_HEADER_CRC32C) != pk_crc32c(0, in, RECORD_HEADER_CRC32C))
		return PK_ERR_CORRUPT;
	if (!all_zero(in + RECORD_ZEROS, RECORD_HEADER_CRC32C - RECORD_ZEROS))
		return PK_ERR_CORRUPT;

	memset(&decoded, 0, sizeof(decoded));
	decoded.codec = in[RECORD_CODEC];
	decoded.cipher = in[RECORD_CIPHER];
	decoded.bucket_id = pk_get_u64(in + RECORD_BUCKET_ID);
	decoded.offset = pk_get_u64(in + RECORD_OFFSET);
	decoded.durable = pk_get_u64(in + RECORD_DURABLE);
	decoded.length = pk_get_u32(in + RECORD_LENGTH);
	decoded.payload_length = pk_get_u32(in + RECORD_PAYLOAD_LENGTH);
	decoded.crc32c = pk_get_u32(in + RECORD_CRC32C);
	decoded.payload_crc32c = pk_get_u32(in + RECORD_PAYLOAD_CRC32C);
	memcpy(decoded.hash, in + RECORD_HASH, PK_SHA256_SIZE);
	memcpy(decoded.tag, in + RECORD_TAG_AT, PK_RECORD_TAG);

	if (decoded.bucket_id != bucket_id || decoded.offset != offset)
		return PK_ERR_CORRUPT;
	if (!place_is_possible(&decoded) || !payload_is_possible(&decoded))
		return PK_ERR_CORRUPT;
	*record = decoded;
	return PK_OK;
}

void
pk_record_aad(uint8_t out[PK_RECORD_AAD], const uint8_t cell[PK_UUID_SIZE], const pk_record *record)
{
	memset(out, 0, PK_RECORD_AAD);
	memcpy(out + AAD_CELL, cell, PK_UUID_SIZE);
	pk_put_u64(out + AAD_BUCKET_ID, record->bucket_id);
	pk_put_u64(out + AAD_OFFSET, record->offset);
	memcpy(out + AAD_HASH, record->hash, PK_SHA256_SIZE);
	pk_put_u32(out + AAD_LENGTH, record->length);
	pk_put_u32(out + AAD_PAYLOAD_LENGTH, record->payload_length);
	out[AAD_CODEC] = record->codec;
}

void
pk_record_nonce(uint8_t out[PK_RECORD_NONCE], const pk_record *record)
{
	memset(out, 0, PK_RECORD_NONCE);
	pk_put_u64(out, record->offset);
}
