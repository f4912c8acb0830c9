/*
 * access.h
 *	  Who calls, and what he may.
 *
 * In this release a namespace is wholly its owner's: the role of that name, its
 * members (as far as they inherit), and superusers may do everything; to
 * anybody else it does not exist.  Owners are kept by name, so that they survive
 * dump and restore; after ALTER ROLE ... RENAME the rows keep the old name.
 */
#ifndef POCKET_ACCESS_H
#define POCKET_ACCESS_H

#include "base/compat.h"

/* Whether caller has the rights of the role that owner names; false when there is no such role and no superuser calls. */
extern bool pocket_may(Oid caller, const char *owner);

/* The name that goes into journal and entries; palloc'd. */
extern char *pocket_author(Oid caller);

#endif
