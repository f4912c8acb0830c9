/*
 * pk_blocklist.h
 *	  Block lists, as text {hash:size,...} and as bytes: what a file consists of.
 *
 * A size is PK_BLOCK_SIZE_MIN .. PK_BLOCK_SIZE_MAX.  The binary form is in network
 * order: u32 count, then for each block its hash (32) and u32 size.
 */
#ifndef PK_BLOCKLIST_H
#define PK_BLOCKLIST_H

#include <stddef.h>
#include <stdint.h>

#include "contract/pk_error.h"
#include "contract/pk_hash.h"
#include "contract/pk_limits.h"

typedef struct pk_listed_block
{
	pk_digest hash;
	uint32_t size;
} pk_listed_block;

#define PK_LISTED_BLOCK_SIZE 36
#define PK_BLOCKLIST_SIZE(count) (4 + (size_t) (count) *PK_LISTED_BLOCK_SIZE)

/* The blocks that a text has if it is valid, over the limit or not. */
extern size_t pk_blocklist_count_text(const char *text, size_t length);

/*
 * Reads a text of so many blocks.  NULL, or a phrase for what is wrong at byte
 * *at: "a colon is expected", ...
 */
extern const char *pk_blocklist_parse(pk_listed_block *blocks, size_t count, const char *text, size_t length,
									  size_t *at) PK_MUST_CHECK;

/* The blocks that bytes have, over the limit or not; -1 when their length is not that of the count that they begin with. */
extern long pk_blocklist_count(const uint8_t *in, size_t length);

/* Reads PK_BLOCKLIST_SIZE(count) bytes; as parse. */
extern const char *pk_blocklist_decode(pk_listed_block *blocks, size_t count, const uint8_t *in,
									   size_t *at) PK_MUST_CHECK;

/* Writes PK_BLOCKLIST_SIZE(count) bytes. */
extern void pk_blocklist_encode(uint8_t *out, const pk_listed_block *blocks, size_t count);

#endif
