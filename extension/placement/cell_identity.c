/*
 * cell_identity.c
 *	  Which cell this is, in which epoch, and whether this database owns it.
 *
 * A dump, a template copy and a copy of a server's files carry the cell's row
 * with them.  The row names the database that it was written in; in any other
 * one it is a copy, which reads and changes nothing in the cell.  Promotion and
 * recovery to a point in time keep the name: they are the same database on a
 * higher timeline, by which nodes know it from the one before.
 */
#include "placement/placement.h"

#include "access/xlog.h"
#include "access/xlogrecovery.h"
#include "utils/uuid.h"

#include "base/install.h"
#include "base/spi.h"

static TimeLineID
current_timeline(void)
{
	TimeLineID timeline;

	if (!RecoveryInProgress())
		return GetWALInsertionTimeLine();
	(void) GetXLogReplayRecPtr(&timeline);
	return timeline;
}

void
pocket_cell_identity(PocketCell *cell)
{
	static PocketPlan find = {"SELECT uuid, incarnation, starts, instance = $1, superseded_at IS NOT NULL"
							  " FROM pocket_data.cell",
							  "text", NULL, NULL};
	Datum values[1] = {pocket_instance()};
	bool is_null;
	Datum uuid;

	if (pocket_latest(&find, values, NULL) != 1)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("table pocket_data.cell does not have its one row"),
						errhint("Restore the row from a backup of this database.")));
	uuid = pocket_column(0, 1, &is_null);
	memcpy(cell->uuid, DatumGetUUIDP(uuid)->data, PK_UUID_SIZE);
	cell->epoch.incarnation = (uint32) pocket_column_int64(0, 2);
	cell->epoch.timeline = current_timeline();
	cell->epoch.starts = (uint32) pocket_column_int64(0, 3);
	if (!pocket_column_bool(0, 4))
		cell->standing = POCKET_COPY;
	else
		cell->standing = pocket_column_bool(0, 5) ? POCKET_SUPERSEDED : POCKET_OWNER;
	pocket_free_rows();
}

PocketStanding
pocket_cell_standing(void)
{
	PocketCell cell;

	pocket_cell_identity(&cell);
	return cell.standing;
}

void
pocket_superseded_raise(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("this database does not own its cell any more"),
			 errdetail("Another one has adopted the cell, or was promoted or restored after it. Files are read "
					   "as before, but no block is stored."),
			 errhint("Use the other one. Only if that is given up for good, a superuser here says: SELECT "
					 "pocket.adopt();")));
}

void
pocket_owner_check(const PocketCell *cell)
{
	if (cell->standing == POCKET_SUPERSEDED)
		pocket_superseded_raise();
	if (cell->standing == POCKET_COPY)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("this database is a copy of the one that owns the cell"),
				 errdetail("Files are read, and what needs no new block can be changed, but nothing in the cell is."),
				 errhint("Store blocks in the original. Only if that is given up for good, a superuser here says: "
						 "SELECT pocket.adopt();")));
}

void
pocket_owner_require(void)
{
	PocketCell cell;

	pocket_cell_identity(&cell);
	pocket_owner_check(&cell);
}
