/*
 * volume/report.c
 *	  What was found damaged, kept until it is mended.
 *
 * A report goes when its extent was made anew, dropped, or read without fault:
 * not when it was told, since whoever was told may not have written it down.  What was met on a drive of another node goes when it
 * was told: of its mending that node hears and this one does not, and whoever meets it again tells it again.
 *
 * One report for each place: what is wrong with an extent is asked again by a
 * scrub, while a reader that meets it a thousand times must not push out others.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "volume/internal.h"

struct pd_reports
{
	pthread_mutex_t lock;
	int count;
	struct pd_report list[PD_REPORTS_MAX];
};

/* Copies what fits, and always ends it. */
static void
copy_text(char *out, size_t size, const char *text)
{
	size_t length = strnlen(text, size - 1);

	memcpy(out, text, length);
	out[length] = '\0';
}

struct pd_reports *
pd_reports_create(void)
{
	struct pd_reports *reports = calloc(1, sizeof(*reports));

	if (reports != NULL)
		pthread_mutex_init(&reports->lock, NULL);
	return reports;
}

void
pd_reports_free(struct pd_reports *reports)
{
	if (reports == NULL)
		return;
	pthread_mutex_destroy(&reports->lock);
	free(reports);
}

static bool
known(const struct pd_reports *reports, const uint8_t *drive, const char *file)
{
	for (int i = 0; i < reports->count; i++)
	{
		if (pd_uuid_equal(reports->list[i].drive, drive) && strcmp(reports->list[i].file, file) == 0)
			return true;
	}
	return false;
}

void
pd_cell_report(struct pd_cell *cell, const uint8_t drive[PK_UUID_SIZE], const char *file, const char *problem)
{
	struct pd_reports *reports = cell->reports;
	bool fresh = false;

	pthread_mutex_lock(&reports->lock);
	if (reports->count < PD_REPORTS_MAX && !known(reports, drive, file))
	{
		struct pd_report *report = &reports->list[reports->count++];

		memcpy(report->drive, drive, PK_UUID_SIZE);
		copy_text(report->file, sizeof(report->file), file);
		copy_text(report->problem, sizeof(report->problem), problem);
		fresh = true;
	}
	pthread_mutex_unlock(&reports->lock);

	if (fresh)
	{
		char text[PK_UUID_TEXT + 1];

		pk_uuid_encode(text, drive);
		pd_log(PD_LOG_WARNING, "drive %s, %s: %s", text, file, problem);
	}
}

void
pd_cell_report_extent(struct pd_cell *cell, struct pd_extent *extent, const char *problem)
{
	struct pd_extent_info info;

	pd_extent_info(extent, &info);
	pd_cell_report(cell, pd_drive_uuid(pd_extent_drive(extent)), info.file, problem);
}

bool
pd_cell_is_damage(struct pd_extent *extent, pk_error code)
{
	return !pd_drive_is_remote(pd_extent_drive(extent)) || code == PK_ERR_CORRUPT || code == PK_ERR_IO;
}

void
pd_cell_report_failure(struct pd_cell *cell, struct pd_extent *extent, pk_error code, const char *problem)
{
	if (pd_cell_is_damage(extent, code))
		pd_cell_report_extent(cell, extent, problem);
}

void
pd_cell_forget_report(struct pd_cell *cell, const uint8_t drive[PK_UUID_SIZE], const char *file)
{
	struct pd_reports *reports = cell->reports;

	pthread_mutex_lock(&reports->lock);
	for (int i = 0; i < reports->count; i++)
	{
		if (pd_uuid_equal(reports->list[i].drive, drive) && strcmp(reports->list[i].file, file) == 0)
		{
			reports->list[i] = reports->list[--reports->count];
			break;
		}
	}
	pthread_mutex_unlock(&reports->lock);
}

/* A copy is taken first: each may be slow, or report. */
void
pd_cell_each_report(struct pd_cell *cell, void (*each)(void *arg, const struct pd_report *report), void *arg)
{
	struct pd_reports *reports = cell->reports;
	struct pd_report *copy;
	int count;

	pthread_mutex_lock(&reports->lock);
	count = reports->count;
	copy = count > 0 ? malloc((size_t) count * sizeof(*copy)) : NULL;
	if (copy != NULL)
		memcpy(copy, reports->list, (size_t) count * sizeof(*copy));
	pthread_mutex_unlock(&reports->lock);

	for (int i = 0; copy != NULL && i < count; i++)
	{
		each(arg, &copy[i]);
		if (pd_cell_drive(cell, copy[i].drive) == NULL)
			pd_cell_forget_report(cell, copy[i].drive, copy[i].file);
	}
	free(copy);
}
