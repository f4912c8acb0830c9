/*
 * api/order_cell.c
 *	  bind, adopt, epoch and status: the node as a whole.
 */
#include <string.h>

#include "api/json.h"
#include "api/order.h"

/* NULL-safe: an array that is not there, or lacks an element, for want of memory is no answer. */
static bool
append(json_t *array, json_t *value)
{
	return json_array_append_new(array, value) == 0;
}

static json_t *
drive_object(struct pd_drive *drive, const uint8_t cell[PK_UUID_SIZE])
{
	struct pd_drive_info info;
	int number;
	const char *state;
	static const uint8_t unbound[PK_UUID_SIZE];

	pd_drive_info(drive, &info);
	state = pd_drive_state_name(&info, cell, &number);
	return json_pack("{so so ss so sb sI sI sI sI sI}", "path", pd_json_text(info.path), "uuid",
					 pd_json_uuid_text(info.uuid), "state", state, "error",
					 info.why[0] != '\0' ? pd_json_text(info.why) : json_null(), "bound",
					 memcmp(info.cell, unbound, sizeof(unbound)) != 0, "capacity", (json_int_t) info.capacity,
					 "available", (json_int_t) info.available, "used", (json_int_t) info.used, "extents",
					 (json_int_t) info.extents, "trash", (json_int_t) info.trash);
}

/* An array that callbacks add to. */
struct list
{
	json_t *array;
	bool complete;
};

static void
add_report(void *arg, const struct pd_report *report)
{
	struct list *list = arg;

	if (!append(list->array, json_pack("{so so so}", "drive", pd_json_uuid_text(report->drive), "file",
									   pd_json_text(report->file), "problem", pd_json_text(report->problem))))
		list->complete = false;
}

static void
add_open(void *arg, uint64_t bucket_id)
{
	struct list *list = arg;

	if (!append(list->array, json_integer((json_int_t) bucket_id)))
		list->complete = false;
}

/* {"version", "zone", "cell", "map", "drives", "open", "reports", "highest", "generation"}; NULL when out of memory. */
static json_t *
status_object(struct pd_api *api)
{
	struct list drives = {json_array(), true};
	struct list open = {json_array(), true};
	struct list reports = {json_array(), true};
	uint8_t cell[PK_UUID_SIZE];
	uint64_t highest;
	uint64_t generation;
	pk_epoch epoch;

	pd_cell_identity(api->cell, cell, &epoch);
	pd_cell_highest(api->cell, &highest, &generation);
	for (int i = 0; i < api->drive_count; i++)
		drives.complete = drives.complete && append(drives.array, drive_object(api->drives[i], cell));
	open.complete = pd_bucket_each_open(api->cell, add_open, &open) == PK_OK && open.complete;
	pd_cell_each_report(api->cell, add_report, &reports);
	if (!drives.complete || !open.complete || !reports.complete)
	{
		json_decref(drives.array);
		json_decref(open.array);
		json_decref(reports.array);
		return NULL;
	}
	return json_pack("{ss so so sI so so so sI sI}", "version", PD_VERSION, "zone",
					 api->zone != NULL ? pd_json_text(api->zone) : json_null(), "cell", pd_json_uuid_text(cell), "map",
					 (json_int_t) pd_cell_map_number(api->cell), "drives", drives.array, "open", open.array, "reports",
					 reports.array, "highest", (json_int_t) highest, "generation", (json_int_t) generation);
}

static pk_error
answer(json_t *object, json_t **result, struct pd_err *err)
{
	*result = object;
	return object != NULL ? PK_OK : pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for the answer");
}

pk_error
pd_order_bind(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err)
{
	pk_error code;

	(void) body;
	pthread_mutex_lock(&exchange->api->epoch_mutex);
	code = pd_cell_bind(exchange->api->cell, exchange->token.cell, &exchange->token.epoch, err);
	pthread_mutex_unlock(&exchange->api->epoch_mutex);
	return code == PK_OK ? answer(status_object(exchange->api), result, err) : code;
}

/* By it alone a node takes orders of another incarnation: a restored database, or a copy, whose DBA has said so. */
pk_error
pd_order_adopt(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err)
{
	pk_error code;

	(void) body;
	pthread_mutex_lock(&exchange->api->epoch_mutex);
	code = pd_cell_adopt(exchange->api->cell, exchange->token.cell, &exchange->token.epoch, err);
	pthread_mutex_unlock(&exchange->api->epoch_mutex);
	return code == PK_OK ? answer(status_object(exchange->api), result, err) : code;
}

/* The highest epoch, told to whoever has the keys and names the cell, of whatever epoch he is: it changes nothing. */
pk_error
pd_order_epoch(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err)
{
	pk_epoch at;
	pk_error code = pd_cell_is(exchange->api->cell, exchange->token.cell, &at, err);

	(void) body;
	if (code != PK_OK)
		return code;
	return answer(json_pack("{sI sI sI}", "incarnation", (json_int_t) at.incarnation, "timeline",
							(json_int_t) at.timeline, "starts", (json_int_t) at.starts),
				  result, err);
}

/* The one order that an unbound node obeys beside bind: it shows what could be bound. */
pk_error
pd_order_status(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err)
{
	static const uint8_t unbound[PK_UUID_SIZE];
	uint8_t cell[PK_UUID_SIZE];
	pk_epoch epoch;
	pk_error code;

	(void) body;
	pd_cell_identity(exchange->api->cell, cell, &epoch);
	if (memcmp(cell, unbound, sizeof(cell)) != 0)
	{
		code = pd_order_admit_once(exchange, err);
		if (code != PK_OK)
			return code;
	}
	return answer(status_object(exchange->api), result, err);
}
