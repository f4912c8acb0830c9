/*
 * open.c
 *	  Duty open: keeps pocket.open_buckets ready for blocks.
 *
 * Replicas are spread over failure domains (placement/domain.h); among equals
 * drives are taken by how few open buckets they have, then by how empty they are
 * with some chance in it, so that all fill evenly and six buckets can later be
 * found on six drives.  A bucket with fewer replicas than pocket.replicas asks
 * for is not opened.  No row of a drive is written here: the opener must not wait
 * for a pass.
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
#include "cell/place.h"

#define FAILURES_MAX 6

/* On a small drive a bucket has at most its share of the room. */
#define ROOM_SHARE 8
#define CAPACITY_MIN (INT64CONST(5) << 20)

typedef struct NewBucket
{
	int64 bucket_id;
	int64 volume_id;
	int64 capacity;
	int count;
	const PocketDrive *drives[PK_MEMBERS_MAX];
	const PocketDrive *primary; /* whose node writes to all of them */
} NewBucket;

/* What may be chosen among, in one pass. */
typedef struct Opening
{
	Datum well; /* uuids of drives that are well at this moment */
	int replicas;
	int left_out_count;
	Datum left_out[FAILURES_MAX]; /* nodes that could not, or whose drives could not be reached */
} Opening;

static int64
count_open(void)
{
	static PocketPlan count = {
		"SELECT pg_catalog.count(*) FROM pocket_data.bucket b"
		" JOIN pocket_data.volume v ON v.volume_id = b.volume_id JOIN pocket_data.node n ON n.node_id = v.node_id"
		" WHERE b.state = 'open' AND n.state = 'up'"
		" AND NOT EXISTS (SELECT FROM pocket_data.extent e JOIN pocket_data.drive d ON d.drive_id = e.drive_id"
		" WHERE e.volume_id = v.volume_id AND (d.state <> 'ok' OR e.state <> 'ok'))"
		" AND (SELECT pg_catalog.count(*) FROM pocket_data.extent e WHERE e.volume_id = v.volume_id) >= $1",
		"int4", NULL, NULL};
	Datum values[1] = {Int32GetDatum(pocket_replicas)};
	int64 open;

	(void) pocket_write(&count, values, NULL);
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
	values[1] = Int64GetDatum(POCKET_ROOM_MIN);
	(void) pocket_write(&parse, values, NULL);
	well = datumCopy(pocket_column(0, 1, &is_null), false, -1);
	pocket_free_rows();
	return well;
}

static void
load_drives(PocketDrives *drives, const Opening *opening)
{
	static PocketPlan load = {
		"SELECT d.drive_id, d.uuid::text, n.node_id, n.url, n.zone_id, d.available"
		" FROM pocket_data.drive d JOIN pocket_data.node n ON n.node_id = d.node_id"
		" WHERE d.uuid = ANY ($1) AND d.drain IS NULL AND d.state <> 'failed' AND n.node_id <> ALL ($2)"
		" ORDER BY (SELECT pg_catalog.count(*) FROM pocket_data.extent e"
		" JOIN pocket_data.bucket b ON b.bucket_id = e.bucket_id WHERE e.drive_id = d.drive_id AND b.state = 'open'),"
		" (1 - d.available::float8 / greatest(d.used + d.available, 1)) * (0.9 + 0.2 * pg_catalog.random()),"
		" pg_catalog.random()",
		"uuid[] int8[]", NULL, NULL};
	Datum values[2] = {opening->well,
					   PointerGetDatum(construct_array((Datum *) opening->left_out, opening->left_out_count, INT8OID,
													   sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE))};

	pocket_drives_take(drives, pocket_write(&load, values, NULL));
}

