/*
 * cli/import.c
 *	  pocket import DIR PATH
 *
 * Both trees are listed, what agrees is passed over, the rest is sent.  That is
 * all there is to resuming: a batch that was committed agrees.
 */
#include "cli/import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/fold.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/remote.h"
#include "cli/send.h"
#include "cli/walk.h"

struct import
{
	const struct pd_options *options;
	struct pd_progress progress;
	struct pd_remote remote;
	struct pd_items local_items;
	struct pd_items remote_items; /* by path */
	bool *same;					  /* by local item: the namespace takes it for one before it; NULL: none */
	struct pd_send send;
};

static void
report(void *user, enum pd_walk_problem problem, const char *path, const char *text)
{
	pd_progress_event(user, problem == PD_WALK_SKIPPED ? PD_EVENT_SKIPPED : PD_EVENT_FAILED, path, NULL, text);
}

static void
count_items(struct import *import)
{
	struct pd_counts *counts = &import->progress.counts;

	for (size_t i = 0; i < import->local_items.count; i++)
	{
		const struct pd_item *item = &import->local_items.items[i];

		counts->files += item->kind == PD_KIND_FILE;
		counts->folders += item->kind == PD_KIND_FOLDER;
		counts->symlinks += item->kind == PD_KIND_SYMLINK;
		counts->bytes += (uint64_t) item->size;
	}
}

/*
 * In a namespace without case sensitivity README and readme are one file: the
 * second would silently replace the first, so it is refused.
 */
static bool
find_same_names(struct import *import)
{
	struct pd_session session;
	bool sensitive = true;
	long count;

	import->same = calloc(import->local_items.count + 1, sizeof(*import->same));
	if (import->same == NULL)
		return false;
	count = pd_fold_mark(&import->local_items, import->same);
	if (count > 0)
	{
		sensitive = !pd_session_open(&session, import->options->conninfo) ||
					pd_remote_case_sensitive(&import->remote, &session);
		pd_session_close(&session);
	}
	if (sensitive)
	{
		free(import->same);
		import->same = NULL;
	}
	return count >= 0;
}

/* Whether the item is in Pocket already. */
static bool
is_there(const struct import *import, const struct pd_item *item)
{
	const struct pd_item *there = pd_items_find(&import->remote_items, item->path);

	return there != NULL && pd_items_agree(item, there);
}

/* Chooses what is to be sent; files follow the others. */
static bool
make_plan(struct import *import)
{
	static const enum pd_kind order[] = {PD_KIND_FOLDER, PD_KIND_SYMLINK, PD_KIND_FILE};
	struct pd_send *send = &import->send;
	uint64_t files = 0;
	uint64_t bytes = 0;

	send->plan = calloc(import->local_items.count + 1, sizeof(*send->plan));
	if (send->plan == NULL)
		return false;
	for (size_t k = 0; k < sizeof(order) / sizeof(order[0]); k++)
	{
		for (size_t i = 0; i < import->local_items.count; i++)
		{
			struct pd_item *item = &import->local_items.items[i];

			if (item->kind != order[k])
				continue;
			if (import->same != NULL && import->same[i])
				pd_progress_event(&import->progress, PD_EVENT_FAILED, item->path, NULL,
								  "differs from another name here by case only, and the namespace does not tell them"
								  " apart; import into one that is case sensitive");
			else if (is_there(import, item))
				import->progress.counts.skipped += item->kind != PD_KIND_FOLDER;
			else if (item->kind != PD_KIND_FOLDER || item->bare)
			{
				send->plan[send->count++] = item;
				files += item->kind == PD_KIND_FILE;
				bytes += (uint64_t) item->size;
			}
		}
	}
	pd_progress_plan(&import->progress, files, bytes);
	return true;
}

static enum pd_exit
session_failed(struct import *import, const struct pd_session *session)
{
	if (pd_interrupted())
		return PD_EXIT_INTERRUPTED;
	pd_progress_event(&import->progress, PD_EVENT_FATAL, NULL, session->sqlstate, session->error);
	return PD_EXIT_SERVER;
}

/* Finds or makes the place, and lists what is there. */
static enum pd_exit
look_at_remote(struct import *import)
{
	struct pd_session session;
	enum pd_exit status = PD_EXIT_OK;

	if (!pd_session_open(&session, import->options->conninfo))
		status = session_failed(import, &session);
	else
	{
		switch (pd_remote_open(&import->remote, &session, import->options->path))
		{
			case PD_REMOTE_ERROR:
				status = session_failed(import, &session);
				break;
			case PD_REMOTE_MISSING:
				if (!pd_remote_create_namespace(&import->remote, &session))
					status = session_failed(import, &session);
				break;
			case PD_REMOTE_FILE:
				pd_progress_event(&import->progress, PD_EVENT_FATAL, import->options->path, NULL, "is not a folder");
				status = PD_EXIT_FAILED;
				break;
			case PD_REMOTE_FOLDER:
				if (!pd_remote_list(&import->remote, &session, &import->remote_items, pd_interrupted))
					status = session_failed(import, &session);
				pd_items_sort(&import->remote_items);
				break;
		}
	}
	pd_session_close(&session);
	return status;
}

static enum pd_exit
run(struct import *import)
{
	struct pd_pool pool = {.conninfo = import->options->conninfo,
						   .progress = &import->progress,
						   .work = pd_send_work,
						   .user = &import->send};
	enum pd_exit status = look_at_remote(import);

	if (status != PD_EXIT_OK)
		return status;
	if (!pd_walk(import->send.top, &import->local_items, report, &import->progress, pd_interrupted))
	{
		if (!pd_interrupted())
			pd_progress_event(&import->progress, PD_EVENT_FATAL, NULL, NULL, "out of memory");
		return PD_EXIT_FAILED;
	}
	count_items(import);
	if (!find_same_names(import) || !make_plan(import))
	{
		pd_progress_event(&import->progress, PD_EVENT_FATAL, NULL, NULL, "out of memory");
		return PD_EXIT_FAILED;
	}
	import->send.remote = &import->remote;
	if (import->send.count > 0 && !pd_pool_run(&pool, import->options->jobs))
		return PD_EXIT_SERVER;
	return import->progress.counts.failed > 0 ? PD_EXIT_FAILED : PD_EXIT_OK;
}

enum pd_exit
pd_import(const struct pd_options *options)
{
	struct import *import = calloc(1, sizeof(*import));
	enum pd_exit status;

	if (import == NULL)
		return PD_EXIT_FAILED;
	import->options = options;
	pthread_mutex_init(&import->send.lock, NULL);
	pd_progress_start(&import->progress, "import", options->json);
	import->send.top = open(options->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (import->send.top < 0)
	{
		char text[PD_FORMAT_ERROR];

		pd_progress_event(&import->progress, PD_EVENT_FATAL, options->directory, NULL, pd_format_errno(text, errno));
		status = PD_EXIT_FAILED;
	}
	else
	{
		status = run(import);
		if (pd_interrupted())
			status = PD_EXIT_INTERRUPTED;
		pd_progress_summary(&import->progress, status == PD_EXIT_INTERRUPTED);
		close(import->send.top);
	}
	pd_progress_end(&import->progress);
	pd_items_free(&import->local_items);
	pd_items_free(&import->remote_items);
	pd_remote_close(&import->remote);
	pthread_mutex_destroy(&import->send.lock);
	free(import->same);
	free(import->send.plan);
	free(import);
	return status;
}
