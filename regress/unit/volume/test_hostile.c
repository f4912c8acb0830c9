/*
 * regress/unit/volume/test_hostile.c
 *	  A drive whose files somebody else wrote, with valid checksums: it may cost
 *	  itself, and neither another drive's bytes nor the process.
 */
#include <signal.h>

#include "contract/pk_limits.h"
#include "contract/pk_record.h"
#include "harness.h"

/* A bucket with one block of 1,000 bytes on r drives from `first` on, sealed. Returns its length. */
static uint64_t
make_sealed(struct node *node, int drives, int first, int r, struct block *block)
{
	uint64_t length;

	make_node(node, drives, &pd_vfs_real);
	open_bucket(node, 1, first, r, MIB);
	make_block(block, 1, 1000, 1);
	put_blocks(node, block, 1);
	assert_int_equal(block->put.result, PK_OK);
	assert_ok(pd_bucket_seal(node->cell, 1, &length, &ok_err));
	return length;
}

static int
open_extent(const struct node *node, int drive, pk_extent_kind kind, uint64_t id, int position)
{
	char path[256];
	int fd;

	extent_path(node, drive, kind, id, position, path, sizeof(path));
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	return fd;
}

static void
read_bytes(int fd, void *buf, size_t n, uint64_t at)
{
	assert_int_equal(pread(fd, buf, n, (off_t) at), n);
}

static void
write_bytes(int fd, const void *buf, size_t n, uint64_t at)
{
	assert_int_equal(pwrite(fd, buf, n, (off_t) at), n);
}

/* A sealed parity on one drive whose slot tells these members. */
static void
plant_parity(struct node *node, int drive, const struct pd_members *members, int position, size_t length)
{
	struct pd_extent_build *build;
	uint8_t *zeros = calloc(1, length + 1);

	assert_non_null(zeros);
	assert_ok(pd_extent_build_begin(node->drives[drive], PK_EXTENT_PARITY, members->volume_id, position, test_cell,
									members, length, &build, &ok_err));
	assert_ok(pd_extent_build_write(build, zeros, length, &ok_err));
	assert_ok(pd_extent_build_finish(build, NULL, &ok_err));
	free(zeros);
}

/* A coded volume of one bucket and one parity. */
static void
mirrored(struct node *node, struct pd_members *members, uint64_t id, uint64_t bucket_id, int data, int parity)
{
	memset(members, 0, sizeof(*members));
	members->volume_id = id;
	members->generation = 1;
	members->code = (pk_code){PK_CODE_RS, 1, 1};
	members->count = 2;
	members->member[0].bucket_id = bucket_id;
	memcpy(members->member[0].drive, node->uuids[data], PK_UUID_SIZE);
	memcpy(members->member[1].drive, node->uuids[parity], PK_UUID_SIZE);
}

static void
a_record_that_says_not_encrypted_is_refused(void **state)
{
	struct node node;
	struct block block;
	uint8_t head[PK_RECORD_HEADER];
	uint8_t *forged;
	pk_record record;
	int fd;

	(void) state;
	make_sealed(&node, 1, 0, 1, &block);
	fd = open_extent(&node, 0, PK_EXTENT_BUCKET, 1, 0);
	read_bytes(fd, head, sizeof(head), PD_EXTENT_DATA);
	assert_ok(pk_record_decode(&record, head, 1, 0));
	forged = malloc(record.payload_length);
	assert_non_null(forged);
	memset(forged, 'X', record.payload_length);
	record.cipher = PK_CIPHER_NONE;
	memset(record.tag, 0, sizeof(record.tag));
	record.crc32c = record.payload_crc32c = pk_crc32c(0, forged, record.payload_length);
	pk_record_encode(head, &record);
	write_bytes(fd, head, sizeof(head), PD_EXTENT_DATA);
	write_bytes(fd, forged, record.payload_length, PD_EXTENT_DATA + PK_RECORD_HEADER);
	close(fd);
	free(forged);
	assert_int_equal(get_block(&node, &block, NULL), PK_ERR_BLOCK_LOST);
	free_blocks(&block, 1);
	end_node(&node);
}

