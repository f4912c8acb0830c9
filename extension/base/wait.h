/*
 * wait.h
 *	  Waiting that ends when it must: by an interrupt, or because the postmaster is
 *	  gone.  A session that outlives it keeps its shared memory, and no server starts
 *	  anew in the same directory.
 */
#ifndef POCKET_BASE_WAIT_H
#define POCKET_BASE_WAIT_H

#include "postgres.h"

/* For loops that wait by means that do not know the postmaster. */
extern void pocket_heed(void);

extern void pocket_pause(long ms);

#endif
