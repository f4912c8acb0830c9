/*
 * store/superblock.c
 *	  Formatting a drive, and the one page that says which drive it is, whose,
 *	  and under which epoch.
 *
 * The superblock is never changed in place: a new one is written beside it,
 * synced, and renamed over it, so that a crash leaves the old or the new one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/internal.h"

static const char *const folders[] = {"extents", "tmp", "trash"};

#define FOLDERS (sizeof(folders) / sizeof(folders[0]))

static int
see_entry(void *arg, const char *name)
{
	if (strcmp(name, "lost+found") == 0)
		return 0;
	*(bool *) arg = true;
	return 1;
}

/* Says why there is no superblock, and what to do. */
static pk_error
explain_missing(const struct pd_vfs *vfs, const char *dir, struct pd_err *err)
{
	bool any = false;
	int rc = vfs->list(vfs, dir, see_entry, &any);

	if (rc == -ENOENT)
		return pd_fail(err, PK_ERR_NOT_FOUND, "directory %s does not exist: its file system may not be mounted", dir);
	if (rc < 0)
		return pd_fail_errno(err, rc, "cannot list %s", dir);
	if (!any)
		return pd_fail(
			err, PK_ERR_NOT_FOUND,
			"directory %s is empty: it was never formatted, or was emptied, or its file system is not mounted; "
			"\"pocketd init\" makes it a new drive",
			dir);
	return pd_fail(
		err, PK_ERR_NOT_FOUND,
		"directory %s is not a drive: it has files, but no pocket-drive; was it formatted by \"pocketd init\"?", dir);
}

pk_error
pd_superblock_read(const struct pd_vfs *vfs, const char *dir, struct pd_superblock *superblock, struct pd_err *err)
{
	char path[PD_PATH];
	uint8_t page[PD_PAGE];
	struct pd_err why;
	pk_error result;
	int64_t size;
	int fd, rc = 0;

	snprintf(path, sizeof(path), "%s/pocket-drive", dir);
	fd = vfs->open(vfs, path, O_RDONLY | PD_OPEN, 0);
	if (fd == -ENOENT || fd == -ENOTDIR)
		return explain_missing(vfs, dir, err);
	if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM) /* says nothing about the drive */
		return pd_fail(err, PK_ERR_NO_MEMORY, "cannot open %s: the process has no descriptor or memory for it", path);
	if (fd < 0)
		return pd_fail_errno(err, fd, "cannot open %s", path);
	size = vfs->size(vfs, fd);
	if (size == PD_PAGE)
		rc = pd_vfs_read_full(vfs, fd, page, PD_PAGE, 0);
	vfs->close(vfs, fd);
	if (size < 0 || rc < 0)
		return pd_fail_errno(err, size < 0 ? (int) size : rc, "cannot read %s", path);
	if (size != PD_PAGE)
		return pd_fail(err, PK_ERR_CORRUPT, "%s is damaged: it has %lld bytes, not %d", path, (long long) size,
					   PD_PAGE);
	result = pd_superblock_decode(superblock, page, &why);
	if (result != PK_OK)
		return pd_fail(err, result, "%s %s", path, why.text);
	return PK_OK;
}

/* *synced: what failed was a sync, or came after the new superblock may have been in place. */
static int
superblock_write(const struct pd_vfs *vfs, const char *dir, const struct pd_superblock *superblock, bool *synced)
{
	char path[PD_PATH];
	char draft[PD_PATH];
	uint8_t page[PD_PAGE];
	struct iovec iov = {page, PD_PAGE};
	int fd, rc, closed;

	*synced = false;
	pd_superblock_encode(page, superblock);
	snprintf(path, sizeof(path), "%s/pocket-drive", dir);
	snprintf(draft, sizeof(draft), "%s/pocket-drive.new", dir);
	fd = vfs->open(vfs, draft, O_WRONLY | O_CREAT | O_TRUNC | PD_OPEN, 0600);
	if (fd < 0)
		return fd;
	rc = pd_vfs_write_full(vfs, fd, &iov, 1, 0);
	if (rc == 0)
	{
		*synced = true;
		rc = vfs->fsync(vfs, fd);
	}
	closed = vfs->close(vfs, fd);
	if (rc == 0)
		rc = closed;
	if (rc == 0)
		rc = vfs->rename(vfs, draft, path);
	if (rc < 0)
	{
		vfs->unlink(vfs, draft);
		return rc;
	}
	return vfs->sync_dir(vfs, dir);
}

