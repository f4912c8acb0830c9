/*
 * token.h
 *	  Signing for blocks: the paths of requests that a node carries out.  Private
 *	  to this room.
 */
#ifndef POCKET_TOKEN_H
#define POCKET_TOKEN_H

#include "blocks/blocks.h"
#include "blocks/copies.h"
#include "placement/placement.h"

#define POCKET_TOKEN_LIFE_S 3600 /* of what is used by this server at once */

/* Who signs. */
typedef struct PocketSigner
{
	PocketCell cell;
	const pk_keyring *keys;
} PocketSigner;

extern void pocket_signer_init(PocketSigner *signer);

/*
 * /block/TOKEN, palloc'd.  crc32c: that of the bytes, by which the node proves them, where this server has hashed them or
 * holds them against it; NULL: the node hashes them.  expires: Unix seconds, exclusive.
 */
extern char *pocket_put_path(const PocketSigner *signer, int64 ns_id, const PocketPlace *place,
							 const PocketBlock *block, const uint32 *crc32c, uint64 expires);
extern char *pocket_get_path(const PocketSigner *signer, const PocketCopy *copy, const PocketBlock *block,
							 const uint32 *crc32c, uint64 expires);

#endif
