/*
 * cli/options.c
 *	  The command line of `pocket`.
 */
#include "cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contract/pk_limits.h"

const char *const pd_options_usage =
	"pocket: files in PostgreSQL\n"
	"\n"
	"  pocket [OPTIONS] import DIR PATH    copy a directory into Pocket; what is there already is skipped\n"
	"  pocket [OPTIONS] export PATH DIR    copy a tree out of Pocket; what is there already is skipped\n"
	"  pocket [OPTIONS] status             health, nodes, drives and volumes of the cell\n"
	"\n"
	"PATH is namespace:/folder; import makes the namespace (case sensitive) when it is missing.\n"
	"Kept: names, contents, modification times (microseconds) and modes of files, symbolic links as links,\n"
	"and empty folders. Not kept: owners, and the modes and times of folders and links.\n"
	"\n"
	"  -d, --dbname=CONNINFO    database name or connection string; default: libpq's environment\n"
	"  -j, --jobs=N             connections to work with, 1 to 64 (default 4)\n"
	"      --json               one JSON object per line instead of text\n"
	"  -h, --help               this text\n"
	"  -V, --version            the version\n"
	"\n"
	"Exit status: 0 done, 1 some files failed, 2 wrong arguments, 3 no server, 130 interrupted (run again to go on).\n";

struct command
{
	const char *name;
	enum pd_command command;
	int arguments;
	const char *usage;
};

static const struct command commands[] = {
	{"import", PD_COMMAND_IMPORT, 2, "import takes a directory and a path"},
	{"export", PD_COMMAND_EXPORT, 2, "export takes a path and a directory"},
	{"status", PD_COMMAND_STATUS, 0, "status takes no argument"},
};

static const struct option long_options[] = {
	{"dbname", required_argument, NULL, 'd'}, {"jobs", required_argument, NULL, 'j'}, {"json", no_argument, NULL, 'J'},
	{"help", no_argument, NULL, 'h'},		  {"version", no_argument, NULL, 'V'},	  {NULL, 0, NULL, 0},
};

static bool
parse_jobs(int *jobs, const char *text)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || value < 1 || value > PD_JOBS_MAX)
		return false;
	*jobs = (int) value;
	return true;
}

/* Whether path is "namespace:" or begins with "/" (the namespace is then the setting pocket.namespace). */
static bool
check_path(const char *path, char *error, size_t error_size)
{
	const char *colon = strchr(path, ':');

	if (strlen(path) > PK_PATH_SIZE_MAX)
		snprintf(error, error_size, "the path is longer than %d bytes", PK_PATH_SIZE_MAX);
	else if (path[0] == '/')
		return true;
	else if (colon == NULL || colon == path || memchr(path, '/', (size_t) (colon - path)) != NULL)
		snprintf(error, error_size, "\"%s\" is not a path of Pocket; write namespace:/folder", path);
	else if (colon[1] != '\0' && colon[1] != '/')
		snprintf(error, error_size, "\"%s\" is not a path of Pocket; a slash follows the colon", path);
	else
		return true;
	return false;
}

static bool
parse_command(struct pd_options *options, int count, char **arguments, char *error, size_t error_size)
{
	const struct command *found = NULL;

	if (count == 0)
	{
		snprintf(error, error_size, "a command is missing");
		return false;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, arguments[0]) == 0)
			found = &commands[i];
	if (found == NULL)
	{
		snprintf(error, error_size, "there is no command \"%s\"", arguments[0]);
		return false;
	}
	if (count - 1 != found->arguments)
	{
		snprintf(error, error_size, "%s", found->usage);
		return false;
	}
	options->command = found->command;
	if (found->arguments == 0)
		return true;
	options->directory = arguments[found->command == PD_COMMAND_IMPORT ? 1 : 2];
	options->path = arguments[found->command == PD_COMMAND_IMPORT ? 2 : 1];
	if (options->directory[0] == '\0')
	{
		snprintf(error, error_size, "the directory's name is empty");
		return false;
	}
	return check_path(options->path, error, error_size);
}

bool
pd_options_parse(struct pd_options *options, int argc, char **argv, char *error, size_t error_size)
{
	int c;

	*options = (struct pd_options){.command = PD_COMMAND_HELP, .conninfo = "", .jobs = PD_JOBS_DEFAULT};
	optind = 0; /* glibc: start afresh, for tests */
	while ((c = getopt_long(argc, argv, ":d:j:hV", long_options, NULL)) != -1)
	{
		switch (c)
		{
			case 'd':
				options->conninfo = optarg;
				break;
			case 'j':
				if (!parse_jobs(&options->jobs, optarg))
				{
					snprintf(error, error_size, "--jobs is a number from 1 to %d, not \"%s\"", PD_JOBS_MAX, optarg);
					return false;
				}
				break;
			case 'J':
				options->json = true;
				break;
			case 'h':
				options->command = PD_COMMAND_HELP;
				return true;
			case 'V':
				options->command = PD_COMMAND_VERSION;
				return true;
			case ':':
				snprintf(error, error_size, "option %s needs a value", argv[optind - 1]);
				return false;
			default:
				snprintf(error, error_size, "there is no option %s", argv[optind - 1]);
				return false;
		}
	}
	return parse_command(options, argc - optind, argv + optind, error, error_size);
}
