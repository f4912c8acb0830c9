/*
 * test_vfs_memory.c
 *	  Files in memory behave as files do, and a cut leaves what the header says
 *	  it may leave, and nothing else.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/vfs_memory.h"

static struct pd_vfs *vfs;

static int
begin(void **state)
{
	(void) state;
	vfs = pd_vfs_memory();
	return vfs == NULL ? -1 : 0;
}

static int
end(void **state)
{
	(void) state;
	pd_vfs_memory_free(vfs);
	return 0;
}

static int
open_file(const char *path)
{
	int fd = vfs->open(vfs, path, O_RDWR | O_CREAT, 0600);

	assert_true(fd >= 0);
	return fd;
}

static void
write_at(int fd, const char *text, size_t n, uint64_t offset)
{
	struct iovec iov[2] = {{(void *) (uintptr_t) text, n / 2}, {(void *) (uintptr_t) (text + n / 2), n - n / 2}};

	assert_int_equal(vfs->pwritev(vfs, fd, iov, 2, offset), n);
}

/* What a file of a tree holds; "(none)" when it is not there. */
static const char *
content_of(const struct pd_vfs *tree, const char *path)
{
	static char text[4096];
	int fd = tree->open(tree, path, O_RDONLY, 0);
	ssize_t n;

	if (fd == -ENOENT)
		return "(none)";
	assert_true(fd >= 0);
	n = tree->pread(tree, fd, text, sizeof(text) - 1, 0);
	assert_true(n >= 0);
	text[n] = '\0';
	assert_int_equal(tree->close(tree, fd), 0);
	return text;
}

static void
expect_cut(long n, enum pd_cut_keep keep, uint64_t choice, const char *path, const char *content)
{
	struct pd_vfs *left = pd_vfs_memory_cut(vfs, n, keep, choice);

	assert_non_null(left);
	assert_string_equal(content_of(left, path), content);
	assert_int_equal(pd_vfs_memory_events(left), 0);
	pd_vfs_memory_free(left);
}

static int
count_name(void *arg, const char *name)
{
	*(unsigned *) arg = *(unsigned *) arg * 31 + (unsigned) name[0];
	return 0;
}

static void
files_behave_as_files_do(void **state)
{
	unsigned names = 0;
	char buf[8];
	int fd = open_file("/a");
	int other;

	(void) state;
	write_at(fd, "hello", 5, 2);
	assert_int_equal(vfs->size(vfs, fd), 7);
	assert_int_equal(vfs->pread(vfs, fd, buf, sizeof(buf), 1), 6);
	assert_memory_equal(buf, "\0hello", 6);
	assert_int_equal(vfs->pread(vfs, fd, buf, sizeof(buf), 7), 0);
	assert_int_equal(vfs->ftruncate(vfs, fd, 3), 0);
	assert_int_equal(vfs->ftruncate(vfs, fd, 5), 0);
	assert_int_equal(vfs->pread(vfs, fd, buf, sizeof(buf), 0), 5);
	assert_memory_equal(buf, "\0\0h\0\0", 5);

	assert_int_equal(vfs->lock(vfs, fd), 0);
	other = open_file("/a");
	assert_int_equal(vfs->lock(vfs, other), -EWOULDBLOCK);
	assert_int_equal(vfs->close(vfs, fd), 0);
	assert_int_equal(vfs->lock(vfs, other), 0);
	assert_int_equal(vfs->close(vfs, other), 0);
	assert_int_equal(vfs->close(vfs, other), -EBADF);

	assert_int_equal(vfs->open(vfs, "/a", O_RDWR | O_CREAT | O_EXCL, 0600), -EEXIST);
	assert_int_equal(vfs->open(vfs, "/b/c", O_RDWR | O_CREAT, 0600), -ENOENT);
	assert_int_equal(vfs->mkdir(vfs, "/b", 0700), 0);
	assert_int_equal(vfs->mkdir(vfs, "/b", 0700), -EEXIST);
	assert_int_equal(vfs->open(vfs, "/b", O_RDWR, 0), -EISDIR);
	assert_int_equal(vfs->rename(vfs, "/a", "/b/c"), 0);
	assert_int_equal(vfs->rename(vfs, "/a", "/b/c"), -ENOENT);
	assert_int_equal(vfs->list(vfs, "/b", count_name, &names), 0);
	assert_int_equal(names, 'c');
	assert_int_equal(vfs->list(vfs, "/b/c", count_name, &names), -ENOTDIR);
	assert_int_equal(vfs->unlink(vfs, "/b/c"), 0);
	assert_int_equal(vfs->unlink(vfs, "/b/c"), -ENOENT);
	assert_int_equal(vfs->sync_dir(vfs, "/c"), -ENOENT);
}

