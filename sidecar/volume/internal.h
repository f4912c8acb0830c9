/*
 * volume/internal.h
 *	  What the files of this room share: the cell, its map of volumes, open
 *	  buckets, and work done on several drives at once.
 *
 * Locks, outermost first: a bucket's seal lock, the converge lock, the cell's lock,
 * a bucket's lock, the map's lock, the reports' lock.  No callback of a caller
 * runs under any of them, and no job on a drive's queue waits for another job.
 */
#ifndef PD_VOLUME_INTERNAL_H
#define PD_VOLUME_INTERNAL_H

#include <stdatomic.h>

#include "crypt/crypt.h"
#include "erasure/erasure.h"
#include "store/remote.h"
#include "volume/volume.h"

#define PD_VOLUME_RANGE (1024 * 1024)		   /* encode and rebuild stream by this */
#define PD_GROUP_BYTES_MAX (16u * 1024 * 1024) /* of one group commit */
#define PD_GROUP_RECORDS_MAX 512			   /* half of IOV_MAX */
#define PD_GROWING_MIN (1024 * 1024)		   /* a record of this size need not be whole before it is written */
#define PD_STREAM_MIN (512 * 1024)			   /* a smaller block is opened before it is sent */
#define PD_REPORTS_MAX 1000
#define PD_SEAL_LOCKS 64
#define PD_MAP_HEADS 65536
#define PD_MAP_UUID_HEADS 1024
#define PD_MAP_UUIDS_MAX 65535 /* drives that members name */
#define PD_BUCKET_OTHER_KEYS 3 /* wrapped keys that contradict the first, and are remembered */
#define PD_READ_REPLICAS_MAX 8 /* replicas that a reader tries before it decodes */

/* --- map.c: what the slots and the coordinator say --- */

struct pd_bucket_entry;
struct pd_bucket_keys;

/* A member, as it is remembered. */
struct pd_place
{
	struct pd_bucket_entry *bucket; /* NULL: a parity, or a virtual member */
	struct pd_place *next;			/* of another volume that names the bucket */
	uint64_t length : 40;
	uint64_t drive : 16; /* a number of the map's; 0 = none */
	uint64_t position : 8;
};

enum pd_told
{
	PD_TOLD_BY_SLOT = 1,
	PD_TOLD_BY_MAP = 2,
	PD_TOLD_BY_TRASH = 4 /* the slot of an extent in the trash */
};

struct pd_volume_entry
{
	struct pd_volume_entry *next;
	uint64_t volume_id;
	uint32_t generation; /* the highest seen */
	pk_code code;
	uint8_t count;
	uint8_t told; /* bits of enum pd_told */
	struct pd_place places[];
};

struct pd_bucket_entry
{
	struct pd_bucket_entry *next;
	uint64_t bucket_id;
	uint64_t length;			 /* the longest that was told */
	struct pd_place *places;	 /* one of each volume that names it, the current one first */
	struct pd_bucket_keys *keys; /* or NULL: no slot here told one */
};

struct pd_map_uuid
{
	uint8_t uuid[PK_UUID_SIZE];
	uint16_t next;
};

struct pd_map
{
	pthread_rwlock_t lock;
	struct pd_map_uuid *uuids; /* drives that members name, by number from 1 */
	unsigned uuid_count;
	unsigned uuid_size;
	uint16_t uuid_heads[PD_MAP_UUID_HEADS];
	struct pd_volume_entry *volumes[PD_MAP_HEADS];
	struct pd_bucket_entry *buckets[PD_MAP_HEADS];
};

/* The struct is zeros before. */
extern void pd_map_init(struct pd_map *map);
extern void pd_map_clear(struct pd_map *map);

/* Learns a slot, or what the coordinator's map tells. An older generation adds at most keys; false when out of memory. */
extern bool pd_map_note(struct pd_cell *cell, const struct pd_members *members, enum pd_told told);

/* Forgets the volumes that only the coordinator told. */
extern void pd_map_forget_told(struct pd_cell *cell);
/* The coordinator says that there is no such volume any more. */
extern void pd_map_forget_volume(struct pd_cell *cell, uint64_t volume_id);

/* A volume goes to the trash with all that it has; whether it did, as far as is known here: no extent in place names it. */
extern void pd_map_retire(struct pd_cell *cell, uint64_t volume_id);
extern bool pd_map_retired(struct pd_cell *cell, uint64_t volume_id);

