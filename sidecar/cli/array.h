/*
 * cli/array.h
 *	  One-dimensional arrays in PostgreSQL's binary format, as a parameter of a
 *	  statement.  Elements are written in place, so that a file is read straight
 *	  into the message that carries it.
 *
 * Format (array_recv): int32 dimensions, int32 has nulls, uint32 element type,
 * int32 length, int32 lower bound; then for each element int32 size (-1: null)
 * and its bytes.  All big-endian.
 */
#ifndef PD_CLI_ARRAY_H
#define PD_CLI_ARRAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Type ids of pg_type.dat; they never change. */
#define PD_OID_BYTEA 17
#define PD_OID_INT8 20
#define PD_OID_TEXT 25
#define PD_OID_TIMESTAMPTZ 1184
#define PD_OID_JSONB 3802
#define PD_OID_BYTEA_ARRAY 1001
#define PD_OID_TEXT_ARRAY 1009
#define PD_OID_INT8_ARRAY 1016
#define PD_OID_TIMESTAMPTZ_ARRAY 1185
#define PD_OID_JSONB_ARRAY 3807

#define PD_ARRAY_SIZE_MAX (512 * 1024 * 1024) /* half of what a message of the protocol may hold */

struct pd_array
{
	uint32_t type; /* of the elements */
	int32_t count;
	size_t length;
	size_t capacity;
	uint8_t *data; /* owned; used again after pd_array_reset */
};

extern void pd_array_init(struct pd_array *array, uint32_t type);
extern void pd_array_reset(struct pd_array *array);
extern void pd_array_free(struct pd_array *array);

/* Appends an element of size bytes for the caller to fill; NULL when there is no memory or the array too large. */
extern uint8_t *pd_array_reserve(struct pd_array *array, size_t size);

/* Takes back the element of size bytes that was reserved last. */
extern void pd_array_retract(struct pd_array *array, size_t size);

extern bool pd_array_add(struct pd_array *array, const void *data, size_t size);
extern bool pd_array_add_int64(struct pd_array *array, int64_t value);

/* microseconds since 1970, as stat gives them */
extern bool pd_array_add_time(struct pd_array *array, int64_t unix_us);

/* JSON text */
extern bool pd_array_add_jsonb(struct pd_array *array, const char *json);

/* Completes the header.  Elements may still be added afterwards; then finish again. */
extern void pd_array_finish(struct pd_array *array);

extern void pd_array_put32(uint8_t *out, uint32_t value);
extern void pd_array_put64(uint8_t *out, uint64_t value);

/* A timestamptz in binary: microseconds since 2000. */
extern int64_t pd_array_timestamp(int64_t unix_us);

#endif
