/*
 * read.c
 *	  Bytes from sidecars.
 *
 * All blocks of a read are in flight at once; a block that is wanted whole is
 * received straight to its place in the result.  The row's CRC32C proves the
 * bytes: the node has held them against their SHA-256 or their AEAD tag.  A
 * block has as many chances as it has rows.
 *
 * A read begins with SQL and requests; what comes after, the bytes, needs no
 * session.
 */
#include "blocks/blocks.h"

#include <time.h>

#include "utils/memutils.h"

#include "base/spi.h"
#include "blocks/transfer.h"
#include "placement/placement.h"

#define TOKEN_LIFE_S 3600

/* A part of a block, and where in the result it goes. */
typedef struct Part
{
	uint32 skip;
	uint32 take;
	Size at;
	struct Part *next;
} Part;

/* A copy of a block, as rows tell. */
typedef struct Copy
{
	const PocketPlace *place;
	int64 offset;
	uint32 stored_length;
	uint32 crc32c;
	struct Copy *next;
} Copy;

/* One block to be fetched, once, whatever number of places want it. */
typedef struct Fetch
{
	uint8 hash[PK_SHA256_SIZE];
	uint32 length;
	Part *parts;
	const Part *whole; /* the one that is all of the block, if there is one: it is received there */
	char *buffer;	   /* else here */
	Copy *copies;
	Copy *copy; /* the one being tried; then those after it */
	bool again; /* for the second time */
	PocketTransfer transfer;
} Fetch;

typedef struct Place
{
	PocketPlace place;
	bool known;
	struct Place *next;
} Place;

struct PocketRead
{
	MemoryContext context;
	PocketCell cell;
	const pk_keyring *keys;
	PocketBatch *batch;
	Fetch *fetches;
	int count;
	Place *places;
	char *out; /* NULL: not known yet */
	bool begun;
	MemoryContextCallback at_reset;
};

static int
fetch_order(const void *a, const void *b)
{
	return memcmp(((const Fetch *) a)->hash, ((const Fetch *) b)->hash, PK_SHA256_SIZE);
}

/* The blocks that [start, start + length) touches; equal ones are joined. */
static void
plan_fetches(PocketRead *read, const PocketBlockList *blocks, int64 start, int64 length)
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
		memcpy(fetch->hash, blocks->blocks[i].hash.bytes, PK_SHA256_SIZE);
		fetch->length = blocks->blocks[i].size;
		fetch->parts = palloc0(sizeof(Part));
		fetch->parts->skip = (uint32) from;
		fetch->parts->take = (uint32) (to - from);
		fetch->parts->at = (Size) (at + from - start);
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
choose_buffers(PocketRead *read)
{
	for (int i = 0; i < read->count; i++)
	{
		Fetch *fetch = &read->fetches[i];

		for (Part *part = fetch->parts; part != NULL && fetch->whole == NULL; part = part->next)
		{
			if (part->take == fetch->length)
				fetch->whole = part;
		}
		if (fetch->whole == NULL)
			fetch->buffer = palloc(fetch->length);
	}
}

static const PocketPlace *
place_of(PocketRead *read, int64 bucket_id)
{
	Place *place;

	for (place = read->places; place != NULL; place = place->next)
	{
		if (place->place.bucket_id == bucket_id)
			return place->known ? &place->place : NULL;
	}
	place = palloc0(sizeof(Place));
	place->known = pocket_place_locate(bucket_id, &place->place);
	place->place.bucket_id = bucket_id;
	place->next = read->places;
	read->places = place;
	return place->known ? &place->place : NULL;
}

static void
find_copies(PocketRead *read)
{
	/* LIMIT: as in pocket_blocks_held, and more copies than that are not tried */
	static PocketPlan find = {"SELECT u.i, b.bucket_id, b.\"offset\", b.stored_length, b.length, b.crc32c"
							  " FROM pg_catalog.unnest($1) WITH ORDINALITY u (b, i)"
							  " CROSS JOIN LATERAL (SELECT * FROM pocket_data.block k"
							  " WHERE k.hash OPERATOR(pocket.=) u.b::pocket.sha256 LIMIT 16) b",
							  "bytea[]", NULL, NULL};
	const uint8 **hashes = palloc(sizeof(uint8 *) * Max(read->count, 1));
	Datum values[1];
	SPITupleTable *rows;
	uint64 count;

	for (int i = 0; i < read->count; i++)
		hashes[i] = read->fetches[i].hash;
	values[0] = pocket_hash_array(hashes, read->count);
	(void) pocket_latest(&find, values, NULL);
	rows = SPI_tuptable;
	count = SPI_processed;
	for (uint64 row = 0; row < count; row++)
	{
		Fetch *fetch;
		Copy *copy;

		SPI_tuptable = rows; /* which locating a bucket changes */
		fetch = &read->fetches[pocket_column_int64(row, 1) - 1];
		copy = palloc(sizeof(Copy));
		copy->offset = pocket_column_int64(row, 3);
		copy->stored_length = (uint32) pocket_column_int32(row, 4);
		copy->crc32c = (uint32) pocket_column_int64(row, 6);
		copy->next = fetch->copies;
		if ((uint32) pocket_column_int32(row, 5) == fetch->length &&
			(copy->place = place_of(read, pocket_column_int64(row, 2))) != NULL)
			fetch->copies = copy;
	}
	SPI_freetuptable(rows);
	SPI_tuptable = NULL;
}

