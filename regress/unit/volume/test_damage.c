/*
 * regress/unit/volume/test_damage.c
 *	  Random damage of all that a drive holds: every one is found, nothing wrong
 *	  is read, and as long as a code, or a replica, bears it, all is repaired.
 *
 * A node in memory has a coded volume and a replicated bucket.  Each round takes a
 * copy of its drives and damages what lies on two of them, which is what both
 * bear.  POCKET_DAMAGES is how many damages are done, at least; POCKET_DAMAGE_SEED
 * begins with another round.
 */
#include "harness.h"

#include "base/vfs_memory.h"

#if defined(__SANITIZE_THREAD__)
#define DAMAGES_DEFAULT 100 /* each round starts threads, which is what costs there */
#elif defined(__SANITIZE_ADDRESS__)
#define DAMAGES_DEFAULT 1000
#else
#define DAMAGES_DEFAULT 10000
#endif

#define K 3
#define M 2
#define SPARES 2
#define DRIVES (K + M + SPARES)
#define PER_BUCKET 8
#define CODED UINT64_C(100)
#define REPLICATED UINT64_C(9)
#define REPLICAS 3
#define FILES (K + M + REPLICAS)
#define DAMAGES_PER_FILE_MAX 3

/* What lies where, and what it holds. */
struct file
{
	int drive;
	int member; /* of the coded volume, or of the replicated one */
	bool coded;
	pk_extent_kind kind;
	uint64_t id;
	int position;
	char name[PK_EXTENT_FILE];
	uint64_t length;
	uint8_t *bytes;
	/* of a round */
	bool damaged;
	uint64_t damaged_size; /* of the file when it had been damaged, and its checksum */
	uint32_t damaged_crc;
	bool told;
};

static struct pd_vfs *whole;
static struct file files[FILES];
static struct pd_members coded, replicated_members;
static struct block blocks[K + 1][PER_BUCKET];
static uint8_t uuids[DRIVES][PK_UUID_SIZE];
static uint64_t seed;
static long damages;
static bool drive_lost[DRIVES];

static uint64_t
roll(uint64_t *state, uint64_t n)
{
	return next_random(state) % n;
}

/* --- the node as it should be --- */

static void
fill_bucket(struct node *node, int b, uint64_t id, int first)
{
	uint64_t length;

	open_bucket(node, id, first, REPLICAS, 8 * MIB);
	for (int i = 0; i < PER_BUCKET; i++)
		make_block(&blocks[b][i], id, (uint32_t) (1500 + (b * 5 + i * 7) % 11 * 2900), (uint64_t) (b * 100 + i + 1));
	put_blocks(node, blocks[b], PER_BUCKET);
	assert_ok(pd_bucket_seal(node->cell, id, &length, &ok_err));
	if (b < K)
	{
		memcpy(coded.member[b].drive, node->uuids[b], PK_UUID_SIZE);
		coded.member[b].bucket_id = id;
		coded.member[b].length = length;
	}
	else
	{
		replicated(node, &replicated_members, id, first, REPLICAS);
		for (int i = 0; i < REPLICAS; i++)
			replicated_members.member[i].length = length;
	}
}

static void
note_file(struct node *node, int i, bool is_coded, int member, pk_extent_kind kind, uint64_t id, int position,
		  int drive)
{
	struct file *file = &files[i];
	struct pd_extent *extent = pd_extent_find(node->drives[drive], kind, id, position);
	struct pd_extent_info info;

	assert_non_null(extent);
	pd_extent_info(extent, &info);
	*file = (struct file){.drive = drive, .member = member, .coded = is_coded, .kind = kind, .id = id};
	file->position = position;
	file->length = info.length;
	file->bytes = malloc(info.length + 1);
	assert_ok(pd_extent_read_checked(extent, 0, file->bytes, info.length, &ok_err));
	memcpy(file->name, info.file, sizeof(file->name));
	pd_extent_unref(extent);
}

