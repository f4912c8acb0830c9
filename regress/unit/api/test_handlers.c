/*
 * Who may put, get and order, what is handed to the volume, and what is answered.
 */
#include "fake.h"

static struct pd_cell cell;
static struct pd_drive drive_a = {0};
static struct pd_drive drive_b = {1};
static struct pd_drive *const drives[] = {&drive_a, &drive_b};
static struct pd_api *api;
static char token_text[PK_TOKEN_TEXT + 1];

static const char denied[] = "{\"error\":{\"code\":\"denied\",\"message\":\"access denied\"}}";

static int
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

static int
teardown(void **state)
{
	(void) state;
	pd_api_free(api);
	sem_destroy(&fake.hold);
	return 0;
}

/* A token that is good here and now, for a block of 60 bytes. */
static pk_token
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
static int
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

static void
expect_denied(const char *method, pk_token token)
{
	char *text;

	assert_int_equal(block(method, token, 60, &text), 403);
	assert_string_equal(text, denied);
	free(text);
}

static void
whatever_is_wrong_with_a_url_is_said_in_the_same_words(void **state)
{
	static const char *const methods[] = {"PUT", "GET"};
	static const char *const paths[] = {"/block/", "/block/x", "/block/../etc", "/block/AAAA/AAAA"};
	char *text;
	pk_token token;

	(void) state;
	for (int i = 0; i < 2; i++)
	{
		pk_method method = i == 0 ? PK_METHOD_PUT : PK_METHOD_GET;

		token = good_token(method);
		token.cell[0] ^= 1;
		expect_denied(methods[i], token);
		token = good_token(method);
		token.expires = 1;
		expect_denied(methods[i], token);
		token = good_token(method);
		token.not_before = token.expires;
		expect_denied(methods[i], token);
		expect_denied(methods[1 - i], good_token(method));
		expect_denied("DELETE", good_token(method));
		expect_denied("POST", good_token(method));
		expect_denied(methods[i], good_token(PK_METHOD_ORDER));
		for (size_t p = 0; p < sizeof(paths) / sizeof(paths[0]); p++)
		{
			struct pd_request request = {0};

			request_begin(api, &request, methods[i], paths[p]);
			assert_int_equal(request_end(api, &request), 403);
			assert_true(request.begun < 0);
			assert_string_equal(request.text, denied);
			free(request.text);
		}
	}
	assert_int_equal(block("GET", good_token(PK_METHOD_GET), 0, &text), 200);
	free(text);
	memset(fake.uuid, 0, PK_UUID_SIZE);
	expect_denied("PUT", good_token(PK_METHOD_PUT));
	expect_denied("GET", good_token(PK_METHOD_GET));
}

static void
a_superseded_epoch_writes_nothing_and_reads_still(void **state)
{
	pk_token token = good_token(PK_METHOD_PUT);
	char *text;

	(void) state;
	token.epoch.starts--;
	expect_denied("PUT", token);
	token = good_token(PK_METHOD_PUT);
	token.epoch.incarnation++;
	expect_denied("PUT", token);
	token = good_token(PK_METHOD_PUT);
	token.epoch.timeline++;
	assert_int_equal(block("PUT", token, 60, &text), 201);
	free(text);

	token = good_token(PK_METHOD_GET);
	token.epoch = (pk_epoch){1, 1, 1};
	assert_int_equal(block("GET", token, 0, &text), 200);
	free(text);
}

static void
a_put_is_answered_with_a_receipt_for_it(void **state)
{
	char *text;
	const char *receipt_text;
	json_t *json;
	pk_receipt receipt;
	pk_token token = good_token(PK_METHOD_PUT);
	uint64_t now = (uint64_t) pd_vfs_real.now_us(&pd_vfs_real) / 1000000;

	(void) state;
	for (int crc_checked = 0; crc_checked < 2; crc_checked++)
	{
		token.flags = crc_checked ? PK_TOKEN_CRC_CHECKED : 0;
		assert_int_equal(block("PUT", token, 60, &text), 201);
		json = json_loads(text, 0, NULL);
		assert_int_equal(json_unpack(json, "{ss}", "receipt", &receipt_text), 0);
		assert_int_equal(pk_receipt_verify(&receipt, receipt_text, strlen(receipt_text), &fake.keys, now), PK_OK);
		assert_memory_equal(receipt.cell, fake.uuid, PK_UUID_SIZE);
		assert_memory_equal(receipt.hash, token.hash, PK_SHA256_SIZE);
		assert_int_equal(receipt.ns_id, 21);
		assert_int_equal(receipt.bucket_id, 99);
		assert_int_equal(receipt.offset, 4096);
		assert_int_equal(receipt.stored_length, 192);
		assert_int_equal(receipt.length, 60);
		assert_int_equal(receipt.crc32c, token.crc32c);
		assert_in_range(receipt.expires, now + PK_RECEIPT_LIFE_S, now + PK_RECEIPT_LIFE_S + 5);
		assert_int_equal(fake.number, 6);
		json_decref(json);
		free(text);
	}
}

static void
a_get_may_be_answered_by_a_stream(void **state)
{
	pk_token token = good_token(PK_METHOD_GET);
	char *text;

	(void) state;
	fake.streams = true;
	fake.streams_freed = 0;
	token.flags = PK_TOKEN_CRC_CHECKED;
	assert_int_equal(block("GET", token, 0, &text), 200);
	free(text);
	assert_int_equal(fake.streams_freed, 1);
	fake.streams = false;
}

