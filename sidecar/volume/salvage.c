/*
 * volume/salvage.c
 *	  Every block that the drives here still yield, for whoever has lost the rest:
 *	  the rows, other drives, other nodes.
 *
 * A bucket's records are looked for in each of its extents until one was without damage, and where that leaves
 * something to be wished in what the others of its coded volume decode to.  Each record found is then read as any
 * reader would, from whichever member yields it, and proved to its hash.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "volume/internal.h"

#define WINDOW (8u * 1024 * 1024) /* holds a record wherever in its first half it begins */

/* A block that one place did not yield; another one may. */
struct missing
{
	uint8_t hash[PK_SHA256_SIZE];
	uint64_t bucket_id;
	uint64_t offset;
};

struct salvaging
{
	struct pd_cell *cell;
	const struct pd_salvage *to;
	struct pd_salvaged *so_far;
	pk_error result; /* of to's callbacks, or for want of memory: it ends the whole */
	struct pd_err *err;
	struct missing *missing;
	size_t missing_count;
	size_t missing_size;
	bool damaged; /* the walk under way met something that is no record */
};

/* --- one block --- */

struct reading
{
	struct pd_get get;
	struct pd_latch latch;
};

static void
read_done(struct pd_get *get)
{
	pd_latch_done(&((struct reading *) ((char *) get - offsetof(struct reading, get)))->latch);
}

static bool
note_missing(struct salvaging *salvaging, const struct missing *missing)
{
	if (salvaging->missing_count == salvaging->missing_size)
	{
		size_t size = salvaging->missing_size == 0 ? 64 : salvaging->missing_size * 2;
		struct missing *grown = realloc(salvaging->missing, size * sizeof(*grown));

		if (grown == NULL)
		{
			salvaging->result = pd_fail(salvaging->err, PK_ERR_NO_MEMORY, "out of memory for what is missing");
			return false;
		}
		salvaging->missing = grown;
		salvaging->missing_size = size;
	}
	salvaging->missing[salvaging->missing_count++] = *missing;
	return true;
}

/* Gives a block that was read; it must be what its hash says. False when it is not. */
static bool
hand_over(struct salvaging *salvaging, const struct pd_get *get)
{
	const uint8_t *data = get->plain->data + get->plain_offset;
	uint8_t hash[PK_SHA256_SIZE];

	pk_sha256(hash, data, get->length);
	if (memcmp(hash, get->hash, sizeof(hash)) != 0)
		return false;
	salvaging->result = salvaging->to->block(salvaging->to->arg, get->hash, data, get->length, salvaging->err);
	if (salvaging->result == PK_OK)
	{
		salvaging->so_far->blocks++;
		salvaging->so_far->bytes += get->length;
	}
	return true;
}

/* False when the whole shall end. */
static bool
salvage_record(void *arg, const pk_record *record)
{
	struct salvaging *salvaging = arg;
	struct reading reading = {.get = {.bucket_id = record->bucket_id,
									  .offset = record->offset,
									  .stored_length = (uint32_t) pk_record_size(record->payload_length),
									  .length = record->length,
									  .done = read_done}};
	struct missing missing = {.bucket_id = record->bucket_id, .offset = record->offset};
	bool well;

	memcpy(reading.get.hash, record->hash, PK_SHA256_SIZE);
	memcpy(missing.hash, record->hash, PK_SHA256_SIZE);
	if (salvaging->to->has(salvaging->to->arg, record->hash, record->length))
		return true;
	pd_latch_init(&reading.latch, 1);
	pd_block_get(salvaging->cell, &reading.get);
	pd_latch_wait(&reading.latch);
	pd_latch_release(&reading.latch);
	well = reading.get.result == PK_OK && hand_over(salvaging, &reading.get);
	if (reading.get.result == PK_OK)
		pd_buffer_put(salvaging->cell->buffers, reading.get.plain);
	if (!well && salvaging->result == PK_OK)
		return note_missing(salvaging, &missing);
	return salvaging->result == PK_OK;
}

/* --- where records are --- */

static bool
note_damage(void *arg, uint64_t offset, uint64_t length, const char *problem)
{
	struct salvaging *salvaging = arg;

	(void) offset;
	(void) length;
	(void) problem;
	salvaging->damaged = true;
	return true;
}

/* Whether all of it was seen without damage. */
static bool
walk_extent(struct salvaging *salvaging, struct pd_extent *extent)
{
	uint64_t at = 0;
	uint64_t length = 0;
	struct pd_err err;

	salvaging->damaged = false;
	do
	{
		uint64_t before = at;

		if (pd_extent_records(extent, &at, &length, salvage_record, note_damage, salvaging, &err) != PK_OK ||
			(at == before && at < length))
			return false;
	} while (salvaging->result == PK_OK && at < length);
	return !salvaging->damaged;
}

/* n bytes of the member as the others tell it; zeros, which no record is, where they do not. False when out of memory. */
static void
decode_window(struct salvaging *salvaging, const struct pd_members *volume, int position, uint64_t start, uint8_t *buf,
			  size_t n)
{
	uint8_t *out[1] = {buf};
	struct pd_err err;

	if (pd_decode_range(salvaging->cell, volume, 0, &position, 1, start, n, out, PD_JOB_LIVE, &err) == PK_OK)
		return;
	for (size_t at = 0; at < n; at += PD_EXTENT_CHUNK)
	{
		out[0] = buf + at;
		if (pd_decode_range(salvaging->cell, volume, 0, &position, 1, start + at, PD_EXTENT_CHUNK, out, PD_JOB_LIVE,
							&err) == PK_OK)
			continue;
		memset(out[0], 0, PD_EXTENT_CHUNK);
		salvaging->damaged = true;
	}
}

