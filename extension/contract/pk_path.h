/*
 * pk_path.h
 *	  Whole paths, name:/a/b: their stored form, and its order.
 *
 * The stored form joins the namespace and the names by NUL, which no name has:
 * comparing it bytewise compares name by name, so that a folder is directly
 * before all that is below it.  Names are kept and compared as given; when two
 * names are the same in a namespace is pk_name.h's matter.
 */
#ifndef PK_PATH_H
#define PK_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "contract/pk_limits.h"
#include "contract/pk_name.h"

typedef enum pk_path_fault
{
	PK_PATH_VALID = 0,
	PK_PATH_LONG,		  /* over PK_PATH_SIZE_MAX bytes */
	PK_PATH_DEEP,		  /* over PK_PATH_DEPTH_MAX names */
	PK_PATH_NO_NAMESPACE, /* begins with a slash, or has no colon */
	PK_PATH_NO_SLASH,	  /* none behind the colon */
	PK_PATH_NAME		  /* a name is not valid: name_fault says why */
} pk_path_fault;

typedef struct pk_path_error
{
	pk_path_fault fault;
	pk_name_fault name_fault;
	size_t at; /* the byte at fault */
} pk_path_error;

/* A phrase for an error: "a slash is expected", "the name is empty", ... */
extern const char *pk_path_error_text(const pk_path_error *error);

/*
 * Writes the stored form of a text, at most length bytes, and returns its
 * length; 0 when the text is no path.  One slash at the end is left out.
 */
extern size_t pk_path_parse(char *out, const char *text, size_t length, pk_path_error *error);

/* Length of the text of a stored form, and the text, without a NUL at the end. */
extern size_t pk_path_text_length(const char *path, size_t length);
extern void pk_path_format(char *out, const char *path, size_t length);

/* Names below the namespace; 0 is the root. */
extern int pk_path_depth(const char *path, size_t length);

/* Length of the parent's stored form, which is the beginning of this one; 0 for a root. */
extern size_t pk_path_parent(const char *path, size_t length);

/* <0, 0, >0 */
extern int pk_path_compare(const char *a, size_t a_length, const char *b, size_t b_length);

/* Whether above is path, or a folder that it is in. */
extern bool pk_path_is_above(const char *above, size_t above_length, const char *path, size_t length);

#endif
