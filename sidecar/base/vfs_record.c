/*
 * base/vfs_record.c
 *	  Recording: what was done since the last sync that covers it.
 *
 * What counts as durable:
 *	- fdatasync and fsync of a file cover its bytes and size as they were when the
 *	  call began, through whichever descriptor they were written, and no name;
 *	- sync_dir of a directory (or fsync of its descriptor) covers the names in it
 *	  as they were when the call began; a rename between two directories is
 *	  covered by the sync of the one that it moved to;
 *	- a sync that failed covers nothing.
 *
 * One lock serialises all changes (not reads, and not the waiting of a sync):
 * an undo log with holes in its order would be worthless.
 */
#include "base/vfs_record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/vfs_record_impl.h"

static struct recorder *
recorder_of(const struct pd_vfs *vfs)
{
	return vfs->state;
}

/* --- objects --- */

static struct object *
find_object(struct recorder *recorder, const struct stat *st)
{
	for (struct object *object = recorder->objects; object != NULL; object = object->next)
	{
		if (object->device == st->st_dev && object->inode == st->st_ino)
			return object;
	}
	return NULL;
}

/* The object behind fd, with one more reference; the recorder opens it anew, to read and to write. */
static struct object *
ref_object(struct recorder *recorder, int fd)
{
	struct object *object;
	struct stat st;
	char link[64];
	int own;

	if (fstat(fd, &st) < 0)
		return NULL;
	object = find_object(recorder, &st);
	if (object != NULL)
	{
		object->references++;
		return object;
	}

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	own = open(link, (S_ISDIR(st.st_mode) ? O_RDONLY | O_DIRECTORY : O_RDWR) | O_CLOEXEC);
	if (own < 0)
		return NULL;
	object = calloc(1, sizeof(*object));
	if (object == NULL)
	{
		close(own);
		return NULL;
	}
	object->device = st.st_dev;
	object->inode = st.st_ino;
	object->is_dir = S_ISDIR(st.st_mode);
	object->fd = own;
	object->references = 1;
	object->next = recorder->objects;
	recorder->objects = object;
	return object;
}

/* NULL when there is nothing at path. */
static struct object *
ref_path(struct recorder *recorder, const char *path)
{
	int fd = open(path, O_PATH | O_CLOEXEC);
	struct object *object;

	if (fd < 0)
		return NULL;
	object = ref_object(recorder, fd);
	close(fd);
	return object;
}

static bool
split_path(const char *path, char dir[PATH_MAX], char name[NAME_MAX + 1])
{
	size_t length = strlen(path);
	const char *slash;

	while (length > 1 && path[length - 1] == '/')
		length--;
	slash = memrchr(path, '/', length);
	if (slash == NULL)
	{
		snprintf(dir, PATH_MAX, ".");
		return snprintf(name, NAME_MAX + 1, "%.*s", (int) length, path) <= NAME_MAX;
	}
	if (snprintf(dir, PATH_MAX, "%.*s", slash == path ? 1 : (int) (slash - path), path) >= PATH_MAX)
		return false;
	return snprintf(name, NAME_MAX + 1, "%.*s", (int) (path + length - slash - 1), slash + 1) <= NAME_MAX;
}

/* The directory that holds path's last name, referenced; or NULL. */
static struct object *
ref_parent(struct recorder *recorder, const char *path, char name[NAME_MAX + 1])
{
	char dir[PATH_MAX];

	return split_path(path, dir, name) ? ref_path(recorder, dir) : NULL;
}

void
pd_record_object_unref(struct recorder *recorder, struct object *object)
{
	struct object **link = &recorder->objects;

	if (object == NULL || --object->references > 0 || object->oldest != NULL)
		return;
	while (*link != object)
		link = &(*link)->next;
	*link = object->next;
	close(object->fd);
	free(object);
}

static int
bind_fd(struct recorder *recorder, int fd, struct object *object)
{
	if (fd >= recorder->fd_count)
	{
		int count = fd + 64;
		struct object **by_fd = realloc(recorder->by_fd, (size_t) count * sizeof(*by_fd));

		if (by_fd == NULL)
			return -ENOMEM;
		memset(by_fd + recorder->fd_count, 0, (size_t) (count - recorder->fd_count) * sizeof(*by_fd));
		recorder->by_fd = by_fd;
		recorder->fd_count = count;
	}
	recorder->by_fd[fd] = object;
	return 0;
}

