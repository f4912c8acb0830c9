/*
 * volume/stream.c
 *	  A large block out of the page cache, opened piece by piece while it is sent.
 *
 * Each piece is read, opened and sent by one core while it is in that core's
 * cache, and the receiver works at the same time.  The price: bytes leave before
 * all of them are proved.  So this is only for those who hold the whole against
 * its checksum themselves, and the last piece waits for the tag.
 */
#include <stdlib.h>
#include <string.h>

#include "volume/internal.h"

struct pd_stream
{
	struct pd_cell *cell;
	struct pd_extent *extent; /* counted */
	struct pd_cached *cached;
	struct pd_opening *opening;
	size_t left;
};

/* The record's header, unless what is there is not what is asked for: whoever reads it whole says what is wrong. */
static bool
read_header(struct pd_cached *cached, const struct pd_get *get, pk_record *record)
{
	uint8_t header[PK_RECORD_HEADER];
	struct pd_err ignored;

	return pd_cached_read(cached, header, sizeof(header), &ignored) == PK_OK &&
		   pk_record_decode(record, header, get->bucket_id, get->offset) == PK_OK && record->codec == PK_CODEC_RAW &&
		   record->length == get->length && record->payload_length == get->length &&
		   pk_record_size(record->payload_length) == get->stored_length &&
		   memcmp(record->hash, get->hash, PK_SHA256_SIZE) == 0;
}

struct pd_stream *
pd_stream_begin(struct pd_cell *cell, const struct pd_get *get, struct pd_extent *extent)
{
	struct pd_stream *stream;
	struct pd_cached *cached;
	struct pd_opening *opening = NULL;
	struct pd_err ignored;
	uint8_t uuid[PK_UUID_SIZE];
	uint8_t key[PD_BUCKET_KEY];
	pk_record record;
	pk_error rc;

	if (!get->crc_checked || get->length < PD_STREAM_MIN)
		return NULL;
	cached = pd_cached_begin(extent, get->offset, get->stored_length);
	if (cached == NULL)
		return NULL;
	if (read_header(cached, get, &record) && pd_map_key(cell, get->bucket_id, key, &ignored) == PK_OK)
	{
		pd_cell_identity(cell, uuid, NULL);
		opening = pd_opening_begin(&record, uuid, key, &rc, &ignored);
		explicit_bzero(key, sizeof(key));
	}
	stream = opening == NULL ? NULL : calloc(1, sizeof(*stream));
	if (stream == NULL)
	{
		pd_opening_free(opening);
		pd_cached_end(cached);
		return NULL;
	}
	stream->cell = cell;
	stream->extent = pd_extent_ref(extent);
	stream->cached = cached;
	stream->opening = opening;
	stream->left = get->length;
	return stream;
}

pk_error
pd_stream_read(struct pd_stream *stream, uint8_t *out, size_t n, struct pd_err *err)
{
	pk_error rc;

	if (n > stream->left)
		return pd_fail(err, PK_ERR_INTERNAL, "a block has no %zu more bytes", n);
	stream->left -= n;
	rc = pd_cached_read(stream->cached, out, n, err);
	if (rc == PK_OK)
		rc = pd_opening_step(stream->opening, out, out, n, err);
	if (rc == PK_OK && stream->left == 0)
		rc = pd_opening_end(stream->opening, err);
	if (rc == PK_ERR_CORRUPT || rc == PK_ERR_IO)
		pd_cell_report_extent(stream->cell, stream->extent, err->text);
	if (rc != PK_OK)
		memset(out, 0, n);
	return rc;
}

void
pd_stream_free(struct pd_stream *stream)
{
	if (stream == NULL)
		return;
	pd_opening_free(stream->opening);
	pd_cached_end(stream->cached);
	pd_extent_unref(stream->extent);
	free(stream);
}