static void
only_what_was_synced_is_durable(void **state)
{
	int fd = open_file("/a"); /* event 0 */

	(void) state;
	write_at(fd, "old", 3, 0);						 /* 1 */
	assert_int_equal(vfs->fsync(vfs, fd), 0);		 /* 2 */
	expect_cut(3, PD_CUT_SUBSET, 0, "/a", "(none)"); /* its name was not */
	assert_int_equal(pd_vfs_memory_pending(vfs, 3), 1);
	expect_cut(3, PD_CUT_SUBSET, 1, "/a", "old");
	assert_int_equal(vfs->sync_dir(vfs, "/"), 0);	 /* 3 */
	write_at(fd, "NEWER", 5, 0);					 /* 4 */
	assert_int_equal(vfs->ftruncate(vfs, fd, 4), 0); /* 5 */
	expect_cut(6, PD_CUT_ALL, UINT64_MAX, "/a", "NEWE");
	expect_cut(6, PD_CUT_SUBSET, 0, "/a", "old");
	expect_cut(6, PD_CUT_SUBSET, 1, "/a", "NEWER");
	expect_cut(6, PD_CUT_SUBSET, 3, "/a", "NEWE");
	expect_cut(5, PD_CUT_ALL, UINT64_MAX, "/a", "NEWER");
	expect_cut(1, PD_CUT_ALL, UINT64_MAX, "/a", "");
	expect_cut(0, PD_CUT_ALL, UINT64_MAX, "/a", "(none)");
	assert_int_equal(pd_vfs_memory_pending(vfs, 6), 2);
	assert_int_equal(vfs->fdatasync(vfs, fd), 0);
	assert_int_equal(pd_vfs_memory_pending(vfs, 7), 0);
	assert_int_equal(pd_vfs_memory_pending(vfs, 6), 2); /* as it was then */
	expect_cut(7, PD_CUT_SUBSET, 0, "/a", "NEWE");
	assert_int_equal(vfs->close(vfs, fd), 0);
}

static void
a_rename_is_durable_by_the_folder_it_moved_to(void **state)
{
	int fd;

	(void) state;
	assert_int_equal(vfs->mkdir(vfs, "/from", 0700), 0);
	assert_int_equal(vfs->mkdir(vfs, "/to", 0700), 0);
	assert_int_equal(vfs->sync_dir(vfs, "/"), 0); /* 2 */
	fd = open_file("/to/x");
	write_at(fd, "replaced", 8, 0);
	assert_int_equal(vfs->fsync(vfs, fd), 0);
	assert_int_equal(vfs->close(vfs, fd), 0);
	assert_int_equal(vfs->sync_dir(vfs, "/to"), 0); /* 6 */
	fd = open_file("/from/x");
	write_at(fd, "moved", 5, 0);
	assert_int_equal(vfs->fsync(vfs, fd), 0);
	assert_int_equal(vfs->close(vfs, fd), 0);
	assert_int_equal(vfs->rename(vfs, "/from/x", "/to/x"), 0); /* 10 */
	expect_cut(11, PD_CUT_SUBSET, 0, "/to/x", "replaced");
	expect_cut(11, PD_CUT_SUBSET, 0, "/from/x", "(none)");
	expect_cut(11, PD_CUT_SUBSET, 1, "/from/x", "moved");
	expect_cut(11, PD_CUT_SUBSET, 2, "/to/x", "moved");
	assert_int_equal(vfs->sync_dir(vfs, "/from"), 0); /* 11: covers the creation, which is past */
	expect_cut(12, PD_CUT_SUBSET, 0, "/to/x", "replaced");
	assert_int_equal(vfs->sync_dir(vfs, "/to"), 0);
	expect_cut(13, PD_CUT_SUBSET, 0, "/to/x", "moved");
	expect_cut(13, PD_CUT_SUBSET, 0, "/from/x", "(none)");
	assert_int_equal(vfs->unlink(vfs, "/to/x"), 0);
	expect_cut(14, PD_CUT_SUBSET, 0, "/to/x", "moved");
	expect_cut(14, PD_CUT_ALL, UINT64_MAX, "/to/x", "(none)");
	assert_int_equal(vfs->sync_dir(vfs, "/to"), 0);
	expect_cut(15, PD_CUT_SUBSET, 0, "/to/x", "(none)");
}

