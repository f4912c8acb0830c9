/*
 * pk_bytes.h
 *	  Integers at unaligned addresses, comparison in constant time, base64url,
 *	  hex and UTF-8: the alphabet of everything on drive and wire.
 *
 * Drives and the wire between the programs are little-endian; the binary forms
 * of SQL types are in network order, as PostgreSQL's are.
 */
#ifndef PK_BYTES_H
#define PK_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline void
pk_put_u16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t) v;
	p[1] = (uint8_t) (v >> 8);
}

static inline void
pk_put_u32(uint8_t *p, uint32_t v)
{
	pk_put_u16(p, (uint16_t) v);
	pk_put_u16(p + 2, (uint16_t) (v >> 16));
}

static inline void
pk_put_u64(uint8_t *p, uint64_t v)
{
	pk_put_u32(p, (uint32_t) v);
	pk_put_u32(p + 4, (uint32_t) (v >> 32));
}

static inline uint16_t
pk_get_u16(const uint8_t *p)
{
	return (uint16_t) (p[0] | (uint16_t) p[1] << 8);
}

static inline uint32_t
pk_get_u32(const uint8_t *p)
{
	return (uint32_t) pk_get_u16(p) | (uint32_t) pk_get_u16(p + 2) << 16;
}

static inline uint64_t
pk_get_u64(const uint8_t *p)
{
	return (uint64_t) pk_get_u32(p) | (uint64_t) pk_get_u32(p + 4) << 32;
}

static inline void
pk_put_be32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t) (v >> 24);
	p[1] = (uint8_t) (v >> 16);
	p[2] = (uint8_t) (v >> 8);
	p[3] = (uint8_t) v;
}

static inline void
pk_put_be64(uint8_t *p, uint64_t v)
{
	pk_put_be32(p, (uint32_t) (v >> 32));
	pk_put_be32(p + 4, (uint32_t) v);
}

static inline uint32_t
pk_get_be32(const uint8_t *p)
{
	return (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16 | (uint32_t) p[2] << 8 | (uint32_t) p[3];
}

static inline uint64_t
pk_get_be64(const uint8_t *p)
{
	return (uint64_t) pk_get_be32(p) << 32 | (uint64_t) pk_get_be32(p + 4);
}

/* Equality of n bytes in a time that depends on n alone. */
extern bool pk_equal_secret(const void *a, const void *b, size_t n);

/* Length of the base64url text (RFC 4648 section 5, no padding) of n bytes, without a terminating NUL. */
#define PK_BASE64_LENGTH(n) (((n) *4 + 2) / 3)

/* Writes PK_BASE64_LENGTH(n) characters and a NUL. */
extern void pk_base64_encode(char *out, const uint8_t *in, size_t n);

/* Decodes exactly n bytes; false unless text has just the canonical form of n bytes. */
extern bool pk_base64_decode(uint8_t *out, size_t n, const char *text, size_t text_length);

/* Lower-case hex of n bytes (2n characters and a NUL), and back: false unless exactly 2n hex digits of either case. */
extern void pk_hex_encode(char *out, const uint8_t *in, size_t n);
extern bool pk_hex_decode(uint8_t *out, size_t n, const char *text, size_t text_length);

/* 36 characters and a NUL; parsing accepts just that form. */
#define PK_UUID_SIZE 16
#define PK_UUID_TEXT 36
extern void pk_uuid_encode(char out[PK_UUID_TEXT + 1], const uint8_t in[PK_UUID_SIZE]);
extern bool pk_uuid_decode(uint8_t out[PK_UUID_SIZE], const char *text, size_t text_length);

/*
 * The code point at text, of length > 0 bytes, and the bytes that it takes; 0
 * when they are not UTF-8 (overlong, surrogate, above U+10FFFF, truncated).
 */
extern size_t pk_utf8_decode(const uint8_t *text, size_t length, uint32_t *code);

#endif
