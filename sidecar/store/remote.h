/*
 * store/remote.h
 *	  A drive of another node behind the same functions as one's own: what
 *	  drive.h and extent.h do with it is passed on to a table of operations.
 *
 * Who knows the way to the other node gives the operations (the room remote does so over HTTP); the volume room goes on to
 * think in drives and extents.  What differs from a local drive:
 *
 *	- An extent of a remote drive is a proxy.  It is made by pd_extent_lookup (and _find, _create, a build), in one round
 *	  trip, and pd_extent_info tells what was known then and what was done through the proxy since.  Two lookups give two.
 *	- Only the proxy that pd_extent_create gave takes appends, and none after one that failed.
 *	- An extent that is removed or replaced over there is gone for its proxies too: PK_ERR_NOT_FOUND, or the new bytes.
 *	- PK_ERR_UNAVAILABLE and PK_ERR_BUSY say nothing about the drive: the other node was not reached, or takes no more now.
 *	  After them it is not known whether the operation was done.
 *	- Nothing is known here of the drive's state: it counts as one that can be read and written, and the operations fail.
 *	- What is in the trash over there is found by pd_extent_lookup_kept (and _find_kept), and only read: all else is PK_ERR_STATE.
 *	- pd_extent_write_ahead, _trash, _untrash, _records, _look, pd_drive_bind and _set_epoch are PK_ERR_STATE; pd_cached_begin gives NULL; pd_extent_each,
 *	  pd_extent_each_rot, pd_drive_each_damaged and pd_extent_scrub find nothing; pd_extent_uncache does nothing.
 */
#ifndef PD_STORE_REMOTE_H
#define PD_STORE_REMOTE_H

#include "store/extent.h"

/* Which extent of a drive. */
struct pd_extent_name
{
	pk_extent_kind kind;
	uint64_t id;
	int position;
};

/*
 * All block until they are done, or have failed within a bounded time; each may be called from any thread.  generation is
 * what the proxy knows its volume to be of: a peer that knows of a higher one refuses with PK_ERR_STATE.
 */
struct pd_remote_ops
{
	/* kept: in the trash too. PK_ERR_NOT_FOUND: the drive is there, and has no such extent. */
	pk_error (*find)(void *arg, const struct pd_extent_name *name, bool kept, struct pd_extent_info *info,
					 struct pd_err *err);
	pk_error (*create)(void *arg, const struct pd_extent_name *name, const uint8_t cell[PK_UUID_SIZE],
					   const struct pd_members *members, uint64_t capacity, struct pd_err *err);
	/* *length, *sealed: how long the peer says that the extent is afterwards. iov may be changed. */
	pk_error (*append)(void *arg, const struct pd_extent_name *name, uint32_t generation, struct iovec *iov, int count,
					   uint64_t offset, uint64_t *length, struct pd_err *err);
	pk_error (*seal)(void *arg, const struct pd_extent_name *name, uint32_t generation, uint64_t length,
					 uint64_t *sealed, struct pd_err *err);
	pk_error (*set_members)(void *arg, const struct pd_extent_name *name, const struct pd_members *members,
							struct pd_err *err);
	/* All n bytes, or an error; checked as pd_extent_read_checked. */
	pk_error (*read)(void *arg, const struct pd_extent_name *name, bool checked, uint64_t offset, void *buf, size_t n,
					 struct pd_err *err);
	pk_error (*remove)(void *arg, const struct pd_extent_name *name, uint32_t generation, struct pd_err *err);

	/* *handle is the build, until build_finish or build_abandon, each of which ends it. */
	pk_error (*build_begin)(void *arg, const struct pd_extent_name *name, const uint8_t cell[PK_UUID_SIZE],
							const struct pd_members *members, uint64_t length, void **handle, struct pd_err *err);
	pk_error (*build_write)(void *handle, uint64_t offset, const void *buf, size_t n, struct pd_err *err);
	pk_error (*build_spoil)(void *handle, uint64_t offset, uint64_t n, struct pd_err *err);
	pk_error (*build_finish)(void *handle, struct pd_err *err);
	void (*build_abandon)(void *handle);

	void (*release)(void *arg); /* nobody holds the drive or an extent of it any more; may be NULL */
};

/*
 * A drive of another node. name is what messages call it (its node's url and its uuid); queue, where its blocking operations
 * are run, and ops stay the caller's and outlive the drive and its extents; arg is released by ops->release.  pd_drive_close ends it: the queue
 * goes on, extents that are held stay usable.  pd_drive_vfs gives the real one.  NULL when out of memory: arg is not released then.
 */
extern struct pd_drive *pd_drive_create_remote(const uint8_t uuid[PK_UUID_SIZE], const char *name,
											   struct pd_queue *queue, const struct pd_remote_ops *ops, void *arg);
extern bool pd_drive_is_remote(const struct pd_drive *drive);

#endif
