/*
 * regress/unit/api/handlers.h
 *	  Requests of blocks and orders to an api on the fakes of fake.h.
 */
#ifndef TEST_API_HANDLERS_H
#define TEST_API_HANDLERS_H

#include "fake.h"

static struct pd_cell cell;
static struct pd_drive drive_a = {0};
static struct pd_drive drive_b = {1};
static struct pd_drive *const drives[] = {&drive_a, &drive_b};
static struct pd_api *api;
static char token_text[PK_TOKEN_TEXT + 1];

static const char denied[] = "{\"error\":{\"code\":\"denied\",\"message\":\"access denied\"}}";

static inline int
setup(void **state)
{
	const struct pd_api_options options = {&cell, drives, 2, NULL, &pd_vfs_real, "east"};
	struct pd_err err;

	(void) state;
	memset(&fake, 0, sizeof(fake));
	sem_init(&fake.hold, 0, 0);
	sem_init(&fake.info_hold, 0, 0);
	fake.keys.count = 1;
	fake.keys.keys[0].id = 3;
	memset(fake.keys.keys[0].secret, 7, PK_KEY_SIZE);
	memset(fake.uuid, 0xc0, PK_UUID_SIZE);
	fake.epoch = (pk_epoch){11, 2, 5};
	for (size_t i = 0; i < sizeof(fake_plain); i++)
		fake_plain[i] = (uint8_t) i;
	api = pd_api_create(&options, &err);
	return api == NULL;
}

static inline int
teardown(void **state)
{
	(void) state;
	pd_api_free(api);
	sem_destroy(&fake.hold);
	return 0;
}

/* A token that is good here and now, for a block of 60 bytes. */
static inline pk_token
good_token(pk_method method)
{
	pk_token token;

	memset(&token, 0, sizeof(token));
	token.method = (uint8_t) method;
	memcpy(token.cell, fake.uuid, PK_UUID_SIZE);
	token.ns_id = method == PK_METHOD_PUT ? 21 : 0;
	token.bucket_id = method == PK_METHOD_ORDER ? 0 : 99;
	token.offset = method == PK_METHOD_GET ? 4096 : 0;
	token.stored_length = method == PK_METHOD_GET ? 192 : 0;
	token.length = 60;
	token.crc32c = pk_crc32c(0, fake_plain + 4, 60);
	token.generation = method == PK_METHOD_PUT ? 6 : 0;
	pk_sha256(token.hash, fake_plain + 4, 60);
	token.epoch = fake.epoch;
	token.expires = (uint64_t) pd_vfs_real.now_us(&pd_vfs_real) / 1000000 + 60;
	return token;
}

/* A request for a block under a token; returns the status, *text is to be freed. */
static inline int
block(const char *method, pk_token token, size_t body_length, char **text)
{
	struct pd_request request = {0};
	char path[400];
	int status;

	pk_token_sign(token_text, &token, &fake.keys);
	snprintf(path, sizeof(path), "/block/%s", token_text);
	if (method[0] == 'P')
	{
		request.body.data = fake_plain + 4;
		request.body_length = body_length;
	}
	request_begin(api, &request, method, path);
	status = request_end(api, &request);
	*text = request.text;
	return status;
}

static inline void
expect_denied(const char *method, pk_token token)
{
	char *text;

	assert_int_equal(block(method, token, 60, &text), 403);
	assert_string_equal(text, denied);
	free(text);
}

static char order_authorization[PK_TOKEN_TEXT + 16];

/* The body with the name of its order, unless it has one or is no object. */
static inline const char *
named(const char *verb, const char *body)
{
	static char texts[8][16384];
	static unsigned turn;
	char *text = texts[turn++ % 8];

	if (body[0] != '{' || strstr(body, "\"order\"") != NULL)
		return body;
	snprintf(text, sizeof(texts[0]), "{\"order\":\"%s\"%s%s", verb, body[1] == '}' ? "" : ",", body + 1);
	return text;
}

