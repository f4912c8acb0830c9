-- Lists on files and folders: what they grant, what they hide, and who learns of it.
SET client_min_messages = warning;
CREATE EXTENSION pocket;
SELECT pocket.install() AS made;
CREATE ROLE regress_pocket_ann;
CREATE ROLE regress_pocket_ben;
CREATE ROLE regress_pocket_cat;
CREATE ROLE regress_pocket_crew;
GRANT regress_pocket_crew TO regress_pocket_cat;
SELECT pocket.create_principal('eng', 'group');
SELECT pocket.create_principal('all', 'group');
SELECT pocket.add_member('all', 'eng');
SELECT pocket.add_member('eng', 'regress_pocket_ben');

SET ROLE regress_pocket_ann;
SELECT pocket.create_namespace('ann') > 0 AS made;
SELECT pocket.create_namespace('away') > 0 AS made;
SELECT count(*) FROM pocket.put_many(ARRAY['ann:/Docs/plan', 'ann:/Docs/Deep/note', 'ann:/Docs/Secret/key', 'ann:/other'], ARRAY['plan', 'note', 'key', 'other']::bytea[]);

-- nothing is there for others
SET ROLE regress_pocket_ben;
SELECT pocket.stat('ann:/Docs');
SELECT pocket.ls('ann:/');
SELECT pocket.may('ann:/Docs', 'r');
-- a viewer
SET ROLE regress_pocket_ann;
SELECT pocket.share('ann:/Docs', 'regress_pocket_ben', 'viewer');
SELECT path, principal, role, rights, inherits FROM pocket.shares;
SET ROLE regress_pocket_ben;
SELECT path, kind FROM pocket.ls('ann:/Docs', true);
SELECT encode(pocket.get('ann:/docs/deep/NOTE'), 'escape');
SELECT path FROM pocket.files ORDER BY path;
SELECT path, principal, role FROM pocket.shares;
SELECT name FROM pocket.namespaces;
SELECT pocket.may('ann:/Docs/plan', 'r'), pocket.may('ann:/Docs/plan', 'rw'), pocket.may('ann:/', 'r'), pocket.may('ann:/nosuch', 'r'), pocket.may('nosuch:/', 'r');
SELECT pocket.stat('ann:/');
SELECT pocket.stat('ann:/other');
SELECT pocket.stat('ann:/nosuch');
SELECT pocket.stat('ann:/docs/nosuch');
SELECT pocket.put('ann:/Docs/plan', 'mine');
SELECT pocket.put('ann:/Docs/new', 'mine');
SELECT pocket.mkdir('ann:/Docs/new');
SELECT outcome FROM pocket.mkdir('ann:/Docs/Deep');
SELECT pocket.rm('ann:/Docs/plan');
SELECT pocket.share('ann:/Docs', 'regress_pocket_cat', 'viewer');
-- an editor, who may not share
SET ROLE regress_pocket_ann;
SELECT pocket.share('ann:/Docs', 'regress_pocket_ben', 'editor');
SET ROLE regress_pocket_ben;
SELECT outcome, author FROM pocket.put('ann:/Docs/plan', 'of ben');
SELECT outcome FROM pocket.put('ann:/Docs/sub/new', 'x');
SELECT outcome FROM pocket.rm('ann:/Docs/sub', true);
SELECT path FROM pocket.deleted ORDER BY path;
SELECT outcome FROM pocket.history('ann:/docs/sub/new');
SELECT pocket.unshare('ann:/Docs', 'regress_pocket_ben');
SELECT pocket.set_inheritance('ann:/Docs', false);
-- an owner of a folder, who may; not of the namespace
SET ROLE regress_pocket_ann;
SELECT pocket.share('ann:/Docs', 'regress_pocket_ben', 'owner');
SET ROLE regress_pocket_ben;
SELECT pocket.share('ann:/Docs/Deep', 'regress_pocket_crew', 'viewer');
SELECT path, principal, role FROM pocket.shares ORDER BY path, principal;
SELECT pocket.alter_namespace('ann', quota => 5);
SELECT name FROM pocket.usage;
-- a role's members have what it was given; a team's, and those of teams in it
SET ROLE regress_pocket_cat;
SELECT path FROM pocket.files ORDER BY path;
SELECT path, principal FROM pocket.shares;
SELECT encode(pocket.get('ann:/Docs/Deep/note'), 'escape');
SET ROLE regress_pocket_ann;
SELECT pocket.unshare('ann:/Docs', 'regress_pocket_ben');
SELECT pocket.share('ann:/Docs', 'group:all', 'editor');
SET ROLE regress_pocket_ben;
SELECT outcome FROM pocket.put('ann:/Docs/plan', 'by way of teams');
RESET ROLE;
SELECT pocket.remove_member('eng', 'regress_pocket_ben');
SET ROLE regress_pocket_ben;
SELECT pocket.put('ann:/Docs/plan', 'no more');
RESET ROLE;
SELECT pocket.add_member('eng', 'regress_pocket_ben');

