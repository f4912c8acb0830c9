/*
 * hold.c
 *	  Which blocks a namespace holds.
 *
 * A hold is at once the proof that the namespace owns a block and what keeps
 * it.  Holders are counted by differences between consecutive revisions of a
 * file: a run of revisions with the block counts once, and ends when its last
 * revision is no longer kept.  All work here is in hash order, so that two
 * transactions never wait for each other in a circle.
 *
 * What nobody holds any more is told to the reclaimer (cell/reclaim.c).
 */
#include "blocks/blocks.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/spi.h"
#include "blocks/transfer.h"

#define INSERT_TRIES_MAX 10

Datum
pocket_hash_array(const PocketBlock *const *blocks, int count)
{
	Datum *elements = palloc(sizeof(Datum) * Max(count, 1));

	for (int i = 0; i < count; i++)
	{
		bytea *hash = palloc(VARHDRSZ + PK_SHA256_SIZE);

		SET_VARSIZE(hash, VARHDRSZ + PK_SHA256_SIZE);
		memcpy(VARDATA(hash), blocks[i]->hash.bytes, PK_SHA256_SIZE);
		elements[i] = PointerGetDatum(hash);
	}
	return PointerGetDatum(construct_array(elements, count, BYTEAOID, -1, false, TYPALIGN_INT));
}

static Datum
size_array(const PocketBlock *const *blocks, int count)
{
	Datum *elements = palloc(sizeof(Datum) * Max(count, 1));

	for (int i = 0; i < count; i++)
		elements[i] = Int32GetDatum((int32) blocks[i]->size);
	return PointerGetDatum(construct_array(elements, count, INT4OID, sizeof(int32), true, TYPALIGN_INT));
}

void
pocket_blocks_held(int64 ns_id, const PocketBlock *const *blocks, int count, bool *held)
{
	/* LIMIT keeps the planner from joining any other way than by the key, whatever it thought of an empty table */
	static PocketPlan find = {
		"SELECT u.i FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3)) WITH ORDINALITY u (b, size, i)"
		" CROSS JOIN LATERAL (SELECT FROM pocket_data.holder h WHERE h.ns_id = $1"
		" AND h.hash OPERATOR(pocket.=) u.b::pocket.sha256 AND h.files > 0"
		/* what is lost is wanted again: a row must resolve */
		" AND EXISTS (SELECT FROM pocket_data.block k WHERE k.hash OPERATOR(pocket.=) h.hash"
		" AND k.length = u.size AND NOT EXISTS (SELECT FROM pocket_data.extent e WHERE e.bucket_id = k.bucket_id"
		" AND e.state = 'lost')) LIMIT 1) h",
		"int8 bytea[] int4[]", NULL, NULL};
	Datum values[3];

	memset(held, 0, sizeof(bool) * count);
	if (count == 0)
		return;
	values[0] = Int64GetDatum(ns_id);
	values[1] = pocket_hash_array(blocks, count);
	values[2] = size_array(blocks, count);
	/* of now, whatever this transaction may see: retention lets go meanwhile */
	(void) pocket_latest(&find, values, NULL);
	for (uint64 row = 0; row < SPI_processed; row++)
		held[pocket_column_int64(row, 1) - 1] = true;
	pocket_free_rows();
}

/* By hash, as all locks here are taken; blocks of one hash and two sizes, one of which is a lie, are two. */
static int
block_order(const void *a, const void *b)
{
	const PocketBlock *x = *(const PocketBlock *const *) a;
	const PocketBlock *y = *(const PocketBlock *const *) b;
	int result = memcmp(x->hash.bytes, y->hash.bytes, PK_SHA256_SIZE);

	return result != 0 ? result : (x->size > y->size) - (x->size < y->size);
}

/* The distinct blocks of a list, which may be NULL, in order. */
static const PocketBlock **
distinct_blocks(const PocketBlockList *list, int *count)
{
	int listed = list == NULL ? 0 : list->count;
	const PocketBlock **blocks = palloc(sizeof(PocketBlock *) * Max(listed, 1));
	int kept = 0;

	for (int i = 0; i < listed; i++)
		blocks[i] = &list->blocks[i];
	qsort(blocks, listed, sizeof(PocketBlock *), block_order);
	for (int i = 0; i < listed; i++)
	{
		if (kept == 0 || block_order(&blocks[kept - 1], &blocks[i]) != 0)
			blocks[kept++] = blocks[i];
	}
	*count = kept;
	return blocks;
}

/* What a has and b has not; both in order. */
static int
subtract(const PocketBlock **a, int na, const PocketBlock **b, int nb)
{
	int kept = 0;
	int j = 0;

	for (int i = 0; i < na; i++)
	{
		while (j < nb && block_order(&b[j], &a[i]) < 0)
			j++;
		if (j == nb || block_order(&b[j], &a[i]) != 0)
			a[kept++] = a[i];
	}
	return kept;
}

