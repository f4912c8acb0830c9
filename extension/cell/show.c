/*
 * show.c
 *	  What the cell is, for the DBA's views: one query each.
 */
#include "cell/cell.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "base/guc.h"
#include "base/spi.h"
#include "cell/show.h"
#include "placement/placement.h"

PG_FUNCTION_INFO_V1(pocket_show_nodes);
PG_FUNCTION_INFO_V1(pocket_show_drives);
PG_FUNCTION_INFO_V1(pocket_show_buckets);
PG_FUNCTION_INFO_V1(pocket_show_volumes);
PG_FUNCTION_INFO_V1(pocket_show_extents);
PG_FUNCTION_INFO_V1(pocket_show_progress);
PG_FUNCTION_INFO_V1(pocket_show_health);
PG_FUNCTION_INFO_V1(pocket_extent_path);

void
pocket_show(FunctionCallInfo fcinfo, PocketPlan *query, const Datum *values)
{
	InitMaterializedSRF(fcinfo, 0);
	pocket_show_more(fcinfo, query, values);
}

void
pocket_show_more(FunctionCallInfo fcinfo, PocketPlan *query, const Datum *values)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	PocketSession session;

	pocket_enter(&session);
	/* a long statement over few rows would be compiled for longer than it runs; until the session's end */
	(void) set_config_option("jit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	(void) pocket_read(query, values, NULL);
	if (SPI_tuptable->tupdesc->natts != result->setDesc->natts)
		elog(ERROR, "a query of %d columns is declared with %d", SPI_tuptable->tupdesc->natts, result->setDesc->natts);
	for (uint64 row = 0; row < SPI_processed; row++)
		tuplestore_puttuple(result->setResult, SPI_tuptable->vals[row]);
	pocket_free_rows();
	pocket_leave(&session);
}

Datum
pocket_show_nodes(PG_FUNCTION_ARGS)
{
	static PocketPlan query = {"SELECT n.node_id, n.url, z.name, n.state, n.problem, n.added_at, n.seen_at"
							   " FROM pocket_data.node n JOIN pocket_data.zone z ON z.zone_id = n.zone_id"
							   " ORDER BY n.node_id",
							   "", NULL, NULL};

	pocket_show(fcinfo, &query, NULL);
	return (Datum) 0;
}

Datum
pocket_show_drives(PG_FUNCTION_ARGS)
{
	static PocketPlan query = {
		"SELECT d.drive_id, d.uuid, n.url, z.name, d.path, d.state, d.problem, d.capacity, d.used, d.available,"
		" (SELECT pg_catalog.count(*) FROM pocket_data.extent e WHERE e.drive_id = d.drive_id), d.seen_at"
		" FROM pocket_data.drive d JOIN pocket_data.node n ON n.node_id = d.node_id"
		" JOIN pocket_data.zone z ON z.zone_id = n.zone_id ORDER BY d.drive_id",
		"", NULL, NULL};

	pocket_show(fcinfo, &query, NULL);
	return (Datum) 0;
}

Datum
pocket_show_buckets(PG_FUNCTION_ARGS)
{
	static PocketPlan query = {"SELECT b.bucket_id, b.volume_id, b.state, b.length,"
							   " coalesce((SELECT pg_catalog.sum(k.stored_length)::int8 FROM pocket_data.block k"
							   " WHERE k.bucket_id = b.bucket_id), 0), b.capacity, b.opened_at, b.sealed_at"
							   " FROM pocket_data.bucket b ORDER BY b.bucket_id",
							   "", NULL, NULL};

	pocket_show(fcinfo, &query, NULL);
	return (Datum) 0;
}

Datum
pocket_show_volumes(PG_FUNCTION_ARGS)
{
	static PocketPlan query = {"SELECT v.volume_id, v.code, v.state, v.generation, n.url, v.changed_at"
							   " FROM pocket_data.volume v JOIN pocket_data.node n ON n.node_id = v.node_id"
							   " ORDER BY v.volume_id",
							   "", NULL, NULL};

	pocket_show(fcinfo, &query, NULL);
	return (Datum) 0;
}

