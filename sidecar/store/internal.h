/*
 * store/internal.h
 *	  What the files of this room share: the structs behind drive.h and
 *	  extent.h, and the layouts of FORMAT.md.
 *
 * Locks, in the order in which they may be taken:
 *	1. drive->change	a name or the superblock is being changed; held over I/O
 *	2. extent->io		appends, seals and slots of one extent; held over I/O
 *	3. drive->mutex, extent->mutex	fields; never held over I/O, never both
 */
#ifndef PD_STORE_INTERNAL_H
#define PD_STORE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

#include "base/err.h"
#include "base/vfs.h"
#include "contract/pk_record.h"
#include "store/drive.h"
#include "store/extent.h"
#include "store/remote.h"

#define PD_PAGE 4096
#define PD_TRAILER 64
#define PD_SLOT_OFFSET(i) (PD_PAGE * (1 + (uint64_t) (i)))
/*
 * With which a file of a drive is opened by its name. What stands there may be anything: a FIFO must not make the start wait for a
 * writer, and a link must not lead elsewhere. A regular file notices nothing.
 */
#define PD_OPEN (O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW)
#define PD_DRIVE_PATH_MAX 3800 /* leaves room below it in PATH_MAX */
#define PD_PATH 4096
#define PD_ROTS_MAX 1000

/* --- layout.c: FORMAT.md's bytes --- */

struct pd_superblock
{
	uint8_t uuid[PK_UUID_SIZE];
	uint8_t cell[PK_UUID_SIZE];
	pk_epoch epoch;
	uint64_t created_us;
};

struct pd_header
{
	pk_extent_kind kind;
	uint64_t id;
	int position;
	uint8_t cell[PK_UUID_SIZE];
	uint8_t drive[PK_UUID_SIZE];
	uint64_t created_us;
	uint64_t capacity;
};

struct pd_slot
{
	uint64_t sequence; /* from 1 */
	struct pd_members members;
};

struct pd_trailer
{
	uint64_t length;
	uint32_t table_crc;
};

/* The decoders give PK_ERR_CORRUPT or PK_ERR_UNSUPPORTED (another version) and a phrase that follows the file's name. */
extern void pd_superblock_encode(uint8_t out[PD_PAGE], const struct pd_superblock *superblock);
extern pk_error pd_superblock_decode(struct pd_superblock *superblock, const uint8_t in[PD_PAGE],
									 struct pd_err *err) PK_MUST_CHECK;
extern void pd_header_encode(uint8_t out[PD_PAGE], const struct pd_header *header);
extern pk_error pd_header_decode(struct pd_header *header, const uint8_t in[PD_PAGE], struct pd_err *err) PK_MUST_CHECK;
/* A slot and a trailer name the extent that they are of. */
extern void pd_slot_encode(uint8_t out[PD_PAGE], const struct pd_slot *slot, const struct pd_header *owner);
extern pk_error pd_slot_decode(struct pd_slot *slot, const uint8_t in[PD_PAGE], const struct pd_header *owner,
							   struct pd_err *err) PK_MUST_CHECK;
extern void pd_trailer_encode(uint8_t out[PD_TRAILER], const struct pd_trailer *trailer, const struct pd_header *owner);
/* file_size: the trailer must be where its length puts it. */
extern pk_error pd_trailer_decode(struct pd_trailer *trailer, const uint8_t in[PD_TRAILER],
								  const struct pd_header *owner, uint64_t file_size, struct pd_err *err) PK_MUST_CHECK;
extern bool pd_all_zero(const void *data, size_t n);

/* Set aside for an extent when it is made: small ones are in one piece, and large ones do not fill a drive with nothing. */
#define PD_PREALLOCATE (UINT64_C(16) << 20)

/* Where things are in the file of a sealed extent. */
extern uint64_t pd_table_count(uint64_t length);
extern uint64_t pd_table_offset(uint64_t length);
extern uint64_t pd_sealed_size(uint64_t length);

/* --- table.c: the CRC32C of each chunk, as bytes go by --- */

struct pd_table
{
	uint32_t *crc; /* of pd_table_count(length) chunks; the last may be partial */
	size_t size;   /* entries allocated */
	uint64_t length;
	uint64_t
		ahead_begin; /* chunks behind the length whose entries are there already: whole ones, ahead_begin to ahead_end */
	uint64_t ahead_end;
};

struct pd_table_mark
{
	uint64_t length;
	uint32_t last;
};

