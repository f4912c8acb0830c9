-- Who may not read all of a namespace gets nothing by a hash; and who may purge.
SET client_min_messages = warning;
CREATE EXTENSION pocket;
CREATE ROLE regress_pocket_ann;
CREATE ROLE regress_pocket_ed;
CREATE ROLE regress_pocket_vi;
CREATE ROLE regress_pocket_eve;
SET ROLE regress_pocket_ann;
SELECT pocket.create_namespace('n') > 0 AS made;
SET pocket.namespace = 'n';
SELECT outcome FROM pocket.put('/secret/f', 'secret');
SELECT outcome FROM pocket.put('/open/f', 'open');
RESET ROLE;
SELECT '{' || repeat('2', 64) || ':6}' AS secret, '{' || repeat('3', 64) || ':4}' AS open \gset
-- the two are blocks, made by hand
UPDATE pocket_data.entry SET inline = NULL, blocks = CASE size WHEN 6 THEN :'secret'::pocket.blocklist ELSE :'open'::pocket.blocklist END,
	content_hash = pocket.content_hash(CASE size WHEN 6 THEN :'secret'::pocket.blocklist ELSE :'open'::pocket.blocklist END) WHERE kind = 'file';
UPDATE pocket_data.journal SET inline = NULL, blocks = CASE size WHEN 6 THEN :'secret'::pocket.blocklist ELSE :'open'::pocket.blocklist END,
	content_hash = pocket.content_hash(CASE size WHEN 6 THEN :'secret'::pocket.blocklist ELSE :'open'::pocket.blocklist END) WHERE kind = 'file';
INSERT INTO pocket_data.block SELECT b.hash, 1, 0, b.size, b.size, 0, 'live', now() FROM pocket_data.journal j, pocket.blocks(j.blocks) b;
INSERT INTO pocket_data.holder SELECT 1, b.hash, 1 FROM pocket_data.journal j, pocket.blocks(j.blocks) b;
SET ROLE regress_pocket_ann;
SELECT pocket.share('/', 'regress_pocket_ed', 'editor');
SELECT pocket.share('/', 'regress_pocket_vi', 'viewer');
SELECT pocket.share('/open', 'regress_pocket_vi', 'editor');
-- the owner: what the namespace holds is his
SELECT needed FROM pocket.upload('n', :'secret');
SELECT outcome FROM pocket.commit('/copy', :'secret');
SELECT outcome FROM pocket.rm('/copy');
-- an editor: what it holds is neither said nor given; but the file that is replaced may keep its blocks
SET ROLE regress_pocket_ed;
\set VERBOSITY terse
SELECT pocket.upload('n', :'secret');
SELECT pocket.commit('/open/stolen', :'secret');
SELECT pocket.commit('/open/f', :'secret');
SELECT pocket.commit('/open/stolen', ('{' || repeat('4', 64) || ':6}')::pocket.blocklist);
SELECT outcome FROM pocket.commit('/open/f', :'open', mtime => '2020-01-01 UTC');
SELECT pocket.purge('/open/f');
-- a viewer, and editor of a folder
SET ROLE regress_pocket_vi;
SELECT pocket.upload('n', :'open');
SELECT pocket.commit('/secret/f', :'secret');
SELECT pocket.commit('/open/stolen', :'secret');
SELECT count(*) FROM pocket.ls('/open');
SELECT pocket.purge('/open/f');
-- a stranger
SET ROLE regress_pocket_eve;
SELECT pocket.upload('n', '{}');
SELECT pocket.commit('/open/f', :'open');
SELECT pocket.download('/open/f');
SELECT pocket.purge('/open');
\set VERBOSITY default
-- a purge is on record, and what was on record of what is purged has lost its path
SET ROLE regress_pocket_ann;
SELECT pocket.share('/secret', 'regress_pocket_ed', 'owner');
SELECT pocket.purge('/secret');
RESET ROLE;
SELECT principal, action, path, file_id, detail FROM pocket.audit ORDER BY audit_id;
SELECT count(*) FROM pocket_data.journal WHERE acl IS NOT NULL AND name LIKE '/%';
SELECT files FROM pocket_data.holder;
SELECT pocket.uninstall(current_database());
DROP EXTENSION pocket;
DROP ROLE regress_pocket_ann, regress_pocket_ed, regress_pocket_vi, regress_pocket_eve;
