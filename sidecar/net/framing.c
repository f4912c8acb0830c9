/*
 * net/framing.c
 *	  Whether a request means the same to us as to any proxy in front of us.
 *
 * libmicrohttpd 0.9.75 takes more than it should: a bare LF ends a line, a
 * folded line is glued onto a name, a NUL ends a value early, a space may stand
 * before the colon, and the first of two lengths wins.  Most of that cannot be
 * seen in what it passes on.  But it parses in place: when the first callback
 * runs, the header block still stands from `method` on, as long as
 * MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE says, with
 *
 *		the first colon of a line		-> NUL
 *		CR LF							-> NUL NUL
 *		a bare LF						-> NUL
 *		a name that was folded			-> NULs
 *
 * so a block is clean if and only if it is: a request line, then lines of a
 * token, NUL, printable bytes, NUL NUL, as many as the library found headers,
 * then NUL NUL and the end.  That is a property of that release, and is
 * relied upon with no other one; there, names, values and lengths are checked as passed on.
 */
#include "net/http_impl.h"

#include <string.h>
#include <strings.h>

#define LENGTH_DIGITS_MAX 18

/* RFC 9110, 5.6.2 */
static bool
is_token_char(char c)
{
	if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
		return true;
	return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static bool
is_value_char(char c)
{
	return c == '\t' || ((unsigned char) c >= ' ' && c != 0x7f);
}

static bool
is_token(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
	{
		if (!is_token_char(text[i]))
			return false;
	}
	return length > 0;
}

static bool
block_is_clean(const char *at, const char *end, int header_count)
{
	for (int lines = 0;; lines++)
	{
		const char *name = at;

		if (end - at < 2)
			return false;
		if (at[0] == '\0')
			return at[1] == '\0' && end - at == 2 && lines == header_count;
		while (at < end && is_token_char(*at))
			at++;
		if (at == name || at == end || *at != '\0')
			return false;
		at++;
		while (at < end && is_value_char(*at))
			at++;
		if (end - at < 2 || at[0] != '\0' || at[1] != '\0')
			return false;
		at += 2;
	}
}

/* The request line is METHOD SP target SP HTTP/1.x, with one space each, and the target is printable. */
static bool
line_is_clean(const struct pd_request *request, const char *url, const char *method, const char *version)
{
	if (!is_token(method, strlen(method)) || url != method + strlen(method) + 1)
		return false;
	/* a NUL in the target would have ended it before the space */
	if (version != url + request->target_length + 1 || strlen(version) != strlen("HTTP/1.1"))
		return false;
	for (const char *c = request->path; *c != '\0'; c++)
	{
		if (*c <= ' ' || *c == 0x7f)
			return false;
	}
	return true;
}

struct headers
{
	struct pd_framing *framing;
	const char *problem;
};

static bool
parse_length(const char *text, size_t size, uint64_t *length)
{
	*length = 0;
	if (size == 0 || size > LENGTH_DIGITS_MAX)
		return false;
	for (size_t i = 0; i < size; i++)
	{
		if (text[i] < '0' || text[i] > '9')
			return false;
		*length = *length * 10 + (uint64_t) (text[i] - '0');
	}
	return true;
}

static enum MHD_Result
check_header(void *arg, enum MHD_ValueKind kind, const char *name, size_t name_size, const char *value,
			 size_t value_size)
{
	struct headers *headers = arg;

	(void) kind;
	if (!is_token(name, name_size))
		headers->problem = "a header name is not a token";
	for (size_t i = 0; i < value_size; i++)
	{
		if (!is_value_char(value[i]))
			headers->problem = "a header value has a control character";
	}
	if (name_size == strlen("Content-Length") && strncasecmp(name, "Content-Length", name_size) == 0)
	{
		if (headers->framing->has_length)
			headers->problem = "two Content-Length headers";
		else if (!parse_length(value, value_size, &headers->framing->length))
			headers->problem = "Content-Length is not a number";
		headers->framing->has_length = true;
	}
	if (name_size == strlen("Transfer-Encoding") && strncasecmp(name, "Transfer-Encoding", name_size) == 0)
		headers->framing->has_transfer_encoding = true;
	return headers->problem == NULL ? MHD_YES : MHD_NO;
}

const char *
pd_http_check_framing(const struct pd_request *request, const char *url, const char *method, const char *version,
					  struct pd_framing *framing)
{
	struct headers headers = {.framing = framing};
	int count;

	memset(framing, 0, sizeof(*framing));
	count = MHD_get_connection_values_n(request->connection, MHD_HEADER_KIND, check_header, &headers);
	if (headers.problem != NULL)
		return headers.problem;
	if (framing->has_length && framing->has_transfer_encoding)
		return "both Content-Length and Transfer-Encoding";

	if (request->http->raw_headers)
	{
		const union MHD_ConnectionInfo *size =
			MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

		if (!line_is_clean(request, url, method, version))
			return "the request line is malformed";
		if (size == NULL || version[8] != '\0' || version[9] != '\0' ||
			!block_is_clean(version + 10, method + size->header_size, count))
			return "a header line is malformed";
	}
	return NULL;
}
