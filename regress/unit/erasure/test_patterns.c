/*
 * Any k members give all: every pattern of losses that a code promises to
 * survive, with real bytes.
 */
#include "reference.h"

#define LENGTH_MAX 4097

struct stripe
{
	struct pd_matrix matrix;
	int n;
	size_t length;
	uint8_t *member[PK_MEMBERS_MAX];
	uint8_t *again[PK_MEMBERS_MAX];
};

static void
stripe_make(struct stripe *stripe, int k, int m, size_t length, uint64_t seed)
{
	const pk_code code = {PK_CODE_RS, k, m};

	assert_int_equal(pd_matrix_init(&stripe->matrix, &code), PK_OK);
	stripe->n = k + m;
	stripe->length = length;
	for (int p = 0; p < stripe->n; p++)
	{
		stripe->member[p] = malloc(length);
		stripe->again[p] = malloc(length);
		if (p < k)
			reference_fill(stripe->member[p], length, &seed);
	}
	pd_encode(&stripe->matrix, length, stripe->member, stripe->member + k);
}

static void
stripe_free(struct stripe *stripe)
{
	for (int p = 0; p < stripe->n; p++)
	{
		free(stripe->member[p]);
		free(stripe->again[p]);
	}
}

/* Loses the members of `lost`, computes all of them in one plan, compares. */
static void
lose_and_decode(struct stripe *stripe, uint32_t lost)
{
	struct pd_decode_plan plan;
	int wanted[PK_MEMBERS_MAX];
	uint8_t *sources[PK_MEMBERS_MAX];
	uint8_t *out[PK_MEMBERS_MAX];
	int count = 0;
	uint32_t all = (uint32_t) ((UINT64_C(1) << stripe->n) - 1);

	for (int p = 0; p < stripe->n; p++)
	{
		if (lost & UINT32_C(1) << p)
		{
			memset(stripe->again[p], 0xee, stripe->length);
			out[count] = stripe->again[p];
			wanted[count++] = p;
		}
	}
	assert_int_equal(pd_decode_plan_init(&plan, &stripe->matrix, all & ~lost, wanted, count), PK_OK);
	assert_int_equal(plan.k, stripe->matrix.k);
	assert_int_equal(plan.wanted_count, count);
	for (int i = 0; i < plan.k; i++)
	{
		assert_false(lost & UINT32_C(1) << plan.sources[i]);
		if (i > 0)
			assert_true(plan.sources[i] > plan.sources[i - 1]);
		sources[i] = stripe->member[plan.sources[i]];
	}
	pd_decode(&plan, stripe->length, sources, out);
	for (int i = 0; i < count; i++)
		assert_memory_equal(out[i], stripe->member[wanted[i]], stripe->length);
}

static void
rs_6_3_survives_each_of_129_patterns(void **state)
{
	static const size_t lengths[] = {1, 63, 64, 65, 4096, LENGTH_MAX};

	(void) state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
	{
		struct stripe stripe;
		int patterns = 0;

		stripe_make(&stripe, 6, 3, lengths[i], 7 + i);
		for (uint32_t lost = 1; lost < 1u << 9; lost++)
		{
			if (__builtin_popcount(lost) > 3)
				continue;
			lose_and_decode(&stripe, lost);
			patterns++;
		}
		assert_int_equal(patterns, 129);
		stripe_free(&stripe);
	}
}

static void
rs_6_3_refuses_each_loss_of_four_or_more(void **state)
{
	struct pd_matrix matrix;
	struct pd_decode_plan plan;
	const pk_code code = {PK_CODE_RS, 6, 3};
	const int wanted = 0;
	int patterns = 0;

	(void) state;
	assert_int_equal(pd_matrix_init(&matrix, &code), PK_OK);
	for (uint32_t lost = 0; lost < 1u << 9; lost++)
	{
		/* bits beyond the code's members are no members */
		uint32_t present = ~lost;

		if (__builtin_popcount(lost) < 4)
			continue;
		assert_int_equal(pd_decode_plan_init(&plan, &matrix, present, &wanted, 1), PK_ERR_BLOCK_LOST);
		patterns++;
	}
	assert_int_equal(patterns, 512 - 130);
}

