/*
 * regress/unit/cli/test_walk.c
 *	  Walking, reading and writing local trees; batches.
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
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/fold.h"
#include "cli/items.h"
#include "cli/local.h"
#include "cli/send.h"
#include "cli/walk.h"
#include "contract/pk_limits.h"

struct fixture
{
	char name[64];
	int top;
	int skipped;
	int failed;
	char last[128];
};

static void
report(void *user, enum pd_walk_problem problem, const char *path, const char *text)
{
	struct fixture *f = user;

	*(problem == PD_WALK_SKIPPED ? &f->skipped : &f->failed) += 1;
	snprintf(f->last, sizeof(f->last), "%.60s: %.60s", path, text);
}

static int
set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->name, sizeof(f->name), "/tmp/pocket-unit-XXXXXX");
	assert_non_null(mkdtemp(f->name));
	f->top = open(f->name, O_RDONLY | O_DIRECTORY);
	assert_true(f->top >= 0);
	*state = f;
	return 0;
}

/* Removes what is in the folder, not the folder. */
static void
remove_all(int folder, const struct pd_items *items)
{
	for (size_t i = items->count; i-- > 0;)
		(void) unlinkat(folder, items->items[i].path, items->items[i].kind == PD_KIND_FOLDER ? AT_REMOVEDIR : 0);
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;
	struct pd_items items = {0};

	(void) pd_walk(f->top, &items, report, f, NULL);
	remove_all(f->top, &items);
	pd_items_free(&items);
	(void) unlinkat(f->top, "fifo", 0);
	(void) unlinkat(f->top, "bad\xff", 0);
	(void) unlinkat(f->top, "line\nbreak", 0);
	close(f->top);
	(void) rmdir(f->name);
	free(f);
	return 0;
}

static void
make_file(int top, const char *path, const char *content)
{
	int file = openat(top, path, O_WRONLY | O_CREAT | O_TRUNC, 0640);

	assert_true(file >= 0);
	assert_int_equal(write(file, content, strlen(content)), strlen(content));
	assert_int_equal(fchmod(file, 0640), 0);
	close(file);
}

static void
walk_lists_files_folders_and_links_in_order(void **state)
{
	static const char *const expected[] = {"B", "a", "a/x", "dangling", "empty", "up"};
	struct fixture *f = *state;
	struct pd_items items = {0};

	mkdirat(f->top, "a", 0755);
	mkdirat(f->top, "empty", 0755);
	make_file(f->top, "a/x", "12345");
	make_file(f->top, "B", "");
	symlinkat("..", f->top, "up");
	symlinkat("nowhere", f->top, "dangling");
	assert_true(pd_walk(f->top, &items, report, f, NULL));
	assert_int_equal(items.count, 6);
	for (size_t i = 0; i < items.count; i++)
		assert_string_equal(items.items[i].path, expected[i]);
	assert_int_equal(items.items[2].size, 5);
	assert_int_equal(items.items[2].mode, 0640);
	assert_int_equal(items.items[3].kind, PD_KIND_SYMLINK);
	assert_string_equal(items.items[3].target, "nowhere");
	assert_false(items.items[1].bare);
	assert_true(items.items[4].bare);
	assert_int_equal(f->failed + f->skipped, 0);
	pd_items_free(&items);
}

static void
walk_reports_what_pocket_does_not_keep(void **state)
{
	struct fixture *f = *state;
	struct pd_items items = {0};

	assert_int_equal(mkfifoat(f->top, "fifo", 0600), 0);
	make_file(f->top, "bad\xff", "x");
	make_file(f->top, "good", "x");
	assert_true(pd_walk(f->top, &items, report, f, NULL));
	assert_int_equal(items.count, 1);
	assert_int_equal(f->skipped, 1);
	assert_int_equal(f->failed, 1);
	make_file(f->top, "line\nbreak", "x");
	pd_items_free(&items);
	assert_true(pd_walk(f->top, &items, report, f, NULL));
	assert_int_equal(f->failed, 3);
	pd_items_free(&items);
}

static void
walk_stops_at_the_depth_of_paths(void **state)
{
	struct fixture *f = *state;
	struct pd_items items = {0};
	int at = dup(f->top);

	for (int i = 0; i < PK_PATH_DEPTH_MAX + 2; i++)
	{
		int next;

		assert_int_equal(mkdirat(at, "d", 0755), 0);
		next = openat(at, "d", O_RDONLY | O_DIRECTORY);
		assert_true(next >= 0);
		close(at);
		at = next;
	}
	close(at);
	assert_true(pd_walk(f->top, &items, report, f, NULL));
	assert_int_equal(items.count, PK_PATH_DEPTH_MAX - 1);
	assert_int_equal(f->failed, 1);
	pd_items_free(&items);
	/* tear_down cannot reach below: unwind from the bottom, by a moved top */
	for (int i = 0; i < PK_PATH_DEPTH_MAX + 2; i++)
	{
		if (unlinkat(f->top, "d", AT_REMOVEDIR) == 0)
			break;
		assert_int_equal(renameat(f->top, "d/d", f->top, "e"), 0);
		assert_int_equal(unlinkat(f->top, "d", AT_REMOVEDIR), 0);
		assert_int_equal(renameat(f->top, "e", f->top, "d"), 0);
	}
}

static void
links_are_not_followed(void **state)
{
	struct fixture *f = *state;
	struct pd_local local;
	struct pd_local_draft draft;
	struct stat st;

	symlinkat("/tmp", f->top, "out");
	symlinkat("/etc/passwd", f->top, "file");
	pd_local_init(&local, f->top, 022);
	assert_int_equal(pd_local_open(&local, "file", &st), -1);
	assert_int_equal(pd_local_open(&local, "out/anything", &st), -1);
	assert_true(pd_local_create(&local, "out/anything", &draft) < 0);
	assert_true(pd_local_mkdir(&local, "out/folder") < 0);
	assert_int_equal(access("/tmp/folder", F_OK), -1);
	pd_local_release(&local);
}

