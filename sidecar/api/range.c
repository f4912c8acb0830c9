/*
 * api/range.c
 *	  One byte range: "bytes=A-B", "bytes=A-" or "bytes=-N".
 */
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "api/range.h"

#define UNIT "bytes="

/* Digits, as many as there are; a number beyond the greatest is the greatest. False when there is none. */
static bool
read_number(const char **at, uint64_t *number)
{
	const char *start = *at;

	*number = 0;
	for (; **at >= '0' && **at <= '9'; (*at)++)
	{
		uint64_t digit = (uint64_t) (**at - '0');

		*number = *number > (UINT64_MAX - digit) / 10 ? UINT64_MAX : *number * 10 + digit;
	}
	return *at > start;
}

enum pd_range
pd_range_parse(const char *header, uint64_t size, uint64_t *start, uint64_t *length)
{
	uint64_t first = 0;
	uint64_t last = UINT64_MAX;
	bool has_first, has_last;

	if (header == NULL || strncasecmp(header, UNIT, sizeof(UNIT) - 1) != 0)
		return PD_RANGE_WHOLE;
	header += sizeof(UNIT) - 1;
	has_first = read_number(&header, &first);
	if (*header++ != '-')
		return PD_RANGE_WHOLE;
	has_last = read_number(&header, &last);
	if (*header != '\0' || (!has_first && !has_last) || (has_first && has_last && last < first))
		return PD_RANGE_WHOLE;
	if (!has_first)
	{
		/* the last so many bytes */
		first = last < size ? size - last : 0;
		if (last == 0)
			first = size;
		has_last = false;
	}
	if (first >= size)
		return PD_RANGE_OUTSIDE;
	*start = first;
	*length = has_last && last < size - 1 ? last - first + 1 : size - first;
	return PD_RANGE_PART;
}
