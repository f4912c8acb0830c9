/*
 * group.h
 *	  Which sealed buckets become one coded volume, and on which of their drives
 *	  each stays.
 *
 * Pure: candidates in, a group out.  Every member must be on a drive of its own:
 * a bipartite matching of buckets and drives, grown one bucket at a time by
 * augmenting paths (Kuhn), so a bucket that does not fit is passed over and
 * another tried.
 */
#ifndef POCKET_GROUP_H
#define POCKET_GROUP_H

#include "base/compat.h"

#include "contract/pk_limits.h"

#define POCKET_GROUP_DRIVES_MAX 1024

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
	int drive_of[PK_MEMBERS_MAX];			/* index of the drive on which it stays */
	int holder_of[POCKET_GROUP_DRIVES_MAX]; /* member of a drive, or -1 */
} PocketGroup;

/*
 * Up to k unused candidates from `first` on, which are in falling order of
 * length; those shorter than min_length, and with idle_only those that are not
 * idle, are passed over.  Nothing is marked used.
 */
extern void pocket_group_build(PocketGroup *group, PocketCandidate *candidates, int count, int first, int k,
							   int64 min_length, bool idle_only);

#endif
