/*
 * net/reply.c
 *	  Making replies, from any thread.
 */
#include "net/http_impl.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define REFUSAL_BYTES 512
#define SOURCE_PIECE (512 * 1024) /* small enough to be sent out of the cache that it was made in */

/* What a response needs of a buffer until it has been sent. */
struct loan
{
	struct pd_buffer_pool *pool;
	struct pd_buffer *buffer;
};

void
pd_http_wake_unlock(struct pd_request *request)
{
	struct pd_http *http = request->http;
	struct MHD_Connection *connection = request->suspended ? request->connection : NULL;

	request->suspended = false;
	__atomic_add_fetch(&http->resuming, 1, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&request->mutex);

	/* the request may be over from here on, unless we are the one who lets it go on */
	if (connection != NULL)
		MHD_resume_connection(connection);
	__atomic_sub_fetch(&http->resuming, 1, __ATOMIC_SEQ_CST);
}

void
pd_request_add_header(struct pd_request *request, const char *name, const char *value)
{
	size_t size = strlen(value) + 1;
	struct pd_header *header = malloc(sizeof(*header) + size);

	if (header == NULL)
	{
		request->headers_lost = true;
		return;
	}
	header->name = name;
	memcpy(header->value, value, size);
	header->next = request->headers;
	request->headers = header;
}

/* The response with the headers that were added; NULL when that needs more memory than there is. */
static struct MHD_Response *
with_headers(const struct pd_request *request, struct MHD_Response *response)
{
	bool well = response != NULL && !request->headers_lost;

	for (const struct pd_header *header = request->headers; well && header != NULL; header = header->next)
		well = MHD_add_response_header(response, header->name, header->value) == MHD_YES;
	if (!well && response != NULL)
		MHD_destroy_response(response);
	return well ? response : NULL;
}

/* Takes response, which is NULL when there was no memory for it. */
static void
reply(struct pd_request *request, int status, struct MHD_Response *response, size_t length, bool streaming)
{
	response = with_headers(request, response);
	pthread_mutex_lock(&request->mutex);
	if (request->replied)
	{
		pthread_mutex_unlock(&request->mutex);
		pd_log(PD_LOG_ERROR, "a second reply to one request is dropped");
		if (response != NULL)
			MHD_destroy_response(response);
		return;
	}
	request->replied = true;
	request->failed = response == NULL;
	request->status = status;
	request->response = response;
	request->reply_length = length;
	request->streaming = streaming;
	/* the first newline takes the headers with it */
	request->beat = streaming;
	pd_http_wake_unlock(request);
}

static struct MHD_Response *
with_content_type(struct MHD_Response *response, const char *content_type)
{
	if (response != NULL && MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type) != MHD_YES)
	{
		MHD_destroy_response(response);
		return NULL;
	}
	return response;
}

void
pd_request_reply_text(struct pd_request *request, int status, const char *content_type, const char *text, size_t length)
{
	/* the library copies; its prototype only lacks the const */
	struct MHD_Response *response = MHD_create_response_from_buffer(length, (void *) text, MHD_RESPMEM_MUST_COPY);

	reply(request, status, with_content_type(response, content_type), length, false);
}

static void
end_loan(void *arg)
{
	struct loan *loan = arg;

	pd_buffer_put(loan->pool, loan->buffer);
	free(loan);
}

void
pd_request_reply_buffer(struct pd_request *request, int status, struct pd_buffer *buffer, size_t offset, size_t length)
{
	struct loan *loan = malloc(sizeof(*loan));
	struct MHD_Response *response = NULL;

	if (loan != NULL)
	{
		loan->pool = request->http->buffers;
		loan->buffer = buffer;
		response =
			MHD_create_response_from_buffer_with_free_callback_cls(length, buffer->data + offset, end_loan, loan);
	}
	if (response == NULL)
	{
		free(loan);
		pd_buffer_put(request->http->buffers, buffer);
	}
	reply(request, status, with_content_type(response, "application/octet-stream"), length, false);
}

