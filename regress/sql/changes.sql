-- Following a namespace: cursors and changes.
SET client_min_messages = notice;
CREATE EXTENSION pocket;
SELECT pocket.create_namespace('app') > 0 AS made;
SET pocket.namespace = 'app';

-- What a follower needs: a copy of the tree, made of nothing but the rows of changes().
CREATE TABLE copy (file_id bigint PRIMARY KEY, parent_id bigint, name text, kind text, size bigint, content_hash text);
CREATE TABLE position (next pocket.cursor);
-- Applies one page; complains of a child that comes before its folder, and of a folder that goes before what is in it.
CREATE FUNCTION follow_once(max integer) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	row record;
	rows bigint := 0;
BEGIN
	FOR row IN SELECT c.* FROM position p, pocket.changes(p.next, max) c LOOP
		rows := rows + 1;
		UPDATE position SET next = row.next;
		IF row.op = 'reset' THEN
			DELETE FROM copy;
			CONTINUE;
		END IF;
		IF row.op <> 'deleted' AND row.parent_id <> 1 AND NOT EXISTS (SELECT FROM copy c WHERE c.file_id = row.parent_id AND c.kind = 'folder') THEN
			RAISE EXCEPTION '% comes before its folder', row.path;
		END IF;
		IF row.op = 'deleted' AND EXISTS (SELECT FROM copy c WHERE c.parent_id = row.file_id) THEN
			RAISE EXCEPTION '% goes before what is in it', row.path;
		END IF;
		DELETE FROM copy c WHERE c.file_id = row.file_id;
		IF row.op <> 'deleted' THEN
			INSERT INTO copy VALUES (row.file_id, row.parent_id, row.name, row.kind, row.size, row.content_hash::text);
		END IF;
	END LOOP;
	RETURN rows;
END $$;
-- Pages until none is left.
CREATE FUNCTION follow(max integer) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	page bigint;
	rows bigint := 0;
BEGIN
	LOOP
		page := follow_once(max);
		EXIT WHEN page = 0;
		rows := rows + page;
	END LOOP;
	RETURN rows;
END $$;
CREATE VIEW difference AS
	(SELECT file_id, parent_id, name, kind, size, content_hash::text FROM pocket.files WHERE parent_id <> 0 EXCEPT TABLE copy)
	UNION ALL (TABLE copy EXCEPT SELECT file_id, parent_id, name, kind, size, content_hash::text FROM pocket.files WHERE parent_id <> 0);

-- an empty tree
SELECT count(*) FROM pocket.changes(pocket.first_cursor());
SELECT count(*) FROM pocket.changes(pocket.latest_cursor());
INSERT INTO position VALUES (pocket.latest_cursor());

-- the journal: each change, with its path when it was made
SELECT outcome FROM pocket.put('/a/b/file', 'one');
SELECT outcome FROM pocket.mv('/a', '/z');
SELECT outcome FROM pocket.put('/z/b/file', 'two');
SELECT outcome FROM pocket.symlink('/z/link', '../file');
SELECT outcome FROM pocket.rm('/z', recursive => true);
SELECT c.op, c.path, c.kind, c.size, c.name, c.outcome, c.ns_id = (SELECT ns_id FROM pocket.namespaces) AS here
	FROM position p, pocket.changes(p.next) c;
SELECT follow(1000);
TABLE copy;
SELECT follow(1000);

-- the listing: folders come before what is in them, also when they were moved later
SELECT count(pocket.put('/first/' || i || '/file', ('content ' || i)::bytea)) FROM generate_series(1, 5) i;
SELECT outcome FROM pocket.mkdir('/second/below');
SELECT outcome FROM pocket.mv('/first/3', '/second/below/3');
SELECT outcome FROM pocket.mv('/second', '/Third');
SELECT outcome FROM pocket.rm('/first/4/file');
SELECT c.op, c.path FROM pocket.changes(pocket.first_cursor()) c;
-- pages of any size tell the same tree, whatever happens between two of them
DO $$
BEGIN
	FOR max IN 1 .. 14 LOOP
		DELETE FROM copy;
		UPDATE position SET next = pocket.first_cursor();
		PERFORM follow(max);
		IF EXISTS (TABLE difference) THEN RAISE EXCEPTION 'pages of % differ', max; END IF;
	END LOOP;
