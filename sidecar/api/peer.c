/*
 * api/peer.c
 *	  What another node asks of the drives here: remote/FORMAT.md.
 *
 * The listener checks who asks and the body's checksum; the work is done on the
 * drive's own queue.  Nothing here asks another node, so nodes never wait for
 * each other in a circle.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/exchange.h"
#include "api/json.h"
#include "base/log.h"
#include "contract/pk_hash.h"

#define REQUESTS_MAX 256 /* of peers at one time: their bodies and answers are held in memory */
#define BUILDS_MAX 64
#define REFUSED_BODY_MAX (64 * 1024)
#define BUILD_IDLE_US (INT64_C(300) * 1000 * 1000)

/* An extent that a peer is building here. Ended by finish or abandon, or when the peer is silent for too long. */
struct build
{
	struct build *next;
	struct pd_job job; /* abandons it */
	uint64_t id;
	struct pd_drive *drive;
	struct pd_peer_call call; /* which began it */
	uint32_t generation;
	struct pd_extent_build *build;
	uint64_t written;
	int64_t last_us;
	bool busy; /* a request works on it, and has it alone */
};

struct pd_api_peers
{
	atomic_int requests;
	atomic_int build_count;
	pthread_mutex_t mutex; /* of the list, and of whose a build is */
	struct build *builds;
};

/* What a verb gives: bytes, or an object with one number. */
struct answer
{
	struct pd_buffer *bytes; /* with room for the CRC behind them */
	size_t length;
	const char *field; /* NULL: an empty object */
	uint64_t value;
};

typedef pk_error (*run_fn)(struct pd_exchange *exchange, struct answer *answer, struct pd_err *err);

struct pd_api_peers *
pd_api_peers_create(void)
{
	struct pd_api_peers *peers = calloc(1, sizeof(*peers));

	if (peers != NULL)
		pthread_mutex_init(&peers->mutex, NULL);
	return peers;
}

static void
free_build(struct build *build)
{
	pd_extent_build_abandon(build->build);
	free(build);
}

void
pd_api_peers_free(struct pd_api_peers *peers)
{
	if (peers == NULL)
		return;
	while (peers->builds != NULL)
	{
		struct build *build = peers->builds;

		peers->builds = build->next;
		free_build(build);
	}
	pthread_mutex_destroy(&peers->mutex);
	free(peers);
}

/* --- builds --- */

static void
abandon_job(struct pd_job *job)
{
	free_build((struct build *) (void *) ((char *) job - offsetof(struct build, job)));
}

void
pd_api_peer_sweep(struct pd_api *api)
{
	struct pd_api_peers *peers = api->peers;
	struct build *late = NULL;
	int64_t now_us;

	if (atomic_load(&peers->build_count) == 0)
		return;
	now_us = api->vfs->monotonic_us(api->vfs);
	pthread_mutex_lock(&peers->mutex);
	for (struct build **at = &peers->builds; *at != NULL;)
	{
		struct build *build = *at;

		if (build->busy || now_us - build->last_us < BUILD_IDLE_US)
		{
			at = &build->next;
			continue;
		}
		*at = build->next;
		build->next = late;
		late = build;
		atomic_fetch_sub(&peers->build_count, 1);
	}
	pthread_mutex_unlock(&peers->mutex);
	while (late != NULL)
	{
		struct build *build = late;

		late = build->next;
		pd_log(PD_LOG_WARNING, "the node that was building extent %016" PRIx64 " here is silent: abandoned",
			   build->call.name.id);
		build->job.run = abandon_job;
		pd_queue_submit(pd_drive_queue(build->drive), &build->job, PD_JOB_BACKGROUND);
	}
}

static bool
same_extent(const struct pd_peer_call *a, const struct pd_peer_call *b)
{
	return memcmp(a->drive, b->drive, PK_UUID_SIZE) == 0 && a->name.kind == b->name.kind && a->name.id == b->name.id &&
		   a->name.position == b->name.position;
}

