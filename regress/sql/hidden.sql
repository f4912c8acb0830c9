-- What is hidden stays so: from owners by a list, in old paths, when something comes back, and when the quota is in the way.
SET client_min_messages = warning;
CREATE EXTENSION pocket;
SELECT pocket.install() AS made;
CREATE ROLE regress_pocket_ann;
CREATE ROLE regress_pocket_ben;
CREATE ROLE "group:crew";
SELECT pocket.create_principal('crew', 'group');
SET ROLE regress_pocket_ann;
SELECT pocket.create_namespace('ann', quota => 100) > 0 AS made;
SELECT count(*) FROM pocket.put_many(ARRAY['ann:/dir/sub/open', 'ann:/dir/sub/Hidden/key', 'ann:/dir/read/file', 'ann:/Layoffs/memo'], ARRAY['open', 'key', 'file', 'memo']::bytea[]);
SELECT pocket.share('ann:/dir', 'regress_pocket_ben', 'owner');
SELECT pocket.unshare('ann:/dir/sub/Hidden', 'regress_pocket_ben');
-- all rights on a folder end at a list that cuts them, in the views too
SET ROLE regress_pocket_ben;
SELECT path, name FROM pocket.files ORDER BY file_id;
SELECT path, principal, inherits FROM pocket.shares;
SELECT pocket.sees(ns_id, file_id, '!{}') FROM pocket.files WHERE path = 'ann:/dir';
RESET ROLE;
SELECT pocket.sees(ns_id, file_id, '!{}') FROM pocket.files WHERE path = 'ann:/dir';
SET ROLE regress_pocket_ann;
SELECT pocket.share('ann:/dir', 'regress_pocket_ben', 'editor');

-- history does not tell of a folder that is hidden; of one that is not, it does
SELECT path FROM pocket.mv('ann:/Layoffs/memo', 'ann:/Layoffs/old memo');
SELECT path FROM pocket.mv('ann:/Layoffs/old memo', 'ann:/dir/memo');
SELECT path FROM pocket.mv('ann:/dir/memo', 'ann:/dir/read/memo');
SELECT path, outcome FROM pocket.history('ann:/dir/read/memo');
SET ROLE regress_pocket_ben;
SELECT path, outcome FROM pocket.history('ann:/dir/read/memo');
SELECT outcome FROM pocket.rm('ann:/dir/read/memo');
SELECT path, outcome FROM pocket.history('ann:/dir/read/memo');

-- nor is it looked at there, as it was; by the path that it has, it is
SET ROLE regress_pocket_ann;
SELECT path, at AS before FROM pocket.put('ann:/Layoffs/plan', '') \gset
SELECT path FROM pocket.mv('ann:/Layoffs/plan', 'ann:/dir/plan');
SELECT path FROM pocket.put('ann:/Layoffs/given', '');
SELECT pocket.share('ann:/Layoffs/given', 'regress_pocket_ben', 'viewer');
SELECT path FROM pocket.stat('ann:/Layoffs/plan', :'before');
SET ROLE regress_pocket_ben;
SELECT path FROM pocket.stat('ann:/Layoffs/plan', :'before');
SELECT path FROM pocket.stat('ann:/Layoffs/given', now());

-- the version of what was hidden, and deleted, does not come back with another file of its name
SET ROLE regress_pocket_ann;
SET pocket.device = 5;
SELECT path FROM pocket.put('ann:/dir/gone', '');
SELECT path FROM pocket.put('ann:/dir/seen', '');
SELECT pocket.unshare('ann:/dir/gone', 'regress_pocket_ben');
SELECT outcome FROM pocket.rm('ann:/dir/gone');
SELECT outcome FROM pocket.rm('ann:/dir/seen');
RESET pocket.device;
SET ROLE regress_pocket_ben;
SELECT pocket.counter(version, 5) AS hidden FROM pocket.put('ann:/dir/gone', 'x', '{77:1}');
SELECT pocket.counter(version, 5) > 0 AS seen FROM pocket.put('ann:/dir/seen', 'x', '{77:1}');
SELECT outcome FROM pocket.rm('ann:/dir/gone');
SELECT outcome FROM pocket.rm('ann:/dir/seen');

-- rm would not remove what is hidden, nor does restore bring it back
SELECT pocket.rm('ann:/dir/sub', true);
SET ROLE regress_pocket_ann;
SELECT outcome FROM pocket.rm('ann:/dir/sub', true);
SELECT min(rev) AS rev FROM pocket.history('ann:/dir/sub') \gset
SET ROLE regress_pocket_ben;
SELECT pocket.restore('ann:/dir/sub', :rev);
SELECT outcome FROM pocket.restore('ann:/dir/sub/open', (SELECT min(rev) FROM pocket.history('ann:/dir/sub/open')));
SET ROLE regress_pocket_ann;
SELECT outcome FROM pocket.rm('ann:/dir/sub', true);
SELECT outcome FROM pocket.restore('ann:/dir/sub', :rev);

-- rewind puts nothing into a folder where one may only read
SELECT pocket.set_inheritance('ann:/dir/read', false);
SELECT pocket.share('ann:/dir/read', 'regress_pocket_ben', 'viewer');
SELECT at AS moment FROM pocket.stat('ann:/dir/read') \gset
SELECT path FROM pocket.mv('ann:/dir/read/file', 'ann:/dir/file');
SET ROLE regress_pocket_ben;
SELECT pocket.mv('ann:/dir/file', 'ann:/dir/read/file');
SELECT pocket.rewind('ann:/dir', :'moment');
SET ROLE regress_pocket_ann;
SELECT pocket.share('ann:/dir/read', 'regress_pocket_ben', 'editor');
SET ROLE regress_pocket_ben;
SELECT pocket.rewind('ann:/dir', :'moment');
SELECT path FROM pocket.ls('ann:/dir/read');

-- how much there is, is the owner's business
SELECT pocket.put('ann:/dir/more', repeat('x', 100)::bytea);
SELECT pocket.append('ann:/dir/more', repeat('x', 100)::bytea);
SELECT pocket.put('ann:/dir/more', repeat('x', 10000)::bytea);
SET ROLE regress_pocket_ann;
SELECT pocket.put('ann:/dir/more', repeat('x', 100)::bytea);
SELECT pocket.append('ann:/dir/more', repeat('x', 100)::bytea);

-- a role that is called as lists call a team is not the team
SELECT pocket.share('ann:/dir/read', 'crew', 'viewer');
SET ROLE "group:crew";
SELECT count(*) FROM pocket.files;
SELECT pocket.ls('ann:/dir/read');
SET ROLE regress_pocket_ann;
SELECT pocket.may('ann:/dir/read', 'r', 'group:crew') AS team;
RESET ROLE;

SELECT pocket.uninstall(current_database());
DROP EXTENSION pocket;
DROP ROLE regress_pocket_ann, regress_pocket_ben, "group:crew";
