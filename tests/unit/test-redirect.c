/*
 * Where a browser may be sent: what is listed, and none of the tricks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/config.h"
#include "identity/redirect.h"

#define PAGE "https://app.example/signed-in"

static void
test_listed(void **state)
{
	static const char *const good[] = { PAGE, "https://app.example:8443/",
		"http://localhost:3000/back", "http://127.0.0.1:3000/back",
		"https://app.example/a%20b?c=d&e=%2F" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!fynq_redirect_allowed(fynq_str_of(good[i])))
			fail_msg("%s", good[i]);
}

static void
test_tricks(void **state)
{
	static const char *const bad[] = { "", "/", "/signed-in", "signed-in",
		"//app.example/signed-in", "//evil.example", "///evil.example", "/\\evil.example",
		"\\\\evil.example", "https:evil.example", "https:/app.example/signed-in",
		"https:\\\\app.example\\signed-in", "https://evil.example",
		"https://evil.example/signed-in", "https://evil.example/?" PAGE,
		"https://evil.example/#" PAGE,
		/* Users. */
		"https://app.example@evil.example/signed-in", "https://u@app.example/signed-in",
		"https://u:p@app.example/signed-in", "https://app.example%40evil.example/signed-in",
		/* Hosts that begin or end alike. */
		"https://app.example.evil.example/signed-in", "https://evil-app.example/signed-in",
		"https://a.app.example/signed-in", "https://app.exampl/signed-in",
		"https://app.example./signed-in", "https://app.example../signed-in",
		"https://.app.example/signed-in", "https://app..example/signed-in",
		/* Other writings of the same. */
		"HTTPS://app.example/signed-in", "hTTps://app.example/signed-in",
		"https://APP.example/signed-in", "https://app.example/Signed-in",
		"https://app.example/signed-in/", "https://app.example//signed-in",
		"https://app.example/./signed-in", "https://app.example/x/../signed-in",
		"https://app.example/%2e/signed-in", "https://app.example/signed%2Din",
		"https://app.example/signed-in?", "https://app.example/signed-in?x=y",
		"https://app.example/signed-in#", "https://app.example/signed-in#x",
		/* Ports. */
		"https://app.example:443/signed-in", "https://app.example:/signed-in",
		"https://app.example:8443/signed-in", "https://app.example:0443/signed-in",
		"https://app.example:99999/signed-in", "https://app.example:80:443/signed-in",
		"http://localhost/back", "http://localhost:3001/back",
		"http://localhost:03000/back",
		/* Schemes. */
		"http://app.example/signed-in", "javascript:alert(1)", "javascript:" PAGE,
		"data:text/html,hello", "ftp://app.example/signed-in", "file:///etc/passwd",
		"blob:" PAGE, "view-source:" PAGE,
		/* Escapes and what is no ASCII. */
		"https://app.example%2fsigned-in", "https:%2f%2fapp.example/signed-in",
		"%68ttps://app.example/signed-in", "https://app.example%00/signed-in",
		"https://\xd0\xb0pp.example/signed-in",
		"https://app\xe3\x80\x82"
		"example/signed-in",
		"https://app.example\xef\xbc\x8fsigned-in", "https://[::1]/signed-in",
		/* Lines and blanks. */
		" " PAGE, PAGE " ", "\t" PAGE, PAGE "\n", PAGE "\r\nSet-Cookie: a=b",
		"https://app.exam"
		"\tple/signed-in",
		PAGE ",", PAGE "," PAGE,
		/* Listed, but none of a kind that is used. */
		"http://app.example/plain", "https://app.example", "https://u@app.example/listed",
		"https://app.example/listed#x" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (fynq_redirect_allowed(fynq_str_of(bad[i])))
			fail_msg("%s", bad[i]);
	assert_false(fynq_redirect_allowed((struct fynq_str){ 0 }));
	assert_false(fynq_redirect_allowed((struct fynq_str){ PAGE "\0", sizeof(PAGE) }));
}

static void
test_parse(void **state)
{
	static const char *const bad[] = { "", "https://", "https:///", "https://-a/",
		"https://a-/", "https://a b/", "https://a/%", "https://a/%2", "https://a/%zz",
		"https://a/\"", "https://a/<", "https://a/\\", "https://a/^", "https://a/`",
		"https://a/{", "https://a/[", "https://a/\x7f", "https://a?b", "https://a/..",
		"https://a/%2e%2E/", "https://a/.%2e", "https://a:65536/", "https://a:-1/",
		"https://a:+1/" };
	static char longest[1200];
	struct fynq_url url;

	(void)state;
	assert_true(fynq_url_parse(FYNQ_STR("https://a.example:65535/b/c?d=/?e"), &url));
	assert_true(url.https && fynq_str_eq(url.host, FYNQ_STR("a.example")));
	assert_true(fynq_str_eq(url.path, FYNQ_STR("/b/c")));
	assert_true(fynq_str_eq(url.query, FYNQ_STR("d=/?e")));
	assert_true(fynq_url_parse(FYNQ_STR("http://a"), &url));
	assert_true(!url.https && url.path.n == 0 && url.query.p == NULL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (fynq_url_parse(fynq_str_of(bad[i]), &url))
			fail_msg("%s", bad[i]);
	memset(longest, 'a', sizeof(longest) - 1);
	memcpy(longest, "https://a/", 10);
	assert_true(fynq_url_parse((struct fynq_str){ longest, 1024 }, &url));
	assert_false(fynq_url_parse((struct fynq_str){ longest, 1025 }, &url));
}

/* A bad one is named; nothing is listed, nothing is said. */
static void
test_settings(void **state)
{
	static const struct {
		const char *redirects, *public_url, *problem;
	} rows[] = {
		{ "", "", NULL },
		{ PAGE, "https://api.example", NULL },
		{ PAGE " , http://localhost/a", "http://127.0.0.1:8080", NULL },
		{ PAGE ",app.example", "", "FYNQ_REDIRECTS: app.example " },
		{ "http://app.example/a", "", "FYNQ_REDIRECTS: http://app.example/a " },
		{ "https://app.example", "", "FYNQ_REDIRECTS: https://app.example " },
		{ "", "http://api.example", "FYNQ_PUBLIC_URL: " },
		{ "", "https://api.example/v1", "FYNQ_PUBLIC_URL: " },
		{ "", "https://api.example/?a", "FYNQ_PUBLIC_URL: " },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fynq_buf problems = FYNQ_BUF_INIT(4096);

		fynq_config.redirects = rows[i].redirects;
		fynq_config.public_url = rows[i].public_url;
		assert_int_equal(fynq_redirect_init(&problems), rows[i].problem == NULL);
		if (rows[i].problem == NULL)
			assert_int_equal(problems.n, 0);
		else
			assert_true(
			    fynq_str_starts(fynq_buf_str(&problems), fynq_str_of(rows[i].problem)));
		fynq_buf_release(&problems);
	}
}

static int
set_up(void **state)
{
	(void)state;
	fynq_config.redirects = PAGE
	    ", https://app.example:8443/,http://localhost:3000/back ,"
	    "http://127.0.0.1:3000/back,https://app.example/a%20b?c=d&e=%2F,"
	    "http://app.example/plain,https://app.example,"
	    "https://u@app.example/listed,https://app.example/listed#x";
	return 0;
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_listed),
		cmocka_unit_test(test_tricks),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_settings),
	};

	return cmocka_run_group_tests_name("redirect", tests, set_up, NULL);
}
