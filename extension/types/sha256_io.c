/*
 * sha256_io.c
 *	  Text and binary forms of pocket.sha256, and its casts.
 */
#include "types/sha256.h"

#include <ctype.h>

#include "contract/pk_bytes.h"
#include "libpq/pqformat.h"
#include "types/report.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(pocket_sha256_in);
PG_FUNCTION_INFO_V1(pocket_sha256_out);
PG_FUNCTION_INFO_V1(pocket_sha256_recv);
PG_FUNCTION_INFO_V1(pocket_sha256_send);
PG_FUNCTION_INFO_V1(pocket_sha256_from_bytea);
PG_FUNCTION_INFO_V1(pocket_sha256_to_bytea);
PG_FUNCTION_INFO_V1(pocket_digest);

PocketSha256 *
pocket_sha256_make(const uint8 *bytes)
{
	PocketSha256 *result = palloc(sizeof(PocketSha256));

	memcpy(result->bytes, bytes, PK_SHA256_SIZE);
	return result;
}

Datum
pocket_sha256_in(PG_FUNCTION_ARGS)
{
	char *text = PG_GETARG_CSTRING(0);
	Size length = strlen(text);
	PocketSha256 *result = palloc(sizeof(PocketSha256));
	Size at = 0;

	if (pk_hex_decode(result->bytes, PK_SHA256_SIZE, text, length))
		PG_RETURN_POINTER(result);
	while (at < length && isxdigit((unsigned char) text[at]))
		at++;
	if (at < length && at < PK_SHA256_HEX)
		pocket_return_error(
			fcinfo->context, (Datum) 0,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid input syntax for type %s: \"%.*s\"", "pocket.sha256", POCKET_CLIPPED(text)),
			 errdetail("Character %d is not a hexadecimal digit.", pocket_character(text, at))));
	pocket_return_error(fcinfo->context, (Datum) 0,
						(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
						 errmsg("invalid input syntax for type %s: \"%.*s\"", "pocket.sha256", POCKET_CLIPPED(text)),
						 errdetail("A SHA-256 has %d hexadecimal digits, not %zu.", PK_SHA256_HEX, length)));
}

Datum
pocket_sha256_out(PG_FUNCTION_ARGS)
{
	PocketSha256 *hash = PG_GETARG_SHA256(0);
	char *text = palloc(PK_SHA256_HEX + 1);

	pk_hex_encode(text, hash->bytes, PK_SHA256_SIZE);
	PG_RETURN_CSTRING(text);
}

Datum
pocket_sha256_recv(PG_FUNCTION_ARGS)
{
	StringInfo buffer = (StringInfo) PG_GETARG_POINTER(0);
	int length = buffer->len - buffer->cursor;

	if (length != PK_SHA256_SIZE)
		ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
						errmsg("invalid binary value for type %s", "pocket.sha256"),
						errdetail("A SHA-256 has %d bytes, not %d.", PK_SHA256_SIZE, length)));
	PG_RETURN_POINTER(pocket_sha256_make((const uint8 *) pq_getmsgbytes(buffer, PK_SHA256_SIZE)));
}

Datum
pocket_sha256_send(PG_FUNCTION_ARGS)
{
	StringInfoData buffer;

	pq_begintypsend(&buffer);
	pq_sendbytes(&buffer, (const char *) PG_GETARG_SHA256(0)->bytes, PK_SHA256_SIZE);
	PG_RETURN_BYTEA_P(pq_endtypsend(&buffer));
}

Datum
pocket_sha256_from_bytea(PG_FUNCTION_ARGS)
{
	bytea *bytes = PG_GETARG_BYTEA_PP(0);

	if (VARSIZE_ANY_EXHDR(bytes) != PK_SHA256_SIZE)
		ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION), errmsg("invalid bytes for type pocket.sha256"),
						errdetail("A SHA-256 has %d bytes, not %zu.", PK_SHA256_SIZE, VARSIZE_ANY_EXHDR(bytes)),
						errhint("pocket.digest() computes the SHA-256 of bytes.")));
	PG_RETURN_POINTER(pocket_sha256_make((const uint8 *) VARDATA_ANY(bytes)));
}

Datum
pocket_sha256_to_bytea(PG_FUNCTION_ARGS)
{
	PG_RETURN_BYTEA_P(cstring_to_text_with_len((const char *) PG_GETARG_SHA256(0)->bytes, PK_SHA256_SIZE));
}

/* digest(bytea): the hash of bytes */
Datum
pocket_digest(PG_FUNCTION_ARGS)
{
	bytea *bytes = PG_GETARG_BYTEA_PP(0);
	PocketSha256 *result = palloc(sizeof(PocketSha256));

	pk_sha256(result->bytes, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
	PG_RETURN_POINTER(result);
}
