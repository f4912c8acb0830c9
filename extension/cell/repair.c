/*
 * repair.c
 *	  Duty repair: members on failed drives, and damaged ones, are made anew.
 *
 * The same moves what is on drives that are to be drained, after all others.
 * The volume with the least redundancy left comes first.  The generation-checked
 * update of its row is the commit point.  Generations come from a sequence that
 * no rollback takes back: two attempts never share one.
 */
#include "cell/cell.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "base/guc.h"
#include "base/spi.h"
#include "blocks/blocks.h"
#include "cell/place.h"

#define VOLUMES_PER_PASS 8
#define VOLUMES_BY_HAND 64
#define REPAIRED_KEPT 1000
#define LITERAL_(n) #n
#define LITERAL(n) LITERAL_(n)

typedef struct Hurt
{
	int64 volume_id;
	char *code_name;
	pk_code code;
	int32 generation;
	char *url;
	PocketMember *members;
	int count;
} Hurt;

static bool
member_bad(const PocketMember *member)
{
	return member->drive_id != 0 && !member->drive_silent && (!member->drive_well || !member->extent_well);
}

/* It is well, but shall be elsewhere. */
static bool
member_moves(const PocketMember *member)
{
	return member->drive_draining && member->extent_well;
}

static Hurt *
find_hurt(int *count)
{
	static PocketPlan find = {
		"SELECT v.volume_id, v.code, v.generation, n.url FROM (SELECT e.volume_id,"
		" pg_catalog.count(*) AS members, pg_catalog.bit_or(1::int8 << e.position)"
		" FILTER (WHERE d.state IN ('failed', 'quarantined') OR e.state <> 'ok') AS bad,"
		" pg_catalog.bool_or(e.state = 'lost') AS lost, pg_catalog.bool_or(d.state = 'draining') AS moving"
		" FROM pocket_data.extent e LEFT JOIN pocket_data.drive d ON d.drive_id = e.drive_id GROUP BY e.volume_id) x"
		" JOIN pocket_data.volume v ON v.volume_id = x.volume_id JOIN pocket_data.node n ON n.node_id = v.node_id"
		" WHERE (x.bad IS NOT NULL OR x.moving) AND v.state IN ('sealed', 'coded') AND n.state = 'up'"
		" ORDER BY x.lost, x.bad IS NULL, pocket.code_left(v.code, x.members, coalesce(x.bad, 0)), pg_catalog.random()",
		"", NULL, NULL};
	Hurt *hurt;

	*count = (int) pocket_write(&find, NULL, NULL);
	hurt = palloc0(sizeof(Hurt) * Max(*count, 1));
	for (int i = 0; i < *count; i++)
	{
		hurt[i].volume_id = pocket_column_int64(i, 1);
		hurt[i].code_name = pocket_column_text(i, 2);
		hurt[i].code = pocket_code_of(hurt[i].code_name);
		hurt[i].generation = pocket_column_int32(i, 3);
		hurt[i].url = pocket_column_text(i, 4);
	}
	pocket_free_rows();
	return hurt;
}

/* Whether that is news. */
static bool
note(int64 volume_id, int position, const char *state, const char *problem)
{
	static PocketPlan update = {"UPDATE pocket_data.extent SET state = coalesce($3, state), problem = $4"
								" WHERE volume_id = $1 AND position = $2"
								" AND (state <> coalesce($3, state) OR problem IS DISTINCT FROM $4)",
								"int8 int4 text text", NULL, NULL};
	Datum values[4] = {Int64GetDatum(volume_id), Int32GetDatum(position),
					   state == NULL ? (Datum) 0 : CStringGetTextDatum(state), CStringGetTextDatum(problem)};

	return pocket_write(&update, values, state == NULL ? "  n " : NULL) > 0;
}

static void
note_lost(const Hurt *hurt, uint32 lost, const char *problem)
{
	bool news = false;

	for (int i = 0; i < hurt->count; i++)
	{
		if ((lost & (UINT32_C(1) << i)) != 0 && !member_moves(&hurt->members[i]))
			news |= note(hurt->volume_id, i, "lost", problem);
	}
	if (!news)
		return;
	ereport(WARNING, (errcode(ERRCODE_DATA_CORRUPTED),
					  errmsg("volume " INT64_FORMAT " has lost more members than its code bears", hurt->volume_id),
					  errdetail("%s", problem),
					  errhint("Bring back its drives. SELECT * FROM pocket.verify() names the files.")));
}

/*
 * Drives for those of the members `wanted` whose drive is not well, away from those that stay; what is bad on a drive that is well
 * is made anew there. Returns the members that have a drive to be rebuilt on.
 */
