/*
 * cli/remote.c
 *	  A folder of Pocket, and all that is below it.
 */
#include "cli/remote.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_ROWS "2000"
#define COLUMNS                                                                                                     \
	"path, kind, size, (extract(epoch FROM mtime) * 1000000)::bigint, attributes->>'mode', attributes->>'target', " \
	"rev "

#define STATE_MISSING "42704"
#define STATE_DUPLICATE "42710"

static bool
set_base(struct pd_remote *remote, const char *path)
{
	size_t length = strlen(path);

	while (length > 0 && path[length - 1] == '/')
		length--;
	free(remote->base);
	remote->base = strndup(path, length);
	return remote->base != NULL;
}

static void
own_error(struct pd_session *session, const char *text)
{
	snprintf(session->sqlstate, sizeof(session->sqlstate), "XX000");
	snprintf(session->error, sizeof(session->error), "%s", text);
}

enum pd_remote_state
pd_remote_open(struct pd_remote *remote, struct pd_session *session, const char *path)
{
	struct pd_parameters p = {0};
	enum pd_remote_state state = PD_REMOTE_MISSING;
	PGresult *result;

	*remote = (struct pd_remote){0};
	if (!set_base(remote, path))
	{
		own_error(session, "out of memory");
		return PD_REMOTE_ERROR;
	}
	pd_parameters_text(&p, path);
	result = pd_session_query(session, "SELECT s.path, s.kind FROM pocket.stat($1) AS s", &p, false);
	if (result == NULL)
		return strcmp(session->sqlstate, STATE_MISSING) == 0 ? PD_REMOTE_MISSING : PD_REMOTE_ERROR;
	if (PQntuples(result) == 1 && !PQgetisnull(result, 0, 0))
	{
		state = strcmp(PQgetvalue(result, 0, 1), "folder") == 0 ? PD_REMOTE_FOLDER : PD_REMOTE_FILE;
		if (!set_base(remote, PQgetvalue(result, 0, 0)))
		{
			own_error(session, "out of memory");
			state = PD_REMOTE_ERROR;
		}
	}
	PQclear(result);
	return state;
}

void
pd_remote_close(struct pd_remote *remote)
{
	free(remote->base);
	remote->base = NULL;
}

bool
pd_remote_create_namespace(const struct pd_remote *remote, struct pd_session *session)
{
	struct pd_parameters p = {0};
	const char *colon = strchr(remote->base, ':');
	char *name;
	bool ok;

	if (remote->base[0] == '/' || colon == NULL)
		return true;
	name = strndup(remote->base, (size_t) (colon - remote->base));
	if (name == NULL)
	{
		own_error(session, "out of memory");
		return false;
	}
	pd_parameters_text(&p, name);
	ok = pd_session_run(session, "SELECT pocket.create_namespace($1, case_sensitive => true)", &p) ||
		 strcmp(session->sqlstate, STATE_DUPLICATE) == 0;
	free(name);
	return ok;
}

bool
pd_remote_case_sensitive(const struct pd_remote *remote, struct pd_session *session)
{
	struct pd_parameters p = {0};
	PGresult *result;
	bool sensitive = true;

	pd_parameters_text(&p, remote->base);
	result = pd_session_query(
		session, "SELECT case_sensitive FROM pocket.namespaces WHERE name = split_part($1, ':', 1)", &p, false);
	if (result != NULL && PQntuples(result) == 1)
		sensitive = PQgetvalue(result, 0, 0)[0] == 't';
	PQclear(result);
	return sensitive;
}

static bool
parse_row(struct pd_items *items, const PGresult *result, int row, const char *path)
{
	const char *target = PQgetisnull(result, row, 5) ? NULL : PQgetvalue(result, row, 5);
	const char *kind = PQgetvalue(result, row, 1);
	struct pd_item *item = pd_items_add(items, path, target);

	if (item == NULL)
		return false;
	item->kind = strcmp(kind, "folder") == 0	? PD_KIND_FOLDER
				 : strcmp(kind, "symlink") == 0 ? PD_KIND_SYMLINK
												: PD_KIND_FILE;
	item->size = strtoll(PQgetvalue(result, row, 2), NULL, 10);
	item->mtime_us = strtoll(PQgetvalue(result, row, 3), NULL, 10);
	if (!PQgetisnull(result, row, 4))
		item->mode = (uint32_t) strtoul(PQgetvalue(result, row, 4), NULL, 8) & 07777;
	item->rev = strtoll(PQgetvalue(result, row, 6), NULL, 10);
	return true;
}

bool
pd_remote_single(struct pd_remote *remote, struct pd_session *session, struct pd_items *items)
{
	struct pd_parameters p = {0};
	PGresult *result;
	char *slash = strrchr(remote->base, '/');
	bool ok;

	pd_parameters_text(&p, remote->base);
	result = pd_session_query(session, "SELECT " COLUMNS "FROM pocket.stat($1)", &p, false);
	if (result == NULL)
		return false;
	ok = slash != NULL && PQntuples(result) == 1 && parse_row(items, result, 0, slash + 1);
	PQclear(result);
	if (ok)
		*slash = '\0';
	else
		own_error(session, "the file went away");
	return ok;
}

/* Appends one page; *last becomes its last path. -1 error, else rows. */
static int
list_page(const struct pd_remote *remote, struct pd_session *session, struct pd_items *items, char **last)
{
	struct pd_parameters p = {0};
	size_t base = strlen(remote->base);
	char top[16];
	PGresult *result;
	int rows;

	/* the root of a namespace is written with its slash */
	snprintf(top, sizeof(top), "%s", strchr(remote->base, '/') == NULL ? "/" : "");
	{
		char *path = malloc(base + sizeof(top));

		if (path == NULL)
			return own_error(session, "out of memory"), -1;
		snprintf(path, base + sizeof(top), "%s%s", remote->base, top);
		pd_parameters_text(&p, path);
		pd_parameters_text(&p, *last);
		result = pd_session_query(session, "SELECT " COLUMNS "FROM pocket.ls($1, true, $2, " PAGE_ROWS ")", &p, false);
		free(path);
	}
	if (result == NULL)
		return -1;
	rows = PQntuples(result);
	for (int i = 0; i < rows; i++)
	{
		const char *path = PQgetvalue(result, i, 0);

		if (strncmp(path, remote->base, base) != 0 || path[base] != '/' || path[base + 1] == '\0' ||
			!parse_row(items, result, i, path + base + 1))
		{
			own_error(session, "pocket.ls answered a path that is not below the one asked for");
			rows = -1;
			break;
		}
	}
	if (rows > 0)
	{
		const char *path = PQgetvalue(result, rows - 1, 0);

		if (*last != NULL && strcmp(*last, path) == 0)
		{
			own_error(session, "pocket.ls answered the same page twice");
			rows = -1;
		}
		else
		{
			free(*last);
			*last = strdup(path);
		}
	}
	PQclear(result);
	return rows;
}

bool
pd_remote_list(const struct pd_remote *remote, struct pd_session *session, struct pd_items *items, bool (*stop)(void))
{
	char *last = NULL;
	int rows;

	do
	{
		rows = list_page(remote, session, items, &last);
		if (rows > 0 && stop != NULL && stop())
			rows = -1;
	} while (rows > 0);
	free(last);
	return rows == 0;
}

bool
pd_remote_path(const struct pd_remote *remote, char *out, size_t size, const char *path)
{
	int length = snprintf(out, size, "%s/%s", remote->base, path);

	return length >= 0 && (size_t) length < size;
}
