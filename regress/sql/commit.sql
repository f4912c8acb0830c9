-- upload, commit and download as far as they need no node; the rest is in t/033.
SET client_min_messages = warning;
CREATE EXTENSION pocket;
SELECT pocket.create_namespace('n', quota => 5000000) > 0 AS made, pocket.create_namespace('other') > 0 AS made;
SET pocket.namespace = 'n';
SELECT '{' || repeat('0', 64) || ':4194304,' || repeat('1', 64) || ':805696}' AS full, '{' || repeat('0', 64) || ':4194304,' || repeat('1', 64) || ':805697}' AS over,
	'{' || repeat('2', 64) || ':5}' AS small, '{' || repeat('2', 64) || ':5,' || repeat('1', 64) || ':5}' AS uncut \gset
-- what is asked for must be a file's block list
SELECT pocket.commit('/f', :'uncut');
SELECT pocket.commit('/f', '{00:1}');
SELECT pocket.commit(NULL, '{}');
SELECT pocket.commit('/f', NULL);
SELECT pocket.commit('/f', '{}', NULL);
SELECT pocket.commit('/f', '{}', '{NULL}');
SELECT pocket.commit('/f', '{}', '{{a,b},{c,d}}');
SELECT pocket.commit('/f', '{}', mode => NULL);
SELECT pocket.commit('/f', '{}', mode => 'append');
SELECT pocket.commit('/f', '{}', mode => 'update');
SELECT pocket.commit('/', '{}');
SELECT pocket.commit('/f/', '{}');
SELECT pocket.commit('nowhere:/f', '{}');
BEGIN READ ONLY;
SELECT pocket.commit('/f', '{}');
ROLLBACK;
-- the quota, to the byte, before anything else
SELECT pocket.commit('/f', :'over');
SELECT pocket.commit('/f', :'full');
-- a block that nobody brought; one and the same whether others have it
SELECT pocket.commit('/f', :'small');
INSERT INTO pocket_data.block VALUES (repeat('2', 64)::pocket.sha256, 1, 0, 5, 5, 0, 'live', now());
INSERT INTO pocket_data.holder VALUES (2, repeat('2', 64)::pocket.sha256, 1);
SELECT pocket.commit('/f', :'small');
SELECT outcome FROM pocket.commit('other:/f', :'small');
SELECT pocket.commit('other:/g', ('{' || repeat('2', 64) || ':6}')::pocket.blocklist);
SELECT outcome, size FROM pocket.commit('other:/f', :'small');
-- a receipt is looked at with the cell's keys
SELECT pocket.commit('/f', :'small', '{x}');
-- nothing at all is in its row
SELECT outcome, size, content_hash, mtime FROM pocket.commit('/made/f', '{}', mtime => '2020-01-01 00:00:00 UTC');
SELECT outcome FROM pocket.commit('/made/f', '{}');
SELECT outcome, regexp_replace(path, ' from .* on [0-9-]+', ' from SOMEBODY on SOME DAY') FROM pocket.put('/made/f', 'x') p;
SELECT version AS base FROM pocket.stat('/made/f') \gset
SELECT outcome FROM pocket.commit('/made/f', '{}', base => :'base', mode => 'update');
SELECT outcome, regexp_replace(path, ' from .* on [0-9-]+', ' from SOMEBODY on SOME DAY') FROM pocket.put('/made/f', 'y', base => :'base');
SELECT files FROM pocket_data.holder ORDER BY ns_id;

-- upload: nothing is revealed, held is what this namespace holds
SELECT * FROM pocket.upload('other', :'small');
SELECT * FROM pocket.upload('other', '{}');
SELECT pocket.upload('n', :'small');
SELECT pocket.upload('n', :'over');
SELECT pocket.upload('n', :'full');
SELECT pocket.upload('nowhere', :'small');
SELECT * FROM pocket.upload(NULL, '{}');

-- download: what is in its row comes in its URL; how long a URL may be good
SELECT outcome FROM pocket.put('/inline', 'some content');
SELECT * FROM pocket.download('/inline');
SELECT encode(decode(regexp_replace(url, '^data:application/octet-stream;base64,', ''), 'base64'), 'escape') FROM pocket.download('/inline');
SELECT * FROM pocket.download('/made/f', rev => (SELECT min(rev) FROM pocket.history('/made/f')));
SELECT count(*) FROM pocket.download('/inline', expires => '0.000001 s');
SELECT count(*) FROM pocket.download('/inline', expires => '7 days');
SELECT pocket.download('/inline', expires => '0');
SELECT pocket.download('/inline', expires => '7 days 0.000001 s');
SELECT pocket.download('/inline', expires => '-7 days');
SELECT pocket.download('/inline', expires => '1 month -29 days');
SELECT pocket.download('/inline', expires => '178000000 years');
SELECT pocket.download('/inline', expires => NULL);
SELECT pocket.download(NULL);
SELECT pocket.download('/inline', rev => 1);
SELECT pocket.download('/made');
SELECT pocket.download('/nothing');
CREATE ROLE regress_pocket_eve;
SET ROLE regress_pocket_eve;
SELECT pocket.upload('n', '{}');
SELECT pocket.commit('n:/f', '{}');
SELECT pocket.download('n:/inline');
RESET ROLE;
DROP ROLE regress_pocket_eve;
SELECT pocket.uninstall(current_database());
DROP EXTENSION pocket;
