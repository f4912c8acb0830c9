/*
 * opener.c
 *	  Asking for open buckets.
 *
 * The coordinator keeps buckets open; on a server without it, or when it has
 * not looked yet, a one-shot worker does what its next pass would do.  It works
 * in a transaction of its own, so that what it opens outlives ours.
 *
 * Small buckets fill under the hands of many backends at once, and all of them
 * find out: they ask one after the other, and most find what the first was given.
 */
#include "blocks/blocks.h"

#include "miscadmin.h"
#include "postmaster/bgworker.h"

#include "base/spi.h"

#define LOCK_OPENER INT64CONST(0x506f636b65740003) /* beside those of cell/coordinate.c */

StaticAssertDecl(sizeof(PocketClosedBuckets) <= BGW_EXTRALEN, "what the worker is told must fit");

static bool
start(const int64 *closed, int count, BackgroundWorkerHandle **handle)
{
	BackgroundWorker worker = {0};
	PocketClosedBuckets told = {.count = Min(count, POCKET_CLOSED_MAX)};

	memcpy(told.bucket_ids, closed, sizeof(int64) * told.count);
	strlcpy(worker.bgw_name, "pocket bucket opener", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "pocket bucket opener", BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "pocket", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "pocket_opener_main", BGW_MAXLEN);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = ObjectIdGetDatum(MyDatabaseId);
	worker.bgw_notify_pid = handle != NULL ? MyProcPid : 0;
	memcpy(worker.bgw_extra, &told, sizeof(told));
	return RegisterDynamicBackgroundWorker(&worker, handle);
}

void
pocket_opener_lock(void)
{
	pocket_lock_exclusive(LOCK_OPENER);
}

void
pocket_opener_unlock(void)
{
	pocket_unlock(LOCK_OPENER);
}

bool
pocket_opener_run(const int64 *closed, int count)
{
	BackgroundWorkerHandle *handle;

	if (!start(closed, count, &handle))
		return false;
	(void) WaitForBackgroundWorkerShutdown(handle);
	return true;
}

void
pocket_opener_hint(int64 closed)
{
	static PocketPlan open = {"SELECT FROM pocket_data.bucket WHERE bucket_id = $1 AND state = 'open'", "int8", NULL,
							  NULL};
	Datum values[1] = {Int64GetDatum(closed)};
	bool unseen;

	if (!pocket_lock_if_free(LOCK_OPENER))
		return;
	unseen = pocket_latest(&open, values, NULL) > 0;
	pocket_free_rows();
	if (unseen)
		(void) start(&closed, 1, NULL);
	pocket_unlock(LOCK_OPENER);
}
