/*
 * base/vfs_faulty.c
 *	  Counts calls and makes the chosen ones fail.
 *
 * A failing call does nothing below, with two exceptions: a write leaves half
 * of its bytes, and close closes.
 */
#include "base/vfs_faulty.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct faulty
{
	struct pd_faults *faults;
	pthread_mutex_t mutex;
	char **paths; /* by descriptor; NULL = not opened here */
	int path_count;
};

static const struct pd_vfs *
below_of(const struct pd_vfs *vfs)
{
	return ((struct faulty *) vfs->state)->faults->below;
}

static void
delay(long us)
{
	struct timespec ts = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};

	if (us <= 0)
		return;
	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

/* Counts a call of op on path (or other, for rename); 0, or the negative errno that it has to return. */
static int
trip(const struct pd_vfs *vfs, enum pd_fault_op op, const char *path, const char *other)
{
	struct pd_faults *faults = ((struct faulty *) vfs->state)->faults;
	long nth = __atomic_load_n(&faults->nth, __ATOMIC_RELAXED);
	long count;

	if (faults->op != PD_FAULT_ANY && faults->op != op)
		return 0;
	if (faults->path_part != NULL && (path == NULL || strstr(path, faults->path_part) == NULL) &&
		(other == NULL || strstr(other, faults->path_part) == NULL))
		return 0;

	count = __atomic_add_fetch(&faults->count, 1, __ATOMIC_SEQ_CST);
	delay(faults->delay_us);
	if (nth <= 0 || !(count == nth || (faults->sticky && count > nth)))
		return 0;
	__atomic_add_fetch(&faults->failed, 1, __ATOMIC_SEQ_CST);
	return -faults->error;
}

static int
trip_fd(const struct pd_vfs *vfs, enum pd_fault_op op, int fd)
{
	struct faulty *state = vfs->state;
	char *path = NULL;
	int rc;

	/* a copy: the delay must not be slept with the lock held, and close frees the name */
	pthread_mutex_lock(&state->mutex);
	if (fd >= 0 && fd < state->path_count && state->paths[fd] != NULL)
		path = strdup(state->paths[fd]);
	pthread_mutex_unlock(&state->mutex);

	rc = trip(vfs, op, path, NULL);
	free(path);
	return rc;
}

/* Sets or, with NULL, forgets the path of fd. */
static int
name_fd(struct faulty *state, int fd, const char *path)
{
	char *copy = NULL;
	int rc = 0;

	if (path != NULL && (copy = strdup(path)) == NULL)
		return -ENOMEM;

	pthread_mutex_lock(&state->mutex);
	if (fd >= state->path_count && copy != NULL)
	{
		int count = fd + 64;
		char **paths = realloc(state->paths, (size_t) count * sizeof(*paths));

		if (paths == NULL)
			rc = -ENOMEM;
		else
		{
			memset(paths + state->path_count, 0, (size_t) (count - state->path_count) * sizeof(*paths));
			state->paths = paths;
			state->path_count = count;
		}
	}
	if (rc == 0 && fd < state->path_count)
	{
		free(state->paths[fd]);
		state->paths[fd] = copy;
		copy = NULL;
	}
	pthread_mutex_unlock(&state->mutex);
	free(copy);
	return rc;
}

static int
faulty_open(const struct pd_vfs *vfs, const char *path, int flags, mode_t mode)
{
	const struct pd_vfs *below = below_of(vfs);
	int rc = trip(vfs, PD_FAULT_OPEN, path, NULL);
	int fd;

	if (rc < 0)
		return rc;
	fd = below->open(below, path, flags, mode);
	if (fd < 0)
		return fd;
	rc = name_fd(vfs->state, fd, path);
	if (rc < 0)
	{
		(void) below->close(below, fd);
		return rc;
	}
	return fd;
}

static int
faulty_close(const struct pd_vfs *vfs, int fd)
{
	const struct pd_vfs *below = below_of(vfs);
	int tripped = trip_fd(vfs, PD_FAULT_ANY, fd);
	int rc;

	/* forget first: another thread may be given the same number at once */
	(void) name_fd(vfs->state, fd, NULL);
	rc = below->close(below, fd);
	return tripped < 0 ? tripped : rc;
}

