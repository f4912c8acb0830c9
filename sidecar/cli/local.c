/*
 * cli/local.c
 *	  Local files below one directory.
 */
#include "cli/local.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "contract/pk_limits.h"

#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define DRAFT_TRIES 16

/*
 * Bits of a mode that export restores.  set-user-id and its like stay in
 * Pocket: who exports would otherwise lend his rights to whoever wrote there.
 */
#define MODE_RESTORED 0777u

void
pd_local_init(struct pd_local *local, int top, unsigned umask_)
{
	*local = (struct pd_local){.top = top, .folder = -1, .umask_ = umask_};
}

void
pd_local_release(struct pd_local *local)
{
	if (local->folder >= 0 && local->folder != local->top)
		close(local->folder);
	free(local->path);
	local->folder = -1;
	local->path = NULL;
}

int64_t
pd_local_mtime_us(const struct stat *st)
{
	return (int64_t) st->st_mtim.tv_sec * 1000000 + st->st_mtim.tv_nsec / 1000;
}

static int
open_child(int parent, const char *name, bool create)
{
	int child = openat(parent, name, FOLDER_FLAGS);

	if (child < 0 && errno == ENOENT && create)
	{
		if (mkdirat(parent, name, 0777) != 0 && errno != EEXIST)
			return -1;
		child = openat(parent, name, FOLDER_FLAGS);
	}
	return child;
}

/* Opens the folder that the first length bytes of path name. */
static int
open_folder(struct pd_local *local, const char *path, size_t length, bool create)
{
	int at = local->top;
	size_t start = 0;

	while (start < length)
	{
		const char *slash = memchr(path + start, '/', length - start);
		size_t end = slash != NULL ? (size_t) (slash - path) : length;
		char name[PK_NAME_SIZE_MAX + 1];
		int child = -1;
		int saved;

		if (end - start > PK_NAME_SIZE_MAX)
			errno = ENAMETOOLONG;
		else
		{
			memcpy(name, path + start, end - start);
			name[end - start] = '\0';
			child = open_child(at, name, create);
		}
		saved = errno;
		if (at != local->top)
			close(at);
		errno = saved;
		if (child < 0)
			return -1;
		at = child;
		start = end + 1;
	}
	return at;
}

int
pd_local_folder(struct pd_local *local, const char *path, bool create, const char **name)
{
	const char *slash = strrchr(path, '/');
	size_t length = slash != NULL ? (size_t) (slash - path) : 0;
	char *copy;
	int folder;

	*name = slash != NULL ? slash + 1 : path;
	if (local->folder >= 0 && local->length == length && memcmp(local->path, path, length) == 0)
		return local->folder;
	folder = open_folder(local, path, length, create);
	if (folder < 0)
		return -1;
	copy = malloc(length + 1);
	if (copy == NULL)
	{
		if (folder != local->top)
			close(folder);
		errno = ENOMEM;
		return -1;
	}
	memcpy(copy, path, length);
	copy[length] = '\0';
	pd_local_release(local);
	local->folder = folder;
	local->path = copy;
	local->length = length;
	return folder;
}

int
pd_local_mkdir(struct pd_local *local, const char *path)
{
	char inside[PK_PATH_SIZE_MAX + 3];
	const char *name;
	int length = snprintf(inside, sizeof(inside), "%s/.", path);

	if (length < 0 || (size_t) length >= sizeof(inside))
		return -ENAMETOOLONG;
	return pd_local_folder(local, inside, true, &name) < 0 ? -errno : 0;
}

int
pd_local_open(struct pd_local *local, const char *path, struct stat *st)
{
	const char *name;
	int folder = pd_local_folder(local, path, false, &name);
	int file;

	if (folder < 0)
		return -1;
	/* O_NONBLOCK: a fifo that took the file's name must not hold us */
	file = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (file < 0)
		return -1;
	if (fstat(file, st) != 0 || !S_ISREG(st->st_mode))
	{
		close(file);
		errno = EINVAL;
		return -1;
	}
	return file;
}

