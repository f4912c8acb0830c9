-- sha256: a SHA-256: 64 hex digits
CREATE TYPE pocket.sha256;
CREATE FUNCTION pocket.sha256_in(cstring) RETURNS pocket.sha256
	AS 'MODULE_PATHNAME', 'pocket_sha256_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.sha256_in(cstring) IS 'I/O';
CREATE FUNCTION pocket.sha256_out(pocket.sha256) RETURNS cstring
	AS 'MODULE_PATHNAME', 'pocket_sha256_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.sha256_out(pocket.sha256) IS 'I/O';
CREATE FUNCTION pocket.sha256_recv(internal) RETURNS pocket.sha256
	AS 'MODULE_PATHNAME', 'pocket_sha256_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.sha256_recv(internal) IS 'I/O';
CREATE FUNCTION pocket.sha256_send(pocket.sha256) RETURNS bytea
	AS 'MODULE_PATHNAME', 'pocket_sha256_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.sha256_send(pocket.sha256) IS 'I/O';
CREATE TYPE pocket.sha256 (
	INPUT = pocket.sha256_in,
	OUTPUT = pocket.sha256_out,
	RECEIVE = pocket.sha256_recv,
	SEND = pocket.sha256_send,
	INTERNALLENGTH = 32,
	ALIGNMENT = char,
	STORAGE = plain
);
COMMENT ON TYPE pocket.sha256 IS 'a SHA-256: 64 hex digits';

CREATE FUNCTION pocket.sha256_eq(pocket.sha256, pocket.sha256) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_sha256_eq' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.sha256_eq(pocket.sha256, pocket.sha256) IS 'implementation of = operator';
CREATE FUNCTION pocket.sha256_ne(pocket.sha256, pocket.sha256) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_sha256_ne' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.sha256_ne(pocket.sha256, pocket.sha256) IS 'implementation of <> operator';
CREATE FUNCTION pocket.sha256_lt(pocket.sha256, pocket.sha256) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_sha256_lt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.sha256_lt(pocket.sha256, pocket.sha256) IS 'implementation of < operator';
CREATE FUNCTION pocket.sha256_le(pocket.sha256, pocket.sha256) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_sha256_le' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.sha256_le(pocket.sha256, pocket.sha256) IS 'implementation of <= operator';
CREATE FUNCTION pocket.sha256_gt(pocket.sha256, pocket.sha256) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_sha256_gt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.sha256_gt(pocket.sha256, pocket.sha256) IS 'implementation of > operator';
CREATE FUNCTION pocket.sha256_ge(pocket.sha256, pocket.sha256) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_sha256_ge' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.sha256_ge(pocket.sha256, pocket.sha256) IS 'implementation of >= operator';
CREATE OPERATOR pocket.= (
	LEFTARG = pocket.sha256, RIGHTARG = pocket.sha256, FUNCTION = pocket.sha256_eq,
	COMMUTATOR = OPERATOR(pocket.=), NEGATOR = OPERATOR(pocket.<>), RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES
);
COMMENT ON OPERATOR pocket.= (pocket.sha256, pocket.sha256) IS 'equal';
CREATE OPERATOR pocket.<> (
	LEFTARG = pocket.sha256, RIGHTARG = pocket.sha256, FUNCTION = pocket.sha256_ne,
	COMMUTATOR = OPERATOR(pocket.<>), NEGATOR = OPERATOR(pocket.=), RESTRICT = neqsel, JOIN = neqjoinsel
);
COMMENT ON OPERATOR pocket.<> (pocket.sha256, pocket.sha256) IS 'not equal';
CREATE OPERATOR pocket.< (
	LEFTARG = pocket.sha256, RIGHTARG = pocket.sha256, FUNCTION = pocket.sha256_lt,
	COMMUTATOR = OPERATOR(pocket.>), NEGATOR = OPERATOR(pocket.>=), RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);
COMMENT ON OPERATOR pocket.< (pocket.sha256, pocket.sha256) IS 'less than';
CREATE OPERATOR pocket.<= (
	LEFTARG = pocket.sha256, RIGHTARG = pocket.sha256, FUNCTION = pocket.sha256_le,
	COMMUTATOR = OPERATOR(pocket.>=), NEGATOR = OPERATOR(pocket.>), RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);
