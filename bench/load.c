/*
 * A load client: thousands of students who ask at once, on one thread.
 *
 * Each seat asks a question, reads the reply as it comes, and asks the next. It speaks HTTP/1.1
 * with kept connections to Nginx, or (--direct) HTTP/2 to the mock itself, to know what of a delay
 * is fynq's. Every mark of the mock (tool.h) is checked. Commands:
 *
 *	report	counts since the start; durations since the last report. Printed, too, with "ended",
 *		when the last question is answered
 *	closes	[call, time in us] of each stream that was left, once
 *	stop	no further questions
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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

enum {
	SEATS_MAX = 20000,
	TOKENS_MAX = 1000,
	STREAMS = 100, /* that share a connection to the mock */
	ADDRESSES = 4, /* of this client, as each has but 28,000 ports */
	HEAD_MAX = 16384,
	BODY_MAX = 4 << 20,
	ANSWER_MAX = 4 << 20,
	IDLE_MS = 1000
};

/* What of a response is to come next. */
enum part { HEAD, CHUNK_SIZE, CHUNK, CHUNK_END, CHUNK_LAST, BODY, OVER };

enum event { NO_EVENT, DELTA, DONE, FAILURE };

struct seat {
	struct fynq_watch watch; /* fd is -1 without a connection */
	TAILQ_ENTRY(seat) free;
	struct direct *direct; /* in place of a connection of its own */
	int32_t stream;
	bool busy, reused;

	struct fynq_buf request;
	size_t sent;

	enum part part;
	int status;
	bool chunked, closes;
	size_t left;	       /* of the chunk or the body */
	struct fynq_buf frame; /* a line of the head, or of a chunk's size, that is not whole */
	struct fynq_buf line;  /* the same of the event stream; or a whole body */

	enum event event;
	struct mark_reader marks;
	uint64_t hash; /* of the text so far */
	bool done;     /* the answer said so */
	bool differs;  /* what is stored is not what came */

	int64_t began_us, last_us, last_delay_us;
	unsigned int leave_after; /* so many marks; UINT_MAX for never */
};

/* A connection to the mock, for STREAMS seats. */
struct direct {
	struct h2 h2;
	size_t first; /* of its seats */
};

static struct {
	struct sockaddr_in to;
	bool direct, whole;
	int64_t seats, requests, rate, ramp, leave_percent, leave_min, leave_max;
	char *tokens[TOKENS_MAX];
	size_t n_tokens;

	struct seat *seat;
	struct direct *directs[SEATS_MAX / STREAMS];
	TAILQ_HEAD(, seat) free;
	SSL_CTX *tls;
	nghttp2_session_callbacks *callbacks;
	int64_t t0_us;
	bool blocked; /* no seat was free when a question was due */
	bool ended;

	int64_t started, ok, failed, gone, in_flight, speaking;
	uint64_t events;
	int64_t statuses[600];
	struct hist delay, gap, first, total;
	struct fynq_buf closes;
	uint64_t n_closes;
} load = { .seats = 1, .requests = INT64_MAX, .leave_max = 1, .closes = FYNQ_BUF_INIT(ANSWER_MAX) };

static void
hang_up(struct seat *s)
{
	if (s->watch.fd < 0)
		return;
	fynq_evloop_unwatch(&s->watch);
	close(s->watch.fd);
	s->watch.fd = -1;
}

/* The answer is over, or given up: the seat is free. */
static void
rise(struct seat *s)
{
	s->busy = false;
	load.in_flight--;
	load.speaking -= s->marks.next > 0;
	fynq_buf_release(&s->line);
	TAILQ_INSERT_TAIL(&load.free, s, free);
}

static void
finish(struct seat *s, bool whole)
{
	bool ok = whole && s->done && s->marks.ended && !s->marks.bad && !s->differs &&
		  (s->status == 200 || s->status == 201);

	if (ok) {
		load.ok++;
		hist_add(&load.total, fynq_clock_mono_us() - s->began_us);
	} else {
		load.failed++;
		load.statuses[s->status > 0 && s->status < 600 ? s->status : 0]++;
	}
	rise(s);
}

