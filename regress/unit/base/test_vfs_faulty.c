/*
 * test_vfs_faulty.c
 *	  The real vfs keeps its promises; the faulty one fails exactly where it is told to.
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
#include <unistd.h>

#include <cmocka.h>

#include "base/vfs_faulty.h"

static char folder[64];

static int
make_folder(void **state)
{
	(void) state;
	snprintf(folder, sizeof(folder), "/tmp/pd-vfs-XXXXXX");
	return mkdtemp(folder) == NULL ? -1 : 0;
}

static int
forget_folder(void **state)
{
	char path[PATH_MAX];
	const char *const names[] = {"a", "b", "c"};

	(void) state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
	{
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	return rmdir(folder);
}

static const char *
in_folder(char path[PATH_MAX], const char *name)
{
	snprintf(path, PATH_MAX, "%s/%s", folder, name);
	return path;
}

static int
put(const struct pd_vfs *vfs, int fd, const char *text, uint64_t offset)
{
	struct iovec iov[2] = {{(void *) text, strlen(text) / 2}, {(void *) (text + strlen(text) / 2), 0}};

	iov[1].iov_len = strlen(text) - iov[0].iov_len;
	return pd_vfs_write_full(vfs, fd, iov, 2, offset);
}

static int
count_names(void *arg, const char *name)
{
	(void) name;
	(*(int *) arg)++;
	return 0;
}

static int
stop_at_once(void *arg, const char *name)
{
	(void) name;
	(*(int *) arg)++;
	return 42;
}

static void
test_real_files(void **state)
{
	const struct pd_vfs *vfs = &pd_vfs_real;
	char a[PATH_MAX], b[PATH_MAX], text[16];
	uint64_t total = 0, available = 0;
	int names = 0;
	int fd, other;

	(void) state;
	fd = vfs->open(vfs, in_folder(a, "a"), O_RDWR | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(vfs->open(vfs, a, O_RDWR | O_CREAT | O_EXCL, 0600), -EEXIST);
	assert_int_equal(put(vfs, fd, "hello world", 5), 0);
	assert_int_equal(vfs->size(vfs, fd), 16);
	assert_int_equal(pd_vfs_read_full(vfs, fd, text, 11, 5), 0);
	assert_memory_equal(text, "hello world", 11);
	assert_int_equal(pd_vfs_read_full(vfs, fd, text, 12, 5), -ENODATA);
	assert_int_equal(vfs->fallocate(vfs, fd, 0, 65536), 0);
	assert_int_equal(vfs->size(vfs, fd), 16);
	assert_int_equal(vfs->ftruncate(vfs, fd, 5), 0);
	assert_int_equal(vfs->size(vfs, fd), 5);
	assert_int_equal(vfs->fdatasync(vfs, fd), 0);
	assert_int_equal(vfs->fsync(vfs, fd), 0);
	assert_int_equal(vfs->lock(vfs, fd), 0);
	other = vfs->open(vfs, a, O_RDWR, 0);
	assert_int_equal(vfs->lock(vfs, other), -EWOULDBLOCK);
	assert_int_equal(vfs->close(vfs, other), 0);
	assert_int_equal(vfs->close(vfs, fd), 0);
	assert_int_equal(vfs->rename(vfs, a, in_folder(b, "b")), 0);
	assert_int_equal(vfs->sync_dir(vfs, folder), 0);
	assert_int_equal(vfs->list(vfs, folder, count_names, &names), 0);
	assert_int_equal(names, 1);
	assert_int_equal(vfs->list(vfs, folder, stop_at_once, &names), 42);
	assert_int_equal(vfs->list(vfs, a, count_names, &names), -ENOENT);
	assert_int_equal(vfs->unlink(vfs, b), 0);
	assert_int_equal(vfs->unlink(vfs, b), -ENOENT);
	assert_int_equal(vfs->space(vfs, folder, &total, &available), 0);
	assert_true(total >= available && available > 0);
}

static void
test_clock_and_random(void **state)
{
	const struct pd_vfs *vfs = &pd_vfs_real;
	uint8_t one[512], two[512];
	int64_t before = vfs->monotonic_us(vfs);

	(void) state;
	assert_true(vfs->now_us(vfs) > (int64_t) 1600000000 * 1000000);
	assert_true(vfs->monotonic_us(vfs) >= before);
	assert_int_equal(vfs->random(vfs, one, sizeof(one)), 0);
	assert_int_equal(vfs->random(vfs, two, sizeof(two)), 0);
	assert_memory_not_equal(one, two, sizeof(one));
}

/* open, write, sync, rename, sync_dir, close: seven calls through pd_vfs_write_full's one */
static int
replace_file(const struct pd_vfs *vfs)
{
	char a[PATH_MAX], b[PATH_MAX];
	int fd = vfs->open(vfs, in_folder(a, "a"), O_RDWR | O_CREAT | O_TRUNC, 0600);
	int rc = fd;

	if (fd < 0)
		return rc;
	rc = put(vfs, fd, "new!", 0);
	if (rc == 0)
		rc = vfs->fdatasync(vfs, fd);
	if (rc == 0)
		rc = vfs->rename(vfs, a, in_folder(b, "b"));
	if (rc == 0)
		rc = vfs->sync_dir(vfs, folder);
	if (rc == 0)
		return vfs->close(vfs, fd);
	(void) vfs->close(vfs, fd);
	return rc;
}

