/*
 * Drives of a real node over a real listener, by TCP and by a Unix socket: every operation, and who is refused.
 */
#include "harness.h"

static void
life_of_an_extent(void **state)
{
	uint8_t *bytes = make_bytes(200000, 1), *back = malloc(200001);
	struct pd_extent *extent = new_bucket(5), *found;
	struct pd_members members;
	struct iovec pieces[3] = {{bytes, 1}, {bytes + 1, 65536}, {bytes + 65537, 200000 - 65537}};
	struct pd_extent_info info;

	(void) state;
	assert_memory_equal(there(PK_EXTENT_BUCKET, 5, 0)->cell, test_cell, PK_UUID_SIZE);
	assert_ok(pd_extent_append(extent, pieces, 3, 0, &ok_err));
	assert_ok(append(extent, bytes, 64, 200000));
	assert_int_equal(there(PK_EXTENT_BUCKET, 5, 0)->length, 200064);
	assert_ok(pd_extent_read(extent, 7, back, 199993, &ok_err));
	assert_memory_equal(back, bytes + 7, 199993);
	assert_fails(pd_extent_read(extent, 200000, back, 65, &ok_err), PK_ERR_NOT_FOUND, node.url);
	assert_fails(pd_extent_read_checked(extent, 0, back, 100, &ok_err), PK_ERR_STATE, "not sealed");
	assert_ok(pd_extent_read(extent, 0, back, 0, &ok_err));

	assert_ok(pd_extent_seal(extent, 200064, &ok_err));
	assert_ok(pd_extent_seal(extent, 200064, &ok_err));
	assert_fails(pd_extent_seal(extent, 5, &ok_err), PK_ERR_STATE, "200064 bytes");
	assert_true(there(PK_EXTENT_BUCKET, 5, 0)->sealed);
	assert_ok(pd_extent_read_checked(extent, 131072, back, 100000, &ok_err));
	assert_memory_equal(back, bytes + 131072, 200000 - 131072);
	assert_int_equal(back[99999], 0);

	fill_members(&members, 5, 3);
	assert_ok(pd_extent_set_members(extent, &members, &ok_err));
	assert_ok(pd_extent_lookup(asker.drive, PK_EXTENT_BUCKET, 5, 0, &found, &ok_err));
	info = *info_of(found);
	assert_memory_equal(&info, there(PK_EXTENT_BUCKET, 5, 0), sizeof(info));
	assert_int_equal(info.members.generation, 3);
	assert_int_equal(info.members.member[1].key[0], 0x41);

	assert_ok(pd_extent_remove(found, &ok_err));
	assert_null(there(PK_EXTENT_BUCKET, 5, 0));
	pd_extent_unref(found);
	assert_fails(pd_extent_lookup(asker.drive, PK_EXTENT_BUCKET, 5, 0, &found, &ok_err), PK_ERR_NOT_FOUND, node.url);
	pd_extent_unref(extent);
	free(bytes);
	free(back);
}

static struct pd_extent_build *
begin_build(uint64_t id, uint64_t length)
{
	struct pd_extent_build *build;
	struct pd_members members;

	fill_members(&members, id, 4);
	assert_ok(
		pd_extent_build_begin(asker.drive, PK_EXTENT_PARITY, id, 3, test_cell, &members, length, &build, &ok_err));
	return build;
}

