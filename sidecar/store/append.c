/*
 * store/append.c
 *	  The only writes to an open extent.
 *
 * A bucket is written once and read seldom: only its end stays in the page cache, so that
 * a stream of blocks does not push out PostgreSQL's pages, and is written to pages
 * that were used a moment ago; fresh ones cost more than all else here.
 */
#include <errno.h>
#include <fcntl.h>

#include "store/internal.h"

#define WRITE_PIECE ((size_t) 512 * 1024)
#define CACHED_BYTES ((uint64_t) 128 * 1024 * 1024) /* what was put a moment ago is read more often than the rest */
#define UNCACHE_BYTES ((uint64_t) 4 * 1024 * 1024)	/* let out at once, at least, when nobody waits */
#define UNCACHE_LATE (4 * UNCACHE_BYTES)			/* when somebody always does */

static pk_error
append_check(struct pd_extent *extent, uint64_t n, uint64_t offset, struct pd_err *err)
{
	enum pd_extent_state state = pd_extent_state(extent);

	if (state != PD_EXTENT_OPEN)
		return pd_fail(err, PK_ERR_BUCKET_CLOSED, "extent %s takes no more bytes", extent->path);
	if (offset != extent->length)
		return pd_fail(err, PK_ERR_STATE, "extent %s has %llu bytes: nothing can be appended at %llu", extent->path,
					   (unsigned long long) extent->length, (unsigned long long) offset);
	if (n > PK_BUCKET_SIZE_MAX - offset)
		return pd_fail(err, PK_ERR_TOO_LARGE, "extent %s would have more than %llu bytes", extent->path,
					   (unsigned long long) PK_BUCKET_SIZE_MAX);
	return pd_table_reserve(&extent->table, offset + n, err);
}

/* Whoever removes the file below us takes what follows with it. */
static int
look_for_file(struct pd_extent *extent)
{
	const struct pd_vfs *vfs = extent->drive->vfs;
	int fd = vfs->open(vfs, extent->path, O_RDONLY | PD_OPEN, 0);

	if (fd >= 0)
		vfs->close(vfs, fd);
	return fd == -ENOENT || fd == -ENOTDIR ? fd : 0;
}

/* With extent->io held: lets all but the last bytes out of the page cache, once it is `at_least` bytes. */
static void
uncache(struct pd_extent *extent, uint64_t at_least)
{
	const struct pd_vfs *vfs = extent->drive->vfs;
	uint64_t begin = extent->uncached;

	if (extent->fd < 0 || extent->length < begin + CACHED_BYTES + at_least)
		return;
	extent->uncached = extent->length - CACHED_BYTES;
	vfs->hint(vfs, extent->fd, PD_HINT_DROP, PD_EXTENT_DATA + begin, extent->uncached - begin);
}

/* The checksums of what is written next, while it is in the cache. */
static void
add_to_table(struct pd_extent *extent, const struct iovec *iov, int count)
{
	for (int i = 0; i < count; i++)
		pd_table_add(&extent->table, iov[i].iov_base, iov[i].iov_len);
}

/* The next piece, of at most limit bytes: several whole ones of iov, or (*whole is 0 then) a part of the first. */
static uint64_t
cut_piece(const struct iovec *iov, int count, uint64_t limit, int *whole)
{
	uint64_t n = 0;

	*whole = 0;
	while (*whole < count && n + iov[*whole].iov_len <= limit)
		n += iov[(*whole)++].iov_len;
	return *whole > 0 ? n : limit;
}

/*
 * Large pieces are cut, and the drive has the beginning while the rest is still being copied; so the sync at the end
 * finds little left to do.  What was written ahead is passed by.
 */
static int
write_all(struct pd_extent *extent, struct iovec *iov, int count, uint64_t offset)
{
	const struct pd_vfs *vfs = extent->drive->vfs;
	int rc = 0;

	while (count > 0 && rc == 0)
	{
		uint64_t ahead = pd_table_ahead(&extent->table, offset);
		uint64_t begin = extent->table.ahead_begin;
		uint64_t limit = ahead > 0											? ahead
						 : (begin > offset && begin - offset < WRITE_PIECE) ? begin - offset
																			: WRITE_PIECE;
		int whole;
		uint64_t n = cut_piece(iov, count, limit, &whole);
		struct iovec part = {iov->iov_base, n};

		add_to_table(extent, whole > 0 ? iov : &part, whole > 0 ? whole : 1);
		if (ahead == 0)
			rc = pd_vfs_write_full(vfs, extent->fd, whole > 0 ? iov : &part, whole > 0 ? whole : 1,
								   PD_EXTENT_DATA + offset);
		if (whole == 0)
		{
			iov->iov_base = (uint8_t *) iov->iov_base + n;
			iov->iov_len -= n;
		}
		iov += whole;
		count -= whole;
		if (ahead == 0 && rc == 0 && count > 0)
			vfs->hint(vfs, extent->fd, PD_HINT_WRITE, PD_EXTENT_DATA + offset, n);
		offset += n;
	}
	return rc;
}

