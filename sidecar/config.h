/*
 * config.h
 *	  The command line and configuration file of pocketd, and its key file.
 */
#ifndef PD_CONFIG_H
#define PD_CONFIG_H

#include "base/err.h"
#include "contract/pk_keyfile.h"

#define PD_DRIVES_MAX 256
#define PD_PEER_TIMEOUT_DEFAULT 10 /* seconds */
#define PD_PEER_TIMEOUT_MAX 600

enum pd_command
{
	PD_COMMAND_HELP,
	PD_COMMAND_VERSION,
	PD_COMMAND_KEYGEN,
	PD_COMMAND_INIT,
	PD_COMMAND_RUN,
	PD_COMMAND_CHECK,
	PD_COMMAND_RECOVER
};

struct pd_config
{
	enum pd_command command;
	char *listen;
	char *keys;
	char *zone;
	int peer_timeout_s; /* 1 .. PD_PEER_TIMEOUT_MAX */
	char *to;
	char *drives[PD_DRIVES_MAX]; /* without trailing slashes, all different */
	int drive_count;
};

/*
 * argv[1] is the command, then "--option value" or "--option=value" in any order; --config FILE stands for the
 * lines of FILE, each "option value" (# begins a comment line).  A later value replaces an earlier one, drives add up.
 * Fails unless everything that the command needs is there and nothing else; err's text is for the user.  Free it in either case.
 */
extern pk_error pd_config_parse(struct pd_config *config, int argc, char *const *argv,
								struct pd_err *err) PK_MUST_CHECK;
extern void pd_config_free(struct pd_config *config);

/* Without TLS, bytes and tokens may only travel inside this machine: a loopback address or a Unix socket. */
extern pk_error pd_config_check_listen(const char *listen, struct pd_err *err) PK_MUST_CHECK;

/* Reads a key file that is a regular file and nobody else's to read. ring is untouched when it fails. */
extern pk_error pd_keys_load(const char *path, pk_keyring *ring, struct pd_err *err) PK_MUST_CHECK;

#endif
