/*
 * believe.c
 *	  Whom to believe where buckets are: rows or drives.
 *
 * Each extent's slot names its volume, with a generation, and all members.  A volume to
 * which data was given (its slot is that of a bucket's extent, which happens only after the commit)
 * is believed before one that only parities name; then, as the nodes do, the coded before the
 * replicated, then the higher generation, which is the cell's and not the volume's.  The row of a
 * bucket stays unless the drives' volume precedes its own, or its own has lost the bucket and the drives' yields it.
 *
 * A sealed bucket has one length: the longest that any drive has sealed.  An extent that is shorter is
 * not a member, whatever its slot says, but damaged.
 */
#include "cell/believe.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/spi.h"
#include "blocks/blocks.h"

#define UNTRASH_MAX 100 /* orders at once */
#define LITERAL_(n) #n
#define LITERAL(n) LITERAL_(n)

#define ABSENT "its drive does not have it"

/* What was found (f) of a member: a row e of extents. */
#define FOUND_OF(e)                                                                          \
	"NOT f.trashed AND f.drive_id = " e ".drive_id AND CASE WHEN " e                         \
	".role = 'parity' THEN f.kind = 'parity' AND f.id = " e ".volume_id AND f.position = " e \
	".position ELSE f.kind = 'bucket' AND f.id = " e ".bucket_id END"

/* Buckets that block rows need and the members of their volumes do not yield. */
#define LOST_BUCKETS                                                                                                   \
	"(SELECT e.bucket_id FROM (SELECT v.volume_id, pocket.code_lost(v.code, pg_catalog.count(*),"                      \
	" coalesce(pg_catalog.bit_or(1::int8 << x.position) FILTER (WHERE x.state <> 'ok' OR d.state = 'failed'), 0)) AS " \
	"lost"                                                                                                             \
	" FROM pocket_data.volume v JOIN pocket_data.extent x ON x.volume_id = v.volume_id"                                \
	" LEFT JOIN pocket_data.drive d ON d.drive_id = x.drive_id GROUP BY v.volume_id) w"                                \
	" JOIN pocket_data.extent e ON e.volume_id = w.volume_id WHERE (w.lost >> e.position) & 1 = 1"                     \
	" AND EXISTS (SELECT FROM pocket_data.block k WHERE k.bucket_id = e.bucket_id))"

/* Which members of n, a volume that was found, no drive has in place: a bit for each position. */
#define MISSING                                                                                                       \
	"(SELECT coalesce(pg_catalog.bit_or(1::int8 << (r.n - 1)::int4), 0)"                                              \
	" FROM ROWS FROM (pg_catalog.jsonb_to_recordset(n.members) AS (drive uuid, bucket int8)) WITH ORDINALITY AS r "   \
	"(drive, bucket, n)"                                                                                              \
	" WHERE (r.drive IS NOT NULL OR r.bucket <> 0) AND NOT EXISTS (SELECT FROM pocket_data.found f"                   \
	" WHERE f.kind = CASE r.bucket WHEN 0 THEN 'parity' ELSE 'bucket' END"                                            \
	" AND f.id = CASE r.bucket WHEN 0 THEN n.volume_id ELSE r.bucket END AND (r.bucket <> 0 OR f.position = r.n - 1)" \
	" AND f.sealed AND NOT f.trashed AND f.problem IS NULL))"

bool
pocket_believe_lacks_rows(void)
{
	static PocketPlan find = {
		"SELECT FROM pocket_data.holder h WHERE h.files > 0 AND NOT EXISTS (SELECT FROM pocket_data.block k"
		" WHERE k.hash OPERATOR(pocket.=) h.hash) LIMIT 1",
		"", NULL, NULL};

	return pocket_write(&find, NULL, NULL) > 0;
}

