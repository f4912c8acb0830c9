/*
 * copies.c
 *	  Where the copies of blocks are; see copies.h.
 */
#include "blocks/copies.h"

#include "base/spi.h"
#include "blocks/transfer.h"
#include "utils/memutils.h"

typedef struct Known
{
	PocketPlace place;
	bool known;
	struct Known *next;
} Known;

struct PocketPlaces
{
	MemoryContext context;
	Known *first;
};

void
pocket_copies_find(const PocketBlock *const *blocks, int count, PocketCopy **copies)
{
	/* LIMIT: as in pocket_blocks_held, and more copies than that are not tried */
	static PocketPlan find = {"SELECT u.i, b.bucket_id, b.\"offset\", b.stored_length, b.length, b.crc32c"
							  " FROM pg_catalog.unnest($1) WITH ORDINALITY u (b, i)"
							  " CROSS JOIN LATERAL (SELECT * FROM pocket_data.block k"
							  " WHERE k.hash OPERATOR(pocket.=) u.b::pocket.sha256 LIMIT 16) b",
							  "bytea[]", NULL, NULL};
	Datum values[1] = {pocket_hash_array(blocks, count)};

	memset(copies, 0, sizeof(PocketCopy *) * count);
	(void) pocket_latest(&find, values, NULL);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		int64 i = pocket_column_int64(row, 1) - 1;
		PocketCopy *copy;

		if ((uint32) pocket_column_int32(row, 5) != blocks[i]->size)
			continue;
		copy = palloc(sizeof(PocketCopy));
		copy->bucket_id = pocket_column_int64(row, 2);
		copy->offset = pocket_column_int64(row, 3);
		copy->stored_length = (uint32) pocket_column_int32(row, 4);
		copy->crc32c = (uint32) pocket_column_int64(row, 6);
		copy->next = copies[i];
		copies[i] = copy;
	}
	pocket_free_rows();
}

PocketPlaces *
pocket_places_make(void)
{
	PocketPlaces *places = palloc0(sizeof(PocketPlaces));

	places->context = CurrentMemoryContext;
	return places;
}

const PocketPlace *
pocket_places_find(PocketPlaces *places, int64 bucket_id)
{
	MemoryContext old;
	Known *known;

	for (known = places->first; known != NULL; known = known->next)
	{
		if (known->place.bucket_id == bucket_id)
			return known->known ? &known->place : NULL;
	}
	old = MemoryContextSwitchTo(places->context);
	known = palloc0(sizeof(Known));
	known->known = pocket_place_locate(bucket_id, &known->place);
	known->place.bucket_id = bucket_id;
	known->next = places->first;
	places->first = known;
	MemoryContextSwitchTo(old);
	return known->known ? &known->place : NULL;
}

void
pocket_block_lost(const PocketBlock *block, const char *detail)
{
	char hex[PK_SHA256_HEX + 1];

	pk_hex_encode(hex, block->hash.bytes, PK_SHA256_SIZE);
	ereport(ERROR,
			(errcode(pocket_node_sqlstate(PK_ERR_BLOCK_LOST)), errmsg("block %s cannot be read", hex),
			 errdetail("%s", detail), errhint("See SELECT * FROM pocket.verify(); bring back drives that are away.")));
}
