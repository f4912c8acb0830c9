/*
 * regress/unit/volume/test_code.c
 *	  Encoding, reading with lost drives and damaged members, rebuilding,
 *	  settling, dropping, scrubbing.
 */
#include "harness.h"

#include "erasure/erasure.h"

#define BUCKETS 6
#define PER_BUCKET 6
#define VOLUME UINT64_C(1000)

struct coded
{
	struct node node;
	struct pd_members members; /* rs(6,3) over drives 0..8 */
	struct block blocks[BUCKETS][PER_BUCKET];
	int buckets;
};

static struct coded coded;
static const struct pd_vfs *coded_vfs = &pd_vfs_real;

/* Buckets 1..n of unequal length, each replicated on three drives, its first on drive n - 1, sealed; then encoded. */
static void
make_coded(int drives, int buckets)
{
	struct node *node = &coded.node;
	struct pd_members *members = &coded.members;
	uint64_t length;

	make_node(node, drives, coded_vfs);
	coded.buckets = buckets;
	memset(members, 0, sizeof(*members));
	members->volume_id = VOLUME;
	members->generation = 1;
	members->code = (pk_code){PK_CODE_RS, 6, 3};
	members->count = 9;
	for (int b = 0; b < buckets; b++)
	{
		open_bucket(node, (uint64_t) b + 1, b, 3, 64 * MIB);
		for (int i = 0; i < PER_BUCKET; i++)
			make_block(&coded.blocks[b][i], (uint64_t) b + 1, (uint32_t) (20000 + b * 300000 + i * 77777),
					   (uint64_t) (b * 100 + i + 1));
		put_blocks(node, coded.blocks[b], PER_BUCKET);
		assert_ok(pd_bucket_seal(node->cell, (uint64_t) b + 1, &length, &ok_err));
		memcpy(members->member[b].drive, node->uuids[b], PK_UUID_SIZE);
		members->member[b].bucket_id = (uint64_t) b + 1;
		members->member[b].length = length;
	}
	for (int p = 6; p < 9; p++)
		memcpy(members->member[p].drive, node->uuids[p], PK_UUID_SIZE);
}

static void
encode(void)
{
	uint64_t parity_length;
	uint64_t longest = 0;

	assert_ok(pd_volume_encode(coded.node.cell, &coded.members, NULL, &parity_length, &ok_err));
	for (int p = 0; p < 6; p++)
		longest = coded.members.member[p].length > longest ? coded.members.member[p].length : longest;
	assert_int_equal(parity_length, longest);
	for (int p = 6; p < 9; p++)
		coded.members.member[p].length = parity_length;
}

/* Settles, then drops the two replicas of each bucket that are no members. */
static void
drop_surplus(void)
{
	struct node *node = &coded.node;
	uint64_t bytes;
	int settled;

	assert_ok(pd_volume_settle(node->cell, &coded.members, &settled, &ok_err));
	assert_int_equal(settled, coded.buckets + 3);
	for (int b = 0; b < coded.buckets; b++)
	{
		for (int r = 0; r < 3; r++)
		{
			const uint8_t *drive = node->uuids[(b + r) % node->count];
			pk_error rc = pd_extent_drop(node->cell, drive, PK_EXTENT_BUCKET, (uint64_t) b + 1, 0, &bytes, &ok_err);

			assert_int_equal(rc, r == 0 ? PK_ERR_STATE : PK_OK);
			assert_int_equal(bytes > 0, r > 0);
		}
	}
	assert_ok(pd_extent_drop(node->cell, node->uuids[1], PK_EXTENT_BUCKET, 1, 0, &bytes, &ok_err)); /* again */
	assert_int_equal(bytes, 0);
	for (int p = 6; p < 9; p++)
		assert_int_equal(pd_extent_drop(node->cell, node->uuids[p], PK_EXTENT_PARITY, VOLUME, p, &bytes, &ok_err),
						 PK_ERR_STATE);
}

static void
expect_all(void)
{
	for (int b = 0; b < coded.buckets; b++)
		expect_blocks(&coded.node, coded.blocks[b], PER_BUCKET);
}

