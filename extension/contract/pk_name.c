/*
 * pk_name.c
 *	  Validity of names, and the key by which two names are the same.
 *
 * Composition is that of UAX #15 with the tables of pk_unicode_table.h.  A key
 * is a fixed point: NFC, then folding and NFC in turn until folding changes
 * nothing.  That ends after at most two rounds, and no string on the way has
 * more than PK_NAME_KEY_MAX code points or bytes: make_unicode_table.py proves
 * both over all code points before it writes the table.
 */
#include "contract/pk_name.h"

#include <assert.h>
#include <stdint.h>

#include "contract/pk_bytes.h"
#include "contract/pk_unicode_table.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* Hangul syllables, computed (Unicode, section 3.12) */
#define HANGUL_S 0xac00u
#define HANGUL_L 0x1100u
#define HANGUL_V 0x1161u
#define HANGUL_T 0x11a7u
#define HANGUL_L_COUNT 19u
#define HANGUL_V_COUNT 21u
#define HANGUL_T_COUNT 28u
#define HANGUL_S_COUNT (HANGUL_L_COUNT * HANGUL_V_COUNT * HANGUL_T_COUNT)

#define REPLACEMENT 0xfffdu

_Static_assert(PK_NAME_KEY_MAX >= 3 * PK_NAME_SIZE_MAX, "what the table's maker proved");

