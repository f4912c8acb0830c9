/*
 * append.c
 *	  append: bytes at the end of a file, for content that does not fit one value.
 *
 * Only the last block, when it is not full, is read back, and cut again with
 * what follows.  This happens before the lock; if another revision has come in
 * between, it is done again, under the lock.
 */
#include "files/files.h"

#include "access/access.h"
#include "base/guc.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(pocket_append);

typedef struct Appending
{
	const char *data;
	Size length;
	bool has_mtime; /* else it is now */
	TimestampTz mtime;

	/* what it is appended to, and the blocks of that which stay */
	PocketSpot spot;
	int32 kept;

	/* the rest of the new content */
	PocketContent tail;
	bool is_inline;
	PocketReceipts *receipts;
} Appending;

/* The bytes before data that are cut again: all that is inline, or the last block when it is not full. */
static int64
loose_bytes(const PocketSpot *spot)
{
	if (!spot->exists)
		return 0;
	return spot->state.blocks == NULL ? spot->state.size : spot->state.size % PK_BLOCK_SIZE_MAX;
}

static void
fill_tail(Appending *append, const PocketNamespace *ns)
{
	const PocketState *state = &append->spot.state;
	int64 loose = loose_bytes(&append->spot);
	char *bytes = MemoryContextAllocHuge(CurrentMemoryContext, (Size) loose + append->length + 1);

	append->kept = 0;
	if (append->spot.exists && state->blocks != NULL)
	{
		append->kept = (int32) (state->size / PK_BLOCK_SIZE_MAX);
		if (loose > 0)
			pocket_blocks_read(state->blocks, state->size - loose, loose, bytes);
	}
	else if (loose > 0)
		memcpy(bytes, VARDATA_ANY(state->inlined), (Size) loose);
	memcpy(bytes + loose, append->data, append->length);
	append->tail.data = bytes;
	append->tail.length = (Size) loose + append->length;
}

static void
prepare(Appending *append, const PocketNamespace *ns, const PocketPath *path)
{
	pocket_resolve(&append->spot, ns, path, NULL, true, true);
	pocket_require_write(&append->spot, ns, path);
	if (append->spot.exists)
		pocket_check_file(&append->spot);
	pocket_quota_check(ns->ns_id, (int64) append->length, ns->is_owned);
	fill_tail(append, ns);
	append->receipts = NULL;
	append->is_inline = append->kept == 0 && append->tail.length <= (Size) pocket_inline_limit;
	if (append->is_inline)
		append->tail.blocks = pocket_blocklist_chunk(append->tail.data, append->tail.length);
	else
		append->receipts = pocket_blocks_store(ns->ns_id, &append->tail, 1, !ns->is_owned);
}

static bool
is_current(const Appending *append, const PocketNamespace *ns, const PocketPath *path)
{
	PocketSpot now;

	pocket_resolve(&now, ns, path, NULL, true, false);
	pocket_require_write(&now, ns, path);
	if (now.exists != append->spot.exists || now.known != append->spot.known || now.parent_id != append->spot.parent_id)
		return false;
	return !now.exists || (now.state.file_id == append->spot.state.file_id && now.state.rev == append->spot.state.rev);
}

static void
fill_state(PocketState *state, const Appending *append)
{
	const PocketBlockList *tail = append->tail.blocks;
	PocketBlockList *blocks = pocket_blocklist_join(append->kept > 0 ? state->blocks : tail, append->kept, tail);

	state->size += (int64) append->length;
	state->content_hash = palloc(sizeof(PocketSha256));
	pocket_blocklist_content_hash(state->content_hash, blocks);
	state->blocks = append->is_inline ? NULL : blocks;
	state->inlined = NULL;
	if (append->is_inline)
		state->inlined = (bytea *) cstring_to_text_with_len(append->tail.data, (int) append->tail.length);
	state->has_mtime = true;
	state->mtime = append->has_mtime ? append->mtime : GetCurrentTimestamp();
}

static const char *
apply(Appending *append, PocketHead *head, const PocketNamespace *ns, const PocketPath *path, const char *author)
{
	PocketSpot *spot = &append->spot;
	PocketState before = spot->state;

	if (spot->exists && append->length == 0)
		return POCKET_OUTCOME_UNCHANGED;
	if (!spot->exists)
	{
		pocket_parents_make(head, ns, path, spot, author);
		pocket_state_init(&spot->state, POCKET_FILE, spot->parent_id, path->names[path->depth - 1]);
	}
	fill_state(&spot->state, append);
	if (spot->state.blocks != NULL)
		pocket_blocks_hold(ns->ns_id, append->receipts, spot->exists ? before.blocks : NULL, spot->state.blocks);
	if (!spot->exists)
	{
		pocket_entry_add(head, ns, &spot->state, author);
		return POCKET_OP_CREATED;
	}
	pocket_entry_change(head, ns, &before, &spot->state, POCKET_OP_UPDATED, author);
	return POCKET_OP_UPDATED;
}

/* append(path, content, mtime) */
Datum
pocket_append(PG_FUNCTION_ARGS)
{
	Appending append = {0};
	bytea *content;
	PocketPath path;
	PocketSession session;
	PocketCaller *caller;
	PocketNamespace ns;
	PocketHead head;
	const char *outcome;
	Datum result;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	PreventCommandIfReadOnly("pocket.append()");
	content = PG_GETARG_BYTEA_PP(1);
	append.data = VARDATA_ANY(content);
	append.length = VARSIZE_ANY_EXHDR(content);
	append.has_mtime = !PG_ARGISNULL(2);
	append.mtime = append.has_mtime ? PG_GETARG_TIMESTAMPTZ(2) : 0;
	pocket_path_argument(&path, fcinfo, 0);
	pocket_path_check_leaf(&path);

	pocket_enter(&session);
	caller = pocket_caller(&session, fcinfo->flinfo->fn_oid);
	pocket_path_open(&ns, &path, caller, true);
	prepare(&append, &ns, &path);
	pocket_namespace_lock(&head, &ns);
	if (!is_current(&append, &ns, &path))
		prepare(&append, &ns, &path);
	else if (append.receipts != NULL)
		pocket_blocks_store_again(ns.ns_id, append.receipts, &append.tail, 1);
	outcome = apply(&append, &head, &ns, &path, caller->name);
	pocket_head_flush(&head);
	result = pocket_result(fcinfo, &session, &append.spot.state, append.spot.path, outcome);
	pocket_leave(&session);
	PG_RETURN_DATUM(result);
}
