/*
 * base/vfs_memory_cut.c
 *	  The power cut: the tree as it was when the log began, and the chosen events
 *	  done again in their order.
 *
 * A later change of names can survive an earlier one: that is more than a
 * journaling file system would do to us, and code that relies on less must sync
 * in between.  A kept event whose precondition was lost does what is left of it.
 */
#include <errno.h>
#include <string.h>

#include "base/vfs_memory_impl.h"

/* With what of an event is kept. */
struct cut
{
	enum pd_cut_keep keep;
	uint64_t choice; /* sectors, bits, or the state of the coin */
};

static bool
toss(struct cut *cut)
{
	return cut->keep != PD_CUT_RANDOM || (pd_memory_random(&cut->choice) & 1) != 0;
}

/* A file has one name: it leaves the one that it had. */
static int
place(struct memory *memory, int dir, const char *name, int file)
{
	for (int i = 0; i < memory->file_count; i++)
	{
		struct memory_file *in = &memory->files[i];

		for (int j = in->name_count - 1; j >= 0; j--)
		{
			if (in->names[j].file == file)
				pd_memory_unlink(memory, i, in->names[j].name);
		}
	}
	return pd_memory_link(memory, dir, name, file);
}

static int
redo_name(struct memory *memory, const struct memory_event *event)
{
	switch (event->op)
	{
		case MEMORY_CREATE:
			return pd_memory_find(memory, event->dir, event->name) == -ENOENT
					   ? place(memory, event->dir, event->name, event->file)
					   : 0;
		case MEMORY_UNLINK:
			if (pd_memory_find(memory, event->dir, event->name) == event->file)
				pd_memory_unlink(memory, event->dir, event->name);
			return 0;
		default:
			return place(memory, event->to_dir, event->to_name, event->file);
	}
}

/* The size, and each of the first `sectors` sectors that the coin is for. */
static int
redo_write(struct memory_file *file, const struct memory_event *event, uint64_t sectors, struct cut *cut)
{
	uint64_t end = event->offset + event->length;
	int rc = 0;

	if (cut->keep == PD_CUT_RANDOM && end > file->size && toss(cut))
		rc = pd_memory_resize(file, end);
	for (uint64_t at = event->offset; at < end && rc == 0 && sectors > 0; sectors--)
	{
		uint64_t next = (at / PD_MEMORY_SECTOR + 1) * PD_MEMORY_SECTOR;

		if (next > end)
			next = end;
		if (toss(cut))
			rc = pd_memory_write(file, event->bytes + (at - event->offset), next - at, at);
		at = next;
	}
	return rc;
}

/* Does an event again, in whole or by coins; sectors limits a write. */
static int
redo(struct memory *memory, const struct memory_event *event, uint64_t sectors, struct cut *cut)
{
	if (event->op == MEMORY_SYNC)
		return 0;
	if (event->op == MEMORY_WRITE)
		return redo_write(&memory->files[event->file], event, sectors, cut);
	if (!toss(cut))
		return 0;
	if (event->op == MEMORY_TRUNCATE)
		return pd_memory_resize(&memory->files[event->file], event->offset);
	return redo_name(memory, event);
}

static int
cut_tree(const struct memory *memory, struct memory *left, long n, struct cut *cut)
{
	struct cut all = {.keep = PD_CUT_ALL};
	int rc = 0;
	int pending = 0;

	for (long i = 0; i < n && rc >= 0; i++)
	{
		const struct memory_event *event = &memory->events[i];

		/* one that was never linked keeps the numbers of those behind it right */
		if (event->op == MEMORY_CREATE)
			rc = pd_memory_add_file(left, event->is_dir);
		if (rc < 0)
			return rc;
		if (cut->keep == PD_CUT_ALL)
			rc = redo(left, event, i == n - 1 ? cut->choice : UINT64_MAX, &all);
		else if (event->durable_from < n)
			rc = redo(left, event, UINT64_MAX, &all);
		else if (cut->keep == PD_CUT_RANDOM)
			rc = redo(left, event, UINT64_MAX, cut);
		else if (pending < 64 && (cut->choice >> pending & 1) != 0)
			rc = redo(left, event, UINT64_MAX, &all);
		if (event->durable_from >= n)
			pending++;
	}
	return rc;
}

struct pd_vfs *
pd_vfs_memory_cut(const struct pd_vfs *vfs, long n, enum pd_cut_keep keep, uint64_t choice)
{
	struct memory *memory = vfs->state;
	struct cut cut = {keep, choice};
	struct memory *left;

	pthread_mutex_lock(&memory->mutex);
	left = pd_memory_copy(memory->base == NULL ? memory : memory->base);
	if (left != NULL && cut_tree(memory, left, n < memory->event_count ? n : memory->event_count, &cut) < 0)
	{
		pd_memory_free(left);
		left = NULL;
	}
	if (left != NULL)
		left->random = memory->random;
	pthread_mutex_unlock(&memory->mutex);
	return left == NULL ? NULL : pd_memory_vfs(left);
}

int
pd_vfs_memory_pending(const struct pd_vfs *vfs, long n)
{
	struct memory *memory = vfs->state;
	int pending = 0;

	pthread_mutex_lock(&memory->mutex);
	for (long i = 0; i < n && i < memory->event_count; i++)
		pending += memory->events[i].durable_from >= n ? 1 : 0;
	pthread_mutex_unlock(&memory->mutex);
	return pending;
}

uint64_t
pd_vfs_memory_sectors(const struct pd_vfs *vfs, long n)
{
	struct memory *memory = vfs->state;
	uint64_t sectors = 0;

	pthread_mutex_lock(&memory->mutex);
	if (n >= 0 && n < memory->event_count && memory->events[n].op == MEMORY_WRITE)
	{
		const struct memory_event *event = &memory->events[n];

		sectors = (event->offset + event->length - 1) / PD_MEMORY_SECTOR - event->offset / PD_MEMORY_SECTOR + 1;
	}
	pthread_mutex_unlock(&memory->mutex);
	return sectors;
}
