/*
 * fuzz_receipt.c
 *	  Input: the text of a receipt. It is read twice: as it is, and with its bytes
 *	  signed, so that the fuzzer gets behind the signature.
 */
#include <stdlib.h>
#include <string.h>

#include "contract/pk_token.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW UINT64_C(1800000000)

static const pk_keyring ring = {.count = 1, .keys = {{.id = 1, .secret = "an open secret"}}};

static void
sign(char *text, uint8_t *bytes)
{
	uint8_t key[PK_KEY_SIZE];

	pk_put_u32(bytes + 4, 1);
	pk_key_derive(key, &ring.keys[0], PK_PURPOSE_RECEIPT);
	pk_hmac_sha256(bytes + 112, key, sizeof(key), bytes, 112);
	pk_base64_encode(text, bytes, PK_RECEIPT_SIZE);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	pk_receipt receipt;
	uint8_t bytes[PK_RECEIPT_SIZE];
	char text[PK_RECEIPT_TEXT + 1], again[PK_RECEIPT_TEXT + 1];

	if (pk_receipt_verify(&receipt, (const char *) data, size, &ring, NOW) != PK_OK && receipt.length != 0)
		abort();
	if (!pk_base64_decode(bytes, sizeof(bytes), (const char *) data, size))
		return 0;
	sign(text, bytes);
	if (pk_receipt_verify(&receipt, text, PK_RECEIPT_TEXT, &ring, NOW) != PK_OK)
		return 0;
	if (receipt.length < PK_BLOCK_SIZE_MIN || receipt.length > PK_BLOCK_SIZE_MAX || receipt.expires <= NOW)
		abort();
	pk_receipt_sign(again, &receipt, &ring);
	if (strcmp(again, text) != 0)
		abort();
	return 0;
}
