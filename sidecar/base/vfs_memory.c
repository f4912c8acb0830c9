/*
 * base/vfs_memory.c
 *	  The calls, on a tree in memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/vfs_memory_impl.h"

#define SPACE_TOTAL (UINT64_C(64) << 30)

/* --- the tree --- */

/* splitmix64: any seed is a good one */
uint64_t
pd_memory_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

int
pd_memory_add_file(struct memory *memory, bool is_dir)
{
	if (memory->file_count == memory->file_room)
	{
		int room = memory->file_room == 0 ? 16 : memory->file_room * 2;
		struct memory_file *files = realloc(memory->files, (size_t) room * sizeof(*files));

		if (files == NULL)
			return -ENOMEM;
		memory->files = files;
		memory->file_room = room;
	}
	memset(&memory->files[memory->file_count], 0, sizeof(struct memory_file));
	memory->files[memory->file_count].is_dir = is_dir;
	return memory->file_count++;
}

struct memory *
pd_memory_new(void)
{
	struct memory *memory = calloc(1, sizeof(*memory));

	if (memory == NULL)
		return NULL;
	pthread_mutex_init(&memory->mutex, NULL);
	if (pd_memory_add_file(memory, true) < 0)
	{
		pd_memory_free(memory);
		return NULL;
	}
	return memory;
}

void
pd_memory_free(struct memory *memory)
{
	if (memory == NULL)
		return;
	pd_memory_free(memory->base);
	for (int i = 0; i < memory->file_count; i++)
	{
		struct memory_file *file = &memory->files[i];

		for (int j = 0; j < file->name_count; j++)
			free(file->names[j].name);
		free(file->names);
		free(file->data);
	}
	for (long i = 0; i < memory->event_count; i++)
	{
		free(memory->events[i].name);
		free(memory->events[i].to_name);
		free(memory->events[i].bytes);
	}
	free(memory->files);
	free(memory->events);
	pthread_mutex_destroy(&memory->mutex);
	free(memory);
}

static int
name_index(const struct memory_file *dir, const char *name)
{
	for (int i = 0; i < dir->name_count; i++)
	{
		if (strcmp(dir->names[i].name, name) == 0)
			return i;
	}
	return -1;
}

int
pd_memory_find(const struct memory *memory, int dir, const char *name)
{
	const struct memory_file *in = &memory->files[dir];
	int i = in->is_dir ? name_index(in, name) : -1;

	if (!in->is_dir)
		return -ENOTDIR;
	return i < 0 ? -ENOENT : in->names[i].file;
}

int
pd_memory_link(struct memory *memory, int dir, const char *name, int file)
{
	struct memory_file *in = &memory->files[dir];
	int i = name_index(in, name);
	char *copy;

	if (i >= 0)
	{
		in->names[i].file = file;
		return 0;
	}
	if (in->name_count == in->name_room)
	{
		int room = in->name_room == 0 ? 8 : in->name_room * 2;
		struct memory_name *names = realloc(in->names, (size_t) room * sizeof(*names));

		if (names == NULL)
			return -ENOMEM;
		in->names = names;
		in->name_room = room;
	}
	copy = strdup(name);
	if (copy == NULL)
		return -ENOMEM;
	in->names[in->name_count++] = (struct memory_name){copy, file};
	return 0;
}

void
pd_memory_unlink(struct memory *memory, int dir, const char *name)
{
	struct memory_file *in = &memory->files[dir];
	int i = name_index(in, name);

	if (i < 0)
		return;
	free(in->names[i].name);
	in->names[i] = in->names[--in->name_count];
}

int
pd_memory_resize(struct memory_file *file, uint64_t size)
{
	if (size > file->room)
	{
		size_t room = file->room == 0 ? 4096 : file->room;
		uint8_t *data;

		while (room < size)
			room *= 2;
		data = realloc(file->data, room);
		if (data == NULL)
			return -ENOMEM;
		file->data = data;
		file->room = room;
	}
	if (size > file->size)
		memset(file->data + file->size, 0, size - file->size);
	file->size = size;
	return 0;
}

int
pd_memory_write(struct memory_file *file, const void *bytes, size_t n, uint64_t offset)
{
	int rc = offset + n > file->size ? pd_memory_resize(file, offset + n) : 0;

	if (rc == 0 && n > 0)
		memcpy(file->data + offset, bytes, n);
	return rc;
}

