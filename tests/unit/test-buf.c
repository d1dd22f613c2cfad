#include "base/buf.h"
#include "unit.h"

static void
grows_to_its_maximum(void **state)
{
	struct fynq_buf b = FYNQ_BUF_INIT(100);

	(void)state;
	assert_str(fynq_buf_str(&b), "");
	for (int i = 0; i < 100; i++)
		fynq_buf_add_char(&b, 'x');
	assert_int_equal(b.n, 100);
	assert_true(b.cap <= b.max);
	assert_false(b.full);
	fynq_buf_add_char(&b, 'x');
	assert_int_equal(b.n, 100);
	assert_true(b.full);
	fynq_buf_release(&b);
}

static void
nothing_in_part(void **state)
{
	struct fynq_buf b = FYNQ_BUF_INIT(8);

	(void)state;
	fynq_buf_add(&b, FYNQ_STR("12345"));
	fynq_buf_add(&b, FYNQ_STR("6789"));
	assert_str(fynq_buf_str(&b), "12345");
	assert_true(b.full);
	fynq_buf_add(&b, FYNQ_STR("6"));
	assert_str(fynq_buf_str(&b), "12345");
	fynq_buf_reset(&b);
	assert_false(b.full);
	fynq_buf_add(&b, FYNQ_STR("12345678"));
	assert_str(fynq_buf_str(&b), "12345678");
	fynq_buf_release(&b);
	assert_null(b.p);
	fynq_buf_add(&b, FYNQ_STR("again"));
	assert_str(fynq_buf_str(&b), "again");
	fynq_buf_release(&b);
}

static void
prints(void **state)
{
	struct fynq_buf b = FYNQ_BUF_INIT(4096);
	char *want = test_malloc(2001);

	(void)state;
	fynq_buf_printf(&b, "%d-%s", 42, "x");
	assert_str(fynq_buf_str(&b), "42-x");
	fynq_buf_reset(&b);
	/* Around the size of the buffer on the stack, and well past it. */
	for (int n = 510; n <= 2000; n += n < 514 ? 1 : 743) {
		memset(want, 'y', (size_t)n);
		want[n] = '\0';
		fynq_buf_reset(&b);
		fynq_buf_printf(&b, "%s", want);
		assert_str(fynq_buf_str(&b), want);
	}
	test_free(want);
	fynq_buf_release(&b);
}

static void
json_strings(void **state)
{
	static const struct {
		struct fynq_str text;
		const char *json;
	} cases[] = {
		{ FYNQ_STR_INIT(""), "\"\"" },
		{ FYNQ_STR_INIT("plain /"), "\"plain /\"" },
		{ FYNQ_STR_INIT("\"\\"), "\"\\\"\\\\\"" },
		{ FYNQ_STR_INIT("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\"" },
		{ FYNQ_STR_INIT("a\x01"
				"b\x1f\x7f"),
		    "\"a\\u0001b\\u001f\\u007f\"" },
		{ FYNQ_STR_INIT("\0"), "\"\\u0000\"" },
		{ FYNQ_STR_INIT("\xc3\xa9\xf0\x9f\x98\x80"), "\"\xc3\xa9\xf0\x9f\x98\x80\"" },
	};
	struct fynq_buf b = FYNQ_BUF_INIT(4096);

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		fynq_buf_reset(&b);
		fynq_buf_add_json(&b, cases[i].text);
		assert_str(fynq_buf_str(&b), cases[i].json);
	}
	fynq_buf_reset(&b);
	fynq_buf_add_json(&b, (struct fynq_str){ 0 });
	assert_str(fynq_buf_str(&b), "\"\"");
	fynq_buf_release(&b);
}

static void
shifts(void **state)
{
	struct fynq_buf b = FYNQ_BUF_INIT(16);

	(void)state;
	fynq_buf_add(&b, FYNQ_STR("abcdef"));
	fynq_buf_shift(&b, 2);
	assert_str(fynq_buf_str(&b), "cdef");
	fynq_buf_shift(&b, 4);
	assert_str(fynq_buf_str(&b), "");
	fynq_buf_shift(&b, 0);
	fynq_buf_release(&b);
}

/* What RFC 3986 does not reserve stays as it is; of the rest each byte is written out. */
static void
parameters(void **state)
{
	struct fynq_buf b = FYNQ_BUF_INIT(256);

	(void)state;
	fynq_buf_add_param(&b, "?to", FYNQ_STR("https://a.example/b c?d=e&f"));
	fynq_buf_add_param(&b, "&state", FYNQ_STR("aZ09-._~%+\xc3\xa9\0"));
	fynq_buf_add_param(&b, "&none", FYNQ_STR(""));
	assert_str(fynq_buf_str(&b),
	    "?to=https%3A%2F%2Fa.example%2Fb%20c%3Fd%3De%26f&state=aZ09-._~%25%2B%C3%A9%00&none=");
	fynq_buf_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_to_its_maximum),
		cmocka_unit_test(nothing_in_part),
		cmocka_unit_test(prints),
		cmocka_unit_test(json_strings),
		cmocka_unit_test(shifts),
		cmocka_unit_test(parameters),
	};

	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
