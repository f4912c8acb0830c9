/*
 * regress/unit/volume/test_write.c
 *	  Open buckets: order, group commit, and what a failure acknowledges (nothing).
 */
#include "harness.h"

#define THREADS 8
#define PUTS 25

struct writer
{
	pthread_t thread;
	struct node *node;
	struct block blocks[PUTS];
	int number;
};

static void *
write_all(void *arg)
{
	struct writer *writer = arg;

	for (int i = 0; i < PUTS; i++)
		put_blocks(writer->node, &writer->blocks[i], 1);
	return NULL;
}

static void
add_open(void *arg, uint64_t bucket_id)
{
	*(uint64_t *) arg += bucket_id;
}

/* The sum of their ids. */
static uint64_t
open_buckets(struct node *node)
{
	uint64_t sum = 0;

	assert_ok(pd_bucket_each_open(node->cell, add_open, &sum));
	return sum;
}

static void
concurrent_puts_are_all_read_back(void **state)
{
	static struct writer writers[THREADS];
	struct node node;
	uint64_t length;
	uint64_t sealed;

	(void) state;
	make_node(&node, 9, &pd_vfs_real);
	open_bucket(&node, 11, 0, 3, UINT64_C(1) << 30);
	open_bucket(&node, 12, 3, 3, UINT64_C(1) << 30);
	for (int t = 0; t < THREADS; t++)
	{
		writers[t].node = &node;
		for (int i = 0; i < PUTS; i++)
		{
			uint64_t seed = (uint64_t) (t * PUTS + i + 1);

			/* sizes from a byte to the limit, the limit among them */
			make_block(&writers[t].blocks[i], 11 + seed % 2,
					   i == 0 ? PK_BLOCK_SIZE_MAX : (uint32_t) (1 + seed * 7919 * 131 % PK_BLOCK_SIZE_MAX), seed);
		}
	}
	for (int t = 0; t < THREADS; t++)
		assert_int_equal(pthread_create(&writers[t].thread, NULL, write_all, &writers[t]), 0);
	for (int t = 0; t < THREADS; t++)
		pthread_join(writers[t].thread, NULL);
	for (int t = 0; t < THREADS; t++)
	{
		for (int i = 0; i < PUTS; i++)
			assert_int_equal(writers[t].blocks[i].put.result, PK_OK);
		expect_blocks(&node, writers[t].blocks, PUTS);
	}
	assert_int_equal(open_buckets(&node), 11 + 12);
	assert_ok(pd_bucket_seal(node.cell, 11, &length, &ok_err));
	assert_int_equal(open_buckets(&node), 12);
	assert_ok(pd_bucket_seal(node.cell, 11, &sealed, &ok_err));
	assert_int_equal(length, sealed);
	assert_int_equal(expect_replicas_alike(&node, 11, &sealed), 3);
	assert_int_equal(length, sealed);
	restart_node(&node);
	assert_int_equal(open_buckets(&node), 0);
	assert_ok(pd_bucket_seal(node.cell, 11, &sealed, &ok_err));
	assert_int_equal(length, sealed);
	for (int t = 0; t < THREADS; t++)
	{
		expect_blocks(&node, writers[t].blocks, PUTS);
		free_blocks(writers[t].blocks, PUTS);
	}
	assert_int_equal(take_reports(&node), 0);
	end_node(&node);
}

static void
waiting_puts_share_one_sync(void **state)
{
	struct pd_faults faults = {.below = &pd_vfs_real, .op = PD_FAULT_SYNC, .path_part = "/tmp/b-"};
	struct pd_vfs *vfs = pd_vfs_faulty(&faults);
	static struct block blocks[64];
	struct node node;
	long before;

	(void) state;
	make_node(&node, 3, vfs);
	open_bucket(&node, 21, 0, 3, 64 * MIB);
	for (int i = 0; i < 64; i++)
		make_block(&blocks[i], 21, 4096, (uint64_t) i + 1);
	before = faults.count;
	faults.delay_us = 20000;
	put_blocks(&node, blocks, 64);
	faults.delay_us = 0;
	for (int i = 0; i < 64; i++)
		assert_int_equal(blocks[i].put.result, PK_OK);
	print_message("64 puts on 3 replicas: %ld syncs\n", faults.count - before);
	assert_in_range(faults.count - before, 3, 12);
	expect_blocks(&node, blocks, 64);
	free_blocks(blocks, 64);
	end_node(&node);
	pd_vfs_faulty_free(vfs);
}

/*
 * From the nth call on those of one replica fail: no acknowledgement, the bucket is closed, what was acknowledged before stays. Returns
 * whether there was an nth call.
 */
