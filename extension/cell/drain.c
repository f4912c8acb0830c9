/*
 * drain.c
 *	  Drives and nodes that shall go: pocket.drain, undrain, remove_node.
 *
 * A drive that is to be drained takes no new members; its open buckets are
 * sealed, and repair makes its members anew elsewhere, while it goes on to serve
 * them.  When it holds no member any more it is drained; what lies in its trash
 * goes with it.  The row says so, so a restart changes nothing.
 */
#include "cell/cell.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "base/spi.h"
#include "blocks/transfer.h"

PG_FUNCTION_INFO_V1(pocket_drain);
PG_FUNCTION_INFO_V1(pocket_undrain);
PG_FUNCTION_INFO_V1(pocket_remove_node);

static void
change_drive(PocketPlan *change, int64 drive_id)
{
	static PocketPlan find = {"SELECT FROM pocket_data.drive WHERE drive_id = $1", "int8", NULL, NULL};
	Datum values[1] = {Int64GetDatum(drive_id)};
	PocketSession session;

	pocket_enter(&session);
	pocket_lock_pass();
	if (pocket_write(&find, values, NULL) == 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("there is no drive " INT64_FORMAT, drive_id),
						errhint("See pocket.drives.")));
	(void) pocket_write(change, values, NULL);
	pocket_leave(&session);
}

/* drain(drive_id): again changes nothing */
Datum
pocket_drain(PG_FUNCTION_ARGS)
{
	static PocketPlan drain = {
		"UPDATE pocket_data.drive d SET drain = (SELECT pg_catalog.count(*) FROM pocket_data.extent e"
		" WHERE e.drive_id = d.drive_id), state = CASE WHEN d.state = 'ok' THEN 'draining' ELSE d.state END"
		" WHERE d.drive_id = $1 AND d.drain IS NULL",
		"int8", NULL, NULL};

	change_drive(&drain, PG_GETARG_INT64(0));
	PG_RETURN_VOID();
}

Datum
pocket_undrain(PG_FUNCTION_ARGS)
{
	static PocketPlan undrain = {"UPDATE pocket_data.drive SET drain = NULL, well_at = pg_catalog.clock_timestamp(),"
								 " state = CASE WHEN state IN ('draining', 'drained') THEN 'ok' ELSE state END"
								 " WHERE drive_id = $1 AND drain IS NOT NULL",
								 "int8", NULL, NULL};

	change_drive(&undrain, PG_GETARG_INT64(0));
	PG_RETURN_VOID();
}

static int64
find_node(const char *url)
{
	static PocketPlan find = {"SELECT node_id, (SELECT pg_catalog.count(*) FROM pocket_data.extent e"
							  " JOIN pocket_data.drive d ON d.drive_id = e.drive_id WHERE d.node_id = n.node_id)"
							  " FROM pocket_data.node n WHERE n.url = $1",
							  "text", NULL, NULL};
	Datum values[1] = {CStringGetTextDatum(url)};
	int64 node_id;
	int64 members;

	if (pocket_write(&find, values, NULL) == 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("the cell has no node \"%s\"", url),
						errhint("See pocket.nodes.")));
	node_id = pocket_column_int64(0, 1);
	members = pocket_column_int64(0, 2);
	pocket_free_rows();
	if (members > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE), errmsg("node \"%s\" cannot be removed", url),
				 errdetail("Its drives have " INT64_FORMAT " members of volumes.", members),
				 errhint("Drain them: SELECT pocket.drain(drive_id) FROM pocket.drives WHERE node = '%s'; and wait"
						 " until their state is \"drained\". What was lost with a node is repaired after"
						 " pocket.drive_timeout.",
						 url)));
	return node_id;
}

/* What it worked on, another node does that has a member; of what is retired, which has none any more, any. */
static void
delete_node(int64 node_id)
{
	static PocketPlan lies_there[] = {
		{"DELETE FROM pocket_data.intent i USING pocket_data.drive d WHERE d.drive_id = i.drive_id AND d.node_id = $1",
		 "int8", NULL, NULL},
		{"DELETE FROM pocket_data.trash t USING pocket_data.drive d WHERE d.drive_id = t.drive_id AND d.node_id = $1",
		 "int8", NULL, NULL}};
	static PocketPlan steps[] = {
		{"UPDATE pocket_data.volume v SET node_id = coalesce((SELECT d.node_id FROM pocket_data.extent e"
		 " JOIN pocket_data.drive d ON d.drive_id = e.drive_id JOIN pocket_data.node n ON n.node_id = d.node_id"
		 " WHERE e.volume_id = v.volume_id ORDER BY n.state = 'up' DESC, pg_catalog.random() LIMIT 1),"
		 " (SELECT pg_catalog.min(n.node_id) FROM pocket_data.node n WHERE n.node_id <> $1))"
		 " WHERE v.node_id = $1",
		 "int8", NULL, NULL},
		{"DELETE FROM pocket_data.drive WHERE node_id = $1", "int8", NULL, NULL},
		{"DELETE FROM pocket_data.node WHERE node_id = $1", "int8", NULL, NULL},
		{"DELETE FROM pocket_data.zone z WHERE NOT EXISTS (SELECT FROM pocket_data.node n WHERE n.zone_id = z.zone_id)"
		 " AND $1 IS NOT NULL",
		 "int8", NULL, NULL}};
	Datum values[1] = {Int64GetDatum(node_id)};

	for (Size i = 0; i < lengthof(lies_there); i++)
		(void) pocket_write(&lies_there[i], values, NULL);
	pocket_volumes_forget();
	for (Size i = 0; i < lengthof(steps); i++)
		(void) pocket_write(&steps[i], values, NULL);
}

Datum
pocket_remove_node(PG_FUNCTION_ARGS)
{
	char *url = pocket_node_url_clean(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PocketSession session;
	PocketPass pass = {0};

	pocket_enter(&session);
	pocket_lock_pass();
	pocket_lock_open();
	delete_node(find_node(url));
	pocket_map_push(&pass);
	pocket_leave(&session);
	PG_RETURN_VOID();
}
