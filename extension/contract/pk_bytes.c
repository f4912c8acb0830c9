/*
 * pk_bytes.c
 *	  Comparison in constant time, base64url, hex and uuid text, UTF-8.
 *
 * Decoders take just one form of each value: what decodes also encodes back to
 * the same text (hex digits of upper case aside).
 */
#include "contract/pk_bytes.h"

static const char base64_digits[65] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char hex_digits[17] = "0123456789abcdef";

bool
pk_equal_secret(const void *a, const void *b, size_t n)
{
	/* volatile, so that no compiler may leave the loop at the first difference */
	const volatile uint8_t *x = a;
	const volatile uint8_t *y = b;
	uint8_t difference = 0;

	for (size_t i = 0; i < n; i++)
		difference |= (uint8_t) (x[i] ^ y[i]);
	return difference == 0;
}

void
pk_base64_encode(char *out, const uint8_t *in, size_t n)
{
	uint32_t bits = 0;
	int count = 0;

	for (size_t i = 0; i < n; i++)
	{
		bits = (bits << 8 | in[i]) & 0xffff;
		count += 8;
		while (count >= 6)
		{
			count -= 6;
			*out++ = base64_digits[bits >> count & 63];
		}
	}
	if (count > 0)
		*out++ = base64_digits[bits << (6 - count) & 63];
	*out = '\0';
}

/* -1 when c is no digit */
static int
base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '-')
		return 62;
	if (c == '_')
		return 63;
	return -1;
}

bool
pk_base64_decode(uint8_t *out, size_t n, const char *text, size_t text_length)
{
	uint32_t bits = 0;
	int count = 0;
	size_t written = 0;

	if (n > (SIZE_MAX - 2) / 4 || text_length != PK_BASE64_LENGTH(n))
		return false;
	for (size_t i = 0; i < text_length; i++)
	{
		int value = base64_value(text[i]);

		if (value < 0)
			return false;
		bits = (bits << 6 | (uint32_t) value) & 0xffff;
		count += 6;
		if (count >= 8)
		{
			count -= 8;
			out[written++] = (uint8_t) (bits >> count);
		}
	}
	/* the bits of the last digit that no byte uses must be zero */
	return written == n && (bits & ((1u << count) - 1)) == 0;
}

void
pk_hex_encode(char *out, const uint8_t *in, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		*out++ = hex_digits[in[i] >> 4];
		*out++ = hex_digits[in[i] & 15];
	}
	*out = '\0';
}

/* -1 when c is no digit */
static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool
pk_hex_decode(uint8_t *out, size_t n, const char *text, size_t text_length)
{
	if (n > SIZE_MAX / 2 || text_length != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++)
	{
		int high = hex_value(text[2 * i]);
		int low = hex_value(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t) (high << 4 | low);
	}
	return true;
}

/* Bytes of a uuid before which its text has a hyphen. */
static bool
uuid_hyphen_before(int byte)
{
	return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

void
pk_uuid_encode(char out[PK_UUID_TEXT + 1], const uint8_t in[PK_UUID_SIZE])
{
	for (int i = 0; i < PK_UUID_SIZE; i++)
	{
		if (uuid_hyphen_before(i))
			*out++ = '-';
		pk_hex_encode(out, in + i, 1);
		out += 2;
	}
}

bool
pk_uuid_decode(uint8_t out[PK_UUID_SIZE], const char *text, size_t text_length)
{
	if (text_length != PK_UUID_TEXT)
		return false;
	for (int i = 0; i < PK_UUID_SIZE; i++)
	{
		if (uuid_hyphen_before(i) && *text++ != '-')
			return false;
		if (!pk_hex_decode(out + i, 1, text, 2))
			return false;
		text += 2;
	}
	return true;
}

size_t
pk_utf8_decode(const uint8_t *text, size_t length, uint32_t *code)
{
	static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
	uint8_t lead = text[0];
	size_t size;
	uint32_t value;

	if (lead < 0x80)
	{
		*code = lead;
		return 1;
	}
	if (lead < 0xc2 || lead > 0xf4)
		return 0;
	size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	if (length < size)
		return 0;
	value = lead & (0x7fu >> size);
	for (size_t i = 1; i < size; i++)
	{
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (text[i] & 0x3fu);
	}
	if (value < least[size] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
		return 0;
	*code = value;
	return size;
}
