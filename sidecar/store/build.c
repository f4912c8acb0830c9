/*
 * store/build.c
 *	  A sealed extent made in one go: a parity, or a replica made anew.
 */
#include <stdlib.h>
#include <string.h>

#include "contract/pk_hash.h"
#include "store/internal.h"

static pk_error
check_not_open(struct pd_drive *drive, const char *file, struct pd_err *err)
{
	struct pd_extent *old = pd_registry_find(drive, file);
	bool open = old != NULL && pd_extent_is_open(old);

	pd_extent_unref(old);
	if (open)
		return pd_fail(err, PK_ERR_STATE, "drive %s: %s is being written and cannot be replaced", drive->path, file);
	return PK_OK;
}

pk_error
pd_extent_build_begin(struct pd_drive *drive, pk_extent_kind kind, uint64_t id, int position,
					  const uint8_t cell[PK_UUID_SIZE], const struct pd_members *members, uint64_t length,
					  struct pd_extent_build **build, struct pd_err *err)
{
	struct pd_extent_build *made;
	struct pd_extent *extent;
	struct pd_header header;
	pk_error result = pd_drive_check_writable(drive, err);

	*build = NULL;
	if (pd_drive_is_remote(drive))
		return pd_remote_build_begin(drive, &(struct pd_extent_name){kind, id, position}, cell, members, length, build,
									 err);
	if (result == PK_OK)
		result = pd_members_check(members, err);
	if (result == PK_OK)
		result = pd_identity_init(&header, drive, kind, id, position, cell, length, err);
	if (result != PK_OK)
		return result;
	made = calloc(1, sizeof(*made));
	extent = made == NULL ? NULL : pd_extent_new(drive, &header, false);
	if (extent == NULL)
	{
		free(made);
		return pd_fail(err, PK_ERR_NO_MEMORY, "no memory for an extent");
	}
	made->extent = extent;
	made->length = length;
	extent->slot.sequence = 1;
	extent->slot.members = *members;
	extent->slot_index = 0;
	result = check_not_open(drive, extent->file, err);
	if (result == PK_OK)
		result = pd_table_reserve(&extent->table, length, err);
	if (result == PK_OK)
	{
		result = pd_draft_begin(drive, &header, &extent->slot, pd_sealed_size(length) - PD_EXTENT_DATA, made->path,
								&extent->fd, err);
		if (result != PK_OK)
		{
			extent->fd = -1;
			made->path[0] = '\0';
		}
	}
	if (result != PK_OK)
	{
		pd_extent_build_abandon(made);
		return result;
	}
	*build = made;
	return PK_OK;
}

static pk_error
build_write(struct pd_extent_build *build, struct iovec *iov, uint64_t offset, struct pd_err *err)
{
	struct pd_extent *extent = build->extent;
	struct pd_drive *drive = extent->drive;
	pk_error result = pd_drive_check_writable(drive, err);
	size_t n = iov->iov_len;
	int rc;

	if (result == PK_OK && build->broken)
		result = pd_fail(err, PK_ERR_STATE, "%s could not be written: abandon it", build->path);
	if (result != PK_OK)
		return result;
	rc = pd_vfs_write_full(drive->vfs, extent->fd, iov, 1, PD_EXTENT_DATA + offset);
	if (rc < 0)
	{
		build->broken = true;
		return pd_drive_write_failed(drive, rc, err, "write", build->path);
	}
	/* the drive has something to do while the rest is made */
	drive->vfs->hint(drive->vfs, extent->fd, PD_HINT_WRITE, PD_EXTENT_DATA + offset, n);
	return PK_OK;
}

pk_error
pd_extent_build_write(struct pd_extent_build *build, const void *buf, size_t n, struct pd_err *err)
{
	struct pd_table *table = &build->extent->table;
	struct iovec iov = {(void *) (uintptr_t) buf, n};
	pk_error result;

	if (build->handle != NULL)
		return pd_remote_build_write(build, buf, n, err);
	if (n > build->length - table->length || (n > 0 && table->length % PD_EXTENT_CHUNK != 0))
		return pd_fail(err, PK_ERR_INTERNAL, "%s has %llu of %llu bytes: %zu more do not fit, or do not begin a chunk",
					   build->path, (unsigned long long) table->length, (unsigned long long) build->length, n);
	result = build_write(build, &iov, table->length, err);
	if (result == PK_OK)
		pd_table_add(table, buf, n);
	return result;
}

pk_error
pd_extent_build_spoil(struct pd_extent_build *build, uint64_t offset, uint64_t n, struct pd_err *err)
{
	uint64_t end = offset + n < build->length ? offset + n : build->length;

	if (build->handle != NULL)
		return pd_remote_build_spoil(build, offset, n, err);
	if (build->spoiled == NULL)
		build->spoiled = calloc(1, pd_table_count(build->length) + 1);
	if (build->spoiled == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "no memory for the damage of %s", build->path);
	for (uint64_t at = offset; at < end; at = (at / PD_EXTENT_CHUNK + 1) * PD_EXTENT_CHUNK)
		build->spoiled[at / PD_EXTENT_CHUNK] = 1;
	return PK_OK;
}

