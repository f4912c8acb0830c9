/*
 * copies.h
 *	  Where the copies of blocks are.  Private to this room.
 */
#ifndef POCKET_COPIES_H
#define POCKET_COPIES_H

#include "blocks/blocks.h"
#include "placement/placement.h"

/* A copy of a block, as a row tells. */
typedef struct PocketCopy
{
	int64 bucket_id;
	int64 offset;
	uint32 stored_length;
	uint32 crc32c;
	struct PocketCopy *next;
} PocketCopy;

/* The copies of each of count blocks that have its size; NULL when there is none. */
extern void pocket_copies_find(const PocketBlock *const *blocks, int count, PocketCopy **copies);

/* Buckets that were looked up, in the context in which it is made. */
typedef struct PocketPlaces PocketPlaces;

extern PocketPlaces *pocket_places_make(void);

/* Where a bucket is read; NULL when the cell does not know it. */
extern const PocketPlace *pocket_places_find(PocketPlaces *places, int64 bucket_id);

/* PK004 */
pg_attribute_noreturn() extern void pocket_block_lost(const PocketBlock *block, const char *detail);

#endif
