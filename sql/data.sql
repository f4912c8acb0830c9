-- The data schema, version 1: what pocket.install() makes.  Ordinary tables, not members of the extension, so that
-- pg_dump takes them with their rows and DROP EXTENSION cannot take anybody's files.
CREATE SCHEMA pocket_data;

-- The cell: one row.  incarnation is in every bucket and volume id; starts counts the coordinator's starts.
CREATE TABLE pocket_data.cell (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	schema_version integer NOT NULL,
	uuid uuid NOT NULL,
	name text NOT NULL,
	incarnation bigint NOT NULL CHECK (incarnation BETWEEN 1 AND 2147483647),
	starts bigint NOT NULL DEFAULT 0,
	instance text NOT NULL,					-- the database that owns the cell; in another one this row is a copy
	timeline bigint NOT NULL,				-- of the server when it last gave an id
	superseded_at timestamptz,				-- since when nodes obey a higher epoch
	reconciled text NOT NULL,				-- "INCARNATION/TIMELINE" for which placement was compared with the drives
	reconciling text,						-- the one for which it is being done, pass by pass
	teams bigint NOT NULL DEFAULT 0			-- another one after each change of member: what was read of that before is good no more
);
CREATE TRIGGER cell_changed AFTER INSERT OR UPDATE OR DELETE ON pocket_data.cell
	FOR EACH STATEMENT EXECUTE FUNCTION pocket.cell_changed();
ALTER TABLE pocket_data.cell ENABLE ALWAYS TRIGGER cell_changed;

CREATE SEQUENCE pocket_data.namespace_id;
CREATE SEQUENCE pocket_data.placement_id;	-- the low 32 bits of bucket and volume ids

-- The tree, its journal and its blocks.  Every key leads with ns_id, so that the tables can be distributed by it.
CREATE TABLE pocket_data.namespace (
	ns_id bigint PRIMARY KEY,
	name text NOT NULL UNIQUE,
	owner text NOT NULL,
	quota bigint CHECK (quota >= 0),
	retention interval NOT NULL,
	case_sensitive boolean NOT NULL,
	mounts integer NOT NULL DEFAULT 0 CHECK (mounts >= 0),	-- mount points in it
	created_at timestamptz NOT NULL,
	-- What retention has dropped: rows that others had replaced when the journal ended at kept_jid, which was at kept_at.
	kept_jid bigint NOT NULL DEFAULT 0,
	kept_at timestamptz NOT NULL DEFAULT '-infinity'
);

CREATE TABLE pocket_data.namespace_head (
	ns_id bigint PRIMARY KEY,
	jid bigint NOT NULL,			-- of the last journal row
	file_id bigint NOT NULL,		-- the last one given
	used bigint NOT NULL,			-- logical bytes of live files
	at timestamptz NOT NULL			-- of the last journal row
) WITH (fillfactor = 50);

CREATE TABLE pocket_data.entry (
	ns_id bigint NOT NULL,
	file_id bigint NOT NULL,
	parent_id bigint NOT NULL,		-- 0: this is the root
	name text NOT NULL,
	name_key text COLLATE "C" NOT NULL,
	kind text NOT NULL CHECK (kind IN ('file', 'folder', 'symlink', 'mount')),
	rev bigint NOT NULL,			-- the journal row that made this state
	size bigint NOT NULL,
	blocks pocket.blocklist,		-- of a file that is not inline
	inline bytea,					-- of a file of at most pocket.inline_limit bytes
	content_hash pocket.sha256,		-- of a file
	version pocket.version_vector NOT NULL,
	mtime timestamptz,
	attributes jsonb NOT NULL,
	author text NOT NULL,
	at timestamptz NOT NULL,
	acl pocket.acl,					-- who may do what with it and what is below it, beside what is given above
	PRIMARY KEY (ns_id, file_id),
	UNIQUE (ns_id, parent_id, name_key)
);
-- Mount points: those of a tree, and those at which a namespace is mounted.  What others call so among their attributes
-- is theirs, and need not be a number.
CREATE INDEX entry_mount ON pocket_data.entry (ns_id, file_id) WHERE kind = 'mount';
CREATE INDEX entry_mounted ON pocket_data.entry
	((CASE WHEN kind = 'mount' THEN (attributes ->> 'namespace_id')::bigint END)) WHERE kind = 'mount';
