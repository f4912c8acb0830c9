/*
 * api/json.h
 *	  Fields of a JSON object that nobody has looked at yet.
 *
 * Every reader returns PK_ERR_MALFORMED, naming the field, unless it is there,
 * of the type and within the bounds.
 */
#ifndef PD_API_JSON_H
#define PD_API_JSON_H

#include <jansson.h>

#include "base/err.h"
#include "store/extent.h"

/* An object from length bytes: no duplicate keys, nothing behind it. NULL with err filled. The caller's. */
extern json_t *pd_json_parse(const char *text, size_t length, struct pd_err *err);

extern pk_error pd_json_integer(const json_t *object, const char *name, int64_t min, int64_t max, int64_t *value,
								struct pd_err *err) PK_MUST_CHECK;
/* An id: 1 .. 2^63-1. */
extern pk_error pd_json_id(const json_t *object, const char *name, uint64_t *id, struct pd_err *err) PK_MUST_CHECK;
/* Without a NUL, at most max bytes; borrowed from the object. */
extern pk_error pd_json_string(const json_t *object, const char *name, size_t max, const char **value,
							   struct pd_err *err) PK_MUST_CHECK;
/* null: when not NULL, a JSON null is accepted and told there. */
extern pk_error pd_json_uuid(const json_t *object, const char *name, uint8_t uuid[PK_UUID_SIZE], bool *null,
							 struct pd_err *err) PK_MUST_CHECK;
extern pk_error pd_json_uuid_value(const json_t *value, const char *name, uint8_t uuid[PK_UUID_SIZE],
								   struct pd_err *err) PK_MUST_CHECK;
/* An array of 1 .. PK_MEMBERS_MAX elements; borrowed. */
extern pk_error pd_json_members(const json_t *object, const char *name, const json_t **array,
								struct pd_err *err) PK_MUST_CHECK;

/* "volume", "generation", "code" and "members" of encode, settle and rebuild. */
extern pk_error pd_json_volume(const json_t *object, struct pd_members *members, struct pd_err *err) PK_MUST_CHECK;

/* A JSON string of any bytes: what is not UTF-8 or printable becomes '?'. NULL when out of memory. */
extern json_t *pd_json_text(const char *text);
/* A uuid's text, or null for zeros. */
extern json_t *pd_json_uuid_text(const uint8_t uuid[PK_UUID_SIZE]);
/* {"error": {"code", "message"}}, to be freed; NULL when out of memory. */
extern char *pd_json_error(pk_error code, const char *text);

#endif
