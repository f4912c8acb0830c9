/*
 * wait.c
 *	  CALL wait(cursor, timeout): until a namespace changes, or one mounted in it.
 *
 * A procedure, because it must not hold anything while it waits: each look is a
 * transaction of its own.
 */
#include "files/files.h"

#include "access/access.h"
#include "access/htup_details.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/latch.h"
#include "utils/wait_event.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(pocket_wait);

#define LOOK_MS 500			/* when nobody wakes us */
#define LOOK_WOKEN_MS 10000 /* when somebody does: for what was prepared */
#define WOKEN_MAX 32		/* namespaces of a cursor; who follows more looks: places on the board are for all */
#define TIMEOUT_MAX_MS (INT64CONST(24) * 60 * 60 * 1000)

static int64
timeout_ms(const Interval *timeout)
{
	int64 ms = timeout->time / 1000 + ((int64) timeout->day + (int64) timeout->month * 30) * 24 * 60 * 60 * 1000;

	if (ms < 0 || ms > TIMEOUT_MAX_MS)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("timeout must be between 0 and one day")));
	return ms;
}

/* Whether changes() would give something now.  Ends the transaction. */
static bool
look(const PocketCursor *cursor, Oid function)
{
	PocketSession session;
	PocketNamespace ns;
	bool changed;

	PushActiveSnapshot(GetTransactionSnapshot());
	pocket_enter(&session);
	pocket_cursor_open(cursor, &ns, pocket_caller(&session, function));
	changed = pocket_changes_due(cursor, &ns);
	pocket_leave(&session);
	PopActiveSnapshot();
	SPI_commit();
	return changed;
}

static bool
wait_for_change(const PocketCursor *cursor, Oid function, TimestampTz until, bool woken)
{
	for (;;)
	{
		long left;

		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (look(cursor, function))
			return true;
		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), until);
		if (left <= 0)
			return false;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 Min(left, woken ? LOOK_WOKEN_MS : LOOK_MS), PG_WAIT_EXTENSION);
	}
}

/* wait(cursor, timeout, INOUT changed) */
Datum
pocket_wait(PG_FUNCTION_ARGS)
{
	TimestampTz until;
	PocketCursor *cursor;
	TupleDesc descriptor;
	Datum value;
	bool is_null = false;
	volatile bool changed = false;

	if (fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) || ((CallContext *) fcinfo->context)->atomic)
		ereport(ERROR, (errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
						errmsg("pocket.wait() cannot run inside a transaction block"),
						errdetail("It would hold back the cleaning of the whole database while it waits.")));
	pocket_check_not_null(fcinfo, 0, "cursor");
	pocket_check_not_null(fcinfo, 1, "timeout");
	until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout_ms(PG_GETARG_INTERVAL_P(1)));
	cursor = (PocketCursor *) PG_DETOAST_DATUM_COPY(PG_GETARG_DATUM(0));

	SPI_connect_ext(SPI_OPT_NONATOMIC);
	PG_TRY();
	{
		bool woken = cursor->count <= WOKEN_MAX;

		/* what comes to be mounted is a change of the tree */
		for (int32 i = 0; i < cursor->count && woken; i++)
			woken = pocket_notify_enter(cursor->items[i].ns_id);
		changed = wait_for_change(cursor, fcinfo->flinfo->fn_oid, until, woken);
	}
	PG_FINALLY();
	{
		pocket_notify_leave();
	}
	PG_END_TRY();
	SPI_finish();

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	value = BoolGetDatum(changed);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), &value, &is_null)));
}
