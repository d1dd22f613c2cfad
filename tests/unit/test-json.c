#include "base/buf.h"
#include "http/json.h"
#include "unit.h"

static struct fynq_arena *arena;
static struct json_object *object;
static struct fynq_str why;

static int
setup(void **state)
{
	(void)state;
	arena = fynq_arena_new(1 << 24);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	fynq_arena_free(&arena);
	return 0;
}

/* Parse a copy without a byte after its end. */
static bool
parse(struct fynq_str text)
{
	char *copy = fynq_arena_alloc(arena, text.n);

	memcpy(copy, text.p, text.n);
	why = (struct fynq_str){ 0 };
	return fynq_json_parse(arena, (struct fynq_str){ copy, text.n }, &object, &why);
}

static void
takes_json(void **state)
{
	static const struct {
		const char *text, *plain;
	} cases[] = {
		{ "{}", "{}" },
		{ " \t\r\n{ \"a\" : [ 1 , -2 , 0 , true , false , null ] } \n",
		    "{\"a\":[1,-2,0,true,false,null]}" },
		{ "{\"a\":{\"a\":{\"a\":1}},\"b\":{\"a\":2}}",
		    "{\"a\":{\"a\":{\"a\":1}},\"b\":{\"a\":2}}" },
		{ "{\"a\":[{\"x\":1},{\"x\":2}]}", "{\"a\":[{\"x\":1},{\"x\":2}]}" },
		{ "{\"a\":[1.5,0.25,-1e3,1E+2,1e-2,0e0,0.0]}",
		    "{\"a\":[1.5,0.25,-1e3,1E+2,1e-2,0e0,0.0]}" },
		{ "{\"a\":[9223372036854775807,-9223372036854775808]}",
		    "{\"a\":[9223372036854775807,-9223372036854775808]}" },
		{ "{\"\":\"\"}", "{\"\":\"\"}" },
		{ "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}",
		    "{\"a\":\"\\\"\\\\/\\b\\f\\n\\r\\t\"}" },
		{ "{\"a\":\"\\u0041\\u00e9\\ud83d\\ude00\\uD83D\\uDE00\"}",
		    "{\"a\":\"A\xc3\xa9\xf0\x9f\x98\x80\xf0\x9f\x98\x80\"}" },
		{ "{\"t\\u00edtulo\":1,\"\\u0062\":2,\"b\\n\":3}",
		    "{\"t\xc3\xadtulo\":1,\"b\":2,\"b\\n\":3}" },
		{ "{\"a\":\"\\ud800\\udc00\\udbff\\udfff\\ud7ff\\ue000\"}",
		    "{\"a\":\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80\"}" },
		{ "{\"a\":\"{[:,]}'\"}", "{\"a\":\"{[:,]}'\"}" },
		{ "{\"a\":\"\x7f\xe2\x80\xa8\"}", "{\"a\":\"\x7f\xe2\x80\xa8\"}" },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		assert_case(parse(fynq_str_of(cases[i].text)), cases[i].text);
		assert_string_equal(
		    json_object_to_json_string_ext(object, JSON_C_TO_STRING_NOSLASHESCAPE),
		    cases[i].plain);
	}
}

static void
refuses_what_is_not_json(void **state)
{
	static const char *const cases[] = {
		"",
		" ",
		"{",
		"}",
		"{]",
		"[}",
		"{\"a\"}",
		"{\"a\":}",
		"{\"a\":1,}",
		"{,}",
		"{\"a\":[1,]}",
		"{\"a\" 1}",
		"{\"a\":1 \"b\":2}",
		"{\"a\":1}}",
		"{\"a\":1} x",
		"{}{}",
		"{}//",
		"/**/{}",
		"{a:1}",
		"{'a':1}",
		"{\"a\":'b'}",
		"{1:2}",
		"{:1}",
		"{\"a\"::1}",
		"{\"a\":1:2}",
		"{\"a\":tru}",
		"{\"a\":True}",
		"{\"a\":nul}",
		"{\"a\":nullx}",
		"{\"a\":NaN}",
		"{\"a\":Infinity}",
		"{\"a\":-Infinity}",
		"{\"a\":inf}",
		"{\"a\":undefined}",
		"{\"a\":+1}",
		"{\"a\":-}",
		"{\"a\":01}",
		"{\"a\":00}",
		"{\"a\":-01}",
		"{\"a\":1.}",
		"{\"a\":.5}",
		"{\"a\":1e}",
		"{\"a\":1e+}",
		"{\"a\":1.e1}",
		"{\"a\":0x10}",
		"{\"a\":1_0}",
		"{\"a\":1-2}",
		"{\"a\":--1}",
		"{\"a\":1.2.3}",
		"{\"a\":1e1e1}",
		"{\"a\":\"b}",
		"{\"a\":\"b\\\"}",
		"{\"a\":\"\\",
		"{\"a\":\"\\x\"}",
		"{\"a\":\"\\'\"}",
		"{\"a\":\"\\u12\"}",
		"{\"a\":\"\\u12g4\"}",
		"{\"a\":\"\\u+123\"}",
		"{\"a\":\"\\U0041\"}",
		"{\"a\":\"\n\"}",
		"{\"a\":\"\t\"}",
		"{\"a\":\"\x01\"}",
		"{\"\n\":1}",
		"\xef\xbb\xbf{}",
		"{}\f",
		"\xc2\xa0{}",
		"{\"a\":1]",
		"{\"a\":[1}",
		"{\"a\\x\":1}",
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		assert_case(!parse(fynq_str_of(cases[i])), cases[i]);
		assert_true(why.n > 0 && why.p[why.n - 1] == '.');
	}
}

