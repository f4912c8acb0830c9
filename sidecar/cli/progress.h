/*
 * cli/progress.h
 *	  What the user sees while an import or export runs: a bar on a terminal,
 *	  plain lines otherwise, or JSON lines; problems as they are met; a summary.
 *
 * All threads may call; output is under one lock.  Progress and problems go to
 * standard error, the summary to standard output; JSON all to standard output.
 */
#ifndef PD_CLI_PROGRESS_H
#define PD_CLI_PROGRESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/format.h"

struct pd_counts
{
	uint64_t files; /* in the source, as its links and folders */
	uint64_t folders;
	uint64_t symlinks;
	uint64_t bytes;
	uint64_t sent_files; /* written by this run */
	uint64_t sent_bytes;
	uint64_t skipped; /* there already, or nothing that Pocket keeps */
	uint64_t failed;
};

struct pd_progress
{
	pthread_mutex_t lock;
	bool json;
	bool terminal;
	bool drawn; /* a bar is on the line */
	double started;
	double drawn_at;
	double line_at;
	struct pd_format_state state; /* of what is to be sent */
	struct pd_counts counts;
};

enum pd_event
{
	PD_EVENT_SKIPPED,
	PD_EVENT_FAILED,
	PD_EVENT_FATAL /* ends the run; not counted as a file */
};

extern void pd_progress_start(struct pd_progress *p, const char *verb, bool json);
extern void pd_progress_end(struct pd_progress *p);

/* What is to be done is known: the bar may start. */
extern void pd_progress_plan(struct pd_progress *p, uint64_t files, uint64_t bytes);
extern void pd_progress_sent(struct pd_progress *p, uint64_t files, uint64_t bytes);
/* Bytes of a file that is not complete yet; its end says pd_progress_sent with 0 or the rest. */
extern void pd_progress_part(struct pd_progress *p, int64_t bytes);

/* path may be NULL and any bytes; sqlstate NULL or "" when it is not the server's word. */
extern void pd_progress_event(struct pd_progress *p, enum pd_event event, const char *path, const char *sqlstate,
							  const char *text);

/* Draws when it is time; to be called about ten times a second. */
extern void pd_progress_tick(struct pd_progress *p);

extern void pd_progress_summary(struct pd_progress *p, bool interrupted);

#endif
