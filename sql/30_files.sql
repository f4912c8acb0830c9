-- Functions on files.  All of them check in C what the calling role may; none is SECURITY DEFINER.  They are PARALLEL
-- UNSAFE because they work with snapshots of their own.

CREATE FUNCTION pocket.create_namespace(name text, quota bigint DEFAULT NULL, retention interval DEFAULT '30 days',
	case_sensitive boolean DEFAULT false) RETURNS bigint
	AS 'MODULE_PATHNAME', 'pocket_create_namespace' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION pocket.create_namespace(text, bigint, interval, boolean) IS
	'makes a file tree of the calling role, and returns its id';

CREATE FUNCTION pocket.alter_namespace(name text, new_name text DEFAULT NULL, quota bigint DEFAULT NULL,
	retention interval DEFAULT NULL) RETURNS void
	AS 'MODULE_PATHNAME', 'pocket_alter_namespace' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION pocket.alter_namespace(text, text, bigint, interval) IS
	'changes what is not null; quota -1 is none, and one below what is used only keeps it from growing';

CREATE FUNCTION pocket.drop_namespace(name text) RETURNS void
	AS 'MODULE_PATHNAME', 'pocket_drop_namespace' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION pocket.drop_namespace(text) IS 'removes a file tree with all its files and all their revisions, for good';

CREATE FUNCTION pocket.lock(namespaces text[]) RETURNS void
	AS 'MODULE_PATHNAME', 'pocket_lock_namespaces' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION pocket.lock(text[]) IS
	'keeps others from changing these file trees to the end of the transaction; one that changes several begins with it, and never ends in a deadlock';

CREATE FUNCTION pocket.put(path text, content bytea, base pocket.version_vector DEFAULT NULL, mode text DEFAULT 'overwrite',
	mtime timestamptz DEFAULT NULL, attributes jsonb DEFAULT NULL) RETURNS pocket.revision
	AS 'MODULE_PATHNAME', 'pocket_put' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION pocket.put(text, bytea, pocket.version_vector, text, timestamptz, jsonb) IS
	'makes a file have this content; missing folders are made.  With base, or in mode add, content that may not replace what is there is kept beside it as "NAME (conflicted copy from AUTHOR on DATE).EXT" (a date of UTC): the row returned is that copy, with outcome conflict, and a notice tells the path and the version of what stays';

CREATE FUNCTION pocket.put_many(paths text[], contents bytea[], mtimes timestamptz[] DEFAULT NULL,
	attributes jsonb[] DEFAULT NULL) RETURNS SETOF pocket.revision
	AS 'MODULE_PATHNAME', 'pocket_put_many' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE COST 1000 ROWS 100;
COMMENT ON FUNCTION pocket.put_many(text[], bytea[], timestamptz[], jsonb[]) IS
	'put for many files at once, in the order given';

CREATE FUNCTION pocket.append(path text, content bytea, mtime timestamptz DEFAULT NULL) RETURNS pocket.revision
	AS 'MODULE_PATHNAME', 'pocket_append' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION pocket.append(text, bytea, timestamptz) IS 'adds bytes at the end of a file, which is made when missing';

CREATE FUNCTION pocket.get(path text, start bigint DEFAULT 0, length bigint DEFAULT NULL, rev bigint DEFAULT NULL)
	RETURNS bytea
	AS 'MODULE_PATHNAME', 'pocket_get' LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION pocket.get(text, bigint, bigint, bigint) IS
	'bytes of a file, or a range of them, of now or of a revision; they are received where the value is used';

CREATE FUNCTION pocket.mkdir(path text) RETURNS pocket.revision
	AS 'MODULE_PATHNAME', 'pocket_mkdir' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION pocket.mkdir(text) IS 'makes a folder, and those above it that are missing';

CREATE FUNCTION pocket.symlink(path text, target text) RETURNS pocket.revision
	AS 'MODULE_PATHNAME', 'pocket_symlink' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION pocket.symlink(text, text) IS 'makes a symbolic link, which is kept and never followed; a target has 1 to 4096 bytes';

CREATE FUNCTION pocket.set_attributes(path text, attributes jsonb) RETURNS pocket.revision
	AS 'MODULE_PATHNAME', 'pocket_set_attributes' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION pocket.set_attributes(text, jsonb) IS
	'replaces the attributes, an object of at most 16 kB; a symbolic link keeps its target unless one is given';

