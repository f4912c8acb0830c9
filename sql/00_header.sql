\echo Use "CREATE EXTENSION pocket" to load this file. \quit

-- No "IF NOT EXISTS" and no "OR REPLACE" anywhere in here: what somebody has planted under one of these names makes the
-- script fail instead of becoming part of it.
CREATE SCHEMA pocket;
COMMENT ON SCHEMA pocket IS 'Files in PostgreSQL: types, functions and views';
GRANT USAGE ON SCHEMA pocket TO PUBLIC;

CREATE FUNCTION pocket.check_database() RETURNS void
	AS 'MODULE_PATHNAME', 'pocket_check_database' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pocket.check_database() IS 'fails when this database cannot have Pocket';
SELECT pocket.check_database();
