/*
 * fuzz_digest.c
 *	  Input: the text of a SHA-256, a uuid, or of any bytes in base64url. What is
 *	  accepted comes out as it went in, but for the case of hex digits.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "contract/pk_bytes.h"
#include "contract/pk_hash.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *) data;
	uint8_t digest[PK_SHA256_SIZE];
	uint8_t uuid[PK_UUID_SIZE];
	uint8_t *bytes = malloc(size > 0 ? size : 1);
	char *again = malloc(size + 1 > PK_SHA256_HEX + 1 ? size + 1 : PK_SHA256_HEX + 1);
	size_t count = size / 4 * 3 + size % 4 * 3 / 4;

	if (bytes == NULL || again == NULL)
		abort();
	if (pk_hex_decode(digest, sizeof(digest), text, size))
	{
		pk_hex_encode(again, digest, sizeof(digest));
		if (size != PK_SHA256_HEX || strncasecmp(again, text, size) != 0)
			abort();
	}
	if (pk_uuid_decode(uuid, text, size))
	{
		pk_uuid_encode(again, uuid);
		if (size != PK_UUID_TEXT || strncasecmp(again, text, size) != 0)
			abort();
	}
	if (pk_base64_decode(bytes, count, text, size))
	{
		pk_base64_encode(again, bytes, count);
		if (strlen(again) != size || memcmp(again, text, size) != 0)
			abort();
	}
	free(bytes);
	free(again);
	return 0;
}
