/*
 * cli/local.h
 *	  Opening, reading and writing local files below one directory, without
 *	  following a symbolic link on the way.
 *
 * A pd_local belongs to one thread.  It remembers the folder of the last path,
 * because consecutive paths mostly share it.
 */
#ifndef PD_CLI_LOCAL_H
#define PD_CLI_LOCAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "cli/items.h"

struct pd_local
{
	int top;		 /* the caller's */
	int folder;		 /* of the last path; -1: none; may be top */
	char *path;		 /* its path, owned */
	size_t length;	 /* of path */
	unsigned umask_; /* of the process */
};

extern void pd_local_init(struct pd_local *local, int top, unsigned umask_);
extern void pd_local_release(struct pd_local *local);

/* The folder that holds path, and path's last name; -1 with errno.  create: makes missing folders.  The fd stays local's. */
extern int pd_local_folder(struct pd_local *local, const char *path, bool create, const char **name);

/* Makes the folder path and what is above it. 0, or a negative errno. */
extern int pd_local_mkdir(struct pd_local *local, const char *path);

/* A regular file for reading and its state; -1 with errno (EINVAL: no regular file). */
extern int pd_local_open(struct pd_local *local, const char *path, struct stat *st);

/* Reads exactly size bytes at offset: 0, or a negative errno; -ESTALE when the file is shorter now. */
extern int pd_local_read(int file, void *buffer, size_t size, int64_t offset);

/* Whether the file is still as before was. */
extern bool pd_local_unchanged(int file, const struct stat *before);

extern int64_t pd_local_mtime_us(const struct stat *st);

/* A file that is being written under a name of its own beside its final one. */
struct pd_local_draft
{
	int folder; /* local's */
	int file;
	const char *name; /* final, in the caller's path */
	char draft[40];
};

/* 0, or a negative errno. */
extern int pd_local_create(struct pd_local *local, const char *path, struct pd_local_draft *draft);
extern int pd_local_write(struct pd_local_draft *draft, const void *data, size_t size);
/* Sets mode and time and gives it its name, replacing a file or link of that name. */
extern int pd_local_commit(struct pd_local *local, struct pd_local_draft *draft, const struct pd_item *item);
extern void pd_local_abort(struct pd_local_draft *draft);

/* Makes path a symbolic link to target. 0, or a negative errno. */
extern int pd_local_symlink(struct pd_local *local, const char *path, const char *target);

/* What is at path now; false when nothing, or nothing comparable. item has no path and no owner but target (free it). */
extern bool pd_local_examine(struct pd_local *local, const char *path, struct pd_item *item);

#endif
