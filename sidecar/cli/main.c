/*
 * cli/main.c
 *	  pocket: files in PostgreSQL, from the command line.
 */
#include <stdio.h>
#include <sys/resource.h>

#include "cli/export.h"
#include "cli/import.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/status.h"

#define VERSION "0.1.0"

/* The walk holds a directory open on each level of the tree. */
static void
raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max)
	{
		limit.rlim_cur = limit.rlim_max;
		(void) setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int
main(int argc, char **argv)
{
	struct pd_options options;
	char error[512];

	if (!pd_options_parse(&options, argc, argv, error, sizeof(error)))
	{
		fprintf(stderr, "pocket: %s\nTry \"pocket --help\".\n", error);
		return PD_EXIT_USAGE;
	}
	if (options.command == PD_COMMAND_HELP || options.command == PD_COMMAND_VERSION)
	{
		fputs(options.command == PD_COMMAND_HELP ? pd_options_usage : "pocket " VERSION "\n", stdout);
		return PD_EXIT_OK;
	}
	if (!PQisthreadsafe() || !pd_interrupt_start())
	{
		fprintf(stderr, "pocket: threads are not available\n");
		return PD_EXIT_FAILED;
	}
	raise_file_limit();
	switch (options.command)
	{
		case PD_COMMAND_IMPORT:
			return pd_import(&options);
		case PD_COMMAND_EXPORT:
			return pd_export(&options);
		default:
			return pd_status(&options);
	}
}
