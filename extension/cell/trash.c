/*
 * trash.c
 *	  Duty trash: the inspector of what lies in the trash, which alone lets it go.
 *
 * An extent leaves when pocket.trash_retention has passed, no snapshot from before it was
 * trashed is left, and each of its records is proved to be garbage or elsewhere: nobody holds the
 * block, or a row of it points into a volume that lacks nothing.  That is written down as an intent, and
 * carried out by a later transaction.  Whatever cannot be read, proved or understood stays, and pocket.verify()
 * says so.
 */
#include "cell/cell.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/xid8.h"

#include "base/guc.h"
#include "base/spi.h"
#include "cell/inventory.h"

#define INSPECT_MAX 16 /* extents of a pass; each is read from end to end */
#define INSPECT_BY_HAND 1024
#define LITERAL_(n) #n
#define LITERAL(n) LITERAL_(n)

typedef struct Trashed
{
	int64 drive_id;
	int64 bucket_id; /* 0: a parity */
	int64 volume_id;
	int position;
	char *uuid;
	char *url;
	bool known; /* there was a problem before */
} Trashed;

/* --- what the orders have done --- */

void
pocket_trash_book(int64 intent_id, const char *answer)
{
	static PocketPlan insert = {
		"INSERT INTO pocket_data.trash (drive_id, bucket_id, volume_id, position, bytes, trashed_at, trashed_xid)"
		" SELECT i.drive_id, coalesce(i.bucket_id, 0), coalesce(i.volume_id, 0), coalesce(i.position, 0), $2,"
		" pg_catalog.clock_timestamp(), pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())"
		" FROM pocket_data.intent i WHERE i.intent_id = $1 AND $2 > 0 ON CONFLICT DO NOTHING",
		"int8 int8", NULL, NULL};
	static PocketPlan leave = {
		"DELETE FROM pocket_data.extent e USING pocket_data.intent i, pocket_data.volume v WHERE i.intent_id = $1"
		" AND i.generation IS NOT NULL AND v.volume_id = i.volume_id AND v.state = 'retired'"
		" AND e.volume_id = i.volume_id AND e.drive_id = i.drive_id"
		" AND CASE WHEN i.bucket_id IS NULL THEN e.position = i.position ELSE e.bucket_id = i.bucket_id END",
		"int8", NULL, NULL};
	Datum values[2] = {Int64GetDatum(intent_id), Int64GetDatum(pocket_answer_number(answer, "bytes"))};

	(void) pocket_write(&insert, values, NULL);
	(void) pocket_write(&leave, values, NULL);
}

void
pocket_trash_emptied(int64 intent_id, const char *answer)
{
	static PocketPlan forget = {"DELETE FROM pocket_data.trash t USING pocket_data.intent i WHERE i.intent_id = $1"
								" AND t.drive_id = i.drive_id AND t.bucket_id = coalesce(i.bucket_id, 0)"
								" AND t.volume_id = coalesce(i.volume_id, 0) AND t.position = coalesce(i.position, 0)",
								"int8", NULL, NULL};
	Datum values[1] = {Int64GetDatum(intent_id)};

	(void) pocket_write(&forget, values, NULL);
}

void
pocket_volumes_forget(void)
{
	static PocketPlan buckets = {
		"DELETE FROM pocket_data.bucket b USING pocket_data.volume v WHERE v.volume_id = b.volume_id"
		" AND v.state = 'retired' AND NOT EXISTS (SELECT FROM pocket_data.extent e WHERE e.volume_id = v.volume_id)"
		" AND NOT EXISTS (SELECT FROM pocket_data.trash t WHERE t.volume_id = v.volume_id)",
		"", NULL, NULL};
	static PocketPlan volumes = {"DELETE FROM pocket_data.volume v WHERE v.state = 'retired'"
								 " AND NOT EXISTS (SELECT FROM pocket_data.bucket b WHERE b.volume_id = v.volume_id)"
								 " AND NOT EXISTS (SELECT FROM pocket_data.extent e WHERE e.volume_id = v.volume_id)"
								 " AND NOT EXISTS (SELECT FROM pocket_data.trash t WHERE t.volume_id = v.volume_id)",
								 "", NULL, NULL};

	(void) pocket_write(&buckets, NULL, NULL);
	(void) pocket_write(&volumes, NULL, NULL);
}

