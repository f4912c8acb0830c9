/*
 * store/seal.c
 *	  The end of an extent's writing: checksums of its chunks, then the trailer.
 *
 * The trailer is written and synced only after everything that it vouches for was,
 * so a valid trailer is proof. Until then the extent counts as unsealed, and what
 * lies behind its length as a torn tail.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "contract/pk_hash.h"
#include "store/internal.h"

/* Shortens the table that was kept while appending; only the chunk that is cut has to be read, and must be what was written. */
static pk_error
cut_table(struct pd_extent *extent, int fd, uint64_t length, struct pd_err *err)
{
	const struct pd_vfs *vfs = extent->drive->vfs;
	struct pd_table *table = &extent->table;
	uint64_t i = length / PD_EXTENT_CHUNK;
	uint64_t begin = i * PD_EXTENT_CHUNK;
	pk_error result = PK_OK;
	uint8_t *chunk;
	size_t n;
	int rc;

	if (length == table->length || length == begin)
	{
		table->length = length;
		return PK_OK;
	}
	n = table->length - begin < PD_EXTENT_CHUNK ? table->length - begin : PD_EXTENT_CHUNK;
	chunk = malloc(n);
	if (chunk == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "no memory for a chunk of %zu bytes", n);
	rc = pd_vfs_read_full(vfs, fd, chunk, n, PD_EXTENT_DATA + begin);
	if (rc < 0)
		result =
			pd_fail_errno(err, rc, "cannot read %zu bytes at %llu of %s", n, (unsigned long long) begin, extent->path);
	else if (pk_crc32c(0, chunk, n) != table->crc[i])
		result = pd_fail(err, PK_ERR_CORRUPT, "%s is damaged: bytes from %llu are not what was written", extent->path,
						 (unsigned long long) begin);
	else
	{
		table->crc[i] = pk_crc32c(0, chunk, length - begin);
		table->length = length;
	}
	free(chunk);
	return result;
}

struct rot_marks
{
	struct pd_extent *extent;
	uint8_t *bad; /* per chunk */
	uint64_t length;
};

static void
mark_rot(void *arg, uint64_t offset, uint64_t length, const char *problem)
{
	struct rot_marks *marks = arg;
	uint64_t end = offset + length < marks->length ? offset + length : marks->length;

	pd_extent_add_rot(marks->extent, offset, length, problem);
	for (uint64_t at = offset; at < end; at = (at / PD_EXTENT_CHUNK + 1) * PD_EXTENT_CHUNK)
		marks->bad[at / PD_EXTENT_CHUNK] = 1;
}

/* Checksums of what the drive gives; a chunk that it does not give counts as zeros, and as rot. */
static pk_error
read_table(struct pd_extent *extent, int fd, uint64_t length, struct rot_marks *marks, struct pd_err *err)
{
	struct pd_table *table = &extent->table;
	uint8_t *chunk;
	pk_error result;

	table->length = 0;
	result = pd_table_reserve(table, length, err);
	if (result != PK_OK)
		return result;
	chunk = malloc(PD_EXTENT_CHUNK);
	if (chunk == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "no memory for a chunk");
	while (table->length < length)
	{
		uint64_t at = table->length;
		size_t n = length - at < PD_EXTENT_CHUNK ? length - at : PD_EXTENT_CHUNK;

		if (pd_vfs_read_full(extent->drive->vfs, fd, chunk, n, PD_EXTENT_DATA + at) < 0)
		{
			memset(chunk, 0, n);
			mark_rot(marks, at, n, "cannot be read");
		}
		pd_table_add(table, chunk, n);
	}
	free(chunk);
	return PK_OK;
}

/*
 * The table of an extent that another process wrote. Fresh checksums must not bless rot: each record is held against its own,
 * and a chunk that a bad one touches gets the complement of its checksum, so that it never matches.
 */
static pk_error
recover_table(struct pd_extent *extent, int fd, uint64_t length, struct pd_err *err)
{
	struct rot_marks marks = {extent, calloc(1, pd_table_count(length) + 1), length};
	struct pd_source source;
	pk_error result;

	if (marks.bad == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "no memory to seal %s", extent->path);
	pd_extent_clear_rot(extent);
	result = read_table(extent, fd, length, &marks, err);
	if (result == PK_OK)
		result = pd_source_init(&source, extent->drive->vfs, fd, extent->header.id, length, err);
	if (result == PK_OK)
	{
		(void) pd_walk(&source, length, 0, mark_rot, &marks);
		pd_source_release(&source);
		for (uint64_t i = 0; i < pd_table_count(length); i++)
			if (marks.bad[i])
				extent->table.crc[i] = ~extent->table.crc[i];
	}
	free(marks.bad);
	return result;
}