END $$;
DO $$
DECLARE
	step integer := 0;
BEGIN
	DELETE FROM copy;
	UPDATE position SET next = pocket.first_cursor();
	WHILE follow_once(1) > 0 LOOP
		step := step + 1;
		PERFORM pocket.put('/later/' || step, 'x') WHERE step <= 8;
		PERFORM pocket.mv('/Third', '/first/moved') WHERE step = 2;
		PERFORM pocket.mv('/first/moved', '/Third') WHERE step = 4;
		PERFORM pocket.rm('/first/2', recursive => true) WHERE step = 5;
		PERFORM pocket.mv('/Third/below', '/later/below') WHERE step = 6;
		PERFORM pocket.rm('/Third') WHERE step = 7;
	END LOOP;
	RAISE NOTICE 'followed to the end';
END $$;
TABLE difference;
SELECT path, kind FROM pocket.ls('/', recursive => true);

-- a follower that comes by now and then, at any moment of a random life of a tree
SELECT setseed(0.5);
DO $$
DECLARE
	source text;
	target text;
	begun integer := 0;
BEGIN
	FOR step IN 1 .. 600 LOOP
		-- ten names at three levels: most of them meet something
		source := '/r/' || (random() * 9)::int || CASE WHEN random() < 0.6 THEN '/' || (random() * 9)::int ELSE '' END;
		target := '/r/' || (random() * 9)::int || CASE WHEN random() < 0.6 THEN '/' || (random() * 9)::int ELSE '' END;
		BEGIN
			CASE (random() * 5)::int
				WHEN 0 THEN PERFORM pocket.mkdir(source);
				WHEN 1 THEN PERFORM pocket.rm(source, recursive => true);
				WHEN 2 THEN PERFORM pocket.put(source || '/f', step::text::bytea);
				WHEN 3 THEN PERFORM pocket.cp(source, target);
				WHEN 4 THEN PERFORM pocket.restore(source, (SELECT max(h.rev) FROM pocket.history(source) h WHERE h.outcome <> 'deleted'));
				ELSE PERFORM pocket.mv(source, target);
			END CASE;
		EXCEPTION WHEN undefined_object OR duplicate_object OR wrong_object_type OR invalid_parameter_value THEN
			NULL;	-- not every step of such a life is possible
		END;
		IF random() < 0.1 THEN
			IF random() < 0.2 THEN
				DELETE FROM copy;
				UPDATE position SET next = pocket.first_cursor();
				begun := begun + 1;
			END IF;
			PERFORM follow_once((1 + random() * 9)::int);
		END IF;
	END LOOP;
	PERFORM follow(7);
	RAISE NOTICE 'begun anew more than five times: %', begun > 5;
END $$;
TABLE difference;
SELECT count(*) > 20 AS some FROM copy;

