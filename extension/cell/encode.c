/*
 * encode.c
 *	  Duty encode: k sealed buckets and m parities become one coded volume.
 *
 * The node computes the parities and proves them by decoding what the drives
 * hold; then rows flip to the new volume in this transaction, and surplus
 * replicas are written down as intents for a later one.  Until that has been
 * committed nothing that anybody can read has changed.
 */
#include "cell/cell.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/guc.h"
#include "base/spi.h"
#include "blocks/blocks.h"
#include "cell/group.h"

#define CANDIDATES_MAX 512
#define GROUPS_PER_PASS 2
#define LITERAL_(n) #n
#define LITERAL(n) LITERAL_(n)

typedef struct EncodeDrive
{
	int64 drive_id;
	char *uuid;
	int64 available;
} EncodeDrive;

/* One node's part of a pass. */
typedef struct Encode
{
	PocketPass *pass;
	pk_code code;
	int64 node_id;
	char *url;
	int drive_count;
	EncodeDrive *drives; /* healthy, emptiest first */
	int count;
	PocketCandidate *candidates; /* longest first */
	int groups_left;
} Encode;

static void
load_drives(Encode *encode)
{
	static PocketPlan load = {
		"SELECT drive_id, uuid::text, available FROM pocket_data.drive WHERE node_id = $1 AND state = 'ok'"
		" ORDER BY available::float8 / greatest(used + available, 1) * (0.9 + 0.2 * pg_catalog.random()) DESC LIMIT"
		" " LITERAL(POCKET_GROUP_DRIVES_MAX),
		"int8", NULL, NULL};
	Datum values[1] = {Int64GetDatum(encode->node_id)};

	encode->drive_count = (int) pocket_write(&load, values, NULL);
	encode->drives = palloc(sizeof(EncodeDrive) * Max(encode->drive_count, 1));
	for (int i = 0; i < encode->drive_count; i++)
	{
		encode->drives[i].drive_id = pocket_column_int64(i, 1);
		encode->drives[i].uuid = pocket_column_text(i, 2);
		encode->drives[i].available = pocket_column_int64(i, 3);
	}
	pocket_free_rows();
}

static int
drive_index(const Encode *encode, int64 drive_id)
{
	for (int i = 0; i < encode->drive_count; i++)
	{
		if (encode->drives[i].drive_id == drive_id)
			return i;
	}
	return -1;
}

/* Rows (bucket, drive), one per good replica, buckets together. */
static void
load_candidates(Encode *encode)
{
	static PocketPlan load = {
		"WITH due AS (SELECT b.bucket_id, v.volume_id, v.generation, b.length,"
		" b.sealed_at < pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => $3) AS idle"
		" FROM pocket_data.bucket b JOIN pocket_data.volume v ON v.volume_id = b.volume_id"
		" WHERE v.node_id = $1 AND v.state = 'sealed' AND v.code = 'replicated' AND b.length > 0"
		" AND b.sealed_at <= pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => $2)"
		" ORDER BY b.length DESC, b.bucket_id LIMIT " LITERAL(
			CANDIDATES_MAX) ")"
							" SELECT c.bucket_id, c.volume_id, c.generation, c.length, c.idle, e.drive_id FROM due c"
							" JOIN pocket_data.extent e ON e.volume_id = c.volume_id"
							" JOIN pocket_data.drive d ON d.drive_id = e.drive_id"
							" WHERE e.state = 'ok' AND d.state = 'ok' ORDER BY c.length DESC, c.bucket_id, "
							"pg_catalog.random()",
		"int8 float8 float8", NULL, NULL};
	Datum values[3] = {Int64GetDatum(encode->node_id),
					   Float8GetDatum(encode->pass->by_hand ? 0.0 : (double) pocket_encode_after_s),
					   Float8GetDatum(encode->pass->by_hand ? -1.0 : pocket_bucket_idle_ms / 1000.0)};
	PocketCandidate *last = NULL;

	(void) pocket_write(&load, values, NULL);
	encode->candidates = palloc0(sizeof(PocketCandidate) * CANDIDATES_MAX);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		int drive = drive_index(encode, pocket_column_int64(row, 6));

		if (last == NULL || last->bucket_id != pocket_column_int64(row, 1))
		{
			last = &encode->candidates[encode->count++];
			last->bucket_id = pocket_column_int64(row, 1);
			last->volume_id = pocket_column_int64(row, 2);
			last->generation = pocket_column_int32(row, 3);
			last->length = pocket_column_int64(row, 4);
			last->idle = pocket_column_bool(row, 5);
		}
		if (drive >= 0 && last->drive_count < PK_MEMBERS_MAX)
			last->drives[last->drive_count++] = drive;
	}
	pocket_free_rows();
}

/* Drives for the parities: not those of the data, with room. */
static bool
choose_parities(const Encode *encode, const PocketGroup *group, int *parities)
{
	int64 length = 0;
	int found = 0;

	for (int i = 0; i < group->count; i++)
		length = Max(length, group->members[i]->length);
	for (int i = 0; i < encode->drive_count && found < encode->code.m; i++)
	{
		if (group->holder_of[i] < 0 && encode->drives[i].available >= length + length / 32)
			parities[found++] = i;
	}
	return found == encode->code.m;
}

