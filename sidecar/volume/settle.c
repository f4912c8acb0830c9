/*
 * volume/settle.c
 *	  After the rows changed: telling the slots what is now, and letting go of
 *	  what it replaced.
 *
 * Members on other nodes are told, and asked, as those here are.  Both may come late or twice.  A slot never
 * goes back to an older generation, nor from a coded volume to the replicated one that it was; and an extent
 * goes only when the current volume puts its member on another drive, where it is seen to be.
 */
#include <inttypes.h>
#include <string.h>

#include "volume/internal.h"

/* --- settling --- */

static bool
went_on(const struct pd_extent_info *info, const struct pd_members *members)
{
	return info->members.count > 0 && info->members.code.kind != PK_CODE_REPLICATED &&
		   members->code.kind == PK_CODE_REPLICATED;
}

/* The tasks for the members that can be reached, each with its extent counted. */
static int
find_members(struct pd_cell *cell, const struct pd_members *members, struct pd_task *tasks)
{
	int count = 0;

	for (int p = 0; p < members->count; p++)
	{
		struct pd_extent *extent = pd_member_find(cell, members, p);
		struct pd_extent_info info;

		if (extent == NULL)
			continue;
		pd_extent_info(extent, &info);
		if (went_on(&info, members) || !pd_drive_writable(pd_extent_drive(extent)))
		{
			pd_extent_unref(extent);
			continue;
		}
		tasks[count].work = pd_work_set_members;
		tasks[count].extent = extent;
		tasks[count].drive = pd_extent_drive(extent);
		tasks[count].arg = members;
		count++;
	}
	return count;
}

pk_error
pd_volume_settle(struct pd_cell *cell, const struct pd_members *members, int *settled, struct pd_err *err)
{
	struct pd_members full = *members;
	struct pd_task tasks[PK_MEMBERS_MAX] = {0};
	pk_error rc = pd_volume_check(members, false, err);
	int count;

	*settled = 0;
	if (rc == PK_OK)
		rc = pd_map_fence(cell, members, err);
	if (rc == PK_OK)
		rc = pd_cell_fill(cell, &full, err);
	if (rc != PK_OK)
		return rc;
	for (int p = full.code.k; full.code.kind != PK_CODE_REPLICATED && p < full.count; p++)
		full.member[p].length = pd_members_parity_length(&full);
	count = find_members(cell, &full, tasks);
	rc = pd_tasks_run(tasks, count, PD_JOB_BACKGROUND, err);
	for (int i = 0; i < count; i++)
	{
		if (tasks[i].result == PK_OK)
			(*settled)++;
		pd_extent_unref(tasks[i].extent);
	}
	if (*settled > 0)
		(void) pd_map_note(cell, &full, PD_TOLD_BY_SLOT);
	return rc;
}

/* --- dropping --- */

/* Whether the drive of a data member has it whole, and its slot was never told of the volume. */
static bool
untold(struct pd_cell *cell, const struct pd_members *volume, int p)
{
	struct pd_drive *drive = pd_cell_drive(cell, volume->member[p].drive);
	struct pd_extent_info info = {0};
	struct pd_extent *extent = NULL;

	if (drive != NULL && pd_drive_readable(drive))
		extent = pd_extent_find(drive, PK_EXTENT_BUCKET, volume->member[p].bucket_id, 0);
	if (extent != NULL)
		pd_extent_info(extent, &info);
	pd_extent_unref(extent);
	return info.sealed && info.length >= volume->member[p].length && info.members.count > 0 &&
		   info.members.volume_id != volume->volume_id && info.members.generation < volume->generation;
}

/*
 * Whether no bucket of the volume needs it: each is by now in another one, or this one is no more than an attempt at encoding
 * that was rolled back.  Members are told of their volume as soon as its rows are committed, before anything of what it
 * replaced is let go.
 */
static bool
needless(struct pd_cell *cell, const struct pd_members *volume)
{
	for (int p = 0; p < volume->code.k; p++)
	{
		struct pd_members current;

		if (pd_member_virtual(volume, p) || untold(cell, volume, p))
			continue;
		if (!pd_map_of_bucket(cell, volume->member[p].bucket_id, 0, &current) || current.volume_id == volume->volume_id)
			return false;
	}
	return true;
}

