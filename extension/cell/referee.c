/*
 * referee.c
 *	  Duty referee: the files of every drive against the rows, once a day.
 *
 * An extent whose file vanished without an order is damaged, and repair makes it
 * anew.  A file that no row names and no intent will drop is a stray: what a
 * rollback left behind, or what a drive brought back that others have replaced.
 * Strays take room and harm nobody; verify() tells them when they have been there
 * for a while, and after a day they go to the trash.  drive.listed_to and listed_at are the cursor.
 */
#include "cell/cell.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/spi.h"
#include "cell/finding.h"
#include "cell/inventory.h"

#define VERIFIER "referee"
#define SWEEP_HOURS 24
#define STRAY_GRACE_S 3600
#define STRAY_TRASHED_HOURS 24
#define PAGES_PER_PASS 16
#define LITERAL_(n) #n
#define LITERAL(n) LITERAL_(n)

#define DUE                                                                                               \
	" FROM pocket_data.drive d JOIN pocket_data.node n ON n.node_id = d.node_id"                          \
	" WHERE d.state IN ('ok', 'draining', 'quarantined') AND n.state = 'up' AND ($1 OR d.listed_to <> ''" \
	" OR d.listed_at IS NULL OR d.listed_at < pg_catalog.clock_timestamp()"                               \
	" - pg_catalog.make_interval(hours => " LITERAL(SWEEP_HOURS) "))"

typedef struct RefereeDrive
{
	int64 drive_id;
	char *uuid;
	char *url;
	char *after;
	TimestampTz asked; /* before the page was */
} RefereeDrive;

/* The rows of a drive, with their files. */
#define ROWS                                                                                \
	"(SELECT e.*, v.state AS volume_state, v.changed_at, pocket.extent_file(e.role,"        \
	" CASE e.role WHEN 'parity' THEN e.volume_id ELSE e.bucket_id END, e.position) AS file" \
	" FROM pocket_data.extent e JOIN pocket_data.volume v ON v.volume_id = e.volume_id"     \
	" WHERE e.drive_id = $2) AS held"

/*
 * What the page lacks, or has otherwise.  A bucket that was opened after the drive was asked it could not name.
 */
static void
find_vanished(const RefereeDrive *drive, const char *page, const char *last)
{
	static PocketPlan find = {
		"SELECT held.file, CASE WHEN listed.file IS NULL THEN 'it vanished without an order'"
		" WHEN listed.problem IS NOT NULL THEN listed.problem"
		" ELSE pg_catalog.format('it has %s bytes, not %s', listed.length, held.length) END FROM " ROWS
		" LEFT JOIN" POCKET_LISTED(
			"$1") " ON listed.file = held.file"
				  " WHERE held.state = 'ok' AND held.volume_state <> 'retired' AND held.changed_at < $5 AND held.file "
				  "> $3 COLLATE \"C\""
				  " AND ($4 = '' OR held.file <= $4 COLLATE \"C\") AND (listed.file IS NULL OR listed.problem IS NOT "
				  "NULL"
				  " OR (listed.sealed AND held.volume_state <> 'open' AND listed.length <> held.length))",
		"text int8 text text timestamptz", NULL, NULL};
	static PocketPlan damaged = {"SELECT damaged.file, damaged.problem FROM" POCKET_LISTED_DAMAGED(
									 "$1") " WHERE damaged.file IS NOT NULL AND damaged.problem IS NOT NULL",
								 "text", NULL, NULL};
	Datum values[5] = {CStringGetTextDatum(page), Int64GetDatum(drive->drive_id), CStringGetTextDatum(drive->after),
					   CStringGetTextDatum(last), TimestampTzGetDatum(drive->asked)};

	for (int which = 0; which < 2; which++)
	{
		uint64 count = pocket_write(which == 0 ? &damaged : &find, values, NULL);
		SPITupleTable *rows = SPI_tuptable;

		for (uint64 i = 0; i < count; i++)
		{
			char *file = SPI_getvalue(rows->vals[i], rows->tupdesc, 1);
			PocketFinding finding = {.verifier = VERIFIER,
									 .object = pocket_extent_name(file, drive->drive_id),
									 .problem = SPI_getvalue(rows->vals[i], rows->tupdesc, 2),
									 .drive_id = drive->drive_id,
									 .file = file,
									 .detail = "{\"kind\": \"vanished\"}"};

			if (pocket_extent_damaged(drive->drive_id, file, finding.problem))
				(void) pocket_finding_note(&finding);
		}
		SPI_freetuptable(rows);
	}
}

