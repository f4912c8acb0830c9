/*
 * store.c
 *	  Bytes to sidecars: cut, hash, ask what the namespace holds, send the rest.
 *
 * A block is on its way while the next one is hashed: the hash is computed in
 * slices with a turn of the network between them.  Small blocks of a call go to
 * one bucket, so that they share its group commits; after a few megabytes the
 * bucket changes, so that all fill alike.
 */
#include "blocks/blocks.h"

#include <openssl/evp.h>
#include <time.h>

#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/error.h"
#include "base/guc.h"
#include "base/spi.h"
#include "blocks/transfer.h"
#include "placement/placement.h"

#define HASH_SLICE (512 * 1024)
#define WINDOW_BYTES PK_BLOCK_SIZE_MAX /* hashed before the namespace is asked what it holds */
#define WINDOW_BLOCKS 256
#define PLACE_BYTES (INT64CONST(4) << 20) /* sent to one bucket before another is chosen */
#define LOADS_MAX 64
#define TRIES_MAX 5
#define OPENER_RUNS_MAX 3
#define TOKEN_LIFE_S 3600
#define BUSY_PAUSE_US 20000

typedef struct SeenBlock
{
	uint8 hash[PK_SHA256_SIZE];
	bool received;
	pk_receipt receipt;
} SeenBlock;

struct PocketReceipts
{
	HTAB *blocks;
};

/* A block to be sent; data is the caller's. */
typedef struct Piece
{
	const char *data;
	uint32 length;
	uint32 crc32c;
	uint8 hash[PK_SHA256_SIZE];
	int64 bucket_id;
	pk_epoch epoch; /* that its token carries */
	PocketTransfer transfer;
	struct Piece *next;
} Piece;

typedef struct Store
{
	int64 ns_id;
	PocketCell cell;
	const pk_keyring *keys;
	PocketReceipts *receipts;
	PocketBatch *batch;

	/* where blocks go now */
	bool placed;
	PocketPlace place;
	int64 sent_bytes;
	PocketLoad loads[LOADS_MAX];
	int load_count;

	/* hashed, and not yet asked for */
	Piece *window[WINDOW_BLOCKS];
	int window_count;
	int64 window_bytes;

	/* to be sent again, elsewhere */
	Piece *again;
	int64 avoid[POCKET_CLOSED_MAX];
	int avoid_count;
	pk_error last_error;
	const char *last_node;
	char *last_problem;
} Store;

/* Buckets that this backend was told are closed; they never open again.  A ring. */
static PocketClosedBuckets closed;

static void
remember_closed(int64 bucket_id)
{
	for (int i = 0; i < Min(closed.count, POCKET_CLOSED_MAX); i++)
	{
		if (closed.bucket_ids[i] == bucket_id)
			return;
	}
	closed.bucket_ids[closed.count++ % POCKET_CLOSED_MAX] = bucket_id;
}

static void
avoid_bucket(Store *store, int64 bucket_id)
{
	for (int i = 0; i < store->avoid_count; i++)
	{
		if (store->avoid[i] == bucket_id)
			return;
	}
	if (store->avoid_count < POCKET_CLOSED_MAX)
		store->avoid[store->avoid_count++] = bucket_id;
	if (store->placed && store->place.bucket_id == bucket_id)
		store->placed = false;
}

static bool
find_place(Store *store)
{
	int64 avoid[2 * POCKET_CLOSED_MAX];
	int count = (int) Min(closed.count, POCKET_CLOSED_MAX);

	if (store->placed && store->sent_bytes < PLACE_BYTES)
		return true;
	memcpy(avoid, closed.bucket_ids, sizeof(int64) * count);
	memcpy(avoid + count, store->avoid, sizeof(int64) * store->avoid_count);
	store->placed =
		pocket_place_writable(&store->place, avoid, count + store->avoid_count, store->loads, store->load_count);
	store->sent_bytes = 0;
	return store->placed;
}

static char *
put_path(const Store *store, const Piece *piece)
{
	pk_token token = {0};
	char text[PK_TOKEN_TEXT + 1];

	token.method = PK_METHOD_PUT;
	token.flags = PK_TOKEN_CRC_CHECKED;
	memcpy(token.cell, store->cell.uuid, PK_UUID_SIZE);
	token.ns_id = (uint64) store->ns_id;
	token.bucket_id = (uint64) store->place.bucket_id;
	token.generation = (uint32) store->place.generation;
	token.length = piece->length;
	token.crc32c = piece->crc32c;
	memcpy(token.hash, piece->hash, PK_SHA256_SIZE);
	token.epoch = store->cell.epoch;
	token.expires = (uint64) time(NULL) + TOKEN_LIFE_S;
	if (!pg_strong_random(token.nonce, sizeof(token.nonce)))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random bytes")));
	pk_token_sign(text, &token, store->keys);
	return psprintf("/block/%s", text);
}

