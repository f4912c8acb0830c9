/*
 * notify.c
 *	  Telling those who wait that a namespace has changed.
 *
 * A NOTIFY in the writer's transaction would make all commits of the instance
 * wait for each other.  So writers, once their commit is done, look at a board
 * in shared memory: they wake the backends that wait for the namespace, and put
 * it down for the coordinator, who notifies listeners in a transaction of his
 * own.  The board is a help and no proof: without it (the library is not
 * preloaded), or when it is full, or when somebody else commits what was
 * prepared, waiters find out by looking.
 */
#include "journal/journal.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "commands/async.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/memutils.h"

#define WAITERS_MAX 512
#define CHANGED_MAX 256
#define PENDING_MAX 64

typedef struct Waiter
{
	Latch *latch; /* NULL: the place is free */
	Oid database;
	int64 ns_id;
} Waiter;

typedef struct Board
{
	slock_t mutex;
	int waiters_end; /* places behind it are free */
	Waiter waiters[WAITERS_MAX];

	/* for the coordinator */
	Latch *notifier;
	Oid notifier_database;
	bool overflown; /* more has changed than is put down */
	int changed_count;
	int64 changed[CHANGED_MAX];
} Board;

static Board *board = NULL;
static shmem_request_hook_type next_request_hook = NULL;
static shmem_startup_hook_type next_startup_hook = NULL;
static bool waits = false; /* this backend may have places */

/* Changed by this transaction; more than these are told as 0, which is all. */
static int64 pending[PENDING_MAX];
static int pending_count = 0;

/* --- shared memory --- */

static void
request_board(void)
{
	if (next_request_hook != NULL)
		next_request_hook();
	RequestAddinShmemSpace(MAXALIGN(sizeof(Board)));
}

static void
start_board(void)
{
	bool found;

	if (next_startup_hook != NULL)
		next_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	board = ShmemInitStruct("pocket notification board", sizeof(Board), &found);
	if (!found)
	{
		memset(board, 0, sizeof(Board));
		SpinLockInit(&board->mutex);
	}
	LWLockRelease(AddinShmemInitLock);
}

/* --- writers --- */

static bool
is_told(int64 told, int64 ns_id)
{
	return told == 0 || told == ns_id;
}

/* With the board's mutex held. */
static void
put_down(int64 ns_id)
{
	for (int i = 0; i < board->changed_count; i++)
	{
		if (board->changed[i] == ns_id)
			return;
	}
	if (ns_id == 0 || board->changed_count == CHANGED_MAX)
		board->overflown = true;
	else
		board->changed[board->changed_count++] = ns_id;
}

/* Nothing here can fail: the transaction has been committed.  Latches are set without the lock. */
static void
tell(int64 ns_id)
{
	Latch *latches[WAITERS_MAX];
	Latch *notifier = NULL;
	int count = 0;

	SpinLockAcquire(&board->mutex);
	for (int i = 0; i < board->waiters_end; i++)
	{
		const Waiter *waiter = &board->waiters[i];

		if (waiter->latch != NULL && waiter->database == MyDatabaseId && is_told(ns_id, waiter->ns_id))
			latches[count++] = waiter->latch;
	}
	if (board->notifier != NULL && board->notifier_database == MyDatabaseId)
	{
		/* whoever puts down the first one wakes him; until he has taken it he is awake, or about to be */
		if (board->changed_count == 0 && !board->overflown)
			notifier = board->notifier;
		put_down(ns_id);
	}
	SpinLockRelease(&board->mutex);
	/* a latch of a backend that has ended meanwhile belongs to its successor, who is used to waking up for nothing */
	for (int i = 0; i < count; i++)
		SetLatch(latches[i]);
	if (notifier != NULL)
		SetLatch(notifier);
}

static void
on_transaction_end(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			for (int i = 0; i < pending_count; i++)
				tell(pending[i]);
			pending_count = 0;
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE: /* whoever commits it knows nothing of us */
			pending_count = 0;
			break;
		default:
			break;
	}
}

