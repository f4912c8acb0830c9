/*
 * api/block.c
 *	  PUT and GET of one block.
 *
 * A token was signed by the extension for one block; what it says is not
 * questioned further, but for the cell and, when it writes, the epoch.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "api/exchange.h"
#include "api/range.h"

/* Container of a member that a callback was given. */
#define EXCHANGE_OF(member, at) ((struct pd_exchange *) (void *) ((char *) (at) -offsetof(struct pd_exchange, member)))

/* A token of this cell; one that writes, of this incarnation and no epoch that was superseded. */
static bool
token_is_ours(const struct pd_exchange *exchange)
{
	static const uint8_t unbound[PK_UUID_SIZE];
	const pk_token *token = &exchange->token;
	uint8_t cell[PK_UUID_SIZE];
	pk_epoch epoch;

	pd_cell_identity(exchange->api->cell, cell, &epoch);
	if (memcmp(cell, unbound, sizeof(cell)) == 0 || memcmp(cell, token->cell, sizeof(cell)) != 0)
		return false;
	return token->method == PK_METHOD_GET ||
		   (token->epoch.incarnation == epoch.incarnation && pk_epoch_compare(&token->epoch, &epoch) >= 0);
}

static int64_t
begin_block(struct pd_exchange *exchange, const char *token, pk_method method, int64_t body_max)
{
	if (pd_api_verify_token(exchange, token, method) != PK_OK || !token_is_ours(exchange) ||
		exchange->token.length < PK_BLOCK_SIZE_MIN || exchange->token.length > PK_BLOCK_SIZE_MAX)
	{
		pd_api_reply_denied(exchange);
		return PK_ERR_DENIED;
	}
	return body_max < 0 ? (int64_t) exchange->token.length : body_max;
}

/*
 * A signed URL is the whole permission: a page from anywhere may use one that it was given, and the URL shall not travel on in a
 * Referer.  The same for every answer, so that none tells more than its status.
 */
static void
add_web_headers(struct pd_request *request)
{
	pd_request_add_header(request, "Access-Control-Allow-Origin", "*");
	pd_request_add_header(request, "Access-Control-Expose-Headers",
						  "Accept-Ranges, Content-Length, Content-Range, ETag");
	pd_request_add_header(request, "Referrer-Policy", "no-referrer");
	pd_request_add_header(request, "X-Content-Type-Options", "nosniff");
}

/* Whether the body that the headers announce cannot be the one that the token is for. */
static bool
announces_another_size(const struct pd_exchange *exchange)
{
	const char *length = pd_request_header(exchange->request, "Content-Length");

	return length != NULL && strtoull(length, NULL, 10) != exchange->token.length;
}

int64_t
pd_block_put_begin(struct pd_exchange *exchange, const char *rest)
{
	int64_t body_max;

	add_web_headers(exchange->request);
	body_max = begin_block(exchange, rest, PK_METHOD_PUT, -1);

	if (body_max >= 0 && announces_another_size(exchange))
	{
		pd_api_reply_denied(exchange);
		return PK_ERR_DENIED;
	}
	return body_max;
}

/* An entity tag in quotes: a block never changes, so its hash is a strong one. */
#define ETAG_SIZE (PK_SHA256_SIZE * 2 + 3)

static void
format_etag(char etag[ETAG_SIZE], const pk_token *token)
{
	etag[0] = '"';
	pk_hex_encode(etag + 1, token->hash, PK_SHA256_SIZE);
	memcpy(etag + 1 + PK_SHA256_SIZE * 2, "\"", 2);
}

/* Whether an If-None-Match, a list of tags or "*", names the block. */
static bool
names_tag(const char *header, const char *etag)
{
	return header != NULL && (strcmp(header, "*") == 0 || strstr(header, etag) != NULL);
}

