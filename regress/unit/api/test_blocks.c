/*
 * Who may put and get blocks, what is handed to the volume, and what is answered.
 */
#include "handlers.h"

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
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
