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

#define BATCH_ROWS 200

void
pocket_check_not_base(const PocketPath *path, const char *done)
{
	if (path->depth == 0 && path->link != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("what a link leads to cannot be %s by way of the link", done)));
}

static void
check_not_root(const PocketPath *path, const char *done)
{
	pocket_check_not_base(path, done);
	if (path->depth == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the root of namespace \"%s\" cannot be %s", path->namespace_name, done)));
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
	pocket_remove_tree(&(PocketRemoval){route->source_head, &route->source_ns, &route->source_path}, &route->source);
	return POCKET_OP_MOVED;
}

/* mv(source, target) */
Datum
pocket_mv(PG_FUNCTION_ARGS)
{
	PocketRoute route = {.moves = true, .verb = "move", .done = "moved", .rights = PK_RIGHT_READ | PK_RIGHT_DELETE};
	PocketSession session;
	const char *outcome;
	Datum result;

	PreventCommandIfReadOnly("pocket.mv()");
	pocket_path_argument(&route.source_path, fcinfo, 0);
	pocket_path_argument(&route.target_path, fcinfo, 1);
	check_not_root(&route.source_path, "moved");

	pocket_enter(&session);
	pocket_route_open(&route, pocket_caller(&session, fcinfo->flinfo->fn_oid));
	outcome = route.source_ns.ns_id == route.target_ns.ns_id ? move_entry(&route) : move_away(&route);
	pocket_route_flush(&route);
	result = pocket_result(fcinfo, &session, &route.target.state, route.target.path, outcome);
	pocket_leave(&session);
	PG_RETURN_DATUM(result);
}

/* --- rm --- */

/*
 * Whether the caller may remove a child of a folder on which he has `above`; he is told
 * of nothing that he may not read.  Returns his rights on it.
 */
static uint8
check_removal(const PocketRemoval *removal, uint8 above, const PocketState *child)
{
	uint8 rights;

	if (removal->ns->is_owned)
		return PK_RIGHTS_ALL;
	rights = pocket_rights_below(removal->ns->caller, above, child->acl, true);
	if ((~rights & (PK_RIGHT_READ | PK_RIGHT_DELETE)) != 0)
		pocket_denied(removal->ns, removal->path, PK_RIGHT_DELETE);
	return rights;
}

/* Removes everything below a folder, children before parents. */
static void
remove_below(const PocketRemoval *removal, int64 folder_id, uint8 above)
{
	PocketWalk walk;

	pocket_walk_begin(&walk, removal->head->ns_id, POCKET_NOW, true);
	pocket_walk_enter(&walk, folder_id, above, "", 0);
	for (;;)
	{
		PocketState *state = pocket_walk_next(&walk);

		if (state == NULL)
		{
			state = pocket_walk_leave(&walk);
			if (state == NULL)
				break;
		}
		else
		{
			uint8 rights = check_removal(removal, pocket_walk_level(&walk)->rights, state);

			if (state->kind == POCKET_FOLDER)
			{
				pocket_walk_enter(&walk, state->file_id, rights, "", 0);
				continue;
			}
		}
		pocket_entry_remove(removal->head, state, removal->ns->caller->name);
	}
	pocket_walk_end(&walk);
}

void
pocket_remove_tree(const PocketRemoval *removal, PocketSpot *spot)
{
	pocket_require(spot, removal->ns, removal->path, PK_RIGHT_DELETE);
	pocket_head_one_moment(removal->head);
	if (spot->state.kind == POCKET_FOLDER)
		remove_below(removal, spot->state.file_id, spot->rights);
	pocket_entry_remove(removal->head, &spot->state, removal->ns->caller->name);
}

/* Whether something is in a folder that the caller may read; 42501 when there is something else. */
static bool
has_children(const PocketNamespace *ns, const PocketPath *path, const PocketSpot *spot)
{
	char *key = pstrdup("");
	int64 found;
	bool seen = false;
	bool hidden = false;

	do
	{
		CHECK_FOR_INTERRUPTS();
		found = (int64) pocket_children(ns->ns_id, spot->state.file_id, key, ns->is_owned ? 1 : BATCH_ROWS, true);
		for (int64 i = 0; i < found && !seen; i++)
		{
			PocketState child;

			pocket_state_read(&child, (uint64) i, false);
			seen =
				ns->is_owned || (pocket_rights_below(ns->caller, spot->rights, child.acl, true) & PK_RIGHT_READ) != 0;
			hidden = !seen;
		}
		if (found > 0)
			key = pocket_column_text((uint64) (found - 1), POCKET_CHILD_KEY_COLUMN);
		pocket_free_rows();
	} while (!seen && found == BATCH_ROWS);
	if (!seen && hidden)
		pocket_denied(ns, path, PK_RIGHT_DELETE);
	return seen;
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
	Datum result;

	PreventCommandIfReadOnly("pocket.rm()");
	pocket_path_argument(&path, fcinfo, 0);
	check_not_root(&path, "removed");

	pocket_enter(&session);
	pocket_path_open(&ns, &path, pocket_caller(&session, fcinfo->flinfo->fn_oid), true);
	pocket_check_rights(&ns, &path, PK_RIGHT_DELETE);
	pocket_namespace_lock(&head, &ns);
	pocket_resolve_existing(&spot, &ns, &path, true, false);
	pocket_require(&spot, &ns, &path, PK_RIGHT_DELETE);
	if (!recursive && spot.state.kind == POCKET_FOLDER && has_children(&ns, &path, &spot))
		ereport(ERROR, (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST), errmsg("folder \"%s\" is not empty", spot.path),
						errhint("Call pocket.rm() with recursive => true to remove what is below it too.")));
	pocket_remove_tree(&(PocketRemoval){&head, &ns, &path}, &spot);
	pocket_head_flush(&head);
	result = pocket_result(fcinfo, &session, &spot.state, spot.path, POCKET_OP_DELETED);
	pocket_leave(&session);
	PG_RETURN_DATUM(result);
}
