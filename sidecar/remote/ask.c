/*
 * remote/ask.c
 *	  One question to a peer, and its answer: a request of libcurl on the calling
 *	  thread.
 */
#include "remote/internal.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <curl/curl.h>
#include <jansson.h>
#include <openssl/crypto.h>

#include "contract/pk_hash.h"

#define CONNECT_MS 1000L
#define TOKEN_LIFE_S 300 /* covers clocks that differ a little, and a request that waits for its body */
#define IDLE_S_MAX 30L	 /* a connection; the listener closes one after 60 */
#define BUFFER_SIZE (512L * 1024)
#define UNIX_SEND_BUFFER (4 * 1024 * 1024)
#define TEXT_MAX 4096 /* of an answer that is no bytes */
#define AUTHORIZATION "Authorization: Pocket "

struct exchange
{
	struct pd_peer *peer;
	struct pd_question *question;
	CURL *easy;
	/* the body */
	int body_at; /* which iovec */
	size_t body_offset;
	/* the answer */
	long status;
	size_t received;
	uint8_t tail[PD_PEER_CRC]; /* what came behind the caller's room */
	char text[TEXT_MAX + 1];
	size_t text_length;
	bool too_long;
	/* silence */
	curl_off_t moved;
	int64_t moved_us;
	bool silent;
};

static int64_t
now_us(const struct pd_peer *peer)
{
	return peer->options.vfs->monotonic_us(peer->options.vfs);
}

static bool
is_stopping(const struct pd_peer *peer)
{
	long long end_us = atomic_load(peer->options.end_us);

	return end_us != 0 && now_us(peer) >= end_us;
}

/* --- the body, out of the caller's pieces --- */

static size_t
body_length(const struct pd_question *question)
{
	size_t n = 0;

	for (int i = 0; i < question->body_count; i++)
		n += question->body[i].iov_len;
	return n;
}

static size_t
on_send(char *out, size_t size, size_t count, void *arg)
{
	struct exchange *exchange = arg;
	const struct pd_question *question = exchange->question;
	size_t room = size * count, done = 0;

	while (done < room && exchange->body_at < question->body_count)
	{
		const struct iovec *piece = &question->body[exchange->body_at];
		size_t left = piece->iov_len - exchange->body_offset;
		size_t n = left < room - done ? left : room - done;

		memcpy(out + done, (const uint8_t *) piece->iov_base + exchange->body_offset, n);
		done += n;
		exchange->body_offset += n;
		if (exchange->body_offset == piece->iov_len)
		{
			exchange->body_at++;
			exchange->body_offset = 0;
		}
	}
	return done;
}

/* A connection that was kept turned out to be closed: libcurl sends all of it on a new one. */
static int
on_rewind(void *arg, curl_off_t offset, int origin)
{
	struct exchange *exchange = arg;

	if (offset != 0 || origin != SEEK_SET)
		return CURL_SEEKFUNC_FAIL;
	exchange->body_at = 0;
	exchange->body_offset = 0;
	return CURL_SEEKFUNC_OK;
}

/* --- the answer --- */

static bool
is_bytes(const struct exchange *exchange)
{
	return exchange->status == 200 && exchange->question->room > 0;
}

static bool
take_bytes(struct exchange *exchange, const char *data, size_t n)
{
	const struct pd_question *question = exchange->question;
	size_t at = exchange->received;
	size_t into = at >= question->room ? 0 : n < question->room - at ? n : question->room - at;

	if (n > question->room + PD_PEER_CRC - at)
		return false;
	if (into > 0)
		memcpy(question->bytes + at, data, into);
	if (n > into)
		memcpy(exchange->tail + (at + into - question->room), data + into, n - into);
	exchange->received += n;
	return true;
}

static size_t
on_answer(char *data, size_t size, size_t count, void *arg)
{
	struct exchange *exchange = arg;
	size_t n = size * count;

	if (exchange->status == 0)
		(void) curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &exchange->status);
	if (is_bytes(exchange))
		exchange->too_long = !take_bytes(exchange, data, n);
	else if (n > TEXT_MAX - exchange->text_length)
		exchange->too_long = true;
	else
	{
		memcpy(exchange->text + exchange->text_length, data, n);
		exchange->text_length += n;
	}
	return exchange->too_long ? 0 : n;
}

