-- Two roles: what one owns does not exist for the other.
SET client_min_messages = warning;
CREATE EXTENSION pocket;
SELECT pocket.install() AS made;
CREATE ROLE regress_pocket_alice;
CREATE ROLE regress_pocket_bob;
CREATE ROLE regress_pocket_team;
CREATE ROLE regress_pocket_carol IN ROLE regress_pocket_team;
CREATE ROLE regress_pocket_dan NOINHERIT IN ROLE regress_pocket_team;

SET ROLE regress_pocket_alice;
SELECT pocket.create_namespace('alice') > 0 AS made;
SELECT author, outcome FROM pocket.put('alice:/secret', 'of alice');
SELECT encode(pocket.get('alice:/secret'), 'escape');
SELECT path FROM pocket.files;

SET ROLE regress_pocket_bob;
SELECT pocket.create_namespace('bob') > 0 AS made;
SELECT pocket.get('alice:/secret');
SELECT pocket.stat('alice:/');
SELECT pocket.ls('alice:/');
SELECT pocket.put('alice:/secret', 'of bob');
SELECT pocket.put_many(ARRAY['bob:/x', 'alice:/x'], ARRAY['1', '2']::bytea[]);
SELECT pocket.append('alice:/secret', 'x');
SELECT pocket.mkdir('alice:/x');
SELECT pocket.symlink('alice:/x', 'y');
SELECT pocket.rm('alice:/secret');
SELECT pocket.mv('alice:/secret', 'bob:/mine');
SELECT pocket.history('alice:/secret');
SELECT path FROM pocket.files;
SELECT name, owner FROM pocket.namespaces;
SELECT name FROM pocket.usage;
SELECT pocket.path_of(ns_id, 1) FROM generate_series(1, 2) ns_id ORDER BY ns_id;
-- the barrier: no row of others reaches a function
CREATE FUNCTION pg_temp.tell(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN RAISE WARNING 'row %', $1; RETURN true; END $$;
SELECT name FROM pocket.namespaces WHERE pg_temp.tell(name);
-- no table, and nothing of the DBA's
SELECT * FROM pocket_data.entry;
INSERT INTO pocket_data.namespace_head VALUES (1, 1, 1, 1, now());
SELECT pocket.install();
SELECT pocket.upgrade();
SELECT pocket.uninstall('regress_pocket');
SELECT pocket.data_definition();
SELECT pocket.check_database();
SET pocket.code = 'replicated';
SHOW pocket.key_file;

-- pg_monitor looks at the cell, and at no file
RESET ROLE;
GRANT pg_monitor TO regress_pocket_bob;
SET ROLE regress_pocket_bob;
SELECT count(*) FROM pocket.nodes;
SELECT count(*) FROM pocket.drives;
SELECT count(*) FROM pocket.buckets;
SELECT count(*) FROM pocket.volumes;
SELECT count(*) FROM pocket.extents;
SELECT count(*) > 0 AS told FROM pocket.health;
SELECT count(*) > 0 AS told FROM pocket.progress;
SELECT path FROM pocket.files;
SELECT * FROM pocket.verify();
SELECT pocket.seal();
RESET ROLE;
REVOKE pg_monitor FROM regress_pocket_bob;
SET ROLE regress_pocket_bob;
SELECT count(*) FROM pocket.nodes;

-- a team's namespace is its members'; of those who inherit
RESET ROLE;
SET ROLE regress_pocket_team;
SELECT pocket.create_namespace('team') > 0 AS made;
SET ROLE regress_pocket_carol;
SELECT author, outcome FROM pocket.put('team:/plan', 'x');
SET ROLE regress_pocket_dan;
SELECT pocket.get('team:/plan');
SET ROLE regress_pocket_alice;
SELECT pocket.get('team:/plan');
RESET ROLE;
REVOKE regress_pocket_team FROM regress_pocket_carol;
SET ROLE regress_pocket_carol;
SELECT pocket.get('team:/plan');

-- a function of the caller's own does not gain by being called from within
SET ROLE regress_pocket_alice;
CREATE TEMP TABLE entry (ns_id bigint, file_id bigint);
SELECT outcome FROM pocket.put('alice:/public', 'x');
SELECT current_user;
-- superusers see all; an owner that is no more leaves it to them
RESET ROLE;
SELECT name, owner FROM pocket.namespaces ORDER BY name;
SELECT encode(pocket.get('alice:/secret'), 'escape');
SET ROLE regress_pocket_alice;
DROP TABLE entry;
RESET ROLE;
DROP FUNCTION pg_temp.tell;
DROP ROLE regress_pocket_alice;
SELECT encode(pocket.get('alice:/secret'), 'escape');
-- a schema of our name that belongs to somebody else
SELECT pocket.uninstall(current_database());
CREATE SCHEMA pocket_data AUTHORIZATION regress_pocket_bob;
SELECT pocket.create_namespace('x');
DROP SCHEMA pocket_data;
DROP EXTENSION pocket;
DROP ROLE regress_pocket_bob, regress_pocket_team, regress_pocket_carol, regress_pocket_dan;
