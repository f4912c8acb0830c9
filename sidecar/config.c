/*
 * config.c
 *	  One reader of options for the command line and the file.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>

#define PATH_SIZE_MAX 3900 /* leaves room for the files below a drive */
#define KEY_FILE_SIZE_MAX 65536
#define PLAIN_ONLY "TLS is not part of this release; listen on a loopback address or a Unix socket"

static const struct command
{
	const char *name;
	enum pd_command command;
	bool drives;
	bool keys;	 /* takes --keys and --config */
	bool serves; /* takes --listen, --zone and --peer-timeout */
	bool to;	 /* takes --to */
} commands[] = {
	{"keygen", PD_COMMAND_KEYGEN, false, false, false, false}, {"init", PD_COMMAND_INIT, true, false, false, false},
	{"run", PD_COMMAND_RUN, true, true, true, false},		   {"check", PD_COMMAND_CHECK, true, false, false, false},
	{"recover", PD_COMMAND_RECOVER, true, true, false, true},
};

static pk_error
replace(char **at, const char *value, struct pd_err *err)
{
	char *copy = strdup(value);

	if (copy == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "out of memory");
	free(*at);
	*at = copy;
	return PK_OK;
}

static pk_error
add_drive(struct pd_config *config, const char *value, struct pd_err *err)
{
	char *copy;
	size_t length = strlen(value);

	if (config->drive_count == PD_DRIVES_MAX)
		return pd_fail(err, PK_ERR_MALFORMED, "more than %d drives", PD_DRIVES_MAX);
	if (length > PATH_SIZE_MAX)
		return pd_fail(err, PK_ERR_MALFORMED, "the path of a drive is longer than %d bytes", PATH_SIZE_MAX);
	copy = strdup(value);
	if (copy == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "out of memory");
	while (length > 1 && copy[length - 1] == '/')
		copy[--length] = '\0';
	for (int i = 0; i < config->drive_count; i++)
	{
		if (strcmp(config->drives[i], copy) == 0)
		{
			pk_error result = pd_fail(err, PK_ERR_MALFORMED, "drive \"%s\" is given twice", copy);

			free(copy);
			return result;
		}
	}
	config->drives[config->drive_count++] = copy;
	return PK_OK;
}

static pk_error
set_seconds(int *at, const char *name, const char *value, int max, struct pd_err *err)
{
	char *end;
	long seconds = strtol(value, &end, 10);

	if (value[0] < '0' || value[0] > '9' || *end != '\0' || seconds < 1 || seconds > max)
		return pd_fail(err, PK_ERR_MALFORMED, "%s is 1 to %d seconds, not \"%s\"", name, max, value);
	*at = (int) seconds;
	return PK_OK;
}

/* Takes an option of the command; name is without dashes. */
static pk_error
set_option(struct pd_config *config, const struct command *command, const char *name, const char *value,
		   struct pd_err *err)
{
	if (command->serves && strncmp(name, "tls-", 4) == 0)
		return pd_fail(err, PK_ERR_MALFORMED, PLAIN_ONLY);
	if (value[0] == '\0')
		return pd_fail(err, PK_ERR_MALFORMED, "option \"%s\" has no value", name);
	if (command->drives && strcmp(name, "drive") == 0)
		return add_drive(config, value, err);
	if (command->serves && strcmp(name, "listen") == 0)
		return replace(&config->listen, value, err);
	if (command->keys && strcmp(name, "keys") == 0)
		return replace(&config->keys, value, err);
	if (command->serves && strcmp(name, "zone") == 0)
		return replace(&config->zone, value, err);
	if (command->serves && strcmp(name, "peer-timeout") == 0)
		return set_seconds(&config->peer_timeout_s, name, value, PD_PEER_TIMEOUT_MAX, err);
	if (command->to && strcmp(name, "to") == 0)
		return replace(&config->to, value, err);
	return pd_fail(err, PK_ERR_MALFORMED, "%s takes no option \"%s\"", command->name, name);
}

/* Cuts white space off both ends, in place. */
static char *
trim(char *text)
{
	size_t length;

	text += strspn(text, " \t");
	length = strlen(text);
	while (length > 0 && strchr(" \t\r\n", text[length - 1]) != NULL)
		text[--length] = '\0';
	return text;
}

