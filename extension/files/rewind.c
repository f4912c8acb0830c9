/*
 * rewind.c
 *	  rewind: what is at a path, and below it, as it was at a moment.
 *
 * First goes what was not there then.  After that the tree of then is walked,
 * folders before what is in them, and each entry is brought to its place: moved,
 * when it lives elsewhere, or restored.  What is in an entry's way steps aside
 * when its own place in the same folder is free; else it is removed with what is
 * below it, to come back when its turn comes: there are no names to park it
 * under.  A folder of now that has entries of then in it is removed last, and so is
 * what has come to be in a folder while it was elsewhere.
 *
 * Rows only.  Memory is bounded by a batch for each level.
 */
#include "files/files.h"

#include "access/access.h"
#include "contract/pk_name.h"
#include "miscadmin.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(pocket_rewind);

#define BATCH_ROWS 200
#define RIGHTS (PK_RIGHT_READ | PK_RIGHT_WRITE | PK_RIGHT_DELETE)

typedef struct Rewind
{
	PocketHead *head;
	const PocketNamespace *ns;
	const char *author;
	const char *path;
	int64 jid;		   /* the journal ended here */
	int64 top_id;	   /* what was at the path; 0: nothing */
	int64 above_id;	   /* the folder of the path now */
	int64 changed;	   /* entries */
	bool postponed;	   /* there may be something left that was not there then */
	MemoryContext one; /* of the work on one entry */

	/* for who does not own the namespace: */
	const PocketPath *given;
	PocketPolicy *policy;
} Rewind;

/* Whatever changes must be the caller's to change. */
static void
require(const Rewind *rewind, int64 file_id)
{
	if (rewind->policy != NULL && (~pocket_policy_rights(rewind->policy, rewind->ns->ns_id, file_id) & RIGHTS) != 0)
		pocket_denied(rewind->ns, rewind->given, RIGHTS);
}

/* --- what was not there --- */

/* How an entry was; false when it did not live. */
static bool
find_then(const Rewind *rewind, int64 file_id, PocketState *was)
{
	char *op;

	return pocket_journal_as_of(was, &op, rewind->ns->ns_id, file_id, rewind->jid, true) &&
		   strcmp(op, POCKET_OP_DELETED) != 0;
}

/* Whether an entry belonged to what was at the path; folder_was: whether the folder that it is in now did. */
static bool
was_there(const Rewind *rewind, const PocketState *state, bool folder_was)
{
	int64 id = state->file_id;

	if (rewind->top_id == 0)
		return false;
	while (id != rewind->top_id)
	{
		PocketState was;

		CHECK_FOR_INTERRUPTS();
		if (id == POCKET_ROOT_ID || !find_then(rewind, id, &was))
			return false;
		if (folder_was && id == state->file_id && was.parent_id == state->parent_id)
			return true;
		id = was.parent_id;
	}
	return true;
}

/* The next children of a folder that live; key is moved to the last of them. */
static PocketState *
read_live(const Rewind *rewind, int64 folder_id, char *key, int *count)
{
	PocketState *states;

	*count = (int) pocket_children(rewind->ns->ns_id, folder_id, key, BATCH_ROWS, true);
	states = palloc(sizeof(PocketState) * (Size) Max(*count, 1));
	for (int i = 0; i < *count; i++)
		pocket_state_read(&states[i], (uint64) i, false);
	if (*count > 0)
		strlcpy(key, pocket_column_text((uint64) (*count - 1), POCKET_CHILD_KEY_COLUMN), PK_NAME_KEY_MAX + 1);
	pocket_free_rows();
	return states;
}

static bool clear_below(Rewind *rewind, int64 folder_id, bool folder_was, bool all);

/*
 * Removes an entry, and what is below it, as far as it was not there then; all:
 * whatever was there too, which will come back, and is counted then.  False
 * when it stays.
 */
