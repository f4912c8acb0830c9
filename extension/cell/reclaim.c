/*
 * reclaim.c
 *	  Duty reclaim: blocks that nobody holds lose their rows, volumes without
 *	  block rows retire.
 *
 * A block without holders is condemned: its row stays and resolves; anew, each time that
 * somebody lets go of it.  When all snapshots that could see a holder have ended, a later
 * pass takes its lock (who is giving it a holder at this moment keeps it: then it is passed
 * over), looks for holders once more with a snapshot taken after that, and deletes the row,
 * or revives it.  Bytes are touched by none of this.
 *
 * A sealed volume to which no row points, nor can point by a receipt any more, retires: its
 * extents go to the trash (trash.c), by intents that are carried out later.
 */
#include "cell/cell.h"

#include "access/table.h"
#include "access/transam.h"
#include "catalog/namespace.h"
#include "miscadmin.h"
#include "storage/procarray.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/xid8.h"

#include "base/spi.h"

#define REVIEW_MAX 5000 /* blocks that one batch condemns, or looks at again */
#define BATCHES_BY_HAND 200
#define RETIRE_MAX 64 /* volumes of a pass */
#define LITERAL_(n) #n
#define LITERAL(n) LITERAL_(n)

/* The oldest transaction that any snapshot of this database, on a replication slot's standby too, may see as running. */
Datum
pocket_horizon(void)
{
	Relation block = table_open(get_relname_relid("block", get_namespace_oid("pocket_data", false)), AccessShareLock);
	TransactionId oldest = GetOldestNonRemovableTransactionId(block);
	FullTransactionId next = ReadNextFullTransactionId();
	uint64 full = U64FromFullTransactionId(next) - (uint32) (XidFromFullTransactionId(next) - oldest);

	table_close(block, AccessShareLock);
	return FullTransactionIdGetDatum(FullTransactionIdFromU64(full));
}

/* --- blocks --- */

/* Keys of block rows, in SPI's memory until the pass ends. */
typedef struct Keys
{
	int64 count;
	Datum values[3]; /* bytea[], int8[], int8[] */
} Keys;

#define KEYS_OF(from)                                                                                        \
	"SELECT pg_catalog.count(*), coalesce(pg_catalog.array_agg(x.hash::bytea), '{}'),"                       \
	" coalesce(pg_catalog.array_agg(x.bucket_id), '{}'), coalesce(pg_catalog.array_agg(x.\"offset\"), '{}')" \
	" FROM (" from ") x"

#define KEYS_ARE                                                                                                \
	" FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3)) u (b, bucket_id, o)" \
	" WHERE k.hash OPERATOR(pocket.=) u.b::pocket.sha256 AND k.bucket_id = u.bucket_id AND k.\"offset\" = u.o"

#define IS_HELD(hash) \
	"EXISTS (SELECT FROM pocket_data.holder h WHERE h.hash OPERATOR(pocket.=) " hash " AND h.files > 0)"

/* Who has let go of it since it was condemned had it for a while, which snapshots may see: it is to be condemned anew. */
#define IS_TO_BE_REVIEWED(hash) "EXISTS (SELECT FROM pocket_data.review r WHERE r.hash OPERATOR(pocket.=) " hash ")"

static Keys
read_keys(void)
{
	Keys keys = {.count = pocket_column_int64(0, 1)};

	for (int i = 0; i < 3; i++)
	{
		bool is_null;

		keys.values[i] = datumCopy(pocket_column(0, i + 2, &is_null), false, -1);
	}
	pocket_free_rows();
	return keys;
}

/*
 * Deletes rows that this transaction has locked, and what they were counts as garbage; those with a holder, or that were let go
 * of just now, only on demand.
 */
