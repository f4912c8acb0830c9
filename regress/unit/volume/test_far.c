/*
 * regress/unit/volume/test_far.c
 *	  Blocks and volumes whose members are on other nodes: reads that do not wait,
 *	  encoding, rebuilding, settling and dropping across nodes, and peers that tell
 *	  something else than they should.
 */
#include "nodes.h"
#include "volume/internal.h"

#define BLOCKS 4
#define VOLUME 60

static struct block blocks[2 * BLOCKS];

static void
put_into(struct nodes *nodes, int n, uint64_t bucket_id, struct block *out)
{
	for (int i = 0; i < BLOCKS; i++)
		make_block(&out[i], bucket_id, 70000, bucket_id * 10 + (uint64_t) i);
	put_blocks(&nodes->node[n], out, BLOCKS);
	for (int i = 0; i < BLOCKS; i++)
		assert_int_equal(out[i].put.result, PK_OK);
}

/* A bucket on drive 0 of nodes 0 .. 2, sealed by node 0, known to four nodes. */
static uint64_t
make_sealed(struct nodes *nodes, struct pd_members *volume)
{
	uint64_t length;

	make_nodes(nodes, 4, 2);
	spread(nodes, volume, 7, 3);
	assert_ok(pd_bucket_open(nodes->node[0].cell, volume, 7, 64 * MIB, &ok_err));
	tell_all(nodes, volume);
	put_into(nodes, 0, 7, blocks);
	assert_ok(pd_bucket_seal(nodes->node[0].cell, 7, &length, &ok_err));
	return length;
}

static int
reads_of(struct nodes *nodes, int from, int to, int drive)
{
	return fake_calls(peer_of(nodes, from, to, drive), FAKE_READ);
}

static void
fail_all(struct fake_remote *peer, pk_error code)
{
	peer->forever = true;
	for (int op = 0; op < FAKE_OPS; op++)
		fake_fail(peer, op, code == PK_OK ? 0 : 1, code);
}

static void
any_node_serves_any_block(void **state)
{
	struct nodes nodes;
	struct pd_members volume;
	bool degraded;

	(void) state;
	make_sealed(&nodes, &volume);
	/* who has a replica asks nobody; who has none asks one of those who have */
	for (int i = 0; i < BLOCKS; i++)
	{
		assert_ok(get_block(&nodes.node[1], &blocks[i], &degraded));
		assert_false(degraded);
		assert_ok(get_block(&nodes.node[3], &blocks[i], &degraded));
		assert_false(degraded);
	}
	assert_int_equal(reads_of(&nodes, 1, 0, 0) + reads_of(&nodes, 1, 2, 0), 0);
	assert_int_equal(reads_of(&nodes, 3, 0, 0) + reads_of(&nodes, 3, 1, 0) + reads_of(&nodes, 3, 2, 0), BLOCKS);

	/* a replica here that is damaged is made up for by another node's */
	flip_byte(&nodes.node[1], 0, PK_EXTENT_BUCKET, 7, 0, blocks[0].put.offset + 500);
	assert_ok(get_block(&nodes.node[1], &blocks[0], &degraded));
	assert_true(degraded);
	assert_int_equal(take_reports(&nodes.node[1]), 1);

	/* damage over there is reported, too */
	flip_byte(&nodes.node[0], 0, PK_EXTENT_BUCKET, 7, 0, blocks[1].put.offset + 500);
	assert_ok(get_block(&nodes.node[3], &blocks[1], &degraded));
	assert_true(degraded);
	assert_int_equal(take_reports(&nodes.node[3]), 1);
	free_blocks(blocks, BLOCKS);
	end_nodes(&nodes);
}

