-- Namespaces in other namespaces' trees: mount and unmount, and every function across a mount point.
SET client_min_messages = notice;
CREATE EXTENSION pocket;
SELECT pocket.create_namespace('me') > 0 AS made;
SELECT pocket.create_namespace('team') > 0 AS made;
SELECT pocket.create_namespace('exact', case_sensitive => true) > 0 AS made;
SELECT pocket.create_namespace('other') > 0 AS made;
CREATE FUNCTION space(id bigint) RETURNS text LANGUAGE sql AS $$ SELECT n.name FROM pocket.namespaces n WHERE n.ns_id = id $$;

SELECT outcome, path FROM pocket.put('team:/plan/today.txt', 'one');
SELECT outcome, path, kind, size, attributes = jsonb_build_object('namespace_id', (SELECT n.ns_id FROM pocket.namespaces n WHERE n.name = 'team')) AS its
	FROM pocket.mount('team', 'me:/Work/Team');
SELECT m.path, m.namespace, space(m.ns_id) AS at, space(m.mounted_id) AS mounted FROM pocket.mounts m;

-- a folder for whoever looks
SELECT path, kind, space(ns_id) FROM pocket.stat('me:/work/team');
SELECT path, kind FROM pocket.ls('me:/Work');
SELECT path, kind, space(ns_id) FROM pocket.ls('me:/work/team');
SELECT path, kind, space(ns_id) FROM pocket.ls('me:/', recursive => true);
SELECT path, kind FROM pocket.files ORDER BY path;

-- every function goes through it
SELECT outcome, path, space(ns_id) FROM pocket.put('me:/Work/Team/plan/new.txt', 'new');
SELECT outcome, path FROM pocket.put('me:/Work/Team/made/deep/x', 'x');
SELECT encode(pocket.get('me:/WORK/TEAM/PLAN/TODAY.TXT'), 'escape'), encode(pocket.get('team:/plan/new.txt'), 'escape');
SELECT outcome, path, size FROM pocket.append('me:/Work/Team/plan/new.txt', ' and more');
SELECT outcome, path FROM pocket.mkdir('me:/Work/Team/folder');
SELECT outcome, path FROM pocket.mkdir('me:/Work/Team');
SELECT outcome, path, attributes FROM pocket.symlink('me:/Work/Team/link', 'plan');
SELECT outcome, path, attributes FROM pocket.set_attributes('me:/Work/Team/folder', '{"colour": "red"}');
SELECT outcome, path FROM pocket.mv('me:/Work/Team/folder', 'me:/Work/Team/plan/folder');
SELECT outcome, path FROM pocket.cp('me:/Work/Team/plan/today.txt', 'me:/Work/Team/plan/copy.txt');
SELECT outcome, path FROM pocket.rm('me:/Work/Team/plan/folder');
SELECT outcome, path FROM pocket.restore('me:/Work/Team/plan/folder', (SELECT min(rev) FROM pocket.history('me:/Work/Team/plan/folder')));
SELECT outcome, path FROM pocket.history('me:/Work/Team/plan/folder');
SELECT outcome, path, space(ns_id) FROM pocket.put_many(
	ARRAY['me:/a', 'me:/Work/Team/many/a', 'team:/many/a', 'me:/Work/Team/many/b', 'other:/a', 'me:/Work/b', 'me:/work/TEAM/many/c'],
	ARRAY['1', '2', '3', '4', '5', '6', '7']::bytea[]);
SELECT path, encode(pocket.get(path), 'escape') FROM pocket.ls('team:/many');
SELECT outcome, regexp_replace(path, ' from .*', '') AS path FROM pocket.put('me:/Work/Team/many/a', 'mine', mode => 'add');
SELECT path FROM pocket.ls('me:/Work/Team/many', after => 'b', max => 1);
SELECT path FROM pocket.ls('me:/Work/Team/many', after => 'me:/work/team/MANY/b');
SELECT path FROM pocket.ls('me:/Work', recursive => true, after => 'me:/Work/Team/plan', max => 3);
SELECT path FROM pocket.ls('me:/Work/Team/many', after => 'team:/many/a');
-- pages of a listing that goes through it: as one
DO $$
DECLARE
	last text;
	path text;
	paths text[] := '{}';
