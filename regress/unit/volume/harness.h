/*
 * regress/unit/volume/harness.h
 *	  What the tests of volume/ share: a node with drives in a directory of its
 *	  own, blocks with content made from a seed, puts and gets that are waited for.
 */
#ifndef VOLUME_HARNESS_H
#define VOLUME_HARNESS_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/vfs_faulty.h"
#include "base/vfs_record.h"
#include "contract/pk_hash.h"
#include "volume/volume.h"

#define DRIVES_MAX 12
#define MIB (1024 * 1024)

static const uint8_t test_cell[PK_UUID_SIZE] = {0xce, 0x11, 1};
static const pk_epoch test_epoch = {7, 1, 1};
static struct pd_err ok_err;

#define assert_ok(call)                                                                    \
	do                                                                                     \
	{                                                                                      \
		pk_error assert_rc = (call);                                                       \
		if (assert_rc != PK_OK)                                                            \
			fail_msg("%s: %s (%s)", #call, pk_error_lookup(assert_rc)->name, ok_err.text); \
	} while (0)

struct node
{
	char dir[64];
	int count;
	const struct pd_vfs *vfs;
	struct pd_drive *drives[DRIVES_MAX];
	uint8_t uuids[DRIVES_MAX][PK_UUID_SIZE];
	struct pd_buffer_pool *pool;
	struct pd_cell *cell;
	pk_keyring keys;
};

static inline int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void) st, (void) type, (void) ftw;
	return remove(path);
}

