/*
 * fuzz_path.c
 *	  Input: one or two paths, each on a line. What is accepted comes out as it
 *	  went in, but for a slash at the end; order, prefix and lineage agree.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "contract/pk_path.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct path
{
	char stored[PK_PATH_SIZE_MAX];
	size_t length;
};

/* Whether text is a path; it is parsed in memory of its own size, so that a sanitizer sees a write beyond it. */
static bool
read_path(struct path *path, const char *text, size_t length)
{
	static char again[PK_PATH_SIZE_MAX];
	char *stored = malloc(length > 0 ? length : 1);
	char *formatted;
	pk_path_error error;
	size_t text_length;

	if (stored == NULL)
		abort();
	path->length = pk_path_parse(stored, text, length, &error);
	if (path->length == 0)
	{
		if (error.fault == PK_PATH_VALID || error.at > length || pk_path_error_text(&error)[0] == '\0')
			abort();
		free(stored);
		return false;
	}
	memcpy(path->stored, stored, path->length);
	free(stored);
	text_length = pk_path_text_length(path->stored, path->length);
	formatted = malloc(text_length);
	if (formatted == NULL)
		abort();
	pk_path_format(formatted, path->stored, path->length);
	if (memcmp(formatted, text, text_length) != 0 ||
		(text_length != length && (text_length + 1 != length || text[text_length] != '/')))
		abort();
	if (pk_path_parse(again, formatted, text_length, &error) != path->length ||
		memcmp(again, path->stored, path->length) != 0)
		abort();
	free(formatted);
	return true;
}

static void
check_lineage(const struct path *path)
{
	size_t length = path->length;
	int depth = pk_path_depth(path->stored, length);

	for (int left = depth; left >= 0; left--)
	{
		if (length == 0 || pk_path_depth(path->stored, length) != left ||
			!pk_path_is_above(path->stored, length, path->stored, path->length) ||
			pk_path_compare(path->stored, length, path->stored, path->length) > 0)
			abort();
		length = pk_path_parent(path->stored, length);
	}
	if (length != 0 || depth > PK_PATH_DEPTH_MAX)
		abort();
}

/* What is below a lies between a and a with a space, and nothing else does. */
static void
check_range(const struct path *a, const struct path *b)
{
	static char end[PK_PATH_SIZE_MAX + 1];
	bool within;

	memcpy(end, a->stored, a->length);
	end[a->length] = ' ';
	within = pk_path_compare(b->stored, b->length, a->stored, a->length) >= 0 &&
			 pk_path_compare(b->stored, b->length, end, a->length + 1) < 0;
	if (within != pk_path_is_above(a->stored, a->length, b->stored, b->length))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct path a, b;
	const char *text = (const char *) data;
	const char *newline = size > 0 ? memchr(text, '\n', size) : NULL;
	size_t length = newline != NULL ? (size_t) (newline - text) : size;
	bool has_a = read_path(&a, text, length);

	if (has_a)
		check_lineage(&a);
	if (newline != NULL && read_path(&b, newline + 1, size - length - 1) && has_a)
	{
		check_range(&a, &b);
		check_range(&b, &a);
		if ((pk_path_compare(a.stored, a.length, b.stored, b.length) < 0) !=
			(pk_path_compare(b.stored, b.length, a.stored, a.length) > 0))
			abort();
	}
	return 0;
}