-- what a savepoint takes back was never so
BEGIN;
SET LOCAL ROLE regress_pocket_ben;
SELECT pocket.may('ann:/Docs', 'r');
RESET ROLE;
SAVEPOINT before;
SELECT pocket.remove_member('eng', 'regress_pocket_ben');
SET LOCAL ROLE regress_pocket_ben;
SELECT pocket.may('ann:/Docs', 'r'), (SELECT count(*) FROM pocket.files) AS files;
ROLLBACK TO before;
SET LOCAL ROLE regress_pocket_ben;
SELECT pocket.may('ann:/Docs', 'r'), (SELECT count(*) FROM pocket.files) AS files;
COMMIT;

-- inheritance is cut: what is below is hidden, in lists, counts and errors
SET ROLE regress_pocket_ann;
SELECT pocket.unshare('ann:/Docs/Secret', 'group:all');
SELECT path, principal, role, inherits FROM pocket.shares ORDER BY path, principal;
SET ROLE regress_pocket_ben;
SELECT path FROM pocket.ls('ann:/Docs', true);
SELECT path FROM pocket.ls('ann:/Docs', max => 2);
SELECT path FROM pocket.files ORDER BY path;
SELECT pocket.stat('ann:/docs/secret');
SELECT pocket.stat('ann:/docs/nosecret');
SELECT pocket.stat('ann:/docs/secret/key');
SELECT pocket.stat('ann:/docs/nosecret/key');
SELECT pocket.stat('ann:/docs/secret/key/x');
SELECT pocket.ls('ann:/docs/secret/key');
SELECT pocket.history('ann:/docs/secret');
SELECT pocket.history('ann:/docs/nosecret');
SELECT pocket.get('ann:/docs/secret/key', rev => 6);
SELECT pocket.restore('ann:/docs/secret/key', 6);
SELECT pocket.restore('ann:/docs/nosecret/key', 6);
-- what cannot be done without touching it
SELECT pocket.mkdir('ann:/docs/secret');
SELECT pocket.put('ann:/docs/secret/new', '');
SELECT pocket.rm('ann:/Docs', true);
SELECT pocket.rm('ann:/Docs/Secret', true);
SELECT pocket.mv('ann:/Docs/plan', 'ann:/Docs/Secret/plan');
SELECT pocket.mv('ann:/Docs/plan', 'ann:/Docs/NoSecret/plan');
SELECT pocket.mv('ann:/Docs/plan', 'ann:/Docs/Secret');
-- copies have what may be read, and no list
SET ROLE regress_pocket_ann;
SELECT pocket.share('away:/', 'regress_pocket_ben', 'editor');
SET ROLE regress_pocket_ben;
SELECT outcome FROM pocket.cp('ann:/Docs', 'away:/copy');
SELECT path FROM pocket.ls('away:/', true);
SELECT pocket.mv('ann:/Docs', 'away:/moved');
SELECT outcome FROM pocket.mv('ann:/Docs/plan', 'away:/plan');
SELECT outcome FROM pocket.mv('away:/plan', 'ann:/Docs/plan');
RESET ROLE;
SELECT count(*) FROM pocket_data.entry e JOIN pocket_data.namespace n USING (ns_id) WHERE n.name = 'away' AND acl IS NOT NULL;
-- a list goes where its entry goes, and counts when it comes back
SET ROLE regress_pocket_ann;
SELECT outcome FROM pocket.mv('ann:/Docs/Secret', 'ann:/Docs/Deep/Secret');
SET ROLE regress_pocket_ben;
SELECT pocket.stat('ann:/Docs/Deep/Secret');
SET ROLE regress_pocket_ann;
SELECT outcome FROM pocket.rm('ann:/Docs/Deep/Secret', true);
SET ROLE regress_pocket_ben;
SELECT path FROM pocket.deleted ORDER BY path;
SELECT pocket.history('ann:/Docs/Deep/Secret/key');
SET ROLE regress_pocket_ann;
SELECT outcome FROM pocket.restore('ann:/Docs/Deep/Secret', (SELECT rev FROM pocket.history('ann:/Docs/Deep/Secret') WHERE outcome = 'moved'));
SET ROLE regress_pocket_ben;
SELECT pocket.stat('ann:/Docs/Deep/Secret');
-- whoever has a right below may name it, though what is above does not exist for him
SET ROLE regress_pocket_ann;
SELECT pocket.share('ann:/Docs/Deep/Secret/key', 'regress_pocket_ben', 'viewer');
SET ROLE regress_pocket_ben;
SELECT encode(pocket.get('ann:/Docs/Deep/Secret/key'), 'escape');
SELECT pocket.stat('ann:/Docs/Deep/Secret');
SELECT path FROM pocket.ls('ann:/Docs/Deep');
SELECT pocket.stat('ann:/Docs/Deep/Secret/key/x');

