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

/* In the order of ns_id, so that two routes never wait for each other (invariant 9). */
static void
lock_heads(PocketRoute *route, Oid caller)
{
	route->source_head = &route->heads[0];
	route->target_head = is_within_namespace(route) ? &route->heads[0] : &route->heads[1];
	if (route->target_ns.ns_id < route->source_ns.ns_id)
		pocket_namespace_lock(route->target_head, &route->target_ns, caller);
	pocket_namespace_lock(route->source_head, &route->source_ns, caller);
	if (route->target_ns.ns_id > route->source_ns.ns_id)
		pocket_namespace_lock(route->target_head, &route->target_ns, caller);
}

void
pocket_route_open(PocketRoute *route, Oid caller)
{
	route->author = pocket_author(caller);
	pocket_namespace_open(&route->source_ns, route->source_path.namespace_name, caller, true);
	pocket_namespace_open(&route->target_ns, route->target_path.namespace_name, caller, true);
	lock_heads(route, caller);
	pocket_resolve_existing(&route->source, &route->source_ns, &route->source_path, true, true);
	pocket_resolve(&route->target, &route->target_ns, &route->target_path, NULL, true, false);
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

void
pocket_route_check(const PocketRoute *route, const char *verb, const char *done)
{
	const PocketSpot *target = &route->target;
	const PocketPath *path = &route->target_path;

	if (target->exists)
		ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT), errmsg("\"%s\" already exists", target->path),
						errhint("The target is the new path itself, not the folder to %s into.", verb)));
	if (target->known < path->depth - 1)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("the folder of \"%s\" does not exist", target->path),
						errhint("pocket.mkdir() makes it.")));
	if (path->slash && route->source.state.kind != POCKET_FOLDER)
		pocket_path_check_leaf(path);
	check_no_cycle(route, done);
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
	if (state->blocks != NULL)
		pocket_blocks_hold_copy(route->target_ns.ns_id, route->source_ns.ns_id, state->blocks);
	state->parent_id = folder_id;
	state->version = NULL; /* begun anew */
	pocket_entry_add_as(route->target_head, &route->target_ns, state, POCKET_OP_COPIED, route->author);
}

/* What is in source_id, into target_id; the note of a level is its copy's id. */
static void
copy_below(PocketRoute *route, int64 source_id, int64 target_id)
{
	PocketWalk walk;

	pocket_walk_begin(&walk, route->source_ns.ns_id, POCKET_NOW, true);
	pocket_walk_enter(&walk, source_id, "", target_id);
	do
	{
		PocketState *state;

		while ((state = pocket_walk_next(&walk)) != NULL)
		{
			int64 id = state->file_id;

			if (state->kind == POCKET_FILE)
				pocket_entry_content(state);
			copy_entry(route, state, pocket_walk_level(&walk)->note);
			if (state->kind == POCKET_FOLDER)
				pocket_walk_enter(&walk, id, "", state->file_id);
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
		copy_below(route, route->source.state.file_id, copy->file_id);
}

/* cp(source, target): a file, or a folder with all that is in it; rows only */
Datum
pocket_cp(PG_FUNCTION_ARGS)
{
	PocketRoute route;
	PocketSession session;
	Datum result;

	PreventCommandIfReadOnly("pocket.cp()");
	pocket_path_argument(&route.source_path, fcinfo, 0);
	pocket_path_argument(&route.target_path, fcinfo, 1);

	pocket_enter(&session);
	pocket_route_open(&route, session.caller);
	pocket_route_check(&route, "copy", "copied");
	pocket_route_copy(&route);
	pocket_route_flush(&route);
	result = pocket_result(fcinfo, &session, &route.target.state, route.target.path, POCKET_OP_COPIED);
	pocket_leave(&session);
	PG_RETURN_DATUM(result);
}
