/*
 * cli/array.c
 *	  One-dimensional arrays in PostgreSQL's binary format.
 */
#include "cli/array.h"

#include <stdlib.h>
#include <string.h>

#define HEADER_SIZE 20
#define EPOCH_2000_US INT64_C(946684800000000)
#define JSONB_VERSION 1

void
pd_array_put32(uint8_t *out, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		out[i] = (uint8_t) (value >> (24 - 8 * i));
}

void
pd_array_put64(uint8_t *out, uint64_t value)
{
	for (int i = 0; i < 8; i++)
		out[i] = (uint8_t) (value >> (56 - 8 * i));
}

int64_t
pd_array_timestamp(int64_t unix_us)
{
	/* both ends of the type are far inside int64, but a file system may hold anything */
	return unix_us < INT64_MIN + EPOCH_2000_US ? INT64_MIN : unix_us - EPOCH_2000_US;
}

void
pd_array_init(struct pd_array *array, uint32_t type)
{
	*array = (struct pd_array){.type = type};
}

void
pd_array_reset(struct pd_array *array)
{
	array->count = 0;
	array->length = 0;
}

void
pd_array_free(struct pd_array *array)
{
	free(array->data);
	*array = (struct pd_array){.type = array->type};
}

static bool
grow(struct pd_array *array, size_t need)
{
	size_t capacity = array->capacity > 0 ? array->capacity : 4096;
	uint8_t *data;

	if (need <= array->capacity)
		return true;
	while (capacity < need)
		capacity *= 2;
	data = realloc(array->data, capacity);
	if (data == NULL)
		return false;
	array->data = data;
	array->capacity = capacity;
	return true;
}

uint8_t *
pd_array_reserve(struct pd_array *array, size_t size)
{
	size_t start = array->length > 0 ? array->length : HEADER_SIZE;

	if (size > PD_ARRAY_SIZE_MAX || start + 4 + size > PD_ARRAY_SIZE_MAX || array->count == INT32_MAX)
		return NULL;
	if (!grow(array, start + 4 + size))
		return NULL;
	pd_array_put32(array->data + start, (uint32_t) size);
	array->length = start + 4 + size;
	array->count++;
	return array->data + start + 4;
}

void
pd_array_retract(struct pd_array *array, size_t size)
{
	array->length -= size + 4;
	array->count--;
}

bool
pd_array_add(struct pd_array *array, const void *data, size_t size)
{
	uint8_t *place = pd_array_reserve(array, size);

	if (place == NULL)
		return false;
	if (size > 0)
		memcpy(place, data, size);
	return true;
}

bool
pd_array_add_int64(struct pd_array *array, int64_t value)
{
	uint8_t *place = pd_array_reserve(array, 8);

	if (place == NULL)
		return false;
	pd_array_put64(place, (uint64_t) value);
	return true;
}

bool
pd_array_add_time(struct pd_array *array, int64_t unix_us)
{
	return pd_array_add_int64(array, pd_array_timestamp(unix_us));
}

bool
pd_array_add_jsonb(struct pd_array *array, const char *json)
{
	size_t length = strlen(json);
	uint8_t *place = pd_array_reserve(array, length + 1);

	if (place == NULL)
		return false;
	place[0] = JSONB_VERSION;
	memcpy(place + 1, json, length);
	return true;
}

void
pd_array_finish(struct pd_array *array)
{
	if (array->length < HEADER_SIZE)
	{
		if (!grow(array, HEADER_SIZE))
			return; /* data stays NULL: the statement sends a null array */
		array->length = HEADER_SIZE;
	}
	pd_array_put32(array->data, 1);
	pd_array_put32(array->data + 4, 0);
	pd_array_put32(array->data + 8, array->type);
	pd_array_put32(array->data + 12, (uint32_t) array->count);
	pd_array_put32(array->data + 16, 1);
}
