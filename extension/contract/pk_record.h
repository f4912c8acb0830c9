/*
 * pk_record.h
 *	  A block as stored: a header of 128 bytes, then the payload (compressed
 *	  where that pays, then encrypted), then zeros up to a multiple of 64.
 *
 * A record is valid at offset o of bucket b if and only if its header's CRC
 * matches, it names b and o as its own place, and its payload's CRC matches.
 * Its plain bytes are believed only when the AEAD tag and the length agree too.
 */
#ifndef PK_RECORD_H
#define PK_RECORD_H

#include "contract/pk_bytes.h"
#include "contract/pk_error.h"
#include "contract/pk_hash.h"

#define PK_RECORD_MAGIC 0x31524b50u /* "PKR1" */
#define PK_RECORD_HEADER 128
#define PK_RECORD_ALIGN 64
#define PK_RECORD_TAG 16

typedef enum pk_codec
{
	PK_CODEC_RAW = 0,
	PK_CODEC_ZSTD = 1
} pk_codec;

typedef enum pk_cipher
{
	PK_CIPHER_NONE = 0,
	PK_CIPHER_AES256GCM = 1
} pk_cipher;

typedef struct pk_record
{
	uint64_t bucket_id;
	uint64_t offset;		 /* of this header in the bucket; a multiple of PK_RECORD_ALIGN */
	uint64_t durable;		 /* the bucket's length that was durable on every replica when this was written */
	uint32_t length;		 /* plain bytes */
	uint32_t payload_length; /* bytes between header and padding */
	uint32_t crc32c;		 /* of the plain bytes */
	uint32_t payload_crc32c;
	uint8_t codec;
	uint8_t cipher;
	uint8_t hash[PK_SHA256_SIZE];
	uint8_t tag[PK_RECORD_TAG]; /* zero without a cipher */
} pk_record;

/* Header, payload and padding. */
static inline uint64_t
pk_record_size(uint32_t payload_length)
{
	return ((uint64_t) PK_RECORD_HEADER + payload_length + PK_RECORD_ALIGN - 1) / PK_RECORD_ALIGN * PK_RECORD_ALIGN;
}

extern void pk_record_encode(uint8_t out[PK_RECORD_HEADER], const pk_record *record);

/*
 * Decodes and checks a header that was read at (bucket_id, offset): magic,
 * version, CRC, own place, lengths within limits, known codec and cipher.
 * PK_ERR_CORRUPT otherwise.  Does not look at the payload.
 */
extern pk_error pk_record_decode(pk_record *record, const uint8_t in[PK_RECORD_HEADER], uint64_t bucket_id,
								 uint64_t offset) PK_MUST_CHECK;

/*
 * What the AEAD binds beside the payload: cell, bucket, offset, hash, lengths,
 * codec.  The nonce is the offset: unique, because no offset of a bucket is
 * ever written twice with other bytes under the bucket's key.
 */
#define PK_RECORD_AAD 80
#define PK_RECORD_NONCE 12
extern void pk_record_aad(uint8_t out[PK_RECORD_AAD], const uint8_t cell[PK_UUID_SIZE], const pk_record *record);
extern void pk_record_nonce(uint8_t out[PK_RECORD_NONCE], const pk_record *record);

#endif
