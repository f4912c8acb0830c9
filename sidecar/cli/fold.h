/*
 * cli/fold.h
 *	  Names that a namespace without case sensitivity takes for the same.
 */
#ifndef PD_CLI_FOLD_H
#define PD_CLI_FOLD_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/items.h"

/* The key of a whole path, to be freed: the keys of its names, with slashes.  NULL when out of memory. */
extern char *pd_fold_path(const char *path);

/*
 * For each item marks[i] becomes true when an item before it has the same key.
 * Returns how many are marked, or -1 when out of memory.
 */
extern long pd_fold_mark(const struct pd_items *items, bool *marks);

#endif
