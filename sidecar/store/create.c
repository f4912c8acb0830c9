/*
 * store/create.c
 *	  New extent files. They begin under tmp/ and are renamed into place when they
 *	  are whole, so that every file under extents/ has a header.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/internal.h"

pk_error
pd_members_check(const struct pd_members *members, struct pd_err *err)
{
	if (members->count < 1 || members->count > PK_MEMBERS_MAX)
		return pd_fail(err, PK_ERR_TOO_LARGE, "a volume has 1 to %d members, not %d", PK_MEMBERS_MAX, members->count);
	if (members->code.k < 0 || members->code.k > PK_MEMBERS_MAX || members->code.m < 0 ||
		members->code.m > PK_MEMBERS_MAX)
		return pd_fail(err, PK_ERR_TOO_LARGE, "a code has at most %d members", PK_MEMBERS_MAX);
	return PK_OK;
}

pk_error
pd_identity_init(struct pd_header *header, struct pd_drive *drive, pk_extent_kind kind, uint64_t id, int position,
				 const uint8_t cell[PK_UUID_SIZE], uint64_t capacity, struct pd_err *err)
{
	if (kind != PK_EXTENT_BUCKET && kind != PK_EXTENT_PARITY)
		return pd_fail(err, PK_ERR_MALFORMED, "%d is no kind of extent", (int) kind);
	if (position < 0 || position >= PK_MEMBERS_MAX || (kind == PK_EXTENT_BUCKET && position != 0))
		return pd_fail(err, PK_ERR_MALFORMED, "%d is no position of an extent", position);
	if (capacity > PK_BUCKET_SIZE_MAX)
		return pd_fail(err, PK_ERR_TOO_LARGE, "an extent has at most %llu bytes",
					   (unsigned long long) PK_BUCKET_SIZE_MAX);
	memset(header, 0, sizeof(*header));
	header->kind = kind;
	header->id = id;
	header->position = position;
	memcpy(header->cell, cell, PK_UUID_SIZE);
	memcpy(header->drive, drive->uuid, PK_UUID_SIZE);
	header->created_us = (uint64_t) drive->vfs->now_us(drive->vfs);
	header->capacity = capacity;
	return PK_OK;
}

static int
write_head(struct pd_drive *drive, int fd, const struct pd_header *header, const struct pd_slot *slot)
{
	uint8_t *pages = calloc(1, PD_EXTENT_DATA);
	struct iovec iov = {pages, PD_EXTENT_DATA};
	int rc;

	if (pages == NULL)
		return -ENOMEM;
	pd_header_encode(pages, header);
	pd_slot_encode(pages + PD_SLOT_OFFSET(0), slot, header);
	rc = pd_vfs_write_full(drive->vfs, fd, &iov, 1, 0);
	free(pages);
	return rc;
}

pk_error
pd_draft_begin(struct pd_drive *drive, const struct pd_header *header, const struct pd_slot *slot, uint64_t allocate,
			   char *path, int *fd, struct pd_err *err)
{
	const struct pd_vfs *vfs = drive->vfs;
	char file[PK_EXTENT_FILE];
	unsigned serial;
	int rc;

	pthread_mutex_lock(&drive->change);
	serial = drive->serial++;
	pthread_mutex_unlock(&drive->change);
	pk_extent_file(file, header->kind, header->id, header->position);
	snprintf(path, PD_PATH, "%s/tmp/%s.%u", drive->path, strrchr(file, '/') + 1, serial);
	*fd = vfs->open(vfs, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (*fd < 0)
		return pd_drive_write_failed(drive, *fd, err, "create", path);
	/* only to have the space and less fragments: where it is not to be had that way, writing will tell */
	rc = allocate == 0 ? 0 : vfs->fallocate(vfs, *fd, 0, PD_EXTENT_DATA + allocate);
	if (rc == -EOPNOTSUPP || rc == -ENOSYS || rc == -EINVAL)
		rc = 0;
	if (rc == 0)
		rc = write_head(drive, *fd, header, slot);
	if (rc == 0)
		return PK_OK;
	vfs->close(vfs, *fd);
	vfs->unlink(vfs, path);
	return pd_drive_write_failed(drive, rc, err, "write", path);
}

/* Once per process, because an earlier one may have died before it was synced. */
pk_error
pd_folder_make(struct pd_drive *drive, const struct pd_extent *extent, struct pd_err *err)
{
	const struct pd_vfs *vfs = drive->vfs;
	bool *synced = extent->trashed ? &drive->trash_synced : &drive->folder_synced[extent->header.id & 0xff];
	char path[PD_PATH];
	int rc;

	if (*synced)
		return PK_OK;
	snprintf(path, sizeof(path), "%s", extent->path);
	*strrchr(path, '/') = '\0';
	rc = vfs->mkdir(vfs, path, 0700);
	if (rc < 0 && rc != -EEXIST)
		return pd_drive_write_failed(drive, rc, err, "make", path);
	*strrchr(path, '/') = '\0';
	rc = vfs->sync_dir(vfs, path);
	if (rc < 0)
		return pd_drive_sync_failed(drive, rc, err, path);
	*synced = true;
	return PK_OK;
}

