/*
 * report.h
 *	  How input functions quote a text that they refuse, and name the place: in
 *	  characters, and never with half of one.
 *
 * Usage: errmsg("... \"%.*s\"", POCKET_CLIPPED(text)), errdetail("At character %d: ...", pocket_character(text, at))
 */
#ifndef POCKET_REPORT_H
#define POCKET_REPORT_H

#include "base/compat.h"

#include "mb/pg_wchar.h"

#define POCKET_QUOTED_MAX 200 /* bytes of a refused text in a message */

#define POCKET_CLIPPED(text) pg_mbcliplen((text), (int) strlen(text), POCKET_QUOTED_MAX), (text)

/* The character, from 1, that byte `at` of text begins. */
static inline int
pocket_character(const char *text, Size at)
{
	return pg_mbstrlen_with_len(text, (int) at) + 1;
}

#endif
