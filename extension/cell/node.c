/*
 * node.c
 *	  pocket.add_node: a sidecar and its drives become the cell's.
 */
#include "cell/cell.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "base/install.h"
#include "base/spi.h"
#include "blocks/blocks.h"
#include "blocks/transfer.h"

PG_FUNCTION_INFO_V1(pocket_add_node);

static int64
node_row(const char *url, const char *zone)
{
	static PocketPlan add_zone = {"INSERT INTO pocket_data.zone (name) VALUES ($1) ON CONFLICT (name) DO NOTHING",
								  "text", NULL, NULL};
	static PocketPlan add_node = {
		"INSERT INTO pocket_data.node AS n (url, zone_id, state, added_at, seen_at)"
		" SELECT $1, z.zone_id, 'up', pg_catalog.clock_timestamp(), pg_catalog.clock_timestamp()"
		" FROM pocket_data.zone z WHERE z.name = $2"
		" ON CONFLICT (url) DO UPDATE SET zone_id = excluded.zone_id, state = 'up', problem = NULL,"
		" seen_at = excluded.seen_at RETURNING n.node_id",
		"text text", NULL, NULL};
	Datum values[2] = {CStringGetTextDatum(zone), (Datum) 0};
	int64 node_id;

	(void) pocket_write(&add_zone, values, NULL);
	values[0] = CStringGetTextDatum(url);
	values[1] = CStringGetTextDatum(zone);
	(void) pocket_write(&add_node, values, NULL);
	node_id = pocket_column_int64(0, 1);
	pocket_free_rows();
	return node_id;
}

char *
pocket_node_url_clean(const char *url)
{
	char *clean = pstrdup(url);
	Size length = strlen(clean);

	while (length > 0 && clean[length - 1] == '/')
		clean[--length] = '\0';
	pocket_node_url_check(clean);
	return clean;
}

Datum
pocket_add_node(PG_FUNCTION_ARGS)
{
	char *url = pocket_node_url_clean(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	char *zone = text_to_cstring(PG_GETARG_TEXT_PP(1));
	PocketSession session;
	PocketPass pass = {0};
	const char *status;
	int64 node_id;

	if (zone[0] == '\0')
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("the name of a zone is not empty")));
	(void) pocket_install_if_needed();
	pocket_enter(&session);
	pocket_lock_pass();
	status = pocket_order(url, "bind", "{}");
	node_id = node_row(url, zone);
	pocket_node_absorb(node_id, status, true);
	pocket_map_push(&pass);
	pocket_lock_open();
	pocket_duty_open(&pass);
	if (pass.done == 0 && pass.remaining > 0)
		ereport(WARNING, (errmsg("no bucket could be opened"),
						  errdetail("Too few drives are healthy and have room for a bucket."),
						  errhint("See pocket.drives; add drives, or lower pocket.replicas.")));
	pocket_leave(&session);
	PG_RETURN_INT64(node_id);
}
