/*
 * pk_name.h
 *	  Names and paths: what is valid, and when two names are the same.
 *
 * Names are compared after canonical composition (NFC) and simple case folding
 * by tables frozen here (Unicode 14.0, pk_unicode_table.h), so that neither a
 * new ICU nor a new glibc can make two live names collide.
 */
#ifndef PK_NAME_H
#define PK_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "contract/pk_error.h"
#include "contract/pk_limits.h"

typedef enum pk_name_fault
{
	PK_NAME_VALID = 0,
	PK_NAME_EMPTY,
	PK_NAME_LONG,	  /* over PK_NAME_SIZE_MAX bytes */
	PK_NAME_ENCODING, /* not UTF-8 (overlong, surrogate, above U+10FFFF, truncated) */
	PK_NAME_SLASH,
	PK_NAME_CONTROL, /* NUL, C0, DEL, C1 */
	PK_NAME_DOTS	 /* "." or ".." */
} pk_name_fault;

/* Whether length bytes are a valid name; *at is the byte at fault. */
extern pk_name_fault pk_name_check(const char *name, size_t length, size_t *at);

/* A phrase for a fault: "is empty", "is longer than 255 bytes", ... */
extern const char *pk_name_fault_text(pk_name_fault fault);

/*
 * The comparison key of a valid name: NFC, then simple case folding, then NFC.
 * At most PK_NAME_KEY_MAX bytes and a NUL; returns its length.  A name that is
 * case sensitive has itself as its key; do not call this.
 */
#define PK_NAME_KEY_MAX (PK_NAME_SIZE_MAX * 3)
extern size_t pk_name_key(char out[PK_NAME_KEY_MAX + 1], const char *name, size_t length);

#endif
