/*
 * Mails composed: filled in, escaped, in the reader's language, with headers that stay headers; and
 * the settings that are refused.
 */
#include <dirent.h>
#include <stdio.h>

#include "base/config.h"
#include "identity/mail.h"
#include "unit.h"

static char folder[] = "/tmp/test-mail-XXXXXX";
static struct fynq_arena *a;

static void
put(const char *name, const char *text, size_t n)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	fclose(f);
}

static void
put_mail(const char *name, const char *language, const char *text, const char *html)
{
	char file[64];

	snprintf(file, sizeof(file), "%s.%s.txt", name, language);
	put(file, text, strlen(text));
	snprintf(file, sizeof(file), "%s.%s.html", name, language);
	put(file, html, strlen(html));
}

static enum fynq_err
compose(const char *name, const char *locale, const char *person, struct fynq_letter *letter_r)
{
	struct fynq_mail mail = {
		.name = name,
		.to = FYNQ_STR("zoe@example.com"),
		.locale = fynq_str_of(locale),
		.person = fynq_str_of(person),
		.type = "recovery",
		.token = FYNQ_STR("T0-k_n"),
	};

	return fynq_mail_compose(a, &mail, letter_r);
}

static bool
holds(struct fynq_str s, const char *part)
{
	return memmem(s.p, s.n, part, strlen(part)) != NULL;
}

static void
test_filled(void **state)
{
	struct fynq_letter letter;

	(void)state;
	put_mail("all", "en", "Subject: At {{site}}\n\n{{name}}\n{{minutes}} {{link}} {x} }}\n",
	    "<p title='{{name}}'>{{name}}</p><a href=\"{{link}}\">{{site}}</a>\n");
	assert_int_equal(compose("all", NULL, "<b>\"Zoë\" & 'co'</b>", &letter), FYNQ_OK);
	assert_str(letter.subject, "At app.example");
	assert_str(letter.text, "<b>\"Zoë\" & 'co'</b>\r\n60 "
				"https://app.example/in#type=recovery&token=T0-k_n {x} }}\r\n");
	assert_str(letter.html,
	    "<p title='&lt;b&gt;&quot;Zoë&quot; &amp; &#39;co&#39;&lt;/b&gt;'>"
	    "&lt;b&gt;&quot;Zoë&quot; &amp; &#39;co&#39;&lt;/b&gt;</p>"
	    "<a href=\"https://app.example/in#type=recovery&amp;token=T0-k_n\">app.example</a>"
	    "\r\n");
	/* What looks like a placeholder in a value is none. */
	assert_int_equal(compose("all", NULL, "{{link}}", &letter), FYNQ_OK);
	assert_true(holds(letter.text, "{{link}}\r\n60"));
	/* Without a name, the address. */
	assert_int_equal(compose("all", NULL, NULL, &letter), FYNQ_OK);
	assert_true(holds(letter.text, "zoe@example.com\r\n60"));
}

static void
test_headers_stay(void **state)
{
	struct fynq_letter letter;

	(void)state;
	put_mail("name", "en", "Subject: Hello {{name}}\n\ntext {{name}}\n", "x\n");
	assert_int_equal(compose("name", NULL, "Eve\r\nBcc: all@example.com", &letter), FYNQ_OK);
	assert_str(letter.subject, "Hello Eve  Bcc: all@example.com");
	assert_str(letter.text, "text Eve  Bcc: all@example.com\r\n");
	assert_int_equal(compose("name", NULL, "Zoë\nX: y", &letter), FYNQ_OK);
	assert_str(letter.subject, "=?UTF-8?B?SGVsbG8gWm/DqyBYOiB5?=");
}

static void
test_encoded(void **state)
{
	struct fynq_str long_one = FYNQ_STR("aéééééééééééééééééééééééééééééééééééééééééé漢字漢字漢"
					    "字漢字漢字漢字漢字🙂🙂🙂"
					    "🙂🙂🙂🙂🙂");
	struct fynq_str word, rest;
	int words = 0;

	(void)state;
	assert_str(fynq_mail_encode(a, FYNQ_STR("Plain: words, only")), "Plain: words, only");
	assert_str(fynq_mail_encode(a, FYNQ_STR("é")), "=?UTF-8?B?w6k=?=");
	assert_str(fynq_mail_encode(a, FYNQ_STR("=?x?=")), "=?UTF-8?B?PT94Pz0=?=");
	for (rest = fynq_mail_encode(a, long_one); rest.p != NULL; words++) {
		fynq_str_cut(rest, '\n', &word, &rest);
		/* RFC 2047 section 2: a line has at most 76, of which the first has a name. */
		assert_true(word.n <= 76);
		assert_true(holds(word, "=?UTF-8?B?") && holds(word, "?="));
		assert_true(words == 0 || word.p[0] == ' ');
	}
	assert_true(words > 3);
}

