/*
 * store/remote.c
 *	  Drives of other nodes: proxies of extents, whose operations are passed on.
 *
 * Each function of extent.h that needs a file begins by coming here when the
 * drive is remote; what needs none (info, counting, state) is the same for both.
 * A peer's word about a length is held against what was sent.
 */
#include <stdlib.h>
#include <string.h>

#include "store/internal.h"

struct pd_drive *
pd_drive_create_remote(const uint8_t uuid[PK_UUID_SIZE], const char *name, struct pd_queue *queue,
					   const struct pd_remote_ops *ops, void *arg)
{
	struct pd_drive *drive = pd_drive_new(&pd_vfs_real, name);

	if (drive == NULL)
		return NULL;
	memcpy(drive->uuid, uuid, PK_UUID_SIZE);
	drive->queue = queue;
	drive->ops = ops;
	drive->arg = arg;
	return drive;
}

bool
pd_drive_is_remote(const struct pd_drive *drive)
{
	return drive->ops != NULL;
}

static struct pd_extent_name
name_of(const struct pd_extent *extent)
{
	return (struct pd_extent_name){extent->header.kind, extent->header.id, extent->header.position};
}

static uint32_t
generation_of(struct pd_extent *extent)
{
	uint32_t generation;

	pthread_mutex_lock(&extent->mutex);
	generation = extent->slot.members.generation;
	pthread_mutex_unlock(&extent->mutex);
	return generation;
}

/* What a proxy is made from is info, but for the drive. */
static struct pd_extent *
make_proxy(struct pd_drive *drive, const struct pd_extent_info *info, enum pd_extent_state state)
{
	struct pd_header header = {.kind = info->kind, .id = info->id, .position = info->position};
	struct pd_extent *extent;

	memcpy(header.cell, info->cell, PK_UUID_SIZE);
	memcpy(header.drive, drive->uuid, PK_UUID_SIZE);
	extent = pd_extent_new(drive, &header, info->trashed);
	if (extent == NULL)
		return NULL;
	extent->state = state;
	extent->length = info->length;
	extent->file_size = info->file_size;
	extent->slot.sequence = 1;
	extent->slot.members = info->members;
	return extent;
}

/* The proxy of something that is not there yet. */
static pk_error
make_new(struct pd_drive *drive, const struct pd_extent_name *name, const uint8_t cell[PK_UUID_SIZE],
		 const struct pd_members *members, enum pd_extent_state state, struct pd_extent **extent, struct pd_err *err)
{
	struct pd_extent_info info = {.kind = name->kind, .id = name->id, .position = name->position, .members = *members};

	memcpy(info.cell, cell, PK_UUID_SIZE);
	info.file_size = PD_EXTENT_DATA;
	*extent = make_proxy(drive, &info, state);
	return *extent == NULL ? pd_fail(err, PK_ERR_NO_MEMORY, "no memory for an extent") : PK_OK;
}

static void
set_length(struct pd_extent *extent, enum pd_extent_state state, uint64_t length, uint64_t file_size)
{
	pthread_mutex_lock(&extent->mutex);
	extent->state = state;
	extent->length = length;
	extent->file_size = file_size;
	pthread_mutex_unlock(&extent->mutex);
}

static pk_error
check_word(struct pd_extent *extent, uint64_t said, uint64_t length, struct pd_err *err)
{
	if (said == length)
		return PK_OK;
	return pd_fail(err, PK_ERR_IO, "%s is said to have %llu bytes, not %llu: its node is not to be believed",
				   extent->path, (unsigned long long) said, (unsigned long long) length);
}

pk_error
pd_remote_lookup(struct pd_drive *drive, const struct pd_extent_name *name, bool kept, struct pd_extent **extent,
				 struct pd_err *err)
{
	struct pd_extent_info info;
	pk_error result;

