/*
 * api/order_copy.c
 *	  copy: blocks into an open bucket of this node.
 */
#include <stdlib.h>
#include <string.h>

#include "api/json.h"
#include "api/order.h"

/* "blocks": [{"bucket", "offset", "stored_length", "length", "hash"}] */
static pk_error
read_copies(const json_t *body, struct pd_copy **copies, int *count, struct pd_err *err)
{
	const json_t *array = json_object_get(body, "blocks");
	pk_error code = PK_OK;

	*copies = NULL;
	if (!json_is_array(array) || json_array_size(array) < 1 || json_array_size(array) > PK_COPY_MAX)
		return pd_fail(err, PK_ERR_MALFORMED, "\"blocks\" is no array of 1 to %d blocks", PK_COPY_MAX);
	*count = (int) json_array_size(array);
	*copies = calloc((size_t) *count, sizeof(**copies));
	if (*copies == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for %d blocks", *count);
	for (int i = 0; code == PK_OK && i < *count; i++)
	{
		const json_t *block = json_array_get(array, (size_t) i);

		code = pd_order_read_block(block, &(*copies)[i].from, err);
		if (code == PK_OK)
			code = pd_json_id(block, "bucket", &(*copies)[i].from.bucket_id, err);
	}
	return code;
}

/* In the order's order: {"offset", "stored_length"}, or {"code", "problem"}. NULL when out of memory. */
static json_t *
copies_array(const struct pd_copy *copies, int count)
{
	json_t *array = json_array();

	for (int i = 0; array != NULL && i < count; i++)
	{
		const struct pd_copy *copy = &copies[i];
		json_t *item = copy->result == PK_OK ? json_pack("{sI sI}", "offset", (json_int_t) copy->offset,
														 "stored_length", (json_int_t) copy->stored_length)
											 : json_pack("{ss so}", "code", pk_error_lookup(copy->result)->name,
														 "problem", pd_json_text(copy->err.text));

		if (json_array_append_new(array, item) != 0)
		{
			json_decref(array);
			array = NULL;
		}
	}
	return array;
}

pk_error
pd_order_copy(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err)
{
	const struct pd_progress progress = {pd_order_tick, exchange};
	struct pd_copy *copies = NULL;
	uint64_t bucket;
	int64_t generation;
	int count = 0;
	pk_error code;

	if ((code = pd_json_id(body, "bucket", &bucket, err)) != PK_OK ||
		(code = pd_json_integer(body, "generation", 0, INT32_MAX, &generation, err)) != PK_OK)
		return code;
	code = read_copies(body, &copies, &count, err);
	if (code == PK_OK)
		code = pd_blocks_copy(exchange->api->cell, bucket, (uint32_t) generation, copies, count, &progress, err);
	if (code == PK_OK)
		*result = json_pack("{so}", "blocks", copies_array(copies, count));
	free(copies);
	return code;
}
