-- Files whose content is in their rows: what needs no sidecar.
SET client_min_messages = warning;
CREATE EXTENSION pocket;
SET search_path = public, pocket;
SET pocket.namespace = 'home';
SET timezone = 'UTC';
SET datestyle = 'ISO';
SELECT pocket.create_namespace('home') > 0 AS made;
SET client_min_messages = notice;

-- put
SELECT file_id, rev, path, kind, size, content_hash, version, mtime = at OR mtime <= at AS mtime, author = current_user AS author, attributes, outcome
FROM pocket.put('/docs/hello.txt', 'hello');
SELECT encode(pocket.get('/docs/hello.txt'), 'escape');
SELECT rev, version, outcome FROM pocket.put('/docs/hello.txt', 'hello');
SELECT rev, version, size, outcome FROM pocket.put('/docs/hello.txt', 'hello again');
SELECT rev, version, outcome, mtime, attributes FROM pocket.put('/docs/hello.txt', 'hello again', mtime => '2020-02-02 02:02:02+00', attributes => '{"mode": 420}');
SELECT rev, version, outcome FROM pocket.put('/docs/hello.txt', 'hello again', mtime => '2020-02-02 02:02:02+00', attributes => '{"mode": 420}');
SELECT rev, outcome, attributes FROM pocket.put('/docs/hello.txt', 'third');
SELECT rev, size, outcome, content_hash = pocket.digest('') AS empty FROM pocket.put('/docs/empty', '');
SELECT pocket.get('/docs/empty');
SELECT jid, used FROM pocket.namespaces;
-- the second replica
SET pocket.device = 7;
SELECT version, outcome FROM pocket.put('/docs/hello.txt', 'from another device');
RESET pocket.device;

-- get
SELECT encode(pocket.get('/docs/hello.txt', 5), 'escape') AS rest, encode(pocket.get('/docs/hello.txt', 5, 7), 'escape') AS middle,
	pocket.get('/docs/hello.txt', 100) AS beyond, pocket.get('/docs/hello.txt', 0, 0) AS nothing, length(pocket.get('/docs/hello.txt', 3, 9223372036854775807)) AS long;
SELECT rev, encode(pocket.get('/docs/hello.txt', rev => rev), 'escape') FROM pocket.history('/docs/hello.txt');
SELECT pocket.get('/docs/hello.txt', -1);
SELECT pocket.get('/docs/hello.txt', 0, -1);
SELECT pocket.get('/docs/hello.txt', NULL);
SELECT pocket.get(NULL) IS NULL AS null;
SELECT pocket.get('/docs/hello.txt', rev => 1);
SELECT pocket.get('/docs/hello.txt', rev => 1000000);
SELECT pocket.get('/docs');
SELECT pocket.get('/docs/nothing');

-- inline_limit, at and above
SELECT outcome FROM pocket.put('/limit', decode(repeat('00', 2048), 'hex'));
SELECT length(inline), blocks FROM pocket_data.entry WHERE name = 'limit';
SET pocket.inline_limit = '64kB';
SELECT outcome FROM pocket.put('/limit', decode(repeat('01', 65536), 'hex'));
SELECT length(inline), blocks, pocket.get('/limit') = decode(repeat('01', 65536), 'hex') AS same FROM pocket_data.entry WHERE name = 'limit';
RESET pocket.inline_limit;

-- append
SELECT outcome, size, rev FROM pocket.append('/log', 'one');
SELECT outcome, size, rev FROM pocket.append('/log', ' two');
SELECT outcome, size, rev FROM pocket.append('/log', '');
SELECT encode(pocket.get('/log'), 'escape'), content_hash = pocket.content_hash(pocket.chunk('one two')) AS hash FROM pocket.stat('/log');
SELECT outcome, size FROM pocket.append('/new/folder/log', '');
BEGIN;
SELECT outcome FROM generate_series(1, 3) i, pocket.append('/log', convert_to(i::text, 'UTF8'));
SELECT encode(pocket.get('/log'), 'escape');
ROLLBACK;
SELECT encode(pocket.get('/log'), 'escape');
SELECT pocket.append('/docs', 'x');

