/*
 * regress/unit/store/test_extent.c
 *	  Creating, appending, sealing, reading, building, removing, scrubbing.
 */
#include <pthread.h>

#include "harness.h"

#define CHUNK PD_EXTENT_CHUNK

/* A sealed bucket of n bytes that are no records. */
static struct pd_extent *
sealed_bytes(struct pd_drive *drive, uint64_t id, size_t n, uint8_t *bytes)
{
	struct pd_extent *extent = new_bucket(drive, id);

	fill_bytes(bytes, n, id);
	for (size_t done = 0; done < n;)
	{
		size_t take = n - done < 100000 ? n - done : 100000;
		struct iovec iov[2] = {{bytes + done, take / 3}, {bytes + done + take / 3, take - take / 3}};

		assert_ok(pd_extent_append(extent, iov, 2, done, &ok_err));
		done += take;
	}
	assert_ok(pd_extent_seal(extent, n, &ok_err));
	return extent;
}

static void
a_bucket_is_created_appended_sealed_and_read(void **state)
{
	struct pd_drive *drive = new_drive(&pd_vfs_real);
	struct pd_extent *extent = new_bucket(drive, 0x1234);
	struct pd_extent *again;
	struct pd_members members;
	uint64_t offset = 0, first;
	struct found found;
	struct pd_err err;

	(void) state;
	fill_members(&members, 0x1234, 1);
	assert_int_equal(pd_extent_create(drive, PK_EXTENT_BUCKET, 0x1234, 0, test_cell, &members, 0, &again, &err),
					 PK_ERR_STATE);
	assert_true(pd_extent_is_open(extent));
	assert_ok(append_record(extent, 0x1234, &offset, 1, &ok_err));
	first = offset;
	assert_ok(append_record(extent, 0x1234, &offset, 300000, &ok_err));
	assert_int_equal(info_of(extent)->length, offset);
	assert_int_equal(check_record(extent, 0x1234, 0, 0, 1), first);
	check_record(extent, 0x1234, first, first, 300000);
	assert_int_equal(scrub(extent, &found), 0);
	first = 5;
	assert_int_equal(append_record(extent, 0x1234, &first, 1, &err), PK_ERR_STATE);
	assert_int_equal(pd_extent_seal(extent, offset + 1, &err), PK_ERR_STATE);
	assert_ok(pd_extent_seal(extent, offset, &ok_err));
	assert_ok(pd_extent_seal(extent, offset, &ok_err));
	assert_int_equal(pd_extent_seal(extent, offset - 64, &err), PK_ERR_STATE);
	assert_int_equal(append_record(extent, 0x1234, &offset, 1, &err), PK_ERR_BUCKET_CLOSED);
	assert_int_equal(scrub(extent, &found), 0);
	pd_extent_unref(extent);
	pd_drive_close(drive);

	drive = open_good_drive(&pd_vfs_real);
	extent = pd_extent_find(drive, PK_EXTENT_BUCKET, 0x1234, 0);
	assert_non_null(extent);
	assert_true(info_of(extent)->sealed);
	assert_int_equal(info_of(extent)->length, offset);
	assert_memory_equal(info_of(extent)->cell, test_cell, PK_UUID_SIZE);
	assert_memory_equal(&info_of(extent)->members, &members, sizeof(members));
	assert_int_equal(scrub(extent, &found), 0);
	pd_extent_unref(extent);
	pd_drive_close(drive);
}

static void
checked_reads_cross_chunks_and_ends(void **state)
{
	static const size_t lengths[] = {0, 1, 4096, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 777, 300 * CHUNK + 5};
	struct pd_drive *drive = new_drive(&pd_vfs_real);
	uint8_t *bytes = malloc(301 * CHUNK), *got = malloc(304 * CHUNK);
	struct pd_err err;

	(void) state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
	{
		size_t length = lengths[i];
		struct pd_extent *extent = sealed_bytes(drive, i + 1, length, bytes);

		for (size_t at = 0; at < 4; at++)
			for (size_t n = 1; n <= 303 * CHUNK; n = n * 3 + 1)
			{
				size_t begin = at * CHUNK;
				size_t have = begin >= length ? 0 : length - begin < n ? length - begin : n;

				memset(got, 0xff, n);
				assert_ok(pd_extent_read_checked(extent, begin, got, n, &ok_err));
				assert_memory_equal(got, bytes + begin, have);
				for (size_t j = have; j < n; j++)
					assert_int_equal(got[j], 0);
			}
		assert_int_equal(pd_extent_read_checked(extent, 1, got, 1, &err), PK_ERR_INTERNAL);
		assert_int_equal(pd_extent_read(extent, length, got, 1, &err), PK_ERR_NOT_FOUND);
		pd_extent_unref(extent);
	}
	free(bytes);
	free(got);
	pd_drive_close(drive);
}