	memset(&info, 0, sizeof(info));
	result = drive->ops->find(drive->arg, name, kept, &info, err);
	if (result != PK_OK)
		return result;
	if (info.kind != name->kind || info.id != name->id || info.position != name->position || (info.trashed && !kept))
		return pd_fail(err, PK_ERR_IO, "%s answered for another extent than it was asked for", drive->path);
	*extent = make_proxy(drive, &info, info.sealed ? PD_EXTENT_SEALED : PD_EXTENT_CLOSED);
	return *extent == NULL ? pd_fail(err, PK_ERR_NO_MEMORY, "no memory for an extent") : PK_OK;
}

pk_error
pd_remote_create(struct pd_drive *drive, const struct pd_extent_name *name, const uint8_t cell[PK_UUID_SIZE],
				 const struct pd_members *members, uint64_t capacity, struct pd_extent **extent, struct pd_err *err)
{
	pk_error result = make_new(drive, name, cell, members, PD_EXTENT_OPEN, extent, err);

	if (result == PK_OK)
		result = drive->ops->create(drive->arg, name, cell, members, capacity, err);
	if (result != PK_OK)
	{
		pd_extent_unref(*extent);
		*extent = NULL;
	}
	return result;
}

/* What changes it would change the one in its place. */
static pk_error
check_in_place(const struct pd_extent *extent, struct pd_err *err)
{
	if (extent->trashed)
		return pd_fail(err, PK_ERR_STATE, "extent %s is in the trash of its node, and can only be read", extent->path);
	return PK_OK;
}

pk_error
pd_remote_append(struct pd_extent *extent, struct iovec *iov, int count, uint64_t offset, struct pd_err *err)
{
	struct pd_extent_name name = name_of(extent);
	uint64_t end = offset, said = 0;
	pk_error result = PK_OK;

	for (int i = 0; i < count; i++)
		end += iov[i].iov_len;
	pthread_mutex_lock(&extent->io);
	if (!pd_extent_is_open(extent))
		result = pd_fail(err, PK_ERR_BUCKET_CLOSED, "extent %s takes no more bytes", extent->path);
	else if (offset != extent->length)
		result = pd_fail(err, PK_ERR_STATE, "extent %s has %llu bytes: nothing can be appended at %llu", extent->path,
						 (unsigned long long) extent->length, (unsigned long long) offset);
	else
	{
		result = extent->drive->ops->append(extent->drive->arg, &name, generation_of(extent), iov, count, offset, &said,
											err);
		if (result == PK_OK)
			result = check_word(extent, said, end, err);
		if (result == PK_OK)
			set_length(extent, PD_EXTENT_OPEN, end, PD_EXTENT_DATA + end);
		else
			pd_extent_close(extent);
	}
	pthread_mutex_unlock(&extent->io);
	return result;
}

pk_error
pd_remote_seal(struct pd_extent *extent, uint64_t length, struct pd_err *err)
{
	struct pd_extent_name name = name_of(extent);
	uint64_t said = 0;
	pk_error result;

	pthread_mutex_lock(&extent->io);
	pd_extent_close(extent);
	result = check_in_place(extent, err);
	if (result == PK_OK)
		result = extent->drive->ops->seal(extent->drive->arg, &name, generation_of(extent), length, &said, err);
	if (result == PK_OK)
		result = check_word(extent, said, length, err);
	if (result == PK_OK)
		set_length(extent, PD_EXTENT_SEALED, length, pd_sealed_size(length));
	pthread_mutex_unlock(&extent->io);
	return result;
}

pk_error
pd_remote_set_members(struct pd_extent *extent, const struct pd_members *members, struct pd_err *err)
{
	struct pd_extent_name name = name_of(extent);
	pk_error result;

	pthread_mutex_lock(&extent->io);
	result = check_in_place(extent, err);
	if (result == PK_OK)
		result = extent->drive->ops->set_members(extent->drive->arg, &name, members, err);
	if (result == PK_OK)
	{
		pthread_mutex_lock(&extent->mutex);
		extent->slot.members = *members;
		pthread_mutex_unlock(&extent->mutex);
	}
	pthread_mutex_unlock(&extent->io);
	return result;
}

