/*
 * Nodes that do not behave: they die, are silent, slow, or lie. Each comes to an error in bounded time that names the node, and
 * nobody is asked twice.
 */
#include "harness.h"

static struct pd_peer *peer;
static struct pd_drive *drive;
static const uint8_t uuid[PK_UUID_SIZE] = {0xd0};

static int
begin(void **state)
{
	(void) state;
	signal(SIGPIPE, SIG_IGN);
	pd_log_set_level(PD_LOG_ERROR + 1);
	node.keys.count = 1;
	node.keys.keys[0].id = 1;
	start_asker();
	asker.options.silence_s = 1;
	odd_start();
	peer = new_peer(odd.url);
	drive = pd_peer_drive(peer, uuid, &ok_err);
	return drive == NULL ? -1 : 0;
}

static int
end(void **state)
{
	(void) state;
	pd_drive_close(drive);
	odd_stop();
	pd_peer_release(peer);
	return 0;
}

static pk_error
find(void)
{
	struct pd_extent *extent;
	pk_error rc = pd_extent_lookup(drive, PK_EXTENT_BUCKET, 5, 0, &extent, &ok_err);

	pd_extent_unref(extent);
	return rc;
}

/* An extent that the node seems to have, of 4096 bytes. */
static struct pd_extent *
find_extent(bool sealed)
{
	struct pd_extent_info info = {.kind = PK_EXTENT_BUCKET, .id = 5, .sealed = sealed, .length = 4096};
	uint8_t bytes[PD_PEER_INFO_MAX];
	struct pd_extent *extent;

	odd_answers(200, bytes, pd_peer_info_encode(bytes, &info), true);
	assert_ok(pd_extent_lookup(drive, PK_EXTENT_BUCKET, 5, 0, &extent, &ok_err));
	return extent;
}

/* One that takes appends; the node is said to have made it. */
static struct pd_extent *
create(void)
{
	struct pd_members members = {.volume_id = 5, .generation = 1, .count = 1};
	struct pd_extent *extent;

	odd_answers(200, "{}", 2, false);
	assert_ok(pd_extent_create(drive, PK_EXTENT_BUCKET, 5, 0, test_cell, &members, 1000, &extent, &ok_err));
	return extent;
}

static void
connections_are_kept(void **state)
{
	(void) state;
	for (int i = 0; i < 5; i++)
		pd_extent_unref(find_extent(false));
	assert_int_equal(atomic_load(&odd.requests), 5);
	assert_int_equal(atomic_load(&odd.connections), 1);
}

static void
answers_that_cannot_be_believed(void **state)
{
	struct pd_extent *extent = find_extent(true);
	uint8_t bytes[2000] = {1}, back[1000];
	struct pd_extent_info other = {.kind = PK_EXTENT_BUCKET, .id = 6};
	uint8_t info[PD_PEER_INFO_MAX];

	(void) state;
	odd_answers(200, bytes, 1000, true);
	assert_ok(pd_extent_read(extent, 0, back, 1000, &ok_err));
	assert_memory_equal(back, bytes, 1000);

	odd_answers(200, bytes, 1000 + PD_PEER_CRC, false);
	assert_fails(pd_extent_read(extent, 0, back, 1000, &ok_err), PK_ERR_UNAVAILABLE, "damaged on its way");
	odd_answers(200, bytes, 999, true);
	assert_fails(pd_extent_read(extent, 0, back, 1000, &ok_err), PK_ERR_IO, "999 bytes, not 1000");
	odd_answers(200, bytes, 1001, true);
	assert_fails(pd_extent_read(extent, 0, back, 1000, &ok_err), PK_ERR_UNAVAILABLE, "more than it was asked for");
	odd_answers(200, bytes, 3, false);
	assert_fails(pd_extent_read(extent, 0, back, 1000, &ok_err), PK_ERR_UNAVAILABLE, "too little");
	odd_answers(200, bytes, 0, false);
	assert_fails(pd_extent_read(extent, 0, back, 1000, &ok_err), PK_ERR_UNAVAILABLE, odd.url);

	odd_answers(200, bytes, 100, true);
	assert_fails(find(), PK_ERR_IO, "no description");
	odd_answers(200, info, pd_peer_info_encode(info, &other), true);
	assert_fails(find(), PK_ERR_IO, "another extent");
	pd_extent_unref(extent);
}

