/*
 * test_http.c
 *	  Requests and their replies, at once, late, long, or made as they are sent; the listener's beginning and end.
 */
#include "harness.h"

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ON(test_many_requests_share_a_connection, start_unix),
		ON(test_many_requests_share_a_connection, start_tcp),
		ON(test_large_bodies_come_back, start_unix),
		ON(test_large_bodies_come_back, start_tcp),
		ON(test_bytes_are_made_as_they_are_sent, start_unix),
		ON(test_bytes_are_made_as_they_are_sent, start_tcp),
		ON(test_replies_come_later_from_other_threads, start_unix),
		ON(test_a_reply_may_overtake_finish, start_unix),
		ON(test_a_reply_may_overtake_finish, start_tcp),
		ON(test_a_long_reply_shows_that_it_lives, start_unix),
		ON(test_a_stop_waits_for_replies_under_way, start_tcp),
		ON(test_sockets_of_the_dead_are_replaced_and_of_the_living_not, start_unix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
