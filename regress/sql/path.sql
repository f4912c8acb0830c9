-- Type path: forms, limits, order, subtrees by an index. Run before pocket.install(): types need no data.
CREATE EXTENSION pocket;
SET search_path = public, pocket;

-- text
SELECT 'home:/'::pocket.path AS root, 'home:/a/b'::pocket.path, 'home:/a/b/'::pocket.path AS slash, 'h h:/ä ö/: /名前.txt'::pocket.path AS any_name, 'a:/b:/c'::pocket.path AS colon;
SELECT '/a'::pocket.path;
SELECT 'a'::pocket.path;
SELECT ''::pocket.path;
SELECT ':/a'::pocket.path;
SELECT 'a:'::pocket.path;
SELECT 'a:b'::pocket.path;
SELECT 'a/b:/c'::pocket.path;
SELECT 'a:/b//c'::pocket.path;
SELECT 'a:/b//'::pocket.path;
SELECT 'a://'::pocket.path;
SELECT 'ä:/ö/../c'::pocket.path;
SELECT 'a:/./c'::pocket.path;
SELECT '..:/c'::pocket.path;
SELECT E'a:/b\tc'::pocket.path;

-- limits
SELECT length(('a:/' || repeat('n', 255))::pocket.path::text) AS at_limit;
\set VERBOSITY sqlstate
SELECT ('a:/' || repeat('n', 256))::pocket.path;
SELECT pocket.depth(('a:' || repeat('/n', 512))::pocket.path) AS at_limit;
SELECT ('a:' || repeat('/n', 513))::pocket.path;
SELECT octet_length(('abcde:/' || repeat(repeat('n', 127) || '/', 127) || repeat('n', 121))::pocket.path::text) AS at_limit;
SELECT ('abcdef:/' || repeat(repeat('n', 127) || '/', 127) || repeat('n', 121))::pocket.path;
\set VERBOSITY default

-- functions
SELECT x, pocket.namespace(x), pocket.parent(x), pocket.name(x), pocket.depth(x), pocket.lineage(x), pocket.path_subtree_end(x) FROM (VALUES ('home:/'::pocket.path), ('home:/a'), ('h h:/a b/c/d')) v (x);
SELECT 'home:/'::pocket.path / 'a' / 'b c', pocket.parent('home:/x'::pocket.path / 'y') = 'home:/x' AS back;
SELECT 'home:/'::pocket.path / 'a/b';
SELECT 'home:/'::pocket.path / '';
SELECT 'home:/'::pocket.path / '..';
SELECT 'home:/'::pocket.path / repeat('n', 256);
SELECT pocket.depth(('a:' || repeat('/n', 511))::pocket.path / 'n') AS at_limit;
SELECT ('a:' || repeat('/n', 512))::pocket.path / 'n';
SELECT octet_length((('abcde:/' || repeat(repeat('n', 127) || '/', 127))::pocket.path / repeat('n', 121))::text) AS at_limit;
SELECT ('abcde:/' || repeat(repeat('n', 127) || '/', 127))::pocket.path / repeat('n', 122);
SELECT x, y, x @> y AS above, x <@ y AS below
FROM (VALUES ('h:/'::pocket.path, 'h:/a'::pocket.path), ('h:/a', 'h:/a'), ('h:/a', 'h:/ab'), ('h:/a', 'h:/a/b/c'), ('h:/a/b', 'h:/a'), ('h:/', 'hh:/a'), ('h:/', 'i:/')) v (x, y);

-- order: name by name, so that a subtree follows its folder
SELECT array_agg(x ORDER BY x) FROM (VALUES ('h:/'::pocket.path), ('h:/a'), ('h:/a/b'), ('h:/a b'), ('h:/a-b'), ('h:/a.txt'), ('h:/a/b c'), ('h:/a/'), ('h h:/z'), ('h-h:/z'), ('h:/A'), ('h:/é')) v (x);
SELECT 'h:/a'::pocket.path < 'h:/a/b' AS lt, 'h:/a/z'::pocket.path < 'h:/a b' AS subtree_first, 'h:/a'::pocket.path = 'h:/a/' AS same, 'h:/a'::pocket.path <> 'h:/A' AS case_counts,
	'h:/b'::pocket.path >= 'h:/a/b' AS ge, 'h:/b'::pocket.path > 'h:/b' AS gt, 'h:/b'::pocket.path <= 'h:/b' AS le;

