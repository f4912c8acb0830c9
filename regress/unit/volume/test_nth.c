/*
 * regress/unit/volume/test_nth.c
 *	  The N-th call of a drive fails, or the N-th allocation, once or from then on,
 *	  N = 1, 2, ... until the operation is not touched any more: an error or
 *	  success, every block that was acknowledged reads, then and after a restart, and
 *	  what was acknowledged is on every replica of its bucket.
 *
 * The build wraps the allocators (sidecar/Makefile).  The drives are in memory.
 * POCKET_NTH_STEP=1 takes every N also under sanitizers, which else take fewer and
 * fewer the higher N is.
 */
#include <limits.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "harness.h"

#include "base/vfs_memory.h"

#if defined(__SANITIZE_THREAD__)
#define STEP_DEFAULT 1
#define VARIANTS 1 /* once only: each run starts threads, which is what costs there */
#elif defined(__SANITIZE_ADDRESS__)
#define STEP_DEFAULT 5
#else
#define STEP_DEFAULT 40
#endif

#ifndef VARIANTS
#define VARIANTS 2 /* once, and from then on */
#endif

#define DRIVES 5
#define PER_BUCKET 3
#define NEW 3
#define VOLUME UINT64_C(100)
#define OPEN_BUCKET UINT64_C(3)
#define NODE_DIR "/node"

/* --- allocations that fail --- */

static atomic_long allocations; /* since arming */
static atomic_long allocations_failed;
static long allocation_nth; /* 0: none fails */
static bool allocation_sticky;

static bool
refuse(void)
{
	long nth;

	if (allocation_nth == 0)
		return false;
	nth = atomic_fetch_add(&allocations, 1) + 1;
	if (nth != allocation_nth && !(allocation_sticky && nth > allocation_nth))
		return false;
	atomic_fetch_add(&allocations_failed, 1);
	errno = ENOMEM;
	return true;
}

extern void *__real_malloc(size_t n);
extern void *__real_calloc(size_t count, size_t n);
extern void *__real_realloc(void *p, size_t n);
extern void *__real_aligned_alloc(size_t alignment, size_t n);
extern char *__real_strdup(const char *s);
extern char *__real_strndup(const char *s, size_t n);
extern void *__real_mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset);
extern void *__wrap_malloc(size_t n);
extern void *__wrap_calloc(size_t count, size_t n);
extern void *__wrap_realloc(void *p, size_t n);
extern void *__wrap_aligned_alloc(size_t alignment, size_t n);
extern char *__wrap_strdup(const char *s);
extern char *__wrap_strndup(const char *s, size_t n);
extern void *__wrap_mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset);

void *
__wrap_malloc(size_t n)
{
	return refuse() ? NULL : __real_malloc(n);
}

void *
__wrap_calloc(size_t count, size_t n)
{
	return refuse() ? NULL : __real_calloc(count, n);
}

void *
__wrap_realloc(void *p, size_t n)
{
	return refuse() ? NULL : __real_realloc(p, n);
}

void *
__wrap_aligned_alloc(size_t alignment, size_t n)
{
	return refuse() ? NULL : __real_aligned_alloc(alignment, n);
}

char *
__wrap_strdup(const char *s)
{
	return refuse() ? NULL : __real_strdup(s);
}

char *
__wrap_strndup(const char *s, size_t n)
{
	return refuse() ? NULL : __real_strndup(s, n);
}

void *
__wrap_mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset)
{
	return refuse() ? MAP_FAILED : __real_mmap(at, n, protection, flags, fd, offset);
}

/* --- the world --- */

enum failing
{
	FAIL_ANY,
	FAIL_SYNC,
	FAIL_WRITE,
	FAIL_ALLOCATION,
	FAILING_COUNT
};

struct world
{
	struct node node;
	struct pd_vfs *tree;
	struct pd_faults faults; /* of drive 1 */
	struct pd_vfs *vfs;
	struct block blocks[NEW]; /* of the open bucket */
	bool opened;
	bool put;
};

