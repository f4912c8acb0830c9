/*
 * store/slot.c
 *	  Replacing what an extent says of its volume. Two slots are written in turn,
 *	  so that a crash spoils at most the one that did not count yet.
 */
#include <fcntl.h>

#include "store/internal.h"

static pk_error
slot_check(struct pd_extent *extent, const struct pd_members *members, struct pd_err *err)
{
	const struct pd_members *now = &extent->slot.members;
	pk_error result = pd_extent_check_writable(extent, err);

	if (result == PK_OK)
		result = pd_members_check(members, err);
	if (result != PK_OK)
		return result;
	/* generations count within a volume: a bucket that moves to another one begins anew */
	if (extent->slot.sequence > 0 && now->volume_id == members->volume_id && members->generation < now->generation)
		return pd_fail(err, PK_ERR_STATE, "extent %s is of generation %u of its volume: %u is older", extent->path,
					   (unsigned) now->generation, (unsigned) members->generation);
	return PK_OK;
}

static pk_error
slot_write(struct pd_extent *extent, const struct pd_slot *slot, int index, struct pd_err *err)
{
	struct pd_drive *drive = extent->drive;
	const struct pd_vfs *vfs = drive->vfs;
	uint8_t page[PD_PAGE];
	struct iovec iov = {page, PD_PAGE};
	pk_error result = PK_OK;
	int fd, rc;

	pd_slot_encode(page, slot, &extent->header);
	fd = vfs->open(vfs, extent->path, O_WRONLY | PD_OPEN, 0);
	if (fd < 0)
		return pd_drive_write_failed(drive, fd, err, "open", extent->file);
	rc = pd_vfs_write_full(vfs, fd, &iov, 1, PD_SLOT_OFFSET(index));
	if (rc < 0)
		result = pd_drive_write_failed(drive, rc, err, "write a slot of", extent->file);
	else
	{
		rc = vfs->fdatasync(vfs, fd);
		if (rc < 0)
			result = pd_drive_sync_failed(drive, rc, err, extent->file);
	}
	vfs->close(vfs, fd);
	return result;
}

pk_error
pd_extent_set_members(struct pd_extent *extent, const struct pd_members *members, struct pd_err *err)
{
	struct pd_slot slot;
	int index;
	pk_error result;

	if (pd_drive_is_remote(extent->drive))
		return pd_remote_set_members(extent, members, err);
	pthread_mutex_lock(&extent->io);
	result = slot_check(extent, members, err);
	if (result == PK_OK)
	{
		slot.sequence = extent->slot.sequence + 1;
		slot.members = *members;
		index = 1 - extent->slot_index;
		result = slot_write(extent, &slot, index, err);
	}
	if (result == PK_OK)
	{
		pthread_mutex_lock(&extent->mutex);
		extent->slot = slot;
		extent->slot_index = index;
		pthread_mutex_unlock(&extent->mutex);
	}
	pthread_mutex_unlock(&extent->io);
	return result;
}
