/*
 * wanted.c
 *	  Asking for open buckets.
 *
 * The coordinator keeps buckets open; on a server without it, or when it has
 * not looked yet, a one-shot worker does what its next pass would do.  It works
 * in a transaction of its own, so that what it opens outlives ours.
 */
#include "blocks/blocks.h"

#include "miscadmin.h"
#include "postmaster/bgworker.h"

StaticAssertDecl(sizeof(PocketClosedBuckets) <= BGW_EXTRALEN, "what the worker is told must fit");

void
pocket_buckets_wanted(const int64 *closed, int count, bool wait)
{
	BackgroundWorker worker = {0};
	BackgroundWorkerHandle *handle;
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
	worker.bgw_notify_pid = wait ? MyProcPid : 0;
	memcpy(worker.bgw_extra, &told, sizeof(told));
	if (!RegisterDynamicBackgroundWorker(&worker, wait ? &handle : NULL))
	{
		if (wait)
			ereport(WARNING,
					(errcode(ERRCODE_INSUFFICIENT_RESOURCES), errmsg("could not start a worker that opens a bucket"),
					 errhint("Raise max_worker_processes, or run SELECT * FROM pocket.coordinate().")));
		return;
	}
	if (wait)
		(void) WaitForBackgroundWorkerShutdown(handle);
}