/* The volume of highest generation with this id. */
extern bool pd_map_volume(struct pd_cell *cell, uint64_t volume_id, struct pd_members *members);

/* The nth volume that names the bucket, the current one (nth = 0) first. */
extern bool pd_map_of_bucket(struct pd_cell *cell, uint64_t bucket_id, int nth, struct pd_members *members);

/* The entry of a bucket, or NULL. The map's lock is held. */
extern struct pd_bucket_entry *pd_map_bucket(struct pd_map *map, uint64_t id);

/* --- keys.c --- */

/* NULL is fine. */
extern void pd_bucket_keys_free(struct pd_bucket_keys *keys);
/* A slot's; zeros are none. false when out of memory. The map's lock is held for writing. */
extern bool pd_bucket_learn_key(struct pd_bucket_entry *bucket, const uint8_t wrapped[PD_WRAPPED_KEY]);
/* The wrapped key, if there is one. The map's lock is held. */
extern void pd_bucket_tell_key(const struct pd_bucket_entry *bucket, uint8_t wrapped[PD_WRAPPED_KEY]);

/* The bucket's key, unwrapped. PK_ERR_NO_KEY when no slot here has it, or the key file does not open it. */
extern pk_error pd_map_key(struct pd_cell *cell, uint64_t bucket_id, uint8_t key[PD_BUCKET_KEY],
						   struct pd_err *err) PK_MUST_CHECK;

/* Whether a slot told the bucket's wrapped key. */
extern bool pd_map_has_key(struct pd_cell *cell, uint64_t bucket_id);

/* Fills the members' wrapped keys, and lengths where a slot tells a greater one. */
extern void pd_map_fill(struct pd_cell *cell, struct pd_members *members);

/* --- map.c again --- */

/* Each volume, as a copy. */
extern void pd_map_each(struct pd_cell *cell, void (*each)(void *arg, const struct pd_members *members), void *arg);

/* --- members.c --- */

/* The position of a bucket in a volume, or -1. */
extern int pd_members_position(const struct pd_members *members, uint64_t bucket_id);

/* The length of a coded volume's parities: its longest member, in whole records. */
extern uint64_t pd_members_parity_length(const struct pd_members *members);

/* PK_ERR_MALFORMED unless counts, code and members agree; with distinct also when a drive has two of them. */
extern pk_error pd_volume_check(const struct pd_members *members, bool distinct, struct pd_err *err) PK_MUST_CHECK;
extern bool pd_member_virtual(const struct pd_members *members, int position);

/* --- cell.c --- */

struct pd_cell_drive
{
	struct pd_drive *drive;
	atomic_bool ours;		 /* bound to this cell */
	atomic_int reading;		 /* reads queued or under way */
	atomic_ulong slow_until; /* of another node's: asked last until then (pd_monotonic_us) */
};

struct pd_reports;
struct pd_peers;
struct pd_alarms;
struct pd_bucket;

struct pd_cell
{
	struct pd_cell_drive *drives;
	int drive_count;
	struct pd_buffer_pool *buffers;
	struct pd_queue *slow; /* degraded reads: they wait for several drives */
	struct pd_alarms *alarms;
	atomic_ulong usual_us; /* that a read from another node takes */

	pthread_mutex_t identity_lock; /* serializes bind and admit */
	pthread_rwlock_t state_lock;   /* guards uuid, epoch and keys */
	uint8_t uuid[PK_UUID_SIZE];
	pk_epoch epoch;
	pk_keyring keys;

	struct pd_map map;
	struct pd_peers *peers;
	struct pd_reports *reports;

	pthread_mutex_t seal_locks[PD_SEAL_LOCKS]; /* a bucket is sealed by one thread at a time; by its id */
	pthread_mutex_t converge_lock;			   /* and one converges at a time: it takes much memory */

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t quiet;
	int active; /* puts and gets whose done was not called yet */
	struct pd_bucket *open;

	atomic_uint turn; /* spreads reads */

	atomic_ullong decode_read_bytes; /* of members, to compute others */
	atomic_ullong decoded_bytes;
	atomic_ullong highest_id; /* of the volumes and buckets that were ever seen here */
	atomic_ullong highest_generation;
};

extern void pd_cell_enter(struct pd_cell *cell);
extern void pd_cell_leave(struct pd_cell *cell);

/* A volume or bucket of this id exists, and a volume of this generation. */
extern void pd_cell_saw(struct pd_cell *cell, uint64_t id, uint64_t generation);

