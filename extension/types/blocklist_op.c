/*
 * blocklist_op.c
 *	  Operators and functions of pocket.blocklist.
 */
#include "types/blocklist.h"

#include "common/hashfn.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/hsearch.h"

PG_FUNCTION_INFO_V1(pocket_blocklist_eq);
PG_FUNCTION_INFO_V1(pocket_blocklist_ne);
PG_FUNCTION_INFO_V1(pocket_blocklist_lt);
PG_FUNCTION_INFO_V1(pocket_blocklist_le);
PG_FUNCTION_INFO_V1(pocket_blocklist_gt);
PG_FUNCTION_INFO_V1(pocket_blocklist_ge);
PG_FUNCTION_INFO_V1(pocket_blocklist_cmp);
PG_FUNCTION_INFO_V1(pocket_blocklist_hash);
PG_FUNCTION_INFO_V1(pocket_blocklist_hash_extended);
PG_FUNCTION_INFO_V1(pocket_blocklist_concat);
PG_FUNCTION_INFO_V1(pocket_blocklist_size);
PG_FUNCTION_INFO_V1(pocket_blocklist_count);
PG_FUNCTION_INFO_V1(pocket_blocklist_blocks);
PG_FUNCTION_INFO_V1(pocket_blocklist_hash_of_content);
PG_FUNCTION_INFO_V1(pocket_blocklist_missing);
PG_FUNCTION_INFO_V1(pocket_chunk);

int64
pocket_blocklist_length(const PocketBlockList *list)
{
	int64 length = 0;
	int32 i;

	for (i = 0; i < list->count; i++)
		length += list->blocks[i].size;
	return length;
}

void
pocket_blocklist_content_hash(PocketSha256 *out, const PocketBlockList *list)
{
	uint8 *hashes = palloc((Size) list->count * PK_SHA256_SIZE + 1);
	int32 i;

	for (i = 0; i < list->count; i++)
		memcpy(hashes + (Size) i * PK_SHA256_SIZE, list->blocks[i].hash.bytes, PK_SHA256_SIZE);
	pk_content_hash(out->bytes, hashes, (size_t) list->count);
	pfree(hashes);
}

PocketBlockList *
pocket_blocklist_chunk(const char *data, Size length)
{
	PocketBlockList *list = pocket_blocklist_make((int64) ((length + PK_BLOCK_SIZE_MAX - 1) / PK_BLOCK_SIZE_MAX));
	int32 i;

	for (i = 0; i < list->count; i++)
	{
		Size at = (Size) i * PK_BLOCK_SIZE_MAX;

		CHECK_FOR_INTERRUPTS();
		list->blocks[i].size = (uint32) Min(length - at, PK_BLOCK_SIZE_MAX);
		pk_sha256(list->blocks[i].hash.bytes, data + at, list->blocks[i].size);
	}
	return list;
}

PocketBlockList *
pocket_blocklist_join(const PocketBlockList *head, int32 first_count, const PocketBlockList *tail)
{
	PocketBlockList *list = pocket_blocklist_make((int64) first_count + tail->count);

	Assert(first_count <= head->count);
	memcpy(list->blocks, head->blocks, (Size) first_count * sizeof(PocketBlock));
	memcpy(list->blocks + first_count, tail->blocks, (Size) tail->count * sizeof(PocketBlock));
	return list;
}

int
pocket_blocklist_compare(const PocketBlockList *a, const PocketBlockList *b)
{
	int32 count = Min(a->count, b->count);
	int32 i;

	for (i = 0; i < count; i++)
	{
		int order = pocket_sha256_compare(&a->blocks[i].hash, &b->blocks[i].hash);

		if (order != 0)
			return order;
		if (a->blocks[i].size != b->blocks[i].size)
			return a->blocks[i].size < b->blocks[i].size ? -1 : 1;
	}
	return (a->count > b->count) - (a->count < b->count);
}

static int
compare_arguments(FunctionCallInfo fcinfo)
{
	PocketBlockList *a = PG_GETARG_BLOCKLIST(0);
	PocketBlockList *b = PG_GETARG_BLOCKLIST(1);
	int order = pocket_blocklist_compare(a, b);

	/* btree support must not leak */
	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return order;
}

Datum
pocket_blocklist_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) == 0);
}

Datum
pocket_blocklist_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) != 0);
}