BEGIN
	LOOP
		SELECT l.path INTO path FROM pocket.ls('me:/', recursive => true, after => last, max => 1) l;
		EXIT WHEN NOT FOUND;
		paths := paths || path;
		last := path;
	END LOOP;
	IF paths <> (SELECT array_agg(l.path) FROM pocket.ls('me:/', recursive => true) l) THEN RAISE EXCEPTION 'pages differ: %', paths; END IF;
END $$;

-- between the trees
SELECT outcome, path, space(ns_id) FROM pocket.mv('me:/a', 'me:/Work/Team/moved');
SELECT outcome, path, space(ns_id) FROM pocket.mv('me:/Work/Team/moved', 'me:/back');
SELECT outcome, path FROM pocket.cp('me:/Work/Team', 'me:/copy of team');
SELECT path, kind FROM pocket.ls('me:/copy of team');
SELECT pocket.cp('me:/Work', 'me:/copy of work');
SELECT pocket.cp('me:/back', 'me:/Work/Team');
SELECT pocket.put('me:/Work/Team', 'x');
SELECT pocket.get('me:/Work/Team');
SELECT pocket.symlink('me:/Work/Team', 'x');

-- names beneath follow the rule of what is mounted
SELECT outcome FROM pocket.mount('exact', 'me:/Exact');
SELECT outcome, path FROM pocket.put('me:/EXACT/a', 'small');
SELECT outcome, path FROM pocket.put('me:/exact/A', 'large');
SELECT path FROM pocket.ls('me:/exact');

-- no mount inside a mount, and no tree twice
SELECT pocket.mount('other', 'me:/Work/Team/Other');
SELECT pocket.mount('other', 'team:/Other');
SELECT pocket.mount('me', 'other:/Me');
SELECT pocket.mount('me', 'me:/Me');
SELECT pocket.mount('team', 'me:/Again');
SELECT pocket.mount('other', 'me:/back');
SELECT pocket.mount('other', 'me:/');
SELECT pocket.mount('nothing', 'me:/Nothing');
SELECT pocket.mv('me:/Work', 'me:/Exact/Work');
SELECT pocket.mv('me:/Work/Team', 'me:/Exact/Team');
SELECT path, namespace FROM pocket.mounts ORDER BY path;

-- the mount point is an entry of its tree
SELECT outcome, path FROM pocket.mv('me:/Work/Team', 'me:/The Team');
SELECT encode(pocket.get('me:/the team/plan/today.txt'), 'escape');
SELECT outcome, path, attributes - 'namespace_id' AS attributes FROM pocket.set_attributes('me:/The Team', '{"namespace_id": "none", "colour": "blue"}');
SELECT path, namespace FROM pocket.mounts ORDER BY path;
SELECT outcome, path FROM pocket.rm('me:/The Team');
SELECT pocket.stat('me:/The Team');
SELECT pocket.put('me:/The Team/x', 'a folder of its own') IS NOT NULL AS put;
SELECT path FROM pocket.ls('team:/');
SELECT outcome, path FROM pocket.history('me:/The Team') WHERE kind = 'folder' LIMIT 3;
SELECT outcome FROM pocket.rm('me:/The Team', recursive => true);
SELECT outcome, path FROM pocket.restore('me:/The Team', (SELECT max(j.jid) FROM pocket_data.journal j WHERE j.kind = 'mount' AND j.op <> 'deleted' AND j.name = 'The Team'));
SELECT path FROM pocket.ls('me:/The Team');
SELECT pocket.unmount('me:/Work');
SELECT outcome, path FROM pocket.unmount('me:/The Team');
SELECT name, mounts FROM pocket_data.namespace ORDER BY name;

-- rm of a folder unmounts what is mounted in it; restoring the folder mounts it again
SELECT outcome FROM pocket.mount('team', 'me:/Work/deep/Team');
SELECT outcome, path FROM pocket.rm('me:/Work', recursive => true);
SELECT count(*) > 0 AS still FROM pocket.ls('team:/', recursive => true);
SELECT outcome, path FROM pocket.restore('me:/Work', (SELECT max(rev) FROM pocket.history('me:/Work') WHERE outcome <> 'deleted'));
SELECT path, namespace FROM pocket.mounts ORDER BY path;
-- unless it would be inside a mount by now
SELECT outcome FROM pocket.rm('me:/Work', recursive => true);
SELECT outcome FROM pocket.mount('other', 'team:/Other');
SELECT pocket.restore('me:/Work', (SELECT max(rev) FROM pocket.history('me:/Work') WHERE outcome <> 'deleted'));
SELECT outcome FROM pocket.unmount('team:/Other');

