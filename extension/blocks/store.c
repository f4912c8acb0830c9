/*
 * store.c
 *	  Bytes to sidecars: cut, hash, ask what the namespace holds, send the rest.
 *
 * A block is on its way while the next one is hashed: the hash is computed in
 * slices with a turn of the network between them.
 */
#include "blocks/blocks.h"

#include <openssl/evp.h>
#include <time.h>

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "base/spi.h"
#include "base/wait.h"
#include "blocks/pace.h"
#include "blocks/receipt.h"
#include "blocks/spread.h"
#include "blocks/token.h"
#include "blocks/transfer.h"

#define HASH_SLICE (512 * 1024)
#define WINDOW_BYTES PK_BLOCK_SIZE_MAX /* hashed before the namespace is asked what it holds */
#define WINDOW_BLOCKS 256
#define TRIES_MAX 5
#define BUSY_PAUSE_MS 20
#define LOOK_US INT64CONST(1000000) /* after such a silence rows are asked who is away */

/* A block to be sent; data is the caller's. */
typedef struct Piece
{
	const char *data;
	PocketBlock block;
	uint32 crc32c;
	int64 bucket_id;
	pk_epoch epoch; /* that its token carries */
	PocketTransfer transfer;
	struct Piece *next;
} Piece;

typedef struct Store
{
	int64 ns_id;
	PocketSigner signer;
	PocketReceipts *receipts;
	PocketBatch *batch;
	PocketSpread spread;
	bool sends_all; /* also what the namespace holds */

	/* hashed, and not yet asked for */
	Piece *window[WINDOW_BLOCKS];
	int window_count;
	int64 window_bytes;

	/* to be sent again, elsewhere */
	Piece *again;
} Store;

static void
send_again_later(Store *store, Piece *piece)
{
	piece->next = store->again;
	store->again = piece;
}

static void
send_piece(Store *store, Piece *piece)
{
	PocketTransfer *transfer = &piece->transfer;

	pocket_owner_check(&store->signer.cell);
	if (!pocket_spread_find(&store->spread))
	{
		send_again_later(store, piece);
		return;
	}
	piece->bucket_id = store->spread.place.bucket_id;
	piece->epoch = store->signer.cell.epoch;
	pocket_spread_count(&store->spread, piece->block.size);
	transfer->node = store->spread.place.url;
	transfer->method = "PUT";
	transfer->path = pocket_put_path(&store->signer, store->ns_id, &store->spread.place, &piece->block, &piece->crc32c,
									 (uint64) time(NULL) + POCKET_TOKEN_LIFE_S);
	transfer->body = piece->data;
	transfer->body_length = piece->block.size;
	transfer->owner = piece;
	pocket_batch_add(store->batch, transfer);
}

static void
flush_window(Store *store)
{
	const PocketBlock *blocks[WINDOW_BLOCKS];
	bool held[WINDOW_BLOCKS];

	for (int i = 0; i < store->window_count; i++)
		blocks[i] = &store->window[i]->block;
	pocket_blocks_held(store->ns_id, blocks, store->window_count, held);
	for (int i = 0; i < store->window_count; i++)
	{
		if (held[i] && !store->sends_all)
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

static Piece *
make_piece(const char *data, const PocketBlock *block, uint32 crc32c)
{
	Piece *piece = palloc0(sizeof(Piece));

	piece->data = data;
	piece->block = *block;
	piece->crc32c = crc32c;
	return piece;
}

static void
take_block(Store *store, const char *data, uint32 length, PocketBlock *block)
{
	uint32 crc32c;
	PocketSeenBlock *seen;
	bool is_new;

	hash_block(store, data, length, block->hash.bytes, &crc32c);
	block->size = length;
	seen = pocket_receipts_see(store->receipts, block->hash.bytes, &is_new);
	if (!is_new)
		return;
	seen->received = seen->doubted = false;
	seen->crc32c = crc32c;
	store->window[store->window_count++] = make_piece(data, block, crc32c);
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
	PocketSeenBlock *seen;
	bool is_new;

	if (transfer->answer == NULL || !pocket_answer_field(transfer->answer, "receipt", text, sizeof(text)) ||
		!pocket_receipt_read(&receipt, text, &store->signer, store->ns_id) ||
		receipt.bucket_id != (uint64) piece->bucket_id || receipt.length != piece->block.size ||
		receipt.crc32c != piece->crc32c || memcmp(receipt.hash, piece->block.hash.bytes, PK_SHA256_SIZE) != 0)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
						errmsg("node %s: its receipt does not fit the block that it was given", transfer->node),
						errhint("The node and the server must have the same key file and the same time.")));
	seen = pocket_receipts_see(store->receipts, piece->block.hash.bytes, &is_new);
	Assert(!is_new);
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
	pk_epoch before = store->signer.cell.epoch;

	pocket_cell_identity(&store->signer.cell);
	pocket_owner_check(&store->signer.cell);
	return pk_epoch_compare(&before, &store->signer.cell.epoch) != 0;
}