int
pd_local_read(int file, void *buffer, size_t size, int64_t offset)
{
	size_t done = 0;

	while (done < size)
	{
		ssize_t got = pread(file, (char *) buffer + done, size - done, offset + (off_t) done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			return -ESTALE;
		done += (size_t) got;
	}
	return 0;
}

bool
pd_local_unchanged(int file, const struct stat *before)
{
	struct stat now;

	return fstat(file, &now) == 0 && now.st_size == before->st_size && now.st_mtim.tv_sec == before->st_mtim.tv_sec &&
		   now.st_mtim.tv_nsec == before->st_mtim.tv_nsec;
}

int
pd_local_create(struct pd_local *local, const char *path, struct pd_local_draft *draft)
{
	int folder = pd_local_folder(local, path, true, &draft->name);

	draft->file = -1;
	draft->folder = folder;
	if (folder < 0)
		return -errno;
	for (int i = 0; i < DRAFT_TRIES; i++)
	{
		uint64_t number;

		if (getrandom(&number, sizeof(number), 0) != (ssize_t) sizeof(number))
			return -EIO;
		snprintf(draft->draft, sizeof(draft->draft), ".pocket-%016llx.part", (unsigned long long) number);
		draft->file = openat(folder, draft->draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (draft->file >= 0)
			return 0;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

int
pd_local_write(struct pd_local_draft *draft, const void *data, size_t size)
{
	size_t done = 0;

	while (done < size)
	{
		ssize_t put = write(draft->file, (const char *) data + done, size - done);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		done += (size_t) put;
	}
	return 0;
}

int
pd_local_commit(struct pd_local *local, struct pd_local_draft *draft, const struct pd_item *item)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {0}};
	mode_t mode = item->mode == PD_MODE_NONE ? 0666u & ~local->umask_ : item->mode & MODE_RESTORED;
	int64_t micro = item->mtime_us % 1000000;

	if (micro < 0)
		micro += 1000000;
	times[1].tv_sec = (time_t) ((item->mtime_us - micro) / 1000000);
	times[1].tv_nsec = (long) micro * 1000;
	if (fchmod(draft->file, mode) != 0 || futimens(draft->file, times) != 0)
		return -errno;
	if (close(draft->file) != 0)
	{
		draft->file = -1;
		return -errno;
	}
	draft->file = -1;
	if (renameat(draft->folder, draft->draft, draft->folder, draft->name) != 0)
		return -errno;
	draft->draft[0] = '\0';
	return 0;
}

void
pd_local_abort(struct pd_local_draft *draft)
{
	if (draft->file >= 0)
		close(draft->file);
	draft->file = -1;
	if (draft->folder >= 0 && draft->draft[0] != '\0')
		unlinkat(draft->folder, draft->draft, 0);
	draft->draft[0] = '\0';
}

int
pd_local_symlink(struct pd_local *local, const char *path, const char *target)
{
	struct pd_local_draft draft = {.file = -1};
	uint64_t number;
	int result = 0;

	draft.folder = pd_local_folder(local, path, true, &draft.name);
	if (draft.folder < 0)
		return -errno;
	if (getrandom(&number, sizeof(number), 0) != (ssize_t) sizeof(number))
		return -EIO;
	snprintf(draft.draft, sizeof(draft.draft), ".pocket-%016llx.part", (unsigned long long) number);
	if (symlinkat(target, draft.folder, draft.draft) != 0)
		return -errno;
	if (renameat(draft.folder, draft.draft, draft.folder, draft.name) != 0)
		result = -errno;
	if (result < 0)
		pd_local_abort(&draft);
	return result;
}

bool
pd_local_examine(struct pd_local *local, const char *path, struct pd_item *item)
{
	char target[PK_PATH_SIZE_MAX + 1];
	const char *name;
	struct stat st;
	ssize_t length;
	int folder = pd_local_folder(local, path, false, &name);

	*item = (struct pd_item){.mode = PD_MODE_NONE};
	if (folder < 0 || fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return false;
	if (S_ISREG(st.st_mode))
	{
		item->kind = PD_KIND_FILE;
		item->size = st.st_size;
		item->mode = st.st_mode & MODE_RESTORED;
		item->mtime_us = pd_local_mtime_us(&st);
		return true;
	}
	if (!S_ISLNK(st.st_mode))
		return false;
	length = readlinkat(folder, name, target, sizeof(target));
	if (length < 0 || length == (ssize_t) sizeof(target))
		return false;
	target[length] = '\0';
	item->kind = PD_KIND_SYMLINK;
	item->target = strdup(target);
	return item->target != NULL;
}
