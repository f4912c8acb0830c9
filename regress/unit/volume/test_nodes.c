/*
 * regress/unit/volume/test_nodes.c
 *	  Buckets with replicas on several nodes: written in step, sealed by whoever is
 *	  asked, read from anywhere.
 */
#include "nodes.h"
#include "volume/internal.h"

#define BLOCKS 6

static struct block blocks[BLOCKS];

static void
make_blocks(uint64_t bucket_id, uint32_t size, uint64_t seed)
{
	for (int i = 0; i < BLOCKS; i++)
		make_block(&blocks[i], bucket_id, size, seed + (uint64_t) i);
}

/* A bucket of three nodes with blocks in it, open on node 0 and known to all. */
static void
open_spread(struct nodes *nodes, struct pd_members *volume, uint64_t id, int node_count)
{
	make_nodes(nodes, node_count, 2);
	spread(nodes, volume, id, 3);
	assert_ok(pd_bucket_open(nodes->node[0].cell, volume, id, 64 * MIB, &ok_err));
	tell_all(nodes, volume);
	make_blocks(id, 100000, id);
	put_blocks(&nodes->node[0], blocks, BLOCKS);
	for (int i = 0; i < BLOCKS; i++)
		assert_int_equal(blocks[i].put.result, PK_OK);
}

static uint64_t
end_of_blocks(void)
{
	uint64_t end = 0;

	for (int i = 0; i < BLOCKS; i++)
	{
		if (blocks[i].put.result == PK_OK && blocks[i].put.offset + blocks[i].put.stored_length > end)
			end = blocks[i].put.offset + blocks[i].put.stored_length;
	}
	return end;
}

/* What drive 0 of a node has of the bucket. */
static struct pd_extent_info
replica_of(struct nodes *nodes, int n, uint64_t id)
{
	struct pd_extent *extent = pd_extent_find(nodes->node[n].drives[0], PK_EXTENT_BUCKET, id, 0);
	struct pd_extent_info info = {0};

	if (extent != NULL)
		pd_extent_info(extent, &info);
	pd_extent_unref(extent);
	return info;
}

static void
expect_sealed(struct nodes *nodes, int from, int to, uint64_t id, uint64_t length)
{
	for (int n = from; n <= to; n++)
	{
		assert_true(replica_of(nodes, n, id).sealed);
		assert_int_equal(replica_of(nodes, n, id).length, length);
	}
}

static void
expect_absent(struct nodes *nodes, int n, uint64_t id, uint64_t length, int count, const uint8_t *drive)
{
	struct pd_absent absent;

	pd_bucket_absent(nodes->node[n].cell, id, length, &absent);
	assert_int_equal(absent.count, count);
	if (count > 0)
		assert_memory_equal(absent.drive[0], drive, PK_UUID_SIZE);
}

static void
what_is_acknowledged_is_on_every_node(void **state)
{
	struct nodes nodes;
	struct pd_members volume;
	uint64_t length, again;

	(void) state;
	open_spread(&nodes, &volume, 7, 3);
	for (int n = 0; n < 3; n++)
		assert_int_equal(replica_of(&nodes, n, 7).length, end_of_blocks());
	assert_ok(pd_bucket_seal(nodes.node[0].cell, 7, &length, &ok_err));
	assert_int_equal(length, end_of_blocks());
	expect_sealed(&nodes, 0, 2, 7, length);
	expect_absent(&nodes, 0, 7, length, 0, NULL);
	assert_int_equal(replica_of(&nodes, 2, 7).members.member[1].length, length); /* the slots know it, too */
	assert_ok(pd_bucket_seal(nodes.node[1].cell, 7, &again, &ok_err));
	assert_int_equal(again, length);
	for (int n = 0; n < 3; n++)
		expect_blocks(&nodes.node[n], blocks, BLOCKS);
	free_blocks(blocks, BLOCKS);
	end_nodes(&nodes);
}

