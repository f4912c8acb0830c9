/*
 * api/json.c
 *	  Reading and making JSON on jansson.
 */
#include "api/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t no_uuid[PK_UUID_SIZE];

json_t *
pd_json_parse(const char *text, size_t length, struct pd_err *err)
{
	json_error_t error;
	json_t *value = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);

	if (value == NULL)
	{
		pd_fail(err, PK_ERR_MALFORMED, "the order's body is not JSON: %s at byte %d", error.text, error.position);
		return NULL;
	}
	if (!json_is_object(value))
	{
		pd_fail(err, PK_ERR_MALFORMED, "the order's body is not a JSON object");
		json_decref(value);
		return NULL;
	}
	return value;
}

pk_error
pd_json_integer(const json_t *object, const char *name, int64_t min, int64_t max, int64_t *value, struct pd_err *err)
{
	const json_t *field = json_object_get(object, name);

	if (!json_is_integer(field))
		return pd_fail(err, PK_ERR_MALFORMED, "\"%s\" is missing or no integer", name);
	*value = json_integer_value(field);
	if (*value < min || *value > max)
		return pd_fail(err, PK_ERR_MALFORMED, "\"%s\" is %" PRId64 ", outside %" PRId64 " .. %" PRId64, name, *value,
					   min, max);
	return PK_OK;
}

pk_error
pd_json_id(const json_t *object, const char *name, uint64_t *id, struct pd_err *err)
{
	int64_t value = 0;
	pk_error result = pd_json_integer(object, name, 1, INT64_MAX, &value, err);

	if (result == PK_OK)
		*id = (uint64_t) value;
	return result;
}

pk_error
pd_json_string(const json_t *object, const char *name, size_t max, const char **value, struct pd_err *err)
{
	const json_t *field = json_object_get(object, name);

	if (!json_is_string(field))
		return pd_fail(err, PK_ERR_MALFORMED, "\"%s\" is missing or no string", name);
	/* jansson refuses \u0000 in what it parses, so the text ends at its NUL */
	if (json_string_length(field) > max)
		return pd_fail(err, PK_ERR_MALFORMED, "\"%s\" is longer than %zu bytes", name, max);
	*value = json_string_value(field);
	return PK_OK;
}

pk_error
pd_json_uuid_value(const json_t *value, const char *name, uint8_t uuid[PK_UUID_SIZE], struct pd_err *err)
{
	if (!json_is_string(value) || !pk_uuid_decode(uuid, json_string_value(value), json_string_length(value)) ||
		memcmp(uuid, no_uuid, PK_UUID_SIZE) == 0)
		return pd_fail(err, PK_ERR_MALFORMED, "\"%s\" is missing or no uuid", name);
	return PK_OK;
}

pk_error
pd_json_uuid(const json_t *object, const char *name, uint8_t uuid[PK_UUID_SIZE], bool *null, struct pd_err *err)
{
	const json_t *field = json_object_get(object, name);

	memset(uuid, 0, PK_UUID_SIZE);
	if (null != NULL)
	{
		*null = json_is_null(field);
		if (*null)
			return PK_OK;
	}
	return pd_json_uuid_value(field, name, uuid, err);
}

pk_error
pd_json_members(const json_t *object, const char *name, const json_t **array, struct pd_err *err)
{
	*array = json_object_get(object, name);
	if (!json_is_array(*array))
		return pd_fail(err, PK_ERR_MALFORMED, "\"%s\" is missing or no array", name);
	if (json_array_size(*array) < 1 || json_array_size(*array) > PK_MEMBERS_MAX)
		return pd_fail(err, PK_ERR_MALFORMED, "\"%s\" has %zu elements, not 1 to %d", name, json_array_size(*array),
					   PK_MEMBERS_MAX);
	return PK_OK;
}

