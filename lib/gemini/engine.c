#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include <curl/curl.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/evloop.h"
#include "base/fault.h"
#include "base/log.h"
#include "gemini/engine.h"
#include "gemini/error.h"

enum { TICK_MS = 250, RECEIVE_BUFFER = 32768, URL_MAX = 2048, ASKED_MAX = 86400 };

static void on_timer(struct fynq_timer *t);
static void on_tick(struct fynq_timer *t);
static void begin_transfer(struct fynq_gemini_call *call);

static struct {
	CURLM *multi;
	struct curl_slist *headers; /* shared by all calls; holds the key */
	struct fynq_gemini_call *calls;
	struct fynq_timer timer, tick;
} engine = { .timer.fire = on_timer, .tick.fire = on_tick };

static void
drop_transfer(struct fynq_gemini_call *call)
{
	curl_multi_remove_handle(engine.multi, call->easy);
	curl_easy_cleanup(call->easy);
	call->easy = NULL;
}

/* A call that has come to its end, one way or the other. */
static void
detach(struct fynq_gemini_call *call)
{
	*(call->prev != NULL ? &call->prev->next : &engine.calls) = call->next;
	if (call->next != NULL)
		call->next->prev = call->prev;
	call->prev = call->next = NULL;
	drop_transfer(call);
}

/*
 * The connection that carries the call, told by its local port as curl 7.88 names it in no other
 * way; 0 where there is none yet.
 */
static long
connection(struct fynq_gemini_call *call)
{
	if (call->port == 0)
		curl_easy_getinfo(call->easy, CURLINFO_LOCAL_PORT, &call->port);
	return call->port;
}

/*
 * curl 7.88 writes a stream's RST_STREAM into a buffer of the connection and leaves it there until
 * something else happens on it, so that Gemini would go on writing, and we paying. Another call on
 * the connection can push it out: pausing what it sends, which is nothing any more, flushes the
 * buffer. Where there is no other call, the connection is closed (see fynq_gemini_cancel()).
 */
static void
push_out(long port)
{
	for (struct fynq_gemini_call *call = engine.calls; call != NULL; call = call->next) {
		if (connection(call) == port) {
			curl_easy_pause(call->easy, CURLPAUSE_SEND);
			curl_easy_pause(call->easy, CURLPAUSE_CONT);
			return;
		}
	}
}

void
fynq_gemini_cancel(struct fynq_gemini_call *call)
{
	long port;

	if (call->easy == NULL)
		return;
	port = connection(call);
	curl_easy_setopt(call->easy, CURLOPT_FORBID_REUSE, 1L);
	detach(call);
	if (port != 0)
		push_out(port);
}

void
fynq_gemini_release(struct fynq_gemini_call *call)
{
	fynq_gemini_cancel(call);
	fynq_buf_release(&call->body);
	fynq_sse_release(&call->sse);
	fynq_gemini_reply_release(&call->reply);
}

static void
end(struct fynq_gemini_call *call, enum fynq_err error)
{
	fynq_gemini_cancel(call);
	call->error = error;
	call->ended(call);
}

/* When to come back may stand in Retry-After (RFC 9110 section 10.2.3), in RetryInfo, or in both.
 */
static enum fynq_err
refusal(struct fynq_gemini_call *call)
{
	int after = call->asked_after;
	enum fynq_err e = fynq_gemini_body_error(
	    (int)call->status, fynq_buf_str(&call->sse.raw), &call->retry_after);

	if (e == FYNQ_E_GEMINI_QUOTA && after < call->retry_after)
		call->asked_after = call->retry_after;
	else if (after > 0 && e != FYNQ_E_GEMINI_DAY && e != FYNQ_E_GEMINI_REFUSED)
		call->retry_after = after;
	return e;
}

/* What curl's end of a transfer, the HTTP status and the reply together come to. */
static enum fynq_err
judge(struct fynq_gemini_call *call, CURLcode code)
{
	enum fynq_err e;

	if (call->status != 200 && call->status != 0)
		return refusal(call);
	if (call->status == 0)
		return code == CURLE_OPERATION_TIMEDOUT ? FYNQ_E_GEMINI_TIMEOUT
							: FYNQ_E_GEMINI_FAILED;
	/* The finishReason decides, not curl: 7.88 may take a truncated body for a whole one. */
	e = fynq_gemini_reply_verdict(&call->reply);
	call->retry_after = call->reply.retry_after;
	if (e == FYNQ_E_GEMINI_CUT && call->sse.raw.n > 0)
		return fynq_gemini_body_error(0, fynq_buf_str(&call->sse.raw), &call->retry_after);
	if (call->bad)
		return FYNQ_E_GEMINI_FAILED;
	return e;
}

