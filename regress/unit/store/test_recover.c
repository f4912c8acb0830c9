/*
 * regress/unit/store/test_recover.c
 *	  What a crash leaves: acknowledged records are there, torn tails end a
 *	  bucket, rot does not.
 */
#include "harness.h"

#define ID 0x42
#define RECORDS 24

struct written
{
	uint64_t offset;
	uint64_t size;
	uint32_t length;
};

/* A bucket of `count` records of assorted lengths on a drive that is closed again. */
static uint64_t
leave_bucket(struct written *written, int count)
{
	struct pd_drive *drive = new_drive(&pd_vfs_real);
	struct pd_extent *extent = new_bucket(drive, ID);
	uint64_t offset = 0;

	for (int i = 0; i < count; i++)
	{
		written[i].offset = offset;
		written[i].length = i % 5 == 4 ? 400000 : 1 + (uint32_t) i * 997;
		assert_ok(append_record(extent, ID, &offset, written[i].length, &ok_err));
		written[i].size = offset - written[i].offset;
	}
	pd_extent_unref(extent);
	pd_drive_close(drive);
	return offset;
}

static struct pd_extent *
reopen(struct pd_drive **drive)
{
	struct pd_extent *extent;

	*drive = open_good_drive(&pd_vfs_real);
	extent = pd_extent_find(*drive, PK_EXTENT_BUCKET, ID, 0);
	assert_non_null(extent);
	return extent;
}

static void
check_all(struct pd_extent *extent, const struct written *written, int count, int except)
{
	for (int i = 0; i < count; i++)
		if (i != except)
			check_record(extent, ID, written[i].offset, written[i].offset, written[i].length);
}

static void
an_open_bucket_comes_back_closed_and_whole(void **state)
{
	struct written written[RECORDS];
	uint64_t end = leave_bucket(written, RECORDS);
	struct pd_drive *drive;
	struct pd_extent *extent = reopen(&drive);
	struct found found;
	struct pd_err err;
	uint64_t offset = end;

	(void) state;
	assert_false(info_of(extent)->sealed);
	assert_false(pd_extent_is_open(extent));
	assert_int_equal(info_of(extent)->length, end);
	check_all(extent, written, RECORDS, -1);
	assert_int_equal(append_record(extent, ID, &offset, 10, &err), PK_ERR_BUCKET_CLOSED);
	assert_int_equal(rots(extent, &found), 0);
	assert_int_equal(scrub(extent, &found), 0);
	assert_int_equal(pd_extent_seal(extent, end + 64, &err), PK_ERR_STATE);
	assert_ok(pd_extent_seal(extent, end, &ok_err));
	assert_int_equal(rots(extent, &found), 0);
	assert_int_equal(scrub(extent, &found), 0);
	pd_extent_unref(extent);
	pd_drive_close(drive);
	extent = reopen(&drive);
	assert_true(info_of(extent)->sealed);
	check_all(extent, written, RECORDS, -1);
	pd_extent_unref(extent);
	pd_drive_close(drive);
}

static void
a_torn_tail_is_cut(void **state)
{
	struct written written[RECORDS];
	uint64_t end = leave_bucket(written, RECORDS);
	const struct written *last = &written[RECORDS - 1];

	(void) state;
	/* shorter and shorter: the last record is gone from its first missing byte on */
	for (uint64_t cut = 1; cut < last->size; cut += last->size / 7)
	{
		struct pd_drive *drive;
		struct pd_extent *extent;
		struct found found;

		assert_int_equal(truncate(path_of(ID), (off_t) (PD_EXTENT_DATA + end - cut)), 0);
		extent = reopen(&drive);
		assert_int_equal(info_of(extent)->length, last->offset);
		assert_int_equal(rots(extent, &found), 0);
		check_all(extent, written, RECORDS - 1, -1);
		pd_extent_unref(extent);
		pd_drive_close(drive);
	}
}