static void
end_coded(void)
{
	for (int b = 0; b < coded.buckets; b++)
		free_blocks(coded.blocks[b], PER_BUCKET);
	end_node(&coded.node);
}

static void
move_drive(int i, bool away)
{
	char here[128], there[160];

	drive_path(&coded.node, i, here, sizeof(here));
	snprintf(there, sizeof(there), "%s.away", here);
	assert_int_equal(away ? rename(here, there) : rename(there, here), 0);
}

static void
expect_all_without(const int *drives, int count)
{
	kill_node(&coded.node);
	for (int i = 0; i < count; i++)
		move_drive(drives[i], true);
	start_node(&coded.node);
	expect_all();
	kill_node(&coded.node);
	for (int i = 0; i < count; i++)
		move_drive(drives[i], false);
	start_node(&coded.node);
}

static void
any_three_drives_may_be_lost(void **state)
{
	static const int losses[][3] = {{0, 1, 2}, {3, 4, 5}, {6, 7, 8}, {0, 5, 8}, {1, 6, 7},
									{2, 4, 6}, {0, 3, 7}, {5, 7, 8}, {1, 3, 5}};

	(void) state;
	make_coded(9, 6);
	encode();
	expect_all();
	drop_surplus();
	expect_all();
	for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++)
		expect_all_without(losses[i], 3);
	assert_int_equal(take_reports(&coded.node), 0);

	/* a fourth is too many, and says so */
	kill_node(&coded.node);
	for (int i = 0; i < 4; i++)
		move_drive(i, true);
	start_node(&coded.node);
	assert_int_equal(get_block(&coded.node, &coded.blocks[0][0], NULL), PK_ERR_BLOCK_LOST);
	expect_blocks(&coded.node, coded.blocks[5], PER_BUCKET);
	kill_node(&coded.node);
	for (int i = 0; i < 4; i++)
		move_drive(i, false);
	start_node(&coded.node);
	end_coded();
}

static void
damage_is_read_around_and_reported(void **state)
{
	struct node *node = &coded.node;
	struct block *block = &coded.blocks[4][3];
	bool degraded;

	(void) state;
	make_coded(9, 6);
	encode();
	drop_surplus();
	assert_ok(get_block(node, block, &degraded));
	assert_false(degraded);
	flip_byte(node, 4, PK_EXTENT_BUCKET, 5, 0, block->put.offset + 200);
	flip_byte(node, 6, PK_EXTENT_PARITY, VOLUME, 6, block->put.offset + 200);
	flip_byte(node, 0, PK_EXTENT_BUCKET, 1, 0, 1000); /* a source of other ranges */
	assert_ok(get_block(node, block, &degraded));
	assert_true(degraded);
	assert_int_equal(take_reports(node), 2);
	expect_all();

	/* four members damaged, in four places: each place has enough others */
	flip_byte(node, 1, PK_EXTENT_BUCKET, 2, 0, 2 * PD_EXTENT_CHUNK + 5);
	flip_byte(node, 7, PK_EXTENT_PARITY, VOLUME, 7, 5 * PD_EXTENT_CHUNK + 5);
	flip_byte(node, 8, PK_EXTENT_PARITY, VOLUME, 8, 9 * PD_EXTENT_CHUNK + 5);
	flip_byte(node, 2, PK_EXTENT_BUCKET, 3, 0, 6 * PD_EXTENT_CHUNK + 5);
	expect_all();
	restart_node(node);
	expect_all();
	assert_true(take_reports(node) > 0);
	end_coded();
}

static void
a_member_helps_with_its_own_good_places(void **state)
{
	struct node *node = &coded.node;
	struct block *block = &coded.blocks[4][4];
	uint64_t chunk;

	(void) state;
	make_coded(9, 6);
	encode();
	drop_surplus();
	chunk = (block->put.offset / PD_EXTENT_CHUNK + 2) * PD_EXTENT_CHUNK;
	flip_byte(node, 4, PK_EXTENT_BUCKET, 5, 0, chunk + 1);
	for (int p = 6; p < 9; p++) /* the next place of the same block has too few others */
		flip_byte(node, p, PK_EXTENT_PARITY, VOLUME, p, chunk + PD_EXTENT_CHUNK + 1);
	assert_ok(get_block(node, block, NULL));
	end_coded();
}

