/*
 * result.c
 *	  Arguments and composite results of the functions on files.
 */
#include "files/files.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "utils/builtins.h"

void
pocket_check_not_null(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_ARGISNULL(argument))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("argument \"%s\" must not be null", name)));
}

void
pocket_path_argument(PocketPath *path, FunctionCallInfo fcinfo, int argument)
{
	pocket_path_parse(path, text_to_cstring(PG_GETARG_TEXT_PP(argument)));
}

void
pocket_result_columns(Datum *values, bool *nulls, const PocketState *state, const char *path, const char *outcome)
{
	memset(nulls, 0, sizeof(bool) * POCKET_REVISION_COLUMN_COUNT);
	values[0] = Int64GetDatum(state->ns_id);
	values[1] = Int64GetDatum(state->file_id);
	values[2] = Int64GetDatum(state->rev);
	nulls[3] = path == NULL;
	values[3] = nulls[3] ? (Datum) 0 : CStringGetTextDatum(pocket_link_shown(path));
	values[4] = CStringGetTextDatum(pocket_kind_shown(state->kind));
	values[5] = Int64GetDatum(state->size);
	values[6] = PointerGetDatum(state->content_hash);
	nulls[6] = state->content_hash == NULL;
	values[7] = PointerGetDatum(state->version);
	values[8] = TimestampTzGetDatum(state->mtime);
	nulls[8] = !state->has_mtime;
	values[9] = CStringGetTextDatum(state->author);
	values[10] = TimestampTzGetDatum(state->at);
	values[11] = PointerGetDatum(state->attributes);
	if (outcome != NULL)
		values[12] = CStringGetTextDatum(outcome);
}

Datum
pocket_result(FunctionCallInfo fcinfo, PocketSession *session, const PocketState *state, const char *path,
			  const char *outcome)
{
	MemoryContext old = MemoryContextSwitchTo(session->result_context);
	Datum values[POCKET_REVISION_COLUMN_COUNT];
	bool nulls[POCKET_REVISION_COLUMN_COUNT];
	TupleDesc descriptor;
	Datum result;

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	Assert(descriptor->natts == (outcome ? POCKET_REVISION_COLUMN_COUNT : POCKET_FILE_COLUMN_COUNT));
	descriptor = BlessTupleDesc(descriptor);
	pocket_result_columns(values, nulls, state, path, outcome);
	result = HeapTupleGetDatum(heap_form_tuple(descriptor, values, nulls));
	MemoryContextSwitchTo(old);
	return result;
}

void
pocket_result_row(FunctionCallInfo fcinfo, const PocketState *state, const char *path, const char *outcome)
{
	ReturnSetInfo *set = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum values[POCKET_REVISION_COLUMN_COUNT];
	bool nulls[POCKET_REVISION_COLUMN_COUNT];

	pocket_result_columns(values, nulls, state, path, outcome);
	tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
}
