/*
 * cursor.h
 *	  Type pocket.cursor: how far a client has read the journals of some
 *	  namespaces; opaque to SQL.  Binary form: the bytes of contract/pk_cursor.h;
 *	  text form: their base64url.
 *
 * Values are canonical: the first item is that of the tree that is followed, the
 * others ascend by namespace, each once, within the bounds that pk_cursor.h gives.
 * Whoever makes one sees to that before it is given away; input does for what
 * comes from outside.
 */
#ifndef POCKET_CURSOR_H
#define POCKET_CURSOR_H

#include "base/compat.h"

#include "contract/pk_cursor.h"

typedef struct PocketCursor
{
	int32 vl_len_;
	int32 count;
	pk_cursor_head head;
	uint32 zero;
	pk_cursor_item items[FLEXIBLE_ARRAY_MEMBER];
} PocketCursor;

StaticAssertDecl(sizeof(pk_cursor_head) == 20, "a cursor's head has no padding");
StaticAssertDecl(offsetof(PocketCursor, items) == 32, "a cursor's items begin at 32");

#define POCKET_CURSOR_SIZE(count) (offsetof(PocketCursor, items) + (Size) (count) * sizeof(pk_cursor_item))

/* Detoasted; a short header is expanded, so that the fields are aligned. */
#define DatumGetPocketCursor(d) ((PocketCursor *) PG_DETOAST_DATUM(d))
#define PG_GETARG_CURSOR(n) DatumGetPocketCursor(PG_GETARG_DATUM(n))

/* A zeroed cursor with count items, palloc'd; 54000 when count is over the limit. */
extern PocketCursor *pocket_cursor_make(int64 count);

/* A copy with room for as many items as a cursor can have, palloc'd. */
extern PocketCursor *pocket_cursor_copy(const PocketCursor *cursor);

/* The place of what is mounted, from 1; 0 when the cursor does not read it. */
extern int32 pocket_cursor_find(const PocketCursor *cursor, int64 ns_id);

/* One item of what is mounted more, in a cursor that has room and does not read it yet; or one less. */
extern void pocket_cursor_add(PocketCursor *cursor, const pk_cursor_item *item);
extern void pocket_cursor_drop(PocketCursor *cursor, int32 place);

/* By cell, incarnation, and items. */
extern int pocket_cursor_compare(const PocketCursor *a, const PocketCursor *b);

#endif
