-- Who follows a namespace that is not his: he is told what he may read, and begins anew when that changes.
SET client_min_messages = warning;
CREATE EXTENSION pocket;
SELECT pocket.install() AS made;
CREATE ROLE regress_pocket_ann;
CREATE ROLE regress_pocket_ben;
SELECT pocket.create_principal('eng', 'group');
SELECT pocket.create_principal('inner', 'group');
SELECT pocket.add_member('eng', 'inner');
SET ROLE regress_pocket_ann;
SELECT pocket.create_namespace('a') > 0 AS made;
SELECT count(*) FROM pocket.put_many(ARRAY['a:/Pub/one', 'a:/Pub/Cut/secret', 'a:/Priv/two', 'a:/Pub/Sub/deep'], ARRAY['1', '2', '3', '4']::bytea[]);
SELECT pocket.share('a:/', 'regress_pocket_ben', 'editor');
SELECT pocket.unshare('a:/Pub/Cut', 'regress_pocket_ben');
SELECT pocket.unshare('a:/Priv', 'regress_pocket_ben');

-- where each of them is
RESET ROLE;
CREATE TABLE follower (name text PRIMARY KEY, cursor pocket.cursor);
GRANT ALL ON follower TO PUBLIC;
CREATE FUNCTION follow(who text) RETURNS TABLE (op text, path text, kind text) LANGUAGE plpgsql AS $$
DECLARE
	r record;
BEGIN
	FOR r IN SELECT c.* FROM follower f, pocket.changes(f.cursor) c WHERE f.name = who LOOP
		UPDATE follower SET cursor = r.next WHERE follower.name = who;
		op := r.op; path := r.path; kind := r.kind;
		RETURN NEXT;
	END LOOP;
END $$;
CREATE FUNCTION due(who text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	c pocket.cursor := (SELECT f.cursor FROM follower f WHERE f.name = who);
BEGIN
	RETURN EXISTS (SELECT FROM pocket.changes(c, 1));
END $$;
SET ROLE regress_pocket_ann;
INSERT INTO follower VALUES ('ann', pocket.first_cursor('a'));
SELECT * FROM follow('ann');
SET ROLE regress_pocket_ben;
INSERT INTO follower VALUES ('ben', pocket.first_cursor('a'));
SELECT * FROM follow('ben');
SELECT * FROM follow('ben');

-- what he may not read is not told, nor that it has changed
SET ROLE regress_pocket_ann;
SELECT outcome FROM pocket.put('a:/Priv/two', 'new');
SELECT outcome FROM pocket.put('a:/Pub/Cut/more', 'new');
SELECT outcome FROM pocket.mv('a:/Priv/two', 'a:/Priv/three');
SET ROLE regress_pocket_ben;
SELECT * FROM follow('ben');
SELECT due('ben');
SELECT cursor AS c FROM follower WHERE name = 'ben' \gset
CALL pocket.wait(:'c', '0');
SET ROLE regress_pocket_ann;
SELECT outcome FROM pocket.put('a:/Pub/one', 'new');
SELECT outcome FROM pocket.rm('a:/Priv/three');
SELECT outcome FROM pocket.mv('a:/Pub/Sub', 'a:/Sub');
SELECT outcome FROM pocket.rm('a:/Sub/deep');
SET ROLE regress_pocket_ben;
SELECT due('ben');
SELECT * FROM follow('ben');

-- out of his view, and into it: the rows before are told, then he begins anew
SET ROLE regress_pocket_ann;
SELECT outcome FROM pocket.put('a:/Pub/before', 'x');
SELECT outcome FROM pocket.mv('a:/Pub/one', 'a:/Priv/one');
SELECT outcome FROM pocket.put('a:/Pub/behind', 'x');
SET ROLE regress_pocket_ben;
SELECT * FROM follow('ben');
SELECT due('ben');
SELECT cursor AS c FROM follower WHERE name = 'ben' \gset
CALL pocket.wait(:'c', '0');
SELECT * FROM follow('ben');
SELECT * FROM follow('ben');
SET ROLE regress_pocket_ann;
SELECT outcome FROM pocket.mv('a:/Pub/Cut/secret', 'a:/Sub/secret');
SET ROLE regress_pocket_ben;
SELECT * FROM follow('ben');
SELECT * FROM follow('ben');
-- a file that he may not read any more is not told as it was, though the row is older than that
SET ROLE regress_pocket_ann;
SELECT outcome FROM pocket.put('a:/Pub/later', 'x');
SELECT outcome FROM pocket.mv('a:/Pub/later', 'a:/Priv/later');
SET ROLE regress_pocket_ben;
SELECT * FROM follow('ben');
SELECT count(*) > 0 AS anew FROM follow('ben');

-- a list: the owner is told of it, he begins anew; also in the middle of a listing
SET ROLE regress_pocket_ann;
SELECT count(*) FROM follow('ann');
SELECT pocket.share('a:/Priv', 'regress_pocket_ben', 'viewer');
SELECT op, path, outcome FROM pocket.changes((SELECT cursor FROM follower WHERE name = 'ann'));
SELECT count(*) FROM follow('ann');
SET ROLE regress_pocket_ben;
SELECT * FROM follow('ben');
SELECT path FROM pocket.changes((SELECT cursor FROM follower WHERE name = 'ben'), 3);
UPDATE follower SET cursor = (SELECT next FROM pocket.changes(cursor, 3) OFFSET 2) WHERE name = 'ben';
SET ROLE regress_pocket_ann;
SELECT pocket.share('a:/Pub/Cut', 'regress_pocket_ben', 'viewer');
SET ROLE regress_pocket_ben;
SELECT * FROM follow('ben');
SELECT * FROM follow('ben');

-- teams
SET ROLE regress_pocket_ann;
SELECT pocket.share('a:/', 'group:eng', 'viewer');
SELECT pocket.unshare('a:/', 'regress_pocket_ben');
SET ROLE regress_pocket_ben;
SELECT * FROM follow('ben');
RESET ROLE;
SELECT pocket.add_member('inner', 'regress_pocket_ben');
SET ROLE regress_pocket_ben;
SELECT * FROM follow('ben');
SELECT count(*) > 0 AS anew FROM follow('ben');
SELECT count(*) FROM follow('ben');
SET ROLE regress_pocket_ann;
SELECT count(*) FROM follow('ann');
RESET ROLE;
SELECT pocket.create_principal('zoe');
SELECT pocket.add_member('inner', 'zoe');
SET ROLE regress_pocket_ann;
SELECT op, path FROM follow('ann');
RESET ROLE;
SELECT pocket.remove_member('inner', 'regress_pocket_ben');
SET ROLE regress_pocket_ben;
SELECT * FROM follow('ben');
SELECT pocket.latest_cursor('a');

-- who may read something in it, but not the root, does not follow
SELECT path FROM pocket.files ORDER BY path;
SELECT pocket.first_cursor('a');
RESET ROLE;
SELECT pocket.uninstall(current_database());
DROP EXTENSION pocket CASCADE;
DROP FUNCTION IF EXISTS follow, due;
DROP TABLE follower;
DROP ROLE regress_pocket_ann, regress_pocket_ben;
