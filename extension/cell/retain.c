/*
 * retain.c
 *	  Duty retain: journals are cut down to what namespaces retain.
 *
 * A bounded number of rows at a time, under the head lock of their namespace;
 * one whose head is locked waits for another pass, not the pass for it.
 */
#include "cell/cell.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/spi.h"
#include "blocks/blocks.h"
#include "journal/journal.h"

#define PAGE_MAX 10000	   /* namespaces that a pass looks at; the next one goes on behind them */
#define NAMESPACES_MAX 100 /* that have something to drop, in a pass */
#define ROWS_MAX 1000	   /* of a namespace in a pass */

typedef struct Due
{
	int64 ns_id;
	int64 kept; /* done up to this row */
	int64 last; /* to be done up to this one */
} Due;

/* What row jid has replaced. */
typedef struct Replacing
{
	int64 jid;
	bool is_deletion;
	int64 before; /* 0: nothing */
	TimestampTz at;
} Replacing;

static int64 looked_at = 0; /* by this backend; it is no harm to begin anew */

static Due *
read_due(int *count, bool all)
{
	int64 after = all ? 0 : looked_at;
	int64 max = all ? PG_INT64_MAX : PAGE_MAX;
	Due *due;

	if (!all)
		looked_at = pocket_journals_page(after, max);
	*count = (int) pocket_journals_due(after, max);
	due = palloc(sizeof(Due) * (Size) Max(*count, 1));
	for (int i = 0; i < *count; i++)
		due[i] = (Due){pocket_column_int64(i, 1), pocket_column_int64(i, 2), pocket_column_int64(i, 3)};
	pocket_free_rows();
	return due;
}

static Replacing *
read_replacing(const Due *due, int *count)
{
	Replacing *rows;

	*count = (int) pocket_journal_replacing(due->ns_id, due->kept, due->last, ROWS_MAX);
	rows = palloc(sizeof(Replacing) * (Size) Max(*count, 1));
	for (int i = 0; i < *count; i++)
	{
		rows[i].jid = pocket_column_int64(i, 1);
		rows[i].is_deletion = pocket_column_bool(i, 2);
		rows[i].before = pocket_is_null(i, 3) ? 0 : pocket_column_int64(i, 3);
		rows[i].at = pocket_column_int64(i, 4);
	}
	pocket_free_rows();
	return rows;
}

/* The row, and its blocks as far as the next one of the file does not have them. */
static void
drop(int64 ns_id, int64 jid, int64 next)
{
	PocketBlockList *blocks;
	PocketBlockList *next_blocks;

	pocket_journal_drop(ns_id, jid, next, &blocks, &next_blocks);
	if (blocks != NULL)
		pocket_blocks_release(ns_id, blocks, next_blocks);
}

/* Returns how many rows were dropped. */
static int64
retain(Due *due, MemoryContext one)
{
	int count;
	Replacing *rows = read_replacing(due, &count);
	MemoryContext outer = MemoryContextSwitchTo(one);
	int64 dropped = 0;

	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		/* a row of this page may be the one before another of it: it is still there, as rows go in order */
		if (rows[i].before != 0)
		{
			drop(due->ns_id, rows[i].before, rows[i].jid);
			dropped++;
		}
		if (rows[i].is_deletion)
		{
			drop(due->ns_id, rows[i].jid, 0);
			dropped++;
		}
		MemoryContextReset(one);
	}
	MemoryContextSwitchTo(outer);
	if (count > 0)
	{
		due->kept = rows[count - 1].jid;
		pocket_journal_keep(due->ns_id, due->kept, rows[count - 1].at);
	}
	return dropped;
}

void
pocket_duty_retain(PocketPass *pass)
{
	MemoryContext one = AllocSetContextCreate(CurrentMemoryContext, "one row of retain", ALLOCSET_DEFAULT_SIZES);
	int count;
	int done = 0;
	Due *due = read_due(&count, pass->by_hand);

	for (int i = 0; i < count; i++)
	{
		if (done < NAMESPACES_MAX && pocket_head_lock_if_free(due[i].ns_id))
		{
			done++;
			if (!pocket_journal_due(due[i].ns_id, &due[i].kept, &due[i].last))
				continue;
			pass->done += retain(&due[i], one);
		}
		pass->remaining += due[i].last - due[i].kept;
	}
	MemoryContextDelete(one);
}
