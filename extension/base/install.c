/*
 * install.c
 *	  pocket.install(), upgrade(), uninstall(): the life of the data schema.
 */
#include "base/install.h"

#include "access/xlog.h"
#include "base/spi.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "commands/event_trigger.h"
#include "commands/trigger.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"

/* Of 2^31 numbers, which are the upper half of bucket and volume ids: room for two thousand adoptions at least. */
#define INCARNATION_STEP_MAX (1 << 20)

PG_FUNCTION_INFO_V1(pocket_check_database);
PG_FUNCTION_INFO_V1(pocket_install);
PG_FUNCTION_INFO_V1(pocket_upgrade);
PG_FUNCTION_INFO_V1(pocket_uninstall);
PG_FUNCTION_INFO_V1(pocket_keep_data);
PG_FUNCTION_INFO_V1(pocket_cell_changed);

/* check_database(): called by the extension's script */
Datum
pocket_check_database(PG_FUNCTION_ARGS)
{
	if (GetDatabaseEncoding() != PG_UTF8)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("Pocket needs a database in encoding UTF8, not %s", GetDatabaseEncodingName()),
						errhint("Use CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0.")));
	PG_RETURN_VOID();
}

static void
run_script(const char *script)
{
	int result = SPI_execute(script, false, 0);

	if (result < 0)
		elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(result));
}

/*
 * The cluster's administrator makes the role pocket_app, or does not: roles are
 * not a database's to make.  Its rights come with the schema, or with the next
 * install(), as those of whoever made it later.
 */
static void
grant_to_app(void)
{
	if (!OidIsValid(get_role_oid("pocket_app", true)))
		return;
	run_script("GRANT USAGE ON SCHEMA pocket_data TO pocket_app;"
			   "GRANT REFERENCES (ns_id, file_id) ON pocket_data.entry TO pocket_app");
}

/*
 * The step is random: of two copies that are adopted while they cannot hear of each other, each finds that it is not the
 * only one, as one has the higher number.
 */
int64
pocket_next_incarnation(int64 highest)
{
	uint32 step;
	int64 next;

	if (!pg_strong_random(&step, sizeof(step)))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("no random numbers to be had")));
	next = highest + 1 + step % INCARNATION_STEP_MAX;
	if (next > PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("the cell has run out of incarnations"),
				 errdetail("It has been adopted some thousand times; the last number is " INT64_FORMAT ".", highest),
				 errhint("Export the files, and import them into a new cell.")));
	return next;
}

Datum
pocket_instance(void)
{
	return CStringGetTextDatum(psprintf(UINT64_FORMAT "/%u", GetSystemIdentifier(), MyDatabaseId));
}

static void
make_data_schema(void)
{
	static PocketPlan definition = {"SELECT pocket.data_definition()", "", NULL, NULL};
	static PocketPlan make_cell = {"INSERT INTO pocket_data.cell (schema_version, uuid, name, incarnation, instance,"
								   " timeline, reconciled)"
								   " VALUES ($1, gen_random_uuid(), $2, $3, $4, $5, $3 || '/' || $5)",
								   "int4 text int8 text int8", NULL, NULL};
	Datum values[5] = {Int32GetDatum(POCKET_SCHEMA_VERSION), CStringGetTextDatum(get_database_name(MyDatabaseId)),
					   Int64GetDatum(pocket_next_incarnation(0)), pocket_instance(),
					   Int64GetDatum(GetWALInsertionTimeLine())};
	char *script;

	if (pocket_read(&definition, NULL, NULL) != 1)
		elog(ERROR, "pocket.data_definition() returned nothing");
	script = pocket_column_text(0, 1);
	pocket_free_rows();
	run_script(script);
	grant_to_app();
	(void) pocket_write(&make_cell, values, NULL);
}

bool
pocket_install_if_needed(void)
{
	PocketSession session;
	bool needed;

	if (pocket_installed())
		return false;
	PreventCommandIfReadOnly("pocket.install()");
	PreventCommandIfParallelMode("pocket.install()");
	pocket_enter_as(&session, pocket_extension_owner());
	pocket_lock_exclusive(POCKET_LOCK_INSTALL);
	/* an advisory lock takes no invalidations: what whoever was first has made is not in the caches yet */
	AcceptInvalidationMessages();
	needed = !pocket_installed();
	if (needed)
		make_data_schema();
	pocket_leave(&session);
	return needed;
}