static int64
let_go(const Keys *keys, bool held_too)
{
	static PocketPlan delete = {
		"WITH gone AS (DELETE FROM pocket_data.block k USING (SELECT u.b, u.bucket_id, u.o FROM ROWS FROM"
		" (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3)) u (b, bucket_id, o)) u"
		" WHERE k.hash OPERATOR(pocket.=) u.b::pocket.sha256 AND k.bucket_id = u.bucket_id AND k.\"offset\" = u.o"
		" AND ($4 OR NOT (" IS_HELD("k.hash") " OR " IS_TO_BE_REVIEWED(
			"k.hash") ")) RETURNING k.bucket_id, k.stored_length),"
					  " less AS (UPDATE pocket_data.bucket b SET live = b.live - g.bytes FROM (SELECT g.bucket_id,"
					  " pg_catalog.sum(g.stored_length)::int8 AS bytes FROM gone g GROUP BY g.bucket_id) g"
					  " WHERE b.bucket_id = g.bucket_id AND b.state = 'sealed' AND b.live IS NOT NULL)"
					  " SELECT pg_catalog.count(*) FROM gone",
		"bytea[] int8[] int8[] bool", NULL, NULL};
	Datum values[4] = {keys->values[0], keys->values[1], keys->values[2], BoolGetDatum(held_too)};
	int64 gone;

	if (keys->count == 0)
		return 0;
	(void) pocket_write(&delete, values, NULL);
	gone = pocket_column_int64(0, 1);
	pocket_free_rows();
	return gone;
}

/* Those condemned before the oldest snapshot began. The lock first, then, with a snapshot of after it, the holders. */
static int64
look_again(PocketPass *pass)
{
	static PocketPlan lock = {KEYS_OF("SELECT k.hash, k.bucket_id, k.\"offset\" FROM pocket_data.block k"
									  " WHERE k.state = 'condemned' AND k.condemned_xid <= $1"
									  " ORDER BY k.condemned_xid LIMIT " LITERAL(REVIEW_MAX) " FOR UPDATE SKIP LOCKED"),
							  "xid8", NULL, NULL};
	static PocketPlan revive = {"UPDATE pocket_data.block k SET state = 'live', condemned_xid = NULL" KEYS_ARE,
								"bytea[] int8[] int8[]", NULL, NULL};
	Datum values[1] = {pocket_horizon()};
	Keys keys;
	int64 gone;

	(void) pocket_write(&lock, values, NULL);
	keys = read_keys();
	if (keys.count == 0)
		return 0;
	gone = let_go(&keys, false);
	pass->done += gone;
	if (gone < keys.count)
		(void) pocket_write(&revive, keys.values, NULL);
	return keys.count;
}

/* Of two copies one goes, when the other one is in a volume that lacks nothing; only passes let go, so it stays there. */
static void
merge_copies(PocketPass *pass, Datum hashes)
{
	static PocketPlan lock = {
		KEYS_OF("SELECT k.hash, k.bucket_id, k.\"offset\" FROM (SELECT c.hash, c.bucket_id, c.\"offset\","
				" pg_catalog.row_number() OVER w AS n, pg_catalog.first_value(" POCKET_BUCKET_WELL(
					"c.bucket_id") ") OVER w AS well"
								   " FROM (SELECT DISTINCT u.b::pocket.sha256 AS hash FROM pg_catalog.unnest($1) u "
								   "(b)) u CROSS JOIN LATERAL"
								   " (SELECT c.hash, c.bucket_id, c.\"offset\" FROM pocket_data.block c"
								   " WHERE c.hash OPERATOR(pocket.=) u.hash AND c.state = 'live' LIMIT 16) c"
								   " WINDOW w AS (PARTITION BY c.hash ORDER BY " POCKET_BUCKET_WELL(
									   "c.bucket_id") " DESC, c.bucket_id, c.\"offset\")) r"
													  " JOIN pocket_data.block k ON k.hash OPERATOR(pocket.=) r.hash "
													  "AND k.bucket_id = r.bucket_id"
													  " AND k.\"offset\" = r.\"offset\" WHERE r.n > 1 AND r.well FOR "
													  "UPDATE OF k SKIP LOCKED"),
		"bytea[]", NULL, NULL};
	Datum values[1] = {hashes};
	Keys keys;

	(void) pocket_write(&lock, values, NULL);
	keys = read_keys();
	pass->done += let_go(&keys, true);
}