/* Members `lost` get new drives from `spare` on. */
static void
rebuild(const int *lost, int count, int spare)
{
	struct node *node = &coded.node;
	uint32_t mask = 0;
	int settled;

	coded.members.generation++;
	for (int i = 0; i < count; i++)
	{
		memcpy(coded.members.member[lost[i]].drive, node->uuids[spare + i], PK_UUID_SIZE);
		mask |= UINT32_C(1) << lost[i];
	}
	assert_ok(pd_volume_rebuild(node->cell, &coded.members, mask, NULL, &ok_err));
	expect_all();
	assert_ok(pd_volume_settle(node->cell, &coded.members, &settled, &ok_err));
	assert_int_equal(settled, 9);
}

static void
lost_members_are_rebuilt_on_spare_drives(void **state)
{
	static const int lost[] = {1, 4, 7};
	static const int others[] = {0, 5, 6};
	struct node *node = &coded.node;
	struct pd_members old;
	uint64_t bytes;
	int settled;

	(void) state;
	make_coded(12, 6);
	encode();
	drop_surplus();
	kill_node(node);
	for (int i = 0; i < 3; i++)
		move_drive(lost[i], true);
	start_node(node);
	old = coded.members;
	rebuild(lost, 3, 9);

	/* late messages of the generation before change nothing */
	assert_int_equal(pd_volume_settle(node->cell, &old, &settled, &ok_err), PK_ERR_STATE);
	assert_int_equal(pd_volume_rebuild(node->cell, &old, 1, NULL, &ok_err), PK_ERR_STATE);
	assert_int_equal(pd_volume_encode(node->cell, &old, NULL, &bytes, &ok_err), PK_ERR_STATE);
	assert_int_equal(pd_extent_drop(node->cell, node->uuids[9], PK_EXTENT_BUCKET, 2, 0, &bytes, &ok_err), PK_ERR_STATE);

	expect_all_without(others, 3);
	/* the lost ones come back: what they hold is surplus now */
	kill_node(node);
	for (int i = 0; i < 3; i++)
		move_drive(lost[i], false);
	start_node(node);
	expect_all();
	assert_ok(pd_extent_drop(node->cell, node->uuids[1], PK_EXTENT_BUCKET, 2, 0, &bytes, &ok_err));
	assert_true(bytes > 0);
	assert_ok(pd_extent_drop(node->cell, node->uuids[7], PK_EXTENT_PARITY, VOLUME, 7, &bytes, &ok_err));
	assert_true(bytes > 0);
	expect_all();
	assert_int_equal(take_reports(node), 0);
	end_coded();
}

/* A replica of bucket 6 on drive 0 that ends too soon, as one that was sealed while all others were away. */
static void
plant_short_replica(void)
{
	struct pd_extent_build *build;
	static uint8_t bytes[PD_EXTENT_CHUNK];
	struct pd_members members;

	replicated(&coded.node, &members, 6, 0, 1);
	assert_ok(pd_extent_build_begin(coded.node.drives[0], PK_EXTENT_BUCKET, 6, 0, test_cell, &members, sizeof(bytes),
									&build, &ok_err));
	assert_ok(pd_extent_build_write(build, bytes, sizeof(bytes), &ok_err));
	assert_ok(pd_extent_build_finish(build, NULL, &ok_err));
}

static void
a_short_replica_is_no_source(void **state)
{
	static const int lost[] = {1};
	struct node *node = &coded.node;
	bool degraded;

	(void) state;
	make_coded(10, 6);
	encode();
	drop_surplus();
	plant_short_replica();
	kill_node(node);
	move_drive(1, true);
	start_node(node);
	rebuild(lost, 1, 9);
	for (int i = 0; i < PER_BUCKET; i++)
	{
		assert_ok(get_block(node, &coded.blocks[1][i], &degraded));
		assert_false(degraded);
	}
	expect_all();
	end_coded();
}

