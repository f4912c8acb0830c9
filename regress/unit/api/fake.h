/*
 * regress/unit/api/fake.h
 *	  A net, a cell and two drives that do what a test tells them, so that the
 *	  handlers can be driven without sockets or files.
 *
 * A test program that includes this defines every function of net, volume and
 * store that the api calls, and so links none of those rooms.
 */
#ifndef TEST_API_FAKE_H
#define TEST_API_FAKE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "api/api.h"

#include "fake_store.h"

struct pd_request
{
	const char *method;
	const char *path;
	const char *authorization;
	const char *content_length;
	const char *range;
	const char *if_range;
	const char *if_none_match;
	char headers[2048]; /* of the reply, a line each */
	struct pd_buffer body;
	size_t body_length;
	void *attached;
	int64_t begun;
	int status; /* 0 until a reply was made */
	int replies;
	bool streamed;
	char *text;
	size_t length;
	sem_t replied;
};

/* What the cell is and shall answer, and what it was asked. */
static struct
{
	pk_keyring keys;
	uint8_t uuid[PK_UUID_SIZE];
	pk_epoch epoch;
	pk_error next; /* the result of the next put, get or order */
	bool degraded;
	bool streams; /* gets are answered by a stream */
	int streams_freed;
	struct pd_members members;
	uint64_t id;
	uint64_t number;
	uint32_t bits;
	struct pd_put *put;
	sem_t hold; /* encode waits for it, or until its tick says stop */
	bool holding;
	sem_t info_hold; /* a drive hangs: what asks for its state waits for this */
	atomic_bool info_holding;
	bool drop_holding; /* a drop tells that it has begun, and waits */
	sem_t drop_entered;
	sem_t drop_hold;
	bool stopped;
	int reports;
	int absent;
	uint64_t map_number;
	struct pd_map_node map_nodes[PD_MAP_NODES_MAX]; /* of the last map; the URLs are gone */
	char map_url[PD_PEER_URL_MAX];					/* of the first */
	int map_drives;
	enum pd_drive_state drive_state[2];
} fake;

static pthread_mutex_t fake_mutex = PTHREAD_MUTEX_INITIALIZER; /* of what several orders at a time touch */

struct pd_cell
{
	int unused;
};
struct pd_drive
{
	int index;
};

static uint8_t fake_plain[64];

struct pd_stream
{
	int unused;
};
static struct pd_stream fake_stream;

/* --- net --- */

const char *
pd_request_method(const struct pd_request *request)
{
	return request->method;
}

const char *
pd_request_path(const struct pd_request *request)
{
	return request->path;
}

const char *
pd_request_header(const struct pd_request *request, const char *name)
{
	if (strcasecmp(name, "Content-Length") == 0)
		return request->content_length;
	if (strcasecmp(name, "Range") == 0)
		return request->range;
	if (strcasecmp(name, "If-Range") == 0)
		return request->if_range;
	if (strcasecmp(name, "If-None-Match") == 0)
		return request->if_none_match;
	return strcasecmp(name, "Authorization") == 0 ? request->authorization : NULL;
}

void
pd_request_add_header(struct pd_request *request, const char *name, const char *value)
{
	size_t used = strlen(request->headers);
	size_t room = sizeof(request->headers) - used;

	assert_true((size_t) snprintf(request->headers + used, room, "%s: %s\n", name, value) < room);
}

void
pd_request_attach(struct pd_request *request, void *state)
{
	request->attached = state;
}

void *
pd_request_attached(const struct pd_request *request)
{
	return request->attached;
}

struct pd_buffer *
pd_request_body(struct pd_request *request, size_t *length)
{
	*length = request->body_length;
	return request->body.data != NULL ? &request->body : NULL;
}

bool
pd_request_gone(const struct pd_request *request)
{
	(void) request;
	return false;
}

static void
keep_reply(struct pd_request *request, int status, const void *text, size_t length)
{
	request->text = malloc(length + 1);
	memcpy(request->text, text, length);
	request->text[length] = '\0';
	request->length = length;
	request->status = status;
	request->replies++;
	sem_post(&request->replied);
}

void
pd_request_reply_text(struct pd_request *request, int status, const char *content_type, const char *text, size_t length)
{
	assert_non_null(content_type);
	keep_reply(request, status, text, length);
}

