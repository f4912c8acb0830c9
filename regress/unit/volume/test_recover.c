/*
 * regress/unit/volume/test_recover.c
 *	  After a kill, a power cut or rot: every acknowledged block is readable and
 *	  the replicas are alike and sealed.
 */
#include "harness.h"

#define BLOCKS 40

static struct block blocks[BLOCKS];

static void
make_blocks(uint64_t bucket_id, int count, uint32_t length_max, uint64_t seed)
{
	for (int i = 0; i < count; i++)
		make_block(&blocks[i], bucket_id, (uint32_t) (1 + (seed + (uint64_t) i) * 104729 % length_max),
				   seed + (uint64_t) i);
}

static void
expect_recovered(struct node *node, uint64_t bucket_id, int count, int replicas)
{
	uint64_t length;

	assert_int_equal(expect_replicas_alike(node, bucket_id, &length), replicas);
	for (int i = 0; i < count; i++)
	{
		if (blocks[i].put.result == PK_OK)
			assert_true(blocks[i].put.offset + blocks[i].put.stored_length <= length);
	}
	expect_blocks(node, blocks, count);
}

static void
a_killed_bucket_is_sealed_with_all_it_had(void **state)
{
	struct node node;

	(void) state;
	make_node(&node, 4, &pd_vfs_real);
	open_bucket(&node, 1, 0, 3, 256 * MIB);
	make_blocks(1, BLOCKS, 2 * MIB, 1);
	put_blocks(&node, blocks, BLOCKS);
	restart_node(&node);
	expect_recovered(&node, 1, BLOCKS, 3);
	assert_int_equal(take_reports(&node), 0);
	restart_node(&node);
	expect_recovered(&node, 1, BLOCKS, 3);
	free_blocks(blocks, BLOCKS);
	end_node(&node);
}

static void
rot_of_one_replica_is_healed_from_another(void **state)
{
	struct node node;

	(void) state;
	make_node(&node, 3, &pd_vfs_real);
	open_bucket(&node, 2, 0, 3, 64 * MIB);
	make_blocks(2, BLOCKS, 300000, 5);
	for (int i = 0; i < BLOCKS; i++)
		put_blocks(&node, &blocks[i], 1);
	kill_node(&node);
	/* headers and payloads, in other places of each replica, the first and the last record among them */
	flip_byte(&node, 0, PK_EXTENT_BUCKET, 2, 0, blocks[0].put.offset + 3);
	flip_byte(&node, 0, PK_EXTENT_BUCKET, 2, 0, blocks[7].put.offset + 130);
	flip_byte(&node, 1, PK_EXTENT_BUCKET, 2, 0, blocks[BLOCKS - 1].put.offset + 40);
	flip_byte(&node, 2, PK_EXTENT_BUCKET, 2, 0, blocks[8].put.offset + 20);
	flip_byte(&node, 2, PK_EXTENT_BUCKET, 2, 0, blocks[9].put.offset + 150);
	start_node(&node);
	expect_recovered(&node, 2, BLOCKS, 3);
	assert_int_equal(take_reports(&node), 2); /* damage before the durable end; at the end it could be a torn tail */
	free_blocks(blocks, BLOCKS);
	end_node(&node);
}

static void
rot_within_the_last_group_is_no_torn_tail(void **state)
{
	struct node node;

	(void) state;
	make_node(&node, 3, &pd_vfs_real);
	open_bucket(&node, 3, 0, 3, 64 * MIB);
	make_blocks(3, 10, 50000, 9);
	put_blocks(&node, blocks, 10); /* at most two groups: the headers of the last nine call nothing of it durable */
	kill_node(&node);
	for (int i = 0; i < 3; i++)
		flip_byte(&node, i, PK_EXTENT_BUCKET, 3, 0, blocks[2 + 3 * i].put.offset + 129);
	start_node(&node);
	expect_recovered(&node, 3, 10, 3);
	free_blocks(blocks, 10);
	end_node(&node);
}

static void
note_problem_at(void *arg, const struct pd_report *report)
{
	if (strstr(report->problem, "do not match their checksum") != NULL)
		(*(int *) arg)++;
}

static void
what_no_replica_has_intact_gets_no_fresh_checksums(void **state)
{
	struct node node;

	(void) state;
	for (int cut = 0; cut < 2; cut++)
	{
		uint64_t length, bytes;

		make_node(&node, 2, &pd_vfs_real);
		open_bucket(&node, 9, 0, 2, 8 * MIB);
		for (int i = 0; i < 3; i++)
		{
			make_block(&blocks[i], 9, MIB, 3 * (uint64_t) i + 1);
			put_blocks(&node, &blocks[i], 1);
		}
		kill_node(&node);
		flip_byte(&node, 0, PK_EXTENT_BUCKET, 9, 0, 3 * 65536 + 500);
		flip_byte(&node, 1, PK_EXTENT_BUCKET, 9, 0, 10 * 65536 + 500);
		if (cut == 1) /* so that it has to be made anew from the other one */
			flip_byte(&node, 0, PK_EXTENT_BUCKET, 9, 0, blocks[1].put.offset + 70000);
		start_node(&node);
		assert_ok(pd_bucket_seal(node.cell, 9, &length, &ok_err));
		assert_true(take_reports(&node) >= 2);
		for (int d = 0; d < 2; d++)
		{
			char next[PK_EXTENT_FILE];
			int problems = 0;

			assert_ok(pd_drive_scrub(node.cell, node.uuids[d], "", UINT64_MAX, next, &bytes, note_problem_at, &problems,
									 &ok_err));
			assert_int_equal(problems, 17); /* the chunks that the first record touches, and no others */
		}
		assert_int_equal(get_block(&node, &blocks[0], NULL), PK_ERR_BLOCK_LOST);
		expect_blocks(&node, blocks + 1, 2);
		free_blocks(blocks, 3);
		end_node(&node);
	}
}

