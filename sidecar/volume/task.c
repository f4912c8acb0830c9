/*
 * volume/task.c
 *	  The same work on several drives at once, each on its drive's own queue.
 *
 * The waiting thread must not be one of a drive's queue: two such threads could
 * wait for each other's drives.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "volume/internal.h"

static void
run_task(struct pd_job *job)
{
	struct pd_task *task = (struct pd_task *) ((char *) job - offsetof(struct pd_task, job));

	task->result = task->work(task);
	pd_latch_done(task->latch);
}

void
pd_tasks_start(struct pd_task *tasks, int count, struct pd_latch *latch, enum pd_job_class class)
{
	pd_latch_init(latch, count);
	for (int i = 0; i < count; i++)
	{
		struct pd_task *task = &tasks[i];

		task->job.run = run_task;
		task->latch = latch;
		task->err.text[0] = '\0';
		if (task->drive != NULL)
			pd_queue_submit(pd_drive_queue(task->drive), &task->job, class);
		else
			run_task(&task->job);
	}
}

pk_error
pd_tasks_wait(struct pd_task *tasks, int count, struct pd_latch *latch, struct pd_err *err)
{
	pd_latch_wait(latch);
	pd_latch_release(latch);
	for (int i = 0; i < count; i++)
	{
		if (tasks[i].result != PK_OK)
		{
			if (err != NULL)
				*err = tasks[i].err;
			return tasks[i].result;
		}
	}
	return PK_OK;
}

pk_error
pd_tasks_run(struct pd_task *tasks, int count, enum pd_job_class class, struct pd_err *err)
{
	struct pd_latch latch;

	pd_tasks_start(tasks, count, &latch, class);
	return pd_tasks_wait(tasks, count, &latch, err);
}

/* --- batches --- */

struct pd_batch *
pd_batch_create(struct pd_cell *cell, int count, size_t bytes)
{
	struct pd_batch *batch = calloc(1, sizeof(*batch) + (size_t) count * sizeof(batch->tasks[0]));

	if (batch == NULL)
		return NULL;
	if (bytes > 0)
	{
		batch->buffer = pd_buffer_get(cell->buffers, bytes);
		if (batch->buffer == NULL)
		{
			free(batch);
			return NULL;
		}
	}
	batch->cell = cell;
	batch->count = count;
	batch->refs = 1;
	pthread_mutex_init(&batch->lock, NULL);
	pd_cond_init_monotonic(&batch->cond);
	pd_cell_enter(cell);
	return batch;
}

void
pd_batch_free(struct pd_batch *batch)
{
	struct pd_cell *cell;
	bool last;

	if (batch == NULL)
		return;
	cell = batch->cell;
	pthread_mutex_lock(&batch->lock);
	last = --batch->refs == 0;
	pthread_mutex_unlock(&batch->lock);
	if (!last)
		return;
	for (int i = 0; i < batch->count; i++)
		pd_extent_unref(batch->tasks[i].task.extent);
	pd_buffer_put(cell->buffers, batch->buffer);
	pthread_mutex_destroy(&batch->lock);
	pthread_cond_destroy(&batch->cond);
	free(batch);
	pd_cell_leave(cell);
}

static void
run_batch_task(struct pd_job *job)
{
	struct pd_batch_task *self =
		(struct pd_batch_task *) (void *) ((char *) job - offsetof(struct pd_batch_task, task.job));
	struct pd_batch *batch = self->batch;

	self->task.result = self->task.work(&self->task);
	if (self->drive != NULL && self->task.result == PK_OK)
		pd_hedge_note(batch->cell, self->drive, pd_monotonic_us() - self->began);
	pthread_mutex_lock(&batch->lock);
	self->ended = true;
	batch->left--;
	pthread_cond_signal(&batch->cond);
	pthread_mutex_unlock(&batch->lock);
	pd_batch_free(batch);
}

void
pd_batch_start(struct pd_batch *batch, enum pd_job_class class)
{
	for (int i = 0; i < batch->count; i++)
	{
		batch->tasks[i].ended = batch->tasks[i].task.work == NULL;
		batch->left += !batch->tasks[i].ended;
	}
	batch->refs += batch->left;
	for (int i = 0; i < batch->count; i++)
	{
		struct pd_batch_task *task = &batch->tasks[i];

		if (task->task.work == NULL)
			continue;
		task->batch = batch;
		task->task.job.run = run_batch_task;
		task->began = pd_monotonic_us();
		if (task->task.drive != NULL)
			pd_queue_submit(pd_drive_queue(task->task.drive), &task->task.job, class);
		else
			run_batch_task(&task->task.job);
	}
}

/* Lock held. Whether one of this node is still under way. */
static bool
waits_for_own(const struct pd_batch *batch)
{
	for (int i = 0; i < batch->count; i++)
	{
		if (!batch->tasks[i].ended && batch->tasks[i].drive == NULL)
			return true;
	}
	return false;
}

void
pd_batch_wait(struct pd_batch *batch, bool hurry)
{
	struct timespec until = pd_monotonic_timespec(pd_monotonic_us() + pd_hedge_us(batch->cell));
	bool late = false;

	pthread_mutex_lock(&batch->lock);
	while (batch->left > 0 && !(late && !waits_for_own(batch)))
	{
		if (!hurry || late)
			pthread_cond_wait(&batch->cond, &batch->lock);
		else
			late = pthread_cond_timedwait(&batch->cond, &batch->lock, &until) != 0;
	}
	for (int i = 0; i < batch->count; i++)
	{
		if (!batch->tasks[i].ended)
			pd_drive_was_slow(batch->tasks[i].drive);
	}
	pthread_mutex_unlock(&batch->lock);
}

bool
pd_batch_ended(struct pd_batch *batch, int i)
{
	bool ended;

	pthread_mutex_lock(&batch->lock);
	ended = batch->tasks[i].ended;
	pthread_mutex_unlock(&batch->lock);
	return ended;
}

/* --- work --- */

pk_error
pd_work_read(struct pd_task *task)
{
	if (task->n == 0)
		return PK_OK;
	return pd_extent_read(task->extent, task->offset, task->buf, task->n, &task->err);
}

pk_error
pd_work_read_checked(struct pd_task *task)
{
	if (task->extent == NULL)
	{
		memset(task->buf, 0, task->n);
		return PK_OK;
	}
	return pd_extent_read_checked(task->extent, task->offset, task->buf, task->n, &task->err);
}

pk_error
pd_work_seal(struct pd_task *task)
{
	return pd_extent_seal_whole(task->extent, task->offset, &task->err);
}

pk_error
pd_work_set_members(struct pd_task *task)
{
	return pd_extent_set_members(task->extent, task->arg, &task->err);
}

pk_error
pd_work_build_write(struct pd_task *task)
{
	return pd_extent_build_write(task->build, task->buf, task->n, &task->err);
}

pk_error
pd_work_build_finish(struct pd_task *task)
{
	struct pd_extent_build *build = task->build;

	task->build = NULL;
	return pd_extent_build_finish(build, &task->extent, &task->err);
}