Datum
pocket_show_extents(PG_FUNCTION_ARGS)
{
	static PocketPlan query = {
		"SELECT e.volume_id, e.position, e.role, e.drive_id, CASE WHEN e.drive_id IS NOT NULL THEN"
		" pocket.extent_file(e.role, coalesce(e.bucket_id, e.volume_id), e.position) END, e.state, e.length, "
		"e.bucket_id,"
		" e.problem, e.scrubbed_at FROM pocket_data.extent e ORDER BY e.volume_id, e.position",
		"", NULL, NULL};

	pocket_show(fcinfo, &query, NULL);
	return (Datum) 0;
}

/* What is done and what is left, duty by duty. */
Datum
pocket_show_progress(PG_FUNCTION_ARGS)
{
	static PocketPlan query = {
		"SELECT 'encode', pg_catalog.count(*) FILTER (WHERE v.state = 'coded'),"
		" pg_catalog.count(*) FILTER (WHERE v.state = 'sealed'), 'buckets'"
		" FROM pocket_data.bucket b JOIN pocket_data.volume v ON v.volume_id = b.volume_id"
		" UNION ALL SELECT 'repair', pg_catalog.count(*) FILTER (WHERE NOT x.bad), pg_catalog.count(*) FILTER (WHERE "
		"x.bad),"
		" 'volumes' FROM (SELECT pg_catalog.bool_or(e.state <> 'ok' OR coalesce(d.state IN ('failed', 'quarantined'), "
		"false))"
		" AS bad FROM pocket_data.extent e LEFT JOIN pocket_data.drive d ON d.drive_id = e.drive_id GROUP BY "
		"e.volume_id) x"
		" UNION ALL SELECT 'scrub', pg_catalog.count(*) FILTER (WHERE x.recent), pg_catalog.count(*) FILTER (WHERE NOT "
		"x.recent),"
		" 'extents' FROM (SELECT coalesce(e.scrubbed_at > pg_catalog.now() - pg_catalog.make_interval(days => 7), "
		"false)"
		" AS recent FROM pocket_data.extent e JOIN pocket_data.volume v ON v.volume_id = e.volume_id"
		" WHERE v.state <> 'open' AND e.drive_id IS NOT NULL) x"
		" UNION ALL SELECT 'drain', greatest(coalesce(pg_catalog.sum(x.was)::int8, 0) - "
		"coalesce(pg_catalog.sum(x.is)::int8,"
		" 0), 0), coalesce(pg_catalog.sum(x.is)::int8, 0), 'extents' FROM (SELECT d.drain AS was,"
		" (SELECT pg_catalog.count(*) FROM pocket_data.extent e WHERE e.drive_id = d.drive_id) AS is"
		" FROM pocket_data.drive d WHERE d.drain IS NOT NULL) x"
		" UNION ALL SELECT 'index', pg_catalog.count(*) FILTER (WHERE x.recent), pg_catalog.count(*) FILTER (WHERE NOT "
		"x.recent),"
		" 'extents' FROM (SELECT coalesce(e.indexed_at > pg_catalog.now() - pg_catalog.make_interval(days => 7), "
		"false)"
		" AS recent FROM pocket_data.extent e JOIN pocket_data.volume v ON v.volume_id = e.volume_id"
		" WHERE v.state IN ('sealed', 'coded') AND e.drive_id IS NOT NULL AND e.role <> 'parity') x"
		" UNION ALL SELECT 'referee', pg_catalog.count(*) FILTER (WHERE x.recent), pg_catalog.count(*) FILTER (WHERE "
		"NOT "
		"x.recent),"
		" 'drives' FROM (SELECT coalesce(d.listed_at > pg_catalog.now() - pg_catalog.make_interval(days => 1), false)"
		" AS recent FROM pocket_data.drive d WHERE d.state IN ('ok', 'draining', 'quarantined')) x"
		" UNION ALL SELECT 'watch', pg_catalog.sum(w.done)::int8, pg_catalog.sum(x.due)::int8, 'blocks'"
		" FROM pocket_data.watch w CROSS JOIN LATERAL (SELECT pg_catalog.count(*) AS due FROM pocket_data.block k"
		" WHERE pg_catalog.get_byte(k.hash::bytea, 31) < 3 AND k.created_at <= pg_catalog.now() - w.age"
		" AND (k.created_at > w.created_at OR (k.created_at = w.created_at AND k.hash OPERATOR(pocket.>) w.hash))) x"
		" UNION ALL SELECT 'reconcile', pg_catalog.count(*) FILTER (WHERE s.listed),"
		" pg_catalog.count(*) FILTER (WHERE NOT s.listed), 'drives' FROM pocket_data.survey s"
		" UNION ALL SELECT 'settle', 0, pg_catalog.count(*), 'intents' FROM pocket_data.intent i"
		" LEFT JOIN pocket_data.drive d ON d.drive_id = i.drive_id WHERE i.duty = 'settle' OR d.state IN ('ok', "
		"'silent')"
		" UNION ALL SELECT 'reclaim', 0, (SELECT pg_catalog.count(*) FROM pocket_data.review)"
		" + (SELECT pg_catalog.count(*) FROM pocket_data.block WHERE state = 'condemned'), 'blocks'"
		" UNION ALL SELECT 'compact', 0, pg_catalog.count(*), 'buckets' FROM pocket_data.bucket b"
		" WHERE b.state = 'sealed' AND b.live * 100 < b.length * "
		"pg_catalog.current_setting('pocket.compact_below')::int8"
		" UNION ALL SELECT 'trash', 0, pg_catalog.count(*), 'extents' FROM pocket_data.trash",
		"", NULL, NULL};

	pocket_show(fcinfo, &query, NULL);
	return (Datum) 0;
}

