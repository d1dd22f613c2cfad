#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/config.h"
#include "base/disk.h"
#include "base/ids.h"
#include "base/log.h"
#include "identity/mail.h"

enum { TEMPLATE_MAX = 65536, LETTER_MAX = 262144, LANGUAGE_MAX = 35, PATH_SIZE = 1200 };

/* Bytes of UTF-8 in an encoded word, which may have 75 characters in all (RFC 2047 section 2). */
enum { WORD_BYTES = 45 };

#define FALLBACK "en"

/* What a template may name. */
struct fills {
	struct fynq_str link, site, minutes, name;
};

bool
fynq_mail_can(void)
{
	return fynq_config.smtp_url[0] != '\0';
}

static void
add_html(struct fynq_buf *b, struct fynq_str s)
{
	static const char *const escapes[256] = {
		['&'] = "&amp;",
		['<'] = "&lt;",
		['>'] = "&gt;",
		['"'] = "&quot;",
		['\''] = "&#39;",
	};

	for (size_t i = 0; i < s.n; i++) {
		const char *escape = escapes[(unsigned char)s.p[i]];

		if (escape != NULL)
			fynq_buf_add(b, fynq_str_of(escape));
		else
			fynq_buf_add_char(b, s.p[i]);
	}
}

/* A value keeps to its line: in a subject it would otherwise make headers of its own. */
static struct fynq_str
one_line(struct fynq_arena *a, struct fynq_str s)
{
	char *copy = fynq_arena_strdup(a, s);

	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)copy[i] < 0x20 || copy[i] == 0x7f)
			copy[i] = ' ';
	return (struct fynq_str){ copy, s.n };
}

static bool
fill_of(const struct fills *fills, struct fynq_str name, struct fynq_str *value_r)
{
	const struct {
		struct fynq_str name, value;
	} known[] = {
		{ FYNQ_STR("link"), fills->link },
		{ FYNQ_STR("site"), fills->site },
		{ FYNQ_STR("minutes"), fills->minutes },
		{ FYNQ_STR("name"), fills->name },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (fynq_str_eq(name, known[i].name)) {
			*value_r = known[i].value;
			return true;
		}
	}
	return false;
}

/* The text with what it names filled in, its lines ended by CRLF. False for an unknown name. */
static bool
fill(struct fynq_buf *b, struct fynq_str text, const struct fills *fills, bool html)
{
	struct fynq_str value, name;
	const char *end;

	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '\n') {
			fynq_buf_add(b, FYNQ_STR("\r\n"));
		} else if (text.n - i >= 2 && memcmp(text.p + i, "{{", 2) == 0) {
			end = memmem(text.p + i, text.n - i, "}}", 2);
			if (end == NULL)
				return false;
			name = (struct fynq_str){ text.p + i + 2, (size_t)(end - text.p) - i - 2 };
			if (!fill_of(fills, name, &value))
				return false;
			if (html)
				add_html(b, value);
			else
				fynq_buf_add(b, value);
			i = (size_t)(end - text.p) + 1;
		} else if (text.p[i] != '\r') {
			fynq_buf_add_char(b, text.p[i]);
		}
	}
	return !b->full;
}

static bool
fill_into(struct fynq_arena *a, struct fynq_str text, const struct fills *fills, bool html,
    struct fynq_str *out_r)
{
	struct fynq_buf b = FYNQ_BUF_INIT(LETTER_MAX);
	bool ok = fill(&b, text, fills, html);

	*out_r = fynq_arena_copy(a, fynq_buf_str(&b));
	fynq_buf_release(&b);
	return ok;
}

static bool
is_plain(struct fynq_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 0x20 || s.p[i] > 0x7e)
			return false;
	/* What looks like an encoded word would be taken for one. */
	return s.n == 0 || memmem(s.p, s.n, "=?", 2) == NULL;
}

struct fynq_str
fynq_mail_encode(struct fynq_arena *a, struct fynq_str s)
{
	struct fynq_buf b = FYNQ_BUF_INIT(TEMPLATE_MAX);
	struct fynq_str word, out;

	if (is_plain(s))
		return s;
	s = one_line(a, s);
	while (s.n > 0) {
		word = s;
		if (word.n > WORD_BYTES)
			for (word.n = WORD_BYTES; !fynq_str_boundary(s, word.n);)
				word.n--;
		fynq_buf_add(&b, b.n > 0 ? FYNQ_STR("\r\n =?UTF-8?B?") : FYNQ_STR("=?UTF-8?B?"));
		fynq_base64(&b, word.p, word.n);
		fynq_buf_add(&b, FYNQ_STR("?="));
		s = (struct fynq_str){ s.p + word.n, s.n - word.n };
	}
	out = fynq_arena_copy(a, fynq_buf_str(&b));
	fynq_buf_release(&b);
	return out;
}