CREATE INDEX entry_acl ON pocket_data.entry (ns_id, file_id) WHERE acl IS NOT NULL;

CREATE TABLE pocket_data.journal (
	ns_id bigint NOT NULL,
	jid bigint NOT NULL,
	file_id bigint NOT NULL,
	op text NOT NULL CHECK (op IN ('created', 'updated', 'deleted', 'moved', 'copied', 'restored', 'shared')),
	parent_id bigint NOT NULL,
	name text NOT NULL,				-- '/' and file_id: the row has been purged
	name_key text COLLATE "C" NOT NULL,
	kind text NOT NULL,
	size bigint NOT NULL,
	blocks pocket.blocklist,
	inline bytea,
	content_hash pocket.sha256,
	version pocket.version_vector NOT NULL,
	mtime timestamptz,
	attributes jsonb NOT NULL,
	author text NOT NULL,
	at timestamptz NOT NULL,
	acl pocket.acl,
	PRIMARY KEY (ns_id, jid)
);
CREATE INDEX journal_file ON pocket_data.journal (ns_id, file_id, jid);
CREATE INDEX journal_spot ON pocket_data.journal (ns_id, parent_id, name_key, jid);	-- what was called so in a folder
CREATE INDEX journal_at ON pocket_data.journal (ns_id, at, jid);
-- Conflicted copies, which conflict.c names so, by content.  Not of entry, whose updates it would make slower.
CREATE INDEX journal_copy ON pocket_data.journal (ns_id, parent_id, content_hash, name_key)
	WHERE name_key LIKE '%(conflicted copy from %';
CREATE INDEX journal_deleted ON pocket_data.journal (ns_id, jid) WHERE op = 'deleted';
CREATE INDEX journal_shared ON pocket_data.journal (ns_id, jid) WHERE op = 'shared';

-- In how many files of a namespace a block is, live or retained: ownership, and what keeps the block.
CREATE TABLE pocket_data.holder (
	ns_id bigint NOT NULL,
	hash pocket.sha256 NOT NULL,
	files bigint NOT NULL CHECK (files >= 0),
	PRIMARY KEY (ns_id, hash)
);
CREATE INDEX holder_hash ON pocket_data.holder (hash);	-- whether anybody holds a block

-- The block index.  Two rows with one hash are two copies that were brought at the same time; either serves.
CREATE TABLE pocket_data.block (
	hash pocket.sha256 NOT NULL,
	bucket_id bigint NOT NULL,
	"offset" bigint NOT NULL,
	stored_length integer NOT NULL,
	length integer NOT NULL,
	crc32c bigint NOT NULL CHECK (crc32c BETWEEN 0 AND 4294967295),
	state text NOT NULL DEFAULT 'live' CHECK (state IN ('live', 'condemned')),
	created_at timestamptz NOT NULL,
	condemned_xid xid8 CHECK ((condemned_xid IS NOT NULL) = (state = 'condemned')),	-- snapshots that could see a holder are older
	PRIMARY KEY (hash, bucket_id, "offset")
);
CREATE INDEX block_bucket ON pocket_data.block (bucket_id, "offset");
CREATE INDEX block_condemned ON pocket_data.block (condemned_xid) WHERE state = 'condemned';

-- Blocks that the reclaimer shall look at: a namespace has let go of one, or a second copy has come.  Once more than needed
-- does no harm.
CREATE TABLE pocket_data.review (
	review_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	hash pocket.sha256 NOT NULL
);
CREATE INDEX review_hash ON pocket_data.review (hash);	-- what is in the list does not go yet
-- The sample that is read back after a while: 3 of 256 blocks.
CREATE INDEX block_watched ON pocket_data.block (created_at, hash) WHERE get_byte(hash::bytea, 31) < 3;

