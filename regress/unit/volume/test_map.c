/*
 * regress/unit/volume/test_map.c
 *	  The coordinator's map: what is taken, what is refused, what counts, and what
 *	  it costs.
 */
#include <malloc.h>

#include "nodes.h"
#include "volume/internal.h"

/* A map of `nodes` nodes with `drives` drives each, none of them here. */
struct strangers
{
	struct pd_map_node nodes[PD_MAP_NODES_MAX + 1];
	struct pd_map_drive drives[PD_MAP_DRIVES_MAX + 1];
	struct pd_map_order order;
};

static pk_error
no_volume(void *arg, size_t i, struct pd_members *members, struct pd_err *err)
{
	(void) arg, (void) i, (void) members;
	return pd_fail(err, PK_ERR_MALFORMED, "there is none");
}

static void
make_strangers(struct strangers *strangers, int nodes, int drives)
{
	memset(strangers, 0, sizeof(*strangers));
	for (int i = 0; i < nodes; i++)
		strangers->nodes[i] = (struct pd_map_node){i + 1, "http://node0"};
	for (int i = 0; i < drives; i++)
	{
		strangers->drives[i].node = 1;
		strangers->drives[i].uuid[0] = 0xdd;
		pk_put_u32(strangers->drives[i].uuid + 8, (uint32_t) i);
	}
	strangers->order = (struct pd_map_order){.number = 5,
											 .nodes = strangers->nodes,
											 .node_count = nodes,
											 .drives = strangers->drives,
											 .drive_count = drives,
											 .volume = no_volume};
}

/* Drives of a node that is not there: they are made, and fail. */
static void *
any_peer(void *arg, const char *url, struct pd_err *err)
{
	(void) url, (void) err;
	return arg;
}

static struct pd_drive *
any_drive(void *peer, const uint8_t uuid[PK_UUID_SIZE], struct pd_err *err)
{
	static const struct pd_remote_ops ops;

	(void) err;
	return pd_drive_create_remote(uuid, "http://nobody", peer, &ops, NULL);
}

static void
no_release(void *peer)
{
	(void) peer;
}

static void
a_map_goes_on_from_where_it_ended(void **state)
{
	struct nodes nodes;
	struct pd_members volume, known;

	(void) state;
	make_nodes(&nodes, 2, 1);
	assert_int_equal(pd_cell_map_number(nodes.node[0].cell), 1);
	spread(&nodes, &volume, 7, 2);
	volume.generation = 3;
	assert_ok(tell_map(&nodes, 0, 1, 1, &volume, 1)); /* a part that leaves the number as it is */
	assert_ok(tell_map(&nodes, 0, 1, 10, NULL, 0));
	assert_int_equal(pd_cell_map_number(nodes.node[0].cell), 10);
	assert_int_equal(tell_map(&nodes, 0, 1, 11, NULL, 0), PK_ERR_STATE);
	assert_int_equal(tell_map(&nodes, 0, 11, 12, NULL, 0), PK_ERR_STATE);
	assert_int_equal(tell_map(&nodes, 0, 10, 9, NULL, 0), PK_ERR_MALFORMED);
	assert_int_equal(tell_map(&nodes, 0, 0, 0, NULL, 0), PK_ERR_MALFORMED);
	assert_int_equal(pd_cell_map_number(nodes.node[0].cell), 10);

	/* of a volume the higher generation counts, whoever tells it */
	volume.generation = 2;
	memcpy(volume.member[0].drive, place(&nodes, 1, 0), PK_UUID_SIZE);
	assert_ok(tell_map(&nodes, 0, 10, 11, &volume, 1));
	assert_true(pd_map_volume(nodes.node[0].cell, 7, &known));
	assert_int_equal(known.generation, 3);
	assert_memory_equal(known.member[0].drive, place(&nodes, 0, 0), PK_UUID_SIZE);

	/* anew: what only the map told is forgotten */
	assert_ok(tell_map(&nodes, 0, 0, 12, NULL, 0));
	assert_false(pd_map_volume(nodes.node[0].cell, 7, &known));
	assert_false(pd_map_of_bucket(nodes.node[0].cell, 7, 0, &known));
	end_nodes(&nodes);
}