static void
a_header_that_names_another_block_costs_no_more_than_its_replica(void **state)
{
	struct node node;
	struct block block;
	uint8_t head[PK_RECORD_HEADER];
	pk_record record;
	int fd;

	(void) state;
	make_sealed(&node, 2, 0, 2, &block);
	fd = open_extent(&node, 0, PK_EXTENT_BUCKET, 1, 0);
	read_bytes(fd, head, sizeof(head), PD_EXTENT_DATA);
	assert_ok(pk_record_decode(&record, head, 1, 0));
	record.hash[0] ^= 1;
	pk_record_encode(head, &record);
	write_bytes(fd, head, sizeof(head), PD_EXTENT_DATA);
	close(fd);
	for (int i = 0; i < 4; i++) /* the drives take turns */
		assert_ok(get_block(&node, &block, NULL));
	free_blocks(&block, 1);
	end_node(&node);
}

static void
a_slot_that_puts_a_bucket_in_a_paritys_place_is_not_believed(void **state)
{
	struct node node;
	struct pd_members members;
	struct block block;
	uint64_t length = 0;

	(void) state;
	make_node(&node, 3, &pd_vfs_real);
	open_bucket(&node, 1, 0, 2, MIB);
	make_block(&block, 1, 1000, 1);
	put_blocks(&node, &block, 1);
	mirrored(&node, &members, 99, 0, 0, 1);
	memset(members.member[0].drive, 0, PK_UUID_SIZE);
	members.member[1].bucket_id = 1;
	plant_parity(&node, 2, &members, 1, 0);
	restart_node(&node);
	assert_ok(pd_bucket_seal(node.cell, 1, &length, &ok_err));
	assert_int_equal(length, block.put.stored_length);
	assert_ok(get_block(&node, &block, NULL));
	free_blocks(&block, 1);
	end_node(&node);
}

static void
a_slot_with_an_impossible_code_is_not_believed(void **state)
{
	struct node node;
	struct pd_members members;
	uint8_t page[4096];
	uint64_t bytes;
	uint32_t crc;
	int fd;

	(void) state;
	make_node(&node, 2, &pd_vfs_real);
	mirrored(&node, &members, 99, 7, 0, 1);
	plant_parity(&node, 1, &members, 1, 64);
	kill_node(&node);
	fd = open_extent(&node, 1, PK_EXTENT_PARITY, 99, 1);
	read_bytes(fd, page, sizeof(page), sizeof(page));
	assert_int_equal(page[37], 1); /* k */
	page[37] = 200;
	crc = pk_crc32c(0, page, sizeof(page) - 4);
	pk_put_u32(page + sizeof(page) - 4, crc);
	write_bytes(fd, page, sizeof(page), sizeof(page));
	close(fd);
	start_node(&node);
	assert_int_equal(pd_extent_drop(node.cell, node.uuids[1], PK_EXTENT_PARITY, 99, 1, &bytes, &ok_err), PK_ERR_STATE);
	end_node(&node);
}

/* Slots of coded volumes on drive 0 that name bucket 1 with keys of nobody's. */
static void
plant_keys(struct node *node, int count)
{
	for (int i = 0; i < count; i++)
	{
		struct pd_members members;

		mirrored(node, &members, 77 + (uint64_t) i, 1, 1, 0);
		memset(members.member[0].key, 9 + i, PD_MEMBER_KEY);
		pk_put_u32(members.member[0].key, 1); /* a key of the key file's is said to open it */
		plant_parity(node, 0, &members, 1, 0);
	}
}

static void
another_drives_slot_cannot_hide_a_buckets_key(void **state)
{
	struct node node;
	struct block block;

	(void) state;
	make_sealed(&node, 3, 1, 2, &block);
	plant_keys(&node, 3);
	restart_node(&node);
	assert_ok(get_block(&node, &block, NULL));
	assert_ok(get_block(&node, &block, NULL));
	free_blocks(&block, 1);
	end_node(&node);
}

