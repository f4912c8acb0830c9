-- The tree as it was: stat and ls at a time.
SET client_min_messages = warning;
CREATE EXTENSION pocket;
CREATE TEMP TABLE moment (name text PRIMARY KEY, at timestamptz);
CREATE FUNCTION pg_temp.note(name text) RETURNS void LANGUAGE sql AS 'INSERT INTO moment VALUES ($1, clock_timestamp())';
CREATE FUNCTION pg_temp.was(name text) RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT at FROM moment m WHERE m.name = $1';
SELECT pg_temp.note('before');
SELECT pocket.create_namespace('p') > 0 AS made;
SET pocket.namespace = 'p';
SELECT pg_temp.note('empty');
SELECT outcome FROM pocket.put('/a/One', '1');
SELECT outcome FROM pocket.put('/a/sub/deep/file', '22');
SELECT outcome FROM pocket.put('/a/two', '333');
SELECT pg_temp.note('first');
SELECT outcome FROM pocket.put('/a/one', '4444');
SELECT outcome FROM pocket.mv('/a/sub', '/b');
SELECT outcome FROM pocket.mv('/a/two', '/a/Zwei');
SELECT pg_temp.note('moved');
SELECT outcome FROM pocket.put('/a/two', 'another');
SELECT outcome FROM pocket.rm('/b', true);
SELECT outcome FROM pocket.mv('/a/two', '/a/sub');
SELECT outcome FROM pocket.mv('/a/zwei', '/a/two');
SELECT pg_temp.note('last');
SELECT outcome FROM pocket.rm('/a', true);

-- each moment's tree
SELECT m.name, l.path, l.kind, l.size, l.rev, l.version FROM moment m, pocket.ls('/', true, at => m.at) l
WHERE m.name <> 'before' ORDER BY m.at, l.path COLLATE "C";
SELECT path FROM pocket.ls('/a', at => pg_temp.was('moved'));
SELECT path FROM pocket.ls('/', true);
-- what is to come is now
SELECT path FROM pocket.ls('/', true, at => 'infinity');
SELECT path, file_id FROM pocket.stat('/', 'infinity');
-- one file through time; names are compared as ever, and shown as they were
SELECT m.name, s.path, s.size, s.file_id FROM moment m, pocket.stat('/A/ONE', m.at) s WHERE m.name NOT IN ('before', 'empty') ORDER BY m.at;
SELECT m.name, s.path, s.size, s.file_id FROM moment m, pocket.stat('/a/two', m.at) s WHERE m.name IN ('first', 'last') ORDER BY m.at;
-- what it had then
SELECT encode(pocket.get('/a/one', rev => rev), 'escape') FROM pocket.stat('/a/one', pg_temp.was('first'));
SELECT at <= pg_temp.was('first') AS earlier FROM pocket.stat('/a/one', pg_temp.was('first'));

-- what was not there
SELECT pocket.stat('/', pg_temp.was('before'));
SELECT pocket.stat('/a/one', '-infinity');
SELECT pocket.ls('/', at => pg_temp.was('before'));
SELECT pocket.stat('/a', pg_temp.was('empty'));
SELECT pocket.stat('/a/two', pg_temp.was('moved'));
SELECT pocket.stat('/a/sub/deep/file', pg_temp.was('moved'));
SELECT pocket.stat('/b/deep', pg_temp.was('last'));
SELECT pocket.stat('/a/sub/', pg_temp.was('last'));
SELECT pocket.stat('/a/one/x', pg_temp.was('first'));
SELECT pocket.ls('/a/one', at => pg_temp.was('first'));
SELECT pocket.stat('/a');

-- what was removed, where it can be found
SELECT rev, path, kind, size, author = current_user AS mine FROM pocket.deleted ORDER BY rev;
SELECT d.path, h.rev, h.outcome FROM pocket.deleted d, pocket.history(d.path) h ORDER BY d.rev, h.rev;
SELECT outcome FROM pocket.mkdir('/b');
SELECT pocket.path_of(ns_id, file_id) IS NULL AS dead, pocket.path_of_deleted(ns_id, 1) IS NULL AS alive FROM pocket.deleted;
CREATE ROLE regress_pocket_eve;
SET ROLE regress_pocket_eve;
SELECT count(*) FROM pocket.deleted;
SELECT pocket.path_of_deleted(1, 3) IS NULL AS unseen;
RESET ROLE;
DROP ROLE regress_pocket_eve;