-- put_many
SELECT path, size, mtime, attributes, outcome FROM pocket.put_many(
	ARRAY['/many/a', '/many/b', '/many/deeper/c', '/many/a', 'home:/docs/empty'], ARRAY['1', '22', '333', '4444', '']::bytea[],
	ARRAY['2001-01-01 00:00+00', '2002-02-02 00:00+00', '2003-03-03 00:00+00', '2004-04-04 00:00+00', '2005-05-05 00:00+00']::timestamptz[],
	ARRAY[NULL, '{"x": 1}', NULL, NULL, NULL]::jsonb[]);
SELECT path, encode(pocket.get(path), 'escape') FROM pocket.ls('/many', true) WHERE kind = 'file';
SELECT count(*) FROM pocket.put_many('{}', '{}');
SELECT pocket.put_many(ARRAY['/a', '/b'], ARRAY['1']::bytea[]);
SELECT pocket.put_many(ARRAY['/a', NULL], ARRAY['1', '2']::bytea[]);
SELECT pocket.put_many(ARRAY['/a', '/b'], ARRAY['1', NULL]::bytea[]);
SELECT pocket.put_many(ARRAY['/a', '/b'], ARRAY['1', '2']::bytea[], ARRAY[now()]);
SELECT pocket.put_many(ARRAY['/a', '/docs'], ARRAY['1', '2']::bytea[]);
SELECT pocket.stat('/a');
SELECT pocket.create_namespace('other') > 0 AS made;
SELECT path, rev, outcome FROM pocket.put_many(ARRAY['other:/x', '/many/x', 'other:/y'], ARRAY['1', '2', '3']::bytea[]);

-- links
SELECT path, kind, size, content_hash, attributes, outcome FROM pocket.symlink('/links/up', '../docs/hello.txt');
SELECT outcome FROM pocket.symlink('/links/up', '../docs/hello.txt');
SELECT outcome, attributes FROM pocket.symlink('/links/up', 'elsewhere');
SELECT pocket.get('/links/up');
SELECT pocket.append('/links/up', 'x');
SELECT pocket.symlink('/links', 'x');
SELECT pocket.symlink('/links/empty', '');
SELECT pocket.stat('/links/up/x');
SELECT kind, attributes, outcome FROM pocket.put('/links/up', 'now a file');
SELECT kind, size, outcome FROM pocket.symlink('/links/up', 'a link again');

-- ls
SELECT path, kind, size FROM pocket.ls('/');
SELECT path FROM pocket.ls('/many', recursive => true);
SELECT path FROM pocket.ls('/', true, max => 4);
SELECT path FROM pocket.ls('/', true, after => 'home:/links/up', max => 4);
SELECT path FROM pocket.ls('/', true, after => 'home:/many/deeper', max => 2);
SELECT path FROM pocket.ls('/many', true, after => 'deeper');
SELECT path FROM pocket.ls('/many', after => 'b');
SELECT path FROM pocket.ls('/many', after => '/many/bb');
SELECT count(*) FROM pocket.ls('/many', max => 0);
SELECT pocket.ls('/many', after => '/docs/x');
-- names may have colons: a path begins with a slash, or with a namespace
SELECT pocket.create_namespace('n') > 0 AS made;
SELECT count(*) FROM pocket.put_many(ARRAY['n:/c/a:/x', 'n:/c/a:/y', 'n:/c/b/c:/x', 'n:/c/b/c:/y'], array_fill(''::bytea, ARRAY[4]));
SELECT path FROM pocket.ls('n:/c', true, after => 'b/c:/x');
SELECT path FROM pocket.ls('n:/c', true, after => 'b/c:');
SELECT path FROM pocket.ls('n:/c', true, after => 'a:');
SELECT path FROM pocket.ls('n:/c', true, after => 'a:/x');
SELECT path FROM pocket.ls('n:/c', true, after => 'n:/c/a:/x');
SELECT pocket.drop_namespace('n');
SELECT pocket.ls('/many', max => -1);
SELECT pocket.ls('/log');
SELECT pocket.ls('/nothing');
-- pages are the whole, in its order
CREATE FUNCTION pages(size integer) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	page text[];
	last text;
