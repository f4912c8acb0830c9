/*
 * regress/unit/erasure/reference.h
 *	  GF(2^8) modulo 0x11d by shifting and adding: what isa-l is held against; and
 *	  buffers that end where unreadable memory begins.
 */
#ifndef TEST_ERASURE_REFERENCE_H
#define TEST_ERASURE_REFERENCE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "erasure/erasure.h"

static inline uint8_t
reference_multiply(uint8_t a, uint8_t b)
{
	unsigned int shifted = a;
	unsigned int sum = 0;

	for (; b != 0; b >>= 1)
	{
		if (b & 1)
			sum ^= shifted;
		shifted = (shifted << 1) ^ (shifted & 0x80 ? 0x11d : 0);
	}
	return (uint8_t) sum;
}

/* out = row * data, byte by byte */
static inline void
reference_row(uint8_t *out, const uint8_t *row, int k, size_t length, uint8_t *const *data)
{
	memset(out, 0, length);
	for (int j = 0; j < k; j++)
	{
		uint8_t product[256];

		for (int v = 0; v < 256; v++)
			product[v] = reference_multiply(row[j], (uint8_t) v);
		for (size_t x = 0; x < length; x++)
			out[x] ^= product[data[j][x]];
	}
}

/* A small deterministic generator. */
static inline uint32_t
reference_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t) (*state >> 33);
}

static inline void
reference_fill(uint8_t *out, size_t length, uint64_t *state)
{
	for (size_t x = 0; x < length; x++)
		out[x] = (uint8_t) reference_random(state);
}

/*
 * length bytes whose last one is the last before an unreadable page: a path that
 * touches one byte more dies of it.
 */
struct fenced
{
	uint8_t *map;
	size_t map_size;
	uint8_t *data;
};

static inline struct fenced
fenced_get(size_t length)
{
	size_t page = (size_t) sysconf(_SC_PAGESIZE);
	size_t room = (length + page - 1) / page * page + page;
	struct fenced fenced = {NULL, room + page, NULL};

	fenced.map = mmap(NULL, fenced.map_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(fenced.map != MAP_FAILED);
	assert_int_equal(mprotect(fenced.map + room, page, PROT_NONE), 0);
	fenced.data = fenced.map + room - length;
	/* what lies before is looked at by fenced_put */
	memset(fenced.map, 0x5a, room - length);
	return fenced;
}

static inline void
fenced_put(struct fenced *fenced)
{
	for (const uint8_t *p = fenced->map; p < fenced->data; p++)
		assert_int_equal(*p, 0x5a);
	assert_int_equal(munmap(fenced->map, fenced->map_size), 0);
}

#endif
