-- What a namespace takes: logical, unique and stored bytes, exactly.
SET client_min_messages = warning;
CREATE EXTENSION pocket;
SELECT pocket.create_namespace('u') > 0 AS made, pocket.create_namespace('none') > 0 AS made;
SELECT used, blocks, logical, "unique", stored FROM pocket.usage;
-- contents in rows: one each in the tree and in the journal
SELECT outcome FROM pocket.put('u:/a', '12345');
SELECT used, blocks, logical, "unique", stored FROM pocket.usage WHERE name = 'u';
-- the same content again is not more of it; a row of the journal more has it again
SELECT outcome FROM pocket.put('u:/b', '12345');
SELECT outcome FROM pocket.mv('u:/b', 'u:/c');
SELECT logical, "unique", stored FROM pocket.usage WHERE name = 'u';
-- a revision that is kept counts, a link and a folder have nothing
SELECT outcome FROM pocket.put('u:/a', '1234567');
SELECT outcome FROM pocket.symlink('u:/link', 'a');
SELECT outcome FROM pocket.rm('u:/c');
SELECT logical, "unique", stored FROM pocket.usage WHERE name = 'u';
SELECT outcome FROM pocket.put('u:/empty', '');
SELECT logical, "unique", stored FROM pocket.usage WHERE name = 'u';
-- blocks, made by hand: two files of two blocks, one of which is the same; a block has two rows
SELECT outcome FROM pocket.put('u:/x', '1111111111');
SELECT outcome FROM pocket.put('u:/y', '2222222222');
CREATE TABLE list AS SELECT f.name, ('{' || encode(sha256('shared'), 'hex') || ':6,' || encode(sha256(f.name::bytea), 'hex') || ':4}')::pocket.blocklist AS blocks FROM (VALUES ('x'), ('y')) f (name);
UPDATE pocket_data.entry e SET blocks = l.blocks, inline = NULL FROM list l WHERE l.name = e.name;
UPDATE pocket_data.journal j SET blocks = l.blocks, inline = NULL FROM list l WHERE l.name = j.name;
INSERT INTO pocket_data.holder SELECT 1, b.hash, count(*) FROM list l, pocket.blocks(l.blocks) b GROUP BY b.hash;
INSERT INTO pocket_data.block (hash, bucket_id, "offset", stored_length, length, crc32c, created_at)
	SELECT DISTINCT b.hash, c, 0, 100 * c + b.size, b.size, 0, now() FROM list l, pocket.blocks(l.blocks) b, generate_series(1, 2) c;
SELECT used, blocks, logical, "unique", stored FROM pocket.usage WHERE name = 'u';
-- what only another namespace holds is not this one's; what both hold counts for both
INSERT INTO pocket_data.holder SELECT 2, hash, 1 FROM pocket_data.holder WHERE files = 2;
INSERT INTO pocket_data.holder VALUES (2, pocket.digest('not indexed'), 1);
SELECT name, used, blocks, logical, "unique", stored FROM pocket.usage ORDER BY name;
-- columns that are not asked for cost nothing
CREATE FUNCTION plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE 'EXPLAIN (COSTS off) ' || query; END $$;
SELECT count(*) FILTER (WHERE p ~ 'journal|holder|block|entry') AS cheap FROM plan('SELECT name, used, logical FROM pocket.usage') p;
SELECT count(*) FILTER (WHERE p ~ 'journal|holder|block|entry') > 4 AS dear FROM plan('SELECT * FROM pocket.usage') p;
DROP FUNCTION plan;
DROP TABLE list;
SELECT pocket.uninstall(current_database());
DROP EXTENSION pocket;
