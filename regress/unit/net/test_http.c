/*
 * test_http.c
 *	  A real listener, and clients that behave and others that do not.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/queue.h"
#include "net/http.h"

#define BODY_MAX ((size_t) 4 * 1024 * 1024)
#define BIG (BODY_MAX + 65536)

/* --- the server under test --- */

static struct pd_http *server;
static struct pd_buffer_pool *pool;
static struct pd_queue *workers;
static char socket_path[64];
static int port;	  /* 0: the Unix socket */
static int begun;	  /* atomic */
static int released;  /* atomic */
static int seen_gone; /* atomic */

struct work
{
	struct pd_job job; /* first */
	struct pd_request *request;
	int delay_ms;
	bool long_reply;
	bool until_gone;
};

static void
pause_ms(int ms)
{
	const struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = (long) (ms % 1000) * 1000000};

	nanosleep(&ts, NULL);
}

static void
run_work(struct pd_job *job)
{
	struct work *work = (struct work *) job;
	struct pd_request *request = work->request;

	if (work->long_reply)
		pd_request_reply_begin(request);
	if (work->until_gone)
	{
		for (int i = 0; i < 500 && !pd_request_gone(request); i++)
			pause_ms(10);
		__atomic_add_fetch(&seen_gone, pd_request_gone(request) ? 1 : 0, __ATOMIC_SEQ_CST);
	}
	pause_ms(work->delay_ms);
	if (pd_request_attached(request) != &begun)
		abort();
	if (work->long_reply)
		pd_request_reply_end(request, "{\"done\": true}", 14);
	else if (strcmp(pd_request_path(request), "/later") == 0)
		pd_request_reply_text(request, 200, "text/plain", "later", 5);
	else
		pd_request_reply_text(request, 200, "text/plain", "race", 4);
	free(work);
}

static bool
is(const struct pd_request *request, const char *path)
{
	return strcmp(pd_request_path(request), path) == 0;
}

static int64_t
begin(void *arg, struct pd_request *request)
{
	(void) arg;
	__atomic_add_fetch(&begun, 1, __ATOMIC_SEQ_CST);
	pd_request_attach(request, &begun);
	if (is(request, "/denied"))
	{
		pd_request_reply_text(request, 403, "text/plain", "no", 2);
		return PK_ERR_DENIED;
	}
	if (is(request, "/echo"))
		return (int64_t) BODY_MAX;
	if (is(request, "/long-at-once"))
	{
		pd_request_reply_begin(request);
		pd_request_reply_end(request, "{}", 2);
	}
	return 0;
}

static void
submit(struct pd_request *request, int delay_ms, bool long_reply, bool until_gone)
{
	struct work *work = malloc(sizeof(*work));

	*work = (struct work){.job = {.run = run_work},
						  .request = request,
						  .delay_ms = delay_ms,
						  .long_reply = long_reply,
						  .until_gone = until_gone};
	pd_queue_submit(workers, &work->job, PD_JOB_LIVE);
}

/* A source of bytes that count up; "/source-that-ends" has them only up to a point. */
struct well
{
	size_t given;
	size_t ends;
};

static int wells_released; /* atomic */

static bool
draw(void *arg, uint8_t *out, size_t n)
{
	struct well *well = arg;

	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t) ((well->given + i) * 2654435761U >> 13);
	well->given += n;
	return well->given <= well->ends;
}

static void
release_well(void *arg)
{
	free(arg);
	__atomic_add_fetch(&wells_released, 1, __ATOMIC_SEQ_CST);
}

static void
reply_source(struct pd_request *request, size_t ends)
{
	struct well *well = calloc(1, sizeof(*well));
	const struct pd_source source = {draw, release_well, well};

	well->ends = ends;
	pd_request_reply_source(request, 200, &source, BODY_MAX);
}