static void
surplus_stays_while_its_member_is_away(void **state)
{
	struct node *node = &coded.node;
	uint64_t bytes;
	int settled;

	(void) state;
	make_coded(9, 6);
	encode();
	assert_ok(pd_volume_settle(node->cell, &coded.members, &settled, &ok_err));
	kill_node(node);
	move_drive(1, true);
	start_node(node);
	assert_int_equal(pd_extent_drop(node->cell, node->uuids[2], PK_EXTENT_BUCKET, 2, 0, &bytes, &ok_err), PK_ERR_STATE);
	kill_node(node);
	move_drive(1, false);
	start_node(node);
	assert_ok(pd_extent_drop(node->cell, node->uuids[2], PK_EXTENT_BUCKET, 2, 0, &bytes, &ok_err));
	end_coded();
}

static void
damaged_members_are_rebuilt_in_place(void **state)
{
	static const int damaged[] = {2, 3, 8};
	struct node *node = &coded.node;
	bool degraded;

	(void) state;
	make_coded(9, 6);
	encode();
	drop_surplus();
	flip_byte(node, 2, PK_EXTENT_BUCKET, 3, 0, coded.blocks[2][2].put.offset + 140);
	flip_byte(node, 3, PK_EXTENT_BUCKET, 4, 0, 10);
	flip_byte(node, 8, PK_EXTENT_PARITY, VOLUME, 8, 70000);
	/* rebuilt on the drives where they are */
	coded.members.generation++;
	assert_ok(pd_volume_rebuild(node->cell, &coded.members, 1 << damaged[0] | 1 << damaged[1] | 1 << damaged[2], NULL,
								&ok_err));
	assert_ok(get_block(node, &coded.blocks[2][2], &degraded));
	assert_false(degraded);
	restart_node(node);
	assert_ok(get_block(node, &coded.blocks[2][2], &degraded));
	assert_false(degraded);
	expect_all();
	end_coded();
}

/* A drive that says that it has written, and keeps something else. */
static bool lying;

static ssize_t
lying_pwritev(const struct pd_vfs *vfs, int fd, const struct iovec *iov, int count, uint64_t offset)
{
	ssize_t n = pd_vfs_real.pwritev(&pd_vfs_real, fd, iov, count, offset);
	uint8_t byte = 0;

	(void) vfs;
	if (lying && n > PD_EXTENT_CHUNK)
	{
		assert_int_equal(pread(fd, &byte, 1, (off_t) offset + 500), 1);
		byte ^= 0x10;
		assert_int_equal(pwrite(fd, &byte, 1, (off_t) offset + 500), 1);
	}
	return n;
}

static void
what_reads_back_otherwise_is_no_member(void **state)
{
	struct pd_vfs vfs = pd_vfs_real;
	struct node *node = &coded.node;
	struct pd_extent *there;

	(void) state;
	vfs.pwritev = lying_pwritev;
	coded_vfs = &vfs;
	make_coded(10, 6);
	encode();
	drop_surplus();
	kill_node(node);
	move_drive(1, true);
	start_node(node);
	coded.members.generation++;
	memcpy(coded.members.member[1].drive, node->uuids[9], PK_UUID_SIZE);
	lying = true;
	assert_int_equal(pd_volume_rebuild(node->cell, &coded.members, 1 << 1, NULL, &ok_err), PK_ERR_CORRUPT);
	lying = false;
	there = pd_extent_find(node->drives[9], PK_EXTENT_BUCKET, 2, 0);
	assert_null(there);
	expect_all();
	assert_ok(pd_volume_rebuild(node->cell, &coded.members, 1 << 1, NULL, &ok_err));
	there = pd_extent_find(node->drives[9], PK_EXTENT_BUCKET, 2, 0);
	assert_non_null(there);
	pd_extent_unref(there);
	expect_all();
	end_coded();
	coded_vfs = &pd_vfs_real;
}

