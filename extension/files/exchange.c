/*
 * exchange.c
 *	  upload and download: URLs with which a client brings and fetches blocks
 *	  without this server.
 */
#include "files/files.h"

#include "common/base64.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(pocket_upload);
PG_FUNCTION_INFO_V1(pocket_download);

#define WINDOW_BLOCKS 256

/* As long as what is deleted can come back: so long a URL is served, whatever is moved meanwhile. */
#define DOWNLOAD_LIFE_MAX_DAYS 7

/* A document of its own bytes (RFC 2397), for what has no block. */
#define DATA_URL "data:application/octet-stream;base64,"

/* --- upload --- */

typedef struct Spot
{
	const PocketBlock *block;
	int32 at;
} Spot;

static int
compare_spots(const void *a, const void *b)
{
	const Spot *x = a;
	const Spot *y = b;
	int result = memcmp(x->block, y->block, sizeof(PocketBlock));

	return result != 0 ? result : (x->at > y->at) - (x->at < y->at);
}

/* A block that is in a list several times is brought once. bytes: of the distinct ones. */
static bool *
first_of_each(const PocketBlockList *list, int64 *bytes)
{
	Spot *spots = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Spot) * (Size) Max(list->count, 1));
	bool *first = palloc0(sizeof(bool) * (Size) Max(list->count, 1));

	for (int32 i = 0; i < list->count; i++)
		spots[i] = (Spot){&list->blocks[i], i};
	qsort(spots, (size_t) list->count, sizeof(Spot), compare_spots);
	for (int32 i = 0; i < list->count; i++)
	{
		bool is_first = i == 0 || memcmp(spots[i - 1].block, spots[i].block, sizeof(PocketBlock)) != 0;

		first[spots[i].at] = is_first;
		*bytes += is_first ? spots[i].block->size : 0;
	}
	pfree(spots);
	return first;
}

static void
upload_row(ReturnSetInfo *set, int32 seq, const PocketBlock *block, const char *url)
{
	Datum values[5] = {Int32GetDatum(seq), PointerGetDatum(&block->hash), Int32GetDatum((int32) block->size),
					   BoolGetDatum(url != NULL), url == NULL ? 0 : CStringGetTextDatum(url)};
	bool nulls[5] = {false, false, false, false, url == NULL};

	tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
}

/* The rows of blocks [start, end). */
static void
upload_window(ReturnSetInfo *set, PocketUploads *uploads, const PocketBlockList *list, const bool *first, int32 start,
			  int32 end)
{
	const PocketBlock *blocks[WINDOW_BLOCKS] = {NULL};
	char *urls[WINDOW_BLOCKS];
	int count = 0;
	int next = 0;

	for (int32 i = start; i < end; i++)
	{
		blocks[count] = &list->blocks[i];
		count += first[i];
	}
	pocket_uploads_sign(uploads, blocks, count, urls);
	for (int32 i = start; i < end; i++)
		upload_row(set, i + 1, &list->blocks[i], first[i] ? urls[next++] : NULL);
}

/* upload(namespace, blocks) */
Datum
pocket_upload(PG_FUNCTION_ARGS)
{
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	const PocketBlockList *list = PG_GETARG_BLOCKLIST(1);
	PocketSession session;
	PocketNamespace ns;
	PocketUploads *uploads;
	MemoryContext window;
	MemoryContext outer;
	const bool *first;
	int64 bytes = 0;

	InitMaterializedSRF(fcinfo, 0);
	pocket_enter(&session);
	pocket_namespace_open(&ns, name, pocket_caller(&session, fcinfo->flinfo->fn_oid), true);
	pocket_check_root(&ns, PK_RIGHT_WRITE);
	first = first_of_each(list, &bytes);
	/* what has them all has no fewer bytes: nobody sends for hours what cannot be committed */
	pocket_quota_allows(ns.ns_id, bytes, ns.is_owned);
	uploads = pocket_uploads_begin(ns.ns_id, !ns.is_owned);
	window = AllocSetContextCreate(CurrentMemoryContext, "window of upload", ALLOCSET_DEFAULT_SIZES);
	outer = MemoryContextSwitchTo(window);
	for (int32 start = 0; start < list->count; start += WINDOW_BLOCKS)
	{
		CHECK_FOR_INTERRUPTS();
		upload_window((ReturnSetInfo *) fcinfo->resultinfo, uploads, list, first, start,
					  Min(start + WINDOW_BLOCKS, list->count));
		MemoryContextReset(window);
	}
	MemoryContextSwitchTo(outer);
	pocket_leave(&session);
	return (Datum) 0;
}