/* The reply to a request for the 60 bytes; text is to be freed. */
static struct pd_request
conditional(const char *method, const char *range, const char *if_range, const char *if_none_match)
{
	struct pd_request request = {.range = range, .if_range = if_range, .if_none_match = if_none_match};
	pk_token token = good_token(PK_METHOD_GET);
	char path[400];

	token.flags = PK_TOKEN_CRC_CHECKED;
	pk_token_sign(token_text, &token, &fake.keys);
	snprintf(path, sizeof(path), "/block/%s", token_text);
	request_begin(api, &request, method, path);
	(void) request_end(api, &request);
	return request;
}

static void
a_part_of_a_block_is_answered(void **state)
{
	static const struct
	{
		const char *range;
		int status;
		size_t start;
		size_t length;
		const char *header;
	} cases[] = {
		{NULL, 200, 0, 60, NULL},
		{"bytes=0-0", 206, 0, 1, "Content-Range: bytes 0-0/60\n"},
		{"bytes=10-19", 206, 10, 10, "Content-Range: bytes 10-19/60\n"},
		{"BYTES=59-", 206, 59, 1, "Content-Range: bytes 59-59/60\n"},
		{"bytes=50-99", 206, 50, 10, "Content-Range: bytes 50-59/60\n"},
		{"bytes=50-99999999999999999999999", 206, 50, 10, "Content-Range: bytes 50-59/60\n"},
		{"bytes=-7", 206, 53, 7, "Content-Range: bytes 53-59/60\n"},
		{"bytes=-600", 206, 0, 60, "Content-Range: bytes 0-59/60\n"},
		{"bytes=60-", 416, 0, 0, "Content-Range: bytes */60\n"},
		{"bytes=99999999999999999999-", 416, 0, 0, "Content-Range: bytes */60\n"},
		{"bytes=-0", 416, 0, 0, "Content-Range: bytes */60\n"},
		{"bytes=9-3", 200, 0, 60, NULL},
		{"bytes=1-2,4-5", 200, 0, 60, NULL},
		{"bytes=-", 200, 0, 60, NULL},
		{"bytes=", 200, 0, 60, NULL},
		{"bytes=1", 200, 0, 60, NULL},
		{"bytes=1-2x", 200, 0, 60, NULL},
		{"lines=1-2", 200, 0, 60, NULL},
	};

	(void) state;
	fake.streams = true; /* who gets a part cannot check the whole: it is read and proved first */
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		struct pd_request got = conditional("GET", cases[i].range, NULL, NULL);
		struct pd_request head = conditional("HEAD", cases[i].range, NULL, NULL);

		assert_int_equal(got.status, cases[i].status);
		assert_int_equal(head.status, cases[i].status);
		assert_string_equal(head.headers, got.headers);
		assert_int_equal(got.length, cases[i].length);
		assert_memory_equal(got.text, fake_plain + 4 + cases[i].start, cases[i].length);
		if (cases[i].header != NULL)
			assert_non_null(strstr(got.headers, cases[i].header));
		else
			assert_null(strstr(got.headers, "\nContent-Range:"));
		assert_non_null(strstr(got.headers, "Accept-Ranges: bytes\n"));
		assert_non_null(strstr(got.headers, "Referrer-Policy: no-referrer\n"));
		assert_non_null(strstr(got.headers, "Access-Control-Allow-Origin: *\n"));
		free(got.text);
		free(head.text);
	}
}

static void
a_block_is_told_by_its_tag(void **state)
{
	struct pd_request request = conditional("GET", NULL, NULL, NULL);
	char etag[80] = "";
	char list[200];

	(void) state;
	assert_int_equal(sscanf(strstr(request.headers, "ETag: "), "ETag: %79s", etag), 1);
	assert_int_equal(strlen(etag), 2 * PK_SHA256_SIZE + 2);
	free(request.text);
	snprintf(list, sizeof(list), "\"other\", %s", etag);
	request = conditional("GET", "bytes=1-2", NULL, list);
	assert_int_equal(request.status, 304);
	assert_int_equal(request.length, 0);
	free(request.text);
	request = conditional("GET", "bytes=1-2", etag, "\"other\"");
	assert_int_equal(request.status, 206);
	free(request.text);
	request = conditional("GET", "bytes=1-2", "\"other\"", NULL);
	assert_int_equal(request.status, 200);
	free(request.text);
}

static void
a_browser_that_asks_first_is_told_the_same_of_any_url(void **state)
{
	struct pd_request good = conditional("OPTIONS", NULL, NULL, NULL);
	struct pd_request bad = {0};

	(void) state;
	request_begin(api, &bad, "OPTIONS", "/block/nonsense");
	assert_int_equal(request_end(api, &bad), 204);
	assert_int_equal(good.status, 204);
	assert_string_equal(good.headers, bad.headers);
	assert_non_null(strstr(bad.headers, "Access-Control-Allow-Methods: GET, HEAD, PUT\n"));
	free(good.text);
	free(bad.text);
}

static void
a_body_that_is_not_the_block_is_refused(void **state)
{
	pk_token token = good_token(PK_METHOD_PUT);
	char *text;

	struct pd_request request = {.content_length = "61"};
	char path[400];

	(void) state;
	assert_int_equal(block("PUT", token, 59, &text), 403);
	free(text);
	pk_token_sign(token_text, &token, &fake.keys);
	snprintf(path, sizeof(path), "/block/%s", token_text);
	request_begin(api, &request, "PUT", path);
	assert_int_equal(request_end(api, &request), 403);
	assert_true(request.begun < 0); /* not a byte of it was read */
	assert_string_equal(request.text, denied);
	free(request.text);
	token.hash[0] ^= 1;
	expect_denied("PUT", token);
	/* the signer vouches for the hash, and the CRC is held */
	token.flags = PK_TOKEN_CRC_CHECKED;
	assert_int_equal(block("PUT", token, 60, &text), 201);
	free(text);
	token.crc32c ^= 1;
	assert_int_equal(block("PUT", token, 60, &text), 400);
	assert_non_null(strstr(text, "\"malformed\""));
	free(text);
	assert_int_equal(fake.id, 99);
}

