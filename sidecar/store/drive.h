/*
 * store/drive.h
 *	  A drive: a directory that pocketd formatted, with a superblock, extents, a
 *	  lock, and an I/O queue of its own.  store/FORMAT.md describes its files.
 *
 * A drive is healthy until something says otherwise.  An fsync or write that
 * fails quarantines it for the life of the process: nothing is written to it
 * again, what can be read is still read.  Everything here is thread-safe.
 *
 * A drive of another node is one too, with another beginning: store/remote.h.
 */
#ifndef PD_STORE_DRIVE_H
#define PD_STORE_DRIVE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/queue.h"
#include "base/vfs.h"
#include "contract/pk_bytes.h"
#include "contract/pk_token.h"

enum pd_drive_state
{
	PD_DRIVE_OK,
	PD_DRIVE_QUARANTINED, /* a write or sync failed: read only */
	PD_DRIVE_FAILED		  /* missing, empty, damaged superblock, locked by another process */
};

struct pd_drive;

struct pd_drive_info
{
	char path[4096];
	uint8_t uuid[PK_UUID_SIZE]; /* zero when never read */
	uint8_t cell[PK_UUID_SIZE]; /* zero until bound */
	pk_epoch epoch;				/* the highest that was accepted */
	enum pd_drive_state state;
	char why[PD_ERR_TEXT]; /* when not PD_DRIVE_OK */
	uint64_t capacity;	   /* bytes of its file system */
	uint64_t available;
	uint64_t used; /* bytes of all extent files */
	uint64_t extents;
	uint64_t trash; /* bytes of those that are in the trash, which count above too */
};

/* Makes dir (which must exist or be creatable, and be empty but for lost+found) a drive with a new uuid. */
extern pk_error pd_drive_format(const struct pd_vfs *vfs, const char *dir, struct pd_err *err) PK_MUST_CHECK;

/*
 * Opens a drive: locks it, reads the superblock, lists its extents, closes those
 * that were open when the last process ended (store/recover.c), starts its queue.
 * Never fails but for memory: a drive that cannot be used is returned with state
 * PD_DRIVE_FAILED and the reason, so that the rest can serve.
 */
extern struct pd_drive *pd_drive_open(const struct pd_vfs *vfs, const char *dir);
extern void pd_drive_close(struct pd_drive *drive);

/* A copy; refreshes space and looks whether the superblock is still there and the same (state becomes FAILED if not). */
extern void pd_drive_info(struct pd_drive *drive, struct pd_drive_info *info);

extern const uint8_t *pd_drive_uuid(const struct pd_drive *drive);
extern const struct pd_vfs *pd_drive_vfs(const struct pd_drive *drive);
extern const char *pd_drive_path(const struct pd_drive *drive);
extern bool pd_drive_writable(struct pd_drive *drive); /* PD_DRIVE_OK */
extern bool pd_drive_readable(struct pd_drive *drive); /* OK or QUARANTINED */

/* Durably makes the drive the cell's. PK_ERR_FOREIGN when it is another's; PK_OK again for the same. */
extern pk_error pd_drive_bind(struct pd_drive *drive, const uint8_t cell[PK_UUID_SIZE],
							  struct pd_err *err) PK_MUST_CHECK;

/* Durably remembers an epoch (a higher one; the caller compares). */
extern pk_error pd_drive_set_epoch(struct pd_drive *drive, const pk_epoch *epoch, struct pd_err *err) PK_MUST_CHECK;

/* After a failed write or sync: quarantines, once, with a log line. */
extern void pd_drive_quarantine(struct pd_drive *drive, const char *why);

/* It must not be used at all: once, with a log line. */
extern void pd_drive_fail(struct pd_drive *drive, const char *why);

/* The drive's I/O queue (2 threads). */
extern struct pd_queue *pd_drive_queue(struct pd_drive *drive);

#endif
