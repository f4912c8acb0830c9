/*
 * restore.c
 *	  restore: an entry as one of its revisions had it.
 *
 * Rows only: the blocks of a revision that is kept are held.  A folder comes
 * back with what its removal took along: the rows of one rm are neighbours in
 * the journal and of one moment, children before their folder, so going
 * backwards each folder is met before what was in it.
 */
#include "files/files.h"

#include "access/access.h"
#include "miscadmin.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(pocket_restore);

#define BATCH_ROWS 200
#define RIGHTS (PK_RIGHT_READ | PK_RIGHT_WRITE)
#define FOLDERS_AT_FIRST 16

/* What shall be restored. */
typedef struct Lost
{
	PocketState revision; /* as it shall be, with its content */
	PocketState last;	  /* as it is, or as its deletion left it */
	bool live;
} Lost;

static void POCKET_NORETURN
no_such_revision(const PocketNamespace *ns, const PocketPath *path, int64 rev)
{
	pocket_check_known(ns, path, true);
	ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
					errmsg("revision " INT64_FORMAT " of \"%s\" does not exist", rev, pocket_path_given(ns, path)),
					errhint("pocket.history() lists the revisions of a file.")));
}

/* Where an entry is, or was last; whether it lives. */
static bool
find_last(PocketState *last, const PocketNamespace *ns, int64 file_id)
{
	if (pocket_entry_find(last, ns->ns_id, file_id, true))
		return true;
	if (!pocket_journal_last(last, ns->ns_id, file_id))
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
						errmsg("entry " INT64_FORMAT " of namespace \"%s\" is neither live nor in the journal", file_id,
							   ns->name)));
	return false;
}

/* Whether a path is that of an entry; folders above it may have been removed, too. */
static bool
is_path_of(const PocketNamespace *ns, const PocketState *last, const PocketPath *path)
{
	PocketState at = *last;
	int i;

	for (i = path->depth - 1; i >= 0; i--)
	{
		if (at.parent_id == POCKET_ROOT_PARENT_ID ||
			strcmp(pocket_key(ns, at.name), pocket_key(ns, path->names[i])) != 0)
			return false;
		(void) find_last(&at, ns, at.parent_id);
	}
	return at.file_id == ns->base_id;
}

/* Of the caller on an entry, where it is, or was last; 42704 unless he may read it, 42501 unless he may write it. */
static void
check_may_restore(const PocketNamespace *ns, const PocketPath *path, int64 rev, int64 file_id)
{
	uint8 rights;

	if (ns->is_owned)
		return;
	rights = pocket_policy_rights(pocket_namespace_policy(ns, true), ns->ns_id, file_id);
	if ((rights & PK_RIGHT_READ) == 0)
	{
		pocket_refused(ns->caller, ns->ns_id, pocket_path_given(ns, path));
		no_such_revision(ns, path, rev);
	}
	if ((rights & PK_RIGHT_WRITE) == 0)
		pocket_denied(ns, path, PK_RIGHT_WRITE);
}

/* What shall be restored, and what is at its path, with content. */
static void
find_lost(Lost *lost, PocketSpot *spot, const PocketNamespace *ns, const PocketPath *path, int64 rev)
{
	char *op;

	if (!pocket_journal_at(&lost->revision, &op, ns->ns_id, rev) || lost->revision.purged)
		no_such_revision(ns, path, rev);
	lost->live = find_last(&lost->last, ns, lost->revision.file_id);
	if (!is_path_of(ns, &lost->last, path))
		no_such_revision(ns, path, rev);
	check_may_restore(ns, path, rev, lost->revision.file_id);
	if (strcmp(op, POCKET_OP_DELETED) == 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("revision " INT64_FORMAT " of \"%s\" is its deletion", rev, pocket_path_given(ns, path)),
						errhint("Name the revision before it.")));
	if (!POCKET_IS_FOLDER(lost->revision.kind) && path->slash)
		pocket_path_check_leaf(path);
	pocket_resolve(spot, ns, path, NULL, true, true);
	if (lost->live)
		return;
	if (spot->exists)
		ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT), errmsg("\"%s\" already exists", spot->path),
						errhint("Move it to another path, or remove it, before the revision is restored.")));
	if (!spot->is_seen && !ns->is_owned)
		pocket_denied(ns, path, PK_RIGHT_WRITE);
	pocket_require_room(spot, ns, path);
}

