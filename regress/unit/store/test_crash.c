/*
 * regress/unit/store/test_crash.c
 *	  Every point at which the power can go.
 *
 * A scripted life of a drive is recorded in memory.  Of each moment of it, all
 * trees that a power cut could leave are made: with the last write torn at 512
 * bytes, with every subset of what was not synced (a sample of the larger ones),
 * with single sectors and sizes lost.  Each is opened as a drive and held against
 * what had been acknowledged by then.  Its recovery is recorded as well, and cut
 * again at each of its moments.
 *
 * POCKET_CRASH_IMAGES is how many are looked at, at least; POCKET_CRASH_SEED
 * begins with another life.
 */
#include <limits.h>

#include "harness.h"

#include "base/vfs_memory.h"

#if defined(__SANITIZE_THREAD__)
#define IMAGES_DEFAULT 200 /* each starts threads, which is what costs there */
#elif defined(__SANITIZE_ADDRESS__)
#define IMAGES_DEFAULT 1500
#else
#define IMAGES_DEFAULT 12000
#endif

#define DRIVE "/drive"
#define STREAM_MAX (512 * 1024)
#define RECORDS_MAX 64
#define GENERATIONS_MAX 8
#define EXTENTS_MAX 6
#define NEVER LONG_MAX
#define NO_LENGTH UINT64_MAX
#define SUBSET_PENDING_MAX 8
#define TORN_MAX 8

/* An extent that the script makes. Times are numbers of events: something holds in an image of n events when it was done at or before n. */
struct thing
{
	pk_extent_kind kind;
	uint64_t id;
	int position;
	long create_begun, created;
	long remove_begun, removed;
	long seal_begun, sealed;
	uint64_t sealed_length;
	uint8_t *stream; /* all bytes that were ever handed over, at their offsets */
	uint64_t handed;
	int records;
	uint64_t end[RECORDS_MAX]; /* of the bytes that an append brought */
	long acked[RECORDS_MAX];
	int generations;
	uint32_t generation[GENERATIONS_MAX];
	long set_begun[GENERATIONS_MAX], set[GENERATIONS_MAX];
	struct pd_extent *extent; /* while the script has it */
};

struct epoch_step
{
	long begun, done;
};

struct life
{
	struct pd_vfs *vfs;
	struct pd_drive *drive;
	uint64_t seed, random;
	long format_done;
	uint8_t uuid[PK_UUID_SIZE];
	struct epoch_step bind;
	struct epoch_step epoch[8]; /* starts = index + 1 */
	int epochs;
	struct thing things[EXTENTS_MAX];
	int count;
};

static long images;
static long seconds; /* of these, images of a second crash */

static long
now(const struct life *life)
{
	return pd_vfs_memory_events(life->vfs);
}

static uint64_t
roll(uint64_t *state, uint64_t n)
{
	*state ^= *state << 13, *state ^= *state >> 7, *state ^= *state << 17;
	return *state % n;
}

/* --- the script --- */

static struct thing *
add_thing(struct life *life, pk_extent_kind kind, uint64_t id, int position)
{
	struct thing *thing = &life->things[life->count++];

	assert_true(life->count <= EXTENTS_MAX);
	memset(thing, 0, sizeof(*thing));
	thing->kind = kind;
	thing->id = id;
	thing->position = position;
	thing->create_begun = now(life);
	thing->created = thing->remove_begun = thing->removed = thing->seal_begun = thing->sealed = NEVER;
	thing->stream = calloc(1, STREAM_MAX);
	assert_non_null(thing->stream);
	return thing;
}

static void
members_of(const struct thing *thing, uint32_t generation, uint64_t length, struct pd_members *members)
{
	fill_members(members, thing->kind == PK_EXTENT_BUCKET ? thing->id : 0, generation);
	for (int i = 0; i < members->count; i++)
		members->member[i].length = length;
}

