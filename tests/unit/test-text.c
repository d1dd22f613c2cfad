#include "http/text.h"
#include "unit.h"

#define A64	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define LABEL63 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static void
blank(void **state)
{
	static const char *const yes[] = { "", " ", "\t\n\r\v\f ", "\xc2\xa0", "\xe3\x80\x80 ",
		"\xe2\x80\x80", "\xe2\x80\x8a", "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaf",
		"\xe2\x81\x9f", "\xc2\x85", "\xe1\x9a\x80" };
	static const char *const no[] = { "a", " a ", "\xe2\x80\x8b", "\xc3\xa0",
		"\xf0\x9f\x98\x80" };

	(void)state;
	for (size_t i = 0; i < LENGTH(yes); i++)
		assert_case(fynq_text_is_blank(fynq_str_of(yes[i])), yes[i]);
	for (size_t i = 0; i < LENGTH(no); i++)
		assert_case(!fynq_text_is_blank(fynq_str_of(no[i])), no[i]);
}

static void
control(void **state)
{
	static const char *const yes[] = { "\x01", "a\x1f", "\x7f", "\x1b[1m", "\v", "\f",
		"\xc2\x80", "\xc2\x9f" };
	static const char *const no[] = { "", "a\tb\r\nc", "\xc2\xa0", "\xc3\xa9", "\xe2\x80\xa8" };

	(void)state;
	for (size_t i = 0; i < LENGTH(yes); i++)
		assert_case(fynq_text_has_control(fynq_str_of(yes[i])), yes[i]);
	for (size_t i = 0; i < LENGTH(no); i++)
		assert_case(!fynq_text_has_control(fynq_str_of(no[i])), no[i]);
}

static void
line(void **state)
{
	static const char *const no[] = { "a\nb", "a\rb", "a\tb", "\xe2\x80\xa8", "\xe2\x80\xa9",
		"\xc2\x85", "\x1b" };

	(void)state;
	assert_true(fynq_text_is_line(FYNQ_STR("")));
	/* The first and the last of each length, so that none is taken for another. */
	assert_true(fynq_text_is_line(FYNQ_STR("~\xc2\xa0\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf"
					       "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf")));
	assert_true(fynq_text_is_line(FYNQ_STR("Zo\xc3\xab \xf0\x9f\x98\x80 'quoted'")));
	for (size_t i = 0; i < LENGTH(no); i++)
		assert_case(!fynq_text_is_line(fynq_str_of(no[i])), no[i]);
}

static void
email(void **state)
{
	static const char *const yes[] = {
		"a@b",
		"student@example.org",
		"first.last+tag@sub.example.co.uk",
		"!#$%&'*+-/=?^_`{|}~@example.org",
		"A1@1.example",
		"x@a-b.c--d.example",
		A64 "@example.org",
		"a@" LABEL63 ".example",
		/* 254 bytes: 2 + 3 * 64 + 60. */
		"a@" LABEL63 "." LABEL63 "." LABEL63 ".bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
		"bbbbbbbbbbbbbbbb",
	};
	static const char *const no[] = {
		"",
		"a",
		"@",
		"a@",
		"@b",
		"a@b@c",
		"a b@example.org",
		"a@exam ple.org",
		".a@b",
		"a.@b",
		"a..b@c",
		"a@.b",
		"a@b.",
		"a@b..c",
		"a@-b",
		"a@b-",
		"a@b-.c",
		"a@b_c",
		"a@_b",
		"a@[127.0.0.1]",
		"\"a b\"@c",
		"a(c)@b",
		"a,b@c",
		"a;b@c",
		"a:b@c",
		"<a@b>",
		"a@b\n",
		"\ta@b",
		"a\\@b",
		"\xc3\xa9@example.org",
		"a@\xc3\xa9.example",
		"a" A64 "@example.org",
		"a@b" LABEL63 ".example",
		"a@" LABEL63 "." LABEL63 "." LABEL63 ".bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
		"bbbbbbbbbbbbbbbbb",
	};

	(void)state;
	assert_int_equal(strlen(yes[LENGTH(yes) - 1]), 254);
	for (size_t i = 0; i < LENGTH(yes); i++)
		assert_case(fynq_text_is_email(fynq_str_of(yes[i])), yes[i]);
	for (size_t i = 0; i < LENGTH(no); i++)
		assert_case(!fynq_text_is_email(fynq_str_of(no[i])), no[i]);
}

