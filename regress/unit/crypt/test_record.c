/*
 * A record opens just where, as what and with the key that it was sealed with.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>

#include <cmocka.h>

#include "crypt/crypt.h"

#define LENGTH 5000

static const uint8_t cell[PK_UUID_SIZE] = "cell of the test";
static const uint8_t key[PD_BUCKET_KEY] = "0123456789abcdef0123456789abcdef";

struct sealed
{
	pk_record record;
	uint8_t plain[LENGTH];
	uint8_t payload[LENGTH];
};

static void
seal(struct sealed *sealed)
{
	struct pd_err err;

	memset(sealed, 0, sizeof(*sealed));
	for (int i = 0; i < LENGTH; i++)
		sealed->plain[i] = (uint8_t) (i * 31 + i / 7);
	sealed->record.bucket_id = 77;
	sealed->record.offset = 1 << 20;
	sealed->record.durable = 64;
	sealed->record.length = LENGTH;
	sealed->record.payload_length = LENGTH;
	sealed->record.crc32c = pk_crc32c(0, sealed->plain, LENGTH);
	sealed->record.codec = PK_CODEC_RAW;
	pk_sha256(sealed->record.hash, sealed->plain, LENGTH);
	assert_int_equal(pd_seal_record(&sealed->record, sealed->payload, sealed->plain, cell, key, NULL, &err), PK_OK);
}

static pk_error
open_sealed(const struct sealed *sealed, const pk_record *record)
{
	uint8_t out[LENGTH];
	struct pd_err err;

	return pd_open_record(record, out, sealed->payload, cell, key, &err);
}

static void
a_sealed_record_opens(void **state)
{
	struct sealed sealed;
	uint8_t out[LENGTH];
	struct pd_err err;

	(void) state;
	seal(&sealed);
	assert_int_equal(sealed.record.cipher, PK_CIPHER_AES256GCM);
	assert_int_equal(sealed.record.payload_crc32c, pk_crc32c(0, sealed.payload, LENGTH));
	assert_memory_not_equal(sealed.payload, sealed.plain, LENGTH);
	assert_int_equal(pd_open_record(&sealed.record, out, sealed.payload, cell, key, &err), PK_OK);
	assert_memory_equal(out, sealed.plain, LENGTH);
}

static void
sealing_and_opening_in_place(void **state)
{
	struct sealed sealed;
	struct sealed again;
	struct pd_err err;

	(void) state;
	seal(&sealed);
	again = sealed;
	memcpy(again.payload, sealed.plain, LENGTH);
	assert_int_equal(pd_seal_record(&again.record, again.payload, again.payload, cell, key, NULL, &err), PK_OK);
	assert_memory_equal(again.payload, sealed.payload, LENGTH);
	assert_memory_equal(again.record.tag, sealed.record.tag, PK_RECORD_TAG);
	assert_int_equal(pd_open_record(&again.record, again.payload, again.payload, cell, key, &err), PK_OK);
	assert_memory_equal(again.payload, sealed.plain, LENGTH);
}

static void
every_bound_field_altered_does_not_open(void **state)
{
	struct sealed sealed;
	pk_record record;

	(void) state;
	seal(&sealed);
#define ALTERED(change)                                                  \
	do                                                                   \
	{                                                                    \
		record = sealed.record;                                          \
		change;                                                          \
		assert_int_equal(open_sealed(&sealed, &record), PK_ERR_CORRUPT); \
	} while (0)
	ALTERED(record.bucket_id++);
	ALTERED(record.offset += PK_RECORD_ALIGN);
	ALTERED(record.offset += UINT64_C(1) << 40);
	ALTERED(record.length++);
	ALTERED(record.payload_length--);
	ALTERED(record.codec = PK_CODEC_ZSTD);
	ALTERED(record.cipher = PK_CIPHER_NONE);
	ALTERED(record.cipher = 2);
	for (int i = 0; i < PK_SHA256_SIZE; i++)
		ALTERED(record.hash[i] ^= 1);
	for (int i = 0; i < PK_RECORD_TAG; i++)
		ALTERED(record.tag[i] ^= 0x80);
	assert_int_equal(open_sealed(&sealed, &sealed.record), PK_OK);
}

/* What the AEAD does not bind (durable, the CRCs) the header's own CRC holds. */
static void
every_header_bit_altered_is_refused(void **state)
{
	struct sealed sealed;
	uint8_t header[PK_RECORD_HEADER];
	pk_record record;

	(void) state;
	seal(&sealed);
	pk_record_encode(header, &sealed.record);
	assert_int_equal(pk_record_decode(&record, header, 77, 1 << 20), PK_OK);
	assert_int_equal(open_sealed(&sealed, &record), PK_OK);
	for (int bit = 0; bit < 8 * PK_RECORD_HEADER; bit++)
	{
		header[bit / 8] ^= (uint8_t) (1 << bit % 8);
		assert_int_equal(pk_record_decode(&record, header, 77, 1 << 20), PK_ERR_CORRUPT);
		header[bit / 8] ^= (uint8_t) (1 << bit % 8);
	}
}

