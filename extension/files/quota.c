/*
 * quota.c
 *	  The look at the quota before an upload.
 *
 * The exact one is under the head lock (pocket_head_account), when the bytes are
 * on the drives already: without this, whoever is over the quota could fill the
 * drives.  It refuses only what the exact one would refuse too, as the tree is now.
 */
#include "files/files.h"

#include "miscadmin.h"

/* A put, and what names that are the same have in common. */
typedef struct Place
{
	const PocketPut *put;
	char *key;
	int order;
} Place;

static char *
place_key(const PocketNamespace *ns, const PocketPath *path)
{
	char *key = pstrdup("");
	int i;

	for (i = 0; i < path->depth; i++)
		key = psprintf("%s/%s", key, pocket_key(ns, path->names[i]));
	return key;
}

static int
compare_places(const void *a, const void *b)
{
	const Place *x = a;
	const Place *y = b;
	int result = strcmp(x->key, y->key);

	return result != 0 ? result : (x->order > y->order) - (x->order < y->order);
}

static int64
size_now(const PocketNamespace *ns, const PocketPath *path)
{
	PocketSpot spot;

	pocket_resolve(&spot, ns, path, NULL, true, false);
	return spot.exists ? spot.state.size : 0;
}

/* What puts add in the end: of those to one path, the last one counts. */
static int64
growth_of(const PocketNamespace *ns, PocketPut **puts, int count)
{
	Place *places = palloc(sizeof(Place) * (Size) count);
	int64 growth = 0;
	int i;

	for (i = 0; i < count; i++)
		places[i] = (Place){puts[i], place_key(ns, &puts[i]->path), i};
	qsort(places, (size_t) count, sizeof(Place), compare_places);
	for (i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (i + 1 == count || strcmp(places[i].key, places[i + 1].key) != 0)
			growth += (int64) places[i].put->length - size_now(ns, &places[i].put->path);
	}
	return growth;
}

void
pocket_puts_check_quota(const PocketNamespace *ns, PocketPut **puts, int count)
{
	int64 most = 0;
	int i;

	for (i = 0; i < count; i++)
		most += (int64) puts[i]->length;
	/* paths are looked up only when it matters what they replace */
	if (!pocket_quota_fits(ns->ns_id, most))
		pocket_quota_check(ns->ns_id, growth_of(ns, puts, count), ns->is_owned);
}