/* Called at least once a second: whether to give up. */
static int
on_progress(void *arg, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
	struct exchange *exchange = arg;
	const struct pd_peer_options *options = &exchange->peer->options;
	int64_t at = now_us(exchange->peer);

	(void) down_total;
	(void) up_total;
	if (down + up != exchange->moved)
	{
		exchange->moved = down + up;
		exchange->moved_us = at;
	}
	exchange->silent = at - exchange->moved_us >= (int64_t) options->silence_s * 1000000;
	return exchange->silent || is_stopping(exchange->peer);
}

/* --- the request --- */

/* bbr on loopback costs a factor of four; a Unix socket's default buffer makes both sides wait for each other. */
static int
on_socket(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	const struct pd_peer *peer = arg;
	int size = UNIX_SEND_BUFFER;

	if (purpose == CURLSOCKTYPE_IPCXN && peer->unix_path != NULL)
		(void) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	else if (purpose == CURLSOCKTYPE_IPCXN)
		(void) setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5);
	return CURL_SOCKOPT_OK;
}

#define SET(option, value) \
	if (code == CURLE_OK)  \
	code = curl_easy_setopt(easy, option, value)

/* The one place that knows how a node is reached. */
static CURLcode
set_transport(CURL *easy, const struct pd_peer *peer)
{
	CURLcode code = CURLE_OK;

	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NOPROXY, "*");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PROTOCOLS_STR, "http");
	SET(CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	SET(CURLOPT_MAXAGE_CONN, IDLE_S_MAX);
	SET(CURLOPT_MAXCONNECTS, 1L);
	SET(CURLOPT_BUFFERSIZE, BUFFER_SIZE);
	SET(CURLOPT_UPLOAD_BUFFERSIZE, BUFFER_SIZE);
	SET(CURLOPT_TCP_NODELAY, 1L);
	SET(CURLOPT_SOCKOPTFUNCTION, on_socket);
	SET(CURLOPT_SOCKOPTDATA, (void *) (uintptr_t) peer);
	if (peer->unix_path != NULL)
		SET(CURLOPT_UNIX_SOCKET_PATH, peer->unix_path);
	return code;
}

static CURLcode
set_request(struct exchange *exchange, const char *path, struct curl_slist *headers)
{
	CURL *easy = exchange->easy;
	const struct pd_question *question = exchange->question;
	CURLcode code = set_transport(easy, exchange->peer);
	char *url = malloc(strlen(exchange->peer->base) + strlen(path) + 1);

	if (url == NULL)
		return CURLE_OUT_OF_MEMORY;
	(void) stpcpy(stpcpy(url, exchange->peer->base), path);
	SET(CURLOPT_URL, url); /* copied */
	free(url);
	SET(CURLOPT_HTTPHEADER, headers);
	SET(CURLOPT_WRITEFUNCTION, on_answer);
	SET(CURLOPT_WRITEDATA, exchange);
	SET(CURLOPT_NOPROGRESS, 0L);
	SET(CURLOPT_XFERINFOFUNCTION, on_progress);
	SET(CURLOPT_XFERINFODATA, exchange);
	if (strcmp(pd_peer_method(question->call.verb), "POST") == 0)
	{
		SET(CURLOPT_POST, 1L);
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) body_length(question));
		SET(CURLOPT_READFUNCTION, on_send);
		SET(CURLOPT_READDATA, exchange);
		SET(CURLOPT_SEEKFUNCTION, on_rewind);
		SET(CURLOPT_SEEKDATA, exchange);
	}
	return code;
}

/* Of AUTHORIZATION and the text of a token. */
static pk_error
sign(struct pd_peer *peer, const struct pd_question *question, const char *path, char *out, struct pd_err *err)
{
	const struct pd_vfs *vfs = peer->options.vfs;
	pk_token token = {.method = PK_METHOD_PEER, .generation = question->generation};
	pk_keyring keys;

	peer->options.identity(peer->options.arg, token.cell, &token.epoch, &keys);
	for (int i = 0; i < question->body_count; i++)
		token.crc32c = pk_crc32c(token.crc32c, question->body[i].iov_base, question->body[i].iov_len);
	token.length = (uint32_t) body_length(question);
	pk_sha256(token.hash, path, strlen(path));
	token.expires = (uint64_t) vfs->now_us(vfs) / 1000000 + TOKEN_LIFE_S;
	if (vfs->random(vfs, token.nonce, sizeof(token.nonce)) < 0)
	{
		OPENSSL_cleanse(&keys, sizeof(keys));
		return pd_fail(err, PK_ERR_IO, "no random number for a token");
	}
	memcpy(out, AUTHORIZATION, strlen(AUTHORIZATION));
	pk_token_sign(out + strlen(AUTHORIZATION), &token, &keys);
	OPENSSL_cleanse(&keys, sizeof(keys));
	return PK_OK;
}