/* With drive->change held. */
static pk_error
superblock_replace(struct pd_drive *drive, const struct pd_superblock *superblock, struct pd_err *err)
{
	bool synced;
	int rc;
	pk_error result = pd_drive_check_writable(drive, err);

	if (result == PK_OK && pd_drive_is_remote(drive))
		result = pd_fail(err, PK_ERR_STATE, "drive %s is of another node, which keeps its superblock", drive->path);
	if (result != PK_OK)
		return result;
	rc = superblock_write(drive->vfs, drive->path, superblock, &synced);
	if (rc < 0 && synced)
		return pd_drive_sync_failed(drive, rc, err, "its superblock");
	if (rc < 0)
		return pd_drive_write_failed(drive, rc, err, "write", "its superblock");
	pthread_mutex_lock(&drive->mutex);
	memcpy(drive->cell, superblock->cell, PK_UUID_SIZE);
	drive->epoch = superblock->epoch;
	pthread_mutex_unlock(&drive->mutex);
	return PK_OK;
}

static void
superblock_now(struct pd_drive *drive, struct pd_superblock *superblock)
{
	pthread_mutex_lock(&drive->mutex);
	memcpy(superblock->uuid, drive->uuid, PK_UUID_SIZE);
	memcpy(superblock->cell, drive->cell, PK_UUID_SIZE);
	superblock->epoch = drive->epoch;
	superblock->created_us = drive->created_us;
	pthread_mutex_unlock(&drive->mutex);
}

pk_error
pd_drive_bind(struct pd_drive *drive, const uint8_t cell[PK_UUID_SIZE], struct pd_err *err)
{
	struct pd_superblock superblock;
	pk_error result = PK_OK;

	pthread_mutex_lock(&drive->change);
	superblock_now(drive, &superblock);
	if (pd_all_zero(superblock.cell, PK_UUID_SIZE))
	{
		memcpy(superblock.cell, cell, PK_UUID_SIZE);
		result = superblock_replace(drive, &superblock, err);
	}
	else if (memcmp(superblock.cell, cell, PK_UUID_SIZE) != 0)
	{
		char text[PK_UUID_TEXT + 1];

		pk_uuid_encode(text, superblock.cell);
		result = pd_fail(err, PK_ERR_FOREIGN, "drive %s belongs to cell %s", drive->path, text);
	}
	pthread_mutex_unlock(&drive->change);
	return result;
}

pk_error
pd_drive_set_epoch(struct pd_drive *drive, const pk_epoch *epoch, struct pd_err *err)
{
	struct pd_superblock superblock;
	pk_error result;

	pthread_mutex_lock(&drive->change);
	superblock_now(drive, &superblock);
	superblock.epoch = *epoch;
	result = superblock_replace(drive, &superblock, err);
	pthread_mutex_unlock(&drive->change);
	return result;
}

/* What an interrupted format leaves may be formatted again. */
static int
see_foreign(void *arg, const char *name)
{
	const char **foreign = arg;
	static const char *const ours[] = {"lost+found", "lock", "pocket-drive.new"};

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (strcmp(name, ours[i]) == 0)
			return 0;
	for (size_t i = 0; i < FOLDERS; i++)
		if (strcmp(name, folders[i]) == 0)
			return 0;
	*foreign = "other files";
	if (strcmp(name, "pocket-drive") == 0)
	{
		*foreign = "a drive";
		return 1;
	}
	return 0;
}

