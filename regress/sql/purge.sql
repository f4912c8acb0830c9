-- purge: a legal delete.  Nothing of what is purged is left in any table; what is beside it is untouched.
SET client_min_messages = warning;
CREATE EXTENSION pocket;
SELECT pocket.create_namespace('n') > 0 AS made, pocket.create_namespace('other') > 0 AS made;
SET pocket.namespace = 'n';
-- rows of any table of pocket_data that have a text, its bytes, or its hash
CREATE FUNCTION traces(VARIADIC needles text[]) RETURNS TABLE (found text) LANGUAGE plpgsql AS $$
DECLARE
	name regclass;
	needle text;
BEGIN
	FOR name IN SELECT oid FROM pg_class WHERE relnamespace = 'pocket_data'::regnamespace AND relkind = 'r' ORDER BY relname LOOP
		FOREACH needle IN ARRAY needles LOOP
			RETURN QUERY EXECUTE format('SELECT %L || '' in '' || %L FROM %s t WHERE position($1 in lower(t::text)) > 0 OR position(encode(convert_to($1, ''UTF8''), ''hex'') in t::text) > 0', needle, name, name) USING needle;
		END LOOP;
	END LOOP;
END $$;
-- a follower: what it has, and how it applies changes; a child never comes before its parent
CREATE TABLE follower (cursor_name text, file_id bigint, parent_id bigint, name text, kind text, size bigint, PRIMARY KEY (cursor_name, file_id));
CREATE TABLE cursors (name text PRIMARY KEY, cursor pocket.cursor);
CREATE FUNCTION follow(who text, page integer DEFAULT 3) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	c record;
	n bigint;
	told bigint := 0;
BEGIN
	LOOP
		n := 0;
		FOR c IN SELECT s.* FROM pocket.changes((SELECT cursor FROM cursors WHERE name = who), page) s LOOP
			n := n + 1;
			IF c.op = 'reset' THEN
				RAISE EXCEPTION 'reset';
			ELSIF c.op = 'deleted' THEN
				DELETE FROM follower f WHERE f.cursor_name = who AND f.file_id = c.file_id;
			ELSE
				IF c.parent_id <> 1 AND NOT EXISTS (SELECT FROM follower f WHERE f.cursor_name = who AND f.file_id = c.parent_id AND f.kind = 'folder') THEN
					RAISE EXCEPTION '% has no parent %', c.path, c.parent_id;
				END IF;
				INSERT INTO follower VALUES (who, c.file_id, c.parent_id, c.name, c.kind, c.size)
					ON CONFLICT ON CONSTRAINT follower_pkey DO UPDATE SET parent_id = excluded.parent_id, name = excluded.name, kind = excluded.kind, size = excluded.size;
			END IF;
			UPDATE cursors SET cursor = c.next WHERE name = who;
		END LOOP;
		EXIT WHEN n = 0;
		told := told + n;
	END LOOP;
	IF EXISTS (SELECT f.file_id, f.parent_id, f.name, f.kind, f.size FROM follower f WHERE cursor_name = who
			EXCEPT SELECT e.file_id, e.parent_id, e.name, e.kind, e.size FROM pocket.files e WHERE e.ns_id = 1 AND e.file_id > 1)
		OR EXISTS (SELECT e.file_id, e.parent_id, e.name, e.kind, e.size FROM pocket.files e WHERE e.ns_id = 1 AND e.file_id > 1
			EXCEPT SELECT f.file_id, f.parent_id, f.name, f.kind, f.size FROM follower f WHERE cursor_name = who) THEN
		RAISE EXCEPTION '% has another tree', who;
	END IF;
	RETURN told;
END $$;
CREATE FUNCTION remember(who text, since text DEFAULT 'first') RETURNS void LANGUAGE sql AS $$
	INSERT INTO cursors VALUES (who, CASE since WHEN 'first' THEN pocket.first_cursor('n') ELSE pocket.latest_cursor('n') END);
	INSERT INTO follower SELECT who, file_id, parent_id, name, kind, size FROM pocket.files WHERE ns_id = 1 AND file_id > 1 AND since <> 'first' $$;

