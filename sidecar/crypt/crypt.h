/*
 * crypt/crypt.h
 *	  What happens to a block's bytes between the wire and the drive: zstd where
 *	  it pays, then AES-256-GCM under its bucket's key; and the wrapping of bucket
 *	  keys under the key ring's key-encryption keys.
 *
 * The nonce is the record's offset in its bucket and the associated data binds
 * cell, place, hash, lengths and codec (contract/pk_record.h), so a record moved
 * or altered in any of these does not open.
 */
#ifndef PD_CRYPT_H
#define PD_CRYPT_H

#include "base/err.h"
#include "contract/pk_keyfile.h"
#include "contract/pk_record.h"

#define PD_BUCKET_KEY 32
#define PD_WRAPPED_KEY 64 /* key id (u32), 12 nonce, 32 ciphertext, 16 tag */

/* random: 12 fresh random bytes, the nonce. cell and bucket_id are bound. */
extern pk_error pd_key_wrap(uint8_t out[PD_WRAPPED_KEY], const uint8_t key[PD_BUCKET_KEY],
							const uint8_t cell[PK_UUID_SIZE], uint64_t bucket_id, const uint8_t random[12],
							const pk_keyring *ring, struct pd_err *err) PK_MUST_CHECK;
/* PK_ERR_NO_KEY when the ring lacks the key id, PK_ERR_CORRUPT when it does not open. */
extern pk_error pd_key_unwrap(uint8_t key[PD_BUCKET_KEY], const uint8_t wrapped[PD_WRAPPED_KEY],
							  const uint8_t cell[PK_UUID_SIZE], uint64_t bucket_id, const pk_keyring *ring,
							  struct pd_err *err) PK_MUST_CHECK;

/*
 * Compresses into out (capacity at least length) when a probe says that it pays; returns the
 * payload's length and sets *codec.  With PK_CODEC_RAW nothing was written: the payload is the
 * input itself.
 */
extern size_t pd_compress(uint8_t *out, size_t capacity, const uint8_t *in, size_t length, uint8_t *codec);

/* Into exactly record->length bytes. PK_ERR_CORRUPT when the frame yields another length. */
extern pk_error pd_decompress(uint8_t *out, const pk_record *record, const uint8_t *payload,
							  struct pd_err *err) PK_MUST_CHECK;

/* Who wants to know, while a payload is encrypted, how many bytes of it are final: told at each PD_SEAL_STEP or so. */
#define PD_SEAL_STEP (512 * 1024)
struct pd_seal_progress
{
	void (*tell)(void *arg, uint32_t bytes);
	void *arg;
};

/*
 * Encrypts payload_length bytes from in to out (which may be the same), sets record->cipher and record->tag, and
 * record->payload_crc32c over out. Everything else in record is set before. progress may be NULL.
 */
extern pk_error pd_seal_record(pk_record *record, uint8_t *out, const uint8_t *in, const uint8_t cell[PK_UUID_SIZE],
							   const uint8_t key[PD_BUCKET_KEY], const struct pd_seal_progress *progress,
							   struct pd_err *err) PK_MUST_CHECK;

/* The inverse; PK_ERR_CORRUPT when the tag does not match. in and out may be the same. */
extern pk_error pd_open_record(const pk_record *record, uint8_t *out, const uint8_t *in,
							   const uint8_t cell[PK_UUID_SIZE], const uint8_t key[PD_BUCKET_KEY],
							   struct pd_err *err) PK_MUST_CHECK;

/*
 * The same piece by piece, in order: for who passes a piece on while the next is opened.  Nothing is proved before
 * the end, so the last piece is to be held back until then; out and in may be the same.
 */
struct pd_opening;
/* NULL on failure: *code, and err, tell. */
extern struct pd_opening *pd_opening_begin(const pk_record *record, const uint8_t cell[PK_UUID_SIZE],
										   const uint8_t key[PD_BUCKET_KEY], pk_error *code, struct pd_err *err);
extern pk_error pd_opening_step(struct pd_opening *opening, uint8_t *out, const uint8_t *in, size_t n,
								struct pd_err *err) PK_MUST_CHECK;
/* After as many bytes as the payload has; PK_ERR_CORRUPT when the tag does not match. */
extern pk_error pd_opening_end(struct pd_opening *opening, struct pd_err *err) PK_MUST_CHECK;
/* NULL is nothing to free. */
extern void pd_opening_free(struct pd_opening *opening);

#endif