void
pocket_state_fill(PocketState *state, const PocketState *revision)
{
	state->kind = revision->kind;
	state->size = revision->size;
	state->blocks = revision->blocks;
	state->inlined = revision->inlined;
	state->content_hash = revision->content_hash;
	state->has_mtime = revision->has_mtime;
	state->mtime = revision->mtime;
	state->attributes = revision->attributes;
}

static bool
same_hash(const PocketSha256 *a, const PocketSha256 *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return pocket_sha256_compare(a, b) == 0;
}

bool
pocket_state_same(const PocketState *a, const PocketState *b)
{
	return a->kind == b->kind && a->size == b->size && same_hash(a->content_hash, b->content_hash) &&
		   a->has_mtime == b->has_mtime && (!a->has_mtime || a->mtime == b->mtime) &&
		   compareJsonbContainers(&a->attributes->root, &b->attributes->root) == 0;
}

static const char *
restore_live(PocketHead *head, const PocketNamespace *ns, const Lost *lost, PocketSpot *spot, const char *author)
{
	PocketState before = spot->state;

	if (!spot->exists || before.file_id != lost->revision.file_id)
		elog(ERROR, "entry " INT64_FORMAT " is not at its path", lost->revision.file_id);
	if (pocket_state_same(&before, &lost->revision))
		return POCKET_OUTCOME_UNCHANGED;
	pocket_state_fill(&spot->state, &lost->revision);
	if (spot->state.blocks != NULL)
		pocket_blocks_hold(ns->ns_id, NULL, before.blocks, spot->state.blocks);
	pocket_entry_change(head, ns, &before, &spot->state, POCKET_OP_RESTORED, author);
	return POCKET_OP_RESTORED;
}

/* --- what was removed --- */

/* A folder that comes back with what was below it. */
typedef struct Subtree
{
	PocketHead *head;
	const PocketNamespace *ns;
	const char *author;
	const PocketPath *given;
	PocketPolicy *policy; /* NULL: all is the caller's own */

	/* the folders above the next row, from the one that is restored */
	int64 *folders;
	int depth;
	int room;

	/* rows of this moment are left before this jid */
	TimestampTz moment;
	int64 before;
} Subtree;

static void
enter_folder(Subtree *subtree, int64 file_id)
{
	if (subtree->depth == subtree->room)
	{
		subtree->room *= 2;
		subtree->folders = repalloc_huge(subtree->folders, sizeof(int64) * (Size) subtree->room);
	}
	subtree->folders[subtree->depth++] = file_id;
}

/* Below the folders that are open; false when the row is not: the subtree has ended. */
static bool
find_parent(Subtree *subtree, const PocketState *state)
{
	while (subtree->depth > 0 && subtree->folders[subtree->depth - 1] != state->parent_id)
		subtree->depth--;
	return subtree->depth > 0;
}

/* state is as the deletion left it.  As for rm, what is hidden may not be passed over, nor be changed. */
static void
revive(Subtree *subtree, PocketState *state)
{
	if (subtree->policy != NULL &&
		(~pocket_policy_rights(subtree->policy, subtree->ns->ns_id, state->file_id) & RIGHTS) != 0)
		pocket_denied(subtree->ns, subtree->given, PK_RIGHT_WRITE);
	if (state->kind == POCKET_FILE && !pocket_journal_content_before(state, state->rev))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED), errmsg("no revision of \"%s\" has its content",
														 pocket_path_of(subtree->ns, state->parent_id, state->name))));
	if (state->blocks != NULL)
		pocket_blocks_hold(subtree->ns->ns_id, NULL, NULL, state->blocks);
	pocket_entry_restore(subtree->head, subtree->ns, state, subtree->author);
}

/* A row of the removal. */
typedef struct Removed
{
	PocketState state;
	bool is_back; /* restored by itself before: it has its own place, and its own history, since */
} Removed;

/* The next rows; false when there are no more. */
static bool
revive_batch(Subtree *subtree, MemoryContext batch, MemoryContext one)
{
	Removed *rows = MemoryContextAlloc(batch, sizeof(Removed) * BATCH_ROWS);
	MemoryContext outer = MemoryContextSwitchTo(batch);
	int count = (int) pocket_journal_deletions(subtree->ns->ns_id, subtree->before, subtree->moment, BATCH_ROWS);
	int done;

	for (done = 0; done < count; done++)
	{
		pocket_state_read(&rows[done].state, (uint64) done, false);
		rows[done].is_back = pocket_column_bool((uint64) done, POCKET_STATE_COLUMN_COUNT + 1);
	}
	pocket_free_rows();
	MemoryContextSwitchTo(one);
	for (done = 0; done < count && find_parent(subtree, &rows[done].state); done++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!rows[done].is_back)
			revive(subtree, &rows[done].state);
		if (rows[done].state.kind == POCKET_FOLDER)
			enter_folder(subtree, rows[done].state.file_id);
		MemoryContextReset(one);
	}
	MemoryContextSwitchTo(outer);
	subtree->before -= BATCH_ROWS;
	return done == BATCH_ROWS;
}

