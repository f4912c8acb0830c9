/*
 * guc.c
 *	  Definitions of Pocket's settings.
 *
 * Nothing is PGC_POSTMASTER, so that the library can be loaded by a session as
 * well as by shared_preload_libraries.
 */
#include "base/guc.h"

#include <limits.h>

#include "contract/pk_acl.h"
#include "contract/pk_code.h"
#include "contract/pk_limits.h"
#include "utils/guc.h"

char *pocket_namespace = NULL;
char *pocket_principal = NULL;
int pocket_device = 0;
int pocket_inline_limit = 2048;
int pocket_block_size = PK_BLOCK_SIZE_MAX;
int pocket_client_timeout_ms = 30 * 1000;
char *pocket_database = NULL;
char *pocket_key_file = NULL;
char *pocket_ca_file = NULL;
int pocket_bucket_size_kb = 1024 * 1024;
int pocket_bucket_idle_ms = 10 * 60 * 1000;
int pocket_open_buckets = 6;
int pocket_replicas = 0;
char *pocket_code = NULL;
int pocket_encode_after_s = 0;
int pocket_trash_retention_s = 7 * 24 * 3600;
int pocket_compact_below = 50;
int pocket_drive_timeout_ms = 15 * 60 * 1000;
int pocket_repair_rate_kb = 50 * 1024;
int pocket_scrub_rate_kb = 50 * 1024;
int pocket_coordinator_interval_ms = 5 * 1000;
double pocket_annual_failure_rate = 0.015;

#define ANNUAL_FAILURE_RATE_MIN 0.0001
#define ANNUAL_FAILURE_RATE_MAX 1.0
#define INLINE_LIMIT_MAX (64 * 1024)
#define OPEN_BUCKETS_MAX 64
#define BUCKET_SIZE_KB_MIN ((int) (PK_BUCKET_SIZE_MIN / 1024))
#define BUCKET_SIZE_KB_MAX ((int) (PK_BUCKET_SIZE_MAX / 1024))

static bool
check_code(char **value, void **extra, GucSource source)
{
	pk_code code;

	if (pk_code_parse(&code, *value) == PK_OK)
		return true;
	GUC_check_errmsg("code \"%s\" is not the name of a code", *value);
	GUC_check_errhint("Codes are \"replicated\", \"rs(K,M)\", such as \"rs(6,3)\", \"lrc(12,2,2)\", \"lrc(6,2,2)\" and"
					  " \"xor(2,1)\".");
	return false;
}

/* Who may set it, and whether there is such a principal, is asked by each call. */
static bool
check_principal(char **value, void **extra, GucSource source)
{
	if (**value == '\0' || pk_acl_check_name(*value, strlen(*value)) == PK_ACL_VALID)
		return true;
	GUC_check_errmsg("\"%s\" is not the name of a principal", *value);
	GUC_check_errhint("A name has 1 to %d bytes of UTF-8.", PK_ACL_NAME_MAX);
	return false;
}

static void
define_int(const char *name, const char *text, int *variable, int min, int max, GucContext context, int flags)
{
	DefineCustomIntVariable(name, text, NULL, variable, *variable, min, max, context, flags, NULL, NULL, NULL);
}

static void
define_string(const char *name, const char *text, char **variable, const char *boot, GucContext context, int flags,
			  GucStringCheckHook check)
{
	DefineCustomStringVariable(name, text, NULL, variable, boot, context, flags, check, NULL, NULL);
}

static void
define_session_settings(void)
{
	define_string("pocket.namespace", "Namespace of paths that do not name one.", &pocket_namespace, "", PGC_USERSET, 0,
				  NULL);
	define_string("pocket.principal", "Principal for whom the session speaks; empty is the session's role.",
				  &pocket_principal, "", PGC_USERSET, 0, check_principal);
	define_int("pocket.device", "Replica whose counter in a file's version a change raises.", &pocket_device, 0,
			   INT_MAX, PGC_USERSET, 0);
	define_int("pocket.inline_limit", "Content of at most this size is stored in its row.", &pocket_inline_limit, 0,
			   INLINE_LIMIT_MAX, PGC_USERSET, GUC_UNIT_BYTE);
	/* content_hash is defined over blocks of this very size */
	define_int("pocket.block_size", "Size at whose multiples files are cut into blocks.", &pocket_block_size,
			   PK_BLOCK_SIZE_MAX, PK_BLOCK_SIZE_MAX, PGC_USERSET, GUC_UNIT_BYTE);
	define_int("pocket.client_timeout", "Longest wait for one answer of a sidecar.", &pocket_client_timeout_ms, 100,
			   3600 * 1000, PGC_USERSET, GUC_UNIT_MS);
}