static uint32
choose_targets(const Hurt *hurt, const PocketDrives *drives, uint32 wanted, PocketMember *fresh)
{
	int stay[PK_MEMBERS_MAX];
	int chosen[PK_MEMBERS_MAX];
	int stay_count = 0;
	int moves = 0;
	int found;
	int next = 0;
	int64 length = 0;
	uint32 rebuild = 0;

	for (int i = 0; i < hurt->count; i++)
	{
		int drive = pocket_drives_find(drives, hurt->members[i].drive_id);

		length = Max(length, hurt->members[i].length);
		moves += (wanted & (UINT32_C(1) << i)) != 0 && !hurt->members[i].drive_well;
		if (drive >= 0)
			stay[stay_count++] = drive;
	}
	found = pocket_drives_choose(drives, stay, stay_count, POCKET_EXTENT_ROOM(length), moves,
								 pk_code_left(&hurt->code, hurt->count, 0), chosen, NULL);
	for (int i = 0; i < hurt->count; i++)
	{
		if ((wanted & (UINT32_C(1) << i)) == 0 || (!hurt->members[i].drive_well && next == found))
			continue;
		if (!hurt->members[i].drive_well)
		{
			PocketDrive *drive = &drives->drives[chosen[next++]];

			fresh[i].drive_id = drive->drive_id;
			fresh[i].uuid = drive->uuid;
			drive->available -= hurt->members[i].length;
		}
		rebuild |= UINT32_C(1) << i;
	}
	return rebuild;
}

/* For durability(): how long the last members of failed drives were away. */
static void
book_time(int64 drive_id)
{
	static PocketPlan add = {
		"INSERT INTO pocket_data.repaired (hours) SELECT greatest(extract(epoch FROM pg_catalog.clock_timestamp()"
		" - d.seen_at) / 3600, 1e-6) FROM pocket_data.drive d WHERE d.drive_id = $1 AND d.state = 'failed'",
		"int8", NULL, NULL};
	static PocketPlan forget = {
		"DELETE FROM pocket_data.repaired WHERE repaired_id <= (SELECT repaired_id FROM"
		" pocket_data.repaired ORDER BY repaired_id DESC OFFSET " LITERAL(REPAIRED_KEPT) " LIMIT 1)",
		"", NULL, NULL};
	Datum values[1] = {Int64GetDatum(drive_id)};

	if (pocket_write(&add, values, NULL) > 0)
		(void) pocket_write(&forget, NULL, NULL);
}

static void
book(const Hurt *hurt, const PocketMember *fresh, uint32 rebuild, int32 generation)
{
	static PocketPlan volume = {
		"UPDATE pocket_data.volume SET generation = $3, changed_at = pg_catalog.clock_timestamp(),"
		" changed = pg_catalog.pg_current_xact_id()"
		" WHERE volume_id = $1 AND generation = $2",
		"int8 int4 int4", NULL, NULL};
	static PocketPlan extent = {"UPDATE pocket_data.extent SET drive_id = $3, state = 'ok', problem = NULL,"
								" scrubbed_at = pg_catalog.clock_timestamp() WHERE volume_id = $1 AND position = $2",
								"int8 int4 int8", NULL, NULL};
	Datum values[3] = {Int64GetDatum(hurt->volume_id), Int32GetDatum(hurt->generation), Int32GetDatum(generation)};

	if (pocket_write(&volume, values, NULL) != 1)
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						errmsg("volume " INT64_FORMAT " was changed by somebody else", hurt->volume_id)));
	for (int i = 0; i < hurt->count; i++)
	{
		const PocketMember *old = &hurt->members[i];

		if ((rebuild & (UINT32_C(1) << i)) == 0)
			continue;
		values[1] = Int32GetDatum(i);
		values[2] = Int64GetDatum(fresh[i].drive_id);
		(void) pocket_write(&extent, values, NULL);
		book_time(old->drive_id);
		if (fresh[i].drive_id == old->drive_id)
			continue;
		/* a whole member that has moved is surplus; what comes back with a drive that was away is stale */
		if (member_moves(old))
			pocket_intend_drop(old->drive_id, old->parity ? 0 : old->bucket_id, hurt->volume_id, i);
		else
			pocket_intend_trash(old->drive_id, old->parity ? 0 : old->bucket_id, hurt->volume_id, i);
	}
	pocket_intend_settle(hurt->volume_id);
}

/*
 * The members to make anew. Where more are gone than the code bears, those that the others still yield: a member that is alone lost
 * of its local group. What is damaged is not gone: most of it may be readable.
 */
static uint32
choose_wanted(const Hurt *hurt)
{
	uint32 bad = 0;
	uint32 gone = 0;
	uint32 unread = 0;
	uint32 lost;

	for (int i = 0; i < hurt->count; i++)
	{
		bad |= member_bad(&hurt->members[i]) ? UINT32_C(1) << i : 0;
		gone |= hurt->members[i].drive_gone ? UINT32_C(1) << i : 0;
		unread |= member_bad(&hurt->members[i]) && !member_moves(&hurt->members[i]) ? UINT32_C(1) << i : 0;
	}
	if (pk_code_lost(&hurt->code, hurt->count, gone) == 0)
		return bad;
	lost = pk_code_lost(&hurt->code, hurt->count, unread | gone) & unread;
	note_lost(hurt, lost, psprintf("too many drives are gone for %s", hurt->code_name));
	return bad & ~lost;
}