/* In memory for one batch, and one file's block list. */
static void
revive_below(Subtree *subtree)
{
	MemoryContext batch = AllocSetContextCreate(CurrentMemoryContext, "batch of restore", ALLOCSET_DEFAULT_SIZES);
	MemoryContext one = AllocSetContextCreate(CurrentMemoryContext, "one entry of restore", ALLOCSET_DEFAULT_SIZES);

	while (revive_batch(subtree, batch, one))
		MemoryContextReset(batch);
	MemoryContextDelete(one);
	MemoryContextDelete(batch);
}

/* What one removal took along comes back as a whole, or not at all: retention may be in the middle of it. */
static void
check_kept(const PocketNamespace *ns, const PocketPath *path, const Lost *lost)
{
	TimestampTz kept_at;

	if (lost->revision.kind == POCKET_FOLDER && pocket_journal_kept(ns->ns_id, &kept_at, true) > 0 &&
		lost->last.at <= kept_at)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("revision " INT64_FORMAT " of \"%s\" is not kept any more", lost->revision.rev,
							   pocket_path_given(ns, path)),
						errdetail("What was removed with the folder is older than the namespace retains.")));
}

static const char *
restore_removed(PocketHead *head, const PocketNamespace *ns, const PocketPath *path, const Lost *lost, PocketSpot *spot,
				const char *author)
{
	Subtree *subtree;

	check_kept(ns, path, lost);
	pocket_parents_make(head, ns, path, spot, author);
	spot->state = lost->last;
	spot->state.parent_id = spot->parent_id;
	/* under the name that it had, however the path is written */
	spot->path = psprintf("%.*s%s", (int) (strrchr(spot->path, '/') + 1 - spot->path), spot->path, spot->state.name);
	pocket_state_fill(&spot->state, &lost->revision);
	if (spot->state.blocks != NULL)
		pocket_blocks_hold(ns->ns_id, NULL, NULL, spot->state.blocks);
	pocket_entry_restore(head, ns, &spot->state, author);
	if (spot->state.kind == POCKET_FOLDER)
	{
		subtree = palloc0(sizeof(Subtree));
		*subtree = (Subtree){.head = head, .ns = ns, .author = author, .given = path, .room = FOLDERS_AT_FIRST};
		if (!ns->is_owned)
			subtree->policy = pocket_policy(ns->caller, true);
		subtree->folders = palloc(sizeof(int64) * FOLDERS_AT_FIRST);
		subtree->moment = lost->last.at;
		subtree->before = lost->last.rev;
		enter_folder(subtree, spot->state.file_id);
		revive_below(subtree);
	}
	return POCKET_OP_RESTORED;
}

/* restore(path, rev) */
Datum
pocket_restore(PG_FUNCTION_ARGS)
{
	PocketPath path;
	PocketSession session;
	PocketNamespace ns;
	PocketHead head;
	PocketSpot spot;
	Lost lost;
	PocketCaller *caller;
	const char *outcome;
	Datum result;

	PreventCommandIfReadOnly("pocket.restore()");
	pocket_path_argument(&path, fcinfo, 0);

	pocket_enter(&session);
	caller = pocket_caller(&session, fcinfo->flinfo->fn_oid);
	pocket_path_open(&ns, &path, caller, true);
	if (!ns.is_owned)
		find_lost(&lost, &spot, &ns, &path, PG_GETARG_INT64(1));
	pocket_namespace_lock(&head, &ns);
	find_lost(&lost, &spot, &ns, &path, PG_GETARG_INT64(1));
	outcome = lost.live ? restore_live(&head, &ns, &lost, &spot, caller->name)
						: restore_removed(&head, &ns, &path, &lost, &spot, caller->name);
	pocket_head_flush(&head);
	result = pocket_result(fcinfo, &session, &spot.state, spot.path, outcome);
	pocket_leave(&session);
	PG_RETURN_DATUM(result);
}
