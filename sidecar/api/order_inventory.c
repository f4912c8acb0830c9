/*
 * api/order_inventory.c
 *	  list, records and watch: what a drive holds, page by page or read back.
 */
#include <string.h>

#include "api/json.h"
#include "api/order.h"

struct page
{
	json_t *items;
	json_t *damaged;
	bool complete; /* memory sufficed */
};

static void
add(struct page *page, json_t *array, json_t *value)
{
	if (json_array_append_new(array, value) != 0)
		page->complete = false;
}

/* With two arrays in an answer that takes them over. */
static pk_error
page_init(struct page *page, const char *items, const char *damaged, json_t **answer, struct pd_err *err)
{
	page->items = json_array();
	page->damaged = json_array();
	page->complete = true;
	*answer = json_pack("{so so}", items, page->items, damaged, page->damaged);
	return *answer != NULL ? PK_OK : pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for the answer");
}

/* Hands the answer over, or frees it. */
static pk_error
page_end(struct page *page, pk_error code, json_t *answer, json_t **result, struct pd_err *err)
{
	if (code == PK_OK && !page->complete)
		code = pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for the answer");
	if (code == PK_OK)
		*result = answer;
	else
		json_decref(answer);
	return code;
}

/* --- list --- */

static json_t *
members_array(const struct pd_members *members)
{
	json_t *array = json_array();

	for (int i = 0; array != NULL && i < members->count; i++)
	{
		const struct pd_member *member = &members->member[i];

		if (json_array_append_new(array, json_pack("{so sI sI}", "drive", pd_json_uuid_text(member->drive), "bucket",
												   (json_int_t) member->bucket_id, "length",
												   (json_int_t) member->length)) != 0)
		{
			json_decref(array);
			array = NULL;
		}
	}
	return array;
}

/* Without a valid slot volume is 0, and there are no members. */
static void
add_extent(void *arg, const struct pd_extent_info *info, bool open, const char *problem)
{
	struct page *page = arg;
	const struct pd_members *members = &info->members;
	char code[PK_CODE_TEXT] = "";

	if (members->volume_id != 0)
		pk_code_format(code, &members->code);
	add(page, page->items,
		json_pack("{ss ss sI si sb sb sI so sI sI ss so}", "file", info->file, "kind",
				  info->kind == PK_EXTENT_PARITY ? "parity" : "bucket", "id", (json_int_t) info->id, "position",
				  info->position, "sealed", info->sealed, "open", open, "length", (json_int_t) info->length, "problem",
				  problem != NULL ? pd_json_text(problem) : json_null(), "volume", (json_int_t) members->volume_id,
				  "generation", (json_int_t) members->generation, "code", code, "members", members_array(members)));
}

static void
add_damaged(void *arg, const char *file, const char *why)
{
	struct page *page = arg;

	add(page, page->damaged, json_pack("{so so}", "file", pd_json_text(file), "problem", pd_json_text(why)));
}

pk_error
pd_order_list(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err)
{
	struct page page;
	const struct pd_inventory inventory = {.extent = add_extent, .damaged = add_damaged, .arg = &page};
	uint8_t drive[PK_UUID_SIZE];
	const char *after;
	char next[PK_EXTENT_FILE];
	int64_t max;
	json_t *answer;
	pk_error code;

	if ((code = pd_json_uuid(body, "drive", drive, NULL, err)) != PK_OK ||
		(code = pd_json_string(body, "after", PK_EXTENT_FILE - 1, &after, err)) != PK_OK ||
		(code = pd_json_integer(body, "max", 1, PK_LIST_MAX, &max, err)) != PK_OK ||
		(code = page_init(&page, "extents", "damaged", &answer, err)) != PK_OK)
		return code;
	code = pd_drive_list(exchange->api->cell, drive, after, (int) max, &inventory, next, err);
	if (code == PK_OK && json_object_set_new(answer, "next", pd_json_text(next)) != 0)
		page.complete = false;
	return page_end(&page, code, answer, result, err);
}

/* --- records --- */

static void
add_record(void *arg, const pk_record *record)
{
	struct page *page = arg;
	char hash[2 * PK_SHA256_SIZE + 1];

	pk_hex_encode(hash, record->hash, PK_SHA256_SIZE);
	add(page, page->items,
		json_pack("{sI sI sI ss sI}", "offset", (json_int_t) record->offset, "stored_length",
				  (json_int_t) pk_record_size(record->payload_length), "length", (json_int_t) record->length, "hash",
				  hash, "crc32c", (json_int_t) record->crc32c));
}

static void
add_damage(void *arg, uint64_t offset, uint64_t length, const char *problem)
{
	struct page *page = arg;

	add(page, page->damaged,
		json_pack("{sI sI so}", "offset", (json_int_t) offset, "length", (json_int_t) length, "problem",
				  pd_json_text(problem)));
}

