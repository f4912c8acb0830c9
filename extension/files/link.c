/*
 * link.c
 *	  link, unlink and open_link.
 */
#include "files/files.h"

#include "contract/pk_bytes.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(pocket_link_make);
PG_FUNCTION_INFO_V1(pocket_link_revoke);
PG_FUNCTION_INFO_V1(pocket_link_enter);

#define TOKEN_BYTES 32
#define PASSWORD_SIZE_MAX 1024

StaticAssertDecl(PK_BASE64_LENGTH(TOKEN_BYTES) == POCKET_LINK_TOKEN_SIZE, "a token is the text of its bytes");

static void
random_bytes(uint8 *bytes, Size size)
{
	if (!pg_strong_random(bytes, size))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("no random numbers to be had")));
}

static char *
password_argument(FunctionCallInfo fcinfo, int argument)
{
	char *password;

	if (PG_ARGISNULL(argument))
		return NULL;
	password = text_to_cstring(PG_GETARG_TEXT_PP(argument));
	if (password[0] == '\0' || strlen(password) > PASSWORD_SIZE_MAX)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a link's password must have 1 to %d bytes", PASSWORD_SIZE_MAX)));
	return password;
}

/* What a link is to be. */
typedef struct NewLink
{
	char *role;
	uint8 rights;
	bool expires;
	TimestampTz expires_at;
	char *password;
} NewLink;

static void
insert_link(const NewLink *link, const char *token, const PocketSpot *spot, const char *made_by)
{
	static PocketPlan insert = {"INSERT INTO pocket_data.link (token_hash, ns_id, file_id, role, expires_at, "
								"password_salt, password_key, made_by, made_at) "
								"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, clock_timestamp())",
								"bytea int8 int8 text timestamptz bytea bytea text", NULL, NULL};
	uint8 salt[POCKET_LINK_SALT_SIZE] = {0};
	uint8 key[POCKET_LINK_KEY_SIZE] = {0};
	char no_password = link->password == NULL ? 'n' : ' ';
	char nulls[8] = {' ', ' ', ' ', ' ', link->expires ? ' ' : 'n', no_password, no_password, ' '};
	Datum values[8];

	if (link->password != NULL)
	{
		random_bytes(salt, sizeof(salt));
		pocket_link_derive(key, link->password, salt);
	}
	values[0] = PointerGetDatum(pocket_link_hash(token));
	values[1] = Int64GetDatum(spot->state.ns_id);
	values[2] = Int64GetDatum(spot->state.file_id);
	values[3] = CStringGetTextDatum(link->role);
	values[4] = TimestampTzGetDatum(link->expires_at);
	values[5] = PointerGetDatum(cstring_to_text_with_len((const char *) salt, sizeof(salt)));
	values[6] = PointerGetDatum(cstring_to_text_with_len((const char *) key, sizeof(key)));
	values[7] = CStringGetTextDatum(made_by);
	(void) pocket_write(&insert, values, nulls);
}

static void
read_link(NewLink *link, FunctionCallInfo fcinfo)
{
	pocket_check_not_null(fcinfo, 1, "role");
	link->role = text_to_cstring(PG_GETARG_TEXT_PP(1));
	link->rights = pocket_rights_of_role(link->role);
	if ((link->rights & PK_RIGHT_SHARE) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a link cannot have the role \"%s\"", link->role),
				 errhint("Its role is \"viewer\" or \"editor\".")));
	link->expires = !PG_ARGISNULL(2);
	link->expires_at = link->expires ? PG_GETARG_TIMESTAMPTZ(2) : 0;
	if (link->expires && link->expires_at <= GetCurrentTimestamp())
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("the link would have expired already")));
	link->password = password_argument(fcinfo, 3);
}

/* link(path, role, expires, password): the token, which is told here and nowhere else */
Datum
pocket_link_make(PG_FUNCTION_ARGS)
{
	uint8 bytes[TOKEN_BYTES];
	char token[POCKET_LINK_TOKEN_SIZE + 1] = "";
	NewLink link;
	PocketPath path;
	PocketSession session;
	PocketCaller *caller;
	PocketNamespace ns;
	PocketHead head;
	PocketSpot spot;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PreventCommandIfReadOnly("pocket.link()");
	read_link(&link, fcinfo);
	pocket_path_argument(&path, fcinfo, 0);
	random_bytes(bytes, sizeof(bytes));
	pk_base64_encode(token, bytes, sizeof(bytes));

	pocket_enter(&session);
	caller = pocket_caller(&session, fcinfo->flinfo->fn_oid);
	pocket_path_open(&ns, &path, caller, true);
	pocket_check_rights(&ns, &path, PK_RIGHT_SHARE);
	/* who has just lost the right to share shall not leave a link behind */
	pocket_namespace_lock(&head, &ns);
	pocket_resolve_existing(&spot, &ns, &path, true, false);
	pocket_require(&spot, &ns, &path, PK_RIGHT_SHARE | link.rights);
	insert_link(&link, token, &spot, caller->name);
	pocket_audit(caller, "link", ns.ns_id, spot.state.file_id, spot.path,
				 (const char *const[]){"role", link.role, "expires",
									   link.expires ? pstrdup(timestamptz_to_str(link.expires_at)) : "never",
									   "password", link.password == NULL ? "no" : "yes", NULL});
	pocket_leave(&session);
	PG_RETURN_TEXT_P(cstring_to_text(token));
}

