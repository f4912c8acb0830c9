/*
 * receipt.h
 *	  The blocks of one call, and the receipts for those that were brought.
 *	  Private to this room.
 */
#ifndef POCKET_RECEIPT_H
#define POCKET_RECEIPT_H

#include "blocks/blocks.h"
#include "blocks/token.h"

typedef struct PocketSeenBlock
{
	uint8 hash[PK_SHA256_SIZE];
	bool received; /* there is a receipt; else the namespace held the block when it was asked */
	bool doubted;  /* it is asked again */
	uint32 crc32c;
	pk_receipt receipt;
} PocketSeenBlock;

extern PocketReceipts *pocket_receipts_make(void);

/* The block of a hash; new: all but the hash is to be filled in. */
extern PocketSeenBlock *pocket_receipts_see(PocketReceipts *receipts, const uint8 *hash, bool *is_new);

/* Whether text is a receipt that counts: signed, of this cell, for the namespace, and not expired. */
extern bool pocket_receipt_read(pk_receipt *receipt, const char *text, const PocketSigner *signer, int64 ns_id);

#endif
