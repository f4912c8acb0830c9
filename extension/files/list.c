/*
 * list.c
 *	  stat, ls and history: reading the tree and the journal, as they are or were.
 *
 * ls goes through folders by key, each before what is below it.  Memory is
 * bounded by a batch for each level; rows go to a tuplestore, which spills.
 */
#include "files/files.h"

#include "funcapi.h"
#include "lib/stringinfo.h"
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

	if (jid != POCKET_NOW)
		return jid;
	/*
	 * To look for the path as it was, which others do in a namespace that is not there, would take so many lookups more;
	 * and of what is looked for here nothing may be known from before, as nothing is there.
	 */
	pocket_pass_time(ns, 4 * path->depth, fresh);
	pocket_check_known(ns, path, true);
	ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("\"%s\" does not exist", pocket_path_given(ns, path)),
					errdetail("Its namespace was made after the time that was given.")));
}

/*
 * Opens a path, now or at the time of an argument; through: see pocket_path_open_through().  Returns the journal row up
 * to which the tree is looked at; a time to come is now.
 */
static int64
open_path(FunctionCallInfo fcinfo, int argument, PocketNamespace *ns, PocketPath *path, PocketCaller *caller,
		  bool through)
{
	if (!PG_ARGISNULL(argument))
	{
		pocket_path_open_past(ns, path, caller, PG_GETARG_TIMESTAMPTZ(argument), through);
		return pocket_moment(ns, path, PG_GETARG_TIMESTAMPTZ(argument), false);
	}
	if (through)
		pocket_path_open_through(ns, path, caller, false);
	else
		pocket_path_open(ns, path, caller, false);
	return POCKET_NOW;
}

