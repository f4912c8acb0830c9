/*
 * url.c
 *	  URLs with which clients bring and fetch blocks themselves.
 *
 * Nothing that a client says of a block's bytes is believed: the node hashes what
 * it is given, and what it gives.
 */
#include "blocks/blocks.h"

#include <time.h>

#include "base/spi.h"
#include "blocks/copies.h"
#include "blocks/spread.h"
#include "blocks/token.h"
#include "utils/memutils.h"

#define UPLOAD_LIFE_S 3600

struct PocketUploads
{
	int64 ns_id;
	bool all; /* whatever is held */
	PocketSigner signer;
	PocketSpread spread;
	MemoryContext context; /* the spread's */
	bool begun;
};

struct PocketDownloads
{
	uint64 expires;
	PocketSigner signer;
	PocketPlaces *places;
};

PocketUploads *
pocket_uploads_begin(int64 ns_id, bool all)
{
	PocketUploads *uploads = palloc0(sizeof(PocketUploads));

	uploads->ns_id = ns_id;
	uploads->all = all;
	uploads->context = CurrentMemoryContext;
	return uploads;
}

static char *
upload_url(PocketUploads *uploads, const PocketBlock *block)
{
	MemoryContext old = MemoryContextSwitchTo(uploads->context);

	if (!uploads->begun)
	{
		pocket_signer_init(&uploads->signer);
		pocket_owner_check(&uploads->signer.cell);
	}
	uploads->begun = true;
	if (!pocket_spread_find(&uploads->spread))
		pocket_spread_wait(&uploads->spread);
	MemoryContextSwitchTo(old);
	pocket_spread_count(&uploads->spread, block->size);
	return psprintf("%s%s", uploads->spread.place.url,
					pocket_put_path(&uploads->signer, uploads->ns_id, &uploads->spread.place, block, NULL,
									(uint64) time(NULL) + UPLOAD_LIFE_S));
}

void
pocket_uploads_sign(PocketUploads *uploads, const PocketBlock *const *blocks, int count, char **urls)
{
	bool *held = palloc(sizeof(bool) * Max(count, 1));

	memset(held, 0, sizeof(bool) * count);
	if (!uploads->all)
		pocket_blocks_held(uploads->ns_id, blocks, count, held);
	for (int i = 0; i < count; i++)
		urls[i] = held[i] ? NULL : upload_url(uploads, blocks[i]);
	pfree(held);
}

PocketDownloads *
pocket_downloads_begin(uint64 expires)
{
	PocketDownloads *downloads = palloc0(sizeof(PocketDownloads));

	downloads->expires = expires;
	pocket_signer_init(&downloads->signer);
	/* it lives as long as this, not as one window of blocks */
	downloads->places = pocket_places_make();
	return downloads;
}

/* The one that can be read, as far as rows tell. */
static const PocketCopy *
best_copy(PocketDownloads *downloads, const PocketCopy *copies, const PocketPlace **place)
{
	const PocketCopy *best = NULL;

	*place = NULL;
	for (const PocketCopy *copy = copies; copy != NULL; copy = copy->next)
	{
		const PocketPlace *there = pocket_places_find(downloads->places, copy->bucket_id);

		if (there == NULL || (best != NULL && there->lost))
			continue;
		best = copy;
		*place = there;
		if (!there->lost)
			break;
	}
	return best;
}

void
pocket_downloads_sign(PocketDownloads *downloads, const PocketBlock *const *blocks, int count, char **urls)
{
	PocketCopy **copies = palloc(sizeof(PocketCopy *) * Max(count, 1));

	pocket_copies_find(blocks, count, copies);
	for (int i = 0; i < count; i++)
	{
		const PocketPlace *place;
		const PocketCopy *copy = best_copy(downloads, copies[i], &place);

		if (copy == NULL)
			pocket_block_lost(blocks[i], "No row of the block index tells where it is.");
		urls[i] = psprintf("%s%s", place->url,
						   pocket_get_path(&downloads->signer, copy, blocks[i], NULL, downloads->expires));
	}
	pfree(copies);
}
