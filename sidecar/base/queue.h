/*
 * base/queue.h
 *	  A queue of jobs with threads of its own: the I/O queue of a drive, or the
 *	  pool for long orders.
 *
 * A job belongs to its submitter until its function returns; the queue takes no
 * memory for it.  Jobs of the live class run before background ones; within a
 * class they start in order.
 */
#ifndef PD_BASE_QUEUE_H
#define PD_BASE_QUEUE_H

#include <pthread.h>
#include <stdbool.h>

struct pd_job
{
	void (*run)(struct pd_job *job); /* may free the job */
	struct pd_job *next;			 /* the queue's */
};

enum pd_job_class
{
	PD_JOB_LIVE,
	PD_JOB_BACKGROUND
};

struct pd_queue;

/* Starts `threads` threads; name (15 bytes) is what ps shows. NULL when a thread cannot be had. */
extern struct pd_queue *pd_queue_start(const char *name, int threads);
extern void pd_queue_submit(struct pd_queue *queue, struct pd_job *job, enum pd_job_class class);
/* Runs what is queued, ends the threads, frees. */
extern void pd_queue_stop(struct pd_queue *queue);

/* Counts down to zero; for one thread that waits for many jobs. */
struct pd_latch
{
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	int count;
};

extern void pd_latch_init(struct pd_latch *latch, int count);
extern void pd_latch_done(struct pd_latch *latch);
extern void pd_latch_wait(struct pd_latch *latch);
extern void pd_latch_release(struct pd_latch *latch);

#endif
