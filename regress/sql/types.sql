-- The types: text and binary forms, limits, order, casts. Run before pocket.install(): types need no data.
\getenv abs_srcdir PG_ABS_SRCDIR
CREATE EXTENSION pocket;
-- operators are found where types are
SET search_path = public, pocket;
\set a '''e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'''
\set b '''ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'''
\set ah 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
\set bh 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'

-- sha256
SELECT pocket.digest(''), pocket.digest('abc');
SELECT upper(:a)::pocket.sha256;
SELECT :a::pocket.sha256::bytea, (:a::pocket.sha256::bytea)::pocket.sha256 = pocket.digest('') AS back;
SELECT :a::pocket.sha256 < :b::pocket.sha256 AS lt, :a::pocket.sha256 <= :b::pocket.sha256 AS le,
	:a::pocket.sha256 > :b::pocket.sha256 AS gt, :a::pocket.sha256 >= :b::pocket.sha256 AS ge,
	:a::pocket.sha256 <> :b::pocket.sha256 AS ne, :a::pocket.sha256 = :a::pocket.sha256 AS eq;
SELECT 'abc'::pocket.sha256;
SELECT (:'ah' || '0')::pocket.sha256;
SELECT overlay(:'ah' placing 'g' from 7)::pocket.sha256;
SELECT '\x00'::bytea::pocket.sha256;

-- blocklist
SELECT '{}'::pocket.blocklist, pocket.size('{}'), pocket.count('{}'), pocket.content_hash('{}') = pocket.digest('') AS empty;
SELECT ('{' || :'bh' || ':3}')::pocket.blocklist AS one \gset
SELECT :'one' || ' ' || pocket.size(:'one') || ' ' || pocket.count(:'one') || ' ' || pocket.content_hash(:'one');
SELECT pocket.chunk('abc') = :'one' AS same, pocket.chunk('') AS empty;
SELECT f.path, (SELECT count(*) FROM regexp_split_to_table(text, E'\n') line WHERE line <> '' AND CASE f.path
	WHEN 'sha256' THEN pocket.digest(decode(split_part(line, E'\t', 1), 'hex')) = split_part(line, E'\t', 2)::pocket.sha256
	ELSE pocket.content_hash(pocket.chunk(decode(repeat(split_part(line, E'\t', 1), split_part(line, E'\t', 2)::integer), 'hex')))
		= split_part(line, E'\t', 3)::pocket.sha256 END) = cardinality(string_to_array(rtrim(text, E'\n'), E'\n')) AS all_golden_vectors
FROM (VALUES ('sha256'), ('content_hash')) f (path), pg_read_file(:'abs_srcdir' || '/golden/' || f.path || '.tsv') text;
SELECT * FROM pocket.blocks(:'one'::pocket.blocklist || pocket.chunk('d'));
SELECT pocket.count(c), pocket.size(c), array_agg(size ORDER BY seq) AS sizes
FROM pocket.chunk(convert_to(repeat('x', 4194304 * 2 + 5), 'UTF8')) c, pocket.blocks(c) GROUP BY c;
SELECT pocket.missing(a || pocket.chunk('e') || pocket.chunk('e'), pocket.chunk('abc')) = pocket.chunk('e') AS missing
FROM (SELECT pocket.chunk('abc') || pocket.chunk('abc') AS a) x;
SELECT pocket.chunk('abc') < pocket.chunk('abd') AS order_is_by_hash, '{}'::pocket.blocklist < :'one' AS prefix_first;
SELECT ('{' || :'bh' || ':4194304}')::pocket.blocklist IS NOT NULL AS at_limit;
SELECT ('{' || :'bh' || ':4194305}')::pocket.blocklist;
SELECT ('{' || :'bh' || ':0}')::pocket.blocklist;
SELECT ('{' || :'bh' || ':03}')::pocket.blocklist;
SELECT ('{' || :'bh' || '}')::pocket.blocklist;
SELECT ('{' || :'bh' || ':3,}')::pocket.blocklist;
SELECT ('{' || :'bh' || ':3')::pocket.blocklist;
SELECT ('{' || :'bh' || ':3}x')::pocket.blocklist;
SELECT ''::pocket.blocklist;
SELECT '{x:3}'::pocket.blocklist;
SELECT '::::'::pocket.blocklist;

-- the limit of a list: 4194304 blocks
CREATE FUNCTION pg_temp.doubled(list pocket.blocklist, times integer) RETURNS pocket.blocklist LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. times LOOP list := list || list; END LOOP;
	RETURN list;
END $$;
SELECT pocket.count(l), pocket.size(l) FROM pg_temp.doubled(:'one', 22) l;
SELECT pocket.count(pg_temp.doubled(:'one', 22) || :'one');

-- version_vector
SELECT '{}'::pocket.version_vector, '{7:2,1:4}'::pocket.version_vector AS sorted,
	'{0:9223372036854775807,9223372036854775807:1}'::pocket.version_vector AS limits;
