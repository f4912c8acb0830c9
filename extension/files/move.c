/*
 * move.c
 *	  mv and rm.
 */
#include "files/files.h"

#include "access/access.h"
#include "contract/pk_limits.h"
#include "contract/pk_name.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(pocket_mv);
PG_FUNCTION_INFO_V1(pocket_rm);

#define BATCH_ROWS 200

static void
check_not_root(const PocketPath *path, const char *verb)
{
	if (path->depth == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the root of namespace \"%s\" cannot be %s", path->namespace_name, verb)));
}

/* A folder cannot come to be below itself. */
static void
check_no_cycle(const PocketNamespace *ns, const PocketSpot *source, const PocketSpot *target)
{
	int64 id = target->parent_id;

	while (source->state.kind == POCKET_FOLDER && id != POCKET_ROOT_PARENT_ID)
	{
		PocketState above;

		CHECK_FOR_INTERRUPTS();
		if (id == source->state.file_id)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("\"%s\" cannot be moved below itself", source->path)));
		if (!pocket_entry_find(&above, ns->ns_id, id, true))
			ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("folder " INT64_FORMAT " has no row", id)));
		id = above.parent_id;
	}
}

/*
 * A folder goes deeper only with all that is below it: what had more names than a
 * path may have could not be reached any more.  There is such an entry when the
 * last level that fits has a folder that is not empty.
 */
static void
check_depth(const PocketNamespace *ns, const PocketPath *path, const PocketSpot *source, const PocketSpot *target)
{
	static PocketPlan below = {
		"WITH RECURSIVE folder (file_id, depth) AS (SELECT $2, 0"
		" UNION ALL SELECT e.file_id, f.depth + 1 FROM folder f JOIN pocket_data.entry e"
		" ON e.ns_id = $1 AND e.parent_id = f.file_id WHERE e.kind = 'folder' AND f.depth < $3)"
		" SELECT 1 FROM folder f WHERE f.depth = $3"
		" AND EXISTS (SELECT FROM pocket_data.entry e WHERE e.ns_id = $1 AND e.parent_id = f.file_id)",
		"int8 int8 int4", NULL, NULL};
	Datum values[3] = {Int64GetDatum(ns->ns_id), Int64GetDatum(source->state.file_id),
					   Int32GetDatum(PK_PATH_DEPTH_MAX - path->depth)};

	if (pocket_select(&below, values, NULL, true, 1) > 0)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("\"%s\" cannot be moved to \"%s\"", source->path, target->path),
						errdetail("What is below it would have paths of more than %d names.", PK_PATH_DEPTH_MAX)));
	pocket_free_rows();
}

static void
check_target(const PocketNamespace *ns, const PocketPath *path, const PocketSpot *source, const PocketSpot *target,
			 int source_depth)
{
	if (target->exists && (path->depth == 0 || target->state.file_id != source->state.file_id))
		ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT), errmsg("\"%s\" already exists", target->path),
						errhint("The target is the new path itself, not the folder to move into.")));
	if (target->known < path->depth - 1)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("the folder of \"%s\" does not exist", target->path),
						errhint("pocket.mkdir() makes it.")));
	if (path->slash && source->state.kind != POCKET_FOLDER)
		pocket_path_check_leaf(path);
	check_no_cycle(ns, source, target);
	if (source->state.kind == POCKET_FOLDER && path->depth > source_depth)
		check_depth(ns, path, source, target);
}

static const char *
move(PocketHead *head, const PocketNamespace *ns, const PocketPath *target_path, PocketSpot *source, PocketSpot *target,
	 const char *author)
{
	const char *name = target_path->names[target_path->depth - 1];
	PocketState before = source->state;

	/* the entry itself under its own name, or under another that has the same key */
	if (target->exists && strcmp(before.name, name) == 0)
		return POCKET_OUTCOME_UNCHANGED;
	source->state.parent_id = target->parent_id;
	source->state.name = pstrdup(name);
	pocket_entry_change(head, ns, &before, &source->state, POCKET_OP_MOVED, author);
	/* the target's folder as it is kept, with its slash, and the new name as given */
	source->path = psprintf("%.*s%s", (int) (strrchr(target->path, '/') + 1 - target->path), target->path, name);
	return POCKET_OP_MOVED;
}

