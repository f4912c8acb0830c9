/*
 * test_acl.c
 *	  Access control lists: faults and where they are, changes, limits.
 */
#include "../golden.h"

#include "contract/pk_acl.h"

static pk_acl acl;
static char names[PK_ACL_TEXT_MAX + 1];
static char text[PK_ACL_TEXT_MAX + 1];

static pk_acl_fault
parse(const char *input, size_t *at)
{
	return pk_acl_parse(&acl, names, input, strlen(input), at);
}

static void
text_is_canonical(void **state)
{
	static const char *const cases[][2] = {
		{"{}", "{}"},
		{"!{}", "!{}"},
		{"{b=wr,a=sdwr}", "{a=rwds,b=rw}"},
		{"{\"a\"=r}", "{a=r}"},
		{"{\"a b\"=r}", "{\"a b\"=r}"},
		{"{\"\\\"\\\\\"=d}", "{\"\\\"\\\\\"=d}"},
		{"{aa=r,a=w,B=d}", "{B=d,a=w,aa=r}"},
	};
	size_t at;

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		assert_int_equal(parse(cases[i][0], &at), PK_ACL_VALID);
		assert_int_equal(pk_acl_format(text, &acl), strlen(cases[i][1]));
		assert_string_equal(text, cases[i][1]);
	}
}

static void
faults_and_where(void **state)
{
	static const struct
	{
		const char *text;
		pk_acl_fault fault;
		size_t at;
	} cases[] = {
		{"", PK_ACL_OPENING, 0},
		{"!", PK_ACL_OPENING, 1},
		{"x", PK_ACL_OPENING, 0},
		{"{", PK_ACL_NAME, 1},
		{"{a", PK_ACL_EQUALS, 2},
		{"{a=", PK_ACL_RIGHTS, 3},
		{"{a=r", PK_ACL_SEPARATOR, 4},
		{"{a=r,", PK_ACL_NAME, 5},
		{"{a=r,}", PK_ACL_NAME, 5},
		{"{a=rx}", PK_ACL_RIGHTS, 4},
		{"{a=rr}", PK_ACL_RIGHTS, 4},
		{"{\"a", PK_ACL_QUOTE, 3},
		{"{\"a\\", PK_ACL_QUOTE, 4},
		{"{\"\"=r}", PK_ACL_NAME, 1},
		{"{a=r,b=r,a=w}", PK_ACL_TWICE, 9},
		{"{a=r}x", PK_ACL_TAIL, 5},
		{"{a b=r}", PK_ACL_EQUALS, 2},
		{"{\xc3=r}", PK_ACL_NAME, 1},
		{"{a=r;b=r}", PK_ACL_RIGHTS, 4},
		{"{\"a\"\"b\"=r}", PK_ACL_EQUALS, 4},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		size_t at;

		assert_int_equal(parse(cases[i].text, &at), cases[i].fault);
		assert_int_equal(at, cases[i].at);
	}
}

static void
changes_keep_the_order(void **state)
{
	(void) state;
	memset(&acl, 0, sizeof(acl));
	assert_int_equal(pk_acl_allow(&acl, "m", 1, PK_RIGHT_READ), PK_ACL_VALID);
	assert_int_equal(pk_acl_allow(&acl, "z", 1, PK_RIGHT_READ), PK_ACL_VALID);
	assert_int_equal(pk_acl_allow(&acl, "a", 1, PK_RIGHT_SHARE), PK_ACL_VALID);
	assert_int_equal(pk_acl_allow(&acl, "m", 1, PK_RIGHT_WRITE), PK_ACL_VALID);
	(void) pk_acl_format(text, &acl);
	assert_string_equal(text, "{a=s,m=rw,z=r}");
	assert_int_equal(pk_acl_rights(&acl, "m", 1), PK_RIGHT_READ | PK_RIGHT_WRITE);
	assert_int_equal(pk_acl_rights(&acl, "mm", 2), 0);
	pk_acl_deny(&acl, "mm", 2);
	pk_acl_deny(&acl, "a", 1);
	pk_acl_deny(&acl, "z", 1);
	(void) pk_acl_format(text, &acl);
	assert_string_equal(text, "{m=rw}");
}

static void
entries_at_the_limit_and_one_beyond(void **state)
{
	static char name[PK_ACL_ENTRIES_MAX + 1][PK_ACL_NAME_MAX + 1];
	static uint8_t bytes[PK_ACL_SIZE_MAX];
	char number[12];
	size_t at;

	(void) state;
	memset(&acl, 0, sizeof(acl));
	for (int i = PK_ACL_ENTRIES_MAX; i >= 0; i--)
	{
		memset(name[i], '"', PK_ACL_NAME_MAX);
		snprintf(number, sizeof(number), "%05d", i);
		memcpy(name[i], number, 5);
		assert_int_equal(pk_acl_check_name(name[i], PK_ACL_NAME_MAX), PK_ACL_VALID);
		assert_int_equal(pk_acl_allow(&acl, name[i], PK_ACL_NAME_MAX, PK_RIGHTS_ALL),
						 i > 0 ? PK_ACL_VALID : PK_ACL_MANY);
	}
	assert_int_equal(pk_acl_size(&acl), PK_ACL_SIZE_MAX);
	pk_acl_encode(bytes, &acl);
	assert_int_equal(pk_acl_decode(&acl, bytes, sizeof(bytes), &at), PK_ACL_VALID);
	assert_int_equal(acl.count, PK_ACL_ENTRIES_MAX);
	at = pk_acl_format(text, &acl);
	assert_true(at < PK_ACL_TEXT_MAX && at < PK_ACL_TEXT_SIZE(&acl));
	assert_int_equal(pk_acl_check_name(text, PK_ACL_NAME_MAX + 1), PK_ACL_NAME_LONG);
}

static void
every_cut_of_the_bytes_is_refused(void **state)
{
	static const uint8_t bytes[] = {1, 2, 'a', 'l', 9, 3, 'b', 'o', 'b', 2};
	size_t at;

	(void) state;
	assert_int_equal(pk_acl_decode(&acl, bytes, sizeof(bytes), &at), PK_ACL_VALID);
	for (size_t length = 0; length < sizeof(bytes); length++)
	{
		/* behind an entry the list may end */
		bool whole = length == 1 || length == 5;

		assert_true((pk_acl_decode(&acl, bytes, length, &at) == PK_ACL_VALID) == whole);
		assert_true(at <= length);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_canonical),
		cmocka_unit_test(faults_and_where),
		cmocka_unit_test(changes_keep_the_order),
		cmocka_unit_test(entries_at_the_limit_and_one_beyond),
		cmocka_unit_test(every_cut_of_the_bytes_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
