-- Type cursor: forms, limits, order. Run before pocket.install(): types need no data.
\getenv abs_srcdir PG_ABS_SRCDIR
CREATE EXTENSION pocket;
SET search_path = public, pocket;

-- the golden vectors: name, cell, incarnation, items, bytes, text
CREATE TABLE golden (name text, cell text, incarnation bigint, items text, bytes text, text text);
SELECT :'abs_srcdir' || '/golden/cursor.tsv' AS file \gset
COPY golden FROM :'file';
SELECT name, pocket.cursor_send(text::pocket.cursor) = decode(bytes, 'hex') AS bytes, text::pocket.cursor::text = text AS text FROM golden;

-- cursors of any content, with the checksum that it has
CREATE FUNCTION pg_temp.crc32c(bytes bytea) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	crc bigint := 4294967295;
BEGIN
	FOR i IN 0 .. length(bytes) - 1 LOOP
		crc := crc # get_byte(bytes, i);
		FOR bit IN 1 .. 8 LOOP
			crc := (crc >> 1) # (CASE WHEN crc & 1 = 1 THEN 2197175160 ELSE 0 END);
		END LOOP;
	END LOOP;
	RETURN crc # 4294967295;
END $$;
CREATE FUNCTION pg_temp.sealed(body bytea) RETURNS bytea LANGUAGE sql AS $$
	SELECT body || substr(int8send(pg_temp.crc32c(body)), 5)
$$;
CREATE FUNCTION pg_temp.item(ns_id bigint, jid bigint, listed bigint DEFAULT 0, at bigint DEFAULT 0) RETURNS bytea LANGUAGE sql AS $$
	SELECT int8send(ns_id) || int8send(jid) || int8send(listed) || int8send(at)
$$;
CREATE FUNCTION pg_temp.body(items bytea DEFAULT '', count integer DEFAULT 0, incarnation integer DEFAULT 7, version integer DEFAULT 1, cell text DEFAULT 'a0') RETURNS bytea LANGUAGE sql AS $$
	SELECT substr(int4send(version), 4) || decode(repeat(cell, 16), 'hex') || int4send(incarnation) || substr(int4send(count), 3) || items
$$;
CREATE FUNCTION pg_temp.digits(bytes bytea) RETURNS text LANGUAGE sql AS $$
	SELECT rtrim(translate(encode(bytes, 'base64'), E'+/\n', '-_'), '=')