-- What prepared transactions have changed: whoever commits one cannot say it, so the coordinator finds it here, tells
-- those who listen, and removes it.  ns_id 0: more than one row for each would be worth, from xid on.
CREATE TABLE pocket_data.untold (
	untold_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	ns_id bigint NOT NULL,
	xid xid8 NOT NULL
);

-- Placement.  Every row but intents can be told again by the drives.
CREATE TABLE pocket_data.zone (
	zone_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name text NOT NULL UNIQUE
);

CREATE TABLE pocket_data.node (
	node_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	url text NOT NULL UNIQUE,
	zone_id bigint NOT NULL REFERENCES pocket_data.zone,
	state text NOT NULL CHECK (state IN ('up', 'down')),
	problem text,
	added_at timestamptz NOT NULL,
	seen_at timestamptz NOT NULL
);

CREATE TABLE pocket_data.drive (
	drive_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	uuid uuid NOT NULL UNIQUE,
	node_id bigint NOT NULL REFERENCES pocket_data.node,
	path text NOT NULL,
	state text NOT NULL CHECK (state IN ('ok', 'quarantined', 'silent', 'failed', 'draining', 'drained')),
	problem text,
	capacity bigint NOT NULL,
	available bigint NOT NULL,
	used bigint NOT NULL,
	seen_at timestamptz NOT NULL,
	listed_to text COLLATE "C" NOT NULL DEFAULT '',	-- the referee has compared the drive's files up to here in this round
	listed_at timestamptz,							-- when it ended the last one
	well_at timestamptz NOT NULL DEFAULT clock_timestamp(),	-- since when it takes new members
	drain bigint					-- how many members it had when pocket.drain() was called; null: it was not
);

CREATE TABLE pocket_data.volume (
	volume_id bigint PRIMARY KEY,
	node_id bigint NOT NULL REFERENCES pocket_data.node,
	code text NOT NULL,
	state text NOT NULL CHECK (state IN ('open', 'sealed', 'coded', 'retired')),
	generation integer NOT NULL,
	changed_at timestamptz NOT NULL,
	changed xid8 NOT NULL DEFAULT pg_current_xact_id()	-- who made or last changed it: nodes are told what changed since
);
CREATE INDEX volume_changed ON pocket_data.volume (changed);

CREATE TABLE pocket_data.bucket (
	bucket_id bigint PRIMARY KEY,
	volume_id bigint NOT NULL REFERENCES pocket_data.volume,
	state text NOT NULL CHECK (state IN ('open', 'sealed', 'retired')),	-- retired: no block row may point into it any more
	capacity bigint NOT NULL,
	length bigint NOT NULL,			-- 0 until sealed
	opened_at timestamptz NOT NULL,
	sealed_at timestamptz,
	live bigint					-- bytes that block rows point to, as far as it was counted; null: it was not
);
CREATE INDEX bucket_volume ON pocket_data.bucket (volume_id);
CREATE INDEX bucket_open ON pocket_data.bucket (bucket_id) WHERE state = 'open';

-- The members of a volume.  drive_id is null for a virtual (empty) data member.
CREATE TABLE pocket_data.extent (
	volume_id bigint NOT NULL REFERENCES pocket_data.volume,
	position integer NOT NULL,
	role text NOT NULL CHECK (role IN ('replica', 'data', 'parity')),
	bucket_id bigint REFERENCES pocket_data.bucket,
	drive_id bigint REFERENCES pocket_data.drive,
	state text NOT NULL CHECK (state IN ('ok', 'damaged', 'lost')),
	problem text,
	length bigint NOT NULL,
	scrubbed_at timestamptz,
	indexed_to bigint NOT NULL DEFAULT 0,	-- its records were compared with block rows up to here in this round
	indexed_at timestamptz,					-- when the last round ended
	PRIMARY KEY (volume_id, position)
);
CREATE INDEX extent_drive ON pocket_data.extent (drive_id);
CREATE INDEX extent_bucket ON pocket_data.extent (bucket_id);

