/*
 * cursor_op.c
 *	  Comparison and hashing of pocket.cursor, and its items.
 *
 * The order is total, and only for sorting: of two cursors the greater need not
 * have read more.
 */
#include "types/cursor.h"

#include "common/hashfn.h"

PG_FUNCTION_INFO_V1(pocket_cursor_eq);
PG_FUNCTION_INFO_V1(pocket_cursor_ne);
PG_FUNCTION_INFO_V1(pocket_cursor_lt);
PG_FUNCTION_INFO_V1(pocket_cursor_le);
PG_FUNCTION_INFO_V1(pocket_cursor_gt);
PG_FUNCTION_INFO_V1(pocket_cursor_ge);
PG_FUNCTION_INFO_V1(pocket_cursor_cmp);
PG_FUNCTION_INFO_V1(pocket_cursor_hash);
PG_FUNCTION_INFO_V1(pocket_cursor_hash_extended);

/* Where the item of a namespace is among the mounted ones, or would be. */
static int32
find_place(const PocketCursor *cursor, int64 ns_id)
{
	int32 low = 1;
	int32 high = Max(cursor->count, 1);

	while (low < high)
	{
		int32 middle = low + (high - low) / 2;

		if (cursor->items[middle].ns_id < ns_id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int32
pocket_cursor_find(const PocketCursor *cursor, int64 ns_id)
{
	int32 place = find_place(cursor, ns_id);

	return place < cursor->count && cursor->items[place].ns_id == ns_id ? place : 0;
}

PocketCursor *
pocket_cursor_copy(const PocketCursor *cursor)
{
	PocketCursor *copy = palloc0(POCKET_CURSOR_SIZE(PK_CURSOR_ITEMS_MAX));

	memcpy(copy, cursor, VARSIZE(cursor));
	return copy;
}

static void
resize(PocketCursor *cursor, int32 count)
{
	cursor->count = count;
	SET_VARSIZE(cursor, POCKET_CURSOR_SIZE(count));
}

void
pocket_cursor_add(PocketCursor *cursor, const pk_cursor_item *item)
{
	int32 place = find_place(cursor, item->ns_id);

	Assert(cursor->count >= 1 && cursor->count < PK_CURSOR_ITEMS_MAX);
	memmove(&cursor->items[place + 1], &cursor->items[place], sizeof(*item) * (Size) (cursor->count - place));
	cursor->items[place] = *item;
	resize(cursor, cursor->count + 1);
}

void
pocket_cursor_drop(PocketCursor *cursor, int32 place)
{
	Assert(place >= 1 && place < cursor->count);
	memmove(&cursor->items[place], &cursor->items[place + 1],
			sizeof(pk_cursor_item) * (Size) (cursor->count - place - 1));
	resize(cursor, cursor->count - 1);
}

static int
compare_items(const pk_cursor_item *a, const pk_cursor_item *b)
{
	if (a->ns_id != b->ns_id)
		return a->ns_id < b->ns_id ? -1 : 1;
	if (a->jid != b->jid)
		return a->jid < b->jid ? -1 : 1;
	if (a->listed != b->listed)
		return a->listed < b->listed ? -1 : 1;
	return (a->at > b->at) - (a->at < b->at);
}

int
pocket_cursor_compare(const PocketCursor *a, const PocketCursor *b)
{
	int order = memcmp(a->head.cell, b->head.cell, PK_UUID_SIZE);
	int32 i;

	if (order == 0)
		order = (a->head.incarnation > b->head.incarnation) - (a->head.incarnation < b->head.incarnation);
	for (i = 0; order == 0 && i < Min(a->count, b->count); i++)
		order = compare_items(&a->items[i], &b->items[i]);
	return order != 0 ? order : (a->count > b->count) - (a->count < b->count);
}

static int
compare_arguments(FunctionCallInfo fcinfo)
{
	PocketCursor *a = PG_GETARG_CURSOR(0);
	PocketCursor *b = PG_GETARG_CURSOR(1);
	int order = pocket_cursor_compare(a, b);

	/* btree support must not leak */
	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return order;
}

Datum
pocket_cursor_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) == 0);
}

Datum
pocket_cursor_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) != 0);
}

Datum
pocket_cursor_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) < 0);
}

Datum
pocket_cursor_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) <= 0);
}

Datum
pocket_cursor_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) > 0);
}

Datum
pocket_cursor_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) >= 0);
}

Datum
pocket_cursor_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare_arguments(fcinfo));
}

/* What is hashed: all but the length word. */
static const unsigned char *
hashed_bytes(const PocketCursor *cursor, int *size)
{
	*size = (int) (VARSIZE(cursor) - VARHDRSZ);
	return (const unsigned char *) cursor + VARHDRSZ;
}

Datum
pocket_cursor_hash(PG_FUNCTION_ARGS)
{
	PocketCursor *cursor = PG_GETARG_CURSOR(0);
	int size;
	const unsigned char *bytes = hashed_bytes(cursor, &size);
	Datum result = hash_any(bytes, size);

	PG_FREE_IF_COPY(cursor, 0);
	return result;
}

Datum
pocket_cursor_hash_extended(PG_FUNCTION_ARGS)
{
	PocketCursor *cursor = PG_GETARG_CURSOR(0);
	int size;
	const unsigned char *bytes = hashed_bytes(cursor, &size);
	Datum result = hash_any_extended(bytes, size, PG_GETARG_INT64(1));

	PG_FREE_IF_COPY(cursor, 0);
	return result;
}