struct memory *
pd_memory_copy(const struct memory *memory)
{
	struct memory *copy = pd_memory_new();
	int rc = copy == NULL ? -ENOMEM : 0;

	for (int i = 0; i < memory->file_count && rc >= 0; i++)
	{
		const struct memory_file *file = &memory->files[i];

		if (i > 0)
			rc = pd_memory_add_file(copy, file->is_dir);
		if (rc >= 0)
			rc = pd_memory_write(&copy->files[i], file->data, file->size, 0);
		for (int j = 0; j < file->name_count && rc >= 0; j++)
			rc = pd_memory_link(copy, i, file->names[j].name, file->names[j].file);
	}
	if (rc < 0)
	{
		pd_memory_free(copy);
		return NULL;
	}
	copy->random = memory->random;
	return copy;
}

/* --- paths: absolute ones, without links --- */

/* The directory that has path's last name; name points into path. Negative errno. */
static int
find_parent(const struct memory *memory, const char *path, char name[NAME_MAX + 1])
{
	int dir = 0;

	name[0] = '\0';
	while (*path == '/')
	{
		size_t n;

		while (*path == '/')
			path++;
		n = strcspn(path, "/");
		if (n > NAME_MAX)
			return -ENAMETOOLONG;
		if (n == 0)
			break;
		if (name[0] != '\0')
			dir = pd_memory_find(memory, dir, name);
		if (dir < 0)
			return dir;
		memcpy(name, path, n);
		name[n] = '\0';
		path += n;
	}
	return dir;
}

static int
find_path(const struct memory *memory, const char *path)
{
	char name[NAME_MAX + 1];
	int dir = find_parent(memory, path, name);

	if (dir < 0 || name[0] == '\0')
		return dir;
	return pd_memory_find(memory, dir, name);
}

/* --- the log --- */

/* Its names and bytes are copied. NULL when out of memory; then nothing may be done either. */
static struct memory_event *
log_event(struct memory *memory, enum memory_op op, int file, const char *name, const char *to_name, size_t length)
{
	struct memory_event *event;

	if (memory->base == NULL)
		memory->base = pd_memory_copy(memory);
	if (memory->base == NULL)
		return NULL;
	if (memory->event_count == memory->event_room)
	{
		long room = memory->event_room == 0 ? 64 : memory->event_room * 2;
		struct memory_event *events = realloc(memory->events, (size_t) room * sizeof(*events));

		if (events == NULL)
			return NULL;
		memory->events = events;
		memory->event_room = room;
	}
	event = &memory->events[memory->event_count];
	memset(event, 0, sizeof(*event));
	event->op = op;
	event->file = file;
	event->length = length;
	event->durable_from = op == MEMORY_SYNC ? memory->event_count : LONG_MAX;
	event->name = name == NULL ? NULL : strdup(name);
	event->to_name = to_name == NULL ? NULL : strdup(to_name);
	event->bytes = length == 0 ? NULL : malloc(length);
	if ((name != NULL && event->name == NULL) || (to_name != NULL && event->to_name == NULL) ||
		(length > 0 && event->bytes == NULL))
	{
		free(event->name);
		free(event->to_name);
		free(event->bytes);
		return NULL;
	}
	memory->event_count++;
	return event;
}

/* What a file went through before a rename that is durable is moot. */
static void
cover_past(struct memory *memory, long rename, long sync)
{
	for (long i = 0; i < rename; i++)
	{
		struct memory_event *event = &memory->events[i];

		if (event->file == memory->events[rename].file && event->durable_from == LONG_MAX && event->op <= MEMORY_RENAME)
			event->durable_from = sync;
	}
}

static int
log_sync(struct memory *memory, int file)
{
	long sync = memory->event_count;

	if (log_event(memory, MEMORY_SYNC, file, NULL, NULL, 0) == NULL)
		return -ENOMEM;
	for (long i = 0; i < sync; i++)
	{
		struct memory_event *event = &memory->events[i];
		bool bytes = event->op == MEMORY_WRITE || event->op == MEMORY_TRUNCATE;
		int covering = bytes ? event->file : event->op == MEMORY_RENAME ? event->to_dir : event->dir;

		if (event->op == MEMORY_SYNC || event->durable_from != LONG_MAX || covering != file ||
			bytes == memory->files[file].is_dir)
			continue;
		event->durable_from = sync;
		if (event->op == MEMORY_RENAME)
			cover_past(memory, i, sync);
	}
	return 0;
}

/* --- the calls --- */