static void
test_languages(void **state)
{
	static const struct {
		const char *locale, *got;
	} cases[] = {
		{ NULL, "en" },
		{ "", "en" },
		{ "de", "de" },
		{ "de-AT", "de" },
		{ "DE-at-1996", "de" },
		{ "zh-Hant-TW", "zh-hant" },
		{ "zh-Hant-x-y", "zh-hant" },
		{ "zh", "en" },
		{ "fr-CH", "en" },
		{ "../../etc", "en" },
		{ "de/../de", "en" },
	};
	struct fynq_letter letter;

	(void)state;
	put_mail("tongue", "en", "Subject: en\n\n", "");
	put_mail("tongue", "de", "Subject: de\r\n\r\n", "");
	put_mail("tongue", "zh-hant", "Subject: zh-hant\n\n", "");
	for (size_t i = 0; i < LENGTH(cases); i++) {
		assert_int_equal(compose("tongue", cases[i].locale, NULL, &letter), FYNQ_OK);
		assert_str(letter.subject, cases[i].got);
	}
}

static void
test_faulty(void **state)
{
	static const char *const texts[] = {
		"",
		"Hello\n\nno subject\n",
		"Subject: no line between\ntext\n",
		"Subject: unknown\n\n{{token}}\n",
		"Subject: open\n\n{{name\n",
		"Subject: spaces\n\n{{ name }}\n",
		"Subject: not UTF-8 \xff\n\n",
	};
	struct fynq_letter letter;
	char *large = calloc(1, 65537);

	(void)state;
	for (size_t i = 0; i < LENGTH(texts); i++) {
		put_mail("bad", "en", texts[i], "");
		assert_case(compose("bad", NULL, NULL, &letter) == FYNQ_E_INTERNAL, texts[i]);
	}
	assert_int_equal(compose("missing", "de", NULL, &letter), FYNQ_E_INTERNAL);
	memset(large, ' ', 65537);
	put_mail("bad", "en", "Subject: x\n\n", "");
	put("bad.en.html", large, 65536);
	assert_int_equal(compose("bad", NULL, NULL, &letter), FYNQ_OK);
	put("bad.en.html", large, 65537);
	assert_int_equal(compose("bad", NULL, NULL, &letter), FYNQ_E_INTERNAL);
	free(large);
}

/* Every mail that is shipped is one, has its link, and has the same kinds in each language. */
static void
test_shipped(void **state)
{
	static const char *const names[] = { "signup", "recovery", "exists", "password-changed" };
	static const char *const languages[] = { "en", "de" };
	const char *source = getenv("srcdir");
	char shipped[1024], german[] = "de";
	struct fynq_letter letter;

	(void)state;
	if (source == NULL)
		skip();
	snprintf(shipped, sizeof(shipped), "%s/lib/identity/mail", source);
	fynq_config.mail_dir = shipped;
	for (size_t i = 0; i < LENGTH(names); i++) {
		for (size_t j = 0; j < LENGTH(languages); j++) {
			assert_case(
			    compose(names[i], languages[j], "Zoe", &letter) == FYNQ_OK, names[i]);
			assert_case(
			    holds(letter.text, "#type=recovery&token=T0-k_n\r\n"), names[i]);
			assert_case(
			    holds(letter.html, "<a href=\"https://app.example/in#"), names[i]);
			assert_case(holds(letter.html, languages[j]), names[i]);
		}
	}
	assert_int_equal(compose("test", german, NULL, &letter), FYNQ_OK);
	fynq_config.mail_dir = folder;
}