/* The build that the request names, for this request alone. */
static pk_error
take_build(struct pd_exchange *exchange, struct build **taken, struct pd_err *err)
{
	struct pd_api_peers *peers = exchange->api->peers;
	const struct pd_peer_call *call = &exchange->peer.call;
	struct build *build;
	bool busy = false;

	pthread_mutex_lock(&peers->mutex);
	build = peers->builds;
	while (build != NULL && (build->id != call->number[0] || !same_extent(&build->call, call)))
		build = build->next;
	if (build != NULL)
	{
		busy = build->busy;
		build->busy = true;
	}
	pthread_mutex_unlock(&peers->mutex);
	*taken = busy ? NULL : build;
	if (busy)
		return pd_fail(err, PK_ERR_STATE, "another request works on this build");
	if (build == NULL)
		return pd_fail(err, PK_ERR_NOT_FOUND,
					   "there is no such build: it was ended, or its node was silent for too long");
	return PK_OK;
}

static void
give_build(struct pd_exchange *exchange, struct build *build)
{
	struct pd_api *api = exchange->api;

	pthread_mutex_lock(&api->peers->mutex);
	build->last_us = api->vfs->monotonic_us(api->vfs);
	build->busy = false;
	pthread_mutex_unlock(&api->peers->mutex);
}

/* A taken one leaves the list; it is the caller's then. */
static void
unlist_build(struct pd_exchange *exchange, struct build *build)
{
	struct pd_api_peers *peers = exchange->api->peers;

	pthread_mutex_lock(&peers->mutex);
	for (struct build **at = &peers->builds; *at != NULL; at = &(*at)->next)
	{
		if (*at == build)
		{
			*at = build->next;
			break;
		}
	}
	pthread_mutex_unlock(&peers->mutex);
	atomic_fetch_sub(&peers->build_count, 1);
}

/* --- what the verbs share --- */

/* Counted. A drive that cannot be read does not say that it has no extent: it says nothing. */
static pk_error
find_extent(struct pd_exchange *exchange, bool kept, struct pd_extent **extent, struct pd_err *err)
{
	const struct pd_extent_name *name = &exchange->peer.call.name;
	struct pd_extent_info info;
	pk_error rc;

	if (!pd_drive_readable(exchange->peer.drive))
		return pd_fail(err, PK_ERR_IO, "drive %s failed", pd_drive_path(exchange->peer.drive));
	rc = (kept ? pd_extent_lookup_kept : pd_extent_lookup)(exchange->peer.drive, name->kind, name->id, name->position,
														   extent, err);
	if (rc != PK_OK)
		return rc;
	pd_extent_info(*extent, &info);
	if (memcmp(info.cell, exchange->token.cell, PK_UUID_SIZE) == 0)
		return PK_OK;
	pd_extent_unref(*extent);
	return pd_fail(err, PK_ERR_FOREIGN, "%s belongs to another cell", info.file);
}

/* The same in its place, for those who change it: of no higher generation than the token. */
static pk_error
find_to_change(struct pd_exchange *exchange, struct pd_extent **extent, struct pd_err *err)
{
	struct pd_extent_info info;
	pk_error rc = find_extent(exchange, false, extent, err);

	if (rc != PK_OK)
		return rc;
	pd_extent_info(*extent, &info);
	if (exchange->token.generation >= info.members.generation)
		return PK_OK;
	pd_extent_unref(*extent);
	return pd_fail(err, PK_ERR_STATE, "%s is of generation %u: %u is older", info.file,
				   (unsigned) info.members.generation, (unsigned) exchange->token.generation);
}

/* The members that the body brings, of the generation that the token names, and not superseded. */
static pk_error
read_members(struct pd_exchange *exchange, struct pd_members *members, struct pd_err *err)
{
	size_t length;
	struct pd_buffer *body = pd_request_body(exchange->request, &length);

	if (body == NULL || !pd_members_decode(members, body->data, length))
		return pd_fail(err, PK_ERR_MALFORMED, "the body has no members of a volume");
	if (members->generation != exchange->token.generation)
		return pd_fail(err, PK_ERR_MALFORMED, "the members are not of the generation that the token names");
	return pd_map_fence(exchange->api->cell, members, err);
}

static pk_error
make_room(struct pd_exchange *exchange, size_t n, struct answer *answer, struct pd_err *err)
{
	answer->bytes = pd_buffer_get(exchange->api->buffers, n + PD_PEER_CRC);
	answer->length = n;
	return answer->bytes != NULL ? PK_OK : pd_fail(err, PK_ERR_NO_MEMORY, "no memory for %zu bytes", n);
}

/* --- verbs --- */