static void
wider_codes_survive_sampled_patterns(void **state)
{
	static const int codes[][2] = {{10, 4}, {14, 4}, {1, 1}, {1, 31}, {31, 1}, {16, 16}, {20, 12}};
	uint64_t seed = 42;

	(void) state;
	for (size_t c = 0; c < sizeof(codes) / sizeof(codes[0]); c++)
	{
		struct stripe stripe;
		int n = codes[c][0] + codes[c][1];

		stripe_make(&stripe, codes[c][0], codes[c][1], 129, seed);
		for (int round = 0; round < 400; round++)
		{
			int losses = 1 + (int) (reference_random(&seed) % (uint32_t) codes[c][1]);
			uint32_t lost = 0;

			while (__builtin_popcount(lost) < losses)
				lost |= UINT32_C(1) << reference_random(&seed) % (uint32_t) n;
			lose_and_decode(&stripe, lost);
		}
		stripe_free(&stripe);
	}
}

static void
rs_10_4_and_rs_14_4_invert_for_every_pattern(void **state)
{
	static const int ks[] = {10, 14};

	(void) state;
	for (size_t c = 0; c < 2; c++)
	{
		struct pd_matrix matrix;
		struct pd_decode_plan plan;
		const pk_code code = {PK_CODE_RS, ks[c], 4};
		int n = ks[c] + 4;
		uint32_t all = (UINT32_C(1) << n) - 1;

		assert_int_equal(pd_matrix_init(&matrix, &code), PK_OK);
		for (uint32_t lost = 0; lost <= all; lost++)
		{
			int wanted = lost ? __builtin_ctz(lost) : 0;

			if (__builtin_popcount(lost) == 4)
				assert_int_equal(pd_decode_plan_init(&plan, &matrix, all & ~lost, &wanted, 1), PK_OK);
		}
	}
}

static void
a_member_that_is_present_can_be_computed_as_well(void **state)
{
	struct stripe stripe;
	struct pd_decode_plan plan;
	int wanted[9] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
	uint8_t *sources[6];

	(void) state;
	stripe_make(&stripe, 6, 3, 1000, 3);
	/* only 2, 4, 5 and the parities are read: verifying an encode */
	assert_int_equal(pd_decode_plan_init(&plan, &stripe.matrix, 0x1f4, wanted, 9), PK_OK);
	for (int i = 0; i < 6; i++)
		sources[i] = stripe.member[plan.sources[i]];
	pd_decode(&plan, stripe.length, sources, stripe.again);
	for (int p = 0; p < 9; p++)
		assert_memory_equal(stripe.again[p], stripe.member[p], stripe.length);
	stripe_free(&stripe);
}

static void
impossible_requests_are_refused(void **state)
{
	static const pk_code bad[] = {{PK_CODE_RS, 0, 3},
								  {PK_CODE_RS, 6, 0},
								  {PK_CODE_RS, -1, 3},
								  {PK_CODE_RS, 30, 3},
								  {PK_CODE_RS, INT32_MAX, INT32_MAX},
								  {PK_CODE_REPLICATED, 1, 0}};
	const pk_code code = {PK_CODE_RS, 6, 3};
	struct pd_matrix matrix;
	struct pd_decode_plan plan;
	int wanted = 9;

	(void) state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(pd_matrix_init(&matrix, &bad[i]), PK_ERR_UNSUPPORTED);
	assert_int_equal(pd_matrix_init(&matrix, &code), PK_OK);
	assert_int_equal(pd_decode_plan_init(&plan, &matrix, 0x1ff, &wanted, 1), PK_ERR_INTERNAL);
	wanted = -1;
	assert_int_equal(pd_decode_plan_init(&plan, &matrix, 0x1ff, &wanted, 1), PK_ERR_INTERNAL);
	assert_int_equal(pd_decode_plan_init(&plan, &matrix, 0x1ff, &wanted, PK_MEMBERS_MAX + 1), PK_ERR_INTERNAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rs_6_3_survives_each_of_129_patterns),
		cmocka_unit_test(rs_6_3_refuses_each_loss_of_four_or_more),
		cmocka_unit_test(wider_codes_survive_sampled_patterns),
		cmocka_unit_test(rs_10_4_and_rs_14_4_invert_for_every_pattern),
		cmocka_unit_test(a_member_that_is_present_can_be_computed_as_well),
		cmocka_unit_test(impossible_requests_are_refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