static void
what_a_slot_tells_outlives_the_map(void **state)
{
	struct nodes nodes;
	struct pd_members volume, known;
	struct pd_map_order order = {.from = 3, .number = 4, .volume = no_volume, .gone_count = 1};
	const uint64_t gone = 9;

	(void) state;
	make_nodes(&nodes, 1, 2);
	open_bucket(&nodes.node[0], 9, 0, 2, MIB);
	replicated(&nodes.node[0], &volume, 9, 0, 2);
	volume.generation = 4;
	assert_ok(tell_map(&nodes, 0, 1, 2, &volume, 1));
	assert_ok(tell_map(&nodes, 0, 0, 3, NULL, 0));
	assert_true(pd_map_volume(nodes.node[0].cell, 9, &known));
	assert_int_equal(known.generation, 4);

	/* until the coordinator says that it is no more */
	order.gone = &gone;
	assert_ok(pd_cell_map(nodes.node[0].cell, &order, &ok_err));
	assert_false(pd_map_volume(nodes.node[0].cell, 9, &known));
	end_nodes(&nodes);
}

static void
the_higher_generation_is_the_current_volume(void **state)
{
	struct nodes nodes;
	struct pd_members replicas, coded, known;

	(void) state;
	make_nodes(&nodes, 1, 3);
	replicated(&nodes.node[0], &replicas, 5, 0, 2);
	memset(&coded, 0, sizeof(coded));
	coded.volume_id = 6;
	coded.code = (pk_code){PK_CODE_RS, 1, 1};
	coded.count = 2;
	coded.member[0] = replicas.member[0];
	memcpy(coded.member[1].drive, place(&nodes, 0, 2), PK_UUID_SIZE);
	for (uint32_t generation = 1; generation <= 4; generation++)
	{
		struct pd_members *told = generation % 2 == 1 ? &replicas : &coded;

		told->generation = generation;
		assert_ok(tell_map(&nodes, 0, generation, generation + 1, told, 1));
		assert_true(pd_map_of_bucket(nodes.node[0].cell, 5, 0, &known));
		assert_int_equal(known.volume_id, told->volume_id);
		assert_int_equal(pd_map_of_bucket(nodes.node[0].cell, 5, 1, &known), generation > 1);
		assert_false(pd_map_of_bucket(nodes.node[0].cell, 5, 2, &known));
	}
	end_nodes(&nodes);
}

static void
a_map_that_contradicts_itself_changes_nothing(void **state)
{
	static struct strangers strangers;
	struct pd_peer_maker maker = {any_peer, any_drive, no_release, NULL};
	struct node node;
	struct pd_members volume[2];

	(void) state;
	make_node(&node, 1, &pd_vfs_real);
	make_strangers(&strangers, 1, 1);
	assert_int_equal(pd_cell_map(node.cell, &strangers.order, &ok_err), PK_ERR_UNSUPPORTED); /* no way to others */
	maker.arg = pd_drive_queue(node.drives[0]);
	pd_cell_set_peers(node.cell, &maker);

	make_strangers(&strangers, 2, 2);
	strangers.nodes[1].node = 1;
	assert_int_equal(pd_cell_map(node.cell, &strangers.order, &ok_err), PK_ERR_MALFORMED);
	make_strangers(&strangers, 2, 2);
	strangers.drives[1] = strangers.drives[0];
	strangers.drives[1].node = 2;
	assert_int_equal(pd_cell_map(node.cell, &strangers.order, &ok_err), PK_ERR_MALFORMED);
	make_strangers(&strangers, 1, 2);
	strangers.drives[1].node = 3;
	assert_int_equal(pd_cell_map(node.cell, &strangers.order, &ok_err), PK_ERR_MALFORMED);

	/* the second volume is bad: the first is not believed either */
	make_strangers(&strangers, 1, 2);
	replicated(&node, &volume[0], 3, 0, 1);
	volume[1] = volume[0];
	volume[1].volume_id = 4;
	volume[1].member[0].length = PK_BUCKET_SIZE_MAX + 1;
	strangers.order.volume_count = 2;
	strangers.order.volume = give_volume;
	strangers.order.arg = &(struct told){volume};
	assert_int_equal(pd_cell_map(node.cell, &strangers.order, &ok_err), PK_ERR_MALFORMED);
	assert_false(pd_map_volume(node.cell, 3, &volume[1]));
	assert_int_equal(pd_cell_map_number(node.cell), 0);
	assert_null(pd_peers_drive(node.cell, strangers.drives[0].uuid));
	end_node(&node);
}

