/*
 * volume/find.c
 *	  The extents of a bucket or a parity, on the drives here and on those of other
 *	  nodes.
 *
 * The drives here are all looked at: what a slot or the map says of them may be late.  Of the others only those that a volume names;
 * they are asked at once, and what their slots tell is learned.
 */
#include <inttypes.h>
#include <string.h>

#include "volume/internal.h"

#define QUESTIONS_MAX (4 * PK_MEMBERS_MAX) /* asked at once */

static void
add_local(struct pd_cell *cell, struct pd_wanted *wanted)
{
	for (int i = 0; i < cell->drive_count && wanted->count < PK_MEMBERS_MAX; i++)
	{
		struct pd_drive *drive = cell->drives[i].drive;
		struct pd_extent *extent;

		if (!atomic_load(&cell->drives[i].ours) || !pd_drive_readable(drive))
			continue;
		extent =
			(wanted->kept ? pd_extent_find_kept : pd_extent_find)(drive, wanted->kind, wanted->id, wanted->position);
		if (extent != NULL)
			wanted->extents[wanted->count++] = extent;
	}
}

static int
add_remote(struct pd_cell *cell, const uint8_t *uuid, struct pd_cell_drive **drives, int count)
{
	struct pd_cell_drive *drive = NULL;

	if (count < PK_MEMBERS_MAX && pd_cell_drive(cell, uuid) == NULL)
		drive = pd_peers_drive(cell, uuid);
	for (int i = 0; i < count; i++)
	{
		if (drives[i] == drive)
			return count;
	}
	if (drive != NULL)
		drives[count++] = drive;
	return count;
}

int
pd_cell_remotes(struct pd_cell *cell, pk_extent_kind kind, uint64_t id, int position,
				struct pd_cell_drive *drives[PK_MEMBERS_MAX])
{
	struct pd_members volume;
	int count = 0;

	if (kind == PK_EXTENT_PARITY)
	{
		if (pd_map_volume(cell, id, &volume) && position < volume.count)
			count = add_remote(cell, volume.member[position].drive, drives, count);
		return count;
	}
	for (int nth = 0; pd_map_of_bucket(cell, id, nth, &volume); nth++)
	{
		for (int p = 0; p < volume.count; p++)
		{
			if (volume.member[p].bucket_id == id)
				count = add_remote(cell, volume.member[p].drive, drives, count);
		}
	}
	return count;
}

bool
pd_bucket_is_here(struct pd_cell *cell, uint64_t bucket_id)
{
	struct pd_members members;

	if (!pd_map_of_bucket(cell, bucket_id, 0, &members))
		return true;
	for (int p = 0; p < members.count; p++)
	{
		if (members.member[p].bucket_id == bucket_id && pd_cell_drive(cell, members.member[p].drive) == NULL)
			return false;
	}
	return true;
}

/* offset and n are the id and the position: whoever wanted it may have gone. */
static pk_error
work_lookup(struct pd_task *task)
{
	const pk_extent_kind *kind = task->arg;

	return pd_extent_lookup(task->drive, *kind, task->offset, (int) task->n, &task->extent, &task->err);
}

static pk_error
work_lookup_kept(struct pd_task *task)
{
	const pk_extent_kind *kind = task->arg;

	return pd_extent_lookup_kept(task->drive, *kind, task->offset, (int) task->n, &task->extent, &task->err);
}

/* Whom to ask about what. */
struct question
{
	struct pd_wanted *wanted;
	struct pd_cell_drive *drive;
};

static void
ask(struct pd_cell *cell, const struct question *questions, int count, bool hurry)
{
	static const pk_extent_kind kinds[] = {PK_EXTENT_BUCKET, PK_EXTENT_PARITY};
	struct pd_batch *batch = pd_batch_create(cell, count, 0);

	for (int i = 0; batch != NULL && i < count; i++)
	{
		const struct pd_wanted *wanted = questions[i].wanted;
		struct pd_task *task = &batch->tasks[i].task;

		if (hurry && pd_drive_is_slow(questions[i].drive))
			continue;
		task->work = wanted->kept ? work_lookup_kept : work_lookup;
		task->drive = questions[i].drive->drive;
		task->arg = &kinds[wanted->kind == PK_EXTENT_PARITY];
		task->offset = wanted->id;
		task->n = (size_t) wanted->position;
		batch->tasks[i].drive = questions[i].drive;
	}
	if (batch != NULL)
	{
		pd_batch_start(batch, PD_JOB_LIVE);
		pd_batch_wait(batch, hurry);
	}
	for (int i = 0; i < count; i++)
	{
		struct pd_wanted *wanted = questions[i].wanted;
		const struct pd_task *task = batch != NULL && pd_batch_ended(batch, i) ? &batch->tasks[i].task : NULL;

		if (task == NULL || task->work == NULL || (task->result != PK_OK && task->result != PK_ERR_NOT_FOUND))
			wanted->unreached++;
		else if (task->result == PK_OK && wanted->count < PK_MEMBERS_MAX && pd_cell_learn(cell, task->extent))
			wanted->extents[wanted->count++] = pd_extent_ref(task->extent);
	}
	pd_batch_free(batch);
}