/* install(): true when it made the data schema, false when that was there */
Datum
pocket_install(PG_FUNCTION_ARGS)
{
	bool made = pocket_install_if_needed();
	PocketSession session;

	/* a schema of this name that is not ours, or does not fit, is an error here already */
	pocket_enter(&session);
	if (!made)
		grant_to_app();
	pocket_leave(&session);
	PG_RETURN_BOOL(made);
}

/* upgrade(): there is one version of the data so far, so that it is enough to check it */
Datum
pocket_upgrade(PG_FUNCTION_ARGS)
{
	PocketSession session;

	pocket_enter(&session);
	pocket_leave(&session);
	PG_RETURN_INT32(POCKET_SCHEMA_VERSION);
}

/* uninstall(cell_name): drops every file, version and the index of every block */
Datum
pocket_uninstall(PG_FUNCTION_ARGS)
{
	static PocketPlan name_of = {"SELECT name FROM pocket_data.cell", "", NULL, NULL};
	char *given = text_to_cstring(PG_GETARG_TEXT_PP(0));
	PocketSession session;
	char *name;

	if (!superuser())
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("must be superuser to uninstall Pocket")));
	if (!pocket_installed())
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("Pocket is not installed")));
	/* what somebody else has planted under this name would run as superuser when it is read */
	(void) pocket_data_owner();
	pocket_enter_as(&session, GetUserId());
	pocket_lock_exclusive(POCKET_LOCK_INSTALL);
	/* a pass has locks on tables in an order of its own */
	pocket_lock_exclusive(POCKET_LOCK_PASS);
	pocket_lock_exclusive(POCKET_LOCK_OPEN);
	if (pocket_latest(&name_of, NULL, NULL) != 1)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("table pocket_data.cell does not have its one row"),
						errhint("DROP SCHEMA pocket_data CASCADE drops what is there.")));
	name = pocket_column_text(0, 1);
	pocket_free_rows();
	if (strcmp(name, given) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("this is cell \"%s\", not \"%s\"", name, given),
				 errhint("Uninstalling drops all files; the name of the cell says that you mean it.")));
	/* a duty takes the tables in an order of its own, and would be waited for and wait */
	pocket_lock_exclusive(POCKET_LOCK_PASS);
	run_script("SET LOCAL client_min_messages = warning; DROP SCHEMA pocket_data CASCADE");
	pocket_leave(&session);
	PG_RETURN_VOID();
}

static bool
drops_pocket(const DropStmt *drop)
{
	ListCell *cell;

	if (drop->removeType != OBJECT_EXTENSION || drop->behavior != DROP_CASCADE)
		return false;
	foreach (cell, drop->objects)
	{
		if (strcmp(strVal(lfirst(cell)), "pocket") == 0)
			return true;
	}
	return false;
}

/*
 * keep_data(): the event trigger on DROP EXTENSION.  The tables are no members of
 * the extension, but their columns are of its types: CASCADE would take the
 * columns, and with them every file, whereas the tables would stay.
 */
Datum
pocket_keep_data(PG_FUNCTION_ARGS)
{
	const Node *statement;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("pocket.keep_data() must be called by an event trigger")));
	statement = ((EventTriggerData *) fcinfo->context)->parsetree;
	if (IsA(statement, DropStmt) && drops_pocket((const DropStmt *) statement) && pocket_installed())
		ereport(ERROR, (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
						errmsg("cannot drop extension \"pocket\" while there are files"),
						errdetail("CASCADE would drop the columns that hold them."),
						errhint("SELECT pocket.uninstall('NAME') first; SELECT name FROM pocket_data.cell shows the "
								"name.")));
	PG_RETURN_NULL();
}

/* cell_changed(): the trigger on the table cell, whose version each backend remembers (spi.c) */
Datum
pocket_cell_changed(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("pocket.cell_changed() must be called by a trigger")));
	CacheInvalidateRelcache(((TriggerData *) fcinfo->context)->tg_relation);
	PG_RETURN_POINTER(NULL);
}