pk_error
pd_order_records(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err)
{
	struct page page;
	const struct pd_inventory inventory = {.record = add_record, .damage = add_damage, .arg = &page};
	uint8_t drive[PK_UUID_SIZE];
	uint64_t bucket;
	uint64_t at;
	uint64_t length = 0;
	int64_t after;
	int64_t max;
	json_t *answer;
	pk_error code;

	if ((code = pd_json_uuid(body, "drive", drive, NULL, err)) != PK_OK ||
		(code = pd_json_id(body, "bucket", &bucket, err)) != PK_OK ||
		(code = pd_json_integer(body, "after", 0, (int64_t) PK_BUCKET_SIZE_MAX, &after, err)) != PK_OK ||
		(code = pd_json_integer(body, "max", 1, PK_RECORDS_MAX, &max, err)) != PK_OK)
		return code;
	if (after % PK_RECORD_ALIGN != 0)
		return pd_fail(err, PK_ERR_MALFORMED, "\"after\" is no multiple of %d: no record begins there",
					   PK_RECORD_ALIGN);
	code = page_init(&page, "records", "damage", &answer, err);
	if (code != PK_OK)
		return code;

	at = (uint64_t) after;
	code = pd_drive_records(exchange->api->cell, drive, bucket, &at, (int) max, &inventory, &length, err);
	if (code == PK_OK &&
		(json_object_set_new(answer, "length", json_integer((json_int_t) length)) != 0 ||
		 json_object_set_new(answer, "next", at < length ? json_integer((json_int_t) at) : json_null()) != 0))
		page.complete = false;
	return page_end(&page, code, answer, result, err);
}

/* --- watch --- */

pk_error
pd_order_read_block(const json_t *object, struct pd_get *block, struct pd_err *err)
{
	const char *hash;
	int64_t offset;
	int64_t stored_length;
	int64_t length;
	pk_error code;

	if (!json_is_object(object))
		return pd_fail(err, PK_ERR_MALFORMED, "a block is no object");
	if ((code = pd_json_integer(object, "offset", 0, (int64_t) PK_BUCKET_SIZE_MAX, &offset, err)) != PK_OK ||
		(code = pd_json_integer(object, "stored_length", (int64_t) pk_record_size(1),
								(int64_t) pk_record_size(PK_BLOCK_SIZE_MAX), &stored_length, err)) != PK_OK ||
		(code = pd_json_integer(object, "length", PK_BLOCK_SIZE_MIN, PK_BLOCK_SIZE_MAX, &length, err)) != PK_OK ||
		(code = pd_json_string(object, "hash", 2 * PK_SHA256_SIZE, &hash, err)) != PK_OK)
		return code;
	if (!pk_hex_decode(block->hash, PK_SHA256_SIZE, hash, strlen(hash)))
		return pd_fail(err, PK_ERR_MALFORMED, "\"hash\" is not 64 hex digits");
	block->offset = (uint64_t) offset;
	block->stored_length = (uint32_t) stored_length;
	block->length = (uint32_t) length;
	return PK_OK;
}

static pk_error
read_blocks(const json_t *body, struct pd_get *blocks, int *count, struct pd_err *err)
{
	const json_t *array = json_object_get(body, "blocks");
	uint64_t bucket;
	pk_error code = pd_json_id(body, "bucket", &bucket, err);

	if (code != PK_OK)
		return code;
	if (!json_is_array(array) || json_array_size(array) < 1 || json_array_size(array) > PK_WATCH_MAX)
		return pd_fail(err, PK_ERR_MALFORMED, "\"blocks\" is no array of 1 to %d blocks", PK_WATCH_MAX);
	*count = (int) json_array_size(array);
	for (int i = 0; code == PK_OK && i < *count; i++)
	{
		code = pd_order_read_block(json_array_get(array, (size_t) i), &blocks[i], err);
		blocks[i].bucket_id = bucket;
	}
	return code;
}

static void
add_watched(void *arg, uint64_t offset, const char *text)
{
	struct page *page = arg;

	add(page, page->items, json_pack("{sI so}", "offset", (json_int_t) offset, "problem", pd_json_text(text)));
}

pk_error
pd_order_watch(struct pd_exchange *exchange, const json_t *body, json_t **result, struct pd_err *err)
{
	const struct pd_progress progress = {pd_order_tick, exchange};
	struct pd_get blocks[PK_WATCH_MAX];
	struct page page = {.complete = true};
	uint8_t drive[PK_UUID_SIZE];
	int count = 0;
	json_t *answer;
	pk_error code;

	memset(blocks, 0, sizeof(blocks));
	if ((code = pd_json_uuid(body, "drive", drive, NULL, err)) != PK_OK ||
		(code = read_blocks(body, blocks, &count, err)) != PK_OK)
		return code;
	page.items = json_array();
	answer = json_pack("{so}", "problems", page.items);
	if (answer == NULL)
		return pd_fail(err, PK_ERR_NO_MEMORY, "out of memory for the answer");
	code = pd_drive_watch(exchange->api->cell, drive, blocks, count, &progress, add_watched, &page, err);
	return page_end(&page, code, answer, result, err);
}
