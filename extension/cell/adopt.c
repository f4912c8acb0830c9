/*
 * adopt.c
 *	  pocket.adopt(): a copy, or a database that was rewound, becomes the owner
 *	  of its cell.
 *
 * This transaction only writes the row.  Nodes are told by the next look at
 * them, which a later transaction takes: an adoption that is rolled back fences
 * nobody off.  A node that is away then hears of it when it is back.
 */
#include "cell/cell.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "base/install.h"
#include "base/spi.h"
#include "placement/placement.h"

PG_FUNCTION_INFO_V1(pocket_adopt);

/* The highest epoch of ours and of those that nodes tell; a node that tells none is warned of. */
static pk_epoch
highest_epoch(const pk_epoch *ours)
{
	static PocketPlan nodes = {"SELECT url FROM pocket_data.node ORDER BY node_id", "", NULL, NULL};
	int count = (int) pocket_write(&nodes, NULL, NULL);
	PocketOrder *orders = palloc0(sizeof(PocketOrder) * Max(count, 1));
	pk_epoch highest = *ours;

	for (int i = 0; i < count; i++)
		orders[i].node = pocket_column_text(i, 1);
	pocket_free_rows();
	pocket_nodes_epochs(orders, count);
	for (int i = 0; i < count; i++)
	{
		pk_epoch epoch;

		if (orders[i].error != PK_OK || !pocket_epoch_read(orders[i].answer, &epoch))
			ereport(WARNING, (errmsg("node %s does not tell its epoch: %s", orders[i].node,
									 orders[i].error != PK_OK ? orders[i].problem : "no number"),
							  errdetail("Should another database have adopted it, that one stays its owner.")));
		else if (pk_epoch_compare(&epoch, &highest) > 0)
			highest = epoch;
	}
	return highest;
}

/*
 * What the former owner was about to delete is decided by what the drives hold, not by rows from another time. Numbers go on:
 * generations are of the cell, whoever owns it. The transaction ids in rows may be another cluster's.
 */
static void
become_owner(int64 incarnation, TimeLineID timeline)
{
	static PocketPlan own = {"UPDATE pocket_data.cell SET incarnation = $1, instance = $2, timeline = $3, starts = 0,"
							 " superseded_at = NULL",
							 "int8 text int8", NULL, NULL};
	static PocketPlan stamp = {"UPDATE pocket_data.volume SET changed = pg_catalog.pg_current_xact_id()", "", NULL,
							   NULL};
	static PocketPlan forget = {"DELETE FROM pocket_data.intent WHERE duty <> 'settle'", "", NULL, NULL};
	static PocketPlan condemned = {
		"UPDATE pocket_data.block SET condemned_xid = pg_catalog.pg_current_xact_id() WHERE state = 'condemned'", "",
		NULL, NULL};
	static PocketPlan trashed = {"UPDATE pocket_data.trash SET trashed_xid = pg_catalog.pg_current_xact_id()", "", NULL,
								 NULL};
	static PocketPlan untold = {
		"UPDATE pocket_data.node SET state = 'down', problem = 'has not heard of the adoption yet'", "", NULL, NULL};
	Datum values[3] = {Int64GetDatum(incarnation), pocket_instance(), Int64GetDatum((int64) timeline)};

	(void) pocket_write(&own, values, NULL);
	pocket_placement_skip(1);
	(void) pocket_write(&stamp, NULL, NULL);
	(void) pocket_write(&condemned, NULL, NULL);
	(void) pocket_write(&trashed, NULL, NULL);
	(void) pocket_write(&forget, NULL, NULL);
	(void) pocket_write(&untold, NULL, NULL);
}

Datum
pocket_adopt(PG_FUNCTION_ARGS)
{
	PocketSession session;
	PocketCell cell;
	pk_epoch highest;
	int64 incarnation;

	if (!superuser())
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("must be superuser to adopt a cell")));
	pocket_enter(&session);
	pocket_lock_rows();
	pocket_lock_open();
	pocket_cell_identity(&cell);
	highest = highest_epoch(&cell.epoch);
	incarnation = cell.epoch.incarnation;
	if (cell.standing == POCKET_OWNER && pk_epoch_compare(&highest, &cell.epoch) == 0)
		ereport(NOTICE, (errmsg("this database owns its cell already")));
	else
	{
		incarnation = pocket_next_incarnation(highest.incarnation);
		become_owner(incarnation, cell.epoch.timeline);
	}
	pocket_leave(&session);
	PG_RETURN_INT64(incarnation);
}
