/*
 * crypt/compress.c
 *	  zstd where it pays.
 *
 * Level 1 is slower than anything else on the path of a put, so a probe of the
 * first 64 KiB decides whether the whole is tried; most of what people store
 * (pictures, films, archives) is compressed already.
 */
#include <inttypes.h>
#include <string.h>

#include "crypt/crypt.h"
#include "crypt/thread.h"

#define LEVEL 1
#define PROBE_SIZE 65536
#define PROBE_SAVES 16 /* the probe has to save a 16th ... */
#define WHOLE_SAVES 32 /* ... and the whole a 32nd */

/* The compressed length, or 0 unless it is at most limit. */
static size_t
compress_within(uint8_t *out, size_t limit, const uint8_t *in, size_t length)
{
	struct pd_crypt_thread *thread = pd_crypt_thread();
	size_t result;

	if (thread == NULL)
		return 0;
	/* zstd gives up by itself when limit is reached */
	result = ZSTD_compressCCtx(thread->compress, out, limit, in, length, LEVEL);
	return ZSTD_isError(result) ? 0 : result;
}

size_t
pd_compress(uint8_t *out, size_t capacity, const uint8_t *in, size_t length, uint8_t *codec)
{
	size_t limit = length - length / WHOLE_SAVES - (length % WHOLE_SAVES != 0);
	size_t result;

	*codec = PK_CODEC_RAW;
	if (capacity < length || length == 0)
		return length;
	if (length > PROBE_SIZE && compress_within(out, PROBE_SIZE - PROBE_SIZE / PROBE_SAVES, in, PROBE_SIZE) == 0)
		return length;

	result = compress_within(out, limit, in, length);
	if (result == 0)
		return length;
	*codec = PK_CODEC_ZSTD;
	return result;
}

pk_error
pd_decompress(uint8_t *out, const pk_record *record, const uint8_t *payload, struct pd_err *err)
{
	struct pd_crypt_thread *thread;
	size_t result;

	if (record->codec == PK_CODEC_RAW)
	{
		if (record->payload_length != record->length)
			return pd_fail(err, PK_ERR_CORRUPT,
						   "record at bucket %" PRIu64 " offset %" PRIu64 ": %u plain bytes stored as %u",
						   record->bucket_id, record->offset, record->length, record->payload_length);
		if (out != payload)
			memmove(out, payload, record->length);
		return PK_OK;
	}
	if (record->codec != PK_CODEC_ZSTD)
		return pd_fail(err, PK_ERR_CORRUPT, "record at bucket %" PRIu64 " offset %" PRIu64 ": unknown codec %u",
					   record->bucket_id, record->offset, record->codec);

	thread = pd_crypt_thread();
	if (thread == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for decompressing");
	/* decodes straight into out and never beyond the declared length, whatever the frame claims */
	result = ZSTD_decompressDCtx(thread->decompress, out, record->length, payload, record->payload_length);
	if (ZSTD_isError(result))
		return pd_fail(err, PK_ERR_CORRUPT, "record at bucket %" PRIu64 " offset %" PRIu64 ": zstd: %s",
					   record->bucket_id, record->offset, ZSTD_getErrorName(result));
	if (result != record->length)
		return pd_fail(err, PK_ERR_CORRUPT,
					   "record at bucket %" PRIu64 " offset %" PRIu64 ": decompresses to %zu bytes instead of %u",
					   record->bucket_id, record->offset, result, record->length);
	return PK_OK;
}
