/*
 * walk.c
 *	  Walking over what is below a folder, as it is or was, to any depth.
 *
 * Moving folders into each other makes trees that are deeper than a stack can
 * bear, so the folders that are open are kept in an array.  Each has a batch of
 * its children in memory; far down the batches are small, so that what a walk
 * takes is about as much for each level as its name does.
 */
#include "files/files.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#define BATCH_ROWS 200
#define DEEP_BATCH_ROWS 8 /* below this many levels: */
#define WIDE_LEVELS 64

#define LEVELS_AT_FIRST 16

void
pocket_walk_begin(PocketWalk *walk, int64 ns_id, int64 jid, bool fresh)
{
	*walk = (PocketWalk){.ns_id = ns_id, .jid = jid, .fresh = fresh, .rows_max = BATCH_ROWS};
	walk->memory = AllocSetContextCreate(CurrentMemoryContext, "walk", ALLOCSET_DEFAULT_SIZES);
	walk->step = AllocSetContextCreate(walk->memory, "step of a walk", ALLOCSET_DEFAULT_SIZES);
	walk->room = LEVELS_AT_FIRST;
	walk->levels = MemoryContextAlloc(walk->memory, sizeof(PocketLevel) * LEVELS_AT_FIRST);
	walk->outer = MemoryContextSwitchTo(walk->step);
}

void
pocket_walk_end(PocketWalk *walk)
{
	MemoryContextSwitchTo(walk->outer);
	MemoryContextDelete(walk->memory);
}

PocketLevel *
pocket_walk_level(const PocketWalk *walk)
{
	return walk->depth > 0 ? &walk->levels[walk->depth - 1] : NULL;
}

void
pocket_walk_enter(PocketWalk *walk, int64 folder_id, uint8 rights, const char *after_key, int64 note)
{
	PocketLevel *level;

	if (walk->depth == walk->room)
	{
		walk->room *= 2;
		walk->levels = repalloc_huge(walk->levels, sizeof(PocketLevel) * (Size) walk->room);
	}
	level = &walk->levels[walk->depth++];
	*level = (PocketLevel){.folder_id = folder_id, .rights = rights, .note = note, .more = true};
	level->batch = AllocSetContextCreate(walk->memory, "level of a walk", ALLOCSET_SMALL_SIZES);
	level->key = MemoryContextStrdup(level->batch, after_key);
}

/* The next children of the innermost folder. */
static void
read_batch(PocketWalk *walk, PocketLevel *level)
{
	long max = (long) Min(walk->rows_max, walk->depth > WIDE_LEVELS ? DEEP_BATCH_ROWS : BATCH_ROWS);
	MemoryContext outer = MemoryContextSwitchTo(walk->step);
	char *key = pstrdup(level->key);
	uint64 count;

	if (walk->jid == POCKET_NOW)
		count = pocket_children(walk->ns_id, level->folder_id, key, max, walk->fresh);
	else
		count = pocket_past_children(walk->ns_id, level->folder_id, key, max, walk->jid, walk->fresh);
	MemoryContextSwitchTo(level->batch);
	MemoryContextReset(level->batch);
	level->children = palloc(sizeof(PocketState) * Max(count, 1));
	for (uint64 i = 0; i < count; i++)
		pocket_state_read(&level->children[i], i, false);
	level->key = count > 0 ? pocket_column_text(count - 1, POCKET_CHILD_KEY_COLUMN) : pstrdup(key);
	level->count = (int) count;
	level->next = 0;
	level->more = count == (uint64) max;
	pocket_free_rows();
	MemoryContextSwitchTo(outer);
}

PocketState *
pocket_walk_next(PocketWalk *walk)
{
	PocketLevel *level = pocket_walk_level(walk);

	CHECK_FOR_INTERRUPTS();
	MemoryContextReset(walk->step);
	if (level->next == level->count && level->more)
		read_batch(walk, level);
	return level->next < level->count ? &level->children[level->next++] : NULL;
}

PocketState *
pocket_walk_leave(PocketWalk *walk)
{
	PocketLevel *level = pocket_walk_level(walk);

	MemoryContextDelete(level->batch);
	walk->depth--;
	level = pocket_walk_level(walk);
	/* outside of what is above there may be a place that was never listed: where a listing went on */
	return level != NULL && level->next > 0 ? &level->children[level->next - 1] : NULL;
}
