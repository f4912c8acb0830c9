/*
 * path.c
 *	  Parsing paths, and writing them.
 */
#include "tree/tree.h"

#include "base/guc.h"
#include "contract/pk_name.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/memutils.h"

/* The namespace's part of text; returns what follows it, which begins with a slash. */
static const char *
parse_namespace(PocketPath *path, const char *text)
{
	const char *colon = pocket_link_parse(text, &path->link);

	if (colon != NULL)
	{
		path->namespace_name = pstrdup("link");
		return colon;
	}
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
add_name(PocketPath *path, const char *text, const char *name, Size length, int depth_max)
{
	size_t at;
	pk_name_fault fault = pk_name_check(name, length, &at);

	if (fault != PK_NAME_VALID)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("invalid path \"%.1000s\"", path->link == NULL ? text : strchr(text, '/')),
						errdetail("Name %d %s.", path->depth + 1, pk_name_fault_text(fault))));
	if (path->depth >= depth_max)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("path has more than %d names", depth_max)));
	path->names[path->depth++] = pnstrdup(name, length);
}

static void
parse(PocketPath *path, const char *text, int depth_max)
{
	const char *rest;
	const char *p;
	int slashes = 0;

	memset(path, 0, sizeof(*path));
	rest = parse_namespace(path, text);
	for (p = rest; *p != '\0'; p++)
		slashes += *p == '/';
	path->names = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(char *) * (Size) slashes);
	while (*rest == '/')
	{
		Size length = strcspn(rest + 1, "/");

		/* the end of "/" and of "/a/" */
		if (rest[1] == '\0')
		{
			path->slash = true;
			break;
		}
		add_name(path, text, rest + 1, length, depth_max);
		rest += 1 + length;
	}
}

void
pocket_path_parse(PocketPath *path, const char *text)
{
	if (strlen(text) > PK_PATH_SIZE_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("path is longer than %d bytes", PK_PATH_SIZE_MAX)));
	parse(path, text, PK_PATH_DEPTH_MAX);
}

void
pocket_path_parse_listed(PocketPath *path, const char *text)
{
	parse(path, text, INT_MAX);
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
pocket_path_folder(const char *path)
{
	Size length = (Size) (strrchr(path, '/') - path);

	/* a root keeps its slash */
	return pnstrdup(path, memchr(path, '/', length) == NULL ? length + 1 : length);
}

char *
pocket_path_base(const PocketNamespace *ns)
{
	/* a root has a slash of its own; what is below one has a name */
	return psprintf("%s%s", ns->prefix, strchr(ns->prefix, '/') == NULL ? "/" : "");
}

char *
pocket_path_given(const PocketNamespace *ns, const PocketPath *path)
{
	char *given = path->depth == 0 && !path->slash ? pstrdup(ns->prefix) : pocket_path_base(ns);
	int i;

	for (i = 0; i < path->depth; i++)
		given = pocket_path_join(given, path->names[i]);
	return given;
}

/* Where an entry is, or was last; its name goes to the end of names. */
static int64
step_up(const PocketNamespace *ns, int64 file_id, List **names)
{
	PocketState state;
	int64 parent_id;
	char *name;

	if (pocket_entry_find(&state, ns->ns_id, file_id, false))
	{
		*names = lappend(*names, state.name);
		return state.parent_id;
	}
	if (!pocket_journal_last_place(ns->ns_id, file_id, &parent_id, &name))
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
						errmsg("folder " INT64_FORMAT " of namespace \"%s\" is neither live nor in the journal",
							   file_id, ns->name)));
	*names = lappend(*names, name);
	return parent_id;
}

char *
pocket_path_of(const PocketNamespace *ns, int64 parent_id, const char *name)
{
	List *names = list_make1(unconstify(char *, name));
	StringInfoData path;
	int i;

	/* the root's name is empty, as no other is */
	if (parent_id == POCKET_ROOT_PARENT_ID)
		return ns->base_id == POCKET_ROOT_ID ? pocket_path_base(ns) : NULL;
	while (parent_id != ns->base_id)
	{
		CHECK_FOR_INTERRUPTS();
		if (parent_id == POCKET_ROOT_PARENT_ID)
			return NULL;
		parent_id = step_up(ns, parent_id, &names);
	}
	initStringInfo(&path);
	appendStringInfoString(&path, ns->prefix);
	for (i = list_length(names) - 1; i >= 0; i--)
		appendStringInfo(&path, "/%s", (char *) list_nth(names, i));
	list_free(names);
	return path.data;
}