/* A drive of any node, by the map; pd_cell_drive gives just those of this node. */
extern struct pd_drive *pd_cell_any_drive(struct pd_cell *cell, const uint8_t uuid[PK_UUID_SIZE]);

/* The same two; they fail with PK_ERR_NOT_FOUND, or PK_ERR_UNAVAILABLE when it cannot be written. */
extern pk_error pd_cell_target(struct pd_cell *cell, const uint8_t uuid[PK_UUID_SIZE], struct pd_drive **drive,
							   struct pd_err *err) PK_MUST_CHECK;
extern pk_error pd_cell_any_target(struct pd_cell *cell, const uint8_t uuid[PK_UUID_SIZE], struct pd_drive **drive,
								   struct pd_err *err) PK_MUST_CHECK;

/* --- find.c --- */

/* Extents that are looked for. */
struct pd_wanted
{
	pk_extent_kind kind;
	uint64_t id;
	int position;
	bool kept;								   /* for readers: also in the trash of the drives here */
	struct pd_extent *extents[PK_MEMBERS_MAX]; /* counted; those here first */
	int count;
	int unreached; /* drives of other nodes that did not tell whether they have it */
};

/*
 * All of them at once, on readable drives. Not on a thread of a drive's queue. hurry: drives that are slow, or do not answer within the
 * hedge delay, are not waited for.
 */
extern void pd_cell_find(struct pd_cell *cell, struct pd_wanted *wanted, int count, bool hurry);

/* Begins to want a member. */
extern void pd_want_member(struct pd_wanted *wanted, const struct pd_members *members, int p);

/* Lets go of what was found. */
extern void pd_wanted_free(struct pd_wanted *wanted);

/*
 * pd_map_fill, after the keys that are not known here were looked for in the slots of other nodes. PK_ERR_NO_KEY when one is nowhere: a
 * slot must not be written without it.
 */
extern pk_error pd_cell_fill(struct pd_cell *cell, struct pd_members *members, struct pd_err *err) PK_MUST_CHECK;

/* pd_cell_find for one identity; at most max. Returns how many. */
extern int pd_cell_extents(struct pd_cell *cell, pk_extent_kind kind, uint64_t id, int position,
						   struct pd_extent **extents, int max);

/* The same, for readers: in place or in the trash. */
extern int pd_cell_extents_kept(struct pd_cell *cell, pk_extent_kind kind, uint64_t id, int position,
								struct pd_extent **extents, int max);

/* The drives of other nodes that volumes put it on, those of the current volume first. Returns how many. */
extern int pd_cell_remotes(struct pd_cell *cell, pk_extent_kind kind, uint64_t id, int position,
						   struct pd_cell_drive *drives[PK_MEMBERS_MAX]);

/* Whether all members with the bucket are on drives of this node. Where others have some too, who seals it is ordered. */
extern bool pd_bucket_is_here(struct pd_cell *cell, uint64_t bucket_id);

/* The extent of a member on the drive that it names, asked now, or NULL. */
extern struct pd_extent *pd_member_find(struct pd_cell *cell, const struct pd_members *members, int p);

/* Notes damage of an extent. */
extern void pd_cell_report_extent(struct pd_cell *cell, struct pd_extent *extent, const char *problem);
/* Whether a failed operation tells of damage: that a node is not reached, or does not answer who asks, says nothing of what it holds. */
extern bool pd_cell_is_damage(struct pd_extent *extent, pk_error code);
/* The same after an operation on it failed, when that is damage. */
extern void pd_cell_report_failure(struct pd_cell *cell, struct pd_extent *extent, pk_error code, const char *problem);

extern const uint8_t pd_uuid_zero[PK_UUID_SIZE];
extern bool pd_uuid_equal(const uint8_t *a, const uint8_t *b);

/* --- read.c --- */

/*
 * The record at `at` of raw must be the block asked for. PK_ERR_CORRUPT: try elsewhere; other failures are
 * the same wherever it is read. raw is taken only on PK_OK, and get->plain is the caller's then.
 */
extern pk_error pd_block_open(struct pd_cell *cell, struct pd_get *get, struct pd_buffer *raw, size_t at,
							  struct pd_err *err) PK_MUST_CHECK;

/* --- peers.c --- */

