/*
 * copy.c
 *	  cp, and what mv has in common with it: a source, a target, and their locks.
 *
 * A copy has rows of its own and the blocks of the original, which its namespace
 * then holds too: whoever can read a file may name its blocks (design.md,
 * invariant 8).  Folders come before what is in them.  Memory is bounded by a
 * batch for each level and one file's block list.
 */
#include "files/files.h"

#include "access/access.h"
#include "miscadmin.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(pocket_cp);

static bool
is_within_namespace(const PocketRoute *route)
{
	return route->source_ns.ns_id == route->target_ns.ns_id;
}

void
pocket_route_flush(PocketRoute *route)
{
	pocket_head_flush(route->source_head);
	if (!is_within_namespace(route))
		pocket_head_flush(route->target_head);
}

/* A folder cannot come to be below itself. */
static void
check_no_cycle(const PocketRoute *route, const char *done)
{
	int64 id = route->target.parent_id;

	if (route->source.state.kind != POCKET_FOLDER || !is_within_namespace(route))
		return;
	while (id != POCKET_ROOT_PARENT_ID)
	{
		PocketState above;

		CHECK_FOR_INTERRUPTS();
		if (id == route->source.state.file_id)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("\"%s\" cannot be %s below itself", route->source.path, done)));
		if (!pocket_entry_find(&above, route->source_ns.ns_id, id, true))
			ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("folder " INT64_FORMAT " has no row", id)));
		id = above.parent_id;
	}
}

/* Whether the source can get the target's path, and the caller may have that. */
static void
check_target(const PocketRoute *route)
{
	const PocketSpot *target = &route->target;
	const PocketPath *path = &route->target_path;
	const PocketStep *folder = target->step_count > 0 ? &target->steps[target->step_count - 1] : NULL;
	bool in_view = route->target_ns.is_owned || folder == NULL || (folder->rights & PK_RIGHT_READ) != 0;

	if (target->exists)
		ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT), errmsg("\"%s\" already exists", target->path),
						errhint("The target is the new path itself, not the folder to %s into.", route->verb)));
	if (target->known < path->depth - 1 || !in_view)
	{
		pocket_check_seen(target, &route->target_ns, path);
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("the folder of \"%s\" does not exist", pocket_path_given(&route->target_ns, path)),
						errhint("pocket.mkdir() makes it.")));
	}
	pocket_require_room(target, &route->target_ns, path);
	if (path->slash && !POCKET_IS_FOLDER(route->source.state.kind))
		pocket_path_check_leaf(path);
	check_no_cycle(route, route->done);
}

/* A name may be written another way: then the target is the source itself. */
static bool
is_rename(const PocketRoute *route)
{
	return (route->rights & PK_RIGHT_DELETE) != 0 && is_within_namespace(route) && route->target.exists &&
		   route->target_path.depth > 0 && route->target.state.file_id == route->source.state.file_id;
}

static void
resolve_source(PocketRoute *route)
{
	pocket_resolve_existing(&route->source, &route->source_ns, &route->source_path, true, true);
	pocket_require(&route->source, &route->source_ns, &route->source_path, route->rights);
}

static void
resolve_ends(PocketRoute *route)
{
	const PocketSpot *target = &route->target;

	resolve_source(route);
	pocket_resolve(&route->target, &route->target_ns, &route->target_path, NULL, true, false);
	if (!is_rename(route))
	{
		check_target(route);
		return;
	}
	if (!route->target_ns.is_owned && (target->steps[target->step_count - 1].rights & PK_RIGHT_WRITE) == 0)
		pocket_denied(&route->target_ns, &route->target_path, PK_RIGHT_WRITE);
	if (route->target_path.slash && !POCKET_IS_FOLDER(route->source.state.kind))
		pocket_path_check_leaf(&route->target_path);
}

/* In the order of ns_id, so that two routes never wait for each other (invariant 9). */
static void
lock_heads(PocketRoute *route)
{
	route->source_head = &route->heads[0];
	route->target_head = is_within_namespace(route) ? &route->heads[0] : &route->heads[1];
	if (route->target_ns.ns_id < route->source_ns.ns_id)
		pocket_namespace_lock(route->target_head, &route->target_ns);
	pocket_namespace_lock(route->source_head, &route->source_ns);
	if (route->target_ns.ns_id > route->source_ns.ns_id)
		pocket_namespace_lock(route->target_head, &route->target_ns);
	if (is_within_namespace(route))
		pocket_namespace_locked(route->target_head, &route->target_ns);
}