static pk_error
read_line(struct pd_config *config, const struct command *command, char *line, struct pd_err *err)
{
	char *name = trim(line);
	size_t length = strcspn(name, " \t");
	char *value = name + length;

	if (name[0] == '\0' || name[0] == '#')
		return PK_OK;
	if (*value != '\0')
		*value++ = '\0';
	return set_option(config, command, name, trim(value), err);
}

static pk_error
read_file(struct pd_config *config, const struct command *command, const char *path, struct pd_err *err)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;
	ssize_t length;
	int number = 0;
	pk_error result = PK_OK;
	struct pd_err cause;

	if (file == NULL)
		return pd_fail_errno(err, -errno, "could not open configuration file \"%s\"", path);
	while (result == PK_OK && (length = getline(&line, &room, file)) >= 0)
	{
		number++;
		if (strlen(line) != (size_t) length)
			result = pd_fail(&cause, PK_ERR_MALFORMED, "a NUL byte");
		else
			result = read_line(config, command, line, &cause);
		if (result != PK_OK)
			pd_fail(err, result, "%s:%d: %s", path, number, cause.text);
	}
	if (result == PK_OK && ferror(file))
		result = pd_fail(err, PK_ERR_IO, "could not read configuration file \"%s\"", path);
	free(line);
	(void) fclose(file);
	return result;
}

static pk_error
read_arguments(struct pd_config *config, const struct command *command, int argc, char *const *argv, struct pd_err *err)
{
	for (int i = 2; i < argc; i++)
	{
		char name[32];
		const char *text = argv[i];
		const char *equals;
		size_t length;
		pk_error result;

		if (strncmp(text, "--", 2) != 0 || text[2] == '\0')
			return pd_fail(err, PK_ERR_MALFORMED, "\"%s\" is no option", text);
		text += 2;
		equals = strchr(text, '=');
		length = equals != NULL ? (size_t) (equals - text) : strlen(text);
		if (length >= sizeof(name))
			return pd_fail(err, PK_ERR_MALFORMED, "%s takes no option \"%s\"", command->name, text);
		memcpy(name, text, length);
		name[length] = '\0';
		if (equals == NULL && i + 1 == argc)
			return pd_fail(err, PK_ERR_MALFORMED, "option \"%s\" has no value", name);
		text = equals != NULL ? equals + 1 : argv[++i];

		if (command->serves && strcmp(name, "config") == 0)
			result = read_file(config, command, text, err);
		else
			result = set_option(config, command, name, text, err);
		if (result != PK_OK)
			return result;
	}
	return PK_OK;
}

static const struct command *
find_command(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
	{
		if (strcmp(name, commands[i].name) == 0)
			return &commands[i];
	}
	return NULL;
}

pk_error
pd_config_parse(struct pd_config *config, int argc, char *const *argv, struct pd_err *err)
{
	const char *name = argc > 1 ? argv[1] : "";
	const struct command *command = find_command(name);
	pk_error result;

	memset(config, 0, sizeof(*config));
	config->peer_timeout_s = PD_PEER_TIMEOUT_DEFAULT;
	if (strcmp(name, "--help") == 0 || strcmp(name, "--version") == 0)
	{
		config->command = name[2] == 'h' ? PD_COMMAND_HELP : PD_COMMAND_VERSION;
		return PK_OK;
	}
	if (strcmp(name, "rekey") == 0)
		return pd_fail(err, PK_ERR_UNSUPPORTED, "'%s' is not part of this release", name);
	if (name[0] == '\0')
		return pd_fail(err, PK_ERR_MALFORMED, "a command is missing");
	if (command == NULL)
		return pd_fail(err, PK_ERR_MALFORMED, "unknown command \"%s\"", name);

	config->command = command->command;
	result = read_arguments(config, command, argc, argv, err);
	if (result != PK_OK)
		return result;
	if (command->drives && config->drive_count == 0)
		return pd_fail(err, PK_ERR_MALFORMED, "%s needs at least one --drive", name);
	if (command->serves && config->listen == NULL)
		return pd_fail(err, PK_ERR_MALFORMED, "%s needs --listen", name);
	if (command->keys && config->keys == NULL)
		return pd_fail(err, PK_ERR_MALFORMED, "%s needs --keys", name);
	if (command->to && config->to == NULL)
		return pd_fail(err, PK_ERR_MALFORMED, "%s needs --to", name);
	return command->serves ? pd_config_check_listen(config->listen, err) : PK_OK;
}

