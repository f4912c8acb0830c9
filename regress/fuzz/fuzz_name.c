/*
 * fuzz_name.c
 *	  Input: a name. A valid one has a key that is valid, bounded and its own key.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "contract/pk_name.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *name = (const char *) data;
	char key[PK_NAME_KEY_MAX + 1], again[PK_NAME_KEY_MAX + 1];
	size_t at = 0, length;
	pk_name_fault fault = pk_name_check(name, size, &at);

	if (fault != PK_NAME_VALID && size > 0 && at >= size)
		abort();
	if (size > PK_NAME_SIZE_MAX)
		return 0;
	length = pk_name_key(key, name, size);
	if (length > 3 * size || key[length] != '\0')
		abort();
	if (fault != PK_NAME_VALID || length > PK_NAME_SIZE_MAX)
		return 0;
	if (pk_name_check(key, length, &at) != PK_NAME_VALID)
		abort();
	if (pk_name_key(again, key, length) != length || memcmp(again, key, length) != 0)
		abort();
	return 0;
}