pk_error
pd_remote_read(struct pd_extent *extent, bool checked, uint64_t offset, void *buf, size_t n, struct pd_err *err)
{
	struct pd_extent_name name = name_of(extent);

	return n == 0 ? PK_OK : extent->drive->ops->read(extent->drive->arg, &name, checked, offset, buf, n, err);
}

pk_error
pd_remote_remove(struct pd_extent *extent, struct pd_err *err)
{
	struct pd_extent_name name = name_of(extent);
	pk_error result;

	pthread_mutex_lock(&extent->io);
	result = check_in_place(extent, err);
	if (result == PK_OK)
		result = extent->drive->ops->remove(extent->drive->arg, &name, generation_of(extent), err);
	if (result == PK_OK)
	{
		pthread_mutex_lock(&extent->mutex);
		extent->was_sealed = extent->state == PD_EXTENT_SEALED;
		extent->state = PD_EXTENT_GONE;
		pthread_mutex_unlock(&extent->mutex);
	}
	pthread_mutex_unlock(&extent->io);
	return result;
}

/* --- builds: the extent is the proxy of what they become, its table has a length and no checksums --- */

pk_error
pd_remote_build_begin(struct pd_drive *drive, const struct pd_extent_name *name, const uint8_t cell[PK_UUID_SIZE],
					  const struct pd_members *members, uint64_t length, struct pd_extent_build **build,
					  struct pd_err *err)
{
	struct pd_extent_build *made = calloc(1, sizeof(*made));
	pk_error result;

	if (made == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "no memory for an extent");
	made->length = length;
	result = make_new(drive, name, cell, members, PD_EXTENT_CLOSED, &made->extent, err);
	if (result == PK_OK)
		result = drive->ops->build_begin(drive->arg, name, cell, members, length, &made->handle, err);
	if (result != PK_OK)
	{
		pd_extent_unref(made->extent);
		free(made);
		return result;
	}
	*build = made;
	return PK_OK;
}

pk_error
pd_remote_build_write(struct pd_extent_build *build, const void *buf, size_t n, struct pd_err *err)
{
	struct pd_extent *extent = build->extent;
	pk_error result;

	if (build->broken)
		return pd_fail(err, PK_ERR_STATE, "%s could not be written: abandon it", extent->path);
	if (n == 0)
		return PK_OK;
	result = extent->drive->ops->build_write(build->handle, extent->table.length, buf, n, err);
	if (result == PK_OK)
		extent->table.length += n;
	else
		build->broken = true;
	return result;
}

pk_error
pd_remote_build_spoil(struct pd_extent_build *build, uint64_t offset, uint64_t n, struct pd_err *err)
{
	pk_error result = build->extent->drive->ops->build_spoil(build->handle, offset, n, err);

	build->broken |= result != PK_OK; /* else it could be finished as if all of it were sound */
	return result;
}

pk_error
pd_remote_build_finish(struct pd_extent_build *build, struct pd_extent **extent, struct pd_err *err)
{
	struct pd_extent *made = build->extent;
	pk_error result;

	if (build->broken)
		result = pd_fail(err, PK_ERR_STATE, "%s could not be written: abandon it", made->path);
	else if (made->table.length != build->length)
		result = pd_fail(err, PK_ERR_INTERNAL, "%s has %llu of %llu bytes", made->path,
						 (unsigned long long) made->table.length, (unsigned long long) build->length);
	else
	{
		result = made->drive->ops->build_finish(build->handle, err);
		build->handle = NULL;
	}
	if (result == PK_OK)
		set_length(made, PD_EXTENT_SEALED, build->length, pd_sealed_size(build->length));
	if (extent != NULL)
		*extent = result == PK_OK ? pd_extent_ref(made) : NULL;
	pd_remote_build_abandon(build);
	return result;
}

void
pd_remote_build_abandon(struct pd_extent_build *build)
{
	if (build->handle != NULL)
		build->extent->drive->ops->build_abandon(build->handle);
	pd_extent_unref(build->extent);
	free(build);
}