static ssize_t
faulty_pread(const struct pd_vfs *vfs, int fd, void *buf, size_t n, uint64_t offset)
{
	const struct pd_vfs *below = below_of(vfs);
	int rc = trip_fd(vfs, PD_FAULT_READ, fd);

	return rc < 0 ? rc : below->pread(below, fd, buf, n, offset);
}

static bool
faulty_cached(const struct pd_vfs *vfs, int fd, uint64_t offset, size_t n)
{
	const struct pd_vfs *below = below_of(vfs);

	return below->cached(below, fd, offset, n);
}

static ssize_t
faulty_pread_cached(const struct pd_vfs *vfs, int fd, void *buf, size_t n, uint64_t offset)
{
	const struct pd_vfs *below = below_of(vfs);
	int rc = trip_fd(vfs, PD_FAULT_READ, fd);

	return rc < 0 ? rc : below->pread_cached(below, fd, buf, n, offset);
}

static void
write_half(const struct pd_vfs *below, int fd, const struct iovec *iov, int count, uint64_t offset)
{
	size_t total = 0;
	size_t left;

	for (int i = 0; i < count; i++)
		total += iov[i].iov_len;
	left = total / 2;
	for (int i = 0; i < count && left > 0; i++)
	{
		struct iovec part = iov[i];

		if (part.iov_len > left)
			part.iov_len = left;
		left -= part.iov_len;
		offset += part.iov_len;
		if (pd_vfs_write_full(below, fd, &(struct iovec){part.iov_base, part.iov_len}, 1, offset - part.iov_len) < 0)
			return;
	}
}

static ssize_t
faulty_pwritev(const struct pd_vfs *vfs, int fd, const struct iovec *iov, int count, uint64_t offset)
{
	const struct pd_vfs *below = below_of(vfs);
	int rc = trip_fd(vfs, PD_FAULT_WRITE, fd);

	if (rc < 0)
	{
		write_half(below, fd, iov, count, offset);
		return rc;
	}
	return below->pwritev(below, fd, iov, count, offset);
}

static int
faulty_fdatasync(const struct pd_vfs *vfs, int fd)
{
	const struct pd_vfs *below = below_of(vfs);
	int rc = trip_fd(vfs, PD_FAULT_SYNC, fd);

	return rc < 0 ? rc : below->fdatasync(below, fd);
}

static int
faulty_fsync(const struct pd_vfs *vfs, int fd)
{
	const struct pd_vfs *below = below_of(vfs);
	int rc = trip_fd(vfs, PD_FAULT_SYNC, fd);

	return rc < 0 ? rc : below->fsync(below, fd);
}

static int
faulty_ftruncate(const struct pd_vfs *vfs, int fd, uint64_t length)
{
	const struct pd_vfs *below = below_of(vfs);
	int rc = trip_fd(vfs, PD_FAULT_ANY, fd);

	return rc < 0 ? rc : below->ftruncate(below, fd, length);
}

static int
faulty_fallocate(const struct pd_vfs *vfs, int fd, uint64_t offset, uint64_t length)
{
	const struct pd_vfs *below = below_of(vfs);
	int rc = trip_fd(vfs, PD_FAULT_ANY, fd);

	return rc < 0 ? rc : below->fallocate(below, fd, offset, length);
}

/* Nobody hears whether a hint was taken, so it has no faults. */
static void
faulty_hint(const struct pd_vfs *vfs, int fd, enum pd_vfs_hint hint, uint64_t offset, uint64_t length)
{
	const struct pd_vfs *below = below_of(vfs);

	below->hint(below, fd, hint, offset, length);
}

static int64_t
faulty_size(const struct pd_vfs *vfs, int fd)
{
	const struct pd_vfs *below = below_of(vfs);
	int rc = trip_fd(vfs, PD_FAULT_ANY, fd);

	return rc < 0 ? rc : below->size(below, fd);
}

static int
faulty_lock(const struct pd_vfs *vfs, int fd)
{
	const struct pd_vfs *below = below_of(vfs);
	int rc = trip_fd(vfs, PD_FAULT_ANY, fd);

	return rc < 0 ? rc : below->lock(below, fd);
}

