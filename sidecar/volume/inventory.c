/*
 * volume/inventory.c
 *	  What a drive holds, page by page: its extents, and a bucket's records.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "volume/internal.h"

static pk_error
find_drive(struct pd_cell *cell, const uint8_t uuid[PK_UUID_SIZE], struct pd_drive **drive, struct pd_err *err)
{
	char text[PK_UUID_TEXT + 1];

	pk_uuid_encode(text, uuid);
	*drive = pd_cell_drive(cell, uuid);
	if (*drive == NULL)
		return pd_fail(err, PK_ERR_NOT_FOUND, "drive %s is not on this node, or not bound to its cell", text);
	if (!pd_drive_readable(*drive))
		return pd_fail(err, PK_ERR_UNAVAILABLE, "drive %s cannot be read", text);
	return PK_OK;
}

/* --- extents --- */

struct listing
{
	const struct pd_inventory *inventory;
	char last[PK_EXTENT_FILE]; /* told last */
	int left;
	bool ended; /* there is one more */
};

static bool
list_extent(void *arg, struct pd_extent *extent)
{
	struct listing *listing = arg;
	struct pd_extent_info info;
	struct pd_err err = {PK_OK, ""};
	bool well;

	if (listing->left == 0)
	{
		listing->ended = true;
		return false;
	}
	listing->left--;
	well = pd_extent_look(extent, &err) == PK_OK;
	pd_extent_info(extent, &info);
	memcpy(listing->last, info.file, sizeof(listing->last));
	listing->inventory->extent(listing->inventory->arg, &info, pd_extent_is_open(extent), well ? NULL : err.text);
	return true;
}

/* Bounded: what follows is told when these have been seen to. */
static void
list_damaged(void *arg, const char *file, const char *why)
{
	struct listing *listing = arg;

	if (listing->left == 0)
		return;
	listing->left--;
	listing->inventory->damaged(listing->inventory->arg, file, why);
}

pk_error
pd_drive_list(struct pd_cell *cell, const uint8_t uuid[PK_UUID_SIZE], const char *after, int max,
			  const struct pd_inventory *inventory, char next[PK_EXTENT_FILE], struct pd_err *err)
{
	struct listing listing = {.inventory = inventory, .left = max};
	struct pd_drive *drive;
	pk_error result = find_drive(cell, uuid, &drive, err);

	next[0] = '\0';
	if (result != PK_OK)
		return result;
	if (after[0] == '\0')
		pd_drive_each_damaged(drive, list_damaged, &listing);
	listing.left = max;
	pd_extent_each(drive, after, list_extent, &listing);
	if (listing.ended)
		snprintf(next, PK_EXTENT_FILE, "%s", listing.last);
	return PK_OK;
}

/* --- records --- */

struct records
{
	const struct pd_inventory *inventory;
	int left;
};

static bool
tell_record(void *arg, const pk_record *record)
{
	struct records *records = arg;

	records->inventory->record(records->inventory->arg, record);
	return --records->left > 0;
}

static bool
tell_damage(void *arg, uint64_t offset, uint64_t length, const char *problem)
{
	struct records *records = arg;

	records->inventory->damage(records->inventory->arg, offset, length, problem);
	return --records->left > 0;
}

pk_error
pd_drive_records(struct pd_cell *cell, const uint8_t uuid[PK_UUID_SIZE], uint64_t bucket_id, uint64_t *at, int max,
				 const struct pd_inventory *inventory, uint64_t *length, struct pd_err *err)
{
	struct records records = {inventory, max};
	struct pd_drive *drive;
	struct pd_extent *extent;
	pk_error result = find_drive(cell, uuid, &drive, err);

	if (result != PK_OK)
		return result;
	extent = pd_extent_find(drive, PK_EXTENT_BUCKET, bucket_id, 0);
	if (extent == NULL)
		return pd_fail(err, PK_ERR_NOT_FOUND, "drive %s has no extent of bucket %" PRIu64, pd_drive_path(drive),
					   bucket_id);
	result = pd_extent_records(extent, at, length, tell_record, tell_damage, &records, err);
	pd_extent_unref(extent);
	return result;
}
