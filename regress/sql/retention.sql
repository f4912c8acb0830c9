-- Retention: revisions that were replaced long enough ago are dropped, and what is kept is whole.
SET client_min_messages = warning;
CREATE EXTENSION pocket;
SELECT pocket.create_namespace('n', retention => '1 hour') > 0 AS made;
SET pocket.namespace = 'n';
-- all that was done so far was done so much earlier
CREATE FUNCTION pg_temp.age(by interval) RETURNS void LANGUAGE sql AS $$
	UPDATE pocket_data.journal SET at = at - $1;
	UPDATE pocket_data.entry SET at = at - $1;
	UPDATE pocket_data.namespace_head SET at = at - $1;
	UPDATE pocket_data.namespace SET created_at = created_at - $1, kept_at = kept_at - $1 $$;
CREATE VIEW kept AS SELECT jid, op, name FROM pocket_data.journal ORDER BY jid;

SELECT outcome FROM pocket.put('/f', 'one');
SELECT outcome FROM pocket.put('/f', 'two');
SELECT outcome FROM pocket.put('/d/gone', 'gone');
SELECT outcome FROM pocket.put('/d/back', 'back');
SELECT outcome FROM pocket.mv('/d', '/e');
SELECT outcome FROM pocket.rm('/e', true);
SELECT outcome FROM pocket.restore('/e/back', (SELECT max(rev) FROM pocket.history('/e/back') WHERE outcome = 'created'));
SELECT pocket.retain();
SELECT pg_temp.age('2 hours');
SELECT outcome FROM pocket.put('/f', 'three');
SELECT clock_timestamp() AS three \gset
SELECT pocket.latest_cursor() AS three_cursor \gset
SELECT outcome FROM pocket.put('/f', 'four');
SELECT outcome FROM pocket.rm('/e/back');
TABLE kept;
SELECT * FROM pocket.coordinate('retain');
SELECT * FROM pocket.coordinate('retain');
TABLE kept;
SELECT kept_jid FROM pocket_data.namespace;
-- history has what is kept, and so has each moment since
SELECT outcome, size FROM pocket.history('/f');
SELECT outcome, path FROM pocket.history('/e/back');
SELECT pocket.history('/e/gone');
SELECT encode(pocket.get('/f', rev => 3), 'escape');
SELECT pocket.get('/f', rev => 2);
SELECT pocket.restore('/f', 2);
SELECT path, size FROM pocket.ls('/', true, at => :'three');
SELECT path, size FROM pocket.ls('/', true, at => :'three'::timestamptz - interval '1 hour');
SELECT path FROM pocket.stat('/f', at => :'three'::timestamptz - interval '1 day');
\set VERBOSITY sqlstate
SELECT pocket.stat('/f', at => (SELECT at - interval '1 second' FROM pocket_data.journal WHERE jid = 3));
SELECT pocket.ls('/', at => (SELECT at FROM pocket_data.journal WHERE jid = 3));
SELECT pocket.rewind('/', (SELECT at FROM pocket_data.journal WHERE jid = 3));
\set VERBOSITY default
SELECT outcome FROM pocket.restore('/e/back', (SELECT max(rev) FROM pocket.history('/e/back') WHERE outcome = 'restored'));
-- followers: behind the horizon all goes on; before it, they begin anew, whether their row is there or not
SELECT op, path FROM pocket.changes(:'three_cursor');
CREATE TABLE follower AS SELECT c.op, c.rev, c.next FROM pocket.changes(pocket.first_cursor(), 2) c;
SELECT pocket.alter_namespace('n', retention => '0');
SELECT outcome FROM pocket.put('/f', 'five');
SELECT outcome FROM pocket.put('/f', 'six');
SELECT pocket.retain() > 0 AS dropped, pocket.retain();
SELECT f.op, f.rev IN (SELECT jid FROM kept) AS kept, c.op FROM follower f, pocket.changes(f.next) c;
SELECT op, path FROM pocket.changes(:'three_cursor');
SELECT op, path, size FROM pocket.changes(pocket.first_cursor());
SELECT c.op FROM pocket.changes(pocket.latest_cursor()) c;
SELECT outcome, size FROM pocket.history('/f');
-- the last row stays, even a deletion
SELECT outcome FROM pocket.rm('/e', true);
SELECT pocket.retain() > 0 AS dropped, pocket.retain();
SELECT name, op FROM kept WHERE op = 'deleted';
SELECT outcome FROM pocket.mkdir('/last');
SELECT pocket.retain(), pocket.retain();
SELECT name, op FROM kept;
SELECT path FROM pocket.deleted;
-- retained for longer than there has been time
SELECT pocket.alter_namespace('n', retention => '100000 years');
SELECT outcome FROM pocket.put('/f', 'seven');
SELECT pocket.retain();
-- rights
CREATE ROLE regress_pocket_eve;
SET ROLE regress_pocket_eve;
SELECT pocket.retain();
RESET ROLE;
DROP ROLE regress_pocket_eve;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT pocket.retain();
ROLLBACK;
DROP TABLE follower;
SELECT pocket.drop_namespace('n');

