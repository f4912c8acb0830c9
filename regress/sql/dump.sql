-- The data is ordinary tables: pg_dump takes them whole, and they come back in another database.
SET client_min_messages = warning;
CREATE EXTENSION pocket;
SELECT pocket.create_namespace('d') > 0 AS made;
SELECT count(*) FROM pocket.put_many(ARRAY['d:/a', 'd:/b/c', 'd:/b/C2'], ARRAY['1', '22', '333']::bytea[]);
SELECT outcome FROM pocket.put('d:/a', '4444');
SELECT outcome FROM pocket.rm('d:/b/C2');
SELECT count(*) AS members FROM pg_depend WHERE deptype = 'e' AND refclassid = 'pg_extension'::regclass
	AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pocket') AND classid = 'pg_class'::regclass
	AND objid IN (SELECT oid FROM pg_class WHERE relnamespace = 'pocket_data'::regnamespace);
SELECT count(*) AS replaced_or_unguarded FROM regexp_matches(pocket.data_definition(), '(OR REPLACE|IF NOT EXISTS)', 'gi');
-- the columns are of the extension's types: CASCADE would take them, and every file
DROP EXTENSION pocket CASCADE;
DROP EXTENSION IF EXISTS nosuch, pocket CASCADE;
DROP SCHEMA pocket CASCADE;
DROP TYPE pocket.sha256 CASCADE;
DROP EVENT TRIGGER pocket_keep_data;
SELECT pocket.keep_data();
SELECT encode(pocket.get('d:/a'), 'escape');
SELECT count(*) AS undocumented FROM pg_proc WHERE pronamespace = 'pocket'::regnamespace AND obj_description(oid, 'pg_proc') IS NULL;
CREATE DATABASE regress_pocket_restored TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
SELECT current_database() AS here \gset
\setenv POCKET_HERE :here
\! pg_dump -d "$POCKET_HERE" | psql -X -q -v ON_ERROR_STOP=1 -d regress_pocket_restored >/dev/null
\c regress_pocket_restored
SELECT path, size, encode(pocket.get(path), 'escape') FROM pocket.ls('d:/', true) WHERE kind = 'file';
SELECT count(*) FROM pocket.history('d:/a');
SELECT evtname, evtenabled FROM pg_event_trigger;
DROP EXTENSION pocket CASCADE;
SELECT encode(pocket.get('d:/b/C2', rev => min(rev)), 'escape') FROM pocket.history('d:/b/C2');
SELECT outcome FROM pocket.put('d:/new', 'after the restore');
SELECT pocket.create_namespace('second') > 1 AS made;
SELECT path FROM pocket.files WHERE kind = 'file' ORDER BY path;
\c :here
DROP DATABASE regress_pocket_restored;
-- another encoding is refused
CREATE DATABASE regress_pocket_latin1 TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C';
\c regress_pocket_latin1
CREATE EXTENSION pocket;
\c :here
DROP DATABASE regress_pocket_latin1;
SET client_min_messages = warning;
SELECT pocket.uninstall(current_database());
DROP EXTENSION pocket CASCADE;
SELECT count(*) AS left_behind FROM pg_event_trigger;