-- after few changes the cost is that of few rows, however large the tree is
CREATE FUNCTION buffers(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ' || query INTO plan;
	RETURN (plan -> 0 -> 'Plan' ->> 'Shared Hit Blocks')::bigint + (plan -> 0 -> 'Plan' ->> 'Shared Read Blocks')::bigint;
END $$;
SELECT count(*) FROM (SELECT pocket.put_many(array_agg('/many/' || i), array_agg('x'::bytea)) FROM generate_series(1, 3000) i) p;
UPDATE position SET next = pocket.latest_cursor();
SELECT count(pocket.put('/many/' || i, 'new')) FROM generate_series(1, 10) i;
SELECT count(*), min(c.path), count(DISTINCT c.next) FROM position p, pocket.changes(p.next) c;
SELECT buffers('SELECT * FROM position p, pocket.changes(p.next) c') < 250 AS few;
SELECT buffers('SELECT * FROM pocket.changes(pocket.first_cursor(), 10) c') < 250 AS few;

-- whoever has been told everything waits, whatever the journal ends in
SELECT pocket.create_namespace('quiet') > 0 AS made;
CALL pocket.wait(pocket.first_cursor('quiet'), '10 ms');
SELECT outcome FROM pocket.put('quiet:/f', 'x');
SELECT outcome FROM pocket.put('quiet:/g', 'x');
SELECT outcome FROM pocket.rm('quiet:/g');
UPDATE position SET next = pocket.first_cursor('quiet');
SELECT next FROM position \gset
CALL pocket.wait(:'next', '10 ms');
SELECT c.op, c.path FROM position p, pocket.changes(p.next) c;
SELECT follow_once(10);
SELECT next FROM position \gset
CALL pocket.wait(:'next', '10 ms');
SELECT outcome FROM pocket.set_attributes('quiet:/', '{"of": "the root"}');
SELECT next FROM position \gset
CALL pocket.wait(:'next', '10 ms');
SELECT follow_once(10);
SELECT outcome FROM pocket.mkdir('quiet:/h');
SELECT next FROM position \gset
CALL pocket.wait(:'next', '10 ms');
SELECT follow_once(10);
TRUNCATE copy;

-- pages cost what is on them, also when the planner knows how large the tables are
SELECT pocket.create_namespace('large') > 0 AS made;
SELECT count(*) FROM (SELECT pocket.put_many(array_agg('large:/many/' || i), array_agg('x'::bytea)) FROM generate_series(1, 3000) i) p;
ANALYZE pocket_data.journal, pocket_data.entry;
SELECT buffers($$SELECT * FROM pocket.changes(pocket.first_cursor('large'), 10)$$) < 250 AS few;
SELECT buffers($$SELECT * FROM pocket.changes(pocket.latest_cursor('large'), 10)$$) < 250 AS few;
SELECT buffers($$SELECT * FROM pocket.ls('large:/many', max => 10)$$) < 250 AS few;
SELECT pocket.drop_namespace('large'), pocket.drop_namespace('quiet');

-- errors
SELECT pocket.first_cursor('nowhere');
RESET pocket.namespace;
SELECT pocket.latest_cursor();
SET pocket.namespace = 'app';
SELECT pocket.changes(NULL);
SELECT * FROM pocket.changes(pocket.latest_cursor(), 0);
SELECT * FROM pocket.changes(pocket.latest_cursor(), 10001);
SELECT count(*) FROM pocket.changes(pocket.latest_cursor(), 10000);

-- a cursor of another life of this namespace is told to begin anew
UPDATE position SET next = pocket.latest_cursor();
UPDATE pocket_data.journal SET at = at - interval '1 second' WHERE jid = (SELECT max(jid) FROM pocket_data.journal);
SELECT c.op, c.path, c.ns_id = (SELECT ns_id FROM pocket.namespaces) AS here FROM position p, pocket.changes(p.next) c;
SELECT follow(1000) > 3000 AS all_of_it;
TABLE difference;
UPDATE position SET next = pocket.latest_cursor();
UPDATE pocket_data.cell SET incarnation = incarnation + 1;
SELECT c.op FROM position p, pocket.changes(p.next) c;

-- whoever may not see the namespace learns nothing
CREATE ROLE regress_pocket_stranger;
GRANT SELECT ON position TO regress_pocket_stranger;
SET ROLE regress_pocket_stranger;
SELECT pocket.first_cursor('app');
SELECT c.op FROM position p, pocket.changes(p.next) c;
RESET ROLE;
DROP OWNED BY regress_pocket_stranger;
DROP ROLE regress_pocket_stranger;
DROP VIEW difference;
DROP TABLE copy, position;
DROP FUNCTION follow, follow_once, buffers;
SELECT pocket.uninstall(current_database());
DROP EXTENSION pocket;
