/*
 * index.c
 *	  Duty index: every block row against what the drives say, within SWEEP days.
 *
 * Each extent of a sealed bucket is asked for the headers of its records, page by
 * page; indexed_to and indexed_at of its row are the cursor.  A row that has no
 * such record there becomes a finding, and the extent is given to the scrubber:
 * its checksums tell whether the drive is wrong, and repair heals it then, or the
 * row.  A place with a finding is looked at again when it has been scrubbed or made
 * anew.  Holders are counted in count.c.
 */
#include "cell/cell.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/spi.h"
#include "cell/count.h"
#include "cell/finding.h"
#include "cell/inventory.h"

#define VERIFIER "index"
#define SWEEP_DAYS 7
#define RECORDS_PER_PASS 20000
#define EXTENTS_PER_PASS 64
#define LITERAL_(n) #n
#define LITERAL(n) LITERAL_(n)

typedef struct IndexExtent
{
	int64 volume_id;
	int position;
	int64 drive_id;
	int64 bucket_id;
	int64 began_at; /* offset */
	char *uuid;
	char *url;
	char file[PK_EXTENT_FILE];
} IndexExtent;

#define DUE                                                                                                  \
	" FROM pocket_data.extent e JOIN pocket_data.volume v ON v.volume_id = e.volume_id"                      \
	" JOIN pocket_data.drive d ON d.drive_id = e.drive_id JOIN pocket_data.node n ON n.node_id = d.node_id"  \
	" WHERE v.state IN ('sealed', 'coded') AND e.role <> 'parity' AND e.state = 'ok' AND d.state IN ('ok', " \
	"'draining') AND "                                                                                       \
	"n.state = 'up'"                                                                                         \
	" AND ($1 OR e.indexed_at IS NULL"                                                                       \
	" OR e.indexed_at < pg_catalog.clock_timestamp() - pg_catalog.make_interval(days => " LITERAL(           \
		SWEEP_DAYS) ")"                                                                                      \
					" OR (e.indexed_at < e.scrubbed_at AND EXISTS (SELECT FROM pocket_data.finding f"        \
					" WHERE f.verifier = '" VERIFIER "' AND f.drive_id = e.drive_id"                         \
					" AND f.file = pocket.extent_file(e.role, e.bucket_id, 0))))"

static IndexExtent *
find_due(bool by_hand, int *count)
{
	static PocketPlan some = {"SELECT e.volume_id, e.position, e.drive_id, e.bucket_id, e.indexed_to, d.uuid::text, "
							  "n.url" DUE " ORDER BY e.indexed_to = 0, e.indexed_at NULLS FIRST"
							  " LIMIT CASE WHEN $1 THEN NULL ELSE " LITERAL(EXTENTS_PER_PASS) " END",
							  "bool", NULL, NULL};
	Datum values[1] = {BoolGetDatum(by_hand)};
	IndexExtent *extents;

	*count = (int) pocket_write(&some, values, NULL);
	extents = palloc0(sizeof(IndexExtent) * Max(*count, 1));
	for (int i = 0; i < *count; i++)
	{
		IndexExtent *extent = &extents[i];

		extent->volume_id = pocket_column_int64(i, 1);
		extent->position = pocket_column_int32(i, 2);
		extent->drive_id = pocket_column_int64(i, 3);
		extent->bucket_id = pocket_column_int64(i, 4);
		extent->began_at = by_hand ? 0 : pocket_column_int64(i, 5);
		extent->uuid = pocket_column_text(i, 6);
		extent->url = pocket_column_text(i, 7);
		pk_extent_file(extent->file, PK_EXTENT_BUCKET, (uint64) extent->bucket_id, 0);
	}
	pocket_free_rows();
	return extents;
}

/* The rows from from to to, -1: to the end, that the page does not have; NULL: it has them all. *rows: how many there are. */
static char *
compare(const IndexExtent *extent, const char *page, int64 from, int64 to, int64 *rows)
{
	static PocketPlan differ = {
		"SELECT pg_catalog.count(*), pg_catalog.format('%s block rows are not what the drive has; the first, at offset "
		"%s:"
		" %s', pg_catalog.count(*) FILTER (WHERE x.problem IS NOT NULL),"
		" pg_catalog.min(x.\"offset\") FILTER (WHERE x.problem IS NOT NULL),"
		" (pg_catalog.array_agg(x.problem ORDER BY x.\"offset\") FILTER (WHERE x.problem IS NOT NULL))[1]),"
		" pg_catalog.count(x.problem) FROM (SELECT k.\"offset\","
		" CASE WHEN records.\"offset\" IS NULL THEN 'there is no record'"
		" WHEN records.hash <> k.hash::bytea THEN 'there is another block'"
		" WHEN records.stored_length <> k.stored_length OR records.length <> k.length THEN 'it has another length'"
		" WHEN records.crc32c <> k.crc32c THEN 'it has another checksum' END AS problem"
		" FROM pocket_data.block k LEFT JOIN" POCKET_RECORDS(
			"$1") " ON records.\"offset\" = k.\"offset\""
				  " WHERE k.bucket_id = $2 AND k.\"offset\" >= $3 AND ($4 < 0 OR k.\"offset\" < $4)) x",
		"text int8 int8 int8", NULL, NULL};
	Datum values[4] = {CStringGetTextDatum(page), Int64GetDatum(extent->bucket_id), Int64GetDatum(from),
					   Int64GetDatum(to)};
	char *problem;

	(void) pocket_write(&differ, values, NULL);
	*rows = pocket_column_int64(0, 1);
	problem = pocket_column_int64(0, 3) > 0 ? pocket_column_text(0, 2) : NULL;
	pocket_free_rows();
	return problem;
}

