/*
 * A fast mock of the Gemini API for measuring: HTTP/2 over TLS, one thread.
 *
 * It answers :streamGenerateContent?alt=sse, :generateContent and :countTokens as the service does
 * and as tests/fakes/gemini, which is for tests, plays it: every event a whole reply object, the
 * last with finishReason. What it says are marks (tool.h), so that a reader knows when each was
 * sent and whether one is missing. Commands:
 *
 *	play EVENTS INTERVAL_US SIZE	what calls from now on get: EVENTS marks of SIZE bytes,
 *					one each interval. 0 events: until `finish`. An interval
 *					of 0: as fast as the reader takes them. A new interval
 *					holds for the calls that run, too, unless one of them is 0.
 *	finish				endless calls end with their next event
 *	stats				counts; late_us is the latest event since the last stats
 *	cancels				[call, time in us] of each call that was given up, once
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "bench/h2.h"
#include "bench/tool.h"

enum { EVENTS_MAX = 1 << 20, OUT_MAX = 4 << 20, ENDLESS = 0, IDLE_MS = 1000, ANSWER_MAX = 4 << 20 };

enum verb { UNKNOWN, STREAM, WHOLE, COUNT };

struct connection {
	struct h2 h2;
	TAILQ_HEAD(, call) calls;
	TAILQ_ENTRY(connection) dirty;
	bool is_dirty;
};

struct call {
	TAILQ_ENTRY(call) of_connection, due;
	struct connection *connection;
	uint64_t number;
	int32_t stream;
	bool post, key, begun, json; /* what was right about the request so far */
	enum verb verb;
	bool queued, ended;
	unsigned int events, said; /* how many it is to get and got; ENDLESS for the former */
	int64_t interval_us, due_us;
	struct fynq_buf out;
	size_t sent; /* of out */
};

static struct {
	SSL_CTX *tls;
	nghttp2_session_callbacks *callbacks;
	TAILQ_HEAD(, call) due;		/* running calls, the one to speak next first */
	TAILQ_HEAD(, connection) dirty; /* have something to write */
	unsigned int events;
	int64_t interval_us;
	size_t size;
	bool finish;

	uint64_t requests, bad, open, connections, said, n_cancels;
	int64_t late_us;
	struct fynq_buf cancels;
} mock = {
	.due = TAILQ_HEAD_INITIALIZER(mock.due),
	.dirty = TAILQ_HEAD_INITIALIZER(mock.dirty),
	.events = 8,
	.size = 48,
	.cancels = FYNQ_BUF_INIT(ANSWER_MAX),
};

static void
soil(struct connection *c)
{
	if (c->is_dirty)
		return;
	c->is_dirty = true;
	TAILQ_INSERT_TAIL(&mock.dirty, c, dirty);
}

static void
clean(struct connection *c)
{
	if (c->is_dirty)
		TAILQ_REMOVE(&mock.dirty, c, dirty);
	c->is_dirty = false;
}

/* The reply object around a text, as the service writes it. */
static void
add_object(struct call *call, const struct mark *m, bool finished)
{
	struct fynq_buf *out = &call->out;
	unsigned int tokens = (unsigned int)((call->said * mock.size + 3) / 4);

	fynq_buf_add(out, FYNQ_STR("{\"candidates\": [{\"content\": {\"parts\": [{\"text\": \""));
	if (m != NULL)
		mark_add(out, m, mock.size);
	fynq_buf_add(out, FYNQ_STR("\"}],\"role\": \"model\"},"));
	if (finished)
		fynq_buf_add(out, FYNQ_STR("\"finishReason\": \"STOP\","));
	fynq_buf_printf(out,
	    "\"index\": 0}],\"usageMetadata\": {\"promptTokenCount\": 9,"
	    "\"candidatesTokenCount\": %u,\"totalTokenCount\": %u,"
	    "\"promptTokensDetails\": [{\"modality\": \"TEXT\",\"tokenCount\": 9}]},"
	    "\"modelVersion\": \"gemini-2.5-flash\",\"responseId\": \"bench-%llu\"}",
	    tokens, tokens + 9, (unsigned long long)call->number);
}