-- a file with a long life: renamed, moved, copied, with attributes, deleted and restored
SELECT remember('start');
SELECT outcome FROM pocket.put('/d/SecretName.txt', 'secretcontent', attributes => '{"k": "secretattribute"}');
SELECT outcome FROM pocket.put('/d/SecretName.txt', 'secretcontent two', mtime => '2001-02-03 UTC');
SELECT outcome FROM pocket.put('/d/kept', 'kept');
SELECT remember('early', 'now');
SELECT outcome FROM pocket.mv('/d/secretname.txt', '/SecretElsewhere');
SELECT outcome FROM pocket.rm('/SecretElsewhere');
SELECT outcome FROM pocket.restore('/SecretElsewhere', 4);
SELECT outcome FROM pocket.cp('/SecretElsewhere', '/copy');
SELECT clock_timestamp() AS before \gset
SELECT remember('late', 'now');
SELECT count(*) > 10 AS some FROM traces('secretname', 'secretelsewhere', 'secretcontent', 'secretattribute');
-- a savepoint brings all back
CREATE TABLE everything AS SELECT 'e' AS t, e::text AS row FROM pocket_data.entry e UNION ALL SELECT 'j', j::text FROM pocket_data.journal j UNION ALL SELECT 'h', h::text FROM pocket_data.holder h UNION ALL SELECT 'd', d::text FROM pocket_data.namespace_head d;
BEGIN;
SAVEPOINT s;
SELECT pocket.purge('/secretelsewhere');
SELECT outcome FROM pocket.put('/SecretElsewhere', 'another');
ROLLBACK TO s;
COMMIT;
(SELECT 'e' AS t, e::text FROM pocket_data.entry e UNION ALL SELECT 'j', j::text FROM pocket_data.journal j UNION ALL SELECT 'h', h::text FROM pocket_data.holder h UNION ALL SELECT 'd', d::text FROM pocket_data.namespace_head d) EXCEPT TABLE everything;
SELECT encode(pocket.get('/secretelsewhere'), 'escape');
-- the purge; the copy is another file, with content of its own
SELECT pocket.purge('/secretelsewhere');
SELECT * FROM traces('secretname', 'secretelsewhere', encode(sha256('secretcontent'), 'hex'), encode(sha256(sha256('secretcontent')), 'hex'), '2001-02-0');
SELECT found, count(*) FROM traces('secretcontent', 'secretattribute') GROUP BY found;
SELECT encode(pocket.get('/copy'), 'escape');
SELECT pocket.purge('/copy');
SELECT * FROM traces('secret');
-- no way leads to it
SELECT pocket.history('/SecretElsewhere');
SELECT pocket.get('/SecretElsewhere', rev => 4);
SELECT pocket.restore('/SecretElsewhere', 4);
SELECT pocket.purge('/SecretElsewhere');
SELECT path FROM pocket.ls('/', true, at => :'before');
SELECT pocket.stat('/SecretElsewhere', at => :'before');
SELECT * FROM pocket.deleted;
SELECT used FROM pocket.usage WHERE name = 'n';
-- jids have no gaps, and followers of any time have the exact tree
SELECT count(*) = max(jid) AND max(jid) = (SELECT jid FROM pocket_data.namespace_head WHERE ns_id = 1) AS whole FROM pocket_data.journal WHERE ns_id = 1;
SELECT op, file_id, path, kind, size, content_hash, attributes, mtime FROM pocket.changes((SELECT cursor FROM cursors WHERE name = 'early'));
SELECT remember('after');
SELECT name, follow(name) FROM cursors ORDER BY name;
-- what was at a moment comes back without it
SELECT outcome FROM pocket.put('/d/kept', 'changed');
SELECT pocket.rewind('/', :'before');
SELECT path, size FROM pocket.ls('/', true);
SELECT name, follow(name) FROM cursors ORDER BY name;

