/*
 * blocklist_io.c
 *	  Text and binary forms of pocket.blocklist.
 */
#include "types/blocklist.h"

#include "contract/pk_bytes.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "types/report.h"

PG_FUNCTION_INFO_V1(pocket_blocklist_in);
PG_FUNCTION_INFO_V1(pocket_blocklist_out);
PG_FUNCTION_INFO_V1(pocket_blocklist_recv);
PG_FUNCTION_INFO_V1(pocket_blocklist_send);

PocketBlockList *
pocket_blocklist_make(int64 count)
{
	PocketBlockList *list;

	if (count < 0 || count > POCKET_BLOCKLIST_COUNT_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("a block list can have at most %d blocks", POCKET_BLOCKLIST_COUNT_MAX)));
	list = palloc0(POCKET_BLOCKLIST_SIZE(count));
	SET_VARSIZE(list, POCKET_BLOCKLIST_SIZE(count));
	list->count = (int32) count;
	return list;
}

Datum
pocket_blocklist_in(PG_FUNCTION_ARGS)
{
	char *text = PG_GETARG_CSTRING(0);
	Size length = strlen(text);
	size_t count = pk_blocklist_count_text(text, length);
	PocketBlockList *list;
	const char *fault;
	size_t at;

	/* before any memory is taken for it */
	if (count > POCKET_BLOCKLIST_COUNT_MAX)
		pocket_return_error(fcinfo->context, (Datum) 0,
							(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
							 errmsg("a block list can have at most %d blocks", POCKET_BLOCKLIST_COUNT_MAX)));
	list = pocket_blocklist_make((int64) count);
	fault = pk_blocklist_parse(list->blocks, count, text, length, &at);
	if (fault != NULL)
		pocket_return_error(
			fcinfo->context, (Datum) 0,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid input syntax for type %s: \"%.*s\"", "pocket.blocklist", POCKET_CLIPPED(text)),
			 errdetail("At character %d: %s.", pocket_character(text, at), fault)));
	PG_RETURN_POINTER(list);
}

Datum
pocket_blocklist_out(PG_FUNCTION_ARGS)
{
	PocketBlockList *list = PG_GETARG_BLOCKLIST(0);
	StringInfoData text;
	int32 i;

	initStringInfo(&text);
	appendStringInfoChar(&text, '{');
	for (i = 0; i < list->count; i++)
	{
		char hex[PK_SHA256_HEX + 1];

		pk_hex_encode(hex, list->blocks[i].hash.bytes, PK_SHA256_SIZE);
		appendStringInfo(&text, "%s%s:%u", i > 0 ? "," : "", hex, list->blocks[i].size);
	}
	appendStringInfoChar(&text, '}');
	PG_RETURN_CSTRING(text.data);
}

static POCKET_NORETURN void
bad_binary(size_t at, const char *fault)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
			 errmsg("invalid binary value for type %s", "pocket.blocklist"), errdetail("At byte %zu: %s.", at, fault)));
}

Datum
pocket_blocklist_recv(PG_FUNCTION_ARGS)
{
	StringInfo buffer = (StringInfo) PG_GETARG_POINTER(0);
	int length = buffer->len - buffer->cursor;
	const uint8 *bytes = (const uint8 *) pq_getmsgbytes(buffer, length);
	long count = pk_blocklist_count(bytes, (size_t) length);
	PocketBlockList *list;
	const char *fault;
	size_t at;

	if (count < 0)
		bad_binary(0, "the number of blocks does not fit the number of bytes");
	list = pocket_blocklist_make(count);
	fault = pk_blocklist_decode(list->blocks, (size_t) count, bytes, &at);
	if (fault != NULL)
		bad_binary(at, fault);
	PG_RETURN_POINTER(list);
}

Datum
pocket_blocklist_send(PG_FUNCTION_ARGS)
{
	PocketBlockList *list = PG_GETARG_BLOCKLIST(0);
	bytea *bytes = palloc(VARHDRSZ + PK_BLOCKLIST_SIZE(list->count));

	SET_VARSIZE(bytes, VARHDRSZ + PK_BLOCKLIST_SIZE(list->count));
	pk_blocklist_encode((uint8 *) VARDATA(bytes), list->blocks, (size_t) list->count);
	PG_RETURN_BYTEA_P(bytes);
}
