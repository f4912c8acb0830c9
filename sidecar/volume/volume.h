/*
 * volume/volume.h
 *	  What needs several drives: writing a bucket to all its replicas, reading a
 *	  block from whichever member yields it, encoding, rebuilding, scrubbing.
 *
 * The struct pd_cell is what this process knows: its drives and, by their extents'
 * slots, the volumes that these belong to.  Nothing here is remembered elsewhere.
 */
#ifndef PD_VOLUME_H
#define PD_VOLUME_H

#include "base/buffer.h"
#include "contract/pk_token.h"
#include "store/extent.h"

struct pd_cell;

/* drives stay the caller's; keys are copied. */
extern struct pd_cell *pd_cell_create(struct pd_drive *const *drives, int count, const pk_keyring *keys,
									  struct pd_buffer_pool *buffers, struct pd_err *err);
/* Waits for writes under way, seals nothing. */
extern void pd_cell_free(struct pd_cell *cell);
/* HUP: the key file was read again. */
extern void pd_cell_set_keys(struct pd_cell *cell, const pk_keyring *keys);
extern void pd_cell_keys(struct pd_cell *cell, pk_keyring *keys);

/*
 * After a start: for each bucket that was open, the furthest valid record that any drive here holds is
 * found, shorter or damaged replicas are rebuilt from it, and all are sealed. Called once, before serving.
 */
extern void pd_cell_recover(struct pd_cell *cell);

/* The cell's uuid (zero while no drive is bound) and the highest epoch. */
extern void pd_cell_identity(struct pd_cell *cell, uint8_t uuid[PK_UUID_SIZE], pk_epoch *epoch);
/* PK_ERR_FOREIGN unless this node is bound to the cell; *at: the highest epoch. */
extern pk_error pd_cell_is(struct pd_cell *cell, const uint8_t uuid[PK_UUID_SIZE], pk_epoch *at,
						   struct pd_err *err) PK_MUST_CHECK;
/*
 * The highest id of a volume or bucket that any slot or extent here names, since the start, and the highest generation. Ids
 * carry the incarnation in their upper half, so this one is of the last that has placed anything here.
 */
extern void pd_cell_highest(struct pd_cell *cell, uint64_t *id, uint64_t *generation);
/* Binds all unbound drives. PK_ERR_FOREIGN when this node is another cell's. */
extern pk_error pd_cell_bind(struct pd_cell *cell, const uint8_t uuid[PK_UUID_SIZE], const pk_epoch *epoch,
							 struct pd_err *err) PK_MUST_CHECK;
/*
 * PK_ERR_FOREIGN (also for an incarnation that has not adopted the cell), PK_ERR_STALE_EPOCH, or PK_OK after a higher
 * epoch is durable on every writable drive.
 */
extern pk_error pd_cell_admit(struct pd_cell *cell, const uint8_t uuid[PK_UUID_SIZE], const pk_epoch *epoch,
							  struct pd_err *err) PK_MUST_CHECK;

/* The same, for a higher incarnation too: from then on the one before it changes nothing here. */
extern pk_error pd_cell_adopt(struct pd_cell *cell, const uint8_t uuid[PK_UUID_SIZE], const pk_epoch *epoch,
							  struct pd_err *err) PK_MUST_CHECK;

/* Since the start: bytes of members that were read to compute others, and bytes that were computed. */
extern void pd_cell_decoding(struct pd_cell *cell, uint64_t *read, uint64_t *decoded);

/* --- peers.c: the coordinator's map, and the drives of other nodes --- */

#define PD_MAP_NODES_MAX 256
#define PD_MAP_DRIVES_MAX 4096
#define PD_PEER_URL_MAX 1024 /* bytes, with its NUL */
#define PD_PEERS_MAX 1024	 /* URLs that one process meets in its life */
#define PD_REMOTES_MAX 16384 /* drives of others, likewise */

/* Who makes the drives of other nodes (store/remote.h). Both give NULL with err filled. */
struct pd_peer_maker
{
	void *(*peer)(void *arg, const char *url, struct pd_err *err);
	/* Closed by pd_drive_close, before its peer is released. */
	struct pd_drive *(*drive)(void *peer, const uint8_t uuid[PK_UUID_SIZE], struct pd_err *err);
	void (*release)(void *peer);
	void *arg;
};

/* Before serving. Without it, a map with drives of other nodes is PK_ERR_UNSUPPORTED. */
extern void pd_cell_set_peers(struct pd_cell *cell, const struct pd_peer_maker *maker);

struct pd_map_node
{
	int64_t node;
	const char *url; /* "http://host:port" or "unix:/path" */
};

struct pd_map_drive
{
	uint8_t uuid[PK_UUID_SIZE];
	int64_t node;
};

