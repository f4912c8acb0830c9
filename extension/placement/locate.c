/*
 * locate.c
 *	  Where a bucket is read.
 */
#include "placement/placement.h"

#include "base/spi.h"

bool
pocket_place_locate(int64 bucket_id, PocketPlace *place)
{
	static PocketPlan find = {"SELECT v.volume_id, v.generation, n.url, EXISTS (SELECT FROM pocket_data.extent e"
							  " WHERE e.bucket_id = b.bucket_id AND e.state = 'lost') FROM pocket_data.bucket b"
							  " JOIN pocket_data.volume v ON v.volume_id = b.volume_id"
							  " JOIN pocket_data.node n ON n.node_id = v.node_id WHERE b.bucket_id = $1",
							  "int8", NULL, NULL};
	Datum values[1] = {Int64GetDatum(bucket_id)};
	bool found = pocket_latest(&find, values, NULL) > 0;

	if (found)
	{
		place->bucket_id = bucket_id;
		place->volume_id = pocket_column_int64(0, 1);
		place->generation = pocket_column_int32(0, 2);
		place->url = pocket_column_text(0, 3);
		place->lost = pocket_column_bool(0, 4);
	}
	pocket_free_rows();
	return found;
}