static void
choose(void)
{
	static PocketPlan choice = {
		"INSERT INTO pocket_data.believed (bucket_id, volume_id) SELECT n.bucket_id, n.volume_id"
		" FROM (SELECT DISTINCT ON (m.bucket) m.bucket AS bucket_id, t.volume_id, t.generation,"
		" t.code <> 'replicated' AS coded, t.committed, t.code, t.members FROM pocket_data.found_volume t,"
		" pg_catalog.jsonb_to_recordset(t.members) AS m (bucket int8) WHERE m.bucket <> 0"
		" ORDER BY m.bucket, t.committed DESC, t.code <> 'replicated' DESC, t.generation DESC, t.volume_id DESC) n"
		" LEFT JOIN pocket_data.bucket b ON b.bucket_id = n.bucket_id"
		" LEFT JOIN pocket_data.volume v ON v.volume_id = b.volume_id WHERE b.bucket_id IS NULL"
		" OR (v.state = 'retired' AND $1)"
		" OR (v.volume_id = n.volume_id AND n.generation > v.generation)"
		" OR (v.volume_id <> n.volume_id AND n.committed"
		" AND (n.coded, n.generation) > (v.code <> 'replicated', v.generation))"
		" OR (v.volume_id <> n.volume_id AND b.bucket_id IN " LOST_BUCKETS
		" AND pocket.code_lost(n.code, pg_catalog.jsonb_array_length(n.members), " MISSING ") = 0)",
		"bool", NULL, NULL};
	Datum values[1] = {BoolGetDatum(pocket_believe_lacks_rows())};

	(void) pocket_write(&choice, values, NULL);
}

/* A drive that only a slot names has failed, as far as anybody knows; repair makes its members anew. */
static void
write_drives(void)
{
	static PocketPlan insert = {
		"INSERT INTO pocket_data.drive (uuid, node_id, path, state, problem, capacity, available, used, seen_at)"
		" SELECT DISTINCT m.drive, (SELECT pg_catalog.min(node_id) FROM pocket_data.node), '', 'failed',"
		" 'no node has it', 0, 0, 0, pg_catalog.clock_timestamp() FROM pocket_data.found_volume t,"
		" pg_catalog.jsonb_to_recordset(t.members) AS m (drive uuid) WHERE m.drive IS NOT NULL"
		" AND t.volume_id IN (SELECT x.volume_id FROM pocket_data.believed x) ON CONFLICT (uuid) DO NOTHING",
		"", NULL, NULL};

	(void) pocket_write(&insert, NULL, NULL);
}

/* A volume that no drive has sealed is open, as far as rows go: duty seal finds where it ends. */
static void
write_volumes(void)
{
	static PocketPlan upsert = {
		"INSERT INTO pocket_data.volume (volume_id, node_id, code, state, generation, changed_at)"
		" SELECT t.volume_id, coalesce((SELECT d.node_id FROM pocket_data.found f"
		" JOIN pocket_data.drive d ON d.drive_id = f.drive_id WHERE f.volume_id = t.volume_id"
		" GROUP BY d.node_id ORDER BY pg_catalog.count(*) DESC, d.node_id LIMIT 1),"
		" (SELECT pg_catalog.min(node_id) FROM pocket_data.node)), t.code,"
		" CASE WHEN t.code <> 'replicated' THEN 'coded' WHEN EXISTS (SELECT FROM pocket_data.found f"
		" WHERE f.kind = 'bucket' AND f.id = (t.members -> 0 ->> 'bucket')::int8 AND f.sealed AND f.problem IS NULL"
		" AND NOT f.trashed) THEN 'sealed' ELSE 'open' END, t.generation, pg_catalog.clock_timestamp() FROM "
		"pocket_data.found_volume t"
		" WHERE t.volume_id IN (SELECT x.volume_id FROM pocket_data.believed x) ON CONFLICT (volume_id) DO UPDATE"
		" SET node_id = excluded.node_id, code = excluded.code, state = excluded.state,"
		" generation = excluded.generation, changed_at = excluded.changed_at,"
		" changed = pg_catalog.pg_current_xact_id()",
		"", NULL, NULL};

	(void) pocket_write(&upsert, NULL, NULL);
}

static void
write_buckets(void)
{
	static PocketPlan upsert = {
		"INSERT INTO pocket_data.bucket AS b (bucket_id, volume_id, state, capacity, length, opened_at, sealed_at)"
		" SELECT x.bucket_id, x.volume_id, CASE v.state WHEN 'open' THEN 'open' ELSE 'sealed' END, l.length,"
		" CASE v.state WHEN 'open' THEN 0 ELSE l.length END, pg_catalog.clock_timestamp(),"
		" CASE WHEN v.state <> 'open' THEN pg_catalog.clock_timestamp() END"
		" FROM pocket_data.believed x JOIN pocket_data.volume v ON v.volume_id = x.volume_id"
		" CROSS JOIN LATERAL (SELECT coalesce(greatest((SELECT pg_catalog.max(f.length) FROM pocket_data.found f"
		" WHERE f.kind = 'bucket' AND f.id = x.bucket_id AND f.problem IS NULL AND NOT f.trashed AND (f.sealed OR "
		"v.state = 'open')),"
		" (SELECT pg_catalog.max(m.length) FROM pocket_data.found_volume t,"
		" pg_catalog.jsonb_to_recordset(t.members) AS m (bucket int8, length int8)"
		" WHERE t.volume_id = x.volume_id AND m.bucket = x.bucket_id)), 0) AS length) l"
		" ON CONFLICT (bucket_id) DO UPDATE SET volume_id = excluded.volume_id,"
		" state = CASE b.state WHEN 'sealed' THEN b.state ELSE excluded.state END,"
		" length = CASE b.state WHEN 'open' THEN excluded.length ELSE b.length END,"
		" sealed_at = coalesce(b.sealed_at, excluded.sealed_at)",
		"", NULL, NULL};

	(void) pocket_write(&upsert, NULL, NULL);
}

