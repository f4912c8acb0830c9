/*
 * get.c
 *	  get: a file's bytes, or a range of them, of now or of a revision.
 */
#include "files/files.h"

#include "utils/builtins.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(pocket_get);

/* what one bytea can have */
#define BYTES_MAX ((int64) (MaxAllocSize - VARHDRSZ))

static void
check_range(int64 start, int64 length)
{
	if (start < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("start must not be negative")));
	if (length < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("length must not be negative")));
}

void
pocket_find_content(PocketSpot *spot, const PocketNamespace *ns, const PocketPath *path, bool of_revision, int64 rev)
{
	char *op;
	int64 file_id;

	if (!of_revision)
	{
		pocket_resolve_existing(spot, ns, path, false, true);
		pocket_check_file(spot);
		return;
	}
	file_id = pocket_resolve_past(ns, path);
	spot->path = pocket_path_given(ns, path);
	if (!pocket_journal_revision(&spot->state, &op, ns->ns_id, file_id, rev))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("revision " INT64_FORMAT " of \"%s\" does not exist", rev, spot->path),
						errhint("pocket.history() lists the revisions of a file.")));
	if (strcmp(op, POCKET_OP_DELETED) == 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("revision " INT64_FORMAT " of \"%s\" is its deletion", rev, spot->path),
						errhint("The revision before it has the content.")));
	pocket_check_file(spot);
}

static Datum
read_range(PocketSession *session, const PocketSpot *spot, int64 start, int64 length)
{
	const PocketState *state = &spot->state;
	bytea *result;

	start = Min(start, state->size);
	length = Min(length, state->size - start);
	if (length > BYTES_MAX)
		ereport(
			ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("\"%s\" is too large for one value", spot->path),
			 errdetail(INT64_FORMAT " bytes were asked for, a bytea has at most " INT64_FORMAT ".", length, BYTES_MAX),
			 errhint("Read it in ranges, with the arguments start and length.")));
	if (state->blocks != NULL && length > 0)
		return pocket_read_value(session->result_context, state->blocks, start, length);
	result = MemoryContextAlloc(session->result_context, (Size) length + VARHDRSZ);
	SET_VARSIZE(result, (Size) length + VARHDRSZ);
	if (length == 0)
		return PointerGetDatum(result);
	if (state->inlined != NULL && (int64) VARSIZE_ANY_EXHDR(state->inlined) == state->size)
		memcpy(VARDATA(result), VARDATA_ANY(state->inlined) + start, (Size) length);
	else
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("the row of \"%s\" lacks its content", spot->path)));
	return PointerGetDatum(result);
}

/* get(path, start, length, rev): reading beyond the end gives fewer bytes */
Datum
pocket_get(PG_FUNCTION_ARGS)
{
	PocketPath path;
	PocketSession session;
	PocketNamespace ns;
	PocketSpot spot;
	int64 start;
	int64 length;
	Datum result;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	pocket_check_not_null(fcinfo, 1, "start");
	start = PG_GETARG_INT64(1);
	length = PG_ARGISNULL(2) ? PG_INT64_MAX : PG_GETARG_INT64(2);
	check_range(start, length);
	pocket_path_argument(&path, fcinfo, 0);

	pocket_enter(&session);
	pocket_path_open(&ns, &path, pocket_caller(&session, fcinfo->flinfo->fn_oid), false);
	pocket_find_content(&spot, &ns, &path, !PG_ARGISNULL(3), PG_ARGISNULL(3) ? 0 : PG_GETARG_INT64(3));
	result = read_range(&session, &spot, start, length);
	pocket_leave(&session);
	return result;
}