/* Notes which part is wanted, and answers what can be without reading: false when it is answered. */
static bool
read_conditions(struct pd_exchange *exchange)
{
	struct pd_request *request = exchange->request;
	const char *if_range = pd_request_header(request, "If-Range");
	char etag[ETAG_SIZE];
	char content_range[64];
	enum pd_range range = PD_RANGE_WHOLE;
	uint64_t start = 0;
	uint64_t length = exchange->token.length;

	format_etag(etag, &exchange->token);
	pd_request_add_header(request, "ETag", etag);
	pd_request_add_header(request, "Accept-Ranges", "bytes");
	pd_request_add_header(request, "Cache-Control", "private, max-age=31536000, immutable");
	if (names_tag(pd_request_header(request, "If-None-Match"), etag))
	{
		pd_request_reply_text(request, 304, "application/octet-stream", "", 0);
		return false;
	}
	if (if_range == NULL || strcmp(if_range, etag) == 0)
		range = pd_range_parse(pd_request_header(request, "Range"), exchange->token.length, &start, &length);
	exchange->partial = range == PD_RANGE_PART;
	exchange->part_start = (uint32_t) start;
	exchange->part_length = (uint32_t) length;
	if (range == PD_RANGE_OUTSIDE)
	{
		snprintf(content_range, sizeof(content_range), "bytes */%u", exchange->token.length);
		pd_request_add_header(request, "Content-Range", content_range);
		pd_request_reply_text(request, 416, "application/octet-stream", "", 0);
		return false;
	}
	if (exchange->partial)
	{
		snprintf(content_range, sizeof(content_range), "bytes %u-%u/%u", exchange->part_start,
				 exchange->part_start + exchange->part_length - 1, exchange->token.length);
		pd_request_add_header(request, "Content-Range", content_range);
	}
	return true;
}

int64_t
pd_block_get_begin(struct pd_exchange *exchange, const char *rest)
{
	add_web_headers(exchange->request);
	return begin_block(exchange, rest, PK_METHOD_GET, 0);
}

/* A browser asks before it sends what no form could send. It is told the same of every URL, good or not. */
int64_t
pd_block_options_begin(struct pd_exchange *exchange, const char *rest)
{
	struct pd_request *request = exchange->request;

	(void) rest;
	add_web_headers(request);
	pd_request_add_header(request, "Access-Control-Allow-Methods", "GET, HEAD, PUT");
	pd_request_add_header(request, "Access-Control-Allow-Headers", "Content-Type, If-None-Match, If-Range, Range");
	pd_request_add_header(request, "Access-Control-Max-Age", "86400");
	return 0;
}

void
pd_block_options_finish(struct pd_exchange *exchange)
{
	pd_request_reply_text(exchange->request, 204, "application/octet-stream", "", 0);
}

/* Any thread, once: the block is durable, or it is not. */
static void
put_done(struct pd_put *put)
{
	static const char before[] = "{\"receipt\": \"";
	static const char after[] = "\"}\n";
	struct pd_exchange *exchange = EXCHANGE_OF(put, put);
	struct pd_api *api = exchange->api;
	pk_receipt receipt;
	pk_keyring keys;
	char text[sizeof(before) + PK_RECEIPT_TEXT + sizeof(after)];
	size_t length = sizeof(before) - 1;

	if (put->result != PK_OK)
	{
		pd_api_reply_error(exchange, put->result, put->err.text);
		return;
	}
	memset(&receipt, 0, sizeof(receipt));
	memcpy(receipt.cell, exchange->token.cell, sizeof(receipt.cell));
	receipt.ns_id = exchange->token.ns_id;
	receipt.bucket_id = put->bucket_id;
	receipt.offset = put->offset;
	receipt.stored_length = put->stored_length;
	receipt.length = put->length;
	receipt.crc32c = put->crc32c;
	memcpy(receipt.hash, put->hash, sizeof(receipt.hash));
	receipt.expires = pd_api_now_s(api) + PK_RECEIPT_LIFE_S;

	memcpy(text, before, length);
	pd_cell_keys(api->cell, &keys);
	pk_receipt_sign(text + length, &receipt, &keys);
	OPENSSL_cleanse(&keys, sizeof(keys));
	length += PK_RECEIPT_TEXT;
	memcpy(text + length, after, sizeof(after));
	length += sizeof(after) - 1;

	atomic_fetch_add(&api->metrics.blocks_put, 1);
	atomic_fetch_add(&api->metrics.bytes_put, put->length);
	pd_request_reply_text(exchange->request, 201, "application/json", text, length);
}

