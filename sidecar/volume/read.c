/*
 * volume/read.c
 *	  A block from whichever member yields it.
 *
 * One pread from the least busy drive that has the bucket; the record must be
 * at its place, be the one asked for, and open.  Otherwise the next replica, at
 * last decoding.  Each step runs on the queue of the drive that it reads;
 * decoding waits for several drives and has threads of its own.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "volume/internal.h"

struct reader
{
	struct pd_job job;
	struct pd_cell *cell;
	struct pd_get *get;
	struct pd_extent *replicas[PD_READ_REPLICAS_MAX]; /* counted, in the order to try */
	struct pd_cell_drive *drives[PD_READ_REPLICAS_MAX];
	int count;
	int next;
};

static void
finish(struct reader *reader, pk_error result)
{
	struct pd_cell *cell = reader->cell;
	struct pd_get *get = reader->get;

	for (int i = 0; i < reader->count; i++)
		pd_extent_unref(reader->replicas[i]);
	free(reader);
	get->result = result;
	get->done(get);
	pd_cell_leave(cell);
}

/* --- verification --- */

/* The payload at `at` of raw becomes get->plain. On failure raw stays the caller's. */
static pk_error
unpack(struct pd_cell *cell, struct pd_get *get, const pk_record *record, struct pd_buffer *raw, size_t at,
	   struct pd_err *err)
{
	struct pd_buffer *plain = raw;
	size_t plain_at = at;
	pk_error rc;

	if (record->codec != PK_CODEC_RAW)
	{
		plain = pd_buffer_get(cell->buffers, record->length);
		plain_at = 0;
		if (plain == NULL)
			return pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for a block");
		rc = pd_decompress(plain->data, record, raw->data + at, err);
	}
	else if (record->payload_length != record->length)
		rc = pd_fail(err, PK_ERR_CORRUPT, "an uncompressed record of bucket %" PRIu64 " has two lengths",
					 record->bucket_id);
	else
		rc = PK_OK;
	/* the tag has proved what the cipher was given; this proves what the sidecar was */
	if (rc == PK_OK && !(get->crc_checked && plain == raw) &&
		pk_crc32c(0, plain->data + plain_at, record->length) != record->crc32c)
		rc = pd_fail(err, PK_ERR_CORRUPT, "the bytes of a block of bucket %" PRIu64 " do not match their checksum",
					 record->bucket_id);
	if (plain != raw)
		pd_buffer_put(cell->buffers, rc == PK_OK ? raw : plain);
	if (rc == PK_OK)
	{
		get->plain = plain;
		get->plain_offset = plain_at;
	}
	return rc;
}

pk_error
pd_block_open(struct pd_cell *cell, struct pd_get *get, struct pd_buffer *raw, size_t at, struct pd_err *err)
{
	uint8_t *payload = raw->data + at + PK_RECORD_HEADER;
	uint8_t key[PD_BUCKET_KEY];
	uint8_t uuid[PK_UUID_SIZE];
	pk_record record;
	pk_error rc;

	rc = pk_record_decode(&record, raw->data + at, get->bucket_id, get->offset);
	if (rc != PK_OK)
		return pd_fail(err, PK_ERR_CORRUPT, "no valid record at offset %" PRIu64, get->offset);
	if (record.length != get->length || memcmp(record.hash, get->hash, PK_SHA256_SIZE) != 0 ||
		pk_record_size(record.payload_length) != get->stored_length)
		return pd_fail(err, PK_ERR_NOT_FOUND, "offset %" PRIu64 " of bucket %" PRIu64 " holds another block",
					   get->offset, get->bucket_id);
	/*
	 * The tag proves more than the payload's checksum, which is for those without a key.  pocketd never wrote a record
	 * without a cipher: such a header is a forgery, which pd_open_record refuses.
	 */
	rc = pd_map_key(cell, get->bucket_id, key, err);
	if (rc != PK_OK)
		return rc;
	pd_cell_identity(cell, uuid, NULL);
	rc = pd_open_record(&record, payload, payload, uuid, key, err);
	explicit_bzero(key, sizeof(key));
	if (rc != PK_OK)
		return rc;
	return unpack(cell, get, &record, raw, at + PK_RECORD_HEADER, err);
}

/* --- decoding --- */

