/*
 * store/read.c
 *	  Reading bytes, as they are or held against their checksums.
 *
 * The file is opened for each operation: so a file that vanished is noticed, and a
 * drive with thousands of extents needs no descriptors for them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "contract/pk_hash.h"
#include "store/internal.h"

/* What is read now; kept_fd stays open until the extent is freed, which its holder prevents. */
static int
look(struct pd_extent *extent, struct pd_view *view)
{
	int kept;

	pthread_mutex_lock(&extent->mutex);
	kept = extent->state == PD_EXTENT_GONE ? extent->kept_fd : -1;
	view->sealed = extent->state == PD_EXTENT_SEALED || (extent->state == PD_EXTENT_GONE && extent->was_sealed);
	view->length = extent->length;
	view->file_size = extent->file_size;
	pthread_mutex_unlock(&extent->mutex);
	return kept;
}

pk_error
pd_view_open(struct pd_extent *extent, struct pd_view *view, struct pd_err *err)
{
	const struct pd_vfs *vfs = extent->drive->vfs;
	pk_error result = pd_drive_check_readable(extent->drive, err);
	int64_t size;

	if (result == PK_OK && pd_drive_is_remote(extent->drive))
		result = pd_fail(err, PK_ERR_STATE, "extent %s is of another node: its file is not here", extent->path);
	if (result != PK_OK)
		return result;
	view->owned = false;
	view->fd = look(extent, view);
	if (view->fd >= 0)
		return PK_OK;
	view->fd = vfs->open(vfs, extent->path, O_RDONLY | PD_OPEN, 0);
	size = view->fd < 0 ? view->fd : vfs->size(vfs, view->fd);
	if (size < 0 || (view->sealed && (uint64_t) size != view->file_size))
	{
		struct pd_view now;
		int kept = look(extent, &now);

		if (view->fd >= 0)
			vfs->close(vfs, view->fd);
		if (kept >= 0) /* removed or replaced in between */
		{
			*view = now;
			view->fd = kept;
			view->owned = false;
			return PK_OK;
		}
		view->fd = -1;
		if (size == -EMFILE || size == -ENFILE || size == -ENOMEM) /* says nothing about the drive */
			return pd_fail(err, PK_ERR_NO_MEMORY, "cannot open %s: too many open files, or out of memory",
						   extent->path);
		if (size < 0)
			return pd_fail_errno(err, (int) size, "cannot open %s", extent->path);
		return pd_fail(err, PK_ERR_CORRUPT, "%s has %lld bytes, not %llu", extent->path, (long long) size,
					   (unsigned long long) view->file_size);
	}
	view->owned = true;
	return PK_OK;
}

void
pd_view_close(struct pd_extent *extent, struct pd_view *view)
{
	if (view->owned)
		extent->drive->vfs->close(extent->drive->vfs, view->fd);
}

/* What follows the valid records of an unsealed one may be missing from its replicas: recovery looks at it. */
static uint64_t
readable_end(const struct pd_view *view)
{
	return view->sealed || view->file_size < PD_EXTENT_DATA ? view->length : view->file_size - PD_EXTENT_DATA;
}

pk_error
pd_extent_read(struct pd_extent *extent, uint64_t offset, void *buf, size_t n, struct pd_err *err)
{
	struct pd_view view;
	pk_error result;
	uint64_t end;
	int rc;

	if (pd_drive_is_remote(extent->drive))
		return pd_remote_read(extent, false, offset, buf, n, err);
	result = pd_view_open(extent, &view, err);
	if (result != PK_OK)
		return result;
	end = readable_end(&view);
	if (offset > end || n > end - offset)
		result = pd_fail(err, PK_ERR_NOT_FOUND, "%s has %llu bytes: there are no %zu at %llu", extent->path,
						 (unsigned long long) end, n, (unsigned long long) offset);
	else
	{
		rc = pd_vfs_read_full(extent->drive->vfs, view.fd, buf, n, PD_EXTENT_DATA + offset);
		if (rc == -ENODATA)
			result = pd_fail(err, PK_ERR_CORRUPT, "%s is cut off before byte %llu", extent->path,
							 (unsigned long long) offset + n);
		else if (rc < 0)
			result = pd_fail_errno(err, rc, "cannot read %zu bytes at %llu of %s", n, (unsigned long long) offset,
								   extent->path);
	}
	pd_view_close(extent, &view);
	return result;
}

