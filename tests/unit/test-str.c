#include "unit.h"

static void
of_and_equality(void **state)
{
	struct fynq_str absent = fynq_str_of(NULL), empty = FYNQ_STR("");

	(void)state;
	assert_null(absent.p);
	assert_non_null(empty.p);
	assert_true(fynq_str_eq(absent, empty));
	assert_true(fynq_str_eq(FYNQ_STR("ab"), fynq_str_of("ab")));
	assert_false(fynq_str_eq(FYNQ_STR("ab"), FYNQ_STR("aB")));
	assert_false(fynq_str_eq(FYNQ_STR("ab"), FYNQ_STR("abc")));
	assert_true(fynq_str_ieq(FYNQ_STR("Content-Type"), FYNQ_STR("content-TYPE")));
	assert_false(fynq_str_ieq(FYNQ_STR("a"), FYNQ_STR("b")));
	assert_true(fynq_str_same_secret(FYNQ_STR("k3y"), FYNQ_STR("k3y")));
	assert_false(fynq_str_same_secret(FYNQ_STR("k3y"), FYNQ_STR("k3Y")));
	assert_false(fynq_str_same_secret(FYNQ_STR("k3y"), FYNQ_STR("k3yy")));
}

static void
starts_and_trim(void **state)
{
	(void)state;
	assert_true(fynq_str_starts(FYNQ_STR("Bearer x"), FYNQ_STR("Bearer ")));
	assert_true(fynq_str_starts(FYNQ_STR("x"), (struct fynq_str){ 0 }));
	assert_false(fynq_str_starts(FYNQ_STR("Bear"), FYNQ_STR("Bearer")));
	assert_str(fynq_str_trim(FYNQ_STR(" \t a b\t ")), "a b");
	assert_str(fynq_str_trim(FYNQ_STR(" \t ")), "");
	assert_str(fynq_str_trim(FYNQ_STR("\na\n")), "\na\n");
}

static void
cut(void **state)
{
	struct fynq_str head, tail;

	(void)state;
	assert_true(fynq_str_cut(FYNQ_STR("a=b=c"), '=', &head, &tail));
	assert_str(head, "a");
	assert_str(tail, "b=c");
	assert_true(fynq_str_cut(FYNQ_STR("a="), '=', &head, &tail));
	assert_non_null(tail.p);
	assert_int_equal(tail.n, 0);
	assert_false(fynq_str_cut(FYNQ_STR("a"), '=', &head, &tail));
	assert_str(head, "a");
	assert_null(tail.p);

	head = FYNQ_STR("1,2,3");
	assert_true(fynq_str_cut(head, ',', &tail, &head));
	assert_str(head, "2,3");
	assert_true(fynq_str_cut(head, ',', &head, &tail));
	assert_str(head, "2");
}

