#include <stdio.h>

#include "library/passages.h"
#include "unit.h"

enum { TEXTS = 3000, TEXT_BYTES = 20000 };

static struct fynq_buf clean, text;

static int
setup(void **state)
{
	(void)state;
	clean = (struct fynq_buf)FYNQ_BUF_INIT(3 * FYNQ_TEXT_MAX);
	text = (struct fynq_buf)FYNQ_BUF_INIT(2 * FYNQ_TEXT_MAX);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	fynq_buf_release(&clean);
	fynq_buf_release(&text);
	return 0;
}

static void
cleans(void **state)
{
	static const struct {
		const char *name, *text, *want;
		bool paged;
	} cases[] = {
		{ "nothing", "", "", true },
		{ "words", "a b", "a b", false },
		{ "blanks", " \t a \t\u00a0\u3000 b  ", "a b", false },
		{ "lines", "\r\n a \r\n b\rc", "a\nb\nc", false },
		{ "paragraphs", "a\n \n\n\nb", "a\n\nb", false },
		{ "control characters",
		    "a\001\033[1mb\177c\xc2\x85"
		    "d",
		    "a[1mbc\nd", false },
		{ "what shows nothing", "a\u200b\u00ad\ufeffb\u202e\U000e0041c", "abc", false },
		{ "a joiner", "\u06cc\u200c\u06a9", "\u06cc\u200c\u06a9", false },
		{ "pages", "a \n\fb\f\f c\f", "a\fb\f\fc\f", true },
		{ "a form feed without pages", "a\fb", "a\nb", false },
		{ "not UTF-8", "a\xff\xc3(\xed\xa0\x80z\xf0\x9f",
		    "a\ufffd\ufffd(\ufffd\ufffd\ufffdz\ufffd\ufffd", false },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		fynq_buf_reset(&clean);
		fynq_passages_clean(fynq_str_of(cases[i].text), cases[i].paged, &clean);
		assert_case(
		    fynq_str_eq(fynq_buf_str(&clean), fynq_str_of(cases[i].want)), cases[i].name);
	}
	fynq_buf_reset(&clean);
	fynq_passages_clean(FYNQ_STR("a\0b"), false, &clean);
	assert_str(fynq_buf_str(&clean), "ab");
}

/* So many times. */
static void
repeat(const char *words, int times)
{
	while (times-- > 0)
		fynq_buf_add(&text, fynq_str_of(words));
}

static struct fynq_passage
first(void)
{
	struct fynq_passages p;
	struct fynq_passage passage;

	fynq_buf_reset(&clean);
	fynq_passages_clean(fynq_buf_str(&text), false, &clean);
	p = fynq_passages_begin(fynq_buf_str(&clean), false);
	assert_true(fynq_passages_next(&p, &passage));
	return passage;
}

static bool
ends_in(struct fynq_str s, const char *end)
{
	size_t n = strlen(end);

	return s.n >= n && memcmp(s.p + s.n - n, end, n) == 0;
}

/* Each text has what is better before what is worse, and much behind. */
static void
cuts_where_it_reads_well(void **state)
{
	static const struct {
		const char *name, *unit, *at, *behind, *end;
		int times;
	} cases[] = {
		{ "paragraph", "word. ", "paragraph\n\n", "Word. ", "paragraph", 150 },
		{ "sentence", "word ", "sentence. ", "word ", "sentence.", 180 },
		{ "sentence that was said", "word ", "sentence!\u201d ", "word ", "sentence!\u201d",
		    180 },
		{ "Chinese sentence", "\u5b57\u5b57 ", "\u5b57\u3002 ", "\u5b57 ", "\u5b57\u3002",
		    300 },
		{ "word", "word ", "last ", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "last", 200 },
	};
	struct fynq_passage passage;

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		fynq_buf_reset(&text);
		repeat(cases[i].unit, cases[i].times);
		repeat(cases[i].at, 1);
		repeat(cases[i].behind, 600);
		passage = first();
		assert_case(ends_in(passage.body, cases[i].end), cases[i].name);
	}
}

static void
cuts_a_word_without_end(void **state)
{
	struct fynq_passage passage;

	(void)state;
	fynq_buf_reset(&text);
	repeat("\u00e4", 5000);
	passage = first();
	assert_int_equal(fynq_str_chars(passage.body), FYNQ_PASSAGE_MOST);
	assert_true(fynq_str_utf8(passage.body));
}

static void
knows_its_page(void **state)
{
	struct fynq_passages p = fynq_passages_begin(FYNQ_STR("\fzwei\f\fvier\f\f"), true);
	struct fynq_passage passage;

	(void)state;
	assert_true(fynq_passages_next(&p, &passage));
	assert_int_equal(passage.page, 2);
	assert_str(passage.body, "zwei");
	assert_true(fynq_passages_next(&p, &passage));
	assert_int_equal(passage.page, 4);
	assert_str(passage.body, "vier");
	assert_false(fynq_passages_next(&p, &passage));
	assert_false(fynq_passages_next(&p, &passage));
}

