/*
 * main.c
 *	  pocketd: keygen, init, run; check and recover are offline.c's.
 *
 * Exit status: 0, 1 when it failed (or check found something), 2 for a command
 * line that is not one.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "api/api.h"
#include "base/log.h"
#include "base/vfs.h"
#include "config.h"
#include "offline.h"
#include "remote/peer.h"

#define EXIT_USAGE 2
#define BUFFERS_KEPT ((size_t) 256 << 20)

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

static const char usage[] =
	"pocketd keeps the bytes of Pocket's files on drives.\n"
	"\n"
	"Usage:\n"
	"  pocketd keygen > FILE                             make a key file (chmod 600 it)\n"
	"  pocketd init --drive DIR ...                      format empty directories as drives\n"
	"  pocketd run --listen ADDR --keys FILE --drive DIR ... [--zone NAME]\n"
	"              [--peer-timeout SECONDS] [--config FILE]\n"
	"  pocketd check --drive DIR ...                     offline: verify all extents\n"
	"  pocketd recover --keys FILE --drive DIR ... --to DIR\n"
	"                                                    offline: every block that can be read or decoded, by hash\n"
	"  pocketd --help | --version\n"
	"\n"
	"ADDR is 127.0.0.1:7070, [::1]:7070 or unix:/path/to.sock. Another node that is silent for SECONDS (10) has "
	"failed.\n"
	"A configuration file has lines \"option value\". TERM drains and stops, HUP reads the key file again.\n";

/* --- keygen --- */

static int
keygen(void)
{
	pk_key key;
	char line[PK_KEY_LINE];
	bool written;

	do
	{
		if (pd_vfs_real.random(&pd_vfs_real, &key, sizeof(key)) < 0)
		{
			fprintf(stderr, "pocketd: the system gives no random bytes\n");
			return EXIT_FAILURE;
		}
		key.id &= INT32_MAX;
	} while (key.id == 0);
	pk_key_format(line, &key);
	/* unbuffered, so that no copy of the secret stays in stdio's memory */
	(void) setvbuf(stdout, NULL, _IONBF, 0);
	written = fputs(line, stdout) != EOF && fflush(stdout) == 0;
	OPENSSL_cleanse(&key, sizeof(key));
	OPENSSL_cleanse(line, sizeof(line));
	if (!written)
	{
		fprintf(stderr, "pocketd: could not write the key\n");
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}

/* --- init --- */

static int
is_content(void *arg, const char *name)
{
	(void) arg;
	return strcmp(name, "lost+found") != 0;
}

/* Whether a directory is missing or empty; says why not. */
static bool
can_be_formatted(const char *dir)
{
	int found = pd_vfs_real.list(&pd_vfs_real, dir, is_content, NULL);

	if (found == 0 || found == -ENOENT)
		return true;
	if (found < 0)
	{
		struct pd_err err;

		pd_fail_errno(&err, found, "could not read directory \"%s\"", dir);
		fprintf(stderr, "pocketd: %s\n", err.text);
	}
	else
		fprintf(stderr, "pocketd: directory \"%s\" is not empty: nothing was formatted\n", dir);
	return false;
}

static int
init(const struct pd_config *config)
{
	bool possible = true;

	/* all are looked at before any is touched */
	for (int i = 0; i < config->drive_count; i++)
		possible = can_be_formatted(config->drives[i]) && possible;
	if (!possible)
		return EXIT_FAILURE;

	for (int i = 0; i < config->drive_count; i++)
	{
		struct pd_err err = {PK_OK, ""};

		if (pd_drive_format(&pd_vfs_real, config->drives[i], &err) != PK_OK)
		{
			fprintf(stderr, "pocketd: %s\n", err.text);
			return EXIT_FAILURE;
		}
		printf("%s: formatted\n", config->drives[i]);
	}
	return EXIT_SUCCESS;
}

/* --- run --- */

/*
 * What signals ask for.  A thread of its own takes them, so that no handler ever
 * runs amid other code; the main thread acts.
 */
static struct
{
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	sigset_t set;
	bool serving;
	bool stop;
	bool reload;
} signals = {.mutex = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};

static void *
signal_thread(void *arg)
{
	(void) arg;
	pthread_setname_np(pthread_self(), "pd-signals");
	for (;;)
	{
		int number;

		if (sigwait(&signals.set, &number) != 0)
			continue;
		pthread_mutex_lock(&signals.mutex);
		if (number == SIGHUP)
			signals.reload = true;
		else if (!signals.serving)
		{
			/* nothing was promised yet, and drives bear the end of a process at any time */
			pd_log(PD_LOG_INFO, "pocketd: stopped before it served");
			_exit(EXIT_SUCCESS);
		}
		else if (signals.stop)
		{
			pd_log(PD_LOG_WARNING, "pocketd: told to stop twice: stops without draining");
			_exit(EXIT_FAILURE);
		}
		else
			signals.stop = true;
		pthread_cond_signal(&signals.cond);
		pthread_mutex_unlock(&signals.mutex);
	}
	return NULL;
}

/* Before any other thread is started: they inherit the blocked signals. */
static bool
start_signals(void)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	pthread_t thread;

	sigemptyset(&signals.set);
	sigaddset(&signals.set, SIGTERM);
	sigaddset(&signals.set, SIGINT);
	sigaddset(&signals.set, SIGHUP);
	return sigaction(SIGPIPE, &ignore, NULL) == 0 && pthread_sigmask(SIG_BLOCK, &signals.set, NULL) == 0 &&
		   pthread_create(&thread, NULL, signal_thread, NULL) == 0 && pthread_detach(thread) == 0;
}

