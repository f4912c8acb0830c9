/*
 * pk_code.c
 *	  Names of redundancy codes and of extent files.
 */
#include "contract/pk_code.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "contract/pk_bytes.h"

#define ID_DIGITS 16
#define BUCKET_NAME (2 + ID_DIGITS)		/* "b-" and the id */
#define PARITY_NAME (2 + ID_DIGITS + 3) /* "p-", the id, "-" and two digits */

_Static_assert(sizeof("extents/00/") - 1 + PARITY_NAME + 1 <= PK_EXTENT_FILE, "the longest path fits");
_Static_assert(PK_MEMBERS_MAX <= 100, "a position has two decimal digits");

/* A decimal number 1 .. PK_MEMBERS_MAX without leading zeros; moves *text behind it. 0 when there is none. */
static int
parse_count(const char **text)
{
	const char *p = *text;
	int value = 0;

	if (*p < '1' || *p > '9')
		return 0;
	while (*p >= '0' && *p <= '9')
	{
		value = value * 10 + (*p++ - '0');
		if (value > PK_MEMBERS_MAX)
			return 0;
	}
	*text = p;
	return value;
}

pk_error
pk_code_parse(pk_code *code, const char *text)
{
	pk_code parsed = {PK_CODE_RS, 0, 0};

	if (strcmp(text, "replicated") == 0)
	{
		*code = (pk_code){PK_CODE_REPLICATED, 1, 0};
		return PK_OK;
	}
	if (strcmp(text, "lrc(12,2,2)") == 0 || strcmp(text, "xor(2,1)") == 0)
		return PK_ERR_UNSUPPORTED;
	if (strncmp(text, "rs(", 3) != 0)
		return PK_ERR_MALFORMED;
	text += 3;
	parsed.k = parse_count(&text);
	if (parsed.k == 0 || *text++ != ',')
		return PK_ERR_MALFORMED;
	parsed.m = parse_count(&text);
	if (parsed.m == 0 || strcmp(text, ")") != 0 || parsed.k + parsed.m > PK_MEMBERS_MAX)
		return PK_ERR_MALFORMED;
	*code = parsed;
	return PK_OK;
}

void
pk_code_format(char out[PK_CODE_TEXT], const pk_code *code)
{
	if (code->kind == PK_CODE_REPLICATED)
		snprintf(out, PK_CODE_TEXT, "replicated");
	else
		snprintf(out, PK_CODE_TEXT, "rs(%u,%u)", (unsigned) code->k % 100, (unsigned) code->m % 100);
}

void
pk_extent_file(char out[PK_EXTENT_FILE], pk_extent_kind kind, uint64_t id, int position)
{
	unsigned folder = (unsigned) (id & 0xff);

	assert(position >= 0 && position < PK_MEMBERS_MAX);
	if (kind == PK_EXTENT_BUCKET)
		snprintf(out, PK_EXTENT_FILE, "extents/%02x/b-%016llx", folder, (unsigned long long) id);
	else
		snprintf(out, PK_EXTENT_FILE, "extents/%02x/p-%016llx-%02u", folder, (unsigned long long) id,
				 (unsigned) position % 100);
}

/* Sixteen digits, lower case only: a name has one spelling. */
static bool
parse_id(const char *text, uint64_t *id)
{
	uint64_t value = 0;

	for (int i = 0; i < ID_DIGITS; i++)
	{
		if (text[i] >= '0' && text[i] <= '9')
			value = value << 4 | (uint64_t) (text[i] - '0');
		else if (text[i] >= 'a' && text[i] <= 'f')
			value = value << 4 | (uint64_t) (text[i] - 'a' + 10);
		else
			return false;
	}
	*id = value;
	return true;
}

bool
pk_extent_file_parse(const char *name, pk_extent_kind *kind, uint64_t *id, int *position)
{
	size_t length = strlen(name);
	const char *tail = name + BUCKET_NAME;
	uint64_t parsed;
	int place;

	if (length != BUCKET_NAME && length != PARITY_NAME)
		return false;
	if (name[1] != '-' || !parse_id(name + 2, &parsed))
		return false;
	if (name[0] == 'b' && length == BUCKET_NAME)
	{
		*kind = PK_EXTENT_BUCKET;
		*id = parsed;
		*position = 0;
		return true;
	}
	if (name[0] != 'p' || length != PARITY_NAME || tail[0] != '-')
		return false;
	if (tail[1] < '0' || tail[1] > '9' || tail[2] < '0' || tail[2] > '9')
		return false;
	place = (tail[1] - '0') * 10 + (tail[2] - '0');
	if (place >= PK_MEMBERS_MAX)
		return false;
	*kind = PK_EXTENT_PARITY;
	*id = parsed;
	*position = place;
	return true;
}
