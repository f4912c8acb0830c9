/*
 * api/order_bucket.c
 *	  open, seal, drop, trash, untrash and empty: single extents and buckets.
 */
#include <string.h>

#include "api/json.h"
#include "api/order.h"

/* The drives of a new bucket's replicas, each another one. */
static pk_error
read_drives(const json_t *body, struct pd_members *members, struct pd_err *err)
{
	const json_t *array;
	pk_error code = pd_json_members(body, "drives", &array, err);

	if (code != PK_OK)
		return code;
	members->count = (int) json_array_size(array);
	for (int i = 0; i < members->count; i++)
	{
		code = pd_json_uuid_value(json_array_get(array, (size_t) i), "drives", members->member[i].drive, err);
		if (code != PK_OK)
			return code;
		for (int j = 0; j < i; j++)
		{
			if (memcmp(members->member[i].drive, members->member[j].drive, PK_UUID_SIZE) == 0)
				return pd_fail(err, PK_ERR_MALFORMED, "\"drives\" names the same drive twice");
		}
	}
	return PK_OK;
}

pk_error
pd_order_open(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err)
{
	struct pd_members members;
	uint64_t bucket;
	int64_t generation;
	int64_t capacity;
	pk_error code;

	memset(&members, 0, sizeof(members));
	if ((code = pd_json_id(body, "volume", &members.volume_id, err)) != PK_OK ||
		(code = pd_json_id(body, "bucket", &bucket, err)) != PK_OK ||
		(code = pd_json_integer(body, "generation", 0, INT32_MAX, &generation, err)) != PK_OK ||
		(code = pd_json_integer(body, "capacity", (int64_t) PK_BUCKET_SIZE_MIN, (int64_t) PK_BUCKET_SIZE_MAX, &capacity,
								err)) != PK_OK ||
		(code = read_drives(body, &members, err)) != PK_OK)
		return code;

	members.generation = (uint32_t) generation;
	members.code = (pk_code){PK_CODE_REPLICATED, 1, 0};
	for (int i = 0; i < members.count; i++)
		members.member[i].bucket_id = bucket;
	code = pd_bucket_open(exchange->api->cell, &members, bucket, (uint64_t) capacity, err);
	if (code == PK_OK)
		*result = json_object();
	return code;
}

/* {"length", "absent": [drives where it is not seen, sealed at this length]} */
static json_t *
sealed_object(struct pd_cell *cell, uint64_t bucket, uint64_t length)
{
	struct pd_absent absent;
	json_t *array = json_array();

	pd_bucket_absent(cell, bucket, length, &absent);
	for (int i = 0; i < absent.count; i++)
	{
		if (json_array_append_new(array, pd_json_uuid_text(absent.drive[i])) != 0)
		{
			json_decref(array);
			return NULL;
		}
	}
	return json_pack("{sI so}", "length", (json_int_t) length, "absent", array);
}

/* With "length": rows say that it was sealed there. */
pk_error
pd_order_seal(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err)
{
	uint64_t bucket;
	uint64_t length = 0;
	int64_t booked = 0;
	pk_error code = pd_json_id(body, "bucket", &bucket, err);

	if (code == PK_OK && json_object_get(body, "length") != NULL)
		code = pd_json_integer(body, "length", 1, (int64_t) PK_BUCKET_SIZE_MAX, &booked, err);
	if (code == PK_OK)
		code = pd_bucket_seal_booked(exchange->api->cell, bucket, (uint64_t) booked, &length, err);
	if (code == PK_OK)
		*result = sealed_object(exchange->api->cell, bucket, length);
	return code;
}

/* "drive", "kind", "id" and "position": one extent of one drive. */
static pk_error
read_extent(const json_t *body, struct pd_trash_order *order, struct pd_err *err)
{
	const char *kind;
	int64_t position;
	pk_error code;

	memset(order, 0, sizeof(*order));
	if ((code = pd_json_uuid(body, "drive", order->drive, NULL, err)) != PK_OK ||
		(code = pd_json_string(body, "kind", 16, &kind, err)) != PK_OK ||
		(code = pd_json_id(body, "id", &order->id, err)) != PK_OK ||
		(code = pd_json_integer(body, "position", 0, PK_MEMBERS_MAX - 1, &position, err)) != PK_OK)
		return code;
	order->position = (int) position;
	if (strcmp(kind, "bucket") == 0)
		order->kind = PK_EXTENT_BUCKET;
	else if (strcmp(kind, "parity") == 0)
		order->kind = PK_EXTENT_PARITY;
	else
		return pd_fail(err, PK_ERR_MALFORMED, "\"kind\" is neither \"bucket\" nor \"parity\"");
	return PK_OK;
}

static pk_error
answer_bytes(pk_error code, uint64_t bytes, json_t **result)
{
	if (code == PK_OK)
		*result = json_pack("{sI}", "bytes", (json_int_t) bytes);
	return code;
}

pk_error
pd_order_drop(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err)
{
	struct pd_trash_order order;
	uint64_t bytes = 0;
	pk_error code = read_extent(body, &order, err);

	if (code == PK_OK)
		code = pd_extent_drop(exchange->api->cell, order.drive, order.kind, order.id, order.position, &bytes, err);
	return answer_bytes(code, bytes, result);
}

/* With "volume" and "generation": that volume is retired; without: the extent is stale. */
pk_error
pd_order_trash(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err)
{
	struct pd_trash_order order;
	uint64_t bytes = 0;
	int64_t generation = 0;
	pk_error code = read_extent(body, &order, err);

	if (code == PK_OK && json_object_get(body, "volume") != NULL)
	{
		code = pd_json_id(body, "volume", &order.volume_id, err);
		if (code == PK_OK)
			code = pd_json_integer(body, "generation", 0, INT32_MAX, &generation, err);
		order.generation = (uint32_t) generation;
	}
	if (code == PK_OK)
		code = pd_trash_put(exchange->api->cell, &order, &bytes, err);
	return answer_bytes(code, bytes, result);
}

pk_error
pd_order_untrash(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err)
{
	struct pd_trash_order order;
	pk_error code = read_extent(body, &order, err);

	if (code == PK_OK)
		code = pd_trash_take(exchange->api->cell, &order, err);
	if (code == PK_OK)
		*result = json_object();
	return code;
}

pk_error
pd_order_empty(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err)
{
	struct pd_trash_order order;
	uint64_t bytes = 0;
	pk_error code = read_extent(body, &order, err);

	if (code == PK_OK)
		code = pd_trash_empty(exchange->api->cell, &order, &bytes, err);
	return answer_bytes(code, bytes, result);
}
