/*
 * list.c
 *	  stat, ls and history: reading the tree and the journal, as they are or were.
 *
 * ls goes through folders by key, each before what is below it.  Memory is
 * bounded by a batch for each level; rows go to a tuplestore, which spills.
 */
#include "files/files.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(pocket_stat);
PG_FUNCTION_INFO_V1(pocket_ls);
PG_FUNCTION_INFO_V1(pocket_history);
PG_FUNCTION_INFO_V1(pocket_path_of_entry);
PG_FUNCTION_INFO_V1(pocket_path_of_deleted);

#define BATCH_ROWS 200
#define BATCH_ROWS_MIN 16

int64
pocket_moment(const PocketNamespace *ns, const PocketPath *path, TimestampTz at, bool fresh)
{
	int64 jid = pocket_past_moment(ns, path, at, fresh);

	if (jid == POCKET_NOW)
		pocket_check_known(ns, path, fresh);
	if (jid == POCKET_NOW)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("\"%s\" does not exist", pocket_path_given(ns, path)),
						errdetail("Its namespace was made after the time that was given.")));
	return jid;
}

/* The journal row up to which the tree is looked at; a time to come is now. */
static int64
moment_argument(FunctionCallInfo fcinfo, int argument, const PocketNamespace *ns, const PocketPath *path)
{
	if (PG_ARGISNULL(argument))
		return POCKET_NOW;
	return pocket_moment(ns, path, PG_GETARG_TIMESTAMPTZ(argument), false);
}

/* What a path leads to, now or then. */
static void
look(PocketSpot *spot, const PocketNamespace *ns, const PocketPath *path, int64 jid)
{
	if (jid == POCKET_NOW)
		pocket_resolve(spot, ns, path, NULL, false, false);
	else
		pocket_past_resolve(spot, ns, path, jid, false);
	pocket_check_spot(spot, ns, path);
}

/* stat(path, at) */
Datum
pocket_stat(PG_FUNCTION_ARGS)
{
	PocketPath path;
	PocketSession session;
	PocketNamespace ns;
	PocketSpot spot;
	Datum result;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	pocket_path_argument(&path, fcinfo, 0);

	pocket_enter(&session);
	pocket_path_open(&ns, &path, pocket_caller(&session, fcinfo->flinfo->fn_oid), false);
	look(&spot, &ns, &path, moment_argument(fcinfo, 1, &ns, &path));
	result = pocket_result(fcinfo, &session, &spot.state, spot.path, NULL);
	pocket_leave(&session);
	PG_RETURN_DATUM(result);
}

/* Where an entry is; or when it was removed, where it was last. */
static bool
find_place(int64 ns_id, int64 file_id, bool is_removed, int64 *parent_id, char **name)
{
	PocketState state;
	bool lives = pocket_entry_find(&state, ns_id, file_id, false);

	if (is_removed)
		return !lives && pocket_journal_last_place(ns_id, file_id, parent_id, name);
	if (lives)
	{
		*parent_id = state.parent_id;
		*name = state.name;
	}
	return lives;
}

static bool
may_read(const PocketNamespace *ns, int64 file_id)
{
	return ns->is_owned ||
		   (pocket_policy_rights(pocket_policy(ns->caller, false), ns->ns_id, file_id) & PK_RIGHT_READ) != 0;
}

