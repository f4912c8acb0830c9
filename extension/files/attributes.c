/*
 * attributes.c
 *	  set_attributes: what a file, folder or link says about itself.
 */
#include "files/files.h"

#include "access/access.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"

PG_FUNCTION_INFO_V1(pocket_set_attributes);

static JsonbValue *
target_of(Jsonb *attributes)
{
	return getKeyJsonValueFromContainer(&attributes->root, "target", (int) strlen("target"), NULL);
}

/* The attributes that a link gets: with a target, which is the old one unless it is given. */
static Jsonb *
with_target(Jsonb *attributes, Jsonb *before)
{
	JsonbValue *target = target_of(attributes);

	if (target == NULL)
	{
		target = target_of(before);
		if (target == NULL || target->type != jbvString)
			ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("a symbolic link has lost its target")));
		before = pocket_link_attributes(pnstrdup(target->val.string.val, target->val.string.len));
		return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(attributes), JsonbPGetDatum(before)));
	}
	if (target->type != jbvString || target->val.string.len < 1 || target->val.string.len > POCKET_TARGET_SIZE_MAX)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("target of a symbolic link must be a string of 1 to %d bytes", POCKET_TARGET_SIZE_MAX)));
	return attributes;
}

/* set_attributes(path, attributes): in place of those that are there */
Datum
pocket_set_attributes(PG_FUNCTION_ARGS)
{
	Jsonb *attributes = PG_GETARG_JSONB_P(1);
	const char *outcome = POCKET_OUTCOME_UNCHANGED;
	PocketPath path;
	PocketSession session;
	PocketCaller *caller;
	PocketNamespace ns;
	PocketHead head;
	PocketSpot spot;
	Datum result;

	PreventCommandIfReadOnly("pocket.set_attributes()");
	pocket_check_attributes(attributes);
	pocket_path_argument(&path, fcinfo, 0);

	pocket_enter(&session);
	caller = pocket_caller(&session, fcinfo->flinfo->fn_oid);
	pocket_path_open(&ns, &path, caller, true);
	pocket_check_rights(&ns, &path, PK_RIGHT_WRITE);
	pocket_namespace_lock(&head, &ns);
	/* with content: the journal's row has the whole state */
	pocket_resolve_existing(&spot, &ns, &path, true, true);
	pocket_require(&spot, &ns, &path, PK_RIGHT_WRITE);
	if (spot.state.kind == POCKET_SYMLINK)
	{
		attributes = with_target(attributes, spot.state.attributes);
		pocket_check_attributes(attributes);
	}
	if (spot.state.kind == POCKET_MOUNT)
	{
		attributes = pocket_mount_attributes(pocket_mounted_id(&spot.state), attributes);
		pocket_check_attributes(attributes);
	}
	if (compareJsonbContainers(&attributes->root, &spot.state.attributes->root) != 0)
	{
		PocketState before = spot.state;

		spot.state.attributes = attributes;
		pocket_entry_change(&head, &ns, &before, &spot.state, POCKET_OP_UPDATED, caller->name);
		outcome = POCKET_OP_UPDATED;
	}
	pocket_head_flush(&head);
	result = pocket_result(fcinfo, &session, &spot.state, spot.path, outcome);
	pocket_leave(&session);
	PG_RETURN_DATUM(result);
}