static void
what_is_not_reached_is_not_lost(void **state)
{
	/* a node that is busy; whose clock differs; that has not heard of the adoption; that is older */
	static const pk_error refusals[] = {PK_ERR_UNAVAILABLE, PK_ERR_BUSY, PK_ERR_DENIED, PK_ERR_FOREIGN,
										PK_ERR_UNSUPPORTED};
	struct nodes nodes;
	struct pd_members volume;
	struct block wrong;

	(void) state;
	make_sealed(&nodes, &volume);
	wrong = blocks[1];
	wrong.put.hash[0] ^= 1;
	assert_int_equal(get_block(&nodes.node[3], &wrong, NULL), PK_ERR_NOT_FOUND);
	for (int n = 0; n < 3; n++)
		fail_all(peer_of(&nodes, 3, n, 0), PK_ERR_UNAVAILABLE);
	assert_int_equal(get_block(&nodes.node[3], &blocks[0], NULL), PK_ERR_UNAVAILABLE);
	assert_int_equal(take_reports(&nodes.node[3]), 0);
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
	{
		/* as soon as they are looked for, or when they are read */
		for (int op = FAKE_FIND; op <= FAKE_READ; op += FAKE_READ - FAKE_FIND)
		{
			for (int n = 0; n < 3; n++)
			{
				fail_all(peer_of(&nodes, 3, n, 0), PK_OK);
				peer_of(&nodes, 3, n, 0)->forever = true;
				fake_fail(peer_of(&nodes, 3, n, 0), op, 1, refusals[i]);
			}
			assert_int_equal(get_block(&nodes.node[3], &blocks[0], NULL), PK_ERR_UNAVAILABLE);
			memcpy(volume.member[2].drive, place(&nodes, 3, 1), PK_UUID_SIZE);
			volume.generation++;
			assert_int_equal(pd_volume_rebuild(nodes.node[3].cell, &volume, 4, NULL, &ok_err), PK_ERR_UNAVAILABLE);
			assert_int_equal(take_reports(&nodes.node[3]), 0);
		}
	}
	fail_all(peer_of(&nodes, 3, 2, 0), PK_OK);
	assert_ok(get_block(&nodes.node[3], &blocks[0], NULL));

	/* there, and without the extent: that is an answer */
	for (int n = 0; n < 3; n++)
	{
		struct pd_extent *extent = pd_extent_find(nodes.node[n].drives[0], PK_EXTENT_BUCKET, 7, 0);

		fail_all(peer_of(&nodes, 3, n, 0), PK_OK);
		assert_ok(pd_extent_remove(extent, &ok_err));
		pd_extent_unref(extent);
	}
	assert_int_equal(get_block(&nodes.node[3], &blocks[0], NULL), PK_ERR_BLOCK_LOST);
	assert_int_equal(pd_volume_rebuild(nodes.node[3].cell, &volume, 4, NULL, &ok_err), PK_ERR_BLOCK_LOST);
	free_blocks(blocks, BLOCKS);
	end_nodes(&nodes);
}

static void
a_peer_that_hangs_is_not_waited_for(void **state)
{
	static const enum fake_op ops[] = {FAKE_FIND, FAKE_READ};

	(void) state;
	for (size_t i = 0; i < 2; i++)
	{
		struct nodes nodes;
		struct pd_members volume;
		bool degraded;
		int calls;

		make_sealed(&nodes, &volume);
		fake_hold(peer_of(&nodes, 3, 0, 0), ops[i]);
		assert_ok(get_block(&nodes.node[3], &blocks[0], &degraded)); /* it would wait for ever otherwise */
		assert_true(degraded);
		fake_wait_held(peer_of(&nodes, 3, 0, 0), 1);

		/* from now on it is asked last */
		calls = fake_calls(peer_of(&nodes, 3, 0, 0), ops[i]);
		for (int b = 0; b < BLOCKS; b++)
		{
			assert_ok(get_block(&nodes.node[3], &blocks[b], &degraded));
			assert_false(degraded);
		}
		assert_int_equal(fake_calls(peer_of(&nodes, 3, 0, 0), ops[i]), calls);
		fake_release(peer_of(&nodes, 3, 0, 0)); /* what comes late is thrown away; the cell waits for it */
		free_blocks(blocks, BLOCKS);
		end_nodes(&nodes);
	}
}

static void
all_that_hang_are_waited_for(void **state)
{
	struct nodes nodes;
	struct pd_members volume;
	struct reading reading = {0};
	struct pd_get *get = &reading.get;

	(void) state;
	make_sealed(&nodes, &volume);
	for (int n = 0; n < 3; n++)
		fake_hold(peer_of(&nodes, 3, n, 0), FAKE_READ);
	get->bucket_id = 7;
	get->offset = blocks[2].put.offset;
	get->stored_length = blocks[2].put.stored_length;
	get->length = blocks[2].put.length;
	memcpy(get->hash, blocks[2].put.hash, PK_SHA256_SIZE);
	get->done = get_done;
	pd_latch_init(&reading.latch, 1);
	pd_block_get(nodes.node[3].cell, get);
	for (int n = 0; n < 3; n++)
		fake_wait_held(peer_of(&nodes, 3, n, 0), 1);
	fake_release(peer_of(&nodes, 3, 2, 0)); /* the last that was asked answers first */
	pd_latch_wait(&reading.latch);
	assert_int_equal(get->result, PK_OK);
	assert_memory_equal(get->plain->data + get->plain_offset, blocks[2].body, blocks[2].put.length);
	pd_buffer_put(nodes.node[3].pool, get->plain);
	for (int n = 0; n < 2; n++)
		fake_release(peer_of(&nodes, 3, n, 0));
	pd_latch_release(&reading.latch);
	free_blocks(blocks, BLOCKS);
	end_nodes(&nodes);
}