static void
begin_generation(struct life *life, struct thing *thing, uint32_t generation)
{
	assert_true(thing->generations < GENERATIONS_MAX);
	thing->generation[thing->generations] = generation;
	thing->set_begun[thing->generations] = now(life);
	thing->set[thing->generations++] = NEVER;
}

static struct thing *
create_bucket(struct life *life, uint64_t id)
{
	struct thing *thing = add_thing(life, PK_EXTENT_BUCKET, id, 0);
	struct pd_members members;

	begin_generation(life, thing, 1);
	members_of(thing, 1, 0, &members);
	assert_ok(pd_extent_create(life->drive, PK_EXTENT_BUCKET, id, 0, test_cell, &members, STREAM_MAX, &thing->extent,
							   &ok_err));
	thing->created = thing->set[0] = now(life);
	return thing;
}

/* A group commit: several records in one append; what of it is whole chunks may have been written ahead. */
static void
append_group(struct life *life, struct thing *thing, int records, uint32_t length_max, bool ahead)
{
	uint64_t begin = thing->handed;
	uint64_t first = (begin + PD_EXTENT_CHUNK - 1) / PD_EXTENT_CHUNK * PD_EXTENT_CHUNK;
	struct iovec iov[2];

	for (int i = 0; i < records; i++)
	{
		size_t size;
		uint32_t length = 1 + (uint32_t) roll(&life->random, length_max);
		uint8_t *record;

		if (ahead) /* a whole chunk and more behind the next boundary */
			length = (uint32_t) (first - begin) + PD_EXTENT_CHUNK + length;
		record = make_record(thing->id, thing->handed, begin, length, &size);
		assert_true(thing->handed + size <= STREAM_MAX);
		memcpy(thing->stream + thing->handed, record, size);
		thing->handed += size;
		free(record);
	}
	if (ahead)
		assert_ok(pd_extent_write_ahead(thing->extent, thing->stream + first, PD_EXTENT_CHUNK, first, &ok_err));
	iov[0] = (struct iovec){thing->stream + begin, PK_RECORD_HEADER};
	iov[1] = (struct iovec){thing->stream + begin + PK_RECORD_HEADER, thing->handed - begin - PK_RECORD_HEADER};
	assert_ok(pd_extent_append(thing->extent, iov, 2, begin, &ok_err));
	assert_true(thing->records < RECORDS_MAX);
	thing->end[thing->records] = thing->handed;
	thing->acked[thing->records++] = now(life);
}

/* At `length`: what an append brought behind it was not acknowledged, because another replica did not have it. */
static void
seal(struct life *life, struct thing *thing, uint64_t length)
{
	while (thing->records > 0 && thing->end[thing->records - 1] > length)
		thing->records--;
	thing->sealed_length = length;
	thing->seal_begun = now(life);
	assert_ok(pd_extent_seal(thing->extent, length, &ok_err));
	thing->sealed = now(life);
}

static void
set_members(struct life *life, struct thing *thing, uint32_t generation)
{
	struct pd_members members;

	begin_generation(life, thing, generation);
	members_of(thing, generation, thing->sealed != NEVER ? thing->sealed_length : 0, &members);
	assert_ok(pd_extent_set_members(thing->extent, &members, &ok_err));
	thing->set[thing->generations - 1] = now(life);
}

/* A sealed extent in one go: a parity, or a member that replaces the one that is there. */
static void
build(struct life *life, struct thing *thing, uint32_t generation)
{
	struct pd_extent_build *making;
	struct pd_members members;

	begin_generation(life, thing, generation);
	members_of(thing, generation, thing->sealed_length, &members);
	assert_ok(pd_extent_build_begin(life->drive, thing->kind, thing->id, thing->position, test_cell, &members,
									thing->sealed_length, &making, &ok_err));
	for (uint64_t at = 0; at < thing->sealed_length; at += PD_EXTENT_CHUNK)
		assert_ok(pd_extent_build_write(
			making, thing->stream + at,
			thing->sealed_length - at < PD_EXTENT_CHUNK ? thing->sealed_length - at : PD_EXTENT_CHUNK, &ok_err));
	pd_extent_unref(thing->extent);
	assert_ok(pd_extent_build_finish(making, &thing->extent, &ok_err));
	thing->set[thing->generations - 1] = now(life);
}

