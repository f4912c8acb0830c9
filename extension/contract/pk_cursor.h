/*
 * pk_cursor.h
 *	  The bytes of a cursor: how far a client has read the journals of a
 *	  namespace, and of those mounted in it, of one life of one cell.
 *
 * FORMAT.md gives every byte.  The form is canonical: what decodes encodes to
 * the same bytes.  The checksum finds damage and typing errors; a cursor is no
 * secret and proves nothing.
 */
#ifndef PK_CURSOR_H
#define PK_CURSOR_H

#include <stddef.h>
#include <stdint.h>

#include "contract/pk_bytes.h"
#include "contract/pk_error.h"
#include "contract/pk_limits.h"

typedef struct pk_cursor_head
{
	uint8_t cell[PK_UUID_SIZE];
	uint32_t incarnation; /* 1 .. 2^31 - 1 */
} pk_cursor_head;

/*
 * Where the reader is in one namespace.  The first item is that of the tree, the
 * others, of what is mounted there, ascend by ns_id, each once.  He is given the tree as it was when the
 * journal ended at jid, as rows of the journal, and has had those up to listed;
 * when that is jid, what comes is the journal behind it.  at is the time of the
 * row jid: it tells this journal from another one that has come as far.
 */
typedef struct pk_cursor_item
{
	int64_t ns_id;	/* at least 1 */
	int64_t jid;	/* at least 1: every journal begins with the root */
	int64_t listed; /* 0 .. jid */
	int64_t at;		/* as PostgreSQL counts: microseconds since 2000 */
} pk_cursor_item;

#define PK_CURSOR_HEADER 23 /* version, cell, incarnation, count */
#define PK_CURSOR_ITEM 32
#define PK_CURSOR_CRC 4
#define PK_CURSOR_SIZE(count) (PK_CURSOR_HEADER + (size_t) (count) *PK_CURSOR_ITEM + PK_CURSOR_CRC)

/* The items that so many bytes have room for, over the limit or not; -1 when no cursor has this length. */
extern long pk_cursor_count(size_t length);

/* Writes PK_CURSOR_SIZE(count) bytes. */
extern void pk_cursor_encode(uint8_t *out, const pk_cursor_head *head, const pk_cursor_item *items, int count);

/*
 * Reads PK_CURSOR_SIZE(count) bytes; PK_ERR_CORRUPT when the checksum does not
 * match, PK_ERR_MALFORMED when a field is not valid, which is at byte *at.
 */
extern pk_error pk_cursor_decode(pk_cursor_head *head, pk_cursor_item *items, int count, const uint8_t *in,
								 size_t *at) PK_MUST_CHECK;

#endif