-- What shall be done to drives, and may be done only by a later transaction than the one that wrote it.
CREATE TABLE pocket_data.intent (
	intent_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	duty text NOT NULL CHECK (duty IN ('settle', 'drop', 'trash', 'empty')),
	xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
	volume_id bigint,				-- settle; of a parity, and of what is trashed with its volume
	bucket_id bigint,				-- of a bucket's extent
	position integer,				-- of a parity
	drive_id bigint,				-- all but settle
	problem text,					-- why the last attempt failed
	at timestamptz NOT NULL,
	generation integer				-- trash: of the volume that retired; null: the extent is stale
);

-- Extents in the trash of their drives.
CREATE TABLE pocket_data.trash (
	drive_id bigint NOT NULL REFERENCES pocket_data.drive,
	bucket_id bigint NOT NULL,		-- 0: a parity
	volume_id bigint NOT NULL,		-- of a parity, and of what retired with its volume; 0: a stale extent of a bucket
	position integer NOT NULL,		-- of a parity
	bytes bigint NOT NULL,			-- of its file
	trashed_at timestamptz NOT NULL,
	trashed_xid xid8 NOT NULL,		-- snapshots of before are older
	problem text,					-- why it was not emptied when it was time
	PRIMARY KEY (drive_id, bucket_id, volume_id, position)
);
CREATE INDEX trash_volume ON pocket_data.trash (volume_id);
-- What verifiers found, and has not healed since: told by pocket.verify() from told_from on.
CREATE TABLE pocket_data.finding (
	verifier text NOT NULL,
	object text NOT NULL,
	problem text NOT NULL,
	drive_id bigint,				-- of an extent, with its file below the drive
	file text COLLATE "C",
	detail jsonb,					-- what the verifier needs to look again
	fresh boolean NOT NULL,			-- seen in this round
	found_at timestamptz NOT NULL,
	told_from timestamptz NOT NULL,
	PRIMARY KEY (verifier, object)
);

-- Up to which blocks the sample was read back: of each age one row.
CREATE TABLE pocket_data.watch (
	age interval PRIMARY KEY,
	created_at timestamptz NOT NULL,
	hash pocket.sha256 NOT NULL,
	done bigint NOT NULL DEFAULT 0	-- blocks, so far
);
INSERT INTO pocket_data.watch (age, created_at, hash) SELECT a, now(), decode(repeat('00', 32), 'hex')::pocket.sha256
	FROM unnest('{1 minute, 1 hour, 1 day, 7 days}'::interval[]) a;

-- How long the last members of failed drives took until they were whole again, since the drive was seen last.
CREATE TABLE pocket_data.repaired (
	repaired_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	hours double precision NOT NULL
);

-- Bytes of all extents, once a day.
CREATE TABLE pocket_data.fill (
	at timestamptz PRIMARY KEY,
	used bigint NOT NULL
);

-- When the holders of a namespace were counted last.
CREATE TABLE pocket_data.counted (
	ns_id bigint PRIMARY KEY,
	at timestamptz NOT NULL
);

-- What reconcile() has read from the drives, until it has ended.
CREATE TABLE pocket_data.survey (
	drive_id bigint PRIMARY KEY REFERENCES pocket_data.drive,
	began_at timestamptz NOT NULL,
	listed_to text COLLATE "C" NOT NULL,	-- a file, '': from the start
	listed boolean NOT NULL			-- to its end
);

CREATE TABLE pocket_data.found (
	drive_id bigint NOT NULL,
	file text COLLATE "C" NOT NULL,
	kind text NOT NULL,
	id bigint NOT NULL,				-- of the bucket, or of the parity's volume
	position integer NOT NULL,		-- of a parity
	sealed boolean NOT NULL,
	length bigint NOT NULL,
	problem text,
	volume_id bigint NOT NULL,		-- what its slot says; 0: none is valid
	generation integer NOT NULL,
	code text NOT NULL,
	members jsonb NOT NULL,			-- [{"drive", "bucket", "length"}]
	trashed boolean NOT NULL,
	PRIMARY KEY (drive_id, file)
);
CREATE INDEX found_extent ON pocket_data.found (kind, id, position);
CREATE INDEX found_slot ON pocket_data.found (volume_id, generation);

