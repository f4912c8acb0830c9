/*
 * group.h
 *	  Which sealed buckets become one coded volume, and on which of their drives
 *	  each stays.
 *
 * Pure: candidates in, a group out.  Every member must be on a drive of its own,
 * and no node or zone may have more of them than it is allowed: a flow from
 * buckets through drives, nodes and zones, grown one bucket at a time by
 * augmenting paths (Ford and Fulkerson), so a bucket that does not fit is passed
 * over and another tried.
 */
#ifndef POCKET_GROUP_H
#define POCKET_GROUP_H

#include "base/compat.h"

#include "cell/place.h"
#include "contract/pk_limits.h"

typedef struct PocketCandidate
{
	int64 bucket_id;
	int64 volume_id;
	int32 generation;
	int64 length;
	bool idle; /* sealed long enough ago for a group that is not full */
	bool used;
	int drive_count;
	int drives[PK_MEMBERS_MAX]; /* indexes of drives with a good replica */
} PocketCandidate;

typedef struct PocketGroup
{
	int count;
	PocketCandidate *members[PK_MEMBERS_MAX];
	int drive_of[PK_MEMBERS_MAX]; /* index of the drive on which it stays */
} PocketGroup;

/*
 * Up to k unused candidates from `first` on, which are in falling order of
 * length; those shorter than min_length, and with idle_only those that are not
 * idle, are passed over.  No domain gets more than most.  Nothing is marked used.
 */
extern void pocket_group_build(PocketGroup *group, const PocketDrives *drives, const PocketCrowd *most,
							   PocketCandidate *candidates, int count, int first, int k, int64 min_length,
							   bool idle_only);

#endif
