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
#include "cell/place.h"

#define CANDIDATES_MAX 512
#define GROUPS_PER_PASS 2
#define SILENT_MAX 3 /* after so many groups that a node gave no answer for, the pass ends */
#define LITERAL_(n) #n
#define LITERAL(n) LITERAL_(n)

/* A pass. */
typedef struct Encode
{
	PocketPass *pass;
	pk_code code;
	int bears;			 /* members that a volume may lose, whichever they are */
	PocketDrives drives; /* healthy, emptiest first */
	PocketCrowd ideal;	 /* of the members of a volume that is spread as well as these drives allow */
	int count;
	PocketCandidate *candidates; /* longest first */
	int groups_left;
	int silent_left;
} Encode;

/* How far domains may be filled, the best first: evenly; so that one node may be lost; anyhow. */
#define CROWDS 3

static PocketCrowd
crowd_allowed(const Encode *encode, int level)
{
	PocketCrowd all = {PK_MEMBERS_MAX, PK_MEMBERS_MAX};

	if (level == 0)
		return encode->ideal;
	if (level == 1)
		all.node = Max(encode->bears, encode->ideal.node);
	return all;
}

/* False when there are not enough drives for the code. */
static bool
load_drives(Encode *encode)
{
	int total = encode->code.k + encode->code.m;
	int chosen[PK_MEMBERS_MAX];

	pocket_drives_load(&encode->drives);
	encode->bears = pk_code_left(&encode->code, total, 0);
	return pocket_drives_choose(&encode->drives, NULL, 0, 0, total, encode->bears, chosen, &encode->ideal) == total;
}

/* Rows (bucket, drive), one per good replica, buckets together. */
static void
load_candidates(Encode *encode)
{
	static PocketPlan load = {
		"WITH due AS (SELECT b.bucket_id, v.volume_id, v.generation, b.length,"
		" b.sealed_at < pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => $2) AS idle"
		" FROM pocket_data.bucket b JOIN pocket_data.volume v ON v.volume_id = b.volume_id"
		" WHERE v.state = 'sealed' AND v.code = 'replicated' AND b.length > 0"
		" AND b.sealed_at <= pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => $1)"
		" ORDER BY b.length DESC, b.bucket_id LIMIT " LITERAL(
			CANDIDATES_MAX) ")"
							" SELECT c.bucket_id, c.volume_id, c.generation, c.length, c.idle, e.drive_id FROM due c"
							" JOIN pocket_data.extent e ON e.volume_id = c.volume_id"
							" JOIN pocket_data.drive d ON d.drive_id = e.drive_id"
							" WHERE e.state = 'ok' AND d.state = 'ok' ORDER BY c.length DESC, c.bucket_id, "
							"pg_catalog.random()",
		"float8 float8", NULL, NULL};
	Datum values[2] = {Float8GetDatum(encode->pass->by_hand ? 0.0 : (double) pocket_encode_after_s),
					   Float8GetDatum(encode->pass->by_hand ? -1.0 : pocket_bucket_idle_ms / 1000.0)};
	PocketCandidate *last = NULL;

	(void) pocket_write(&load, values, NULL);
	encode->candidates = palloc0(sizeof(PocketCandidate) * CANDIDATES_MAX);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		int drive = pocket_drives_find(&encode->drives, pocket_column_int64(row, 6));

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

	for (int i = 0; i < group->count; i++)
		length = Max(length, group->members[i]->length);
	return pocket_drives_choose(&encode->drives, group->drive_of, group->count, POCKET_EXTENT_ROOM(length),
								encode->code.m, encode->bears, parities, NULL) == encode->code.m;
}

