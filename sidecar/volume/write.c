/*
 * volume/write.c
 *	  Open buckets: many puts, one write and one fdatasync on every replica.
 *
 * A put compresses without any lock, takes the next offset under the bucket's
 * lock, encrypts for that offset without it, and is then ready.  While one
 * group of records is on its way to the drives, ready records gather; when
 * the group is durable on all replicas they go together as the next.
 *
 * Any failure fails the bucket for good: nothing in doubt is acknowledged, all
 * waiting puts are told to try another bucket, and the sealer finds out what the
 * replicas hold.  So an offset is never written twice.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "volume/internal.h"

/* --- counting --- */

struct pd_bucket *
pd_bucket_find(struct pd_cell *cell, uint64_t bucket_id)
{
	struct pd_bucket *bucket;

	pthread_mutex_lock(&cell->lock);
	bucket = cell->open;
	while (bucket != NULL && bucket->bucket_id != bucket_id)
		bucket = bucket->next;
	if (bucket != NULL)
		bucket->refs++;
	pthread_mutex_unlock(&cell->lock);
	return bucket;
}

static void
ref_bucket(struct pd_bucket *bucket)
{
	pthread_mutex_lock(&bucket->cell->lock);
	bucket->refs++;
	pthread_mutex_unlock(&bucket->cell->lock);
}

static void
free_bucket(struct pd_bucket *bucket)
{
	for (int i = 0; bucket->replicas != NULL && i < bucket->members.count; i++)
		pd_extent_unref(bucket->replicas[i].extent);
	free(bucket->replicas);
	free(bucket->iov);
	pthread_mutex_destroy(&bucket->lock);
	pthread_cond_destroy(&bucket->idle);
	pthread_cond_destroy(&bucket->progress);
	explicit_bzero(bucket->key, sizeof(bucket->key));
	free(bucket);
}

void
pd_bucket_unref(struct pd_bucket *bucket)
{
	struct pd_cell *cell = bucket->cell;
	int refs;

	pthread_mutex_lock(&cell->lock);
	refs = --bucket->refs;
	pthread_mutex_unlock(&cell->lock);
	if (refs == 0)
		free_bucket(bucket);
}

void
pd_bucket_forget(struct pd_bucket *bucket)
{
	struct pd_cell *cell = bucket->cell;
	bool listed = false;

	pthread_mutex_lock(&cell->lock);
	for (struct pd_bucket **link = &cell->open; *link != NULL; link = &(*link)->next)
	{
		if (*link == bucket)
		{
			*link = bucket->next;
			listed = true;
			break;
		}
	}
	pthread_mutex_unlock(&cell->lock);
	if (listed)
		pd_bucket_unref(bucket);
}

pk_error
pd_bucket_each_open(struct pd_cell *cell, void (*each)(void *arg, uint64_t bucket_id), void *arg)
{
	uint64_t *ids;
	size_t count = 0;

	pthread_mutex_lock(&cell->lock);
	for (const struct pd_bucket *bucket = cell->open; bucket != NULL; bucket = bucket->next)
		count++;
	ids = malloc((count + 1) * sizeof(*ids));
	count = 0;
	for (struct pd_bucket *bucket = cell->open; ids != NULL && bucket != NULL; bucket = bucket->next)
	{
		pthread_mutex_lock(&bucket->lock);
		if (bucket->state == PD_BUCKET_OPEN)
			ids[count++] = bucket->bucket_id;
		pthread_mutex_unlock(&bucket->lock);
	}
	pthread_mutex_unlock(&cell->lock);
	if (ids == NULL)
		return PK_ERR_NO_MEMORY;
	for (size_t i = 0; i < count; i++)
		each(arg, ids[i]);
	free(ids);
	return PK_OK;
}

/* --- opening --- */

/* What the replicas' tasks of one opening share. */
struct opening
{
	const struct pd_bucket *bucket;
};

static pk_error
work_create(struct pd_task *task)
{
	const struct opening *opening = task->arg;
	const struct pd_bucket *bucket = opening->bucket;

	return pd_extent_create(task->drive, PK_EXTENT_BUCKET, bucket->bucket_id, 0, bucket->cell_uuid, &bucket->members,
							bucket->capacity, &task->extent, &task->err);
}