static void
replicas_are_rebuilt_from_replicas(void **state)
{
	struct pd_members members;
	struct node *node = &coded.node;
	uint64_t length, bytes;
	int settled;

	(void) state;
	make_coded(6, 1);
	/* both others are damaged, in different places */
	flip_byte(node, 1, PK_EXTENT_BUCKET, 1, 0, 100);
	flip_byte(node, 2, PK_EXTENT_BUCKET, 1, 0, PD_EXTENT_CHUNK + 100);
	kill_node(node);
	move_drive(0, true);
	start_node(node);
	replicated(node, &members, 1, 0, 3);
	members.generation = 2;
	for (int i = 0; i < 3; i++)
		memcpy(members.member[i].drive, node->uuids[3 + i], PK_UUID_SIZE);
	assert_ok(pd_volume_rebuild(node->cell, &members, 7, NULL, &ok_err));
	assert_ok(pd_volume_settle(node->cell, &members, &settled, &ok_err));
	assert_int_equal(settled, 3);
	assert_int_equal(take_reports(node), 2);
	assert_ok(pd_extent_drop(node->cell, node->uuids[1], PK_EXTENT_BUCKET, 1, 0, &bytes, &ok_err));
	assert_ok(pd_extent_drop(node->cell, node->uuids[2], PK_EXTENT_BUCKET, 1, 0, &bytes, &ok_err));
	assert_int_equal(pd_extent_drop(node->cell, node->uuids[3], PK_EXTENT_BUCKET, 1, 0, &bytes, &ok_err), PK_ERR_STATE);
	assert_int_equal(expect_replicas_alike(node, 1, &length), 3);
	expect_all();
	assert_int_equal(take_reports(node), 0);
	end_coded();
}

static void
a_group_may_have_virtual_members(void **state)
{
	static const int losses[] = {0, 1, 7};

	(void) state;
	make_coded(9, 2);
	encode();
	drop_surplus();
	expect_all();
	expect_all_without(losses, 3);
	restart_node(&coded.node);
	expect_all();
	end_coded();
}

static bool
stop_at_once(void *arg, uint64_t done, uint64_t total)
{
	(void) total;
	return done < *(uint64_t *) arg;
}

static int
parities_here(void)
{
	int count = 0;

	for (int p = 6; p < 9; p++)
	{
		struct pd_extent *extent = pd_extent_find(coded.node.drives[p], PK_EXTENT_PARITY, VOLUME, p);

		count += extent != NULL;
		pd_extent_unref(extent);
	}
	return count;
}

static void
a_damaged_member_is_not_encoded(void **state)
{
	struct node *node = &coded.node;
	struct pd_progress progress = {stop_at_once, NULL};
	uint64_t length = 0, stop = 0;
	uint64_t open_id = 77;

	(void) state;
	make_coded(9, 6);
	progress.arg = &stop;
	assert_int_equal(pd_volume_encode(node->cell, &coded.members, &progress, &length, &ok_err), PK_ERR_UNAVAILABLE);
	assert_int_equal(parities_here(), 0);
	stop = length + 1; /* while it is proved */
	assert_int_equal(pd_volume_encode(node->cell, &coded.members, &progress, &length, &ok_err), PK_ERR_UNAVAILABLE);
	assert_int_equal(parities_here(), 0);
	flip_byte(node, 3, PK_EXTENT_BUCKET, 4, 0, 700000);
	assert_int_equal(pd_volume_encode(node->cell, &coded.members, NULL, &length, &ok_err), PK_ERR_CORRUPT);
	assert_int_equal(take_reports(node), 1);
	assert_int_equal(parities_here(), 0);
	expect_all();

	/* nor one that is open, or not where it is said to be */
	open_bucket(node, open_id, 3, 3, MIB);
	coded.members.member[3].bucket_id = open_id;
	coded.members.member[3].length = 0;
	assert_int_equal(pd_volume_encode(node->cell, &coded.members, NULL, &length, &ok_err), PK_ERR_STATE);
	coded.members.member[3].bucket_id = 78;
	assert_int_equal(pd_volume_encode(node->cell, &coded.members, NULL, &length, &ok_err), PK_ERR_NOT_FOUND);
	end_coded();
}

