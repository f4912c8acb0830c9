/*
 * cell_identity.c
 *	  Which cell this is, and in which epoch.
 */
#include "placement/placement.h"

#include "access/xlog.h"
#include "access/xlogrecovery.h"
#include "utils/uuid.h"

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
	static PocketPlan find = {"SELECT uuid, incarnation, starts FROM pocket_data.cell", "", NULL, NULL};
	bool is_null;
	Datum uuid;

	if (pocket_latest(&find, NULL, NULL) != 1)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("table pocket_data.cell does not have its one row"),
						errhint("Restore the row from a backup of this database.")));
	uuid = pocket_column(0, 1, &is_null);
	memcpy(cell->uuid, DatumGetUUIDP(uuid)->data, PK_UUID_SIZE);
	cell->epoch.incarnation = (uint32) pocket_column_int64(0, 2);
	cell->epoch.timeline = current_timeline();
	cell->epoch.starts = (uint32) pocket_column_int64(0, 3);
	pocket_free_rows();
}