static void
life_of_a_build(void **state)
{
	size_t length = 2 * PD_EXTENT_CHUNK + 77;
	uint8_t *bytes = make_bytes(length, 2), *back = malloc(length);
	struct pd_extent_build *build = begin_build(9, length);
	struct pd_extent *extent;

	(void) state;
	assert_ok(pd_extent_build_write(build, bytes, PD_EXTENT_CHUNK, &ok_err));
	assert_ok(pd_extent_build_write(build, bytes + PD_EXTENT_CHUNK, length - PD_EXTENT_CHUNK, &ok_err));
	assert_ok(pd_extent_build_spoil(build, 2 * PD_EXTENT_CHUNK, 1, &ok_err));
	assert_null(there(PK_EXTENT_PARITY, 9, 3));
	assert_ok(pd_extent_build_finish(build, &extent, &ok_err));
	assert_int_equal(there(PK_EXTENT_PARITY, 9, 3)->length, length);
	assert_int_equal(there(PK_EXTENT_PARITY, 9, 3)->members.generation, 4);
	assert_int_equal(info_of(extent)->file_size, there(PK_EXTENT_PARITY, 9, 3)->file_size);
	assert_ok(pd_extent_read_checked(extent, 0, back, 2 * PD_EXTENT_CHUNK, &ok_err));
	assert_memory_equal(back, bytes, 2 * PD_EXTENT_CHUNK);
	assert_fails(pd_extent_read_checked(extent, 2 * PD_EXTENT_CHUNK, back, 77, &ok_err), PK_ERR_CORRUPT, "checksum");
	pd_extent_unref(extent);

	/* another takes its place */
	build = begin_build(9, 100);
	assert_ok(pd_extent_build_write(build, bytes, 100, &ok_err));
	assert_ok(pd_extent_build_finish(build, NULL, &ok_err));
	assert_int_equal(there(PK_EXTENT_PARITY, 9, 3)->length, 100);

	pd_extent_build_abandon(begin_build(10, 100));
	assert_null(there(PK_EXTENT_PARITY, 10, 3));
	free(bytes);
	free(back);
}

/* Readers go on; for everybody else it is not there, and a proxy of it changes nothing. */
static void
an_extent_in_the_trash(void **state)
{
	struct pd_extent *extent = new_bucket(5), *local, *kept, *gone;
	struct pd_members members;
	uint8_t bytes[64] = {1}, back[64];

	(void) state;
	fill_members(&members, 5, 1);
	assert_ok(append(extent, bytes, 64, 0));
	assert_ok(pd_extent_seal(extent, 64, &ok_err));
	assert_ok(pd_extent_lookup_kept(asker.drive, PK_EXTENT_BUCKET, 5, 0, &kept, &ok_err));
	assert_false(info_of(kept)->trashed);
	pd_extent_unref(kept);
	local = pd_extent_find(node.drives[0], PK_EXTENT_BUCKET, 5, 0);
	assert_ok(pd_extent_trash(local, &ok_err));
	pd_extent_unref(local);

	assert_ok(pd_extent_read(extent, 0, back, 64, &ok_err));
	assert_memory_equal(back, bytes, 64);
	assert_fails(pd_extent_lookup(asker.drive, PK_EXTENT_BUCKET, 5, 0, &gone, &ok_err), PK_ERR_NOT_FOUND, node.url);
	assert_fails(pd_extent_seal(extent, 64, &ok_err), PK_ERR_NOT_FOUND, node.url);
	assert_ok(pd_extent_lookup_kept(asker.drive, PK_EXTENT_BUCKET, 5, 0, &kept, &ok_err));
	assert_true(info_of(kept)->trashed && info_of(kept)->sealed);
	assert_ok(pd_extent_read_checked(kept, 0, back, 64, &ok_err));
	assert_memory_equal(back, bytes, 64);

	pd_extent_unref(extent);
	extent = new_bucket(5);
	assert_fails(pd_extent_remove(kept, &ok_err), PK_ERR_STATE, "in the trash");
	assert_fails(pd_extent_seal(kept, 0, &ok_err), PK_ERR_STATE, "in the trash");
	assert_fails(pd_extent_set_members(kept, &members, &ok_err), PK_ERR_STATE, "in the trash");
	assert_fails(append(kept, bytes, 64, 64), PK_ERR_BUCKET_CLOSED, "takes no more");
	assert_false(there(PK_EXTENT_BUCKET, 5, 0)->sealed);
	pd_extent_unref(kept);
	pd_extent_unref(extent);
}

/* The node that makes an extent for another knows of its volume at once: it can serve blocks of it. */
static void
the_node_learns(void **state)
{
	struct pd_extent *extent = new_bucket(6);
	struct pd_members older;

	(void) state;
	fill_members(&older, 6, 0);
	assert_int_equal(pd_map_fence(node.cell, &older, &ok_err), PK_ERR_STATE);
	pd_extent_unref(extent);
}

/* --- who is refused --- */

