/*
 * group.c
 *	  Groups of buckets by matching; see group.h.
 */
#include "cell/group.h"

/* Finds a drive for a member, moving others where needed. */
static bool
augment(PocketGroup *group, int member, bool *visited)
{
	const PocketCandidate *candidate = group->members[member];

	for (int i = 0; i < candidate->drive_count; i++)
	{
		int drive = candidate->drives[i];

		if (visited[drive])
			continue;
		visited[drive] = true;
		if (group->holder_of[drive] < 0 || augment(group, group->holder_of[drive], visited))
		{
			group->holder_of[drive] = member;
			group->drive_of[member] = drive;
			return true;
		}
	}
	return false;
}

void
pocket_group_build(PocketGroup *group, PocketCandidate *candidates, int count, int first, int k, int64 min_length,
				   bool idle_only)
{
	bool visited[POCKET_GROUP_DRIVES_MAX];

	group->count = 0;
	for (int i = 0; i < POCKET_GROUP_DRIVES_MAX; i++)
		group->holder_of[i] = -1;
	for (int i = first; i < count && group->count < k; i++)
	{
		if (candidates[i].used || candidates[i].length < min_length || (idle_only && !candidates[i].idle))
			continue;
		memset(visited, 0, sizeof(visited));
		group->members[group->count] = &candidates[i];
		if (augment(group, group->count, visited))
			group->count++;
	}
}
