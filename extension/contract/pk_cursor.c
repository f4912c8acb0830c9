/*
 * pk_cursor.c
 *	  Encoding and decoding cursors, in network order.
 *
 *		 0	version, u8: 1			17	incarnation, u32	23	items
 *		 1	cell, uuid				21	count, u16			 n	CRC32C of all before it, u32
 *
 *	  An item:
 *		 0	ns_id, i64		 8	jid, i64		16	listed, i64		24	at, i64
 */
#include "contract/pk_cursor.h"

#include <string.h>

#include "contract/pk_hash.h"

#define CURSOR_VERSION 1

#define AT_CELL 1
#define AT_INCARNATION 17
#define AT_COUNT 21

#define ITEM_JID 8
#define ITEM_LISTED 16
#define ITEM_AT 24

_Static_assert(AT_COUNT + 2 == PK_CURSOR_HEADER && ITEM_AT + 8 == PK_CURSOR_ITEM, "fields fill their place");
_Static_assert(sizeof(pk_cursor_item) == 32, "an item has no padding of the compiler's");
_Static_assert(PK_CURSOR_ITEMS_MAX <= UINT16_MAX, "the count has 16 bits");

long
pk_cursor_count(size_t length)
{
	if (length < PK_CURSOR_SIZE(0) || (length - PK_CURSOR_SIZE(0)) % PK_CURSOR_ITEM != 0)
		return -1;
	return (long) ((length - PK_CURSOR_SIZE(0)) / PK_CURSOR_ITEM);
}

void
pk_cursor_encode(uint8_t *out, const pk_cursor_head *head, const pk_cursor_item *items, int count)
{
	uint8_t *p = out + PK_CURSOR_HEADER;

	out[0] = CURSOR_VERSION;
	memcpy(out + AT_CELL, head->cell, PK_UUID_SIZE);
	pk_put_be32(out + AT_INCARNATION, head->incarnation);
	out[AT_COUNT] = (uint8_t) (count >> 8);
	out[AT_COUNT + 1] = (uint8_t) count;
	for (int i = 0; i < count; i++, p += PK_CURSOR_ITEM)
	{
		pk_put_be64(p, (uint64_t) items[i].ns_id);
		pk_put_be64(p + ITEM_JID, (uint64_t) items[i].jid);
		pk_put_be64(p + ITEM_LISTED, (uint64_t) items[i].listed);
		pk_put_be64(p + ITEM_AT, (uint64_t) items[i].at);
	}
	pk_put_be32(p, pk_crc32c(0, out, (size_t) (p - out)));
}

/* Reads an item behind the one of namespace after, and not that of tree; where it is wrong, or -1. */
static int
decode_item(pk_cursor_item *item, const uint8_t *in, int64_t tree, int64_t after)
{
	item->ns_id = (int64_t) pk_get_be64(in);
	item->jid = (int64_t) pk_get_be64(in + ITEM_JID);
	item->listed = (int64_t) pk_get_be64(in + ITEM_LISTED);
	item->at = (int64_t) pk_get_be64(in + ITEM_AT);
	if (item->ns_id <= after || item->ns_id == tree)
		return 0;
	if (item->jid < 1)
		return ITEM_JID;
	if (item->listed < 0 || item->listed > item->jid)
		return ITEM_LISTED;
	return -1;
}

pk_error
pk_cursor_decode(pk_cursor_head *head, pk_cursor_item *items, int count, const uint8_t *in, size_t *at)
{
	size_t body = PK_CURSOR_SIZE(count) - PK_CURSOR_CRC;
	int64_t after = 0;

	*at = body;
	if (pk_get_be32(in + body) != pk_crc32c(0, in, body))
		return PK_ERR_CORRUPT;
	*at = 0;
	if (in[0] != CURSOR_VERSION)
		return PK_ERR_MALFORMED;
	memcpy(head->cell, in + AT_CELL, PK_UUID_SIZE);
	head->incarnation = pk_get_be32(in + AT_INCARNATION);
	*at = AT_INCARNATION;
	if (head->incarnation < 1 || head->incarnation > INT32_MAX)
		return PK_ERR_MALFORMED;
	*at = AT_COUNT;
	if ((in[AT_COUNT] << 8 | in[AT_COUNT + 1]) != count)
		return PK_ERR_MALFORMED;
	for (int i = 0; i < count; i++)
	{
		size_t place = PK_CURSOR_HEADER + (size_t) i * PK_CURSOR_ITEM;
		int wrong = decode_item(&items[i], in + place, i > 0 ? items[0].ns_id : 0, after);

		*at = place + (size_t) (wrong < 0 ? 0 : wrong);
		if (wrong >= 0)
			return PK_ERR_MALFORMED;
		after = i > 0 ? items[i].ns_id : 0;
	}
	return PK_OK;
}
