/*
 * version_vector_op.c
 *	  Operators and functions of pocket.version_vector.
 *
 * << >> <<= >>= <-> tell causality; < <= > >= are a total order that means
 * nothing but lets values be sorted: by (replica, counter), then by length.
 */
#include "types/version_vector.h"

#include "common/hashfn.h"

PG_FUNCTION_INFO_V1(pocket_version_vector_eq);
PG_FUNCTION_INFO_V1(pocket_version_vector_ne);
PG_FUNCTION_INFO_V1(pocket_version_vector_lt);
PG_FUNCTION_INFO_V1(pocket_version_vector_le);
PG_FUNCTION_INFO_V1(pocket_version_vector_gt);
PG_FUNCTION_INFO_V1(pocket_version_vector_ge);
PG_FUNCTION_INFO_V1(pocket_version_vector_cmp);
PG_FUNCTION_INFO_V1(pocket_version_vector_hash);
PG_FUNCTION_INFO_V1(pocket_version_vector_hash_extended);
PG_FUNCTION_INFO_V1(pocket_version_vector_before);
PG_FUNCTION_INFO_V1(pocket_version_vector_after);
PG_FUNCTION_INFO_V1(pocket_version_vector_before_equal);
PG_FUNCTION_INFO_V1(pocket_version_vector_after_equal);
PG_FUNCTION_INFO_V1(pocket_version_vector_concurrent);
PG_FUNCTION_INFO_V1(pocket_version_vector_merge);
PG_FUNCTION_INFO_V1(pocket_version_vector_increment);
PG_FUNCTION_INFO_V1(pocket_version_vector_counter);

/*
 * Walks the union of two vectors, by replica; *x and *y are the counters in a and
 * b, 0 where there is none.  False at the end.
 */
static bool
next_pair(const PocketVersionVector *a, const PocketVersionVector *b, int32 *i, int32 *j, PocketCounter *x,
		  PocketCounter *y)
{
	bool in_a = *i < a->count;
	bool in_b = *j < b->count;
	int64 replica;

	if (!in_a && !in_b)
		return false;
	if (in_a && in_b)
		replica = Min(a->counters[*i].replica, b->counters[*j].replica);
	else
		replica = in_a ? a->counters[*i].replica : b->counters[*j].replica;
	x->replica = y->replica = replica;
	x->counter = (in_a && a->counters[*i].replica == replica) ? a->counters[(*i)++].counter : 0;
	y->counter = (in_b && b->counters[*j].replica == replica) ? b->counters[(*j)++].counter : 0;
	return true;
}

PocketVectorOrder
pocket_vector_order(const PocketVersionVector *a, const PocketVersionVector *b)
{
	int32 i = 0;
	int32 j = 0;
	bool less = false;
	bool more = false;
	PocketCounter x;
	PocketCounter y;

	while (next_pair(a, b, &i, &j, &x, &y))
	{
		less = less || x.counter < y.counter;
		more = more || x.counter > y.counter;
	}
	if (less && more)
		return POCKET_VECTOR_CONCURRENT;
	if (less)
		return POCKET_VECTOR_BEFORE;
	return more ? POCKET_VECTOR_AFTER : POCKET_VECTOR_EQUAL;
}

PocketVersionVector *
pocket_vector_merge(const PocketVersionVector *a, const PocketVersionVector *b)
{
	int32 i = 0;
	int32 j = 0;
	int64 count = 0;
	PocketCounter x;
	PocketCounter y;
	PocketVersionVector *result;

	while (next_pair(a, b, &i, &j, &x, &y))
		count++;
	result = pocket_vector_make(count);
	i = j = 0;
	count = 0;
	while (next_pair(a, b, &i, &j, &x, &y))
	{
		result->counters[count].replica = x.replica;
		result->counters[count++].counter = Max(x.counter, y.counter);
	}
	return result;
}

/* Where replica is in vector, or would be. */
static int32
position_of(const PocketVersionVector *vector, int64 replica)
{
	int32 low = 0;
	int32 high = vector->count;

	while (low < high)
	{
		int32 middle = low + (high - low) / 2;

		if (vector->counters[middle].replica < replica)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void
check_replica(int64 replica)
{
	if (replica < 0)
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("replica " INT64_FORMAT " is out of range", replica),
						errdetail("A replica is 0 to 9223372036854775807.")));
}

int64
pocket_vector_counter(const PocketVersionVector *vector, int64 replica)
{
	int32 at = position_of(vector, replica);

	if (at < vector->count && vector->counters[at].replica == replica)
		return vector->counters[at].counter;
	return 0;
}