static void
a_torn_payload_or_trailing_garbage_is_cut(void **state)
{
	struct written written[RECORDS];
	uint64_t end = leave_bucket(written, RECORDS);
	const struct written *last = &written[RECORDS - 1];
	struct pd_drive *drive;
	struct pd_extent *extent;
	struct found found;
	uint8_t garbage[5000];
	int fd;

	(void) state;
	fd = open(path_of(ID), O_WRONLY | O_APPEND);
	fill_bytes(garbage, sizeof(garbage), 3);
	assert_int_equal(write(fd, garbage, sizeof(garbage)), sizeof(garbage));
	close(fd);
	extent = reopen(&drive);
	assert_int_equal(info_of(extent)->length, end);
	assert_int_equal(rots(extent, &found), 0);
	pd_extent_unref(extent);
	pd_drive_close(drive);

	flip(path_of(ID), PD_EXTENT_DATA + last->offset + PK_RECORD_HEADER + last->length / 2);
	extent = reopen(&drive);
	assert_int_equal(info_of(extent)->length, last->offset);
	assert_ok(pd_extent_seal(extent, last->offset, &ok_err));
	assert_int_equal(scrub(extent, &found), 0);
	check_all(extent, written, RECORDS - 1, -1);
	pd_extent_unref(extent);
	pd_drive_close(drive);
}

/* Rot in record i: nothing behind it is lost, and sealing does not hide it. */
static void
rot_in(int i, bool header)
{
	struct written written[RECORDS];
	uint64_t end = leave_bucket(written, RECORDS);
	struct pd_drive *drive;
	struct pd_extent *extent;
	struct found found;
	struct pd_err err;
	uint8_t *chunk = malloc(PD_EXTENT_CHUNK);
	uint64_t at = written[i].offset / PD_EXTENT_CHUNK * PD_EXTENT_CHUNK;

	flip(path_of(ID), PD_EXTENT_DATA + written[i].offset + (header ? 40 : PK_RECORD_HEADER));
	extent = reopen(&drive);
	assert_int_equal(info_of(extent)->length, end);
	assert_int_equal(rots(extent, &found), header ? 1 : 0); /* payloads are looked at later */
	if (header)
	{
		assert_int_equal(found.offset, written[i].offset);
		assert_int_equal(found.length, written[i].size);
	}
	assert_int_equal(scrub(extent, &found), 1);
	assert_int_equal(found.offset, written[i].offset);
	check_all(extent, written, RECORDS, i);
	assert_ok(pd_extent_seal(extent, end, &ok_err));
	assert_int_equal(rots(extent, &found), 1);
	assert_int_equal(found.offset, written[i].offset);
	assert_true(scrub(extent, &found) >= 1);
	assert_int_equal(found.offset, at);
	assert_int_equal(pd_extent_read_checked(extent, at, chunk, PD_EXTENT_CHUNK, &err), PK_ERR_CORRUPT);
	check_all(extent, written, RECORDS, i);
	pd_extent_unref(extent);
	pd_drive_close(drive);
	remove_tree(test_drive);
	free(chunk);
}

static void
rot_in_the_middle_is_kept_and_told(void **state)
{
	(void) state;
	for (int i = 0; i < RECORDS - 1; i++)
	{
		rot_in(i, true);
		rot_in(i, false);
	}
}

static void
a_sealed_bucket_without_its_trailer_keeps_its_length(void **state)
{
	struct written written[RECORDS];
	uint64_t end = leave_bucket(written, RECORDS);
	struct pd_drive *drive;
	struct pd_extent *extent = reopen(&drive);
	struct pd_members members;
	struct found found;

	(void) state;
	assert_ok(pd_extent_seal(extent, end, &ok_err));
	fill_members(&members, ID, 2);
	members.member[0].length = members.member[1].length = end;
	assert_ok(pd_extent_set_members(extent, &members, &ok_err));
	pd_extent_unref(extent);
	pd_drive_close(drive);
	flip(path_of(ID), info_of(extent = reopen(&drive))->file_size - 1);
	pd_extent_unref(extent);
	pd_drive_close(drive);
	flip(path_of(ID), PD_EXTENT_DATA + written[RECORDS - 1].offset + 5); /* looks like a torn tail, and is none */

	extent = reopen(&drive);
	assert_false(info_of(extent)->sealed);
	assert_int_equal(info_of(extent)->length, end);
	assert_int_equal(rots(extent, &found), 2);
	assert_true(scrub(extent, &found) >= 2);
	check_all(extent, written, RECORDS - 1, -1);
	pd_extent_unref(extent);
	pd_drive_close(drive);
}

static void
what_was_in_the_making_is_removed(void **state)
{
	char path[128];
	int fd;

	(void) state;
	pd_drive_close(new_drive(&pd_vfs_real));
	snprintf(path, sizeof(path), "%s/tmp/p-0000000000000001-03.0", test_drive);
	fd = open(path, O_CREAT | O_RDWR, 0600);
	assert_true(fd >= 0);
	close(fd);
	pd_drive_close(open_good_drive(&pd_vfs_real));
	assert_int_equal(access(path, F_OK), -1);
}

