/*
 * cli/interrupt.c
 *	  Ctrl-C.
 *
 * A statement that starts just after the flag was raised would miss a single
 * cancel request, hence the repetition.  A second signal ends the program at
 * once; that loses nothing, because every batch is a transaction.
 */
#include "cli/interrupt.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include "cli/options.h"

#define REPEAT_MS 200

static atomic_bool raised;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static PGcancel *running[PD_JOBS_MAX + 1]; /* under lock */

bool
pd_interrupted(void)
{
	return atomic_load(&raised);
}

void
pd_interrupt_add(PGcancel *cancel)
{
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < sizeof(running) / sizeof(running[0]); i++)
	{
		if (running[i] == NULL)
		{
			running[i] = cancel;
			break;
		}
	}
	pthread_mutex_unlock(&lock);
}

void
pd_interrupt_remove(PGcancel *cancel)
{
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < sizeof(running) / sizeof(running[0]); i++)
		if (running[i] == cancel)
			running[i] = NULL;
	pthread_mutex_unlock(&lock);
}

static void
cancel_all(void)
{
	char error[256];

	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < sizeof(running) / sizeof(running[0]); i++)
		if (running[i] != NULL)
			(void) PQcancel(running[i], error, (int) sizeof(error));
	pthread_mutex_unlock(&lock);
}

static void *
wait_for_signals(void *argument)
{
	const sigset_t *set = argument;
	const struct timespec repeat = {.tv_nsec = REPEAT_MS * 1000000L};
	int number;

	while (sigwait(set, &number) != 0)
		continue;
	atomic_store(&raised, true);
	for (;;)
	{
		cancel_all();
		if (sigtimedwait(set, NULL, &repeat) > 0)
			_exit(PD_EXIT_INTERRUPTED);
	}
	return NULL;
}

bool
pd_interrupt_start(void)
{
	static sigset_t set;
	pthread_t thread;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
		return false;
	/* a reader of our output that went away is an error of write, not a death */
	signal(SIGPIPE, SIG_IGN);
	if (pthread_create(&thread, NULL, wait_for_signals, &set) != 0)
		return false;
	pthread_detach(thread);
	return true;
}
