/*
 * check.c
 *	  Duty check: what every node says of itself and its drives.
 *
 * A node's word about its own drives counts at once.  A node that is silent
 * makes its drives silent, and after pocket.drive_timeout failed; what it worked
 * on another node takes over.  A drive that is to be drained takes no new members.
 */
#include "cell/cell.h"

#include "utils/builtins.h"

#include "base/guc.h"
#include "base/spi.h"
#include "blocks/blocks.h"
#include "placement/placement.h"

/* How long a node may take to say how it is; one that did not answer the last time must not hold up a pass. */
#define STATUS_TIMEOUT_MS 10000
#define DOWN_TIMEOUT_MS 1000

/* A row is written again for its time of sight alone only when that is older than this. */
#define SEEN_STALE "pg_catalog.make_interval(secs => 10)"

#define CAN_BE_READ "d.state NOT IN ('silent', 'failed')"

static void
insert_drives(int64 node_id, const char *status)
{
	static PocketPlan insert = {
		"INSERT INTO pocket_data.drive (uuid, node_id, path, state, problem, capacity, available, used, seen_at)"
		" SELECT s.uuid, $1, s.path, s.state, s.error, coalesce(s.capacity, 0), coalesce(s.available, 0),"
		" coalesce(s.used, 0), pg_catalog.clock_timestamp()"
		" FROM pg_catalog.jsonb_to_recordset($2::jsonb -> 'drives')"
		" AS s (path text, uuid uuid, state text, error text, capacity int8, available int8, used int8)"
		" WHERE s.uuid IS NOT NULL AND s.state IN ('ok', 'quarantined') ORDER BY s.path ON CONFLICT (uuid) DO NOTHING",
		"int8 text", NULL, NULL};
	Datum values[2] = {Int64GetDatum(node_id), CStringGetTextDatum(status)};

	(void) pocket_write(&insert, values, NULL);
}

/* Members, or extents that are to be dropped. */
#define HOLDS_SOMETHING                                                        \
	"(EXISTS (SELECT FROM pocket_data.extent e WHERE e.drive_id = d.drive_id)" \
	" OR EXISTS (SELECT FROM pocket_data.intent i WHERE i.drive_id = d.drive_id AND i.problem IS NULL))"

/* Returns whether a drive that had failed is well again, and whether one has come from another node. */
static void
update_drives(int64 node_id, const char *status, bool *returned, bool *moved)
{
	static PocketPlan update = {
		"WITH said AS (SELECT DISTINCT ON (s.uuid, s.path) s.* FROM pg_catalog.jsonb_to_recordset($2::jsonb -> "
		"'drives')"
		" AS s (path text, uuid uuid, state text, error text, bound bool, capacity int8, available int8, used int8)),"
		" now AS (SELECT DISTINCT ON (d.drive_id) d.drive_id, d.state AS old_state, d.node_id AS old_node,"
		" s.uuid IS NOT NULL AS here, coalesce(s.path, d.path) AS path,"
		" CASE WHEN s.state IN ('ok', 'quarantined') THEN CASE WHEN d.drain IS NULL THEN s.state"
		" WHEN NOT " HOLDS_SOMETHING " THEN 'drained' WHEN s.state = 'ok' THEN 'draining' ELSE s.state END"
		" ELSE 'failed' END AS state,"
		" CASE WHEN s.uuid IS NOT NULL THEN CASE WHEN s.state <> 'ok' THEN coalesce(s.error, s.state)"
		" ELSE (SELECT pg_catalog.format('a copy of it is at %s, and is not used', p.path) FROM said p"
		" WHERE p.uuid = d.uuid AND p.path <> s.path LIMIT 1) END"
		" ELSE coalesce((SELECT CASE WHEN p.uuid IS NULL THEN p.error ELSE pg_catalog.format('another drive is in its "
		"place: %s%s', p.uuid, CASE WHEN p.state = 'foreign' THEN ', of another cell' WHEN NOT p.bound THEN"
		" ', a new one' ELSE '' END) END FROM said p WHERE p.path = d.path AND p.uuid IS DISTINCT FROM d.uuid LIMIT 1),"
		" 'its node does not have it') END AS problem,"
		" coalesce(s.capacity, d.capacity) AS capacity, coalesce(s.available, 0) AS available,"
		" coalesce(s.used, d.used) AS used"
		" FROM pocket_data.drive d LEFT JOIN said s ON s.uuid = d.uuid"
		" WHERE s.uuid IS NOT NULL OR d.node_id = $1 ORDER BY d.drive_id, s.state = 'ok' DESC)"
		" UPDATE pocket_data.drive d SET node_id = CASE WHEN n.here THEN $1 ELSE d.node_id END, path = n.path,"
		" state = n.state, well_at = CASE WHEN d.state <> 'ok' AND n.state = 'ok' THEN pg_catalog.clock_timestamp()"
		" ELSE d.well_at END, problem = n.problem, capacity = n.capacity, available = n.available, used = n.used,"
		" seen_at = CASE WHEN n.here THEN pg_catalog.clock_timestamp() ELSE d.seen_at END"
		" FROM now n WHERE n.drive_id = d.drive_id AND ((n.here AND d.node_id <> $1) OR d.path <> n.path"
		" OR d.state <> n.state OR d.problem IS DISTINCT FROM n.problem OR d.capacity <> n.capacity"
		" OR pg_catalog.abs(d.available - n.available) > n.capacity / 256"
		" OR (n.here AND d.seen_at < pg_catalog.clock_timestamp() - " SEEN_STALE "))"
		" RETURNING n.old_state = 'failed' AND n.state IN ('ok', 'draining', 'drained'), n.here AND n.old_node <> $1",
		"int8 text", NULL, NULL};
	Datum values[2] = {Int64GetDatum(node_id), CStringGetTextDatum(status)};

	*returned = *moved = false;
	(void) pocket_write(&update, values, NULL);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		*returned |= pocket_column_bool(row, 1);
		*moved |= pocket_column_bool(row, 2);
	}
	pocket_free_rows();
}