static void
write_extents(void)
{
	static PocketPlan clear = {"DELETE FROM pocket_data.extent"
							   " WHERE volume_id IN (SELECT x.volume_id FROM pocket_data.believed x)",
							   "", NULL, NULL};
	static PocketPlan insert = {
		"INSERT INTO pocket_data.extent (volume_id, position, role, bucket_id, drive_id, state, length)"
		" SELECT t.volume_id, m.n - 1, m.role, nullif(m.bucket, 0), d.drive_id, 'ok', CASE WHEN v.state = 'open' THEN 0"
		" WHEN m.role = 'parity' THEN coalesce((SELECT pg_catalog.max(f.length) FROM pocket_data.found f"
		" WHERE f.kind = 'parity' AND f.id = t.volume_id AND f.position = m.n - 1 AND f.sealed AND f.problem IS NULL),"
		" m.length) WHEN m.bucket = 0 THEN 0"
		" ELSE (SELECT b.length FROM pocket_data.bucket b WHERE b.bucket_id = m.bucket) END"
		" FROM pocket_data.found_volume t JOIN pocket_data.volume v ON v.volume_id = t.volume_id"
		" CROSS JOIN LATERAL (SELECT r.n::int4 AS n, r.drive, r.bucket, r.length,"
		" CASE WHEN t.code = 'replicated' THEN 'replica' WHEN r.bucket = 0 AND r.drive IS NOT NULL THEN 'parity'"
		" ELSE 'data' END AS role FROM ROWS FROM (pg_catalog.jsonb_to_recordset(t.members)"
		" AS (drive uuid, bucket int8, length int8)) WITH ORDINALITY AS r (drive, bucket, length, n)) m"
		" LEFT JOIN pocket_data.drive d ON d.uuid = m.drive"
		" WHERE t.volume_id IN (SELECT x.volume_id FROM pocket_data.believed x)",
		"", NULL, NULL};

	(void) pocket_write(&clear, NULL, NULL);
	(void) pocket_write(&insert, NULL, NULL);
}

/* Volumes that all buckets have left. */
static void
forget_left(void)
{
	static PocketPlan extents = {"DELETE FROM pocket_data.extent e WHERE NOT EXISTS (SELECT FROM pocket_data.bucket b"
								 " WHERE b.volume_id = e.volume_id)",
								 "", NULL, NULL};
	static PocketPlan volumes = {"DELETE FROM pocket_data.volume v WHERE NOT EXISTS (SELECT FROM pocket_data.bucket b"
								 " WHERE b.volume_id = v.volume_id)",
								 "", NULL, NULL};

	(void) pocket_write(&extents, NULL, NULL);
	(void) pocket_write(&volumes, NULL, NULL);
}

/* Of members on drives that were read: what is there after all, and what is there and is not what it should be. */
static void
judge_members(void)
{
	static PocketPlan back = {
		"UPDATE pocket_data.extent e SET state = 'ok', problem = NULL, scrubbed_at = NULL FROM pocket_data.found f"
		" WHERE (e.state = 'lost' OR (e.state = 'damaged' AND e.problem = '" ABSENT "'))"
		" AND " FOUND_OF("e") " AND f.sealed AND f.problem IS NULL AND f.length = e.length",
		"", NULL, NULL};
	static PocketPlan bad = {
		"UPDATE pocket_data.extent e SET state = 'damaged', problem = coalesce(f.problem, CASE WHEN f.sealed THEN"
		" pg_catalog.format('it has %s bytes, not %s', f.length, e.length) ELSE 'it was never sealed' END)"
		" FROM pocket_data.found f, pocket_data.volume v WHERE v.volume_id = e.volume_id AND v.state <> 'open'"
		" AND v.volume_id IN (SELECT x.volume_id FROM pocket_data.believed x) AND e.state = 'ok'"
		" AND " FOUND_OF("e") " AND (f.problem IS NOT NULL OR NOT f.sealed OR f.length <> e.length)",
		"", NULL, NULL};

	(void) pocket_write(&back, NULL, NULL);
	(void) pocket_write(&bad, NULL, NULL);
}

