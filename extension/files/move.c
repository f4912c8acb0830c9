/*
 * move.c
 *	  mv and rm.
 */
#include "files/files.h"

#include "access/access.h"
#include "contract/pk_limits.h"
#include "miscadmin.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(pocket_mv);
PG_FUNCTION_INFO_V1(pocket_rm);

static void
check_not_root(const PocketPath *path, const char *verb)
{
	if (path->depth == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the root of namespace \"%s\" cannot be %s", path->namespace_name, verb)));
}

/* Within a namespace: one row changes, however much is below it, and however deep it comes to lie. */
static const char *
move_entry(PocketRoute *route)
{
	const char *name = route->target_path.names[route->target_path.depth - 1];
	PocketState before = route->source.state;
	PocketState *state = &route->target.state;

	/* the entry itself under its own name, or under another that has the same key */
	if (route->target.exists && strcmp(before.name, name) == 0)
		return POCKET_OUTCOME_UNCHANGED;
	*state = before;
	state->parent_id = route->target.parent_id;
	state->name = pstrdup(name);
	pocket_entry_change(route->source_head, &route->source_ns, &before, state, POCKET_OP_MOVED, route->author);
	/* the target's folder as it is kept, with its slash, and the new name as given */
	route->target.path =
		psprintf("%.*s%s", (int) (strrchr(route->target.path, '/') + 1 - route->target.path), route->target.path, name);
	return POCKET_OP_MOVED;
}

/* To another namespace: what is there is new, with ids and versions of its own. */
static const char *
move_away(PocketRoute *route)
{
	pocket_route_copy(route);
	pocket_remove_tree(route->source_head, &route->source.state, route->author);
	return POCKET_OP_MOVED;
}

/* mv(source, target) */
Datum
pocket_mv(PG_FUNCTION_ARGS)
{
	PocketRoute route;
	PocketSession session;
	bool within;
	bool renamed;
	const char *outcome;
	Datum result;

	PreventCommandIfReadOnly("pocket.mv()");
	pocket_path_argument(&route.source_path, fcinfo, 0);
	pocket_path_argument(&route.target_path, fcinfo, 1);
	check_not_root(&route.source_path, "moved");

	pocket_enter(&session);
	pocket_route_open(&route, session.caller);
	within = route.source_ns.ns_id == route.target_ns.ns_id;
	/* a name may be written another way: then the target is the source itself */
	renamed = within && route.target.exists && route.target_path.depth > 0 &&
			  route.target.state.file_id == route.source.state.file_id;
	if (!renamed)
		pocket_route_check(&route, "move", "moved");
	else if (route.target_path.slash && route.source.state.kind != POCKET_FOLDER)
		pocket_path_check_leaf(&route.target_path);
	outcome = within ? move_entry(&route) : move_away(&route);
	pocket_route_flush(&route);
	result = pocket_result(fcinfo, &session, &route.target.state, route.target.path, outcome);
	pocket_leave(&session);
	PG_RETURN_DATUM(result);
}

/* --- rm --- */

/* Removes everything below a folder, children before parents. */
static void
remove_below(PocketHead *head, int64 folder_id, const char *author)
{
	PocketWalk walk;

	pocket_walk_begin(&walk, head->ns_id, POCKET_NOW, true);
	pocket_walk_enter(&walk, folder_id, "", 0);
	for (;;)
	{
		PocketState *state = pocket_walk_next(&walk);

		if (state == NULL)
		{
			state = pocket_walk_leave(&walk);
			if (state == NULL)
				break;
		}
		else if (state->kind == POCKET_FOLDER)
		{
			pocket_walk_enter(&walk, state->file_id, "", 0);
			continue;
		}
		pocket_entry_remove(head, state, author);
	}
	pocket_walk_end(&walk);
}

void
pocket_remove_tree(PocketHead *head, PocketState *state, const char *author)
{
	pocket_head_one_moment(head);
	if (state->kind == POCKET_FOLDER)
		remove_below(head, state->file_id, author);
	pocket_entry_remove(head, state, author);
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
	pocket_namespace_lock(&head, &ns, session.caller);
	pocket_resolve_existing(&spot, &ns, &path, true, false);
	if (!recursive && spot.state.kind == POCKET_FOLDER && has_children(ns.ns_id, spot.state.file_id))
		ereport(ERROR, (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST), errmsg("folder \"%s\" is not empty", spot.path),
						errhint("Call pocket.rm() with recursive => true to remove what is below it too.")));
	pocket_remove_tree(&head, &spot.state, author);
	pocket_head_flush(&head);
	result = pocket_result(fcinfo, &session, &spot.state, spot.path, POCKET_OP_DELETED);
	pocket_leave(&session);
	PG_RETURN_DATUM(result);
}
