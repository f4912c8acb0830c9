/*
 * share.c
 *	  share, unshare, set_inheritance and may.
 *
 * A list on an entry is a part of its state, and changes under the head lock
 * with a journal row: so those who follow the namespace learn of it, and whoever
 * has waited for the lock meanwhile is judged by the new list.
 */
#include "files/files.h"

#include "access/access.h"
#include "miscadmin.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(pocket_share);
PG_FUNCTION_INFO_V1(pocket_unshare);
PG_FUNCTION_INFO_V1(pocket_set_inheritance);
PG_FUNCTION_INFO_V1(pocket_may);

/* An entry whose list changes. */
typedef struct Sharing
{
	PocketSession session;
	PocketCaller *caller;
	PocketPath path;
	PocketNamespace ns;
	PocketHead head;
	PocketSpot spot;
	pk_acl *acl; /* the entry's own; changed in place */
} Sharing;

static pk_acl *
empty_list(void)
{
	return palloc0(sizeof(pk_acl));
}

static void
open_sharing(Sharing *sharing, FunctionCallInfo fcinfo, const char *what)
{
	PreventCommandIfReadOnly(what);
	pocket_path_argument(&sharing->path, fcinfo, 0);

	pocket_enter(&sharing->session);
	sharing->caller = pocket_caller(&sharing->session, fcinfo->flinfo->fn_oid);
	pocket_path_open_through(&sharing->ns, &sharing->path, sharing->caller, true);
	pocket_check_rights(&sharing->ns, &sharing->path, PK_RIGHT_SHARE);
	pocket_namespace_lock(&sharing->head, &sharing->ns);
	/* what is given above counts here for owners, too */
	pocket_namespace_read_list(&sharing->ns, true);
	/* with content: the journal's row has the whole state */
	pocket_resolve(&sharing->spot, &sharing->ns, &sharing->path, NULL, true, true);
	pocket_require(&sharing->spot, &sharing->ns, &sharing->path, PK_RIGHT_SHARE);
	sharing->acl = sharing->spot.state.acl == NULL ? empty_list() : pocket_acl_unpack(sharing->spot.state.acl);
}

static bool
same_list(const struct varlena *a, const struct varlena *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
		   memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
}

void
pocket_entry_share(PocketHead *head, const PocketNamespace *ns, PocketState *state, struct varlena *acl)
{
	PocketState before = *state;

	state->acl = acl;
	pocket_entry_change(head, ns, &before, state, POCKET_OP_SHARED, ns->caller->name);
}

/* The list as it is now; an empty one that inherits is none. */
static void
close_sharing(Sharing *sharing, const char *action, const char *const *detail)
{
	const pk_acl *acl = sharing->acl;
	struct varlena *packed = acl->count == 0 && !acl->cut ? NULL : pocket_acl_pack(acl);

	if (!same_list(packed, sharing->spot.state.acl))
		pocket_entry_share(&sharing->head, &sharing->ns, &sharing->spot.state, packed);
	pocket_head_flush(&sharing->head);
	pocket_audit(sharing->caller, action, sharing->ns.ns_id, sharing->spot.state.file_id, sharing->spot.path, detail);
	pocket_leave(&sharing->session);
}

static void
allow(pk_acl *acl, const char *name, Size length, uint8 rights)
{
	if (pk_acl_allow(acl, name, length, rights) != PK_ACL_VALID)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("an ACL can have at most %d principals", PK_ACL_ENTRIES_MAX),
						errhint("Make a team of them: see pocket.create_principal() and pocket.add_member().")));
}