/* Keys are in this memory: it goes into no core file, and no other process of the user may read it. */
static void
harden(void)
{
	const struct rlimit no_core = {0, 0};
	struct rlimit files;

	(void) setrlimit(RLIMIT_CORE, &no_core);
#if !defined(__SANITIZE_ADDRESS__)
	(void) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* RLIMIT_CORE does not hold for core files that go to a program */
#endif
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max)
	{
		files.rlim_cur = files.rlim_max;
		(void) setrlimit(RLIMIT_NOFILE, &files);
	}
	(void) umask(077);
}

static void
reload_keys(struct pd_cell *cell, const char *path)
{
	pk_keyring ring;
	struct pd_err err = {PK_OK, ""};

	if (pd_keys_load(path, &ring, &err) != PK_OK)
	{
		pd_log(PD_LOG_ERROR, "pocketd: keeps its keys: %s", err.text);
		return;
	}
	pd_cell_set_keys(cell, &ring);
	pd_log(PD_LOG_INFO, "pocketd: read %d keys, the current one is %u", ring.count, ring.keys[0].id);
	OPENSSL_cleanse(&ring, sizeof(ring));
}

/* From here on TERM and INT wait for requests under way. */
static void
begin_serving(const char *listen)
{
	pthread_mutex_lock(&signals.mutex);
	signals.serving = true;
	pthread_mutex_unlock(&signals.mutex);
	pd_log(PD_LOG_INFO, "pocketd: ready on %s", listen);
}

/* Until TERM or INT. */
static void
wait_for_signals(struct pd_cell *cell, const char *keys)
{
	pthread_mutex_lock(&signals.mutex);
	while (!signals.stop)
	{
		if (signals.reload)
		{
			signals.reload = false;
			pthread_mutex_unlock(&signals.mutex);
			reload_keys(cell, keys);
			pthread_mutex_lock(&signals.mutex);
			continue;
		}
		pthread_cond_wait(&signals.cond, &signals.mutex);
	}
	pthread_mutex_unlock(&signals.mutex);
}

/* --- other nodes --- */

#define DRAIN_US INT64_C(3000000) /* when told to stop, writes under way may still reach other nodes for so long */

static atomic_llong peers_end_us;

static void
identify(void *arg, uint8_t uuid[PK_UUID_SIZE], pk_epoch *epoch, pk_keyring *keys)
{
	pd_cell_identity(arg, uuid, epoch);
	pd_cell_keys(arg, keys);
}

static void *
make_peer(void *arg, const char *url, struct pd_err *err)
{
	return pd_peer_create(arg, url, err);
}

static struct pd_drive *
make_drive(void *peer, const uint8_t uuid[PK_UUID_SIZE], struct pd_err *err)
{
	return pd_peer_drive(peer, uuid, err);
}

static void
release_peer(void *peer)
{
	pd_peer_release(peer);
}

/* options stays the caller's as long as the cell lives. */
static void
prepare_peers(const struct pd_config *config, struct pd_cell *cell, struct pd_peer_options *options)
{
	const struct pd_peer_maker maker = {make_peer, make_drive, release_peer, options};

	*options = (struct pd_peer_options){.vfs = &pd_vfs_real,
										.silence_s = config->peer_timeout_s,
										.end_us = &peers_end_us,
										.identity = identify,
										.arg = cell};
	pd_cell_set_peers(cell, &maker);
}

/* Everything between the drives and the end of serving. */
static pk_error
serve(const struct pd_config *config, struct pd_drive **drives, struct pd_cell *cell, struct pd_buffer_pool *buffers,
	  struct pd_err *err)
{
	const struct pd_api_options api_options = {
		.cell = cell,
		.drives = drives,
		.drive_count = config->drive_count,
		.buffers = buffers,
		.vfs = &pd_vfs_real,
		.zone = config->zone,
	};
	const struct pd_http_options http_options = {.listen = config->listen, .buffers = buffers};
	struct pd_api *api = pd_api_create(&api_options, err);
	struct pd_http *http;