/* The drive whose node is primary of the fewest open buckets. */
static const PocketDrive *
choose_primary(const NewBucket *bucket)
{
	static PocketPlan choose = {
		"SELECT u.i FROM pg_catalog.unnest($1) WITH ORDINALITY u (node_id, i) ORDER BY (SELECT pg_catalog.count(*)"
		" FROM pocket_data.volume v WHERE v.node_id = u.node_id AND v.state = 'open'), u.i LIMIT 1",
		"int8[]", NULL, NULL};
	Datum nodes[PK_MEMBERS_MAX];
	Datum values[1];
	int64 chosen;

	for (int i = 0; i < bucket->count; i++)
		nodes[i] = Int64GetDatum(bucket->drives[i]->node_id);
	values[0] = PointerGetDatum(
		construct_array(nodes, bucket->count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	(void) pocket_write(&choose, values, NULL);
	chosen = pocket_column_int64(0, 1);
	pocket_free_rows();
	return bucket->drives[chosen - 1];
}

/* False when there are too few drives. */
static bool
choose_drives(NewBucket *bucket, const Opening *opening)
{
	PocketDrives drives;
	int chosen[PK_MEMBERS_MAX];
	int64 room = PG_INT64_MAX;

	load_drives(&drives, opening);
	bucket->count = pocket_drives_choose(&drives, NULL, 0, 0, opening->replicas, opening->replicas - 1, chosen, NULL);
	if (bucket->count < Max(pocket_replicas, 1))
		return false;
	for (int i = 0; i < bucket->count; i++)
	{
		bucket->drives[i] = &drives.drives[chosen[i]];
		room = Min(room, bucket->drives[i]->available);
	}
	bucket->capacity = Min((int64) pocket_bucket_size_kb * 1024, Max(room / ROOM_SHARE, CAPACITY_MIN));
	bucket->primary = choose_primary(bucket);
	return true;
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
		appendStringInfo(&json, "%s\"%s\"", i == 0 ? "" : ", ", bucket->drives[i]->uuid);
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
	Datum values[4] = {Int64GetDatum(bucket->volume_id), Int64GetDatum(bucket->primary->node_id)};

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
		values[3] = Int64GetDatum(bucket->drives[i]->drive_id);
		(void) pocket_write(&extent, values, NULL);
	}
}

/* The primary when it did not answer; else any of the others: which drive it could not open only its message tells. */
static void
leave_out(Opening *opening, const NewBucket *bucket, pk_error error)
{
	const PocketDrive *blamed = bucket->primary;

	for (int i = 0; i < bucket->count && error != PK_ERR_UNAVAILABLE; i++)
	{
		if (bucket->drives[i]->node_id != bucket->primary->node_id)
			blamed = bucket->drives[i];
	}
	opening->left_out[opening->left_out_count++] = Int64GetDatum(blamed->node_id);
}

/* False when too few drives have room; an order that fails leaves *opened false. */
static bool
open_one(Opening *opening, bool *opened)
{
	NewBucket bucket = {0};
	PocketOrder order = {0};

	*opened = false;
	if (!choose_drives(&bucket, opening))
		return false;
	bucket.bucket_id = pocket_placement_id(pocket_placement_next());
	bucket.volume_id = pocket_placement_id(pocket_placement_next());
	order.node = bucket.primary->url;
	order.verb = "open";
	order.body = open_json(&bucket);
	pocket_orders(&order, 1);
	if (order.error != PK_OK)
	{
		ereport(WARNING, (errmsg("node %s could not open a bucket: %s", order.node, order.problem)));
		leave_out(opening, &bucket, order.error);
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
	Opening opening = {0};

	if (missing <= 0)
		return;
	opening.well = drives_well_now(pocket_pass_status(pass));
	pocket_map_push(pass);
	pocket_cell_code(&code);
	opening.replicas = pocket_cell_replicas(&code);
	while (missing > 0 && opening.left_out_count < FAILURES_MAX)
	{
		bool opened;

		if (!open_one(&opening, &opened))
			break;
		if (opened)
		{
			missing--;
			pass->done++;
		}
	}
	pass->remaining = Max(missing, 0);
}