static struct thing *
build_parity(struct life *life, uint64_t id, int position, uint64_t length)
{
	struct thing *thing = add_thing(life, PK_EXTENT_PARITY, id, position);

	fill_bytes(thing->stream, length, life->seed + id);
	thing->handed = thing->sealed_length = length;
	thing->seal_begun = thing->create_begun;
	build(life, thing, 2);
	thing->created = thing->sealed = now(life);
	return thing;
}

static void
remove_thing(struct life *life, struct thing *thing)
{
	thing->remove_begun = now(life);
	assert_ok(pd_extent_remove(thing->extent, &ok_err));
	thing->removed = now(life);
}

static void
set_epoch(struct life *life)
{
	struct epoch_step *step = &life->epoch[life->epochs++];
	pk_epoch epoch = {7, 1, (uint32_t) life->epochs};

	step->begun = now(life);
	assert_ok(pd_drive_set_epoch(life->drive, &epoch, &ok_err));
	step->done = now(life);
}

static void
restart(struct life *life)
{
	for (int i = 0; i < life->count; i++)
	{
		pd_extent_unref(life->things[i].extent);
		life->things[i].extent = NULL;
	}
	pd_drive_close(life->drive);
	life->drive = pd_drive_open(life->vfs, DRIVE);
	assert_int_equal(state_of(life->drive, NULL), PD_DRIVE_OK);
	for (int i = 0; i < life->count; i++)
		life->things[i].extent =
			pd_extent_find(life->drive, life->things[i].kind, life->things[i].id, life->things[i].position);
}

static void
begin_life(struct life *life, uint64_t seed)
{
	memset(life, 0, sizeof(*life));
	life->seed = seed;
	life->random = seed * 0x9e3779b97f4a7c15 + 1;
	life->vfs = pd_vfs_memory();
	assert_non_null(life->vfs);
	assert_ok(pd_drive_format(life->vfs, DRIVE, &ok_err));
	life->format_done = now(life);
	life->drive = pd_drive_open(life->vfs, DRIVE);
	assert_int_equal(state_of(life->drive, NULL), PD_DRIVE_OK);
	memcpy(life->uuid, pd_drive_uuid(life->drive), PK_UUID_SIZE);
	life->bind.begun = now(life);
	assert_ok(pd_drive_bind(life->drive, test_cell, &ok_err));
	life->bind.done = now(life);
	set_epoch(life);
}

static void
end_life(struct life *life)
{
	for (int i = 0; i < life->count; i++)
	{
		pd_extent_unref(life->things[i].extent);
		free(life->things[i].stream);
	}
	pd_drive_close(life->drive);
	pd_vfs_memory_free(life->vfs);
}

static void
live(struct life *life)
{
	struct thing *one, *two, *three, *parity;

	one = create_bucket(life, 0x42);
	append_group(life, one, 1, 2000, false);
	append_group(life, one, 3, 1500, false);
	two = create_bucket(life, 0x43);
	append_group(life, one, 1, 3000, true);
	append_group(life, two, 2, 4000, false);
	set_members(life, one, 2); /* while open: a spare took a failed drive's place */
	append_group(life, one, 2, 900, false);
	seal(life, one, one->handed);
	set_epoch(life);
	set_members(life, one, 3);
	append_group(life, two, 1, 700, false);
	append_group(life, two, 2, 800, false);
	seal(life, two, two->end[1]);
	parity = build_parity(life, 0x142, 2, 1 + PD_EXTENT_CHUNK + roll(&life->random, 5000));
	three = create_bucket(life, 0x142); /* in the folder of the parity */
	append_group(life, three, 3, 1000, false);
	build(life, one, 4); /* repaired in its place */
	remove_thing(life, parity);
	restart(life);
	set_epoch(life);
	seal(life, three, three->handed);
	set_members(life, two, 2);
	set_members(life, two, 3);
	remove_thing(life, two);
	set_members(life, three, 2);
}