COMMENT ON OPERATOR pocket.<= (pocket.sha256, pocket.sha256) IS 'less than or equal';
CREATE OPERATOR pocket.> (
	LEFTARG = pocket.sha256, RIGHTARG = pocket.sha256, FUNCTION = pocket.sha256_gt,
	COMMUTATOR = OPERATOR(pocket.<), NEGATOR = OPERATOR(pocket.<=), RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);
COMMENT ON OPERATOR pocket.> (pocket.sha256, pocket.sha256) IS 'greater than';
CREATE OPERATOR pocket.>= (
	LEFTARG = pocket.sha256, RIGHTARG = pocket.sha256, FUNCTION = pocket.sha256_ge,
	COMMUTATOR = OPERATOR(pocket.<=), NEGATOR = OPERATOR(pocket.<), RESTRICT = scalargesel, JOIN = scalargejoinsel
);
COMMENT ON OPERATOR pocket.>= (pocket.sha256, pocket.sha256) IS 'greater than or equal';
CREATE FUNCTION pocket.sha256_cmp(pocket.sha256, pocket.sha256) RETURNS integer
	AS 'MODULE_PATHNAME', 'pocket_sha256_cmp' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.sha256_cmp(pocket.sha256, pocket.sha256) IS 'less-equal-greater';
CREATE FUNCTION pocket.sha256_hash(pocket.sha256) RETURNS integer
	AS 'MODULE_PATHNAME', 'pocket_sha256_hash' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.sha256_hash(pocket.sha256) IS 'hash';
CREATE FUNCTION pocket.sha256_hash_extended(pocket.sha256, bigint) RETURNS bigint
	AS 'MODULE_PATHNAME', 'pocket_sha256_hash_extended' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.sha256_hash_extended(pocket.sha256, bigint) IS 'hash';
CREATE OPERATOR CLASS pocket.sha256_ops DEFAULT FOR TYPE pocket.sha256 USING btree AS
	OPERATOR 1 pocket.<, OPERATOR 2 pocket.<=, OPERATOR 3 pocket.=, OPERATOR 4 pocket.>=, OPERATOR 5 pocket.>,
	FUNCTION 1 pocket.sha256_cmp(pocket.sha256, pocket.sha256), FUNCTION 4 btequalimage(oid);
CREATE OPERATOR CLASS pocket.sha256_hash_ops DEFAULT FOR TYPE pocket.sha256 USING hash AS
	OPERATOR 1 pocket.=,
	FUNCTION 1 pocket.sha256_hash(pocket.sha256), FUNCTION 2 pocket.sha256_hash_extended(pocket.sha256, bigint);

CREATE FUNCTION pocket.sha256_from_bytea(bytea) RETURNS pocket.sha256
	AS 'MODULE_PATHNAME', 'pocket_sha256_from_bytea' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.sha256_from_bytea(bytea) IS 'the SHA-256 that these 32 bytes are';
CREATE FUNCTION pocket.sha256_to_bytea(pocket.sha256) RETURNS bytea
	AS 'MODULE_PATHNAME', 'pocket_sha256_to_bytea' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.sha256_to_bytea(pocket.sha256) IS 'the 32 bytes of a SHA-256';
CREATE CAST (bytea AS pocket.sha256) WITH FUNCTION pocket.sha256_from_bytea(bytea);
CREATE CAST (pocket.sha256 AS bytea) WITH FUNCTION pocket.sha256_to_bytea(pocket.sha256);
CREATE FUNCTION pocket.digest(bytea) RETURNS pocket.sha256
	AS 'MODULE_PATHNAME', 'pocket_digest' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.digest(bytea) IS 'SHA-256 of bytes';

-- blocklist: content of a file as the hashes and sizes of its blocks: {hash:size,...}
CREATE TYPE pocket.blocklist;
CREATE FUNCTION pocket.blocklist_in(cstring) RETURNS pocket.blocklist
	AS 'MODULE_PATHNAME', 'pocket_blocklist_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.blocklist_in(cstring) IS 'I/O';
CREATE FUNCTION pocket.blocklist_out(pocket.blocklist) RETURNS cstring
	AS 'MODULE_PATHNAME', 'pocket_blocklist_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.blocklist_out(pocket.blocklist) IS 'I/O';
