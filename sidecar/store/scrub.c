/*
 * store/scrub.c
 *	  Reading everything that an extent's file holds, and telling what is wrong.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contract/pk_hash.h"
#include "store/internal.h"

#define SCRUB_WINDOW (1024 * 1024)

_Static_assert(SCRUB_WINDOW % PD_EXTENT_CHUNK == 0, "whole chunks");

struct scrub
{
	struct pd_extent *extent;
	struct pd_view view;
	uint8_t *window; /* SCRUB_WINDOW bytes */
	uint64_t bytes;	 /* read so far */
	void (*report)(void *arg, uint64_t offset, const char *problem);
	void *arg;
};

static bool
scrub_read(struct scrub *scrub, void *buf, size_t n, uint64_t file_offset)
{
	const struct pd_vfs *vfs = scrub->extent->drive->vfs;

	scrub->bytes += n;
	return pd_vfs_read_full(vfs, scrub->view.fd, buf, n, file_offset) == 0;
}

/* A slot was never written, or is valid; the other one of an extent that was settled is, too. */
static void
scrub_slot(struct scrub *scrub, int index, const uint8_t *page)
{
	struct pd_extent *extent = scrub->extent;
	bool current = index == extent->slot_index;
	uint64_t sequence = current ? extent->slot.sequence : extent->slot.sequence - 1;
	struct pd_slot slot;
	struct pd_err err;
	char problem[PD_ERR_TEXT];

	if (!current && extent->slot.sequence <= 1 && pd_all_zero(page, PD_PAGE))
		return;
	if (pd_slot_decode(&slot, page, &extent->header, &err) != PK_OK)
		snprintf(problem, sizeof(problem), "slot %c is damaged: the file %.400s", 'A' + index, err.text);
	else if (slot.sequence != sequence)
		snprintf(problem, sizeof(problem), "slot %c has sequence %llu, not %llu", 'A' + index,
				 (unsigned long long) slot.sequence, (unsigned long long) sequence);
	else
		return;
	scrub->report(scrub->arg, 0, problem);
}

/* Header and slots, while no slot is being written. */
static void
scrub_head(struct scrub *scrub)
{
	struct pd_extent *extent = scrub->extent;
	uint8_t header[PD_PAGE];
	bool ok;

	pthread_mutex_lock(&extent->io);
	ok = scrub_read(scrub, scrub->window, PD_EXTENT_DATA, 0);
	if (!ok)
		scrub->report(scrub->arg, 0, "the header or the slots cannot be read");
	else
	{
		pd_header_encode(header, &extent->header);
		if (memcmp(scrub->window, header, PD_PAGE) != 0)
			scrub->report(scrub->arg, 0, "the header is damaged");
		for (int i = 0; i < 2; i++)
			scrub_slot(scrub, i, scrub->window + PD_SLOT_OFFSET(i));
		if (!pd_all_zero(scrub->window + 3 * PD_PAGE, PD_PAGE))
			scrub->report(scrub->arg, 0, "the page behind the slots is damaged");
	}
	pthread_mutex_unlock(&extent->io);
}

/* Padding, table, trailer: malloc'd table, or NULL when it cannot be believed. */
static uint8_t *
scrub_tail(struct scrub *scrub)
{
	uint64_t length = scrub->view.length;
	uint64_t begin = PD_EXTENT_DATA + length;
	uint64_t padding = pd_table_offset(length) - begin;
	uint64_t count = pd_table_count(length);
	size_t size = pd_sealed_size(length) - begin;
	uint8_t *tail = malloc(size);
	struct pd_trailer trailer;
	struct pd_err err;
	char problem[PD_ERR_TEXT];

	if (tail == NULL)
		return NULL;
	if (!scrub_read(scrub, tail, size, begin))
	{
		scrub->report(scrub->arg, length, "the table or the trailer cannot be read");
		free(tail);
		return NULL;
	}
	if (!pd_all_zero(tail, padding))
		scrub->report(scrub->arg, length, "the padding behind the bytes is damaged");
	if (pd_trailer_decode(&trailer, tail + size - PD_TRAILER, &scrub->extent->header, scrub->view.file_size, &err) !=
		PK_OK)
	{
		snprintf(problem, sizeof(problem), "the trailer is damaged: the file %.400s", err.text);
		scrub->report(scrub->arg, length, problem);
	}
	else if (trailer.table_crc != pk_crc32c(0, tail + padding, count * 4))
	{
		scrub->report(scrub->arg, length, "the table of checksums is damaged");
		free(tail);
		return NULL;
	}
	memmove(tail, tail + padding, count * 4);
	return tail;
}

