/*
 * pk_hash.h
 *	  The hashes of the contract: SHA-256 names blocks, CRC32C guards bytes at
 *	  rest and in flight, HMAC-SHA256 signs, Dropbox's content_hash names files.
 *
 * The arithmetic is OpenSSL's and isa-l's.
 */
#ifndef PK_HASH_H
#define PK_HASH_H

#include <stddef.h>
#include <stdint.h>

#define PK_SHA256_SIZE 32
#define PK_SHA256_HEX 64

typedef struct pk_digest
{
	uint8_t bytes[PK_SHA256_SIZE];
} pk_digest;

extern void pk_sha256(uint8_t out[PK_SHA256_SIZE], const void *data, size_t length);

/* CRC32C (Castagnoli, reflected, init and xorout ~0): pass 0 first, then the previous result to continue. */
extern uint32_t pk_crc32c(uint32_t crc, const void *data, size_t length);

extern void pk_hmac_sha256(uint8_t out[PK_SHA256_SIZE], const uint8_t *key, size_t key_length, const void *data,
						   size_t length);

/*
 * content_hash: SHA-256 over the concatenated SHA-256 of a file's blocks of
 * 4 MiB (dropbox.com/developers/reference/content-hash).  hashes: count * 32 bytes.
 */
extern void pk_content_hash(uint8_t out[PK_SHA256_SIZE], const uint8_t *hashes, size_t count);

#endif
