/*
 * caller.c
 *	  For whom a call speaks.
 *
 * The session's role (GetUserId, so that SET ROLE counts) speaks for itself,
 * with the roles whose privileges it has.  A member of pocket_app, or a
 * superuser, may speak for another principal by setting pocket.principal: then
 * the name alone counts, whatever role there is of that name.
 */
#include "access/access.h"

#include "base/guc.h"
#include "access/htup_details.h"
#include "catalog/pg_auth_members.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/catcache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#define APP_ROLE "pocket_app"

static PocketCaller *
make_caller(const char *name, Oid role, Oid session_role)
{
	PocketCaller *caller = palloc0(sizeof(PocketCaller));

	caller->name = pstrdup(name);
	caller->role = role;
	caller->session_role = session_role;
	caller->may_all = OidIsValid(role) && superuser_arg(role);
	caller->context = CurrentMemoryContext;
	return caller;
}

static bool
may_speak_for_others(Oid role)
{
	Oid app = get_role_oid(APP_ROLE, true);

	return superuser_arg(role) || (OidIsValid(app) && has_privs_of_role(role, app));
}

/* For whom role speaks by pocket.principal. */
static char *
check_speaker(Oid role)
{
	char *name;

	if (!may_speak_for_others(role))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("role \"%s\" may not speak for others", GetUserNameFromId(role, false)),
						errdetail("pocket.principal is \"%s\".", pocket_principal),
						errhint("Use RESET pocket.principal; members of the role \"" APP_ROLE "\" may set it.")));
	name = pocket_principal_find(pocket_principal);
	if (strncmp(name, POCKET_TEAM, strlen(POCKET_TEAM)) == 0)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("pocket.principal \"%s\" is a team", name),
						errhint("Name one of its members.")));
	return name;
}

PocketCaller *
pocket_caller(const PocketSession *session, Oid function)
{
	PocketCaller *caller;

	if (pocket_principal[0] != '\0')
		caller = make_caller(check_speaker(session->caller), InvalidOid, session->caller);
	else
		caller = make_caller(GetUserNameFromId(session->caller, false), session->caller, session->caller);
	caller->function = function;
	return caller;
}

PocketCaller *
pocket_caller_as(const char *principal)
{
	bool is_team = strncmp(principal, POCKET_TEAM, strlen(POCKET_TEAM)) == 0;

	return make_caller(principal, is_team ? InvalidOid : get_role_oid(principal, true), InvalidOid);
}

bool
pocket_caller_owns(const PocketCaller *caller, const char *owner)
{
	Oid role;

	if (caller->may_all || strcmp(caller->name, owner) == 0)
		return true;
	if (!OidIsValid(caller->role))
		return false;
	role = get_role_oid(owner, true);
	return OidIsValid(role) && has_privs_of_role(caller->role, role);
}

/* The role and those whose privileges it has. */
static List *
privileges_of(Oid role)
{
	List *roles = list_make1_oid(role);

	for (int i = 0; i < list_length(roles); i++)
	{
		CatCList *found = SearchSysCacheList1(AUTHMEMMEMROLE, ObjectIdGetDatum(list_nth_oid(roles, i)));

		for (int n = 0; n < found->n_members; n++)
		{
			Oid of = ((Form_pg_auth_members) GETSTRUCT(&found->members[n]->tuple))->roleid;

			if (has_privs_of_role(role, of))
				roles = list_append_unique_oid(roles, of);
		}
		ReleaseSysCacheList(found);
	}
	return roles;
}

/*
 * The teams that were looked up last.  They are the same still for a snapshot that
 * is the same, and for one that sees the same mark, which changes with every
 * membership and in its transaction.
 */
static struct
{
	PocketProof proof;
	MemoryContext context;
	int64 mark;
	List *own; /* NIL: none yet */
	List *teams;
} last;

static List *
copy_names(const List *names)
{
	List *copy = NIL;
	ListCell *cell;

	foreach (cell, names)
		copy = lappend(copy, pstrdup(lfirst(cell)));
	return copy;
}

