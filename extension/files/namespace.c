/*
 * namespace.c
 *	  create_namespace, alter_namespace, drop_namespace and lock.
 *
 * Who may do what: changing and dropping one is for its owner and superusers, whatever
 * lists say; locking one for whoever may write into its root.
 */
#include "files/files.h"

#include "access/access.h"
#include "base/install.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(pocket_create_namespace);
PG_FUNCTION_INFO_V1(pocket_alter_namespace);
PG_FUNCTION_INFO_V1(pocket_drop_namespace);
PG_FUNCTION_INFO_V1(pocket_lock_namespaces);

/* quota => QUOTA_NONE takes a quota away */
#define QUOTA_NONE (-1)

static void
check_quota(int64 quota)
{
	if (quota < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("quota must not be negative")));
}

static void
check_retention(const Interval *retention)
{
	Interval zero = {0};

	if (DatumGetBool(DirectFunctionCall2(interval_lt, IntervalPGetDatum(retention), IntervalPGetDatum(&zero))))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("retention must not be negative")));
}

/* create_namespace(name, quota, retention, case_sensitive) */
Datum
pocket_create_namespace(PG_FUNCTION_ARGS)
{
	PocketNamespaceOptions options;
	PocketSession session;
	char *name;
	int64 ns_id;

	pocket_check_not_null(fcinfo, 0, "name");
	pocket_check_not_null(fcinfo, 2, "retention");
	pocket_check_not_null(fcinfo, 3, "case_sensitive");
	PreventCommandIfReadOnly("pocket.create_namespace()");
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	options.quota = PG_ARGISNULL(1) ? -1 : PG_GETARG_INT64(1);
	options.retention = PG_GETARG_INTERVAL_P(2);
	options.case_sensitive = PG_GETARG_BOOL(3);
	if (!PG_ARGISNULL(1))
		check_quota(options.quota);
	check_retention(options.retention);

	(void) pocket_install_if_needed();
	pocket_enter(&session);
	ns_id = pocket_namespace_create(name, &options, pocket_caller(&session, fcinfo->flinfo->fn_oid)->name);
	pocket_leave(&session);
	PG_RETURN_INT64(ns_id);
}

/* 42501 for those who may read its root, 42704 for others who do not own it. */
static void
open_owned(PocketNamespace *ns, PocketHead *head, const char *name, PocketCaller *caller)
{
	pocket_namespace_open(ns, name, caller, true);
	pocket_check_owned(ns);
	pocket_namespace_lock(head, ns);
	pocket_check_owned(ns);
}

/* alter_namespace(name, new_name, quota, retention): null is as it was */
Datum
pocket_alter_namespace(PG_FUNCTION_ARGS)
{
	bool has_quota = !PG_ARGISNULL(2);
	int64 quota = has_quota ? PG_GETARG_INT64(2) : QUOTA_NONE;
	const Interval *retention = PG_ARGISNULL(3) ? NULL : PG_GETARG_INTERVAL_P(3);
	char *new_name = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	PocketSession session;
	PocketNamespace ns;
	PocketHead head;

	pocket_check_not_null(fcinfo, 0, "name");
	PreventCommandIfReadOnly("pocket.alter_namespace()");
	if (quota != QUOTA_NONE)
		check_quota(quota);
	if (retention != NULL)
		check_retention(retention);

	pocket_enter(&session);
	/* whoever has looked at the old quota has ended; and who has an older snapshot than the new one's fails to write */
	open_owned(&ns, &head, text_to_cstring(PG_GETARG_TEXT_PP(0)), pocket_caller(&session, fcinfo->flinfo->fn_oid));
	pocket_namespace_alter(&head, new_name, has_quota, quota, retention);
	head.changed = true;
	pocket_head_flush(&head);
	pocket_leave(&session);
	PG_RETURN_VOID();
}

/* drop_namespace(name) */
Datum
pocket_drop_namespace(PG_FUNCTION_ARGS)
{
	PocketSession session;
	PocketNamespace ns;
	PocketHead head;

	PreventCommandIfReadOnly("pocket.drop_namespace()");

	pocket_enter(&session);
	open_owned(&ns, &head, text_to_cstring(PG_GETARG_TEXT_PP(0)), pocket_caller(&session, fcinfo->flinfo->fn_oid));
	pocket_namespace_drop(&head);
	pocket_notify_changed(ns.ns_id);
	pocket_leave(&session);
	PG_RETURN_VOID();
}

/* --- lock --- */

static int
compare_ids(const void *a, const void *b)
{
	int64 x = *(const int64 *) a;
	int64 y = *(const int64 *) b;

	return (x > y) - (x < y);
}

/* lock(namespaces): in the order of ns_id, whatever that of the array */
Datum
pocket_lock_namespaces(PG_FUNCTION_ARGS)
{
	PocketSession session;
	PocketCaller *caller;
	Datum *names;
	bool *nulls;
	int64 *ids;
	int count;
	int i;

	PreventCommandIfReadOnly("pocket.lock()");
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls, &count);
	ids = palloc(sizeof(int64) * (Size) Max(count, 1));

	pocket_enter(&session);
	caller = pocket_caller(&session, fcinfo->flinfo->fn_oid);
	for (i = 0; i < count; i++)
	{
		PocketNamespace ns;

		CHECK_FOR_INTERRUPTS();
		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("namespaces must not have a null")));
		pocket_namespace_open(&ns, TextDatumGetCString(names[i]), caller, true);
		pocket_check_root(&ns, PK_RIGHT_WRITE);
		ids[i] = ns.ns_id;
	}
	qsort(ids, (size_t) count, sizeof(int64), compare_ids);
	for (i = 0; i < count; i++)
	{
		PocketHead head;

		if (i == 0 || ids[i] != ids[i - 1])
			pocket_head_lock(&head, ids[i]);
	}
	pocket_leave(&session);
	PG_RETURN_VOID();
}
