/*
 * Every code path of isa-l gives what plain arithmetic gives, at every length,
 * and touches nothing outside its buffers; and the matrices are those that drives
 * hold.
 */
#include "../golden.h"
#include "reference.h"

#include <isa-l/erasure_code.h>

typedef void (*multiply_path)(int length, int k, int rows, unsigned char *tables, unsigned char **data,
							  unsigned char **out);

static const size_t lengths[] = {1,	 2,	 15,  16,  17,	31,	 32,  33,	63,	  64,
								 65, 95, 127, 128, 129, 191, 255, 4095, 4096, 65537};

static void
hold_against_reference(multiply_path path, const char *name)
{
	struct pd_matrix matrix;
	uint64_t seed = 99;
	pk_code code;
	int k;
	int m;

	assert_int_equal(pk_code_parse(&code, name), PK_OK);
	k = code.k;
	m = code.m;
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
	static const char *const codes[] = {"rs(6,3)", "rs(10,4)", "rs(14,4)",	  "rs(5,1)",	"rs(6,2)",
										"rs(4,6)", "rs(6,7)",  "lrc(12,2,2)", "lrc(6,2,2)", "xor(2,1)"};

	if (!supported)
		skip();
	for (size_t c = 0; c < sizeof(codes) / sizeof(codes[0]); c++)
		hold_against_reference(path, codes[c]);
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

/* Built in where the assembler knew how, and declared in no header. */
extern void ec_encode_data_avx512(int length, int k, int rows, unsigned char *tables, unsigned char **data,
								  unsigned char **out) __attribute__((weak));

static void
isal_avx512(void **state)
{
	(void) state;
	hold_path(ec_encode_data_avx512, ec_encode_data_avx512 != NULL && __builtin_cpu_supports("avx512f") &&
										 __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
										 __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512cd"));
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
the_matrices_are_the_golden_ones(void **state)
{
	struct golden golden;

	(void) state;
	golden_open(&golden, "matrix");
	while (golden_next(&golden, 2))
	{
		uint8_t expected[PK_MEMBERS_MAX * PK_MEMBERS_MAX];
		size_t length = golden_bytes(&golden, 1, expected, sizeof(expected));
		struct pd_matrix matrix;
		pk_code code;

		assert_int_equal(pk_code_parse(&code, golden.column[0]), PK_OK);
		assert_int_equal(pd_matrix_init(&matrix, &code), PK_OK);
		assert_int_equal(length, code.k * code.m);
		for (int i = 0; i < code.k * code.k; i++)
			assert_int_equal(matrix.rows[i], i % code.k == i / code.k);
		assert_memory_equal(matrix.rows + code.k * code.k, expected, length);
	}
}

/* Whole stripes, computed without isa-l. */
static void
stripes_are_the_golden_ones(void **state)
{
	uint8_t member[PK_MEMBERS_MAX][32];
	uint8_t parity[PK_MEMBERS_MAX][32];
	uint8_t *member_at[PK_MEMBERS_MAX];
	uint8_t *parity_at[PK_MEMBERS_MAX];
	struct golden golden;
	int stripes = 0;

	(void) state;
	for (int p = 0; p < PK_MEMBERS_MAX; p++)
	{
		member_at[p] = member[p];
		parity_at[p] = parity[p];
	}
	golden_open(&golden, "stripe");
	while (golden_next(&golden, 3))
	{
		int position = (int) golden_number(&golden, 1);
		struct pd_matrix matrix;
		pk_code code;

		assert_int_equal(pk_code_parse(&code, golden.column[0]), PK_OK);
		assert_in_range(position, 0, code.k + code.m - 1);
		assert_int_equal(golden_bytes(&golden, 2, member[position], 32), 32);
		if (position < code.k + code.m - 1)
			continue;
		assert_int_equal(pd_matrix_init(&matrix, &code), PK_OK);
		pd_encode(&matrix, 32, member_at, parity_at);
		for (int p = 0; p < code.m; p++)
			assert_memory_equal(parity[p], member[code.k + p], 32);
		stripes++;
	}
	assert_int_equal(stripes, 6);
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
		cmocka_unit_test(isal_avx512),
#endif
		cmocka_unit_test(decoding_one_byte_and_odd_lengths_stays_inside_its_buffers),
		cmocka_unit_test(nothing_to_do_touches_nothing),
		cmocka_unit_test(the_matrices_are_the_golden_ones),
		cmocka_unit_test(stripes_are_the_golden_ones),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
