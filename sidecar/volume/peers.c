/*
 * volume/peers.c
 *	  The coordinator's map: which nodes there are, which drives are on them, and
 *	  what volumes the drives of all of them hold.
 *
 * Held in memory only, and numbered: an order that does not go on where this map ends is refused, and the
 * coordinator starts anew.  A drive that is here is here, whatever the map says of it.
 *
 * Others may be using a drive of another node when the map puts it elsewhere. So peers and their drives are kept until
 * the cell ends, and found again when the map goes back to them; there are few, and their number has a limit.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "volume/internal.h"

/* A node at a URL. */
struct peer
{
	struct peer *next;
	void *peer; /* the maker's */
	char url[PD_PEER_URL_MAX];
};

/* A drive there. */
struct remote
{
	struct remote *next;
	const struct peer *peer;
	struct pd_cell_drive base;
};

struct pd_peers
{
	struct pd_peer_maker maker;
	pthread_mutex_t order_lock; /* one order at a time */

	pthread_rwlock_t lock; /* guards what follows */
	uint64_t number;
	struct pd_cell_drive **drives; /* of the map, and not here; by uuid */
	int drive_count;

	/* the orders' */
	struct peer *peers;
	int peer_count;
	struct remote *remotes;
	int remote_count;
};

struct pd_peers *
pd_peers_create(void)
{
	struct pd_peers *peers = calloc(1, sizeof(*peers));

	if (peers == NULL)
		return NULL;
	pthread_mutex_init(&peers->order_lock, NULL);
	pthread_rwlock_init(&peers->lock, NULL);
	return peers;
}

void
pd_peers_free(struct pd_peers *peers)
{
	if (peers == NULL)
		return;
	while (peers->remotes != NULL)
	{
		struct remote *remote = peers->remotes;

		peers->remotes = remote->next;
		pd_drive_close(remote->base.drive);
		free(remote);
	}
	while (peers->peers != NULL)
	{
		struct peer *peer = peers->peers;

		peers->peers = peer->next;
		peers->maker.release(peer->peer);
		free(peer);
	}
	free(peers->drives);
	pthread_mutex_destroy(&peers->order_lock);
	pthread_rwlock_destroy(&peers->lock);
	free(peers);
}

void
pd_cell_set_peers(struct pd_cell *cell, const struct pd_peer_maker *maker)
{
	cell->peers->maker = *maker;
}

uint64_t
pd_cell_map_number(struct pd_cell *cell)
{
	uint64_t number;

	pthread_rwlock_rdlock(&cell->peers->lock);
	number = cell->peers->number;
	pthread_rwlock_unlock(&cell->peers->lock);
	return number;
}

/* --- finding --- */

static int
compare_uuid(const void *key, const void *entry)
{
	const struct pd_cell_drive *const *drive = entry;

	return memcmp(key, pd_drive_uuid((*drive)->drive), PK_UUID_SIZE);
}

static int
compare_drives(const void *a, const void *b)
{
	const struct pd_cell_drive *const *drive = a;

	return compare_uuid(pd_drive_uuid((*drive)->drive), b);
}

struct pd_cell_drive *
pd_peers_drive(struct pd_cell *cell, const uint8_t uuid[PK_UUID_SIZE])
{
	struct pd_peers *peers = cell->peers;
	struct pd_cell_drive **found = NULL;
	struct pd_cell_drive *drive;

	pthread_rwlock_rdlock(&peers->lock);
	if (peers->drive_count > 0)
		found = bsearch(uuid, peers->drives, (size_t) peers->drive_count, sizeof(*found), compare_uuid);
	drive = found != NULL ? *found : NULL;
	pthread_rwlock_unlock(&peers->lock);
	return drive;
}

/* --- checking an order --- */

static pk_error
check_nodes(const struct pd_map_order *order, struct pd_err *err)
{
	if (order->node_count > PD_MAP_NODES_MAX)
		return pd_fail(err, PK_ERR_TOO_LARGE, "a map has at most %d nodes, this one has %d", PD_MAP_NODES_MAX,
					   order->node_count);
	if (order->drive_count > PD_MAP_DRIVES_MAX)
		return pd_fail(err, PK_ERR_TOO_LARGE, "a map has at most %d drives, this one has %d", PD_MAP_DRIVES_MAX,
					   order->drive_count);
	for (int i = 0; i < order->node_count; i++)
	{
		for (int j = 0; j < i; j++)
		{
			if (order->nodes[i].node == order->nodes[j].node)
				return pd_fail(err, PK_ERR_MALFORMED, "node %" PRId64 " is twice in the map", order->nodes[i].node);
		}
	}
	return PK_OK;
}