CREATE FUNCTION pocket.blocklist_recv(internal) RETURNS pocket.blocklist
	AS 'MODULE_PATHNAME', 'pocket_blocklist_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.blocklist_recv(internal) IS 'I/O';
CREATE FUNCTION pocket.blocklist_send(pocket.blocklist) RETURNS bytea
	AS 'MODULE_PATHNAME', 'pocket_blocklist_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.blocklist_send(pocket.blocklist) IS 'I/O';
CREATE TYPE pocket.blocklist (
	INPUT = pocket.blocklist_in,
	OUTPUT = pocket.blocklist_out,
	RECEIVE = pocket.blocklist_recv,
	SEND = pocket.blocklist_send,
	INTERNALLENGTH = VARIABLE,
	ALIGNMENT = int4,
	STORAGE = external
);
COMMENT ON TYPE pocket.blocklist IS 'content of a file as the hashes and sizes of its blocks: {hash:size,...}';

CREATE FUNCTION pocket.blocklist_eq(pocket.blocklist, pocket.blocklist) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_blocklist_eq' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.blocklist_eq(pocket.blocklist, pocket.blocklist) IS 'implementation of = operator';
CREATE FUNCTION pocket.blocklist_ne(pocket.blocklist, pocket.blocklist) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_blocklist_ne' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.blocklist_ne(pocket.blocklist, pocket.blocklist) IS 'implementation of <> operator';
CREATE FUNCTION pocket.blocklist_lt(pocket.blocklist, pocket.blocklist) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_blocklist_lt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.blocklist_lt(pocket.blocklist, pocket.blocklist) IS 'implementation of < operator';
CREATE FUNCTION pocket.blocklist_le(pocket.blocklist, pocket.blocklist) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_blocklist_le' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.blocklist_le(pocket.blocklist, pocket.blocklist) IS 'implementation of <= operator';
CREATE FUNCTION pocket.blocklist_gt(pocket.blocklist, pocket.blocklist) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_blocklist_gt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.blocklist_gt(pocket.blocklist, pocket.blocklist) IS 'implementation of > operator';
CREATE FUNCTION pocket.blocklist_ge(pocket.blocklist, pocket.blocklist) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_blocklist_ge' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.blocklist_ge(pocket.blocklist, pocket.blocklist) IS 'implementation of >= operator';
CREATE OPERATOR pocket.= (
	LEFTARG = pocket.blocklist, RIGHTARG = pocket.blocklist, FUNCTION = pocket.blocklist_eq,
	COMMUTATOR = OPERATOR(pocket.=), NEGATOR = OPERATOR(pocket.<>), RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES
);
COMMENT ON OPERATOR pocket.= (pocket.blocklist, pocket.blocklist) IS 'equal';
CREATE OPERATOR pocket.<> (
	LEFTARG = pocket.blocklist, RIGHTARG = pocket.blocklist, FUNCTION = pocket.blocklist_ne,
	COMMUTATOR = OPERATOR(pocket.<>), NEGATOR = OPERATOR(pocket.=), RESTRICT = neqsel, JOIN = neqjoinsel
);
COMMENT ON OPERATOR pocket.<> (pocket.blocklist, pocket.blocklist) IS 'not equal';
CREATE OPERATOR pocket.< (
	LEFTARG = pocket.blocklist, RIGHTARG = pocket.blocklist, FUNCTION = pocket.blocklist_lt,
	COMMUTATOR = OPERATOR(pocket.>), NEGATOR = OPERATOR(pocket.>=), RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);
COMMENT ON OPERATOR pocket.< (pocket.blocklist, pocket.blocklist) IS 'less than';
CREATE OPERATOR pocket.<= (
	LEFTARG = pocket.blocklist, RIGHTARG = pocket.blocklist, FUNCTION = pocket.blocklist_le,
	COMMUTATOR = OPERATOR(pocket.>=), NEGATOR = OPERATOR(pocket.>), RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);
COMMENT ON OPERATOR pocket.<= (pocket.blocklist, pocket.blocklist) IS 'less than or equal';
CREATE OPERATOR pocket.> (
	LEFTARG = pocket.blocklist, RIGHTARG = pocket.blocklist, FUNCTION = pocket.blocklist_gt,
	COMMUTATOR = OPERATOR(pocket.<), NEGATOR = OPERATOR(pocket.<=), RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);