static void
wrong_key_cell_or_incarnation(void **state)
{
	struct pd_extent *extent = new_bucket(7);
	uint8_t *bytes = make_bytes(65537, 1);

	(void) state;
	asker.keys.keys[0].secret[0] ^= 1;
	assert_fails(append(extent, bytes, 65536, 0), PK_ERR_DENIED, "key file");
	assert_int_equal(there(PK_EXTENT_BUCKET, 7, 0)->length, 0);
	pd_extent_unref(extent);
	extent = pd_extent_find(asker.drive, PK_EXTENT_BUCKET, 7, 0);
	assert_null(extent); /* denied too */
	asker.keys = node.keys;
	extent = pd_extent_find(asker.drive, PK_EXTENT_BUCKET, 7, 0);
	asker.keys = node.keys;
	asker.cell[3] ^= 1;
	assert_fails(pd_extent_read(extent, 0, bytes, 1, &ok_err), PK_ERR_FOREIGN, "another cell");
	memcpy(asker.cell, test_cell, PK_UUID_SIZE);
	asker.epoch.incarnation++;
	assert_fails(pd_extent_seal(extent, 0, &ok_err), PK_ERR_FOREIGN, "incarnation");
	asker.epoch = (pk_epoch){7, 9, 9}; /* a node hears of a new start later than another */
	assert_ok(pd_extent_seal(extent, 0, &ok_err));
	pd_extent_unref(extent);
	free(bytes);
}

/* Its body is not waited for, and the connection closed: what comes of that depends on who is faster, but nothing is written. */
static void
a_large_body_that_is_refused(void **state)
{
	struct pd_extent *extent = new_bucket(7);
	uint8_t *bytes = make_bytes(PK_PEER_SIZE_MAX, 1);
	pk_error rc;

	(void) state;
	asker.keys.keys[0].secret[0] ^= 1;
	rc = append(extent, bytes, PK_PEER_SIZE_MAX, 0);
	assert_true(rc == PK_ERR_DENIED || rc == PK_ERR_UNAVAILABLE);
	assert_int_equal(there(PK_EXTENT_BUCKET, 7, 0)->length, 0);
	pd_extent_unref(extent);
	free(bytes);
}

static void
foreign_extents(void **state)
{
	static const uint8_t other[PK_UUID_SIZE] = {0xdd};
	struct pd_members members;
	struct pd_extent *extent;

	(void) state;
	fill_members(&members, 8, 1);
	assert_ok(pd_extent_create(node.drives[0], PK_EXTENT_BUCKET, 8, 0, other, &members, 1000, &extent, &ok_err));
	pd_extent_unref(extent);
	assert_fails(pd_extent_lookup(asker.drive, PK_EXTENT_BUCKET, 8, 0, &extent, &ok_err), PK_ERR_FOREIGN, node.url);
	assert_fails(pd_extent_create(asker.drive, PK_EXTENT_BUCKET, 9, 0, other, &members, 1000, &extent, &ok_err),
				 PK_ERR_FOREIGN, "another cell");
}

/* Nobody may take a drive that does not answer for one without the extent. */
static void
a_drive_that_is_not_there_or_failed(void **state)
{
	uint8_t uuid[PK_UUID_SIZE] = {1, 2, 3};
	struct pd_drive *elsewhere = pd_peer_drive(asker.peer, uuid, &ok_err);
	struct pd_drive_info *info = malloc(sizeof(*info));
	struct pd_extent *extent;
	char path[128];

	(void) state;
	assert_fails(pd_extent_lookup(elsewhere, PK_EXTENT_BUCKET, 1, 0, &extent, &ok_err), PK_ERR_UNAVAILABLE,
				 "not on this node");
	pd_drive_close(elsewhere);

	snprintf(path, sizeof(path), "%s/d0", node.dir);
	nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	pd_drive_info(node.drives[0], info); /* looks */
	assert_int_equal(info->state, PD_DRIVE_FAILED);
	assert_fails(pd_extent_lookup(asker.drive, PK_EXTENT_BUCKET, 1, 0, &extent, &ok_err), PK_ERR_IO, "failed");
	free(info);
}