-- Of each volume the slot of its highest generation; committed: data was given to it, which comes after the commit.
CREATE VIEW pocket_data.found_volume AS
	SELECT DISTINCT ON (f.volume_id) f.volume_id, f.generation, f.code, f.members, EXISTS (SELECT FROM pocket_data.found g
		WHERE g.volume_id = f.volume_id AND g.kind = 'bucket' AND g.problem IS NULL AND NOT g.trashed) AS committed
	FROM pocket_data.found f WHERE f.volume_id <> 0 AND f.problem IS NULL AND NOT f.trashed ORDER BY f.volume_id, f.generation DESC;

-- Buckets of which drives know better than rows where they are.
CREATE TABLE pocket_data.believed (
	bucket_id bigint PRIMARY KEY,
	volume_id bigint NOT NULL
);

-- Names that rights can be given to, beside roles; and teams, which lists call group:NAME.
CREATE TABLE pocket_data.principal (
	name text COLLATE "C" PRIMARY KEY,
	kind text NOT NULL CHECK (kind IN ('user', 'group')),
	created_at timestamptz NOT NULL
);

CREATE TABLE pocket_data.member (
	team text COLLATE "C" NOT NULL,		-- both as in lists
	member text COLLATE "C" NOT NULL,
	added_at timestamptz NOT NULL,
	PRIMARY KEY (member, team)
);

-- Links: of a token only its hash is kept, of a password what scrypt makes of it.
CREATE TABLE pocket_data.link (
	token_hash bytea PRIMARY KEY,	-- SHA-256
	ns_id bigint NOT NULL,
	file_id bigint NOT NULL,
	role text NOT NULL CHECK (role IN ('viewer', 'editor')),
	expires_at timestamptz,
	password_salt bytea,
	password_key bytea,
	made_by text NOT NULL,
	made_at timestamptz NOT NULL
);
CREATE INDEX link_entry ON pocket_data.link (ns_id, file_id);

-- Who changed what others may, and who was refused what.  Rows stay.
CREATE TABLE pocket_data.audit (
	audit_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at timestamptz NOT NULL,
	principal text NOT NULL,		-- whose rights counted
	role text NOT NULL,				-- who spoke
	action text NOT NULL,
	path text,
	ns_id bigint,
	file_id bigint,
	detail jsonb NOT NULL
);

-- Views for users.  They are made with the tables, not by the extension's script, which runs before there are any;
-- each has the rows that the functions would tell the one who asks.
CREATE VIEW pocket.files WITH (security_barrier) AS
	SELECT e.ns_id, e.file_id, e.rev, pocket.path_of(e.ns_id, e.file_id) AS path,
		CASE e.kind WHEN 'mount' THEN 'folder' ELSE e.kind END AS kind, e.size, e.content_hash,
		e.version, e.mtime, e.author, e.at, e.attributes, e.parent_id, e.name
	FROM pocket_data.entry e
	WHERE pocket.sees(e.ns_id, e.parent_id, e.acl) AND (e.kind <> 'mount' OR EXISTS (SELECT FROM pocket_data.entry m
		WHERE m.ns_id = CASE WHEN e.kind = 'mount' THEN (e.attributes ->> 'namespace_id')::bigint END AND m.file_id = 1
		AND pocket.sees(m.ns_id, m.parent_id, m.acl)));
COMMENT ON VIEW pocket.files IS 'live files, folders and symbolic links';