static void
a_peer_that_fails_closes_the_bucket(void **state)
{
	static const pk_error codes[] = {PK_ERR_UNAVAILABLE, PK_ERR_IO, PK_ERR_BUSY, PK_ERR_STATE};

	(void) state;
	for (int after = 0; after < 2; after++)
	{
		for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		{
			struct nodes nodes;
			struct pd_members volume;
			struct fake_remote *peer;
			struct block late[2];
			uint64_t length, id = 10 + i;

			open_spread(&nodes, &volume, id, 3);
			peer = peer_of(&nodes, 0, 2, 0);
			peer->after = after;
			fake_fail(peer, FAKE_APPEND, 1, codes[i]);
			make_block(&late[0], id, 5000, 77);
			make_block(&late[1], id, 5000, 78);
			put_blocks(&nodes.node[0], &late[0], 1);
			put_blocks(&nodes.node[0], &late[1], 1);
			assert_int_equal(late[0].put.result, PK_ERR_BUCKET_CLOSED);
			assert_int_equal(late[1].put.result, PK_ERR_BUCKET_CLOSED);

			/* all of it is level again afterwards; what was not acknowledged may be there or not */
			assert_ok(pd_bucket_seal(nodes.node[0].cell, id, &length, &ok_err));
			assert_true(length >= end_of_blocks());
			expect_sealed(&nodes, 0, 2, id, length);
			expect_absent(&nodes, 0, id, length, 0, NULL);
			expect_blocks(&nodes.node[2], blocks, BLOCKS);
			assert_int_equal(take_reports(&nodes.node[0]), 0);
			free_blocks(late, 2);
			free_blocks(blocks, BLOCKS);
			end_nodes(&nodes);
		}
	}
}

static void
a_peer_that_lies_about_its_length_closes_the_bucket(void **state)
{
	struct nodes nodes;
	struct pd_members volume;
	struct block late;

	(void) state;
	open_spread(&nodes, &volume, 9, 3);
	peer_of(&nodes, 0, 1, 0)->lie = 64;
	make_block(&late, 9, 5000, 77);
	put_blocks(&nodes.node[0], &late, 1);
	assert_int_equal(late.put.result, PK_ERR_BUCKET_CLOSED);
	peer_of(&nodes, 0, 1, 0)->lie = 0;
	expect_blocks(&nodes.node[0], blocks, BLOCKS);
	free_blocks(&late, 1);
	free_blocks(blocks, BLOCKS);
	end_nodes(&nodes);
}

static void
a_bucket_that_a_peer_does_not_open_is_open_nowhere(void **state)
{
	struct nodes nodes;
	struct pd_members volume;

	(void) state;
	for (int after = 0; after < 2; after++)
	{
		make_nodes(&nodes, 3, 1);
		spread(&nodes, &volume, 5, 3);
		peer_of(&nodes, 0, 2, 0)->after = after;
		fake_fail(peer_of(&nodes, 0, 2, 0), FAKE_CREATE, 1, PK_ERR_UNAVAILABLE);
		assert_int_equal(pd_bucket_open(nodes.node[0].cell, &volume, 5, MIB, &ok_err), PK_ERR_UNAVAILABLE);
		assert_int_equal(replica_of(&nodes, 0, 5).id, 0);
		assert_int_equal(replica_of(&nodes, 1, 5).id, 0);
		assert_int_equal(replica_of(&nodes, 2, 5).id, after ? 5 : 0); /* empty, and nobody's */
		/* with other numbers it goes */
		spread(&nodes, &volume, 6, 3);
		assert_ok(pd_bucket_open(nodes.node[0].cell, &volume, 6, MIB, &ok_err));
		end_nodes(&nodes);
	}
}

static void
a_peer_that_is_away_is_named_and_the_rest_is_sealed(void **state)
{
	struct nodes nodes;
	struct pd_members volume;
	struct fake_remote *peer;
	uint64_t length;

	(void) state;
	open_spread(&nodes, &volume, 8, 3);
	peer = peer_of(&nodes, 0, 2, 0);
	peer->forever = true;
	for (int op = 0; op < FAKE_OPS; op++)
		fake_fail(peer, op, 1, PK_ERR_UNAVAILABLE);
	assert_ok(pd_bucket_seal(nodes.node[0].cell, 8, &length, &ok_err));
	assert_int_equal(length, end_of_blocks());
	expect_sealed(&nodes, 0, 1, 8, length);
	assert_false(replica_of(&nodes, 2, 8).sealed);
	expect_absent(&nodes, 0, 8, length, 1, place(&nodes, 2, 0));
	assert_int_equal(take_reports(&nodes.node[0]), 0); /* that it is not reached is no damage */

	/* it comes back: the same length, and nothing is missing */
	for (int op = 0; op < FAKE_OPS; op++)
		fake_fail(peer, op, 0, PK_OK);
	assert_ok(pd_bucket_seal(nodes.node[0].cell, 8, &length, &ok_err));
	expect_sealed(&nodes, 0, 2, 8, length);
	expect_absent(&nodes, 0, 8, length, 0, NULL);
	free_blocks(blocks, BLOCKS);
	end_nodes(&nodes);
}

