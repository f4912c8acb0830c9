/*
 * settle.c
 *	  Duty settle: carries out intents.
 *
 * An intent is acted upon only by a later transaction than the one that wrote
 * it, so that no rollback can follow a deletion.  Settling tells the members of
 * a volume who they are; only then may what is not a member any more be
 * dropped, or go to the trash.  What contradicts the rows of now is forgotten.
 */
#include "cell/cell.h"

#include "utils/builtins.h"

#include "base/spi.h"
#include "blocks/blocks.h"

#define SETTLES_MAX 64
#define DROPS_MAX 512
#define LITERAL_(n) #n
#define LITERAL(n) LITERAL_(n)

static void
forget_obsolete(void)
{
	static PocketPlan settles = {"DELETE FROM pocket_data.intent i WHERE i.duty = 'settle'"
								 " AND i.xid <> pg_catalog.pg_current_xact_id()"
								 " AND NOT EXISTS (SELECT FROM pocket_data.volume v WHERE v.volume_id = i.volume_id)",
								 "", NULL, NULL};
	static PocketPlan empties = {
		"DELETE FROM pocket_data.intent i WHERE i.duty = 'empty' AND NOT EXISTS (SELECT FROM pocket_data.trash t"
		" WHERE t.drive_id = i.drive_id AND t.bucket_id = coalesce(i.bucket_id, 0)"
		" AND t.volume_id = coalesce(i.volume_id, 0) AND t.position = coalesce(i.position, 0))",
		"", NULL, NULL};
	static PocketPlan drops = {
		"DELETE FROM pocket_data.intent i WHERE i.duty IN ('drop', 'trash') AND i.xid <> "
		"pg_catalog.pg_current_xact_id()"
		" AND EXISTS (SELECT FROM pocket_data.extent e JOIN pocket_data.volume v ON v.volume_id = e.volume_id"
		" WHERE e.drive_id = i.drive_id AND v.state <> 'retired'"
		" AND CASE WHEN i.bucket_id IS NOT NULL THEN e.bucket_id = i.bucket_id"
		" ELSE e.volume_id = i.volume_id AND e.position = i.position END)",
		"", NULL, NULL};

	(void) pocket_write(&settles, NULL, NULL);
	(void) pocket_write(&drops, NULL, NULL);
	(void) pocket_write(&empties, NULL, NULL);
}

static void
intent_done(int64 intent_id)
{
	static PocketPlan done = {"DELETE FROM pocket_data.intent WHERE intent_id = $1", "int8", NULL, NULL};
	Datum values[1] = {Int64GetDatum(intent_id)};

	(void) pocket_write(&done, values, NULL);
}

static void
intent_failed(int64 intent_id, const char *problem)
{
	static PocketPlan failed = {"UPDATE pocket_data.intent SET problem = $2"
								" WHERE intent_id = $1 AND problem IS DISTINCT FROM $2",
								"int8 text", NULL, NULL};
	Datum values[2] = {Int64GetDatum(intent_id), CStringGetTextDatum(problem)};

	if (pocket_write(&failed, values, NULL) > 0)
		ereport(WARNING, (errmsg("intent " INT64_FORMAT " could not be carried out: %s", intent_id, problem)));
}

/* Sends the orders of rows (intent_id, url, body), and books what comes of them. */
static void
carry_out(PocketPlan *find, const char *verb, PocketPass *pass, void (*book)(int64 intent_id, const char *answer))
{
	Datum values[1] = {CStringGetTextDatum(verb)};
	int count = (int) pocket_write(find, values, NULL);
	PocketOrder *orders = palloc0(sizeof(PocketOrder) * Max(count, 1));
	int64 *ids = palloc(sizeof(int64) * Max(count, 1));

	for (int i = 0; i < count; i++)
	{
		ids[i] = pocket_column_int64(i, 1);
		orders[i].node = pocket_column_text(i, 2);
		orders[i].verb = verb;
		orders[i].body = pocket_column_text(i, 3);
	}
	pocket_free_rows();
	pocket_orders(orders, count);
	for (int i = 0; i < count; i++)
	{
		if (orders[i].error == PK_OK)
		{
			if (book != NULL)
				book(ids[i], orders[i].answer);
			intent_done(ids[i]);
			pass->done++;
		}
		else
			intent_failed(ids[i], orders[i].problem);
	}
}

void
pocket_duty_settle(PocketPass *pass)
{
	static PocketPlan settles = {
		"SELECT i.intent_id, n.url, pg_catalog.jsonb_build_object('volume', v.volume_id, 'generation', v.generation,"
		" 'code', v.code, 'members', (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('drive', d.uuid,"
		" 'bucket', coalesce(e.bucket_id, 0), 'length', e.length) ORDER BY e.position) FROM pocket_data.extent e"
		" LEFT JOIN pocket_data.drive d ON d.drive_id = e.drive_id WHERE e.volume_id = v.volume_id))::text"
		" FROM pocket_data.intent i JOIN pocket_data.volume v ON v.volume_id = i.volume_id"
		" JOIN pocket_data.node n ON n.node_id = v.node_id"
		" WHERE i.duty = $1 AND i.xid <> pg_catalog.pg_current_xact_id() AND n.state = 'up'"
		" ORDER BY i.problem IS NOT NULL, i.intent_id LIMIT " LITERAL(SETTLES_MAX),
		"text", NULL, NULL};
	static PocketPlan drops = {
		"SELECT i.intent_id, n.url, (pg_catalog.jsonb_build_object('drive', d.uuid,"
		" 'kind', CASE WHEN i.bucket_id IS NOT NULL THEN 'bucket' ELSE 'parity' END,"
		" 'id', coalesce(i.bucket_id, i.volume_id), 'position', coalesce(i.position, 0)) || CASE"
		" WHEN i.generation IS NULL THEN '{}' ELSE pg_catalog.jsonb_build_object('volume', i.volume_id,"
		" 'generation', i.generation) END)::text"
		" FROM pocket_data.intent i JOIN pocket_data.drive d ON d.drive_id = i.drive_id"
		" JOIN pocket_data.node n ON n.node_id = d.node_id"
		" LEFT JOIN pocket_data.bucket b ON b.bucket_id = i.bucket_id"
		" WHERE i.duty = $1 AND i.xid <> pg_catalog.pg_current_xact_id() AND d.state IN ('ok', 'draining', 'drained')"
		" AND n.state = 'up'"
		" AND NOT EXISTS (SELECT FROM pocket_data.intent s WHERE s.duty = 'settle'"
		" AND s.volume_id = coalesce(b.volume_id, i.volume_id))"
		" ORDER BY i.problem IS NOT NULL, i.intent_id LIMIT " LITERAL(DROPS_MAX),
		"text", NULL, NULL};
	/* What waits for a drive that is gone is not work that remains. */
	static PocketPlan left = {
		"SELECT pg_catalog.count(*) FROM pocket_data.intent i LEFT JOIN pocket_data.drive d ON d.drive_id = i.drive_id"
		" WHERE i.duty = 'settle' OR d.state IN ('ok', 'draining', 'drained', 'silent')",
		"", NULL, NULL};

	forget_obsolete();
	pocket_intend_drop_attempts();
	carry_out(&settles, "settle", pass, NULL);
	if (pocket_cell_reconciled())
	{
		carry_out(&drops, "drop", pass, NULL);
		carry_out(&drops, "trash", pass, pocket_trash_book);
		carry_out(&drops, "empty", pass, pocket_trash_emptied);
	}
	(void) pocket_write(&left, NULL, NULL);
	pass->remaining = pocket_column_int64(0, 1);
	pocket_free_rows();
}