static bool
clear_entry(Rewind *rewind, PocketState *state, bool folder_was, bool all)
{
	MemoryContext outer = MemoryContextSwitchTo(rewind->one);
	bool was = was_there(rewind, state, folder_was);
	bool is_empty = true;

	MemoryContextSwitchTo(outer);
	MemoryContextReset(rewind->one);
	if (state->kind == POCKET_FOLDER)
		is_empty = clear_below(rewind, state->file_id, was, all);
	if (was && !all)
		return false;
	if (!is_empty)
	{
		rewind->postponed = true;
		return false;
	}
	if (!was)
		rewind->changed++;
	require(rewind, state->file_id);
	pocket_entry_remove(rewind->head, state, rewind->author);
	return true;
}

/* Whether nothing stays. */
static bool
clear_below(Rewind *rewind, int64 folder_id, bool folder_was, bool all)
{
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext batch = AllocSetContextCreate(outer, "removals of rewind", ALLOCSET_SMALL_SIZES);
	char *key = palloc0(PK_NAME_KEY_MAX + 1);
	bool is_empty = true;
	int count;

	check_stack_depth();
	MemoryContextSwitchTo(batch);
	do
	{
		PocketState *states;

		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(batch);
		states = read_live(rewind, folder_id, key, &count);
		for (int i = 0; i < count; i++)
		{
			if (!clear_entry(rewind, &states[i], folder_was, all))
				is_empty = false;
		}
	} while (count == BATCH_ROWS);
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(batch);
	pfree(key);
	return is_empty;
}

/* --- what was there --- */

/* Folders of then are in their places, up to the top: only what the path leads through can be in the way. */
static void
check_no_cycle(const Rewind *rewind, const PocketState *state)
{
	int64 id = rewind->above_id;

	if (state->kind != POCKET_FOLDER)
		return;
	while (id != POCKET_ROOT_PARENT_ID)
	{
		PocketState above;

		CHECK_FOR_INTERRUPTS();
		if (id == state->file_id)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("\"%s\" cannot be rewound", rewind->path),
					 errdetail("The folder that is called \"%s\" now has come to be above it since.", state->name),
					 errhint("Rewind a folder that both were in.")));
		if (!pocket_entry_find(&above, rewind->ns->ns_id, id, true))
			ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("folder " INT64_FORMAT " has no row", id)));
		id = above.parent_id;
	}
}

/* The revision with its content. */
static void
read_revision(const Rewind *rewind, const PocketState *was, PocketState *revision)
{
	char *op;

	if (!pocket_journal_at(revision, &op, rewind->ns->ns_id, was->rev) ||
		(revision->kind == POCKET_FILE && revision->blocks == NULL && revision->inlined == NULL))
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
						errmsg("revision " INT64_FORMAT " of \"%s\" has no content", was->rev, was->name)));
}

static void
revive(Rewind *rewind, const PocketState *was, int64 folder_id)
{
	PocketState state;
	PocketState revision;

	require(rewind, was->file_id);
	read_revision(rewind, was, &revision);
	if (!pocket_journal_last(&state, rewind->ns->ns_id, was->file_id))
		elog(ERROR, "entry " INT64_FORMAT " vanished under the head lock", was->file_id);
	pocket_state_fill(&state, &revision);
	state.parent_id = folder_id;
	state.name = was->name;
	if (state.blocks != NULL)
		pocket_blocks_hold(rewind->ns->ns_id, NULL, NULL, state.blocks);
	pocket_entry_restore(rewind->head, rewind->ns, &state, rewind->author);
	rewind->changed++;
}