static void
end_body(void *arg, struct pd_request *request)
{
	size_t length;
	struct pd_buffer *body;

	(void) arg;
	if (is(request, "/echo"))
	{
		body = pd_request_take_body(request, &length);
		if (body == NULL)
			pd_request_reply_text(request, 200, "application/octet-stream", "", 0);
		else
			pd_request_reply_buffer(request, 201, body, 0, length);
	}
	else if (is(request, "/big"))
	{
		body = pd_buffer_get(pool, BIG);
		memset(body->data, 'b', BIG);
		pd_request_reply_buffer(request, 200, body, 65536, BIG - 65536);
	}
	else if (is(request, "/source"))
		reply_source(request, BODY_MAX);
	else if (is(request, "/source-that-ends"))
		reply_source(request, BODY_MAX - 1);
	else if (is(request, "/header"))
	{
		const char *value = pd_request_header(request, "x-test");

		pd_request_reply_text(request, 200, "text/plain", value != NULL ? value : "-",
							  value != NULL ? strlen(value) : 1);
	}
	else if (is(request, "/later"))
		submit(request, 50, false, false);
	else if (is(request, "/race"))
		submit(request, 0, false, false);
	else if (is(request, "/long"))
		submit(request, 2300, true, false);
	else if (is(request, "/long-until-gone"))
		submit(request, 1200, true, true);
	else
		pd_request_reply_text(request, 200, "text/plain", "ok", 2);
}

static void
release(void *arg, struct pd_request *request)
{
	(void) arg;
	if (pd_request_attached(request) != &begun)
		abort();
	__atomic_add_fetch(&released, 1, __ATOMIC_SEQ_CST);
}

static const struct pd_http_handler handler = {.begin = begin, .finish = end_body, .release = release};

static int
free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 ||
		getsockname(fd, (struct sockaddr *) &address, &length) < 0)
		abort();
	close(fd);
	return ntohs(address.sin_port);
}

static int
start_server(int idle_timeout_s)
{
	char where[128];
	struct pd_http_options options = {.listen = where, .idle_timeout_s = idle_timeout_s};
	struct pd_err err;

	if (port != 0)
		snprintf(where, sizeof(where), "127.0.0.1:%d", port);
	else
		snprintf(where, sizeof(where), "unix:%s", socket_path);
	begun = released = seen_gone = 0;
	pool = pd_buffer_pool_create(64 * 1024 * 1024);
	workers = pd_queue_start("test-worker", 4);
	options.buffers = pool;
	server = pd_http_start(&options, &handler, &err);
	if (server == NULL)
		fprintf(stderr, "%s\n", err.text);
	return server == NULL ? -1 : 0;
}

static int
start_unix(void **state)
{
	(void) state;
	port = 0;
	snprintf(socket_path, sizeof(socket_path), "/tmp/pd-http-test-%d.sock", (int) getpid());
	return start_server(0);
}

static int
start_tcp(void **state)
{
	(void) state;
	port = free_port();
	return start_server(0);
}

static int
start_impatient(void **state)
{
	(void) state;
	port = free_port();
	return start_server(1);
}

/* Every request that began was released, once, whatever the test did to it. */
static int
stop_server(void **state)
{
	(void) state;
	pd_http_stop(server);
	pd_queue_stop(workers);
	pd_buffer_pool_free(pool);
	if (begun != released)
		fprintf(stderr, "%d begun, %d released\n", begun, released);
	return begun == released ? 0 : -1;
}

/* --- the client --- */

static int
dial(void)
{
	const struct timeval patience = {.tv_sec = 20};
	struct sockaddr_un local = {.sun_family = AF_UNIX};
	struct sockaddr_in remote = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(port != 0 ? AF_INET : AF_UNIX, SOCK_STREAM, 0);
	int rc;

	remote.sin_port = htons((uint16_t) port);
	snprintf(local.sun_path, sizeof(local.sun_path), "%s", socket_path);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (port != 0)
		rc = connect(fd, (struct sockaddr *) &remote, sizeof(remote));
	else
		rc = connect(fd, (struct sockaddr *) &local, sizeof(local));
	assert_int_equal(rc, 0);
	return fd;
}

static void
say_bytes(int fd, const void *bytes, size_t length)
{
	const char *at = bytes;

	while (length > 0)
	{
		ssize_t sent = send(fd, at, length, MSG_NOSIGNAL);

		if (sent < 0)
			return; /* the server may have had enough */
		at += sent;
		length -= (size_t) sent;
	}
}