/* {"drive": uuid|null, "bucket": id|0, "length": bytes} at a position of a volume. */
static pk_error
read_member(const json_t *object, const pk_code *code, int position, struct pd_member *member, struct pd_err *err)
{
	bool parity = code->kind != PK_CODE_REPLICATED && position >= code->k;
	bool virtual;
	int64_t bucket;
	int64_t length;
	pk_error result;

	if (!json_is_object(object))
		return pd_fail(err, PK_ERR_MALFORMED, "member %d is no object", position);
	if ((result = pd_json_uuid(object, "drive", member->drive, &virtual, err)) != PK_OK ||
		(result = pd_json_integer(object, "bucket", 0, INT64_MAX, &bucket, err)) != PK_OK ||
		(result = pd_json_integer(object, "length", 0, (int64_t) PK_BUCKET_SIZE_MAX, &length, err)) != PK_OK)
		return result;

	if (virtual && (parity || code->kind == PK_CODE_REPLICATED))
		return pd_fail(err, PK_ERR_MALFORMED, "member %d has no drive, and only data members can be virtual", position);
	if (virtual && (bucket != 0 || length != 0))
		return pd_fail(err, PK_ERR_MALFORMED, "member %d has a bucket or a length but no drive", position);
	if (parity && bucket != 0)
		return pd_fail(err, PK_ERR_MALFORMED, "member %d is a parity and has a bucket", position);
	if (!virtual && !parity && bucket == 0)
		return pd_fail(err, PK_ERR_MALFORMED, "member %d has a drive but no bucket", position);
	member->bucket_id = (uint64_t) bucket;
	member->length = (uint64_t) length;
	return PK_OK;
}

pk_error
pd_json_volume(const json_t *object, struct pd_members *members, struct pd_err *err)
{
	const json_t *array;
	const char *code;
	int64_t generation;
	pk_error result;

	memset(members, 0, sizeof(*members));
	if ((result = pd_json_id(object, "volume", &members->volume_id, err)) != PK_OK ||
		(result = pd_json_integer(object, "generation", 0, INT32_MAX, &generation, err)) != PK_OK ||
		(result = pd_json_string(object, "code", PK_CODE_TEXT - 1, &code, err)) != PK_OK ||
		(result = pd_json_members(object, "members", &array, err)) != PK_OK)
		return result;
	result = pk_code_parse(&members->code, code);
	if (result != PK_OK)
		return pd_fail(err, result, "the code \"%s\" is not one that this release knows", code);

	members->generation = (uint32_t) generation;
	members->count = (int) json_array_size(array);
	if (members->code.kind != PK_CODE_REPLICATED && members->count != members->code.k + members->code.m)
		return pd_fail(err, PK_ERR_MALFORMED, "%s has %d members, but \"members\" has %d", code,
					   members->code.k + members->code.m, members->count);
	for (int i = 0; i < members->count; i++)
	{
		result = read_member(json_array_get(array, (size_t) i), &members->code, i, &members->member[i], err);
		if (result != PK_OK)
			return result;
		if (members->code.kind == PK_CODE_REPLICATED && members->member[i].bucket_id != members->member[0].bucket_id)
			return pd_fail(err, PK_ERR_MALFORMED, "replica %d is of another bucket than replica 0", i);
	}
	return PK_OK;
}

json_t *
pd_json_text(const char *text)
{
	json_t *value = json_string(text);
	size_t length = strlen(text);
	char *clean;

	if (value != NULL)
		return value;
	clean = malloc(length + 1);
	if (clean == NULL)
		return NULL;
	for (size_t i = 0; i <= length; i++)
		clean[i] = text[i] == '\0' || (text[i] >= ' ' && text[i] <= '~') ? text[i] : '?';
	value = json_string(clean);
	free(clean);
	return value;
}

json_t *
pd_json_uuid_text(const uint8_t uuid[PK_UUID_SIZE])
{
	char text[PK_UUID_TEXT + 1];

	if (memcmp(uuid, no_uuid, PK_UUID_SIZE) == 0)
		return json_null();
	pk_uuid_encode(text, uuid);
	return json_string(text);
}

char *
pd_json_error(pk_error code, const char *text)
{
	const pk_error_info *info = pk_error_lookup(code);
	json_t *value = json_pack("{s{ss so}}", "error", "code", info->name, "message",
							  pd_json_text(text != NULL && text[0] != '\0' ? text : info->message));
	char *result = NULL;

	if (value != NULL)
	{
		result = json_dumps(value, JSON_COMPACT);
		json_decref(value);
	}
	return result;
}
