-- Going back: a file or a tree as it was at a moment.
SET client_min_messages = warning;
CREATE EXTENSION pocket;
SELECT pocket.install() IS NOT NULL AS installed;
CREATE TABLE moment (name text PRIMARY KEY, at timestamptz, used bigint);
CREATE TABLE memory (name text, path text, file_id bigint, kind text, size bigint, content_hash pocket.sha256, mtime timestamptz, attributes jsonb);
CREATE VIEW tree AS SELECT f.path, f.file_id, f.kind, f.size, f.content_hash, f.mtime, f.attributes FROM pocket.ls('/', true) f;
CREATE FUNCTION note(name text) RETURNS void LANGUAGE sql AS
	$$ INSERT INTO memory SELECT $1, * FROM tree; INSERT INTO moment SELECT $1, clock_timestamp(), n.used FROM pocket.namespaces n WHERE n.name = current_setting('pocket.namespace') $$;
CREATE FUNCTION was(name text) RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT at FROM moment m WHERE m.name = $1';
-- what is not as it was then, at a path and below it
CREATE FUNCTION differs(name text, top text DEFAULT '') RETURNS SETOF memory LANGUAGE sql AS $$
	(SELECT * FROM memory m WHERE m.name = $1 AND (m.path || '/') ^@ (current_setting('pocket.namespace') || ':' || top || '/') EXCEPT SELECT $1, t.* FROM tree t)
	UNION ALL
	(SELECT $1, t.* FROM tree t WHERE (t.path || '/') ^@ (current_setting('pocket.namespace') || ':' || top || '/') EXCEPT SELECT * FROM memory m WHERE m.name = $1) $$;
CREATE FUNCTION rows_since(jid bigint) RETURNS TABLE (op text, name text) LANGUAGE sql AS
	$$ SELECT j.op, j.name FROM pocket_data.journal j JOIN pocket.namespaces n USING (ns_id) WHERE n.name = current_setting('pocket.namespace') AND j.jid > $1 ORDER BY j.jid $$;
INSERT INTO moment VALUES ('nothing', clock_timestamp());
SELECT pocket.create_namespace('r') > 0 AS made;
SET pocket.namespace = 'r';

-- each kind of change
SELECT count(*) FROM pocket.put_many(ARRAY['/d/kept', '/d/changed', '/d/gone', '/d/moved', '/d/sub/out', '/d/sub/gone', '/else/in'],
	ARRAY['kept', 'old', 'gone', 'moved', 'out', 'sub gone', 'in']::bytea[], attributes => ARRAY['{}', '{"a": 1}', '{}', '{}', '{}', '{}', '{}']::jsonb[]);
SELECT outcome FROM pocket.symlink('/d/link', 'kept');
SELECT outcome FROM pocket.mkdir('/d/empty');
SELECT note('first');
SELECT outcome FROM pocket.put('/d/changed', 'and new', attributes => '{"a": 2}');
SELECT outcome FROM pocket.rm('/d/gone');
SELECT outcome FROM pocket.rm('/d/empty');
SELECT outcome FROM pocket.mv('/d/moved', '/d/elsewhere');
SELECT outcome FROM pocket.mv('/d/sub/out', '/out');
SELECT outcome FROM pocket.rm('/d/sub', true);
SELECT outcome FROM pocket.put('/d/new/file', 'new');
SELECT outcome FROM pocket.mv('/else/in', '/d/in');
SELECT outcome FROM pocket.symlink('/d/link', 'new');
SELECT note('second');
SELECT max(rev) AS last FROM pocket.files \gset
SELECT pocket.rewind('/d', was('first'));
SELECT * FROM rows_since(:last) ORDER BY 1, 2;
SELECT path FROM differs('first', '/d');
SELECT path, kind, size FROM pocket.ls('/', true);
SELECT outcome FROM pocket.history('/d/in');
SELECT encode(pocket.get('/d/changed'), 'escape'), attributes FROM pocket.stat('/d/changed');
SELECT pocket.rewind('/d', was('first'));
-- and forwards again, all of it
SELECT pocket.rewind('/', was('second'));
SELECT path FROM differs('second');
SELECT pocket.rewind('/', was('first'));
SELECT path FROM differs('first');
SELECT used = (SELECT used FROM moment WHERE name = 'first') AS used FROM pocket.namespaces;
SELECT pocket.rewind('/', clock_timestamp() + interval '1 day'), pocket.rewind('/', 'infinity');

