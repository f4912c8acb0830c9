/*
 * regress/unit/remote/harness.h
 *	  What the tests of remote/ share: a node with a real listener, cell and
 *	  drives; a peer that asks it; and a node that answers what a test says.
 */
#ifndef REMOTE_HARNESS_H
#define REMOTE_HARNESS_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/api.h"
#include "base/log.h"
#include "contract/pk_hash.h"
#include "remote/internal.h"
#include "volume/volume.h"

#define DRIVES 2

static const uint8_t test_cell[PK_UUID_SIZE] = {0xce, 0x11, 1};
static struct pd_err ok_err;

#define assert_ok(call)                                                                    \
	do                                                                                     \
	{                                                                                      \
		pk_error assert_rc = (call);                                                       \
		if (assert_rc != PK_OK)                                                            \
			fail_msg("%s: %s (%s)", #call, pk_error_lookup(assert_rc)->name, ok_err.text); \
	} while (0)

/* Fails with the code, and the sentence names the words. */
#define assert_fails(call, code, words)                                                                              \
	do                                                                                                               \
	{                                                                                                                \
		pk_error assert_rc = (call);                                                                                 \
		if (assert_rc != (code) || strstr(ok_err.text, (words)) == NULL)                                             \
			fail_msg("%s: %s (%s)", #call, pk_error_lookup(assert_rc)->name, assert_rc == PK_OK ? "" : ok_err.text); \
	} while (0)

/* --- the node that is asked --- */

static struct
{
	char dir[64];
	char url[160];
	struct pd_drive *drives[DRIVES];
	struct pd_buffer_pool *pool;
	struct pd_cell *cell;
	struct pd_api *api;
	struct pd_http *http;
	pk_keyring keys;
	struct pd_vfs vfs;
} node;

static atomic_llong clock_ahead_us; /* of the node's clock */

/* --- who asks --- */

static struct
{
	struct pd_peer_options options;
	atomic_llong end_us;
	uint8_t cell[PK_UUID_SIZE];
	pk_epoch epoch;
	pk_keyring keys;
	struct pd_peer *peer;
	struct pd_drive *drive; /* the node's first */
} asker;

static inline int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void) st, (void) type, (void) ftw;
	return remove(path);
}

static inline int64_t
later_us(const struct pd_vfs *vfs)
{
	(void) vfs;
	return pd_vfs_real.monotonic_us(&pd_vfs_real) + atomic_load(&clock_ahead_us);
}

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

static inline void
serve_node(void)
{
	const struct pd_api_options api_options = {
		.cell = node.cell, .drives = node.drives, .drive_count = DRIVES, .buffers = node.pool, .vfs = &node.vfs};
	const char *listen = strncmp(node.url, "unix:", 5) == 0 ? node.url : node.url + strlen("http://");
	const struct pd_http_options http_options = {.listen = listen, .buffers = node.pool};

	node.api = pd_api_create(&api_options, &ok_err);
	assert_non_null(node.api);
	node.http = pd_http_start(&http_options, pd_api_handler(node.api), &ok_err);
	if (node.http == NULL)
		fail_msg("%s", ok_err.text);
}

static inline void
stop_serving(void)
{
	pd_api_stop(node.api);
	pd_http_stop(node.http);
	pd_api_free(node.api);
}

static inline void
who_asks(void *arg, uint8_t cell[PK_UUID_SIZE], pk_epoch *epoch, pk_keyring *keys)
{
	(void) arg;
	memcpy(cell, asker.cell, PK_UUID_SIZE);
	*epoch = asker.epoch;
	*keys = asker.keys;
}

static inline struct pd_peer *
new_peer(const char *url)
{
	struct pd_peer *peer = pd_peer_create(&asker.options, url, &ok_err);

	if (peer == NULL)
		fail_msg("%s", ok_err.text);
	return peer;
}

static inline void
start_asker(void)
{
	memset(&asker, 0, sizeof(asker));
	asker.options.vfs = &pd_vfs_real;
	asker.options.silence_s = 10;
	asker.options.end_us = &asker.end_us;
	asker.options.identity = who_asks;
	memcpy(asker.cell, test_cell, PK_UUID_SIZE);
	asker.epoch = (pk_epoch){7, 1, 1};
	asker.keys = node.keys;
}

