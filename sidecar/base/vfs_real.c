/*
 * base/vfs_real.c
 *	  The operating system's files, clock and random numbers.
 *
 * An interrupted call is made again, fsync included: EINTR says that it did
 * not happen, which is not a failed fsync.  close is the exception: on Linux
 * the descriptor is gone whatever it returns.
 */
#include "base/vfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define RETRY(result, call) \
	do                      \
		(result) = (call);  \
	while ((result) < 0 && errno == EINTR)

static int
real_open(const struct pd_vfs *vfs, const char *path, int flags, mode_t mode)
{
	int fd;

	(void) vfs;
	RETRY(fd, open(path, flags | O_CLOEXEC, mode));
	return fd < 0 ? -errno : fd;
}

static int
real_close(const struct pd_vfs *vfs, int fd)
{
	(void) vfs;
	if (close(fd) < 0 && errno != EINTR)
		return -errno;
	return 0;
}

static ssize_t
real_pread(const struct pd_vfs *vfs, int fd, void *buf, size_t n, uint64_t offset)
{
	ssize_t got;

	(void) vfs;
	RETRY(got, pread(fd, buf, n, (off_t) offset));
	return got < 0 ? -errno : got;
}

#define MINCORE_PAGES 2048

/* The mapping is only asked about, never touched: a drive's failure stays an errno. */
static bool
real_cached(const struct pd_vfs *vfs, int fd, uint64_t offset, size_t n)
{
	unsigned char resident[MINCORE_PAGES];
	size_t page = (size_t) sysconf(_SC_PAGESIZE);
	size_t before = offset % page;
	size_t pages = (before + n + page - 1) / page;
	void *map;
	bool all;

	(void) vfs;
	if (n == 0 || pages > MINCORE_PAGES)
		return false;
	map = mmap(NULL, before + n, PROT_READ, MAP_SHARED, fd, (off_t) (offset - before));
	if (map == MAP_FAILED)
		return false;
	all = mincore(map, before + n, resident) == 0;
	for (size_t i = 0; all && i < pages; i++)
		all = (resident[i] & 1) != 0;
	(void) munmap(map, before + n);
	return all;
}

static ssize_t
real_pread_cached(const struct pd_vfs *vfs, int fd, void *buf, size_t n, uint64_t offset)
{
	const struct iovec iov = {buf, n};
	ssize_t got;

	(void) vfs;
	RETRY(got, preadv2(fd, &iov, 1, (off_t) offset, RWF_NOWAIT));
	if (got >= 0)
		return got;
	/* a file system that cannot tell has nothing cached */
	return errno == EOPNOTSUPP || errno == ENOSYS ? -EAGAIN : -errno;
}

static ssize_t
real_pwritev(const struct pd_vfs *vfs, int fd, const struct iovec *iov, int count, uint64_t offset)
{
	ssize_t written;

	(void) vfs;
	RETRY(written, pwritev(fd, iov, count > IOV_MAX ? IOV_MAX : count, (off_t) offset));
	return written < 0 ? -errno : written;
}

static int
real_fdatasync(const struct pd_vfs *vfs, int fd)
{
	int rc;

	(void) vfs;
	RETRY(rc, fdatasync(fd));
	return rc < 0 ? -errno : 0;
}

static int
real_fsync(const struct pd_vfs *vfs, int fd)
{
	int rc;

	(void) vfs;
	RETRY(rc, fsync(fd));
	return rc < 0 ? -errno : 0;
}

static int
real_ftruncate(const struct pd_vfs *vfs, int fd, uint64_t length)
{
	int rc;

	(void) vfs;
	RETRY(rc, ftruncate(fd, (off_t) length));
	return rc < 0 ? -errno : 0;
}

static int
real_fallocate(const struct pd_vfs *vfs, int fd, uint64_t offset, uint64_t length)
{
	int rc;

	(void) vfs;
	RETRY(rc, fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t) offset, (off_t) length));
	return rc < 0 ? -errno : 0;
}

/* SYNC_FILE_RANGE_WRITE alone: the flags that wait would also take the error that belongs to fdatasync. */
static void
real_hint(const struct pd_vfs *vfs, int fd, enum pd_vfs_hint hint, uint64_t offset, uint64_t length)
{
	(void) vfs;
	if (hint == PD_HINT_WRITE)
		(void) sync_file_range(fd, (off_t) offset, (off_t) length, SYNC_FILE_RANGE_WRITE);
	else
		(void) posix_fadvise(fd, (off_t) offset, (off_t) length, POSIX_FADV_DONTNEED);
}

static int64_t
real_size(const struct pd_vfs *vfs, int fd)
{
	struct stat st;

	(void) vfs;
	return fstat(fd, &st) < 0 ? -errno : (int64_t) st.st_size;
}