int64
pocket_copies_let_go(Datum bucket_ids)
{
	static PocketPlan lock = {
		KEYS_OF(
			"SELECT k.hash, k.bucket_id, k.\"offset\" FROM pocket_data.block k WHERE k.bucket_id = ANY ($1)"
			" AND k.state = 'live' AND EXISTS (SELECT FROM pocket_data.block o WHERE o.hash OPERATOR(pocket.=) k.hash"
			" AND o.state = 'live' AND o.bucket_id <> ALL ($1) AND " POCKET_BUCKET_WELL(
				"o.bucket_id") ") FOR UPDATE SKIP LOCKED"),
		"int8[]", NULL, NULL};
	Datum values[1] = {bucket_ids};
	Keys keys;

	(void) pocket_write(&lock, values, NULL);
	keys = read_keys();
	return let_go(&keys, true);
}

/* Returns how many entries of the list were worked off. */
static int64
condemn(PocketPass *pass)
{
	static PocketPlan take = {
		"WITH due AS (DELETE FROM pocket_data.review WHERE review_id IN (SELECT review_id FROM pocket_data.review"
		" ORDER BY review_id LIMIT " LITERAL(
			REVIEW_MAX) ") RETURNING hash)"
						" SELECT pg_catalog.count(*), coalesce(pg_catalog.array_agg(hash::bytea), '{}') FROM due",
		"", NULL, NULL};
	/*
	 * Who lets go has committed before this snapshot was taken: what could see a holder began before its end. Also what is condemned
	 * already: it may have had a holder meanwhile.
	 */
	static PocketPlan mark = {"UPDATE pocket_data.block k SET state = 'condemned',"
							  " condemned_xid = pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())"
							  " FROM (SELECT DISTINCT u.b::pocket.sha256 AS hash FROM pg_catalog.unnest($1) u (b)) d"
							  " WHERE k.hash OPERATOR(pocket.=) d.hash AND NOT " IS_HELD("k.hash"),
							  "bytea[]", NULL, NULL};
	Datum values[1];
	int64 count;
	bool is_null;

	(void) pocket_write(&take, NULL, NULL);
	count = pocket_column_int64(0, 1);
	values[0] = datumCopy(pocket_column(0, 2, &is_null), false, -1);
	pocket_free_rows();
	if (count == 0)
		return 0;
	pass->done += (int64) pocket_write(&mark, values, NULL);
	merge_copies(pass, values[0]);
	return count;
}

/* --- volumes --- */

/* What shall go into the trash; what is on a drive that has failed is not waited for. */
static void
intend_trash(int64 volume_id)
{
	static PocketPlan intend = {
		"INSERT INTO pocket_data.intent (duty, drive_id, bucket_id, volume_id, position, generation, at)"
		" SELECT 'trash', e.drive_id, e.bucket_id, e.volume_id, CASE WHEN e.bucket_id IS NULL THEN e.position END,"
		" v.generation, pg_catalog.clock_timestamp() FROM pocket_data.extent e"
		" JOIN pocket_data.volume v ON v.volume_id = e.volume_id WHERE e.volume_id = $1 AND e.drive_id IS NOT NULL"
		" ORDER BY e.position",
		"int8", NULL, NULL};
	static PocketPlan forget = {"DELETE FROM pocket_data.extent e WHERE e.volume_id = $1 AND (e.drive_id IS NULL"
								" OR EXISTS (SELECT FROM pocket_data.drive d WHERE d.drive_id = e.drive_id"
								" AND d.state = 'failed'))",
								"int8", NULL, NULL};
	Datum values[1] = {Int64GetDatum(volume_id)};

	(void) pocket_write(&intend, values, NULL);
	(void) pocket_write(&forget, values, NULL);
}

