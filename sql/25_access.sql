-- Principals and teams, and what the views (data.sql) are made of.

CREATE FUNCTION pocket.create_principal(name text, kind text DEFAULT 'user') RETURNS void
	AS 'MODULE_PATHNAME', 'pocket_create_principal' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION pocket.create_principal(text, text) IS
	'makes a name known to which rights can be given without a role: of a user, or of a group (a team), which lists call group:NAME';

CREATE FUNCTION pocket.add_member(team text, member text) RETURNS void
	AS 'MODULE_PATHNAME', 'pocket_add_member' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION pocket.add_member(text, text) IS 'makes a principal or a team a member of a team';

CREATE FUNCTION pocket.remove_member(team text, member text) RETURNS void
	AS 'MODULE_PATHNAME', 'pocket_remove_member' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION pocket.remove_member(text, text) IS 'ends a membership; from the next statement on';

CREATE FUNCTION pocket.share(path text, principal text, role text) RETURNS void
	AS 'MODULE_PATHNAME', 'pocket_share' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION pocket.share(text, text, text) IS
	'gives a principal the rights of a role (viewer: r, editor: rwd, owner: rwds) on a file, or on a folder and what is below it, in place of those that it was given there';

CREATE FUNCTION pocket.unshare(path text, principal text) RETURNS void
	AS 'MODULE_PATHNAME', 'pocket_unshare' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION pocket.unshare(text, text) IS
	'takes what share() gave a principal by its own name; what it has from above too, for which the inheritance is cut';

CREATE FUNCTION pocket.set_inheritance(path text, inherits boolean) RETURNS void
	AS 'MODULE_PATHNAME', 'pocket_set_inheritance' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION pocket.set_inheritance(text, boolean) IS
	'false: what was given above does not count any more, but as it is now it is given here; true: it counts again';

CREATE FUNCTION pocket.may(path text, rights text, principal text DEFAULT NULL) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_may' LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL UNSAFE COST 100;
COMMENT ON FUNCTION pocket.may(text, text, text) IS
	'whether one has all these rights (letters of rwds: read, write, delete, share) on what is at a path; of others only who has the right s may ask';

CREATE FUNCTION pocket.owns(owner text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_owns' LANGUAGE C STABLE STRICT PARALLEL UNSAFE COST 10;
COMMENT ON FUNCTION pocket.owns(text) IS 'whether one has all rights of an owner of namespaces';
CREATE FUNCTION pocket.sees(ns_id bigint, parent_id bigint, acl pocket.acl, rights text DEFAULT 'r') RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_sees' LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL UNSAFE COST 10;
COMMENT ON FUNCTION pocket.sees(bigint, bigint, pocket.acl, text) IS
	'whether one has these rights on what is in a folder and has this list of its own';
CREATE FUNCTION pocket.is_me(principal text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_is_me' LANGUAGE C STABLE STRICT PARALLEL UNSAFE COST 100;
COMMENT ON FUNCTION pocket.is_me(text) IS 'whether what is given to this principal is given to the one who asks';
CREATE FUNCTION pocket.grants(acl pocket.acl, OUT principal text, OUT rights text) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'pocket_grants' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 5;
COMMENT ON FUNCTION pocket.grants(pocket.acl) IS 'the entries of a list';

CREATE FUNCTION pocket.link(path text, role text DEFAULT 'viewer', expires timestamptz DEFAULT NULL,
	password text DEFAULT NULL) RETURNS text
	AS 'MODULE_PATHNAME', 'pocket_link_make' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION pocket.link(text, text, timestamptz, text) IS
	'a token by which anybody may use what is at a path, as link:TOKEN or link:TOKEN/path; it is told once, and kept as its hash';

CREATE FUNCTION pocket.unlink(token text) RETURNS void
	AS 'MODULE_PATHNAME', 'pocket_link_revoke' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION pocket.unlink(text) IS
	'revokes a link, by its token or its link_id in the view links; for who made it, and who has the right s there';

CREATE FUNCTION pocket.open_link(token text, password text DEFAULT NULL) RETURNS pocket.file
	AS 'MODULE_PATHNAME', 'pocket_link_enter' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION pocket.open_link(text, text) IS
	'what a link leads to; the session may use a link with a password after this';
