/*
 * cli/pool.h
 *	  Threads with a connection each, which share out one piece of work, while
 *	  the caller draws progress.
 */
#ifndef PD_CLI_POOL_H
#define PD_CLI_POOL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "cli/progress.h"
#include "cli/session.h"

struct pd_pool
{
	const char *conninfo;
	struct pd_progress *progress;
	void (*work)(struct pd_pool *pool,
				 struct pd_session *session); /* returns when nothing is left or pd_pool_stopping */
	void *user;
	/* the pool's own */
	atomic_bool fatal;
	pthread_mutex_t lock;
	pthread_cond_t ended;
	int running; /* under lock */
};

/* Runs work on up to jobs threads until all return.  False when the run met a fatal error (it has been reported). */
extern bool pd_pool_run(struct pd_pool *pool, int jobs);

extern bool pd_pool_stopping(struct pd_pool *pool);

/* Reports what ends the run (once), and makes all threads stop. */
extern void pd_pool_fatal(struct pd_pool *pool, const char *sqlstate, const char *text);

/* Runs a statement, again when its error may pass by itself. The result, or NULL. */
extern PGresult *pd_pool_query(struct pd_pool *pool, struct pd_session *session, const char *sql,
							   const struct pd_parameters *p, bool binary);

#endif
