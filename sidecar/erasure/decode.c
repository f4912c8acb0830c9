/*
 * erasure/decode.c
 *	  Members from others.
 *
 * Gaussian elimination over the generator's rows of those present, which keeps
 * with each reduced row the combination of members that it is.  A wanted row that
 * reduces to zero is a combination of members; one that does not is not
 * determined by them, and no attempt is made to guess it.
 */
#include <string.h>

#include <isa-l/erasure_code.h>

#include "erasure/erasure.h"
#include "erasure/multiply.h"

/*
 * Independent rows.  Row i has a one in its pivot and zeros in the pivots before it; combination[i] says of which
 * members it is the sum: coefficient j belongs to member[j].
 */
struct basis
{
	int k;
	int count;
	uint8_t member[PK_MEMBERS_MAX];
	uint8_t pivot[PK_MEMBERS_MAX];
	uint8_t row[PK_MEMBERS_MAX][PK_MEMBERS_MAX];
	uint8_t combination[PK_MEMBERS_MAX][PK_MEMBERS_MAX];
};

/* out += factor * in */
static void
add_multiple(uint8_t *out, uint8_t factor, const uint8_t *in, int count)
{
	for (int i = 0; i < count; i++)
		out[i] ^= gf_mul(factor, in[i]);
}

static void
scale(uint8_t *row, uint8_t factor, int count)
{
	for (int i = 0; i < count; i++)
		row[i] = gf_mul(factor, row[i]);
}

/* Takes out of row what the basis has of it, and writes down of what that consists. Returns the first column that is left; k: none. */
static int
reduce(const struct basis *basis, uint8_t *row, uint8_t *combination)
{
	int column = 0;

	for (int i = 0; i < basis->count; i++)
	{
		uint8_t factor = row[basis->pivot[i]];

		if (factor == 0)
			continue;
		add_multiple(row, factor, basis->row[i], basis->k);
		add_multiple(combination, factor, basis->combination[i], PK_MEMBERS_MAX);
	}
	while (column < basis->k && row[column] == 0)
		column++;
	return column;
}

/* A row that others give already is left out. */
static void
add_member(struct basis *basis, const struct pd_matrix *matrix, int p)
{
	uint8_t *row = basis->row[basis->count];
	uint8_t *combination = basis->combination[basis->count];
	uint8_t inverse;
	int column;

	memcpy(row, matrix->rows + p * matrix->k, (size_t) matrix->k);
	memset(combination, 0, PK_MEMBERS_MAX);
	column = reduce(basis, row, combination);
	if (column == basis->k)
		return;
	combination[basis->count] = 1;
	inverse = gf_inv(row[column]);
	scale(row, inverse, basis->k);
	scale(combination, inverse, PK_MEMBERS_MAX);
	basis->member[basis->count] = (uint8_t) p;
	basis->pivot[basis->count] = (uint8_t) column;
	basis->count++;
}

/* The coefficients without the columns of members that contribute to nothing. */
static void
fill_plan(struct pd_decode_plan *plan, const struct basis *basis, uint8_t coefficients[][PK_MEMBERS_MAX])
{
	uint8_t rows[PK_MEMBERS_MAX * PK_MEMBERS_MAX];
	uint8_t used[PK_MEMBERS_MAX];

	for (int i = 0; i < basis->count; i++)
	{
		bool needed = false;

		for (int w = 0; w < plan->wanted_count; w++)
			needed = needed || coefficients[w][i] != 0;
		if (!needed)
			continue;
		used[plan->source_count] = (uint8_t) i;
		plan->sources[plan->source_count++] = basis->member[i];
	}
	for (int w = 0; w < plan->wanted_count; w++)
	{
		for (int i = 0; i < plan->source_count; i++)
			rows[w * plan->source_count + i] = coefficients[w][used[i]];
	}
	if (plan->wanted_count > 0)
		ec_init_tables(plan->source_count, plan->wanted_count, rows, plan->tables);
}

pk_error
pd_decode_plan_init(struct pd_decode_plan *plan, const struct pd_matrix *matrix, uint32_t present, const int *wanted,
					int wanted_count)
{
	struct basis basis = {.k = matrix->k};
	uint8_t coefficients[PK_MEMBERS_MAX][PK_MEMBERS_MAX] = {{0}};

	memset(plan, 0, sizeof(*plan));
	if (matrix->k < 1 || wanted_count < 0 || wanted_count > PK_MEMBERS_MAX)
		return PK_ERR_INTERNAL;
	for (int i = 0; i < wanted_count; i++)
	{
		if (wanted[i] < 0 || wanted[i] >= matrix->k + matrix->m)
			return PK_ERR_INTERNAL;
	}

	for (int p = 0; p < matrix->k + matrix->m && basis.count < basis.k; p++)
	{
		if (present & UINT32_C(1) << p)
			add_member(&basis, matrix, p);
	}
	for (int i = 0; i < wanted_count; i++)
	{
		uint8_t row[PK_MEMBERS_MAX];

		memcpy(row, matrix->rows + wanted[i] * matrix->k, (size_t) matrix->k);
		if (reduce(&basis, row, coefficients[i]) != basis.k)
			return PK_ERR_BLOCK_LOST;
	}
	plan->wanted_count = wanted_count;
	fill_plan(plan, &basis, coefficients);
	return PK_OK;
}

void
pd_decode(const struct pd_decode_plan *plan, size_t length, uint8_t *const *sources, uint8_t *const *out)
{
	pd_multiply(plan->tables, plan->source_count, plan->wanted_count, length, sources, out);
}