static void
cut_replica(const struct node *node, int drive, uint64_t bucket_id, uint64_t length)
{
	char path[256];

	extent_path(node, drive, PK_EXTENT_BUCKET, bucket_id, 0, path, sizeof(path));
	assert_int_equal(truncate(path, (off_t) (PD_EXTENT_DATA + length)), 0);
}

static void
the_furthest_replica_wins(void **state)
{
	struct node node;

	(void) state;
	make_node(&node, 3, &pd_vfs_real);
	open_bucket(&node, 4, 0, 3, 64 * MIB);
	make_blocks(4, BLOCKS, 200000, 3);
	put_blocks(&node, blocks, BLOCKS);
	kill_node(&node);
	cut_replica(&node, 0, 4, blocks[20].put.offset + 100);
	cut_replica(&node, 2, 4, 0);
	start_node(&node);
	expect_recovered(&node, 4, BLOCKS, 3);
	free_blocks(blocks, BLOCKS);
	end_node(&node);
}

/* Seals one replica as far as block `last`, as a process that was killed while sealing had done. */
static void
seal_one(struct node *node, int drive, uint64_t bucket_id, int last)
{
	struct pd_extent *extent = pd_extent_find(node->drives[drive], PK_EXTENT_BUCKET, bucket_id, 0);

	assert_non_null(extent);
	assert_ok(pd_extent_seal(extent, blocks[last].put.offset + blocks[last].put.stored_length, &ok_err));
	pd_extent_unref(extent);
}

static void
interrupted_sealing_is_ended(void **state)
{
	struct node node;

	(void) state;
	make_node(&node, 3, &pd_vfs_real);
	open_bucket(&node, 5, 0, 3, 64 * MIB);
	make_blocks(5, BLOCKS, 100000, 21);
	for (int i = 0; i < BLOCKS; i++)
		put_blocks(&node, &blocks[i], 1);
	seal_one(&node, 1, 5, BLOCKS - 1);
	restart_node(&node);
	expect_recovered(&node, 5, BLOCKS, 3);
	free_blocks(blocks, BLOCKS);

	/* sealed too short, whatever the reason: the longer ones have what was acknowledged */
	open_bucket(&node, 6, 0, 3, 64 * MIB);
	make_blocks(6, BLOCKS, 100000, 22);
	for (int i = 0; i < BLOCKS; i++)
		put_blocks(&node, &blocks[i], 1);
	seal_one(&node, 1, 6, 10);
	restart_node(&node);
	expect_recovered(&node, 6, BLOCKS, 3);
	free_blocks(blocks, BLOCKS);
	end_node(&node);
}

static void
rot_at_the_end_of_a_sealed_replica_is_not_copied_as_sound(void **state)
{
	struct node node;
	uint64_t length, bytes;

	(void) state;
	make_node(&node, 2, &pd_vfs_real);
	open_bucket(&node, 10, 0, 2, 8 * MIB);
	for (int i = 0; i < 2; i++)
	{
		make_block(&blocks[i], 10, 300000, 3 * (uint64_t) i + 1);
		put_blocks(&node, &blocks[i], 1);
	}
	seal_one(&node, 1, 10, 1);
	kill_node(&node);
	cut_replica(&node, 0, 10, blocks[1].put.offset);
	flip_byte(&node, 1, PK_EXTENT_BUCKET, 10, 0, blocks[1].put.offset + 200);
	start_node(&node);
	assert_ok(pd_bucket_seal(node.cell, 10, &length, &ok_err));
	assert_int_equal(length, blocks[1].put.offset + blocks[1].put.stored_length);
	for (int d = 0; d < 2; d++)
	{
		char next[PK_EXTENT_FILE];
		int problems = 0;

		assert_ok(pd_drive_scrub(node.cell, node.uuids[d], "", UINT64_MAX, next, &bytes, note_problem_at, &problems,
								 &ok_err));
		assert_true(problems > 0);
	}
	assert_int_equal(get_block(&node, &blocks[1], NULL), PK_ERR_BLOCK_LOST);
	expect_blocks(&node, blocks, 1);
	free_blocks(blocks, 2);
	end_node(&node);
}