extern pk_error pd_table_reserve(struct pd_table *table, uint64_t length, struct pd_err *err) PK_MUST_CHECK;
extern void pd_table_add(struct pd_table *table, const void *data, size_t n); /* reserved before */
/* Whole chunks at offset, behind the length and where the last call ended; pd_table_add does not look at them again. */
extern void pd_table_add_ahead(struct pd_table *table, const void *data, size_t n, uint64_t offset);
/* How many of the bytes at offset, which is no byte before the length, were added ahead. */
extern uint64_t pd_table_ahead(const struct pd_table *table, uint64_t offset);
extern void pd_table_remember(const struct pd_table *table, struct pd_table_mark *mark);
extern void pd_table_return(struct pd_table *table, const struct pd_table_mark *mark);
extern void pd_table_release(struct pd_table *table);
/*
 * What follows the bytes: zeros up to a page, table, trailer. malloc'd, *size bytes, to be written at
 * PD_EXTENT_DATA + table->length; the trailer is its last PD_TRAILER bytes. NULL when out of memory.
 */
extern uint8_t *pd_tail_encode(const struct pd_table *table, const struct pd_header *owner, size_t *size);

/* --- superblock.c --- */

extern pk_error pd_superblock_read(const struct pd_vfs *vfs, const char *dir, struct pd_superblock *superblock,
								   struct pd_err *err) PK_MUST_CHECK;

/* --- drive.c --- */

struct pd_damaged
{
	char *file;
	char *why;
};

struct pd_drive
{
	const struct pd_vfs *vfs;
	char *path;						 /* of a remote one: its name */
	const struct pd_remote_ops *ops; /* NULL: it is local */
	void *arg;						 /* of these */
	atomic_int refs;				 /* the opener's and one per extent */
	struct pd_queue *queue;
	int lock_fd;
	uint8_t uuid[PK_UUID_SIZE]; /* set once, while opening */
	uint64_t created_us;

	pthread_mutex_t change;
	unsigned serial;		 /* of files under tmp/ */
	bool folder_synced[256]; /* extents/hh is known to be durable */
	bool trash_synced;		 /* so is trash */

	pthread_mutex_t mutex;
	enum pd_drive_state state;
	char why[PD_ERR_TEXT];
	uint8_t cell[PK_UUID_SIZE];
	pk_epoch epoch;
	struct pd_extent **extents; /* sorted by file; one reference each */
	size_t count;
	size_t size;
	struct pd_damaged *damaged;
	size_t damaged_count;
	size_t damaged_size;
};

/* Without a queue, one reference. path is of its size and no longer. NULL when out of memory. */
extern struct pd_drive *pd_drive_new(const struct pd_vfs *vfs, const char *path);
extern void pd_drive_unref(struct pd_drive *drive);
/* PK_OK, or PK_ERR_IO with the reason. */
extern pk_error pd_drive_check_writable(struct pd_drive *drive, struct pd_err *err) PK_MUST_CHECK;
extern pk_error pd_drive_check_readable(struct pd_drive *drive, struct pd_err *err) PK_MUST_CHECK;
/*
 * A call that changes the drive gave a negative errno. A full drive, or a process without descriptors or memory, is just
 * reported; anything else, and any failure of a sync, quarantines. Returns the error, never PK_OK.
 */
extern pk_error pd_drive_write_failed(struct pd_drive *drive, int rc, struct pd_err *err, const char *doing,
									  const char *path);
extern pk_error pd_drive_sync_failed(struct pd_drive *drive, int rc, struct pd_err *err, const char *path);
extern void pd_drive_add_damaged(struct pd_drive *drive, const char *file, const char *why);
extern void pd_drive_forget_damaged(struct pd_drive *drive, const char *file);
extern bool pd_drive_is_damaged(struct pd_drive *drive, const char *file);

/* --- load.c, recover.c --- */

extern pk_error pd_drive_empty_tmp(struct pd_drive *drive, struct pd_err *err) PK_MUST_CHECK;
extern pk_error pd_drive_load(struct pd_drive *drive, struct pd_err *err) PK_MUST_CHECK;
/* For an unsealed bucket that this process did not create: sets its length, notes its rot, leaves it closed. */
extern pk_error pd_extent_recover(struct pd_extent *extent, int fd, uint64_t file_size,
								  struct pd_err *err) PK_MUST_CHECK;
/* The length that the slot says this extent was sealed at; 0 when it says nothing. */
extern uint64_t pd_slot_length(const struct pd_extent *extent);

/* --- walk.c: the records of a bucket, one after the other --- */

#define PD_WINDOW (256 * 1024)

struct pd_source
{
	const struct pd_vfs *vfs;
	int fd;
	uint64_t bucket_id;
	uint64_t end;	 /* bytes there are to read */
	uint64_t read;	 /* bytes read so far */
	uint8_t *window; /* PD_WINDOW bytes */
	uint64_t at;	 /* what the window holds */
	size_t length;
	bool unreadable; /* part of the window could not be read, and is zeros */
};