static void
a_tampered_request(void **state)
{
	struct pd_extent *extent = new_bucket(5);
	struct pd_peer_call call = {.verb = PD_PEER_APPEND, .name = {PK_EXTENT_BUCKET, 5, 0}};
	char path[PD_PEER_PATH_MAX], other[PD_PEER_PATH_MAX], text[512];
	uint8_t bytes[64] = {1}, changed[64] = {2};

	(void) state;
	memcpy(call.drive, pd_drive_uuid(node.drives[0]), PK_UUID_SIZE);
	pd_peer_path_format(path, &call);
	assert_int_equal(raw("POST", path, path, 1, bytes, changed, 64, text), 400);
	assert_non_null(strstr(text, "malformed"));
	assert_int_equal(there(PK_EXTENT_BUCKET, 5, 0)->length, 0);
	call.number[0] = 64;
	pd_peer_path_format(other, &call);
	assert_int_equal(raw("POST", path, other, 1, "", "", 0, text), 403);
	assert_int_equal(raw("GET", path, path, 1, "", "", 0, text), 501);
	assert_int_equal(raw("POST", "/peer/steal/x", "/peer/steal/x", 1, "", "", 0, text), 501);

	/* the same request twice: the second changes nothing */
	assert_int_equal(raw("POST", path, path, 1, bytes, bytes, 64, text), 200);
	assert_string_equal(text, "{\"length\": 64}\n");
	assert_int_equal(raw("POST", path, path, 1, bytes, bytes, 64, text), 409);
	assert_non_null(strstr(text, "\"state\""));
	assert_int_equal(there(PK_EXTENT_BUCKET, 5, 0)->length, 64);
	pd_extent_unref(extent);
}

static void
an_older_generation(void **state)
{
	struct pd_extent *extent = new_bucket(5), *local;
	struct pd_members members;
	uint8_t bytes[64] = {1};

	(void) state;
	local = pd_extent_find(node.drives[0], PK_EXTENT_BUCKET, 5, 0);
	fill_members(&members, 5, 2);
	assert_ok(pd_extent_set_members(local, &members, &ok_err));
	assert_fails(append(extent, bytes, 64, 0), PK_ERR_STATE, "generation 2: 1 is older");
	assert_fails(pd_extent_seal(extent, 0, &ok_err), PK_ERR_STATE, "older");
	assert_fails(pd_extent_remove(extent, &ok_err), PK_ERR_STATE, "older");
	members.generation = 1;
	assert_fails(pd_extent_set_members(extent, &members, &ok_err), PK_ERR_STATE, "older");
	members.generation = 3;
	assert_ok(pd_extent_set_members(extent, &members, &ok_err));
	assert_ok(pd_extent_remove(extent, &ok_err));
	pd_extent_unref(local);
	pd_extent_unref(extent);

	/* nothing of it is left on the drive, but the node has heard of the generation */
	fill_members(&members, 5, 2);
	assert_fails(pd_extent_create(asker.drive, PK_EXTENT_BUCKET, 5, 0, test_cell, &members, 1000, &extent, &ok_err),
				 PK_ERR_STATE, "");
}

/* --- limits --- */

static void
sizes_at_their_limits(void **state)
{
	size_t size = (size_t) PK_PEER_SIZE_MAX + PD_EXTENT_CHUNK;
	uint8_t *bytes = make_bytes(size, 3), *back = malloc(size);
	struct pd_extent *extent = new_bucket(5);
	struct pd_extent_build *build;
	struct pd_peer_call call = {
		.verb = PD_PEER_READ, .name = {PK_EXTENT_BUCKET, 5, 0}, .number = {0, PK_PEER_SIZE_MAX + 1}};
	char path[PD_PEER_PATH_MAX], text[512];

	(void) state;
	assert_ok(append(extent, bytes, PK_PEER_SIZE_MAX, 0));
	assert_ok(append(extent, bytes + PK_PEER_SIZE_MAX, PD_EXTENT_CHUNK, PK_PEER_SIZE_MAX));
	assert_ok(pd_extent_read(extent, 0, back, size, &ok_err)); /* in two pieces */
	assert_memory_equal(back, bytes, size);
	assert_fails(append(extent, bytes, PK_PEER_SIZE_MAX + 1, size), PK_ERR_TOO_LARGE, "16777216 bytes");
	assert_int_equal(there(PK_EXTENT_BUCKET, 5, 0)->length, size);

	if (strncmp(node.url, "unix:", 5) == 0)
	{
		memcpy(call.drive, pd_drive_uuid(node.drives[0]), PK_UUID_SIZE);
		pd_peer_path_format(path, &call);
		assert_int_equal(raw("GET", path, path, 0, "", "", 0, text), 413);
	}
	build = begin_build(9, size);
	assert_ok(pd_extent_build_write(build, bytes, size, &ok_err));
	assert_ok(pd_extent_build_finish(build, NULL, &ok_err));
	assert_int_equal(there(PK_EXTENT_PARITY, 9, 3)->length, size);
	pd_extent_unref(extent);
	free(bytes);
	free(back);
}