static void
lengths_that_are_not_what_was_sent(void **state)
{
	static const char *const answers[] = {"{\"length\": 63}", "{\"length\": 65}"};
	static const char *const none[] = {"{}", "{\"length\": \"64\"}", "{\"length\": -64}", "[64]", "64",
									   "",	 "{\"length\": 6"};
	uint8_t bytes[64] = {1};

	(void) state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
	{
		struct pd_extent *extent = create();

		odd_answers(200, answers[i], strlen(answers[i]), false);
		assert_fails(append(extent, bytes, 64, 0), PK_ERR_IO, "not to be believed");
		assert_fails(append(extent, bytes, 64, 0), PK_ERR_BUCKET_CLOSED, odd.url);
		assert_fails(pd_extent_seal(extent, 64, &ok_err), PK_ERR_IO, "not to be believed");
		pd_extent_unref(extent);
	}
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
	{
		struct pd_extent *extent = create();

		odd_answers(200, none[i], strlen(none[i]), false);
		assert_fails(append(extent, bytes, 64, 0), PK_ERR_UNAVAILABLE, "nothing that can be understood");
		pd_extent_unref(extent);
	}
}

static void
errors_keep_their_code_and_name_the_node(void **state)
{
	static const char corrupt[] = "{\"error\": {\"code\": \"corrupt\", \"message\": \"it rots\"}}";
	static const char ok[] = "{\"error\": {\"code\": \"ok\", \"message\": \"all is well\"}}";
	struct pd_extent *extent = find_extent(true);
	char page[4096];
	uint8_t byte;

	(void) state;
	odd_answers(500, corrupt, strlen(corrupt), false);
	assert_fails(pd_extent_read(extent, 0, &byte, 1, &ok_err), PK_ERR_CORRUPT, "it rots");
	assert_non_null(strstr(ok_err.text, odd.url));
	odd_answers(200, corrupt, strlen(corrupt), false); /* as at the end of what takes long */
	assert_fails(pd_extent_seal(extent, 1, &ok_err), PK_ERR_CORRUPT, "it rots");
	odd_answers(500, ok, strlen(ok), false);
	assert_fails(pd_extent_seal(extent, 1, &ok_err), PK_ERR_INTERNAL, "all is well");
	odd_answers(500, "{\"length\": 1}", 13, false);
	assert_fails(pd_extent_seal(extent, 1, &ok_err), PK_ERR_UNAVAILABLE, "status 500");
	odd_answers(404, "<html>", 6, false); /* some other server: it does not say that there is no extent */
	assert_fails(find(), PK_ERR_UNAVAILABLE, "status 404");
	odd_answers(404, "{\"error\": 7}", 12, false);
	assert_fails(find(), PK_ERR_INTERNAL, odd.url);
	memset(page, ' ', sizeof(page));
	odd_answers(500, page, sizeof(page), false);
	assert_fails(find(), PK_ERR_UNAVAILABLE, "status 500");
	odd_answers(500, page, sizeof(page), true);
	assert_fails(find(), PK_ERR_UNAVAILABLE, "more than it was asked for");
	pd_extent_unref(extent);
}

static void
redirects_are_not_followed(void **state)
{
	char reply[256];
	int n = snprintf(reply, sizeof(reply), "HTTP/1.1 302 Found\r\nLocation: %s/elsewhere\r\nContent-Length: 0\r\n\r\n",
					 odd.url);

	(void) state;
	odd_says(reply, (size_t) n);
	assert_fails(find(), PK_ERR_UNAVAILABLE, "status 302");
	assert_int_equal(atomic_load(&odd.requests), 1);
}

