/*
 * cli/walk.h
 *	  Listing a local directory without ever following a symbolic link.
 */
#ifndef PD_CLI_WALK_H
#define PD_CLI_WALK_H

#include <stdbool.h>

#include "cli/items.h"

enum pd_walk_problem
{
	PD_WALK_SKIPPED, /* a socket, fifo or device: nothing that Pocket keeps */
	PD_WALK_FAILED	 /* a name that Pocket does not take, or an error of the system */
};

/* path is relative to the top and may be any bytes; text is a phrase. */
typedef void (*pd_walk_report)(void *user, enum pd_walk_problem problem, const char *path, const char *text);

/*
 * Appends all below the open directory to items: folders before what is in
 * them, names in byte order.  An unreadable folder is reported and passed over.
 * False when out of memory or when *stop (may be NULL) became true.
 */
extern bool pd_walk(int directory, struct pd_items *items, pd_walk_report report, void *user, bool (*stop)(void));

#endif
