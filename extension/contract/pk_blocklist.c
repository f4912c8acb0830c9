/*
 * pk_blocklist.c
 *	  Parsing, decoding and encoding block lists.
 */
#include "contract/pk_blocklist.h"

#include <stdbool.h>
#include <string.h>

#include "contract/pk_bytes.h"
#include "contract/pk_pairs.h"

_Static_assert(sizeof(pk_listed_block) == PK_LISTED_BLOCK_SIZE, "a block of a list has no padding");
_Static_assert(PK_BLOCK_SIZE_MIN == 1 && PK_BLOCK_SIZE_MAX == 4194304, "the texts below say so");

static const char *const hash_expected = "64 hexadecimal digits are expected";
static const char *const size_expected = "a size of 1 to 4194304 is expected";

static bool
size_is_valid(uint32_t size)
{
	return size >= PK_BLOCK_SIZE_MIN && size <= PK_BLOCK_SIZE_MAX;
}

size_t
pk_blocklist_count_text(const char *text, size_t length)
{
	return pk_pairs_count_text(text, length);
}

/* Reads "hash:size" at *at, which is moved behind it. */
static const char *
parse_block(void *pair, const char *text, size_t length, size_t *at)
{
	pk_listed_block *block = pair;
	uint32_t size = 0;

	if (length - *at < PK_SHA256_HEX || !pk_hex_decode(block->hash.bytes, PK_SHA256_SIZE, text + *at, PK_SHA256_HEX))
		return hash_expected;
	*at += PK_SHA256_HEX;
	if (*at == length || text[*at] != ':')
		return "a colon is expected";
	(*at)++;
	if (*at == length || text[*at] < '1' || text[*at] > '9')
		return size_expected;
	for (size_t i = *at; i < length && text[i] >= '0' && text[i] <= '9' && size <= PK_BLOCK_SIZE_MAX; i++)
		size = size * 10 + (uint32_t) (text[i] - '0');
	if (!size_is_valid(size))
		return size_expected;
	while (*at < length && text[*at] >= '0' && text[*at] <= '9')
		(*at)++;
	block->size = size;
	return NULL;
}

static const pk_pair_kind kind = {sizeof(pk_listed_block), PK_LISTED_BLOCK_SIZE, parse_block};
_Static_assert(sizeof(pk_listed_block) <= PK_PAIR_SIZE_MAX, "a pair fits");

const char *
pk_blocklist_parse(pk_listed_block *blocks, size_t count, const char *text, size_t length, size_t *at)
{
	return pk_pairs_parse(&kind, blocks, count, text, length, at);
}

long
pk_blocklist_count(const uint8_t *in, size_t length)
{
	return pk_pairs_count(&kind, in, length);
}

const char *
pk_blocklist_decode(pk_listed_block *blocks, size_t count, const uint8_t *in, size_t *at)
{
	for (size_t i = 0; i < count; i++)
	{
		const uint8_t *p = in + PK_BLOCKLIST_SIZE(i);

		memcpy(blocks[i].hash.bytes, p, PK_SHA256_SIZE);
		blocks[i].size = pk_get_be32(p + PK_SHA256_SIZE);
		*at = PK_BLOCKLIST_SIZE(i) + PK_SHA256_SIZE;
		if (!size_is_valid(blocks[i].size))
			return size_expected;
	}
	return NULL;
}

void
pk_blocklist_encode(uint8_t *out, const pk_listed_block *blocks, size_t count)
{
	pk_put_be32(out, (uint32_t) count);
	for (size_t i = 0; i < count; i++)
	{
		uint8_t *p = out + PK_BLOCKLIST_SIZE(i);

		memcpy(p, blocks[i].hash.bytes, PK_SHA256_SIZE);
		pk_put_be32(p + PK_SHA256_SIZE, blocks[i].size);
	}
}
