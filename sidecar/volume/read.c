/*
 * volume/read.c
 *	  A block from whichever member yields it.
 *
 * One pread from the least busy drive that has the bucket; the record must be
 * at its place, be the one asked for, and open.  Otherwise the next replica, those of other nodes after those
 * here, at last decoding.  Each attempt runs on the queue of the drive that it reads;
 * decoding waits for several drives and has threads of its own.
 *
 * When another node has not answered within the hedge delay the next attempt begins beside it, and whichever yields the
 * block first is taken.  Attempts have all they need for themselves: one that comes late finds the reader ended, and throws its
 * result away.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "volume/internal.h"

struct candidate
{
	struct pd_extent *extent;	 /* counted; NULL: on another node, to be looked up */
	struct pd_cell_drive *drive; /* NULL: decoding */
};

struct reader
{
	struct pd_cell *cell;
	struct pd_get *get; /* the caller's, until it was done */
	struct pd_get asked;
	struct pd_alarm alarm;
	struct candidate candidates[PD_READ_REPLICAS_MAX + 1]; /* in the order to try; decoding is the last */
	int count;

	pthread_mutex_t lock; /* guards what follows */
	int refs;			  /* attempts under way, the alarm, and who begins */
	int next;
	int running;
	bool armed;
	bool ended; /* done was called, or is about to be */
	bool degraded;
	bool wrong;		/* a drive has another block there */
	bool failed;	/* a drive has it, and does not yield it */
	bool unreached; /* a node that may have the block was not reached */
	struct pd_cell_drive *latest;
};

struct attempt
{
	struct pd_job job;
	struct reader *reader;
	struct candidate candidate;
	struct pd_get get; /* its own */
	bool absent;	   /* the drive has no such extent */
};

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
get_decoded(struct pd_cell *cell, struct pd_get *get, const struct pd_members *volume, int position, uint32_t avoid,
			struct pd_err *err)
{
	uint64_t start = get->offset / PD_EXTENT_CHUNK * PD_EXTENT_CHUNK;
	size_t at = (size_t) (get->offset - start);
	size_t n = (at + get->stored_length + PD_EXTENT_CHUNK - 1) / PD_EXTENT_CHUNK * PD_EXTENT_CHUNK;
	struct pd_buffer *raw = pd_buffer_get(cell->buffers, n);
	uint8_t *out[1];
	pk_error rc;

