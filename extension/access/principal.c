/*
 * principal.c
 *	  Principals that are no roles, and teams.
 *
 * A team's members are principals and teams.  Teams are looked up whenever rights
 * are asked for, so that a membership counts as long as its row is there.
 */
#include "access/access.h"

#include "catalog/pg_type.h"
#include "contract/pk_acl.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(pocket_create_principal);

static bool
is_team(const char *name)
{
	return strncmp(name, POCKET_TEAM, strlen(POCKET_TEAM)) == 0;
}

static void
check_name(const char *name)
{
	pk_acl_fault fault = pk_acl_check_name(name, strlen(name));

	/* a list has a team's name behind its mark */
	if (fault == PK_ACL_VALID && strlen(name) + strlen(POCKET_TEAM) > PK_ACL_NAME_MAX)
		fault = PK_ACL_NAME_LONG;
	if (fault != PK_ACL_VALID)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid name of a principal: \"%s\"", name),
						errdetail("It must have 1 to %d bytes.", (int) (PK_ACL_NAME_MAX - strlen(POCKET_TEAM)))));
	if (is_team(name))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid name of a principal: \"%s\"", name),
						errdetail("\"" POCKET_TEAM "\" marks teams."),
						errhint("A team is made by its bare name, with kind 'group'.")));
}

/* Of which kind the principal of a name is: 'u', 'g', or 0 when create_principal() has made none. */
static char
kind_of(const char *name)
{
	static PocketPlan find = {"SELECT kind FROM pocket_data.principal WHERE name = $1", "text", NULL, NULL};
	Datum values[1] = {CStringGetTextDatum(name)};
	char kind = 0;

	if (pocket_latest(&find, values, NULL) == 1)
		kind = pocket_column_text(0, 1)[0];
	pocket_free_rows();
	return kind;
}

char *
pocket_principal_named(const char *name, bool *exists)
{
	char kind;

	*exists = true;
	if (is_team(name))
	{
		*exists = kind_of(name + strlen(POCKET_TEAM)) == 'g';
		return pstrdup(name);
	}
	if (strlen(name) < NAMEDATALEN && OidIsValid(get_role_oid(name, true)))
		return pstrdup(name);
	kind = kind_of(name);
	*exists = kind != 0;
	return kind == 'g' ? psprintf(POCKET_TEAM "%s", name) : pstrdup(name);
}

char *
pocket_principal_find(const char *name)
{
	bool exists;
	char *found = pocket_principal_named(name, &exists);

	if (!exists)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("principal \"%s\" does not exist", name),
						errhint("A principal is a role, or made by pocket.create_principal().")));
	return found;
}

/* create_principal(name, kind) */
Datum
pocket_create_principal(PG_FUNCTION_ARGS)
{
	static PocketPlan insert = {"INSERT INTO pocket_data.principal (name, kind, created_at) "
								"VALUES ($1, $2, clock_timestamp()) ON CONFLICT (name) DO NOTHING",
								"text text", NULL, NULL};
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char *kind = text_to_cstring(PG_GETARG_TEXT_PP(1));
	Datum values[2];
	PocketSession session;
	PocketCaller *caller;

	PreventCommandIfReadOnly("pocket.create_principal()");
	check_name(name);
	if (strcmp(kind, "team") == 0)
		kind = pstrdup("group");
	if (strcmp(kind, "user") != 0 && strcmp(kind, "group") != 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("unknown kind of principal \"%s\"", kind),
						errhint("Kinds are \"user\" and \"group\".")));

	pocket_enter(&session);
	caller = pocket_caller(&session, fcinfo->flinfo->fn_oid);
	pocket_check_administrator(caller);
	values[0] = CStringGetTextDatum(name);
	values[1] = CStringGetTextDatum(kind);
	if (pocket_write(&insert, values, NULL) != 1)
		ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT), errmsg("principal \"%s\" already exists", name)));
	pocket_audit(caller, "create_principal", 0, 0, NULL, (const char *const[]){"name", name, "kind", kind, NULL});
	pocket_leave(&session);
	PG_RETURN_VOID();
}

/* --- teams --- */