static void
define_cell_settings(void)
{
	define_string("pocket.database", "Database in which the coordinator runs.", &pocket_database, "postgres",
				  PGC_SIGHUP, 0, NULL);
	define_string("pocket.key_file", "File with the keys that the server shares with the sidecars.", &pocket_key_file,
				  "", PGC_SIGHUP, GUC_SUPERUSER_ONLY, NULL);
	define_string("pocket.ca_file", "Certificates that sidecars reached by https must be signed by.", &pocket_ca_file,
				  "", PGC_SIGHUP, GUC_SUPERUSER_ONLY, NULL);
	define_string("pocket.code", "Redundancy code of sealed buckets.", &pocket_code, "rs(6,3)", PGC_SUSET, 0,
				  check_code);
	define_int("pocket.bucket_size", "Size at which a bucket is sealed.", &pocket_bucket_size_kb, BUCKET_SIZE_KB_MIN,
			   BUCKET_SIZE_KB_MAX, PGC_SUSET, GUC_UNIT_KB);
	define_int("pocket.bucket_idle", "Age at which an open bucket is sealed although it is not full.",
			   &pocket_bucket_idle_ms, 0, INT_MAX, PGC_SUSET, GUC_UNIT_MS);
	define_int("pocket.open_buckets",
			   "Open buckets that the cell keeps ready; as many as a code has data members fill alike.",
			   &pocket_open_buckets, 1, OPEN_BUCKETS_MAX, PGC_SUSET, 0);
	define_int("pocket.replicas", "Drives that hold each new block; 0 is one more than the losses that the code bears.",
			   &pocket_replicas, 0, PK_MEMBERS_MAX, PGC_SUSET, 0);
	define_int("pocket.encode_after", "Age at which a sealed bucket is encoded.", &pocket_encode_after_s, 0, INT_MAX,
			   PGC_SUSET, GUC_UNIT_S);
	define_int("pocket.trash_retention", "Time for which deleted bytes can come back.", &pocket_trash_retention_s, 0,
			   INT_MAX, PGC_SUSET, GUC_UNIT_S);
	define_int("pocket.compact_below", "Percentage of live bytes below which a sealed volume is compacted; 0 is never.",
			   &pocket_compact_below, 0, 100, PGC_SUSET, 0);
	define_int("pocket.drive_timeout", "Silence after which a drive counts as failed.", &pocket_drive_timeout_ms, 0,
			   INT_MAX, PGC_SUSET, GUC_UNIT_MS);
	define_int("pocket.repair_rate", "Bytes a second that repair may read; 0 is no limit.", &pocket_repair_rate_kb, 0,
			   INT_MAX, PGC_SUSET, GUC_UNIT_KB);
	define_int("pocket.scrub_rate", "Bytes a second that scrubbing may read; 0 is no limit.", &pocket_scrub_rate_kb, 0,
			   INT_MAX, PGC_SUSET, GUC_UNIT_KB);
	define_int("pocket.coordinator_interval", "Pause between two passes of the coordinator.",
			   &pocket_coordinator_interval_ms, 100, INT_MAX, PGC_SIGHUP, GUC_UNIT_MS);
	DefineCustomRealVariable("pocket.annual_failure_rate",
							 "Share of drives that fail in a year, for pocket.durability().", NULL,
							 &pocket_annual_failure_rate, pocket_annual_failure_rate, ANNUAL_FAILURE_RATE_MIN,
							 ANNUAL_FAILURE_RATE_MAX, PGC_USERSET, 0, NULL, NULL, NULL);
}

void
pocket_guc_init(void)
{
	define_session_settings();
	define_cell_settings();
	MarkGUCPrefixReserved("pocket");
}
