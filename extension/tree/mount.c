/*
 * mount.c
 *	  Mount points: entries at which another namespace begins.
 *
 * A mount point is an entry of its tree like any other, which keeps the id of the
 * mounted namespace among its attributes: it is journaled, renamed, removed and
 * restored as a folder is, and nothing of the mounted namespace changes by that.
 * Readers see it as a folder as long as they may open what is mounted; for others,
 * and when that has been dropped, it does not exist.
 *
 * No mount inside a mount: a namespace that is mounted has no mount points.  Those
 * who add one hold a lock of all such to the end of their transactions, and see
 * what is committed whatever their isolation level is: so two that together would
 * make one are told.
 */
#include "tree/tree.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#define MOUNTED_KEY "namespace_id"

/* as in the index of them */
#define MOUNTED_ID "CASE WHEN e.kind = 'mount' THEN (e.attributes ->> '" MOUNTED_KEY "')::bigint END"

Jsonb *
pocket_mount_attributes(int64 mounted_id, Jsonb *others)
{
	char *text = psprintf("{\"" MOUNTED_KEY "\": " INT64_FORMAT "}", mounted_id);
	Datum own = DirectFunctionCall1(jsonb_in, CStringGetDatum(text));

	return DatumGetJsonbP(others == NULL ? own : DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(others), own));
}

int64
pocket_mounted_id(const PocketState *mount)
{
	JsonbValue *value =
		getKeyJsonValueFromContainer(&mount->attributes->root, MOUNTED_KEY, (int) strlen(MOUNTED_KEY), NULL);

	if (value == NULL || value->type != jbvNumeric)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("a mount point has lost its namespace")));
	return DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(value->val.numeric)));
}

bool
pocket_mount_enter(PocketNamespace *ns, const PocketState *mount, const char *path, PocketCaller *caller, bool fresh)
{
	if (!pocket_namespace_find(ns, pocket_mounted_id(mount), caller, fresh) ||
		(pocket_root_rights(ns, fresh) & PK_RIGHT_READ) == 0)
		return false;
	ns->is_mounted = true;
	ns->prefix = pstrdup(path);
	return true;
}

bool
pocket_is_visible(const PocketState *state, PocketCaller *caller)
{
	PocketNamespace ns;

	return state->kind != POCKET_MOUNT || pocket_mount_enter(&ns, state, "", caller, false);
}

static void
refuse_nesting(const char *detail)
{
	ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("no mount can be inside a mount"),
					errdetail("%s", detail), errhint("The view pocket.mounts lists mount points.")));
}

void
pocket_mount_admit(const PocketHead *head, const PocketState *mount)
{
	static PocketPlan look = {
		"SELECT coalesce(n.mounts, 0) > 0, t.mounts,"
		" EXISTS (SELECT FROM pocket_data.entry e WHERE e.kind = 'mount'"
		" AND " MOUNTED_ID " = $1),"
		" EXISTS (SELECT FROM pocket_data.entry e WHERE e.kind = 'mount' AND e.ns_id = $1"
		" AND " MOUNTED_ID " = $2)"
		" FROM pocket_data.namespace t LEFT JOIN pocket_data.namespace n ON n.ns_id = $2 WHERE t.ns_id = $1",
		"int8 int8", NULL, NULL};
	Datum values[2] = {Int64GetDatum(head->ns_id), Int64GetDatum(pocket_mounted_id(mount))};

	pocket_lock_exclusive(POCKET_LOCK_MOUNT);
	if (head->ns_id == pocket_mounted_id(mount))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a namespace cannot be mounted into itself")));
	if (pocket_latest(&look, values, NULL) != 1)
		elog(ERROR, "namespace " INT64_FORMAT " vanished under the head lock", head->ns_id);
	if (pocket_column_bool(0, 4))
		ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT), errmsg("the namespace is mounted in this tree already"),
						errdetail("In one tree it can have one place."),
						errhint("Move the mount point with pocket.mv(), or remove it with pocket.unmount().")));
	if (pocket_column_bool(0, 3))
		refuse_nesting("The tree that the mount point would be in is mounted itself.");
	if (pocket_column_bool(0, 1))
		refuse_nesting("What would be mounted has mount points itself.");
	if (pocket_column_int32(0, 2) >= POCKET_MOUNTS_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("a tree can have at most %d mount points", POCKET_MOUNTS_MAX)));
	pocket_free_rows();
}

void
pocket_mounts_count(const PocketHead *head, int change)
{
	static PocketPlan count = {"UPDATE pocket_data.namespace SET mounts = mounts + $2 WHERE ns_id = $1", "int8 int4",
							   NULL, NULL};
	Datum values[2] = {Int64GetDatum(head->ns_id), Int32GetDatum(change)};

	if (pocket_write(&count, values, NULL) != 1)
		elog(ERROR, "namespace " INT64_FORMAT " vanished under the head lock", head->ns_id);
}