/* Slots of another volume, or an older generation, than rows put the extent into, are told by rows. */
static void
settle_slots(void)
{
	static PocketPlan intend = {
		"INSERT INTO pocket_data.intent (duty, volume_id, at) SELECT 'settle', v.volume_id,"
		" pg_catalog.clock_timestamp() FROM pocket_data.volume v WHERE v.state IN ('sealed', 'coded')"
		" AND EXISTS (SELECT FROM pocket_data.extent e JOIN pocket_data.found f ON " FOUND_OF(
			"e") " WHERE e.volume_id = v.volume_id AND (f.volume_id <> v.volume_id OR f.generation < v.generation))"
				 " AND NOT EXISTS (SELECT FROM pocket_data.intent i WHERE i.duty = 'settle'"
				 " AND i.volume_id = v.volume_id)",
		"", NULL, NULL};

	(void) pocket_write(&intend, NULL, NULL);
}

/* --- the trash --- */

typedef struct Absent
{
	int64 volume_id;
	int32 position;
	int64 drive_id;
	int64 bucket_id; /* 0: a parity */
} Absent;

static const char *
untrash_body(const char *uuid, const Absent *absent)
{
	return psprintf("{\"drive\": \"%s\", \"kind\": \"%s\", \"id\": " INT64_FORMAT ", \"position\": %d}", uuid,
					absent->bucket_id != 0 ? "bucket" : "parity",
					absent->bucket_id != 0 ? absent->bucket_id : absent->volume_id,
					absent->bucket_id != 0 ? 0 : absent->position);
}

static void
left_trash(const Absent *absent)
{
	static PocketPlan found = {"DELETE FROM pocket_data.found WHERE trashed AND drive_id = $1 AND CASE WHEN $2 <> 0"
							   " THEN kind = 'bucket' AND id = $2"
							   " ELSE kind = 'parity' AND id = $3 AND position = $4 END",
							   "int8 int8 int8 int4", NULL, NULL};
	static PocketPlan row = {"DELETE FROM pocket_data.trash WHERE drive_id = $1 AND bucket_id = $2"
							 " AND ($2 <> 0 OR (volume_id = $3 AND position = $4))",
							 "int8 int8 int8 int4", NULL, NULL};
	Datum values[4] = {Int64GetDatum(absent->drive_id), Int64GetDatum(absent->bucket_id),
					   Int64GetDatum(absent->volume_id), Int32GetDatum(absent->position)};

	(void) pocket_write(&found, values, NULL);
	(void) pocket_write(&row, values, NULL);
}

/* It is in place again, unscrubbed. */
static void
book_revived(const Absent *absent)
{
	static PocketPlan found = {
		"INSERT INTO pocket_data.found (drive_id, file, kind, id, position, sealed, length, volume_id, generation,"
		" code, members, trashed) SELECT $1, pocket.extent_file(e.role, CASE e.role WHEN 'parity' THEN e.volume_id"
		" ELSE e.bucket_id END, e.position), CASE e.role WHEN 'parity' THEN 'parity' ELSE 'bucket' END,"
		" CASE e.role WHEN 'parity' THEN e.volume_id ELSE e.bucket_id END,"
		" CASE e.role WHEN 'parity' THEN e.position ELSE 0 END, true, e.length, 0, 0, '', '[]', false"
		" FROM pocket_data.extent e WHERE e.volume_id = $2 AND e.position = $3 ON CONFLICT DO NOTHING",
		"int8 int8 int4", NULL, NULL};
	static PocketPlan doubt = {
		"UPDATE pocket_data.extent SET scrubbed_at = NULL WHERE volume_id = $2 AND position = $3 AND drive_id = $1",
		"int8 int8 int4", NULL, NULL};
	Datum values[3] = {Int64GetDatum(absent->drive_id), Int64GetDatum(absent->volume_id),
					   Int32GetDatum(absent->position)};

	left_trash(absent);
	(void) pocket_write(&found, values, NULL);
	(void) pocket_write(&doubt, values, NULL);
}