/* --- what came of it --- */

static void
note_down(struct pd_peer *peer, const struct pd_err *why)
{
	pthread_mutex_lock(&peer->mutex);
	peer->down_until_us = now_us(peer) + PD_PEER_RETRY_US;
	memcpy(peer->down_why, why->text, sizeof(peer->down_why));
	pthread_mutex_unlock(&peer->mutex);
}

static pk_error
judge_failure(struct exchange *exchange, CURLcode code, const char *problem, struct pd_err *err)
{
	struct pd_peer *peer = exchange->peer;
	struct pd_err own;

	if (code == CURLE_OUT_OF_MEMORY)
		return pd_fail(err, PK_ERR_NO_MEMORY, "no memory for a request to node %s", peer->url);
	if (is_stopping(peer))
		return pd_fail(err, PK_ERR_UNAVAILABLE, "pocketd is stopping");
	if (exchange->too_long)
		return pd_fail(err, PK_ERR_UNAVAILABLE, "node %s answered more than it was asked for", peer->url);
	if (exchange->silent)
		(void) pd_fail(&own, PK_ERR_UNAVAILABLE, "node %s was silent for %d s", peer->url, peer->options.silence_s);
	else
		(void) pd_fail(&own, PK_ERR_UNAVAILABLE, "node %s: %s", peer->url,
					   problem[0] != '\0' ? problem : curl_easy_strerror(code));
	if (exchange->silent || code == CURLE_COULDNT_CONNECT || code == CURLE_OPERATION_TIMEDOUT ||
		code == CURLE_COULDNT_RESOLVE_HOST)
		note_down(peer, &own);
	return pd_fail(err, own.code, "%s", own.text);
}

static pk_error
judge_bytes(struct exchange *exchange, struct pd_err *err)
{
	struct pd_question *question = exchange->question;
	uint8_t crc[PD_PEER_CRC];

	if (exchange->received < PD_PEER_CRC)
		return pd_fail(err, PK_ERR_UNAVAILABLE, "node %s answered too little", exchange->peer->url);
	question->length = exchange->received - PD_PEER_CRC;
	for (size_t i = 0; i < PD_PEER_CRC; i++)
	{
		size_t at = question->length + i;

		crc[i] = at < question->room ? question->bytes[at] : exchange->tail[at - question->room];
	}
	if (pk_get_u32(crc) != pk_crc32c(0, question->bytes, question->length))
		return pd_fail(err, PK_ERR_UNAVAILABLE, "what node %s answered was damaged on its way", exchange->peer->url);
	return PK_OK;
}

/* The peer's own error, with its url. */
static pk_error
judge_error(struct exchange *exchange, const json_t *error, struct pd_err *err)
{
	const char *name = json_string_value(json_object_get(error, "code"));
	const char *message = json_string_value(json_object_get(error, "message"));
	pk_error code = name != NULL ? pk_error_by_name(name) : PK_ERR_INTERNAL;

	if (code == PK_OK)
		code = PK_ERR_INTERNAL;
	if (code == PK_ERR_DENIED)
		return pd_fail(err, code, "node %s refuses: its key file, or its clock, differs from the one here",
					   exchange->peer->url);
	return pd_fail(err, code, "node %s: %s", exchange->peer->url, message != NULL ? message : "no reason was given");
}

static pk_error
judge_object(struct exchange *exchange, struct pd_err *err)
{
	struct pd_question *question = exchange->question;
	json_t *object = json_loadb(exchange->text, exchange->text_length, 0, NULL);
	const json_t *error = json_object_get(object, "error");
	const json_t *number = question->field != NULL ? json_object_get(object, question->field) : NULL;
	pk_error rc = PK_OK;

	if (error != NULL)
		rc = judge_error(exchange, error, err);
	else if (!json_is_object(object) || exchange->status != 200 || question->room > 0 ||
			 (question->field != NULL && (!json_is_integer(number) || json_integer_value(number) < 0)))
		rc = pd_fail(err, PK_ERR_UNAVAILABLE, "node %s answered with status %ld and nothing that can be understood",
					 exchange->peer->url, exchange->status);
	else if (question->field != NULL)
		question->number = (uint64_t) json_integer_value(number);
	json_decref(object);
	return rc;
}