/* --- what must hold --- */

/* An image: of the first n events of a life; and, when it is one of a second crash, what the first recovery sealed by then. */
struct image
{
	const struct life *life;
	long n;
	const uint64_t *recovered; /* per thing: the length that the recovery seals at, or NO_LENGTH */
	const long *recovered_at;  /* when it had; NEVER until then */
	long m;					   /* events of the recovery */
	char what[160];
};

#define expect(image, condition)                                                         \
	do                                                                                   \
	{                                                                                    \
		if (!(condition))                                                                \
			fail_msg("%s does not hold after %s (seed %llu)", #condition, (image)->what, \
					 (unsigned long long) (image)->life->seed);                          \
	} while (0)

static void
check_drive(const struct image *image, struct pd_drive *drive)
{
	const struct life *life = image->life;
	struct pd_drive_info *info = malloc(sizeof(*info));
	uint32_t least = 0, most = 0;

	pd_drive_info(drive, info);
	expect(image, memcmp(info->uuid, life->uuid, PK_UUID_SIZE) == 0);
	if (memcmp(info->cell, test_cell, PK_UUID_SIZE) == 0)
		expect(image, life->bind.begun < image->n);
	else
		expect(image, image->n < life->bind.done);
	for (int i = 0; i < life->epochs; i++)
	{
		if (life->epoch[i].done <= image->n)
			least = (uint32_t) i + 1;
		if (life->epoch[i].begun < image->n)
			most = (uint32_t) i + 1;
	}
	expect(image, info->epoch.starts >= least && info->epoch.starts <= most);
	free(info);
}

/* A slot was being written when the power went: what it left is told, and is no lie. */
static bool
slot_in_the_making(const struct image *image, const struct thing *thing)
{
	for (int i = 0; i < thing->generations; i++)
		if (thing->set_begun[i] < image->n && thing->set[i] > image->n)
			return true;
	return false;
}

static void
check_members(const struct image *image, const struct thing *thing, const struct pd_extent_info *info)
{
	uint32_t least = 0, most = 0;

	for (int i = 0; i < thing->generations; i++)
	{
		if (thing->set[i] <= image->n)
			least = thing->generation[i];
		if (thing->set_begun[i] < image->n)
			most = thing->generation[i];
	}
	expect(image, info->members.generation >= least && info->members.generation <= most);
	expect(image, info->members.volume_id == 7 && info->members.count == 2);
}

static void
check_state(const struct image *image, const struct thing *thing, const struct pd_extent_info *info)
{
	long i = thing - image->life->things;
	uint64_t acked = 0;

	for (int r = 0; r < thing->records; r++)
		if (thing->acked[r] <= image->n)
			acked = thing->end[r];
	expect(image, info->length >= acked);
	expect(image, info->length <= thing->handed);
	if (thing->sealed <= image->n)
		expect(image, info->sealed);
	if (image->recovered != NULL && image->recovered_at[i] <= image->m)
		expect(image, info->sealed);
	if (info->sealed && image->recovered != NULL && image->recovered[i] != NO_LENGTH)
		expect(image, info->length == image->recovered[i]);
	else if (info->sealed)
		expect(image, thing->seal_begun < image->n && info->length == thing->sealed_length);
}

static void
check_bytes(const struct image *image, const struct thing *thing, struct pd_extent *extent,
			const struct pd_extent_info *info)
{
	uint8_t *bytes = malloc(info->length + 1);
	struct found found;

	assert_non_null(bytes);
	assert_ok(pd_extent_read(extent, 0, bytes, info->length, &ok_err));
	expect(image, memcmp(bytes, thing->stream, info->length) == 0);
	free(bytes);
	if (rots(extent, &found) > 0)
		fail_msg("rot after %s: %s", image->what, found.text);
	if (scrub(extent, &found) > 0 && !(slot_in_the_making(image, thing) && strstr(found.text, "slot") != NULL))
		fail_msg("damage after %s: %s", image->what, found.text);
}

