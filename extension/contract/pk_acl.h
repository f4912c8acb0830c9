/*
 * pk_acl.h
 *	  Access control lists: {alice=rwd,group:eng=r}, principals and their rights.
 *
 * A leading "!" cuts the inheritance: what stands above does not count.  Names
 * are 1 .. 255 bytes of UTF-8 without NUL, sorted by their bytes, each once, and
 * each with a right at least.  In text a name with a comma, an equals sign, a
 * brace, a quote, a backslash or white space is quoted as in PostgreSQL's
 * arrays: "a \"b\"".
 *
 * A pk_acl holds no names, but points at them: into its stored form, into the
 * buffer that a text was parsed into, or wherever the caller has them.
 */
#ifndef PK_ACL_H
#define PK_ACL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "contract/pk_limits.h"

/* in the order of their letters in text: r w d s */
#define PK_RIGHT_READ 1
#define PK_RIGHT_WRITE 2
#define PK_RIGHT_DELETE 4
#define PK_RIGHT_SHARE 8
#define PK_RIGHTS_ALL 15
#define PK_RIGHTS_TEXT 4

typedef struct pk_acl_entry
{
	const char *name;
	uint8_t length;
	uint8_t rights; /* never 0 */
} pk_acl_entry;

typedef struct pk_acl
{
	bool cut;
	int count;
	pk_acl_entry entries[PK_ACL_ENTRIES_MAX];
} pk_acl;

typedef enum pk_acl_fault
{
	PK_ACL_VALID = 0,
	/* limits */
	PK_ACL_MANY,	  /* over PK_ACL_ENTRIES_MAX principals */
	PK_ACL_NAME_LONG, /* over PK_ACL_NAME_MAX bytes */
	/* of both forms */
	PK_ACL_NAME,   /* empty, not UTF-8, or with a NUL */
	PK_ACL_RIGHTS, /* none, unknown, or one twice */
	PK_ACL_TWICE,  /* a principal */
	/* of text */
	PK_ACL_OPENING,	  /* no opening brace */
	PK_ACL_QUOTE,	  /* no closing quote */
	PK_ACL_EQUALS,	  /* no equals sign */
	PK_ACL_SEPARATOR, /* neither a comma nor the closing brace */
	PK_ACL_TAIL,	  /* something behind the closing brace */
	/* of bytes */
	PK_ACL_FLAGS, /* unknown ones, or none */
	PK_ACL_SHORT, /* an entry's end is missing */
	PK_ACL_ORDER  /* names do not ascend */
} pk_acl_fault;

/* A phrase for a fault: "an opening brace is expected", ... */
extern const char *pk_acl_fault_text(pk_acl_fault fault);

/* At least one letter of r w d s, each at most once, in any order; else false, and *at is the letter at fault. */
extern bool pk_rights_parse(uint8_t *rights, const char *text, size_t length, size_t *at);

/* PK_ACL_VALID, PK_ACL_NAME or PK_ACL_NAME_LONG */
extern pk_acl_fault pk_acl_check_name(const char *name, size_t length);

/* The rights that a principal has by its own entry. */
extern uint8_t pk_acl_rights(const pk_acl *acl, const char *name, size_t length);

/* Adds rights to those of a principal with a valid name, which stays the caller's; PK_ACL_VALID or PK_ACL_MANY. */
extern pk_acl_fault pk_acl_allow(pk_acl *acl, const char *name, size_t length, uint8_t rights);

/* Removes a principal's entry, if there is one. */
extern void pk_acl_deny(pk_acl *acl, const char *name, size_t length);

/* The longest text of a valid list: every byte of every name escaped. */
#define PK_ACL_TEXT_MAX (3 + PK_ACL_ENTRIES_MAX * (2 * PK_ACL_NAME_MAX + 8))

/*
 * Reads a text; names has room for length bytes and gets the names, which the
 * list points into.  On a fault *at is where it is.
 */
extern pk_acl_fault pk_acl_parse(pk_acl *acl, char *names, const char *text, size_t length, size_t *at);

/* At most PK_ACL_TEXT_SIZE(acl) bytes of text, and a NUL; returns the length. */
#define PK_ACL_TEXT_SIZE(acl) (2 * pk_acl_size(acl) + (size_t) (acl)->count * 4 + 2)
extern size_t pk_acl_format(char *out, const pk_acl *acl);

/*
 * The stored form, which is the binary form too:
 *		u8 flags: 1 = cut; then for each principal, ascending:
 *		u8 length, the name, u8 rights
 */
#define PK_ACL_SIZE_MAX (1 + PK_ACL_ENTRIES_MAX * (2 + PK_ACL_NAME_MAX))
extern size_t pk_acl_size(const pk_acl *acl);
extern void pk_acl_encode(uint8_t *out, const pk_acl *acl);
extern pk_acl_fault pk_acl_decode(pk_acl *acl, const uint8_t *in, size_t length, size_t *at);

#endif