void
pd_request_reply_buffer(struct pd_request *request, int status, struct pd_buffer *buffer, size_t offset, size_t length)
{
	keep_reply(request, status, buffer->data + offset, length);
}

void
pd_request_reply_source(struct pd_request *request, int status, const struct pd_source *source, size_t length)
{
	uint8_t bytes[64];

	if (strcmp(request->method, "HEAD") == 0)
		keep_reply(request, status, "", 0);
	else if (length > sizeof(bytes) || !source->read(source->arg, bytes, length))
		keep_reply(request, 0, "", 0);
	else
		keep_reply(request, status, bytes, length);
	source->release(source->arg);
}

void
pd_request_reply_begin(struct pd_request *request)
{
	request->streamed = true;
}

void
pd_request_reply_end(struct pd_request *request, const char *text, size_t length)
{
	keep_reply(request, 200, text, length);
}

/* --- volume --- */

static pk_error
next_result(struct pd_err *err)
{
	return fake.next == PK_OK ? PK_OK : pd_fail(err, fake.next, "as the test wants it");
}

void
pd_cell_keys(struct pd_cell *cell, pk_keyring *keys)
{
	(void) cell;
	*keys = fake.keys;
}

void
pd_cell_decoding(struct pd_cell *cell, uint64_t *read, uint64_t *decoded)
{
	(void) cell;
	*read = 6 * 65536;
	*decoded = 65536;
}

void
pd_cell_identity(struct pd_cell *cell, uint8_t uuid[PK_UUID_SIZE], pk_epoch *epoch)
{
	(void) cell;
	pthread_mutex_lock(&fake_mutex);
	memcpy(uuid, fake.uuid, PK_UUID_SIZE);
	*epoch = fake.epoch;
	pthread_mutex_unlock(&fake_mutex);
}

pk_error
pd_cell_admit(struct pd_cell *cell, const uint8_t uuid[PK_UUID_SIZE], const pk_epoch *epoch, struct pd_err *err)
{
	(void) cell;
	if (memcmp(uuid, fake.uuid, PK_UUID_SIZE) != 0 || epoch->incarnation > fake.epoch.incarnation)
		return pd_fail(err, PK_ERR_FOREIGN, "foreign");
	if (pk_epoch_compare(epoch, &fake.epoch) < 0)
		return pd_fail(err, PK_ERR_STALE_EPOCH, "stale");
	pthread_mutex_lock(&fake_mutex);
	if (pk_epoch_compare(epoch, &fake.epoch) > 0)
		fake.epoch = *epoch;
	pthread_mutex_unlock(&fake_mutex);
	return PK_OK;
}

pk_error
pd_cell_is(struct pd_cell *cell, const uint8_t uuid[PK_UUID_SIZE], pk_epoch *at, struct pd_err *err)
{
	(void) cell;
	*at = fake.epoch;
	return memcmp(uuid, fake.uuid, PK_UUID_SIZE) == 0 ? PK_OK : pd_fail(err, PK_ERR_FOREIGN, "foreign");
}

pk_error
pd_cell_adopt(struct pd_cell *cell, const uint8_t uuid[PK_UUID_SIZE], const pk_epoch *epoch, struct pd_err *err)
{
	pk_epoch at;

	if (pd_cell_is(cell, uuid, &at, err) != PK_OK)
		return PK_ERR_FOREIGN;
	if (pk_epoch_compare(epoch, &at) < 0)
		return pd_fail(err, PK_ERR_STALE_EPOCH, "stale");
	fake.epoch = *epoch;
	return PK_OK;
}

void
pd_cell_highest(struct pd_cell *cell, uint64_t *id, uint64_t *generation)
{
	(void) cell;
	*id = 77;
	*generation = 5;
}

pk_error
pd_cell_bind(struct pd_cell *cell, const uint8_t uuid[PK_UUID_SIZE], const pk_epoch *epoch, struct pd_err *err)
{
	(void) cell;
	(void) err;
	memcpy(fake.uuid, uuid, PK_UUID_SIZE);
	fake.epoch = *epoch;
	return PK_OK;
}

