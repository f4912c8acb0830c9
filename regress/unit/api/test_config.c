/*
 * What the command line and the configuration file may say, and which key files
 * are accepted.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"

#define ARGUMENTS_MAX 32

static char dir[] = "/tmp/pocket-config-XXXXXX";
static char path[64];

static int
setup(void **state)
{
	(void) state;
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/file", dir);
	return 0;
}

static int
teardown(void **state)
{
	(void) state;
	(void) unlink(path);
	return rmdir(dir);
}

static void
write_file(const char *text, size_t length, mode_t mode)
{
	int fd;

	(void) unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, length), (ssize_t) length);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(close(fd), 0);
}

/* Parses a command line given as one text; the last word "@" stands for --config and the file. */
static pk_error
parse(struct pd_config *config, const char *line, struct pd_err *err)
{
	char copy[512];
	char *argv[ARGUMENTS_MAX] = {"pocketd"};
	int argc = 1;
	char *rest = copy;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *word; (word = strsep(&rest, " ")) != NULL && argc < ARGUMENTS_MAX - 2;)
	{
		if (strcmp(word, "@") == 0)
		{
			argv[argc++] = "--config";
			argv[argc++] = path;
		}
		else if (word[0] != '\0')
			argv[argc++] = word;
	}
	return pd_config_parse(config, argc, argv, err);
}

static void
expect_refused(const char *line, pk_error code, const char *words)
{
	struct pd_config config;
	struct pd_err err = {PK_OK, ""};

	assert_int_equal(parse(&config, line, &err), code);
	if (strstr(err.text, words) == NULL)
		fail_msg("\"%s\" said \"%s\", not \"%s\"", line, err.text, words);
	pd_config_free(&config);
}

static void
a_whole_command_line(void **state)
{
	struct pd_config config;
	struct pd_err err;

	(void) state;
	assert_int_equal(parse(&config, "run --listen 127.0.0.1:7070 --keys=/k --drive /a --drive /b/ --zone z=1", &err),
					 PK_OK);
	assert_int_equal(config.command, PD_COMMAND_RUN);
	assert_string_equal(config.listen, "127.0.0.1:7070");
	assert_string_equal(config.keys, "/k");
	assert_string_equal(config.zone, "z=1");
	assert_int_equal(config.peer_timeout_s, PD_PEER_TIMEOUT_DEFAULT);
	assert_int_equal(config.drive_count, 2);
	assert_string_equal(config.drives[0], "/a");
	assert_string_equal(config.drives[1], "/b");
	pd_config_free(&config);

	assert_int_equal(parse(&config, "run --listen 127.0.0.1:1 --keys=/k --drive /a --peer-timeout 1", &err), PK_OK);
	assert_int_equal(config.peer_timeout_s, 1);
	pd_config_free(&config);
	assert_int_equal(parse(&config, "run --listen 127.0.0.1:1 --keys=/k --drive /a --peer-timeout=600", &err), PK_OK);
	assert_int_equal(config.peer_timeout_s, PD_PEER_TIMEOUT_MAX);
	pd_config_free(&config);

	assert_int_equal(parse(&config, "keygen", &err), PK_OK);
	assert_int_equal(config.command, PD_COMMAND_KEYGEN);
	assert_int_equal(parse(&config, "--version", &err), PK_OK);
	assert_int_equal(config.command, PD_COMMAND_VERSION);
	assert_int_equal(parse(&config, "--help", &err), PK_OK);
	assert_int_equal(config.command, PD_COMMAND_HELP);
	assert_int_equal(parse(&config, "check --drive /", &err), PK_OK);
	assert_string_equal(config.drives[0], "/");
	pd_config_free(&config);
}

static void
wrong_command_lines_are_refused(void **state)
{
	(void) state;
	expect_refused("", PK_ERR_MALFORMED, "a command is missing");
	expect_refused("serve", PK_ERR_MALFORMED, "unknown command \"serve\"");
	expect_refused("recover --keys /k --to /t", PK_ERR_MALFORMED, "recover needs at least one --drive");
	expect_refused("recover --to /t --drive /a", PK_ERR_MALFORMED, "recover needs --keys");
	expect_refused("recover --keys /k --drive /a", PK_ERR_MALFORMED, "recover needs --to");
	expect_refused("recover --keys /k --drive /a --to /t --zone z", PK_ERR_MALFORMED,
				   "recover takes no option \"zone\"");
	expect_refused("check --drive /a --to /t", PK_ERR_MALFORMED, "check takes no option \"to\"");
	expect_refused("rekey", PK_ERR_UNSUPPORTED, "'rekey' is not part of this release");
	expect_refused("init", PK_ERR_MALFORMED, "--drive");
	expect_refused("init /a", PK_ERR_MALFORMED, "no option");
	expect_refused("init --drive", PK_ERR_MALFORMED, "no value");
	expect_refused("init --drive=", PK_ERR_MALFORMED, "no value");
	expect_refused("init --drive /a --drive /a/", PK_ERR_MALFORMED, "given twice");
	expect_refused("init --drive /a --keys /k", PK_ERR_MALFORMED, "no option \"keys\"");
	expect_refused("keygen --drive /a", PK_ERR_MALFORMED, "no option");
	expect_refused("run --drive /a --keys /k", PK_ERR_MALFORMED, "--listen");
	expect_refused("run --drive /a --listen unix:/s", PK_ERR_MALFORMED, "--keys");
	expect_refused("run --keys /k --listen unix:/s", PK_ERR_MALFORMED, "--drive");
	expect_refused("run --an-option-of-more-than-thirty-one-letters 1", PK_ERR_MALFORMED, "no option");
	expect_refused("run --tls-cert /c", PK_ERR_MALFORMED, "TLS is not part of this release");
	expect_refused("run --tls-key=/c", PK_ERR_MALFORMED, "TLS is not part of this release");
	expect_refused("run --drive /a --keys /k --listen 0.0.0.0:7070", PK_ERR_MALFORMED,
				   "TLS is not part of this release");
}

