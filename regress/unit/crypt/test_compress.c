/*
 * Compression is used where it pays, comes back to the byte, and no frame,
 * however it was made, writes past the length that the record declares.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <zstd.h>

#include "crypt/crypt.h"

#define SIZE_MAX_TESTED (4 * 1024 * 1024)

static uint8_t *in;
static uint8_t *out;
static uint8_t *again;

static int
setup(void **state)
{
	(void) state;
	in = malloc(SIZE_MAX_TESTED);
	out = malloc(SIZE_MAX_TESTED);
	again = malloc(SIZE_MAX_TESTED);
	return in == NULL || out == NULL || again == NULL;
}

static int
teardown(void **state)
{
	(void) state;
	free(in);
	free(out);
	free(again);
	return 0;
}

static void
fill_random(uint8_t *to, size_t length)
{
	static uint64_t seed = 1;

	for (size_t i = 0; i < length; i++)
	{
		seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		to[i] = (uint8_t) (seed >> 56);
	}
}

static void
fill_text(uint8_t *to, size_t length)
{
	static const char text[] = "a file in PostgreSQL is a row and its blocks; ";

	for (size_t i = 0; i < length; i++)
		to[i] = (uint8_t) text[(i + i / 1000) % (sizeof(text) - 1)];
}

/* Compresses `in` and holds the way back against it; returns the payload's length. */
static size_t
there_and_back(size_t length, uint8_t *codec)
{
	pk_record record;
	struct pd_err err;
	size_t payload_length = pd_compress(out, length, in, length, codec);

	memset(&record, 0, sizeof(record));
	record.length = (uint32_t) length;
	record.payload_length = (uint32_t) payload_length;
	record.codec = *codec;
	assert_in_range(payload_length, 1, length);
	memset(again, 0, length);
	assert_int_equal(pd_decompress(again, &record, *codec == PK_CODEC_RAW ? in : out, &err), PK_OK);
	assert_memory_equal(again, in, length);
	return payload_length;
}

static void
text_is_compressed_at_every_size(void **state)
{
	static const size_t sizes[] = {200, 4096, 65535, 65536, 65537, 1 << 20, SIZE_MAX_TESTED};
	uint8_t codec;

	(void) state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
	{
		fill_text(in, sizes[i]);
		assert_true(there_and_back(sizes[i], &codec) < sizes[i] / 2);
		assert_int_equal(codec, PK_CODEC_ZSTD);
	}
}

static void
random_bytes_stay_raw_at_every_size(void **state)
{
	static const size_t sizes[] = {1, 2, 31, 32, 33, 4096, 65536, 65537, SIZE_MAX_TESTED};
	uint8_t codec;

	(void) state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
	{
		fill_random(in, sizes[i]);
		assert_int_equal(there_and_back(sizes[i], &codec), sizes[i]);
		assert_int_equal(codec, PK_CODEC_RAW);
	}
}

static void
the_probe_decides_for_the_whole(void **state)
{
	uint8_t codec;

	(void) state;
	/* the first 64 KiB do not compress: the rest is not looked at */
	fill_text(in, 1 << 20);
	fill_random(in, 65536);
	there_and_back(1 << 20, &codec);
	assert_int_equal(codec, PK_CODEC_RAW);

	/* they do, but the whole saves less than a 32nd */
	fill_random(in, SIZE_MAX_TESTED);
	fill_text(in, 65536);
	there_and_back(SIZE_MAX_TESTED, &codec);
	assert_int_equal(codec, PK_CODEC_RAW);

	/* they do, and the whole saves a little more than that */
	fill_random(in, 1 << 20);
	fill_text(in, 65536);
	assert_true(there_and_back(1 << 20, &codec) <= (1 << 20) / 32 * 31);
	assert_int_equal(codec, PK_CODEC_ZSTD);
}

/* Decompresses a payload into `length` bytes that end where unwritable memory begins. */
static pk_error
decompress_fenced(const uint8_t *payload, size_t payload_length, size_t length, uint8_t codec)
{
	size_t page = (size_t) sysconf(_SC_PAGESIZE);
	size_t room = (length + page - 1) / page * page + page;
	uint8_t *map = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pk_record record;
	pk_error result;
	struct pd_err err;

	assert_true(map != MAP_FAILED);
	assert_int_equal(mprotect(map + room, page, PROT_NONE), 0);
	memset(map, 0x77, room - length);
	memset(&record, 0, sizeof(record));
	record.length = (uint32_t) length;
	record.payload_length = (uint32_t) payload_length;
	record.codec = codec;
	result = pd_decompress(map + room - length, &record, payload, &err);
	for (size_t i = 0; i < room - length; i++)
		assert_int_equal(map[i], 0x77);
	assert_int_equal(munmap(map, room + page), 0);
	return result;
}