extern pk_error pd_source_init(struct pd_source *source, const struct pd_vfs *vfs, int fd, uint64_t bucket_id,
							   uint64_t end, struct pd_err *err) PK_MUST_CHECK;
extern void pd_source_release(struct pd_source *source);

typedef void (*pd_damage_fn)(void *arg, uint64_t offset, uint64_t length, const char *problem);

/* The furthest that any valid header says was durable when it was written; at least known. */
extern uint64_t pd_walk_durable(struct pd_source *source, uint64_t known);
/*
 * From 0: damage before `durable` is told and stepped over, at or behind it it ends the walk. Payloads are verified from
 * verify_from on. Returns where the walk ended.
 */
extern uint64_t pd_walk(struct pd_source *source, uint64_t durable, uint64_t verify_from, pd_damage_fn damage,
						void *arg);
/*
 * Only headers, from offset on, and each stretch before the source's end that is none; either may say that it wants no more behind
 * it. budget, whole records' alignment, bounds what is read, and searched at once. Returns where the next walk begins.
 */
extern uint64_t pd_walk_headers(struct pd_source *source, uint64_t offset, uint64_t budget,
								bool (*each)(void *arg, const pk_record *record),
								bool (*damage)(void *arg, uint64_t offset, uint64_t length, const char *problem),
								void *arg);

/* --- registry.c --- */

enum pd_extent_state
{
	PD_EXTENT_OPEN,	  /* takes appends; fd is open */
	PD_EXTENT_CLOSED, /* takes none, not sealed */
	PD_EXTENT_SEALED,
	PD_EXTENT_GONE /* its file was removed or replaced; kept_fd still reads it */
};

struct pd_rot
{
	uint64_t offset;
	uint64_t length;
	char problem[96];
};

struct pd_extent
{
	struct pd_drive *drive;
	atomic_int refs;
	struct pd_header header;
	bool trashed; /* its file is under trash/ */
	char file[PK_EXTENT_FILE];
	char *path; /* drive's path and file */

	pthread_mutex_t io;
	int fd;				   /* while OPEN, for appends */
	struct pd_table table; /* while not sealed; complete unless recovered */
	bool recovered;		   /* unsealed, and of another process: the table is not known */
	uint64_t uncached;	   /* of an open one: the bytes before this have left the page cache */

	pthread_mutex_t mutex;
	enum pd_extent_state state;
	bool was_sealed; /* before it was GONE */
	int kept_fd;	 /* -1, or readable until the extent is freed */
	uint64_t length;
	uint64_t file_size;
	struct pd_slot slot; /* sequence 0: neither slot is valid */
	int slot_index;		 /* where it is; 1 when neither is valid, so that the first is written next */
	struct pd_rot *rots;
	size_t rot_count;
	size_t rot_size;
};

/* Not registered yet, CLOSED, one reference for the caller; under extents/ or trash/. NULL when out of memory. */
extern struct pd_extent *pd_extent_new(struct pd_drive *drive, const struct pd_header *header, bool trashed);
/* A counted extent of that file, or NULL. */
extern struct pd_extent *pd_registry_find(struct pd_drive *drive, const char *file);
/* Takes a reference of its own; an older extent of the same file leaves. */
extern pk_error pd_registry_put(struct pd_drive *drive, struct pd_extent *extent, struct pd_err *err) PK_MUST_CHECK;
extern void pd_registry_remove(struct pd_drive *drive, struct pd_extent *extent);
extern void pd_registry_clear(struct pd_drive *drive);
extern void pd_registry_totals(struct pd_drive *drive, struct pd_drive_info *info);
extern void pd_extent_add_rot(struct pd_extent *extent, uint64_t offset, uint64_t length, const char *problem);
/* Forgets those that are places of the bytes. */
extern void pd_extent_clear_rot(struct pd_extent *extent);
extern enum pd_extent_state pd_extent_state(struct pd_extent *extent);
/* No appends any more: closes the fd. With extent->io held. */
extern void pd_extent_close(struct pd_extent *extent);
/* Before its file goes: readers that hold it get a descriptor. With extent->io held. _return undoes it when the file stayed. */
extern void pd_extent_leave(struct pd_extent *extent);
extern void pd_extent_return(struct pd_extent *extent);
/* What append, seal and slots need; with extent->io held. PK_ERR_STATE when GONE, PK_ERR_IO when the drive takes no writes. */
extern pk_error pd_extent_check_writable(struct pd_extent *extent, struct pd_err *err) PK_MUST_CHECK;