static PocketMember *
group_members(const Encode *encode, const PocketGroup *group, const int *parities)
{
	int k = encode->code.k;
	PocketMember *members = palloc0(sizeof(PocketMember) * (k + encode->code.m));

	for (int i = 0; i < k + encode->code.m; i++)
	{
		const EncodeDrive *drive = NULL;

		members[i].position = i;
		members[i].parity = i >= k;
		if (i < group->count)
		{
			drive = &encode->drives[group->drive_of[i]];
			members[i].bucket_id = group->members[i]->bucket_id;
			members[i].length = group->members[i]->length;
		}
		else if (i >= k)
			drive = &encode->drives[parities[i - k]];
		if (drive != NULL)
		{
			members[i].drive_id = drive->drive_id;
			members[i].uuid = drive->uuid;
		}
	}
	return members;
}

/* --- rows --- */

static void
insert_volume(const Encode *encode, int64 volume_id, int32 generation)
{
	static PocketPlan insert = {
		"INSERT INTO pocket_data.volume (volume_id, node_id, code, state, generation, changed_at)"
		" VALUES ($1, $2, $3, 'coded', $4, pg_catalog.clock_timestamp())",
		"int8 int8 text int4", NULL, NULL};
	char code[PK_CODE_TEXT];
	Datum values[4];

	pk_code_format(code, &encode->code);
	values[0] = Int64GetDatum(volume_id);
	values[1] = Int64GetDatum(encode->node_id);
	values[2] = CStringGetTextDatum(code);
	values[3] = Int32GetDatum(generation);
	(void) pocket_write(&insert, values, NULL);
}

static void
insert_member(int64 volume_id, const PocketMember *member)
{
	static PocketPlan insert = {
		"INSERT INTO pocket_data.extent (volume_id, position, role, bucket_id, drive_id, state, length, scrubbed_at)"
		" VALUES ($1, $2, $3, nullif($4, 0), nullif($5, 0), 'ok', $6, pg_catalog.clock_timestamp())",
		"int8 int4 text int8 int8 int8", NULL, NULL};
	Datum values[6] = {Int64GetDatum(volume_id),
					   Int32GetDatum(member->position),
					   CStringGetTextDatum(member->parity ? "parity" : "data"),
					   Int64GetDatum(member->bucket_id),
					   Int64GetDatum(member->drive_id),
					   Int64GetDatum(member->length)};

	(void) pocket_write(&insert, values, NULL);
}

/* The replicated volume of a bucket ends; its other replicas are surplus. */
static void
dissolve(const PocketCandidate *candidate, int64 kept_drive_id)
{
	static PocketPlan extents = {"DELETE FROM pocket_data.extent WHERE volume_id = $1", "int8", NULL, NULL};
	static PocketPlan volume = {"DELETE FROM pocket_data.volume WHERE volume_id = $1", "int8", NULL, NULL};
	Datum values[1] = {Int64GetDatum(candidate->volume_id)};
	int count;
	PocketMember *replicas = pocket_members_load(candidate->volume_id, &count);

	for (int i = 0; i < count; i++)
	{
		if (replicas[i].drive_id != kept_drive_id)
			pocket_intend_drop(replicas[i].drive_id, candidate->bucket_id, 0, 0);
	}
	(void) pocket_write(&extents, values, NULL);
	(void) pocket_write(&volume, values, NULL);
}

static void
flip(const Encode *encode, const PocketGroup *group, const PocketMember *members, int64 volume_id, int32 generation)
{
	static PocketPlan move = {"UPDATE pocket_data.bucket SET volume_id = $1 WHERE bucket_id = $2 AND volume_id = $3",
							  "int8 int8 int8", NULL, NULL};
	Datum values[3];

	insert_volume(encode, volume_id, generation);
	for (int i = 0; i < group->count; i++)
	{
		values[0] = Int64GetDatum(volume_id);
		values[1] = Int64GetDatum(group->members[i]->bucket_id);
		values[2] = Int64GetDatum(group->members[i]->volume_id);
		if (pocket_write(&move, values, NULL) != 1)
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("bucket " INT64_FORMAT " was moved by somebody else", group->members[i]->bucket_id)));
		dissolve(group->members[i], members[i].drive_id);
	}
	for (int i = 0; i < encode->code.k + encode->code.m; i++)
		insert_member(volume_id, &members[i]);
	pocket_intend_settle(volume_id);
}

/* --- groups --- */