/* The complement, as in a table that was made after a crash: what is there never matches it. */
static void
spoil_table(struct pd_extent_build *build)
{
	struct pd_table *table = &build->extent->table;

	for (uint64_t i = 0; build->spoiled != NULL && i < pd_table_count(build->length); i++)
	{
		if (build->spoiled[i])
			table->crc[i] = ~table->crc[i];
	}
}

/* Before it replaces anything: what the drive gives back must be what was written. */
static pk_error
build_read_back(struct pd_extent_build *build, struct pd_err *err)
{
	struct pd_extent *extent = build->extent;
	uint8_t *chunk = malloc(PD_EXTENT_CHUNK);
	pk_error result = PK_OK;

	if (chunk == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "no memory to read %s back", build->path);
	/* it is synced: what the page cache has of it proves nothing about the drive */
	extent->drive->vfs->hint(extent->drive->vfs, extent->fd, PD_HINT_DROP, 0, PD_EXTENT_DATA + build->length);
	for (uint64_t at = 0; at < build->length && result == PK_OK; at += PD_EXTENT_CHUNK)
	{
		size_t n = build->length - at < PD_EXTENT_CHUNK ? build->length - at : PD_EXTENT_CHUNK;
		int rc = pd_vfs_read_full(extent->drive->vfs, extent->fd, chunk, n, PD_EXTENT_DATA + at);
		uint32_t crc = rc < 0 ? 0 : pk_crc32c(0, chunk, n);

		if (build->spoiled != NULL && build->spoiled[at / PD_EXTENT_CHUNK])
			crc = ~crc;
		if (rc < 0)
			result = pd_fail_errno(err, rc, "cannot read %s back", build->path);
		else if (crc != extent->table.crc[at / PD_EXTENT_CHUNK])
			result = pd_fail(err, PK_ERR_CORRUPT, "%s reads back otherwise than it was written", build->path);
	}
	free(chunk);
	return result;
}

/* Table, trailer, fsync: after this the draft is a sealed extent. */
static pk_error
build_seal(struct pd_extent_build *build, struct pd_err *err)
{
	struct pd_extent *extent = build->extent;
	struct pd_drive *drive = extent->drive;
	struct iovec iov;
	size_t size;
	uint8_t *tail;
	pk_error result;
	int rc;

	if (extent->table.length != build->length)
		return pd_fail(err, PK_ERR_INTERNAL, "%s has %llu of %llu bytes", build->path,
					   (unsigned long long) extent->table.length, (unsigned long long) build->length);
	spoil_table(build);
	tail = pd_tail_encode(&extent->table, &extent->header, &size);
	if (tail == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "no memory to seal %s", build->path);
	iov = (struct iovec){tail, size};
	result = build_write(build, &iov, build->length, err);
	free(tail);
	if (result != PK_OK)
		return result;
	rc = drive->vfs->fsync(drive->vfs, extent->fd);
	if (rc < 0)
	{
		build->broken = true;
		return pd_drive_sync_failed(drive, rc, err, build->path);
	}
	result = build_read_back(build, err);
	if (result != PK_OK)
		return result;
	pd_extent_close(extent);
	pd_table_release(&extent->table);
	extent->state = PD_EXTENT_SEALED;
	extent->length = build->length;
	extent->file_size = pd_sealed_size(build->length);
	return PK_OK;
}

pk_error
pd_extent_build_finish(struct pd_extent_build *build, struct pd_extent **extent, struct pd_err *err)
{
	struct pd_drive *drive = build->extent->drive;
	bool renamed = false;
	pk_error result;

	if (build->handle != NULL)
		return pd_remote_build_finish(build, extent, err);
	result = build_seal(build, err);
	if (result == PK_OK)
	{
		pthread_mutex_lock(&drive->change);
		result = check_not_open(drive, build->extent->file, err);
		if (result == PK_OK)
			result = pd_draft_place(build->extent, build->path, &renamed, err);
		pthread_mutex_unlock(&drive->change);
	}
	if (renamed)
		build->path[0] = '\0';
	if (extent != NULL)
		*extent = result == PK_OK ? pd_extent_ref(build->extent) : NULL;
	pd_extent_build_abandon(build); /* what is left of it */
	return result;
}

void
pd_extent_build_abandon(struct pd_extent_build *build)
{
	const struct pd_vfs *vfs;

	if (build == NULL)
		return;
	if (build->handle != NULL)
	{
		pd_remote_build_abandon(build);
		return;
	}
	vfs = build->extent->drive->vfs;
	if (build->path[0] != '\0')
	{
		pd_extent_close(build->extent);
		(void) vfs->unlink(vfs, build->path); /* else the next start does */
	}
	pd_extent_unref(build->extent);
	free(build->spoiled);
	free(build);
}
