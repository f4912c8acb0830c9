-- Following a tree and what is mounted in it: cursors of several namespaces.
SET client_min_messages = notice;
CREATE EXTENSION pocket;
SELECT count(pocket.create_namespace(n)) AS made FROM unnest('{tree,s1,s2,s3}'::text[]) n;
CREATE FUNCTION space(id bigint) RETURNS text LANGUAGE sql AS $$ SELECT n.name FROM pocket.namespaces n WHERE n.ns_id = id $$;

-- What a follower needs: a copy of the tree, made of nothing but the rows of changes(). What is mounted is below the
-- folder that names it, and goes with it.
CREATE TABLE copy (ns_id bigint, file_id bigint, parent_id bigint, name text, kind text, size bigint, content_hash text,
	mounted bigint, PRIMARY KEY (ns_id, file_id));
CREATE TABLE position (tree bigint, next pocket.cursor);
CREATE FUNCTION path_in_copy(ns bigint, id bigint, root bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	path text := '';
	entry record;
BEGIN
	LOOP
		SELECT * INTO STRICT entry FROM copy c WHERE c.ns_id = ns AND c.file_id = id;
		path := '/' || entry.name || path;
		id := entry.parent_id;
		IF id = 1 THEN
			EXIT WHEN ns = root;
			SELECT c.file_id INTO STRICT id FROM copy c WHERE c.ns_id = root AND c.mounted = ns;
			ns := root;
		END IF;
	END LOOP;
	RETURN 'tree:' || path;
END $$;
CREATE FUNCTION follow_once(max integer) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	row record;
	root bigint := (SELECT tree FROM position);
	rows bigint := 0;
BEGIN
	FOR row IN SELECT c.* FROM position p, pocket.changes(p.next, max) c LOOP
		rows := rows + 1;
		UPDATE position SET next = row.next;
		IF row.op = 'reset' THEN
			DELETE FROM copy;
			CONTINUE;
		END IF;
		IF row.op <> 'deleted' AND NOT (CASE WHEN row.parent_id <> 1 THEN EXISTS (SELECT FROM copy c
				WHERE c.ns_id = row.ns_id AND c.file_id = row.parent_id AND c.kind = 'folder' AND c.mounted IS NULL)
			ELSE row.ns_id = root OR EXISTS (SELECT FROM copy c WHERE c.ns_id = root AND c.mounted = row.ns_id) END) THEN
			RAISE EXCEPTION '% comes before its folder', row.path;
		END IF;
		IF row.op = 'deleted' AND EXISTS (SELECT FROM copy c WHERE c.ns_id = row.ns_id AND c.parent_id = row.file_id) THEN
			RAISE EXCEPTION '% goes before what is in it', row.path;
		END IF;
		DELETE FROM copy c WHERE c.ns_id = row.ns_id AND c.file_id = row.file_id;
		IF row.op <> 'deleted' THEN
			INSERT INTO copy VALUES (row.ns_id, row.file_id, row.parent_id, row.name, row.kind, row.size, row.content_hash::text,
				(row.attributes->>'namespace_id')::bigint);
			IF row.path <> path_in_copy(row.ns_id, row.file_id, root) THEN
				RAISE EXCEPTION '% is at %', row.path, path_in_copy(row.ns_id, row.file_id, root);
			END IF;
		ELSE
			DELETE FROM copy c WHERE c.ns_id = (row.attributes->>'namespace_id')::bigint;
		END IF;
	END LOOP;
	RETURN rows;
END $$;
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
CREATE FUNCTION begin_anew() RETURNS void LANGUAGE sql AS $$
	DELETE FROM copy;
	DELETE FROM position;
	INSERT INTO position SELECT n.ns_id, pocket.first_cursor('tree') FROM pocket.namespaces n WHERE n.name = 'tree';
$$;
-- the copy with the paths that follow from it, and what ls tells
CREATE VIEW copied AS WITH RECURSIVE below AS (
	SELECT c.*, 'tree:/' || c.name AS path FROM copy c, position p WHERE c.ns_id = p.tree AND c.parent_id = 1
	UNION ALL SELECT c.*, b.path || '/' || c.name FROM below b JOIN copy c
		ON (c.ns_id = b.ns_id AND c.parent_id = b.file_id) OR (c.ns_id = b.mounted AND c.parent_id = 1))
	SELECT ns_id, file_id, path, kind, size, content_hash FROM below;
CREATE VIEW difference AS WITH l AS (SELECT ns_id, file_id, path, kind, size, content_hash::text FROM pocket.ls('tree:/', recursive => true))
	(TABLE l EXCEPT ALL TABLE copied) UNION ALL (TABLE copied EXCEPT ALL TABLE l)
	UNION ALL SELECT NULL, count(*), 'lost rows', NULL, NULL, NULL FROM copy HAVING count(*) <> (SELECT count(*) FROM l);

-- what is mounted comes after its mount point, with the paths that it has there
SELECT pocket.put('tree:/a/file', 'a') IS NOT NULL AS put, pocket.put('s1:/x/y', 'xy') IS NOT NULL AS put;
-- folders of both that are told before their turn, and have the same id
SELECT outcome FROM pocket.set_attributes('tree:/a', '{"later": 1}') UNION ALL SELECT outcome FROM pocket.set_attributes('s1:/x', '{"later": 1}');
SELECT outcome FROM pocket.mount('s1', 'tree:/in/S');
SELECT begin_anew();
SELECT op, path, kind, space(ns_id) FROM pocket.changes(pocket.first_cursor('tree'));
SELECT follow(1);
TABLE difference;
SELECT outcome FROM pocket.put('s1:/x/z', 'z');
SELECT outcome FROM pocket.mv('tree:/in/S', 'tree:/T');
SELECT outcome FROM pocket.put('tree:/T/w', 'w');
SELECT op, path, space(ns_id) FROM position, pocket.changes(next);
SELECT follow(1);
TABLE difference;
SELECT count(*) FROM pocket.changes(pocket.latest_cursor('tree'));
-- what is mounted later is told from its beginning; what is unmounted goes with its mount point
SELECT pocket.put('s2:/old', 'old') IS NOT NULL AS put;
SELECT outcome FROM pocket.mount('s2', 'tree:/in/S2');
SELECT outcome FROM pocket.unmount('tree:/T');
SELECT outcome FROM pocket.put('s1:/unseen', 'x');
SELECT op, path, space(ns_id) FROM position, pocket.changes(next);
SELECT follow(1);
TABLE difference;
-- also when all of that happened between two looks, and when the same is mounted again
SELECT outcome FROM pocket.mount('s1', 'tree:/again');
SELECT outcome FROM pocket.rm('tree:/in', recursive => true);
SELECT outcome FROM pocket.mount('s2', 'tree:/in');
SELECT outcome FROM pocket.mount('s3', 'tree:/gone');
SELECT outcome FROM pocket.unmount('tree:/gone');
SELECT op, path, space(ns_id) FROM position, pocket.changes(next);
SELECT follow(2);
TABLE difference;
-- the mount point's attributes are the client's to see, and change
SELECT outcome FROM pocket.set_attributes('tree:/in', '{"colour": "green"}');
SELECT op, path, attributes - 'namespace_id' AS attributes, attributes ? 'namespace_id' AS mounted FROM position, pocket.changes(next);
SELECT follow(2);
TABLE difference;

-- pages of any size, whatever happens between two of them
DO $$
DECLARE
	max integer;
BEGIN
	FOREACH max IN ARRAY '{1,2,3,4,5,6,7,8,9,10,11,12,1000}'::integer[] LOOP
		PERFORM begin_anew();
		PERFORM follow(max);
		IF EXISTS (TABLE difference) THEN RAISE EXCEPTION 'pages of % differ', max; END IF;
	END LOOP;
END $$;

-- a follower that comes by now and then, at any moment of a random life of a tree in which others come and go
SELECT begin_anew();
SELECT setseed(0.25);
DO $$
DECLARE
	source text;
	target text;
	begun integer := 0;
	mounted integer := 0;
BEGIN
	FOR step IN 1 .. 900 LOOP
		source := 'tree:/' || (random() * 5)::int || CASE WHEN random() < 0.7 THEN '/' || (random() * 5)::int ELSE '' END;
		target := 'tree:/' || (random() * 5)::int || CASE WHEN random() < 0.7 THEN '/' || (random() * 5)::int ELSE '' END;
		BEGIN
			CASE (random() * 10)::int
				WHEN 0 THEN PERFORM pocket.mkdir(source);
				WHEN 1 THEN PERFORM pocket.rm(source, recursive => true);
				WHEN 2, 3 THEN PERFORM pocket.put(source || '/f', step::text::bytea);
				WHEN 4 THEN PERFORM pocket.cp(source, target);
				WHEN 5 THEN PERFORM pocket.restore(source, (SELECT max(h.rev) FROM pocket.history(source) h WHERE h.outcome <> 'deleted'));
				WHEN 6, 7 THEN PERFORM pocket.mount('s' || (1 + random() * 2)::int, source); mounted := mounted + 1;
				WHEN 8 THEN PERFORM pocket.unmount((SELECT m.path FROM pocket.mounts m ORDER BY random() LIMIT 1));
				WHEN 9 THEN PERFORM pocket.put('s' || (1 + random() * 2)::int || ':/' || (random() * 3)::int, step::text::bytea);
				ELSE PERFORM pocket.mv(source, target);
			END CASE;
		EXCEPTION WHEN undefined_object OR duplicate_object OR wrong_object_type OR invalid_parameter_value
			OR object_not_in_prerequisite_state OR feature_not_supported THEN
			NULL;	-- not every step of such a life is possible
		END;
		IF random() < 0.15 THEN
			IF random() < 0.1 THEN
				PERFORM begin_anew();
				begun := begun + 1;
			END IF;
			PERFORM follow_once((1 + random() * 9)::int);
		END IF;
		IF step % 30 = 0 THEN
			PERFORM follow(('{1,2,5,1000}'::integer[])[1 + floor(random() * 4)]);
			IF EXISTS (TABLE difference) THEN RAISE EXCEPTION 'they differ after step %', step; END IF;
		END IF;
	END LOOP;
	PERFORM follow(7);
	RAISE NOTICE 'begun anew more than five times: %, mounted more than forty times: %', begun > 5, mounted > 40;
END $$;
TABLE difference;
SELECT count(*) > 10 AS some FROM copy;
SELECT n.name, n.mounts = (SELECT count(*) FROM pocket.mounts m WHERE m.ns_id = n.ns_id) AS counted FROM pocket_data.namespace n ORDER BY name;

-- what is dropped goes; the right to what is mounted comes and goes
SELECT count(pocket.unmount(path)) >= 0 AS unmounted FROM pocket.mounts;
SELECT count(pocket.rm(path, recursive => true)) >= 0 AS removed FROM pocket.ls('tree:/');
SELECT outcome FROM pocket.mount('s1', 'tree:/one');
SELECT outcome FROM pocket.mount('s2', 'tree:/two');
SELECT pocket.create_namespace('s4') > 0 AS made;
SELECT outcome FROM pocket.put('s4:/f', 'f');
SELECT outcome FROM pocket.mount('s4', 'tree:/four');
SELECT follow(3) > 0 AS told;
TABLE difference;
SELECT pocket.drop_namespace('s4');
SELECT op, path, kind FROM position, pocket.changes(next);
SELECT follow(1);
TABLE difference;
SELECT outcome FROM pocket.unmount('tree:/four');
SELECT pocket.create_namespace('s5') > 0 AS made;
SELECT outcome FROM pocket.put('s5:/f', 'f');
SELECT outcome FROM pocket.mount('s5', 'tree:/five');
SELECT follow(1);
SELECT pocket.purge('tree:/five');
SELECT op, kind, attributes->>'namespace_id' = space.ns_id::text AS its FROM position, pocket.changes(next), (SELECT n.ns_id FROM pocket.namespaces n WHERE n.name = 's5') space;
SELECT follow(1);
TABLE difference;
SELECT mounts FROM pocket_data.namespace WHERE name = 'tree';
SELECT count(*) FROM position, pocket.changes(next);
CREATE ROLE pocket_follower;
UPDATE pocket_data.namespace SET owner = 'pocket_follower' WHERE name IN ('tree', 's1');
GRANT ALL ON copy, position, copied, difference TO pocket_follower;
SET ROLE pocket_follower;
SELECT op, path FROM position, pocket.changes(next);
SELECT follow(1);
TABLE difference;
SELECT count(*) FROM pocket.changes(pocket.latest_cursor('tree'));
RESET ROLE;
UPDATE pocket_data.namespace SET owner = 'pocket_follower' WHERE name = 's2';
SET ROLE pocket_follower;
SELECT op, path FROM position, pocket.changes(next) WHERE path !~ '/two/';
SELECT follow(1) > 1 AS told;
TABLE difference;
RESET ROLE;

-- when retention has dropped what the cursor stands on, what is mounted comes anew, and nothing else
SELECT outcome FROM pocket.put('s2:/retained', 'x') UNION ALL SELECT outcome FROM pocket.rm('s2:/retained');
UPDATE pocket_data.namespace SET kept_jid = (SELECT jid FROM pocket_data.namespace_head h WHERE h.ns_id = n.ns_id) FROM pocket_data.namespace n
	WHERE n.ns_id = namespace.ns_id AND n.name = 's2';
SELECT op, path FROM position, pocket.changes(next) WHERE path !~ '/two/';
SELECT follow(1) > 2 AS told;
TABLE difference;

-- as many as a cursor has room for
SELECT count(pocket.create_namespace('part' || i)) FROM generate_series(1, 997) i;
SELECT count(pocket.mount('part' || i, 'tree:/parts/' || i)) FROM generate_series(1, 997) i;
SELECT follow(500);
TABLE difference;
SELECT outcome FROM pocket.put('part997:/f', 'f');
SELECT op, path FROM position, pocket.changes(next);
SELECT next AS due FROM position \gset
SELECT follow(5);
SELECT next AS done FROM position \gset
CALL pocket.wait(:'due', '0 s');
CALL pocket.wait(:'done', '0 s');

DROP VIEW difference, copied;
DROP TABLE copy, position;
DROP FUNCTION follow, follow_once, path_in_copy, begin_anew, space;
SET client_min_messages = warning;
SELECT pocket.uninstall(current_database());
DROP EXTENSION pocket;
DROP ROLE pocket_follower;
