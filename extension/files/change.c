/*
 * change.c
 *	  What put and put_many do with one file: bytes first, without locks; then,
 *	  under the head lock, the rows (design.md, invariant 9).
 */
#include "files/files.h"

#include "base/guc.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

void
pocket_check_attributes(const Jsonb *attributes)
{
	if (attributes != NULL && !JB_ROOT_IS_OBJECT(attributes))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("attributes must be a JSON object")));
	if (attributes != NULL && VARSIZE_ANY(attributes) > POCKET_ATTRIBUTES_SIZE_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("attributes are larger than %d bytes", POCKET_ATTRIBUTES_SIZE_MAX)));
}

void
pocket_check_file(const PocketSpot *spot)
{
	if (spot->state.kind != POCKET_FILE)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg(POCKET_IS_FOLDER(spot->state.kind) ? "\"%s\" is a folder" : "\"%s\" is a symbolic link",
							   spot->path),
						POCKET_IS_FOLDER(spot->state.kind)
							? 0
							: errhint("Links are not followed; pocket.stat() shows the target among its attributes.")));
}

/* The contents that do not go into rows, in the order of puts; returns how many. */
static int
stored_contents(PocketContent *contents, PocketPut **puts, int count)
{
	int stored = 0;

	for (int i = 0; i < count; i++)
	{
		if (!puts[i]->is_inline)
			contents[stored++] = (PocketContent){puts[i]->data, puts[i]->length, puts[i]->blocks};
	}
	return stored;
}

PocketReceipts *
pocket_puts_store(const PocketNamespace *ns, PocketPut **puts, int count)
{
	PocketContent *contents = palloc(sizeof(PocketContent) * (Size) Max(count, 1));
	PocketReceipts *receipts = NULL;
	int stored;
	int i;

	for (i = 0; i < count; i++)
	{
		puts[i]->is_inline = puts[i]->length <= (Size) pocket_inline_limit;
		if (puts[i]->is_inline)
			puts[i]->blocks = pocket_blocklist_chunk(puts[i]->data, puts[i]->length);
	}
	stored = stored_contents(contents, puts, count);
	if (stored > 0)
	{
		pocket_puts_check_quota(ns, puts, count);
		receipts = pocket_blocks_store(ns->ns_id, contents, stored, !ns->is_owned);
	}
	stored = 0;
	for (i = 0; i < count; i++)
	{
		if (!puts[i]->is_inline)
			puts[i]->blocks = contents[stored++].blocks;
		pocket_blocklist_content_hash(&puts[i]->content_hash, puts[i]->blocks);
	}
	pfree(contents);
	return receipts;
}

void
pocket_puts_store_again(const PocketNamespace *ns, PocketPut **puts, int count, PocketReceipts *receipts)
{
	PocketContent *contents = palloc(sizeof(PocketContent) * (Size) Max(count, 1));
	int stored = stored_contents(contents, puts, count);

	if (stored > 0)
		pocket_blocks_store_again(ns->ns_id, receipts, contents, stored);
	pfree(contents);
}

bool
pocket_put_same_content(const PocketPut *put, const PocketState *state)
{
	return state->kind == POCKET_FILE && state->size == (int64) put->length && state->content_hash != NULL &&
		   pocket_sha256_compare(state->content_hash, &put->content_hash) == 0;
}

bool
pocket_put_same_metadata(const PocketPut *put, const PocketState *state)
{
	if (put->has_mtime && (!state->has_mtime || state->mtime != put->mtime))
		return false;
	return put->attributes == NULL || compareJsonbContainers(&put->attributes->root, &state->attributes->root) == 0;
}

/* The state that the file shall have; content comes from before when that is the same. */
static void
fill_state(PocketState *state, const PocketPut *put, const PocketState *before, bool keep_content)
{
	if (!keep_content)
	{
		state->kind = POCKET_FILE;
		state->size = (int64) put->length;
		state->blocks = put->is_inline ? NULL : put->blocks;
		state->inlined = put->is_inline ? (bytea *) cstring_to_text_with_len(put->data, (int) put->length) : NULL;
		state->content_hash = pocket_sha256_make(put->content_hash.bytes);
		/* a link's attributes are its target */
		if (before != NULL && before->kind == POCKET_SYMLINK)
		{
			PocketState plain;

			pocket_state_init(&plain, POCKET_FILE, 0, "");
			state->attributes = plain.attributes;
		}
	}
	if (put->attributes != NULL)
		state->attributes = put->attributes;
	if (put->has_mtime || !keep_content)
	{
		state->has_mtime = true;
		state->mtime = put->has_mtime ? put->mtime : GetCurrentTimestamp();
	}
}

