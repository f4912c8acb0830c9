-- acl: principals and their rights: {alice=rwd,group:eng=r}; a leading ! cuts the inheritance
CREATE TYPE pocket.acl;
CREATE FUNCTION pocket.acl_in(cstring) RETURNS pocket.acl
	AS 'MODULE_PATHNAME', 'pocket_acl_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.acl_in(cstring) IS 'I/O';
CREATE FUNCTION pocket.acl_out(pocket.acl) RETURNS cstring
	AS 'MODULE_PATHNAME', 'pocket_acl_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.acl_out(pocket.acl) IS 'I/O';
CREATE FUNCTION pocket.acl_recv(internal) RETURNS pocket.acl
	AS 'MODULE_PATHNAME', 'pocket_acl_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.acl_recv(internal) IS 'I/O';
CREATE FUNCTION pocket.acl_send(pocket.acl) RETURNS bytea
	AS 'MODULE_PATHNAME', 'pocket_acl_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.acl_send(pocket.acl) IS 'I/O';
CREATE TYPE pocket.acl (
	INPUT = pocket.acl_in,
	OUTPUT = pocket.acl_out,
	RECEIVE = pocket.acl_recv,
	SEND = pocket.acl_send,
	INTERNALLENGTH = VARIABLE,
	ALIGNMENT = int4,
	STORAGE = extended
);
COMMENT ON TYPE pocket.acl IS 'principals and their rights: {alice=rwd,group:eng=r}; a leading ! cuts the inheritance';

CREATE FUNCTION pocket.acl_eq(pocket.acl, pocket.acl) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_acl_eq' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.acl_eq(pocket.acl, pocket.acl) IS 'implementation of = operator';
CREATE FUNCTION pocket.acl_ne(pocket.acl, pocket.acl) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_acl_ne' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.acl_ne(pocket.acl, pocket.acl) IS 'implementation of <> operator';
CREATE FUNCTION pocket.acl_lt(pocket.acl, pocket.acl) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_acl_lt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.acl_lt(pocket.acl, pocket.acl) IS 'implementation of < operator';
CREATE FUNCTION pocket.acl_le(pocket.acl, pocket.acl) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_acl_le' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.acl_le(pocket.acl, pocket.acl) IS 'implementation of <= operator';
CREATE FUNCTION pocket.acl_gt(pocket.acl, pocket.acl) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_acl_gt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.acl_gt(pocket.acl, pocket.acl) IS 'implementation of > operator';
CREATE FUNCTION pocket.acl_ge(pocket.acl, pocket.acl) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_acl_ge' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.acl_ge(pocket.acl, pocket.acl) IS 'implementation of >= operator';
CREATE OPERATOR pocket.= (
	LEFTARG = pocket.acl, RIGHTARG = pocket.acl, FUNCTION = pocket.acl_eq,
	COMMUTATOR = OPERATOR(pocket.=), NEGATOR = OPERATOR(pocket.<>), RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES
);
COMMENT ON OPERATOR pocket.= (pocket.acl, pocket.acl) IS 'equal';
CREATE OPERATOR pocket.<> (
	LEFTARG = pocket.acl, RIGHTARG = pocket.acl, FUNCTION = pocket.acl_ne,
	COMMUTATOR = OPERATOR(pocket.<>), NEGATOR = OPERATOR(pocket.=), RESTRICT = neqsel, JOIN = neqjoinsel
);
COMMENT ON OPERATOR pocket.<> (pocket.acl, pocket.acl) IS 'not equal';
CREATE OPERATOR pocket.< (
	LEFTARG = pocket.acl, RIGHTARG = pocket.acl, FUNCTION = pocket.acl_lt,
	COMMUTATOR = OPERATOR(pocket.>), NEGATOR = OPERATOR(pocket.>=), RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);
COMMENT ON OPERATOR pocket.< (pocket.acl, pocket.acl) IS 'less than in a total order that is only for sorting';
CREATE OPERATOR pocket.<= (
	LEFTARG = pocket.acl, RIGHTARG = pocket.acl, FUNCTION = pocket.acl_le,
	COMMUTATOR = OPERATOR(pocket.>=), NEGATOR = OPERATOR(pocket.>), RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);