-- indexes
CREATE TABLE paths (p pocket.path, n integer);
INSERT INTO paths SELECT 'h:/'::pocket.path / ('d' || i % 40) / ('e ' || i % 7) / ('f' || i), i FROM generate_series(1, 4000) i;
INSERT INTO paths VALUES ('h:/', 0), ('h:/d3', 0), ('h:/d3 ', 0), ('h:/d3-', 0), ('h:/d3/e 4', 0), ('i:/d3', 0), (NULL, 0);
CREATE INDEX paths_btree ON paths (p);
CREATE INDEX paths_hash ON paths USING hash (p);
ANALYZE paths;
EXPLAIN (COSTS OFF) SELECT count(*) FROM paths WHERE p <@ 'h:/d3/e 4';
SELECT count(*), (array_agg(p ORDER BY p))[1] AS first FROM paths WHERE p <@ 'h:/d3/e 4';
SET enable_bitmapscan = off;
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT p FROM paths WHERE p <@ 'h:/d3' ORDER BY p LIMIT 3;
SELECT p FROM paths WHERE p <@ 'h:/d3' ORDER BY p LIMIT 3;
SELECT p FROM paths WHERE p <@ 'h:/d3' ORDER BY p DESC LIMIT 1;
EXPLAIN (COSTS OFF) SELECT p FROM paths WHERE 'h:/d3'::pocket.path @> p AND n = 3;
EXPLAIN (COSTS OFF) SELECT p FROM paths WHERE pocket.path_below(p, 'h:/d3');
EXPLAIN (COSTS OFF) SELECT p FROM paths WHERE p @> 'h:/d3/e 4/f5' ORDER BY p DESC;
SELECT p FROM paths WHERE p @> 'h:/d3/e 4/f5' ORDER BY p DESC;
SELECT p FROM paths WHERE 'h:/d3/e 4/f5' <@ p ORDER BY p;
SELECT p FROM paths WHERE p <@ NULL;
-- the bound is a parameter, or another table's column
PREPARE subtree(pocket.path) AS SELECT count(*) FROM paths WHERE p <@ $1;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE subtree('h:/d7');
EXECUTE subtree('h:/d7');
EXECUTE subtree(NULL);
SET enable_hashjoin = off; SET enable_mergejoin = off;
CREATE TABLE folders (f pocket.path);
INSERT INTO folders VALUES ('h:/d3'), ('h:/d3/e 4'), ('h:/d5'), ('x:/'), (NULL);
EXPLAIN (COSTS OFF) SELECT f, count(p) FROM folders LEFT JOIN paths ON p <@ f GROUP BY f ORDER BY f;
SELECT f, count(p) FROM folders LEFT JOIN paths ON p <@ f GROUP BY f ORDER BY f;
SELECT f, count(p) FROM folders LEFT JOIN paths ON p @> f GROUP BY f ORDER BY f;
-- every folder: the index finds what a scan finds
CREATE TABLE found AS SELECT f, (SELECT count(*) FROM paths WHERE p <@ f) AS below, (SELECT count(*) FROM paths WHERE p @> f) AS above
FROM (SELECT DISTINCT unnest(pocket.lineage(p)) AS f FROM paths WHERE n % 50 = 0) x;
SET enable_seqscan = on; SET enable_indexscan = off; SET enable_indexonlyscan = off;
SELECT count(*) AS folders, count(*) FILTER (WHERE below <> (SELECT count(*) FROM paths WHERE p <@ f) OR above <> (SELECT count(*) FROM paths WHERE p @> f)) AS differ FROM found;
RESET ALL;
SET search_path = public, pocket;
-- not the first column: a subtree yes, what is above is a filter; another method's index: no
CREATE TABLE pairs AS SELECT n % 3 AS n, p FROM paths;
CREATE INDEX ON pairs (n, p);
SET enable_seqscan = off; SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT p FROM pairs WHERE n = 0 AND p <@ 'h:/d3';
EXPLAIN (COSTS OFF) SELECT p FROM pairs WHERE n = 0 AND p @> 'h:/d3';
DROP INDEX paths_btree;
SELECT count(*) FROM paths WHERE p = 'h:/d3/e 4';
SELECT count(*) FROM paths WHERE p <@ 'h:/d3/e 4';
RESET ALL;
SET search_path = public, pocket;
SET enable_mergejoin = off; SET enable_nestloop = off;
SELECT count(*) FROM paths a JOIN paths b USING (p);
SET enable_mergejoin = on; SET enable_hashjoin = off;
SELECT count(*) FROM paths a JOIN paths b USING (p);
RESET ALL;
SET search_path = public, pocket;

-- binary
SELECT pocket.path_send('home:/'), pocket.path_send('h:/ä/b/') = convert_to('h:/ä/b', 'UTF8') AS text;
SELECT current_setting('data_directory') || '/pocket_path.copy' AS file \gset
CREATE TABLE paths_back (LIKE paths);
COPY paths TO :'file' (FORMAT binary);
COPY paths_back FROM :'file' (FORMAT binary);
COPY paths TO :'file';
COPY paths_back FROM :'file';
SELECT count(*) AS differ FROM (SELECT p, n, 2 * count(*) FROM paths GROUP BY p, n EXCEPT SELECT p, n, count(*) FROM paths_back GROUP BY p, n) d;
\getenv abs_srcdir PG_ABS_SRCDIR
\set file :abs_srcdir '/binary.sql'
\i :file
SELECT pg_temp.binary(convert_to(b, 'UTF8'), 'pocket.path') FROM (VALUES ('h:/'), ('h:/a/b'), ('h:/a/'), ('h:/a//'), (''), ('/a'), ('h'), ('h:'), ('h:a'), ('h:/.'), ('h:/' || repeat('n', 256)), ('h:' || repeat('/n', 513)), ('h:' || repeat('/n', 9000))) v (b);
SELECT pg_temp.binary(b, 'pocket.path') FROM (VALUES ('\x683a2f6100'::bytea), ('\x683a2fc328'), ('\x00'), ('\x683a2f61ff')) v (b);
DROP FUNCTION pg_temp.binary;
DROP TABLE paths, paths_back, folders, found, pairs;
DROP EXTENSION pocket;
