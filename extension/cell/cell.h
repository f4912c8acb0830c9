/*
 * cell.h
 *	  The coordinator: duties, each one bounded pass, and the worker that calls
 *	  them.
 *
 * A duty runs inside a session (base/spi.h) and under the coordinator's lock,
 * so that passes never overlap.  Orders come first and rows follow: what a
 * rollback leaves behind are extents that no row names, never rows without
 * extents.  What destroys is written down as an intent, and done by a later
 * transaction.  An order that fails is a value: it is told by a WARNING, counted
 * as remaining, and does not end the pass.
 */
#ifndef POCKET_CELL_H
#define POCKET_CELL_H

#include "base/compat.h"
#include "blocks/blocks.h"
#include "utils/timestamp.h"

#include "contract/pk_code.h"

/* What the nodes say of themselves: orders that were answered or failed, and the nodes' ids. */
typedef struct PocketNodesStatus
{
	TimestampTz asked;
	int count;
	int64 *ids;
	PocketOrder *orders;
	int64 *maps; /* number of the map that a node has; -1: it did not say */
} PocketNodesStatus;

typedef struct PocketPass
{
	bool by_hand; /* called by name: do what is possible now, not what is due */
	int64 done;
	int64 remaining;
	PocketNodesStatus *status; /* NULL until pocket_pass_status() */
} PocketPass;

/*
 * All nodes are asked at once, once in a pass: a node that is silent is waited for. One that has not heard of an adoption is
 * told of it.
 */
extern const PocketNodesStatus *pocket_pass_status(PocketPass *pass);

/* One pass of one duty, as coordinate() would do it, in a session of its own; nothing when another pass is running. */
extern void pocket_duty_run(const char *name);

extern void pocket_duty_check(PocketPass *pass);
extern void pocket_duty_reconcile(PocketPass *pass);
extern void pocket_duty_settle(PocketPass *pass);
extern void pocket_duty_encode(PocketPass *pass);
extern void pocket_duty_repair(PocketPass *pass);
extern void pocket_duty_scrub(PocketPass *pass);
extern void pocket_duty_index(PocketPass *pass);
extern void pocket_duty_watch(PocketPass *pass);
extern void pocket_duty_referee(PocketPass *pass);
extern void pocket_duty_retain(PocketPass *pass);
extern void pocket_duty_reclaim(PocketPass *pass);
extern void pocket_duty_compact(PocketPass *pass);
extern void pocket_duty_trash(PocketPass *pass);
extern void pocket_duty_seal(PocketPass *pass);
extern void pocket_duty_open(PocketPass *pass);

/*
 * Held to the end of the transaction.  pass: 55000 unless this database owns the cell; rows: the same lock for who changes
 * rows only, which a copy may.  open is for buckets being opened and sealed: it is taken last in a pass, so that a put that
 * needs a bucket does not wait for an encoding.
 */
extern void pocket_lock_pass(void);
extern void pocket_lock_rows(void);
extern void pocket_lock_open(void);

/*
 * Whether placement was compared with the drives since this epoch's incarnation and timeline began: nothing that destroys
 * bytes runs before.
 */
extern bool pocket_cell_reconciled(void);

/* Seals what is known to be closed, beside what is due. */
extern void pocket_seal_closed(PocketPass *pass, const int64 *closed, int count);

/* Tells the nodes that answer what they do not know of nodes, drives and volumes. */
extern void pocket_map_push(PocketPass *pass);

/* Volumes whose node is down, open ones or the others, are another's work, that has a member and is up. */
extern void pocket_take_over(bool open);

/* The status of a node (JSON) into its rows. */
extern void pocket_node_absorb(int64 node_id, const char *status, bool insert);

/* The url of a node as its row has it, palloc'd: "http://h:1/" is "http://h:1". 22023, 0A000: it is none. */
extern char *pocket_node_url_clean(const char *url);

/* Marks an extent that a node complains of; file is a path below the drive. False: no row says it should be there. */
extern bool pocket_extent_damaged(int64 drive_id, const char *file, const char *problem);

/*
 * A number, for an id or a generation, that was never given, even by what was rolled back, or by a history that this database
 * was rewound from; raise: none up to this one is given any more.
 */
