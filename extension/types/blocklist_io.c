/*
 * blocklist_io.c
 *	  Text and binary forms of pocket.blocklist.
 */
#include "types/blocklist.h"

#include "contract/pk_bytes.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"

PG_FUNCTION_INFO_V1(pocket_blocklist_in);
PG_FUNCTION_INFO_V1(pocket_blocklist_out);
PG_FUNCTION_INFO_V1(pocket_blocklist_recv);
PG_FUNCTION_INFO_V1(pocket_blocklist_send);

#define BINARY_BLOCK_SIZE (PK_SHA256_SIZE + 4)

static bool
size_is_valid(int64 size)
{
	return size >= PK_BLOCK_SIZE_MIN && size <= PK_BLOCK_SIZE_MAX;
}

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

/*
 * One "hash:size" at *at, which is moved behind it; NULL, or what is wrong at *at.
 */
static const char *
parse_block(PocketBlock *block, const char **at)
{
	const char *p = *at;
	int64 size = 0;

	if (strnlen(p, PK_SHA256_HEX) < PK_SHA256_HEX ||
		!pk_hex_decode(block->hash.bytes, PK_SHA256_SIZE, p, PK_SHA256_HEX))
		return "64 hexadecimal digits are expected";
	p += PK_SHA256_HEX;
	*at = p;
	if (*p++ != ':')
		return "a colon is expected";
	*at = p;
	if (*p < '1' || *p > '9')
		return "a size of 1 to 4194304 is expected";
	while (*p >= '0' && *p <= '9' && size <= PK_BLOCK_SIZE_MAX)
		size = size * 10 + (*p++ - '0');
	if (!size_is_valid(size))
		return "a size of 1 to 4194304 is expected";
	block->size = (uint32) size;
	*at = p;
	return NULL;
}

/* Fills list, which has room for as many blocks as text has colons. */
static const char *
parse_blocks(PocketBlockList *list, const char **at)
{
	int64 count = 0;
	const char *fault;

	if (**at != '{')
		return "an opening brace is expected";
	(*at)++;
	while (**at != '}' || count > 0)
	{
		if (count >= list->count)
			return "64 hexadecimal digits and a colon are expected";
		fault = parse_block(&list->blocks[count++], at);
		if (fault != NULL)
			return fault;
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
pocket_blocklist_in(PG_FUNCTION_ARGS)
{
	char *text = PG_GETARG_CSTRING(0);
	const char *at = text;
	const char *fault;
	const char *p;
	int64 count = 0;
	PocketBlockList *list;

	for (p = text; *p != '\0'; p++)
		count += *p == ':';
	if (count > POCKET_BLOCKLIST_COUNT_MAX)
		pocket_return_error(fcinfo->context, (Datum) 0,
							(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
							 errmsg("a block list can have at most %d blocks", POCKET_BLOCKLIST_COUNT_MAX)));
	list = pocket_blocklist_make(count);
	fault = parse_blocks(list, &at);
	if (fault != NULL)
		pocket_return_error(fcinfo->context, (Datum) 0,
							(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
							 errmsg("invalid input syntax for type %s: \"%.200s\"", "pocket.blocklist", text),
							 errdetail("At character %d: %s.", (int) (at - text) + 1, fault)));
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
bad_binary(const char *detail, int64 value)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
					errmsg("invalid binary value for type %s", "pocket.blocklist"),
					errdetail("%s: %lld.", detail, (long long) value)));
}

Datum
pocket_blocklist_recv(PG_FUNCTION_ARGS)
{
	StringInfo buffer = (StringInfo) PG_GETARG_POINTER(0);
	PocketBlockList *list;
	int32 count;
	int32 i;

	if (buffer->len - buffer->cursor < 4)
		bad_binary("Bytes where a count is expected", buffer->len - buffer->cursor);
	count = (int32) pq_getmsgint(buffer, 4);
	/* before any memory is taken for it */
	if (count < 0 || count > POCKET_BLOCKLIST_COUNT_MAX)
		bad_binary("Count out of range", count);
	if ((int64) count * BINARY_BLOCK_SIZE != buffer->len - buffer->cursor)
		bad_binary("Bytes do not fit the count", buffer->len - buffer->cursor);
	list = pocket_blocklist_make(count);
	for (i = 0; i < count; i++)
	{
		int64 size;

		memcpy(list->blocks[i].hash.bytes, pq_getmsgbytes(buffer, PK_SHA256_SIZE), PK_SHA256_SIZE);
		size = pq_getmsgint(buffer, 4);
		if (!size_is_valid(size))
			bad_binary("Size of a block out of range", size);
		list->blocks[i].size = (uint32) size;
	}
	PG_RETURN_POINTER(list);
}

Datum
pocket_blocklist_send(PG_FUNCTION_ARGS)
{
	PocketBlockList *list = PG_GETARG_BLOCKLIST(0);
	StringInfoData buffer;
	int32 i;

	pq_begintypsend(&buffer);
	pq_sendint32(&buffer, list->count);
	for (i = 0; i < list->count; i++)
	{
		pq_sendbytes(&buffer, (const char *) list->blocks[i].hash.bytes, PK_SHA256_SIZE);
		pq_sendint32(&buffer, list->blocks[i].size);
	}
	PG_RETURN_BYTEA_P(pq_endtypsend(&buffer));
}
