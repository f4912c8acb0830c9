/*
 * notify.c
 *	  Telling those who wait that a namespace has changed.
 *
 * A NOTIFY in the writer's transaction would make all commits of the instance
 * wait for each other.  So writers, once their commit is done, look at a board
 * in shared memory: they wake the backends that wait for the namespace, and put
 * it down for the coordinator, who notifies listeners in a transaction of his
 * own.  What is put down stays until he has told it, whoever he is then; when
 * there is no room for it, he is told from which transaction on he has to look
 * himself.  The board ends with the server, as everybody who listens does.
 *
 * What is prepared will be committed by somebody who knows nothing of it: so it
 * leaves rows, which the coordinator finds in the next round after the commit.
 *
 * Without a board (the library is not preloaded), or when it has no place for
 * them, waiters find out by looking.
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
#include "utils/snapmgr.h"

#define WAITERS_MAX 512
#define CHANGED_MAX 256
#define PENDING_MAX 64
#define PREPARED_MAX 10000 /* rows that are told in a round */

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
	Latch *notifier;	/* NULL: he is not there now */
	Oid database;		/* his; invalid: he has not been there yet, and everything is put down */
	uint64 unnamed;		/* the first transaction that changed what there was no room for; 0: none */
	uint64 unnamed_now; /* as he is telling it */
	int changed_count;
	int told_count; /* of these, from the first on, he is telling now */
	int64 changed[CHANGED_MAX];
} Board;

static Board *board = NULL;
static shmem_request_hook_type next_request_hook = NULL;
static shmem_startup_hook_type next_startup_hook = NULL;
static bool waits = false; /* this backend may have places */

/* Changed by this transaction; more than these are told as 0, which is all. */
static int64 pending[PENDING_MAX];
static int pending_count = 0;
static uint64 pending_xid;

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

