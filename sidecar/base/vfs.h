/*
 * base/vfs.h
 *	  The one seam towards files, clock and random numbers.
 *
 * Every room takes its files, time and randomness from a struct pd_vfs, so that
 * a test can put a faulty or a recording one in its place (vfs_faulty.h,
 * vfs_record.h).  Functions return a non-negative result or a negative errno;
 * none of them touches errno's meaning for the caller.  All are thread-safe.
 */
#ifndef PD_BASE_VFS_H
#define PD_BASE_VFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* What the page cache is told about a range. Hints: they do not wait for the drive, and nobody hears of their failure. */
enum pd_vfs_hint
{
	PD_HINT_WRITE, /* begin to write what is dirty; the fdatasync that follows reports any error, as without the hint */
	PD_HINT_DROP   /* what is clean need not be kept */
};

struct pd_vfs
{
	int (*open)(const struct pd_vfs *vfs, const char *path, int flags, mode_t mode);
	int (*close)(const struct pd_vfs *vfs, int fd);
	ssize_t (*pread)(const struct pd_vfs *vfs, int fd, void *buf, size_t n, uint64_t offset);
	bool (*cached)(const struct pd_vfs *vfs, int fd, uint64_t offset,
				   size_t n); /* all of it, at this moment; false: who knows */
	ssize_t (*pread_cached)(const struct pd_vfs *vfs, int fd, void *buf, size_t n,
							uint64_t offset); /* -EAGAIN: it would wait for the drive */
	ssize_t (*pwritev)(const struct pd_vfs *vfs, int fd, const struct iovec *iov, int count, uint64_t offset);
	int (*fdatasync)(const struct pd_vfs *vfs, int fd);
	int (*fsync)(const struct pd_vfs *vfs, int fd);
	int (*ftruncate)(const struct pd_vfs *vfs, int fd, uint64_t length);
	int (*fallocate)(const struct pd_vfs *vfs, int fd, uint64_t offset, uint64_t length); /* keeps the size */
	void (*hint)(const struct pd_vfs *vfs, int fd, enum pd_vfs_hint hint, uint64_t offset, uint64_t length);
	int64_t (*size)(const struct pd_vfs *vfs, int fd);
	int (*lock)(const struct pd_vfs *vfs, int fd); /* exclusive flock, -EWOULDBLOCK when held */
	int (*rename)(const struct pd_vfs *vfs, const char *from, const char *to);
	int (*unlink)(const struct pd_vfs *vfs, const char *path);
	int (*mkdir)(const struct pd_vfs *vfs, const char *path, mode_t mode);
	int (*sync_dir)(const struct pd_vfs *vfs, const char *path); /* open, fsync, close */
	/* calls each with every entry's name but . and ..; stops at its first non-zero result and returns that */
	int (*list)(const struct pd_vfs *vfs, const char *path, int (*each)(void *arg, const char *name), void *arg);
	int (*space)(const struct pd_vfs *vfs, const char *path, uint64_t *total, uint64_t *available);
	int64_t (*now_us)(const struct pd_vfs *vfs); /* since 1970 */
	int64_t (*monotonic_us)(const struct pd_vfs *vfs);
	int (*random)(const struct pd_vfs *vfs, void *buf, size_t n);
	void *state; /* of a faulty or recording one */
};

/* The operating system's. */
extern const struct pd_vfs pd_vfs_real;

/* Read exactly n bytes: 0, a negative errno, or -ENODATA when the file ends before. */
extern int pd_vfs_read_full(const struct pd_vfs *vfs, int fd, void *buf, size_t n, uint64_t offset);

/* Write all of iov (which is changed on the way): 0 or a negative errno. */
extern int pd_vfs_write_full(const struct pd_vfs *vfs, int fd, struct iovec *iov, int count, uint64_t offset);

#endif