/* The encoder computes one byte wrong, and nothing else notices: what it writes has the checksums of what it meant to write. */
static struct
{
	int parity; /* -1: none */
	int call;	/* from 0 */
	int calls;
} miscompute = {-1, 0, 0};

extern void __real_pd_encode(const struct pd_matrix *matrix, size_t length, uint8_t *const *data,
							 uint8_t *const *parity);
extern void __wrap_pd_encode(const struct pd_matrix *matrix, size_t length, uint8_t *const *data,
							 uint8_t *const *parity);

void
__wrap_pd_encode(const struct pd_matrix *matrix, size_t length, uint8_t *const *data, uint8_t *const *parity)
{
	__real_pd_encode(matrix, length, data, parity);
	if (miscompute.parity >= 0 && miscompute.calls++ == miscompute.call)
		parity[miscompute.parity][length / 3] ^= 0x08;
}

static void
parities_that_do_not_yield_the_data_are_refused(void **state)
{
	uint64_t length;

	(void) state;
	make_coded(9, 6);
	for (miscompute.call = 0;; miscompute.call++)
		for (int p = 0; p < 3; p++)
		{
			pk_error rc;

			miscompute.parity = p;
			miscompute.calls = 0;
			rc = pd_volume_encode(coded.node.cell, &coded.members, NULL, &length, &ok_err);
			if (miscompute.calls <= miscompute.call) /* there are no more ranges */
			{
				miscompute.parity = -1;
				assert_ok(rc);
				assert_true(miscompute.call > 1);
				expect_all();
				end_coded();
				return;
			}
			assert_int_equal(rc, PK_ERR_CORRUPT);
			assert_int_equal(parities_here(), 0);
		}
}

static void
an_encoding_order_may_come_twice(void **state)
{
	uint64_t length;

	(void) state;
	make_coded(9, 6);
	encode();
	assert_ok(pd_volume_encode(coded.node.cell, &coded.members, NULL, &length, &ok_err));
	flip_byte(&coded.node, 2, PK_EXTENT_BUCKET, 3, 0, 100);
	assert_int_equal(pd_volume_encode(coded.node.cell, &coded.members, NULL, &length, &ok_err), PK_ERR_CORRUPT);
	assert_int_equal(parities_here(), 3); /* they may be members already */
	end_coded();
}

static void
parities_of_an_encoding_that_was_rolled_back_can_go(void **state)
{
	struct node *node = &coded.node;
	uint64_t length, bytes;
	int settled;

	(void) state;
	make_coded(9, 6);
	encode();
	/* of the generation of what it would replace: no encoding of this cell's */
	assert_int_equal(pd_extent_drop(node->cell, node->uuids[7], PK_EXTENT_PARITY, VOLUME, 7, &bytes, &ok_err),
					 PK_ERR_STATE);
	coded.members.volume_id = VOLUME + 1;
	assert_ok(pd_volume_encode(node->cell, &coded.members, NULL, &length, &ok_err));
	assert_ok(pd_volume_settle(node->cell, &coded.members, &settled, &ok_err));
	assert_int_equal(settled, 9);
	restart_node(node);
	for (int p = 6; p < 9; p++)
	{
		assert_ok(pd_extent_drop(node->cell, node->uuids[p], PK_EXTENT_PARITY, VOLUME, p, &bytes, &ok_err));
		assert_true(bytes > 0);
		assert_int_equal(pd_extent_drop(node->cell, node->uuids[p], PK_EXTENT_PARITY, VOLUME + 1, p, &bytes, &ok_err),
						 PK_ERR_STATE);
	}
	expect_all();
	end_coded();
}

