/*
 * namespace.c
 *	  Namespaces: finding, making, changing and dropping them.
 */
#include "tree/tree.h"

#include "contract/pk_name.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* A namespace that is looked at from its root. */
static void
fill(PocketNamespace *ns, int64 ns_id, char *name, bool case_sensitive, int32 mounts)
{
	memset(ns, 0, sizeof(*ns));
	ns->ns_id = ns_id;
	ns->name = name;
	ns->case_sensitive = case_sensitive;
	ns->mounts = mounts;
	ns->is_mounted = false;
	ns->prefix = psprintf("%s:", name);
	ns->base_id = POCKET_ROOT_ID;
}

void
pocket_namespace_read_list(PocketNamespace *ns, bool fresh)
{
	static PocketPlan find = {"SELECT c.teams, (SELECT e.acl FROM pocket_data.entry e WHERE e.ns_id = $1 "
							  "AND e.file_id = $2) FROM pocket_data.cell c",
							  "int8 int8", NULL, NULL};
	Datum values[2] = {Int64GetDatum(ns->ns_id), Int64GetDatum(ns->base_id)};

	if (pocket_look_up(&find, values, ns->caller, fresh) != 1)
		elog(ERROR, "table pocket_data.cell does not have its one row");
	/* what tells whether the caller's teams are known still comes along */
	ns->caller->mark = pocket_column_int64(0, 1);
	ns->caller->has_mark = true;
	ns->base_acl = pocket_is_null(0, 2) ? NULL : pocket_column_varlena(0, 2);
	pocket_free_rows();
}

/*
 * Whose it is.  All who do not own it go the same way, whatever they find: what a
 * list may need is looked up at once, so that time does not tell where lists are.
 */
static void
fill_rights(PocketNamespace *ns, const char *owner, PocketCaller *caller, bool fresh)
{
	ns->caller = caller;
	if (ns->link != 0)
	{
		pocket_link_fill(ns, fresh);
		return;
	}
	ns->is_owned = pocket_caller_owns(caller, owner);
	if (ns->is_owned)
		return;
	pocket_namespace_read_list(ns, fresh);
	pocket_caller_look_up(caller, fresh);
}

bool
pocket_namespace_look_up(PocketNamespace *ns, const char *name, PocketCaller *caller, bool fresh)
{
	static PocketPlan find = {"SELECT ns_id, owner, case_sensitive, mounts FROM pocket_data.namespace WHERE name = $1",
							  "text", NULL, NULL};
	Datum values[1] = {CStringGetTextDatum(name)};
	bool found = pocket_look_up(&find, values, caller, fresh) == 1;
	char *owner = found ? pocket_column_text(0, 2) : pstrdup("");

	fill(ns, found ? pocket_column_int64(0, 1) : POCKET_NO_NAMESPACE, pstrdup(name), found && pocket_column_bool(0, 3),
		 found ? pocket_column_int32(0, 4) : 0);
	/* as each that there is has other folders */
	if (!found)
		ns->base_id = pocket_nowhere(POCKET_ROOT_PARENT_ID, name);
	pocket_free_rows();
	fill_rights(ns, owner, caller, fresh);
	return found;
}

void
pocket_namespace_open(PocketNamespace *ns, const char *name, PocketCaller *caller, bool fresh)
{
	if (!pocket_namespace_look_up(ns, name, caller, fresh))
		pocket_namespace_missing(name);
}

void
pocket_namespace_locked(const PocketHead *head, PocketNamespace *ns)
{
	fill_rights(ns, head->owner, ns->caller, true);
}

void
pocket_namespace_lock(PocketHead *head, PocketNamespace *ns)
{
	pocket_head_lock(head, ns->ns_id);
	if (ns->link == 0 && !ns->is_mounted && strcmp(head->name, ns->name) != 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("namespace \"%s\" does not exist", ns->name),
						errdetail("It was renamed at this moment.")));
	pocket_caller_forget(ns->caller);
	pocket_namespace_locked(head, ns);
	head->is_owned = ns->is_owned;
}

bool
pocket_namespace_find(PocketNamespace *ns, int64 ns_id, PocketCaller *caller, bool fresh)
{
	static PocketPlan find = {"SELECT name, owner, case_sensitive, mounts FROM pocket_data.namespace WHERE ns_id = $1",
							  "int8", NULL, NULL};
	Datum values[1] = {Int64GetDatum(ns_id)};
	bool found = pocket_look_up(&find, values, caller, fresh) == 1;
	char *owner = found ? pocket_column_text(0, 2) : NULL;

	if (found)
		fill(ns, ns_id, pocket_column_text(0, 1), pocket_column_bool(0, 3), pocket_column_int32(0, 4));
	pocket_free_rows();
	if (found)
		fill_rights(ns, owner, caller, fresh);
	return found;
}

void
pocket_namespace_of_head(PocketNamespace *ns, const PocketHead *head, PocketCaller *caller)
{
	fill(ns, head->ns_id, head->name, head->case_sensitive, 0);
	fill_rights(ns, head->owner, caller, true);
}

static void
check_name(const char *name)
{
	size_t at;
	pk_name_fault fault = pk_name_check(name, strlen(name), &at);

	if (fault != PK_NAME_VALID)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid name of a namespace: \"%s\"", name),
						errdetail("It %s.", pk_name_fault_text(fault))));
	if (strchr(name, ':') != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid name of a namespace: \"%s\"", name),
						errdetail("It has a colon, which ends the namespace in a path.")));
}