static void
book_absent(const Absent *absent)
{
	static PocketPlan damaged = {"UPDATE pocket_data.extent SET state = 'damaged', problem = '" ABSENT "'"
								 " WHERE volume_id = $1 AND position = $2",
								 "int8 int4", NULL, NULL};
	Datum values[2] = {Int64GetDatum(absent->volume_id), Int32GetDatum(absent->position)};

	(void) pocket_write(&damaged, values, NULL);
}

/* Members that their drives, which were read to their end, do not have in place; false: there are no more.  Adds to *back what came back. */
static bool
fetch_absent(int64 *back)
{
	static PocketPlan find = {
		"SELECT e.volume_id, e.position, e.drive_id, CASE e.role WHEN 'parity' THEN 0 ELSE e.bucket_id END,"
		" d.uuid::text, n.url FROM pocket_data.extent e JOIN pocket_data.volume v ON v.volume_id = e.volume_id"
		" JOIN pocket_data.survey s ON s.drive_id = e.drive_id JOIN pocket_data.drive d ON d.drive_id = e.drive_id"
		" JOIN pocket_data.node n ON n.node_id = d.node_id WHERE e.state = 'ok' AND s.listed"
		" AND v.state IN ('open', 'sealed', 'coded') AND (v.changed_at < s.began_at"
		" OR v.volume_id IN (SELECT x.volume_id FROM pocket_data.believed x))"
		" AND NOT EXISTS (SELECT FROM pocket_data.found f WHERE " FOUND_OF("e") ") LIMIT " LITERAL(UNTRASH_MAX),
		"", NULL, NULL};
	int count = (int) pocket_write(&find, NULL, NULL);
	PocketOrder *orders = palloc0(sizeof(PocketOrder) * Max(count, 1));
	Absent *absent = palloc(sizeof(Absent) * Max(count, 1));

	for (int i = 0; i < count; i++)
	{
		absent[i] = (Absent){pocket_column_int64(i, 1), pocket_column_int32(i, 2), pocket_column_int64(i, 3),
							 pocket_column_int64(i, 4)};
		orders[i].node = pocket_column_text(i, 6);
		orders[i].verb = "untrash";
		orders[i].body = untrash_body(pocket_column_text(i, 5), &absent[i]);
	}
	pocket_free_rows();
	pocket_orders(orders, count);
	for (int i = 0; i < count; i++)
	{
		if (orders[i].error == PK_OK)
		{
			book_revived(&absent[i]);
			(*back)++;
		}
		else
			book_absent(&absent[i]);
	}
	pfree(orders);
	pfree(absent);
	return count > 0;
}

/* Buckets that were opened, never written, and are nowhere any more: another owner has sealed them. */
static void
forget_empty(void)
{
	static PocketPlan find = {
		"SELECT b.bucket_id, b.volume_id FROM pocket_data.bucket b WHERE NOT EXISTS (SELECT FROM pocket_data.extent e"
		" WHERE e.volume_id = b.volume_id AND (e.state <> 'damaged' OR e.problem <> '" ABSENT
		"' OR e.role <> 'replica'))"
		" AND b.state IN ('open', 'sealed')"
		" AND NOT EXISTS (SELECT FROM pocket_data.block k WHERE k.bucket_id = b.bucket_id)",
		"", NULL, NULL};
	static PocketPlan extents = {"DELETE FROM pocket_data.extent WHERE volume_id = $1", "int8", NULL, NULL};
	static PocketPlan bucket = {"DELETE FROM pocket_data.bucket WHERE bucket_id = $2 AND volume_id = $1", "int8 int8",
								NULL, NULL};
	int count = (int) pocket_write(&find, NULL, NULL);
	Datum *ids = palloc(sizeof(Datum) * 2 * Max(count, 1));

	for (int i = 0; i < count; i++)
	{
		ids[2 * i] = Int64GetDatum(pocket_column_int64(i, 2));
		ids[2 * i + 1] = Int64GetDatum(pocket_column_int64(i, 1));
	}
	pocket_free_rows();
	for (int i = 0; i < count; i++)
	{
		(void) pocket_write(&extents, &ids[2 * i], NULL);
		(void) pocket_write(&bucket, &ids[2 * i], NULL);
	}
	pfree(ids);
}

#define TRASHED_IS(t, f)                                                                                     \
	t ".drive_id = " f ".drive_id AND CASE " f ".kind WHEN 'bucket' THEN " t ".bucket_id = " f ".id ELSE " t \
	  ".bucket_id = 0 AND " t ".volume_id = " f ".id AND " t ".position = " f ".position END"

