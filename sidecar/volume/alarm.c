/*
 * volume/alarm.c
 *	  What is to happen when somebody has not answered for a while; and how long
 *	  that is.
 *
 * A read that another node does not answer within the hedge delay is tried elsewhere too.  The delay follows what is
 * usual, within bounds.  A drive that was waited for in vain is asked last for some seconds, so that one
 * node that hangs costs few reads the delay.
 */
#include <stdlib.h>
#include <time.h>

#include "volume/internal.h"

#define HEDGE_US_MIN 20000
#define HEDGE_US_MAX 500000
#define SLOW_US 5000000 /* for how long a drive that did not answer is asked last */

struct pd_alarms
{
	pthread_t thread;
	pthread_mutex_t mutex; /* guards what follows */
	pthread_cond_t cond;
	struct pd_alarm *first; /* in order of time */
	bool stop;
};

uint64_t
pd_monotonic_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

void
pd_cond_init_monotonic(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

struct timespec
pd_monotonic_timespec(uint64_t us)
{
	return (struct timespec){.tv_sec = (time_t) (us / 1000000), .tv_nsec = (long) (us % 1000000) * 1000};
}

static void *
run_alarms(void *arg)
{
	struct pd_alarms *alarms = arg;

	pthread_mutex_lock(&alarms->mutex);
	while (!alarms->stop)
	{
		struct pd_alarm *alarm = alarms->first;

		if (alarm == NULL)
			pthread_cond_wait(&alarms->cond, &alarms->mutex);
		else if (alarm->at > pd_monotonic_us())
		{
			struct timespec until = pd_monotonic_timespec(alarm->at);

			pthread_cond_timedwait(&alarms->cond, &alarms->mutex, &until);
		}
		else
		{
			alarms->first = alarm->next;
			pthread_mutex_unlock(&alarms->mutex);
			alarm->ring(alarm);
			pthread_mutex_lock(&alarms->mutex);
		}
	}
	pthread_mutex_unlock(&alarms->mutex);
	return NULL;
}

struct pd_alarms *
pd_alarms_create(void)
{
	struct pd_alarms *alarms = calloc(1, sizeof(*alarms));

	if (alarms == NULL)
		return NULL;
	pthread_mutex_init(&alarms->mutex, NULL);
	pd_cond_init_monotonic(&alarms->cond);
	if (pthread_create(&alarms->thread, NULL, run_alarms, alarms) != 0)
	{
		pthread_mutex_destroy(&alarms->mutex);
		pthread_cond_destroy(&alarms->cond);
		free(alarms);
		return NULL;
	}
	pthread_setname_np(alarms->thread, "pd-alarms");
	return alarms;
}

void
pd_alarms_free(struct pd_alarms *alarms)
{
	if (alarms == NULL)
		return;
	pthread_mutex_lock(&alarms->mutex);
	alarms->stop = true;
	pthread_cond_signal(&alarms->cond);
	pthread_mutex_unlock(&alarms->mutex);
	pthread_join(alarms->thread, NULL);
	pthread_mutex_destroy(&alarms->mutex);
	pthread_cond_destroy(&alarms->cond);
	free(alarms);
}

void
pd_alarm_set(struct pd_alarms *alarms, struct pd_alarm *alarm, uint64_t delay_us)
{
	struct pd_alarm **link = &alarms->first;

	alarm->at = pd_monotonic_us() + delay_us;
	pthread_mutex_lock(&alarms->mutex);
	while (*link != NULL && (*link)->at <= alarm->at)
		link = &(*link)->next;
	alarm->next = *link;
	*link = alarm;
	if (alarms->first == alarm)
		pthread_cond_signal(&alarms->cond);
	pthread_mutex_unlock(&alarms->mutex);
}

bool
pd_alarm_cancel(struct pd_alarms *alarms, struct pd_alarm *alarm)
{
	struct pd_alarm **link = &alarms->first;
	bool found;

	pthread_mutex_lock(&alarms->mutex);
	while (*link != NULL && *link != alarm)
		link = &(*link)->next;
	found = *link == alarm;
	if (found)
		*link = alarm->next;
	pthread_mutex_unlock(&alarms->mutex);
	return found;
}

/* --- how long --- */

uint64_t
pd_hedge_us(struct pd_cell *cell)
{
	uint64_t delay = 4 * atomic_load(&cell->usual_us);

	if (delay < HEDGE_US_MIN)
		return HEDGE_US_MIN;
	return delay < HEDGE_US_MAX ? delay : HEDGE_US_MAX;
}

void
pd_hedge_note(struct pd_cell *cell, struct pd_cell_drive *drive, uint64_t taken_us)
{
	uint64_t usual = atomic_load(&cell->usual_us);

	if (taken_us < pd_hedge_us(cell))
		atomic_store(&drive->slow_until, 0);
	/* an average that forgets; that two may be noted at once does not matter */
	atomic_store(&cell->usual_us, usual == 0 ? taken_us : (15 * usual + taken_us) / 16);
}

void
pd_drive_was_slow(struct pd_cell_drive *drive)
{
	atomic_store(&drive->slow_until, pd_monotonic_us() + SLOW_US);
}

bool
pd_drive_is_slow(struct pd_cell_drive *drive)
{
	uint64_t until = atomic_load(&drive->slow_until);

	return until != 0 && pd_monotonic_us() < until;
}