/* Row and id; the id comes from a sequence of the coordinating node, on which all namespaces are made. */
static int64
insert_namespace(const char *name, const PocketNamespaceOptions *options, const char *owner)
{
	static PocketPlan insert = {
		"INSERT INTO pocket_data.namespace (ns_id, name, owner, quota, retention, case_sensitive, created_at) "
		"VALUES (nextval('pocket_data.namespace_id'), $1, $2, $3, $4, $5, clock_timestamp()) "
		"ON CONFLICT (name) DO NOTHING RETURNING ns_id",
		"text text int8 interval bool", NULL, NULL};
	Datum values[5] = {CStringGetTextDatum(name), CStringGetTextDatum(owner), Int64GetDatum(options->quota),
					   IntervalPGetDatum(options->retention), BoolGetDatum(options->case_sensitive)};
	char nulls[5] = {' ', ' ', options->quota < 0 ? 'n' : ' ', ' ', ' '};
	int64 ns_id;

	if (pocket_write(&insert, values, nulls) != 1)
		ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT), errmsg("namespace \"%s\" already exists", name)));
	ns_id = pocket_column_int64(0, 1);
	pocket_free_rows();
	return ns_id;
}

int64
pocket_namespace_create(const char *name, const PocketNamespaceOptions *options, const char *owner)
{
	static PocketPlan begin = {"INSERT INTO pocket_data.namespace_head (ns_id, jid, file_id, used, at) "
							   "VALUES ($1, 0, 0, 0, clock_timestamp())",
							   "int8", NULL, NULL};
	PocketNamespace ns;
	PocketHead head;
	PocketState root;
	Datum values[1];

	check_name(name);
	fill(&ns, insert_namespace(name, options, owner), pstrdup(name), options->case_sensitive, 0);
	values[0] = Int64GetDatum(ns.ns_id);
	(void) pocket_write(&begin, values, NULL);
	pocket_head_lock(&head, ns.ns_id);
	pocket_state_init(&root, POCKET_FOLDER, POCKET_ROOT_PARENT_ID, "");
	pocket_entry_add(&head, &ns, &root, owner);
	Assert(root.file_id == POCKET_ROOT_ID);
	pocket_head_flush(&head);
	return ns.ns_id;
}

/* Says it as create_namespace() does; two that take one name at the same moment are told apart by the unique key. */
static void
check_name_free(int64 ns_id, const char *name)
{
	static PocketPlan find = {"SELECT FROM pocket_data.namespace WHERE name = $2 AND ns_id <> $1", "int8 text", NULL,
							  NULL};
	Datum values[2] = {Int64GetDatum(ns_id), CStringGetTextDatum(name)};

	if (pocket_write(&find, values, NULL) > 0)
		ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT), errmsg("namespace \"%s\" already exists", name)));
	pocket_free_rows();
}

void
pocket_namespace_alter(const PocketHead *head, const char *new_name, bool has_quota, int64 quota,
					   const Interval *retention)
{
	static PocketPlan alter = {"UPDATE pocket_data.namespace SET name = coalesce($2, name), "
							   "quota = CASE WHEN $3 THEN $4 ELSE quota END, retention = coalesce($5, retention) "
							   "WHERE ns_id = $1",
							   "int8 text bool int8 interval", NULL, NULL};
	Datum values[5] = {Int64GetDatum(head->ns_id), 0, BoolGetDatum(has_quota), Int64GetDatum(quota),
					   IntervalPGetDatum(retention)};
	char nulls[5] = {' ', 'n', ' ', quota < 0 ? 'n' : ' ', retention == NULL ? 'n' : ' '};

	if (new_name != NULL)
	{
		check_name(new_name);
		check_name_free(head->ns_id, new_name);
		values[1] = CStringGetTextDatum(new_name);
		nulls[1] = ' ';
	}
	if (pocket_write(&alter, values, nulls) != 1)
		elog(ERROR, "namespace " INT64_FORMAT " vanished under the head lock", head->ns_id);
}

void
pocket_namespace_drop(const PocketHead *head)
{
	/* the head last: until then whoever waits for it waits on */
	static PocketPlan drops[] = {{"DELETE FROM pocket_data.entry WHERE ns_id = $1", "int8", NULL, NULL},
								 {"DELETE FROM pocket_data.journal WHERE ns_id = $1", "int8", NULL, NULL},
								 {"WITH gone AS (DELETE FROM pocket_data.holder WHERE ns_id = $1 RETURNING hash)"
								  " INSERT INTO pocket_data.review (hash) SELECT hash FROM gone",
								  "int8", NULL, NULL},
								 {"DELETE FROM pocket_data.link WHERE ns_id = $1", "int8", NULL, NULL},
								 {"DELETE FROM pocket_data.namespace WHERE ns_id = $1", "int8", NULL, NULL},
								 {"DELETE FROM pocket_data.namespace_head WHERE ns_id = $1", "int8", NULL, NULL}};
	Datum values[1] = {Int64GetDatum(head->ns_id)};

	for (Size i = 0; i < lengthof(drops); i++)
		(void) pocket_write(&drops[i], values, NULL);
}