void
pocket_route_open(PocketRoute *route, PocketCaller *caller)
{
	route->author = caller->name;
	if (route->moves)
		pocket_path_open(&route->source_ns, &route->source_path, caller, true);
	else
		pocket_path_open_through(&route->source_ns, &route->source_path, caller, true);
	if (!pocket_path_find(&route->target_ns, &route->target_path, caller, true, false))
	{
		/* as a target that may not be seen: the source comes first */
		resolve_source(route);
		pocket_namespace_missing(route->target_path.namespace_name);
	}
	/* who may not have the locks does not wait for them */
	if (!route->source_ns.is_owned || !route->target_ns.is_owned)
		resolve_ends(route);
	lock_heads(route);
	resolve_ends(route);
}

/* --- copying --- */

/* Where names come to differ less than they did, two can become one. */
static void
check_distinct(const PocketRoute *route, int64 folder_id, const char *name)
{
	PocketState other;

	if (!route->source_ns.case_sensitive || route->target_ns.case_sensitive)
		return;
	if (pocket_child_find(&other, route->target_ns.ns_id, folder_id, pocket_key(&route->target_ns, name), true, false))
		ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT),
						errmsg("\"%s\" and \"%s\" are the same name in namespace \"%s\"", other.name, name,
							   route->target_ns.name),
						errdetail("It is not case sensitive, as the namespace that they come from is.")));
}

/* state: of the source, with its content; it becomes that of the copy. */
static void
copy_entry(PocketRoute *route, PocketState *state, int64 folder_id)
{
	check_distinct(route, folder_id, state->name);
	if (state->kind == POCKET_MOUNT && !route->moves)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("\"%s\" cannot be copied", route->source.path),
				 errdetail("Another namespace is mounted below it, at \"%s\".", state->name),
				 errhint("Copy what is beside the mount point, and what is mounted by the mount point's own path.")));
	if (state->blocks != NULL)
		pocket_blocks_hold_copy(route->target_ns.ns_id, route->source_ns.ns_id, state->blocks);
	state->parent_id = folder_id;
	state->version = NULL; /* begun anew */
	state->acl = NULL;	   /* what counts there is what is given there */
	pocket_entry_add_as(route->target_head, &route->target_ns, state, POCKET_OP_COPIED, route->author);
}

/*
 * What is in source_id, into target_id, as far as the caller may read it, who has
 * `above` on source_id; the note of a level is its copy's id.
 */
static void
copy_below(PocketRoute *route, int64 source_id, uint8 above, int64 target_id)
{
	PocketWalk walk;

	pocket_walk_begin(&walk, route->source_ns.ns_id, POCKET_NOW, true);
	pocket_walk_enter(&walk, source_id, above, "", target_id);
	do
	{
		PocketState *state;

		while ((state = pocket_walk_next(&walk)) != NULL)
		{
			int64 id = state->file_id;
			uint8 rights = pocket_walk_level(&walk)->rights;

			if (!route->source_ns.is_owned)
				rights = pocket_rights_below(route->source_ns.caller, rights, state->acl, true);
			if ((rights & PK_RIGHT_READ) == 0)
				continue;
			if (state->kind == POCKET_FILE)
				pocket_entry_content(state);
			copy_entry(route, state, pocket_walk_level(&walk)->note);
			if (state->kind == POCKET_FOLDER)
				pocket_walk_enter(&walk, id, rights, "", state->file_id);
		}
	} while (pocket_walk_leave(&walk) != NULL);
	pocket_walk_end(&walk);
}

void
pocket_route_copy(PocketRoute *route)
{
	PocketState *copy = &route->target.state;

	*copy = route->source.state;
	copy->name = route->target_path.names[route->target_path.depth - 1];
	copy_entry(route, copy, route->target.parent_id);
	if (copy->kind == POCKET_FOLDER)
		copy_below(route, route->source.state.file_id, route->source.rights, copy->file_id);
}

/* cp(source, target): a file, or a folder with all that is in it; rows only */
Datum
pocket_cp(PG_FUNCTION_ARGS)
{
	PocketRoute route = {.verb = "copy", .done = "copied", .rights = PK_RIGHT_READ};
	PocketSession session;
	Datum result;

	PreventCommandIfReadOnly("pocket.cp()");
	pocket_path_argument(&route.source_path, fcinfo, 0);
	pocket_path_argument(&route.target_path, fcinfo, 1);

	pocket_enter(&session);
	pocket_route_open(&route, pocket_caller(&session, fcinfo->flinfo->fn_oid));
	pocket_route_copy(&route);
	pocket_route_flush(&route);
	result = pocket_result(fcinfo, &session, &route.target.state, route.target.path, POCKET_OP_COPIED);
	pocket_leave(&session);
	PG_RETURN_DATUM(result);
}
