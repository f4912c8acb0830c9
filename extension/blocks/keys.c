/*
 * keys.c
 *	  The key file, kept per backend and read again when it changes.
 */
#include "blocks/blocks.h"

#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"

#include "base/guc.h"

#define KEY_FILE_SIZE_MAX 65536

static pk_keyring keyring;
static struct stat keyring_stat;
static char keyring_path[MAXPGPATH];

static bool
unchanged(const struct stat *now)
{
	return keyring.count > 0 && strcmp(keyring_path, pocket_key_file) == 0 && now->st_ino == keyring_stat.st_ino &&
		   now->st_dev == keyring_stat.st_dev && now->st_size == keyring_stat.st_size &&
		   now->st_mtim.tv_sec == keyring_stat.st_mtim.tv_sec && now->st_mtim.tv_nsec == keyring_stat.st_mtim.tv_nsec &&
		   now->st_ctim.tv_sec == keyring_stat.st_ctim.tv_sec && now->st_ctim.tv_nsec == keyring_stat.st_ctim.tv_nsec;
}

/* Where the keys are is nobody's business but the DBA's: to others only the server's log names the file. */
static const char *
shown_path(void)
{
	return superuser_arg(GetSessionUserId()) ? psprintf(" \"%s\"", pocket_key_file) : "";
}

static void
check_mode(const struct stat *st)
{
	if (!S_ISREG(st->st_mode) || (st->st_mode & (S_IRWXG | S_IRWXO)) != 0 || st->st_uid != geteuid())
		ereport(ERROR, (errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
						errmsg("key file%s is not private to the server", shown_path()),
						errdetail("It must be a regular file that belongs to the server's user and has no permissions "
								  "for group or others."),
						errdetail_log("The key file is \"%s\".", pocket_key_file),
						errhint("chown it to the server's user, and chmod 0600.")));
}

static void
keys_load(const struct stat *st)
{
	char *text;
	pk_keyring fresh;
	pk_error error;
	int line = 0;
	FILE *file;
	size_t length;

	check_mode(st);
	file = AllocateFile(pocket_key_file, PG_BINARY_R);
	if (file == NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
						errmsg("could not open key file%s: %m", shown_path()),
						errdetail_log("The key file is \"%s\".", pocket_key_file)));
	text = palloc(KEY_FILE_SIZE_MAX + 1);
	length = fread(text, 1, KEY_FILE_SIZE_MAX + 1, file);
	FreeFile(file);
	error = length > KEY_FILE_SIZE_MAX ? PK_ERR_TOO_LARGE : pk_keyring_parse(&fresh, text, length, &line);
	explicit_bzero(text, length);
	pfree(text);
	if (error != PK_OK)
		ereport(ERROR, (errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
						errmsg("key file%s, line %d: %s", shown_path(), line, pk_error_lookup(error)->message),
						errdetail_log("The key file is \"%s\".", pocket_key_file),
						errhint("pocketd keygen makes one; its lines are \"KEY-ID SECRET\".")));
	keyring = fresh;
	keyring_stat = *st;
	strlcpy(keyring_path, pocket_key_file, sizeof(keyring_path));
	explicit_bzero(&fresh, sizeof(fresh));
}

const pk_keyring *
pocket_keys(void)
{
	struct stat st;

	if (pocket_key_file[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION), errmsg("pocket.key_file is not set"),
				 errhint("Make a key file by pocketd keygen, give it to the server and to pocketd run --keys, and "
						 "set pocket.key_file.")));
	if (stat(pocket_key_file, &st) != 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
						errmsg("could not read key file%s: %m", shown_path()),
						errdetail_log("The key file is \"%s\".", pocket_key_file),
						errhint("pocket.key_file must name the file that pocketd run --keys names.")));
	if (!unchanged(&st))
		keys_load(&st);
	return &keyring;
}
