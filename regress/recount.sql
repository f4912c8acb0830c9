-- For tests of random lives: what holders must be, by a recount of the journal; and contents that are blocks, made by hand, a
-- byte each, so that no sidecar is needed.
CREATE VIEW recount AS SELECT j.ns_id, b.hash, count(*) AS files
	FROM (SELECT ns_id, blocks, lag(blocks) OVER (PARTITION BY ns_id, file_id ORDER BY jid) AS before FROM pocket_data.journal) j,
		pocket.blocks(pocket.missing(j.blocks, coalesce(j.before, '{}'))) b
	GROUP BY j.ns_id, b.hash;
CREATE VIEW miscounted AS (SELECT * FROM pocket_data.holder EXCEPT TABLE recount) UNION ALL (TABLE recount EXCEPT SELECT * FROM pocket_data.holder);
CREATE TABLE made (content bytea PRIMARY KEY, blocks pocket.blocklist);
CREATE FUNCTION make_blocks() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (TABLE miscounted) THEN RAISE EXCEPTION 'holders are not what a recount gives'; END IF;
	INSERT INTO made SELECT j.inline, (SELECT ('{' || string_agg(encode(sha256(substr(j.inline, i, 1)), 'hex') || ':1', ',' ORDER BY i) || '}')::pocket.blocklist
		FROM generate_series(1, length(j.inline)) i) FROM (SELECT DISTINCT inline FROM pocket_data.journal WHERE inline <> '') j ON CONFLICT DO NOTHING;
	UPDATE pocket_data.entry e SET blocks = m.blocks, inline = NULL FROM made m WHERE m.content = e.inline;
	UPDATE pocket_data.journal j SET blocks = m.blocks, inline = NULL FROM made m WHERE m.content = j.inline;
	INSERT INTO pocket_data.block (hash, bucket_id, "offset", stored_length, length, crc32c, created_at)
		SELECT DISTINCT b.hash, 1, 0, 1, 1, 0, now() FROM made m, pocket.blocks(m.blocks) b ON CONFLICT DO NOTHING;
	DELETE FROM pocket_data.holder;
	INSERT INTO pocket_data.holder TABLE recount;
END $$;
