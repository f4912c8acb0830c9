/*
 * compact.c
 *	  Duty compact: volumes of which little is alive are emptied, so that they can
 *	  retire.
 *
 * A node copies the live blocks into open buckets, reads them back, and only then do their
 * rows move, each old one locked by the transaction that deletes it: whoever is using a row just then
 * keeps it, and a later pass moves it.  A coded volume is emptied as a whole, since its
 * parities are of all its buckets.  What a rollback or a crash leaves behind are copies without rows, which
 * are garbage of their new bucket.  The old bytes stay where they are until reclaim.c retires their volume.
 */
#include "cell/cell.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"

#include "base/guc.h"
#include "base/spi.h"
#include "placement/placement.h"

#define COUNT_MAX 64 /* buckets that a pass counts */
#define VOLUMES_MAX 16
#define VOLUMES_BY_HAND 1024
#define BATCH_BYTES (64 * 1024 * 1024) /* of one order */
#define TARGETS_MAX 4				   /* open buckets that are tried for a batch */
#define LITERAL_(n) #n
#define LITERAL(n) LITERAL_(n)

typedef struct Compaction
{
	PocketPass *pass;
	int64 budget; /* bytes that may still be copied */
	Datum bucket_ids;
	int64 after_bucket; /* the last row that was looked at */
	int64 after_offset;
	int64 avoid[TARGETS_MAX]; /* targets that took no more, in this pass */
	int avoid_count;
} Compaction;

/* Blocks on their way, as the order has them. */
typedef struct Batch
{
	char *json;
	int64 count;
	int64 bytes;
} Batch;

/* --- what is worth it --- */

static void
count_live(bool by_hand)
{
	static PocketPlan count = {
		"UPDATE pocket_data.bucket b SET live = (SELECT coalesce(pg_catalog.sum(k.stored_length), 0)"
		" FROM pocket_data.block k WHERE k.bucket_id = b.bucket_id) WHERE b.bucket_id IN (SELECT b.bucket_id"
		" FROM pocket_data.bucket b WHERE b.state = 'sealed' AND b.live IS NULL AND " POCKET_RECEIPTS_EXPIRED
		" ORDER BY b.bucket_id LIMIT CASE WHEN $1 THEN NULL ELSE " LITERAL(COUNT_MAX) " END)",
		"bool", NULL, NULL};
	Datum values[1] = {BoolGetDatum(by_hand)};

	(void) pocket_write(&count, values, NULL);
}

/* Most bytes freed per byte moved first; each row has the buckets of a volume. Those that lack something are repaired first. */
static int
find_due(bool by_hand, Datum **volumes)
{
	static PocketPlan find = {
		"SELECT x.bucket_ids FROM (SELECT v.volume_id, pg_catalog.array_agg(b.bucket_id) AS bucket_ids,"
		" pg_catalog.sum(b.live) AS live, pg_catalog.sum(b.length) AS length FROM pocket_data.volume v"
		" JOIN pocket_data.bucket b ON b.volume_id = v.volume_id WHERE v.state IN ('sealed', 'coded')"
		" GROUP BY v.volume_id HAVING pg_catalog.bool_and(b.state = 'sealed' AND b.live IS NOT NULL "
		"AND " POCKET_RECEIPTS_EXPIRED ")) x WHERE x.live > 0 AND x.live * 100 < x.length * $1 AND " POCKET_VOLUME_WELL(
			"x.volume_id") " AND NOT EXISTS (SELECT FROM pocket_data.intent i WHERE i.volume_id = x.volume_id"
						   " OR i.bucket_id = ANY (x.bucket_ids))"
						   " ORDER BY (SELECT pg_catalog.sum(e.length) FROM pocket_data.extent e WHERE e.volume_id = "
						   "x.volume_id) / x.live"
						   " DESC LIMIT $2",
		"int4 int4", NULL, NULL};
	Datum values[2] = {Int32GetDatum(pocket_compact_below), Int32GetDatum(by_hand ? VOLUMES_BY_HAND : VOLUMES_MAX)};
	int count = (int) pocket_write(&find, values, NULL);
	bool is_null;

	*volumes = palloc(sizeof(Datum) * (Size) Max(count, 1));
	for (int i = 0; i < count; i++)
		(*volumes)[i] = datumCopy(pocket_column(i, 1, &is_null), false, -1);
	pocket_free_rows();
	return count;
}

/* --- moving --- */

