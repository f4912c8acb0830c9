/*
 * map.c
 *	  The map: which node has which drive, and which drives have the members of
 *	  which volume, told to every node that does not know it yet.
 *
 * A map is numbered by the transaction ids that it knows: all that was committed
 * before number N.  A node says which number it has (0: none, it was started
 * anew), and gets what has changed since, so nothing that commits late is
 * skipped.  What is committed beyond N already is told as well: it is told again
 * next time, which does no harm.  Numbers of another history, before a promotion
 * or recovery to a moment, are not gone on from: the map starts anew.
 *
 * A stale map costs a retry, never a wrong byte, so a node that does not take it
 * is told the next time.
 */
#include "cell/cell.h"

#include "access/transam.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/xid8.h"

#include "base/spi.h"
#include "blocks/blocks.h"
#include "placement/placement.h"

#define VOLUMES_PER_PAGE 500
#define LITERAL_(n) #n
#define LITERAL(n) LITERAL_(n)
#define BODY_MAX (PK_ORDER_SIZE_MAX - 16 * 1024) /* for volumes; the rest is for the frame */
#define XID_BITS 48
#define XID_MASK ((UINT64CONST(1) << XID_BITS) - 1)
#define BEGUN 1 /* no transaction's id: the map is not complete yet */

typedef struct MapPush
{
	const PocketNodesStatus *status;
	uint64 number;
	char *cell; /* "nodes" and "drives" */
	/* of the nodes that are told together */
	uint64 from;
	int count;
	int *nodes;
} MapPush;

/* The history that a number belongs to, and the oldest transaction that may still commit something. */
static uint64
current_number(void)
{
	static PocketPlan xmin = {"SELECT pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())", "", NULL, NULL};
	PocketCell cell;
	uint64 number;
	bool is_null;

	pocket_cell_identity(&cell);
	(void) pocket_write(&xmin, NULL, NULL);
	number = U64FromFullTransactionId(DatumGetFullTransactionId(pocket_column(0, 1, &is_null))) & XID_MASK;
	pocket_free_rows();
	return ((uint64) (cell.epoch.incarnation * 61 + cell.epoch.timeline) & 0x7fff) << XID_BITS | number;
}

/* From which number a node that has this one goes on. */
static uint64
continued(uint64 has, uint64 number)
{
	bool same = (has >> XID_BITS) == (number >> XID_BITS) && (has & XID_MASK) > BEGUN && has <= number;

	return same ? has : 0;
}

static char *
cell_json(void)
{
	static PocketPlan load = {
		"SELECT pg_catalog.format('\"nodes\":%s,\"drives\":%s',"
		" (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object('node', node_id, 'url', url)), '[]')"
		" FROM pocket_data.node),"
		" (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object('drive', uuid, 'node', node_id)), '[]')"
		" FROM pocket_data.drive))",
		"", NULL, NULL};
	char *json;

	(void) pocket_write(&load, NULL, NULL);
	json = pocket_column_text(0, 1);
	pocket_free_rows();
	return json;
}

/* One order to all nodes of the push; those that do not take it are told no more. */
static void
send(MapPush *push, uint64 number, const char *volumes)
{
	PocketOrder *orders = palloc0(sizeof(PocketOrder) * Max(push->count, 1));
	char *body = psprintf("{\"from\":" UINT64_FORMAT ",\"number\":" UINT64_FORMAT ",%s,\"volumes\":[%s]}", push->from,
						  number, push->cell, volumes);
	int taken = 0;

	for (int i = 0; i < push->count; i++)
	{
		orders[i].node = push->status->orders[push->nodes[i]].node;
		orders[i].verb = "map";
		orders[i].body = body;
	}
	pocket_orders(orders, push->count);
	for (int i = 0; i < push->count; i++)
	{
		if (orders[i].error == PK_OK)
		{
			push->status->maps[push->nodes[i]] = (int64) number;
			push->nodes[taken++] = push->nodes[i];
		}
		/* it was told meanwhile, or has just been started anew; or the next check says what ails it */
		else if (orders[i].error != PK_ERR_STATE && orders[i].error != PK_ERR_UNAVAILABLE)
			ereport(WARNING, (errmsg("node %s did not take the map: %s", orders[i].node, orders[i].problem)));
	}
	push->count = taken;
	push->from = number;
	pfree(orders);
	pfree(body);
}

