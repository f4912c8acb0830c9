/*
 * coordinate.c
 *	  The duties as SQL functions: all of them, or one by name.
 */
#include "cell/cell.h"

#include "fmgr.h"
#include "funcapi.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/spi.h"
#include "placement/placement.h"

#define DUTY_OPENS 1	/* works on open buckets, under the second lock */
#define DUTY_ANY_CELL 2 /* changes rows of files only: a copy of the database may */
#define DUTY_DESTROYS 4 /* bytes: not before it is known, in a new epoch, what drives hold */

typedef struct Duty
{
	const char *name;
	void (*run)(PocketPass *pass);
	int flags;
} Duty;

/* In the order of a pass: what opens and seals comes last, see pocket_lock_open(). */
static const Duty duties[] = {
	{"check", pocket_duty_check, 0},
	{"reconcile", pocket_duty_reconcile, 0},
	{"settle", pocket_duty_settle, 0},
	{"encode", pocket_duty_encode, 0},
	{"repair", pocket_duty_repair, 0},
	{"scrub", pocket_duty_scrub, 0},
	{"index", pocket_duty_index, 0},
	{"watch", pocket_duty_watch, 0},
	{"retain", pocket_duty_retain, DUTY_ANY_CELL},
	{"reclaim", pocket_duty_reclaim, DUTY_DESTROYS},
	{"compact", pocket_duty_compact, DUTY_DESTROYS},
	{"trash", pocket_duty_trash, DUTY_DESTROYS},
	{"referee", pocket_duty_referee, 0},
	{"seal", pocket_duty_seal, DUTY_OPENS},
	{"open", pocket_duty_open, DUTY_OPENS},
};

PG_FUNCTION_INFO_V1(pocket_coordinate);
PG_FUNCTION_INFO_V1(pocket_coordinate_duty);
PG_FUNCTION_INFO_V1(pocket_seal);
PG_FUNCTION_INFO_V1(pocket_encode);
PG_FUNCTION_INFO_V1(pocket_repair);
PG_FUNCTION_INFO_V1(pocket_scrub);
PG_FUNCTION_INFO_V1(pocket_retain);
PG_FUNCTION_INFO_V1(pocket_reclaim);
PG_FUNCTION_INFO_V1(pocket_compact);
PG_FUNCTION_INFO_V1(pocket_verify_now);

/*
 * Duties read the rows of now: a snapshot from before the lock would have them act upon what is no more. Later ones, and nodes, act
 * upon what they commit, so no crash may take that back, or what it stands on, whatever synchronous_commit says.
 */
static void
take(PocketLock lock)
{
	PreventCommandIfReadOnly("a duty of the cell");
	if (IsolationUsesXactSnapshot())
		ereport(ERROR, (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
						errmsg("duties of the cell need isolation level READ COMMITTED")));
	pocket_lock_exclusive(lock);
	ForceSyncCommit();
}

void
pocket_lock_rows(void)
{
	take(POCKET_LOCK_PASS);
}

void
pocket_lock_pass(void)
{
	take(POCKET_LOCK_PASS);
	pocket_owner_require();
}

void
pocket_lock_open(void)
{
	take(POCKET_LOCK_OPEN);
}

static PocketPass
run(const Duty *duty, bool by_hand)
{
	PocketPass pass = {.by_hand = by_hand};

	/* a look at the nodes may have told, in this very pass, that another database owns the cell */
	if ((duty->flags & DUTY_ANY_CELL) == 0 && pocket_cell_standing() != POCKET_OWNER)
		return pass;
	if ((duty->flags & DUTY_DESTROYS) != 0 && !pocket_cell_reconciled())
		return pass;
	if ((duty->flags & DUTY_OPENS) != 0)
		pocket_lock_open();
	duty->run(&pass);
	return pass;
}

static const Duty *
find_duty(const char *name)
{
	for (Size i = 0; i < lengthof(duties); i++)
	{
		if (strcmp(duties[i].name, name) == 0)
			return &duties[i];
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("there is no duty \"%s\"", name),
			 errhint("Duties are check, reconcile, settle, encode, repair, scrub, index, watch, retain, reclaim, "
					 "compact, trash, referee, seal and open.")));
}