static void
every_payload_byte_altered_does_not_open_and_shows_nothing(void **state)
{
	struct sealed sealed;
	uint8_t out[LENGTH];
	static const uint8_t zero[LENGTH];
	struct pd_err err;

	(void) state;
	seal(&sealed);
	for (int i = 0; i < LENGTH; i += 7)
	{
		sealed.payload[i] ^= 4;
		memset(out, 0xaa, sizeof(out));
		assert_int_equal(pd_open_record(&sealed.record, out, sealed.payload, cell, key, &err), PK_ERR_CORRUPT);
		assert_memory_equal(out, zero, LENGTH);
		sealed.payload[i] ^= 4;
	}
}

static void
another_key_or_cell_does_not_open(void **state)
{
	struct sealed sealed;
	uint8_t out[LENGTH];
	uint8_t other[32];
	struct pd_err err;

	(void) state;
	seal(&sealed);
	memcpy(other, key, 32);
	other[31] ^= 1;
	assert_int_equal(pd_open_record(&sealed.record, out, sealed.payload, cell, other, &err), PK_ERR_CORRUPT);
	memcpy(other, cell, PK_UUID_SIZE);
	other[0] ^= 1;
	assert_int_equal(pd_open_record(&sealed.record, out, sealed.payload, other, key, &err), PK_ERR_CORRUPT);
	assert_true(strlen(err.text) > 0);
}

static void *
seal_many(void *arg)
{
	(void) arg;
	for (int i = 0; i < 50; i++)
	{
		struct sealed sealed;
		pk_record bad;

		seal(&sealed);
		if (open_sealed(&sealed, &sealed.record) != PK_OK)
			return "a sealed record did not open";
		bad = sealed.record;
		bad.offset = 0;
		/* a failure leaves nothing behind in the thread's context */
		if (open_sealed(&sealed, &bad) != PK_ERR_CORRUPT)
			return "a moved record opened";
	}
	return NULL;
}

static void
threads_do_not_share_contexts(void **state)
{
	pthread_t threads[4];

	(void) state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, seal_many, NULL), 0);
	for (int i = 0; i < 4; i++)
	{
		void *problem;

		assert_int_equal(pthread_join(threads[i], &problem), 0);
		assert_null(problem);
	}
}

static void
piece_by_piece_is_the_same(void **state)
{
	struct sealed sealed;
	uint8_t out[LENGTH];
	struct pd_err err;

	(void) state;
	seal(&sealed);
	for (int altered = 0; altered < 2; altered++)
	{
		struct pd_opening *opening;
		pk_error rc;

		sealed.payload[0] ^= (uint8_t) altered;
		opening = pd_opening_begin(&sealed.record, cell, key, &rc, &err);
		assert_non_null(opening);
		memcpy(out, sealed.payload, LENGTH); /* in place */
		for (size_t at = 0; at < LENGTH; at += 777)
		{
			size_t n = LENGTH - at < 777 ? LENGTH - at : 777;

			assert_int_equal(pd_opening_step(opening, out + at, out + at, n, &err), PK_OK);
		}
		assert_int_equal(pd_opening_end(opening, &err), altered ? PK_ERR_CORRUPT : PK_OK);
		if (!altered)
			assert_memory_equal(out, sealed.plain, LENGTH);
		pd_opening_free(opening);
	}
	sealed.record.cipher = PK_CIPHER_NONE;
	{
		pk_error rc;

		assert_null(pd_opening_begin(&sealed.record, cell, key, &rc, &err));
		assert_int_equal(rc, PK_ERR_CORRUPT);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sealed_record_opens),
		cmocka_unit_test(sealing_and_opening_in_place),
		cmocka_unit_test(every_bound_field_altered_does_not_open),
		cmocka_unit_test(every_header_bit_altered_is_refused),
		cmocka_unit_test(every_payload_byte_altered_does_not_open_and_shows_nothing),
		cmocka_unit_test(another_key_or_cell_does_not_open),
		cmocka_unit_test(piece_by_piece_is_the_same),
		cmocka_unit_test(threads_do_not_share_contexts),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
