/*
 * purge.c
 *	  purge: what is at a path is gone for good, with all that it ever was.
 *
 * Also what was deleted at that path, and what was deleted out of a folder that is
 * purged.  What was moved or copied elsewhere is another file's, or has another
 * path.  Blocks that only this had are held by nobody afterwards.
 */
#include "files/files.h"

#include "access/access.h"
#include "contract/pk_name.h"
#include "miscadmin.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(pocket_purge);

#define BATCH_ROWS 200

typedef struct Found
{
	int64 file_id;
	bool is_folder;
} Found;

typedef struct Purge
{
	PocketHead *head;
	PocketCaller *caller;
	int64 done;
	MemoryContext one; /* for one entry */
} Purge;

/* A run of revisions with a block counted once, and ends here: as retention drops rows, all of them. */
static void
release_blocks(int64 ns_id, int64 file_id)
{
	PocketBlockList *blocks;
	PocketBlockList *next_blocks;
	int64 jid = 0;

	while (pocket_journal_next_blocks(ns_id, file_id, &jid, &blocks, &next_blocks))
	{
		CHECK_FOR_INTERRUPTS();
		pocket_blocks_release(ns_id, blocks, next_blocks);
		pfree(blocks);
		if (next_blocks != NULL)
			pfree(next_blocks);
	}
}

/* Followers hear once more of what was deleted before, too: so that they forget what they keep of it. */
static void
purge_entry(Purge *purge, int64 file_id)
{
	MemoryContext outer = MemoryContextSwitchTo(purge->one);
	int64 ns_id = purge->head->ns_id;
	PocketState state;

	CHECK_FOR_INTERRUPTS();
	if (pocket_entry_find(&state, ns_id, file_id, true))
		pocket_entry_remove(purge->head, &state, purge->caller->name);
	else if (pocket_journal_last(&state, ns_id, file_id))
		pocket_journal_append(purge->head, &state, POCKET_OP_DELETED, purge->caller->name);
	release_blocks(ns_id, file_id);
	pocket_journal_blank(ns_id, file_id);
	purge->done++;
	MemoryContextSwitchTo(outer);
	MemoryContextReset(purge->one);
}

/* Children before their folder; memory is bounded by a batch for each level. */
static void
purge_below(Purge *purge, int64 folder_id)
{
	Found found[BATCH_ROWS];
	char *key = palloc0(PK_NAME_KEY_MAX + 1);
	int64 jid = 0;
	int count;

	check_stack_depth();
	do
	{
		count = (int) pocket_journal_in_folder(purge->head->ns_id, folder_id, key, jid, BATCH_ROWS);
		for (int i = 0; i < count; i++)
			found[i] = (Found){pocket_column_int64(i, 1), pocket_column_bool(i, 2)};
		if (count > 0)
		{
			char *last = pocket_column_text(count - 1, 3);

			strlcpy(key, last, PK_NAME_KEY_MAX + 1);
			pfree(last);
			jid = pocket_column_int64(count - 1, 4);
		}
		pocket_free_rows();
		for (int i = 0; i < count; i++)
		{
			if (found[i].is_folder)
				purge_below(purge, found[i].file_id);
			purge_entry(purge, found[i].file_id);
		}
	} while (count == BATCH_ROWS);
	pfree(key);
}

/* What has a name in a folder, and what had it when it was deleted. */
static List *
find_named(List *all, int64 ns_id, int64 folder_id, const char *key)
{
	int count = (int) pocket_journal_at_spot(ns_id, folder_id, key);

	for (int i = 0; i < count; i++)
	{
		Found *found = palloc(sizeof(Found));

		*found = (Found){pocket_column_int64(i, 1), pocket_column_bool(i, 2)};
		all = lappend(all, found);
	}
	pocket_free_rows();
	return all;
}

/* What a path leads to, through folders that live or were deleted. */
static List *
find_all(const PocketNamespace *ns, const PocketPath *path)
{
	Found base = {ns->base_id, true};
	List *all = list_make1(&base);

	for (int i = 0; i < path->depth; i++)
	{
		const char *key = pocket_key(ns, path->names[i]);
		List *below = NIL;
		ListCell *cell;

		foreach (cell, all)
		{
			const Found *folder = lfirst(cell);

			CHECK_FOR_INTERRUPTS();
			if (folder->is_folder)
				below = find_named(below, ns->ns_id, folder->file_id, key);
		}
		all = below;
	}
	if (all == NIL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("\"%s\" does not exist", pocket_path_given(ns, path)),
						errdetail("Nor was anything of this name deleted there.")));
	return all;
}

/* purge(path): how many files, folders and links */
Datum
pocket_purge(PG_FUNCTION_ARGS)
{
	Purge purge = {0};
	PocketPath path;
	PocketSession session;
	PocketNamespace ns;
	PocketHead head;
	ListCell *cell;

	PreventCommandIfReadOnly("pocket.purge()");
	pocket_path_argument(&path, fcinfo, 0);
	if (path.depth == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the root of namespace \"%s\" cannot be purged", path.namespace_name),
						errhint("pocket.drop_namespace() removes all of a namespace.")));

	pocket_enter(&session);
	purge.caller = pocket_caller(&session, fcinfo->flinfo->fn_oid);
	pocket_path_open(&ns, &path, purge.caller, true);
	pocket_check_owned(&ns);
	pocket_namespace_lock(&head, &ns);
	pocket_check_owned(&ns);
	pocket_head_one_moment(&head);
	purge.head = &head;
	purge.one = AllocSetContextCreate(CurrentMemoryContext, "one entry of purge", ALLOCSET_DEFAULT_SIZES);
	foreach (cell, find_all(&ns, &path))
	{
		const Found *found = lfirst(cell);

		if (found->is_folder)
			purge_below(&purge, found->file_id);
		else if (path.slash)
			pocket_path_check_leaf(&path);
		purge_entry(&purge, found->file_id);
		/* not by what name: that is gone */
		pocket_audit(purge.caller, "purge", ns.ns_id, found->file_id, NULL, (const char *const[]){NULL});
	}
	pocket_audit_blank(ns.ns_id);
	pocket_head_flush(&head);
	pocket_leave(&session);
	PG_RETURN_INT64(purge.done);
}
