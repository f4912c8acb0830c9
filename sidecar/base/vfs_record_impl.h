/*
 * base/vfs_record_impl.h
 *	  What vfs_record.c (recording) and vfs_record_crash.c (undoing) share.
 *
 * Calls change the real files at once.  Beside them stands an undo log: of
 * contents per file, of names for the tree.  A sync forgets what it made durable.
 *
 * An object is a file or directory that is open or that the log speaks of; it
 * is known by device and inode, and the recorder's own descriptor keeps it alive
 * after its last name has gone.
 */
#ifndef PD_BASE_VFS_RECORD_IMPL_H
#define PD_BASE_VFS_RECORD_IMPL_H

#include "base/vfs_record.h"

#include <limits.h>
#include <pthread.h>

/* One unsynced change of a file's bytes: a write, or a truncation (which has no new bytes). */
struct change
{
	struct change *next; /* the younger one */
	struct change *previous;
	uint64_t sequence;
	uint64_t offset;
	uint64_t size_before, size_after;
	size_t old_length; /* bytes at offset before; ends at size_before at the latest */
	size_t new_length;
	uint8_t *bytes; /* old_length, then new_length */
};

struct object
{
	struct object *next;
	uint64_t device, inode;
	bool is_dir;
	int fd;			/* the recorder's own */
	int references; /* open descriptors, and changes of names */
	struct change *oldest, *youngest;
	/* used during a crash: where it is put aside */
	bool aside;
	struct object *aside_dir;
	char aside_name[NAME_MAX + 1];
};

enum name_op
{
	NAME_CREATED, /* a file or a directory */
	NAME_UNLINKED,
	NAME_RENAMED
};

/* One change of the tree that no sync_dir has covered. */
struct name_change
{
	struct name_change *next; /* the younger one */
	struct name_change *previous;
	enum name_op op;
	uint64_t sequence;
	struct object *object;
	struct object *dir; /* where the name is; for a rename: was */
	char name[NAME_MAX + 1];
	struct object *to_dir; /* of a rename */
	char to_name[NAME_MAX + 1];
	struct object *replaced; /* by a rename; or NULL */
};

struct recorder
{
	const struct pd_vfs *below;
	pthread_mutex_t mutex; /* everything below */
	struct object *objects;
	struct object **by_fd; /* NULL = not open here */
	int fd_count;
	struct name_change *oldest, *youngest;
	uint64_t sequence; /* of the last change, of bytes or names */
};

extern void pd_record_object_unref(struct recorder *recorder, struct object *object);
extern void pd_record_forget_changes(struct object *object);
extern void pd_record_forget_name(struct recorder *recorder, struct name_change *change);

#endif
