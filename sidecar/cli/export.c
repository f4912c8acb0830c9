/*
 * cli/export.c
 *	  pocket export PATH DIR
 *
 * Names come from a server and are not trusted: every one is checked, and no
 * symbolic link is followed below DIR.
 */
#include "cli/export.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/interrupt.h"
#include "cli/local.h"
#include "cli/progress.h"
#include "cli/receive.h"
#include "cli/remote.h"
#include "contract/pk_name.h"

struct export
{
	const struct pd_options *options;
	struct pd_progress progress;
	struct pd_remote remote;
	struct pd_items items;
	struct pd_receive receive;
};

/* Whether each name of the path may become a file's. */
static bool
check_path(const char *path)
{
	for (;;)
	{
		const char *slash = strchr(path, '/');
		size_t length = slash != NULL ? (size_t) (slash - path) : strlen(path);
		size_t at;

		if (pk_name_check(path, length, &at) != PK_NAME_VALID)
			return false;
		if (slash == NULL)
			return true;
		path = slash + 1;
	}
}

/* Whether the local file is as the item says. */
static bool
is_there(struct pd_local *local, const struct pd_item *item)
{
	struct pd_item there;
	bool agree;

	if (!pd_local_examine(local, item->path, &there))
		return false;
	/* without a mode in Pocket any mode is right; with one, its permissions */
	if (item->mode == PD_MODE_NONE)
		there.mode = PD_MODE_NONE;
	else if (there.mode == (item->mode & 0777u))
		there.mode = item->mode;
	agree = pd_items_agree(item, &there);
	free(there.target);
	return agree;
}

/* Makes the folders; chooses what is to be written. */
static bool
make_plan(struct export *export)
{
	struct pd_receive *receive = &export->receive;
	struct pd_counts *counts = &export->progress.counts;
	struct pd_local local;
	uint64_t files = 0;
	uint64_t bytes = 0;

	receive->plan = calloc(export->items.count + 1, sizeof(*receive->plan));
	if (receive->plan == NULL)
		return false;
	pd_local_init(&local, receive->top, receive->umask_);
	for (size_t i = 0; i < export->items.count && !pd_interrupted(); i++)
	{
		struct pd_item *item = &export->items.items[i];
		char text[PD_FORMAT_ERROR];
		int result = 0;

		counts->files += item->kind == PD_KIND_FILE;
		counts->folders += item->kind == PD_KIND_FOLDER;
		counts->symlinks += item->kind == PD_KIND_SYMLINK;
		counts->bytes += item->kind == PD_KIND_FILE ? (uint64_t) item->size : 0;
		if (!check_path(item->path))
			pd_progress_event(&export->progress, PD_EVENT_FAILED, item->path, NULL, "the name cannot be a file's");
		else if (item->kind == PD_KIND_FOLDER)
			result = pd_local_mkdir(&local, item->path);
		else if (is_there(&local, item))
			counts->skipped++;
		else
		{
			receive->plan[receive->count++] = item;
			files += item->kind == PD_KIND_FILE;
			bytes += item->kind == PD_KIND_FILE ? (uint64_t) item->size : 0;
		}
		if (result < 0)
			pd_progress_event(&export->progress, PD_EVENT_FAILED, item->path, NULL, pd_format_errno(text, -result));
	}
	pd_local_release(&local);
	pd_progress_plan(&export->progress, files, bytes);
	return true;
}

static enum pd_exit
fatal(struct export *export, const char *path, const char *sqlstate, const char *text, enum pd_exit status)
{
	if (pd_interrupted())
		return PD_EXIT_INTERRUPTED;
	pd_progress_event(&export->progress, PD_EVENT_FATAL, path, sqlstate, text);
	return status;
}

/* Lists what there is to export. */
static enum pd_exit
look_at_remote(struct export *export)
{
	struct pd_session session;
	enum pd_exit status = PD_EXIT_OK;
	bool ok = false;

	if (!pd_session_open(&session, export->options->conninfo))
		status = fatal(export, NULL, session.sqlstate, session.error, PD_EXIT_SERVER);
	else
	{
		switch (pd_remote_open(&export->remote, &session, export->options->path))
		{
			case PD_REMOTE_ERROR:
				break;
			case PD_REMOTE_MISSING:
				status = fatal(export, export->options->path, NULL, "does not exist", PD_EXIT_FAILED);
				break;
			case PD_REMOTE_FILE:
				ok = pd_remote_single(&export->remote, &session, &export->items);
				break;
			case PD_REMOTE_FOLDER:
				ok = pd_remote_list(&export->remote, &session, &export->items, pd_interrupted);
				break;
		}
		if (status == PD_EXIT_OK && !ok)
			status = fatal(export, NULL, session.sqlstate, session.error, PD_EXIT_SERVER);
	}
	pd_session_close(&session);
	return status;
}

/* The directory, made when it is missing. */
static enum pd_exit
open_top(struct export *export)
{
	const char *directory = export->options->directory;
	char text[PD_FORMAT_ERROR];

	if (mkdir(directory, 0777) == 0 || errno == EEXIST)
		export->receive.top = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (export->receive.top < 0)
		return fatal(export, directory, NULL, pd_format_errno(text, errno), PD_EXIT_FAILED);
	return PD_EXIT_OK;
}

static enum pd_exit
run(struct export *export)
{
	struct pd_pool pool = {.conninfo = export->options->conninfo,
						   .progress = &export->progress,
						   .work = pd_receive_work,
						   .user = &export->receive};
	enum pd_exit status = look_at_remote(export);

	if (status == PD_EXIT_OK)
		status = open_top(export);
	if (status != PD_EXIT_OK)
		return status;
	if (!make_plan(export))
		return fatal(export, NULL, NULL, "out of memory", PD_EXIT_FAILED);
	export->receive.remote = &export->remote;
	if (export->receive.count > 0 && !pd_pool_run(&pool, export->options->jobs))
		status = PD_EXIT_SERVER;
	else if (export->progress.counts.failed > 0)
		status = PD_EXIT_FAILED;
	return status;
}

enum pd_exit
pd_export(const struct pd_options *options)
{
	struct export *export = calloc(1, sizeof(*export));
	enum pd_exit status;

	if (export == NULL)
		return PD_EXIT_FAILED;
	export->options = options;
	export->receive.top = -1;
	export->receive.umask_ = umask(022);
	umask(export->receive.umask_);
	pthread_mutex_init(&export->receive.lock, NULL);
	pd_progress_start(&export->progress, "export", options->json);
	status = run(export);
	if (pd_interrupted())
		status = PD_EXIT_INTERRUPTED;
	if (export->receive.top >= 0)
	{
		pd_progress_summary(&export->progress, status == PD_EXIT_INTERRUPTED);
		close(export->receive.top);
	}
	pd_progress_end(&export->progress);
	pd_items_free(&export->items);
	pd_remote_close(&export->remote);
	pthread_mutex_destroy(&export->receive.lock);
	free(export->receive.plan);
	free(export);
	return status;
}
