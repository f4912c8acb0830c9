/*
 * regress/unit/volume/test_orders.c
 *	  Orders that come late, twice, or when drives have gone: nothing that is the
 *	  last of its kind goes, and what could not be done is told.
 */
#include "harness.h"

static uint64_t
make_sealed(struct node *node, int drives, const struct pd_vfs *vfs, uint64_t bucket_id, struct block *block)
{
	uint64_t length;

	if (node->cell == NULL)
		make_node(node, drives, vfs);
	open_bucket(node, bucket_id, (int) bucket_id - 1, 2, MIB);
	make_block(block, bucket_id, 100000, bucket_id);
	put_blocks(node, block, 1);
	assert_int_equal(block->put.result, PK_OK);
	assert_ok(pd_bucket_seal(node->cell, bucket_id, &length, &ok_err));
	return length;
}

/* The bucket's replicas shall be on these two drives. */
static void
place(struct node *node, struct pd_members *members, uint64_t length, uint32_t generation, int a, int b)
{
	replicated(node, members, 1, a, 2);
	memcpy(members->member[1].drive, node->uuids[b], PK_UUID_SIZE);
	members->member[0].length = members->member[1].length = length;
	members->generation = generation;
}

static void
coded_pair(struct node *node, struct pd_members *members, uint64_t length, int data, int parity)
{
	memset(members, 0, sizeof(*members));
	members->volume_id = 50;
	members->generation = 10;
	members->code = (pk_code){PK_CODE_RS, 1, 1};
	members->count = 2;
	members->member[0].bucket_id = 1;
	members->member[0].length = length;
	memcpy(members->member[0].drive, node->uuids[data], PK_UUID_SIZE);
	memcpy(members->member[1].drive, node->uuids[parity], PK_UUID_SIZE);
}

static bool
is_on(struct node *node, int drive, pk_extent_kind kind, uint64_t id, int position)
{
	struct pd_extent *extent = pd_extent_find(node->drives[drive], kind, id, position);

	pd_extent_unref(extent);
	return extent != NULL;
}

static void
lose_drive(struct node *node, int drive)
{
	char path[128];

	drive_path(node, drive, path, sizeof(path));
	remove_tree(path);
}

/* While one order is carried out another one comes, and is settled; then the first one's client goes away. */
struct overtaken
{
	struct node *node;
	struct pd_members members;
	bool coded;
	bool done;
};

static bool
overtake(void *arg, uint64_t done, uint64_t total)
{
	struct overtaken *overtaken = arg;
	uint64_t length;
	int settled;

	if (done == 0 && !overtaken->done)
	{
		overtaken->done = true;
		if (overtaken->coded)
			assert_ok(pd_volume_encode(overtaken->node->cell, &overtaken->members, NULL, &length, &ok_err));
		else
			assert_ok(pd_volume_rebuild(overtaken->node->cell, &overtaken->members, 2, NULL, &ok_err));
		assert_ok(pd_volume_settle(overtaken->node->cell, &overtaken->members, &settled, &ok_err));
	}
	return done < total / 2;
}

static void
a_late_rebuild_does_not_remove_the_newer_ones_member(void **state)
{
	struct node node = {0};
	struct overtaken overtaken = {.node = &node};
	struct pd_progress progress = {overtake, &overtaken};
	struct pd_members members;
	struct block block;
	uint64_t length;

	(void) state;
	length = make_sealed(&node, 3, &pd_vfs_real, 1, &block);
	place(&node, &members, length, 5, 0, 2);
	overtaken.members = members;
	overtaken.members.generation = 6;
	assert_int_equal(pd_volume_rebuild(node.cell, &members, 2, &progress, &ok_err), PK_ERR_STATE);
	assert_true(overtaken.done);
	assert_true(is_on(&node, 2, PK_EXTENT_BUCKET, 1, 0));
	assert_ok(get_block(&node, &block, NULL));
	free_blocks(&block, 1);
	end_node(&node);
}

