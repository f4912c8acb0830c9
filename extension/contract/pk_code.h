/*
 * pk_code.h
 *	  The names of redundancy codes, and where an extent's file is.
 *
 * A code is 'replicated', or k data members and m parities: 'rs(6,3)'.  Members
 * of a coded volume have positions 0 .. k-1 (data), k .. k+m-1 (parity); those
 * of a replicated volume 0 .. r-1, all the same bytes.
 */
#ifndef PK_CODE_H
#define PK_CODE_H

#include <stdbool.h>
#include <stdint.h>

#include "contract/pk_error.h"
#include "contract/pk_limits.h"

typedef enum pk_code_kind
{
	PK_CODE_REPLICATED = 0,
	PK_CODE_RS = 1 /* Reed-Solomon over GF(2^8), Cauchy rows: matrix id 1 of FORMAT.md */
} pk_code_kind;

typedef struct pk_code
{
	pk_code_kind kind;
	int k; /* 1 when replicated */
	int m; /* 0 when replicated: the replicas are the volume's members */
} pk_code;

/* Parses just the canonical names; other codes of the design are PK_ERR_UNSUPPORTED, anything else PK_ERR_MALFORMED. */
extern pk_error pk_code_parse(pk_code *code, const char *text) PK_MUST_CHECK;
extern void pk_code_format(char out[PK_CODE_TEXT], const pk_code *code);

typedef enum pk_extent_kind
{
	PK_EXTENT_BUCKET = 1, /* id is the bucket's, position 0 */
	PK_EXTENT_PARITY = 2  /* id is the volume's */
} pk_extent_kind;

/* "extents/3f/b-000000000000003f" or "extents/07/p-0000000000000007-08": the path below the drive. */
#define PK_EXTENT_FILE 48
extern void pk_extent_file(char out[PK_EXTENT_FILE], pk_extent_kind kind, uint64_t id, int position);

/* The inverse, from the file's own name without its folders; false when it is none. */
extern bool pk_extent_file_parse(const char *name, pk_extent_kind *kind, uint64_t *id, int *position);

#endif
