/*
 * rewind.c
 *	  rewind: what is at a path, and below it, as it was at a moment.
 *
 * First goes what was not there then, but for folders with something of then in
 * them.  After that the tree of then is walked, folders before what is in them,
 * and each entry is brought to its place: moved, when it lives elsewhere, or
 * restored.  What is in an entry's way steps aside
 * when its own place in the same folder is free; else it is removed with what is
 * below it, to come back when its turn comes: there are no names to park it
 * under.  A folder of now that has entries of then in it is removed last, and so is
 * what has come to be in a folder while it was elsewhere.
 *
 * Rows only.  Memory is bounded by a batch for each level.
 */
#include "files/files.h"

#include "access/access.h"
#include "miscadmin.h"

PG_FUNCTION_INFO_V1(pocket_rewind);

#define RIGHTS (PK_RIGHT_READ | PK_RIGHT_WRITE | PK_RIGHT_DELETE)

typedef struct Rewind
{
	PocketHead *head;
	const PocketNamespace *ns;
	const char *author;
	const char *path;
	int64 jid;		/* the journal ended here */
	int64 top_id;	/* what was at the path; 0: nothing */
	int64 above_id; /* the folder of the path now */
	int64 changed;	/* entries */
	bool postponed; /* there may be something left that was not there then */
	bool is_placed; /* what was there is where it was */

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

/* Whether an entry belonged to what was at the path. */
static bool
was_there(const Rewind *rewind, int64 id)
{
	if (rewind->top_id == 0)
		return false;
	while (id != rewind->top_id)
	{
		PocketState was;

		CHECK_FOR_INTERRUPTS();
		if (id == POCKET_ROOT_ID || !find_then(rewind, id, &was))
			return false;
		id = was.parent_id;
	}
	return true;
}

/* The same of what is in a folder of which it is known. */
static bool
child_was_there(const Rewind *rewind, const PocketState *state, bool folder_was)
{
	PocketState was;

	if (rewind->top_id == 0 || state->file_id == rewind->top_id)
		return rewind->top_id != 0;
	if (!find_then(rewind, state->file_id, &was))
		return false;
	return was.parent_id == state->parent_id ? folder_was : was_there(rewind, was.parent_id);
}

/*
 * Removes an entry when all below it has been looked at: as far as it was not
 * there then, and is_empty; all: whatever was there too, which will come back,
 * and is counted then.  False when it stays.
 */
static bool
clear_entry(Rewind *rewind, PocketState *state, bool was, bool is_empty, bool all)
{
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

/* Whether there is anything below a folder that was not there, that was. */
static bool
holds_any(const Rewind *rewind, int64 folder_id)
{
	PocketWalk walk;
	bool found = false;

	pocket_walk_begin(&walk, rewind->ns->ns_id, POCKET_NOW, true);
	pocket_walk_enter(&walk, folder_id, PK_RIGHTS_ALL, "", 0);
	do
	{
		const PocketState *state;

		while (!found && (state = pocket_walk_next(&walk)) != NULL)
		{
			found = child_was_there(rewind, state, false);
			if (state->kind == POCKET_FOLDER)
				pocket_walk_enter(&walk, state->file_id, PK_RIGHTS_ALL, "", 0);
		}
	} while (!found && pocket_walk_leave(&walk) != NULL);
	pocket_walk_end(&walk);
	return found;
}

/*
 * Whether a folder has to wait until what was there has been brought out of it.
 * It does so whole: what goes with it can then be restored with it.
 */
static bool
is_postponed(Rewind *rewind, const PocketState *state, bool was, bool all)
{
	if (state->kind != POCKET_FOLDER || was || all || rewind->is_placed || !holds_any(rewind, state->file_id))
		return false;
	rewind->postponed = true;
	return true;
}

/* What the note of a level tells of its folder. */
#define WAS_THERE 1
#define IS_LEFT 2 /* something in it stays */

/* Whether nothing stays. */
static bool
clear_below(Rewind *rewind, int64 folder_id, bool folder_was, bool all)
{
	PocketWalk walk;
	int64 note;

	pocket_walk_begin(&walk, rewind->ns->ns_id, POCKET_NOW, true);
	pocket_walk_enter(&walk, folder_id, PK_RIGHTS_ALL, "", folder_was ? WAS_THERE : 0);
	for (;;)
	{
		PocketState *state = pocket_walk_next(&walk);

		note = pocket_walk_level(&walk)->note;
		if (state != NULL)
		{
			bool in_what_was = (note & WAS_THERE) != 0;

			note = child_was_there(rewind, state, in_what_was) ? WAS_THERE : 0;
			if (in_what_was && is_postponed(rewind, state, note != 0, all))
				note = IS_LEFT;
			else if (state->kind == POCKET_FOLDER)
			{
				pocket_walk_enter(&walk, state->file_id, PK_RIGHTS_ALL, "", note);
				continue;
			}
		}
		else
		{
			state = pocket_walk_leave(&walk);
			if (state == NULL)
				break;
		}
		if (!clear_entry(rewind, state, (note & WAS_THERE) != 0, (note & IS_LEFT) == 0, all))
			pocket_walk_level(&walk)->note |= IS_LEFT;
	}
	pocket_walk_end(&walk);
	return (note & IS_LEFT) == 0;
}

/* An entry with all that is below it. */
static void
clear(Rewind *rewind, PocketState *state, bool all)
{
	bool was = was_there(rewind, state->file_id);
	bool is_empty = state->kind != POCKET_FOLDER ||
					(!is_postponed(rewind, state, was, all) && clear_below(rewind, state->file_id, was, all));

	(void) clear_entry(rewind, state, was, is_empty, all);
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

	if (!was_there(rewind, other->file_id) || !find_then(rewind, other->file_id, &was) || was.parent_id != folder_id ||
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
		clear(rewind, &other, true);
}

static void
place(Rewind *rewind, const PocketState *was, int64 folder_id)
{
	PocketState state;

	make_room(rewind, was, folder_id);
	if (pocket_entry_find(&state, rewind->ns->ns_id, was->file_id, true))
		change(rewind, was, folder_id, &state);
	else
		revive(rewind, was, folder_id);
}

static void
place_below(Rewind *rewind, int64 folder_id)
{
	PocketWalk walk;

	pocket_walk_begin(&walk, rewind->ns->ns_id, rewind->jid, true);
	pocket_walk_enter(&walk, folder_id, PK_RIGHTS_ALL, "", 0);
	do
	{
		const PocketState *was;

		while ((was = pocket_walk_next(&walk)) != NULL)
		{
			place(rewind, was, pocket_walk_level(&walk)->folder_id);
			if (was->kind == POCKET_FOLDER)
				pocket_walk_enter(&walk, was->file_id, PK_RIGHTS_ALL, "", 0);
		}
	} while (pocket_walk_leave(&walk) != NULL);
	pocket_walk_end(&walk);
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
	rewind->is_placed = true;
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
		rewind.policy = pocket_namespace_policy(ns, true);
	rewind.given = path;
	rewind.path = now.path;
	rewind.top_id = then.exists ? then.state.file_id : 0;
	pocket_head_one_moment(head);
	head->quota = -1;
	if (now.exists)
		clear(&rewind, &now.state, false);
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
	pocket_check_not_base(&path, "rewound");

	pocket_enter(&session);
	caller = pocket_caller(&session, fcinfo->flinfo->fn_oid);
	pocket_path_open_through(&ns, &path, caller, true);
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