-- a pass is bounded
SELECT pocket.create_namespace('n', retention => '0') > 0 AS made;
SELECT count(pocket.put('/many', i::text::bytea)) FROM generate_series(1, 2500) i;
SELECT * FROM pocket.coordinate('retain');
SELECT * FROM pocket.coordinate('retain');
SELECT * FROM pocket.coordinate('retain');
SELECT * FROM pocket.coordinate('retain');
SELECT pocket.drop_namespace('n');

-- a folder comes back whole or not at all, also while its removal is being dropped
SELECT pocket.create_namespace('part', retention => '0') > 0 AS made;
SELECT count(*) FROM generate_series(1, 1500) i, pocket.put('part:/d/' || i, '');
SELECT outcome FROM pocket.rm('part:/d', true);
SELECT outcome FROM pocket.mkdir('part:/last');
SELECT pocket.retain() > 0 AS dropped FROM pocket.retain();
SELECT count(*) BETWEEN 1 AND 1499 AS some FROM pocket.deleted WHERE path LIKE 'part:/d/%';
SELECT pocket.restore('part:/d', (SELECT min(rev) FROM pocket.history('part:/d')));
SELECT pocket.drop_namespace('part');

-- a pass does a hundred namespaces; no one waits for ever behind others that have always something to drop
SELECT count(pocket.create_namespace('busy' || i, retention => '0')) FROM generate_series(1, 100) i;
SELECT pocket.create_namespace('last', retention => '0') > 0 AS made;
SELECT count(*) FROM generate_series(1, 3) j, pocket.put('last:/f', j::text::bytea);
CREATE FUNCTION busy() RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM generate_series(1, 100) i, generate_series(1, 3) j, pocket.put('busy' || i || ':/f', clock_timestamp()::text::bytea) $$;
SELECT busy();
SELECT pocket.retain() > 0 AS dropped FROM busy();
SELECT pocket.retain() > 0 AS dropped FROM busy();
SELECT j.jid FROM pocket_data.journal j JOIN pocket_data.namespace n USING (ns_id) WHERE n.name = 'last' ORDER BY 1;
SELECT count(*) FROM (SELECT pocket.drop_namespace(name) FROM pocket.namespaces WHERE name ~ '^(busy|last)') n;
DROP FUNCTION busy;

-- Random lives of many days.  Contents are made blocks by hand, a byte each.
\getenv abs_srcdir PG_ABS_SRCDIR
\set file :abs_srcdir '/recount.sql'
\i :file
CREATE TABLE memory (day integer, path text, file_id bigint, rev bigint, kind text, size bigint, content_hash pocket.sha256);
CREATE TABLE moment (day integer, at timestamptz);
CREATE FUNCTION random_path() RETURNS text LANGUAGE sql VOLATILE AS
	$$ SELECT '/r/' || (random() * 6)::int || CASE WHEN random() < 0.6 THEN '/' || (random() * 6)::int || CASE WHEN random() < 0.4 THEN '/' || (random() * 3)::int ELSE '' END ELSE '' END $$;
