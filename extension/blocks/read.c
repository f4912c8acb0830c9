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

#include "base/spi.h"
#include "blocks/copies.h"
#include "blocks/token.h"
#include "blocks/transfer.h"

/* A part of a block, and where it goes. */
typedef struct Part
{
	uint32 skip;
	uint32 take;
	char *out;
	struct Part *next;
} Part;

/* One block to be fetched, once, whatever number of places want it. */
typedef struct Fetch
{
	const PocketBlock *block;
	Part *parts;
	char *buffer;		/* all of its bytes: in the result, or our own */
	PocketCopy *copies; /* those not yet tried; the first is being tried */
	PocketTransfer transfer;
} Fetch;

typedef struct Read
{
	PocketSigner signer;
	PocketBatch *batch;
	Fetch *fetches;
	int count;
	PocketPlaces *places;
} Read;

static int
fetch_order(const void *a, const void *b)
{
	return memcmp(((const Fetch *) a)->block->hash.bytes, ((const Fetch *) b)->block->hash.bytes, PK_SHA256_SIZE);
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
		fetch->block = &blocks->blocks[i];
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
			read->fetches[kept - 1].block->size == read->fetches[i].block->size)
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
			if (part->take == fetch->block->size)
				fetch->buffer = part->out;
		}
		if (fetch->buffer == NULL)
			fetch->buffer = palloc(fetch->block->size);
	}
}

static void
find_copies(Read *read)
{
	const PocketBlock **blocks = palloc(sizeof(PocketBlock *) * read->count);
	PocketCopy **copies = palloc(sizeof(PocketCopy *) * read->count);

	for (int i = 0; i < read->count; i++)
		blocks[i] = read->fetches[i].block;
	pocket_copies_find(blocks, read->count, copies);
	for (int i = 0; i < read->count; i++)
		read->fetches[i].copies = copies[i];
}

/* Starts with the next copy that can be located. */
static void
fetch_start(Read *read, Fetch *fetch)
{
	PocketTransfer *transfer = &fetch->transfer;
	const PocketPlace *place = NULL;

	while (fetch->copies != NULL && (place = pocket_places_find(read->places, fetch->copies->bucket_id)) == NULL)
		fetch->copies = fetch->copies->next;
	if (fetch->copies == NULL)
		pocket_block_lost(fetch->block, "No row of the block index tells where it is.");
	transfer->node = place->url;
	transfer->method = "GET";
	transfer->path = pocket_get_path(&read->signer, fetch->copies, fetch->block, &fetch->copies->crc32c,
									 (uint64) time(NULL) + POCKET_TOKEN_LIFE_S);
	transfer->into = fetch->buffer;
	transfer->expected = fetch->block->size;
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
		pocket_block_lost(fetch->block, psprintf("Bucket " INT64_FORMAT ", node %s: %s.", bucket_id, transfer->node,
												 transfer->problem));
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
	pocket_signer_init(&read.signer);
	read.places = pocket_places_make();
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