static void
a_replica_that_stayed_open_is_made_anew_in_its_place(void **state)
{
	struct nodes nodes;
	struct pd_members volume;
	struct fake_remote *peer;
	uint64_t length;

	(void) state;
	open_spread(&nodes, &volume, 8, 3);
	peer = peer_of(&nodes, 0, 2, 0);
	peer->forever = true;
	for (int op = 0; op < FAKE_OPS; op++)
		fake_fail(peer, op, 1, PK_ERR_UNAVAILABLE);
	assert_ok(pd_bucket_seal(nodes.node[0].cell, 8, &length, &ok_err));
	for (int op = 0; op < FAKE_OPS; op++)
		fake_fail(peer, op, 0, PK_OK);
	assert_false(replica_of(&nodes, 2, 8).sealed); /* its node only hung: the process that made it lives on */
	for (int i = 0; i < 3; i++)
		volume.member[i].length = length;
	volume.generation = 2;
	assert_ok(pd_volume_rebuild(nodes.node[1].cell, &volume, 4, NULL, &ok_err));
	expect_sealed(&nodes, 0, 2, 8, length);
	expect_blocks(&nodes.node[2], blocks, BLOCKS);
	free_blocks(blocks, BLOCKS);
	end_nodes(&nodes);
}

static void
a_start_seals_only_what_is_all_here(void **state)
{
	struct nodes nodes;
	struct pd_members volume;
	uint64_t length;

	(void) state;
	open_spread(&nodes, &volume, 7, 3);
	open_bucket(&nodes.node[0], 8, 0, 2, MIB);
	restart_nodes(&nodes);
	assert_true(replica_of(&nodes, 0, 8).sealed);
	for (int n = 0; n < 3; n++)
	{
		struct pd_report report;

		assert_false(replica_of(&nodes, n, 7).sealed);
		/* and a scrub does not call it damaged: it may be open elsewhere */
		assert_ok(pd_drive_scrub(nodes.node[n].cell, place(&nodes, n, 0), "", UINT64_MAX, report.file, &length, NULL,
								 NULL, &ok_err));
		assert_int_equal(take_reports(&nodes.node[n]), 0);
	}
	/* any of them seals it, once it has the map */
	for (int n = 0; n < 3; n++)
		assert_ok(tell_map(&nodes, n, 0, 9, &volume, 1));
	assert_ok(pd_bucket_seal(nodes.node[2].cell, 7, &length, &ok_err));
	assert_int_equal(length, end_of_blocks());
	expect_sealed(&nodes, 0, 2, 7, length);
	for (int n = 0; n < 3; n++)
		expect_blocks(&nodes.node[n], blocks, BLOCKS);
	free_blocks(blocks, BLOCKS);
	end_nodes(&nodes);
}

/* Cuts the bytes of a replica, as a process that was killed leaves them. */
static void
cut_replica(struct nodes *nodes, int n, uint64_t id, uint64_t offset)
{
	char path[256];

	extent_path(&nodes->node[n], 0, PK_EXTENT_BUCKET, id, 0, path, sizeof(path));
	assert_int_equal(truncate(path, (off_t) (PD_EXTENT_DATA + offset)), 0);
}

static void
the_furthest_record_of_any_node_ends_the_bucket(void **state)
{
	struct nodes nodes;
	struct pd_members volume;
	uint64_t length;

	(void) state;
	open_spread(&nodes, &volume, 7, 3);
	cut_replica(&nodes, 0, 7, blocks[2].put.offset);
	cut_replica(&nodes, 1, 7, blocks[4].put.offset + 100);
	flip_byte(&nodes.node[2], 0, PK_EXTENT_BUCKET, 7, 0, blocks[1].put.offset + 300);
	restart_nodes(&nodes);
	for (int n = 0; n < 3; n++)
		assert_ok(tell_map(&nodes, n, 0, 9, &volume, 1));
	assert_ok(pd_bucket_seal(nodes.node[0].cell, 7, &length, &ok_err));
	assert_int_equal(length, end_of_blocks());
	expect_sealed(&nodes, 0, 2, 7, length);
	expect_absent(&nodes, 0, 7, length, 0, NULL);
	for (int n = 0; n < 3; n++)
		expect_blocks(&nodes.node[n], blocks, BLOCKS);
	free_blocks(blocks, BLOCKS);
	end_nodes(&nodes);
}

