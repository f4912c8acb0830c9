/*
 * fuzz_blocklist.c
 *	  Input: a block list, read as text and as bytes. Bytes that are accepted
 *	  encode to themselves; a text's sizes are in range.
 */
#include <stdlib.h>
#include <string.h>

#include "contract/pk_blocklist.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static pk_listed_block *
allocate(size_t count)
{
	/* of its own size, so that a sanitizer sees a write beyond it */
	pk_listed_block *blocks = malloc(count > 0 ? count * sizeof(pk_listed_block) : 1);

	if (blocks == NULL)
		abort();
	return blocks;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t count = pk_blocklist_count_text((const char *) data, size);
	long binary_count = pk_blocklist_count(data, size);
	pk_listed_block *blocks = allocate(count);
	size_t at;

	if (pk_blocklist_parse(blocks, count, (const char *) data, size, &at) == NULL)
	{
		for (size_t i = 0; i < count; i++)
		{
			if (blocks[i].size < PK_BLOCK_SIZE_MIN || blocks[i].size > PK_BLOCK_SIZE_MAX)
				abort();
		}
		if (at != size)
			abort();
	}
	if (at > size)
		abort();
	free(blocks);
	if (binary_count < 0)
		return 0;
	blocks = allocate((size_t) binary_count);
	if (pk_blocklist_decode(blocks, (size_t) binary_count, data, &at) == NULL)
	{
		uint8_t *again = malloc(size);

		if (again == NULL)
			abort();
		pk_blocklist_encode(again, blocks, (size_t) binary_count);
		if (memcmp(again, data, size) != 0)
			abort();
		free(again);
	}
	else if (at >= size)
		abort();
	free(blocks);
	return 0;
}