void
pocket_put_create(PocketHead *head, const PocketNamespace *ns, const PocketPut *put, PocketReceipts *receipts,
				  PocketState *state, const char *author)
{
	fill_state(state, put, NULL, false);
	if (state->blocks != NULL)
		pocket_blocks_hold(ns->ns_id, receipts, NULL, state->blocks);
	pocket_entry_add(head, ns, state, author);
}

/* What the caller might not read was never his to edit, and its version is not his to know. */
static bool
may_read_deleted(const PocketNamespace *ns, int64 parent_id, const char *name)
{
	int64 file_id = ns->is_owned ? 0 : pocket_journal_deleted(ns->ns_id, parent_id, pocket_key(ns, name));

	return ns->is_owned ||
		   (pocket_policy_rights(pocket_policy(ns->caller, true), ns->ns_id, file_id) & PK_RIGHT_READ) != 0;
}

/*
 * The version of an edit whose file has been deleted meanwhile: after the edit's
 * base, and after the deletion.
 */
static PocketVersionVector *
version_after_deletion(const PocketNamespace *ns, const PocketPut *put, const PocketSpot *spot)
{
	const char *name = put->path.names[put->path.depth - 1];
	PocketVersionVector *deleted = NULL;

	if (spot->known == put->path.depth - 1 && may_read_deleted(ns, spot->parent_id, name))
		deleted = pocket_journal_deleted_version(ns->ns_id, spot->parent_id, pocket_key(ns, name));
	return deleted == NULL ? put->base : pocket_vector_merge(put->base, deleted);
}

static void
create(PocketHead *head, const PocketNamespace *ns, const PocketPut *put, PocketReceipts *receipts, PocketSpot *spot,
	   const char *author)
{
	PocketVersionVector *version = put->base == NULL ? NULL : version_after_deletion(ns, put, spot);

	pocket_parents_make(head, ns, &put->path, spot, author);
	pocket_state_init(&spot->state, POCKET_FILE, spot->parent_id, put->path.names[put->path.depth - 1]);
	spot->state.version = version;
	pocket_put_create(head, ns, put, receipts, &spot->state, author);
}

const char *
pocket_put_apply(PocketHead *head, const PocketNamespace *ns, const PocketPut *put, PocketReceipts *receipts,
				 const PocketFolder *near, PocketSpot *spot, const char *author)
{
	PocketState before;
	bool conflict;
	bool keep_content;

	pocket_resolve(spot, ns, &put->path, near, true, true);
	pocket_require_write(spot, ns, &put->path);
	if (!spot->exists)
	{
		create(head, ns, put, receipts, spot, author);
		return POCKET_OP_CREATED;
	}
	before = spot->state;
	conflict = pocket_put_conflicts(put, &before);
	if (POCKET_IS_FOLDER(before.kind) && !conflict)
		pocket_check_file(spot);
	keep_content = pocket_put_same_content(put, &before);
	if (keep_content) /* what was lost, and was brought again */
		pocket_blocks_hold(ns->ns_id, receipts, before.blocks, before.blocks);
	if (keep_content && (conflict || pocket_put_same_metadata(put, &before)))
		return POCKET_OUTCOME_UNCHANGED;
	if (conflict)
	{
		pocket_put_aside(head, ns, put, receipts, spot, author);
		return POCKET_OUTCOME_CONFLICT;
	}
	fill_state(&spot->state, put, &before, keep_content);
	if (!keep_content && spot->state.blocks != NULL)
		pocket_blocks_hold(ns->ns_id, receipts, before.blocks, spot->state.blocks);
	if (put->base != NULL)
		spot->state.version = pocket_vector_merge(before.version, put->base);
	pocket_entry_change(head, ns, &before, &spot->state, POCKET_OP_UPDATED, author);
	return POCKET_OP_UPDATED;
}