/* Say one mark, and after the last one the end. */
static void
say(struct call *call, int64_t now)
{
	bool last = call->events == ENDLESS ? mock.finish : call->said + 1 == call->events;
	struct mark m = { call->number, call->said++, now, last };
	bool sse = call->verb == STREAM;

	mock.said++;
	if (sse)
		fynq_buf_add(&call->out, FYNQ_STR("data: "));
	add_object(call, &m, last && !sse);
	if (sse)
		fynq_buf_add(&call->out, FYNQ_STR("\r\n\r\n"));
	if (last && sse) {
		fynq_buf_add(&call->out, FYNQ_STR("data: "));
		add_object(call, NULL, true);
		fynq_buf_add(&call->out, FYNQ_STR("\r\n\r\n"));
	}
	call->ended = last;
	if (call->out.full)
		die("a reader is %d bytes behind", OUT_MAX);
}

static ssize_t
read_reply(nghttp2_session *session, int32_t stream, uint8_t *to, size_t size, uint32_t *flags,
    nghttp2_data_source *source, void *arg)
{
	struct call *call = source->ptr;
	size_t n;

	(void)session;
	(void)stream;
	(void)arg;
	if (call->sent == call->out.n) {
		fynq_buf_reset(&call->out);
		call->sent = 0;
		if (call->interval_us == 0 && !call->ended)
			say(call, fynq_clock_mono_us());
	}
	n = call->out.n - call->sent < size ? call->out.n - call->sent : size;
	if (n == 0 && !call->ended)
		return NGHTTP2_ERR_DEFERRED;
	if (n > 0)
		memcpy(to, call->out.p + call->sent, n);
	call->sent += n;
	if (call->ended && call->sent == call->out.n)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)n;
}

/*
 * All that are due, in order. Each goes to the queue's end with its next time: as they have one
 * interval, the queue stays in order.
 */
static void
say_due(void)
{
	int64_t now = fynq_clock_mono_us();
	struct call *call;

	while ((call = TAILQ_FIRST(&mock.due)) != NULL && call->due_us <= now) {
		if (now - call->due_us > mock.late_us)
			mock.late_us = now - call->due_us;
		say(call, now);
		TAILQ_REMOVE(&mock.due, call, due);
		call->queued = !call->ended;
		call->due_us += call->interval_us;
		if (call->queued)
			TAILQ_INSERT_TAIL(&mock.due, call, due);
		nghttp2_session_resume_data(call->connection->h2.session, call->stream);
		soil(call->connection);
	}
}

/* How long until the next is due, in ms. */
static int
wait_ms(void)
{
	struct call *call = TAILQ_FIRST(&mock.due);
	int64_t us = call != NULL ? call->due_us - fynq_clock_mono_us() : IDLE_MS * 1000;

	return us <= 0 ? 0 : (int)((us + 999) / 1000);
}

/* Keep the queue in order, where it can be: what is left of an interval shrinks as that does. */
static void
set_interval(int64_t us)
{
	int64_t now = fynq_clock_mono_us(), old = mock.interval_us;
	struct call *call;

	mock.interval_us = us;
	if (us == 0 || old == 0)
		return;
	TAILQ_FOREACH(call, &mock.due, due)
	{
		call->due_us = now + (call->due_us - now) * us / old;
		call->interval_us = us;
	}
}

static void
refuse(struct call *call)
{
	const nghttp2_nv headers[] = { H2_HEADER(":status", "400") };

	mock.bad++;
	call->ended = true;
	nghttp2_submit_response(call->connection->h2.session, call->stream, headers, 1, NULL);
}

static void
begin_reply(struct call *call)
{
	bool sse = call->verb == STREAM;
	const nghttp2_nv headers[] = { H2_HEADER(":status", "200"),
		H2_HEADER("content-type", sse ? "text/event-stream" : "application/json") };
	nghttp2_data_provider body = { .source.ptr = call, .read_callback = read_reply };

	mock.requests++;
	if (!call->post || !call->key || !call->json || call->verb == UNKNOWN) {
		refuse(call);
		return;
	}
	call->events = sse ? mock.events : 1;
	call->interval_us = sse ? mock.interval_us : 0;
	if (call->verb == COUNT) {
		fynq_buf_add(&call->out, FYNQ_STR("{\"totalTokens\": 9}"));
		call->ended = true;
	} else if (call->interval_us > 0) {
		say(call, fynq_clock_mono_us());
		call->queued = !call->ended;
		call->due_us = fynq_clock_mono_us() + call->interval_us;
		if (call->queued)
			TAILQ_INSERT_TAIL(&mock.due, call, due);
	}
	nghttp2_submit_response(call->connection->h2.session, call->stream, headers, 2, &body);
}

