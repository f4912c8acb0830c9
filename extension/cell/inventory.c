/*
 * inventory.c
 *	  The orders list and records, page by page.
 */
#include "cell/inventory.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/json.h"

#include "base/spi.h"
#include "blocks/blocks.h"
#include "cell/cell.h"

/* False, with why, when the node gave no page. */
static bool
ask(PocketInventory *pages, const char *verb, const char *body)
{
	PocketOrder order = {.node = pages->url, .verb = verb, .body = body};

	pages->answer = NULL;
	pocket_orders(&order, 1);
	pages->error = order.error;
	pages->problem = order.problem;
	pages->answer = order.answer;
	return order.error == PK_OK;
}

/* An answer without what it must have is that of something else than pocketd. */
static bool
malformed(PocketInventory *pages)
{
	pages->error = PK_ERR_MALFORMED;
	pages->problem = pstrdup("the answer is none to this order");
	pages->answer = NULL;
	return false;
}

bool
pocket_inventory_extents(PocketInventory *pages)
{
	static PocketPlan extract = {"SELECT $1::jsonb ->> 'next' FROM (SELECT) x"
								 " WHERE pg_catalog.jsonb_typeof($1::jsonb -> 'next') = 'string'"
								 " AND pg_catalog.jsonb_typeof($1::jsonb -> 'extents') = 'array'"
								 " AND pg_catalog.jsonb_typeof($1::jsonb -> 'damaged') = 'array'",
								 "text", NULL, NULL};
	StringInfoData body;
	Datum values[1];

	if (pages->ended)
		return false;
	initStringInfo(&body);
	appendStringInfo(&body, "{\"drive\": \"%s\", \"max\": %d, \"after\": ", pages->uuid,
					 pages->max > 0 ? pages->max : PK_LIST_MAX);
	escape_json(&body, pages->after == NULL ? "" : pages->after);
	appendStringInfoChar(&body, '}');
	pages->ended = true;
	if (!ask(pages, "list", body.data))
		return false;
	values[0] = CStringGetTextDatum(pages->answer);
	if (pocket_write(&extract, values, NULL) != 1)
		return malformed(pages);
	pages->after = pocket_column_text(0, 1);
	pages->ended = pages->after[0] == '\0';
	pocket_free_rows();
	return true;
}

bool
pocket_inventory_records(PocketInventory *pages, int64 bucket_id)
{
	static PocketPlan extract = {"SELECT (j.a ->> 'length')::int8, coalesce((j.a ->> 'next')::int8, -1)"
								 " FROM (SELECT $1::jsonb AS a) j"
								 " WHERE pg_catalog.jsonb_typeof(j.a -> 'length') = 'number'"
								 " AND pg_catalog.jsonb_typeof(j.a -> 'next') IN ('number', 'null')"
								 " AND pg_catalog.jsonb_typeof(j.a -> 'records') = 'array'"
								 " AND pg_catalog.jsonb_typeof(j.a -> 'damage') = 'array'",
								 "text", NULL, NULL};
	Datum values[1];
	int64 next;

	if (pages->ended)
		return false;
	pages->ended = true;
	if (!ask(pages, "records",
			 psprintf("{\"drive\": \"%s\", \"bucket\": " INT64_FORMAT ", \"after\": " INT64_FORMAT ", \"max\": %d}",
					  pages->uuid, bucket_id, pages->offset, pages->max > 0 ? pages->max : PK_RECORDS_MAX)))
		return false;
	values[0] = CStringGetTextDatum(pages->answer);
	if (pocket_write(&extract, values, NULL) != 1)
		return malformed(pages);
	pages->length = pocket_column_int64(0, 1);
	next = pocket_column_int64(0, 2);
	pocket_free_rows();
	/* what does not go forward would never end */
	if (next >= 0 && next <= pages->offset)
		return malformed(pages);
	pages->ended = next < 0;
	if (!pages->ended)
		pages->offset = next;
	return true;
}