static void
a_duplicate_encoding_does_not_remove_a_parity_that_counts(void **state)
{
	struct node node = {0};
	struct overtaken overtaken = {.node = &node, .coded = true};
	struct pd_progress progress = {overtake, &overtaken};
	struct pd_members members;
	struct block block;
	uint64_t length, bytes;

	(void) state;
	length = make_sealed(&node, 3, &pd_vfs_real, 1, &block);
	coded_pair(&node, &members, length, 0, 2);
	overtaken.members = members;
	assert_int_not_equal(pd_volume_encode(node.cell, &members, &progress, &length, &ok_err), PK_OK);
	assert_true(overtaken.done);
	assert_true(is_on(&node, 2, PK_EXTENT_PARITY, 50, 1));
	assert_ok(pd_extent_drop(node.cell, node.uuids[1], PK_EXTENT_BUCKET, 1, 0, &bytes, &ok_err));
	free_blocks(&block, 1);
	end_node(&node);
}

static void
a_replica_stays_when_its_replacement_is_gone(void **state)
{
	struct node node = {0};
	struct pd_members members;
	struct block block;
	uint64_t length, bytes;
	int settled;

	(void) state;
	length = make_sealed(&node, 3, &pd_vfs_real, 1, &block);
	place(&node, &members, length, 2, 1, 2);
	assert_ok(pd_volume_rebuild(node.cell, &members, 2, NULL, &ok_err));
	assert_ok(pd_volume_settle(node.cell, &members, &settled, &ok_err));
	lose_drive(&node, 1);
	lose_drive(&node, 2);
	assert_int_equal(pd_extent_drop(node.cell, node.uuids[0], PK_EXTENT_BUCKET, 1, 0, &bytes, &ok_err), PK_ERR_STATE);
	assert_ok(get_block(&node, &block, NULL));
	free_blocks(&block, 1);
	end_node(&node);
}

static void
a_replica_stays_until_its_coded_volume_is_whole(void **state)
{
	struct node node = {0};
	struct pd_members members;
	struct block block;
	char path[256];
	uint64_t length, bytes;
	int settled;

	(void) state;
	length = make_sealed(&node, 3, &pd_vfs_real, 1, &block);
	coded_pair(&node, &members, length, 0, 2);
	assert_ok(pd_volume_encode(node.cell, &members, NULL, &length, &ok_err));
	assert_ok(pd_volume_settle(node.cell, &members, &settled, &ok_err));
	extent_path(&node, 2, PK_EXTENT_PARITY, 50, 1, path, sizeof(path));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(pd_extent_drop(node.cell, node.uuids[1], PK_EXTENT_BUCKET, 1, 0, &bytes, &ok_err), PK_ERR_STATE);
	assert_true(is_on(&node, 1, PK_EXTENT_BUCKET, 1, 0));

	/* made anew, and it may go */
	members.generation = 11;
	assert_ok(pd_volume_rebuild(node.cell, &members, 2, NULL, &ok_err));
	assert_ok(pd_volume_settle(node.cell, &members, &settled, &ok_err));
	assert_ok(pd_extent_drop(node.cell, node.uuids[1], PK_EXTENT_BUCKET, 1, 0, &bytes, &ok_err));
	assert_true(bytes > 0);
	assert_ok(get_block(&node, &block, NULL));
	free_blocks(&block, 1);
	end_node(&node);
}

/* --- a drive that gives back other bytes than were written to it, in files that are newer than old_inode --- */

static bool lies;
static ino_t old_inode;

static ssize_t
lying_pread(const struct pd_vfs *vfs, int fd, void *buf, size_t n, uint64_t offset)
{
	ssize_t got = pd_vfs_real.pread(vfs, fd, buf, n, offset);
	char link[64], path[300];
	struct stat st;
	ssize_t length;

	if (!lies || got <= 0 || offset < PD_EXTENT_DATA)
		return got;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path, sizeof(path) - 1);
	path[length > 0 ? length : 0] = '\0';
	assert_int_equal(fstat(fd, &st), 0);
	if (strstr(path, "/d00/") != NULL && strstr(path, "b-") != NULL && st.st_ino != old_inode)
		((uint8_t *) buf)[0] ^= 1;
	return got;
}