/* Findings of strays and of the trash behind `after`, up to and with `last` ("": to the end). */
#define STRAYS_THERE                                                                         \
	" WHERE verifier = '" VERIFIER "' AND detail ->> 'kind' <> 'vanished' AND drive_id = $1" \
	" AND file > $2 COLLATE \"C\" AND ($3 = '' OR file <= $3 COLLATE \"C\")"

static void
doubt_strays(const RefereeDrive *drive, const char *last)
{
	static PocketPlan doubt = {"UPDATE pocket_data.finding SET fresh = false" STRAYS_THERE, "int8 text text", NULL,
							   NULL};
	Datum values[3] = {Int64GetDatum(drive->drive_id), CStringGetTextDatum(drive->after), CStringGetTextDatum(last)};

	(void) pocket_write(&doubt, values, NULL);
}

static void
clear_strays(const RefereeDrive *drive, const char *last)
{
	static PocketPlan clear = {"DELETE FROM pocket_data.finding" STRAYS_THERE " AND NOT fresh", "int8 text text", NULL,
							   NULL};
	Datum values[3] = {Int64GetDatum(drive->drive_id), CStringGetTextDatum(drive->after), CStringGetTextDatum(last)};

	(void) pocket_write(&clear, values, NULL);
}

/* What the trash of the drive has and no row tells, or the other way round. */
static void
find_in_trash(const RefereeDrive *drive, const char *page, const char *last)
{
	static PocketPlan find = {
		"SELECT coalesce(listed.file, t.file), CASE WHEN t.file IS NULL THEN 'it lies in the trash, and no row tells "
		"it'"
		" ELSE 'it vanished out of the trash' END FROM (SELECT x.*, 'trash/' || pg_catalog.split_part("
		"pocket.extent_file(CASE x.bucket_id WHEN 0 THEN 'parity' ELSE 'data' END,"
		" CASE x.bucket_id WHEN 0 THEN x.volume_id ELSE x.bucket_id END, x.position), '/', 3) AS file"
		" FROM pocket_data.trash x WHERE x.drive_id = $2 AND x.trashed_at < $5) t"
		" FULL JOIN (SELECT * FROM" POCKET_LISTED(
			"$1") " WHERE listed.file LIKE 'trash/%') listed"
				  " ON listed.file = t.file WHERE (t.file IS NULL OR listed.file IS NULL)"
				  " AND coalesce(listed.file, t.file) > $3 COLLATE \"C\" AND ($4 = '' OR coalesce(listed.file, t.file) "
				  "<= $4 "
				  "COLLATE \"C\")"
				  " AND NOT EXISTS (SELECT FROM pocket_data.intent i WHERE i.duty IN ('trash', 'empty') AND i.drive_id "
				  "= $2"
				  " AND i.bucket_id IS NOT DISTINCT FROM NULLIF(CASE WHEN t.file IS NOT NULL THEN t.bucket_id"
				  " WHEN listed.kind = 'bucket' THEN listed.id END, 0))",
		"text int8 text text timestamptz", NULL, NULL};
	Datum values[5] = {CStringGetTextDatum(page), Int64GetDatum(drive->drive_id), CStringGetTextDatum(drive->after),
					   CStringGetTextDatum(last), TimestampTzGetDatum(drive->asked)};
	uint64 count = pocket_write(&find, values, NULL);
	SPITupleTable *rows = SPI_tuptable;

	for (uint64 i = 0; i < count; i++)
	{
		char *file = SPI_getvalue(rows->vals[i], rows->tupdesc, 1);
		PocketFinding finding = {.verifier = VERIFIER,
								 .object = pocket_extent_name(file, drive->drive_id),
								 .problem = SPI_getvalue(rows->vals[i], rows->tupdesc, 2),
								 .drive_id = drive->drive_id,
								 .file = file,
								 .detail = "{\"kind\": \"trash\"}",
								 .grace_s = STRAY_GRACE_S};

		(void) pocket_finding_note(&finding);
	}
	SPI_freetuptable(rows);
}