CREATE FUNCTION random_step() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	source text := random_path();
BEGIN
	CASE (random() * 8)::int
		WHEN 0 THEN PERFORM pocket.mkdir(source);
		WHEN 1, 2 THEN PERFORM pocket.rm(source, recursive => true);
		WHEN 3, 4 THEN PERFORM pocket.put(source, substr('abcdefghijklmnopqrstuvwxyz', 1 + (random() * 20)::int, 1 + (random() * 3)::int)::bytea);
		WHEN 5 THEN PERFORM pocket.cp(source, random_path());
		WHEN 6, 7 THEN PERFORM pocket.restore(source, (SELECT max(h.rev) FROM pocket.history(source) h WHERE h.outcome <> 'deleted'));
		ELSE PERFORM pocket.mv(source, random_path());
	END CASE;
EXCEPTION WHEN undefined_object OR duplicate_object OR wrong_object_type OR invalid_parameter_value THEN
	NULL;	-- not every step of such a life is possible
END $$;
SELECT pocket.create_namespace('n', retention => '4 days 12 hours') > 0 AS made;
SELECT setseed(0.75);
DO $$
DECLARE
	m moment;
	kept integer := 0;
	dropped integer := 0;
BEGIN
	FOR day IN 1 .. 40 LOOP
		FOR step IN 1 .. 30 LOOP
			PERFORM random_step();
		END LOOP;
		PERFORM make_blocks();
		INSERT INTO memory SELECT day, f.path, f.file_id, f.rev, f.kind, f.size, f.content_hash FROM pocket.ls('/', true) f;
		INSERT INTO moment VALUES (day, clock_timestamp());
		PERFORM pg_temp.age('1 day');
		UPDATE moment SET at = at - interval '1 day';
		PERFORM pocket.retain();
		IF EXISTS (TABLE miscounted) THEN RAISE EXCEPTION 'day %: holders are not what a recount gives', day; END IF;
		FOR m IN SELECT * FROM moment LOOP
			BEGIN
				IF EXISTS (SELECT f.path, f.file_id, f.rev, f.kind, f.size, f.content_hash FROM pocket.ls('/', true, at => m.at) f
						EXCEPT SELECT y.path, y.file_id, y.rev, y.kind, y.size, y.content_hash FROM memory y WHERE y.day = m.day)
					OR EXISTS (SELECT y.path FROM memory y WHERE y.day = m.day EXCEPT SELECT f.path FROM pocket.ls('/', true, at => m.at) f) THEN
					RAISE EXCEPTION 'day % differs on day %', m.day, day;
				END IF;
				kept := kept + 1;
			EXCEPTION WHEN invalid_parameter_value THEN
				IF m.day > day - 4 THEN RAISE; END IF;
				dropped := dropped + 1;
			END;
		END LOOP;
		PERFORM path FROM pocket.deleted;
		PERFORM h.rev FROM pocket.files d, pocket.history(d.path) h WHERE d.file_id > 1;
	END LOOP;
	IF dropped < 500 OR kept < 150 THEN RAISE EXCEPTION 'kept %, dropped %', kept, dropped; END IF;
END $$;
SELECT count(*) > 10 AS some FROM pocket_data.holder;
-- each block that is held is in what is kept, and the other way round
TABLE miscounted;
SELECT pocket.alter_namespace('n', retention => '0');
SELECT pocket.retain() > 0 AS dropped;
SELECT outcome FROM pocket.rm('/r', true);
SELECT outcome FROM pocket.mkdir('/r');
SELECT pocket.retain() > 0 AS dropped;
SELECT count(*) FROM pocket_data.holder;
SELECT name, op FROM kept;
DROP VIEW miscounted, recount, kept;
DROP FUNCTION make_blocks, random_step, random_path;
DROP TABLE made, memory, moment;