static void
test_settings(void **state)
{
	static const struct {
		const char *url, *from, *site, *user;
		bool confirm, good;
	} cases[] = {
		{ "", "", "", "", false, true },
		{ "", "", "", "", true, false },
		{ "smtps://mail.example:465", "a@b.example", "https://b.example", "", true, true },
		{ "smtp://[::1]:25", "a@b.example", "http://localhost:3000/x?y=z", "u", true,
		    true },
		{ "smtp://mail.example", "", "https://b.example", "", false, false },
		{ "smtp://mail.example", "a@b.example", "", "", false, false },
		{ "http://mail.example", "a@b.example", "https://b.example", "", false, false },
		{ "smtp://", "a@b.example", "https://b.example", "", false, false },
		{ "smtp://u:p@mail.example", "a@b.example", "https://b.example", "", false, false },
		{ "smtp://mail.example/x", "a@b.example", "https://b.example", "", false, false },
		{ "smtp://mail.example:", "a@b.example", "https://b.example", "", false, false },
		{ "smtp://mail.example:123456", "a@b.example", "https://b.example", "", false,
		    false },
		{ "smtp://mail.example\r\nx", "a@b.example", "https://b.example", "", false,
		    false },
		{ "smtp://mail.example", "Me <a@b.example>", "https://b.example", "", false,
		    false },
		{ "smtp://mail.example", "a@b.example\r\nBcc: c", "https://b.example", "", false,
		    false },
		{ "smtp://mail.example", "a@b.example", "https://b.example/#x", "", false, false },
		{ "smtp://mail.example", "a@b.example", "https://b.example/ x", "", false, false },
		{ "smtp://mail.example", "a@b.example", "https://b.example@c.example", "", false,
		    false },
		{ "smtp://mail.example", "a@b.example", "javascript://b.example", "", false,
		    false },
		{ "smtp://mail.example", "a@b.example", "https://", "", false, false },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		struct fynq_buf problems = FYNQ_BUF_INIT(4096);

		fynq_config.smtp_url = cases[i].url;
		fynq_config.mail_from = cases[i].from;
		fynq_config.site_url = cases[i].site;
		fynq_config.smtp_user = fynq_config.smtp_password = cases[i].user;
		fynq_config.confirm_email = cases[i].confirm;
		assert_case(fynq_mail_init(&problems) == cases[i].good, cases[i].url);
		assert_case((problems.n == 0) == cases[i].good, cases[i].site);
		fynq_buf_release(&problems);
	}
}

/* What cannot be read is said before a mail waits for it. */
static void
test_unreadable(void **state)
{
	struct fynq_buf problems = FYNQ_BUF_INIT(4096);

	(void)state;
	fynq_config.smtp_url = "smtp://mail.example";
	fynq_config.mail_from = "a@b.example";
	fynq_config.site_url = "https://app.example/in";
	fynq_config.smtp_user = fynq_config.smtp_password = "";
	fynq_config.mail_dir = fynq_config.smtp_ca_file = "/nowhere";
	assert_false(fynq_mail_init(&problems));
	fynq_config.mail_dir = folder;
	fynq_config.smtp_ca_file = "";
	assert_true(fynq_str_eq(fynq_buf_str(&problems),
	    FYNQ_STR("FYNQ_MAIL_DIR: it must be a folder that can be read\n"
		     "FYNQ_SMTP_CA_FILE: it must be a file that can be read\n")));
	fynq_buf_release(&problems);
}

static int
set_up(void **state)
{
	(void)state;
	a = fynq_arena_new(64 << 20);
	fynq_config.auth = "local";
	fynq_config.mail_dir = mkdtemp(folder);
	fynq_config.smtp_ca_file = "";
	fynq_config.mail_minutes = 60;
	fynq_config.site_url = "https://app.example/in";
	return fynq_config.mail_dir != NULL ? 0 : -1;
}

static int
tear_down(void **state)
{
	DIR *dir = opendir(folder);
	char path[512];

	(void)state;
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (entry->d_name[0] != '.')
			unlink(path);
	}
	closedir(dir);
	fynq_arena_free(&a);
	return rmdir(folder);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_filled),
		cmocka_unit_test(test_headers_stay),
		cmocka_unit_test(test_encoded),
		cmocka_unit_test(test_languages),
		cmocka_unit_test(test_faulty),
		cmocka_unit_test(test_shipped),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_unreadable),
	};

	return cmocka_run_group_tests_name("mail", tests, set_up, tear_down);
}