static pk_error
run_find(struct pd_exchange *exchange, struct answer *answer, struct pd_err *err)
{
	struct pd_extent_info info;
	struct pd_extent *extent;
	pk_error rc = find_extent(exchange, exchange->peer.call.verb == PD_PEER_KEPT, &extent, err);

	if (rc != PK_OK)
		return rc;
	pd_extent_info(extent, &info);
	pd_extent_unref(extent);
	rc = make_room(exchange, PD_PEER_INFO_MAX, answer, err);
	if (rc == PK_OK)
		answer->length = pd_peer_info_encode(answer->bytes->data, &info);
	return rc;
}

static pk_error
run_read(struct pd_exchange *exchange, struct answer *answer, struct pd_err *err)
{
	const struct pd_peer_call *call = &exchange->peer.call;
	struct pd_extent *extent;
	size_t n = (size_t) call->number[1];
	pk_error rc;

	if (call->number[1] > PK_PEER_SIZE_MAX)
		return pd_fail(err, PK_ERR_TOO_LARGE, "at most %d bytes can be read at once", PK_PEER_SIZE_MAX);
	rc = find_extent(exchange, true, &extent, err);
	if (rc != PK_OK)
		return rc;
	rc = make_room(exchange, n, answer, err);
	if (rc == PK_OK)
		rc = call->verb == PD_PEER_READ ? pd_extent_read(extent, call->number[0], answer->bytes->data, n, err)
										: pd_extent_read_checked(extent, call->number[0], answer->bytes->data, n, err);
	pd_extent_unref(extent);
	return rc;
}

static pk_error
run_create(struct pd_exchange *exchange, struct answer *answer, struct pd_err *err)
{
	const struct pd_peer_call *call = &exchange->peer.call;
	struct pd_members members;
	struct pd_extent *extent;
	pk_error rc = read_members(exchange, &members, err);

	(void) answer;
	if (rc == PK_OK)
		rc = pd_extent_create(exchange->peer.drive, call->name.kind, call->name.id, call->name.position,
							  exchange->token.cell, &members, call->number[0], &extent, err);
	if (rc != PK_OK)
		return rc;
	(void) pd_cell_learn(exchange->api->cell, extent);
	pd_extent_unref(extent);
	return PK_OK;
}

static pk_error
run_append(struct pd_exchange *exchange, struct answer *answer, struct pd_err *err)
{
	uint64_t offset = exchange->peer.call.number[0];
	struct pd_extent *extent;
	size_t length;
	struct pd_buffer *body = pd_request_body(exchange->request, &length);
	struct iovec iov = {body != NULL ? body->data : NULL, length};
	pk_error rc = find_to_change(exchange, &extent, err);

	if (rc != PK_OK)
		return rc;
	rc = pd_extent_append(extent, &iov, body != NULL ? 1 : 0, offset, err);
	if (rc == PK_OK)
	{
		answer->field = "length";
		answer->value = offset + length;
		pd_extent_uncache(extent);
	}
	pd_extent_unref(extent);
	return rc;
}

static pk_error
run_seal(struct pd_exchange *exchange, struct answer *answer, struct pd_err *err)
{
	struct pd_extent *extent;
	pk_error rc = find_to_change(exchange, &extent, err);

	if (rc != PK_OK)
		return rc;
	answer->field = "length";
	answer->value = exchange->peer.call.number[0];
	rc = pd_extent_seal_whole(extent, answer->value, err);
	pd_extent_unref(extent);
	return rc;
}

static pk_error
run_members(struct pd_exchange *exchange, struct answer *answer, struct pd_err *err)
{
	struct pd_members members;
	struct pd_extent *extent;
	pk_error rc = read_members(exchange, &members, err);

	(void) answer;
	if (rc == PK_OK)
		rc = find_to_change(exchange, &extent, err);
	if (rc != PK_OK)
		return rc;
	rc = pd_extent_set_members(extent, &members, err);
	if (rc == PK_OK)
		(void) pd_cell_learn(exchange->api->cell, extent);
	pd_extent_unref(extent);
	return rc;
}

/* What was found wrong with an extent that is removed or made anew is no more; the node that asked for it does not report for this one. */
static void
forget_report(struct pd_exchange *exchange, struct pd_extent *extent)
{
	struct pd_extent_info info;

	pd_extent_info(extent, &info);
	pd_cell_forget_report(exchange->api->cell, pd_drive_uuid(pd_extent_drive(extent)), info.file);
}

