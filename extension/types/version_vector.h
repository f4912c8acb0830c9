/*
 * version_vector.h
 *	  Type pocket.version_vector: how far each replica's changes of a file have
 *	  come, as a counter that grows with each of them.
 *	  Text form: {replica:counter,...}; {} is before every change.
 *
 * A replica is 0 .. 2^63-1, a counter 1 .. 2^63-1; a replica that is not listed
 * has counter 0.  Values are sorted by replica, each replica once.  Both forms are
 * read and written by contract/pk_vector.h.
 */
#ifndef POCKET_VERSION_VECTOR_H
#define POCKET_VERSION_VECTOR_H

#include "base/compat.h"

#include "contract/pk_vector.h"

#define POCKET_VECTOR_COUNT_MAX 65535 /* replicas: 1 MiB */

typedef pk_counter PocketCounter;

typedef struct PocketVersionVector
{
	int32 vl_len_;
	int32 count;
	PocketCounter counters[FLEXIBLE_ARRAY_MEMBER];
} PocketVersionVector;

StaticAssertDecl(sizeof(PocketCounter) == 16, "a counter of a version vector has 16 bytes");
StaticAssertDecl(offsetof(PocketVersionVector, counters) == 8, "a version vector's counters begin at 8");

#define POCKET_VECTOR_SIZE(count) (offsetof(PocketVersionVector, counters) + (Size) (count) * sizeof(PocketCounter))

#define DatumGetPocketVersionVector(d) ((PocketVersionVector *) PG_DETOAST_DATUM(d))
#define PG_GETARG_VERSION_VECTOR(n) DatumGetPocketVersionVector(PG_GETARG_DATUM(n))

typedef enum PocketVectorOrder
{
	POCKET_VECTOR_EQUAL,
	POCKET_VECTOR_BEFORE,
	POCKET_VECTOR_AFTER,
	POCKET_VECTOR_CONCURRENT
} PocketVectorOrder;

/* A zeroed vector of count counters, palloc'd; 54000 when count is over the limit. */
extern PocketVersionVector *pocket_vector_make(int64 count);

/* How a stands to b. */
extern PocketVectorOrder pocket_vector_order(const PocketVersionVector *a, const PocketVersionVector *b);

/* A copy of vector (NULL is {}) with replica's counter one higher; 22003 when it cannot be. */
extern PocketVersionVector *pocket_vector_increment(const PocketVersionVector *vector, int64 replica);

extern int64 pocket_vector_counter(const PocketVersionVector *vector, int64 replica);

/* The least vector that neither is after; 54000 when it would have too many replicas. */
extern PocketVersionVector *pocket_vector_merge(const PocketVersionVector *a, const PocketVersionVector *b);

/* A copy of vector (NULL is {}) in which replica's counter is at least counter, which is positive. */
extern PocketVersionVector *pocket_vector_raise(const PocketVersionVector *vector, int64 replica, int64 counter);

/* The text form, for messages; palloc'd. */
extern char *pocket_vector_text(const PocketVersionVector *vector);

#endif