/* A kept connection may end just as a call is sent on it, or refuse it for its own reasons. */
static bool
connection_broke(CURLcode code)
{
	return code == CURLE_HTTP2 || code == CURLE_HTTP2_STREAM || code == CURLE_SEND_ERROR ||
	       code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING;
}

static void
transfer_done(CURL *easy, CURLcode code)
{
	struct fynq_gemini_call *call;
	curl_off_t after = 0;
	bool bad;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&call);
	if (call->status == 0) /* There was no body. */
		curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &call->status);
	if (call->status == 0 && !call->retried && connection_broke(code)) {
		call->retried = true;
		drop_transfer(call);
		begin_transfer(call);
		return;
	}
	curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &after);
	call->asked_after = (int)(after < ASKED_MAX ? after : ASKED_MAX);
	/* What on_event() takes for a fault here is an event that broke off: that is a cut. */
	bad = call->bad;
	call->bad = !fynq_sse_finish(&call->sse) || call->reply.text.full ||
		    call->reply.parts.full || bad;
	if (code != CURLE_OK && call->reply.finish[0] == '\0')
		fynq_log(
		    FYNQ_LOG_WARN, "gemini", "the transfer failed: %s", curl_easy_strerror(code));
	detach(call); /* It is over by itself: its connection stays for the next. */
	end(call, judge(call, code));
}

static void
collect(void)
{
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(engine.multi, &left)) != NULL)
		if (msg->msg == CURLMSG_DONE)
			transfer_done(msg->easy_handle, msg->data.result);
}

static void
act(curl_socket_t fd, int what)
{
	int running;

	curl_multi_socket_action(engine.multi, fd, what, &running);
	collect();
}

static void
on_socket(struct fynq_watch *w, uint32_t events)
{
	int what = ((events & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0) |
		   ((events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
		   ((events & (EPOLLERR | EPOLLHUP)) != 0 ? CURL_CSELECT_ERR : 0);

	act(w->fd, what);
}

/* curl opens, changes or closes its interest in a socket. */
static int
want_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct fynq_watch *w = socket_arg;

	(void)easy;
	(void)arg;
	if (what == CURL_POLL_REMOVE) {
		if (w != NULL)
			fynq_evloop_unwatch(w);
		free(w);
		return 0;
	}
	if (w == NULL) {
		w = fynq_alloc(sizeof(*w));
		*w = (struct fynq_watch){ .fd = fd, .ready = on_socket };
		curl_multi_assign(engine.multi, fd, w);
	}
	fynq_evloop_watch(w, ((what & CURL_POLL_IN) != 0 ? EPOLLIN : 0) |
				 ((what & CURL_POLL_OUT) != 0 ? EPOLLOUT : 0));
	return 0;
}

static int
want_timer(CURLM *multi, long ms, void *arg)
{
	(void)multi;
	(void)arg;
	if (ms < 0)
		fynq_evloop_timer_clear(&engine.timer);
	else
		fynq_evloop_timer_set(&engine.timer, ms);
	return 0;
}

static void
on_timer(struct fynq_timer *t)
{
	(void)t;
	act(CURL_SOCKET_TIMEOUT, 0);
}

static bool
too_late(const struct fynq_gemini_call *call, int64_t now)
{
	if (now > call->total_us)
		return true;
	return call->words_us == 0 ? now > call->first_us
				   : now - call->last_us > fynq_config.gemini_between_ms * 1000;
}

static void
on_tick(struct fynq_timer *t)
{
	int64_t now = fynq_clock_mono_us();
	struct fynq_gemini_call *call, *next;

	/* ended() may start calls, at the head of the list, and frees none but its own. */
	for (call = engine.calls; call != NULL; call = next) {
		next = call->next;
		if (too_late(call, now))
			end(call, FYNQ_E_GEMINI_TIMEOUT);
	}
	fynq_evloop_timer_set(t, TICK_MS);
}

static void
on_event(void *arg, struct fynq_str data)
{
	struct fynq_gemini_call *call = arg;
	struct fynq_str text;

	if (call->bad) /* What follows a fault is not believed, though it came in the same bytes. */
		return;
	if (!fynq_gemini_reply_add(&call->reply, data, &text))
		call->bad = true;
	if (text.n == 0)
		return;
	call->last_us = fynq_clock_mono_us();
	if (call->words_us == 0) {
		call->words_us = call->last_us;
		if (call->sent) /* It is not sent again. */
			fynq_buf_release(&call->body);
	}
	call->text(call, text);
}

static size_t
on_bytes(char *p, size_t size, size_t n, void *arg)
{
	struct fynq_gemini_call *call = arg;
	struct fynq_str bytes = { p, size * n };
	curl_off_t sent = 0;

	if (call->status == 0) {
		curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &call->status);
		/* A server may answer before it has read all; curl goes on sending from here. */
		curl_easy_getinfo(call->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
		call->sent = (size_t)sent >= call->body.n;
	}
	if (call->status != 200)
		fynq_buf_add(
		    &call->sse.raw, bytes); /* Past its maximum there is nothing to learn. */
	else if (!fynq_sse_feed(&call->sse, bytes))
		call->bad = true;
	return call->bad ? 0 : bytes.n;
}

static CURL *
new_transfer(struct fynq_gemini_call *call)
{
	CURL *easy = curl_easy_init();
	char url[URL_MAX];

	if (easy == NULL)
		fynq_log_fatal("memory", "no curl handle");
	snprintf(url, sizeof(url), "%s/models/%s:streamGenerateContent?alt=sse",
	    fynq_config.gemini_url, call->model);
	call->header = (struct curl_slist){ call->trace, engine.headers };
	curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(
	    easy, CURLOPT_HTTPHEADER, call->trace[0] != '\0' ? &call->header : engine.headers);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.n);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body.p);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)RECEIVE_BUFFER);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)fynq_config.gemini_connect_ms);
	if (fynq_config.gemini_ca_file[0] != '\0')
		curl_easy_setopt(easy, CURLOPT_CAINFO, fynq_config.gemini_ca_file);
	return easy;
}

