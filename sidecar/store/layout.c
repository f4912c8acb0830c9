/*
 * store/layout.c
 *	  The bytes of superblock, header, slot and trailer, as FORMAT.md has them.
 */
#include <string.h>

#include "contract/pk_hash.h"
#include "store/internal.h"

#define SUPERBLOCK_MAGIC 0x31444b50u /* "PKD1" */
#define HEADER_MAGIC 0x31584b50u	 /* "PKX1" */
#define SLOT_MAGIC 0x31534b50u		 /* "PKS1" */
#define TRAILER_MAGIC 0x31544b50u	 /* "PKT1" */
#define LAYOUT_VERSION 1

#define PAGE_CRC (PD_PAGE - 4)
#define TRAILER_CRC (PD_TRAILER - 4)

#define SLOT_VOLUME 24
#define SLOT_MEMBERS 64

_Static_assert(SLOT_MEMBERS + PK_MEMBERS_MAX * PD_MEMBER_SIZE <= PAGE_CRC, "a slot holds all members");
_Static_assert(PD_MEMBER_SIZE == PK_UUID_SIZE + 8 + 8 + PD_MEMBER_KEY, "a member's bytes");
_Static_assert(PD_EXTENT_DATA >= 3 * PD_PAGE && PD_EXTENT_DATA % PD_PAGE == 0, "header and slots fit before the bytes");
_Static_assert(PD_EXTENT_CHUNK % PD_PAGE == 0, "chunks are whole pages");

