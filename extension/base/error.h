/*
 * error.h
 *	  The contract's error codes as SQLSTATEs.
 *
 * Usage: ereport(ERROR, (errcode(pocket_sqlstate(PK_ERR_QUOTA)), errmsg(...), errhint(...)));
 */
#ifndef POCKET_ERROR_H
#define POCKET_ERROR_H

#include "base/compat.h"

#include "contract/pk_error.h"

/* The packed SQLSTATE of pk_error.c's table. */
static inline int
pocket_sqlstate(int code)
{
	const char *state = pk_error_lookup(code)->sqlstate;

	return MAKE_SQLSTATE(state[0], state[1], state[2], state[3], state[4]);
}

#endif