static struct memory *
lock_memory(const struct pd_vfs *vfs)
{
	struct memory *memory = vfs->state;

	pthread_mutex_lock(&memory->mutex);
	return memory;
}

static int
unlock_memory(struct memory *memory, int rc)
{
	pthread_mutex_unlock(&memory->mutex);
	return rc;
}

/* The file behind fd, or -EBADF. */
static int
file_of(const struct memory *memory, int fd)
{
	int i = fd - MEMORY_FD_FIRST;

	return i < 0 || i >= MEMORY_FDS || memory->by_fd[i] == 0 ? -EBADF : memory->by_fd[i] - 1;
}

static int
create_file(struct memory *memory, int dir, const char *name, bool is_dir)
{
	struct memory_event *event = log_event(memory, MEMORY_CREATE, memory->file_count, name, NULL, 0);
	int file;

	if (event == NULL)
		return -ENOMEM;
	event->dir = dir;
	event->is_dir = is_dir;
	file = pd_memory_add_file(memory, is_dir);
	if (file < 0)
		return file;
	return pd_memory_link(memory, dir, name, file) < 0 ? -ENOMEM : file;
}

static int
truncate_file(struct memory *memory, int file, uint64_t length)
{
	struct memory_event *event;

	if (memory->files[file].size == length)
		return 0;
	event = log_event(memory, MEMORY_TRUNCATE, file, NULL, NULL, 0);
	if (event == NULL)
		return -ENOMEM;
	event->offset = length;
	return pd_memory_resize(&memory->files[file], length);
}

static int
memory_open(const struct pd_vfs *vfs, const char *path, int flags, mode_t mode)
{
	struct memory *memory = lock_memory(vfs);
	char name[NAME_MAX + 1];
	int dir = find_parent(memory, path, name);
	int file = dir < 0 || name[0] == '\0' ? dir : pd_memory_find(memory, dir, name);
	int fd = 0;

	(void) mode;
	if (file >= 0 && (flags & O_CREAT) != 0 && (flags & O_EXCL) != 0)
		return unlock_memory(memory, -EEXIST);
	if (file >= 0 && memory->files[file].is_dir && (flags & O_ACCMODE) != O_RDONLY)
		return unlock_memory(memory, -EISDIR);
	while (fd < MEMORY_FDS && memory->by_fd[fd] != 0)
		fd++;
	if (fd == MEMORY_FDS)
		return unlock_memory(memory, -EMFILE);
	if (file == -ENOENT && dir >= 0 && (flags & O_CREAT) != 0)
		file = create_file(memory, dir, name, false);
	if (file >= 0 && (flags & O_TRUNC) != 0)
	{
		int rc = truncate_file(memory, file, 0);

		if (rc < 0)
			return unlock_memory(memory, rc);
	}
	if (file < 0)
		return unlock_memory(memory, file);
	memory->by_fd[fd] = file + 1;
	return unlock_memory(memory, fd + MEMORY_FD_FIRST);
}

static int
memory_close(const struct pd_vfs *vfs, int fd)
{
	struct memory *memory = lock_memory(vfs);
	int file = file_of(memory, fd);

	if (file < 0)
		return unlock_memory(memory, file);
	if (memory->files[file].locked_by == fd)
		memory->files[file].locked_by = 0;
	memory->by_fd[fd - MEMORY_FD_FIRST] = 0;
	return unlock_memory(memory, 0);
}

static ssize_t
memory_pread(const struct pd_vfs *vfs, int fd, void *buf, size_t n, uint64_t offset)
{
	struct memory *memory = lock_memory(vfs);
	int number = file_of(memory, fd);
	const struct memory_file *file;

	if (number < 0)
		return unlock_memory(memory, number);
	file = &memory->files[number];
	if (file->is_dir)
		return unlock_memory(memory, -EISDIR);
	if (offset >= file->size)
		n = 0;
	else if (n > file->size - offset)
		n = file->size - offset;
	if (n > 0)
		memcpy(buf, file->data + offset, n);
	(void) unlock_memory(memory, 0);
	return (ssize_t) n;
}

static bool
memory_cached(const struct pd_vfs *vfs, int fd, uint64_t offset, size_t n)
{
	(void) vfs, (void) fd, (void) offset, (void) n;
	return true;
}

