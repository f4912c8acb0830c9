/*
 * regress/unit/volume/test_inventory.c
 *	  What a drive says that it holds: all of it, page by page, and where it is
 *	  not what it was.
 */
#include "harness.h"

#define RECORDS 40

struct told
{
	int extents;
	int open;
	int problems;
	int damaged;
	char file[PK_EXTENT_FILE]; /* of the last extent */
	int records;
	pk_record record[RECORDS];
	int damages;
	uint64_t damage_begin;
	uint64_t damage_end;
};

static void
tell_extent(void *arg, const struct pd_extent_info *info, bool open, const char *problem)
{
	struct told *told = arg;

	assert_true(strcmp(told->file, info->file) < 0);
	memcpy(told->file, info->file, sizeof(told->file));
	told->extents++;
	told->open += open;
	told->problems += problem != NULL;
}

static void
tell_damaged(void *arg, const char *file, const char *why)
{
	struct told *told = arg;

	assert_true(file[0] != '\0' && why[0] != '\0');
	told->damaged++;
}

static void
tell_record(void *arg, const pk_record *record)
{
	struct told *told = arg;

	assert_true(told->records < RECORDS);
	told->record[told->records++] = *record;
}

static void
tell_damage(void *arg, uint64_t offset, uint64_t length, const char *problem)
{
	struct told *told = arg;

	assert_true(length > 0 && problem[0] != '\0');
	told->damages++;
	told->damage_begin = offset;
	told->damage_end = offset + length;
}

static struct pd_inventory
into(struct told *told)
{
	memset(told, 0, sizeof(*told));
	return (struct pd_inventory){tell_extent, tell_damaged, tell_record, tell_damage, told};
}

/* All extents of a drive, max at a time; returns the pages. */
static int
list(struct node *node, int drive, int max, struct told *told)
{
	struct pd_inventory inventory = into(told);
	char next[PK_EXTENT_FILE] = "";
	char after[PK_EXTENT_FILE];
	int pages = 0;

	do
	{
		memcpy(after, next, sizeof(after));
		assert_ok(pd_drive_list(node->cell, node->uuids[drive], after, max, &inventory, next, &ok_err));
		pages++;
	} while (next[0] != '\0');
	return pages;
}

static int
records(struct node *node, int drive, uint64_t bucket_id, int max, struct told *told)
{
	struct pd_inventory inventory = into(told);
	uint64_t at = 0;
	uint64_t length;
	int pages = 0;

	do
	{
		uint64_t before = at;

		assert_ok(pd_drive_records(node->cell, node->uuids[drive], bucket_id, &at, max, &inventory, &length, &ok_err));
		assert_true(at > before || length == 0);
		pages++;
	} while (at < length);
	assert_int_equal(at, length);
	return pages;
}

static void
expect_record(const pk_record *record, const struct block *block)
{
	assert_int_equal(record->offset, block->put.offset);
	assert_int_equal(record->length, block->put.length);
	assert_int_equal(record->crc32c, block->put.crc32c);
	assert_memory_equal(record->hash, block->put.hash, PK_SHA256_SIZE);
}

/* Blocks of many sizes, put one by one so that they lie in this order. */
static void
fill(struct node *node, uint64_t bucket_id, struct block *blocks, int count)
{
	for (int i = 0; i < count; i++)
	{
		make_block(&blocks[i], bucket_id, i % 4 == 3 ? 300000 : 100 + (uint32_t) i, bucket_id * 100 + (uint64_t) i);
		put_blocks(node, &blocks[i], 1);
		assert_int_equal(blocks[i].put.result, PK_OK);
	}
}

static void
a_drive_lists_its_extents_page_by_page(void **state)
{
	struct node node;
	struct told told;
	struct block block;
	char path[256];
	uint64_t length;

	(void) state;
	make_node(&node, 2, &pd_vfs_real);
	assert_int_equal(list(&node, 0, 1, &told), 1);
	assert_int_equal(told.extents, 0);
	for (uint64_t id = 1; id <= 5; id++)
		open_bucket(&node, id, 0, 2, MIB);
	fill(&node, 1, &block, 1);
	assert_ok(pd_bucket_seal(node.cell, 1, &length, &ok_err));
	assert_int_equal(list(&node, 0, 1, &told), 5);
	assert_int_equal(told.extents, 5);
	assert_int_equal(told.open, 4);
	assert_int_equal(told.problems, 0);
	assert_int_equal(list(&node, 0, 5, &told), 1);
	assert_int_equal(list(&node, 0, 4, &told), 2);

	/* what went behind pocketd's back is told at once; what lost its header, after a start */
	extent_path(&node, 0, PK_EXTENT_BUCKET, 3, 0, path, sizeof(path));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(list(&node, 0, 256, &told), 1);
	assert_int_equal(told.extents, 5);
	assert_int_equal(told.problems, 1);
	extent_path(&node, 0, PK_EXTENT_BUCKET, 1, 0, path, sizeof(path));
	assert_int_equal(truncate(path, 100), 0);
	assert_int_equal(list(&node, 0, 256, &told), 1);
	assert_int_equal(told.problems, 2);
	free_blocks(&block, 1);
	kill_node(&node);
	start_node(&node);
	(void) list(&node, 0, 1, &told);
	assert_int_equal(told.extents, 3);
	assert_int_equal(told.damaged, 1);
	assert_int_equal(told.open, 0);
	assert_int_equal(pd_drive_list(node.cell, test_cell, "", 1, &(struct pd_inventory){0}, path, &ok_err),
					 PK_ERR_NOT_FOUND);
	/* a drive that went as a whole has not lost extents one by one */
	drive_path(&node, 1, path, sizeof(path));
	remove_tree(path);
	{
		struct pd_inventory inventory = into(&told);
		char next[PK_EXTENT_FILE];

		assert_int_equal(pd_drive_list(node.cell, node.uuids[1], "", 256, &inventory, next, &ok_err),
						 PK_ERR_UNAVAILABLE);
	}
	end_node(&node);
}

