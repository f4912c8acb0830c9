/*
 * pk_pairs.h
 *	  What lists of pairs have in common, whatever the pairs are: the text
 *	  {a:b,c:d}, and the count that their bytes begin with.
 */
#ifndef PK_PAIRS_H
#define PK_PAIRS_H

#include <stddef.h>
#include <stdint.h>

#include "contract/pk_error.h"

/* Reads one pair at *at, which is moved behind it; NULL, or a phrase for what is wrong at *at. */
typedef const char *(*pk_pair_parse)(void *pair, const char *text, size_t length, size_t *at);

/* A kind of pair, of so many bytes in memory and in binary form. */
typedef struct pk_pair_kind
{
	size_t size;
	size_t binary_size;
	pk_pair_parse parse;
} pk_pair_kind;

#define PK_PAIR_SIZE_MAX 64 /* of size */

/* The pairs that a text has if it is valid. */
extern size_t pk_pairs_count_text(const char *text, size_t length);

/* Reads a text of so many pairs; NULL, or a phrase for what is wrong at byte *at. */
extern const char *pk_pairs_parse(const pk_pair_kind *kind, void *pairs, size_t count, const char *text, size_t length,
								  size_t *at) PK_MUST_CHECK;

/* The pairs behind a u32 in network order that counts them; -1 when the length is not that of so many. */
extern long pk_pairs_count(const pk_pair_kind *kind, const uint8_t *in, size_t length);

#endif
