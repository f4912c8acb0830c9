/*
 * show_placement.c
 *	  How volumes lie over failure domains, as facts for pocket.health.
 */
#include "cell/cell.h"
#include "cell/show.h"

/*
 * per: members of a volume in a node; bears: how many of its members it may lose, whichever they are.  Where a node has two
 * members so that a whole zone may be lost, none shares it for nothing.
 */
static PocketPlan health = {
	"WITH per AS (SELECT e.volume_id, d.node_id, n.zone_id, pg_catalog.count(*) AS members FROM pocket_data.extent e"
	" JOIN pocket_data.drive d ON d.drive_id = e.drive_id JOIN pocket_data.node n ON n.node_id = d.node_id"
	" GROUP BY e.volume_id, d.node_id, n.zone_id),"
	" zoned AS (SELECT volume_id, zone_id, pg_catalog.sum(members) AS members FROM per GROUP BY volume_id, zone_id),"
	" bears AS (SELECT v.volume_id, v.state = 'coded' AS coded, pocket.code_left(v.code, pg_catalog.count(*), 0) AS "
	"members"
	" FROM pocket_data.volume v JOIN pocket_data.extent e ON e.volume_id = v.volume_id GROUP BY v.volume_id),"
	" vol AS (SELECT b.volume_id, b.coded, b.members AS bears, n.members, n.nodes, z.zones, z.most FROM bears b"
	" JOIN (SELECT volume_id, pg_catalog.sum(members) AS members, pg_catalog.count(*) AS nodes FROM per"
	" GROUP BY volume_id) n ON n.volume_id = b.volume_id"
	" JOIN (SELECT volume_id, pg_catalog.count(*) AS zones, pg_catalog.max(members) AS most FROM zoned"
	" GROUP BY volume_id) z ON z.volume_id = b.volume_id),"
	" have AS (SELECT pg_catalog.count(DISTINCT n.node_id) AS nodes, pg_catalog.count(DISTINCT n.zone_id) AS zones"
	" FROM pocket_data.node n JOIN pocket_data.drive d ON d.node_id = n.node_id"
	" WHERE n.state = 'up' AND d.state = 'ok'),"
	" shares AS (SELECT vol.members > vol.nodes OR vol.members > vol.zones AS shares,"
	" vol.zones < least(vol.members, have.zones) OR (vol.nodes < least(vol.members, have.nodes)"
	" AND NOT (vol.coded AND vol.most <= vol.bears)) AS idly FROM vol, have),"
	" place AS (SELECT pg_catalog.count(*) FILTER (WHERE idly) AS idly,"
	" pg_catalog.count(*) FILTER (WHERE shares AND NOT idly) AS needed FROM shares),"
	" gone AS (SELECT 'node' AS domain, p.volume_id, pg_catalog.sum(p.members)"
	" OVER (PARTITION BY p.volume_id ORDER BY p.members DESC, p.node_id) AS members FROM per p"
	" UNION ALL SELECT 'zone', z.volume_id, pg_catalog.sum(z.members)"
	" OVER (PARTITION BY z.volume_id ORDER BY z.members DESC, z.zone_id) FROM zoned z),"
	" loss AS (SELECT g.domain, g.volume_id, pg_catalog.count(*) FILTER (WHERE g.members <= b.members) AS borne"
	" FROM gone g JOIN bears b ON b.volume_id = g.volume_id GROUP BY g.domain, g.volume_id),"
	" losses AS (SELECT x.domain, coalesce(pg_catalog.min(l.borne), 0) AS borne,"
	" pg_catalog.count(l.borne) FILTER (WHERE l.borne = 0) AS none,"
	" pg_catalog.count(l.borne) FILTER (WHERE l.borne = 1) AS one,"
	" pg_catalog.count(l.borne) FILTER (WHERE l.borne > 1) AS more"
	" FROM (VALUES ('node'), ('zone')) x (domain) LEFT JOIN loss l ON l.domain = x.domain GROUP BY x.domain),"
	" moving AS (SELECT pg_catalog.count(DISTINCT d.drive_id) AS drives, pg_catalog.count(e.drive_id) AS members,"
	" pg_catalog.count(e.problem) AS stuck FROM pocket_data.drive d"
	" LEFT JOIN pocket_data.extent e ON e.drive_id = d.drive_id WHERE d.state = 'draining')"
	" SELECT 'placement', idly::text, pg_catalog.format('volumes with two members in one node or zone although there"
	" are others; %s more because there are %s nodes in %s zones', needed, have.nodes, have.zones) FROM place, have"
	" UNION ALL (SELECT domain || '_losses', borne::text, pg_catalog.format('that every volume bears at once; %s bear"
	" none, %s one, %s more', none, one, more) FROM losses ORDER BY domain)"
	" UNION ALL SELECT 'draining', drives::text, pg_catalog.format('drives; %s members are still to be moved, %s of "
	"them"
	" have no drive to go to', members, stuck) FROM moving",
	"", NULL, NULL};

void
pocket_show_placement(FunctionCallInfo fcinfo)
{
	pocket_show_more(fcinfo, &health, NULL);
}