static int
count_sealed(struct node *node, uint64_t id)
{
	int count = 0;

	for (int i = 0; i < node->count; i++)
	{
		struct pd_extent *extent = pd_extent_find(node->drives[i], PK_EXTENT_BUCKET, id, 0);
		struct pd_extent_info info = {0};

		if (extent != NULL)
			pd_extent_info(extent, &info);
		count += info.sealed;
		pd_extent_unref(extent);
	}
	return count;
}

static void
a_drive_that_was_away_is_brought_level(void **state)
{
	struct node node;
	char here[128], away[160];
	uint64_t length;

	(void) state;
	make_node(&node, 3, &pd_vfs_real);
	open_bucket(&node, 7, 0, 3, 64 * MIB);
	make_blocks(7, BLOCKS, 100000, 31);
	put_blocks(&node, blocks, BLOCKS);
	kill_node(&node);
	drive_path(&node, 2, here, sizeof(here));
	snprintf(away, sizeof(away), "%s.away", here);
	cut_replica(&node, 2, 7, blocks[11].put.offset);
	assert_int_equal(rename(here, away), 0);
	start_node(&node);
	expect_blocks(&node, blocks, BLOCKS);
	assert_int_equal(count_sealed(&node, 7), 0); /* the drive may be on another node by now: this is ordered */
	assert_ok(pd_bucket_seal(node.cell, 7, &length, &ok_err));
	expect_recovered(&node, 7, BLOCKS, 2);
	kill_node(&node);
	assert_int_equal(rename(away, here), 0);
	start_node(&node);
	expect_recovered(&node, 7, BLOCKS, 3);
	free_blocks(blocks, BLOCKS);
	end_node(&node);
}

static void
power_cuts_lose_nothing_acknowledged(void **state)
{
	(void) state;
	for (uint64_t seed = 1; seed <= 24; seed++)
	{
		struct pd_vfs *record = pd_vfs_record(&pd_vfs_real);
		struct pd_faults faults = {.below = record, .op = PD_FAULT_SYNC, .error = EIO};
		struct pd_vfs *vfs = pd_vfs_faulty(&faults);
		struct node node;

		/* from some sync on none succeeds any more: what was written after it is not durable */
		make_node(&node, 3, vfs);
		open_bucket(&node, 8, 0, 3, 64 * MIB);
		make_blocks(8, BLOCKS, seed % 3 == 0 ? 3 * MIB : 60000, seed * 100);
		faults.sticky = true;
		faults.nth = faults.count + 1 + (long) (seed * 5 % 30);
		for (int i = 0; i < BLOCKS; i += 4)
			put_blocks(&node, &blocks[i], 4);
		kill_node(&node);
		assert_int_equal(pd_vfs_record_crash(record, seed % 8 == 0 ? PD_CRASH_NOTHING : PD_CRASH_RANDOM, seed), 0);
		faults.nth = 0;
		start_node(&node);
		expect_recovered(&node, 8, BLOCKS, 3);
		free_blocks(blocks, BLOCKS);
		end_node(&node);
		pd_vfs_faulty_free(vfs);
		pd_vfs_record_free(record);
	}
}

/* How long it takes is held against its limit where nothing else runs: t/016. */
static void
a_thousand_extents_start(void **state)
{
	struct node node;
	int64_t start, took;

	(void) state;
	make_node(&node, 3, &pd_vfs_real);
	for (uint64_t id = 100; id < 434; id++)
	{
		struct block block;
		uint64_t length;

		open_bucket(&node, id, 0, 3, MIB);
		make_block(&block, id, 3000, id);
		put_blocks(&node, &block, 1);
		assert_int_equal(block.put.result, PK_OK);
		assert_ok(pd_bucket_seal(node.cell, id, &length, &ok_err));
		free_blocks(&block, 1);
	}
	for (uint64_t id = 500; id < 504; id++)
	{
		open_bucket(&node, id, 0, 3, 64 * MIB);
		make_blocks(id, BLOCKS, MIB, id);
		put_blocks(&node, blocks, BLOCKS);
		if (id < 503)
			free_blocks(blocks, BLOCKS);
	}
	kill_node(&node);
	start = pd_vfs_real.monotonic_us(&pd_vfs_real);
	start_node(&node);
	took = pd_vfs_real.monotonic_us(&pd_vfs_real) - start;
	print_message("1,002 sealed and 12 open extents (240 MiB): %lld ms\n", (long long) took / 1000);
	expect_recovered(&node, 503, BLOCKS, 3);
	free_blocks(blocks, BLOCKS);
	end_node(&node);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_killed_bucket_is_sealed_with_all_it_had),
		cmocka_unit_test(rot_of_one_replica_is_healed_from_another),
		cmocka_unit_test(rot_within_the_last_group_is_no_torn_tail),
		cmocka_unit_test(what_no_replica_has_intact_gets_no_fresh_checksums),
		cmocka_unit_test(the_furthest_replica_wins),
		cmocka_unit_test(interrupted_sealing_is_ended),
		cmocka_unit_test(rot_at_the_end_of_a_sealed_replica_is_not_copied_as_sound),
		cmocka_unit_test(a_drive_that_was_away_is_brought_level),
		cmocka_unit_test(power_cuts_lose_nothing_acknowledged),
		cmocka_unit_test(a_thousand_extents_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
