/*
 * cli/pool.c
 *	  Threads with a connection each.
 */
#include "cli/pool.h"

#include <time.h>

#include "cli/interrupt.h"
#include "cli/options.h"

#define TICK_MS 100
#define TRIES_MAX 6
#define PAUSE_FIRST_MS 100 /* doubled each time: 3.1 s in all */

bool
pd_pool_stopping(struct pd_pool *pool)
{
	return pd_interrupted() || atomic_load(&pool->fatal);
}

void
pd_pool_fatal(struct pd_pool *pool, const char *sqlstate, const char *text)
{
	/* a cancelled statement is what was asked for; the first reason is the one that counts */
	if (!pd_interrupted() && !atomic_exchange(&pool->fatal, true))
		pd_progress_event(pool->progress, PD_EVENT_FATAL, NULL, sqlstate, text);
}

PGresult *
pd_pool_query(struct pd_pool *pool, struct pd_session *session, const char *sql, const struct pd_parameters *p,
			  bool binary)
{
	long pause_ms = PAUSE_FIRST_MS;

	for (int i = 1;; i++)
	{
		PGresult *result = pd_session_query(session, sql, p, binary);
		struct timespec pause = {.tv_sec = pause_ms / 1000, .tv_nsec = pause_ms % 1000 * 1000000};

		if (result != NULL || i == TRIES_MAX || !pd_session_transient(session) || pd_pool_stopping(pool) ||
			PQtransactionStatus(session->conn) != PQTRANS_IDLE)
			return result;
		nanosleep(&pause, NULL);
		pause_ms *= 2;
	}
}

static void *
run_worker(void *argument)
{
	struct pd_pool *pool = argument;
	struct pd_session session;

	if (pd_session_open(&session, pool->conninfo))
		pool->work(pool, &session);
	else
		pd_pool_fatal(pool, session.sqlstate, session.error);
	pd_session_close(&session);
	pthread_mutex_lock(&pool->lock);
	pool->running--;
	pthread_cond_signal(&pool->ended);
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

/* Draws until all threads have ended. */
static void
watch(struct pd_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	while (pool->running > 0)
	{
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += TICK_MS * 1000000L;
		if (until.tv_nsec >= 1000000000L)
		{
			until.tv_nsec -= 1000000000L;
			until.tv_sec++;
		}
		pthread_cond_timedwait(&pool->ended, &pool->lock, &until);
		pthread_mutex_unlock(&pool->lock);
		pd_progress_tick(pool->progress);
		pthread_mutex_lock(&pool->lock);
	}
	pthread_mutex_unlock(&pool->lock);
}

bool
pd_pool_run(struct pd_pool *pool, int jobs)
{
	pthread_t threads[PD_JOBS_MAX];
	int started = 0;

	atomic_init(&pool->fatal, false);
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->ended, NULL);
	pool->running = jobs;
	while (started < jobs && pthread_create(&threads[started], NULL, run_worker, pool) == 0)
		started++;
	if (started < jobs)
	{
		pthread_mutex_lock(&pool->lock);
		pool->running -= jobs - started;
		pthread_mutex_unlock(&pool->lock);
	}
	if (started == 0)
		pd_pool_fatal(pool, NULL, "no thread could be started");
	watch(pool);
	for (int i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	pthread_cond_destroy(&pool->ended);
	pthread_mutex_destroy(&pool->lock);
	return !atomic_load(&pool->fatal);
}
