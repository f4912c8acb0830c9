/*
 * domain.c
 *	  Members over failure domains; see domain.h.
 *
 * Greedy: one drive after the other, each where the fewest are already.  Zones,
 * and the nodes of a zone, hold what they hold independently of each other, so
 * no later choice could wish for another earlier one.
 */
#include "placement/domain.h"

/* What is in the domains of each drive. */
typedef struct Spread
{
	const PocketDomain *drives;
	int count;
	bool zones_first;
	bool *used;
	int *in_zone;
	int *in_node;
	PocketCrowd crowd;
} Spread;

static void
add_member(Spread *spread, int drive)
{
	for (int i = 0; i < spread->count; i++)
	{
		spread->in_zone[i] += spread->drives[i].zone == spread->drives[drive].zone;
		spread->in_node[i] += spread->drives[i].node == spread->drives[drive].node;
	}
	spread->used[drive] = true;
	spread->crowd.zone = Max(spread->crowd.zone, spread->in_zone[drive]);
	spread->crowd.node = Max(spread->crowd.node, spread->in_node[drive]);
}

static bool
is_better(const Spread *spread, int a, int b)
{
	int zones = spread->in_zone[a] - spread->in_zone[b];
	int fresh_zones = (spread->in_zone[a] > 0) - (spread->in_zone[b] > 0);
	int nodes = spread->in_node[a] - spread->in_node[b];

	if (spread->zones_first && zones != 0)
		return zones < 0;
	if (fresh_zones != 0)
		return fresh_zones < 0;
	if (nodes != 0)
		return nodes < 0;
	return zones < 0;
}

static int
spread_over(Spread *spread, int wanted, bool zones_first, int *chosen)
{
	Size size = (Size) Max(spread->count, 1);
	int found = 0;

	spread->zones_first = zones_first;
	spread->used = palloc0(sizeof(bool) * size);
	spread->in_zone = palloc0(sizeof(int) * size);
	spread->in_node = palloc0(sizeof(int) * size);
	for (int i = 0; i < spread->count; i++)
	{
		if (spread->drives[i].taken)
			add_member(spread, i);
	}
	while (found < wanted)
	{
		int best = -1;

		for (int i = 0; i < spread->count; i++)
		{
			if (!spread->used[i] && (best < 0 || is_better(spread, i, best)))
				best = i;
		}
		if (best < 0)
			break;
		add_member(spread, best);
		chosen[found++] = best;
	}
	pfree(spread->used);
	pfree(spread->in_zone);
	pfree(spread->in_node);
	return found;
}

int
pocket_domain_choose(const PocketDomain *drives, int count, int wanted, int bears, int *chosen, PocketCrowd *crowd)
{
	Spread nodes = {.drives = drives, .count = count};
	Spread zones = {.drives = drives, .count = count};
	Spread *best = &nodes;
	int found = spread_over(&nodes, wanted, false, chosen);

	if (nodes.crowd.zone > bears)
	{
		int *others = palloc(sizeof(int) * Max(wanted, 1));

		(void) spread_over(&zones, wanted, true, others);
		if (zones.crowd.zone <= bears)
		{
			memcpy(chosen, others, sizeof(int) * found);
			best = &zones;
		}
		pfree(others);
	}
	if (crowd != NULL)
		*crowd = best->crowd;
	return found;
}