/* What was given up while the drive was away can be read again; scrubbing tells what of it is really bad. */
static void
revive_extents(void)
{
	static PocketPlan revive = {"UPDATE pocket_data.extent e SET state = 'ok', problem = NULL, scrubbed_at = NULL"
								" FROM pocket_data.drive d WHERE d.drive_id = e.drive_id"
								" AND d.state IN ('ok', 'draining') AND e.state = 'lost'",
								"", NULL, NULL};

	(void) pocket_write(&revive, NULL, NULL);
}

/* Volumes go with their drives, once all of these are at one node. */
static void
move_volumes(void)
{
	static PocketPlan move = {
		"UPDATE pocket_data.volume v SET node_id = x.low, changed_at = pg_catalog.clock_timestamp(),"
		" changed = pg_catalog.pg_current_xact_id()"
		" FROM (SELECT e.volume_id, pg_catalog.min(d.node_id) AS low, pg_catalog.max(d.node_id) AS high"
		" FROM pocket_data.extent e JOIN pocket_data.drive d ON d.drive_id = e.drive_id"
		" WHERE " CAN_BE_READ " GROUP BY e.volume_id) x"
		" WHERE x.volume_id = v.volume_id AND x.low = x.high AND v.node_id <> x.low",
		"", NULL, NULL};

	(void) pocket_write(&move, NULL, NULL);
}

/* Of drives that can be read: of one that cannot, all extents are away, and none is damaged. */
static void
absorb_reports(const char *status)
{
	static PocketPlan find = {"SELECT d.drive_id, r.file, coalesce(r.problem, 'damaged')"
							  " FROM pg_catalog.jsonb_to_recordset($1::jsonb -> 'reports')"
							  " AS r (drive uuid, file text, problem text)"
							  " JOIN pocket_data.drive d ON d.uuid = r.drive"
							  " WHERE r.file IS NOT NULL AND " CAN_BE_READ,
							  "text", NULL, NULL};
	Datum values[1] = {CStringGetTextDatum(status)};
	uint64 count = pocket_write(&find, values, NULL);
	SPITupleTable *rows = SPI_tuptable;

	for (uint64 row = 0; row < count; row++)
	{
		bool is_null;
		int64 drive_id = DatumGetInt64(SPI_getbinval(rows->vals[row], rows->tupdesc, 1, &is_null));

		(void) pocket_extent_damaged(drive_id, SPI_getvalue(rows->vals[row], rows->tupdesc, 2),
									 SPI_getvalue(rows->vals[row], rows->tupdesc, 3));
	}
	SPI_freetuptable(rows);
}