static bool
ends_in(struct fynq_str s, struct fynq_str end)
{
	return s.n >= end.n && memcmp(s.p + s.n - end.n, end.p, end.n) == 0;
}

static enum verb
verb_of(struct fynq_str path)
{
	if (!fynq_str_starts(path, FYNQ_STR("/v1beta/models/")))
		return UNKNOWN;
	if (ends_in(path, FYNQ_STR(":streamGenerateContent?alt=sse")))
		return STREAM;
	if (ends_in(path, FYNQ_STR(":generateContent")))
		return WHOLE;
	return ends_in(path, FYNQ_STR(":countTokens")) ? COUNT : UNKNOWN;
}

static int
on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	static uint64_t number;
	struct connection *c = arg;
	struct call *call = fynq_alloc(sizeof(*call));

	call->connection = c;
	call->number = ++number;
	call->stream = frame->hd.stream_id;
	call->out = (struct fynq_buf)FYNQ_BUF_INIT(OUT_MAX);
	TAILQ_INSERT_TAIL(&c->calls, call, of_connection);
	mock.open++;
	return nghttp2_session_set_stream_user_data(session, call->stream, call);
}

static int
on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t n_name,
    const uint8_t *value, size_t n_value, uint8_t flags, void *arg)
{
	struct call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
	struct fynq_str key = { (const char *)name, n_name },
			text = { (const char *)value, n_value };

	(void)flags;
	(void)arg;
	if (call == NULL)
		return 0;
	if (fynq_str_eq(key, FYNQ_STR(":method")))
		call->post = fynq_str_eq(text, FYNQ_STR("POST"));
	else if (fynq_str_eq(key, FYNQ_STR(":path")))
		call->verb = verb_of(text);
	else if (fynq_str_eq(key, FYNQ_STR("x-goog-api-key")))
		call->key = text.n > 0;
	return 0;
}

/* A body that begins as an object and ends as one. */
static int
on_data(
    nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *p, size_t n, void *arg)
{
	struct call *call = nghttp2_session_get_stream_user_data(session, stream);

	(void)flags;
	(void)arg;
	if (call == NULL || n == 0)
		return 0;
	if (!call->begun && p[0] != '{')
		call->verb = UNKNOWN;
	call->begun = true;
	call->json = p[n - 1] == '}';
	return 0;
}

static int
on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

	(void)arg;
	if (call == NULL || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
		return 0;
	begin_reply(call);
	return 0;
}

static void
end_call(struct call *call, bool given_up)
{
	if (given_up) {
		fynq_buf_printf(&mock.cancels, "%c[%llu,%lld]", mock.n_cancels++ == 0 ? '[' : ',',
		    (unsigned long long)call->number, (long long)fynq_clock_mono_us());
		if (mock.cancels.full)
			die("too many cancels");
	}
	if (call->queued)
		TAILQ_REMOVE(&mock.due, call, due);
	TAILQ_REMOVE(&call->connection->calls, call, of_connection);
	fynq_buf_release(&call->out);
	free(call);
	mock.open--;
}

static int
on_stream_close(nghttp2_session *session, int32_t stream, uint32_t error, void *arg)
{
	struct call *call = nghttp2_session_get_stream_user_data(session, stream);

	(void)arg;
	if (call != NULL)
		end_call(call, error != NGHTTP2_NO_ERROR || !call->ended);
	return 0;
}

static void
on_closed(struct h2 *h)
{
	struct connection *c = (struct connection *)h;
	struct call *call;

	while ((call = TAILQ_FIRST(&c->calls)) != NULL)
		end_call(call, true);
	clean(c);
	mock.connections--;
}

