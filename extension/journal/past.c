/*
 * past.c
 *	  Reading the journal to bring something back: what was, as committed or done
 *	  now.  For whoever holds the head lock.
 */
#include "journal/journal.h"

#include "utils/builtins.h"

bool
pocket_journal_at(PocketState *state, char **op, int64 ns_id, int64 jid)
{
	static PocketPlan at = {"SELECT " POCKET_STATE_COLUMNS("jid") POCKET_CONTENT_COLUMNS
							", op "
							"FROM pocket_data.journal "
							"WHERE ns_id = $1 AND jid = $2",
							"int8 int8", NULL, NULL};
	Datum values[2] = {Int64GetDatum(ns_id), Int64GetDatum(jid)};
	bool found = pocket_write(&at, values, NULL) == 1;

	if (found)
	{
		pocket_state_read(state, 0, true);
		*op = pocket_column_text(0, POCKET_STATE_COLUMN_COUNT + 3);
	}
	pocket_free_rows();
	return found;
}

bool
pocket_journal_last(PocketState *state, int64 ns_id, int64 file_id)
{
	static PocketPlan last = {"SELECT " POCKET_STATE_COLUMNS("jid") " FROM pocket_data.journal "
																	"WHERE ns_id = $1 AND file_id = $2 "
																	"ORDER BY jid DESC LIMIT 1",
							  "int8 int8", NULL, NULL};
	Datum values[2] = {Int64GetDatum(ns_id), Int64GetDatum(file_id)};
	bool found = pocket_write(&last, values, NULL) == 1;

	if (found)
		pocket_state_read(state, 0, false);
	pocket_free_rows();
	return found;
}

bool
pocket_journal_content_before(PocketState *state, int64 jid)
{
	static PocketPlan before = {"SELECT blocks, inline FROM pocket_data.journal "
								"WHERE ns_id = $1 AND file_id = $2 AND jid < $3 ORDER BY jid DESC LIMIT 1",
								"int8 int8 int8", NULL, NULL};
	Datum values[3] = {Int64GetDatum(state->ns_id), Int64GetDatum(state->file_id), Int64GetDatum(jid)};

	state->blocks = NULL;
	state->inlined = NULL;
	if (pocket_write(&before, values, NULL) == 1)
	{
		if (!pocket_is_null(0, 1))
			state->blocks = (PocketBlockList *) pocket_column_varlena(0, 1);
		if (!pocket_is_null(0, 2))
			state->inlined = (bytea *) pocket_column_varlena(0, 2);
	}
	pocket_free_rows();
	return state->blocks != NULL || state->inlined != NULL;
}

PocketVersionVector *
pocket_journal_deleted_version(int64 ns_id, int64 parent_id, const char *key)
{
	static PocketPlan deleted = {"SELECT version FROM pocket_data.journal "
								 "WHERE ns_id = $1 AND parent_id = $2 AND name_key = $3 AND op = 'deleted' "
								 "ORDER BY jid DESC LIMIT 1",
								 "int8 int8 text", NULL, NULL};
	Datum values[3] = {Int64GetDatum(ns_id), Int64GetDatum(parent_id), CStringGetTextDatum(key)};
	PocketVersionVector *version = NULL;

	if (pocket_write(&deleted, values, NULL) == 1)
		version = (PocketVersionVector *) pocket_column_varlena(0, 1);
	pocket_free_rows();
	return version;
}

uint64
pocket_journal_deletions(int64 ns_id, int64 before, TimestampTz moment, int64 max)
{
	/* bounded by jid, not by a limit: behind the moment there may be a long journal without a row of it */
	static PocketPlan deletions = {
		"SELECT " POCKET_STATE_COLUMNS("jid") ", EXISTS (SELECT FROM pocket_data.journal n "
											  "WHERE n.ns_id = j.ns_id AND n.file_id = j.file_id AND n.jid > j.jid) "
											  "FROM pocket_data.journal j "
											  "WHERE ns_id = $1 AND jid >= $2 AND jid < $3 "
											  "AND op = 'deleted' AND at = $4 ORDER BY jid DESC",
		"int8 int8 int8 timestamptz", NULL, NULL};
	Datum values[4] = {Int64GetDatum(ns_id), Int64GetDatum(before - max), Int64GetDatum(before),
					   TimestampTzGetDatum(moment)};

	return pocket_write(&deletions, values, NULL);
}
