/*
 * seal.c
 *	  Duty seal: open buckets that are full, idle, hurt or known to be closed.
 *
 * How full a bucket is, its block rows tell; receipts that were never used do
 * not count.  Which buckets it still takes blocks for, the node tells: one that
 * was started again, or met a drive that does not write, has closed some.  When
 * drives have come, buckets that would be spread better now make room for such.
 * A sealed bucket without a byte is forgotten.
 */
#include "cell/cell.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "base/guc.h"
#include "base/spi.h"
#include "blocks/blocks.h"
#include "cell/place.h"

typedef struct Sealing
{
	int64 bucket_id;
	int64 volume_id;
	int64 ends; /* of the last block that rows know */
	PocketOrder *order;
} Sealing;

/* The nodes that answer, and what they say, as arrays. */
static void
nodes_say(const PocketNodesStatus *status, Datum *ids, Datum *answers)
{
	Datum *id = palloc(sizeof(Datum) * Max(status->count, 1));
	Datum *answer = palloc(sizeof(Datum) * Max(status->count, 1));
	int answered = 0;

	for (int i = 0; i < status->count; i++)
	{
		if (status->orders[i].error != PK_OK)
			continue;
		id[answered] = Int64GetDatum(status->ids[i]);
		answer[answered++] = CStringGetTextDatum(status->orders[i].answer);
	}
	*ids = PointerGetDatum(construct_array(id, answered, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	*answers = PointerGetDatum(construct_array(answer, answered, TEXTOID, -1, false, TYPALIGN_INT));
}

static int
count_different(const PocketDrives *drives, const int *chosen, int count, bool zones)
{
	int different = 0;

	for (int i = 0; i < count; i++)
	{
		bool seen = false;

		for (int j = 0; j < i; j++)
		{
			const PocketDrive *a = &drives->drives[chosen[i]];
			const PocketDrive *b = &drives->drives[chosen[j]];

			seen |= zones ? a->zone_id == b->zone_id : a->node_id == b->node_id;
		}
		different += !seen;
	}
	return different;
}

/* On how many drives, nodes and zones a bucket would be that is opened now. */
static void
best_spread(Datum *replicas, Datum *nodes, Datum *zones)
{
	PocketDrives drives;
	pk_code code;
	int chosen[PK_MEMBERS_MAX];
	int wanted;
	int count;

	pocket_cell_code(&code);
	wanted = pocket_cell_replicas(&code);
	pocket_drives_load(&drives);
	count = pocket_drives_choose(&drives, NULL, 0, POCKET_ROOM_MIN, wanted, wanted - 1, chosen, NULL);
	*replicas = Int32GetDatum(count);
	*nodes = Int32GetDatum(count_different(&drives, chosen, count, false));
	*zones = Int32GetDatum(count_different(&drives, chosen, count, true));
}

static Sealing *
find_due(PocketPass *pass, const int64 *closed, int closed_count, int *count)
{
	static PocketPlan due = {
		"SELECT b.bucket_id, b.volume_id, coalesce(last.ends, 0), n.url FROM pocket_data.bucket b"
		" JOIN pocket_data.volume v ON v.volume_id = b.volume_id JOIN pocket_data.node n ON n.node_id = v.node_id"
		" LEFT JOIN LATERAL (SELECT k.\"offset\" + k.stored_length AS ends, k.created_at FROM pocket_data.block k"
		" WHERE k.bucket_id = b.bucket_id ORDER BY k.\"offset\" DESC LIMIT 1) last ON true"
		" WHERE b.state = 'open' AND v.node_id = ANY ($4) AND (b.bucket_id = ANY ($1) OR ($2 AND last.ends > 0)"
		" OR last.ends >= b.capacity / 8 * 7"
		" OR last.created_at < pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => $3)"
		" OR EXISTS (SELECT FROM pocket_data.extent e JOIN pocket_data.drive d ON d.drive_id = e.drive_id"
		" WHERE e.volume_id = b.volume_id AND (d.state <> 'ok' OR e.state <> 'ok'))"
		" OR EXISTS (SELECT FROM pocket_data.extent e JOIN pocket_data.drive d ON d.drive_id = e.drive_id"
		" JOIN pocket_data.node m ON m.node_id = d.node_id WHERE e.volume_id = b.volume_id"
		" HAVING pg_catalog.count(*) < $10 OR (b.opened_at < (SELECT pg_catalog.max(w.well_at)"
		" FROM pocket_data.drive w WHERE w.state = 'ok') AND (pg_catalog.count(*) < $7"
		" OR pg_catalog.count(DISTINCT m.node_id) < $8 OR pg_catalog.count(DISTINCT m.zone_id) < $9)))"
		" OR EXISTS (SELECT FROM ROWS FROM (pg_catalog.unnest($4), pg_catalog.unnest($5)) AS s (node_id, status)"
		" WHERE s.node_id = v.node_id AND b.opened_at < $6"
		" AND pg_catalog.jsonb_typeof(s.status::jsonb -> 'open') = 'array'"
		" AND NOT (s.status::jsonb -> 'open') @> pg_catalog.to_jsonb(b.bucket_id))) ORDER BY b.bucket_id",
		"int8[] bool float8 int8[] text[] timestamptz int4 int4 int4 int4", NULL, NULL};
	Datum *ids = palloc(sizeof(Datum) * Max(closed_count, 1));
	Datum values[10];
	Sealing *sealings;

	for (int i = 0; i < closed_count; i++)
		ids[i] = Int64GetDatum(closed[i]);
	values[0] =
		PointerGetDatum(construct_array(ids, closed_count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[1] = BoolGetDatum(pass->by_hand);
	values[2] = Float8GetDatum(pocket_bucket_idle_ms / 1000.0);
	/* what was opened after a node was asked it could not name */
	values[5] = TimestampTzGetDatum(pocket_pass_status(pass)->asked);
	nodes_say(pass->status, &values[3], &values[4]);
	best_spread(&values[6], &values[7], &values[8]);
	values[9] = Int32GetDatum(pocket_replicas);
	*count = (int) pocket_write(&due, values, NULL);
	sealings = palloc0(sizeof(Sealing) * Max(*count, 1));
	for (int i = 0; i < *count; i++)
	{
		sealings[i].bucket_id = pocket_column_int64(i, 1);
		sealings[i].volume_id = pocket_column_int64(i, 2);
		sealings[i].ends = pocket_column_int64(i, 3);
		sealings[i].order = palloc0(sizeof(PocketOrder));
		sealings[i].order->node = pocket_column_text(i, 4);
		sealings[i].order->verb = "seal";
		sealings[i].order->body = psprintf("{\"bucket\": " INT64_FORMAT "}", sealings[i].bucket_id);
	}
	pocket_free_rows();
	return sealings;
}

static void
book_sealed(const Sealing *sealing, int64 length, bool lost)
{
	static PocketPlan bucket = {"UPDATE pocket_data.bucket SET state = 'sealed', length = $2,"
								" sealed_at = pg_catalog.clock_timestamp() WHERE bucket_id = $1 AND state = 'open'",
								"int8 int8", NULL, NULL};
	static PocketPlan volume = {
		"UPDATE pocket_data.volume SET state = 'sealed', changed_at = pg_catalog.clock_timestamp(),"
		" changed = pg_catalog.pg_current_xact_id()"
		" WHERE volume_id = $1 AND state = 'open'",
		"int8", NULL, NULL};
	static PocketPlan extents = {
		"UPDATE pocket_data.extent SET length = $2, scrubbed_at = pg_catalog.clock_timestamp(),"
		" state = CASE WHEN $3 THEN 'lost' ELSE state END,"
		" problem = CASE WHEN $3 THEN 'no drive has the bucket' ELSE problem END WHERE volume_id = $1",
		"int8 int8 bool", NULL, NULL};
	Datum values[3] = {Int64GetDatum(sealing->bucket_id), Int64GetDatum(length), BoolGetDatum(lost)};

	(void) pocket_write(&bucket, values, NULL);
	values[0] = Int64GetDatum(sealing->volume_id);
	(void) pocket_write(&volume, values, NULL);
	(void) pocket_write(&extents, values, NULL);
}

/* No record, so no receipt and no row: nothing can ask for it. */
static void
forget_empty(const Sealing *sealing)
{
	static PocketPlan extents = {"DELETE FROM pocket_data.extent WHERE volume_id = $1", "int8", NULL, NULL};
	static PocketPlan bucket = {"DELETE FROM pocket_data.bucket WHERE bucket_id = $1", "int8", NULL, NULL};
	static PocketPlan volume = {"DELETE FROM pocket_data.volume WHERE volume_id = $1", "int8", NULL, NULL};
	Datum values[1] = {Int64GetDatum(sealing->volume_id)};
	int count;
	PocketMember *members = pocket_members_load(sealing->volume_id, &count);

	(void) pocket_write(&extents, values, NULL);
	/* what is not sealed, as its drive was away and has failed since, no node would drop */
	for (int i = 0; i < count; i++)
	{
		if (members[i].extent_well)
			pocket_intend_drop(members[i].drive_id, sealing->bucket_id, 0, 0);
	}
	values[0] = Int64GetDatum(sealing->bucket_id);
	(void) pocket_write(&bucket, values, NULL);
	values[0] = Int64GetDatum(sealing->volume_id);
	(void) pocket_write(&volume, values, NULL);
}

static bool
all_drives_gone(int64 volume_id)
{
	int count;
	PocketMember *members = pocket_members_load(volume_id, &count);

	for (int i = 0; i < count; i++)
	{
		if (!members[i].drive_gone)
			return false;
	}
	return true;
}

#define AWAY "it was away when the bucket was sealed"

/* The drives that could not be reached, or not be sealed at the bucket's length: what they have is made anew. */
static void
note_absent(const Sealing *sealing)
{
	static PocketPlan mark = {"UPDATE pocket_data.extent e SET state = CASE WHEN x.absent THEN 'damaged' ELSE 'ok' END,"
							  " problem = CASE WHEN x.absent THEN '" AWAY "' END FROM (SELECT d.drive_id,"
							  " coalesce(($2::jsonb -> 'absent') @> pg_catalog.to_jsonb(d.uuid::text), false) AS absent"
							  " FROM pocket_data.drive d) x WHERE e.volume_id = $1 AND x.drive_id = e.drive_id"
							  " AND (e.state = 'ok') = x.absent AND (e.state = 'ok' OR e.problem = '" AWAY "')",
							  "int8 text", NULL, NULL};
	Datum values[2] = {Int64GetDatum(sealing->volume_id), CStringGetTextDatum(sealing->order->answer)};

	(void) pocket_write(&mark, values, NULL);
}

/* Then it is asked to be sealed again: what is not sealed everywhere can not be dropped everywhere. */
static bool
absent_may_return(int64 volume_id)
{
	static PocketPlan find = {"SELECT FROM pocket_data.extent e JOIN pocket_data.drive d ON d.drive_id = e.drive_id"
							  " WHERE e.volume_id = $1 AND e.state <> 'ok' AND d.state <> 'failed'",
							  "int8", NULL, NULL};
	Datum values[1] = {Int64GetDatum(volume_id)};

	return pocket_write(&find, values, NULL) > 0;
}

static bool
book(const Sealing *sealing)
{
	const PocketOrder *order = sealing->order;
	int64 length;

	if (order->error != PK_OK)
	{
		/* What no drive has can only be booked as lost; a drive that comes back revives it. */
		if (order->error == PK_ERR_UNAVAILABLE || !all_drives_gone(sealing->volume_id))
		{
			ereport(WARNING,
					(errmsg("bucket " INT64_FORMAT " could not be sealed: %s", sealing->bucket_id, order->problem)));
			return false;
		}
		book_sealed(sealing, sealing->ends, true);
		return true;
	}
	note_absent(sealing);
	length = pocket_answer_number(order->answer, "length");
	if (length < sealing->ends)
		ereport(WARNING, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("bucket " INT64_FORMAT " was sealed at " INT64_FORMAT
																  ", but has blocks up to " INT64_FORMAT,
																  sealing->bucket_id, length, sealing->ends)));
	if (length > 0 || sealing->ends > 0)
		book_sealed(sealing, length, false);
	else if (absent_may_return(sealing->volume_id))
		return false;
	else
		forget_empty(sealing);
	return true;
}

void
pocket_seal_closed(PocketPass *pass, const int64 *closed, int closed_count)
{
	int count;
	Sealing *sealings;
	PocketOrder *orders;

	pocket_take_over(true);
	sealings = find_due(pass, closed, closed_count, &count);
	orders = palloc(sizeof(PocketOrder) * Max(count, 1));

	for (int i = 0; i < count; i++)
		orders[i] = *sealings[i].order;
	pocket_orders(orders, count);
	for (int i = 0; i < count; i++)
	{
		*sealings[i].order = orders[i];
		if (book(&sealings[i]))
			pass->done++;
		else
			pass->remaining++;
	}
}

void
pocket_duty_seal(PocketPass *pass)
{
	pocket_seal_closed(pass, NULL, 0);
}
