/*
 * read.c
 *	  Bytes from sidecars.
 *
 * All blocks of a call are in flight at once; a block that is wanted whole is
 * received straight to its place in the result.  The row's CRC32C proves the
 * bytes: the node has held them against their SHA-256 or their AEAD tag.  A
 * block has as many chances as it has rows.
 */
#include "blocks/blocks.h"

#include <time.h>

#include "miscadmin.h"

#include "base/spi.h"
#include "blocks/transfer.h"
#include "placement/placement.h"

#define TOKEN_LIFE_S 3600

/* A part of a block, and where it goes. */
typedef struct Part
{
	uint32 skip;
	uint32 take;
	char *out;
	struct Part *next;
} Part;

/* A copy of a block, as a row tells. */
typedef struct Copy
{
	int64 bucket_id;
	int64 offset;
	uint32 stored_length;
	uint32 crc32c;
	struct Copy *next;
} Copy;

/* One block to be fetched, once, whatever number of places want it. */
typedef struct Fetch
{
	const uint8 *hash;
	uint32 length;
	Part *parts;
	char *buffer; /* `length` bytes: in the result, or our own */
	Copy *copies; /* those not yet tried; the first is being tried */
	PocketTransfer transfer;
} Fetch;

typedef struct Place
{
	PocketPlace place;
	bool known;
	struct Place *next;
} Place;

typedef struct Read
{
	PocketCell cell;
	const pk_keyring *keys;
	PocketBatch *batch;
	Fetch *fetches;
	int count;
	Place *places;
} Read;

static int
fetch_order(const void *a, const void *b)
{
	return memcmp(((const Fetch *) a)->hash, ((const Fetch *) b)->hash, PK_SHA256_SIZE);
}

/* The blocks that [start, start + length) touches; equal ones are joined. */
static void
plan_fetches(Read *read, const PocketBlockList *blocks, int64 start, int64 length, char *out)
{
	int64 at = 0;
	int count = 0;
	int kept = 0;

	for (int i = 0; i < blocks->count && at < start + length; at += blocks->blocks[i++].size)
		count += at + blocks->blocks[i].size > start;
	read->fetches = palloc0(sizeof(Fetch) * Max(count, 1));
	at = count = 0;
	for (int i = 0; i < blocks->count && at < start + length; at += blocks->blocks[i].size, i++)
	{
		int64 from = Max(start - at, 0);
		int64 to = Min(start + length - at, (int64) blocks->blocks[i].size);
		Fetch *fetch = &read->fetches[count];

		if (from >= to)
			continue;
		fetch->hash = blocks->blocks[i].hash.bytes;
		fetch->length = blocks->blocks[i].size;
		fetch->parts = palloc0(sizeof(Part));
		fetch->parts->skip = (uint32) from;
		fetch->parts->take = (uint32) (to - from);
		fetch->parts->out = out + (at + from - start);
		count++;
	}
	qsort(read->fetches, count, sizeof(Fetch), fetch_order);
	for (int i = 0; i < count; i++)
	{
		if (kept > 0 && fetch_order(&read->fetches[kept - 1], &read->fetches[i]) == 0 &&
			read->fetches[kept - 1].length == read->fetches[i].length)
		{
			read->fetches[i].parts->next = read->fetches[kept - 1].parts;
			read->fetches[kept - 1].parts = read->fetches[i].parts;
		}
		else
			read->fetches[kept++] = read->fetches[i];
	}
	read->count = kept;
}

static void
choose_buffers(Read *read)
{
	for (int i = 0; i < read->count; i++)
	{
		Fetch *fetch = &read->fetches[i];

		for (Part *part = fetch->parts; part != NULL && fetch->buffer == NULL; part = part->next)
		{
			if (part->take == fetch->length)
				fetch->buffer = part->out;
		}
		if (fetch->buffer == NULL)
			fetch->buffer = palloc(fetch->length);
	}
}

static void
find_copies(Read *read)
{
	/* LIMIT: as in pocket_blocks_held, and more copies than that are not tried */
	static PocketPlan find = {"SELECT u.i, b.bucket_id, b.\"offset\", b.stored_length, b.length, b.crc32c"
							  " FROM pg_catalog.unnest($1) WITH ORDINALITY u (b, i)"
							  " CROSS JOIN LATERAL (SELECT * FROM pocket_data.block k"
							  " WHERE k.hash OPERATOR(pocket.=) u.b::pocket.sha256 LIMIT 16) b",
							  "bytea[]", NULL, NULL};
	const uint8 **hashes = palloc(sizeof(uint8 *) * Max(read->count, 1));
	Datum values[1];

	for (int i = 0; i < read->count; i++)
		hashes[i] = read->fetches[i].hash;
	values[0] = pocket_hash_array(hashes, read->count);
	(void) pocket_latest(&find, values, NULL);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		Fetch *fetch = &read->fetches[pocket_column_int64(row, 1) - 1];
		Copy *copy = palloc(sizeof(Copy));

		copy->bucket_id = pocket_column_int64(row, 2);
		copy->offset = pocket_column_int64(row, 3);
		copy->stored_length = (uint32) pocket_column_int32(row, 4);
		copy->crc32c = (uint32) pocket_column_int64(row, 6);
		copy->next = fetch->copies;
		if ((uint32) pocket_column_int32(row, 5) == fetch->length)
			fetch->copies = copy;
	}
	pocket_free_rows();
}

