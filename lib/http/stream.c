#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <fastcgi.h>

#include "base/clock.h"
#include "base/config.h"
#include "http/stream.h"

enum { RECORD_MAX = 65528, KEEP_CAPACITY = 512, STALL_SECONDS = 60, HELD_MAX = 64 << 20 };

static void
call_gone(void *arg)
{
	struct fynq_stream *s = arg;

	if (!s->ending)
		s->gone(s);
}

static void
call_ended(void *arg)
{
	struct fynq_stream *s = arg;

	fynq_buf_release(&s->held);
	s->ended(s);
}

/* The client is gone, or as good as gone. Whoever is to hear of it hears on the next turn. */
static void
lose(struct fynq_stream *s)
{
	if (s->lost)
		return;
	s->lost = true;
	fynq_evloop_unwatch(&s->watch);
	fynq_evloop_post(s->ending ? call_ended : call_gone, s);
}

/* Standard output may have been made non-blocking by whoever shares it. */
static void
wait_for_output(struct fynq_stream *s)
{
	struct pollfd p = { .fd = s->watch.fd, .events = POLLOUT };

	if (poll(&p, 1, STALL_SECONDS * 1000) == 0)
		lose(s);
}

/* Give the descriptor what it takes; what is left waits for EPOLLOUT. */
static void
flush(struct fynq_stream *s)
{
	while (!s->lost && s->held.n > 0) {
		ssize_t n = write(s->watch.fd, s->held.p, s->held.n);

		if (n > 0) {
			s->last_us = fynq_clock_mono_us();
			fynq_buf_shift(&s->held, (size_t)n);
		} else if (errno == EAGAIN) {
			if (!s->rq->cgi)
				break;
			wait_for_output(s);
		} else if (errno != EINTR) {
			lose(s);
		}
	}
	if (s->lost)
		return;
	if (s->held.n == 0 && s->held.cap > KEEP_CAPACITY)
		fynq_buf_release(&s->held);
	if (!s->rq->cgi)
		fynq_evloop_watch(&s->watch, EPOLLRDHUP | (s->held.n > 0 ? EPOLLOUT : 0));
	if (s->held.n == 0 && s->ending) {
		fynq_evloop_unwatch(&s->watch);
		fynq_evloop_post(call_ended, s);
	}
}

static void
ready(struct fynq_watch *w, uint32_t events)
{
	struct fynq_stream *s = (struct fynq_stream *)w; /* The watch is the first member. */

	if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
		lose(s);
	else
		flush(s);
}

void
fynq_stream_open(struct fynq_stream *s, struct fynq_req *rq, void (*gone)(struct fynq_stream *s))
{
	*s = (struct fynq_stream){
		.watch = { .fd = fynq_req_fd(rq), .ready = ready },
		.rq = rq,
		.held = FYNQ_BUF_INIT(HELD_MAX),
		.last_us = fynq_clock_mono_us(),
		.gone = gone,
	};
	if (rq->cgi)
		return;
	fcntl(s->watch.fd, F_SETFL, fcntl(s->watch.fd, F_GETFL) | O_NONBLOCK);
	fynq_evloop_watch(&s->watch, EPOLLRDHUP);
}

/* One FastCGI record (specification, section 3.3), padded to a multiple of eight bytes. */
static void
add_record(struct fynq_stream *s, unsigned char type, struct fynq_str content)
{
	static const char zeros[8];
	size_t padding = (8 - content.n % 8) % 8;
	unsigned int id = (unsigned int)s->rq->fcgx.requestId;
	unsigned char header[FCGI_HEADER_LEN] = {
		FCGI_VERSION_1,
		type,
		(unsigned char)(id >> 8),
		(unsigned char)id,
		(unsigned char)(content.n >> 8),
		(unsigned char)content.n,
		(unsigned char)padding,
	};

	fynq_buf_add(&s->held, (struct fynq_str){ (const char *)header, sizeof(header) });
	fynq_buf_add(&s->held, content);
	fynq_buf_add(&s->held, (struct fynq_str){ zeros, padding });
}

void
fynq_stream_write(struct fynq_stream *s, struct fynq_str bytes)
{
	if (s->lost || s->ending || bytes.n == 0)
		return;
	/* Measured before the write: the largest answer goes to a client that has kept up. */
	if (s->held.n > (size_t)fynq_config.stream_buffer) {
		lose(s);
		return;
	}
	s->rq->reply.bytes_sent += bytes.n;
	if (s->rq->cgi) {
		fynq_buf_add(&s->held, bytes);
	} else {
		for (size_t at = 0, n; at < bytes.n; at += n) {
			n = bytes.n - at < RECORD_MAX ? bytes.n - at : RECORD_MAX;
			add_record(s, FCGI_STDOUT, (struct fynq_str){ bytes.p + at, n });
		}
	}
	if (s->held.full)
		lose(s);
	else
		flush(s);
}

void
fynq_event_add(struct fynq_buf *b, size_t id, const char *event, struct fynq_str data)
{
	fynq_buf_printf(b, "id: %zu\nevent: %s\ndata: ", id, event);
	fynq_buf_add(b, data);
	fynq_buf_add(b, FYNQ_STR("\n\n"));
}

void
fynq_stream_keep_alive(struct fynq_stream *s)
{
	s->events = true;
}

void
fynq_stream_tick(struct fynq_stream *s)
{
	int64_t silent = fynq_clock_mono_us() - s->last_us;

	if (s->held.n > 0 && silent > STALL_SECONDS * INT64_C(1000000))
		lose(s);
	else if (s->held.n == 0 && s->events && silent > fynq_config.keepalive_seconds * 1000000)
		fynq_stream_write(s, FYNQ_STR(": keep-alive\n\n"));
}

void
fynq_stream_end(struct fynq_stream *s, void (*ended)(struct fynq_stream *s))
{
	static const char done[FCGI_HEADER_LEN]; /* An FCGI_EndRequestBody of status 0. */

	s->ended = ended;
	if (!s->lost && !s->rq->cgi) {
		add_record(s, FCGI_STDOUT, (struct fynq_str){ 0 });
		add_record(s, FCGI_END_REQUEST, (struct fynq_str){ done, sizeof(done) });
	}
	s->ending = true;
	if (s->lost)
		fynq_evloop_post(call_ended, s);
	else if (s->held.full)
		lose(s);
	else
		flush(s);
}
