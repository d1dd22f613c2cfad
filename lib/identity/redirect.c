#include <string.h>

#include "base/config.h"
#include "identity/redirect.h"

enum { URL_MAX = 1024, HOST_MAX = 253, PORT_MAX = 65535 };

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGIT "0123456789"
#define ALPHA LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* Those of s up to the first that is none of chars. */
static struct fynq_str
take(struct fynq_str *s, const char *chars)
{
	struct fynq_str taken = { s->p, 0 };

	while (taken.n < s->n && s->p[taken.n] != '\0' && strchr(chars, s->p[taken.n]) != NULL)
		taken.n++;
	*s = (struct fynq_str){ s->p + taken.n, s->n - taken.n };
	return taken;
}

static bool
skip(struct fynq_str *s, struct fynq_str prefix)
{
	if (!fynq_str_starts(*s, prefix))
		return false;
	*s = (struct fynq_str){ s->p + prefix.n, s->n - prefix.n };
	return true;
}

/* Labels with dots between, none of them empty (RFC 1123 section 2.1). */
static bool
is_host(struct fynq_str host)
{
	struct fynq_str label, rest = host;

	if (host.n == 0 || host.n > HOST_MAX)
		return false;
	while (rest.p != NULL) {
		fynq_str_cut(rest, '.', &label, &rest);
		if (label.n == 0 || label.p[0] == '-' || label.p[label.n - 1] == '-')
			return false;
	}
	return true;
}

static bool
is_port(struct fynq_str port)
{
	int64_t n;

	return port.n > 0 && port.p[0] != '0' && fynq_str_int(port, &n) && n <= PORT_MAX;
}

/* Browsers take %2e for a dot here (WHATWG URL section 4.2), so no segment may begin with "%2". */
static bool
has_dot_segment(struct fynq_str path)
{
	struct fynq_str segment, rest = path;

	while (rest.p != NULL) {
		fynq_str_cut(rest, '/', &segment, &rest);
		if (fynq_str_eq(segment, FYNQ_STR(".")) || fynq_str_eq(segment, FYNQ_STR("..")) ||
		    fynq_str_starts(segment, FYNQ_STR("%2")) ||
		    fynq_str_starts(segment, FYNQ_STR(".%2")))
			return true;
	}
	return false;
}

/* Each "%" has two hexadecimal digits behind it. */
static bool
escapes_well(struct fynq_str s)
{
	static const char hex[] = DIGIT "abcdefABCDEF";

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != '%')
			continue;
		if (s.n - i < 3 || memchr(hex, s.p[i + 1], sizeof(hex) - 1) == NULL ||
		    memchr(hex, s.p[i + 2], sizeof(hex) - 1) == NULL)
			return false;
	}
	return true;
}

bool
fynq_url_parse(struct fynq_str url, struct fynq_url *url_r)
{
	struct fynq_str rest = url;

	*url_r = (struct fynq_url){ .https = skip(&rest, FYNQ_STR("https://")) };
	if (url.n > URL_MAX || (!url_r->https && !skip(&rest, FYNQ_STR("http://"))))
		return false;
	url_r->host = take(&rest, LOWER DIGIT ".-");
	if (!is_host(url_r->host))
		return false;
	if (skip(&rest, FYNQ_STR(":")) && !is_port(take(&rest, DIGIT)))
		return false;
	if (rest.n > 0 && rest.p[0] != '/')
		return false;
	url_r->path = take(&rest, ALPHA DIGIT "-._~!$&'()*+,;=:@%/");
	if (skip(&rest, FYNQ_STR("?")))
		url_r->query = take(&rest, ALPHA DIGIT "-._~!$&'()*+,;=:@%/?");
	return rest.n == 0 && escapes_well(url) && !has_dot_segment(url_r->path);
}

/* Nobody listens on the way to this machine (RFC 8252 section 8.3). */
static bool
is_safe(struct fynq_str text, struct fynq_url *url_r)
{
	if (!fynq_url_parse(text, url_r))
		return false;
	return url_r->https || fynq_str_eq(url_r->host, FYNQ_STR("localhost")) ||
	       fynq_str_eq(url_r->host, FYNQ_STR("127.0.0.1"));
}

static bool
is_page(struct fynq_str text)
{
	struct fynq_url url;

	return is_safe(text, &url) && url.path.n > 0;
}

bool
fynq_redirect_allowed(struct fynq_str url)
{
	struct fynq_str one, rest = fynq_str_of(fynq_config.redirects);

	while (rest.n > 0) {
		fynq_str_cut(rest, ',', &one, &rest);
		if (fynq_str_eq(fynq_str_trim(one), url))
			return is_page(url);
	}
	return false;
}

bool
fynq_redirect_init(struct fynq_buf *problems_r)
{
	struct fynq_str one, rest = fynq_str_of(fynq_config.redirects);
	struct fynq_str origin = fynq_str_of(fynq_config.public_url);
	struct fynq_url url;
	bool good = true;

	while (rest.n > 0) {
		fynq_str_cut(rest, ',', &one, &rest);
		one = fynq_str_trim(one);
		if (is_page(one))
			continue;
		fynq_buf_printf(problems_r,
		    "FYNQ_REDIRECTS: %.*s must be https (http for localhost alone), with a path "
		    "and without a #, such as https://app.example/signed-in\n",
		    FYNQ_STR_ARG(one));
		good = false;
	}
	if (origin.n > 0 && (!is_safe(origin, &url) || url.path.n > 0 || url.query.p != NULL)) {
		fynq_buf_add(problems_r,
		    FYNQ_STR("FYNQ_PUBLIC_URL: it must be https (http for localhost alone) without "
			     "a path, such as https://api.example\n"));
		good = false;
	}
	return good;
}
