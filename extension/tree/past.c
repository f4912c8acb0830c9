/*
 * past.c
 *	  The tree as it was, read out of the journal.
 *
 * A journal row is the whole state of an entry after a change.  After row J, what
 * has the key K in the folder P is told by the last row up to J that has them:
 * nothing is there when this is a deletion, or when its file has a later row up to
 * J, by which it moved away.  (Nobody else could take the spot while it was there.)
 * What is below a folder that was moved or removed is reached, or not, by way of
 * the folder, as in the live tree.
 *
 * Listing a folder goes from key to key by the index; it costs what the keys that
 * it goes over cost, however often each of them changed.  Names that the folder
 * had only before or after are among them.
 */
#include "tree/tree.h"

#include "utils/builtins.h"

/* The last row of a spot up to $4.  LIMIT keeps it a step by the index, wherever it is joined to. */
#define LAST_ROW(key)                                                                                 \
	"(SELECT " POCKET_STATE_COLUMNS("jid") ", name_key, op FROM pocket_data.journal"                  \
										   " WHERE ns_id = $1 AND parent_id = $2 AND name_key = " key \
										   " AND jid <= $4 ORDER BY jid DESC LIMIT 1)"

/* Whether the entry l was still there.  A scalar: it cannot become a join, which would read more than the page. */
#define IS_THERE                                                             \
	"l.op <> 'deleted' AND l.jid = (SELECT n.jid FROM pocket_data.journal n" \
	" WHERE n.ns_id = $1 AND n.file_id = l.file_id AND n.jid <= $4 ORDER BY n.jid DESC LIMIT 1)"

int64
pocket_past_moment(const PocketNamespace *ns, const PocketPath *path, TimestampTz at, bool fresh)
{
	static PocketPlan moment = {"SELECT jid FROM pocket_data.journal WHERE ns_id = $1 AND at <= $2 "
								"ORDER BY at DESC, jid DESC LIMIT 1",
								"int8 timestamptz", NULL, NULL};
	int64 ns_id = ns->ns_id;
	Datum values[2] = {Int64GetDatum(ns_id), TimestampTzGetDatum(at)};
	int64 jid = pocket_select(&moment, values, NULL, fresh, 0) == 1 ? pocket_column_int64(0, 1) : POCKET_NOW;
	TimestampTz kept_at;
	int64 kept;

	pocket_free_rows();
	if (jid == POCKET_NOW && ns_id != POCKET_NO_NAMESPACE && pocket_journal_time(ns_id, 1, &kept_at))
		return POCKET_NOW;
	kept = pocket_journal_kept(ns_id, &kept_at, fresh);
	/* any row will do where there is none: what is looked up there is not found */
	if (ns_id == POCKET_NO_NAMESPACE)
		return 1;
	if (kept == 0 || at >= kept_at)
		return Max(jid, kept); /* the row itself may have been dropped: it was a deletion */
	pocket_check_known(ns, path, fresh);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("what was at %s is not kept any more", timestamptz_to_str(at)),
			 errdetail("The journal of the namespace has been kept since %s.", pstrdup(timestamptz_to_str(kept_at))),
			 errhint("The namespace's retention says for how long: see pocket.alter_namespace().")));
}

bool
pocket_past_child_find(PocketState *state, int64 ns_id, int64 parent_id, const char *key, int64 jid, bool fresh)
{
	static PocketPlan find = {"SELECT l.* FROM " LAST_ROW("$3") " l WHERE " IS_THERE, "int8 int8 text int8", NULL,
							  NULL};
	Datum values[4] = {Int64GetDatum(ns_id), Int64GetDatum(parent_id), CStringGetTextDatum(key), Int64GetDatum(jid)};
	bool found = pocket_select(&find, values, NULL, fresh, 0) == 1;

	if (found)
		pocket_state_read(state, 0, false);
	pocket_free_rows();
	return found;
}

uint64
pocket_past_children(int64 ns_id, int64 parent_id, const char *after_key, long max, int64 jid, bool fresh)
{
	/* the rows of spot are made one by one, in order, and only as far as max needs them */
	static PocketPlan children = {
		"WITH RECURSIVE spot (key) AS ((SELECT name_key FROM pocket_data.journal"
		" WHERE ns_id = $1 AND parent_id = $2 AND name_key > $3 ORDER BY name_key LIMIT 1)"
		" UNION ALL SELECT (SELECT j.name_key FROM pocket_data.journal j"
		" WHERE j.ns_id = $1 AND j.parent_id = $2 AND j.name_key > s.key ORDER BY j.name_key LIMIT 1)"
		" FROM spot s WHERE s.key IS NOT NULL)"
		" SELECT l.* FROM spot CROSS JOIN LATERAL " LAST_ROW("spot.key") " l WHERE " IS_THERE,
		"int8 int8 text int8", NULL, NULL};
	Datum values[4] = {Int64GetDatum(ns_id), Int64GetDatum(parent_id), CStringGetTextDatum(after_key),
					   Int64GetDatum(jid)};

	return pocket_select(&children, values, NULL, fresh, max);
}

void
pocket_past_resolve(PocketSpot *spot, const PocketNamespace *ns, const PocketPath *path, int64 jid, bool fresh)
{
	bool is_open = true;
	bool was_there;
	char *op;
	int i;

	memset(spot, 0, sizeof(*spot));
	spot->path = pocket_path_base(ns);
	spot->steps = palloc(sizeof(PocketStep) * (Size) (path->depth + 1));
	spot->exists = pocket_journal_as_of(&spot->state, &op, ns->ns_id, ns->base_id, jid, fresh) &&
				   strcmp(op, POCKET_OP_DELETED) != 0;
	for (i = 0; i < path->depth && spot->exists; i++)
	{
		is_open = spot->state.kind == POCKET_FOLDER;
		spot->steps[spot->step_count++] = (PocketStep){.file_id = spot->state.file_id};
		if (!is_open)
		{
			spot->exists = false;
			break;
		}
		spot->known = i;
		spot->parent_id = spot->state.file_id;
		spot->exists = pocket_past_child_find(&spot->state, ns->ns_id, spot->parent_id, pocket_key(ns, path->names[i]),
											  jid, fresh);
		if (spot->exists)
			spot->path = pocket_path_join(spot->path, spot->state.name);
	}
	was_there = spot->exists;
	pocket_spot_judge_past(spot, ns, fresh);
	/* what is there takes two lookups, and one to judge it; what is not has taken one */
	if (!was_there)
		pocket_pass_time(ns, 3 * (path->depth + 1 - spot->step_count) - 1, fresh);
	if (!is_open && !spot->is_hidden)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" was not a folder", spot->path),
						errdetail("A path goes through folders only.")));
	if (spot->exists)
		spot->known = path->depth;
	else
		spot->path = pocket_path_given(ns, path);
}