static ssize_t
read_source(void *arg, uint64_t position, char *out, size_t size)
{
	struct pd_source *source = arg;

	(void) position; /* one after the other */
	return source->read(source->arg, (uint8_t *) out, size) ? (ssize_t) size : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void
end_source(void *arg)
{
	struct pd_source *source = arg;

	source->release(source->arg);
	free(source);
}

void
pd_request_reply_source(struct pd_request *request, int status, const struct pd_source *source, size_t length)
{
	struct pd_source *copy = malloc(sizeof(*copy));
	struct MHD_Response *response = NULL;

	if (copy != NULL)
	{
		*copy = *source;
		response = MHD_create_response_from_callback(length, SOURCE_PIECE, read_source, copy, end_source);
	}
	if (response == NULL)
	{
		free(copy);
		source->release(source->arg);
	}
	reply(request, status, with_content_type(response, "application/octet-stream"), length, false);
}

void
pd_http_refuse(struct pd_request *request, int status, pk_error code, const char *message)
{
	char text[REFUSAL_BYTES];
	struct MHD_Response *response;
	int length = snprintf(text, sizeof(text), "{\"error\": {\"code\": \"%s\", \"message\": \"%s\"}}",
						  pk_error_lookup(code)->name, message);

	response = MHD_create_response_from_buffer((size_t) length, text, MHD_RESPMEM_MUST_COPY);
	response = with_content_type(response, "application/json");
	if (response != NULL)
		(void) MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	reply(request, status, response, (size_t) length, false);
}

/* --- long replies --- */

/* Called by libmicrohttpd on the listener thread whenever the connection can take more. */
static ssize_t
read_stream(void *arg, uint64_t position, char *out, size_t size)
{
	struct pd_request *request = arg;
	ssize_t given = 0;

	(void) position;
	pthread_mutex_lock(&request->mutex);
	if (request->ended)
	{
		size_t rest = request->text_length - request->text_sent;

		if (request->failed)
			given = MHD_CONTENT_READER_END_WITH_ERROR;
		else if (rest == 0)
			given = MHD_CONTENT_READER_END_OF_STREAM;
		else
		{
			given = (ssize_t) (rest < size ? rest : size);
			memcpy(out, request->text + request->text_sent, (size_t) given);
			request->text_sent += (size_t) given;
		}
	}
	else if (request->beat)
	{
		request->beat = false;
		out[0] = '\n';
		given = 1;
	}
	else
	{
		request->suspended = true;
		MHD_suspend_connection(request->connection);
	}
	pthread_mutex_unlock(&request->mutex);
	return given;
}

void
pd_request_reply_begin(struct pd_request *request)
{
	struct MHD_Response *response =
		MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 1024, read_stream, request, NULL);

	reply(request, MHD_HTTP_OK, with_content_type(response, "application/json"), 0, true);
}

void
pd_request_reply_end(struct pd_request *request, const char *text, size_t length)
{
	struct pd_http *http = request->http;
	char *copy = malloc(length + 1);
	bool orphaned;

	if (copy != NULL)
		memcpy(copy, text, length);

	pthread_mutex_lock(&request->mutex);
	request->text = copy;
	request->text_length = length;
	request->failed = request->failed || copy == NULL;
	request->ended = true;
	orphaned = request->orphaned;
	if (!orphaned)
	{
		pd_http_wake_unlock(request);
		return;
	}
	__atomic_add_fetch(&http->resuming, 1, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&request->mutex);

	/* nobody listens any more: the ticker releases it */
	pthread_mutex_lock(&http->mutex);
	pd_http_unlink(request);
	request->next = http->orphans;
	http->orphans = request;
	pthread_cond_signal(&http->wake);
	pthread_mutex_unlock(&http->mutex);
	__atomic_sub_fetch(&http->resuming, 1, __ATOMIC_SEQ_CST);
}

bool
pd_request_gone(const struct pd_request *request)
{
	struct pd_request *locked = (struct pd_request *) request;
	struct pollfd poll_fd = {.events = POLLRDHUP};
	bool gone;

	pthread_mutex_lock(&locked->mutex);
	gone = request->connection == NULL;
	if (!gone)
	{
		/* under the mutex, so that the descriptor is not closed and given to somebody else */
		poll_fd.fd = request->fd;
		gone = poll(&poll_fd, 1, 0) > 0 && (poll_fd.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
	}
	pthread_mutex_unlock(&locked->mutex);
	return gone;
}