BEGIN
	LOOP
		SELECT array_agg(path) INTO page FROM pocket.ls('/', true, last, size);
		EXIT WHEN page IS NULL;
		RETURN QUERY SELECT unnest(page);
		last := page[cardinality(page)];
	END LOOP;
END $$;
SELECT count(*) = 1 AS same FROM (SELECT array_agg(path) FROM pocket.ls('/', true) UNION SELECT array_agg(path) FROM pages(1) path
	UNION SELECT array_agg(path) FROM pages(3) path) x;

-- mv
SELECT path, file_id = (pocket.stat('/docs/hello.txt')).file_id AS same_file, outcome, version FROM pocket.mv('/docs/hello.txt', '/many/Hello.txt');
SELECT path, outcome FROM pocket.mv('/many/hello.TXT', '/many/hello.txt');
SELECT path, outcome FROM pocket.mv('/many/hello.txt', '/many/hello.txt');
SELECT path, outcome FROM pocket.mv('/many', '/docs/some');
SELECT path FROM pocket.ls('/docs', true);
SELECT encode(pocket.get('/docs/some/hello.txt'), 'escape');
SELECT pocket.mv('/docs', '/docs/some/below');
SELECT pocket.mv('/docs', '/docs/some');
SELECT pocket.mv('/docs/some/a', '/docs/some/b');
SELECT pocket.mv('/docs/some/a', '/nowhere/b');
SELECT pocket.mv('/docs/some/a', '/x/');
SELECT pocket.mv('/nothing', '/x');
SELECT pocket.mv('/', '/x');
SELECT pocket.mv('/docs', '/');

-- rm
SELECT pocket.rm('/docs');
SELECT pocket.rm('/');
SELECT pocket.rm('/nothing');
SELECT path, size, outcome FROM pocket.rm('/docs/some/hello.txt');
SELECT path, kind, outcome FROM pocket.rm('/docs', true);
SELECT count(*) FROM pocket.files WHERE path LIKE 'home:/docs%';
SELECT used = (SELECT sum(size) FROM pocket_data.entry e WHERE e.ns_id = n.ns_id) AS used_is_exact FROM pocket.namespaces n WHERE name = 'home';
-- parents after children, and no jid is left out
SELECT name, op FROM pocket_data.journal WHERE op = 'deleted' ORDER BY jid;
SELECT bool_and(jid = i) AS no_gaps, bool_and(at >= before) AS in_time
FROM (SELECT jid, row_number() OVER (ORDER BY jid) AS i, at, coalesce(lag(at) OVER (ORDER BY jid), '-infinity') AS before
	FROM pocket_data.journal WHERE ns_id = (SELECT ns_id FROM pocket.namespaces WHERE name = 'home')) j;
-- a folder of many
SELECT count(*) FROM pocket.put_many(ARRAY(SELECT '/big/' || i % 3 || '/' || i FROM generate_series(1, 1000) i), ARRAY(SELECT convert_to(i::text, 'UTF8') FROM generate_series(1, 1000) i));
SELECT count(*) FROM pocket.ls('/big', true);
SELECT outcome FROM pocket.rm('/big', true);
SELECT count(*) FROM pocket_data.entry WHERE parent_id = 0 OR NOT EXISTS (SELECT FROM pocket_data.entry p WHERE p.ns_id = entry.ns_id AND p.file_id = entry.parent_id);

-- a transaction
BEGIN;
SELECT outcome FROM pocket.put('/tx', '1');
SAVEPOINT s;
SELECT outcome FROM pocket.put('/tx', '2');
SELECT pocket.rm('/nothing');
ROLLBACK TO s;
SELECT encode(pocket.get('/tx'), 'escape');
ROLLBACK;
SELECT pocket.stat('/tx');
BEGIN READ ONLY;
SELECT path FROM pocket.stat('/');
SELECT pocket.put('/tx', '1');
ROLLBACK;
-- one statement sees what its own puts did
SELECT (pocket.put('/one', convert_to(i::text, 'UTF8'))).rev - min(i) OVER () > 0 AS numbered FROM generate_series(1, 3) i;
SELECT encode(pocket.get('/one'), 'escape'), version FROM pocket.stat('/one');
DROP FUNCTION pages;
SELECT pocket.uninstall(current_database());
DROP EXTENSION pocket;