static char *
get_path(const PocketRead *read, const Fetch *fetch)
{
	pk_token token = {0};
	char text[PK_TOKEN_TEXT + 1];

	token.method = PK_METHOD_GET;
	token.flags = fetch->again ? 0 : PK_TOKEN_CRC_CHECKED;
	memcpy(token.cell, read->cell.uuid, PK_UUID_SIZE);
	token.bucket_id = (uint64) fetch->copy->place->bucket_id;
	token.offset = (uint64) fetch->copy->offset;
	token.stored_length = fetch->copy->stored_length;
	token.length = fetch->length;
	token.crc32c = fetch->copy->crc32c;
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

static char *
destination(const PocketRead *read, const Fetch *fetch)
{
	return fetch->whole == NULL ? fetch->buffer : read->out + fetch->whole->at;
}

static void
fetch_start(PocketRead *read, Fetch *fetch)
{
	PocketTransfer *transfer = &fetch->transfer;

	if (fetch->copy == NULL)
		block_lost(fetch, "No row of the block index tells where it is.");
	transfer->node = fetch->copy->place->url;
	transfer->method = "GET";
	transfer->path = get_path(read, fetch);
	transfer->expected = fetch->length;
	transfer->hold = read->out == NULL;
	transfer->into = transfer->hold ? NULL : destination(read, fetch);
	transfer->owner = fetch;
	pocket_batch_add(read->batch, transfer);
}

static void
fetch_failed(PocketRead *read, Fetch *fetch)
{
	PocketTransfer *transfer = &fetch->transfer;
	int64 bucket_id = fetch->copy->place->bucket_id;

	/* who checks himself may get bytes before all of them are proved, and the node break off: then it shall check first */
	fetch->again = !fetch->again && transfer->error == PK_ERR_CORRUPT;
	if (!fetch->again)
		fetch->copy = fetch->copy->next;
	if (fetch->copy != NULL)
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
fetch_done(PocketRead *read, Fetch *fetch)
{
	PocketTransfer *transfer = &fetch->transfer;

	if (transfer->error == PK_OK && transfer->crc32c != fetch->copy->crc32c)
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
		if (part != fetch->whole)
			memcpy(read->out + part->at, transfer->into + part->skip, part->take);
	}
}

/* Until all is here; or, while nobody knows where to, until each block's answer has begun. */
static void
work(PocketRead *read)
{
	PocketTransfer *transfer;

	while ((transfer = pocket_batch_next(read->batch)) != NULL)
		fetch_done(read, transfer->owner);
}

static void
start_all(PocketRead *read)
{
	for (int i = 0; i < read->count; i++)
	{
		Fetch *fetch = &read->fetches[i];

		fetch->copy = fetch->copies;
		fetch->again = false;
		fetch_start(read, fetch);
	}
	read->begun = true;
}

static void
read_end(void *arg)
{
	PocketRead *read = arg;

	pocket_batch_end(read->batch);
}

static PocketRead *
read_create(const PocketBlockList *blocks, int64 start, int64 length)
{
	PocketRead *read = palloc0(sizeof(PocketRead));

	Assert(start >= 0 && length >= 0 && start + length <= pocket_blocklist_length(blocks));
	read->context = CurrentMemoryContext;
	plan_fetches(read, blocks, start, length);
	if (read->count > 0)
	{
		read->keys = pocket_keys();
		pocket_cell_identity(&read->cell);
		choose_buffers(read);
		find_copies(read);
	}
	read->batch = pocket_batch_begin();
	/* also when an error ends the transaction */
	read->at_reset.func = read_end;
	read->at_reset.arg = read;
	MemoryContextRegisterResetCallback(read->context, &read->at_reset);
	return read;
}

PocketRead *
pocket_read_begin(const PocketBlockList *blocks, int64 start, int64 length)
{
	PocketRead *read = read_create(blocks, start, length);

	if (read->count <= POCKET_FLIGHT_MAX)
	{
		start_all(read);
		work(read);
	}
	return read;
}

void
pocket_read_finish(PocketRead *read, char *out)
{
	MemoryContext caller = MemoryContextSwitchTo(read->context);

	read->out = out;
	if (!read->begun)
		start_all(read);
	else
	{
		for (int i = 0; i < read->count; i++)
			pocket_transfer_receive(&read->fetches[i].transfer, destination(read, &read->fetches[i]));
	}
	work(read);
	read->out = NULL;
	read->begun = false; /* whoever wants it once more has it fetched once more */
	MemoryContextSwitchTo(caller);
}

void
pocket_blocks_read(const PocketBlockList *blocks, int64 start, int64 length, char *out)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pocket read", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);

	pocket_read_finish(read_create(blocks, start, length), out);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
}
