-- Install, namespaces, paths and names.
\getenv abs_srcdir PG_ABS_SRCDIR
SET client_min_messages = warning;
CREATE EXTENSION pocket;
SET search_path = public, pocket;

-- before install: reading says what to do, create_namespace installs
SELECT pocket.stat('a:/');
SELECT pocket.create_namespace('a') AS ns_id;
SELECT pocket.install() AS made, pocket.upgrade() AS version;
SELECT schema_version, incarnation BETWEEN 1 AND 2147483647 AS incarnation, name = current_database() AS name FROM pocket_data.cell;
SELECT name, owner = current_user AS mine, quota, retention, case_sensitive, used, jid FROM pocket.namespaces;

-- names of namespaces
SELECT pocket.create_namespace('a');
SELECT pocket.create_namespace('');
SELECT pocket.create_namespace('a:b');
SELECT pocket.create_namespace('a/b');
SELECT pocket.create_namespace(repeat('n', 256));
SELECT pocket.create_namespace(repeat('n', 255)) > 0 AS at_limit;
SELECT pocket.create_namespace('b', quota => -1);
SELECT pocket.create_namespace('b', retention => '-1 day');
SELECT pocket.create_namespace(NULL);
SELECT pocket.create_namespace('S', case_sensitive => true) > 0 AS made;

-- paths
SELECT pocket.stat('/x');
SET pocket.namespace = 'a';
SELECT (pocket.stat('/')).path;
SELECT path, kind, file_id, rev, size, version, attributes FROM pocket.stat('a:/');
SELECT pocket.stat('nowhere:/');
SELECT pocket.stat('x');
SELECT pocket.stat(':/x');
SELECT pocket.stat('a:');
SELECT pocket.stat('');
SELECT pocket.stat('/x');
SELECT pocket.mkdir('//x');
SELECT pocket.mkdir('/x/./y');
SELECT pocket.mkdir('/x/../y');
SELECT pocket.mkdir(E'/x/\x01');
SELECT pocket.mkdir('/' || repeat('n', 256));
SELECT (pocket.mkdir('/' || repeat('n', 255))).outcome;
SELECT pocket.mkdir(repeat('/n', 513));
SELECT (pocket.mkdir('/deep' || repeat('/n', 511))).outcome;
SELECT pocket.mkdir('/' || repeat('n', 16384));
SELECT (pocket.rm('/deep', true)).outcome, (pocket.rm('/' || repeat('n', 255))).outcome;

-- folders
SELECT path, kind, outcome, size, content_hash, mtime FROM pocket.mkdir('/docs/2024/');
SELECT path, outcome FROM pocket.mkdir('a:/docs/2024');
SELECT path, outcome FROM pocket.mkdir('/');
SELECT path, outcome FROM pocket.put('/docs/a.txt', 'abc');
SELECT pocket.mkdir('/docs/a.txt');
SELECT pocket.mkdir('/docs/a.txt/x');
SELECT pocket.stat('/docs/a.txt/x');
SELECT pocket.stat('/docs/a.txt/');

-- names: kept as given, compared folded and composed, unless case sensitive
SELECT path, outcome FROM pocket.mkdir('/DOCS/Über');
SELECT path FROM pocket.stat(E'/docs/U\u0308BER');
SELECT path, outcome FROM pocket.put('/Docs/A.TXT', 'abcd');
SELECT path, outcome FROM pocket.put_many(ARRAY['S:/Docs/a', 'S:/docs/A'], ARRAY['1', '2']::bytea[]);
SELECT path FROM pocket.ls('S:/', recursive => true);
SELECT pocket.stat('S:/docs/a');
-- every vector of the contract: names with one key are one file, under one parent
CREATE TEMP TABLE vector AS
	SELECT i, convert_from(decode(split_part(line, E'\t', 1), 'hex'), 'UTF8') AS name,
		convert_from(decode(split_part(line, E'\t', 2), 'hex'), 'UTF8') AS key
	FROM regexp_split_to_table(rtrim(pg_read_file(:'abs_srcdir' || '/golden/name_key.tsv'), E'\n'), E'\n') WITH ORDINALITY l (line, i);
SELECT count(*) > 50 AS made FROM vector, pocket.mkdir('a:/keys/' || i || '/' || name) WHERE outcome = 'created';
SELECT count(*) - count(s.path) AS not_found, count(*) FILTER (WHERE s.path <> 'a:/keys/' || i || '/' || name) AS not_as_given
FROM vector LEFT JOIN LATERAL pocket.stat('a:/keys/' || i || '/' || key) s ON true
WHERE octet_length(key) <= 255; -- a key can be longer than a name
DROP TABLE vector;

-- the view
SELECT path, kind, size, name FROM pocket.files WHERE ns_id = (SELECT ns_id FROM pocket.namespaces WHERE name = 'S') ORDER BY path COLLATE "C";
SELECT name, used, files, folders, symlinks, blocks FROM pocket.usage WHERE name IN ('a', 'S') ORDER BY name COLLATE "C";

-- the version of the data is looked at; nothing half done
UPDATE pocket_data.cell SET schema_version = 0;
SELECT pocket.stat('/');
UPDATE pocket_data.cell SET schema_version = 2;
SELECT pocket.put('/x', 'x');
UPDATE pocket_data.cell SET schema_version = 1;
SELECT pocket.uninstall('not this one');
\set VERBOSITY terse
DROP EXTENSION pocket;
\set VERBOSITY default
SELECT pocket.uninstall(current_database());
SELECT pocket.install();
SELECT pocket.uninstall(current_database());
DROP EXTENSION pocket;
-- a planted schema
CREATE SCHEMA pocket;
CREATE EXTENSION pocket;
DROP SCHEMA pocket;