/* --- unlink --- */

/* A token, or the id that the view pocket.links shows: the hash in hexadecimal. */
static bytea *
hash_argument(const char *text)
{
	bytea *hash;

	if (strlen(text) != 2 * PK_SHA256_SIZE || strspn(text, "0123456789abcdef") != strlen(text))
		return pocket_link_hash(text);
	hash = palloc(VARHDRSZ + PK_SHA256_SIZE);
	SET_VARSIZE(hash, VARHDRSZ + PK_SHA256_SIZE);
	if (!pk_hex_decode((uint8 *) VARDATA(hash), PK_SHA256_SIZE, text, strlen(text)))
		elog(ERROR, "hexadecimal digits are none");
	return hash;
}

/* unlink(token) */
Datum
pocket_link_revoke(PG_FUNCTION_ARGS)
{
	static PocketPlan find = {"SELECT ns_id, file_id, made_by FROM pocket_data.link WHERE token_hash = $1 FOR UPDATE",
							  "bytea", NULL, NULL};
	static PocketPlan remove = {"DELETE FROM pocket_data.link WHERE token_hash = $1", "bytea", NULL, NULL};
	Datum values[1] = {PointerGetDatum(hash_argument(text_to_cstring(PG_GETARG_TEXT_PP(0))))};
	PocketSession session;
	PocketCaller *caller;
	int64 ns_id;
	int64 file_id;
	char *made_by;
	uint8 rights;

	PreventCommandIfReadOnly("pocket.unlink()");

	pocket_enter(&session);
	caller = pocket_caller(&session, fcinfo->flinfo->fn_oid);
	if (pocket_write(&find, values, NULL) != 1)
		pocket_link_missing();
	ns_id = pocket_column_int64(0, 1);
	file_id = pocket_column_int64(0, 2);
	made_by = pocket_column_text(0, 3);
	pocket_free_rows();
	rights = pocket_policy_rights(pocket_policy(caller, true), ns_id, file_id);
	if (strcmp(made_by, caller->name) != 0 && (rights & PK_RIGHT_SHARE) == 0)
	{
		/* whoever has its id only is not told that there is such a link */
		pocket_refused(caller, ns_id, "link");
		pocket_link_missing();
	}
	(void) pocket_write(&remove, values, NULL);
	pocket_audit(caller, "unlink", ns_id, file_id, NULL, (const char *const[]){"made_by", made_by, NULL});
	pocket_leave(&session);
	PG_RETURN_VOID();
}

/* --- open_link --- */

/* Takes as long for a link that is not there, or needs no password. */
static bool
is_right(const PocketLink *link, const char *password)
{
	uint8 key[POCKET_LINK_KEY_SIZE];

	if (password == NULL)
		return false;
	pocket_link_derive(key, password, link->salt);
	return pk_equal_secret(key, link->key, sizeof(key));
}

/* open_link(token, password): what the link leads to, which the session may use by link:TOKEN from now on */
Datum
pocket_link_enter(PG_FUNCTION_ARGS)
{
	PocketPath path = {0};
	PocketSession session;
	PocketCaller *caller;
	PocketLink link;
	PocketNamespace ns;
	PocketSpot spot;
	char *password;
	bool found;
	bool well;
	Datum result;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	path.link = text_to_cstring(PG_GETARG_TEXT_PP(0));
	password = password_argument(fcinfo, 1);

	pocket_enter(&session);
	caller = pocket_caller(&session, fcinfo->flinfo->fn_oid);
	found = pocket_link_find(&link, pocket_link_hash(path.link), true);
	well = is_right(&link, password);
	if (!found)
		pocket_link_missing();
	if (link.has_password && !well)
	{
		pocket_refused(caller, link.ns_id, "link");
		ereport(ERROR, (errcode(ERRCODE_INVALID_PASSWORD), errmsg("the link's password is another")));
	}
	pocket_link_remember(path.link, &link);
	pocket_path_open(&ns, &path, caller, true);
	pocket_resolve_existing(&spot, &ns, &path, true, false);
	result = pocket_result(fcinfo, &session, &spot.state, spot.path, NULL);
	pocket_leave(&session);
	PG_RETURN_DATUM(result);
}