/*
 * How full the file systems are, whoever fills them, and how fast Pocket does: from the oldest sample of the last 30 days.  One that
 * several drives are on counts for each of them.
 */
#define FULL_PERCENT "85"
#define FILL                                                                                                         \
	"fs AS (SELECT x.drive_id, x.used, x.capacity, x.available, 100 - 100.0 * x.available / x.capacity AS percent"   \
	" FROM pocket_data.drive x WHERE x.state IN ('ok', 'draining', 'quarantined') AND x.capacity > 0),"              \
	" cap AS (SELECT coalesce(pg_catalog.sum(fs.capacity), 0)::int8 AS capacity,"                                    \
	" coalesce(pg_catalog.sum(fs.available), 0)::int8 AS available, coalesce(pg_catalog.sum(fs.used), 0)::int8 AS "  \
	"used,"                                                                                                          \
	" coalesce(100 - 100.0 * pg_catalog.sum(fs.available) / pg_catalog.sum(fs.capacity), 0) AS percent,"             \
	" pg_catalog.count(*) FILTER (WHERE fs.percent >= " FULL_PERCENT ") AS full_drives, pg_catalog.string_agg("      \
	"pg_catalog.format('drive %s %s %%', fs.drive_id, pg_catalog.floor(fs.percent)), ', ' ORDER BY fs.percent DESC)" \
	" FILTER (WHERE fs.percent >= " FULL_PERCENT ") AS full_names FROM fs),"                                         \
	" since AS (SELECT s.used, extract(epoch FROM pg_catalog.now() - s.at)::float8 / 86400 AS days"                  \
	" FROM pocket_data.fill s WHERE s.at > pg_catalog.now() - '30 days'::interval"                                   \
	" AND s.at < pg_catalog.now() - '1 day'::interval ORDER BY s.at LIMIT 1),"                                       \
	" rate AS (SELECT cap.*, since.days, ((cap.used - since.used) / since.days)::int8 AS daily"                      \
	" FROM cap LEFT JOIN since ON true)"
#define FILL_ROWS                                                                                                     \
	"SELECT 'capacity', pg_catalog.format('%s %%', pg_catalog.floor(percent)), CASE WHEN percent >= " FULL_PERCENT    \
	" THEN 'warning: ' ELSE '' END || pg_catalog.format('%s of %s bytes are taken', capacity - available, capacity)"  \
	" FROM cap UNION ALL SELECT 'full_drives', full_drives::text, coalesce('warning: ' || full_names,"                \
	" 'that are full to " FULL_PERCENT " % or more') FROM cap"                                                        \
	" UNION ALL SELECT 'fill_rate', coalesce(daily::text, 'unknown'), coalesce(pg_catalog.format('bytes a day, over " \
	"the"                                                                                                             \
	" last %s days', pg_catalog.round(days::numeric, 1)), 'bytes a day: told from the second day on') FROM rate"      \
	" UNION ALL SELECT 'days_left', CASE WHEN daily > 0 THEN (available / daily)::text WHEN daily <= 0 THEN "         \
	"'unlimited'"                                                                                                     \
	" ELSE 'unknown' END, 'until the drives are full, at this rate' FROM rate"