static int
compare_map_drives(const void *a, const void *b)
{
	return memcmp(((const struct pd_map_drive *) a)->uuid, ((const struct pd_map_drive *) b)->uuid, PK_UUID_SIZE);
}

static const struct pd_map_node *
find_node(const struct pd_map_order *order, int64_t number)
{
	for (int i = 0; i < order->node_count; i++)
	{
		if (order->nodes[i].node == number)
			return &order->nodes[i];
	}
	return NULL;
}

/* drives: a copy, which is sorted. */
static pk_error
check_drives(const struct pd_map_order *order, struct pd_map_drive *drives, struct pd_err *err)
{
	for (int i = 0; i < order->drive_count; i++)
	{
		if (find_node(order, order->drives[i].node) == NULL)
			return pd_fail(err, PK_ERR_MALFORMED, "the map puts a drive on node %" PRId64 ", which it does not have",
						   order->drives[i].node);
		drives[i] = order->drives[i];
	}
	qsort(drives, (size_t) order->drive_count, sizeof(*drives), compare_map_drives);
	for (int i = 1; i < order->drive_count; i++)
	{
		if (compare_map_drives(&drives[i - 1], &drives[i]) == 0)
			return pd_fail(err, PK_ERR_MALFORMED, "a drive is twice in the map");
	}
	return PK_OK;
}

static pk_error
check_volumes(const struct pd_map_order *order, struct pd_err *err)
{
	for (size_t i = 0; i < order->volume_count; i++)
	{
		struct pd_members members;
		pk_error rc = order->volume(order->arg, i, &members, err);

		if (rc == PK_OK)
			rc = pd_volume_check(&members, false, err);
		if (rc != PK_OK)
			return rc;
	}
	return PK_OK;
}

/* --- nodes and drives --- */

static bool
is_here(const struct pd_cell *cell, const uint8_t *uuid)
{
	for (int i = 0; i < cell->drive_count; i++)
	{
		if (pd_uuid_equal(pd_drive_uuid(cell->drives[i].drive), uuid))
			return true;
	}
	return false;
}

/* The node that most of the drives here are on, by the map: this one. -1 when the map knows none of them. */
static int64_t
own_node(const struct pd_cell *cell, const struct pd_map_order *order)
{
	int counts[PD_MAP_NODES_MAX] = {0};
	int64_t own = -1;
	int best = 0;

	for (int i = 0; i < order->drive_count; i++)
	{
		const struct pd_map_node *node;

		if (!is_here(cell, order->drives[i].uuid))
			continue;
		node = find_node(order, order->drives[i].node);
		if (++counts[node - order->nodes] > best)
		{
			best = counts[node - order->nodes];
			own = node->node;
		}
	}
	return own;
}

