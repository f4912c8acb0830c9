/*
 * open.c
 *	  Duty open: keeps pocket.open_buckets ready for blocks.
 *
 * Drives are taken by how few open buckets they have, then by how empty they
 * are with some chance in it, so that all fill evenly and six buckets can later
 * be found on six drives.  No row of a drive is written here: the opener must not
 * wait for a pass.
 */
#include "cell/cell.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"

#include "base/guc.h"
#include "base/spi.h"
#include "blocks/blocks.h"

#define TRIES_MAX 3

/* A drive with less room than this gets no new bucket; on a small one a bucket has at most its share of the room. */
#define ROOM_MIN (INT64CONST(8) << 20)
#define ROOM_SHARE 8
#define CAPACITY_MIN (INT64CONST(5) << 20)

typedef struct NewBucket
{
	int64 bucket_id;
	int64 volume_id;
	int64 node_id;
	char *url;
	int64 capacity;
	int count;
	int64 drives[PK_MEMBERS_MAX];
	char *uuids[PK_MEMBERS_MAX];
} NewBucket;

static int64
count_open(void)
{
	static PocketPlan count = {
		"SELECT pg_catalog.count(*) FROM pocket_data.bucket b"
		" JOIN pocket_data.volume v ON v.volume_id = b.volume_id JOIN pocket_data.node n ON n.node_id = v.node_id"
		" WHERE b.state = 'open' AND n.state = 'up'"
		" AND NOT EXISTS (SELECT FROM pocket_data.extent e JOIN pocket_data.drive d ON d.drive_id = e.drive_id"
		" WHERE e.volume_id = v.volume_id AND (d.state <> 'ok' OR e.state <> 'ok'))",
		"", NULL, NULL};
	int64 open;

	(void) pocket_write(&count, NULL, NULL);
	open = pocket_column_int64(0, 1);
	pocket_free_rows();
	return open;
}

/*
 * The drives that their nodes call well and that have room at this moment: rows
 * may be older, and a bucket on a drive that has just gone could not be opened.
 */
static Datum
drives_well_now(const PocketNodesStatus *status)
{
	static PocketPlan parse = {
		"SELECT coalesce(pg_catalog.array_agg(s.uuid), '{}') FROM pg_catalog.unnest($1) t,"
		" pg_catalog.jsonb_to_recordset(t::jsonb -> 'drives') AS s (uuid uuid, state text, available int8)"
		" WHERE s.uuid IS NOT NULL AND s.state = 'ok' AND s.available >= $2",
		"text[] int8", NULL, NULL};
	Datum *answers = palloc(sizeof(Datum) * Max(status->count, 1));
	Datum values[2];
	Datum well;
	int answered = 0;
	bool is_null;

	for (int i = 0; i < status->count; i++)
	{
		if (status->orders[i].error == PK_OK)
			answers[answered++] = CStringGetTextDatum(status->orders[i].answer);
	}
	values[0] = PointerGetDatum(construct_array(answers, answered, TEXTOID, -1, false, TYPALIGN_INT));
	values[1] = Int64GetDatum(ROOM_MIN);
	(void) pocket_write(&parse, values, NULL);
	well = datumCopy(pocket_column(0, 1, &is_null), false, -1);
	pocket_free_rows();
	return well;
}

/* The node with the most drives that have room, up to what is wanted; among equals the one with fewest open buckets. */
static bool
choose_drives(NewBucket *bucket, int replicas, Datum well)
{
	static PocketPlan choose = {
		"WITH fit AS (SELECT d.drive_id, d.node_id, d.uuid, d.available,"
		" 1 - d.available::float8 / greatest(d.used + d.available, 1) AS fill,"
		" (SELECT pg_catalog.count(*) FROM pocket_data.extent e JOIN pocket_data.bucket b ON b.bucket_id = e.bucket_id"
		" WHERE e.drive_id = d.drive_id AND b.state = 'open') AS open"
		" FROM pocket_data.drive d JOIN pocket_data.node n ON n.node_id = d.node_id"
		" WHERE d.uuid = ANY ($2) AND d.state <> 'failed'),"
		" best AS (SELECT f.node_id FROM fit f GROUP BY f.node_id"
		" ORDER BY least(pg_catalog.count(*), $1) DESC, pg_catalog.sum(f.open), pg_catalog.random() LIMIT 1)"
		" SELECT f.drive_id, f.uuid::text, n.node_id, n.url, f.available FROM fit f JOIN best ON best.node_id = "
		"f.node_id"
		" JOIN pocket_data.node n ON n.node_id = f.node_id"
		" ORDER BY f.open, f.fill * (0.9 + 0.2 * pg_catalog.random()), pg_catalog.random() LIMIT $1",
		"int8 uuid[]", NULL, NULL};
	Datum values[2] = {Int64GetDatum(Min(replicas, PK_MEMBERS_MAX)), well};

	int64 room = PG_INT64_MAX;

	bucket->count = (int) pocket_write(&choose, values, NULL);
	for (int i = 0; i < bucket->count; i++)
	{
		bucket->drives[i] = pocket_column_int64(i, 1);
		bucket->uuids[i] = pocket_column_text(i, 2);
		bucket->node_id = pocket_column_int64(i, 3);
		bucket->url = pocket_column_text(i, 4);
		room = Min(room, pocket_column_int64(i, 5));
	}
	pocket_free_rows();
	bucket->capacity = Min((int64) pocket_bucket_size_kb * 1024, Max(room / ROOM_SHARE, CAPACITY_MIN));
	return bucket->count > 0;
}

