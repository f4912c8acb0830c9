/*
 * base/vfs_record.h
 *	  A vfs that records what a power cut could undo.
 *
 * It keeps, for a directory tree, every write, truncation, rename and unlink
 * since the last sync that covers it.  pd_vfs_record_crash() makes the tree what a
 * machine may find after the power went: what was synced, plus a chosen prefix
 * or subset of what was not.
 */
#ifndef PD_BASE_VFS_RECORD_H
#define PD_BASE_VFS_RECORD_H

#include "base/vfs.h"

enum pd_crash_keep
{
	PD_CRASH_NOTHING, /* drop all that was not synced */
	PD_CRASH_ALL,	  /* keep all */
	PD_CRASH_RANDOM	  /* keep each unsynced 512-byte sector or directory change by a coin, from seed */
};

extern struct pd_vfs *pd_vfs_record(const struct pd_vfs *below);
extern void pd_vfs_record_free(struct pd_vfs *vfs);

/* Call with no file open. 0 or a negative errno. */
extern int pd_vfs_record_crash(struct pd_vfs *vfs, enum pd_crash_keep keep, uint64_t seed);

#endif