static void
builds_have_a_limit_and_are_abandoned(void **state)
{
	struct pd_extent_build *builds[64], *late;
	struct pd_members members;
	struct pd_extent *extent;
	uint8_t bytes[100] = {0};

	(void) state;
	fill_members(&members, 100, 1);
	for (uint64_t i = 0; i < 64; i++)
		builds[i] = begin_build(100 + i, 100);
	assert_fails(pd_extent_build_begin(asker.drive, PK_EXTENT_PARITY, 99, 3, test_cell, &members, 100, &late, &ok_err),
				 PK_ERR_BUSY, "64 extents");
	pd_extent_build_abandon(builds[0]);
	builds[0] = begin_build(100, 100);

	/* 299 s later all of them are there, and one is heard of; two seconds after that it is the only one */
	atomic_store(&clock_ahead_us, INT64_C(299) * 1000000);
	assert_ok(pd_extent_build_write(builds[1], bytes, 100, &ok_err));
	atomic_store(&clock_ahead_us, INT64_C(301) * 1000000);
	assert_int_equal(pd_extent_lookup(asker.drive, PK_EXTENT_BUCKET, 1, 0, &extent, &ok_err), PK_ERR_NOT_FOUND);
	assert_fails(pd_extent_build_write(builds[0], bytes, 100, &ok_err), PK_ERR_NOT_FOUND, "no such build");
	assert_ok(pd_extent_build_finish(builds[1], NULL, &ok_err));
	assert_non_null(there(PK_EXTENT_PARITY, 101, 3));
	for (int i = 0; i < 64; i++)
		if (i != 1)
			pd_extent_build_abandon(builds[i]);
}

static void
a_build_takes_its_own_bytes_once(void **state)
{
	struct pd_question question = {.call = {.verb = PD_PEER_BUILD, .name = {PK_EXTENT_PARITY, 9, 3}}, .generation = 1};
	uint8_t members_bytes[PD_MEMBERS_SIZE_MAX], bytes[64] = {7};
	struct iovec body = {members_bytes, 0}, piece = {bytes, 64};
	struct pd_members members;
	uint64_t id;

	(void) state;
	fill_members(&members, 9, 1);
	body.iov_len = pd_members_encode(members_bytes, &members);
	memcpy(question.call.drive, pd_drive_uuid(node.drives[0]), PK_UUID_SIZE);
	question.call.number[0] = 64;
	question.body = &body;
	question.body_count = 1;
	question.field = "build";
	assert_ok(pd_peer_ask(asker.peer, &question, &ok_err));
	id = question.number;

	question.field = NULL;
	question.body = &piece;
	question.call.verb = PD_PEER_WRITE;
	question.call.number[0] = id;
	question.call.number[1] = 64;
	assert_fails(pd_peer_ask(asker.peer, &question, &ok_err), PK_ERR_STATE, "has 0 bytes");
	question.call.number[1] = 0;
	assert_ok(pd_peer_ask(asker.peer, &question, &ok_err));
	assert_fails(pd_peer_ask(asker.peer, &question, &ok_err), PK_ERR_STATE, "has 64 bytes");
	question.call.name.position = 4; /* the build of another extent */
	assert_fails(pd_peer_ask(asker.peer, &question, &ok_err), PK_ERR_NOT_FOUND, "no such build");
	question.call.name.position = 3;
	question.call.number[0] = id + 1;
	assert_fails(pd_peer_ask(asker.peer, &question, &ok_err), PK_ERR_NOT_FOUND, "no such build");
	question.call.number[0] = id;

	question.body_count = 0;
	question.call.verb = PD_PEER_FINISH;
	question.generation = 2;
	assert_fails(pd_peer_ask(asker.peer, &question, &ok_err), PK_ERR_STATE, "generation 1");
	question.generation = 1;
	assert_fails(pd_peer_ask(asker.peer, &question, &ok_err), PK_ERR_NOT_FOUND, "no such build"); /* it was ended */
	assert_null(there(PK_EXTENT_PARITY, 9, 3));

	/* one that is left over when the node ends */
	question.call.verb = PD_PEER_BUILD;
	question.call.number[0] = 64;
	question.body = &body;
	question.body_count = 1;
	assert_ok(pd_peer_ask(asker.peer, &question, &ok_err));
}

