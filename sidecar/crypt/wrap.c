/*
 * crypt/wrap.c
 *	  A bucket's key under a key-encryption key of the key ring.
 *
 *	0	4	id of the key whose PK_PURPOSE_WRAP key wraps, little-endian
 *	4	12	nonce, random
 *	16	32	the bucket's key, encrypted by AES-256-GCM
 *	48	16	tag; bound beside the key: "PKW1", bytes 0..3, cell (16), bucket id (8, little-endian)
 */
#include <inttypes.h>
#include <string.h>

#include <openssl/crypto.h>

#include "crypt/crypt.h"
#include "crypt/thread.h"

#define AT_NONCE 4
#define AT_KEY 16
#define AT_TAG 48
#define AAD_SIZE 32

_Static_assert(AT_TAG + 16 == PD_WRAPPED_KEY, "layout of a wrapped key");
_Static_assert(AT_KEY + PD_BUCKET_KEY == AT_TAG, "layout of a wrapped key");

static void
wrap_aad(uint8_t aad[AAD_SIZE], uint32_t key_id, const uint8_t cell[PK_UUID_SIZE], uint64_t bucket_id)
{
	memcpy(aad, "PKW1", 4);
	pk_put_u32(aad + 4, key_id);
	memcpy(aad + 8, cell, PK_UUID_SIZE);
	pk_put_u64(aad + 24, bucket_id);
}

pk_error
pd_key_wrap(uint8_t out[PD_WRAPPED_KEY], const uint8_t key[PD_BUCKET_KEY], const uint8_t cell[PK_UUID_SIZE],
			uint64_t bucket_id, const uint8_t random[12], const pk_keyring *ring, struct pd_err *err)
{
	uint8_t wrapping[PK_KEY_SIZE];
	uint8_t aad[AAD_SIZE];
	EVP_CIPHER_CTX *aead;
	pk_error result = PK_OK;
	int written;
	int rest;

	memset(out, 0, PD_WRAPPED_KEY);
	if (ring->count < 1)
		return pd_fail(err, PK_ERR_NO_KEY, "the key ring is empty");
	aead = pd_crypt_new_aead();
	if (aead == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for wrapping a key");

	pk_put_u32(out, ring->keys[0].id);
	memcpy(out + AT_NONCE, random, 12);
	wrap_aad(aad, ring->keys[0].id, cell, bucket_id);
	pk_key_derive(wrapping, &ring->keys[0], PK_PURPOSE_WRAP);
	if (EVP_EncryptInit_ex2(aead, NULL, wrapping, random, NULL) != 1 ||
		EVP_EncryptUpdate(aead, NULL, &written, aad, sizeof(aad)) != 1 ||
		EVP_EncryptUpdate(aead, out + AT_KEY, &written, key, PD_BUCKET_KEY) != 1 ||
		EVP_EncryptFinal_ex(aead, out + AT_KEY + written, &rest) != 1 ||
		EVP_CIPHER_CTX_ctrl(aead, EVP_CTRL_AEAD_GET_TAG, PD_WRAPPED_KEY - AT_TAG, out + AT_TAG) != 1)
	{
		memset(out, 0, PD_WRAPPED_KEY);
		result = pd_fail(err, PK_ERR_INTERNAL, "AES-256-GCM does not encrypt");
	}
	EVP_CIPHER_CTX_free(aead);
	OPENSSL_cleanse(wrapping, sizeof(wrapping));
	return result;
}

pk_error
pd_key_unwrap(uint8_t key[PD_BUCKET_KEY], const uint8_t wrapped[PD_WRAPPED_KEY], const uint8_t cell[PK_UUID_SIZE],
			  uint64_t bucket_id, const pk_keyring *ring, struct pd_err *err)
{
	uint32_t key_id = pk_get_u32(wrapped);
	const pk_key *ring_key = pk_keyring_find(ring, key_id);
	uint8_t wrapping[PK_KEY_SIZE];
	uint8_t aad[AAD_SIZE];
	uint8_t tag[PD_WRAPPED_KEY - AT_TAG];
	EVP_CIPHER_CTX *aead;
	pk_error result = PK_OK;
	int written;
	int rest;

	memset(key, 0, PD_BUCKET_KEY);
	if (ring_key == NULL)
		return pd_fail(err, PK_ERR_NO_KEY,
					   "the key of bucket %" PRIu64 " is wrapped with key %u, which the key file lacks", bucket_id,
					   key_id);
	aead = pd_crypt_new_aead();
	if (aead == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for unwrapping a key");

	wrap_aad(aad, key_id, cell, bucket_id);
	memcpy(tag, wrapped + AT_TAG, sizeof(tag));
	pk_key_derive(wrapping, ring_key, PK_PURPOSE_WRAP);
	if (EVP_DecryptInit_ex2(aead, NULL, wrapping, wrapped + AT_NONCE, NULL) != 1 ||
		EVP_DecryptUpdate(aead, NULL, &written, aad, sizeof(aad)) != 1 ||
		EVP_DecryptUpdate(aead, key, &written, wrapped + AT_KEY, PD_BUCKET_KEY) != 1 ||
		EVP_CIPHER_CTX_ctrl(aead, EVP_CTRL_AEAD_SET_TAG, (int) sizeof(tag), tag) != 1)
		result = pd_fail(err, PK_ERR_INTERNAL, "AES-256-GCM does not decrypt");
	else if (EVP_DecryptFinal_ex(aead, key + written, &rest) != 1)
		result = pd_fail(err, PK_ERR_CORRUPT, "the wrapped key of bucket %" PRIu64 " does not open with key %u",
						 bucket_id, key_id);
	if (result != PK_OK)
		OPENSSL_cleanse(key, PD_BUCKET_KEY);
	EVP_CIPHER_CTX_free(aead);
	OPENSSL_cleanse(wrapping, sizeof(wrapping));
	return result;
}
