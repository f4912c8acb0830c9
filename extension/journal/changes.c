/*
 * changes.c
 *	  Reading the journal forwards: what a follower is told.
 *
 * Whoever begins is first given the tree as it was at some jid, and then the
 * rows behind that one.  The tree of a moment is the journal without the rows
 * that others had replaced by then, so listing it is reading the same rows in
 * the same order, and leaving out some.
 */
#include "journal/journal.h"

uint64
pocket_journal_tree(int64 ns_id, int64 jid, int64 after, int64 max)
{
	/* rows are limited before they are judged: what is judged costs a step by the index of files each */
	static PocketPlan tree = {
		"SELECT " POCKET_STATE_COLUMNS("jid") ", op, op <> 'deleted' AND jid ="
											  " (SELECT k.jid FROM pocket_data.journal k WHERE k.ns_id = j.ns_id"
											  " AND k.file_id = j.file_id AND k.jid <= $2 ORDER BY k.jid DESC LIMIT 1)"
											  " FROM (SELECT * FROM pocket_data.journal"
											  " WHERE ns_id = $1 AND jid > $3 AND jid <= $2 ORDER BY jid LIMIT $4) j"
											  " ORDER BY jid",
		"int8 int8 int8 int8", NULL, NULL};
	Datum values[4] = {Int64GetDatum(ns_id), Int64GetDatum(jid), Int64GetDatum(after), Int64GetDatum(max)};

	return pocket_read(&tree, values, NULL);
}

uint64
pocket_journal_after(int64 ns_id, int64 after, int64 max)
{
	static PocketPlan rows = {
		"SELECT " POCKET_STATE_COLUMNS("jid") ", op, true FROM pocket_data.journal"
											  " WHERE ns_id = $1 AND jid > $2 ORDER BY jid LIMIT $3",
		"int8 int8 int8", NULL, NULL};
	Datum values[3] = {Int64GetDatum(ns_id), Int64GetDatum(after), Int64GetDatum(max)};

	return pocket_read(&rows, values, NULL);
}

bool
pocket_journal_shared_after(int64 ns_id, int64 after)
{
	static PocketPlan find = {"SELECT FROM pocket_data.journal WHERE ns_id = $1 AND jid > $2 AND op = 'shared' LIMIT 1",
							  "int8 int8", NULL, NULL};
	Datum values[2] = {Int64GetDatum(ns_id), Int64GetDatum(after)};
	bool found = pocket_read(&find, values, NULL) == 1;

	pocket_free_rows();
	return found;
}

bool
pocket_journal_time(int64 ns_id, int64 jid, TimestampTz *at)
{
	static PocketPlan find = {"SELECT at FROM pocket_data.journal WHERE ns_id = $1 AND jid = $2", "int8 int8", NULL,
							  NULL};
	Datum values[2] = {Int64GetDatum(ns_id), Int64GetDatum(jid)};
	bool found = pocket_read(&find, values, NULL) == 1;

	if (found)
		*at = pocket_column_int64(0, 1);
	pocket_free_rows();
	return found;
}

int64
pocket_journal_end(int64 ns_id)
{
	static PocketPlan find = {"SELECT jid FROM pocket_data.namespace_head WHERE ns_id = $1", "int8", NULL, NULL};
	Datum values[1] = {Int64GetDatum(ns_id)};
	int64 jid = 0;

	if (pocket_read(&find, values, NULL) == 1)
		jid = pocket_column_int64(0, 1);
	pocket_free_rows();
	return jid;
}

bool
pocket_journal_as_of(PocketState *state, char **op, int64 ns_id, int64 file_id, int64 jid, bool fresh)
{
	static PocketPlan last = {"SELECT " POCKET_STATE_COLUMNS("jid") ", op FROM pocket_data.journal"
																	" WHERE ns_id = $1 AND file_id = $2 AND jid <= $3"
																	" ORDER BY jid DESC LIMIT 1",
							  "int8 int8 int8", NULL, NULL};
	Datum values[3] = {Int64GetDatum(ns_id), Int64GetDatum(file_id), Int64GetDatum(jid)};
	bool found = pocket_select(&last, values, NULL, fresh, 0) == 1;

	if (found)
	{
		pocket_state_read(state, 0, false);
		*op = pocket_column_text(0, POCKET_JOURNAL_OP_COLUMN);
	}
	pocket_free_rows();
	return found;
}
