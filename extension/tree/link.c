/*
 * link.c
 *	  Links: whoever has the token may what the link's role may, in what it leads
 *	  to and below it, whoever he is; and nothing else there.
 *
 * A token is the only key: 32 random bytes, of which SHA-256 is kept.  The row is
 * read again for each use, so that a link that expires, is revoked or gets another
 * password is of no use from then on.  A token never stands in what is said about
 * its paths: there they begin with link:#N, N being the token's place in this
 * session's table; results have the token in its place.
 */
#include "tree/tree.h"

#include <openssl/evp.h>

#include "contract/pk_bytes.h"
#include "contract/pk_hash.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#define LINK_MARK "link:"
#define PLACE_MARK "link:#"

/* Tokens that a session remembers; one more takes the place of the one that came first. */
#define PLACES 64

/* scrypt (RFC 7914): 16 MiB of memory and some 50 ms for each try */
#define SCRYPT_N 16384
#define SCRYPT_R 8
#define SCRYPT_P 1

typedef struct Place
{
	char token[POCKET_LINK_TOKEN_SIZE + 1];
	bool is_open; /* by the password whose key this is */
	uint8 key[POCKET_LINK_KEY_SIZE];
} Place;

static Place places[PLACES];
static int next_place = 0;

void
pocket_link_missing(void)
{
	ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("the link does not exist"),
					errdetail("Its token is wrong, or it has expired, or was revoked.")));
}

const char *
pocket_link_parse(const char *text, char **token)
{
	Size length;

	if (strncmp(text, LINK_MARK, strlen(LINK_MARK)) != 0 || text[strlen(LINK_MARK)] == '/')
		return NULL;
	text += strlen(LINK_MARK);
	length = strcspn(text, "/");
	*token = pnstrdup(text, length);
	return text + length;
}

bool
pocket_link_is_path(const char *text)
{
	char *token;

	return pocket_link_parse(text, &token) != NULL && strlen(token) == POCKET_LINK_TOKEN_SIZE;
}

static int
place_of(const char *token)
{
	int place;

	Assert(strlen(token) == POCKET_LINK_TOKEN_SIZE);
	for (place = 0; place < PLACES; place++)
	{
		if (strcmp(places[place].token, token) == 0)
			return place;
	}
	place = next_place;
	next_place = (next_place + 1) % PLACES;
	memset(&places[place], 0, sizeof(Place));
	strlcpy(places[place].token, token, sizeof(places[place].token));
	return place;
}

const char *
pocket_link_shown(const char *path)
{
	char *rest;
	long place;

	if (path == NULL || strncmp(path, PLACE_MARK, strlen(PLACE_MARK)) != 0)
		return path;
	place = strtol(path + strlen(PLACE_MARK), &rest, 10);
	if (place < 1 || place > PLACES)
		return path;
	return psprintf(LINK_MARK "%s%s", places[place - 1].token, rest);
}

bytea *
pocket_link_hash(const char *token)
{
	uint8 hash[PK_SHA256_SIZE];

	pk_sha256(hash, token, strlen(token));
	return (bytea *) cstring_to_text_with_len((const char *) hash, sizeof(hash));
}

void
pocket_link_derive(uint8 key[POCKET_LINK_KEY_SIZE], const char *password, const uint8 salt[POCKET_LINK_SALT_SIZE])
{
	if (EVP_PBE_scrypt(password, strlen(password), salt, POCKET_LINK_SALT_SIZE, SCRYPT_N, SCRYPT_R, SCRYPT_P, 0, key,
					   POCKET_LINK_KEY_SIZE) != 1)
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("a password could not be hashed")));
}

static void
copy_bytes(uint8 *to, Size size, uint64 row, int column)
{
	struct varlena *value = pocket_column_varlena(row, column);

	if (VARSIZE_ANY_EXHDR(value) != size)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("a link's password is damaged")));
	memcpy(to, VARDATA_ANY(value), size);
}

bool
pocket_link_find(PocketLink *link, const bytea *token_hash, bool fresh)
{
	static PocketPlan find = {
		"SELECT l.ns_id, l.file_id, l.role, n.name, n.case_sensitive, l.password_salt, l.password_key "
		"FROM pocket_data.link l JOIN pocket_data.namespace n ON n.ns_id = l.ns_id "
		"JOIN pocket_data.entry e ON e.ns_id = l.ns_id AND e.file_id = l.file_id "
		"WHERE l.token_hash = $1 AND (l.expires_at IS NULL OR l.expires_at > clock_timestamp())",
		"bytea", NULL, NULL};
	Datum values[1] = {PointerGetDatum(token_hash)};
	bool found = pocket_select(&find, values, NULL, fresh, 0) == 1;

	memset(link, 0, sizeof(*link));
	if (found)
	{
		link->ns_id = pocket_column_int64(0, 1);
		link->file_id = pocket_column_int64(0, 2);
		link->rights = pocket_rights_of_role(pocket_column_text(0, 3));
		link->namespace_name = pocket_column_text(0, 4);
		link->case_sensitive = pocket_column_bool(0, 5);
		link->has_password = !pocket_is_null(0, 7);
		if (link->has_password)
		{
			copy_bytes(link->salt, sizeof(link->salt), 0, 6);
			copy_bytes(link->key, sizeof(link->key), 0, 7);
		}
	}
	pocket_free_rows();
	return found;
}

void
pocket_link_remember(const char *token, const PocketLink *link)
{
	Place *place = &places[place_of(token)];

	place->is_open = true;
	memcpy(place->key, link->key, sizeof(place->key));
}

/* Whether the session has opened the link by the password that it has now. */
static void
check_open(const Place *place, const PocketLink *link)
{
	if (!link->has_password)
		return;
	if (!place->is_open || !pk_equal_secret(place->key, link->key, sizeof(link->key)))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PASSWORD), errmsg("the link needs its password"),
						errhint("Call pocket.open_link() with it first, in this session.")));
}

static bool
fill(PocketNamespace *ns, bool fresh)
{
	const Place *place = &places[ns->link - 1];
	PocketLink link;

	if (!pocket_link_find(&link, pocket_link_hash(place->token), fresh))
		return false;
	check_open(place, &link);
	ns->ns_id = link.ns_id;
	ns->name = link.namespace_name;
	ns->case_sensitive = link.case_sensitive;
	ns->base_id = link.file_id;
	ns->is_owned = false;
	/* the entry's own list does not count, whether it cuts or not: the link stands in its place */
	ns->above = link.rights;
	ns->base_acl = NULL;
	pocket_caller_look_up(ns->caller, fresh);
	return true;
}

void
pocket_link_fill(PocketNamespace *ns, bool fresh)
{
	if (!fill(ns, fresh))
		pocket_link_missing();
}

bool
pocket_link_open(PocketNamespace *ns, const char *token, PocketCaller *caller, bool fresh)
{
	memset(ns, 0, sizeof(*ns));
	if (strlen(token) != POCKET_LINK_TOKEN_SIZE)
		return false;
	ns->caller = caller;
	ns->link = place_of(token) + 1;
	ns->prefix = psprintf(PLACE_MARK "%d", ns->link);
	return fill(ns, fresh);
}