static void
a_checked_read_of_a_part_sees_its_whole_chunk(void **state)
{
	struct pd_drive *drive = new_drive(&pd_vfs_real);
	uint8_t *bytes = malloc(4 * CHUNK);
	struct pd_extent *extent = sealed_bytes(drive, 9, 3 * CHUNK + 50, bytes);
	struct pd_err err;

	(void) state;
	flip(path_of(9), PD_EXTENT_DATA + 2 * CHUNK - 1);
	assert_ok(pd_extent_read_checked(extent, 0, bytes, CHUNK, &ok_err));
	assert_int_equal(pd_extent_read_checked(extent, CHUNK, bytes, 10, &err), PK_ERR_CORRUPT);
	assert_non_null(strstr(err.text, "65536"));
	assert_int_equal(pd_extent_read_checked(extent, 0, bytes, 4 * CHUNK, &err), PK_ERR_CORRUPT);
	assert_ok(pd_extent_read_checked(extent, 2 * CHUNK, bytes, 2 * CHUNK, &ok_err));
	assert_ok(pd_extent_read(extent, CHUNK, bytes, CHUNK, &ok_err));
	pd_extent_unref(extent);
	pd_drive_close(drive);
	free(bytes);
}

static void
sealing_shorter_cuts_what_lies_behind(void **state)
{
	static const size_t cuts[] = {0, 64, CHUNK - 64, CHUNK, CHUNK + 64, 2 * CHUNK};
	struct pd_drive *drive = new_drive(&pd_vfs_real);
	uint8_t *bytes = malloc(3 * CHUNK), *got = malloc(3 * CHUNK);
	struct found found;

	(void) state;
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++)
	{
		struct pd_extent *extent = new_bucket(drive, i + 1);
		struct iovec iov = {bytes, 2 * CHUNK + 640};

		fill_bytes(bytes, 3 * CHUNK, i);
		assert_ok(pd_extent_append(extent, &iov, 1, 0, &ok_err));
		assert_ok(pd_extent_seal(extent, cuts[i], &ok_err));
		assert_int_equal(scrub(extent, &found), 0);
		assert_ok(pd_extent_read_checked(extent, 0, got, 3 * CHUNK, &ok_err));
		assert_memory_equal(got, bytes, cuts[i]);
		pd_extent_unref(extent);
	}
	pd_drive_close(drive);
	drive = open_good_drive(&pd_vfs_real);
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++)
	{
		struct pd_extent *extent = pd_extent_find(drive, PK_EXTENT_BUCKET, i + 1, 0);

		assert_true(info_of(extent)->sealed);
		assert_int_equal(info_of(extent)->length, cuts[i]);
		pd_extent_unref(extent);
	}
	pd_drive_close(drive);
	free(bytes);
	free(got);
}

