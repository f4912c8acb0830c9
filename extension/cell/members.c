/*
 * members.c
 *	  What duties share: members of volumes, ids, intents, answers.
 */
#include "cell/cell.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "replication/message.h"
#include "utils/builtins.h"

#include "base/error.h"
#include "base/guc.h"
#include "base/spi.h"
#include "placement/placement.h"

/* Numbers that a server may give on one timeline and lose to the next; 31 bits have room for 32767 such stretches. */
#define TIMELINE_STRETCH 65536
#define RAISE_MARGIN 1000 /* what may be given by others while one raises */

/* Whoever calls twice, or beside another one, only leaves out more numbers. */
void
pocket_placement_raise(int64 number)
{
	static PocketPlan raise = {"SELECT pg_catalog.setval('pocket_data.placement_id', $1 + $2)"
							   " FROM pocket_data.placement_id s WHERE s.last_value - (NOT s.is_called)::int4 < $1",
							   "int8 int8", NULL, NULL};
	Datum values[2] = {Int64GetDatum(number), Int64GetDatum(RAISE_MARGIN)};

	(void) pocket_write(&raise, values, NULL);
	pocket_free_rows();
}

void
pocket_placement_skip(int64 stretches)
{
	static PocketPlan last = {"SELECT s.last_value FROM pocket_data.placement_id s", "", NULL, NULL};
	int64 value;

	(void) pocket_write(&last, NULL, NULL);
	value = pocket_column_int64(0, 1);
	pocket_free_rows();
	pocket_placement_raise(value + stretches * TIMELINE_STRETCH);
}

/*
 * A server that was promoted, or recovered to a point in time, may have lost numbers that were given on the timeline that
 * it left: each timeline has a stretch of its own.
 */
static void
skip_to_timeline(void)
{
	static PocketPlan left = {"SELECT $1 - timeline FROM pocket_data.cell WHERE timeline <> $1", "int8", NULL, NULL};
	static PocketPlan note = {"UPDATE pocket_data.cell SET timeline = $1", "int8", NULL, NULL};
	PocketCell cell;
	Datum values[1];
	int64 stretches;

	pocket_cell_identity(&cell);
	values[0] = Int64GetDatum((int64) cell.epoch.timeline);
	if (pocket_write(&left, values, NULL) == 0)
		return;
	stretches = Max(pocket_column_int64(0, 1), 1);
	pocket_free_rows();
	pocket_placement_skip(stretches);
	(void) pocket_write(&note, values, NULL);
}

int64
pocket_placement_next(void)
{
	static PocketPlan next = {"SELECT pg_catalog.nextval('pocket_data.placement_id')", "", NULL, NULL};
	int64 value;

	skip_to_timeline();
	(void) pocket_write(&next, NULL, NULL);
	value = pocket_column_int64(0, 1);
	pocket_free_rows();
	/*
	 * A node is told of it before anything commits: until the sequence's record is on the disk, a crash would have the same number
	 * given again.
	 */
	pocket_flush_log();
	if (value > PG_INT32_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("the cell has run out of placement ids")));
	return value;
}

int64
pocket_placement_id(int64 next)
{
	PocketCell cell;

	pocket_cell_identity(&cell);
	return ((int64) cell.epoch.incarnation << 32) | next;
}

void
pocket_cell_code(pk_code *code)
{
	pk_error error = pk_code_parse(code, pocket_code);

	if (error != PK_OK)
		ereport(ERROR, (errcode(pocket_sqlstate(error)), errmsg("pocket.code \"%s\" is not a code", pocket_code)));
}

int
pocket_cell_replicas(const pk_code *code)
{
	if (pocket_replicas > 0)
		return pocket_replicas;
	return code->kind == PK_CODE_REPLICATED ? 3 : pk_code_left(code, code->k + code->m, 0) + 1;
}

char *
pocket_members_json(int64 volume_id, int32 generation, const char *code, const PocketMember *members, int count,
					uint32 rebuild)
{
	StringInfoData json;
	const char *separator = "";

	initStringInfo(&json);
	appendStringInfo(&json, "{\"volume\": " INT64_FORMAT ", \"generation\": %d, \"code\": \"%s\", \"members\": [",
					 volume_id, generation, code);
	for (int i = 0; i < count; i++)
	{
		appendStringInfoString(&json, i == 0 ? "{\"drive\": " : ", {\"drive\": ");
		if (members[i].uuid == NULL)
			appendStringInfoString(&json, "null");
		else
			appendStringInfo(&json, "\"%s\"", members[i].uuid);
		appendStringInfo(&json, ", \"bucket\": " INT64_FORMAT ", \"length\": " INT64_FORMAT "}", members[i].bucket_id,
						 members[i].length);
	}
	appendStringInfoChar(&json, ']');
	if (rebuild != 0)
	{
		appendStringInfoString(&json, ", \"rebuild\": [");
		for (int i = 0; i < count; i++)
		{
			if ((rebuild & (UINT32_C(1) << i)) == 0)
				continue;
			appendStringInfo(&json, "%s%d", separator, i);
			separator = ", ";
		}
		appendStringInfoChar(&json, ']');
	}
	appendStringInfoChar(&json, '}');
	return json.data;
}

