/*
 * store/registry.c
 *	  The extents of a drive by file name, and who holds them.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/internal.h"

struct pd_extent *
pd_extent_new(struct pd_drive *drive, const struct pd_header *header, bool trashed)
{
	struct pd_extent *extent = calloc(1, sizeof(*extent));
	size_t size;

	if (extent == NULL)
		return NULL;
	extent->trashed = trashed;
	if (trashed)
		pd_trash_file(extent->file, header->kind, header->id, header->position);
	else
		pk_extent_file(extent->file, header->kind, header->id, header->position);
	size = strlen(drive->path) + 1 + strlen(extent->file) + 1;
	extent->path = malloc(size);
	if (extent->path == NULL)
	{
		free(extent);
		return NULL;
	}
	snprintf(extent->path, size, "%s/%s", drive->path, extent->file);
	atomic_fetch_add(&drive->refs, 1);
	extent->drive = drive;
	atomic_init(&extent->refs, 1);
	extent->header = *header;
	extent->fd = -1;
	extent->kept_fd = -1;
	extent->state = PD_EXTENT_CLOSED;
	extent->slot_index = 1;
	pthread_mutex_init(&extent->io, NULL);
	pthread_mutex_init(&extent->mutex, NULL);
	return extent;
}

struct pd_extent *
pd_extent_ref(struct pd_extent *extent)
{
	atomic_fetch_add(&extent->refs, 1);
	return extent;
}

void
pd_extent_unref(struct pd_extent *extent)
{
	struct pd_drive *drive;

	if (extent == NULL || atomic_fetch_sub(&extent->refs, 1) != 1)
		return;
	drive = extent->drive;
	if (extent->fd >= 0)
		drive->vfs->close(drive->vfs, extent->fd);
	if (extent->kept_fd >= 0)
		drive->vfs->close(drive->vfs, extent->kept_fd);
	pd_table_release(&extent->table);
	pthread_mutex_destroy(&extent->io);
	pthread_mutex_destroy(&extent->mutex);
	free(extent->rots);
	free(extent->path);
	free(extent);
	pd_drive_unref(drive);
}

/* With drive->mutex held: the first extent whose file is not less. */
static size_t
lower_bound(const struct pd_drive *drive, const char *file)
{
	size_t low = 0, high = drive->count;

	while (low < high)
	{
		size_t middle = low + (high - low) / 2;

		if (strcmp(drive->extents[middle]->file, file) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool
is_at(const struct pd_drive *drive, size_t i, const char *file)
{
	return i < drive->count && strcmp(drive->extents[i]->file, file) == 0;
}

struct pd_extent *
pd_registry_find(struct pd_drive *drive, const char *file)
{
	struct pd_extent *extent = NULL;
	size_t i;

	pthread_mutex_lock(&drive->mutex);
	i = lower_bound(drive, file);
	if (is_at(drive, i, file))
		extent = pd_extent_ref(drive->extents[i]);
	pthread_mutex_unlock(&drive->mutex);
	return extent;
}

pk_error
pd_extent_lookup(struct pd_drive *drive, pk_extent_kind kind, uint64_t id, int position, struct pd_extent **extent,
				 struct pd_err *err)
{
	char file[PK_EXTENT_FILE];

	*extent = NULL;
	if (pd_drive_is_remote(drive))
		return pd_remote_lookup(drive, &(struct pd_extent_name){kind, id, position}, false, extent, err);
	pk_extent_file(file, kind, id, position);
	*extent = pd_registry_find(drive, file);
	return *extent == NULL ? pd_fail(err, PK_ERR_NOT_FOUND, "drive %s has no %s", drive->path, file) : PK_OK;
}

struct pd_extent *
pd_extent_find(struct pd_drive *drive, pk_extent_kind kind, uint64_t id, int position)
{
	struct pd_extent *extent;

	return pd_extent_lookup(drive, kind, id, position, &extent, NULL) == PK_OK ? extent : NULL;
}

static bool
grow(struct pd_drive *drive)
{
	size_t size = drive->size == 0 ? 256 : drive->size * 2;
	struct pd_extent **grown;

	if (drive->count < drive->size)
		return true;
	grown = realloc(drive->extents, size * sizeof(struct pd_extent *));
	if (grown == NULL)
		return false;
	drive->extents = grown;
	drive->size = size;
	return true;
}

pk_error
pd_registry_put(struct pd_drive *drive, struct pd_extent *extent, struct pd_err *err)
{
	struct pd_extent *old = NULL;
	pk_error result = PK_OK;
	size_t i;

	pthread_mutex_lock(&drive->mutex);
	i = lower_bound(drive, extent->file);
	if (is_at(drive, i, extent->file))
	{
		old = drive->extents[i];
		drive->extents[i] = pd_extent_ref(extent);
	}
	else if (grow(drive))
	{
		memmove(drive->extents + i + 1, drive->extents + i, (drive->count - i) * sizeof(struct pd_extent *));
		drive->extents[i] = pd_extent_ref(extent);
		drive->count++;
	}
	else
		result = pd_fail(err, PK_ERR_NO_MEMORY, "no memory for %zu extents", drive->count + 1);
	pthread_mutex_unlock(&drive->mutex);
	pd_extent_unref(old);
	return result;
}

void
pd_registry_remove(struct pd_drive *drive, struct pd_extent *extent)
{
	struct pd_extent *old = NULL;
	size_t i;

	pthread_mutex_lock(&drive->mutex);
	i = lower_bound(drive, extent->file);
	if (is_at(drive, i, extent->file) && drive->extents[i] == extent)
	{
		old = extent;
		memmove(drive->extents + i, drive->extents + i + 1, (drive->count - i - 1) * sizeof(struct pd_extent *));
		drive->count--;
	}
	pthread_mutex_unlock(&drive->mutex);
	pd_extent_unref(old);
}

void
pd_registry_clear(struct pd_drive *drive)
{
	struct pd_extent **extents;
	size_t count;

	pthread_mutex_lock(&drive->mutex);
	extents = drive->extents;
	count = drive->count;
	drive->extents = NULL;
	drive->count = drive->size = 0;
	pthread_mutex_unlock(&drive->mutex);
	for (size_t i = 0; i < count; i++)
		pd_extent_unref(extents[i]);
	free(extents);
}

static bool
add_size(void *arg, struct pd_extent *extent)
{
	struct pd_drive_info *info = arg;

	pthread_mutex_lock(&extent->mutex);
	info->extents++;
	info->used += extent->file_size;
	if (extent->trashed)
		info->trash += extent->file_size;
	pthread_mutex_unlock(&extent->mutex);
	return true;
}

void
pd_registry_totals(struct pd_drive *drive, struct pd_drive_info *info)
{
	info->extents = info->used = info->trash = 0;
	pd_extent_each(drive, NULL, add_size, info);
}

void
pd_extent_each(struct pd_drive *drive, const char *after, bool (*each)(void *arg, struct pd_extent *extent), void *arg)
{
	char file[PK_EXTENT_FILE];
	bool more = true;

	snprintf(file, sizeof(file), "%s", after == NULL ? "" : after);
	while (more)
	{
		struct pd_extent *extent = NULL;
		size_t i;

		pthread_mutex_lock(&drive->mutex);
		i = lower_bound(drive, file);
		if (is_at(drive, i, file))
			i++;
		if (i < drive->count)
			extent = pd_extent_ref(drive->extents[i]);
		pthread_mutex_unlock(&drive->mutex);
		if (extent == NULL)
			return;
		memcpy(file, extent->file, sizeof(file));
		more = each(arg, extent);
		pd_extent_unref(extent);
	}
}

void
pd_extent_info(struct pd_extent *extent, struct pd_extent_info *info)
{
	memset(info, 0, sizeof(*info));
	info->kind = extent->header.kind;
	info->id = extent->header.id;
	info->position = extent->header.position;
	info->trashed = extent->trashed;
	memcpy(info->cell, extent->header.cell, PK_UUID_SIZE);
	memcpy(info->file, extent->file, sizeof(info->file));
	pthread_mutex_lock(&extent->mutex);
	info->sealed = extent->state == PD_EXTENT_SEALED || (extent->state == PD_EXTENT_GONE && extent->was_sealed);
	info->length = extent->length;
	info->file_size = extent->file_size;
	info->members = extent->slot.members;
	pthread_mutex_unlock(&extent->mutex);
}

struct pd_drive *
pd_extent_drive(struct pd_extent *extent)
{
	return extent->drive;
}

enum pd_extent_state
pd_extent_state(struct pd_extent *extent)
{
	enum pd_extent_state state;

	pthread_mutex_lock(&extent->mutex);
	state = extent->state;
	pthread_mutex_unlock(&extent->mutex);
	return state;
}

bool
pd_extent_is_open(struct pd_extent *extent)
{
	return pd_extent_state(extent) == PD_EXTENT_OPEN;
}

void
pd_extent_close(struct pd_extent *extent)
{
	pthread_mutex_lock(&extent->mutex);
	if (extent->state == PD_EXTENT_OPEN)
		extent->state = PD_EXTENT_CLOSED;
	pthread_mutex_unlock(&extent->mutex);
	if (extent->fd >= 0)
		extent->drive->vfs->close(extent->drive->vfs, extent->fd);
	extent->fd = -1;
}

void
pd_extent_leave(struct pd_extent *extent)
{
	const struct pd_vfs *vfs = extent->drive->vfs;
	int fd = -1;

	pd_extent_close(extent);
	if (extent->kept_fd < 0)
		fd = vfs->open(vfs, extent->path, O_RDONLY | PD_OPEN, 0);
	pthread_mutex_lock(&extent->mutex);
	if (fd >= 0)
		extent->kept_fd = fd;
	extent->was_sealed = extent->state == PD_EXTENT_SEALED;
	extent->state = PD_EXTENT_GONE;
	pthread_mutex_unlock(&extent->mutex);
}

void
pd_extent_return(struct pd_extent *extent)
{
	pthread_mutex_lock(&extent->mutex);
	extent->state = extent->was_sealed ? PD_EXTENT_SEALED : PD_EXTENT_CLOSED;
	pthread_mutex_unlock(&extent->mutex);
}

pk_error
pd_extent_check_writable(struct pd_extent *extent, struct pd_err *err)
{
	if (pd_extent_state(extent) == PD_EXTENT_GONE)
		return pd_fail(err, PK_ERR_STATE, "extent %s was removed or replaced", extent->path);
	return pd_drive_check_writable(extent->drive, err);
}

void
pd_extent_add_rot(struct pd_extent *extent, uint64_t offset, uint64_t length, const char *problem)
{
	pthread_mutex_lock(&extent->mutex);
	if (extent->rot_count == extent->rot_size && extent->rot_size < PD_ROTS_MAX)
	{
		size_t size = extent->rot_size == 0 ? 4 : extent->rot_size * 2;
		struct pd_rot *grown = realloc(extent->rots, size * sizeof(*grown));

		if (grown != NULL)
		{
			extent->rots = grown;
			extent->rot_size = size;
		}
	}
	if (extent->rot_count < extent->rot_size)
	{
		struct pd_rot *rot = &extent->rots[extent->rot_count++];

		rot->offset = offset;
		rot->length = length;
		snprintf(rot->problem, sizeof(rot->problem), "%s", problem);
	}
	pthread_mutex_unlock(&extent->mutex);
}

void
pd_extent_clear_rot(struct pd_extent *extent)
{
	size_t kept = 0;

	pthread_mutex_lock(&extent->mutex);
	for (size_t i = 0; i < extent->rot_count; i++)
		if (extent->rots[i].length == 0)
			extent->rots[kept++] = extent->rots[i];
	extent->rot_count = kept;
	pthread_mutex_unlock(&extent->mutex);
}

void
pd_extent_each_rot(struct pd_extent *extent,
				   void (*each)(void *arg, uint64_t offset, uint64_t length, const char *problem), void *arg)
{
	for (size_t i = 0;; i++)
	{
		struct pd_rot rot;
		bool more;

		pthread_mutex_lock(&extent->mutex);
		more = i < extent->rot_count;
		if (more)
			rot = extent->rots[i];
		pthread_mutex_unlock(&extent->mutex);
		if (!more)
			return;
		each(arg, rot.offset, rot.length, rot.problem);
	}
}