static void
what_reads_back_badly_does_not_replace_what_can_be_read(void **state)
{
	struct node node = {0};
	struct pd_vfs vfs = pd_vfs_real;
	struct pd_members members;
	struct block blocks[3];
	struct stat st;
	char path[256];
	uint64_t length;

	(void) state;
	vfs.pread = lying_pread;
	lies = false;
	make_node(&node, 3, &vfs);
	open_bucket(&node, 1, 0, 2, MIB);
	for (int i = 0; i < 3; i++)
	{
		make_block(&blocks[i], 1, 65536, 3 * (uint64_t) i + 1);
		put_blocks(&node, &blocks[i], 1);
	}
	assert_ok(pd_bucket_seal(node.cell, 1, &length, &ok_err));
	flip_byte(&node, 0, PK_EXTENT_BUCKET, 1, 0, 1000);	 /* the first block is only on drive 1 */
	flip_byte(&node, 1, PK_EXTENT_BUCKET, 1, 0, 150000); /* the last one only on drive 0 */
	expect_blocks(&node, blocks, 3);
	place(&node, &members, length, 2, 0, 1);
	extent_path(&node, 0, PK_EXTENT_BUCKET, 1, 0, path, sizeof(path));
	assert_int_equal(stat(path, &st), 0);
	old_inode = st.st_ino;
	lies = true;
	assert_int_equal(pd_volume_rebuild(node.cell, &members, 1, NULL, &ok_err), PK_ERR_CORRUPT);
	lies = false;
	expect_blocks(&node, blocks, 3);
	free_blocks(blocks, 3);
	end_node(&node);
}

static void
expect_unsealed(void *arg, const struct pd_report *report)
{
	if (strstr(report->problem, "is not sealed") != NULL)
		(*(int *) arg)++;
}

static void
a_replica_that_could_not_be_sealed_is_told_of(void **state)
{
	struct pd_faults faults = {.below = &pd_vfs_real, .op = PD_FAULT_WRITE, .path_part = "d01/", .error = ENOSPC};
	struct pd_vfs *vfs = pd_vfs_faulty(&faults);
	struct node node = {0};
	struct pd_members members;
	struct block blocks[2];
	char next[PK_EXTENT_FILE];
	uint64_t length, bytes;
	int unsealed = 0;

	(void) state;
	make_node(&node, 3, vfs);
	open_bucket(&node, 1, 0, 2, MIB);
	for (int i = 0; i < 2; i++)
		make_block(&blocks[i], 1, 1000, 3 * (uint64_t) i + 1);
	put_blocks(&node, &blocks[0], 1);
	assert_int_equal(blocks[0].put.result, PK_OK);
	assert_ok(
		pd_drive_scrub(node.cell, node.uuids[1], "", UINT64_MAX, next, &bytes, expect_unsealed, &unsealed, &ok_err));
	assert_int_equal(unsealed, 0); /* it is being written */
	faults.nth = faults.count + 1; /* drive 1 is full */
	faults.sticky = true;
	put_blocks(&node, &blocks[1], 1);
	assert_int_not_equal(blocks[1].put.result, PK_OK);
	assert_ok(pd_bucket_seal(node.cell, 1, &length, &ok_err));
	assert_int_equal(take_reports(&node), 1);
	assert_ok(
		pd_drive_scrub(node.cell, node.uuids[1], "", UINT64_MAX, next, &bytes, expect_unsealed, &unsealed, &ok_err));
	assert_int_equal(unsealed, 1);

	/* it is made anew from what the scrub told, and the scrub is content */
	faults.nth = 0;
	place(&node, &members, length, 2, 0, 1);
	assert_ok(pd_volume_rebuild(node.cell, &members, 2, NULL, &ok_err));
	assert_int_equal(take_reports(&node), 0);
	assert_ok(
		pd_drive_scrub(node.cell, node.uuids[1], "", UINT64_MAX, next, &bytes, expect_unsealed, &unsealed, &ok_err));
	assert_int_equal(unsealed, 1);
	free_blocks(blocks, 2);
	end_node(&node);
	pd_vfs_faulty_free(vfs);
}

static void
a_rebuild_without_a_readable_replica_says_that_blocks_are_lost(void **state)
{
	struct node node = {0};
	struct pd_members members;
	struct block block;
	uint64_t length;

	(void) state;
	length = make_sealed(&node, 3, &pd_vfs_real, 1, &block);
	lose_drive(&node, 0);
	lose_drive(&node, 1);
	place(&node, &members, length, 2, 0, 2);
	assert_int_equal(pd_volume_rebuild(node.cell, &members, 2, NULL, &ok_err), PK_ERR_BLOCK_LOST);
	free_blocks(&block, 1);
	end_node(&node);
}