PocketState *
pocket_mounts(int64 ns_id, int *count)
{
	static PocketPlan find = {"SELECT " POCKET_STATE_COLUMNS(
								  "rev") " FROM pocket_data.entry WHERE ns_id = $1 AND kind = 'mount' ORDER BY file_id",
							  "int8", NULL, NULL};
	Datum values[1] = {Int64GetDatum(ns_id)};
	PocketState *states;

	*count = (int) pocket_read(&find, values, NULL);
	states = palloc(sizeof(PocketState) * (Size) Max(*count, 1));
	for (int i = 0; i < *count; i++)
		pocket_state_read(&states[i], (uint64) i, false);
	pocket_free_rows();
	return states;
}

/* --- opening --- */

/* The child of a folder that has the key, when a path can go through it; a mount point with all that it says. */
static bool
find_below(PocketState *state, const PocketNamespace *ns, int64 folder_id, const char *key, int64 jid, bool fresh)
{
	PocketStep step;

	if (jid != POCKET_NOW)
		return pocket_past_child_find(state, ns->ns_id, folder_id, key, jid, fresh);
	if (!pocket_step_find(&step, &state->name, &state->kind, ns, folder_id, key, fresh))
		return false;
	state->file_id = step.file_id;
	return state->kind != POCKET_MOUNT || pocket_entry_find(state, ns->ns_id, step.file_id, fresh);
}

/* Whether what a path leads to exists for the caller. */
static bool
may_pass(const PocketNamespace *ns, const PocketPath *path, int64 jid, bool fresh)
{
	PocketSpot spot;

	if (ns->is_owned)
		return true;
	if (jid == POCKET_NOW)
		pocket_resolve(&spot, ns, path, NULL, fresh, false);
	else
		pocket_past_resolve(&spot, ns, path, jid, fresh);
	return spot.exists;
}

/* Down the names of a path until a mount point is passed; through: or reached. */
static void
cross(PocketNamespace *ns, PocketPath *path, bool fresh, int64 jid, bool through)
{
	int64 id = ns->base_id;
	char *shown = pocket_path_base(ns);

	int count = path->depth - (through ? 0 : 1);

	for (int i = 0; i < count; i++)
	{
		PocketPath way = *path;
		PocketNamespace mounted;
		PocketState state;

		bool found = find_below(&state, ns, id, pocket_key(ns, path->names[i]), jid, fresh);

		if (!found || !POCKET_IS_FOLDER(state.kind))
		{
			/* what was there has taken two lookups for each name */
			if (jid != POCKET_NOW)
				pocket_pass_time(ns, 2 * (count - i) - (found ? 2 : 1), fresh);
			return;
		}
		id = state.file_id;
		shown = pocket_path_join(shown, state.name);
		if (state.kind == POCKET_FOLDER)
			continue;
		way.depth = i + 1;
		if (!may_pass(ns, &way, jid, fresh) || !pocket_mount_enter(&mounted, &state, shown, ns->caller, fresh))
		{
			pocket_check_known(ns, &way, fresh);
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("\"%s\" does not exist", pocket_path_given(ns, path))));
		}
		*ns = mounted;
		path->names += i + 1;
		path->depth -= i + 1;
		return;
	}
}

bool
pocket_path_find(PocketNamespace *ns, PocketPath *path, PocketCaller *caller, bool fresh, bool through)
{
	if (path->link != NULL)
		return pocket_link_open(ns, path->link, caller, fresh);
	if (!pocket_namespace_look_up(ns, path->namespace_name, caller, fresh))
		/* others look for the path as if there were one, which takes its time, and are told then */
		return !ns->is_owned;
	if (ns->mounts > 0)
		cross(ns, path, fresh, POCKET_NOW, through);
	return true;
}

static void
open_path(PocketNamespace *ns, PocketPath *path, PocketCaller *caller, bool fresh, bool through)
{
	if (pocket_path_find(ns, path, caller, fresh, through))
		return;
	if (path->link != NULL)
		pocket_link_missing();
	pocket_namespace_missing(path->namespace_name);
}

void
pocket_path_open(PocketNamespace *ns, PocketPath *path, PocketCaller *caller, bool fresh)
{
	open_path(ns, path, caller, fresh, false);
}

void
pocket_path_open_through(PocketNamespace *ns, PocketPath *path, PocketCaller *caller, bool fresh)
{
	open_path(ns, path, caller, fresh, true);
}

void
pocket_path_open_past(PocketNamespace *ns, PocketPath *path, PocketCaller *caller, TimestampTz at, bool through)
{
	int64 jid;

	if (path->link != NULL)
	{
		pocket_path_open(ns, path, caller, false);
		return;
	}
	if (!pocket_namespace_look_up(ns, path->namespace_name, caller, false) && ns->is_owned)
		pocket_namespace_missing(path->namespace_name);
	jid = pocket_past_moment(ns, path, at, false);
	if (jid != POCKET_NOW)
		cross(ns, path, false, jid, through);
}