/* The range from one coded volume; the sources in avoid are left out. */
static pk_error
get_decoded(struct reader *reader, const struct pd_members *volume, int position, uint32_t avoid, struct pd_err *err)
{
	struct pd_get *get = reader->get;
	uint64_t start = get->offset / PD_EXTENT_CHUNK * PD_EXTENT_CHUNK;
	size_t at = (size_t) (get->offset - start);
	size_t n = (at + get->stored_length + PD_EXTENT_CHUNK - 1) / PD_EXTENT_CHUNK * PD_EXTENT_CHUNK;
	struct pd_buffer *raw = pd_buffer_get(reader->cell->buffers, n);
	uint8_t *out[1];
	pk_error rc;

	if (raw == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for a block");
	out[0] = raw->data;
	rc = pd_decode_range(reader->cell, volume, avoid, &position, 1, start, n, out, PD_JOB_LIVE, err);
	if (rc == PK_OK)
		rc = pd_block_open(reader->cell, get, raw, at, err);
	if (rc != PK_OK)
		pd_buffer_put(reader->cell->buffers, raw);
	return rc;
}

static bool
final(pk_error rc)
{
	return rc == PK_OK || rc == PK_ERR_NOT_FOUND || rc == PK_ERR_NO_KEY || rc == PK_ERR_NO_MEMORY;
}

/*
 * When checked sources decode to a bad record, one of them was damaged before its checksums were
 * made: each is left out in turn.
 */
static pk_error
get_from_volume(struct reader *reader, const struct pd_members *volume, struct pd_err *err)
{
	int position = pd_members_position(volume, reader->get->bucket_id);
	pk_error rc;

	if (position < 0)
		return PK_ERR_BLOCK_LOST;
	rc = get_decoded(reader, volume, position, 0, err);
	for (int p = 0; rc == PK_ERR_CORRUPT && p < volume->count; p++)
	{
		if (p != position)
			rc = get_decoded(reader, volume, position, UINT32_C(1) << p, err);
	}
	return rc;
}

static void
run_decode(struct pd_job *job)
{
	struct reader *reader = (struct reader *) ((char *) job - offsetof(struct reader, job));
	struct pd_get *get = reader->get;
	struct pd_members volume;

	get->degraded = true;
	for (int nth = 0; pd_map_of_bucket(reader->cell, get->bucket_id, nth, &volume); nth++)
	{
		pk_error rc;

		if (volume.code.kind == PK_CODE_REPLICATED)
			continue;
		rc = get_from_volume(reader, &volume, &get->err);
		if (final(rc))
		{
			finish(reader, rc);
			return;
		}
	}
	finish(reader, pd_fail(&get->err, PK_ERR_BLOCK_LOST,
						   "no replica and no decoding yields the block at offset %" PRIu64 " of bucket %" PRIu64,
						   get->offset, get->bucket_id));
}

/* --- replicas --- */

static void run_replica(struct pd_job *job);

/* The next replica, or decoding. */
static void
go_on(struct reader *reader)
{
	if (reader->next < reader->count)
	{
		reader->job.run = run_replica;
		atomic_fetch_add(&reader->drives[reader->next]->reading, 1);
		pd_queue_submit(pd_drive_queue(reader->drives[reader->next]->drive), &reader->job, PD_JOB_LIVE);
		return;
	}
	reader->job.run = run_decode;
	pd_queue_submit(reader->cell->slow, &reader->job, PD_JOB_LIVE);
}

static pk_error
get_replica(struct reader *reader, struct pd_extent *extent, struct pd_err *err)
{
	struct pd_get *get = reader->get;
	struct pd_buffer *raw;
	pk_error rc;

	get->stream = pd_stream_begin(reader->cell, get, extent);
	if (get->stream != NULL)
		return PK_OK;
	raw = pd_buffer_get(reader->cell->buffers, get->stored_length);
	if (raw == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for a block");
	rc = pd_extent_read(extent, get->offset, raw->data, get->stored_length, err);
	if (rc == PK_OK)
		rc = pd_block_open(reader->cell, get, raw, 0, err);
	else if (rc != PK_ERR_NO_MEMORY)
		rc = PK_ERR_CORRUPT; /* unreadable or too short: another one has it */
	if (rc != PK_OK)
		pd_buffer_put(reader->cell->buffers, raw);
	return rc;
}

static void
run_replica(struct pd_job *job)
{
	struct reader *reader = (struct reader *) ((char *) job - offsetof(struct reader, job));
	struct pd_extent *extent = reader->replicas[reader->next];
	struct pd_get *get = reader->get;
	pk_error rc;

	rc = get_replica(reader, extent, &get->err);
	atomic_fetch_sub(&reader->drives[reader->next]->reading, 1);
	if (rc == PK_ERR_NOT_FOUND && reader->next + 1 < reader->count)
	{
		/* a wrong URL, or a header that rotted or was forged on this drive: another replica tells which */
		reader->next++;
		go_on(reader);
		return;
	}
	if (final(rc))
	{
		finish(reader, rc);
		return;
	}
	pd_cell_report_extent(reader->cell, extent, get->err.text);
	get->degraded = true;
	reader->next++;
	go_on(reader);
}

/* All replicas here, the least busy drive first, equals in turn. */
static void
find_replicas(struct reader *reader)
{
	struct pd_cell *cell = reader->cell;
	unsigned turn = atomic_fetch_add(&cell->turn, 1);

	for (int i = 0; i < cell->drive_count && reader->count < PD_READ_REPLICAS_MAX; i++)
	{
		struct pd_cell_drive *drive = &cell->drives[(turn + (unsigned) i) % (unsigned) cell->drive_count];
		struct pd_extent *extent;
		int busy = atomic_load(&drive->reading);
		int at;

		if (!atomic_load(&drive->ours) || !pd_drive_readable(drive->drive))
			continue;
		extent = pd_extent_find_kept(drive->drive, PK_EXTENT_BUCKET, reader->get->bucket_id, 0);
		if (extent == NULL)
			continue;
		for (at = reader->count; at > 0 && atomic_load(&reader->drives[at - 1]->reading) > busy; at--)
		{
			reader->replicas[at] = reader->replicas[at - 1];
			reader->drives[at] = reader->drives[at - 1];
		}
		reader->replicas[at] = extent;
		reader->drives[at] = drive;
		reader->count++;
	}
}

static pk_error
check_get(struct pd_cell *cell, const struct pd_get *get, struct pd_err *err)
{
	struct pd_bucket *bucket;
	uint64_t durable;

	if (get->length < PK_BLOCK_SIZE_MIN || get->length > PK_BLOCK_SIZE_MAX || get->stored_length < pk_record_size(1) ||
		get->stored_length > pk_record_size(PK_BLOCK_SIZE_MAX) || get->stored_length % PK_RECORD_ALIGN != 0 ||
		get->offset % PK_RECORD_ALIGN != 0 || get->offset > PK_BUCKET_SIZE_MAX)
		return pd_fail(err, PK_ERR_MALFORMED, "no block is stored at such a place");
	bucket = pd_bucket_find(cell, get->bucket_id);
	if (bucket == NULL)
		return PK_OK;
	pthread_mutex_lock(&bucket->lock);
	durable = bucket->durable;
	pthread_mutex_unlock(&bucket->lock);
	pd_bucket_unref(bucket);
	if (get->offset + get->stored_length > durable)
		return pd_fail(err, PK_ERR_NOT_FOUND, "bucket %" PRIu64 " has nothing durable at offset %" PRIu64,
					   get->bucket_id, get->offset);
	return PK_OK;
}

void
pd_block_get(struct pd_cell *cell, struct pd_get *get)
{
	struct reader *reader = calloc(1, sizeof(*reader));
	struct pd_members known;
	pk_error rc;

	pd_cell_enter(cell);
	get->plain = NULL;
	get->plain_offset = 0;
	get->stream = NULL;
	get->degraded = false;
	if (reader == NULL)
	{
		get->result = pd_fail(&get->err, PK_ERR_NO_MEMORY, "out of memory for a read");
		get->done(get);
		pd_cell_leave(cell);
		return;
	}
	reader->cell = cell;
	reader->get = get;
	rc = check_get(cell, get, &get->err);
	if (rc == PK_OK)
		find_replicas(reader);
	if (rc == PK_OK && reader->count == 0 && !pd_map_of_bucket(cell, get->bucket_id, 0, &known))
		rc = pd_fail(&get->err, PK_ERR_NOT_FOUND, "bucket %" PRIu64 " is not on this node", get->bucket_id);
	if (rc != PK_OK)
		finish(reader, rc);
	else
		go_on(reader);
}
