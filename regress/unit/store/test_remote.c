/*
 * A drive of another node behind the functions of a local one: what comes through is the same, what cannot is refused, and
 * a peer is not believed.
 */
#include "harness.h"

#include "../fake_remote.h"

static struct pd_drive *local;
static struct fake_remote fake;

static int
begin(void **state)
{
	if (begin_test(state) != 0)
		return -1;
	local = new_drive(&pd_vfs_real);
	fake_remote_init(&fake, local);
	return 0;
}

static int
end(void **state)
{
	fake_remote_end(&fake);
	pd_drive_close(local);
	return end_test(state);
}

static void
life_of_an_extent(void **state)
{
	struct pd_members members;
	struct pd_extent *extent = new_bucket(fake.drive, 5), *found, *there;
	uint64_t offset = 0, second;

	(void) state;
	assert_true(pd_drive_is_remote(fake.drive));
	assert_false(pd_drive_is_remote(local));
	assert_true(pd_extent_is_open(extent));
	assert_ptr_equal(pd_extent_drive(extent), fake.drive);
	assert_ok(append_record(extent, 5, &offset, 1000, &ok_err));
	second = offset;
	assert_ok(append_record(extent, 5, &offset, 70000, &ok_err));
	assert_int_equal(info_of(extent)->length, offset);

	/* the local drive has it, to the bit */
	there = pd_extent_find(local, PK_EXTENT_BUCKET, 5, 0);
	assert_non_null(there);
	(void) check_record(there, 5, second, second, 70000);
	(void) check_record(extent, 5, second, second, 70000);

	assert_ok(pd_extent_seal(extent, offset, &ok_err));
	assert_ok(pd_extent_seal(extent, offset, &ok_err)); /* again */
	assert_int_equal(pd_extent_seal(extent, second, &ok_err), PK_ERR_STATE);
	assert_true(info_of(extent)->sealed);
	assert_true(info_of(there)->sealed);
	assert_int_equal(info_of(extent)->file_size, info_of(there)->file_size);
	fill_members(&members, 5, 2);
	assert_ok(pd_extent_set_members(extent, &members, &ok_err));

	assert_ok(pd_extent_lookup(fake.drive, PK_EXTENT_BUCKET, 5, 0, &found, &ok_err));
	assert_memory_equal(&info_of(found)->members, &members, sizeof(members));
	assert_true(info_of(found)->sealed);
	assert_int_equal(info_of(found)->length, offset);
	assert_memory_equal(info_of(found)->cell, test_cell, PK_UUID_SIZE);
	assert_string_equal(info_of(found)->file, info_of(extent)->file);

	assert_ok(pd_extent_remove(found, &ok_err));
	pd_extent_unref(found);
	assert_null(pd_extent_find(local, PK_EXTENT_BUCKET, 5, 0));
	assert_int_equal(pd_extent_lookup(fake.drive, PK_EXTENT_BUCKET, 5, 0, &found, &ok_err), PK_ERR_NOT_FOUND);
	assert_null(found);
	assert_int_equal(pd_extent_read(extent, 0, &members, 1, &ok_err), PK_ERR_NOT_FOUND);
	pd_extent_unref(extent);
	pd_extent_unref(there);
}

static void
checked_reads(void **state)
{
	struct pd_extent *extent = new_bucket(fake.drive, 6);
	uint8_t *buf = malloc(4 * PD_EXTENT_CHUNK);
	uint64_t offset = 0;

	(void) state;
	assert_ok(append_record(extent, 6, &offset, 100000, &ok_err));
	assert_int_equal(pd_extent_read_checked(extent, 0, buf, 100, &ok_err), PK_ERR_STATE);
	assert_ok(pd_extent_seal(extent, offset, &ok_err));
	memset(buf, 0xee, 4 * PD_EXTENT_CHUNK);
	assert_ok(pd_extent_read_checked(extent, PD_EXTENT_CHUNK, buf, 3 * PD_EXTENT_CHUNK, &ok_err));
	for (uint64_t i = offset - PD_EXTENT_CHUNK; i < 3 * PD_EXTENT_CHUNK; i++)
		assert_int_equal(buf[i], 0);
	flip(path_of(6), PD_EXTENT_DATA + 70000);
	assert_int_equal(pd_extent_read_checked(extent, PD_EXTENT_CHUNK, buf, PD_EXTENT_CHUNK, &ok_err), PK_ERR_CORRUPT);
	assert_ok(pd_extent_read_checked(extent, 0, buf, PD_EXTENT_CHUNK, &ok_err));
	pd_extent_unref(extent);
	free(buf);
}

