/*
 * base/log.c
 *	  One write(2) per line, so that lines of different threads never mix.
 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024

static int log_level = PD_LOG_INFO;

static const char *const level_names[] = {"DEBUG", "INFO", "WARNING", "ERROR"};

void
pd_log_set_level(enum pd_log_level level)
{
	__atomic_store_n(&log_level, (int) level, __ATOMIC_RELAXED);
}

static size_t
put_prefix(char *line, size_t size, enum pd_log_level level)
{
	struct timespec now;
	struct tm utc;
	char day_and_time[32];
	int length;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	strftime(day_and_time, sizeof(day_and_time), "%Y-%m-%dT%H:%M:%S", &utc);
	length = snprintf(line, size, "%s.%03ldZ %s ", day_and_time, now.tv_nsec / 1000000, level_names[level]);
	return length < 0 ? 0 : (size_t) length;
}

void
pd_log(enum pd_log_level level, const char *fmt, ...)
{
	int errno_before = errno;
	char line[LINE_MAX_BYTES];
	size_t used;
	va_list args;

	if ((int) level < __atomic_load_n(&log_level, __ATOMIC_RELAXED))
		return;

	used = put_prefix(line, sizeof(line), level);
	va_start(args, fmt);
	if (vsnprintf(line + used, sizeof(line) - used - 1, fmt, args) < 0)
		line[used] = '\0';
	va_end(args);

	/* a message may quote what came over the wire: it stays one line */
	for (; line[used] != '\0'; used++)
	{
		if ((unsigned char) line[used] < ' ' || line[used] == 0x7f)
			line[used] = ' ';
	}
	line[used++] = '\n';

	/* nowhere is left to complain to when standard error is gone */
	if (write(STDERR_FILENO, line, used) < 0)
		errno = errno_before;
	errno = errno_before;
}
