/*
 * code.c
 *	  What a volume's code bears, as SQL functions: members that are missing are
 *	  bits of a number, that of position p being 1 << p.
 */
#include "cell/cell.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "base/error.h"

PG_FUNCTION_INFO_V1(pocket_code_members);
PG_FUNCTION_INFO_V1(pocket_code_lost);
PG_FUNCTION_INFO_V1(pocket_code_left);

pk_code
pocket_code_of(const char *name)
{
	pk_code code;
	pk_error error = pk_code_parse(&code, name);

	if (error != PK_OK)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("\"%s\" is not the name of a code", name)));
	return code;
}

Datum
pocket_code_members(PG_FUNCTION_ARGS)
{
	pk_code code = pocket_code_of(text_to_cstring(PG_GETARG_TEXT_PP(0)));

	if (code.kind == PK_CODE_REPLICATED)
		PG_RETURN_NULL();
	PG_RETURN_INT32(code.k + code.m);
}

static void
get_missing(FunctionCallInfo fcinfo, pk_code *code, int *count, uint32 *missing)
{
	int64 members = PG_GETARG_INT64(1);
	int64 bits = PG_GETARG_INT64(2);

	*code = pocket_code_of(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	if (members < 1 || members > PK_MEMBERS_MAX)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a volume has 1 to %d members, not " INT64_FORMAT, PK_MEMBERS_MAX, members)));
	if (bits < 0 || bits >> members != 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a volume of " INT64_FORMAT " members has none at some of these positions", members)));
	*count = (int) members;
	*missing = (uint32) bits;
}

Datum
pocket_code_lost(PG_FUNCTION_ARGS)
{
	pk_code code;
	int count;
	uint32 missing;

	get_missing(fcinfo, &code, &count, &missing);
	PG_RETURN_INT64((int64) pk_code_lost(&code, count, missing));
}

Datum
pocket_code_left(PG_FUNCTION_ARGS)
{
	pk_code code;
	int count;
	uint32 missing;

	get_missing(fcinfo, &code, &count, &missing);
	PG_RETURN_INT32(pk_code_left(&code, count, missing));
}
