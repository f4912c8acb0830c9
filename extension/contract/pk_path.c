/*
 * pk_path.c
 *	  Parsing, writing and comparing whole paths.
 */
#include "contract/pk_path.h"

#include <string.h>

static size_t
refuse(pk_path_error *error, pk_path_fault fault, size_t at)
{
	error->fault = fault;
	error->at = at;
	return 0;
}

/* Whether length bytes at `at` of a text are a valid name. */
static bool
check_name(const char *text, size_t at, size_t length, pk_path_error *error)
{
	size_t where;

	error->name_fault = pk_name_check(text + at, length, &where);
	if (error->name_fault == PK_NAME_VALID)
		return true;
	(void) refuse(error, PK_PATH_NAME, at + where);
	return false;
}

size_t
pk_path_parse(char *out, const char *text, size_t length, pk_path_error *error)
{
	const char *colon = length > 0 ? memchr(text, ':', length) : NULL;
	size_t size;
	size_t at;
	int depth = 0;

	memset(error, 0, sizeof(*error));
	if (length > PK_PATH_SIZE_MAX)
		return refuse(error, PK_PATH_LONG, PK_PATH_SIZE_MAX);
	if (colon == NULL || text[0] == '/')
		return refuse(error, PK_PATH_NO_NAMESPACE, 0);
	size = (size_t) (colon - text);
	if (!check_name(text, 0, size, error))
		return 0;
	memcpy(out, text, size);
	at = size + 1;
	if (at == length || text[at] != '/')
		return refuse(error, PK_PATH_NO_SLASH, at);

	/* text[at] is the slash before a name, the one at the end, or nothing */
	while (at + 1 < length)
	{
		const char *name = text + at + 1;
		const char *slash = memchr(name, '/', length - at - 1);
		size_t name_length = slash != NULL ? (size_t) (slash - name) : length - at - 1;

		if (++depth > PK_PATH_DEPTH_MAX)
			return refuse(error, PK_PATH_DEEP, at + 1);
		if (!check_name(text, at + 1, name_length, error))
			return 0;
		out[size++] = '\0';
		memcpy(out + size, name, name_length);
		size += name_length;
		at += 1 + name_length;
	}
	return size;
}

const char *
pk_path_error_text(const pk_path_error *error)
{
	_Static_assert(PK_NAME_SIZE_MAX == 255 && PK_PATH_SIZE_MAX == 16384 && PK_PATH_DEPTH_MAX == 512,
				   "the texts below say so");
	switch (error->fault)
	{
		case PK_PATH_VALID:
			return "the path is valid";
		case PK_PATH_LONG:
			return "a path has at most 16384 bytes";
		case PK_PATH_DEEP:
			return "a path has at most 512 names";
		case PK_PATH_NO_NAMESPACE:
			return "the name of a namespace and a colon are expected";
		case PK_PATH_NO_SLASH:
			return "a slash is expected";
		case PK_PATH_NAME:
			break;
	}
	switch (error->name_fault)
	{
		case PK_NAME_VALID:
			break;
		case PK_NAME_EMPTY:
			return "the name is empty";
		case PK_NAME_LONG:
			return "a name has at most 255 bytes";
		case PK_NAME_ENCODING:
			return "the name is not UTF-8";
		case PK_NAME_SLASH:
			return "the name of a namespace has no slash";
		case PK_NAME_CONTROL:
			return "a name has no control character";
		case PK_NAME_DOTS:
			return "a name is not \".\" or \"..\"";
	}
	return "the name is not valid";
}

/* Where the namespace ends. */
static size_t
namespace_length(const char *path, size_t length)
{
	const char *end = memchr(path, '\0', length);

	return end != NULL ? (size_t) (end - path) : length;
}

size_t
pk_path_text_length(const char *path, size_t length)
{
	/* the first NUL is ":/", each other "/"; a root has ":/" and no NUL */
	return namespace_length(path, length) == length ? length + 2 : length + 1;
}

void
pk_path_format(char *out, const char *path, size_t length)
{
	size_t size = namespace_length(path, length);

	memcpy(out, path, size);
	out[size] = ':';
	out[size + 1] = '/';
	for (size_t i = size + 1; i < length; i++)
		out[i + 1] = path[i] == '\0' ? '/' : path[i];
}

int
pk_path_depth(const char *path, size_t length)
{
	int depth = 0;

	for (size_t i = 0; i < length; i++)
		depth += path[i] == '\0';
	return depth;
}

size_t
pk_path_parent(const char *path, size_t length)
{
	while (length > 0 && path[length - 1] != '\0')
		length--;
	return length > 0 ? length - 1 : 0;
}

int
pk_path_compare(const char *a, size_t a_length, const char *b, size_t b_length)
{
	int order = memcmp(a, b, a_length < b_length ? a_length : b_length);

	return order != 0 ? order : (a_length > b_length) - (a_length < b_length);
}

bool
pk_path_is_above(const char *above, size_t above_length, const char *path, size_t length)
{
	return above_length <= length && memcmp(above, path, above_length) == 0 &&
		   (above_length == length || path[above_length] == '\0');
}