static void
utf8(void **state)
{
	static const struct {
		const char *name;
		struct fynq_str bytes;
		bool good;
	} cases[] = {
		{ "empty", FYNQ_STR_INIT(""), true },
		{ "ascii", FYNQ_STR_INIT("a\x01\x7f"), true },
		{ "NUL", FYNQ_STR_INIT("a\0b"), false },
		{ "U+0080", FYNQ_STR_INIT("\xc2\x80"), true },
		{ "U+07FF", FYNQ_STR_INIT("\xdf\xbf"), true },
		{ "U+0800", FYNQ_STR_INIT("\xe0\xa0\x80"), true },
		{ "U+D7FF", FYNQ_STR_INIT("\xed\x9f\xbf"), true },
		{ "U+E000", FYNQ_STR_INIT("\xee\x80\x80"), true },
		{ "U+FFFF", FYNQ_STR_INIT("\xef\xbf\xbf"), true },
		{ "U+10000", FYNQ_STR_INIT("\xf0\x90\x80\x80"), true },
		{ "U+10FFFF", FYNQ_STR_INIT("\xf4\x8f\xbf\xbf"), true },
		{ "lone continuation", FYNQ_STR_INIT("\x80"), false },
		{ "overlong NUL", FYNQ_STR_INIT("\xc0\x80"), false },
		{ "overlong of 2", FYNQ_STR_INIT("\xc1\xbf"), false },
		{ "overlong of 3", FYNQ_STR_INIT("\xe0\x9f\xbf"), false },
		{ "overlong of 4", FYNQ_STR_INIT("\xf0\x8f\xbf\xbf"), false },
		{ "surrogate", FYNQ_STR_INIT("\xed\xa0\x80"), false },
		{ "past U+10FFFF", FYNQ_STR_INIT("\xf4\x90\x80\x80"), false },
		{ "lead F5", FYNQ_STR_INIT("\xf5\x80\x80\x80"), false },
		{ "FF", FYNQ_STR_INIT("\xff"), false },
		{ "cut after 1 of 2", FYNQ_STR_INIT("a\xc3"), false },
		{ "cut after 2 of 3", FYNQ_STR_INIT("\xe2\x82"), false },
		{ "cut after 3 of 4", FYNQ_STR_INIT("\xf0\x9f\x98"), false },
		{ "ascii for continuation",
		    FYNQ_STR_INIT("\xe2\x82"
				  "a"),
		    false },
		{ "ascii for the last of 4",
		    FYNQ_STR_INIT("\xf0\x9f\x98"
				  "a"),
		    false },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++)
		assert_case(fynq_str_utf8(cases[i].bytes) == cases[i].good, cases[i].name);
	assert_true(fynq_str_utf8((struct fynq_str){ 0 }));
}

static void
chars(void **state)
{
	(void)state;
	assert_int_equal(fynq_str_chars(FYNQ_STR("")), 0);
	assert_int_equal(fynq_str_chars(FYNQ_STR("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80")), 4);
}

/* The first and the last code point of each length. */
static void
take_char(void **state)
{
	static const uint32_t want[] = { 0x1, 0x7f, 0x80, 0x7ff, 0x800, 0xffff, 0x10000, 0x10ffff,
		'.' };
	struct fynq_str s = FYNQ_STR("\x01\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf"
				     "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf.");

	(void)state;
	for (size_t i = 0; i < LENGTH(want); i++)
		assert_int_equal(fynq_str_take_char(&s), want[i]);
	assert_int_equal(s.n, 0);
}

static void
boundary(void **state)
{
	static const char good[] = "yyny"; /* of "a", "\xc3\xa9" and the end */
	struct fynq_str s = FYNQ_STR("a\xc3\xa9");

	(void)state;
	for (size_t at = 0; at < sizeof(good) - 1; at++)
		assert_int_equal(fynq_str_boundary(s, at), good[at] == 'y');
	assert_false(fynq_str_boundary(s, 4));
	assert_true(fynq_str_boundary((struct fynq_str){ 0 }, 0));
}

static void
integers(void **state)
{
	static const struct {
		const char *text;
		bool good;
		int64_t value;
	} cases[] = {
		{ "0", true, 0 },
		{ "-0", true, 0 },
		{ "42", true, 42 },
		{ "-7", true, -7 },
		{ "007", true, 7 },
		{ "9223372036854775807", true, INT64_MAX },
		{ "-9223372036854775808", true, INT64_MIN },
		{ "9223372036854775808", false, 0 },
		{ "-9223372036854775809", false, 0 },
		{ "99999999999999999999", false, 0 },
		{ "", false, 0 },
		{ "-", false, 0 },
		{ "+1", false, 0 },
		{ " 1", false, 0 },
		{ "1 ", false, 0 },
		{ "1.0", false, 0 },
		{ "1e3", false, 0 },
		{ "0x10", false, 0 },
		{ "--1", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		int64_t value = 4711;
		bool good = fynq_str_int(fynq_str_of(cases[i].text), &value);

		assert_case(good == cases[i].good, cases[i].text);
		assert_case(value == (good ? cases[i].value : 4711), cases[i].text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_and_equality),
		cmocka_unit_test(starts_and_trim),
		cmocka_unit_test(cut),
		cmocka_unit_test(utf8),
		cmocka_unit_test(chars),
		cmocka_unit_test(take_char),
		cmocka_unit_test(boundary),
		cmocka_unit_test(integers),
	};

	return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}
