/*
 * fuzz_keyfile.c
 *	  Input: a key file. What parses, parses the same after it was formatted.
 */
#include <stdlib.h>
#include <string.h>

#include "contract/pk_keyfile.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[PK_KEYS_MAX * PK_KEY_LINE];
	size_t length = 0;
	pk_keyring ring, again;
	int line;

	if (pk_keyring_parse(&ring, (const char *) data, size, &line) != PK_OK)
	{
		if (ring.count != 0)
			abort();
		return 0;
	}
	if (ring.count < 1 || ring.count > PK_KEYS_MAX)
		abort();
	for (int i = 0; i < ring.count; i++)
	{
		pk_key_format(text + length, &ring.keys[i]);
		length += strlen(text + length);
		if (pk_keyring_find(&ring, ring.keys[i].id) != &ring.keys[i])
			abort();
	}
	if (pk_keyring_parse(&again, text, length, &line) != PK_OK || memcmp(&again, &ring, sizeof(ring)) != 0)
		abort();
	return 0;
}