void
pd_config_free(struct pd_config *config)
{
	free(config->listen);
	free(config->keys);
	free(config->zone);
	free(config->to);
	for (int i = 0; i < config->drive_count; i++)
		free(config->drives[i]);
	memset(config, 0, sizeof(*config));
}

pk_error
pd_config_check_listen(const char *listen, struct pd_err *err)
{
	char host[64];
	struct in_addr v4;
	struct in6_addr v6;
	const char *end;
	const char *begin = listen;

	if (strncmp(listen, "unix:", 5) == 0)
		return listen[5] == '/'
				   ? PK_OK
				   : pd_fail(err, PK_ERR_MALFORMED, "\"%s\": the path of a Unix socket begins with /", listen);
	if (listen[0] == '[')
	{
		begin = listen + 1;
		end = strchr(begin, ']');
		if (end != NULL && end[1] != ':')
			end = NULL;
	}
	else
		end = strchr(listen, ':');
	if (end == NULL || (size_t) (end - begin) >= sizeof(host))
		return pd_fail(err, PK_ERR_MALFORMED, "\"%s\" is none of 127.0.0.1:PORT, [::1]:PORT, unix:/PATH", listen);
	memcpy(host, begin, (size_t) (end - begin));
	host[end - begin] = '\0';

	if (listen[0] == '[' ? inet_pton(AF_INET6, host, &v6) == 1 : inet_pton(AF_INET, host, &v4) == 1)
	{
		if (listen[0] == '[' ? IN6_IS_ADDR_LOOPBACK(&v6) : ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET)
			return PK_OK;
		return pd_fail(err, PK_ERR_MALFORMED, PLAIN_ONLY);
	}
	return pd_fail(err, PK_ERR_MALFORMED, "\"%s\" is none of 127.0.0.1:PORT, [::1]:PORT, unix:/PATH", listen);
}

/* What an open key file must be. */
static pk_error
check_key_file(int fd, const char *path, struct pd_err *err)
{
	struct stat status;

	if (fstat(fd, &status) != 0)
		return pd_fail_errno(err, -errno, "could not look at key file \"%s\"", path);
	if (!S_ISREG(status.st_mode))
		return pd_fail(err, PK_ERR_MALFORMED, "key file \"%s\" is not a regular file", path);
	if ((status.st_mode & 077) != 0)
		return pd_fail(err, PK_ERR_DENIED, "key file \"%s\" can be read or written by others (mode %03o): chmod 600 it",
					   path, (unsigned) status.st_mode & 0777);
	return PK_OK;
}

/* The whole file from fd, or a negative errno; -EFBIG when it is longer than room. */
static ssize_t
read_all(int fd, char *out, size_t room)
{
	size_t length = 0;

	for (;;)
	{
		ssize_t n;

		if (length == room)
			return -EFBIG;
		n = read(fd, out + length, room - length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return (ssize_t) length;
		length += (size_t) n;
	}
}

pk_error
pd_keys_load(const char *path, pk_keyring *ring, struct pd_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	char *text;
	ssize_t length;
	int line = 0;
	pk_keyring parsed;
	pk_error result;

	if (fd < 0)
		return pd_fail_errno(err, -errno, "could not open key file \"%s\"", path);
	result = check_key_file(fd, path, err);
	text = result == PK_OK ? malloc(KEY_FILE_SIZE_MAX) : NULL;
	if (text == NULL)
	{
		(void) close(fd);
		return result != PK_OK ? result : pd_fail(err, PK_ERR_NO_MEMORY, "out of memory");
	}

	length = read_all(fd, text, KEY_FILE_SIZE_MAX);
	(void) close(fd);
	if (length < 0)
		result = pd_fail_errno(err, (int) length, "could not read key file \"%s\"", path);
	else
	{
		result = pk_keyring_parse(&parsed, text, (size_t) length, &line);
		if (result == PK_ERR_NO_KEY)
			pd_fail(err, result, "key file \"%s\" has no key: 'pocketd keygen' makes one", path);
		else if (result != PK_OK)
			pd_fail(err, result, "%s:%d: not \"KEY-ID SECRET\" (%s)", path, line, pk_error_lookup(result)->message);
		else
			*ring = parsed;
		OPENSSL_cleanse(&parsed, sizeof(parsed));
	}
	OPENSSL_cleanse(text, KEY_FILE_SIZE_MAX);
	free(text);
	return result;
}
