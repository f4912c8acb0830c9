-- Type acl: forms, limits, rights, order. Run before pocket.install(): types need no data.
CREATE EXTENSION pocket;
SET search_path = public, pocket;

-- text
SELECT '{}'::pocket.acl, '!{}'::pocket.acl AS cut, '{group:eng=r,alice=dwr}'::pocket.acl AS sorted, '!{bob=s,Bob=rwds}'::pocket.acl AS by_bytes;
SELECT x::pocket.acl AS acl, x::pocket.acl::text::pocket.acl = x::pocket.acl AS back
FROM (VALUES ('{"alice"=r}'), ('{"a b"=r,"a,b"=w,"a=b"=d,"{}"=s}'), ('{"say \"hi\""=r,"back\\slash"=w}'), ('{"\a\l\i\c\e"=r}'),
	(E'{"tab\tnew\nline"=rwds}'), ('{!x=r,a!=w}'), ('{Ünï=r,"名 前"=w}')) v (x);
SELECT ''::pocket.acl;
SELECT 'alice=r'::pocket.acl;
SELECT '!!{}'::pocket.acl;
SELECT '{'::pocket.acl;
SELECT '{alice=r'::pocket.acl;
SELECT '{alice=r,'::pocket.acl;
SELECT '{alice=r,}'::pocket.acl;
SELECT '{,alice=r}'::pocket.acl;
SELECT '{alice}'::pocket.acl;
SELECT '{alice:r}'::pocket.acl;
SELECT '{alice=}'::pocket.acl;
SELECT '{alice=rx}'::pocket.acl;
SELECT '{alice=R}'::pocket.acl;
SELECT '{alice=rwr}'::pocket.acl;
SELECT '{alice=r }'::pocket.acl;
SELECT '{ alice=r}'::pocket.acl;
SELECT '{=r}'::pocket.acl;
SELECT '{""=r}'::pocket.acl;
SELECT '{"alice=r}'::pocket.acl;
SELECT '{"alice\'::pocket.acl;
SELECT '{al"ice=r}'::pocket.acl;
SELECT '{"alice"x=r}'::pocket.acl;
SELECT '{alice=r}}'::pocket.acl;
SELECT '{alice=r} '::pocket.acl;
SELECT '{bob=r,alice=r,bob=w}'::pocket.acl;
-- the place is counted in characters, and no character is cut in the message
SELECT '{Ünï=r,é=x}'::pocket.acl;
SELECT ('{' || repeat('é', 127) || '=x}')::pocket.acl;

-- limits
SELECT length(('{' || repeat('n', 255) || '=r}')::pocket.acl::text) AS at_limit;
SELECT count(x) AS at_limit FROM (SELECT ('{' || string_agg('p' || i || '=r', ',') || '}')::pocket.acl FROM generate_series(1, 1000) i) l (x);
SELECT length(x::text) AS at_limit FROM (SELECT ('{' || string_agg('"' || repeat('\\', 251) || to_char(i, 'FM0000') || '"=rwds', ',') || '}')::pocket.acl
	FROM generate_series(1, 1000) i) l (x);
\set VERBOSITY sqlstate
SELECT ('{' || repeat('n', 256) || '=r}')::pocket.acl;
SELECT ('{' || string_agg('p' || i || '=r', ',') || '}')::pocket.acl FROM generate_series(1, 1001) i;
SELECT ('{' || repeat(' ', 600000) || '}')::pocket.acl;
\set VERBOSITY default

-- rights
SELECT pocket.allows('{alice=rw,group:eng=d}', '{alice}', 'r') AS one, pocket.allows('{alice=rw,group:eng=d}', '{alice}', 'rwd') AS lacks,
	pocket.allows('{alice=rw,group:eng=d}', '{bob,group:eng,alice}', 'dwr') AS together, pocket.allows('{alice=rw}', '{}', 'r') AS nobody,
	pocket.allows('{alice=rw}', '{NULL,alice}', 'r') AS with_null, pocket.allows('{}', '{alice}', 'r') AS empty, pocket.allows('!{alice=r}', '{alice}', 'r') AS cut;