COMMENT ON OPERATOR pocket.> (pocket.blocklist, pocket.blocklist) IS 'greater than';
CREATE OPERATOR pocket.>= (
	LEFTARG = pocket.blocklist, RIGHTARG = pocket.blocklist, FUNCTION = pocket.blocklist_ge,
	COMMUTATOR = OPERATOR(pocket.<=), NEGATOR = OPERATOR(pocket.<), RESTRICT = scalargesel, JOIN = scalargejoinsel
);
COMMENT ON OPERATOR pocket.>= (pocket.blocklist, pocket.blocklist) IS 'greater than or equal';
CREATE FUNCTION pocket.blocklist_cmp(pocket.blocklist, pocket.blocklist) RETURNS integer
	AS 'MODULE_PATHNAME', 'pocket_blocklist_cmp' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.blocklist_cmp(pocket.blocklist, pocket.blocklist) IS 'less-equal-greater';
CREATE FUNCTION pocket.blocklist_hash(pocket.blocklist) RETURNS integer
	AS 'MODULE_PATHNAME', 'pocket_blocklist_hash' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.blocklist_hash(pocket.blocklist) IS 'hash';
CREATE FUNCTION pocket.blocklist_hash_extended(pocket.blocklist, bigint) RETURNS bigint
	AS 'MODULE_PATHNAME', 'pocket_blocklist_hash_extended' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.blocklist_hash_extended(pocket.blocklist, bigint) IS 'hash';
CREATE OPERATOR CLASS pocket.blocklist_ops DEFAULT FOR TYPE pocket.blocklist USING btree AS
	OPERATOR 1 pocket.<, OPERATOR 2 pocket.<=, OPERATOR 3 pocket.=, OPERATOR 4 pocket.>=, OPERATOR 5 pocket.>,
	FUNCTION 1 pocket.blocklist_cmp(pocket.blocklist, pocket.blocklist), FUNCTION 4 btequalimage(oid);
CREATE OPERATOR CLASS pocket.blocklist_hash_ops DEFAULT FOR TYPE pocket.blocklist USING hash AS
	OPERATOR 1 pocket.=,
	FUNCTION 1 pocket.blocklist_hash(pocket.blocklist), FUNCTION 2 pocket.blocklist_hash_extended(pocket.blocklist, bigint);

CREATE FUNCTION pocket.blocklist_concat(pocket.blocklist, pocket.blocklist) RETURNS pocket.blocklist
	AS 'MODULE_PATHNAME', 'pocket_blocklist_concat' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.blocklist_concat(pocket.blocklist, pocket.blocklist) IS 'implementation of || operator';
CREATE OPERATOR pocket.|| (LEFTARG = pocket.blocklist, RIGHTARG = pocket.blocklist, FUNCTION = pocket.blocklist_concat);
COMMENT ON OPERATOR pocket.|| (pocket.blocklist, pocket.blocklist) IS 'concatenate';
CREATE FUNCTION pocket.size(pocket.blocklist) RETURNS bigint
	AS 'MODULE_PATHNAME', 'pocket_blocklist_size' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.size(pocket.blocklist) IS 'bytes of the content';
CREATE FUNCTION pocket.count(pocket.blocklist) RETURNS integer
	AS 'MODULE_PATHNAME', 'pocket_blocklist_count' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.count(pocket.blocklist) IS 'number of blocks';
CREATE FUNCTION pocket.blocks(blocks pocket.blocklist, OUT seq integer, OUT hash pocket.sha256, OUT size integer) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'pocket_blocklist_blocks' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 100;
COMMENT ON FUNCTION pocket.blocks(pocket.blocklist) IS 'the blocks in order, seq from 1';
CREATE FUNCTION pocket.content_hash(pocket.blocklist) RETURNS pocket.sha256
	AS 'MODULE_PATHNAME', 'pocket_blocklist_hash_of_content' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.content_hash(pocket.blocklist) IS 'SHA-256 over the concatenated hashes of the blocks (Dropbox content_hash)';
CREATE FUNCTION pocket.missing(a pocket.blocklist, b pocket.blocklist) RETURNS pocket.blocklist
	AS 'MODULE_PATHNAME', 'pocket_blocklist_missing' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.missing(a pocket.blocklist, b pocket.blocklist) IS 'the blocks of a that are not in b, each once';
