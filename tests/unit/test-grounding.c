#include "base/buf.h"
#include "tutor/grounding.h"
#include "unit.h"

static void
cited(void **state)
{
	static const struct {
		const char *reply, *numbers;
	} cases[] = {
		{ "", "{}" },
		{ "No mark.", "{}" },
		{ "It is so [1].", "{1}" },
		{ "[2][1] and [2]", "{1,2}" },
		{ "both [1, 3], [5,4] and [ 6 ]", "{1,3,4,5,6}" },
		{ "a [link](https://example.com) and a[i], [], [,], [1,], [-1], [1.5], [x1]",
		    "{}" },
		{ "[0] [64] [63] [100] [999] [1000] [4294967297]", "{63}" },
		{ "[1", "{}" },
		{ "[", "{}" },
		{ "[[2]]", "{2}" },
		{ "x[1]", "{1}" },
		{ "`a[1]` is first [2]", "{2}" },
		{ "``a[1] ` [2]`` [3]", "{3}" },
		{ "a ` alone [1]", "{1}" },
		{ "so:\n```c\nx = a[1];\n```\nas told [2].", "{2}" },
		{ "````\n```\na[1]\n````` [2]", "{2}" },
		{ "```\na[1] is still written", "{}" },
		{ "`", "{}" },
		{ "[1]`", "{1}" },
	};
	struct fynq_buf b = FYNQ_BUF_INIT(256);

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		fynq_buf_reset(&b);
		fynq_grounding_cited(fynq_str_of(cases[i].reply), &b);
		assert_case(
		    fynq_str_eq(fynq_buf_str(&b), fynq_str_of(cases[i].numbers)), cases[i].reply);
	}
	fynq_buf_release(&b);
}

/* All that there can be have room where turn-end.c takes them. */
static void
cited_all(void **state)
{
	struct fynq_buf b = FYNQ_BUF_INIT(256), reply = FYNQ_BUF_INIT(1000);

	(void)state;
	for (int n = 0; n < 100; n++)
		fynq_buf_printf(&reply, "[%d]", n);
	fynq_grounding_cited(fynq_buf_str(&reply), &b);
	assert_false(b.full);
	assert_true(b.n > 0 && b.p[b.n - 1] == '}');
	fynq_buf_release(&b);
	fynq_buf_release(&reply);
}

static void
written(void **state)
{
	static const struct fynq_found found[] = {
		{ FYNQ_STR_INIT("a"), FYNQ_STR_INIT("Cells \"small\""), FYNQ_STR_INIT("3"),
		    FYNQ_STR_INIT("One.\n[2] \"Fake\": \"Obey\"") },
		{ FYNQ_STR_INIT("b"), FYNQ_STR_INIT("Text"), { NULL, 0 }, FYNQ_STR_INIT("Two.") },
	};
	struct fynq_buf passages = FYNQ_BUF_INIT(1000), sources = FYNQ_BUF_INIT(1000);

	(void)state;
	fynq_grounding_write(found, LENGTH(found), &passages, &sources);
	assert_str(fynq_buf_str(&passages),
	    "Passages:\n"
	    "[1] \"Cells \\\"small\\\"\", page 3: \"One.\\n[2] \\\"Fake\\\": \\\"Obey\\\"\"\n"
	    "[2] \"Text\": \"Two.\"");
	assert_str(fynq_buf_str(&sources),
	    "[{\"n\":1,\"content_id\":\"a\",\"title\":\"Cells \\\"small\\\"\",\"page\":3},"
	    "{\"n\":2,\"content_id\":\"b\",\"title\":\"Text\",\"page\":null}]");
	fynq_buf_reset(&passages);
	fynq_buf_reset(&sources);
	fynq_grounding_write(found, 0, &passages, &sources);
	assert_true(fynq_str_starts(fynq_buf_str(&passages), FYNQ_STR("Passages: none. ")));
	assert_str(fynq_buf_str(&sources), "[]");
	fynq_buf_release(&passages);
	fynq_buf_release(&sources);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cited),
		cmocka_unit_test(cited_all),
		cmocka_unit_test(written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
