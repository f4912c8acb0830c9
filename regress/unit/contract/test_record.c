/*
 * test_record.c
 *	  Record headers: golden bytes, every flipped bit, every limit.
 */
#include "../golden.h"

#include "contract/pk_limits.h"
#include "contract/pk_record.h"

static pk_record
make_record(void)
{
	pk_record record = {.bucket_id = 5, .offset = 640, .durable = 640, .length = 1000, .payload_length = 1000};

	record.cipher = PK_CIPHER_AES256GCM;
	record.tag[3] = 9;
	return record;
}

static pk_error
recode(const pk_record *record)
{
	uint8_t header[PK_RECORD_HEADER];
	pk_record decoded;

	pk_record_encode(header, record);
	return pk_record_decode(&decoded, header, record->bucket_id, record->offset);
}

static void
records_golden(void **state)
{
	struct golden g;

	(void) state;
	golden_open(&g, "record");
	while (golden_next(&g, 16))
	{
		uint8_t cell[PK_UUID_SIZE], expected[PK_RECORD_HEADER], actual[PK_RECORD_HEADER];
		pk_record record, decoded;

		memset(&record, 0, sizeof(record));
		golden_bytes(&g, 1, cell, sizeof(cell));
		record.codec = (uint8_t) golden_number(&g, 2);
		record.cipher = (uint8_t) golden_number(&g, 3);
		record.bucket_id = golden_number(&g, 4);
		record.offset = golden_number(&g, 5);
		record.durable = golden_number(&g, 6);
		record.length = (uint32_t) golden_number(&g, 7);
		record.payload_length = (uint32_t) golden_number(&g, 8);
		record.crc32c = (uint32_t) golden_number(&g, 9);
		record.payload_crc32c = (uint32_t) golden_number(&g, 10);
		golden_bytes(&g, 11, record.hash, sizeof(record.hash));
		golden_bytes(&g, 12, record.tag, sizeof(record.tag));

		pk_record_encode(actual, &record);
		assert_int_equal(golden_bytes(&g, 13, expected, sizeof(expected)), PK_RECORD_HEADER);
		assert_memory_equal(actual, expected, PK_RECORD_HEADER);
		assert_int_equal(pk_record_decode(&decoded, expected, record.bucket_id, record.offset), PK_OK);
		assert_memory_equal(&decoded, &record, sizeof(record));
		pk_record_aad(actual, cell, &record);
		assert_int_equal(golden_bytes(&g, 14, expected, sizeof(expected)), PK_RECORD_AAD);
		assert_memory_equal(actual, expected, PK_RECORD_AAD);
		pk_record_nonce(actual, &record);
		assert_int_equal(golden_bytes(&g, 15, expected, sizeof(expected)), PK_RECORD_NONCE);
		assert_memory_equal(actual, expected, PK_RECORD_NONCE);
	}
}

static void
every_flipped_bit_is_corrupt(void **state)
{
	pk_record record = make_record(), decoded;
	uint8_t header[PK_RECORD_HEADER];

	(void) state;
	pk_record_encode(header, &record);
	assert_int_equal(pk_record_decode(&decoded, header, 5, 640), PK_OK);
	for (size_t bit = 0; bit < 8 * sizeof(header); bit++)
	{
		header[bit / 8] ^= (uint8_t) (1 << bit % 8);
		assert_int_equal(pk_record_decode(&decoded, header, 5, 640), PK_ERR_CORRUPT);
		header[bit / 8] ^= (uint8_t) (1 << bit % 8);
	}
	/* and every tail that a torn write left unwritten */
	for (size_t length = 0; length < sizeof(header); length++)
	{
		uint8_t torn[PK_RECORD_HEADER] = {0};

		memcpy(torn, header, length);
		if (memcmp(torn, header, sizeof(header)) != 0)
			assert_int_equal(pk_record_decode(&decoded, torn, 5, 640), PK_ERR_CORRUPT);
	}
}

/* With a CRC that matches: what a fault of the writer, not of the drive, would leave. */
static void
reserved_bytes_and_versions(void **state)
{
	pk_record record = make_record(), decoded;
	uint8_t header[PK_RECORD_HEADER];

	(void) state;
	for (size_t at = 0; at < 124; at++)
	{
		bool fixed = at < 5 || at == 7 || at >= 96;

		pk_record_encode(header, &record);
		header[at] ^= 0x80;
		pk_put_u32(header + 124, pk_crc32c(0, header, 124));
		if (fixed)
			assert_int_equal(pk_record_decode(&decoded, header, 5, 640), PK_ERR_CORRUPT);
	}
}

