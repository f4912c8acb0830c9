/*
 * transfer.c
 *	  The libcurl multi client; see transfer.h.
 *
 * Easy handles are pooled, the multi handle keeps the connections.  While curl
 * runs, signals are blocked: a resolver thread that it starts inherits the mask
 * and can never run one of PostgreSQL's signal handlers.
 */
#include "blocks/transfer.h"

#include <curl/curl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>

#include "libpq/pqsignal.h"
#include "utils/memutils.h"

#include "base/error.h"
#include "base/guc.h"
#include "base/wait.h"
#include "blocks/pace.h"
#include "contract/pk_hash.h"
#include "contract/pk_limits.h"

#define POLL_SLICE_MS 100
#define CONNECT_TIMEOUT_MAX_MS 10000
#define RECEIVE_BUFFER_SIZE (64 * 1024)
#define SEND_BUFFER_SIZE (256 * 1024) /* bytes pass through it: it should stay in a core's cache */
#define UNIX_SEND_BUFFER (1024 * 1024)
#define HEAP_KEPT (32 * 1024 * 1024)
#define UNIX_PREFIX "unix:"
#define HTTP_PREFIX "http://"

typedef struct PocketTransferList
{
	PocketTransfer *first, *last;
} TransferList;

struct PocketBatch
{
	MemoryContext context;
	TransferList waiting;
	TransferList running;
	TransferList finished;
	int running_count;
	int held_count; /* of the running ones */
	bool news;		/* one has come to be held */
};

static CURLM *multi = NULL;
static CURL *idle[POCKET_FLIGHT_MAX];
static int idle_count = 0;
static int under_way = 0; /* of all batches */

static void
list_append(TransferList *list, PocketTransfer *transfer)
{
	transfer->list = list;
	transfer->next = NULL;
	transfer->previous = list->last;
	if (list->last != NULL)
		list->last->next = transfer;
	else
		list->first = transfer;
	list->last = transfer;
}

static void
list_remove(PocketTransfer *transfer)
{
	TransferList *list = transfer->list;

	if (transfer->previous != NULL)
		transfer->previous->next = transfer->next;
	else
		list->first = transfer->next;
	if (transfer->next != NULL)
		transfer->next->previous = transfer->previous;
	else
		list->last = transfer->previous;
	transfer->next = transfer->previous = NULL;
	transfer->list = NULL;
}

void
pocket_node_url_check(const char *url)
{
	if (strncmp(url, "https://", 8) == 0)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("nodes cannot be reached by https yet"),
						errhint("Use http://HOST:PORT on a trusted network, or unix:/path/to.sock.")));
	if (strncmp(url, HTTP_PREFIX, strlen(HTTP_PREFIX)) == 0)
	{
		const char *host = url + strlen(HTTP_PREFIX);

		if (*host != '\0' && strpbrk(host, "/@?#% \t\r\n") == NULL)
			return;
	}
	else if (strncmp(url, UNIX_PREFIX "/", strlen(UNIX_PREFIX "/")) == 0)
		return;
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("\"%s\" is not the url of a node", url),
					errhint("Use http://HOST:PORT or unix:/path/to.sock.")));
}

/* --- callbacks of curl: nothing may be thrown here --- */

static bool
answer_grow(PocketTransfer *transfer, Size needed)
{
	Size room = Max(transfer->answer_room * 2, 1024);
	char *grown;

	while (room < needed)
		room *= 2;
	grown = MemoryContextAllocExtended(transfer->batch->context, room, MCXT_ALLOC_NO_OOM | MCXT_ALLOC_HUGE);
	if (grown == NULL)
		return false;
	if (transfer->answer != NULL)
	{
		memcpy(grown, transfer->answer, transfer->answer_length);
		pfree(transfer->answer);
	}
	transfer->answer = grown;
	transfer->answer_room = room;
	return true;
}

static void
transfer_fail(PocketTransfer *transfer, pk_error error, const char *problem)
{
	transfer->error = error;
	strlcpy(transfer->problem, problem, sizeof(transfer->problem));
}