CREATE VIEW pocket.mounts WITH (security_barrier) AS
	SELECT e.ns_id, e.file_id, pocket.path_of(e.ns_id, e.file_id) AS path, n.name AS namespace,
		CASE WHEN e.kind = 'mount' THEN (e.attributes ->> 'namespace_id')::bigint END AS mounted_id, e.author, e.at
	FROM pocket_data.entry e
	LEFT JOIN pocket_data.entry m ON m.ns_id = CASE WHEN e.kind = 'mount' THEN (e.attributes ->> 'namespace_id')::bigint END
		AND m.file_id = 1 AND pocket.sees(m.ns_id, m.parent_id, m.acl)
	LEFT JOIN pocket_data.namespace n ON n.ns_id = m.ns_id
	WHERE e.kind = 'mount' AND pocket.sees(e.ns_id, e.parent_id, e.acl);
COMMENT ON VIEW pocket.mounts IS
	'where namespaces are mounted; namespace is null when it was dropped, or may not be read any more';

-- OFFSET 0 keeps it to the deletions, one namespace at a time; LIMIT to one step by the index for each.
CREATE VIEW pocket.deleted WITH (security_barrier) AS
	SELECT n.ns_id, j.file_id, j.jid AS rev, pocket.path_of_deleted(n.ns_id, j.file_id) AS path,
		CASE j.kind WHEN 'mount' THEN 'folder' ELSE j.kind END AS kind, j.size, j.author,
		j.at
	FROM pocket_data.namespace n CROSS JOIN LATERAL (SELECT d.file_id, d.jid, d.parent_id, d.acl, d.kind, d.size, d.author, d.at
		FROM pocket_data.journal d WHERE d.ns_id = n.ns_id AND d.op = 'deleted' AND d.name NOT LIKE '/%' AND d.jid = (SELECT l.jid
			FROM pocket_data.journal l WHERE l.ns_id = d.ns_id AND l.file_id = d.file_id ORDER BY l.jid DESC LIMIT 1)
		OFFSET 0) j
	WHERE pocket.sees(n.ns_id, j.parent_id, j.acl);
COMMENT ON VIEW pocket.deleted IS 'files, folders and symbolic links that were removed; rev is the removal';

CREATE VIEW pocket.namespaces WITH (security_barrier) AS
	SELECT n.ns_id, n.name, n.owner, CASE WHEN o.mine THEN n.quota END AS quota,
		CASE WHEN o.mine THEN n.retention END AS retention, n.case_sensitive, CASE WHEN o.mine THEN h.used END AS used,
		CASE WHEN o.mine THEN h.jid END AS jid, n.created_at, CASE WHEN o.mine THEN h.at END AS changed_at
	FROM pocket_data.namespace n JOIN pocket_data.namespace_head h ON h.ns_id = n.ns_id
		JOIN pocket_data.entry e ON e.ns_id = n.ns_id AND e.file_id = 1
		CROSS JOIN LATERAL (SELECT pocket.owns(n.owner) AS mine) o
	WHERE pocket.sees(n.ns_id, 0, e.acl);
COMMENT ON VIEW pocket.namespaces IS 'file trees whose root one may read; to their owners with their limits, and their last change';

