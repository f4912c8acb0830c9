/*
 * store/table.c
 *	  The CRC32C of each chunk, kept while bytes are appended, so that sealing
 *	  writes what was meant and not what a drive gives back.
 */
#include <stdlib.h>
#include <string.h>

#include "contract/pk_hash.h"
#include "store/internal.h"

pk_error
pd_table_reserve(struct pd_table *table, uint64_t length, struct pd_err *err)
{
	size_t need = pd_table_count(length);
	size_t size = table->size == 0 ? 64 : table->size;
	uint32_t *crc;

	if (need <= table->size)
		return PK_OK;
	while (size < need)
		size *= 2;
	crc = realloc(table->crc, size * sizeof(*crc));
	if (crc == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "no memory for %zu checksums", size);
	table->crc = crc;
	table->size = size;
	return PK_OK;
}

void
pd_table_add(struct pd_table *table, const void *data, size_t n)
{
	const uint8_t *p = data;

	while (n > 0)
	{
		uint64_t i = table->length / PD_EXTENT_CHUNK;
		size_t within = table->length % PD_EXTENT_CHUNK;
		size_t take = PD_EXTENT_CHUNK - within < n ? PD_EXTENT_CHUNK - within : n;

		if (pd_table_ahead(table, table->length) == 0)
			table->crc[i] = pk_crc32c(within == 0 ? 0 : table->crc[i], p, take);
		table->length += take;
		p += take;
		n -= take;
	}
}

void
pd_table_add_ahead(struct pd_table *table, const void *data, size_t n, uint64_t offset)
{
	const uint8_t *p = data;

	if (table->ahead_begin == table->ahead_end)
		table->ahead_begin = offset;
	table->ahead_end = offset + n;
	for (uint64_t i = offset / PD_EXTENT_CHUNK; i < table->ahead_end / PD_EXTENT_CHUNK; i++, p += PD_EXTENT_CHUNK)
		table->crc[i] = pk_crc32c(0, p, PD_EXTENT_CHUNK);
}

uint64_t
pd_table_ahead(const struct pd_table *table, uint64_t offset)
{
	return offset >= table->ahead_begin && offset < table->ahead_end ? table->ahead_end - offset : 0;
}

void
pd_table_remember(const struct pd_table *table, struct pd_table_mark *mark)
{
	mark->length = table->length;
	mark->last = table->length % PD_EXTENT_CHUNK != 0 ? table->crc[table->length / PD_EXTENT_CHUNK] : 0;
}

void
pd_table_return(struct pd_table *table, const struct pd_table_mark *mark)
{
	table->length = mark->length;
	if (mark->length % PD_EXTENT_CHUNK != 0)
		table->crc[mark->length / PD_EXTENT_CHUNK] = mark->last;
}

void
pd_table_release(struct pd_table *table)
{
	free(table->crc);
	memset(table, 0, sizeof(*table));
}

uint8_t *
pd_tail_encode(const struct pd_table *table, const struct pd_header *owner, size_t *size)
{
	uint64_t begin = PD_EXTENT_DATA + table->length;
	uint64_t padding = pd_table_offset(table->length) - begin;
	uint64_t count = pd_table_count(table->length);
	struct pd_trailer trailer = {.length = table->length};
	uint8_t *tail;

	*size = pd_sealed_size(table->length) - begin;
	tail = calloc(1, *size);
	if (tail == NULL)
		return NULL;
	for (uint64_t i = 0; i < count; i++)
		pk_put_u32(tail + padding + i * 4, table->crc[i]);
	trailer.table_crc = pk_crc32c(0, tail + padding, count * 4);
	pd_trailer_encode(tail + *size - PD_TRAILER, &trailer, owner);
	return tail;
}
