/*
 * pk_code.h
 *	  The names of redundancy codes, and where an extent's file is.
 *
 * A code is 'replicated', or k data members and m parities: 'rs(6,3)',
 * 'lrc(12,2,2)', 'xor(2,1)'.  Members of a coded volume have positions 0 .. k-1
 * (data), k .. k+m-1 (parity); those of a replicated volume 0 .. r-1, all the
 * same bytes.
 *
 * A local group is some data members and one parity of just these: whichever of
 * them is lost alone comes from the others.  Its parities are the first ones.
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
	PK_CODE_RS = 1,	 /* any k data members and m parities, of which any k give all */
	PK_CODE_LRC = 2, /* 'lrc(12,2,2)', 'lrc(6,2,2)': two local groups and two parities of all */
	PK_CODE_XOR = 3	 /* 'xor(2,1)': one local group */
} pk_code_kind;		 /* the matrix ids of FORMAT.md, which drives hold */

typedef struct pk_code
{
	pk_code_kind kind;
	int k; /* 1 when replicated */
	int m; /* 0 when replicated: the replicas are the volume's members */
} pk_code;

/* Parses just the canonical names; anything else is PK_ERR_MALFORMED, and *code is as it was. */
extern pk_error pk_code_parse(pk_code *code, const char *text) PK_MUST_CHECK;
extern void pk_code_format(char out[PK_CODE_TEXT], const pk_code *code);

/* Whether there is such a code; what follows is of valid ones. */
extern bool pk_code_valid(const pk_code *code);

extern int pk_code_groups(const pk_code *code);
/* The positions of a local group, as bits. */
extern uint32_t pk_code_group(const pk_code *code, int group);

/*
 * missing: positions, as bits, of members that are gone, of a volume of count members.
 * pk_code_lost: those of them that the others do not yield; 0 when all can be had again.
 * pk_code_left: how many more may go, whichever they are, until something is lost; -1 when something is.
 */
extern uint32_t pk_code_lost(const pk_code *code, int count, uint32_t missing);
extern int pk_code_left(const pk_code *code, int count, uint32_t missing);

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