/* The same for a member that is decoded. */
static bool
walk_decoded(struct salvaging *salvaging, const struct pd_members *volume, int position)
{
	uint64_t length = volume->member[position].length;
	struct pd_buffer *window = pd_buffer_get(salvaging->cell->buffers, WINDOW);
	uint64_t offset = 0;
	uint64_t start = 0;
	size_t got = 0;

	salvaging->damaged = false;
	if (window == NULL)
		salvaging->result = pd_fail(salvaging->err, PK_ERR_NO_MEMORY, "out of memory for a window");
	while (salvaging->result == PK_OK && offset < length)
	{
		pk_record record;

		if (got == 0 || (offset > start + got - WINDOW / 2 && start + got < length))
		{
			uint64_t left;

			start = offset / PD_EXTENT_CHUNK * PD_EXTENT_CHUNK;
			left = (length - start + PD_EXTENT_CHUNK - 1) / PD_EXTENT_CHUNK * PD_EXTENT_CHUNK;
			got = left < WINDOW ? (size_t) left : WINDOW;
			decode_window(salvaging, volume, position, start, window->data, got);
		}
		if (pk_record_decode(&record, window->data + (offset - start), volume->member[position].bucket_id, offset) !=
			PK_OK)
		{
			salvaging->damaged = true;
			offset += PK_RECORD_ALIGN;
			continue;
		}
		(void) salvage_record(salvaging, &record);
		offset += pk_record_size(record.payload_length);
	}
	pd_buffer_put(salvaging->cell->buffers, window);
	return !salvaging->damaged;
}

/* --- all of it --- */

static void
salvage_bucket(struct salvaging *salvaging, const struct pd_members *volume, int position)
{
	uint64_t bucket_id = volume->member[position].bucket_id;
	struct pd_wanted wanted = {.kind = PK_EXTENT_BUCKET, .id = bucket_id, .kept = true};
	bool whole = false;

	pd_cell_find(salvaging->cell, &wanted, 1, false);
	for (int i = 0; i < wanted.count && !whole && salvaging->result == PK_OK; i++)
	{
		struct pd_extent_info info;

		pd_extent_info(wanted.extents[i], &info);
		whole = walk_extent(salvaging, wanted.extents[i]) && info.length >= volume->member[position].length;
	}
	pd_wanted_free(&wanted);
	if (!whole && salvaging->result == PK_OK && volume->code.kind != PK_CODE_REPLICATED)
		whole = walk_decoded(salvaging, volume, position);
	salvaging->so_far->buckets++;
	if (!whole && salvaging->result == PK_OK)
	{
		salvaging->so_far->buckets_damaged++;
		salvaging->to->problem(salvaging->to->arg, bucket_id);
	}
}

struct ids
{
	uint64_t *ids;
	size_t count;
	size_t size;
	bool complete;
};

static void
note_volume(void *arg, const struct pd_members *members)
{
	struct ids *ids = arg;

	if (ids->count == ids->size)
	{
		size_t size = ids->size == 0 ? 256 : ids->size * 2;
		uint64_t *grown = realloc(ids->ids, size * sizeof(*grown));

		if (grown == NULL)
		{
			ids->complete = false;
			return;
		}
		ids->ids = grown;
		ids->size = size;
	}
	ids->ids[ids->count++] = members->volume_id;
}

static void
salvage_volume(struct salvaging *salvaging, uint64_t volume_id)
{
	struct pd_members volume;
	struct pd_members current;
	int data;

	if (!pd_map_volume(salvaging->cell, volume_id, &volume))
		return;
	data = volume.code.kind == PK_CODE_REPLICATED ? 1 : volume.code.k;
	for (int p = 0; p < data && salvaging->result == PK_OK; p++)
	{
		/* a bucket is looked at in the volume that it is in now */
		if (volume.member[p].bucket_id != 0 &&
			pd_map_of_bucket(salvaging->cell, volume.member[p].bucket_id, 0, &current) &&
			current.volume_id == volume_id)
			salvage_bucket(salvaging, &volume, p);
	}
}

pk_error
pd_cell_salvage(struct pd_cell *cell, const struct pd_salvage *to, struct pd_salvaged *so_far, struct pd_err *err)
{
	struct salvaging salvaging = {.cell = cell, .to = to, .so_far = so_far, .result = PK_OK, .err = err};
	struct ids volumes = {.complete = true};

	memset(so_far, 0, sizeof(*so_far));
	pd_map_each(cell, note_volume, &volumes);
	if (!volumes.complete)
		salvaging.result = pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for the list of volumes");
	for (size_t i = 0; i < volumes.count && salvaging.result == PK_OK; i++)
		salvage_volume(&salvaging, volumes.ids[i]);
	for (size_t i = 0; i < salvaging.missing_count; i++)
	{
		const struct missing *missing = &salvaging.missing[i];

		/* 0: its length is not asked, another place may tell another one */
		if (to->has(to->arg, missing->hash, 0))
			continue;
		so_far->missing++;
		to->missing(to->arg, missing->hash, missing->bucket_id, missing->offset);
	}
	free(volumes.ids);
	free(salvaging.missing);
	return salvaging.result;
}
