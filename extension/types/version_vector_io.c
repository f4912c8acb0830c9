/*
 * version_vector_io.c
 *	  Text and binary forms of pocket.version_vector.
 */
#include "types/version_vector.h"

#include "common/int.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"

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

/* Decimal digits at *at, which is moved behind them; false when there are none or they do not fit. */
static bool
parse_number(int64 *number, const char **at)
{
	const char *p = *at;

	*number = 0;
	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++)
	{
		if (pg_mul_s64_overflow(*number, 10, number) || pg_add_s64_overflow(*number, *p - '0', number))
			return false;
	}
	*at = p;
	return true;
}

/* Fills vector, which has room for as many counters as text has colons; NULL, or what is wrong at *at. */
static const char *
parse_counters(PocketVersionVector *vector, const char **at)
{
	int64 count = 0;

	if (**at != '{')
		return "an opening brace is expected";
	(*at)++;
	while (**at != '}' || count > 0)
	{
		PocketCounter *counter = &vector->counters[count];

		if (count++ >= vector->count || !parse_number(&counter->replica, at))
			return "a replica of 0 to 9223372036854775807 is expected";
		if (**at != ':')
			return "a colon is expected";
		(*at)++;
		if (**at == '0' || !parse_number(&counter->counter, at))
			return "a counter of 1 to 9223372036854775807 is expected";
		if (**at == '}')
			break;
		if (**at != ',')
			return "a comma or a closing brace is expected";
		(*at)++;
	}
	(*at)++;
	if (**at != '\0')
		return "nothing may follow the closing brace";
	return NULL;
}

Datum
pocket_version_vector_in(PG_FUNCTION_ARGS)
{
	char *text = PG_GETARG_CSTRING(0);
	const char *at = text;
	const char *fault;
	const char *p;
	int64 count = 0;
	PocketVersionVector *vector;
	int32 i;

	for (p = text; *p != '\0'; p++)
		count += *p == ':';
	if (count > POCKET_VECTOR_COUNT_MAX)
		pocket_return_error(fcinfo->context, (Datum) 0,
							(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
							 errmsg("a version vector can have at most %d replicas", POCKET_VECTOR_COUNT_MAX)));
	vector = pocket_vector_make(count);
	fault = parse_counters(vector, &at);
	if (fault != NULL)
		pocket_return_error(fcinfo->context, (Datum) 0,
							(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
							 errmsg("invalid input syntax for type %s: \"%.200s\"", "pocket.version_vector", text),
							 errdetail("At character %d: %s.", (int) (at - text) + 1, fault)));
	qsort(vector->counters, (size_t) vector->count, sizeof(PocketCounter), compare_replicas);
	for (i = 1; i < vector->count; i++)
	{
		if (vector->counters[i - 1].replica == vector->counters[i].replica)
			pocket_return_error(fcinfo->context, (Datum) 0,
								(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
								 errmsg("invalid input syntax for type %s: \"%.200s\"", "pocket.version_vector", text),
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
bad_binary(const char *detail, int64 value)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
					errmsg("invalid binary value for type %s", "pocket.version_vector"),
					errdetail("%s: %lld.", detail, (long long) value)));
}

Datum
pocket_version_vector_recv(PG_FUNCTION_ARGS)
{
	StringInfo buffer = (StringInfo) PG_GETARG_POINTER(0);
	PocketVersionVector *vector;
	int32 count;
	int32 i;

	if (buffer->len - buffer->cursor < 4)
		bad_binary("Bytes where a count is expected", buffer->len - buffer->cursor);
	count = (int32) pq_getmsgint(buffer, 4);
	/* before any memory is taken for it */
	if (count < 0 || count > POCKET_VECTOR_COUNT_MAX)
		bad_binary("Count out of range", count);
	if ((int64) count * (int64) sizeof(PocketCounter) != buffer->len - buffer->cursor)
		bad_binary("Bytes do not fit the count", buffer->len - buffer->cursor);
	vector = pocket_vector_make(count);
	for (i = 0; i < count; i++)
	{
		PocketCounter *counter = &vector->counters[i];

		counter->replica = pq_getmsgint64(buffer);
		counter->counter = pq_getmsgint64(buffer);
		if (counter->replica < 0 || (i > 0 && counter->replica <= vector->counters[i - 1].replica))
			bad_binary("Replica out of range or order", counter->replica);
		if (counter->counter < 1)
			bad_binary("Counter out of range", counter->counter);
	}
	PG_RETURN_POINTER(vector);
}

Datum
pocket_version_vector_send(PG_FUNCTION_ARGS)
{
	PocketVersionVector *vector = PG_GETARG_VERSION_VECTOR(0);
	StringInfoData buffer;
	int32 i;

	pq_begintypsend(&buffer);
	pq_sendint32(&buffer, (uint32) vector->count);
	for (i = 0; i < vector->count; i++)
	{
		pq_sendint64(&buffer, (uint64) vector->counters[i].replica);
		pq_sendint64(&buffer, (uint64) vector->counters[i].counter);
	}
	PG_RETURN_BYTEA_P(pq_endtypsend(&buffer));
}