static inline int
start_node(const char *url)
{
	const pk_epoch epoch = {7, 1, 1};

	signal(SIGPIPE, SIG_IGN);
	pd_log_set_level(PD_LOG_ERROR + 1);
	memset(&node, 0, sizeof(node));
	atomic_store(&clock_ahead_us, 0);
	node.vfs = pd_vfs_real;
	node.vfs.monotonic_us = later_us;
	node.keys.count = 1;
	node.keys.keys[0].id = 1;
	memset(node.keys.keys[0].secret, 0x5a, PK_KEY_SIZE);
	snprintf(node.dir, sizeof(node.dir), "%s/pocket-peer-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (mkdtemp(node.dir) == NULL)
		return -1;
	if (url != NULL)
		snprintf(node.url, sizeof(node.url), "%s", url);
	else
		snprintf(node.url, sizeof(node.url), "unix:%s/sock", node.dir);
	node.pool = pd_buffer_pool_create(64 * 1024 * 1024);
	for (int i = 0; i < DRIVES; i++)
	{
		char path[96];

		snprintf(path, sizeof(path), "%s/d%d", node.dir, i);
		assert_ok(pd_drive_format(&pd_vfs_real, path, &ok_err));
		node.drives[i] = pd_drive_open(&node.vfs, path);
		assert_non_null(node.drives[i]);
	}
	node.cell = pd_cell_create(node.drives, DRIVES, &node.keys, node.pool, &ok_err);
	assert_non_null(node.cell);
	assert_ok(pd_cell_bind(node.cell, test_cell, &epoch, &ok_err));
	serve_node();

	start_asker();
	asker.peer = new_peer(node.url);
	asker.drive = pd_peer_drive(asker.peer, pd_drive_uuid(node.drives[0]), &ok_err);
	assert_non_null(asker.drive);
	return 0;
}

static inline int
start_unix(void **state)
{
	(void) state;
	return start_node(NULL);
}

static inline int
start_tcp(void **state)
{
	char url[64];

	(void) state;
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", free_port());
	return start_node(url);
}

static inline int
stop_node(void **state)
{
	(void) state;
	pd_drive_close(asker.drive);
	pd_peer_release(asker.peer);
	stop_serving();
	pd_cell_free(node.cell);
	for (int i = 0; i < DRIVES; i++)
		pd_drive_close(node.drives[i]);
	pd_buffer_pool_free(node.pool);
	nftw(node.dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}

/* --- extents --- */

static inline void
fill_members(struct pd_members *members, uint64_t bucket_id, uint32_t generation)
{
	memset(members, 0, sizeof(*members));
	members->volume_id = bucket_id;
	members->generation = generation;
	members->code = (pk_code){PK_CODE_REPLICATED, 1, 0};
	members->count = 2;
	for (int i = 0; i < 2; i++)
	{
		memcpy(members->member[i].drive, pd_drive_uuid(node.drives[i]), PK_UUID_SIZE);
		members->member[i].bucket_id = bucket_id;
		memset(members->member[i].key, 0x40 + i, PD_MEMBER_KEY);
	}
}

static inline struct pd_extent *
new_bucket(uint64_t id)
{
	struct pd_members members;
	struct pd_extent *extent;

	fill_members(&members, id, 1);
	assert_ok(pd_extent_create(asker.drive, PK_EXTENT_BUCKET, id, 0, test_cell, &members, 1 << 20, &extent, &ok_err));
	return extent;
}

static inline void
fill_bytes(uint8_t *buf, size_t n, uint64_t seed)
{
	uint64_t x = seed * 0x9e3779b97f4a7c15 + 1;

	for (size_t i = 0; i < n; i++)
	{
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		buf[i] = (uint8_t) x;
	}
}

static inline uint8_t *
make_bytes(size_t n, uint64_t seed)
{
	uint8_t *bytes = malloc(n + 1);

	assert_non_null(bytes);
	fill_bytes(bytes, n, seed);
	return bytes;
}

static inline pk_error
append(struct pd_extent *extent, const void *bytes, size_t n, uint64_t offset)
{
	struct iovec iov = {(void *) (uintptr_t) bytes, n};

	return pd_extent_append(extent, &iov, 1, offset, &ok_err);
}

/* What the node's own drive has; NULL: nothing. One at a time. */
static inline const struct pd_extent_info *
there(pk_extent_kind kind, uint64_t id, int position)
{
	static struct pd_extent_info info;
	struct pd_extent *extent = pd_extent_find(node.drives[0], kind, id, position);

	if (extent == NULL)
		return NULL;
	pd_extent_info(extent, &info);
	pd_extent_unref(extent);
	return &info;
}

static inline struct pd_extent_info *
info_of(struct pd_extent *extent)
{
	static struct pd_extent_info info;

	pd_extent_info(extent, &info);
	return &info;
}

/* --- sockets --- */

static inline bool
read_until_end_of_headers(int fd, char *out, size_t room)
{
	size_t n = 0;

	while (n < room - 1 && recv(fd, out + n, 1, 0) == 1)
	{
		out[++n] = '\0';
		if (n >= 4 && strcmp(out + n - 4, "\r\n\r\n") == 0)
			return true;
	}
	return false;
}

static inline size_t
content_length(const char *headers)
{
	const char *field = strcasestr(headers, "Content-Length: ");

	return field != NULL ? strtoul(field + 16, NULL, 10) : 0;
}

static inline bool
receive(int fd, void *out, size_t n)
{
	return n == 0 || recv(fd, out, n, MSG_WAITALL) == (ssize_t) n;
}

static inline void
say(int fd, const void *bytes, size_t n)
{
	for (size_t done = 0; done < n;)
	{
		ssize_t sent = send(fd, (const char *) bytes + done, n - done, MSG_NOSIGNAL);

		if (sent <= 0)
			return;
		done += (size_t) sent;
	}
}

/* Signs and sends a request as it is given, on a connection of its own, to a node on a Unix socket. */
static inline int
raw_send(const char *method, const char *signed_path, const char *path, uint32_t generation, const void *signed_body,
		 const void *body, size_t n)
{
	char headers[2048];
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	pk_token token = {.method = PK_METHOD_PEER, .generation = generation, .expires = UINT64_MAX};
	char authorization[PK_TOKEN_TEXT + 1];
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), used;

	memcpy(token.cell, asker.cell, PK_UUID_SIZE);
	token.epoch = asker.epoch;
	token.length = (uint32_t) n;
	token.crc32c = pk_crc32c(0, signed_body, n);
	pk_sha256(token.hash, signed_path, strlen(signed_path));
	pk_token_sign(authorization, &token, &asker.keys);
	assert_true(strlen(node.url) < sizeof(address.sun_path));
	memcpy(address.sun_path, node.url + strlen("unix:"), strlen(node.url) - strlen("unix:") + 1);
	assert_int_equal(connect(fd, (struct sockaddr *) &address, sizeof(address)), 0);
	used = snprintf(headers, sizeof(headers),
					"%s %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Pocket %s\r\nContent-Length: %zu\r\n\r\n",
					method, path, authorization, n);
	say(fd, headers, (size_t) used);
	say(fd, body, n);
	return fd;
}

/* The status, and the answer's text; closes. */
static inline int
raw_hear(int fd, char *text, size_t room)
{
	char headers[2048];
	size_t length;

	assert_true(read_until_end_of_headers(fd, headers, sizeof(headers)));
	length = content_length(headers);
	assert_true(length < room);
	assert_true(receive(fd, text, length));
	text[length] = '\0';
	close(fd);
	return (int) strtol(headers + 9, NULL, 10);
}

static inline int
raw(const char *method, const char *signed_path, const char *path, uint32_t generation, const void *signed_body,
	const void *body, size_t n, char text[512])
{
	return raw_hear(raw_send(method, signed_path, path, generation, signed_body, body, n), text, 512);
}

/* --- a node that answers what it is told --- */

#define ODD_CONNECTIONS 64

struct manner
{
	bool silent;	  /* takes requests, and answers nothing */
	bool deaf;		  /* closes when the headers are there */
	int beats;		  /* newlines before the answer, every 400 ms */
	char reply[8192]; /* all bytes of it */
	size_t reply_length;
	bool closes; /* after the reply */
};

static struct
{
	int listener;
	char url[64];
	atomic_int connections;
	atomic_int requests;
	pthread_mutex_t lock;
	struct manner manner;
	pthread_t acceptor;
	pthread_t threads[ODD_CONNECTIONS];
	int fds[ODD_CONNECTIONS];
} odd;

static inline void
pause_ms(int ms)
{
	poll(NULL, 0, ms);
}

static inline void *
odd_talk(void *arg)
{
	int fd = *(int *) arg;
	char headers[4096];
	char *body = malloc(PK_PEER_SIZE_MAX);
	struct manner manner;

	while (read_until_end_of_headers(fd, headers, sizeof(headers)))
	{
		atomic_fetch_add(&odd.requests, 1);
		pthread_mutex_lock(&odd.lock);
		manner = odd.manner;
		pthread_mutex_unlock(&odd.lock);
		if (manner.deaf || !receive(fd, body, content_length(headers)))
			break;
		if (manner.silent)
		{
			(void) recv(fd, headers, 1, 0); /* until the other side, or odd_stop, ends it */
			break;
		}
		if (manner.beats > 0)
			say(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", 38);
		for (int i = 0; i < manner.beats; i++)
		{
			say(fd, "\n", 1);
			pause_ms(400);
		}
		say(fd, manner.reply, manner.reply_length);
		if (manner.closes)
			break;
	}
	free(body);
	shutdown(fd, SHUT_RDWR);
	return NULL;
}

static inline void *
odd_accept(void *arg)
{
	int fd;

	while ((fd = accept(odd.listener, NULL, NULL)) >= 0)
	{
		int i = atomic_load(&odd.connections);

		if (i == ODD_CONNECTIONS)
			abort();
		odd.fds[i] = fd;
		if (pthread_create(&odd.threads[i], NULL, odd_talk, &odd.fds[i]) != 0)
			abort();
		atomic_fetch_add(&odd.connections, 1);
	}
	return arg;
}

static inline void
odd_start(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);

	memset(&odd, 0, sizeof(odd));
	pthread_mutex_init(&odd.lock, NULL);
	odd.listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(odd.listener, (struct sockaddr *) &address, sizeof(address)), 0);
	assert_int_equal(listen(odd.listener, 64), 0);
	getsockname(odd.listener, (struct sockaddr *) &address, &length);
	snprintf(odd.url, sizeof(odd.url), "http://127.0.0.1:%d", ntohs(address.sin_port));
	assert_int_equal(pthread_create(&odd.acceptor, NULL, odd_accept, NULL), 0);
}

