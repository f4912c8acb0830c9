/*
 * regress/unit/volume/test_cell.c
 *	  Whose the drives are, which epoch speaks, and what is reported.
 */
#include "harness.h"

static const uint8_t other_cell[PK_UUID_SIZE] = {0xce, 0x11, 2};

static pk_error
admit(struct node *node, const uint8_t *cell, uint32_t incarnation, uint32_t timeline, uint32_t starts)
{
	pk_epoch epoch = {incarnation, timeline, starts};

	return pd_cell_admit(node->cell, cell, &epoch, &ok_err);
}

static void
a_superseded_epoch_is_refused(void **state)
{
	struct node node;
	pk_epoch epoch;

	(void) state;
	make_node(&node, 3, &pd_vfs_real);
	assert_ok(admit(&node, test_cell, 7, 1, 1));
	assert_ok(admit(&node, test_cell, 7, 1, 5));
	assert_int_equal(admit(&node, test_cell, 7, 1, 4), PK_ERR_STALE_EPOCH);
	assert_ok(admit(&node, test_cell, 7, 2, 1));
	assert_int_equal(admit(&node, test_cell, 7, 1, 9), PK_ERR_STALE_EPOCH);
	assert_int_equal(admit(&node, test_cell, 8, 3, 1), PK_ERR_FOREIGN);
	assert_int_equal(admit(&node, test_cell, 6, 3, 1), PK_ERR_STALE_EPOCH);
	assert_int_equal(admit(&node, other_cell, 7, 3, 1), PK_ERR_FOREIGN);

	/* the highest is on the drives, before anything was done in its name */
	restart_node(&node);
	pd_cell_identity(node.cell, NULL, &epoch);
	assert_int_equal(epoch.timeline, 2);
	assert_int_equal(admit(&node, test_cell, 7, 1, 9), PK_ERR_STALE_EPOCH);
	assert_ok(admit(&node, test_cell, 7, 2, 1));
	end_node(&node);
}

static pk_error
adopt(struct node *node, const uint8_t *cell, uint32_t incarnation, uint32_t timeline, uint32_t starts)
{
	pk_epoch epoch = {incarnation, timeline, starts};

	return pd_cell_adopt(node->cell, cell, &epoch, &ok_err);
}

static void
assert_highest(struct node *node, uint64_t id, uint64_t generation)
{
	uint64_t highest;
	uint64_t highest_generation;

	pd_cell_highest(node->cell, &highest, &highest_generation);
	assert_int_equal(highest, id);
	assert_int_equal(highest_generation, generation);
}

static void
an_incarnation_must_adopt_the_cell(void **state)
{
	struct node node;
	struct pd_members members;
	pk_epoch epoch;

	(void) state;
	make_node(&node, 3, &pd_vfs_real);
	assert_ok(admit(&node, test_cell, 7, 2, 5));
	assert_int_equal(admit(&node, test_cell, 9, 1, 0), PK_ERR_FOREIGN);
	assert_int_equal(adopt(&node, test_cell, 6, 9, 9), PK_ERR_STALE_EPOCH);
	assert_int_equal(adopt(&node, test_cell, 7, 2, 4), PK_ERR_STALE_EPOCH);
	assert_int_equal(adopt(&node, other_cell, 9, 1, 0), PK_ERR_FOREIGN);
	assert_ok(adopt(&node, test_cell, 7, 2, 5));
	assert_ok(admit(&node, test_cell, 7, 2, 5));

	/* from then on the one before it is refused, whatever its timeline is; that is on the drives */
	assert_ok(adopt(&node, test_cell, 9, 1, 0));
	for (int i = 0; i < 2; i++)
	{
		assert_int_equal(admit(&node, test_cell, 7, 9, 9), PK_ERR_STALE_EPOCH);
		assert_int_equal(adopt(&node, test_cell, 8, 9, 9), PK_ERR_STALE_EPOCH);
		assert_ok(adopt(&node, test_cell, 9, 1, 0));
		assert_ok(admit(&node, test_cell, 9, 1, 0));
		pd_cell_identity(node.cell, NULL, &epoch);
		assert_int_equal(epoch.incarnation, 9);
		restart_node(&node);
	}

	/* what was ever placed here is known by its highest id, also after a start */
	assert_highest(&node, 0, 0);
	replicated(&node, &members, 41, 0, 2);
	assert_ok(pd_bucket_open(node.cell, &members, 41, MIB, &ok_err));
	assert_highest(&node, 41, 1);
	replicated(&node, &members, 44, 0, 2);
	assert_ok(pd_bucket_open(node.cell, &members, 44, MIB, &ok_err));
	assert_highest(&node, 44, 1);
	restart_node(&node);
	assert_highest(&node, 44, 1);
	end_node(&node);
}

