/*
 * blocks.h
 *	  Content as blocks: stored at sidecars, held by namespaces, read back.
 *
 * All functions run inside a session (base/spi.h).  Storing takes no lock and
 * comes before the rows; holding is done under the namespace's head lock
 * (design.md, invariants 1, 8 and 9).
 */
#ifndef POCKET_BLOCKS_H
#define POCKET_BLOCKS_H

#include "base/compat.h"

#include "contract/pk_keyfile.h"
#include "contract/pk_token.h"
#include "placement/placement.h"
#include "types/blocklist.h"

/* One file's bytes; store fills in their block list (palloc'd). */
typedef struct PocketContent
{
	const char *data;
	Size length;
	PocketBlockList *blocks;
} PocketContent;

/* The receipts of one call to store, by hash. */
typedef struct PocketReceipts PocketReceipts;

/*
 * Cuts contents into blocks, hashes them, and brings those to a sidecar that
 * the namespace does not hold; all: whatever it holds, for who may not read all of
 * it, and would learn from the time what others have there.  Errors: 08006 no node answers, 53100 drives
 * full, PK007 no place, 28000 keys.
 */
extern PocketReceipts *pocket_blocks_store(int64 ns_id, PocketContent *contents, int count, bool all);

/*
 * Under the head lock: what store did not send, because the namespace held it, is
 * sent if retention has let go of it since.  Nearly always there is nothing to do.
 */
extern void pocket_blocks_store_again(int64 ns_id, PocketReceipts *receipts, const PocketContent *contents, int count);

/*
 * The receipts that a client brings.  Only those that count are taken: signed by
 * this cell's nodes for the namespace, not expired, for a bucket that is there.
 * alone: that the namespace holds a block proves nothing for this client.
 */
extern PocketReceipts *pocket_receipts_read(int64 ns_id, char *const *texts, int count, bool alone);

extern bool pocket_receipts_alone(const PocketReceipts *receipts);

/* NULL when the block has none. */
extern const pk_receipt *pocket_receipt_find(const PocketReceipts *receipts, const PocketBlock *block);

/*
 * The namespace holds what a revision with the blocks `after` adds to the one
 * before it (NULL: none).  Block rows are made of receipts where the namespace
 * did not hold the block, or has lost it.  PK002 when there is neither hold nor
 * receipt.  What `before` alone has stays held: its revision is kept.
 */
extern void pocket_blocks_hold(int64 ns_id, const PocketReceipts *receipts, const PocketBlockList *before,
							   const PocketBlockList *after);

/*
 * The first revision of a file that is still kept, with the blocks `before`, is
 * dropped; `after`: of the next one (NULL: none, or there is no next one).  What
 * is in that one too stays held.  Under the head lock.
 */
extern void pocket_blocks_release(int64 ns_id, const PocketBlockList *before, const PocketBlockList *after);

/*
 * The namespace holds the blocks of a file that is copied from a namespace, which may be
 * the same one, whose head is locked too: what it holds stays held until this
 * transaction has ended.  PK004 when a block is lost, or not held there.
 */
extern void pocket_blocks_hold_copy(int64 ns_id, int64 source_ns_id, const PocketBlockList *blocks);

/*
 * The bytes [start, start + length) of a block list, into out.  Each block is
 * held against its length and CRC32C.  PK004 when a block is lost.
 */
extern void pocket_blocks_read(const PocketBlockList *blocks, int64 start, int64 length, char *out);

/*
 * The same for who does not know yet where the bytes shall go.  begin returns when each node has begun to answer (or, when
 * there are many blocks, has asked none), so that what cannot be read is told there.  finish needs no session, and may be
 * called several times, when it fetches again; all errors but those of begin are its.  What begin makes is in the current
 * memory context, whose reset ends all.
 */
typedef struct PocketRead PocketRead;
extern PocketRead *pocket_read_begin(const PocketBlockList *blocks, int64 start, int64 length);
extern void pocket_read_finish(PocketRead *read, char *out);