static struct pd_trash_order
trash_order(const struct node *node, int drive, pk_extent_kind kind, uint64_t id, int position)
{
	struct pd_trash_order order = {.kind = kind, .id = id, .position = position};

	memcpy(order.drive, node->uuids[drive], PK_UUID_SIZE);
	return order;
}

static void
count_problem(void *arg, const struct pd_report *report)
{
	(void) report;
	(*(int *) arg)++;
}

static int
scrub_problems(struct node *node)
{
	char next[PK_EXTENT_FILE];
	uint64_t bytes;
	int problems = 0;

	for (int i = 0; i < node->count; i++)
		assert_ok(pd_drive_scrub(node->cell, node->uuids[i], "", UINT64_MAX, next, &bytes, count_problem, &problems,
								 &ok_err));
	return problems;
}

/* A coded volume of one bucket: data on drive 0, its parity on drive 2; the surplus replica on drive 1 is dropped. */
static void
a_retired_volume_is_read_in_the_trash_until_it_is_emptied(void **state)
{
	struct node node = {0};
	struct pd_members members;
	struct pd_trash_order data, parity, stale;
	struct pd_err err;
	struct block block;
	uint64_t length, bytes;
	int settled;

	(void) state;
	length = make_sealed(&node, 3, &pd_vfs_real, 1, &block);
	coded_pair(&node, &members, length, 0, 2);
	assert_ok(pd_volume_encode(node.cell, &members, NULL, &bytes, &ok_err));
	assert_ok(pd_volume_settle(node.cell, &members, &settled, &ok_err));
	data = trash_order(&node, 0, PK_EXTENT_BUCKET, 1, 0);
	parity = trash_order(&node, 2, PK_EXTENT_PARITY, 50, 1);
	stale = trash_order(&node, 1, PK_EXTENT_BUCKET, 1, 0);

	/* what is a member is not stale, and an order from before its generation does not mean it */
	assert_int_equal(pd_trash_put(node.cell, &data, &bytes, &err), PK_ERR_STATE);
	data.volume_id = parity.volume_id = 50;
	data.generation = 9;
	assert_int_equal(pd_trash_put(node.cell, &data, &bytes, &err), PK_ERR_STATE);
	assert_true(is_on(&node, 0, PK_EXTENT_BUCKET, 1, 0));
	assert_ok(pd_trash_put(node.cell, &stale, &bytes, &ok_err));
	assert_true(bytes > length);
	assert_ok(pd_trash_empty(node.cell, &stale, &bytes, &ok_err));
	assert_true(bytes > length);

	data.generation = parity.generation = 10;
	assert_ok(pd_trash_put(node.cell, &data, &bytes, &ok_err));
	assert_ok(pd_trash_put(node.cell, &data, &bytes, &ok_err)); /* again */
	assert_true(bytes > length);
	assert_ok(pd_trash_put(node.cell, &parity, &bytes, &ok_err));
	for (int start = 0; start < 2; start++)
	{
		assert_false(is_on(&node, 0, PK_EXTENT_BUCKET, 1, 0));
		assert_ok(get_block(&node, &block, NULL));
		assert_int_equal(scrub_problems(&node), 0); /* nobody misses what is there */
		assert_int_equal(take_reports(&node), 0);
		if (start == 0)
			restart_node(&node);
	}

	/* also by decoding from there */
	assert_ok(pd_trash_empty(node.cell, &data, &bytes, &ok_err));
	assert_ok(pd_trash_empty(node.cell, &data, &bytes, &ok_err)); /* again */
	assert_int_equal(bytes, 0);
	assert_ok(get_block(&node, &block, NULL));
	assert_int_equal(pd_trash_take(node.cell, &data, &err), PK_ERR_NOT_FOUND);

	assert_ok(pd_trash_take(node.cell, &parity, &ok_err));
	assert_true(is_on(&node, 2, PK_EXTENT_PARITY, 50, 1));
	assert_int_equal(scrub_problems(&node), 1); /* it is a volume again, which misses its data */
	assert_ok(pd_trash_empty(node.cell, &parity, &bytes, &ok_err));
	assert_int_equal(bytes, 0); /* what is in place is not emptied */
	assert_true(is_on(&node, 2, PK_EXTENT_PARITY, 50, 1));
	free_blocks(&block, 1);
	end_node(&node);
}