static struct object *
object_of(struct recorder *recorder, int fd)
{
	return fd >= 0 && fd < recorder->fd_count ? recorder->by_fd[fd] : NULL;
}

/* --- changes of bytes --- */

void
pd_record_forget_changes(struct object *object)
{
	while (object->oldest != NULL)
	{
		struct change *change = object->oldest;

		object->oldest = change->next;
		free(change->bytes);
		free(change);
	}
	object->youngest = NULL;
}

static int64_t
size_of(const struct object *object)
{
	return pd_vfs_real.size(&pd_vfs_real, object->fd);
}

/* Notes size and the old bytes of [offset, offset + length); NULL when out of memory or unreadable. */
static struct change *
begin_change(struct object *object, uint64_t offset, uint64_t length)
{
	struct change *change = calloc(1, sizeof(*change));
	int64_t size = size_of(object);

	if (change == NULL || size < 0)
		goto failed;
	change->offset = offset;
	change->size_before = (uint64_t) size;
	if (offset < change->size_before)
	{
		uint64_t rest = change->size_before - offset;

		change->old_length = (size_t) (length < rest ? length : rest);
	}
	change->bytes = malloc(change->old_length + 1);
	if (change->bytes == NULL ||
		pd_vfs_read_full(&pd_vfs_real, object->fd, change->bytes, change->old_length, offset) < 0)
		goto failed;
	return change;

failed:
	if (change != NULL)
		free(change->bytes);
	free(change);
	return NULL;
}

/*
 * Notes what is there now, whatever the call said: a write that failed may have
 * left a part.
 */
static int
end_change(struct recorder *recorder, struct object *object, struct change *change, uint64_t length)
{
	int64_t size = size_of(object);
	uint8_t *bytes;

	if (size < 0)
		return (int) size;
	change->size_after = (uint64_t) size;
	if (change->offset < change->size_after)
	{
		uint64_t rest = change->size_after - change->offset;

		change->new_length = (size_t) (length < rest ? length : rest);
	}
	bytes = realloc(change->bytes, change->old_length + change->new_length + 1);
	if (bytes == NULL)
		return -ENOMEM;
	change->bytes = bytes;
	change->sequence = ++recorder->sequence;
	change->previous = object->youngest;
	if (object->youngest != NULL)
		object->youngest->next = change;
	else
		object->oldest = change;
	object->youngest = change;
	return pd_vfs_read_full(&pd_vfs_real, object->fd, bytes + change->old_length, change->new_length, change->offset);
}

/* Forgets the changes that a sync begun at sequence `through` has made durable. */
static void
forget_bytes(struct object *object, uint64_t through)
{
	while (object->oldest != NULL && object->oldest->sequence <= through)
	{
		struct change *change = object->oldest;

		object->oldest = change->next;
		if (object->oldest != NULL)
			object->oldest->previous = NULL;
		else
			object->youngest = NULL;
		free(change->bytes);
		free(change);
	}
}

/* --- changes of names --- */

void
pd_record_forget_name(struct recorder *recorder, struct name_change *change)
{
	if (change->previous != NULL)
		change->previous->next = change->next;
	else
		recorder->oldest = change->next;
	if (change->next != NULL)
		change->next->previous = change->previous;
	else
		recorder->youngest = change->previous;
	pd_record_object_unref(recorder, change->object);
	pd_record_object_unref(recorder, change->dir);
	pd_record_object_unref(recorder, change->to_dir);
	pd_record_object_unref(recorder, change->replaced);
	free(change);
}

static struct name_change *
append_name(struct recorder *recorder, enum name_op op)
{
	struct name_change *change = calloc(1, sizeof(*change));

	if (change == NULL)
		return NULL;
	change->op = op;
	change->sequence = ++recorder->sequence;
	change->previous = recorder->youngest;
	if (recorder->youngest != NULL)
		recorder->youngest->next = change;
	else
		recorder->oldest = change;
	recorder->youngest = change;
	return change;
}

static int
note_created(struct recorder *recorder, const char *path)
{
	struct name_change *change = append_name(recorder, NAME_CREATED);

	if (change == NULL)
		return -ENOMEM;
	change->dir = ref_parent(recorder, path, change->name);
	change->object = ref_path(recorder, path);
	if (change->dir == NULL || change->object == NULL)
	{
		pd_record_forget_name(recorder, change);
		return -EIO;
	}
	return 0;
}

/*
 * A durable rename makes what happened to the file before it moot: it is there,
 * so it was created, and it has left its former names.
 */