static void
node_up(int64 node_id)
{
	static PocketPlan update = {
		"UPDATE pocket_data.node SET state = 'up', problem = NULL, seen_at = pg_catalog.clock_timestamp()"
		" WHERE node_id = $1 AND (state <> 'up' OR problem IS NOT NULL"
		" OR seen_at < pg_catalog.clock_timestamp() - " SEEN_STALE ")",
		"int8", NULL, NULL};
	Datum values[1] = {Int64GetDatum(node_id)};

	(void) pocket_write(&update, values, NULL);
}

static void
node_down(int64 node_id, const char *problem)
{
	static PocketPlan node = {"UPDATE pocket_data.node SET state = 'down', problem = $2"
							  " WHERE node_id = $1 AND (state <> 'down' OR problem IS DISTINCT FROM $2)",
							  "int8 text", NULL, NULL};
	static PocketPlan silent = {"UPDATE pocket_data.drive SET state = 'silent', problem = 'its node does not answer'"
								" WHERE node_id = $1 AND state NOT IN ('silent', 'failed')",
								"int8", NULL, NULL};
	static PocketPlan failed = {
		"UPDATE pocket_data.drive SET state = 'failed', problem = 'silent for longer than pocket.drive_timeout'"
		" WHERE node_id = $1 AND state = 'silent'"
		" AND seen_at < pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => $2)",
		"int8 float8", NULL, NULL};
	Datum values[2] = {Int64GetDatum(node_id), CStringGetTextDatum(problem)};

	if (pocket_write(&node, values, NULL) > 0)
		ereport(WARNING, (errmsg("node " INT64_FORMAT " does not serve: %s", node_id, problem)));
	(void) pocket_write(&silent, values, NULL);
	values[1] = Float8GetDatum(pocket_drive_timeout_ms / 1000.0);
	(void) pocket_write(&failed, values, NULL);
}

void
pocket_node_absorb(int64 node_id, const char *status, bool insert)
{
	bool returned;
	bool moved;

	node_up(node_id);
	if (insert)
		insert_drives(node_id, status);
	update_drives(node_id, status, &returned, &moved);
	if (returned)
		revive_extents();
	if (moved)
		move_volumes();
	absorb_reports(status);
}

void
pocket_take_over(bool open)
{
	static PocketPlan take = {
		"UPDATE pocket_data.volume v SET node_id = x.node_id, changed_at = pg_catalog.clock_timestamp()"
		" FROM (SELECT DISTINCT ON (w.volume_id) w.volume_id, m.node_id FROM pocket_data.volume w"
		" JOIN pocket_data.node n ON n.node_id = w.node_id JOIN pocket_data.extent e ON e.volume_id = w.volume_id"
		" JOIN pocket_data.drive d ON d.drive_id = e.drive_id JOIN pocket_data.node m ON m.node_id = d.node_id"
		" WHERE n.state <> 'up' AND (w.state = 'open') = $1 AND m.state = 'up' AND " CAN_BE_READ
		" ORDER BY w.volume_id, pg_catalog.random()) x WHERE v.volume_id = x.volume_id",
		"bool", NULL, NULL};
	Datum values[1] = {BoolGetDatum(open)};

	(void) pocket_write(&take, values, NULL);
}

/* Nodes that obey an incarnation before ours hear of the adoption. One of another cell refuses that too. */
static void
tell_adoption(PocketNodesStatus *status)
{
	PocketOrder *orders = palloc0(sizeof(PocketOrder) * Max(status->count, 1));
	int *places = palloc(sizeof(int) * Max(status->count, 1));
	int count = 0;

	for (int i = 0; i < status->count; i++)
	{
		if (status->orders[i].error != PK_ERR_FOREIGN)
			continue;
		orders[count].node = status->orders[i].node;
		orders[count].verb = "adopt";
		orders[count].body = "{}";
		places[count++] = i;
	}
	pocket_orders(orders, count);
	for (int i = 0; i < count; i++)
		status->orders[places[i]] = orders[i];
}

/*
 * What a history that was rewound, or another owner, has placed keeps its ids and generations: those given from here on are
 * higher.
 */