static size_t
on_bytes(char *data, size_t size, size_t count, void *arg)
{
	PocketTransfer *transfer = arg;
	size_t n = size * count;
	long status = 0;

	(void) curl_easy_getinfo((CURL *) transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	if (transfer->expected > 0 && status == 200)
	{
		if (!transfer->begun)
			pocket_pace_note(GetCurrentTimestamp() - transfer->asked);
		transfer->begun = true;
		if (transfer->hold)
		{
			transfer->batch->held_count += !transfer->held;
			transfer->batch->news |= !transfer->held;
			transfer->held = true;
			return CURL_WRITEFUNC_PAUSE;
		}
		if (n > transfer->expected - transfer->received)
		{
			transfer_fail(transfer, PK_ERR_CORRUPT, "the node sent more bytes than the block has");
			return 0;
		}
		memcpy(transfer->into + transfer->received, data, n);
		transfer->crc32c = pk_crc32c(transfer->crc32c, data, n);
		transfer->received += n;
		return n;
	}
	if (n > PK_ANSWER_SIZE_MAX - transfer->answer_length)
	{
		transfer_fail(transfer, PK_ERR_TOO_LARGE, "the node's answer is too large");
		return 0;
	}
	if (transfer->answer_length + n + 1 > transfer->answer_room &&
		!answer_grow(transfer, transfer->answer_length + n + 1))
	{
		transfer_fail(transfer, PK_ERR_NO_MEMORY, "out of memory for the node's answer");
		return 0;
	}
	memcpy(transfer->answer + transfer->answer_length, data, n);
	transfer->answer_length += n;
	transfer->answer[transfer->answer_length] = '\0';
	return n;
}

/*
 * bbr on loopback costs a factor of four; a kernel without cubic keeps what it has.  TCP sizes its own buffers, a Unix
 * socket's default makes both sides wait for each other twenty times for each block.
 */
static int
on_socket(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	int size = UNIX_SEND_BUFFER;
	int domain = AF_UNSPEC;
	socklen_t length = sizeof(domain);

	if (purpose != CURLSOCKTYPE_IPCXN)
		return CURL_SOCKOPT_OK;
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 && domain == AF_UNIX)
		(void) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	else
		(void) setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5);
	return CURL_SOCKOPT_OK;
}

/* --- one transfer --- */

static CURL *
easy_take(void)
{
	CURL *easy;

	if (idle_count > 0)
		return idle[--idle_count];
	easy = curl_easy_init();
	if (easy == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory for a request to a node")));
	return easy;
}

static void
easy_give(CURL *easy)
{
	curl_easy_reset(easy);
	if (idle_count < POCKET_FLIGHT_MAX)
		idle[idle_count++] = easy;
	else
		curl_easy_cleanup(easy);
}

/* After this nothing of curl's points to the transfer. */
static void
transfer_detach(PocketTransfer *transfer)
{
	if (transfer->easy != NULL)
	{
		(void) curl_multi_remove_handle(multi, (CURL *) transfer->easy);
		easy_give((CURL *) transfer->easy);
		transfer->easy = NULL;
	}
	curl_slist_free_all((struct curl_slist *) transfer->headers);
	transfer->headers = NULL;
	transfer->batch->held_count -= transfer->held;
	transfer->held = false;
}

static CURLcode
set_target(CURL *easy, const PocketTransfer *transfer)
{
	char *url;
	CURLcode code = CURLE_OK;

	if (strncmp(transfer->node, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0)
	{
		code = curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, transfer->node + strlen(UNIX_PREFIX));
		url = psprintf("http://localhost%s", transfer->path);
	}
	else
		url = psprintf("%s%s", transfer->node, transfer->path);
	if (code == CURLE_OK)
		code = curl_easy_setopt(easy, CURLOPT_URL, url); /* copied */
	pfree(url);
	return code;
}

static bool
add_header(PocketTransfer *transfer, const char *line)
{
	struct curl_slist *longer = curl_slist_append((struct curl_slist *) transfer->headers, line);

	if (longer == NULL)
		return false;
	transfer->headers = longer;
	return true;
}

static bool
set_headers(PocketTransfer *transfer)
{
	return add_header(transfer, "Expect:") && add_header(transfer, "Accept:") &&
		   (transfer->body == NULL || add_header(transfer, "Content-Type: application/octet-stream")) &&
		   (transfer->authorization == NULL || add_header(transfer, transfer->authorization));
}

static CURLcode
set_limits(CURL *easy, int timeout_ms)
{
	long idle_s = Max(1, (pocket_client_timeout_ms + 999) / 1000);
	CURLcode code = CURLE_OK;

#define SET(option, value) \
	if (code == CURLE_OK)  \
	code = curl_easy_setopt(easy, option, value)
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_QUICK_EXIT, 1L); /* do not wait for a resolver */
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NOPROXY, "*");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PROTOCOLS_STR, "http");
	SET(CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long) Min(pocket_client_timeout_ms, CONNECT_TIMEOUT_MAX_MS));
	SET(CURLOPT_LOW_SPEED_LIMIT, 1L);
	SET(CURLOPT_LOW_SPEED_TIME, idle_s);
	SET(CURLOPT_TIMEOUT_MS, (long) Min(timeout_ms, pocket_client_timeout_ms)); /* 0: none */
	SET(CURLOPT_BUFFERSIZE, (long) RECEIVE_BUFFER_SIZE);
	SET(CURLOPT_UPLOAD_BUFFERSIZE, (long) SEND_BUFFER_SIZE);
	SET(CURLOPT_TCP_NODELAY, 1L);
	SET(CURLOPT_SOCKOPTFUNCTION, on_socket);
	return code;
}

