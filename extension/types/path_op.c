/*
 * path_op.c
 *	  Operators and functions of pocket.path.
 */
#include "types/path.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "utils/array.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(pocket_path_eq);
PG_FUNCTION_INFO_V1(pocket_path_ne);
PG_FUNCTION_INFO_V1(pocket_path_lt);
PG_FUNCTION_INFO_V1(pocket_path_le);
PG_FUNCTION_INFO_V1(pocket_path_gt);
PG_FUNCTION_INFO_V1(pocket_path_ge);
PG_FUNCTION_INFO_V1(pocket_path_cmp);
PG_FUNCTION_INFO_V1(pocket_path_hash);
PG_FUNCTION_INFO_V1(pocket_path_hash_extended);
PG_FUNCTION_INFO_V1(pocket_path_above);
PG_FUNCTION_INFO_V1(pocket_path_below);
PG_FUNCTION_INFO_V1(pocket_path_append);
PG_FUNCTION_INFO_V1(pocket_path_parent);
PG_FUNCTION_INFO_V1(pocket_path_name);
PG_FUNCTION_INFO_V1(pocket_path_namespace);
PG_FUNCTION_INFO_V1(pocket_path_depth);
PG_FUNCTION_INFO_V1(pocket_path_lineage);
PG_FUNCTION_INFO_V1(pocket_path_subtree_end);

static int
compare_arguments(FunctionCallInfo fcinfo)
{
	struct varlena *a = PG_GETARG_POCKET_PATH(0);
	struct varlena *b = PG_GETARG_POCKET_PATH(1);
	int order = pk_path_compare(VARDATA_ANY(a), VARSIZE_ANY_EXHDR(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(b));

	/* btree support must not leak */
	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return order;
}

Datum
pocket_path_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) == 0);
}

Datum
pocket_path_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) != 0);
}

Datum
pocket_path_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) < 0);
}

Datum
pocket_path_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) <= 0);
}

Datum
pocket_path_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) > 0);
}

Datum
pocket_path_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) >= 0);
}

Datum
pocket_path_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare_arguments(fcinfo));
}

Datum
pocket_path_hash(PG_FUNCTION_ARGS)
{
	struct varlena *path = PG_GETARG_POCKET_PATH(0);
	Datum result = hash_any((const unsigned char *) VARDATA_ANY(path), (int) VARSIZE_ANY_EXHDR(path));

	PG_FREE_IF_COPY(path, 0);
	return result;
}

Datum
pocket_path_hash_extended(PG_FUNCTION_ARGS)
{
	struct varlena *path = PG_GETARG_POCKET_PATH(0);
	Datum result =
		hash_any_extended((const unsigned char *) VARDATA_ANY(path), (int) VARSIZE_ANY_EXHDR(path), PG_GETARG_INT64(1));

	PG_FREE_IF_COPY(path, 0);
	return result;
}

static bool
is_above(const struct varlena *above, const struct varlena *path)
{
	return pk_path_is_above(VARDATA_ANY(above), VARSIZE_ANY_EXHDR(above), VARDATA_ANY(path), VARSIZE_ANY_EXHDR(path));
}

Datum
pocket_path_above(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(is_above(PG_GETARG_POCKET_PATH(0), PG_GETARG_POCKET_PATH(1)));
}

Datum
pocket_path_below(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(is_above(PG_GETARG_POCKET_PATH(1), PG_GETARG_POCKET_PATH(0)));
}

/* The first bytes of a path, and then a separator and name, if there is one. */
static struct varlena *
join(const struct varlena *path, Size length, const char *name, Size name_length)
{
	struct varlena *result = pocket_path_make(length + (name != NULL ? 1 + name_length : 0));

	memcpy(VARDATA(result), VARDATA_ANY(path), length);
	if (name != NULL)
	{
		VARDATA(result)[length] = '\0';
		memcpy(VARDATA(result) + length + 1, name, name_length);
	}
	return result;
}