static bool
encode_group(Encode *encode, const PocketGroup *group, const int *parities)
{
	int total = encode->code.k + encode->code.m;
	PocketMember *members = group_members(encode, group, parities);
	int64 number = pocket_placement_next();
	int64 volume_id = pocket_placement_id(number);
	int32 generation = (int32) number;
	int64 length;
	char code[PK_CODE_TEXT];
	PocketOrder order = {.node = encode->url, .verb = "encode"};

	pk_code_format(code, &encode->code);
	order.body = pocket_members_json(volume_id, generation, code, members, total, 0);
	pocket_orders(&order, 1);
	if (order.error != PK_OK)
	{
		ereport(WARNING, (errmsg("%d buckets could not be encoded: %s", group->count, order.problem)));
		return false;
	}
	length = pocket_answer_number(order.answer, "length");
	for (int i = encode->code.k; i < total; i++)
		members[i].length = length;
	flip(encode, group, members, volume_id, generation);
	for (int i = 0; i < encode->code.m; i++)
		encode->drives[parities[i]].available -= length;
	return true;
}

/* Of members of similar length the shortest has half the bytes of the longest. */
static int64
similar_length(int64 longest)
{
	return (longest + 1) / 2;
}

/* Whether the group's members from min_length on take less room with parities, which are as long as the longest, than as replicas. */
static bool
saves_space(const Encode *encode, const PocketGroup *group, int64 min_length)
{
	int64 surplus = 0;

	for (int i = 0; i < group->count; i++)
	{
		if (group->members[i]->length >= min_length)
			surplus += (group->members[i]->drive_count - 1) * group->members[i]->length;
	}
	return surplus > encode->code.m * group->members[0]->length;
}

/*
 * One after the other. Short members of a group come along for nothing, but they shall not pay for a long one that is alone: it
 * waits until there is nothing else to go with the others.
 */
typedef enum EncodeRound
{
	FULL_AND_SIMILAR,
	SIMILAR_SAVE_SPACE, /* these two: of what has waited long enough */
	ANY_SAVE_SPACE,
	WHATEVER /* by hand, where nothing else could be done */
} EncodeRound;

/* Builds and encodes groups from `first` on; those that are tried are used, whatever comes of it. */
static bool
try_group(Encode *encode, int first, EncodeRound round)
{
	PocketGroup *group = palloc(sizeof(PocketGroup));
	int parities[PK_MEMBERS_MAX];
	int64 similar = similar_length(encode->candidates[first].length);
	bool full = round == FULL_AND_SIMILAR;
	bool fits;

	CHECK_FOR_INTERRUPTS();
	pocket_group_build(group, encode->candidates, encode->count, first, encode->code.k, full ? similar : 0, !full);
	fits = group->count > 0 && (!full || group->count == encode->code.k);
	if (round == SIMILAR_SAVE_SPACE || round == ANY_SAVE_SPACE)
		fits = fits && saves_space(encode, group, round == ANY_SAVE_SPACE ? 0 : similar);
	fits = fits && choose_parities(encode, group, parities);
	if (fits)
	{
		for (int i = 0; i < group->count; i++)
			group->members[i]->used = true;
		if (encode_group(encode, group, parities))
			encode->pass->done += group->count;
		encode->groups_left--;
	}
	pfree(group);
	return fits;
}

static void
encode_round(Encode *encode, EncodeRound round)
{
	for (int i = 0; i < encode->count && encode->groups_left > 0; i++)
	{
		if (encode->candidates[i].used || (round > FULL_AND_SIMILAR && !encode->candidates[i].idle))
			continue;
		(void) try_group(encode, i, round);
	}
}

/* What was tried, or would have been if a pass had no limit and there were drives enough; the others wait for their group. */
static int64
count_due(const Encode *encode, bool enough)
{
	int64 due = 0;

	for (int i = 0; i < encode->count; i++)
	{
		if (encode->candidates[i].used || !enough || encode->groups_left <= 0)
			due++;
	}
	return due;
}

static void
encode_node(Encode *encode)
{
	int64 before = encode->pass->done;
	bool enough;

	load_drives(encode);
	load_candidates(encode);
	enough = encode->drive_count >= encode->code.k + encode->code.m;
	if (enough)
	{
		encode_round(encode, FULL_AND_SIMILAR);
		encode_round(encode, SIMILAR_SAVE_SPACE);
		encode_round(encode, ANY_SAVE_SPACE);
		if (encode->pass->by_hand && encode->pass->done == before)
			encode_round(encode, WHATEVER);
	}
	encode->pass->remaining += count_due(encode, enough) - (encode->pass->done - before);
}

void
pocket_duty_encode(PocketPass *pass)
{
	static PocketPlan nodes = {"SELECT node_id, url FROM pocket_data.node WHERE state = 'up' ORDER BY node_id", "",
							   NULL, NULL};
	int count = (int) pocket_write(&nodes, NULL, NULL);
	Encode *encodes = palloc0(sizeof(Encode) * Max(count, 1));

	for (int i = 0; i < count; i++)
	{
		encodes[i].pass = pass;
		pocket_cell_code(&encodes[i].code);
		encodes[i].groups_left = pass->by_hand ? INT_MAX : GROUPS_PER_PASS;
		encodes[i].node_id = pocket_column_int64(i, 1);
		encodes[i].url = pocket_column_text(i, 2);
	}
	pocket_free_rows();
	for (int i = 0; i < count; i++)
	{
		if (encodes[i].code.kind != PK_CODE_REPLICATED)
			encode_node(&encodes[i]);
	}
}