void
pd_cell_each_report(struct pd_cell *cell, void (*each)(void *arg, const struct pd_report *report), void *arg)
{
	(void) cell;
	for (int i = 0; i < fake.reports; i++)
	{
		struct pd_report report = {{1}, "extents/3f/b-000000000000003f", "rot at 65536"};

		each(arg, &report);
	}
}

pk_error
pd_bucket_each_open(struct pd_cell *cell, void (*each)(void *arg, uint64_t bucket_id), void *arg)
{
	(void) cell;
	each(arg, 6);
	each(arg, 7);
	return PK_OK;
}

pk_error
pd_bucket_open(struct pd_cell *cell, const struct pd_members *members, uint64_t bucket_id, uint64_t capacity,
			   struct pd_err *err)
{
	(void) cell;
	fake.members = *members;
	fake.id = bucket_id;
	fake.number = capacity;
	return next_result(err);
}

void
pd_bucket_put(struct pd_cell *cell, struct pd_put *put)
{
	(void) cell;
	put->result = next_result(&put->err);
	put->offset = 4096;
	put->stored_length = 192;
	fake.id = put->bucket_id;
	fake.number = put->generation;
	put->done(put);
}

pk_error
pd_bucket_seal_booked(struct pd_cell *cell, uint64_t bucket_id, uint64_t booked, uint64_t *length, struct pd_err *err)
{
	(void) cell;
	fake.id = bucket_id;
	fake.number = booked;
	*length = 4288;
	return next_result(err);
}

void
pd_bucket_absent(struct pd_cell *cell, uint64_t bucket_id, uint64_t length, struct pd_absent *absent)
{
	(void) cell;
	assert_true(bucket_id != 0 && length != 0);
	memset(absent, 0, sizeof(*absent));
	for (absent->count = 0; absent->count < fake.absent; absent->count++)
		absent->drive[absent->count][15] = (uint8_t) (absent->count + 1);
}

uint64_t
pd_cell_map_number(struct pd_cell *cell)
{
	(void) cell;
	return fake.map_number;
}

pk_error
pd_cell_map(struct pd_cell *cell, const struct pd_map_order *order, struct pd_err *err)
{
	pk_error rc = next_result(err);

	(void) cell;
	for (size_t i = 0; rc == PK_OK && i < order->volume_count; i++)
		rc = order->volume(order->arg, i, &fake.members, err);
	if (rc != PK_OK)
		return rc;
	memcpy(fake.map_nodes, order->nodes, (size_t) order->node_count * sizeof(*order->nodes));
	if (order->node_count > 0)
		snprintf(fake.map_url, sizeof(fake.map_url), "%s", order->nodes[0].url);
	fake.map_drives = order->drive_count;
	fake.id = order->gone_count > 0 ? order->gone[0] : 0;
	fake.number = order->volume_count;
	fake.map_number = order->number;
	return PK_OK;
}

void
pd_block_get(struct pd_cell *cell, struct pd_get *get)
{
	static struct pd_buffer buffer = {fake_plain, sizeof(fake_plain), NULL};

	(void) cell;
	get->result = next_result(&get->err);
	get->plain = fake.streams && get->crc_checked ? NULL : &buffer;
	get->plain_offset = 4;
	get->stream = fake.streams && get->crc_checked ? &fake_stream : NULL;
	get->degraded = fake.degraded;
	fake.id = get->bucket_id;
	fake.number = get->offset;
	get->done(get);
}

pk_error
pd_stream_read(struct pd_stream *stream, uint8_t *out, size_t n, struct pd_err *err)
{
	(void) stream;
	memcpy(out, fake_plain + 4, n);
	return next_result(err);
}

void
pd_stream_free(struct pd_stream *stream)
{
	fake.streams_freed += stream == &fake_stream;
}

pk_error
pd_volume_encode(struct pd_cell *cell, const struct pd_members *members, const struct pd_progress *progress,
				 uint64_t *parity_length, struct pd_err *err)
{
	(void) cell;
	pthread_mutex_lock(&fake_mutex);
	fake.members = *members;
	pthread_mutex_unlock(&fake_mutex);
	*parity_length = 128;
	while (fake.holding && sem_trywait(&fake.hold) != 0)
	{
		if (!progress->tick(progress->arg, 1, 2))
		{
			fake.stopped = true;
			return pd_fail(err, PK_ERR_UNAVAILABLE, "stopped");
		}
		usleep(1000);
	}
	return next_result(err);
}

