/*
 * count.h
 *	  The index verifier's other half: what namespaces say that they hold.
 */
#ifndef POCKET_COUNT_H
#define POCKET_COUNT_H

#include "cell/cell.h"

/*
 * The one that was counted longest ago, when that is due, or all when by hand: holders against the journal, holders
 * without a block row, and the count of its mount points.
 */
extern void pocket_count_namespaces(PocketPass *pass);

#endif