static void
only_the_creator_appends(void **state)
{
	struct pd_extent *extent = new_bucket(fake.drive, 7), *found;
	uint64_t offset = 0, wrong = 100;

	(void) state;
	assert_ok(append_record(extent, 7, &offset, 1000, &ok_err));
	found = pd_extent_find(fake.drive, PK_EXTENT_BUCKET, 7, 0);
	assert_false(pd_extent_is_open(found));
	assert_int_equal(append_record(found, 7, &offset, 1000, &ok_err), PK_ERR_BUCKET_CLOSED);
	assert_int_equal(append_record(extent, 7, &wrong, 1000, &ok_err), PK_ERR_STATE);
	assert_int_equal(fake_calls(&fake, FAKE_APPEND), 1);
	assert_ok(append_record(extent, 7, &offset, 1000, &ok_err)); /* refused before it went out: nothing is in doubt */
	pd_extent_unref(found);
	pd_extent_unref(extent);
}

/* Whether it was done or not is not known then: nothing is appended any more. */
static void
a_failed_append_is_the_last(void **state)
{
	(void) state;
	for (int after = 0; after < 2; after++)
	{
		uint64_t id = 10 + (uint64_t) after, offset = 0;
		struct pd_extent *extent = new_bucket(fake.drive, id), *there;

		fake.after = after;
		assert_ok(append_record(extent, id, &offset, 1000, &ok_err));
		fake_fail(&fake, FAKE_APPEND, 1, PK_ERR_UNAVAILABLE);
		assert_int_equal(append_record(extent, id, &offset, 1000, &ok_err), PK_ERR_UNAVAILABLE);
		assert_false(pd_extent_is_open(extent));
		assert_int_equal(append_record(extent, id, &offset, 1000, &ok_err), PK_ERR_BUCKET_CLOSED);
		there = pd_extent_find(local, PK_EXTENT_BUCKET, id, 0);
		assert_true(after ? info_of(there)->length > offset : info_of(there)->length == offset);
		if (after) /* what lies behind may have been acknowledged, for all that the sealer knows */
		{
			assert_int_equal(pd_extent_seal(extent, offset, &ok_err), PK_ERR_STATE);
			offset = info_of(there)->length;
		}
		assert_ok(pd_extent_seal(extent, offset, &ok_err));
		assert_int_equal(info_of(there)->length, offset);
		pd_extent_unref(there);
		pd_extent_unref(extent);
	}
	fake.after = false;
}

static void
a_peer_that_lies_is_not_believed(void **state)
{
	struct pd_extent *extent = new_bucket(fake.drive, 20);
	struct pd_extent *there = pd_extent_find(local, PK_EXTENT_BUCKET, 20, 0);
	uint64_t offset = 0;

	(void) state;
	fake.lie = -8;
	assert_int_equal(append_record(extent, 20, &offset, 1000, &ok_err), PK_ERR_IO);
	assert_non_null(strstr(ok_err.text, "not to be believed"));
	assert_false(pd_extent_is_open(extent));
	offset = info_of(there)->length;
	assert_int_equal(pd_extent_seal(extent, offset, &ok_err), PK_ERR_IO);
	assert_false(info_of(extent)->sealed);
	fake.lie = 0;
	assert_ok(pd_extent_seal(extent, offset, &ok_err));
	pd_extent_unref(there);
	pd_extent_unref(extent);
}

