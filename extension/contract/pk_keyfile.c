/*
 * pk_keyfile.c
 *	  Parsing of the key file, and derivation of one key for each purpose.
 *
 * The parser forgives blanks around the two words of a line and carriage
 * returns, as a hand-made file has them, and nothing else.
 */
#include "contract/pk_keyfile.h"

#include <assert.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "contract/pk_bytes.h"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* A decimal number 1 .. 2^32-1 without leading zeros; returns its digits' count, 0 when there is none. */
static size_t
parse_key_id(const char *text, size_t length, uint32_t *id)
{
	uint64_t value = 0;
	size_t n = 0;

	if (length == 0 || text[0] < '1' || text[0] > '9')
		return 0;
	while (n < length && text[n] >= '0' && text[n] <= '9')
	{
		value = value * 10 + (uint64_t) (text[n++] - '0');
		if (value > UINT32_MAX)
			return 0;
	}
	*id = (uint32_t) value;
	return n;
}

/* One line without its newline; trailing blanks are cut and it is neither empty nor a comment. */
static pk_error
parse_line(pk_keyring *ring, const char *text, size_t length)
{
	uint32_t id = 0;
	size_t digits = parse_key_id(text, length, &id);
	size_t secret = digits;
	pk_key *key;

	while (secret < length && is_blank(text[secret]))
		secret++;
	if (digits == 0 || secret == digits || pk_keyring_find(ring, id) != NULL)
		return PK_ERR_MALFORMED;
	if (ring->count == PK_KEYS_MAX)
		return PK_ERR_TOO_LARGE;
	key = &ring->keys[ring->count];
	if (!pk_hex_decode(key->secret, PK_KEY_SIZE, text + secret, length - secret))
		return PK_ERR_MALFORMED;
	key->id = id;
	ring->count++;
	return PK_OK;
}

pk_error
pk_keyring_parse(pk_keyring *ring, const char *text, size_t length, int *line)
{
	pk_error error = PK_OK;
	size_t start = 0;

	memset(ring, 0, sizeof(*ring));
	*line = 0;
	while (start < length && error == PK_OK)
	{
		const char *newline = memchr(text + start, '\n', length - start);
		size_t next = newline != NULL ? (size_t) (newline - text) + 1 : length;
		size_t end = newline != NULL ? next - 1 : length;

		if (*line < INT_MAX)
			(*line)++;
		while (end > start && is_blank(text[end - 1]))
			end--;
		if (end > start && text[start] != '#')
			error = parse_line(ring, text + start, end - start);
		start = next;
	}
	if (error == PK_OK && ring->count == 0)
		error = PK_ERR_NO_KEY;
	/* a ring that was read in part signs and verifies nothing */
	if (error != PK_OK)
		memset(ring, 0, sizeof(*ring));
	return error;
}

const pk_key *
pk_keyring_find(const pk_keyring *ring, uint32_t id)
{
	for (int i = 0; i < ring->count; i++)
	{
		if (ring->keys[i].id == id)
			return &ring->keys[i];
	}
	return NULL;
}

void
pk_key_derive(uint8_t out[PK_KEY_SIZE], const pk_key *key, pk_purpose purpose)
{
	const char *label = NULL;

	switch (purpose)
	{
		case PK_PURPOSE_TOKEN:
			label = "pocket/1 token";
			break;
		case PK_PURPOSE_RECEIPT:
			label = "pocket/1 receipt";
			break;
		case PK_PURPOSE_WRAP:
			label = "pocket/1 wrap";
			break;
	}
	assert(label != NULL);
	_Static_assert(PK_KEY_SIZE == PK_SHA256_SIZE, "a derived key is one HMAC");
	pk_hmac_sha256(out, key->secret, PK_KEY_SIZE, label, strlen(label));
}

void
pk_key_format(char out[PK_KEY_LINE], const pk_key *key)
{
	char hex[2 * PK_KEY_SIZE + 1];

	pk_hex_encode(hex, key->secret, PK_KEY_SIZE);
	snprintf(out, PK_KEY_LINE, "%u %s\n", (unsigned) key->id, hex);
}