static pk_error
run_remove(struct pd_exchange *exchange, struct answer *answer, struct pd_err *err)
{
	struct pd_extent *extent;
	pk_error rc = find_to_change(exchange, &extent, err);

	(void) answer;
	if (rc != PK_OK)
		return rc;
	rc = pd_extent_remove(extent, err);
	if (rc == PK_OK)
		forget_report(exchange, extent);
	pd_extent_unref(extent);
	return rc;
}

/* What a build would replace must not be of a higher generation. */
static pk_error
check_replaced(struct pd_exchange *exchange, struct pd_err *err)
{
	struct pd_extent *extent;
	pk_error rc = find_to_change(exchange, &extent, err);

	if (rc == PK_OK)
		pd_extent_unref(extent);
	return rc == PK_ERR_NOT_FOUND ? PK_OK : rc;
}

static pk_error
list_build(struct pd_exchange *exchange, struct build *build, struct pd_err *err)
{
	struct pd_api *api = exchange->api;

	if (api->vfs->random(api->vfs, &build->id, sizeof(build->id)) < 0)
		return pd_fail(err, PK_ERR_IO, "no random number for a build");
	build->id >>= 2; /* a JSON integer */
	build->drive = exchange->peer.drive;
	build->call = exchange->peer.call;
	build->generation = exchange->token.generation;
	build->last_us = api->vfs->monotonic_us(api->vfs);
	if (atomic_fetch_add(&api->peers->build_count, 1) >= BUILDS_MAX)
	{
		atomic_fetch_sub(&api->peers->build_count, 1);
		return pd_fail(err, PK_ERR_BUSY, "peers are building %d extents here already", BUILDS_MAX);
	}
	pthread_mutex_lock(&api->peers->mutex);
	build->next = api->peers->builds;
	api->peers->builds = build;
	pthread_mutex_unlock(&api->peers->mutex);
	return PK_OK;
}

static pk_error
run_build(struct pd_exchange *exchange, struct answer *answer, struct pd_err *err)
{
	const struct pd_peer_call *call = &exchange->peer.call;
	struct build *build;
	struct pd_members members;
	pk_error rc = read_members(exchange, &members, err);

	if (rc == PK_OK)
		rc = check_replaced(exchange, err);
	if (rc != PK_OK)
		return rc;
	build = calloc(1, sizeof(*build));
	if (build == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "no memory for a build");
	rc = pd_extent_build_begin(exchange->peer.drive, call->name.kind, call->name.id, call->name.position,
							   exchange->token.cell, &members, call->number[0], &build->build, err);
	answer->field = "build";
	if (rc == PK_OK)
		rc = list_build(exchange, build, err);
	if (rc != PK_OK)
		free_build(build);
	else
		answer->value = build->id;
	return rc;
}

static pk_error
run_write(struct pd_exchange *exchange, struct answer *answer, struct pd_err *err)
{
	size_t length;
	struct pd_buffer *body = pd_request_body(exchange->request, &length);
	uint64_t offset = exchange->peer.call.number[1];
	struct build *build;
	pk_error rc = take_build(exchange, &build, err);

	(void) answer;
	if (rc != PK_OK)
		return rc;
	if (offset != build->written)
		rc = pd_fail(err, PK_ERR_STATE, "the build has %" PRIu64 " bytes: nothing can be written at %" PRIu64,
					 build->written, offset);
	else if (body != NULL)
		rc = pd_extent_build_write(build->build, body->data, length, err);
	if (rc == PK_OK)
		build->written += length;
	give_build(exchange, build);
	return rc;
}

static pk_error
run_spoil(struct pd_exchange *exchange, struct answer *answer, struct pd_err *err)
{
	const uint64_t *number = exchange->peer.call.number;
	struct build *build;
	pk_error rc = take_build(exchange, &build, err);

	(void) answer;
	if (rc != PK_OK)
		return rc;
	if (number[1] > PK_BUCKET_SIZE_MAX || number[2] > PK_BUCKET_SIZE_MAX)
		rc = pd_fail(err, PK_ERR_TOO_LARGE, "no extent reaches that far");
	else
		rc = pd_extent_build_spoil(build->build, number[1], number[2], err);
	give_build(exchange, build);
	return rc;
}