static void
an_attempt_at_encoding_can_go_before_another_one(void **state)
{
	struct node *node = &coded.node;
	struct pd_members earlier;
	struct pd_extent *told;
	uint64_t bytes;

	(void) state;
	make_coded(9, 5);
	coded.members.generation = 2;
	encode();
	/* not while a member is away, and it cannot be seen whether it was told of the volume */
	kill_node(node);
	move_drive(3, true);
	start_node(node);
	assert_int_equal(pd_extent_drop(node->cell, node->uuids[7], PK_EXTENT_PARITY, VOLUME, 7, &bytes, &ok_err),
					 PK_ERR_STATE);
	kill_node(node);
	move_drive(3, false);
	start_node(node);
	assert_ok(pd_extent_drop(node->cell, node->uuids[7], PK_EXTENT_PARITY, VOLUME, 7, &bytes, &ok_err));
	assert_true(bytes > 0);

	/* one member that was told, now or of an earlier generation, is enough: the rows were committed */
	earlier = coded.members;
	earlier.generation = 1;
	told = pd_extent_find(node->drives[4], PK_EXTENT_BUCKET, 5, 0);
	for (int i = 0; i < 2; i++)
	{
		assert_ok(pd_extent_set_members(told, i == 0 ? &earlier : &coded.members, &ok_err));
		for (int p = 6; p < 9; p += 2)
			assert_int_equal(pd_extent_drop(node->cell, node->uuids[p], PK_EXTENT_PARITY, VOLUME, p, &bytes, &ok_err),
							 PK_ERR_STATE);
	}
	pd_extent_unref(told);
	expect_all();
	end_coded();
}

/* Fails the nth call on one drive during `work`; returns whether a call failed. */
static bool
with_fault(struct pd_faults *faults, long nth, pk_error (*work)(void))
{
	long before = faults->failed;
	pk_error rc;

	faults->nth = faults->count + nth;
	rc = work();
	faults->nth = 0;
	if (faults->failed == before)
		assert_ok(rc);
	return faults->failed != before;
}

static pk_error
encode_and_drop(void)
{
	uint64_t length, bytes;
	int settled;
	pk_error rc = pd_volume_encode(coded.node.cell, &coded.members, NULL, &length, &ok_err);

	if (rc == PK_OK)
		rc = pd_volume_settle(coded.node.cell, &coded.members, &settled, &ok_err);
	for (int b = 0; rc == PK_OK && b < coded.buckets; b++)
	{
		for (int r = 1; rc == PK_OK && r < 3; r++)
			rc = pd_extent_drop(coded.node.cell, coded.node.uuids[(b + r) % coded.node.count], PK_EXTENT_BUCKET,
								(uint64_t) b + 1, 0, &bytes, &ok_err);
	}
	return rc;
}

static pk_error
rebuild_two(void)
{
	struct pd_members members = coded.members;
	int settled;
	pk_error rc;

	members.generation = 2;
	memcpy(members.member[1].drive, coded.node.uuids[9], PK_UUID_SIZE);
	memcpy(members.member[8].drive, coded.node.uuids[10], PK_UUID_SIZE);
	rc = pd_volume_rebuild(coded.node.cell, &members, 1 << 1 | 1 << 8, NULL, &ok_err);
	if (rc == PK_OK)
		rc = pd_volume_settle(coded.node.cell, &members, &settled, &ok_err);
	return rc;
}

/* Whichever call fails, while it encodes, settles, drops or rebuilds: every block is read, then and after a restart. */
static void
no_failing_call_loses_a_block(void **state)
{
	static const char *const drives[] = {"d02/", "d06/", "d09/"};
	struct pd_faults faults = {.below = &pd_vfs_real, .op = PD_FAULT_ANY, .error = EIO};
	struct pd_vfs *vfs = pd_vfs_faulty(&faults);
	int faulted = 0;

	(void) state;
	coded_vfs = vfs;
	for (size_t d = 0; d < sizeof(drives) / sizeof(drives[0]); d++)
	{
		bool more = true;

		for (long nth = 1; more; nth += 1 + nth / 12)
		{
			faults.path_part = drives[d];
			make_coded(11, 2);
			more = with_fault(&faults, nth, encode_and_drop);
			expect_all();
			if (!more || d == 2)
				more = with_fault(&faults, nth, rebuild_two) || more;
			expect_all();
			restart_node(&coded.node);
			expect_all();
			end_coded();
			faulted += more;
		}
	}
	print_message("%d faults\n", faulted);
	coded_vfs = &pd_vfs_real;
	pd_vfs_faulty_free(vfs);
}