static bool
fail_one_replica(enum pd_fault_op op, int error, uint32_t block_length, long nth)
{
	struct pd_faults faults = {.below = &pd_vfs_real, .op = op, .path_part = "d01/", .error = error};
	struct pd_vfs *vfs = pd_vfs_faulty(&faults);
	static struct block blocks[10];
	struct node node;
	uint64_t length = 0;
	uint64_t alike;
	pk_error rc;

	make_node(&node, 3, vfs);
	open_bucket(&node, 31, 0, 3, 64 * MIB);
	for (int i = 0; i < 10; i++)
		make_block(&blocks[i], 31, block_length, (uint64_t) i + 1);
	put_blocks(&node, blocks, 5);
	faults.sticky = true;
	faults.nth = faults.count + nth;
	put_blocks(&node, blocks + 5, 1);
	faults.nth = 0;
	if (faults.failed == 0)
	{
		assert_int_equal(blocks[5].put.result, PK_OK);
		free_blocks(blocks, 10);
		end_node(&node);
		pd_vfs_faulty_free(vfs);
		return false;
	}
	put_blocks(&node, blocks + 6, 4);
	for (int i = 0; i < 5; i++)
	{
		assert_int_equal(blocks[i].put.result, PK_OK);
		assert_int_equal(blocks[5 + i].put.result, PK_ERR_BUCKET_CLOSED);
	}
	expect_blocks(&node, blocks, 5);
	put_blocks(&node, blocks + 5, 1);
	assert_int_equal(blocks[5].put.result, PK_ERR_BUCKET_CLOSED);
	assert_int_equal(pd_drive_writable(node.drives[1]), error == ENOSPC);
	rc = pd_bucket_seal(node.cell, 31, &length, &ok_err);
	assert_ok(rc);
	assert_true(length >= blocks[4].put.offset + blocks[4].put.stored_length);
	expect_blocks(&node, blocks, 5);
	restart_node(&node);
	assert_int_equal(expect_replicas_alike(&node, 31, &alike), 3);
	assert_int_equal(alike, length);
	expect_blocks(&node, blocks, 5);
	free_blocks(blocks, 10);
	end_node(&node);
	pd_vfs_faulty_free(vfs);
	return true;
}

/* A small block is written in one piece, a large one in several, the first of them before all of it is encrypted. */
static void
fail_each_call(enum pd_fault_op op, int error)
{
	long nth = 1;

	assert_true(fail_one_replica(op, error, 100000, 1));
	while (fail_one_replica(op, error, 3 * MIB, nth))
		nth++;
	assert_true(nth > 1);
}

static void
a_failed_sync_acknowledges_nothing(void **state)
{
	(void) state;
	fail_each_call(PD_FAULT_SYNC, EIO);
}

static void
a_failed_write_acknowledges_nothing(void **state)
{
	(void) state;
	fail_each_call(PD_FAULT_WRITE, EIO);
}

static void
a_full_drive_acknowledges_nothing(void **state)
{
	(void) state;
	fail_each_call(PD_FAULT_WRITE, ENOSPC);
}

static void
a_closed_bucket_says_so(void **state)
{
	struct block blocks[4];
	struct pd_members members;
	struct node node;
	uint64_t length;
	int i;

	(void) state;
	make_node(&node, 3, &pd_vfs_real);
	open_bucket(&node, 41, 0, 3, 65536);
	for (i = 0; i < 3; i++)
		make_block(&blocks[i], 41, i == 1 ? 65536 - 3 * 128 - 1000 - 64 : 1000, 10 + (uint64_t) i * 3);
	make_block(&blocks[3], 42, 1000, 1);
	put_blocks(&node, blocks, 1);
	assert_int_equal(blocks[0].put.result, PK_OK);
	blocks[1].put.generation = 2; /* another generation than the bucket's */
	put_blocks(&node, blocks + 1, 1);
	assert_int_equal(blocks[1].put.result, PK_ERR_BUCKET_CLOSED);
	blocks[1].put.generation = 1;
	put_blocks(&node, blocks + 1, 3);
	assert_int_equal(blocks[1].put.result, PK_OK);
	assert_int_equal(blocks[2].put.result, PK_ERR_BUCKET_CLOSED); /* full */
	assert_int_equal(blocks[3].put.result, PK_ERR_BUCKET_CLOSED); /* unknown */

	replicated(&node, &members, 41, 0, 3);
	assert_int_equal(pd_bucket_open(node.cell, &members, 41, 65536, &ok_err), PK_ERR_STATE);
	replicated(&node, &members, 43, 0, 3);
	assert_int_equal(pd_bucket_open(node.cell, &members, 43, 65535, &ok_err), PK_ERR_MALFORMED);
	memcpy(members.member[1].drive, members.member[0].drive, PK_UUID_SIZE);
	assert_int_equal(pd_bucket_open(node.cell, &members, 43, 65536, &ok_err), PK_ERR_MALFORMED);

	assert_ok(pd_bucket_seal(node.cell, 41, &length, &ok_err));
	assert_int_equal(length, blocks[1].put.offset + blocks[1].put.stored_length);
	put_blocks(&node, blocks + 2, 1);
	assert_int_equal(blocks[2].put.result, PK_ERR_BUCKET_CLOSED);
	assert_int_equal(pd_bucket_seal(node.cell, 99, &length, &ok_err), PK_ERR_NOT_FOUND);
	free_blocks(blocks, 4);
	end_node(&node);
}