static void
send_again_later(Store *store, Piece *piece)
{
	piece->next = store->again;
	store->again = piece;
}

static void
count_load(Store *store, int64 bucket_id, int64 bytes)
{
	int i = 0;

	store->sent_bytes += bytes;
	while (i < store->load_count && store->loads[i].bucket_id != bucket_id)
		i++;
	if (i == LOADS_MAX)
		return; /* more buckets than are kept open: the rest count as empty */
	if (i == store->load_count)
	{
		store->loads[store->load_count].bucket_id = bucket_id;
		store->loads[store->load_count++].bytes = 0;
	}
	store->loads[i].bytes += bytes;
}

static void
send_piece(Store *store, Piece *piece)
{
	PocketTransfer *transfer = &piece->transfer;

	if (!find_place(store))
	{
		send_again_later(store, piece);
		return;
	}
	piece->bucket_id = store->place.bucket_id;
	piece->epoch = store->cell.epoch;
	count_load(store, piece->bucket_id, piece->length);
	transfer->node = store->place.url;
	transfer->method = "PUT";
	transfer->path = put_path(store, piece);
	transfer->body = piece->data;
	transfer->body_length = piece->length;
	transfer->owner = piece;
	pocket_batch_add(store->batch, transfer);
}

static void
flush_window(Store *store)
{
	const uint8 *hashes[WINDOW_BLOCKS];
	bool held[WINDOW_BLOCKS];

	for (int i = 0; i < store->window_count; i++)
		hashes[i] = store->window[i]->hash;
	pocket_blocks_held(store->ns_id, hashes, store->window_count, held);
	for (int i = 0; i < store->window_count; i++)
	{
		if (held[i])
			pfree(store->window[i]);
		else
			send_piece(store, store->window[i]);
	}
	pocket_batch_pump(store->batch);
	store->window_count = 0;
	store->window_bytes = 0;
}

/* SHA-256 and CRC32C in one go over the cache, with the network's turns between. */
static void
hash_block(Store *store, const char *data, uint32 length, uint8 *hash, uint32 *crc32c)
{
	static EVP_MD_CTX *context = NULL;
	uint32 done = 0;

	if (context == NULL && (context = EVP_MD_CTX_new()) == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory for a hash")));
	if (EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1)
		elog(ERROR, "EVP_DigestInit_ex failed");
	*crc32c = 0;
	while (done < length)
	{
		uint32 n = Min(length - done, HASH_SLICE);

		*crc32c = pk_crc32c(*crc32c, data + done, n);
		if (EVP_DigestUpdate(context, data + done, n) != 1)
			elog(ERROR, "EVP_DigestUpdate failed");
		done += n;
		if (length > HASH_SLICE)
			pocket_batch_pump(store->batch);
	}
	if (EVP_DigestFinal_ex(context, hash, NULL) != 1)
		elog(ERROR, "EVP_DigestFinal_ex failed");
	CHECK_FOR_INTERRUPTS();
}

static void
take_block(Store *store, const char *data, uint32 length, PocketBlock *block)
{
	uint32 crc32c;
	SeenBlock *seen;
	bool found;
	Piece *piece;

	hash_block(store, data, length, block->hash.bytes, &crc32c);
	block->size = length;
	seen = hash_search(store->receipts->blocks, block->hash.bytes, HASH_ENTER, &found);
	if (found)
		return;
	seen->received = false;
	piece = palloc0(sizeof(Piece));
	piece->data = data;
	piece->length = length;
	piece->crc32c = crc32c;
	memcpy(piece->hash, block->hash.bytes, PK_SHA256_SIZE);
	store->window[store->window_count++] = piece;
	store->window_bytes += length;
	if (store->window_count == WINDOW_BLOCKS || store->window_bytes >= WINDOW_BYTES)
		flush_window(store);
}

static void
take_content(Store *store, PocketContent *content)
{
	int count = (int) ((content->length + PK_BLOCK_SIZE_MAX - 1) / PK_BLOCK_SIZE_MAX);

	content->blocks = pocket_blocklist_make(count);
	for (int i = 0; i < count; i++)
	{
		Size start = (Size) i * PK_BLOCK_SIZE_MAX;

		take_block(store, content->data + start, (uint32) Min(content->length - start, PK_BLOCK_SIZE_MAX),
				   &content->blocks->blocks[i]);
	}
}

/* A receipt counts only when it says just what was asked. */
static void
take_receipt(Store *store, const Piece *piece, const PocketTransfer *transfer)
{
	pk_receipt receipt;
	char text[PK_RECEIPT_TEXT + 1];
	SeenBlock *seen;

	if (transfer->answer == NULL || !pocket_answer_field(transfer->answer, "receipt", text, sizeof(text)) ||
		pk_receipt_verify(&receipt, text, strlen(text), store->keys, (uint64) time(NULL)) != PK_OK ||
		memcmp(receipt.cell, store->cell.uuid, PK_UUID_SIZE) != 0 || receipt.ns_id != (uint64) store->ns_id ||
		receipt.bucket_id != (uint64) piece->bucket_id || receipt.length != piece->length ||
		receipt.crc32c != piece->crc32c || memcmp(receipt.hash, piece->hash, PK_SHA256_SIZE) != 0)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
						errmsg("node %s: its receipt does not fit the block that it was given", transfer->node),
						errhint("The node and the server must have the same key file and the same time.")));
	seen = hash_search(store->receipts->blocks, piece->hash, HASH_FIND, NULL);
	seen->receipt = receipt;
	seen->received = true;
}