/* --- inspection --- */

/* Of a page of records the first that somebody holds, and that no volume has that lacks nothing. */
static char *
inspect_page(const char *page)
{
	static PocketPlan find = {
		"SELECT pg_catalog.format('block %s at %s is held, and not safe elsewhere', pg_catalog.encode(records.hash, "
		"'hex'),"
		" records.\"offset\") FROM " POCKET_RECORDS(
			"$1") " WHERE EXISTS (SELECT FROM pocket_data.holder h"
				  " WHERE h.hash OPERATOR(pocket.=) records.hash::pocket.sha256 AND h.files > 0)"
				  " AND NOT EXISTS (SELECT FROM pocket_data.block k WHERE k.hash OPERATOR(pocket.=) "
				  "records.hash::pocket.sha256"
				  " AND " POCKET_BUCKET_WELL("k.bucket_id") ") UNION ALL SELECT pg_catalog.format('at %s: %s', "
															"damage.\"offset\", damage.problem)"
															" FROM " POCKET_RECORDS_DAMAGE("$1") " LIMIT 1",
		"text", NULL, NULL};
	Datum values[1] = {CStringGetTextDatum(page)};
	char *problem = NULL;

	if (pocket_write(&find, values, NULL) > 0)
		problem = pocket_column_text(0, 1);
	pocket_free_rows();
	return problem;
}

static char *
inspect_bucket(const Trashed *trashed)
{
	static PocketPlan named = {"SELECT FROM pocket_data.bucket b WHERE b.bucket_id = $1 AND $2 <> 0"
							   " AND (b.state <> 'retired' OR EXISTS (SELECT FROM pocket_data.block k"
							   " WHERE k.bucket_id = b.bucket_id))",
							   "int8 int8", NULL, NULL};
	Datum values[2] = {Int64GetDatum(trashed->bucket_id), Int64GetDatum(trashed->volume_id)};
	PocketInventory pages = {.url = trashed->url, .uuid = trashed->uuid};
	bool is_named = pocket_write(&named, values, NULL) > 0;

	pocket_free_rows();
	if (is_named)
		return pstrdup("block rows may point into it");
	while (pocket_inventory_records(&pages, trashed->bucket_id))
	{
		char *problem = inspect_page(pages.answer);

		CHECK_FOR_INTERRUPTS();
		pfree(pages.answer);
		if (problem != NULL)
			return problem;
	}
	return pages.error == PK_OK || pages.error == PK_ERR_NOT_FOUND ? NULL : pages.problem;
}

/* A parity is worth what it can decode: it goes after the buckets of its volume, or when another one has taken its place. */
static char *
inspect_parity(const Trashed *trashed)
{
	static PocketPlan find = {
		"SELECT CASE WHEN EXISTS (SELECT FROM pocket_data.volume v WHERE v.volume_id = $1 AND v.state <> 'retired')"
		" THEN " POCKET_VOLUME_WELL("$1") " ELSE NOT EXISTS (SELECT FROM pocket_data.bucket b JOIN pocket_data.block k"
										  " ON k.bucket_id = b.bucket_id WHERE b.volume_id = $1) END",
		"int8", NULL, NULL};
	Datum values[1] = {Int64GetDatum(trashed->volume_id)};
	bool passes;

	(void) pocket_write(&find, values, NULL);
	passes = pocket_column_bool(0, 1);
	pocket_free_rows();
	return passes ? NULL : pstrdup("its volume may need it");
}

