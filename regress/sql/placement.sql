-- On which drives the members of a volume go: constructed cells, drives numbered from one.
CREATE EXTENSION pocket;

-- What was chosen: of how many drives, nodes and zones, and the most that one of them has, members that stay with them.
CREATE FUNCTION placed(zones bigint[], nodes bigint[], wanted integer, bears integer, taken integer[] DEFAULT '{}',
	OUT members bigint, OUT drives bigint, OUT node_count bigint, OUT zone_count bigint, OUT node_most bigint, OUT zone_most bigint)
LANGUAGE SQL AS $$
	WITH t AS (SELECT coalesce(array_agg(i = ANY (taken) ORDER BY i), '{}') AS t FROM generate_subscripts(zones, 1) i),
	m AS (SELECT unnest(pocket.place_members(zones, nodes, t, wanted, bears)) AS i FROM t UNION ALL SELECT unnest(taken)),
	x AS (SELECT i, zones[i] AS zone, nodes[i] AS node FROM m)
	SELECT count(*), count(DISTINCT i), count(DISTINCT node), count(DISTINCT zone),
		(SELECT max(c) FROM (SELECT count(*) AS c FROM x GROUP BY node) n), (SELECT max(c) FROM (SELECT count(*) AS c FROM x GROUP BY zone) z)
	FROM x
$$;
-- A cell of nodes, each given by its zone and how many drives it has.
CREATE FUNCTION cell(zones_of integer[], drives_of integer[], OUT zones bigint[], OUT nodes bigint[])
LANGUAGE SQL AS $$
	SELECT array_agg(zones_of[n]::bigint ORDER BY n, d), array_agg(n::bigint ORDER BY n, d)
	FROM generate_subscripts(drives_of, 1) n CROSS JOIN LATERAL generate_series(1, drives_of[n]) d
$$;

SELECT c.name, c.wanted, c.bears, p.* FROM (VALUES
	('1 node x 9 drives', '{1}'::integer[], '{9}'::integer[], 9, 3),
	('1 node x 9 drives', '{1}', '{9}', 4, 3),
	('3 x 3', '{1,1,1}', '{3,3,3}', 9, 3),
	('3 x 3', '{1,1,1}', '{3,3,3}', 4, 3),
	('3 x 3', '{1,1,1}', '{3,3,3}', 3, 2),
	('9 x 1', '{1,1,1,1,1,1,1,1,1}', '{1,1,1,1,1,1,1,1,1}', 9, 3),
	('2 zones, 3 nodes each', '{1,1,1,2,2,2}', '{3,3,3,3,3,3}', 4, 3),
	('2 zones, 3 nodes each', '{1,1,1,2,2,2}', '{3,3,3,3,3,3}', 9, 3),
	('3 zones, 2 nodes each', '{1,1,2,2,3,3}', '{3,3,3,3,3,3}', 9, 3),
	('3 zones, 2 nodes each', '{1,1,2,2,3,3}', '{3,3,3,3,3,3}', 3, 1),
	-- a zone can be lost, if it has no more than three: that one of them has but one node comes after
	('3 zones of 1, 4 and 4 nodes', '{1,2,2,2,2,3,3,3,3}', '{9,2,2,2,2,2,2,2,2}', 9, 3),
	-- no zone can be lost, whatever is done: then nodes count
	('2 zones of 1 and 8 nodes', '{1,2,2,2,2,2,2,2,2}', '{9,1,1,1,1,1,1,1,1}', 9, 3),
	('2 zones of 1 and 8 nodes', '{1,2,2,2,2,2,2,2,2}', '{9,1,1,1,1,1,1,1,1}', 4, 3),
	('2 zones of 1 and 8 nodes', '{1,2,2,2,2,2,2,2,2}', '{9,1,1,1,1,1,1,1,1}', 2, 1),
	('a small zone', '{1,2}', '{1,9}', 4, 3),
	('nodes of 1, 2 and 6 drives', '{1,1,1}', '{1,2,6}', 9, 3),
	('nodes of 1, 2 and 6 drives', '{1,1,1}', '{1,2,6}', 5, 3),
	('2 drives', '{1}', '{2}', 4, 3),
	('1 drive', '{1}', '{1}', 1, 0),
	('none wanted', '{1}', '{3}', 0, 0)) c (name, zones_of, drives_of, wanted, bears),
	LATERAL cell(c.zones_of, c.drives_of) t, LATERAL placed(t.zones, t.nodes, c.wanted, c.bears) p;

