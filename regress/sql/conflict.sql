-- Versions: what may replace what, and where content goes that may not.
SET client_min_messages = warning;
CREATE EXTENSION pocket;
SELECT pocket.install() AS made;
CREATE ROLE regress_pocket_ann;
SET ROLE regress_pocket_ann;
SET pocket.namespace = 'v';
SELECT pocket.create_namespace('v') > 0 AS made;
SET client_min_messages = notice;
CREATE FUNCTION pg_temp.undated(path text) RETURNS text LANGUAGE sql AS
	$$ SELECT regexp_replace(path, '\d{4}-\d\d-\d\d', 'DAY') $$;
-- put, told without its day
CREATE FUNCTION pg_temp.put(path text, content text, base text DEFAULT NULL, mode text DEFAULT 'overwrite')
	RETURNS TABLE (outcome text, version pocket.version_vector, path text) LANGUAGE sql AS
	$$ SELECT r.outcome, r.version, pg_temp.undated(r.path)
	FROM pocket.put(path, convert_to(content, 'UTF8'), base::pocket.version_vector, mode) r $$;
CREATE FUNCTION pg_temp.tree(path text) RETURNS TABLE (path text, content text) LANGUAGE sql AS
	$$ SELECT pg_temp.undated(f.path), CASE f.kind WHEN 'file' THEN encode(pocket.get(f.path), 'escape') ELSE f.kind END FROM pocket.ls(path, true) f $$;

-- base: what it equals or is behind is replaced
SELECT * FROM pg_temp.put('/a.txt', 'one', '{}');
SELECT * FROM pg_temp.put('/a.txt', 'two', '{0:2}');
SELECT * FROM pg_temp.put('/a.txt', 'three', '{0:3,9:1}');
SET pocket.device = 4;
SELECT * FROM pg_temp.put('/a.txt', 'four', '{0:4,9:1}', 'update');
RESET pocket.device;
-- behind, and beside: conflicts; the file stays as it is
SELECT * FROM pg_temp.put('/a.txt', 'old', '{0:4}');
SELECT * FROM pg_temp.put('/a.txt', 'other', '{0:9,8:1}', 'update');
SELECT * FROM pg_temp.put('/a.txt', 'older', '{}');
SELECT * FROM pg_temp.tree('/');
-- said twice, kept once
SELECT * FROM pg_temp.put('/a.txt', 'other', '{0:9,8:1}');
-- the same content is no conflict, and no merge is written
SELECT * FROM pg_temp.put('/a.txt', 'four', '{}');
SELECT * FROM pg_temp.put('/a.txt', 'four', '{77:1}', 'add');
SELECT outcome, attributes FROM pocket.put('/a.txt', 'four', '{}', attributes => '{"mode": 420}');
SELECT outcome, attributes FROM pocket.put('/a.txt', 'four', '{0:4,4:1,9:1}', attributes => '{"mode": 420}');
-- what a copy keeps
SELECT outcome, kind, size, mtime = '2020-02-02 02:02:02+00' AS mtime, attributes, author, version
FROM pocket.put('/a.txt', 'with attributes', '{}', mtime => '2020-02-02 02:02:02+00', attributes => '{"mode": 384}');
-- the day is that of UTC, wherever the session is
SET timezone = 'Pacific/Kiritimati';
SELECT strpos(path, to_char(at AT TIME ZONE 'UTC', ' "on" YYYY-MM-DD)')) > 0 AS east FROM pocket.put('/a.txt', 'east', '{}');
SET timezone = 'Etc/GMT+12';
SELECT strpos(path, to_char(at AT TIME ZONE 'UTC', ' "on" YYYY-MM-DD)')) > 0 AS west FROM pocket.put('/a.txt', 'west', '{}');
RESET timezone;
-- without base the last writer wins
SELECT * FROM pg_temp.put('/a.txt', 'five');