-- a file; one that was removed; one that was not there; one whose folders are gone, or were called otherwise
SELECT outcome FROM pocket.put('/d/changed', 'again');
SELECT pocket.rewind('/d/CHANGED', was('first'));
SELECT outcome FROM pocket.rm('/d/changed');
SELECT pocket.rewind('/d/changed', was('first'));
SELECT path FROM differs('first');
SELECT outcome FROM pocket.put('/d/later', 'later');
SELECT pocket.rewind('/d/later', was('first'));
SELECT pocket.stat('/d/later');
SELECT outcome FROM pocket.history('/d/later');
SELECT outcome FROM pocket.rm('/d', true);
SELECT pocket.rewind('/d/sub/out', was('first'));
SELECT path, size FROM pocket.ls('/d', true);
SELECT pocket.rewind('/d/', was('first'));
SELECT pocket.rewind('/d', was('first'));
SELECT path FROM differs('first');
SELECT outcome FROM pocket.mv('/d/kept', '/d/KEPT');
SELECT pocket.rewind('/d', was('first'));
SELECT path FROM pocket.stat('/d/kept');

-- names in the way: two that were exchanged, a chain, another entry at the path, a folder that was wrapped
SELECT count(*) FROM pocket.put_many(ARRAY['/n/1', '/n/2', '/n/3', '/n/x/a', '/n/y/b'], ARRAY['1', '2', '3', 'a', 'b']::bytea[]);
SELECT note('names');
SELECT outcome FROM pocket.mv('/n/1', '/n/t');
SELECT outcome FROM pocket.mv('/n/2', '/n/1');
SELECT outcome FROM pocket.mv('/n/t', '/n/2');
SELECT outcome FROM pocket.mv('/n/x', '/n/t');
SELECT outcome FROM pocket.mv('/n/y', '/n/x');
SELECT outcome FROM pocket.mv('/n/t', '/n/y');
SELECT pocket.rewind('/n', was('names'));
SELECT path FROM differs('names');
SELECT outcome FROM pocket.mv('/n/3', '/n/4');
SELECT outcome FROM pocket.mv('/n/2', '/n/3');
SELECT outcome FROM pocket.mv('/n/1', '/n/2');
SELECT max(rev) AS last FROM pocket.files \gset
SELECT pocket.rewind('/n', was('names'));
SELECT * FROM rows_since(:last);
SELECT path FROM differs('names');
SELECT outcome FROM pocket.mkdir('/wrap');
SELECT outcome FROM pocket.put('/wrap/new', 'new');
SELECT outcome FROM pocket.mv('/n', '/wrap/n');
SELECT outcome FROM pocket.mv('/wrap', '/n');
SELECT pocket.rewind('/n', was('names'));
SELECT path FROM differs('names');
SELECT pocket.rewind('/n', was('names'));
-- inside out
SELECT outcome FROM pocket.mv('/n/x', '/x');
SELECT outcome FROM pocket.mv('/n', '/x/n');
SELECT pocket.rewind('/x/n', was('names'));
SELECT pocket.rewind('/n', was('names'));
SELECT path, kind FROM pocket.ls('/', true) WHERE path ~ '^r:/[nx]';
SELECT path FROM differs('names');
-- what came to be above it cannot be in it
SELECT count(*) FROM pocket.put_many(ARRAY['/q/p/x/f'], ARRAY['f']::bytea[]);
SELECT note('above');
SELECT outcome FROM pocket.mv('/q/p/x', '/x');
SELECT outcome FROM pocket.mv('/q/p', '/x/p');
SELECT outcome FROM pocket.rm('/q');
SELECT outcome FROM pocket.mv('/x', '/q');
SELECT pocket.rewind('/q/p', was('above'));
SELECT pocket.rewind('/q', was('above'));
SELECT path FROM differs('above', '/q');

