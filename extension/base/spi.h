/*
 * spi.h
 *	  How Pocket's C code speaks SQL: a session inside a function call, kept
 *	  plans, and the three snapshots that a statement can run with.
 *
 * Every SQL-callable function that touches data is
 *
 *		PocketSession session;
 *
 *		pocket_enter(&session);
 *		... rooms below, pocket_write(), pocket_read(), pocket_latest() ...
 *		pocket_leave(&session);
 *
 * pocket_enter() notes the caller (GetUserId(), so that SET ROLE counts), checks
 * that the data schema is there and of the version that this library knows,
 * connects SPI, becomes the data schema's owner and pins search_path to
 * "pg_catalog, pg_temp": SQL in here must qualify everything else.  On an error
 * PostgreSQL's abort undoes all of it.  Sessions do not nest.
 *
 * Memory: between enter and leave the current context is SPI's procedure
 * context, gone at leave; what is returned to the caller is copied into
 * session.result_context first.  A call overwrites SPI_tuptable and
 * SPI_processed: read out what is needed before the next one, and in loops
 * give the table back by pocket_free_rows().
 */
#ifndef POCKET_SPI_H
#define POCKET_SPI_H

#include "base/compat.h"

#include "executor/spi.h"
#include "utils/palloc.h"

#define POCKET_SCHEMA_VERSION 1

typedef struct PocketSession
{
	Oid caller;					  /* the role that called; its rights count */
	MemoryContext result_context; /* the caller's context */

	/* what leave puts back */
	Oid saved_user;
	int saved_security;
	int guc_level;
} PocketSession;

extern void pocket_enter(PocketSession *session);
extern void pocket_leave(PocketSession *session);

/* As enter, but as a given role and without looking for the data schema: for install and upgrade. */
extern void pocket_enter_as(PocketSession *session, Oid role);

/* Whether pocket.install() has been run in this database. */
extern bool pocket_installed(void); /* a schema of the name; enter checks whose */

/* Owner of the extension: whom install() works for. */
extern Oid pocket_extension_owner(void);

/* The role that schema pocket_data belongs to; an error when there is none, or it is not Pocket's. */
extern Oid pocket_data_owner(void);

/*
 * A statement whose plan is kept for the backend's life.  Define it static:
 *
 *		static PocketPlan find = {"SELECT rev FROM pocket_data.entry WHERE ns_id = $1 AND name = $2", "int8 text"};
 *
 * types: of $1, $2, ..., separated by blanks; own types as "pocket.sha256".
 */
typedef struct PocketPlan
{
	const char *sql;
	const char *types;
	SPIPlanPtr plan;		   /* NULL until first used */
	struct PocketPlanUse *use; /* spi.c's */
} PocketPlan;

#define POCKET_PLAN_ARGS_MAX 32

/*
 * Run; nulls as for SPI ("n" per null argument, NULL if none is).  Each returns
 * SPI_processed, its rows are in SPI_tuptable.
 *
 * write:	 a new snapshot of the transaction; data-changing and FOR UPDATE
 *			 statements, and reads that must see what was committed or done by
 *			 this command so far (in REPEATABLE READ: as of the transaction).
 * read:	 the calling query's snapshot, so that STABLE functions are stable.
 * latest:	 everything committed now, whatever the isolation level; placement.
 */
extern uint64 pocket_write(PocketPlan *plan, const Datum *values, const char *nulls);
extern uint64 pocket_read(PocketPlan *plan, const Datum *values, const char *nulls);
extern uint64 pocket_latest(PocketPlan *plan, const Datum *values, const char *nulls);

/* As latest, for SELECT ... FOR SHARE and the like. What is changed by others in that moment is 40001 above READ COMMITTED. */
extern uint64 pocket_latest_lock(PocketPlan *plan, const Datum *values, const char *nulls);

/* For a read that serves both: fresh ? write : read, with at most max rows (0 = all). */
extern uint64 pocket_select(PocketPlan *plan, const Datum *values, const char *nulls, bool fresh, long max);

/* The plan itself, prepared when needed: for SPI_cursor_open. */
extern SPIPlanPtr pocket_plan(PocketPlan *plan);

/*
 * Columns (from 1) of row (from 0) of SPI_tuptable.  The Datum points into the
 * tuple table; int64, text and varlena are for columns that are not null, text
 * is palloc'd, varlena a detoasted palloc'd copy.  is_null tells.
 */
extern Datum pocket_column(uint64 row, int column, bool *is_null);
extern bool pocket_is_null(uint64 row, int column);
extern int64 pocket_column_int64(uint64 row, int column);
extern int32 pocket_column_int32(uint64 row, int column);
extern bool pocket_column_bool(uint64 row, int column);
extern char *pocket_column_text(uint64 row, int column);
extern struct varlena *pocket_column_varlena(uint64 row, int column);

extern void pocket_free_rows(void);

/* Makes a row that somebody has kept what SPI_tuptable has, as if it were selected; NULL: no row. */
extern uint64 pocket_show_row(TupleDesc columns, HeapTuple row);

/*
 * Exclusive to the end of the transaction, or until it is given back.  An
 * advisory lock of a class that the SQL functions do not have (theirs are 1 and
 * 2), so that no role can take it.
 */
typedef enum PocketLock
{
	POCKET_LOCK_INSTALL = 1, /* the data schema being made or changed */
	POCKET_LOCK_PASS,		 /* passes of the coordinator */
	POCKET_LOCK_OPEN,		 /* buckets being opened and sealed */
	POCKET_LOCK_OPENER,		 /* waiting for an opener that one has started */
	POCKET_LOCK_TEAMS,		 /* memberships being changed */
	POCKET_LOCK_MOUNT		 /* mount points being added; after the heads */
} PocketLock;

extern void pocket_lock_exclusive(PocketLock lock);
extern bool pocket_lock_if_free(PocketLock lock);
extern void pocket_unlock(PocketLock lock);

/*
 * On a bucket, to the end of the transaction, a prepared one's too: shared by who adds block rows to it, exclusive for who
 * retires it, which never waits.
 */
extern void pocket_lock_bucket_shared(int64 bucket_id);
extern bool pocket_lock_bucket_if_free(int64 bucket_id);

#endif