-- add
SELECT * FROM pg_temp.put('/new/b', 'b', mode => 'add');
SELECT * FROM pg_temp.put('/new/b', 'b', mode => 'add');
SELECT * FROM pg_temp.put('/new/b', 'c', mode => 'add');
-- a version that is known does not help: there was to be nothing
SELECT * FROM pg_temp.put('/new/b', 'd', (SELECT version::text FROM pocket.stat('/new/b')), 'add');
SELECT * FROM pg_temp.put('/new/b', 'd', mode => 'update');
SELECT * FROM pg_temp.put('/new/b', 'd', mode => 'append');
SELECT pocket.put('/new/b', 'd', mode => NULL);

-- a link is content, too
SELECT outcome FROM pocket.symlink('/link', 'a.txt');
SELECT * FROM pg_temp.put('/link', 'file', '{}');
SELECT * FROM pg_temp.put('/link', 'file', (SELECT version::text FROM pocket.stat('/link')));
-- folder against file: the file goes beside it, unless nobody asked
SELECT outcome FROM pocket.mkdir('/dir.d/below');
SELECT * FROM pg_temp.put('/dir.d', 'x');
SELECT * FROM pg_temp.put('/dir.d', 'x', '{0:99}');
SELECT * FROM pg_temp.put('/dir.d', 'y', mode => 'add');
SELECT * FROM pg_temp.put('/', 'y', mode => 'add');
SELECT * FROM pg_temp.put('/a.txt/below', 'y', '{}');

-- delete against edit: the edit survives, after both
SELECT version AS deleted FROM pocket.rm('/new/b') \gset
SELECT version OPERATOR(pocket.>>) '{0:15,5:1}' AS after_base, version OPERATOR(pocket.>>) :'deleted' AS after_deletion, outcome
FROM pocket.put('/new/b', 'edited', '{0:15,5:1}', 'update');
SELECT outcome FROM pocket.rm('/new', true);
SELECT * FROM pg_temp.put('/new/b', 'edited again', '{0:15}');
-- another file of the same name is not what the base was told of, though one replica made both
SELECT version AS base FROM pocket.put('/log', 'first') \gset
SELECT outcome FROM pocket.rm('/log');
SELECT outcome FROM pocket.put('/log', 'second');
SELECT * FROM pg_temp.put('/log', 'edit of the first', :'base');
SELECT version AS base FROM pocket.stat('/log') \gset
SELECT outcome FROM pocket.mv('/log', '/log.1');
SELECT outcome FROM pocket.put('/log', 'third');
SELECT * FROM pg_temp.put('/log', 'edit of the second', :'base');
SELECT * FROM pg_temp.tree('/');

-- names: the extension stays, and the whole fits 255 bytes at the end of a character
CREATE TEMP TABLE name (i serial, name text);
INSERT INTO name (name) VALUES ('plain'), ('.bashrc'), ('.a.b'), ('archive.tar.gz'), ('ends.'), ('No. 1 of the things that I do not call an extension'),
	('x.' || repeat('e', 31)), ('x.' || repeat('e', 32)), (repeat('n', 255)), (repeat('n', 251) || '.txt'), (repeat('ü', 126) || '.c'), ('x' || repeat('ü', 127)),
	(repeat('🙂', 63)), ('x' || repeat('🙂', 63)), ('(x)');
SELECT count(*) FROM name, pocket.put('/names/' || i || '/' || name, '1');
SET client_min_messages = warning;
SELECT i, left(name, 30) AS name, octet_length(copy) AS bytes, left(copy, 20) AS begins, substr(copy, strpos(copy, ' (conflicted')) AS ends
FROM name, LATERAL (SELECT regexp_replace((pg_temp.put('/names/' || i || '/' || name, '2', mode => 'add')).path, '^.*/', '') AS copy) c ORDER BY i;
-- a second one is no longer
SELECT max(octet_length(regexp_replace(path, '^.*/', ''))) AS longest, count(DISTINCT path) AS names
FROM name, pocket.put('/names/' || i || '/' || name, '3', mode => 'add');
-- many
SELECT count(*), count(*) FILTER (WHERE path ~ ' \d+\.txt$') AS numbered, max(substring(path FROM ' (\d+)\.txt$')::integer) AS last
FROM generate_series(1, 30) i, pocket.put('/many.txt', convert_to(i::text, 'UTF8'), mode => 'add');
-- one more of very many costs a few looks for a name; a copy that is there is found, whichever have gone since
CREATE FUNCTION pg_temp.buffers(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, FORMAT json) ' || query INTO plan;
	RETURN (plan->0->'Plan'->>'Shared Hit Blocks')::bigint + (plan->0->'Plan'->>'Shared Read Blocks')::bigint;