static void
leave(struct seat *s)
{
	int64_t now = fynq_clock_mono_us();

	hang_up(s);
	load.gone++;
	if (s->marks.next > 0)
		fynq_buf_printf(&load.closes, "%c[%llu,%lld]", load.n_closes++ == 0 ? '[' : ',',
		    (unsigned long long)s->marks.call, (long long)now);
	rise(s);
}

static void
got_mark(void *arg, const struct mark *m)
{
	struct seat *s = arg;
	int64_t delay = s->last_us - m->sent_us;

	load.events++;
	load.speaking += m->index == 0;
	if (load.whole)
		return;
	hist_add(&load.delay, delay);
	if (m->index == 0) {
		hist_add(&load.first, s->last_us - s->began_us);
	} else {
		hist_add(&load.gap, llabs(delay - s->last_delay_us));
	}
	s->last_delay_us = delay;
}

static uint64_t
hash(uint64_t h, struct fynq_str s)
{
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * UINT64_C(0x100000001b3);
	return h;
}

/* The string of a member; what the mock says needs no escapes. Empty where there is none. */
static struct fynq_str
member(struct fynq_str json, struct fynq_str name)
{
	const char *end = json.p + json.n, *p = memmem(json.p, json.n, name.p, name.n), *quote;

	if (p == NULL)
		return FYNQ_STR("");
	for (p += name.n; p < end && (*p == ' ' || *p == ':'); p++)
		;
	if (p == end || *p++ != '"' || (quote = memchr(p, '"', (size_t)(end - p))) == NULL)
		return FYNQ_STR("");
	return (struct fynq_str){ p, (size_t)(quote - p) };
}

static void
take_text(struct seat *s, struct fynq_str text)
{
	s->hash = hash(s->hash, text);
	mark_read(&s->marks, text, got_mark, s);
}

/* The data of an event: of fynq's, or of Gemini's, which have no name. */
static void
take_data(struct seat *s, struct fynq_str data)
{
	switch (s->event) {
	case NO_EVENT:
		if (!load.direct)
			return;
		take_text(s, member(data, FYNQ_STR("\"text\"")));
		s->done = s->done || memmem(data.p, data.n, "\"finishReason\"", 14) != NULL;
		break;
	case DELTA:
		take_text(s, member(data, FYNQ_STR("\"text\"")));
		break;
	case DONE:
		s->done = true;
		s->differs = hash(0, member(data, FYNQ_STR("\"content\""))) != s->hash;
		break;
	case FAILURE:
		s->differs = true;
	}
}

static void
take_line(struct seat *s, struct fynq_str line)
{
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	if (line.n == 0)
		s->event = NO_EVENT;
	else if (fynq_str_starts(line, FYNQ_STR("data: ")))
		take_data(s, (struct fynq_str){ line.p + 6, line.n - 6 });
	else if (fynq_str_eq(line, FYNQ_STR("event: delta")))
		s->event = DELTA;
	else if (fynq_str_eq(line, FYNQ_STR("event: done")))
		s->event = DONE;
	else if (fynq_str_eq(line, FYNQ_STR("event: error")))
		s->event = FAILURE;
}

/* Cut the next whole line off, without its end; what is not whole yet is kept. */
static bool
next_line(struct fynq_buf *kept, struct fynq_str *bytes, struct fynq_str *line_r)
{
	struct fynq_str rest;

	if (!fynq_str_cut(*bytes, '\n', line_r, &rest)) {
		fynq_buf_add(kept, *bytes);
		bytes->n = 0;
		return false;
	}
	if (kept->n > 0) {
		fynq_buf_add(kept, *line_r);
		*line_r = fynq_buf_str(kept);
	}
	*bytes = rest;
	return true;
}

static void
take_body(struct seat *s, struct fynq_str bytes)
{
	struct fynq_str line;

	if (load.whole || s->status != 200) {
		fynq_buf_add(&s->line, bytes);
		return;
	}
	while (bytes.n > 0 && next_line(&s->line, &bytes, &line)) {
		take_line(s, line);
		fynq_buf_reset(&s->line);
	}
}

static void
end_body(struct seat *s)
{
	struct fynq_str body = fynq_buf_str(&s->line);
	const char *reply = memmem(body.p, body.n, "\"reply\":", 8);

	s->part = OVER;
	if (!load.whole || s->status != 201 || reply == NULL)
		return;
	body = (struct fynq_str){ reply, body.n - (size_t)(reply - body.p) };
	take_text(s, member(body, FYNQ_STR("\"content\"")));
	s->done = true;
}