SELECT pocket.allows('{alice=r}', '{alice}', '');
SELECT pocket.allows('{alice=r}', '{alice}', 'rx');
SELECT pocket.allows('{alice=r}', '{alice}', 'rr');
SELECT pocket.allow('{}', 'bob', 'sr'), pocket.allow('{bob=r}', 'bob', 'rw'), pocket.allow('!{bob=r}', 'a b', 's'), pocket.allow('{bob=r}', 'zoë', 'd');
SELECT pocket.allow('{}', 'bob', '');
SELECT pocket.allow('{}', 'bob', 'a');
SELECT pocket.allow('{}', '', 'r');
SELECT pocket.allow('{}', repeat('n', 256), 'r');
SELECT pocket.deny('{alice=r,bob=rwds}', 'bob'), pocket.deny('!{alice=r}', 'bob'), pocket.deny('!{alice=r}', 'alice'), pocket.deny('{}', 'x');
SELECT pocket.deny('{}', '');
SELECT '{alice=r,bob=w}'::pocket.acl | '{bob=ds,carol=r}' AS both, '!{a=r}'::pocket.acl | '{}' AS inherits, '!{a=r}'::pocket.acl | '!{b=r}' AS cut;
SELECT pocket.inherits('{}'), pocket.inherits('!{}'), pocket.inherit('{a=r}', false), pocket.inherit('!{a=r}', true), pocket.inherit('!{a=r}', false);
SELECT pocket.allow(NULL, 'a', 'r') IS NULL AND pocket.deny('{}', NULL) IS NULL AND pocket.inherits(NULL) IS NULL AS strict;
SELECT full_list.x | '{p1000=w}' = pocket.allow(full_list.x, 'p1000', 'w') AS at_limit FROM (SELECT ('{' || string_agg('p' || i || '=r', ',') || '}')::pocket.acl FROM generate_series(1, 1000) i) full_list (x);
SELECT pocket.allow(('{' || string_agg('p' || i || '=r', ',') || '}')::pocket.acl, 'one more', 'r') FROM generate_series(1, 1000) i;
SELECT ('{' || string_agg('p' || i || '=r', ',') || '}')::pocket.acl | '{q=r}' FROM generate_series(1, 1000) i;
-- union: commutative, associative, idempotent, over all pairs and triples of some
WITH l (x) AS (VALUES ('{}'::pocket.acl), ('!{}'), ('{a=r}'), ('!{a=w,b=d}'), ('{b=rwds,c=r}'), ('{"a b"=s}'))
SELECT bool_and(a.x | b.x = b.x | a.x) AS commutes, bool_and((a.x | b.x) | c.x = a.x | (b.x | c.x)) AS associates, bool_and(a.x | a.x = a.x) AS idempotent
FROM l a, l b, l c;

-- order, indexes, joins
CREATE TABLE acls (x pocket.acl);
INSERT INTO acls SELECT pocket.allow((CASE WHEN i % 2 = 0 THEN '!{}' ELSE '{}' END)::pocket.acl, 'p' || i % 50, (ARRAY['r', 'rw', 'rwds'])[i % 3 + 1]) FROM generate_series(1, 600) i;
INSERT INTO acls VALUES (NULL), ('{}');
CREATE INDEX acls_btree ON acls (x);
CREATE INDEX acls_hash ON acls USING hash (x);
ANALYZE acls;
SELECT count(DISTINCT x), (SELECT count(*) FROM (SELECT x FROM acls GROUP BY x) g) AS groups_with_null FROM acls;
SELECT bool_and(before IS NULL OR before <= x) AS sorted FROM (SELECT x, lag(x) OVER (ORDER BY x) AS before FROM acls WHERE x IS NOT NULL) s;
SET enable_seqscan = off;
SELECT count(*) FROM acls WHERE x = '{p7=rw}';
DROP INDEX acls_btree;
SELECT count(*) FROM acls WHERE x = '{p7=rw}';
SET enable_mergejoin = off; SET enable_nestloop = off;
SELECT count(*) FROM acls a JOIN acls b USING (x);
SET enable_mergejoin = on; SET enable_hashjoin = off;
SELECT count(*) FROM acls a JOIN acls b USING (x);
RESET ALL;
SET search_path = public, pocket;

-- binary
SELECT pocket.acl_send('{}'), pocket.acl_send('!{bob=w,al=rs}');
SELECT current_setting('data_directory') || '/pocket_acl.copy' AS file \gset
CREATE TABLE acls_back (LIKE acls);
COPY acls TO :'file' (FORMAT binary);
COPY acls_back FROM :'file' (FORMAT binary);
COPY acls TO :'file';
COPY acls_back FROM :'file';
SELECT count(*) AS differ FROM (SELECT x, 2 * count(*) FROM acls GROUP BY x EXCEPT SELECT x, count(*) FROM acls_back GROUP BY x) d;
\getenv abs_srcdir PG_ABS_SRCDIR
\set file :abs_srcdir '/binary.sql'
\i :file
SELECT pg_temp.binary('\x0102616c090362 6f6202', 'pocket.acl');
SELECT pg_temp.binary(b, 'pocket.acl') FROM (VALUES ('\x'::bytea), ('\x02'), ('\x0001'), ('\x000161'), ('\x00026101'), ('\x000001'), ('\x00016100'), ('\x00016110'),
	('\x0002ff6101'), ('\x0001' || '\x00'::bytea || '\x01'), ('\x0002c3' || '\x28'::bytea || '\x01'), ('\x000162010161 01'), ('\x000161010161 02'), ('\x00ff61')) v (b);
SELECT left(pg_temp.binary('\x00' || string_agg('\x04'::bytea || convert_to(to_char(i, 'FM0000'), 'UTF8') || '\x01', '' ORDER BY i), 'pocket.acl'), 30) AS at_limit FROM generate_series(1, 1000) i;
SELECT pg_temp.binary('\x00' || string_agg('\x04'::bytea || convert_to(to_char(i, 'FM0000'), 'UTF8') || '\x01', '' ORDER BY i), 'pocket.acl') FROM generate_series(1, 1001) i;
SELECT pg_temp.binary(convert_to(repeat('x', 300000), 'UTF8'), 'pocket.acl');
DROP FUNCTION pg_temp.binary;
DROP TABLE acls, acls_back;
DROP EXTENSION pocket;