static int
real_lock(const struct pd_vfs *vfs, int fd)
{
	int rc;

	(void) vfs;
	RETRY(rc, flock(fd, LOCK_EX | LOCK_NB));
	return rc < 0 ? -errno : 0;
}

static int
real_rename(const struct pd_vfs *vfs, const char *from, const char *to)
{
	(void) vfs;
	return rename(from, to) < 0 ? -errno : 0;
}

static int
real_unlink(const struct pd_vfs *vfs, const char *path)
{
	(void) vfs;
	return unlink(path) < 0 ? -errno : 0;
}

static int
real_mkdir(const struct pd_vfs *vfs, const char *path, mode_t mode)
{
	(void) vfs;
	return mkdir(path, mode) < 0 ? -errno : 0;
}

static int
real_sync_dir(const struct pd_vfs *vfs, const char *path)
{
	int fd = real_open(vfs, path, O_RDONLY | O_DIRECTORY, 0);
	int rc;

	if (fd < 0)
		return fd;
	rc = real_fsync(vfs, fd);
	(void) real_close(vfs, fd);
	return rc;
}

static int
real_list(const struct pd_vfs *vfs, const char *path, int (*each)(void *arg, const char *name), void *arg)
{
	DIR *dir = opendir(path);
	int rc = 0;

	(void) vfs;
	if (dir == NULL)
		return -errno;

	while (rc == 0)
	{
		struct dirent *entry;

		errno = 0; /* the only way to tell the end from an error */
		entry = readdir(dir);
		if (entry == NULL)
		{
			rc = -errno;
			break;
		}
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			rc = each(arg, entry->d_name);
	}
	closedir(dir);
	return rc;
}

static int
real_space(const struct pd_vfs *vfs, const char *path, uint64_t *total, uint64_t *available)
{
	struct statvfs st;
	int rc;

	(void) vfs;
	RETRY(rc, statvfs(path, &st));
	if (rc < 0)
		return -errno;
	*total = (uint64_t) st.f_blocks * st.f_frsize;
	*available = (uint64_t) st.f_bavail * st.f_frsize;
	return 0;
}

static int64_t
clock_us(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static int64_t
real_now_us(const struct pd_vfs *vfs)
{
	(void) vfs;
	return clock_us(CLOCK_REALTIME);
}

static int64_t
real_monotonic_us(const struct pd_vfs *vfs)
{
	(void) vfs;
	return clock_us(CLOCK_MONOTONIC);
}

static int
real_random(const struct pd_vfs *vfs, void *buf, size_t n)
{
	uint8_t *at = buf;

	(void) vfs;
	while (n > 0)
	{
		ssize_t got;

		RETRY(got, getrandom(at, n, 0));
		if (got < 0)
			return -errno;
		at += got;
		n -= (size_t) got;
	}
	return 0;
}

const struct pd_vfs pd_vfs_real = {
	.open = real_open,
	.close = real_close,
	.pread = real_pread,
	.cached = real_cached,
	.pread_cached = real_pread_cached,
	.pwritev = real_pwritev,
	.fdatasync = real_fdatasync,
	.fsync = real_fsync,
	.ftruncate = real_ftruncate,
	.fallocate = real_fallocate,
	.hint = real_hint,
	.size = real_size,
	.lock = real_lock,
	.rename = real_rename,
	.unlink = real_unlink,
	.mkdir = real_mkdir,
	.sync_dir = real_sync_dir,
	.list = real_list,
	.space = real_space,
	.now_us = real_now_us,
	.monotonic_us = real_monotonic_us,
	.random = real_random,
};

int
pd_vfs_read_full(const struct pd_vfs *vfs, int fd, void *buf, size_t n, uint64_t offset)
{
	uint8_t *at = buf;

	while (n > 0)
	{
		ssize_t got = vfs->pread(vfs, fd, at, n, offset);

		if (got < 0)
			return (int) got;
		if (got == 0)
			return -ENODATA;
		at += got;
		offset += (uint64_t) got;
		n -= (size_t) got;
	}
	return 0;
}

int
pd_vfs_write_full(const struct pd_vfs *vfs, int fd, struct iovec *iov, int count, uint64_t offset)
{
	while (count > 0)
	{
		ssize_t written;

		if (iov->iov_len == 0)
		{
			iov++;
			count--;
			continue;
		}
		written = vfs->pwritev(vfs, fd, iov, count, offset);
		if (written < 0)
			return (int) written;
		if (written == 0)
			return -EIO; /* would go on for ever */
		offset += (uint64_t) written;
		while (count > 0 && (size_t) written >= iov->iov_len)
		{
			written -= (ssize_t) iov->iov_len;
			iov++;
			count--;
		}
		if (count > 0)
		{
			iov->iov_base = (uint8_t *) iov->iov_base + written;
			iov->iov_len -= (size_t) written;
		}
	}
	return 0;
}