/* Blocks that are to be inserted, by hash; as arrays for SQL. */
typedef struct NewBlocks
{
	const PocketBlock **blocks;
	const pk_receipt **receipts;
	int count;
	Datum hashes;
	Datum bucket_ids;
	Datum offsets;
} NewBlocks;

typedef enum Column
{
	BUCKET_ID,
	OFFSET,
	STORED_LENGTH,
	CRC32C
} Column;

static Datum
column_array(const NewBlocks *new, Column column)
{
	Datum *elements = palloc(sizeof(Datum) * new->count);

	for (int i = 0; i < new->count; i++)
	{
		const pk_receipt *receipt = new->receipts[i];
		const uint64 values[] = {receipt->bucket_id, receipt->offset, receipt->stored_length, receipt->crc32c};

		elements[i] = Int64GetDatum((int64) values[column]);
	}
	return PointerGetDatum(
		construct_array(elements, new->count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* One error, whether others have the block or not: that is nobody's business. */
static void
block_needed(const PocketBlock *block)
{
	char hex[PK_SHA256_HEX + 1];

	pk_hex_encode(hex, block->hash.bytes, PK_SHA256_SIZE);
	ereport(ERROR, (errcode(pocket_node_sqlstate(PK_ERR_BLOCK_NEEDED)), errmsg("block %s is needed", hex),
					errdetail("The namespace does not hold it with %u bytes, and no valid receipt for that was given.",
							  block->size),
					errhint("Put the content again, or ask pocket.upload() for the URLs of the blocks that are needed, "
							"and commit with the receipts that they answer.")));
}

/*
 * Into a bucket that is retiring no row may come: its lock is held from before that is looked at to the end of the transaction. What
 * a receipt promised has expired then, however valid it looked.
 */
static void
lock_buckets(const NewBlocks *new)
{
	static PocketPlan find = {
		"SELECT u.i FROM pg_catalog.unnest($1) WITH ORDINALITY u (b, i) WHERE NOT EXISTS (SELECT FROM"
		" pocket_data.bucket k WHERE k.bucket_id = u.b AND k.state <> 'retired') ORDER BY u.i LIMIT 1",
		"int8[]", NULL, NULL};
	Datum values[1] = {new->bucket_ids};

	for (int i = 0; i < new->count; i++)
		pocket_lock_bucket_shared((int64) new->receipts[i]->bucket_id);
	if (pocket_latest(&find, values, NULL) > 0)
		block_needed(new->blocks[pocket_column_int64(0, 1) - 1]);
}

/* Those that are not there; the reclaimer shall look at those that now have two copies. Returns how many. */
static int64
insert_missing(const NewBlocks *new)
{
	static PocketPlan insert = {
		"WITH new AS (INSERT INTO pocket_data.block (hash, bucket_id, \"offset\", stored_length, length, crc32c, "
		"created_at)"
		" SELECT u.b::pocket.sha256, u.bucket_id, u.o, u.stored, u.length, u.crc, pg_catalog.clock_timestamp()"
		" FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4),"
		" pg_catalog.unnest($5), pg_catalog.unnest($6)) WITH ORDINALITY u (b, bucket_id, o, stored, length, crc, i)"
		" ORDER BY u.i ON CONFLICT DO NOTHING RETURNING hash),"
		" second AS (INSERT INTO pocket_data.review (hash) SELECT n.hash FROM new n CROSS JOIN LATERAL (SELECT"
		" FROM pocket_data.block k WHERE k.hash OPERATOR(pocket.=) n.hash LIMIT 1) k)"
		" SELECT pg_catalog.count(*) FROM new",
		"bytea[] int8[] int8[] int8[] int4[] int8[]", NULL, NULL};
	Datum values[6] = {new->hashes,
					   new->bucket_ids,
					   new->offsets,
					   column_array(new, STORED_LENGTH),
					   size_array(new->blocks, new->count),
					   column_array(new, CRC32C)};
	int64 inserted;

	(void) pocket_write(&insert, values, NULL);
	inserted = pocket_column_int64(0, 1);
	pocket_free_rows();
	return inserted;
}

/*
 * Whoever gives a namespace its first hold of a block by a receipt keeps a lock on the row of just the copy that the
 * receipt names, to the end of the transaction: on one that he inserted nobody else has one, one that was there is locked here. All
 * other holds stand on one of the namespace itself, or of the one copied from: these rows are committed, or this
 * transaction's own, and their head is locked, so that there is no moment without a holder.
 */
static void
insert_blocks(NewBlocks *new)
{
	static PocketPlan lock = {
		"SELECT FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3))"
		" WITH ORDINALITY u (b, bucket_id, o, i) CROSS JOIN LATERAL (SELECT FROM pocket_data.block k"
		" WHERE k.hash OPERATOR(pocket.=) u.b::pocket.sha256 AND k.bucket_id = u.bucket_id AND k.\"offset\" = u.o"
		" FOR KEY SHARE) k",
		"bytea[] int8[] int8[]", NULL, NULL};
	Datum values[3];

	if (new->count == 0)
		return;
	values[0] = new->hashes = pocket_hash_array(new->blocks, new->count);
	values[1] = new->bucket_ids = column_array(new, BUCKET_ID);
	values[2] = new->offsets = column_array(new, OFFSET);
	lock_buckets(new);
	for (int tries = 0; tries < INSERT_TRIES_MAX; tries++)
	{
		if (insert_missing(new) == new->count || pocket_latest_lock(&lock, values, NULL) == (uint64) new->count)
			return;
		/* the reclaimer has just let go of one: it is inserted anew */
	}
	ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					errmsg("blocks were let go of again and again while they were held"),
					errhint("The transaction might succeed if retried.")));
}

static void
count_holders(int64 ns_id, const PocketBlock *const *blocks, int count)
{
	static PocketPlan add = {"INSERT INTO pocket_data.holder AS h (ns_id, hash, files)"
							 " SELECT $1, u.b::pocket.sha256, 1 FROM pg_catalog.unnest($2) WITH ORDINALITY u (b, i)"
							 " ORDER BY u.i ON CONFLICT (ns_id, hash) DO UPDATE SET files = h.files + 1",
							 "int8 bytea[]", NULL, NULL};
	Datum values[2] = {Int64GetDatum(ns_id), pocket_hash_array(blocks, count)};

	if (count > 0)
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
	static PocketPlan clean = {"WITH gone AS (DELETE FROM pocket_data.holder h USING pg_catalog.unnest($2) u (b)"
							   " WHERE h.ns_id = $1 AND h.hash OPERATOR(pocket.=) u.b::pocket.sha256 AND h.files = 0"
							   " RETURNING h.hash) INSERT INTO pocket_data.review (hash) SELECT hash FROM gone",
							   "int8 bytea[]", NULL, NULL};
	int count;
	int count_after;
	const PocketBlock **dropped = distinct_blocks(before, &count);
	const PocketBlock **kept = distinct_blocks(after, &count_after);
	Datum values[2];

	count = subtract(dropped, count, kept, count_after);
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
pocket_blocks_hold(int64 ns_id, const PocketReceipts *receipts, const PocketBlockList *before,
				   const PocketBlockList *after)
{
	int count;
	int count_before;
	int count_added;
	int wanted = 0;
	const PocketBlock **blocks = distinct_blocks(after, &count);
	const PocketBlock **old = distinct_blocks(before, &count_before);
	const PocketBlock **added = palloc(sizeof(PocketBlock *) * Max(count, 1));
	bool *held = palloc(sizeof(bool) * Max(count, 1));
	NewBlocks new = {palloc(sizeof(void *) * Max(count, 1)), palloc(sizeof(void *) * Max(count, 1)), 0, 0, 0, 0};

	memcpy(added, blocks, sizeof(PocketBlock *) * count);
	count_added = subtract(added, count, old, count_before);
	/* also what `before` has and was sent: its other copies may be lost */
	for (int i = 0, next = 0; i < count; i++)
	{
		bool is_added = next < count_added && added[next] == blocks[i];

		next += is_added;
		if (is_added || pocket_receipt_find(receipts, blocks[i]) != NULL)
			blocks[wanted++] = blocks[i];
	}
	pocket_blocks_held(ns_id, blocks, wanted, held);
	for (int i = 0; i < wanted; i++)
	{
		const pk_receipt *receipt = pocket_receipt_find(receipts, blocks[i]);

		if (receipt == NULL && (!held[i] || pocket_receipts_alone(receipts)))
			block_needed(blocks[i]);
		if (!held[i])
		{
			new.blocks[new.count] = blocks[i];
			new.receipts[new.count++] = receipt;
		}
	}
	insert_blocks(&new);
	count_holders(ns_id, added, count_added);
	pfree(held);
}

static void
block_lost(const PocketBlock *block)
{
	char hex[PK_SHA256_HEX + 1];

	pk_hex_encode(hex, block->hash.bytes, PK_SHA256_SIZE);
	ereport(ERROR, (errcode(pocket_node_sqlstate(PK_ERR_BLOCK_LOST)), errmsg("block %s is lost", hex),
					errdetail("A file that has it cannot be copied."),
					errhint("pocket.verify() lists the files that have lost blocks; put their content again.")));
}

void
pocket_blocks_hold_copy(int64 ns_id, int64 source_ns_id, const PocketBlockList *blocks)
{
	int count;
	const PocketBlock **copied = distinct_blocks(blocks, &count);
	bool *held = palloc(sizeof(bool) * Max(count, 1));

	pocket_blocks_held(source_ns_id, copied, count, held);
	for (int i = 0; i < count; i++)
	{
		if (!held[i])
			block_lost(copied[i]);
	}
	count_holders(ns_id, copied, count);
}