/* --- a coded volume: bucket 21 on node 0, bucket 22 on node 1, parities on nodes 2 and 3 --- */

static void
two_replicas(struct nodes *nodes, uint64_t id, int a, int b, int drive_b, struct pd_members *volume)
{
	memset(volume, 0, sizeof(*volume));
	volume->volume_id = id;
	volume->generation = 1;
	volume->code = (pk_code){PK_CODE_REPLICATED, 1, 0};
	volume->count = 2;
	memcpy(volume->member[0].drive, place(nodes, a, 0), PK_UUID_SIZE);
	memcpy(volume->member[1].drive, place(nodes, b, drive_b), PK_UUID_SIZE);
	volume->member[0].bucket_id = volume->member[1].bucket_id = id;
}

static void
make_coded(struct nodes *nodes, struct pd_members *coded)
{
	struct pd_members volume;
	uint64_t lengths[2], parity_length;

	make_nodes(nodes, 4, 2);
	for (int b = 0; b < 2; b++)
	{
		uint64_t id = 21 + (uint64_t) b;

		two_replicas(nodes, id, b, 2 + b, 1, &volume);
		assert_ok(pd_bucket_open(nodes->node[b].cell, &volume, id, 64 * MIB, &ok_err));
		put_into(nodes, b, id, &blocks[b * BLOCKS]);
		assert_ok(pd_bucket_seal(nodes->node[b].cell, id, &lengths[b], &ok_err));
		volume.member[0].length = volume.member[1].length = lengths[b];
		tell_all(nodes, &volume);
	}
	memset(coded, 0, sizeof(*coded));
	coded->volume_id = VOLUME;
	coded->generation = 5;
	coded->code = (pk_code){PK_CODE_RS, 2, 2};
	coded->count = 4;
	for (int p = 0; p < 4; p++)
		memcpy(coded->member[p].drive, place(nodes, p, 0), PK_UUID_SIZE);
	for (int p = 0; p < 2; p++)
	{
		coded->member[p].bucket_id = 21 + (uint64_t) p;
		coded->member[p].length = lengths[p];
	}
	/* ordered of node 3, which has one of the parities and neither of the buckets' first replicas */
	assert_ok(pd_volume_encode(nodes->node[3].cell, coded, NULL, &parity_length, &ok_err));
	for (int p = 2; p < 4; p++)
		coded->member[p].length = parity_length;
}

static struct pd_extent_info
extent_of(struct nodes *nodes, int n, int drive, pk_extent_kind kind, uint64_t id, int position)
{
	struct pd_extent *extent = pd_extent_find(nodes->node[n].drives[drive], kind, id, position);
	struct pd_extent_info info = {0};

	if (extent != NULL)
		pd_extent_info(extent, &info);
	pd_extent_unref(extent);
	return info;
}

static void
drop_surplus(struct nodes *nodes)
{
	uint64_t bytes;

	for (int b = 0; b < 2; b++)
		assert_ok(pd_extent_drop(nodes->node[2 + b].cell, place(nodes, 2 + b, 1), PK_EXTENT_BUCKET, 21 + (uint64_t) b,
								 0, &bytes, &ok_err));
}