static int
make_whole(void **state)
{
	struct pd_vfs *vfs = pd_vfs_memory();
	struct node node;
	uint64_t bytes;
	int settled;

	(void) state;
	assert_int_equal(vfs->mkdir(vfs, "/node", 0700), 0);
	make_node_in(&node, "/node", DRIVES, vfs);
	memcpy(uuids, node.uuids, sizeof(uuids));
	coded.volume_id = CODED;
	coded.generation = 1;
	coded.code = (pk_code){PK_CODE_RS, K, M};
	coded.count = K + M;
	for (int b = 0; b < K; b++)
		fill_bucket(&node, b, (uint64_t) b + 1, b);
	fill_bucket(&node, K, REPLICATED, 0);
	for (int p = K; p < K + M; p++)
		memcpy(coded.member[p].drive, node.uuids[p], PK_UUID_SIZE);
	assert_ok(pd_volume_encode(node.cell, &coded, NULL, &bytes, &ok_err));
	for (int p = K; p < K + M; p++)
		coded.member[p].length = bytes;
	assert_ok(pd_volume_settle(node.cell, &coded, &settled, &ok_err));
	assert_ok(pd_volume_settle(node.cell, &replicated_members, &settled, &ok_err));
	for (int b = 0; b < K; b++)
		for (int r = 1; r < REPLICAS; r++)
			assert_ok(
				pd_extent_drop(node.cell, node.uuids[b + r], PK_EXTENT_BUCKET, (uint64_t) b + 1, 0, &bytes, &ok_err));
	for (int p = 0; p < K + M; p++)
		note_file(&node, p, true, p, p < K ? PK_EXTENT_BUCKET : PK_EXTENT_PARITY, p < K ? (uint64_t) p + 1 : CODED,
				  p < K ? 0 : p, p);
	for (int r = 0; r < REPLICAS; r++)
		note_file(&node, K + M + r, false, r, PK_EXTENT_BUCKET, REPLICATED, 0, r);
	kill_node(&node);
	whole = pd_vfs_memory_cut(vfs, pd_vfs_memory_events(vfs), PD_CUT_ALL, UINT64_MAX);
	pd_vfs_memory_free(vfs);
	return whole == NULL ? -1 : 0;
}

static int
free_whole(void **state)
{
	(void) state;
	for (int b = 0; b <= K; b++)
		free_blocks(blocks[b], PER_BUCKET);
	for (int i = 0; i < FILES; i++)
		free(files[i].bytes);
	pd_vfs_memory_free(whole);
	return 0;
}

/* --- damage --- */

struct target
{
	struct pd_vfs *vfs;
	char path[256];
	int fd;
	uint64_t size;
};

static void
open_target(struct target *target, struct pd_vfs *vfs, int drive, const char *name)
{
	target->vfs = vfs;
	snprintf(target->path, sizeof(target->path), "/node/d%02d/%s", drive, name);
	target->fd = vfs->open(vfs, target->path, O_RDWR, 0);
	target->size = target->fd < 0 ? 0 : (uint64_t) vfs->size(vfs, target->fd);
}

static void
read_target(const struct target *target, uint8_t *buf, size_t n, uint64_t offset)
{
	assert_int_equal(pd_vfs_read_full(target->vfs, target->fd, buf, n, offset), 0);
}

static void
write_target(const struct target *target, uint8_t *buf, size_t n, uint64_t offset)
{
	struct iovec iov = {buf, n};

	assert_int_equal(pd_vfs_write_full(target->vfs, target->fd, &iov, 1, offset), 0);
}

/* What is before and behind the bytes is small, and is hit as often as they are. */
static bool
flip_bit(const struct target *target, uint64_t *random)
{
	uint64_t part = roll(random, 3);
	uint64_t among = part > 0 && target->size > PD_EXTENT_DATA ? (part == 1 ? PD_EXTENT_DATA : 4096) : target->size;
	uint64_t offset = part == 2 ? target->size - 1 - roll(random, among) : roll(random, among);
	uint8_t byte;

	read_target(target, &byte, 1, offset);
	byte ^= (uint8_t) (1 << roll(random, 8));
	write_target(target, &byte, 1, offset);
	return true;
}

/* False when it was zeros. */
static bool
zero_page(const struct target *target, uint64_t *random, uint64_t page)
{
	static const uint8_t zeros[4096];
	uint64_t offset = roll(random, target->size) / page * page;
	size_t n = target->size - offset < page ? target->size - offset : page;
	uint8_t before[4096], after[4096] = {0};

	read_target(target, before, n, offset);
	write_target(target, after, n, offset);
	return memcmp(before, zeros, n) != 0;
}

/* n bytes at two places of the extent's bytes change places: writes went astray. False when they are alike. */
static bool
swap_places(const struct target *target, uint64_t one, uint64_t two, size_t n)
{
	uint8_t *a = malloc(n), *b = malloc(n);
	bool differ;

	read_target(target, a, n, PD_EXTENT_DATA + one);
	read_target(target, b, n, PD_EXTENT_DATA + two);
	differ = memcmp(a, b, n) != 0;
	write_target(target, b, n, PD_EXTENT_DATA + one);
	write_target(target, a, n, PD_EXTENT_DATA + two);
	free(a);
	free(b);
	return differ;
}