static void
what_replaces_is_durable_before_anything_goes(void **state)
{
	static const int losses[] = {0, 4, 7};
	struct pd_vfs *vfs = pd_vfs_record(&pd_vfs_real);

	(void) state;
	coded_vfs = vfs;
	make_coded(11, 6);
	assert_ok(encode_and_drop());
	kill_node(&coded.node);
	assert_int_equal(pd_vfs_record_crash(vfs, PD_CRASH_NOTHING, 1), 0);
	start_node(&coded.node);
	expect_all_without(losses, 3);
	assert_ok(rebuild_two());
	kill_node(&coded.node);
	assert_int_equal(pd_vfs_record_crash(vfs, PD_CRASH_NOTHING, 2), 0);
	start_node(&coded.node);
	expect_all_without(losses, 3);
	end_coded();
	coded_vfs = &pd_vfs_real;
	pd_vfs_record_free(vfs);
}

static void
scrubbing_finds_damage_within_its_budget(void **state)
{
	struct node *node = &coded.node;
	char after[PK_EXTENT_FILE] = "";
	char next[PK_EXTENT_FILE];
	char path[256];
	uint64_t bytes, total = 0;
	int given = 0, calls = 0;

	(void) state;
	make_coded(9, 6);
	encode();
	flip_byte(node, 4, PK_EXTENT_BUCKET, 5, 0, 123456);
	flip_byte(node, 4, PK_EXTENT_BUCKET, 3, 0, 5);
	do
	{
		assert_ok(pd_drive_scrub(node->cell, node->uuids[4], after, 1, next, &bytes, count_report, &given, &ok_err));
		memcpy(after, next, sizeof(after));
		total += bytes;
		calls++;
	} while (next[0] != '\0');
	assert_int_equal(calls, 3);
	assert_int_equal(given, 2);
	assert_int_equal(take_reports(node), 2);
	assert_true(total > 3 * MIB);
	assert_ok(pd_drive_scrub(node->cell, node->uuids[4], "", UINT64_MAX, next, &bytes, count_report, &given, &ok_err));
	assert_int_equal(bytes, total);
	assert_int_equal(given, 4);

	/* a member that is gone */
	kill_node(node);
	extent_path(node, 8, PK_EXTENT_PARITY, VOLUME, 8, path, sizeof(path));
	assert_int_equal(unlink(path), 0);
	start_node(node);
	given = 0;
	assert_ok(pd_drive_scrub(node->cell, node->uuids[8], "", UINT64_MAX, next, &bytes, count_report, &given, &ok_err));
	assert_int_equal(given, 1);
	assert_int_equal(pd_drive_scrub(node->cell, test_cell, "", 1, next, &bytes, NULL, NULL, &ok_err), PK_ERR_NOT_FOUND);
	end_coded();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_three_drives_may_be_lost),
		cmocka_unit_test(damage_is_read_around_and_reported),
		cmocka_unit_test(lost_members_are_rebuilt_on_spare_drives),
		cmocka_unit_test(a_member_helps_with_its_own_good_places),
		cmocka_unit_test(a_short_replica_is_no_source),
		cmocka_unit_test(surplus_stays_while_its_member_is_away),
		cmocka_unit_test(damaged_members_are_rebuilt_in_place),
		cmocka_unit_test(what_reads_back_otherwise_is_no_member),
		cmocka_unit_test(replicas_are_rebuilt_from_replicas),
		cmocka_unit_test(a_group_may_have_virtual_members),
		cmocka_unit_test(a_damaged_member_is_not_encoded),
		cmocka_unit_test(parities_that_do_not_yield_the_data_are_refused),
		cmocka_unit_test(an_encoding_order_may_come_twice),
		cmocka_unit_test(parities_of_an_encoding_that_was_rolled_back_can_go),
		cmocka_unit_test(an_attempt_at_encoding_can_go_before_another_one),
		cmocka_unit_test(no_failing_call_loses_a_block),
		cmocka_unit_test(what_replaces_is_durable_before_anything_goes),
		cmocka_unit_test(scrubbing_finds_damage_within_its_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