static void
a_volume_is_encoded_settled_and_read_across_nodes(void **state)
{
	struct nodes nodes;
	struct pd_members coded;
	uint64_t bytes;
	int settled;
	bool degraded;

	(void) state;
	make_coded(&nodes, &coded);
	for (int p = 2; p < 4; p++)
		assert_true(extent_of(&nodes, p, 0, PK_EXTENT_PARITY, VOLUME, p).sealed);

	/* nothing goes before its node knows, and has asked all members */
	assert_int_equal(pd_extent_drop(nodes.node[2].cell, place(&nodes, 2, 1), PK_EXTENT_BUCKET, 21, 0, &bytes, &ok_err),
					 PK_ERR_STATE);
	tell_all(&nodes, &coded);
	fail_all(peer_of(&nodes, 2, 3, 0), PK_ERR_UNAVAILABLE);
	assert_int_equal(pd_extent_drop(nodes.node[2].cell, place(&nodes, 2, 1), PK_EXTENT_BUCKET, 21, 0, &bytes, &ok_err),
					 PK_ERR_STATE);
	fail_all(peer_of(&nodes, 2, 3, 0), PK_OK);
	assert_ok(pd_volume_settle(nodes.node[1].cell, &coded, &settled, &ok_err));
	assert_int_equal(settled, 4);
	for (int p = 0; p < 2; p++)
	{
		struct pd_extent_info info = extent_of(&nodes, p, 0, PK_EXTENT_BUCKET, 21 + (uint64_t) p, 0);

		/* each slot has the keys of both */
		assert_int_equal(info.members.volume_id, VOLUME);
		assert_memory_not_equal(info.members.member[0].key, info.members.member[1].key, PD_MEMBER_KEY);
		assert_memory_not_equal(info.members.member[!p].key, info.members.member[2].key, PD_MEMBER_KEY);
	}
	drop_surplus(&nodes);
	for (int n = 0; n < 4; n++)
		expect_blocks(&nodes.node[n], blocks, 2 * BLOCKS);

	/* the only replica hangs, or is away: it is decoded without it */
	fake_hold(peer_of(&nodes, 3, 0, 0), FAKE_FIND);
	assert_ok(get_block(&nodes.node[3], &blocks[0], &degraded));
	assert_true(degraded);
	fake_release(peer_of(&nodes, 3, 0, 0));
	fail_all(peer_of(&nodes, 2, 0, 0), PK_ERR_UNAVAILABLE);
	assert_ok(get_block(&nodes.node[2], &blocks[1], &degraded));
	assert_true(degraded);

	/* a source of the decoding hangs as well: there are enough others */
	fake_hold(peer_of(&nodes, 2, 1, 0), FAKE_READ);
	assert_ok(get_block(&nodes.node[2], &blocks[2], &degraded));
	fake_release(peer_of(&nodes, 2, 1, 0));

	/* fewer than two members are reached: that is no loss */
	fail_all(peer_of(&nodes, 2, 1, 0), PK_ERR_UNAVAILABLE);
	fail_all(peer_of(&nodes, 2, 3, 0), PK_ERR_UNAVAILABLE);
	assert_int_equal(get_block(&nodes.node[2], &blocks[3], NULL), PK_ERR_UNAVAILABLE);
	free_blocks(blocks, 2 * BLOCKS);
	end_nodes(&nodes);
}

static void
a_lost_member_is_made_anew_on_another_node(void **state)
{
	struct nodes nodes;
	struct pd_members coded, before;
	struct pd_extent *lost;
	int settled;

	(void) state;
	make_coded(&nodes, &coded);
	tell_all(&nodes, &coded);
	assert_ok(pd_volume_settle(nodes.node[1].cell, &coded, &settled, &ok_err));
	drop_surplus(&nodes);
	lost = pd_extent_find(nodes.node[0].drives[0], PK_EXTENT_BUCKET, 21, 0);
	assert_ok(pd_extent_remove(lost, &ok_err));
	pd_extent_unref(lost);

	/* by node 3, onto node 2's other drive */
	before = coded;
	coded.generation = 9;
	memcpy(coded.member[0].drive, place(&nodes, 2, 1), PK_UUID_SIZE);
	assert_ok(pd_volume_rebuild(nodes.node[3].cell, &coded, 1, NULL, &ok_err));
	assert_true(extent_of(&nodes, 2, 1, PK_EXTENT_BUCKET, 21, 0).sealed);
	assert_int_equal(extent_of(&nodes, 2, 1, PK_EXTENT_BUCKET, 21, 0).members.generation, 9);
	tell_all(&nodes, &coded);
	assert_ok(pd_volume_settle(nodes.node[3].cell, &coded, &settled, &ok_err));
	assert_int_equal(settled, 4);
	for (int n = 0; n < 4; n++)
		expect_blocks(&nodes.node[n], blocks, 2 * BLOCKS);

	/* what comes late changes nothing */
	assert_int_equal(pd_volume_settle(nodes.node[1].cell, &before, &settled, &ok_err), PK_ERR_STATE);
	assert_int_equal(pd_volume_rebuild(nodes.node[0].cell, &before, 1, NULL, &ok_err), PK_ERR_STATE);
	assert_int_equal(extent_of(&nodes, 1, 0, PK_EXTENT_BUCKET, 22, 0).members.generation, 9);
	free_blocks(blocks, 2 * BLOCKS);
	end_nodes(&nodes);
}

