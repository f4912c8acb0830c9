/*
 * test_cursor.c
 *	  Cursors against the golden vectors, and against damage.
 */
#include "../golden.h"

#include "contract/pk_cursor.h"
#include "contract/pk_hash.h"

#define ITEMS 8

/* The items of a golden vector: ns_id:jid:listed:at, separated by commas. */
static int
read_items(pk_cursor_item *items, char *text)
{
	int count = 0;
	char *end = text;

	memset(items, 0, sizeof(*items) * ITEMS);
	while (*end != '\0')
	{
		pk_cursor_item *item = &items[count++];

		assert_true(count <= ITEMS);
		item->ns_id = strtoll(end, &end, 10);
		item->jid = strtoll(end + 1, &end, 10);
		item->listed = strtoll(end + 1, &end, 10);
		item->at = strtoll(end + 1, &end, 10);
		end += *end == ',';
	}
	return count;
}

static void
golden_vectors(void **state)
{
	struct golden golden;

	(void) state;
	golden_open(&golden, "cursor");
	while (golden_next(&golden, 6))
	{
		uint8_t bytes[PK_CURSOR_SIZE(ITEMS)], actual[PK_CURSOR_SIZE(ITEMS)];
		char text[PK_BASE64_LENGTH(PK_CURSOR_SIZE(ITEMS)) + 1];
		pk_cursor_item items[ITEMS], decoded[ITEMS];
		pk_cursor_head head, decoded_head;
		size_t size = golden_bytes(&golden, 4, bytes, sizeof(bytes));
		int count = read_items(items, golden.column[3]);
		size_t at;

		memset(decoded, 0, sizeof(decoded));
		assert_true(pk_uuid_decode(head.cell, golden.column[1], strlen(golden.column[1])));
		head.incarnation = (uint32_t) golden_number(&golden, 2);
		assert_int_equal(pk_cursor_count(size), count);
		pk_cursor_encode(actual, &head, items, count);
		assert_memory_equal(actual, bytes, size);
		assert_int_equal(pk_cursor_decode(&decoded_head, decoded, count, bytes, &at), PK_OK);
		assert_memory_equal(&decoded_head, &head, sizeof(head));
		assert_memory_equal(decoded, items, sizeof(items));
		pk_base64_encode(text, bytes, size);
		assert_string_equal(text, golden.column[5]);
	}
}

static void
every_flipped_bit_is_found(void **state)
{
	pk_cursor_head head = {.incarnation = 5};
	pk_cursor_item items[2] = {{.ns_id = 3, .jid = 9, .listed = 9}, {.ns_id = 4, .jid = 8, .listed = 7, .at = -6}};
	uint8_t bytes[PK_CURSOR_SIZE(2)];
	size_t at;

	(void) state;
	pk_cursor_encode(bytes, &head, items, 2);
	for (size_t bit = 0; bit < sizeof(bytes) * 8; bit++)
	{
		bytes[bit / 8] ^= (uint8_t) (1 << bit % 8);
		assert_int_equal(pk_cursor_decode(&head, items, 2, bytes, &at), PK_ERR_CORRUPT);
		bytes[bit / 8] ^= (uint8_t) (1 << bit % 8);
	}
	assert_int_equal(pk_cursor_decode(&head, items, 2, bytes, &at), PK_OK);
}

static void
lengths(void **state)
{
	(void) state;
	for (size_t length = 0; length < PK_CURSOR_SIZE(3); length++)
	{
		long count = pk_cursor_count(length);

		assert_true(count < 0 || PK_CURSOR_SIZE(count) == length);
	}
	assert_int_equal(pk_cursor_count(PK_CURSOR_SIZE(0)), 0);
	assert_int_equal(pk_cursor_count(PK_CURSOR_SIZE(PK_CURSOR_ITEMS_MAX + 1)), PK_CURSOR_ITEMS_MAX + 1);
}

static void
fields_out_of_range_are_named(void **state)
{
	static const struct
	{
		pk_cursor_item items[3];
		size_t at;
	} cases[] = {
		{{{.ns_id = 0, .jid = 1}, {.ns_id = 2, .jid = 1}, {.ns_id = 3, .jid = 1}}, 23},
		{{{.ns_id = -1, .jid = 1}, {.ns_id = 2, .jid = 1}, {.ns_id = 3, .jid = 1}}, 23},
		{{{.ns_id = 1, .jid = 0}, {.ns_id = 2, .jid = 1}, {.ns_id = 3, .jid = 1}}, 31},
		{{{.ns_id = 1, .jid = -1}, {.ns_id = 2, .jid = 1}, {.ns_id = 3, .jid = 1}}, 31},
		{{{.ns_id = 1, .jid = 1, .listed = -1}, {.ns_id = 2, .jid = 1}, {.ns_id = 3, .jid = 1}}, 39},
		{{{.ns_id = 1, .jid = 1, .listed = 2}, {.ns_id = 2, .jid = 1}, {.ns_id = 3, .jid = 1}}, 39},
		/* the tree may come after the others, which ascend */
		{{{.ns_id = 2, .jid = 1}, {.ns_id = 2, .jid = 1}, {.ns_id = 3, .jid = 1}}, 55},
		{{{.ns_id = 2, .jid = 1}, {.ns_id = 0, .jid = 1}, {.ns_id = 3, .jid = 1}}, 55},
		{{{.ns_id = 9, .jid = 1}, {.ns_id = 3, .jid = 1}, {.ns_id = 1, .jid = 1}}, 87},
		{{{.ns_id = 9, .jid = 1}, {.ns_id = 3, .jid = 1}, {.ns_id = 3, .jid = 1}}, 87},
		{{{.ns_id = 9, .jid = 1}, {.ns_id = 3, .jid = 1}, {.ns_id = 9, .jid = 1}}, 87},
		{{{.ns_id = 9, .jid = 1}, {.ns_id = 3, .jid = 1}, {.ns_id = 4, .jid = 0}}, 95},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		pk_cursor_head head = {.incarnation = 1};
		pk_cursor_item items[3];
		uint8_t bytes[PK_CURSOR_SIZE(3)];
		size_t at;

		pk_cursor_encode(bytes, &head, cases[i].items, 3);
		assert_int_equal(pk_cursor_decode(&head, items, 3, bytes, &at), PK_ERR_MALFORMED);
		assert_int_equal(at, cases[i].at);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_vectors),
		cmocka_unit_test(every_flipped_bit_is_found),
		cmocka_unit_test(lengths),
		cmocka_unit_test(fields_out_of_range_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
