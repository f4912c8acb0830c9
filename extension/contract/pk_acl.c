/*
 * pk_acl.c
 *	  Access control lists: finding and changing entries, text, and bytes.
 */
#include "contract/pk_acl.h"

#include <string.h>

#include "contract/pk_bytes.h"

#define FLAG_CUT 1

static const char letters[PK_RIGHTS_TEXT + 1] = "rwds";

_Static_assert(PK_ACL_NAME_MAX <= UINT8_MAX, "the length of a name has 8 bits");

const char *
pk_acl_fault_text(pk_acl_fault fault)
{
	_Static_assert(PK_ACL_ENTRIES_MAX == 1000 && PK_ACL_NAME_MAX == 255, "the texts below say so");
	switch (fault)
	{
		case PK_ACL_VALID:
			return "the list is valid";
		case PK_ACL_MANY:
			return "an ACL has at most 1000 principals";
		case PK_ACL_NAME_LONG:
			return "a principal's name has at most 255 bytes";
		case PK_ACL_NAME:
			return "a principal's name is expected";
		case PK_ACL_RIGHTS:
			return "rights are expected: r, w, d and s, each at most once";
		case PK_ACL_TWICE:
			return "the principal is there twice";
		case PK_ACL_OPENING:
			return "an opening brace is expected";
		case PK_ACL_QUOTE:
			return "a closing quote is expected";
		case PK_ACL_EQUALS:
			return "an equals sign is expected";
		case PK_ACL_SEPARATOR:
			return "a comma or a closing brace is expected";
		case PK_ACL_TAIL:
			return "nothing may follow the closing brace";
		case PK_ACL_FLAGS:
			return "flags of 0 or 1 are expected";
		case PK_ACL_SHORT:
			return "the entry has no end";
		case PK_ACL_ORDER:
			return "principals must ascend";
	}
	return "the list is not valid";
}

bool
pk_rights_parse(uint8_t *rights, const char *text, size_t length, size_t *at)
{
	*rights = 0;
	for (*at = 0; *at < length; (*at)++)
	{
		const char *letter = memchr(letters, text[*at], PK_RIGHTS_TEXT);
		uint8_t right = letter == NULL ? 0 : (uint8_t) (1 << (letter - letters));

		if (right == 0 || (*rights & right) != 0)
			return false;
		*rights |= right;
	}
	return *rights != 0;
}

pk_acl_fault
pk_acl_check_name(const char *name, size_t length)
{
	size_t i = 0;

	if (length == 0)
		return PK_ACL_NAME;
	if (length > PK_ACL_NAME_MAX)
		return PK_ACL_NAME_LONG;
	while (i < length)
	{
		uint32_t code;
		size_t size = pk_utf8_decode((const uint8_t *) name + i, length - i, &code);

		if (size == 0 || code == 0)
			return PK_ACL_NAME;
		i += size;
	}
	return PK_ACL_VALID;
}

static int
compare_names(const char *a, size_t a_length, const char *b, size_t b_length)
{
	int order = memcmp(a, b, a_length < b_length ? a_length : b_length);

	return order != 0 ? order : (a_length > b_length) - (a_length < b_length);
}

