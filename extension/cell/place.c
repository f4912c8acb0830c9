/*
 * place.c
 *	  Drives for new members; see place.h.
 */
#include "cell/place.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "base/spi.h"

#define PLACE_DRIVES_MAX 10000 /* that place_members takes */

PG_FUNCTION_INFO_V1(pocket_place_members);

void
pocket_drives_take(PocketDrives *drives, uint64 rows)
{
	drives->count = (int) rows;
	drives->drives = palloc(sizeof(PocketDrive) * Max(rows, 1));
	for (uint64 row = 0; row < rows; row++)
	{
		PocketDrive *drive = &drives->drives[row];

		drive->drive_id = pocket_column_int64(row, 1);
		drive->uuid = pocket_column_text(row, 2);
		drive->node_id = pocket_column_int64(row, 3);
		drive->url = pocket_column_text(row, 4);
		drive->zone_id = pocket_column_int64(row, 5);
		drive->available = pocket_column_int64(row, 6);
	}
	pocket_free_rows();
}

void
pocket_drives_load(PocketDrives *drives)
{
	static PocketPlan load = {
		"SELECT d.drive_id, d.uuid::text, n.node_id, n.url, n.zone_id, d.available FROM pocket_data.drive d"
		" JOIN pocket_data.node n ON n.node_id = d.node_id WHERE d.state = 'ok' AND n.state = 'up'"
		" ORDER BY d.available::float8 / greatest(d.used + d.available, 1) * (0.9 + 0.2 * pg_catalog.random()) DESC",
		"", NULL, NULL};

	pocket_drives_take(drives, pocket_write(&load, NULL, NULL));
}

int
pocket_drives_find(const PocketDrives *drives, int64 drive_id)
{
	for (int i = 0; i < drives->count; i++)
	{
		if (drives->drives[i].drive_id == drive_id)
			return i;
	}
	return -1;
}

int
pocket_drives_choose(const PocketDrives *drives, const int *stay, int stay_count, int64 room, int wanted, int bears,
					 int *chosen, PocketCrowd *crowd)
{
	PocketDomain *domains = palloc0(sizeof(PocketDomain) * Max(drives->count, 1));
	int *index = palloc(sizeof(int) * Max(drives->count, 1));
	int count = 0;
	int found;

	for (int i = 0; i < drives->count; i++)
	{
		bool taken = false;

		for (int j = 0; j < stay_count; j++)
			taken |= stay[j] == i;
		if (!taken && drives->drives[i].available < room)
			continue;
		domains[count] = (PocketDomain){drives->drives[i].zone_id, drives->drives[i].node_id, taken};
		index[count++] = i;
	}
	found = pocket_domain_choose(domains, count, wanted, bears, chosen, crowd);
	for (int i = 0; i < found; i++)
		chosen[i] = index[chosen[i]];
	pfree(domains);
	pfree(index);
	return found;
}

const PocketDrive *
pocket_drives_worker(const PocketDrives *drives, const int *members, int count)
{
	const PocketDrive *best = NULL;
	int most = 0;

	for (int i = 0; i < count; i++)
	{
		const PocketDrive *drive = &drives->drives[members[i]];
		int here = 0;

		for (int j = 0; j < count; j++)
			here += drives->drives[members[j]].node_id == drive->node_id;
		if (here > most)
		{
			most = here;
			best = drive;
		}
	}
	return best;
}

static int
read_array(Datum array, Oid type, Datum **elements)
{
	int count;
	bool *nulls;
	int16 length;
	bool by_value;
	char align;

	get_typlenbyvalalign(type, &length, &by_value, &align);
	deconstruct_array(DatumGetArrayTypeP(array), type, length, by_value, align, elements, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("a drive is given without all its values")));
	}
	return count;
}

/* place_members(zones, nodes, taken, wanted, bears): what pocket_domain_choose() chooses, counted from one. */
Datum
pocket_place_members(PG_FUNCTION_ARGS)
{
	Datum *zones;
	Datum *nodes;
	Datum *taken;
	int count = read_array(PG_GETARG_DATUM(0), INT8OID, &zones);
	int32 wanted = PG_GETARG_INT32(3);
	PocketDomain *domains;
	Datum *result;
	int *chosen;
	int found;

	if (read_array(PG_GETARG_DATUM(1), INT8OID, &nodes) != count ||
		read_array(PG_GETARG_DATUM(2), BOOLOID, &taken) != count)
		ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
						errmsg("each drive needs a zone, a node, and whether it is taken")));
	if (count > PLACE_DRIVES_MAX || wanted < 0 || wanted > PK_MEMBERS_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("at most %d drives, and 0 to %d members", PLACE_DRIVES_MAX, PK_MEMBERS_MAX)));
	domains = palloc(sizeof(PocketDomain) * Max(count, 1));
	chosen = palloc(sizeof(int) * Max(wanted, 1));
	result = palloc(sizeof(Datum) * Max(wanted, 1));
	for (int i = 0; i < count; i++)
		domains[i] = (PocketDomain){DatumGetInt64(zones[i]), DatumGetInt64(nodes[i]), DatumGetBool(taken[i])};
	found = pocket_domain_choose(domains, count, wanted, PG_GETARG_INT32(4), chosen, NULL);
	for (int i = 0; i < found; i++)
		result[i] = Int32GetDatum(chosen[i] + 1);
	PG_RETURN_ARRAYTYPE_P(construct_array(result, found, INT4OID, sizeof(int32), true, TYPALIGN_INT));
}