static void
failures_have_the_status_and_code_of_the_contract(void **state)
{
	char *text;

	(void) state;
	fake.next = PK_ERR_BUCKET_CLOSED;
	assert_int_equal(block("PUT", good_token(PK_METHOD_PUT), 60, &text), 409);
	assert_string_equal(text, "{\"error\":{\"code\":\"bucket_closed\",\"message\":\"as the test wants it\"}}");
	free(text);
	fake.next = PK_ERR_BLOCK_LOST;
	assert_int_equal(block("GET", good_token(PK_METHOD_GET), 0, &text), 500);
	assert_non_null(strstr(text, "\"block_lost\""));
	free(text);
}

static void
a_get_answers_the_plain_bytes(void **state)
{
	struct pd_request request = {0};
	char path[400];
	pk_token token = good_token(PK_METHOD_GET);

	(void) state;
	pk_token_sign(token_text, &token, &fake.keys);
	snprintf(path, sizeof(path), "/block/%s", token_text);
	request_begin(api, &request, "GET", path);
	assert_int_equal(request_end(api, &request), 200);
	assert_int_equal(request.begun, 0);
	assert_int_equal(request.length, 60);
	assert_memory_equal(request.text, fake_plain + 4, 60);
	assert_int_equal(fake.number, 4096);
	free(request.text);
}

static char order_authorization[PK_TOKEN_TEXT + 16];

/* The body with the name of its order, unless it has one or is no object. */
static const char *
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

static void
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
static json_t *
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

static json_t *
order(const char *verb, const char *body)
{
	return order_with(verb, body, good_token(PK_METHOD_ORDER));
}

/* The code of an answer that is an error, "" otherwise. Takes the answer. */
static const char *
code_of(json_t *answer)
{
	static char code[32];
	const char *text = "";

	(void) json_unpack(answer, "{s{ss}}", "error", "code", &text);
	snprintf(code, sizeof(code), "%s", text);
	json_decref(answer);
	return code;
}

static int64_t
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

static void
orders_need_a_token_for_just_their_body(void **state)
{
	struct pd_request request = {0};
	pk_token token = good_token(PK_METHOD_ORDER);

	(void) state;
	/* a token for another body */
	token.length = 2;
	pk_sha256(token.hash, "[]", 2);
	pk_token_sign(token_text, &token, &fake.keys);
	snprintf(order_authorization, sizeof(order_authorization), "Pocket %s", token_text);
	request.authorization = order_authorization;
	request.body.data = (uint8_t *) "{}";
	request.body_length = 2;
	request_begin(api, &request, "POST", "/order/status");
	assert_int_equal(request_end(api, &request), 403);
	assert_string_equal(request.text, denied);
	free(request.text);

	for (int i = 0; i < 3; i++)
	{
		memset(&request, 0, sizeof(request));
		token = good_token(i == 0 ? PK_METHOD_PUT : PK_METHOD_ORDER);
		pk_token_sign(token_text, &token, &fake.keys);
		snprintf(order_authorization, sizeof(order_authorization), "%s%s", i == 1 ? "Bearer " : "Pocket ", token_text);
		request.authorization = i == 2 ? NULL : order_authorization;
		request_begin(api, &request, "POST", "/order/status");
		assert_int_equal(request_end(api, &request), 403);
		assert_true(request.begun < 0);
		free(request.text);
	}
}

static void
orders_are_fenced_by_cell_and_epoch(void **state)
{
	static const char *const verbs[] = {"status", "open",	 "seal",  "encode", "settle",  "rebuild", "drop", "scrub",
										"list",	  "records", "watch", "trash",	"untrash", "empty",	  "copy"};

	(void) state;
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
	{
		pk_token token = good_token(PK_METHOD_ORDER);

		token.epoch.starts--;
		assert_string_equal(code_of(order_with(verbs[i], "{}", token)), "stale_epoch");
		token = good_token(PK_METHOD_ORDER);
		token.epoch.incarnation--;
		assert_string_equal(code_of(order_with(verbs[i], "{}", token)), "stale_epoch");
		token = good_token(PK_METHOD_ORDER);
		token.epoch.incarnation++;
		assert_string_equal(code_of(order_with(verbs[i], "{}", token)), "foreign");
		token = good_token(PK_METHOD_ORDER);
		token.cell[3] ^= 1;
		assert_string_equal(code_of(order_with(verbs[i], "{}", token)), "foreign");
	}
	assert_int_equal(fake.id, 0);
}

#define NODE1 "{\"node\":1,\"url\":\"http://10.0.0.1:7070\"}"
#define MAP(from, number, nodes, drives, volumes)                                                                      \
	"{\"from\":" from ",\"number\":" number ",\"nodes\":[" nodes "],\"drives\":[" drives "],\"volumes\":[" volumes "]" \
	"}"

