/*
 * spread.c
 *	  Over which buckets the blocks of one call are spread; see spread.h.
 */
#include "blocks/spread.h"

#include "utils/timestamp.h"

#include "base/error.h"
#include "base/guc.h"
#include "base/spi.h"
#include "base/wait.h"
#include "blocks/pace.h"
#include "blocks/transfer.h"

#define PLACE_BYTES (INT64CONST(4) << 20) /* sent to one bucket before another is chosen */
#define OPENER_RUNS_MAX 3
#define PAUSE_MS 20

/* Buckets that this backend was told are closed; they never open again.  A ring. */
static PocketClosedBuckets closed;

static int
closed_count(void)
{
	return (int) Min(closed.count, POCKET_CLOSED_MAX);
}

static void
remember_closed(int64 bucket_id)
{
	for (int i = 0; i < closed_count(); i++)
	{
		if (closed.bucket_ids[i] == bucket_id)
			return;
	}
	closed.bucket_ids[closed.count++ % POCKET_CLOSED_MAX] = bucket_id;
}

int64
pocket_spread_closed(void)
{
	return closed.count;
}

void
pocket_spread_hint(int64 before)
{
	if (closed.count > before)
		pocket_opener_hint(closed.bucket_ids, closed_count());
}

void
pocket_spread_avoid(PocketSpread *spread, int64 bucket_id, bool is_closed)
{
	if (is_closed)
		remember_closed(bucket_id);
	for (int i = 0; i < spread->avoid_count; i++)
	{
		if (spread->avoid[i] == bucket_id)
			return;
	}
	if (spread->avoid_count < POCKET_CLOSED_MAX)
		spread->avoid[spread->avoid_count++] = bucket_id;
	if (spread->placed && spread->place.bucket_id == bucket_id)
		spread->placed = false;
}

void
pocket_spread_note(PocketSpread *spread, pk_error error, const char *node, const char *problem)
{
	if (spread->problem != NULL && spread->error != PK_ERR_BUCKET_CLOSED)
		return;
	spread->error = error;
	spread->node = node;
	spread->problem = pstrdup(problem);
}

bool
pocket_spread_find(PocketSpread *spread)
{
	const char *slow[POCKET_DISTRUSTED_MAX];
	int slow_count = pocket_pace_list(slow);
	int64 avoid[2 * POCKET_CLOSED_MAX];
	int count = closed_count();

	if (spread->placed && spread->bytes < PLACE_BYTES)
		return true;
	memcpy(avoid, closed.bucket_ids, sizeof(int64) * count);
	memcpy(avoid + count, spread->avoid, sizeof(int64) * spread->avoid_count);
	count += spread->avoid_count;
	spread->placed =
		pocket_place_writable(&spread->place, avoid, count, slow, slow_count, spread->loads, spread->load_count) ||
		(slow_count > 0 &&
		 pocket_place_writable(&spread->place, avoid, count, NULL, 0, spread->loads, spread->load_count));
	spread->bytes = 0;
	return spread->placed;
}

void
pocket_spread_count(PocketSpread *spread, int64 bytes)
{
	int64 bucket_id = spread->place.bucket_id;
	int i = 0;

	spread->bytes += bytes;
	while (i < spread->load_count && spread->loads[i].bucket_id != bucket_id)
		i++;
	if (i == POCKET_LOADS_MAX)
		return; /* more buckets than are kept open: the rest count as empty */
	if (i == spread->load_count)
	{
		spread->loads[spread->load_count].bucket_id = bucket_id;
		spread->loads[spread->load_count++].bytes = 0;
	}
	spread->loads[i].bytes += bytes;
}

void
pocket_spread_give_up(const PocketSpread *spread)
{
	static PocketPlan count = {"SELECT pg_catalog.count(DISTINCT n.node_id), pg_catalog.count(d.drive_id)"
							   " FILTER (WHERE n.state = 'up' AND d.state = 'ok') FROM pocket_data.node n"
							   " LEFT JOIN pocket_data.drive d ON d.node_id = n.node_id",
							   "", NULL, NULL};
	int64 nodes;
	int64 drives;

	if (spread->problem != NULL && spread->error != PK_ERR_BUCKET_CLOSED)
		ereport(ERROR, (errcode(pocket_node_sqlstate(spread->error)),
						errmsg("no open bucket took the blocks; node %s: %s", spread->node, spread->problem),
						errhint("%s", pocket_node_hint(spread->error))));
	(void) pocket_latest(&count, NULL, NULL);
	nodes = pocket_column_int64(0, 1);
	drives = pocket_column_int64(0, 2);
	pocket_free_rows();
	if (nodes == 0)
		ereport(ERROR, (errcode(pocket_sqlstate(PK_ERR_NO_PLACE)), errmsg("there is no place for blocks"),
						errdetail("The cell has no node."),
						errhint("A superuser runs: SELECT pocket.add_node('http://HOST:PORT');")));
	if (drives > 0 && drives < pocket_replicas)
		ereport(ERROR, (errcode(pocket_sqlstate(PK_ERR_NO_PLACE)),
						errmsg("there are too few drives for the protection that is promised"),
						errdetail("pocket.replicas asks for %d drives that hold each new block; " INT64_FORMAT
								  " are well now.",
								  pocket_replicas, drives),
						errhint("Add drives, bring back those that are away (see pocket.drives), or lower"
								" pocket.replicas.")));
	if (drives > 0)
		ereport(ERROR, (errcode(ERRCODE_DISK_FULL), errmsg("no open bucket takes blocks, and none can be opened"),
						errdetail("No healthy drive has room for a new bucket."),
						errhint("Add drives or free space. See pocket.drives, and the server's log.")));
	ereport(ERROR, (errcode(pocket_sqlstate(PK_ERR_NO_PLACE)), errmsg("no open bucket takes blocks now"),
					errdetail("No node answers, or none has a healthy drive."),
					errhint("See pocket.health, and the server's log.")));
}

bool
pocket_out_of_patience(TimestampTz began)
{
	return TimestampDifferenceExceeds(began, GetCurrentTimestamp(), Max(pocket_client_timeout_ms, 1000));
}

/*
 * Another open bucket, opened for us if need be.  Gives up when openers have run a few times and there is none, or as long as
 * a node may take to answer none could run.
 */
void
pocket_spread_wait(PocketSpread *spread)
{
	TimestampTz began = GetCurrentTimestamp();
	int runs = 0;

	while (!pocket_spread_find(spread))
	{
		PocketOpener opener = pocket_opener_run(closed.bucket_ids, closed_count());

		if (pocket_spread_find(spread))
			return;
		runs += opener == POCKET_OPENER_RAN;
		if (runs >= OPENER_RUNS_MAX || (opener != POCKET_OPENER_NONE && pocket_out_of_patience(began)))
			pocket_spread_give_up(spread);
		if (pocket_out_of_patience(began))
			ereport(
				ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("no open bucket takes blocks, and no worker that opens one can be started"),
				 errhint("Raise max_worker_processes, or run the coordinator: shared_preload_libraries = 'pocket'.")));
		pocket_pause(PAUSE_MS);
	}
}
