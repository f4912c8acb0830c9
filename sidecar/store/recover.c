/*
 * store/recover.c
 *	  An unsealed bucket that another process left behind: how far its valid
 *	  records reach.
 *
 * Every header tells what was durable on all replicas when it was written. What
 * is invalid behind the furthest of these is a torn tail, which nobody was
 * promised, and the length ends there. What is invalid before it was whole once:
 * that is rot, which is kept, noted and reported. Nothing on the drive changes here.
 */
#include "base/log.h"
#include "store/internal.h"

uint64_t
pd_slot_length(const struct pd_extent *extent)
{
	const struct pd_members *members = &extent->slot.members;

	if (extent->header.kind != PK_EXTENT_BUCKET)
		return 0;
	for (int i = 0; i < members->count; i++)
		if (members->member[i].bucket_id == extent->header.id)
			return members->member[i].length;
	return 0;
}

static void
note_rot(void *arg, uint64_t offset, uint64_t length, const char *problem)
{
	pd_extent_add_rot(arg, offset, length, problem);
}

pk_error
pd_extent_recover(struct pd_extent *extent, int fd, uint64_t file_size, struct pd_err *err)
{
	struct pd_drive *drive = extent->drive;
	uint64_t sealed = pd_slot_length(extent);
	uint64_t end = file_size - PD_EXTENT_DATA;
	struct pd_source source;
	uint64_t durable, length;
	pk_error result;

	if (end > PK_BUCKET_SIZE_MAX + (PK_BUCKET_SIZE_MAX >> 8))
		return pd_fail(err, PK_ERR_CORRUPT, "has %llu bytes, more than a bucket can have",
					   (unsigned long long) file_size);
	if (sealed > 0)
	{
		pd_extent_add_rot(extent, 0, 0, "the trailer is damaged: its slot says that it was sealed");
		if (sealed > end)
			pd_extent_add_rot(extent, end, sealed - end, "the file is cut off");
		else
			end = sealed; /* what follows is a table, not records */
	}
	result = pd_source_init(&source, drive->vfs, fd, extent->header.id, end, err);
	if (result != PK_OK)
		return result;
	durable = sealed > 0 ? end : pd_walk_durable(&source, 0);
	length = pd_walk(&source, durable, durable, note_rot, extent);
	pd_source_release(&source);

	extent->state = PD_EXTENT_CLOSED;
	extent->recovered = true;
	extent->length = length;
	extent->file_size = file_size;
	pd_log(extent->rot_count > 0 ? PD_LOG_WARNING : PD_LOG_INFO,
		   "drive %s: %s was open: %llu bytes are valid, %llu were durable everywhere, %llu follow, %zu damaged places",
		   drive->path, extent->file, (unsigned long long) length, (unsigned long long) durable,
		   (unsigned long long) (end - length), extent->rot_count);
	return PK_OK;
}
