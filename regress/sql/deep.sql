-- A tree of 20,000 levels, made by moving folders into each other: no walk needs a stack as deep.
SET client_min_messages = warning;
SET max_stack_depth = '200kB';
CREATE EXTENSION pocket;
SELECT pocket.create_namespace('d') > 0 AS made;
SET pocket.namespace = 'd';
SELECT outcome FROM pocket.put('/top' || repeat('/n', 510) || '/f', 'x');
DO $$ BEGIN
	FOR i IN 1 .. 39
	LOOP
		PERFORM pocket.mkdir('/above' || repeat('/n', 510));
		PERFORM pocket.mv('/top', '/above' || repeat('/n', 510) || '/n');
		PERFORM pocket.mv('/above', '/top');
	END LOOP;
END $$;

-- the journal
CREATE FUNCTION pg_temp.buffers(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ' || query INTO plan;
	RETURN (plan -> 0 -> 'Plan' ->> 'Shared Hit Blocks')::bigint + (plan -> 0 -> 'Plan' ->> 'Shared Read Blocks')::bigint;
END $$;
-- each row costs a step, not the way from the root
SELECT pg_temp.buffers('SELECT * FROM pocket.changes(pocket.first_cursor(), 1000)') < 400000 AS few;
SELECT count(*), min(c.path), max(length(c.path)) FROM pocket.changes(pocket.first_cursor(), 1000) c;

-- listing, at once and by pages
CREATE TEMP TABLE tree AS SELECT file_id, row_number() OVER () AS n, length(path) AS length, CASE WHEN n = 15000 THEN path END AS path
FROM (SELECT *, row_number() OVER () AS n FROM pocket.ls('/', true)) l;
SELECT count(*), bool_and(length = 4 + 2 * n) AS by_level FROM tree;
SELECT clock_timestamp() AS moment \gset
SELECT path FROM tree WHERE path IS NOT NULL \gset
SELECT count(*), bool_and(t.length = length(l.path)) AS the_same FROM pocket.ls('/', true, after => :'path', max => 10) l JOIN tree t USING (file_id) WHERE t.n > 15000;
SELECT count(*) FROM pocket.ls('/top/n/n', true, after => :'path');

-- copying, removing, going back, restoring
SELECT outcome FROM pocket.cp('/top', '/copy');
SELECT outcome FROM pocket.rm('/top', true);
SELECT pocket.rewind('/', :'moment');
SELECT count(*), bool_and(t.length = length(l.path)) AS the_same FROM pocket.ls('/', true) l JOIN tree t USING (file_id);
SELECT outcome FROM pocket.rm('/top', true);
SELECT outcome FROM pocket.restore('/top', (SELECT max(rev) FROM pocket.history('/top') WHERE outcome <> 'deleted'));
SELECT count(*), count(t.file_id) AS the_same FROM pocket.ls('/', true) LEFT JOIN tree t USING (file_id);
-- as it was
SELECT count(*) FROM pocket.ls('/', true, after => :'path', at => :'moment');

-- into another namespace, and gone with it
SELECT pocket.create_namespace('e') > 0 AS made;
SELECT outcome FROM pocket.mv('/top', 'e:/top');
SELECT name, used FROM pocket.namespaces ORDER BY name;
SELECT pocket.drop_namespace('e');
SELECT pocket.uninstall(current_database());
DROP EXTENSION pocket;