static bool
same_names(const List *a, const List *b)
{
	ListCell *x;
	ListCell *y;

	if (list_length(a) != list_length(b))
		return false;
	forboth(x, a, y, b)
	{
		if (strcmp(lfirst(x), lfirst(y)) != 0)
			return false;
	}
	return true;
}

static void
remember(const List *own, const List *teams, int64 mark)
{
	MemoryContext outer;

	last.own = NIL;
	if (last.context == NULL)
		last.context = AllocSetContextCreate(TopMemoryContext, "teams of the caller", ALLOCSET_SMALL_SIZES);
	memset(&last.proof, 0, sizeof(last.proof));
	MemoryContextReset(last.context);
	outer = MemoryContextSwitchTo(last.context);
	last.mark = mark;
	last.teams = copy_names(teams);
	last.own = copy_names(own);
	MemoryContextSwitchTo(outer);
}

/* The teams that one of the names is in. */
static List *
find_teams(const PocketCaller *caller, List *own, bool fresh)
{
	bool is_last = last.own != NIL && same_names(own, last.own);
	int64 mark;

	if (is_last && !fresh && pocket_proof_holds(&last.proof))
		return copy_names(last.teams);
	/* before the teams: a change in between shall not be taken for what was before it */
	mark = caller->has_mark ? caller->mark : pocket_teams_mark(fresh);
	if (!is_last || mark != last.mark)
		remember(own, pocket_teams_of(own, fresh), mark);
	if (!fresh)
		pocket_proof_take(&last.proof, last.context);
	return copy_names(last.teams);
}

void
pocket_caller_look_up(PocketCaller *caller, bool fresh)
{
	MemoryContext outer;
	List *names = NIL;
	ListCell *cell;

	if (caller->names != NULL)
		return;
	outer = MemoryContextSwitchTo(caller->context);
	if (OidIsValid(caller->role))
	{
		foreach (cell, privileges_of(caller->role))
		{
			char *name = GetUserNameFromId(lfirst_oid(cell), false);

			/* a role that is called like a team is not that team */
			if (strncmp(name, POCKET_TEAM, strlen(POCKET_TEAM)) != 0)
				names = lappend(names, name);
		}
	}
	else
		names = list_make1(caller->name);
	names = list_concat(names, find_teams(caller, names, fresh));
	caller->name_count = list_length(names);
	caller->names = palloc(sizeof(char *) * (Size) caller->name_count);
	foreach (cell, names)
		caller->names[foreach_current_index(cell)] = lfirst(cell);
	MemoryContextSwitchTo(outer);
}

void
pocket_caller_forget(PocketCaller *caller)
{
	caller->names = NULL;
	caller->has_mark = false;
}

bool
pocket_caller_is(PocketCaller *caller, const char *principal, bool fresh)
{
	pocket_caller_look_up(caller, fresh);
	for (int i = 0; i < caller->name_count; i++)
	{
		if (strcmp(caller->names[i], principal) == 0)
			return true;
	}
	return false;
}

uint8
pocket_rights_below(PocketCaller *caller, uint8 above, struct varlena *acl, bool fresh)
{
	pk_acl *list;
	uint8 rights;

	if (acl == NULL)
		return above;
	pocket_caller_look_up(caller, fresh);
	list = pocket_acl_unpack(acl);
	rights = list->cut ? 0 : above;
	for (int i = 0; i < caller->name_count; i++)
		rights |= pk_acl_rights(list, caller->names[i], strlen(caller->names[i]));
	pfree(list);
	return rights;
}

void
pocket_check_administrator(const PocketCaller *caller)
{
	if (OidIsValid(caller->role) && may_speak_for_others(caller->role))
		return;
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("permission denied to change principals and teams"),
					errdetail("\"%s\" is neither a superuser nor a member of the role \"" APP_ROLE "\".", caller->name),
					errhint("While pocket.principal is set, nobody may.")));
}