static CURLcode
set_request(CURL *easy, PocketTransfer *transfer)
{
	CURLcode code = set_limits(easy, transfer->timeout_ms);

	if (code == CURLE_OK)
		code = set_target(easy, transfer);
	SET(CURLOPT_HTTPHEADER, (struct curl_slist *) transfer->headers);
	SET(CURLOPT_WRITEFUNCTION, on_bytes);
	SET(CURLOPT_WRITEDATA, transfer);
	SET(CURLOPT_PRIVATE, transfer);
	if (transfer->body != NULL)
	{
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) transfer->body_length);
		SET(CURLOPT_POSTFIELDS, transfer->body);
		SET(CURLOPT_CUSTOMREQUEST, transfer->method);
	}
#undef SET
	return code;
}

static void
transfer_start(PocketBatch *batch, PocketTransfer *transfer)
{
	transfer->easy = easy_take();
	if (!set_headers(transfer) || set_request((CURL *) transfer->easy, transfer) != CURLE_OK ||
		curl_multi_add_handle(multi, (CURL *) transfer->easy) != CURLM_OK)
	{
		transfer_fail(transfer, PK_ERR_NO_MEMORY, "the request could not be set up");
		transfer_detach(transfer);
		list_append(&batch->finished, transfer);
		return;
	}
	transfer->asked = GetCurrentTimestamp();
	list_append(&batch->running, transfer);
	batch->running_count++;
	under_way++;
}

/* What an answer other than 2xx says. */
static void
judge_refusal(PocketTransfer *transfer, long status)
{
	char code[64];
	char message[POCKET_PROBLEM_SIZE];

	if (status == 403)
		transfer_fail(transfer, PK_ERR_DENIED, "refused: key file or cell differs");
	else if (transfer->answer != NULL && pocket_answer_field(transfer->answer, "code", code, sizeof(code)))
	{
		transfer->error = pk_error_by_name(code);
		if (!pocket_answer_field(transfer->answer, "message", message, sizeof(message)))
			strlcpy(message, pk_error_lookup(transfer->error)->message, sizeof(message));
		strlcpy(transfer->problem, message, sizeof(transfer->problem));
	}
	else
	{
		transfer->error = PK_ERR_UNAVAILABLE;
		snprintf(transfer->problem, sizeof(transfer->problem), "answered with HTTP status %ld", status);
	}
}