static void
on_connect(struct fynq_watch *w, uint32_t events)
{
	struct connection *c;
	int fd;

	(void)events;
	while ((fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		c = fynq_alloc(sizeof(*c));
		c->h2.closed = on_closed;
		TAILQ_INIT(&c->calls);
		mock.connections++;
		h2_open(&c->h2, fd, mock.tls, true, mock.callbacks);
	}
}

static void
print_stats(void)
{
	struct fynq_buf b = FYNQ_BUF_INIT(1024);

	fynq_buf_printf(&b,
	    "{\"requests\":%llu,\"bad\":%llu,\"open\":%llu,\"connections\":%llu,\"events\":%llu,"
	    "\"cancels\":%llu,\"late_us\":%lld,\"cpu_us\":%lld}",
	    (unsigned long long)mock.requests, (unsigned long long)mock.bad,
	    (unsigned long long)mock.open, (unsigned long long)mock.connections,
	    (unsigned long long)mock.said, (unsigned long long)mock.n_cancels,
	    (long long)mock.late_us, (long long)cpu_us());
	mock.late_us = 0;
	answer(&b);
}

static void
print_cancels(void)
{
	if (mock.n_cancels == 0)
		fynq_buf_add_char(&mock.cancels, '[');
	fynq_buf_add_char(&mock.cancels, ']');
	answer(&mock.cancels);
	mock.n_cancels = 0;
}

static void
on_command(char *line)
{
	unsigned int events, size;
	long long interval;

	if (sscanf(line, "play %u %lld %u", &events, &interval, &size) == 3) {
		if (events > EVENTS_MAX || interval < 0 || size < MARK_MIN || size > MARK_MAX)
			die("play: out of bounds");
		mock.events = events;
		mock.size = size;
		mock.finish = false;
		set_interval(interval);
	} else if (strcmp(line, "finish") == 0) {
		mock.finish = true;
	} else if (strcmp(line, "cancels") == 0) {
		print_cancels();
		return;
	} else if (strcmp(line, "stats") != 0) {
		die("no such command: %s", line);
	}
	print_stats();
}

static int
choose_h2(SSL *ssl, const unsigned char **out, unsigned char *n_out, const unsigned char *in,
    unsigned int n_in, void *arg)
{
	(void)ssl;
	(void)arg;
	return nghttp2_select_next_protocol((unsigned char **)(uintptr_t)out, n_out, in, n_in) == 1
		   ? SSL_TLSEXT_ERR_OK
		   : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static void
prepare(const char *cert, const char *key)
{
	mock.tls = SSL_CTX_new(TLS_server_method());
	if (SSL_CTX_use_certificate_chain_file(mock.tls, cert) != 1 ||
	    SSL_CTX_use_PrivateKey_file(mock.tls, key, SSL_FILETYPE_PEM) != 1)
		die("cannot read %s and %s", cert, key);
	SSL_CTX_set_alpn_select_cb(mock.tls, choose_h2, NULL);
	nghttp2_session_callbacks_new(&mock.callbacks);
	nghttp2_session_callbacks_set_on_begin_headers_callback(mock.callbacks, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(mock.callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(mock.callbacks, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(mock.callbacks, on_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(mock.callbacks, on_stream_close);
}

static void
listen_somewhere(void)
{
	static struct fynq_watch watch = { .ready = on_connect };
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, n) != 0 || listen(fd, 4096) != 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &n) != 0)
		die("cannot listen: %s", strerror(errno));
	watch.fd = fd;
	fynq_evloop_watch(&watch, EPOLLIN);
	printf(
	    "{\"url\":\"https://127.0.0.1:%d\",\"pid\":%d}\n", ntohs(at.sin_port), (int)getpid());
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	struct connection *c;

	if (argc != 3)
		die("usage: mock CERTIFICATE.pem KEY.pem");
	signal(SIGPIPE, SIG_IGN);
	raise_descriptors();
	fynq_evloop_init();
	prepare(argv[1], argv[2]);
	listen_somewhere();
	take_commands(on_command);
	for (;;) {
		fynq_evloop_turn(wait_ms());
		say_due();
		while ((c = TAILQ_FIRST(&mock.dirty)) != NULL) {
			clean(c);
			h2_flush(&c->h2);
		}
	}
}
