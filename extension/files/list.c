/*
 * list.c
 *	  stat, ls and history: reading the tree and the journal.
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

#define BATCH_ROWS 200

static void
check_now(FunctionCallInfo fcinfo, int argument)
{
	if (!PG_ARGISNULL(argument))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("the tree of a past moment is not supported in this release"),
						errhint("pocket.history() lists the revisions of one file.")));
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
	check_now(fcinfo, 1);
	pocket_path_argument(&path, fcinfo, 0);

	pocket_enter(&session);
	pocket_namespace_open(&ns, path.namespace_name, session.caller, false);
	pocket_resolve_existing(&spot, &ns, &path, false, false);
	result = pocket_result(fcinfo, &session, &spot.state, spot.path, NULL);
	pocket_leave(&session);
	PG_RETURN_DATUM(result);
}

/* path_of(ns_id, file_id): null when there is no such entry for the caller */
Datum
pocket_path_of_entry(PG_FUNCTION_ARGS)
{
	PocketSession session;
	PocketNamespace ns;
	PocketState state;
	text *result = NULL;

	pocket_enter(&session);
	if (pocket_namespace_find(&ns, PG_GETARG_INT64(0), session.caller) &&
		pocket_entry_find(&state, ns.ns_id, PG_GETARG_INT64(1), false))
	{
		char *path = pocket_path_of(&ns, state.parent_id, state.name);

		MemoryContextSwitchTo(session.result_context);
		result = cstring_to_text(path);
	}
	pocket_leave(&session);
	if (result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(result);
}

/* --- ls --- */

typedef struct Listing
{
	FunctionCallInfo fcinfo;
	const PocketNamespace *ns;
	bool recursive;
	int64 left; /* rows that may still come */
} Listing;

/* What was listed already: names below the folder, NULL at their end. */
typedef char **After;

static void list_folder(Listing *listing, int64 folder_id, const char *folder_path, After after);

typedef struct Child
{
	PocketState state;
	char *path;
} Child;

/* The next children of a folder; key is moved to the last of them. */
static int
read_children(const Listing *listing, int64 folder_id, const char *folder_path, char **key, Child *children)
{
	long max = (long) Min(listing->left, BATCH_ROWS);
	int count = (int) pocket_children(listing->ns->ns_id, folder_id, *key, max, false);
	int i;

	for (i = 0; i < count; i++)
	{
		pocket_state_read(&children[i].state, (uint64) i, false);
		children[i].path = pocket_path_join(folder_path, children[i].state.name);
	}
	if (count > 0)
		*key = pocket_column_text((uint64) (count - 1), POCKET_CHILD_KEY_COLUMN);
	pocket_free_rows();
	return count;
}

/* Goes on below the child that was listed last, if it is there still. */
static void
resume_below(Listing *listing, int64 folder_id, const char *folder_path, After after)
{
	PocketPath path = {listing->ns->name, after, 1, false};
	PocketFolder folder = {listing->ns->ns_id, folder_id, unconstify(char *, folder_path), NULL, 0};
	PocketSpot spot;

	pocket_resolve(&spot, listing->ns, &path, &folder, false, false);
	if (spot.exists && spot.state.kind == POCKET_FOLDER)
		list_folder(listing, spot.state.file_id, spot.path, after + 1);
}

static void
list_folder(Listing *listing, int64 folder_id, const char *folder_path, After after)
{
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext batch = AllocSetContextCreate(outer, "batch of ls", ALLOCSET_SMALL_SIZES);
	Child *children = palloc(sizeof(Child) * BATCH_ROWS);
	char *key = pstrdup("");
	int count;
	int i;

	check_stack_depth();
	if (*after != NULL)
	{
		if (listing->recursive)
			resume_below(listing, folder_id, folder_path, after);
		key = pocket_key(listing->ns, *after);
	}
	while (listing->left > 0)
	{
		char *last = key;

		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(batch);
		count = read_children(listing, folder_id, folder_path, &last, children);
		for (i = 0; i < count && listing->left > 0; i++)
		{
			static char *none[1] = {NULL};

			pocket_result_row(listing->fcinfo, &children[i].state, children[i].path, NULL);
			listing->left--;
			if (listing->recursive && children[i].state.kind == POCKET_FOLDER)
				list_folder(listing, children[i].state.file_id, children[i].path, none);
		}
		MemoryContextSwitchTo(outer);
		if (count == 0)
			break;
		key = pstrdup(last);
		MemoryContextReset(batch);
	}
	MemoryContextDelete(batch);
	pfree(children);
}

/* The names of `after` below the folder that is listed: a path as ls gives it, or names below the folder. */
static After
parse_after(const char *text, const PocketNamespace *ns, const PocketPath *folder)
{
	bool is_path = text[0] == '/' || strstr(text, ":/") != NULL;
	PocketPath path;
	After after;
	int skip = is_path ? folder->depth : 0;
	int i;

	pocket_path_parse(&path, is_path ? text : psprintf("%s:/%s", ns->name, text));
	for (i = 0; i < skip; i++)
	{
		if (i >= path.depth || strcmp(pocket_key(ns, path.names[i]), pocket_key(ns, folder->names[i])) != 0)
			break;
	}
	if (i < skip || path.depth <= skip || strcmp(path.namespace_name, ns->name) != 0)
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
	check_now(fcinfo, 4);
	listing.recursive = PG_GETARG_BOOL(1);
	listing.left = PG_ARGISNULL(3) ? PG_INT64_MAX : PG_GETARG_INT32(3);
	if (listing.left < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("max must not be negative")));
	pocket_path_argument(&path, fcinfo, 0);
	InitMaterializedSRF(fcinfo, 0);

	pocket_enter(&session);
	pocket_namespace_open(&ns, path.namespace_name, session.caller, false);
	listing.ns = &ns;
	pocket_resolve_existing(&spot, &ns, &path, false, false);
	if (spot.state.kind != POCKET_FOLDER)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" is not a folder", spot.path),
						errhint("pocket.stat() tells about a single file.")));
	list_folder(&listing, spot.state.file_id, spot.path,
				PG_ARGISNULL(2) ? none : parse_after(text_to_cstring(PG_GETARG_TEXT_PP(2)), &ns, &path));
	pocket_leave(&session);
	return (Datum) 0;
}

