/*
 * hold.c
 *	  Which blocks a namespace holds.
 *
 * A hold is at once the proof that the namespace owns a block and what keeps
 * it.  Holders are counted by differences between consecutive revisions of a
 * file: a run of revisions with the block counts once, and ends when its last
 * revision is no longer kept.  All work here is in hash order, so that two
 * transactions never wait for each other in a circle.
 */
#include "blocks/blocks.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/spi.h"
#include "blocks/transfer.h"

Datum
pocket_hash_array(const uint8 *const *hashes, int count)
{
	Datum *elements = palloc(sizeof(Datum) * Max(count, 1));

	for (int i = 0; i < count; i++)
	{
		bytea *hash = palloc(VARHDRSZ + PK_SHA256_SIZE);

		SET_VARSIZE(hash, VARHDRSZ + PK_SHA256_SIZE);
		memcpy(VARDATA(hash), hashes[i], PK_SHA256_SIZE);
		elements[i] = PointerGetDatum(hash);
	}
	return PointerGetDatum(construct_array(elements, count, BYTEAOID, -1, false, TYPALIGN_INT));
}

void
pocket_blocks_held(int64 ns_id, const uint8 *const *hashes, int count, bool *held)
{
	/* LIMIT keeps the planner from joining any other way than by the key, whatever it thought of an empty table */
	static PocketPlan find = {"SELECT u.i FROM pg_catalog.unnest($2) WITH ORDINALITY u (b, i)"
							  " CROSS JOIN LATERAL (SELECT FROM pocket_data.holder h WHERE h.ns_id = $1"
							  " AND h.hash OPERATOR(pocket.=) u.b::pocket.sha256 AND h.files > 0"
							  /* what is lost is wanted again: a row must resolve */
							  " AND EXISTS (SELECT FROM pocket_data.block k WHERE k.hash OPERATOR(pocket.=) h.hash"
							  " AND NOT EXISTS (SELECT FROM pocket_data.extent e WHERE e.bucket_id = k.bucket_id"
							  " AND e.state = 'lost')) LIMIT 1) h",
							  "int8 bytea[]", NULL, NULL};
	Datum values[2];

	memset(held, 0, sizeof(bool) * count);
	if (count == 0)
		return;
	values[0] = Int64GetDatum(ns_id);
	values[1] = pocket_hash_array(hashes, count);
	(void) pocket_write(&find, values, NULL);
	for (uint64 row = 0; row < SPI_processed; row++)
		held[pocket_column_int64(row, 1) - 1] = true;
	pocket_free_rows();
}

static int
hash_order(const void *a, const void *b)
{
	return memcmp(*(const uint8 *const *) a, *(const uint8 *const *) b, PK_SHA256_SIZE);
}

/* The distinct hashes of a list, in order. */
static const uint8 **
distinct_hashes(const PocketBlockList *list, int *count)
{
	const uint8 **hashes = palloc(sizeof(uint8 *) * Max(list->count, 1));
	int kept = 0;

	for (int i = 0; i < list->count; i++)
		hashes[i] = list->blocks[i].hash.bytes;
	qsort(hashes, list->count, sizeof(uint8 *), hash_order);
	for (int i = 0; i < list->count; i++)
	{
		if (kept == 0 || hash_order(&hashes[kept - 1], &hashes[i]) != 0)
			hashes[kept++] = hashes[i];
	}
	*count = kept;
	return hashes;
}

/* What a has and b has not; both in order. */
static int
subtract(const uint8 **a, int na, const uint8 **b, int nb)
{
	int kept = 0;
	int j = 0;

	for (int i = 0; i < na; i++)
	{
		while (j < nb && hash_order(&b[j], &a[i]) < 0)
			j++;
		if (j == nb || hash_order(&b[j], &a[i]) != 0)
			a[kept++] = a[i];
	}
	return kept;
}

static void
insert_block(const pk_receipt *receipt, const uint8 *hash)
{
	static PocketPlan insert = {
		"INSERT INTO pocket_data.block (hash, bucket_id, \"offset\", stored_length, length, crc32c, created_at)"
		" VALUES ($1::pocket.sha256, $2, $3, $4, $5, $6, pg_catalog.clock_timestamp()) ON CONFLICT DO NOTHING",
		"bytea int8 int8 int4 int4 int8", NULL, NULL};
	bytea *name = palloc(VARHDRSZ + PK_SHA256_SIZE);
	Datum values[6];

	SET_VARSIZE(name, VARHDRSZ + PK_SHA256_SIZE);
	memcpy(VARDATA(name), hash, PK_SHA256_SIZE);
	values[0] = PointerGetDatum(name);
	values[1] = Int64GetDatum((int64) receipt->bucket_id);
	values[2] = Int64GetDatum((int64) receipt->offset);
	values[3] = Int32GetDatum((int32) receipt->stored_length);
	values[4] = Int32GetDatum((int32) receipt->length);
	values[5] = Int64GetDatum((int64) receipt->crc32c);
	(void) pocket_write(&insert, values, NULL);
	pfree(name);
}

