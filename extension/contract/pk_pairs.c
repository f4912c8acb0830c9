/*
 * pk_pairs.c
 *	  The text and the count of lists of pairs.
 */
#include "contract/pk_pairs.h"

#include <stdalign.h>

#include "contract/pk_bytes.h"

#define COUNT_SIZE 4

size_t
pk_pairs_count_text(const char *text, size_t length)
{
	size_t count = 0;

	for (size_t i = 0; i < length; i++)
		count += text[i] == ':';
	return count;
}

const char *
pk_pairs_parse(const pk_pair_kind *kind, void *pairs, size_t count, const char *text, size_t length, size_t *at)
{
	alignas(8) uint8_t last[PK_PAIR_SIZE_MAX];
	size_t found = 0;

	*at = 0;
	if (length == 0 || text[0] != '{')
		return "an opening brace is expected";
	*at = 1;
	while (found > 0 || *at == length || text[*at] != '}')
	{
		/* one more than there are colons has none, and so is at fault */
		void *pair = found < count ? (uint8_t *) pairs + found * kind->size : last;
		const char *fault = kind->parse(pair, text, length, at);

		if (fault != NULL)
			return fault;
		found++;
		if (*at < length && text[*at] == '}')
			break;
		if (*at == length || text[*at] != ',')
			return "a comma or a closing brace is expected";
		(*at)++;
	}
	(*at)++;
	return *at == length ? NULL : "nothing may follow the closing brace";
}

long
pk_pairs_count(const pk_pair_kind *kind, const uint8_t *in, size_t length)
{
	size_t rest = length - COUNT_SIZE;

	if (length < COUNT_SIZE || rest % kind->binary_size != 0 || rest / kind->binary_size != pk_get_be32(in))
		return -1;
	return (long) (rest / kind->binary_size);
}