-- Beside members that stay: parities go where there are fewest of the data, a repaired member where no other is.
SELECT c.name, p.* FROM (VALUES
	('6 of 3 x 3 on two nodes', '{1,1,1}'::integer[], '{3,3,3}'::integer[], 3, '{1,2,3,4,5,6}'::integer[]),
	('6 of 3 x 3 evenly', '{1,1,1}', '{3,3,3}', 3, '{1,2,4,5,7,8}'),
	('8 of 4 x 3, the fourth node free', '{1,1,1,1}', '{3,3,3,3}', 1, '{1,2,3,4,5,6,7,8}'),
	('a replica of three in two zones', '{1,1,2,2}', '{2,2,2,2}', 1, '{1,3}')) c (name, zones_of, drives_of, wanted, taken),
	LATERAL cell(c.zones_of, c.drives_of) t, LATERAL placed(t.zones, t.nodes, c.wanted, 3, c.taken) p;

-- Among equals the order of the drives decides.
SELECT pocket.place_members('{1,1,1,1}', '{1,1,2,2}', '{f,f,f,f}', 3, 2);
SELECT pocket.place_members('{1,1,1,1}', '{1,1,2,2}', '{t,f,f,f}', 2, 2);
SELECT pocket.place_members('{}', '{}', '{}', 3, 2);

-- No two members on one node while there are nodes enough, but where only so a zone can be lost; as many zones as there are.
SELECT count(*) AS cells, count(*) FILTER (WHERE p.members <> least(k.wanted, k.drives)) AS too_few, count(*) FILTER (WHERE p.drives <> p.members) AS doubled,
	count(*) FILTER (WHERE p.node_count < least(k.wanted, k.nodes) AND p.zone_most > k.bears) AS nodes_shared,
	count(*) FILTER (WHERE p.zone_count < least(k.wanted, k.zones)) AS zones_shared
FROM (SELECT z.zones_of, z.drives_of, w AS wanted, b AS bears, (SELECT sum(d) FROM unnest(z.drives_of) d) AS drives,
		cardinality(z.drives_of) AS nodes, (SELECT count(DISTINCT y) FROM unnest(z.zones_of) y) AS zones
	FROM (SELECT array_agg(1 + (s * n * 7) % 3) AS zones_of, array_agg(1 + (s * s + n * 5) % 4) AS drives_of
		FROM generate_series(1, 40) s, generate_series(1, 12) n WHERE n <= 1 + s % 12 GROUP BY s) z, generate_series(1, 9, 2) w, generate_series(0, 3) b) k,
	LATERAL cell(k.zones_of, k.drives_of) t, LATERAL placed(t.zones, t.nodes, k.wanted, k.bears) p;

-- Limits, and what is no cell.
SELECT cardinality(pocket.place_members(array_fill(1, '{10000}'), (SELECT array_agg(n) FROM generate_series(1, 10000) n), array_fill(false, '{10000}'), 32, 3));
\set VERBOSITY sqlstate
SELECT pocket.place_members(array_fill(1, '{10001}'), array_fill(1, '{10001}'), array_fill(false, '{10001}'), 32, 3);
SELECT pocket.place_members('{1}', '{1}', '{f}', 33, 3);
SELECT pocket.place_members('{1}', '{1}', '{f}', -1, 3);
SELECT pocket.place_members('{1}', '{1,2}', '{f}', 1, 3);
SELECT pocket.place_members('{1,2}', '{1,2}', '{f}', 1, 3);
SELECT pocket.place_members('{1,NULL}', '{1,2}', '{f,f}', 1, 3);
DROP FUNCTION placed(bigint[], bigint[], integer, integer, integer[], OUT bigint, OUT bigint, OUT bigint, OUT bigint, OUT bigint, OUT bigint);
DROP FUNCTION cell(integer[], integer[], OUT bigint[], OUT bigint[]);
DROP EXTENSION pocket;
