/*
 * net/http.h
 *	  HTTP/1.1 on libmicrohttpd: a listener, requests whose bodies arrive in
 *	  pieces, and replies that may come later and from any thread.
 *
 * Knows nothing of blocks.  Limits: header memory, body size as the route says,
 * connections, idle time.  A request whose framing is in doubt (two lengths,
 * Transfer-Encoding, bare CR or LF, folded headers) is refused with 400 and closed.
 */
#ifndef PD_NET_HTTP_H
#define PD_NET_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/err.h"

struct pd_http;
struct pd_request;

/* What serves requests. All are called on a listener thread and must not block on a drive or a peer. */
struct pd_http_handler
{
	/*
	 * The request line and headers are there. Returns the largest body that it will take (0 = none is
	 * expected), or a negative pk_error after having called pd_request_reply_*: the body is then refused unread.
	 */
	int64_t (*begin)(void *arg, struct pd_request *request);
	/* Bytes of the body have come, each once, in order: what is computed over them is computed while more come. May be NULL. */
	void (*arrived)(void *arg, struct pd_request *request, const uint8_t *data, size_t n);
	/* The whole body is there (pd_request_body). Must reply now or arrange for a later reply. */
	void (*finish)(void *arg, struct pd_request *request);
	/*
	 * Called once when the request is over, whether replied to or not, for every request that begin saw: free what
	 * it attached. Never while a reply is owed: when the client leaves during a long reply, it comes after
	 * pd_request_reply_end(), on the listener's ticker thread.
	 */
	void (*release)(void *arg, struct pd_request *request);
	void *arg;
};

struct pd_http_options
{
	const char *listen;				/* 127.0.0.1:7070, [::1]:7070 or unix:/path/to.sock */
	int threads;					/* 0 = a useful number */
	int connections_max;			/* 0 = 512 */
	int idle_timeout_s;				/* 0 = 60 */
	struct pd_buffer_pool *buffers; /* bodies are taken from it */
};

extern struct pd_http *pd_http_start(const struct pd_http_options *options, const struct pd_http_handler *handler,
									 struct pd_err *err);
/* Stops accepting, waits for replies under way, closes. */
extern void pd_http_stop(struct pd_http *http);

extern const char *pd_request_method(const struct pd_request *request);
extern const char *pd_request_path(const struct pd_request *request);
/* NULL when absent. Only within begin and finish, and so is what it returns; method and path last until release. */
extern const char *pd_request_header(const struct pd_request *request, const char *name);
extern void pd_request_attach(struct pd_request *request, void *state);
extern void *pd_request_attached(const struct pd_request *request);

/* The body, contiguous; taken from the pool; NULL when it is empty. take() makes the caller its owner. */
extern struct pd_buffer *pd_request_body(struct pd_request *request, size_t *length);
extern struct pd_buffer *pd_request_take_body(struct pd_request *request, size_t *length);

/*
 * Replies; exactly one is made for each request, from any thread (a connection
 * whose reply is not made when finish returns is suspended and resumed by it).
 * text is copied.  buffer (from the pool) is handed over.  Unless it is made within begin or finish, the
 * request must not be touched after its reply: it may be over.  The same holds for pd_request_reply_end().
 */
extern void pd_request_reply_text(struct pd_request *request, int status, const char *content_type, const char *text,
								  size_t length);
extern void pd_request_reply_buffer(struct pd_request *request, int status, struct pd_buffer *buffer, size_t offset,
									size_t length);

/*
 * Adds a header to the reply, whichever it will be; from begin on, by whoever owes the reply. name outlives the request, value is
 * copied. Without memory for it the connection is closed instead of a reply.
 */
extern void pd_request_add_header(struct pd_request *request, const char *name, const char *value);

/*
 * Bytes that are made as they are sent: read, on a listener thread, gives n more of them, in order; false, when they cannot be
 * had, ends the connection before the reply's end.
 */
struct pd_source
{
	bool (*read)(void *arg, uint8_t *out, size_t n);
	void (*release)(void *arg); /* once, when the reply is over */
	void *arg;
};
extern void pd_request_reply_source(struct pd_request *request, int status, const struct pd_source *source,
									size_t length);

/*
 * A reply that takes long: status 200 and application/json begin at once; a newline is sent about
 * every second by the listener while the work goes on, so that the client can tell slow from dead; then text ends it.
 */
extern void pd_request_reply_begin(struct pd_request *request);
extern void pd_request_reply_end(struct pd_request *request, const char *text, size_t length);
/* Whether the client has gone (a long order may stop). */
extern bool pd_request_gone(const struct pd_request *request);

#endif
