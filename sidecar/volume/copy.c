/*
 * volume/copy.c
 *	  Live blocks copied into an open bucket, for compaction.
 *
 * Each is read as any reader would, held against its SHA-256, put as any writer
 * would (durable on every replica when that returns), and read back from its new
 * place.  Rows change afterwards, or not at all: then the copies are garbage.
 */
#include <stdlib.h>
#include <string.h>

#include "volume/internal.h"

#define WINDOW_BYTES (8u * 1024 * 1024) /* of plain bytes under way */
#define WINDOW_BLOCKS 64

/* One block on its way. */
struct copying
{
	struct pd_get get;
	struct pd_put put;
	struct pd_copy *copy;
	struct pd_latch *latch;
};

static void
got(struct pd_get *get)
{
	struct copying *copying = (struct copying *) (void *) ((char *) get - offsetof(struct copying, get));

	pd_latch_done(copying->latch);
}

static void
was_put(struct pd_put *put)
{
	struct copying *copying = (struct copying *) (void *) ((char *) put - offsetof(struct copying, put));

	pd_latch_done(copying->latch);
}

/* Reads all that have not failed, at their old places or the new ones. The bytes are in get.plain of those that are PK_OK then. */
static void
read_all(struct pd_cell *cell, struct copying *window, int count, bool again)
{
	struct pd_latch latch;
	int asked = 0;

	for (int i = 0; i < count; i++)
		asked += window[i].copy->result == PK_OK;
	pd_latch_init(&latch, asked);
	for (int i = 0; i < count; i++)
	{
		struct pd_copy *copy = window[i].copy;

		if (copy->result != PK_OK)
			continue;
		window[i].latch = &latch;
		window[i].get = copy->from;
		window[i].get.crc_checked = false;
		window[i].get.done = got;
		if (again)
		{
			window[i].get.bucket_id = window[i].put.bucket_id;
			window[i].get.offset = copy->offset;
			window[i].get.stored_length = copy->stored_length;
		}
		pd_block_get(cell, &window[i].get);
	}
	pd_latch_wait(&latch);
	pd_latch_release(&latch);
	for (int i = 0; i < count; i++)
	{
		struct pd_copy *copy = window[i].copy;
		struct pd_get *get = &window[i].get;
		uint8_t hash[PK_SHA256_SIZE];

		if (copy->result != PK_OK)
			continue;
		copy->result = get->result;
		copy->err = get->err;
		if (copy->result != PK_OK)
			continue;
		pk_sha256(hash, get->plain->data + get->plain_offset, get->length);
		if (memcmp(hash, copy->from.hash, sizeof(hash)) != 0)
		{
			copy->result = pd_fail(&copy->err, PK_ERR_CORRUPT, "the block has other bytes than its hash says");
			pd_buffer_put(cell->buffers, get->plain);
		}
	}
}

static void
put_all(struct pd_cell *cell, struct copying *window, int count)
{
	struct pd_latch latch;
	int sent = 0;

	for (int i = 0; i < count; i++)
		sent += window[i].copy->result == PK_OK;
	pd_latch_init(&latch, sent);
	for (int i = 0; i < count; i++)
	{
		struct copying *copying = &window[i];

		if (copying->copy->result != PK_OK)
			continue;
		copying->latch = &latch;
		memcpy(copying->put.hash, copying->copy->from.hash, PK_SHA256_SIZE);
		copying->put.length = copying->get.length;
		copying->put.body = copying->get.plain->data + copying->get.plain_offset;
		copying->put.crc32c = pk_crc32c(0, copying->put.body, copying->put.length);
		copying->put.done = was_put;
		pd_bucket_put(cell, &copying->put);
	}
	pd_latch_wait(&latch);
	pd_latch_release(&latch);
	for (int i = 0; i < count; i++)
	{
		struct pd_copy *copy = window[i].copy;

		if (copy->result != PK_OK)
			continue;
		pd_buffer_put(cell->buffers, window[i].get.plain);
		copy->result = window[i].put.result;
		copy->err = window[i].put.err;
		copy->offset = window[i].put.offset;
		copy->stored_length = window[i].put.stored_length;
	}
}

static void
copy_window(struct pd_cell *cell, struct copying *window, int count)
{
	read_all(cell, window, count, false);
	put_all(cell, window, count);
	read_all(cell, window, count, true);
	for (int i = 0; i < count; i++)
	{
		if (window[i].copy->result == PK_OK)
			pd_buffer_put(cell->buffers, window[i].get.plain);
	}
}

pk_error
pd_blocks_copy(struct pd_cell *cell, uint64_t bucket_id, uint32_t generation, struct pd_copy *copies, int count,
			   const struct pd_progress *progress, struct pd_err *err)
{
	struct copying *window = calloc(WINDOW_BLOCKS, sizeof(*window));
	pk_error result = PK_OK;
	int done = 0;

	if (window == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for copying");
	while (result == PK_OK && done < count)
	{
		uint64_t bytes = 0;
		int n = 0;

		if (progress != NULL && !progress->tick(progress->arg, (uint64_t) done, (uint64_t) count))
			result = pd_fail(err, PK_ERR_UNAVAILABLE, "nobody waits for the copies any more");
		while (result == PK_OK && n < WINDOW_BLOCKS && done + n < count &&
			   (n == 0 || bytes + copies[done + n].from.length <= WINDOW_BYTES))
		{
			memset(&window[n], 0, sizeof(window[n]));
			window[n].copy = &copies[done + n];
			window[n].copy->result = PK_OK;
			window[n].put.bucket_id = bucket_id;
			window[n].put.generation = generation;
			bytes += copies[done + n].from.length;
			n++;
		}
		if (result == PK_OK)
			copy_window(cell, window, n);
		done += n;
	}
	free(window);
	return result;
}
