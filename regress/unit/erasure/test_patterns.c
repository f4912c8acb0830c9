/*
 * Every pattern of losses that a code promises to survive, with real bytes; and
 * every one that it does not is refused.
 */
#include "reference.h"

#include <stdio.h>

#define LENGTH_MAX 4097

static const char *const names[] = {"rs(6,3)", "rs(10,4)", "rs(14,4)", "lrc(12,2,2)", "lrc(6,2,2)", "xor(2,1)"};
#define NAMES (sizeof(names) / sizeof(names[0]))

struct stripe
{
	pk_code code;
	struct pd_matrix matrix;
	int n;
	uint32_t all;
	size_t length;
	uint8_t *member[PK_MEMBERS_MAX];
	uint8_t *again[PK_MEMBERS_MAX];
};

static void
stripe_make(struct stripe *stripe, const char *name, size_t length, uint64_t seed)
{
	assert_int_equal(pk_code_parse(&stripe->code, name), PK_OK);
	assert_int_equal(pd_matrix_init(&stripe->matrix, &stripe->code), PK_OK);
	stripe->n = stripe->code.k + stripe->code.m;
	stripe->all = (uint32_t) ((UINT64_C(1) << stripe->n) - 1);
	stripe->length = length;
	for (int p = 0; p < stripe->n; p++)
	{
		stripe->member[p] = malloc(length);
		stripe->again[p] = malloc(length);
		if (p < stripe->code.k)
			reference_fill(stripe->member[p], length, &seed);
	}
	pd_encode(&stripe->matrix, length, stripe->member, stripe->member + stripe->code.k);
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

static int
positions(uint32_t mask, int *out)
{
	int count = 0;

	for (int p = 0; p < PK_MEMBERS_MAX; p++)
	{
		if (mask & UINT32_C(1) << p)
			out[count++] = p;
	}
	return count;
}

static uint32_t
sources_of(const struct pd_decode_plan *plan)
{
	uint32_t mask = 0;

	for (int i = 0; i < plan->source_count; i++)
		mask |= UINT32_C(1) << plan->sources[i];
	return mask;
}

/* Computes all of `wanted` in one plan while the members of `lost` are away, and compares. */
static void
lose_and_decode(struct stripe *stripe, uint32_t lost, uint32_t wanted_mask)
{
	struct pd_decode_plan plan;
	int wanted[PK_MEMBERS_MAX];
	uint8_t *sources[PK_MEMBERS_MAX];
	uint8_t *out[PK_MEMBERS_MAX];
	int count = positions(wanted_mask, wanted);

	for (int i = 0; i < count; i++)
	{
		out[i] = stripe->again[i];
		memset(out[i], 0xee, stripe->length);
	}
	assert_int_equal(pd_decode_plan_init(&plan, &stripe->matrix, stripe->all & ~lost, wanted, count), PK_OK);
	assert_in_range(plan.source_count, 1, stripe->code.k);
	assert_int_equal(plan.wanted_count, count);
	assert_int_equal(sources_of(&plan) & lost, 0);
	for (int i = 0; i < plan.source_count; i++)
	{
		if (i > 0)
			assert_true(plan.sources[i] > plan.sources[i - 1]);
		sources[i] = stripe->member[plan.sources[i]];
	}
	pd_decode(&plan, stripe->length, sources, out);
	for (int i = 0; i < count; i++)
		assert_memory_equal(out[i], stripe->member[wanted[i]], stripe->length);
}

static pk_error
plan_for(const struct stripe *stripe, uint32_t lost, uint32_t wanted_mask, struct pd_decode_plan *plan)
{
	int wanted[PK_MEMBERS_MAX];
	int count = positions(wanted_mask, wanted);

	/* bits beyond the code's members are no members */
	return pd_decode_plan_init(plan, &stripe->matrix, ~lost, wanted, count);
}

/* What is said to be lost is refused, alone and with others; what is not comes back. */
static void
lose_beyond_decoding(struct stripe *stripe, uint32_t lost, uint32_t gone)
{
	struct pd_decode_plan plan;

	assert_int_equal(plan_for(stripe, lost, lost, &plan), PK_ERR_BLOCK_LOST);
	for (int p = 0; p < stripe->n; p++)
	{
		uint32_t one = lost & UINT32_C(1) << p;

		if ((one & gone) != 0)
			assert_int_equal(plan_for(stripe, lost, one, &plan), PK_ERR_BLOCK_LOST);
		else if (one != 0)
			lose_and_decode(stripe, lost, one);
	}
}

/* All patterns of `losses` lost members; returns how many of them can be decoded. */
static int
lose_each(struct stripe *stripe, int losses)
{
	int decoded = 0;

	for (uint32_t lost = 1; lost <= stripe->all; lost++)
	{
		uint32_t gone;

		if (__builtin_popcount(lost) != losses)
			continue;
		gone = pk_code_lost(&stripe->code, stripe->n, lost);
		if (gone != 0)
			lose_beyond_decoding(stripe, lost, gone);
		else
		{
			lose_and_decode(stripe, lost, lost);
			decoded++;
		}
	}
	return decoded;
}

static void
each_pattern_of_as_many_losses_as_parities(void **state)
{
	static const int decodable[NAMES][5] = {{0, 9, 36, 84, 0},		 {0, 14, 91, 364, 1001}, {0, 18, 153, 816, 3060},
											{0, 16, 120, 560, 1568}, {0, 10, 45, 120, 180},	 {0, 3, 0, 0, 0}};

	(void) state;
	for (size_t i = 0; i < NAMES; i++)
	{
		struct stripe stripe;

		stripe_make(&stripe, names[i], 129, 7 + i);
		for (int losses = 1; losses <= stripe.code.m; losses++)
			assert_int_equal(lose_each(&stripe, losses), decodable[i][losses]);
		stripe_free(&stripe);
	}
}

static void
lengths_that_fill_no_register(void **state)
{
	static const size_t lengths[] = {1, 63, 64, 65, 4096, LENGTH_MAX};

	(void) state;
	for (size_t i = 0; i < 2 * sizeof(lengths) / sizeof(lengths[0]); i++)
	{
		struct stripe stripe;

		stripe_make(&stripe, i % 2 == 0 ? "rs(6,3)" : "lrc(6,2,2)", lengths[i / 2], 70 + i);
		for (int losses = 1; losses <= 3; losses++)
			assert_true(lose_each(&stripe, losses) > 0);
		stripe_free(&stripe);
	}
}

static void
one_loss_more_than_there_are_parities_is_refused(void **state)
{
	(void) state;
	for (size_t i = 0; i < NAMES; i++)
	{
		struct stripe stripe;

		stripe_make(&stripe, names[i], 33, 7 + i);
		assert_int_equal(lose_each(&stripe, stripe.code.m + 1), 0);
		stripe_free(&stripe);
	}
}

/* All 2^n, of which the code's rule has to say the same as its matrix, about each member. */
static void
the_rule_says_of_any_loss_what_the_matrix_says(void **state)
{
	static const char *const small[] = {"rs(6,3)", "lrc(6,2,2)", "xor(2,1)", "rs(1,3)", "rs(3,1)"};

	(void) state;
	for (size_t i = 0; i < sizeof(small) / sizeof(small[0]); i++)
	{
		struct stripe stripe;

		stripe_make(&stripe, small[i], 1, 3);
		for (int losses = 1; losses <= stripe.n; losses++)
			(void) lose_each(&stripe, losses);
		stripe_free(&stripe);
	}
}

/* What is left by its definition: one more than after the worst of the next losses. */
static void
what_is_left_is_what_any_further_losses_leave(void **state)
{
	static const char *const some[] = {"rs(6,3)", "lrc(12,2,2)", "lrc(6,2,2)", "xor(2,1)", "rs(1,2)"};

	(void) state;
	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++)
	{
		pk_code code;
		int8_t *left;
		int n;

		assert_int_equal(pk_code_parse(&code, some[i]), PK_OK);
		n = code.k + code.m;
		left = malloc((size_t) 1 << n);
		for (int64_t missing = (INT64_C(1) << n) - 1; missing >= 0; missing--)
		{
			int8_t worst = 64;

			for (int p = 0; p < n; p++)
			{
				if (!(missing >> p & 1) && left[missing | INT64_C(1) << p] < worst)
					worst = left[missing | INT64_C(1) << p];
			}
			left[missing] = pk_code_lost(&code, n, (uint32_t) missing) != 0 ? -1 : (int8_t) (worst + 1);
			assert_int_equal(pk_code_left(&code, n, (uint32_t) missing), left[missing]);
		}
		free(left);
	}
}