/* What was written ahead is not written again, and the extent is the same as if all of it had come at once. */
static void
what_is_written_ahead_is_part_of_the_append(void **state)
{
	struct pd_faults faults = {.below = &pd_vfs_real, .op = PD_FAULT_WRITE};
	struct pd_vfs *vfs = pd_vfs_faulty(&faults);
	struct pd_drive *drive = new_drive(vfs);
	struct pd_extent *extent = new_bucket(drive, 9);
	size_t n = 40 * CHUNK + 777;
	uint8_t *bytes = malloc(n), *got = malloc(n);
	struct iovec iov = {bytes, 1000};
	struct found found;
	struct pd_err err;
	long writes;

	(void) state;
	fill_bytes(bytes, n, 9);
	assert_ok(pd_extent_append(extent, &iov, 1, 0, &ok_err));
	assert_int_equal(pd_extent_write_ahead(extent, bytes, CHUNK, 0, &err), PK_ERR_STATE);
	assert_int_equal(pd_extent_write_ahead(extent, bytes + 2000, CHUNK, 2000, &err), PK_ERR_STATE);
	assert_int_equal(pd_extent_write_ahead(extent, bytes + CHUNK, CHUNK - 1, CHUNK, &err), PK_ERR_STATE);
	assert_ok(pd_extent_write_ahead(extent, bytes + CHUNK, 20 * CHUNK, CHUNK, &ok_err));
	assert_int_equal(pd_extent_write_ahead(extent, bytes + 30 * CHUNK, CHUNK, 30 * CHUNK, &err), PK_ERR_STATE);
	assert_ok(pd_extent_write_ahead(extent, bytes + 21 * CHUNK, 12 * CHUNK, 21 * CHUNK, &ok_err));
	assert_int_equal(info_of(extent)->length, 1000);

	writes = faults.count;
	iov = (struct iovec){bytes + 1000, n - 1000};
	assert_ok(pd_extent_append(extent, &iov, 1, 1000, &ok_err));
	assert_int_equal(faults.count - writes, 2); /* before it and behind it: each is less than a piece */
	assert_int_equal(info_of(extent)->length, n);
	assert_ok(pd_extent_read(extent, 0, got, n, &ok_err));
	assert_memory_equal(got, bytes, n);
	assert_ok(pd_extent_seal(extent, n, &ok_err));
	assert_int_equal(scrub(extent, &found), 0);
	memset(got, 0, n);
	assert_ok(pd_extent_read_checked(extent, 0, got, n, &ok_err));
	assert_memory_equal(got, bytes, n);
	assert_int_equal(pd_extent_write_ahead(extent, bytes, CHUNK, 41 * CHUNK, &err), PK_ERR_BUCKET_CLOSED);
	pd_extent_unref(extent);
	pd_drive_close(drive);
	pd_vfs_faulty_free(vfs);
	free(bytes);
	free(got);
}

/* Whatever was written ahead of an append that never came is no part of the extent. */
static void
what_was_only_written_ahead_is_cut_off(void **state)
{
	struct pd_drive *drive = new_drive(&pd_vfs_real);
	struct pd_extent *extent = new_bucket(drive, 9);
	uint8_t *bytes = malloc(8 * CHUNK);
	uint64_t offset = 0;
	struct found found;

	(void) state;
	fill_bytes(bytes, 8 * CHUNK, 9);
	assert_ok(append_record(extent, 9, &offset, 5000, &ok_err));
	assert_ok(pd_extent_write_ahead(extent, bytes, 8 * CHUNK, CHUNK, &ok_err));
	pd_extent_unref(extent);
	pd_drive_close(drive);

	drive = open_good_drive(&pd_vfs_real);
	extent = pd_extent_find(drive, PK_EXTENT_BUCKET, 9, 0);
	assert_non_null(extent);
	assert_int_equal(info_of(extent)->length, offset);
	assert_ok(pd_extent_seal(extent, offset, &ok_err));
	assert_int_equal(scrub(extent, &found), 0);
	check_record(extent, 9, 0, 0, 5000);
	pd_extent_unref(extent);
	pd_drive_close(drive);
	free(bytes);
}

static void
rot_since_the_append_is_not_sealed_over(void **state)
{
	struct pd_drive *drive = new_drive(&pd_vfs_real);
	struct pd_extent *extent = new_bucket(drive, 9);
	uint8_t *bytes = calloc(1, 2 * CHUNK);
	struct iovec iov = {bytes, 2 * CHUNK};
	struct found found;
	struct pd_err err;

	(void) state;
	assert_ok(pd_extent_append(extent, &iov, 1, 0, &ok_err));
	flip(path_of(9), PD_EXTENT_DATA + CHUNK + 1000);
	assert_int_equal(pd_extent_seal(extent, 2 * CHUNK - 64, &err), PK_ERR_CORRUPT);
	assert_ok(pd_extent_seal(extent, 2 * CHUNK, &ok_err));
	assert_int_equal(scrub(extent, &found), 1);
	assert_int_equal(found.offset, CHUNK);
	pd_extent_unref(extent);
	pd_drive_close(drive);
	free(bytes);
}