static ssize_t
memory_pwritev(const struct pd_vfs *vfs, int fd, const struct iovec *iov, int count, uint64_t offset)
{
	struct memory *memory = lock_memory(vfs);
	int file = file_of(memory, fd);
	struct memory_event *event;
	size_t length = 0;
	int rc;

	for (int i = 0; i < count; i++)
		length += iov[i].iov_len;
	if (file < 0 || length == 0)
		return unlock_memory(memory, file < 0 ? file : 0);
	event = log_event(memory, MEMORY_WRITE, file, NULL, NULL, length);
	if (event == NULL)
		return unlock_memory(memory, -ENOMEM);
	event->offset = offset;
	length = 0;
	for (int i = 0; i < count; i++)
	{
		if (iov[i].iov_len > 0)
			memcpy(event->bytes + length, iov[i].iov_base, iov[i].iov_len);
		length += iov[i].iov_len;
	}
	rc = pd_memory_write(&memory->files[file], event->bytes, length, offset);
	(void) unlock_memory(memory, 0);
	return rc < 0 ? rc : (ssize_t) length;
}

static int
memory_sync(const struct pd_vfs *vfs, int fd)
{
	struct memory *memory = lock_memory(vfs);
	int file = file_of(memory, fd);

	return unlock_memory(memory, file < 0 ? file : log_sync(memory, file));
}

static int
memory_ftruncate(const struct pd_vfs *vfs, int fd, uint64_t length)
{
	struct memory *memory = lock_memory(vfs);
	int file = file_of(memory, fd);

	return unlock_memory(memory, file < 0 ? file : truncate_file(memory, file, length));
}

static int
memory_fallocate(const struct pd_vfs *vfs, int fd, uint64_t offset, uint64_t length)
{
	(void) vfs, (void) fd, (void) offset, (void) length;
	return 0;
}

static void
memory_hint(const struct pd_vfs *vfs, int fd, enum pd_vfs_hint hint, uint64_t offset, uint64_t length)
{
	(void) vfs, (void) fd, (void) hint, (void) offset, (void) length;
}

static int64_t
memory_size(const struct pd_vfs *vfs, int fd)
{
	struct memory *memory = lock_memory(vfs);
	int file = file_of(memory, fd);
	int64_t size = file < 0 ? file : (int64_t) memory->files[file].size;

	(void) unlock_memory(memory, 0);
	return size;
}

static int
memory_lock(const struct pd_vfs *vfs, int fd)
{
	struct memory *memory = lock_memory(vfs);
	int file = file_of(memory, fd);

	if (file < 0)
		return unlock_memory(memory, file);
	if (memory->files[file].locked_by != 0 && memory->files[file].locked_by != fd)
		return unlock_memory(memory, -EWOULDBLOCK);
	memory->files[file].locked_by = fd;
	return unlock_memory(memory, 0);
}

static int
memory_rename(const struct pd_vfs *vfs, const char *from, const char *to)
{
	struct memory *memory = lock_memory(vfs);
	char name[NAME_MAX + 1], to_name[NAME_MAX + 1];
	int dir = find_parent(memory, from, name);
	int to_dir = find_parent(memory, to, to_name);
	int file = dir < 0 ? dir : pd_memory_find(memory, dir, name);
	struct memory_event *event;
	int rc;

	if (file < 0 || to_dir < 0)
		return unlock_memory(memory, file < 0 ? file : to_dir);
	event = log_event(memory, MEMORY_RENAME, file, name, to_name, 0);
	if (event == NULL)
		return unlock_memory(memory, -ENOMEM);
	event->dir = dir;
	event->to_dir = to_dir;
	rc = pd_memory_link(memory, to_dir, to_name, file);
	if (rc == 0)
		pd_memory_unlink(memory, dir, name);
	return unlock_memory(memory, rc);
}

static int
memory_unlink(const struct pd_vfs *vfs, const char *path)
{
	struct memory *memory = lock_memory(vfs);
	char name[NAME_MAX + 1];
	int dir = find_parent(memory, path, name);
	int file = dir < 0 ? dir : pd_memory_find(memory, dir, name);
	struct memory_event *event;

	if (file < 0 || memory->files[file].is_dir)
		return unlock_memory(memory, file < 0 ? file : -EISDIR);
	event = log_event(memory, MEMORY_UNLINK, file, name, NULL, 0);
	if (event == NULL)
		return unlock_memory(memory, -ENOMEM);
	event->dir = dir;
	pd_memory_unlink(memory, dir, name);
	return unlock_memory(memory, 0);
}

