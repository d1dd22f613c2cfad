#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>

#include "alloc.h"
#include "buf.h"
#include "clock.h"
#include "fetch.h"
#include "log.h"

enum { HANDLES = 16, PROGRESS = 65536 };

/* Handles that are not in use, with the connections that they keep. */
static struct {
	pthread_mutex_t lock;
	CURL *idle[HANDLES];
	size_t n;
} pool = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* A request under way. */
struct transfer {
	const struct fynq_fetch *fetch;
	CURL *easy;
	struct fynq_buf body;
	struct fynq_fetched head;
	int64_t sent;		 /* of the file */
	int64_t moved, moved_us; /* how far a stream had come, and when */
	bool stopped, stalled, unread;
};

/* Before the first header, and again after an answer that is not the last, such as 100. */
static const struct fynq_fetched no_head = {
	.max_age = -1, .retry_after = -1, .length = -1, .range_from = -1, .range_last = -1
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

static bool
is_stream(const struct fynq_fetch *fetch)
{
	return fetch->file != NULL || fetch->take != NULL;
}

/* Whoever takes it may wait for a client of its own, which the other side is not to pay for. */
static bool
hand_on(struct transfer *t, struct fynq_str bytes)
{
	int64_t began_us = fynq_clock_mono_us();

	t->stopped = !t->fetch->take(t->fetch->take_arg, &t->head, bytes);
	t->moved_us += fynq_clock_mono_us() - began_us;
	return !t->stopped;
}

static size_t
on_body(char *p, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;

	(void)size;
	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &t->head.status);
	if (t->fetch->take != NULL && t->head.status / 100 == 2)
		return hand_on(t, (struct fynq_str){ p, n }) ? n : 0;
	fynq_buf_add(&t->body, (struct fynq_str){ p, n });
	return t->body.full ? 0 : n;
}

/* Never past the end that was said: a file that has grown since is sent as it was. */
static size_t
on_read(char *p, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	const struct fynq_fetch_file *file = t->fetch->file;
	int64_t left = file->bytes - t->sent;
	ssize_t got;

	n *= size;
	if (left <= 0)
		return 0;
	if ((int64_t)n > left)
		n = (size_t)left;
	do
		got = pread(file->fd, p, n, file->offset + t->sent);
	while (got < 0 && errno == EINTR);
	if (got <= 0) {
		t->unread = true;
		return CURL_READFUNC_ABORT;
	}
	t->sent += got;
	return (size_t)got;
}

/* Before it is sent once more, on another connection. */
static int
on_seek(void *arg, curl_off_t offset, int origin)
{
	struct transfer *t = arg;

	if (origin != SEEK_SET || offset < 0 || offset > t->fetch->file->bytes)
		return CURL_SEEKFUNC_FAIL;
	t->sent = offset;
	return CURL_SEEKFUNC_OK;
}

/* libcurl calls it whenever something moves, and every second when nothing does. */
static int
on_progress(void *arg, curl_off_t to_come, curl_off_t came, curl_off_t to_go, curl_off_t went)
{
	struct transfer *t = arg;
	int64_t moved = came + went, now_us = fynq_clock_mono_us();

	(void)to_come;
	(void)to_go;
	if (moved < t->moved || moved - t->moved >= PROGRESS) {
		t->moved = moved;
		t->moved_us = now_us;
	}
	t->stalled = now_us - t->moved_us > t->fetch->idle_ms * 1000;
	return t->stalled;
}

/* The number at the beginning of s; -1 for anything else. */
static int64_t
number(struct fynq_str s)
{
	struct fynq_str digits = s;
	int64_t n;

	for (digits.n = 0; digits.n < s.n && s.p[digits.n] >= '0' && s.p[digits.n] <= '9';)
		digits.n++;
	return digits.n > 0 && fynq_str_int(digits, &n) ? n : -1;
}

static void
read_cache_control(struct fynq_fetched *head, struct fynq_str value)
{
	struct fynq_str directive, rest = value;

	while (rest.p != NULL) {
		fynq_str_cut(rest, ',', &directive, &rest);
		directive = fynq_str_trim(directive);
		if (directive.n > 8 && strncasecmp(directive.p, "max-age=", 8) == 0)
			head->max_age = number(
			    (struct fynq_str){ directive.p + 8, directive.n - 8 });
	}
}

/* "bytes 0-99/1234" or "bytes 0-99/" and a star (RFC 9110 section 14.4). */
static void
read_content_range(struct fynq_fetched *head, struct fynq_str value)
{
	struct fynq_str unit, range, from, last;

	fynq_str_cut(value, ' ', &unit, &range);
	fynq_str_cut(range, '-', &from, &last);
	if (!fynq_str_ieq(unit, FYNQ_STR("bytes")) || last.p == NULL)
		return;
	head->range_from = number(from);
	head->range_last = number(last);
}