static void
a_key_of_nobodys_is_not_written_into_new_slots(void **state)
{
	struct node node;
	struct pd_members members, coded;
	struct block block;
	uint64_t length, parity_length;
	struct pd_extent *parity;
	struct pd_extent_info told;
	static const uint8_t planted[4] = {9, 9, 9, 9};

	(void) state;
	length = make_sealed(&node, 4, 1, 2, &block);
	plant_keys(&node, 1);
	restart_node(&node);
	mirrored(&node, &coded, 500, 1, 1, 3);
	coded.generation = 2;
	coded.member[0].length = length;
	assert_ok(pd_volume_encode(node.cell, &coded, NULL, &parity_length, &ok_err));
	parity = pd_extent_find(node.drives[3], PK_EXTENT_PARITY, 500, 1);
	assert_non_null(parity);
	pd_extent_info(parity, &told);
	pd_extent_unref(parity);
	members = told.members;
	assert_int_equal(members.member[0].bucket_id, 1);
	assert_memory_not_equal(members.member[0].key + 8, planted, sizeof(planted));
	free_blocks(&block, 1);
	end_node(&node);
}

static void
what_is_no_regular_file_does_not_stop_the_start(void **state)
{
	struct node node;
	struct block block;
	char path[256], folder[256], target[256];
	char *slash;

	(void) state;
	make_sealed(&node, 3, 0, 2, &block);
	kill_node(&node);
	alarm(60); /* a start that waits for a FIFO's writer would wait forever */

	extent_path(&node, 2, PK_EXTENT_BUCKET, 1, 0, path, sizeof(path));
	snprintf(folder, sizeof(folder), "%s", path);
	slash = strrchr(folder, '/');
	assert_non_null(slash);
	*slash = '\0';
	assert_true(mkdir(folder, 0700) == 0 || errno == EEXIST);
	assert_int_equal(mkfifo(path, 0600), 0);
	start_node(&node);
	assert_ok(get_block(&node, &block, NULL));
	kill_node(&node);

	assert_int_equal(unlink(path), 0);
	extent_path(&node, 0, PK_EXTENT_BUCKET, 1, 0, target, sizeof(target));
	assert_int_equal(symlink(target, path), 0);
	start_node(&node);
	assert_null(pd_extent_find(node.drives[2], PK_EXTENT_BUCKET, 1, 0));
	kill_node(&node);

	/* in the place of a sealed extent, while the process runs */
	assert_int_equal(unlink(path), 0);
	start_node(&node);
	assert_int_equal(unlink(target), 0);
	assert_int_equal(mkfifo(target, 0600), 0);
	for (int i = 0; i < 4; i++)
		assert_ok(get_block(&node, &block, NULL));
	alarm(0);
	free_blocks(&block, 1);
	end_node(&node);
}

static void
a_superblock_that_is_a_fifo_costs_only_its_drive(void **state)
{
	struct node node;
	struct pd_drive *drive;
	char path[256];

	(void) state;
	make_node(&node, 1, &pd_vfs_real);
	kill_node(&node);
	snprintf(path, sizeof(path), "%s/d00/pocket-drive", node.dir);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	alarm(60);
	snprintf(path, sizeof(path), "%s/d00", node.dir);
	drive = pd_drive_open(&pd_vfs_real, path);
	alarm(0);
	assert_non_null(drive);
	assert_false(pd_drive_readable(drive));
	pd_drive_close(drive);
	remove_tree(node.dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_that_says_not_encrypted_is_refused),
		cmocka_unit_test(a_header_that_names_another_block_costs_no_more_than_its_replica),
		cmocka_unit_test(a_slot_that_puts_a_bucket_in_a_paritys_place_is_not_believed),
		cmocka_unit_test(a_slot_with_an_impossible_code_is_not_believed),
		cmocka_unit_test(another_drives_slot_cannot_hide_a_buckets_key),
		cmocka_unit_test(a_key_of_nobodys_is_not_written_into_new_slots),
		cmocka_unit_test(what_is_no_regular_file_does_not_stop_the_start),
		cmocka_unit_test(a_superblock_that_is_a_fifo_costs_only_its_drive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
