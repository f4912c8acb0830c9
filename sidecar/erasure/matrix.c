/*
 * erasure/matrix.c
 *	  The generator matrix of a code.
 *
 * Row i >= k, column j is 1 / (i xor j) in GF(2^8) modulo x^8+x^4+x^3+x^2+1
 * (0x11d): a Cauchy matrix, because the rows' and the columns' numbers are
 * distinct.  The matrix is part of what drives hold: it may never change
 * (regress/golden/rs_6_3.tsv).
 */
#include <string.h>

#include <isa-l/erasure_code.h>

#include "erasure/erasure.h"

pk_error
pd_matrix_init(struct pd_matrix *matrix, const pk_code *code)
{
	memset(matrix, 0, sizeof(*matrix));
	if (code->kind != PK_CODE_RS || code->k < 1 || code->m < 1 || code->k > PK_MEMBERS_MAX ||
		code->m > PK_MEMBERS_MAX - code->k)
		return PK_ERR_UNSUPPORTED;

	matrix->k = code->k;
	matrix->m = code->m;
	gf_gen_cauchy1_matrix(matrix->rows, code->k + code->m, code->k);
	ec_init_tables(code->k, code->m, matrix->rows + code->k * code->k, matrix->tables);
	return PK_OK;
}