SELECT '{1:0}'::pocket.version_vector;
SELECT '{1:2,1:3}'::pocket.version_vector;
SELECT '{-1:2}'::pocket.version_vector;
SELECT '{1:9223372036854775808}'::pocket.version_vector;
SELECT '{1:2'::pocket.version_vector;
SELECT '{1}'::pocket.version_vector;
SELECT '{1:2},'::pocket.version_vector;
SELECT '{ 1:2}'::pocket.version_vector;
SELECT x AS a, y AS b, x << y AS before, x >> y AS after, x <<= y AS before_equal, x >>= y AS after_equal,
	x <-> y AS concurrent, x = y AS equal, x < y AS sorts_before, x | y AS merged
FROM (VALUES ('{}'::pocket.version_vector, '{1:1}'::pocket.version_vector), ('{1:1}', '{1:1}'), ('{1:2}', '{1:1}'),
	('{1:1,2:1}', '{1:2}'), ('{1:1}', '{2:1}'), ('{1:1,3:2}', '{1:1,2:5,3:2}')) v (x, y);
SELECT pocket.increment('{}', 3), pocket.increment('{1:1,3:1}', 3), pocket.increment('{1:1,3:1}', 2),
	pocket.counter('{1:4}', 1), pocket.counter('{1:4}', 2);
SELECT pocket.increment('{1:9223372036854775807}', 1);
SELECT pocket.increment('{}', -1);
SELECT pocket.counter('{}', -1);
SELECT pocket.increment(('{' || string_agg(i || ':1', ',') || '}')::pocket.version_vector, 5) IS NOT NULL AS at_limit
FROM generate_series(1, 65535) i;
SELECT pocket.increment(('{' || string_agg(i || ':1', ',') || '}')::pocket.version_vector, 0)
FROM generate_series(1, 65535) i;
SELECT ('{' || string_agg(i || ':1', ',') || '}')::pocket.version_vector FROM generate_series(1, 65536) i;

-- all vectors of two replicas with counters up to 3: the order against its definition, and the laws of the merge
CREATE TABLE vectors AS SELECT i, j, v FROM generate_series(0, 3) i, generate_series(0, 3) j,
	LATERAL (SELECT ('{' || concat_ws(',', CASE WHEN i > 0 THEN '1:' || i END, CASE WHEN j > 0 THEN '2:' || j END) || '}')::pocket.version_vector) x (v);
SELECT count(*) AS pairs, bool_and((a.v <<= b.v) = (a.i <= b.i AND a.j <= b.j)) AS before_equal, bool_and((a.v << b.v) = (a.v <<= b.v AND a.v <> b.v)) AS before,
	bool_and((a.v >> b.v) = (b.v << a.v)) AS after, bool_and((a.v >>= b.v) = (b.v <<= a.v)) AS after_equal, bool_and((a.v <-> b.v) = NOT (a.v <<= b.v OR b.v <<= a.v)) AS concurrent,
	bool_and((a.v = b.v)::int + (a.v << b.v)::int + (a.v >> b.v)::int + (a.v <-> b.v)::int = 1) AS just_one,
	bool_and(a.v | b.v = b.v | a.v) AS commutes, bool_and(a.v | a.v = a.v) AS idempotent, bool_and(a.v <<= (a.v | b.v) AND b.v <<= (a.v | b.v)) AS upper_bound
FROM vectors a, vectors b;
SELECT bool_and((a.v | b.v) | c.v = a.v | (b.v | c.v)) AS associates, bool_and(NOT (a.v <<= c.v AND b.v <<= c.v) OR (a.v | b.v) <<= c.v) AS least FROM vectors a, vectors b, vectors c;
DROP TABLE vectors;

-- btree and hash agree, and sort
CREATE TABLE types (h pocket.sha256, l pocket.blocklist, v pocket.version_vector);
INSERT INTO types SELECT pocket.digest(t), pocket.chunk(t), pocket.increment('{}', i % 7)
FROM generate_series(1, 300) i, convert_to((i % 100)::text, 'UTF8') t;
CREATE INDEX ON types (h);
CREATE INDEX ON types USING hash (h);
CREATE INDEX ON types (l);
CREATE INDEX ON types USING hash (l);
CREATE INDEX ON types (v);
CREATE INDEX ON types USING hash (v);
SELECT (SELECT count(*) FROM (SELECT DISTINCT h FROM types) x) AS h, (SELECT count(*) FROM (SELECT DISTINCT l FROM types) x) AS l,
	(SELECT count(*) FROM (SELECT DISTINCT v FROM types) x) AS v;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SELECT count(*) FROM types WHERE h = pocket.digest('42');