/* --- read.c --- */

struct pd_view
{
	int fd;
	bool owned; /* the fd is closed with the view */
	bool sealed;
	uint64_t length;
	uint64_t file_size;
};

extern pk_error pd_view_open(struct pd_extent *extent, struct pd_view *view, struct pd_err *err) PK_MUST_CHECK;
extern void pd_view_close(struct pd_extent *extent, struct pd_view *view);

/* --- trash.c --- */

#define PD_TRASH "trash/"
extern void pd_trash_file(char out[PK_EXTENT_FILE], pk_extent_kind kind, uint64_t id, int position);

/* --- create.c: files begin under tmp/ and are renamed into place --- */

/* The folder that the extent's file belongs in, durably; once per process. With drive->change held. */
extern pk_error pd_folder_make(struct pd_drive *drive, const struct pd_extent *extent,
							   struct pd_err *err) PK_MUST_CHECK;

/* The file with header and slot, preallocated, not synced. path: PD_PATH bytes. */
extern pk_error pd_draft_begin(struct pd_drive *drive, const struct pd_header *header, const struct pd_slot *slot,
							   uint64_t allocate, char *path, int *fd, struct pd_err *err) PK_MUST_CHECK;
/*
 * Renames a draft that is complete and synced into place, syncs the folder and registers the extent. With drive->change held.
 * *renamed: the draft is gone, whatever the result.
 */
extern pk_error pd_draft_place(struct pd_extent *extent, const char *path, bool *renamed,
							   struct pd_err *err) PK_MUST_CHECK;
extern pk_error pd_members_check(const struct pd_members *members, struct pd_err *err) PK_MUST_CHECK;
extern pk_error pd_identity_init(struct pd_header *header, struct pd_drive *drive, pk_extent_kind kind, uint64_t id,
								 int position, const uint8_t cell[PK_UUID_SIZE], uint64_t capacity,
								 struct pd_err *err) PK_MUST_CHECK;

/* --- build.c --- */

struct pd_extent_build
{
	struct pd_extent *extent; /* not registered before it is finished; its fd writes the draft */
	void *handle;			  /* of a remote drive's operations; path and spoiled are not used then */
	char path[PD_PATH];		  /* the draft's; "" when there is none any more */
	uint64_t length;
	uint8_t *spoiled; /* per chunk, whether its checksum is to be wrong; NULL: none */
	bool broken;	  /* a write failed: it can only be abandoned */
};

/* --- remote.c: what the functions of extent.h do for a remote drive --- */

extern pk_error pd_remote_lookup(struct pd_drive *drive, const struct pd_extent_name *name, bool kept,
								 struct pd_extent **extent, struct pd_err *err) PK_MUST_CHECK;
extern pk_error pd_remote_create(struct pd_drive *drive, const struct pd_extent_name *name,
								 const uint8_t cell[PK_UUID_SIZE], const struct pd_members *members, uint64_t capacity,
								 struct pd_extent **extent, struct pd_err *err) PK_MUST_CHECK;
extern pk_error pd_remote_append(struct pd_extent *extent, struct iovec *iov, int count, uint64_t offset,
								 struct pd_err *err) PK_MUST_CHECK;
extern pk_error pd_remote_seal(struct pd_extent *extent, uint64_t length, struct pd_err *err) PK_MUST_CHECK;
extern pk_error pd_remote_set_members(struct pd_extent *extent, const struct pd_members *members,
									  struct pd_err *err) PK_MUST_CHECK;
extern pk_error pd_remote_read(struct pd_extent *extent, bool checked, uint64_t offset, void *buf, size_t n,
							   struct pd_err *err) PK_MUST_CHECK;
extern pk_error pd_remote_remove(struct pd_extent *extent, struct pd_err *err) PK_MUST_CHECK;
extern pk_error pd_remote_build_begin(struct pd_drive *drive, const struct pd_extent_name *name,
									  const uint8_t cell[PK_UUID_SIZE], const struct pd_members *members,
									  uint64_t length, struct pd_extent_build **build,
									  struct pd_err *err) PK_MUST_CHECK;
extern pk_error pd_remote_build_write(struct pd_extent_build *build, const void *buf, size_t n,
									  struct pd_err *err) PK_MUST_CHECK;
extern pk_error pd_remote_build_spoil(struct pd_extent_build *build, uint64_t offset, uint64_t n,
									  struct pd_err *err) PK_MUST_CHECK;
extern pk_error pd_remote_build_finish(struct pd_extent_build *build, struct pd_extent **extent,
									   struct pd_err *err) PK_MUST_CHECK;
extern void pd_remote_build_abandon(struct pd_extent_build *build);

#endif
