-- Revisions: what they hold, where they were, and what was removed.
SET client_min_messages = warning;
CREATE EXTENSION pocket;
SELECT pocket.create_namespace('h') > 0 AS made;
SET pocket.namespace = 'h';
SELECT outcome FROM pocket.put('/a/file', 'one');
SELECT outcome FROM pocket.put('/a/file', 'two!', attributes => '{"n": 2}');
SELECT outcome FROM pocket.mv('/a/file', '/a/name');
SELECT outcome FROM pocket.put('/a/name', 'three');
SELECT outcome FROM pocket.mv('/a', '/b');
SELECT outcome FROM pocket.rm('/b/name');
SELECT rev, path, kind, size, version, attributes, outcome FROM pocket.history('/b/name');
SELECT rev, path, outcome FROM pocket.history('/b');
SELECT rev, outcome FROM pocket.history('/');
SELECT rev, encode(pocket.get('/b/name', rev => rev), 'escape') FROM pocket.history('/b/name') WHERE outcome <> 'deleted';
SELECT pocket.get('/b/name', rev => (SELECT max(rev) FROM pocket.history('/b/name')));
SELECT pocket.get('/b/name');
SELECT pocket.get('/b', rev => 2);
-- another file takes the name: its history is its own
SELECT outcome FROM pocket.put('/b/name', 'another');
SELECT outcome, size FROM pocket.history('/b/name');
-- a removed folder and what was in it
SELECT outcome FROM pocket.rm('/b', true);
SELECT path, outcome, size FROM pocket.history('/b/name');
SELECT path, outcome FROM pocket.history('/b');
SELECT encode(pocket.get('/b/name', rev => min(rev)), 'escape') FROM pocket.history('/b/name');
SELECT pocket.history('/b/never');
-- more than one batch
SELECT count(*) FROM generate_series(1, 450) i, pocket.put('/often', convert_to(i::text, 'UTF8'));
SELECT count(*), max(rev) - min(rev) AS span, max(version::text) AS version, bool_and(encode(pocket.get('/often', rev => rev), 'escape') = (rev - first + 1)::text) AS contents
FROM (SELECT *, min(rev) OVER () AS first FROM pocket.history('/often')) h;
SELECT author = current_user AS author, at <= clock_timestamp() AS at FROM pocket.history('/often') LIMIT 1;
SELECT pocket.uninstall(current_database());
DROP EXTENSION pocket;