/*
 * A coordinator that starts while blocks are on their way ends the epoch that their tokens were made in, which a node
 * refuses in the words of every refusal. What is signed from here on carries the present one.
 */
static bool
epoch_moved(Store *store)
{
	pk_epoch before = store->cell.epoch;

	pocket_cell_identity(&store->cell);
	return pk_epoch_compare(&before, &store->cell.epoch) != 0;
}

/* Whether another bucket, another token, or a moment later, can do better. */
static bool
can_retry(Store *store, const Piece *piece, pk_error error)
{
	switch (error)
	{
		case PK_ERR_BUSY:
			pg_usleep(BUSY_PAUSE_US);
			return true;
		case PK_ERR_BUCKET_CLOSED:
		case PK_ERR_DISK_FULL:
		case PK_ERR_IO:
		case PK_ERR_NOT_FOUND:
		case PK_ERR_STATE:
		case PK_ERR_NO_PLACE:
			remember_closed(piece->bucket_id);
			avoid_bucket(store, piece->bucket_id);
			return true;
		case PK_ERR_UNAVAILABLE:
			avoid_bucket(store, piece->bucket_id);
			return true;
		case PK_ERR_DENIED:
			return pk_epoch_compare(&piece->epoch, &store->cell.epoch) != 0 || epoch_moved(store);
		default:
			return false;
	}
}

static void
drain(Store *store)
{
	PocketTransfer *transfer;
	int64 known = closed.count;

	while ((transfer = pocket_batch_next(store->batch)) != NULL)
	{
		Piece *piece = transfer->owner;

		if (transfer->error == PK_OK)
		{
			take_receipt(store, piece, transfer);
			continue;
		}
		if (store->last_problem == NULL || store->last_error == PK_ERR_BUCKET_CLOSED)
		{
			store->last_error = transfer->error;
			store->last_node = transfer->node;
			store->last_problem = pstrdup(transfer->problem);
		}
		if (!can_retry(store, piece, transfer->error))
			pocket_node_raise(transfer->node, transfer->error, transfer->problem);
		send_again_later(store, piece);
	}
	if (closed.count > known)
		pocket_opener_hint(closed.bucket_ids, (int) Min(closed.count, POCKET_CLOSED_MAX));
}