static void
an_unbound_node_is_not_adopted(void **state)
{
	struct pd_drive *none[1] = {NULL};
	struct pd_buffer_pool *buffers = pd_buffer_pool_create(1 << 20);
	const pk_keyring keys = {0};
	struct pd_cell *cell = pd_cell_create(none, 0, &keys, buffers, &ok_err);
	pk_epoch epoch = {1, 1, 1};

	(void) state;
	assert_non_null(cell);
	assert_int_equal(pd_cell_adopt(cell, test_cell, &epoch, &ok_err), PK_ERR_FOREIGN);
	pd_cell_free(cell);
	pd_buffer_pool_free(buffers);
}

static void
binding_is_for_one_cell(void **state)
{
	struct node node;
	struct pd_members members;
	pk_epoch epoch = {7, 1, 2};
	uint8_t uuid[PK_UUID_SIZE];
	char path[128];

	(void) state;
	make_node(&node, 3, &pd_vfs_real);
	assert_int_equal(pd_cell_bind(node.cell, other_cell, &epoch, &ok_err), PK_ERR_FOREIGN);
	assert_ok(pd_cell_bind(node.cell, test_cell, &epoch, &ok_err));
	epoch.starts = 1;
	assert_int_equal(pd_cell_bind(node.cell, test_cell, &epoch, &ok_err), PK_ERR_STALE_EPOCH);

	/* a new drive is used once it is bound */
	kill_node(&node);
	node.count = 4;
	drive_path(&node, 3, path, sizeof(path));
	assert_ok(pd_drive_format(&pd_vfs_real, path, &ok_err));
	start_node(&node);
	memcpy(node.uuids[3], pd_drive_uuid(node.drives[3]), PK_UUID_SIZE);
	replicated(&node, &members, 1, 2, 2);
	assert_int_equal(pd_bucket_open(node.cell, &members, 1, MIB, &ok_err), PK_ERR_NOT_FOUND);
	epoch.starts = 3;
	assert_ok(pd_cell_bind(node.cell, test_cell, &epoch, &ok_err));
	assert_ok(pd_bucket_open(node.cell, &members, 1, MIB, &ok_err));
	kill_node(&node);

	/* a drive of another cell is left alone, even when it comes first */
	remove_tree(path);
	drive_path(&node, 0, path, sizeof(path));
	remove_tree(path);
	node.count = 3;
	assert_ok(pd_drive_format(&pd_vfs_real, path, &ok_err));
	{
		struct pd_drive *drive = pd_drive_open(&pd_vfs_real, path);

		assert_ok(pd_drive_bind(drive, other_cell, &ok_err));
		memcpy(node.uuids[0], pd_drive_uuid(drive), PK_UUID_SIZE);
		pd_drive_close(drive);
	}
	start_node(&node);
	pd_cell_identity(node.cell, uuid, NULL);
	assert_memory_equal(uuid, test_cell, PK_UUID_SIZE);
	replicated(&node, &members, 2, 0, 2);
	assert_int_equal(pd_bucket_open(node.cell, &members, 2, MIB, &ok_err), PK_ERR_NOT_FOUND);
	end_node(&node);
}

static void
an_unbound_node_takes_no_orders(void **state)
{
	struct node node;
	uint8_t uuid[PK_UUID_SIZE];
	char path[128];

	(void) state;
	make_node(&node, 1, &pd_vfs_real);
	kill_node(&node);
	drive_path(&node, 0, path, sizeof(path));
	remove_tree(path);
	assert_ok(pd_drive_format(&pd_vfs_real, path, &ok_err));
	start_node(&node);
	pd_cell_identity(node.cell, uuid, NULL);
	assert_int_equal(uuid[0], 0);
	assert_int_equal(admit(&node, test_cell, 7, 1, 1), PK_ERR_FOREIGN);
	end_node(&node);
}

static void
an_epoch_that_cannot_be_kept_is_not_admitted(void **state)
{
	struct pd_faults faults = {.below = &pd_vfs_real, .op = PD_FAULT_SYNC, .error = EIO, .sticky = true};
	struct pd_vfs *vfs = pd_vfs_faulty(&faults);
	struct node node;

	(void) state;
	make_node(&node, 2, vfs);
	faults.nth = faults.count + 1;
	assert_true(admit(&node, test_cell, 7, 1, 2) != PK_OK);
	assert_ok(admit(&node, test_cell, 7, 1, 1));
	faults.nth = 0;
	end_node(&node);
	pd_vfs_faulty_free(vfs);
}

static void
keep_last(void *arg, const struct pd_report *report)
{
	*(struct pd_report *) arg = *report;
}