static void
begin_transfer(struct fynq_gemini_call *call)
{
	call->easy = new_transfer(call);
	call->port = 0;
	if (fynq_fault_now() || curl_multi_add_handle(engine.multi, call->easy) != CURLM_OK)
		call->total_us = 0; /* The next tick ends it. */
}

void
fynq_gemini_send(struct fynq_gemini_call *call)
{
	fynq_sse_release(&call->sse);
	fynq_gemini_reply_release(&call->reply);
	call->started_us = call->last_us = fynq_clock_mono_us();
	call->words_us = 0;
	call->status = 0;
	call->retry_after = call->asked_after = 0;
	call->sent = call->bad = call->retried = false;
	fynq_gemini_reply_init(&call->reply, (size_t)fynq_config.reply_max);
	fynq_sse_init(&call->sse, on_event, call);
	call->next = engine.calls;
	if (engine.calls != NULL)
		engine.calls->prev = call;
	engine.calls = call;
	begin_transfer(call);
}

static void
add_header(const char *name, const char *value)
{
	char line[2048];

	snprintf(line, sizeof(line), "%s:%s%s", name, value[0] != 0 ? " " : "", value);
	engine.headers = curl_slist_append(engine.headers, line);
	if (engine.headers == NULL)
		fynq_log_fatal("memory", "no curl header");
}

void
fynq_gemini_init(void)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
	    (engine.multi = curl_multi_init()) == NULL)
		fynq_log_fatal("curl", "curl does not start");
	curl_multi_setopt(engine.multi, CURLMOPT_SOCKETFUNCTION, want_socket);
	curl_multi_setopt(engine.multi, CURLMOPT_TIMERFUNCTION, want_timer);
	curl_multi_setopt(engine.multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
	/* Without a bound curl opens nearly a connection a stream. */
	curl_multi_setopt(
	    engine.multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)fynq_config.gemini_connections);
	curl_multi_setopt(engine.multi, CURLMOPT_MAXCONNECTS, (long)fynq_config.gemini_connections);
	add_header("Content-Type", "application/json");
	add_header("x-goog-api-key", fynq_config.gemini_api_key);
	add_header("Expect", "");
	fynq_evloop_timer_set(&engine.tick, TICK_MS);
}