static void
a_get_for_another_block_finds_nothing(void **state)
{
	struct block blocks[2];
	struct block wrong;
	struct node node;
	uint64_t length;

	(void) state;
	make_node(&node, 3, &pd_vfs_real);
	open_bucket(&node, 51, 0, 3, MIB);
	make_block(&blocks[0], 51, 5000, 1);
	make_block(&blocks[1], 51, 5000, 2);
	put_blocks(&node, blocks, 2);
	expect_blocks(&node, blocks, 2);
	wrong = blocks[0];
	wrong.put.hash[0] ^= 1;
	assert_int_equal(get_block(&node, &wrong, NULL), PK_ERR_NOT_FOUND);
	wrong = blocks[0];
	wrong.put.offset = 64;
	assert_int_equal(get_block(&node, &wrong, NULL), PK_ERR_BLOCK_LOST);
	assert_int_equal(take_reports(&node), 3);
	wrong.put.offset = MIB;
	assert_int_equal(get_block(&node, &wrong, NULL), PK_ERR_NOT_FOUND);
	wrong.put.offset = 63;
	assert_int_equal(get_block(&node, &wrong, NULL), PK_ERR_MALFORMED);
	wrong = blocks[0];
	wrong.put.bucket_id = 52;
	assert_int_equal(get_block(&node, &wrong, NULL), PK_ERR_NOT_FOUND);
	assert_int_equal(take_reports(&node), 0);

	/* without the key nothing opens, and nothing is called damaged */
	assert_ok(pd_bucket_seal(node.cell, 51, &length, &ok_err));
	node.keys.keys[0].id = 2;
	restart_node(&node);
	assert_int_equal(get_block(&node, &blocks[0], NULL), PK_ERR_NO_KEY);
	assert_int_equal(take_reports(&node), 0);
	node.keys.keys[0].id = 1;
	node.keys.keys[0].secret[0] ^= 1;
	pd_cell_set_keys(node.cell, &node.keys);
	assert_int_equal(get_block(&node, &blocks[0], NULL), PK_ERR_NO_KEY);
	assert_int_equal(take_reports(&node), 0);
	node.keys.keys[0].secret[0] ^= 1;
	pd_cell_set_keys(node.cell, &node.keys);
	expect_blocks(&node, blocks, 2);
	free_blocks(blocks, 2);
	end_node(&node);
}

/* What was altered in memory before it was encrypted has a sound tag: only the checksum of the bytes as they came tells. */
static void
bytes_altered_before_the_cipher_are_found(void **state)
{
	static const uint32_t lengths[] = {5000, 2 * MIB};
	struct block blocks[2];
	struct node node;

	(void) state;
	make_node(&node, 3, &pd_vfs_real);
	open_bucket(&node, 61, 0, 3, 8 * MIB);
	for (int i = 0; i < 2; i++)
	{
		make_block(&blocks[i], 61, lengths[i], (uint64_t) i + 1);
		blocks[i].put.crc32c ^= 1;
	}
	put_blocks(&node, blocks, 2);
	for (int i = 0; i < 2; i++)
	{
		assert_int_equal(blocks[i].put.result, PK_OK);
		assert_int_equal(get_block(&node, &blocks[i], NULL), PK_ERR_BLOCK_LOST);
		blocks[i].reader_checks = true;
		assert_int_equal(get_block(&node, &blocks[i], NULL), PK_OK);
	}
	free_blocks(blocks, 2);
	end_node(&node);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(concurrent_puts_are_all_read_back),
		cmocka_unit_test(waiting_puts_share_one_sync),
		cmocka_unit_test(a_failed_sync_acknowledges_nothing),
		cmocka_unit_test(a_failed_write_acknowledges_nothing),
		cmocka_unit_test(a_full_drive_acknowledges_nothing),
		cmocka_unit_test(a_closed_bucket_says_so),
		cmocka_unit_test(a_get_for_another_block_finds_nothing),
		cmocka_unit_test(bytes_altered_before_the_cipher_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
