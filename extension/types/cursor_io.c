/*
 * cursor_io.c
 *	  Text and binary forms of pocket.cursor.
 */
#include "types/cursor.h"

#include "libpq/pqformat.h"
#include "types/report.h"

PG_FUNCTION_INFO_V1(pocket_cursor_in);
PG_FUNCTION_INFO_V1(pocket_cursor_out);
PG_FUNCTION_INFO_V1(pocket_cursor_recv);
PG_FUNCTION_INFO_V1(pocket_cursor_send);

PocketCursor *
pocket_cursor_make(int64 count)
{
	PocketCursor *cursor;

	if (count < 0 || count > PK_CURSOR_ITEMS_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("a cursor can have at most %d namespaces", PK_CURSOR_ITEMS_MAX)));
	cursor = palloc0(POCKET_CURSOR_SIZE(count));
	SET_VARSIZE(cursor, POCKET_CURSOR_SIZE(count));
	cursor->count = (int32) count;
	return cursor;
}

static uint8 *
encode(const PocketCursor *cursor)
{
	uint8 *bytes = palloc(PK_CURSOR_SIZE(cursor->count));

	pk_cursor_encode(bytes, &cursor->head, cursor->items, cursor->count);
	return bytes;
}

static const char *
fault_text(pk_error fault)
{
	return fault == PK_ERR_CORRUPT ? "the checksum does not match" : "the field is not valid";
}

/* The first character of text that is no base64url digit; its length when all are. */
static Size
digits(const char *text)
{
	return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
}

Datum
pocket_cursor_in(PG_FUNCTION_ARGS)
{
	char *text = PG_GETARG_CSTRING(0);
	Size length = strlen(text);
	long count = pk_cursor_count(length / 4 * 3 + length % 4 * 3 / 4);
	PocketCursor *cursor;
	uint8 *bytes;
	pk_error fault;
	size_t at;

	if (digits(text) != length)
		pocket_return_error(
			fcinfo->context, (Datum) 0,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid input syntax for type %s: \"%.*s\"", "pocket.cursor", POCKET_CLIPPED(text)),
			 errdetail("At character %d: a digit of base64url is expected.", pocket_character(text, digits(text)))));
	/* before any memory is taken for it */
	if (count > PK_CURSOR_ITEMS_MAX)
		pocket_return_error(fcinfo->context, (Datum) 0,
							(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
							 errmsg("a cursor can have at most %d namespaces", PK_CURSOR_ITEMS_MAX)));
	bytes = palloc(PK_CURSOR_SIZE(Max(count, 0)));
	if (count < 0 || !pk_base64_decode(bytes, PK_CURSOR_SIZE(count), text, length))
		pocket_return_error(
			fcinfo->context, (Datum) 0,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid input syntax for type %s: \"%.*s\"", "pocket.cursor", POCKET_CLIPPED(text)),
			 errdetail("At character %zu: the text is cut or not canonical.", length + 1)));
	cursor = pocket_cursor_make(count);
	fault = pk_cursor_decode(&cursor->head, cursor->items, (int) count, bytes, &at);
	if (fault != PK_OK)
		pocket_return_error(
			fcinfo->context, (Datum) 0,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid input syntax for type %s: \"%.*s\"", "pocket.cursor", POCKET_CLIPPED(text)),
			 errdetail("At character %zu: %s.", at * 4 / 3 + 1, fault_text(fault))));
	PG_RETURN_POINTER(cursor);
}

Datum
pocket_cursor_out(PG_FUNCTION_ARGS)
{
	PocketCursor *cursor = PG_GETARG_CURSOR(0);
	char *text = palloc(PK_BASE64_LENGTH(PK_CURSOR_SIZE(cursor->count)) + 1);

	pk_base64_encode(text, encode(cursor), PK_CURSOR_SIZE(cursor->count));
	PG_RETURN_CSTRING(text);
}

Datum
pocket_cursor_recv(PG_FUNCTION_ARGS)
{
	StringInfo buffer = (StringInfo) PG_GETARG_POINTER(0);
	int length = buffer->len - buffer->cursor;
	long count = pk_cursor_count((size_t) length);
	PocketCursor *cursor;
	pk_error fault;
	size_t at;

	if (count < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
						errmsg("invalid binary value for type %s", "pocket.cursor"),
						errdetail("No cursor has %d bytes.", length)));
	cursor = pocket_cursor_make(count);
	fault = pk_cursor_decode(&cursor->head, cursor->items, (int) count, (const uint8 *) pq_getmsgbytes(buffer, length),
							 &at);
	if (fault != PK_OK)
		ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
						errmsg("invalid binary value for type %s", "pocket.cursor"),
						errdetail("At byte %zu: %s.", at, fault_text(fault))));
	PG_RETURN_POINTER(cursor);
}

Datum
pocket_cursor_send(PG_FUNCTION_ARGS)
{
	PocketCursor *cursor = PG_GETARG_CURSOR(0);
	StringInfoData buffer;

	pq_begintypsend(&buffer);
	pq_sendbytes(&buffer, (const char *) encode(cursor), (int) PK_CURSOR_SIZE(cursor->count));
	PG_RETURN_BYTEA_P(pq_endtypsend(&buffer));
}
