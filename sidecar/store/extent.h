/*
 * store/extent.h
 *	  One file on one drive: a bucket's bytes, or a parity.
 *
 *	file offset 0		header, 4096 bytes: identity; written once
 *	4096, 8192			slot A, slot B, 4096 bytes each: the members of its volume and
 *						their wrapped keys; replaced in turn, the valid one with the
 *						higher sequence counts
 *	16384				the bytes ("offset 0" of everything below)
 *	16384 + length, up to 4096	the CRC32C of each 64 KiB of the bytes, then a trailer: only when sealed
 *
 * The bytes are the coded range: replicas of a bucket, and the data member that
 * it becomes, hold the same bytes.  An open extent is only appended to, by the
 * process that created it; a sealed one never changes but for its slots.
 *
 * Functions here block on one drive and may be called from any thread; the live
 * path calls them from the drive's queue.  A struct pd_extent is counted: _find
 * and _each's callback lend it, pd_extent_ref keeps it.  A drive may be one of another
 * node: store/remote.h tells what differs then.
 */
#ifndef PD_STORE_EXTENT_H
#define PD_STORE_EXTENT_H

#include "contract/pk_code.h"
#include "contract/pk_record.h"
#include "store/drive.h"

#define PD_EXTENT_DATA 16384
#define PD_EXTENT_CHUNK 65536
#define PD_MEMBER_KEY 64

/* One member of a volume, as the slots tell it. */
struct pd_member
{
	uint8_t drive[PK_UUID_SIZE];
	uint64_t bucket_id;			/* 0: a parity, or a virtual (empty) data member */
	uint64_t length;			/* of its bytes; 0 while open */
	uint8_t key[PD_MEMBER_KEY]; /* the bucket's wrapped key, opaque here; zero when there is none */
};

struct pd_members
{
	uint64_t volume_id;
	uint32_t generation;
	pk_code code;
	int count; /* replicas, or k + m */
	struct pd_member member[PK_MEMBERS_MAX];
};

/* Their bytes, in a slot and between nodes: volume_id, generation, code, count, then each as FORMAT.md has it. */
#define PD_MEMBERS_HEAD 16
#define PD_MEMBER_SIZE 96
#define PD_MEMBERS_SIZE_MAX (PD_MEMBERS_HEAD + PK_MEMBERS_MAX * PD_MEMBER_SIZE)
extern size_t pd_members_encode(uint8_t out[PD_MEMBERS_SIZE_MAX], const struct pd_members *members);
/* False unless the n bytes are just that; what they mean is not looked at. */
extern bool pd_members_decode(struct pd_members *members, const uint8_t *in, size_t n);

struct pd_extent;

struct pd_extent_info
{
	pk_extent_kind kind;
	uint64_t id;  /* bucket or volume */
	int position; /* of a parity */
	uint8_t cell[PK_UUID_SIZE];
	bool sealed;
	uint64_t length; /* sealed: final; else the furthest durable byte that this process knows */
	uint64_t file_size;
	struct pd_members members;
	bool trashed;
	char file[PK_EXTENT_FILE];
};

/*
 * Creates an open extent: file, header, slot, fsynced with its folder. capacity bytes are
 * preallocated where the file system can. PK_ERR_STATE when it exists.
 */
extern pk_error pd_extent_create(struct pd_drive *drive, pk_extent_kind kind, uint64_t id, int position,
								 const uint8_t cell[PK_UUID_SIZE], const struct pd_members *members, uint64_t capacity,
								 struct pd_extent **extent, struct pd_err *err) PK_MUST_CHECK;

/*
 * Appends iov at offset, which must be the current length, and fdatasyncs. On any failure the drive is
 * quarantined and the extent takes no more. iov is changed.
 */
extern pk_error pd_extent_append(struct pd_extent *extent, struct iovec *iov, int count, uint64_t offset,
								 struct pd_err *err) PK_MUST_CHECK;

/*
 * Writes a part of the bytes that the next append will bring, while the rest of them is still being made: whole chunks
 * behind the length, one call where the last one ended. Proves nothing and syncs nothing; the append must bring the same bytes, and spares
 * itself to write them again. A failure leaves it all to the append.
 */
extern pk_error pd_extent_write_ahead(struct pd_extent *extent, const void *data, size_t n, uint64_t offset,
									  struct pd_err *err) PK_MUST_CHECK;

