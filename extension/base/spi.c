/*
 * spi.c
 *	  Sessions, kept plans and snapshots; see spi.h.
 */
#include "base/spi.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/dependency.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "parser/parse_type.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

/* Plans know the extension's types by Oid: they live as long as this schema does. */
static Oid plans_schema = InvalidOid;

/*
 * How often a plan was used.  It may have been made when its tables were empty,
 * where one index that begins with ns_id is as good as another; as long as nobody
 * runs ANALYZE, it would stay as it is while they grow.  So it is planned anew
 * after its 8th, 64th, 512th, ... use.
 */
#define RENEW_FACTOR 8

typedef struct PocketPlanUse
{
	PocketPlan *plan;
	uint64 count;
	uint64 renew_at;
	struct PocketPlanUse *next; /* of all that have a plan, to drop them with the extension */
} PocketPlanUse;

static PocketPlanUse *plans = NULL;

static void
drop_plans(void)
{
	while (plans != NULL)
	{
		PocketPlanUse *use = plans;

		plans = use->next;
		SPI_freeplan(use->plan->plan);
		use->plan->plan = NULL;
		use->plan->use = NULL;
		pfree(use);
	}
}

static void
count_use(PocketPlan *plan)
{
	ListCell *cell;

	if (++plan->use->count < plan->use->renew_at)
		return;
	plan->use->renew_at *= RENEW_FACTOR;
	/* as an invalidation does: whoever runs the old one just now may go on */
	foreach (cell, SPI_plan_get_plan_sources(plan->plan))
	{
		CachedPlanSource *source = (CachedPlanSource *) lfirst(cell);

		if (source->gplan != NULL)
			source->gplan->is_valid = false;
	}
}

static void
keep(PocketPlan *plan, SPIPlanPtr made)
{
	PocketPlanUse *use = MemoryContextAllocZero(TopMemoryContext, sizeof(PocketPlanUse));

	use->plan = plan;
	use->renew_at = RENEW_FACTOR;
	use->next = plans;
	plans = use;
	plan->use = use;
	plan->plan = made;
}

static Oid
schema_owner(Oid schema)
{
	HeapTuple tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(schema));
	Oid owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for schema %u", schema);
	owner = ((Form_pg_namespace) GETSTRUCT(tuple))->nspowner;
	ReleaseSysCache(tuple);
	return owner;
}

Oid
pocket_extension_owner(void)
{
	Oid owner = InvalidOid;
	Relation catalog = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ, CStringGetDatum("pocket"));
	scan = systable_beginscan(catalog, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		owner = ((Form_pg_extension) GETSTRUCT(tuple))->extowner;
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	if (!OidIsValid(owner))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("extension \"pocket\" does not exist"),
						errhint("Run CREATE EXTENSION pocket.")));
	return owner;
}

bool
pocket_installed(void)
{
	return OidIsValid(get_namespace_oid("pocket_data", true));
}

/* A schema that somebody else has planted under our name must not be worked with: callers' files would be his. */
Oid
pocket_data_owner(void)
{
	Oid schema = get_namespace_oid("pocket_data", true);
	Oid owner;

	if (!OidIsValid(schema))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("Pocket is not installed in database \"%s\"", get_database_name(MyDatabaseId)),
						errhint("A superuser runs: SELECT pocket.install();")));
	owner = schema_owner(schema);
	if (!superuser_arg(owner) && owner != pocket_extension_owner())
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("schema \"pocket_data\" belongs to role \"%s\", which is neither superuser nor owner of "
							   "extension \"pocket\"",
							   GetUserNameFromId(owner, false)),
						errhint("Use ALTER SCHEMA pocket_data OWNER TO, or drop the schema if it is not Pocket's.")));
	return owner;
}

/*
 * The version has been found to fit since the table that it is in was changed:
 * pocket.cell_changed(), its trigger, tells all backends, as whatever drops or
 * truncates it does.
 */
static bool version_fits = false;
static uint64 version_changes = 0;
static Oid version_table = InvalidOid;

static void
version_changed(Datum arg, Oid relation)
{
	if (relation != version_table && OidIsValid(relation) && OidIsValid(version_table))
		return;
	version_fits = false;
	version_changes++;
}

static void
watch_version(void)
{
	static bool watching = false;

	if (!watching)
		CacheRegisterRelcacheCallback(version_changed, (Datum) 0);
	watching = true;
	version_table = get_relname_relid("cell", get_namespace_oid("pocket_data", false));
}

