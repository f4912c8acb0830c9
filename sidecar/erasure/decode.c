/*
 * erasure/decode.c
 *	  Any member from any k others.
 *
 * The rows of the k sources form a square matrix S with S * data = sources, so
 * row w of the generator times the inverse of S gives member w from the sources.
 */
#include <string.h>

#include <isa-l/erasure_code.h>

#include "erasure/erasure.h"
#include "erasure/multiply.h"

/* The k lowest present positions: data members come first by their numbers. False when there are fewer. */
static bool
choose_sources(struct pd_decode_plan *plan, const struct pd_matrix *matrix, uint32_t present)
{
	int chosen = 0;

	for (int p = 0; p < matrix->k + matrix->m && chosen < matrix->k; p++)
	{
		if (present & UINT32_C(1) << p)
			plan->sources[chosen++] = (uint8_t) p;
	}
	return chosen == matrix->k;
}

/* row (1 x k) = the generator's row of member w times inverse (k x k) */
static void
wanted_row(uint8_t *row, const struct pd_matrix *matrix, const uint8_t *inverse, int w)
{
	int k = matrix->k;

	for (int column = 0; column < k; column++)
	{
		uint8_t sum = 0;

		for (int j = 0; j < k; j++)
			sum ^= gf_mul(matrix->rows[w * k + j], inverse[j * k + column]);
		row[column] = sum;
	}
}

pk_error
pd_decode_plan_init(struct pd_decode_plan *plan, const struct pd_matrix *matrix, uint32_t present, const int *wanted,
					int wanted_count)
{
	int k = matrix->k;
	uint8_t square[PK_MEMBERS_MAX * PK_MEMBERS_MAX];
	uint8_t inverse[PK_MEMBERS_MAX * PK_MEMBERS_MAX];
	uint8_t rows[PK_MEMBERS_MAX * PK_MEMBERS_MAX];

	memset(plan, 0, sizeof(*plan));
	if (k < 1 || wanted_count < 0 || wanted_count > PK_MEMBERS_MAX)
		return PK_ERR_INTERNAL;
	for (int i = 0; i < wanted_count; i++)
	{
		if (wanted[i] < 0 || wanted[i] >= k + matrix->m)
			return PK_ERR_INTERNAL;
	}

	plan->k = k;
	plan->wanted_count = wanted_count;
	if (!choose_sources(plan, matrix, present))
		return PK_ERR_BLOCK_LOST;

	for (int i = 0; i < k; i++)
		memcpy(square + i * k, matrix->rows + plan->sources[i] * k, (size_t) k);
	/* cannot fail: every square submatrix of [identity; Cauchy] with k rows has full rank */
	if (gf_invert_matrix(square, inverse, k) != 0)
		return PK_ERR_INTERNAL;

	for (int i = 0; i < wanted_count; i++)
		wanted_row(rows + i * k, matrix, inverse, wanted[i]);
	if (wanted_count > 0)
		ec_init_tables(k, wanted_count, rows, plan->tables);
	return PK_OK;
}

void
pd_decode(const struct pd_decode_plan *plan, size_t length, uint8_t *const *sources, uint8_t *const *out)
{
	pd_multiply(plan->tables, plan->k, plan->wanted_count, length, sources, out);
}
