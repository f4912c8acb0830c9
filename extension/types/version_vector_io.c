/*
 * version_vector_io.c
 *	  Text and binary forms of pocket.version_vector.
 */
#include "types/version_vector.h"

#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "types/report.h"

PG_FUNCTION_INFO_V1(pocket_version_vector_in);
PG_FUNCTION_INFO_V1(pocket_version_vector_out);
PG_FUNCTION_INFO_V1(pocket_version_vector_recv);
PG_FUNCTION_INFO_V1(pocket_version_vector_send);

PocketVersionVector *
pocket_vector_make(int64 count)
{
	PocketVersionVector *vector;

	if (count < 0 || count > POCKET_VECTOR_COUNT_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("a version vector can have at most %d replicas", POCKET_VECTOR_COUNT_MAX)));
	vector = palloc0(POCKET_VECTOR_SIZE(count));
	SET_VARSIZE(vector, POCKET_VECTOR_SIZE(count));
	vector->count = (int32) count;
	return vector;
}

static int
compare_replicas(const void *a, const void *b)
{
	int64 x = ((const PocketCounter *) a)->replica;
	int64 y = ((const PocketCounter *) b)->replica;

	return (x > y) - (x < y);
}

Datum
pocket_version_vector_in(PG_FUNCTION_ARGS)
{
	char *text = PG_GETARG_CSTRING(0);
	Size length = strlen(text);
	size_t count = pk_vector_count_text(text, length);
	PocketVersionVector *vector;
	const char *fault;
	size_t at;
	int32 i;

	/* before any memory is taken for it */
	if (count > POCKET_VECTOR_COUNT_MAX)
		pocket_return_error(fcinfo->context, (Datum) 0,
							(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
							 errmsg("a version vector can have at most %d replicas", POCKET_VECTOR_COUNT_MAX)));
	vector = pocket_vector_make((int64) count);
	fault = pk_vector_parse(vector->counters, count, text, length, &at);
	if (fault != NULL)
		pocket_return_error(
			fcinfo->context, (Datum) 0,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid input syntax for type %s: \"%.*s\"", "pocket.version_vector", POCKET_CLIPPED(text)),
			 errdetail("At character %d: %s.", pocket_character(text, at), fault)));
	qsort(vector->counters, (size_t) vector->count, sizeof(PocketCounter), compare_replicas);
	for (i = 1; i < vector->count; i++)
	{
		if (vector->counters[i - 1].replica == vector->counters[i].replica)
			pocket_return_error(
				fcinfo->context, (Datum) 0,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input syntax for type %s: \"%.*s\"", "pocket.version_vector", POCKET_CLIPPED(text)),
				 errdetail("Replica " INT64_FORMAT " is there twice.", vector->counters[i].replica)));
	}
	PG_RETURN_POINTER(vector);
}

char *
pocket_vector_text(const PocketVersionVector *vector)
{
	StringInfoData text;
	int32 i;

	initStringInfo(&text);
	appendStringInfoChar(&text, '{');
	for (i = 0; i < vector->count; i++)
		appendStringInfo(&text, "%s" INT64_FORMAT ":" INT64_FORMAT, i > 0 ? "," : "", vector->counters[i].replica,
						 vector->counters[i].counter);
	appendStringInfoChar(&text, '}');
	return text.data;
}

Datum
pocket_version_vector_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(pocket_vector_text(PG_GETARG_VERSION_VECTOR(0)));
}

static POCKET_NORETURN void
bad_binary(size_t at, const char *fault)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
					errmsg("invalid binary value for type %s", "pocket.version_vector"),
					errdetail("At byte %zu: %s.", at, fault)));
}

Datum
pocket_version_vector_recv(PG_FUNCTION_ARGS)
{
	StringInfo buffer = (StringInfo) PG_GETARG_POINTER(0);
	int length = buffer->len - buffer->cursor;
	const uint8 *bytes = (const uint8 *) pq_getmsgbytes(buffer, length);
	long count = pk_vector_count(bytes, (size_t) length);
	PocketVersionVector *vector;
	const char *fault;
	size_t at;

	if (count < 0)
		bad_binary(0, "the number of replicas does not fit the number of bytes");
	vector = pocket_vector_make(count);
	fault = pk_vector_decode(vector->counters, (size_t) count, bytes, &at);
	if (fault != NULL)
		bad_binary(at, fault);
	PG_RETURN_POINTER(vector);
}

Datum
pocket_version_vector_send(PG_FUNCTION_ARGS)
{
	PocketVersionVector *vector = PG_GETARG_VERSION_VECTOR(0);
	bytea *bytes = palloc(VARHDRSZ + PK_VECTOR_SIZE(vector->count));

	SET_VARSIZE(bytes, VARHDRSZ + PK_VECTOR_SIZE(vector->count));
	pk_vector_encode((uint8 *) VARDATA(bytes), vector->counters, (size_t) vector->count);
	PG_RETURN_BYTEA_P(bytes);
}
