/*
 * remote/peer.h
 *	  Another node, and its drives behind the seam of store/remote.h, over HTTP as
 *	  FORMAT.md has it.
 *
 * A peer has a queue with several threads and connections that are kept alive.  An operation is asked once: whether to ask
 * again is for those who know what a lost answer means.  It fails with PK_ERR_UNAVAILABLE when the node cannot be connected to
 * within a second, is silent for too long, ends in the middle, says bytes that were damaged on their way, or when this process
 * stops; for a second after that the node is not asked again, so that nobody queues behind one that is down.  Errors name the
 * node's url.  No redirects, no proxies, plain HTTP and Unix sockets only.
 */
#ifndef PD_REMOTE_PEER_H
#define PD_REMOTE_PEER_H

#include <stdatomic.h>

#include "base/vfs.h"
#include "contract/pk_token.h"
#include "store/drive.h"

#define PD_PEER_REQUESTS_MAX 32 /* under way to one peer; more are PK_ERR_BUSY */

struct pd_peer;

/* All of it outlives the peer. */
struct pd_peer_options
{
	const struct pd_vfs *vfs; /* clock, random numbers */
	int silence_s;			  /* without a byte in either direction; looked at about once a second */
	/* Monotonic; 0: none. From then on every operation fails at once, also one that waits: this process stops. */
	const atomic_llong *end_us;
	/* Who asks, and with which keys; called for each request, from any thread. */
	void (*identity)(void *arg, uint8_t cell[PK_UUID_SIZE], pk_epoch *epoch, pk_keyring *keys);
	void *arg;
};

/* url: "http://HOST:PORT" or "unix:/PATH". NULL with err filled: PK_ERR_MALFORMED, PK_ERR_NO_MEMORY. Connects to nothing yet. */
extern struct pd_peer *pd_peer_create(const struct pd_peer_options *options, const char *url, struct pd_err *err);

/* A drive that the node says it has; closed by pd_drive_close before the peer is released. NULL: no memory. */
extern struct pd_drive *pd_peer_drive(struct pd_peer *peer, const uint8_t uuid[PK_UUID_SIZE], struct pd_err *err);

/* Runs what is queued and ends the threads; extents that are still held stay usable, but for the queue. Not from the queue. */
extern void pd_peer_release(struct pd_peer *peer);

#endif