pk_error
pd_volume_settle(struct pd_cell *cell, const struct pd_members *members, int *settled, struct pd_err *err)
{
	(void) cell;
	fake.members = *members;
	*settled = members->count;
	return next_result(err);
}

pk_error
pd_volume_rebuild(struct pd_cell *cell, const struct pd_members *members, uint32_t rebuild,
				  const struct pd_progress *progress, struct pd_err *err)
{
	(void) cell;
	(void) progress;
	fake.members = *members;
	fake.bits = rebuild;
	return next_result(err);
}

pk_error
pd_extent_drop(struct pd_cell *cell, const uint8_t drive[PK_UUID_SIZE], pk_extent_kind kind, uint64_t id, int position,
			   uint64_t *bytes, struct pd_err *err)
{
	(void) cell;
	fake.id = id;
	fake.number = (uint64_t) kind * 1000 + (uint64_t) position * 10 + drive[PK_UUID_SIZE - 1];
	*bytes = 77;
	if (fake.drop_holding)
	{
		sem_post(&fake.drop_entered);
		sem_wait(&fake.drop_hold);
	}
	return next_result(err);
}

pk_error
pd_blocks_copy(struct pd_cell *cell, uint64_t bucket_id, uint32_t generation, struct pd_copy *copies, int count,
			   const struct pd_progress *progress, struct pd_err *err)
{
	(void) cell;
	(void) progress;
	fake.id = bucket_id;
	fake.number = generation * 1000000 + (uint64_t) count * 1000 + copies[count - 1].from.bucket_id;
	for (int i = 0; i < count; i++)
	{
		copies[i].offset = copies[i].from.offset + 64;
		copies[i].stored_length = copies[i].from.stored_length;
	}
	copies[0].result = pd_fail(&copies[0].err, PK_ERR_BUCKET_CLOSED, "full");
	return next_result(err);
}

static void
fake_trash(const struct pd_trash_order *order)
{
	fake.id = order->id;
	fake.number = (uint64_t) order->kind * 1000 + (uint64_t) order->position * 10 + order->drive[PK_UUID_SIZE - 1] +
				  order->volume_id * 10000 + order->generation * 1000000;
}

pk_error
pd_trash_put(struct pd_cell *cell, const struct pd_trash_order *order, uint64_t *bytes, struct pd_err *err)
{
	(void) cell;
	fake_trash(order);
	*bytes = 78;
	return next_result(err);
}

pk_error
pd_trash_take(struct pd_cell *cell, const struct pd_trash_order *order, struct pd_err *err)
{
	(void) cell;
	fake_trash(order);
	return next_result(err);
}

pk_error
pd_trash_empty(struct pd_cell *cell, const struct pd_trash_order *order, uint64_t *bytes, struct pd_err *err)
{
	(void) cell;
	fake_trash(order);
	*bytes = 79;
	return next_result(err);
}

pk_error
pd_drive_scrub(struct pd_cell *cell, const uint8_t drive[PK_UUID_SIZE], const char *after, uint64_t budget,
			   char next[PK_EXTENT_FILE], uint64_t *bytes, void (*each)(void *arg, const struct pd_report *report),
			   void *arg, struct pd_err *err)
{
	const struct pd_report report = {{1}, "extents/3f/b-000000000000003f", "rot at 65536"};

	(void) cell;
	(void) drive;
	fake.number = strlen(after);
	each(arg, &report);
	*bytes = budget;
	snprintf(next, PK_EXTENT_FILE, "extents/40/b-0000000000000040");
	return next_result(err);
}