static void
intend_empty(const Trashed *trashed)
{
	static PocketPlan intend = {"INSERT INTO pocket_data.intent (duty, drive_id, bucket_id, volume_id, position, at)"
								" VALUES ('empty', $1, nullif($2, 0), nullif($3, 0), $4, pg_catalog.clock_timestamp())",
								"int8 int8 int8 int4", NULL, NULL};
	Datum values[4] = {Int64GetDatum(trashed->drive_id), Int64GetDatum(trashed->bucket_id),
					   Int64GetDatum(trashed->volume_id), Int32GetDatum(trashed->position)};

	(void) pocket_write(&intend, values, NULL);
}

static void
note(const Trashed *trashed, const char *problem)
{
	static PocketPlan update = {"UPDATE pocket_data.trash SET problem = $5 WHERE drive_id = $1 AND bucket_id = $2"
								" AND volume_id = $3 AND position = $4 AND problem IS DISTINCT FROM $5",
								"int8 int8 int8 int4 text", NULL, NULL};
	Datum values[5] = {Int64GetDatum(trashed->drive_id), Int64GetDatum(trashed->bucket_id),
					   Int64GetDatum(trashed->volume_id), Int32GetDatum(trashed->position),
					   problem == NULL ? (Datum) 0 : CStringGetTextDatum(problem)};

	if (pocket_write(&update, values, problem == NULL ? "    n" : NULL) > 0 && problem != NULL)
		ereport(WARNING,
				(errmsg("an extent stays in the trash of drive " INT64_FORMAT ": %s", trashed->drive_id, problem)));
}

/* Buckets before the parities that could decode them. */
static Trashed *
find_due(int max, int *count)
{
	static PocketPlan find = {
		"SELECT t.drive_id, t.bucket_id, t.volume_id, t.position, d.uuid::text, n.url, t.problem IS NOT NULL"
		" FROM pocket_data.trash t JOIN pocket_data.drive d ON d.drive_id = t.drive_id"
		" JOIN pocket_data.node n ON n.node_id = d.node_id WHERE d.state IN ('ok', 'draining', 'drained')"
		" AND n.state = 'up'"
		" AND t.trashed_at <= pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => $1)"
		" AND t.trashed_xid <= $2 AND NOT EXISTS (SELECT FROM pocket_data.intent i WHERE i.duty = 'empty'"
		" AND i.drive_id = t.drive_id AND coalesce(i.bucket_id, 0) = t.bucket_id"
		" AND coalesce(i.volume_id, 0) = t.volume_id AND coalesce(i.position, 0) = t.position)"
		" AND (t.bucket_id <> 0 OR NOT EXISTS (SELECT FROM pocket_data.trash o WHERE o.volume_id = t.volume_id"
		" AND o.bucket_id <> 0)) ORDER BY t.problem IS NOT NULL, t.trashed_at LIMIT $3",
		"float8 xid8 int4", NULL, NULL};
	Datum values[3] = {Float8GetDatum((double) pocket_trash_retention_s), pocket_horizon(), Int32GetDatum(max)};
	Trashed *due;

	*count = (int) pocket_write(&find, values, NULL);
	due = palloc(sizeof(Trashed) * (Size) Max(*count, 1));
	for (int i = 0; i < *count; i++)
		due[i] = (Trashed){pocket_column_int64(i, 1), pocket_column_int64(i, 2), pocket_column_int64(i, 3),
						   pocket_column_int32(i, 4), pocket_column_text(i, 5),	 pocket_column_text(i, 6),
						   pocket_column_bool(i, 7)};
	pocket_free_rows();
	return due;
}

void
pocket_duty_trash(PocketPass *pass)
{
	int count;
	Trashed *due = find_due(pass->by_hand ? INSPECT_BY_HAND : INSPECT_MAX, &count);

	for (int i = 0; i < count; i++)
	{
		char *problem = due[i].bucket_id != 0 ? inspect_bucket(&due[i]) : inspect_parity(&due[i]);

		CHECK_FOR_INTERRUPTS();
		if (problem == NULL)
		{
			intend_empty(&due[i]);
			pass->done++;
		}
		else
			pass->remaining++;
		if (problem != NULL || due[i].known)
			note(&due[i], problem);
	}
	pocket_volumes_forget();
}