static void
take_header(struct seat *s, struct fynq_str line)
{
	struct fynq_str name, value;
	int64_t n;

	fynq_str_cut(line, ':', &name, &value);
	value = fynq_str_trim(value);
	if (fynq_str_ieq(name, FYNQ_STR("content-length")) && fynq_str_int(value, &n))
		s->left = (size_t)n;
	else if (fynq_str_ieq(name, FYNQ_STR("transfer-encoding")))
		s->chunked = true;
	else if (fynq_str_ieq(name, FYNQ_STR("connection")))
		s->closes = fynq_str_ieq(value, FYNQ_STR("close"));
}

static void
take_head_line(struct seat *s, struct fynq_str line)
{
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	if (s->status == 0)
		s->status = line.n > 12 ? atoi(line.p + 9) : -1; /* "HTTP/1.1 200 OK" */
	else if (line.n > 0)
		take_header(s, line);
	else
		s->part = s->chunked ? CHUNK_SIZE : BODY;
	if (s->part == BODY && s->left == 0)
		end_body(s);
}

/* A line of the head, of a chunk's size, or that ends a chunk. */
static void
take_frame_line(struct seat *s, struct fynq_str line)
{
	char size[20] = { 0 };

	switch (s->part) {
	case HEAD:
		take_head_line(s, line);
		break;
	case CHUNK_SIZE:
		memcpy(size, line.p, line.n < sizeof(size) ? line.n : sizeof(size) - 1);
		s->left = strtoul(size, NULL, 16);
		s->part = s->left > 0 ? CHUNK : CHUNK_LAST;
		break;
	case CHUNK_END:
		s->part = CHUNK_SIZE;
		break;
	default:
		end_body(s);
	}
}

static void
take_bytes(struct seat *s, struct fynq_str bytes)
{
	struct fynq_str line;
	size_t n;

	while (bytes.n > 0 && s->part != OVER) {
		if (s->part != CHUNK && s->part != BODY) {
			if (next_line(&s->frame, &bytes, &line)) {
				take_frame_line(s, line);
				fynq_buf_reset(&s->frame);
			}
			continue;
		}
		n = bytes.n < s->left ? bytes.n : s->left;
		take_body(s, (struct fynq_str){ bytes.p, n });
		bytes = (struct fynq_str){ bytes.p + n, bytes.n - n };
		s->left -= n;
		if (s->left == 0 && s->part == CHUNK)
			s->part = CHUNK_END;
		else if (s->left == 0)
			end_body(s);
	}
}

/* Is it time for this student to lose patience? */
static bool
leaves(const struct seat *s)
{
	return s->part != OVER && s->marks.next >= s->leave_after &&
	       (s->leave_after > 0 || s->sent == s->request.n);
}

static void say_request(struct seat *s);

/* A kept connection may be closed just as a question goes out on it: then it is asked anew. */
static void
broken(struct seat *s)
{
	bool again = s->reused && s->part == HEAD && s->status == 0;

	hang_up(s);
	if (!s->busy)
		return;
	if (!again) {
		finish(s, false);
		return;
	}
	s->sent = 0;
	say_request(s);
}

static void
on_ready(struct fynq_watch *w, uint32_t events)
{
	static char bytes[65536];
	struct seat *s = (struct seat *)w; /* The watch is the first member. */
	ssize_t n;

	if (s->busy && s->sent < s->request.n && (events & EPOLLOUT) != 0)
		say_request(s);
	if (s->watch.fd < 0 || (events & ~(uint32_t)EPOLLOUT) == 0)
		return;
	n = read(s->watch.fd, bytes, sizeof(bytes));
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0 || !s->busy) {
		broken(s);
		return;
	}
	s->last_us = fynq_clock_mono_us();
	take_bytes(s, (struct fynq_str){ bytes, (size_t)n });
	if (leaves(s)) {
		leave(s);
	} else if (s->part == OVER) {
		if (s->closes)
			hang_up(s);
		finish(s, true);
	}
}