/* Whatever it comes to, the build is no more. */
static pk_error
run_finish(struct pd_exchange *exchange, struct answer *answer, struct pd_err *err)
{
	struct pd_extent *extent = NULL;
	struct build *build;
	pk_error rc = take_build(exchange, &build, err);

	(void) answer;
	if (rc != PK_OK)
		return rc;
	unlist_build(exchange, build);
	if (exchange->token.generation != build->generation)
		rc = pd_fail(err, PK_ERR_STATE, "the build is of generation %u", (unsigned) build->generation);
	else
		rc = check_replaced(exchange, err);
	if (rc == PK_OK)
	{
		struct pd_extent_build *ended = build->build;

		build->build = NULL;
		rc = pd_extent_build_finish(ended, &extent, err);
	}
	if (rc == PK_OK)
	{
		(void) pd_cell_learn(exchange->api->cell, extent);
		forget_report(exchange, extent);
	}
	pd_extent_unref(extent);
	free_build(build);
	return rc;
}

static pk_error
run_abandon(struct pd_exchange *exchange, struct answer *answer, struct pd_err *err)
{
	struct build *build;
	pk_error rc = take_build(exchange, &build, err);

	(void) answer;
	if (rc != PK_OK)
		return rc;
	unlist_build(exchange, build);
	free_build(build);
	return PK_OK;
}

static const run_fn runs[PD_PEER_VERBS] = {
	[PD_PEER_FIND] = run_find,	   [PD_PEER_KEPT] = run_find,		[PD_PEER_READ] = run_read,
	[PD_PEER_CHECKED] = run_read,  [PD_PEER_CREATE] = run_create,	[PD_PEER_APPEND] = run_append,
	[PD_PEER_SEAL] = run_seal,	   [PD_PEER_MEMBERS] = run_members, [PD_PEER_REMOVE] = run_remove,
	[PD_PEER_BUILD] = run_build,   [PD_PEER_WRITE] = run_write,		[PD_PEER_SPOIL] = run_spoil,
	[PD_PEER_FINISH] = run_finish, [PD_PEER_ABANDON] = run_abandon,
};

/* --- the course of a request --- */

/* Those that read a whole extent: newlines tell the peer that they go on. */
static bool
takes_long(enum pd_peer_verb verb)
{
	return verb == PD_PEER_SEAL || verb == PD_PEER_FINISH;
}

static void
reply(struct pd_exchange *exchange, const struct answer *answer)
{
	bool takes = takes_long(exchange->peer.call.verb);
	char text[64];
	int n;

	if (answer->bytes != NULL)
	{
		pk_put_u32(answer->bytes->data + answer->length, pk_crc32c(0, answer->bytes->data, answer->length));
		pd_request_reply_buffer(exchange->request, 200, answer->bytes, 0, answer->length + PD_PEER_CRC);
		return;
	}
	if (answer->field != NULL)
		n = snprintf(text, sizeof(text), "{\"%s\": %" PRIu64 "}\n", answer->field, answer->value);
	else
		n = snprintf(text, sizeof(text), "{}\n");
	if (takes)
		pd_request_reply_end(exchange->request, text, (size_t) n);
	else
		pd_request_reply_text(exchange->request, 200, "application/json", text, (size_t) n);
}

static void
reply_error(struct pd_exchange *exchange, pk_error code, const char *message)
{
	static const char no_memory[] = "{\"error\":{\"code\":\"no_memory\",\"message\":\"out of memory for the answer\"}}";
	char *text;

	if (!takes_long(exchange->peer.call.verb))
	{
		pd_api_reply_error(exchange, code, message);
		return;
	}
	text = pd_json_error(code, message);
	pd_api_count_error(exchange->api, code);
	pd_request_reply_end(exchange->request, text != NULL ? text : no_memory, strlen(text != NULL ? text : no_memory));
	free(text);
}

static void
peer_job(struct pd_job *job)
{
	struct pd_exchange *exchange = (struct pd_exchange *) (void *) ((char *) job - offsetof(struct pd_exchange, job));
	struct answer answer = {NULL, 0, NULL, 0};
	struct pd_err err = {PK_OK, ""};
	pk_error code = runs[exchange->peer.call.verb](exchange, &answer, &err);

	if (code == PK_OK)
	{
		reply(exchange, &answer);
		return;
	}
	pd_buffer_put(exchange->api->buffers, answer.bytes);
	reply_error(exchange, code, err.text);
}

