/*
 * base/vfs_record_crash.c
 *	  The power cut: everything unsynced is undone, then the chosen part of it is
 *	  done again.
 *
 * Contents first, through the recorder's own descriptors, which need no names.
 * Then names, on paper: the state after undoing all is worked out from the log,
 * the kept changes are applied to it, and only then are files moved.
 *
 * With PD_CRASH_RANDOM each change of names has a coin of its own, so a later
 * one can survive an earlier one: that is more than a journaling file system
 * would do to us, and code that relies on less must sync in between.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/vfs_record_impl.h"

#define SECTOR 512
#define COPY_BYTES 65536

struct coin
{
	enum pd_crash_keep keep;
	uint64_t state;
};

/* splitmix64: any seed is a good one */
static bool
toss(struct coin *coin)
{
	uint64_t z;

	if (coin->keep != PD_CRASH_RANDOM)
		return coin->keep == PD_CRASH_ALL;
	z = (coin->state += 0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return ((z ^ (z >> 31)) & 1) != 0;
}

/* --- contents --- */

static int
put_bytes(const struct object *object, const uint8_t *bytes, size_t length, uint64_t offset)
{
	struct iovec iov = {.iov_base = (void *) bytes, .iov_len = length};

	return pd_vfs_write_full(&pd_vfs_real, object->fd, &iov, 1, offset);
}

static int
undo_changes(const struct object *object)
{
	int rc = 0;

	for (struct change *change = object->youngest; change != NULL && rc == 0; change = change->previous)
	{
		rc = put_bytes(object, change->bytes, change->old_length, change->offset);
		if (rc == 0)
			rc = pd_vfs_real.ftruncate(&pd_vfs_real, object->fd, change->size_before);
	}
	return rc;
}

/* Size and each sector may have reached the drive, or not, independently of each other. */
static int
redo_write(const struct object *object, const struct change *change, struct coin *coin)
{
	const uint8_t *bytes = change->bytes + change->old_length;
	size_t done = 0;
	int rc = 0;

	if (change->size_after > change->size_before && toss(coin))
	{
		int64_t size = pd_vfs_real.size(&pd_vfs_real, object->fd);

		if (size < 0)
			return (int) size;
		if ((uint64_t) size < change->size_after)
			rc = pd_vfs_real.ftruncate(&pd_vfs_real, object->fd, change->size_after);
	}
	while (done < change->new_length && rc == 0)
	{
		size_t piece = SECTOR - (size_t) ((change->offset + done) % SECTOR);

		if (piece > change->new_length - done)
			piece = change->new_length - done;
		if (toss(coin))
			rc = put_bytes(object, bytes + done, piece, change->offset + done);
		done += piece;
	}
	return rc;
}

static int
redo_changes(const struct object *object, struct coin *coin)
{
	int rc = 0;

	for (struct change *change = object->oldest; change != NULL && rc == 0; change = change->next)
	{
		if (change->new_length > 0)
			rc = redo_write(object, change, coin);
		else if (change->size_after != change->size_before && toss(coin))
			rc = pd_vfs_real.ftruncate(&pd_vfs_real, object->fd, change->size_after);
	}
	return rc;
}

/* --- names --- */

/* A name that some unsynced change touched. */
struct slot
{
	struct object *dir;
	const char *name;
	struct object *now;	  /* what is there; NULL = nothing */
	struct object *after; /* what has to be there */
	bool fixed;			  /* something that no unsynced change put there: it stays */
};

struct names
{
	struct slot *slots;
	int count;
};

static struct slot *
find_slot(const struct names *names, const struct object *dir, const char *name)
{
	for (int i = 0; i < names->count; i++)
	{
		if (names->slots[i].dir == dir && strcmp(names->slots[i].name, name) == 0)
			return &names->slots[i];
	}
	return NULL;
}

static struct object *
object_at(const struct recorder *recorder, const struct object *dir, const char *name, bool *unknown)
{
	struct stat st;

	*unknown = false;
	if (fstatat(dir->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return NULL;
	for (struct object *object = recorder->objects; object != NULL; object = object->next)
	{
		if (object->device == st.st_dev && object->inode == st.st_ino)
			return object;
	}
	*unknown = true;
	return NULL;
}

static void
add_slot(struct names *names, const struct recorder *recorder, struct object *dir, const char *name)
{
	struct slot *slot;

	if (find_slot(names, dir, name) != NULL)
		return;
	slot = &names->slots[names->count++];
	slot->dir = dir;
	slot->name = name;
	slot->now = object_at(recorder, dir, name, &slot->fixed);
	slot->after = slot->now;
}

static int
collect_slots(struct names *names, const struct recorder *recorder)
{
	int changes = 0;

	for (struct name_change *change = recorder->oldest; change != NULL; change = change->next)
		changes++;
	names->count = 0;
	names->slots = calloc((size_t) changes * 2 + 1, sizeof(*names->slots));
	if (names->slots == NULL)
		return -ENOMEM;
	for (struct name_change *change = recorder->oldest; change != NULL; change = change->next)
	{
		add_slot(names, recorder, change->dir, change->name);
		if (change->op == NAME_RENAMED)
			add_slot(names, recorder, change->to_dir, change->to_name);
	}
	return 0;
}

static void
undo_name(const struct names *names, const struct name_change *change)
{
	struct slot *slot = find_slot(names, change->dir, change->name);
	struct slot *to;

	switch (change->op)
	{
		case NAME_CREATED:
			if (slot->after == change->object)
				slot->after = NULL;
			break;
		case NAME_UNLINKED:
			if (slot->after == NULL && !slot->fixed)
				slot->after = change->object;
			break;
		case NAME_RENAMED:
			/*
			 * A synced newcomer under the old name proves that the rename is durable:
			 * no file system forgets the one and keeps the other.
			 */
			to = find_slot(names, change->to_dir, change->to_name);
			if (to->after == change->object && slot->after == NULL && !slot->fixed)
			{
				slot->after = change->object;
				to->after = change->replaced;
			}
			break;
	}
}

/* An object has one name: it leaves the one that it had. */
static void
place(const struct names *names, struct slot *slot, struct object *object)
{
	if (slot->fixed)
		return;
	for (int i = 0; i < names->count; i++)
	{
		if (names->slots[i].after == object)
			names->slots[i].after = NULL;
	}
	slot->after = object;
}

static void
redo_name(const struct names *names, const struct name_change *change)
{
	struct slot *slot = find_slot(names, change->dir, change->name);

	switch (change->op)
	{
		case NAME_CREATED:
			if (slot->after == NULL)
				place(names, slot, change->object);
			break;
		case NAME_UNLINKED:
			if (slot->after == change->object)
				slot->after = NULL;
			break;
		case NAME_RENAMED:
			place(names, find_slot(names, change->to_dir, change->to_name), change->object);
			break;
	}
}

static int
put_aside(const struct slot *slot, int number)
{
	struct object *object = slot->now;

	snprintf(object->aside_name, sizeof(object->aside_name), ".pd-crash-%d", number);
	if (renameat(slot->dir->fd, slot->name, slot->dir->fd, object->aside_name) < 0)
		return -errno;
	object->aside_dir = slot->dir;
	object->aside = true;
	return 0;
}

/* Its last name has gone, so it cannot be linked again: a new file gets its bytes. */
static int
copy_to(const struct slot *slot)
{
	const struct object *object = slot->after;
	uint8_t *bytes = malloc(COPY_BYTES);
	uint64_t offset = 0;
	ssize_t got = 0;
	struct stat st;
	int rc = 0;
	int fd = -1;

	if (bytes == NULL)
		return -ENOMEM;
	if (fstat(object->fd, &st) < 0 ||
		(fd = openat(slot->dir->fd, slot->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, st.st_mode & 07777)) < 0)
		rc = -errno;
	while (rc == 0 && (got = pd_vfs_real.pread(&pd_vfs_real, object->fd, bytes, COPY_BYTES, offset)) > 0)
	{
		struct iovec iov = {.iov_base = bytes, .iov_len = (size_t) got};

		rc = pd_vfs_write_full(&pd_vfs_real, fd, &iov, 1, offset);
		offset += (uint64_t) got;
	}
	if (got < 0)
		rc = (int) got;
	if (fd >= 0)
		close(fd);
	free(bytes);
	return rc;
}

static int
settle_slot(const struct slot *slot)
{
	struct object *object = slot->after;

	if (!object->aside)
		return object->is_dir ? -ESTALE : copy_to(slot);
	if (renameat(object->aside_dir->fd, object->aside_name, slot->dir->fd, slot->name) < 0)
		return -errno;
	object->aside = false;
	return 0;
}

struct tree_at
{
	char path[PATH_MAX];
};

static int remove_tree(const char *path);

static int
remove_entry(void *arg, const char *name)
{
	const struct tree_at *at = arg;
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", at->path, name) >= (int) sizeof(path))
		return -ENAMETOOLONG;
	return remove_tree(path);
}

static int
remove_tree(const char *path)
{
	struct tree_at at;
	struct stat st;
	int rc;

	if (lstat(path, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return unlink(path) < 0 ? -errno : 0;
	snprintf(at.path, sizeof(at.path), "%s", path);
	rc = pd_vfs_real.list(&pd_vfs_real, path, remove_entry, &at);
	if (rc == 0 && rmdir(path) < 0)
		rc = -errno;
	return rc;
}

static int
discard(struct object *object)
{
	char path[PATH_MAX];

	object->aside = false;
	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", object->aside_dir->fd, object->aside_name);
	return remove_tree(path);
}

/* Moves files until each slot holds what it has to: all out of the way, all in, the rest away. */
static int
move_files(const struct names *names)
{
	int rc = 0;

	for (int i = 0; i < names->count && rc == 0; i++)
	{
		if (names->slots[i].now != NULL && names->slots[i].now != names->slots[i].after)
			rc = put_aside(&names->slots[i], i);
	}
	for (int i = 0; i < names->count && rc == 0; i++)
	{
		if (names->slots[i].after != NULL && names->slots[i].now != names->slots[i].after)
			rc = settle_slot(&names->slots[i]);
	}
	for (int i = 0; i < names->count && rc == 0; i++)
	{
		if (names->slots[i].now != NULL && names->slots[i].now->aside)
			rc = discard(names->slots[i].now);
	}
	return rc;
}

static int
crash_names(const struct recorder *recorder, struct coin *coin)
{
	struct names names;
	int rc = collect_slots(&names, recorder);

	if (rc < 0)
		return rc;
	for (struct name_change *change = recorder->youngest; change != NULL; change = change->previous)
		undo_name(&names, change);
	for (struct name_change *change = recorder->oldest; change != NULL; change = change->next)
	{
		if (toss(coin))
			redo_name(&names, change);
	}
	rc = move_files(&names);
	free(names.slots);
	return rc;
}

static void
forget_everything(struct recorder *recorder)
{
	struct object *next;

	while (recorder->oldest != NULL)
		pd_record_forget_name(recorder, recorder->oldest);
	/* what is left was kept for its bytes alone */
	for (struct object *object = recorder->objects; object != NULL; object = next)
	{
		next = object->next;
		pd_record_forget_changes(object);
		object->references = 1;
		pd_record_object_unref(recorder, object);
	}
}

int
pd_vfs_record_crash(struct pd_vfs *vfs, enum pd_crash_keep keep, uint64_t seed)
{
	struct recorder *recorder = vfs->state;
	struct coin coin = {.keep = keep, .state = seed};
	int rc = 0;

	pthread_mutex_lock(&recorder->mutex);
	for (int fd = 0; fd < recorder->fd_count; fd++)
	{
		if (recorder->by_fd[fd] != NULL)
			rc = -EBUSY;
	}
	if (rc == 0)
	{
		for (struct object *object = recorder->objects; object != NULL && rc == 0; object = object->next)
		{
			rc = undo_changes(object);
			if (rc == 0)
				rc = redo_changes(object, &coin);
		}
		if (rc == 0)
			rc = crash_names(recorder, &coin);
		forget_everything(recorder);
	}
	pthread_mutex_unlock(&recorder->mutex);
	return rc;
}