/* Whether the drive of member p has what info tells, sealed and no shorter. */
static bool
is_there(struct pd_cell *cell, const struct pd_members *members, int p, const struct pd_extent_info *info)
{
	struct pd_extent *extent = pd_member_find(cell, members, p);
	struct pd_extent_info there = {0};

	if (extent != NULL)
	{
		struct pd_err err;
		uint8_t last;

		/* what the process remembers is not enough: its directory may have been emptied below us */
		pd_extent_info(extent, &there);
		if (there.length > 0 && pd_extent_read(extent, there.length - 1, &last, 1, &err) != PK_OK)
			there.sealed = false;
	}
	pd_extent_unref(extent);
	return there.sealed && (!info->sealed || there.length >= info->length);
}

/*
 * A replica is more than its coded volume needs only when that is whole: until a lost member of it has been made anew, the replica
 * is what bears the loss of one more drive.
 */
static pk_error
check_whole(struct pd_cell *cell, const struct pd_members *volume, const char *file, struct pd_err *err)
{
	for (int p = 0; p < volume->count; p++)
	{
		bool parity = p >= volume->code.k;
		struct pd_extent_info info = {.sealed = true};

		if (pd_member_virtual(volume, p))
			continue;
		info.length = parity ? pd_members_parity_length(volume) : volume->member[p].length;
		if (!is_there(cell, volume, p, &info))
			return pd_fail(err, PK_ERR_STATE, "%s stays: member %d of volume %" PRIu64 " is not there", file, p,
						   volume->volume_id);
	}
	return PK_OK;
}

pk_error
pd_extent_may_drop(struct pd_cell *cell, struct pd_extent *extent, struct pd_err *err)
{
	struct pd_drive *drive = pd_extent_drive(extent);
	struct pd_extent_info info;
	struct pd_members current;
	bool replaced = false;
	bool known;

	pd_extent_info(extent, &info);
	if (info.sealed && info.length == 0)
		return PK_OK; /* it holds nothing, so there is nothing to lose */
	if (info.kind == PK_EXTENT_BUCKET)
		known = pd_map_of_bucket(cell, info.id, 0, &current);
	else
		known = pd_map_volume(cell, info.id, &current);
	if (!known)
		return pd_fail(err, PK_ERR_STATE, "%s: no slot here tells what replaced it", info.file);
	if (info.kind == PK_EXTENT_PARITY && needless(cell, &current))
		return PK_OK;
	for (int p = 0; p < current.count; p++)
	{
		bool same = info.kind == PK_EXTENT_PARITY ? p == info.position : current.member[p].bucket_id == info.id;

		if (same && pd_uuid_equal(current.member[p].drive, pd_drive_uuid(drive)))
			return pd_fail(err, PK_ERR_STATE, "%s is member %d of volume %" PRIu64 ", generation %u, on this drive",
						   info.file, p, current.volume_id, current.generation);
		replaced = replaced || (same && is_there(cell, &current, p, &info));
	}
	if (!replaced)
		return pd_fail(err, PK_ERR_STATE, "%s is not there on the drive that volume %" PRIu64 " puts it on", info.file,
					   current.volume_id);
	if (info.kind == PK_EXTENT_BUCKET && current.code.kind != PK_CODE_REPLICATED)
		return check_whole(cell, &current, info.file, err);
	return PK_OK;
}

pk_error
pd_extent_drop(struct pd_cell *cell, const uint8_t drive[PK_UUID_SIZE], pk_extent_kind kind, uint64_t id, int position,
			   uint64_t *bytes, struct pd_err *err)
{
	struct pd_extent_info info;
	struct pd_extent *extent;
	struct pd_drive *at;
	char file[PK_EXTENT_FILE];
	pk_error rc = pd_cell_target(cell, drive, &at, err);

	*bytes = 0;
	if (rc != PK_OK)
		return rc;
	pk_extent_file(file, kind, id, position);
	extent = pd_extent_find(at, kind, id, position);
	if (extent == NULL)
	{
		pd_cell_forget_report(cell, drive, file);
		return PK_OK;
	}
	pd_extent_info(extent, &info);
	rc = pd_extent_may_drop(cell, extent, err);
	if (rc == PK_OK)
		rc = pd_extent_remove(extent, err);
	if (rc == PK_OK)
	{
		*bytes = info.file_size;
		pd_cell_forget_report(cell, drive, file);
	}
	pd_extent_unref(extent);
	return rc;
}
