/*
 * pocket.c
 *	  The library's entry: it only calls the parts.
 */
#include "base/compat.h"

#include "access/access.h"
#include "base/guc.h"
#include "cell/cell.h"
#include "journal/journal.h"
#include "miscadmin.h"

POCKET_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	if (IsBinaryUpgrade)
		return;
	pocket_guc_init();
	pocket_notify_init();
	pocket_refused_init();
	pocket_cell_init();
}