CREATE FUNCTION pocket.stat(path text, at timestamptz DEFAULT NULL) RETURNS pocket.file
	AS 'MODULE_PATHNAME', 'pocket_stat' LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL UNSAFE COST 100;
COMMENT ON FUNCTION pocket.stat(text, timestamptz) IS 'what is at a path, or was at a time';

CREATE FUNCTION pocket.ls(path text, recursive boolean DEFAULT false, after text DEFAULT NULL, max integer DEFAULT NULL,
	at timestamptz DEFAULT NULL) RETURNS SETOF pocket.file
	AS 'MODULE_PATHNAME', 'pocket_ls' LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL UNSAFE COST 1000 ROWS 1000;
COMMENT ON FUNCTION pocket.ls(text, boolean, text, integer, timestamptz) IS
	'what is in a folder, or was at a time, by name; recursive: each folder before what is below it; after: the last path of the page before';

CREATE FUNCTION pocket.mv(source text, target text) RETURNS pocket.revision
	AS 'MODULE_PATHNAME', 'pocket_mv' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION pocket.mv(text, text) IS
	'gives a file or folder a new path; in another namespace it is a new file, and the old one is removed';

CREATE FUNCTION pocket.cp(source text, target text) RETURNS pocket.revision
	AS 'MODULE_PATHNAME', 'pocket_cp' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION pocket.cp(text, text) IS
	'copies a file, or a folder with all that is in it, without reading or writing its bytes';

CREATE FUNCTION pocket.rm(path text, recursive boolean DEFAULT false) RETURNS pocket.revision
	AS 'MODULE_PATHNAME', 'pocket_rm' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION pocket.rm(text, boolean) IS 'removes a file or folder; its revisions stay';

CREATE FUNCTION pocket.mount(namespace text, at text) RETURNS pocket.revision
	AS 'MODULE_PATHNAME', 'pocket_mount' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION pocket.mount(text, text) IS
	'shows a namespace in another one''s tree, as a folder at a path where nothing is; what is mounted keeps its rights, its quota and its rule for names, and cannot have mounts itself';

CREATE FUNCTION pocket.unmount(at text) RETURNS pocket.revision
	AS 'MODULE_PATHNAME', 'pocket_unmount' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION pocket.unmount(text) IS
	'takes a mount point out of a tree, as rm() does; the namespace that was mounted there stays as it is';

CREATE FUNCTION pocket.history(path text) RETURNS SETOF pocket.revision
	AS 'MODULE_PATHNAME', 'pocket_history' LANGUAGE C STABLE STRICT PARALLEL UNSAFE COST 1000 ROWS 10;
COMMENT ON FUNCTION pocket.history(text) IS
	'revisions of a file, newest first; also of one that was removed; path is null where it was in a folder that is hidden now';

CREATE FUNCTION pocket.restore(path text, rev bigint) RETURNS pocket.revision
	AS 'MODULE_PATHNAME', 'pocket_restore' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION pocket.restore(text, bigint) IS
	'gives a file, live or removed, the content and attributes of one of its revisions again; a removed folder comes back with what was removed with it';

CREATE FUNCTION pocket.rewind(path text, at timestamptz) RETURNS bigint
	AS 'MODULE_PATHNAME', 'pocket_rewind' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION pocket.rewind(text, timestamptz) IS
	'makes what is at a path, and below it, what it was at a time: what has come since is removed (its revisions stay), what is gone comes back; returns how many entries changed';

CREATE FUNCTION pocket.purge(path text) RETURNS bigint
	AS 'MODULE_PATHNAME', 'pocket_purge' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION pocket.purge(text) IS
	'removes for good what is at a path, what was deleted there, and all that is or was deleted below it: every revision loses its name, content and attributes, and followers are told of a deletion.  Returns how many files, folders and links';

-- Paths of what the views (data.sql) show.
CREATE FUNCTION pocket.path_of(ns_id bigint, file_id bigint) RETURNS text
	AS 'MODULE_PATHNAME', 'pocket_path_of_entry' LANGUAGE C STABLE STRICT PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION pocket.path_of(bigint, bigint) IS
	'path of a live file or folder; null when there is none that the current role may see';
CREATE FUNCTION pocket.path_of_deleted(ns_id bigint, file_id bigint) RETURNS text
	AS 'MODULE_PATHNAME', 'pocket_path_of_deleted' LANGUAGE C STABLE STRICT PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION pocket.path_of_deleted(bigint, bigint) IS
	'path by which history() finds a file or folder that was removed; null when there is none that the current role may see';
