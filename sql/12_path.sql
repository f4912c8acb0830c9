-- path: a whole path: name:/a/b
CREATE TYPE pocket.path;
CREATE FUNCTION pocket.path_in(cstring) RETURNS pocket.path
	AS 'MODULE_PATHNAME', 'pocket_path_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.path_in(cstring) IS 'I/O';
CREATE FUNCTION pocket.path_out(pocket.path) RETURNS cstring
	AS 'MODULE_PATHNAME', 'pocket_path_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.path_out(pocket.path) IS 'I/O';
CREATE FUNCTION pocket.path_recv(internal) RETURNS pocket.path
	AS 'MODULE_PATHNAME', 'pocket_path_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.path_recv(internal) IS 'I/O';
CREATE FUNCTION pocket.path_send(pocket.path) RETURNS bytea
	AS 'MODULE_PATHNAME', 'pocket_path_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.path_send(pocket.path) IS 'I/O';
CREATE TYPE pocket.path (
	INPUT = pocket.path_in,
	OUTPUT = pocket.path_out,
	RECEIVE = pocket.path_recv,
	SEND = pocket.path_send,
	INTERNALLENGTH = VARIABLE,
	ALIGNMENT = int4,
	STORAGE = extended
);
COMMENT ON TYPE pocket.path IS 'a whole path: name:/a/b';

CREATE FUNCTION pocket.path_eq(pocket.path, pocket.path) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_path_eq' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.path_eq(pocket.path, pocket.path) IS 'implementation of = operator';
CREATE FUNCTION pocket.path_ne(pocket.path, pocket.path) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_path_ne' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.path_ne(pocket.path, pocket.path) IS 'implementation of <> operator';
CREATE FUNCTION pocket.path_lt(pocket.path, pocket.path) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_path_lt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.path_lt(pocket.path, pocket.path) IS 'implementation of < operator';
CREATE FUNCTION pocket.path_le(pocket.path, pocket.path) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_path_le' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.path_le(pocket.path, pocket.path) IS 'implementation of <= operator';
CREATE FUNCTION pocket.path_gt(pocket.path, pocket.path) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_path_gt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.path_gt(pocket.path, pocket.path) IS 'implementation of > operator';
CREATE FUNCTION pocket.path_ge(pocket.path, pocket.path) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_path_ge' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.path_ge(pocket.path, pocket.path) IS 'implementation of >= operator';
CREATE OPERATOR pocket.= (
	LEFTARG = pocket.path, RIGHTARG = pocket.path, FUNCTION = pocket.path_eq,
	COMMUTATOR = OPERATOR(pocket.=), NEGATOR = OPERATOR(pocket.<>), RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES
);
COMMENT ON OPERATOR pocket.= (pocket.path, pocket.path) IS 'equal';
CREATE OPERATOR pocket.<> (
	LEFTARG = pocket.path, RIGHTARG = pocket.path, FUNCTION = pocket.path_ne,
	COMMUTATOR = OPERATOR(pocket.<>), NEGATOR = OPERATOR(pocket.=), RESTRICT = neqsel, JOIN = neqjoinsel
);
COMMENT ON OPERATOR pocket.<> (pocket.path, pocket.path) IS 'not equal';
CREATE OPERATOR pocket.< (
	LEFTARG = pocket.path, RIGHTARG = pocket.path, FUNCTION = pocket.path_lt,
	COMMUTATOR = OPERATOR(pocket.>), NEGATOR = OPERATOR(pocket.>=), RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);
COMMENT ON OPERATOR pocket.< (pocket.path, pocket.path) IS 'less than';
CREATE OPERATOR pocket.<= (
	LEFTARG = pocket.path, RIGHTARG = pocket.path, FUNCTION = pocket.path_le,
	COMMUTATOR = OPERATOR(pocket.>=), NEGATOR = OPERATOR(pocket.>), RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);
COMMENT ON OPERATOR pocket.<= (pocket.path, pocket.path) IS 'less than or equal';
CREATE OPERATOR pocket.> (
	LEFTARG = pocket.path, RIGHTARG = pocket.path, FUNCTION = pocket.path_gt,
	COMMUTATOR = OPERATOR(pocket.<), NEGATOR = OPERATOR(pocket.<=), RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);
COMMENT ON OPERATOR pocket.> (pocket.path, pocket.path) IS 'greater than';
CREATE OPERATOR pocket.>= (
	LEFTARG = pocket.path, RIGHTARG = pocket.path, FUNCTION = pocket.path_ge,
	COMMUTATOR = OPERATOR(pocket.<=), NEGATOR = OPERATOR(pocket.<), RESTRICT = scalargesel, JOIN = scalargejoinsel
);
COMMENT ON OPERATOR pocket.>= (pocket.path, pocket.path) IS 'greater than or equal';
CREATE FUNCTION pocket.path_cmp(pocket.path, pocket.path) RETURNS integer
	AS 'MODULE_PATHNAME', 'pocket_path_cmp' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.path_cmp(pocket.path, pocket.path) IS 'less-equal-greater';