/* A dump of an older version, or a library that is newer or older than the data, is refused before it does harm. */
static void
check_version(void)
{
	static PocketPlan version_of = {"SELECT schema_version FROM pocket_data.cell", "", NULL, NULL};
	uint64 changes;
	int32 version;

	/* nobody else's lock need be waited for before it is heard that something changed */
	AcceptInvalidationMessages();
	if (version_fits)
		return;
	watch_version();
	changes = version_changes;

	if (pocket_latest(&version_of, NULL, NULL) != 1)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("table pocket_data.cell does not have its one row"),
						errhint("Restore the row from a backup of this database.")));
	version = pocket_column_int32(0, 1);
	pocket_free_rows();
	if (version < POCKET_SCHEMA_VERSION)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("Pocket's data is of version %d, this library needs version %d", version,
							   POCKET_SCHEMA_VERSION),
						errhint("A superuser runs: SELECT pocket.upgrade();")));
	if (version > POCKET_SCHEMA_VERSION)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("Pocket's data is of version %d, this library knows only version %d", version,
							   POCKET_SCHEMA_VERSION),
						errhint("Install the release of Pocket that the data was made with, or a newer one.")));
	version_fits = changes == version_changes;
}

/*
 * What the caller may have set, and would work inside the owner's statements; and compiling of plans, which takes seconds for the large
 * ones and saves none.
 */
static const struct
{
	const char *name;
	const char *value;
} pinned[] = {{"search_path", "pg_catalog, pg_temp"},
			  {"standard_conforming_strings", "on"},
			  {"default_tablespace", ""},
			  {"temp_tablespaces", ""},
			  {"row_security", "on"},
			  {"jit", "off"}};

void
pocket_enter_as(PocketSession *session, Oid role)
{
	Oid schema = get_namespace_oid("pocket", false);

	/* statements call what is in there as the owner: it must be the extension's */
	if (schema != plans_schema &&
		getExtensionOfObject(NamespaceRelationId, schema) != get_extension_oid("pocket", false))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("schema \"pocket\" is not the extension's")));
	session->caller = GetUserId();
	session->result_context = CurrentMemoryContext;
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	GetUserIdAndSecContext(&session->saved_user, &session->saved_security);
	SetUserIdAndSecContext(role, session->saved_security | SECURITY_LOCAL_USERID_CHANGE);
	session->guc_level = NewGUCNestLevel();
	for (Size i = 0; i < lengthof(pinned); i++)
	{
		/* most are so already, and to look is cheap */
		if (strcmp(GetConfigOption(pinned[i].name, false, false), pinned[i].value) != 0)
			(void) set_config_option(pinned[i].name, pinned[i].value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true,
									 0, false);
	}
	if (schema != plans_schema)
	{
		drop_plans();
		plans_schema = schema;
	}
}

void
pocket_enter(PocketSession *session)
{
	pocket_enter_as(session, pocket_data_owner());
	check_version();
}

void
pocket_leave(PocketSession *session)
{
	AtEOXact_GUC(false, session->guc_level);
	SetUserIdAndSecContext(session->saved_user, session->saved_security);
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
}

static Oid
type_by_name(const char *name)
{
	Oid type;
	int32 typmod;

#if PG_VERSION_NUM >= 160000
	(void) parseTypeString(name, &type, &typmod, NULL);
#else
	parseTypeString(name, &type, &typmod, false);
#endif
	return type;
}

SPIPlanPtr
pocket_plan(PocketPlan *plan)
{
	Oid types[POCKET_PLAN_ARGS_MAX];
	int count = 0;
	const char *rest;
	SPIPlanPtr made;

	if (plan->plan != NULL)
	{
		count_use(plan);
		return plan->plan;
	}
	for (rest = plan->types; *rest != '\0'; rest += strspn(rest, " "))
	{
		Size length = strcspn(rest, " ");
		char *name = pnstrdup(rest, length);

		Assert(count < POCKET_PLAN_ARGS_MAX);
		types[count++] = type_by_name(name);
		pfree(name);
		rest += length;
	}
	made = SPI_prepare(plan->sql, count, types);
	if (made == NULL)
		elog(ERROR, "SPI_prepare failed: %s: %s", SPI_result_code_string(SPI_result), plan->sql);
	if (SPI_keepplan(made) != 0)
		elog(ERROR, "SPI_keepplan failed: %s", plan->sql);
	keep(plan, made);
	return made;
}

/* SPI goes on in its procedure's context: loops that bound their memory by one of their own are put back into theirs. */
static uint64
finish(const PocketPlan *plan, int result, MemoryContext context)
{
	MemoryContextSwitchTo(context);
	if (result < 0)
		elog(ERROR, "SPI failed: %s: %s", SPI_result_code_string(result), plan->sql);
	return SPI_processed;
}