static void
note(const IndexExtent *extent, const char *problem)
{
	PocketFinding finding = {.verifier = VERIFIER,
							 .object = pocket_extent_name(extent->file, extent->drive_id),
							 .problem = problem,
							 .drive_id = extent->drive_id,
							 .file = extent->file};

	/* once: when its checksums are right, it is the row that is wrong */
	if (pocket_finding_note(&finding))
		pocket_extent_suspect(extent->drive_id, extent->bucket_id);
}

/* ended: the round over this extent is complete. */
static void
book(const IndexExtent *extent, int64 offset, bool ended)
{
	static PocketPlan update = {"UPDATE pocket_data.extent SET indexed_to = CASE WHEN $4 THEN 0 ELSE $3 END,"
								" indexed_at = CASE WHEN $4 THEN pg_catalog.clock_timestamp() ELSE indexed_at END"
								" WHERE volume_id = $1 AND position = $2",
								"int8 int4 int8 bool", NULL, NULL};
	Datum values[4] = {Int64GetDatum(extent->volume_id), Int32GetDatum(extent->position), Int64GetDatum(offset),
					   BoolGetDatum(ended)};

	(void) pocket_write(&update, values, NULL);
}

/* Returns whether the extent was compared to its end. */
static bool
index_extent(const IndexExtent *extent, int64 *budget)
{
	char *object = pocket_extent_name(extent->file, extent->drive_id);
	PocketInventory pages = {.url = extent->url, .uuid = extent->uuid, .offset = extent->began_at};
	int64 from = extent->began_at;

	if (from == 0)
		pocket_finding_doubt(VERIFIER, object);
	while (*budget > 0 && pocket_inventory_records(&pages, extent->bucket_id))
	{
		int64 rows;
		char *problem = compare(extent, pages.answer, from, pages.ended ? -1 : pages.offset, &rows);

		CHECK_FOR_INTERRUPTS();
		if (problem != NULL)
			note(extent, problem);
		*budget -= Max(rows, 1);
		from = pages.offset;
		pfree(pages.answer);
	}
	if (pages.error == PK_ERR_NOT_FOUND)
		(void) pocket_extent_damaged(extent->drive_id, extent->file, "its drive does not have it");
	else if (pages.error != PK_OK)
		ereport(WARNING, (errmsg("the records of %s could not be read: %s", object, pages.problem)));
	if (pages.error != PK_OK)
		return false;
	book(extent, from, pages.ended);
	if (pages.ended)
		pocket_finding_clear(VERIFIER, object);
	return pages.ended;
}

/* Rows of buckets that are not there: from one bucket of the index to the next, so that it costs as many steps as there are buckets. */
static void
find_homeless(void)
{
	static PocketPlan find = {
		"WITH RECURSIVE b (id) AS ((SELECT k.bucket_id FROM pocket_data.block k ORDER BY k.bucket_id LIMIT 1)"
		" UNION ALL SELECT (SELECT k.bucket_id FROM pocket_data.block k WHERE k.bucket_id > b.id"
		" ORDER BY k.bucket_id LIMIT 1) FROM b WHERE b.id IS NOT NULL)"
		" SELECT b.id FROM b WHERE b.id IS NOT NULL AND NOT EXISTS (SELECT FROM pocket_data.bucket x"
		" WHERE x.bucket_id = b.id) LIMIT 1000",
		"", NULL, NULL};
	static PocketPlan doubt = {"UPDATE pocket_data.finding SET fresh = false WHERE verifier = '" VERIFIER
							   "' AND object LIKE 'bucket %'",
							   "", NULL, NULL};
	static PocketPlan clear = {"DELETE FROM pocket_data.finding WHERE NOT fresh AND verifier = '" VERIFIER
							   "' AND object LIKE 'bucket %'",
							   "", NULL, NULL};
	int count;
	int64 *ids;

	(void) pocket_write(&doubt, NULL, NULL);
	count = (int) pocket_write(&find, NULL, NULL);
	ids = palloc(sizeof(int64) * Max(count, 1));
	for (int i = 0; i < count; i++)
		ids[i] = pocket_column_int64(i, 1);
	pocket_free_rows();
	for (int i = 0; i < count; i++)
	{
		PocketFinding finding = {.verifier = VERIFIER,
								 .object = psprintf("bucket " INT64_FORMAT, ids[i]),
								 .problem = "block rows name it, and there is no such bucket"};

		(void) pocket_finding_note(&finding);
	}
	(void) pocket_write(&clear, NULL, NULL);
}

void
pocket_duty_index(PocketPass *pass)
{
	static PocketPlan left = {"SELECT pg_catalog.count(*)" DUE, "bool", NULL, NULL};
	Datum values[1] = {BoolGetDatum(false)};
	int64 budget = pass->by_hand ? PG_INT64_MAX : RECORDS_PER_PASS;
	int count;
	IndexExtent *extents = find_due(pass->by_hand, &count);

	pocket_findings_forget(VERIFIER);
	for (int i = 0; i < count && budget > 0; i++)
	{
		if (index_extent(&extents[i], &budget))
			pass->done++;
	}
	if (count > 0 || pass->by_hand)
		find_homeless();
	(void) pocket_write(&left, values, NULL);
	pass->remaining = pocket_column_int64(0, 1);
	pocket_free_rows();
	pocket_count_namespaces(pass);
}
