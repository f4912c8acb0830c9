/*
 * sha256.h
 *	  Type pocket.sha256: 32 bytes, passed by reference; names a block, or a
 *	  file's content.  Text form: 64 hex digits; binary form: the bytes.
 */
#ifndef POCKET_SHA256_H
#define POCKET_SHA256_H

#include "base/compat.h"

#include "contract/pk_hash.h"

typedef pk_digest PocketSha256;

#define DatumGetPocketSha256(d) ((PocketSha256 *) DatumGetPointer(d))
#define PG_GETARG_SHA256(n) DatumGetPocketSha256(PG_GETARG_DATUM(n))

static inline int
pocket_sha256_compare(const PocketSha256 *a, const PocketSha256 *b)
{
	return memcmp(a->bytes, b->bytes, PK_SHA256_SIZE);
}

/* palloc'd */
extern PocketSha256 *pocket_sha256_make(const uint8 *bytes);

#endif
