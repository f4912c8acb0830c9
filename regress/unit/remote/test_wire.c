/*
 * Paths and bytes between nodes: one way to write each, and nothing else is read.
 */
#include "harness.h"

#define DRIVE "a0a1a2a3-a4a5-a6a7-a8a9-aaabacadaeaf"

static void
paths_have_one_form(void **state)
{
	static const char *const good[] = {
		"/peer/find/" DRIVE "/b-000000000000002a",
		"/peer/kept/" DRIVE "/b-000000000000002a",
		"/peer/read/" DRIVE "/b-000000000000002a/0/18446744073709551615",
		"/peer/checked/" DRIVE "/p-000000000000002a-31/65536/1",
		"/peer/create/" DRIVE "/b-ffffffffffffffff/1048576",
		"/peer/append/" DRIVE "/b-000000000000002a/4096",
		"/peer/seal/" DRIVE "/b-000000000000002a/4096",
		"/peer/members/" DRIVE "/b-000000000000002a",
		"/peer/remove/" DRIVE "/b-000000000000002a",
		"/peer/build/" DRIVE "/p-000000000000002a-08/1",
		"/peer/write/" DRIVE "/p-000000000000002a-08/7/0",
		"/peer/spoil/" DRIVE "/p-000000000000002a-08/7/0/65536",
		"/peer/finish/" DRIVE "/p-000000000000002a-08/7",
		"/peer/abandon/" DRIVE "/p-000000000000002a-08/7",
	};
	static const char *const bad[] = {
		"",
		"/peer/",
		"/peer/find",
		"/peer/find/" DRIVE,
		"/peer/find/" DRIVE "/",
		"/peer/find/" DRIVE "/b-000000000000002a/",
		"/peer/find/" DRIVE "/b-000000000000002a/0",
		"/peer/find//" DRIVE "/b-000000000000002a",
		"/peer/Find/" DRIVE "/b-000000000000002a",
		"/peer/find/A0a1a2a3-a4a5-a6a7-a8a9-aaabacadaeaf/b-000000000000002a",
		"/peer/find/" DRIVE "/b-000000000000002A",
		"/peer/find/" DRIVE "/b-2a",
		"/peer/find/" DRIVE "/p-000000000000002a-32",
		"/peer/find/" DRIVE "/extents/2a/b-000000000000002a",
		"/peer/find/" DRIVE "/..%2f",
		"/peer/steal/" DRIVE "/b-000000000000002a",
		"/peer/append/" DRIVE "/b-000000000000002a",
		"/peer/append/" DRIVE "/b-000000000000002a/",
		"/peer/append/" DRIVE "/b-000000000000002a/01",
		"/peer/append/" DRIVE "/b-000000000000002a/+1",
		"/peer/append/" DRIVE "/b-000000000000002a/-1",
		"/peer/append/" DRIVE "/b-000000000000002a/ 1",
		"/peer/append/" DRIVE "/b-000000000000002a/1x",
		"/peer/append/" DRIVE "/b-000000000000002a/18446744073709551616",
		"/peer/append/" DRIVE "/b-000000000000002a/1/2",
		"/block/append/" DRIVE "/b-000000000000002a/1",
	};
	char longest[2 * PD_PEER_PATH_MAX];
	struct pd_peer_call call;

	(void) state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
	{
		char again[PD_PEER_PATH_MAX];

		if (!pd_peer_path_parse(&call, good[i]))
			fail_msg("%s was not read", good[i]);
		assert_int_equal(call.verb, i);
		pd_peer_path_format(again, &call);
		assert_string_equal(again, good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		if (pd_peer_path_parse(&call, bad[i]))
			fail_msg("\"%s\" was read", bad[i]);
	}
	memset(longest, '1', sizeof(longest));
	memcpy(longest, good[4], strlen(good[4]));
	longest[sizeof(longest) - 1] = '\0';
	assert_false(pd_peer_path_parse(&call, longest));
}

static void
info_bytes(void **state)
{
	struct pd_extent_info info = {.kind = PK_EXTENT_PARITY,
								  .id = 0x1122334455667788,
								  .position = 8,
								  .sealed = true,
								  .trashed = true,
								  .length = 1234567,
								  .file_size = 7654321},
						  back;
	uint8_t bytes[PD_PEER_INFO_MAX + 1];
	size_t n;

	(void) state;
	memset(info.cell, 0xce, PK_UUID_SIZE);
	info.members.volume_id = 99;
	info.members.generation = 5;
	info.members.code = (pk_code){PK_CODE_RS, 30, 2};
	info.members.count = PK_MEMBERS_MAX;
	for (int i = 0; i < PK_MEMBERS_MAX; i++)
	{
		memset(info.members.member[i].drive, i + 1, PK_UUID_SIZE);
		info.members.member[i].bucket_id = (uint64_t) i << 40;
		info.members.member[i].length = (uint64_t) i * 1000;
		memset(info.members.member[i].key, 0x80 + i, PD_MEMBER_KEY);
	}
	n = pd_peer_info_encode(bytes, &info);
	assert_int_equal(n, PD_PEER_INFO_MAX);
	assert_true(pd_peer_info_decode(&back, bytes, n));
	assert_memory_equal(&back, &info, sizeof(info));

	/* the places that FORMAT.md gives */
	assert_int_equal(bytes[0], PK_EXTENT_PARITY);
	assert_int_equal(bytes[1], 8);
	assert_int_equal(bytes[2], 1);
	assert_int_equal(bytes[3], 1);
	assert_int_equal(pk_get_u64(bytes + 8), info.id);
	assert_int_equal(bytes[16], 0xce);
	assert_int_equal(pk_get_u64(bytes + 32), info.length);
	assert_int_equal(pk_get_u64(bytes + 40), info.file_size);
	assert_int_equal(pk_get_u64(bytes + 48), 99);
	assert_int_equal(pk_get_u32(bytes + 56), 5);
	assert_int_equal(bytes[60], PK_CODE_RS);
	assert_int_equal(bytes[61], 30);
	assert_int_equal(bytes[62], 2);
	assert_int_equal(bytes[63], PK_MEMBERS_MAX);
	assert_int_equal(bytes[64], 1);
	assert_int_equal(bytes[64 + 96 + 32], 0x81);

	for (size_t length = 0; length < n; length++)
		assert_false(pd_peer_info_decode(&back, bytes, length));
	assert_false(pd_peer_info_decode(&back, bytes, n + 1));
	bytes[63] = PK_MEMBERS_MAX + 1;
	assert_false(pd_peer_info_decode(&back, bytes, n));
	bytes[63] = PK_MEMBERS_MAX;
	for (size_t i = 2; i < 8; i++)
	{
		bytes[i] ^= 2;
		assert_false(pd_peer_info_decode(&back, bytes, n));
		bytes[i] ^= 2;
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_have_one_form),
		cmocka_unit_test(info_bytes),
	};

	return cmocka_run_group_tests_name("remote/wire", tests, NULL, NULL);
}