static Datum
path_of(FunctionCallInfo fcinfo, bool is_removed)
{
	PocketSession session;
	PocketNamespace ns;
	int64 parent_id;
	char *name;
	text *result = NULL;

	pocket_enter(&session);
	if (pocket_namespace_find(&ns, PG_GETARG_INT64(0), pocket_caller(&session, fcinfo->flinfo->fn_oid)) &&
		may_read(&ns, PG_GETARG_INT64(1)) && find_place(ns.ns_id, PG_GETARG_INT64(1), is_removed, &parent_id, &name))
	{
		char *path = pocket_path_of(&ns, parent_id, name);

		MemoryContextSwitchTo(session.result_context);
		result = cstring_to_text(path);
	}
	pocket_leave(&session);
	if (result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(result);
}

/* path_of(ns_id, file_id): null when there is no such entry for the caller */
Datum
pocket_path_of_entry(PG_FUNCTION_ARGS)
{
	return path_of(fcinfo, false);
}

/* path_of_deleted(ns_id, file_id) */
Datum
pocket_path_of_deleted(PG_FUNCTION_ARGS)
{
	return path_of(fcinfo, true);
}

/* --- ls --- */

typedef struct Listing
{
	FunctionCallInfo fcinfo;
	const PocketNamespace *ns;
	int64 jid; /* as of which; POCKET_NOW: the live tree */
	bool recursive;
	int64 left;			  /* rows that may still come */
	PocketPolicy *policy; /* of what was; NULL when all is the caller's own, or is listed as it is */
} Listing;

/* What was listed already: names below the folder, NULL at their end. */
typedef char **After;

static void list_folder(Listing *listing, int64 folder_id, const char *folder_path, uint8 rights, After after);

typedef struct Child
{
	PocketState state;
	char *path;
} Child;

/* Of the caller on a child of a folder on which he has `above`. */
static uint8
child_rights(const Listing *listing, uint8 above, const PocketState *child)
{
	if (listing->ns->is_owned)
		return PK_RIGHTS_ALL;
	if (listing->policy != NULL)
		return pocket_policy_rights(listing->policy, child->ns_id, child->file_id);
	return pocket_rights_below(listing->ns->caller, above, child->acl, false);
}

/* The next children of a folder; key is moved to the last of them. */
static Child *
read_children(const Listing *listing, int64 folder_id, const char *folder_path, char **key, int *count)
{
	/* some of them may be hidden */
	long max = (long) Min(listing->ns->is_owned ? listing->left : Max(listing->left, BATCH_ROWS_MIN), BATCH_ROWS);
	int64 ns_id = listing->ns->ns_id;
	Child *children;
	int i;

	if (listing->jid == POCKET_NOW)
		*count = (int) pocket_children(ns_id, folder_id, *key, max, false);
	else
		*count = (int) pocket_past_children(ns_id, folder_id, *key, max, listing->jid, false);
	children = palloc(sizeof(Child) * (Size) Max(*count, 1));

	for (i = 0; i < *count; i++)
	{
		pocket_state_read(&children[i].state, (uint64) i, false);
		children[i].path = pocket_path_join(folder_path, children[i].state.name);
	}
	if (*count > 0)
		*key = pocket_column_text((uint64) (*count - 1), POCKET_CHILD_KEY_COLUMN);
	pocket_free_rows();
	return children;
}

/* Goes on below the child that was listed last, if it is there still. */
static void
resume_below(Listing *listing, int64 folder_id, const char *folder_path, uint8 above, After after)
{
	int64 ns_id = listing->ns->ns_id;
	char *key = pocket_key(listing->ns, *after);
	PocketState state;
	uint8 rights;
	bool found;

	if (listing->jid == POCKET_NOW)
		found = pocket_child_find(&state, ns_id, folder_id, key, false, false);
	else
		found = pocket_past_child_find(&state, ns_id, folder_id, key, listing->jid, false);
	if (!found || state.kind != POCKET_FOLDER)
		return;
	rights = child_rights(listing, above, &state);
	if ((rights & PK_RIGHT_READ) != 0)
		list_folder(listing, state.file_id, pocket_path_join(folder_path, state.name), rights, after + 1);
}

/* rights: of the caller on the folder */
static void
list_folder(Listing *listing, int64 folder_id, const char *folder_path, uint8 rights, After after)
{
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext batch = AllocSetContextCreate(outer, "batch of ls", ALLOCSET_SMALL_SIZES);
	char *key = pstrdup("");
	Child *children;
	int count;
	int i;

	check_stack_depth();
	if (*after != NULL)
	{
		if (listing->recursive)
			resume_below(listing, folder_id, folder_path, rights, after);
		key = pocket_key(listing->ns, *after);
	}
	while (listing->left > 0)
	{
		char *last = key;

		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(batch);
		children = read_children(listing, folder_id, folder_path, &last, &count);
		for (i = 0; i < count && listing->left > 0; i++)
		{
			static char *none[1] = {NULL};
			uint8 on_child = child_rights(listing, rights, &children[i].state);

			if ((on_child & PK_RIGHT_READ) == 0)
				continue;
			pocket_result_row(listing->fcinfo, &children[i].state, children[i].path, NULL);
			listing->left--;
			if (listing->recursive && children[i].state.kind == POCKET_FOLDER)
				list_folder(listing, children[i].state.file_id, children[i].path, on_child, none);
		}
		MemoryContextSwitchTo(outer);
		if (count == 0)
			break;
		key = pstrdup(last);
		MemoryContextReset(batch);
	}
	MemoryContextDelete(batch);
}

/* The names of `after` below the folder that is listed: a path as ls gives it, or names below the folder. */
static After
parse_after(const char *text, const PocketNamespace *ns, const PocketPath *folder)
{
	bool is_path = text[0] == '/' || strstr(text, ":/") != NULL;
	PocketNamespace its = *ns;
	PocketPath path;
	After after;
	int skip = is_path ? folder->depth : 0;
	int i;

	pocket_path_parse_listed(&path, is_path ? text : psprintf("%s:/%s", ns->name, text));
	/* nor does it tell of a namespace whether there is one */
	if (is_path && !pocket_path_find(&its, &path, ns->caller, false))
		its.ns_id = 0;
	for (i = 0; i < skip; i++)
	{
		if (i >= path.depth || strcmp(pocket_key(ns, path.names[i]), pocket_key(ns, folder->names[i])) != 0)
			break;
	}
	if (i < skip || path.depth <= skip || its.ns_id != ns->ns_id || its.base_id != ns->base_id)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("after: \"%s\" is not below the folder that is listed", text)));
	after = palloc(sizeof(char *) * (Size) (path.depth - skip + 1));
	memcpy(after, path.names + skip, sizeof(char *) * (Size) (path.depth - skip));
	after[path.depth - skip] = NULL;
	return after;
}