/* Who is superseded while he builds does not replace what superseded him. */
static void
a_build_that_is_overtaken(void **state)
{
	uint8_t bytes[100] = {1};
	struct pd_extent_build *build = begin_build(9, 100), *newer;
	struct pd_members members;

	(void) state;
	fill_members(&members, 9, 5);
	assert_ok(pd_extent_build_begin(node.drives[0], PK_EXTENT_PARITY, 9, 3, test_cell, &members, 50, &newer, &ok_err));
	assert_ok(pd_extent_build_write(newer, bytes, 50, &ok_err));
	assert_ok(pd_extent_build_finish(newer, NULL, &ok_err));
	assert_ok(pd_extent_build_write(build, bytes, 100, &ok_err));
	assert_fails(pd_extent_build_finish(build, NULL, &ok_err), PK_ERR_STATE, "generation 5: 4 is older");
	assert_int_equal(there(PK_EXTENT_PARITY, 9, 3)->length, 50);
	fill_members(&members, 9, 4);
	assert_fails(pd_extent_build_begin(asker.drive, PK_EXTENT_PARITY, 9, 3, test_cell, &members, 50, &newer, &ok_err),
				 PK_ERR_STATE, "older");
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static atomic_int at_gate;

static ssize_t
write_through_gate(const struct pd_vfs *vfs, int fd, const struct iovec *iov, int count, uint64_t offset)
{
	(void) vfs;
	atomic_fetch_add(&at_gate, 1);
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
	return pd_vfs_real.pwritev(&pd_vfs_real, fd, iov, count, offset);
}

static void *
write_slowly(void *arg)
{
	static const uint8_t bytes[100];
	struct pd_err err;

	return pd_extent_build_write(arg, bytes, 100, &err) == PK_OK ? arg : NULL;
}

/* A request that works on a build has it alone: it is neither ended nor swept below it. */
static void
a_build_at_work(void **state)
{
	struct pd_extent_build *build = begin_build(9, 100);
	struct pd_extent *extent;
	pk_error spoiled, found;
	pthread_t thread;
	void *written;

	(void) state;
	pthread_mutex_lock(&gate);
	atomic_store(&at_gate, 0);
	node.vfs.pwritev = write_through_gate;
	assert_int_equal(pthread_create(&thread, NULL, write_slowly, build), 0);
	while (atomic_load(&at_gate) == 0)
		pause_ms(1);
	spoiled = pd_extent_build_spoil(build, 0, 1, &ok_err);
	atomic_store(&clock_ahead_us, INT64_C(400) * 1000000);
	found = pd_extent_lookup(asker.drive, PK_EXTENT_BUCKET, 1, 0, &extent, NULL);
	pthread_mutex_unlock(&gate);
	pthread_join(thread, &written);
	assert_non_null(written);
	assert_fails(spoiled, PK_ERR_STATE, "another request");
	assert_int_equal(found, PK_ERR_NOT_FOUND);
	assert_fails(pd_extent_build_finish(build, NULL, &ok_err), PK_ERR_STATE, "abandon"); /* the spoiling failed */
	assert_null(there(PK_EXTENT_PARITY, 9, 3));
}

/* How many requests of others the node took, by what it says itself. */
static int
requests_taken(void)
{
	static char text[65536];
	const char *line;

	assert_int_equal(raw_hear(raw_send("GET", "", "/metrics", 0, "", "", 0), text, sizeof(text)), 200);
	line = strstr(text, "\npocketd_peer_requests_total ");
	assert_non_null(line);
	return (int) strtol(strchr(line + 1, ' '), NULL, 10);
}

/* 256 at one time: they wait for a drive that takes long; the next is refused, and another drive's are too. */
static void
requests_at_their_limit(void **state)
{
	struct pd_extent *extent = new_bucket(5), *none;
	struct pd_drive *other = pd_peer_drive(asker.peer, pd_drive_uuid(node.drives[1]), &ok_err);
	struct pd_peer_call call = {.verb = PD_PEER_APPEND, .name = {PK_EXTENT_BUCKET, 5, 0}};
	char path[PD_PEER_PATH_MAX], text[512];
	pk_error beyond;
	int fds[256], done = 0;
	uint8_t bytes[64] = {1};
	int before;

	(void) state;
	memcpy(call.drive, pd_drive_uuid(node.drives[0]), PK_UUID_SIZE);
	pd_peer_path_format(path, &call);
	/* the one that made the extent is over when the next on its connection is heard, which is not counted */
	asker.keys.keys[0].secret[0] ^= 1;
	assert_int_equal(pd_extent_lookup(other, PK_EXTENT_BUCKET, 5, 0, &none, &ok_err), PK_ERR_DENIED);
	asker.keys = node.keys;
	before = requests_taken();
	pthread_mutex_lock(&gate);
	node.vfs.pwritev = write_through_gate;
	for (int i = 0; i < 256; i++)
		fds[i] = raw_send("POST", path, path, 1, bytes, bytes, 64);
	while (requests_taken() < before + 256)
		pause_ms(1);
	beyond = pd_extent_lookup(other, PK_EXTENT_BUCKET, 5, 0, &none, &ok_err);
	pthread_mutex_unlock(&gate);

	for (int i = 0; i < 256; i++)
		done += raw_hear(fds[i], text, sizeof(text)) == 200;
	assert_int_equal(done, 1); /* of those who appended at one place */
	assert_fails(beyond, PK_ERR_BUSY, "256 requests");
	pd_drive_close(other);
	pd_extent_unref(extent);
}

static void
a_body_without_members(void **state)
{
	struct pd_question question = {.call = {.verb = PD_PEER_CREATE, .name = {PK_EXTENT_BUCKET, 9, 0}}, .generation = 2};
	uint8_t bytes[PD_MEMBERS_SIZE_MAX];
	struct iovec body = {bytes, 0};
	struct pd_members members;

	(void) state;
	memcpy(question.call.drive, pd_drive_uuid(node.drives[0]), PK_UUID_SIZE);
	assert_fails(pd_peer_ask(asker.peer, &question, &ok_err), PK_ERR_MALFORMED, "no members");
	fill_members(&members, 9, 1);
	body.iov_len = pd_members_encode(bytes, &members);
	question.body = &body;
	question.body_count = 1;
	assert_fails(pd_peer_ask(asker.peer, &question, &ok_err), PK_ERR_MALFORMED, "generation");
	body.iov_len--;
	assert_fails(pd_peer_ask(asker.peer, &question, &ok_err), PK_ERR_MALFORMED, "no members");
	assert_null(there(PK_EXTENT_BUCKET, 9, 0));
}

/* --- several at once --- */

struct writer
{
	pthread_t thread;
	uint8_t *bytes;
	struct pd_err err;
	pk_error result;
};

static void *
write_first(void *arg)
{
	struct writer *writer = arg;
	struct iovec body = {writer->bytes, 5000};
	struct pd_question question = {.call = {.verb = PD_PEER_APPEND, .name = {PK_EXTENT_BUCKET, 5, 0}},
								   .generation = 1,
								   .body = &body,
								   .body_count = 1,
								   .field = "length"};

	memcpy(question.call.drive, pd_drive_uuid(node.drives[0]), PK_UUID_SIZE);
	writer->result = pd_peer_ask(asker.peer, &question, &writer->err);
	return NULL;
}

/* Of several who append at one place exactly one does. */
static void
two_writers(void **state)
{
	struct pd_extent *extent = new_bucket(5), *second;
	struct pd_members members;
	struct writer writers[4];
	uint8_t back[5000];
	int won = -1;

	(void) state;
	fill_members(&members, 5, 1);
	assert_fails(pd_extent_create(asker.drive, PK_EXTENT_BUCKET, 5, 0, test_cell, &members, 1000, &second, &ok_err),
				 PK_ERR_STATE, "already");
	for (int i = 0; i < 4; i++)
	{
		writers[i].bytes = make_bytes(5000, (uint64_t) i);
		assert_int_equal(pthread_create(&writers[i].thread, NULL, write_first, &writers[i]), 0);
	}
	for (int i = 0; i < 4; i++)
	{
		pthread_join(writers[i].thread, NULL);
		if (writers[i].result == PK_OK)
		{
			assert_int_equal(won, -1);
			won = i;
		}
		else
			assert_int_equal(writers[i].result, PK_ERR_STATE);
	}
	assert_true(won >= 0);
	assert_ok(pd_extent_read(extent, 0, back, 5000, &ok_err));
	assert_memory_equal(back, writers[won].bytes, 5000);
	/* the one who thought that it was alone is told, and writes no more */
	assert_fails(append(extent, back, 64, 0), PK_ERR_STATE, "5000 bytes");
	assert_false(pd_extent_is_open(extent));
	for (int i = 0; i < 4; i++)
		free(writers[i].bytes);
	pd_extent_unref(extent);
}

/* A node that was away for a while is found again, on connections that were kept to the one before. */
static void
a_node_that_comes_back(void **state)
{
	struct pd_extent *extent = new_bucket(5), *found;
	uint8_t bytes[64] = {1};

	(void) state;
	assert_ok(append(extent, bytes, 64, 0));
	stop_serving();
	assert_fails(append(extent, bytes, 64, 64), PK_ERR_UNAVAILABLE, node.url);
	serve_node();
	/* for a second it is not asked */
	assert_fails(pd_extent_lookup(asker.drive, PK_EXTENT_BUCKET, 5, 0, &found, &ok_err), PK_ERR_UNAVAILABLE, node.url);
	pause_ms(PD_PEER_RETRY_US / 1000 + 1);
	assert_ok(pd_extent_lookup(asker.drive, PK_EXTENT_BUCKET, 5, 0, &found, &ok_err));
	assert_int_equal(info_of(found)->length, 64);
	assert_ok(pd_extent_seal(found, 64, &ok_err));
	pd_extent_unref(found);
	pd_extent_unref(extent);

	stop_serving();
	serve_node(); /* so quickly that nobody noticed: only the connections are gone */
	assert_ok(pd_extent_lookup(asker.drive, PK_EXTENT_BUCKET, 5, 0, &found, &ok_err));
	pd_extent_unref(found);
}

static void
urls(void **state)
{
	static const char *const bad[] = {"",
									  "http://",
									  "http://host",
									  "https://host:1",
									  "ftp://host:1",
									  "http://host:1/",
									  "http://host:1/path",
									  "http://user@host:1",
									  "http://host:1?x",
									  "http://host:1#x",
									  "http://ho st:1",
									  "http://host:1%00",
									  "unix:relative",
									  "unix:",
									  "file:///etc/passwd",
									  "host:1"};

	(void) state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		assert_null(pd_peer_create(&asker.options, bad[i], &ok_err));
		assert_int_equal(ok_err.code, PK_ERR_MALFORMED);
	}
	pd_peer_release(new_peer("http://[::1]:7070"));
	pd_peer_release(new_peer("http://node-1.example:7070"));
	pd_peer_release(NULL);
}