static const Place *
place_of(Read *read, int64 bucket_id)
{
	Place *place;

	for (place = read->places; place != NULL; place = place->next)
	{
		if (place->place.bucket_id == bucket_id)
			return place;
	}
	place = palloc0(sizeof(Place));
	place->known = pocket_place_locate(bucket_id, &place->place);
	place->place.bucket_id = bucket_id;
	place->next = read->places;
	read->places = place;
	return place;
}

static char *
get_path(const Read *read, const Fetch *fetch)
{
	pk_token token = {0};
	char text[PK_TOKEN_TEXT + 1];

	token.method = PK_METHOD_GET;
	token.flags = PK_TOKEN_CRC_CHECKED;
	memcpy(token.cell, read->cell.uuid, PK_UUID_SIZE);
	token.bucket_id = (uint64) fetch->copies->bucket_id;
	token.offset = (uint64) fetch->copies->offset;
	token.stored_length = fetch->copies->stored_length;
	token.length = fetch->length;
	token.crc32c = fetch->copies->crc32c;
	memcpy(token.hash, fetch->hash, PK_SHA256_SIZE);
	token.epoch = read->cell.epoch;
	token.expires = (uint64) time(NULL) + TOKEN_LIFE_S;
	pk_token_sign(text, &token, read->keys);
	return psprintf("/block/%s", text);
}

static void
block_lost(const Fetch *fetch, const char *detail)
{
	char hex[PK_SHA256_HEX + 1];

	pk_hex_encode(hex, fetch->hash, PK_SHA256_SIZE);
	ereport(ERROR,
			(errcode(pocket_node_sqlstate(PK_ERR_BLOCK_LOST)), errmsg("block %s cannot be read", hex),
			 errdetail("%s", detail), errhint("See SELECT * FROM pocket.verify(); bring back drives that are away.")));
}

/* Starts with the next copy that can be located. */
static void
fetch_start(Read *read, Fetch *fetch)
{
	PocketTransfer *transfer = &fetch->transfer;
	const Place *place = NULL;

	while (fetch->copies != NULL && !(place = place_of(read, fetch->copies->bucket_id))->known)
		fetch->copies = fetch->copies->next;
	if (fetch->copies == NULL)
		block_lost(fetch, "No row of the block index tells where it is.");
	transfer->node = place->place.url;
	transfer->method = "GET";
	transfer->path = get_path(read, fetch);
	transfer->into = fetch->buffer;
	transfer->expected = fetch->length;
	transfer->owner = fetch;
	pocket_batch_add(read->batch, transfer);
}

static void
fetch_failed(Read *read, Fetch *fetch)
{
	PocketTransfer *transfer = &fetch->transfer;
	int64 bucket_id = fetch->copies->bucket_id;

	fetch->copies = fetch->copies->next;
	if (fetch->copies != NULL)
	{
		fetch_start(read, fetch);
		return;
	}
	if (transfer->error == PK_ERR_BLOCK_LOST || transfer->error == PK_ERR_CORRUPT ||
		transfer->error == PK_ERR_NOT_FOUND || transfer->error == PK_ERR_IO)
		block_lost(fetch,
				   psprintf("Bucket " INT64_FORMAT ", node %s: %s.", bucket_id, transfer->node, transfer->problem));
	pocket_node_raise(transfer->node, transfer->error, transfer->problem);
}

static void
fetch_done(Read *read, Fetch *fetch)
{
	PocketTransfer *transfer = &fetch->transfer;

	if (transfer->error == PK_OK && transfer->crc32c != fetch->copies->crc32c)
	{
		transfer->error = PK_ERR_CORRUPT;
		strlcpy(transfer->problem, "the bytes do not have the block's checksum", sizeof(transfer->problem));
	}
	if (transfer->error != PK_OK)
	{
		fetch_failed(read, fetch);
		return;
	}
	for (Part *part = fetch->parts; part != NULL; part = part->next)
	{
		if (part->out != fetch->buffer)
			memcpy(part->out, fetch->buffer + part->skip, part->take);
	}
}

void
pocket_blocks_read(int64 ns_id, const PocketBlockList *blocks, int64 start, int64 length, char *out)
{
	Read read = {0};

	Assert(start >= 0 && length >= 0 && start + length <= pocket_blocklist_length(blocks));
	plan_fetches(&read, blocks, start, length, out);
	if (read.count == 0)
		return;
	read.keys = pocket_keys();
	pocket_cell_identity(&read.cell);
	choose_buffers(&read);
	find_copies(&read);
	read.batch = pocket_batch_begin();
	PG_TRY();
	{
		PocketTransfer *transfer;

		for (int i = 0; i < read.count; i++)
			fetch_start(&read, &read.fetches[i]);
		while ((transfer = pocket_batch_next(read.batch)) != NULL)
			fetch_done(&read, transfer->owner);
	}
	PG_FINALLY();
	{
		pocket_batch_end(read.batch);
	}
	PG_END_TRY();
}
