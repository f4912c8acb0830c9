-- For tests: what a type reads from bytes, its text, or the error.
CREATE TEMP TABLE raw (b bytea);
CREATE FUNCTION pg_temp.binary(value bytea, type regtype) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	file text := current_setting('data_directory') || '/pocket_binary.copy';
	message text;
	found text;
BEGIN
	TRUNCATE raw;
	INSERT INTO raw VALUES (value);
	EXECUTE format('COPY raw TO %L (FORMAT binary)', file);
	EXECUTE format('CREATE TEMP TABLE one (x %s)', type);
	EXECUTE format('COPY one FROM %L (FORMAT binary)', file);
	SELECT x::text INTO found FROM one;
	DROP TABLE one;
	RETURN found;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = PG_EXCEPTION_DETAIL;
	RETURN SQLSTATE || ' ' || SQLERRM || ' ' || message;
END $$;