static void
a_member_lost_alone_comes_from_its_local_group(void **state)
{
	static const char *const local[] = {"lrc(12,2,2)", "lrc(6,2,2)", "xor(2,1)"};
	static const int members[] = {6, 3, 2};

	(void) state;
	for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++)
	{
		struct stripe stripe;

		stripe_make(&stripe, local[i], 65, 11);
		for (int g = 0; g < pk_code_groups(&stripe.code); g++)
		{
			uint32_t group = pk_code_group(&stripe.code, g);
			int each[PK_MEMBERS_MAX];
			int count = positions(group, each);

			assert_int_equal(count, members[i] + 1);
			for (int m = 0; m < count; m++)
			{
				uint32_t lost = UINT32_C(1) << each[m];
				struct pd_decode_plan plan;

				assert_int_equal(plan_for(&stripe, lost, lost, &plan), PK_OK);
				assert_int_equal(sources_of(&plan), group & ~lost);
				/* whatever else is away */
				assert_int_equal(plan_for(&stripe, ~group | lost, lost, &plan), PK_OK);
				assert_int_equal(sources_of(&plan), group & ~lost);
				lose_and_decode(&stripe, (~group & stripe.all) | lost, lost);
			}
		}
		stripe_free(&stripe);
	}
}

static void
losses_in_two_groups_are_two_local_repairs(void **state)
{
	struct stripe stripe;
	struct pd_decode_plan plan;

	(void) state;
	stripe_make(&stripe, "lrc(12,2,2)", 65, 12);
	assert_int_equal(plan_for(&stripe, 1 << 3 | 1 << 9, 1 << 3 | 1 << 9, &plan), PK_OK);
	assert_int_equal(sources_of(&plan), 0x3fff & ~(1 << 3 | 1 << 9)); /* neither of the parities of all */
	assert_int_equal(plan_for(&stripe, 1 << 3 | 1 << 9, 1 << 3, &plan), PK_OK);
	assert_int_equal(sources_of(&plan), pk_code_group(&stripe.code, 0) & ~(1 << 3));
	stripe_free(&stripe);
}