/*
 * What lies in the trash and no row tells of is inspected anew before it goes. What was taken out of it, by who was rolled back,
 * does not lie there any more.
 */
static void
write_trash(void)
{
	static PocketPlan forget = {
		"DELETE FROM pocket_data.trash t WHERE EXISTS (SELECT FROM pocket_data.found f"
		" WHERE NOT f.trashed AND " TRASHED_IS("t", "f") ") AND NOT EXISTS (SELECT FROM pocket_data.found f"
														 " WHERE f.trashed AND " TRASHED_IS("t", "f") ")",
		"", NULL, NULL};
	static PocketPlan insert = {
		"INSERT INTO pocket_data.trash (drive_id, bucket_id, volume_id, position, bytes, trashed_at, trashed_xid)"
		" SELECT f.drive_id, CASE f.kind WHEN 'bucket' THEN f.id ELSE 0 END, CASE f.kind WHEN 'bucket' THEN 0"
		" ELSE f.id END, f.position, f.length, pg_catalog.clock_timestamp(), pg_catalog.pg_current_xact_id()"
		" FROM pocket_data.found f WHERE f.trashed AND NOT EXISTS (SELECT FROM pocket_data.trash t"
		" WHERE " TRASHED_IS("t", "f") ") ON CONFLICT DO NOTHING",
		"", NULL, NULL};

	(void) pocket_write(&forget, NULL, NULL);
	(void) pocket_write(&insert, NULL, NULL);
}

/*
 * What rows need and nothing in place yields: buckets that no row places, and all members of volumes, of another time than the rows', from
 * which a bucket that is lost can be decoded.
 */
static int64
revive(void)
{
	static PocketPlan find = {
		"SELECT CASE f.kind WHEN 'bucket' THEN f.id ELSE 0 END, d.drive_id, d.uuid::text, n.url,"
		" CASE f.kind WHEN 'bucket' THEN 0 ELSE f.id END, f.position FROM pocket_data.found f"
		" JOIN pocket_data.drive d ON d.drive_id = f.drive_id JOIN pocket_data.node n ON n.node_id = d.node_id"
		" LEFT JOIN pocket_data.bucket x ON f.kind = 'bucket' AND x.bucket_id = f.id WHERE f.trashed AND ((f.kind = "
		"'bucket'"
		" AND ((x.bucket_id IS NULL AND EXISTS (SELECT FROM pocket_data.block k WHERE k.bucket_id = f.id))"
		" OR ($1 AND coalesce(x.state = 'retired', true))))"
		" OR EXISTS (SELECT FROM pg_catalog.jsonb_to_recordset(f.members) AS m (bucket int8)"
		" WHERE m.bucket IN " LOST_BUCKETS ")) LIMIT " LITERAL(UNTRASH_MAX),
		"bool", NULL, NULL};
	Datum values[1] = {BoolGetDatum(pocket_believe_lacks_rows())};
	int count = (int) pocket_write(&find, values, NULL);
	PocketOrder *orders = palloc0(sizeof(PocketOrder) * Max(count, 1));
	Absent *absent = palloc0(sizeof(Absent) * Max(count, 1));
	int64 revived = 0;

	for (int i = 0; i < count; i++)
	{
		absent[i].bucket_id = pocket_column_int64(i, 1);
		absent[i].drive_id = pocket_column_int64(i, 2);
		absent[i].volume_id = pocket_column_int64(i, 5);
		absent[i].position = pocket_column_int32(i, 6);
		orders[i].node = pocket_column_text(i, 4);
		orders[i].verb = "untrash";
		orders[i].body = untrash_body(pocket_column_text(i, 3), &absent[i]);
	}
	pocket_free_rows();
	pocket_orders(orders, count);
	for (int i = 0; i < count; i++)
	{
		if (orders[i].error != PK_OK)
			continue;
		left_trash(&absent[i]);
		revived++;
	}
	pfree(orders);
	pfree(absent);
	return revived;
}

int64
pocket_believe(void)
{
	int64 back = 0;

	choose();
	write_drives();
	write_volumes();
	write_buckets();
	write_extents();
	judge_members();
	settle_slots();
	while (fetch_absent(&back))
		CHECK_FOR_INTERRUPTS();
	write_trash();
	forget_empty();
	forget_left();
	return back + revive();
}