static void
reports_are_bounded_and_one_for_a_place(void **state)
{
	static const uint8_t elsewhere[PK_UUID_SIZE] = {7};
	struct node node;
	struct pd_report last;
	int count = 0;

	(void) state;
	make_node(&node, 1, &pd_vfs_real);
	for (int turn = 0; turn < 2; turn++)
	{
		for (int i = 0; i < 1000; i++)
		{
			char file[PK_EXTENT_FILE];

			pk_extent_file(file, PK_EXTENT_BUCKET, (uint64_t) i + 1, 0);
			pd_cell_report(node.cell, node.uuids[0], file, "is damaged");
		}
	}
	pd_cell_report(node.cell, node.uuids[0], "one too many", "is damaged");
	pd_cell_each_report(node.cell, count_report, &count);
	assert_int_equal(count, 1000);
	pd_cell_each_report(node.cell, keep_last, &last);
	assert_string_equal(last.problem, "is damaged");
	assert_int_equal(take_reports(&node), 1000);
	assert_int_equal(take_reports(&node), 0);

	/* of another node's drive: nobody would say here that it is mended */
	pd_cell_report(node.cell, elsewhere, "extents/01/b-0000000000000001", "is damaged");
	count = 0;
	pd_cell_each_report(node.cell, count_report, &count);
	assert_int_equal(count, 1);
	pd_cell_each_report(node.cell, count_report, &count);
	assert_int_equal(count, 1);
	end_node(&node);
}

static struct node *copied;

/* From d00 to d01. */
static int
copy_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	char to[256];
	uint8_t *bytes = malloc((size_t) st->st_size + 1);
	int in, out;

	(void) ftw;
	assert_non_null(bytes);
	snprintf(to, sizeof(to), "%s/d01%s", copied->dir, path + strlen(copied->dir) + strlen("/d00"));
	if (type == FTW_D)
		assert_int_equal(mkdir(to, 0700), 0);
	else
	{
		in = open(path, O_RDONLY);
		out = open(to, O_WRONLY | O_CREAT, 0600);
		assert_int_equal(read(in, bytes, (size_t) st->st_size), st->st_size);
		assert_int_equal(write(out, bytes, (size_t) st->st_size), st->st_size);
		close(in);
		close(out);
	}
	free(bytes);
	return 0;
}

static void
expect_copy(struct node *node, int drive)
{
	struct pd_drive_info info;

	for (int i = 0; i < 2; i++)
	{
		pd_drive_info(node->drives[i], &info);
		assert_int_equal(info.state, i == drive ? PD_DRIVE_FAILED : PD_DRIVE_OK);
		assert_int_equal(strstr(info.why, "copy") != NULL, i == drive);
	}
}

static void
a_copy_of_a_drive_is_not_used(void **state)
{
	struct node node;
	struct block block;
	char first[128], second[128], aside[128];
	uint64_t length;

	(void) state;
	make_node(&node, 1, &pd_vfs_real);
	open_bucket(&node, 1, 0, 1, MIB);
	make_block(&block, 1, 1000, 1);
	put_blocks(&node, &block, 1);
	assert_int_equal(block.put.result, PK_OK);
	assert_ok(pd_bucket_seal(node.cell, 1, &length, &ok_err));
	kill_node(&node);
	copied = &node;
	drive_path(&node, 0, first, sizeof(first));
	drive_path(&node, 1, second, sizeof(second));
	assert_int_equal(nftw(first, copy_entry, 16, FTW_PHYS), 0);
	node.count = 2;
	start_node(&node);
	expect_copy(&node, 1);
	assert_ok(get_block(&node, &block, NULL));

	/* the one that has heard of the newer epoch is the one that was used, wherever it stands */
	assert_ok(admit(&node, test_cell, 7, 1, 2));
	kill_node(&node);
	snprintf(aside, sizeof(aside), "%s/aside", node.dir);
	assert_int_equal(rename(first, aside), 0);
	assert_int_equal(rename(second, first), 0);
	assert_int_equal(rename(aside, second), 0);
	start_node(&node);
	expect_copy(&node, 0);
	assert_ok(get_block(&node, &block, NULL));
	free_blocks(&block, 1);
	end_node(&node);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_superseded_epoch_is_refused),
		cmocka_unit_test(an_incarnation_must_adopt_the_cell),
		cmocka_unit_test(an_unbound_node_is_not_adopted),
		cmocka_unit_test(binding_is_for_one_cell),
		cmocka_unit_test(an_unbound_node_takes_no_orders),
		cmocka_unit_test(an_epoch_that_cannot_be_kept_is_not_admitted),
		cmocka_unit_test(a_copy_of_a_drive_is_not_used),
		cmocka_unit_test(reports_are_bounded_and_one_for_a_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
