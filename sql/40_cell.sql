-- The cell: nodes, duties, and what the DBA looks at.  Nothing here is for PUBLIC: these functions speak to sidecars
-- with the server's keys, or show where bytes are.  What has no secret and no file's name is for pg_monitor.

CREATE FUNCTION pocket.add_node(url text, zone text DEFAULT 'default') RETURNS bigint
	AS 'MODULE_PATHNAME', 'pocket_add_node' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION pocket.add_node(text, text) FROM PUBLIC;
COMMENT ON FUNCTION pocket.add_node(text, text) IS 'Makes the sidecar at a url, and its drives, the cell''s; again for a node that it has: takes in new drives. Returns the node''s id.';

CREATE FUNCTION pocket.adopt() RETURNS bigint
	AS 'MODULE_PATHNAME', 'pocket_adopt' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION pocket.adopt() FROM PUBLIC;
COMMENT ON FUNCTION pocket.adopt() IS 'Makes this database, which is a copy or was rewound, the owner of its cell; the former owner only reads from then on. Returns the incarnation. Nodes hear of it when they are next looked at.';

CREATE FUNCTION pocket.reconcile() RETURNS TABLE (object text, problem text)
	AS 'MODULE_PATHNAME', 'pocket_reconcile' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION pocket.reconcile() FROM PUBLIC;
COMMENT ON FUNCTION pocket.reconcile() IS 'Makes the rows of placement, and those of blocks that are lost, anew from what the drives hold; what rows know better stays. Returns what rows need and drives lack.';

CREATE FUNCTION pocket.remove_node(url text) RETURNS void
	AS 'MODULE_PATHNAME', 'pocket_remove_node' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION pocket.remove_node(text) FROM PUBLIC;
COMMENT ON FUNCTION pocket.remove_node(text) IS 'The sidecar at a url, and its drives, are the cell''s no more. Refused while its drives have members of volumes: see drain().';

CREATE FUNCTION pocket.drain(drive_id bigint) RETURNS void
	AS 'MODULE_PATHNAME', 'pocket_drain' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION pocket.drain(bigint) FROM PUBLIC;
COMMENT ON FUNCTION pocket.drain(bigint) IS 'What a drive has goes to others, as fast as pocket.repair_rate allows, and nothing new comes to it. When it has nothing any more its state is "drained": it can be taken away.';

CREATE FUNCTION pocket.undrain(drive_id bigint) RETURNS void
	AS 'MODULE_PATHNAME', 'pocket_undrain' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION pocket.undrain(bigint) FROM PUBLIC;
COMMENT ON FUNCTION pocket.undrain(bigint) IS 'A drive that was to be drained takes new members again.';

CREATE FUNCTION pocket.coordinate() RETURNS TABLE (duty text, done bigint, remaining bigint)
	AS 'MODULE_PATHNAME', 'pocket_coordinate' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION pocket.coordinate() FROM PUBLIC;
COMMENT ON FUNCTION pocket.coordinate() IS 'One bounded pass of every duty of the coordinator; waits for a pass that is running.';

CREATE FUNCTION pocket.coordinate(name text, OUT duty text, OUT done bigint, OUT remaining bigint) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'pocket_coordinate_duty' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION pocket.coordinate(text) FROM PUBLIC;
COMMENT ON FUNCTION pocket.coordinate(text) IS 'One bounded pass of one duty: check, settle, encode, repair, scrub, index, watch, retain, reclaim, compact, trash, referee, seal or open.';

CREATE FUNCTION pocket.seal() RETURNS bigint
	AS 'MODULE_PATHNAME', 'pocket_seal' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION pocket.seal() FROM PUBLIC;
COMMENT ON FUNCTION pocket.seal() IS 'Seals every open bucket that holds something, and opens others. Returns how many were sealed.';

CREATE FUNCTION pocket.encode() RETURNS bigint
	AS 'MODULE_PATHNAME', 'pocket_encode' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION pocket.encode() FROM PUBLIC;
COMMENT ON FUNCTION pocket.encode() IS 'Encodes all sealed buckets that fit into groups, full or not. Returns how many buckets were encoded.';

CREATE FUNCTION pocket.repair() RETURNS bigint
	AS 'MODULE_PATHNAME', 'pocket_repair' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION pocket.repair() FROM PUBLIC;
COMMENT ON FUNCTION pocket.repair() IS 'Makes members on failed drives and damaged members anew, the least protected volumes first. Returns how many volumes were repaired.';

CREATE FUNCTION pocket.scrub() RETURNS bigint
	AS 'MODULE_PATHNAME', 'pocket_scrub' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION pocket.scrub() FROM PUBLIC;
COMMENT ON FUNCTION pocket.scrub() IS 'Holds every sealed extent against its checksums. Returns how many were read.';

CREATE FUNCTION pocket.verify_now() RETURNS bigint
	AS 'MODULE_PATHNAME', 'pocket_verify_now' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION pocket.verify_now() FROM PUBLIC;
COMMENT ON FUNCTION pocket.verify_now() IS 'Runs every verifier over everything, whatever was looked at lately: it reads all drives. Returns how many objects were compared; verify() tells what was found.';

