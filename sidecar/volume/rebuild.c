/*
 * volume/rebuild.c
 *	  Lost or damaged members made anew on other drives.
 *
 * Each range comes from checked reads: of a sealed replica, or decoded from k
 * others, with one damaged place costing no more than itself.  What was written is
 * read back from its drive and held against the checksums of what it was made
 * from before it stands in its place (pd_extent_build_finish).  The rows that name
 * the new members change after this returned.
 */
#include <inttypes.h>
#include <string.h>

#include "volume/internal.h"

/* One member that is made. */
struct target
{
	int position;
	uint64_t length;
	struct pd_drive *drive;
	struct pd_extent_build *build;
	uint8_t *buf[2]; /* a range is made while the one before is written */
};

struct rebuilding
{
	struct pd_cell *cell;
	struct pd_members members; /* with keys and lengths */
	uint8_t cell_uuid[PK_UUID_SIZE];
	struct target targets[PK_MEMBERS_MAX];
	int count;
	uint64_t length; /* the longest target's */
	const struct pd_progress *progress;
};

static size_t
part_of(uint64_t length, uint64_t at)
{
	if (at >= length)
		return 0;
	return length - at < PD_VOLUME_RANGE ? (size_t) (length - at) : PD_VOLUME_RANGE;
}

static pk_error
tick(const struct rebuilding *rebuilding, uint64_t done, struct pd_err *err)
{
	const struct pd_progress *progress = rebuilding->progress;

	if (progress != NULL && !progress->tick(progress->arg, done, rebuilding->length))
		return pd_fail(err, PK_ERR_UNAVAILABLE, "the rebuilding of volume %" PRIu64 " was stopped",
					   rebuilding->members.volume_id);
	return PK_OK;
}

/* --- where bytes come from --- */

/* n checked bytes of a bucket from any sealed replica of this length. PK_ERR_UNAVAILABLE: on a node that is not reached there may be one. */
static pk_error
read_replica(struct rebuilding *rebuilding, uint64_t bucket_id, uint64_t length, uint64_t at, uint8_t *buf, size_t n,
			 struct pd_err *err)
{
	struct pd_wanted wanted = {.kind = PK_EXTENT_BUCKET, .id = bucket_id};
	struct pd_err why = {.text = "none is here, sealed and of the right length"};
	pk_error rc = PK_ERR_BLOCK_LOST;
	bool unreached;

	pd_cell_find(rebuilding->cell, &wanted, 1, false);
	unreached = wanted.unreached > 0;
	for (int i = 0; i < wanted.count; i++)
	{
		struct pd_extent *extent = wanted.extents[i];
		struct pd_extent_info info;

		pd_extent_info(extent, &info);
		if (rc != PK_OK && info.sealed && info.length == length)
		{
			struct pd_task task = {.work = pd_work_read_checked, .extent = extent, .buf = buf, .n = n, .offset = at};

			task.drive = pd_extent_drive(extent);
			rc = pd_tasks_run(&task, 1, PD_JOB_BACKGROUND, &why);
			if (rc != PK_OK)
				pd_cell_report_failure(rebuilding->cell, extent, task.result, task.err.text);
			unreached = unreached || (rc != PK_OK && !pd_cell_is_damage(extent, rc));
		}
	}
	pd_wanted_free(&wanted);
	if (rc == PK_OK || rc == PK_ERR_NO_MEMORY)
		return rc == PK_OK ? rc : pd_fail(err, rc, "%s", why.text);
	/* what ailed the last one, a file that is gone perhaps, must not look like an answer about the order */
	return pd_fail(err, unreached ? PK_ERR_UNAVAILABLE : PK_ERR_BLOCK_LOST,
				   "no replica of bucket %" PRIu64 " can be read at %" PRIu64 ": %.300s", bucket_id, at, why.text);
}

/* The same; where the whole range is nowhere, each chunk from wherever it is. */
static pk_error
copy_range(struct rebuilding *rebuilding, uint64_t at, int turn, struct pd_err *err)
{
	struct target *target = &rebuilding->targets[0];
	uint64_t bucket_id = rebuilding->members.member[0].bucket_id;
	size_t n = part_of(target->length, at);
	pk_error rc = read_replica(rebuilding, bucket_id, target->length, at, target->buf[turn], n, err);
	bool chunks = rc != PK_OK;

	for (size_t done = 0; chunks && done < n; done += PD_EXTENT_CHUNK)
	{
		rc = read_replica(rebuilding, bucket_id, target->length, at + done, target->buf[turn] + done,
						  n - done < PD_EXTENT_CHUNK ? n - done : PD_EXTENT_CHUNK, err);
		if (rc != PK_OK)
			return rc;
	}
	for (int i = 1; i < rebuilding->count; i++)
		memcpy(rebuilding->targets[i].buf[turn], target->buf[turn], n);
	return PK_OK;
}

