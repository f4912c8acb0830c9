/*
 * read.c
 *	  Bytes from sidecars.
 *
 * All blocks of a read are in flight at once; a block that is wanted whole is
 * received straight to its place in the result.  The row's CRC32C proves the
 * bytes: the node has held them against their SHA-256 or their AEAD tag.  A
 * block has as many chances as it has rows, and nodes that can serve each.
 *
 * A node that is silent for longer than is usual is not waited for alone: the
 * same block is asked of another as well (a hedge).  That answer is held when it
 * begins; if the first is silent still, it is given up for it.  So there is
 * never more than one that is received.
 *
 * A read begins with SQL and requests; what comes after, the bytes, needs no
 * session.
 */
#include "blocks/blocks.h"

#include <time.h>

#include "utils/memutils.h"

#include "base/spi.h"
#include "blocks/copies.h"
#include "blocks/pace.h"
#include "blocks/token.h"
#include "blocks/transfer.h"

/* So many times the patience with one node is the patience with two, which are asked at once. */
#define HEDGES_LATE 5

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
	uint32 asked;	  /* of the nodes that serve it, as bits */
	bool again;		  /* the same node for the second time */
	bool done;

	/* one and, when that one is silent, another; which is the one that counts, and whether there is the other */
	PocketTransfer transfers[2];
	int current;
	bool hedged;
	TimestampTz quiet_since; /* 0: it was not looked at yet */
	Size received;			 /* when it was looked at */

	/* the failure that says most */
	pk_error error;
	int64 bucket_id;
	const char *node;
	char problem[POCKET_PROBLEM_SIZE];
} Fetch;

struct PocketRead
{
	MemoryContext context;
	PocketSigner signer;
	PocketBatch *batch;
	Fetch *fetches;
	int count;
	PocketPlaces *places;
	char *out;		/* NULL: not known yet */
	bool can_hedge; /* there is a block that another node serves too */
	bool begun;
	TimestampTz looked; /* since when it is waited for */
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
			const PocketPlace *place = pocket_places_find(read->places, copy->bucket_id);