static char *
open_json(const NewBucket *bucket)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfo(&json,
					 "{\"volume\": " INT64_FORMAT ", \"bucket\": " INT64_FORMAT
					 ", \"generation\": 1, \"capacity\": " INT64_FORMAT ", \"drives\": [",
					 bucket->volume_id, bucket->bucket_id, bucket->capacity);
	for (int i = 0; i < bucket->count; i++)
		appendStringInfo(&json, "%s\"%s\"", i == 0 ? "" : ", ", bucket->uuids[i]);
	appendStringInfoString(&json, "]}");
	return json.data;
}

static void
insert_bucket(const NewBucket *bucket)
{
	static PocketPlan volume = {
		"INSERT INTO pocket_data.volume (volume_id, node_id, code, state, generation, changed_at)"
		" VALUES ($1, $2, 'replicated', 'open', 1, pg_catalog.clock_timestamp())",
		"int8 int8", NULL, NULL};
	static PocketPlan row = {"INSERT INTO pocket_data.bucket (bucket_id, volume_id, state, capacity, length, opened_at)"
							 " VALUES ($1, $2, 'open', $3, 0, pg_catalog.clock_timestamp())",
							 "int8 int8 int8", NULL, NULL};
	static PocketPlan extent = {
		"INSERT INTO pocket_data.extent (volume_id, position, role, bucket_id, drive_id, state, length)"
		" VALUES ($1, $2, 'replica', $3, $4, 'ok', 0)",
		"int8 int4 int8 int8", NULL, NULL};
	Datum values[4] = {Int64GetDatum(bucket->volume_id), Int64GetDatum(bucket->node_id)};

	(void) pocket_write(&volume, values, NULL);
	values[0] = Int64GetDatum(bucket->bucket_id);
	values[1] = Int64GetDatum(bucket->volume_id);
	values[2] = Int64GetDatum(bucket->capacity);
	(void) pocket_write(&row, values, NULL);
	for (int i = 0; i < bucket->count; i++)
	{
		values[0] = Int64GetDatum(bucket->volume_id);
		values[1] = Int32GetDatum(i);
		values[2] = Int64GetDatum(bucket->bucket_id);
		values[3] = Int64GetDatum(bucket->drives[i]);
		(void) pocket_write(&extent, values, NULL);
	}
}

/* False when no drive has room; an order that fails leaves *opened false. */
static bool
open_one(int replicas, Datum well, bool *opened)
{
	NewBucket bucket = {0};
	PocketOrder order = {0};

	*opened = false;
	if (!choose_drives(&bucket, replicas, well))
		return false;
	bucket.bucket_id = pocket_placement_id(pocket_placement_next());
	bucket.volume_id = pocket_placement_id(pocket_placement_next());
	order.node = bucket.url;
	order.verb = "open";
	order.body = open_json(&bucket);
	pocket_orders(&order, 1);
	if (order.error != PK_OK)
	{
		ereport(WARNING, (errmsg("node %s could not open a bucket: %s", bucket.url, order.problem)));
		return true;
	}
	insert_bucket(&bucket);
	*opened = true;
	return true;
}

void
pocket_duty_open(PocketPass *pass)
{
	pk_code code;
	int64 missing = pocket_open_buckets - count_open();
	int failures = 0;
	Datum well;

	if (missing <= 0)
		return;
	well = drives_well_now(pocket_pass_status(pass));
	pocket_cell_code(&code);
	while (missing > 0 && failures < TRIES_MAX)
	{
		bool opened;

		if (!open_one(pocket_cell_replicas(&code), well, &opened))
			break;
		if (opened)
		{
			missing--;
			pass->done++;
		}
		else
			failures++;
	}
	pass->remaining = Max(missing, 0);
}
