/*
 * make.c
 *	  mkdir and symlink: what has no bytes of its own.
 */
#include "files/files.h"

#include "access/access.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(pocket_mkdir);
PG_FUNCTION_INFO_V1(pocket_symlink);

/* Who may make a folder, or see it: before the lock is waited for. */
static void
check_folder(const PocketNamespace *ns, const PocketPath *path)
{
	PocketSpot spot;

	if (ns->is_owned)
		return;
	pocket_resolve(&spot, ns, path, NULL, true, false);
	if (!spot.exists)
		pocket_require_room(&spot, ns, path);
}

void
pocket_make(PocketHead *head, const PocketNamespace *ns, const PocketPath *path, PocketSpot *spot, PocketKind kind,
			Jsonb *attributes)
{
	const char *author = ns->caller->name;

	pocket_require_room(spot, ns, path);
	pocket_parents_make(head, ns, path, spot, author);
	pocket_state_init(&spot->state, kind, spot->parent_id, path->names[path->depth - 1]);
	if (attributes != NULL)
		spot->state.attributes = attributes;
	pocket_entry_add(head, ns, &spot->state, author);
}

/* mkdir(path): with its parents; a folder that exists is unchanged */
Datum
pocket_mkdir(PG_FUNCTION_ARGS)
{
	const char *outcome = POCKET_OUTCOME_UNCHANGED;
	PocketPath path;
	PocketSession session;
	PocketCaller *caller;
	PocketNamespace ns;
	PocketHead head;
	PocketSpot spot;
	Datum result;

	PreventCommandIfReadOnly("pocket.mkdir()");
	pocket_path_argument(&path, fcinfo, 0);

	pocket_enter(&session);
	caller = pocket_caller(&session, fcinfo->flinfo->fn_oid);
	pocket_path_open(&ns, &path, caller, true);
	check_folder(&ns, &path);
	pocket_namespace_lock(&head, &ns);
	pocket_resolve(&spot, &ns, &path, NULL, true, false);
	if (spot.exists && !POCKET_IS_FOLDER(spot.state.kind))
		ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT), errmsg("\"%s\" already exists", spot.path),
						errdetail("It is a %s, not a folder.", pocket_kind_name(spot.state.kind))));
	if (!spot.exists)
	{
		pocket_make(&head, &ns, &path, &spot, POCKET_FOLDER, NULL);
		outcome = POCKET_OP_CREATED;
	}
	pocket_head_flush(&head);
	result = pocket_result(fcinfo, &session, &spot.state, spot.path, outcome);
	pocket_leave(&session);
	PG_RETURN_DATUM(result);
}

Jsonb *
pocket_link_attributes(const char *target)
{
	JsonbParseState *parse = NULL;
	JsonbValue key = {.type = jbvString};
	JsonbValue value = {.type = jbvString};
	JsonbValue *object;

	key.val.string.val = pstrdup("target");
	key.val.string.len = (int) strlen("target");
	value.val.string.val = unconstify(char *, target);
	value.val.string.len = (int) strlen(target);
	(void) pushJsonbValue(&parse, WJB_BEGIN_OBJECT, NULL);
	(void) pushJsonbValue(&parse, WJB_KEY, &key);
	(void) pushJsonbValue(&parse, WJB_VALUE, &value);
	object = pushJsonbValue(&parse, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(object);
}

/* The link at spot, whatever is there but a folder. */
static const char *
put_link(PocketHead *head, const PocketNamespace *ns, const PocketPath *path, PocketSpot *spot, const char *target,
		 const char *author)
{
	Jsonb *attributes = pocket_link_attributes(target);
	PocketState before = spot->state;
	bool exists = spot->exists;

	if (exists && POCKET_IS_FOLDER(before.kind))
		pocket_check_file(spot);
	if (exists && before.kind == POCKET_SYMLINK &&
		compareJsonbContainers(&before.attributes->root, &attributes->root) == 0)
		return POCKET_OUTCOME_UNCHANGED;
	if (!exists)
		pocket_parents_make(head, ns, path, spot, author);
	pocket_state_init(&spot->state, POCKET_SYMLINK, exists ? before.parent_id : spot->parent_id,
					  exists ? before.name : path->names[path->depth - 1]);
	spot->state.attributes = attributes;
	spot->state.has_mtime = true;
	spot->state.mtime = GetCurrentTimestamp();
	if (!exists)
	{
		pocket_entry_add(head, ns, &spot->state, author);
		return POCKET_OP_CREATED;
	}
	spot->state.ns_id = before.ns_id;
	spot->state.file_id = before.file_id;
	spot->state.version = before.version;
	spot->state.acl = before.acl;
	pocket_entry_change(head, ns, &before, &spot->state, POCKET_OP_UPDATED, author);
	return POCKET_OP_UPDATED;
}

/* symlink(path, target): the target is kept as it is, and never followed here */
Datum
pocket_symlink(PG_FUNCTION_ARGS)
{
	char *target = text_to_cstring(PG_GETARG_TEXT_PP(1));
	PocketPath path;
	PocketSession session;
	PocketCaller *caller;
	PocketNamespace ns;
	PocketHead head;
	PocketSpot spot;
	const char *outcome;
	Datum result;

	PreventCommandIfReadOnly("pocket.symlink()");
	if (target[0] == '\0' || strlen(target) > POCKET_TARGET_SIZE_MAX)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("target of a symbolic link must have 1 to %d bytes", POCKET_TARGET_SIZE_MAX)));
	pocket_path_argument(&path, fcinfo, 0);
	pocket_path_check_leaf(&path);

	pocket_enter(&session);
	caller = pocket_caller(&session, fcinfo->flinfo->fn_oid);
	pocket_path_open(&ns, &path, caller, true);
	pocket_check_write(&ns, &path);
	pocket_namespace_lock(&head, &ns);
	pocket_resolve(&spot, &ns, &path, NULL, true, false);
	pocket_require_write(&spot, &ns, &path);
	outcome = put_link(&head, &ns, &path, &spot, target, caller->name);
	pocket_head_flush(&head);
	result = pocket_result(fcinfo, &session, &spot.state, spot.path, outcome);
	pocket_leave(&session);
	PG_RETURN_DATUM(result);
}