/*
 * Nodes and drives: all there are. Volumes: those that changed from number `from` on, and are known by `number`; from = 0: all
 * that was told before is forgotten. What does not fit into one order comes in several: all but the last leave the number as it
 * is (with from = 0: at 1).
 */
struct pd_map_order
{
	uint64_t from;
	uint64_t number;
	const struct pd_map_node *nodes;
	int node_count;
	const struct pd_map_drive *drives;
	int drive_count;
	size_t volume_count;
	pk_error (*volume)(void *arg, size_t i, struct pd_members *members, struct pd_err *err); /* asked twice for each */
	void *arg;
	const uint64_t *gone; /* volumes that are no more */
	size_t gone_count;
};

/*
 * All of it is checked before any of it is believed. PK_ERR_STATE: it does not go on from pd_cell_map_number; PK_ERR_MALFORMED,
 * PK_ERR_TOO_LARGE: it contradicts itself, or a limit. After any other failure the number is 0.
 */
extern pk_error pd_cell_map(struct pd_cell *cell, const struct pd_map_order *order, struct pd_err *err) PK_MUST_CHECK;
/* Of the map that is held; 0 after a start. */
extern uint64_t pd_cell_map_number(struct pd_cell *cell);

/* --- for whoever works on one drive for another node --- */

/* A drive of this node that is bound to its cell, or NULL. */
extern struct pd_drive *pd_cell_drive(struct pd_cell *cell, const uint8_t uuid[PK_UUID_SIZE]);

/* PK_ERR_STATE when a higher generation of this volume was seen: a late message changes nothing. */
extern pk_error pd_map_fence(struct pd_cell *cell, const struct pd_members *members, struct pd_err *err) PK_MUST_CHECK;

/*
 * Learns what an extent's slot tells: after one was made, or its members were changed, by other ways than this room's. false when it
 * belongs to another cell, which is reported.
 */
extern bool pd_cell_learn(struct pd_cell *cell, struct pd_extent *extent);

/* --- write.c: open buckets --- */

extern pk_error pd_bucket_open(struct pd_cell *cell, const struct pd_members *members, uint64_t bucket_id,
							   uint64_t capacity, struct pd_err *err) PK_MUST_CHECK;

/*
 * One block on its way to every replica. The submitter owns it until done is called, exactly once, from any
 * thread; result is then set, and offset and stored_length when it is PK_OK. body is read until then.
 */
struct pd_put
{
	uint64_t bucket_id;
	uint32_t generation;
	uint8_t hash[PK_SHA256_SIZE];
	uint32_t length;
	uint32_t crc32c;
	const uint8_t *body;
	void (*done)(struct pd_put *put);

	pk_error result; /* PK_ERR_BUCKET_CLOSED: try another bucket */
	struct pd_err err;
	uint64_t offset;
	uint32_t stored_length;
	/* the writer's */
	struct pd_buffer *record;
	struct pd_put *next;
	bool ready;
};

/* Compresses and encrypts on the calling thread, then joins the bucket's group commit. */
extern void pd_bucket_put(struct pd_cell *cell, struct pd_put *put);

/* Those that take blocks. No lock is held during the call; a bucket that is closed meanwhile may be told. */
extern pk_error pd_bucket_each_open(struct pd_cell *cell, void (*each)(void *arg, uint64_t bucket_id),
									void *arg) PK_MUST_CHECK;

/*
 * Ends writing and seals every replica at the same length; again, or after a restart, gives the same length. One replica that
 * could be sealed is enough: the others are reported, and made level at the next start.
 */
extern pk_error pd_bucket_seal(struct pd_cell *cell, uint64_t bucket_id, uint64_t *length,
							   struct pd_err *err) PK_MUST_CHECK;
/* The same of a bucket that was sealed at this length before, and may not grow: what a replica that was away has behind it is cut off. */
extern pk_error pd_bucket_seal_booked(struct pd_cell *cell, uint64_t bucket_id, uint64_t booked, uint64_t *length,
									  struct pd_err *err) PK_MUST_CHECK;

/*
 * Drives that the current volume puts the bucket on, and where it is not seen, sealed at this length. Each is asked now; one that is not
 * reached is absent.
 */
struct pd_absent
{
	int count;
	uint8_t drive[PK_MEMBERS_MAX][PK_UUID_SIZE];
};
extern void pd_bucket_absent(struct pd_cell *cell, uint64_t bucket_id, uint64_t length, struct pd_absent *absent);

/* --- read.c --- */

struct pd_get
{
	uint64_t bucket_id;
	uint64_t offset;
	uint32_t stored_length;
	uint32_t length;
	uint8_t hash[PK_SHA256_SIZE];
	bool crc_checked;				  /* by whoever gets the bytes */
	void (*done)(struct pd_get *get); /* exactly once, from any thread */