typedef pk_error (*step_fn)(struct world *world);

struct operation
{
	const char *name;
	struct pd_vfs **tree;
	step_fn before; /* NULL, or what is done before calls fail */
	step_fn run;	/* NULL: the start itself */
};

static struct pd_vfs *replicated_tree, *coded_tree, *killed_tree;
static struct block old_blocks[2][PER_BUCKET];
static struct pd_members coded;
static uint8_t uuids[DRIVES][PK_UUID_SIZE];
static long faulted[FAILING_COUNT];

static struct pd_vfs *
copy_of(struct pd_vfs *tree)
{
	struct pd_vfs *copy = pd_vfs_memory_cut(tree, pd_vfs_memory_events(tree), PD_CUT_ALL, UINT64_MAX);

	assert_non_null(copy);
	return copy;
}

static void
init_node(struct node *node, const struct pd_vfs *vfs)
{
	*node = (struct node){.dir = NODE_DIR, .count = DRIVES, .vfs = vfs};
	memcpy(node->uuids, uuids, sizeof(uuids));
	node->keys.count = 1;
	node->keys.keys[0].id = 1;
	memset(node->keys.keys[0].secret, 0x5a, PK_KEY_SIZE);
}

static pk_error
open_third(struct world *world)
{
	struct pd_members members;
	pk_error rc;

	replicated(&world->node, &members, OPEN_BUCKET, 0, 3);
	rc = pd_bucket_open(world->node.cell, &members, OPEN_BUCKET, 8 * MIB, &ok_err);
	world->opened = world->opened || rc == PK_OK;
	return rc;
}

static void
make_new_blocks(struct world *world)
{
	for (int i = 0; i < NEW; i++)
		make_block(&world->blocks[i], OPEN_BUCKET, i == 1 ? 200000 : 3000, (uint64_t) (700 + i));
	world->put = true;
}

static pk_error
put_all(struct world *world)
{
	pk_error rc = PK_OK;

	put_blocks(&world->node, world->blocks, 2);
	put_blocks(&world->node, world->blocks + 2, NEW - 2);
	for (int i = 0; i < NEW; i++)
		rc = rc == PK_OK ? world->blocks[i].put.result : rc;
	return rc;
}

static pk_error
open_and_make(struct world *world)
{
	pk_error rc = open_third(world);

	make_new_blocks(world);
	return rc;
}

static pk_error
open_and_put(struct world *world)
{
	pk_error rc = open_and_make(world);

	return rc == PK_OK ? put_all(world) : rc;
}

static pk_error
seal_third(struct world *world)
{
	uint64_t length;

	return pd_bucket_seal(world->node.cell, OPEN_BUCKET, &length, &ok_err);
}

static pk_error
encode(struct world *world)
{
	uint64_t length;

	return pd_volume_encode(world->node.cell, &coded, NULL, &length, &ok_err);
}

static pk_error
settle(struct world *world)
{
	int settled;

	return pd_volume_settle(world->node.cell, &coded, &settled, &ok_err);
}

static pk_error
encode_and_settle(struct world *world)
{
	pk_error rc = encode(world);

	return rc == PK_OK ? settle(world) : rc;
}

/* Bucket 1 is on drives 0 and 1, bucket 2 on 1 and 2; their members are on 0 and 1. */
static pk_error
drop(struct world *world)
{
	uint64_t bytes;
	pk_error rc = pd_extent_drop(world->node.cell, uuids[1], PK_EXTENT_BUCKET, 1, 0, &bytes, &ok_err);

	return rc == PK_OK ? pd_extent_drop(world->node.cell, uuids[2], PK_EXTENT_BUCKET, 2, 0, &bytes, &ok_err) : rc;
}

/* The parity and one of the members change drives: from and to drive 1, where calls fail. */
static pk_error
rebuild(struct world *world)
{
	struct pd_members members = coded;
	int settled;
	pk_error rc;

	members.generation++;
	memcpy(members.member[0].drive, uuids[1], PK_UUID_SIZE);
	memcpy(members.member[1].drive, uuids[3], PK_UUID_SIZE);
	rc = pd_volume_rebuild(world->node.cell, &members, 1 << 0 | 1 << 1, NULL, &ok_err);
	return rc == PK_OK ? pd_volume_settle(world->node.cell, &members, &settled, &ok_err) : rc;
}

