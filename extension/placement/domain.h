/*
 * domain.h
 *	  On which drives the members of a volume go, by failure domains: drive <
 *	  node < zone.
 *
 * Pure: drives in, choices out.  A drive has one member at most.  As many zones
 * as possible have one; then the members are spread evenly over nodes, and among
 * nodes over zones; among equals the order in which the caller gives the drives
 * decides.  Only where that would not let the volume bear the loss of a whole
 * zone, and spreading over zones first would, zones go first.
 */
#ifndef POCKET_DOMAIN_H
#define POCKET_DOMAIN_H

#include "base/compat.h"

typedef struct PocketDomain
{
	int64 zone;
	int64 node;
	bool taken; /* has a member that stays */
} PocketDomain;

/* The most members that one zone, and that one node, has. */
typedef struct PocketCrowd
{
	int zone;
	int node;
} PocketCrowd;

/*
 * Indexes of up to `wanted` drives that are not taken, in the order in which
 * they were chosen; returns how many, which is less only when there are no more.
 * bears: how many of its members the volume may lose.  crowd (or NULL): of all
 * members, those that stay with the new ones.
 */
extern int pocket_domain_choose(const PocketDomain *drives, int count, int wanted, int bears, int *chosen,
								PocketCrowd *crowd);

#endif
