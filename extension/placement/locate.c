/*
 * locate.c
 *	  Where a bucket is read.
 *
 * Any node serves any block, but it is best to ask one that has the bucket's
 * extent: always the same one, whose page cache then has it, and others when
 * that one does not answer well.
 *
 * So an answer need not be of this very moment: a backend keeps it for a while,
 * which spares a small read a quarter of its work.
 */
#include "placement/placement.h"

#include "base/spi.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define KEPT_US INT64CONST(500000)
#define KEPT_MAX 64

typedef struct KeptPlace
{
	PocketPlace place; /* strings in the cache's context */
	TimestampTz until;
} KeptPlace;

static KeptPlace kept[KEPT_MAX];

static void
copy_place(PocketPlace *to, const PocketPlace *from, MemoryContext context)
{
	*to = *from;
	for (int i = 0; i < from->reader_count; i++)
		to->readers[i] = MemoryContextStrdup(context, from->readers[i]);
	to->url = to->readers[0];
}

static void
keep(const PocketPlace *place)
{
	KeptPlace *entry = &kept[(uint64) place->bucket_id % KEPT_MAX];
	PocketPlace old = entry->place;
	PocketPlace fresh;

	copy_place(&fresh, place, TopMemoryContext);
	entry->place = fresh;
	for (int i = 0; i < old.reader_count; i++)
		pfree(old.readers[i]);
	entry->until = GetCurrentTimestamp() + KEPT_US;
}

static bool
find_kept(int64 bucket_id, PocketPlace *place)
{
	const KeptPlace *entry = &kept[(uint64) bucket_id % KEPT_MAX];

	if (entry->place.bucket_id != bucket_id || entry->until <= GetCurrentTimestamp())
		return false;
	copy_place(place, &entry->place, CurrentMemoryContext);
	return true;
}

static void
add_reader(PocketPlace *place, char *url)
{
	for (int i = 0; i < place->reader_count; i++)
	{
		if (strcmp(place->readers[i], url) == 0)
			return;
	}
	if (place->reader_count < POCKET_READERS_MAX)
		place->readers[place->reader_count++] = url;
}

/* Nodes that have no extent of the bucket: those first that have most of its volume, if only in their trash. */
static void
add_others(PocketPlace *place)
{
	static PocketPlan find = {
		"SELECT n.url FROM pocket_data.node n WHERE n.state = 'up' ORDER BY (SELECT pg_catalog.count(*)"
		" FROM pocket_data.extent e JOIN pocket_data.drive d ON d.drive_id = e.drive_id"
		" WHERE e.volume_id = $1 AND d.node_id = n.node_id) + (SELECT pg_catalog.count(*) FROM pocket_data.trash t"
		" JOIN pocket_data.drive d ON d.drive_id = t.drive_id WHERE t.volume_id = $1 AND d.node_id = n.node_id) DESC,"
		" n.node_id"
		" LIMIT " POCKET_READERS_MAX_TEXT,
		"int8", NULL, NULL};
	Datum values[1] = {Int64GetDatum(place->volume_id)};
	uint64 found = pocket_latest(&find, values, NULL);

	for (uint64 row = 0; row < found; row++)
		add_reader(place, pocket_column_text(row, 1));
	pocket_free_rows();
}

static bool
look_up(int64 bucket_id, PocketPlace *place)
{
	static PocketPlan find = {
		"SELECT v.volume_id, v.generation, n.url, coalesce(e.state = 'lost', false),"
		" coalesce(n.state = 'up' AND e.state = 'ok' AND d.state NOT IN ('failed', 'silent'), false),"
		" (SELECT pg_catalog.count(*) FROM pocket_data.node u WHERE u.state = 'up')"
		" FROM pocket_data.bucket b JOIN pocket_data.volume v ON v.volume_id = b.volume_id"
		" LEFT JOIN pocket_data.extent e ON e.bucket_id = b.bucket_id AND e.volume_id = b.volume_id"
		" LEFT JOIN pocket_data.drive d ON d.drive_id = e.drive_id"
		" LEFT JOIN pocket_data.node n ON n.node_id = d.node_id WHERE b.bucket_id = $1 ORDER BY e.position",
		"int8", NULL, NULL};
	Datum values[1] = {Int64GetDatum(bucket_id)};
	char *away[PK_MEMBERS_MAX];
	int away_count = 0;
	int64 up = 0;
	uint64 found = pocket_latest(&find, values, NULL);

	memset(place, 0, sizeof(*place));
	place->bucket_id = bucket_id;
	for (uint64 row = 0; row < found; row++)
	{
		place->volume_id = pocket_column_int64(row, 1);
		place->generation = pocket_column_int32(row, 2);
		place->lost |= pocket_column_bool(row, 4);
		up = pocket_column_int64(row, 6);
		if (pocket_is_null(row, 3))
			continue;
		if (pocket_column_bool(row, 5))
			add_reader(place, pocket_column_text(row, 3));
		else if (away_count < PK_MEMBERS_MAX)
			away[away_count++] = pocket_column_text(row, 3);
	}
	pocket_free_rows();
	if (found > 0 && place->reader_count < Min(up, POCKET_READERS_MAX))
		add_others(place);
	for (int i = 0; i < away_count; i++)
		add_reader(place, away[i]); /* rows may be older than what is there */
	place->url = place->readers[0];
	return place->reader_count > 0;
}

bool
pocket_place_locate(int64 bucket_id, PocketPlace *place)
{
	if (find_kept(bucket_id, place))
		return true;
	if (!look_up(bucket_id, place))
		return false;
	keep(place);
	return true;
}