/* As many extents as are asked for, and one damaged file. */
pk_error
pd_drive_list(struct pd_cell *cell, const uint8_t drive[PK_UUID_SIZE], const char *after, int max,
			  const struct pd_inventory *inventory, char next[PK_EXTENT_FILE], struct pd_err *err)
{
	struct pd_extent_info info;

	(void) cell;
	memset(&info, 0, sizeof(info));
	info.kind = PK_EXTENT_PARITY;
	info.id = 5;
	info.position = 7;
	info.sealed = true;
	info.length = 4096;
	info.members.volume_id = 5;
	info.members.generation = 3;
	info.members.code = (pk_code){PK_CODE_RS, 6, 3};
	info.members.count = PK_MEMBERS_MAX;
	for (int i = 0; i < PK_MEMBERS_MAX; i++)
		memset(&info.members.member[i], 0x7f, offsetof(struct pd_member, key));
	pk_extent_file(info.file, info.kind, info.id, info.position);
	fake.number = strlen(after) * 100 + drive[PK_UUID_SIZE - 1];
	inventory->damaged(inventory->arg, "extents/3f/b-000000000000003f", "has no valid header");
	for (int i = 0; i < max; i++)
		inventory->extent(inventory->arg, &info, false, i == 0 ? "cannot open it" : NULL);
	snprintf(next, PK_EXTENT_FILE, "%s", info.file);
	return next_result(err);
}

pk_error
pd_drive_records(struct pd_cell *cell, const uint8_t drive[PK_UUID_SIZE], uint64_t bucket_id, uint64_t *at, int max,
				 const struct pd_inventory *inventory, uint64_t *length, struct pd_err *err)
{
	pk_record record = {.length = 100, .payload_length = 90, .crc32c = 0xfedcba98};

	(void) cell;
	(void) drive;
	fake.id = bucket_id;
	fake.number = *at;
	for (int i = 0; i < max; i++, *at += pk_record_size(record.payload_length))
	{
		record.offset = *at;
		inventory->record(inventory->arg, &record);
	}
	inventory->damage(inventory->arg, *at, 64, "the header of a record is damaged");
	*at += 64;
	*length = fake.bits == 1 ? *at : PK_BUCKET_SIZE_MAX;
	return next_result(err);
}

pk_error
pd_drive_watch(struct pd_cell *cell, const uint8_t drive[PK_UUID_SIZE], struct pd_get *blocks, int count,
			   const struct pd_progress *progress, void (*problem)(void *arg, uint64_t offset, const char *text),
			   void *arg, struct pd_err *err)
{
	(void) cell;
	(void) drive;
	assert_true(progress->tick(progress->arg, 0, 1));
	fake.id = blocks[0].bucket_id;
	fake.number = (uint64_t) count;
	problem(arg, blocks[count - 1].offset, "other bytes");
	return next_result(err);
}

/* --- store --- */

const char *
pd_drive_path(const struct pd_drive *drive)
{
	return drive->index == 0 ? "/srv/a\"b" : "/srv/c";
}

void
pd_drive_info(struct pd_drive *drive, struct pd_drive_info *info)
{
	if (atomic_load(&fake.info_holding))
		sem_wait(&fake.info_hold);
	memset(info, 0, sizeof(*info));
	snprintf(info->path, sizeof(info->path), "%s", pd_drive_path(drive));
	info->uuid[15] = (uint8_t) (drive->index + 1);
	memcpy(info->cell, fake.uuid, PK_UUID_SIZE);
	info->state = fake.drive_state[drive->index];
	info->used = 1000;
	snprintf(info->why, sizeof(info->why), "%s", info->state == PD_DRIVE_OK ? "" : "no superblock");
}

/* --- requests --- */

static void
request_begin(struct pd_api *api, struct pd_request *request, const char *method, const char *path)
{
	const struct pd_http_handler *handler = pd_api_handler(api);

	request->method = method;
	request->path = path;
	sem_init(&request->replied, 0, 0);
	request->begun = handler->begin(handler->arg, request);
	if (request->begun >= 0)
	{
		assert_int_equal(request->replies, 0);
		/* in two pieces, as the network may cut it */
		for (size_t at = 0, n = (request->body_length + 1) / 2; at < request->body_length; at += n)
			handler->arrived(handler->arg, request, request->body.data + at,
							 n < request->body_length - at ? n : request->body_length - at);
		handler->finish(handler->arg, request);
	}
}

/* Waits for the reply, releases; text stays the caller's. */
static int
request_end(struct pd_api *api, struct pd_request *request)
{
	const struct pd_http_handler *handler = pd_api_handler(api);

	while (sem_wait(&request->replied) != 0)
		;
	handler->release(handler->arg, request);
	assert_int_equal(request->replies, 1);
	sem_destroy(&request->replied);
	return request->status;
}

#endif
