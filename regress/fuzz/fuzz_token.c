/*
 * fuzz_token.c
 *	  Input: the text of a token. It is read twice: as it is, and with its bytes
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

	pk_put_u32(bytes + 8, 1);
	pk_key_derive(key, &ring.keys[0], PK_PURPOSE_TOKEN);
	pk_hmac_sha256(bytes + 160, key, sizeof(key), bytes, 160);
	pk_base64_encode(text, bytes, PK_TOKEN_SIZE);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	pk_token token;
	uint8_t bytes[PK_TOKEN_SIZE];
	char text[PK_TOKEN_TEXT + 1], again[PK_TOKEN_TEXT + 1];

	if (pk_token_verify(&token, (const char *) data, size, &ring, NOW) != PK_OK && token.method != 0)
		abort();
	if (!pk_base64_decode(bytes, sizeof(bytes), (const char *) data, size))
		return 0;
	sign(text, bytes);
	if (pk_token_verify(&token, text, PK_TOKEN_TEXT, &ring, NOW) != PK_OK)
		return 0;
	if (token.method < PK_METHOD_GET || token.method > PK_METHOD_PEER ||
		token.length > (token.method == PK_METHOD_PEER ? PK_PEER_SIZE_MAX : PK_BLOCK_SIZE_MAX) ||
		token.not_before > NOW || token.expires <= NOW)
		abort();
	pk_token_sign(again, &token, &ring);
	if (strcmp(again, text) != 0)
		abort();
	return 0;
}