static void
slots_alternate_and_older_generations_are_refused(void **state)
{
	struct pd_drive *drive = new_drive(&pd_vfs_real);
	struct pd_extent *extent = new_bucket(drive, 9);
	struct pd_members members;
	struct found found;
	struct pd_err err;

	(void) state;
	for (uint32_t generation = 1; generation < 8; generation++)
	{
		fill_members(&members, 9, generation);
		assert_ok(pd_extent_set_members(extent, &members, &ok_err));
		assert_int_equal(scrub(extent, &found), 0);
	}
	fill_members(&members, 9, 6);
	assert_int_equal(pd_extent_set_members(extent, &members, &err), PK_ERR_STATE);
	members.volume_id = 8; /* another volume counts its own */
	members.count = PK_MEMBERS_MAX;
	assert_ok(pd_extent_set_members(extent, &members, &ok_err));
	members.count = PK_MEMBERS_MAX + 1;
	assert_int_equal(pd_extent_set_members(extent, &members, &err), PK_ERR_TOO_LARGE);
	pd_extent_unref(extent);
	pd_drive_close(drive);

	flip(path_of(9), 4096 + 70); /* slot A or B: the other one counts */
	drive = open_good_drive(&pd_vfs_real);
	extent = pd_extent_find(drive, PK_EXTENT_BUCKET, 9, 0);
	assert_true(info_of(extent)->members.volume_id == 8 || info_of(extent)->members.generation == 7);
	assert_int_equal(scrub(extent, &found), 1);
	members.count = 3;
	members.volume_id = info_of(extent)->members.volume_id;
	members.generation = 20;
	assert_ok(pd_extent_set_members(extent, &members, &ok_err));
	assert_int_equal(scrub(extent, &found), 0);
	pd_extent_unref(extent);
	pd_drive_close(drive);

	flip(path_of(9), 4096 + 70);
	flip(path_of(9), 8192 + 70);
	drive = open_good_drive(&pd_vfs_real);
	extent = pd_extent_find(drive, PK_EXTENT_BUCKET, 9, 0);
	assert_int_equal(info_of(extent)->members.count, 0);
	assert_int_equal(rots(extent, &found), 1);
	assert_int_equal(scrub(extent, &found), 2);
	assert_ok(pd_extent_set_members(extent, &members, &ok_err));
	pd_extent_unref(extent);
	pd_drive_close(drive);
}

static struct pd_extent *
build(struct pd_drive *drive, pk_extent_kind kind, uint64_t id, int position, const uint8_t *bytes, size_t n)
{
	struct pd_extent_build *build;
	struct pd_extent *extent;
	struct pd_members members;

	fill_members(&members, id, 3);
	assert_ok(pd_extent_build_begin(drive, kind, id, position, test_cell, &members, n, &build, &ok_err));
	for (size_t done = 0; done < n;)
	{
		size_t take = n - done < 2 * CHUNK ? n - done : 2 * CHUNK;

		assert_ok(pd_extent_build_write(build, bytes + done, take, &ok_err));
		done += take;
	}
	assert_ok(pd_extent_build_finish(build, &extent, &ok_err));
	return extent;
}

static void
a_build_replaces_and_holders_read_on(void **state)
{
	struct pd_drive *drive = new_drive(&pd_vfs_real);
	uint8_t *old_bytes = malloc(5 * CHUNK), *bytes = malloc(5 * CHUNK), *got = malloc(5 * CHUNK);
	struct pd_extent *old = sealed_bytes(drive, 9, 2 * CHUNK, old_bytes);
	struct pd_extent *made, *found;
	struct found problems;
	struct pd_err err;

	(void) state;
	fill_bytes(bytes, 5 * CHUNK, 77);
	made = build(drive, PK_EXTENT_BUCKET, 9, 0, bytes, 4 * CHUNK + 100);
	found = pd_extent_find(drive, PK_EXTENT_BUCKET, 9, 0);
	assert_ptr_equal(found, made);
	pd_extent_unref(found);
	assert_ok(pd_extent_read_checked(made, 0, got, 5 * CHUNK, &ok_err));
	assert_memory_equal(got, bytes, 4 * CHUNK + 100);
	assert_ok(pd_extent_read_checked(old, 0, got, 2 * CHUNK, &ok_err));
	assert_memory_equal(got, old_bytes, 2 * CHUNK);
	assert_true(info_of(old)->sealed);
	assert_int_equal(scrub(made, &problems), 0);
	assert_int_equal(pd_extent_remove(old, &err), PK_ERR_STATE);
	pd_extent_unref(old);

	assert_ok(pd_extent_remove(made, &ok_err));
	assert_null(pd_extent_find(drive, PK_EXTENT_BUCKET, 9, 0));
	assert_int_equal(access(path_of(9), F_OK), -1);
	assert_ok(pd_extent_read_checked(made, 0, got, 5 * CHUNK, &ok_err));
	assert_int_equal(pd_extent_seal(made, 1, &err), PK_ERR_STATE);
	pd_extent_unref(made);

	pd_extent_unref(build(drive, PK_EXTENT_PARITY, 9, 8, bytes, 0));
	pd_drive_close(drive);
	drive = open_good_drive(&pd_vfs_real);
	made = pd_extent_find(drive, PK_EXTENT_PARITY, 9, 8);
	assert_true(info_of(made)->sealed);
	assert_int_equal(info_of(made)->position, 8);
	assert_null(pd_extent_find(drive, PK_EXTENT_BUCKET, 9, 0));
	pd_extent_unref(made);
	pd_drive_close(drive);
	free(old_bytes);
	free(bytes);
	free(got);
}