static pk_error
scrub(struct world *world)
{
	char next[PK_EXTENT_FILE];
	uint64_t bytes;
	int found = 0;
	pk_error rc =
		pd_drive_scrub(world->node.cell, uuids[1], "", UINT64_MAX, next, &bytes, count_report, &found, &ok_err);

	return rc == PK_OK && found > 0 ? PK_ERR_CORRUPT : rc;
}

static pk_error
get_all(struct world *world)
{
	pk_error rc = PK_OK;

	for (int b = 0; b < 2; b++)
		for (int i = 0; i < PER_BUCKET && rc == PK_OK; i++)
			rc = get_block(&world->node, &old_blocks[b][i], NULL);
	return rc;
}

/* A member is gone: what it had is decoded. */
static pk_error
lose_member(struct world *world)
{
	char path[256];

	extent_path(&world->node, 0, PK_EXTENT_BUCKET, 1, 0, path, sizeof(path));
	return world->tree->unlink(world->tree, path) == 0 ? PK_OK : PK_ERR_IO;
}

static pk_error
admit(struct world *world)
{
	pk_epoch epoch = test_epoch;

	epoch.starts += 5;
	return pd_cell_admit(world->node.cell, test_cell, &epoch, &ok_err);
}

static const struct operation operations[] = {
	{"open", &replicated_tree, NULL, open_third},
	{"put", &replicated_tree, open_and_make, put_all},
	{"seal", &replicated_tree, open_and_put, seal_third},
	{"encode", &replicated_tree, NULL, encode},
	{"settle", &replicated_tree, encode, settle},
	{"drop", &replicated_tree, encode_and_settle, drop},
	{"rebuild", &coded_tree, NULL, rebuild},
	{"scrub", &coded_tree, NULL, scrub},
	{"get", &replicated_tree, NULL, get_all},
	{"degraded get", &coded_tree, lose_member, get_all},
	{"admit", &replicated_tree, NULL, admit},
	{"start", &killed_tree, NULL, NULL},
	{"start with coded volumes", &coded_tree, NULL, NULL},
};

/* --- what is there before: two sealed buckets; coded; or with a third that was open when the process was killed --- */

static int
make_trees(void **state)
{
	struct world world = {0};
	struct node *node = &world.node;
	uint64_t length;

	(void) state;
	world.tree = pd_vfs_memory();
	assert_int_equal(world.tree->mkdir(world.tree, NODE_DIR, 0700), 0);
	make_node_in(node, NODE_DIR, DRIVES, world.tree);
	memcpy(uuids, node->uuids, sizeof(uuids));
	coded.volume_id = VOLUME;
	coded.generation = 1;
	coded.code = (pk_code){PK_CODE_RS, 2, 1};
	coded.count = 3;
	for (int b = 0; b < 2; b++)
	{
		open_bucket(node, (uint64_t) b + 1, b, 2, 8 * MIB);
		for (int i = 0; i < PER_BUCKET; i++)
			make_block(&old_blocks[b][i], (uint64_t) b + 1, (uint32_t) (2000 + 31000 * i + b), (uint64_t) (b * 10 + i));
		put_blocks(node, old_blocks[b], PER_BUCKET);
		assert_ok(pd_bucket_seal(node->cell, (uint64_t) b + 1, &length, &ok_err));
		memcpy(coded.member[b].drive, uuids[b], PK_UUID_SIZE);
		coded.member[b].bucket_id = (uint64_t) b + 1;
		coded.member[b].length = length;
	}
	memcpy(coded.member[2].drive, uuids[2], PK_UUID_SIZE);
	coded.member[2].length = coded.member[0].length > length ? coded.member[0].length : length;
	kill_node(node);
	replicated_tree = copy_of(world.tree);
	start_node(node);
	assert_ok(encode_and_settle(&world));
	assert_ok(drop(&world));
	kill_node(node);
	coded_tree = copy_of(world.tree);
	pd_vfs_memory_free(world.tree);

	world.tree = copy_of(replicated_tree);
	init_node(node, world.tree);
	start_node(node);
	assert_ok(open_and_put(&world));
	kill_node(node);
	killed_tree = copy_of(world.tree);
	free_blocks(world.blocks, NEW);
	pd_vfs_memory_free(world.tree);
	return 0;
}

