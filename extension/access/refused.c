/*
 * refused.c
 *	  The record of what was refused.
 *
 * A refusal is an error, and its transaction rolls back.  So what was refused is
 * put into a ring in shared memory, out of which the coordinator writes rows in
 * transactions of his own.  Whoever is refused never waits for that: when the
 * ring is full, refusals are counted only, and the count becomes a row.  He is
 * not woken for one of them either, but looks in each of his rounds, so that a
 * refusal takes no longer than an error about what is not there.
 */
#include "access/access.h"

#include "access/xlog.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define RING_SIZE 256	   /* refusals between two rounds of the coordinator */
#define PATH_KEPT_MAX 1024 /* bytes of a path; what is longer is cut */
#define ACTION_MAX 32

typedef struct Refusal
{
	TimestampTz at;
	int64 ns_id;
	char principal[PK_ACL_NAME_MAX + 1];
	char role[NAMEDATALEN];
	char action[ACTION_MAX];
	char path[PATH_KEPT_MAX];
} Refusal;

typedef struct Ring
{
	slock_t mutex;
	Oid database; /* the coordinator's; InvalidOid: nobody writes rows */
	int first;	  /* of those that are not written yet */
	int count;
	int64 lost; /* for which there was no room */
	Refusal refusals[RING_SIZE];
} Ring;

static Ring *ring = NULL;
static shmem_request_hook_type next_request_hook = NULL;
static shmem_startup_hook_type next_startup_hook = NULL;

static void
request_ring(void)
{
	if (next_request_hook != NULL)
		next_request_hook();
	RequestAddinShmemSpace(MAXALIGN(sizeof(Ring)));
}

static void
start_ring(void)
{
	bool found;

	if (next_startup_hook != NULL)
		next_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	ring = ShmemInitStruct("pocket refusals", sizeof(Ring), &found);
	if (!found)
	{
		memset(ring, 0, sizeof(Ring));
		SpinLockInit(&ring->mutex);
	}
	LWLockRelease(AddinShmemInitLock);
}

void
pocket_refused_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	next_request_hook = shmem_request_hook;
	shmem_request_hook = request_ring;
	next_startup_hook = shmem_startup_hook;
	shmem_startup_hook = start_ring;
}

/* Whole characters, as many as there is room for. */
static void
copy_text(char *to, const char *from, Size size)
{
	Size length = strlen(from);

	if (length >= size)
		length = (Size) pg_mbcliplen(from, (int) length, (int) size - 1);
	memcpy(to, from, length);
	to[length] = '\0';
}

/* False when nobody will write it. */
static bool
put(const Refusal *refusal)
{
	bool is_written = false;

	if (ring == NULL || RecoveryInProgress())
		return false;
	SpinLockAcquire(&ring->mutex);
	if (ring->database == MyDatabaseId)
	{
		is_written = true;
		if (ring->count == RING_SIZE)
			ring->lost++;
		else
			ring->refusals[(ring->first + ring->count++) % RING_SIZE] = *refusal;
	}
	SpinLockRelease(&ring->mutex);
	return is_written;
}

void
pocket_refused(const PocketCaller *caller, int64 ns_id, const char *path)
{
	Refusal refusal = {.at = GetCurrentTimestamp(), .ns_id = ns_id};
	const char *action = get_func_name(caller->function);

	copy_text(refusal.principal, caller->name, sizeof(refusal.principal));
	copy_text(refusal.role, GetUserNameFromId(caller->session_role, false), sizeof(refusal.role));
	copy_text(refusal.action, action == NULL ? "" : action, sizeof(refusal.action));
	copy_text(refusal.path, path, sizeof(refusal.path));
	if (!put(&refusal))
		ereport(LOG_SERVER_ONLY, (errmsg("pocket: %s of \"%s\" was refused to \"%s\" (role \"%s\")", refusal.action,
										 refusal.path, refusal.principal, refusal.role),
								  errhidestmt(true)));
}

/* --- the coordinator --- */

static void
leave_at_exit(int code, Datum arg)
{
	SpinLockAcquire(&ring->mutex);
	ring->database = InvalidOid;
	SpinLockRelease(&ring->mutex);
}

bool
pocket_refused_due(void)
{
	static bool registered = false;
	bool due;

	if (ring == NULL)
		return false;
	if (!registered)
		before_shmem_exit(leave_at_exit, (Datum) 0);
	registered = true;
	SpinLockAcquire(&ring->mutex);
	ring->database = MyDatabaseId;
	due = ring->count > 0 || ring->lost > 0;
	SpinLockRelease(&ring->mutex);
	return due;
}

static void
write_row(const Refusal *refusal)
{
	static PocketPlan insert = {"INSERT INTO pocket_data.audit (at, principal, role, action, path, ns_id, detail) "
								"VALUES ($1, $2, $3, 'refused', $4, nullif($5, 0), jsonb_build_object('action', $6))",
								"timestamptz text text text int8 text", NULL, NULL};
	Datum values[6] = {TimestampTzGetDatum(refusal->at),   CStringGetTextDatum(refusal->principal),
					   CStringGetTextDatum(refusal->role), CStringGetTextDatum(refusal->path),
					   Int64GetDatum(refusal->ns_id),	   CStringGetTextDatum(refusal->action)};

	(void) pocket_write(&insert, values, NULL);
}

static void
write_lost(int64 lost)
{
	static PocketPlan insert = {"INSERT INTO pocket_data.audit (at, principal, role, action, detail) "
								"VALUES (clock_timestamp(), '', '', 'refused', jsonb_build_object('lost', $1))",
								"int8", NULL, NULL};
	Datum values[1] = {Int64GetDatum(lost)};

	(void) pocket_write(&insert, values, NULL);
}

/* One after the other, so that the lock is never held for long. */
static bool
take(Refusal *refusal)
{
	bool found;

	SpinLockAcquire(&ring->mutex);
	found = ring->count > 0;
	if (found)
	{
		*refusal = ring->refusals[ring->first];
		ring->first = (ring->first + 1) % RING_SIZE;
		ring->count--;
	}
	SpinLockRelease(&ring->mutex);
	return found;
}

/* What is taken out and then not written, because the transaction fails, is lost: it is a record, not a right. */
void
pocket_refused_write(void)
{
	Refusal refusal;
	int64 lost;

	/* no more than there were when it began, or nearly so: others may go on filling it */
	for (int i = 0; i < RING_SIZE && take(&refusal); i++)
		write_row(&refusal);
	SpinLockAcquire(&ring->mutex);
	lost = ring->lost;
	ring->lost = 0;
	SpinLockRelease(&ring->mutex);
	if (lost > 0)
		write_lost(lost);
}
