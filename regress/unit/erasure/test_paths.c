/*
 * Every code path of isa-l gives what plain arithmetic gives, at every length,
 * and touches nothing outside its buffers; and the matrix is the one that drives
 * hold.
 */
#include "reference.h"

#include <stdio.h>

#include <isa-l/erasure_code.h>

#include "contract/pk_bytes.h"

typedef void (*multiply_path)(int length, int k, int rows, unsigned char *tables, unsigned char **data,
							  unsigned char **out);

static const size_t lengths[] = {1,	 2,	 15,  16,  17,	31,	 32,  33,	63,	  64,
								 65, 95, 127, 128, 129, 191, 255, 4095, 4096, 65537};

static void
hold_against_reference(multiply_path path, int k, int m)
{
	const pk_code code = {PK_CODE_RS, k, m};
	struct pd_matrix matrix;
	uint64_t seed = 99;

	assert_int_equal(pd_matrix_init(&matrix, &code), PK_OK);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
	{
		size_t length = lengths[i];
		struct fenced fences[PK_MEMBERS_MAX];
		uint8_t *member[PK_MEMBERS_MAX];
		uint8_t *expected = malloc(length);

		for (int p = 0; p < k + m; p++)
		{
			fences[p] = fenced_get(length);
			member[p] = fences[p].data;
			reference_fill(member[p], length, &seed);
		}
		if (path != NULL)
			path((int) length, k, m, matrix.tables, member, member + k);
		else
			pd_encode(&matrix, length, member, member + k);
		for (int p = k; p < k + m; p++)
		{
			reference_row(expected, matrix.rows + p * k, k, length, member);
			assert_memory_equal(member[p], expected, length);
		}
		for (int p = 0; p < k + m; p++)
			fenced_put(&fences[p]);
		free(expected);
	}
}

static void
hold_path(multiply_path path, int supported)
{
	static const int codes[][2] = {{6, 3}, {10, 4}, {14, 4}, {5, 1}, {6, 2}, {4, 6}, {6, 7}};

	if (!supported)
		skip();
	for (size_t c = 0; c < sizeof(codes) / sizeof(codes[0]); c++)
		hold_against_reference(path, codes[c][0], codes[c][1]);
}

static void
our_encoder(void **state)
{
	(void) state;
	hold_path(NULL, 1);
}

static void
isal_dispatched(void **state)
{
	(void) state;
	hold_path(ec_encode_data, 1);
}

static void
isal_base(void **state)
{
	(void) state;
	hold_path(ec_encode_data_base, 1);
}

#if defined(__x86_64__)
static void
isal_sse(void **state)
{
	(void) state;
	hold_path(ec_encode_data_sse, __builtin_cpu_supports("ssse3") && __builtin_cpu_supports("sse4.1"));
}

static void
isal_avx(void **state)
{
	(void) state;
	hold_path(ec_encode_data_avx, __builtin_cpu_supports("avx"));
}

static void
isal_avx2(void **state)
{
	(void) state;
	hold_path(ec_encode_data_avx2, __builtin_cpu_supports("avx2"));
}
#endif

static void
decoding_one_byte_and_odd_lengths_stays_inside_its_buffers(void **state)
{
	const pk_code code = {PK_CODE_RS, 6, 3};
	struct pd_matrix matrix;
	struct pd_decode_plan plan;
	const int wanted[] = {1, 5, 7};
	uint64_t seed = 5;

	(void) state;
	assert_int_equal(pd_matrix_init(&matrix, &code), PK_OK);
	assert_int_equal(pd_decode_plan_init(&plan, &matrix, 0x1ff & ~0xa2u, wanted, 3), PK_OK);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
	{
		struct fenced fences[12];
		uint8_t *member[12];
		uint8_t *sources[6];

		for (int p = 0; p < 12; p++)
		{
			fences[p] = fenced_get(lengths[i]);
			member[p] = fences[p].data;
			reference_fill(member[p], lengths[i], &seed);
		}
		pd_encode(&matrix, lengths[i], member, member + 6);
		for (int s = 0; s < 6; s++)
			sources[s] = member[plan.sources[s]];
		pd_decode(&plan, lengths[i], sources, member + 9);
		for (int w = 0; w < 3; w++)
			assert_memory_equal(member[9 + w], member[wanted[w]], lengths[i]);
		for (int p = 0; p < 12; p++)
			fenced_put(&fences[p]);
	}
}

static void
nothing_to_do_touches_nothing(void **state)
{
	const pk_code code = {PK_CODE_RS, 6, 3};
	struct pd_matrix matrix;
	struct pd_decode_plan plan;
	uint8_t *none[9] = {NULL};

	(void) state;
	assert_int_equal(pd_matrix_init(&matrix, &code), PK_OK);
	pd_encode(&matrix, 0, none, none + 6);
	assert_int_equal(pd_decode_plan_init(&plan, &matrix, 0x1ff, NULL, 0), PK_OK);
	pd_decode(&plan, 4096, none, none);
}

static void
the_matrix_is_the_golden_one(void **state)
{
	const pk_code code = {PK_CODE_RS, 6, 3};
	struct pd_matrix matrix;
	uint8_t bytes[9][32];
	uint8_t parity[3][32];
	uint8_t *data_at[6];
	uint8_t *parity_at[3];
	char line[256];
	int seen = 0;
	FILE *golden = fopen("regress/golden/rs_6_3.tsv", "r");

	(void) state;
	assert_non_null(golden);
	assert_int_equal(pd_matrix_init(&matrix, &code), PK_OK);
	while (fgets(line, sizeof(line), golden) != NULL)
	{
		char kind[8];
		char hex[65];
		int position;

		if (line[0] == '#')
			continue;
		assert_int_equal(sscanf(line, "%7s\t%d\t%64s", kind, &position, hex), 3);
		assert_in_range(position, 0, 8);
		seen++;
		if (strcmp(kind, "matrix") == 0)
		{
			uint8_t row[6];

			assert_true(pk_hex_decode(row, 6, hex, strlen(hex)));
			assert_memory_equal(matrix.rows + position * 6, row, 6);
		}
		else
			assert_true(pk_hex_decode(bytes[position], 32, hex, strlen(hex)));
	}
	fclose(golden);
	assert_int_equal(seen, 18);

	for (int p = 0; p < 6; p++)
		data_at[p] = bytes[p];
	for (int p = 0; p < 3; p++)
		parity_at[p] = parity[p];
	pd_encode(&matrix, 32, data_at, parity_at);
	for (int p = 0; p < 3; p++)
		assert_memory_equal(parity[p], bytes[6 + p], 32);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(our_encoder),
		cmocka_unit_test(isal_dispatched),
		cmocka_unit_test(isal_base),
#if defined(__x86_64__)
		cmocka_unit_test(isal_sse),
		cmocka_unit_test(isal_avx),
		cmocka_unit_test(isal_avx2),
#endif
		cmocka_unit_test(decoding_one_byte_and_odd_lengths_stays_inside_its_buffers),
		cmocka_unit_test(nothing_to_do_touches_nothing),
		cmocka_unit_test(the_matrix_is_the_golden_one),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