static int
memory_mkdir(const struct pd_vfs *vfs, const char *path, mode_t mode)
{
	struct memory *memory = lock_memory(vfs);
	char name[NAME_MAX + 1];
	int dir = find_parent(memory, path, name);
	int file = dir < 0 || name[0] == '\0' ? dir : pd_memory_find(memory, dir, name);

	(void) mode;
	if (file >= 0)
		file = -EEXIST;
	else if (file == -ENOENT && dir >= 0)
		file = create_file(memory, dir, name, true);
	return unlock_memory(memory, file < 0 ? file : 0);
}

static int
memory_sync_dir(const struct pd_vfs *vfs, const char *path)
{
	struct memory *memory = lock_memory(vfs);
	int dir = find_path(memory, path);

	if (dir >= 0 && !memory->files[dir].is_dir)
		dir = -ENOTDIR;
	return unlock_memory(memory, dir < 0 ? dir : log_sync(memory, dir));
}

/* Of the names as they are now: each may change them. */
static int
memory_list(const struct pd_vfs *vfs, const char *path, int (*each)(void *arg, const char *name), void *arg)
{
	struct memory *memory = lock_memory(vfs);
	int dir = find_path(memory, path);
	char **names = NULL;
	int count = 0;
	int rc = dir < 0 ? dir : 0;

	if (rc == 0 && !memory->files[dir].is_dir)
		rc = -ENOTDIR;
	if (rc == 0)
	{
		names = calloc((size_t) memory->files[dir].name_count + 1, sizeof(char *));
		if (names == NULL)
			rc = -ENOMEM;
		for (; rc == 0 && count < memory->files[dir].name_count; count++)
		{
			names[count] = strdup(memory->files[dir].names[count].name);
			if (names[count] == NULL)
				rc = -ENOMEM;
		}
	}
	(void) unlock_memory(memory, 0);
	for (int i = 0; i < count && rc == 0; i++)
		rc = each(arg, names[i]);
	for (int i = 0; i < count; i++)
		free(names[i]);
	free(names);
	return rc;
}

static int
memory_space(const struct pd_vfs *vfs, const char *path, uint64_t *total, uint64_t *available)
{
	(void) vfs, (void) path;
	*total = *available = SPACE_TOTAL;
	return 0;
}

static int64_t
memory_now_us(const struct pd_vfs *vfs)
{
	(void) vfs;
	return pd_vfs_real.now_us(&pd_vfs_real);
}

static int64_t
memory_monotonic_us(const struct pd_vfs *vfs)
{
	(void) vfs;
	return pd_vfs_real.monotonic_us(&pd_vfs_real);
}

static int
memory_random(const struct pd_vfs *vfs, void *buf, size_t n)
{
	struct memory *memory = lock_memory(vfs);
	uint8_t *out = buf;

	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t) pd_memory_random(&memory->random);
	return unlock_memory(memory, 0);
}

static const struct pd_vfs memory_calls = {
	.open = memory_open,
	.close = memory_close,
	.pread = memory_pread,
	.cached = memory_cached,
	.pread_cached = memory_pread,
	.pwritev = memory_pwritev,
	.fdatasync = memory_sync,
	.fsync = memory_sync,
	.ftruncate = memory_ftruncate,
	.fallocate = memory_fallocate,
	.hint = memory_hint,
	.size = memory_size,
	.lock = memory_lock,
	.rename = memory_rename,
	.unlink = memory_unlink,
	.mkdir = memory_mkdir,
	.sync_dir = memory_sync_dir,
	.list = memory_list,
	.space = memory_space,
	.now_us = memory_now_us,
	.monotonic_us = memory_monotonic_us,
	.random = memory_random,
};

struct pd_vfs *
pd_memory_vfs(struct memory *memory)
{
	struct pd_vfs *vfs = malloc(sizeof(*vfs));

	if (memory == NULL || vfs == NULL)
	{
		pd_memory_free(memory);
		free(vfs);
		return NULL;
	}
	*vfs = memory_calls;
	vfs->state = memory;
	return vfs;
}

struct pd_vfs *
pd_vfs_memory(void)
{
	return pd_memory_vfs(pd_memory_new());
}

void
pd_vfs_memory_free(struct pd_vfs *vfs)
{
	if (vfs != NULL)
		pd_memory_free(vfs->state);
	free(vfs);
}

long
pd_vfs_memory_events(const struct pd_vfs *vfs)
{
	struct memory *memory = lock_memory(vfs);
	long count = memory->event_count;

	(void) unlock_memory(memory, 0);
	return count;
}
