/*
 * regress/unit/store/test_faults.c
 *	  The N-th call of each kind fails, N = 1, 2, ... until the operation
 *	  succeeds: nothing that was acknowledged before is lost, a failed sync is
 *	  final, and a full drive is no broken one.
 */
#include "harness.h"

#define ID 0x42
#define BYTES (3 * PD_EXTENT_CHUNK + 100)

struct world
{
	struct pd_faults faults;
	struct pd_vfs *vfs;
	struct pd_drive *drive;
	struct pd_extent *extent; /* open, with one record */
	uint64_t end;			  /* acknowledged */
};

typedef pk_error (*operation_fn)(struct world *world, struct pd_err *err);

static pk_error
do_create(struct world *world, struct pd_err *err)
{
	struct pd_members members;
	struct pd_extent *extent;
	pk_error rc;

	fill_members(&members, ID + 1, 1);
	rc = pd_extent_create(world->drive, PK_EXTENT_BUCKET, ID + 1, 0, test_cell, &members, 1 << 20, &extent, err);
	pd_extent_unref(extent);
	return rc;
}

static pk_error
do_append(struct world *world, struct pd_err *err)
{
	return append_record(world->extent, ID, &world->end, 5000, err);
}

static pk_error
do_seal(struct world *world, struct pd_err *err)
{
	return pd_extent_seal(world->extent, world->end, err);
}

static pk_error
do_set_members(struct world *world, struct pd_err *err)
{
	struct pd_members members;

	fill_members(&members, ID, 2);
	return pd_extent_set_members(world->extent, &members, err);
}

static pk_error
do_build(struct world *world, struct pd_err *err)
{
	static uint8_t bytes[BYTES];
	struct pd_extent_build *build;
	struct pd_members members;
	pk_error rc;

	fill_members(&members, ID, 1);
	rc = pd_extent_build_begin(world->drive, PK_EXTENT_PARITY, ID, 2, test_cell, &members, BYTES, &build, err);
	if (rc != PK_OK)
		return rc;
	rc = pd_extent_build_write(build, bytes, 3 * PD_EXTENT_CHUNK, err);
	if (rc == PK_OK)
		rc = pd_extent_build_write(build, bytes + 3 * PD_EXTENT_CHUNK, 100, err);
	if (rc == PK_OK)
		return pd_extent_build_finish(build, NULL, err);
	pd_extent_build_abandon(build);
	return rc;
}

/* Another bucket, sealed before the faults begin, is replaced by the same bytes. */
static pk_error
do_replace(struct world *world, struct pd_err *err)
{
	struct pd_extent_build *build;
	struct pd_members members;
	size_t size;
	uint8_t *record = make_record(ID + 2, 0, 0, 1000, &size);
	pk_error rc;

	fill_members(&members, ID + 2, 2);
	rc = pd_extent_build_begin(world->drive, PK_EXTENT_BUCKET, ID + 2, 0, test_cell, &members, size, &build, err);
	if (rc == PK_OK)
	{
		rc = pd_extent_build_write(build, record, size, err);
		if (rc == PK_OK)
			rc = pd_extent_build_finish(build, NULL, err);
		else
			pd_extent_build_abandon(build);
	}
	free(record);
	return rc;
}

static pk_error
do_remove(struct world *world, struct pd_err *err)
{
	struct pd_extent *extent = pd_extent_find(world->drive, PK_EXTENT_BUCKET, ID + 2, 0);
	pk_error rc = extent == NULL ? PK_OK : pd_extent_remove(extent, err);

	pd_extent_unref(extent);
	return rc;
}

static pk_error
do_trash(struct world *world, struct pd_err *err)
{
	struct pd_extent *extent = pd_extent_find_kept(world->drive, PK_EXTENT_BUCKET, ID + 2, 0);
	pk_error rc = pd_extent_trash(extent, err);

	pd_extent_unref(extent);
	return rc;
}