-- errors
SELECT pocket.rewind('/d', was('nothing'));
SELECT pocket.rewind('/never', was('first'));
SELECT pocket.rewind('/d/kept/', was('first'));
SELECT pocket.rewind('/d/kept/below', was('first'));
SELECT pocket.rewind(NULL, now()) IS NULL AND pocket.rewind('/d', NULL) IS NULL AS null;
BEGIN READ ONLY;
SELECT pocket.rewind('/', was('first'));
ROLLBACK;
BEGIN;
SELECT pocket.rewind('/', was('first')) > 0 AS back;
ROLLBACK;
SELECT path FROM differs('above', '/q');
CREATE ROLE regress_pocket_eve;
SET ROLE regress_pocket_eve;
SELECT pocket.rewind('r:/', now());
RESET ROLE;
DROP ROLE regress_pocket_eve;

-- a quota counts what comes out of it, not what is on the way
SELECT pocket.create_namespace('q', quota => 10) > 0 AS made;
SET pocket.namespace = 'q';
SELECT count(*) FROM pocket.put_many(ARRAY['/a', '/b'], ARRAY['12345678', '1']::bytea[]);
SELECT note('q');
SELECT outcome FROM pocket.put('/a', '1');
SELECT outcome FROM pocket.put('/b', '123456789');
SELECT pocket.rewind('/', was('q'));
SELECT outcome FROM pocket.rm('/a');
SELECT outcome FROM pocket.put('/b', '123456');
SELECT pocket.rewind('/a', was('q'));
SELECT used FROM pocket.namespaces WHERE name = 'q';
SELECT pocket.rewind('/', was('q'));
SELECT used FROM pocket.namespaces WHERE name = 'q';

-- more than one batch
SELECT pocket.create_namespace('big') > 0 AS made;
SET pocket.namespace = 'big';
SELECT count(*) FROM pocket.put_many(ARRAY(SELECT '/big/' || i % 3 || '/' || i FROM generate_series(1, 1500) i),
	ARRAY(SELECT convert_to(i::text, 'UTF8') FROM generate_series(1, 1500) i));
SELECT note('big');
SELECT count(pocket.rm('/big/0/' || i)) FROM generate_series(3, 1500, 6) i;
SELECT count(pocket.mv('/big/1/' || i, '/big/2/' || i)) FROM generate_series(1, 1500, 3) i;
SELECT count(pocket.put('/big/2/new' || i, 'x')) FROM generate_series(1, 500) i;
SELECT note('second big');
SELECT pocket.rewind('/big', was('big'));
SELECT count(*) FROM differs('big');
SELECT outcome FROM pocket.rm('/big', true);
SELECT pocket.rewind('/big', was('second big'));
SELECT count(*) FROM differs('second big');

-- a folder that went last comes back with all that went
SELECT pocket.create_namespace('last') > 0 AS made;
SET pocket.namespace = 'last';
SELECT outcome FROM pocket.put('/d/a/y/f', 'y');
SELECT note('before');
SELECT outcome FROM unnest('{/d/x/b/new, /d/x/new, /d/zz/q, /d/0/q}'::text[]) f, pocket.put(f, 'new');
SELECT outcome FROM pocket.mv('/d/a/y', '/d/x/y');
SELECT pocket.rewind('/d', was('before'));
SELECT * FROM differs('before');
SELECT outcome FROM pocket.restore('/d/x', (SELECT max(rev) FROM pocket.history('/d/x') WHERE outcome <> 'deleted'));
SELECT path FROM tree;

-- Random lives.  Contents are made blocks, one for each byte, by hand: rewind moves rows only, and counts holders.
\getenv abs_srcdir PG_ABS_SRCDIR
\set file :abs_srcdir '/recount.sql'
\i :file
CREATE FUNCTION random_path() RETURNS text LANGUAGE sql VOLATILE AS
	$$ SELECT '/r/' || (random() * 6)::int || CASE WHEN random() < 0.6 THEN '/' || (random() * 6)::int || CASE WHEN random() < 0.4 THEN '/' || (random() * 3)::int ELSE '' END ELSE '' END $$;
