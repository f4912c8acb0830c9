/*
 * base/err.c
 *	  Filling a struct pd_err.
 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A control character would break the log's and the wire's one line. */
static void
flatten(char *text)
{
	for (; *text != '\0'; text++)
	{
		if ((unsigned char) *text < ' ' || *text == 0x7f)
			*text = ' ';
	}
}

pk_error
pd_fail(struct pd_err *err, pk_error code, const char *fmt, ...)
{
	va_list args;

	if (err == NULL)
		return code;

	err->code = code;
	va_start(args, fmt);
	if (vsnprintf(err->text, sizeof(err->text), fmt, args) < 0)
		err->text[0] = '\0';
	va_end(args);
	flatten(err->text);
	return code;
}

static pk_error
code_of_errno(int error)
{
	switch (error)
	{
		case ENOSPC:
		case EDQUOT:
			return PK_ERR_DISK_FULL;
		case ENOENT:
			return PK_ERR_NOT_FOUND;
		default:
			return PK_ERR_IO;
	}
}

pk_error
pd_fail_errno(struct pd_err *err, int negative_errno, const char *fmt, ...)
{
	pk_error code = code_of_errno(-negative_errno);
	va_list args;
	char reason[128];
	size_t used;

	if (err == NULL)
		return code;

	err->code = code;
	va_start(args, fmt);
	if (vsnprintf(err->text, sizeof(err->text), fmt, args) < 0)
		err->text[0] = '\0';
	va_end(args);

	used = strlen(err->text);
	snprintf(err->text + used, sizeof(err->text) - used, ": %s", strerror_r(-negative_errno, reason, sizeof(reason)));
	flatten(err->text);
	return code;
}