END $$;
SELECT count(*) FROM generate_series(31, 1000) i, pocket.put('/many.txt', convert_to(i::text, 'UTF8'), mode => 'add');
SELECT pg_temp.buffers($$SELECT pocket.put('/many.txt', 'one more', mode => 'add')$$) < 300 AS few;
SELECT pg_temp.buffers($$SELECT pocket.put('/many.txt', '1000', mode => 'add')$$) < 150 AS few;
SELECT outcome FROM pocket.ls('/') f, pocket.rm(f.path) WHERE f.path ~ 'many.* (2|3|500).txt$';
SELECT substring(path FROM ' (\d+)\.txt$') AS n, outcome FROM unnest('{400, 401, 501, 1000, one more}'::text[]) i, pocket.put('/many.txt', convert_to(i, 'UTF8'), mode => 'add');
SELECT count(*), count(DISTINCT content_hash) FROM pocket.ls('/') WHERE path ~ 'many.*copy';
-- another time, or other attributes, make another copy of it
SELECT count(DISTINCT path) FROM generate_series(1, 2), (VALUES (NULL, NULL), ('2020-01-01', NULL), ('2020-01-02', NULL), ('2020-01-02', '{"a": 1}')) v (mtime, attributes),
	pocket.put('/many.txt', 'the same', mode => 'add', mtime => v.mtime::timestamptz, attributes => v.attributes::jsonb);
-- as does another file, or folder
SELECT count(DISTINCT c.path) FROM unnest('{/many.txt, /many.txt.txt, /many, /much/many.txt}'::text[]) f, pocket.put(f, 'there') o, pocket.put(f, '1000', mode => 'add') c;
-- authors
RESET ROLE;
CREATE ROLE "regress_pocket_a/b	c";
GRANT regress_pocket_ann TO "regress_pocket_a/b	c";
SET ROLE "regress_pocket_a/b	c";
SELECT pg_temp.undated(path) AS path, author FROM pocket.put('/a.txt', 'six', mode => 'add');
SET ROLE regress_pocket_ann;

-- a quota counts copies
SELECT pocket.create_namespace('q', quota => 10) > 0 AS made;
SELECT outcome FROM pocket.put('q:/f', '123456');
SELECT pocket.put('q:/f', '12345', '{}');
SELECT outcome FROM pocket.put('q:/f', '1234', '{}');
SELECT outcome FROM pocket.put('q:/f', '1234', '{}');
SELECT used FROM pocket.namespaces WHERE name = 'q';

-- what a client says cannot make a file that nobody can change any more
SELECT pocket.put('/a.txt', 'x', '{0:9223372036854775807}');
SELECT outcome FROM pocket.put('/max', 'x', '{0:4611686018427387903}');
SELECT outcome, version FROM pocket.append('/max', 'y');
SELECT pocket.put('/wide', 'x', ('{' || (SELECT string_agg(i || ':1', ',') FROM generate_series(1, 32768) i) || '}')::pocket.version_vector);
SELECT outcome FROM pocket.put('/wide', 'x', ('{' || (SELECT string_agg(i || ':1', ',') FROM generate_series(1, 32767) i) || '}')::pocket.version_vector);
SELECT outcome, length(version::text) > 100000 AS wide FROM pocket.rm('/wide');

RESET ROLE;
DROP OWNED BY regress_pocket_ann;
SELECT pocket.uninstall(current_database());
DROP EXTENSION pocket;
DROP ROLE "regress_pocket_a/b	c";
DROP ROLE regress_pocket_ann;
