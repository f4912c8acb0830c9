/*
 * regress/unit/net/harness.h
 *	  What the tests of net/ share: a server on a real listener that answers by
 *	  path, and a client that says bytes and hears replies.
 */
#ifndef NET_HARNESS_H
#define NET_HARNESS_H

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

static inline int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static inline void
pause_ms(int ms)
{
	const struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = (long) (ms % 1000) * 1000000};

	nanosleep(&ts, NULL);
}

static inline void
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

static inline bool
is(const struct pd_request *request, const char *path)
{
	return strcmp(pd_request_path(request), path) == 0;
}

static inline int64_t
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

static inline void
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

static inline bool
draw(void *arg, uint8_t *out, size_t n)
{
	struct well *well = arg;

	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t) ((well->given + i) * 2654435761U >> 13);
	well->given += n;
	return well->given <= well->ends;
}

static inline void
release_well(void *arg)
{
	free(arg);
	__atomic_add_fetch(&wells_released, 1, __ATOMIC_SEQ_CST);
}

static inline void
reply_source(struct pd_request *request, size_t ends)
{
	struct well *well = calloc(1, sizeof(*well));
	const struct pd_source source = {draw, release_well, well};

	well->ends = ends;
	pd_request_reply_source(request, 200, &source, BODY_MAX);
}

static inline void
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

static inline void
release(void *arg, struct pd_request *request)
{
	(void) arg;
	if (pd_request_attached(request) != &begun)
		abort();
	__atomic_add_fetch(&released, 1, __ATOMIC_SEQ_CST);
}

static const struct pd_http_handler handler = {.begin = begin, .finish = end_body, .release = release};

static inline int
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

static inline int
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

static inline int
start_unix(void **state)
{
	(void) state;
	port = 0;
	snprintf(socket_path, sizeof(socket_path), "/tmp/pd-http-test-%d.sock", (int) getpid());
	return start_server(0);
}

static inline int
start_tcp(void **state)
{
	(void) state;
	port = free_port();
	return start_server(0);
}

static inline int
start_impatient(void **state)
{
	(void) state;
	port = free_port();
	return start_server(1);
}

/* Every request that began was released, once, whatever the test did to it. */
static inline int
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

static inline int
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

static inline void
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

static inline void
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

static inline bool
hear_byte(int fd, char *c)
{
	return recv(fd, c, 1, 0) == 1;
}

/* Reads one reply with Content-Length; status 0 when the connection ends first. */
static inline void
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
static inline bool
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

static inline void
assert_ended(int fd)
{
	char c;

	assert_false(hear_byte(fd, &c));
	close(fd);
}

static inline int
count(int *counter)
{
	return __atomic_load_n(counter, __ATOMIC_SEQ_CST);
}

static inline void
wait_for(int *counter, int value)
{
	for (int i = 0; i < 1500 && count(counter) < value; i++)
		pause_ms(10);
	assert_int_equal(count(counter), value);
}

#define ON(test, start) cmocka_unit_test_setup_teardown(test, start, stop_server)

#endif
