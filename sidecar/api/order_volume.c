/*
 * api/order_volume.c
 *	  encode, settle, rebuild and scrub: what reads whole volumes or drives.
 */
#include <string.h>

#include "api/json.h"
#include "api/order.h"

pk_error
pd_order_encode(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err)
{
	const struct pd_progress progress = {pd_order_tick, exchange};
	struct pd_members members;
	uint64_t length = 0;
	pk_error code = pd_json_volume(body, &members, err);

	if (code == PK_OK && members.code.kind == PK_CODE_REPLICATED)
		code = pd_fail(err, PK_ERR_MALFORMED, "a replicated volume has no parities to encode");
	if (code == PK_OK)
		code = pd_volume_encode(exchange->api->cell, &members, &progress, &length, err);
	if (code == PK_OK)
		*result = json_pack("{sI}", "length", (json_int_t) length);
	return code;
}

pk_error
pd_order_settle(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err)
{
	struct pd_members members;
	int settled = 0;
	pk_error code = pd_json_volume(body, &members, err);

	if (code == PK_OK)
		code = pd_volume_settle(exchange->api->cell, &members, &settled, err);
	if (code == PK_OK)
		*result = json_pack("{si}", "settled", settled);
	return code;
}

/* "rebuild": positions, as bits. */
static pk_error
read_positions(const json_t *body, const struct pd_members *members, uint32_t *positions, struct pd_err *err)
{
	const json_t *array;
	pk_error code = pd_json_members(body, "rebuild", &array, err);

	*positions = 0;
	for (size_t i = 0; code == PK_OK && i < json_array_size(array); i++)
	{
		const json_t *value = json_array_get(array, i);
		json_int_t position = json_is_integer(value) ? json_integer_value(value) : -1;

		if (position < 0 || position >= members->count || (*positions & UINT32_C(1) << position) != 0)
			code =
				pd_fail(err, PK_ERR_MALFORMED, "\"rebuild\" has something other than different positions of members");
		else if (members->code.kind != PK_CODE_REPLICATED && position < members->code.k &&
				 members->member[position].bucket_id == 0)
			code = pd_fail(err, PK_ERR_MALFORMED, "member %d is virtual: there is nothing to rebuild", (int) position);
		else
			*positions |= UINT32_C(1) << position;
	}
	return code;
}

/* The length of the parities: the longest data member's; of replicas: their own. */
static uint64_t
volume_length(const struct pd_members *members)
{
	int count = members->code.kind == PK_CODE_REPLICATED ? members->count : members->code.k;
	uint64_t length = 0;

	for (int i = 0; i < count; i++)
	{
		if (members->member[i].length > length)
			length = members->member[i].length;
	}
	return length;
}

pk_error
pd_order_rebuild(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err)
{
	const struct pd_progress progress = {pd_order_tick, exchange};
	struct pd_members members;
	uint32_t positions;
	pk_error code = pd_json_volume(body, &members, err);

	if (code == PK_OK)
		code = read_positions(body, &members, &positions, err);
	if (code == PK_OK)
		code = pd_volume_rebuild(exchange->api->cell, &members, positions, &progress, err);
	if (code == PK_OK)
		*result = json_pack("{sI}", "length", (json_int_t) volume_length(&members));
	return code;
}

static void
add_problem(void *arg, const struct pd_report *report)
{
	json_t *problems = arg;
	json_t *problem =
		json_pack("{so so}", "file", pd_json_text(report->file), "problem", pd_json_text(report->problem));

	/* one that is lost for want of memory stays in the cell's reports, which status gives */
	if (problem != NULL)
		(void) json_array_append_new(problems, problem);
}

pk_error
pd_order_scrub(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err)
{
	uint8_t drive[PK_UUID_SIZE];
	const char *after = "";
	int64_t budget;
	char next[PK_EXTENT_FILE] = "";
	uint64_t bytes = 0;
	json_t *problems;
	pk_error code;

	if ((code = pd_json_uuid(body, "drive", drive, NULL, err)) != PK_OK ||
		(code = pd_json_integer(body, "budget", 1, INT64_MAX, &budget, err)) != PK_OK)
		return code;
	if (json_object_get(body, "after") != NULL && !json_is_null(json_object_get(body, "after")))
	{
		code = pd_json_string(body, "after", PK_EXTENT_FILE - 1, &after, err);
		if (code != PK_OK)
			return code;
	}

	problems = json_array();
	if (problems == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for the answer");
	code =
		pd_drive_scrub(exchange->api->cell, drive, after, (uint64_t) budget, next, &bytes, add_problem, problems, err);
	if (code == PK_OK)
		*result =
			json_pack("{sI so sO}", "bytes", (json_int_t) bytes, "next", pd_json_text(next), "problems", problems);
	json_decref(problems);
	return code;
}
