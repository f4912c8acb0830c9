/*
 * store/remove.c
 *	  Deleting an extent's file, durably.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/internal.h"

/* With drive->change and extent->io held. */
static pk_error
remove_file(struct pd_extent *extent, struct pd_err *err)
{
	struct pd_drive *drive = extent->drive;
	const struct pd_vfs *vfs = drive->vfs;
	char folder[PD_PATH];
	int rc;

	pd_extent_leave(extent);
	rc = vfs->unlink(vfs, extent->path);
	if (rc < 0 && rc != -ENOENT)
	{
		pd_extent_return(extent);
		return pd_drive_write_failed(drive, rc, err, "remove", extent->file);
	}
	pd_registry_remove(drive, extent);
	snprintf(folder, sizeof(folder), "%s", extent->path);
	*strrchr(folder, '/') = '\0';
	rc = vfs->sync_dir(vfs, folder);
	if (rc < 0)
		return pd_drive_sync_failed(drive, rc, err, folder);
	return PK_OK;
}

pk_error
pd_extent_remove(struct pd_extent *extent, struct pd_err *err)
{
	struct pd_drive *drive = extent->drive;
	pk_error result;

	if (pd_drive_is_remote(drive))
		return pd_remote_remove(extent, err);
	pthread_mutex_lock(&drive->change);
	pthread_mutex_lock(&extent->io);
	result = pd_extent_check_writable(extent, err);
	if (result == PK_OK)
		result = remove_file(extent, err);
	pthread_mutex_unlock(&extent->io);
	pthread_mutex_unlock(&drive->change);
	return result;
}