static void
refuses_other_values(void **state)
{
	static const char *const cases[] = { "[]", "[{}]", "1", "\"a\"", "true", "null" };

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++)
		assert_case(!parse(fynq_str_of(cases[i])), cases[i]);
	assert_false(parse(FYNQ_STR("[]")));
	assert_str(why, "The JSON is not an object.");
}

static void
refuses_bad_characters(void **state)
{
	static const struct fynq_str cases[] = {
		FYNQ_STR_INIT("{\"a\":\"\xff\"}"),
		FYNQ_STR_INIT("{\"a\":\"\xc0\x80\"}"),
		FYNQ_STR_INIT("{\"a\":\"\xed\xa0\x80\"}"),
		FYNQ_STR_INIT("{\"a\":\"\xc3\"}"),
		FYNQ_STR_INIT("{\"a\":\"\0\"}"),
		FYNQ_STR_INIT("{}\0"),
		FYNQ_STR_INIT("{\"a\":\"\\u0000\"}"),
		FYNQ_STR_INIT("{\"a\":\"x\\u0000y\"}"),
		FYNQ_STR_INIT("{\"\\u0000a\":1}"),
		FYNQ_STR_INIT("{\"a\":{\"b\":[\"\\u0000\"]}}"),
		FYNQ_STR_INIT("{\"a\":\"\\ud83d\"}"),
		FYNQ_STR_INIT("{\"a\":\"\\ud83dx\"}"),
		FYNQ_STR_INIT("{\"a\":\"\\ud83d\\n\"}"),
		FYNQ_STR_INIT("{\"a\":\"\\ud83d\\u0041\"}"),
		FYNQ_STR_INIT("{\"a\":\"\\ud83d\\ud83d\"}"),
		FYNQ_STR_INIT("{\"a\":\"\\ude00\"}"),
		FYNQ_STR_INIT("{\"a\":\"\\ude00\\ud83d\"}"),
		FYNQ_STR_INIT("{\"\\ud83d\":1}"),
		FYNQ_STR_INIT("{\"a\":\"\\ud800\"}"),
		FYNQ_STR_INIT("{\"a\":\"\\udbff\"}"),
		FYNQ_STR_INIT("{\"a\":\"\\udc00\"}"),
		FYNQ_STR_INIT("{\"a\":\"\\udfff\"}"),
		FYNQ_STR_INIT("{\"a\":\"\\ud83d\\udbff\"}"),
		FYNQ_STR_INIT("{\"a\":\"\\ud83d\\ue000\"}"),
		FYNQ_STR_INIT("{\"a\":\"\\ud83d\\ude0"),
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++)
		assert_case(!parse(cases[i]), cases[i].p);
	assert_false(parse(FYNQ_STR("{\"a\":\"\\u0000\"}")));
	assert_str(why, "A string holds a NUL at byte 6.");
}