/* share(path, principal, role) */
Datum
pocket_share(PG_FUNCTION_ARGS)
{
	char *role = text_to_cstring(PG_GETARG_TEXT_PP(2));
	uint8 rights = pocket_rights_of_role(role);
	Sharing sharing;
	char *name;

	open_sharing(&sharing, fcinfo, "pocket.share()");
	name = pocket_principal_find(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	if ((sharing.spot.rights & rights) != rights)
		pocket_denied(&sharing.ns, &sharing.path, rights);
	pk_acl_deny(sharing.acl, name, strlen(name));
	allow(sharing.acl, name, strlen(name), rights);
	close_sharing(&sharing, "share", (const char *const[]){"principal", name, "role", role, NULL});
	PG_RETURN_VOID();
}

static void
add_list(pk_acl *acl, const pk_acl *more)
{
	for (int n = 0; n < more->count; n++)
		allow(acl, more->entries[n].name, more->entries[n].length, more->entries[n].rights);
}

/* What is given above, up to the first list that cuts the inheritance. */
static pk_acl *
inherited(const Sharing *sharing)
{
	const PocketSpot *spot = &sharing->spot;
	pk_acl *all = empty_list();

	for (int i = spot->step_count - 1; i >= 0 && !all->cut; i--)
	{
		const pk_acl *above;

		if (spot->steps[i].acl == NULL)
			continue;
		above = pocket_acl_unpack(spot->steps[i].acl);
		add_list(all, above);
		all->cut = above->cut;
	}
	return all;
}

/* unshare(path, principal): an entry of the list as it is spelt, whether there still is such a principal or not */
Datum
pocket_unshare(PG_FUNCTION_ARGS)
{
	Sharing sharing;
	pk_acl *above;
	bool exists;
	char *name;
	Size length;

	open_sharing(&sharing, fcinfo, "pocket.unshare()");
	name = pocket_principal_named(text_to_cstring(PG_GETARG_TEXT_PP(1)), &exists);
	length = strlen(name);
	above = sharing.acl->cut ? empty_list() : inherited(&sharing);
	if (!exists && pk_acl_rights(sharing.acl, name, length) == 0 && pk_acl_rights(above, name, length) == 0)
		(void) pocket_principal_find(name);
	if (pk_acl_rights(above, name, length) != 0)
	{
		add_list(sharing.acl, above);
		sharing.acl->cut = true;
	}
	pk_acl_deny(sharing.acl, name, length);
	close_sharing(&sharing, "unshare", (const char *const[]){"principal", name, NULL});
	PG_RETURN_VOID();
}

/* set_inheritance(path, inherits) */
Datum
pocket_set_inheritance(PG_FUNCTION_ARGS)
{
	bool inherits = PG_GETARG_BOOL(1);
	Sharing sharing;

	open_sharing(&sharing, fcinfo, "pocket.set_inheritance()");
	if (!inherits && !sharing.acl->cut)
		add_list(sharing.acl, inherited(&sharing));
	sharing.acl->cut = !inherits;
	close_sharing(&sharing, "set_inheritance", (const char *const[]){"inherits", inherits ? "true" : "false", NULL});
	PG_RETURN_VOID();
}

/* --- may --- */

/* Rights of another on what caller has the right s on. */
static uint8
rights_of_other(const PocketNamespace *ns, const PocketPath *path, const PocketSpot *spot, const char *principal)
{
	PocketCaller *other;

	if ((spot->rights & PK_RIGHT_SHARE) == 0)
		pocket_denied(ns, path, PK_RIGHT_SHARE);
	other = pocket_caller_as(pocket_principal_find(principal));
	return pocket_policy_rights(pocket_policy(other, false), ns->ns_id, spot->state.file_id);
}

/* may(path, rights, principal) */
Datum
pocket_may(PG_FUNCTION_ARGS)
{
	PocketPath path;
	PocketSession session;
	PocketCaller *caller;
	PocketNamespace ns;
	PocketSpot spot;
	uint8 asked;
	uint8 rights = 0;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	pocket_path_argument(&path, fcinfo, 0);
	asked = pocket_rights_parse(text_to_cstring(PG_GETARG_TEXT_PP(1)));

	pocket_enter(&session);
	caller = pocket_caller(&session, fcinfo->flinfo->fn_oid);
	if (pocket_path_find(&ns, &path, caller, false, true))
	{
		char *principal = PG_ARGISNULL(2) ? caller->name : text_to_cstring(PG_GETARG_TEXT_PP(2));

		pocket_resolve(&spot, &ns, &path, NULL, false, false);
		if (spot.exists)
			rights = strcmp(principal, caller->name) == 0 ? spot.rights : rights_of_other(&ns, &path, &spot, principal);
	}
	pocket_leave(&session);
	PG_RETURN_BOOL((rights & asked) == asked);
}