static inline void
remove_tree(const char *path)
{
	nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void
drive_path(const struct node *node, int i, char *path, size_t size)
{
	snprintf(path, size, "%s/d%02d", node->dir, i);
}

/* Opens the drives as a new process would. */
static inline void
start_node(struct node *node)
{
	node->pool = pd_buffer_pool_create(64 * MIB);
	assert_non_null(node->pool);
	for (int i = 0; i < node->count; i++)
	{
		char path[128];

		drive_path(node, i, path, sizeof(path));
		node->drives[i] = pd_drive_open(node->vfs, path);
		assert_non_null(node->drives[i]);
	}
	node->cell = pd_cell_create(node->drives, node->count, &node->keys, node->pool, &ok_err);
	assert_non_null(node->cell);
	pd_cell_recover(node->cell);
}

/* Ends it without sealing anything, as a killed process does. */
static inline void
kill_node(struct node *node)
{
	pd_cell_free(node->cell);
	for (int i = 0; i < node->count; i++)
		pd_drive_close(node->drives[i]);
	pd_buffer_pool_free(node->pool);
	node->cell = NULL;
}

static inline void
restart_node(struct node *node)
{
	kill_node(node);
	start_node(node);
}

/* In a directory that is there. */
static inline void
make_node_in(struct node *node, const char *dir, int count, const struct pd_vfs *vfs)
{
	memset(node, 0, sizeof(*node));
	snprintf(node->dir, sizeof(node->dir), "%s", dir);
	pd_log_set_level(getenv("POCKET_TEST_LOG") != NULL ? PD_LOG_DEBUG : PD_LOG_ERROR + 1);
	node->count = count;
	node->vfs = vfs;
	node->keys.count = 1;
	node->keys.keys[0].id = 1;
	memset(node->keys.keys[0].secret, 0x5a, PK_KEY_SIZE);
	for (int i = 0; i < count; i++)
	{
		char path[128];

		drive_path(node, i, path, sizeof(path));
		assert_ok(pd_drive_format(vfs, path, &ok_err));
	}
	start_node(node);
	assert_ok(pd_cell_bind(node->cell, test_cell, &test_epoch, &ok_err));
	for (int i = 0; i < count; i++)
		memcpy(node->uuids[i], pd_drive_uuid(node->drives[i]), PK_UUID_SIZE);
}

static inline void
make_node(struct node *node, int count, const struct pd_vfs *vfs)
{
	char dir[64];

	snprintf(dir, sizeof(dir), "%s/pocket-volume-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(dir));
	make_node_in(node, dir, count, vfs);
}

static inline void
end_node(struct node *node)
{
	kill_node(node);
	remove_tree(node->dir);
}

/* --- blocks --- */

struct block
{
	struct pd_put put;
	uint8_t *body;
	struct pd_latch *latch;
	bool reader_checks; /* the checksum, when it is read */
};

static inline uint64_t
next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Every third block compresses well. */
static inline void
fill_body(uint8_t *body, uint32_t length, uint64_t seed)
{
	uint64_t state = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;

	for (uint32_t at = 0; at < length; at += 8)
	{
		uint64_t word = next_random(&state);

		if (seed % 3 == 0)
			word &= UINT64_C(0x0f0f);
		memcpy(body + at, &word, length - at < 8 ? length - at : 8);
	}
}

static inline void
put_done(struct pd_put *put)
{
	struct block *block = (struct block *) ((char *) put - offsetof(struct block, put));

	pd_latch_done(block->latch);
}

static inline void
make_block(struct block *block, uint64_t bucket_id, uint32_t length, uint64_t seed)
{
	memset(block, 0, sizeof(*block));
	block->body = malloc(length);
	assert_non_null(block->body);
	fill_body(block->body, length, seed);
	block->put.bucket_id = bucket_id;
	block->put.generation = 1;
	block->put.length = length;
	block->put.body = block->body;
	block->put.done = put_done;
	block->put.crc32c = pk_crc32c(0, block->body, length);
	pk_sha256(block->put.hash, block->body, length);
}

/* All in flight at once; waits for all. */
static inline void
put_blocks(struct node *node, struct block *blocks, int count)
{
	struct pd_latch latch;

	pd_latch_init(&latch, count);
	for (int i = 0; i < count; i++)
	{
		blocks[i].latch = &latch;
		pd_bucket_put(node->cell, &blocks[i].put);
	}
	pd_latch_wait(&latch);
	pd_latch_release(&latch);
}

static inline void
free_blocks(struct block *blocks, int count)
{
	for (int i = 0; i < count; i++)
		free(blocks[i].body);
}

struct reading
{
	struct pd_get get;
	struct pd_latch latch;
};

static inline void
get_done(struct pd_get *get)
{
	pd_latch_done(&((struct reading *) ((char *) get - offsetof(struct reading, get)))->latch);
}

/* What is given must be right, whether all of it comes or not. */
static inline pk_error
read_stream(struct pd_get *get, const struct block *block)
{
	uint8_t piece[100000];
	pk_error rc = PK_OK;

	for (uint32_t at = 0; rc == PK_OK && at < get->length;)
	{
		uint32_t n = get->length - at < sizeof(piece) ? get->length - at : (uint32_t) sizeof(piece);

		rc = pd_stream_read(get->stream, piece, n, &ok_err);
		if (rc == PK_OK)
			assert_memory_equal(piece, block->body + at, n);
		at += n;
	}
	pd_stream_free(get->stream);
	return rc;
}

/* Asks for a block, and waits until it is there, or streams. */
static inline void
ask_for(struct reading *reading, struct node *node, const struct block *block)
{
	struct pd_get *get = &reading->get;

	memset(reading, 0, sizeof(*reading));
	get->bucket_id = block->put.bucket_id;
	get->offset = block->put.offset;
	get->stored_length = block->put.stored_length;
	get->length = block->put.length;
	memcpy(get->hash, block->put.hash, PK_SHA256_SIZE);
	get->crc_checked = block->reader_checks;
	get->done = get_done;
	pd_latch_init(&reading->latch, 1);
	pd_block_get(node->cell, get);
	pd_latch_wait(&reading->latch);
	pd_latch_release(&reading->latch);
}

/* Reads a block and compares it; *degraded may be NULL. */
static inline pk_error
get_block(struct node *node, const struct block *block, bool *degraded)
{
	struct reading reading;
	struct pd_get *get = &reading.get;

	ask_for(&reading, node, block);
	if (degraded != NULL)
		*degraded = get->degraded;
	if (get->result == PK_OK && get->stream != NULL)
		return read_stream(get, block);
	if (get->result == PK_OK)
	{
		assert_memory_equal(get->plain->data + get->plain_offset, block->body, block->put.length);
		pd_buffer_put(node->pool, get->plain);
	}
	else
		ok_err = get->err;
	return get->result;
}

static inline void
expect_blocks(struct node *node, const struct block *blocks, int count)
{
	for (int i = 0; i < count; i++)
	{
		if (blocks[i].put.result == PK_OK)
			assert_ok(get_block(node, &blocks[i], NULL));
	}
}

/* --- volumes --- */

/* A replicated volume of one bucket, whose id is also the volume's, on r drives from `first` on. */
static inline void
replicated(struct node *node, struct pd_members *members, uint64_t id, int first, int r)
{
	memset(members, 0, sizeof(*members));
	members->volume_id = id;
	members->generation = 1;
	members->code = (pk_code){PK_CODE_REPLICATED, 1, 0};
	members->count = r;
	for (int i = 0; i < r; i++)
	{
		memcpy(members->member[i].drive, node->uuids[(first + i) % node->count], PK_UUID_SIZE);
		members->member[i].bucket_id = id;
	}
}

static inline void
open_bucket(struct node *node, uint64_t id, int first, int r, uint64_t capacity)
{
	struct pd_members members;

	replicated(node, &members, id, first, r);
	assert_ok(pd_bucket_open(node->cell, &members, id, capacity, &ok_err));
}

static inline void
extent_path(const struct node *node, int drive, pk_extent_kind kind, uint64_t id, int position, char *path, size_t size)
{
	char file[PK_EXTENT_FILE];

	pk_extent_file(file, kind, id, position);
	snprintf(path, size, "%s/d%02d/%s", node->dir, drive, file);
}

/* Changes one byte of an extent's bytes. */
static inline void
flip_byte(const struct node *node, int drive, pk_extent_kind kind, uint64_t id, int position, uint64_t offset)
{
	char path[256];
	uint8_t byte;
	int fd;

	extent_path(node, drive, kind, id, position, path, sizeof(path));
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, (off_t) (PD_EXTENT_DATA + offset)), 1);
	byte ^= 0x40;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t) (PD_EXTENT_DATA + offset)), 1);
	close(fd);
}

