/*
 * volume/recover.c
 *	  Makes the replicas of a bucket alike after any doubt, and seals them.
 *
 * All replicas are read side by side.  At each offset the first replica with a valid
 * record there is believed: a record is valid only at its own place, and the bucket never wrote
 * two at one place.  Where none has one, the next place where any has is looked for, since damage
 * in the middle is rot and no end.  The furthest valid record ends the bucket.
 * What comes out is a list of segments, each with the replica that it is taken from; a replica that
 * differs from it is built anew, the others are sealed as they are.
 *
 * A bucket in a coded volume keeps its length: parities were computed over it.  So does one whose length is booked.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "volume/internal.h"

#define WINDOW (8u * 1024 * 1024)
#define TRIES 3 /* to converge while another node goes on writing */
#define RECORD_MAX ((uint64_t) PK_RECORD_HEADER + PK_BLOCK_SIZE_MAX)

struct replica
{
	struct pd_extent *extent; /* counted */
	bool sealed;
	uint64_t length; /* as the extent says */
	uint64_t limit;	 /* what can be read of it */
	uint8_t *window;
	size_t got;
	bool lost; /* its node was not reached any more: as if it had not been found */
	bool differs;
	uint64_t differs_at;
	bool settled; /* sealed, with the right bytes */
};

struct segment
{
	uint64_t start;
	uint64_t end;
	int source;
	bool gap; /* no valid record in any replica */
};

struct merge
{
	struct pd_cell *cell;
	uint64_t bucket_id;
	int count;
	struct replica replicas[PK_MEMBERS_MAX];
	struct pd_buffer *buffer; /* one window for each */
	uint64_t start;			  /* of the windows */
	uint64_t limit;			  /* the greatest of all */
	uint64_t durable;		  /* the most that a valid record says was durable */
	uint64_t sealed;		  /* the longest that a replica was sealed at */
	uint64_t booked;		  /* what rows say; 0: nothing yet */
	struct segment *segments;
	size_t segment_count;
	size_t segment_size;
	uint64_t end;
};

/* --- reading side by side --- */

/* Where the drive does not yield the whole, what it does yield; the rest is zeros, which no record is. */
static pk_error
work_window(struct pd_task *task)
{
	pk_error rc = pd_work_read(task);

	if (rc == PK_OK || (pd_drive_is_remote(task->drive) && rc != PK_ERR_CORRUPT && rc != PK_ERR_IO))
		return rc;
	for (size_t at = 0; at < task->n; at += PD_EXTENT_CHUNK)
	{
		size_t n = task->n - at < PD_EXTENT_CHUNK ? task->n - at : PD_EXTENT_CHUNK;

		if (pd_extent_read(task->extent, task->offset + at, task->buf + at, n, &task->err) != PK_OK)
			memset(task->buf + at, 0, n);
	}
	return PK_OK;
}

static void
load_windows(struct merge *merge, uint64_t at)
{
	struct pd_task tasks[PK_MEMBERS_MAX] = {0};

	merge->start = at;
	for (int i = 0; i < merge->count; i++)
	{
		struct replica *replica = &merge->replicas[i];
		uint64_t left = replica->limit > at ? replica->limit - at : 0;

		replica->got = left < WINDOW ? (size_t) left : WINDOW;
		tasks[i].work = work_window;
		tasks[i].extent = replica->extent;
		tasks[i].drive = pd_extent_drive(replica->extent);
		tasks[i].buf = replica->window;
		tasks[i].n = replica->got;
		tasks[i].offset = at;
	}
	(void) pd_tasks_run(tasks, merge->count, PD_JOB_LIVE, NULL);
	for (int i = 0; i < merge->count; i++)
		merge->replicas[i].lost = merge->replicas[i].lost || tasks[i].result != PK_OK;
}

/* The size of the valid record that the replica has at offset, or 0. */
static size_t
valid_record(struct merge *merge, const struct replica *replica, uint64_t offset)
{
	size_t at = (size_t) (offset - merge->start);
	pk_record record;
	uint64_t size;

	if (at + PK_RECORD_HEADER > replica->got ||
		pk_record_decode(&record, replica->window + at, merge->bucket_id, offset) != PK_OK)
		return 0;
	size = pk_record_size(record.payload_length);
	if (at + size > replica->got ||
		pk_crc32c(0, replica->window + at + PK_RECORD_HEADER, record.payload_length) != record.payload_crc32c)
		return 0;
	if (record.durable > merge->durable)
		merge->durable = record.durable;
	return (size_t) size;
}

