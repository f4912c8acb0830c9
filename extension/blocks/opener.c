/*
 * opener.c
 *	  Asking for open buckets.
 *
 * The coordinator keeps buckets open; on a server without it, or when it has
 * not looked yet, a one-shot worker does what its next pass would do.  It works
 * in a transaction of its own, so that what it opens outlives ours.
 *
 * Small buckets fill under the hands of many backends at once, and all of them
 * find out: one of them asks, and the others find what he was given.
 */
#include "blocks/blocks.h"

#include "miscadmin.h"
#include "postmaster/bgworker.h"

#include "base/spi.h"

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

PocketOpener
pocket_opener_run(const int64 *closed, int count)
{
	BackgroundWorkerHandle *handle;
	bool started;

	if (!pocket_lock_if_free(POCKET_LOCK_OPENER))
		return POCKET_OPENER_BUSY;
	started = start(closed, count, &handle);
	if (started)
		(void) WaitForBackgroundWorkerShutdown(handle);
	pocket_unlock(POCKET_LOCK_OPENER);
	return started ? POCKET_OPENER_RAN : POCKET_OPENER_NONE;
}

/* Whoever opens buckets at this moment opens for all. */
static bool
somebody_opens(void)
{
	if (!pocket_lock_if_free(POCKET_LOCK_OPENER))
		return true;
	pocket_unlock(POCKET_LOCK_OPENER);
	if (!pocket_lock_if_free(POCKET_LOCK_OPEN))
		return true;
	pocket_unlock(POCKET_LOCK_OPEN);
	return false;
}

void
pocket_opener_hint(const int64 *closed, int count)
{
	if (!somebody_opens())
		(void) start(closed, count, NULL);
}