/* Where the last block of the bucket ends that rows know. */
static int64
blocks_end(int64 bucket_id)
{
	static PocketPlan last = {"SELECT k.\"offset\" + k.stored_length FROM pocket_data.block k WHERE k.bucket_id = $1"
							  " ORDER BY k.\"offset\" DESC LIMIT 1",
							  "int8", NULL, NULL};
	Datum values[1] = {Int64GetDatum(bucket_id)};
	int64 end = pocket_write(&last, values, NULL) > 0 ? pocket_column_int64(0, 1) : 0;

	pocket_free_rows();
	return end;
}

/*
 * A node that was away when the bucket was sealed, but was not started anew, may still hold the extent for one that is written:
 * it is told to seal it too before the extent is made anew. What it holds behind the length of the others was acknowledged to nobody, and must
 * not lengthen them; unless rows say that the others were sealed too short.
 */
static void
end_writing(const Hurt *hurt, const PocketDrives *drives, uint32 rebuild)
{
	PocketOrder orders[PK_MEMBERS_MAX] = {0};
	int count = 0;

	for (int i = 0; i < hurt->count && hurt->code.kind == PK_CODE_REPLICATED; i++)
	{
		const PocketMember *member = &hurt->members[i];
		int drive = pocket_drives_find(drives, member->drive_id);
		bool whole;

		if ((rebuild & (UINT32_C(1) << i)) == 0 || !member->drive_well || drive < 0)
			continue;
		whole = member->length > 0 && blocks_end(member->bucket_id) <= member->length;
		orders[count].node = drives->drives[drive].url;
		orders[count].verb = "seal";
		orders[count++].body = whole ? psprintf("{\"bucket\": " INT64_FORMAT ", \"length\": " INT64_FORMAT "}",
												member->bucket_id, member->length)
									 : psprintf("{\"bucket\": " INT64_FORMAT "}", member->bucket_id);
	}
	if (count > 0)
		pocket_orders(orders, count); /* what comes of it the rebuilding tells */
}

/* Returns the bytes made anew; 0 when the node could not, -1 when it was not asked. */
static int64
repair_volume(Hurt *hurt, const PocketDrives *drives)
{
	PocketMember *fresh;
	PocketOrder order = {.node = hurt->url, .verb = "rebuild"};
	uint32 rebuild;
	int64 bytes = 0;
	int32 generation;
	uint32 wanted;

	hurt->members = pocket_members_load(hurt->volume_id, &hurt->count);
	fresh = palloc(sizeof(PocketMember) * hurt->count);
	memcpy(fresh, hurt->members, sizeof(PocketMember) * hurt->count);
	wanted = choose_wanted(hurt);
	rebuild = choose_targets(hurt, drives, wanted, fresh);
	for (int i = 0; i < hurt->count; i++)
	{
		if ((rebuild & (UINT32_C(1) << i)) != 0)
			bytes += hurt->members[i].length;
		else if ((wanted & (UINT32_C(1) << i)) != 0)
			(void) note(hurt->volume_id, i, NULL, "no healthy drive has room, and no member of the volume");
	}
	if (rebuild == 0)
		return -1;
	end_writing(hurt, drives, rebuild);
	generation = (int32) pocket_placement_next();
	order.body = pocket_members_json(hurt->volume_id, generation, hurt->code_name, fresh, hurt->count, rebuild);
	pocket_orders(&order, 1);
	if (order.error == PK_ERR_BLOCK_LOST)
	{
		note_lost(hurt, rebuild, order.problem);
		return 0;
	}
	if (order.error != PK_OK)
	{
		ereport(WARNING, (errmsg("volume " INT64_FORMAT " could not be repaired: %s", hurt->volume_id, order.problem)));
		return 0;
	}
	book(hurt, fresh, rebuild, generation);
	return Max(bytes, 1);
}

void
pocket_duty_repair(PocketPass *pass)
{
	int count;
	Hurt *hurt = find_hurt(&count);
	int volumes_max = pass->by_hand ? VOLUMES_BY_HAND : VOLUMES_PER_PASS;
	int64 budget = (int64) pocket_repair_rate_kb * 1024 * Max(pocket_coordinator_interval_ms / 1000, 1);
	int64 bytes = 0;
	int tried = 0;
	PocketDrives drives;

	if (count == 0)
		return;
	pocket_drives_load(&drives);
	/* what cannot be repaired now must not keep the others from it */
	for (int i = 0; i < count && tried < volumes_max; i++)
	{
		int64 rebuilt;

		if (!pass->by_hand && pocket_repair_rate_kb > 0 && bytes >= budget)
			break;
		CHECK_FOR_INTERRUPTS();
		rebuilt = repair_volume(&hurt[i], &drives);
		if (rebuilt < 0)
			continue;
		tried++;
		bytes += rebuilt;
		if (rebuilt > 0)
			pass->done++;
	}
	pass->remaining = count - pass->done;
}