/* ls(path, recursive, after, max, at) */
Datum
pocket_ls(PG_FUNCTION_ARGS)
{
	Listing listing = {.fcinfo = fcinfo};
	char *none[1] = {NULL};
	PocketPath path;
	PocketSession session;
	PocketNamespace ns;
	PocketSpot spot;

	pocket_check_not_null(fcinfo, 0, "path");
	pocket_check_not_null(fcinfo, 1, "recursive");
	listing.recursive = PG_GETARG_BOOL(1);
	listing.left = PG_ARGISNULL(3) ? PG_INT64_MAX : PG_GETARG_INT32(3);
	if (listing.left < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("max must not be negative")));
	pocket_path_argument(&path, fcinfo, 0);
	InitMaterializedSRF(fcinfo, 0);

	pocket_enter(&session);
	pocket_path_open(&ns, &path, pocket_caller(&session, fcinfo->flinfo->fn_oid), false);
	listing.ns = &ns;
	listing.jid = moment_argument(fcinfo, 4, &ns, &path);
	look(&spot, &ns, &path, listing.jid);
	if (spot.state.kind != POCKET_FOLDER)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" is not a folder", spot.path),
						errhint("pocket.stat() tells about a single file.")));
	if (listing.jid != POCKET_NOW && !ns.is_owned)
		listing.policy = pocket_policy(ns.caller, false);
	list_folder(&listing, spot.state.file_id, spot.path, spot.rights,
				PG_ARGISNULL(2) ? none : parse_after(text_to_cstring(PG_GETARG_TEXT_PP(2)), &ns, &path));
	pocket_leave(&session);
	return (Datum) 0;
}

/* --- history --- */

/* What history tells. */
typedef struct Past
{
	FunctionCallInfo fcinfo;
	const PocketNamespace *ns;
	int64 file_id;
	int64 last_parent_id; /* where the entry is, or was last; 0: not known yet */
} Past;

/* The path of a revision; NULL when the folder that it was in once is hidden from the caller now. */
static char *
past_path(const Past *past, const PocketState *state)
{
	if (state->parent_id != past->last_parent_id && !may_read(past->ns, state->parent_id))
		return NULL;
	return pocket_path_of(past->ns, state->parent_id, state->name);
}

/* Rows of one batch; returns the oldest jid in it, 0 at the end. */
static int64
history_batch(Past *past, int64 before)
{
	PocketState *states = palloc(sizeof(PocketState) * BATCH_ROWS);
	char **ops = palloc(sizeof(char *) * BATCH_ROWS);
	int count = (int) pocket_journal_history(past->ns->ns_id, past->file_id, before, BATCH_ROWS);
	char *path = NULL;
	int i;

	for (i = 0; i < count; i++)
	{
		pocket_state_read(&states[i], (uint64) i, false);
		ops[i] = pocket_column_text((uint64) i, POCKET_STATE_COLUMN_COUNT + 1);
	}
	pocket_free_rows();
	if (past->last_parent_id == 0 && count > 0)
		past->last_parent_id = states[0].parent_id;
	for (i = 0; i < count; i++)
	{
		bool moved =
			i == 0 || states[i].parent_id != states[i - 1].parent_id || strcmp(states[i].name, states[i - 1].name) != 0;

		if (moved)
			path = past_path(past, &states[i]);
		pocket_result_row(past->fcinfo, &states[i], path, ops[i]);
	}
	return count > 0 ? states[count - 1].rev : 0;
}

/* history(path): the revisions of a file that lives, or was the last to be deleted here; newest first */
Datum
pocket_history(PG_FUNCTION_ARGS)
{
	MemoryContext outer;
	MemoryContext batch;
	PocketPath path;
	PocketSession session;
	PocketNamespace ns;
	Past past = {.fcinfo = fcinfo, .ns = &ns};
	int64 before = PG_INT64_MAX;

	pocket_path_argument(&path, fcinfo, 0);
	InitMaterializedSRF(fcinfo, 0);

	pocket_enter(&session);
	pocket_path_open(&ns, &path, pocket_caller(&session, fcinfo->flinfo->fn_oid), false);
	past.file_id = pocket_resolve_past(&ns, &path);
	outer = CurrentMemoryContext;
	batch = AllocSetContextCreate(outer, "batch of history", ALLOCSET_DEFAULT_SIZES);
	while (before > 0)
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(batch);
		before = history_batch(&past, before);
		MemoryContextSwitchTo(outer);
		MemoryContextReset(batch);
	}
	MemoryContextDelete(batch);
	pocket_leave(&session);
	return (Datum) 0;
}
