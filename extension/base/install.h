/*
 * install.h
 *	  Making the data schema: pocket.install() and who calls it unasked.
 */
#ifndef POCKET_INSTALL_H
#define POCKET_INSTALL_H

#include "base/compat.h"

/*
 * Makes schema pocket_data as the extension's owner unless it is there; true
 * when it was made.  Outside of a session; for functions that are the first that
 * a user meets.
 */
extern bool pocket_install_if_needed(void);

/*
 * Which database of which cluster this is, as a text in the current context: "SYSTEM-IDENTIFIER/OID".  Another one after
 * pg_restore, CREATE DATABASE ... TEMPLATE and pg_upgrade; the same on a standby, after promotion and after recovery.
 */
extern Datum pocket_instance(void);

/* An incarnation above the highest that is known (0: none is). */
extern int64 pocket_next_incarnation(int64 highest);

#endif