CREATE FUNCTION random_step() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	source text := random_path();
BEGIN
	CASE (random() * 8)::int
		WHEN 0 THEN PERFORM pocket.mkdir(source);
		WHEN 1 THEN PERFORM pocket.rm(source, recursive => true);
		WHEN 2, 3, 4 THEN PERFORM pocket.put(source, substr('abcdefghijklmnopqrstuvwxyz', 1 + (random() * 20)::int, 1 + (random() * 3)::int)::bytea);
		WHEN 5 THEN PERFORM pocket.cp(source, random_path());
		WHEN 6 THEN PERFORM pocket.restore(source, (SELECT max(h.rev) FROM pocket.history(source) h WHERE h.outcome <> 'deleted'));
		ELSE PERFORM pocket.mv(source, random_path());
	END CASE;
EXCEPTION WHEN undefined_object OR duplicate_object OR wrong_object_type OR invalid_parameter_value THEN
	NULL;	-- not every step of such a life is possible
END $$;
SELECT pocket.drop_namespace(name) FROM pocket.namespaces;
DELETE FROM memory;
DELETE FROM moment;
SELECT pocket.create_namespace('life') > 0 AS made;
SET client_min_messages = notice;
SET pocket.namespace = 'life';
SELECT outcome FROM pocket.mkdir('/r');
SELECT setseed(0.25);
DO $$
DECLARE
	path text;
	then_ text;
	rewound integer := 0;
BEGIN
	FOR step IN 1 .. 900 LOOP
		PERFORM random_step();
		CONTINUE WHEN random() > 0.15;
		PERFORM make_blocks();
		IF random() < 0.5 THEN
			PERFORM note(step::text);
		ELSE
			SELECT m.name INTO then_ FROM moment m ORDER BY random() LIMIT 1;
			CONTINUE WHEN then_ IS NULL;
			path := random_path();
			BEGIN
				PERFORM pocket.rewind(path, was(then_));
				rewound := rewound + 1;
				IF EXISTS (SELECT FROM differs(then_, path)) THEN RAISE EXCEPTION 'step %: % differs from %', step, path, then_; END IF;
				IF pocket.rewind(path, was(then_)) <> 0 THEN RAISE EXCEPTION 'step %: % is rewound twice to %', step, path, then_; END IF;
			EXCEPTION WHEN undefined_object OR wrong_object_type OR invalid_parameter_value THEN
				NULL;	-- neither then nor now, or by way of a file, or it would be below itself
			END;
		END IF;
	END LOOP;
	RAISE NOTICE 'rewound more than 25 times: %', rewound > 25;
	-- and the whole tree, to each of the moments
	FOR then_ IN SELECT m.name FROM moment m ORDER BY random() LOOP
		PERFORM pocket.rewind('/', was(then_));
		IF EXISTS (SELECT FROM differs(then_)) THEN RAISE EXCEPTION 'the tree differs from %', then_; END IF;
		IF (SELECT n.used FROM pocket.namespaces n) <> (SELECT m.used FROM moment m WHERE m.name = then_) THEN RAISE EXCEPTION 'used bytes differ'; END IF;
		IF pocket.rewind('/', was(then_)) <> 0 THEN RAISE EXCEPTION 'rewound twice to %', then_; END IF;
		PERFORM make_blocks();
	END LOOP;
END $$;
SELECT count(*) > 25 AS moments, count(DISTINCT used) > 10 AS various FROM moment;
SELECT op, count(*) > 10 AS many FROM pocket_data.journal GROUP BY op ORDER BY op;
-- no jid is left out, and entries are what the journal has
SELECT bool_and(jid = i) AS no_gaps FROM (SELECT jid, row_number() OVER (ORDER BY jid) AS i FROM pocket_data.journal) j;
SELECT count(*) FROM (SELECT file_id, rev, parent_id, name, blocks, inline FROM pocket_data.entry
	EXCEPT SELECT file_id, jid, parent_id, name, blocks, inline FROM pocket_data.journal) e;
SELECT sum(size) = (SELECT used FROM pocket.namespaces) AS used FROM pocket.files;
DROP VIEW miscounted, recount;
DROP FUNCTION make_blocks, random_step, random_path, differs, rows_since, note, was;
DROP VIEW tree;
DROP TABLE made, memory, moment;
SELECT pocket.uninstall(current_database());
DROP EXTENSION pocket;