#define ON_UNIX(test) cmocka_unit_test_setup_teardown(test, start_unix, stop_node)
#define ON_TCP(test) cmocka_unit_test_setup_teardown(test, start_tcp, stop_node)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ON_UNIX(life_of_an_extent),
		ON_TCP(life_of_an_extent),
		ON_UNIX(life_of_a_build),
		ON_TCP(life_of_a_build),
		ON_UNIX(an_extent_in_the_trash),
		ON_UNIX(the_node_learns),
		ON_UNIX(wrong_key_cell_or_incarnation),
		ON_TCP(wrong_key_cell_or_incarnation),
		ON_TCP(a_large_body_that_is_refused),
		ON_UNIX(foreign_extents),
		ON_UNIX(a_drive_that_is_not_there_or_failed),
		ON_UNIX(a_tampered_request),
		ON_UNIX(an_older_generation),
		ON_UNIX(sizes_at_their_limits),
		ON_TCP(sizes_at_their_limits),
		ON_UNIX(builds_have_a_limit_and_are_abandoned),
		ON_UNIX(a_build_takes_its_own_bytes_once),
		ON_UNIX(a_build_that_is_overtaken),
		ON_UNIX(a_build_at_work),
		ON_UNIX(requests_at_their_limit),
		ON_UNIX(a_body_without_members),
		ON_TCP(two_writers),
		ON_TCP(a_node_that_comes_back),
		ON_UNIX(urls),
	};

	return cmocka_run_group_tests_name("remote/peer", tests, NULL, NULL);
}
