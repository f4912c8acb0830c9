-- Links: who has the token may what the link's role may, there and below, and nothing else.
SET client_min_messages = warning;
CREATE EXTENSION pocket;
SELECT pocket.install() AS made;
CREATE ROLE regress_pocket_ann;
CREATE ROLE regress_pocket_ben;
CREATE ROLE regress_pocket_eve;
SET ROLE regress_pocket_ann;
SELECT pocket.create_namespace('a') > 0 AS made;
SELECT count(*) FROM pocket.put_many(ARRAY['a:/Docs/plan', 'a:/Docs/Sub/note', 'a:/Docs/Cut/secret', 'a:/other'], ARRAY['plan', 'note', 'secret', 'other']::bytea[]);
SELECT pocket.set_inheritance('a:/Docs/Cut', false);
SELECT pocket.link('a:/Docs') AS view \gset
SELECT pocket.link('a:/Docs', 'editor') AS edit \gset
SELECT pocket.link('a:/Docs/plan', 'editor', password => 'open sesame') AS file \gset
SELECT pocket.link('a:/Docs/Cut') AS cut \gset
SELECT :'view' ~ '^[A-Za-z0-9_-]{43}$' AS token, :'view' <> :'edit' AS another;
SELECT path, role, expires_at, has_password, made_by, link_id = encode(sha256(:'view'), 'hex') AS viewed FROM pocket.links ORDER BY path, role;

-- a viewer's
SET ROLE regress_pocket_eve;
SELECT count(*) FROM pocket.links;
SELECT count(*) FROM pocket.files;
SELECT replace(path, :'view', 'TOKEN') AS path, kind FROM pocket.open_link(:'view');
SELECT replace(path, :'view', 'TOKEN') AS path, kind FROM pocket.ls('link:' || :'view', true);
SELECT replace(path, :'view', 'TOKEN') AS path FROM pocket.ls('link:' || :'view' || '/', after => 'link:' || :'view' || '/plan');
SELECT replace(path, :'view', 'TOKEN') AS path FROM pocket.ls('link:' || :'view' || '/', after => 'plan');
SELECT encode(pocket.get('link:' || :'view' || '/sub/NOTE'), 'escape');
SELECT encode(pocket.get(path), 'escape') FROM pocket.ls('link:' || :'view' || '/Sub');
SELECT size, author FROM pocket.stat('link:' || :'view' || '/plan');
SELECT size FROM pocket.stat('link:' || :'view' || '/plan', now());
SELECT outcome, replace(path, :'view', 'TOKEN') AS path FROM pocket.history('link:' || :'view' || '/plan');
SELECT pocket.may('link:' || :'view' || '/plan', 'r'), pocket.may('link:' || :'view' || '/plan', 'w'), pocket.may('link:' || :'view' || '/Cut', 'r');
-- nothing else
SELECT pocket.stat('link:' || :'view' || '/Cut');
SELECT pocket.stat('link:' || :'view' || '/nosuch');
SELECT pocket.get('link:' || :'view' || '/Cut/secret');
SELECT pocket.get('link:' || :'view' || '/Cut/secret', rev => 6);
SELECT pocket.stat('link:' || :'view' || '/..');
SELECT pocket.put('link:' || :'view' || '/plan', 'mine');
SELECT pocket.put('link:' || :'view' || '/new', 'mine');
SELECT pocket.rm('link:' || :'view' || '/plan');
SELECT pocket.share('link:' || :'view' || '/plan', 'regress_pocket_eve', 'viewer');
SELECT pocket.link('link:' || :'view' || '/plan');
SELECT pocket.stat('a:/Docs');
SELECT pocket.first_cursor('link');
SELECT pocket.get('link:' || :'view' || '/plan/x');
SELECT encode(pocket.get('link:' || :'cut' || '/secret'), 'escape') AS "a cut folder's own link";