static uint64
first_of(uint64 a, uint64 b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

/* With the board's mutex held. */
static void
put_down(int64 ns_id, uint64 xid)
{
	for (int i = board->told_count; i < board->changed_count; i++)
	{
		if (board->changed[i] == ns_id)
			return;
	}
	if (ns_id == 0 || board->changed_count == CHANGED_MAX)
		board->unnamed = first_of(board->unnamed, xid);
	else
		board->changed[board->changed_count++] = ns_id;
}

/* With the mutex held: the latches of those who wait for the namespace. */
static int
find_waiters(int64 ns_id, Latch **latches)
{
	int count = 0;

	for (int i = 0; i < board->waiters_end; i++)
	{
		const Waiter *waiter = &board->waiters[i];

		if (waiter->latch != NULL && waiter->database == MyDatabaseId && is_told(ns_id, waiter->ns_id))
			latches[count++] = waiter->latch;
	}
	return count;
}

/* Without it.  A latch of a backend that has ended meanwhile belongs to its successor, who wakes up for nothing. */
static void
wake(Latch *const *latches, int count)
{
	for (int i = 0; i < count; i++)
		SetLatch(latches[i]);
}

/* Nothing here can fail: the transaction has been committed. */
static void
tell(int64 ns_id)
{
	Latch *latches[WAITERS_MAX + 1];
	int count;

	SpinLockAcquire(&board->mutex);
	count = find_waiters(ns_id, latches);
	if (board->database == MyDatabaseId || board->database == InvalidOid)
	{
		/* whoever puts down the first one wakes him; until he has taken it he is awake, or about to be */
		if (board->notifier != NULL && board->changed_count == board->told_count && board->unnamed == 0)
			latches[count++] = board->notifier;
		put_down(ns_id, pending_xid);
	}
	SpinLockRelease(&board->mutex);
	wake(latches, count);
}

/*
 * Before the transaction is prepared: rows that are there when it is committed.
 * They are no change of what it may have declared itself not to change any more.
 */
static void
leave_rows(void)
{
	static PocketPlan leave = {
		"INSERT INTO pocket_data.untold (ns_id, xid) VALUES ($1, pg_catalog.pg_current_xact_id())", "int8", NULL, NULL};
	bool read_only = XactReadOnly;
	PocketSession session;

	if (pending_count == 0 || !pocket_installed() || (board->database != MyDatabaseId && board->database != InvalidOid))
		return;
	XactReadOnly = false;
	PushActiveSnapshot(GetTransactionSnapshot());
	pocket_enter(&session);
	for (int i = 0; i < pending_count; i++)
	{
		Datum values[1] = {Int64GetDatum(pending[i])};

		(void) pocket_write(&leave, values, NULL);
	}
	pocket_leave(&session);
	PopActiveSnapshot();
	XactReadOnly = read_only;
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
		case XACT_EVENT_PRE_PREPARE:
			leave_rows();
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
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
	pending_xid = U64FromFullTransactionId(GetTopFullTransactionId());
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
		pocket_notify_done(false);
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

/*
 * All that was changed by a transaction or a later one, found by going over all
 * heads: their rows are the work of whoever changed them last.  Some may be told
 * for nothing.
 */
static void
notify_since(uint64 xid)
{
	static PocketPlan since = {"SELECT ns_id FROM pocket_data.namespace_head"
							   " WHERE pg_catalog.age(xmin) <= pg_catalog.age($1)",
							   "xid", NULL, NULL};
	Datum values[1] = {TransactionIdGetDatum(XidFromFullTransactionId(FullTransactionIdFromU64(xid)))};
	uint64 count = pocket_write(&since, values, NULL);

	for (uint64 i = 0; i < count; i++)
		notify(pocket_column_int64(i, 1));
	pocket_free_rows();
}

/* What was prepared and has been committed since; returns the first transaction that has not said what it changed. */
static uint64
notify_prepared(void)
{
	static PocketPlan take = {"DELETE FROM pocket_data.untold WHERE untold_id = ANY (ARRAY(SELECT u.untold_id"
							  " FROM pocket_data.untold u ORDER BY u.untold_id LIMIT $1)) RETURNING ns_id, xid",
							  "int8", NULL, NULL};
	Datum values[1] = {Int64GetDatum(PREPARED_MAX)};
	uint64 count = pocket_write(&take, values, NULL);
	uint64 unnamed = 0;

	for (uint64 i = 0; i < count; i++)
	{
		int64 ns_id = pocket_column_int64(i, 1);
		Latch *latches[WAITERS_MAX];
		int waiting;

		if (ns_id != 0)
			notify(ns_id);
		else
			unnamed = first_of(unnamed, (uint64) pocket_column_int64(i, 2));
		SpinLockAcquire(&board->mutex);
		waiting = find_waiters(ns_id, latches);
		SpinLockRelease(&board->mutex);
		wake(latches, waiting);
	}
	pocket_free_rows();
	return unnamed;
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
	board->database = MyDatabaseId;
	due = board->unnamed != 0 || board->changed_count > 0;
	SpinLockRelease(&board->mutex);
	return due;
}

void
pocket_notify_listeners(bool prepared_too)
{
	int64 changed[CHANGED_MAX];
	uint64 unnamed;
	int count;

	if (board == NULL)
		return;
	SpinLockAcquire(&board->mutex);
	count = board->told_count = board->changed_count;
	memcpy(changed, board->changed, sizeof(int64) * (Size) count);
	unnamed = board->unnamed_now = board->unnamed;
	board->unnamed = 0;
	SpinLockRelease(&board->mutex);
	for (int i = 0; i < count; i++)
		notify(changed[i]);
	if (prepared_too)
		unnamed = first_of(unnamed, notify_prepared());
	if (unnamed != 0)
		notify_since(unnamed);
}

void
pocket_notify_done(bool told)
{
	if (board == NULL)
		return;
	SpinLockAcquire(&board->mutex);
	if (told)
	{
		board->changed_count -= board->told_count;
		memmove(board->changed, board->changed + board->told_count, sizeof(int64) * (Size) board->changed_count);
	}
	else
		board->unnamed = first_of(board->unnamed, board->unnamed_now);
	board->told_count = 0;
	board->unnamed_now = 0;
	SpinLockRelease(&board->mutex);
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
