/*
 * store/trash.c
 *	  Extents that lost their purpose: renamed durably into trash/, and back.
 *
 * What lies there is read as before, is neither sealed, scrubbed nor recovered
 * any more, and goes only by pd_extent_remove.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/internal.h"

void
pd_trash_file(char out[PK_EXTENT_FILE], pk_extent_kind kind, uint64_t id, int position)
{
	char file[PK_EXTENT_FILE];

	pk_extent_file(file, kind, id, position);
	snprintf(out, PK_EXTENT_FILE, PD_TRASH "%s", strrchr(file, '/') + 1);
}

struct pd_extent *
pd_extent_find_trashed(struct pd_drive *drive, pk_extent_kind kind, uint64_t id, int position)
{
	char file[PK_EXTENT_FILE];

	pd_trash_file(file, kind, id, position);
	return pd_registry_find(drive, file);
}

struct pd_extent *
pd_extent_find_kept(struct pd_drive *drive, pk_extent_kind kind, uint64_t id, int position)
{
	struct pd_extent *extent;

	return pd_extent_lookup_kept(drive, kind, id, position, &extent, NULL) == PK_OK ? extent : NULL;
}

pk_error
pd_extent_lookup_kept(struct pd_drive *drive, pk_extent_kind kind, uint64_t id, int position, struct pd_extent **extent,
					  struct pd_err *err)
{
	pk_error rc;

	if (pd_drive_is_remote(drive))
	{
		*extent = NULL;
		return pd_remote_lookup(drive, &(struct pd_extent_name){kind, id, position}, true, extent, err);
	}
	rc = pd_extent_lookup(drive, kind, id, position, extent, err);
	if (rc == PK_ERR_NOT_FOUND)
		*extent = pd_extent_find_trashed(drive, kind, id, position);
	return *extent != NULL ? PK_OK : rc;
}

/* The same extent under its other name, not registered yet. With extent->io held. */
static struct pd_extent *
moved_extent(struct pd_extent *extent)
{
	struct pd_extent *made = pd_extent_new(extent->drive, &extent->header, !extent->trashed);

	if (made == NULL)
		return NULL;
	pthread_mutex_lock(&extent->mutex);
	made->state = extent->state;
	made->length = extent->length;
	made->file_size = extent->file_size;
	made->slot = extent->slot;
	made->slot_index = extent->slot_index;
	made->recovered = true; /* its table, if it has none in the file, is not carried along */
	pthread_mutex_unlock(&extent->mutex);
	for (size_t i = 0; i < extent->rot_count; i++)
		pd_extent_add_rot(made, extent->rots[i].offset, extent->rots[i].length, extent->rots[i].problem);
	return made;
}

static pk_error
sync_folder_of(struct pd_drive *drive, const char *path, struct pd_err *err)
{
	char folder[PD_PATH];
	int rc;

	snprintf(folder, sizeof(folder), "%s", path);
	*strrchr(folder, '/') = '\0';
	rc = drive->vfs->sync_dir(drive->vfs, folder);
	return rc < 0 ? pd_drive_sync_failed(drive, rc, err, folder) : PK_OK;
}

/* Where it comes to be is synced first: a crash leaves it in one of both places, or in both. */
static pk_error
rename_extent(struct pd_extent *extent, struct pd_extent *made, struct pd_err *err)
{
	struct pd_drive *drive = extent->drive;
	pk_error result = pd_folder_make(drive, made, err);
	int rc;

	if (result != PK_OK)
		return result;
	pd_extent_leave(extent);
	rc = drive->vfs->rename(drive->vfs, extent->path, made->path);
	if (rc < 0)
	{
		pd_extent_return(extent);
		return pd_drive_write_failed(drive, rc, err, "rename", extent->file);
	}
	result = pd_registry_put(drive, made, err);
	pd_registry_remove(drive, extent);
	if (result == PK_OK)
		result = sync_folder_of(drive, made->path, err);
	if (result == PK_OK)
		result = sync_folder_of(drive, extent->path, err);
	return result;
}

static pk_error
move_locked(struct pd_extent *extent, bool to_trash, struct pd_err *err)
{
	struct pd_drive *drive = extent->drive;
	struct pd_extent *made, *other;
	pk_error result = pd_extent_check_writable(extent, err);

	if (pd_drive_is_remote(drive))
		return pd_fail(err, PK_ERR_STATE, "extent %s is of another node, which keeps its trash", extent->path);
	if (result != PK_OK || extent->trashed == to_trash)
		return result;
	if (pd_extent_is_open(extent))
		return pd_fail(err, PK_ERR_STATE, "extent %s takes appends", extent->path);
	made = moved_extent(extent);
	if (made == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "no memory for an extent");
	other = pd_registry_find(drive, made->file);
	if (other != NULL || pd_drive_is_damaged(drive, made->file))
		result = pd_fail(err, PK_ERR_STATE, "drive %s has %s already", drive->path, made->file);
	else
		result = rename_extent(extent, made, err);
	pd_extent_unref(other);
	pd_extent_unref(made);
	return result;
}

static pk_error
move_extent(struct pd_extent *extent, bool to_trash, struct pd_err *err)
{
	struct pd_drive *drive = extent->drive;
	pk_error result;

	pthread_mutex_lock(&drive->change);
	pthread_mutex_lock(&extent->io);
	result = move_locked(extent, to_trash, err);
	pthread_mutex_unlock(&extent->io);
	pthread_mutex_unlock(&drive->change);
	return result;
}

pk_error
pd_extent_trash(struct pd_extent *extent, struct pd_err *err)
{
	return move_extent(extent, true, err);
}

pk_error
pd_extent_untrash(struct pd_extent *extent, struct pd_err *err)
{
	return move_extent(extent, false, err);
}