static void
check_thing(const struct image *image, struct pd_drive *drive, const struct thing *thing)
{
	struct pd_extent *extent = pd_extent_find(drive, thing->kind, thing->id, thing->position);
	struct pd_extent_info info;

	if (extent == NULL)
	{
		expect(image, thing->created > image->n || thing->remove_begun < image->n);
		return;
	}
	expect(image, thing->create_begun < image->n);
	expect(image, thing->removed > image->n);
	pd_extent_info(extent, &info);
	check_members(image, thing, &info);
	check_state(image, thing, &info);
	check_bytes(image, thing, extent, &info);
	pd_extent_unref(extent);
}

/* The drive of an image; or NULL when it was not one yet, and can be made one. */
static struct pd_drive *
open_image(const struct image *image, struct pd_vfs *vfs)
{
	struct pd_drive *drive = pd_drive_open(vfs, DRIVE);
	struct found found;
	char why[PD_ERR_TEXT];

	assert_non_null(drive);
	images++;
	if (state_of(drive, why) == PD_DRIVE_OK)
	{
		if (damaged(drive, &found) > 0)
			fail_msg("a damaged file after %s: %s", image->what, found.text);
		return drive;
	}
	pd_drive_close(drive);
	if (image->n >= image->life->format_done)
		fail_msg("no drive after %s: %s", image->what, why);
	if (pd_drive_format(vfs, DRIVE, &ok_err) != PK_OK)
		fail_msg("%s is no drive (%s), and cannot be made one: %s", image->what, why, ok_err.text);
	drive = pd_drive_open(vfs, DRIVE);
	assert_int_equal(state_of(drive, NULL), PD_DRIVE_OK);
	pd_drive_close(drive);
	return NULL;
}

static void
check_image(const struct image *image, struct pd_drive *drive)
{
	check_drive(image, drive);
	for (int i = 0; i < image->life->count; i++)
		check_thing(image, drive, &image->life->things[i]);
}

/* What follows a start: every bucket that is not sealed gets sealed. */
static void
recover(const struct life *life, struct pd_vfs *vfs, struct pd_drive *drive, uint64_t *recovered, long *recovered_at)
{
	for (int i = 0; i < life->count; i++)
	{
		struct pd_extent *extent =
			pd_extent_find(drive, life->things[i].kind, life->things[i].id, life->things[i].position);

		recovered[i] = NO_LENGTH;
		recovered_at[i] = NEVER;
		if (extent == NULL || info_of(extent)->sealed)
		{
			pd_extent_unref(extent);
			continue;
		}
		recovered[i] = info_of(extent)->length;
		assert_ok(pd_extent_seal(extent, recovered[i], &ok_err));
		recovered_at[i] = pd_vfs_memory_events(vfs);
		pd_extent_unref(extent);
	}
}

static void
look_at_second(const struct image *first, struct pd_vfs *vfs, long m, enum pd_cut_keep keep, uint64_t choice,
			   const uint64_t *recovered, const long *recovered_at)
{
	struct pd_vfs *left = pd_vfs_memory_cut(vfs, m, keep, choice);
	struct image image = *first;
	struct pd_drive *drive;

	assert_non_null(left);
	image.recovered = recovered;
	image.recovered_at = recovered_at;
	image.m = m;
	snprintf(image.what, sizeof(image.what), "%.80s, then %ld events of its recovery (keep %d, choice %llx)",
			 first->what, m, (int) keep, (unsigned long long) choice);
	drive = open_image(&image, left);
	assert_non_null(drive);
	check_image(&image, drive);
	pd_drive_close(drive);
	pd_vfs_memory_free(left);
	seconds++;
}