$$;
CREATE FUNCTION pg_temp.text(value bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text;
BEGIN
	RETURN left(pg_temp.digits(value)::pocket.cursor::text, 60);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = PG_EXCEPTION_DETAIL;
	RETURN SQLSTATE || ' ' || left(SQLERRM, 40) || ' ' || message;
END $$;
\set file :abs_srcdir '/binary.sql'
\i :file

CREATE TABLE cases (id serial, what text, body bytea);
INSERT INTO cases (what, body) VALUES
	('empty', pg_temp.body()),
	('one', pg_temp.body(pg_temp.item(1, 1), 1)),
	('listing', pg_temp.body(pg_temp.item(5, 77, 3, 12), 1)),
	('listed', pg_temp.body(pg_temp.item(5, 77, 77, -12), 1)),
	('version', pg_temp.body(version => 2)),
	('incarnation 0', pg_temp.body(incarnation => 0)),
	('incarnation', pg_temp.body(incarnation => -1)),
	('count', pg_temp.body(pg_temp.item(1, 1), 2)),
	('no namespace', pg_temp.body(pg_temp.item(0, 1), 1)),
	('namespace', pg_temp.body(pg_temp.item(-1, 1), 1)),
	('no jid', pg_temp.body(pg_temp.item(1, 0), 1)),
	('jid', pg_temp.body(pg_temp.item(1, -1), 1)),
	('listed before', pg_temp.body(pg_temp.item(1, 1, -1), 1)),
	('listed beyond', pg_temp.body(pg_temp.item(1, 1, 2), 1)),
	('tree first', pg_temp.body(pg_temp.item(2, 1) || pg_temp.item(1, 1) || pg_temp.item(3, 1), 3)),
	('order', pg_temp.body(pg_temp.item(1, 1) || pg_temp.item(3, 1) || pg_temp.item(2, 1), 3)),
	('tree again', pg_temp.body(pg_temp.item(2, 1) || pg_temp.item(1, 1) || pg_temp.item(2, 1), 3)),
	('twice', pg_temp.body(pg_temp.item(1, 1) || pg_temp.item(2, 1) || pg_temp.item(2, 2), 3)),
	('cut', substr(pg_temp.body(pg_temp.item(1, 1), 1), 1, 50));
SELECT what, pg_temp.text(pg_temp.sealed(body)) FROM cases ORDER BY id;
SELECT what, pg_temp.binary(pg_temp.sealed(body), 'pocket.cursor') FROM cases ORDER BY id;
SELECT pg_temp.text(set_byte(b, length(b) - 1, get_byte(b, length(b) - 1) # 1)), pg_temp.binary(set_byte(b, 30, 9), 'pocket.cursor'), pg_temp.binary('', 'pocket.cursor') FROM (SELECT pg_temp.sealed(body) FROM cases WHERE what = 'one') x (b);
-- limits
SELECT count, pg_temp.text(bytes) IS NOT DISTINCT FROM left(pg_temp.digits(bytes), 60) AS accepted, left(pg_temp.text(bytes), 5), left(pg_temp.binary(bytes, 'pocket.cursor'), 59)
FROM (SELECT n, pg_temp.sealed(pg_temp.body((SELECT string_agg(pg_temp.item(i, i), '' ORDER BY i) FROM generate_series(1, n) i), n)) FROM (VALUES (1000), (1001)) v (n)) x (count, bytes);
-- text that is none
SELECT ''::pocket.cursor;
SELECT 'a'::pocket.cursor;
SELECT 'not a cursor'::pocket.cursor;
SELECT 'ää+'::pocket.cursor;
SELECT (text || '=')::pocket.cursor FROM golden WHERE name = 'empty';
SELECT left(text, 35)::pocket.cursor FROM golden WHERE name = 'empty';
SELECT overlay(text placing 'B' from 36)::pocket.cursor FROM golden WHERE name = 'empty';

-- order, indexes, joins
CREATE TABLE cursors (c pocket.cursor, n integer);
INSERT INTO cursors SELECT pg_temp.digits(pg_temp.sealed(pg_temp.body(pg_temp.item(1 + i % 3, 1 + i / 3), 1, 1 + i % 2, cell => CASE WHEN i % 5 = 0 THEN 'b0' ELSE 'a0' END)))::pocket.cursor, i FROM generate_series(1, 100) i;
INSERT INTO cursors SELECT text::pocket.cursor, 0 FROM golden;
INSERT INTO cursors SELECT * FROM cursors;
CREATE INDEX cursors_btree ON cursors (c);
CREATE INDEX cursors_hash ON cursors USING hash (c);
ANALYZE cursors;
SELECT count(*), count(DISTINCT c) FROM cursors;
SELECT bool_and(before IS NULL OR before <= c AND NOT before > c) AS sorted FROM (SELECT c, lag(c) OVER (ORDER BY c) AS before FROM cursors) s;
SELECT a.n, b.n, a.c < b.c AS lt, a.c <= b.c AS le, a.c = b.c AS eq, a.c <> b.c AS ne, a.c >= b.c AS ge, a.c > b.c AS gt
FROM (SELECT DISTINCT c, n FROM cursors WHERE n IN (4, 10)) a, (SELECT DISTINCT c, n FROM cursors WHERE n IN (4, 10)) b ORDER BY 1, 2;
SET enable_seqscan = off;
SELECT count(*) FROM cursors WHERE c = (SELECT c FROM cursors WHERE n = 42 LIMIT 1);
DROP INDEX cursors_btree;
SELECT count(*) FROM cursors WHERE c = (SELECT c FROM cursors WHERE n = 42 LIMIT 1);
SET enable_mergejoin = off; SET enable_nestloop = off;
SELECT count(*) FROM cursors a JOIN cursors b USING (c);
SET enable_mergejoin = on; SET enable_hashjoin = off;
SELECT count(*) FROM cursors a JOIN cursors b USING (c);
RESET ALL;
SET search_path = public, pocket;

-- a round trip
SELECT current_setting('data_directory') || '/pocket_cursor.copy' AS file \gset
CREATE TABLE cursors_back (LIKE cursors);
COPY cursors TO :'file' (FORMAT binary);
COPY cursors_back FROM :'file' (FORMAT binary);
COPY cursors TO :'file';
COPY cursors_back FROM :'file';
SELECT count(*) AS differ FROM (SELECT c, n, 2 * count(*) FROM cursors GROUP BY c, n EXCEPT SELECT c, n, count(*) FROM cursors_back GROUP BY c, n) d;
DROP FUNCTION pg_temp.crc32c, pg_temp.sealed, pg_temp.item, pg_temp.body, pg_temp.digits, pg_temp.text, pg_temp.binary;
DROP TABLE golden, cases, cursors, cursors_back;
DROP EXTENSION pocket;
