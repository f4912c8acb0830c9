/*
 * volume/seal.c
 *	  Ends a bucket: every replica gets the same length, once and for good.
 *
 * Replicas of a bucket that never failed were written in step and are sealed
 * where they stand.  In any doubt the same routine as after a restart looks at what they
 * hold (recover.c).
 */
#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "volume/internal.h"

/* Ends writing and waits until nothing is under way. Returns whether all replicas were written in step. */
static bool
stop_writing(struct pd_bucket *bucket, uint64_t *durable)
{
	bool in_step;

	pthread_mutex_lock(&bucket->lock);
	if (bucket->state == PD_BUCKET_OPEN)
		bucket->state = PD_BUCKET_CLOSING;
	while (bucket->first != NULL || bucket->group != NULL)
		pthread_cond_wait(&bucket->idle, &bucket->lock);
	in_step = bucket->state != PD_BUCKET_FAILED;
	*durable = bucket->durable;
	pthread_mutex_unlock(&bucket->lock);
	return in_step;
}

/* Seals each replica at length; one that can be sealed is enough, the others are closed at the next start. */
static pk_error
seal_in_step(struct pd_bucket *bucket, uint64_t length, struct pd_err *err)
{
	struct pd_task tasks[PK_MEMBERS_MAX] = {0};
	int count = bucket->members.count;
	int sealed = 0;
	pk_error rc;

	for (int i = 0; i < count; i++)
	{
		tasks[i].work = pd_work_seal;
		tasks[i].extent = bucket->replicas[i].extent;
		tasks[i].drive = pd_extent_drive(tasks[i].extent);
		tasks[i].offset = length;
	}
	rc = pd_tasks_run(tasks, count, PD_JOB_LIVE, err);
	for (int i = 0; i < count; i++)
	{
		if (tasks[i].result == PK_OK)
			sealed++;
		else
			pd_cell_report_failure(bucket->cell, tasks[i].extent, tasks[i].result, tasks[i].err.text);
	}
	return sealed > 0 ? PK_OK : rc;
}

void
pd_bucket_tell_length(struct pd_cell *cell, uint64_t bucket_id, uint64_t length)
{
	struct pd_extent *extents[PK_MEMBERS_MAX];
	struct pd_task tasks[PK_MEMBERS_MAX] = {0};
	struct pd_members members;
	int count = 0;
	int found;

	if (!pd_map_of_bucket(cell, bucket_id, 0, &members) || members.code.kind != PK_CODE_REPLICATED)
		return;
	pd_map_fill(cell, &members);
	for (int i = 0; i < members.count; i++)
		members.member[i].length = length;
	found = pd_cell_extents(cell, PK_EXTENT_BUCKET, bucket_id, 0, extents, PK_MEMBERS_MAX);
	for (int i = 0; i < found; i++)
	{
		struct pd_extent_info info;

		pd_extent_info(extents[i], &info);
		if (!info.sealed || info.length != length || !pd_drive_writable(pd_extent_drive(extents[i])) ||
			(info.members.volume_id == members.volume_id && info.members.generation == members.generation &&
			 info.members.member[0].length == length))
			continue;
		tasks[count].work = pd_work_set_members;
		tasks[count].extent = extents[i];
		tasks[count].drive = pd_extent_drive(extents[i]);
		tasks[count].arg = &members;
		count++;
	}
	/* a slot that stays behind costs nothing: the extent itself knows its length */
	(void) pd_tasks_run(tasks, count, PD_JOB_LIVE, NULL);
	for (int i = 0; i < count; i++)
	{
		if (tasks[i].result != PK_OK)
			pd_log(PD_LOG_WARNING, "bucket %" PRIu64 ": %s", bucket_id, tasks[i].err.text);
	}
	for (int i = 0; i < found; i++)
		pd_extent_unref(extents[i]);
	(void) pd_map_note(cell, &members, PD_TOLD_BY_SLOT);
}

static pk_error
seal(struct pd_cell *cell, uint64_t bucket_id, uint64_t booked, uint64_t *length, struct pd_err *err)
{
	struct pd_bucket *bucket = pd_bucket_find(cell, bucket_id);
	bool in_step = bucket != NULL && stop_writing(bucket, length);
	pk_error rc;

	rc = in_step ? seal_in_step(bucket, *length, err) : pd_bucket_converge(cell, bucket_id, booked, length, err);
	if (rc == PK_OK)
		pd_bucket_tell_length(cell, bucket_id, *length);
	if (rc == PK_OK && bucket != NULL)
		pd_bucket_forget(bucket);
	if (bucket != NULL)
		pd_bucket_unref(bucket);
	return rc;
}

pk_error
pd_bucket_seal_booked(struct pd_cell *cell, uint64_t bucket_id, uint64_t booked, uint64_t *length, struct pd_err *err)
{
	pthread_mutex_t *lock = &cell->seal_locks[bucket_id % PD_SEAL_LOCKS];
	pk_error rc;

	pthread_mutex_lock(lock);
	rc = seal(cell, bucket_id, booked, length, err);
	pthread_mutex_unlock(lock);
	return rc;
}

pk_error
pd_bucket_seal(struct pd_cell *cell, uint64_t bucket_id, uint64_t *length, struct pd_err *err)
{
	return pd_bucket_seal_booked(cell, bucket_id, 0, length, err);
}

/* Whether the member's drive has the bucket, sealed at this length. */
static bool
is_sealed_there(struct pd_cell *cell, const struct pd_members *members, int p, uint64_t length)
{
	struct pd_extent *extent = pd_member_find(cell, members, p);
	struct pd_extent_info info = {0};

	if (extent != NULL)
		pd_extent_info(extent, &info);
	pd_extent_unref(extent);
	return info.sealed && info.length == length;
}

void
pd_bucket_absent(struct pd_cell *cell, uint64_t bucket_id, uint64_t length, struct pd_absent *absent)
{
	struct pd_members members;

	absent->count = 0;
	if (!pd_map_of_bucket(cell, bucket_id, 0, &members))
		return;
	for (int p = 0; p < members.count; p++)
	{
		if (members.member[p].bucket_id == bucket_id && !is_sealed_there(cell, &members, p, length))
			memcpy(absent->drive[absent->count++], members.member[p].drive, PK_UUID_SIZE);
	}
}