static void
block_needed(const uint8 *hash)
{
	char hex[PK_SHA256_HEX + 1];

	pk_hex_encode(hex, hash, PK_SHA256_SIZE);
	ereport(ERROR, (errcode(pocket_node_sqlstate(PK_ERR_BLOCK_NEEDED)), errmsg("block %s is needed", hex),
					errdetail("The namespace does not hold it, and no receipt for it was given."),
					errhint("Put the content again.")));
}

void
pocket_blocks_index(const PocketReceipts *receipts, const PocketBlockList *list)
{
	int count = 0;
	const uint8 **hashes = receipts == NULL || list == NULL ? NULL : distinct_hashes(list, &count);

	for (int i = 0; i < count; i++)
	{
		const pk_receipt *receipt = pocket_receipt_find(receipts, hashes[i]);

		if (receipt != NULL)
			insert_block(receipt, hashes[i]);
	}
}

static void
count_holders(int64 ns_id, const uint8 *const *hashes, int count)
{
	static PocketPlan add = {"INSERT INTO pocket_data.holder AS h (ns_id, hash, files)"
							 " SELECT $1, u.b::pocket.sha256, 1 FROM pg_catalog.unnest($2) WITH ORDINALITY u (b, i)"
							 " ORDER BY u.i ON CONFLICT (ns_id, hash) DO UPDATE SET files = h.files + 1",
							 "int8 bytea[]", NULL, NULL};
	Datum values[2] = {Int64GetDatum(ns_id), pocket_hash_array(hashes, count)};

	(void) pocket_write(&add, values, NULL);
}

void
pocket_blocks_release(int64 ns_id, const PocketBlockList *before, const PocketBlockList *after)
{
	static PocketPlan subtract_one = {
		"UPDATE pocket_data.holder h SET files = h.files - 1 FROM (SELECT b.hash FROM pg_catalog.unnest($2)"
		" WITH ORDINALITY u (b, i) CROSS JOIN LATERAL (SELECT b.hash FROM pocket_data.holder b WHERE b.ns_id = $1"
		" AND b.hash OPERATOR(pocket.=) u.b::pocket.sha256 LIMIT 1) b ORDER BY u.i) o"
		" WHERE h.ns_id = $1 AND h.hash OPERATOR(pocket.=) o.hash",
		"int8 bytea[]", NULL, NULL};
	static PocketPlan clean = {"DELETE FROM pocket_data.holder h USING pg_catalog.unnest($2) u (b)"
							   " WHERE h.ns_id = $1 AND h.hash OPERATOR(pocket.=) u.b::pocket.sha256 AND h.files = 0",
							   "int8 bytea[]", NULL, NULL};
	int count = 0;
	const uint8 **dropped = before == NULL ? NULL : distinct_hashes(before, &count);
	Datum values[2];

	if (count > 0 && after != NULL)
	{
		int count_after;
		const uint8 **kept = distinct_hashes(after, &count_after);

		count = subtract(dropped, count, kept, count_after);
	}
	if (count == 0)
		return;
	values[0] = Int64GetDatum(ns_id);
	values[1] = pocket_hash_array(dropped, count);
	if (pocket_write(&subtract_one, values, NULL) != (uint64) count)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("namespace " INT64_FORMAT " does not hold all blocks of a revision that it has", ns_id)));
	(void) pocket_write(&clean, values, NULL);
}

void
pocket_blocks_hold(int64 ns_id, PocketReceipts *receipts, const PocketBlockList *before, const PocketBlockList *after)
{
	int count = 0;
	const uint8 **added = after == NULL ? NULL : distinct_hashes(after, &count);
	bool *held;

	if (count > 0 && before != NULL)
	{
		int count_before;
		const uint8 **old = distinct_hashes(before, &count_before);

		count = subtract(added, count, old, count_before);
	}
	/* also what `before` has: it was sent only if its other copies are lost */
	pocket_blocks_index(receipts, after);
	if (count == 0)
		return;
	held = palloc(sizeof(bool) * count);
	pocket_blocks_held(ns_id, added, count, held);
	for (int i = 0; i < count; i++)
	{
		if (!held[i] && pocket_receipt_find(receipts, added[i]) == NULL)
			block_needed(added[i]);
	}
	count_holders(ns_id, added, count);
	pfree(held);
}

static void
block_lost(const uint8 *hash)
{
	char hex[PK_SHA256_HEX + 1];

	pk_hex_encode(hex, hash, PK_SHA256_SIZE);
	ereport(ERROR, (errcode(pocket_node_sqlstate(PK_ERR_BLOCK_LOST)), errmsg("block %s is lost", hex),
					errdetail("A file that has it cannot be copied."),
					errhint("pocket.verify() lists the files that have lost blocks; put their content again.")));
}

void
pocket_blocks_hold_copy(int64 ns_id, int64 source_ns_id, const PocketBlockList *blocks)
{
	int count;
	const uint8 **hashes = distinct_hashes(blocks, &count);
	bool *held = palloc(sizeof(bool) * Max(count, 1));

	pocket_blocks_held(source_ns_id, hashes, count, held);
	for (int i = 0; i < count; i++)
	{
		if (!held[i])
			block_lost(hashes[i]);
	}
	if (count > 0)
		count_holders(ns_id, hashes, count);
}