/* Drives that failed and hold nothing any more, and nodes of none but such, are history, not a fault. */
static PocketPlan health = {
	"WITH n AS (SELECT pg_catalog.count(*) AS total, pg_catalog.count(*) FILTER (WHERE state = 'up') AS up"
	" FROM pocket_data.node x WHERE x.state = 'up' OR EXISTS (SELECT FROM pocket_data.drive y"
	" WHERE y.node_id = x.node_id AND (y.state <> 'failed'"
	" OR EXISTS (SELECT FROM pocket_data.extent e WHERE e.drive_id = y.drive_id)))),"
	" d AS (SELECT pg_catalog.count(*) AS total,"
	" pg_catalog.count(*) FILTER (WHERE x.state IN ('ok', 'draining')) AS well,"
	" pg_catalog.string_agg(pg_catalog.format('drive %s (%s) is %s: %s', x.drive_id, x.path, x.state,"
	" coalesce(x.problem, 'no reason given')), '; ' ORDER BY x.drive_id)"
	" FILTER (WHERE x.state NOT IN ('ok', 'draining')) AS ill"
	" FROM pocket_data.drive x WHERE x.state NOT IN ('failed', 'drained')"
	" OR EXISTS (SELECT FROM pocket_data.extent e WHERE e.drive_id = x.drive_id)),"
	" most AS (SELECT pg_catalog.count(*) AS drives FROM pocket_data.drive WHERE state = 'ok'),"
	" o AS (SELECT pg_catalog.count(*) FILTER (WHERE x.well) AS usable,"
	" coalesce(pg_catalog.min(x.replicas) FILTER (WHERE x.well), 0) AS replicas FROM (SELECT b.bucket_id,"
	" pg_catalog.count(*) AS replicas, pg_catalog.bool_and(x.state = 'ok' AND e.state = 'ok' AND n.state = 'up') AS "
	"well"
	" FROM pocket_data.bucket b JOIN pocket_data.extent e ON e.bucket_id = b.bucket_id"
	" JOIN pocket_data.drive x ON x.drive_id = e.drive_id JOIN pocket_data.node n ON n.node_id = x.node_id"
	" WHERE b.state = 'open' GROUP BY b.bucket_id) x),"
	" v AS (SELECT pg_catalog.count(*) FILTER (WHERE x.bad > 0) AS hurt,"
	" pg_catalog.count(*) FILTER (WHERE pocket.code_lost(y.code, x.members, x.gone) <> 0) AS lost"
	" FROM (SELECT e.volume_id, pg_catalog.count(*) AS members,"
	" pg_catalog.count(*) FILTER (WHERE e.state <> 'ok' OR d.state NOT IN ('ok', 'draining')) AS bad,"
	" coalesce(pg_catalog.bit_or(1::int8 << e.position) FILTER (WHERE e.state <> 'ok' OR d.state = 'failed'), 0) AS "
	"gone"
	" FROM pocket_data.extent e LEFT JOIN pocket_data.drive d ON d.drive_id = e.drive_id GROUP BY e.volume_id) x"
	" JOIN pocket_data.volume y ON y.volume_id = x.volume_id),"
	" e AS (SELECT pg_catalog.count(*) FILTER (WHERE state = 'damaged') AS damaged,"
	" pg_catalog.count(*) FILTER (WHERE state = 'lost') AS lost FROM pocket_data.extent),"
	" i AS (SELECT pg_catalog.count(*) AS total, pg_catalog.count(problem) AS failed FROM pocket_data.intent),"
	" w AS (SELECT pg_catalog.count(*) AS waiting FROM pocket_data.volume WHERE state = 'sealed'), " FILL
	" SELECT 'status', CASE WHEN v.lost > 0 OR e.lost > 0 OR o.usable = 0 OR $5 <> 'owner' THEN 'failed'"
	" WHEN n.up < n.total OR d.well < d.total OR v.hurt > 0 OR e.damaged > 0 OR o.usable < $1 OR o.replicas < $2"
	" OR i.failed > 0 THEN 'degraded' ELSE 'ok' END,"
	" 'failed: bytes are lost or no bucket takes blocks; degraded: less protection or service than promised'"
	" FROM n, d, o, v, e, i"
	" UNION ALL SELECT 'nodes', pg_catalog.format('%s of %s', up, total), 'that answer' FROM n"
	" UNION ALL SELECT 'drives', pg_catalog.format('%s of %s', well, total), 'that are well' || coalesce('; ' || ill, "
	"'') FROM d"
	" UNION ALL SELECT 'open_buckets', pg_catalog.format('%s of %s', usable, $1),"
	" 'that take blocks, of pocket.open_buckets' FROM o"
	" UNION ALL SELECT 'replicas', pg_catalog.format('%s of %s', replicas, $2),"
	" 'drives that hold each new block, of those promised by pocket.replicas and pocket.code' FROM o"
	" UNION ALL SELECT 'code', $3, CASE WHEN $4 = 0 THEN 'sealed buckets stay replicated'"
	" WHEN most.drives < $4 THEN pg_catalog.format('%s sealed buckets stay replicated: the code needs %s healthy "
	"drives,"
	" there are %s', w.waiting, $4, most.drives)"
	" ELSE pg_catalog.format('%s sealed buckets wait for their group', w.waiting) END FROM most, w"
	" UNION ALL SELECT 'volumes_hurt', hurt::text, pg_catalog.format('with members that are away or damaged; %s beyond"
	" what their code bears', lost) FROM v"
	" UNION ALL SELECT 'extents_damaged', damaged::text, 'that wait for repair' FROM e"
	" UNION ALL SELECT 'extents_lost', lost::text, 'that no decoding can bring back now' FROM e"
	" UNION ALL SELECT 'intents', total::text, pg_catalog.format('not yet carried out; %s have failed', failed) FROM i"
	" UNION ALL " FILL_ROWS
	" UNION ALL SELECT 'trash', coalesce(pg_catalog.sum(t.bytes), 0)::text, pg_catalog.format('bytes of %s extents that"
	" retired or are stale; the inspector keeps %s of them', pg_catalog.count(*), pg_catalog.count(t.problem))"
	" FROM pocket_data.trash t"
	" UNION ALL SELECT 'garbage', coalesce(pg_catalog.sum(b.length - b.live), 0)::text, 'bytes of sealed buckets that "
	"no"
	" block row points to, as far as they were counted' FROM pocket_data.bucket b WHERE b.state = 'sealed'"
	" UNION ALL SELECT 'identity', $5, $6",
	"int8 int8 text int8 text text", NULL, NULL};