static pk_error
write_and_sync(struct pd_extent *extent, struct iovec *iov, int count, uint64_t offset, struct pd_err *err)
{
	struct pd_drive *drive = extent->drive;
	const struct pd_vfs *vfs = drive->vfs;
	pk_error result = pd_drive_check_writable(drive, err);
	int rc;

	if (result != PK_OK)
		return result;
	rc = write_all(extent, iov, count, offset);
	if (rc < 0)
		return pd_drive_write_failed(drive, rc, err, "append to", extent->file);
	rc = vfs->fdatasync(vfs, extent->fd);
	if (rc < 0)
		return pd_drive_sync_failed(drive, rc, err, extent->file);
	rc = look_for_file(extent);
	if (rc < 0)
		return pd_drive_write_failed(drive, rc, err, "find", extent->file);
	return PK_OK;
}

static pk_error
ahead_check(struct pd_extent *extent, size_t n, uint64_t offset, struct pd_err *err)
{
	const struct pd_table *table = &extent->table;
	bool first = table->ahead_begin == table->ahead_end;
	pk_error result;

	if (offset < extent->length || offset % PD_EXTENT_CHUNK != 0 || n % PD_EXTENT_CHUNK != 0 ||
		(!first && offset != table->ahead_end))
		return pd_fail(err, PK_ERR_STATE, "extent %s: nothing can be written ahead at %llu", extent->path,
					   (unsigned long long) offset);
	result = append_check(extent, offset - extent->length + n, extent->length, err);
	return result == PK_OK ? pd_drive_check_writable(extent->drive, err) : result;
}

pk_error
pd_extent_write_ahead(struct pd_extent *extent, const void *data, size_t n, uint64_t offset, struct pd_err *err)
{
	const struct pd_vfs *vfs = extent->drive->vfs;
	struct iovec iov = {(void *) (uintptr_t) data, n};
	pk_error result;

	if (pd_drive_is_remote(extent->drive))
		return pd_fail(err, PK_ERR_STATE, "extent %s is of another node: nothing is written ahead", extent->path);
	pthread_mutex_lock(&extent->io);
	result = ahead_check(extent, n, offset, err);
	if (result == PK_OK)
	{
		int rc = pd_vfs_write_full(vfs, extent->fd, &iov, 1, PD_EXTENT_DATA + offset);

		if (rc < 0)
			result = pd_drive_write_failed(extent->drive, rc, err, "write to", extent->file);
	}
	if (result == PK_OK)
	{
		vfs->hint(vfs, extent->fd, PD_HINT_WRITE, PD_EXTENT_DATA + offset, n);
		pd_table_add_ahead(&extent->table, data, n, offset);
	}
	pthread_mutex_unlock(&extent->io);
	return result;
}

pk_error
pd_extent_append(struct pd_extent *extent, struct iovec *iov, int count, uint64_t offset, struct pd_err *err)
{
	struct pd_table_mark mark;
	uint64_t n = 0;
	pk_error result;

	if (pd_drive_is_remote(extent->drive))
		return pd_remote_append(extent, iov, count, offset, err);
	for (int i = 0; i < count; i++)
		n += iov[i].iov_len;
	pthread_mutex_lock(&extent->io);
	result = append_check(extent, n, offset, err);
	if (result == PK_OK)
	{
		uncache(extent, UNCACHE_LATE);
		pd_table_remember(&extent->table, &mark);
		result = write_and_sync(extent, iov, count, offset, err);
		if (result != PK_OK)
		{
			pd_table_return(&extent->table, &mark);
			pd_extent_close(extent);
		}
		else
		{
			pthread_mutex_lock(&extent->mutex);
			extent->length = offset + n;
			extent->file_size = PD_EXTENT_DATA + offset + n;
			pthread_mutex_unlock(&extent->mutex);
		}
	}
	/* whatever came of it: what was ahead of this append is not ahead of another one */
	extent->table.ahead_begin = extent->table.ahead_end = 0;
	pthread_mutex_unlock(&extent->io);
	return result;
}

void
pd_extent_uncache(struct pd_extent *extent)
{
	if (pthread_mutex_trylock(&extent->io) != 0)
		return;
	uncache(extent, UNCACHE_BYTES);
	pthread_mutex_unlock(&extent->io);
}
