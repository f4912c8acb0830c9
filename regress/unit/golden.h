/*
 * golden.h
 *	  Reading the golden vectors: lines of TAB-separated columns.  For tests that
 *	  run from the top of the tree; POCKET_GOLDEN names another folder.
 */
#ifndef UNIT_GOLDEN_H
#define UNIT_GOLDEN_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <cmocka.h>

#include "contract/pk_bytes.h"

#define GOLDEN_COLUMNS 24
#define GOLDEN_LINE 16384

struct golden
{
	FILE *file;
	int lines;
	int columns;
	char *column[GOLDEN_COLUMNS]; /* of the present line */
	char line[GOLDEN_LINE];
};

static inline void
golden_open(struct golden *golden, const char *name)
{
	const char *folder = getenv("POCKET_GOLDEN");
	char path[4096];

	memset(golden, 0, sizeof(*golden));
	snprintf(path, sizeof(path), "%s/%s.tsv", folder != NULL ? folder : "regress/golden", name);
	golden->file = fopen(path, "r");
	if (golden->file == NULL)
		fail_msg("cannot open %s", path);
}

/* Splits the next line, which must have that many columns; at the end closes the file. A file without lines fails. */
static inline bool
golden_next(struct golden *golden, int columns)
{
	char *rest = golden->line;

	if (fgets(golden->line, sizeof(golden->line), golden->file) == NULL)
	{
		fclose(golden->file);
		assert_true(golden->lines > 0);
		return false;
	}
	golden->lines++;
	golden->columns = 0;
	golden->line[strcspn(golden->line, "\n")] = '\0';
	while (rest != NULL && golden->columns < GOLDEN_COLUMNS)
		golden->column[golden->columns++] = strsep(&rest, "\t");
	assert_int_equal(golden->columns, columns);
	return true;
}

static inline uint64_t
golden_number(const struct golden *golden, int column)
{
	return strtoull(golden->column[column], NULL, 10);
}

/* Decodes a column of hex into out; returns its bytes. */
static inline size_t
golden_bytes(const struct golden *golden, int column, void *out, size_t size)
{
	size_t length = strlen(golden->column[column]) / 2;

	assert_true(length <= size);
	assert_true(pk_hex_decode(out, length, golden->column[column], 2 * length));
	return length;
}

#endif
