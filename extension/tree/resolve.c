/*
 * resolve.c
 *	  From paths to entries, name by name.
 */
#include "tree/tree.h"

#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"

char *
pocket_key(const PocketNamespace *ns, const char *name)
{
	return pocket_name_key(name, ns->case_sensitive);
}

bool
pocket_entry_find(PocketState *state, int64 ns_id, int64 file_id, bool fresh)
{
	static PocketPlan find = {"SELECT " POCKET_STATE_COLUMNS("rev") " FROM pocket_data.entry "
																	"WHERE ns_id = $1 AND file_id = $2",
							  "int8 int8", NULL, NULL};
	Datum values[2] = {Int64GetDatum(ns_id), Int64GetDatum(file_id)};
	bool found = pocket_select(&find, values, NULL, fresh, 0) == 1;

	if (found)
		pocket_state_read(state, 0, false);
	pocket_free_rows();
	return found;
}

bool
pocket_child_find(PocketState *state, int64 ns_id, int64 parent_id, const char *key, bool fresh, bool with_content)
{
	static PocketPlan light = {
		"SELECT " POCKET_STATE_COLUMNS("rev") " FROM pocket_data.entry "
											  "WHERE ns_id = $1 AND parent_id = $2 AND name_key = $3",
		"int8 int8 text", NULL, NULL};
	static PocketPlan heavy = {"SELECT " POCKET_STATE_COLUMNS("rev") POCKET_CONTENT_COLUMNS
							   " FROM pocket_data.entry "
							   "WHERE ns_id = $1 AND parent_id = $2 AND name_key = $3",
							   "int8 int8 text", NULL, NULL};
	Datum values[3] = {Int64GetDatum(ns_id), Int64GetDatum(parent_id), CStringGetTextDatum(key)};
	bool found = pocket_select(with_content ? &heavy : &light, values, NULL, fresh, 0) == 1;

	if (found)
		pocket_state_read(state, 0, with_content);
	pocket_free_rows();
	return found;
}

static void
read_content(PocketState *state, bool fresh)
{
	static PocketPlan content = {"SELECT blocks, inline FROM pocket_data.entry WHERE ns_id = $1 AND file_id = $2",
								 "int8 int8", NULL, NULL};
	Datum values[2] = {Int64GetDatum(state->ns_id), Int64GetDatum(state->file_id)};

	if (pocket_select(&content, values, NULL, fresh, 0) != 1)
		elog(ERROR, "entry " INT64_FORMAT " vanished under the head lock", state->file_id);
	if (!pocket_is_null(0, 1))
		state->blocks = (PocketBlockList *) pocket_column_varlena(0, 1);
	if (!pocket_is_null(0, 2))
		state->inlined = (bytea *) pocket_column_varlena(0, 2);
	pocket_free_rows();
}

void
pocket_entry_content(PocketState *state)
{
	read_content(state, true);
}

/*
 * Each step is a statement of its own: a join of the steps, or a recursion, takes
 * the executor longer to set up than SPI takes to begin anew.
 */
bool
pocket_step_find(PocketStep *step, char **name, PocketKind *kind, const PocketNamespace *ns, int64 parent_id,
				 const char *key, bool fresh)
{
	static PocketPlan find = {"SELECT name, kind, file_id, acl FROM pocket_data.entry "
							  "WHERE ns_id = $1 AND parent_id = $2 AND name_key = $3",
							  "int8 int8 text", NULL, NULL};
	Datum values[3] = {Int64GetDatum(ns->ns_id), Int64GetDatum(parent_id), CStringGetTextDatum(key)};
	bool found = pocket_look_up(&find, values, ns->caller, fresh) == 1;

	if (found)
	{
		*name = pocket_column_text(0, 1);
		*kind = pocket_kind_by_name(pocket_column_text(0, 2));
		step->file_id = pocket_column_int64(0, 3);
		step->acl = pocket_is_null(0, 4) ? NULL : pocket_column_varlena(0, 4);
	}
	pocket_free_rows();
	return found;
}

static bool
is_under(const PocketFolder *near, const PocketNamespace *ns, const PocketPath *path)
{
	int i;

	if (near == NULL || near->depth < 0 || near->ns_id != ns->ns_id || near->depth > path->depth - 1)
		return false;
	/* the deepest name differs most often */
	for (i = near->depth - 1; i >= 0; i--)
	{
		if (strcmp(near->names[i], path->names[i]) != 0)
			return false;
	}
	return true;
}