static void
records_are_told_while_open_and_when_sealed(void **state)
{
	struct node node;
	struct told told;
	struct block blocks[RECORDS];
	struct pd_inventory inventory = into(&told);
	uint64_t length;
	uint64_t at;

	(void) state;
	make_node(&node, 2, &pd_vfs_real);
	open_bucket(&node, 1, 0, 2, 64 * MIB);
	assert_int_equal(records(&node, 0, 1, 1, &told), 1);
	assert_int_equal(told.records, 0);
	fill(&node, 1, blocks, RECORDS);
	for (int sealed = 0; sealed < 2; sealed++)
	{
		assert_int_equal(records(&node, 1, 1, 3, &told), (RECORDS + 2) / 3);
		assert_int_equal(told.records, RECORDS);
		assert_int_equal(told.damages, 0);
		for (int i = 0; i < RECORDS; i++)
			expect_record(&told.record[i], &blocks[i]);
		assert_ok(pd_bucket_seal(node.cell, 1, &length, &ok_err));
	}
	at = length + PK_RECORD_ALIGN;
	assert_int_equal(pd_drive_records(node.cell, node.uuids[0], 1, &at, 1, &inventory, &length, &ok_err),
					 PK_ERR_NOT_FOUND);
	assert_int_equal(pd_drive_records(node.cell, node.uuids[0], 2, &at, 1, &inventory, &length, &ok_err),
					 PK_ERR_NOT_FOUND);
	free_blocks(blocks, RECORDS);
	end_node(&node);
}

static void
damage_is_told_and_stepped_over(void **state)
{
	struct node node;
	struct told told;
	struct block blocks[RECORDS];
	uint64_t length;

	(void) state;
	make_node(&node, 2, &pd_vfs_real);
	open_bucket(&node, 1, 0, 2, 64 * MIB);
	fill(&node, 1, blocks, RECORDS);
	assert_ok(pd_bucket_seal(node.cell, 1, &length, &ok_err));

	/* a payload is the scrubber's business */
	flip_byte(&node, 0, PK_EXTENT_BUCKET, 1, 0, blocks[7].put.offset + PK_RECORD_HEADER + 50);
	(void) records(&node, 0, 1, 4, &told);
	assert_int_equal(told.records, RECORDS);
	flip_byte(&node, 0, PK_EXTENT_BUCKET, 1, 0, blocks[7].put.offset + 16);
	flip_byte(&node, 0, PK_EXTENT_BUCKET, 1, 0, blocks[8].put.offset);
	(void) records(&node, 0, 1, 4, &told);
	assert_int_equal(told.records, RECORDS - 2);
	assert_int_equal(told.damages, 1);
	assert_int_equal(told.damage_begin, blocks[7].put.offset);
	assert_int_equal(told.damage_end, blocks[9].put.offset);
	expect_record(&told.record[7], &blocks[9]);

	/* up to the end; one page may hold nothing but damage */
	flip_byte(&node, 0, PK_EXTENT_BUCKET, 1, 0, blocks[RECORDS - 1].put.offset + 40);
	(void) records(&node, 0, 1, 1, &told);
	assert_int_equal(told.records, RECORDS - 3);
	assert_int_equal(told.damages, 2);
	assert_int_equal(told.damage_end, length);

	/* the other drive is as it was */
	(void) records(&node, 1, 1, 4096, &told);
	assert_int_equal(told.records, RECORDS);
	assert_int_equal(told.damages, 0);
	free_blocks(blocks, RECORDS);
	end_node(&node);
}

