/*
 * test_vfs_record.c
 *	  After a crash the tree holds what was synced, and what was not only as chosen.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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

#include "base/vfs_faulty.h"
#include "base/vfs_record.h"

static char folder[64];
static struct pd_vfs *vfs;

static int
remove_in(void *arg, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", (const char *) arg, name);
	if (unlink(path) < 0)
	{
		(void) pd_vfs_real.list(&pd_vfs_real, path, remove_in, path);
		rmdir(path);
	}
	return 0;
}

static int
start(void **state)
{
	(void) state;
	snprintf(folder, sizeof(folder), "/tmp/pd-record-XXXXXX");
	vfs = pd_vfs_record(&pd_vfs_real);
	return mkdtemp(folder) == NULL || vfs == NULL ? -1 : 0;
}

static int
finish(void **state)
{
	(void) state;
	pd_vfs_record_free(vfs);
	(void) pd_vfs_real.list(&pd_vfs_real, folder, remove_in, folder);
	return rmdir(folder);
}

static const char *
at(const char *name)
{
	static char paths[4][PATH_MAX];
	static int turn;
	char *path = paths[turn++ % 4];

	snprintf(path, PATH_MAX, "%s/%s", folder, name);
	return path;
}

static void
put(int fd, const char *text, uint64_t offset)
{
	struct iovec iov = {(void *) text, strlen(text)};

	assert_int_equal(pd_vfs_write_full(vfs, fd, &iov, 1, offset), 0);
}

static int
open_file(const char *name)
{
	int fd = vfs->open(vfs, at(name), O_RDWR | O_CREAT, 0640);

	assert_true(fd >= 0);
	return fd;
}

static void
close_file(int fd)
{
	assert_int_equal(vfs->close(vfs, fd), 0);
}

/* A file with this content; all of it durable when synced. */
static void
make(const char *name, const char *text, bool synced)
{
	int fd = open_file(name);

	put(fd, text, 0);
	if (synced)
	{
		assert_int_equal(vfs->fdatasync(vfs, fd), 0);
		assert_int_equal(vfs->sync_dir(vfs, folder), 0);
	}
	close_file(fd);
}

static void
crash(enum pd_crash_keep keep)
{
	assert_int_equal(pd_vfs_record_crash(vfs, keep, 1), 0);
}

static void
assert_content(const char *name, const char *text)
{
	char found[4096];
	int fd = open(at(name), O_RDONLY | O_CLOEXEC);
	ssize_t length;

	if (text == NULL)
	{
		assert_int_equal(fd, -1);
		return;
	}
	assert_true(fd >= 0);
	length = read(fd, found, sizeof(found));
	close(fd);
	assert_int_equal(length, strlen(text));
	assert_memory_equal(found, text, strlen(text));
}

static void
test_synced_bytes_stay_and_others_go(void **state)
{
	int fd;

	(void) state;
	make("f", "durable", true);
	fd = open_file("f");
	put(fd, "DURABLE and more", 0);
	assert_int_equal(vfs->ftruncate(vfs, fd, 3), 0);
	put(fd, "xyz", 10);
	close_file(fd);
	crash(PD_CRASH_NOTHING);
	assert_content("f", "durable");
}

static void
test_all_is_kept_when_told(void **state)
{
	int fd;

	(void) state;
	make("f", "durable", true);
	fd = open_file("f");
	put(fd, "DURABLE and more", 0);
	assert_int_equal(vfs->ftruncate(vfs, fd, 3), 0);
	put(fd, "R!", 3);
	close_file(fd);
	assert_int_equal(vfs->rename(vfs, at("f"), at("g")), 0);
	make("h", "new", false);
	crash(PD_CRASH_ALL);
	assert_content("f", NULL);
	assert_content("g", "DURR!");
	assert_content("h", "new");
	/* and is durable from then on */
	crash(PD_CRASH_NOTHING);
	assert_content("g", "DURR!");
}

static void
test_a_synced_file_without_a_synced_name_goes(void **state)
{
	int fd = open_file("f");

	(void) state;
	put(fd, "bytes", 0);
	assert_int_equal(vfs->fsync(vfs, fd), 0);
	close_file(fd);
	crash(PD_CRASH_NOTHING);
	assert_content("f", NULL);
}