static void
each_rs_survives_sampled_patterns(void **state)
{
	uint64_t seed = 42;

	(void) state;
	for (int k = 1; k < PK_MEMBERS_MAX; k++)
	{
		for (int m = 1; k + m <= PK_MEMBERS_MAX; m++)
		{
			struct stripe stripe;
			char name[PK_CODE_TEXT];

			snprintf(name, sizeof(name), "rs(%d,%d)", k, m);
			stripe_make(&stripe, name, 33, seed);
			for (int round = 0; round < 8; round++)
			{
				int losses = round < 4 ? m : 1 + (int) (reference_random(&seed) % (uint32_t) m);
				uint32_t lost = 0;

				while (__builtin_popcount(lost) < losses)
					lost |= UINT32_C(1) << reference_random(&seed) % (uint32_t) stripe.n;
				lose_and_decode(&stripe, lost, lost);
				while (__builtin_popcount(lost) <= m)
					lost |= UINT32_C(1) << reference_random(&seed) % (uint32_t) stripe.n;
				lose_beyond_decoding(&stripe, lost, lost);
			}
			stripe_free(&stripe);
		}
	}
}

static void
a_member_that_is_present_can_be_computed_as_well(void **state)
{
	struct stripe stripe;
	struct pd_decode_plan plan;

	(void) state;
	stripe_make(&stripe, "rs(6,3)", 1000, 3);
	/* only 2, 4, 5 and the parities are read: verifying an encode */
	lose_and_decode(&stripe, 0x1ff & ~0x1f4u, 0x1ff);
	/* what is there and wanted is its own source */
	assert_int_equal(plan_for(&stripe, 0, 1 << 7, &plan), PK_OK);
	assert_int_equal(plan_for(&stripe, 1, 1 << 7, &plan), PK_OK);
	assert_int_equal(sources_of(&plan) & 1, 0);
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
								  {PK_CODE_LRC, 12, 3},
								  {PK_CODE_LRC, 8, 4},
								  {PK_CODE_LRC, 4, 12},
								  {PK_CODE_XOR, 3, 1},
								  {(pk_code_kind) 4, 6, 3},
								  {(pk_code_kind) 255, 2, 1},
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
		cmocka_unit_test(each_pattern_of_as_many_losses_as_parities),
		cmocka_unit_test(lengths_that_fill_no_register),
		cmocka_unit_test(one_loss_more_than_there_are_parities_is_refused),
		cmocka_unit_test(the_rule_says_of_any_loss_what_the_matrix_says),
		cmocka_unit_test(what_is_left_is_what_any_further_losses_leave),
		cmocka_unit_test(a_member_lost_alone_comes_from_its_local_group),
		cmocka_unit_test(losses_in_two_groups_are_two_local_repairs),
		cmocka_unit_test(each_rs_survives_sampled_patterns),
		cmocka_unit_test(a_member_that_is_present_can_be_computed_as_well),
		cmocka_unit_test(impossible_requests_are_refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