static void
judge(PocketTransfer *transfer, CURLcode result)
{
	long status = 0;

	(void) curl_easy_getinfo((CURL *) transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	if (transfer->error != PK_OK)
		return; /* a callback has said why */
	/* A refusal that came before the body was sent can end as a failed send: the answer counts. */
	if (result == CURLE_OK || (result == CURLE_SEND_ERROR && status >= 400))
	{
		if (status < 200 || status > 299)
			judge_refusal(transfer, status);
		else if (transfer->expected > 0 && (status != 200 || transfer->received != transfer->expected))
			transfer_fail(transfer, PK_ERR_CORRUPT, "the node sent fewer bytes than the block has");
	}
	else if (result == CURLE_PARTIAL_FILE && transfer->expected > 0)
		transfer_fail(transfer, PK_ERR_CORRUPT, "the node broke off");
	else if (result == CURLE_OPERATION_TIMEDOUT)
		transfer_fail(transfer, PK_ERR_UNAVAILABLE, "does not answer in time");
	else
	{
		long os_error = 0;

		/* Not curl's longer message: it has times in it, which make news of what is none, and may have urls. */
		(void) curl_easy_getinfo((CURL *) transfer->easy, CURLINFO_OS_ERRNO, &os_error);
		transfer->error = PK_ERR_UNAVAILABLE;
		snprintf(transfer->problem, sizeof(transfer->problem), "%s%s%s", curl_easy_strerror(result),
				 os_error != 0 ? ": " : "", os_error != 0 ? pg_strerror((int) os_error) : "");
	}
}

/* --- batches --- */

int
pocket_flight_room(void)
{
	return Max(POCKET_FLIGHT_MAX - under_way, 0);
}

/*
 * A block comes into fresh memory that is freed with its statement.  glibc would give that back to the kernel and
 * fault it in anew for each block, which takes longer than the block's whole way; so this much stays with a
 * backend that has moved blocks.
 */
static void
keep_heap(void)
{
#ifdef __GLIBC__
	(void) mallopt(M_MMAP_THRESHOLD, HEAP_KEPT);
	(void) mallopt(M_TRIM_THRESHOLD, HEAP_KEPT);
#endif
}

PocketBatch *
pocket_batch_begin(void)
{
	PocketBatch *batch;

	if (multi == NULL)
	{
		keep_heap();
		if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || (multi = curl_multi_init()) == NULL)
			ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("libcurl could not be started")));
		(void) curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long) POCKET_FLIGHT_MAX);
	}
	batch = palloc0(sizeof(PocketBatch));
	batch->context = CurrentMemoryContext;
	return batch;
}

void
pocket_batch_add(PocketBatch *batch, PocketTransfer *transfer)
{
	transfer->batch = batch;
	transfer->error = PK_OK;
	transfer->problem[0] = '\0';
	transfer->answer = NULL;
	transfer->answer_length = transfer->answer_room = transfer->received = 0;
	transfer->crc32c = 0;
	transfer->held = transfer->begun = false;
	transfer->asked = 0;
	transfer->easy = transfer->headers = NULL;
	if (transfer->hedge || batch->running_count < POCKET_FLIGHT_MAX)
		transfer_start(batch, transfer);
	else
		list_append(&batch->waiting, transfer);
}

/* It is in no list any more. */
static void
leave(PocketTransfer *transfer)
{
	if (transfer->list == &transfer->batch->running)
	{
		transfer->batch->running_count--;
		under_way--;
	}
	list_remove(transfer);
	transfer_detach(transfer);
}

static void
collect(PocketBatch *batch)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(multi, &left)) != NULL)
	{
		char *private = NULL;
		PocketTransfer *transfer;

		if (message->msg != CURLMSG_DONE)
			continue;
		(void) curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
		transfer = (PocketTransfer *) (void *) private;
		judge(transfer, message->data.result);
		leave(transfer);
		list_append(&transfer->batch->finished, transfer);
	}
	while (batch->waiting.first != NULL && batch->running_count < POCKET_FLIGHT_MAX)
	{
		PocketTransfer *transfer = batch->waiting.first;

		list_remove(transfer);
		transfer_start(batch, transfer);
	}
}

void
pocket_batch_pump(PocketBatch *batch)
{
	sigset_t before;
	int running;

	(void) sigprocmask(SIG_SETMASK, &BlockSig, &before);
	(void) curl_multi_perform(multi, &running);
	(void) sigprocmask(SIG_SETMASK, &before, NULL);
	collect(batch);
}

bool
pocket_batch_rests(const PocketBatch *batch)
{
	return batch->finished.first == NULL && batch->running_count == batch->held_count && batch->waiting.first == NULL;
}