bool
pd_all_zero(const void *data, size_t n)
{
	const uint8_t *p = data;

	return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

uint64_t
pd_table_count(uint64_t length)
{
	return (length + PD_EXTENT_CHUNK - 1) / PD_EXTENT_CHUNK;
}

uint64_t
pd_table_offset(uint64_t length)
{
	return PD_EXTENT_DATA + (length + PD_PAGE - 1) / PD_PAGE * PD_PAGE;
}

uint64_t
pd_sealed_size(uint64_t length)
{
	return pd_table_offset(length) + pd_table_count(length) * 4 + PD_TRAILER;
}

static void
begin(uint8_t *out, size_t size, uint32_t magic)
{
	memset(out, 0, size);
	pk_put_u32(out, magic);
	pk_put_u16(out + 4, LAYOUT_VERSION);
}

/* Magic, then version, then CRC: a foreign version may keep its CRC elsewhere. */
static pk_error
check(const uint8_t *in, size_t crc_at, uint32_t magic, const char *what, struct pd_err *err)
{
	if (pk_get_u32(in) != magic)
		return pd_fail(err, PK_ERR_CORRUPT, "has no valid %s: it does not begin as one", what);
	if (pk_get_u32(in + crc_at) != pk_crc32c(0, in, crc_at))
	{
		if (pk_get_u16(in + 4) != LAYOUT_VERSION)
			return pd_fail(err, PK_ERR_UNSUPPORTED, "has a %s of version %d, and this pocketd knows version %d", what,
						   pk_get_u16(in + 4), LAYOUT_VERSION);
		return pd_fail(err, PK_ERR_CORRUPT, "has a damaged %s: its checksum does not match", what);
	}
	if (pk_get_u16(in + 4) != LAYOUT_VERSION)
		return pd_fail(err, PK_ERR_UNSUPPORTED, "has a %s of version %d, and this pocketd knows version %d", what,
					   pk_get_u16(in + 4), LAYOUT_VERSION);
	return PK_OK;
}

void
pd_superblock_encode(uint8_t out[PD_PAGE], const struct pd_superblock *superblock)
{
	begin(out, PD_PAGE, SUPERBLOCK_MAGIC);
	memcpy(out + 8, superblock->uuid, PK_UUID_SIZE);
	memcpy(out + 24, superblock->cell, PK_UUID_SIZE);
	pk_put_u32(out + 40, superblock->epoch.incarnation);
	pk_put_u32(out + 44, superblock->epoch.timeline);
	pk_put_u32(out + 48, superblock->epoch.starts);
	pk_put_u64(out + 56, superblock->created_us);
	pk_put_u32(out + PAGE_CRC, pk_crc32c(0, out, PAGE_CRC));
}

pk_error
pd_superblock_decode(struct pd_superblock *superblock, const uint8_t in[PD_PAGE], struct pd_err *err)
{
	pk_error rc = check(in, PAGE_CRC, SUPERBLOCK_MAGIC, "superblock", err);

	if (rc != PK_OK)
		return rc;
	memcpy(superblock->uuid, in + 8, PK_UUID_SIZE);
	memcpy(superblock->cell, in + 24, PK_UUID_SIZE);
	superblock->epoch.incarnation = pk_get_u32(in + 40);
	superblock->epoch.timeline = pk_get_u32(in + 44);
	superblock->epoch.starts = pk_get_u32(in + 48);
	superblock->created_us = pk_get_u64(in + 56);
	return PK_OK;
}

void
pd_header_encode(uint8_t out[PD_PAGE], const struct pd_header *header)
{
	begin(out, PD_PAGE, HEADER_MAGIC);
	out[6] = (uint8_t) header->kind;
	out[7] = (uint8_t) header->position;
	pk_put_u64(out + 8, header->id);
	memcpy(out + 16, header->cell, PK_UUID_SIZE);
	memcpy(out + 32, header->drive, PK_UUID_SIZE);
	pk_put_u64(out + 48, header->created_us);
	pk_put_u64(out + 56, header->capacity);
	pk_put_u32(out + PAGE_CRC, pk_crc32c(0, out, PAGE_CRC));
}

pk_error
pd_header_decode(struct pd_header *header, const uint8_t in[PD_PAGE], struct pd_err *err)
{
	pk_error rc = check(in, PAGE_CRC, HEADER_MAGIC, "header", err);

	if (rc != PK_OK)
		return rc;
	header->kind = (pk_extent_kind) in[6];
	header->position = in[7];
	header->id = pk_get_u64(in + 8);
	memcpy(header->cell, in + 16, PK_UUID_SIZE);
	memcpy(header->drive, in + 32, PK_UUID_SIZE);
	header->created_us = pk_get_u64(in + 48);
	header->capacity = pk_get_u64(in + 56);
	return PK_OK;
}

/* What a slot says of its volume, PD_MEMBERS_HEAD bytes, and of the members. */
static void
volume_encode(uint8_t *out, const struct pd_members *members)
{
	pk_put_u64(out, members->volume_id);
	pk_put_u32(out + 8, members->generation);
	out[12] = (uint8_t) members->code.kind;
	out[13] = (uint8_t) members->code.k;
	out[14] = (uint8_t) members->code.m;
	out[15] = (uint8_t) members->count;
}

static void
volume_decode(struct pd_members *members, const uint8_t *in)
{
	members->volume_id = pk_get_u64(in);
	members->generation = pk_get_u32(in + 8);
	members->code.kind = (pk_code_kind) in[12];
	members->code.k = in[13];
	members->code.m = in[14];
	members->count = in[15];
}

static void
member_list_encode(uint8_t *p, const struct pd_members *members)
{
	for (int i = 0; i < members->count; i++, p += PD_MEMBER_SIZE)
	{
		memcpy(p, members->member[i].drive, PK_UUID_SIZE);
		pk_put_u64(p + 16, members->member[i].bucket_id);
		pk_put_u64(p + 24, members->member[i].length);
		memcpy(p + 32, members->member[i].key, PD_MEMBER_KEY);
	}
}

static void
member_list_decode(struct pd_members *members, const uint8_t *p)
{
	for (int i = 0; i < members->count; i++, p += PD_MEMBER_SIZE)
	{
		memcpy(members->member[i].drive, p, PK_UUID_SIZE);
		members->member[i].bucket_id = pk_get_u64(p + 16);
		members->member[i].length = pk_get_u64(p + 24);
		memcpy(members->member[i].key, p + 32, PD_MEMBER_KEY);
	}
}

size_t
pd_members_encode(uint8_t out[PD_MEMBERS_SIZE_MAX], const struct pd_members *members)
{
	volume_encode(out, members);
	member_list_encode(out + PD_MEMBERS_HEAD, members);
	return PD_MEMBERS_HEAD + (size_t) members->count * PD_MEMBER_SIZE;
}

bool
pd_members_decode(struct pd_members *members, const uint8_t *in, size_t n)
{
	memset(members, 0, sizeof(*members));
	if (n < PD_MEMBERS_HEAD)
		return false;
	volume_decode(members, in);
	if (members->count > PK_MEMBERS_MAX || n != PD_MEMBERS_HEAD + (size_t) members->count * PD_MEMBER_SIZE)
		return false;
	member_list_decode(members, in + PD_MEMBERS_HEAD);
	return true;
}

void
pd_slot_encode(uint8_t out[PD_PAGE], const struct pd_slot *slot, const struct pd_header *owner)
{
	begin(out, PD_PAGE, SLOT_MAGIC);
	out[6] = (uint8_t) owner->kind;
	out[7] = (uint8_t) owner->position;
	pk_put_u64(out + 8, owner->id);
	pk_put_u64(out + 16, slot->sequence);
	volume_encode(out + SLOT_VOLUME, &slot->members);
	member_list_encode(out + SLOT_MEMBERS, &slot->members);
	pk_put_u32(out + PAGE_CRC, pk_crc32c(0, out, PAGE_CRC));
}

pk_error
pd_slot_decode(struct pd_slot *slot, const uint8_t in[PD_PAGE], const struct pd_header *owner, struct pd_err *err)
{
	pk_error rc = check(in, PAGE_CRC, SLOT_MAGIC, "slot", err);

	if (rc != PK_OK)
		return rc;
	if (in[6] != owner->kind || in[7] != owner->position || pk_get_u64(in + 8) != owner->id)
		return pd_fail(err, PK_ERR_CORRUPT, "has the slot of another extent");
	if (in[39] > PK_MEMBERS_MAX || pk_get_u64(in + 16) == 0)
		return pd_fail(err, PK_ERR_CORRUPT, "has a slot of %d members", in[39]);
	memset(slot, 0, sizeof(*slot));
	slot->sequence = pk_get_u64(in + 16);
	volume_decode(&slot->members, in + SLOT_VOLUME);
	member_list_decode(&slot->members, in + SLOT_MEMBERS);
	return PK_OK;
}

void
pd_trailer_encode(uint8_t out[PD_TRAILER], const struct pd_trailer *trailer, const struct pd_header *owner)
{
	begin(out, PD_TRAILER, TRAILER_MAGIC);
	out[6] = (uint8_t) owner->kind;
	out[7] = (uint8_t) owner->position;
	pk_put_u64(out + 8, owner->id);
	pk_put_u64(out + 16, trailer->length);
	memcpy(out + 24, owner->cell, PK_UUID_SIZE);
	pk_put_u32(out + 40, trailer->table_crc);
	pk_put_u32(out + TRAILER_CRC, pk_crc32c(0, out, TRAILER_CRC));
}

pk_error
pd_trailer_decode(struct pd_trailer *trailer, const uint8_t in[PD_TRAILER], const struct pd_header *owner,
				  uint64_t file_size, struct pd_err *err)
{
	pk_error rc = check(in, TRAILER_CRC, TRAILER_MAGIC, "trailer", err);

	if (rc != PK_OK)
		return rc;
	trailer->length = pk_get_u64(in + 16);
	trailer->table_crc = pk_get_u32(in + 40);
	if (in[6] != owner->kind || in[7] != owner->position || pk_get_u64(in + 8) != owner->id ||
		memcmp(in + 24, owner->cell, PK_UUID_SIZE) != 0)
		return pd_fail(err, PK_ERR_CORRUPT, "has the trailer of another extent");
	if (trailer->length > PK_BUCKET_SIZE_MAX || pd_sealed_size(trailer->length) != file_size)
		return pd_fail(err, PK_ERR_CORRUPT, "has %llu bytes, not the %llu that its trailer implies",
					   (unsigned long long) file_size, (unsigned long long) pd_sealed_size(trailer->length));
	return PK_OK;
}
