/*
 * receipt.c
 *	  The blocks of one call, and the receipts for those that were brought.
 *
 * A receipt that does not count, for whatever reason, is as good as none: whoever
 * gives it is told only that its block is needed, in the words in which he is told
 * so without it.
 */
#include "blocks/receipt.h"

#include <time.h>

#include "miscadmin.h"
#include "utils/hsearch.h"

struct PocketReceipts
{
	HTAB *blocks;
	bool alone;
};

PocketReceipts *
pocket_receipts_make(void)
{
	PocketReceipts *receipts = palloc0(sizeof(PocketReceipts));
	HASHCTL control = {.keysize = PK_SHA256_SIZE, .entrysize = sizeof(PocketSeenBlock), .hcxt = CurrentMemoryContext};

	receipts->blocks = hash_create("pocket receipts", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	return receipts;
}

PocketSeenBlock *
pocket_receipts_see(PocketReceipts *receipts, const uint8 *hash, bool *is_new)
{
	bool found;
	PocketSeenBlock *seen = hash_search(receipts->blocks, hash, HASH_ENTER, &found);

	*is_new = !found;
	return seen;
}

const pk_receipt *
pocket_receipt_find(const PocketReceipts *receipts, const PocketBlock *block)
{
	PocketSeenBlock *seen = receipts == NULL ? NULL : hash_search(receipts->blocks, block->hash.bytes, HASH_FIND, NULL);

	return seen != NULL && seen->received && seen->receipt.length == block->size ? &seen->receipt : NULL;
}

bool
pocket_receipts_alone(const PocketReceipts *receipts)
{
	return receipts != NULL && receipts->alone;
}

bool
pocket_receipt_read(pk_receipt *receipt, const char *text, const PocketSigner *signer, int64 ns_id)
{
	return pk_receipt_verify(receipt, text, strlen(text), signer->keys, (uint64) time(NULL)) == PK_OK &&
		   memcmp(receipt->cell, signer->cell.uuid, PK_UUID_SIZE) == 0 && receipt->ns_id == (uint64) ns_id;
}

PocketReceipts *
pocket_receipts_read(int64 ns_id, char *const *texts, int count, bool alone)
{
	PocketReceipts *receipts = pocket_receipts_make();
	PocketPlaces *places = pocket_places_make();
	PocketSigner signer;

	receipts->alone = alone;
	if (count == 0)
		return receipts;
	pocket_signer_init(&signer);
	pocket_owner_check(&signer.cell); /* the owner may reclaim what only rows of a copy refer to */
	for (int i = 0; i < count; i++)
	{
		pk_receipt receipt;
		const PocketPlace *place;
		PocketSeenBlock *seen;
		bool is_new;

		CHECK_FOR_INTERRUPTS();
		if (!pocket_receipt_read(&receipt, texts[i], &signer, ns_id))
			continue;
		/* after a restore of the database to an earlier moment, it does not know the buckets of receipts from after that */
		place = pocket_places_find(places, (int64) receipt.bucket_id);
		if (place == NULL || place->lost)
			continue;
		seen = pocket_receipts_see(receipts, receipt.hash, &is_new);
		seen->received = true;
		seen->doubted = false;
		seen->crc32c = receipt.crc32c;
		seen->receipt = receipt;
	}
	return receipts;
}
