/*
 * member.c
 *	  add_member and remove_member.
 *
 * Whoever comes into a team or leaves it sees other files than before, wherever
 * a list names the team, or one that the team is in.  So that those who follow
 * these namespaces begin anew, a journal row is written for each such entry, as
 * if its list had changed.
 */
#include "files/files.h"

#include "access/access.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(pocket_add_member);
PG_FUNCTION_INFO_V1(pocket_remove_member);

#define BATCH_ROWS 200

/* Entries of namespaces from ns_id on, behind file_id there, whose lists name one of teams. */
static uint64
find_shared(Datum teams, int64 ns_id, int64 file_id, long max)
{
	static PocketPlan find = {"SELECT e.ns_id, e.file_id FROM pocket_data.entry e WHERE e.acl IS NOT NULL "
							  "AND (e.ns_id, e.file_id) > ($2, $3) "
							  "AND EXISTS (SELECT FROM pocket.grants(e.acl) g WHERE g.principal = ANY ($1)) "
							  "ORDER BY e.ns_id, e.file_id LIMIT $4",
							  "text[] int8 int8 int8", NULL, NULL};
	Datum values[4] = {teams, Int64GetDatum(ns_id), Int64GetDatum(file_id), Int64GetDatum(max)};

	return pocket_write(&find, values, NULL);
}

/* Under the head lock: what was found may be another, or nothing, by now. */
static void
tell_entry(PocketHead *head, PocketNamespace *ns, int64 file_id)
{
	PocketState state;

	if (!pocket_entry_find(&state, ns->ns_id, file_id, true) || state.acl == NULL)
		return;
	pocket_entry_content(&state);
	pocket_entry_share(head, ns, &state, state.acl);
}

/* The entries of one namespace; the first is known. */
static void
tell_namespace(PocketCaller *caller, Datum teams, int64 ns_id, MemoryContext one)
{
	MemoryContext outer = CurrentMemoryContext;
	PocketNamespace ns;
	PocketHead head;
	int64 last = 0;
	bool more = true;

	pocket_head_lock(&head, ns_id);
	pocket_namespace_of_head(&ns, &head, caller);
	while (more)
	{
		int64 ids[BATCH_ROWS];
		int count = 0;
		uint64 found = find_shared(teams, ns_id, last, BATCH_ROWS);

		CHECK_FOR_INTERRUPTS();
		for (uint64 i = 0; i < found && pocket_column_int64(i, 1) == ns_id; i++)
			ids[count++] = pocket_column_int64(i, 2);
		pocket_free_rows();
		more = count == BATCH_ROWS;
		MemoryContextSwitchTo(one);
		for (int i = 0; i < count; i++)
		{
			last = ids[i];
			tell_entry(&head, &ns, last);
			MemoryContextReset(one);
		}
		MemoryContextSwitchTo(outer);
	}
	pocket_head_flush(&head);
}

/* Heads are locked in the order of ns_id. */
static void
tell_followers(PocketCaller *caller, char *team)
{
	/* the team, and all teams that it is in */
	Datum teams = pocket_name_array(lcons(team, pocket_teams_of(list_make1(team), true)));
	MemoryContext one = AllocSetContextCreate(CurrentMemoryContext, "one entry shared", ALLOCSET_DEFAULT_SIZES);
	int64 ns_id = 0;

	while (find_shared(teams, ns_id, PG_INT64_MAX, 1) == 1)
	{
		ns_id = pocket_column_int64(0, 1);
		pocket_free_rows();
		tell_namespace(caller, teams, ns_id, one);
	}
	pocket_free_rows();
	MemoryContextDelete(one);
}

/* What lists call a team that is named with its mark or without. */
static char *
find_team(const char *name)
{
	if (strncmp(name, POCKET_TEAM, strlen(POCKET_TEAM)) == 0)
		return pocket_principal_find(name);
	return pocket_principal_find(psprintf(POCKET_TEAM "%s", name));
}

typedef struct Membership
{
	PocketSession session;
	PocketCaller *caller;
	char *team;
} Membership;

static void
open_membership(Membership *membership, FunctionCallInfo fcinfo, const char *what)
{
	PreventCommandIfReadOnly(what);
	pocket_enter(&membership->session);
	membership->caller = pocket_caller(&membership->session, fcinfo->flinfo->fn_oid);
	pocket_check_administrator(membership->caller);
	membership->team = find_team(text_to_cstring(PG_GETARG_TEXT_PP(0)));
}

static void
close_membership(Membership *membership, const char *action, const char *member)
{
	tell_followers(membership->caller, membership->team);
	pocket_audit(membership->caller, action, 0, 0, NULL,
				 (const char *const[]){"team", membership->team, "member", member, NULL});
}

/* add_member(team, member) */
Datum
pocket_add_member(PG_FUNCTION_ARGS)
{
	Membership membership;
	char *member;

	open_membership(&membership, fcinfo, "pocket.add_member()");
	member = pocket_principal_find(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	if (pocket_team_add(membership.team, member))
		close_membership(&membership, "add_member", member);
	pocket_leave(&membership.session);
	PG_RETURN_VOID();
}

/* remove_member(team, member): whether there still is such a principal or not */
Datum
pocket_remove_member(PG_FUNCTION_ARGS)
{
	Membership membership;
	char *member;
	bool exists;

	open_membership(&membership, fcinfo, "pocket.remove_member()");
	member = pocket_principal_named(text_to_cstring(PG_GETARG_TEXT_PP(1)), &exists);
	if (!pocket_team_remove(membership.team, member))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("\"%s\" is not a member of \"%s\"", member, membership.team)));
	close_membership(&membership, "remove_member", member);
	pocket_leave(&membership.session);
	PG_RETURN_VOID();
}
