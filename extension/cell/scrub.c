/*
 * scrub.c
 *	  Duty scrub: every extent is held against its checksums within SWEEP days.
 *
 * The rows are the cursor: a drive's extents are taken in the order of their
 * files, from the first that is due.  What is found becomes state 'damaged'.
 */
#include "cell/cell.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"

#include "base/guc.h"
#include "base/spi.h"
#include "blocks/blocks.h"

#define SWEEP_DAYS 7
#define BUDGET_BY_HAND (INT64CONST(4) << 30) /* of one order */
#define BUDGET_MIN (INT64CONST(1) << 20)

typedef struct ScrubExtent
{
	int64 volume_id;
	int position;
	bool due;
	char file[PK_EXTENT_FILE];
} ScrubExtent;

typedef struct ScrubDrive
{
	int64 drive_id;
	char *uuid;
	char *url;
	int count;
	ScrubExtent *extents; /* by file */
} ScrubDrive;

static int
file_order(const void *a, const void *b)
{
	return strcmp(((const ScrubExtent *) a)->file, ((const ScrubExtent *) b)->file);
}

static void
load_extents(ScrubDrive *drive, bool all)
{
	static PocketPlan load = {"SELECT e.volume_id, e.position, e.role = 'parity', coalesce(e.bucket_id, 0),"
							  " $2 OR e.scrubbed_at IS NULL OR e.scrubbed_at < pg_catalog.clock_timestamp() - "
							  "pg_catalog.make_interval(days => $3)"
							  " FROM pocket_data.extent e JOIN pocket_data.volume v ON v.volume_id = e.volume_id"
							  " WHERE e.drive_id = $1 AND v.state <> 'open'",
							  "int8 bool int4", NULL, NULL};
	Datum values[3] = {Int64GetDatum(drive->drive_id), BoolGetDatum(all), Int32GetDatum(SWEEP_DAYS)};

	drive->count = (int) pocket_write(&load, values, NULL);
	drive->extents = palloc(sizeof(ScrubExtent) * Max(drive->count, 1));
	for (int i = 0; i < drive->count; i++)
	{
		ScrubExtent *extent = &drive->extents[i];

		extent->volume_id = pocket_column_int64(i, 1);
		extent->position = pocket_column_int32(i, 2);
		extent->due = pocket_column_bool(i, 5);
		if (pocket_column_bool(i, 3))
			pk_extent_file(extent->file, PK_EXTENT_PARITY, (uint64) extent->volume_id, extent->position);
		else
			pk_extent_file(extent->file, PK_EXTENT_BUCKET, (uint64) pocket_column_int64(i, 4), 0);
	}
	pocket_free_rows();
	qsort(drive->extents, drive->count, sizeof(ScrubExtent), file_order);
}

static char *
scrub_json(const ScrubDrive *drive, const char *after, int64 budget)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfo(&json, "{\"drive\": \"%s\", \"after\": ", drive->uuid);
	escape_json(&json, after);
	appendStringInfo(&json, ", \"budget\": " INT64_FORMAT "}", budget);
	return json.data;
}

static void
book_problems(const ScrubDrive *drive, const char *answer)
{
	static PocketPlan find = {
		"SELECT p.file, coalesce(p.problem, 'damaged')"
		" FROM pg_catalog.jsonb_to_recordset($1::jsonb -> 'problems') AS p (file text, problem text)"
		" WHERE p.file IS NOT NULL",
		"text", NULL, NULL};
	Datum values[1] = {CStringGetTextDatum(answer)};
	uint64 count = pocket_write(&find, values, NULL);
	SPITupleTable *rows = SPI_tuptable;

	for (uint64 row = 0; row < count; row++)
		(void) pocket_extent_damaged(drive->drive_id, SPI_getvalue(rows->vals[row], rows->tupdesc, 1),
									 SPI_getvalue(rows->vals[row], rows->tupdesc, 2));
	SPI_freetuptable(rows);
}