static bool
swap_pages(const struct target *target, const struct file *file, uint64_t *random)
{
	uint64_t pages = file->length / 4096;

	if (target->size < PD_EXTENT_DATA + file->length || pages < 2)
		return false;
	return swap_places(target, roll(random, pages) * 4096, roll(random, pages) * 4096, 4096);
}

static bool
swap_records(const struct target *target, const struct file *file, uint64_t *random)
{
	const struct block *of = file->coded ? blocks[file->member] : blocks[K];
	const struct pd_put *one = &of[roll(random, PER_BUCKET)].put;
	const struct pd_put *two = &of[roll(random, PER_BUCKET)].put;
	uint32_t n = one->stored_length < two->stored_length ? one->stored_length : two->stored_length;

	if (file->kind != PK_EXTENT_BUCKET || one == two || target->size < PD_EXTENT_DATA + file->length ||
		one->offset + n > file->length || two->offset + n > file->length)
		return false;
	if (one->offset < two->offset + n && two->offset < one->offset + n)
		return false;
	return swap_places(target, one->offset, two->offset, n);
}

/* The file of another extent, of another drive, under this name. */
static bool
misdirect(const struct target *target, const struct file *file, uint64_t *random)
{
	const struct file *other = &files[roll(random, FILES)];
	struct target from;
	uint8_t *bytes;

	if (other->drive == file->drive)
		return false;
	open_target(&from, target->vfs, other->drive, other->name);
	if (from.fd < 0)
		return false;
	bytes = malloc(from.size + 1);
	read_target(&from, bytes, from.size, 0);
	assert_int_equal(target->vfs->ftruncate(target->vfs, target->fd, from.size), 0);
	write_target(target, bytes, from.size, 0);
	free(bytes);
	target->vfs->close(target->vfs, from.fd);
	return true;
}

static bool
add_garbage(const struct target *target, uint64_t *random)
{
	uint8_t garbage[600];
	size_t n = 1 + roll(random, sizeof(garbage));

	for (size_t i = 0; i < n; i++)
		garbage[i] = (uint8_t) next_random(random);
	write_target(target, garbage, n, target->size);
	return true;
}

/* One damage; whether it changed anything. */
static bool
damage_file(struct pd_vfs *vfs, const struct file *file, uint64_t *random)
{
	struct target target;
	bool done = false;

	open_target(&target, vfs, file->drive, file->name);
	if (target.fd < 0 || target.size == 0)
	{
		if (target.fd >= 0)
			vfs->close(vfs, target.fd);
		return false;
	}
	switch (roll(random, 14))
	{
		case 0:
			done = vfs->unlink(vfs, target.path) == 0;
			break;
		case 1:
			done = vfs->ftruncate(vfs, target.fd, roll(random, target.size)) == 0;
			break;
		case 2:
			done = add_garbage(&target, random);
			break;
		case 3:
			done = misdirect(&target, file, random);
			break;
		case 4:
		case 5:
			done = zero_page(&target, random, 512);
			break;
		case 6:
		case 7:
			done = zero_page(&target, random, 4096);
			break;
		case 8:
			done = swap_pages(&target, file, random);
			break;
		case 9:
		case 10:
			done = swap_records(&target, file, random);
			break;
		default:
			done = flip_bit(&target, random);
	}
	vfs->close(vfs, target.fd);
	return done;
}

static bool
damage_superblock(struct pd_vfs *vfs, int drive, uint64_t *random)
{
	struct target target;
	bool done;

	open_target(&target, vfs, drive, "pocket-drive");
	assert_true(target.fd >= 0);
	if (roll(random, 2) == 0)
		done = flip_bit(&target, random);
	else
		done = zero_page(&target, random, 4096);
	vfs->close(vfs, target.fd);
	return done;
}

/* Whether a file is, to the byte, what it should be: two damages may have undone each other. */
static bool
is_as_it_was(struct pd_vfs *vfs, const struct file *file)
{
	struct target now, then;
	bool same;

	open_target(&now, vfs, file->drive, file->name);
	open_target(&then, whole, file->drive, file->name);
	same = now.fd >= 0 && now.size == then.size;
	if (same)
	{
		uint8_t *a = malloc(now.size + 1), *b = malloc(now.size + 1);

		read_target(&now, a, now.size, 0);
		read_target(&then, b, now.size, 0);
		same = memcmp(a, b, now.size) == 0;
		free(a);
		free(b);
	}
	if (now.fd >= 0)
		vfs->close(vfs, now.fd);
	whole->close(whole, then.fd);
	return same;
}

