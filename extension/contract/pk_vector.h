/*
 * pk_vector.h
 *	  Version vectors (Parker et al. 1983), as text {replica:counter,...} and as
 *	  bytes: how often each replica has changed a file.
 *
 * A replica is 0 .. 2^63 - 1, a counter 1 .. 2^63 - 1.  The binary form is in
 * network order: u32 count, then i64 replica and i64 counter of each, ascending
 * by replica, each once.
 */
#ifndef PK_VECTOR_H
#define PK_VECTOR_H

#include <stddef.h>
#include <stdint.h>

#include "contract/pk_error.h"

typedef struct pk_counter
{
	int64_t replica;
	int64_t counter;
} pk_counter;

#define PK_COUNTER_SIZE 16
#define PK_VECTOR_SIZE(count) (4 + (size_t) (count) *PK_COUNTER_SIZE)

/* The counters that a text has if it is valid, over the limit or not. */
extern size_t pk_vector_count_text(const char *text, size_t length);

/*
 * Reads a text of so many counters, in its own order, which may be any; nor is it
 * seen whether a replica is there twice.  NULL, or a phrase for what is wrong at
 * byte *at: "a colon is expected", ...
 */
extern const char *pk_vector_parse(pk_counter *counters, size_t count, const char *text, size_t length,
								   size_t *at) PK_MUST_CHECK;

/* The counters that bytes have, over the limit or not; -1 when their length is not that of the count that they begin with. */
extern long pk_vector_count(const uint8_t *in, size_t length);

/* Reads PK_VECTOR_SIZE(count) bytes, which are canonical; as parse. */
extern const char *pk_vector_decode(pk_counter *counters, size_t count, const uint8_t *in, size_t *at) PK_MUST_CHECK;

/* Writes PK_VECTOR_SIZE(count) bytes. */
extern void pk_vector_encode(uint8_t *out, const pk_counter *counters, size_t count);

#endif
