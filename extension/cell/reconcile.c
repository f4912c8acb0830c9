/*
 * reconcile.c
 *	  pocket.reconcile() and duty reconcile: rows of placement, and of blocks that
 *	  are lost, from what the drives hold.
 *
 * After a promotion, a recovery to a moment, an adoption, or the loss of tables, rows
 * tell of another time than drives do.  The drives are read (survey.c), rows are
 * written where drives know better (believe.c), and block rows are made anew for
 * blocks that somebody holds and no row places.  The duty does that pass by pass when
 * the epoch's incarnation or timeline is another than the one it was last done for;
 * until it has ended, nothing that destroys bytes runs.
 */
#include "cell/cell.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/spi.h"
#include "cell/believe.h"
#include "cell/inventory.h"
#include "cell/survey.h"
#include "placement/placement.h"

#define PAGES_PER_PASS 64
#define RECORD_PAGES_PER_PASS 200
#define TOLD_MAX 10000 /* rows that reconcile() returns of one kind */
#define LITERAL_(n) #n
#define LITERAL(n) LITERAL_(n)

PG_FUNCTION_INFO_V1(pocket_reconcile);

static Datum
epoch_text(void)
{
	PocketCell cell;

	pocket_cell_identity(&cell);
	return CStringGetTextDatum(psprintf("%u/%u", cell.epoch.incarnation, cell.epoch.timeline));
}

bool
pocket_cell_reconciled(void)
{
	static PocketPlan find = {"SELECT reconciled = $1 FROM pocket_data.cell", "text", NULL, NULL};
	Datum values[1] = {epoch_text()};
	bool reconciled;

	(void) pocket_write(&find, values, NULL);
	reconciled = pocket_column_bool(0, 1);
	pocket_free_rows();
	return reconciled;
}

/* --- block rows --- */

/* Of found only one extent of each bucket stays, from which its records are read: what remains to be done. */
static void
keep_one_of_each(void)
{
	static PocketPlan others = {
		"DELETE FROM pocket_data.found f WHERE NOT EXISTS (SELECT FROM pocket_data.extent e"
		" WHERE e.bucket_id = f.id AND e.drive_id = f.drive_id AND e.role <> 'parity' AND e.state = 'ok')"
		" OR f.kind <> 'bucket' OR f.trashed OR NOT f.sealed OR f.problem IS NOT NULL"
		" OR EXISTS (SELECT FROM pocket_data.found g JOIN pocket_data.extent e ON e.bucket_id = g.id"
		" AND e.drive_id = g.drive_id AND e.role <> 'parity' AND e.state = 'ok' WHERE g.kind = 'bucket' AND g.id = f.id"
		" AND g.sealed AND NOT g.trashed AND g.problem IS NULL AND g.drive_id < f.drive_id)",
		"", NULL, NULL};

	(void) pocket_write(&others, NULL, NULL);
}

/* Returns how many pages were read. */
static int64
restore_bucket(PocketInventory *pages, int64 bucket_id)
{
	static PocketPlan insert = {
		"INSERT INTO pocket_data.block (hash, bucket_id, \"offset\", stored_length, length, crc32c, created_at)"
		" SELECT records.hash::pocket.sha256, $2, records.\"offset\", records.stored_length, records.length,"
		" records.crc32c, pg_catalog.clock_timestamp() FROM " POCKET_RECORDS(
			"$1") " WHERE EXISTS (SELECT FROM pocket_data.holder h WHERE h.hash OPERATOR(pocket.=)"
				  " records.hash::pocket.sha256 AND h.files > 0) AND NOT EXISTS (SELECT FROM pocket_data.block k"
				  " WHERE k.hash OPERATOR(pocket.=) records.hash::pocket.sha256) ON CONFLICT DO NOTHING",
		"text int8", NULL, NULL};
	static PocketPlan recount = {"UPDATE pocket_data.bucket SET live = NULL WHERE bucket_id = $1", "int8", NULL, NULL};
	Datum values[2] = {(Datum) 0, Int64GetDatum(bucket_id)};
	uint64 inserted = 0;
	int64 read = 0;

	while (pocket_inventory_records(pages, bucket_id))
	{
		CHECK_FOR_INTERRUPTS();
		values[0] = CStringGetTextDatum(pages->answer);
		inserted += pocket_write(&insert, values, NULL);
		pfree(pages->answer);
		read++;
	}
	if (inserted > 0)
		(void) pocket_write(&recount, &values[1], NULL);
	if (pages->error != PK_OK)
		ereport(WARNING,
				(errmsg("the records of bucket " INT64_FORMAT " could not be read: %s", bucket_id, pages->problem)));
	return read;
}

