/*
 * sha256_op.c
 *	  Comparison and hashing of pocket.sha256: bytewise.
 */
#include "types/sha256.h"

#include "common/hashfn.h"

PG_FUNCTION_INFO_V1(pocket_sha256_eq);
PG_FUNCTION_INFO_V1(pocket_sha256_ne);
PG_FUNCTION_INFO_V1(pocket_sha256_lt);
PG_FUNCTION_INFO_V1(pocket_sha256_le);
PG_FUNCTION_INFO_V1(pocket_sha256_gt);
PG_FUNCTION_INFO_V1(pocket_sha256_ge);
PG_FUNCTION_INFO_V1(pocket_sha256_cmp);
PG_FUNCTION_INFO_V1(pocket_sha256_hash);
PG_FUNCTION_INFO_V1(pocket_sha256_hash_extended);

static int
compare_arguments(FunctionCallInfo fcinfo)
{
	return pocket_sha256_compare(PG_GETARG_SHA256(0), PG_GETARG_SHA256(1));
}

Datum
pocket_sha256_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) == 0);
}

Datum
pocket_sha256_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) != 0);
}

Datum
pocket_sha256_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) < 0);
}

Datum
pocket_sha256_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) <= 0);
}

Datum
pocket_sha256_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) > 0);
}

Datum
pocket_sha256_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) >= 0);
}

Datum
pocket_sha256_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare_arguments(fcinfo));
}

Datum
pocket_sha256_hash(PG_FUNCTION_ARGS)
{
	return hash_any(PG_GETARG_SHA256(0)->bytes, PK_SHA256_SIZE);
}

Datum
pocket_sha256_hash_extended(PG_FUNCTION_ARGS)
{
	return hash_any_extended(PG_GETARG_SHA256(0)->bytes, PK_SHA256_SIZE, PG_GETARG_INT64(1));
}