			if (place == NULL)
				continue;
			read->can_hedge |= place->reader_count > 1;
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

static PocketTransfer *
current(Fetch *fetch)
{
	return &fetch->transfers[fetch->current];
}

static PocketTransfer *
hedge(Fetch *fetch)
{
	return &fetch->transfers[1 - fetch->current];
}

/* The next node to ask for the copy: not one that has just been slow, while there is another.  NULL: all have been asked. */
static const char *
next_node(PocketRead *read, Fetch *fetch)
{
	const PocketPlace *place = pocket_places_find(read->places, fetch->copy->bucket_id);
	int best = -1;

	for (int i = place->reader_count - 1; i >= 0; i--)
	{
		if ((fetch->asked & (UINT32_C(1) << i)) == 0 && (best < 0 || !pocket_pace_distrusted(place->readers[i])))
			best = i;
	}
	if (best < 0)
		return NULL;
	fetch->asked |= UINT32_C(1) << best;
	return place->readers[best];
}

static bool
others_left(PocketRead *read, const Fetch *fetch)
{
	int count = pocket_places_find(read->places, fetch->copy->bucket_id)->reader_count;

	return fetch->asked != (UINT32_C(1) << count) - 1;
}

static void
ask(PocketRead *read, Fetch *fetch, PocketTransfer *transfer, const char *node)
{
	transfer->node = node;
	transfer->method = "GET";
	transfer->path =
		pocket_get_path(&read->signer, fetch->copy, &fetch->block, fetch->again ? NULL : &fetch->copy->crc32c,
						(uint64) time(NULL) + POCKET_TOKEN_LIFE_S);
	transfer->expected = fetch->block.size;
	transfer->hedge = transfer != current(fetch);
	transfer->hold = transfer->hedge || read->out == NULL;
	transfer->into = transfer->hold ? NULL : destination(read, fetch);
	transfer->owner = fetch;
	pocket_batch_add(read->batch, transfer);
}

static void
fetch_start(PocketRead *read, Fetch *fetch)
{
	fetch->copy = fetch->copies;
	fetch->asked = 0;
	fetch->again = fetch->done = fetch->hedged = false;
	fetch->current = 0;
	fetch->quiet_since = 0;
	fetch->error = PK_OK;
	if (fetch->copy == NULL)
		pocket_block_lost(&fetch->block, "No row of the block index tells where it is.");
	ask(read, fetch, current(fetch), next_node(read, fetch));
}

/* --- silence --- */

static void
end_hedge(Fetch *fetch)
{
	if (fetch->hedged)
		pocket_transfer_cancel(hedge(fetch));
	fetch->hedged = false;
}

/* The other one is the one that counts. */
static void
take_hedge(PocketRead *read, Fetch *fetch)
{
	fetch->current = 1 - fetch->current;
	fetch->hedged = false;
	fetch->quiet_since = 0;
	if (read->out != NULL)
		pocket_transfer_receive(current(fetch), destination(read, fetch));
}

/* How long its node may still be silent. */
static int64
patience_left(PocketRead *read, Fetch *fetch, TimestampTz now)
{
	const PocketTransfer *transfer = current(fetch);

	if (transfer->held && fetch->hedged)
		end_hedge(fetch);
	if (fetch->done || transfer->held || transfer->asked == 0)
		return PG_INT64_MAX;
	if (fetch->quiet_since == 0 || transfer->received != fetch->received)
	{
		fetch->quiet_since = fetch->quiet_since == 0 ? Max(transfer->asked, read->looked) : now;
		fetch->received = transfer->received;
	}
	else if (fetch->hedged && hedge(fetch)->held)
		return 0;
	return Max(fetch->quiet_since + pocket_pace_patience_us() - now, 0);
}

static void
bear_no_more(PocketRead *read, Fetch *fetch, TimestampTz now)
{
	const char *node;

	if (fetch->hedged && hedge(fetch)->held)
	{
		pocket_pace_distrust(current(fetch)->node);
		pocket_transfer_cancel(current(fetch));
		take_hedge(read, fetch);
	}
	else if (!fetch->hedged && (node = next_node(read, fetch)) != NULL)
	{
		fetch->hedged = true;
		ask(read, fetch, hedge(fetch), node);
	}
	else if (fetch->hedged && fetch->quiet_since + HEDGES_LATE * pocket_pace_patience_us() <= now &&
			 others_left(read, fetch))
	{
		/* both are silent: a third one takes the place of the first */
		pocket_pace_distrust(current(fetch)->node);
		pocket_transfer_cancel(current(fetch));
		take_hedge(read, fetch);
	}
}

/* Asks another node where one is silent for too long; returns when to look again. */
static TimestampTz
look(PocketRead *read)
{
	TimestampTz now = GetCurrentTimestamp();
	int64 next = pocket_pace_patience_us();

	for (int i = 0; i < read->count; i++)
	{
		int64 left = patience_left(read, &read->fetches[i], now);

		if (left == 0)
			bear_no_more(read, &read->fetches[i], now);
		else
			next = Min(next, left);
	}
	return now + next;
}

/* --- what has come --- */

pg_attribute_noreturn() static void fetch_give_up(const Fetch *fetch)
{
	if (fetch->error == PK_ERR_BLOCK_LOST || fetch->error == PK_ERR_CORRUPT || fetch->error == PK_ERR_NOT_FOUND ||
		fetch->error == PK_ERR_IO)
		pocket_block_lost(&fetch->block, psprintf("Bucket " INT64_FORMAT ", node %s: %s.", fetch->bucket_id,
												  fetch->node, fetch->problem));
	pocket_node_raise(fetch->node, fetch->error, fetch->problem);
}

/* That a node is away says less than what one has said. */
static void
note_failure(Fetch *fetch, const PocketTransfer *transfer)
{
	if (transfer->error == PK_ERR_UNAVAILABLE)
		pocket_pace_distrust(transfer->node);
	if (fetch->error != PK_OK && transfer->error == PK_ERR_UNAVAILABLE)
		return;
	fetch->error = transfer->error;
	fetch->bucket_id = fetch->copy->bucket_id;
	fetch->node = transfer->node;
	strlcpy(fetch->problem, transfer->problem, sizeof(fetch->problem));
}

static void
fetch_failed(PocketRead *read, Fetch *fetch)
{
	PocketTransfer *transfer = current(fetch);
	const char *node;

	note_failure(fetch, transfer);
	fetch->quiet_since = 0;
	/* who checks himself may get bytes before all of them are proved, and the node break off: then it shall check first */
	fetch->again = !fetch->again && transfer->error == PK_ERR_CORRUPT;
	if (fetch->hedged)
	{
		fetch->again = false;
		take_hedge(read, fetch);
		return;
	}
	if (fetch->again)
	{
		ask(read, fetch, transfer, transfer->node);
		return;
	}
	while ((node = next_node(read, fetch)) == NULL)
	{
		fetch->copy = fetch->copy->next;
		fetch->asked = 0;
		if (fetch->copy == NULL)
			fetch_give_up(fetch);
	}
	ask(read, fetch, transfer, node);
}

static void
fetch_done(PocketRead *read, PocketTransfer *transfer)
{
	Fetch *fetch = transfer->owner;

	if (transfer != current(fetch)) /* held ones do not end well */
	{
		note_failure(fetch, transfer);
		fetch->hedged = false;
		return;
	}
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
	end_hedge(fetch);
	fetch->done = true;
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
	TimestampTz until = DT_NOEND;

	read->looked = GetCurrentTimestamp();
	if (read->can_hedge)
		until = look(read);
	do
	{
		PocketTransfer *transfer = pocket_batch_next_until(read->batch, until);

		if (transfer != NULL)
			fetch_done(read, transfer);
		else if (read->can_hedge)
			until = look(read);
	} while (!pocket_batch_rests(read->batch));
}

static void
start_all(PocketRead *read)
{
	for (int i = 0; i < read->count; i++)
		fetch_start(read, &read->fetches[i]);
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
		{
			read->fetches[i].quiet_since = 0;
			pocket_transfer_receive(current(&read->fetches[i]), destination(read, &read->fetches[i]));
		}
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