/* The environment's proxy would see tokens, and could answer for any node. */
static void
proxies_are_not_used(void **state)
{
	(void) state;
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	pd_extent_unref(find_extent(false));
	unsetenv("http_proxy");
	unsetenv("ALL_PROXY");
}

static void
a_node_that_dies_in_the_middle(void **state)
{
	static const char half[] = "HTTP/1.1 200 OK\r\nContent-Length: 1004\r\n\r\nsome of it";
	struct pd_extent *extent = find_extent(true);
	uint8_t *bytes = make_bytes(PK_PEER_SIZE_MAX, 1), back[1000];

	(void) state;
	odd_is(false, false, 0, true);
	odd_says(half, strlen(half));
	assert_fails(pd_extent_read(extent, 0, back, 1000, &ok_err), PK_ERR_UNAVAILABLE, odd.url);
	pd_extent_unref(extent);

	/* before it has read what it is sent: an append is not sent again, for it may have been done */
	odd_is(false, false, 0, false);
	extent = create();
	odd_is(false, true, 0, false);
	atomic_store(&odd.requests, 0);
	assert_fails(append(extent, bytes, PK_PEER_SIZE_MAX, 0), PK_ERR_UNAVAILABLE, odd.url);
	assert_false(pd_extent_is_open(extent));
	assert_true(atomic_load(&odd.requests) <= 2);
	pd_extent_unref(extent);
	free(bytes);
}

static void
a_node_that_never_answers(void **state)
{
	uint8_t bytes[64] = {1};
	struct pd_extent *extent = create();
	int64_t began = later_us(NULL);

	(void) state;
	odd_is(true, false, 0, false);
	atomic_store(&odd.requests, 0);
	assert_fails(append(extent, bytes, 64, 0), PK_ERR_UNAVAILABLE, "silent for 1 s");
	assert_true(later_us(NULL) - began >= 900000);
	/* for a second nobody else waits for it */
	assert_fails(find(), PK_ERR_UNAVAILABLE, "silent for 1 s");
	assert_int_equal(atomic_load(&odd.requests), 1);
	odd_is(false, false, 0, false);
	pause_ms(PD_PEER_RETRY_US / 1000 + 1);
	pd_extent_unref(find_extent(false));
	assert_fails(append(extent, bytes, 64, 0), PK_ERR_BUCKET_CLOSED, "takes no more");
	pd_extent_unref(extent);
}

/* What takes long, and says so, is waited for. */
static void
a_node_that_takes_long(void **state)
{
	struct pd_extent *extent = find_extent(false);

	(void) state;
	odd_is(false, false, 4, true);
	odd_says("{\"length\": 4096}", 16);
	assert_ok(pd_extent_seal(extent, 4096, &ok_err));
	assert_true(info_of(extent)->sealed);
	pd_extent_unref(extent);
}

static void
nobody_listens(void **state)
{
	char url[64];
	struct pd_peer *nobody;
	struct pd_drive *there_is_none;
	struct pd_extent *extent;

	(void) state;
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", free_port());
	nobody = new_peer(url);
	there_is_none = pd_peer_drive(nobody, uuid, &ok_err);
	assert_fails(pd_extent_lookup(there_is_none, PK_EXTENT_BUCKET, 5, 0, &extent, &ok_err), PK_ERR_UNAVAILABLE, url);
	pd_drive_close(there_is_none);
	pd_peer_release(nobody);

	nobody = new_peer("unix:/nowhere/at/all.sock");
	there_is_none = pd_peer_drive(nobody, uuid, &ok_err);
	assert_fails(pd_extent_lookup(there_is_none, PK_EXTENT_BUCKET, 5, 0, &extent, &ok_err), PK_ERR_UNAVAILABLE,
				 "unix:/nowhere/at/all.sock");
	pd_drive_close(there_is_none);
	pd_peer_release(nobody);
}