/*
 * For after an append, when nobody waits: lets all but the last bytes out of the page cache. Never waits itself; appends see to it
 * when this does not come to it.
 */
extern void pd_extent_uncache(struct pd_extent *extent);

/*
 * Writes CRC table and trailer for the first `length` bytes, truncates what lies behind, fsyncs. The same length again is PK_OK;
 * another one, or one beyond what it holds, is PK_ERR_STATE.
 */
extern pk_error pd_extent_seal(struct pd_extent *extent, uint64_t length, struct pd_err *err) PK_MUST_CHECK;

/*
 * The same for whoever measured the extent while another node may have gone on to append: ends that first. What this process wrote is
 * not cut: PK_ERR_STATE when it holds more by now. Of a remote drive, its node sees to that.
 */
extern pk_error pd_extent_seal_whole(struct pd_extent *extent, uint64_t length, struct pd_err *err) PK_MUST_CHECK;

/* Replaces the slot durably. A lower generation of the same volume than the present one's is PK_ERR_STATE. */
extern pk_error pd_extent_set_members(struct pd_extent *extent, const struct pd_members *members,
									  struct pd_err *err) PK_MUST_CHECK;

/* n bytes at offset, as they are. */
extern pk_error pd_extent_read(struct pd_extent *extent, uint64_t offset, void *buf, size_t n,
							   struct pd_err *err) PK_MUST_CHECK;

/*
 * Bytes of an extent one after the other, for whoever may not wait for a drive: what the page cache no longer has is PK_ERR_BUSY.
 * begin, which may wait, returns NULL when the n bytes at offset do not seem to be cached, or cannot be read: pd_extent_read tells.
 */
struct pd_cached;
extern struct pd_cached *pd_cached_begin(struct pd_extent *extent, uint64_t offset, size_t n);
extern pk_error pd_cached_read(struct pd_cached *cached, void *buf, size_t n, struct pd_err *err) PK_MUST_CHECK;
extern void pd_cached_end(struct pd_cached *cached);

/*
 * As pd_extent_read, from a sealed extent, each 64 KiB touched held against its CRC: offset is a multiple of PD_EXTENT_CHUNK;
 * bytes beyond the length read as zeros (so that members of unequal length decode). PK_ERR_CORRUPT names the place.
 */
extern pk_error pd_extent_read_checked(struct pd_extent *extent, uint64_t offset, void *buf, size_t n,
									   struct pd_err *err) PK_MUST_CHECK;

/*
 * A sealed extent made in one go under tmp/: begin, write in order (whole chunks but the last), finish = table,
 * trailer, fsync, rename into place (over an older one of the same name), fsync of the folder. finish
 * ends the build whatever it returns; before it, abandon removes it; NULL is fine. An extent that is replaced goes on to be
 * readable by those who hold it.
 */
struct pd_extent_build;
extern pk_error pd_extent_build_begin(struct pd_drive *drive, pk_extent_kind kind, uint64_t id, int position,
									  const uint8_t cell[PK_UUID_SIZE], const struct pd_members *members,
									  uint64_t length, struct pd_extent_build **build,
									  struct pd_err *err) PK_MUST_CHECK;
extern pk_error pd_extent_build_write(struct pd_extent_build *build, const void *buf, size_t n,
									  struct pd_err *err) PK_MUST_CHECK;
/* The chunks that n bytes at offset touch are known to be damaged: they get a checksum that they do not match. Before finish. */
extern pk_error pd_extent_build_spoil(struct pd_extent_build *build, uint64_t offset, uint64_t n,
									  struct pd_err *err) PK_MUST_CHECK;
extern pk_error pd_extent_build_finish(struct pd_extent_build *build, struct pd_extent **extent,
									   struct pd_err *err) PK_MUST_CHECK;
extern void pd_extent_build_abandon(struct pd_extent_build *build);

/* Reads header, slots, table, trailer and every chunk; each problem found calls report with a sentence. Returns the bytes read. */
extern uint64_t pd_extent_scrub(struct pd_extent *extent,
								void (*report)(void *arg, uint64_t offset, const char *problem), void *arg);

