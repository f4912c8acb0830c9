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

-- Blocks by clients.  A url is a node's address, as add_node() was given it, and /block/TOKEN: http://HOST:PORT/block/TOKEN,
-- or unix:/path/to.sock/block/TOKEN (curl --unix-socket /path/to.sock http://localhost/block/TOKEN).
CREATE FUNCTION pocket.upload(namespace text, blocks pocket.blocklist)
	RETURNS TABLE (seq integer, hash pocket.sha256, size integer, needed boolean, url text)
	AS 'MODULE_PATHNAME', 'pocket_upload' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000 ROWS 10;
COMMENT ON FUNCTION pocket.upload(text, pocket.blocklist) IS
	'which blocks the namespace does not hold, and where to PUT the bytes of each, once, within an hour: the answer has the receipt for commit(). A node that refuses a url does not say why: ask again';

CREATE FUNCTION pocket.commit(path text, blocks pocket.blocklist, receipts text[] DEFAULT '{}',
	base pocket.version_vector DEFAULT NULL, mode text DEFAULT 'overwrite', mtime timestamptz DEFAULT NULL)
	RETURNS pocket.revision
	AS 'MODULE_PATHNAME', 'pocket_commit' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION pocket.commit(text, pocket.blocklist, text[], pocket.version_vector, text, timestamptz) IS
	'makes a file have these blocks, as put() does: each is held by the namespace already, or brought with a receipt of the last day; a receipt that is not valid counts as none.  Every block but the last has 4 MiB';

CREATE FUNCTION pocket.download(path text, rev bigint DEFAULT NULL, expires interval DEFAULT '15 minutes')
	RETURNS TABLE (seq integer, hash pocket.sha256, size integer, url text)
	AS 'MODULE_PATHNAME', 'pocket_download' LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL UNSAFE COST 1000 ROWS 10;
COMMENT ON FUNCTION pocket.download(text, bigint, interval) IS
	'where to GET the blocks of a file, or of a revision of it, for at most 7 days, by whoever has the urls; content that is kept in its row comes as a data: url, and an empty file has no rows';
