#include <pthread.h>
#include <string.h>

#include <curl/curl.h>

#include "alloc.h"
#include "buf.h"
#include "fetch.h"
#include "log.h"

enum { HANDLES = 16 };

/* Handles that are not in use, with the connections that they keep. */
static struct {
	pthread_mutex_t lock;
	CURL *idle[HANDLES];
	size_t n;
} pool = { .lock = PTHREAD_MUTEX_INITIALIZER };

struct answer {
	struct fynq_buf body;
	int64_t max_age, retry_after;
};

void
fynq_fetch_init(void)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		fynq_log_fatal("fetch", "libcurl does not start");
}

static CURL *
take_handle(void)
{
	CURL *easy = NULL;

	pthread_mutex_lock(&pool.lock);
	if (pool.n > 0)
		easy = pool.idle[--pool.n];
	pthread_mutex_unlock(&pool.lock);
	if (easy == NULL && (easy = curl_easy_init()) == NULL)
		fynq_log_fatal("fetch", "libcurl gives no handle");
	return easy;
}

static void
give_handle(CURL *easy)
{
	curl_easy_reset(easy); /* Its connections stay. */
	pthread_mutex_lock(&pool.lock);
	if (pool.n < HANDLES) {
		pool.idle[pool.n++] = easy;
		easy = NULL;
	}
	pthread_mutex_unlock(&pool.lock);
	curl_easy_cleanup(easy);
}

static size_t
on_body(char *p, size_t size, size_t n, void *arg)
{
	struct answer *answer = arg;

	(void)size;
	fynq_buf_add(&answer->body, (struct fynq_str){ p, n });
	return answer->body.full ? 0 : n;
}

/* A number of seconds at the beginning of s; -1 for anything else. */
static int64_t
seconds(struct fynq_str s)
{
	struct fynq_str digits = s;
	int64_t n;

	for (digits.n = 0; digits.n < s.n && s.p[digits.n] >= '0' && s.p[digits.n] <= '9';)
		digits.n++;
	return digits.n > 0 && fynq_str_int(digits, &n) ? n : -1;
}

static void
read_cache_control(struct answer *answer, struct fynq_str value)
{
	struct fynq_str directive, rest = value;

	while (rest.p != NULL) {
		fynq_str_cut(rest, ',', &directive, &rest);
		directive = fynq_str_trim(directive);
		if (directive.n > 8 && strncasecmp(directive.p, "max-age=", 8) == 0)
			answer->max_age = seconds(
			    (struct fynq_str){ directive.p + 8, directive.n - 8 });
	}
}

static size_t
on_header(char *p, size_t size, size_t n, void *arg)
{
	struct answer *answer = arg;
	struct fynq_str name, value;

	(void)size;
	fynq_str_cut((struct fynq_str){ p, n }, ':', &name, &value);
	if (value.p == NULL)
		return n;
	value = fynq_str_trim(value);
	if (fynq_str_ieq(name, FYNQ_STR("Cache-Control")))
		read_cache_control(answer, value);
	else if (fynq_str_ieq(name, FYNQ_STR("Retry-After")))
		answer->retry_after = seconds(value);
	return n;
}

static struct curl_slist *
list_headers(struct fynq_arena *a, const struct fynq_fetch *fetch)
{
	/* No "Expect: 100-continue": it costs a second where the server does not know it. */
	struct curl_slist *list = curl_slist_append(NULL, "Expect:");

	for (size_t i = 0; list != NULL && i < fetch->n_headers; i++)
		list = curl_slist_append(list, fynq_arena_strdup(a, fetch->headers[i]));
	if (list == NULL)
		fynq_log_fatal("fetch", "no memory for headers");
	return list;
}

static void
prepare(
    CURL *easy, const struct fynq_fetch *fetch, struct curl_slist *headers, struct answer *answer)
{
	curl_easy_setopt(easy, CURLOPT_URL, fetch->url);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)fetch->timeout_ms);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(fetch->timeout_ms / 2 + 1));
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	if (fetch->ca_file != NULL && fetch->ca_file[0] != '\0')
		curl_easy_setopt(easy, CURLOPT_CAINFO, fetch->ca_file);
	if (fetch->body.p != NULL) {
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)fetch->body.n);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, fetch->body.p);
	}
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, fetch->method);
	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, fetch->once ? 1L : 0L);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, answer);
}

static enum fynq_fetch_end
end_of(CURL *easy, CURLcode code, const struct answer *answer)
{
	long sent = 0;

	if (code == CURLE_OK)
		return FYNQ_FETCH_DONE;
	if (answer->body.full)
		return FYNQ_FETCH_TOO_LARGE;
	curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &sent);
	if (sent == 0)
		return FYNQ_FETCH_UNREACHABLE;
	return code == CURLE_OPERATION_TIMEDOUT ? FYNQ_FETCH_TIMEOUT : FYNQ_FETCH_BROKEN;
}

enum fynq_fetch_end
fynq_fetch(struct fynq_arena *a, const char *event, const struct fynq_fetch *fetch,
    struct fynq_fetched *fetched_r)
{
	struct answer answer = { FYNQ_BUF_INIT(fetch->max), -1, -1 };
	struct curl_slist *headers = list_headers(a, fetch);
	CURL *easy = take_handle();
	enum fynq_fetch_end end;
	CURLcode code;

	prepare(easy, fetch, headers, &answer);
	code = curl_easy_perform(easy);
	end = end_of(easy, code, &answer);
	if (end == FYNQ_FETCH_DONE) {
		*fetched_r = (struct fynq_fetched){ .max_age = answer.max_age,
			.retry_after = answer.retry_after };
		curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &fetched_r->status);
		fetched_r->body = fynq_arena_copy(a, fynq_buf_str(&answer.body));
	} else {
		fynq_log(FYNQ_LOG_WARN, event, "%s %.*s: %s", fetch->method,
		    (int)strcspn(fetch->url, "?#"), fetch->url,
		    end == FYNQ_FETCH_TOO_LARGE ? "the answer is too large"
						: curl_easy_strerror(code));
	}
	give_handle(easy);
	curl_slist_free_all(headers);
	fynq_buf_release(&answer.body);
	return end;
}