CREATE FUNCTION pocket.path_hash(pocket.path) RETURNS integer
	AS 'MODULE_PATHNAME', 'pocket_path_hash' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.path_hash(pocket.path) IS 'hash';
CREATE FUNCTION pocket.path_hash_extended(pocket.path, bigint) RETURNS bigint
	AS 'MODULE_PATHNAME', 'pocket_path_hash_extended' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.path_hash_extended(pocket.path, bigint) IS 'hash';
CREATE OPERATOR CLASS pocket.path_ops DEFAULT FOR TYPE pocket.path USING btree AS
	OPERATOR 1 pocket.<, OPERATOR 2 pocket.<=, OPERATOR 3 pocket.=, OPERATOR 4 pocket.>=, OPERATOR 5 pocket.>,
	FUNCTION 1 pocket.path_cmp(pocket.path, pocket.path), FUNCTION 4 btequalimage(oid);
CREATE OPERATOR CLASS pocket.path_hash_ops DEFAULT FOR TYPE pocket.path USING hash AS
	OPERATOR 1 pocket.=,
	FUNCTION 1 pocket.path_hash(pocket.path), FUNCTION 2 pocket.path_hash_extended(pocket.path, bigint);

-- A folder is above itself, as in ltree. The support functions let a btree find a subtree by a range, and what is above a
-- path by its few names; they call path_subtree_end and lineage by their names.
CREATE FUNCTION pocket.path_above_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'pocket_path_above_support' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.path_above_support(internal) IS 'planner support';
CREATE FUNCTION pocket.path_below_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'pocket_path_below_support' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.path_below_support(internal) IS 'planner support';
CREATE FUNCTION pocket.path_above(pocket.path, pocket.path) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_path_above' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE SUPPORT pocket.path_above_support;
COMMENT ON FUNCTION pocket.path_above(pocket.path, pocket.path) IS 'implementation of @> operator';
CREATE FUNCTION pocket.path_below(pocket.path, pocket.path) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_path_below' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE SUPPORT pocket.path_below_support;
COMMENT ON FUNCTION pocket.path_below(pocket.path, pocket.path) IS 'implementation of <@ operator';
CREATE FUNCTION pocket.path_subtree_end(pocket.path) RETURNS pocket.path
	AS 'MODULE_PATHNAME', 'pocket_path_subtree_end' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.path_subtree_end(pocket.path) IS 'the least path behind everything below a folder: a bound for index conditions';
CREATE FUNCTION pocket.lineage(pocket.path) RETURNS pocket.path[]
	AS 'MODULE_PATHNAME', 'pocket_path_lineage' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.lineage(pocket.path) IS 'all that is above a path, from the root, and the path itself';
CREATE OPERATOR pocket.@> (
	LEFTARG = pocket.path, RIGHTARG = pocket.path, FUNCTION = pocket.path_above,
	COMMUTATOR = OPERATOR(pocket.<@), RESTRICT = matchingsel, JOIN = matchingjoinsel
);
COMMENT ON OPERATOR pocket.@> (pocket.path, pocket.path) IS 'is above or equal';
CREATE OPERATOR pocket.<@ (
	LEFTARG = pocket.path, RIGHTARG = pocket.path, FUNCTION = pocket.path_below,
	COMMUTATOR = OPERATOR(pocket.@>), RESTRICT = matchingsel, JOIN = matchingjoinsel
);
COMMENT ON OPERATOR pocket.<@ (pocket.path, pocket.path) IS 'is below or equal';
CREATE FUNCTION pocket.path_append(pocket.path, text) RETURNS pocket.path
	AS 'MODULE_PATHNAME', 'pocket_path_append' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.path_append(pocket.path, text) IS 'implementation of / operator';
CREATE OPERATOR pocket./ (LEFTARG = pocket.path, RIGHTARG = text, FUNCTION = pocket.path_append);
COMMENT ON OPERATOR pocket./ (pocket.path, text) IS 'append a name';
CREATE FUNCTION pocket.parent(pocket.path) RETURNS pocket.path
	AS 'MODULE_PATHNAME', 'pocket_path_parent' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.parent(pocket.path) IS 'the folder that a path is in; null for a root';
CREATE FUNCTION pocket.name(pocket.path) RETURNS text
	AS 'MODULE_PATHNAME', 'pocket_path_name' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.name(pocket.path) IS 'the last name of a path; null for a root';
CREATE FUNCTION pocket.namespace(pocket.path) RETURNS text
	AS 'MODULE_PATHNAME', 'pocket_path_namespace' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.namespace(pocket.path) IS 'the name of the namespace that a path is in';
CREATE FUNCTION pocket.depth(pocket.path) RETURNS integer
	AS 'MODULE_PATHNAME', 'pocket_path_depth' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.depth(pocket.path) IS 'how many names a path has below its namespace';
