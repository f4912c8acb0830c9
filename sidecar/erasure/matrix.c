/*
 * erasure/matrix.c
 *	  The generator matrix of a code.
 *
 * They are those of extension/contract/FORMAT.md, and part of what drives hold: they may never change
 * (regress/golden/matrix.tsv, stripe.tsv).
 */
#include <string.h>

#include <isa-l/erasure_code.h>

#include "erasure/erasure.h"

#define GENERATOR 2 /* of GF(2^8) modulo 0x11d: its powers up to 255 differ */

/*
 * lrc: row k + g is the sum of group g, the last two have 2^j and 4^j: with the sum of the local parities these are the
 * first three rows of Vandermonde's matrix.  For these k that yields whatever any matrix of this shape can yield
 * (regress/unit/erasure/test_patterns.c tries each pattern).
 */
static void
local_rows(struct pd_matrix *matrix, const pk_code *code)
{
	int k = code->k;
	int groups = pk_code_groups(code);
	uint8_t power = 1;

	for (int j = 0; j < k; j++)
	{
		matrix->rows[j * k + j] = 1;
		matrix->rows[(k + j / (k / groups)) * k + j] = 1;
	}
	for (int j = 0; code->kind == PK_CODE_LRC && j < k; j++)
	{
		matrix->rows[(k + 2) * k + j] = power;
		matrix->rows[(k + 3) * k + j] = gf_mul(power, power);
		power = gf_mul(power, GENERATOR);
	}
}

pk_error
pd_matrix_init(struct pd_matrix *matrix, const pk_code *code)
{
	memset(matrix, 0, sizeof(*matrix));
	if (code->kind == PK_CODE_REPLICATED || !pk_code_valid(code))
		return PK_ERR_UNSUPPORTED;

	matrix->k = code->k;
	matrix->m = code->m;
	if (code->kind == PK_CODE_RS)
		gf_gen_cauchy1_matrix(matrix->rows, code->k + code->m, code->k);
	else
		local_rows(matrix, code);
	ec_init_tables(code->k, code->m, matrix->rows + code->k * code->k, matrix->tables);
	return PK_OK;
}