/* Whether another bucket, another token, or a moment later, can do better. */
static bool
can_retry(Store *store, const Piece *piece, pk_error error)
{
	switch (error)
	{
		case PK_ERR_BUSY:
			pocket_pause(BUSY_PAUSE_MS);
			return true;
		case PK_ERR_BUCKET_CLOSED:
		case PK_ERR_DISK_FULL:
		case PK_ERR_IO:
		case PK_ERR_NOT_FOUND:
		case PK_ERR_STATE:
		case PK_ERR_NO_PLACE:
			pocket_spread_avoid(&store->spread, piece->bucket_id, true);
			return true;
		case PK_ERR_UNAVAILABLE:
			pocket_pace_distrust(piece->transfer.node);
			pocket_spread_avoid(&store->spread, piece->bucket_id, false);
			return true;
		case PK_ERR_DENIED:
			return pk_epoch_compare(&piece->epoch, &store->signer.cell.epoch) != 0 || epoch_moved(store);
		default:
			return false;
	}
}

/* Whom the coordinator does not hear any more is not waited for. */
static void
give_up_silent(Store *store)
{
	static PocketPlan find = {"SELECT url FROM pocket_data.node WHERE state <> 'up'", "", NULL, NULL};
	uint64 found = pocket_latest(&find, NULL, NULL);

	for (uint64 row = 0; row < found; row++)
	{
		char *url = pocket_column_text(row, 1);

		pocket_batch_give_up(store->batch, url, false);
		pfree(url);
	}
	pocket_free_rows();
}

static PocketTransfer *
next_answer(Store *store)
{
	for (;;)
	{
		PocketTransfer *transfer = pocket_batch_next_until(store->batch, GetCurrentTimestamp() + LOOK_US);

		if (transfer != NULL || pocket_batch_rests(store->batch))
			return transfer;
		give_up_silent(store);
	}
}

static void
drain(Store *store)
{
	PocketTransfer *transfer;
	int64 known = pocket_spread_closed();

	while ((transfer = next_answer(store)) != NULL)
	{
		Piece *piece = transfer->owner;

		if (transfer->error == PK_OK)
		{
			take_receipt(store, piece, transfer);
			continue;
		}
		pocket_spread_note(&store->spread, transfer->error, transfer->node, transfer->problem);
		if (!can_retry(store, piece, transfer->error))
		{
			if (transfer->error == PK_ERR_DENIED && pocket_node_is_ahead(transfer->node, &store->signer.cell))
				pocket_superseded_raise();
			pocket_node_raise(transfer->node, transfer->error, transfer->problem);
		}
		send_again_later(store, piece);
	}
	pocket_spread_hint(known);
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

		if (tries >= TRIES_MAX && pocket_out_of_patience(began))
			pocket_spread_give_up(&store->spread);
		pocket_spread_wait(&store->spread);
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

static Store *
make_store(int64 ns_id, PocketReceipts *receipts)
{
	Store *store = palloc0(sizeof(Store));

	store->ns_id = ns_id;
	store->receipts = receipts;
	pocket_signer_init(&store->signer);
	return store;
}

/* Contents that are not hashed yet, and what stands in `again`. */
static void
run_store(Store *store, PocketContent *contents, int count)
{
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
}

PocketReceipts *
pocket_blocks_store(int64 ns_id, PocketContent *contents, int count, bool all)
{
	Store *store = make_store(ns_id, pocket_receipts_make());

	store->sends_all = all;
	run_store(store, contents, count);
	return store->receipts;
}

/* The blocks of a content that were not sent, as the namespace held them. */
static List *
unsent_pieces(List *pieces, PocketReceipts *receipts, const PocketContent *content)
{
	Size start = 0;

	for (int i = 0; i < content->blocks->count; i++)
	{
		const PocketBlock *block = &content->blocks->blocks[i];
		bool is_new;
		PocketSeenBlock *seen = pocket_receipts_see(receipts, block->hash.bytes, &is_new);

		Assert(!is_new);
		if (!seen->received && !seen->doubted)
			pieces = lappend(pieces, make_piece(content->data + start, block, seen->crc32c));
		seen->doubted = true;
		start += block->size;
	}
	return pieces;
}

void
pocket_blocks_store_again(int64 ns_id, PocketReceipts *receipts, const PocketContent *contents, int count)
{
	List *pieces = NIL;
	const PocketBlock **blocks;
	Store *store = NULL;
	bool *held;
	int i;

	for (i = 0; i < count; i++)
		pieces = unsent_pieces(pieces, receipts, &contents[i]);
	if (pieces == NIL)
		return;
	blocks = palloc(sizeof(PocketBlock *) * list_length(pieces));
	held = palloc(sizeof(bool) * list_length(pieces));
	for (i = 0; i < list_length(pieces); i++)
		blocks[i] = &((Piece *) list_nth(pieces, i))->block;
	pocket_blocks_held(ns_id, blocks, list_length(pieces), held);
	for (i = 0; i < list_length(pieces); i++)
	{
		if (held[i])
			continue;
		if (store == NULL)
			store = make_store(ns_id, receipts);
		send_again_later(store, list_nth(pieces, i));
	}
	if (store != NULL)
		run_store(store, NULL, 0);
}
