/*
 * fuzz_cursor.c
 *	  Input: the bytes of a cursor. They are read as they are, then with the
 *	  checksum that makes them whole; what is accepted encodes to the same bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "contract/pk_cursor.h"
#include "contract/pk_hash.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const uint8_t *bytes, size_t size, int count)
{
	static pk_cursor_item items[PK_CURSOR_ITEMS_MAX];
	pk_cursor_head head;
	uint8_t *again = malloc(size);
	size_t at;

	if (again == NULL)
		abort();
	if (pk_cursor_decode(&head, items, count, bytes, &at) == PK_OK)
	{
		pk_cursor_encode(again, &head, items, count);
		if (memcmp(again, bytes, size) != 0 || head.incarnation < 1 || head.incarnation > INT32_MAX)
			abort();
		for (int i = 0; i < count; i++)
		{
			if (items[i].ns_id < 1 || items[i].jid < 1 || items[i].listed < 0 || items[i].listed > items[i].jid ||
				(i > 1 && items[i].ns_id <= items[i - 1].ns_id) || (i > 0 && items[i].ns_id == items[0].ns_id))
				abort();
		}
	}
	if (at >= size)
		abort();
	free(again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	long count = pk_cursor_count(size);
	uint8_t *bytes;

	if (count < 0 || count > PK_CURSOR_ITEMS_MAX)
		return 0;
	if (PK_CURSOR_SIZE(count) != size)
		abort();
	check(data, size, (int) count);
	bytes = malloc(size);
	if (bytes == NULL)
		abort();
	memcpy(bytes, data, size);
	pk_put_be32(bytes + size - PK_CURSOR_CRC, pk_crc32c(0, bytes, size - PK_CURSOR_CRC));
	check(bytes, size, (int) count);
	free(bytes);
	return 0;
}
