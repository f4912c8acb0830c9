-- Principals, teams, and for whom a session speaks.
SET client_min_messages = warning;
CREATE EXTENSION pocket;
SELECT pocket.install() AS made;
CREATE ROLE regress_pocket_ann;
CREATE ROLE regress_pocket_ben;
CREATE ROLE regress_pocket_boss SUPERUSER;
CREATE ROLE regress_pocket_staff;
GRANT regress_pocket_staff TO regress_pocket_ben;
CREATE ROLE pocket_app;
CREATE ROLE regress_pocket_web IN ROLE pocket_app;

-- names and kinds
SELECT pocket.create_principal('zoe');
SELECT pocket.create_principal('eng', 'group');
SELECT pocket.create_principal('sub', 'team');
SELECT name, kind FROM pocket_data.principal ORDER BY name;
SELECT pocket.create_principal('zoe');
SELECT pocket.create_principal('eng');
SELECT pocket.create_principal('x', 'robot');
SELECT pocket.create_principal('');
SELECT pocket.create_principal('group:x', 'group');
SELECT pocket.create_principal(repeat('n', 249));
SELECT pocket.create_principal(repeat('n', 250));
SELECT pocket.create_principal(NULL) IS NULL AS null_in;

-- members: principals, roles and teams; no team is its own member
SELECT pocket.add_member('eng', 'zoe');
SELECT pocket.add_member('group:eng', 'regress_pocket_ann');
SELECT pocket.add_member('eng', 'zoe');
SELECT pocket.add_member('sub', 'regress_pocket_staff');
SELECT pocket.add_member('eng', 'sub');
SELECT team, member FROM pocket_data.member ORDER BY team, member;
SELECT pocket.add_member('sub', 'eng');
SELECT pocket.add_member('eng', 'group:eng');
SELECT pocket.add_member('eng', 'nobody');
SELECT pocket.add_member('nobody', 'zoe');
SELECT pocket.add_member('zoe', 'regress_pocket_ann');
SELECT pocket.remove_member('eng', 'regress_pocket_ben');
SELECT pocket.remove_member('eng', 'regress_pocket_ann');
SELECT pocket.remove_member('eng', 'regress_pocket_ann');
SELECT pocket.add_member('eng', 'regress_pocket_ann');

-- who may: superusers and members of pocket_app, for themselves
SET ROLE regress_pocket_ann;
SELECT pocket.create_principal('mine');
SELECT pocket.add_member('eng', 'regress_pocket_ben');
SELECT pocket.remove_member('eng', 'zoe');
SET ROLE regress_pocket_web;
SELECT pocket.create_principal('kim');
SET pocket.principal = 'kim';
SELECT pocket.create_principal('more');
RESET pocket.principal;

-- a name without a role owns what it makes
SET ROLE regress_pocket_web;
SET pocket.principal = 'zoe';
SELECT pocket.create_namespace('zoe') > 0 AS made;
SELECT author, outcome FROM pocket.put('zoe:/doc', 'of zoe');
SELECT name, owner FROM pocket.namespaces;
SELECT path, author FROM pocket.files;
SET pocket.principal = 'kim';
SELECT pocket.get('zoe:/doc');
SELECT count(*) FROM pocket.namespaces;
SELECT count(*) FROM pocket.files;
SET pocket.principal = 'regress_pocket_ann';
SELECT pocket.create_namespace('ann') > 0 AS made;
SELECT author FROM pocket.put('ann:/doc', 'of ann');
-- the web role has none of these rights itself
RESET pocket.principal;
SELECT pocket.get('zoe:/doc');
SELECT pocket.get('ann:/doc');

-- a superuser who speaks for another has no more rights than that one, also when that is a superuser's name
RESET ROLE;
SELECT encode(pocket.get('zoe:/doc'), 'escape');
SET pocket.principal = 'kim';
SELECT pocket.get('zoe:/doc');
SELECT pocket.alter_namespace('zoe', quota => 1);
SET pocket.principal = 'regress_pocket_boss';
SELECT pocket.get('zoe:/doc');
SELECT count(*) FROM pocket.files;
SET pocket.principal = 'zoe';
SELECT encode(pocket.get('zoe:/doc'), 'escape');
RESET pocket.principal;

-- others may not speak for anybody, themselves included; nobody may speak for what is no user
SET ROLE regress_pocket_ann;
SET pocket.principal = 'zoe';
SELECT pocket.get('zoe:/doc');
SELECT * FROM pocket.files;
SET pocket.principal = 'regress_pocket_ann';
SELECT pocket.get('ann:/doc');
RESET pocket.principal;
SELECT encode(pocket.get('ann:/doc'), 'escape');
RESET ROLE;
SET pocket.principal = 'nobody';
SELECT pocket.get('zoe:/doc');
SET pocket.principal = 'eng';
SELECT pocket.get('zoe:/doc');
SELECT set_config('pocket.principal', repeat('n', 256), false);
RESET pocket.principal;

-- a role that is no member any more speaks for nobody
GRANT regress_pocket_web TO regress_pocket_ben;
SET ROLE regress_pocket_ben;
SET pocket.principal = 'zoe';
SELECT encode(pocket.get('zoe:/doc'), 'escape');
RESET ROLE;
REVOKE regress_pocket_web FROM regress_pocket_ben;
SET ROLE regress_pocket_ben;
SELECT pocket.get('zoe:/doc');
RESET pocket.principal;
RESET ROLE;

SELECT principal, role, action, path, detail FROM pocket.audit WHERE action <> 'refused' AND role <> current_user ORDER BY audit_id;
SELECT action, detail FROM pocket.audit WHERE role = current_user ORDER BY audit_id;
SET ROLE regress_pocket_web;
SELECT * FROM pocket.audit;
SELECT * FROM pocket_data.principal;
SELECT * FROM pocket_data.member;
RESET ROLE;
SELECT pocket.uninstall(current_database());
DROP EXTENSION pocket;
DROP ROLE regress_pocket_ann, regress_pocket_ben, regress_pocket_boss, regress_pocket_staff, regress_pocket_web, pocket_app;