CREATE FUNCTION pocket.chunk(bytea) RETURNS pocket.blocklist
	AS 'MODULE_PATHNAME', 'pocket_chunk' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.chunk(bytea) IS 'cuts bytes into blocks and hashes them';

-- version_vector: how often each replica has changed a file: {replica:counter,...}
CREATE TYPE pocket.version_vector;
CREATE FUNCTION pocket.version_vector_in(cstring) RETURNS pocket.version_vector
	AS 'MODULE_PATHNAME', 'pocket_version_vector_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.version_vector_in(cstring) IS 'I/O';
CREATE FUNCTION pocket.version_vector_out(pocket.version_vector) RETURNS cstring
	AS 'MODULE_PATHNAME', 'pocket_version_vector_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.version_vector_out(pocket.version_vector) IS 'I/O';
CREATE FUNCTION pocket.version_vector_recv(internal) RETURNS pocket.version_vector
	AS 'MODULE_PATHNAME', 'pocket_version_vector_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.version_vector_recv(internal) IS 'I/O';
CREATE FUNCTION pocket.version_vector_send(pocket.version_vector) RETURNS bytea
	AS 'MODULE_PATHNAME', 'pocket_version_vector_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.version_vector_send(pocket.version_vector) IS 'I/O';
CREATE TYPE pocket.version_vector (
	INPUT = pocket.version_vector_in,
	OUTPUT = pocket.version_vector_out,
	RECEIVE = pocket.version_vector_recv,
	SEND = pocket.version_vector_send,
	INTERNALLENGTH = VARIABLE,
	ALIGNMENT = double,
	STORAGE = extended
);
COMMENT ON TYPE pocket.version_vector IS 'how often each replica has changed a file: {replica:counter,...}';

