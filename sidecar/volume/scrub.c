/*
 * volume/scrub.c
 *	  Every extent of a drive against its checksums, a bounded part at a time.
 *
 * A sweep begins with what is not an extent at all: files too damaged to be one, and members that
 * volumes put on this drive and that are gone.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "volume/internal.h"

struct scrubbing
{
	struct pd_cell *cell;
	struct pd_drive *drive;
	uint64_t budget;
	uint64_t bytes;
	char last[PK_EXTENT_FILE]; /* file that was read last */
	bool ended;				   /* the budget did not suffice */
	const char *file;		   /* being read */
	int problems;			   /* found so far */
	void (*each)(void *arg, const struct pd_report *report);
	void *arg;
};

static void
give(struct scrubbing *scrubbing, const char *file, const char *problem)
{
	const uint8_t *uuid = pd_drive_uuid(scrubbing->drive);
	struct pd_report report = {0};

	scrubbing->problems++;
	pd_cell_report(scrubbing->cell, uuid, file, problem);
	memcpy(report.drive, uuid, PK_UUID_SIZE);
	snprintf(report.file, sizeof(report.file), "%s", file);
	snprintf(report.problem, sizeof(report.problem), "%s", problem);
	if (scrubbing->each != NULL)
		scrubbing->each(scrubbing->arg, &report);
}

static void
note_damaged(void *arg, const char *file, const char *why)
{
	give(arg, file, why);
}

static void
note_problem(void *arg, uint64_t offset, const char *problem)
{
	struct scrubbing *scrubbing = arg;
	char text[256];

	snprintf(text, sizeof(text), "at %" PRIu64 ": %s", offset, problem);
	give(scrubbing, scrubbing->file, text);
}

/* Whether others have replicas too, and none of them told how long it became: it may still be open over there. */
static bool
is_others(struct pd_cell *cell, const struct pd_extent_info *info)
{
	struct pd_members told = {.count = 1, .member[0].bucket_id = info->id};

	pd_map_fill(cell, &told);
	return told.member[0].length == 0 && !pd_bucket_is_here(cell, info->id);
}

/*
 * Whether it should be sealed by now: nobody appends to it. A bucket that failed stays among the open ones until the order to seal
 * it has been carried out, and whether it has been is looked at last.
 */
static bool
left_unsealed(struct pd_cell *cell, struct pd_extent *extent)
{
	struct pd_extent_info info;
	struct pd_bucket *bucket;

	pd_extent_info(extent, &info);
	if (info.sealed || pd_extent_is_open(extent) || is_others(cell, &info))
		return false;
	bucket = pd_bucket_find(cell, info.id);
	if (bucket != NULL)
	{
		pd_bucket_unref(bucket);
		return false;
	}
	pd_extent_info(extent, &info);
	return !info.sealed;
}

static bool
scrub_extent(void *arg, struct pd_extent *extent)
{
	struct scrubbing *scrubbing = arg;
	struct pd_extent_info info;
	int before = scrubbing->problems;

	if (scrubbing->bytes >= scrubbing->budget)
	{
		scrubbing->ended = true;
		return false;
	}
	pd_extent_info(extent, &info);
	if (info.trashed) /* which come last; they are read once more before they go */
		return false;
	scrubbing->file = info.file;
	if (info.sealed)
		scrubbing->bytes += pd_extent_scrub(extent, note_problem, scrubbing);
	else if (left_unsealed(scrubbing->cell, extent))
		give(scrubbing, info.file, "is not sealed, and nobody writes it: it has no checksums, and may be short");
	if (info.sealed && scrubbing->problems == before)
		pd_cell_forget_report(scrubbing->cell, pd_drive_uuid(scrubbing->drive), info.file);
	memcpy(scrubbing->last, info.file, sizeof(scrubbing->last));
	return true;
}

/* Whether the volume is the one that its member p is in now. */
static bool
is_current(struct pd_cell *cell, const struct pd_members *members, int p)
{
	struct pd_members current;
	uint64_t bucket_id = members->member[p].bucket_id;

	for (int i = 0; bucket_id == 0 && i < members->count; i++)
		bucket_id = members->member[i].bucket_id;
	return pd_map_of_bucket(cell, bucket_id, 0, &current) && current.volume_id == members->volume_id;
}

static void
look_for_members(void *arg, const struct pd_members *members)
{
	struct scrubbing *scrubbing = arg;

	if (pd_map_retired(scrubbing->cell, members->volume_id))
		return;
	for (int p = 0; p < members->count; p++)
	{
		bool parity = members->code.kind != PK_CODE_REPLICATED && p >= members->code.k;
		pk_extent_kind kind = parity ? PK_EXTENT_PARITY : PK_EXTENT_BUCKET;
		uint64_t id = parity ? members->volume_id : members->member[p].bucket_id;
		char file[PK_EXTENT_FILE];
		struct pd_extent *extent;

		if (pd_member_virtual(members, p) || !pd_uuid_equal(members->member[p].drive, pd_drive_uuid(scrubbing->drive)))
			continue;
		extent = pd_extent_find(scrubbing->drive, kind, id, parity ? p : 0);
		pk_extent_file(file, kind, id, parity ? p : 0);
		if (extent == NULL && is_current(scrubbing->cell, members, p))
			give(scrubbing, file, "is gone: a volume has a member here");
		pd_extent_unref(extent);
	}
}

pk_error
pd_drive_scrub(struct pd_cell *cell, const uint8_t drive[PK_UUID_SIZE], const char *after, uint64_t budget,
			   char next[PK_EXTENT_FILE], uint64_t *bytes, void (*each)(void *arg, const struct pd_report *report),
			   void *arg, struct pd_err *err)
{
	struct scrubbing scrubbing = {.cell = cell, .budget = budget, .each = each, .arg = arg};
	char text[PK_UUID_TEXT + 1];

	*bytes = 0;
	next[0] = '\0';
	pk_uuid_encode(text, drive);
	scrubbing.drive = pd_cell_drive(cell, drive);
	if (scrubbing.drive == NULL)
		return pd_fail(err, PK_ERR_NOT_FOUND, "drive %s is not on this node", text);
	if (!pd_drive_readable(scrubbing.drive))
		return pd_fail(err, PK_ERR_UNAVAILABLE, "drive %s cannot be read", text);
	if (after == NULL || after[0] == '\0')
	{
		pd_drive_each_damaged(scrubbing.drive, note_damaged, &scrubbing);
		pd_map_each(cell, look_for_members, &scrubbing);
		after = NULL;
	}
	pd_extent_each(scrubbing.drive, after, scrub_extent, &scrubbing);
	*bytes = scrubbing.bytes;
	if (scrubbing.ended)
		snprintf(next, PK_EXTENT_FILE, "%s", scrubbing.last);
	return PK_OK;
}