/*
 * The headers of a bucket's records from *at on, which is 0 or where the last call ended; payloads are the scrubber's. Where none is
 * valid, damage tells the stretch up to the next one that is. Each of both returns whether more is wanted. *at becomes where the next
 * call begins, *length what there is: they are equal at the end. Reads a bounded part. PK_ERR_STATE for a parity.
 */
extern pk_error pd_extent_records(struct pd_extent *extent, uint64_t *at, uint64_t *length,
								  bool (*each)(void *arg, const pk_record *record),
								  bool (*damage)(void *arg, uint64_t offset, uint64_t length, const char *problem),
								  void *arg, struct pd_err *err) PK_MUST_CHECK;

/* PK_OK when its file can be opened and is as long as it shall be. */
extern pk_error pd_extent_look(struct pd_extent *extent, struct pd_err *err) PK_MUST_CHECK;

/*
 * Durably into the trash, and back; readers that hold it go on, and it is found under its other name from then on. Again is PK_OK.
 * PK_ERR_STATE when it takes appends, or another one has the name there.
 */
extern pk_error pd_extent_trash(struct pd_extent *extent, struct pd_err *err) PK_MUST_CHECK;
extern pk_error pd_extent_untrash(struct pd_extent *extent, struct pd_err *err) PK_MUST_CHECK;

/* Unlinks durably, also out of the trash; readers that hold it go on. */
extern pk_error pd_extent_remove(struct pd_extent *extent, struct pd_err *err) PK_MUST_CHECK;

extern void pd_extent_info(struct pd_extent *extent, struct pd_extent_info *info);
extern struct pd_drive *pd_extent_drive(struct pd_extent *extent);
extern struct pd_extent *pd_extent_ref(struct pd_extent *extent);
extern void pd_extent_unref(struct pd_extent *extent); /* NULL is fine */

/*
 * A counted extent of this drive. PK_ERR_NOT_FOUND: it has none. Any other error comes from a remote drive, and says that
 * it is not known.
 */
extern pk_error pd_extent_lookup(struct pd_drive *drive, pk_extent_kind kind, uint64_t id, int position,
								 struct pd_extent **extent, struct pd_err *err) PK_MUST_CHECK;

/* The same, or NULL: for those to whom an extent that is not reached is as good as none. */
extern struct pd_extent *pd_extent_find(struct pd_drive *drive, pk_extent_kind kind, uint64_t id, int position);
/* The same in the trash of a local drive; or, for readers, in place and else there. */
extern struct pd_extent *pd_extent_find_trashed(struct pd_drive *drive, pk_extent_kind kind, uint64_t id, int position);
extern struct pd_extent *pd_extent_find_kept(struct pd_drive *drive, pk_extent_kind kind, uint64_t id, int position);
/* _find_kept with the errors of pd_extent_lookup, and of any drive. */
extern pk_error pd_extent_lookup_kept(struct pd_drive *drive, pk_extent_kind kind, uint64_t id, int position,
									  struct pd_extent **extent, struct pd_err *err) PK_MUST_CHECK;

/*
 * In order of file name, those after `after` (NULL = from the start), until each returns false: first those in place, then those in
 * the trash. The drive is not locked during the call.
 */
extern void pd_extent_each(struct pd_drive *drive, const char *after, bool (*each)(void *arg, struct pd_extent *extent),
						   void *arg);

/* Still takes appends: created by this process, and neither sealed, removed nor failed since. */
extern bool pd_extent_is_open(struct pd_extent *extent);

/*
 * Damaged places of the bytes that were found when the drive was opened or while sealing: they are kept, not cut off. A sealed extent
 * fails _read_checked there for good, until it is built anew. A problem that is no place of the bytes has length 0.
 */
extern void pd_extent_each_rot(struct pd_extent *extent,
							   void (*each)(void *arg, uint64_t offset, uint64_t length, const char *problem),
							   void *arg);

/* Damaged files that no extent could be made of: file and reason. For `check` and status. */
extern void pd_drive_each_damaged(struct pd_drive *drive, void (*each)(void *arg, const char *file, const char *why),
								  void *arg);

/* Unlinks one of these durably; _build_finish over its name does so too. PK_ERR_NOT_FOUND when it is not listed. */
extern pk_error pd_drive_remove_damaged(struct pd_drive *drive, const char *file, struct pd_err *err) PK_MUST_CHECK;

#endif