static uint64_t
trash_bytes(struct pd_drive *drive)
{
	struct pd_drive_info *info = malloc(sizeof(*info));
	uint64_t bytes;

	pd_drive_info(drive, info);
	bytes = info->trash;
	free(info);
	return bytes;
}

static void
what_is_in_the_trash_is_read_comes_back_and_goes(void **state)
{
	struct pd_drive *drive = new_drive(&pd_vfs_real);
	struct pd_extent *extent = new_bucket(drive, 7);
	struct pd_extent *found;
	struct pd_extent_info info, before;
	uint64_t offset = 0;
	struct pd_err err;
	uint8_t byte;

	(void) state;
	assert_ok(append_record(extent, 7, &offset, 5000, &ok_err));
	assert_int_equal(pd_extent_trash(extent, &err), PK_ERR_STATE); /* it takes appends */
	pd_extent_info(extent, &info);
	assert_ok(pd_extent_seal(extent, info.length, &ok_err));
	pd_extent_info(extent, &before);
	assert_ok(pd_extent_trash(extent, &ok_err));
	assert_ok(pd_extent_read(extent, before.length - 1, &byte, 1, &ok_err)); /* who holds it goes on */
	assert_int_equal(pd_extent_trash(extent, &err), PK_ERR_STATE);
	pd_extent_unref(extent);

	for (int start = 0; start < 2; start++) /* and after a start */
	{
		assert_null(pd_extent_find(drive, PK_EXTENT_BUCKET, 7, 0));
		found = pd_extent_find_kept(drive, PK_EXTENT_BUCKET, 7, 0);
		assert_non_null(found);
		pd_extent_info(found, &info);
		assert_true(info.trashed && info.sealed);
		assert_string_equal(info.file, "trash/b-0000000000000007");
		assert_true(info.length == before.length && info.members.volume_id == before.members.volume_id);
		assert_ok(pd_extent_read(found, before.length - 1, &byte, 1, &ok_err));
		assert_int_equal(trash_bytes(drive), info.file_size);
		assert_ok(pd_extent_trash(found, &ok_err)); /* again */
		pd_extent_unref(found);
		if (start == 0)
		{
			pd_drive_close(drive);
			drive = open_good_drive(&pd_vfs_real);
		}
	}

	/* another one takes its place: the readers' choice is that, and neither name is given twice */
	extent = new_bucket(drive, 7);
	assert_ok(pd_extent_seal(extent, 0, &ok_err));
	found = pd_extent_find_kept(drive, PK_EXTENT_BUCKET, 7, 0);
	assert_ptr_equal(found, extent);
	pd_extent_unref(found);
	assert_int_equal(pd_extent_trash(extent, &err), PK_ERR_STATE);
	found = pd_extent_find_trashed(drive, PK_EXTENT_BUCKET, 7, 0);
	assert_int_equal(pd_extent_untrash(found, &err), PK_ERR_STATE);
	assert_ok(pd_extent_remove(extent, &ok_err));
	pd_extent_unref(extent);

	assert_ok(pd_extent_untrash(found, &ok_err));
	pd_extent_unref(found);
	assert_int_equal(trash_bytes(drive), 0);
	found = pd_extent_find(drive, PK_EXTENT_BUCKET, 7, 0);
	assert_non_null(found);
	assert_ok(pd_extent_read(found, before.length - 1, &byte, 1, &ok_err));
	assert_ok(pd_extent_untrash(found, &ok_err)); /* again */
	assert_ok(pd_extent_trash(found, &ok_err));
	pd_extent_unref(found);
	found = pd_extent_find_trashed(drive, PK_EXTENT_BUCKET, 7, 0);
	assert_ok(pd_extent_remove(found, &ok_err));
	assert_ok(pd_extent_read(found, before.length - 1, &byte, 1, &ok_err));
	pd_extent_unref(found);
	assert_null(pd_extent_find_kept(drive, PK_EXTENT_BUCKET, 7, 0));
	pd_drive_close(drive);
	drive = open_good_drive(&pd_vfs_real);
	assert_null(pd_extent_find_kept(drive, PK_EXTENT_BUCKET, 7, 0));
	pd_drive_close(drive);
}