static void
reach(struct seat *s)
{
	static uint32_t turn;
	struct sockaddr_in from = { .sin_family = AF_INET };
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("no descriptor: %s", strerror(errno));
	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + turn++ % ADDRESSES);
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)) != 0 ||
	    (connect(fd, (struct sockaddr *)&load.to, sizeof(load.to)) != 0 &&
		errno != EINPROGRESS))
		die("cannot connect: %s", strerror(errno));
	s->watch = (struct fynq_watch){ .fd = fd, .ready = on_ready };
}

/* Write what is left of the question, on a new connection where there is none. */
static void
say_request(struct seat *s)
{
	ssize_t n;

	s->reused = s->reused && s->watch.fd >= 0;
	if (s->watch.fd < 0)
		reach(s);
	n = write(s->watch.fd, s->request.p + s->sent, s->request.n - s->sent);
	if (n > 0)
		s->sent += (size_t)n;
	else if (errno != EAGAIN && errno != ENOTCONN && !s->reused)
		die("cannot ask: %s", strerror(errno));
	if (leaves(s))
		leave(s);
	else
		fynq_evloop_watch(&s->watch, EPOLLIN | (s->sent < s->request.n ? EPOLLOUT : 0));
}

static void
write_request(struct seat *s)
{
	char body[256];
	int n = snprintf(body, sizeof(body),
	    "{\"content\":\"Why does the sky turn red at dusk? I have seen it %lld times.\","
	    "\"stream\":%s}",
	    (long long)load.started, load.whole ? "false" : "true");

	fynq_buf_reset(&s->request);
	fynq_buf_printf(&s->request,
	    "POST /api/v1/chat/message HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"
	    "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
	    load.tokens[(size_t)load.started % load.n_tokens], n, body);
}

static ssize_t
read_request(nghttp2_session *session, int32_t stream, uint8_t *to, size_t size, uint32_t *flags,
    nghttp2_data_source *source, void *arg)
{
	struct seat *s = source->ptr;
	size_t n = s->request.n - s->sent < size ? s->request.n - s->sent : size;

	(void)session;
	(void)stream;
	(void)arg;
	memcpy(to, s->request.p + s->sent, n);
	s->sent += n;
	if (s->sent == s->request.n)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)n;
}

static int
on_status(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t n_name,
    const uint8_t *value, size_t n_value, uint8_t flags, void *arg)
{
	struct seat *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

	(void)n_value;
	(void)flags;
	(void)arg;
	if (s != NULL && n_name == 7 && memcmp(name, ":status", 7) == 0)
		s->status = atoi((const char *)value);
	return 0;
}

static int
on_chunk(
    nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *p, size_t n, void *arg)
{
	struct seat *s = nghttp2_session_get_stream_user_data(session, stream);

	(void)flags;
	(void)arg;
	s->last_us = fynq_clock_mono_us();
	take_body(s, (struct fynq_str){ (const char *)p, n });
	return 0;
}

static int
on_stream_close(nghttp2_session *session, int32_t stream, uint32_t error, void *arg)
{
	struct seat *s = nghttp2_session_get_stream_user_data(session, stream);

	(void)arg;
	finish(s, error == NGHTTP2_NO_ERROR);
	return 0;
}

static void
on_closed(struct h2 *h)
{
	(void)h;
	die("the mock has closed a connection");
}

static struct direct *
reach_directly(size_t i)
{
	struct direct *d = fynq_alloc(sizeof(*d));
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&load.to, sizeof(load.to)) != 0 ||
	    fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
		die("cannot connect: %s", strerror(errno));
	d->h2.closed = on_closed;
	h2_open(&d->h2, fd, load.tls, false, load.callbacks);
	load.directs[i] = d;
	return d;
}

/* The same question as fynq would pass on. */
static void
ask_directly(struct seat *s)
{
	const nghttp2_nv headers[] = { H2_HEADER(":method", "POST"), H2_HEADER(":scheme", "https"),
		H2_HEADER(":authority", "localhost"),
		H2_HEADER(":path", "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"),
		H2_HEADER("content-type", "application/json"),
		H2_HEADER("x-goog-api-key", "bench") };
	nghttp2_data_provider body = { .source.ptr = s, .read_callback = read_request };
	size_t i = (size_t)(s - load.seat) / STREAMS;
	struct direct *d = load.directs[i] != NULL ? load.directs[i] : reach_directly(i);

	fynq_buf_reset(&s->request);
	fynq_buf_add(&s->request,
	    FYNQ_STR("{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"Why?\"}]}]}"));
	s->stream = nghttp2_submit_request(
	    d->h2.session, NULL, headers, sizeof(headers) / sizeof(headers[0]), &body, s);
	if (s->stream < 0)
		die("nghttp2: %s", nghttp2_strerror(s->stream));
	h2_flush(&d->h2);
}