uint64
pocket_select(PocketPlan *plan, const Datum *values, const char *nulls, bool fresh, long max)
{
	MemoryContext context = CurrentMemoryContext;
	int result = SPI_execute_plan(pocket_plan(plan), unconstify(Datum *, values), nulls, !fresh, max);

	return finish(plan, result, context);
}

uint64
pocket_write(PocketPlan *plan, const Datum *values, const char *nulls)
{
	return pocket_select(plan, values, nulls, true, 0);
}

uint64
pocket_read(PocketPlan *plan, const Datum *values, const char *nulls)
{
	return pocket_select(plan, values, nulls, false, 0);
}

static uint64
execute_latest(PocketPlan *plan, const Datum *values, const char *nulls, bool read_only)
{
	MemoryContext context = CurrentMemoryContext;
	SPIPlanPtr prepared = pocket_plan(plan);
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	int result;

	result = SPI_execute_snapshot(prepared, unconstify(Datum *, values), nulls, snapshot, InvalidSnapshot, read_only,
								  false, 0);
	UnregisterSnapshot(snapshot);
	return finish(plan, result, context);
}

uint64
pocket_latest(PocketPlan *plan, const Datum *values, const char *nulls)
{
	return execute_latest(plan, values, nulls, true);
}

uint64
pocket_latest_lock(PocketPlan *plan, const Datum *values, const char *nulls)
{
	return execute_latest(plan, values, nulls, false);
}

Datum
pocket_column(uint64 row, int column, bool *is_null)
{
	Assert(row < SPI_processed);
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, is_null);
}

bool
pocket_is_null(uint64 row, int column)
{
	bool is_null;

	(void) pocket_column(row, column, &is_null);
	return is_null;
}

static Datum
column_not_null(uint64 row, int column)
{
	bool is_null;
	Datum value = pocket_column(row, column, &is_null);

	if (is_null)
		elog(ERROR, "column %d of a query's result is unexpectedly null", column);
	return value;
}

int64
pocket_column_int64(uint64 row, int column)
{
	return DatumGetInt64(column_not_null(row, column));
}

int32
pocket_column_int32(uint64 row, int column)
{
	return DatumGetInt32(column_not_null(row, column));
}

bool
pocket_column_bool(uint64 row, int column)
{
	return DatumGetBool(column_not_null(row, column));
}

char *
pocket_column_text(uint64 row, int column)
{
	return TextDatumGetCString(column_not_null(row, column));
}

struct varlena *
pocket_column_varlena(uint64 row, int column)
{
	return PG_DETOAST_DATUM_COPY(column_not_null(row, column));
}

/* A row that is shown is not SPI's to free. */
static HeapTuple shown_row;
static SPITupleTable shown = {.vals = &shown_row, .numvals = 1};

void
pocket_free_rows(void)
{
	if (SPI_tuptable != &shown)
		SPI_freetuptable(SPI_tuptable);
	SPI_tuptable = NULL;
}

uint64
pocket_show_row(TupleDesc columns, HeapTuple row)
{
	shown_row = row;
	shown.tupdesc = columns;
	SPI_tuptable = row == NULL ? NULL : &shown;
	SPI_processed = row == NULL ? 0 : 1;
	return SPI_processed;
}

#define LOCK_CLASS 0x506f636b /* "Pock" */

static LOCKTAG
lock_tag(PocketLock lock)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, LOCK_CLASS, (uint32) lock, 3);
	return tag;
}

void
pocket_lock_exclusive(PocketLock lock)
{
	LOCKTAG tag = lock_tag(lock);

	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

bool
pocket_lock_if_free(PocketLock lock)
{
	LOCKTAG tag = lock_tag(lock);

	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

void
pocket_unlock(PocketLock lock)
{
	LOCKTAG tag = lock_tag(lock);

	(void) LockRelease(&tag, ExclusiveLock, false);
}

/*
 * The SQL functions have no advisory locks of this method.  Buckets share a bounded number of locks, so that a transaction of any
 * size leaves room in the lock table: what retires holds up some who add to other buckets, until its transaction ends.
 */
#define BUCKET_LOCK_METHOD 4
#define BUCKET_LOCKS 1024

static LOCKTAG
bucket_tag(int64 bucket_id)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, (uint32) ((uint64) bucket_id % BUCKET_LOCKS), BUCKET_LOCK_METHOD);
	return tag;
}

void
pocket_lock_bucket_shared(int64 bucket_id)
{
	LOCKTAG tag = bucket_tag(bucket_id);

	(void) LockAcquire(&tag, ShareLock, false, false);
}

bool
pocket_lock_bucket_if_free(int64 bucket_id)
{
	LOCKTAG tag = bucket_tag(bucket_id);

	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}