static void
test_a_synced_name_without_synced_bytes_is_empty(void **state)
{
	int fd = open_file("f");

	(void) state;
	put(fd, "bytes", 0);
	assert_int_equal(vfs->sync_dir(vfs, folder), 0);
	close_file(fd);
	crash(PD_CRASH_NOTHING);
	assert_content("f", "");
}

static void
test_a_sync_through_one_descriptor_covers_another(void **state)
{
	int one = open_file("f");
	int two = open_file("f");

	(void) state;
	put(one, "first", 0);
	assert_int_equal(vfs->fdatasync(vfs, two), 0);
	put(two, "FIRST", 0);
	assert_int_equal(vfs->sync_dir(vfs, folder), 0);
	close_file(one);
	close_file(two);
	crash(PD_CRASH_NOTHING);
	assert_content("f", "first");
}

static void
test_a_rename_is_undone_without_sync_dir(void **state)
{
	(void) state;
	make("old", "old", true);
	make("new", "new", true);
	assert_int_equal(vfs->rename(vfs, at("new"), at("old")), 0);
	assert_content("old", "new");
	crash(PD_CRASH_NOTHING);
	assert_content("old", "old");
	assert_content("new", "new");

	assert_int_equal(vfs->rename(vfs, at("new"), at("old")), 0);
	assert_int_equal(vfs->sync_dir(vfs, folder), 0);
	crash(PD_CRASH_NOTHING);
	assert_content("old", "new");
	assert_content("new", NULL);
}