/* The file's text; false, with errno, where it is not there, too large or not UTF-8. */
static bool
read_file(struct fynq_arena *a, const char *path, struct fynq_str *text_r)
{
	size_t n;
	char *text = fynq_disk_read(path, TEMPLATE_MAX, &n);

	if (text == NULL)
		return false;
	*text_r = fynq_arena_copy(a, (struct fynq_str){ text, n });
	free(text);
	if (fynq_str_utf8(*text_r))
		return true;
	errno = EILSEQ;
	return false;
}

/* Without the last subtag, and what single letter stands before it; false at the end. */
static bool
shorten(char *language)
{
	char *dash = strrchr(language, '-');

	if (dash == NULL)
		return false;
	*dash = '\0';
	if (dash - language >= 2 && dash[-2] == '-')
		dash[-2] = '\0';
	return true;
}

/* The locale as it stands in a file's name; the fallback where it is none. */
static void
language_of(struct fynq_str locale, char language_r[static LANGUAGE_MAX + 1])
{
	snprintf(language_r, LANGUAGE_MAX + 1, "%s", FALLBACK);
	if (locale.n == 0 || locale.n > LANGUAGE_MAX)
		return;
	for (size_t i = 0; i < locale.n; i++)
		if (!isascii((unsigned char)locale.p[i]) ||
		    (!isalnum((unsigned char)locale.p[i]) && locale.p[i] != '-'))
			return;
	for (size_t i = 0; i < locale.n; i++)
		language_r[i] = (char)tolower((unsigned char)locale.p[i]);
	language_r[locale.n] = '\0';
}

/* Both templates of a mail in the nearest language. */
static enum fynq_err
read_templates(struct fynq_arena *a, const struct fynq_mail *mail, struct fynq_str *text_r,
    struct fynq_str *html_r)
{
	char language[LANGUAGE_MAX + 1], path[PATH_SIZE];
	bool last = false;

	language_of(mail->locale, language);
	for (;;) {
		snprintf(
		    path, sizeof(path), "%s/%s.%s.txt", fynq_config.mail_dir, mail->name, language);
		if (read_file(a, path, text_r))
			break;
		if (errno != ENOENT || last) {
			fynq_log(FYNQ_LOG_ERROR, "mail", "%s: %s", path, strerror(errno));
			return FYNQ_E_INTERNAL;
		}
		if (!shorten(language)) {
			last = true;
			snprintf(language, sizeof(language), "%s", FALLBACK);
		}
	}
	snprintf(path, sizeof(path), "%s/%s.%s.html", fynq_config.mail_dir, mail->name, language);
	if (read_file(a, path, html_r))
		return FYNQ_OK;
	fynq_log(FYNQ_LOG_ERROR, "mail", "%s: %s", path, strerror(errno));
	return FYNQ_E_INTERNAL;
}

static struct fynq_str
link_of(struct fynq_arena *a, const struct fynq_mail *mail)
{
	if (mail->type == NULL)
		return fynq_str_of(fynq_config.site_url);
	return fynq_arena_printf(a, "%s#type=%s&token=%.*s", fynq_config.site_url, mail->type,
	    FYNQ_STR_ARG(mail->token));
}

/* The host of FYNQ_SITE_URL. */
static struct fynq_str
site_name(void)
{
	const char *host = strstr(fynq_config.site_url, "://");

	host = host != NULL ? host + 3 : fynq_config.site_url;
	return (struct fynq_str){ host, strcspn(host, ":/?#") };
}

enum fynq_err
fynq_mail_compose(struct fynq_arena *a, const struct fynq_mail *mail, struct fynq_letter *letter_r)
{
	static const struct fynq_str prefix = FYNQ_STR_INIT("Subject: ");
	struct fynq_str text, html, first, blank, subject;
	struct fills fills = {
		.link = link_of(a, mail),
		.site = site_name(),
		.minutes = fynq_arena_printf(a, "%lld", (long long)fynq_config.mail_minutes),
		.name = one_line(a, mail->person.n > 0 ? mail->person : mail->to),
	};

	FYNQ_TRY(read_templates(a, mail, &text, &html));
	fynq_str_cut(text, '\n', &first, &text);
	fynq_str_cut(text, '\n', &blank, &text);
	if (!fynq_str_starts(first, prefix) ||
	    (blank.n > 0 && !fynq_str_eq(blank, FYNQ_STR("\r"))) ||
	    !fill_into(a, (struct fynq_str){ first.p + prefix.n, first.n - prefix.n }, &fills,
		false, &subject) ||
	    !fill_into(a, text, &fills, false, &letter_r->text) ||
	    !fill_into(a, html, &fills, true, &letter_r->html)) {
		fynq_log(FYNQ_LOG_ERROR, "mail", "%s/%s.*: not a mail as mail.h describes it",
		    fynq_config.mail_dir, mail->name);
		return FYNQ_E_INTERNAL;
	}
	letter_r->subject = fynq_mail_encode(a, subject);
	return FYNQ_OK;
}
