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
#include "blocks/copies.h"
#include "blocks/token.h"
#include "blocks/transfer.h"

/* A part of a block, and where in the result it goes. */
typedef struct Part
{
	uint32 skip;
	uint32 take;
	Size at;
	struct Part *next;
} Part;

/* One block to be fetched, once, whatever number of places want it. */
typedef struct Fetch
{
	PocketBlock block;
	Part *parts;
	const Part *whole; /* the one that is all of the block, if there is one: it is received there */
	char *buffer;	   /* else here */
	PocketCopy *copies;
	PocketCopy *copy; /* the one being tried; then those after it */
	bool again;		  /* for the second time */
	PocketTransfer transfer;
} Fetch;

struct PocketRead
{
	MemoryContext context;
	PocketSigner signer;
	PocketBatch *batch;
	Fetch *fetches;
	int count;
	PocketPlaces *places;
	char *out; /* NULL: not known yet */
	bool begun;
	MemoryContextCallback at_reset;
};

static int
fetch_order(const void *a, const void *b)
{
	return memcmp(((const Fetch *) a)->block.hash.bytes, ((const Fetch *) b)->block.hash.bytes, PK_SHA256_SIZE);
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
		fetch->block = blocks->blocks[i];
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
			read->fetches[kept - 1].block.size == read->fetches[i].block.size)
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
			if (part->take == fetch->block.size)
				fetch->whole = part;
		}
		if (fetch->whole == NULL)
			fetch->buffer = palloc(fetch->block.size);
	}
}

static void
find_copies(PocketRead *read)
{
	const PocketBlock **blocks = palloc(sizeof(PocketBlock *) * read->count);
	PocketCopy **copies = palloc(sizeof(PocketCopy *) * read->count);

	for (int i = 0; i < read->count; i++)
		blocks[i] = &read->fetches[i].block;
	pocket_copies_find(blocks, read->count, copies);
	for (int i = 0; i < read->count; i++)
	{
		PocketCopy **link = &read->fetches[i].copies;

		/* those that can be located, which is asked now: there is no session later */
		for (PocketCopy *copy = copies[i]; copy != NULL; copy = copy->next)
		{
			if (pocket_places_find(read->places, copy->bucket_id) == NULL)
				continue;
			*link = copy;
			link = &copy->next;
		}
		*link = NULL;
	}
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
		pocket_block_lost(&fetch->block, "No row of the block index tells where it is.");
	transfer->node = pocket_places_find(read->places, fetch->copy->bucket_id)->url;
	transfer->method = "GET";
	transfer->path =
		pocket_get_path(&read->signer, fetch->copy, &fetch->block, fetch->again ? NULL : &fetch->copy->crc32c,
						(uint64) time(NULL) + POCKET_TOKEN_LIFE_S);
	transfer->expected = fetch->block.size;
	transfer->hold = read->out == NULL;
	transfer->into = transfer->hold ? NULL : destination(read, fetch);
	transfer->owner = fetch;
	pocket_batch_add(read->batch, transfer);
}

static void
fetch_failed(PocketRead *read, Fetch *fetch)
{
	PocketTransfer *transfer = &fetch->transfer;
	int64 bucket_id = fetch->copy->bucket_id;

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
		pocket_block_lost(&fetch->block, psprintf("Bucket " INT64_FORMAT ", node %s: %s.", bucket_id, transfer->node,
												  transfer->problem));
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
		pocket_signer_init(&read->signer);
		read->places = pocket_places_make();
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

	/* a statement can have any number of values before it uses one: more would take all connections of a node */
	if (read->count <= pocket_flight_room())
	{
		start_all(read);
		work(read);
	}
	return read;
}

static void
receive_all(PocketRead *read)
{
	if (!read->begun)
		start_all(read);
	else
	{
		for (int i = 0; i < read->count; i++)
			pocket_transfer_receive(&read->fetches[i].transfer, destination(read, &read->fetches[i]));
	}
	work(read);
}

/* Out is its owner's again; whoever wants the bytes once more has them fetched once more. */
static void
rest(PocketRead *read)
{
	pocket_batch_end(read->batch);
	read->out = NULL;
	read->begun = false;
}

void
pocket_read_finish(PocketRead *read, char *out)
{
	MemoryContext caller = MemoryContextSwitchTo(read->context);

	read->out = out;
	PG_TRY();
	{
		receive_all(read);
	}
	PG_CATCH();
	{
		rest(read); /* a value can outlive the error that frees out */
		PG_RE_THROW();
	}
	PG_END_TRY();
	rest(read);
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