/* All that `from` asks of node `to` fails, or goes well again. */
static void
cut_off(struct nodes *nodes, int from, int to, bool off)
{
	struct fake_remote *peer = peer_of(nodes, from, to, 0);

	peer->forever = off;
	for (int op = 0; op < FAKE_OPS; op++)
		fake_fail(peer, op, off ? 1 : 0, off ? PK_ERR_UNAVAILABLE : PK_OK);
}

/*
 * The last block reached node 2, and was acknowledged to nobody.  Node 1 sealed the bucket without it, and that length is what rows,
 * and soon parities, rely on: when node 2 is back it is told to end its writing, and takes the length that the others have.
 */
static void
what_comes_back_longer_does_not_lengthen_what_was_sealed(bool started_anew)
{
	struct nodes nodes;
	struct pd_members volume;
	struct block late;
	uint64_t length, booked;

	open_spread(&nodes, &volume, 7, 3);
	booked = end_of_blocks();
	fake_fail(peer_of(&nodes, 0, 1, 0), FAKE_APPEND, 1, PK_ERR_UNAVAILABLE);
	make_block(&late, 7, 5000, 99);
	put_blocks(&nodes.node[0], &late, 1);
	assert_int_equal(late.put.result, PK_ERR_BUCKET_CLOSED);
	assert_true(replica_of(&nodes, 2, 7).length > booked);
	if (started_anew)
	{
		restart_nodes(&nodes);
		for (int n = 0; n < 3; n++)
			assert_ok(tell_map(&nodes, n, 0, 9, &volume, 1));
	}
	nodes.number = 9;
	cut_off(&nodes, 1, 0, true);
	cut_off(&nodes, 1, 2, true);
	assert_ok(pd_bucket_seal(nodes.node[1].cell, 7, &length, &ok_err));
	assert_int_equal(length, booked);
	cut_off(&nodes, 1, 0, false);
	cut_off(&nodes, 1, 2, false);

	for (int n = 2; n >= 0; n--)
	{
		assert_ok(pd_bucket_seal_booked(nodes.node[n].cell, 7, booked, &length, &ok_err));
		assert_int_equal(length, booked);
	}
	expect_sealed(&nodes, 0, 2, 7, booked);
	for (int n = 0; n < 3; n++)
		expect_blocks(&nodes.node[n], blocks, BLOCKS);
	free_blocks(&late, 1);
	free_blocks(blocks, BLOCKS);
	end_nodes(&nodes);
}

static void
a_longer_replica_that_was_away_takes_the_length_that_was_sealed(void **state)
{
	(void) state;
	what_comes_back_longer_does_not_lengthen_what_was_sealed(false);
	what_comes_back_longer_does_not_lengthen_what_was_sealed(true);
}

struct sealing
{
	struct pd_cell *cell;
	uint64_t length;
	pk_error rc;
	struct pd_err err;
};

static void *
seal_bucket(void *arg)
{
	struct sealing *sealing = arg;

	sealing->rc = pd_bucket_seal(sealing->cell, 7, &sealing->length, &sealing->err);
	return NULL;
}