	pk_error result;
	struct pd_err err;
	/* one of both; the caller's from done on */
	struct pd_buffer *plain; /* length bytes from plain_offset */
	size_t plain_offset;
	struct pd_stream *stream; /* only when crc_checked */
	bool degraded;			  /* more than the first replica was needed */
};

/* One drive first, then every other replica, then decoding of the range. Damage met on the way is noted for pd_cell_each_report. */
extern void pd_block_get(struct pd_cell *cell, struct pd_get *get);

/*
 * A block that is opened as it is read, from first to last: the last bytes are given only when all of them are proved. Damage has
 * been reported when it fails; PK_ERR_BUSY: the page cache has let bytes go meanwhile. Ask again, without crc_checked.
 */
extern pk_error pd_stream_read(struct pd_stream *stream, uint8_t *out, size_t n, struct pd_err *err) PK_MUST_CHECK;
extern void pd_stream_free(struct pd_stream *stream);

/* --- encode.c, rebuild.c, scrub.c: long, blocking, called from a worker thread --- */

/* Says how far; returns false to stop (PK_ERR_UNAVAILABLE). */
struct pd_progress
{
	bool (*tick)(void *arg, uint64_t done, uint64_t total);
	void *arg;
};

/*
 * members->member[k..]: the parities with the drives that they go to; [0..k): sealed buckets on drives of this node, or
 * virtual ones. Computes the parities, then verifies them by decoding what the drives hold against the data. Changes no existing extent.
 */
extern pk_error pd_volume_encode(struct pd_cell *cell, const struct pd_members *members,
								 const struct pd_progress *progress, uint64_t *parity_length,
								 struct pd_err *err) PK_MUST_CHECK;

/* Writes the members (with the wrapped keys found on the drives) into the slots of every member that is here. */
extern pk_error pd_volume_settle(struct pd_cell *cell, const struct pd_members *members, int *settled,
								 struct pd_err *err) PK_MUST_CHECK;

/*
 * members: as they shall be, with the new generation; rebuild: bit p = make member p anew on members->member[p].drive, by copying a
 * sealed replica or by decoding. The new extents are read back and compared before this returns.
 */
extern pk_error pd_volume_rebuild(struct pd_cell *cell, const struct pd_members *members, uint32_t rebuild,
								  const struct pd_progress *progress, struct pd_err *err) PK_MUST_CHECK;

/* Removes an extent that no newer slot names as a member on this drive; PK_ERR_STATE otherwise, PK_OK when it is not there. */
extern pk_error pd_extent_drop(struct pd_cell *cell, const uint8_t drive[PK_UUID_SIZE], pk_extent_kind kind,
							   uint64_t id, int position, uint64_t *bytes, struct pd_err *err) PK_MUST_CHECK;

/* --- copy.c: blocks that move, called from a worker thread --- */

struct pd_copy
{
	struct pd_get from; /* where it is; result and what follows are not used */

	pk_error result; /* PK_ERR_BUCKET_CLOSED: the bucket takes no more */
	struct pd_err err;
	uint64_t offset; /* when it is PK_OK: durable there, and read back */
	uint32_t stored_length;
};

/* Into an open bucket of this node; each has its own result. Fails as a whole only when it is stopped or memory is lacking. */
extern pk_error pd_blocks_copy(struct pd_cell *cell, uint64_t bucket_id, uint32_t generation, struct pd_copy *copies,
							   int count, const struct pd_progress *progress, struct pd_err *err) PK_MUST_CHECK;

/* --- trash.c: an extent of one drive, which lies in place or in its trash --- */

struct pd_trash_order
{
	uint8_t drive[PK_UUID_SIZE];
	pk_extent_kind kind;
	uint64_t id;
	int position;
	/* put: of the volume that is retired; 0: it is a stale extent, as pd_extent_drop removes them */
	uint64_t volume_id;
	uint32_t generation;
};

/*
 * Into the trash, where readers still find it; bytes: of its file, 0 when the drive does not have it. PK_ERR_STATE when it is of a newer
 * generation than the volume's, or not stale.
 */
extern pk_error pd_trash_put(struct pd_cell *cell, const struct pd_trash_order *order, uint64_t *bytes,
							 struct pd_err *err) PK_MUST_CHECK;
/* Back to where it was. PK_ERR_NOT_FOUND when the drive does not have it; PK_ERR_STATE when another one took its place. */
extern pk_error pd_trash_take(struct pd_cell *cell, const struct pd_trash_order *order,
							  struct pd_err *err) PK_MUST_CHECK;
