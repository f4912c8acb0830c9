/*
 * store/drive.c
 *	  Opening and closing a drive, its state, and what it says about itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "store/internal.h"

#define QUEUE_THREADS 2

/* The state only ever gets worse. */
static void
worsen(struct pd_drive *drive, enum pd_drive_state state, const char *why)
{
	bool worse;

	pthread_mutex_lock(&drive->mutex);
	worse = drive->state < state;
	if (worse)
	{
		drive->state = state;
		snprintf(drive->why, sizeof(drive->why), "%s", why);
	}
	pthread_mutex_unlock(&drive->mutex);
	if (worse)
		pd_log(PD_LOG_ERROR, "drive %s %s: %s", drive->path, state == PD_DRIVE_FAILED ? "failed" : "is quarantined",
			   why);
}

void
pd_drive_quarantine(struct pd_drive *drive, const char *why)
{
	worsen(drive, PD_DRIVE_QUARANTINED, why);
}

void
pd_drive_fail(struct pd_drive *drive, const char *why)
{
	worsen(drive, PD_DRIVE_FAILED, why);
}

/* The process, not the drive, is short of something. */
static bool
is_ours(int rc)
{
	return rc == -EMFILE || rc == -ENFILE || rc == -ENOMEM;
}

pk_error
pd_drive_write_failed(struct pd_drive *drive, int rc, struct pd_err *err, const char *doing, const char *path)
{
	struct pd_err why;
	pk_error code = pd_fail_errno(&why, rc, "cannot %s %s", doing, path);

	if (code != PK_ERR_DISK_FULL && !is_ours(rc))
	{
		code = PK_ERR_IO;
		pd_drive_quarantine(drive, why.text);
	}
	return pd_fail(err, code, "drive %s: %s", drive->path, why.text);
}

pk_error
pd_drive_sync_failed(struct pd_drive *drive, int rc, struct pd_err *err, const char *path)
{
	struct pd_err why;

	(void) pd_fail_errno(&why, rc, "cannot make %s durable", path);
	pd_drive_quarantine(drive, why.text);
	return pd_fail(err, PK_ERR_IO, "drive %s: %s", drive->path, why.text);
}

static pk_error
check_state(struct pd_drive *drive, enum pd_drive_state worst, struct pd_err *err)
{
	pk_error result = PK_OK;

	pthread_mutex_lock(&drive->mutex);
	if (drive->state > worst)
		result = pd_fail(err, PK_ERR_IO, "drive %s %s: %.400s", drive->path,
						 drive->state == PD_DRIVE_FAILED ? "failed" : "is quarantined", drive->why);
	pthread_mutex_unlock(&drive->mutex);
	return result;
}

pk_error
pd_drive_check_writable(struct pd_drive *drive, struct pd_err *err)
{
	return check_state(drive, PD_DRIVE_OK, err);
}

pk_error
pd_drive_check_readable(struct pd_drive *drive, struct pd_err *err)
{
	return check_state(drive, PD_DRIVE_QUARANTINED, err);
}

bool
pd_drive_writable(struct pd_drive *drive)
{
	return check_state(drive, PD_DRIVE_OK, NULL) == PK_OK;
}

bool
pd_drive_readable(struct pd_drive *drive)
{
	return check_state(drive, PD_DRIVE_QUARANTINED, NULL) == PK_OK;
}

const uint8_t *
pd_drive_uuid(const struct pd_drive *drive)
{
	return drive->uuid;
}

const struct pd_vfs *
pd_drive_vfs(const struct pd_drive *drive)
{
	return drive->vfs;
}

const char *
pd_drive_path(const struct pd_drive *drive)
{
	return drive->path;
}

struct pd_queue *
pd_drive_queue(struct pd_drive *drive)
{
	return drive->queue;
}

/*
 * The lock is on a file that is never renamed. A file system that is mounted read-only
 * can be locked too, and serves what it has.
 */
static pk_error
lock_drive(struct pd_drive *drive, struct pd_err *err)
{
	const struct pd_vfs *vfs = drive->vfs;
	char path[PD_PATH];
	int rc;

	snprintf(path, sizeof(path), "%s/lock", drive->path);
	drive->lock_fd = vfs->open(vfs, path, O_RDWR | O_CREAT | PD_OPEN, 0600);
	if (drive->lock_fd == -EROFS)
	{
		pd_drive_quarantine(drive, "its file system is read-only");
		drive->lock_fd = vfs->open(vfs, path, O_RDONLY | PD_OPEN, 0);
	}
	if (drive->lock_fd < 0)
		return pd_fail_errno(err, drive->lock_fd, "cannot open %s", path);
	rc = vfs->lock(vfs, drive->lock_fd);
	if (rc == -EWOULDBLOCK)
		return pd_fail(err, PK_ERR_STATE, "%s is locked: another process uses the drive", path);
	if (rc < 0)
		return pd_fail_errno(err, rc, "cannot lock %s", path);
	return PK_OK;
}

