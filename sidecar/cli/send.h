/*
 * cli/send.h
 *	  The sending half of import: batches of files, links and folders, each one
 *	  transaction, so that what is done stays done.
 */
#ifndef PD_CLI_SEND_H
#define PD_CLI_SEND_H

#include <pthread.h>
#include <stddef.h>

#include "cli/items.h"
#include "cli/pool.h"
#include "cli/remote.h"

#define PD_BATCH_FILES 256
#define PD_BATCH_BYTES (8 * 1024 * 1024)
#define PD_LARGE_BYTES (64 * 1024 * 1024) /* a larger file goes by pieces */
#define PD_PIECE_BYTES (32 * 1024 * 1024) /* a multiple of the block size */

struct pd_send
{
	int top; /* the directory */
	const struct pd_remote *remote;
	struct pd_item **plan; /* what is to be sent: folders, links, files */
	size_t count;
	size_t next; /* under lock */
	pthread_mutex_t lock;
};

/* pd_pool.work; pool->user is a struct pd_send. */
extern void pd_send_work(struct pd_pool *pool, struct pd_session *session);

/* How many items from first on make one batch. */
extern size_t pd_send_batch(struct pd_item *const *plan, size_t count, size_t first);

#endif