static void
put_row(FunctionCallInfo fcinfo, const Duty *duty, const PocketPass *pass)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum values[3] = {CStringGetTextDatum(duty->name), Int64GetDatum(pass->done), Int64GetDatum(pass->remaining)};
	bool nulls[3] = {false, false, false};

	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* One pass of every duty. */
Datum
pocket_coordinate(PG_FUNCTION_ARGS)
{
	PocketSession session;

	InitMaterializedSRF(fcinfo, 0);
	pocket_enter(&session);
	pocket_lock_pass();
	for (Size i = 0; i < lengthof(duties); i++)
	{
		PocketPass pass = run(&duties[i], false);

		put_row(fcinfo, &duties[i], &pass);
	}
	pocket_leave(&session);
	return (Datum) 0;
}

void
pocket_duty_run(const char *name)
{
	PocketSession session;

	pocket_enter(&session);
	/* somebody runs one by hand, or uninstalls: the next round will do */
	if (pocket_lock_if_free(POCKET_LOCK_PASS))
	{
		ForceSyncCommit();
		(void) run(find_duty(name), false);
	}
	pocket_leave(&session);
}

/* One pass of one duty, as coordinate() would do it: the worker gives each a transaction of its own. */
Datum
pocket_coordinate_duty(PG_FUNCTION_ARGS)
{
	const Duty *duty = find_duty(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PocketSession session;
	PocketPass pass;

	InitMaterializedSRF(fcinfo, 0);
	pocket_enter(&session);
	pocket_lock_rows();
	if ((duty->flags & DUTY_ANY_CELL) == 0)
		pocket_owner_require();
	pass = run(duty, false);
	put_row(fcinfo, duty, &pass);
	pocket_leave(&session);
	return (Datum) 0;
}

/* First a look at the nodes: whoever calls a duty by name wants it done on what is there now. */
static Datum
by_name(const char *name)
{
	PocketSession session;
	PocketPass pass;

	pocket_enter(&session);
	pocket_lock_pass();
	(void) run(find_duty("check"), true);
	pass = run(find_duty(name), true);
	pocket_leave(&session);
	return Int64GetDatum(pass.done);
}

/* What was sealed is replaced at once, so that the next put does not wait. */
Datum
pocket_seal(PG_FUNCTION_ARGS)
{
	PocketSession session;
	PocketPass pass;

	pocket_enter(&session);
	pocket_lock_pass();
	(void) run(find_duty("check"), true);
	pass = run(find_duty("seal"), true);
	(void) run(find_duty("open"), true);
	pocket_leave(&session);
	PG_RETURN_INT64(pass.done);
}

Datum
pocket_encode(PG_FUNCTION_ARGS)
{
	return by_name("encode");
}

Datum
pocket_repair(PG_FUNCTION_ARGS)
{
	return by_name("repair");
}

Datum
pocket_scrub(PG_FUNCTION_ARGS)
{
	return by_name("scrub");
}

Datum
pocket_compact(PG_FUNCTION_ARGS)
{
	return by_name("compact");
}

/* A duty in which no node has a part. */
static Datum
by_rows(const char *name)
{
	const Duty *duty = find_duty(name);
	PocketSession session;
	PocketPass pass;

	pocket_enter(&session);
	pocket_lock_rows();
	if ((duty->flags & DUTY_ANY_CELL) == 0)
		pocket_owner_require();
	pass = run(duty, true);
	pocket_leave(&session);
	return Int64GetDatum(pass.done);
}

Datum
pocket_retain(PG_FUNCTION_ARGS)
{
	return by_rows("retain");
}

Datum
pocket_reclaim(PG_FUNCTION_ARGS)
{
	return by_rows("reclaim");
}

/* All that verifiers would look at in a round, now. */
Datum
pocket_verify_now(PG_FUNCTION_ARGS)
{
	static const char *const verifiers[] = {"scrub", "index", "watch", "referee"};
	PocketSession session;
	int64 done = 0;

	pocket_enter(&session);
	pocket_lock_pass();
	(void) run(find_duty("check"), true);
	for (Size i = 0; i < lengthof(verifiers); i++)
		done += run(find_duty(verifiers[i]), true).done;
	pocket_leave(&session);
	PG_RETURN_INT64(done);
}