/* --- power cuts --- */

/* What was acknowledged, and what was only tried. */
struct model
{
	bool created;
	struct written record[64];
	int records;
	uint64_t end;
	bool seal_tried;
	bool sealed;
	uint32_t generation;
	uint32_t generation_tried;
	bool parity;  /* a build was finished */
	uint32_t sum; /* of the parity's bytes */
};

static uint64_t
roll(uint64_t *random, uint64_t n)
{
	*random ^= *random << 13, *random ^= *random >> 7, *random ^= *random << 17;
	return *random % n;
}

static bool
step_append(struct pd_extent *extent, struct model *model, uint64_t *random)
{
	struct written *record = &model->record[model->records];
	struct pd_err err;

	record->offset = model->end;
	record->length = (uint32_t) (roll(random, 8) == 0 ? 1 + roll(random, 200000) : 1 + roll(random, 3000));
	if (append_record(extent, ID, &model->end, record->length, &err) != PK_OK)
		return false;
	model->records++;
	return true;
}

static bool
step_settle(struct pd_extent *extent, struct model *model)
{
	struct pd_members members;
	struct pd_err err;

	fill_members(&members, ID, ++model->generation_tried);
	if (pd_extent_set_members(extent, &members, &err) != PK_OK)
		return false;
	model->generation = model->generation_tried;
	return true;
}

static bool
step_build(struct pd_drive *drive, struct model *model, uint64_t *random)
{
	size_t n = 1 + roll(random, 150000);
	uint8_t *bytes = malloc(n);
	struct pd_extent_build *build;
	struct pd_members members;
	struct pd_err err;
	pk_error rc;

	fill_bytes(bytes, n, *random);
	fill_members(&members, ID, 1);
	rc = pd_extent_build_begin(drive, PK_EXTENT_PARITY, ID, 3, test_cell, &members, n, &build, &err);
	if (rc == PK_OK)
	{
		for (size_t done = 0; done < n && rc == PK_OK; done += PD_EXTENT_CHUNK)
			rc = pd_extent_build_write(build, bytes + done, n - done < PD_EXTENT_CHUNK ? n - done : PD_EXTENT_CHUNK,
									   &err);
		if (rc == PK_OK)
			rc = pd_extent_build_finish(build, NULL, &err);
		else
			pd_extent_build_abandon(build);
	}
	if (rc == PK_OK)
	{
		model->parity = true;
		model->sum = pk_crc32c(0, bytes, n);
	}
	free(bytes);
	return rc == PK_OK;
}

/* A life that ends at the first failure, or after `steps`. */
static void
live(struct pd_drive *drive, struct model *model, int steps, uint64_t random)
{
	struct pd_members members;
	struct pd_extent *extent;
	struct pd_err err;
	bool well = true;

	fill_members(&members, ID, 1);
	model->generation = model->generation_tried = 1;
	if (pd_extent_create(drive, PK_EXTENT_BUCKET, ID, 0, test_cell, &members, 300000, &extent, &err) != PK_OK)
		return;
	model->created = true;
	for (int i = 0; i < steps && well && !model->sealed; i++)
	{
		uint64_t what = roll(&random, 12);

		if (what == 0)
			well = step_settle(extent, model);
		else if (what == 1 && !model->parity)
			well = step_build(drive, model, &random);
		else if (what == 2 && i > 3)
		{
			model->seal_tried = true;
			well = model->sealed = pd_extent_seal(extent, model->end, &err) == PK_OK;
		}
		else
			well = step_append(extent, model, &random);
	}
	pd_extent_unref(extent);
}

static void
check_parity(struct pd_drive *drive, const struct model *model)
{
	struct pd_extent *parity = pd_extent_find(drive, PK_EXTENT_PARITY, ID, 3);
	struct found found;
	uint64_t length;
	uint8_t *bytes;

	if (parity == NULL)
	{
		assert_false(model->parity);
		return;
	}
	assert_true(info_of(parity)->sealed);
	assert_int_equal(scrub(parity, &found), 0);
	length = info_of(parity)->length;
	bytes = malloc(length);
	assert_ok(pd_extent_read_checked(parity, 0, bytes, length, &ok_err));
	if (model->parity)
		assert_int_equal(pk_crc32c(0, bytes, length), model->sum);
	free(bytes);
	pd_extent_unref(parity);
}