static void
raise_ids(const PocketNodesStatus *status)
{
	PocketCell cell;

	pocket_cell_identity(&cell);
	for (int i = 0; i < status->count; i++)
	{
		int64 highest;

		if (status->orders[i].error != PK_OK)
			continue;
		pocket_placement_raise(pocket_answer_number(status->orders[i].answer, "generation"));
		highest = pocket_answer_number(status->orders[i].answer, "highest");
		if (highest > 0 && highest >> 32 == (int64) cell.epoch.incarnation)
			pocket_placement_raise(highest & PG_UINT32_MAX);
	}
}

/*
 * A node that has seen a higher epoch obeys another database. That stays so, however often this one starts and counts its
 * starts up, until somebody says adopt().
 */
static bool
note_superseded(const PocketNodesStatus *status)
{
	static PocketPlan note = {"UPDATE pocket_data.cell SET superseded_at = pg_catalog.clock_timestamp()"
							  " WHERE superseded_at IS NULL",
							  "", NULL, NULL};

	for (int i = 0; i < status->count; i++)
	{
		if (status->orders[i].error != PK_ERR_STALE_EPOCH)
			continue;
		(void) pocket_write(&note, NULL, NULL);
		ereport(WARNING, (errmsg("this database does not own its cell any more: node %s: %s", status->orders[i].node,
								 status->orders[i].problem),
						  errhint("See item identity in pocket.health.")));
		return true;
	}
	return false;
}

const PocketNodesStatus *
pocket_pass_status(PocketPass *pass)
{
	static PocketPlan nodes = {"SELECT node_id, url, state = 'up' FROM pocket_data.node ORDER BY node_id", "", NULL,
							   NULL};
	PocketNodesStatus *status;

	if (pass->status != NULL)
		return pass->status;
	status = pass->status = palloc0(sizeof(PocketNodesStatus));
	status->asked = GetCurrentTimestamp();
	status->count = (int) pocket_write(&nodes, NULL, NULL);
	status->ids = palloc(sizeof(int64) * Max(status->count, 1));
	status->orders = palloc0(sizeof(PocketOrder) * Max(status->count, 1));
	for (int i = 0; i < status->count; i++)
	{
		status->ids[i] = pocket_column_int64(i, 1);
		status->orders[i].node = pocket_column_text(i, 2);
		status->orders[i].verb = "status";
		status->orders[i].body = "{}";
		status->orders[i].timeout_ms = pocket_column_bool(i, 3) ? STATUS_TIMEOUT_MS : DOWN_TIMEOUT_MS;
	}
	pocket_free_rows();
	pocket_orders(status->orders, status->count);
	tell_adoption(status);
	raise_ids(status);
	status->maps = palloc(sizeof(int64) * Max(status->count, 1));
	for (int i = 0; i < status->count; i++)
	{
		const PocketOrder *order = &status->orders[i];

		status->maps[i] = order->error == PK_OK ? pocket_answer_number(order->answer, "map") : -1;
	}
	return status;
}

/* One row a day: what the fill rate is told from. */
static void
sample_fill(void)
{
	static PocketPlan sample = {
		"INSERT INTO pocket_data.fill (at, used) SELECT pg_catalog.clock_timestamp(), pg_catalog.sum(d.used)"
		" FROM pocket_data.drive d WHERE d.state IN ('ok', 'draining', 'quarantined') AND NOT EXISTS (SELECT FROM "
		"pocket_data.fill "
		"f"
		" WHERE f.at > pg_catalog.clock_timestamp() - '1 day'::interval) HAVING pg_catalog.count(*) > 0",
		"", NULL, NULL};
	static PocketPlan forget = {
		"DELETE FROM pocket_data.fill WHERE at < pg_catalog.clock_timestamp() - '400 days'::interval", "", NULL, NULL};

	if (pocket_write(&sample, NULL, NULL) > 0)
		(void) pocket_write(&forget, NULL, NULL);
}

void
pocket_duty_check(PocketPass *pass)
{
	const PocketNodesStatus *status = pocket_pass_status(pass);

	if (note_superseded(status))
		return;
	for (int i = 0; i < status->count; i++)
	{
		const PocketOrder *order = &status->orders[i];

		if (order->error == PK_OK)
		{
			pocket_node_absorb(status->ids[i], order->answer, false);
			pass->done++;
		}
		else
		{
			node_down(status->ids[i], order->problem);
			pass->remaining++;
		}
	}
	pocket_take_over(false);
	pocket_map_push(pass);
	sample_fill();
}