static pk_error
make_range(struct rebuilding *rebuilding, uint64_t at, int turn, struct pd_err *err)
{
	int wanted[PK_MEMBERS_MAX];
	uint8_t *out[PK_MEMBERS_MAX];

	if (rebuilding->members.code.kind == PK_CODE_REPLICATED)
		return copy_range(rebuilding, at, turn, err);
	for (int i = 0; i < rebuilding->count; i++)
	{
		wanted[i] = rebuilding->targets[i].position;
		out[i] = rebuilding->targets[i].buf[turn];
	}
	return pd_decode_range(rebuilding->cell, &rebuilding->members, 0, wanted, rebuilding->count, at,
						   part_of(rebuilding->length, at), out, PD_JOB_BACKGROUND, err);
}

/* --- before --- */

static pk_error
add_target(struct rebuilding *rebuilding, int position, struct pd_err *err)
{
	const struct pd_members *members = &rebuilding->members;
	struct target *target = &rebuilding->targets[rebuilding->count];
	bool parity = members->code.kind != PK_CODE_REPLICATED && position >= members->code.k;
	pk_error rc;

	if (position >= members->count || pd_member_virtual(members, position))
		return pd_fail(err, PK_ERR_MALFORMED, "member %d of volume %" PRIu64 " is nothing to rebuild", position,
					   members->volume_id);
	target->position = position;
	target->length = parity ? pd_members_parity_length(members) : members->member[position].length;
	rc = pd_cell_any_target(rebuilding->cell, members->member[position].drive, &target->drive, err);
	if (rc != PK_OK)
		return rc;
	rebuilding->count++;
	if (target->length > rebuilding->length)
		rebuilding->length = target->length;
	return PK_OK;
}

/*
 * A replica whose node was away when the bucket was sealed may still take appends: nothing is written in its place before it does not.
 * No extent is as long as this, so the attempt to seal it comes to nothing but that.
 */
static void
end_appends(struct pd_drive *drive, pk_extent_kind kind, uint64_t id, int position)
{
	struct pd_extent *extent = pd_extent_find(drive, kind, id, position);
	struct pd_extent_info info = {.sealed = true};
	struct pd_err ignored;

	if (extent != NULL)
		pd_extent_info(extent, &info);
	if (!info.sealed)
		(void) !pd_extent_seal_whole(extent, PK_BUCKET_SIZE_MAX, &ignored);
	pd_extent_unref(extent);
}

static pk_error
prepare(struct rebuilding *rebuilding, uint32_t rebuild, struct pd_err *err)
{
	struct pd_members *members = &rebuilding->members;
	pk_error rc = pd_volume_check(members, false, err);

	if (rc == PK_OK)
		rc = pd_map_fence(rebuilding->cell, members, err);
	if (rc == PK_OK)
		rc = pd_cell_fill(rebuilding->cell, members, err);
	if (rc != PK_OK)
		return rc;
	pd_cell_identity(rebuilding->cell, rebuilding->cell_uuid, NULL);
	for (int p = members->code.k; members->code.kind != PK_CODE_REPLICATED && p < members->count; p++)
		members->member[p].length = pd_members_parity_length(members);
	for (int p = 0; rc == PK_OK && p < PK_MEMBERS_MAX; p++)
	{
		if ((rebuild & (UINT32_C(1) << p)) != 0)
			rc = add_target(rebuilding, p, err);
	}
	for (int i = 0; rc == PK_OK && i < rebuilding->count; i++)
	{
		struct target *target = &rebuilding->targets[i];
		bool parity = members->code.kind != PK_CODE_REPLICATED && target->position >= members->code.k;
		pk_extent_kind kind = parity ? PK_EXTENT_PARITY : PK_EXTENT_BUCKET;
		uint64_t id = parity ? members->volume_id : members->member[target->position].bucket_id;
		int position = parity ? target->position : 0;

		end_appends(target->drive, kind, id, position);
		rc = pd_extent_build_begin(target->drive, kind, id, position, rebuilding->cell_uuid, members, target->length,
								   &target->build, err);
	}
	return rc;
}

/* --- making --- */