static void
test_each_call_fails_in_its_turn(void **state)
{
	long nth;

	(void) state;
	for (nth = 1;; nth++)
	{
		struct pd_faults faults = {.below = &pd_vfs_real, .op = PD_FAULT_ANY, .nth = nth, .error = EIO};
		struct pd_vfs *vfs = pd_vfs_faulty(&faults);
		int rc = replace_file(vfs);

		assert_int_equal(faults.failed, rc < 0 ? 1 : 0);
		pd_vfs_faulty_free(vfs);
		if (rc == 0)
			break;
		assert_int_equal(rc, -EIO);
		assert_true(faults.count >= nth);
	}
	assert_int_equal(nth, 7);
}

static void
test_a_failing_write_leaves_half_of_it(void **state)
{
	struct pd_faults faults = {.below = &pd_vfs_real, .op = PD_FAULT_WRITE, .nth = 2, .error = ENOSPC};
	struct pd_vfs *vfs = pd_vfs_faulty(&faults);
	char a[PATH_MAX], text[6];
	int fd = vfs->open(vfs, in_folder(a, "a"), O_RDWR | O_CREAT | O_TRUNC, 0600);

	(void) state;
	assert_int_equal(put(vfs, fd, "abcdef", 0), 0);
	assert_int_equal(put(vfs, fd, "ABCDEF", 0), -ENOSPC);
	assert_int_equal(vfs->pread(vfs, fd, text, 6, 0), 6);
	assert_memory_equal(text, "ABCdef", 6);
	assert_int_equal(put(vfs, fd, "ABCDEF", 0), 0);
	assert_int_equal(vfs->close(vfs, fd), 0);
	assert_int_equal(faults.count, 3);
	assert_int_equal(faults.failed, 1);
	pd_vfs_faulty_free(vfs);
}

static void
test_sticky_faults_hit_only_the_path_told(void **state)
{
	struct pd_faults faults = {
		.below = &pd_vfs_real, .op = PD_FAULT_SYNC, .path_part = "/b", .nth = 2, .sticky = true, .error = EIO};
	struct pd_vfs *vfs = pd_vfs_faulty(&faults);
	char a[PATH_MAX], b[PATH_MAX];
	int fd_a = vfs->open(vfs, in_folder(a, "a"), O_RDWR | O_CREAT, 0600);
	int fd_b = vfs->open(vfs, in_folder(b, "b"), O_RDWR | O_CREAT, 0600);

	(void) state;
	for (int i = 0; i < 5; i++)
	{
		assert_int_equal(vfs->fdatasync(vfs, fd_a), 0);
		assert_int_equal(vfs->fsync(vfs, fd_b), i == 0 ? 0 : -EIO);
	}
	assert_int_equal(vfs->sync_dir(vfs, folder), 0);
	assert_int_equal(faults.count, 5);
	assert_int_equal(faults.failed, 4);
	assert_int_equal(vfs->close(vfs, fd_a), 0);
	assert_int_equal(vfs->close(vfs, fd_b), 0);
	pd_vfs_faulty_free(vfs);
}

static void
test_delays_are_kept(void **state)
{
	struct pd_faults faults = {.below = &pd_vfs_real, .op = PD_FAULT_OPEN, .delay_us = 20000};
	struct pd_vfs *vfs = pd_vfs_faulty(&faults);
	char a[PATH_MAX];
	int64_t before = vfs->monotonic_us(vfs);
	int fd = vfs->open(vfs, in_folder(a, "a"), O_RDWR | O_CREAT, 0600);

	(void) state;
	assert_true(vfs->monotonic_us(vfs) - before >= 20000);
	assert_int_equal(vfs->close(vfs, fd), 0);
	pd_vfs_faulty_free(vfs);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_real_files, make_folder, forget_folder),
		cmocka_unit_test(test_clock_and_random),
		cmocka_unit_test_setup_teardown(test_each_call_fails_in_its_turn, make_folder, forget_folder),
		cmocka_unit_test_setup_teardown(test_a_failing_write_leaves_half_of_it, make_folder, forget_folder),
		cmocka_unit_test_setup_teardown(test_sticky_faults_hit_only_the_path_told, make_folder, forget_folder),
		cmocka_unit_test_setup_teardown(test_delays_are_kept, make_folder, forget_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