/* --- history --- */

/* Rows of one batch; returns the oldest jid in it, 0 at the end. */
static int64
history_batch(FunctionCallInfo fcinfo, const PocketNamespace *ns, int64 file_id, int64 before)
{
	PocketState *states = palloc(sizeof(PocketState) * BATCH_ROWS);
	char **ops = palloc(sizeof(char *) * BATCH_ROWS);
	int count = (int) pocket_journal_history(ns->ns_id, file_id, before, BATCH_ROWS);
	char *path = NULL;
	int i;

	for (i = 0; i < count; i++)
	{
		pocket_state_read(&states[i], (uint64) i, false);
		ops[i] = pocket_column_text((uint64) i, POCKET_STATE_COLUMN_COUNT + 1);
	}
	pocket_free_rows();
	for (i = 0; i < count; i++)
	{
		bool moved =
			i == 0 || states[i].parent_id != states[i - 1].parent_id || strcmp(states[i].name, states[i - 1].name) != 0;

		if (moved)
			path = pocket_path_of(ns, states[i].parent_id, states[i].name);
		pocket_result_row(fcinfo, &states[i], path, ops[i]);
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
	int64 file_id;
	int64 before = PG_INT64_MAX;

	pocket_path_argument(&path, fcinfo, 0);
	InitMaterializedSRF(fcinfo, 0);

	pocket_enter(&session);
	pocket_namespace_open(&ns, path.namespace_name, session.caller, false);
	file_id = pocket_resolve_past(&ns, &path);
	outer = CurrentMemoryContext;
	batch = AllocSetContextCreate(outer, "batch of history", ALLOCSET_DEFAULT_SIZES);
	while (before > 0)
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(batch);
		before = history_batch(fcinfo, &ns, file_id, before);
		MemoryContextSwitchTo(outer);
		MemoryContextReset(batch);
	}
	MemoryContextDelete(batch);
	pocket_leave(&session);
	return (Datum) 0;
}
