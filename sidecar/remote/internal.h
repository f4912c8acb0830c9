/*
 * remote/internal.h
 *	  What the files of this room share: the peer, and one question to it.
 */
#ifndef PD_REMOTE_INTERNAL_H
#define PD_REMOTE_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>

#include "remote/peer.h"
#include "remote/wire.h"

#define PD_PEER_RETRY_US 1000000 /* after a failure to reach it */

struct pd_peer
{
	struct pd_peer_options options;
	atomic_int refs; /* the creator's and one per drive */
	char *url;
	char *base;			   /* what a path is put behind */
	const char *unix_path; /* in url; NULL: TCP */
	struct pd_queue *queue;

	pthread_mutex_t mutex;			  /* guards what follows */
	void *idle[PD_PEER_REQUESTS_MAX]; /* of libcurl, each with its connection */
	int idle_count;
	int under_way;
	int64_t down_until_us; /* monotonic */
	char down_why[PD_ERR_TEXT];
};

extern void pd_peer_unref(struct pd_peer *peer);

struct pd_question
{
	struct pd_peer_call call;
	uint32_t generation;
	const struct iovec *body; /* or NULL */
	int body_count;

	/* the answer: bytes into the caller's, or the number of a field */
	uint8_t *bytes;
	size_t room;
	size_t length;
	const char *field; /* NULL: none is wanted */
	uint64_t number;
};

/* Blocks until the node has answered, or has failed to. */
extern pk_error pd_peer_ask(struct pd_peer *peer, struct pd_question *question, struct pd_err *err) PK_MUST_CHECK;

#endif