/* Size and checksum of a file as it is; 0 and 0 when it is not there. */
static void
sum_of(struct pd_vfs *vfs, const struct file *file, uint64_t *size, uint32_t *crc)
{
	struct target target;
	uint8_t *bytes;

	*crc = 0;
	open_target(&target, vfs, file->drive, file->name);
	*size = target.size;
	if (target.fd < 0)
		return;
	bytes = malloc(target.size + 1);
	read_target(&target, bytes, target.size, 0);
	*crc = pk_crc32c(0, bytes, target.size);
	free(bytes);
	vfs->close(vfs, target.fd);
}

static void
damage_two_drives(struct pd_vfs *vfs, uint64_t *random)
{
	int one = (int) roll(random, K + M);
	int two = (int) roll(random, K + M);

	memset(drive_lost, 0, sizeof(drive_lost));
	for (int d = 0; d < DRIVES; d++)
		if ((d == one || d == two) && roll(random, 12) == 0)
		{
			drive_lost[d] = damage_superblock(vfs, d, random);
			damages += drive_lost[d];
		}
	for (int i = 0; i < FILES; i++)
	{
		struct file *file = &files[i];
		uint64_t times = file->drive == one || file->drive == two ? roll(random, DAMAGES_PER_FILE_MAX + 1) : 0;

		file->told = false;
		for (; times > 0; times--)
			damages += damage_file(vfs, file, random);
		file->damaged = !is_as_it_was(vfs, file);
		sum_of(vfs, file, &file->damaged_size, &file->damaged_crc);
	}
}

/* --- what must be found, read, and repaired --- */

#define expect(condition, ...)                                                 \
	do                                                                         \
	{                                                                          \
		if (!(condition))                                                      \
		{                                                                      \
			print_error(__VA_ARGS__);                                          \
			fail_msg(" (POCKET_DAMAGE_SEED=%llu)", (unsigned long long) seed); \
		}                                                                      \
	} while (0)

static void
hear(void *arg, const struct pd_report *report)
{
	(void) arg;
	for (int i = 0; i < FILES; i++)
	{
		if (strcmp(files[i].name, report->file) != 0 || memcmp(uuids[files[i].drive], report->drive, PK_UUID_SIZE) != 0)
			continue;
		expect(files[i].damaged, "%s of drive %d is well, and is called damaged: %s\n", files[i].name, files[i].drive,
			   report->problem);
		files[i].told = true;
	}
}

static void
scrub_all(struct node *node)
{
	char next[PK_EXTENT_FILE];
	uint64_t bytes;

	for (int d = 0; d < DRIVES; d++)
		if (pd_drive_readable(node->drives[d]))
			assert_ok(pd_drive_scrub(node->cell, uuids[d], "", UINT64_MAX, next, &bytes, hear, NULL, &ok_err));
	pd_cell_each_report(node->cell, hear, NULL);
}

/* A member is there, sealed, and has the bytes that it had. */
static bool
is_well(struct node *node, const struct file *file, int drive)
{
	struct pd_extent *extent = pd_extent_find(node->drives[drive], file->kind, file->id, file->position);
	struct pd_extent_info info;
	uint8_t *bytes = malloc(file->length + 1);
	bool well = false;

	if (extent != NULL)
	{
		pd_extent_info(extent, &info);
		well = info.sealed && info.length == file->length &&
			   pd_extent_read_checked(extent, 0, bytes, file->length, &ok_err) == PK_OK &&
			   memcmp(bytes, file->bytes, file->length) == 0;
	}
	pd_extent_unref(extent);
	free(bytes);
	return well;
}

static void
expect_found(struct node *node, struct pd_vfs *vfs)
{
	for (int i = 0; i < FILES; i++)
	{
		const struct file *file = &files[i];
		uint64_t size;
		uint32_t crc;

		if (drive_lost[file->drive])
		{
			expect(!pd_drive_readable(node->drives[file->drive]), "drive %d serves without its superblock\n",
				   file->drive);
			continue;
		}
		if (!file->damaged || file->told)
			continue;
		/* else the start has mended it from what was intact */
		sum_of(vfs, file, &size, &crc);
		expect(size != file->damaged_size || crc != file->damaged_crc, "damage of %s on drive %d was not found\n",
			   file->name, file->drive);
		expect(is_well(node, file, file->drive), "%s on drive %d was mended wrongly\n", file->name, file->drive);
	}
}