PocketMember *
pocket_members_load(int64 volume_id, int *count)
{
	static PocketPlan load = {
		"SELECT e.position, e.role = 'parity', coalesce(e.bucket_id, 0), coalesce(e.drive_id, 0), d.uuid::text, "
		"e.length,"
		" coalesce(d.state = 'ok', true), coalesce(d.state IN ('failed', 'silent'), false), e.state = 'ok',"
		" coalesce(d.state = 'silent', false), coalesce(d.state = 'draining', false)"
		" FROM pocket_data.extent e LEFT JOIN pocket_data.drive d ON d.drive_id = e.drive_id"
		" WHERE e.volume_id = $1 ORDER BY e.position",
		"int8", NULL, NULL};
	Datum values[1] = {Int64GetDatum(volume_id)};
	PocketMember *members;

	*count = (int) pocket_write(&load, values, NULL);
	members = palloc0(sizeof(PocketMember) * Max(*count, 1));
	for (int i = 0; i < *count; i++)
	{
		members[i].position = pocket_column_int32(i, 1);
		members[i].parity = pocket_column_bool(i, 2);
		members[i].bucket_id = pocket_column_int64(i, 3);
		members[i].drive_id = pocket_column_int64(i, 4);
		members[i].uuid = pocket_is_null(i, 5) ? NULL : pocket_column_text(i, 5);
		members[i].length = pocket_column_int64(i, 6);
		members[i].drive_well = pocket_column_bool(i, 7);
		members[i].drive_gone = pocket_column_bool(i, 8);
		members[i].extent_well = pocket_column_bool(i, 9);
		members[i].drive_silent = pocket_column_bool(i, 10);
		members[i].drive_draining = pocket_column_bool(i, 11);
		if (members[i].position != i)
			ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
							errmsg("volume " INT64_FORMAT " has no member at position %d", volume_id, i)));
	}
	pocket_free_rows();
	return members;
}

void
pocket_intend_settle(int64 volume_id)
{
	static PocketPlan insert = {"INSERT INTO pocket_data.intent (duty, volume_id, at)"
								" VALUES ('settle', $1, pg_catalog.clock_timestamp())",
								"int8", NULL, NULL};
	Datum values[1] = {Int64GetDatum(volume_id)};

	(void) pocket_write(&insert, values, NULL);
}

static void
intend(const char *duty, int64 drive_id, int64 bucket_id, int64 volume_id, int position)
{
	static PocketPlan insert = {"INSERT INTO pocket_data.intent (duty, drive_id, bucket_id, volume_id, position, at)"
								" VALUES ($5, $1, $2, $3, $4, pg_catalog.clock_timestamp())",
								"int8 int8 int8 int4 text", NULL, NULL};
	Datum values[5] = {Int64GetDatum(drive_id), Int64GetDatum(bucket_id), Int64GetDatum(volume_id),
					   Int32GetDatum(position), CStringGetTextDatum(duty)};

	(void) pocket_write(&insert, values, bucket_id != 0 ? "  nn " : " n   ");
}

void
pocket_intend_drop(int64 drive_id, int64 bucket_id, int64 volume_id, int position)
{
	intend("drop", drive_id, bucket_id, volume_id, position);
}

void
pocket_intend_trash(int64 drive_id, int64 bucket_id, int64 volume_id, int position)
{
	intend("trash", drive_id, bucket_id, volume_id, position);
}

bool
pocket_extent_damaged(int64 drive_id, const char *file, const char *problem)
{
	static PocketPlan mark = {
		"UPDATE pocket_data.extent SET state = 'damaged', problem = $5 WHERE drive_id = $1 AND state = 'ok'"
		" AND CASE WHEN $2 THEN role = 'parity' AND volume_id = $3 AND position = $4"
		" ELSE role <> 'parity' AND bucket_id = $3 END",
		"int8 bool int8 int4 text", NULL, NULL};
	const char *slash = strrchr(file, '/');
	pk_extent_kind kind;
	uint64_t id;
	int position;
	Datum values[5];

	/* what lies in the trash is no member */
	if (strncmp(file, "trash/", strlen("trash/")) == 0)
		return false;
	if (!pk_extent_file_parse(slash == NULL ? file : slash + 1, &kind, &id, &position))
		return false;
	values[0] = Int64GetDatum(drive_id);
	values[1] = BoolGetDatum(kind == PK_EXTENT_PARITY);
	values[2] = Int64GetDatum((int64) id);
	values[3] = Int32GetDatum(position);
	values[4] = CStringGetTextDatum(problem);
	return pocket_write(&mark, values, NULL) > 0;
}

int64
pocket_answer_number(const char *answer, const char *field)
{
	static PocketPlan extract = {"SELECT coalesce(($1::jsonb ->> $2)::int8, -1)", "text text", NULL, NULL};
	Datum values[2] = {CStringGetTextDatum(answer), CStringGetTextDatum(field)};
	int64 number;

	(void) pocket_write(&extract, values, NULL);
	number = pocket_column_int64(0, 1);
	pocket_free_rows();
	return number;
}