/* Where the walk begins: at the base, or below it in a folder that is known.  Returns how many steps are judged. */
static int
begin(PocketSpot *spot, StringInfo shown, const PocketNamespace *ns, const PocketPath *path, const PocketFolder *near)
{
	const PocketStep base = {.file_id = ns->base_id, .acl = ns->base_acl};
	bool under = is_under(near, ns, path);

	spot->known = under ? near->depth : 0;
	spot->step_count = spot->known + 1;
	spot->steps = palloc(sizeof(PocketStep) * (Size) path->depth);
	memcpy(spot->steps, under ? near->steps : &base, sizeof(PocketStep) * (Size) spot->step_count);
	appendStringInfoString(shown, under ? near->path : ns->prefix);
	/* a root's path has its slash already, and gets it again */
	if (shown->len > 0 && shown->data[shown->len - 1] == '/')
		shown->data[--shown->len] = '\0';
	return under ? spot->step_count : 0;
}

void
pocket_pass_time(const PocketNamespace *ns, int lookups, bool fresh)
{
	PocketState state;

	if (ns->is_owned)
		return;
	for (int i = 0; i < lookups; i++)
		(void) pocket_child_find(&state, ns->ns_id, POCKET_NOWHERE_ID, "", fresh, false);
}

int64
pocket_nowhere(int64 parent_id, const char *key)
{
	uint64 hash = hash_bytes_extended((const unsigned char *) key, (int) strlen(key), (uint64) parent_id);

	return POCKET_NOWHERE_ID - 1 - (int64) (hash >> 2);
}

/*
 * For who does not own the namespace a path takes as many lookups as it has names,
 * whatever of it is there: what is hidden is not told from what is not by the time.
 * They are of the same kind, and in what is not there each folder has an id of its
 * own, too: so as much of them is known from before.
 */
static void
look_on(const PocketNamespace *ns, const PocketPath *path, int from, int64 parent_id, bool fresh)
{
	PocketState last;

	if (ns->is_owned || from >= path->depth)
		return;
	for (int i = from; i < path->depth - 1; i++)
	{
		char *key = pocket_key(ns, path->names[i]);
		PocketStep step;
		PocketKind kind;
		char *name;

		(void) pocket_step_find(&step, &name, &kind, ns, parent_id, key, fresh);
		parent_id = pocket_nowhere(parent_id, key);
	}
	(void) pocket_child_find(&last, ns->ns_id, parent_id, pocket_key(ns, path->names[path->depth - 1]), fresh, false);
}

/*
 * Down to the folder that holds the last name, as far as it exists.  Where the way
 * ends in something that is no folder, that is the last step, and its kind is
 * returned.  For who does not own the namespace a path takes as many lookups as it
 * has names, whatever of it is there.
 */
static PocketKind
resolve_folders(PocketSpot *spot, StringInfo shown, const PocketNamespace *ns, const PocketPath *path, bool fresh)
{
	for (spot->parent_id = spot->steps[spot->known].file_id; spot->known < path->depth - 1; spot->known++)
	{
		PocketStep *step = &spot->steps[spot->step_count];
		PocketKind kind = POCKET_FOLDER;
		char *key = pocket_key(ns, path->names[spot->known]);
		int64 next = pocket_nowhere(spot->parent_id, key);
		char *name;

		if (pocket_step_find(step, &name, &kind, ns, spot->parent_id, key, fresh))
		{
			appendStringInfo(shown, "/%s", name);
			spot->step_count++;
			spot->parent_id = next = step->file_id;
			if (kind == POCKET_FOLDER)
				continue;
		}
		look_on(ns, path, spot->known + 1, next, fresh);
		return kind;
	}
	return POCKET_FOLDER;
}

static void
refuse_way(const char *path, PocketKind kind)
{
	if (kind == POCKET_MOUNT)
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						errmsg("a namespace was mounted at \"%s\" at this moment", path), errhint("Try again.")));
	ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" is not a folder", path),
					errdetail("A path goes through folders only.")));
}

