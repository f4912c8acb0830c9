-- cp, mv between namespaces, and set_attributes.
SET client_min_messages = warning;
CREATE EXTENSION pocket;
SELECT pocket.create_namespace('c') > 0 AS made, pocket.create_namespace('d', quota => 20) > 0 AS made, pocket.create_namespace('S', case_sensitive => true) > 0 AS made;
SET pocket.namespace = 'c';
SELECT outcome FROM pocket.put('/a/file', 'one', mtime => '2024-02-29 12:00:00+00', attributes => '{"n": 1}');
SELECT outcome FROM pocket.put('/a/file', 'two!', mtime => '2024-03-01 12:00:00+00');
SELECT outcome FROM pocket.symlink('/a/sub/link', '../file');
SELECT outcome FROM pocket.mkdir('/a/sub/empty');
SELECT outcome FROM pocket.put('/a/sub/z', '');

-- a file: content, attributes and time are the same; id and versions are its own
SELECT path, kind, size, version, mtime = '2024-03-01 12:00:00+00' AS same_time, attributes, outcome FROM pocket.cp('/a/file', '/copy');
SELECT encode(pocket.get('/copy'), 'escape'), (pocket.stat('/copy')).content_hash OPERATOR(pocket.=) (pocket.stat('/a/file')).content_hash AS same_content,
	(pocket.stat('/copy')).file_id <> (pocket.stat('/a/file')).file_id AS another_file;
SELECT outcome, version FROM pocket.history('/copy');
SELECT outcome FROM pocket.put('/copy', 'three');
SELECT encode(pocket.get('/a/file'), 'escape');
SELECT path, outcome FROM pocket.cp('/a/sub/link', '/a/SUB/another');
SELECT attributes FROM pocket.stat('/a/sub/another');

-- a folder, with parents before what is in them
SELECT path, kind, outcome FROM pocket.cp('/a', '/b/');
SELECT path, kind, size, version, attributes FROM pocket.ls('/b', true);
SELECT jid - min(jid) OVER () AS jid, op, name FROM pocket_data.journal
WHERE jid > (SELECT max(jid) - 7 FROM pocket_data.journal WHERE ns_id = 1) AND ns_id = 1 ORDER BY jid;
SELECT used = (SELECT sum(size) FROM pocket.files f WHERE f.ns_id = n.ns_id) AS exact FROM pocket.namespaces n WHERE name = 'c';
SELECT outcome FROM pocket.cp('/a/sub/empty', '/a/sub/nothing');

-- what cannot be
SELECT pocket.cp('/a', '/a/b');
SELECT pocket.cp('/a', '/A/sub/x');
SELECT pocket.cp('/', '/x');
SELECT pocket.cp('/a', '/a');
SELECT pocket.cp('/a', '/B');
SELECT pocket.cp('/a', '/');
SELECT pocket.cp('/a/file', '/a/sub');
SELECT pocket.cp('/a/file', '/nowhere/x');
SELECT pocket.cp('/a/file', '/x/');
SELECT pocket.cp('/a/file/', '/x');
SELECT pocket.cp('/a/file', '/a/file/x');
SELECT pocket.cp('/nothing', '/x');
SELECT pocket.cp('/a', 'nowhere:/x');
SELECT pocket.cp(NULL, '/x') IS NULL AS null_in;
BEGIN READ ONLY;
SELECT pocket.cp('/a', '/x');
ROLLBACK;

-- into another namespace, within its quota
SELECT path, outcome, ns_id = (SELECT ns_id FROM pocket.namespaces WHERE name = 'd') AS there FROM pocket.cp('/a', 'd:/a');
SELECT path, size, version FROM pocket.ls('d:/', true);
SELECT path, outcome FROM pocket.cp('/', 'd:/whole');
SELECT used FROM pocket.namespaces WHERE name = 'd';
SELECT outcome FROM pocket.put('/big', '12345678');
DO $$ BEGIN PERFORM pocket.cp('/big', 'd:/big'); EXCEPTION WHEN SQLSTATE 'PK003' THEN RAISE WARNING 'PK003: %', SQLERRM; END $$;
SELECT pocket.mv('/big', 'd:/big');
SELECT outcome FROM pocket.put('/big', '123');
SELECT path, outcome FROM pocket.cp('/big', 'd:/big');
SELECT used, quota FROM pocket.namespaces WHERE name = 'd';
-- names that differ there only in case
SELECT outcome FROM pocket.put_many(ARRAY['S:/x/a', 'S:/x/A'], ARRAY['', '']::bytea[]);
SELECT pocket.cp('S:/x', '/x');
SELECT outcome FROM pocket.cp('/a', 'S:/A');

-- mv between namespaces: another file there, a deletion here
SELECT path, kind, outcome, version FROM pocket.mv('/b', 'S:/b');
SELECT path, size FROM pocket.ls('S:/b', true);
SELECT pocket.stat('/b');
SELECT path, outcome FROM pocket.history('/b/file');
SELECT outcome FROM pocket.history('S:/b/file');
SELECT n.name, used = (SELECT sum(size) FROM pocket.files f WHERE f.ns_id = n.ns_id) AS exact FROM pocket.namespaces n ORDER BY 1;
SELECT pocket.mv('/', 'd:/c');
SELECT pocket.mv('/a', 'd:/a');
SELECT pocket.mv('/a', 'd:/x/a');
-- the ids are each namespace's own: one that is equal is not the same file
SELECT pocket.create_namespace('e') > 0 AS made;
SELECT file_id FROM pocket.mkdir('e:/a');
SELECT file_id FROM pocket.stat('c:/a');
SELECT pocket.mv('c:/a', 'e:/a');
SELECT path, outcome FROM pocket.mv('c:/a', 'e:/a/a');