static void
expect_reads(struct node *node, bool none_degraded)
{
	for (int b = 0; b <= K; b++)
		for (int i = 0; i < PER_BUCKET; i++)
		{
			bool degraded;
			pk_error rc = get_block(node, &blocks[b][i], &degraded);

			expect(rc == PK_OK, "block %d of bucket %d: %s\n", i, b, ok_err.text);
			expect(!none_degraded || !degraded, "block %d of bucket %d had to be decoded\n", i, b);
		}
}

/* What was told, and what lay on a lost drive, is made anew: there where it was, or on a spare drive. */
static void
repair(struct node *node, struct pd_members members, bool is_coded)
{
	int spare = K + M;
	uint32_t mask = 0;
	int settled;

	members.generation += 1;
	for (int i = 0; i < FILES; i++)
	{
		const struct file *file = &files[i];
		int drive = file->drive;

		if (file->coded != is_coded || (!file->told && !drive_lost[drive]))
			continue;
		if (drive_lost[drive])
			drive = spare++;
		mask |= UINT32_C(1) << file->member;
		memcpy(members.member[file->member].drive, uuids[drive], PK_UUID_SIZE);
	}
	if (mask != 0)
	{
		pk_error rc = pd_volume_rebuild(node->cell, &members, mask, NULL, &ok_err);

		expect(rc == PK_OK, "rebuilding %x: %s\n", mask, ok_err.text);
	}
	assert_ok(pd_volume_settle(node->cell, &members, &settled, &ok_err));
	expect(settled == members.count, "%d of %d members were settled\n", settled, members.count);
	for (int i = 0; i < FILES; i++)
		for (int d = 0; d < DRIVES && files[i].coded == is_coded; d++)
			if (memcmp(uuids[d], members.member[files[i].member].drive, PK_UUID_SIZE) == 0)
				expect(is_well(node, &files[i], d), "%s on drive %d was not repaired\n", files[i].name, d);
}

/* As health does from time to time. */
static void
look_at_drives(struct node *node)
{
	struct pd_drive_info *info = malloc(sizeof(*info));

	for (int d = 0; d < DRIVES; d++)
		pd_drive_info(node->drives[d], info);
	free(info);
}

static void
one_round(void)
{
	uint64_t random = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
	struct pd_vfs *vfs = pd_vfs_memory_cut(whole, 0, PD_CUT_ALL, UINT64_MAX);
	struct node node = {.dir = "/node", .count = DRIVES, .vfs = vfs};

	assert_non_null(vfs);
	memcpy(node.uuids, uuids, sizeof(uuids));
	node.keys.count = 1;
	node.keys.keys[0].id = 1;
	memset(node.keys.keys[0].secret, 0x5a, PK_KEY_SIZE);
	/* what is damaged while nobody uses it is met at the start, or later; else it is met later */
	if (seed % 2 == 0)
		damage_two_drives(vfs, &random);
	start_node(&node);
	if (seed % 2 == 1)
		damage_two_drives(vfs, &random);
	look_at_drives(&node);
	expect_reads(&node, false);
	scrub_all(&node);
	expect_found(&node, vfs);
	repair(&node, coded, true);
	repair(&node, replicated_members, false);
	expect_reads(&node, true);
	/* what was damaged is well, and told no more */
	for (int i = 0; i < FILES; i++)
		files[i].damaged = drive_lost[files[i].drive];
	restart_node(&node);
	scrub_all(&node);
	expect_reads(&node, true);
	kill_node(&node);
	pd_vfs_memory_free(vfs);
}

static long
wanted(const char *name, long otherwise)
{
	const char *value = getenv(name);

	return value == NULL ? otherwise : strtol(value, NULL, 10);
}

static void
every_damage_is_found_and_repaired(void **state)
{
	long least = wanted("POCKET_DAMAGES", DAMAGES_DEFAULT);
	uint64_t first = (uint64_t) wanted("POCKET_DAMAGE_SEED", 1);

	(void) state;
	for (seed = first; damages < least; seed++)
		one_round();
	print_message("# told: %ld damages in %llu rounds, from seed %llu on\n", damages,
				  (unsigned long long) (seed - first), (unsigned long long) first);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_damage_is_found_and_repaired, make_whole, free_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