/* What a path leads to, now or then. */
static void
look(PocketSpot *spot, const PocketNamespace *ns, const PocketPath *path, int64 jid)
{
	if (jid == POCKET_NOW)
		pocket_resolve(spot, ns, path, NULL, false, false);
	else
		pocket_past_resolve(spot, ns, path, jid, false);
	if (spot->exists && !pocket_is_visible(&spot->state, ns->caller))
		spot->exists = false;
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
	int64 jid;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	pocket_path_argument(&path, fcinfo, 0);

	pocket_enter(&session);
	jid = open_path(fcinfo, 1, &ns, &path, pocket_caller(&session, fcinfo->flinfo->fn_oid), false);
	look(&spot, &ns, &path, jid);
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
	if (pocket_namespace_find(&ns, PG_GETARG_INT64(0), pocket_caller(&session, fcinfo->flinfo->fn_oid), false) &&
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
	PocketCaller *caller;
	TimestampTz at; /* if it is not now */
	bool recursive;
	int64 left;			  /* rows that may still come */
	StringInfoData path;  /* of what is listed; the note of a level is how much of it is the folder's */
	PocketPolicy *policy; /* of what was; NULL when it is listed as it is */
} Listing;

/* A tree that is listed. */
typedef struct Tree
{
	const PocketNamespace *ns;
	int64 jid; /* as of which; POCKET_NOW: the live one */
} Tree;

/* What was listed already: names below the folder, NULL at their end. */
typedef char **After;

static void
go_to(Listing *listing, int64 folder_length, const char *name)
{
	listing->path.len = (int) folder_length;
	listing->path.data[listing->path.len] = '\0';
	/* a root's path has its slash already */
	if (listing->path.data[listing->path.len - 1] != '/')
		appendStringInfoChar(&listing->path, '/');
	appendStringInfoString(&listing->path, name);
}

static void list_folder(Listing *listing, const Tree *tree, int64 folder_id, uint8 rights, After after);

static bool
find_child(const Tree *tree, int64 folder_id, const char *key, PocketState *state)
{
	if (tree->jid == POCKET_NOW)
		return pocket_child_find(state, tree->ns->ns_id, folder_id, key, false, false);
	return pocket_past_child_find(state, tree->ns->ns_id, folder_id, key, tree->jid, false);
}

/* Of the caller on a child of a folder on which he has `above`. */
static uint8
child_rights(const Listing *listing, const Tree *tree, uint8 above, const PocketState *child)
{
	if (tree->ns->is_owned)
		return PK_RIGHTS_ALL;
	if (listing->policy != NULL)
		return pocket_policy_rights(listing->policy, child->ns_id, child->file_id);
	return pocket_rights_below(listing->caller, above, child->acl, false);
}

/* What is mounted at the path that the listing is at, as of the same moment, if it was there then. */
static void
list_mounted(Listing *listing, const Tree *tree, const PocketState *mount, After after)
{
	const PocketPath root = {.namespace_name = tree->ns->name};
	PocketNamespace mounted;
	Tree below = {&mounted, POCKET_NOW};

	if (!pocket_mount_enter(&mounted, mount, listing->path.data, listing->caller, false))
		return;
	if (tree->jid != POCKET_NOW)
		below.jid = pocket_past_moment(&mounted, &root, listing->at, false);
	if (tree->jid == POCKET_NOW || below.jid != POCKET_NOW)
		list_folder(listing, &below, mounted.base_id, pocket_root_rights(&mounted, false), after);
}

/* Opens a folder behind what was listed, and what is below that, if it is there still; what is mounted there comes first. */
static void
enter_after(Listing *listing, const Tree *tree, PocketWalk *walk, int64 folder_id, uint8 rights, After after)
{
	for (; *after != NULL; after++)
	{
		char *key = pocket_key(tree->ns, *after);
		PocketState state;

		pocket_walk_enter(walk, folder_id, rights, key, listing->path.len);
		if (!listing->recursive || !find_child(tree, folder_id, key, &state) || !POCKET_IS_FOLDER(state.kind))
			return;
		rights = child_rights(listing, tree, rights, &state);
		if ((rights & PK_RIGHT_READ) == 0)
			return;
		go_to(listing, listing->path.len, state.name);
		folder_id = state.file_id;
		if (state.kind == POCKET_MOUNT)
		{
			list_mounted(listing, tree, &state, after + 1);
			return;
		}
	}
	pocket_walk_enter(walk, folder_id, rights, "", listing->path.len);
}

/* The folder whose path the listing is at; rights: of the caller on it. */
static void
list_folder(Listing *listing, const Tree *tree, int64 folder_id, uint8 rights, After after)
{
	static char *none[1] = {NULL};
	PocketWalk walk;

	pocket_walk_begin(&walk, tree->ns->ns_id, tree->jid, false);
	enter_after(listing, tree, &walk, folder_id, rights, after);
	while (listing->left > 0 && pocket_walk_level(&walk) != NULL)
	{
		const PocketState *state;
		uint8 on_child;

		/* some of them may be hidden */
		walk.rows_max = tree->ns->is_owned ? listing->left : Max(listing->left, BATCH_ROWS_MIN);
		state = pocket_walk_next(&walk);
		if (state == NULL)
		{
			(void) pocket_walk_leave(&walk);
			continue;
		}
		on_child = child_rights(listing, tree, pocket_walk_level(&walk)->rights, state);
		if ((on_child & PK_RIGHT_READ) == 0 || !pocket_is_visible(state, listing->caller))
			continue;
		go_to(listing, pocket_walk_level(&walk)->note, state->name);
		pocket_result_row(listing->fcinfo, state, listing->path.data, NULL);
		listing->left--;
		if (!listing->recursive)
			continue;
		if (state->kind == POCKET_FOLDER)
			pocket_walk_enter(&walk, state->file_id, on_child, "", listing->path.len);
		else if (state->kind == POCKET_MOUNT)
			list_mounted(listing, tree, state, none);
	}
	pocket_walk_end(&walk);
}

/* Whether a text begins as a path does: with a slash, a namespace's name, a colon and a slash, or a link. */
static bool
is_whole_path(const char *text)
{
	const char *end = text + strcspn(text, ":/");

	return text[0] == '/' || (end[0] == ':' && end[1] == '/') || pocket_link_is_path(text);
}

static bool
same_name(const char *a, const char *b, bool case_sensitive)
{
	return strcmp(pocket_name_key(a, case_sensitive), pocket_name_key(b, case_sensitive)) == 0;
}

/*
 * The names of `after` below the folder that is listed: a path as ls gives it, or
 * names below the folder.  given: the folder's path, of which the last depth names
 * are in ns.  What could be either, as its first name ends in a
 * colon, is a path: a page shall not silently begin elsewhere.
 */
static After
parse_after(const char *text, const PocketNamespace *ns, const PocketPath *given, int depth)
{
	bool is_path = is_whole_path(text);
	PocketPath path;
	After after;
	int skip = is_path ? given->depth : 0;
	int i;

	pocket_path_parse_listed(&path, is_path ? text : psprintf("%s:/%s", given->namespace_name, text));
	for (i = 0; i < skip; i++)
	{
		if (i >= path.depth ||
			!same_name(path.names[i], given->names[i], i >= given->depth - depth && ns->case_sensitive))
			break;
	}
	if (i < skip || path.depth <= skip || strcmp(path.namespace_name, given->namespace_name) != 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("after: \"%s\" is not below the folder that is listed", text),
						errhint("Give the path of an entry as pocket.ls() gives it, or names below the folder.")));
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
	PocketPath given;
	PocketPath path;
	PocketSession session;
	PocketNamespace ns;
	PocketSpot spot;
	Tree tree = {.ns = &ns};

	pocket_check_not_null(fcinfo, 0, "path");
	pocket_check_not_null(fcinfo, 1, "recursive");
	listing.recursive = PG_GETARG_BOOL(1);
	listing.left = PG_ARGISNULL(3) ? PG_INT64_MAX : PG_GETARG_INT32(3);
	if (listing.left < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("max must not be negative")));
	listing.at = PG_ARGISNULL(4) ? 0 : PG_GETARG_TIMESTAMPTZ(4);
	pocket_path_argument(&path, fcinfo, 0);
	given = path;
	InitMaterializedSRF(fcinfo, 0);

	pocket_enter(&session);
	listing.caller = pocket_caller(&session, fcinfo->flinfo->fn_oid);
	tree.jid = open_path(fcinfo, 4, &ns, &path, listing.caller, true);
	look(&spot, &ns, &path, tree.jid);
	if (spot.state.kind != POCKET_FOLDER)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" is not a folder", spot.path),
						errhint("pocket.stat() tells about a single file.")));
	if (tree.jid != POCKET_NOW)
		listing.policy = pocket_namespace_policy(&ns, false);
	initStringInfo(&listing.path);
	appendStringInfoString(&listing.path, spot.path);
	list_folder(&listing, &tree, spot.state.file_id, spot.rights,
				PG_ARGISNULL(2) ? none : parse_after(text_to_cstring(PG_GETARG_TEXT_PP(2)), &ns, &given, path.depth));
	pocket_leave(&session);
	return (Datum) 0;
}

