/*
 * watch.c
 *	  Duty watch: a sample of new blocks is read back after a minute, an hour, a day
 *	  and a week, from each drive that has a replica.
 *
 * The sample are the blocks whose hash ends in one of three bytes of 256, which a
 * partial index has in the order in which they came; of each age a row of
 * pocket_data.watch says how far it is.  A transaction that was longer than an age
 * brings its blocks behind that row: the next age has them.
 */
#include "cell/cell.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/spi.h"
#include "blocks/blocks.h"
#include "cell/finding.h"

#define VERIFIER "watcher"
#define BLOCKS_PER_STEP 32 /* of each age; no more than PK_WATCH_MAX */
#define AGAIN_PER_PASS 4
#define LITERAL_(n) #n
#define LITERAL(n) LITERAL_(n)

StaticAssertDecl(BLOCKS_PER_STEP <= PK_WATCH_MAX, "one order has them all");

/* Of one extent what is to be read from it. */
typedef struct Watch
{
	int64 drive_id;
	int64 bucket_id;
	bool open;
	char *blocks; /* JSON array */
	char file[PK_EXTENT_FILE];
} Watch;

#define SAMPLED "pg_catalog.get_byte(k.hash::bytea, 31) < 3"
#define AS_JSON                                                                                                   \
	"pg_catalog.jsonb_build_object('offset', k.\"offset\", 'stored_length', k.stored_length, 'length', k.length," \
	" 'hash', pg_catalog.encode(k.hash::bytea, 'hex'))"

/* What is wrong with what was asked for, as a finding; a finding that was there is cleared when nothing is. */
static void
judge(const Watch *watch, const PocketOrder *order)
{
	static PocketPlan bad = {
		"SELECT (pg_catalog.array_agg(p.problem ORDER BY p.\"offset\"))[1], pg_catalog.count(*),"
		" pg_catalog.jsonb_build_object('bucket', $3, 'blocks', (SELECT pg_catalog.jsonb_agg(b)"
		" FROM pg_catalog.jsonb_array_elements($2::jsonb) b WHERE b -> 'offset' = ANY (pg_catalog.array_agg("
		"pg_catalog.to_jsonb(p.\"offset\")))))::text"
		" FROM pg_catalog.jsonb_to_recordset($1::jsonb -> 'problems') AS p (\"offset\" int8, problem text)"
		" HAVING pg_catalog.count(*) > 0",
		"text text int8", NULL, NULL};
	PocketFinding finding = {.verifier = VERIFIER,
							 .object = pocket_extent_name(watch->file, watch->drive_id),
							 .drive_id = watch->drive_id,
							 .file = watch->file};
	Datum values[3] = {CStringGetTextDatum(order->answer), CStringGetTextDatum(watch->blocks),
					   Int64GetDatum(watch->bucket_id)};

	pocket_finding_doubt(VERIFIER, finding.object);
	if (pocket_write(&bad, values, NULL) > 0)
	{
		finding.problem = psprintf(INT64_FORMAT " of its blocks could not be read back: %s", pocket_column_int64(0, 2),
								   pocket_column_text(0, 1));
		finding.detail = pocket_column_text(0, 3);
	}
	pocket_free_rows();
	if (finding.problem == NULL)
	{
		pocket_finding_clear(VERIFIER, finding.object);
		return;
	}
	if (!pocket_finding_note(&finding))
		return;
	/* an open bucket is sealed for it, and repaired then; of a sealed one the checksums decide */
	if (watch->open)
		(void) pocket_extent_damaged(watch->drive_id, watch->file, finding.problem);
	else
		pocket_extent_suspect(watch->drive_id, watch->bucket_id);
}

/* Rows of find: drive, its uuid, its node, bucket, whether that is open, blocks. Returns how many extents were asked. */
static int
watch_extents(PocketPlan *find, const Datum *values)
{
	int count = (int) pocket_write(find, values, NULL);
	Watch *watches = palloc0(sizeof(Watch) * Max(count, 1));
	PocketOrder *orders = palloc0(sizeof(PocketOrder) * Max(count, 1));

	for (int i = 0; i < count; i++)
	{
		Watch *watch = &watches[i];

		watch->drive_id = pocket_column_int64(i, 1);
		watch->bucket_id = pocket_column_int64(i, 4);
		watch->open = pocket_column_bool(i, 5);
		watch->blocks = pocket_column_text(i, 6);
		pk_extent_file(watch->file, PK_EXTENT_BUCKET, (uint64) watch->bucket_id, 0);
		orders[i].node = pocket_column_text(i, 3);
		orders[i].verb = "watch";
		orders[i].body = psprintf("{\"drive\": \"%s\", \"bucket\": " INT64_FORMAT ", \"blocks\": %s}",
								  pocket_column_text(i, 2), watch->bucket_id, watch->blocks);
	}
	pocket_free_rows();
	pocket_orders(orders, count);
	for (int i = 0; i < count; i++)
	{
		if (orders[i].error == PK_OK)
			judge(&watches[i], &orders[i]);
		else if (orders[i].error == PK_ERR_NOT_FOUND)
			(void) pocket_extent_damaged(watches[i].drive_id, watches[i].file, "its drive does not have it");
		else
			ereport(WARNING, (errmsg("blocks of %s could not be read back: %s",
									 pocket_extent_name(watches[i].file, watches[i].drive_id), orders[i].problem)));
	}
	return count;
}

