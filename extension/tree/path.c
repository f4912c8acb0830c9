/*
 * path.c
 *	  Parsing paths, and writing them.
 */
#include "tree/tree.h"

#include "base/guc.h"
#include "contract/pk_name.h"
#include "miscadmin.h"

/* The namespace's part of text; returns what follows it, which begins with a slash. */
static const char *
parse_namespace(PocketPath *path, const char *text)
{
	const char *colon;

	if (text[0] == '/')
	{
		if (pocket_namespace[0] == '\0')
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("path \"%s\" does not name its namespace", text),
					 errhint("Write name:%s, or set pocket.namespace.", text)));
		path->namespace_name = pstrdup(pocket_namespace);
		return text;
	}
	colon = strchr(text, ':');
	if (colon == NULL || colon == text || colon[1] != '/')
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid path \"%s\"", text),
						errhint("A path is name:/folder/file, or /folder/file in the namespace that pocket.namespace "
								"names.")));
	path->namespace_name = pnstrdup(text, colon - text);
	return colon + 1;
}

static void
add_name(PocketPath *path, const char *text, const char *name, Size length)
{
	size_t at;
	pk_name_fault fault = pk_name_check(name, length, &at);

	if (fault != PK_NAME_VALID)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid path \"%.1000s\"", text),
						errdetail("Name %d %s.", path->depth + 1, pk_name_fault_text(fault))));
	if (path->depth >= PK_PATH_DEPTH_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("path has more than %d names", PK_PATH_DEPTH_MAX)));
	path->names[path->depth++] = pnstrdup(name, length);
}

void
pocket_path_parse(PocketPath *path, const char *text)
{
	const char *rest;
	const char *p;
	int slashes = 0;

	memset(path, 0, sizeof(*path));
	if (strlen(text) > PK_PATH_SIZE_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("path is longer than %d bytes", PK_PATH_SIZE_MAX)));
	rest = parse_namespace(path, text);
	for (p = rest; *p != '\0'; p++)
		slashes += *p == '/';
	path->names = palloc(sizeof(char *) * (Size) slashes);
	while (*rest == '/')
	{
		Size length = strcspn(rest + 1, "/");

		/* the end of "/" and of "/a/" */
		if (rest[1] == '\0')
		{
			path->slash = true;
			break;
		}
		add_name(path, text, rest + 1, length);
		rest += 1 + length;
	}
}

void
pocket_path_check_leaf(const PocketPath *path)
{
	if (path->slash)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("a path that ends in a slash is that of a folder"),
						errhint("Leave out the slash at the end.")));
}

char *
pocket_path_join(const char *path, const char *name)
{
	Size length = strlen(path);

	/* a root's path has its slash already */
	return psprintf("%s%s%s", path, length > 0 && path[length - 1] == '/' ? "" : "/", name);
}

char *
pocket_path_given(const PocketNamespace *ns, const PocketPath *path)
{
	char *given = psprintf("%s:/", ns->name);
	int i;

	for (i = 0; i < path->depth; i++)
		given = pocket_path_join(given, path->names[i]);
	return given;
}

char *
pocket_path_of(const PocketNamespace *ns, int64 parent_id, const char *name)
{
	char *path = pstrdup(name);

	while (parent_id != POCKET_ROOT_PARENT_ID)
	{
		PocketState state;
		char *above = NULL;
		int64 id = parent_id;

		CHECK_FOR_INTERRUPTS();
		if (pocket_entry_find(&state, ns->ns_id, id, false))
		{
			parent_id = state.parent_id;
			above = state.name;
		}
		else if (!pocket_journal_last_place(ns->ns_id, id, &parent_id, &above))
			ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
							errmsg("folder " INT64_FORMAT " of namespace \"%s\" is neither live nor in the journal", id,
								   ns->name)));
		path = psprintf("%s/%s", above, path);
	}
	/* the root's own name is empty: its path has come out as "", all others as "/..." */
	return psprintf("%s:%s", ns->name, path[0] == '\0' ? "/" : path);
}