static void
a_sealer_that_was_overtaken_cuts_nothing(void **state)
{
	struct nodes nodes;
	struct pd_members volume;
	struct fake_remote *held;
	struct sealing sealing = {0};
	struct block late;
	pthread_t thread;

	(void) state;
	open_spread(&nodes, &volume, 7, 4);
	/* node 3 has read all replicas, and is about to seal them where they ended, when node 0 acknowledges one more block */
	sealing.cell = nodes.node[3].cell;
	for (int n = 1; n < 3; n++)
		fake_hold(peer_of(&nodes, 3, n, 0), FAKE_SEAL);
	held = peer_of(&nodes, 3, 0, 0);
	fake_hold(held, FAKE_SEAL);
	assert_int_equal(pthread_create(&thread, NULL, seal_bucket, &sealing), 0);
	fake_wait_held(held, 1);
	make_block(&late, 7, 5000, 99);
	put_blocks(&nodes.node[0], &late, 1);
	assert_int_equal(late.put.result, PK_OK);
	for (int n = 0; n < 3; n++)
		fake_release(peer_of(&nodes, 3, n, 0));
	pthread_join(thread, NULL);
	assert_int_equal(sealing.rc, PK_OK);
	assert_int_equal(sealing.length, late.put.offset + late.put.stored_length);
	expect_sealed(&nodes, 0, 2, 7, sealing.length);
	assert_ok(get_block(&nodes.node[0], &late, NULL));
	free_blocks(&late, 1);

	/* and who wrote it writes no more */
	make_block(&late, 7, 5000, 100);
	put_blocks(&nodes.node[0], &late, 1);
	assert_int_equal(late.put.result, PK_ERR_BUCKET_CLOSED);
	free_blocks(&late, 1);
	free_blocks(blocks, BLOCKS);
	end_nodes(&nodes);
}

static void
a_peer_that_hangs_holds_up_only_its_own_buckets(void **state)
{
	struct nodes nodes;
	struct pd_members volume, own;
	struct fake_remote *peer;
	struct block late, other;
	struct pd_latch latch;
	struct sealing sealing = {0};
	pthread_t thread;
	uint64_t length;

	(void) state;
	open_spread(&nodes, &volume, 7, 3);
	peer = peer_of(&nodes, 0, 2, 0);
	fake_hold(peer, FAKE_APPEND);
	make_block(&late, 7, 5000, 99);
	pd_latch_init(&latch, 1);
	late.latch = &latch;
	pd_bucket_put(nodes.node[0].cell, &late.put); /* it comes back at once, and is not acknowledged */
	fake_wait_held(peer, 1);
	sealing.cell = nodes.node[0].cell;
	assert_int_equal(pthread_create(&thread, NULL, seal_bucket, &sealing), 0); /* waits for what is under way */

	/* a bucket of others is opened, written, sealed and read meanwhile */
	spread(&nodes, &own, 8, 2);
	assert_ok(pd_bucket_open(nodes.node[0].cell, &own, 8, MIB, &ok_err));
	make_block(&other, 8, 5000, 98);
	put_blocks(&nodes.node[0], &other, 1);
	assert_int_equal(other.put.result, PK_OK);
	assert_ok(pd_bucket_seal(nodes.node[0].cell, 8, &length, &ok_err));
	assert_ok(get_block(&nodes.node[0], &other, NULL));
	assert_int_equal(latch.count, 1);

	/* the time-out comes, and the put is told to go elsewhere */
	fake_fail(peer, FAKE_APPEND, 0, PK_ERR_UNAVAILABLE);
	pthread_mutex_lock(&peer->lock);
	peer->fail_at[FAKE_APPEND] = fake_calls(peer, FAKE_APPEND);
	pthread_mutex_unlock(&peer->lock);
	fake_release(peer);
	pd_latch_wait(&latch);
	pd_latch_release(&latch);
	assert_int_equal(late.put.result, PK_ERR_BUCKET_CLOSED);
	pthread_join(thread, NULL);
	assert_int_equal(sealing.rc, PK_OK);
	expect_sealed(&nodes, 0, 2, 7, sealing.length);
	free_blocks(&late, 1);
	free_blocks(&other, 1);
	free_blocks(blocks, BLOCKS);
	end_nodes(&nodes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_acknowledged_is_on_every_node),
		cmocka_unit_test(a_peer_that_fails_closes_the_bucket),
		cmocka_unit_test(a_peer_that_lies_about_its_length_closes_the_bucket),
		cmocka_unit_test(a_bucket_that_a_peer_does_not_open_is_open_nowhere),
		cmocka_unit_test(a_peer_that_is_away_is_named_and_the_rest_is_sealed),
		cmocka_unit_test(a_replica_that_stayed_open_is_made_anew_in_its_place),
		cmocka_unit_test(a_start_seals_only_what_is_all_here),
		cmocka_unit_test(the_furthest_record_of_any_node_ends_the_bucket),
		cmocka_unit_test(a_longer_replica_that_was_away_takes_the_length_that_was_sealed),
		cmocka_unit_test(a_sealer_that_was_overtaken_cuts_nothing),
		cmocka_unit_test(a_peer_that_hangs_holds_up_only_its_own_buckets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