/* The bytes of a read as a value that is fetched when it is used, as a toasted one is; in that memory context. */
extern Datum pocket_read_value(MemoryContext context, const PocketBlockList *blocks, int64 start, int64 length);

/*
 * The keys of pocket.key_file, read again when the file has changed.  28000
 * when it is missing, malformed or open to others.
 */
extern const pk_keyring *pocket_keys(void);

/* Which of count blocks the namespace holds now, and can read. */
extern void pocket_blocks_held(int64 ns_id, const PocketBlock *const *blocks, int count, bool *held);

/* The hashes of count blocks as a bytea[] */
extern Datum pocket_hash_array(const PocketBlock *const *blocks, int count);

/* --- for clients that bring and fetch blocks themselves (url.c) --- */

/*
 * A URL is the address of a node, as pocket.add_node() was given it, and /block/TOKEN: http://HOST:PORT/block/TOKEN or
 * unix:/path/to.sock/block/TOKEN.  Whoever has it may do that one thing with that one block until it expires.
 */
typedef struct PocketUploads PocketUploads;

/* For all blocks that one call is asked for.  all: also for those that the namespace holds, which is not said then. */
extern PocketUploads *pocket_uploads_begin(int64 ns_id, bool all);

/* urls[i] is where to PUT block i; NULL when the namespace holds it. The strings are in the current context. */
extern void pocket_uploads_sign(PocketUploads *uploads, const PocketBlock *const *blocks, int count, char **urls);

typedef struct PocketDownloads PocketDownloads;

/* expires: Unix seconds, exclusive. */
extern PocketDownloads *pocket_downloads_begin(uint64 expires);

/* urls[i] is where to GET block i.  PK004 when a block is lost. */
extern void pocket_downloads_sign(PocketDownloads *downloads, const PocketBlock *const *blocks, int count, char **urls);

/*
 * A one-shot worker seals the buckets that are known to be closed and opens
 * others.  One at a time is enough for all.
 */
typedef enum PocketOpener
{
	POCKET_OPENER_BUSY, /* another backend waits for one, or a pass opens buckets now: look again in a moment */
	POCKET_OPENER_NONE, /* no worker can be started now */
	POCKET_OPENER_RAN
} PocketOpener;

/* Returns when the worker has ended. */
extern PocketOpener pocket_opener_run(const int64 *closed, int count);

/* Without waiting, when nobody else sees to it: so that the next put finds a bucket. */
extern void pocket_opener_hint(const int64 *closed, int count);

/* What the worker is told: bgw_main_arg is the database, bgw_extra this. */
#define POCKET_CLOSED_MAX 15
typedef struct PocketClosedBuckets
{
	int64 count;
	int64 bucket_ids[POCKET_CLOSED_MAX];
} PocketClosedBuckets;

/* --- orders --- */

/* One order to one node; the answer or the error is a value in it. */
typedef struct PocketOrder
{
	const char *node;
	const char *verb;
	const char *body; /* JSON */
	int timeout_ms;	  /* for all of it; 0: as long as something comes, see pocket.client_timeout */
	void *owner;

	pk_error error;
	char *problem; /* palloc'd, when error is not PK_OK */
	char *answer;  /* palloc'd valid JSON, when it is */
} PocketOrder;

/* All at once; returns when all have answered.  55000 unless this database owns the cell. */
extern void pocket_orders(PocketOrder *orders, int count);

/*
 * Asks nodes for the highest epoch that they have seen, by which nothing changes: open to a database that does not own the
 * cell.  Of orders, node is given; the answer is for pocket_epoch_read(), which is false when it tells none.
 */
extern void pocket_nodes_epochs(PocketOrder *orders, int count);
extern bool pocket_epoch_read(const char *answer, pk_epoch *epoch);

/* Whether the node says so that it has seen a higher epoch than this one. */
extern bool pocket_node_is_ahead(const char *node, const PocketCell *cell);

/* One, whose failure is an error. */
extern char *pocket_order(const char *node, const char *verb, const char *body);

#endif