static pk_error
perform(struct exchange *exchange, const char *path, const char *authorization, struct pd_err *err)
{
	struct curl_slist *headers = curl_slist_append(NULL, authorization);
	struct curl_slist *longer = headers != NULL ? curl_slist_append(headers, "Expect:") : NULL;
	char problem[CURL_ERROR_SIZE] = "";
	CURLcode code = longer != NULL ? set_request(exchange, path, longer) : CURLE_OUT_OF_MEMORY;

	if (code == CURLE_OK)
		code = curl_easy_setopt(exchange->easy, CURLOPT_ERRORBUFFER, problem);
	exchange->moved_us = now_us(exchange->peer);
	if (code == CURLE_OK)
		code = curl_easy_perform(exchange->easy);
	if (code == CURLE_OK)
		(void) curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &exchange->status);
	curl_easy_reset(exchange->easy);
	curl_slist_free_all(longer != NULL ? longer : headers);
	if (code != CURLE_OK)
		return judge_failure(exchange, code, problem, err);
	return is_bytes(exchange) ? judge_bytes(exchange, err) : judge_object(exchange, err);
}

/* --- handles: as many as there are questions at one time --- */

static pk_error
take_handle(struct pd_peer *peer, CURL **easy, struct pd_err *err)
{
	pk_error rc = PK_OK;

	*easy = NULL;
	pthread_mutex_lock(&peer->mutex);
	if (now_us(peer) < peer->down_until_us)
		rc = pd_fail(err, PK_ERR_UNAVAILABLE, "%s", peer->down_why);
	else if (peer->under_way == PD_PEER_REQUESTS_MAX)
		rc = pd_fail(err, PK_ERR_BUSY, "%d requests to node %s are under way already", PD_PEER_REQUESTS_MAX, peer->url);
	else
	{
		peer->under_way++;
		if (peer->idle_count > 0)
			*easy = peer->idle[--peer->idle_count];
	}
	pthread_mutex_unlock(&peer->mutex);
	if (rc != PK_OK || *easy != NULL)
		return rc;
	*easy = curl_easy_init();
	if (*easy != NULL)
		return PK_OK;
	pthread_mutex_lock(&peer->mutex);
	peer->under_way--;
	pthread_mutex_unlock(&peer->mutex);
	return pd_fail(err, PK_ERR_NO_MEMORY, "no memory for a request to node %s", peer->url);
}

static void
give_handle(struct pd_peer *peer, CURL *easy)
{
	pthread_mutex_lock(&peer->mutex);
	peer->idle[peer->idle_count++] = easy; /* there is room: it is one of under_way */
	peer->under_way--;
	pthread_mutex_unlock(&peer->mutex);
}

pk_error
pd_peer_ask(struct pd_peer *peer, struct pd_question *question, struct pd_err *err)
{
	struct exchange *exchange;
	char authorization[sizeof(AUTHORIZATION) + PK_TOKEN_TEXT];
	char path[PD_PEER_PATH_MAX];
	pk_error rc;

	if (is_stopping(peer))
		return pd_fail(err, PK_ERR_UNAVAILABLE, "pocketd is stopping");
	if (body_length(question) > PK_PEER_SIZE_MAX)
		return pd_fail(err, PK_ERR_TOO_LARGE, "at most %d bytes can be sent to a node at once", PK_PEER_SIZE_MAX);
	exchange = calloc(1, sizeof(*exchange));
	if (exchange == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "no memory for a request to node %s", peer->url);
	exchange->peer = peer;
	exchange->question = question;
	pd_peer_path_format(path, &question->call);
	rc = sign(peer, question, path, authorization, err);
	if (rc == PK_OK)
		rc = take_handle(peer, &exchange->easy, err);
	if (rc == PK_OK)
	{
		rc = perform(exchange, path, authorization, err);
		give_handle(peer, exchange->easy);
	}
	free(exchange);
	return rc;
}
