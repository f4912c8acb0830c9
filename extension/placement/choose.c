/*
 * choose.c
 *	  Where new blocks go.
 *
 * The emptiest open bucket is taken, so that all fill alike: buckets of one
 * length are coded together without waste.
 *
 * A bucket with a drive that is not well is not offered: a put waits for every
 * replica, so it would fail there.  Nor is one with fewer replicas than
 * pocket.replicas asks for.  The coordinator seals such buckets and opens
 * others.
 */
#include "placement/placement.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "base/guc.h"
#include "base/spi.h"

static Datum
int64_array(const int64 *first, int count, Size step)
{
	Datum *elements = palloc(sizeof(Datum) * Max(count, 1));

	for (int i = 0; i < count; i++)
		elements[i] = Int64GetDatum(*(const int64 *) ((const char *) first + i * step));
	return PointerGetDatum(construct_array(elements, count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

static Datum
text_array(const char *const *texts, int count)
{
	Datum *elements = palloc(sizeof(Datum) * Max(count, 1));

	for (int i = 0; i < count; i++)
		elements[i] = CStringGetTextDatum(texts[i]);
	return PointerGetDatum(construct_array(elements, count, TEXTOID, -1, false, TYPALIGN_INT));
}

bool
pocket_place_writable(PocketPlace *place, const int64 *avoid, int avoid_count, const char *const *avoid_nodes,
					  int avoid_node_count, const PocketLoad *loads, int load_count)
{
	static PocketPlan choose = {
		"SELECT b.bucket_id, v.volume_id, v.generation, n.url FROM pocket_data.bucket b"
		" JOIN pocket_data.volume v ON v.volume_id = b.volume_id"
		" JOIN pocket_data.node n ON n.node_id = v.node_id"
		" WHERE b.state = 'open' AND n.state = 'up' AND b.bucket_id <> ALL ($1) AND n.url <> ALL ($5)"
		" AND NOT EXISTS (SELECT FROM pocket_data.extent e JOIN pocket_data.drive d ON d.drive_id = e.drive_id"
		" WHERE e.volume_id = v.volume_id AND (d.state <> 'ok' OR e.state <> 'ok'))"
		" AND ($4 = 0 OR $4 <= (SELECT pg_catalog.count(*) FROM pocket_data.extent e WHERE e.volume_id = v.volume_id))"
		" ORDER BY coalesce((SELECT k.\"offset\" + k.stored_length FROM pocket_data.block k"
		" WHERE k.bucket_id = b.bucket_id ORDER BY k.\"offset\" DESC LIMIT 1), 0)"
		" + coalesce((SELECT l.bytes"
		" FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3)) AS l (bucket_id, bytes)"
		" WHERE l.bucket_id = b.bucket_id), 0), pg_catalog.random() LIMIT 1",
		"int8[] int8[] int8[] int4 text[]", NULL, NULL};
	Datum values[5];
	bool found;

	values[0] = int64_array(avoid, avoid_count, sizeof(int64));
	values[1] = int64_array(&loads->bucket_id, load_count, sizeof(PocketLoad));
	values[2] = int64_array(&loads->bytes, load_count, sizeof(PocketLoad));
	values[3] = Int32GetDatum(pocket_replicas);
	values[4] = text_array(avoid_nodes, avoid_node_count);
	found = pocket_latest(&choose, values, NULL) > 0;
	if (found)
	{
		place->bucket_id = pocket_column_int64(0, 1);
		place->volume_id = pocket_column_int64(0, 2);
		place->generation = pocket_column_int32(0, 3);
		place->url = pocket_column_text(0, 4);
		place->lost = false;
	}
	pocket_free_rows();
	return found;
}
