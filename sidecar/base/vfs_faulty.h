/*
 * base/vfs_faulty.h
 *	  A vfs whose N-th call of a kind fails, and one that can be slow.
 *
 * For tests: run an operation with N = 1, 2, ... until it succeeds, and look at
 * what each failure left behind.
 */
#ifndef PD_BASE_VFS_FAULTY_H
#define PD_BASE_VFS_FAULTY_H

#include "base/vfs.h"

enum pd_fault_op
{
	PD_FAULT_ANY, /* counts every call but clock and random */
	PD_FAULT_OPEN,
	PD_FAULT_READ,
	PD_FAULT_WRITE, /* a failing write may have written a prefix: half of what was asked */
	PD_FAULT_SYNC,	/* fdatasync, fsync, sync_dir */
	PD_FAULT_RENAME,
	PD_FAULT_UNLINK
};

struct pd_faults
{
	const struct pd_vfs *below; /* the vfs that does the work */
	enum pd_fault_op op;
	const char *path_part; /* only files whose path contains this; NULL = all */
	long nth;			   /* 1-based call that fails; 0 = none */
	bool sticky;		   /* every later call of the kind fails too */
	int error;			   /* errno to give, e.g. EIO */
	long delay_us;		   /* before every counted call */
	long count;			   /* calls counted so far (atomic) */
	long failed;		   /* calls that were made to fail (atomic) */
};

/* Wraps; faults must outlive the result. Release the result with pd_vfs_faulty_free. */
extern struct pd_vfs *pd_vfs_faulty(struct pd_faults *faults);
extern void pd_vfs_faulty_free(struct pd_vfs *vfs);

#endif