/* --- download --- */

/* Unix seconds, exclusive; rounded up, so that a URL is good for at least as long as was asked for. */
static uint64
expiry(const Interval *life)
{
	int64 max = DOWNLOAD_LIFE_MAX_DAYS * USECS_PER_DAY;
	int64 days = (int64) life->month * DAYS_PER_MONTH + life->day;
	int64 us = -1;

	/* time alone is compared first: it can be as large as its type */
	if (days >= -DOWNLOAD_LIFE_MAX_DAYS && days <= DOWNLOAD_LIFE_MAX_DAYS && life->time >= -max && life->time <= max)
		us = days * USECS_PER_DAY + life->time;
	if (us <= 0 || us > max)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("expires must be more than nothing and at most %d days", DOWNLOAD_LIFE_MAX_DAYS),
				 errhint("A URL cannot be taken back: for longer, ask for others when the first have expired.")));
	us += GetCurrentTimestamp() + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
	return (uint64) ((us + USECS_PER_SEC - 1) / USECS_PER_SEC);
}

static void
download_row(ReturnSetInfo *set, int32 seq, const PocketSha256 *hash, int32 size, const char *url)
{
	Datum values[4] = {Int32GetDatum(seq), PointerGetDatum(hash), Int32GetDatum(size), CStringGetTextDatum(url)};
	bool nulls[4] = {false, false, false, false};

	tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
}

/* What is in its row is in its URL. */
static void
download_inline(ReturnSetInfo *set, const PocketSpot *spot)
{
	const bytea *content = spot->state.inlined;
	int size = content == NULL ? 0 : (int) VARSIZE_ANY_EXHDR(content);
	int room = pg_b64_enc_len(size);
	char *url = palloc(sizeof(DATA_URL) + (Size) room);
	PocketSha256 hash;
	int length;

	if (size != spot->state.size)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("the row of \"%s\" lacks its content", spot->path)));
	if (size == 0)
		return;
	memcpy(url, DATA_URL, strlen(DATA_URL));
	length = pg_b64_encode(VARDATA_ANY(content), size, url + strlen(DATA_URL), room);
	if (length < 0)
		elog(ERROR, "base64 of %d bytes does not fit %d", size, room);
	url[strlen(DATA_URL) + (Size) length] = '\0';
	pk_sha256(hash.bytes, VARDATA_ANY(content), (size_t) size);
	download_row(set, 1, &hash, size, url);
}

static void
download_blocks(ReturnSetInfo *set, const PocketBlockList *list, uint64 expires)
{
	PocketDownloads *downloads = pocket_downloads_begin(expires);
	MemoryContext window = AllocSetContextCreate(CurrentMemoryContext, "window of download", ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(window);

	for (int32 start = 0; start < list->count; start += WINDOW_BLOCKS)
	{
		const PocketBlock *blocks[WINDOW_BLOCKS];
		char *urls[WINDOW_BLOCKS];
		int count = Min(WINDOW_BLOCKS, list->count - start);

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < count; i++)
			blocks[i] = &list->blocks[start + i];
		pocket_downloads_sign(downloads, blocks, count, urls);
		for (int i = 0; i < count; i++)
			download_row(set, start + i + 1, &blocks[i]->hash, (int32) blocks[i]->size, urls[i]);
		MemoryContextReset(window);
	}
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(window);
}

/* download(path, rev, expires) */
Datum
pocket_download(PG_FUNCTION_ARGS)
{
	PocketPath path;
	PocketSession session;
	PocketNamespace ns;
	PocketSpot spot;
	uint64 expires;

	pocket_check_not_null(fcinfo, 0, "path");
	pocket_check_not_null(fcinfo, 2, "expires");
	expires = expiry(PG_GETARG_INTERVAL_P(2));
	pocket_path_argument(&path, fcinfo, 0);
	InitMaterializedSRF(fcinfo, 0);

	pocket_enter(&session);
	pocket_path_open(&ns, &path, pocket_caller(&session, fcinfo->flinfo->fn_oid), false);
	pocket_find_content(&spot, &ns, &path, !PG_ARGISNULL(1), PG_ARGISNULL(1) ? 0 : PG_GETARG_INT64(1));
	if (spot.state.blocks != NULL)
		download_blocks((ReturnSetInfo *) fcinfo->resultinfo, spot.state.blocks, expires);
	else
		download_inline((ReturnSetInfo *) fcinfo->resultinfo, &spot);
	pocket_leave(&session);
	return (Datum) 0;
}