static void
forget_past_of(struct recorder *recorder, const struct object *object, uint64_t before)
{
	struct name_change *next;

	for (struct name_change *change = recorder->oldest; change != NULL; change = next)
	{
		next = change->next;
		if (change->object == object && change->sequence < before)
			pd_record_forget_name(recorder, change);
	}
}

static void
forget_names_in(struct recorder *recorder, const struct object *dir, uint64_t through)
{
	struct name_change *next;

	for (struct name_change *change = recorder->oldest; change != NULL; change = next)
	{
		const struct object *covering = change->op == NAME_RENAMED ? change->to_dir : change->dir;

		next = change->next;
		if (change->sequence > through || covering != dir)
			continue;
		if (change->op == NAME_RENAMED)
			forget_past_of(recorder, change->object, change->sequence);
		pd_record_forget_name(recorder, change);
	}
}

/* --- the calls --- */

static int
record_open(const struct pd_vfs *vfs, const char *path, int flags, mode_t mode)
{
	struct recorder *recorder = recorder_of(vfs);
	const struct pd_vfs *below = recorder->below;
	struct object *object;
	bool existed;
	int fd;
	int rc = 0;

	pthread_mutex_lock(&recorder->mutex);
	existed = access(path, F_OK) == 0;
	/* a truncation has to be a call of its own, to be recorded */
	fd = below->open(below, path, flags & ~O_TRUNC, mode);
	if (fd < 0)
	{
		pthread_mutex_unlock(&recorder->mutex);
		return fd;
	}
	object = ref_object(recorder, fd);
	if (object == NULL)
		rc = -EIO;
	else
		rc = bind_fd(recorder, fd, object);
	if (rc == 0 && !existed && (flags & O_CREAT) != 0)
		rc = note_created(recorder, path);
	pthread_mutex_unlock(&recorder->mutex);

	if (rc == 0 && existed && (flags & O_TRUNC) != 0)
		rc = vfs->ftruncate(vfs, fd, 0);
	if (rc < 0)
	{
		(void) vfs->close(vfs, fd);
		return rc;
	}
	return fd;
}

static int
record_close(const struct pd_vfs *vfs, int fd)
{
	struct recorder *recorder = recorder_of(vfs);
	const struct pd_vfs *below = recorder->below;
	struct object *object;
	int rc;

	pthread_mutex_lock(&recorder->mutex);
	object = object_of(recorder, fd);
	if (object != NULL)
		recorder->by_fd[fd] = NULL;
	pd_record_object_unref(recorder, object);
	rc = below->close(below, fd);
	pthread_mutex_unlock(&recorder->mutex);
	return rc;
}

static ssize_t
record_pread(const struct pd_vfs *vfs, int fd, void *buf, size_t n, uint64_t offset)
{
	const struct pd_vfs *below = recorder_of(vfs)->below;

	return below->pread(below, fd, buf, n, offset);
}

static bool
record_cached(const struct pd_vfs *vfs, int fd, uint64_t offset, size_t n)
{
	const struct pd_vfs *below = recorder_of(vfs)->below;

	return below->cached(below, fd, offset, n);
}

static ssize_t
record_pread_cached(const struct pd_vfs *vfs, int fd, void *buf, size_t n, uint64_t offset)
{
	const struct pd_vfs *below = recorder_of(vfs)->below;

	return below->pread_cached(below, fd, buf, n, offset);
}

static ssize_t
record_pwritev(const struct pd_vfs *vfs, int fd, const struct iovec *iov, int count, uint64_t offset)
{
	struct recorder *recorder = recorder_of(vfs);
	const struct pd_vfs *below = recorder->below;
	struct object *object;
	struct change *change;
	uint64_t length = 0;
	ssize_t written = -EBADF;
	int rc = 0;

	for (int i = 0; i < count; i++)
		length += iov[i].iov_len;

	pthread_mutex_lock(&recorder->mutex);
	object = object_of(recorder, fd);
	change = object != NULL ? begin_change(object, offset, length) : NULL;
	if (change != NULL)
	{
		written = below->pwritev(below, fd, iov, count, offset);
		rc = end_change(recorder, object, change, length);
	}
	else if (object != NULL)
		written = -ENOMEM;
	pthread_mutex_unlock(&recorder->mutex);
	return rc < 0 ? rc : written;
}

