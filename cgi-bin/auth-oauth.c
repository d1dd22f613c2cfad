/*
 * Signing in through another service, with PKCE (RFC 7636).
 *
 * The page makes a verifier and a state and sends the browser here; we send it on, and it comes
 * back to the callback with a code, which goes to the page; the page trades it, with its verifier,
 * for a session. What was begun is kept in a cookie of the browser, so that nobody else's browser
 * can end it: flow, page and state.
 */
#include <ctype.h>
#include <string.h>

#include "auth.h"

#include "base/fetch.h"
#include "identity/redirect.h"

enum { COOKIE_MAX = 4000, URL_MAX = 8192, TELL_MAX = 200, PIECE_MAX = 1024, AGE = 600 };

struct flow {
	struct fynq_str nonce, redirect_to, state;
};

/* __Host- is taken by browsers from this host alone, over TLS (RFC 6265bis section 4.1.3.2). */
static bool
is_secure(void)
{
	return fynq_str_starts(fynq_str_of(fynq_config.public_url), FYNQ_STR("https:"));
}

static const char *
cookie_name(void)
{
	return is_secure() ? "__Host-fynq-flow" : "fynq-flow";
}

static void
set_cookie(struct fynq_req *rq, struct fynq_str value, int age)
{
	fynq_reply_header(rq, "Set-Cookie",
	    fynq_arena_printf(rq->arena, "%s=%.*s; %s; Max-Age=%d; HttpOnly; SameSite=Lax",
		cookie_name(), FYNQ_STR_ARG(value),
		is_secure() ? "Path=/; Secure" : "Path=/api/v1/auth/callback", age));
}

/* Nothing of the answer is kept, and where the browser goes learns nothing of where it was. */
static enum fynq_err
send_browser(struct fynq_req *rq, struct fynq_buf *url)
{
	struct fynq_str location = fynq_arena_copy(rq->arena, fynq_buf_str(url));
	bool full = url->full;

	fynq_buf_release(url);
	if (full)
		return fynq_fail(rq, FYNQ_E_BAD_REQUEST, NULL);
	fynq_reply_header(rq, "Location", location);
	fynq_reply_header(rq, "Cache-Control", FYNQ_STR("no-store"));
	fynq_reply_header(rq, "Referrer-Policy", FYNQ_STR("no-referrer"));
	return fynq_reply_empty(rq, 302);
}

static enum fynq_err
check_settings(struct fynq_req *rq)
{
	if (fynq_provider() == &fynq_provider_local)
		return fynq_fail(rq, FYNQ_E_NOT_FOUND,
		    "Accounts here are the service's own: no other service signs in.");
	if (fynq_config.public_url[0] == '\0' || fynq_config.redirects[0] == '\0')
		return fynq_fail(
		    rq, FYNQ_E_NOT_FOUND, "Signing in through another service is not set up here.");
	return FYNQ_OK;
}

/* What a state may be (RFC 6749 appendix A.5): printable ASCII, so the cookie keeps its length. */
static bool
is_plain(struct fynq_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 0x20 || s.p[i] >= 0x7f)
			return false;
	return true;
}

static enum fynq_err
check_fields(struct fynq_req *rq, const struct oauth_in *in)
{
	unsigned char hash[32];
	size_t n;

	if (!fynq_redirect_allowed(in->redirect_to))
		fynq_fault(rq, FYNQ_STR("redirect_to"), "value",
		    "It is none of the pages that are listed, letter by letter.");
	if (!fynq_base64url_decode(in->code_challenge, hash, sizeof(hash), &n) || n != sizeof(hash))
		fynq_fault(
		    rq, FYNQ_STR("code_challenge"), "format", "It must be a SHA-256 in base64url.");
	if (!is_plain(in->state))
		fynq_fault(rq, FYNQ_STR("state"), "format", "It must be printable ASCII.");
	return rq->problem.n_faults == 0 ? FYNQ_OK : FYNQ_E_INVALID;
}

/* NONCE.PAGE.STATE, the last two in base64url. */
static struct fynq_str
write_flow(struct fynq_arena *a, const struct flow *flow)
{
	struct fynq_buf b = FYNQ_BUF_INIT(COOKIE_MAX);
	struct fynq_str text;

	fynq_buf_add(&b, flow->nonce);
	fynq_buf_add_char(&b, '.');
	fynq_base64url(&b, flow->redirect_to.p, flow->redirect_to.n);
	fynq_buf_add_char(&b, '.');
	fynq_base64url(&b, flow->state.p, flow->state.n);
	text = fynq_arena_copy(a, fynq_buf_str(&b));
	fynq_buf_release(&b);
	return text;
}

static bool
read_piece(struct fynq_arena *a, struct fynq_str text, struct fynq_str *piece_r)
{
	char *bytes = fynq_arena_alloc(a, PIECE_MAX);

	piece_r->p = bytes;
	return fynq_base64url_decode(text, bytes, PIECE_MAX, &piece_r->n);
}

static bool
read_flow(struct fynq_arena *a, struct fynq_str text, struct flow *flow_r)
{
	struct fynq_str page, state;

	if (text.n > COOKIE_MAX || !fynq_str_cut(text, '.', &flow_r->nonce, &page) ||
	    !fynq_str_cut(page, '.', &page, &state))
		return false;
	return read_piece(a, page, &flow_r->redirect_to) && read_piece(a, state, &flow_r->state) &&
	       is_plain(flow_r->state);
}

