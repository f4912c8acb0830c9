/*
 * pk_vector.c
 *	  Parsing, decoding and encoding version vectors.
 */
#include "contract/pk_vector.h"

#include <stdbool.h>

#include "contract/pk_bytes.h"
#include "contract/pk_pairs.h"

static const char *const replica_expected = "a replica of 0 to 9223372036854775807 is expected";
static const char *const counter_expected = "a counter of 1 to 9223372036854775807 is expected";

size_t
pk_vector_count_text(const char *text, size_t length)
{
	return pk_pairs_count_text(text, length);
}

/* Decimal digits at *at, which is moved behind them; false when there are none or they do not fit. */
static bool
parse_number(int64_t *number, const char *text, size_t length, size_t *at)
{
	size_t i = *at;

	*number = 0;
	for (; i < length && text[i] >= '0' && text[i] <= '9'; i++)
	{
		if (__builtin_mul_overflow(*number, 10, number) || __builtin_add_overflow(*number, text[i] - '0', number))
			return false;
	}
	if (i == *at)
		return false;
	*at = i;
	return true;
}

/* Reads "replica:counter" at *at, which is moved behind it. */
static const char *
parse_counter(void *pair, const char *text, size_t length, size_t *at)
{
	pk_counter *counter = pair;

	if (!parse_number(&counter->replica, text, length, at))
		return replica_expected;
	if (*at == length || text[*at] != ':')
		return "a colon is expected";
	(*at)++;
	if (*at == length || text[*at] == '0' || !parse_number(&counter->counter, text, length, at))
		return counter_expected;
	return NULL;
}

static const pk_pair_kind kind = {sizeof(pk_counter), PK_COUNTER_SIZE, parse_counter};
_Static_assert(sizeof(pk_counter) <= PK_PAIR_SIZE_MAX, "a pair fits");

const char *
pk_vector_parse(pk_counter *counters, size_t count, const char *text, size_t length, size_t *at)
{
	return pk_pairs_parse(&kind, counters, count, text, length, at);
}

long
pk_vector_count(const uint8_t *in, size_t length)
{
	return pk_pairs_count(&kind, in, length);
}

const char *
pk_vector_decode(pk_counter *counters, size_t count, const uint8_t *in, size_t *at)
{
	int64_t after = -1;

	for (size_t i = 0; i < count; i++)
	{
		const uint8_t *p = in + PK_VECTOR_SIZE(i);

		counters[i].replica = (int64_t) pk_get_be64(p);
		counters[i].counter = (int64_t) pk_get_be64(p + 8);
		*at = PK_VECTOR_SIZE(i);
		if (counters[i].replica < 0)
			return replica_expected;
		if (counters[i].replica <= after)
			return "replicas must ascend";
		*at += 8;
		if (counters[i].counter < 1)
			return counter_expected;
		after = counters[i].replica;
	}
	return NULL;
}

void
pk_vector_encode(uint8_t *out, const pk_counter *counters, size_t count)
{
	pk_put_be32(out, (uint32_t) count);
	for (size_t i = 0; i < count; i++)
	{
		pk_put_be64(out + PK_VECTOR_SIZE(i), (uint64_t) counters[i].replica);
		pk_put_be64(out + PK_VECTOR_SIZE(i) + 8, (uint64_t) counters[i].counter);
	}
}