void
pocket_resolve(PocketSpot *spot, const PocketNamespace *ns, const PocketPath *path, const PocketFolder *near,
			   bool fresh, bool with_content)
{
	StringInfoData shown;
	PocketKind kind;
	int first;

	memset(spot, 0, sizeof(*spot));
	if (path->depth == 0)
	{
		spot->exists = pocket_entry_find(&spot->state, ns->ns_id, ns->base_id, fresh);
		/* a link may lead to a file */
		if (spot->exists && spot->state.kind == POCKET_FILE && with_content)
			read_content(&spot->state, fresh);
		spot->path = spot->state.kind == POCKET_FOLDER ? pocket_path_base(ns) : pstrdup(ns->prefix);
		pocket_spot_judge(spot, ns, 0, fresh);
		return;
	}
	initStringInfo(&shown);
	first = begin(spot, &shown, ns, path, near);
	kind = resolve_folders(spot, &shown, ns, path, fresh);
	if (spot->known == path->depth - 1)
		spot->exists = pocket_child_find(&spot->state, ns->ns_id, spot->parent_id,
										 pocket_key(ns, path->names[path->depth - 1]), fresh, with_content);
	if (spot->exists)
	{
		appendStringInfo(&shown, "/%s", spot->state.name);
		spot->known++;
	}
	pocket_spot_judge(spot, ns, first, fresh);
	if (kind != POCKET_FOLDER && !spot->is_hidden)
		refuse_way(shown.data, ns->link == 0 ? kind : POCKET_FILE);
	for (int i = spot->known; i < path->depth; i++)
		appendStringInfo(&shown, "/%s", path->names[i]);
	spot->path = shown.data;
}

void
pocket_resolve_existing(PocketSpot *spot, const PocketNamespace *ns, const PocketPath *path, bool fresh,
						bool with_content)
{
	pocket_resolve(spot, ns, path, NULL, fresh, with_content);
	pocket_check_spot(spot, ns, path);
}

void
pocket_check_spot(const PocketSpot *spot, const PocketNamespace *ns, const PocketPath *path)
{
	if (!spot->exists)
	{
		pocket_check_seen(spot, ns, path);
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("\"%s\" does not exist", pocket_path_given(ns, path))));
	}
	if (path->slash && !POCKET_IS_FOLDER(spot->state.kind))
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" is not a folder", spot->path),
						errhint("Leave out the slash at the end.")));
}

/* The child of a folder, or what was deleted there last; 0: never anything. */
static int64
find_past_child(int64 ns_id, int64 parent_id, const char *key)
{
	PocketState state;

	if (pocket_child_find(&state, ns_id, parent_id, key, false, false))
		return state.file_id;
	return pocket_journal_deleted(ns_id, parent_id, key);
}

int64
pocket_resolve_past(const PocketNamespace *ns, const PocketPath *path)
{
	PocketSpot spot = {.exists = true};
	int64 file_id = ns->base_id;

	spot.steps = palloc(sizeof(PocketStep) * (Size) (path->depth + 1));
	for (int i = 0; i < path->depth; i++)
	{
		if (file_id != 0)
			spot.steps[spot.step_count++] = (PocketStep){.file_id = file_id};
		else if (ns->is_owned)
			break;
		/* others look as far as the path goes, whatever is there */
		file_id =
			find_past_child(ns->ns_id, file_id == 0 ? POCKET_NOWHERE_ID : file_id, pocket_key(ns, path->names[i]));
	}
	spot.exists = file_id != 0;
	spot.state.file_id = file_id;
	pocket_spot_judge_past(&spot, ns, false);
	if (spot.exists)
		return file_id;
	pocket_check_seen(&spot, ns, path);
	ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("\"%s\" does not exist", pocket_path_given(ns, path)),
					errdetail("Nor was anything of this name deleted there.")));
}

uint64
pocket_children(int64 ns_id, int64 parent_id, const char *after_key, long max, bool fresh)
{
	/* the limit is the planner's business too: without it, it would rather sort the whole folder */
	static PocketPlan children = {
		"SELECT " POCKET_STATE_COLUMNS(
			"rev") ", name_key FROM pocket_data.entry "
				   "WHERE ns_id = $1 AND parent_id = $2 AND name_key > $3 ORDER BY name_key LIMIT $4",
		"int8 int8 text int8", NULL, NULL};
	Datum values[4] = {Int64GetDatum(ns_id), Int64GetDatum(parent_id), CStringGetTextDatum(after_key),
					   Int64GetDatum(max)};

	return pocket_select(&children, values, NULL, fresh, 0);
}