static pk_error
start_drive(struct pd_drive *drive, struct pd_err *err)
{
	struct pd_superblock superblock;
	pk_error result;

	if (strlen(drive->path) >= PD_DRIVE_PATH_MAX)
		return pd_fail(err, PK_ERR_TOO_LARGE, "its path is longer than %d bytes", PD_DRIVE_PATH_MAX - 1);
	result = pd_superblock_read(drive->vfs, drive->path, &superblock, err);
	if (result == PK_OK)
		result = lock_drive(drive, err);
	if (result == PK_OK) /* again: before the lock it could still change */
		result = pd_superblock_read(drive->vfs, drive->path, &superblock, err);
	if (result != PK_OK)
		return result;
	memcpy(drive->uuid, superblock.uuid, PK_UUID_SIZE);
	memcpy(drive->cell, superblock.cell, PK_UUID_SIZE);
	drive->epoch = superblock.epoch;
	drive->created_us = superblock.created_us;
	result = pd_drive_empty_tmp(drive, err);
	if (result == PK_OK)
		result = pd_drive_load(drive, err);
	return result;
}

struct pd_drive *
pd_drive_new(const struct pd_vfs *vfs, const char *path)
{
	struct pd_drive *drive = calloc(1, sizeof(*drive));
	size_t n = strlen(path);

	if (drive == NULL)
		return NULL;
	while (n > 1 && path[n - 1] == '/')
		n--;
	drive->vfs = vfs;
	drive->path = strndup(path, n);
	drive->lock_fd = -1;
	atomic_init(&drive->refs, 1);
	pthread_mutex_init(&drive->change, NULL);
	pthread_mutex_init(&drive->mutex, NULL);
	if (drive->path == NULL)
	{
		pd_drive_unref(drive);
		return NULL;
	}
	return drive;
}

struct pd_drive *
pd_drive_open(const struct pd_vfs *vfs, const char *dir)
{
	struct pd_drive *drive = pd_drive_new(vfs, dir);
	struct pd_err err;

	if (drive == NULL)
		return NULL;
	drive->queue = pd_queue_start("drive", QUEUE_THREADS);
	if (drive->queue == NULL)
	{
		pd_drive_unref(drive);
		return NULL;
	}
	if (start_drive(drive, &err) != PK_OK)
	{
		pd_registry_clear(drive);
		pd_drive_fail(drive, err.text);
		if (drive->lock_fd >= 0)
			vfs->close(vfs, drive->lock_fd);
		drive->lock_fd = -1;
	}
	return drive;
}

void
pd_drive_close(struct pd_drive *drive)
{
	if (drive == NULL)
		return;
	if (!pd_drive_is_remote(drive))
	{
		pd_queue_stop(drive->queue);
		drive->queue = NULL;
	}
	pd_registry_clear(drive);
	if (drive->lock_fd >= 0)
		drive->vfs->close(drive->vfs, drive->lock_fd);
	drive->lock_fd = -1;
	pd_drive_unref(drive);
}

void
pd_drive_unref(struct pd_drive *drive)
{
	if (atomic_fetch_sub(&drive->refs, 1) != 1)
		return;
	if (drive->ops != NULL && drive->ops->release != NULL)
		drive->ops->release(drive->arg);
	for (size_t i = 0; i < drive->damaged_count; i++)
	{
		free(drive->damaged[i].file);
		free(drive->damaged[i].why);
	}
	free(drive->damaged);
	free(drive->extents);
	free(drive->path);
	pthread_mutex_destroy(&drive->change);
	pthread_mutex_destroy(&drive->mutex);
	free(drive);
}

/* Somebody may have emptied the directory, unmounted it, or put another drive in its place. */
static void
look_again(struct pd_drive *drive)
{
	struct pd_superblock superblock;
	struct pd_err err;
	pk_error result = pd_superblock_read(drive->vfs, drive->path, &superblock, &err);
	bool same;

	if (result == PK_ERR_NO_MEMORY)
		return;
	if (result != PK_OK)
	{
		pd_drive_fail(drive, err.text);
		return;
	}
	pthread_mutex_lock(&drive->mutex);
	same = memcmp(superblock.uuid, drive->uuid, PK_UUID_SIZE) == 0 &&
		   (pd_all_zero(drive->cell, PK_UUID_SIZE) || memcmp(superblock.cell, drive->cell, PK_UUID_SIZE) == 0);
	pthread_mutex_unlock(&drive->mutex);
	if (!same)
		pd_drive_fail(drive, "its directory holds another drive now");
}

