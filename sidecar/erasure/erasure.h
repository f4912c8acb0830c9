/*
 * erasure/erasure.h
 *	  Codes over GF(2^8): buffers in, buffers out.  No files, no threads, no
 *	  names of drives.
 *
 * One generator matrix of (k+m) rows by k columns describes any code: the upper
 * k rows are the identity, the lower m rows the parities, each a sum of the data
 * members with coefficients.  A parity of a local group has zeros for what is not
 * in its group, and that is all that encoder and decoder know of groups.
 */
#ifndef PD_ERASURE_H
#define PD_ERASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "contract/pk_code.h"
#include "contract/pk_error.h"

struct pd_matrix
{
	int k;
	int m;
	uint8_t rows[PK_MEMBERS_MAX * PK_MEMBERS_MAX];		  /* (k+m) x k, row-major */
	uint8_t tables[32 * PK_MEMBERS_MAX * PK_MEMBERS_MAX]; /* of the m parity rows */
};

/* PK_ERR_UNSUPPORTED unless the code is valid and has parities. */
extern pk_error pd_matrix_init(struct pd_matrix *matrix, const pk_code *code) PK_MUST_CHECK;

/* data: k buffers of length bytes; parity: m buffers of length bytes, written. */
extern void pd_encode(const struct pd_matrix *matrix, size_t length, uint8_t *const *data, uint8_t *const *parity);

/*
 * How to compute members from others.  A plan depends on positions alone and
 * may be used for any number of ranges, by many threads.
 */
struct pd_decode_plan
{
	int source_count;
	int wanted_count;
	uint8_t sources[PK_MEMBERS_MAX]; /* the positions to read, ascending, in the order of pd_decode's buffers */
	uint8_t tables[32 * PK_MEMBERS_MAX * PK_MEMBERS_MAX];
};

/*
 * present: bit p says that member p can be read.  wanted: positions to compute, data or parity, none of them needs to be
 * present.  Sources are the members of lowest position that together yield what is wanted, without those that contribute
 * nothing to it: a member that is alone lost of its local group comes from that group.
 * PK_ERR_BLOCK_LOST when those present do not determine all that is wanted; that others are lost as well does not matter.
 */
extern pk_error pd_decode_plan_init(struct pd_decode_plan *plan, const struct pd_matrix *matrix, uint32_t present,
									const int *wanted, int wanted_count) PK_MUST_CHECK;

/* sources: source_count buffers in the order of plan->sources; out: wanted_count buffers. */
extern void pd_decode(const struct pd_decode_plan *plan, size_t length, uint8_t *const *sources, uint8_t *const *out);

#endif