COMMENT ON OPERATOR pocket.<= (pocket.acl, pocket.acl) IS 'less than or equal in a total order that is only for sorting';
CREATE OPERATOR pocket.> (
	LEFTARG = pocket.acl, RIGHTARG = pocket.acl, FUNCTION = pocket.acl_gt,
	COMMUTATOR = OPERATOR(pocket.<), NEGATOR = OPERATOR(pocket.<=), RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);
COMMENT ON OPERATOR pocket.> (pocket.acl, pocket.acl) IS 'greater than in a total order that is only for sorting';
CREATE OPERATOR pocket.>= (
	LEFTARG = pocket.acl, RIGHTARG = pocket.acl, FUNCTION = pocket.acl_ge,
	COMMUTATOR = OPERATOR(pocket.<=), NEGATOR = OPERATOR(pocket.<), RESTRICT = scalargesel, JOIN = scalargejoinsel
);
COMMENT ON OPERATOR pocket.>= (pocket.acl, pocket.acl) IS 'greater than or equal in a total order that is only for sorting';
CREATE FUNCTION pocket.acl_cmp(pocket.acl, pocket.acl) RETURNS integer
	AS 'MODULE_PATHNAME', 'pocket_acl_cmp' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.acl_cmp(pocket.acl, pocket.acl) IS 'less-equal-greater';
CREATE FUNCTION pocket.acl_hash(pocket.acl) RETURNS integer
	AS 'MODULE_PATHNAME', 'pocket_acl_hash' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.acl_hash(pocket.acl) IS 'hash';
CREATE FUNCTION pocket.acl_hash_extended(pocket.acl, bigint) RETURNS bigint
	AS 'MODULE_PATHNAME', 'pocket_acl_hash_extended' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.acl_hash_extended(pocket.acl, bigint) IS 'hash';
CREATE OPERATOR CLASS pocket.acl_ops DEFAULT FOR TYPE pocket.acl USING btree AS
	OPERATOR 1 pocket.<, OPERATOR 2 pocket.<=, OPERATOR 3 pocket.=, OPERATOR 4 pocket.>=, OPERATOR 5 pocket.>,
	FUNCTION 1 pocket.acl_cmp(pocket.acl, pocket.acl), FUNCTION 4 btequalimage(oid);
CREATE OPERATOR CLASS pocket.acl_hash_ops DEFAULT FOR TYPE pocket.acl USING hash AS
	OPERATOR 1 pocket.=,
	FUNCTION 1 pocket.acl_hash(pocket.acl), FUNCTION 2 pocket.acl_hash_extended(pocket.acl, bigint);

CREATE FUNCTION pocket.allows(acl pocket.acl, principals text[], rights text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_acl_allows' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.allows(acl pocket.acl, principals text[], rights text) IS 'whether the principals together have all the rights (letters of rwds)';
CREATE FUNCTION pocket.allow(acl pocket.acl, principal text, rights text) RETURNS pocket.acl
	AS 'MODULE_PATHNAME', 'pocket_acl_allow' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.allow(acl pocket.acl, principal text, rights text) IS 'the list with these rights (letters of rwds) added to those of a principal';
CREATE FUNCTION pocket.deny(acl pocket.acl, principal text) RETURNS pocket.acl
	AS 'MODULE_PATHNAME', 'pocket_acl_deny' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.deny(acl pocket.acl, principal text) IS 'the list without the entry of a principal';
CREATE FUNCTION pocket.inherits(acl pocket.acl) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_acl_inherits' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.inherits(acl pocket.acl) IS 'whether what stands above counts too';
CREATE FUNCTION pocket.inherit(acl pocket.acl, inherits boolean) RETURNS pocket.acl
	AS 'MODULE_PATHNAME', 'pocket_acl_inherit' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.inherit(acl pocket.acl, inherits boolean) IS 'the list, inheriting from above or cut off from it';
CREATE FUNCTION pocket.acl_union(pocket.acl, pocket.acl) RETURNS pocket.acl
	AS 'MODULE_PATHNAME', 'pocket_acl_union' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.acl_union(pocket.acl, pocket.acl) IS 'implementation of | operator';
CREATE OPERATOR pocket.| (LEFTARG = pocket.acl, RIGHTARG = pocket.acl, FUNCTION = pocket.acl_union, COMMUTATOR = OPERATOR(pocket.|));
COMMENT ON OPERATOR pocket.| (pocket.acl, pocket.acl) IS 'whatever one of them grants; inherits when one of them does';