static void
only_its_own_place(void **state)
{
	pk_record record = make_record(), decoded;
	uint8_t header[PK_RECORD_HEADER];

	(void) state;
	pk_record_encode(header, &record);
	assert_int_equal(pk_record_decode(&decoded, header, 6, 640), PK_ERR_CORRUPT);
	assert_int_equal(pk_record_decode(&decoded, header, 5 | UINT64_C(1) << 63, 640), PK_ERR_CORRUPT);
	assert_int_equal(pk_record_decode(&decoded, header, 5, 0), PK_ERR_CORRUPT);
	assert_int_equal(pk_record_decode(&decoded, header, 5, 704), PK_ERR_CORRUPT);
	assert_int_equal(pk_record_decode(&decoded, header, 5, 640), PK_OK);
}

static void
places_at_the_limit_and_beyond(void **state)
{
	pk_record record = make_record();

	(void) state;
	record.durable = 0;
	for (uint64_t offset = 0; offset < 192; offset++)
	{
		record.offset = offset;
		assert_int_equal(recode(&record), offset % PK_RECORD_ALIGN == 0 ? PK_OK : PK_ERR_CORRUPT);
	}
	record.offset = PK_BUCKET_SIZE_MAX - pk_record_size(record.payload_length);
	assert_int_equal(recode(&record), PK_OK);
	record.durable = record.offset;
	assert_int_equal(recode(&record), PK_OK);
	record.durable = record.offset + 1;
	assert_int_equal(recode(&record), PK_ERR_CORRUPT);
	record.durable = 0;
	record.offset += PK_RECORD_ALIGN;
	assert_int_equal(recode(&record), PK_ERR_CORRUPT);
	record.offset = UINT64_MAX - 63;
	assert_int_equal(recode(&record), PK_ERR_CORRUPT);
}

static void
lengths_at_the_limit_and_beyond(void **state)
{
	static const struct
	{
		uint8_t codec;
		uint32_t length;
		uint32_t payload_length;
		bool good;
	} cases[] = {
		{PK_CODEC_RAW, 0, 0, false},
		{PK_CODEC_RAW, 1, 1, true},
		{PK_CODEC_RAW, PK_BLOCK_SIZE_MAX, PK_BLOCK_SIZE_MAX, true},
		{PK_CODEC_RAW, PK_BLOCK_SIZE_MAX + 1, PK_BLOCK_SIZE_MAX + 1, false},
		{PK_CODEC_RAW, 100, 99, false},
		{PK_CODEC_RAW, 100, 101, false},
		{PK_CODEC_RAW, 100, 0, false},
		{PK_CODEC_RAW, UINT32_MAX, UINT32_MAX, false},
		{PK_CODEC_ZSTD, 100, 99, true},
		{PK_CODEC_ZSTD, 100, 101, false},
		{PK_CODEC_ZSTD, 100, 0, false},
		{PK_CODEC_ZSTD, 0, 1, false},
		{PK_CODEC_ZSTD, PK_BLOCK_SIZE_MAX, 1, true},
		{PK_CODEC_ZSTD, PK_BLOCK_SIZE_MAX + 1, 1, false},
		{2, 100, 100, false},
		{255, 100, 100, false},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		pk_record record = make_record();

		record.codec = cases[i].codec;
		record.length = cases[i].length;
		record.payload_length = cases[i].payload_length;
		assert_int_equal(recode(&record), cases[i].good ? PK_OK : PK_ERR_CORRUPT);
	}
}

static void
ciphers_and_tags(void **state)
{
	pk_record record = make_record();

	(void) state;
	for (int cipher = 2; cipher < 256; cipher++)
	{
		record.cipher = (uint8_t) cipher;
		assert_int_equal(recode(&record), PK_ERR_CORRUPT);
	}
	record.cipher = PK_CIPHER_NONE;
	assert_int_equal(recode(&record), PK_ERR_CORRUPT);
	memset(record.tag, 0, sizeof(record.tag));
	assert_int_equal(recode(&record), PK_OK);
	record.cipher = PK_CIPHER_AES256GCM;
	assert_int_equal(recode(&record), PK_OK);
}

static void
sizes_are_aligned(void **state)
{
	(void) state;
	assert_int_equal(pk_record_size(0), 128);
	assert_int_equal(pk_record_size(1), 192);
	assert_int_equal(pk_record_size(64), 192);
	assert_int_equal(pk_record_size(65), 256);
	assert_true(pk_record_size(UINT32_MAX) == (UINT64_C(1) << 32) + 128);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_golden),
		cmocka_unit_test(every_flipped_bit_is_corrupt),
		cmocka_unit_test(reserved_bytes_and_versions),
		cmocka_unit_test(only_its_own_place),
		cmocka_unit_test(places_at_the_limit_and_beyond),
		cmocka_unit_test(lengths_at_the_limit_and_beyond),
		cmocka_unit_test(ciphers_and_tags),
		cmocka_unit_test(sizes_are_aligned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
