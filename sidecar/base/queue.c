/*
 * base/queue.c
 *	  Two lists of jobs, one lock, a few threads; and the latch.
 */
#include "base/queue.h"

#include <stdio.h>
#include <stdlib.h>

#define CLASSES 2
#define NAME_BYTES 16 /* what the kernel keeps of a thread's name */

struct job_list
{
	struct pd_job *first;
	struct pd_job **end;
};

struct pd_queue
{
	pthread_mutex_t mutex;
	pthread_cond_t work;
	struct job_list lists[CLASSES]; /* by enum pd_job_class: the first one goes first */
	bool stopping;
	char name[NAME_BYTES];
	int thread_count;
	pthread_t threads[];
};

static struct pd_job *
next_job(struct pd_queue *queue)
{
	for (int i = 0; i < CLASSES; i++)
	{
		struct job_list *list = &queue->lists[i];
		struct pd_job *job = list->first;

		if (job == NULL)
			continue;
		list->first = job->next;
		if (list->first == NULL)
			list->end = &list->first;
		return job;
	}
	return NULL;
}

static void *
queue_thread(void *arg)
{
	struct pd_queue *queue = arg;

	pthread_setname_np(pthread_self(), queue->name);

	pthread_mutex_lock(&queue->mutex);
	for (;;)
	{
		struct pd_job *job = next_job(queue);

		if (job != NULL)
		{
			pthread_mutex_unlock(&queue->mutex);
			job->run(job); /* may have freed it */
			pthread_mutex_lock(&queue->mutex);
			continue;
		}
		if (queue->stopping)
			break;
		pthread_cond_wait(&queue->work, &queue->mutex);
	}
	pthread_mutex_unlock(&queue->mutex);
	return NULL;
}

struct pd_queue *
pd_queue_start(const char *name, int threads)
{
	struct pd_queue *queue = calloc(1, sizeof(*queue) + (size_t) threads * sizeof(pthread_t));

	if (queue == NULL)
		return NULL;

	pthread_mutex_init(&queue->mutex, NULL);
	pthread_cond_init(&queue->work, NULL);
	for (int i = 0; i < CLASSES; i++)
		queue->lists[i].end = &queue->lists[i].first;
	snprintf(queue->name, sizeof(queue->name), "%s", name);

	for (int i = 0; i < threads; i++)
	{
		if (pthread_create(&queue->threads[i], NULL, queue_thread, queue) != 0)
		{
			pd_queue_stop(queue);
			return NULL;
		}
		queue->thread_count++;
	}
	return queue;
}

void
pd_queue_submit(struct pd_queue *queue, struct pd_job *job, enum pd_job_class class)
{
	struct job_list *list = &queue->lists[class];

	job->next = NULL;
	pthread_mutex_lock(&queue->mutex);
	*list->end = job;
	list->end = &job->next;
	pthread_cond_signal(&queue->work);
	pthread_mutex_unlock(&queue->mutex);
}

/*
 * A thread ends only when it finds both lists empty, and a job that submits
 * another is itself run by a thread that looks again: nothing is left behind.
 */
void
pd_queue_stop(struct pd_queue *queue)
{
	if (queue == NULL)
		return;

	pthread_mutex_lock(&queue->mutex);
	queue->stopping = true;
	pthread_cond_broadcast(&queue->work);
	pthread_mutex_unlock(&queue->mutex);

	for (int i = 0; i < queue->thread_count; i++)
		pthread_join(queue->threads[i], NULL);

	pthread_cond_destroy(&queue->work);
	pthread_mutex_destroy(&queue->mutex);
	free(queue);
}

void
pd_latch_init(struct pd_latch *latch, int count)
{
	pthread_mutex_init(&latch->mutex, NULL);
	pthread_cond_init(&latch->cond, NULL);
	latch->count = count;
}

/* Signals inside the lock: the waiter may release the latch as soon as it has the lock. */
void
pd_latch_done(struct pd_latch *latch)
{
	pthread_mutex_lock(&latch->mutex);
	if (--latch->count <= 0)
		pthread_cond_broadcast(&latch->cond);
	pthread_mutex_unlock(&latch->mutex);
}

void
pd_latch_wait(struct pd_latch *latch)
{
	pthread_mutex_lock(&latch->mutex);
	while (latch->count > 0)
		pthread_cond_wait(&latch->cond, &latch->mutex);
	pthread_mutex_unlock(&latch->mutex);
}

void
pd_latch_release(struct pd_latch *latch)
{
	pthread_cond_destroy(&latch->cond);
	pthread_mutex_destroy(&latch->mutex);
}
