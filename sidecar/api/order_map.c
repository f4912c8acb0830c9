/*
 * api/order_map.c
 *	  map: what the coordinator tells each node of all nodes, drives and volumes.
 *
 *	{"from": M, "number": N, "nodes": [{"node": id, "url": text}], "drives": [{"drive": uuid, "node": id}],
 *	 "volumes": [{"volume", "generation", "code", "members"}], "gone": [volume ids, may be missing]}
 */
#include <stdlib.h>
#include <string.h>

#include "api/json.h"
#include "api/order.h"

/* An array of at most max elements; borrowed. */
static pk_error
read_array(const json_t *body, const char *name, size_t max, const json_t **array, struct pd_err *err)
{
	*array = json_object_get(body, name);
	if (!json_is_array(*array))
		return pd_fail(err, PK_ERR_MALFORMED, "\"%s\" is missing or no array", name);
	if (json_array_size(*array) > max)
		return pd_fail(err, PK_ERR_TOO_LARGE, "\"%s\" has %zu elements, more than %zu", name, json_array_size(*array),
					   max);
	return PK_OK;
}

static pk_error
read_nodes(const json_t *array, struct pd_map_node *nodes, struct pd_err *err)
{
	for (size_t i = 0; i < json_array_size(array); i++)
	{
		const json_t *node = json_array_get(array, i);
		uint64_t id;
		pk_error code = pd_json_id(node, "node", &id, err);

		if (code == PK_OK)
			code = pd_json_string(node, "url", PD_PEER_URL_MAX - 1, &nodes[i].url, err);
		if (code != PK_OK)
			return code;
		if (strncmp(nodes[i].url, "http://", 7) != 0 && strncmp(nodes[i].url, "unix:/", 6) != 0)
			return pd_fail(err, PK_ERR_MALFORMED, "the \"url\" of a node begins with neither http:// nor unix:/");
		nodes[i].node = (int64_t) id;
	}
	return PK_OK;
}

static pk_error
read_drives(const json_t *array, struct pd_map_drive *drives, struct pd_err *err)
{
	for (size_t i = 0; i < json_array_size(array); i++)
	{
		const json_t *drive = json_array_get(array, i);
		uint64_t node;
		pk_error code = pd_json_uuid(drive, "drive", drives[i].uuid, NULL, err);

		if (code == PK_OK)
			code = pd_json_id(drive, "node", &node, err);
		if (code != PK_OK)
			return code;
		drives[i].node = (int64_t) node;
	}
	return PK_OK;
}

/* *gone: malloc'd, also when it fails. */
static pk_error
read_gone(const json_t *body, uint64_t **gone, size_t *count, struct pd_err *err)
{
	const json_t *array = json_object_get(body, "gone");

	*gone = NULL;
	*count = 0;
	if (array == NULL)
		return PK_OK;
	if (!json_is_array(array))
		return pd_fail(err, PK_ERR_MALFORMED, "\"gone\" is no array");
	*count = json_array_size(array);
	*gone = calloc(*count + 1, sizeof(**gone));
	if (*gone == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for a map");
	for (size_t i = 0; i < *count; i++)
	{
		json_int_t id = json_integer_value(json_array_get(array, i)); /* 0 when it is none */

		if (id < 1)
			return pd_fail(err, PK_ERR_MALFORMED, "\"gone\" has something other than ids of volumes");
		(*gone)[i] = (uint64_t) id;
	}
	return PK_OK;
}

static pk_error
read_volume(void *arg, size_t i, struct pd_members *members, struct pd_err *err)
{
	return pd_json_volume(json_array_get(arg, i), members, err);
}

struct reading
{
	struct pd_map_node nodes[PD_MAP_NODES_MAX];
	struct pd_map_drive drives[PD_MAP_DRIVES_MAX];
	uint64_t *gone;
};

static pk_error
read_order(const json_t *body, struct reading *reading, struct pd_map_order *order, struct pd_err *err)
{
	const json_t *nodes, *drives, *volumes;
	int64_t from, number;
	pk_error code;

	if ((code = pd_json_integer(body, "from", 0, INT64_MAX, &from, err)) != PK_OK ||
		(code = pd_json_integer(body, "number", 1, INT64_MAX, &number, err)) != PK_OK ||
		(code = read_array(body, "nodes", PD_MAP_NODES_MAX, &nodes, err)) != PK_OK ||
		(code = read_array(body, "drives", PD_MAP_DRIVES_MAX, &drives, err)) != PK_OK ||
		(code = read_array(body, "volumes", PK_ORDER_SIZE_MAX, &volumes, err)) != PK_OK ||
		(code = read_nodes(nodes, reading->nodes, err)) != PK_OK ||
		(code = read_drives(drives, reading->drives, err)) != PK_OK ||
		(code = read_gone(body, &reading->gone, &order->gone_count, err)) != PK_OK)
		return code;
	order->from = (uint64_t) from;
	order->number = (uint64_t) number;
	order->nodes = reading->nodes;
	order->node_count = (int) json_array_size(nodes);
	order->drives = reading->drives;
	order->drive_count = (int) json_array_size(drives);
	order->volume_count = json_array_size(volumes);
	order->volume = read_volume;
	order->arg = (void *) (uintptr_t) volumes; /* borrowed, and only read */
	order->gone = reading->gone;
	return PK_OK;
}

pk_error
pd_order_map(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err)
{
	struct reading *reading = calloc(1, sizeof(*reading));
	struct pd_map_order order = {0};
	pk_error code;

	if (reading == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for a map");
	code = read_order(body, reading, &order, err);
	if (code == PK_OK)
		code = pd_cell_map(exchange->api->cell, &order, err);
	free(reading->gone);
	free(reading);
	if (code == PK_OK)
		*result = json_pack("{sI}", "map", (json_int_t) order.number);
	return code;
}
