/*
 * retention.c
 *	  What of a journal is kept.
 *
 * Rows go in the order in which others have replaced them: the work goes along
 * the journal up to the horizon, and each row on the way drops the one of its
 * file before it; a deletion drops itself, too.  So what is left at or before the
 * row that it has come to is the tree as that left it, each file's revisions go
 * from the first on, and no row is kept that names a folder without one.
 */
#include "journal/journal.h"

int64
pocket_journal_kept(int64 ns_id, TimestampTz *at, bool fresh)
{
	static PocketPlan find = {"SELECT kept_jid, kept_at FROM pocket_data.namespace WHERE ns_id = $1", "int8", NULL,
							  NULL};
	Datum values[1] = {Int64GetDatum(ns_id)};
	int64 jid = 0;

	if (pocket_select(&find, values, NULL, fresh, 0) == 1)
	{
		jid = pocket_column_int64(0, 1);
		if (at != NULL)
			*at = pocket_column_int64(0, 2);
	}
	pocket_free_rows();
	return jid;
}

uint64
pocket_journal_replacing(int64 ns_id, int64 after, int64 last, long max)
{
	/* a deletion before the work began is of what was purged later: it has not dropped itself */
	static PocketPlan replacing = {
		"SELECT j.jid, j.op = 'deleted', (SELECT CASE WHEN p.op <> 'deleted' OR p.jid <= $2 THEN p.jid END"
		" FROM pocket_data.journal p WHERE p.ns_id = j.ns_id"
		" AND p.file_id = j.file_id AND p.jid < j.jid ORDER BY p.jid DESC LIMIT 1), j.at"
		" FROM pocket_data.journal j WHERE j.ns_id = $1 AND j.jid > $2 AND j.jid <= $3 ORDER BY j.jid",
		"int8 int8 int8", NULL, NULL};
	Datum values[3] = {Int64GetDatum(ns_id), Int64GetDatum(after), Int64GetDatum(last)};

	return pocket_select(&replacing, values, NULL, true, max);
}

static PocketBlockList *
read_blocks(uint64 row, int column)
{
	return pocket_is_null(row, column) ? NULL : (PocketBlockList *) pocket_column_varlena(row, column);
}

void
pocket_journal_drop(int64 ns_id, int64 jid, int64 next, PocketBlockList **blocks, PocketBlockList **next_blocks)
{
	static PocketPlan drop = {"DELETE FROM pocket_data.journal WHERE ns_id = $1 AND jid = $2 RETURNING blocks,"
							  " (SELECT n.blocks FROM pocket_data.journal n WHERE n.ns_id = $1 AND n.jid = $3)",
							  "int8 int8 int8", NULL, NULL};
	Datum values[3] = {Int64GetDatum(ns_id), Int64GetDatum(jid), Int64GetDatum(next)};

	if (pocket_write(&drop, values, NULL) != 1)
		elog(ERROR, "journal row " INT64_FORMAT " vanished under the head lock", jid);
	*blocks = read_blocks(0, 1);
	*next_blocks = *blocks == NULL ? NULL : read_blocks(0, 2);
	pocket_free_rows();
}

void
pocket_journal_keep(int64 ns_id, int64 jid, TimestampTz at)
{
	static PocketPlan keep = {"UPDATE pocket_data.namespace SET kept_jid = $2, kept_at = $3 WHERE ns_id = $1",
							  "int8 int8 timestamptz", NULL, NULL};
	Datum values[3] = {Int64GetDatum(ns_id), Int64GetDatum(jid), TimestampTzGetDatum(at)};

	if (pocket_write(&keep, values, NULL) != 1)
		elog(ERROR, "namespace " INT64_FORMAT " vanished under the head lock", ns_id);
}

/* Never the last row: cursors stand on it. */
#define DUE(which, order)                                                                                   \
	"SELECT n.ns_id, n.kept_jid, e.jid FROM " which " n"                                                    \
	" JOIN pocket_data.namespace_head h ON h.ns_id = n.ns_id CROSS JOIN LATERAL"                            \
	" (SELECT j.jid FROM pocket_data.journal j WHERE j.ns_id = n.ns_id AND j.jid < h.jid"                   \
	" AND j.at <= CASE WHEN n.retention < '5000 years' THEN pg_catalog.statement_timestamp() - n.retention" \
	" ELSE '-infinity' END ORDER BY j.at DESC, j.jid DESC LIMIT 1) e"                                       \
	" WHERE e.jid > n.kept_jid" order

uint64
pocket_journals_due(int64 after, int64 max)
{
	/* who has waited longest is first, however many have always something */
	static PocketPlan due = {DUE("(SELECT * FROM pocket_data.namespace WHERE ns_id > $1 ORDER BY ns_id LIMIT $2)",
								 " ORDER BY n.kept_at + n.retention, n.ns_id"),
							 "int8 int8", NULL, NULL};
	Datum values[2] = {Int64GetDatum(after), Int64GetDatum(max)};

	return pocket_write(&due, values, NULL);
}

int64
pocket_journals_page(int64 after, int64 max)
{
	static PocketPlan last = {
		"SELECT ns_id FROM pocket_data.namespace WHERE ns_id > $1 ORDER BY ns_id OFFSET $2 - 1 LIMIT 1", "int8 int8",
		NULL, NULL};
	Datum values[2] = {Int64GetDatum(after), Int64GetDatum(max)};
	int64 ns_id = pocket_write(&last, values, NULL) == 1 ? pocket_column_int64(0, 1) : 0;

	pocket_free_rows();
	return ns_id;
}

bool
pocket_journal_due(int64 ns_id, int64 *kept, int64 *last)
{
	static PocketPlan due = {DUE("pocket_data.namespace", " AND n.ns_id = $1"), "int8", NULL, NULL};
	Datum values[1] = {Int64GetDatum(ns_id)};
	bool found = pocket_write(&due, values, NULL) == 1;

	if (found)
	{
		*kept = pocket_column_int64(0, 2);
		*last = pocket_column_int64(0, 3);
	}
	pocket_free_rows();
	return found;
}

bool
pocket_head_lock_if_free(int64 ns_id)
{
	static PocketPlan lock = {"SELECT FROM pocket_data.namespace_head WHERE ns_id = $1 FOR UPDATE SKIP LOCKED", "int8",
							  NULL, NULL};
	Datum values[1] = {Int64GetDatum(ns_id)};
	bool locked = pocket_write(&lock, values, NULL) == 1;

	pocket_free_rows();
	return locked;
}