SELECT count(*) FROM types WHERE l = pocket.chunk('42');
SELECT count(*) FROM types WHERE v = '{3:1}';
SELECT count(*) = 300 AS all_rows FROM (SELECT h FROM types ORDER BY h) x;
SET enable_mergejoin = off; SET enable_nestloop = off;
SELECT count(*) FROM types a JOIN types b USING (h, l);
RESET ALL;
SET search_path = public, pocket;
SELECT amname, count(*), bool_and(amvalidate(o.oid)) AS valid FROM pg_opclass o JOIN pg_am a ON a.oid = opcmethod
WHERE opcnamespace = 'pocket'::regnamespace GROUP BY amname ORDER BY amname;

-- every operator: what the planner and the reader want to know of it
SELECT oprname, oprleft::regtype, oprright::regtype FROM pg_operator WHERE oprnamespace = 'pocket'::regnamespace
	AND (obj_description(oid, 'pg_operator') IS NULL OR (oprresult = 'boolean'::regtype AND (oprrest = 0 OR oprjoin = 0 OR oprcom = 0)));
SELECT oid::regtype FROM pg_type t WHERE typnamespace = 'pocket'::regnamespace AND typtype = 'b' AND typcategory <> 'A' AND (typsend = 0 OR typreceive = 0
	OR 2 <> (SELECT count(*) FROM pg_opclass WHERE opcintype = t.oid AND opcdefault) OR obj_description(oid, 'pg_type') IS NULL);

-- binary forms: a round trip, and what is refused
CREATE TABLE types_back (LIKE types);
SELECT current_setting('data_directory') || '/pocket_types.copy' AS file \gset
COPY types TO :'file' (FORMAT binary);
COPY types_back FROM :'file' (FORMAT binary);
SELECT count(*) FROM (SELECT * FROM types EXCEPT ALL SELECT * FROM types_back) x;
SELECT pocket.sha256_send(pocket.digest('abc')) = pocket.digest('abc')::bytea AS bytes,
	pocket.blocklist_send(pocket.chunk('abc')) = '\x00000001'::bytea || pocket.digest('abc')::bytea || '\x00000003' AS list,
	pocket.version_vector_send('{1:4,7:2}');
\set file :abs_srcdir '/binary.sql'
\i :file
SELECT pg_temp.binary(pocket.digest('abc')::bytea, 'pocket.sha256');
SELECT pg_temp.binary('\x00', 'pocket.sha256');
SELECT pg_temp.binary(pocket.digest('abc')::bytea || '\x00', 'pocket.sha256');
SELECT pg_temp.binary('\x00000000', 'pocket.blocklist');
SELECT pg_temp.binary('\x0000', 'pocket.blocklist');
SELECT pg_temp.binary('\x7fffffff', 'pocket.blocklist');
SELECT pg_temp.binary('\xffffffff', 'pocket.blocklist');
SELECT pg_temp.binary('\x00400000', 'pocket.blocklist');
SELECT pg_temp.binary('\x00000001' || pocket.digest('abc')::bytea, 'pocket.blocklist');
SELECT pg_temp.binary('\x00000001' || pocket.digest('abc')::bytea || '\x00000000', 'pocket.blocklist');
SELECT pg_temp.binary('\x00000001' || pocket.digest('abc')::bytea || '\x00400001', 'pocket.blocklist');
SELECT pg_temp.binary('\x00000001' || pocket.digest('abc')::bytea || '\x00400000', 'pocket.blocklist');
SELECT pg_temp.binary('\x00000000', 'pocket.version_vector');
SELECT pg_temp.binary('\x0000', 'pocket.version_vector');
SELECT pg_temp.binary('\x7fffffff', 'pocket.version_vector');
SELECT pg_temp.binary('\x00000001' || int8send(1) || int8send(0), 'pocket.version_vector');
SELECT pg_temp.binary('\x00000001' || int8send(-1) || int8send(1), 'pocket.version_vector');
SELECT pg_temp.binary('\x00000002' || int8send(2) || int8send(1) || int8send(1) || int8send(1), 'pocket.version_vector');
SELECT pg_temp.binary('\x00000002' || int8send(1) || int8send(1) || int8send(1) || int8send(1), 'pocket.version_vector');
SELECT pg_temp.binary('\x00000002' || int8send(1) || int8send(3) || int8send(5) || int8send(4), 'pocket.version_vector');
SELECT length(pg_temp.binary(int4send(65535) || string_agg(int8send(i) || int8send(1), '' ORDER BY i), 'pocket.version_vector')) AS at_limit FROM generate_series(1, 65535) i;
SELECT pg_temp.binary(int4send(65536) || string_agg(int8send(i) || int8send(1), '' ORDER BY i), 'pocket.version_vector') FROM generate_series(1, 65536) i;
DROP FUNCTION pg_temp.doubled, pg_temp.binary;
DROP TABLE types, types_back;
DROP EXTENSION pocket;
