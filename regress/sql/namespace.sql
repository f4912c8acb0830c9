-- Changing, locking and dropping namespaces.
SET client_min_messages = warning;
CREATE EXTENSION pocket;
SELECT pocket.install() AS made;
CREATE ROLE regress_pocket_olga;
CREATE ROLE regress_pocket_pete;
SET ROLE regress_pocket_olga;
SELECT pocket.create_namespace('o', quota => 10) > 0 AS made;
SELECT outcome FROM pocket.put('o:/file', '12345');
SELECT outcome FROM pocket.put('o:/folder/file', '1234');

-- what is null stays
SELECT pocket.alter_namespace('o');
SELECT name, quota, retention FROM pocket.namespaces;
SELECT pocket.alter_namespace('o', new_name => 'olga');
SELECT pocket.alter_namespace('olga', retention => '1 year');
SELECT name, quota, retention FROM pocket.namespaces;
SELECT pocket.stat('o:/file');
SELECT encode(pocket.get('olga:/file'), 'escape');
-- a quota below what is used only keeps it from growing
SELECT pocket.alter_namespace('olga', quota => 5);
SELECT pocket.append('olga:/file', '6');
SELECT outcome FROM pocket.put('olga:/file', '123');
SELECT outcome FROM pocket.rm('olga:/folder', true);
SELECT outcome FROM pocket.append('olga:/file', '45');
SELECT pocket.alter_namespace('olga', quota => -1);
SELECT outcome FROM pocket.append('olga:/file', '67890');
SELECT name, quota, used FROM pocket.namespaces;
SELECT pocket.alter_namespace('olga', 'o', 0, '0');
SELECT name, quota, retention FROM pocket.namespaces;
-- what cannot be
SELECT pocket.alter_namespace('o', quota => -2);
SELECT pocket.alter_namespace('o', retention => '-1 day');
SELECT pocket.alter_namespace('o', new_name => 'a/b');
SELECT pocket.alter_namespace('o', new_name => 'a:b');
SELECT pocket.alter_namespace('o', new_name => '');
SELECT pocket.alter_namespace(NULL);
SELECT pocket.alter_namespace('nowhere', quota => 1);
SELECT pocket.create_namespace('p') > 0 AS made;
SELECT pocket.alter_namespace('o', new_name => 'p');
SELECT pocket.alter_namespace('o', new_name => 'o');

-- of others
SET ROLE regress_pocket_pete;
SELECT pocket.alter_namespace('o', quota => -1);
SELECT pocket.drop_namespace('o');
SELECT pocket.lock('{o}');
SELECT pocket.create_namespace('pete') > 0 AS made;
SELECT pocket.cp('o:/file', 'pete:/file');
SELECT pocket.mv('o:/file', 'pete:/file');
SELECT pocket.cp('pete:/', 'o:/pete');
SELECT pocket.set_attributes('o:/file', '{"mine": true}');
SELECT pocket.stat('o:/file', now());
-- a name that is taken says so, as it does when a namespace is made
SELECT pocket.alter_namespace('pete', new_name => 'o');

-- locks
SET ROLE regress_pocket_olga;
BEGIN;
SELECT pocket.lock(ARRAY['p', 'o', 'p']);
SELECT outcome FROM pocket.put('o:/locked', '');
COMMIT;
SELECT pocket.lock('{}');
SELECT pocket.lock('{o,nowhere}');
SELECT pocket.lock('{o,NULL}');
SELECT pocket.lock(NULL) IS NULL AS null_in;

-- dropping takes all rows of it, and none of others
SELECT outcome FROM pocket.put('p:/file', 'of p');
BEGIN;
SELECT pocket.drop_namespace('o');
SELECT pocket.stat('o:/');
ROLLBACK;
SELECT pocket.drop_namespace('o');
SELECT name FROM pocket.namespaces ORDER BY name;
SELECT pocket.stat('o:/');
SELECT pocket.drop_namespace('o');
SELECT pocket.drop_namespace(NULL) IS NULL AS null_in;
RESET ROLE;
SELECT (SELECT count(*) FROM pocket_data.entry WHERE ns_id = 1) AS entries, (SELECT count(*) FROM pocket_data.journal WHERE ns_id = 1) AS journal,
	(SELECT count(*) FROM pocket_data.holder WHERE ns_id = 1) AS holders, (SELECT count(*) FROM pocket_data.namespace_head WHERE ns_id = 1) AS heads;
SELECT encode(pocket.get('p:/file'), 'escape');
SELECT pocket.create_namespace('o') > 1 AS another;
SELECT path FROM pocket.ls('o:/');
-- a superuser may
SELECT pocket.alter_namespace('pete', quota => 1);
SELECT pocket.drop_namespace('pete');
SELECT name, owner FROM pocket.namespaces WHERE owner <> current_user ORDER BY name;
SELECT pocket.uninstall(current_database());
DROP EXTENSION pocket;
DROP ROLE regress_pocket_olga, regress_pocket_pete;
