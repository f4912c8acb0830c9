/*
 * regress/unit/volume/nodes.h
 *	  Several nodes of one cell in one process, whose drives reach each other by
 *	  fake peers.
 *
 *	make_nodes(&nodes, 3, 2);		three nodes with two drives each, and the map told to all
 *	nodes.node[n]				as of harness.h
 *	peer_of(&nodes, a, b, i)	how node a sees drive i of node b: to hold, to fail, to count
 *	place(&nodes, n, i)			the uuid of drive i of node n
 */
#ifndef VOLUME_NODES_H
#define VOLUME_NODES_H

#include "../fake_remote.h"
#include "harness.h"

#define NODES_MAX 4
#define SEEN_MAX (DRIVES_MAX * NODES_MAX)

struct nodes;

/* What one node sees of the others. */
struct view
{
	struct nodes *nodes;
	struct fake_remote seen[SEEN_MAX];
	int count;
};

struct nodes
{
	int count;
	struct node node[NODES_MAX];
	struct view views[NODES_MAX];
	uint64_t number;
};

/* --- the maker of fake peers; a peer is the view and the number of the other node --- */

struct fake_peer
{
	struct view *view;
	int node;
	int first; /* of its drives in the view, which are released with it */
};

static inline void *
make_fake_peer(void *arg, const char *url, struct pd_err *err)
{
	struct fake_peer *peer = calloc(1, sizeof(*peer));

	(void) err;
	assert_non_null(peer);
	peer->view = arg;
	assert_int_equal(sscanf(url, "http://node%d", &peer->node), 1);
	return peer;
}

static inline struct pd_drive *
make_fake_drive(void *arg, const uint8_t uuid[PK_UUID_SIZE], struct pd_err *err)
{
	struct fake_peer *peer = arg;
	struct view *view = peer->view;
	const struct node *node = &view->nodes->node[peer->node];

	for (int i = 0; i < node->count; i++)
	{
		if (memcmp(node->uuids[i], uuid, PK_UUID_SIZE) != 0)
			continue;
		assert_true(view->count < SEEN_MAX);
		fake_remote_init(&view->seen[view->count], node->drives[i]);
		return view->seen[view->count++].drive;
	}
	(void) pd_fail(err, PK_ERR_NO_MEMORY, "no such drive");
	return NULL;
}

static inline void
release_fake_peer(void *arg)
{
	free(arg);
}

static inline void
end_view(struct view *view)
{
	for (int i = 0; i < view->count; i++)
	{
		pd_queue_stop(view->seen[i].queue);
		assert_int_equal(atomic_load(&view->seen[i].released), 1);
		assert_int_equal(atomic_load(&view->seen[i].builds), 0);
		pthread_mutex_destroy(&view->seen[i].lock);
		pthread_cond_destroy(&view->seen[i].changed);
	}
	view->count = 0;
}

/* --- the map --- */

struct told
{
	const struct pd_members *volumes;
};

static inline pk_error
give_volume(void *arg, size_t i, struct pd_members *members, struct pd_err *err)
{
	const struct told *told = arg;

	(void) err;
	*members = told->volumes[i];
	for (int p = 0; p < members->count; p++)
		memset(members->member[p].key, 0, PD_MEMBER_KEY); /* the coordinator has no keys */
	return PK_OK;
}

/* Tells node n of all nodes and drives, and of these volumes; anew when from is 0. */
static inline pk_error
tell_map(struct nodes *nodes, int n, uint64_t from, uint64_t number, const struct pd_members *volumes, int count)
{
	static const char *const urls[NODES_MAX] = {"http://node0", "http://node1", "http://node2", "http://node3"};
	struct pd_map_node list[NODES_MAX];
	struct pd_map_drive drives[SEEN_MAX];
	struct told told = {volumes};
	struct pd_map_order order = {.from = from,
								 .number = number,
								 .nodes = list,
								 .node_count = nodes->count,
								 .drives = drives,
								 .volume_count = (size_t) count,
								 .volume = give_volume,
								 .arg = &told};

	for (int i = 0; i < nodes->count; i++)
	{
		list[i] = (struct pd_map_node){i + 1, urls[i]};
		for (int d = 0; d < nodes->node[i].count; d++)
		{
			drives[order.drive_count].node = i + 1;
			memcpy(drives[order.drive_count++].uuid, nodes->node[i].uuids[d], PK_UUID_SIZE);
		}
	}
	return pd_cell_map(nodes->node[n].cell, &order, &ok_err);
}

