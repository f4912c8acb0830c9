-- cursor: how far a client has read the journals of some namespaces; opaque
CREATE TYPE pocket.cursor;
CREATE FUNCTION pocket.cursor_in(cstring) RETURNS pocket.cursor
	AS 'MODULE_PATHNAME', 'pocket_cursor_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.cursor_in(cstring) IS 'I/O';
CREATE FUNCTION pocket.cursor_out(pocket.cursor) RETURNS cstring
	AS 'MODULE_PATHNAME', 'pocket_cursor_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.cursor_out(pocket.cursor) IS 'I/O';
CREATE FUNCTION pocket.cursor_recv(internal) RETURNS pocket.cursor
	AS 'MODULE_PATHNAME', 'pocket_cursor_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.cursor_recv(internal) IS 'I/O';
CREATE FUNCTION pocket.cursor_send(pocket.cursor) RETURNS bytea
	AS 'MODULE_PATHNAME', 'pocket_cursor_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.cursor_send(pocket.cursor) IS 'I/O';
CREATE TYPE pocket.cursor (
	INPUT = pocket.cursor_in,
	OUTPUT = pocket.cursor_out,
	RECEIVE = pocket.cursor_recv,
	SEND = pocket.cursor_send,
	INTERNALLENGTH = VARIABLE,
	ALIGNMENT = double,
	STORAGE = extended
);
COMMENT ON TYPE pocket.cursor IS 'how far a client has read the journals of some namespaces; opaque';

CREATE FUNCTION pocket.cursor_eq(pocket.cursor, pocket.cursor) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_cursor_eq' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.cursor_eq(pocket.cursor, pocket.cursor) IS 'implementation of = operator';
CREATE FUNCTION pocket.cursor_ne(pocket.cursor, pocket.cursor) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_cursor_ne' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.cursor_ne(pocket.cursor, pocket.cursor) IS 'implementation of <> operator';
CREATE FUNCTION pocket.cursor_lt(pocket.cursor, pocket.cursor) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_cursor_lt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.cursor_lt(pocket.cursor, pocket.cursor) IS 'implementation of < operator';
CREATE FUNCTION pocket.cursor_le(pocket.cursor, pocket.cursor) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_cursor_le' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.cursor_le(pocket.cursor, pocket.cursor) IS 'implementation of <= operator';
CREATE FUNCTION pocket.cursor_gt(pocket.cursor, pocket.cursor) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_cursor_gt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.cursor_gt(pocket.cursor, pocket.cursor) IS 'implementation of > operator';
CREATE FUNCTION pocket.cursor_ge(pocket.cursor, pocket.cursor) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_cursor_ge' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.cursor_ge(pocket.cursor, pocket.cursor) IS 'implementation of >= operator';
CREATE OPERATOR pocket.= (
	LEFTARG = pocket.cursor, RIGHTARG = pocket.cursor, FUNCTION = pocket.cursor_eq,
	COMMUTATOR = OPERATOR(pocket.=), NEGATOR = OPERATOR(pocket.<>), RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES
);
COMMENT ON OPERATOR pocket.= (pocket.cursor, pocket.cursor) IS 'equal';
CREATE OPERATOR pocket.<> (
	LEFTARG = pocket.cursor, RIGHTARG = pocket.cursor, FUNCTION = pocket.cursor_ne,
	COMMUTATOR = OPERATOR(pocket.<>), NEGATOR = OPERATOR(pocket.=), RESTRICT = neqsel, JOIN = neqjoinsel
);
COMMENT ON OPERATOR pocket.<> (pocket.cursor, pocket.cursor) IS 'not equal';
CREATE OPERATOR pocket.< (
	LEFTARG = pocket.cursor, RIGHTARG = pocket.cursor, FUNCTION = pocket.cursor_lt,
	COMMUTATOR = OPERATOR(pocket.>), NEGATOR = OPERATOR(pocket.>=), RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);
COMMENT ON OPERATOR pocket.< (pocket.cursor, pocket.cursor) IS 'less than in a total order that is only for sorting';
CREATE OPERATOR pocket.<= (
	LEFTARG = pocket.cursor, RIGHTARG = pocket.cursor, FUNCTION = pocket.cursor_le,
	COMMUTATOR = OPERATOR(pocket.>=), NEGATOR = OPERATOR(pocket.>), RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);
COMMENT ON OPERATOR pocket.<= (pocket.cursor, pocket.cursor) IS 'less than or equal in a total order that is only for sorting';
CREATE OPERATOR pocket.> (
	LEFTARG = pocket.cursor, RIGHTARG = pocket.cursor, FUNCTION = pocket.cursor_gt,
	COMMUTATOR = OPERATOR(pocket.<), NEGATOR = OPERATOR(pocket.<=), RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);
COMMENT ON OPERATOR pocket.> (pocket.cursor, pocket.cursor) IS 'greater than in a total order that is only for sorting';
CREATE OPERATOR pocket.>= (
	LEFTARG = pocket.cursor, RIGHTARG = pocket.cursor, FUNCTION = pocket.cursor_ge,
	COMMUTATOR = OPERATOR(pocket.<=), NEGATOR = OPERATOR(pocket.<), RESTRICT = scalargesel, JOIN = scalargejoinsel
);
COMMENT ON OPERATOR pocket.>= (pocket.cursor, pocket.cursor) IS 'greater than or equal in a total order that is only for sorting';
CREATE FUNCTION pocket.cursor_cmp(pocket.cursor, pocket.cursor) RETURNS integer
	AS 'MODULE_PATHNAME', 'pocket_cursor_cmp' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.cursor_cmp(pocket.cursor, pocket.cursor) IS 'less-equal-greater';
CREATE FUNCTION pocket.cursor_hash(pocket.cursor) RETURNS integer
	AS 'MODULE_PATHNAME', 'pocket_cursor_hash' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.cursor_hash(pocket.cursor) IS 'hash';
CREATE FUNCTION pocket.cursor_hash_extended(pocket.cursor, bigint) RETURNS bigint
	AS 'MODULE_PATHNAME', 'pocket_cursor_hash_extended' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.cursor_hash_extended(pocket.cursor, bigint) IS 'hash';
CREATE OPERATOR CLASS pocket.cursor_ops DEFAULT FOR TYPE pocket.cursor USING btree AS
	OPERATOR 1 pocket.<, OPERATOR 2 pocket.<=, OPERATOR 3 pocket.=, OPERATOR 4 pocket.>=, OPERATOR 5 pocket.>,
	FUNCTION 1 pocket.cursor_cmp(pocket.cursor, pocket.cursor), FUNCTION 4 btequalimage(oid);
CREATE OPERATOR CLASS pocket.cursor_hash_ops DEFAULT FOR TYPE pocket.cursor USING hash AS
	OPERATOR 1 pocket.=,
	FUNCTION 1 pocket.cursor_hash(pocket.cursor), FUNCTION 2 pocket.cursor_hash_extended(pocket.cursor, bigint);