static void
files_are_written_whole_with_mode_and_time(void **state)
{
	struct fixture *f = *state;
	struct pd_item item = {.kind = PD_KIND_FILE, .size = 5, .mode = 04751, .mtime_us = -1500001};
	struct pd_item there;
	struct pd_local local;
	struct pd_local_draft draft;
	struct pd_items items = {0};
	char buffer[6] = "";
	struct stat st;
	int file;

	pd_local_init(&local, f->top, 022);
	assert_int_equal(pd_local_create(&local, "new/deep/file", &draft), 0);
	assert_int_equal(pd_local_write(&draft, "hello", 5), 0);
	assert_false(pd_local_examine(&local, "new/deep/file", &there));
	assert_int_equal(pd_local_commit(&local, &draft, &item), 0);
	file = pd_local_open(&local, "new/deep/file", &st);
	assert_true(file >= 0);
	assert_int_equal(st.st_mode & 07777, 0751); /* set-user-id is not restored */
	assert_true(pd_local_mtime_us(&st) == -1500001);
	assert_int_equal(pd_local_read(file, buffer, 5, 0), 0);
	assert_string_equal(buffer, "hello");
	assert_int_equal(pd_local_read(file, buffer, 6, 0), -ESTALE);
	assert_true(pd_local_unchanged(file, &st));
	make_file(f->top, "new/deep/file", "longer now");
	assert_false(pd_local_unchanged(file, &st));
	close(file);
	assert_int_equal(pd_local_create(&local, "new/deep/file", &draft), 0);
	pd_local_abort(&draft);
	assert_int_equal(pd_local_symlink(&local, "new/deep/link", "../x"), 0);
	assert_int_equal(pd_local_symlink(&local, "new/deep/link", "../y"), 0);
	assert_true(pd_local_examine(&local, "new/deep/link", &there));
	assert_string_equal(there.target, "../y");
	free(there.target);
	assert_true(pd_walk(f->top, &items, report, f, NULL));
	assert_int_equal(items.count, 4); /* new, deep, file, link: no draft is left */
	pd_items_free(&items);
	pd_local_release(&local);
}

static void
batches_are_bounded(void **state)
{
	struct pd_item items[600];
	struct pd_item *plan[600];

	(void) state;
	memset(items, 0, sizeof(items));
	for (size_t i = 0; i < 600; i++)
		plan[i] = &items[i];
	assert_int_equal(pd_send_batch(plan, 600, 0), PD_BATCH_FILES);
	assert_int_equal(pd_send_batch(plan, 600, 512), 88);
	items[3].size = PD_BATCH_BYTES;
	items[4].size = 1;
	assert_int_equal(pd_send_batch(plan, 600, 0), 4);
	assert_int_equal(pd_send_batch(plan, 600, 3), 1);
	items[3].size = INT64_C(1) << 40;
	assert_int_equal(pd_send_batch(plan, 600, 0), 3);
	assert_int_equal(pd_send_batch(plan, 600, 3), 1);
	items[1].kind = PD_KIND_SYMLINK;
	assert_int_equal(pd_send_batch(plan, 600, 0), 1);
}

static void
agreement_is_by_kind_size_time_and_mode(void **state)
{
	struct pd_item a = {.kind = PD_KIND_FILE, .size = 1, .mtime_us = 2, .mode = 0644};
	struct pd_item b = a;
	struct pd_items items = {0};

	(void) state;
	assert_true(pd_items_agree(&a, &b));
	b.mode = 0600;
	assert_false(pd_items_agree(&a, &b));
	b = a;
	b.mtime_us = 3;
	assert_false(pd_items_agree(&a, &b));
	b = a;
	b.kind = PD_KIND_FOLDER;
	assert_false(pd_items_agree(&a, &b));
	assert_null(pd_items_find(&items, "x"));
	assert_non_null(pd_items_add(&items, "b/c", NULL));
	assert_non_null(pd_items_add(&items, "b", NULL));
	pd_items_sort(&items);
	assert_string_equal(pd_items_find(&items, "b/c")->path, "b/c");
	assert_null(pd_items_find(&items, "b/"));
	pd_items_free(&items);
}

static void
names_that_differ_by_case_are_found(void **state)
{
	static const char *const paths[] = {"a", "a/README", "A", "a/readme", "A/Readme", "b/\xc3\x9c", "b/u\xcc\x88", "c"};
	static const bool expected[] = {false, false, true, true, true, false, true, false};
	struct pd_items items = {0};
	bool marks[8];

	(void) state;
	for (size_t i = 0; i < 8; i++)
		assert_non_null(pd_items_add(&items, paths[i], NULL));
	assert_int_equal(pd_fold_mark(&items, marks), 4);
	assert_memory_equal(marks, expected, sizeof(marks));
	pd_items_free(&items);
	assert_int_equal(pd_fold_mark(&items, marks), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(walk_lists_files_folders_and_links_in_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(walk_reports_what_pocket_does_not_keep, set_up, tear_down),
		cmocka_unit_test_setup_teardown(walk_stops_at_the_depth_of_paths, set_up, tear_down),
		cmocka_unit_test_setup_teardown(links_are_not_followed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(files_are_written_whole_with_mode_and_time, set_up, tear_down),
		cmocka_unit_test(names_that_differ_by_case_are_found),
		cmocka_unit_test(batches_are_bounded),
		cmocka_unit_test(agreement_is_by_kind_size_time_and_mode),
	};

	return cmocka_run_group_tests_name("cli/walk", tests, NULL, NULL);
}