/* There is nothing to decode it from. */
static void
a_replica_in_the_trash_is_read(void **state)
{
	struct node node = {0};
	struct pd_trash_order order;
	struct block block;
	uint64_t bytes;
	bool degraded = false;

	(void) state;
	(void) make_sealed(&node, 2, &pd_vfs_real, 1, &block);
	for (int i = 0; i < 2; i++)
	{
		order = trash_order(&node, i, PK_EXTENT_BUCKET, 1, 0);
		order.volume_id = 100;
		order.generation = 1000;
		assert_ok(pd_trash_put(node.cell, &order, &bytes, &ok_err));
		assert_true(bytes > 0);
	}
	assert_ok(get_block(&node, &block, &degraded));
	assert_false(degraded);
	restart_node(&node);
	assert_ok(get_block(&node, &block, &degraded));
	assert_false(degraded);
	free_blocks(&block, 1);
	end_node(&node);
}

/* Blocks of a sealed bucket into an open one: each to its hash, those that do not fit or do not exist told one by one. */
static void
blocks_are_copied_into_an_open_bucket(void **state)
{
	struct node node = {0};
	struct block blocks[3], moved;
	struct pd_copy *copies = calloc(70, sizeof(*copies));
	uint64_t length;

	(void) state;
	make_node(&node, 3, &pd_vfs_real);
	open_bucket(&node, 1, 0, 2, 8 * MIB);
	for (int i = 0; i < 3; i++)
		make_block(&blocks[i], 1, i == 2 ? 3 * MIB : 100000u + (uint32_t) i, (uint64_t) i + 1);
	put_blocks(&node, blocks, 3);
	assert_ok(pd_bucket_seal(node.cell, 1, &length, &ok_err));
	open_bucket(&node, 2, 1, 2, MIB);
	for (int i = 0; i < 70; i++)
	{
		const struct block *block = &blocks[i == 69 ? 2 : i % 2]; /* the last one does not fit */

		copies[i].from.bucket_id = 1;
		copies[i].from.offset = block->put.offset;
		copies[i].from.stored_length = block->put.stored_length;
		copies[i].from.length = block->put.length;
		memcpy(copies[i].from.hash, block->put.hash, PK_SHA256_SIZE);
	}
	copies[1].from.hash[0] ^= 1;
	copies[2].from.offset += 64;
	assert_ok(pd_blocks_copy(node.cell, 2, 1, copies, 70, NULL, &ok_err));
	assert_int_equal(copies[0].result, PK_OK);
	assert_int_equal(copies[1].result, PK_ERR_NOT_FOUND);
	assert_int_not_equal(copies[2].result, PK_OK);
	assert_int_equal(copies[3].result, PK_OK);
	assert_int_equal(copies[69].result, PK_ERR_BUCKET_CLOSED);
	moved = blocks[1];
	moved.put.bucket_id = 2;
	moved.put.offset = copies[3].offset;
	moved.put.stored_length = copies[3].stored_length;
	assert_ok(get_block(&node, &moved, NULL));
	/* a generation that is not the bucket's writes nothing */
	assert_ok(pd_blocks_copy(node.cell, 2, 2, copies, 1, NULL, &ok_err));
	assert_int_equal(copies[0].result, PK_ERR_BUCKET_CLOSED);
	free(copies);
	free_blocks(blocks, 3);
	end_node(&node);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_late_rebuild_does_not_remove_the_newer_ones_member),
		cmocka_unit_test(a_duplicate_encoding_does_not_remove_a_parity_that_counts),
		cmocka_unit_test(a_replica_stays_when_its_replacement_is_gone),
		cmocka_unit_test(a_replica_stays_until_its_coded_volume_is_whole),
		cmocka_unit_test(what_reads_back_badly_does_not_replace_what_can_be_read),
		cmocka_unit_test(a_replica_that_could_not_be_sealed_is_told_of),
		cmocka_unit_test(a_rebuild_without_a_readable_replica_says_that_blocks_are_lost),
		cmocka_unit_test(a_retired_volume_is_read_in_the_trash_until_it_is_emptied),
		cmocka_unit_test(a_replica_in_the_trash_is_read),
		cmocka_unit_test(blocks_are_copied_into_an_open_bucket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