/* Returns how many buckets are left. */
static int64
restore_blocks(int64 budget)
{
	static PocketPlan next = {"SELECT f.id, d.uuid::text, n.url, (SELECT pg_catalog.count(*) FROM pocket_data.found)"
							  " FROM pocket_data.found f JOIN pocket_data.drive d ON d.drive_id = f.drive_id"
							  " JOIN pocket_data.node n ON n.node_id = d.node_id ORDER BY f.id LIMIT 1",
							  "", NULL, NULL};
	static PocketPlan done = {"DELETE FROM pocket_data.found WHERE id = $1", "int8", NULL, NULL};
	static PocketPlan all_done = {"DELETE FROM pocket_data.found", "", NULL, NULL};

	while (pocket_believe_lacks_rows() && pocket_write(&next, NULL, NULL) > 0)
	{
		Datum values[1] = {Int64GetDatum(pocket_column_int64(0, 1))};
		PocketInventory pages = {.uuid = pocket_column_text(0, 2), .url = pocket_column_text(0, 3)};
		int64 left = pocket_column_int64(0, 4);

		pocket_free_rows();
		if (budget <= 0)
			return left;
		/* a bucket is read as a whole: it has few pages */
		budget -= restore_bucket(&pages, DatumGetInt64(values[0]));
		(void) pocket_write(&done, values, NULL);
	}
	(void) pocket_write(&all_done, NULL, NULL);
	return 0;
}

/* --- the duty --- */

static void
note_begun(void)
{
	static PocketPlan begun = {"UPDATE pocket_data.cell SET reconciling = $1", "text", NULL, NULL};
	Datum values[1] = {epoch_text()};

	(void) pocket_write(&begun, values, NULL);
}

/* complete: no drive is left that may tell more. */
static void
note_ended(bool complete)
{
	static PocketPlan ended = {"UPDATE pocket_data.cell SET reconciling = NULL,"
							   " reconciled = CASE WHEN $2 THEN $1 ELSE reconciled END",
							   "text bool", NULL, NULL};
	Datum values[2] = {epoch_text(), BoolGetDatum(complete)};

	pocket_survey_restart();
	(void) pocket_write(&ended, values, NULL);
}

/* Whether the work of an earlier pass, of this epoch, is to be gone on with; *listing: drives are being read. */
static bool
goes_on(bool *listing)
{
	static PocketPlan find = {"SELECT coalesce(reconciling = $1, false), EXISTS (SELECT FROM pocket_data.survey)"
							  " FROM pocket_data.cell",
							  "text", NULL, NULL};
	Datum values[1] = {epoch_text()};
	bool same;

	(void) pocket_write(&find, values, NULL);
	same = pocket_column_bool(0, 1);
	*listing = pocket_column_bool(0, 2);
	pocket_free_rows();
	return same;
}

/* From drives that were all read to rows; false: something came back from the trash, and drives are to be read again. */
static bool
write_rows(void)
{
	pocket_lock_open();
	if (pocket_believe() > 0)
	{
		pocket_survey_restart();
		return false;
	}
	keep_one_of_each();
	pocket_survey_ended();
	return true;
}