static pk_error
write_tail(struct pd_extent *extent, int fd, struct pd_err *err)
{
	struct pd_drive *drive = extent->drive;
	const struct pd_vfs *vfs = drive->vfs;
	uint64_t begin = PD_EXTENT_DATA + extent->table.length;
	uint8_t trailer[PD_TRAILER];
	struct iovec iov;
	size_t size;
	int rc;
	bool synced = false;
	uint8_t *tail = pd_tail_encode(&extent->table, &extent->header, &size);

	if (tail == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "no memory to seal %s", extent->path);
	memcpy(trailer, tail + size - PD_TRAILER, PD_TRAILER);
	memset(tail + size - PD_TRAILER, 0, PD_TRAILER); /* over a torn tail, which may be longer */
	iov = (struct iovec){tail, size};
	rc = pd_vfs_write_full(vfs, fd, &iov, 1, begin);
	free(tail);
	if (rc == 0)
		rc = vfs->ftruncate(vfs, fd, begin + size);
	if (rc == 0)
	{
		rc = vfs->fsync(vfs, fd);
		synced = rc < 0;
	}
	if (rc == 0)
	{
		iov = (struct iovec){trailer, PD_TRAILER};
		rc = pd_vfs_write_full(vfs, fd, &iov, 1, begin + size - PD_TRAILER);
	}
	if (rc == 0)
	{
		rc = vfs->fsync(vfs, fd);
		synced = rc < 0;
	}
	if (rc < 0)
		return synced ? pd_drive_sync_failed(drive, rc, err, extent->file)
					  : pd_drive_write_failed(drive, rc, err, "seal", extent->file);
	return PK_OK;
}

static pk_error
prepare_table(struct pd_extent *extent, int fd, uint64_t length, struct pd_err *err)
{
	int64_t size = extent->drive->vfs->size(extent->drive->vfs, fd);

	if (size < 0)
		return pd_fail_errno(err, (int) size, "cannot examine %s", extent->path);
	if ((uint64_t) size < PD_EXTENT_DATA + length)
		return pd_fail(err, PK_ERR_CORRUPT, "%s is cut off: it has %lld bytes, not %llu", extent->path,
					   (long long) size, (unsigned long long) (PD_EXTENT_DATA + length));
	return extent->recovered ? recover_table(extent, fd, length, err) : cut_table(extent, fd, length, err);
}

/* With extent->io held, and length within what the extent holds. */
static pk_error
seal_closed(struct pd_extent *extent, uint64_t length, struct pd_err *err)
{
	struct pd_drive *drive = extent->drive;
	const struct pd_vfs *vfs = drive->vfs;
	pk_error result;
	int fd;

	fd = vfs->open(vfs, extent->path, O_RDWR | PD_OPEN, 0);
	if (fd < 0)
		return pd_drive_write_failed(drive, fd, err, "open", extent->file);
	result = prepare_table(extent, fd, length, err);
	if (result == PK_OK)
	{
		/* from here on what lay behind it is overwritten, even if this fails */
		pthread_mutex_lock(&extent->mutex);
		extent->length = length;
		pthread_mutex_unlock(&extent->mutex);
		result = write_tail(extent, fd, err);
	}
	vfs->close(vfs, fd);
	if (result != PK_OK)
		return result;
	pthread_mutex_lock(&extent->mutex);
	extent->state = PD_EXTENT_SEALED;
	extent->file_size = pd_sealed_size(length);
	pthread_mutex_unlock(&extent->mutex);
	pd_table_release(&extent->table);
	return PK_OK;
}

pk_error
pd_extent_seal(struct pd_extent *extent, uint64_t length, struct pd_err *err)
{
	pk_error result;

	if (pd_drive_is_remote(extent->drive))
		return pd_remote_seal(extent, length, err);
	pthread_mutex_lock(&extent->io);
	if (pd_extent_state(extent) == PD_EXTENT_SEALED)
	{
		result = PK_OK;
		if (length != extent->length)
			result = pd_fail(err, PK_ERR_STATE, "extent %s is sealed at %llu bytes, not at %llu", extent->path,
							 (unsigned long long) extent->length, (unsigned long long) length);
	}
	else
	{
		result = pd_extent_check_writable(extent, err);
		if (result == PK_OK && length > extent->length)
			result = pd_fail(err, PK_ERR_STATE, "extent %s holds %llu bytes: it cannot be sealed at %llu", extent->path,
							 (unsigned long long) extent->length, (unsigned long long) length);
		if (result == PK_OK)
		{
			pd_extent_close(extent);
			result = seal_closed(extent, length, err);
		}
	}
	pthread_mutex_unlock(&extent->io);
	return result;
}

pk_error
pd_extent_seal_whole(struct pd_extent *extent, uint64_t length, struct pd_err *err)
{
	struct pd_extent_info info;

	if (!pd_drive_is_remote(extent->drive))
	{
		pthread_mutex_lock(&extent->io);
		pd_extent_close(extent);
		pthread_mutex_unlock(&extent->io);
		pd_extent_info(extent, &info);
		if (!info.sealed && info.length > length && !extent->recovered)
			return pd_fail(err, PK_ERR_STATE, "extent %s has grown to %llu bytes: it is not cut to %llu", extent->path,
						   (unsigned long long) info.length, (unsigned long long) length);
	}
	return pd_extent_seal(extent, length, err);
}
