/*
 * repair.c
 *	  Duty repair: members on failed drives, and damaged ones, are made anew.
 *
 * The same moves what is on drives that are to be drained, after all others.
 * The volume with the least redundancy left comes first; a few are worked on at a
 * time, each in an order of its own, and what becomes of one is nothing to the
 * others.  The generation-checked update of a volume's row is the commit point.
 * Generations come from a sequence that no rollback takes back: two attempts never
 * share one.
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
#define ORDERS_PER_NODE 4 /* that a node has at a time: it works on two, and the next are there when these end */
#define REPAIRED_KEPT 1000
#define LITERAL_(n) #n
#define LITERAL(n) LITERAL_(n)

/* A volume; of its members' masks bit p is member p. */
typedef struct Hurt
{
	int64 volume_id;
	char *code_name;
	pk_code code;
	int32 generation;
	char *url;
	PocketMember *members;
	PocketMember *fresh; /* the same on the drives where they shall be */
	int count;
	uint32 planned; /* those that shall be made anew */
	uint32 moved;	/* of them, those that get another drive */
	uint32 made;	/* of them, those that were made and are booked */

	/* the order */
	uint32 asked; /* of the planned ones, those that are in it */
	int32 next;	  /* the generation that it makes */
	pk_error error;
	char *problem;
} Hurt;

/* A pass. */
typedef struct Repair
{
	PocketDrives drives;
	int count;
	Hurt *hurt; /* in the order in which they are taken */
	int next;
	int volumes_left;
	int64 bytes_left;
} Repair;

static bool
has(uint32 mask, int position)
{
	return (mask & (UINT32_C(1) << position)) != 0;
}

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
		if (has(lost, i) && !member_moves(&hurt->members[i]))
			news |= note(hurt->volume_id, i, "lost", problem);
	}
	if (!news)
		return;
	ereport(WARNING, (errcode(ERRCODE_DATA_CORRUPTED),
					  errmsg("volume " INT64_FORMAT " has lost more members than its code bears", hurt->volume_id),
					  errdetail("%s", problem),
					  errhint("Bring back its drives. SELECT * FROM pocket.verify() names the files.")));
}

/* Room on the drives for what is planned of these members is taken, or given back. */
static void
take_room(const Hurt *hurt, const PocketDrives *drives, uint32 members, int sign)
{
	for (int i = 0; i < hurt->count; i++)
	{
		int drive = has(members, i) ? pocket_drives_find(drives, hurt->fresh[i].drive_id) : -1;

		if (drive >= 0)
			drives->drives[drive].available -= sign * POCKET_EXTENT_ROOM(hurt->members[i].length);
	}
}

/*
 * Drives for those of the members `wanted` whose drive is not well, away from those that stay; what is bad on a drive that is well
 * is made anew there, beside what it replaces. Plans the members that have a drive to be rebuilt on.
 */