static int
faulty_rename(const struct pd_vfs *vfs, const char *from, const char *to)
{
	const struct pd_vfs *below = below_of(vfs);
	int rc = trip(vfs, PD_FAULT_RENAME, from, to);

	return rc < 0 ? rc : below->rename(below, from, to);
}

static int
faulty_unlink(const struct pd_vfs *vfs, const char *path)
{
	const struct pd_vfs *below = below_of(vfs);
	int rc = trip(vfs, PD_FAULT_UNLINK, path, NULL);

	return rc < 0 ? rc : below->unlink(below, path);
}

static int
faulty_mkdir(const struct pd_vfs *vfs, const char *path, mode_t mode)
{
	const struct pd_vfs *below = below_of(vfs);
	int rc = trip(vfs, PD_FAULT_ANY, path, NULL);

	return rc < 0 ? rc : below->mkdir(below, path, mode);
}

static int
faulty_sync_dir(const struct pd_vfs *vfs, const char *path)
{
	const struct pd_vfs *below = below_of(vfs);
	int rc = trip(vfs, PD_FAULT_SYNC, path, NULL);

	return rc < 0 ? rc : below->sync_dir(below, path);
}

static int
faulty_list(const struct pd_vfs *vfs, const char *path, int (*each)(void *arg, const char *name), void *arg)
{
	const struct pd_vfs *below = below_of(vfs);
	int rc = trip(vfs, PD_FAULT_ANY, path, NULL);

	return rc < 0 ? rc : below->list(below, path, each, arg);
}

static int
faulty_space(const struct pd_vfs *vfs, const char *path, uint64_t *total, uint64_t *available)
{
	const struct pd_vfs *below = below_of(vfs);
	int rc = trip(vfs, PD_FAULT_ANY, path, NULL);

	return rc < 0 ? rc : below->space(below, path, total, available);
}

static int64_t
faulty_now_us(const struct pd_vfs *vfs)
{
	const struct pd_vfs *below = below_of(vfs);

	return below->now_us(below);
}

static int64_t
faulty_monotonic_us(const struct pd_vfs *vfs)
{
	const struct pd_vfs *below = below_of(vfs);

	return below->monotonic_us(below);
}

static int
faulty_random(const struct pd_vfs *vfs, void *buf, size_t n)
{
	const struct pd_vfs *below = below_of(vfs);

	return below->random(below, buf, n);
}

static const struct pd_vfs faulty_calls = {
	.open = faulty_open,
	.close = faulty_close,
	.pread = faulty_pread,
	.cached = faulty_cached,
	.pread_cached = faulty_pread_cached,
	.pwritev = faulty_pwritev,
	.fdatasync = faulty_fdatasync,
	.fsync = faulty_fsync,
	.ftruncate = faulty_ftruncate,
	.fallocate = faulty_fallocate,
	.hint = faulty_hint,
	.size = faulty_size,
	.lock = faulty_lock,
	.rename = faulty_rename,
	.unlink = faulty_unlink,
	.mkdir = faulty_mkdir,
	.sync_dir = faulty_sync_dir,
	.list = faulty_list,
	.space = faulty_space,
	.now_us = faulty_now_us,
	.monotonic_us = faulty_monotonic_us,
	.random = faulty_random,
};

struct pd_vfs *
pd_vfs_faulty(struct pd_faults *faults)
{
	struct pd_vfs *vfs = malloc(sizeof(*vfs));
	struct faulty *state = calloc(1, sizeof(*state));

	if (vfs == NULL || state == NULL)
	{
		free(vfs);
		free(state);
		return NULL;
	}
	pthread_mutex_init(&state->mutex, NULL);
	state->faults = faults;
	*vfs = faulty_calls;
	vfs->state = state;
	return vfs;
}

void
pd_vfs_faulty_free(struct pd_vfs *vfs)
{
	struct faulty *state;

	if (vfs == NULL)
		return;
	state = vfs->state;
	for (int fd = 0; fd < state->path_count; fd++)
		free(state->paths[fd]);
	free(state->paths);
	pthread_mutex_destroy(&state->mutex);
	free(state);
	free(vfs);
}
