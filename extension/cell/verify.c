/*
 * verify.c
 *	  pocket.verify: everything that the rows know to be wrong, one row each.
 *
 * The scrubber, the readers and the check of nodes bring what they find into
 * the rows; here it is told together with what follows from it, down to the
 * files that cannot be read.
 */
#include "cell/cell.h"

#include "fmgr.h"

#include "cell/show.h"

PG_FUNCTION_INFO_V1(pocket_verify);

/* Gone for good as far as is known; what is only silent may come back any moment, and makes no file lost. */
#define MEMBER_GONE "(e.state <> 'ok' OR coalesce(d.state = 'failed', false))"
#define MEMBER_AWAY "(e.state <> 'ok' OR coalesce(d.state NOT IN ('ok', 'draining'), false))"

/* Members, how many of them may be away, and which are lost: the others do not yield them. */
#define VOLUMES                                                                                        \
	"vol AS (SELECT v.volume_id, v.code, v.state, pg_catalog.count(*) AS members,"                     \
	" pg_catalog.count(*) FILTER (WHERE " MEMBER_AWAY ") AS away,"                                     \
	" pocket.code_lost(v.code, pg_catalog.count(*), coalesce(pg_catalog.bit_or(1::int8 << e.position)" \
	" FILTER (WHERE " MEMBER_GONE "), 0)) AS lost,"                                                    \
	" pg_catalog.count(e.drive_id) - pg_catalog.count(DISTINCT e.drive_id) AS doubled,"                \
	" pocket.code_left(v.code, pg_catalog.count(*), 0) AS tolerance,"                                  \
	" pocket.code_members(v.code) AS wanted"                                                           \
	" FROM pocket_data.volume v JOIN pocket_data.extent e ON e.volume_id = v.volume_id"                \
	" LEFT JOIN pocket_data.drive d ON d.drive_id = e.drive_id GROUP BY v.volume_id)"

/* Blocks that no row finds any more, the live files that have them, and their paths upwards. */
#define LOST_FILES                                                                                                  \
	"lost_bucket AS (SELECT DISTINCT e.bucket_id FROM vol JOIN pocket_data.extent e ON e.volume_id = vol.volume_id" \
	" WHERE vol.lost <> 0 AND e.role <> 'parity' AND (vol.lost >> e.position) & 1 = 1), lost_hash AS MATERIALIZED " \
	"(SELECT k.hash FROM pocket_data.block k"                                                                       \
	" JOIN lost_bucket l ON l.bucket_id = k.bucket_id WHERE NOT EXISTS (SELECT FROM pocket_data.block o"            \
	" WHERE o.hash OPERATOR(pocket.=) k.hash AND NOT EXISTS (SELECT FROM lost_bucket m WHERE m.bucket_id = "        \
	"o.bucket_id))"                                                                                                 \
	" GROUP BY k.hash),"                                                                                            \
	" lost_entry AS MATERIALIZED (SELECT f.ns_id, f.file_id, f.parent_id, f.name, pg_catalog.count(*) AS blocks"    \
	" FROM pocket_data.entry f CROSS JOIN LATERAL pocket.blocks(f.blocks) x JOIN lost_hash h ON h.hash "            \
	"OPERATOR(pocket.=) x.hash"                                                                                     \
	" WHERE EXISTS (SELECT FROM lost_bucket) GROUP BY f.ns_id, f.file_id, f.parent_id, f.name),"                    \
	" up (ns_id, file_id, parent_id, path, blocks) AS ("                                                            \
	" SELECT l.ns_id, l.file_id, l.parent_id, l.name, l.blocks FROM lost_entry l"                                   \
	" UNION ALL SELECT u.ns_id, u.file_id, p.parent_id, p.name || '/' || u.path, u.blocks FROM up u"                \
	" JOIN pocket_data.entry p ON p.ns_id = u.ns_id AND p.file_id = u.parent_id)"

static PocketPlan verify = {
	"WITH RECURSIVE " VOLUMES ", " LOST_FILES
	" SELECT 'node', n.url, coalesce(n.problem, 'it does not answer') FROM pocket_data.node n WHERE n.state <> 'up'"
	" AND EXISTS (SELECT FROM pocket_data.drive x WHERE x.node_id = n.node_id AND (x.state <> 'failed'"
	" OR EXISTS (SELECT FROM pocket_data.extent e WHERE e.drive_id = x.drive_id)))"
	" UNION ALL SELECT 'drive', pg_catalog.format('%s (%s)', x.drive_id, x.path),"
	" pg_catalog.format('%s: %s', x.state, coalesce(x.problem, 'no reason given')) FROM pocket_data.drive x"
	" WHERE x.state IN ('quarantined', 'silent') OR (x.state = 'ok' AND x.problem IS NOT NULL) OR (x.state = 'failed'"
	" AND EXISTS (SELECT FROM pocket_data.extent e WHERE e.drive_id = x.drive_id))"
	" UNION ALL SELECT 'extent', pg_catalog.format('%s on drive %s',"
	" pocket.extent_file(e.role, coalesce(e.bucket_id, e.volume_id), e.position), e.drive_id),"
	" pg_catalog.format('%s: %s', e.state, coalesce(e.problem, 'no reason given')) FROM pocket_data.extent e"
	" WHERE e.state <> 'ok'"
	" UNION ALL SELECT 'volume', vol.volume_id::text, pg_catalog.format('%s of %s members are away or damaged, %s "
	"bears %s',"
	" vol.away, vol.members, vol.code, vol.tolerance) FROM vol WHERE vol.away > 0"
	" UNION ALL SELECT 'volume', vol.volume_id::text, 'two of its members are on one drive' FROM vol WHERE vol.doubled "
	"> 0"
	" UNION ALL SELECT 'volume', vol.volume_id::text, pg_catalog.format('it has %s members instead of %s', vol.members,"
	" vol.wanted) FROM vol WHERE vol.members <> vol.wanted"
	" UNION ALL SELECT 'intent', pg_catalog.format('%s %s', i.duty, i.intent_id), i.problem FROM pocket_data.intent i"
	" WHERE i.problem IS NOT NULL"
	" UNION ALL SELECT 'trash', pg_catalog.format('%s in the trash of drive %s', pocket.extent_file(CASE WHEN "
	"t.bucket_id = 0"
	" THEN 'parity' ELSE 'replica' END, CASE WHEN t.bucket_id = 0 THEN t.volume_id ELSE t.bucket_id END, t.position),"
	" t.drive_id), t.problem FROM pocket_data.trash t WHERE t.problem IS NOT NULL"
	" UNION ALL SELECT f.verifier, f.object, f.problem FROM pocket_data.finding f"
	" WHERE f.told_from <= pg_catalog.clock_timestamp()"
	" UNION ALL SELECT 'file', n.name || ':' || up.path, pg_catalog.format('lost: %s of its blocks cannot be read', "
	"up.blocks)"
	" FROM up JOIN pocket_data.namespace n ON n.ns_id = up.ns_id WHERE up.parent_id = 0",
	"", NULL, NULL};

Datum
pocket_verify(PG_FUNCTION_ARGS)
{
	pocket_show(fcinfo, &verify, NULL);
	return (Datum) 0;
}
