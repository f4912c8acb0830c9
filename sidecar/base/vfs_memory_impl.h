/*
 * base/vfs_memory_impl.h
 *	  What vfs_memory.c (the calls, and their log) and vfs_memory_cut.c (what a
 *	  power cut leaves of them) share.
 *
 * A file or directory is known by its number, which is the order of creation and
 * the same in a tree and in what a cut leaves of it.  One that has lost its last
 * name stays until the vfs is freed: the log may speak of it.
 */
#ifndef PD_BASE_VFS_MEMORY_IMPL_H
#define PD_BASE_VFS_MEMORY_IMPL_H

#include <limits.h>
#include <pthread.h>

#include "base/vfs_memory.h"

#define MEMORY_FDS 1024
#define MEMORY_FD_FIRST 100000 /* so that one of the system's is never taken for one of ours */

struct memory_name
{
	char *name;
	int file;
};

struct memory_file
{
	bool is_dir;
	uint8_t *data;
	size_t size;
	size_t room;
	struct memory_name *names; /* of a directory */
	int name_count;
	int name_room;
	int locked_by; /* a descriptor, or 0 */
};

enum memory_op
{
	MEMORY_CREATE, /* of a file or a directory */
	MEMORY_UNLINK,
	MEMORY_RENAME,
	MEMORY_WRITE,
	MEMORY_TRUNCATE,
	MEMORY_SYNC /* of a file or a directory */
};

struct memory_event
{
	enum memory_op op;
	int file;
	bool is_dir;
	int dir; /* where the name is; of a rename: was */
	char *name;
	int to_dir; /* of a rename */
	char *to_name;
	uint64_t offset; /* of a write; of a truncation: the new size */
	size_t length;
	uint8_t *bytes;
	long durable_from; /* number of the sync that covers it; LONG_MAX: none does */
};

struct memory
{
	pthread_mutex_t mutex; /* everything below */
	struct memory_file *files;
	int file_count;
	int file_room;
	struct memory *base; /* the tree when the log began; NULL while the log is empty */
	struct memory_event *events;
	long event_count;
	long event_room;
	int by_fd[MEMORY_FDS]; /* file + 1; 0: free */
	uint64_t random;
};

/* All of these are called with the mutex held, or by the only one who knows the tree. Negative errno, or the number of a file. */
extern struct memory *pd_memory_new(void);
extern void pd_memory_free(struct memory *memory);
extern struct memory *pd_memory_copy(const struct memory *memory);
extern struct pd_vfs *pd_memory_vfs(struct memory *memory); /* takes it; NULL when out of memory, it is freed then */
extern int pd_memory_add_file(struct memory *memory, bool is_dir);
extern int pd_memory_find(const struct memory *memory, int dir, const char *name);
extern int pd_memory_link(struct memory *memory, int dir, const char *name, int file); /* replaces what is there */
extern void pd_memory_unlink(struct memory *memory, int dir, const char *name);
extern int pd_memory_resize(struct memory_file *file, uint64_t size);
extern int pd_memory_write(struct memory_file *file, const void *bytes, size_t n, uint64_t offset);
extern uint64_t pd_memory_random(uint64_t *state);

#endif