pk_error
pd_draft_place(struct pd_extent *extent, const char *path, bool *renamed, struct pd_err *err)
{
	struct pd_drive *drive = extent->drive;
	const struct pd_vfs *vfs = drive->vfs;
	struct pd_extent *old = pd_registry_find(drive, extent->file);
	char folder[PD_PATH];
	pk_error result;
	int rc = 0;

	*renamed = false;
	result = pd_folder_make(drive, extent, err);
	if (result == PK_OK && old != NULL)
	{
		pthread_mutex_lock(&old->io);
		pd_extent_leave(old);
		pthread_mutex_unlock(&old->io);
	}
	if (result == PK_OK)
	{
		rc = vfs->rename(vfs, path, extent->path);
		if (rc < 0)
		{
			result = pd_drive_write_failed(drive, rc, err, "rename", path);
			if (old != NULL)
				pd_extent_return(old);
		}
		else
		{
			*renamed = true;
			result = pd_registry_put(drive, extent, err);
		}
	}
	pd_extent_unref(old);
	if (result != PK_OK)
		return result;
	pd_drive_forget_damaged(drive, extent->file);
	snprintf(folder, sizeof(folder), "%s", extent->path);
	*strrchr(folder, '/') = '\0';
	rc = vfs->sync_dir(vfs, folder);
	if (rc < 0)
		return pd_drive_sync_failed(drive, rc, err, folder);
	return PK_OK;
}

/* With drive->change held. */
static pk_error
check_absent(struct pd_drive *drive, const char *file, struct pd_err *err)
{
	struct pd_extent *old = pd_registry_find(drive, file);

	pd_extent_unref(old);
	if (old != NULL || pd_drive_is_damaged(drive, file))
		return pd_fail(err, PK_ERR_STATE, "drive %s has %s already", drive->path, file);
	return PK_OK;
}

/* Everything but the name: the extent is OPEN and its draft durable. */
static pk_error
create_draft(struct pd_extent *extent, char *path, struct pd_err *err)
{
	struct pd_drive *drive = extent->drive;
	uint64_t capacity = extent->header.capacity;
	uint64_t whole = capacity == 0 ? 0 : pd_sealed_size(capacity) - PD_EXTENT_DATA;
	uint64_t allocate = whole < PD_PREALLOCATE ? whole : PD_PREALLOCATE;
	int rc;
	pk_error result = pd_draft_begin(drive, &extent->header, &extent->slot, allocate, path, &extent->fd, err);

	if (result != PK_OK)
	{
		extent->fd = -1;
		return result;
	}
	extent->state = PD_EXTENT_OPEN;
	extent->file_size = PD_EXTENT_DATA;
	rc = drive->vfs->fsync(drive->vfs, extent->fd);
	if (rc < 0)
	{
		drive->vfs->unlink(drive->vfs, path);
		return pd_drive_sync_failed(drive, rc, err, path);
	}
	return PK_OK;
}

pk_error
pd_extent_create(struct pd_drive *drive, pk_extent_kind kind, uint64_t id, int position,
				 const uint8_t cell[PK_UUID_SIZE], const struct pd_members *members, uint64_t capacity,
				 struct pd_extent **extent, struct pd_err *err)
{
	struct pd_header header;
	struct pd_extent *made;
	char path[PD_PATH];
	bool renamed = false;
	pk_error result = pd_drive_check_writable(drive, err);

	*extent = NULL;
	if (pd_drive_is_remote(drive))
		return pd_remote_create(drive, &(struct pd_extent_name){kind, id, position}, cell, members, capacity, extent,
								err);
	if (result == PK_OK)
		result = pd_members_check(members, err);
	if (result == PK_OK)
		result = pd_identity_init(&header, drive, kind, id, position, cell, capacity, err);
	if (result != PK_OK)
		return result;
	made = pd_extent_new(drive, &header, false);
	if (made == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "no memory for an extent");
	made->slot.sequence = 1;
	made->slot.members = *members;
	made->slot_index = 0;
	result = check_absent(drive, made->file, err); /* before the work, and when it counts */
	if (result == PK_OK)
		result = create_draft(made, path, err);
	if (result == PK_OK)
	{
		pthread_mutex_lock(&drive->change);
		result = check_absent(drive, made->file, err);
		if (result == PK_OK)
			result = pd_draft_place(made, path, &renamed, err);
		pthread_mutex_unlock(&drive->change);
		if (result != PK_OK && !renamed)
			drive->vfs->unlink(drive->vfs, path);
	}
	if (result != PK_OK)
	{
		pd_extent_close(made);
		pd_extent_unref(made);
		return result;
	}
	*extent = made;
	return PK_OK;
}