static void
say(int fd, const char *text)
{
	say_bytes(fd, text, strlen(text));
}

struct answer
{
	int status;
	bool closed; /* announced or done */
	char headers[4096];
	char *body;
	size_t length;
};

static bool
hear_byte(int fd, char *c)
{
	return recv(fd, c, 1, 0) == 1;
}

/* Reads one reply with Content-Length; status 0 when the connection ends first. */
static void
hear(int fd, struct answer *answer)
{
	size_t used = 0;
	const char *field;

	memset(answer, 0, sizeof(*answer));
	while (used < sizeof(answer->headers) - 1 && strstr(answer->headers, "\r\n\r\n") == NULL)
	{
		if (!hear_byte(fd, &answer->headers[used]))
		{
			answer->closed = true;
			return;
		}
		used++;
	}
	assert_int_equal(strncmp(answer->headers, "HTTP/1.1 ", 9), 0);
	answer->status = (int) strtol(answer->headers + 9, NULL, 10);
	answer->closed = strstr(answer->headers, "Connection: close") != NULL;
	if (answer->status == 100)
		return;
	field = strstr(answer->headers, "Content-Length: ");
	assert_non_null(field);
	answer->length = strtoul(field + 16, NULL, 10);
	answer->body = malloc(answer->length + 1);
	for (size_t got = 0; got < answer->length;)
	{
		ssize_t n = recv(fd, answer->body + got, answer->length - got, 0);

		assert_true(n > 0);
		got += (size_t) n;
	}
	answer->body[answer->length] = '\0';
}

/* Sends, hears one reply, compares; returns whether the connection stays. */
static bool
ask(int fd, const char *text, int status, const char *body)
{
	struct answer answer;

	say(fd, text);
	hear(fd, &answer);
	assert_int_equal(answer.status, status);
	if (body != NULL)
		assert_string_equal(answer.body, body);
	free(answer.body);
	return !answer.closed;
}

static void
assert_ended(int fd)
{
	char c;

	assert_false(hear_byte(fd, &c));
	close(fd);
}

static int
count(int *counter)
{
	return __atomic_load_n(counter, __ATOMIC_SEQ_CST);
}

static void
wait_for(int *counter, int value)
{
	for (int i = 0; i < 1500 && count(counter) < value; i++)
		pause_ms(10);
	assert_int_equal(count(counter), value);
}

/* --- tests --- */