void
pd_block_put_arrived(struct pd_exchange *exchange, const uint8_t *data, size_t n)
{
	exchange->put.crc32c = pk_crc32c(exchange->put.crc32c, data, n);
}

/* Whether the body, whose checksum put has, is the block that the token is for. */
static bool
body_is_the_block(const pk_token *token, const uint8_t *body, size_t length, const struct pd_put *put)
{
	uint8_t hash[PK_SHA256_SIZE];

	if (length != token->length)
		return false;
	if (token->flags & PK_TOKEN_CRC_CHECKED)
		return put->crc32c == token->crc32c;
	pk_sha256(hash, body, length);
	return memcmp(hash, token->hash, sizeof(hash)) == 0;
}

void
pd_block_put_finish(struct pd_exchange *exchange)
{
	const pk_token *token = &exchange->token;
	struct pd_put *put = &exchange->put;
	size_t length = 0;
	struct pd_buffer *body = pd_request_body(exchange->request, &length);

	if (!token_is_ours(exchange)) /* again: a body may take longer than an epoch */
	{
		pd_api_reply_denied(exchange);
		return;
	}
	if (body == NULL || !body_is_the_block(token, body->data, length, put))
	{
		/* the server's own bytes were damaged on their way; a client has a URL that is not for his */
		if (token->flags & PK_TOKEN_CRC_CHECKED)
			pd_api_reply_error(exchange, PK_ERR_MALFORMED, "the body is not the block that this URL is for");
		else
			pd_api_reply_denied(exchange);
		return;
	}
	put->bucket_id = token->bucket_id;
	put->generation = token->generation;
	memcpy(put->hash, token->hash, sizeof(put->hash));
	put->length = token->length;
	put->body = body->data;
	put->done = put_done;
	pd_bucket_put(exchange->api->cell, put);
}

static bool
read_stream(void *arg, uint8_t *out, size_t n)
{
	struct pd_err err = {0};

	/* the stream has told the coordinator */
	return pd_stream_read(arg, out, n, &err) == PK_OK;
}

static void
release_stream(void *arg)
{
	pd_stream_free(arg);
}

static void
get_done(struct pd_get *get)
{
	struct pd_exchange *exchange = EXCHANGE_OF(get, get);
	struct pd_metrics *metrics = &exchange->api->metrics;

	if (get->degraded)
		atomic_fetch_add(&metrics->degraded_reads, 1);
	if (get->result != PK_OK)
	{
		pd_api_reply_error(exchange, get->result, get->err.text);
		return;
	}
	atomic_fetch_add(&metrics->blocks_get, 1);
	atomic_fetch_add(&metrics->bytes_get, get->length);
	if (get->stream != NULL)
	{
		const struct pd_source source = {read_stream, release_stream, get->stream};

		pd_request_reply_source(exchange->request, 200, &source, get->length);
		return;
	}
	pd_request_reply_buffer(exchange->request, exchange->partial ? 206 : 200, get->plain,
							get->plain_offset + exchange->part_start, exchange->part_length);
}

static bool
read_nothing(void *arg, uint8_t *out, size_t n)
{
	(void) arg;
	(void) out;
	(void) n;
	return false;
}

static void
release_nothing(void *arg)
{
	(void) arg;
}

/* What GET would say, without looking at the drive. */
void
pd_block_head_finish(struct pd_exchange *exchange)
{
	const struct pd_source source = {read_nothing, release_nothing, NULL};

	if (read_conditions(exchange))
		pd_request_reply_source(exchange->request, exchange->partial ? 206 : 200, &source, exchange->part_length);
}

void
pd_block_get_finish(struct pd_exchange *exchange)
{
	const pk_token *token = &exchange->token;
	struct pd_get *get = &exchange->get;

	if (!read_conditions(exchange))
		return;
	get->bucket_id = token->bucket_id;
	get->offset = token->offset;
	get->stored_length = token->stored_length;
	get->length = token->length;
	memcpy(get->hash, token->hash, sizeof(get->hash));
	/* who gets a part cannot check the whole */
	get->crc_checked = (token->flags & PK_TOKEN_CRC_CHECKED) != 0 && !exchange->partial;
	get->done = get_done;
	pd_block_get(exchange->api->cell, get);
}
