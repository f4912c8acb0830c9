/*
 * token.c
 *	  Signing for blocks; see token.h.
 */
#include "blocks/token.h"

void
pocket_signer_init(PocketSigner *signer)
{
	signer->keys = pocket_keys();
	pocket_cell_identity(&signer->cell);
}

static void
fill_token(pk_token *token, const PocketSigner *signer, const PocketBlock *block, const uint32 *crc32c, uint64 expires)
{
	memcpy(token->cell, signer->cell.uuid, PK_UUID_SIZE);
	token->epoch = signer->cell.epoch;
	token->length = block->size;
	memcpy(token->hash, block->hash.bytes, PK_SHA256_SIZE);
	if (crc32c != NULL)
	{
		token->flags = PK_TOKEN_CRC_CHECKED;
		token->crc32c = *crc32c;
	}
	token->expires = expires;
}

char *
pocket_put_path(const PocketSigner *signer, int64 ns_id, const PocketPlace *place, const PocketBlock *block,
				const uint32 *crc32c, uint64 expires)
{
	pk_token token = {.method = PK_METHOD_PUT};
	char text[PK_TOKEN_TEXT + 1];

	fill_token(&token, signer, block, crc32c, expires);
	token.ns_id = (uint64) ns_id;
	token.bucket_id = (uint64) place->bucket_id;
	token.generation = (uint32) place->generation;
	if (!pg_strong_random(token.nonce, sizeof(token.nonce)))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random bytes")));
	pk_token_sign(text, &token, signer->keys);
	return psprintf("/block/%s", text);
}

char *
pocket_get_path(const PocketSigner *signer, const PocketCopy *copy, const PocketBlock *block, const uint32 *crc32c,
				uint64 expires)
{
	pk_token token = {.method = PK_METHOD_GET};
	char text[PK_TOKEN_TEXT + 1];

	fill_token(&token, signer, block, crc32c, expires);
	token.bucket_id = (uint64) copy->bucket_id;
	token.offset = (uint64) copy->offset;
	token.stored_length = copy->stored_length;
	pk_token_sign(text, &token, signer->keys);
	return psprintf("/block/%s", text);
}
