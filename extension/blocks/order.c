/*
 * order.c
 *	  Signed orders to sidecars.
 */
#include "blocks/blocks.h"

#include <time.h>

#include "common/jsonapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "base/spi.h"
#include "blocks/transfer.h"
#include "placement/placement.h"

#define ORDER_LIFE_S 300

static const char *
authorization(const PocketCell *cell, const char *body, Size length)
{
	pk_token token = {0};
	char text[PK_TOKEN_TEXT + 1];

	token.method = PK_METHOD_ORDER;
	memcpy(token.cell, cell->uuid, PK_UUID_SIZE);
	token.length = (uint32) length;
	token.crc32c = pk_crc32c(0, body, length);
	pk_sha256(token.hash, body, length);
	token.epoch = cell->epoch;
	token.expires = (uint64) time(NULL) + ORDER_LIFE_S;
	if (!pg_strong_random(token.nonce, sizeof(token.nonce)))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random bytes")));
	pk_token_sign(text, &token, pocket_keys());
	return psprintf("Authorization: Pocket %s", text);
}

/* The token signs the body, not the path: a body that names its order is good for no other. */
static char *
named_body(const PocketOrder *order)
{
	const char *rest = order->body + 1;

	Assert(order->body[0] == '{');
	return psprintf("{\"order\":\"%s\"%s%s", order->verb, *rest == '}' ? "" : ",", rest);
}

static bool
json_is_valid(char *json, Size length)
{
#if PG_VERSION_NUM >= 170000
	JsonLexContext *lex = makeJsonLexContextCstringLen(NULL, json, length, GetDatabaseEncoding(), false);
#else
	JsonLexContext *lex = makeJsonLexContextCstringLen(json, (int) length, GetDatabaseEncoding(), false);
#endif
	JsonParseErrorType result;

	if (!pg_verifymbstr(json, (int) length, true))
		return false;
	result = pg_parse_json(lex, &nullSemAction);
	return result == JSON_SUCCESS;
}

static void
order_judge(PocketOrder *order, PocketTransfer *transfer)
{
	char code[64];
	char message[POCKET_PROBLEM_SIZE];
	const char *json = transfer->answer == NULL ? "" : transfer->answer + strspn(transfer->answer, " \t\r\n");

	order->error = transfer->error;
	order->problem = transfer->error == PK_OK ? NULL : pstrdup(transfer->problem);
	order->answer = NULL;
	if (order->error != PK_OK)
		return;
	if (!json_is_valid(transfer->answer == NULL ? pstrdup("") : transfer->answer, transfer->answer_length))
	{
		order->error = PK_ERR_MALFORMED;
		order->problem = pstrdup("the answer is not JSON");
		return;
	}
	/* A result never has a member of this name, so its first place decides. */
	if (*json == '{' && strncmp(json + 1 + strspn(json + 1, " \t\r\n"), "\"error\"", 7) == 0 &&
		pocket_answer_field(json, "code", code, sizeof(code)))
	{
		if (!pocket_answer_field(json, "message", message, sizeof(message)))
			strlcpy(message, code, sizeof(message));
		order->error = pk_error_by_name(code);
		order->problem = pstrdup(message);
		return;
	}
	order->answer = transfer->answer;
}

static void
send_orders(const PocketCell *cell, PocketOrder *orders, int count)
{
	PocketTransfer *transfers = palloc0(sizeof(PocketTransfer) * Max(count, 1));
	PocketTransfer *transfer;
	PocketBatch *batch = pocket_batch_begin();

	PG_TRY();
	{
		for (int i = 0; i < count; i++)
		{
			transfer = &transfers[i];
			transfer->node = orders[i].node;
			transfer->method = "POST";
			transfer->path = psprintf("/order/%s", orders[i].verb);
			transfer->body = named_body(&orders[i]);
			transfer->body_length = strlen(transfer->body);
			transfer->authorization = authorization(cell, transfer->body, transfer->body_length);
			transfer->timeout_ms = orders[i].timeout_ms;
			transfer->owner = &orders[i];
			pocket_batch_add(batch, transfer);
		}
		while ((transfer = pocket_batch_next(batch)) != NULL)
		{
			/* else it would be waited for again and again */
			if (transfer->error == PK_ERR_UNAVAILABLE)
				pocket_batch_give_up(batch, transfer->node, true);
			order_judge((PocketOrder *) transfer->owner, transfer);
		}
	}
	PG_FINALLY();
	{
		pocket_batch_end(batch);
	}
	PG_END_TRY();
	pfree(transfers);
}

/* Whoever calls has looked whether this database may order; this is the net below him. */
void
pocket_orders(PocketOrder *orders, int count)
{
	PocketCell cell;

	pocket_cell_identity(&cell);
	pocket_owner_check(&cell);
	send_orders(&cell, orders, count);
}

void
pocket_nodes_epochs(PocketOrder *orders, int count)
{
	PocketCell cell;

	pocket_cell_identity(&cell);
	for (int i = 0; i < count; i++)
	{
		orders[i].verb = "epoch";
		orders[i].body = "{}";
	}
	send_orders(&cell, orders, count);
}

bool
pocket_epoch_read(const char *answer, pk_epoch *epoch)
{
	static PocketPlan read = {"SELECT coalesce((a ->> 'incarnation')::int8, 0), coalesce((a ->> 'timeline')::int8, 0),"
							  " coalesce((a ->> 'starts')::int8, 0) FROM (SELECT $1::jsonb AS a) x",
							  "text", NULL, NULL};
	Datum values[1] = {CStringGetTextDatum(answer)};

	(void) pocket_latest(&read, values, NULL);
	epoch->incarnation = (uint32) pocket_column_int64(0, 1);
	epoch->timeline = (uint32) pocket_column_int64(0, 2);
	epoch->starts = (uint32) pocket_column_int64(0, 3);
	pocket_free_rows();
	return epoch->incarnation != 0;
}

bool
pocket_node_is_ahead(const char *node, const PocketCell *cell)
{
	PocketOrder order = {.node = node};
	pk_epoch epoch;

	pocket_nodes_epochs(&order, 1);
	return order.error == PK_OK && pocket_epoch_read(order.answer, &epoch) &&
		   pk_epoch_compare(&epoch, &cell->epoch) > 0;
}

char *
pocket_order(const char *node, const char *verb, const char *body)
{
	PocketOrder order = {.node = node, .verb = verb, .body = body};

	pocket_orders(&order, 1);
	if (order.error != PK_OK)
		pocket_node_raise(node, order.error, order.problem);
	return order.answer;
}
