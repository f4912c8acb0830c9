/*
 * Large blocks that are opened while they are sent: out of the page cache, and only for who checks them himself.
 */
#include "contract/pk_record.h"
#include "harness.h"

#define LENGTH (MIB + 4321)

static int reads;	/* of the drive */
static int forgets; /* after so many reads of the page cache it has nothing; -1: never */

static ssize_t
counting_pread(const struct pd_vfs *vfs, int fd, void *buf, size_t n, uint64_t offset)
{
	reads++;
	return pd_vfs_real.pread(vfs, fd, buf, n, offset);
}

static bool
all_cached(const struct pd_vfs *vfs, int fd, uint64_t offset, size_t n)
{
	(void) vfs, (void) fd, (void) offset, (void) n;
	return forgets != 0;
}

/* The file system of the test may be one that cannot tell. */
static ssize_t
forgetful_pread_cached(const struct pd_vfs *vfs, int fd, void *buf, size_t n, uint64_t offset)
{
	if (forgets == 0)
		return -EAGAIN;
	forgets -= forgets > 0;
	return pd_vfs_real.pread(vfs, fd, buf, n, offset);
}

static void
make(struct node *node, struct pd_vfs *vfs, struct block *block)
{
	*vfs = pd_vfs_real;
	vfs->pread = counting_pread;
	vfs->cached = all_cached;
	vfs->pread_cached = forgetful_pread_cached;
	forgets = -1;
	make_node(node, 2, vfs);
	open_bucket(node, 1, 0, 2, 8 * MIB);
	make_block(block, 1, LENGTH, 1);
	put_blocks(node, block, 1);
	assert_ok(block->put.result);
	block->reader_checks = true;
	reads = 0;
}

static void
count_reports(void *arg, const struct pd_report *report)
{
	(void) report;
	(*(int *) arg)++;
}

static int
reports_of(struct node *node)
{
	int count = 0;

	pd_cell_each_report(node->cell, count_reports, &count);
	return count;
}

static void
what_is_cached_is_streamed(void **state)
{
	struct node node = {0};
	struct pd_vfs vfs;
	struct block block;

	(void) state;
	make(&node, &vfs, &block);
	assert_ok(get_block(&node, &block, NULL));
	assert_int_equal(reads, 0);
	/* not for who takes our word for it, nor out of a cache that has nothing */
	block.reader_checks = false;
	assert_ok(get_block(&node, &block, NULL));
	assert_true(reads > 0);
	reads = 0;
	block.reader_checks = true;
	forgets = 0;
	assert_ok(get_block(&node, &block, NULL));
	assert_true(reads > 0);
	free_blocks(&block, 1);
	end_node(&node);
}

static void
a_small_or_compressed_block_is_not(void **state)
{
	struct node node = {0};
	struct pd_vfs vfs;
	struct block block;
	struct block others[2];

	(void) state;
	make(&node, &vfs, &block);
	make_block(&others[0], 1, 300000, 2);
	make_block(&others[1], 1, LENGTH, 3);
	put_blocks(&node, others, 2);
	for (int i = 0; i < 2; i++)
	{
		reads = 0;
		others[i].reader_checks = true;
		assert_ok(get_block(&node, &others[i], NULL));
		assert_true(reads > 0);
	}
	free_blocks(&block, 1);
	free_blocks(others, 2);
	end_node(&node);
}

/* Whoever asks for a flipped byte does not get the end of it, and the second time another replica. */
static void
damage_ends_a_stream_and_is_reported(void **state)
{
	struct node node = {0};
	struct pd_vfs vfs;
	struct block block;
	int broken = 0;

	(void) state;
	make(&node, &vfs, &block);
	flip_byte(&node, 0, PK_EXTENT_BUCKET, 1, 0, PK_RECORD_HEADER + LENGTH - 1);
	for (int i = 0; i < 4; i++)
	{
		pk_error rc = get_block(&node, &block, NULL);

		assert_true(rc == PK_OK || rc == PK_ERR_CORRUPT);
		broken += rc == PK_ERR_CORRUPT;
		block.reader_checks = false;
		assert_ok(get_block(&node, &block, NULL));
		block.reader_checks = true;
	}
	assert_true(broken > 0);
	assert_int_equal(reports_of(&node), 1);
	free_blocks(&block, 1);
	end_node(&node);
}

static void
a_cache_that_forgets_ends_a_stream_and_is_no_damage(void **state)
{
	struct node node = {0};
	struct pd_vfs vfs;
	struct block block;

	(void) state;
	make(&node, &vfs, &block);
	forgets = 4; /* the header, and three pieces */
	assert_int_equal(get_block(&node, &block, NULL), PK_ERR_BUSY);
	assert_int_equal(reports_of(&node), 0);
	free_blocks(&block, 1);
	end_node(&node);
}

static int
no_descriptor(const struct pd_vfs *vfs, const char *path, int flags, mode_t mode)
{
	(void) vfs, (void) path, (void) flags, (void) mode;
	return -EMFILE;
}

/* Each stream keeps a descriptor: when there are no more, nothing is said of the drives. */
static void
a_lack_of_descriptors_is_no_damage(void **state)
{
	struct node node = {0};
	struct pd_vfs vfs;
	struct block block;

	(void) state;
	make(&node, &vfs, &block);
	vfs.open = no_descriptor;
	assert_int_equal(get_block(&node, &block, NULL), PK_ERR_NO_MEMORY);
	assert_int_equal(reports_of(&node), 0);
	vfs.open = pd_vfs_real.open;
	assert_ok(get_block(&node, &block, NULL));
	free_blocks(&block, 1);
	end_node(&node);
}

/* What a reader has begun to get, he gets, though the file goes meanwhile. */
static void
a_stream_outlives_its_file(void **state)
{
	struct node node = {0};
	struct pd_vfs vfs;
	struct block block;
	struct reading reading;
	struct pd_get *get = &reading.get;
	char path[256];
	uint64_t length;

	(void) state;
	make(&node, &vfs, &block);
	assert_ok(pd_bucket_seal(node.cell, 1, &length, &ok_err));
	ask_for(&reading, &node, &block);
	assert_int_equal(get->result, PK_OK);
	assert_non_null(get->stream);
	for (int i = 0; i < 2; i++)
	{
		extent_path(&node, i, PK_EXTENT_BUCKET, 1, 0, path, sizeof(path));
		assert_int_equal(unlink(path), 0);
	}
	assert_ok(read_stream(get, &block));
	free_blocks(&block, 1);
	end_node(&node);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_cached_is_streamed),
		cmocka_unit_test(a_small_or_compressed_block_is_not),
		cmocka_unit_test(damage_ends_a_stream_and_is_reported),
		cmocka_unit_test(a_cache_that_forgets_ends_a_stream_and_is_no_damage),
		cmocka_unit_test(a_lack_of_descriptors_is_no_damage),
		cmocka_unit_test(a_stream_outlives_its_file),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