static void
another_incarnation_comes_by_adopt(void **state)
{
	pk_token token = good_token(PK_METHOD_ORDER);
	json_t *answer;

	(void) state;
	token.epoch = (pk_epoch){1, 1, 1};
	answer = order_with("epoch", "{}", token);
	assert_int_equal(json_integer_value(json_object_get(answer, "incarnation")), 11);
	assert_int_equal(json_integer_value(json_object_get(answer, "timeline")), 2);
	assert_int_equal(json_integer_value(json_object_get(answer, "starts")), 5);
	json_decref(answer);
	assert_string_equal(code_of(order_with("adopt", "{}", token)), "stale_epoch");
	token.epoch = (pk_epoch){12, 1, 0};
	assert_string_equal(code_of(order_with("status", "{}", token)), "foreign");
	answer = order_with("adopt", "{}", token);
	assert_int_equal(json_integer_value(json_object_get(answer, "highest")), 77);
	assert_int_equal(json_integer_value(json_object_get(answer, "generation")), 5);
	json_decref(answer);
	assert_int_equal(fake.epoch.incarnation, 12);

	/* the one before it writes nothing any more, and asks still; another cell does not even ask */
	token = good_token(PK_METHOD_PUT);
	token.epoch = (pk_epoch){11, 9, 9};
	expect_denied("PUT", token);
	token = good_token(PK_METHOD_ORDER);
	token.epoch.incarnation = 11;
	assert_string_equal(code_of(order_with("status", "{}", token)), "stale_epoch");
	json_decref(order_with("epoch", "{}", token));
	token.cell[3] ^= 1;
	assert_string_equal(code_of(order_with("epoch", "{}", token)), "foreign");
	assert_string_equal(code_of(order_with("adopt", "{}", token)), "foreign");
}