static void
refuses_a_name_twice(void **state)
{
	static const char *const cases[] = {
		"{\"a\":1,\"a\":1}",
		"{\"a\":1,\"b\":2,\"a\":3}",
		"{\"a\":null,\"a\":null}",
		"{\"a\":1,\"\\u0061\":2}",
		"{\"\\u0061\":1,\"a\":2}",
		"{\"\":1,\"\":2}",
		"{\"x\":{\"a\":1,\"a\":2}}",
		"{\"x\":[{\"a\":1},{\"a\":1,\"a\":2}]}",
		"{\"a\":{\"b\":1},\"a\":1}",
		"{\"\\n\":1,\"\\u000a\":2}",
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++)
		assert_case(!parse(fynq_str_of(cases[i])), cases[i]);
	assert_false(parse(FYNQ_STR("{\"title\":1,\"title\":1}")));
	assert_str(why, "An object has two members \"title\".");
	assert_false(parse(FYNQ_STR("{\"\\u001b[1m\":1,\"\\u001b[1m\":1}")));
	assert_str(why, "An object has two members \"?[1m\".");
}

static void
keeps_to_numbers_in_range(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} cases[] = {
		{ "{\"a\":1e308}", true },
		{ "{\"a\":1e400}", false },
		{ "{\"a\":-1e400}", false },
		{ "{\"a\":1e-400}", false },
		{ "{\"a\":0e999}", true },
		{ "{\"a\":0e1000}", false },
		{ "{\"a\":1e0001}", false },
		{ "{\"a\":0.00000000000000000000000000000000000000000000000000000000000001}",
		    false },
		{ "{\"a\":[9223372036854775808]}", false },
		{ "{\"a\":{\"b\":-9223372036854775809}}", false },
		/* 63 and 64 bytes. */
		{ "{\"a\":0.1234567890123456789012345678901234567890123456789012345678901}", true },
		{ "{\"a\":0.12345678901234567890123456789012345678901234567890123456789012}",
		    false },
		/* For whoever reads the value to refuse: see the header. */
		{ "{\"a\":9223372036854775808}", true },
		{ "{\"a\":-99999999999999999999}", true },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++)
		assert_case(parse(fynq_str_of(cases[i].text)) == cases[i].good, cases[i].text);
}

/* {"a":[[[...inner...]]]}, so many objects and arrays deep. */
static bool
parse_deep(int levels, const char *inner)
{
	struct fynq_buf b = FYNQ_BUF_INIT(4096);
	bool good;

	fynq_buf_add(&b, FYNQ_STR("{\"a\":"));
	for (int i = 1; i < levels; i++)
		fynq_buf_add_char(&b, '[');
	fynq_buf_add(&b, fynq_str_of(inner));
	for (int i = 1; i < levels; i++)
		fynq_buf_add_char(&b, ']');
	fynq_buf_add_char(&b, '}');
	good = parse(fynq_buf_str(&b));
	fynq_buf_release(&b);
	return good;
}

static void
keeps_to_its_depth(void **state)
{
	(void)state;
	assert_true(parse_deep(16, ""));
	assert_true(parse_deep(16, "1,\"x\""));
	assert_true(parse_deep(15, "{\"a\":1}"));
	assert_false(parse_deep(17, ""));
	assert_false(parse_deep(17, "1"));
	assert_false(parse_deep(16, "{}"));
	assert_false(parse_deep(1500, ""));
}

/* {"a":[x,x,...]} with n times x. */
static bool
parse_many(int n, const char *x)
{
	struct fynq_buf b = FYNQ_BUF_INIT(1 << 20);
	bool good;

	fynq_buf_add(&b, FYNQ_STR("{\"a\":["));
	for (int i = 0; i < n; i++)
		fynq_buf_printf(&b, "%s%s", i > 0 ? "," : "", x);
	fynq_buf_add(&b, FYNQ_STR("]}"));
	good = parse(fynq_buf_str(&b));
	fynq_buf_release(&b);
	return good;
}

static void
keeps_to_its_values(void **state)
{
	(void)state;
	/* Object, name and array count too. */
	assert_true(parse_many(FYNQ_JSON_VALUES - 3, "1"));
	assert_false(parse_many(FYNQ_JSON_VALUES - 2, "1"));
	assert_true(parse_many(FYNQ_JSON_VALUES - 3, "{}"));
	assert_false(parse_many(FYNQ_JSON_VALUES - 2, "{}"));
	assert_false(parse_many(FYNQ_JSON_VALUES / 3, "{\"a\":1}"));
	assert_str(why, "There are too many values at byte 26663.");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(takes_json, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_what_is_not_json, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_other_values, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_bad_characters, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_a_name_twice, setup, teardown),
		cmocka_unit_test_setup_teardown(keeps_to_numbers_in_range, setup, teardown),
		cmocka_unit_test_setup_teardown(keeps_to_its_depth, setup, teardown),
		cmocka_unit_test_setup_teardown(keeps_to_its_values, setup, teardown),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