static void
choose_targets(Hurt *hurt, const PocketDrives *drives, uint32 wanted)
{
	int stay[PK_MEMBERS_MAX];
	int chosen[PK_MEMBERS_MAX];
	int stay_count = 0;
	int moves = 0;
	int found;
	int next = 0;
	int64 length = 0;

	for (int i = 0; i < hurt->count; i++)
	{
		int drive = pocket_drives_find(drives, hurt->members[i].drive_id);

		length = Max(length, hurt->members[i].length);
		moves += has(wanted, i) && !hurt->members[i].drive_well;
		if (drive >= 0)
			stay[stay_count++] = drive;
	}
	found = pocket_drives_choose(drives, stay, stay_count, POCKET_EXTENT_ROOM(length), moves,
								 pk_code_left(&hurt->code, hurt->count, 0), chosen, NULL);
	for (int i = 0; i < hurt->count; i++)
	{
		if (!has(wanted, i) || (!hurt->members[i].drive_well && next == found))
			continue;
		if (!hurt->members[i].drive_well)
		{
			const PocketDrive *drive = &drives->drives[chosen[next++]];

			hurt->fresh[i].drive_id = drive->drive_id;
			hurt->fresh[i].uuid = drive->uuid;
			hurt->moved |= UINT32_C(1) << i;
		}
		hurt->planned |= UINT32_C(1) << i;
	}
	take_room(hurt, drives, hurt->planned, 1);
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
book_member(const Hurt *hurt, int position)
{
	static PocketPlan extent = {"UPDATE pocket_data.extent SET drive_id = $3, state = 'ok', problem = NULL,"
								" scrubbed_at = pg_catalog.clock_timestamp() WHERE volume_id = $1 AND position = $2",
								"int8 int4 int8", NULL, NULL};
	const PocketMember *old = &hurt->members[position];
	Datum values[3] = {Int64GetDatum(hurt->volume_id), Int32GetDatum(position),
					   Int64GetDatum(hurt->fresh[position].drive_id)};
	int64 bucket_id = old->parity ? 0 : old->bucket_id;

	(void) pocket_write(&extent, values, NULL);
	book_time(old->drive_id);
	if (!has(hurt->moved, position))
		return;
	/* a whole member that has moved is surplus; what comes back with a drive that was away is stale */
	if (member_moves(old))
		pocket_intend_drop(old->drive_id, bucket_id, hurt->volume_id, position);
	else
		pocket_intend_trash(old->drive_id, bucket_id, hurt->volume_id, position);
}

/* What was asked for is there. Where the volume is another by now nothing names what was made, and the next pass looks again. */
static void
book(Hurt *hurt)
{
	static PocketPlan volume = {
		"UPDATE pocket_data.volume SET generation = $3, changed_at = pg_catalog.clock_timestamp(),"
		" changed = pg_catalog.pg_current_xact_id()"
		" WHERE volume_id = $1 AND generation = $2",
		"int8 int4 int4", NULL, NULL};
	Datum values[3] = {Int64GetDatum(hurt->volume_id), Int32GetDatum(hurt->generation), Int32GetDatum(hurt->next)};

	if (pocket_write(&volume, values, NULL) != 1)
	{
		ereport(WARNING, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						  errmsg("volume " INT64_FORMAT " was changed by somebody else", hurt->volume_id)));
		return;
	}
	hurt->generation = hurt->next;
	for (int i = 0; i < hurt->count; i++)
	{
		if (!has(hurt->asked, i))
			continue;
		book_member(hurt, i);
		hurt->members[i] = hurt->fresh[i];
	}
	hurt->made |= hurt->asked;
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
end_writing(Hurt *const *batch, int batch_count, const PocketDrives *drives)
{
	PocketOrder *orders = palloc0(sizeof(PocketOrder) * batch_count * PK_MEMBERS_MAX);
	int count = 0;

	for (int i = 0; i < batch_count * PK_MEMBERS_MAX; i++)
	{
		const Hurt *hurt = batch[i / PK_MEMBERS_MAX];
		int position = i % PK_MEMBERS_MAX;
		const PocketMember *member;
		bool whole;
		int drive;

		if (hurt->code.kind != PK_CODE_REPLICATED || !has(hurt->planned & ~hurt->moved, position))
			continue;
		member = &hurt->members[position];
		drive = pocket_drives_find(drives, member->drive_id);
		if (drive < 0)
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
	pfree(orders);
}

/* The members as they shall be when those asked for have been made. */
static char *
order_body(const Hurt *hurt)
{
	PocketMember *members = palloc(sizeof(PocketMember) * hurt->count);
	char *body;

	for (int i = 0; i < hurt->count; i++)
		members[i] = has(hurt->asked, i) ? hurt->fresh[i] : hurt->members[i];
	body = pocket_members_json(hurt->volume_id, hurt->next, hurt->code_name, members, hurt->count, hurt->asked);
	pfree(members);
	return body;
}

/* Of different volumes, all at once. */
static void
order_rebuild(Hurt *const *batch, int count)
{
	PocketOrder *orders = palloc0(sizeof(PocketOrder) * count);

	for (int i = 0; i < count; i++)
	{
		batch[i]->next = (int32) pocket_placement_next();
		orders[i].node = batch[i]->url;
		orders[i].verb = "rebuild";
		orders[i].body = order_body(batch[i]);
	}
	pocket_orders(orders, count);
	for (int i = 0; i < count; i++)
	{
		batch[i]->error = orders[i].error;
		batch[i]->problem = orders[i].problem;
	}
	pfree(orders);
}

/* Books what an order has made, or tells why it has not. */
static void
conclude(Hurt *hurt)
{
	if (hurt->error == PK_OK)
		book(hurt);
	else if (hurt->error == PK_ERR_BLOCK_LOST)
		note_lost(hurt, hurt->asked, hurt->problem);
	else
		ereport(WARNING, (errmsg("volume " INT64_FORMAT " could not be repaired: %s", hurt->volume_id, hurt->problem)));
}

/*
 * One of several members cannot be made, and the node does not say which: each by itself, again when one that was made may help
 * the others. Nothing is called lost that the node has not said so of.
 */
static void
rebuild_alone(Hurt *hurt)
{
	uint32 lost;
	uint32 before;
	char *problem = NULL;

	do
	{
		lost = 0;
		before = hurt->made;
		for (int i = 0; i < hurt->count; i++)
		{
			if (!has(hurt->planned & ~hurt->made, i))
				continue;
			CHECK_FOR_INTERRUPTS();
			hurt->asked = UINT32_C(1) << i;
			order_rebuild(&hurt, 1);
			if (hurt->error != PK_ERR_BLOCK_LOST)
			{
				conclude(hurt);
				continue;
			}
			lost |= hurt->asked;
			problem = hurt->problem;
		}
	} while (lost != 0 && hurt->made != before);
	if (lost != 0)
		note_lost(hurt, lost, problem);
}

static int64
bytes_of(const Hurt *hurt, uint32 members)
{
	int64 bytes = 0;

	for (int i = 0; i < hurt->count; i++)
		bytes += has(members, i) ? hurt->members[i].length : 0;
	return bytes;
}

/* What shall be made of a volume, and where. False: nothing can be. */
static bool
plan(Hurt *hurt, const PocketDrives *drives)
{
	uint32 wanted;

	hurt->members = pocket_members_load(hurt->volume_id, &hurt->count);
	hurt->fresh = palloc(sizeof(PocketMember) * hurt->count);
	memcpy(hurt->fresh, hurt->members, sizeof(PocketMember) * hurt->count);
	wanted = choose_wanted(hurt);
	choose_targets(hurt, drives, wanted);
	for (int i = 0; i < hurt->count; i++)
	{
		if (has(wanted & ~hurt->planned, i))
			(void) note(hurt->volume_id, i, NULL, "no healthy drive has room, and no member of the volume");
	}
	hurt->asked = hurt->planned;
	return hurt->planned != 0;
}

/*
 * The next volumes that are worked on together, within what is left of the pass. None overtakes another that is in more danger:
 * where its node has enough to do, those after it wait as well.
 */
static int
gather(Repair *repair, Hurt **batch)
{
	int64 bytes = 0;
	int count = 0;

	while (repair->next < repair->count && count < repair->volumes_left && bytes < repair->bytes_left)
	{
		Hurt *hurt = &repair->hurt[repair->next];
		int same = 0;

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < count; i++)
			same += strcmp(batch[i]->url, hurt->url) == 0;
		if (same == ORDERS_PER_NODE)
			break;
		repair->next++;
		/* what cannot be repaired now must not keep the others from it */
		if (!plan(hurt, &repair->drives))
			continue;
		bytes += bytes_of(hurt, hurt->planned);
		batch[count++] = hurt;
	}
	return count;
}

void
pocket_duty_repair(PocketPass *pass)
{
	Hurt *batch[VOLUMES_BY_HAND];
	Repair repair = {.volumes_left = pass->by_hand ? VOLUMES_BY_HAND : VOLUMES_PER_PASS, .bytes_left = PG_INT64_MAX};
	int count;

	repair.hurt = find_hurt(&repair.count);
	if (repair.count == 0)
		return;
	if (!pass->by_hand && pocket_repair_rate_kb > 0)
		repair.bytes_left = (int64) pocket_repair_rate_kb * 1024 * Max(pocket_coordinator_interval_ms / 1000, 1);
	pocket_drives_load(&repair.drives);
	while ((count = gather(&repair, batch)) > 0)
	{
		end_writing(batch, count, &repair.drives);
		order_rebuild(batch, count);
		for (int i = 0; i < count; i++)
		{
			Hurt *hurt = batch[i];

			if (hurt->error == PK_ERR_BLOCK_LOST && (hurt->asked & (hurt->asked - 1)) != 0)
				rebuild_alone(hurt);
			else
				conclude(hurt);
			/* what was not written, and what stands where its predecessor stood, takes no room after all */
			take_room(hurt, &repair.drives, hurt->planned & ~(hurt->made & hurt->moved), -1);
			repair.bytes_left -= bytes_of(hurt, hurt->made);
			repair.volumes_left--;
			pass->done += hurt->made != 0;
		}
	}
	pass->remaining = repair.count - pass->done;
}