static inline void
odd_stop(void)
{
	shutdown(odd.listener, SHUT_RDWR);
	pthread_join(odd.acceptor, NULL);
	close(odd.listener);
	for (int i = 0; i < atomic_load(&odd.connections); i++)
	{
		shutdown(odd.fds[i], SHUT_RDWR);
		pthread_join(odd.threads[i], NULL);
		close(odd.fds[i]);
	}
}

/* How it behaves from now on; its reply stays. */
static inline void
odd_is(bool silent, bool deaf, int beats, bool closes)
{
	pthread_mutex_lock(&odd.lock);
	odd.manner.silent = silent;
	odd.manner.deaf = deaf;
	odd.manner.beats = beats;
	odd.manner.closes = closes;
	pthread_mutex_unlock(&odd.lock);
}

/* What it says from now on, without anything before it. */
static inline void
odd_says(const void *bytes, size_t n)
{
	pthread_mutex_lock(&odd.lock);
	memcpy(odd.manner.reply, bytes, n);
	odd.manner.reply_length = n;
	pthread_mutex_unlock(&odd.lock);
}

/* The same as an answer: the bytes, with their CRC when they are to have one. */
static inline void
odd_answers(int status, const void *bytes, size_t n, bool crc)
{
	char reply[8192];
	int used = snprintf(reply, sizeof(reply), "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n\r\n", status,
						n + (crc ? PD_PEER_CRC : 0));

	memcpy(reply + used, bytes, n);
	if (crc)
		pk_put_u32((uint8_t *) reply + used + n, pk_crc32c(0, bytes, n));
	odd_says(reply, (size_t) used + n + (crc ? PD_PEER_CRC : 0));
}

#endif