static void
builds_take_what_was_announced(void **state)
{
	struct pd_drive *drive = new_drive(&pd_vfs_real);
	struct pd_extent *open = new_bucket(drive, 9);
	struct pd_extent_build *made;
	struct pd_members members;
	static uint8_t bytes[CHUNK + 1];
	struct pd_err err;

	(void) state;
	fill_members(&members, 9, 3);
	assert_int_equal(pd_extent_build_begin(drive, PK_EXTENT_BUCKET, 9, 0, test_cell, &members, 1, &made, &err),
					 PK_ERR_STATE);
	assert_ok(pd_extent_build_begin(drive, PK_EXTENT_PARITY, 9, 1, test_cell, &members, CHUNK, &made, &ok_err));
	assert_int_equal(pd_extent_build_write(made, bytes, CHUNK + 1, &err), PK_ERR_INTERNAL);
	assert_ok(pd_extent_build_write(made, bytes, 10, &ok_err));
	assert_int_equal(pd_extent_build_write(made, bytes, 10, &err), PK_ERR_INTERNAL);
	assert_int_equal(pd_extent_build_finish(made, NULL, &err), PK_ERR_INTERNAL);
	assert_ok(pd_extent_build_begin(drive, PK_EXTENT_PARITY, 9, 1, test_cell, &members, CHUNK, &made, &ok_err));
	pd_extent_build_abandon(made);
	pd_extent_build_abandon(NULL);
	assert_null(pd_extent_find(drive, PK_EXTENT_PARITY, 9, 1));
	pd_extent_unref(open);
	pd_drive_close(drive);
}

static void
scrubbing_finds_a_flipped_byte_anywhere(void **state)
{
	const size_t length = 3 * CHUNK + 1000;
	const uint64_t table = PD_EXTENT_DATA + 3 * CHUNK + 4096;
	const struct
	{
		uint64_t at;
		const char *words;
	} flips[] = {
		{0, "header"},
		{9, "header"},
		{3000, "header"},
		{4096, "slot A"},
		{4096 + 100, "slot A"},
		{8192 + 4095, "slot B"},
		{12288 + 7, "behind the slots"},
		{PD_EXTENT_DATA, "bytes 0 to"},
		{PD_EXTENT_DATA + CHUNK, "bytes 65536 to"},
		{PD_EXTENT_DATA + length - 1, "bytes 196608 to"},
		{PD_EXTENT_DATA + length, "padding"},
		{table, "table"},
		{table + 15, "table"},
		{table + 16, "trailer"},
		{table + 16 + 20, "trailer"},
		{table + 16 + 63, "trailer"},
	};
	struct pd_drive *drive = new_drive(&pd_vfs_real);
	uint8_t *bytes = malloc(length);
	struct pd_extent *extent = sealed_bytes(drive, 9, length, bytes);
	struct pd_members members;
	struct found found;

	(void) state;
	fill_members(&members, 9, 2);
	assert_ok(pd_extent_set_members(extent, &members, &ok_err));
	assert_int_equal(scrub(extent, &found), 0);
	assert_true(pd_extent_scrub(extent, note_problem, &found) >= length + PD_EXTENT_DATA);
	for (size_t i = 0; i < sizeof(flips) / sizeof(flips[0]); i++)
	{
		flip(path_of(9), flips[i].at);
		assert_int_equal(scrub(extent, &found), 1);
		if (strstr(found.text, flips[i].words) == NULL)
			fail_msg("flip at %llu gave \"%s\"", (unsigned long long) flips[i].at, found.text);
		flip(path_of(9), flips[i].at);
	}
	assert_int_equal(scrub(extent, &found), 0);
	assert_int_equal(truncate(path_of(9), (off_t) table), 0);
	assert_int_equal(scrub(extent, &found), 1);
	assert_int_equal(unlink(path_of(9)), 0);
	assert_int_equal(scrub(extent, &found), 1);
	pd_extent_unref(extent);
	pd_drive_close(drive);
	free(bytes);
}