static void
begin_world(struct world *world, enum pd_fault_op op, int error)
{
	struct pd_extent *other;
	uint64_t end = 0;

	memset(world, 0, sizeof(*world));
	world->faults.below = &pd_vfs_real;
	world->faults.op = op;
	world->faults.error = error;
	world->vfs = pd_vfs_faulty(&world->faults);
	world->drive = new_drive(world->vfs);
	world->extent = new_bucket(world->drive, ID);
	assert_ok(append_record(world->extent, ID, &world->end, 3000, &ok_err));
	other = new_bucket(world->drive, ID + 2);
	assert_ok(append_record(other, ID + 2, &end, 1000, &ok_err));
	assert_ok(pd_extent_seal(other, end, &ok_err));
	pd_extent_unref(other);
	world->faults.count = 0;
}

static void
check_other(struct pd_drive *drive, operation_fn operation)
{
	struct pd_extent *other = pd_extent_find_kept(drive, PK_EXTENT_BUCKET, ID + 2, 0);
	struct found found;

	if (other == NULL)
	{
		assert_ptr_equal(operation, do_remove);
		return;
	}
	assert_true(info_of(other)->sealed);
	check_record(other, ID + 2, 0, 0, 1000);
	assert_int_equal(scrub(other, &found), 0);
	pd_extent_unref(other);
}

/* What a failure left behind in memory, and then on the drive. */
static void
end_world(struct world *world, operation_fn operation, pk_error rc)
{
	struct pd_extent *extent;
	struct found found;
	struct pd_err err;
	uint64_t end = world->end;

	world->faults.nth = 0;
	check_record(world->extent, ID, 0, 0, 3000);
	if (rc != PK_OK && operation == do_append)
		assert_int_equal(append_record(world->extent, ID, &end, 10, &err), PK_ERR_BUCKET_CLOSED);
	if (!pd_drive_writable(world->drive))
		assert_int_equal(do_seal(world, &err),
						 world->faults.failed > 0 && info_of(world->extent)->sealed ? PK_OK : PK_ERR_IO);
	check_other(world->drive, operation);
	pd_extent_unref(world->extent);
	pd_drive_close(world->drive);

	world->drive = open_good_drive(world->vfs);
	assert_int_equal(damaged(world->drive, &found), 0);
	extent = pd_extent_find(world->drive, PK_EXTENT_BUCKET, ID, 0);
	assert_non_null(extent);
	assert_int_equal(rots(extent, &found), 0);
	assert_true(info_of(extent)->length >= world->end);
	check_record(extent, ID, 0, 0, 3000);
	if (rc == PK_OK && operation == do_append)
		check_record(extent, ID, world->end - pk_record_size(5000), world->end - pk_record_size(5000), 5000);
	if (rc == PK_OK && operation == do_set_members)
		assert_int_equal(info_of(extent)->members.generation, 2);
	if (rc == PK_OK && operation == do_trash)
		assert_null(pd_extent_find(world->drive, PK_EXTENT_BUCKET, ID + 2, 0));
	if (rc == PK_OK && operation == do_seal)
		assert_true(info_of(extent)->sealed);
	assert_ok(pd_extent_seal(extent, info_of(extent)->length, &ok_err));
	if (scrub(extent, &found) > 0 && (operation != do_set_members || strstr(found.text, "slot") == NULL))
		fail_msg("%s", found.text);
	pd_extent_unref(extent);
	check_other(world->drive, operation);
	world->extent = NULL;
	extent = pd_extent_find(world->drive, PK_EXTENT_BUCKET, ID + 1, 0);
	if (operation == do_build || operation == do_replace || operation == do_remove || operation == do_trash ||
		(operation == do_create && extent == NULL))
		assert_ok(operation(world, &ok_err));
	pd_extent_unref(extent);
	pd_drive_close(world->drive);
	pd_vfs_faulty_free(world->vfs);
	remove_tree(test_drive);
}