CREATE FUNCTION pocket.retain() RETURNS bigint
	AS 'MODULE_PATHNAME', 'pocket_retain' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION pocket.retain() FROM PUBLIC;
COMMENT ON FUNCTION pocket.retain() IS 'Drops revisions that were replaced longer ago than their namespace retains them: of each namespace as many as a pass may. Returns how many.';

CREATE FUNCTION pocket.reclaim() RETURNS bigint
	AS 'MODULE_PATHNAME', 'pocket_reclaim' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION pocket.reclaim() FROM PUBLIC;
COMMENT ON FUNCTION pocket.reclaim() IS 'Condemns blocks that nobody holds any more, lets go of those condemned by earlier calls that no snapshot can ask for, and retires volumes of which no block is left. Returns how many of all these.';

CREATE FUNCTION pocket.compact() RETURNS bigint
	AS 'MODULE_PATHNAME', 'pocket_compact' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION pocket.compact() FROM PUBLIC;
COMMENT ON FUNCTION pocket.compact() IS 'Moves what is alive out of sealed volumes of which less than pocket.compact_below percent is, those with the most garbage for each byte moved first. Returns how many blocks were moved.';

CREATE FUNCTION pocket.verify() RETURNS TABLE (verifier text, object text, problem text)
	AS 'MODULE_PATHNAME', 'pocket_verify' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION pocket.verify() FROM PUBLIC;
COMMENT ON FUNCTION pocket.verify() IS 'Everything that is wrong now, one row each; no row when all is well.';

CREATE FUNCTION pocket.durability() RETURNS TABLE (code text, volumes bigint, tolerates integer, annual_loss double precision, nines double precision, assumptions text)
	AS 'MODULE_PATHNAME', 'pocket_durability' LANGUAGE C STABLE STRICT PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION pocket.durability() FROM PUBLIC;
COMMENT ON FUNCTION pocket.durability() IS 'For each code in use the chance that one of its volumes is lost within a year, as a share and as nines, and what that assumes.';

CREATE FUNCTION pocket.durability_of(code text, failure_rate double precision, repair_hours double precision, replicas integer DEFAULT 0, unreadable double precision DEFAULT 0, OUT tolerates integer, OUT annual_loss double precision, OUT nines double precision)
	AS 'MODULE_PATHNAME', 'pocket_durability_of' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
REVOKE ALL ON FUNCTION pocket.durability_of(text, double precision, double precision, integer, double precision) FROM PUBLIC;
COMMENT ON FUNCTION pocket.durability_of(text, double precision, double precision, integer, double precision) IS 'The same for a code and assumptions that are given: drives that fail in a year (0.015: 1.5 %), hours until a member is whole again, of ''replicated'' the replicas, and the chance that a member that seems well cannot be read.';

CREATE FUNCTION pocket.extent_file(role text, id bigint, "position" integer) RETURNS text
	AS 'MODULE_PATHNAME', 'pocket_extent_path' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
REVOKE ALL ON FUNCTION pocket.extent_file(text, bigint, integer) FROM PUBLIC;
CREATE FUNCTION pocket.code_members(code text) RETURNS integer
	AS 'MODULE_PATHNAME', 'pocket_code_members' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
REVOKE ALL ON FUNCTION pocket.code_members(text) FROM PUBLIC;
COMMENT ON FUNCTION pocket.code_members(text) IS 'How many members a volume of that code has; NULL for replicated.';
CREATE FUNCTION pocket.code_lost(code text, members bigint, missing bigint) RETURNS bigint
	AS 'MODULE_PATHNAME', 'pocket_code_lost' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
REVOKE ALL ON FUNCTION pocket.code_lost(text, bigint, bigint) FROM PUBLIC;
COMMENT ON FUNCTION pocket.code_lost(text, bigint, bigint) IS 'Which members of a volume cannot be had from the others when some are missing: a bit for each position.';
CREATE FUNCTION pocket.code_left(code text, members bigint, missing bigint) RETURNS integer
	AS 'MODULE_PATHNAME', 'pocket_code_left' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
REVOKE ALL ON FUNCTION pocket.code_left(text, bigint, bigint) FROM PUBLIC;
COMMENT ON FUNCTION pocket.code_left(text, bigint, bigint) IS 'How many more members may go, whichever they are, when some are missing; -1 when something is lost.';
COMMENT ON FUNCTION pocket.extent_file(text, bigint, integer) IS 'The file of an extent, below its drive: id is the volume''s for a parity, else the bucket''s.';

CREATE FUNCTION pocket.place_members(zones bigint[], nodes bigint[], taken boolean[], wanted integer, bears integer) RETURNS integer[]
	AS 'MODULE_PATHNAME', 'pocket_place_members' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
REVOKE ALL ON FUNCTION pocket.place_members(bigint[], bigint[], boolean[], integer, integer) FROM PUBLIC;
COMMENT ON FUNCTION pocket.place_members(bigint[], bigint[], boolean[], integer, integer) IS 'On which of these drives, given by their zones and nodes, a volume that bears the loss of so many members would put that many more; taken drives have one already.';