struct pd_cached
{
	struct pd_extent *extent; /* counted */
	struct pd_view view;
	uint64_t offset; /* of the next byte */
};

struct pd_cached *
pd_cached_begin(struct pd_extent *extent, uint64_t offset, size_t n)
{
	const struct pd_vfs *vfs = extent->drive->vfs;
	struct pd_cached *cached = pd_drive_is_remote(extent->drive) ? NULL : calloc(1, sizeof(*cached));
	struct pd_err ignored;
	uint64_t end;

	if (cached == NULL || pd_view_open(extent, &cached->view, &ignored) != PK_OK)
	{
		free(cached);
		return NULL;
	}
	cached->extent = pd_extent_ref(extent);
	cached->offset = offset;
	end = readable_end(&cached->view);
	if (n == 0 || offset > end || n > end - offset || !vfs->cached(vfs, cached->view.fd, PD_EXTENT_DATA + offset, n))
	{
		pd_cached_end(cached);
		return NULL;
	}
	return cached;
}

pk_error
pd_cached_read(struct pd_cached *cached, void *buf, size_t n, struct pd_err *err)
{
	struct pd_extent *extent = cached->extent;
	const struct pd_vfs *vfs = extent->drive->vfs;

	for (size_t done = 0; done < n;)
	{
		ssize_t got =
			vfs->pread_cached(vfs, cached->view.fd, (uint8_t *) buf + done, n - done, PD_EXTENT_DATA + cached->offset);

		if (got == -EAGAIN)
			return pd_fail(err, PK_ERR_BUSY, "%s is not in the page cache at %llu", extent->path,
						   (unsigned long long) cached->offset);
		if (got == 0)
			return pd_fail(err, PK_ERR_CORRUPT, "%s is cut off before byte %llu", extent->path,
						   (unsigned long long) cached->offset);
		if (got < 0)
			return pd_fail_errno(err, (int) got, "cannot read %zu bytes at %llu of %s", n - done,
								 (unsigned long long) cached->offset, extent->path);
		done += (size_t) got;
		cached->offset += (uint64_t) got;
	}
	return PK_OK;
}

void
pd_cached_end(struct pd_cached *cached)
{
	if (cached == NULL)
		return;
	pd_view_close(cached->extent, &cached->view);
	pd_extent_unref(cached->extent);
	free(cached);
}

/* The CRC of the rest of a chunk that the caller wants only the beginning of. */
static int
continue_crc(const struct pd_vfs *vfs, int fd, uint64_t offset, uint64_t n, uint32_t *crc)
{
	uint8_t piece[8192];

	while (n > 0)
	{
		size_t take = n < sizeof(piece) ? n : sizeof(piece);
		int rc = pd_vfs_read_full(vfs, fd, piece, take, PD_EXTENT_DATA + offset);

		if (rc < 0)
			return rc;
		*crc = pk_crc32c(*crc, piece, take);
		offset += take;
		n -= take;
	}
	return 0;
}

#define BATCH 256 /* chunks whose checksums are read at once: 16 MiB */
#define STEP 8	  /* chunks that are read, and then found in the processor's cache by what checks them */