static bool
next_batch(Compaction *compaction, Batch *batch)
{
	static PocketPlan find = {
		"SELECT pg_catalog.count(*), coalesce(pg_catalog.sum(x.stored_length), 0)::int8,"
		" pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('bucket', x.bucket_id, 'offset', x.\"offset\","
		" 'stored_length', x.stored_length, 'length', x.length, 'hash', pg_catalog.encode(x.hash::bytea, 'hex'))"
		" ORDER BY x.bucket_id, x.\"offset\")::text, (pg_catalog.array_agg(x.bucket_id ORDER BY x.bucket_id DESC,"
		" x.\"offset\" DESC))[1], (pg_catalog.array_agg(x.\"offset\" ORDER BY x.bucket_id DESC, x.\"offset\" DESC))[1]"
		" FROM (SELECT y.*, pg_catalog.sum(y.length) OVER (ORDER BY y.bucket_id, y.\"offset\") - y.length AS before"
		" FROM (SELECT k.* FROM pocket_data.block k WHERE k.bucket_id = ANY ($1)"
		" AND (k.bucket_id, k.\"offset\") > ($2, $3) AND k.state = 'live' ORDER BY k.bucket_id, k.\"offset\""
		" LIMIT " LITERAL(PK_COPY_MAX) ") y) x WHERE x.before < $4",
		"int8[] int8 int8 int8", NULL, NULL};
	Datum values[4] = {compaction->bucket_ids, Int64GetDatum(compaction->after_bucket),
					   Int64GetDatum(compaction->after_offset), Int64GetDatum(BATCH_BYTES)};

	(void) pocket_write(&find, values, NULL);
	batch->count = pocket_column_int64(0, 1);
	batch->bytes = pocket_column_int64(0, 2);
	if (batch->count > 0)
	{
		batch->json = pocket_column_text(0, 3);
		compaction->after_bucket = pocket_column_int64(0, 4);
		compaction->after_offset = pocket_column_int64(0, 5);
	}
	pocket_free_rows();
	return batch->count > 0;
}

/* What was sent and what came of it, by their order. */
#define ANSWERED                                                                    \
	" FROM pg_catalog.jsonb_array_elements($1::jsonb) WITH ORDINALITY s (block, i)" \
	" JOIN pg_catalog.jsonb_array_elements($2::jsonb -> 'blocks') WITH ORDINALITY a (copy, i) ON a.i = s.i"

/* Rows of blocks that were copied, unless somebody has let go of them, or holds on to them just now. Returns how many. */
static int64
move_rows(int64 target_id, const Batch *batch, const char *answer)
{
	static PocketPlan move = {
		"WITH copied AS (SELECT (s.block ->> 'bucket')::int8 AS bucket_id, (s.block ->> 'offset')::int8 AS o,"
		" pg_catalog.decode(s.block ->> 'hash', 'hex')::pocket.sha256 AS hash, (a.copy ->> 'offset')::int8 AS "
		"new_offset,"
		" (a.copy ->> 'stored_length')::int4 AS new_length" ANSWERED " WHERE a.copy ->> 'offset' IS NOT NULL),"
		" mine AS MATERIALIZED (SELECT k.hash, k.bucket_id, k.\"offset\", c.new_offset, c.new_length FROM copied c"
		" JOIN pocket_data.block k ON k.hash OPERATOR(pocket.=) c.hash AND k.bucket_id = c.bucket_id"
		" AND k.\"offset\" = c.o WHERE k.state = 'live' FOR UPDATE OF k SKIP LOCKED),"
		" gone AS (DELETE FROM pocket_data.block k USING mine m WHERE k.hash OPERATOR(pocket.=) m.hash"
		" AND k.bucket_id = m.bucket_id AND k.\"offset\" = m.\"offset\""
		" RETURNING k.hash, k.bucket_id, k.stored_length, k.length, k.crc32c, m.new_offset, m.new_length),"
		" new AS (INSERT INTO pocket_data.block (hash, bucket_id, \"offset\", stored_length, length, crc32c, "
		"created_at)"
		" SELECT g.hash, $3, g.new_offset, g.new_length, g.length, g.crc32c, pg_catalog.clock_timestamp() FROM gone g),"
		" less AS (UPDATE pocket_data.bucket b SET live = b.live - g.bytes FROM (SELECT g.bucket_id,"
		" pg_catalog.sum(g.stored_length)::int8 AS bytes FROM gone g GROUP BY g.bucket_id) g"
		" WHERE b.bucket_id = g.bucket_id) SELECT pg_catalog.count(*) FROM gone",
		"text text int8", NULL, NULL};
	Datum values[3] = {CStringGetTextDatum(batch->json), CStringGetTextDatum(answer), Int64GetDatum(target_id)};
	int64 moved;

	pocket_lock_bucket_shared(target_id);
	(void) pocket_write(&move, values, NULL);
	moved = pocket_column_int64(0, 1);
	pocket_free_rows();
	return moved;
}

