/*
 * base/err.h
 *	  How a failure travels: a code of the contract and a sentence.
 *
 * Fallible functions return PK_OK or a negative pk_error and, when they fail,
 * fill the caller's struct pd_err (which may be NULL).
 */
#ifndef PD_BASE_ERR_H
#define PD_BASE_ERR_H

#include "contract/pk_error.h"

#define PD_ERR_TEXT 512

struct pd_err
{
	pk_error code;
	char text[PD_ERR_TEXT]; /* names the thing, the place and the way out; no newline */
};

/* Fills err and returns code, so that `return pd_fail(err, ...)` reads well. */
extern pk_error pd_fail(struct pd_err *err, pk_error code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The same for a negative errno that a vfs call returned: ENOSPC and EDQUOT are PK_ERR_DISK_FULL, ENOENT PK_ERR_NOT_FOUND, the rest PK_ERR_IO; ": strerror" is appended. */
extern pk_error pd_fail_errno(struct pd_err *err, int negative_errno, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
