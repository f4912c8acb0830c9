/*
 * pk_keyfile.h
 *	  The key file that a database and its sidecars share, and the keys derived
 *	  from its secrets, one for each purpose.
 *
 * Text: a line "KEY-ID SECRET" for each key, KEY-ID decimal 1 .. 2^32-1, SECRET
 * 64 hex digits; blank lines and lines that begin with # are skipped.  The
 * first key signs and wraps; all of them verify and unwrap.
 */
#ifndef PK_KEYFILE_H
#define PK_KEYFILE_H

#include "contract/pk_error.h"
#include "contract/pk_hash.h"
#include "contract/pk_limits.h"

typedef enum pk_purpose
{
	PK_PURPOSE_TOKEN = 1, /* capabilities and orders */
	PK_PURPOSE_RECEIPT = 2,
	PK_PURPOSE_WRAP = 3 /* key-encryption key of the bucket keys; never leaves pocketd */
} pk_purpose;

typedef struct pk_key
{
	uint32_t id;
	uint8_t secret[PK_KEY_SIZE];
} pk_key;

typedef struct pk_keyring
{
	int count;
	pk_key keys[PK_KEYS_MAX]; /* [0] is current */
} pk_keyring;

/* Parses the text of a key file; on error *line is the 1-based line at fault. No key at all is PK_ERR_NO_KEY. */
extern pk_error pk_keyring_parse(pk_keyring *ring, const char *text, size_t length, int *line) PK_MUST_CHECK;

/* The key of an id, or NULL. */
extern const pk_key *pk_keyring_find(const pk_keyring *ring, uint32_t id);

/* HMAC-SHA256(secret, "pocket/1 " purpose-name): token, receipt or wrap. */
extern void pk_key_derive(uint8_t out[PK_KEY_SIZE], const pk_key *key, pk_purpose purpose);

/* "ID HEX\n" with a NUL into out, which has PK_KEY_LINE bytes. */
#define PK_KEY_LINE (10 + 1 + 2 * PK_KEY_SIZE + 1 + 1)
extern void pk_key_format(char out[PK_KEY_LINE], const pk_key *key);

#endif
