-- Every error that a user can cause has its SQLSTATE.
SET client_min_messages = warning;
CREATE EXTENSION pocket;
SELECT pocket.create_namespace('e') > 0 AS made, pocket.create_namespace('f') > 0 AS made;
SELECT (pocket.put('e:/file', 'x')).outcome, (pocket.mkdir('e:/folder/below')).outcome;
SELECT (pocket.symlink('e:/link', 'file')).outcome;
CREATE FUNCTION pg_temp.state(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN SQLSTATE || ' ' || SQLERRM || coalesce(' | ' || nullif(hint, ''), '');
END $$;
SELECT statement, pg_temp.state('SELECT ' || statement) FROM (VALUES
	-- what is not there, and what is something else
	($$pocket.stat('nowhere:/x')$$), ($$pocket.get('e:/nothing')$$), ($$pocket.get('e:/file', rev => 99)$$),
	($$pocket.history('e:/nothing')$$), ($$pocket.rm('e:/nothing')$$), ($$pocket.mv('e:/nothing', 'e:/x')$$),
	($$pocket.get('e:/folder')$$), ($$pocket.get('e:/folder', rev => 3)$$), ($$pocket.get('e:/link')$$), ($$pocket.put('e:/folder', 'x')$$), ($$pocket.put('e:/', 'x')$$),
	($$pocket.put('e:/file/x', 'x')$$), ($$pocket.append('e:/folder', 'x')$$), ($$pocket.append('e:/x/', 'x')$$), ($$pocket.ls('e:/file')$$),
	($$pocket.symlink('e:/folder', 'x')$$), ($$pocket.symlink('e:/', 'x')$$), ($$pocket.mkdir('e:/file')$$),
	($$pocket.put('e:/x/', 'x')$$), ($$pocket.create_namespace('e')$$), ($$pocket.mv('e:/file', 'e:/link')$$),
	-- what cannot be
	($$pocket.rm('e:/folder')$$), ($$pocket.mv('e:/folder', 'e:/folder/below/x')$$), ($$pocket.mv('e:/', 'e:/x')$$), ($$pocket.rm('e:/')$$),
	($$pocket.put('e:/' || chr(127), 'x')$$), ($$pocket.put('e:/..', 'x')$$), ($$pocket.put('no path', 'x')$$),
	($$pocket.put('e:/x', 'x', attributes => '[1]')$$), ($$pocket.put('e:/x', 'x', mode => 'replace')$$), ($$pocket.put('e:/x', 'x', mode => 'update')$$),
	($$pocket.get('e:/file', -1)$$), ($$pocket.get('e:/file', 0, -1)$$), ($$pocket.create_namespace('x', -1)$$),
	($$pocket.put(NULL, 'x')$$), ($$pocket.put('e:/x', NULL)$$), ($$pocket.put('e:/x', 'x', mode => NULL)$$),
	($$pocket.put_many(ARRAY['e:/a'], '{}')$$), ($$pocket.put_many(ARRAY[['e:/a'], ['e:/b']], ARRAY['', '']::bytea[])$$),
	-- what this release has not
	($$set_config('pocket.code', 'lrc(12,2,3)', false)$$),
	($$set_config('pocket.code', 'none', false)$$), ($$set_config('pocket.block_size', '1MB', false)$$), ($$set_config('pocket.nonsense', 'x', false)$$)
) v (statement);
-- null in, null out
SELECT pocket.mkdir(NULL) IS NULL AND pocket.mv(NULL, 'e:/x') IS NULL AND pocket.rm(NULL) IS NULL AND pocket.append('e:/file', NULL) IS NULL
	AND pocket.symlink('e:/x', NULL) IS NULL AND pocket.stat(NULL) IS NULL AS nulls;
-- nothing of this came to be
SELECT path FROM pocket.ls('e:/', true);
DROP FUNCTION pg_temp.state;
SELECT pocket.uninstall(current_database());
DROP EXTENSION pocket;