CREATE VIEW pocket.usage WITH (security_barrier) AS
	SELECT n.ns_id, n.name, n.owner, n.quota, h.used,
		(SELECT count(*) FROM pocket_data.entry e WHERE e.ns_id = n.ns_id AND e.kind = 'file') AS files,
		(SELECT count(*) FROM pocket_data.entry e WHERE e.ns_id = n.ns_id AND e.kind = 'folder') AS folders,
		(SELECT count(*) FROM pocket_data.entry e WHERE e.ns_id = n.ns_id AND e.kind = 'symlink') AS symlinks,
		(SELECT count(*) FROM pocket_data.holder b WHERE b.ns_id = n.ns_id AND b.files > 0) AS blocks,
		h.used AS logical,
		(SELECT coalesce(sum(k.length), 0)::bigint FROM pocket_data.holder b CROSS JOIN LATERAL
			(SELECT k.length FROM pocket_data.block k WHERE k.hash OPERATOR(pocket.=) b.hash LIMIT 1) k
			WHERE b.ns_id = n.ns_id AND b.files > 0)
		+ (SELECT coalesce(sum(i.size), 0)::bigint FROM (SELECT DISTINCT j.content_hash, j.size
			FROM pocket_data.journal j WHERE j.ns_id = n.ns_id AND j.inline IS NOT NULL) i) AS "unique",
		(SELECT coalesce(sum(k.stored_length), 0)::bigint FROM pocket_data.holder b CROSS JOIN LATERAL
			(SELECT min(k.stored_length) AS stored_length FROM pocket_data.block k WHERE k.hash OPERATOR(pocket.=) b.hash) k
			WHERE b.ns_id = n.ns_id AND b.files > 0)
		+ (SELECT coalesce(sum(j.size), 0)::bigint FROM pocket_data.journal j WHERE j.ns_id = n.ns_id AND j.inline IS NOT NULL)
		+ (SELECT coalesce(sum(e.size), 0)::bigint FROM pocket_data.entry e WHERE e.ns_id = n.ns_id AND e.inline IS NOT NULL)
			AS stored
	FROM pocket_data.namespace n JOIN pocket_data.namespace_head h ON h.ns_id = n.ns_id
	WHERE pocket.owns(n.owner);
COMMENT ON VIEW pocket.usage IS 'what one''s own file trees take; a column costs only when it is asked for, and then, but for used and logical, a walk over the tree''s rows';
COMMENT ON COLUMN pocket.usage.used IS 'bytes of live files, which the quota counts';
COMMENT ON COLUMN pocket.usage.blocks IS 'distinct blocks of live files and of revisions that are kept';
COMMENT ON COLUMN pocket.usage.logical IS 'the same as used: bytes of live files';
COMMENT ON COLUMN pocket.usage."unique" IS 'bytes of distinct blocks, and of distinct contents that are in rows: of live files and of revisions that are kept';
COMMENT ON COLUMN pocket.usage.stored IS 'bytes of these blocks as they are stored: compressed, once each, before replicas and parities; and of contents in rows of the tree and of the journal, each';

CREATE VIEW pocket.shares WITH (security_barrier) AS
	SELECT e.ns_id, e.file_id, pocket.path_of(e.ns_id, e.file_id) AS path, g.principal,
		CASE g.rights WHEN 'r' THEN 'viewer' WHEN 'rwd' THEN 'editor' WHEN 'rwds' THEN 'owner' END AS role, g.rights,
		pocket.inherits(e.acl) AS inherits
	FROM pocket_data.entry e LEFT JOIN LATERAL pocket.grants(e.acl) g ON true
	WHERE e.acl IS NOT NULL AND (pocket.sees(e.ns_id, e.parent_id, e.acl, 's') OR pocket.is_me(g.principal));
COMMENT ON VIEW pocket.shares IS
	'what was given to whom: to oneself, and where one may share; inherits: whether what is given above counts too';

CREATE VIEW pocket.links WITH (security_barrier) AS
	SELECT encode(l.token_hash, 'hex') AS link_id, l.ns_id, l.file_id, pocket.path_of(l.ns_id, l.file_id) AS path, l.role,
		l.expires_at, l.password_key IS NOT NULL AS has_password, l.made_by, l.made_at
	FROM pocket_data.link l JOIN pocket_data.entry e ON e.ns_id = l.ns_id AND e.file_id = l.file_id
	WHERE pocket.sees(e.ns_id, e.parent_id, e.acl, 's');
COMMENT ON VIEW pocket.links IS 'links to what one may share; a token is told by link() only, link_id is its SHA-256';

-- For the DBA, who says who else may look.
CREATE VIEW pocket.audit AS SELECT * FROM pocket_data.audit;
COMMENT ON VIEW pocket.audit IS 'who changed what others may, and who was refused what';

GRANT SELECT ON pocket.files, pocket.mounts, pocket.deleted, pocket.namespaces, pocket.usage, pocket.shares, pocket.links
	TO PUBLIC;
