/*
 * group.c
 *	  Groups of buckets by augmenting paths; see group.h.
 *
 * What a path has come through once it does not come through again: drives (and
 * so members), nodes and zones.
 */
#include "cell/group.h"

typedef struct Search
{
	PocketGroup *group;
	const PocketDrives *drives;
	const PocketCrowd *most;
	int *holder_of; /* member of a drive, or -1 */
	/* of each drive: whether it, its node, its zone was visited */
	bool *drive;
	bool *node;
	bool *zone;
} Search;

static bool augment(Search *search, int member);

static bool
same_node(const Search *search, int a, int b)
{
	return search->drives->drives[a].node_id == search->drives->drives[b].node_id;
}

static bool
same_zone(const Search *search, int a, int b)
{
	return search->drives->drives[a].zone_id == search->drives->drives[b].zone_id;
}

static bool
visit(const Search *search, bool *visited, int drive, bool (*same)(const Search *, int, int))
{
	if (visited[drive])
		return false;
	for (int i = 0; i < search->drives->count; i++)
		visited[i] |= same(search, i, drive);
	return true;
}

static int
members_in(const Search *search, int drive, bool (*same)(const Search *, int, int))
{
	int count = 0;

	for (int i = 0; i < search->group->count; i++)
		count += same(search, search->group->drive_of[i], drive);
	return count;
}

/* Moves one of the members in a domain elsewhere. */
static bool
make_room(Search *search, int drive, bool (*same)(const Search *, int, int))
{
	for (int i = 0; i < search->group->count; i++)
	{
		int old = search->group->drive_of[i];

		if (!same(search, old, drive) || search->drive[old])
			continue;
		search->drive[old] = true;
		if (!augment(search, i))
			continue;
		search->holder_of[old] = -1;
		return true;
	}
	return false;
}

static bool
enter_zone(Search *search, int drive)
{
	if (!visit(search, search->zone, drive, same_zone))
		return false;
	return members_in(search, drive, same_zone) < search->most->zone || make_room(search, drive, same_zone);
}

/* One more member in the node of a drive that has none. */
static bool
enter(Search *search, int drive)
{
	if (!visit(search, search->node, drive, same_node))
		return false;
	if (members_in(search, drive, same_node) < search->most->node && enter_zone(search, drive))
		return true;
	return make_room(search, drive, same_node);
}

/* Finds a drive for a member, moving others where needed. */
static bool
augment(Search *search, int member)
{
	const PocketCandidate *candidate = search->group->members[member];

	for (int i = 0; i < candidate->drive_count; i++)
	{
		int drive = candidate->drives[i];
		int holder = search->holder_of[drive];

		if (search->drive[drive])
			continue;
		search->drive[drive] = true;
		if (holder >= 0 ? augment(search, holder) : enter(search, drive))
		{
			search->holder_of[drive] = member;
			search->group->drive_of[member] = drive;
			return true;
		}
	}
	return false;
}

void
pocket_group_build(PocketGroup *group, const PocketDrives *drives, const PocketCrowd *most, PocketCandidate *candidates,
				   int count, int first, int k, int64 min_length, bool idle_only)
{
	Size size = sizeof(bool) * Max(drives->count, 1);
	Search search = {.group = group, .drives = drives, .most = most};

	search.holder_of = palloc(sizeof(int) * Max(drives->count, 1));
	search.drive = palloc(size);
	search.node = palloc(size);
	search.zone = palloc(size);
	group->count = 0;
	for (int i = 0; i < drives->count; i++)
		search.holder_of[i] = -1;
	for (int i = first; i < count && group->count < k; i++)
	{
		if (candidates[i].used || candidates[i].length < min_length || (idle_only && !candidates[i].idle))
			continue;
		memset(search.drive, 0, size);
		memset(search.node, 0, size);
		memset(search.zone, 0, size);
		group->members[group->count] = &candidates[i];
		if (augment(&search, group->count))
			group->count++;
	}
	pfree(search.holder_of);
	pfree(search.drive);
	pfree(search.node);
	pfree(search.zone);
}