/* Texts of bytes by chance, most of which are such as texts have. */
static void
make_text(void)
{
	static const char *const bits[] = { " ", " ", " ", "word", "a", "\u00e4\u00f6", "\n",
		"\n\n", ".", "! ", "\f", "\xff", "\xe2\x82", "\r\n", "\001", "\U0001f9ea",
		"Donaudampfschifffahrtsgesellschaft", "\u5b57\u3002", "\"", "\\" };
	int kinds = 1 + rand() % (int)LENGTH(bits);
	int n = rand() % TEXT_BYTES;

	fynq_buf_reset(&text);
	while ((int)text.n < n)
		fynq_buf_add(&text, fynq_str_of(bits[rand() % kinds]));
}

/* The next byte that is not between passages; false at the end. */
static bool
next_byte(struct fynq_str *s, char *c_r)
{
	while (s->n > 0) {
		*c_r = s->p[0];
		s->p++;
		s->n--;
		if (*c_r != ' ' && *c_r != '\n' && *c_r != '\f')
			return true;
	}
	return false;
}

static void
check_text(bool paged)
{
	struct fynq_passages p;
	struct fynq_passage passage, before = { 0 };
	struct fynq_str rest, body;
	bool short_before = false;
	char want, is;

	fynq_buf_reset(&clean);
	fynq_passages_clean(fynq_buf_str(&text), paged, &clean);
	assert_false(clean.full);
	rest = fynq_buf_str(&clean);
	p = fynq_passages_begin(rest, paged);
	while (fynq_passages_next(&p, &passage)) {
		size_t chars = fynq_str_chars(passage.body);

		assert_true(fynq_str_utf8(passage.body));
		assert_in_range(chars, 1, FYNQ_PASSAGE_MOST);
		assert_true(passage.page >= before.page && (passage.page > 0) == paged);
		/* One that is too short has its page for itself; a gap takes up to two. */
		if (short_before || chars < FYNQ_PASSAGE_LEAST - 2)
			assert_true(passage.page != before.page || before.body.p == NULL);
		short_before = chars < FYNQ_PASSAGE_LEAST - 2;
		before = passage;
		for (body = passage.body; next_byte(&body, &is);) {
			assert_true(next_byte(&rest, &want));
			assert_int_equal(is, want);
		}
	}
	assert_false(next_byte(&rest, &want));
}

/* Nothing is lost, nothing comes twice, nothing is too long, and short only where it must be. */
static void
keeps_every_word(void **state)
{
	(void)state;
	srand(7);
	for (int i = 0; i < TEXTS; i++) {
		make_text();
		check_text(i % 2 == 0);
	}
}

static void
writes_json(void **state)
{
	struct fynq_passages p = fynq_passages_begin(FYNQ_STR("one\f\"two\"\f\fthree"), true);
	struct fynq_buf json = FYNQ_BUF_INIT(1000);

	(void)state;
	assert_int_equal(fynq_passages_json(&p, 2, &json), 2);
	assert_str(fynq_buf_str(&json),
	    "[{\"page\":1,\"body\":\"one\"},{\"page\":2,\"body\":\"\\\"two\\\"\"}]");
	fynq_buf_reset(&json);
	assert_int_equal(fynq_passages_json(&p, 2, &json), 1);
	assert_str(fynq_buf_str(&json), "[{\"page\":4,\"body\":\"three\"}]");
	fynq_buf_reset(&json);
	assert_int_equal(fynq_passages_json(&p, 2, &json), 0);
	p = fynq_passages_begin(FYNQ_STR("one"), false);
	fynq_buf_reset(&json);
	assert_int_equal(fynq_passages_json(&p, 2, &json), 1);
	assert_str(fynq_buf_str(&json), "[{\"page\":null,\"body\":\"one\"}]");
	fynq_buf_release(&json);
}

/* Also of characters that take the most room. */
static void
has_bounds(void **state)
{
	static const char *const units[] = { "\"", "\\", "\U0001f9ea", "\u2028", "a" };
	struct fynq_buf json = FYNQ_BUF_INIT(5000);
	struct fynq_passages p;

	(void)state;
	for (size_t i = 0; i < LENGTH(units); i++) {
		fynq_buf_reset(&text);
		repeat(units[i], FYNQ_PASSAGE_MOST);
		p = fynq_passages_begin(fynq_buf_str(&text), false);
		fynq_buf_reset(&json);
		assert_case(fynq_passages_json(&p, 1, &json) == 1, units[i]);
		assert_case(!json.full, units[i]);
	}
	fynq_buf_release(&json);
	fynq_buf_reset(&text);
	repeat("p\f", FYNQ_PASSAGES_MAX);
	assert_int_equal(fynq_passages_count(fynq_buf_str(&text), true), FYNQ_PASSAGES_MAX);
	repeat("p\f", 10);
	assert_int_equal(fynq_passages_count(fynq_buf_str(&text), true), FYNQ_PASSAGES_MAX + 1);
	assert_int_equal(fynq_passages_count(FYNQ_STR("\f\f"), true), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cleans),
		cmocka_unit_test(cuts_where_it_reads_well),
		cmocka_unit_test(cuts_a_word_without_end),
		cmocka_unit_test(knows_its_page),
		cmocka_unit_test(keeps_every_word),
		cmocka_unit_test(writes_json),
		cmocka_unit_test(has_bounds),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
