/*
 * volume/trash.c
 *	  Extents that lost their purpose: into the trash of their drive, back, and
 *	  at last out of it.
 *
 * Which ones, the rows decide: a whole volume that no block row names any more, or what a
 * drive brings back of a bucket that was placed elsewhere meanwhile. Each of these orders may come twice.
 */
#include <inttypes.h>
#include <string.h>

#include "volume/internal.h"

/* A volume that was made anew since the order was written down is not meant by it. */
static pk_error
check_retired(const struct pd_extent_info *info, const struct pd_trash_order *order, struct pd_err *err)
{
	if (info->members.count > 0 && info->members.generation > order->generation)
		return pd_fail(err, PK_ERR_STATE, "%s stays: it is of volume %" PRIu64 ", generation %u, the order names %u",
					   info->file, info->members.volume_id, info->members.generation, order->generation);
	return PK_OK;
}

static pk_error
move_in(struct pd_cell *cell, struct pd_extent *extent, const struct pd_trash_order *order, struct pd_err *err)
{
	struct pd_extent_info info;
	pk_error rc;

	pd_extent_info(extent, &info);
	if (order->volume_id != 0)
		rc = check_retired(&info, order, err);
	else
		rc = pd_extent_may_drop(cell, extent, err);
	if (rc == PK_OK)
		rc = pd_extent_trash(extent, err);
	if (rc == PK_OK)
		pd_cell_forget_report(cell, order->drive, info.file);
	return rc;
}

pk_error
pd_trash_put(struct pd_cell *cell, const struct pd_trash_order *order, uint64_t *bytes, struct pd_err *err)
{
	struct pd_drive *drive;
	struct pd_extent *extent;
	struct pd_extent_info info = {0};
	pk_error rc = pd_cell_target(cell, order->drive, &drive, err);

	*bytes = 0;
	if (rc != PK_OK)
		return rc;
	if (order->volume_id != 0)
		pd_map_retire(cell, order->volume_id);
	extent = pd_extent_find(drive, order->kind, order->id, order->position);
	if (extent != NULL)
		rc = move_in(cell, extent, order, err);
	else
		extent = pd_extent_find_trashed(drive, order->kind, order->id, order->position);
	if (extent != NULL)
		pd_extent_info(extent, &info);
	pd_extent_unref(extent);
	if (rc == PK_OK)
		*bytes = info.file_size;
	return rc;
}

pk_error
pd_trash_take(struct pd_cell *cell, const struct pd_trash_order *order, struct pd_err *err)
{
	char file[PK_EXTENT_FILE];
	struct pd_drive *drive;
	struct pd_extent *extent;
	struct pd_extent_info info;
	pk_error rc = pd_cell_target(cell, order->drive, &drive, err);

	if (rc != PK_OK)
		return rc;
	extent = pd_extent_find_kept(drive, order->kind, order->id, order->position);
	pk_extent_file(file, order->kind, order->id, order->position);
	if (extent == NULL)
		return pd_fail(err, PK_ERR_NOT_FOUND, "drive %s has no %s, in its trash or elsewhere", pd_drive_path(drive),
					   file);
	pd_extent_info(extent, &info);
	rc = pd_extent_untrash(extent, err);
	pd_extent_unref(extent);
	if (rc == PK_OK)
		(void) pd_map_note(cell, &info.members, PD_TOLD_BY_SLOT);
	return rc;
}

pk_error
pd_trash_empty(struct pd_cell *cell, const struct pd_trash_order *order, uint64_t *bytes, struct pd_err *err)
{
	struct pd_drive *drive;
	struct pd_extent *extent;
	struct pd_extent_info info;
	pk_error rc = pd_cell_target(cell, order->drive, &drive, err);

	*bytes = 0;
	if (rc != PK_OK)
		return rc;
	extent = pd_extent_find_trashed(drive, order->kind, order->id, order->position);
	if (extent == NULL)
		return PK_OK;
	pd_extent_info(extent, &info);
	rc = pd_extent_remove(extent, err);
	pd_extent_unref(extent);
	if (rc == PK_OK)
		*bytes = info.file_size;
	return rc;
}