/* Where a name is, or would be. */
static int
position_of(const pk_acl *acl, const char *name, size_t length, bool *found)
{
	int low = 0;
	int high = acl->count;

	*found = false;
	while (low < high)
	{
		int middle = low + (high - low) / 2;
		int order = compare_names(acl->entries[middle].name, acl->entries[middle].length, name, length);

		if (order == 0)
		{
			*found = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint8_t
pk_acl_rights(const pk_acl *acl, const char *name, size_t length)
{
	bool found;
	int at = position_of(acl, name, length, &found);

	return found ? acl->entries[at].rights : 0;
}

pk_acl_fault
pk_acl_allow(pk_acl *acl, const char *name, size_t length, uint8_t rights)
{
	bool found;
	int at = position_of(acl, name, length, &found);
	pk_acl_entry *entry = &acl->entries[at];

	if (found)
	{
		entry->rights |= rights;
		return PK_ACL_VALID;
	}
	if (acl->count >= PK_ACL_ENTRIES_MAX)
		return PK_ACL_MANY;
	memmove(entry + 1, entry, (size_t) (acl->count - at) * sizeof(*entry));
	acl->count++;
	entry->name = name;
	entry->length = (uint8_t) length;
	entry->rights = rights;
	return PK_ACL_VALID;
}

void
pk_acl_deny(pk_acl *acl, const char *name, size_t length)
{
	bool found;
	int at = position_of(acl, name, length, &found);

	if (!found)
		return;
	acl->count--;
	memmove(&acl->entries[at], &acl->entries[at + 1], (size_t) (acl->count - at) * sizeof(acl->entries[0]));
}

/* Characters that a name without quotes cannot have. */
static bool
is_special(char c)
{
	return c == '\0' || memchr(",={}\"\\ \t\n\v\f\r", c, 12) != NULL;
}

/* Reads a name at *at into out, and moves *at behind it. */
static pk_acl_fault
parse_name(char *out, size_t *out_length, const char *text, size_t length, size_t *at)
{
	size_t i = *at;
	size_t size = 0;
	pk_acl_fault fault;

	if (i < length && text[i] == '"')
	{
		for (i++; i < length && text[i] != '"'; i++)
		{
			if (text[i] == '\\' && ++i == length)
				break;
			out[size++] = text[i];
		}
		if (i == length)
		{
			*at = i;
			return PK_ACL_QUOTE;
		}
		i++;
	}
	else
	{
		for (; i < length && !is_special(text[i]); i++)
			out[size++] = text[i];
	}
	fault = pk_acl_check_name(out, size);
	if (fault != PK_ACL_VALID)
		return fault;
	*out_length = size;
	*at = i;
	return PK_ACL_VALID;
}

/* Reads "name=rights" at *at, which is moved behind it, and its name into *names, which is moved too. */
static pk_acl_fault
parse_entry(pk_acl *acl, char **names, const char *text, size_t length, size_t *at)
{
	size_t start = *at;
	char *name = *names;
	size_t name_length;
	size_t letter_count = 0;
	size_t wrong;
	uint8_t rights;
	pk_acl_fault fault = parse_name(name, &name_length, text, length, at);

	if (fault != PK_ACL_VALID)
		return fault;
	if (*at == length || text[*at] != '=')
		return PK_ACL_EQUALS;
	(*at)++;
	while (*at + letter_count < length && text[*at + letter_count] != ',' && text[*at + letter_count] != '}')
		letter_count++;
	if (!pk_rights_parse(&rights, text + *at, letter_count, &wrong))
	{
		*at += wrong;
		return PK_ACL_RIGHTS;
	}
	if (pk_acl_rights(acl, name, name_length) != 0)
		fault = PK_ACL_TWICE;
	else
		fault = pk_acl_allow(acl, name, name_length, rights);
	*names += name_length;
	*at = fault == PK_ACL_VALID ? *at + letter_count : start;
	return fault;
}

pk_acl_fault
pk_acl_parse(pk_acl *acl, char *names, const char *text, size_t length, size_t *at)
{
	pk_acl_fault fault;

	*at = 0;
	acl->count = 0;
	acl->cut = length > 0 && text[0] == '!';
	if (acl->cut)
		*at = 1;
	if (*at == length || text[*at] != '{')
		return PK_ACL_OPENING;
	(*at)++;
	if (*at == length || text[*at] != '}')
	{
		for (;;)
		{
			fault = parse_entry(acl, &names, text, length, at);
			if (fault != PK_ACL_VALID)
				return fault;
			if (*at < length && text[*at] == '}')
				break;
			if (*at == length || text[*at] != ',')
				return PK_ACL_SEPARATOR;
			(*at)++;
		}
	}
	(*at)++;
	return *at == length ? PK_ACL_VALID : PK_ACL_TAIL;
}

static char *
format_name(char *out, const pk_acl_entry *entry)
{
	bool quoted = false;

	for (size_t i = 0; i < entry->length; i++)
		quoted = quoted || is_special(entry->name[i]);
	if (!quoted)
	{
		memcpy(out, entry->name, entry->length);
		return out + entry->length;
	}
	*out++ = '"';
	for (size_t i = 0; i < entry->length; i++)
	{
		if (entry->name[i] == '"' || entry->name[i] == '\\')
			*out++ = '\\';
		*out++ = entry->name[i];
	}
	*out++ = '"';
	return out;
}

size_t
pk_acl_format(char *out, const pk_acl *acl)
{
	char *p = out;

	if (acl->cut)
		*p++ = '!';
	*p++ = '{';
	for (int i = 0; i < acl->count; i++)
	{
		if (i > 0)
			*p++ = ',';
		p = format_name(p, &acl->entries[i]);
		*p++ = '=';
		for (int right = 0; right < PK_RIGHTS_TEXT; right++)
		{
			if (acl->entries[i].rights & (1 << right))
				*p++ = letters[right];
		}
	}
	*p++ = '}';
	*p = '\0';
	return (size_t) (p - out);
}

size_t
pk_acl_size(const pk_acl *acl)
{
	size_t size = 1;

	for (int i = 0; i < acl->count; i++)
		size += 2u + acl->entries[i].length;
	return size;
}

void
pk_acl_encode(uint8_t *out, const pk_acl *acl)
{
	*out++ = acl->cut ? FLAG_CUT : 0;
	for (int i = 0; i < acl->count; i++)
	{
		const pk_acl_entry *entry = &acl->entries[i];

		*out++ = entry->length;
		memcpy(out, entry->name, entry->length);
		out += entry->length;
		*out++ = entry->rights;
	}
}

/* Reads the entry at *at, which is moved behind it. */
static pk_acl_fault
decode_entry(pk_acl *acl, const uint8_t *in, size_t length, size_t *at)
{
	const pk_acl_entry *last = acl->count > 0 ? &acl->entries[acl->count - 1] : NULL;
	pk_acl_entry entry = {.name = (const char *) in + *at + 1, .length = in[*at]};
	pk_acl_fault fault = PK_ACL_VALID;
	int order = 1;

	if (length - *at < 2u + entry.length)
		return PK_ACL_SHORT;
	fault = pk_acl_check_name(entry.name, entry.length);
	if (fault != PK_ACL_VALID)
		return fault;
	if (last != NULL)
		order = compare_names(entry.name, entry.length, last->name, last->length);
	if (order <= 0)
		return order == 0 ? PK_ACL_TWICE : PK_ACL_ORDER;
	if (acl->count == PK_ACL_ENTRIES_MAX)
		return PK_ACL_MANY;
	entry.rights = in[*at + 1 + entry.length];
	if (entry.rights == 0 || entry.rights > PK_RIGHTS_ALL)
	{
		*at += 1u + entry.length;
		return PK_ACL_RIGHTS;
	}
	acl->entries[acl->count++] = entry;
	*at += 2u + entry.length;
	return PK_ACL_VALID;
}

pk_acl_fault
pk_acl_decode(pk_acl *acl, const uint8_t *in, size_t length, size_t *at)
{
	pk_acl_fault fault = PK_ACL_VALID;

	*at = 0;
	acl->count = 0;
	if (length == 0 || in[0] > FLAG_CUT)
		return PK_ACL_FLAGS;
	acl->cut = in[0] == FLAG_CUT;
	*at = 1;
	while (*at < length && fault == PK_ACL_VALID)
		fault = decode_entry(acl, in, length, at);
	return fault;
}