static int
record_ftruncate(const struct pd_vfs *vfs, int fd, uint64_t length)
{
	struct recorder *recorder = recorder_of(vfs);
	const struct pd_vfs *below = recorder->below;
	struct object *object;
	struct change *change;
	int rc = -EBADF;
	int noted = 0;

	pthread_mutex_lock(&recorder->mutex);
	object = object_of(recorder, fd);
	change = object != NULL ? begin_change(object, length, UINT64_MAX) : NULL;
	if (change != NULL)
	{
		rc = below->ftruncate(below, fd, length);
		noted = end_change(recorder, object, change, 0);
	}
	else if (object != NULL)
		rc = -ENOMEM;
	pthread_mutex_unlock(&recorder->mutex);
	return noted < 0 ? noted : rc;
}

/* The waiting happens without the lock: what is written meanwhile is not covered. */
static int
sync_fd(const struct pd_vfs *vfs, int fd, int (*sync)(const struct pd_vfs *, int))
{
	struct recorder *recorder = recorder_of(vfs);
	struct object *object;
	uint64_t sequence;
	int rc;

	pthread_mutex_lock(&recorder->mutex);
	object = object_of(recorder, fd);
	if (object != NULL)
		object->references++;
	sequence = recorder->sequence;
	pthread_mutex_unlock(&recorder->mutex);

	rc = sync(recorder->below, fd);

	pthread_mutex_lock(&recorder->mutex);
	if (rc == 0 && object != NULL)
	{
		if (object->is_dir)
			forget_names_in(recorder, object, sequence);
		else
			forget_bytes(object, sequence);
	}
	pd_record_object_unref(recorder, object);
	pthread_mutex_unlock(&recorder->mutex);
	return rc;
}

static int
record_fdatasync(const struct pd_vfs *vfs, int fd)
{
	return sync_fd(vfs, fd, recorder_of(vfs)->below->fdatasync);
}

static int
record_fsync(const struct pd_vfs *vfs, int fd)
{
	return sync_fd(vfs, fd, recorder_of(vfs)->below->fsync);
}

/* Changes no byte and no size: nothing that a crash could show. */
static int
record_fallocate(const struct pd_vfs *vfs, int fd, uint64_t offset, uint64_t length)
{
	const struct pd_vfs *below = recorder_of(vfs)->below;

	return below->fallocate(below, fd, offset, length);
}

static void
record_hint(const struct pd_vfs *vfs, int fd, enum pd_vfs_hint hint, uint64_t offset, uint64_t length)
{
	const struct pd_vfs *below = recorder_of(vfs)->below;

	below->hint(below, fd, hint, offset, length);
}

static int64_t
record_size(const struct pd_vfs *vfs, int fd)
{
	const struct pd_vfs *below = recorder_of(vfs)->below;

	return below->size(below, fd);
}

static int
record_lock(const struct pd_vfs *vfs, int fd)
{
	const struct pd_vfs *below = recorder_of(vfs)->below;

	return below->lock(below, fd);
}

static int
record_rename(const struct pd_vfs *vfs, const char *from, const char *to)
{
	struct recorder *recorder = recorder_of(vfs);
	const struct pd_vfs *below = recorder->below;
	struct name_change *change;
	int rc = -ENOMEM;

	pthread_mutex_lock(&recorder->mutex);
	change = append_name(recorder, NAME_RENAMED);
	if (change != NULL)
	{
		change->object = ref_path(recorder, from);
		change->replaced = ref_path(recorder, to);
		change->dir = ref_parent(recorder, from, change->name);
		change->to_dir = ref_parent(recorder, to, change->to_name);
		rc = below->rename(below, from, to);
		if (rc == 0 && (change->object == NULL || change->dir == NULL || change->to_dir == NULL))
			rc = -EIO; /* done, but it cannot be recorded */
		if (rc < 0 || change->object == change->replaced)
			pd_record_forget_name(recorder, change);
	}
	pthread_mutex_unlock(&recorder->mutex);
	return rc;
}

static int
record_unlink(const struct pd_vfs *vfs, const char *path)
{
	struct recorder *recorder = recorder_of(vfs);
	const struct pd_vfs *below = recorder->below;
	struct name_change *change;
	int rc = -ENOMEM;

	pthread_mutex_lock(&recorder->mutex);
	change = append_name(recorder, NAME_UNLINKED);
	if (change != NULL)
	{
		change->object = ref_path(recorder, path);
		change->dir = ref_parent(recorder, path, change->name);
		rc = below->unlink(below, path);
		if (rc == 0 && (change->object == NULL || change->dir == NULL))
			rc = -EIO;
		if (rc < 0)
			pd_record_forget_name(recorder, change);
	}
	pthread_mutex_unlock(&recorder->mutex);
	return rc;
}