static size_t
encode_utf8(char out[4], uint32_t code)
{
	if (code < 0x80)
	{
		out[0] = (char) code;
		return 1;
	}
	if (code < 0x800)
	{
		out[0] = (char) (0xc0 | code >> 6);
		out[1] = (char) (0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000)
	{
		out[0] = (char) (0xe0 | code >> 12);
		out[1] = (char) (0x80 | (code >> 6 & 0x3f));
		out[2] = (char) (0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (char) (0xf0 | code >> 18);
	out[1] = (char) (0x80 | (code >> 12 & 0x3f));
	out[2] = (char) (0x80 | (code >> 6 & 0x3f));
	out[3] = (char) (0x80 | (code & 0x3f));
	return 4;
}

pk_name_fault
pk_name_check(const char *name, size_t length, size_t *at)
{
	const unsigned char *text = (const unsigned char *) name;
	size_t i = 0;

	*at = 0;
	if (length == 0)
		return PK_NAME_EMPTY;
	if (length > PK_NAME_SIZE_MAX)
	{
		*at = PK_NAME_SIZE_MAX;
		return PK_NAME_LONG;
	}
	if (text[0] == '.' && (length == 1 || (length == 2 && text[1] == '.')))
		return PK_NAME_DOTS;
	while (i < length)
	{
		uint32_t code;
		size_t size = pk_utf8_decode(text + i, length - i, &code);

		*at = i;
		if (size == 0)
			return PK_NAME_ENCODING;
		if (code == '/')
			return PK_NAME_SLASH;
		if (code < 0x20 || (code >= 0x7f && code < 0xa0))
			return PK_NAME_CONTROL;
		i += size;
	}
	*at = 0;
	return PK_NAME_VALID;
}

const char *
pk_name_fault_text(pk_name_fault fault)
{
	_Static_assert(PK_NAME_SIZE_MAX == 255, "the text below says so");
	switch (fault)
	{
		case PK_NAME_VALID:
			return "is valid";
		case PK_NAME_EMPTY:
			return "is empty";
		case PK_NAME_LONG:
			return "is longer than 255 bytes";
		case PK_NAME_ENCODING:
			return "is not valid UTF-8";
		case PK_NAME_SLASH:
			return "contains a slash";
		case PK_NAME_CONTROL:
			return "contains a control character";
		case PK_NAME_DOTS:
			return "is \".\" or \"..\"";
	}
	return "is invalid";
}

/* The canonical combining class; 0 for starters. */
static unsigned
combining_class(uint32_t code)
{
	size_t low = 0;
	size_t high = COUNT(unicode_classes);

	while (low < high)
	{
		size_t middle = (low + high) / 2;

		if (code < unicode_classes[middle].first)
			high = middle;
		else if (code > unicode_classes[middle].last)
			low = middle + 1;
		else
			return unicode_classes[middle].combining_class;
	}
	return 0;
}

static uint32_t
fold(uint32_t code)
{
	size_t low = 0;
	size_t high = COUNT(unicode_folds);

	while (low < high)
	{
		size_t middle = (low + high) / 2;

		if (code < unicode_folds[middle].first)
			high = middle;
		else if (code > unicode_folds[middle].last)
			low = middle + 1;
		else if ((code - unicode_folds[middle].first) % unicode_folds[middle].step != 0)
			return code;
		else
			return (uint32_t) ((int32_t) code + unicode_folds[middle].distance);
	}
	return code;
}

/* What two adjacent code points compose to, or 0. */
static uint32_t
compose_pair(uint32_t first, uint32_t second)
{
	uint64_t key = (uint64_t) first << 32 | second;
	size_t low = 0;
	size_t high = COUNT(unicode_pairs);

	if (first - HANGUL_L < HANGUL_L_COUNT && second - HANGUL_V < HANGUL_V_COUNT)
		return HANGUL_S + ((first - HANGUL_L) * HANGUL_V_COUNT + (second - HANGUL_V)) * HANGUL_T_COUNT;
	if (first - HANGUL_S < HANGUL_S_COUNT && (first - HANGUL_S) % HANGUL_T_COUNT == 0 && second > HANGUL_T &&
		second < HANGUL_T + HANGUL_T_COUNT)
		return first + (second - HANGUL_T);
	while (low < high)
	{
		size_t middle = (low + high) / 2;
		uint64_t here = (uint64_t) unicode_pairs[middle].first << 32 | unicode_pairs[middle].second;

		if (key < here)
			high = middle;
		else if (key > here)
			low = middle + 1;
		else
			return unicode_pairs[middle].composed;
	}
	return 0;
}

static size_t
decompose_hangul(uint32_t *out, uint32_t code)
{
	uint32_t index = code - HANGUL_S;
	uint32_t tail = index % HANGUL_T_COUNT;

	out[0] = HANGUL_L + index / (HANGUL_V_COUNT * HANGUL_T_COUNT);
	out[1] = HANGUL_V + index % (HANGUL_V_COUNT * HANGUL_T_COUNT) / HANGUL_T_COUNT;
	if (tail == 0)
		return 2;
	out[2] = HANGUL_T + tail;
	return 3;
}

/* Writes the full canonical decomposition, at most PK_UNICODE_DECOMPOSITION_MAX code points; returns how many. */
static size_t
decompose(uint32_t out[PK_UNICODE_DECOMPOSITION_MAX], uint32_t code)
{
	size_t low = 0;
	size_t high = COUNT(unicode_decompositions);

	if (code - HANGUL_S < HANGUL_S_COUNT)
		return decompose_hangul(out, code);
	while (low < high)
	{
		size_t middle = (low + high) / 2;

		if (code < unicode_decompositions[middle].code)
			high = middle;
		else if (code > unicode_decompositions[middle].code)
			low = middle + 1;
		else
		{
			size_t n = unicode_decompositions[middle].length;

			for (size_t i = 0; i < n; i++)
				out[i] = unicode_decomposition_pool[unicode_decompositions[middle].start + i];
			return n;
		}
	}
	out[0] = code;
	return 1;
}

/* Decomposes n code points into out, marks in canonical order; returns how many. */
static size_t
decompose_all(uint32_t out[PK_NAME_KEY_MAX], const uint32_t *codes, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
	{
		uint32_t parts[PK_UNICODE_DECOMPOSITION_MAX];
		size_t parts_count = decompose(parts, codes[i]);

		assert(count + parts_count <= PK_NAME_KEY_MAX);
		for (size_t j = 0; j < parts_count; j++)
		{
			unsigned class = combining_class(parts[j]);
			size_t to = count++;

			/* a mark moves before those of a higher class, never across a starter or its equals */
			while (class != 0 && to > 0 && combining_class(out[to - 1]) > class)
			{
				out[to] = out[to - 1];
				to--;
			}
			out[to] = parts[j];
		}
	}
	return count;
}

/* Composes n decomposed and ordered code points in place; returns how many are left. */
static size_t
compose_all(uint32_t *codes, size_t n)
{
	size_t starter = SIZE_MAX;
	unsigned last_class = 0;
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
	{
		unsigned class = combining_class(codes[i]);
		/* blocked: something of the same or a higher class stands between it and the starter */
		bool open = starter != SIZE_MAX && (count == starter + 1 || last_class < class);
		uint32_t composed = open ? compose_pair(codes[starter], codes[i]) : 0;

		if (composed != 0)
		{
			codes[starter] = composed;
			continue;
		}
		if (class == 0)
			starter = count;
		last_class = class;
		codes[count++] = codes[i];
	}
	return count;
}

/* NFC in place; returns the new count. */
static size_t
normalize(uint32_t codes[PK_NAME_KEY_MAX], size_t n)
{
	uint32_t parts[PK_NAME_KEY_MAX];
	size_t count = decompose_all(parts, codes, n);

	count = compose_all(parts, count);
	for (size_t i = 0; i < count; i++)
		codes[i] = parts[i];
	return count;
}

/* Whether folding changed anything. */
static bool
fold_all(uint32_t *codes, size_t n)
{
	bool changed = false;

	for (size_t i = 0; i < n; i++)
	{
		uint32_t folded = fold(codes[i]);

		changed = changed || folded != codes[i];
		codes[i] = folded;
	}
	return changed;
}

/* A name of ASCII alone, as most are, is composed already, and only its capitals fold. False: it is none. */
static bool
ascii_key(char out[PK_NAME_KEY_MAX + 1], const char *name, size_t length)
{
	for (size_t i = 0; i < length; i++)
	{
		unsigned char c = (unsigned char) name[i];

		if (c >= 0x80)
			return false;
		out[i] = (char) (c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
	}
	out[length] = '\0';
	return true;
}

size_t
pk_name_key(char out[PK_NAME_KEY_MAX + 1], const char *name, size_t length)
{
	uint32_t codes[PK_NAME_KEY_MAX];
	size_t count = 0;
	size_t written = 0;

	assert(length <= PK_NAME_SIZE_MAX);
	if (ascii_key(out, name, length))
		return length;
	for (size_t i = 0; i < length;)
	{
		size_t size = pk_utf8_decode((const unsigned char *) name + i, length - i, &codes[count]);

		/* the caller has checked the name; a byte that is none of UTF-8 must do no harm even so */
		if (size == 0)
		{
			codes[count] = REPLACEMENT;
			size = 1;
		}
		count++;
		i += size;
	}
	count = normalize(codes, count);
	while (fold_all(codes, count))
		count = normalize(codes, count);
	for (size_t i = 0; i < count; i++)
	{
		char bytes[4];
		size_t size = encode_utf8(bytes, codes[i]);

		assert(written + size <= PK_NAME_KEY_MAX);
		for (size_t j = 0; j < size; j++)
			out[written++] = bytes[j];
	}
	out[written] = '\0';
	return written;
}