static int
free_trees(void **state)
{
	(void) state;
	free_blocks(old_blocks[0], PER_BUCKET);
	free_blocks(old_blocks[1], PER_BUCKET);
	pd_vfs_memory_free(replicated_tree);
	pd_vfs_memory_free(coded_tree);
	pd_vfs_memory_free(killed_tree);
	return 0;
}

/* --- the N-th call --- */

static void
arm(struct world *world, enum failing failing, long nth, bool sticky)
{
	static const enum pd_fault_op ops[] = {PD_FAULT_ANY, PD_FAULT_SYNC, PD_FAULT_WRITE};

	atomic_store(&allocations, 0);
	atomic_store(&allocations_failed, 0);
	world->faults.count = world->faults.failed = 0;
	if (failing == FAIL_ALLOCATION)
	{
		allocation_sticky = sticky;
		allocation_nth = nth;
		return;
	}
	world->faults.op = ops[failing];
	world->faults.sticky = sticky;
	world->faults.nth = nth;
}

/* How many calls failed. */
static long
disarm(struct world *world)
{
	long failed = world->faults.failed + atomic_load(&allocations_failed);

	allocation_nth = 0;
	world->faults.nth = 0;
	return failed;
}

/* A start that may find no memory: then there is no node. */
static bool
try_start(struct node *node)
{
	bool well = true;

	node->pool = pd_buffer_pool_create(64 * MIB);
	for (int i = 0; i < node->count; i++)
	{
		char path[128];

		drive_path(node, i, path, sizeof(path));
		node->drives[i] = pd_drive_open(node->vfs, path);
		well = well && node->drives[i] != NULL;
	}
	node->cell = node->pool == NULL || !well
					 ? NULL
					 : pd_cell_create(node->drives, node->count, &node->keys, node->pool, &ok_err);
	if (node->cell != NULL)
		pd_cell_recover(node->cell);
	return node->cell != NULL;
}

static void
end_start(struct node *node)
{
	if (node->cell != NULL)
		pd_cell_free(node->cell);
	for (int i = 0; i < node->count; i++)
		pd_drive_close(node->drives[i]);
	if (node->pool != NULL)
		pd_buffer_pool_free(node->pool);
	node->cell = NULL;
}

static void
expect_old(struct node *node, const char *what)
{
	for (int b = 0; b < 2; b++)
		for (int i = 0; i < PER_BUCKET; i++)
			if (get_block(node, &old_blocks[b][i], NULL) != PK_OK)
				fail_msg("%s: block %d of bucket %d: %s", what, i, b + 1, ok_err.text);
}

static void
expect_new(struct world *world, const char *what)
{
	for (int i = 0; i < NEW && world->put; i++)
		if (world->opened && world->blocks[i].put.result == PK_OK &&
			get_block(&world->node, &world->blocks[i], NULL) != PK_OK)
			fail_msg("%s: new block %d: %s", what, i, ok_err.text);
}