/* All extents of a bucket are sealed, at one length, with the same bytes. Returns how many. */
static inline int
expect_replicas_alike(struct node *node, uint64_t id, uint64_t *length)
{
	uint8_t *first = NULL;
	uint8_t *bytes = NULL;
	int found = 0;

	for (int i = 0; i < node->count; i++)
	{
		struct pd_extent *extent = pd_extent_find(node->drives[i], PK_EXTENT_BUCKET, id, 0);
		struct pd_extent_info info;

		if (extent == NULL)
			continue;
		pd_extent_info(extent, &info);
		assert_true(info.sealed);
		if (found > 0)
			assert_int_equal(info.length, *length);
		*length = info.length;
		bytes = malloc(info.length + 1);
		assert_non_null(bytes);
		assert_ok(pd_extent_read_checked(extent, 0, bytes, info.length, &ok_err));
		if (first == NULL)
			first = bytes;
		else
		{
			assert_memory_equal(first, bytes, info.length);
			free(bytes);
		}
		found++;
		pd_extent_unref(extent);
	}
	free(first);
	return found;
}

static inline void
count_report(void *arg, const struct pd_report *report)
{
	(void) report;
	(*(int *) arg)++;
}

/* Each is given from a copy, so it may go at once. */
static inline void
take_report(void *arg, const struct pd_report *report)
{
	pd_cell_forget_report(arg, report->drive, report->file);
}

static inline int
take_reports(struct node *node)
{
	int count = 0;

	pd_cell_each_report(node->cell, count_report, &count);
	pd_cell_each_report(node->cell, take_report, node->cell);
	return count;
}

#endif