/* The volume becomes known to every node. */
static inline void
tell_all(struct nodes *nodes, const struct pd_members *volume)
{
	nodes->number++;
	for (int n = 0; n < nodes->count; n++)
	{
		if (nodes->node[n].cell != NULL)
			assert_ok(tell_map(nodes, n, pd_cell_map_number(nodes->node[n].cell), nodes->number, volume, 1));
	}
}

static inline void
connect_node(struct nodes *nodes, int n)
{
	struct pd_peer_maker maker = {make_fake_peer, make_fake_drive, release_fake_peer, &nodes->views[n]};

	nodes->views[n].nodes = nodes;
	pd_cell_set_peers(nodes->node[n].cell, &maker);
}

static inline void
make_nodes(struct nodes *nodes, int count, int drives)
{
	memset(nodes, 0, sizeof(*nodes));
	nodes->count = count;
	nodes->number = 1;
	for (int n = 0; n < count; n++)
	{
		make_node(&nodes->node[n], drives, &pd_vfs_real);
		connect_node(nodes, n);
	}
	for (int n = 0; n < count; n++)
		assert_ok(tell_map(nodes, n, 0, nodes->number, NULL, 0));
}

/* Ends all cells first: the drives of one are used by the others. */
static inline void
end_nodes(struct nodes *nodes)
{
	for (int n = 0; n < nodes->count; n++)
	{
		pd_cell_free(nodes->node[n].cell);
		end_view(&nodes->views[n]);
	}
	for (int n = 0; n < nodes->count; n++)
	{
		struct node *node = &nodes->node[n];

		for (int i = 0; i < node->count; i++)
			pd_drive_close(node->drives[i]);
		pd_buffer_pool_free(node->pool);
		remove_tree(node->dir);
	}
}

/* Kills all processes of the cell and starts them; nobody knows the map then. */
static inline void
restart_nodes(struct nodes *nodes)
{
	for (int n = 0; n < nodes->count; n++)
	{
		pd_cell_free(nodes->node[n].cell);
		end_view(&nodes->views[n]);
	}
	for (int n = 0; n < nodes->count; n++)
	{
		struct node *node = &nodes->node[n];

		for (int i = 0; i < node->count; i++)
			pd_drive_close(node->drives[i]);
		pd_buffer_pool_free(node->pool);
		start_node(node);
		connect_node(nodes, n);
	}
}

static inline struct fake_remote *
peer_of(struct nodes *nodes, int from, int to, int drive)
{
	struct view *view = &nodes->views[from];

	for (int i = 0; i < view->count; i++)
	{
		if (view->seen[i].local == nodes->node[to].drives[drive])
			return &view->seen[i];
	}
	fail_msg("node %d does not see drive %d of node %d", from, drive, to);
	return NULL;
}

static inline const uint8_t *
place(const struct nodes *nodes, int n, int drive)
{
	return nodes->node[n].uuids[drive];
}

/* A replicated volume of one bucket of the same id, one replica on drive 0 of each of the first r nodes. */
static inline void
spread(const struct nodes *nodes, struct pd_members *members, uint64_t id, int r)
{
	memset(members, 0, sizeof(*members));
	members->volume_id = id;
	members->generation = 1;
	members->code = (pk_code){PK_CODE_REPLICATED, 1, 0};
	members->count = r;
	for (int n = 0; n < r; n++)
	{
		memcpy(members->member[n].drive, place(nodes, n, 0), PK_UUID_SIZE);
		members->member[n].bucket_id = id;
	}
}

#endif
