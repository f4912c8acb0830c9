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

pk_error
pd_open_record(const pk_record *record, uint8_t *out, const uint8_t *in, const uint8_t cell[PK_UUID_SIZE],
			   const uint8_t key[PD_BUCKET_KEY], struct pd_err *err)
{
	struct pd_crypt_thread *thread = pd_crypt_thread();
	uint8_t aad[PK_RECORD_AAD];
	uint8_t nonce[PK_RECORD_NONCE];
	uint8_t tag[PK_RECORD_TAG];
	int written;
	int rest;

	if (thread == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for decrypting");
	/* a header that says "not encrypted" proves nothing about its payload */
	if (record->cipher != PK_CIPHER_AES256GCM || record->payload_length > INT_MAX)
		return pd_fail(err, PK_ERR_CORRUPT,
					   "record at bucket %" PRIu64 " offset %" PRIu64 ": not sealed by AES-256-GCM", record->bucket_id,
					   record->offset);

	pk_record_aad(aad, cell, record);
	pk_record_nonce(nonce, record);
	memcpy(tag, record->tag, sizeof(tag));
	if (EVP_DecryptInit_ex2(thread->aead, NULL, key, nonce, NULL) != 1 ||
		EVP_DecryptUpdate(thread->aead, NULL, &written, aad, sizeof(aad)) != 1 ||
		EVP_DecryptUpdate(thread->aead, out, &written, in, (int) record->payload_length) != 1 ||
		EVP_CIPHER_CTX_ctrl(thread->aead, EVP_CTRL_AEAD_SET_TAG, PK_RECORD_TAG, tag) != 1)
		return pd_fail(err, PK_ERR_INTERNAL, "AES-256-GCM does not decrypt");
	if (EVP_DecryptFinal_ex(thread->aead, out + written, &rest) != 1)
	{
		/* nobody is to see what was not proved */
		memset(out, 0, record->payload_length);
		return pd_fail(err, PK_ERR_CORRUPT,
					   "record at bucket %" PRIu64 " offset %" PRIu64 ": the authentication tag does not match",
					   record->bucket_id, record->offset);
	}
	return PK_OK;
}
