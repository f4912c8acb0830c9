-- Bringing back: revisions of a file, what was removed, and what was removed with it.
SET client_min_messages = warning;
CREATE EXTENSION pocket;
SELECT pocket.create_namespace('r') > 0 AS made;
SET pocket.namespace = 'r';
CREATE FUNCTION pg_temp.rev(path text, n integer) RETURNS bigint LANGUAGE sql AS
	$$ SELECT rev FROM pocket.history(path) ORDER BY rev OFFSET n - 1 LIMIT 1 $$;
CREATE FUNCTION pg_temp.tree(path text) RETURNS TABLE (path text, file_id bigint, content text) LANGUAGE sql AS
	$$ SELECT f.path, f.file_id, CASE f.kind WHEN 'file' THEN encode(pocket.get(f.path), 'escape') ELSE f.kind END FROM pocket.ls(path, true) f $$;

-- a live file
SELECT outcome FROM pocket.put('/f', 'one', mtime => '2001-01-01 00:00+00', attributes => '{"n": 1}');
SELECT outcome FROM pocket.put('/f', 'second', mtime => '2002-02-02 00:00+00', attributes => '{"n": 2}');
SELECT path, rev, size, version, attributes, mtime = '2001-01-01 00:00+00' AS mtime, outcome FROM pocket.restore('/f', 2);
SELECT encode(pocket.get('/f'), 'escape');
SELECT rev, outcome FROM pocket.restore('/f', 2);
SELECT rev, size, outcome FROM pocket.history('/f');
SELECT used FROM pocket.namespaces;
-- a moved one, by its path of now
SELECT outcome FROM pocket.mv('/f', '/g');
SELECT pocket.restore('/f', 3);
SELECT path, size, outcome FROM pocket.restore('/G', 3);
-- a link that was a file
SELECT outcome FROM pocket.symlink('/g', 'elsewhere');
SELECT kind, attributes, outcome FROM pocket.restore('/g', 2);
SELECT kind, attributes, size, outcome FROM pocket.restore('/g', (SELECT max(rev) FROM pocket.history('/g') WHERE kind = 'symlink'));

-- what there is not
SELECT pocket.restore('/g', 99);
SELECT pocket.restore('/g', 1);
SELECT pocket.restore('/nothing', 2);
SELECT pocket.restore(NULL, 1) IS NULL AS null;
BEGIN READ ONLY;
SELECT pocket.restore('/g', 2);
ROLLBACK;

-- a removed file, its folder gone, too
SELECT outcome FROM pocket.put('/a/b/c', 'deep');
SELECT outcome FROM pocket.put('/a/b/c', 'deeper');
SELECT outcome FROM pocket.rm('/a/b/c');
SELECT pocket.restore('/a/b/c', (SELECT max(rev) FROM pocket.history('/a/b/c')));
SELECT outcome FROM pocket.rm('/a', true);
SELECT pg_temp.rev('/a/b/c', 1) AS rev \gset
SELECT path, version, outcome FROM pocket.restore('/A/B/C', :rev);
SELECT pocket.restore('/a/b/c/', :rev);
SELECT * FROM pg_temp.tree('/a');
SELECT outcome, size FROM pocket.history('/a/b/c');
-- its name is taken
SELECT outcome FROM pocket.rm('/a/b/c');
SELECT outcome FROM pocket.put('/a/b/c', 'another');
SELECT pocket.restore('/a/b/c', :rev);
SELECT outcome FROM pocket.mv('/a/b/c', '/a/b/d');
SELECT path, size, outcome FROM pocket.restore('/a/b/c', :rev);

