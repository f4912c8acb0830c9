/*
 * acl_op.c
 *	  Operators and functions of pocket.acl.
 *
 * The order is that of the bytes: total, and only for sorting.
 */
#include "types/acl.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "utils/array.h"

PG_FUNCTION_INFO_V1(pocket_acl_eq);
PG_FUNCTION_INFO_V1(pocket_acl_ne);
PG_FUNCTION_INFO_V1(pocket_acl_lt);
PG_FUNCTION_INFO_V1(pocket_acl_le);
PG_FUNCTION_INFO_V1(pocket_acl_gt);
PG_FUNCTION_INFO_V1(pocket_acl_ge);
PG_FUNCTION_INFO_V1(pocket_acl_cmp);
PG_FUNCTION_INFO_V1(pocket_acl_hash);
PG_FUNCTION_INFO_V1(pocket_acl_hash_extended);
PG_FUNCTION_INFO_V1(pocket_acl_allows);
PG_FUNCTION_INFO_V1(pocket_acl_allow);
PG_FUNCTION_INFO_V1(pocket_acl_deny);
PG_FUNCTION_INFO_V1(pocket_acl_union);
PG_FUNCTION_INFO_V1(pocket_acl_inherits);
PG_FUNCTION_INFO_V1(pocket_acl_inherit);

static int
compare_arguments(FunctionCallInfo fcinfo)
{
	struct varlena *a = PG_GETARG_POCKET_ACL(0);
	struct varlena *b = PG_GETARG_POCKET_ACL(1);
	Size a_size = VARSIZE_ANY_EXHDR(a);
	Size b_size = VARSIZE_ANY_EXHDR(b);
	int order = memcmp(VARDATA_ANY(a), VARDATA_ANY(b), Min(a_size, b_size));

	if (order == 0)
		order = (a_size > b_size) - (a_size < b_size);
	/* btree support must not leak */
	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return order;
}

Datum
pocket_acl_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) == 0);
}

Datum
pocket_acl_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) != 0);
}

Datum
pocket_acl_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) < 0);
}

Datum
pocket_acl_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) <= 0);
}

Datum
pocket_acl_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) > 0);
}

Datum
pocket_acl_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) >= 0);
}

Datum
pocket_acl_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare_arguments(fcinfo));
}

Datum
pocket_acl_hash(PG_FUNCTION_ARGS)
{
	struct varlena *acl = PG_GETARG_POCKET_ACL(0);
	Datum result = hash_any((const unsigned char *) VARDATA_ANY(acl), (int) VARSIZE_ANY_EXHDR(acl));

	PG_FREE_IF_COPY(acl, 0);
	return result;
}

Datum
pocket_acl_hash_extended(PG_FUNCTION_ARGS)
{
	struct varlena *acl = PG_GETARG_POCKET_ACL(0);
	Datum result =
		hash_any_extended((const unsigned char *) VARDATA_ANY(acl), (int) VARSIZE_ANY_EXHDR(acl), PG_GETARG_INT64(1));

	PG_FREE_IF_COPY(acl, 0);
	return result;
}

/* The rights that a text names; an empty one names none, which is never what was meant. */
static uint8
rights_of(const text *rights)
{
	uint8 result;
	size_t at;

	if (!pk_rights_parse(&result, VARDATA_ANY(rights), VARSIZE_ANY_EXHDR(rights), &at))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("invalid rights \"%.*s\"", (int) VARSIZE_ANY_EXHDR(rights), VARDATA_ANY(rights)),
						errdetail("At character %zu: %s.", at + 1, pk_acl_fault_text(PK_ACL_RIGHTS))));
	return result;
}

static void
check_name(const text *name)
{
	pk_acl_fault fault = pk_acl_check_name(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));

	if (fault == PK_ACL_NAME_LONG)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("a principal's name can have at most %d bytes", PK_ACL_NAME_MAX)));
	if (fault != PK_ACL_VALID)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid name of a principal"),
						errdetail("A principal's name has 1 to %d bytes of UTF-8.", PK_ACL_NAME_MAX)));
}

/* Adds rights of a valid name; 54000 when there are too many. */
static void
allow(pk_acl *acl, const char *name, Size length, uint8 rights)
{
	if (pk_acl_allow(acl, name, length, rights) != PK_ACL_VALID)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("an ACL can have at most %d principals", PK_ACL_ENTRIES_MAX)));
}

/* allows(acl, principals, rights): whether the principals together have all the rights */
Datum
pocket_acl_allows(PG_FUNCTION_ARGS)
{
	pk_acl *acl = pocket_acl_unpack(PG_GETARG_POCKET_ACL(0));
	ArrayType *principals = PG_GETARG_ARRAYTYPE_P(1);
	uint8 asked = rights_of(PG_GETARG_TEXT_PP(2));
	uint8 rights = 0;
	Datum *names;
	bool *nulls;
	int count;
	int i;

	deconstruct_array(principals, TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls, &count);
	for (i = 0; i < count; i++)
	{
		/* nobody has no rights */
		if (!nulls[i])
		{
			text *name = DatumGetTextPP(names[i]);

			rights |= pk_acl_rights(acl, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
		}
	}
	PG_RETURN_BOOL((rights & asked) == asked);
}

/* allow(acl, principal, rights): with the principal's rights and these */
Datum
pocket_acl_allow(PG_FUNCTION_ARGS)
{
	pk_acl *acl = pocket_acl_unpack(PG_GETARG_POCKET_ACL(0));
	text *name = PG_GETARG_TEXT_PP(1);

	check_name(name);
	allow(acl, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name), rights_of(PG_GETARG_TEXT_PP(2)));
	PG_RETURN_POINTER(pocket_acl_pack(acl));
}

/* deny(acl, principal): without the principal's entry */
Datum
pocket_acl_deny(PG_FUNCTION_ARGS)
{
	pk_acl *acl = pocket_acl_unpack(PG_GETARG_POCKET_ACL(0));
	text *name = PG_GETARG_TEXT_PP(1);

	check_name(name);
	pk_acl_deny(acl, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	PG_RETURN_POINTER(pocket_acl_pack(acl));
}

/* a | b: whatever one of them grants; inherits when one of them does */
Datum
pocket_acl_union(PG_FUNCTION_ARGS)
{
	pk_acl *a = pocket_acl_unpack(PG_GETARG_POCKET_ACL(0));
	pk_acl *b = pocket_acl_unpack(PG_GETARG_POCKET_ACL(1));
	int i;

	a->cut = a->cut && b->cut;
	for (i = 0; i < b->count; i++)
		allow(a, b->entries[i].name, b->entries[i].length, b->entries[i].rights);
	PG_RETURN_POINTER(pocket_acl_pack(a));
}

/* inherits(acl): whether what stands above counts too */
Datum
pocket_acl_inherits(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!pocket_acl_unpack(PG_GETARG_POCKET_ACL(0))->cut);
}

/* inherit(acl, boolean): the same entries, inheriting or not */
Datum
pocket_acl_inherit(PG_FUNCTION_ARGS)
{
	pk_acl *acl = pocket_acl_unpack(PG_GETARG_POCKET_ACL(0));

	acl->cut = !PG_GETARG_BOOL(1);
	PG_RETURN_POINTER(pocket_acl_pack(acl));
}