-- as of a time: what was mounted then, as it was then
SELECT outcome FROM pocket.mount('team', 'me:/T');
SELECT outcome FROM pocket.put('me:/T/then', 'then');
SELECT clock_timestamp() AS then_at \gset
SELECT outcome FROM pocket.put('me:/T/then', 'now');
SELECT outcome FROM pocket.put('me:/T/later', 'later');
SELECT outcome FROM pocket.mv('me:/T', 'me:/U');
SELECT path, size FROM pocket.stat('me:/T/then', :'then_at');
SELECT path, size FROM pocket.stat('me:/U/then', :'then_at');
SELECT path FROM pocket.ls('me:/T', at => :'then_at') WHERE path ~ '(then|later)$';
SELECT path FROM pocket.ls('me:/', recursive => true, at => :'then_at') l WHERE l.path LIKE '%/then' OR l.path LIKE '%/later';
-- rewinding the tree brings the mount point back, and leaves what is mounted as it is; its own path rewinds that
SELECT pocket.rewind('me:/', :'then_at');
SELECT path, size FROM pocket.ls('me:/T') WHERE path ~ '(then|later)$';
SELECT pocket.rewind('me:/T', :'then_at');
SELECT path, size FROM pocket.ls('me:/T') WHERE path ~ '(then|later)$';

-- a quota is that of what is mounted
SELECT pocket.alter_namespace('other', quota => 3);
SELECT outcome FROM pocket.mount('other', 'me:/Small');
SELECT outcome FROM pocket.put('me:/Small/b', '12');
SELECT pocket.put('me:/Small/c', '345');

-- others: what is not theirs does not exist
CREATE ROLE pocket_mount_guest;
SET ROLE pocket_mount_guest;
SELECT pocket.create_namespace('guest') > 0 AS made;
SELECT outcome FROM pocket.put('guest:/g', 'g');
SELECT pocket.mount('team', 'guest:/Team');
SELECT pocket.stat('me:/T');
SELECT path FROM pocket.mounts;
RESET ROLE;
-- who mounts for him, and what is taken from him
SELECT outcome FROM pocket.mount('team', 'guest:/in/Team');
SET ROLE pocket_mount_guest;
SELECT path, namespace FROM pocket.mounts;
SELECT pocket.stat('guest:/in/Team');
SELECT pocket.get('guest:/in/Team/then');
SELECT pocket.put('guest:/in/Team/x', 'x');
SELECT pocket.ls('guest:/in/Team');
SELECT path FROM pocket.ls('guest:/', recursive => true);
SELECT path FROM pocket.files ORDER BY path;
SELECT outcome, path FROM pocket.rm('guest:/in', recursive => true);
RESET ROLE;
SELECT outcome FROM pocket.mount('guest', 'me:/Guest');
SELECT path FROM pocket.ls('me:/Guest');