static void
limits_of_the_map_hold_at_their_edges(void **state)
{
	static struct strangers strangers;
	static char url[PD_PEER_URL_MAX + 1];
	struct pd_peer_maker maker = {any_peer, any_drive, no_release, NULL};
	struct node node;

	(void) state;
	make_node(&node, 1, &pd_vfs_real);
	maker.arg = pd_drive_queue(node.drives[0]);
	pd_cell_set_peers(node.cell, &maker);
	make_strangers(&strangers, PD_MAP_NODES_MAX, PD_MAP_DRIVES_MAX);
	assert_ok(pd_cell_map(node.cell, &strangers.order, &ok_err));
	for (int i = 0; i < PD_MAP_DRIVES_MAX; i++)
		assert_non_null(pd_peers_drive(node.cell, strangers.drives[i].uuid));
	make_strangers(&strangers, PD_MAP_NODES_MAX + 1, 0);
	assert_int_equal(pd_cell_map(node.cell, &strangers.order, &ok_err), PK_ERR_TOO_LARGE);
	make_strangers(&strangers, 1, PD_MAP_DRIVES_MAX + 1);
	assert_int_equal(pd_cell_map(node.cell, &strangers.order, &ok_err), PK_ERR_TOO_LARGE);

	make_strangers(&strangers, 1, 1);
	memset(url, 'u', PD_PEER_URL_MAX - 1);
	strangers.nodes[0].url = url;
	assert_ok(pd_cell_map(node.cell, &strangers.order, &ok_err));
	memset(url, 'u', PD_PEER_URL_MAX);
	assert_int_equal(pd_cell_map(node.cell, &strangers.order, &ok_err), PK_ERR_MALFORMED);

	/* a node whose URL changes for ever: two are known by now */
	for (int i = 2; i <= PD_PEERS_MAX; i++)
	{
		snprintf(url, sizeof(url), "http://node%d", i);
		assert_int_equal(pd_cell_map(node.cell, &strangers.order, &ok_err),
						 i < PD_PEERS_MAX ? PK_OK : PK_ERR_TOO_LARGE);
	}
	snprintf(url, sizeof(url), "http://node2"); /* one that it met goes on to be good */
	assert_ok(pd_cell_map(node.cell, &strangers.order, &ok_err));
	end_node(&node);
}

static void
a_drive_that_is_here_is_no_other_nodes(void **state)
{
	struct nodes nodes;
	static struct strangers strangers;

	(void) state;
	make_nodes(&nodes, 2, 2);
	for (int i = 0; i < 2; i++)
	{
		assert_null(pd_peers_drive(nodes.node[0].cell, place(&nodes, 0, i)));
		assert_non_null(pd_peers_drive(nodes.node[0].cell, place(&nodes, 1, i)));
	}
	/* of a node that has drives here no drive is sought elsewhere: nobody asks itself */
	make_strangers(&strangers, 1, 3);
	memcpy(strangers.drives[0].uuid, place(&nodes, 0, 0), PK_UUID_SIZE);
	assert_ok(pd_cell_map(nodes.node[0].cell, &strangers.order, &ok_err));
	assert_null(pd_peers_drive(nodes.node[0].cell, strangers.drives[1].uuid));
	end_nodes(&nodes);
}

static void
no_member(struct pd_members *members, uint64_t id)
{
	memset(members, 0, sizeof(*members));
	members->volume_id = id;
	members->generation = 2;
	members->code = (pk_code){PK_CODE_REPLICATED, 1, 0};
	members->count = 3;
	for (int i = 0; i < 3; i++)
	{
		members->member[i].drive[0] = (uint8_t) (1 + (id + (uint64_t) i) % 100);
		members->member[i].bucket_id = id;
		members->member[i].length = MIB;
	}
}

static pk_error
give_many(void *arg, size_t i, struct pd_members *members, struct pd_err *err)
{
	(void) arg, (void) err;
	no_member(members, i + 1);
	return PK_OK;
}

static void
a_hundred_thousand_volumes_are_small(void **state)
{
	enum
	{
		VOLUMES = 100000
	};
	struct pd_map_order order = {.number = 1, .volume_count = VOLUMES, .volume = give_many};
	struct node node;
	struct pd_members known, told;
	size_t before, used;

	(void) state;
	make_node(&node, 1, &pd_vfs_real);
	before = mallinfo2().uordblks;
	assert_ok(pd_cell_map(node.cell, &order, &ok_err));
	used = mallinfo2().uordblks - before;
	print_message("%d volumes of three replicas: %zu bytes each\n", VOLUMES, used / VOLUMES);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	assert_in_range(used / VOLUMES, 1, 200);
#endif
	for (uint64_t id = 1; id <= VOLUMES; id += 777)
	{
		no_member(&told, id);
		assert_true(pd_map_of_bucket(node.cell, id, 0, &known));
		assert_memory_equal(&known, &told, sizeof(known));
	}
	end_node(&node);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_map_goes_on_from_where_it_ended),
		cmocka_unit_test(what_a_slot_tells_outlives_the_map),
		cmocka_unit_test(the_higher_generation_is_the_current_volume),
		cmocka_unit_test(a_map_that_contradicts_itself_changes_nothing),
		cmocka_unit_test(limits_of_the_map_hold_at_their_edges),
		cmocka_unit_test(a_drive_that_is_here_is_no_other_nodes),
		cmocka_unit_test(a_hundred_thousand_volumes_are_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
