/*
 * net/request.c
 *	  A request from its first line to its end: libmicrohttpd's callbacks.
 */
#include "net/http_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* --- the handler's view --- */

const char *
pd_request_method(const struct pd_request *request)
{
	return request->method;
}

const char *
pd_request_path(const struct pd_request *request)
{
	return request->path;
}

const char *
pd_request_header(const struct pd_request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

void
pd_request_attach(struct pd_request *request, void *state)
{
	request->attached = state;
}

void *
pd_request_attached(const struct pd_request *request)
{
	return request->attached;
}

struct pd_buffer *
pd_request_body(struct pd_request *request, size_t *length)
{
	*length = request->body_length;
	return request->body;
}

struct pd_buffer *
pd_request_take_body(struct pd_request *request, size_t *length)
{
	struct pd_buffer *body = pd_request_body(request, length);

	request->body = NULL;
	return body;
}

/* --- beginning and end --- */

/*
 * The target as it came, before anything of it is unescaped or cut: our paths
 * have no escapes, so one that has some is simply another path.
 */
void *
pd_http_on_target(void *arg, const char *target, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct pd_request *request = calloc(1, sizeof(*request));

	if (request == NULL)
		return NULL;
	request->path = strdup(target != NULL ? target : "");
	if (request->path == NULL || fd == NULL)
	{
		free(request->path);
		free(request);
		return NULL;
	}
	request->http = arg;
	request->connection = connection;
	request->fd = fd->connect_fd;
	request->target_length = strlen(request->path);
	pthread_mutex_init(&request->mutex, NULL);
	return request;
}

void
pd_http_unlink(struct pd_request *request)
{
	if (request->previous != NULL)
		request->previous->next = request->next;
	else
		request->http->requests = request->next;
	if (request->next != NULL)
		request->next->previous = request->previous;
}

/* Of a request that is in no list. */
void
pd_http_request_over(struct pd_request *request)
{
	struct pd_http *http = request->http;

	if (request->begun)
		http->handler.release(http->handler.arg, request);
	pd_buffer_put(http->buffers, request->body);
	if (request->response != NULL)
		MHD_destroy_response(request->response);

	pthread_mutex_destroy(&request->mutex);
	while (request->headers != NULL)
	{
		struct pd_header *next = request->headers->next;

		free(request->headers);
		request->headers = next;
	}
	free(request->text);
	free(request->method);
	free(request->path);
	free(request);
}

void
pd_http_on_completed(void *arg, struct MHD_Connection *connection, void **context, enum MHD_RequestTerminationCode code)
{
	struct pd_request *request = *context;

	(void) arg;
	(void) connection;
	(void) code;
	if (request == NULL)
		return;
	*context = NULL;
	pd_http_set_deadline(request, 0);

	pthread_mutex_lock(&request->mutex);
	request->connection = NULL;
	request->orphaned = request->streaming && !request->ended;
	if (request->orphaned)
	{
		/* whoever does the work still has the request, and ends it by pd_request_reply_end() */
		pthread_mutex_unlock(&request->mutex);
		return;
	}
	pthread_mutex_unlock(&request->mutex);

	if (request->begun)
	{
		pthread_mutex_lock(&request->http->mutex);
		pd_http_unlink(request);
		pthread_mutex_unlock(&request->http->mutex);
	}
	pd_http_request_over(request);
}

/* --- its course --- */

/* Gives libmicrohttpd the reply that was made, or suspends the connection until there is one. */
static enum MHD_Result
settle(struct pd_request *request)
{
	struct MHD_Response *response;
	enum MHD_Result result;
	bool replied;

	pthread_mutex_lock(&request->mutex);
	replied = request->replied;
	response = request->response;
	request->response = NULL;
	if (!replied)
	{
		/* inside the mutex: a reply that comes now waits for it, and then resumes */
		request->suspended = true;
		MHD_suspend_connection(request->connection);
	}
	pthread_mutex_unlock(&request->mutex);

	if (!replied)
		return MHD_YES;
	if (response == NULL)
		return MHD_NO; /* there was no memory for it */
	request->phase = PHASE_REPLY;
	if (request->streaming)
		pd_http_clear_deadline(request);
	else
		pd_http_set_deadline(request, request->reply_length);
	result = MHD_queue_response(request->connection, (unsigned int) request->status, response);
	MHD_destroy_response(response);
	return result;
}

/*
 * Gives the request to the handler, for begin and again for finish, unless the
 * listener is stopping: the decision and the note that a reply may be owed are one
 * step, so that pd_http_stop() misses none.
 */
static bool
lend(struct pd_request *request)
{
	struct pd_http *http = request->http;
	bool stopping;

	pthread_mutex_lock(&http->mutex);
	stopping = http->stopping;
	if (!stopping)
	{
		if (!request->begun)
		{
			request->next = http->requests;
			if (request->next != NULL)
				request->next->previous = request;
			http->requests = request;
			request->begun = true;
		}
		pthread_mutex_lock(&request->mutex);
		request->owed = true;
		pthread_mutex_unlock(&request->mutex);
	}
	pthread_mutex_unlock(&http->mutex);

	if (stopping)
		pd_http_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, PK_ERR_UNAVAILABLE, "the server is stopping");
	return !stopping;
}