#define WHERE_EXTENTS_ARE                                                                                   \
	" JOIN pocket_data.bucket b ON b.bucket_id = x.bucket_id"                                               \
	" JOIN pocket_data.extent e ON e.bucket_id = x.bucket_id AND e.role <> 'parity' AND e.state = 'ok'"     \
	" JOIN pocket_data.drive d ON d.drive_id = e.drive_id AND d.state IN ('ok', 'draining', 'quarantined')" \
	" JOIN pocket_data.node n ON n.node_id = d.node_id AND n.state = 'up'"

/* What was found is looked at again, as far as there are rows for it. */
static void
look_again(void)
{
	static PocketPlan find = {
		"SELECT e.drive_id, d.uuid::text, n.url, x.bucket_id, b.state = 'open', x.blocks::text FROM (SELECT f.drive_id,"
		" (f.detail ->> 'bucket')::int8 AS bucket_id, pg_catalog.jsonb_agg(" AS_JSON ") AS blocks"
		" FROM (SELECT * FROM pocket_data.finding WHERE verifier = '" VERIFIER "' ORDER BY pg_catalog.random()"
		" LIMIT " LITERAL(AGAIN_PER_PASS) ") f"
										  " CROSS JOIN LATERAL pg_catalog.jsonb_array_elements(f.detail -> 'blocks') j"
										  " JOIN pocket_data.block k ON k.bucket_id = (f.detail ->> 'bucket')::int8"
										  " AND k.\"offset\" = (j ->> 'offset')::int8"
										  " GROUP BY f.drive_id, f.detail) x" WHERE_EXTENTS_ARE
										  " AND d.drive_id = x.drive_id",
		"", NULL, NULL};
	static PocketPlan forget = {
		"DELETE FROM pocket_data.finding f WHERE f.verifier = '" VERIFIER "' AND NOT EXISTS"
		" (SELECT FROM pg_catalog.jsonb_array_elements(f.detail -> 'blocks') j JOIN pocket_data.block k"
		" ON k.bucket_id = (f.detail ->> 'bucket')::int8 AND k.\"offset\" = (j ->> 'offset')::int8)",
		"", NULL, NULL};

	pocket_findings_forget(VERIFIER);
	(void) pocket_write(&forget, NULL, NULL);
	(void) watch_extents(&find, NULL);
}

/* The next blocks of an age; returns how many. */
static int
watch_some(Datum age)
{
	static PocketPlan bound = {
		"SELECT (pg_catalog.array_agg(y.created_at))[pg_catalog.count(*)], (pg_catalog.array_agg(y.hash::bytea))["
		"pg_catalog.count(*)], pg_catalog.count(*)::int4 FROM (SELECT k.created_at, k.hash FROM pocket_data.watch w"
		" JOIN pocket_data.block k ON " SAMPLED " AND k.created_at >= w.created_at"
		" AND (k.created_at > w.created_at OR k.hash OPERATOR(pocket.>) w.hash)"
		" AND k.created_at <= pg_catalog.clock_timestamp() - w.age WHERE w.age = $1"
		" ORDER BY k.created_at, k.hash USING OPERATOR(pocket.<) LIMIT " LITERAL(BLOCKS_PER_STEP) ") y",
		"interval", NULL, NULL};
	static PocketPlan find = {
		"SELECT e.drive_id, d.uuid::text, n.url, x.bucket_id, b.state = 'open',"
		" pg_catalog.jsonb_agg(x.json)::text FROM (SELECT k.bucket_id, " AS_JSON " AS json FROM pocket_data.watch w"
		" JOIN pocket_data.block k ON " SAMPLED " AND k.created_at >= w.created_at"
		" AND (k.created_at > w.created_at OR k.hash OPERATOR(pocket.>) w.hash) AND k.created_at <= $2"
		" AND (k.created_at < $2 OR k.hash OPERATOR(pocket.<=) $3::pocket.sha256) WHERE w.age = $1"
		" ORDER BY k.created_at, k.hash USING OPERATOR(pocket.<) LIMIT " LITERAL(
			PK_WATCH_MAX) ") x" WHERE_EXTENTS_ARE " GROUP BY e.drive_id, d.uuid, n.url, x.bucket_id, b.state",
		"interval timestamptz bytea", NULL, NULL};
	static PocketPlan advance = {
		"UPDATE pocket_data.watch SET created_at = $2, hash = $3::pocket.sha256, done = done + $4 WHERE age = $1",
		"interval timestamptz bytea int4", NULL, NULL};
	Datum values[4] = {age, (Datum) 0, (Datum) 0, (Datum) 0};
	int count;

	(void) pocket_write(&bound, values, NULL);
	count = pocket_column_int32(0, 3);
	if (count > 0)
	{
		values[1] = Int64GetDatum(pocket_column_int64(0, 1));
		values[2] = PointerGetDatum(pocket_column_varlena(0, 2));
	}
	pocket_free_rows();
	if (count == 0)
		return 0;
	(void) watch_extents(&find, values);
	values[3] = Int32GetDatum(count);
	(void) pocket_write(&advance, values, NULL);
	return count;
}

void
pocket_duty_watch(PocketPass *pass)
{
	static PocketPlan ages = {"SELECT age FROM pocket_data.watch ORDER BY age", "", NULL, NULL};
	int count;
	Datum *age;

	look_again();
	count = (int) pocket_write(&ages, NULL, NULL);
	age = palloc(sizeof(Datum) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		bool is_null;
		Interval *copy = palloc(sizeof(Interval));

		*copy = *DatumGetIntervalP(pocket_column(i, 1, &is_null));
		age[i] = IntervalPGetDatum(copy);
	}
	pocket_free_rows();
	for (int i = 0; i < count; i++)
	{
		int done;

		do
		{
			CHECK_FOR_INTERRUPTS();
			done = watch_some(age[i]);
			pass->done += done;
		} while (pass->by_hand && done > 0);
	}
}
