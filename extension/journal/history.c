/*
 * history.c
 *	  Reading the journal: revisions, and entries that are no more.
 */
#include "journal/journal.h"

#include "utils/builtins.h"

bool
pocket_journal_revision(PocketState *state, char **op, int64 ns_id, int64 file_id, int64 jid)
{
	static PocketPlan revision = {"SELECT " POCKET_STATE_COLUMNS("jid") POCKET_CONTENT_COLUMNS
								  ", op "
								  "FROM pocket_data.journal WHERE ns_id = $1 AND jid = $2 AND file_id = $3",
								  "int8 int8 int8", NULL, NULL};
	Datum values[3] = {Int64GetDatum(ns_id), Int64GetDatum(jid), Int64GetDatum(file_id)};
	bool found = pocket_read(&revision, values, NULL) == 1;

	if (found)
	{
		pocket_state_read(state, 0, true);
		*op = pocket_column_text(0, POCKET_STATE_COLUMN_COUNT + 3);
	}
	pocket_free_rows();
	return found;
}

bool
pocket_journal_last_place(int64 ns_id, int64 file_id, int64 *parent_id, char **name)
{
	static PocketPlan last = {"SELECT parent_id, name FROM pocket_data.journal WHERE ns_id = $1 AND file_id = $2 "
							  "ORDER BY jid DESC LIMIT 1",
							  "int8 int8", NULL, NULL};
	Datum values[2] = {Int64GetDatum(ns_id), Int64GetDatum(file_id)};
	bool found = pocket_read(&last, values, NULL) == 1;

	if (found)
	{
		*parent_id = pocket_column_int64(0, 1);
		*name = pocket_column_text(0, 2);
	}
	pocket_free_rows();
	return found;
}

int64
pocket_journal_deleted(int64 ns_id, int64 parent_id, const char *name_key)
{
	static PocketPlan deleted = {"SELECT file_id FROM pocket_data.journal "
								 "WHERE ns_id = $1 AND parent_id = $2 AND name_key = $3 AND op = 'deleted' "
								 "ORDER BY jid DESC LIMIT 1",
								 "int8 int8 text", NULL, NULL};
	Datum values[3] = {Int64GetDatum(ns_id), Int64GetDatum(parent_id), CStringGetTextDatum(name_key)};
	int64 file_id = 0;

	if (pocket_read(&deleted, values, NULL) == 1)
		file_id = pocket_column_int64(0, 1);
	pocket_free_rows();
	return file_id;
}

uint64
pocket_journal_history(int64 ns_id, int64 file_id, int64 before, long max)
{
	static PocketPlan history = {
		"SELECT " POCKET_STATE_COLUMNS("jid") ", op FROM pocket_data.journal "
											  "WHERE ns_id = $1 AND file_id = $2 AND jid < $3 ORDER BY jid DESC",
		"int8 int8 int8", NULL, NULL};
	Datum values[3] = {Int64GetDatum(ns_id), Int64GetDatum(file_id), Int64GetDatum(before)};

	return pocket_select(&history, values, NULL, false, max);
}
