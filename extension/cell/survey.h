/*
 * survey.h
 *	  What all drives hold, read page by page into pocket_data.found: the first
 *	  part of reconciling.  A pass goes on where the one before it has ended.
 */
#ifndef POCKET_SURVEY_H
#define POCKET_SURVEY_H

#include "base/compat.h"

/* Forgets what was read before. */
extern void pocket_survey_restart(void);

/* All drives were read; what was found stays. */
extern void pocket_survey_ended(void);

/*
 * Reads at most that many pages more.  Returns how many drives are not read to their end: those that fail are left out, those
 * that are silent are waited for.
 */
extern int64 pocket_survey_read(int64 pages);

#endif