static void
orders_that_make_no_sense_are_refused(void **state)
{
	static const char *const bad[][2] = {
		{"open", OPEN("")},
		{"open", OPEN(UUID1 "," UUID1)},
		{"open", OPEN("7")},
		{"open", "{\"volume\":5,\"bucket\":6,\"generation\":1,\"capacity\":1,\"drives\":[" UUID1 "]}"},
		{"seal", "{}"},
		{"seal", "{\"bucket\":\"6\"}"},
		{"seal", "[6]"},
		{"seal", "{\"bucket\":6"},
		{"encode", "{" REPLICATED "}"},
		{"rebuild", "{" REPLICATED "}"},
		{"rebuild", "{" REPLICATED ",\"rebuild\":[2]}"},
		{"rebuild", "{" REPLICATED ",\"rebuild\":[-1]}"},
		{"rebuild", "{" REPLICATED ",\"rebuild\":[1,1]}"},
		{"rebuild", "{" REPLICATED ",\"rebuild\":[]}"},
		{"rebuild", "{" CODED ",\"rebuild\":[5]}"},
		{"drop", "{\"drive\":" UUID1 ",\"kind\":\"drive\",\"id\":6,\"position\":0}"},
		{"drop", "{\"drive\":" UUID1 ",\"kind\":\"bucket\",\"id\":6,\"position\":32}"},
		{"drop", "{\"drive\":null,\"kind\":\"bucket\",\"id\":6,\"position\":0}"},
		{"trash", "{\"drive\":" UUID1 ",\"kind\":\"bucket\",\"id\":6,\"position\":0,\"volume\":0,\"generation\":1}"},
		{"trash", "{\"drive\":" UUID1 ",\"kind\":\"bucket\",\"id\":6,\"position\":0,\"volume\":1}"},
		{"copy", "{\"bucket\":6,\"generation\":3,\"blocks\":[]}"},
		{"copy", "{\"bucket\":0,\"generation\":3,\"blocks\":[" COPY("7", "0") "]}"},
		{"copy", "{\"bucket\":6,\"blocks\":[" COPY("7", "0") "]}"},
		{"copy", "{\"bucket\":6,\"generation\":3,\"blocks\":[" COPY("0", "0") "]}"},
		{"copy", "{\"bucket\":6,\"generation\":3,\"blocks\":[" COPY("7", "-1") "]}"},
		{"scrub", "{\"drive\":" UUID1 ",\"after\":\"\",\"budget\":0}"},
		{"scrub", "{\"drive\":" UUID1 ",\"after\":7,\"budget\":1}"},
		{"list", "{}"},
		{"list", LIST("null", "\"\"", "1")},
		{"list", LIST("\"x\"", "\"\"", "1")},
		{"list", LIST(UUID1, "null", "1")},
		{"list", LIST(UUID1, "1", "1")},
		{"list", LIST(UUID1, "\"extents/07/p-0000000000000007-08-and-what-is-not-there\"", "1")},
		{"list", LIST(UUID1, "\"\"", "0")},
		{"list", LIST(UUID1, "\"\"", "257")},
		{"list", LIST(UUID1, "\"\"", "1.5")},
		{"list", LIST(UUID1, "\"\"", "9223372036854775807")},
		{"records", "{}"},
		{"records", RECORDS("0", "0", "1")},
		{"records", RECORDS("-6", "0", "1")},
		{"records", RECORDS("6", "-64", "1")},
		{"records", RECORDS("6", "63", "1")},
		{"records", RECORDS("6", "17179869248", "1")},
		{"records", RECORDS("6", "\"\"", "1")},
		{"records", RECORDS("6", "0", "0")},
		{"records", RECORDS("6", "0", "4097")},
		{"records", RECORDS("6", "0", "[1]")},
		{"watch", "{\"drive\":" UUID1 ",\"bucket\":6}"},
		{"watch", WATCH("")},
		{"watch", WATCH("7")},
		{"watch", WATCH(BLOCK("-1", "192", "1", HASH))},
		{"watch", WATCH(BLOCK("0", "191", "1", HASH))},
		{"watch", WATCH(BLOCK("0", "4194497", "1", HASH))},
		{"watch", WATCH(BLOCK("0", "192", "0", HASH))},
		{"watch", WATCH(BLOCK("0", "192", "4194305", HASH))},
		{"watch", WATCH(BLOCK("0", "192", "1", HASH "0"))},
		{"watch", WATCH(BLOCK("0", "192", "1", "x"))},
		{"watch", WATCH(BLOCK("0", "192", "1", HASH) ",[]")},
		{"map", "{}"},
		{"map", MAP("-1", "1", "", "", "")},
		{"map", MAP("0", "0", "", "", "")},
		{"map", MAP("0", "\"1\"", "", "", "")},
		{"map", MAP("0", "1", "7", "", "")},
		{"map", MAP("0", "1", "{\"node\":0,\"url\":\"http://a\"}", "", "")},
		{"map", MAP("0", "1", "{\"node\":1,\"url\":\"ftp://a\"}", "", "")},
		{"map", MAP("0", "1", "{\"node\":1,\"url\":\"unix:a\"}", "", "")},
		{"map", MAP("0", "1", "{\"node\":1}", "", "")},
		{"map", MAP("0", "1", NODE1, "{\"drive\":null,\"node\":1}", "")},
		{"map", MAP("0", "1", NODE1, "{\"drive\":" UUID1 "}", "")},
		{"map", MAP("0", "1", NODE1, "{\"drive\":" UUID1 ",\"node\":-1}", "")},
		{"map", MAP("0", "1", NODE1, "", "7")},
		{"map", MAP("0", "1", NODE1, "", "{\"volume\":5,\"generation\":2,\"code\":\"rs(6,3)\",\"members\":[]}")},
		{"map", "{\"from\":0,\"number\":1,\"nodes\":[],\"drives\":[],\"volumes\":{}}"},
		{"map", "{\"from\":0,\"number\":1,\"nodes\":[],\"drives\":[],\"volumes\":[],\"gone\":[0]}"},
		{"map", "{\"from\":0,\"number\":1,\"nodes\":[],\"drives\":[],\"volumes\":[],\"gone\":7}"},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_string_equal(code_of(order(bad[i][0], bad[i][1])), "malformed");
	assert_int_equal(fake.id, 0);
	assert_string_equal(code_of(order("format", "{}")), "unsupported");
	assert_string_equal(code_of(order("", "{}")), "unsupported");
	/* a body says which order it is for */
	assert_string_equal(code_of(order("seal", "{\"bucket\":6,\"order\":\"drop\"}")), "denied");
	assert_string_equal(code_of(order("seal", "{\"bucket\":6,\"order\":7}")), "malformed");
	assert_int_equal(integer_of(order("seal", "{\"bucket\":6,\"order\":\"seal\"}"), "length"), 4288);
	assert_int_equal(fake.number, 0);
	assert_int_equal(integer_of(order("seal", "{\"bucket\":6,\"length\":64}"), "length"), 4288);
	assert_int_equal(fake.number, 64);
	assert_string_equal(code_of(order("seal", "{\"bucket\":6,\"length\":0}")), "malformed");
}

static void
orders_reach_the_volume_as_they_were_given(void **state)
{
	(void) state;
	assert_string_equal(code_of(order("open", OPEN(UUID1 "," UUID2))), "");
	assert_int_equal(fake.members.volume_id, 5);
	assert_int_equal(fake.members.generation, 1);
	assert_int_equal(fake.members.count, 2);
	assert_int_equal(fake.members.code.kind, PK_CODE_REPLICATED);
	assert_int_equal(fake.members.member[1].drive[15], 2);
	assert_int_equal(fake.members.member[1].bucket_id, 6);
	assert_int_equal(fake.id, 6);
	assert_int_equal(fake.number, 1048576);

	assert_int_equal(integer_of(order("encode", "{" CODED "}"), "length"), 128);
	assert_int_equal(fake.members.count, 9);
	assert_int_equal(integer_of(order("settle", "{" REPLICATED "}"), "settled"), 2);
	assert_int_equal(integer_of(order("rebuild", "{" REPLICATED ",\"rebuild\":[1]}"), "length"), 640);
	assert_int_equal(fake.bits, 2);
	assert_int_equal(integer_of(order("rebuild", "{" CODED ",\"rebuild\":[8,0]}"), "length"), 128);
	assert_int_equal(fake.bits, 0x101);
	assert_int_equal(
		integer_of(order("drop", "{\"drive\":" UUID2 ",\"kind\":\"parity\",\"id\":6,\"position\":8}"), "bytes"), 77);
	assert_int_equal(fake.number, 2082);
	assert_int_equal(
		integer_of(order("trash", "{\"drive\":" UUID2 ",\"kind\":\"parity\",\"id\":6,\"position\":8,\"volume\":6,"
								  "\"generation\":3}"),
				   "bytes"),
		78);
	assert_int_equal(fake.number, 3062082);
	assert_int_equal(
		integer_of(order("trash", "{\"drive\":" UUID2 ",\"kind\":\"bucket\",\"id\":6,\"position\":0}"), "bytes"), 78);
	assert_int_equal(fake.number, 1002); /* a stale one */
	{
		json_t *copied =
			order("copy", "{\"bucket\":6,\"generation\":3,\"blocks\":[" COPY("7", "0") "," COPY("8", "640") "]}");

		assert_int_equal(fake.id, 6);
		assert_int_equal(fake.number, 3002008);
		assert_string_equal(
			json_string_value(json_object_get(json_array_get(json_object_get(copied, "blocks"), 0), "code")),
			"bucket_closed");
		assert_int_equal(
			json_integer_value(json_object_get(json_array_get(json_object_get(copied, "blocks"), 1), "offset")), 704);
		json_decref(copied);
	}
	json_decref(order("untrash", "{\"drive\":" UUID1 ",\"kind\":\"bucket\",\"id\":9,\"position\":0}"));
	assert_int_equal(fake.id, 9);
	assert_int_equal(
		integer_of(order("empty", "{\"drive\":" UUID2 ",\"kind\":\"parity\",\"id\":6,\"position\":8}"), "bytes"), 79);

	fake.next = PK_ERR_STATE;
	assert_string_equal(code_of(order("seal", "{\"bucket\":6}")), "state");
}

static size_t
size_of(json_t *answer, const char *name)
{
	return json_array_size(json_object_get(answer, name));
}

static void
an_inventory_comes_in_pages(void **state)
{
	json_t *answer = order("list", LIST(UUID2, "\"abc\"", "2"));
	json_t *item;
	char *text;

	(void) state;
	assert_int_equal(fake.number, 302);
	assert_int_equal(size_of(answer, "extents"), 2);
	assert_int_equal(size_of(answer, "damaged"), 1);
	assert_string_equal(json_string_value(json_object_get(answer, "next")), "extents/05/p-0000000000000005-07");
	item = json_array_get(json_object_get(answer, "extents"), 0);
	assert_string_equal(json_string_value(json_object_get(item, "problem")), "cannot open it");
	assert_string_equal(json_string_value(json_object_get(item, "code")), "rs(6,3)");
	assert_string_equal(json_string_value(json_object_get(item, "kind")), "parity");
	assert_int_equal(size_of(item, "members"), PK_MEMBERS_MAX);
	assert_true(json_is_null(json_object_get(json_array_get(json_object_get(answer, "extents"), 1), "problem")));
	json_decref(answer);

	/* the longest page fits into an answer */
	answer = order("list", LIST(UUID1, "\"\"", "256"));
	assert_int_equal(size_of(answer, "extents"), PK_LIST_MAX);
	text = json_dumps(answer, JSON_COMPACT);
	assert_true(strlen(text) < PK_ANSWER_SIZE_MAX);
	free(text);
	json_decref(answer);

	answer = order("records", RECORDS("6", "256", "2"));
	assert_int_equal(fake.id, 6);
	assert_int_equal(fake.number, 256);
	assert_int_equal(size_of(answer, "records"), 2);
	item = json_array_get(json_object_get(answer, "records"), 1);
	assert_int_equal(json_integer_value(json_object_get(item, "offset")), 512);
	assert_int_equal(json_integer_value(json_object_get(item, "stored_length")), 256);
	assert_int_equal(json_integer_value(json_object_get(item, "crc32c")), 0xfedcba98);
	assert_int_equal(strlen(json_string_value(json_object_get(item, "hash"))), 64);
	assert_int_equal(json_integer_value(json_object_get(answer, "next")), 256 + 512 + 64);
	item = json_array_get(json_object_get(answer, "damage"), 0);
	assert_int_equal(json_integer_value(json_object_get(item, "offset")), 256 + 512);
	json_decref(answer);

	fake.bits = 1;
	answer = order("records", RECORDS("6", "0", "4096"));
	assert_int_equal(size_of(answer, "records"), PK_RECORDS_MAX);
	assert_true(json_is_null(json_object_get(answer, "next")));
	json_decref(answer);

	text = malloc(PK_ORDER_SIZE_MAX);
	for (int count = PK_WATCH_MAX; count <= PK_WATCH_MAX + 1; count++)
	{
		size_t n = (size_t) snprintf(text, PK_ORDER_SIZE_MAX, "{\"drive\":" UUID1 ",\"bucket\":6,\"blocks\":[");

		for (int i = 0; i < count; i++)
			n += (size_t) snprintf(text + n, PK_ORDER_SIZE_MAX - n, "%s%s", i > 0 ? "," : "",
								   BLOCK("640", "192", "1", HASH));
		snprintf(text + n, PK_ORDER_SIZE_MAX - n, "]}");
		answer = order("watch", text);
		if (count > PK_WATCH_MAX)
			assert_string_equal(code_of(answer), "malformed");
		else
		{
			assert_int_equal(fake.number, PK_WATCH_MAX);
			item = json_array_get(json_object_get(answer, "problems"), 0);
			assert_int_equal(json_integer_value(json_object_get(item, "offset")), 640);
			json_decref(answer);
		}
	}
	free(text);

	fake.next = PK_ERR_NOT_FOUND;
	assert_string_equal(code_of(order("watch", WATCH(BLOCK("0", "192", "1", HASH)))), "not_found");
	assert_string_equal(code_of(order("list", LIST(UUID1, "\"\"", "256"))), "not_found");
	assert_string_equal(code_of(order("records", RECORDS("6", "0", "4096"))), "not_found");
}

/* A map of node 1 and `count` times what more tells. */
static int
write_nodes(char *out, const char *more, int count)
{
	char *at = out + sprintf(out, "{\"order\":\"map\",\"from\":0,\"number\":1,\"nodes\":[" NODE1);

	for (int i = 0; i < count; i++)
		at += sprintf(at, "%s", more);
	return (int) (at - out) + sprintf(at, "],\"drives\":[],\"volumes\":[]}");
}

static void
the_map_is_handed_on(void **state)
{
	static const char more[] = ",{\"node\":2,\"url\":\"http://b\"}";
	char *nodes = malloc(sizeof(NODE1) + PD_MAP_NODES_MAX * sizeof(more) + 100);
	json_t *answer;

	(void) state;
	assert_int_equal(integer_of(order("map", MAP("0", "9", NODE1, "{\"drive\":" UUID2 ",\"node\":1}",
												 "{" REPLICATED "},{" CODED "}")),
								"map"),
					 9);
	assert_int_equal(fake.map_nodes[0].node, 1);
	assert_string_equal(fake.map_url, "http://10.0.0.1:7070");
	assert_int_equal(fake.map_drives, 1);
	assert_int_equal(fake.number, 2);
	assert_int_equal(fake.members.count, 9);
	answer = order("status", "{}");
	assert_int_equal(json_integer_value(json_object_get(answer, "map")), 9);
	json_decref(answer);
	assert_string_equal(code_of(order("map", "{\"from\":9,\"number\":9,\"nodes\":[],\"drives\":[],\"volumes\":[],"
											 "\"gone\":[44]}")),
						"");
	assert_int_equal(fake.id, 44);
	fake.next = PK_ERR_STATE;
	assert_string_equal(code_of(order("map", MAP("1", "2", "", "", ""))), "state");

	/* as many nodes as there may be, and one more; twice the same is the volume room's to refuse */
	fake.next = PK_OK;
	for (int extra = 0; extra < 2; extra++)
	{
		size_t at = (size_t) write_nodes(nodes, more, PD_MAP_NODES_MAX - 1 + extra);

		assert_true(at > 0);
		assert_string_equal(code_of(order("map", nodes)), extra == 0 ? "" : "too_large");
	}
	free(nodes);
}

static void
a_seal_tells_where_the_bucket_is_not(void **state)
{
	json_t *answer;

	(void) state;
	fake.absent = 2;
	answer = order("seal", "{\"bucket\":6}");
	assert_int_equal(json_array_size(json_object_get(answer, "absent")), 2);
	assert_string_equal(json_string_value(json_array_get(json_object_get(answer, "absent"), 1)),
						"00000000-0000-0000-0000-000000000002");
	json_decref(answer);
	fake.absent = 0;
}

static void
scrub_and_status_tell_what_was_found(void **state)
{
	json_t *answer = order("scrub", "{\"drive\":" UUID1 ",\"after\":null,\"budget\":500}");
	json_t *list;
	const char *text;
	const char *zone;

	(void) state;
	assert_int_equal(json_unpack(answer, "{ss so}", "next", &text, "problems", &list), 0);
	assert_string_equal(text, "extents/40/b-0000000000000040");
	assert_int_equal(json_array_size(list), 1);
	assert_int_equal(integer_of(answer, "bytes"), 500);

	fake.reports = 3;
	fake.drive_state[1] = PD_DRIVE_FAILED;
	answer = order("status", "{}");
	assert_int_equal(json_array_size(json_object_get(answer, "reports")), 3);
	assert_int_equal(json_array_size(json_object_get(answer, "drives")), 2);
	list = json_object_get(answer, "open");
	assert_int_equal(json_array_size(list), 2);
	assert_int_equal(json_integer_value(json_array_get(list, 1)), 7);
	list = json_array_get(json_object_get(answer, "drives"), 1);
	assert_int_equal(json_unpack(list, "{ss}", "state", &text), 0);
	assert_string_equal(text, "failed");
	assert_string_equal(json_string_value(json_object_get(list, "error")), "no superblock");
	assert_true(json_is_null(json_object_get(json_array_get(json_object_get(answer, "drives"), 0), "error")));
	assert_int_equal(json_unpack(answer, "{ss ss ss}", "version", &text, "zone", &zone, "cell", &text), 0);
	assert_string_equal(zone, "east");
	assert_string_equal(text, "c0c0c0c0-c0c0-c0c0-c0c0-c0c0c0c0c0c0");
	json_decref(answer);
}

static void
an_unbound_node_shows_itself_and_can_be_bound(void **state)
{
	uint8_t uuid[PK_UUID_SIZE];
	pk_token token = good_token(PK_METHOD_ORDER);
	json_t *answer;

	(void) state;
	memcpy(uuid, fake.uuid, sizeof(uuid));
	memset(fake.uuid, 0, PK_UUID_SIZE);
	answer = order_with("status", "{}", token);
	assert_true(json_is_null(json_object_get(answer, "cell")));
	assert_int_equal(json_array_size(json_object_get(answer, "drives")), 2);
	json_decref(answer);
	assert_string_equal(code_of(order_with("seal", "{\"bucket\":6}", token)), "foreign");

	answer = order_with("bind", "{}", token);
	assert_true(json_is_string(json_object_get(answer, "cell")));
	json_decref(answer);
	assert_memory_equal(fake.uuid, uuid, sizeof(uuid));
}

static void
a_heartbeat_does_not_wait_behind_encodes(void **state)
{
	struct pd_request encodes[3];

	(void) state;
	fake.holding = true;
	memset(encodes, 0, sizeof(encodes));
	for (int i = 0; i < 3; i++)
		order_begin(&encodes[i], "encode", "{" CODED "}", good_token(PK_METHOD_ORDER));
	assert_string_equal(code_of(order("status", "{}")), "");
	assert_int_equal(integer_of(order("seal", "{\"bucket\":6}"), "length"), 4288);
	for (int i = 0; i < 3; i++)
	{
		assert_int_equal(encodes[i].replies, 0);
		sem_post(&fake.hold);
	}
	for (int i = 0; i < 3; i++)
	{
		request_end(api, &encodes[i]);
		assert_string_equal(encodes[i].text, "{\"length\":128}");
		free(encodes[i].text);
	}
}

static void
a_drop_that_waits_holds_up_only_another_epoch(void **state)
{
	struct pd_request drop = {0}, status = {0};
	pk_token token = good_token(PK_METHOD_ORDER);

	(void) state;
	sem_init(&fake.drop_entered, 0, 0);
	sem_init(&fake.drop_hold, 0, 0);
	fake.drop_holding = true;
	order_begin(&drop, "drop", "{\"drive\":" UUID2 ",\"kind\":\"bucket\",\"id\":6,\"position\":0}", token);
	sem_wait(&fake.drop_entered);
	assert_string_equal(code_of(order("status", "{}")), "");
	assert_int_equal(integer_of(order("seal", "{\"bucket\":6}"), "length"), 4288);
	/* what the old epoch may still delete, it deletes before there is a new one */
	token.epoch.starts++;
	order_begin(&status, "status", "{}", token);
	usleep(20000);
	assert_int_equal(status.replies, 0);
	assert_int_equal(drop.replies, 0);
	sem_post(&fake.drop_hold);
	request_end(api, &drop);
	request_end(api, &status);
	free(drop.text);
	free(status.text);
	sem_destroy(&fake.drop_entered);
	sem_destroy(&fake.drop_hold);
}

static void
stopping_ends_long_orders(void **state)
{
	struct pd_request encode = {0};

	(void) state;
	fake.holding = true;
	order_begin(&encode, "encode", "{" CODED "}", good_token(PK_METHOD_ORDER));
	usleep(20000);
	pd_api_stop(api);
	request_end(api, &encode);
	assert_non_null(strstr(encode.text, "\"unavailable\""));
	free(encode.text);
	assert_true(fake.stopped);
	assert_string_equal(code_of(order("status", "{}")), "unavailable");
}

static int
plain_get(const char *path, char **text)
{
	struct pd_request request = {0};
	int status;

	request_begin(api, &request, "GET", path);
	status = request_end(api, &request);
	*text = request.text;
	return status;
}

static void
a_drive_that_hangs_holds_up_no_order(void **state)
{
	struct pd_request asked[4] = {0};

	(void) state;
	atomic_store(&fake.info_holding, true);
	for (int i = 0; i < 4; i++)
		request_begin(api, &asked[i], "GET", "/healthz");
	assert_int_equal(integer_of(order("seal", "{\"bucket\":6}"), "length"), 4288);
	atomic_store(&fake.info_holding, false);
	for (int i = 0; i < 8; i++)
		sem_post(&fake.info_hold);
	for (int i = 0; i < 4; i++)
	{
		assert_int_equal(request_end(api, &asked[i]), 200);
		free(asked[i].text);
	}
}

static void
health_counts_the_drives_that_fail(void **state)
{
	char *text;

	(void) state;
	assert_int_equal(plain_get("/healthz", &text), 200);
	assert_string_equal(text, "{\"status\": \"ok\", \"drives\": 2, \"failed\": 0}\n");
	free(text);
	fake.drive_state[0] = PD_DRIVE_QUARANTINED;
	assert_int_equal(plain_get("/healthz", &text), 200);
	assert_string_equal(text, "{\"status\": \"degraded\", \"drives\": 2, \"failed\": 1}\n");
	free(text);
	fake.drive_state[1] = PD_DRIVE_FAILED;
	assert_int_equal(plain_get("/healthz", &text), 503);
	free(text);
	assert_int_equal(plain_get("/healthz/x", &text), 404);
	assert_non_null(strstr(text, "\"not_found\""));
	free(text);
	assert_int_equal(plain_get("/", &text), 404);
	free(text);
}

static void
metrics_count_what_happened(void **state)
{
	static const char *const expected[] = {
		"\npocketd_blocks_put_total 1\n",
		"\npocketd_bytes_put_total 60\n",
		"\npocketd_blocks_get_total 2\n",
		"\npocketd_bytes_get_total 120\n",
		"\npocketd_degraded_reads_total 1\n",
		"\npocketd_orders_total 1\n",
		"\npocketd_denied_total 1\n",
		"\npocketd_errors_total{code=\"block_lost\"} 1\n",
		"\npocketd_errors_total{code=\"malformed\"} 1\n",
		"\npocketd_errors_total{code=\"internal\"} 0\n",
		"\npocketd_drive_state{drive=\"/srv/a\\\"b\"} 0\n",
		"\npocketd_drive_state{drive=\"/srv/c\"} 2\n",
		"\npocketd_drive_used_bytes{drive=\"/srv/c\"} 1000\n",
	};
	char *text;
	pk_token token = good_token(PK_METHOD_GET);

	(void) state;
	(void) block("PUT", good_token(PK_METHOD_PUT), 60, &text);
	free(text);
	(void) block("GET", token, 0, &text);
	free(text);
	fake.degraded = true;
	(void) block("GET", token, 0, &text);
	free(text);
	fake.degraded = false;
	fake.next = PK_ERR_BLOCK_LOST;
	(void) block("GET", token, 0, &text);
	free(text);
	token.expires = 1;
	expect_denied("GET", token);
	assert_string_equal(code_of(order("seal", "{}")), "malformed");
	fake.drive_state[1] = PD_DRIVE_FAILED;

	assert_int_equal(plain_get("/metrics", &text), 200);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
	{
		if (strstr(text, expected[i]) == NULL)
			fail_msg("no line %s in:\n%s", expected[i], text);
	}
	free(text);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(whatever_is_wrong_with_a_url_is_said_in_the_same_words),
		EACH(a_superseded_epoch_writes_nothing_and_reads_still),
		EACH(a_put_is_answered_with_a_receipt_for_it),
		EACH(a_get_may_be_answered_by_a_stream),
		EACH(a_part_of_a_block_is_answered),
		EACH(a_block_is_told_by_its_tag),
		EACH(a_browser_that_asks_first_is_told_the_same_of_any_url),
		EACH(a_body_that_is_not_the_block_is_refused),
		EACH(failures_have_the_status_and_code_of_the_contract),
		EACH(a_get_answers_the_plain_bytes),
		EACH(orders_need_a_token_for_just_their_body),
		EACH(orders_are_fenced_by_cell_and_epoch),
		EACH(another_incarnation_comes_by_adopt),
		EACH(orders_that_make_no_sense_are_refused),
		EACH(orders_reach_the_volume_as_they_were_given),
		EACH(an_inventory_comes_in_pages),
		EACH(the_map_is_handed_on),
		EACH(a_seal_tells_where_the_bucket_is_not),
		EACH(scrub_and_status_tell_what_was_found),
		EACH(an_unbound_node_shows_itself_and_can_be_bound),
		EACH(a_heartbeat_does_not_wait_behind_encodes),
		EACH(a_drop_that_waits_holds_up_only_another_epoch),
		EACH(stopping_ends_long_orders),
		EACH(health_counts_the_drives_that_fail),
		EACH(a_drive_that_hangs_holds_up_no_order),
		EACH(metrics_count_what_happened),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