-- an editor's
SELECT outcome, author, replace(path, :'edit', 'TOKEN') AS path FROM pocket.put('link:' || :'edit' || '/new/file', 'of eve');
SELECT outcome, replace(path, :'edit', 'TOKEN') AS path FROM pocket.mv('link:' || :'edit' || '/new', 'link:' || :'edit' || '/old');
SELECT outcome FROM pocket.append('link:' || :'edit' || '/old/file', '!');
SELECT outcome FROM pocket.cp('link:' || :'edit' || '/Sub', 'link:' || :'edit' || '/copy');
SELECT outcome FROM pocket.rm('link:' || :'edit' || '/old', true);
SELECT outcome FROM pocket.restore('link:' || :'edit' || '/old/file', (SELECT max(rev) FROM pocket.history('link:' || :'edit' || '/old/file') WHERE outcome = 'updated'));
SELECT encode(pocket.get('link:' || :'edit' || '/old/file'), 'escape');
SELECT pocket.put_many(ARRAY['link:' || :'edit' || '/x'], ARRAY['x'::bytea]);
SELECT pocket.rm('link:' || :'edit');
SELECT pocket.purge('link:' || :'edit' || '/copy');
SELECT pocket.rewind('link:' || :'edit' || '/copy', now() + interval '1 s');
SELECT pocket.rewind('link:' || :'edit', now());
SELECT pocket.mv('link:' || :'edit', 'link:' || :'edit' || '/x');
SELECT pocket.share('link:' || :'edit' || '/plan', 'regress_pocket_eve', 'viewer');

-- of a file, with a password
SELECT pocket.get('link:' || :'file');
SELECT pocket.open_link(:'file');
SELECT pocket.open_link(:'file', 'open says me');
\set VERBOSITY sqlstate
SELECT pocket.open_link(:'file', 'open says me');
SELECT pocket.get('link:' || :'file');
SELECT pocket.get('link:' || repeat('A', 43));
\set VERBOSITY default
SELECT pocket.get('link:' || :'file');
SELECT size, kind, replace(path, :'file', 'TOKEN') AS path FROM pocket.open_link(:'file', 'open sesame');
SELECT encode(pocket.get('link:' || :'file'), 'escape');
SELECT outcome, replace(path, :'file', 'TOKEN') AS path FROM pocket.put('link:' || :'file', 'new plan');
SELECT outcome FROM pocket.append('link:' || :'file', '!');
SELECT outcome FROM pocket.set_attributes('link:' || :'file', '{"by": "eve"}');
SELECT pocket.put('link:' || :'file', 'beside', mode => 'add');
SELECT pocket.put('link:' || :'file' || '/', 'x');
SELECT pocket.get('link:' || :'file' || '/x');
SELECT outcome, replace(path, :'file', 'TOKEN') AS path FROM pocket.history('link:' || :'file');
-- it stays open while the password is the same
RESET ROLE;
CREATE TABLE was AS SELECT password_key FROM pocket_data.link WHERE token_hash = sha256(:'file');
UPDATE pocket_data.link SET password_key = sha256('another') WHERE token_hash = sha256(:'file');
SET ROLE regress_pocket_eve;
SELECT pocket.get('link:' || :'file');
RESET ROLE;
UPDATE pocket_data.link SET password_key = (SELECT password_key FROM was) WHERE token_hash = sha256(:'file');
DROP TABLE was;
SET ROLE regress_pocket_eve;
SELECT length(pocket.get('link:' || :'file'));

-- wrong, expired, revoked, gone: one and the same
SELECT pocket.get('link:' || repeat('A', 43) || '/plan');
SELECT pocket.get('link:short/plan');
SELECT pocket.open_link(repeat('A', 43));
SELECT pocket.open_link(repeat('A', 43), 'password');
RESET ROLE;
UPDATE pocket_data.link SET expires_at = now() - interval '1 s' WHERE token_hash = sha256(:'view');
SET ROLE regress_pocket_eve;
SELECT pocket.get('link:' || :'view' || '/plan');
SELECT pocket.open_link(:'view');
SELECT pocket.may('link:' || :'view' || '/plan', 'r');
SELECT pocket.unlink(:'edit');
SELECT encode(pocket.get('link:' || :'edit' || '/Sub/note'), 'escape');
SET ROLE regress_pocket_ann;
SELECT pocket.unlink(:'edit');
SELECT pocket.unlink(:'edit');
SET ROLE regress_pocket_eve;
SELECT pocket.get('link:' || :'edit' || '/Sub/note');
SELECT pocket.put('link:' || :'edit' || '/Sub/note', 'x');
SET ROLE regress_pocket_ann;
SELECT outcome FROM pocket.rm('a:/Docs/plan');
SET ROLE regress_pocket_eve;
SELECT pocket.get('link:' || :'file');
SELECT pocket.open_link(:'file', 'open sesame');
-- what was removed and comes back has its link again
SET ROLE regress_pocket_ann;
SELECT outcome FROM pocket.restore('a:/Docs/plan', (SELECT max(rev) FROM pocket.history('a:/Docs/plan') WHERE outcome = 'updated'));
SET ROLE regress_pocket_eve;
SELECT length(pocket.get('link:' || :'file'));