/* Starts to write a range to the targets that reach so far. Returns how many tasks are under way. */
static int
start_writes(struct rebuilding *rebuilding, struct pd_task *tasks, struct pd_latch *latch, uint64_t at, int turn)
{
	int count = 0;

	memset(tasks, 0, sizeof(*tasks) * PK_MEMBERS_MAX);
	for (int i = 0; i < rebuilding->count; i++)
	{
		struct target *target = &rebuilding->targets[i];
		size_t n = part_of(target->length, at);

		if (n == 0)
			continue;
		tasks[count].work = pd_work_build_write;
		tasks[count].drive = target->drive;
		tasks[count].build = target->build;
		tasks[count].buf = target->buf[turn];
		tasks[count].n = n;
		count++;
	}
	pd_tasks_start(tasks, count, latch, PD_JOB_BACKGROUND);
	return count;
}

static pk_error
make_all(struct rebuilding *rebuilding, struct pd_err *err)
{
	struct pd_task writes[PK_MEMBERS_MAX];
	struct pd_latch latch;
	bool writing = false;
	int count = 0;
	int turn = 0;
	pk_error rc = PK_OK;

	for (uint64_t at = 0; rc == PK_OK && at < rebuilding->length; at += PD_VOLUME_RANGE, turn = !turn)
	{
		rc = tick(rebuilding, at, err);
		if (rc == PK_OK)
			rc = make_range(rebuilding, at, turn, err);
		if (writing)
		{
			pk_error written = pd_tasks_wait(writes, count, &latch, rc == PK_OK ? err : NULL);

			rc = rc == PK_OK ? written : rc;
		}
		writing = rc == PK_OK;
		if (writing)
			count = start_writes(rebuilding, writes, &latch, at, turn);
	}
	if (writing)
		rc = pd_tasks_wait(writes, count, &latch, err);
	return rc;
}

static pk_error
finish(struct rebuilding *rebuilding, struct pd_err *err)
{
	struct pd_task tasks[PK_MEMBERS_MAX] = {0};
	pk_error rc;

	for (int i = 0; i < rebuilding->count; i++)
	{
		tasks[i].work = pd_work_build_finish;
		tasks[i].drive = rebuilding->targets[i].drive;
		tasks[i].build = rebuilding->targets[i].build;
		rebuilding->targets[i].build = NULL;
	}
	rc = pd_tasks_run(tasks, rebuilding->count, PD_JOB_BACKGROUND, err);
	for (int i = 0; i < rebuilding->count; i++)
	{
		struct pd_extent_info info;

		if (tasks[i].result != PK_OK)
			continue;
		pd_extent_info(tasks[i].extent, &info);
		pd_cell_forget_report(rebuilding->cell, pd_drive_uuid(tasks[i].drive), info.file);
		pd_extent_unref(tasks[i].extent);
	}
	return rc;
}

static pk_error
make(struct rebuilding *rebuilding, struct pd_err *err)
{
	struct pd_buffer *buffer =
		pd_buffer_get(rebuilding->cell->buffers, 2 * (size_t) PD_VOLUME_RANGE * (size_t) rebuilding->count);
	pk_error rc;

	if (buffer == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for volume %" PRIu64, rebuilding->members.volume_id);
	for (int i = 0; i < 2 * rebuilding->count; i++)
		rebuilding->targets[i / 2].buf[i % 2] = buffer->data + (size_t) i * PD_VOLUME_RANGE;
	rc = make_all(rebuilding, err);
	if (rc == PK_OK) /* again: a newer order may have come and gone meanwhile, and its files have these names */
		rc = pd_map_fence(rebuilding->cell, &rebuilding->members, err);
	if (rc == PK_OK)
		rc = finish(rebuilding, err);
	pd_buffer_put(rebuilding->cell->buffers, buffer);
	return rc;
}

pk_error
pd_volume_rebuild(struct pd_cell *cell, const struct pd_members *members, uint32_t rebuild,
				  const struct pd_progress *progress, struct pd_err *err)
{
	struct rebuilding rebuilding = {.cell = cell, .members = *members, .progress = progress};
	pk_error rc;

	if (rebuild == 0)
		return PK_OK;
	rc = prepare(&rebuilding, rebuild, err);
	if (rc == PK_OK)
		rc = make(&rebuilding, err);
	if (rc == PK_OK && !pd_map_note(cell, &rebuilding.members, PD_TOLD_BY_SLOT))
		rc = pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for volume %" PRIu64, members->volume_id);
	for (int i = 0; i < rebuilding.count; i++)
		pd_extent_build_abandon(rebuilding.targets[i].build);
	return rc;
}