extern struct pd_peers *pd_peers_create(void);
/* NULL is fine. Nobody uses a drive of another node any more. */
extern void pd_peers_free(struct pd_peers *peers);
/* A drive that the map puts on another node, or NULL; it lasts as long as the cell. */
extern struct pd_cell_drive *pd_peers_drive(struct pd_cell *cell, const uint8_t uuid[PK_UUID_SIZE]);

/* --- report.c --- */

extern struct pd_reports *pd_reports_create(void);
extern void pd_reports_free(struct pd_reports *reports);

/* --- stream.c --- */

/* The block to be opened as it is read, when that can be; NULL: it is to be read whole. */
extern struct pd_stream *pd_stream_begin(struct pd_cell *cell, const struct pd_get *get, struct pd_extent *extent);

/* --- alarm.c --- */

/* The owner's; ring is called at most once for each time that it is set, on the thread of the alarms. */
struct pd_alarm
{
	struct pd_alarm *next;
	uint64_t at;
	void (*ring)(struct pd_alarm *alarm);
};

extern struct pd_alarms *pd_alarms_create(void);
/* None is set any more. NULL is fine. */
extern void pd_alarms_free(struct pd_alarms *alarms);
extern void pd_alarm_set(struct pd_alarms *alarms, struct pd_alarm *alarm, uint64_t delay_us);
/* false: it was not set, or rings just now. */
extern bool pd_alarm_cancel(struct pd_alarms *alarms, struct pd_alarm *alarm);

extern uint64_t pd_monotonic_us(void);
extern struct timespec pd_monotonic_timespec(uint64_t us);
/* For pthread_cond_timedwait until a pd_monotonic_timespec. */
extern void pd_cond_init_monotonic(pthread_cond_t *cond);

/* How long a drive of another node is waited for before another one is asked. */
extern uint64_t pd_hedge_us(struct pd_cell *cell);
/* It answered after so long. */
extern void pd_hedge_note(struct pd_cell *cell, struct pd_cell_drive *drive, uint64_t taken_us);
/* It did not answer in time. */
extern void pd_drive_was_slow(struct pd_cell_drive *drive);
extern bool pd_drive_is_slow(struct pd_cell_drive *drive);

/* --- task.c: the same work on several drives at once --- */

struct pd_task
{
	struct pd_job job;
	struct pd_latch *latch;
	pk_error (*work)(struct pd_task *task);
	struct pd_drive *drive; /* on whose queue; NULL = at once, on the caller's thread */
	struct pd_extent *extent;
	struct pd_extent_build *build;
	const void *arg;
	uint8_t *buf;
	size_t n;
	uint64_t offset;
	pk_error result;
	struct pd_err err;
};

/* Starts them; pd_tasks_wait returns the first failure in order, or PK_OK. count may be 0. */
extern void pd_tasks_start(struct pd_task *tasks, int count, struct pd_latch *latch, enum pd_job_class class);
extern pk_error pd_tasks_wait(struct pd_task *tasks, int count, struct pd_latch *latch, struct pd_err *err);
extern pk_error pd_tasks_run(struct pd_task *tasks, int count, enum pd_job_class class, struct pd_err *err);

/*
 * Tasks that need not all be waited for: what they use lives on until the last of them has ended.  A task's extent is counted, and
 * let go of with the batch.
 */
struct pd_batch
{
	struct pd_cell *cell;
	struct pd_buffer *buffer; /* or NULL */
	int count;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t cond;
	int refs;
	int left;
	struct pd_batch_task
	{
		struct pd_task task;
		struct pd_batch *batch;
		struct pd_cell_drive *drive; /* of another node, or NULL */
		uint64_t began;
		bool ended; /* result, err, extent and what buf points to are the waiter's then, and not before */
	} tasks[];
};

/* count tasks of zeros, and a buffer of so many bytes when that is not 0; NULL when out of memory. */
extern struct pd_batch *pd_batch_create(struct pd_cell *cell, int count, size_t bytes);
/* Starts the tasks whose work is set; the others have ended. Once. */
extern void pd_batch_start(struct pd_batch *batch, enum pd_job_class class);
/*
 * Waits until all have ended, or (hurry) for no longer than the hedge delay for those of other nodes, whose drives are slow then. A task
 * that has not ended stays so for whoever waited.
 */
extern void pd_batch_wait(struct pd_batch *batch, bool hurry);
extern bool pd_batch_ended(struct pd_batch *batch, int i);
/* The waiter needs it no more. NULL is fine. */
extern void pd_batch_free(struct pd_batch *batch);