PocketVersionVector *
pocket_vector_increment(const PocketVersionVector *vector, int64 replica)
{
	int32 count = vector == NULL ? 0 : vector->count;
	int32 at = vector == NULL ? 0 : position_of(vector, replica);
	bool found = at < count && vector->counters[at].replica == replica;
	PocketVersionVector *result;

	check_replica(replica);
	if (found && vector->counters[at].counter == PG_INT64_MAX)
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("counter of replica " INT64_FORMAT " is out of range", replica)));
	result = pocket_vector_make((int64) count + (found ? 0 : 1));
	if (count > 0)
	{
		memcpy(result->counters, vector->counters, (Size) at * sizeof(PocketCounter));
		memcpy(result->counters + at + (found ? 0 : 1), vector->counters + at,
			   (Size) (count - at) * sizeof(PocketCounter));
	}
	result->counters[at].replica = replica;
	result->counters[at].counter = found ? result->counters[at].counter + 1 : 1;
	return result;
}

PocketVersionVector *
pocket_vector_raise(const PocketVersionVector *vector, int64 replica, int64 counter)
{
	PocketVersionVector *least = pocket_vector_make(1);

	check_replica(replica);
	least->counters[0].replica = replica;
	least->counters[0].counter = counter;
	return vector == NULL ? least : pocket_vector_merge(vector, least);
}

static int
compare(const PocketVersionVector *a, const PocketVersionVector *b)
{
	int32 count = Min(a->count, b->count);
	int32 i;

	for (i = 0; i < count; i++)
	{
		const PocketCounter *x = &a->counters[i];
		const PocketCounter *y = &b->counters[i];

		if (x->replica != y->replica)
			return x->replica < y->replica ? -1 : 1;
		if (x->counter != y->counter)
			return x->counter < y->counter ? -1 : 1;
	}
	return (a->count > b->count) - (a->count < b->count);
}

static int
compare_arguments(FunctionCallInfo fcinfo)
{
	PocketVersionVector *a = PG_GETARG_VERSION_VECTOR(0);
	PocketVersionVector *b = PG_GETARG_VERSION_VECTOR(1);
	int order = compare(a, b);

	/* btree support must not leak */
	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return order;
}

static PocketVectorOrder
order_arguments(FunctionCallInfo fcinfo)
{
	return pocket_vector_order(PG_GETARG_VERSION_VECTOR(0), PG_GETARG_VERSION_VECTOR(1));
}

Datum
pocket_version_vector_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) == 0);
}

Datum
pocket_version_vector_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) != 0);
}

Datum
pocket_version_vector_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) < 0);
}

Datum
pocket_version_vector_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) <= 0);
}

Datum
pocket_version_vector_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) > 0);
}

Datum
pocket_version_vector_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) >= 0);
}

Datum
pocket_version_vector_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare_arguments(fcinfo));
}

Datum
pocket_version_vector_hash(PG_FUNCTION_ARGS)
{
	PocketVersionVector *vector = PG_GETARG_VERSION_VECTOR(0);
	Datum result = hash_any((const unsigned char *) vector->counters, (int) (vector->count * sizeof(PocketCounter)));

	PG_FREE_IF_COPY(vector, 0);
	return result;
}

Datum
pocket_version_vector_hash_extended(PG_FUNCTION_ARGS)
{
	PocketVersionVector *vector = PG_GETARG_VERSION_VECTOR(0);
	Datum result = hash_any_extended((const unsigned char *) vector->counters,
									 (int) (vector->count * sizeof(PocketCounter)), PG_GETARG_INT64(1));

	PG_FREE_IF_COPY(vector, 0);
	return result;
}

Datum
pocket_version_vector_before(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(order_arguments(fcinfo) == POCKET_VECTOR_BEFORE);
}

Datum
pocket_version_vector_after(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(order_arguments(fcinfo) == POCKET_VECTOR_AFTER);
}

Datum
pocket_version_vector_before_equal(PG_FUNCTION_ARGS)
{
	PocketVectorOrder order = order_arguments(fcinfo);

	PG_RETURN_BOOL(order == POCKET_VECTOR_BEFORE || order == POCKET_VECTOR_EQUAL);
}

Datum
pocket_version_vector_after_equal(PG_FUNCTION_ARGS)
{
	PocketVectorOrder order = order_arguments(fcinfo);

	PG_RETURN_BOOL(order == POCKET_VECTOR_AFTER || order == POCKET_VECTOR_EQUAL);
}

Datum
pocket_version_vector_concurrent(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(order_arguments(fcinfo) == POCKET_VECTOR_CONCURRENT);
}

/* a | b: the least vector that neither is after */
Datum
pocket_version_vector_merge(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(pocket_vector_merge(PG_GETARG_VERSION_VECTOR(0), PG_GETARG_VERSION_VECTOR(1)));
}

/* increment(vector, replica) */
Datum
pocket_version_vector_increment(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(pocket_vector_increment(PG_GETARG_VERSION_VECTOR(0), PG_GETARG_INT64(1)));
}

/* counter(vector, replica): 0 when it is not there */
Datum
pocket_version_vector_counter(PG_FUNCTION_ARGS)
{
	int64 replica = PG_GETARG_INT64(1);

	check_replica(replica);
	PG_RETURN_INT64(pocket_vector_counter(PG_GETARG_VERSION_VECTOR(0), replica));
}
