/*
 * base/vfs_memory.h
 *	  Files in memory, a log of all that was done to them, and the trees that a
 *	  power cut could leave.
 *
 * For tests that look at thousands of crashes: nothing here touches a disk, and
 * every tree that a crash leaves is a vfs of its own, which is recorded again.
 *
 * The log has each creation, write, truncation, rename, unlink and sync that
 * succeeded, in order; an event's number is its place in it, from 0.  What counts
 * as durable after the first n events:
 *	- a sync of a file covers its bytes and its size as they were, and no name;
 *	- a sync of a directory covers the names in it as they were; a rename between
 *	  two directories is covered by the sync of the one that it moved to, and
 *	  with it what happened to that file's names before.
 * All else is pending: it may have reached the drive or not, each part of it
 * independently of all others.
 */
#ifndef PD_BASE_VFS_MEMORY_H
#define PD_BASE_VFS_MEMORY_H

#include "base/vfs.h"

#define PD_MEMORY_SECTOR 512

enum pd_cut_keep
{
	PD_CUT_ALL, /* all n events; of the last one, when it is a write, only the first `choice` sectors (UINT64_MAX: all) */
	PD_CUT_SUBSET, /* what is durable, and the i-th pending event if bit i of `choice` is set (none beyond the 64th) */
	PD_CUT_RANDOM  /* what is durable, and each pending sector, size and name by a coin of seed `choice` */
};

/* An empty tree with its root "/"; NULL when out of memory. Its random numbers are the same every time. */
extern struct pd_vfs *pd_vfs_memory(void);
extern void pd_vfs_memory_free(struct pd_vfs *vfs);

/* How many events the log has. */
extern long pd_vfs_memory_events(const struct pd_vfs *vfs);

/* How many of the first n events are pending after them. */
extern int pd_vfs_memory_pending(const struct pd_vfs *vfs, long n);

/* How many sectors event n wrote; 0 when it is no write. */
extern uint64_t pd_vfs_memory_sectors(const struct pd_vfs *vfs, long n);

/* The tree that a power cut after the first n events leaves, with an empty log; NULL when out of memory. The caller frees it. */
extern struct pd_vfs *pd_vfs_memory_cut(const struct pd_vfs *vfs, long n, enum pd_cut_keep keep, uint64_t choice);

#endif