/* --- history --- */

typedef struct History
{
	FunctionCallInfo fcinfo;
	const PocketNamespace *ns;
	int64 file_id;
	PocketPolicy *policy;

	/* where the entry is, or was last */
	int64 parent_id;
	char *name; /* NULL: not known yet */
} History;

static bool
is_here(const History *history, const PocketState *state)
{
	return state->parent_id == history->parent_id && strcmp(state->name, history->name) == 0;
}

/* Where a revision was; NULL when that was elsewhere, in a folder that the caller may not read, or not below the base. */
static char *
revision_path(const History *history, const PocketState *state)
{
	const PocketNamespace *ns = history->ns;
	bool here = is_here(history, state);

	if (history->file_id == ns->base_id && ns->base_id != POCKET_ROOT_ID)
		return here ? pstrdup(ns->prefix) : NULL;
	if (!here && !ns->is_owned &&
		(pocket_policy_rights(history->policy, ns->ns_id, state->parent_id) & PK_RIGHT_READ) == 0)
		return NULL;
	return pocket_path_of(ns, state->parent_id, state->name);
}

/* Rows of one batch; returns the oldest jid in it, 0 at the end. */
static int64
history_batch(History *history, int64 before, MemoryContext outer)
{
	PocketState *states = palloc(sizeof(PocketState) * BATCH_ROWS);
	char **ops = palloc(sizeof(char *) * BATCH_ROWS);
	int count = (int) pocket_journal_history(history->ns->ns_id, history->file_id, before, BATCH_ROWS);
	char *path = NULL;
	int i;

	for (i = 0; i < count; i++)
	{
		pocket_state_read(&states[i], (uint64) i, false);
		ops[i] = pocket_column_text((uint64) i, POCKET_STATE_COLUMN_COUNT + 1);
	}
	pocket_free_rows();
	if (history->name == NULL && count > 0)
	{
		history->parent_id = states[0].parent_id;
		history->name = MemoryContextStrdup(outer, states[0].name);
	}
	for (i = 0; i < count; i++)
	{
		bool moved =
			i == 0 || states[i].parent_id != states[i - 1].parent_id || strcmp(states[i].name, states[i - 1].name) != 0;

		if (moved)
			path = revision_path(history, &states[i]);
		pocket_result_row(history->fcinfo, &states[i], path, ops[i]);
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
	History history = {.fcinfo = fcinfo, .ns = &ns};
	int64 before = PG_INT64_MAX;

	pocket_path_argument(&path, fcinfo, 0);
	InitMaterializedSRF(fcinfo, 0);

	pocket_enter(&session);
	pocket_path_open(&ns, &path, pocket_caller(&session, fcinfo->flinfo->fn_oid), false);
	history.file_id = pocket_resolve_past(&ns, &path);
	history.policy = pocket_namespace_policy(&ns, false);
	outer = CurrentMemoryContext;
	batch = AllocSetContextCreate(outer, "batch of history", ALLOCSET_DEFAULT_SIZES);
	while (before > 0)
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(batch);
		before = history_batch(&history, before, outer);
		MemoryContextSwitchTo(outer);
		MemoryContextReset(batch);
	}
	MemoryContextDelete(batch);
	pocket_leave(&session);
	return (Datum) 0;
}
