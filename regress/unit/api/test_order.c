/*
 * Who may order, what the orders hand to the volume, and what the node tells of itself.
 */
#include "handlers.h"

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
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