-- where a file was that may be read now is not told, when what it was in may not
SET ROLE regress_pocket_ann;
SELECT outcome FROM pocket.mv('ann:/other', 'ann:/Docs/Deep/Secret/hidden place');
SELECT outcome FROM pocket.mv('ann:/Docs/Deep/Secret/hidden place', 'ann:/Docs/other');
SELECT outcome, path FROM pocket.history('ann:/Docs/other');
SET ROLE regress_pocket_ben;
SELECT outcome, path FROM pocket.history('ann:/Docs/other');
SET ROLE regress_pocket_ann;
SELECT outcome FROM pocket.mv('ann:/Docs/other', 'ann:/other');

-- inheritance again, and a copy of it
SET ROLE regress_pocket_ann;
SELECT pocket.set_inheritance('ann:/Docs/Deep/Secret', true);
SET ROLE regress_pocket_ben;
SELECT pocket.may('ann:/Docs/Deep/Secret', 'rwd');
SET ROLE regress_pocket_ann;
SELECT pocket.set_inheritance('ann:/Docs/Deep', false);
SELECT pocket.unshare('ann:/Docs', 'group:all');
SET ROLE regress_pocket_ben;
SELECT pocket.may('ann:/Docs/Deep/Secret', 'rwd'), pocket.may('ann:/Docs', 'r');
SET ROLE regress_pocket_ann;
SELECT path, principal, role, inherits FROM pocket.shares ORDER BY path, principal;

-- rights of others: for those who may share, and for oneself
SELECT pocket.may('ann:/Docs/Deep', 'rwd', 'regress_pocket_ben'), pocket.may('ann:/Docs/Deep', 'r', 'group:eng'), pocket.may('ann:/', 'r', 'regress_pocket_ben'), pocket.may('ann:/nosuch', 'r', 'regress_pocket_ben');
SELECT pocket.may('ann:/', 'r', 'nobody');
SELECT pocket.may('ann:/', 'rx');
SELECT pocket.may('ann:/', '');
SELECT pocket.may('ann:/', NULL) IS NULL AS null_in;
SET ROLE regress_pocket_ben;
SELECT pocket.may('ann:/Docs/Deep', 'r', 'regress_pocket_ben'), pocket.may('ann:/Docs', 'r', 'regress_pocket_cat');
SELECT pocket.may('ann:/Docs/Deep', 'r', 'regress_pocket_cat');

-- what cannot be shared so
SET ROLE regress_pocket_ann;
SELECT pocket.share('ann:/Docs', 'nobody', 'viewer');
SELECT pocket.share('ann:/Docs', 'group:nobody', 'viewer');
SELECT pocket.share('ann:/Docs', 'regress_pocket_ben', 'reader');
SELECT pocket.share('ann:/nosuch', 'regress_pocket_ben', 'viewer');
SELECT pocket.unshare('ann:/Docs', 'nobody');
SELECT pocket.unshare('ann:/Docs', 'regress_pocket_ben');
SELECT pocket.share(NULL, 'regress_pocket_ben', 'viewer') IS NULL AS null_in;