CREATE FUNCTION pocket.version_vector_eq(pocket.version_vector, pocket.version_vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_version_vector_eq' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.version_vector_eq(pocket.version_vector, pocket.version_vector) IS 'implementation of = operator';
CREATE FUNCTION pocket.version_vector_ne(pocket.version_vector, pocket.version_vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_version_vector_ne' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.version_vector_ne(pocket.version_vector, pocket.version_vector) IS 'implementation of <> operator';
CREATE FUNCTION pocket.version_vector_lt(pocket.version_vector, pocket.version_vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_version_vector_lt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.version_vector_lt(pocket.version_vector, pocket.version_vector) IS 'implementation of < operator';
CREATE FUNCTION pocket.version_vector_le(pocket.version_vector, pocket.version_vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_version_vector_le' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.version_vector_le(pocket.version_vector, pocket.version_vector) IS 'implementation of <= operator';
CREATE FUNCTION pocket.version_vector_gt(pocket.version_vector, pocket.version_vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_version_vector_gt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.version_vector_gt(pocket.version_vector, pocket.version_vector) IS 'implementation of > operator';
CREATE FUNCTION pocket.version_vector_ge(pocket.version_vector, pocket.version_vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_version_vector_ge' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.version_vector_ge(pocket.version_vector, pocket.version_vector) IS 'implementation of >= operator';
CREATE OPERATOR pocket.= (
	LEFTARG = pocket.version_vector, RIGHTARG = pocket.version_vector, FUNCTION = pocket.version_vector_eq,
	COMMUTATOR = OPERATOR(pocket.=), NEGATOR = OPERATOR(pocket.<>), RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES
);
COMMENT ON OPERATOR pocket.= (pocket.version_vector, pocket.version_vector) IS 'equal';
CREATE OPERATOR pocket.<> (
	LEFTARG = pocket.version_vector, RIGHTARG = pocket.version_vector, FUNCTION = pocket.version_vector_ne,
	COMMUTATOR = OPERATOR(pocket.<>), NEGATOR = OPERATOR(pocket.=), RESTRICT = neqsel, JOIN = neqjoinsel
);
COMMENT ON OPERATOR pocket.<> (pocket.version_vector, pocket.version_vector) IS 'not equal';
CREATE OPERATOR pocket.< (
	LEFTARG = pocket.version_vector, RIGHTARG = pocket.version_vector, FUNCTION = pocket.version_vector_lt,
	COMMUTATOR = OPERATOR(pocket.>), NEGATOR = OPERATOR(pocket.>=), RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);
COMMENT ON OPERATOR pocket.< (pocket.version_vector, pocket.version_vector) IS 'less than in a total order that is only for sorting';
CREATE OPERATOR pocket.<= (
	LEFTARG = pocket.version_vector, RIGHTARG = pocket.version_vector, FUNCTION = pocket.version_vector_le,
	COMMUTATOR = OPERATOR(pocket.>=), NEGATOR = OPERATOR(pocket.>), RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);
COMMENT ON OPERATOR pocket.<= (pocket.version_vector, pocket.version_vector) IS 'less than or equal in a total order that is only for sorting';
CREATE OPERATOR pocket.> (
	LEFTARG = pocket.version_vector, RIGHTARG = pocket.version_vector, FUNCTION = pocket.version_vector_gt,
	COMMUTATOR = OPERATOR(pocket.<), NEGATOR = OPERATOR(pocket.<=), RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);
COMMENT ON OPERATOR pocket.> (pocket.version_vector, pocket.version_vector) IS 'greater than in a total order that is only for sorting';
CREATE OPERATOR pocket.>= (
	LEFTARG = pocket.version_vector, RIGHTARG = pocket.version_vector, FUNCTION = pocket.version_vector_ge,
	COMMUTATOR = OPERATOR(pocket.<=), NEGATOR = OPERATOR(pocket.<), RESTRICT = scalargesel, JOIN = scalargejoinsel
);
COMMENT ON OPERATOR pocket.>= (pocket.version_vector, pocket.version_vector) IS 'greater than or equal in a total order that is only for sorting';
CREATE FUNCTION pocket.version_vector_cmp(pocket.version_vector, pocket.version_vector) RETURNS integer
	AS 'MODULE_PATHNAME', 'pocket_version_vector_cmp' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.version_vector_cmp(pocket.version_vector, pocket.version_vector) IS 'less-equal-greater';
CREATE FUNCTION pocket.version_vector_hash(pocket.version_vector) RETURNS integer
	AS 'MODULE_PATHNAME', 'pocket_version_vector_hash' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.version_vector_hash(pocket.version_vector) IS 'hash';
CREATE FUNCTION pocket.version_vector_hash_extended(pocket.version_vector, bigint) RETURNS bigint
	AS 'MODULE_PATHNAME', 'pocket_version_vector_hash_extended' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.version_vector_hash_extended(pocket.version_vector, bigint) IS 'hash';
CREATE OPERATOR CLASS pocket.version_vector_ops DEFAULT FOR TYPE pocket.version_vector USING btree AS
	OPERATOR 1 pocket.<, OPERATOR 2 pocket.<=, OPERATOR 3 pocket.=, OPERATOR 4 pocket.>=, OPERATOR 5 pocket.>,
	FUNCTION 1 pocket.version_vector_cmp(pocket.version_vector, pocket.version_vector), FUNCTION 4 btequalimage(oid);
CREATE OPERATOR CLASS pocket.version_vector_hash_ops DEFAULT FOR TYPE pocket.version_vector USING hash AS
	OPERATOR 1 pocket.=,
	FUNCTION 1 pocket.version_vector_hash(pocket.version_vector), FUNCTION 2 pocket.version_vector_hash_extended(pocket.version_vector, bigint);

CREATE FUNCTION pocket.version_vector_before(pocket.version_vector, pocket.version_vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_version_vector_before' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.version_vector_before(pocket.version_vector, pocket.version_vector) IS 'implementation of << operator';
CREATE FUNCTION pocket.version_vector_after(pocket.version_vector, pocket.version_vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_version_vector_after' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.version_vector_after(pocket.version_vector, pocket.version_vector) IS 'implementation of >> operator';
CREATE FUNCTION pocket.version_vector_before_equal(pocket.version_vector, pocket.version_vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_version_vector_before_equal' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.version_vector_before_equal(pocket.version_vector, pocket.version_vector) IS 'implementation of <<= operator';
CREATE FUNCTION pocket.version_vector_after_equal(pocket.version_vector, pocket.version_vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_version_vector_after_equal' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.version_vector_after_equal(pocket.version_vector, pocket.version_vector) IS 'implementation of >>= operator';
CREATE FUNCTION pocket.version_vector_concurrent(pocket.version_vector, pocket.version_vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_version_vector_concurrent' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.version_vector_concurrent(pocket.version_vector, pocket.version_vector) IS 'implementation of <-> operator';
CREATE OPERATOR pocket.<< (
	LEFTARG = pocket.version_vector, RIGHTARG = pocket.version_vector, FUNCTION = pocket.version_vector_before,
	COMMUTATOR = OPERATOR(pocket.>>), RESTRICT = matchingsel, JOIN = matchingjoinsel
);
COMMENT ON OPERATOR pocket.<< (pocket.version_vector, pocket.version_vector) IS 'is before';
CREATE OPERATOR pocket.>> (
	LEFTARG = pocket.version_vector, RIGHTARG = pocket.version_vector, FUNCTION = pocket.version_vector_after,
	COMMUTATOR = OPERATOR(pocket.<<), RESTRICT = matchingsel, JOIN = matchingjoinsel
);
COMMENT ON OPERATOR pocket.>> (pocket.version_vector, pocket.version_vector) IS 'is after';
CREATE OPERATOR pocket.<<= (
	LEFTARG = pocket.version_vector, RIGHTARG = pocket.version_vector, FUNCTION = pocket.version_vector_before_equal,
	COMMUTATOR = OPERATOR(pocket.>>=), RESTRICT = matchingsel, JOIN = matchingjoinsel
);
COMMENT ON OPERATOR pocket.<<= (pocket.version_vector, pocket.version_vector) IS 'is before or equal';
CREATE OPERATOR pocket.>>= (
	LEFTARG = pocket.version_vector, RIGHTARG = pocket.version_vector, FUNCTION = pocket.version_vector_after_equal,
	COMMUTATOR = OPERATOR(pocket.<<=), RESTRICT = matchingsel, JOIN = matchingjoinsel
);
COMMENT ON OPERATOR pocket.>>= (pocket.version_vector, pocket.version_vector) IS 'is after or equal';
CREATE OPERATOR pocket.<-> (
	LEFTARG = pocket.version_vector, RIGHTARG = pocket.version_vector, FUNCTION = pocket.version_vector_concurrent,
	COMMUTATOR = OPERATOR(pocket.<->), RESTRICT = matchingsel, JOIN = matchingjoinsel
);
COMMENT ON OPERATOR pocket.<-> (pocket.version_vector, pocket.version_vector) IS 'is concurrent with';
CREATE FUNCTION pocket.version_vector_merge(pocket.version_vector, pocket.version_vector) RETURNS pocket.version_vector
	AS 'MODULE_PATHNAME', 'pocket_version_vector_merge' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.version_vector_merge(pocket.version_vector, pocket.version_vector) IS 'implementation of | operator';
CREATE OPERATOR pocket.| (LEFTARG = pocket.version_vector, RIGHTARG = pocket.version_vector, FUNCTION = pocket.version_vector_merge, COMMUTATOR = OPERATOR(pocket.|));
COMMENT ON OPERATOR pocket.| (pocket.version_vector, pocket.version_vector) IS 'the least vector that is after or equal to both';
CREATE FUNCTION pocket.increment(version pocket.version_vector, replica bigint) RETURNS pocket.version_vector
	AS 'MODULE_PATHNAME', 'pocket_version_vector_increment' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.increment(version pocket.version_vector, replica bigint) IS 'the version after one more change by a replica';
CREATE FUNCTION pocket.counter(version pocket.version_vector, replica bigint) RETURNS bigint
	AS 'MODULE_PATHNAME', 'pocket_version_vector_counter' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.counter(version pocket.version_vector, replica bigint) IS 'how often a replica has changed the file';

-- Results of the functions on files; columns may be added at the end.
CREATE TYPE pocket.revision AS (
	ns_id bigint,
	file_id bigint,
	rev bigint,
	path text,
	kind text,
	size bigint,
	content_hash pocket.sha256,
	version pocket.version_vector,
	mtime timestamptz,
	author text,
	at timestamptz,
	attributes jsonb,
	outcome text
);
COMMENT ON TYPE pocket.revision IS 'a change of a file, and how it came out';
CREATE TYPE pocket.file AS (
	ns_id bigint,
	file_id bigint,
	rev bigint,
	path text,
	kind text,
	size bigint,
	content_hash pocket.sha256,
	version pocket.version_vector,
	mtime timestamptz,
	author text,
	at timestamptz,
	attributes jsonb
);
COMMENT ON TYPE pocket.file IS 'a file, folder or symbolic link';