static unsigned int
patience(void)
{
	if (random() % 100 >= load.leave_percent)
		return UINT_MAX;
	return (unsigned int)(load.leave_min + random() % (load.leave_max - load.leave_min + 1));
}

static void
start(struct seat *s, int64_t since_us)
{
	TAILQ_REMOVE(&load.free, s, free);
	s->busy = true;
	s->reused = s->watch.fd >= 0;
	s->sent = 0;
	s->part = HEAD;
	s->status = 0;
	s->chunked = s->closes = s->done = s->differs = false;
	s->left = 0;
	s->event = NO_EVENT;
	s->marks = (struct mark_reader){ 0 };
	s->hash = 0;
	s->began_us = since_us;
	s->leave_after = patience();
	load.in_flight++;
	load.started++;
	if (load.direct) {
		ask_directly(s);
	} else {
		write_request(s);
		say_request(s);
	}
}

/* How many questions may have been asked by now. */
static int64_t
allowed(int64_t now)
{
	int64_t n = INT64_MAX;

	if (load.rate > 0)
		n = (now - load.t0_us) * load.rate / 1000000;
	else if (load.ramp > 0 && load.started < load.seats)
		n = (now - load.t0_us) * load.ramp / 1000000 + 1;
	return n < load.requests ? n : load.requests;
}

/*
 * Ask what is due. At a given rate, a question that had to wait for a seat counts from when it was
 * due: a service that stands still does not get away with fewer questions.
 */
static void
start_due(void)
{
	int64_t now = fynq_clock_mono_us(), n = allowed(now);
	struct seat *s;

	while (load.started < n && (s = TAILQ_FIRST(&load.free)) != NULL) {
		bool late = load.rate > 0 && load.blocked;

		start(s,
		    late ? load.t0_us + load.started * 1000000 / load.rate : fynq_clock_mono_us());
	}
	load.blocked = load.started < n;
}

static void
report(bool ended)
{
	struct fynq_buf b = FYNQ_BUF_INIT(65536);

	fynq_buf_printf(&b,
	    "{\"ended\":%s,\"now_us\":%lld,\"started\":%lld,\"ok\":%lld,\"failed\":%lld,"
	    "\"gone\":%lld,\"in_flight\":%lld,\"speaking\":%lld,\"events\":%llu,\"cpu_us\":%lld,",
	    ended ? "true" : "false", (long long)fynq_clock_mono_us(), (long long)load.started,
	    (long long)load.ok, (long long)load.failed, (long long)load.gone,
	    (long long)load.in_flight, (long long)load.speaking, (unsigned long long)load.events,
	    (long long)cpu_us());
	hist_json(&b, "delay", &load.delay);
	fynq_buf_add_char(&b, ',');
	hist_json(&b, "gap", &load.gap);
	fynq_buf_add_char(&b, ',');
	hist_json(&b, "first", &load.first);
	fynq_buf_add_char(&b, ',');
	hist_json(&b, "total", &load.total);
	fynq_buf_add(&b, FYNQ_STR(",\"failures\":{"));
	for (int i = 0, n = 0; i < 600; i++)
		if (load.statuses[i] > 0)
			fynq_buf_printf(&b, "%s\"%d\":%lld", n++ > 0 ? "," : "", i,
			    (long long)load.statuses[i]);
	fynq_buf_add(&b, FYNQ_STR("}}"));
	answer(&b);
}

static void
print_closes(void)
{
	if (load.n_closes == 0)
		fynq_buf_add_char(&load.closes, '[');
	fynq_buf_add_char(&load.closes, ']');
	answer(&load.closes);
	load.n_closes = 0;
}

static void
on_command(char *line)
{
	if (strcmp(line, "stop") == 0)
		load.requests = load.started;
	else if (strcmp(line, "closes") == 0)
		print_closes();
	else if (strcmp(line, "report") == 0)
		report(false);
	else
		die("no such command: %s", line);
}