static pk_error
make_peer(struct pd_peers *peers, const char *url, const struct peer **found, struct pd_err *err)
{
	struct peer *peer;

	for (peer = peers->peers; peer != NULL; peer = peer->next)
	{
		if (strcmp(peer->url, url) == 0)
			break;
	}
	*found = peer;
	if (peer != NULL)
		return PK_OK;
	if (peers->peer_count == PD_PEERS_MAX)
		return pd_fail(err, PK_ERR_TOO_LARGE, "this process has met %d nodes' URLs: restart it before it meets another",
					   PD_PEERS_MAX);
	if (strlen(url) >= sizeof(peer->url))
		return pd_fail(err, PK_ERR_MALFORMED, "the URL of a node is longer than %d bytes", PD_PEER_URL_MAX - 1);
	peer = calloc(1, sizeof(*peer));
	if (peer == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for node %s", url);
	peer->peer = peers->maker.peer(peers->maker.arg, url, err);
	if (peer->peer == NULL)
	{
		free(peer);
		return err->code;
	}
	memcpy(peer->url, url, strlen(url) + 1);
	peer->next = peers->peers;
	peers->peers = peer;
	peers->peer_count++;
	*found = peer;
	return PK_OK;
}

static pk_error
make_remote(struct pd_peers *peers, const struct peer *peer, const uint8_t *uuid, struct pd_cell_drive **found,
			struct pd_err *err)
{
	struct remote *remote;

	for (remote = peers->remotes; remote != NULL; remote = remote->next)
	{
		if (remote->peer == peer && pd_uuid_equal(pd_drive_uuid(remote->base.drive), uuid))
		{
			*found = &remote->base;
			return PK_OK;
		}
	}
	if (peers->remote_count == PD_REMOTES_MAX)
		return pd_fail(err, PK_ERR_TOO_LARGE,
					   "this process has met %d drives of others: restart it before it meets another", PD_REMOTES_MAX);
	remote = calloc(1, sizeof(*remote));
	if (remote == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for a drive of node %s", peer->url);
	remote->base.drive = peers->maker.drive(peer->peer, uuid, err);
	if (remote->base.drive == NULL)
	{
		free(remote);
		return err->code;
	}
	atomic_store(&remote->base.ours, true);
	remote->peer = peer;
	remote->next = peers->remotes;
	peers->remotes = remote;
	peers->remote_count++;
	*found = &remote->base;
	return PK_OK;
}

/* The drives of others, made where they are new; nothing that others see has changed when it fails. */
static pk_error
make_drives(struct pd_cell *cell, const struct pd_map_order *order, struct pd_cell_drive **drives, int *count,
			struct pd_err *err)
{
	int64_t own = own_node(cell, order);

	*count = 0;
	for (int i = 0; i < order->drive_count; i++)
	{
		const struct pd_map_drive *drive = &order->drives[i];
		const struct peer *peer;
		pk_error rc;

		if (drive->node == own || is_here(cell, drive->uuid))
			continue;
		if (cell->peers->maker.peer == NULL)
			return pd_fail(err, PK_ERR_UNSUPPORTED, "this node asks no other one");
		rc = make_peer(cell->peers, find_node(order, drive->node)->url, &peer, err);
		if (rc == PK_OK)
			rc = make_remote(cell->peers, peer, drive->uuid, &drives[*count], err);
		if (rc != PK_OK)
			return rc;
		(*count)++;
	}
	qsort(drives, (size_t) *count, sizeof(*drives), compare_drives);
	return PK_OK;
}

/* --- the order --- */

static pk_error
check(struct pd_cell *cell, const struct pd_map_order *order, struct pd_map_drive *scratch, struct pd_err *err)
{
	uint64_t number = pd_cell_map_number(cell);
	pk_error rc;

	if (order->number == 0 || order->number < order->from)
		return pd_fail(err, PK_ERR_MALFORMED, "no map goes from %" PRIu64 " to %" PRIu64, order->from, order->number);
	if (order->from != 0 && order->from != number)
		return pd_fail(err, PK_ERR_STATE, "the map here is number %" PRIu64 ", and the order goes on from %" PRIu64,
					   number, order->from);
	rc = check_nodes(order, err);
	if (rc == PK_OK)
		rc = check_drives(order, scratch, err);
	if (rc == PK_OK)
		rc = check_volumes(order, err);
	return rc;
}

static void
set_number(struct pd_peers *peers, uint64_t number)
{
	pthread_rwlock_wrlock(&peers->lock);
	peers->number = number;
	pthread_rwlock_unlock(&peers->lock);
}

/* What the order says of volumes; it was checked. When memory ends amid it, the coordinator has to start anew. */
static pk_error
learn_volumes(struct pd_cell *cell, const struct pd_map_order *order, struct pd_err *err)
{
	if (order->from == 0)
		pd_map_forget_told(cell);
	for (size_t i = 0; i < order->volume_count; i++)
	{
		struct pd_members members;
		pk_error rc = order->volume(order->arg, i, &members, err);

		if (rc != PK_OK)
			return rc;
		if (!pd_map_note(cell, &members, PD_TOLD_BY_MAP))
			return pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for volume %" PRIu64, members.volume_id);
	}
	for (size_t i = 0; i < order->gone_count; i++)
		pd_map_forget_volume(cell, order->gone[i]);
	return PK_OK;
}

static pk_error
take_map(struct pd_cell *cell, const struct pd_map_order *order, struct pd_err *err)
{
	struct pd_peers *peers = cell->peers;
	struct pd_map_drive *scratch = calloc((size_t) order->drive_count + 1, sizeof(*scratch));
	struct pd_cell_drive **drives = calloc((size_t) order->drive_count + 1, sizeof(*drives));
	struct pd_cell_drive **old;
	int count;
	pk_error rc;

	if (scratch == NULL || drives == NULL)
		rc = pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for a map of %d drives", order->drive_count);
	else
		rc = check(cell, order, scratch, err);
	if (rc == PK_OK)
		rc = make_drives(cell, order, drives, &count, err);
	free(scratch);
	if (rc != PK_OK)
	{
		free(drives);
		return rc;
	}
	pthread_rwlock_wrlock(&peers->lock);
	old = peers->drives;
	peers->drives = drives;
	peers->drive_count = count;
	peers->number = 0;
	pthread_rwlock_unlock(&peers->lock);
	free(old);
	rc = learn_volumes(cell, order, err);
	if (rc == PK_OK)
		set_number(peers, order->number);
	return rc;
}

pk_error
pd_cell_map(struct pd_cell *cell, const struct pd_map_order *order, struct pd_err *err)
{
	pk_error rc;

	pthread_mutex_lock(&cell->peers->order_lock);
	rc = take_map(cell, order, err);
	pthread_mutex_unlock(&cell->peers->order_lock);
	return rc;
}
