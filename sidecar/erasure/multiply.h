/*
 * erasure/multiply.h
 *	  The one inner loop of encoding and decoding; private to this room.
 */
#ifndef PD_ERASURE_MULTIPLY_H
#define PD_ERASURE_MULTIPLY_H

#include <stddef.h>
#include <stdint.h>

/* out[i] = sum over j of coefficient (i, j) * sources[j]; tables are ec_init_tables's. No out may be a source. */
extern void pd_multiply(const uint8_t *tables, int source_count, int out_count, size_t length, uint8_t *const *sources,
						uint8_t *const *out);

#endif
