-- How often tables are looked at for a path: what it leads through once, as long as nothing has changed.  As often for what
-- is hidden as for what is not there, and so on the second time.
SET client_min_messages = warning;
CREATE EXTENSION pocket;
CREATE ROLE regress_pocket_reader;
SELECT pocket.create_namespace('k') > 0 AND pocket.create_namespace('hidden') > 0 AS made;
SELECT path FROM pocket.put('k:/open/a/b/file', 'x');
SELECT path FROM pocket.put('k:/secret/a/b/file', 'x');
SELECT path FROM pocket.put('hidden:/secret/a/b/file', 'x');
SELECT pocket.share('k:/open', 'regress_pocket_reader', 'viewer');
SELECT pocket.create_principal('regress_pocket_one'), pocket.create_principal('regress_pocket_two');
SELECT pocket.share('k:/open', 'regress_pocket_one', 'viewer'), pocket.share('k:/open', 'regress_pocket_two', 'viewer');

CREATE FUNCTION pg_temp.scans() RETURNS bigint LANGUAGE sql AS $$
	SELECT sum(seq_scan + coalesce(idx_scan, 0))::bigint FROM pg_stat_xact_all_tables
	WHERE schemaname = 'pocket_data' AND relname IN ('entry', 'namespace')
$$;
CREATE FUNCTION pg_temp.looks(path text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	before bigint := pg_temp.scans();
BEGIN
	BEGIN
		PERFORM pocket.stat(path);
	EXCEPTION WHEN undefined_object THEN NULL;
	END;
	RETURN pg_temp.scans() - before;
END $$;

-- the owner: the namespace and four names; then the last name
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT pg_temp.looks('k:/open/a/b/file');
SELECT pg_temp.looks('k:/open/a/b/file');
SELECT pg_temp.looks('k:/OPEN/a/B/other');
SELECT pg_temp.looks('k:/open/a/c/file');
SELECT pg_temp.looks('k:/open/a/c/file');
-- what the own transaction does is seen by the next statement, and what it takes back
SAVEPOINT one;
SELECT path FROM pocket.mv('k:/open/a', 'k:/open/c');
SELECT pg_temp.looks('k:/open/c/b/file');
SELECT path FROM pocket.stat('k:/open/c/b/file');
SELECT path FROM pocket.stat('k:/open/a/b/file');
ROLLBACK TO one;
SELECT path FROM pocket.stat('k:/open/a/b/file');
SELECT path FROM pocket.stat('k:/open/c/b/file');
ROLLBACK;

-- another, in what he may read: also the list of the root
SET ROLE regress_pocket_reader;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT pg_temp.looks('k:/open/a/b/file');
SELECT pg_temp.looks('k:/open/a/b/file');
ROLLBACK;
-- hidden: a file, a folder, a tree; and what is not there
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT path, pg_temp.looks(path), pg_temp.looks(path) AS again, pg_temp.looks(path || '2') AS beside,
	pg_temp.looks(replace(path, '/a/', '/A/')) AS folded
FROM unnest(ARRAY['k:/secret/a/b/file', 'k:/absent/a/b/file', 'k:/secret/a/x/file', 'k:/absent/a/x/file', 'k:/secret/y/x/file',
	'k:/absent/y/x/file', 'hidden:/secret/a/b/file', 'absent:/secret/a/b/file', 'hidden:/secret/x/b/file',
	'absent:/secret/x/b/file', 'hidden:/secret/a/b/file/x/y', 'absent:/secret/a/b/file/x/y']) path;
ROLLBACK;
RESET ROLE;

-- nobody has the use of what others have looked for
BEGIN ISOLATION LEVEL REPEATABLE READ;
SET LOCAL pocket.principal = 'regress_pocket_one';
SELECT pg_temp.looks('k:/open/a/b/file');
SELECT pg_temp.looks('k:/open/a/b/file');
SET LOCAL pocket.principal = 'regress_pocket_two';
SELECT pg_temp.looks('k:/open/a/b/file');
ROLLBACK;

-- what is remembered is at most a megabyte, and a block; then it is begun anew
CREATE FUNCTION pg_temp.most() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	most bigint := 0;
BEGIN
	FOR i IN 1 .. 6000 LOOP
		PERFORM pg_temp.looks('k:/' || repeat('x', 200) || i || '/file');
		IF i % 50 = 0 THEN
			most := greatest(most, (SELECT total_bytes FROM pg_backend_memory_contexts WHERE name = 'rows looked up by Pocket'));
		END IF;
	END LOOP;
	RETURN most;
END $$;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT most BETWEEN 1024 * 1024 - 100000 AND 1024 * 1024 + 64 * 1024 FROM pg_temp.most() AS most;
ROLLBACK;

SELECT pocket.uninstall(current_database());
DROP EXTENSION pocket;
DROP ROLE regress_pocket_reader;
