/*
 * volume/inventory.c
 *	  What a drive holds, page by page: its extents, and a bucket's records; and
 *	  blocks that are read back from it and from no other.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/remote.h"
#include "volume/internal.h"

static pk_error
find_drive(struct pd_cell *cell, const uint8_t uuid[PK_UUID_SIZE], struct pd_drive **drive, struct pd_err *err)
{
	char text[PK_UUID_TEXT + 1];

	pk_uuid_encode(text, uuid);
	*drive = pd_cell_drive(cell, uuid);
	if (*drive == NULL || pd_drive_is_remote(*drive))
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
	bool ended;	   /* there is one more */
	bool problems; /* were told */
};

static bool
list_extent(void *arg, struct pd_extent *extent)
{
	struct listing *listing = arg;
	struct pd_extent_info info;
	struct pd_err err = {PK_OK, ""};
	pk_error look;
	bool well;

	if (listing->left == 0)
	{
		listing->ended = true;
		return false;
	}
	listing->left--;
	look = pd_extent_look(extent, &err);
	well = look == PK_OK || look == PK_ERR_NO_MEMORY; /* which says nothing about the extent */
	listing->problems |= !well;
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
	if (listing.problems)
	{
		struct pd_drive_info info;

		/* of a drive that went as a whole nothing is told one by one */
		pd_drive_info(drive, &info);
		if ((result = find_drive(cell, uuid, &drive, err)) != PK_OK)
			return result;
	}
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
	extent = pd_extent_find_kept(drive, PK_EXTENT_BUCKET, bucket_id, 0);
	if (extent == NULL)
		return pd_fail(err, PK_ERR_NOT_FOUND, "drive %s has no extent of bucket %" PRIu64, pd_drive_path(drive),
					   bucket_id);
	result = pd_extent_records(extent, at, length, tell_record, tell_damage, &records, err);
	pd_extent_unref(extent);
	return result;
}

/* --- blocks --- */

/* PK_OK and no text in err: the block is there. PK_OK and a text: what is wrong with it. Else nothing could be read at all. */
static pk_error
watch_block(struct pd_cell *cell, struct pd_extent *extent, struct pd_get *get, struct pd_err *err)
{
	struct pd_buffer *raw = pd_buffer_get(cell->buffers, get->stored_length);
	uint8_t hash[PK_SHA256_SIZE];
	pk_error rc;

	if (raw == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for a block");
	rc = pd_extent_read(extent, get->offset, raw->data, get->stored_length, err);
	if (rc == PK_OK)
		rc = pd_block_open(cell, get, raw, 0, err);
	if (rc != PK_OK)
		pd_buffer_put(cell->buffers, raw);
	else
	{
		pk_sha256(hash, get->plain->data + get->plain_offset, get->length);
		pd_buffer_put(cell->buffers, get->plain);
		if (memcmp(hash, get->hash, sizeof(hash)) != 0)
			rc = pd_fail(err, PK_ERR_CORRUPT, "the block at offset %" PRIu64 " has other bytes than its hash says",
						 get->offset);
	}
	return rc == PK_ERR_NO_MEMORY || rc == PK_ERR_NO_KEY ? rc : PK_OK;
}

pk_error
pd_drive_watch(struct pd_cell *cell, const uint8_t uuid[PK_UUID_SIZE], struct pd_get *blocks, int count,
			   const struct pd_progress *progress, void (*problem)(void *arg, uint64_t offset, const char *text),
			   void *arg, struct pd_err *err)
{
	struct pd_drive *drive;
	struct pd_extent *extent;
	pk_error result = find_drive(cell, uuid, &drive, err);

	if (result != PK_OK || count == 0)
		return result;
	extent = pd_extent_find(drive, PK_EXTENT_BUCKET, blocks[0].bucket_id, 0);
	if (extent == NULL)
		return pd_fail(err, PK_ERR_NOT_FOUND, "drive %s has no extent of bucket %" PRIu64, pd_drive_path(drive),
					   blocks[0].bucket_id);
	for (int i = 0; result == PK_OK && i < count; i++)
	{
		struct pd_err found = {PK_OK, ""};

		if (progress != NULL && !progress->tick(progress->arg, (uint64_t) i, (uint64_t) count))
			result = pd_fail(err, PK_ERR_UNAVAILABLE, "nobody waits for the blocks any more");
		else
			result = watch_block(cell, extent, &blocks[i], &found);
		if (result != PK_OK)
			*err = found.code != PK_OK ? found : *err;
		else if (found.code != PK_OK)
			problem(arg, blocks[i].offset, found.text);
	}
	pd_extent_unref(extent);
	return result;
}