static void
an_older_generation_is_fenced(void **state)
{
	struct pd_extent *extent = new_bucket(fake.drive, 21), *there;
	struct pd_members members;
	uint64_t offset = 0;

	(void) state;
	there = pd_extent_find(local, PK_EXTENT_BUCKET, 21, 0);
	fill_members(&members, 21, 3);
	assert_ok(pd_extent_set_members(there, &members, &ok_err));
	assert_int_equal(append_record(extent, 21, &offset, 1000, &ok_err), PK_ERR_STATE);
	assert_int_equal(pd_extent_seal(extent, 0, &ok_err), PK_ERR_STATE);
	assert_int_equal(pd_extent_remove(extent, &ok_err), PK_ERR_STATE);
	assert_ok(pd_extent_set_members(extent, &members, &ok_err));
	assert_ok(pd_extent_seal(extent, 0, &ok_err)); /* it knows of the generation now */
	pd_extent_unref(there);
	pd_extent_unref(extent);
}

static struct pd_extent_build *
begin_build(uint64_t id, uint64_t length)
{
	struct pd_extent_build *build;
	struct pd_members members;

	fill_members(&members, id, 1);
	assert_ok(pd_extent_build_begin(fake.drive, PK_EXTENT_PARITY, id, 1, test_cell, &members, length, &build, &ok_err));
	return build;
}

static void
builds(void **state)
{
	uint64_t length = PD_EXTENT_CHUNK + 500;
	uint8_t *bytes = malloc(length), *back = malloc(length);
	struct pd_extent_build *build = begin_build(30, length);
	struct pd_extent *extent, *there;

	(void) state;
	fill_bytes(bytes, length, 30);
	assert_ok(pd_extent_build_write(build, bytes, PD_EXTENT_CHUNK, &ok_err));
	assert_ok(pd_extent_build_write(build, bytes + PD_EXTENT_CHUNK, 500, &ok_err));
	assert_ok(pd_extent_build_spoil(build, PD_EXTENT_CHUNK, 1, &ok_err));
	assert_ok(pd_extent_build_finish(build, &extent, &ok_err));
	assert_true(info_of(extent)->sealed);
	assert_int_equal(info_of(extent)->length, length);
	there = pd_extent_find(local, PK_EXTENT_PARITY, 30, 1);
	assert_non_null(there);
	assert_int_equal(info_of(extent)->file_size, info_of(there)->file_size);
	assert_ok(pd_extent_read(extent, 0, back, length, &ok_err));
	assert_memory_equal(back, bytes, length);
	assert_ok(pd_extent_read_checked(extent, 0, back, PD_EXTENT_CHUNK, &ok_err));
	assert_int_equal(pd_extent_read_checked(extent, PD_EXTENT_CHUNK, back, 500, &ok_err), PK_ERR_CORRUPT);
	pd_extent_unref(there);
	pd_extent_unref(extent);
	free(bytes);
	free(back);
}