static void
a_long_stretch_without_records_is_searched_in_parts(void **state)
{
	struct node node;
	struct told told;
	struct block blocks[2];
	char path[256];
	uint8_t *zeros = calloc(1, 80 * MIB);
	uint64_t length;
	int fd;

	(void) state;
	assert_non_null(zeros);
	make_node(&node, 1, &pd_vfs_real);
	open_bucket(&node, 1, 0, 1, 256 * MIB);
	make_block(&blocks[0], 1, 100, 1);
	put_blocks(&node, blocks, 1);
	for (int i = 0; i < 20; i++)
	{
		make_block(&blocks[1], 1, 4 * MIB, 1000 + (uint64_t) i * 3 + 1);
		put_blocks(&node, &blocks[1], 1);
		free_blocks(&blocks[1], 1);
	}
	make_block(&blocks[1], 1, 100, 2);
	put_blocks(&node, &blocks[1], 1);
	assert_ok(pd_bucket_seal(node.cell, 1, &length, &ok_err));
	extent_path(&node, 0, PK_EXTENT_BUCKET, 1, 0, path, sizeof(path));
	fd = open(path, O_RDWR);
	length = blocks[1].put.offset - blocks[0].put.stored_length;
	assert_true(length >= 80 * MIB);
	for (uint64_t done = 0; done < length;)
	{
		uint64_t n = length - done < 80 * MIB ? length - done : 80 * MIB;

		assert_int_equal(pwrite(fd, zeros, n, (off_t) (PD_EXTENT_DATA + blocks[0].put.stored_length + done)),
						 (ssize_t) n);
		done += n;
	}
	close(fd);
	free(zeros);
	assert_true(records(&node, 0, 1, 4096, &told) > 1);
	assert_int_equal(told.records, 2);
	expect_record(&told.record[1], &blocks[1]);
	assert_true(told.damages > 1);
	assert_int_equal(told.damage_end, blocks[1].put.offset);
	free_blocks(blocks, 2);
	end_node(&node);
}

static void
note_offset(void *arg, uint64_t offset, const char *text)
{
	uint64_t *told = arg;

	assert_true(text[0] != '\0');
	told[1 + told[0]++] = offset;
}

static void
as_get(struct pd_get *get, const struct block *block)
{
	memset(get, 0, sizeof(*get));
	get->bucket_id = block->put.bucket_id;
	get->offset = block->put.offset;
	get->stored_length = block->put.stored_length;
	get->length = block->put.length;
	memcpy(get->hash, block->put.hash, PK_SHA256_SIZE);
}

/* One replica is as good as the other for a reader, who would not notice what this does. */
static void
a_block_is_read_back_from_the_drive_that_is_named(void **state)
{
	struct node node;
	struct block blocks[8];
	struct pd_get gets[8];
	uint64_t length;

	(void) state;
	make_node(&node, 2, &pd_vfs_real);
	open_bucket(&node, 1, 0, 2, 64 * MIB);
	fill(&node, 1, blocks, 8);
	for (int i = 0; i < 8; i++)
		as_get(&gets[i], &blocks[i]);
	for (int sealed = 0; sealed < 2; sealed++)
	{
		for (int drive = 0; drive < 2; drive++)
		{
			uint64_t told[9] = {0};

			assert_ok(pd_drive_watch(node.cell, node.uuids[drive], gets, 8, NULL, note_offset, told, &ok_err));
			assert_int_equal(told[0], 0);
		}
		assert_int_equal(take_reports(&node), 0);
		assert_ok(pd_bucket_seal(node.cell, 1, &length, &ok_err));
	}
	flip_byte(&node, 1, PK_EXTENT_BUCKET, 1, 0, blocks[5].put.offset + PK_RECORD_HEADER + 7);
	flip_byte(&node, 1, PK_EXTENT_BUCKET, 1, 0, blocks[2].put.offset + 9);
	for (int drive = 0; drive < 2; drive++)
	{
		uint64_t told[9] = {0};

		assert_ok(pd_drive_watch(node.cell, node.uuids[drive], gets, 8, NULL, note_offset, told, &ok_err));
		assert_int_equal(told[0], drive == 0 ? 0 : 2);
		assert_true(drive == 0 || (told[1] == blocks[2].put.offset && told[2] == blocks[5].put.offset));
	}
	assert_int_equal(take_reports(&node), 0);
	/* a row that is wrong is told like a block that is */
	gets[0].hash[0] ^= 1;
	gets[1].offset = length;
	{
		uint64_t told[9] = {0};

		assert_ok(pd_drive_watch(node.cell, node.uuids[0], gets, 8, NULL, note_offset, told, &ok_err));
		assert_int_equal(told[0], 2);
		gets[0].bucket_id = 9;
		assert_int_equal(pd_drive_watch(node.cell, node.uuids[0], gets, 1, NULL, note_offset, told, &ok_err),
						 PK_ERR_NOT_FOUND);
	}
	free_blocks(blocks, 8);
	end_node(&node);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_drive_lists_its_extents_page_by_page),
		cmocka_unit_test(records_are_told_while_open_and_when_sealed),
		cmocka_unit_test(damage_is_told_and_stepped_over),
		cmocka_unit_test(a_block_is_read_back_from_the_drive_that_is_named),
		cmocka_unit_test(a_long_stretch_without_records_is_searched_in_parts),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