static void
give_up(const Store *store)
{
	static PocketPlan count = {"SELECT pg_catalog.count(DISTINCT n.node_id), pg_catalog.count(d.drive_id)"
							   " FILTER (WHERE n.state = 'up' AND d.state = 'ok') FROM pocket_data.node n"
							   " LEFT JOIN pocket_data.drive d ON d.node_id = n.node_id",
							   "", NULL, NULL};
	int64 nodes;
	int64 drives;

	if (store->last_problem != NULL && store->last_error != PK_ERR_BUCKET_CLOSED)
		ereport(ERROR, (errcode(pocket_node_sqlstate(store->last_error)),
						errmsg("no open bucket took the blocks; node %s: %s", store->last_node, store->last_problem),
						errhint("%s", pocket_node_hint(store->last_error))));
	(void) pocket_latest(&count, NULL, NULL);
	nodes = pocket_column_int64(0, 1);
	drives = pocket_column_int64(0, 2);
	pocket_free_rows();
	if (nodes == 0)
		ereport(ERROR, (errcode(pocket_sqlstate(PK_ERR_NO_PLACE)), errmsg("there is no place for blocks"),
						errdetail("The cell has no node."),
						errhint("A superuser runs: SELECT pocket.add_node('http://HOST:PORT');")));
	if (drives > 0)
		ereport(ERROR, (errcode(ERRCODE_DISK_FULL), errmsg("no open bucket takes blocks, and none can be opened"),
						errdetail("No healthy drive has room for a new bucket."),
						errhint("Add drives or free space. See pocket.drives, and the server's log.")));
	ereport(ERROR, (errcode(pocket_sqlstate(PK_ERR_NO_PLACE)), errmsg("no open bucket takes blocks now"),
					errdetail("No node answers, or none has a healthy drive."),
					errhint("See pocket.health, and the server's log.")));
}

static bool
out_of_patience(TimestampTz began)
{
	return TimestampDifferenceExceeds(began, GetCurrentTimestamp(), Max(pocket_client_timeout_ms, 1000));
}

/*
 * Another open bucket, opened for us if need be.  Gives up when openers have run a few times and there is none, or as long as
 * a node may take to answer none could run.
 */
static void
find_other_place(Store *store)
{
	TimestampTz began = GetCurrentTimestamp();
	int runs = 0;

	while (!find_place(store))
	{
		PocketOpener opener = pocket_opener_run(closed.bucket_ids, (int) Min(closed.count, POCKET_CLOSED_MAX));

		if (find_place(store))
			return;
		runs += opener == POCKET_OPENER_RAN;
		if (runs >= OPENER_RUNS_MAX || (opener != POCKET_OPENER_NONE && out_of_patience(began)))
			give_up(store);
		if (out_of_patience(began))
			ereport(
				ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("no open bucket takes blocks, and no worker that opens one can be started"),
				 errhint("Raise max_worker_processes, or run the coordinator: shared_preload_libraries = 'pocket'.")));
		CHECK_FOR_INTERRUPTS();
		pg_usleep(BUSY_PAUSE_US);
	}
}

/*
 * Small buckets fill under our hands while others write: that is no failure.
 * So rounds are counted only after as long as a node may take to answer.
 */
static void
send_rest(Store *store)
{
	TimestampTz began = GetCurrentTimestamp();

	drain(store);
	for (int tries = 0; store->again != NULL; tries++)
	{
		Piece *pieces = store->again;

		if (tries >= TRIES_MAX && out_of_patience(began))
			give_up(store);
		find_other_place(store);
		store->again = NULL;
		while (pieces != NULL)
		{
			Piece *piece = pieces;

			pieces = piece->next;
			send_piece(store, piece);
		}
		drain(store);
	}
}

PocketReceipts *
pocket_blocks_store(int64 ns_id, PocketContent *contents, int count)
{
	Store *store = palloc0(sizeof(Store));
	HASHCTL control = {0};

	store->ns_id = ns_id;
	store->keys = pocket_keys();
	pocket_cell_identity(&store->cell);
	store->receipts = palloc0(sizeof(PocketReceipts));
	control.keysize = PK_SHA256_SIZE;
	control.entrysize = sizeof(SeenBlock);
	control.hcxt = CurrentMemoryContext;
	store->receipts->blocks = hash_create("pocket receipts", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	store->batch = pocket_batch_begin();
	PG_TRY();
	{
		for (int i = 0; i < count; i++)
			take_content(store, &contents[i]);
		flush_window(store);
		send_rest(store);
	}
	PG_FINALLY();
	{
		pocket_batch_end(store->batch);
	}
	PG_END_TRY();
	return store->receipts;
}

const pk_receipt *
pocket_receipt_find(const PocketReceipts *receipts, const uint8 *hash)
{
	SeenBlock *seen = receipts == NULL ? NULL : hash_search(receipts->blocks, hash, HASH_FIND, NULL);

	return seen != NULL && seen->received ? &seen->receipt : NULL;
}