/* The nth one, or all from it on. */
static void
fail_each_call(operation_fn operation, int error, bool sticky)
{
	static const enum pd_fault_op ops[] = {PD_FAULT_ANY,  PD_FAULT_OPEN,   PD_FAULT_READ,  PD_FAULT_WRITE,
										   PD_FAULT_SYNC, PD_FAULT_RENAME, PD_FAULT_UNLINK};

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		for (long nth = 1;; nth++)
		{
			struct world world;
			struct pd_err err;
			pk_error rc;
			long failed;

			begin_world(&world, ops[i], error);
			world.faults.nth = nth;
			world.faults.sticky = sticky;
			rc = operation(&world, &err);
			failed = world.faults.failed;
			if (failed > 0 && ops[i] == PD_FAULT_SYNC)
			{
				assert_int_equal(rc, PK_ERR_IO);
				assert_false(pd_drive_writable(world.drive));
			}
			if (failed > 0 && ops[i] == PD_FAULT_WRITE)
			{
				assert_int_equal(rc, error == ENOSPC ? PK_ERR_DISK_FULL : PK_ERR_IO);
				assert_int_equal(pd_drive_writable(world.drive), error == ENOSPC);
			}
			if (failed == 0)
				assert_int_equal(rc, PK_OK);
			end_world(&world, operation, rc);
			if (failed == 0)
				break;
		}
}

static void
each_operation_survives_each_failed_call(void **state)
{
	static const operation_fn operations[] = {do_create, do_append,	 do_seal,	do_set_members,
											  do_build,	 do_replace, do_remove, do_trash};

	(void) state;
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
	{
		for (int sticky = 0; sticky < 2; sticky++)
		{
			fail_each_call(operations[i], EIO, sticky == 1);
			fail_each_call(operations[i], ENOSPC, sticky == 1);
		}
	}
}

static void
a_full_drive_closes_the_bucket_and_seals_it(void **state)
{
	struct world world;
	struct pd_err err;
	uint64_t end;

	(void) state;
	begin_world(&world, PD_FAULT_WRITE, ENOSPC);
	world.faults.nth = 1;
	end = world.end;
	assert_int_equal(do_append(&world, &err), PK_ERR_DISK_FULL);
	assert_int_equal(do_append(&world, &err), PK_ERR_BUCKET_CLOSED);
	assert_int_equal(world.end, end);
	assert_true(pd_drive_writable(world.drive));
	assert_ok(do_seal(&world, &ok_err));
	end_world(&world, do_seal, PK_OK);
}

static void
a_seal_that_found_no_space_is_done_again(void **state)
{
	struct world world;
	struct pd_err err;

	(void) state;
	begin_world(&world, PD_FAULT_WRITE, ENOSPC);
	assert_ok(do_append(&world, &ok_err));
	world.faults.count = 0;
	world.faults.nth = 1;
	world.end -= pk_record_size(5000);
	assert_int_equal(do_seal(&world, &err), PK_ERR_DISK_FULL);
	assert_int_equal(pd_extent_seal(world.extent, world.end + 64, &err), PK_ERR_STATE); /* overwritten */
	assert_ok(do_seal(&world, &ok_err));
	end_world(&world, do_seal, PK_OK);
}

static void
no_descriptor_is_no_broken_drive(void **state)
{
	struct world world;
	struct pd_err err;

	(void) state;
	begin_world(&world, PD_FAULT_OPEN, EMFILE);
	world.faults.nth = 1;
	world.faults.sticky = true;
	assert_int_not_equal(do_create(&world, &err), PK_OK);
	assert_int_equal(state_of(world.drive, NULL), PD_DRIVE_OK);
	world.faults.nth = 0;
	assert_ok(do_create(&world, &ok_err));
	end_world(&world, do_seal, PK_ERR_IO);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_test, end_test)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_operation_survives_each_failed_call),
		TEST(a_full_drive_closes_the_bucket_and_seals_it),
		TEST(a_seal_that_found_no_space_is_done_again),
		TEST(no_descriptor_is_no_broken_drive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