static void
builds_that_fail(void **state)
{
	uint8_t bytes[500];
	struct pd_extent_build *build;
	struct pd_members members;
	struct pd_extent *extent;

	(void) state;
	fill_bytes(bytes, sizeof(bytes), 31);
	pd_extent_build_abandon(begin_build(31, 500));

	build = begin_build(31, 500);
	fake_fail(&fake, FAKE_BUILD_WRITE, 1, PK_ERR_IO);
	assert_int_equal(pd_extent_build_write(build, bytes, 500, &ok_err), PK_ERR_IO);
	assert_int_equal(pd_extent_build_write(build, bytes, 500, &ok_err), PK_ERR_STATE);
	assert_int_equal(pd_extent_build_finish(build, &extent, &ok_err), PK_ERR_STATE);
	assert_null(extent);

	build = begin_build(31, 500);
	assert_int_equal(pd_extent_build_finish(build, NULL, &ok_err), PK_ERR_INTERNAL); /* a short one */

	/* what was to be spoiled and was not must not become an extent */
	build = begin_build(31, 500);
	assert_ok(pd_extent_build_write(build, bytes, 500, &ok_err));
	fake_fail(&fake, FAKE_BUILD_SPOIL, 1, PK_ERR_UNAVAILABLE);
	assert_int_equal(pd_extent_build_spoil(build, 0, 1, &ok_err), PK_ERR_UNAVAILABLE);
	assert_int_equal(pd_extent_build_finish(build, &extent, &ok_err), PK_ERR_STATE);
	assert_null(extent);

	build = begin_build(31, 500);
	assert_ok(pd_extent_build_write(build, bytes, 500, &ok_err));
	fake_fail(&fake, FAKE_BUILD_FINISH, 1, PK_ERR_UNAVAILABLE);
	assert_int_equal(pd_extent_build_finish(build, &extent, &ok_err), PK_ERR_UNAVAILABLE);
	assert_null(extent);

	fake_fail(&fake, FAKE_BUILD_BEGIN, 1, PK_ERR_UNAVAILABLE);
	fill_members(&members, 31, 1);
	assert_int_equal(
		pd_extent_build_begin(fake.drive, PK_EXTENT_PARITY, 31, 1, test_cell, &members, 500, &build, &ok_err),
		PK_ERR_UNAVAILABLE);
	assert_null(build);
	assert_null(pd_extent_find(local, PK_EXTENT_PARITY, 31, 1));
}

static bool
never(void *arg, struct pd_extent *extent)
{
	(void) arg, (void) extent;
	fail_msg("an extent of a remote drive was listed");
	return true;
}

static void
what_a_remote_drive_does_not_do(void **state)
{
	struct pd_extent *extent = new_bucket(fake.drive, 40);
	struct pd_drive_info *info = malloc(sizeof(*info));
	uint8_t *chunk = calloc(1, PD_EXTENT_CHUNK);
	struct found found;
	uint64_t offset = 0, at = 0, length;
	pk_epoch epoch = {9, 1, 1};

	(void) state;
	assert_int_equal(pd_extent_write_ahead(extent, chunk, PD_EXTENT_CHUNK, 0, &ok_err), PK_ERR_STATE);
	assert_ok(append_record(extent, 40, &offset, 1000, &ok_err)); /* which spoils nothing */
	pd_extent_uncache(extent);
	assert_null(pd_cached_begin(extent, 0, 100));
	assert_int_equal(pd_extent_trash(extent, &ok_err), PK_ERR_STATE);
	assert_int_equal(pd_extent_untrash(extent, &ok_err), PK_ERR_STATE);
	assert_int_equal(pd_extent_look(extent, &ok_err), PK_ERR_STATE);
	assert_int_equal(pd_extent_records(extent, &at, &length, NULL, NULL, NULL, &ok_err), PK_ERR_STATE);
	pd_extent_each(fake.drive, NULL, never, NULL);
	assert_int_equal(scrub(extent, &found), 0);
	assert_int_equal(rots(extent, &found), 0);
	assert_int_equal(damaged(fake.drive, &found), 0);
	assert_int_equal(pd_drive_bind(fake.drive, test_cell, &ok_err), PK_ERR_STATE);
	assert_int_equal(pd_drive_set_epoch(fake.drive, &epoch, &ok_err), PK_ERR_STATE);
	assert_int_equal(pd_drive_remove_damaged(fake.drive, "extents/00/x", &ok_err), PK_ERR_NOT_FOUND);
	assert_true(pd_drive_readable(fake.drive) && pd_drive_writable(fake.drive));
	pd_drive_info(fake.drive, info);
	assert_string_equal(info->path, "http://fake");
	assert_memory_equal(info->uuid, pd_drive_uuid(local), PK_UUID_SIZE);
	assert_int_equal(info->state, PD_DRIVE_OK);
	assert_int_equal(info->extents, 0);
	assert_non_null(pd_drive_vfs(fake.drive)->now_us);
	free(info);
	free(chunk);
	pd_extent_unref(extent);
}

