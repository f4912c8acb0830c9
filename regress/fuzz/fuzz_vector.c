/*
 * fuzz_vector.c
 *	  Input: a version vector, read as text and as bytes. Bytes that are accepted
 *	  encode to themselves; a text's counters are in range.
 */
#include <stdlib.h>
#include <string.h>

#include "contract/pk_vector.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static pk_counter *
allocate(size_t count)
{
	/* of its own size, so that a sanitizer sees a write beyond it */
	pk_counter *counters = malloc(count > 0 ? count * sizeof(pk_counter) : 1);

	if (counters == NULL)
		abort();
	return counters;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t count = pk_vector_count_text((const char *) data, size);
	long binary_count = pk_vector_count(data, size);
	pk_counter *counters = allocate(count);
	size_t at;

	if (pk_vector_parse(counters, count, (const char *) data, size, &at) == NULL)
	{
		for (size_t i = 0; i < count; i++)
		{
			if (counters[i].replica < 0 || counters[i].counter < 1)
				abort();
		}
		if (at != size)
			abort();
	}
	if (at > size)
		abort();
	free(counters);
	if (binary_count < 0)
		return 0;
	counters = allocate((size_t) binary_count);
	if (pk_vector_decode(counters, (size_t) binary_count, data, &at) == NULL)
	{
		uint8_t *again = malloc(size);

		if (again == NULL)
			abort();
		pk_vector_encode(again, counters, (size_t) binary_count);
		if (memcmp(again, data, size) != 0)
			abort();
		free(again);
	}
	else if (at >= size)
		abort();
	free(counters);
	return 0;
}
