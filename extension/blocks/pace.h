/*
 * pace.h
 *	  What this backend has learnt of how fast nodes answer.  Private to this room.
 *
 * Who waits longer than is usual asks another node as well (a hedge), and for a
 * while asks the slow one last.  That is a matter of speed alone: nothing is
 * refused by it.
 */
#ifndef POCKET_PACE_H
#define POCKET_PACE_H

#include "base/compat.h"

/* A good answer began so long after it was asked for. */
extern void pocket_pace_note(int64 us);

/* A silence that is several times the recent median, within bounds: then another node is asked too. */
extern int64 pocket_pace_patience_us(void);

/* A node did not answer, or another that was asked later was faster. */
extern void pocket_pace_distrust(const char *node);
extern bool pocket_pace_distrusted(const char *node);

#define POCKET_DISTRUSTED_MAX 16
/* Those that are distrusted now; the strings are good until the next call of this room. */
extern int pocket_pace_list(const char *nodes[POCKET_DISTRUSTED_MAX]);

#endif
