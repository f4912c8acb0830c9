/*
 * test_hostile.c
 *	  Clients that say too much, too little, too slowly or what can be read in two ways, and those that leave.
 */
#include "harness.h"

static void
test_a_body_beyond_the_limit_is_refused_unread(void **state)
{
	char head[128];
	struct answer answer;
	int fd = dial();

	(void) state;
	snprintf(head, sizeof(head), "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", BODY_MAX + 1);
	assert_false(
		ask(fd, head, 413, "{\"error\": {\"code\": \"too_large\", \"message\": \"the body is larger than allowed\"}}"));
	assert_ended(fd);

	fd = dial();
	assert_false(ask(fd, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n", 413, NULL));
	assert_ended(fd);

	fd = dial();
	assert_false(ask(fd, "PUT /denied HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n", 403, "no"));
	assert_ended(fd);

	/* who asks first need not send it */
	fd = dial();
	assert_false(
		ask(fd, "PUT /denied HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n", 403, "no"));
	assert_ended(fd);
	fd = dial();
	say(fd, "PUT /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
	hear(fd, &answer);
	assert_int_equal(answer.status, 100);
	assert_true(ask(fd, "hi", 201, "hi"));
	close(fd);
}

static void
test_a_body_needs_a_length(void **state)
{
	int fd = dial();

	(void) state;
	assert_false(ask(fd, "PUT /echo HTTP/1.1\r\nHost: a\r\n\r\n", 411, NULL));
	assert_ended(fd);
	fd = dial();
	assert_false(ask(fd, "PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411, NULL));
	assert_ended(fd);
	fd = dial();
	assert_false(ask(fd, "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, NULL));
	assert_ended(fd);
}

static void
test_a_client_may_leave_at_any_time(void **state)
{
	int fd;

	(void) state;
	/* in the headers */
	fd = dial();
	say(fd, "PUT /echo HTTP/1.1\r\nHost: a\r\nConte");
	close(fd);
	/* in the middle of a body */
	fd = dial();
	say(fd, "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nsome");
	pause_ms(50);
	close(fd);
	wait_for(&released, 1);
	/* while its reply is being made */
	fd = dial();
	say(fd, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
	pause_ms(20);
	close(fd);
	wait_for(&released, 2);
	/* while it is being sent */
	fd = dial();
	say(fd, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
	pause_ms(50);
	close(fd);
	wait_for(&released, 3);
}

/* The work notices, goes on all the same, and only when it has ended is the request released. */
static void
test_a_client_may_leave_during_a_long_reply(void **state)
{
	int fd = dial();

	(void) state;
	say(fd, "POST /long-until-gone HTTP/1.1\r\nHost: a\r\n\r\n");
	pause_ms(100);
	close(fd);
	wait_for(&seen_gone, 1);
	assert_int_equal(count(&released), 0);
	wait_for(&released, 1);
}

/* Nothing that stands in doubt reaches the handler. */
static void
test_doubtful_framing_is_refused(void **state)
{
	static const struct
	{
		const char *text;
		size_t length; /* 0 = strlen */
	} hostile[] = {
		{"PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 0},
		{"PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-length: 6\r\n\r\nhello", 0},
		{"PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0},
		{"PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello", 0},
		{"PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello", 0},
		{"PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nhello", 0},
		{"PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\nhello", 0},
		{"PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nhello", 0},
		{"PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length\t: 5\r\n\r\nhello", 0},
		{"GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n folded\r\n\r\n", 0},
		{"GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n\tfolded: x\r\n\r\n", 0},
		{"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 0},
		{"PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n 6\r\n\r\nhello", 0},
		{"GET / HTTP/1.1\nHost: a\r\n\r\n", 0},
		{"GET / HTTP/1.1\r\nHost: a\n\r\n", 0},
		{"GET / HTTP/1.1\r\nHost: a\r\n\n", 0},
		{"GET / HTTP/1.1\r\nHost: a\n\n", 0},
		{"GET / HTTP/1.1\nHost: a\n\n", 0},
		{"GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\nX-B: 2\r\n\r\n", 0},
		{"GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\rX-B: 2\r\n\r\n", 0},
		{"GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\r\n\r\n", 0},
		{"GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\0\r\n\r\n", sizeof("GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\0\r\n\r\n") - 1},
		{"GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\0\0X-B\0 2\r\n\r\n",
		 sizeof("GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\0\0X-B\0 2\r\n\r\n") - 1},
		{"GET / HTTP/1.1\r\nHost: a\r\nX\0A: 1\r\n\r\n", sizeof("GET / HTTP/1.1\r\nHost: a\r\nX\0A: 1\r\n\r\n") - 1},
		{"GET /\0x HTTP/1.1\r\nHost: a\r\n\r\n", sizeof("GET /\0x HTTP/1.1\r\nHost: a\r\n\r\n") - 1},
		{"GET /?a\0b HTTP/1.1\r\nHost: a\r\n\r\n", sizeof("GET /?a\0b HTTP/1.1\r\nHost: a\r\n\r\n") - 1},
		{"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{"GET / x HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{"G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 0},
		{"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 0},
		{"GET /\r\nHost: a\r\n\r\n", 0},
		{"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 0},
		{"GET / HTTP/1.1\r\nHost: a\r\n: no name\r\n\r\n", 0},
		{"GET / HTTP/1.1\r\n\r\n", 0},
		{"\x16\x03\x01\x02\r\n\r\n", 0},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++)
	{
		char text[1024] = "";
		size_t used = 0;
		ssize_t got;
		int fd = dial();

		say_bytes(fd, hostile[i].text, hostile[i].length != 0 ? hostile[i].length : strlen(hostile[i].text));
		/* closed by the server, after a refusal if after anything */
		while ((got = recv(fd, text + used, sizeof(text) - 1 - used, 0)) > 0)
			used += (size_t) got;
		if (got < 0 && errno != ECONNRESET)
			fail_msg("case %zu: the connection stays open", i);
		if (used > 0 && strncmp(text, "HTTP/1.1 400 ", 13) != 0 && strncmp(text, "HTTP/1.1 505 ", 13) != 0)
			fail_msg("case %zu: %s", i, text);
		close(fd);
	}
	assert_int_equal(count(&begun), 0);
}

static void
test_header_memory_is_limited(void **state)
{
	char line[1024];
	struct answer answer;
	int fd = dial();

	(void) state;
	memset(line, 'x', sizeof(line));
	memcpy(line, "X-A: ", 5);
	memcpy(line + sizeof(line) - 2, "\r\n", 2);
	say(fd, "GET / HTTP/1.1\r\nHost: a\r\n");
	for (int i = 0; i < 2048; i++)
		say_bytes(fd, line, sizeof(line));
	hear(fd, &answer);
	/* the reply may be lost in the reset that follows unread bytes */
	assert_true(answer.status == 0 || answer.status == 431);
	free(answer.body);
	close(fd);
	assert_int_equal(count(&begun), 0);
}

/* A byte now and then is no life: the deadline counts, not the idleness. */
static void
test_slow_clients_are_cut(void **state)
{
	int64_t start = now_ms();
	int headers = dial();
	int body = dial();
	int idle = dial();

	(void) state;
	say(headers, "GET / HTTP/1.1\r\nX-A: ");
	say(body, "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
	for (int i = 0; i < 12; i++)
	{
		say(headers, "x");
		say(body, "x");
		pause_ms(500);
	}
	assert_ended(headers);
	assert_ended(body);
	assert_ended(idle);
	assert_true(now_ms() - start < 10000);
	wait_for(&released, 1);
}

static void
test_bad_addresses_are_refused(void **state)
{
	static const char *const bad[] = {"",
									  "7070",
									  "localhost:7070",
									  "127.0.0.1:",
									  "127.0.0.1:65536",
									  "::1:80",
									  "127.0.0.1:7070x",
									  "unix:",
									  "[::1]",
									  "[::1:7070",
									  "unix:/nowhere/at/all.sock"};
	struct pd_err err;

	(void) state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		struct pd_http_options options = {.listen = bad[i]};

		assert_null(pd_http_start(&options, &handler, &err));
		assert_true(err.code < 0 && err.text[0] != '\0');
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ON(test_a_body_beyond_the_limit_is_refused_unread, start_unix),
		ON(test_a_body_beyond_the_limit_is_refused_unread, start_tcp),
		ON(test_a_body_needs_a_length, start_tcp),
		ON(test_a_client_may_leave_at_any_time, start_unix),
		ON(test_a_client_may_leave_at_any_time, start_tcp),
		ON(test_a_client_may_leave_during_a_long_reply, start_unix),
		ON(test_a_client_may_leave_during_a_long_reply, start_tcp),
		ON(test_doubtful_framing_is_refused, start_unix),
		ON(test_doubtful_framing_is_refused, start_tcp),
		ON(test_header_memory_is_limited, start_unix),
		ON(test_slow_clients_are_cut, start_impatient),
		cmocka_unit_test(test_bad_addresses_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
