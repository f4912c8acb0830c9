/*
 * durability.h
 *	  The chance to lose a volume, by arithmetic alone.
 */
#ifndef POCKET_DURABILITY_H
#define POCKET_DURABILITY_H

#include "contract/pk_code.h"

typedef struct PocketDurability
{
	pk_code code;
	int members;		 /* replicas, or k + m */
	double failure_rate; /* of a drive, in a year; above 0 */
	double repair_hours; /* from a failure until the member is whole again; above 0 */
	double unreadable;	 /* the chance that a member which seems well cannot be read, 0 to below 1 */
} PocketDurability;

/*
 * The chance that one volume is lost within a year: a Markov chain over how many members are away, which fail alone, and
 * are repaired side by side.  Where some patterns of losses can be decoded and others cannot, by the share that can; each is
 * taken for as likely as any other.  When a member fails, one of those left may turn out to be unreadable.
 */
extern double pocket_annual_loss(const PocketDurability *volume);

/* How many members may go, whichever they are. */
extern int pocket_volume_tolerates(const pk_code *code, int members);

#endif