static void
test_an_unlink_is_undone_without_sync_dir(void **state)
{
	struct stat st;

	(void) state;
	make("f", "content", true);
	make("g", "content", true);
	assert_int_equal(vfs->unlink(vfs, at("f")), 0);
	assert_int_equal(vfs->unlink(vfs, at("g")), 0);
	make("g", "another", false);
	crash(PD_CRASH_NOTHING);
	assert_content("f", "content");
	assert_content("g", "content");
	assert_int_equal(stat(at("f"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);

	assert_int_equal(vfs->unlink(vfs, at("f")), 0);
	assert_int_equal(vfs->sync_dir(vfs, folder), 0);
	crash(PD_CRASH_NOTHING);
	assert_content("f", NULL);
}

static void
test_truncation_by_open_is_recorded(void **state)
{
	int fd;

	(void) state;
	make("f", "content", true);
	fd = vfs->open(vfs, at("f"), O_RDWR | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(vfs->size(vfs, fd), 0);
	close_file(fd);
	crash(PD_CRASH_NOTHING);
	assert_content("f", "content");
}

static void
test_a_folder_goes_with_what_is_in_it(void **state)
{
	int fd;

	(void) state;
	assert_int_equal(vfs->mkdir(vfs, at("d"), 0700), 0);
	fd = open_file("d/f");
	put(fd, "x", 0);
	assert_int_equal(vfs->fsync(vfs, fd), 0);
	close_file(fd);
	assert_int_equal(vfs->sync_dir(vfs, at("d")), 0);
	crash(PD_CRASH_NOTHING);
	assert_int_equal(access(at("d"), F_OK), -1);

	assert_int_equal(vfs->mkdir(vfs, at("d"), 0700), 0);
	assert_int_equal(vfs->sync_dir(vfs, folder), 0);
	close_file(open_file("d/f"));
	crash(PD_CRASH_NOTHING);
	assert_int_equal(access(at("d"), F_OK), 0);
	assert_content("d/f", NULL);
}

static void
test_a_move_between_folders_is_covered_by_its_target(void **state)
{
	(void) state;
	assert_int_equal(vfs->mkdir(vfs, at("d"), 0700), 0);
	make("f", "moved", true);
	assert_int_equal(vfs->rename(vfs, at("f"), at("d/f")), 0);
	assert_int_equal(vfs->sync_dir(vfs, folder), 0);
	crash(PD_CRASH_NOTHING);
	assert_content("f", "moved");
	assert_content("d/f", NULL);

	make("g", "created and moved", false);
	assert_int_equal(vfs->rename(vfs, at("f"), at("d/f")), 0);
	assert_int_equal(vfs->rename(vfs, at("g"), at("d/g")), 0);
	assert_int_equal(vfs->sync_dir(vfs, at("d")), 0);
	crash(PD_CRASH_RANDOM);
	assert_content("f", NULL);
	assert_content("d/f", "moved");
	assert_content("g", NULL);
	assert_int_equal(access(at("d/g"), F_OK), 0);
}

static void
test_a_failed_sync_covers_nothing(void **state)
{
	struct pd_faults faults = {.below = &pd_vfs_real, .op = PD_FAULT_SYNC, .error = EIO};
	struct pd_vfs *faulty = pd_vfs_faulty(&faults);
	struct pd_vfs *real = vfs;
	int fd;

	(void) state;
	vfs = pd_vfs_record(faulty);
	make("f", "durable", true);
	faults.nth = 1;
	faults.sticky = true;
	faults.count = 0;
	fd = open_file("f");
	put(fd, "DURABLE", 0);
	assert_int_equal(vfs->fdatasync(vfs, fd), -EIO);
	close_file(fd);
	make("g", "", false);
	assert_int_equal(vfs->sync_dir(vfs, folder), -EIO);
	crash(PD_CRASH_NOTHING);
	assert_content("f", "durable");
	assert_content("g", NULL);
	pd_vfs_record_free(vfs);
	pd_vfs_faulty_free(faulty);
	vfs = real;
}

static void
test_a_half_written_write_is_recorded(void **state)
{
	struct pd_faults faults = {.below = &pd_vfs_real, .op = PD_FAULT_WRITE, .nth = 2, .error = EIO};
	struct pd_vfs *faulty = pd_vfs_faulty(&faults);
	struct pd_vfs *real = vfs;
	struct iovec iov = {(void *) (uintptr_t) "DURABLE.", 8};
	int fd;

	(void) state;
	vfs = pd_vfs_record(faulty);
	make("f", "durable.", true);
	fd = open_file("f");
	assert_int_equal(vfs->pwritev(vfs, fd, &iov, 1, 0), -EIO);
	close_file(fd);
	assert_content("f", "DURAble.");
	crash(PD_CRASH_NOTHING);
	assert_content("f", "durable.");
	pd_vfs_record_free(vfs);
	pd_vfs_faulty_free(faulty);
	vfs = real;
}

static void
test_open_files_forbid_a_crash(void **state)
{
	int fd = open_file("f");

	(void) state;
	assert_int_equal(pd_vfs_record_crash(vfs, PD_CRASH_NOTHING, 0), -EBUSY);
	close_file(fd);
	crash(PD_CRASH_NOTHING);
}

#define SECTORS 16

/* Every sector is old or new as a whole, and over many seeds each is both. */
static void
test_random_crashes_keep_whole_sectors(void **state)
{
	uint8_t block[SECTORS * 512];
	int kept[SECTORS] = {0};

	(void) state;
	for (uint64_t seed = 0; seed < 200; seed++)
	{
		struct iovec iov = {block, sizeof(block)};
		int fd = open_file("f");

		memset(block, 'o', sizeof(block));
		assert_int_equal(pd_vfs_write_full(vfs, fd, &iov, 1, 0), 0);
		assert_int_equal(vfs->fdatasync(vfs, fd), 0);
		assert_int_equal(vfs->sync_dir(vfs, folder), 0);
		memset(block, 'n', sizeof(block));
		iov = (struct iovec){block, sizeof(block)};
		assert_int_equal(pd_vfs_write_full(vfs, fd, &iov, 1, 0), 0);
		close_file(fd);
		assert_int_equal(pd_vfs_record_crash(vfs, PD_CRASH_RANDOM, seed), 0);

		fd = open(at("f"), O_RDONLY | O_CLOEXEC);
		assert_int_equal(read(fd, block, sizeof(block)), sizeof(block));
		close(fd);
		for (int i = 0; i < SECTORS; i++)
		{
			for (int j = 1; j < 512; j++)
				assert_int_equal(block[i * 512 + j], block[i * 512]);
			kept[i] += block[i * 512] == 'n';
		}
	}
	for (int i = 0; i < SECTORS; i++)
		assert_in_range(kept[i], 50, 150);
}

/* An unsynced append may leave any size up to the new one, and zeros where sectors are missing. */
static void
test_random_crashes_may_lose_size_and_leave_holes(void **state)
{
	uint8_t block[4 * 512];
	bool short_one = false, hole = false, whole = false;

	(void) state;
	for (uint64_t seed = 0; seed < 300; seed++)
	{
		struct iovec iov = {block, sizeof(block)};
		int fd = vfs->open(vfs, at("f"), O_RDWR | O_CREAT | O_TRUNC, 0600);
		ssize_t length;
		int zeros = 0;

		assert_int_equal(vfs->fdatasync(vfs, fd), 0);
		assert_int_equal(vfs->sync_dir(vfs, folder), 0);
		memset(block, 'n', sizeof(block));
		assert_int_equal(pd_vfs_write_full(vfs, fd, &iov, 1, 0), 0);
		close_file(fd);
		assert_int_equal(pd_vfs_record_crash(vfs, PD_CRASH_RANDOM, seed), 0);
		fd = open(at("f"), O_RDONLY | O_CLOEXEC);
		length = read(fd, block, sizeof(block));
		close(fd);
		assert_int_equal(length % 512, 0);
		for (ssize_t i = 0; i < length; i++)
			zeros += block[i] == 0;
		short_one |= length < (ssize_t) sizeof(block);
		hole |= zeros > 0;
		whole |= length == (ssize_t) sizeof(block) && zeros == 0;
	}
	assert_true(short_one && hole && whole);
}

/* The protocol that every file of ours follows: whatever the crash, old or new, never less. */
static void
test_replacing_with_all_syncs_survives_every_crash(void **state)
{
	(void) state;
	for (uint64_t seed = 0; seed < 100; seed++)
	{
		char text[32];

		make("f", "old", true);
		make("f.tmp", "new", true);
		assert_int_equal(vfs->rename(vfs, at("f.tmp"), at("f")), 0);
		assert_int_equal(pd_vfs_record_crash(vfs, PD_CRASH_RANDOM, seed), 0);
		snprintf(text, sizeof(text), "%s", access(at("f.tmp"), F_OK) == 0 ? "old" : "new");
		assert_content("f", text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_synced_bytes_stay_and_others_go, start, finish),
		cmocka_unit_test_setup_teardown(test_all_is_kept_when_told, start, finish),
		cmocka_unit_test_setup_teardown(test_a_synced_file_without_a_synced_name_goes, start, finish),
		cmocka_unit_test_setup_teardown(test_a_synced_name_without_synced_bytes_is_empty, start, finish),
		cmocka_unit_test_setup_teardown(test_a_sync_through_one_descriptor_covers_another, start, finish),
		cmocka_unit_test_setup_teardown(test_a_rename_is_undone_without_sync_dir, start, finish),
		cmocka_unit_test_setup_teardown(test_an_unlink_is_undone_without_sync_dir, start, finish),
		cmocka_unit_test_setup_teardown(test_truncation_by_open_is_recorded, start, finish),
		cmocka_unit_test_setup_teardown(test_a_folder_goes_with_what_is_in_it, start, finish),
		cmocka_unit_test_setup_teardown(test_a_move_between_folders_is_covered_by_its_target, start, finish),
		cmocka_unit_test_setup_teardown(test_a_failed_sync_covers_nothing, start, finish),
		cmocka_unit_test_setup_teardown(test_a_half_written_write_is_recorded, start, finish),
		cmocka_unit_test_setup_teardown(test_open_files_forbid_a_crash, start, finish),
		cmocka_unit_test_setup_teardown(test_random_crashes_keep_whole_sectors, start, finish),
		cmocka_unit_test_setup_teardown(test_random_crashes_may_lose_size_and_leave_holes, start, finish),
		cmocka_unit_test_setup_teardown(test_replacing_with_all_syncs_survives_every_crash, start, finish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