/* Creates one extent on each drive, or none. Those of a failed opening are empty and go again. */
static pk_error
create_extents(struct pd_bucket *bucket, struct pd_drive **drives, struct pd_err *err)
{
	struct pd_task tasks[PK_MEMBERS_MAX] = {0};
	struct opening opening = {bucket};
	int count = bucket->members.count;
	pk_error rc;

	for (int i = 0; i < count; i++)
	{
		tasks[i].work = work_create;
		tasks[i].drive = drives[i];
		tasks[i].arg = &opening;
	}
	rc = pd_tasks_run(tasks, count, PD_JOB_LIVE, err);
	for (int i = 0; i < count; i++)
	{
		if (tasks[i].result != PK_OK)
			continue;
		if (rc == PK_OK)
			bucket->replicas[i].extent = tasks[i].extent;
		else
		{
			struct pd_err why;

			if (pd_extent_remove(tasks[i].extent, &why) != PK_OK)
				pd_log(PD_LOG_WARNING, "an empty extent remains: %s", why.text);
			pd_extent_unref(tasks[i].extent);
		}
	}
	return rc;
}

/* A fresh key, wrapped into every member. */
static pk_error
make_key(struct pd_bucket *bucket, const struct pd_vfs *vfs, struct pd_err *err)
{
	uint8_t wrapped[PD_WRAPPED_KEY];
	uint8_t nonce[12];
	pk_keyring keys;
	pk_error rc;
	int random;

	random = vfs->random(vfs, bucket->key, sizeof(bucket->key));
	if (random >= 0)
		random = vfs->random(vfs, nonce, sizeof(nonce));
	if (random < 0)
		return pd_fail_errno(err, random, "no random bytes for the key of bucket %" PRIu64, bucket->bucket_id);
	pd_cell_keys(bucket->cell, &keys);
	rc = pd_key_wrap(wrapped, bucket->key, bucket->cell_uuid, bucket->bucket_id, nonce, &keys, err);
	explicit_bzero(&keys, sizeof(keys));
	if (rc != PK_OK)
		return rc;
	for (int i = 0; i < bucket->members.count; i++)
	{
		memcpy(bucket->members.member[i].key, wrapped, PD_WRAPPED_KEY);
		bucket->members.member[i].length = 0;
	}
	return PK_OK;
}

static struct pd_bucket *
new_bucket(struct pd_cell *cell, const struct pd_members *members, uint64_t bucket_id, uint64_t capacity)
{
	struct pd_bucket *bucket = calloc(1, sizeof(*bucket));

	if (bucket == NULL)
		return NULL;
	pthread_mutex_init(&bucket->lock, NULL);
	pthread_cond_init(&bucket->idle, NULL);
	pthread_cond_init(&bucket->progress, NULL);
	bucket->refs = 1;
	bucket->cell = cell;
	bucket->bucket_id = bucket_id;
	bucket->capacity = capacity;
	bucket->members = *members;
	pd_cell_identity(cell, bucket->cell_uuid, NULL);
	bucket->replicas = calloc((size_t) members->count, sizeof(*bucket->replicas));
	bucket->iov = calloc((size_t) members->count * PD_GROUP_RECORDS_MAX, sizeof(*bucket->iov));
	if (bucket->replicas == NULL || bucket->iov == NULL)
	{
		free_bucket(bucket);
		return NULL;
	}
	for (int i = 0; i < members->count; i++)
	{
		bucket->replicas[i].bucket = bucket;
		bucket->replicas[i].iov = bucket->iov + (size_t) i * PD_GROUP_RECORDS_MAX;
	}
	return bucket;
}

static pk_error
check_opening(struct pd_cell *cell, const struct pd_members *members, uint64_t bucket_id, uint64_t capacity,
			  struct pd_drive **drives, struct pd_err *err)
{
	struct pd_members known;
	pk_error rc = pd_volume_check(members, true, err);