static void
a_rebuild_that_a_peer_breaks_leaves_nothing(void **state)
{
	static const enum fake_op ops[] = {FAKE_BUILD_BEGIN, FAKE_BUILD_WRITE, FAKE_BUILD_FINISH, FAKE_FIND};

	(void) state;
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
	{
		struct nodes nodes;
		struct pd_members volume;
		struct fake_remote *peer;
		pk_error rc;

		make_sealed(&nodes, &volume);
		volume.generation = 2;
		memcpy(volume.member[2].drive, place(&nodes, 3, 1), PK_UUID_SIZE);
		peer = peer_of(&nodes, 0, 3, 1);
		fake_fail(peer, ops[i], 1, PK_ERR_UNAVAILABLE);
		rc = pd_volume_rebuild(nodes.node[0].cell, &volume, 4, NULL, &ok_err);
		assert_int_equal(rc, ops[i] == FAKE_FIND ? PK_OK : PK_ERR_UNAVAILABLE);
		assert_int_equal(extent_of(&nodes, 3, 1, PK_EXTENT_BUCKET, 7, 0).sealed, rc == PK_OK);
		/* again, and it goes */
		fake_fail(peer, ops[i], 0, PK_OK);
		assert_ok(pd_volume_rebuild(nodes.node[0].cell, &volume, 4, NULL, &ok_err));
		assert_true(extent_of(&nodes, 3, 1, PK_EXTENT_BUCKET, 7, 0).sealed);
		expect_blocks(&nodes.node[0], blocks, BLOCKS);
		free_blocks(blocks, BLOCKS);
		end_nodes(&nodes);
	}
}

static void
a_peer_that_tells_another_length_is_no_source(void **state)
{
	struct nodes nodes;
	struct pd_members coded;
	int settled, reads;

	(void) state;
	make_coded(&nodes, &coded);
	tell_all(&nodes, &coded);
	assert_ok(pd_volume_settle(nodes.node[1].cell, &coded, &settled, &ok_err));
	drop_surplus(&nodes);
	/* node 2 decodes bucket 21 without node 0, and node 1 says that its member is longer */
	fail_all(peer_of(&nodes, 2, 0, 0), PK_ERR_UNAVAILABLE);
	peer_of(&nodes, 2, 1, 0)->lie = 64;
	reads = reads_of(&nodes, 2, 1, 0);
	assert_ok(get_block(&nodes.node[2], &blocks[0], NULL));
	assert_int_equal(reads_of(&nodes, 2, 1, 0), reads);
	peer_of(&nodes, 2, 1, 0)->lie = 0;
	free_blocks(blocks, 2 * BLOCKS);
	end_nodes(&nodes);
}

static void
a_peers_extent_of_another_cell_is_not_touched(void **state)
{
	static const uint8_t other_cell[PK_UUID_SIZE] = {0xba, 0xd0};
	struct nodes nodes;
	struct pd_members volume;
	struct pd_extent_build *build;
	struct pd_extent *extent;
	struct pd_absent absent;
	uint8_t *zeros;
	uint64_t length;

	(void) state;
	length = make_sealed(&nodes, &volume);
	/* in the place of node 2's replica */
	extent = pd_extent_find(nodes.node[2].drives[0], PK_EXTENT_BUCKET, 7, 0);
	assert_ok(pd_extent_remove(extent, &ok_err));
	pd_extent_unref(extent);
	zeros = calloc(1, length);
	assert_non_null(zeros);
	assert_ok(pd_extent_build_begin(nodes.node[2].drives[0], PK_EXTENT_BUCKET, 7, 0, other_cell, &volume, length,
									&build, &ok_err));
	assert_ok(pd_extent_build_write(build, zeros, length, &ok_err));
	assert_ok(pd_extent_build_finish(build, NULL, &ok_err));
	free(zeros);
	for (int i = 0; i < BLOCKS; i++)
		assert_ok(get_block(&nodes.node[3], &blocks[i], NULL));
	assert_int_equal(reads_of(&nodes, 3, 2, 0), 0);
	pd_bucket_absent(nodes.node[0].cell, 7, length, &absent);
	assert_int_equal(absent.count, 1);
	assert_memory_equal(absent.drive[0], place(&nodes, 2, 0), PK_UUID_SIZE);
	free_blocks(blocks, BLOCKS);
	end_nodes(&nodes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_node_serves_any_block),
		cmocka_unit_test(what_is_not_reached_is_not_lost),
		cmocka_unit_test(a_peer_that_hangs_is_not_waited_for),
		cmocka_unit_test(all_that_hang_are_waited_for),
		cmocka_unit_test(a_volume_is_encoded_settled_and_read_across_nodes),
		cmocka_unit_test(a_lost_member_is_made_anew_on_another_node),
		cmocka_unit_test(a_rebuild_that_a_peer_breaks_leaves_nothing),
		cmocka_unit_test(a_peer_that_tells_another_length_is_no_source),
		cmocka_unit_test(a_peers_extent_of_another_cell_is_not_touched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
