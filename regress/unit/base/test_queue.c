/*
 * test_queue.c
 *	  Jobs run in order, live ones first, and none is left when the queue stops.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/queue.h"

struct numbered
{
	struct pd_job job; /* first */
	int number;
	int *order;
	int *count;
};

static void
note_number(struct pd_job *job)
{
	struct numbered *numbered = (struct numbered *) job;

	numbered->order[(*numbered->count)++] = numbered->number;
}

struct gate
{
	struct pd_job job;
	struct pd_latch entered;
	struct pd_latch open;
};

static void
pass_gate(struct pd_job *job)
{
	struct gate *gate = (struct gate *) job;

	pd_latch_done(&gate->entered);
	pd_latch_wait(&gate->open);
}

static void
test_live_jobs_go_first_and_each_class_keeps_its_order(void **state)
{
	struct pd_queue *queue = pd_queue_start("test-order", 1);
	struct gate gate = {.job = {.run = pass_gate}};
	struct numbered jobs[6];
	int order[6];
	int count = 0;
	const int expected[6] = {1, 3, 5, 0, 2, 4};

	(void) state;
	assert_non_null(queue);
	pd_latch_init(&gate.entered, 1);
	pd_latch_init(&gate.open, 1);
	pd_queue_submit(queue, &gate.job, PD_JOB_LIVE);
	pd_latch_wait(&gate.entered);
	for (int i = 0; i < 6; i++)
	{
		jobs[i] = (struct numbered){.job = {.run = note_number}, .number = i, .order = order, .count = &count};
		pd_queue_submit(queue, &jobs[i].job, i % 2 == 1 ? PD_JOB_LIVE : PD_JOB_BACKGROUND);
	}
	pd_latch_done(&gate.open);
	pd_queue_stop(queue); /* runs what is queued */
	assert_int_equal(count, 6);
	assert_memory_equal(order, expected, sizeof(expected));
	pd_latch_release(&gate.entered);
	pd_latch_release(&gate.open);
}

struct chained
{
	struct pd_job job;
	struct pd_queue *queue;
	int *left; /* atomic */
};

static void
submit_another_and_free(struct pd_job *job)
{
	struct chained *chained = (struct chained *) job;

	if (__atomic_sub_fetch(chained->left, 1, __ATOMIC_SEQ_CST) > 0)
	{
		struct chained *next = malloc(sizeof(*next));

		*next = *chained;
		pd_queue_submit(chained->queue, &next->job, PD_JOB_BACKGROUND);
	}
	free(chained);
}

static void
test_stop_runs_jobs_that_jobs_submit(void **state)
{
	struct pd_queue *queue = pd_queue_start("a-name-longer-than-15", 3);
	struct chained *first = malloc(sizeof(*first));
	int left = 1000;

	(void) state;
	*first = (struct chained){.job = {.run = submit_another_and_free}, .queue = queue, .left = &left};
	pd_queue_submit(queue, &first->job, PD_JOB_LIVE);
	pd_queue_stop(queue);
	assert_int_equal(left, 0);
}

struct latched
{
	struct pd_job job;
	struct pd_latch *latch;
	int *sum; /* atomic */
};

static void
add_and_count_down(struct pd_job *job)
{
	struct latched *latched = (struct latched *) job;

	__atomic_add_fetch(latched->sum, 1, __ATOMIC_SEQ_CST);
	pd_latch_done(latched->latch);
}

static void
test_latch_waits_for_many_jobs_of_many_threads(void **state)
{
	struct pd_queue *queue = pd_queue_start("test-latch", 4);

	(void) state;
	for (int round = 0; round < 200; round++)
	{
		struct latched jobs[16];
		struct pd_latch latch;
		int sum = 0;

		pd_latch_init(&latch, 16);
		for (int i = 0; i < 16; i++)
		{
			jobs[i] = (struct latched){.job = {.run = add_and_count_down}, .latch = &latch, .sum = &sum};
			pd_queue_submit(queue, &jobs[i].job, PD_JOB_LIVE);
		}
		pd_latch_wait(&latch);
		assert_int_equal(__atomic_load_n(&sum, __ATOMIC_SEQ_CST), 16);
		pd_latch_release(&latch);
	}
	pd_queue_stop(queue);
	pd_queue_stop(NULL);
}

static void
remember_name(struct pd_job *job)
{
	struct numbered *numbered = (struct numbered *) job;

	pthread_getname_np(pthread_self(), (char *) numbered->order, 16);
}

static void
test_threads_bear_the_queue_s_name(void **state)
{
	struct pd_queue *queue = pd_queue_start("test-a-long-name", 1);
	char name[16] = "";
	struct numbered job = {.job = {.run = remember_name}, .order = (int *) (void *) name};

	(void) state;
	pd_queue_submit(queue, &job.job, PD_JOB_LIVE);
	pd_queue_stop(queue);
	assert_string_equal(name, "test-a-long-nam");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_live_jobs_go_first_and_each_class_keeps_its_order),
		cmocka_unit_test(test_stop_runs_jobs_that_jobs_submit),
		cmocka_unit_test(test_latch_waits_for_many_jobs_of_many_threads),
		cmocka_unit_test(test_threads_bear_the_queue_s_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
