/*
 * net/http_impl.h
 *	  What listener.c, request.c, framing.c and reply.c share.
 *
 * Life of a struct pd_request.  It is made when the request line has been
 * parsed, and it ends in request.c's request_over(), on a listener thread:
 *
 *	- libmicrohttpd says that the request is completed, when its reply is made; or
 *	- the client left in the middle of a long reply, and pd_request_reply_end() was
 *	  called at last (the request is an orphan in between).
 *
 * So whoever still owes a reply may use the request.  Between the handler's finish
 * and the reply the connection is suspended, and libmicrohttpd does not touch a
 * suspended one: it can only complete after the reply has resumed it.  The one
 * who makes a reply therefore changes the request under its mutex and, after
 * letting go of it, touches nothing but the connection that he alone resumes.
 *
 * Locks: pd_http.mutex before pd_request.mutex; libmicrohttpd's own after both.
 */
#ifndef PD_NET_HTTP_IMPL_H
#define PD_NET_HTTP_IMPL_H

#include "net/http.h"

#include <microhttpd.h>
#include <pthread.h>

/* A connection, for its deadline. */
struct pd_link
{
	struct pd_link *next;
	struct pd_link *previous;
	int fd;
	int64_t deadline_ms; /* monotonic; 0 = none; atomic */
};

enum pd_request_phase
{
	PHASE_HEADERS, /* until they are all there */
	PHASE_BODY,
	PHASE_HANDED, /* finish was called, or a reply was made in begin */
	PHASE_REPLY	  /* libmicrohttpd has the reply */
};

/* Of the reply. */
struct pd_header
{
	struct pd_header *next;
	const char *name;
	char value[];
};

struct pd_request
{
	struct pd_http *http;
	struct pd_request *next; /* in http->requests from begin on, then perhaps in http->orphans */
	struct pd_request *previous;
	char *method;
	char *path;
	size_t target_length; /* of the request line's target, as it came */
	void *attached;
	struct pd_buffer *body;
	size_t body_length; /* so far */
	size_t body_expected;
	enum pd_request_phase phase; /* of the listener thread alone */
	bool begun;					 /* begin was called: release is due; linked in http->requests */
	struct pd_header *headers;	 /* of the reply; of whoever owes it */
	bool headers_lost;			 /* one could not be kept */

	pthread_mutex_t mutex;			   /* everything below */
	struct MHD_Connection *connection; /* NULL when it is over */
	int fd;							   /* valid while connection is set */
	bool suspended;
	bool owed;	  /* the handler has it: it is in begin, or finish was called */
	bool replied; /* reply_text, _buffer or _begin was called */
	bool failed;  /* but memory for it could not be had: the connection is closed */
	int status;
	size_t reply_length;
	struct MHD_Response *response; /* until the listener thread queues it */
	bool streaming;				   /* reply_begin was called */
	bool beat;					   /* a newline is due */
	bool ended;					   /* reply_end was called */
	bool orphaned;				   /* the client left before */
	char *text;					   /* the end of a long reply */
	size_t text_length;
	size_t text_sent;
};

struct pd_http
{
	struct pd_http_handler handler;
	struct pd_buffer_pool *buffers;
	struct MHD_Daemon *daemon;
	int idle_timeout_s;
	bool raw_headers; /* this libmicrohttpd leaves the header block where it can be checked */
	char unix_path[108];
	uint64_t unix_device, unix_inode;

	pthread_t ticker;
	bool ticker_started;
	int resuming; /* threads between a request's mutex and the end of their reply; atomic */

	pthread_mutex_t mutex; /* everything below */
	pthread_cond_t wake;   /* the ticker */
	bool stopping;		   /* the handler gets nothing any more */
	bool ticker_ends;
	struct pd_link *links;
	struct pd_request *requests; /* begun and not over */
	struct pd_request *orphans;	 /* whose long reply has ended: to be released */
};

/* listener.c */
extern int64_t pd_http_now_ms(void);
extern void pd_http_set_deadline(const struct pd_request *request, uint64_t bytes);
extern void pd_http_clear_deadline(const struct pd_request *request);

/* request.c: libmicrohttpd's callbacks */
extern void *pd_http_on_target(void *arg, const char *target, struct MHD_Connection *connection);
extern enum MHD_Result pd_http_on_request(void *arg, struct MHD_Connection *connection, const char *url,
										  const char *method, const char *version, const char *data, size_t *size,
										  void **context);
extern void pd_http_on_completed(void *arg, struct MHD_Connection *connection, void **context,
								 enum MHD_RequestTerminationCode code);
extern void pd_http_request_over(struct pd_request *request);
extern void pd_http_unlink(struct pd_request *request); /* with http->mutex held */

/* framing.c */
struct pd_framing
{
	bool has_length;
	bool has_transfer_encoding;
	uint64_t length;
};

/* NULL, or what is wrong with it. */
extern const char *pd_http_check_framing(const struct pd_request *request, const char *url, const char *method,
										 const char *version, struct pd_framing *framing);

/* reply.c */
extern void pd_http_refuse(struct pd_request *request, int status, pk_error code, const char *message);
/* Resumes the request's connection if it is suspended; called with the mutex held, returns without it. */
extern void pd_http_wake_unlock(struct pd_request *request);

#endif