/* A live entry goes to the folder where it was, and gets the content that it had; there is room for it. */
static void
change(Rewind *rewind, const PocketState *was, int64 folder_id, PocketState *state)
{
	bool is_moved = state->parent_id != folder_id || strcmp(state->name, was->name) != 0;
	bool is_same = pocket_state_same(state, was);
	PocketState before;

	if (!is_moved && is_same)
		return;
	require(rewind, state->file_id);
	pocket_entry_content(state);
	if (is_moved)
	{
		/* nor does anything come into a folder that the caller may not write */
		if (state->parent_id != folder_id)
			require(rewind, folder_id);
		check_no_cycle(rewind, state);
		/* from elsewhere it brings along what was not in it */
		rewind->postponed = rewind->postponed || state->kind == POCKET_FOLDER;
		before = *state;
		state->parent_id = folder_id;
		state->name = was->name;
		pocket_entry_change(rewind->head, rewind->ns, &before, state, POCKET_OP_MOVED, rewind->author);
	}
	if (!is_same)
	{
		PocketState revision;

		read_revision(rewind, was, &revision);
		before = *state;
		pocket_state_fill(state, &revision);
		if (state->blocks != NULL)
			pocket_blocks_hold(rewind->ns->ns_id, NULL, before.blocks, state->blocks);
		pocket_entry_change(rewind->head, rewind->ns, &before, state, POCKET_OP_RESTORED, rewind->author);
	}
	rewind->changed++;
}

/* An entry that is in the way goes to its own place, if that is free, and in the same folder. */
static bool
step_aside(Rewind *rewind, PocketState *other, int64 folder_id)
{
	int64 ns_id = rewind->ns->ns_id;
	PocketState was;
	PocketState third;

	if (!was_there(rewind, other, false) || !find_then(rewind, other->file_id, &was) || was.parent_id != folder_id ||
		pocket_child_find(&third, ns_id, folder_id, pocket_key(rewind->ns, was.name), true, false))
		return false;
	change(rewind, &was, folder_id, other);
	return true;
}

static void
make_room(Rewind *rewind, const PocketState *was, int64 folder_id)
{
	PocketState other;

	if (pocket_child_find(&other, rewind->ns->ns_id, folder_id, pocket_key(rewind->ns, was->name), true, false) &&
		other.file_id != was->file_id && !step_aside(rewind, &other, folder_id))
	{
		/* its memory is reset for each entry that is removed */
		MemoryContext outer = MemoryContextSwitchTo(MemoryContextGetParent(rewind->one));
		PocketState *copy = palloc(sizeof(PocketState));

		if (pocket_entry_find(copy, rewind->ns->ns_id, other.file_id, true))
			(void) clear_entry(rewind, copy, false, true);
		MemoryContextSwitchTo(outer);
	}
}

static void
place(Rewind *rewind, const PocketState *was, int64 folder_id)
{
	MemoryContext outer = MemoryContextSwitchTo(rewind->one);
	PocketState state;

	make_room(rewind, was, folder_id);
	if (pocket_entry_find(&state, rewind->ns->ns_id, was->file_id, true))
		change(rewind, was, folder_id, &state);
	else
		revive(rewind, was, folder_id);
	MemoryContextSwitchTo(outer);
	MemoryContextReset(rewind->one);
}

/* The next children that a folder had; key is moved to the last of them. */
static PocketState *
read_then(const Rewind *rewind, int64 folder_id, char *key, int *count)
{
	PocketState *states;

	*count = (int) pocket_past_children(rewind->ns->ns_id, folder_id, key, BATCH_ROWS, rewind->jid, true);
	states = palloc(sizeof(PocketState) * (Size) Max(*count, 1));
	for (int i = 0; i < *count; i++)
		pocket_state_read(&states[i], (uint64) i, false);
	if (*count > 0)
		strlcpy(key, pocket_column_text((uint64) (*count - 1), POCKET_CHILD_KEY_COLUMN), PK_NAME_KEY_MAX + 1);
	pocket_free_rows();
	return states;
}

static void
place_below(Rewind *rewind, int64 folder_id)
{
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext batch = AllocSetContextCreate(outer, "batch of rewind", ALLOCSET_SMALL_SIZES);
	char *key = palloc0(PK_NAME_KEY_MAX + 1);
	int count;

	check_stack_depth();
	MemoryContextSwitchTo(batch);
	do
	{
		PocketState *states;

		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(batch);
		states = read_then(rewind, folder_id, key, &count);
		for (int i = 0; i < count; i++)
		{
			place(rewind, &states[i], folder_id);
			if (states[i].kind == POCKET_FOLDER)
				place_below(rewind, states[i].file_id);
		}
	} while (count == BATCH_ROWS);
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(batch);
	pfree(key);
}