/* A peer that is not reached is no peer without the extent. */
static void
lookup_tells_absent_from_unknown(void **state)
{
	struct pd_extent *extent;

	(void) state;
	pd_extent_unref(new_bucket(local, 50));
	fake_fail(&fake, FAKE_FIND, 1, PK_ERR_UNAVAILABLE);
	assert_int_equal(pd_extent_lookup(fake.drive, PK_EXTENT_BUCKET, 50, 0, &extent, &ok_err), PK_ERR_UNAVAILABLE);
	assert_null(extent);
	assert_int_equal(pd_extent_lookup(fake.drive, PK_EXTENT_BUCKET, 51, 0, &extent, &ok_err), PK_ERR_NOT_FOUND);
	assert_int_equal(pd_extent_lookup(local, PK_EXTENT_BUCKET, 51, 0, &extent, &ok_err), PK_ERR_NOT_FOUND);
	assert_null(extent);
	assert_ok(pd_extent_lookup(local, PK_EXTENT_BUCKET, 50, 0, &extent, &ok_err));
	pd_extent_unref(extent);
}

struct reading
{
	struct pd_job job;
	struct pd_extent *extent;
	struct pd_latch *latch;
	pk_error result;
};

static void
read_byte(struct pd_job *job)
{
	struct reading *reading = (struct reading *) job;
	uint8_t byte;

	reading->result = pd_extent_read(reading->extent, 0, &byte, 1, NULL);
	pd_latch_done(reading->latch);
}

/* The queue has several threads: one that is slow is not waited for by the others; and the drive may be closed first. */
static void
slow_operations_and_a_late_end(void **state)
{
	struct fake_remote other;
	struct reading readings[2] = {0};
	struct pd_extent *extent;
	struct pd_latch latch;
	uint64_t offset = 0;
	uint8_t byte;

	(void) state;
	fake_remote_init(&other, local);
	extent = new_bucket(other.drive, 60);
	assert_ok(append_record(extent, 60, &offset, 1000, &ok_err));
	fake_hold(&other, FAKE_READ);
	pd_latch_init(&latch, 2);
	for (int i = 0; i < 2; i++)
	{
		readings[i] = (struct reading){.job = {.run = read_byte}, .extent = extent, .latch = &latch};
		pd_queue_submit(pd_drive_queue(other.drive), &readings[i].job, PD_JOB_LIVE);
	}
	fake_wait_held(&other, 2);
	assert_ok(pd_extent_set_members(extent, &info_of(extent)->members, &ok_err));
	fake_release(&other);
	pd_latch_wait(&latch);
	pd_latch_release(&latch);
	for (int i = 0; i < 2; i++)
		assert_int_equal(readings[i].result, PK_OK);

	pd_drive_close(other.drive);
	assert_int_equal(atomic_load(&other.released), 0);
	assert_ok(pd_extent_read(extent, 0, &byte, 1, &ok_err));
	pd_extent_unref(extent);
	assert_int_equal(atomic_load(&other.released), 1);
	pd_queue_stop(other.queue);
	pthread_mutex_destroy(&other.lock);
	pthread_cond_destroy(&other.changed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(life_of_an_extent, begin, end),
		cmocka_unit_test_setup_teardown(checked_reads, begin, end),
		cmocka_unit_test_setup_teardown(only_the_creator_appends, begin, end),
		cmocka_unit_test_setup_teardown(a_failed_append_is_the_last, begin, end),
		cmocka_unit_test_setup_teardown(a_peer_that_lies_is_not_believed, begin, end),
		cmocka_unit_test_setup_teardown(an_older_generation_is_fenced, begin, end),
		cmocka_unit_test_setup_teardown(builds, begin, end),
		cmocka_unit_test_setup_teardown(builds_that_fail, begin, end),
		cmocka_unit_test_setup_teardown(what_a_remote_drive_does_not_do, begin, end),
		cmocka_unit_test_setup_teardown(lookup_tells_absent_from_unknown, begin, end),
		cmocka_unit_test_setup_teardown(slow_operations_and_a_late_end, begin, end),
	};

	return cmocka_run_group_tests_name("store/remote", tests, NULL, NULL);
}