-- a removed folder, and what was removed with it; not what was removed before
SELECT count(*) FROM pocket.put_many(ARRAY['/t/x/1', '/t/x/2', '/t/y/1', '/t/y/z/1', '/t/last'], ARRAY['x1', 'x2', 'y1', 'yz1', '']::bytea[]);
SELECT outcome FROM pocket.put('/t/x/2', 'x2, second');
SELECT outcome FROM pocket.symlink('/t/y/link', '../x');
SELECT outcome FROM pocket.mkdir('/t/empty');
SELECT outcome FROM pocket.mv('/t/x/1', '/t/x/one');
CREATE TEMP TABLE before AS SELECT * FROM pg_temp.tree('/t');
SELECT used FROM pocket.namespaces \gset
BEGIN;
SELECT outcome FROM pocket.put('/t/y/earlier', 'earlier');
SELECT outcome FROM pocket.rm('/t/y/earlier');
SELECT outcome FROM pocket.put('/t/a', 'first by name');
SELECT outcome FROM pocket.rm('/t/a');
SELECT outcome FROM pocket.rm('/t', true);
COMMIT;
SELECT path, kind, outcome FROM pocket.restore('/t', (SELECT min(rev) FROM pocket.history('/t')));
SELECT count(*) FROM before NATURAL JOIN pg_temp.tree('/t');
SELECT count(*) FROM pg_temp.tree('/t');
SELECT used = :used AS used FROM pocket.namespaces;
SELECT name, op FROM pocket_data.journal WHERE op = 'restored' ORDER BY jid DESC LIMIT 11;
SELECT outcome, path FROM pocket.history('/t/x/one');
-- only a part of what was removed
SELECT outcome FROM pocket.rm('/t', true);
SELECT path, outcome FROM pocket.restore('/t/y', pg_temp.rev('/t/y', 1));
SELECT * FROM pg_temp.tree('/t');
SELECT pocket.restore('/t', (SELECT min(jid) FROM pocket_data.journal WHERE name = 't'));
SELECT outcome FROM pocket.mv('/t', '/other');
SELECT path, outcome FROM pocket.restore('/t', (SELECT min(rev) FROM pocket.history('/t')));
SELECT path, content FROM pg_temp.tree('/t');
-- removed and restored again and again
SELECT outcome FROM pocket.rm('/t', true);
SELECT outcome FROM pocket.restore('/t', (SELECT min(rev) FROM pocket.history('/t')));
SELECT path, content FROM pg_temp.tree('/t');

-- more than one batch, over batches' ends
SELECT count(*) FROM pocket.put_many(ARRAY(SELECT '/big/' || i % 7 || '/' || i % 3 || '/' || i FROM generate_series(1, 1000) i),
	ARRAY(SELECT convert_to(i::text, 'UTF8') FROM generate_series(1, 1000) i));
CREATE TEMP TABLE big AS SELECT * FROM pg_temp.tree('/big');
SELECT outcome FROM pocket.rm('/big', true);
SELECT outcome FROM pocket.restore('/big', (SELECT min(rev) FROM pocket.history('/big')));
SELECT count(*) FROM big NATURAL JOIN pg_temp.tree('/big');
SELECT outcome FROM pocket.rm('/big', true);
SELECT outcome FROM pocket.restore('/big/3', pg_temp.rev('/big/3', 1));
SELECT count(*) AS missing FROM (SELECT path, content FROM big WHERE path LIKE 'r:/big/3/%' EXCEPT SELECT path, content FROM pg_temp.tree('/big')) x;
SELECT count(*) = (SELECT count(*) FROM big WHERE path LIKE 'r:/big/3%') AS no_more FROM pg_temp.tree('/big');

-- deeper than a path that is given may be
SELECT outcome FROM pocket.mkdir('/top/sub' || repeat('/n', 300));
SELECT outcome FROM pocket.rm('/top/sub', true);
SELECT outcome FROM pocket.mkdir('/deep' || repeat('/n', 300));
SELECT outcome FROM pocket.mv('/top', '/deep' || repeat('/n', 300) || '/top');
SELECT outcome FROM pocket.restore('/deep' || repeat('/n', 300) || '/top/sub', (SELECT max(rev) FROM pocket.history('/deep' || repeat('/n', 300) || '/top/sub') WHERE outcome = 'created'));
SELECT count(*) FROM pocket.ls('/deep' || repeat('/n', 300) || '/top/sub', true);

-- a quota counts what comes back
SELECT pocket.create_namespace('q', quota => 10) > 0 AS made;
SELECT outcome FROM pocket.put('q:/f', '12345678');
SELECT outcome FROM pocket.put('q:/f', '1');
SELECT outcome FROM pocket.put('q:/g', '123');
SELECT pocket.restore('q:/f', 2);
SELECT outcome FROM pocket.rm('q:/g');
SELECT outcome FROM pocket.restore('q:/f', 2);
SELECT pocket.restore('q:/g', 4);
SELECT used FROM pocket.namespaces WHERE name = 'q';
-- nobody else's
CREATE ROLE regress_pocket_eve;
SET ROLE regress_pocket_eve;
SELECT pocket.restore('q:/f', 2);
RESET ROLE;
DROP ROLE regress_pocket_eve;
-- no jid is left out, and time does not go back
SELECT bool_and(jid = i) AS no_gaps, bool_and(at >= before) AS in_time
FROM (SELECT jid, row_number() OVER (PARTITION BY ns_id ORDER BY jid) AS i, at, coalesce(lag(at) OVER (PARTITION BY ns_id ORDER BY jid), '-infinity') AS before
	FROM pocket_data.journal) j;
SELECT pocket.uninstall(current_database());
DROP EXTENSION pocket;