Datum
pocket_blocklist_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) < 0);
}

Datum
pocket_blocklist_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) <= 0);
}

Datum
pocket_blocklist_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) > 0);
}

Datum
pocket_blocklist_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) >= 0);
}

Datum
pocket_blocklist_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare_arguments(fcinfo));
}

Datum
pocket_blocklist_hash(PG_FUNCTION_ARGS)
{
	PocketBlockList *list = PG_GETARG_BLOCKLIST(0);
	Datum result = hash_any((const unsigned char *) list->blocks, (int) (list->count * sizeof(PocketBlock)));

	PG_FREE_IF_COPY(list, 0);
	return result;
}

Datum
pocket_blocklist_hash_extended(PG_FUNCTION_ARGS)
{
	PocketBlockList *list = PG_GETARG_BLOCKLIST(0);
	Datum result = hash_any_extended((const unsigned char *) list->blocks, (int) (list->count * sizeof(PocketBlock)),
									 PG_GETARG_INT64(1));

	PG_FREE_IF_COPY(list, 0);
	return result;
}

Datum
pocket_blocklist_concat(PG_FUNCTION_ARGS)
{
	PocketBlockList *a = PG_GETARG_BLOCKLIST(0);
	PocketBlockList *b = PG_GETARG_BLOCKLIST(1);

	PG_RETURN_POINTER(pocket_blocklist_join(a, a->count, b));
}

Datum
pocket_blocklist_size(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(pocket_blocklist_length(PG_GETARG_BLOCKLIST(0)));
}

Datum
pocket_blocklist_count(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(PG_GETARG_BLOCKLIST(0)->count);
}

/* blocks(list): SETOF (seq, hash, size), seq from 1 */
Datum
pocket_blocklist_blocks(PG_FUNCTION_ARGS)
{
	PocketBlockList *list = PG_GETARG_BLOCKLIST(0);
	ReturnSetInfo *set = (ReturnSetInfo *) fcinfo->resultinfo;
	int32 i;

	InitMaterializedSRF(fcinfo, 0);
	for (i = 0; i < list->count; i++)
	{
		Datum values[3] = {Int32GetDatum(i + 1), PointerGetDatum(&list->blocks[i].hash),
						   Int32GetDatum((int32) list->blocks[i].size)};
		bool nulls[3] = {false, false, false};

		CHECK_FOR_INTERRUPTS();
		tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* content_hash(list) */
Datum
pocket_blocklist_hash_of_content(PG_FUNCTION_ARGS)
{
	PocketSha256 *result = palloc(sizeof(PocketSha256));

	pocket_blocklist_content_hash(result, PG_GETARG_BLOCKLIST(0));
	PG_RETURN_POINTER(result);
}

/* missing(a, b): the blocks of a that are not in b, each once, in a's order */
Datum
pocket_blocklist_missing(PG_FUNCTION_ARGS)
{
	PocketBlockList *a = PG_GETARG_BLOCKLIST(0);
	PocketBlockList *b = PG_GETARG_BLOCKLIST(1);
	PocketBlockList *result = pocket_blocklist_make(a->count);
	HASHCTL control = {.keysize = PK_SHA256_SIZE, .entrysize = PK_SHA256_SIZE, .hcxt = CurrentMemoryContext};
	HTAB *known = hash_create("blocks that are not missing", (long) b->count + 16, &control,
							  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	int32 count = 0;
	int32 i;
	bool found;

	for (i = 0; i < b->count; i++)
		(void) hash_search(known, &b->blocks[i].hash, HASH_ENTER, NULL);
	for (i = 0; i < a->count; i++)
	{
		(void) hash_search(known, &a->blocks[i].hash, HASH_ENTER, &found);
		if (!found)
			result->blocks[count++] = a->blocks[i];
	}
	hash_destroy(known);
	result->count = count;
	SET_VARSIZE(result, POCKET_BLOCKLIST_SIZE(count));
	PG_RETURN_POINTER(result);
}

/* chunk(bytea): cuts and hashes */
Datum
pocket_chunk(PG_FUNCTION_ARGS)
{
	bytea *data = PG_GETARG_BYTEA_PP(0);

	PG_RETURN_POINTER(pocket_blocklist_chunk(VARDATA_ANY(data), VARSIZE_ANY_EXHDR(data)));
}