-- a list has at most 1000 principals
RESET ROLE;
SELECT count(pocket.create_principal('user' || n)) FROM generate_series(1, 1001) n;
SET ROLE regress_pocket_ann;
SELECT count(pocket.share('ann:/other', 'user' || n, 'viewer')) FROM generate_series(1, 1000) n;
SELECT pocket.share('ann:/other', 'user1001', 'viewer');
SELECT pocket.share('ann:/other', 'user1000', 'editor');
SELECT count(*), count(*) FILTER (WHERE role = 'editor') AS editors FROM pocket.shares WHERE path = 'ann:/other';

-- one who is no more can be taken out
RESET ROLE;
SET ROLE regress_pocket_ann;
SELECT pocket.share('ann:/Docs/plan', 'regress_pocket_cat', 'viewer');
RESET ROLE;
DROP ROLE regress_pocket_cat;
SET ROLE regress_pocket_ann;
SELECT pocket.unshare('ann:/Docs/plan', 'regress_pocket_cat');
SELECT pocket.unshare('ann:/Docs/plan', 'regress_pocket_cat');

-- a list is a change of the entry, but not of its version
SELECT outcome, version FROM pocket.history('ann:/Docs/Deep') ORDER BY rev;
-- an old revision that comes back does not bring its list along
SELECT pocket.share('ann:/Docs/plan', 'regress_pocket_ben', 'viewer');
SELECT outcome FROM pocket.restore('ann:/Docs/plan', (SELECT min(rev) FROM pocket.history('ann:/Docs/plan') WHERE path = 'ann:/Docs/plan'));
SELECT outcome FROM pocket.symlink('ann:/Docs/plan', 'elsewhere');
SELECT outcome FROM pocket.put('ann:/Docs/plan', 'again');
SELECT path, principal FROM pocket.shares WHERE path = 'ann:/Docs/plan';

-- a conflicted copy that is hidden is not found again, nor is its name free
SELECT pocket.share('away:/', 'regress_pocket_ben', 'editor');
SET ROLE regress_pocket_ben;
SELECT outcome FROM pocket.put('away:/clash', 'one');
SET client_min_messages = error;
SELECT outcome, regexp_replace(path, 'on [0-9-]+', 'on DATE') AS path FROM pocket.put('away:/clash', 'two', mode => 'add');
SELECT outcome, regexp_replace(path, 'on [0-9-]+', 'on DATE') AS path FROM pocket.put('away:/clash', 'two', mode => 'add');
SET ROLE regress_pocket_ann;
SELECT pocket.unshare(path, 'regress_pocket_ben') FROM pocket.files WHERE path LIKE 'away:/clash (%';
SET ROLE regress_pocket_ben;
SELECT outcome, regexp_replace(path, 'on [0-9-]+', 'on DATE') AS path FROM pocket.put('away:/clash', 'two', mode => 'add');
SET client_min_messages = warning;
SET ROLE regress_pocket_ann;
SELECT outcome FROM pocket.rm('away:/clash');

-- over the quota: only the owner is told what there is
SELECT pocket.alter_namespace('away', quota => 10);
SELECT pocket.put('away:/big', repeat('x', 20)::bytea);
SET ROLE regress_pocket_ben;
SELECT pocket.put('away:/big', repeat('x', 20)::bytea);
SELECT pocket.append('away:/big', repeat('x', 3000)::bytea);
SET ROLE regress_pocket_ann;

-- what is done to lists is in the record, and rolls back with them
BEGIN;
SELECT pocket.share('ann:/Docs/Deep/note', 'regress_pocket_ben', 'viewer');
ROLLBACK;
RESET ROLE;
SELECT principal, action, path, detail FROM pocket.audit WHERE action IN ('share', 'unshare', 'set_inheritance') AND path <> 'ann:/other' AND path NOT LIKE 'away:/clash%' ORDER BY audit_id;
SELECT count(*) FROM pocket.audit WHERE path = 'ann:/Docs/Deep/note';

SELECT pocket.uninstall(current_database());
DROP EXTENSION pocket;
DROP ROLE regress_pocket_ann, regress_pocket_ben, regress_pocket_crew;