	if (rc != PK_OK)
		return rc;
	if (members->code.kind != PK_CODE_REPLICATED || bucket_id == 0 || members->member[0].bucket_id != bucket_id)
		return pd_fail(err, PK_ERR_MALFORMED, "bucket %" PRIu64 " is opened in a replicated volume that names it",
					   bucket_id);
	if (capacity < PK_BUCKET_SIZE_MIN || capacity > PK_BUCKET_SIZE_MAX)
		return pd_fail(err, PK_ERR_MALFORMED, "bucket %" PRIu64 ": a capacity of %" PRIu64 " bytes is not allowed",
					   bucket_id, capacity);
	if (pd_map_of_bucket(cell, bucket_id, 0, &known) || pd_map_volume(cell, members->volume_id, &known))
		return pd_fail(err, PK_ERR_STATE, "bucket %" PRIu64 " or volume %" PRIu64 " was there before", bucket_id,
					   members->volume_id);
	for (int i = 0; i < members->count; i++)
	{
		rc = pd_cell_any_target(cell, members->member[i].drive, &drives[i], err);
		if (rc != PK_OK)
			return rc;
	}
	return PK_OK;
}

pk_error
pd_bucket_open(struct pd_cell *cell, const struct pd_members *members, uint64_t bucket_id, uint64_t capacity,
			   struct pd_err *err)
{
	struct pd_drive *drives[PK_MEMBERS_MAX];
	struct pd_bucket *bucket;
	pk_error rc;