static void
read_tokens(const char *path)
{
	FILE *f = fopen(path, "re");
	size_t size = 0;
	ssize_t n;

	if (f == NULL)
		die("%s: %s", path, strerror(errno));
	while (load.n_tokens < TOKENS_MAX &&
	       (n = getline(&load.tokens[load.n_tokens], &size, f)) > 1) {
		load.tokens[load.n_tokens++][n - 1] = '\0';
		size = 0;
	}
	fclose(f);
}

static void
read_options(int argc, char **argv)
{
	static const struct {
		const char *name;
		int64_t *value, least, most;
	} numbers[] = {
		{ "seats", &load.seats, 1, SEATS_MAX },
		{ "requests", &load.requests, 1, INT64_MAX },
		{ "rate", &load.rate, 0, 1000000 },
		{ "ramp", &load.ramp, 0, 1000000 },
		{ "leave-percent", &load.leave_percent, 0, 100 },
		{ "leave-min", &load.leave_min, 0, 100000 },
		{ "leave-max", &load.leave_max, 0, 100000 },
	};
	enum { NUMBERS = sizeof(numbers) / sizeof(numbers[0]) };
	struct option options[NUMBERS + 5] = {
		{ "port", required_argument, NULL, 'p' },
		{ "tokens", required_argument, NULL, 't' },
		{ "direct", no_argument, NULL, 'd' },
		{ "whole", no_argument, NULL, 'w' },
	};
	int at, option;

	for (int i = 0; i < NUMBERS; i++)
		options[4 + i] = (struct option){ numbers[i].name, required_argument, NULL, 'n' };
	load.to = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	while ((option = getopt_long(argc, argv, "", options, &at)) != -1) {
		if (option == 'p')
			load.to.sin_port = htons((uint16_t)number_option("port", optarg, 1, 65535));
		else if (option == 't')
			read_tokens(optarg);
		else if (option == 'd')
			load.direct = true;
		else if (option == 'w')
			load.whole = true;
		else if (option == 'n')
			*numbers[at - 4].value = number_option(numbers[at - 4].name, optarg,
			    numbers[at - 4].least, numbers[at - 4].most);
		else
			exit(64);
	}
	if (load.to.sin_port == 0 || (!load.direct && load.n_tokens == 0))
		die("load: --port and --tokens, or --port and --direct");
	if (load.leave_max < load.leave_min)
		die("load: --leave-max is less than --leave-min");
}

static void
prepare_direct(void)
{
	static const unsigned char h2[] = "\2h2";

	load.tls = SSL_CTX_new(TLS_client_method()); /* The certificate is one of our own. */
	SSL_CTX_set_alpn_protos(load.tls, h2, sizeof(h2) - 1);
	nghttp2_session_callbacks_new(&load.callbacks);
	nghttp2_session_callbacks_set_on_header_callback(load.callbacks, on_status);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(load.callbacks, on_chunk);
	nghttp2_session_callbacks_set_on_stream_close_callback(load.callbacks, on_stream_close);
}

static void
place_seats(void)
{
	TAILQ_INIT(&load.free);
	load.seat = fynq_alloc((size_t)load.seats * sizeof(*load.seat));
	for (int64_t i = 0; i < load.seats; i++) {
		struct seat *s = &load.seat[i];

		s->watch.fd = -1;
		s->request = (struct fynq_buf)FYNQ_BUF_INIT(HEAD_MAX);
		s->frame = (struct fynq_buf)FYNQ_BUF_INIT(HEAD_MAX);
		s->line = (struct fynq_buf)FYNQ_BUF_INIT(BODY_MAX);
		TAILQ_INSERT_TAIL(&load.free, s, free);
	}
}

/* A question may be due within the next ms, at once, or only once something has come. */
static int
wait_ms(void)
{
	if (load.started >= load.requests || TAILQ_EMPTY(&load.free))
		return IDLE_MS;
	return load.rate > 0 || (load.ramp > 0 && load.started < load.seats);
}

int
main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	read_options(argc, argv);
	raise_descriptors();
	fynq_evloop_init();
	prepare_direct();
	place_seats();
	take_commands(on_command);
	load.t0_us = fynq_clock_mono_us();
	for (;;) {
		start_due();
		if (load.started >= load.requests && load.in_flight == 0 && !load.ended) {
			load.ended = true;
			report(true);
		}
		fynq_evloop_turn(wait_ms());
	}
}
