#include "base/clock.h"
#include "base/config.h"
#include "base/fetch.h"
#include "base/log.h"
#include "http/client.h"
#include "identity/gotrue.h"

enum { HEADERS = 9, BODY_MAX = 262144, TRIES = 2 };

/* Headers of a call; the array is as long as the longest list. */
struct headers {
	struct fynq_str lines[HEADERS];
	size_t n;
};

static void
add_header(struct fynq_arena *a, struct headers *headers, const char *name, struct fynq_str value)
{
	if (value.p != NULL)
		headers->lines[headers->n++] = fynq_arena_printf(
		    a, "%s: %.*s", name, FYNQ_STR_ARG(value));
}

/* Header lines end at control characters, which nothing that comes from a client may decide. */
static struct fynq_str
one_line(struct fynq_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return (struct fynq_str){ 0 };
	return s;
}

static struct fynq_str
bearer(struct fynq_arena *a, struct fynq_str token)
{
	return fynq_arena_printf(a, "Bearer %.*s", FYNQ_STR_ARG(token));
}

/*
 * A key sb_publishable_... or sb_secret_... is no token: the gateway in front puts one in its
 * place. The older keys are JSON Web Tokens and go into both headers, unless a user acts.
 */
static void
add_headers(struct fynq_req *rq, const struct fynq_gotrue *ask, struct headers *headers)
{
	struct fynq_str key = fynq_str_of(
	    ask->admin ? fynq_config.supabase_secret_key : fynq_config.supabase_key);
	struct fynq_str address = ask->client ? fynq_client_address(rq) : (struct fynq_str){ 0 };
	struct fynq_arena *a = rq->arena;

	add_header(a, headers, "apikey", key);
	if (ask->token.p != NULL)
		add_header(a, headers, "Authorization", bearer(a, ask->token));
	else if (fynq_str_starts(key, FYNQ_STR("eyJ")))
		add_header(a, headers, "Authorization", bearer(a, key));
	add_header(a, headers, "X-Supabase-Api-Version", FYNQ_STR("2024-01-01"));
	add_header(a, headers, "Accept", FYNQ_STR("application/json"));
	if (ask->body.p != NULL)
		add_header(a, headers, "Content-Type", FYNQ_STR("application/json"));
	if (ask->client)
		add_header(a, headers, "User-Agent", one_line(fynq_client_agent(rq)));
	add_header(a, headers, "X-Forwarded-For", address);
	add_header(a, headers, "Sb-Forwarded-For", address);
	if (rq->traceparent.n > 0)
		add_header(a, headers, "traceparent", rq->traceparent);
}

static const char *
url_of(struct fynq_arena *a, const struct fynq_gotrue *ask)
{
	return fynq_arena_printf(
	    a, "%s/auth/v1%s%.*s", fynq_config.supabase_url, ask->path, FYNQ_STR_ARG(ask->id))
	    .p;
}

/*
 * What may have been done is not done again, unless that makes no difference; what was certainly
 * not sent may be. A second try has what the first has left of the time.
 */
static enum fynq_fetch_end
fetch(struct fynq_req *rq, const struct fynq_gotrue *ask, struct fynq_fetched *fetched_r)
{
	int64_t deadline_us = fynq_clock_mono_us() + fynq_config.supabase_timeout_ms * 1000;
	struct headers headers = { .n = 0 };
	struct fynq_fetch fetch = {
		.method = ask->method,
		.url = url_of(rq->arena, ask),
		.headers = headers.lines,
		.body = ask->body,
		.ca_file = fynq_config.supabase_ca_file,
		.timeout_ms = fynq_config.supabase_timeout_ms,
		.max = FYNQ_GOTRUE_MAX,
		.once = !ask->repeatable,
	};
	enum fynq_fetch_end end = FYNQ_FETCH_UNREACHABLE;

	add_headers(rq, ask, &headers);
	fetch.n_headers = headers.n;
	for (int try = 0; try < TRIES && fetch.timeout_ms > 0; try++) {
		end = fynq_fetch(rq->arena, "accounts", &fetch, fetched_r);
		if (end != FYNQ_FETCH_UNREACHABLE && !(end == FYNQ_FETCH_BROKEN && ask->repeatable))
			break;
		fetch.timeout_ms = (deadline_us - fynq_clock_mono_us()) / 1000;
	}
	return end;
}

enum fynq_err
fynq_gotrue_ask(
    struct fynq_req *rq, const struct fynq_gotrue *ask, struct fynq_gotrue_answer *answer_r)
{
	struct fynq_fetched fetched;
	enum fynq_err e;

	*answer_r = (struct fynq_gotrue_answer){ .retry_after = -1 };
	if (fetch(rq, ask, &fetched) != FYNQ_FETCH_DONE)
		return FYNQ_E_AUTH_UNAVAILABLE; /* fynq_fetch() has logged why. */
	e = fynq_gotrue_read(rq->arena, ask, fetched.status, fetched.body, answer_r);
	answer_r->retry_after = fetched.retry_after;
	if (e == FYNQ_E_AUTH_UNAVAILABLE || e == FYNQ_E_RATE_LIMITED)
		fynq_log(FYNQ_LOG_WARN, "accounts", "%s %s: status %ld, %.*s", ask->method,
		    ask->path, answer_r->status,
		    FYNQ_STR_ARG(answer_r->code.p != NULL ? answer_r->code : FYNQ_STR("no code")));
	return e;
}

enum fynq_err
fynq_gotrue_fail(struct fynq_req *rq, enum fynq_err e, const struct fynq_gotrue_answer *answer)
{
	if (e == FYNQ_E_INVALID) {
		if (fynq_gotrue_is(answer, "weak_password"))
			fynq_fault(rq, FYNQ_STR("password"), "value",
			    "It is too weak for the service that keeps the accounts.");
		else
			fynq_fault(rq, FYNQ_STR("email"), "value",
			    "The service that keeps the accounts does not take it.");
		return e;
	}
	(void)fynq_fail(rq, e, NULL);
	if ((e == FYNQ_E_RATE_LIMITED || e == FYNQ_E_AUTH_UNAVAILABLE) && answer->retry_after > 0)
		rq->problem.retry_after = answer->retry_after < 86400 ? (int)answer->retry_after
								      : 86400;
	return e;
}

struct fynq_str
fynq_gotrue_object(struct fynq_arena *a, const struct fynq_gotrue_member *members, size_t n)
{
	struct fynq_buf b = FYNQ_BUF_INIT(
	    BODY_MAX); /* Inputs are smaller by far, escapes included. */
	struct fynq_str object;
	char before = '{';

	for (size_t i = 0; i < n; i++) {
		if (members[i].value.p == NULL)
			continue;
		fynq_buf_add_char(&b, before);
		fynq_buf_add_json(&b, fynq_str_of(members[i].name));
		fynq_buf_add_char(&b, ':');
		if (members[i].json)
			fynq_buf_add(&b, members[i].value);
		else
			fynq_buf_add_json(&b, members[i].value);
		before = ',';
	}
	fynq_buf_add(&b, before == '{' ? FYNQ_STR("{}") : FYNQ_STR("}"));
	object = fynq_arena_copy(a, fynq_buf_str(&b));
	fynq_buf_release(&b);
	return object;
}