static void
a_write_is_torn_at_sectors(void **state)
{
	char text[1300], torn[1300];
	int fd = open_file("/a");
	int whole = 0, mixed = 0;

	(void) state;
	memset(text, 'x', sizeof(text));
	write_at(fd, text, sizeof(text) - 100, 100); /* sectors 0, 1, 2 in part */
	assert_int_equal(vfs->sync_dir(vfs, "/"), 0);
	assert_int_equal(pd_vfs_memory_sectors(vfs, 1), 3);
	assert_int_equal(pd_vfs_memory_sectors(vfs, 0), 0);
	for (uint64_t kept = 0; kept <= 3; kept++)
	{
		struct pd_vfs *left = pd_vfs_memory_cut(vfs, 2, PD_CUT_ALL, kept);
		int at = left->open(left, "/a", O_RDONLY, 0);

		assert_int_equal(left->size(left, at), kept == 0 ? 0 : kept == 3 ? 1300 : (int) kept * 512);
		assert_int_equal(left->close(left, at), 0);
		pd_vfs_memory_free(left);
	}
	/* by coins: any sector without any other, and the size without its bytes; the same for the same seed */
	for (uint64_t seed = 1; seed <= 64; seed++)
	{
		struct pd_vfs *left = pd_vfs_memory_cut(vfs, 3, PD_CUT_RANDOM, seed);
		struct pd_vfs *same = pd_vfs_memory_cut(vfs, 3, PD_CUT_RANDOM, seed);
		int at = left->open(left, "/a", O_RDONLY, 0);
		ssize_t n;

		memset(torn, 0, sizeof(torn));
		n = left->pread(left, at, torn, sizeof(torn), 0);
		assert_int_equal(left->close(left, at), 0);
		assert_string_equal(content_of(left, "/a"), content_of(same, "/a"));
		whole += n == 1300 && torn[200] == 'x' && torn[600] == 'x' && torn[1100] == 'x';
		mixed += n == 1300 && torn[200] == 0 && torn[600] == 'x' && torn[1100] == 0;
		pd_vfs_memory_free(left);
		pd_vfs_memory_free(same);
	}
	assert_true(whole > 0 && mixed > 0);
	assert_int_equal(vfs->close(vfs, fd), 0);
}

static void
what_a_cut_leaves_is_recorded_again(void **state)
{
	struct pd_vfs *left, *again;
	int fd = open_file("/a");

	(void) state;
	write_at(fd, "one", 3, 0);
	assert_int_equal(vfs->close(vfs, fd), 0);
	left = pd_vfs_memory_cut(vfs, 2, PD_CUT_ALL, UINT64_MAX);
	assert_int_equal(left->unlink(left, "/a"), 0);
	assert_int_equal(pd_vfs_memory_events(left), 1);
	again = pd_vfs_memory_cut(left, 1, PD_CUT_SUBSET, 0);
	assert_string_equal(content_of(again, "/a"), "one"); /* what a cut leaves is on the drive */
	pd_vfs_memory_free(again);
	assert_string_equal(content_of(left, "/a"), "(none)");
	pd_vfs_memory_free(left);
	assert_string_equal(content_of(vfs, "/a"), "one");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(files_behave_as_files_do),
		TEST(only_what_was_synced_is_durable),
		TEST(a_rename_is_durable_by_the_folder_it_moved_to),
		TEST(a_write_is_torn_at_sectors),
		TEST(what_a_cut_leaves_is_recorded_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
