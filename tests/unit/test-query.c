#include "http/query.h"
#include "unit.h"

static struct fynq_arena *arena;

static int
setup(void **state)
{
	(void)state;
	arena = fynq_arena_new(1 << 20);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	fynq_arena_free(&arena);
	return 0;
}

static void
decodes(void **state)
{
	static const struct {
		const char *coded;
		bool plus;
		const char *plain; /* NULL where it must be refused */
	} cases[] = {
		{ "", false, "" },
		{ "plain", true, "plain" },
		{ "a%20b", false, "a b" },
		{ "a+b", true, "a b" },
		{ "a+b", false, "a+b" },
		{ "a%2Bb", true, "a+b" },
		{ "%41%5a%5A", false, "AZZ" },
		{ "%c3%A9", false, "\xc3\xa9" },
		{ "%cf%8F", false, "\xcf\x8f" },
		{ "\xc3\xa9", false, "\xc3\xa9" },
		{ "100%25", false, "100%" },
		{ "%2525", false, "%25" },
		{ "%0a", false, "\n" },
		{ "%", false, NULL },
		{ "%4", false, NULL },
		{ "a%", true, NULL },
		{ "%g1", false, NULL },
		{ "%1g", false, NULL },
		{ "%%41", false, NULL },
		{ "%+1", true, NULL },
		{ "%00", false, NULL },
		{ "%ff", false, NULL },
		{ "%c3", false, NULL },
		{ "%c3+", true, NULL },
		{ "%ed%a0%80", false, NULL },
		{ "\xff", false, NULL },
	};
	struct fynq_str plain;

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		bool good = fynq_percent_decode(
		    arena, fynq_str_of(cases[i].coded), cases[i].plus, &plain);

		assert_case(good == (cases[i].plain != NULL), cases[i].coded);
		if (good)
			assert_str(plain, cases[i].plain);
	}
}

static void
parses(void **state)
{
	struct fynq_param *params;
	size_t n;

	(void)state;
	params = fynq_query_parse(arena, FYNQ_STR("a=1&&b&c=&d=x=y&a=%32&e+f=g+h&"), &n);
	assert_int_equal(n, 6);
	assert_str(params[0].name, "a");
	assert_str(params[0].value, "1");
	assert_str(params[1].name, "b");
	assert_non_null(params[1].value.p);
	assert_str(params[1].value, "");
	assert_str(params[2].name, "c");
	assert_str(params[2].value, "");
	assert_str(params[3].name, "d");
	assert_str(params[3].value, "x=y");
	assert_str(params[4].name, "a");
	assert_str(params[4].value, "2");
	assert_str(params[5].name, "e f");
	assert_str(params[5].value, "g h");
	for (size_t i = 0; i < n; i++)
		assert_false(params[i].malformed || params[i].taken);
}

static void
marks_what_is_malformed(void **state)
{
	struct fynq_param *params;
	size_t n;

	(void)state;
	params = fynq_query_parse(arena, FYNQ_STR("a=%zz&%zz=b&c=d"), &n);
	assert_int_equal(n, 3);
	assert_str(params[0].name, "a");
	assert_true(params[0].malformed);
	assert_str(params[1].name, "%zz");
	assert_true(params[1].malformed);
	assert_false(params[2].malformed);
}

static void
takes_nothing(void **state)
{
	size_t n = 1;

	(void)state;
	fynq_query_parse(arena, (struct fynq_str){ 0 }, &n);
	assert_int_equal(n, 0);
	fynq_query_parse(arena, FYNQ_STR("&&"), &n);
	assert_int_equal(n, 0);
	fynq_query_parse(arena, FYNQ_STR("a"), &n);
	assert_int_equal(n, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(decodes, setup, teardown),
		cmocka_unit_test_setup_teardown(parses, setup, teardown),
		cmocka_unit_test_setup_teardown(marks_what_is_malformed, setup, teardown),
		cmocka_unit_test_setup_teardown(takes_nothing, setup, teardown),
	};

	return cmocka_run_group_tests_name("query", tests, NULL, NULL);
}