static size_t
on_header(char *p, size_t size, size_t n, void *arg)
{
	struct fynq_fetched *head = &((struct transfer *)arg)->head;
	struct fynq_str line = { p, n }, name, value;

	(void)size;
	if (fynq_str_starts(line, FYNQ_STR("HTTP/")))
		*head = no_head;
	fynq_str_cut(line, ':', &name, &value);
	if (value.p == NULL)
		return n;
	value = fynq_str_trim(value);
	if (fynq_str_ieq(name, FYNQ_STR("Cache-Control")))
		read_cache_control(head, value);
	else if (fynq_str_ieq(name, FYNQ_STR("Retry-After")))
		head->retry_after = number(value);
	else if (fynq_str_ieq(name, FYNQ_STR("Content-Length")))
		head->length = number(value);
	else if (fynq_str_ieq(name, FYNQ_STR("Content-Range")))
		read_content_range(head, value);
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
prepare_body(CURL *easy, struct transfer *t)
{
	const struct fynq_fetch *fetch = t->fetch;

	if (fetch->file != NULL) {
		curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)fetch->file->bytes);
		curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
		curl_easy_setopt(easy, CURLOPT_READDATA, t);
		curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
		curl_easy_setopt(easy, CURLOPT_SEEKDATA, t);
	} else if (fetch->body.p != NULL) {
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)fetch->body.n);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, fetch->body.p);
	}
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, fetch->method);
}

/* A stream has its connection to itself, for which the windows of HTTP/2 are only in the way. */
static void
prepare_limits(CURL *easy, struct transfer *t)
{
	int64_t timeout_ms = t->fetch->timeout_ms;

	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(timeout_ms / 2 + 1));
	if (!is_stream(t->fetch)) {
		curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
		return;
	}
	t->moved_us = fynq_clock_mono_us();
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(easy, CURLOPT_XFERINFODATA, t);
}

static void
prepare(CURL *easy, struct curl_slist *headers, struct transfer *t)
{
	const struct fynq_fetch *fetch = t->fetch;

	curl_easy_setopt(easy, CURLOPT_URL, fetch->url);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	if (fetch->ca_file != NULL && fetch->ca_file[0] != '\0')
		curl_easy_setopt(easy, CURLOPT_CAINFO, fetch->ca_file);
	prepare_body(easy, t);
	prepare_limits(easy, t);
	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, fetch->once ? 1L : 0L);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
}

static enum fynq_fetch_end
end_of(CURL *easy, CURLcode code, const struct transfer *t)
{
	long sent = 0;

	if (code == CURLE_OK)
		return FYNQ_FETCH_DONE;
	if (t->stopped)
		return FYNQ_FETCH_STOPPED;
	if (t->body.full)
		return FYNQ_FETCH_TOO_LARGE;
	curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &sent);
	if (sent == 0)
		return FYNQ_FETCH_UNREACHABLE;
	return code == CURLE_OPERATION_TIMEDOUT || t->stalled ? FYNQ_FETCH_TIMEOUT
							      : FYNQ_FETCH_BROKEN;
}

static void
log_end(const char *event, const struct transfer *t, CURLcode code)
{
	const char *url = t->fetch->url, *why = curl_easy_strerror(code);

	if (t->body.full)
		why = "the answer is too large";
	else if (t->unread)
		why = "the file to be sent is shorter than was said, or cannot be read";
	else if (t->stalled)
		why = "nothing moves any more";
	fynq_log(FYNQ_LOG_WARN, event, "%s %.*s: %s", t->fetch->method, (int)strcspn(url, "?#"),
	    url, why);
}

enum fynq_fetch_end
fynq_fetch(struct fynq_arena *a, const char *event, const struct fynq_fetch *fetch,
    struct fynq_fetched *fetched_r)
{
	struct curl_slist *headers = list_headers(a, fetch);
	CURL *easy = take_handle();
	struct transfer t = {
		.fetch = fetch, .easy = easy, .body = FYNQ_BUF_INIT(fetch->max), .head = no_head
	};
	enum fynq_fetch_end end;
	CURLcode code;

	prepare(easy, headers, &t);
	code = curl_easy_perform(easy);
	end = end_of(easy, code, &t);
	if (end == FYNQ_FETCH_DONE) {
		*fetched_r = t.head;
		curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &fetched_r->status);
		fetched_r->body = fynq_arena_copy(a, fynq_buf_str(&t.body));
	} else if (end != FYNQ_FETCH_STOPPED) {
		log_end(event, &t, code);
	}
	give_handle(easy);
	curl_slist_free_all(headers);
	fynq_buf_release(&t.body);
	return end;
}
