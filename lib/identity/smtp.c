/*
 * The way to the mail server: RFC 5321 by libcurl.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>

#include "base/config.h"
#include "base/ids.h"
#include "base/log.h"
#include "http/text.h"
#include "identity/mail.h"

enum { CONNECT_MS = 10000, TOTAL_MS = 30000, URL_SIZE = 1400, ANSWER_SIZE = 512 };

/* What the server said last, or why it refused. */
struct answer {
	char line[ANSWER_SIZE];
};

static bool
is_refusal(const struct answer *answer)
{
	return answer->line[0] == '4' || answer->line[0] == '5';
}

/* A URL of that scheme with a host, and a port at most behind it. */
static bool
is_server(const char *url, const char *scheme)
{
	size_t n = strlen(scheme);
	const char *host = url + n, *port;

	if (strncmp(url, scheme, n) != 0)
		return false;
	if (host[0] == '[')
		port = host + 1 + strspn(host + 1, "0123456789abcdefABCDEF:.") + 1;
	else
		port = host + strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					   "0123456789.-");
	if (port == host || (host[0] == '[' && port[-1] != ']'))
		return false;
	return port[0] == '\0' ||
	       (port[0] == ':' && port[1] != '\0' && strspn(port + 1, "0123456789") <= 5 &&
		   port[1 + strspn(port + 1, "0123456789")] == '\0');
}

/* An http(s) URL without a fragment, of signs that need no care in a mail or a header. */
static bool
is_site(const char *url)
{
	bool https = strncmp(url, "https://", 8) == 0;
	const char *host = url + (https ? 8 : 7);

	if (!https && strncmp(url, "http://", 7) != 0)
		return false;
	for (const char *p = url; *p != '\0'; p++)
		if (*p <= ' ' || *p > '~' || strchr("#\"<>\\^`{|}", *p) != NULL)
			return false;
	return isalnum((unsigned char)host[0]) && strcspn(host, "@") >= strcspn(host, "/?");
}

/* Is the server this machine? Its STARTTLS proves nothing then, and is not asked for. */
static bool
is_local(const char *url)
{
	static const char *const hosts[] = { "localhost", "127.0.0.1", "[::1]" };
	const char *host = strstr(url, "://") + 3;
	size_t n = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");

	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
		if (n == strlen(hosts[i]) && strncasecmp(host, hosts[i], n) == 0)
			return true;
	return false;
}

static void
check(struct fynq_buf *problems, bool good, const char *problem)
{
	if (!good)
		fynq_buf_printf(problems, "%s\n", problem);
}

bool
fynq_mail_init(struct fynq_buf *problems_r)
{
	const char *url = fynq_config.smtp_url, *site = fynq_config.site_url,
		   *from = fynq_config.mail_from, *ca = fynq_config.smtp_ca_file;
	size_t before = problems_r->n;

	check(problems_r, site[0] == '\0' || is_site(site),
	    "FYNQ_SITE_URL: it must be an http or https URL without a #");
	if (strcmp(fynq_config.auth, "local") != 0)
		return problems_r->n == before;
	check(problems_r, !fynq_config.confirm_email || url[0] != '\0',
	    "FYNQ_CONFIRM_EMAIL: it needs FYNQ_SMTP_URL");
	check(problems_r, url[0] == '\0' || is_server(url, "smtp://") || is_server(url, "smtps://"),
	    "FYNQ_SMTP_URL: it must be smtp://HOST:PORT or smtps://HOST:PORT");
	check(problems_r, url[0] == '\0' || from[0] != '\0',
	    "FYNQ_SMTP_URL: it needs FYNQ_MAIL_FROM");
	check(
	    problems_r, url[0] == '\0' || site[0] != '\0', "FYNQ_SMTP_URL: it needs FYNQ_SITE_URL");
	check(problems_r, from[0] == '\0' || fynq_text_is_email(fynq_str_of(from)),
	    "FYNQ_MAIL_FROM: it must be an email address alone, without a name");
	check(problems_r,
	    (fynq_config.smtp_user[0] == '\0') == (fynq_config.smtp_password[0] == '\0'),
	    "FYNQ_SMTP_USER: it goes with FYNQ_SMTP_PASSWORD");
	check(problems_r, url[0] == '\0' || access(fynq_config.mail_dir, R_OK | X_OK) == 0,
	    "FYNQ_MAIL_DIR: it must be a folder that can be read");
	check(problems_r, ca[0] == '\0' || access(ca, R_OK) == 0,
	    "FYNQ_SMTP_CA_FILE: it must be a file that can be read");
	return problems_r->n == before && !problems_r->full;
}

