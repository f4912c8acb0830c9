/*
 * cursor.h
 *	  Type pocket.cursor: how far a client has read the journals of some
 *	  namespaces; opaque to SQL.  Binary form: the bytes of contract/pk_cursor.h;
 *	  text form: their base64url.
 *
 * Values are canonical: items ascend by namespace, each once, within the bounds
 * that pk_cursor.h gives.  Whoever makes one sees to that before it is
 * given away; input does for what comes from outside.
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

/* The item of a namespace; NULL when the cursor does not read it. */
extern pk_cursor_item *pocket_cursor_find(PocketCursor *cursor, int64 ns_id);

/* By cell, incarnation, and items. */
extern int pocket_cursor_compare(const PocketCursor *a, const PocketCursor *b);

#endif
