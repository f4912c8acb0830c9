/*
 * No field of an order is believed before it was looked at.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/json.h"

#define D0 "\"00000000-0000-4000-8000-000000000001\""

static json_t *
parse(const char *text)
{
	struct pd_err err;

	return pd_json_parse(text, strlen(text), &err);
}

static void
only_objects_are_orders(void **state)
{
	static const char *const bad[] = {"",
									  "[]",
									  "1",
									  "null",
									  "{",
									  "{} {}",
									  "{\"a\":1,\"a\":2}",
									  "{\"a\":}",
									  "{\"a\":\"\\u0000\"}",
									  "\"x\"",
									  "{\"a\":99999999999999999999}"};

	(void) state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_null(parse(bad[i]));
	json_decref(parse("{}"));
	json_decref(parse(" {\"a\": [1, {}]} "));
}

static void
very_deep_json_is_refused(void **state)
{
	size_t depth = 500000;
	char *text = malloc(depth + 8);
	struct pd_err err;

	(void) state;
	memcpy(text, "{\"a\":", 5);
	memset(text + 5, '[', depth);
	assert_null(pd_json_parse(text, depth + 5, &err));
	free(text);
}

static pk_error
integer_of(const char *text, int64_t min, int64_t max, int64_t *value)
{
	json_t *object = parse(text);
	struct pd_err err;
	pk_error result;

	assert_non_null(object);
	result = pd_json_integer(object, "n", min, max, value, &err);
	json_decref(object);
	return result;
}

static void
integers_hold_their_bounds(void **state)
{
	int64_t value;
	uint64_t id;
	struct pd_err err;
	json_t *object;
	static const char *const bad_ids[] = {"{\"n\":0}", "{\"n\":-1}", "{\"n\":\"1\"}"};

	(void) state;
	assert_int_equal(integer_of("{\"n\":5}", 5, 5, &value), PK_OK);
	assert_int_equal(value, 5);
	assert_int_equal(integer_of("{\"n\":4}", 5, 6, &value), PK_ERR_MALFORMED);
	assert_int_equal(integer_of("{\"n\":7}", 5, 6, &value), PK_ERR_MALFORMED);
	assert_int_equal(integer_of("{\"n\":5.0}", 0, 9, &value), PK_ERR_MALFORMED);
	assert_int_equal(integer_of("{\"n\":\"5\"}", 0, 9, &value), PK_ERR_MALFORMED);
	assert_int_equal(integer_of("{\"n\":null}", 0, 9, &value), PK_ERR_MALFORMED);
	assert_int_equal(integer_of("{\"n\":true}", 0, 9, &value), PK_ERR_MALFORMED);
	assert_int_equal(integer_of("{\"m\":5}", 0, 9, &value), PK_ERR_MALFORMED);
	for (size_t i = 0; i < 3; i++)
	{
		object = parse(bad_ids[i]);
		assert_int_equal(pd_json_id(object, "n", &id, &err), PK_ERR_MALFORMED);
		json_decref(object);
	}
	object = parse("{\"n\":9223372036854775807}");
	assert_int_equal(pd_json_id(object, "n", &id, &err), PK_OK);
	assert_true(id == INT64_MAX);
	json_decref(object);
}

static void
uuids_have_one_form(void **state)
{
	static const char *const bad[] = {"{\"u\":null}",
									  "{\"u\":\"\"}",
									  "{\"u\":\"00000000-0000-0000-0000-000000000000\"}",
									  "{\"u\":\"{0000000-0000-4000-8000-000000000001}\"}",
									  "{\"u\":\"00000000000040008000000000000001\"}",
									  "{\"u\":7}",
									  "{}"};
	uint8_t uuid[PK_UUID_SIZE];
	struct pd_err err;
	bool null;
	json_t *object;

	(void) state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		object = parse(bad[i]);
		assert_int_equal(pd_json_uuid(object, "u", uuid, NULL, &err), PK_ERR_MALFORMED);
		assert_int_equal(pd_json_uuid(object, "u", uuid, &null, &err), i == 0 ? PK_OK : PK_ERR_MALFORMED);
		assert_int_equal(null, i == 0);
		json_decref(object);
	}
	object = parse("{\"u\":" D0 "}");
	assert_int_equal(pd_json_uuid(object, "u", uuid, &null, &err), PK_OK);
	assert_false(null);
	assert_int_equal(uuid[15], 1);
	json_decref(object);
}

static void
strings_have_a_limit(void **state)
{
	json_t *object = parse("{\"n\":1,\"s\":\"abcd\"}");
	struct pd_err err;
	const char *text;

	(void) state;
	assert_int_equal(pd_json_string(object, "s", 4, &text, &err), PK_OK);
	assert_string_equal(text, "abcd");
	assert_int_equal(pd_json_string(object, "s", 3, &text, &err), PK_ERR_MALFORMED);
	assert_int_equal(pd_json_string(object, "n", 3, &text, &err), PK_ERR_MALFORMED);
	json_decref(object);
}

static pk_error
volume_of(const char *text, struct pd_members *members)
{
	json_t *object = parse(text);
	struct pd_err err;
	pk_error result;

	assert_non_null(object);
	result = pd_json_volume(object, members, &err);
	json_decref(object);
	return result;
}

#define DATA "{\"drive\":" D0 ",\"bucket\":9,\"length\":128}"
#define PARITY "{\"drive\":" D0 ",\"bucket\":0,\"length\":0}"
#define VIRTUAL "{\"drive\":null,\"bucket\":0,\"length\":0}"
#define RS63(members) "{\"volume\":3,\"generation\":2,\"code\":\"rs(6,3)\",\"members\":[" members "]}"
#define DATA5 DATA "," DATA "," DATA "," DATA "," DATA
#define REPLICATED(members) "{\"volume\":3,\"generation\":2,\"code\":\"replicated\",\"members\":[" members "]}"

static void
volumes_fit_their_code(void **state)
{
	struct pd_members members;

	(void) state;
	assert_int_equal(volume_of(RS63(DATA5 "," VIRTUAL "," PARITY "," PARITY "," PARITY), &members), PK_OK);
	assert_int_equal(members.count, 9);
	assert_int_equal(members.code.k, 6);
	assert_int_equal(members.volume_id, 3);
	assert_int_equal(members.generation, 2);
	assert_int_equal(members.member[0].bucket_id, 9);
	assert_int_equal(members.member[0].length, 128);
	assert_int_equal(members.member[5].bucket_id, 0);
	assert_int_equal(members.member[8].drive[15], 1);
	assert_int_equal(volume_of(REPLICATED(DATA "," DATA "," DATA), &members), PK_OK);
	assert_int_equal(members.count, 3);

	/* the number of members, and what each place may hold */
	assert_int_equal(volume_of(RS63(DATA5 "," PARITY "," PARITY "," PARITY), &members), PK_ERR_MALFORMED);
	assert_int_equal(volume_of(RS63(DATA5 "," PARITY "," PARITY "," PARITY "," PARITY), &members), PK_ERR_MALFORMED);
	assert_int_equal(volume_of(RS63(DATA5 "," DATA "," DATA "," PARITY "," PARITY), &members), PK_ERR_MALFORMED);
	assert_int_equal(volume_of(RS63(DATA5 "," DATA "," VIRTUAL "," PARITY "," PARITY), &members), PK_ERR_MALFORMED);
	assert_int_equal(volume_of(REPLICATED(DATA "," VIRTUAL), &members), PK_ERR_MALFORMED);
	assert_int_equal(volume_of(REPLICATED(DATA ",{\"drive\":" D0 ",\"bucket\":8,\"length\":128}"), &members),
					 PK_ERR_MALFORMED);
	assert_int_equal(volume_of(REPLICATED(""), &members), PK_ERR_MALFORMED);
	assert_int_equal(volume_of(REPLICATED("7"), &members), PK_ERR_MALFORMED);
	assert_int_equal(volume_of(REPLICATED("{\"drive\":null,\"bucket\":4,\"length\":0}"), &members), PK_ERR_MALFORMED);
	assert_int_equal(volume_of(REPLICATED("{\"drive\":" D0 ",\"bucket\":9,\"length\":-1}"), &members),
					 PK_ERR_MALFORMED);
	assert_int_equal(volume_of(REPLICATED("{\"drive\":" D0 ",\"bucket\":9,\"length\":17179869185}"), &members),
					 PK_ERR_MALFORMED);
	assert_int_equal(volume_of(REPLICATED("{\"drive\":" D0 ",\"bucket\":9}"), &members), PK_ERR_MALFORMED);
}