/* Who adds a row to a bucket has its lock until his row can be seen. */
static bool
lock_buckets(int64 volume_id)
{
	static PocketPlan find = {"SELECT bucket_id FROM pocket_data.bucket WHERE volume_id = $1", "int8", NULL, NULL};
	Datum values[1] = {Int64GetDatum(volume_id)};
	uint64 count = pocket_write(&find, values, NULL);
	bool locked = true;

	for (uint64 row = 0; row < count && locked; row++)
		locked = pocket_lock_bucket_if_free(pocket_column_int64(row, 1));
	pocket_free_rows();
	return locked;
}

static bool
retire(int64 volume_id)
{
	static PocketPlan volume = {
		"UPDATE pocket_data.volume v SET state = 'retired', changed_at = pg_catalog.clock_timestamp(),"
		" changed = pg_catalog.pg_current_xact_id()"
		" WHERE v.volume_id = $1 AND NOT EXISTS (SELECT FROM pocket_data.bucket b JOIN pocket_data.block k"
		" ON k.bucket_id = b.bucket_id WHERE b.volume_id = v.volume_id)",
		"int8", NULL, NULL};
	static PocketPlan buckets = {"UPDATE pocket_data.bucket SET state = 'retired', live = 0 WHERE volume_id = $1",
								 "int8", NULL, NULL};
	Datum values[1] = {Int64GetDatum(volume_id)};

	if (!lock_buckets(volume_id) || pocket_write(&volume, values, NULL) == 0)
		return false;
	(void) pocket_write(&buckets, values, NULL);
	intend_trash(volume_id);
	return true;
}

static void
retire_volumes(PocketPass *pass)
{
	/* not while something is still to be done to its members */
	static PocketPlan find = {
		"SELECT v.volume_id FROM pocket_data.volume v WHERE v.state IN ('sealed', 'coded')"
		" AND NOT EXISTS (SELECT FROM pocket_data.bucket b WHERE b.volume_id = v.volume_id AND (b.state <> 'sealed'"
		" OR NOT " POCKET_RECEIPTS_EXPIRED
		" OR EXISTS (SELECT FROM pocket_data.block k WHERE k.bucket_id = b.bucket_id)))"
		" AND NOT EXISTS (SELECT FROM pocket_data.intent i LEFT JOIN pocket_data.bucket b ON b.bucket_id = i.bucket_id"
		" WHERE v.volume_id = coalesce(b.volume_id, i.volume_id)) LIMIT " LITERAL(RETIRE_MAX),
		"", NULL, NULL};
	int count = (int) pocket_write(&find, NULL, NULL);
	int64 *volumes = palloc(sizeof(int64) * (Size) Max(count, 1));

	for (int i = 0; i < count; i++)
		volumes[i] = pocket_column_int64(i, 1);
	pocket_free_rows();
	for (int i = 0; i < count; i++)
	{
		if (retire(volumes[i]))
			pass->done++;
	}
}

static int64
count_left(void)
{
	static PocketPlan left = {"SELECT (SELECT pg_catalog.count(*) FROM (SELECT FROM pocket_data.review LIMIT " LITERAL(
								  REVIEW_MAX) ") r)"
											  " + (SELECT pg_catalog.count(*) FROM pocket_data.block WHERE state = "
											  "'condemned' AND condemned_xid <= $1)",
							  "xid8", NULL, NULL};
	Datum values[1] = {pocket_horizon()};
	int64 count;

	(void) pocket_write(&left, values, NULL);
	count = pocket_column_int64(0, 1);
	pocket_free_rows();
	return count;
}

void
pocket_duty_reclaim(PocketPass *pass)
{
	int batches = pass->by_hand ? BATCHES_BY_HAND : 1;

	for (int i = 0; i < batches && look_again(pass) == REVIEW_MAX; i++)
		CHECK_FOR_INTERRUPTS();
	for (int i = 0; i < batches && condemn(pass) == REVIEW_MAX; i++)
		CHECK_FOR_INTERRUPTS();
	retire_volumes(pass);
	pass->remaining = count_left();
}
