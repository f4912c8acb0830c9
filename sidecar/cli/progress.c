/*
 * cli/progress.c
 *	  What the user sees while an import or export runs.
 */
#include "cli/progress.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define DRAW_SECONDS 0.1
#define LINE_SECONDS 10.0
#define COLUMNS_DEFAULT 80
#define LINE_SIZE 512

static const char *const event_names[] = {"skipped", "failed", "fatal"};

static double
now_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}

static int
columns(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return COLUMNS_DEFAULT;
}

static void
print_json(json_t *object)
{
	char *text = object != NULL ? json_dumps(object, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;

	if (text != NULL)
	{
		puts(text);
		fflush(stdout);
	}
	free(text);
	json_decref(object);
}

void
pd_progress_start(struct pd_progress *p, const char *verb, bool json)
{
	*p = (struct pd_progress){.json = json, .state = {.verb = verb}};
	pthread_mutex_init(&p->lock, NULL);
	p->terminal = !json && isatty(STDERR_FILENO);
	p->started = now_seconds();
	p->line_at = p->started;
}

void
pd_progress_end(struct pd_progress *p)
{
	pthread_mutex_destroy(&p->lock);
}

/* Under lock. */
static void
clear_bar(struct pd_progress *p)
{
	if (p->drawn)
		fputs("\r\033[K", stderr);
	p->drawn = false;
}

void
pd_progress_plan(struct pd_progress *p, uint64_t files, uint64_t bytes)
{
	char count[PD_FORMAT_SIZE];
	char amount[PD_FORMAT_SIZE];

	pthread_mutex_lock(&p->lock);
	p->state.files_total = files;
	p->state.bytes_total = bytes;
	if (p->json)
		print_json(
			json_pack("{s:s, s:I, s:I}", "event", "plan", "files", (json_int_t) files, "bytes", (json_int_t) bytes));
	else if (!p->terminal)
	{
		pd_format_count(count, files);
		pd_format_bytes(amount, bytes);
		fprintf(stderr, "%s: %s files, %s to do\n", p->state.verb, count, amount);
	}
	pthread_mutex_unlock(&p->lock);
}

void
pd_progress_sent(struct pd_progress *p, uint64_t files, uint64_t bytes)
{
	pthread_mutex_lock(&p->lock);
	p->state.files += files;
	p->state.bytes += bytes;
	p->counts.sent_files += files;
	p->counts.sent_bytes += bytes;
	pthread_mutex_unlock(&p->lock);
}

void
pd_progress_part(struct pd_progress *p, int64_t bytes)
{
	pthread_mutex_lock(&p->lock);
	p->state.bytes = (uint64_t) ((int64_t) p->state.bytes + bytes);
	pthread_mutex_unlock(&p->lock);
}

void
pd_progress_event(struct pd_progress *p, enum pd_event event, const char *path, const char *sqlstate, const char *text)
{
	char name[LINE_SIZE] = "";
	char shown[2 * LINE_SIZE];
	bool state = sqlstate != NULL && sqlstate[0] != '\0';

	if (path != NULL)
		pd_format_name(name, sizeof(name), path, strlen(path));
	pd_format_name(shown, sizeof(shown), text, strlen(text));
	pthread_mutex_lock(&p->lock);
	if (event == PD_EVENT_SKIPPED)
		p->counts.skipped++;
	else if (event == PD_EVENT_FAILED)
		p->counts.failed++;
	if (p->json)
		print_json(json_pack("{s:s, s:s*, s:s*, s:s}", "event", event_names[event], "path", path != NULL ? name : NULL,
							 "sqlstate", state ? sqlstate : NULL, "error", shown));
	else
	{
		clear_bar(p);
		fprintf(stderr, "pocket: %s%s%s%s%s%s%s%s\n", event == PD_EVENT_SKIPPED ? "skipped: " : "", name,
				name[0] != '\0' ? ": " : "", shown, state ? " (" : "", state ? "SQLSTATE " : "", state ? sqlstate : "",
				state ? ")" : "");
	}
	pthread_mutex_unlock(&p->lock);
}

/* Under lock. */
static void
print_progress_json(struct pd_progress *p)
{
	print_json(json_pack("{s:s, s:I, s:I, s:I, s:I, s:f}", "event", "progress", "files", (json_int_t) p->state.files,
						 "files_total", (json_int_t) p->state.files_total, "bytes", (json_int_t) p->state.bytes,
						 "bytes_total", (json_int_t) p->state.bytes_total, "seconds", p->state.seconds));
}

void
pd_progress_tick(struct pd_progress *p)
{
	char line[LINE_SIZE];
	double now = now_seconds();

	pthread_mutex_lock(&p->lock);
	p->state.seconds = now - p->started;
	if (p->terminal && now - p->drawn_at >= DRAW_SECONDS)
	{
		/* one column is left free: some terminals wrap when the last is used */
		pd_format_bar(line, sizeof(line), columns() - 1, &p->state);
		fprintf(stderr, "\r%s\033[K", line);
		p->drawn = true;
		p->drawn_at = now;
	}
	else if (!p->terminal && now - p->line_at >= LINE_SECONDS)
	{
		p->line_at = now;
		if (p->json)
			print_progress_json(p);
		else
		{
			pd_format_plain(line, sizeof(line), &p->state);
			fprintf(stderr, "%s\n", line);
		}
	}
	pthread_mutex_unlock(&p->lock);
}

static void
summary_json(const struct pd_progress *p, double seconds, bool interrupted)
{
	const struct pd_counts *c = &p->counts;

	print_json(json_pack("{s:s, s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f}", "event", "summary", "command",
						 p->state.verb, "interrupted", interrupted, "files", (json_int_t) c->files, "folders",
						 (json_int_t) c->folders, "symlinks", (json_int_t) c->symlinks, "bytes", (json_int_t) c->bytes,
						 "sent_files", (json_int_t) c->sent_files, "sent_bytes", (json_int_t) c->sent_bytes, "skipped",
						 (json_int_t) c->skipped, "failed", (json_int_t) c->failed, "seconds", seconds));
}

static void
summary_text(const struct pd_progress *p, double seconds, bool interrupted)
{
	const struct pd_counts *c = &p->counts;
	char files[PD_FORMAT_SIZE];
	char folders[PD_FORMAT_SIZE];
	char links[PD_FORMAT_SIZE];
	char bytes[PD_FORMAT_SIZE];
	char sent[PD_FORMAT_SIZE];
	char amount[PD_FORMAT_SIZE];
	char skipped[PD_FORMAT_SIZE];
	char failed[PD_FORMAT_SIZE];
	char rate[PD_FORMAT_SIZE];

	pd_format_count(files, c->files);
	pd_format_count(folders, c->folders);
	pd_format_count(links, c->symlinks);
	pd_format_bytes(bytes, c->bytes);
	pd_format_count(sent, c->sent_files);
	pd_format_bytes(amount, c->sent_bytes);
	pd_format_count(skipped, c->skipped);
	pd_format_count(failed, c->failed);
	pd_format_bytes(rate, seconds > 0 ? (uint64_t) ((double) c->sent_bytes / seconds) : 0);
	printf("%s%s: %s files, %s folders, %s links, %s; written %s (%s), skipped %s, failed %s; %.1f s, %s/s\n",
		   p->state.verb, interrupted ? " interrupted" : "", files, folders, links, bytes, sent, amount, skipped,
		   failed, seconds, rate);
	if (interrupted)
		printf("run it again to go on: what is done stays done\n");
	fflush(stdout);
}

void
pd_progress_summary(struct pd_progress *p, bool interrupted)
{
	double seconds = now_seconds() - p->started;

	pthread_mutex_lock(&p->lock);
	clear_bar(p);
	if (p->json)
		summary_json(p, seconds, interrupted);
	else
		summary_text(p, seconds, interrupted);
	pthread_mutex_unlock(&p->lock);
}