void
pocket_duty_reconcile(PocketPass *pass)
{
	bool listing;

	if (pocket_cell_reconciled())
		return;
	if (!goes_on(&listing))
	{
		pocket_survey_restart();
		note_begun();
		listing = true;
	}
	if (listing)
	{
		pass->remaining = pocket_survey_read(PAGES_PER_PASS);
		if (pass->remaining == 0 && !write_rows())
			pass->remaining = pocket_survey_read(0);
		pass->done = 1;
		if (pass->remaining > 0)
			return;
	}
	pass->remaining = restore_blocks(RECORD_PAGES_PER_PASS);
	pass->done++;
	if (pass->remaining == 0)
		note_ended(true);
}

/* --- reconcile() --- */

static PocketPlan lacking = {
	"(SELECT 'drive ' || s.drive_id, 'it does not answer, and may have what rows lack' FROM pocket_data.survey s"
	" WHERE NOT s.listed ORDER BY s.drive_id) UNION ALL (SELECT pg_catalog.format('%s on drive %s',"
	" pocket.extent_file(e.role, CASE e.role WHEN 'parity' THEN e.volume_id ELSE e.bucket_id END, e.position),"
	" e.drive_id), coalesce(e.problem, e.state) FROM pocket_data.extent e WHERE e.state <> 'ok'"
	" ORDER BY e.volume_id, e.position LIMIT " LITERAL(
		TOLD_MAX) ") UNION ALL (SELECT 'bucket ' || k.bucket_id, pg_catalog.format('%s block rows point into it, and no"
				  " drive has it', pg_catalog.count(*)) FROM pocket_data.block k WHERE NOT EXISTS (SELECT"
				  " FROM pocket_data.bucket b WHERE b.bucket_id = k.bucket_id) GROUP BY k.bucket_id"
				  " ORDER BY k.bucket_id LIMIT " LITERAL(
					  TOLD_MAX) ") UNION ALL (SELECT 'block ' || h.hash::text, pg_catalog.format('%s namespaces hold"
								" it, and no drive tells that it has it', pg_catalog.count(*))"
								" FROM pocket_data.holder h WHERE h.files > 0 AND NOT EXISTS (SELECT"
								" FROM pocket_data.block k WHERE k.hash OPERATOR(pocket.=) h.hash)"
								" GROUP BY h.hash LIMIT " LITERAL(TOLD_MAX) ")",
	"", NULL, NULL};

static void
tell(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	(void) pocket_write(&lacking, NULL, NULL);
	for (uint64 row = 0; row < SPI_processed; row++)
		tuplestore_puttuple(result->setResult, SPI_tuptable->vals[row]);
	pocket_free_rows();
}

/* Nodes may have drives that rows have lost. */
static void
take_in_drives(void)
{
	PocketPass pass = {0};
	const PocketNodesStatus *status = pocket_pass_status(&pass);

	pocket_duty_check(&pass);
	for (int i = 0; i < status->count; i++)
	{
		if (status->orders[i].error == PK_OK)
			pocket_node_absorb(status->ids[i], status->orders[i].answer, true);
	}
}

static void
reconcile_now(FunctionCallInfo fcinfo)
{
	int64 left;

	pocket_survey_restart();
	for (;;)
	{
		left = pocket_survey_read(PG_INT64_MAX);
		pocket_lock_open();
		if (pocket_believe() == 0)
			break;
		pocket_survey_restart();
	}
	keep_one_of_each();
	(void) restore_blocks(PG_INT64_MAX);
	tell(fcinfo);
	note_ended(left == 0);
}

/* All at once, whether it is due or not. */
Datum
pocket_reconcile(PG_FUNCTION_ARGS)
{
	PocketSession session;

	InitMaterializedSRF(fcinfo, 0);
	pocket_enter(&session);
	pocket_lock_pass();
	take_in_drives();
	if (pocket_cell_standing() == POCKET_OWNER)
		reconcile_now(fcinfo);
	pocket_leave(&session);
	return (Datum) 0;
}