/* Who asks for what; PK_ERR_DENIED has one text, whatever the cause. */
static pk_error
admit(struct pd_exchange *exchange, struct pd_err *err)
{
	struct pd_api *api = exchange->api;
	struct pd_peer_call *call = &exchange->peer.call;
	const char *path = pd_request_path(exchange->request);
	uint8_t hash[PK_SHA256_SIZE], cell[PK_UUID_SIZE];
	pk_epoch epoch;

	if (pd_api_authorize(exchange, PK_METHOD_PEER) != PK_OK)
		return PK_ERR_DENIED;
	pk_sha256(hash, path, strlen(path));
	if (memcmp(hash, exchange->token.hash, sizeof(hash)) != 0)
		return PK_ERR_DENIED;
	pd_cell_identity(api->cell, cell, &epoch);
	if (memcmp(cell, exchange->token.cell, sizeof(cell)) != 0 || epoch.incarnation != exchange->token.epoch.incarnation)
		return pd_fail(err, PK_ERR_FOREIGN, "this node serves another cell, or another incarnation of its database");
	if (!pd_peer_path_parse(call, path) ||
		strcmp(pd_peer_method(call->verb), pd_request_method(exchange->request)) != 0)
		return pd_fail(err, PK_ERR_UNSUPPORTED, "pocketd %s knows no such request", PD_VERSION);
	if (atomic_load(&api->stopping))
		return pd_fail(err, PK_ERR_UNAVAILABLE, "pocketd is stopping");
	exchange->peer.drive = pd_cell_drive(api->cell, call->drive);
	if (exchange->peer.drive == NULL)
		return pd_fail(err, PK_ERR_UNAVAILABLE, "the drive is not on this node, or not bound to its cell");
	exchange->peer.counted = true;
	if (atomic_fetch_add(&api->peers->requests, 1) >= REQUESTS_MAX)
		return pd_fail(err, PK_ERR_BUSY, "%d requests of other nodes are under way here already", REQUESTS_MAX);
	return PK_OK;
}

static void
refuse(struct pd_exchange *exchange)
{
	const struct pd_err *refusal = &exchange->peer.refusal;

	if (refusal->code == PK_ERR_DENIED)
		pd_api_reply_denied(exchange);
	else
		pd_api_reply_error(exchange, refusal->code, refusal->text);
}

/*
 * A refusal that comes before the body is lost when the connection is closed upon who still sends. So a small body is let in, and
 * only a large one is not worth it.
 */
int64_t
pd_api_peer_begin(struct pd_exchange *exchange, const char *rest)
{
	const char *length = pd_request_header(exchange->request, "Content-Length");
	unsigned long long announced = length != NULL ? strtoull(length, NULL, 10) : 0;
	struct pd_err err = {PK_OK, ""};
	pk_error rc = admit(exchange, &err);

	(void) rest;
	if (rc == PK_OK)
		return exchange->token.length;
	err.code = rc;
	exchange->peer.refusal = err;
	if (announced > 0 && announced <= REFUSED_BODY_MAX)
		return (int64_t) announced;
	refuse(exchange);
	return rc;
}

void
pd_api_peer_arrived(struct pd_exchange *exchange, const uint8_t *data, size_t n)
{
	exchange->peer.crc = pk_crc32c(exchange->peer.crc, data, n);
}

void
pd_api_peer_finish(struct pd_exchange *exchange)
{
	size_t length;

	if (exchange->peer.refusal.code != PK_OK)
	{
		refuse(exchange);
		return;
	}
	(void) pd_request_body(exchange->request, &length);
	if (length != exchange->token.length || exchange->peer.crc != exchange->token.crc32c)
	{
		pd_api_reply_error(exchange, PK_ERR_MALFORMED, "the body is not the one that was sent");
		return;
	}
	atomic_fetch_add(&exchange->api->metrics.peer_requests, 1);
	exchange->job.run = peer_job;
	if (takes_long(exchange->peer.call.verb))
		pd_request_reply_begin(exchange->request);
	pd_queue_submit(pd_drive_queue(exchange->peer.drive), &exchange->job, PD_JOB_LIVE);
}

void
pd_api_peer_release(struct pd_exchange *exchange)
{
	if (exchange->peer.counted)
		atomic_fetch_sub(&exchange->api->peers->requests, 1);
}