/* work for tasks: extent, offset, buf, n; an extent that is NULL reads as zeros. */
extern pk_error pd_work_read(struct pd_task *task);
extern pk_error pd_work_read_checked(struct pd_task *task);
/* extent, offset = length */
extern pk_error pd_work_seal(struct pd_task *task);
/* extent, arg = members */
extern pk_error pd_work_set_members(struct pd_task *task);
/* build, buf, n */
extern pk_error pd_work_build_write(struct pd_task *task);
/* build (NULL afterwards) becomes extent */
extern pk_error pd_work_build_finish(struct pd_task *task);

/* --- decode.c --- */

/*
 * Computes n bytes at offset (a multiple of PD_EXTENT_CHUNK) of the wanted members from others, each source held
 * against its checksums.  A damaged source is reported and another taken; when the whole range cannot be had
 * from one set of sources, each chunk is tried on its own.  avoid: positions not to use.
 */
extern pk_error pd_decode_range(struct pd_cell *cell, const struct pd_members *volume, uint32_t avoid,
								const int *wanted, int wanted_count, uint64_t offset, size_t n, uint8_t *const *out,
								enum pd_job_class class, struct pd_err *err) PK_MUST_CHECK;

/* --- write.c --- */

struct pd_replica_write
{
	struct pd_job job;
	struct pd_bucket *bucket;
	struct pd_extent *extent;
	struct iovec *iov; /* PD_GROUP_RECORDS_MAX of them */
	int iov_count;
	pk_error result;
	struct pd_err err;
};

enum pd_bucket_state
{
	PD_BUCKET_OPEN,
	PD_BUCKET_CLOSING, /* takes no new puts; those that have an offset are still written */
	PD_BUCKET_FAILED   /* nothing is written any more */
};

/*
 * An open bucket.  Records wait in `first`..`last` in the order of their offsets, without gaps from `durable` (or the end of the
 * group in flight) to `reserved`; a group is the longest ready run at the front.  In a failed bucket only records
 * whose threads still encrypt remain in the list.
 *
 * A large record that finds nobody before it is a group at once, and grows: the drives have its beginning while
 * its end is still being encrypted.
 */
struct pd_bucket
{
	struct pd_bucket *next; /* under the cell's lock, as refs */
	int refs;

	struct pd_cell *cell;
	uint64_t bucket_id;
	uint64_t capacity;
	struct pd_members members;
	uint8_t cell_uuid[PK_UUID_SIZE];
	uint8_t key[PD_BUCKET_KEY];
	struct pd_replica_write *replicas;
	struct iovec *iov;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t idle;
	enum pd_bucket_state state;
	char why[PD_ERR_TEXT];
	uint64_t reserved;
	uint64_t durable;
	struct pd_put *first;
	struct pd_put *last;
	struct pd_put *group;
	uint64_t group_end;
	int group_left;			 /* replicas that still write it */
	bool growing;			 /* the group is one record that is not whole yet */
	uint64_t grown;			 /* up to here it is */
	pthread_cond_t progress; /* of these two */
};

extern struct pd_bucket *pd_bucket_find(struct pd_cell *cell, uint64_t bucket_id); /* counted */
extern void pd_bucket_unref(struct pd_bucket *bucket);
extern void pd_bucket_forget(struct pd_bucket *bucket); /* takes it out of the open ones */

/* --- recover.c --- */

/*
 * Makes all replicas here alike and sealed: the furthest valid record that any of them holds ends the bucket, what one lacks or has rotted
 * is taken from another.  A bucket that is coded already keeps its length; one that is booked at a length does not grow.  Caller holds
 * its seal lock.
 */
extern pk_error pd_bucket_converge(struct pd_cell *cell, uint64_t bucket_id, uint64_t booked, uint64_t *length,
								   struct pd_err *err) PK_MUST_CHECK;

/* --- settle.c --- */

/* Whether what replaced the extent is there, and it is a member no more; else PK_ERR_STATE. */
extern pk_error pd_extent_may_drop(struct pd_cell *cell, struct pd_extent *extent, struct pd_err *err) PK_MUST_CHECK;

/* --- seal.c --- */

/* Tells the slots of all sealed replicas here how long the bucket became. */
extern void pd_bucket_tell_length(struct pd_cell *cell, uint64_t bucket_id, uint64_t length);

#endif