static void
a_frame_of_another_length_is_corrupt(void **state)
{
	size_t length = 100000;
	size_t payload_length;

	(void) state;
	fill_text(in, length);
	payload_length = ZSTD_compress(out, SIZE_MAX_TESTED, in, length, 1);
	assert_false(ZSTD_isError(payload_length));
	assert_int_equal(decompress_fenced(out, payload_length, length, PK_CODEC_ZSTD), PK_OK);
	assert_int_equal(decompress_fenced(out, payload_length, length - 1, PK_CODEC_ZSTD), PK_ERR_CORRUPT);
	assert_int_equal(decompress_fenced(out, payload_length, length + 1, PK_CODEC_ZSTD), PK_ERR_CORRUPT);
	assert_int_equal(decompress_fenced(out, payload_length, 1, PK_CODEC_ZSTD), PK_ERR_CORRUPT);
	assert_int_equal(decompress_fenced(out, payload_length - 1, length, PK_CODEC_ZSTD), PK_ERR_CORRUPT);
	assert_int_equal(decompress_fenced(out, payload_length, length, PK_CODEC_RAW), PK_ERR_CORRUPT);
	assert_int_equal(decompress_fenced(out, payload_length, length, 2), PK_ERR_CORRUPT);
	assert_int_equal(decompress_fenced(in, 1000, 1000, PK_CODEC_ZSTD), PK_ERR_CORRUPT);
	assert_int_equal(decompress_fenced(out, 0, 1000, PK_CODEC_ZSTD), PK_ERR_CORRUPT);
}

/* A frame that does not say how long it is, and unfolds to 4 MiB. */
static void
a_bomb_stops_at_the_declared_length(void **state)
{
	ZSTD_CCtx *context = ZSTD_createCCtx();
	size_t payload_length;

	(void) state;
	memset(in, 0, SIZE_MAX_TESTED);
	assert_false(ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0)));
	payload_length = ZSTD_compress2(context, out, SIZE_MAX_TESTED, in, SIZE_MAX_TESTED);
	assert_false(ZSTD_isError(payload_length));
	assert_in_range(payload_length, 1, 1000);
	for (size_t length = 1; length < 70000; length = length * 3 + 1)
		assert_int_equal(decompress_fenced(out, payload_length, length, PK_CODEC_ZSTD), PK_ERR_CORRUPT);
	/* many frames behind one another add up just the same */
	memcpy(again, out, payload_length);
	memcpy(again + payload_length, out, payload_length);
	assert_int_equal(decompress_fenced(again, 2 * payload_length, SIZE_MAX_TESTED, PK_CODEC_ZSTD), PK_ERR_CORRUPT);
	ZSTD_freeCCtx(context);
}

static void
damaged_frames_never_write_outside(void **state)
{
	size_t length = 5000;
	size_t payload_length;
	uint64_t seed = 9;

	(void) state;
	fill_text(in, length);
	fill_random(in + 1000, 700);
	payload_length = ZSTD_compress(out, SIZE_MAX_TESTED, in, length, 1);
	for (int round = 0; round < 2000; round++)
	{
		uint8_t damaged[8192];

		memcpy(damaged, out, payload_length);
		for (int i = 0; i <= round % 4; i++)
		{
			seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
			damaged[(seed >> 33) % payload_length] ^= (uint8_t) (1 << (seed >> 60) % 8);
		}
		/* whether it decodes (the AEAD stands before it) or not: the fences hold */
		(void) !decompress_fenced(damaged, payload_length, length, PK_CODEC_ZSTD);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_compressed_at_every_size),	   cmocka_unit_test(random_bytes_stay_raw_at_every_size),
		cmocka_unit_test(the_probe_decides_for_the_whole),	   cmocka_unit_test(a_frame_of_another_length_is_corrupt),
		cmocka_unit_test(a_bomb_stops_at_the_declared_length), cmocka_unit_test(damaged_frames_never_write_outside),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