	if (raw == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for a block");
	out[0] = raw->data;
	rc = pd_decode_range(cell, volume, avoid, &position, 1, start, n, out, PD_JOB_LIVE, err);
	if (rc == PK_OK)
		rc = pd_block_open(cell, get, raw, at, err);
	if (rc != PK_OK)
		pd_buffer_put(cell->buffers, raw);
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
get_from_volume(struct pd_cell *cell, struct pd_get *get, const struct pd_members *volume, struct pd_err *err)
{
	int position = pd_members_position(volume, get->bucket_id);
	pk_error rc;

	if (position < 0)
		return PK_ERR_BLOCK_LOST;
	rc = get_decoded(cell, get, volume, position, 0, err);
	for (int p = 0; rc == PK_ERR_CORRUPT && p < volume->count; p++)
	{
		if (p != position)
			rc = get_decoded(cell, get, volume, position, UINT32_C(1) << p, err);
	}
	return rc;
}

/* PK_ERR_UNAVAILABLE when it might be had if all nodes were reached. */
static pk_error
decode(struct pd_cell *cell, struct pd_get *get)
{
	struct pd_members volume;
	bool unreached = false;

	for (int nth = 0; pd_map_of_bucket(cell, get->bucket_id, nth, &volume); nth++)
	{
		pk_error rc;

		if (volume.code.kind == PK_CODE_REPLICATED)
			continue;
		rc = get_from_volume(cell, get, &volume, &get->err);
		if (final(rc))
			return rc;
		unreached = unreached || rc == PK_ERR_UNAVAILABLE || rc == PK_ERR_BUSY;
	}
	return unreached ? PK_ERR_UNAVAILABLE : PK_ERR_BLOCK_LOST;
}

/* --- replicas --- */

/*
 * What a failed read of an extent, or a failed look for one, means to a reader.  What another node lacks, memory or an extent that went
 * meanwhile, and that it refuses, for its clock differs or it has not heard of an adoption yet, does not mean that the block is lost.
 */
static pk_error
meaning_of(pk_error rc, const struct pd_drive *drive)
{
	if (pd_drive_is_remote(drive))
		return rc == PK_ERR_IO || rc == PK_ERR_CORRUPT ? rc : PK_ERR_UNAVAILABLE;
	return rc == PK_ERR_NO_MEMORY ? rc : PK_ERR_CORRUPT; /* unreadable or too short: another one has it */
}

static pk_error
get_replica(struct pd_cell *cell, struct pd_get *get, struct pd_extent *extent, struct pd_err *err)
{
	struct pd_buffer *raw;
	pk_error rc;

	get->stream = pd_stream_begin(cell, get, extent);
	if (get->stream != NULL)
		return PK_OK;
	raw = pd_buffer_get(cell->buffers, get->stored_length);
	if (raw == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for a block");
	rc = pd_extent_read(extent, get->offset, raw->data, get->stored_length, err);
	if (rc == PK_OK)
		rc = pd_block_open(cell, get, raw, 0, err);
	else
		rc = meaning_of(rc, pd_extent_drive(extent));
	if (rc != PK_OK)
		pd_buffer_put(cell->buffers, raw);
	return rc;
}

/* The same from another node, where the extent is looked up first. */
static pk_error
get_remote(struct attempt *attempt)
{
	struct pd_cell *cell = attempt->reader->cell;
	struct pd_get *get = &attempt->get;
	struct candidate *candidate = &attempt->candidate;
	uint64_t began = pd_monotonic_us();
	pk_error rc = pd_extent_lookup_kept(candidate->drive->drive, PK_EXTENT_BUCKET, get->bucket_id, 0,
										&candidate->extent, &get->err);

	if (rc == PK_OK && pd_cell_learn(cell, candidate->extent))
		rc = get_replica(cell, get, candidate->extent, &get->err);
	else
	{
		attempt->absent = rc == PK_OK || rc == PK_ERR_NOT_FOUND;
		return attempt->absent ? PK_ERR_UNAVAILABLE : meaning_of(rc, candidate->drive->drive);
	}
	if (rc == PK_OK)
		pd_hedge_note(cell, candidate->drive, pd_monotonic_us() - began);
	return rc == PK_ERR_NO_MEMORY ? PK_ERR_UNAVAILABLE : rc;
}

/* --- attempts --- */

static void
unref_reader(struct reader *reader)
{
	struct pd_cell *cell = reader->cell;
	int refs;

	pthread_mutex_lock(&reader->lock);
	refs = --reader->refs;
	pthread_mutex_unlock(&reader->lock);
	if (refs > 0)
		return;
	for (int i = 0; i < reader->count; i++)
		pd_extent_unref(reader->candidates[i].extent);
	pthread_mutex_destroy(&reader->lock);
	free(reader);
	pd_cell_leave(cell);
}

static void run_attempt(struct pd_job *job);

/* Lock held. The alarm rings a hedge delay from now on, unless it does so at this moment. */
static void
arm(struct reader *reader)
{
	if (reader->armed && !pd_alarm_cancel(reader->cell->alarms, &reader->alarm))
		return;
	reader->refs += !reader->armed;
	reader->armed = true;
	pd_alarm_set(reader->cell->alarms, &reader->alarm, pd_hedge_us(reader->cell));
}

/* Lock held. Begins with the next candidate; false when there is none, or no memory. */
static bool
begin_next(struct reader *reader)
{
	struct attempt *attempt = reader->next < reader->count ? calloc(1, sizeof(*attempt)) : NULL;
	struct pd_cell_drive *drive;

	if (attempt == NULL)
		return false;
	attempt->candidate = reader->candidates[reader->next];
	if (attempt->candidate.extent != NULL)
		(void) pd_extent_ref(attempt->candidate.extent);
	reader->next++;
	attempt->reader = reader;
	attempt->get = reader->asked;
	attempt->job.run = run_attempt;
	reader->refs++;
	reader->running++;
	reader->latest = drive = attempt->candidate.drive;
	if (drive != NULL && attempt->candidate.extent == NULL)
		arm(reader);
	if (drive != NULL)
		atomic_fetch_add(&drive->reading, 1);
	pd_queue_submit(drive != NULL ? pd_drive_queue(drive->drive) : reader->cell->slow, &attempt->job, PD_JOB_LIVE);
	return true;
}

/* Nobody has answered for a while. */
static void
ring(struct pd_alarm *alarm)
{
	struct reader *reader = (struct reader *) (void *) ((char *) alarm - offsetof(struct reader, alarm));

	pthread_mutex_lock(&reader->lock);
	reader->armed = false;
	if (!reader->ended)
	{
		if (reader->latest != NULL)
			pd_drive_was_slow(reader->latest);
		reader->degraded = true;
		(void) begin_next(reader);
	}
	pthread_mutex_unlock(&reader->lock);
	unref_reader(reader);
}

/* Lock held. What an attempt came to: true when the reader ends with it, and *rc is what it ends with. */
static bool
conclude(struct reader *reader, struct attempt *attempt, pk_error *rc)
{
	bool decoding = attempt->candidate.drive == NULL;
	bool more;

	reader->running--;
	if (reader->ended)
		return false;
	/* a wrong URL, or a header that rotted or was forged on this drive: another replica tells which */
	more = *rc == PK_ERR_NOT_FOUND && (reader->running > 0 || reader->next + 1 < reader->count);
	reader->degraded = reader->degraded || decoding;
	if (final(*rc) && !more)
		return true;
	if (*rc == PK_ERR_NOT_FOUND)
		reader->wrong = true;
	else if (!attempt->absent)
	{
		reader->degraded = true;
		reader->failed = reader->failed || !decoding;
		reader->unreached = reader->unreached || *rc == PK_ERR_UNAVAILABLE || *rc == PK_ERR_BUSY;
	}
	if (begin_next(reader) || reader->running > 0)
		return false;
	if (!decoding && reader->next < reader->count)
		*rc = pd_fail(&attempt->get.err, PK_ERR_NO_MEMORY, "out of memory for a read");
	else if (reader->unreached)
		*rc = pd_fail(&attempt->get.err, PK_ERR_UNAVAILABLE,
					  "the block at offset %" PRIu64 " of bucket %" PRIu64 " is on nodes that are not reached",
					  attempt->get.offset, attempt->get.bucket_id);
	else if (reader->wrong && !reader->failed)
		*rc =
			pd_fail(&attempt->get.err, PK_ERR_NOT_FOUND, "offset %" PRIu64 " of bucket %" PRIu64 " holds another block",
					attempt->get.offset, attempt->get.bucket_id);
	else
		*rc = pd_fail(&attempt->get.err, PK_ERR_BLOCK_LOST,
					  "no replica and no decoding yields the block at offset %" PRIu64 " of bucket %" PRIu64,
					  attempt->get.offset, attempt->get.bucket_id);
	return true;
}

static void
throw_away(struct pd_cell *cell, struct pd_get *get)
{
	pd_buffer_put(cell->buffers, get->plain);
	pd_stream_free(get->stream);
}

static void
end_attempt(struct attempt *attempt, pk_error rc)
{
	struct reader *reader = attempt->reader;
	struct pd_get *get = NULL;
	bool disarmed = false;

	pthread_mutex_lock(&reader->lock);
	if (conclude(reader, attempt, &rc))
	{
		reader->ended = true;
		get = reader->get;
		get->degraded = reader->degraded;
		disarmed = reader->armed && pd_alarm_cancel(reader->cell->alarms, &reader->alarm);
	}
	pthread_mutex_unlock(&reader->lock);
	if (get != NULL)
	{
		get->result = rc;
		get->err = attempt->get.err;
		get->plain = attempt->get.plain;
		get->plain_offset = attempt->get.plain_offset;
		get->stream = attempt->get.stream;
		get->done(get);
	}
	else
		throw_away(reader->cell, &attempt->get);
	pd_extent_unref(attempt->candidate.extent);
	free(attempt);
	if (disarmed)
		unref_reader(reader);
	unref_reader(reader);
}

static void
run_attempt(struct pd_job *job)
{
	struct attempt *attempt = (struct attempt *) (void *) ((char *) job - offsetof(struct attempt, job));
	struct pd_cell *cell = attempt->reader->cell;
	struct candidate *candidate = &attempt->candidate;
	pk_error rc;

	if (candidate->drive == NULL)
		rc = decode(cell, &attempt->get);
	else
	{
		rc = candidate->extent != NULL ? get_replica(cell, &attempt->get, candidate->extent, &attempt->get.err)
									   : get_remote(attempt);
		atomic_fetch_sub(&candidate->drive->reading, 1);
		if (!final(rc) && candidate->extent != NULL)
			pd_cell_report_failure(cell, candidate->extent, rc, attempt->get.err.text);
	}
	end_attempt(attempt, rc);
}

/* --- beginning --- */

/* All replicas here, the least busy drive first, equals in turn. */
static void
find_own(struct reader *reader)
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
		extent = pd_extent_find_kept(drive->drive, PK_EXTENT_BUCKET, reader->asked.bucket_id, 0);
		if (extent == NULL)
			continue;
		for (at = reader->count; at > 0 && atomic_load(&reader->candidates[at - 1].drive->reading) > busy; at--)
			reader->candidates[at] = reader->candidates[at - 1];
		reader->candidates[at] = (struct candidate){extent, drive};
		reader->count++;
	}
}

/* Then those of others: the slow ones last. */
static void
find_others(struct reader *reader)
{
	struct pd_cell_drive *drives[PK_MEMBERS_MAX];
	int count = pd_cell_remotes(reader->cell, PK_EXTENT_BUCKET, reader->asked.bucket_id, 0, drives);

	for (int slow = 0; slow < 2; slow++)
	{
		for (int i = 0; i < count && reader->count < PD_READ_REPLICAS_MAX; i++)
		{
			if (pd_drive_is_slow(drives[i]) == slow)
				reader->candidates[reader->count++] = (struct candidate){NULL, drives[i]};
		}
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
	struct reader *reader;
	struct pd_members known;
	pk_error rc;
	bool begun;

	pd_cell_enter(cell);
	get->plain = NULL;
	get->plain_offset = 0;
	get->stream = NULL;
	get->degraded = false;
	rc = check_get(cell, get, &get->err);
	reader = rc == PK_OK ? calloc(1, sizeof(*reader)) : NULL;
	if (rc == PK_OK && reader == NULL)
		rc = pd_fail(&get->err, PK_ERR_NO_MEMORY, "out of memory for a read");
	if (rc != PK_OK)
	{
		get->result = rc;
		get->done(get);
		pd_cell_leave(cell);
		return;
	}
	reader->cell = cell;
	reader->get = get;
	reader->asked = *get;
	reader->alarm.ring = ring;
	reader->refs = 1;
	pthread_mutex_init(&reader->lock, NULL);
	find_own(reader);
	find_others(reader);
	if (reader->count == 0 && !pd_map_of_bucket(cell, get->bucket_id, 0, &known))
		rc = pd_fail(&get->err, PK_ERR_NOT_FOUND, "bucket %" PRIu64 " is not known on this node", get->bucket_id);
	reader->candidates[reader->count++] = (struct candidate){NULL, NULL};
	pthread_mutex_lock(&reader->lock);
	begun = rc == PK_OK && begin_next(reader);
	pthread_mutex_unlock(&reader->lock);
	if (rc == PK_OK && !begun)
		rc = pd_fail(&get->err, PK_ERR_NO_MEMORY, "out of memory for a read");
	if (!begun)
	{
		get->result = rc;
		get->done(get);
	}
	unref_reader(reader);
}