/* The cookie of that name (RFC 6265 section 4.2.1); absent without one. */
static struct fynq_str
find_cookie(const struct fynq_req *rq)
{
	struct fynq_str rest = fynq_req_param(rq, "HTTP_COOKIE"), pair, name, value;

	while (rest.p != NULL) {
		fynq_str_cut(rest, ';', &pair, &rest);
		fynq_str_cut(fynq_str_trim(pair), '=', &name, &value);
		if (fynq_str_eq(name, fynq_str_of(cookie_name())))
			return value;
	}
	return (struct fynq_str){ 0 };
}

/* Of the settings. Never what the request calls us: that is a guess. */
static struct fynq_str
callback_url(struct fynq_arena *a, const char *nonce)
{
	return fynq_arena_printf(
	    a, "%s/api/v1/auth/callback?flow=%s", fynq_config.public_url, nonce);
}

enum fynq_err
get_oauth(struct fynq_req *rq, const void *in_)
{
	const struct oauth_in *in = in_;
	struct fynq_buf b = FYNQ_BUF_INIT(URL_MAX);
	char nonce[FYNQ_TOKEN_SIZE];
	struct fynq_str url;

	FYNQ_TRY(check_settings(rq));
	FYNQ_TRY(check_fields(rq, in));
	fynq_token_new(nonce);
	FYNQ_TRY(fynq_provider()->authorize_url(
	    rq, in->provider, callback_url(rq->arena, nonce), in->code_challenge, &url));
	set_cookie(rq,
	    write_flow(
		rq->arena, &(const struct flow){ fynq_str_of(nonce), in->redirect_to, in->state }),
	    AGE);
	fynq_buf_add(&b, url);
	return send_browser(rq, &b);
}

/* What the other side tells of a failure, for a person: its first letters, and nothing unprintable.
 */
static void
add_words(struct fynq_req *rq, struct fynq_buf *b, const char *name, struct fynq_str words)
{
	struct fynq_str cut = { words.p, words.n < TELL_MAX ? words.n : TELL_MAX };
	char *text;

	if (words.n == 0)
		return;
	text = fynq_arena_strdup(rq->arena, cut);
	for (size_t i = 0; i < cut.n; i++)
		if (text[i] < 0x20 || text[i] >= 0x7f)
			text[i] = ' ';
	fynq_buf_add_param(b, name, (struct fynq_str){ text, cut.n });
}

static bool
is_code(struct fynq_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) && strchr("-._", s.p[i]) == NULL)
			return false;
	return s.n > 0;
}

/* The cookie must be of this flow: a link from elsewhere has none, or that of another flow. */
static enum fynq_err
find_flow(struct fynq_req *rq, struct fynq_str nonce, struct flow *flow_r)
{
	struct fynq_str cookie = find_cookie(rq);

	if (nonce.n > 0 && read_flow(rq->arena, cookie, flow_r) &&
	    fynq_str_same_secret(flow_r->nonce, nonce) &&
	    fynq_redirect_allowed(flow_r->redirect_to))
		return FYNQ_OK;
	return fynq_fail(rq, FYNQ_E_BAD_REQUEST,
	    "No sign-in was begun in this browser, or not this one, or too long ago.");
}

enum fynq_err
get_callback(struct fynq_req *rq, const void *in_)
{
	const struct callback_in *in = in_;
	struct fynq_buf b = FYNQ_BUF_INIT(URL_MAX);
	struct flow flow;

	FYNQ_TRY(check_settings(rq));
	FYNQ_TRY(find_flow(rq, in->flow, &flow));
	if (in->code.p != NULL && !is_code(in->code))
		return fynq_fail(rq, FYNQ_E_BAD_REQUEST, "That is no code.");
	set_cookie(rq, FYNQ_STR(""), 0);
	fynq_buf_add(&b, flow.redirect_to);
	fynq_buf_add_char(&b, memchr(flow.redirect_to.p, '?', flow.redirect_to.n) ? '&' : '?');
	if (in->code.p != NULL) {
		fynq_buf_printf(&b, "code=%.*s", FYNQ_STR_ARG(in->code));
	} else {
		fynq_buf_printf(&b, "error=%.*s",
		    FYNQ_STR_ARG(is_code(in->error) ? in->error : FYNQ_STR("server_error")));
		add_words(rq, &b, "&error_description", in->error_description);
	}
	fynq_buf_add_param(&b, "&state", flow.state);
	return send_browser(rq, &b);
}

enum fynq_err
post_exchange(struct fynq_req *rq, const void *in_)
{
	const struct exchange_in *in = in_;
	struct fynq_session session;

	FYNQ_TRY(count_try(rq, FYNQ_ATTEMPT_TOKEN, (struct fynq_str){ 0 }));
	FYNQ_TRY(fynq_provider()->exchange(rq, in->code, in->code_verifier, &session));
	fynq_attempt_good(rq, FYNQ_ATTEMPT_TOKEN, (struct fynq_str){ 0 });
	fynq_audit(rq, FYNQ_EVENT_SIGNED_IN, session_user(rq, &session), FYNQ_STR("oauth"));
	return reply_session(rq, 200, &session);
}