-- a folder: with what is below it, and what was deleted there; what was moved out of it stays, and was in it then
SELECT outcome FROM pocket.put('/SecretFolder/in/file', 'secret one');
SELECT outcome FROM pocket.put('/SecretFolder/in/moved', 'innocent');
SELECT outcome FROM pocket.put('/SecretFolder/gone', 'secret two');
SELECT outcome FROM pocket.symlink('/SecretFolder/link', 'secret target');
SELECT outcome FROM pocket.put('/SecretFolder/empty/x', 'secret three');
SELECT outcome FROM pocket.rm('/SecretFolder/gone');
SELECT outcome FROM pocket.rm('/SecretFolder/empty', true);
SELECT clock_timestamp() AS inside \gset
SELECT remember('inside', 'now');
SELECT outcome FROM pocket.mv('/SecretFolder/in/moved', '/moved');
SELECT outcome FROM pocket.mv('/SecretFolder', '/d/SecretFolder');
SELECT pocket.purge('/d/secretfolder/');
SELECT * FROM traces('secret');
SELECT encode(pocket.get('/moved'), 'escape'), (SELECT count(*) FROM pocket.history('/moved'));
SELECT remember('at end');
SELECT name, follow(name) FROM cursors ORDER BY name;
SELECT regexp_replace(path, 'purged-[0-9]+', 'purged-N', 'g'), size FROM pocket.ls('/', true, at => :'inside');
SELECT path FROM pocket.deleted;
SELECT pocket.restore('/purged-' || file_id, jid) FROM pocket_data.journal WHERE kind = 'folder' AND op = 'created' AND name LIKE '/%' ORDER BY jid LIMIT 1;
BEGIN;
SELECT pocket.rewind('/moved', :'inside');
ROLLBACK;
BEGIN;
SELECT pocket.rewind('/', :'inside');
SELECT regexp_replace(path, 'purged-[0-9]+', 'purged-N', 'g'), size FROM pocket.ls('/', true);
SELECT name, follow(name) FROM cursors ORDER BY name;
ROLLBACK;

-- what was deleted at the path before, through a folder that was deleted, too
SELECT outcome FROM pocket.put('/again/f', 'secret first');
SELECT outcome FROM pocket.rm('/again', true);
SELECT outcome FROM pocket.put('/again/f', 'secret second');
SELECT outcome FROM pocket.rm('/again/f');
SELECT outcome FROM pocket.put('/again/f', 'secret third');
SELECT outcome FROM pocket.put('/again/other', 'innocent');
SELECT pocket.purge('/again/F');
SELECT * FROM traces('secret');
-- and what was removed with it comes back without it
SELECT outcome FROM pocket.put('/group/a', 'innocent');
SELECT outcome FROM pocket.put('/group/b', 'secret');
SELECT outcome FROM pocket.rm('/group', true);
SELECT pocket.purge('/group/b');
SELECT outcome FROM pocket.restore('/group', (SELECT max(rev) FROM pocket.history('/group') WHERE outcome = 'created'));
SELECT path FROM pocket.ls('/group');
SELECT * FROM traces('secret');
SELECT name, follow(name) FROM cursors ORDER BY name;
-- retention goes over purged rows
BEGIN;
SELECT pocket.alter_namespace('n', retention => '0');
SELECT outcome FROM pocket.put('/last', '');
SELECT pocket.retain() > 0 AS dropped, pocket.retain();
SELECT count(*) FROM pocket_data.journal WHERE name LIKE '/%';
SELECT path FROM pocket.ls('/', true);
ROLLBACK;

-- what cannot be purged
SELECT pocket.purge('/');
SELECT pocket.purge('/never');
SELECT pocket.purge('/never/was');
SELECT pocket.purge('/moved/');
SELECT pocket.purge('/moved/below');
SELECT pocket.purge(NULL);
CREATE ROLE regress_pocket_eve;
SET ROLE regress_pocket_eve;
SELECT pocket.purge('n:/moved');
RESET ROLE;
DROP ROLE regress_pocket_eve;
BEGIN READ ONLY;
SELECT pocket.purge('/moved');
ROLLBACK;
-- a file that is referred to is not purged
CREATE TABLE refers (ns_id bigint, file_id bigint, FOREIGN KEY (ns_id, file_id) REFERENCES pocket_data.entry);
INSERT INTO refers SELECT ns_id, file_id FROM pocket.stat('/moved');
\set VERBOSITY terse
SELECT pocket.purge('/moved');
\set VERBOSITY default
DROP TABLE refers;
-- a large folder, and a file of many revisions
SELECT count(pocket.put('/large/' || i, 'secret'::bytea)) FROM generate_series(1, 1000) i;
SELECT count(pocket.put('/large/many', i::text::bytea)) FROM generate_series(1, 300) i;
SELECT pocket.purge('/large');
SELECT * FROM traces('secret', 'large', 'many');
SELECT name, follow(name, 1000) > 0 AS told FROM cursors ORDER BY name;