/* Changes that a savepoint takes back are told too: whoever looks finds nothing. */
void
pocket_notify_changed(int64 ns_id)
{
	static bool registered = false;

	if (board == NULL)
		return;
	if (!registered)
	{
		RegisterXactCallback(on_transaction_end, NULL);
		registered = true;
	}
	for (int i = 0; i < pending_count; i++)
	{
		if (is_told(pending[i], ns_id))
			return;
	}
	if (pending_count == PENDING_MAX)
	{
		pending[0] = 0;
		pending_count = 1;
	}
	else
		pending[pending_count++] = ns_id;
}

/* --- those who wait --- */

static void
leave_at_exit(int code, Datum arg)
{
	pocket_notify_leave();
	if (board != NULL && board->notifier == MyLatch)
	{
		SpinLockAcquire(&board->mutex);
		board->notifier = NULL;
		SpinLockRelease(&board->mutex);
	}
}

static void
leave_when_exiting(void)
{
	static bool registered = false;

	if (!registered)
		before_shmem_exit(leave_at_exit, (Datum) 0);
	registered = true;
}

bool
pocket_notify_enter(int64 ns_id)
{
	bool entered = false;

	/* what a standby replays commits without us */
	if (board == NULL || RecoveryInProgress())
		return false;
	leave_when_exiting();
	waits = true;
	SpinLockAcquire(&board->mutex);
	for (int i = 0; i < WAITERS_MAX && !entered; i++)
	{
		if (board->waiters[i].latch == NULL)
		{
			board->waiters[i] = (Waiter){MyLatch, MyDatabaseId, ns_id};
			entered = true;
			board->waiters_end = Max(board->waiters_end, i + 1);
		}
	}
	SpinLockRelease(&board->mutex);
	return entered;
}

void
pocket_notify_leave(void)
{
	if (board == NULL || !waits)
		return;
	SpinLockAcquire(&board->mutex);
	for (int i = 0; i < board->waiters_end; i++)
	{
		if (board->waiters[i].latch == MyLatch)
			board->waiters[i].latch = NULL;
	}
	while (board->waiters_end > 0 && board->waiters[board->waiters_end - 1].latch == NULL)
		board->waiters_end--;
	SpinLockRelease(&board->mutex);
	waits = false;
}

/* --- the coordinator --- */

static void
notify(int64 ns_id)
{
	char channel[NAMEDATALEN];

	snprintf(channel, sizeof(channel), "pocket_" INT64_FORMAT, ns_id);
	Async_Notify(channel, NULL);
}

/* More has changed than the board has room for: all that has changed lately. */
static void
notify_all(void)
{
	static PocketPlan lately = {"SELECT ns_id FROM pocket_data.namespace_head"
								" WHERE at > pg_catalog.clock_timestamp() - interval '1 minute'",
								"", NULL, NULL};
	uint64 count = pocket_write(&lately, NULL, NULL);

	for (uint64 i = 0; i < count; i++)
		notify(pocket_column_int64(i, 1));
	pocket_free_rows();
}

bool
pocket_notify_due(void)
{
	bool due;

	if (board == NULL)
		return false;
	leave_when_exiting();
	SpinLockAcquire(&board->mutex);
	board->notifier = MyLatch;
	board->notifier_database = MyDatabaseId;
	due = board->overflown || board->changed_count > 0;
	SpinLockRelease(&board->mutex);
	return due;
}

void
pocket_notify_listeners(void)
{
	int64 changed[CHANGED_MAX];
	bool overflown;
	int count;

	SpinLockAcquire(&board->mutex);
	count = board->changed_count;
	memcpy(changed, board->changed, sizeof(int64) * (Size) count);
	overflown = board->overflown;
	board->changed_count = 0;
	board->overflown = false;
	SpinLockRelease(&board->mutex);
	for (int i = 0; i < count; i++)
		notify(changed[i]);
	if (overflown)
		notify_all();
}

void
pocket_notify_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	next_request_hook = shmem_request_hook;
	shmem_request_hook = request_board;
	next_startup_hook = shmem_startup_hook;
	shmem_startup_hook = start_board;
}