/*
 * A stray that has been there for a day goes to the trash, where it waits and is inspected like all others.  Where its bucket or volume is
 * known, it is stale, and the node looks whether it is; else it goes as what it says that it is.  What its node would still append to
 * stays until that was started anew.
 */
static void
trash_stray(const char *object)
{
	static PocketPlan intend = {
		"INSERT INTO pocket_data.intent (duty, drive_id, bucket_id, volume_id, position, generation, at)"
		" SELECT 'trash', f.drive_id, x.bucket_id, x.volume_id, x.position, x.generation, pg_catalog.clock_timestamp()"
		" FROM pocket_data.finding f CROSS JOIN LATERAL pg_catalog.jsonb_to_record(f.detail)"
		" AS x (open bool, bucket_id int8, volume_id int8, position int4, generation int4)"
		" WHERE f.verifier = '" VERIFIER "' AND f.object = $1 AND NOT x.open"
		" AND f.found_at < pg_catalog.clock_timestamp() - pg_catalog.make_interval(hours => " LITERAL(
			STRAY_TRASHED_HOURS) ")",
		"text", NULL, NULL};
	Datum values[1] = {CStringGetTextDatum(object)};

	(void) pocket_write(&intend, values, NULL);
}

static void
find_strays(const RefereeDrive *drive, const char *page)
{
	static PocketPlan find = {
		"SELECT listed.file, CASE WHEN b.bucket_id IS NOT NULL THEN pg_catalog.format('no row names it here: its "
		"bucket is "
		"in volume %s, on other drives', b.volume_id) ELSE 'no row names it, nor its bucket or volume' END,"
		" pg_catalog.jsonb_build_object('kind', 'stray', 'open', listed.open, 'bucket_id', CASE listed.kind WHEN "
		"'bucket' THEN listed.id "
		"END,"
		" 'position', CASE listed.kind WHEN 'parity' THEN listed.position END,"
		" 'volume_id', CASE WHEN s.says THEN listed.volume WHEN listed.kind = 'parity' THEN listed.id END,"
		" 'generation', CASE WHEN s.says THEN listed.generation END)::text FROM" POCKET_LISTED(
			"$1") " LEFT JOIN pocket_data.bucket b ON listed.kind = 'bucket' AND b.bucket_id = listed.id"
				  " CROSS JOIN LATERAL (SELECT listed.volume > 0 AND b.bucket_id IS NULL AND NOT EXISTS (SELECT FROM"
				  " pocket_data.volume v WHERE v.volume_id = listed.volume) AS says) s"
				  " WHERE listed.problem IS NULL AND listed.file LIKE 'extents/%'"
				  " AND NOT EXISTS (SELECT FROM " ROWS " WHERE held.file = listed.file)"
				  " AND NOT EXISTS (SELECT FROM pocket_data.intent i WHERE i.duty IN ('drop', 'trash') AND i.drive_id "
				  "= $2"
				  " AND CASE listed.kind WHEN 'bucket' THEN i.bucket_id = listed.id"
				  " ELSE i.bucket_id IS NULL AND i.volume_id = listed.id AND i.position = listed.position END)",
		"text int8", NULL, NULL};
	Datum values[2] = {CStringGetTextDatum(page), Int64GetDatum(drive->drive_id)};
	uint64 count = pocket_write(&find, values, NULL);
	SPITupleTable *rows;

	if (count == 0)
		return;
	/* a bucket that is being opened has its rows when nobody has this lock any more */
	pocket_lock_open();
	count = pocket_write(&find, values, NULL);
	rows = SPI_tuptable;
	for (uint64 i = 0; i < count; i++)
	{
		char *file = SPI_getvalue(rows->vals[i], rows->tupdesc, 1);
		PocketFinding finding = {.verifier = VERIFIER,
								 .object = pocket_extent_name(file, drive->drive_id),
								 .problem = SPI_getvalue(rows->vals[i], rows->tupdesc, 2),
								 .drive_id = drive->drive_id,
								 .file = file,
								 .detail = SPI_getvalue(rows->vals[i], rows->tupdesc, 3),
								 .grace_s = STRAY_GRACE_S};

		if (!pocket_finding_note(&finding))
			trash_stray(finding.object);
	}
	SPI_freetuptable(rows);
}