Datum
pocket_name_array(List *names)
{
	Datum *values = palloc(sizeof(Datum) * (Size) list_length(names));
	ListCell *cell;

	foreach (cell, names)
		values[foreach_current_index(cell)] = CStringGetTextDatum(lfirst(cell));
	return PointerGetDatum(construct_array(values, list_length(names), TEXTOID, -1, false, TYPALIGN_INT));
}

static bool
has_name(List *names, const char *name)
{
	ListCell *cell;

	foreach (cell, names)
	{
		if (strcmp(lfirst(cell), name) == 0)
			return true;
	}
	return false;
}

/* Level by level: a recursion in SQL takes longer to set up than what few levels there are. */
List *
pocket_teams_of(List *names, bool fresh)
{
	static PocketPlan find = {"SELECT team FROM pocket_data.member WHERE member = ANY ($1)", "text[]", NULL, NULL};
	List *teams = NIL;

	while (names != NIL)
	{
		Datum values[1] = {pocket_name_array(names)};
		uint64 found = pocket_select(&find, values, NULL, fresh, 0);

		names = NIL;
		for (uint64 i = 0; i < found; i++)
		{
			char *team = pocket_column_text(i, 1);

			if (!has_name(teams, team))
			{
				teams = lappend(teams, team);
				names = lappend(names, team);
			}
		}
		pocket_free_rows();
	}
	return teams;
}

int64
pocket_teams_mark(bool fresh)
{
	static PocketPlan find = {"SELECT teams FROM pocket_data.cell", "", NULL, NULL};
	int64 mark;

	if (pocket_select(&find, NULL, NULL, fresh, 0) != 1)
		elog(ERROR, "table pocket_data.cell does not have its one row");
	mark = pocket_column_int64(0, 1);
	pocket_free_rows();
	return mark;
}

/* At random: what was taken back shall not have been known by the mark that another change gets. */
static void
mark_teams(void)
{
	static PocketPlan mark = {"UPDATE pocket_data.cell SET teams = $1", "int8", NULL, NULL};
	int64 random;
	Datum values[1];

	if (!pg_strong_random(&random, sizeof(random)))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("no random numbers to be had")));
	values[0] = Int64GetDatum(random);
	if (pocket_write(&mark, values, NULL) != 1)
		elog(ERROR, "table pocket_data.cell does not have its one row");
}

/* As committed now, whatever the isolation level: the lock is of no use to who sees what was before it. */
static void
check_no_cycle(const char *team, const char *member)
{
	static PocketPlan find = {"WITH RECURSIVE teams (name) AS (SELECT $1::text COLLATE \"C\" UNION "
							  "SELECT m.team FROM teams t JOIN pocket_data.member m ON m.member = t.name) "
							  "SELECT FROM teams WHERE name = $2",
							  "text text", NULL, NULL};
	Datum values[2] = {CStringGetTextDatum(team), CStringGetTextDatum(member)};

	if (pocket_latest(&find, values, NULL) > 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_GRANT_OPERATION),
						errmsg("\"%s\" cannot become a member of \"%s\"", member, team),
						errdetail("A team would be a member of itself.")));
	pocket_free_rows();
}

bool
pocket_team_add(const char *team, const char *member)
{
	static PocketPlan insert = {"INSERT INTO pocket_data.member (team, member, added_at) "
								"VALUES ($1, $2, clock_timestamp()) ON CONFLICT DO NOTHING",
								"text text", NULL, NULL};
	Datum values[2] = {CStringGetTextDatum(team), CStringGetTextDatum(member)};

	pocket_lock_exclusive(POCKET_LOCK_TEAMS);
	check_no_cycle(team, member);
	if (pocket_write(&insert, values, NULL) != 1)
		return false;
	mark_teams();
	return true;
}

bool
pocket_team_remove(const char *team, const char *member)
{
	static PocketPlan remove = {"DELETE FROM pocket_data.member WHERE team = $1 AND member = $2", "text text", NULL,
								NULL};
	Datum values[2] = {CStringGetTextDatum(team), CStringGetTextDatum(member)};

	pocket_lock_exclusive(POCKET_LOCK_TEAMS);
	if (pocket_write(&remove, values, NULL) != 1)
		return false;
	mark_teams();
	return true;
}