static inline void
order_begin(struct pd_request *request, const char *verb, const char *body, pk_token token)
{
	static char path[64];

	body = named(verb, body);
	token.length = (uint32_t) strlen(body);
	pk_sha256(token.hash, body, strlen(body));
	pk_token_sign(token_text, &token, &fake.keys);
	snprintf(order_authorization, sizeof(order_authorization), "Pocket %s", token_text);
	snprintf(path, sizeof(path), "/order/%s", verb);
	request->authorization = order_authorization;
	request->body.data = (uint8_t *) (uintptr_t) body;
	request->body_length = strlen(body);
	request_begin(api, request, "POST", path);
}

/* Carries out an order and returns its answer, which is 200 and JSON whatever happened. */
static inline json_t *
order_with(const char *verb, const char *body, pk_token token)
{
	struct pd_request request = {0};
	json_t *answer;

	order_begin(&request, verb, body, token);
	assert_int_equal(request_end(api, &request), 200);
	assert_true(request.streamed);
	answer = json_loads(request.text, 0, NULL);
	assert_non_null(answer);
	free(request.text);
	return answer;
}

static inline json_t *
order(const char *verb, const char *body)
{
	return order_with(verb, body, good_token(PK_METHOD_ORDER));
}

/* The code of an answer that is an error, "" otherwise. Takes the answer. */
static inline const char *
code_of(json_t *answer)
{
	static char code[32];
	const char *text = "";

	(void) json_unpack(answer, "{s{ss}}", "error", "code", &text);
	snprintf(code, sizeof(code), "%s", text);
	json_decref(answer);
	return code;
}

static inline int64_t
integer_of(json_t *answer, const char *name)
{
	int64_t value =
		json_is_integer(json_object_get(answer, name)) ? json_integer_value(json_object_get(answer, name)) : -1;

	json_decref(answer);
	return value;
}

#define UUID1 "\"00000000-0000-0000-0000-000000000001\""
#define UUID2 "\"00000000-0000-0000-0000-000000000002\""
#define OPEN(rest) "{\"volume\":5,\"bucket\":6,\"generation\":1,\"capacity\":1048576,\"drives\":[" rest "]}"
#define HASH "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define BLOCK(offset, stored, length, hash) \
	"{\"offset\":" offset ",\"stored_length\":" stored ",\"length\":" length ",\"hash\":\"" hash "\"}"
#define COPY(bucket, offset) \
	"{\"bucket\":" bucket ",\"offset\":" offset ",\"stored_length\":192,\"length\":1,\"hash\":\"" HASH "\"}"
#define WATCH(blocks) "{\"drive\":" UUID1 ",\"bucket\":6,\"blocks\":[" blocks "]}"
#define LIST(drive, after, max) "{\"drive\":" drive ",\"after\":" after ",\"max\":" max "}"
#define RECORDS(bucket, after, max) "{\"drive\":" UUID1 ",\"bucket\":" bucket ",\"after\":" after ",\"max\":" max "}"
#define REPLICA1 "{\"drive\":" UUID1 ",\"bucket\":6,\"length\":640}"
#define REPLICA2 "{\"drive\":" UUID2 ",\"bucket\":6,\"length\":640}"
#define REPLICATED "\"volume\":5,\"generation\":2,\"code\":\"replicated\",\"members\":[" REPLICA1 "," REPLICA2 "]"
#define DATA "{\"drive\":" UUID1 ",\"bucket\":9,\"length\":128}"
#define VIRTUAL "{\"drive\":null,\"bucket\":0,\"length\":0}"
#define PARITY "{\"drive\":" UUID2 ",\"bucket\":0,\"length\":0}"
#define CODED                                                                                                   \
	"\"volume\":5,\"generation\":2,\"code\":\"rs(6,3)\",\"members\":[" DATA "," DATA "," DATA "," DATA "," DATA \
	"," VIRTUAL "," PARITY "," PARITY "," PARITY "]"

#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

#endif
