/*
 * commit.c
 *	  commit: a file whose blocks a client has brought to the nodes itself.
 *
 * It is the change that put makes; what proves that the content may be used are
 * receipts, or that the namespace holds the blocks already.  Who does not own the
 * namespace may not read all that it holds: for him, only receipts count, and the
 * blocks of the file that he replaces.
 */
#include "files/files.h"

#include "access/access.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(pocket_commit);

/* Files are cut at multiples of the block size: the content's hash, and reading from an offset, are defined over that. */
static void
check_sizes(const PocketBlockList *blocks)
{
	for (int i = 0; i < blocks->count - 1; i++)
	{
		if (blocks->blocks[i].size != PK_BLOCK_SIZE_MAX)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("block %d of %d has %u bytes", i + 1, blocks->count, blocks->blocks[i].size),
							errdetail("Every block of a file but the last has %d bytes.", PK_BLOCK_SIZE_MAX)));
	}
}

/* The empty content is in its row; a block stays a block, however small. */
static void
take_blocks(PocketPut *put, PocketBlockList *blocks)
{
	check_sizes(blocks);
	put->blocks = blocks;
	put->length = (Size) pocket_blocklist_length(blocks);
	put->is_inline = blocks->count == 0;
	put->data = "";
	pocket_blocklist_content_hash(&put->content_hash, blocks);
}

static char **
receipt_texts(ArrayType *array, int *count)
{
	Datum *values;
	bool *nulls;
	char **texts;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR), errmsg("argument \"receipts\" must have one dimension")));
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, count);
	texts = palloc(sizeof(char *) * (Size) Max(*count, 1));
	for (int i = 0; i < *count; i++)
	{
		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("element %d of argument \"receipts\" must not be null", i + 1)));
		texts[i] = TextDatumGetCString(values[i]);
	}
	return texts;
}

static void
read_arguments(PocketPut *put, FunctionCallInfo fcinfo)
{
	pocket_check_not_null(fcinfo, 0, "path");
	pocket_check_not_null(fcinfo, 1, "blocks");
	pocket_check_not_null(fcinfo, 2, "receipts");
	pocket_put_arguments(put, fcinfo, 3);
	take_blocks(put, PG_GETARG_BLOCKLIST(1));
}

/* commit(path, blocks, receipts, base, mode, mtime) */
Datum
pocket_commit(PG_FUNCTION_ARGS)
{
	PocketPut put = {0};
	PocketPut *puts[1] = {&put};
	PocketSession session;
	PocketCaller *caller;
	PocketNamespace ns;
	PocketReceipts *receipts;
	PocketHead head;
	PocketSpot spot;
	char **texts;
	int count;
	const char *outcome;
	Datum result;

	PreventCommandIfReadOnly("pocket.commit()");
	read_arguments(&put, fcinfo);
	texts = receipt_texts(PG_GETARG_ARRAYTYPE_P(2), &count);

	pocket_enter(&session);
	caller = pocket_caller(&session, fcinfo->flinfo->fn_oid);
	pocket_path_open(&ns, &put.path, caller, true);
	pocket_put_check_early(&ns, &put);
	pocket_puts_check_quota(&ns, puts, 1);
	receipts = pocket_receipts_read(ns.ns_id, texts, count, !ns.is_owned);
	pocket_namespace_lock(&head, &ns);
	outcome = pocket_put_apply(&head, &ns, &put, receipts, NULL, &spot, caller->name);
	pocket_head_flush(&head);
	result = pocket_result(fcinfo, &session, &spot.state, spot.path, outcome);
	pocket_leave(&session);
	PG_RETURN_DATUM(result);
}