static int
record_mkdir(const struct pd_vfs *vfs, const char *path, mode_t mode)
{
	struct recorder *recorder = recorder_of(vfs);
	const struct pd_vfs *below = recorder->below;
	int rc;

	pthread_mutex_lock(&recorder->mutex);
	rc = below->mkdir(below, path, mode);
	if (rc == 0)
		rc = note_created(recorder, path);
	pthread_mutex_unlock(&recorder->mutex);
	return rc;
}

static int
record_sync_dir(const struct pd_vfs *vfs, const char *path)
{
	struct recorder *recorder = recorder_of(vfs);
	const struct pd_vfs *below = recorder->below;
	struct object *dir;
	uint64_t sequence;
	int rc;

	pthread_mutex_lock(&recorder->mutex);
	dir = ref_path(recorder, path);
	sequence = recorder->sequence;
	pthread_mutex_unlock(&recorder->mutex);

	rc = below->sync_dir(below, path);

	pthread_mutex_lock(&recorder->mutex);
	if (rc == 0 && dir != NULL)
		forget_names_in(recorder, dir, sequence);
	pd_record_object_unref(recorder, dir);
	pthread_mutex_unlock(&recorder->mutex);
	return rc;
}

static int
record_list(const struct pd_vfs *vfs, const char *path, int (*each)(void *arg, const char *name), void *arg)
{
	const struct pd_vfs *below = recorder_of(vfs)->below;

	return below->list(below, path, each, arg);
}

static int
record_space(const struct pd_vfs *vfs, const char *path, uint64_t *total, uint64_t *available)
{
	const struct pd_vfs *below = recorder_of(vfs)->below;

	return below->space(below, path, total, available);
}

static int64_t
record_now_us(const struct pd_vfs *vfs)
{
	const struct pd_vfs *below = recorder_of(vfs)->below;

	return below->now_us(below);
}

static int64_t
record_monotonic_us(const struct pd_vfs *vfs)
{
	const struct pd_vfs *below = recorder_of(vfs)->below;

	return below->monotonic_us(below);
}

static int
record_random(const struct pd_vfs *vfs, void *buf, size_t n)
{
	const struct pd_vfs *below = recorder_of(vfs)->below;

	return below->random(below, buf, n);
}

static const struct pd_vfs record_calls = {
	.open = record_open,
	.close = record_close,
	.pread = record_pread,
	.cached = record_cached,
	.pread_cached = record_pread_cached,
	.pwritev = record_pwritev,
	.fdatasync = record_fdatasync,
	.fsync = record_fsync,
	.ftruncate = record_ftruncate,
	.fallocate = record_fallocate,
	.hint = record_hint,
	.size = record_size,
	.lock = record_lock,
	.rename = record_rename,
	.unlink = record_unlink,
	.mkdir = record_mkdir,
	.sync_dir = record_sync_dir,
	.list = record_list,
	.space = record_space,
	.now_us = record_now_us,
	.monotonic_us = record_monotonic_us,
	.random = record_random,
};

struct pd_vfs *
pd_vfs_record(const struct pd_vfs *below)
{
	struct pd_vfs *vfs = malloc(sizeof(*vfs));
	struct recorder *recorder = calloc(1, sizeof(*recorder));

	if (vfs == NULL || recorder == NULL)
	{
		free(vfs);
		free(recorder);
		return NULL;
	}
	pthread_mutex_init(&recorder->mutex, NULL);
	recorder->below = below;
	*vfs = record_calls;
	vfs->state = recorder;
	return vfs;
}

void
pd_vfs_record_free(struct pd_vfs *vfs)
{
	struct recorder *recorder;

	if (vfs == NULL)
		return;
	recorder = vfs->state;
	while (recorder->oldest != NULL)
		pd_record_forget_name(recorder, recorder->oldest);
	while (recorder->objects != NULL)
	{
		struct object *object = recorder->objects;

		pd_record_forget_changes(object);
		object->references = 1;
		pd_record_object_unref(recorder, object);
	}
	free(recorder->by_fd);
	pthread_mutex_destroy(&recorder->mutex);
	free(recorder);
	free(vfs);
}