/* --- rewind --- */

static void
place_all(Rewind *rewind, const PocketPath *path, PocketSpot *now, const PocketState *top)
{
	if (now->known < path->depth - 1)
	{
		rewind->changed += path->depth - 1 - now->known;
		pocket_parents_make(rewind->head, rewind->ns, path, now, rewind->author);
	}
	rewind->above_id = now->parent_id;
	place(rewind, top, now->parent_id);
	if (top->kind != POCKET_FOLDER)
		return;
	place_below(rewind, top->file_id);
	if (rewind->postponed)
		(void) clear_below(rewind, top->file_id, true, false);
}

/* What is at the path, and what was; whether the caller may do it there. */
static void
resolve_both(PocketSpot *now, PocketSpot *then, const PocketNamespace *ns, const PocketPath *path, int64 jid)
{
	pocket_past_resolve(then, ns, path, jid, true);
	pocket_resolve(now, ns, path, NULL, true, false);
	pocket_check_spot(then->exists ? then : now, ns, path);
	if (ns->is_owned)
		return;
	if (then->exists)
		pocket_require(then, ns, path, RIGHTS);
	if (now->exists)
		pocket_require(now, ns, path, RIGHTS);
	/* neither what was there nor what is may be passed over because it is hidden */
	else if (now->is_hidden || (now->rights & PK_RIGHT_WRITE) == 0)
		pocket_denied(ns, path, RIGHTS);
	if (then->is_hidden)
		pocket_denied(ns, path, RIGHTS);
}

/* What is on the way may be more than both what was and what is: the quota counts in the end. */
static int64
rewind_to(PocketHead *head, const PocketNamespace *ns, const PocketPath *path, int64 jid, const char *author)
{
	int64 quota = head->quota;
	int64 used = head->used;
	int64 growth;
	PocketSpot now;
	PocketSpot then;
	Rewind rewind = {.head = head, .ns = ns, .jid = jid, .author = author};

	resolve_both(&now, &then, ns, path, jid);
	if (!ns->is_owned)
		rewind.policy = pocket_policy(ns->caller, true);
	rewind.given = path;
	rewind.path = now.path;
	rewind.top_id = then.exists ? then.state.file_id : 0;
	rewind.one = AllocSetContextCreate(CurrentMemoryContext, "one entry of rewind", ALLOCSET_DEFAULT_SIZES);
	pocket_head_one_moment(head);
	head->quota = -1;
	if (now.exists)
		(void) clear_entry(&rewind, &now.state, false, false);
	if (then.exists)
		place_all(&rewind, path, &now, &then.state);
	head->quota = quota;
	growth = head->used - used;
	if (growth > 0)
	{
		head->used = used;
		pocket_head_account(head, growth);
	}
	return rewind.changed;
}

/* rewind(path, at) */
Datum
pocket_rewind(PG_FUNCTION_ARGS)
{
	PocketPath path;
	PocketSession session;
	PocketNamespace ns;
	PocketCaller *caller;
	PocketHead head;
	TimestampTz at = PG_GETARG_TIMESTAMPTZ(1);
	int64 changed;

	PreventCommandIfReadOnly("pocket.rewind()");
	pocket_path_argument(&path, fcinfo, 0);

	pocket_enter(&session);
	caller = pocket_caller(&session, fcinfo->flinfo->fn_oid);
	pocket_path_open(&ns, &path, caller, true);
	if (!ns.is_owned)
	{
		PocketSpot now;
		PocketSpot then;

		resolve_both(&now, &then, &ns, &path, pocket_moment(&ns, &path, at, true));
	}
	pocket_namespace_lock(&head, &ns);
	changed = rewind_to(&head, &ns, &path, pocket_moment(&ns, &path, at, true), caller->name);
	pocket_head_flush(&head);
	pocket_leave(&session);
	PG_RETURN_INT64(changed);
}