static void
damaged_files_are_listed_and_the_rest_serves(void **state)
{
	struct pd_drive *drive = new_drive(&pd_vfs_real);
	uint8_t *bytes = malloc(1000);
	struct pd_extent *extent;
	struct found found;
	char path[200];
	struct pd_members members;
	struct pd_err err;
	int fd;

	(void) state;
	for (uint64_t id = 1; id <= 4; id++)
		pd_extent_unref(sealed_bytes(drive, id, 1000, bytes));
	pd_extent_unref(build(drive, PK_EXTENT_PARITY, 5, 6, bytes, 1000));
	pd_drive_close(drive);
	flip(path_of(1), 30);							 /* header */
	assert_int_equal(truncate(path_of(2), 5000), 0); /* cut */
	snprintf(path, sizeof(path), "%s/extents/05/p-0000000000000005-06", test_drive);
	flip(path, 16384 + 4096 + 4 + 63); /* a parity's trailer */
	snprintf(path, sizeof(path), "%s/extents/04/b-0000000000000003", test_drive);
	assert_int_equal(rename(path_of(3), path), 0);
	snprintf(path, sizeof(path), "%s/extents/note", test_drive);
	fd = open(path, O_CREAT | O_RDWR, 0600);
	close(fd);

	drive = open_good_drive(&pd_vfs_real);
	assert_int_equal(damaged(drive, &found), 5);
	extent = pd_extent_find(drive, PK_EXTENT_BUCKET, 4, 0);
	assert_non_null(extent);
	assert_int_equal(scrub(extent, &found), 0);
	pd_extent_unref(extent);
	fill_members(&members, 1, 1);
	assert_int_equal(pd_extent_create(drive, PK_EXTENT_BUCKET, 1, 0, test_cell, &members, 0, &extent, &err),
					 PK_ERR_STATE);
	pd_extent_unref(build(drive, PK_EXTENT_BUCKET, 1, 0, bytes, 1000)); /* heals by replacement */
	assert_int_equal(damaged(drive, &found), 4);
	assert_ok(pd_drive_remove_damaged(drive, "extents/04/b-0000000000000003", &ok_err));
	assert_int_equal(pd_drive_remove_damaged(drive, "extents/04/b-0000000000000004", &err), PK_ERR_NOT_FOUND);
	assert_int_equal(damaged(drive, &found), 3);
	pd_drive_close(drive);
	drive = open_good_drive(&pd_vfs_real);
	assert_int_equal(damaged(drive, &found), 3);
	pd_drive_close(drive);
	free(bytes);
}

static void
an_extent_of_another_drive_is_not_believed(void **state)
{
	struct pd_drive *drive = new_drive(&pd_vfs_real);
	uint8_t bytes[10];
	char kept[128];
	struct found found;

	(void) state;
	pd_extent_unref(sealed_bytes(drive, 1, 10, bytes));
	pd_drive_close(drive);
	snprintf(kept, sizeof(kept), "%s/kept", test_dir);
	assert_int_equal(rename(path_of(1), kept), 0);
	remove_tree(test_drive);
	drive = new_drive(&pd_vfs_real);
	pd_extent_unref(sealed_bytes(drive, 1, 10, bytes));
	pd_drive_close(drive);
	assert_int_equal(rename(kept, path_of(1)), 0);
	drive = open_good_drive(&pd_vfs_real);
	assert_int_equal(damaged(drive, &found), 1);
	assert_non_null(strstr(found.text, "another drive"));
	pd_drive_close(drive);
}

static bool
count_each(void *arg, struct pd_extent *extent)
{
	char *last = arg;
	struct pd_extent_info *info = info_of(extent);

	assert_true(strcmp(last, info->file) < 0);
	memcpy(last, info->file, PK_EXTENT_FILE);
	last[PK_EXTENT_FILE]++;
	return true;
}

static void
a_thousand_extents_open_at_once(void **state)
{
	struct pd_drive *drive = new_drive(&pd_vfs_real);
	char last[PK_EXTENT_FILE + 1] = "";
	uint8_t bytes[5000];
	struct pd_drive_info info;
	int64_t begin, took;

	(void) state;
	for (uint64_t id = 1; id <= 1000; id++)
	{
		struct pd_extent *extent = new_bucket(drive, id << 32 | id);
		uint64_t offset = 0;

		assert_ok(append_record(extent, id << 32 | id, &offset, 3000, &ok_err));
		if (id % 10 != 0)
			assert_ok(pd_extent_seal(extent, offset, &ok_err));
		pd_extent_unref(extent);
	}
	pd_drive_close(drive);
	(void) bytes;
	begin = pd_vfs_real.monotonic_us(&pd_vfs_real);
	drive = open_good_drive(&pd_vfs_real);
	took = pd_vfs_real.monotonic_us(&pd_vfs_real) - begin;
	print_message("1000 extents, 100 of them recovered, opened in %.1f ms\n", (double) took / 1000);
	assert_true(took < 2000000);
	pd_drive_info(drive, &info);
	assert_int_equal(info.extents, 1000);
	pd_extent_each(drive, NULL, count_each, last);
	assert_int_equal((unsigned char) last[PK_EXTENT_FILE], 1000 % 256);
	pd_drive_close(drive);
}