-- who may make and revoke them
SELECT pocket.link('a:/Docs');
SET ROLE regress_pocket_ann;
SELECT pocket.share('a:/Docs', 'regress_pocket_ben', 'editor');
SET ROLE regress_pocket_ben;
SELECT pocket.link('a:/Docs');
SET ROLE regress_pocket_ann;
SELECT pocket.share('a:/Docs', 'regress_pocket_ben', 'owner');
SET ROLE regress_pocket_ben;
SELECT pocket.link('a:/Docs/Sub', expires => now() + interval '1 day') AS bens \gset
SELECT path, role, made_by, expires_at > now() AS expires FROM pocket.links ORDER BY path, role;
SELECT pocket.link('a:/other');
SET ROLE regress_pocket_ann;
SELECT pocket.unshare('a:/Docs', 'regress_pocket_ben');
SET ROLE regress_pocket_eve;
SELECT pocket.unlink((SELECT encode(sha256(:'bens'), 'hex')));
SET ROLE regress_pocket_ben;
SELECT encode(pocket.get('link:' || :'bens' || '/note'), 'escape');
SELECT pocket.unlink(:'bens');
SELECT pocket.get('link:' || :'bens' || '/note');
SET ROLE regress_pocket_ann;
SELECT pocket.unlink(link_id) FROM pocket.links WHERE path = 'a:/Docs/Cut';
SELECT path FROM pocket.links;
-- what cannot be
SELECT pocket.link('a:/Docs', 'owner');
SELECT pocket.link('a:/Docs', 'reader');
SELECT pocket.link('a:/Docs', expires => now());
SELECT pocket.link('a:/Docs', password => '');
SELECT pocket.link('a:/Docs', password => repeat('p', 1025));
SELECT length(pocket.link('a:/Docs', password => repeat('p', 1024)));
SELECT pocket.link('a:/nosuch');
SELECT pocket.link('a:/Docs', NULL);
SELECT pocket.link(NULL) IS NULL, pocket.open_link(NULL) IS NULL, pocket.unlink(NULL) IS NULL;
SELECT pocket.open_link(:'file', '');

-- a revoked link rolls back with its transaction; a dropped namespace takes its links along
BEGIN;
SELECT pocket.unlink(link_id) FROM pocket.links WHERE path = 'a:/Docs/plan';
ROLLBACK;
SELECT count(*) FROM pocket.links;
RESET ROLE;
SELECT principal, action, path, detail - 'expires' AS detail FROM pocket.audit WHERE action IN ('link', 'unlink') ORDER BY audit_id;
-- no token is kept
SELECT count(*) FROM pocket_data.link l WHERE l::text LIKE '%' || :'file' || '%' OR l::text LIKE '%sesame%';
SELECT count(*) FROM pocket.audit a WHERE a::text LIKE '%' || :'file' || '%' OR a::text LIKE '%' || :'view' || '%';
SELECT pocket.drop_namespace('a');
SELECT count(*) FROM pocket_data.link;
-- a namespace may be called so
SELECT pocket.create_namespace('link') > 0 AS made;
SELECT path FROM pocket.put('link:/file', 'x');
SELECT pocket.uninstall(current_database());
DROP EXTENSION pocket;
DROP ROLE regress_pocket_ann, regress_pocket_ben, regress_pocket_eve;