/* mv(source, target): one row changes, however much is below it */
Datum
pocket_mv(PG_FUNCTION_ARGS)
{
	PocketPath source_path;
	PocketPath target_path;
	PocketSession session;
	PocketNamespace ns;
	PocketNamespace target_ns;
	PocketHead head;
	PocketSpot source;
	PocketSpot target;
	const char *outcome;
	Datum result;

	PreventCommandIfReadOnly("pocket.mv()");
	pocket_path_argument(&source_path, fcinfo, 0);
	pocket_path_argument(&target_path, fcinfo, 1);
	check_not_root(&source_path, "moved");

	pocket_enter(&session);
	pocket_namespace_open(&ns, source_path.namespace_name, session.caller, true);
	pocket_namespace_open(&target_ns, target_path.namespace_name, session.caller, true);
	if (ns.ns_id != target_ns.ns_id)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("moving between namespaces is not supported in this release"),
						errhint("Put the content there, and remove it here.")));
	pocket_head_lock(&head, ns.ns_id);
	pocket_resolve_existing(&source, &ns, &source_path, true, true);
	pocket_resolve(&target, &ns, &target_path, NULL, true, false);
	check_target(&ns, &target_path, &source, &target, source_path.depth);
	outcome = move(&head, &ns, &target_path, &source, &target, pocket_author(session.caller));
	pocket_head_flush(&head);
	result = pocket_result(fcinfo, &session, &source.state, source.path, outcome);
	pocket_leave(&session);
	PG_RETURN_DATUM(result);
}

/* --- rm --- */

/*
 * Removes everything below a folder, children before parents.  Memory is bounded
 * by a batch for each level; the key goes forward so that rows that are dead
 * already are not met again.
 */
static void
remove_below(PocketHead *head, int64 folder_id, const char *author)
{
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext batch = AllocSetContextCreate(outer, "batch of rm", ALLOCSET_SMALL_SIZES);
	char key[PK_NAME_KEY_MAX + 1] = "";
	PocketState *states;
	int count;
	int i;

	check_stack_depth();
	MemoryContextSwitchTo(batch);
	do
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(batch);
		states = palloc(sizeof(PocketState) * BATCH_ROWS);
		count = (int) pocket_children(head->ns_id, folder_id, key, BATCH_ROWS, true);
		for (i = 0; i < count; i++)
			pocket_state_read(&states[i], (uint64) i, false);
		if (count > 0)
			strlcpy(key, pocket_column_text((uint64) (count - 1), POCKET_CHILD_KEY_COLUMN), sizeof(key));
		pocket_free_rows();
		for (i = 0; i < count; i++)
		{
			if (states[i].kind == POCKET_FOLDER)
				remove_below(head, states[i].file_id, author);
			pocket_entry_remove(head, &states[i], author);
		}
	} while (count == BATCH_ROWS);
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(batch);
}

static bool
has_children(int64 ns_id, int64 folder_id)
{
	bool found = pocket_children(ns_id, folder_id, "", 1, true) > 0;

	pocket_free_rows();
	return found;
}

/* rm(path, recursive) */
Datum
pocket_rm(PG_FUNCTION_ARGS)
{
	bool recursive = PG_GETARG_BOOL(1);
	PocketPath path;
	PocketSession session;
	PocketNamespace ns;
	PocketHead head;
	PocketSpot spot;
	char *author;
	Datum result;

	PreventCommandIfReadOnly("pocket.rm()");
	pocket_path_argument(&path, fcinfo, 0);
	check_not_root(&path, "removed");

	pocket_enter(&session);
	author = pocket_author(session.caller);
	pocket_namespace_open(&ns, path.namespace_name, session.caller, true);
	pocket_head_lock(&head, ns.ns_id);
	pocket_resolve_existing(&spot, &ns, &path, true, false);
	pocket_head_one_moment(&head);
	if (spot.state.kind == POCKET_FOLDER && has_children(ns.ns_id, spot.state.file_id))
	{
		if (!recursive)
			ereport(ERROR,
					(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST), errmsg("folder \"%s\" is not empty", spot.path),
					 errhint("Call pocket.rm() with recursive => true to remove what is below it too.")));
		remove_below(&head, spot.state.file_id, author);
	}
	pocket_entry_remove(&head, &spot.state, author);
	pocket_head_flush(&head);
	result = pocket_result(fcinfo, &session, &spot.state, spot.path, POCKET_OP_DELETED);
	pocket_leave(&session);
	PG_RETURN_DATUM(result);
}