struct racer
{
	struct pd_drive *drive;
	uint64_t id;
};

/* Appends, settles and seals one bucket while others scrub and read it. */
static void *
race_write(void *arg)
{
	struct racer *racer = arg;
	uint64_t offset = 0;
	struct pd_extent *extent = pd_extent_find(racer->drive, PK_EXTENT_BUCKET, racer->id, 0);
	struct pd_members members;
	struct pd_err err;

	for (uint32_t i = 1; i <= 40; i++)
	{
		fill_members(&members, racer->id, i);
		if (append_record(extent, racer->id, &offset, i * 500, &err) != PK_OK ||
			pd_extent_set_members(extent, &members, &err) != PK_OK)
			return (void *) 1;
	}
	if (pd_extent_seal(extent, offset, &err) != PK_OK || pd_extent_remove(extent, &err) != PK_OK)
		return (void *) 1;
	pd_extent_unref(extent);
	return NULL;
}

static void *
race_read(void *arg)
{
	struct racer *racer = arg;
	struct pd_extent *extent = pd_extent_find(racer->drive, PK_EXTENT_BUCKET, racer->id, 0);
	struct pd_extent_info *info = malloc(sizeof(*info));
	struct pd_drive_info drive_info;
	uint8_t *buf = malloc(1 << 20);
	void *result = NULL;

	for (int i = 0; i < 60 && result == NULL; i++)
	{
		struct found found = {0};
		struct pd_err err;

		pd_extent_info(extent, info);
		if (pd_extent_read(extent, 0, buf, info->length < 1 << 20 ? info->length : 1 << 20, &err) != PK_OK ||
			(info->sealed && pd_extent_read_checked(extent, 0, buf, 100000, &err) != PK_OK))
			result = (void *) 1;
		(void) pd_extent_scrub(extent, note_problem, &found);
		if (found.count > 0)
			result = (void *) 1;
		pd_drive_info(racer->drive, &drive_info);
	}
	pd_extent_unref(extent);
	free(info);
	free(buf);
	return result;
}

static void
threads_write_settle_seal_remove_read_and_scrub(void **state)
{
	struct pd_drive *drive = new_drive(&pd_vfs_real);
	struct racer racers[2] = {{drive, 1}, {drive, 2}};
	pthread_t threads[6];
	int count = 0;

	(void) state;
	for (int i = 0; i < 2; i++)
	{
		pd_extent_unref(new_bucket(drive, racers[i].id));
		pthread_create(&threads[count++], NULL, race_read, &racers[i]);
		pthread_create(&threads[count++], NULL, race_read, &racers[i]);
		usleep(1000);
	}
	usleep(20000);
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[count++], NULL, race_write, &racers[i]);
	while (count > 0)
	{
		void *result;

		pthread_join(threads[--count], &result);
		assert_null(result);
	}
	assert_true(pd_drive_writable(drive));
	pd_drive_close(drive);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_test, end_test)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_bucket_is_created_appended_sealed_and_read),
		TEST(checked_reads_cross_chunks_and_ends),
		TEST(a_checked_read_of_a_part_sees_its_whole_chunk),
		TEST(sealing_shorter_cuts_what_lies_behind),
		TEST(what_is_written_ahead_is_part_of_the_append),
		TEST(what_was_only_written_ahead_is_cut_off),
		TEST(rot_since_the_append_is_not_sealed_over),
		TEST(slots_alternate_and_older_generations_are_refused),
		TEST(a_build_replaces_and_holders_read_on),
		TEST(what_is_in_the_trash_is_read_comes_back_and_goes),
		TEST(builds_take_what_was_announced),
		TEST(scrubbing_finds_a_flipped_byte_anywhere),
		TEST(damaged_files_are_listed_and_the_rest_serves),
		TEST(an_extent_of_another_drive_is_not_believed),
		TEST(a_thousand_extents_open_at_once),
		TEST(threads_write_settle_seal_remove_read_and_scrub),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