static void
scrub_chunk(struct scrub *scrub, uint64_t offset, const uint8_t *chunk, size_t n, uint32_t crc)
{
	char problem[PD_ERR_TEXT];

	if (pk_crc32c(0, chunk, n) == crc)
		return;
	snprintf(problem, sizeof(problem), "bytes %llu to %llu do not match their checksum", (unsigned long long) offset,
			 (unsigned long long) offset + n);
	scrub->report(scrub->arg, offset, problem);
}

static void
scrub_sealed(struct scrub *scrub)
{
	uint64_t length = scrub->view.length;
	uint8_t *table = scrub_tail(scrub);

	if (table == NULL)
		return;
	for (uint64_t at = 0; at < length; at += SCRUB_WINDOW)
	{
		size_t n = length - at < SCRUB_WINDOW ? length - at : SCRUB_WINDOW;
		bool whole = scrub_read(scrub, scrub->window, n, PD_EXTENT_DATA + at);

		for (size_t done = 0; done < n; done += PD_EXTENT_CHUNK)
		{
			size_t take = n - done < PD_EXTENT_CHUNK ? n - done : PD_EXTENT_CHUNK;

			if (!whole && !scrub_read(scrub, scrub->window + done, take, PD_EXTENT_DATA + at + done))
				scrub->report(scrub->arg, at + done, "a chunk cannot be read");
			else
				scrub_chunk(scrub, at + done, scrub->window + done, take,
							pk_get_u32(table + (at + done) / PD_EXTENT_CHUNK * 4));
		}
	}
	free(table);
}

static void
report_damage(void *arg, uint64_t offset, uint64_t length, const char *problem)
{
	struct scrub *scrub = arg;

	(void) length;
	scrub->report(scrub->arg, offset, problem);
}

/* What a slot says was sealed, and is not: its trailer was lost. */
static void
scrub_lost_trailer(struct scrub *scrub)
{
	struct pd_extent *extent = scrub->extent;
	uint64_t sealed;

	pthread_mutex_lock(&extent->mutex);
	sealed = extent->state == PD_EXTENT_CLOSED ? pd_slot_length(extent) : 0;
	pthread_mutex_unlock(&extent->mutex);
	if (sealed > 0)
		scrub->report(scrub->arg, scrub->view.length, "the trailer is damaged: the slot says that it was sealed");
}

static void
scrub_unsealed(struct scrub *scrub)
{
	struct pd_extent *extent = scrub->extent;
	struct pd_source source;

	scrub_lost_trailer(scrub);
	if (extent->header.kind != PK_EXTENT_BUCKET)
		return;
	if (pd_source_init(&source, extent->drive->vfs, scrub->view.fd, extent->header.id, scrub->view.length, NULL) !=
		PK_OK)
		return;
	(void) pd_walk(&source, scrub->view.length, 0, report_damage, scrub);
	scrub->bytes += source.read;
	pd_source_release(&source);
}

uint64_t
pd_extent_scrub(struct pd_extent *extent, void (*report)(void *arg, uint64_t offset, const char *problem), void *arg)
{
	struct scrub scrub = {.extent = extent, .report = report, .arg = arg};
	struct pd_err err;
	pk_error result;

	if (pd_drive_is_remote(extent->drive)) /* its own node does that */
		return 0;
	result = pd_view_open(extent, &scrub.view, &err);
	if (result != PK_OK)
	{
		report(arg, 0, err.text);
		return 0;
	}
	scrub.window = malloc(SCRUB_WINDOW);
	if (scrub.window != NULL)
	{
		scrub_head(&scrub);
		if (scrub.view.sealed)
			scrub_sealed(&scrub);
		else
			scrub_unsealed(&scrub);
	}
	free(scrub.window);
	pd_view_close(extent, &scrub.view);
	return scrub.bytes;
}
