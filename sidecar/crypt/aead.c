/*
 * crypt/aead.c
 *	  AES-256-GCM over a record's payload.
 *
 * The nonce is the record's offset.  That is sound because no offset of a bucket
 * is ever written twice under its key: extents are append-only, each bucket has
 * a fresh random key, and a bucket that was open when its process ended is sealed.
 */
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "crypt/crypt.h"
#include "crypt/thread.h"

#define PIECE (128 * 1024)

pk_error
pd_seal_record(pk_record *record, uint8_t *out, const uint8_t *in, const uint8_t cell[PK_UUID_SIZE],
			   const uint8_t key[PD_BUCKET_KEY], const struct pd_seal_progress *progress, struct pd_err *err)
{
	struct pd_crypt_thread *thread = pd_crypt_thread();
	uint8_t aad[PK_RECORD_AAD];
	uint8_t nonce[PK_RECORD_NONCE];
	uint8_t end[PK_RECORD_TAG]; /* GCM has no last block: nothing is written */
	uint32_t crc = 0;
	int written;
	int rest;

	if (thread == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for encrypting");
	if (record->payload_length > INT_MAX)
		return pd_fail(err, PK_ERR_TOO_LARGE, "a payload of %u bytes is too large", record->payload_length);

	record->cipher = PK_CIPHER_AES256GCM;
	pk_record_aad(aad, cell, record);
	pk_record_nonce(nonce, record);
	if (EVP_EncryptInit_ex2(thread->aead, NULL, key, nonce, NULL) != 1 ||
		EVP_EncryptUpdate(thread->aead, NULL, &written, aad, sizeof(aad)) != 1)
		return pd_fail(err, PK_ERR_INTERNAL, "AES-256-GCM does not encrypt");
	/* in pieces that stay in the cache between the cipher and the checksum */
	for (uint32_t done = 0; done < record->payload_length; done += (uint32_t) written)
	{
		uint32_t left = record->payload_length - done;

		if (EVP_EncryptUpdate(thread->aead, out + done, &written, in + done, (int) (left < PIECE ? left : PIECE)) !=
				1 ||
			written <= 0)
			return pd_fail(err, PK_ERR_INTERNAL, "AES-256-GCM does not encrypt");
		crc = pk_crc32c(crc, out + done, (size_t) written);
		if (progress != NULL && (done + (uint32_t) written) % PD_SEAL_STEP == 0)
			progress->tell(progress->arg, done + (uint32_t) written);
	}
	if (EVP_EncryptFinal_ex(thread->aead, end, &rest) != 1 ||
		EVP_CIPHER_CTX_ctrl(thread->aead, EVP_CTRL_AEAD_GET_TAG, PK_RECORD_TAG, record->tag) != 1)
		return pd_fail(err, PK_ERR_INTERNAL, "AES-256-GCM does not encrypt");

	record->payload_crc32c = crc;
	return PK_OK;
}

static pk_error
open_begin(EVP_CIPHER_CTX *aead, const pk_record *record, const uint8_t cell[PK_UUID_SIZE],
		   const uint8_t key[PD_BUCKET_KEY], struct pd_err *err)
{
	uint8_t aad[PK_RECORD_AAD];
	uint8_t nonce[PK_RECORD_NONCE];
	uint8_t tag[PK_RECORD_TAG];
	int written;

	/* a header that says "not encrypted" proves nothing about its payload */
	if (record->cipher != PK_CIPHER_AES256GCM || record->payload_length > INT_MAX)
		return pd_fail(err, PK_ERR_CORRUPT,
					   "record at bucket %" PRIu64 " offset %" PRIu64 ": not sealed by AES-256-GCM", record->bucket_id,
					   record->offset);
	pk_record_aad(aad, cell, record);
	pk_record_nonce(nonce, record);
	memcpy(tag, record->tag, sizeof(tag));
	if (EVP_DecryptInit_ex2(aead, NULL, key, nonce, NULL) != 1 ||
		EVP_CIPHER_CTX_ctrl(aead, EVP_CTRL_AEAD_SET_TAG, PK_RECORD_TAG, tag) != 1 ||
		EVP_DecryptUpdate(aead, NULL, &written, aad, sizeof(aad)) != 1)
		return pd_fail(err, PK_ERR_INTERNAL, "AES-256-GCM does not decrypt");
	return PK_OK;
}

static pk_error
open_step(EVP_CIPHER_CTX *aead, uint8_t *out, const uint8_t *in, size_t n, struct pd_err *err)
{
	int written;

	if (EVP_DecryptUpdate(aead, out, &written, in, (int) n) != 1 || written != (int) n)
		return pd_fail(err, PK_ERR_INTERNAL, "AES-256-GCM does not decrypt");
	return PK_OK;
}

static pk_error
open_end(EVP_CIPHER_CTX *aead, uint64_t bucket_id, uint64_t offset, struct pd_err *err)
{
	uint8_t end[PK_RECORD_TAG]; /* GCM has no last block: nothing is written */
	int rest;

	if (EVP_DecryptFinal_ex(aead, end, &rest) != 1)
		return pd_fail(err, PK_ERR_CORRUPT,
					   "record at bucket %" PRIu64 " offset %" PRIu64 ": the authentication tag does not match",
					   bucket_id, offset);
	return PK_OK;
}

pk_error
pd_open_record(const pk_record *record, uint8_t *out, const uint8_t *in, const uint8_t cell[PK_UUID_SIZE],
			   const uint8_t key[PD_BUCKET_KEY], struct pd_err *err)
{
	struct pd_crypt_thread *thread = pd_crypt_thread();
	pk_error rc;

	if (thread == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for decrypting");
	rc = open_begin(thread->aead, record, cell, key, err);
	if (rc != PK_OK)
		return rc;
	rc = open_step(thread->aead, out, in, record->payload_length, err);
	if (rc == PK_OK)
		rc = open_end(thread->aead, record->bucket_id, record->offset, err);
	if (rc != PK_OK)
		memset(out, 0, record->payload_length); /* nobody is to see what was not proved */
	return rc;
}

struct pd_opening
{
	EVP_CIPHER_CTX *aead;
	uint64_t bucket_id;
	uint64_t offset;
};

struct pd_opening *
pd_opening_begin(const pk_record *record, const uint8_t cell[PK_UUID_SIZE], const uint8_t key[PD_BUCKET_KEY],
				 pk_error *code, struct pd_err *err)
{
	struct pd_opening *opening = calloc(1, sizeof(*opening));

	if (opening == NULL || (opening->aead = pd_crypt_new_aead()) == NULL)
		*code = pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for decrypting");
	else
		*code = open_begin(opening->aead, record, cell, key, err);
	if (*code != PK_OK)
	{
		pd_opening_free(opening);
		return NULL;
	}
	opening->bucket_id = record->bucket_id;
	opening->offset = record->offset;
	return opening;
}

pk_error
pd_opening_step(struct pd_opening *opening, uint8_t *out, const uint8_t *in, size_t n, struct pd_err *err)
{
	return open_step(opening->aead, out, in, n, err);
}

pk_error
pd_opening_end(struct pd_opening *opening, struct pd_err *err)
{
	return open_end(opening->aead, opening->bucket_id, opening->offset, err);
}

void
pd_opening_free(struct pd_opening *opening)
{
	if (opening != NULL)
		EVP_CIPHER_CTX_free(opening->aead);
	free(opening);
}