CREATE FUNCTION pocket.show_nodes() RETURNS TABLE (node_id bigint, url text, zone text, state text, problem text, added_at timestamptz, seen_at timestamptz)
	AS 'MODULE_PATHNAME', 'pocket_show_nodes' LANGUAGE C STABLE STRICT PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION pocket.show_nodes() FROM PUBLIC;
COMMENT ON FUNCTION pocket.show_nodes() IS 'Rows of the view pocket.nodes.';

CREATE VIEW pocket.nodes AS SELECT * FROM pocket.show_nodes();
COMMENT ON VIEW pocket.nodes IS 'The cell''s sidecars.';

CREATE FUNCTION pocket.show_drives() RETURNS TABLE (drive_id bigint, uuid uuid, node text, zone text, path text, state text, problem text, capacity bigint, used bigint, available bigint, extents bigint, seen_at timestamptz)
	AS 'MODULE_PATHNAME', 'pocket_show_drives' LANGUAGE C STABLE STRICT PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION pocket.show_drives() FROM PUBLIC;
COMMENT ON FUNCTION pocket.show_drives() IS 'Rows of the view pocket.drives.';

CREATE VIEW pocket.drives AS SELECT * FROM pocket.show_drives();
COMMENT ON VIEW pocket.drives IS 'The drives of the cell''s sidecars; sizes in bytes.';

CREATE FUNCTION pocket.show_buckets() RETURNS TABLE (bucket_id bigint, volume_id bigint, state text, length bigint, live bigint, capacity bigint, opened_at timestamptz, sealed_at timestamptz)
	AS 'MODULE_PATHNAME', 'pocket_show_buckets' LANGUAGE C STABLE STRICT PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION pocket.show_buckets() FROM PUBLIC;
COMMENT ON FUNCTION pocket.show_buckets() IS 'Rows of the view pocket.buckets.';

CREATE VIEW pocket.buckets AS SELECT * FROM pocket.show_buckets();
COMMENT ON VIEW pocket.buckets IS 'What block rows point into; length is 0 until sealed, live is what block rows refer to.';

CREATE FUNCTION pocket.show_volumes() RETURNS TABLE (volume_id bigint, code text, state text, generation integer, node text, changed_at timestamptz)
	AS 'MODULE_PATHNAME', 'pocket_show_volumes' LANGUAGE C STABLE STRICT PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION pocket.show_volumes() FROM PUBLIC;
COMMENT ON FUNCTION pocket.show_volumes() IS 'Rows of the view pocket.volumes.';

CREATE VIEW pocket.volumes AS SELECT * FROM pocket.show_volumes();
COMMENT ON VIEW pocket.volumes IS 'Where buckets are: replicated, or coded in groups.';

CREATE FUNCTION pocket.show_extents() RETURNS TABLE (volume_id bigint, "position" integer, role text, drive_id bigint, file text, state text, length bigint, bucket_id bigint, problem text, scrubbed_at timestamptz)
	AS 'MODULE_PATHNAME', 'pocket_show_extents' LANGUAGE C STABLE STRICT PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION pocket.show_extents() FROM PUBLIC;
COMMENT ON FUNCTION pocket.show_extents() IS 'Rows of the view pocket.extents.';

CREATE VIEW pocket.extents AS SELECT * FROM pocket.show_extents();
COMMENT ON VIEW pocket.extents IS 'The members of volumes; file is the path below the drive.';

CREATE FUNCTION pocket.show_health() RETURNS TABLE (item text, value text, detail text)
	AS 'MODULE_PATHNAME', 'pocket_show_health' LANGUAGE C STABLE STRICT PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION pocket.show_health() FROM PUBLIC;
COMMENT ON FUNCTION pocket.show_health() IS 'Rows of the view pocket.health.';

CREATE VIEW pocket.health AS SELECT * FROM pocket.show_health();
COMMENT ON VIEW pocket.health IS 'The state of the cell, one fact a row; the first is its status: ok, degraded or failed.';

CREATE FUNCTION pocket.show_progress() RETURNS TABLE (duty text, done bigint, remaining bigint, unit text)
	AS 'MODULE_PATHNAME', 'pocket_show_progress' LANGUAGE C STABLE STRICT PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION pocket.show_progress() FROM PUBLIC;
COMMENT ON FUNCTION pocket.show_progress() IS 'Rows of the view pocket.progress.';

CREATE VIEW pocket.progress AS SELECT * FROM pocket.show_progress();
COMMENT ON VIEW pocket.progress IS 'What the coordinator has done, and what is left.';

GRANT EXECUTE ON FUNCTION pocket.show_nodes(), pocket.show_drives(), pocket.show_buckets(), pocket.show_volumes(),
	pocket.show_extents(), pocket.show_health(), pocket.show_progress(), pocket.durability(),
	pocket.durability_of(text, double precision, double precision, integer, double precision) TO pg_monitor;
GRANT SELECT ON pocket.nodes, pocket.drives, pocket.buckets, pocket.volumes, pocket.extents, pocket.health,
	pocket.progress TO pg_monitor;