void
pd_cell_find(struct pd_cell *cell, struct pd_wanted *wanted, int count, bool hurry)
{
	struct question questions[QUESTIONS_MAX];
	int question_count = 0;

	for (int i = 0; i < count; i++)
	{
		struct pd_cell_drive *drives[PK_MEMBERS_MAX];
		int remotes = pd_cell_remotes(cell, wanted[i].kind, wanted[i].id, wanted[i].position, drives);

		wanted[i].count = 0;
		wanted[i].unreached = 0;
		add_local(cell, &wanted[i]);
		if (question_count + remotes > QUESTIONS_MAX)
		{
			ask(cell, questions, question_count, hurry);
			question_count = 0;
		}
		for (int r = 0; r < remotes; r++)
			questions[question_count++] = (struct question){&wanted[i], drives[r]};
	}
	if (question_count > 0)
		ask(cell, questions, question_count, hurry);
}

static int
find_extents(struct pd_cell *cell, struct pd_wanted *wanted, struct pd_extent **extents, int max)
{
	int count;

	pd_cell_find(cell, wanted, 1, false);
	count = wanted->count < max ? wanted->count : max;
	memcpy(extents, wanted->extents, (size_t) count * sizeof(*extents));
	for (int i = count; i < wanted->count; i++)
		pd_extent_unref(wanted->extents[i]);
	return count;
}

int
pd_cell_extents(struct pd_cell *cell, pk_extent_kind kind, uint64_t id, int position, struct pd_extent **extents,
				int max)
{
	struct pd_wanted wanted = {.kind = kind, .id = id, .position = position};

	return find_extents(cell, &wanted, extents, max);
}

int
pd_cell_extents_kept(struct pd_cell *cell, pk_extent_kind kind, uint64_t id, int position, struct pd_extent **extents,
					 int max)
{
	struct pd_wanted wanted = {.kind = kind, .id = id, .position = position, .kept = true};

	return find_extents(cell, &wanted, extents, max);
}

void
pd_want_member(struct pd_wanted *wanted, const struct pd_members *members, int p)
{
	bool parity = members->code.kind != PK_CODE_REPLICATED && p >= members->code.k;

	wanted->kind = parity ? PK_EXTENT_PARITY : PK_EXTENT_BUCKET;
	wanted->id = parity ? members->volume_id : members->member[p].bucket_id;
	wanted->position = parity ? p : 0;
}

void
pd_wanted_free(struct pd_wanted *wanted)
{
	for (int i = 0; i < wanted->count; i++)
		pd_extent_unref(wanted->extents[i]);
	wanted->count = 0;
}

static uint64_t
keyless_bucket(struct pd_cell *cell, const struct pd_members *members)
{
	for (int p = 0; p < members->count; p++)
	{
		if (members->member[p].bucket_id != 0 && !pd_map_has_key(cell, members->member[p].bucket_id))
			return members->member[p].bucket_id;
	}
	return 0;
}

pk_error
pd_cell_fill(struct pd_cell *cell, struct pd_members *members, struct pd_err *err)
{
	uint64_t keyless = keyless_bucket(cell, members);

	/* a slot of any member has the keys of all */
	for (int p = 0; keyless != 0 && p < members->count; p++)
	{
		struct pd_wanted wanted = {0};

		if (pd_member_virtual(members, p))
			continue;
		pd_want_member(&wanted, members, p);
		pd_cell_find(cell, &wanted, 1, false);
		pd_wanted_free(&wanted);
		keyless = keyless_bucket(cell, members);
	}
	if (keyless != 0)
		return pd_fail(err, PK_ERR_NO_KEY, "no slot that can be read has the key of bucket %" PRIu64, keyless);
	pd_map_fill(cell, members);
	return PK_OK;
}

struct pd_extent *
pd_member_find(struct pd_cell *cell, const struct pd_members *members, int p)
{
	struct pd_drive *drive = pd_cell_any_drive(cell, members->member[p].drive);
	struct pd_extent *extent = NULL;
	struct pd_wanted wanted = {0};

	pd_want_member(&wanted, members, p);
	if (drive != NULL && pd_drive_readable(drive) && !pd_member_virtual(members, p))
		extent = pd_extent_find(drive, wanted.kind, wanted.id, wanted.position);
	if (extent != NULL && pd_drive_is_remote(drive) && !pd_cell_learn(cell, extent))
	{
		pd_extent_unref(extent);
		extent = NULL;
	}
	return extent;
}
