/*
 * regress/unit/store/harness.h
 *	  What the tests of store/ share: a directory of their own, drives in it, and
 *	  extents with real records.
 */
#ifndef STORE_HARNESS_H
#define STORE_HARNESS_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
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
#include "contract/pk_record.h"
#include "store/extent.h"

static const uint8_t test_cell[PK_UUID_SIZE] = {0xce, 0x11, 1};
static char test_dir[64];	/* made by begin_test */
static char test_drive[80]; /* in it */

/* What assert_ok's calls are given. */
static struct pd_err ok_err;

#define assert_ok(call)                                                                    \
	do                                                                                     \
	{                                                                                      \
		pk_error assert_rc = (call);                                                       \
		if (assert_rc != PK_OK)                                                            \
			fail_msg("%s: %s (%s)", #call, pk_error_lookup(assert_rc)->name, ok_err.text); \
	} while (0)

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

static inline int
begin_test(void **state)
{
	(void) state;
	snprintf(test_dir, sizeof(test_dir), "%s/pocket-store-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (mkdtemp(test_dir) == NULL)
		return -1;
	snprintf(test_drive, sizeof(test_drive), "%s/drive", test_dir);
	pd_log_set_level(PD_LOG_ERROR + 1);
	return 0;
}

static inline int
end_test(void **state)
{
	(void) state;
	remove_tree(test_dir);
	return 0;
}

static inline struct pd_drive *
open_drive(const struct pd_vfs *vfs)
{
	struct pd_drive *drive = pd_drive_open(vfs, test_drive);

	assert_non_null(drive);
	return drive;
}

static inline enum pd_drive_state
state_of(struct pd_drive *drive, char why[PD_ERR_TEXT])
{
	struct pd_drive_info *info = malloc(sizeof(*info));
	enum pd_drive_state state;

	pd_drive_info(drive, info);
	state = info->state;
	if (why != NULL)
		memcpy(why, info->why, PD_ERR_TEXT);
	free(info);
	return state;
}

static inline struct pd_drive *
open_good_drive(const struct pd_vfs *vfs)
{
	struct pd_drive *drive = open_drive(vfs);
	char why[PD_ERR_TEXT];

	if (state_of(drive, why) != PD_DRIVE_OK)
		fail_msg("drive is not usable: %s", why);
	return drive;
}

static inline struct pd_drive *
new_drive(const struct pd_vfs *vfs)
{
	assert_ok(pd_drive_format(&pd_vfs_real, test_drive, &ok_err));
	return open_good_drive(vfs);
}

static inline void
fill_members(struct pd_members *members, uint64_t bucket_id, uint32_t generation)
{
	memset(members, 0, sizeof(*members));
	members->volume_id = 7;
	members->generation = generation;
	members->code = (pk_code){PK_CODE_REPLICATED, 1, 0};
	members->count = 2;
	for (int i = 0; i < 2; i++)
	{
		members->member[i].drive[0] = (uint8_t) (i + 1);
		members->member[i].bucket_id = bucket_id;
		memset(members->member[i].key, (int) (generation + 1), PD_MEMBER_KEY);
	}
}

static inline struct pd_extent *
new_bucket(struct pd_drive *drive, uint64_t id)
{
	struct pd_members members;
	struct pd_extent *extent;

	fill_members(&members, id, 1);
	assert_ok(pd_extent_create(drive, PK_EXTENT_BUCKET, id, 0, test_cell, &members, 1 << 20, &extent, &ok_err));
	return extent;
}

/* Bytes that anybody can compute again. */
static inline void
fill_bytes(uint8_t *buf, size_t n, uint64_t seed)
{
	uint64_t x = seed * 0x9e3779b97f4a7c15 + 1;

	for (size_t i = 0; i < n; i++)
	{
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		buf[i] = (uint8_t) x;
	}
}

/* A valid record of `length` plain bytes; malloc'd. */
static inline uint8_t *
make_record(uint64_t bucket_id, uint64_t offset, uint64_t durable, uint32_t length, size_t *size)
{
	pk_record record = {.bucket_id = bucket_id,
						.offset = offset,
						.durable = durable,
						.length = length,
						.payload_length = length,
						.codec = PK_CODEC_RAW,
						.cipher = PK_CIPHER_NONE};
	uint8_t *out;

	*size = pk_record_size(length);
	out = calloc(1, *size);
	assert_non_null(out);
	fill_bytes(out + PK_RECORD_HEADER, length, bucket_id ^ (offset << 8));
	pk_sha256(record.hash, out + PK_RECORD_HEADER, length);
	record.crc32c = record.payload_crc32c = pk_crc32c(0, out + PK_RECORD_HEADER, length);
	pk_record_encode(out, &record);
	return out;
}

/* Appends one record; its place and size are known when it was acknowledged. */
static inline pk_error
append_record(struct pd_extent *extent, uint64_t id, uint64_t *offset, uint32_t length, struct pd_err *err)
{
	size_t size;
	uint8_t *record = make_record(id, *offset, *offset, length, &size);
	struct iovec iov[2] = {{record, PK_RECORD_HEADER}, {record + PK_RECORD_HEADER, size - PK_RECORD_HEADER}};
	pk_error rc = pd_extent_append(extent, iov, 2, *offset, err);

	if (rc == PK_OK)
		*offset += size;
	free(record);
	return rc;
}

/* The record that append_record put at offset is there, to the bit; its size. */
static inline uint64_t
check_record(struct pd_extent *extent, uint64_t id, uint64_t offset, uint64_t durable, uint32_t length)
{
	size_t size;
	uint8_t *record = make_record(id, offset, durable, length, &size);
	uint8_t *got = malloc(size);

	assert_ok(pd_extent_read(extent, offset, got, size, &ok_err));
	assert_memory_equal(got, record, size);
	free(got);
	free(record);
	return size;
}

static inline struct pd_extent_info *
info_of(struct pd_extent *extent)
{
	static struct pd_extent_info info;

	pd_extent_info(extent, &info);
	return &info;
}

/* The path of an extent's file; one at a time. */
static inline const char *
path_of(uint64_t id)
{
	static char path[160];
	char file[PK_EXTENT_FILE];

	pk_extent_file(file, PK_EXTENT_BUCKET, id, 0);
	snprintf(path, sizeof(path), "%s/%s", test_drive, file);
	return path;
}

/* Changes one bit of a file. */
static inline void
flip(const char *path, uint64_t offset)
{
	int fd = open(path, O_RDWR);
	uint8_t byte;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, (off_t) offset), 1);
	byte ^= 0x10;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t) offset), 1);
	close(fd);
}