static void
book(const RefereeDrive *drive, bool ended)
{
	static PocketPlan update = {
		"UPDATE pocket_data.drive SET listed_to = CASE WHEN $3 THEN '' ELSE $2 END,"
		" listed_at = CASE WHEN $3 THEN pg_catalog.clock_timestamp() ELSE listed_at END WHERE drive_id = $1",
		"int8 text bool", NULL, NULL};
	Datum values[3] = {Int64GetDatum(drive->drive_id), CStringGetTextDatum(drive->after), BoolGetDatum(ended)};

	(void) pocket_write(&update, values, NULL);
}

/* Returns whether the drive was compared to its end. */
static bool
referee_drive(RefereeDrive *drive, int *pages_left)
{
	PocketInventory pages = {.url = drive->url, .uuid = drive->uuid, .after = drive->after};

	while (*pages_left > 0)
	{
		const char *last;

		CHECK_FOR_INTERRUPTS();
		drive->asked = GetCurrentTimestamp();
		if (!pocket_inventory_extents(&pages))
			break;
		last = pages.ended ? "" : pages.after;
		doubt_strays(drive, last);
		find_vanished(drive, pages.answer, last);
		find_strays(drive, pages.answer);
		find_in_trash(drive, pages.answer, last);
		clear_strays(drive, last);
		pfree(pages.answer);
		drive->after = pages.after;
		book(drive, pages.ended);
		(*pages_left)--;
		if (pages.ended)
			return true;
	}
	if (pages.error != PK_OK)
		ereport(WARNING,
				(errmsg("drive " INT64_FORMAT " does not list its extents: %s", drive->drive_id, pages.problem)));
	return false;
}

/* What has been made anew since, and what was said of drives that are gone as a whole. */
static void
forget_healed(void)
{
	static PocketPlan forget = {
		"DELETE FROM pocket_data.finding f WHERE f.verifier = '" VERIFIER "' AND (NOT EXISTS (SELECT FROM"
		" pocket_data.drive d WHERE d.drive_id = f.drive_id AND d.state <> 'failed')"
		" OR (f.detail ->> 'kind' = 'vanished' AND NOT EXISTS (SELECT FROM pocket_data.extent e"
		" WHERE e.drive_id = f.drive_id AND e.state <> 'ok' AND pocket.extent_file(e.role,"
		" CASE e.role WHEN 'parity' THEN e.volume_id ELSE e.bucket_id END, e.position) = f.file)))",
		"", NULL, NULL};

	(void) pocket_write(&forget, NULL, NULL);
}

void
pocket_duty_referee(PocketPass *pass)
{
	static PocketPlan find = {"SELECT d.drive_id, d.uuid::text, n.url, CASE WHEN $1 THEN '' ELSE d.listed_to END" DUE
							  " ORDER BY d.listed_to = '', d.listed_at NULLS FIRST",
							  "bool", NULL, NULL};
	Datum values[1] = {BoolGetDatum(pass->by_hand)};
	int pages_left = pass->by_hand ? PG_INT32_MAX : PAGES_PER_PASS;
	int count;
	RefereeDrive *drives;

	forget_healed();
	count = (int) pocket_write(&find, values, NULL);
	drives = palloc(sizeof(RefereeDrive) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		drives[i].drive_id = pocket_column_int64(i, 1);
		drives[i].uuid = pocket_column_text(i, 2);
		drives[i].url = pocket_column_text(i, 3);
		drives[i].after = pocket_column_text(i, 4);
	}
	pocket_free_rows();
	for (int i = 0; i < count && pages_left > 0; i++)
	{
		if (referee_drive(&drives[i], &pages_left))
			pass->done++;
	}
	pass->remaining = count - pass->done;
}