/* buf holds n bytes at offset, all before the length; table: the checksums of its chunks. */
static pk_error
check_chunks(struct pd_extent *extent, const struct pd_view *view, uint64_t offset, const uint8_t *buf, size_t n,
			 const uint8_t *table, struct pd_err *err)
{
	int rc = 0;

	for (size_t at = 0; at < n && rc == 0; at += PD_EXTENT_CHUNK, table += 4)
	{
		size_t have = n - at < PD_EXTENT_CHUNK ? n - at : PD_EXTENT_CHUNK;
		uint64_t end = offset + at + PD_EXTENT_CHUNK < view->length ? offset + at + PD_EXTENT_CHUNK : view->length;
		uint32_t crc = pk_crc32c(0, buf + at, have);

		rc = continue_crc(extent->drive->vfs, view->fd, offset + at + have, end - (offset + at + have), &crc);
		if (rc == 0 && crc != pk_get_u32(table))
			return pd_fail(err, PK_ERR_CORRUPT, "%s is damaged: bytes %llu to %llu do not match their checksum",
						   extent->path, (unsigned long long) offset + at, (unsigned long long) end);
	}
	if (rc < 0)
		return pd_fail_errno(err, rc, "cannot read %zu bytes at %llu of %s", n, (unsigned long long) offset,
							 extent->path);
	return PK_OK;
}

/* At most BATCH chunks from a chunk's beginning on, all before the length. */
static pk_error
read_batch(struct pd_extent *extent, const struct pd_view *view, uint64_t offset, uint8_t *out, size_t n,
		   struct pd_err *err)
{
	const struct pd_vfs *vfs = extent->drive->vfs;
	size_t count = (n + PD_EXTENT_CHUNK - 1) / PD_EXTENT_CHUNK;
	uint8_t table[BATCH * 4];
	pk_error result = PK_OK;
	int rc =
		pd_vfs_read_full(vfs, view->fd, table, count * 4, pd_table_offset(view->length) + offset / PD_EXTENT_CHUNK * 4);

	for (size_t done = 0; rc >= 0 && result == PK_OK && done < n; done += STEP * PD_EXTENT_CHUNK)
	{
		size_t take = n - done < STEP * PD_EXTENT_CHUNK ? n - done : STEP * PD_EXTENT_CHUNK;

		rc = pd_vfs_read_full(vfs, view->fd, out + done, take, PD_EXTENT_DATA + offset + done);
		if (rc >= 0)
			result =
				check_chunks(extent, view, offset + done, out + done, take, table + done / PD_EXTENT_CHUNK * 4, err);
	}
	if (rc < 0)
		return pd_fail_errno(err, rc, "cannot read %zu bytes at %llu of %s", n, (unsigned long long) offset,
							 extent->path);
	return result;
}

pk_error
pd_extent_read_checked(struct pd_extent *extent, uint64_t offset, void *buf, size_t n, struct pd_err *err)
{
	uint8_t *out = buf;
	struct pd_view view;
	size_t have;
	pk_error result;

	if (offset % PD_EXTENT_CHUNK != 0)
		return pd_fail(err, PK_ERR_INTERNAL, "checked reads begin at chunks, not at %llu", (unsigned long long) offset);
	if (pd_drive_is_remote(extent->drive))
		return pd_remote_read(extent, true, offset, buf, n, err);
	result = pd_view_open(extent, &view, err);
	if (result != PK_OK)
		return result;
	if (!view.sealed)
		result = pd_fail(err, PK_ERR_STATE, "%s is not sealed: it has no checksums yet", extent->path);
	have = offset >= view.length ? 0 : view.length - offset < n ? view.length - offset : n;
	for (size_t done = 0; done < have && result == PK_OK; done += BATCH * PD_EXTENT_CHUNK)
	{
		size_t take = have - done < BATCH * PD_EXTENT_CHUNK ? have - done : BATCH * PD_EXTENT_CHUNK;

		result = read_batch(extent, &view, offset + done, out + done, take, err);
	}
	pd_view_close(extent, &view);
	if (result == PK_OK && have < n)
		memset(out + have, 0, n - have);
	return result;
}