static PocketMember *
group_members(const Encode *encode, const PocketGroup *group, const int *parities)
{
	int k = encode->code.k;
	PocketMember *members = palloc0(sizeof(PocketMember) * (k + encode->code.m));

	for (int i = 0; i < k + encode->code.m; i++)
	{
		const PocketDrive *drive = NULL;

		members[i].position = i;
		members[i].parity = i >= k;
		if (i < group->count)
		{
			drive = &encode->drives.drives[group->drive_of[i]];
			members[i].bucket_id = group->members[i]->bucket_id;
			members[i].length = group->members[i]->length;
		}
		else if (i >= k)
			drive = &encode->drives.drives[parities[i - k]];
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
insert_volume(const Encode *encode, int64 node_id, int64 volume_id, int32 generation)
{
	static PocketPlan insert = {
		"INSERT INTO pocket_data.volume (volume_id, node_id, code, state, generation, changed_at)"
		" VALUES ($1, $2, $3, 'coded', $4, pg_catalog.clock_timestamp())",
		"int8 int8 text int4", NULL, NULL};
	char code[PK_CODE_TEXT];
	Datum values[4];

	pk_code_format(code, &encode->code);
	values[0] = Int64GetDatum(volume_id);
	values[1] = Int64GetDatum(node_id);
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
flip(const Encode *encode, const PocketGroup *group, const PocketMember *members, int64 node_id, int64 volume_id,
	 int32 generation)
{
	static PocketPlan move = {"UPDATE pocket_data.bucket SET volume_id = $1 WHERE bucket_id = $2 AND volume_id = $3",
							  "int8 int8 int8", NULL, NULL};
	Datum values[3];

	insert_volume(encode, node_id, volume_id, generation);
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

/* The node that has most of the members works on the volume. */
static const PocketDrive *
group_worker(const Encode *encode, const PocketGroup *group, const int *parities)
{
	int members[PK_MEMBERS_MAX];

	memcpy(members, group->drive_of, sizeof(int) * group->count);
	memcpy(members + group->count, parities, sizeof(int) * encode->code.m);
	return pocket_drives_worker(&encode->drives, members, group->count + encode->code.m);
}

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
	const PocketDrive *worker = group_worker(encode, group, parities);
	PocketOrder order = {.node = worker->url, .verb = "encode"};

	pk_code_format(code, &encode->code);
	order.body = pocket_members_json(volume_id, generation, code, members, total, 0);
	pocket_orders(&order, 1);
	if (order.error != PK_OK)
	{
		ereport(WARNING, (errmsg("%d buckets could not be encoded: %s", group->count, order.problem)));
		if (order.error == PK_ERR_UNAVAILABLE && --encode->silent_left == 0)
			encode->groups_left = 0;
		return false;
	}
	length = pocket_answer_number(order.answer, "length");
	for (int i = encode->code.k; i < total; i++)
		members[i].length = length;
	flip(encode, group, members, worker->node_id, volume_id, generation);
	for (int i = 0; i < encode->code.m; i++)
		encode->drives.drives[parities[i]].available -= length;
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

static bool
is_worth_it(const Encode *encode, const PocketGroup *group, EncodeRound round, int64 similar)
{
	if (group->count == 0)
		return false;
	switch (round)
	{
		case FULL_AND_SIMILAR:
			return group->count == encode->code.k;
		case SIMILAR_SAVE_SPACE:
			return saves_space(encode, group, similar);
		case ANY_SAVE_SPACE:
			return saves_space(encode, group, 0);
		case WHATEVER:
			break;
	}
	return true;
}

/* Spread as well as possible; of what has waited long enough also otherwise. */
static bool
find_group(const Encode *encode, int first, EncodeRound round, PocketGroup *group, int *parities)
{
	int64 similar = similar_length(encode->candidates[first].length);
	bool full = round == FULL_AND_SIMILAR;
	int levels = encode->candidates[first].idle ? CROWDS : 1;

	for (int level = 0; level < levels; level++)
	{
		PocketCrowd most = crowd_allowed(encode, level);

		pocket_group_build(group, &encode->drives, &most, encode->candidates, encode->count, first, encode->code.k,
						   full ? similar : 0, !full || level > 0);
		if (is_worth_it(encode, group, round, similar) && choose_parities(encode, group, parities))
			return true;
	}
	return false;
}

/* Builds and encodes groups from `first` on; those that are tried are used, whatever comes of it. */
static void
try_group(Encode *encode, int first, EncodeRound round)
{
	PocketGroup group;
	int parities[PK_MEMBERS_MAX];

	CHECK_FOR_INTERRUPTS();
	if (!find_group(encode, first, round, &group, parities))
		return;
	for (int i = 0; i < group.count; i++)
		group.members[i]->used = true;
	if (encode_group(encode, &group, parities))
		encode->pass->done += group.count;
	encode->groups_left = Max(encode->groups_left - 1, 0);
}

static void
try_groups(Encode *encode)
{
	EncodeRound last = encode->pass->by_hand ? WHATEVER : ANY_SAVE_SPACE;

	for (EncodeRound round = FULL_AND_SIMILAR; round <= last; round++)
	{
		if (round == WHATEVER && encode->pass->done > 0)
			break;
		for (int i = 0; i < encode->count && encode->groups_left > 0; i++)
		{
			if (encode->candidates[i].used || (round > FULL_AND_SIMILAR && !encode->candidates[i].idle))
				continue;
			try_group(encode, i, round);
		}
	}
}

/* What was tried, or would have been if a pass had no limit and there were drives enough; the others wait for their group. */
static int64
count_due(const Encode *encode, bool enough)
{
	int64 due = 0;

	for (int i = 0; i < encode->count; i++)
	{
		if (encode->candidates[i].used || !enough || encode->groups_left == 0)
			due++;
	}
	return due;
}

void
pocket_duty_encode(PocketPass *pass)
{
	Encode encode = {.pass = pass, .groups_left = pass->by_hand ? INT_MAX : GROUPS_PER_PASS, .silent_left = SILENT_MAX};
	bool enough;

	pocket_cell_code(&encode.code);
	if (encode.code.kind == PK_CODE_REPLICATED)
		return;
	enough = load_drives(&encode);
	load_candidates(&encode);
	if (enough)
		try_groups(&encode);
	pass->remaining += count_due(&encode, enough) - pass->done;
}