/* Of what was never synced nothing is left: every replica has what was acknowledged. */
static void
expect_durable(struct world *world, const char *what)
{
	struct pd_vfs *left = pd_vfs_memory_cut(world->tree, pd_vfs_memory_events(world->tree), PD_CUT_SUBSET, 0);

	for (int d = 0; d < 3; d++)
	{
		char path[256];
		struct pd_drive *drive;
		struct pd_extent *extent;
		struct pd_extent_info info;

		snprintf(path, sizeof(path), "%s/d%02d", NODE_DIR, d);
		drive = pd_drive_open(left, path);
		extent = pd_extent_find(drive, PK_EXTENT_BUCKET, OPEN_BUCKET, 0);
		memset(&info, 0, sizeof(info));
		if (extent != NULL)
			pd_extent_info(extent, &info);
		for (int i = 0; i < NEW; i++)
		{
			const struct pd_put *put = &world->blocks[i].put;

			if (put->result == PK_OK && put->offset + put->stored_length > info.length)
				fail_msg("%s: block %d was acknowledged, and drive %d had not synced it", what, i, d);
		}
		pd_extent_unref(extent);
		pd_drive_close(drive);
	}
	pd_vfs_memory_free(left);
}

/* Whether a call failed: else there are no more. */
static bool
fail_nth(const struct operation *operation, enum failing failing, long nth, bool sticky)
{
	struct world world = {0};
	struct node *node = &world.node;
	char what[96];
	pk_error rc = PK_OK;
	long failed;

	snprintf(what, sizeof(what), "%s, kind %d, call %ld%s", operation->name, (int) failing, nth, sticky ? " on" : "");
	world.tree = copy_of(*operation->tree);
	world.faults = (struct pd_faults){.below = world.tree, .error = EIO, .path_part = "d01/"};
	world.vfs = pd_vfs_faulty(&world.faults);
	init_node(node, world.vfs);
	if (operation->run != NULL)
		start_node(node);
	if (operation->before != NULL)
		assert_ok(operation->before(&world));
	arm(&world, failing, nth, sticky);
	if (operation->run != NULL)
		rc = operation->run(&world);
	else if (!try_start(node))
		rc = PK_ERR_NO_MEMORY;
	failed = disarm(&world);
	if (failed == 0 && rc != PK_OK)
		fail_msg("%s: %s", what, ok_err.text);
	if (failed > 0 && failing == FAIL_SYNC && node->cell != NULL && pd_drive_writable(node->drives[1]))
		fail_msg("%s: a sync failed, and the drive still takes writes", what);
	if (operation->run != NULL)
	{
		expect_old(node, what);
		expect_new(&world, what);
	}
	if (operation->run == put_all)
		expect_durable(&world, what);
	end_start(node);
	start_node(node);
	expect_old(node, what);
	expect_new(&world, what);
	kill_node(node);
	if (world.put)
		free_blocks(world.blocks, NEW);
	pd_vfs_faulty_free(world.vfs);
	pd_vfs_memory_free(world.tree);
	faulted[failing] += failed > 0;
	return failed > 0;
}

static void
fail_each(enum failing failing)
{
	const char *step = getenv("POCKET_NTH_STEP");
	long slack = step == NULL ? STEP_DEFAULT : LONG_MAX;

	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
		for (int sticky = 0; sticky < VARIANTS; sticky++)
			for (long nth = 1; fail_nth(&operations[i], failing, nth, sticky == 1); nth += 1 + nth / slack)
				;
}

static void
each_failing_call_loses_nothing(void **state)
{
	(void) state;
	fail_each(FAIL_ANY);
}

static void
each_failing_sync_is_final(void **state)
{
	(void) state;
	fail_each(FAIL_SYNC);
}

static void
each_failing_write_loses_nothing(void **state)
{
	(void) state;
	fail_each(FAIL_WRITE);
}

static void
each_allocation_may_fail(void **state)
{
	(void) state;
	fail_each(FAIL_ALLOCATION);
	print_message("# told: of %zu operations %ld calls, %ld syncs, %ld writes and %ld allocations failed\n",
				  sizeof(operations) / sizeof(operations[0]), faulted[FAIL_ANY], faulted[FAIL_SYNC],
				  faulted[FAIL_WRITE], faulted[FAIL_ALLOCATION]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_failing_call_loses_nothing),
		cmocka_unit_test(each_failing_sync_is_final),
		cmocka_unit_test(each_failing_write_loses_nothing),
		cmocka_unit_test(each_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, make_trees, free_trees);
}