static char *
next_file(const char *answer)
{
	static PocketPlan extract = {"SELECT coalesce($1::jsonb ->> 'next', '')", "text", NULL, NULL};
	Datum values[1] = {CStringGetTextDatum(answer)};
	char *next;

	(void) pocket_write(&extract, values, NULL);
	next = pocket_column_text(0, 1);
	pocket_free_rows();
	return next;
}

/* Those behind `after`, up to and with `next` ("": to the end), have been read. */
static int
book_scrubbed(ScrubDrive *drive, const char *after, const char *next)
{
	static PocketPlan update = {"UPDATE pocket_data.extent SET scrubbed_at = pg_catalog.clock_timestamp()"
								" WHERE volume_id = $1 AND position = $2",
								"int8 int4", NULL, NULL};
	int booked = 0;

	for (int i = 0; i < drive->count; i++)
	{
		ScrubExtent *extent = &drive->extents[i];
		Datum values[2] = {Int64GetDatum(extent->volume_id), Int32GetDatum(extent->position)};

		if (strcmp(extent->file, after) <= 0 || (next[0] != '\0' && strcmp(extent->file, next) > 0))
			continue;
		(void) pocket_write(&update, values, NULL);
		booked += extent->due ? 1 : 0;
		extent->due = false;
	}
	return booked;
}

/* Returns the bytes read; -1 when the node could not. */
static int64
scrub_some(ScrubDrive *drive, int64 budget, PocketPass *pass)
{
	int first = 0;
	const char *after;
	PocketOrder order = {.node = drive->url, .verb = "scrub"};

	while (first < drive->count && !drive->extents[first].due)
		first++;
	if (first == drive->count)
		return 0;
	after = first == 0 ? "" : drive->extents[first - 1].file;
	order.body = scrub_json(drive, after, budget);
	pocket_orders(&order, 1);
	if (order.error != PK_OK)
	{
		ereport(WARNING, (errmsg("drive " INT64_FORMAT " could not be scrubbed: %s", drive->drive_id, order.problem)));
		return -1;
	}
	book_problems(drive, order.answer);
	pass->done += book_scrubbed(drive, after, next_file(order.answer));
	return Max(pocket_answer_number(order.answer, "bytes"), 1);
}

static void
scrub_drive(ScrubDrive *drive, int64 *budget, PocketPass *pass)
{
	load_extents(drive, pass->by_hand);
	for (int64 bytes = 1; bytes > 0 && *budget > 0;)
	{
		int64 done_before = pass->done;

		CHECK_FOR_INTERRUPTS();
		bytes = scrub_some(drive, pass->by_hand ? BUDGET_BY_HAND : *budget, pass);
		if (!pass->by_hand)
			*budget -= Max(bytes, 0);
		if (pass->done == done_before)
			break;
	}
	for (int i = 0; i < drive->count; i++)
		pass->remaining += drive->extents[i].due ? 1 : 0;
}

void
pocket_duty_scrub(PocketPass *pass)
{
	static PocketPlan find = {
		"SELECT d.drive_id, d.uuid::text, n.url FROM pocket_data.drive d"
		" JOIN pocket_data.node n ON n.node_id = d.node_id WHERE d.state NOT IN ('silent', 'failed') AND n.state = 'up'"
		" ORDER BY pg_catalog.random()",
		"", NULL, NULL};
	int count = (int) pocket_write(&find, NULL, NULL);
	ScrubDrive *drives = palloc0(sizeof(ScrubDrive) * Max(count, 1));
	int64 budget = PG_INT64_MAX;

	if (!pass->by_hand && pocket_scrub_rate_kb > 0)
		budget = Max((int64) pocket_scrub_rate_kb * 1024 * pocket_coordinator_interval_ms / 1000, BUDGET_MIN);
	for (int i = 0; i < count; i++)
	{
		drives[i].drive_id = pocket_column_int64(i, 1);
		drives[i].uuid = pocket_column_text(i, 2);
		drives[i].url = pocket_column_text(i, 3);
	}
	pocket_free_rows();
	for (int i = 0; i < count; i++)
		scrub_drive(&drives[i], &budget, pass);
}