/* Out of the trash for good; what is in place is not touched. PK_OK when it is not there. */
extern pk_error pd_trash_empty(struct pd_cell *cell, const struct pd_trash_order *order, uint64_t *bytes,
							   struct pd_err *err) PK_MUST_CHECK;

/* What readers, recovery and scrubbing found wrong since it was last taken; at most 1,000 are kept, the same place once. */
struct pd_report
{
	uint8_t drive[PK_UUID_SIZE];
	char file[PK_EXTENT_FILE];
	char problem[256];
};
/* The extent is made anew, dropped, or was read without fault. Reports of other nodes' drives are forgotten as they are told. */
extern void pd_cell_forget_report(struct pd_cell *cell, const uint8_t drive[PK_UUID_SIZE], const char *file);
extern void pd_cell_report(struct pd_cell *cell, const uint8_t drive[PK_UUID_SIZE], const char *file,
						   const char *problem);
extern void pd_cell_each_report(struct pd_cell *cell, void (*each)(void *arg, const struct pd_report *report),
								void *arg);

/*
 * Scrubs the drive's extents after `after` until budget bytes were read; next gets the last file's name, or "" at the end.
 * Problems become reports, and are given to each as well.
 */
extern pk_error pd_drive_scrub(struct pd_cell *cell, const uint8_t drive[PK_UUID_SIZE], const char *after,
							   uint64_t budget, char next[PK_EXTENT_FILE], uint64_t *bytes,
							   void (*each)(void *arg, const struct pd_report *report), void *arg,
							   struct pd_err *err) PK_MUST_CHECK;

/* --- inventory.c: what a drive of this node holds --- */

struct pd_inventory
{
	/* open: it takes appends. problem: its file is gone, cannot be opened, or has another length; else NULL */
	void (*extent)(void *arg, const struct pd_extent_info *info, bool open, const char *problem);
	void (*damaged)(void *arg, const char *file, const char *why); /* what no extent could be made of */
	void (*record)(void *arg, const pk_record *record);
	void (*damage)(void *arg, uint64_t offset, uint64_t length, const char *problem); /* where no record is valid */
	void *arg;
};

/*
 * The first max extents after `after` ("": from the start, and damaged files, as many again), by file; next gets the last one's
 * file, or "" at the end.
 */
extern pk_error pd_drive_list(struct pd_cell *cell, const uint8_t drive[PK_UUID_SIZE], const char *after, int max,
							  const struct pd_inventory *inventory, char next[PK_EXTENT_FILE],
							  struct pd_err *err) PK_MUST_CHECK;

/* Of a bucket's extent on this drive, as pd_extent_records; max records and damages at most. */
extern pk_error pd_drive_records(struct pd_cell *cell, const uint8_t drive[PK_UUID_SIZE], uint64_t bucket_id,
								 uint64_t *at, int max, const struct pd_inventory *inventory, uint64_t *length,
								 struct pd_err *err) PK_MUST_CHECK;

/*
 * Reads blocks of one bucket back from this drive's extent, to their hashes, as if no other replica were there, and tells what is
 * wrong. No report is made of it: whoever asked knows, and may have asked for the wrong thing. blocks: as for pd_block_get, `done` unused.
 */
extern pk_error pd_drive_watch(struct pd_cell *cell, const uint8_t drive[PK_UUID_SIZE], struct pd_get *blocks,
							   int count, const struct pd_progress *progress,
							   void (*problem)(void *arg, uint64_t offset, const char *text), void *arg,
							   struct pd_err *err) PK_MUST_CHECK;

/* --- salvage.c: offline, when nothing but drives is left --- */

struct pd_salvage
{
	/* Whether the block is there already, proved; length 0: whatever its length. */
	bool (*has)(void *arg, const uint8_t hash[PK_SHA256_SIZE], uint32_t length);
	/* A block, proved to its hash. A failure ends the salvage. */
	pk_error (*block)(void *arg, const uint8_t hash[PK_SHA256_SIZE], const uint8_t *data, uint32_t length,
					  struct pd_err *err);
	/* At the end: a block of which a record was seen and which nothing yields. */
	void (*missing)(void *arg, const uint8_t hash[PK_SHA256_SIZE], uint64_t bucket_id, uint64_t offset);
	/* No extent and no decoding shows all records of the bucket. */
	void (*problem)(void *arg, uint64_t bucket_id);
	void *arg;
};

struct pd_salvaged
{
	uint64_t blocks; /* that were given */
	uint64_t bytes;
	uint64_t missing;
	uint64_t buckets;
	uint64_t buckets_damaged;
};

/* Of a cell that nobody else uses; changes nothing. */
extern pk_error pd_cell_salvage(struct pd_cell *cell, const struct pd_salvage *to, struct pd_salvaged *so_far,
								struct pd_err *err) PK_MUST_CHECK;

#endif