/* Everything that was acknowledged is there, and what is there can be sealed without a blemish. */
static void
check_model(const struct model *model)
{
	struct pd_drive *drive = open_good_drive(&pd_vfs_real);
	struct pd_extent *extent = pd_extent_find(drive, PK_EXTENT_BUCKET, ID, 0);
	struct found found;

	assert_int_equal(damaged(drive, &found), 0);
	check_parity(drive, model);
	if (extent == NULL)
		assert_false(model->created);
	else
	{
		const struct pd_extent_info *info = info_of(extent);
		uint32_t generation = info->members.generation;

		assert_true(generation == model->generation || generation == model->generation_tried);
		assert_true(info->length >= model->end);
		assert_true(!model->sealed || info->sealed);
		assert_true(!info->sealed || (model->seal_tried && info->length == model->end));
		assert_int_equal(rots(extent, &found), 0);
		for (int i = 0; i < model->records; i++)
			check_record(extent, ID, model->record[i].offset, model->record[i].offset, model->record[i].length);
		assert_ok(pd_extent_seal(extent, info_of(extent)->length, &ok_err));
		(void) scrub(extent, &found);
		if (found.count > 0 && (model->generation == model->generation_tried || strstr(found.text, "slot") == NULL))
			fail_msg("%s", found.text);
	}
	pd_extent_unref(extent);
	pd_drive_close(drive);
}

/* One life under a recorder, its nth call of kind op failing (0 = none), and then the power goes. */
static long
life_and_crash(int steps, uint64_t random, enum pd_fault_op op, long nth, enum pd_crash_keep keep, uint64_t seed)
{
	struct pd_vfs *record = pd_vfs_record(&pd_vfs_real);
	struct pd_faults faults = {.below = record, .op = op, .error = EIO};
	struct pd_vfs *vfs = pd_vfs_faulty(&faults);
	struct model model = {0};
	struct pd_drive *drive;

	assert_ok(pd_drive_format(&pd_vfs_real, test_drive, &ok_err));
	drive = open_good_drive(vfs);
	faults.count = 0;
	faults.nth = nth;
	faults.sticky = true; /* after the failure the machine is as good as gone */
	live(drive, &model, steps, random);
	faults.nth = 0;
	pd_drive_close(drive);
	pd_vfs_faulty_free(vfs);
	assert_int_equal(pd_vfs_record_crash(record, keep, seed), 0);
	pd_vfs_record_free(record);
	check_model(&model);
	remove_tree(test_drive);
	return faults.failed;
}

static void
acknowledged_records_survive_a_power_cut_after_every_append(void **state)
{
	int lives = 0;

	(void) state;
	for (int steps = 0; steps <= 12; steps++)
		for (uint64_t seed = 1; seed <= 200; seed++)
		{
			life_and_crash(steps, seed * 7919 + 13, PD_FAULT_ANY, 0,
						   seed % 100 == 1	 ? PD_CRASH_NOTHING
						   : seed % 100 == 2 ? PD_CRASH_ALL
											 : PD_CRASH_RANDOM,
						   seed);
			lives++;
		}
	print_message("%d lives\n", lives);
}

static void
acknowledged_records_survive_a_power_cut_in_every_write_and_sync(void **state)
{
	static const enum pd_fault_op ops[] = {PD_FAULT_WRITE, PD_FAULT_SYNC, PD_FAULT_RENAME, PD_FAULT_ANY};
	int lives = 0;

	(void) state;
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		for (uint64_t random = 1; random <= 8; random++)
		{
			long failed = 1;

			for (long nth = 1; failed > 0; nth++)
				for (uint64_t seed = 0; seed < 5; seed++, lives++)
					failed = life_and_crash(10, random * 104729, ops[i], nth,
											seed < 2 ? (enum pd_crash_keep) seed : PD_CRASH_RANDOM,
											seed + (uint64_t) nth * 31);
		}
	print_message("%d lives\n", lives);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_test, end_test)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_open_bucket_comes_back_closed_and_whole),
		TEST(a_torn_tail_is_cut),
		TEST(a_torn_payload_or_trailing_garbage_is_cut),
		TEST(rot_in_the_middle_is_kept_and_told),
		TEST(a_sealed_bucket_without_its_trailer_keeps_its_length),
		TEST(what_was_in_the_making_is_removed),
		TEST(acknowledged_records_survive_a_power_cut_after_every_append),
		TEST(acknowledged_records_survive_a_power_cut_in_every_write_and_sync),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