/* By PocketStanding. */
static const char *const standings[][2] = {
	{"owner", "this database owns the cell"},
	{"copy",
	 "files are read, and no block is stored: the database that this one was copied from owns the cell; if that is "
	 "given up for good: SELECT pocket.adopt()"},
	{"superseded",
	 "files are read, and no block is stored: another database owns the cell now; if that is given up for "
	 "good: SELECT pocket.adopt()"},
};

Datum
pocket_show_health(PG_FUNCTION_ARGS)
{
	pk_code code;
	Datum values[6];
	PocketSession session;
	PocketStanding standing;

	pocket_enter(&session);
	standing = pocket_cell_standing();
	pocket_leave(&session);
	pocket_cell_code(&code);
	values[0] = Int64GetDatum(pocket_open_buckets);
	values[1] = Int64GetDatum(pocket_cell_replicas(&code));
	values[2] = CStringGetTextDatum(pocket_code);
	values[3] = Int64GetDatum(code.kind == PK_CODE_REPLICATED ? 0 : code.k + code.m);
	values[4] = CStringGetTextDatum(standings[standing][0]);
	values[5] = CStringGetTextDatum(standings[standing][1]);
	pocket_show(fcinfo, &health, values);
	pocket_show_placement(fcinfo);
	return (Datum) 0;
}

/* The file of an extent below its drive: of a parity by its volume and position, else by its bucket. */
Datum
pocket_extent_path(PG_FUNCTION_ARGS)
{
	char *role = text_to_cstring(PG_GETARG_TEXT_PP(0));
	bool parity = strcmp(role, "parity") == 0;
	char file[PK_EXTENT_FILE];

	pk_extent_file(file, parity ? PK_EXTENT_PARITY : PK_EXTENT_BUCKET, (uint64) PG_GETARG_INT64(1),
				   parity ? PG_GETARG_INT32(2) : 0);
	PG_RETURN_TEXT_P(cstring_to_text(file));
}
