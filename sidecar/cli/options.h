/*
 * cli/options.h
 *	  The command line of `pocket`.
 */
#ifndef PD_CLI_OPTIONS_H
#define PD_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#define PD_JOBS_MAX 64
#define PD_JOBS_DEFAULT 4

enum pd_command
{
	PD_COMMAND_HELP,
	PD_COMMAND_VERSION,
	PD_COMMAND_IMPORT,
	PD_COMMAND_EXPORT,
	PD_COMMAND_STATUS
};

/* Exit statuses of the program. */
enum pd_exit
{
	PD_EXIT_OK = 0,
	PD_EXIT_FAILED = 1,		  /* some files failed; the others are done */
	PD_EXIT_USAGE = 2,		  /* wrong arguments; nothing was done */
	PD_EXIT_SERVER = 3,		  /* the server cannot be reached, or refuses all work */
	PD_EXIT_INTERRUPTED = 130 /* Ctrl-C; what is done stays done */
};

struct pd_options
{
	enum pd_command command;
	const char *conninfo; /* "" is libpq's environment */
	const char *directory;
	const char *path;
	bool json;
	int jobs;
};

extern const char *const pd_options_usage;

/* False with a sentence in error when the arguments make no sense. The strings stay argv's. */
extern bool pd_options_parse(struct pd_options *options, int argc, char **argv, char *error, size_t error_size);

#endif