static void
volumes_name_a_code_and_a_generation(void **state)
{
	struct pd_members members;
	char text[8192];
	size_t length;

	(void) state;
	assert_int_equal(
		volume_of("{\"volume\":3,\"generation\":2,\"code\":\"rs(6, 3)\",\"members\":[" DATA "]}", &members),
		PK_ERR_MALFORMED);
	assert_int_equal(
		volume_of("{\"volume\":0,\"generation\":2,\"code\":\"replicated\",\"members\":[" DATA "]}", &members),
		PK_ERR_MALFORMED);
	assert_int_equal(
		volume_of("{\"volume\":3,\"generation\":4294967296,\"code\":\"replicated\",\"members\":[" DATA "]}", &members),
		PK_ERR_MALFORMED);
	assert_int_equal(volume_of("{\"volume\":3,\"generation\":2,\"members\":[" DATA "]}", &members), PK_ERR_MALFORMED);
	assert_int_equal(volume_of("{\"volume\":3,\"generation\":2,\"code\":\"replicated\",\"members\":{}}", &members),
					 PK_ERR_MALFORMED);

	/* one member more than any volume has */
	length =
		(size_t) snprintf(text, sizeof(text), "{\"volume\":3,\"generation\":2,\"code\":\"replicated\",\"members\":[");
	for (int i = 0; i <= PK_MEMBERS_MAX; i++)
		length += (size_t) snprintf(text + length, sizeof(text) - length, "%s" DATA, i > 0 ? "," : "");
	snprintf(text + length, sizeof(text) - length, "]}");
	assert_int_equal(volume_of(text, &members), PK_ERR_MALFORMED);
}

static void
errors_are_json_whatever_their_text(void **state)
{
	char *text = pd_json_error(PK_ERR_BUCKET_CLOSED, "bad \xff\n\"bytes\"");
	json_t *value = json_loads(text, 0, NULL);
	const char *code;
	const char *message;

	(void) state;
	assert_int_equal(json_unpack(value, "{s{ssss}}", "error", "code", &code, "message", &message), 0);
	assert_string_equal(code, "bucket_closed");
	assert_string_equal(message, "bad ??\"bytes\"");
	json_decref(value);
	free(text);

	text = pd_json_error(PK_ERR_IO, NULL);
	assert_non_null(strstr(text, pk_error_lookup(PK_ERR_IO)->message));
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_objects_are_orders),
		cmocka_unit_test(very_deep_json_is_refused),
		cmocka_unit_test(integers_hold_their_bounds),
		cmocka_unit_test(uuids_have_one_form),
		cmocka_unit_test(strings_have_a_limit),
		cmocka_unit_test(volumes_fit_their_code),
		cmocka_unit_test(volumes_name_a_code_and_a_generation),
		cmocka_unit_test(errors_are_json_whatever_their_text),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