	rc = check_opening(cell, members, bucket_id, capacity, drives, err);
	if (rc != PK_OK)
		return rc;
	bucket = new_bucket(cell, members, bucket_id, capacity);
	if (bucket == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for bucket %" PRIu64, bucket_id);
	rc = make_key(bucket, pd_drive_vfs(drives[0]), err);
	if (rc == PK_OK)
		rc = create_extents(bucket, drives, err);
	if (rc == PK_OK && !pd_map_note(cell, &bucket->members, PD_TOLD_BY_SLOT))
		rc = pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for bucket %" PRIu64, bucket_id);
	if (rc != PK_OK)
	{
		pd_bucket_unref(bucket);
		return rc;
	}
	pthread_mutex_lock(&cell->lock);
	bucket->next = cell->open;
	cell->open = bucket;
	pthread_mutex_unlock(&cell->lock);
	return PK_OK;
}

/* --- groups --- */

static void run_replica(struct pd_job *job);

/* Ends puts that left the bucket; no lock is held. */
static void
finish_puts(struct pd_cell *cell, struct pd_put *puts, const char *why)
{
	while (puts != NULL)
	{
		struct pd_put *put = puts;

		puts = put->next;
		pd_buffer_put(cell->buffers, put->record);
		put->record = NULL;
		put->result = PK_OK;
		if (why != NULL)
			put->result = pd_fail(&put->err, PK_ERR_BUCKET_CLOSED, "bucket %" PRIu64 " takes no more blocks: %s",
								  put->bucket_id, why);
		put->done(put);
		pd_cell_leave(cell);
	}
}

/*
 * Lock held. Nothing is written any more; gives the puts that wait, but for those whose thread
 * still encrypts: these find out themselves.
 */
static struct pd_put *
fail_bucket(struct pd_bucket *bucket, const char *why)
{
	struct pd_put *out = NULL;
	struct pd_put **out_end = &out;
	struct pd_put **link = &bucket->first;

	if (bucket->state != PD_BUCKET_FAILED)
	{
		bucket->state = PD_BUCKET_FAILED;
		memset(bucket->why, 0, sizeof(bucket->why));
		memcpy(bucket->why, why, strnlen(why, sizeof(bucket->why) - 1));
		pd_log(PD_LOG_WARNING, "bucket %" PRIu64 " is closed: %s", bucket->bucket_id, why);
	}
	bucket->last = NULL;
	while (*link != NULL)
	{
		struct pd_put *put = *link;

		if (put->ready)
		{
			*link = put->next;
			put->next = NULL;
			*out_end = put;
			out_end = &put->next;
		}
		else
		{
			bucket->last = put;
			link = &put->next;
		}
	}
	return out;
}

/*
 * Lock held. Makes the longest ready run the group in flight; false when there is none to start. A put that grows counts
 * as ready.
 */
static bool
take_group(struct pd_bucket *bucket, const struct pd_put *growing)
{
	struct pd_put *last = NULL;
	uint64_t bytes = 0;
	int records = 0;

	if (bucket->group != NULL || bucket->state == PD_BUCKET_FAILED)
		return false;
	for (struct pd_put *put = bucket->first;
		 put != NULL && (put->ready || put == growing) && records < PD_GROUP_RECORDS_MAX; put = put->next)
	{
		if (last != NULL && bytes + put->stored_length > PD_GROUP_BYTES_MAX)
			break;
		for (int i = 0; i < bucket->members.count; i++)
		{
			bucket->replicas[i].iov[records].iov_base = put->record->data;
			bucket->replicas[i].iov[records].iov_len = put->stored_length;
		}
		bytes += put->stored_length;
		records++;
		last = put;
	}
	if (last == NULL)
		return false;
	bucket->group = bucket->first;
	bucket->first = last->next;
	if (bucket->first == NULL)
		bucket->last = NULL;
	last->next = NULL;
	bucket->group_end = bucket->durable + bytes;
	bucket->group_left = bucket->members.count;
	for (int i = 0; i < bucket->members.count; i++)
		bucket->replicas[i].iov_count = records;
	return true;
}

static void
submit_group(struct pd_bucket *bucket)
{
	int count = bucket->members.count;

	/* the bucket may go as soon as the last is submitted */
	for (int i = 0; i < count; i++)
	{
		struct pd_replica_write *replica = &bucket->replicas[i];

		replica->job.run = run_replica;
		pd_queue_submit(pd_drive_queue(pd_extent_drive(replica->extent)), &replica->job, PD_JOB_LIVE);
	}
}

/* Lock held: whether every replica has the group; else why not. */
static bool
group_durable(const struct pd_bucket *bucket, char *why)
{
	for (int i = 0; i < bucket->members.count; i++)
	{
		if (bucket->replicas[i].result != PK_OK)
		{
			memcpy(why, bucket->replicas[i].err.text, PD_ERR_TEXT);
			return false;
		}
	}
	return true;
}

/* The last replica's thread ends the group: acknowledges all of it, or nothing. */
static void
complete_group(struct pd_bucket *bucket)
{
	struct pd_cell *cell = bucket->cell;
	struct pd_put *group, *failed = NULL;
	char why[PD_ERR_TEXT];
	bool durable, more;

	pthread_mutex_lock(&bucket->lock);
	group = bucket->group;
	bucket->group = NULL;
	durable = group_durable(bucket, why);
	if (durable)
		bucket->durable = bucket->group_end;
	else
		failed = fail_bucket(bucket, why);
	more = take_group(bucket, NULL);
	if (bucket->first == NULL && bucket->group == NULL)
		pthread_cond_broadcast(&bucket->idle);
	pthread_mutex_unlock(&bucket->lock);

	if (more)
		submit_group(bucket); /* keeps the group's count of the bucket */
	else
		pd_bucket_unref(bucket);
	/* with the last of these the cell may go */
	finish_puts(cell, group, durable ? NULL : why);
	finish_puts(cell, failed, why);
}

/*
 * Writes what there is of a record that grows, until it is whole or failed; the drive's failures are the append's to tell. It
 * waits for a thread that computes, never for a job or a drive.
 */
static bool
follow_record(struct pd_bucket *bucket, struct pd_extent *extent)
{
	const struct pd_put *put = bucket->group;
	uint64_t done = (put->offset + PK_RECORD_HEADER + PD_EXTENT_CHUNK - 1) / PD_EXTENT_CHUNK * PD_EXTENT_CHUNK;
	bool well = true;

	for (;;)
	{
		struct pd_err err;
		uint64_t end;
		bool growing, whole;

		pthread_mutex_lock(&bucket->lock);
		while (bucket->growing && (!well || bucket->grown < done + PD_SEAL_STEP))
			pthread_cond_wait(&bucket->progress, &bucket->lock);
		growing = bucket->growing;
		whole = put->ready;
		end = bucket->grown / PD_EXTENT_CHUNK * PD_EXTENT_CHUNK;
		pthread_mutex_unlock(&bucket->lock);
		if (!growing)
			return whole;
		well = pd_extent_write_ahead(extent, put->record->data + (done - put->offset), (size_t) (end - done), done,
									 &err) == PK_OK;
		done = end;
	}
}

static void
run_replica(struct pd_job *job)
{
	struct pd_replica_write *replica =
		(struct pd_replica_write *) ((char *) job - offsetof(struct pd_replica_write, job));
	struct pd_bucket *bucket = replica->bucket;
	struct pd_extent *extent = pd_extent_ref(replica->extent);
	bool last;

	replica->err.text[0] = '\0';
	if (follow_record(bucket, extent))
		replica->result = pd_extent_append(extent, replica->iov, replica->iov_count, bucket->durable, &replica->err);
	else
		replica->result = pd_fail(&replica->err, PK_ERR_INTERNAL, "its last record could not be encrypted");
	pthread_mutex_lock(&bucket->lock);
	last = --bucket->group_left == 0;
	pthread_mutex_unlock(&bucket->lock);
	if (last)
		complete_group(bucket);
	/* the bucket may be gone by now */
	pd_extent_uncache(extent);
	pd_extent_unref(extent);
}

/* --- one put --- */

/* Ends a put that is in no bucket's list. */
static void
refuse(struct pd_cell *cell, struct pd_put *put, pk_error code, const char *why)
{
	pd_buffer_put(cell->buffers, put->record);
	put->record = NULL;
	put->result = pd_fail(&put->err, code, "%s", why);
	put->done(put);
	pd_cell_leave(cell);
}

/* Lock held. Why the bucket does not take this put, or NULL. */
static const char *
why_closed(const struct pd_bucket *bucket, const struct pd_put *put)
{
	if (bucket->state == PD_BUCKET_FAILED)
		return bucket->why;
	if (bucket->state != PD_BUCKET_OPEN)
		return "it is being sealed";
	if (put->generation != bucket->members.generation)
		return "its volume has another generation";
	return NULL;
}

/* Takes the next offset, and with a large record perhaps the drives; false with the put refused when there is none. */
static bool
reserve(struct pd_bucket *bucket, struct pd_put *put, pk_record *record)
{
	char text[PD_ERR_TEXT];
	const char *why;
	bool start = false;

	put->stored_length = (uint32_t) pk_record_size(record->payload_length);
	put->ready = false;
	put->next = NULL;
	pthread_mutex_lock(&bucket->lock);
	why = why_closed(bucket, put);
	/* one block fits any bucket */
	if (why == NULL && bucket->reserved > 0 && bucket->reserved + put->stored_length > bucket->capacity)
		why = "it is full";
	if (why == NULL)
	{
		put->offset = record->offset = bucket->reserved;
		record->durable = bucket->durable;
		bucket->reserved += put->stored_length;
		if (bucket->last != NULL)
			bucket->last->next = put;
		else
			bucket->first = put;
		bucket->last = put;
		start = put == bucket->first && put->stored_length >= PD_GROWING_MIN && take_group(bucket, put);
		if (start)
		{
			bucket->growing = true;
			bucket->grown = put->offset;
		}
	}
	else
	{
		memset(text, 0, sizeof(text));
		memcpy(text, why, strnlen(why, sizeof(text) - 1));
	}
	pthread_mutex_unlock(&bucket->lock);
	if (start)
	{
		ref_bucket(bucket); /* the group's */
		submit_group(bucket);
	}
	if (why != NULL)
		refuse(bucket->cell, put, PK_ERR_BUCKET_CLOSED, text);
	return why == NULL;
}

/* Lock held. Takes a put out of the list of those that wait. */
static void
unlink_put(struct pd_bucket *bucket, struct pd_put *put)
{
	struct pd_put *before = NULL;

	for (struct pd_put *at = bucket->first; at != put; at = at->next)
		before = at;
	if (before != NULL)
		before->next = put->next;
	else
		bucket->first = put->next;
	if (bucket->last == put)
		bucket->last = before;
	put->next = NULL;
}

/* The record is encrypted, or could not be (broken says why): lets it go with the next group. */
static void
make_ready(struct pd_bucket *bucket, struct pd_put *put, const char *broken)
{
	struct pd_cell *cell = bucket->cell;
	struct pd_put *failed = NULL;
	char why[PD_ERR_TEXT];
	bool start = false;

	pthread_mutex_lock(&bucket->lock);
	if (broken != NULL)
		failed = fail_bucket(bucket, broken); /* a hole would stay before all later records */
	if (bucket->growing && put == bucket->group)
	{
		put->ready = broken == NULL;
		bucket->growing = false;
		pthread_cond_broadcast(&bucket->progress);
	}
	else if (bucket->state == PD_BUCKET_FAILED)
	{
		unlink_put(bucket, put);
		put->next = failed;
		failed = put;
		if (bucket->first == NULL && bucket->group == NULL)
			pthread_cond_broadcast(&bucket->idle);
	}
	else
	{
		put->ready = true;
		start = take_group(bucket, NULL);
	}
	memcpy(why, bucket->why, sizeof(why));
	pthread_mutex_unlock(&bucket->lock);

	if (start)
		submit_group(bucket); /* which takes over the caller's count of the bucket */
	else
		pd_bucket_unref(bucket);
	finish_puts(cell, failed, why);
}

/* Compresses into the record's buffer; *payload is where the payload then is. */
static pk_error
prepare(struct pd_cell *cell, struct pd_put *put, pk_record *record, const uint8_t **payload)
{
	size_t room = pk_record_size(put->length);
	size_t length;

	put->record = pd_buffer_get(cell->buffers, room);
	if (put->record == NULL)
		return PK_ERR_NO_MEMORY;
	memset(record, 0, sizeof(*record));
	length = pd_compress(put->record->data + PK_RECORD_HEADER, room - PK_RECORD_HEADER, put->body, put->length,
						 &record->codec);
	*payload = record->codec == PK_CODEC_RAW ? put->body : put->record->data + PK_RECORD_HEADER;
	record->bucket_id = put->bucket_id;
	record->length = put->length;
	record->payload_length = (uint32_t) length;
	record->crc32c = put->crc32c;
	memcpy(record->hash, put->hash, PK_SHA256_SIZE);
	return PK_OK;
}

struct encrypting
{
	struct pd_bucket *bucket;
	const struct pd_put *put;
};

/* The thread that encrypts has come further. */
static void
tell_progress(void *arg, uint32_t bytes)
{
	struct encrypting *encrypting = arg;
	struct pd_bucket *bucket = encrypting->bucket;

	pthread_mutex_lock(&bucket->lock);
	if (bucket->growing && bucket->group == encrypting->put)
	{
		bucket->grown = encrypting->put->offset + PK_RECORD_HEADER + bytes;
		pthread_cond_broadcast(&bucket->progress);
	}
	pthread_mutex_unlock(&bucket->lock);
}

/* Makes the record in its buffer whole. */
static pk_error
encrypt(struct pd_bucket *bucket, struct pd_put *put, pk_record *record, const uint8_t *payload, struct pd_err *err)
{
	struct encrypting encrypting = {bucket, put};
	struct pd_seal_progress progress = {tell_progress, &encrypting};
	size_t filled = (size_t) PK_RECORD_HEADER + record->payload_length;
	pk_error rc = pd_seal_record(record, put->record->data + PK_RECORD_HEADER, payload, bucket->cell_uuid, bucket->key,
								 put->stored_length >= PD_GROWING_MIN ? &progress : NULL, err);

	if (rc == PK_OK)
	{
		pk_record_encode(put->record->data, record);
		memset(put->record->data + filled, 0, put->stored_length - filled);
	}
	return rc;
}

static void
put_block(struct pd_cell *cell, struct pd_put *put)
{
	struct pd_bucket *bucket;
	const uint8_t *payload;
	pk_record record;
	struct pd_err err;
	pk_error rc;

	put->record = NULL;
	if (put->length < PK_BLOCK_SIZE_MIN || put->length > PK_BLOCK_SIZE_MAX)
	{
		refuse(cell, put, PK_ERR_TOO_LARGE, "a block has 1 to 4194304 bytes");
		return;
	}
	bucket = pd_bucket_find(cell, put->bucket_id);
	if (bucket == NULL)
	{
		refuse(cell, put, PK_ERR_BUCKET_CLOSED, "the bucket is not open here");
		return;
	}
	rc = prepare(cell, put, &record, &payload);
	if (rc != PK_OK)
		refuse(cell, put, rc, "out of memory for a block");
	if (rc != PK_OK || !reserve(bucket, put, &record))
	{
		pd_bucket_unref(bucket);
		return;
	}
	rc = encrypt(bucket, put, &record, payload, &err);
	make_ready(bucket, put, rc == PK_OK ? NULL : err.text);
}

/* Counted on its own: the put may be done, and with it the last of the cell's, before this thread has let go of the bucket. */
void
pd_bucket_put(struct pd_cell *cell, struct pd_put *put)
{
	pd_cell_enter(cell); /* the put's, until done was called */
	pd_cell_enter(cell);
	put_block(cell, put);
	pd_cell_leave(cell);
}