	if (api == NULL)
		return err->code;
	pd_cell_recover(cell);
	http = pd_http_start(&http_options, pd_api_handler(api), err);
	if (http == NULL)
	{
		pd_api_free(api);
		return err->code;
	}
	begin_serving(config->listen);
	wait_for_signals(cell, config->keys);
	pd_log(PD_LOG_INFO, "pocketd: stopping");
	pd_api_stop(api);
	atomic_store(&peers_end_us, pd_vfs_real.monotonic_us(&pd_vfs_real) + DRAIN_US);
	pd_http_stop(http);
	pd_api_free(api);
	return PK_OK;
}

/* Every drive is opened, usable or not (the store says on the log which are not); false when memory is lacking. */
static bool
open_drives(const struct pd_config *config, struct pd_drive **drives)
{
	for (int i = 0; i < config->drive_count; i++)
	{
		drives[i] = pd_drive_open(&pd_vfs_real, config->drives[i]);
		if (drives[i] == NULL)
			return false;
	}
	return true;
}

/* With the drives open and the keys read: serves, or recovers. */
static int
with_cell(const struct pd_config *config,
		  pk_error (*work)(const struct pd_config *config, struct pd_drive **drives, struct pd_cell *cell,
						   struct pd_buffer_pool *buffers, struct pd_err *err))
{
	struct pd_drive *drives[PD_DRIVES_MAX] = {NULL};
	struct pd_buffer_pool *buffers = NULL;
	struct pd_cell *cell = NULL;
	struct pd_peer_options peers;
	pk_keyring keys;
	struct pd_err err = {PK_OK, ""};
	pk_error result = pd_keys_load(config->keys, &keys, &err);

	if (result == PK_OK)
	{
		buffers = pd_buffer_pool_create(BUFFERS_KEPT);
		if (buffers == NULL || !open_drives(config, drives))
			result = pd_fail(&err, PK_ERR_NO_MEMORY, "out of memory for the drives");
		else
		{
			cell = pd_cell_create(drives, config->drive_count, &keys, buffers, &err);
			if (cell != NULL)
				prepare_peers(config, cell, &peers);
			result = cell != NULL ? work(config, drives, cell, buffers, &err) : err.code;
		}
		OPENSSL_cleanse(&keys, sizeof(keys));
	}

	if (cell != NULL)
		pd_cell_free(cell);
	for (int i = 0; i < config->drive_count; i++)
	{
		if (drives[i] != NULL)
			pd_drive_close(drives[i]);
	}
	if (buffers != NULL)
		pd_buffer_pool_free(buffers);
	if (result != PK_OK)
		fprintf(stderr, "pocketd: %s\n", err.text);
	return result == PK_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int
run(const struct pd_config *config)
{
	int status;

	harden();
	if (!start_signals())
	{
		fprintf(stderr, "pocketd: could not start a thread for signals\n");
		return EXIT_FAILURE;
	}
	status = with_cell(config, serve);
	if (status == EXIT_SUCCESS)
		pd_log(PD_LOG_INFO, "pocketd: stopped");
	return status;
}

static pk_error
recover_cell(const struct pd_config *config, struct pd_drive **drives, struct pd_cell *cell,
			 struct pd_buffer_pool *buffers, struct pd_err *err)
{
	(void) buffers;
	return pd_recover(config, drives, cell, err);
}

static int
recover(const struct pd_config *config)
{
	harden();
	return with_cell(config, recover_cell);
}

static int
run_command(const struct pd_config *config)
{
	switch (config->command)
	{
		case PD_COMMAND_HELP:
			return fputs(usage, stdout) == EOF ? EXIT_FAILURE : EXIT_SUCCESS;
		case PD_COMMAND_VERSION:
			return puts("pocketd " PD_VERSION) == EOF ? EXIT_FAILURE : EXIT_SUCCESS;
		case PD_COMMAND_KEYGEN:
			return keygen();
		case PD_COMMAND_INIT:
			return init(config);
		case PD_COMMAND_RUN:
			return run(config);
		case PD_COMMAND_CHECK:
			return pd_check(config);
		case PD_COMMAND_RECOVER:
			return recover(config);
	}
	return EXIT_FAILURE;
}

int
main(int argc, char **argv)
{
	struct pd_config config;
	struct pd_err err = {PK_OK, ""};
	int status;

	if (pd_config_parse(&config, argc, argv, &err) == PK_OK)
	{
		status = run_command(&config);
		if (fflush(stdout) != 0)
			status = EXIT_FAILURE;
	}
	else
	{
		fprintf(stderr, "pocketd: %s\n", err.text);
		if (err.code == PK_ERR_MALFORMED)
			fprintf(stderr, "Try 'pocketd --help'.\n");
		status = EXIT_USAGE;
	}
	pd_config_free(&config);
	return status;
}
