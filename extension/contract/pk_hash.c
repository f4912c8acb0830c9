/*
 * pk_hash.c
 *	  The contract's hashes, by OpenSSL and isa-l.
 *
 * OpenSSL's one-shots fail only when it cannot allocate a few hundred bytes.
 * There is no way on from there that could not name a block wrongly or accept a
 * forged signature, so the process ends: a crash loses nothing here.
 */
#include "contract/pk_hash.h"

#include <limits.h>
#include <stdlib.h>

#include <isa-l/crc.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

_Static_assert(PK_SHA256_SIZE == SHA256_DIGEST_LENGTH, "a SHA-256 has 32 bytes");
_Static_assert(PK_SHA256_HEX == 2 * PK_SHA256_SIZE, "two digits for each byte");

/* crc32_iscsi takes its length as an int */
#define CRC_STEP ((size_t) 1 << 30)

void
pk_sha256(uint8_t out[PK_SHA256_SIZE], const void *data, size_t length)
{
	if (SHA256(length > 0 ? data : "", length, out) == NULL)
		abort();
}

uint32_t
pk_crc32c(uint32_t crc, const void *data, size_t length)
{
	const uint8_t *p = data;

	/* isa-l neither inverts before nor after */
	crc = ~crc;
	while (length > 0)
	{
		size_t step = length < CRC_STEP ? length : CRC_STEP;

		/* the pointer is not const in isa-l's prototype; it only reads */
		crc = crc32_iscsi((unsigned char *) (uintptr_t) p, (int) step, crc);
		p += step;
		length -= step;
	}
	return ~crc;
}

void
pk_hmac_sha256(uint8_t out[PK_SHA256_SIZE], const uint8_t *key, size_t key_length, const void *data, size_t length)
{
	unsigned int written = 0;

	/* a NULL key means "the key of the last call" to OpenSSL; an empty key is another thing */
	if (key_length > INT_MAX ||
		HMAC(EVP_sha256(), key_length > 0 ? (const void *) key : "", (int) key_length,
			 length > 0 ? (const unsigned char *) data : (const unsigned char *) "", length, out, &written) == NULL ||
		written != PK_SHA256_SIZE)
		abort();
}

void
pk_content_hash(uint8_t out[PK_SHA256_SIZE], const uint8_t *hashes, size_t count)
{
	pk_sha256(out, hashes, count * PK_SHA256_SIZE);
}
