/*
 * erasure/encode.c
 *	  Parities from data.
 */
#include <isa-l/erasure_code.h>

#include "erasure/erasure.h"
#include "erasure/multiply.h"

/*
 * isa-l counts in int, so longer buffers go in pieces.  Lengths below a vector
 * register's are isa-l's own concern: each of its paths falls back to the plain
 * one (regress/unit/erasure/test_paths.c holds it to that).
 */
#define PIECE_MAX ((size_t) 1 << 30)

void
pd_multiply(const uint8_t *tables, int source_count, int out_count, size_t length, uint8_t *const *sources,
			uint8_t *const *out)
{
	unsigned char *source_at[PK_MEMBERS_MAX];
	unsigned char *out_at[PK_MEMBERS_MAX];

	for (size_t done = 0; done < length && out_count > 0;)
	{
		size_t piece = length - done < PIECE_MAX ? length - done : PIECE_MAX;

		for (int i = 0; i < source_count; i++)
			source_at[i] = sources[i] + done;
		for (int i = 0; i < out_count; i++)
			out_at[i] = out[i] + done;
		ec_encode_data((int) piece, source_count, out_count, (unsigned char *) tables, source_at, out_at);
		done += piece;
	}
}

void
pd_encode(const struct pd_matrix *matrix, size_t length, uint8_t *const *data, uint8_t *const *parity)
{
	pd_multiply(matrix->tables, matrix->k, matrix->m, length, data, parity);
}
