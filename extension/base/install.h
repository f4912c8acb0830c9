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

#endif
