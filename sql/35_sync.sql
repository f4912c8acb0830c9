-- Following a namespace.

CREATE FUNCTION pocket.first_cursor(namespace text DEFAULT NULL) RETURNS pocket.cursor
	AS 'MODULE_PATHNAME', 'pocket_first_cursor' LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL UNSAFE COST 100;
COMMENT ON FUNCTION pocket.first_cursor(text) IS
	'where a client begins that knows nothing: the tree of now, folders before what is in them, and then the journal; and so for each namespace that is mounted in the tree';

CREATE FUNCTION pocket.latest_cursor(namespace text DEFAULT NULL) RETURNS pocket.cursor
	AS 'MODULE_PATHNAME', 'pocket_latest_cursor' LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL UNSAFE COST 100;
COMMENT ON FUNCTION pocket.latest_cursor(text) IS 'where a client begins that wants to hear of later changes only';

CREATE FUNCTION pocket.changes(cursor pocket.cursor, max integer DEFAULT 1000)
	RETURNS TABLE (op text, ns_id bigint, file_id bigint, rev bigint, path text, kind text, size bigint,
		content_hash pocket.sha256, version pocket.version_vector, mtime timestamptz, author text, at timestamptz,
		attributes jsonb, outcome text, parent_id bigint, name text, next pocket.cursor)
	AS 'MODULE_PATHNAME', 'pocket_changes' LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL UNSAFE COST 1000 ROWS 100;
COMMENT ON FUNCTION pocket.changes(pocket.cursor, integer) IS
	'what has changed since a cursor in a tree and in what is mounted there, in order; each row has the cursor behind it; op reset: forget all, and begin with its cursor.  A mount point is a folder with attribute namespace_id: rows of that ns_id with parent_id 1 are in it, and go with it when it is deleted';

CREATE PROCEDURE pocket.wait(cursor pocket.cursor, timeout interval DEFAULT '30 s', INOUT changed boolean DEFAULT NULL)
	AS 'MODULE_PATHNAME', 'pocket_wait' LANGUAGE C;
COMMENT ON PROCEDURE pocket.wait(pocket.cursor, interval, boolean) IS
	'returns when changes() has something for the cursor, or when the time is over; holds no snapshot meanwhile';