static struct curl_slist *
add_header(struct curl_slist *list, struct fynq_arena *a, const char *name, struct fynq_str value)
{
	struct curl_slist *longer = curl_slist_append(
	    list, fynq_arena_printf(a, "%s: %.*s", name, FYNQ_STR_ARG(value)).p);

	if (longer == NULL)
		fynq_log_fatal("mail", "out of memory");
	return longer;
}

/* RFC 5322 section 3.3, in English whatever the process's locale. */
static struct fynq_str
date_of(struct fynq_arena *a, time_t now)
{
	static const char days[] = "SunMonTueWedThuFriSat",
			  months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct tm tm;

	gmtime_r(&now, &tm);
	return fynq_arena_printf(a, "%.3s, %02d %.3s %d %02d:%02d:%02d +0000",
	    days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon, 1900 + tm.tm_year,
	    tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static const char *
domain_of(const char *address)
{
	return strchr(address, '@') + 1;
}

static struct curl_slist *
headers_of(struct fynq_arena *a, const struct fynq_mail *mail, const struct fynq_letter *letter)
{
	struct curl_slist *list = NULL;
	struct fynq_uuid id = fynq_uuid_new();

	list = add_header(list, a, "From", fynq_arena_printf(a, "<%s>", fynq_config.mail_from));
	list = add_header(list, a, "To", fynq_arena_printf(a, "<%.*s>", FYNQ_STR_ARG(mail->to)));
	list = add_header(list, a, "Subject", letter->subject);
	list = add_header(list, a, "Date", date_of(a, time(NULL)));
	list = add_header(list, a, "Message-ID",
	    fynq_arena_printf(a, "<%s@%s>", id.text, domain_of(fynq_config.mail_from)));
	/* RFC 3834 section 5: no answering machine should answer. */
	list = add_header(list, a, "Auto-Submitted", FYNQ_STR("auto-generated"));
	return add_header(list, a, "Content-Type", FYNQ_STR("multipart/alternative"));
}

static void
add_part(curl_mime *mime, struct fynq_str text, const char *type)
{
	curl_mimepart *part = curl_mime_addpart(mime);

	if (part == NULL || curl_mime_data(part, text.p, text.n) != CURLE_OK ||
	    curl_mime_type(part, type) != CURLE_OK ||
	    curl_mime_encoder(part, "quoted-printable") != CURLE_OK)
		fynq_log_fatal("mail", "out of memory");
}

/* libcurl gives each line of the server's to this. The refusal counts, not the goodbye behind it.
 */
static size_t
on_line(char *p, size_t size, size_t n, void *arg)
{
	struct answer *answer = arg;
	size_t keep = n < ANSWER_SIZE - 1 ? n : ANSWER_SIZE - 1;

	(void)size;
	if (is_refusal(answer))
		return n;
	while (keep > 0 && (p[keep - 1] == '\n' || p[keep - 1] == '\r'))
		keep--;
	for (size_t i = 0; i < keep; i++)
		answer->line[i] = p[i] >= ' ' && p[i] <= '~' ? p[i] : '?';
	answer->line[keep] = '\0';
	return n;
}

/* The server, and behind it the name by which we greet: the sender's domain, not this host's. */
static void
set_server(CURL *easy)
{
	const char *base = fynq_config.smtp_url;
	char url[URL_SIZE];
	bool tls = strncmp(base, "smtps:", 6) == 0 || !is_local(base) ||
		   fynq_config.smtp_ca_file[0] != '\0';

	snprintf(url, sizeof(url), "%s/%s", base, domain_of(fynq_config.mail_from));
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_USE_SSL, tls ? (long)CURLUSESSL_ALL : (long)CURLUSESSL_NONE);
	if (fynq_config.smtp_ca_file[0] != '\0')
		curl_easy_setopt(easy, CURLOPT_CAINFO, fynq_config.smtp_ca_file);
	if (fynq_config.smtp_user[0] != '\0') {
		curl_easy_setopt(easy, CURLOPT_USERNAME, fynq_config.smtp_user);
		curl_easy_setopt(easy, CURLOPT_PASSWORD, fynq_config.smtp_password);
	}
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)TOTAL_MS);
}