-- a large folder, over batches
SELECT count(*) FROM generate_series(1, 450) i, pocket.put('/wide/' || i || '/x', i::text::bytea);
SELECT outcome FROM pocket.cp('/wide', '/wider');
SELECT count(*), count(DISTINCT file_id), sum(size) FROM pocket.ls('/wider', true);
SELECT bool_and(pocket.get('/wider/' || i || '/x') = i::text::bytea) AS same FROM generate_series(1, 450) i;

-- moving a folder is one row, however much is below it and however deep that comes to lie
SELECT outcome FROM pocket.mkdir('/deep' || repeat('/n', 500));
SELECT outcome FROM pocket.mkdir('/under' || repeat('/m', 500));
SELECT outcome FROM pocket.put('/deep' || repeat('/n', 500) || '/file', 'at the bottom');
SELECT jid FROM pocket.namespaces WHERE name = 'c' \gset
SELECT outcome, length(path) FROM pocket.mv('/deep', '/under' || repeat('/m', 500) || '/deep');
SELECT jid - :jid AS rows FROM pocket.namespaces WHERE name = 'c';
SELECT count(*), max(length(path)) FROM pocket.ls('/under', true);
SELECT length(path) FROM pocket.files WHERE ns_id = 1 AND name = 'file';
SELECT count(*) FROM pocket.ls('/under', true, after => (SELECT path FROM pocket.ls('/under', true) WHERE path LIKE '%/n' ORDER BY length(path) DESC LIMIT 1));
SELECT pocket.stat('/under' || repeat('/m', 500) || '/deep' || repeat('/n', 500));
SELECT outcome FROM pocket.cp('/under', '/again');
SELECT count(*) FROM pocket.ls('/again', true, at => clock_timestamp());
SELECT outcome FROM pocket.rm('/under', true);
SELECT outcome FROM pocket.mv('/again' || repeat('/m', 500) || '/deep', '/deep');
SELECT encode(pocket.get('/deep' || repeat('/n', 500) || '/file'), 'escape');
SELECT pocket.mv('/deep', '/deep' || repeat('/n', 500) || '/x');

-- attributes
SELECT outcome FROM pocket.put('/f', 'content', attributes => '{"mode": 420}');
SELECT outcome, attributes, version, size FROM pocket.set_attributes('/f', '{"mode": 493, "x": [1, null]}');
SELECT outcome, attributes, version FROM pocket.set_attributes('/F', '{"x": [1, null], "mode": 493}');
SELECT encode(pocket.get('/f'), 'escape') , attributes FROM pocket.stat('/f');
SELECT outcome, attributes FROM pocket.history('/f');
SELECT encode(pocket.get('/f', rev => rev), 'escape') FROM pocket.history('/f');
SELECT outcome, attributes FROM pocket.set_attributes('/f', '{}');
SELECT path, outcome, attributes FROM pocket.set_attributes('/wide/', '{"color": "red"}');
SELECT path, outcome, attributes FROM pocket.set_attributes('/', '{"title": "all"}');
SELECT outcome FROM pocket.symlink('/l', 'f');
SELECT outcome, attributes FROM pocket.set_attributes('/l', '{"mode": 511}');
SELECT outcome, attributes FROM pocket.set_attributes('/l', '{"target": "g"}');
SELECT outcome, attributes FROM pocket.set_attributes('/l', '{}');
SELECT pocket.set_attributes('/l', '{"target": 1}');
SELECT pocket.set_attributes('/l', '{"target": ""}');
SELECT pocket.set_attributes('/f', '[1]');
SELECT pocket.set_attributes('/f', '"text"');
SELECT pocket.set_attributes('/f/', '{}');
SELECT pocket.set_attributes('/nothing', '{}');
SELECT pocket.set_attributes('/f', NULL) IS NULL AS null_in;
-- 16 kB: at the limit, and one more
SELECT outcome FROM pocket.set_attributes('/f', jsonb_build_object('x', repeat('x', 16384 - 17)));
SELECT pocket.set_attributes('/f', jsonb_build_object('x', repeat('x', 16384 - 16)));
SELECT pocket.put('/f', 'x', attributes => jsonb_build_object('x', repeat('x', 16384)));
-- of a link, with its target, which is "g"
SELECT outcome FROM pocket.set_attributes('/l', jsonb_build_object('x', repeat('x', 16384 - 32)));
SELECT pocket.set_attributes('/l', jsonb_build_object('x', repeat('x', 16384 - 31)));
SELECT pocket.set_attributes('/l', jsonb_build_object('target', repeat('t', 4096 + 1)));
SELECT pocket.symlink('/l', repeat('t', 4096 + 1));
SELECT outcome FROM pocket.symlink('/l', repeat('t', 4096));
SELECT outcome FROM pocket.set_attributes('/l', '{"x": 1}');
SELECT length(attributes->>'target'), attributes->>'x' AS x FROM pocket.stat('/l');
SELECT pocket.uninstall(current_database());
DROP EXTENSION pocket;