static void
test_many_requests_share_a_connection(void **state)
{
	int fd = dial();

	(void) state;
	for (int i = 0; i < 100; i++)
	{
		assert_true(ask(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 200, "ok"));
		assert_true(ask(fd, "GET /denied?x=%00 HTTP/1.1\r\nHost: a\r\n\r\n", 403, "no"));
		assert_true(ask(fd, "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 201, "hello"));
		assert_true(ask(fd, "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 200, ""));
	}
	/* pipelined */
	say(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /header HTTP/1.1\r\nHost: a\r\nX-Test:  a b:c \r\n\r\n");
	assert_true(ask(fd, "", 200, "ok"));
	assert_true(ask(fd, "", 200, "a b:c "));
	close(fd);
}

static void
test_large_bodies_come_back(void **state)
{
	char head[128];
	char *bytes = malloc(BODY_MAX);
	struct answer answer;
	int fd = dial();

	(void) state;
	for (size_t i = 0; i < BODY_MAX; i++)
		bytes[i] = (char) (i * 2654435761U >> 13);
	for (int i = 0; i < 5; i++)
	{
		snprintf(head, sizeof(head), "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", BODY_MAX);
		say(fd, head);
		say_bytes(fd, bytes, BODY_MAX);
		hear(fd, &answer);
		assert_int_equal(answer.status, 201);
		assert_int_equal(answer.length, BODY_MAX);
		assert_memory_equal(answer.body, bytes, BODY_MAX);
		free(answer.body);
	}
	say(fd, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
	hear(fd, &answer);
	assert_int_equal(answer.length, BIG - 65536);
	free(answer.body);
	free(bytes);
	close(fd);
}

static void
test_bytes_are_made_as_they_are_sent(void **state)
{
	struct answer answer;
	char byte;
	size_t got = 0;
	int fd = dial();

	(void) state;
	wells_released = 0;
	for (int i = 0; i < 3; i++)
	{
		say(fd, "GET /source HTTP/1.1\r\nHost: a\r\n\r\n");
		hear(fd, &answer);
		assert_int_equal(answer.status, 200);
		assert_int_equal(answer.length, BODY_MAX);
		for (size_t at = 0; at < BODY_MAX; at++)
			assert_int_equal((uint8_t) answer.body[at], (uint8_t) (at * 2654435761U >> 13));
		free(answer.body);
		assert_false(answer.closed);
	}
	wait_for(&wells_released, 3);
	/* what cannot be made ends the connection before its end */
	say(fd, "GET /source-that-ends HTTP/1.1\r\nHost: a\r\n\r\n");
	while (hear_byte(fd, &byte))
		got++;
	assert_in_range(got, BODY_MAX / 2, BODY_MAX - 1);
	close(fd);
	wait_for(&wells_released, 4);
	/* and nobody need wait for all of it; who leaves before it has begun may not even be asked what he wanted */
	fd = dial();
	say(fd, "GET /source HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_true(hear_byte(fd, &byte));
	close(fd);
	wait_for(&wells_released, 5);
}

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
test_replies_come_later_from_other_threads(void **state)
{
	int fds[16];

	(void) state;
	for (int i = 0; i < 16; i++)
	{
		fds[i] = dial();
		say(fds[i], "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
	}
	for (int i = 0; i < 16; i++)
	{
		assert_true(ask(fds[i], "", 200, "later"));
		assert_true(ask(fds[i], "GET /later HTTP/1.1\r\nHost: a\r\n\r\n", 200, "later"));
		close(fds[i]);
	}
}

static void
test_a_reply_may_overtake_finish(void **state)
{
	int fds[4];

	(void) state;
	for (int i = 0; i < 4; i++)
		fds[i] = dial();
	for (int i = 0; i < 1000; i++)
	{
		for (int j = 0; j < 4; j++)
			say(fds[j], "GET /race HTTP/1.1\r\nHost: a\r\n\r\n");
		for (int j = 0; j < 4; j++)
			assert_true(ask(fds[j], "", 200, "race"));
	}
	for (int i = 0; i < 4; i++)
		close(fds[i]);
	wait_for(&released, 4000);
}

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
test_a_long_reply_shows_that_it_lives(void **state)
{
	char text[4096] = "";
	size_t used = 0;
	int64_t start = now_ms();
	int fd = dial();
	char *body;
	char c;

	(void) state;
	say(fd, "POST /long HTTP/1.1\r\nHost: a\r\n\r\n");
	while (strstr(text, "\r\n\r\n") == NULL)
	{
		assert_true(hear_byte(fd, &c));
		text[used++] = c;
	}
	/* the headers are there long before the end */
	assert_true(now_ms() - start < 1000);
	assert_non_null(strstr(text, "HTTP/1.1 200"));
	assert_non_null(strstr(text, "application/json"));
	assert_non_null(strstr(text, "chunked"));
	body = text + used;
	while (strstr(body, "0\r\n\r\n") == NULL)
	{
		assert_true(hear_byte(fd, &c));
		text[used++] = c;
	}
	assert_in_range(now_ms() - start, 2200, 4000);
	/* a newline at once, and one or two after that */
	assert_int_equal(strncmp(body, "1\r\n\n\r\n1\r\n\n\r\n", 12), 0);
	for (body += 12; strncmp(body, "1\r\n\n\r\n", 6) == 0; body += 6)
		;
	assert_string_equal(body, "E\r\n{\"done\": true}\r\n0\r\n\r\n");
	assert_true(ask(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 200, "ok"));

	say(fd, "POST /long-at-once HTTP/1.1\r\nHost: a\r\n\r\n");
	for (used = 0; strstr(text, "{}\r\n0\r\n\r\n") == NULL;)
	{
		assert_true(hear_byte(fd, &text[used++]));
		text[used] = '\0';
	}
	close(fd);
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
test_a_stop_waits_for_replies_under_way(void **state)
{
	int later = dial();
	int stream = dial();
	int body = dial();
	struct answer answer;
	char text[1024];
	ssize_t got;
	size_t used = 0;

	(void) state;
	say(body, "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
	say(stream, "POST /long HTTP/1.1\r\nHost: a\r\n\r\n");
	say(later, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
	wait_for(&begun, 3);
	pd_http_stop(server);
	server = NULL;
	assert_int_equal(count(&released), 3);
	hear(later, &answer);
	assert_int_equal(answer.status, 200);
	free(answer.body);
	while ((got = recv(stream, text + used, sizeof(text) - 1 - used, 0)) > 0)
		used += (size_t) got;
	text[used] = '\0';
	assert_non_null(strstr(text, "{\"done\": true}\r\n0\r\n\r\n"));
	assert_ended(body);
	close(later);
	close(stream);
}

static void
test_sockets_of_the_dead_are_replaced_and_of_the_living_not(void **state)
{
	char where[128];
	struct pd_http_options options = {.listen = where, .buffers = pool};
	struct pd_err err;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat st;
	struct pd_http *second;
	int fd;

	(void) state;
	assert_int_equal(stat(socket_path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	snprintf(where, sizeof(where), "unix:%s", socket_path);
	assert_null(pd_http_start(&options, &handler, &err));
	assert_int_equal(err.code, PK_ERR_STATE);
	fd = dial();
	assert_true(ask(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 200, "ok"));
	close(fd);

	snprintf(where, sizeof(where), "unix:%s.stale", socket_path);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s.stale", socket_path);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof(address)), 0);
	close(fd);
	second = pd_http_start(&options, &handler, &err);
	assert_non_null(second);
	pd_http_stop(second);
	assert_int_equal(stat(where + 5, &st), -1);

	/* what is no socket is nobody's to remove */
	fclose(fopen(where + 5, "w"));
	assert_null(pd_http_start(&options, &handler, &err));
	assert_int_equal(err.code, PK_ERR_STATE);
	assert_int_equal(unlink(where + 5), 0);
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
#define ON(test, start) cmocka_unit_test_setup_teardown(test, start, stop_server)
	const struct CMUnitTest tests[] = {
		ON(test_many_requests_share_a_connection, start_unix),
		ON(test_many_requests_share_a_connection, start_tcp),
		ON(test_large_bodies_come_back, start_unix),
		ON(test_large_bodies_come_back, start_tcp),
		ON(test_bytes_are_made_as_they_are_sent, start_unix),
		ON(test_bytes_are_made_as_they_are_sent, start_tcp),
		ON(test_a_body_beyond_the_limit_is_refused_unread, start_unix),
		ON(test_a_body_beyond_the_limit_is_refused_unread, start_tcp),
		ON(test_a_body_needs_a_length, start_tcp),
		ON(test_replies_come_later_from_other_threads, start_unix),
		ON(test_a_reply_may_overtake_finish, start_unix),
		ON(test_a_reply_may_overtake_finish, start_tcp),
		ON(test_a_long_reply_shows_that_it_lives, start_unix),
		ON(test_a_client_may_leave_at_any_time, start_unix),
		ON(test_a_client_may_leave_at_any_time, start_tcp),
		ON(test_a_client_may_leave_during_a_long_reply, start_unix),
		ON(test_a_client_may_leave_during_a_long_reply, start_tcp),
		ON(test_doubtful_framing_is_refused, start_unix),
		ON(test_doubtful_framing_is_refused, start_tcp),
		ON(test_header_memory_is_limited, start_unix),
		ON(test_slow_clients_are_cut, start_impatient),
		ON(test_a_stop_waits_for_replies_under_way, start_tcp),
		ON(test_sockets_of_the_dead_are_replaced_and_of_the_living_not, start_unix),
		cmocka_unit_test(test_bad_addresses_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
