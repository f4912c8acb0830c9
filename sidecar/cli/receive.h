/*
 * cli/receive.h
 *	  The receiving half of export: files by batches, large ones by ranges.
 */
#ifndef PD_CLI_RECEIVE_H
#define PD_CLI_RECEIVE_H

#include <pthread.h>
#include <stddef.h>

#include "cli/items.h"
#include "cli/pool.h"
#include "cli/remote.h"

#define PD_RANGE_BYTES (16 * 1024 * 1024)
#define PD_WHOLE_BYTES (32 * 1024 * 1024) /* a larger file comes in ranges */

struct pd_receive
{
	int top;
	unsigned umask_;
	const struct pd_remote *remote;
	struct pd_item **plan; /* files and links to be written */
	size_t count;
	size_t next; /* under lock */
	pthread_mutex_t lock;
};

/* pd_pool.work; pool->user is a struct pd_receive. */
extern void pd_receive_work(struct pd_pool *pool, struct pd_session *session);

#endif
