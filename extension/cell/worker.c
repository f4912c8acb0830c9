/*
 * worker.c
 *	  The coordinator, and the one-shot opener.
 *
 * With shared_preload_libraries = 'pocket' one coordinator runs on a primary.
 * It does what SELECT * FROM pocket.coordinate() does, but gives each duty a
 * transaction of its own, so that what one has decided is committed before the
 * next acts upon it.  An error is logged, and the next duty runs.
 */
#include "cell/cell.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "access/access.h"
#include "base/guc.h"
#include "base/spi.h"
#include "blocks/blocks.h"
#include "journal/journal.h"
#include "placement/placement.h"

#define RESTART_S 10
#define OPENER_LOCK_TIMEOUT "10s"

PGDLLEXPORT void pocket_coordinator_main(Datum arg);
PGDLLEXPORT void pocket_opener_main(Datum arg);

/* In an order that serves: what is sealed is replaced, then encoded, then settled in the next round. */
static const char *const round_duties[] = {"check",	  "reconcile", "settle",  "seal",	 "open",
										   "encode",  "repair",	   "scrub",	  "index",	 "watch",
										   "referee", "retain",	   "reclaim", "compact", "trash"};

/* Runs work in a transaction; false, and the error in the log, when it fails. */
static bool
in_transaction(void (*work)(const void *arg), const void *arg, const char *what)
{
	MemoryContext outer = CurrentMemoryContext;
	volatile bool well = true;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	XactIsoLevel = XACT_READ_COMMITTED;
	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_report_activity(STATE_RUNNING, what);
	PG_TRY();
	{
		work(arg);
		PopActiveSnapshot();
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(outer);
		HOLD_INTERRUPTS();
		EmitErrorReport();
		AbortCurrentTransaction();
		FlushErrorState();
		RESUME_INTERRUPTS();
		well = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(outer);
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
	return well;
}

static bool
can_work(void)
{
	return OidIsValid(get_namespace_oid("pocket", true)) && pocket_installed();
}

/* What the coordinator finds. */
typedef struct Scene
{
	bool data;
	bool owner;
} Scene;

static void
look_around(const void *arg)
{
	Scene *scene = unconstify(void *, arg);
	PocketSession session;

	scene->data = can_work();
	if (!scene->data)
		return;
	pocket_enter(&session);
	scene->owner = pocket_cell_standing() == POCKET_OWNER;
	pocket_leave(&session);
}

/*
 * A start is a new epoch: orders of an older coordinator, wherever it runs, are refused from now on. Only the owner's are
 * counted, so that nobody else gets a higher epoch by starting often.
 */
static void
count_start(const void *arg)
{
	static PocketPlan update = {"UPDATE pocket_data.cell SET starts = starts + 1", "", NULL, NULL};
	PocketSession session;

	pocket_enter(&session);
	ForceSyncCommit(); /* a number that nodes have been told is given once */
	(void) pocket_write(&update, NULL, NULL);
	pocket_leave(&session);
}

/* Not by SQL: whoever plants a function of that name would be called as superuser. */
static void
run_duty(const void *duty)
{
	pocket_duty_run((const char *) duty);
}

static void
notify_listeners(const void *prepared_too)
{
	PocketSession session;

	if (!can_work())
		return;
	/* there is nothing to keep: what is told has been committed before, and writers shall not wait for one more flush */
	(void) set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
	pocket_enter(&session);
	pocket_notify_listeners(*(const bool *) prepared_too);
	pocket_leave(&session);
}

static void
serve_listeners(bool prepared_too)
{
	pocket_notify_done(in_transaction(notify_listeners, &prepared_too, "notifying listeners"));
}

static void
write_refusals(const void *arg)
{
	PocketSession session;

	if (!can_work())
		return;
	pocket_enter(&session);
	pocket_refused_write();
	pocket_leave(&session);
}

/* Between two rounds only listeners are served. */
static void
sleep_until_round(void)
{
	TimestampTz began = GetCurrentTimestamp();

	for (;;)
	{
		TimestampTz round;
		long left;

		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		if (pocket_refused_due())
			(void) in_transaction(write_refusals, NULL, "writing down refusals");
		if (pocket_notify_due())
			serve_listeners(false);
		/* the interval may be another now */
		round = TimestampTzPlusMilliseconds(began, pocket_coordinator_interval_ms);
		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), round);
		if (left <= 0)
			return;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, left, PG_WAIT_EXTENSION);
	}
}

void
pocket_coordinator_main(Datum arg)
{
	bool counted = false;

	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(pocket_database, NULL, 0);
	for (;;)
	{
		Scene scene = {false, false};

		if (!in_transaction(look_around, &scene, "looking for Pocket's data"))
			scene.data = false;
		if (scene.owner && !counted)
			counted = in_transaction(count_start, NULL, "counting a start");
		/* of a copy: what changes rows of files only */
		for (Size i = 0; scene.data && (counted || !scene.owner) && i < lengthof(round_duties); i++)
			(void) in_transaction(run_duty, round_duties[i], round_duties[i]);
		serve_listeners(true);
		sleep_until_round();
	}
}

/* --- the opener --- */

/* As rows tell: after an adoption, or when all were away, nobody may have looked since. */
static bool
no_node_is_up(void)
{
	static PocketPlan find = {"SELECT FROM pocket_data.node WHERE state = 'up' LIMIT 1", "", NULL, NULL};

	return pocket_write(&find, NULL, NULL) == 0;
}

static void
open_now(const void *arg)
{
	const PocketClosedBuckets *closed = arg;
	PocketPass pass = {0};
	PocketSession session;

	if (!can_work())
		return;
	(void) set_config_option("lock_timeout", OPENER_LOCK_TIMEOUT, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0,
							 false);
	pocket_enter(&session);
	pocket_lock_open();
	pocket_owner_require();
	if (no_node_is_up() && pocket_lock_if_free(POCKET_LOCK_PASS))
		pocket_duty_check(&pass);
	pocket_seal_closed(&pass, closed->bucket_ids, (int) Min(closed->count, POCKET_CLOSED_MAX));
	pocket_duty_open(&pass);
	pocket_leave(&session);
}

void
pocket_opener_main(Datum arg)
{
	PocketClosedBuckets closed;

	memcpy(&closed, MyBgworkerEntry->bgw_extra, sizeof(closed));
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(arg), InvalidOid, 0);
	(void) in_transaction(open_now, &closed, "opening buckets");
}

void
pocket_cell_init(void)
{
	BackgroundWorker worker = {0};

	if (!process_shared_preload_libraries_in_progress)
		return;
	strlcpy(worker.bgw_name, "pocket coordinator", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "pocket coordinator", BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "pocket", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "pocket_coordinator_main", BGW_MAXLEN);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = RESTART_S;
	RegisterBackgroundWorker(&worker);
}