static void
locale(void **state)
{
	/* The examples of RFC 5646, appendix A, among others. */
	static const char *const yes[] = { "en", "en-GB", "EN-gb", "haw", "zh-Hant", "zh-Hant-TW",
		"es-419", "de-1996", "sl-rozaj-biske", "sl-Latn-IT-nedis", "de-DE-1901", "enochian",
		"en-variants", "en-1abc", "zh-cmn-Hans-CN", "zh-yue-HK", "hy-Latn-IT-arevela",
		"sl-rozaj-biske-1994", "ar-aao-abh-abv", "abcd", "abcde-Latn", "de-CH-x-phonebk",
		"az-Arab-x-aze-derbend", "x-whatever", "X-a-1-b", "en-US-u-islamcal",
		"zh-CN-a-myext-x-private", "en-a-myext-b-another", "qaa-Qaaa-QM-x-southern",
		"de-Qaaa", "i-klingon", "I-Default", "sgn-be-fr", "en-GB-oed", "art-lojban",
		"zh-min-nan", "en-0-ab-9-cd", "de-a-12345678", "de-x-12345678" };
	static const char *const no[] = { "", "e", "-", "en-", "-en", "en--GB", "en_GB", "en GB",
		"en-G", "en-41", "en-GB-DE", "en-4199x_", "e1", "ninechars", "zh-Hant-Hans",
		"en-GB-x", "en-variantxx", "en-19", "en-GB-199", "fr-\xc3\xa9\xc3\xa9",
		"en-GB.UTF-8", "C.UTF-8", "i-unknown", "en-a996", "1n", "de-419-DE", "a-DE",
		"abcd-abc", "ar-aao-abh-abv-abw", "x", "x-", "x--a", "x-123456789", "en-u", "en-u-",
		"en-u-a", "en-a-b", "en-u-123456789", "en-x-", "en-a-bb-", "i", "i-klingon-x",
		"en\n", "en-x-\xc3\xa9", "en-u-gb-DE-c" };

	(void)state;
	for (size_t i = 0; i < LENGTH(yes); i++)
		assert_case(fynq_text_is_locale(fynq_str_of(yes[i])), yes[i]);
	for (size_t i = 0; i < LENGTH(no); i++)
		assert_case(!fynq_text_is_locale(fynq_str_of(no[i])), no[i]);
}

static void
shown(void **state)
{
	struct fynq_arena *a = fynq_arena_new(1 << 16);
	struct fynq_str cut;

	(void)state;
	assert_str(fynq_text_shown(a, FYNQ_STR("t\xc3\xadtulo")), "t\xc3\xadtulo");
	assert_str(fynq_text_shown(a, FYNQ_STR("a\nb\x1b\x7f\0c")), "a?b???c");
	assert_str(fynq_text_shown(a, FYNQ_STR("a\xff\xc3\x80")), "a???");
	assert_str(fynq_text_shown(a, FYNQ_STR("\n b")), "? b");
	assert_str(fynq_text_shown(a, FYNQ_STR("")), "");
	assert_str(fynq_text_shown(a, FYNQ_STR(A64 "b")), A64);
	/* Never half a character at the cut. */
	cut = fynq_text_shown(a, FYNQ_STR("a\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac" A64));
	assert_int_equal(cut.n, 64);
	cut = fynq_text_shown(a, FYNQ_STR(LABEL63 "\xe2\x82\xac"));
	assert_str(cut, LABEL63);
	fynq_arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blank),
		cmocka_unit_test(control),
		cmocka_unit_test(line),
		cmocka_unit_test(email),
		cmocka_unit_test(locale),
		cmocka_unit_test(shown),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
