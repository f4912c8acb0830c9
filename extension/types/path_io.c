/*
 * path_io.c
 *	  Text and binary forms of pocket.path.
 */
#include "types/path.h"

#include "libpq/pqformat.h"
#include "types/report.h"

PG_FUNCTION_INFO_V1(pocket_path_in);
PG_FUNCTION_INFO_V1(pocket_path_out);
PG_FUNCTION_INFO_V1(pocket_path_recv);
PG_FUNCTION_INFO_V1(pocket_path_send);

struct varlena *
pocket_path_make(Size length)
{
	struct varlena *path = palloc(VARHDRSZ + length);

	SET_VARSIZE(path, VARHDRSZ + length);
	return path;
}

static int
sqlstate_of(const pk_path_error *error, int malformed)
{
	bool limit = error->fault == PK_PATH_LONG || error->fault == PK_PATH_DEEP ||
				 (error->fault == PK_PATH_NAME && error->name_fault == PK_NAME_LONG);

	return limit ? ERRCODE_PROGRAM_LIMIT_EXCEEDED : malformed;
}

/* NULL, and what is wrong, when text is no path; takes memory for one that is not too long alone. */
static struct varlena *
parse(const char *text, Size length, pk_path_error *error)
{
	struct varlena *path = pocket_path_make(Min(length, PK_PATH_SIZE_MAX));
	Size size = pk_path_parse(VARDATA(path), text, length, error);

	if (size == 0)
		return NULL;
	SET_VARSIZE(path, VARHDRSZ + size);
	return path;
}

Datum
pocket_path_in(PG_FUNCTION_ARGS)
{
	char *text = PG_GETARG_CSTRING(0);
	pk_path_error error;
	struct varlena *path = parse(text, strlen(text), &error);

	if (path == NULL)
		pocket_return_error(
			fcinfo->context, (Datum) 0,
			(errcode(sqlstate_of(&error, ERRCODE_INVALID_TEXT_REPRESENTATION)),
			 errmsg("invalid input syntax for type %s: \"%.*s\"", "pocket.path", POCKET_CLIPPED(text)),
			 errdetail("At character %d: %s.", pocket_character(text, error.at), pk_path_error_text(&error)),
			 error.fault == PK_PATH_NO_NAMESPACE
				 ? errhint("A value of this type names its namespace: name:/folder/file.")
				 : 0));
	PG_RETURN_POINTER(path);
}

Datum
pocket_path_out(PG_FUNCTION_ARGS)
{
	struct varlena *path = PG_GETARG_POCKET_PATH(0);
	Size length = pk_path_text_length(VARDATA_ANY(path), VARSIZE_ANY_EXHDR(path));
	char *text = palloc(length + 1);

	pk_path_format(text, VARDATA_ANY(path), VARSIZE_ANY_EXHDR(path));
	text[length] = '\0';
	PG_RETURN_CSTRING(text);
}

Datum
pocket_path_recv(PG_FUNCTION_ARGS)
{
	StringInfo buffer = (StringInfo) PG_GETARG_POINTER(0);
	int length = buffer->len - buffer->cursor;
	pk_path_error error;
	struct varlena *path = parse(pq_getmsgbytes(buffer, length), (Size) length, &error);

	if (path == NULL)
		ereport(ERROR, (errcode(sqlstate_of(&error, ERRCODE_INVALID_BINARY_REPRESENTATION)),
						errmsg("invalid binary value for type %s", "pocket.path"),
						errdetail("At byte %zu: %s.", error.at, pk_path_error_text(&error))));
	if (pk_path_text_length(VARDATA(path), VARSIZE(path) - VARHDRSZ) != (Size) length)
		ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
						errmsg("invalid binary value for type %s", "pocket.path"),
						errdetail("At byte %d: a path does not end in a slash.", length - 1)));
	PG_RETURN_POINTER(path);
}

Datum
pocket_path_send(PG_FUNCTION_ARGS)
{
	struct varlena *path = PG_GETARG_POCKET_PATH(0);
	Size length = pk_path_text_length(VARDATA_ANY(path), VARSIZE_ANY_EXHDR(path));
	struct varlena *bytes = pocket_path_make(length);

	pk_path_format(VARDATA(bytes), VARDATA_ANY(path), VARSIZE_ANY_EXHDR(path));
	PG_RETURN_BYTEA_P(bytes);
}