static pk_error
check_formattable(const struct pd_vfs *vfs, const char *dir, struct pd_err *err)
{
	const char *foreign = NULL;
	char path[PD_PATH];
	int rc = vfs->list(vfs, dir, see_foreign, &foreign);

	if (rc < 0)
		return pd_fail_errno(err, rc, "cannot list %s", dir);
	for (size_t i = 0; i < FOLDERS && foreign == NULL; i++)
	{
		bool any = false;

		snprintf(path, sizeof(path), "%s/%s", dir, folders[i]);
		rc = vfs->list(vfs, path, see_entry, &any);
		if (rc < 0 && rc != -ENOENT)
			return pd_fail_errno(err, rc, "cannot list %s", path);
		if (any)
			foreign = "the remains of a drive";
	}
	if (foreign != NULL)
		return pd_fail(err, PK_ERR_STATE, "directory %s is not empty, it holds %s: nothing was changed", dir, foreign);
	return PK_OK;
}

static int
make_folder(const struct pd_vfs *vfs, const char *path)
{
	int rc = vfs->mkdir(vfs, path, 0700);

	return rc == -EEXIST ? 0 : rc;
}

/* The directory, when it is not there; durably. */
static int
make_directory(const struct pd_vfs *vfs, char *dir)
{
	int rc = vfs->mkdir(vfs, dir, 0700);
	char *slash;

	if (rc < 0)
		return rc == -EEXIST ? 0 : rc;
	slash = strrchr(dir, '/');
	if (slash == NULL)
		return vfs->sync_dir(vfs, ".");
	if (slash == dir)
		return vfs->sync_dir(vfs, "/");
	*slash = '\0';
	rc = vfs->sync_dir(vfs, dir);
	*slash = '/';
	return rc;
}

static int
make_contents(const struct pd_vfs *vfs, const char *dir)
{
	struct pd_superblock superblock = {.created_us = (uint64_t) vfs->now_us(vfs)};
	char path[PD_PATH];
	bool synced;
	int fd, rc;

	rc = vfs->random(vfs, superblock.uuid, PK_UUID_SIZE);
	if (rc < 0)
		return rc;
	superblock.uuid[6] = (uint8_t) (0x40 | (superblock.uuid[6] & 0x0f)); /* RFC 9562, version 4 */
	superblock.uuid[8] = (uint8_t) (0x80 | (superblock.uuid[8] & 0x3f));
	snprintf(path, sizeof(path), "%s/lock", dir);
	fd = vfs->open(vfs, path, O_RDWR | O_CREAT | PD_OPEN, 0600);
	if (fd < 0)
		return fd;
	rc = vfs->lock(vfs, fd);
	for (size_t i = 0; i < FOLDERS && rc == 0; i++)
	{
		snprintf(path, sizeof(path), "%s/%s", dir, folders[i]);
		rc = make_folder(vfs, path);
	}
	if (rc == 0) /* a directory that has a superblock has the folders too, whatever order names reach the drive in */
		rc = vfs->sync_dir(vfs, dir);
	if (rc == 0)
		rc = superblock_write(vfs, dir, &superblock, &synced);
	vfs->close(vfs, fd);
	return rc;
}

pk_error
pd_drive_format(const struct pd_vfs *vfs, const char *dir, struct pd_err *err)
{
	char path[PD_DRIVE_PATH_MAX];
	size_t n = strlen(dir);
	pk_error result;
	int rc;

	while (n > 1 && dir[n - 1] == '/')
		n--;
	if (n == 0 || n >= sizeof(path))
		return pd_fail(err, PK_ERR_TOO_LARGE, "the path of a drive has 1 to %d bytes", PD_DRIVE_PATH_MAX - 1);
	memcpy(path, dir, n);
	path[n] = '\0';
	rc = make_directory(vfs, path);
	if (rc < 0)
		return pd_fail_errno(err, rc, "cannot make directory %s", path);
	result = check_formattable(vfs, path, err);
	if (result != PK_OK)
		return result;
	rc = make_contents(vfs, path);
	if (rc < 0)
		return pd_fail_errno(err, rc, "cannot format %s", path);
	return PK_OK;
}
