/*
 * offline.h
 *	  What pocketd does with drives that nobody serves.
 */
#ifndef PD_OFFLINE_H
#define PD_OFFLINE_H

#include "config.h"
#include "volume/volume.h"

/* Holds every extent against its checksums, prints what is wrong; the exit status. */
extern int pd_check(const struct pd_config *config);

/*
 * Writes every block that the drives yield to config->to/HH/HASH, HH being the first two digits; what is there already, and is what
 * its name says, is not written again. Prints what is missing, and fails for it.
 */
extern pk_error pd_recover(const struct pd_config *config, struct pd_drive *const *drives, struct pd_cell *cell,
						   struct pd_err *err) PK_MUST_CHECK;

#endif
