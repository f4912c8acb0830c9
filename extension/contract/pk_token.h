/*
 * pk_token.h
 *	  Capability tokens and receipts: what the extension signs so that pocketd
 *	  acts, and what pocketd signs so that the extension believes.
 *
 * Fixed binary layouts, no delimiters; the text forms are base64url.  FORMAT.md
 * gives every byte.  A token is worth something for one cell, method, place,
 * hash, size and time; comparison of signatures is in constant time.
 */
#ifndef PK_TOKEN_H
#define PK_TOKEN_H

#include <stdbool.h>

#include "contract/pk_bytes.h"
#include "contract/pk_error.h"
#include "contract/pk_hash.h"
#include "contract/pk_keyfile.h"

typedef enum pk_method
{
	PK_METHOD_GET = 1,	 /* read one block */
	PK_METHOD_PUT = 2,	 /* append one block to a bucket */
	PK_METHOD_ORDER = 3, /* POST /order/VERB; hash and size are the body's, bucket is 0 */
	PK_METHOD_PEER = 4	 /* /peer/...: one node asks another; hash is the path's, length and crc32c are the body's */
} pk_method;

/* flags */
/* PUT: the body is proved by crc32c, its hash is the signer's word. GET: whoever asks holds the bytes against crc32c himself. */
#define PK_TOKEN_CRC_CHECKED 1

/*
 * Which life of which database speaks.  Compared in this order; a pocketd
 * durably remembers the highest and refuses a lower one.  A higher timeline or
 * count of starts speaks for itself, a higher incarnation only once it has come
 * by the order `adopt`.
 */
typedef struct pk_epoch
{
	uint32_t incarnation;
	uint32_t timeline;
	uint32_t starts;
} pk_epoch;

/* <0, 0, >0: by incarnation, then timeline, then starts. */
extern int pk_epoch_compare(const pk_epoch *a, const pk_epoch *b);

typedef struct pk_token
{
	uint8_t method; /* pk_method */
	uint16_t flags;
	uint32_t key_id; /* set by pk_token_sign */
	uint8_t cell[PK_UUID_SIZE];
	uint64_t ns_id; /* PUT: for whom the receipt will be; else 0 */
	uint64_t bucket_id;
	uint64_t offset;			  /* GET: of the record in its bucket */
	uint32_t stored_length;		  /* GET: of the record */
	uint32_t length;			  /* plain bytes of the block, or of an order's or a peer's body */
	uint32_t crc32c;			  /* of the plain bytes; PEER: of the body */
	uint32_t generation;		  /* PUT, PEER: of the volume */
	uint8_t hash[PK_SHA256_SIZE]; /* SHA-256 of the plain bytes; ORDER: of the body; PEER: of the path */
	pk_epoch epoch;
	uint64_t not_before; /* Unix seconds; 0 = always */
	uint64_t expires;	 /* Unix seconds, exclusive */
	uint8_t nonce[8];
} pk_token;

#define PK_TOKEN_SIZE 192 /* with its signature, the last 32 bytes */
#define PK_TOKEN_TEXT PK_BASE64_LENGTH(PK_TOKEN_SIZE)

/* Signs with the ring's current key and writes PK_TOKEN_TEXT characters and a NUL. */
extern void pk_token_sign(char out[PK_TOKEN_TEXT + 1], pk_token *token, const pk_keyring *ring);

/*
 * Decodes and verifies; now is Unix seconds.  Every refusal is PK_ERR_DENIED,
 * whatever its cause.
 */
extern pk_error pk_token_verify(pk_token *token, const char *text, size_t text_length, const pk_keyring *ring,
								uint64_t now) PK_MUST_CHECK;

/*
 * pocketd's word that a block is durable on every replica of its bucket.
 */
typedef struct pk_receipt
{
	uint32_t key_id;
	uint8_t cell[PK_UUID_SIZE];
	uint64_t ns_id;
	uint64_t bucket_id;
	uint64_t offset;
	uint32_t stored_length;
	uint32_t length;
	uint32_t crc32c;
	uint8_t hash[PK_SHA256_SIZE];
	uint64_t expires;
} pk_receipt;

#define PK_RECEIPT_SIZE 144
#define PK_RECEIPT_TEXT PK_BASE64_LENGTH(PK_RECEIPT_SIZE)
#define PK_RECEIPT_LIFE_S 86400

extern void pk_receipt_sign(char out[PK_RECEIPT_TEXT + 1], pk_receipt *receipt, const pk_keyring *ring);
extern pk_error pk_receipt_verify(pk_receipt *receipt, const char *text, size_t text_length, const pk_keyring *ring,
								  uint64_t now) PK_MUST_CHECK;

#endif
