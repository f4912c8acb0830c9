/*
 * acl_io.c
 *	  Text and binary forms of pocket.acl.
 */
#include "types/acl.h"

#include "libpq/pqformat.h"
#include "types/report.h"

PG_FUNCTION_INFO_V1(pocket_acl_in);
PG_FUNCTION_INFO_V1(pocket_acl_out);
PG_FUNCTION_INFO_V1(pocket_acl_recv);
PG_FUNCTION_INFO_V1(pocket_acl_send);

pk_acl *
pocket_acl_unpack(struct varlena *packed)
{
	pk_acl *acl = palloc(sizeof(pk_acl));
	size_t at;
	pk_acl_fault fault = pk_acl_decode(acl, (const uint8 *) VARDATA_ANY(packed), VARSIZE_ANY_EXHDR(packed), &at);

	if (fault != PK_ACL_VALID)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("value of type %s is damaged", "pocket.acl"),
						errdetail("At byte %zu: %s.", at, pk_acl_fault_text(fault))));
	return acl;
}

struct varlena *
pocket_acl_pack(const pk_acl *acl)
{
	Size size = VARHDRSZ + pk_acl_size(acl);
	struct varlena *packed = palloc(size);

	SET_VARSIZE(packed, size);
	pk_acl_encode((uint8 *) VARDATA(packed), acl);
	return packed;
}

static int
sqlstate_of(pk_acl_fault fault, int malformed)
{
	return fault == PK_ACL_MANY || fault == PK_ACL_NAME_LONG ? ERRCODE_PROGRAM_LIMIT_EXCEEDED : malformed;
}

Datum
pocket_acl_in(PG_FUNCTION_ARGS)
{
	char *text = PG_GETARG_CSTRING(0);
	Size length = strlen(text);
	pk_acl *acl;
	pk_acl_fault fault;
	size_t at;

	/* before memory is taken for its names */
	if (length > PK_ACL_TEXT_MAX)
		pocket_return_error(fcinfo->context, (Datum) 0,
							(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
							 errmsg("text of type %s is longer than %d bytes", "pocket.acl", PK_ACL_TEXT_MAX)));
	acl = palloc(sizeof(pk_acl));
	fault = pk_acl_parse(acl, palloc(length + 1), text, length, &at);
	if (fault != PK_ACL_VALID)
		pocket_return_error(fcinfo->context, (Datum) 0,
							(errcode(sqlstate_of(fault, ERRCODE_INVALID_TEXT_REPRESENTATION)),
							 errmsg("invalid input syntax for type %s: \"%.*s\"", "pocket.acl", POCKET_CLIPPED(text)),
							 errdetail("At character %d: %s.", pocket_character(text, at), pk_acl_fault_text(fault))));
	PG_RETURN_POINTER(pocket_acl_pack(acl));
}

Datum
pocket_acl_out(PG_FUNCTION_ARGS)
{
	pk_acl *acl = pocket_acl_unpack(PG_GETARG_POCKET_ACL(0));
	char *text = palloc(PK_ACL_TEXT_SIZE(acl));

	(void) pk_acl_format(text, acl);
	PG_RETURN_CSTRING(text);
}

Datum
pocket_acl_recv(PG_FUNCTION_ARGS)
{
	StringInfo buffer = (StringInfo) PG_GETARG_POINTER(0);
	int length = buffer->len - buffer->cursor;
	pk_acl *acl;
	pk_acl_fault fault;
	size_t at;

	if (length > PK_ACL_SIZE_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("binary value of type %s is longer than %d bytes", "pocket.acl", PK_ACL_SIZE_MAX)));
	acl = palloc(sizeof(pk_acl));
	fault = pk_acl_decode(acl, (const uint8 *) pq_getmsgbytes(buffer, length), (size_t) length, &at);
	if (fault != PK_ACL_VALID)
		ereport(ERROR, (errcode(sqlstate_of(fault, ERRCODE_INVALID_BINARY_REPRESENTATION)),
						errmsg("invalid binary value for type %s", "pocket.acl"),
						errdetail("At byte %zu: %s.", at, pk_acl_fault_text(fault))));
	PG_RETURN_POINTER(pocket_acl_pack(acl));
}

Datum
pocket_acl_send(PG_FUNCTION_ARGS)
{
	struct varlena *packed = PG_GETARG_POCKET_ACL(0);
	StringInfoData buffer;

	pq_begintypsend(&buffer);
	pq_sendbytes(&buffer, VARDATA_ANY(packed), (int) VARSIZE_ANY_EXHDR(packed));
	PG_RETURN_BYTEA_P(pq_endtypsend(&buffer));
}
