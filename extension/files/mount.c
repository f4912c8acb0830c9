/*
 * mount.c
 *	  mount and unmount: another namespace in a tree.
 */
#include "files/files.h"

#include "miscadmin.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(pocket_mount);
PG_FUNCTION_INFO_V1(pocket_unmount);

/* mount(namespace, at): with the folders above it; nothing of the namespace itself changes */
Datum
pocket_mount(PG_FUNCTION_ARGS)
{
	PocketPath path;
	PocketSession session;
	PocketCaller *caller;
	PocketNamespace ns;
	PocketNamespace mounted;
	PocketHead head;
	PocketSpot spot;
	Datum result;

	PreventCommandIfReadOnly("pocket.mount()");
	pocket_path_argument(&path, fcinfo, 1);

	pocket_enter(&session);
	caller = pocket_caller(&session, fcinfo->flinfo->fn_oid);
	pocket_namespace_open(&mounted, text_to_cstring(PG_GETARG_TEXT_PP(0)), caller, true);
	pocket_check_root(&mounted, PK_RIGHT_READ);
	pocket_path_open(&ns, &path, caller, true);
	pocket_check_write(&ns, &path);
	pocket_namespace_lock(&head, &ns);
	pocket_resolve(&spot, &ns, &path, NULL, true, false);
	if (spot.exists)
		ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT), errmsg("\"%s\" already exists", spot.path),
						errhint("A namespace is mounted at a path of its own.")));
	pocket_make(&head, &ns, &path, &spot, POCKET_MOUNT, pocket_mount_attributes(mounted.ns_id, NULL));
	pocket_head_flush(&head);
	result = pocket_result(fcinfo, &session, &spot.state, spot.path, POCKET_OP_CREATED);
	pocket_leave(&session);
	PG_RETURN_DATUM(result);
}

/* unmount(at) */
Datum
pocket_unmount(PG_FUNCTION_ARGS)
{
	PocketPath path;
	PocketSession session;
	PocketCaller *caller;
	PocketNamespace ns;
	PocketHead head;
	PocketSpot spot;
	Datum result;

	PreventCommandIfReadOnly("pocket.unmount()");
	pocket_path_argument(&path, fcinfo, 0);

	pocket_enter(&session);
	caller = pocket_caller(&session, fcinfo->flinfo->fn_oid);
	pocket_path_open(&ns, &path, caller, true);
	pocket_check_rights(&ns, &path, PK_RIGHT_DELETE);
	pocket_namespace_lock(&head, &ns);
	pocket_resolve(&spot, &ns, &path, NULL, true, false);
	pocket_require(&spot, &ns, &path, PK_RIGHT_DELETE);
	if (spot.state.kind != POCKET_MOUNT)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" is not a mount point", spot.path),
						errhint("The view pocket.mounts lists mount points.")));
	pocket_entry_remove(&head, &spot.state, caller->name);
	pocket_head_flush(&head);
	result = pocket_result(fcinfo, &session, &spot.state, spot.path, POCKET_OP_DELETED);
	pocket_leave(&session);
	PG_RETURN_DATUM(result);
}