extern int64 pocket_placement_next(void);
extern void pocket_placement_raise(int64 number);
extern void pocket_placement_skip(int64 stretches);	  /* of numbers that somebody may have given, whom nobody can ask */
extern int64 pocket_placement_id(int64 next);		  /* with the incarnation: an id of a bucket or volume */
extern void pocket_cell_code(pk_code *code);		  /* pocket.code */
extern pk_code pocket_code_of(const char *name);	  /* of a volume */
extern int pocket_cell_replicas(const pk_code *code); /* pocket.replicas, resolved */

/* A member of a volume, as the rows tell it. */
typedef struct PocketMember
{
	int position;
	bool parity;
	int64 bucket_id; /* 0: none */
	int64 drive_id;	 /* 0: virtual */
	char *uuid;		 /* of the drive, or NULL */
	int64 length;
	bool drive_well; /* its drive can be read and written */
	bool drive_gone;
	bool extent_well;
	bool drive_silent;	 /* and may be back any moment */
	bool drive_draining; /* it can be read, and takes nothing new */
} PocketMember;

/* "volume", "generation", "code", "members" and, with a mask, "rebuild". */
extern char *pocket_members_json(int64 volume_id, int32 generation, const char *code, const PocketMember *members,
								 int count, uint32 rebuild);
extern PocketMember *pocket_members_load(int64 volume_id, int *count);

extern void pocket_intend_settle(int64 volume_id);
/* Of a bucket's extent when bucket_id is not 0, else of a parity. */
extern void pocket_intend_drop(int64 drive_id, int64 bucket_id, int64 volume_id, int position);
/* The same of an extent that is stale: it goes through the trash. */
extern void pocket_intend_trash(int64 drive_id, int64 bucket_id, int64 volume_id, int position);

/* The order of an intent was carried out: an extent is in the trash now, or has left it. */
extern void pocket_trash_book(int64 intent_id, const char *answer);
extern void pocket_trash_emptied(int64 intent_id, const char *answer);

/* Rows of retired volumes of which nothing is left, in place or in a trash, go. */
extern void pocket_volumes_forget(void);

/* xid8: transactions below it have ended before any snapshot that is still in use was taken. */
extern Datum pocket_horizon(void);

/* So long after a bucket was sealed no receipt on it counts any more: its life, and an hour by which clocks may differ. */
#define POCKET_RECEIPTS_END_S 90000
StaticAssertDecl(POCKET_RECEIPTS_END_S >= PK_RECEIPT_LIFE_S + 3600, "a receipt has expired, whoever's clock is asked");

#define POCKET_LITERAL_(n) #n
#define POCKET_LITERAL(n) POCKET_LITERAL_(n)

/* In SQL, of a bucket b. */
#define POCKET_RECEIPTS_EXPIRED                                                                      \
	"b.sealed_at < pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => " POCKET_LITERAL( \
		POCKET_RECEIPTS_END_S) ")"

/* Rows of blocks in these buckets (int8[]) that are also elsewhere, in a volume that lacks nothing, go. Returns how many. */
extern int64 pocket_copies_let_go(Datum bucket_ids);

/* In SQL: every member of a volume is well and in place. */
#define POCKET_VOLUME_WELL(volume_id)                                                                               \
	"(EXISTS (SELECT FROM pocket_data.extent e WHERE e.volume_id = " volume_id ") AND NOT EXISTS (SELECT FROM"      \
	" pocket_data.extent e LEFT JOIN pocket_data.drive d ON d.drive_id = e.drive_id WHERE e.volume_id = " volume_id \
	" AND (e.state <> 'ok' OR coalesce(d.state <> 'ok', false))))"

/* The same of the volume that a bucket is in, which is not retired. */
#define POCKET_BUCKET_WELL(bucket_id)                                         \
	"EXISTS (SELECT FROM pocket_data.bucket w WHERE w.bucket_id = " bucket_id \
	" AND w.state <> 'retired' AND " POCKET_VOLUME_WELL("w.volume_id") ")"

/* Of parities that no row names and the referee found. */
extern void pocket_intend_drop_attempts(void);

/* A member of an order's answer that is a number; -1 when there is none. */
extern int64 pocket_answer_number(const char *answer, const char *field);

/* _PG_init's part. */
extern void pocket_cell_init(void);

#endif
