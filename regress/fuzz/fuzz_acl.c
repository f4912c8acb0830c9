/*
 * fuzz_acl.c
 *	  Input: an access control list, read as text and as bytes. What is accepted
 *	  has one form only: it comes out as it went in, as bytes and through text.
 */
#include <stdlib.h>
#include <string.h>

#include "contract/pk_acl.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const pk_acl *acl)
{
	static pk_acl again;
	size_t size = pk_acl_size(acl);
	uint8_t *bytes = malloc(size);
	uint8_t *bytes_again = malloc(size);
	char *text = malloc(PK_ACL_TEXT_SIZE(acl));
	char *names = malloc(PK_ACL_TEXT_SIZE(acl));
	size_t length;
	size_t at;

	if (bytes == NULL || bytes_again == NULL || text == NULL || names == NULL || size > PK_ACL_SIZE_MAX)
		abort();
	pk_acl_encode(bytes, acl);
	if (pk_acl_decode(&again, bytes, size, &at) != PK_ACL_VALID || at != size)
		abort();
	length = pk_acl_format(text, &again);
	if (length >= PK_ACL_TEXT_SIZE(acl) || length > PK_ACL_TEXT_MAX || text[length] != '\0')
		abort();
	if (pk_acl_parse(&again, names, text, length, &at) != PK_ACL_VALID || pk_acl_size(&again) != size)
		abort();
	pk_acl_encode(bytes_again, &again);
	if (memcmp(bytes, bytes_again, size) != 0)
		abort();
	for (int i = 0; i < acl->count; i++)
	{
		const pk_acl_entry *entry = &acl->entries[i];

		if (entry->rights == 0 || pk_acl_rights(&again, entry->name, entry->length) != entry->rights)
			abort();
	}
	free(bytes);
	free(bytes_again);
	free(text);
	free(names);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static pk_acl acl;
	char *names = malloc(size > 0 ? size : 1);
	size_t at;

	if (names == NULL)
		abort();
	if (pk_acl_parse(&acl, names, (const char *) data, size, &at) == PK_ACL_VALID)
		check(&acl);
	if (at > size)
		abort();
	if (pk_acl_decode(&acl, data, size, &at) == PK_ACL_VALID)
	{
		uint8_t *bytes = malloc(size);

		if (bytes == NULL || pk_acl_size(&acl) != size)
			abort();
		pk_acl_encode(bytes, &acl);
		if (memcmp(bytes, data, size) != 0)
			abort();
		free(bytes);
		check(&acl);
	}
	if (at > size)
		abort();
	free(names);
	return 0;
}