-- what was purged goes as well: followers are told of all that is left of it, also when its folder has gone before it
SELECT pocket.create_namespace('p', retention => '1 hour') > 0 AS made;
SET pocket.namespace = 'p';
SELECT outcome FROM pocket.put('/early', 'x');
SELECT outcome FROM pocket.put('/early2', 'x');
SELECT pg_temp.age('2 hours');
SELECT pocket.retain();
SELECT outcome FROM pocket.mkdir('/f');
SELECT outcome FROM pocket.put('/old/x', 'x');
SELECT outcome FROM pocket.rm('/old/x');
SELECT outcome FROM pocket.rm('/old');
SELECT outcome FROM pocket.put('/beside', 'one');
SELECT pg_temp.age('2 hours');
SELECT pocket.latest_cursor() AS cursor \gset
SELECT outcome FROM pocket.put('/f/x', 'x');
SELECT pocket.purge('/f'), pocket.purge('/old/x'), pocket.purge('/early');
SELECT op, kind, count(*) FROM pocket.changes(:'cursor') GROUP BY op, kind ORDER BY kind;
SELECT pocket.retain() > 0 AS dropped, pocket.retain();
SELECT op, kind, count(*), bool_and(name ~ '^purged-') AS nameless FROM pocket.changes(:'cursor') GROUP BY op, kind ORDER BY kind;
SELECT pocket.alter_namespace('p', retention => '0');
SELECT outcome FROM pocket.put('/beside', 'two');
SELECT outcome FROM pocket.put('/beside', 'three');
SELECT pocket.retain() > 0 AS dropped, pocket.retain();
SELECT j.op, j.name FROM pocket_data.journal j JOIN pocket_data.namespace n USING (ns_id) WHERE n.name = 'p' ORDER BY jid;
-- a pass of the coordinator looks at ten thousand namespaces, and the next one at the next
SELECT pocket.drop_namespace(name) FROM pocket.namespaces;
INSERT INTO pocket_data.namespace (ns_id, name, owner, retention, case_sensitive, created_at) SELECT i, 'quiet' || i, current_user, '1 day', false, now() FROM generate_series(10001, 40000) i;
INSERT INTO pocket_data.namespace_head SELECT i, 3, 2, 0, now() FROM generate_series(10001, 40000) i;
INSERT INTO pocket_data.journal SELECT i, j, 1, 'updated', 0, '', '', 'folder', 0, NULL, NULL, NULL, '{0:1}', NULL, '{}', '', now() - CASE WHEN i IN (10001, 20000, 20001, 40000) THEN interval '1 week' ELSE '0' END
	FROM generate_series(10001, 40000) i, generate_series(1, 3) j;
CREATE VIEW overdue AS SELECT ns_id FROM pocket_data.journal WHERE at < now() - interval '2 days' GROUP BY ns_id HAVING count(*) > 2;
ANALYZE pocket_data.journal, pocket_data.namespace, pocket_data.namespace_head;
-- a backend of its own
\c -
SET client_min_messages = warning;
SELECT done, remaining FROM pocket.coordinate('retain');
TABLE overdue ORDER BY 1;
SELECT done, remaining FROM pocket.coordinate('retain');
TABLE overdue ORDER BY 1;
SELECT done, remaining FROM pocket.coordinate('retain');
TABLE overdue ORDER BY 1;
-- and begins anew behind the last
UPDATE pocket_data.journal SET at = at - interval '1 week' WHERE ns_id = 10002;
SELECT done, remaining FROM pocket.coordinate('retain');
SELECT done, remaining FROM pocket.coordinate('retain');
-- by hand at all of them
UPDATE pocket_data.journal SET at = at - interval '1 week' WHERE ns_id IN (10003, 30000);
SELECT pocket.retain();
DROP VIEW overdue;
SELECT pocket.uninstall(current_database());
DROP EXTENSION pocket;