-- rights: those of the tree up to the mount point, and those of what is mounted from there on
SELECT pocket.create_namespace('hall') > 0 AS made;
SELECT pocket.create_namespace('room') > 0 AS made;
SELECT outcome FROM pocket.put('room:/shared/file', 'x') UNION ALL SELECT outcome FROM pocket.put('hall:/open/here', 'x') UNION ALL SELECT outcome FROM pocket.put('hall:/closed/here', 'x');
SELECT outcome FROM pocket.mount('room', 'hall:/open/Room');
SELECT pocket.share('hall:/open', 'pocket_mount_guest', 'editor') IS NOT NULL AS shared;
SET ROLE pocket_mount_guest;
SELECT pocket.create_namespace('den') > 0 AS made;
SELECT path FROM pocket.ls('hall:/open', recursive => true);
SELECT pocket.stat('hall:/open/Room');
SELECT pocket.get('hall:/open/Room/shared/file');
SELECT pocket.unmount('hall:/open/nothing');
SELECT pocket.mount('room', 'den:/Room');
RESET ROLE;
-- given by the mount point's path, it is the right to what is mounted
SELECT pocket.share('hall:/open/Room', 'pocket_mount_guest', 'viewer') IS NOT NULL AS shared;
SELECT path, principal, role FROM pocket.shares WHERE principal = 'pocket_mount_guest' ORDER BY path;
SET ROLE pocket_mount_guest;
SELECT pocket.may('hall:/open/Room', 'r'), pocket.may('hall:/open/Room', 'w'), pocket.may('hall:/open', 'w');
SELECT path FROM pocket.ls('hall:/open', recursive => true);
SELECT encode(pocket.get('hall:/open/Room/shared/file'), 'escape');
SELECT pocket.put('hall:/open/Room/shared/file', 'mine');
SELECT path, namespace FROM pocket.mounts ORDER BY path;
SELECT outcome, path FROM pocket.mount('room', 'den:/Room');
SELECT path FROM pocket.ls('den:/Room');
SELECT op, path FROM pocket.changes(pocket.first_cursor('den')) WHERE path LIKE 'den:/Room%';
SELECT outcome, path FROM pocket.mv('hall:/open/Room', 'hall:/open/Moved');
SELECT pocket.mv('hall:/open/Moved', 'den:/Moved');
RESET ROLE;
-- who may not read the way does not get through
SELECT outcome FROM pocket.mv('hall:/open/Moved', 'hall:/closed/Room');
SET ROLE pocket_mount_guest;
SELECT pocket.stat('hall:/closed/Room/shared');
SELECT pocket.stat('hall:/closed/none/shared');
SELECT encode(pocket.get('room:/shared/file'), 'escape'), encode(pocket.get('den:/Room/shared/file'), 'escape');
SELECT pocket.latest_cursor('den') AS den \gset
RESET ROLE;
-- taken away, it is gone with the next statement; what he follows is told so
SELECT pocket.unshare('room:/', 'pocket_mount_guest') IS NOT NULL AS unshared;
SET ROLE pocket_mount_guest;
SELECT pocket.get('den:/Room/shared/file');
SELECT path FROM pocket.ls('den:/');
SELECT op, path FROM pocket.changes(:'den');
SELECT path, namespace FROM pocket.mounts ORDER BY path;
SELECT outcome, path FROM pocket.unmount('den:/Room');
RESET ROLE;
-- a change of the lists of what is mounted gives it to its followers anew, as they see it then
SELECT pocket.share('room:/', 'pocket_mount_guest', 'viewer') IS NOT NULL AS shared;
SELECT outcome FROM pocket.put('room:/private/file', 'x');
SET ROLE pocket_mount_guest;
SELECT outcome, path FROM pocket.mount('room', 'den:/Room');
SELECT pocket.latest_cursor('den') AS den \gset
RESET ROLE;
UPDATE pocket_data.entry SET acl = '!{}' WHERE ns_id = (SELECT n.ns_id FROM pocket.namespaces n WHERE n.name = 'room') AND name = 'private';
SELECT pocket.share('room:/private', 'postgres', 'viewer') IS NOT NULL AS shared;
SET ROLE pocket_mount_guest;
SELECT op, path FROM pocket.changes(:'den');
SELECT next AS den FROM pocket.changes(:'den') \gset
SELECT op, path FROM pocket.changes(:'den');
RESET ROLE;
SELECT pocket.drop_namespace('hall'), pocket.drop_namespace('room'), pocket.drop_namespace('den');

-- what is dropped does not exist, and its mount points can go
SELECT pocket.drop_namespace('guest');
SELECT pocket.stat('me:/Guest');
SELECT pocket.ls('me:/Guest');
SELECT pocket.put('me:/Guest/x', 'x');
SELECT path FROM pocket.ls('me:/') WHERE path LIKE '%Guest';
SELECT path, namespace FROM pocket.mounts ORDER BY path;
SELECT outcome, path FROM pocket.unmount('me:/Guest');
SELECT outcome FROM pocket.mkdir('me:/Guest');
SELECT pocket.drop_namespace('me');
SELECT path FROM pocket.mounts;

-- as many as a cursor has room for
SELECT pocket.create_namespace('many') > 0 AS made;
SELECT count(pocket.create_namespace('part' || i)) FROM generate_series(1, 1000) i;
SELECT count(pocket.mount('part' || i, 'many:/' || i)) FROM generate_series(1, 999) i;
SELECT pocket.mount('part1000', 'many:/1000');
SELECT outcome FROM pocket.unmount('many:/1');
SELECT outcome FROM pocket.mount('part1000', 'many:/1000');

DROP FUNCTION space;
SET client_min_messages = warning;
SELECT pocket.uninstall(current_database());
DROP EXTENSION pocket;
DROP ROLE pocket_mount_guest;