static void
note_difference(struct replica *replica, uint64_t at)
{
	if (!replica->differs)
		replica->differs_at = at;
	replica->differs = true;
}

/* --- the list of segments --- */

static bool
add_segment(struct merge *merge, uint64_t start, uint64_t end, int source, bool gap)
{
	struct segment *last = merge->segment_count > 0 ? &merge->segments[merge->segment_count - 1] : NULL;

	if (last != NULL && last->source == source && last->gap == gap)
	{
		last->end = end;
		return true;
	}
	if (merge->segment_count == merge->segment_size)
	{
		size_t size = merge->segment_size == 0 ? 64 : merge->segment_size * 2;
		struct segment *grown = realloc(merge->segments, size * sizeof(*grown));

		if (grown == NULL)
			return false;
		merge->segments = grown;
		merge->segment_size = size;
	}
	merge->segments[merge->segment_count++] = (struct segment){start, end, source, gap};
	return true;
}

/* A place that was written in full once: where it is invalid now, it rotted or a write was lost. */
static bool
was_whole(const struct merge *merge, uint64_t offset)
{
	return offset < merge->durable || offset < merge->sealed;
}

/*
 * No replica has a valid record in [start, end). Behind what was durable all get what one of them has there; before, each keeps
 * its own when it can, since the parts that are right may be on different drives.
 */
static bool
add_gap(struct merge *merge, uint64_t start, uint64_t end)
{
	int source = -1;

	for (int i = 0; i < merge->count; i++)
	{
		if (merge->replicas[i].limit >= end && (source < 0 || merge->replicas[i].sealed))
			source = i;
	}
	if (source < 0)
		return false;
	for (int i = 0; i < merge->count; i++)
	{
		if (i != source && (!was_whole(merge, start) || merge->replicas[i].limit < end))
			note_difference(&merge->replicas[i], start);
	}
	return add_segment(merge, start, end, source, true);
}

static bool
add_record(struct merge *merge, uint64_t offset, size_t size, int source)
{
	size_t at = (size_t) (offset - merge->start);

	for (int i = 0; i < merge->count; i++)
	{
		struct replica *replica = &merge->replicas[i];

		if (at + size > replica->got || memcmp(replica->window + at, merge->replicas[source].window + at, size) != 0)
			note_difference(replica, offset);
	}
	return add_segment(merge, offset, offset + size, source, false);
}

static pk_error
scan(struct merge *merge, struct pd_err *err)
{
	uint64_t offset = 0;

	merge->end = 0;
	merge->segment_count = 0;
	load_windows(merge, 0);
	while (offset < merge->limit)
	{
		uint64_t window_end = merge->start + WINDOW;
		size_t size = 0;
		int source;

		if (offset + RECORD_MAX > window_end && window_end < merge->limit)
			load_windows(merge, offset);
		for (source = 0; source < merge->count; source++)
		{
			size = valid_record(merge, &merge->replicas[source], offset);
			if (size > 0)
				break;
		}
		if (size == 0)
		{
			offset += PK_RECORD_ALIGN;
			continue;
		}
		if ((offset > merge->end && !add_gap(merge, merge->end, offset)) || !add_record(merge, offset, size, source))
			return pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for the segments of bucket %" PRIu64,
						   merge->bucket_id);
		offset += size;
		merge->end = offset;
	}
	return PK_OK;
}

/* --- writing --- */

/* n bytes of what the replicas hold together. */
static pk_error
compose(const struct merge *merge, size_t *segment, uint64_t offset, uint8_t *buf, size_t n, struct pd_err *err)
{
	while (n > 0)
	{
		const struct segment *at = &merge->segments[*segment];
		size_t part;
		pk_error rc;

		if (offset >= at->end)
		{
			(*segment)++;
			continue;
		}
		part = at->end - offset < n ? (size_t) (at->end - offset) : n;
		rc = pd_extent_read(merge->replicas[at->source].extent, offset, buf, part, err);
		if (rc != PK_OK)
			return rc;
		offset += part;
		buf += part;
		n -= part;
	}
	return PK_OK;
}

