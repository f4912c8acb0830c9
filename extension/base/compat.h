/*
 * compat.h
 *	  The differences between PostgreSQL 15 and 18, in one place.
 *
 * The rest of the extension is written against PostgreSQL 16's spelling; what
 * 15 lacks is given here, and what came later is hidden behind a macro.
 */
#ifndef POCKET_COMPAT_H
#define POCKET_COMPAT_H

#include "postgres.h"

#include "fmgr.h"
#include "nodes/nodes.h"

#if PG_VERSION_NUM < 150000 || PG_VERSION_NUM >= 190000
#error "Pocket is for PostgreSQL 15 to 18"
#endif

/*
 * Input functions report malformed values through pocket_return_error(), so that
 * 16 and later can hand them to pg_input_is_valid() and COPY ... ON_ERROR.
 * Usage: pocket_return_error(escontext, (Datum) 0, (errcode(...), errmsg(...)));
 */
#if PG_VERSION_NUM >= 160000
#include "nodes/miscnodes.h"
#include "varatt.h"
#define pocket_return_error(escontext, value, ...) ereturn(escontext, value, __VA_ARGS__)
#else
#define pocket_return_error(escontext, value, ...) \
	do                                             \
	{                                              \
		(void) (escontext);                        \
		ereport(ERROR, __VA_ARGS__);               \
		return value;                              \
	} while (0)
#endif

/* The name and version of a loaded module: 18 and later. */
#if PG_VERSION_NUM >= 180000
#define POCKET_MODULE_MAGIC PG_MODULE_MAGIC_EXT(.name = "pocket", .version = "0.1.0")
#else
#define POCKET_MODULE_MAGIC PG_MODULE_MAGIC
#endif

/* Custom wait events: 17 and later; before that all extensions share one. */
#if PG_VERSION_NUM >= 170000
#include "utils/wait_event.h"
#define pocket_wait_event(name) WaitEventExtensionNew(name)
#else
#define pocket_wait_event(name) PG_WAIT_EXTENSION
#endif

/* A transaction's number in its session: moved in 17. */
#if PG_VERSION_NUM >= 170000
#define pocket_local_transaction() (MyProc->vxid.lxid)
#else
#define pocket_local_transaction() (MyProc->lxid)
#endif

/*
 * Makes durable what this and other sessions have logged so far, sequences among it, by a record of its own behind that: there is no
 * other position that is surely behind and surely the end of a record.
 */
#if PG_VERSION_NUM >= 170000
#define pocket_flush_log() ((void) LogLogicalMessage("pocket", "", 0, false, true))
#else
#define pocket_flush_log() XLogFlush(LogLogicalMessage("pocket", "", 0, false))
#endif

/* pg_attribute_noreturn() until 17, pg_noreturn (at another place) from 18. */
#define POCKET_NORETURN __attribute__((noreturn))

#endif