/* One image, and all crashes of its recovery when `again`. */
static void
look_at(const struct life *life, long n, enum pd_cut_keep keep, uint64_t choice, bool again)
{
	struct pd_vfs *left = pd_vfs_memory_cut(life->vfs, n, keep, choice);
	struct image image = {.life = life, .n = n};
	uint64_t recovered[EXTENTS_MAX];
	long recovered_at[EXTENTS_MAX];
	struct pd_drive *drive;

	assert_non_null(left);
	snprintf(image.what, sizeof(image.what), "%ld events (keep %d, choice %llx)", n, (int) keep,
			 (unsigned long long) choice);
	drive = open_image(&image, left);
	if (drive != NULL)
	{
		check_image(&image, drive);
		if (again)
			recover(life, left, drive, recovered, recovered_at);
		pd_drive_close(drive);
	}
	for (long m = 1; drive != NULL && again && m <= pd_vfs_memory_events(left); m++)
	{
		int pending = pd_vfs_memory_pending(left, m);

		look_at_second(&image, left, m, PD_CUT_ALL, UINT64_MAX, recovered, recovered_at);
		for (uint64_t kept = 0; pending > 0 && kept + 1 < UINT64_C(1) << (pending < 3 ? pending : 3); kept++)
			look_at_second(&image, left, m, PD_CUT_SUBSET, kept, recovered, recovered_at);
		if (pending > 0)
			look_at_second(&image, left, m, PD_CUT_RANDOM, (uint64_t) m + choice, recovered, recovered_at);
	}
	pd_vfs_memory_free(left);
}

/* All that can be left after n events. `again`: every so manieth image is crashed again. */
static void
look_at_moment(const struct life *life, long n, long again)
{
	uint64_t sectors = pd_vfs_memory_sectors(life->vfs, n - 1);
	int pending = pd_vfs_memory_pending(life->vfs, n);
	uint64_t random = life->seed + (uint64_t) n;
	uint64_t subsets = UINT64_C(1) << (pending < SUBSET_PENDING_MAX ? pending : SUBSET_PENDING_MAX);

	for (uint64_t torn = 1; torn < sectors && torn <= TORN_MAX; torn++)
		look_at(life, n, PD_CUT_ALL, sectors <= TORN_MAX ? torn : 1 + roll(&random, sectors - 1), images % again == 0);
	look_at(life, n, PD_CUT_ALL, UINT64_MAX, images % again == 0);
	for (uint64_t kept = 0; kept + 1 < subsets; kept++) /* the last one is all of them */
	{
		uint64_t choice = pending <= SUBSET_PENDING_MAX ? kept : kept == 0 ? 0 : roll(&random, UINT64_MAX);

		look_at(life, n, PD_CUT_SUBSET, choice, images % again == 0);
	}
	for (int i = 0; pending > 0 && i < 4; i++)
		look_at(life, n, PD_CUT_RANDOM, roll(&random, UINT64_MAX), images % again == 0);
}

static long
wanted(const char *name, long otherwise)
{
	const char *value = getenv(name);

	return value == NULL ? otherwise : strtol(value, NULL, 10);
}

static void
no_crash_loses_what_was_acknowledged(void **state)
{
	long least = wanted("POCKET_CRASH_IMAGES", IMAGES_DEFAULT);
	uint64_t seed = (uint64_t) wanted("POCKET_CRASH_SEED", 1);
	long events = 0;

	(void) state;
	for (; images < least; seed++)
	{
		struct life life;

		begin_life(&life, seed);
		live(&life);
		events = now(&life);
		for (long n = 1; n <= events && images < least; n++)
			look_at_moment(&life, n, 7);
		end_life(&life);
	}
	print_message("# told: %ld images of crashes, %ld of them of a second one, of lives of %ld events\n", images,
				  seconds, events);
	assert_true(images >= least);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_test, end_test)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(no_crash_loses_what_was_acknowledged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
