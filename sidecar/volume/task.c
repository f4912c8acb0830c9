/*
 * volume/task.c
 *	  The same work on several drives at once, each on its drive's own queue.
 *
 * The waiting thread must not be one of a drive's queue: two such threads could
 * wait for each other's drives.
 */
#include <stddef.h>
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