-- pages, over more than one batch, with names in between that were there before or after only
SELECT outcome FROM pocket.mkdir('/many');
SELECT count(*) FROM generate_series(1, 900) i, pocket.put('/many/' || lpad(i::text, 3, '0'), '') ;
SELECT count(*) FROM generate_series(1, 450) i, pocket.rm('/many/' || lpad(i::text, 3, '0')) WHERE i NOT IN (7, 300);
SELECT count(*) FROM generate_series(1, 20) i, pocket.put('/many/007', i::text::bytea);
SELECT pg_temp.note('many');
SELECT count(*) FROM generate_series(1, 99) i, pocket.put('/many/007' || i, '');
SELECT outcome FROM pocket.mv('/many', '/later');
SELECT count(*), min(path), max(path), count(DISTINCT path) FROM pocket.ls('/many', at => pg_temp.was('many'));
SELECT path, size FROM pocket.ls('/many', max => 4, at => pg_temp.was('many'));
SELECT path FROM pocket.ls('/many', after => '300', max => 2, at => pg_temp.was('many'));
SELECT path FROM pocket.ls('/', true, after => 'p:/many/898', at => pg_temp.was('many'));
SELECT path FROM pocket.ls('/', true, after => 'many/899', max => 1, at => pg_temp.was('many'));
SELECT path FROM pocket.ls('/', true, max => 2, at => pg_temp.was('many'));
-- a page costs what it shows, not what was ever written in the folder
SELECT count(*) FROM generate_series(1, 5000) i, pocket.put('/later/007', i::text::bytea);
ANALYZE pocket_data.journal;
CREATE FUNCTION pg_temp.buffers(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, FORMAT json) ' || query INTO plan;
	RETURN (plan->0->'Plan'->>'Shared Hit Blocks')::bigint + (plan->0->'Plan'->>'Shared Read Blocks')::bigint;
END $$;
SELECT count(*) FROM pocket.ls('/later', max => 3, at => clock_timestamp());
SELECT pg_temp.buffers($$SELECT * FROM pocket.ls('/later', max => 3, at => clock_timestamp())$$) < 400 AS cheap;
SELECT pg_temp.buffers($$SELECT * FROM pocket.ls('/later', after => '450', max => 3, at => clock_timestamp())$$) < 400 AS cheap;

-- what was removed is looked for among deletions alone
CREATE ROLE regress_pocket_eve;
SET ROLE regress_pocket_eve;
SELECT pocket.create_namespace('eve') > 0 AS made;
SELECT count(*) FROM generate_series(1, 3) i, pocket.put('eve:/' || i, ''), pocket.rm('eve:/' || i);
SELECT pg_temp.buffers('SELECT rev FROM pocket.deleted') < 460 * 6 AS cheap;
RESET ROLE;
SELECT count(*), pg_temp.buffers('SELECT rev FROM pocket.deleted') / count(*) < 6 AS cheap FROM pocket.deleted;
SELECT pg_temp.buffers('SELECT rev FROM pocket.deleted WHERE ns_id = (SELECT ns_id FROM pocket.namespaces WHERE name = ''eve'')') < 60 AS cheap;
DROP OWNED BY regress_pocket_eve;
DROP ROLE regress_pocket_eve;

-- names that are case sensitive
SELECT pocket.create_namespace('P', case_sensitive => true) > 0 AS made;
SELECT outcome FROM pocket.put_many(ARRAY['P:/x', 'P:/X'], ARRAY['1', '22']::bytea[]);
SELECT pg_temp.note('cases');
SELECT outcome FROM pocket.rm('P:/x');
SELECT path, size FROM pocket.ls('P:/', at => pg_temp.was('cases'));
SELECT pocket.stat('P:/x', clock_timestamp());
SELECT path, outcome FROM pocket.history('P:/x');
-- a deleted file is found whichever way its name is written
SELECT outcome FROM pocket.put('/Gone', 'x');
SELECT outcome FROM pocket.rm('/gone');
SELECT path, outcome FROM pocket.history('/GONE');
SELECT pocket.uninstall(current_database());
DROP EXTENSION pocket;