struct found
{
	int count;
	uint64_t offset; /* the first one's */
	uint64_t length;
	char text[PD_ERR_TEXT];
};

static inline void
note_problem(void *arg, uint64_t offset, const char *problem)
{
	struct found *found = arg;

	if (found->count++ == 0)
	{
		found->offset = offset;
		snprintf(found->text, sizeof(found->text), "%s", problem);
	}
}

static inline void
note_rot(void *arg, uint64_t offset, uint64_t length, const char *problem)
{
	struct found *found = arg;

	if (found->count == 0)
		found->length = length;
	note_problem(arg, offset, problem);
}

static inline void
note_damaged(void *arg, const char *file, const char *why)
{
	(void) file;
	note_problem(arg, 0, why);
}

static inline int
scrub(struct pd_extent *extent, struct found *found)
{
	memset(found, 0, sizeof(*found));
	(void) pd_extent_scrub(extent, note_problem, found);
	return found->count;
}

static inline int
rots(struct pd_extent *extent, struct found *found)
{
	memset(found, 0, sizeof(*found));
	pd_extent_each_rot(extent, note_rot, found);
	return found->count;
}

static inline int
damaged(struct pd_drive *drive, struct found *found)
{
	memset(found, 0, sizeof(*found));
	pd_drive_each_damaged(drive, note_damaged, found);
	return found->count;
}

#endif