static CURLcode
perform(CURL *easy, struct fynq_arena *a, const struct fynq_mail *mail,
    const struct fynq_letter *letter, struct answer *answer)
{
	struct curl_slist *headers = headers_of(a, mail, letter), *to;
	curl_mime *mime = curl_mime_init(easy);
	CURLcode code;

	to = curl_slist_append(NULL, fynq_arena_printf(a, "<%.*s>", FYNQ_STR_ARG(mail->to)).p);
	if (mime == NULL || to == NULL)
		fynq_log_fatal("mail", "out of memory");
	/* The last of the alternatives is the one to be shown (RFC 2046 section 5.1.4). */
	add_part(mime, letter->text, "text/plain; charset=utf-8");
	add_part(mime, letter->html, "text/html; charset=utf-8");
	set_server(easy);
	curl_easy_setopt(
	    easy, CURLOPT_MAIL_FROM, fynq_arena_printf(a, "<%s>", fynq_config.mail_from).p);
	curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, to);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(easy, CURLOPT_MIMEPOST, mime);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_line);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, answer);
	code = curl_easy_perform(easy);
	curl_mime_free(mime);
	curl_slist_free_all(headers);
	curl_slist_free_all(to);
	return code;
}

/*
 * A 55x to the recipient or to the mail is for good (RFC 5321 section 4.2.3); our name and
 * password, or a certificate, the admin can mend meanwhile.
 */
static bool
refused_for_good(CURLcode code, long status)
{
	return status >= 550 && status < 560 &&
	       (code == CURLE_SEND_ERROR || code == CURLE_WEIRD_SERVER_REPLY);
}

enum fynq_err
fynq_mail_send(struct fynq_arena *a, const struct fynq_mail *mail, struct fynq_str *answer_r)
{
	struct answer answer = { "" };
	struct fynq_letter letter;
	long status = 0;
	CURLcode code;
	CURL *easy;

	if (!fynq_text_is_email(mail->to)) {
		fynq_log(FYNQ_LOG_ERROR, "mail", "the address is none");
		return FYNQ_E_INTERNAL;
	}
	/* A faulty template is mended sooner or later. */
	if (fynq_mail_compose(a, mail, &letter) != FYNQ_OK)
		return FYNQ_E_AUTH_UNAVAILABLE;
	if ((easy = curl_easy_init()) == NULL)
		fynq_log_fatal("mail", "libcurl gives no handle");
	code = perform(easy, a, mail, &letter, &answer);
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(easy);
	if (answer_r != NULL)
		*answer_r = fynq_arena_copy(a, fynq_str_of(code == CURLE_OK || is_refusal(&answer)
							       ? answer.line
							       : curl_easy_strerror(code)));
	if (code == CURLE_OK)
		return FYNQ_OK;
	fynq_log(FYNQ_LOG_WARN, "mail", "%s: %s (the server's last code is %ld)",
	    fynq_config.smtp_url, curl_easy_strerror(code), status);
	return refused_for_good(code, status) ? FYNQ_E_INTERNAL : FYNQ_E_AUTH_UNAVAILABLE;
}