static enum MHD_Result
body_complete(struct pd_request *request)
{
	struct pd_http *http = request->http;

	request->phase = PHASE_HANDED;
	if (request->body_length != request->body_expected)
		pd_http_refuse(request, MHD_HTTP_BAD_REQUEST, PK_ERR_MALFORMED, "the body is shorter than it says");
	else if (lend(request))
	{
		pd_http_clear_deadline(request);
		http->handler.finish(http->handler.arg, request);
	}
	return settle(request);
}

/* Whether a body of the length said is wanted; if not, the refusal is made. */
static bool
accept_length(struct pd_request *request, const struct pd_framing *framing, int64_t limit)
{
	if (limit > 0 && !framing->has_length)
		pd_http_refuse(request, MHD_HTTP_LENGTH_REQUIRED, PK_ERR_MALFORMED, "Content-Length is required");
	else if (framing->has_transfer_encoding)
		pd_http_refuse(request, MHD_HTTP_BAD_REQUEST, PK_ERR_MALFORMED, "no body is expected");
	else if (framing->length > (uint64_t) limit)
		pd_http_refuse(request, MHD_HTTP_CONTENT_TOO_LARGE, PK_ERR_TOO_LARGE, "the body is larger than allowed");
	else
		return true;
	return false;
}

/* begin has returned: whether it made a reply. */
static bool
take_back(struct pd_request *request)
{
	bool replied;

	pthread_mutex_lock(&request->mutex);
	replied = request->replied;
	request->owed = false;
	pthread_mutex_unlock(&request->mutex);
	return replied;
}

/* Asks the handler; true when the body is to be read, false when the reply is made. */
static bool
begin(struct pd_request *request, const struct pd_framing *framing)
{
	struct pd_http *http = request->http;
	int64_t limit;

	if (!lend(request))
		return false;
	limit = http->handler.begin(http->handler.arg, request);
	if (take_back(request))
		return false;
	if (limit < 0)
	{
		pd_http_refuse(request, MHD_HTTP_INTERNAL_SERVER_ERROR, PK_ERR_INTERNAL, "no reason was given");
		return false;
	}
	if (!accept_length(request, framing, limit))
		return false;
	if (framing->length > 0)
	{
		request->body = pd_buffer_get(http->buffers, (size_t) framing->length);
		if (request->body == NULL)
		{
			pd_http_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, PK_ERR_NO_MEMORY, "no memory for the body");
			return false;
		}
		request->body_expected = (size_t) framing->length;
	}
	return true;
}

static enum MHD_Result
headers_complete(struct pd_request *request, const char *url, const char *method, const char *version)
{
	struct pd_framing framing;
	const char *problem = pd_http_check_framing(request, url, method, version, &framing);

	/* the query is no part of the path; the whole target has been checked */
	request->path[strcspn(request->path, "?")] = '\0';
	request->method = strdup(method);
	if (request->method == NULL)
		return MHD_NO;

	if (problem != NULL)
		pd_http_refuse(request, MHD_HTTP_BAD_REQUEST, PK_ERR_MALFORMED, problem);
	else if (begin(request, &framing))
	{
		request->phase = PHASE_BODY;
		pd_http_set_deadline(request, request->body_expected);
		return MHD_YES;
	}

	/*
	 * A reply that is queued in this first call closes the connection. So it is when there is a body, which stays
	 * unread; without one the next call, which comes at once, queues it and keeps the connection.
	 */
	request->phase = PHASE_HANDED;
	if (problem != NULL || framing.has_transfer_encoding || framing.length > 0)
		return settle(request);
	return MHD_YES;
}

static enum MHD_Result
take_body(struct pd_request *request, const char *data, size_t *size)
{
	const struct pd_http_handler *handler = &request->http->handler;

	if (*size > request->body_expected - request->body_length)
		return MHD_NO;
	memcpy(request->body->data + request->body_length, data, *size);
	if (handler->arrived != NULL)
		handler->arrived(handler->arg, request, request->body->data + request->body_length, *size);
	request->body_length += *size;
	*size = 0;
	return MHD_YES;
}

enum MHD_Result
pd_http_on_request(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
				   const char *version, const char *data, size_t *size, void **context)
{
	struct pd_request *request = *context;

	(void) arg;
	(void) connection;
	if (request == NULL)
		return MHD_NO; /* there was no memory for it */

	switch (request->phase)
	{
		case PHASE_HEADERS:
			return headers_complete(request, url, method, version);
		case PHASE_BODY:
			if (*size > 0)
				return take_body(request, data, size);
			return body_complete(request);
		case PHASE_HANDED:
			return settle(request);
		case PHASE_REPLY:
			break;
	}
	return MHD_NO;
}