/* Volumes of one page behind *after; false when it was the last. */
static bool
next_page(uint64 *after, int64 *after_id, MapPush *push, StringInfo volumes)
{
	/* what this transaction has changed may be rolled back */
	static PocketPlan load = {
		"SELECT v.changed, v.volume_id, pg_catalog.json_build_object('volume', v.volume_id, 'generation', v.generation,"
		" 'code', v.code, 'members', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('drive', d.uuid,"
		" 'bucket', coalesce(e.bucket_id, 0), 'length', e.length) ORDER BY e.position) FROM pocket_data.extent e"
		" LEFT JOIN pocket_data.drive d ON d.drive_id = e.drive_id WHERE e.volume_id = v.volume_id))::text"
		" FROM pocket_data.volume v WHERE (v.changed, v.volume_id) > ($1, $2) AND v.state <> 'retired'"
		" AND v.changed IS DISTINCT FROM pg_catalog.pg_current_xact_id_if_assigned()"
		" AND EXISTS (SELECT FROM pocket_data.extent e WHERE e.volume_id = v.volume_id)"
		" ORDER BY v.changed, v.volume_id LIMIT " LITERAL(VOLUMES_PER_PAGE),
		"xid8 int8", NULL, NULL};
	Datum values[2] = {FullTransactionIdGetDatum(FullTransactionIdFromU64(*after)), Int64GetDatum(*after_id)};
	int count = (int) pocket_write(&load, values, NULL);
	SPITupleTable *rows = SPI_tuptable;

	for (int i = 0; i < count; i++)
	{
		bool is_null;
		char *volume = SPI_getvalue(rows->vals[i], rows->tupdesc, 3);

		if (volumes->len + (int) strlen(volume) > BODY_MAX - (int) strlen(push->cell) && volumes->len > 0)
		{
			send(push, push->from == 0 ? (push->number & ~XID_MASK) | BEGUN : push->from, volumes->data);
			resetStringInfo(volumes);
		}
		appendStringInfo(volumes, "%s%s", volumes->len == 0 ? "" : ",", volume);
		pfree(volume);
		*after = U64FromFullTransactionId(
			DatumGetFullTransactionId(SPI_getbinval(rows->vals[i], rows->tupdesc, 1, &is_null)));
		*after_id = DatumGetInt64(SPI_getbinval(rows->vals[i], rows->tupdesc, 2, &is_null));
	}
	SPI_freetuptable(rows);
	return count == VOLUMES_PER_PAGE;
}

static void
push_volumes(MapPush *push)
{
	uint64 from = push->from & XID_MASK;
	uint64 after = from == 0 ? 0 : from - 1;
	int64 after_id = PG_INT64_MAX;
	StringInfoData volumes;

	initStringInfo(&volumes);
	while (next_page(&after, &after_id, push, &volumes) && push->count > 0)
		;
	if (push->count > 0)
		send(push, push->number, volumes.data);
	pfree(volumes.data);
}

/* Which of the nodes that answer, and have not been told, go on from the same number as the first of them. */
static bool
next_nodes(MapPush *push, bool *told)
{
	push->count = 0;
	for (int i = 0; i < push->status->count; i++)
	{
		uint64 from;

		if (told[i] || push->status->maps[i] < 0 || (uint64) push->status->maps[i] == push->number)
			continue;
		from = continued((uint64) push->status->maps[i], push->number);
		if (push->count > 0 && from != push->from)
			continue;
		push->from = from;
		push->nodes[push->count++] = i;
		told[i] = true;
	}
	return push->count > 0;
}

void
pocket_map_push(PocketPass *pass)
{
	MapPush push = {.status = pocket_pass_status(pass)};
	bool *told = palloc0(sizeof(bool) * Max(push.status->count, 1));
	bool wanted = push.status->count > 1;

	/* a node that is alone has all itself; but it may know others that were removed */
	for (int i = 0; i < push.status->count; i++)
		wanted |= push.status->maps[i] > 0;
	if (!wanted)
		return;
	push.nodes = palloc(sizeof(int) * Max(push.status->count, 1));
	push.number = current_number();
	push.cell = cell_json();
	while (next_nodes(&push, told))
		push_volumes(&push);
	pfree(told);
}
