/*
 * store/walk.c
 *	  The records of a bucket, one after the other, over damage.
 *
 * Records lie back to back from 0. Where one is invalid, the next valid header is
 * searched in steps of PK_RECORD_ALIGN: a header names its own bucket and offset,
 * so that none is found where it does not belong.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "contract/pk_hash.h"
#include "store/internal.h"

#define HEADER_AHEAD 8192

pk_error
pd_source_init(struct pd_source *source, const struct pd_vfs *vfs, int fd, uint64_t bucket_id, uint64_t end,
			   struct pd_err *err)
{
	memset(source, 0, sizeof(*source));
	source->window = malloc(PD_WINDOW);
	if (source->window == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "no memory for a window of %d bytes", PD_WINDOW);
	source->vfs = vfs;
	source->fd = fd;
	source->bucket_id = bucket_id;
	source->end = end;
	return PK_OK;
}

void
pd_source_release(struct pd_source *source)
{
	free(source->window);
	source->window = NULL;
}

/* What cannot be read becomes zeros, in as small pieces as the drive allows. */
static void
read_in_pieces(struct pd_source *source)
{
	for (size_t done = 0; done < source->length; done += PD_PAGE)
	{
		size_t n = source->length - done < PD_PAGE ? source->length - done : PD_PAGE;

		if (pd_vfs_read_full(source->vfs, source->fd, source->window + done, n, PD_EXTENT_DATA + source->at + done) < 0)
		{
			memset(source->window + done, 0, n);
			source->unreadable = true;
		}
	}
}

/* n bytes at offset, which are within the source; up to ahead bytes are read where they are not in the window. */
static const uint8_t *
source_at(struct pd_source *source, uint64_t offset, size_t n, size_t ahead)
{
	uint64_t left = source->end - offset;

	if (offset >= source->at && offset + n <= source->at + source->length)
		return source->window + (offset - source->at);
	source->at = offset;
	source->length = ahead < left ? ahead : left;
	source->unreadable = false;
	if (pd_vfs_read_full(source->vfs, source->fd, source->window, source->length, PD_EXTENT_DATA + offset) < 0)
		read_in_pieces(source);
	source->read += source->length;
	return source->window;
}

/* A valid header at offset whose record ends within the source. */
static bool
header_at(struct pd_source *source, uint64_t offset, size_t ahead, pk_record *record)
{
	if (offset > source->end || source->end - offset < PK_RECORD_HEADER)
		return false;
	return pk_record_decode(record, source_at(source, offset, PK_RECORD_HEADER, ahead), source->bucket_id, offset) ==
			   PK_OK &&
		   pk_record_size(record->payload_length) <= source->end - offset;
}

static bool
payload_matches(struct pd_source *source, uint64_t offset, const pk_record *record)
{
	uint64_t at = offset + PK_RECORD_HEADER;
	uint32_t left = record->payload_length;
	uint32_t crc = 0;

	while (left > 0)
	{
		size_t n = left < PD_WINDOW / 2 ? left : PD_WINDOW / 2;

		crc = pk_crc32c(crc, source_at(source, at, n, PD_WINDOW), n);
		at += n;
		left -= (uint32_t) n;
	}
	return crc == record->payload_crc32c;
}

/* The next valid header behind offset, or stop, which is at most the source's end. */
static uint64_t
next_header(struct pd_source *source, uint64_t offset, uint64_t stop)
{
	pk_record record;

	for (offset += PK_RECORD_ALIGN; offset < stop; offset += PK_RECORD_ALIGN)
		if (header_at(source, offset, PD_WINDOW, &record))
			return offset;
	return stop;
}

uint64_t
pd_walk_durable(struct pd_source *source, uint64_t known)
{
	pk_record record;
	uint64_t offset = 0;

	while (offset < source->end)
	{
		if (!header_at(source, offset, HEADER_AHEAD, &record))
		{
			offset = next_header(source, offset, source->end);
			continue;
		}
		if (record.durable > known)
			known = record.durable;
		offset += pk_record_size(record.payload_length);
	}
	return known < source->end ? known : source->end;
}

static const char *
header_problem(bool unreadable)
{
	return unreadable ? "the header of a record cannot be read" : "the header of a record is damaged";
}

uint64_t
pd_walk(struct pd_source *source, uint64_t durable, uint64_t verify_from, pd_damage_fn damage, void *arg)
{
	uint64_t offset = 0;

	while (offset < source->end)
	{
		const char *problem = NULL;
		pk_record record;
		uint64_t next;

		if (!header_at(source, offset, HEADER_AHEAD, &record))
		{
			bool unreadable = source->unreadable;

			if (offset >= durable)
			{
				if (unreadable)
					damage(arg, offset, source->end - offset, "cannot be read");
				return offset;
			}
			problem = header_problem(unreadable);
			next = next_header(source, offset, source->end);
			if (next == source->end && durable < next)
				next = durable;
		}
		else
		{
			next = offset + pk_record_size(record.payload_length);
			if (offset >= verify_from && !payload_matches(source, offset, &record))
			{
				if (offset >= durable)
					return offset;
				problem = "the payload of a record is damaged";
			}
		}
		if (problem != NULL)
			damage(arg, offset, next - offset, problem);
		offset = next;
	}
	return offset;
}

uint64_t
pd_walk_headers(struct pd_source *source, uint64_t offset, uint64_t budget,
				bool (*each)(void *arg, const pk_record *record),
				bool (*damage)(void *arg, uint64_t offset, uint64_t length, const char *problem), void *arg)
{
	size_t ahead = HEADER_AHEAD;
	bool more = true;

	while (more && offset < source->end && source->read < budget)
	{
		pk_record record;
		uint64_t next;

		if (header_at(source, offset, ahead, &record))
		{
			next = offset + pk_record_size(record.payload_length);
			/* where records are small, the next ones' headers come with this one's */
			ahead = next - offset < PD_WINDOW / 8 ? PD_WINDOW : HEADER_AHEAD;
			more = each(arg, &record);
		}
		else
		{
			bool unreadable = source->unreadable;
			uint64_t left = source->end - offset;

			next = next_header(source, offset, left > budget ? offset + budget : source->end);
			more = damage(arg, offset, next - offset, header_problem(unreadable));
		}
		offset = next;
	}
	return offset;
}