PocketTransfer *
pocket_batch_next_until(PocketBatch *batch, TimestampTz until)
{
	for (;;)
	{
		PocketTransfer *transfer = batch->finished.first;
		long left = POLL_SLICE_MS;

		pocket_heed();
		if (transfer != NULL)
		{
			list_remove(transfer);
			return transfer;
		}
		if (until != DT_NOEND)
			left = Min(left, TimestampDifferenceMilliseconds(GetCurrentTimestamp(), until));
		if (batch->news || left <= 0 || pocket_batch_rests(batch))
		{
			batch->news = false;
			return NULL;
		}
		pocket_batch_pump(batch);
		if (batch->finished.first == NULL && batch->running_count > batch->held_count && !batch->news)
			(void) curl_multi_poll(multi, NULL, 0, (int) left, NULL);
	}
}

PocketTransfer *
pocket_batch_next(PocketBatch *batch)
{
	PocketTransfer *transfer;

	do
	{
		transfer = pocket_batch_next_until(batch, DT_NOEND);
	} while (transfer == NULL && !pocket_batch_rests(batch));
	return transfer;
}

void
pocket_transfer_cancel(PocketTransfer *transfer)
{
	leave(transfer);
}

static void
give_up(PocketBatch *batch, TransferList *list, const char *node)
{
	PocketTransfer *next;

	for (PocketTransfer *transfer = list->first; transfer != NULL; transfer = next)
	{
		next = transfer->next;
		if (strcmp(transfer->node, node) != 0)
			continue;
		leave(transfer);
		transfer_fail(transfer, PK_ERR_UNAVAILABLE, "does not answer");
		list_append(&batch->finished, transfer);
	}
}

void
pocket_batch_give_up(PocketBatch *batch, const char *node, bool waiting_only)
{
	give_up(batch, &batch->waiting, node);
	if (!waiting_only)
		give_up(batch, &batch->running, node);
}

void
pocket_transfer_receive(PocketTransfer *transfer, char *into)
{
	transfer->into = into;
	transfer->hold = false;
	if (!transfer->held)
		return;
	transfer->held = false;
	transfer->batch->held_count--;
	(void) curl_easy_pause((CURL *) transfer->easy, CURLPAUSE_CONT); /* what fails now, the transfer will tell */
}

void
pocket_batch_end(PocketBatch *batch)
{
	while (batch->running.first != NULL)
		leave(batch->running.first);
	batch->waiting.first = batch->waiting.last = NULL;
	batch->finished.first = batch->finished.last = NULL;
}

/* --- errors --- */

int
pocket_node_sqlstate(pk_error error)
{
	return error == PK_ERR_DENIED ? ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION : pocket_sqlstate(error);
}

const char *
pocket_node_hint(pk_error error)
{
	switch (error)
	{
		case PK_ERR_UNAVAILABLE:
			return "Is pocketd running there? See pocket.nodes.";
		case PK_ERR_DENIED:
			return "pocket.key_file must be the file that pocketd --keys names, and the clocks must agree.";
		case PK_ERR_STALE_EPOCH:
			return "Another server is this cell's primary now.";
		case PK_ERR_FOREIGN:
			return "Its drives hold the data of another database; give it drives made by pocketd init.";
		case PK_ERR_DISK_FULL:
		case PK_ERR_NO_PLACE:
			return "Add drives or nodes, or free space. See pocket.drives.";
		default:
			return "See pocket.health, and pocketd's log.";
	}
}

void
pocket_node_raise(const char *node, pk_error error, const char *problem)
{
	ereport(ERROR, (errcode(pocket_node_sqlstate(error)), errmsg("node %s: %s", node, problem),
					errhint("%s", pocket_node_hint(error))));
}

bool
pocket_answer_field(const char *json, const char *field, char *out, Size size)
{
	char *quoted = psprintf("\"%s\"", field);
	const char *at = strstr(json, quoted);
	Size n = 0;

	if (at != NULL)
	{
		at += strlen(quoted);
		at += strspn(at, " \t\r\n");
		at = *at == ':' ? at + 1 : NULL;
	}
	pfree(quoted);
	if (at == NULL)
		return false;
	at += strspn(at, " \t\r\n");
	if (*at != '"')
		return false;
	for (at++; *at != '"'; at++)
	{
		char c = *at;

		if (c == '\\' && *++at != '\0')
			c = strchr("\"\\/", *at) != NULL ? *at : (*at == 'u' ? '?' : ' ');
		if (*at == '\0')
			return false;
		if (n + 1 < size)
			out[n++] = c;
	}
	out[n] = '\0';
	return true;
}
