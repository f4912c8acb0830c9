/*
 * believe.h
 *	  Rows of placement from what was found on the drives (survey.h).
 */
#ifndef POCKET_BELIEVE_H
#define POCKET_BELIEVE_H

#include "base/compat.h"

/*
 * Under the lock for opening.  Volumes, buckets and extents of which drives know better than rows are written; what rows name
 * and a drive lacks comes back from its trash, or is damaged; and so does what block rows point into and no row places, what a bucket
 * that is lost can be decoded from, and retired buckets when rows of blocks are lacking.  Returns how many extents came back: they may
 * tell of volumes that rows do not know, so drives are to be read again.
 */
extern int64 pocket_believe(void);

/* Whether a namespace holds a block that no row places. Then retired volumes may have it: that no row named them says nothing. */
extern bool pocket_believe_lacks_rows(void);

#endif