void
pd_drive_info(struct pd_drive *drive, struct pd_drive_info *info)
{
	memset(info, 0, sizeof(*info));
	if (!pd_drive_is_remote(drive) && pd_drive_readable(drive))
	{
		look_again(drive);
		if (drive->vfs->space(drive->vfs, drive->path, &info->capacity, &info->available) < 0)
			info->capacity = info->available = 0;
	}
	snprintf(info->path, sizeof(info->path), "%s", drive->path);
	pthread_mutex_lock(&drive->mutex);
	memcpy(info->uuid, drive->uuid, PK_UUID_SIZE);
	memcpy(info->cell, drive->cell, PK_UUID_SIZE);
	info->epoch = drive->epoch;
	info->state = drive->state;
	snprintf(info->why, sizeof(info->why), "%s", drive->why);
	pthread_mutex_unlock(&drive->mutex);
	pd_registry_totals(drive, info);
}

/* --- files that no extent could be made of --- */

void
pd_drive_add_damaged(struct pd_drive *drive, const char *file, const char *why)
{
	struct pd_damaged entry = {strdup(file), strdup(why)};

	pd_log(PD_LOG_WARNING, "drive %s: %s %s", drive->path, file, why);
	pthread_mutex_lock(&drive->mutex);
	if (drive->damaged_count == drive->damaged_size)
	{
		size_t size = drive->damaged_size == 0 ? 16 : drive->damaged_size * 2;
		struct pd_damaged *grown = realloc(drive->damaged, size * sizeof(*grown));

		if (grown != NULL)
		{
			drive->damaged = grown;
			drive->damaged_size = size;
		}
	}
	if (entry.file != NULL && entry.why != NULL && drive->damaged_count < drive->damaged_size)
	{
		drive->damaged[drive->damaged_count++] = entry;
		entry.file = entry.why = NULL;
	}
	pthread_mutex_unlock(&drive->mutex);
	free(entry.file);
	free(entry.why);
}

/* With drive->mutex held: the index, or damaged_count. */
static size_t
damaged_index(const struct pd_drive *drive, const char *file)
{
	size_t i = 0;

	while (i < drive->damaged_count && strcmp(drive->damaged[i].file, file) != 0)
		i++;
	return i;
}

bool
pd_drive_is_damaged(struct pd_drive *drive, const char *file)
{
	bool found;

	pthread_mutex_lock(&drive->mutex);
	found = damaged_index(drive, file) < drive->damaged_count;
	pthread_mutex_unlock(&drive->mutex);
	return found;
}

void
pd_drive_forget_damaged(struct pd_drive *drive, const char *file)
{
	size_t i;

	pthread_mutex_lock(&drive->mutex);
	i = damaged_index(drive, file);
	if (i < drive->damaged_count)
	{
		free(drive->damaged[i].file);
		free(drive->damaged[i].why);
		memmove(drive->damaged + i, drive->damaged + i + 1, (drive->damaged_count - i - 1) * sizeof(*drive->damaged));
		drive->damaged_count--;
	}
	pthread_mutex_unlock(&drive->mutex);
}

void
pd_drive_each_damaged(struct pd_drive *drive, void (*each)(void *arg, const char *file, const char *why), void *arg)
{
	char file[PD_PATH];
	char why[PD_ERR_TEXT];

	for (size_t i = 0;; i++)
	{
		bool more;

		pthread_mutex_lock(&drive->mutex);
		more = i < drive->damaged_count;
		if (more)
		{
			snprintf(file, sizeof(file), "%s", drive->damaged[i].file);
			snprintf(why, sizeof(why), "%s", drive->damaged[i].why);
		}
		pthread_mutex_unlock(&drive->mutex);
		if (!more)
			return;
		each(arg, file, why);
	}
}

pk_error
pd_drive_remove_damaged(struct pd_drive *drive, const char *file, struct pd_err *err)
{
	const struct pd_vfs *vfs = drive->vfs;
	char path[PD_PATH];
	pk_error result;
	int rc;

	pthread_mutex_lock(&drive->change);
	result = pd_drive_check_writable(drive, err);
	if (result == PK_OK && !pd_drive_is_damaged(drive, file))
		result = pd_fail(err, PK_ERR_NOT_FOUND, "drive %s lists no damaged file %s", drive->path, file);
	if (result == PK_OK)
	{
		snprintf(path, sizeof(path), "%s/%s", drive->path, file);
		rc = vfs->unlink(vfs, path);
		if (rc < 0 && rc != -ENOENT)
			result = pd_drive_write_failed(drive, rc, err, "remove", file);
	}
	if (result == PK_OK)
	{
		pd_drive_forget_damaged(drive, file);
		*strrchr(path, '/') = '\0';
		rc = vfs->sync_dir(vfs, path);
		if (rc < 0 && rc != -ENOENT)
			result = pd_drive_sync_failed(drive, rc, err, file);
	}
	pthread_mutex_unlock(&drive->change);
	return result;
}
