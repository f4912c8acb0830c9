/*
 * regress/unit/store/test_drive.c
 *	  Formatting, opening, binding, and noticing what happened to a directory.
 */
#include "harness.h"

static void
expect_failed(const char *words)
{
	struct pd_drive *drive = open_drive(&pd_vfs_real);
	char why[PD_ERR_TEXT];
	struct pd_err err;

	assert_int_equal(state_of(drive, why), PD_DRIVE_FAILED);
	if (strstr(why, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", why, words);
	assert_false(pd_drive_writable(drive));
	assert_false(pd_drive_readable(drive));
	assert_int_equal(pd_drive_bind(drive, test_cell, &err), PK_ERR_IO);
	assert_null(pd_extent_find(drive, PK_EXTENT_BUCKET, 1, 0));
	assert_non_null(pd_drive_queue(drive));
	pd_drive_close(drive);
}

static void
a_formatted_drive_opens_with_its_identity(void **state)
{
	struct pd_drive *drive = new_drive(&pd_vfs_real);
	uint8_t uuid[PK_UUID_SIZE];
	struct pd_drive_info info;
	struct pd_err err;

	(void) state;
	memcpy(uuid, pd_drive_uuid(drive), PK_UUID_SIZE);
	pd_drive_info(drive, &info);
	assert_string_equal(info.path, test_drive);
	assert_int_equal(info.extents, 0);
	assert_true(info.capacity > 0 && info.available <= info.capacity);
	pd_drive_close(drive);
	drive = open_good_drive(&pd_vfs_real);
	assert_memory_equal(pd_drive_uuid(drive), uuid, PK_UUID_SIZE);
	pd_drive_close(drive);
	assert_int_equal(pd_drive_format(&pd_vfs_real, test_drive, &err), PK_ERR_STATE);
	assert_non_null(strstr(err.text, "not empty"));
}

static void
only_empty_directories_are_formatted(void **state)
{
	char path[128];
	struct pd_err err;

	(void) state;
	assert_int_equal(mkdir(test_drive, 0700), 0);
	snprintf(path, sizeof(path), "%s/precious", test_drive);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(pd_drive_format(&pd_vfs_real, test_drive, &err), PK_ERR_STATE);
	assert_int_equal(rmdir(path), 0);
	snprintf(path, sizeof(path), "%s/lost+found", test_drive);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_ok(pd_drive_format(&pd_vfs_real, test_drive, &ok_err));
	snprintf(path, sizeof(path), "%s/a/b", test_drive);
	assert_int_equal(pd_drive_format(&pd_vfs_real, path, &err), PK_ERR_NOT_FOUND);
}

static void
what_is_no_drive_says_why(void **state)
{
	char path[128];
	int fd;

	(void) state;
	expect_failed("does not exist");
	assert_int_equal(mkdir(test_drive, 0700), 0);
	expect_failed("is empty");
	snprintf(path, sizeof(path), "%s/file", test_drive);
	fd = open(path, O_CREAT | O_RDWR, 0600);
	assert_true(fd >= 0);
	close(fd);
	expect_failed("is not a drive");
	unlink(path);
	assert_ok(pd_drive_format(&pd_vfs_real, test_drive, &ok_err));
	snprintf(path, sizeof(path), "%s/pocket-drive", test_drive);
	flip(path, 9);
	expect_failed("checksum does not match");
	flip(path, 9);
	flip(path, 4);
	expect_failed("version 17");
	flip(path, 4);
	assert_int_equal(truncate(path, 100), 0);
	expect_failed("100 bytes");
}

static void
a_drive_has_one_user(void **state)
{
	struct pd_drive *drive = new_drive(&pd_vfs_real);

	(void) state;
	expect_failed("another process uses");
	pd_drive_close(drive);
	pd_drive_close(open_good_drive(&pd_vfs_real));
}

static void
cell_and_epoch_are_remembered(void **state)
{
	static const uint8_t other[PK_UUID_SIZE] = {9};
	struct pd_drive *drive = new_drive(&pd_vfs_real);
	const pk_epoch epoch = {0x7fffffff, 3, 44};
	struct pd_drive_info info;
	struct pd_err err;

	(void) state;
	assert_ok(pd_drive_bind(drive, test_cell, &ok_err));
	assert_ok(pd_drive_bind(drive, test_cell, &ok_err));
	assert_int_equal(pd_drive_bind(drive, other, &err), PK_ERR_FOREIGN);
	assert_ok(pd_drive_set_epoch(drive, &epoch, &ok_err));
	pd_drive_close(drive);
	drive = open_good_drive(&pd_vfs_real);
	pd_drive_info(drive, &info);
	assert_memory_equal(info.cell, test_cell, PK_UUID_SIZE);
	assert_int_equal(pk_epoch_compare(&info.epoch, &epoch), 0);
	assert_int_equal(info.epoch.incarnation, epoch.incarnation);
	assert_int_equal(pd_drive_bind(drive, other, &err), PK_ERR_FOREIGN);
	pd_drive_close(drive);
}

static void
an_emptied_directory_fails_the_drive_for_good(void **state)
{
	struct pd_drive *drive = new_drive(&pd_vfs_real);
	struct pd_extent *extent = new_bucket(drive, 5);
	char why[PD_ERR_TEXT];
	uint64_t offset = 0;
	uint8_t byte;
	struct pd_err err;

	(void) state;
	assert_ok(append_record(extent, 5, &offset, 100, &ok_err));
	remove_tree(test_drive);
	assert_int_equal(append_record(extent, 5, &offset, 100, &err), PK_ERR_IO);
	assert_int_equal(state_of(drive, why), PD_DRIVE_FAILED);
	assert_non_null(strstr(why, "does not exist"));
	assert_int_equal(pd_extent_read(extent, 0, &byte, 1, &err), PK_ERR_IO);
	assert_ok(pd_drive_format(&pd_vfs_real, test_drive, &ok_err));
	assert_int_equal(state_of(drive, why), PD_DRIVE_FAILED);
	pd_extent_unref(extent);
	pd_drive_close(drive);
}

static void
another_drive_in_its_place_fails_the_drive(void **state)
{
	struct pd_drive *drive = new_drive(&pd_vfs_real);
	char why[PD_ERR_TEXT];

	(void) state;
	remove_tree(test_drive);
	assert_ok(pd_drive_format(&pd_vfs_real, test_drive, &ok_err));
	assert_int_equal(state_of(drive, why), PD_DRIVE_FAILED);
	assert_non_null(strstr(why, "another drive"));
	pd_drive_close(drive);
}

static void
a_quarantined_drive_reads_and_never_writes(void **state)
{
	struct pd_drive *drive = new_drive(&pd_vfs_real);
	struct pd_extent *extent = new_bucket(drive, 5);
	struct pd_extent *none;
	struct pd_members members;
	uint64_t offset = 0;
	uint8_t byte;
	struct pd_err err;

	(void) state;
	fill_members(&members, 5, 2);
	assert_ok(append_record(extent, 5, &offset, 100, &ok_err));
	pd_drive_quarantine(drive, "a test");
	pd_drive_quarantine(drive, "again");
	assert_true(pd_drive_readable(drive));
	assert_false(pd_drive_writable(drive));
	assert_ok(pd_extent_read(extent, 0, &byte, 1, &ok_err));
	assert_int_equal(append_record(extent, 5, &offset, 100, &err), PK_ERR_IO);
	assert_non_null(strstr(err.text, "a test"));
	assert_int_equal(append_record(extent, 5, &offset, 100, &err), PK_ERR_BUCKET_CLOSED);
	assert_int_equal(pd_extent_seal(extent, offset, &err), PK_ERR_IO);
	assert_int_equal(pd_extent_set_members(extent, &members, &err), PK_ERR_IO);
	assert_int_equal(pd_extent_remove(extent, &err), PK_ERR_IO);
	assert_int_equal(pd_drive_bind(drive, test_cell, &err), PK_ERR_IO);
	assert_int_equal(pd_extent_create(drive, PK_EXTENT_BUCKET, 6, 0, test_cell, &members, 0, &none, &err), PK_ERR_IO);
	assert_null(none);
	pd_extent_unref(extent);
	pd_drive_close(drive);
}

static void
a_failed_superblock_write_leaves_the_old_or_the_new(void **state)
{
	const pk_epoch old = {1, 1, 1}, new = {1, 1, 2};
	long faults_met = 0;

	(void) state;
	for (long nth = 1;; nth++)
	{
		struct pd_faults faults = {.below = &pd_vfs_real, .error = EIO};
		struct pd_vfs *vfs = pd_vfs_faulty(&faults);
		struct pd_drive *drive = new_drive(vfs);
		struct pd_drive_info info;
		struct pd_err err;
		pk_error rc;

		assert_ok(pd_drive_set_epoch(drive, &old, &ok_err));
		faults.count = 0;
		faults.nth = nth;
		rc = pd_drive_set_epoch(drive, &new, &err);
		faults.nth = 0;
		assert_int_equal(pd_drive_writable(drive), rc == PK_OK);
		pd_drive_close(drive);
		drive = open_good_drive(vfs);
		pd_drive_info(drive, &info);
		assert_true(info.epoch.starts == 2 || (rc != PK_OK && info.epoch.starts == 1));
		pd_drive_close(drive);
		pd_vfs_faulty_free(vfs);
		remove_tree(test_drive);
		faults_met += faults.failed;
		if (faults.failed == 0)
			break;
	}
	assert_true(faults_met >= 5); /* open, write, fsync, rename, sync_dir */
}

static void
an_interrupted_format_is_done_again(void **state)
{
	(void) state;
	for (long nth = 1;; nth++)
	{
		struct pd_faults faults = {.below = &pd_vfs_real, .error = EIO, .nth = nth, .sticky = true};
		struct pd_vfs *vfs = pd_vfs_faulty(&faults);
		struct pd_err err;
		pk_error rc = pd_drive_format(vfs, test_drive, &err);
		char path[128];

		snprintf(path, sizeof(path), "%s/pocket-drive", test_drive);
		if (access(path, F_OK) != 0)
			assert_ok(pd_drive_format(&pd_vfs_real, test_drive, &ok_err));
		pd_drive_close(open_good_drive(&pd_vfs_real));
		pd_vfs_faulty_free(vfs);
		remove_tree(test_drive);
		if (faults.failed == 0)
		{
			assert_int_equal(rc, PK_OK);
			break;
		}
	}
}

static void
opening_survives_any_failed_call(void **state)
{
	struct pd_drive *drive = new_drive(&pd_vfs_real);
	struct pd_extent *extent = new_bucket(drive, 0x105);
	uint64_t offset = 0;

	(void) state;
	assert_ok(append_record(extent, 0x105, &offset, 5000, &ok_err));
	pd_extent_unref(extent);
	pd_drive_close(drive);
	for (long nth = 1;; nth++)
	{
		struct pd_faults faults = {.below = &pd_vfs_real, .error = EIO, .nth = nth};
		struct pd_vfs *vfs = pd_vfs_faulty(&faults);

		drive = open_drive(vfs);
		faults.nth = 0;
		pd_drive_close(drive);
		pd_vfs_faulty_free(vfs);
		if (faults.failed == 0)
			break;
	}
	drive = open_good_drive(&pd_vfs_real);
	extent = pd_extent_find(drive, PK_EXTENT_BUCKET, 0x105, 0);
	assert_non_null(extent);
	assert_int_equal(info_of(extent)->length, offset);
	pd_extent_unref(extent);
	pd_drive_close(drive);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_test, end_test)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_formatted_drive_opens_with_its_identity),
		TEST(only_empty_directories_are_formatted),
		TEST(what_is_no_drive_says_why),
		TEST(a_drive_has_one_user),
		TEST(cell_and_epoch_are_remembered),
		TEST(an_emptied_directory_fails_the_drive_for_good),
		TEST(another_drive_in_its_place_fails_the_drive),
		TEST(a_quarantined_drive_reads_and_never_writes),
		TEST(a_failed_superblock_write_leaves_the_old_or_the_new),
		TEST(an_interrupted_format_is_done_again),
		TEST(opening_survives_any_failed_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