/* What a bucket had no more room for becomes the batch, to be tried elsewhere; false: nothing. Other failures are told. */
static bool
left_over(Batch *batch, const char *answer)
{
	static PocketPlan left = {
		"SELECT pg_catalog.count(*) FILTER (WHERE a.copy ->> 'code' = 'bucket_closed'),"
		" coalesce(pg_catalog.jsonb_agg(s.block ORDER BY s.i) FILTER (WHERE a.copy ->> 'code' = 'bucket_closed'),"
		" '[]')::text, pg_catalog.count(*) FILTER (WHERE a.copy ->> 'code' <> 'bucket_closed'),"
		" coalesce(pg_catalog.min(a.copy ->> 'problem') FILTER (WHERE a.copy ->> 'code' <> 'bucket_closed'), "
		"'')" ANSWERED,
		"text text", NULL, NULL};
	Datum values[2] = {CStringGetTextDatum(batch->json), CStringGetTextDatum(answer)};

	(void) pocket_write(&left, values, NULL);
	batch->count = pocket_column_int64(0, 1);
	batch->json = pocket_column_text(0, 2);
	if (pocket_column_int64(0, 3) > 0)
		ereport(WARNING, (errmsg(INT64_FORMAT " blocks could not be moved: %s", pocket_column_int64(0, 3),
								 pocket_column_text(0, 4))));
	pocket_free_rows();
	return batch->count > 0;
}

/* Into one open bucket after another, until all are somewhere; false: no more can be moved in this pass. */
static bool
move_batch(Compaction *compaction, Batch *batch)
{
	static const PocketLoad none = {0, 0};

	for (;;)
	{
		PocketPlace place;
		PocketOrder order = {.verb = "copy"};

		if (compaction->avoid_count == TARGETS_MAX ||
			!pocket_place_writable(&place, compaction->avoid, compaction->avoid_count, NULL, 0, &none, 0))
			return false;
		order.node = place.url;
		order.body = psprintf("{\"bucket\": " INT64_FORMAT ", \"generation\": %d, \"blocks\": %s}", place.bucket_id,
							  place.generation, batch->json);
		pocket_orders(&order, 1);
		if (order.error != PK_OK)
		{
			ereport(WARNING, (errmsg("blocks could not be moved to bucket " INT64_FORMAT ": %s", place.bucket_id,
									 order.problem)));
			return false;
		}
		compaction->pass->done += move_rows(place.bucket_id, batch, order.answer);
		if (!left_over(batch, order.answer))
			return true;
		compaction->avoid[compaction->avoid_count++] = place.bucket_id;
	}
}

/* False: the budget is used up, or nothing takes blocks. */
static bool
empty_volume(Compaction *compaction, Datum bucket_ids)
{
	Batch batch;

	compaction->bucket_ids = bucket_ids;
	compaction->after_bucket = compaction->after_offset = -1;
	/* what is elsewhere too need not be copied */
	compaction->pass->done += pocket_copies_let_go(bucket_ids);
	while (next_batch(compaction, &batch))
	{
		CHECK_FOR_INTERRUPTS();
		compaction->budget -= batch.bytes;
		if (!move_batch(compaction, &batch) || compaction->budget <= 0)
			return false;
	}
	return true;
}

void
pocket_duty_compact(PocketPass *pass)
{
	Compaction compaction = {.pass = pass, .budget = PG_INT64_MAX};
	Datum *volumes;
	int count;
	int emptied = 0;

	if (pocket_compact_below == 0)
		return;
	if (!pass->by_hand && pocket_repair_rate_kb > 0)
		compaction.budget = (int64) pocket_repair_rate_kb * 1024 * Max(pocket_coordinator_interval_ms / 1000, 1);
	count_live(pass->by_hand);
	count = find_due(pass->by_hand, &volumes);
	while (emptied < count && empty_volume(&compaction, volumes[emptied]))
		emptied++;
	pass->remaining = count - emptied;
}
