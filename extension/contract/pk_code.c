/*
 * pk_code.c
 *	  Names of redundancy codes and of extent files, and what a code bears.
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

static const struct
{
	const char *name;
	pk_code code;
} named[] = {
	{"replicated", {PK_CODE_REPLICATED, 1, 0}},
	{"lrc(12,2,2)", {PK_CODE_LRC, 12, 4}},
	{"lrc(6,2,2)", {PK_CODE_LRC, 6, 4}},
	{"xor(2,1)", {PK_CODE_XOR, 2, 1}},
};

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

	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++)
	{
		if (strcmp(text, named[i].name) == 0)
		{
			*code = named[i].code;
			return PK_OK;
		}
	}
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

static const char *
name_of(const pk_code *code)
{
	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++)
	{
		if (code->kind == named[i].code.kind && code->k == named[i].code.k && code->m == named[i].code.m)
			return named[i].name;
	}
	return NULL;
}

void
pk_code_format(char out[PK_CODE_TEXT], const pk_code *code)
{
	const char *name = name_of(code);

	if (name != NULL)
		snprintf(out, PK_CODE_TEXT, "%s", name);
	else
		snprintf(out, PK_CODE_TEXT, "rs(%u,%u)", (unsigned) code->k % 100, (unsigned) code->m % 100);
}

bool
pk_code_valid(const pk_code *code)
{
	if (code->kind == PK_CODE_RS)
		return code->k >= 1 && code->m >= 1 && code->k <= PK_MEMBERS_MAX && code->m <= PK_MEMBERS_MAX - code->k;
	return name_of(code) != NULL;
}

/* --- what is lost with which members --- */

int
pk_code_groups(const pk_code *code)
{
	return code->kind == PK_CODE_LRC ? 2 : code->kind == PK_CODE_XOR ? 1 : 0;
}

uint32_t
pk_code_group(const pk_code *code, int group)
{
	int size = code->k / pk_code_groups(code);
	uint32_t data = ((UINT32_C(1) << size) - 1) << group * size;

	return data | UINT32_C(1) << (code->k + group);
}

static int
count_bits(uint32_t bits)
{
	int count = 0;

	for (; bits != 0; bits &= bits - 1)
		count++;
	return count;
}

static uint32_t
members_mask(int count)
{
	return (uint32_t) ((UINT64_C(1) << count) - 1);
}

/*
 * A local parity makes up for one loss in its group.  What is lost beside that needs one of the other parities
 * each, and any of them will do: the matrices of FORMAT.md are maximally recoverable.
 */
static int
needed(const pk_code *code, uint32_t missing, uint32_t *alone)
{
	uint32_t others = missing;
	int sum = 0;

	*alone = 0;
	for (int g = 0; g < pk_code_groups(code); g++)
	{
		uint32_t mine = missing & pk_code_group(code, g);
		int lost = count_bits(mine);

		others &= ~mine;
		if (lost == 1)
			*alone |= mine;
		else if (lost > 1)
			sum += lost - 1;
	}
	return sum + count_bits(others);
}

uint32_t
pk_code_lost(const pk_code *code, int count, uint32_t missing)
{
	uint32_t all = members_mask(count);
	uint32_t alone;

	missing &= all;
	if (code->kind == PK_CODE_REPLICATED)
		return missing == all ? missing : 0;
	if (needed(code, missing, &alone) <= code->m - pk_code_groups(code))
		return 0;
	return missing & ~alone;
}

int
pk_code_left(const pk_code *code, int count, uint32_t missing)
{
	uint32_t grouped = 0;
	uint32_t alone;
	int left;

	missing &= members_mask(count);
	if (pk_code_lost(code, count, missing) != 0)
		return -1;
	if (code->kind == PK_CODE_REPLICATED)
		return count - 1 - count_bits(missing);
	for (int g = 0; g < pk_code_groups(code); g++)
		grouped |= pk_code_group(code, g);
	left = code->m - pk_code_groups(code) - needed(code, missing, &alone);
	/* the first loss in any group costs none of the other parities */
	return grouped != 0 && (missing & grouped) == 0 ? left + 1 : left;
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
