/*
 * api/order_bucket.c
 *	  open, seal and drop: single extents and buckets.
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

pk_error
pd_order_seal(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err)
{
	uint64_t bucket;
	uint64_t length = 0;
	pk_error code = pd_json_id(body, "bucket", &bucket, err);

	if (code == PK_OK)
		code = pd_bucket_seal(exchange->api->cell, bucket, &length, err);
	if (code == PK_OK)
		*result = sealed_object(exchange->api->cell, bucket, length);
	return code;
}

pk_error
pd_order_drop(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err)
{
	uint8_t drive[PK_UUID_SIZE];
	const char *kind;
	uint64_t id;
	int64_t position;
	uint64_t bytes = 0;
	pk_extent_kind extent_kind;
	pk_error code;

	if ((code = pd_json_uuid(body, "drive", drive, NULL, err)) != PK_OK ||
		(code = pd_json_string(body, "kind", 16, &kind, err)) != PK_OK ||
		(code = pd_json_id(body, "id", &id, err)) != PK_OK ||
		(code = pd_json_integer(body, "position", 0, PK_MEMBERS_MAX - 1, &position, err)) != PK_OK)
		return code;
	if (strcmp(kind, "bucket") == 0)
		extent_kind = PK_EXTENT_BUCKET;
	else if (strcmp(kind, "parity") == 0)
		extent_kind = PK_EXTENT_PARITY;
	else
		return pd_fail(err, PK_ERR_MALFORMED, "\"kind\" is neither \"bucket\" nor \"parity\"");

	code = pd_extent_drop(exchange->api->cell, drive, extent_kind, id, (int) position, &bytes, err);
	if (code == PK_OK)
		*result = json_pack("{sI}", "bytes", (json_int_t) bytes);
	return code;
}