/* path / name */
Datum
pocket_path_append(PG_FUNCTION_ARGS)
{
	struct varlena *path = PG_GETARG_POCKET_PATH(0);
	text *name = PG_GETARG_TEXT_PP(1);
	Size length = VARSIZE_ANY_EXHDR(path);
	Size name_length = VARSIZE_ANY_EXHDR(name);
	size_t at;
	pk_name_fault fault = pk_name_check(VARDATA_ANY(name), name_length, &at);

	if (fault == PK_NAME_LONG)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("a name can have at most %d bytes", PK_NAME_SIZE_MAX)));
	if (fault != PK_NAME_VALID)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid name \"%s\"", text_to_cstring(name)),
				 errdetail("The name %s.", pk_name_fault_text(fault)), errhint("The operator / appends one name.")));
	if (pk_path_depth(VARDATA_ANY(path), length) == PK_PATH_DEPTH_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("a path can have at most %d names", PK_PATH_DEPTH_MAX)));
	/* ":/" is a byte longer than what is stored for it */
	if (length + 1 + name_length + 1 > PK_PATH_SIZE_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("a path can have at most %d bytes", PK_PATH_SIZE_MAX)));
	PG_RETURN_POINTER(join(path, length, VARDATA_ANY(name), name_length));
}

/* parent(path): NULL for a root */
Datum
pocket_path_parent(PG_FUNCTION_ARGS)
{
	struct varlena *path = PG_GETARG_POCKET_PATH(0);
	Size length = pk_path_parent(VARDATA_ANY(path), VARSIZE_ANY_EXHDR(path));

	if (length == 0)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(join(path, length, NULL, 0));
}

/* name(path): the last one; NULL for a root */
Datum
pocket_path_name(PG_FUNCTION_ARGS)
{
	struct varlena *path = PG_GETARG_POCKET_PATH(0);
	Size length = VARSIZE_ANY_EXHDR(path);
	Size parent = pk_path_parent(VARDATA_ANY(path), length);

	if (parent == 0)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(VARDATA_ANY(path) + parent + 1, (int) (length - parent - 1)));
}

/* namespace(path): its name */
Datum
pocket_path_namespace(PG_FUNCTION_ARGS)
{
	struct varlena *path = PG_GETARG_POCKET_PATH(0);

	PG_RETURN_TEXT_P(
		cstring_to_text_with_len(VARDATA_ANY(path), (int) strnlen(VARDATA_ANY(path), VARSIZE_ANY_EXHDR(path))));
}

/* depth(path): of names; 0 for a root */
Datum
pocket_path_depth(PG_FUNCTION_ARGS)
{
	struct varlena *path = PG_GETARG_POCKET_PATH(0);

	PG_RETURN_INT32(pk_path_depth(VARDATA_ANY(path), VARSIZE_ANY_EXHDR(path)));
}

/* lineage(path): everything that is above it, from the root, and itself */
Datum
pocket_path_lineage(PG_FUNCTION_ARGS)
{
	struct varlena *path = PG_GETARG_POCKET_PATH(0);
	Size length = VARSIZE_ANY_EXHDR(path);
	int count = pk_path_depth(VARDATA_ANY(path), length) + 1;
	Datum *paths = palloc(sizeof(Datum) * (Size) count);
	Oid type = get_fn_expr_argtype(fcinfo->flinfo, 0);
	int i;

	if (!OidIsValid(type))
		elog(ERROR, "the type of a path's array is not known");
	for (i = count; i-- > 0; length = pk_path_parent(VARDATA_ANY(path), length))
		paths[i] = PointerGetDatum(join(path, length, NULL, 0));
	PG_RETURN_ARRAYTYPE_P(construct_array(paths, count, type, -1, false, TYPALIGN_INT));
}

/*
 * path_subtree_end(path): the least path behind everything that is below path.
 * That is its sibling whose name goes on with a space, the least character that
 * names have.  A bound to compare with: it may be longer than a path can be.
 */
Datum
pocket_path_subtree_end(PG_FUNCTION_ARGS)
{
	struct varlena *path = PG_GETARG_POCKET_PATH(0);
	Size length = VARSIZE_ANY_EXHDR(path);
	struct varlena *end = pocket_path_make(length + 1);

	memcpy(VARDATA(end), VARDATA_ANY(path), length);
	VARDATA(end)[length] = ' ';
	PG_RETURN_POINTER(end);
}