struct asking
{
	struct pd_job job;
	pthread_t thread;
	struct pd_latch *latch;
	struct pd_err err;
	pk_error result;
};

static void *
ask(void *arg)
{
	struct asking *asking = arg;
	struct pd_extent *extent;

	asking->result = pd_extent_lookup(drive, PK_EXTENT_BUCKET, 5, 0, &extent, &asking->err);
	pd_extent_unref(extent);
	return NULL;
}

static void
wait_for_requests(int count)
{
	for (int i = 0; i < 2000 && atomic_load(&odd.requests) < count; i++)
		pause_ms(5);
	assert_int_equal(atomic_load(&odd.requests), count);
}

static void
requests_have_a_limit_and_end_when_this_process_stops(void **state)
{
	static struct asking askings[PD_PEER_REQUESTS_MAX];
	int64_t began;

	(void) state;
	asker.options.silence_s = 100;
	pd_drive_close(drive);
	pd_peer_release(peer);
	peer = new_peer(odd.url);
	drive = pd_peer_drive(peer, uuid, &ok_err);
	odd_is(true, false, 0, false);
	for (int i = 0; i < PD_PEER_REQUESTS_MAX; i++)
		assert_int_equal(pthread_create(&askings[i].thread, NULL, ask, &askings[i]), 0);
	wait_for_requests(PD_PEER_REQUESTS_MAX);
	assert_fails(find(), PK_ERR_BUSY, "32 requests");

	began = later_us(NULL);
	atomic_store(&asker.end_us, began);
	for (int i = 0; i < PD_PEER_REQUESTS_MAX; i++)
	{
		pthread_join(askings[i].thread, NULL);
		assert_int_equal(askings[i].result, PK_ERR_UNAVAILABLE);
		assert_non_null(strstr(askings[i].err.text, "stopping"));
	}
	assert_true(later_us(NULL) - began < 20 * INT64_C(1000000));
	assert_fails(find(), PK_ERR_UNAVAILABLE, "stopping");
	assert_int_equal(atomic_load(&odd.requests), PD_PEER_REQUESTS_MAX);
	atomic_store(&asker.end_us, 0);
	odd_is(false, false, 0, false);
	pd_extent_unref(find_extent(false)); /* all of them were given back */
}

static void
ask_job(struct pd_job *job)
{
	struct asking *asking = (struct asking *) job;

	(void) ask(asking);
	pd_latch_done(asking->latch);
}

/* A slow answer does not keep the others of the queue. */
static void
the_queue_has_several_threads(void **state)
{
	static struct asking askings[8];
	struct pd_latch latch;

	(void) state;
	odd_is(true, false, 0, false);
	pd_latch_init(&latch, 8);
	for (int i = 0; i < 8; i++)
	{
		askings[i].job.run = ask_job;
		askings[i].latch = &latch;
		pd_queue_submit(pd_drive_queue(drive), &askings[i].job, PD_JOB_LIVE);
	}
	wait_for_requests(8);
	atomic_store(&asker.end_us, 1);
	pd_latch_wait(&latch);
	pd_latch_release(&latch);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(connections_are_kept),
		TEST(answers_that_cannot_be_believed),
		TEST(lengths_that_are_not_what_was_sent),
		TEST(errors_keep_their_code_and_name_the_node),
		TEST(redirects_are_not_followed),
		TEST(proxies_are_not_used),
		TEST(a_node_that_dies_in_the_middle),
		TEST(a_node_that_never_answers),
		TEST(a_node_that_takes_long),
		TEST(nobody_listens),
		TEST(requests_have_a_limit_and_end_when_this_process_stops),
		TEST(the_queue_has_several_threads),
	};

	return cmocka_run_group_tests_name("remote/odd", tests, NULL, NULL);
}