-- Random lives with purges: holders are what a recount gives, and followers of any time have the exact tree.
-- Contents are made blocks by hand, a byte each.
\getenv abs_srcdir PG_ABS_SRCDIR
\set file :abs_srcdir '/recount.sql'
\i :file
CREATE FUNCTION random_path() RETURNS text LANGUAGE sql VOLATILE AS
	$$ SELECT '/r/' || (random() * 5)::int || CASE WHEN random() < 0.6 THEN '/' || (random() * 5)::int || CASE WHEN random() < 0.4 THEN '/' || (random() * 3)::int ELSE '' END ELSE '' END $$;
CREATE TABLE purged (one boolean);
CREATE FUNCTION random_step() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	source text := random_path();
BEGIN
	CASE (random() * 10)::int
		WHEN 0 THEN PERFORM pocket.mkdir(source);
		WHEN 1, 2 THEN PERFORM pocket.rm(source, recursive => true);
		WHEN 3, 4, 5 THEN PERFORM pocket.put(source, substr('abcdefghijklmnopqrstuvwxyz', 1 + (random() * 20)::int, 1 + (random() * 3)::int)::bytea);
		WHEN 6 THEN PERFORM pocket.cp(source, random_path());
		WHEN 7 THEN PERFORM pocket.restore(source, (SELECT max(h.rev) FROM pocket.history(source) h WHERE h.outcome <> 'deleted'));
		WHEN 8 THEN
			IF random() < 0.8 THEN
				PERFORM pocket.purge(source);
				INSERT INTO purged VALUES (true);
			END IF;
		ELSE PERFORM pocket.mv(source, random_path());
	END CASE;
EXCEPTION WHEN undefined_object OR duplicate_object OR wrong_object_type OR invalid_parameter_value THEN
	NULL;	-- not every step of such a life is possible
END $$;
SELECT setseed(0.25);
DO $$
DECLARE
	moment timestamptz := clock_timestamp();
BEGIN
	FOR round IN 1 .. 25 LOOP
		PERFORM remember('round ' || round, 'now');
		FOR step IN 1 .. 40 LOOP
			PERFORM random_step();
		END LOOP;
		PERFORM make_blocks();
		PERFORM follow(name, 1 + (random() * 50)::int) FROM cursors WHERE name <> 'round ' || round AND random() < 0.3;
		PERFORM path FROM pocket.deleted;
		PERFORM h.rev FROM pocket.files d, pocket.history(d.path) h WHERE d.file_id > 1 AND d.path LIKE 'n:%';
		PERFORM path FROM pocket.ls('/', true, at => moment);
		IF random() < 0.2 THEN PERFORM pocket.rewind('/r', moment); END IF;
		IF random() < 0.3 THEN moment := clock_timestamp(); END IF;
	END LOOP;
END $$;
SELECT count(*) > 30 AS purges FROM purged;
SELECT count(follow(name, 100)) FROM cursors;
TABLE miscounted;
SELECT count(*) > 5 AS some FROM pocket_data.holder;
SELECT count(*) = max(jid) AS whole FROM pocket_data.journal WHERE ns_id = 1;
SELECT pocket.purge('/r') > 0 AS purged;
TABLE miscounted;
SELECT count(*) FROM pocket_data.holder;
DROP VIEW miscounted, recount;
DROP FUNCTION make_blocks, random_step, random_path, follow, remember, traces;
DROP TABLE made, purged, follower, cursors, everything;
SELECT pocket.uninstall(current_database());
DROP EXTENSION pocket;