static pk_error
build_bytes(struct merge *merge, struct pd_extent_build *build, struct pd_err *err)
{
	struct pd_buffer *buffer = pd_buffer_get(merge->cell->buffers, PD_VOLUME_RANGE);
	size_t segment = 0;
	pk_error rc = PK_OK;

	if (buffer == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for bucket %" PRIu64, merge->bucket_id);
	for (uint64_t at = 0; rc == PK_OK && at < merge->end; at += PD_VOLUME_RANGE)
	{
		size_t n = merge->end - at < PD_VOLUME_RANGE ? (size_t) (merge->end - at) : PD_VOLUME_RANGE;

		rc = compose(merge, &segment, at, buffer->data, n, err);
		if (rc == PK_OK)
			rc = pd_extent_build_write(build, buffer->data, n, err);
	}
	pd_buffer_put(merge->cell->buffers, buffer);
	return rc;
}

static bool
is_rot(const struct merge *merge, const struct segment *segment)
{
	return segment->gap && was_whole(merge, segment->start);
}

static void
report_rot(struct merge *merge)
{
	char text[160];

	for (size_t i = 0; i < merge->segment_count; i++)
	{
		const struct segment *segment = &merge->segments[i];

		if (!is_rot(merge, segment))
			continue;
		snprintf(text, sizeof(text), "no replica has a valid record at %" PRIu64 " to %" PRIu64, segment->start,
				 segment->end);
		for (int r = 0; r < merge->count; r++)
			pd_cell_report_extent(merge->cell, merge->replicas[r].extent, text);
	}
}

/* Puts the merged bytes in a replica's place. Its checksums must not vouch for what nobody has intact. */
static pk_error
build_replica(struct merge *merge, const struct replica *replica, struct pd_err *err)
{
	struct pd_extent_build *build = NULL;
	struct pd_extent *extent = NULL;
	struct pd_extent_info info;
	pk_error rc;

	pd_extent_info(replica->extent, &info);
	if (info.members.count == 0 && !pd_map_of_bucket(merge->cell, merge->bucket_id, 0, &info.members))
		return pd_fail(err, PK_ERR_STATE, "bucket %" PRIu64 ": no slot tells its volume", merge->bucket_id);
	for (int i = 0; i < info.members.count; i++)
		info.members.member[i].length = merge->end;
	rc = pd_extent_build_begin(pd_extent_drive(replica->extent), PK_EXTENT_BUCKET, merge->bucket_id, 0, info.cell,
							   &info.members, merge->end, &build, err);
	if (rc != PK_OK)
		return rc;
	rc = build_bytes(merge, build, err);
	for (size_t i = 0; rc == PK_OK && i < merge->segment_count; i++)
	{
		const struct segment *segment = &merge->segments[i];

		if (is_rot(merge, segment))
			rc = pd_extent_build_spoil(build, segment->start, segment->end - segment->start, err);
	}
	if (rc != PK_OK)
	{
		pd_extent_build_abandon(build);
		return rc;
	}
	rc = pd_extent_build_finish(build, &extent, err);
	if (rc == PK_OK)
		pd_extent_unref(extent);
	return rc;
}

/* Seals, all at once, the replicas that have just these bytes. What could not be is left for the builders. */
static void
seal_alike(struct merge *merge)
{
	struct pd_task tasks[PK_MEMBERS_MAX] = {0};
	struct replica *replicas[PK_MEMBERS_MAX];
	int count = 0;

	for (int i = 0; i < merge->count; i++)
	{
		struct replica *replica = &merge->replicas[i];

		replica->settled = !replica->differs && replica->sealed && replica->length == merge->end;
		if (replica->differs || replica->sealed || replica->length < merge->end ||
			!pd_drive_writable(pd_extent_drive(replica->extent)))
			continue;
		tasks[count].work = pd_work_seal;
		tasks[count].extent = replica->extent;
		tasks[count].drive = pd_extent_drive(replica->extent);
		tasks[count].offset = merge->end;
		replicas[count++] = replica;
	}
	(void) pd_tasks_run(tasks, count, PD_JOB_LIVE, NULL);
	for (int i = 0; i < count; i++)
	{
		replicas[i]->settled = tasks[i].result == PK_OK;
		if (tasks[i].result != PK_OK)
			pd_log(PD_LOG_WARNING, "bucket %" PRIu64 ": %s", merge->bucket_id, tasks[i].err.text);
	}
}

static void
report_damage(struct merge *merge, const struct replica *replica)
{
	char text[160];

	if (!replica->differs || replica->differs_at >= merge->durable)
		return; /* a torn tail, which nobody was promised */
	snprintf(text, sizeof(text), "damaged from offset %" PRIu64 " on: rebuilt from another replica",
			 replica->differs_at);
	pd_cell_report_extent(merge->cell, replica->extent, text);
}

/* Of those that are to be replaced: no extent is as long as this, so the attempt to seal it there comes to nothing but that. */
static void
end_appends(struct merge *merge)
{
	for (int i = 0; i < merge->count; i++)
	{
		struct replica *replica = &merge->replicas[i];
		struct pd_err ignored;

		if (!replica->settled && !replica->sealed)
			(void) !pd_extent_seal_whole(replica->extent, PK_BUCKET_SIZE_MAX, &ignored);
	}
}

/*
 * Whether a replica that other nodes write to has grown since it was read. Nothing is acknowledged without all replicas: so when one
 * is sealed where it ended, the others hold nothing behind it that anybody was promised.
 */
static bool
has_grown(struct merge *merge)
{
	bool grown = false;

	for (int i = 0; i < merge->count; i++)
	{
		if (merge->replicas[i].settled)
			return false;
	}
	for (int i = 0; i < merge->count; i++)
	{
		struct pd_extent *known = merge->replicas[i].extent;
		struct pd_extent *extent = pd_extent_find(pd_extent_drive(known), PK_EXTENT_BUCKET, merge->bucket_id, 0);
		struct pd_extent_info info = {0};

		if (extent != NULL)
			pd_extent_info(extent, &info);
		grown = grown || info.length > merge->replicas[i].length;
		pd_extent_unref(extent);
	}
	return grown;
}

/* Seals what is right before anything else is written, then rebuilds the rest. One sealed replica is enough. */
static pk_error
settle_replicas(struct merge *merge, struct pd_err *err)
{
	pk_error last =
		pd_fail(err, PK_ERR_UNAVAILABLE, "no drive with bucket %" PRIu64 " can be written", merge->bucket_id);
	int settled = 0;

	seal_alike(merge);
	end_appends(merge);
	if (has_grown(merge))
		return pd_fail(err, PK_ERR_BUSY, "bucket %" PRIu64 " is being written to", merge->bucket_id);
	for (int i = 0; i < merge->count; i++)
	{
		struct replica *replica = &merge->replicas[i];

		if (!replica->settled && pd_drive_writable(pd_extent_drive(replica->extent)))
		{
			struct pd_err why;
			pk_error rc;

			report_damage(merge, replica);
			rc = build_replica(merge, replica, &why);
			if (rc != PK_OK)
			{
				pd_log(PD_LOG_WARNING, "bucket %" PRIu64 " was not sealed everywhere: %s", merge->bucket_id, why.text);
				pd_cell_report_failure(merge->cell, replica->extent, rc, why.text); /* else nobody would make it anew */
				last = pd_fail(err, rc, "%s", why.text);
			}
			replica->settled = rc == PK_OK;
		}
		settled += replica->settled;
	}
	return settled > 0 ? PK_OK : last;
}

/* --- the whole --- */

/*
 * What rows and parities rely on already: a replica that was away when the bucket was sealed may hold more, which was acknowledged
 * to nobody.
 */
static void
keep_booked_length(struct merge *merge)
{
	if (merge->booked == 0 || merge->sealed > merge->booked)
		return;
	for (int i = 0; i < merge->count; i++)
	{
		if (merge->replicas[i].limit > merge->booked)
			merge->replicas[i].limit = merge->booked;
	}
	if (merge->limit > merge->booked)
		merge->limit = merge->booked;
}

/* What the replicas that are left say of themselves. */
static void
sum_up(struct merge *merge)
{
	merge->limit = 0;
	merge->sealed = 0;
	for (int i = 0; i < merge->count; i++)
	{
		struct replica *replica = &merge->replicas[i];
		struct pd_extent_info info;

		pd_extent_info(replica->extent, &info);
		replica->sealed = info.sealed;
		replica->length = replica->limit = info.length;
		if (!info.sealed && info.file_size > PD_EXTENT_DATA + info.length)
			replica->limit = info.file_size - PD_EXTENT_DATA;
		if (replica->limit > merge->limit)
			merge->limit = replica->limit;
		if (info.sealed && info.length > merge->sealed)
			merge->sealed = info.length;
	}
	keep_booked_length(merge);
}

static void
find_replicas(struct merge *merge)
{
	struct pd_extent *extents[PK_MEMBERS_MAX];

	merge->count = pd_cell_extents(merge->cell, PK_EXTENT_BUCKET, merge->bucket_id, 0, extents, PK_MEMBERS_MAX);
	for (int i = 0; i < merge->count; i++)
		merge->replicas[i] = (struct replica){.extent = extents[i]};
	sum_up(merge);
}

/* All sealed alike already, or coded: the length stands. */
static bool
length_stands(const struct merge *merge, uint64_t *length)
{
	const struct replica *sealed = NULL;
	struct pd_members volume;
	bool alike = true;

	for (int i = 0; i < merge->count; i++)
	{
		const struct replica *replica = &merge->replicas[i];

		alike = alike && replica->sealed && (sealed == NULL || replica->length == sealed->length);
		if (replica->sealed && (sealed == NULL || replica->length > sealed->length))
			sealed = replica;
	}
	if (alike && sealed != NULL)
	{
		*length = sealed->length;
		return true;
	}
	if (!pd_map_of_bucket(merge->cell, merge->bucket_id, 0, &volume) || volume.code.kind == PK_CODE_REPLICATED)
		return false;
	*length = volume.member[pd_members_position(&volume, merge->bucket_id)].length;
	return true;
}

/* A sealed replica is never cut: its end stands even when no record there is valid any more. */
static bool
keep_sealed_length(struct merge *merge)
{
	if (merge->sealed <= merge->end)
		return true;
	if (!add_gap(merge, merge->end, merge->sealed))
		return false;
	merge->end = merge->sealed;
	return true;
}

static bool
any_lost(const struct merge *merge)
{
	for (int i = 0; i < merge->count; i++)
	{
		if (merge->replicas[i].lost)
			return true;
	}
	return false;
}

/* The others are begun with anew. */
static void
drop_lost(struct merge *merge)
{
	int kept = 0;

	for (int i = 0; i < merge->count; i++)
	{
		if (merge->replicas[i].lost)
			pd_extent_unref(merge->replicas[i].extent);
		else
			merge->replicas[kept++] = (struct replica){.extent = merge->replicas[i].extent};
	}
	merge->count = kept;
}

static pk_error
scan_all(struct merge *merge, struct pd_err *err)
{
	pk_error rc;

	for (;;)
	{
		for (int i = 0; i < merge->count; i++)
			merge->replicas[i].window = merge->buffer->data + (size_t) WINDOW * (size_t) i;
		rc = scan(merge, err);
		if (rc != PK_OK)
			return rc;
		if (!any_lost(merge))
			return PK_OK;
		drop_lost(merge);
		if (merge->count == 0)
			return pd_fail(err, PK_ERR_UNAVAILABLE, "no drive with bucket %" PRIu64 " is reached any more",
						   merge->bucket_id);
		sum_up(merge);
	}
}

static pk_error
converge(struct merge *merge, struct pd_err *err)
{
	pk_error rc;

	merge->buffer = pd_buffer_get(merge->cell->buffers, (size_t) WINDOW * (size_t) merge->count);
	if (merge->buffer == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for bucket %" PRIu64, merge->bucket_id);
	rc = scan_all(merge, err);
	if (rc == PK_OK && !keep_sealed_length(merge))
		rc = pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for the segments of bucket %" PRIu64, merge->bucket_id);
	if (rc == PK_OK)
	{
		report_rot(merge);
		rc = settle_replicas(merge, err);
	}
	pd_buffer_put(merge->cell->buffers, merge->buffer);
	return rc;
}

static pk_error
try_to_converge(struct pd_cell *cell, uint64_t bucket_id, uint64_t booked, uint64_t *length, struct pd_err *err)
{
	struct merge *merge = calloc(1, sizeof(*merge));
	pk_error rc = PK_OK;

	if (merge == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for bucket %" PRIu64, bucket_id);
	merge->cell = cell;
	merge->bucket_id = bucket_id;
	merge->booked = booked;
	find_replicas(merge);
	if (merge->count == 0)
		rc = pd_fail(err, PK_ERR_NOT_FOUND, "bucket %" PRIu64 " is not on this node, nor on one that is reached",
					 bucket_id);
	else if (!length_stands(merge, length))
	{
		rc = converge(merge, err);
		*length = merge->end;
	}
	for (int i = 0; i < merge->count; i++)
		pd_extent_unref(merge->replicas[i].extent);
	free(merge->segments);
	free(merge);
	return rc;
}

pk_error
pd_bucket_converge(struct pd_cell *cell, uint64_t bucket_id, uint64_t booked, uint64_t *length, struct pd_err *err)
{
	pk_error rc = PK_ERR_BUSY;

	pthread_mutex_lock(&cell->converge_lock);
	for (int i = 0; rc == PK_ERR_BUSY && i < TRIES; i++)
		rc = try_to_converge(cell, bucket_id, booked, length, err);
	pthread_mutex_unlock(&cell->converge_lock);
	return rc;
}

/* --- after a start --- */

struct bucket_list
{
	struct pd_cell *cell;
	uint64_t *ids;
	size_t count;
	size_t size;
};

static void
add_bucket(struct bucket_list *list, uint64_t id)
{
	for (size_t i = 0; i < list->count; i++)
	{
		if (list->ids[i] == id)
			return;
	}
	if (list->count == list->size)
	{
		size_t size = list->size == 0 ? 64 : list->size * 2;
		uint64_t *grown = realloc(list->ids, size * sizeof(*grown));

		if (grown == NULL)
		{
			pd_log(PD_LOG_ERROR, "out of memory: bucket %" PRIu64 " stays unsealed until the next start", id);
			return;
		}
		list->ids = grown;
		list->size = size;
	}
	list->ids[list->count++] = id;
}

/* Those that are not sealed, or at another length than a slot tells. */
static bool
look_at_extent(void *arg, struct pd_extent *extent)
{
	struct bucket_list *list = arg;
	struct pd_extent_info info;
	struct pd_members told = {0};

	pd_extent_info(extent, &info);
	if (info.kind != PK_EXTENT_BUCKET || info.trashed || !pd_bucket_is_here(list->cell, info.id))
		return true;
	told.count = 1;
	told.member[0].bucket_id = info.id;
	pd_map_fill(list->cell, &told);
	if (!info.sealed || (told.member[0].length != 0 && told.member[0].length != info.length))
		add_bucket(list, info.id);
	return true;
}

void
pd_cell_recover(struct pd_cell *cell)
{
	struct bucket_list list = {.cell = cell};

	for (int i = 0; i < cell->drive_count; i++)
	{
		if (atomic_load(&cell->drives[i].ours) && pd_drive_readable(cell->drives[i].drive))
			pd_extent_each(cell->drives[i].drive, NULL, look_at_extent, &list);
	}
	for (size_t i = 0; i < list.count; i++)
	{
		struct pd_err err = {0};
		uint64_t length;

		if (pd_bucket_seal(cell, list.ids[i], &length, &err) != PK_OK)
			pd_log(PD_LOG_ERROR, "bucket %" PRIu64 " was not sealed: %s", list.ids[i], err.text);
		else
			pd_log(PD_LOG_INFO, "bucket %" PRIu64 " is sealed at %" PRIu64 " bytes", list.ids[i], length);
	}
	free(list.ids);
}