static void
only_addresses_inside_the_machine_are_listened_on(void **state)
{
	static const char *const good[] = {"127.0.0.1:7070", "127.1.2.3:1", "[::1]:7070", "unix:/run/pocketd.sock"};
	static const char *const plain[] = {"0.0.0.0:7070", "10.0.0.1:7070", "[::]:7070", "[2001:db8::1]:7070",
										"128.0.0.1:7070"};
	static const char *const bad[] = {"",		   ":7070",	   "localhost:7070", "127.0.0.1", "[::1]",
									  "[::1]7070", "::1:7070", "[127.0.0.1]:70", "unix:here", "[::1"};
	struct pd_err err;

	(void) state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(pd_config_check_listen(good[i], &err), PK_OK);
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
	{
		assert_int_equal(pd_config_check_listen(plain[i], &err), PK_ERR_MALFORMED);
		assert_non_null(strstr(err.text, "TLS is not part of this release"));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		assert_int_equal(pd_config_check_listen(bad[i], &err), PK_ERR_MALFORMED);
		assert_null(strstr(err.text, "TLS"));
	}
}

static void
a_file_stands_for_options(void **state)
{
	static const char text[] = "# a node\n\n listen\t[::1]:7070  \r\ndrive /a b\ndrive /c\nkeys /k";
	struct pd_config config;
	struct pd_err err;

	(void) state;
	write_file(text, sizeof(text) - 1, 0644);
	assert_int_equal(parse(&config, "run --drive /first @ --keys /later", &err), PK_OK);
	assert_string_equal(config.listen, "[::1]:7070");
	assert_string_equal(config.keys, "/later");
	assert_int_equal(config.drive_count, 3);
	assert_string_equal(config.drives[1], "/a b");
	pd_config_free(&config);
}

static void
a_bad_file_is_refused_with_its_line(void **state)
{
	(void) state;
	write_file("keys /k\nlissen x\n", 17, 0644);
	expect_refused("run @", PK_ERR_MALFORMED, "file:2: ");
	write_file("keys\n", 5, 0644);
	expect_refused("run @", PK_ERR_MALFORMED, "no value");
	write_file("config /etc/passwd\n", 19, 0644);
	expect_refused("run @", PK_ERR_MALFORMED, "no option \"config\"");
	write_file("keys /k\0x\n", 10, 0644);
	expect_refused("run @", PK_ERR_MALFORMED, "NUL");
	write_file("tls-cert /c\n", 12, 0644);
	expect_refused("run @", PK_ERR_MALFORMED, "TLS is not part of this release");
	(void) unlink(path);
	expect_refused("run @", PK_ERR_NOT_FOUND, "could not open");
	expect_refused("init @", PK_ERR_MALFORMED, "no option \"config\"");
}

static void
a_key_file_is_for_its_owner_alone(void **state)
{
	pk_key key = {.id = 7};
	char line[PK_KEY_LINE];
	pk_keyring ring;
	struct pd_err err;

	(void) state;
	memset(key.secret, 0xab, sizeof(key.secret));
	pk_key_format(line, &key);
	write_file(line, strlen(line), 0600);
	assert_int_equal(pd_keys_load(path, &ring, &err), PK_OK);
	assert_int_equal(ring.count, 1);
	assert_int_equal(ring.keys[0].id, 7);
	assert_memory_equal(ring.keys[0].secret, key.secret, PK_KEY_SIZE);

	for (mode_t bit = 1; bit < 0100; bit <<= 1)
	{
		write_file(line, strlen(line), 0600 | bit);
		assert_int_equal(pd_keys_load(path, &ring, &err), PK_ERR_DENIED);
		assert_non_null(strstr(err.text, "chmod 600"));
	}
	assert_int_equal(pd_keys_load(dir, &ring, &err), PK_ERR_MALFORMED);
	assert_int_equal(pd_keys_load("/tmp/pocket-no-such-file", &ring, &err), PK_ERR_NOT_FOUND);
	assert_int_equal(ring.keys[0].id, 7);
}

static void
a_bad_key_file_is_refused_with_its_line(void **state)
{
	static char large[70000];
	pk_keyring ring = {0};
	struct pd_err err;

	(void) state;
	write_file("", 0, 0600);
	assert_int_equal(pd_keys_load(path, &ring, &err), PK_ERR_NO_KEY);
	write_file("# key\n5 00ff\n", 13, 0600);
	assert_int_not_equal(pd_keys_load(path, &ring, &err), PK_OK);
	assert_non_null(strstr(err.text, "file:2: "));
	memset(large, '\n', sizeof(large));
	write_file(large, sizeof(large), 0600);
	assert_int_not_equal(pd_keys_load(path, &ring, &err), PK_OK);
	assert_int_equal(ring.count, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_command_line),
		cmocka_unit_test(wrong_command_lines_are_refused),
		cmocka_unit_test(only_addresses_inside_the_machine_are_listened_on),
		cmocka_unit_test(a_file_stands_for_options),
		cmocka_unit_test(a_bad_file_is_refused_with_its_line),
		cmocka_unit_test(a_key_file_is_for_its_owner_alone),
		cmocka_unit_test(a_bad_key_file_is_refused_with_its_line),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
