#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "base/clock.h"
#include "http/request.h"

enum {
	/*
	 * Bytes a second that a body must keep on average: a third of what a phone sends where
	 * there is only UMTS, 384 kbit/s. Without it two bytes a minute would hold a worker for as
	 * long as one likes. A body that the server in front takes whole first comes at once.
	 */
	RATE = 16384,
	/* Seconds before that counts, for a connection that starts slowly or breaks off a while. */
	GRACE = 60,
	/*
	 * Bytes of a refused body that are read, so that its connection may be kept: as much as
	 * costs no more than a new one.
	 */
	DRAIN_MAX = 1 << 20
};

int64_t
fynq_req_body_due_us(size_t bytes)
{
	int64_t seconds = (int64_t)(bytes / RATE);

	return (seconds > GRACE ? seconds : GRACE) * 1000000;
}

/* How long the body may keep silent from now on; not positive where it is too slow already. */
static int64_t
patience_us(const struct fynq_req *rq)
{
	return rq->started_us + fynq_req_body_due_us(rq->body_read) - fynq_clock_mono_us();
}

/*
 * What libfcgi has in its buffer, or what one read brings: to ask it for more would wait for all of
 * it, however slowly it comes. The socket's own timeout bounds the wait.
 */
static ssize_t
read_fcgi(struct fynq_req *rq, char *p, size_t n)
{
	FCGX_Stream *in = rq->fcgx.in;
	int c = FCGX_GetChar(in);
	size_t ready;

	if (c < 0)
		return FCGX_GetError(in) == EAGAIN || FCGX_GetError(in) == EWOULDBLOCK ? -1 : 0;
	p[0] = (char)c;
	ready = (size_t)(in->stop - in->rdNext);
	return 1 + FCGX_GetStr(p + 1, (int)(ready < n - 1 ? ready : n - 1), in);
}

static ssize_t
read_cgi(struct fynq_req *rq, char *p, size_t n)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	int64_t wait_ms = patience_us(rq) / 1000;
	ssize_t got;
	int ready;

	if (wait_ms > FYNQ_REQ_WAIT_SECONDS * 1000)
		wait_ms = FYNQ_REQ_WAIT_SECONDS * 1000;
	do {
		ready = poll(&in, 1, wait_ms > 0 ? (int)wait_ms : 0);
	} while (ready < 0 && errno == EINTR);
	if (ready == 0)
		return -1;
	do {
		got = read(STDIN_FILENO, p, n);
	} while (got < 0 && errno == EINTR);
	return got > 0 ? got : 0;
}

/* 1 to n bytes of the body; 0 at its end or where the connection broke, -1 for one too slow. */
static ssize_t
read_some(struct fynq_req *rq, char *p, size_t n)
{
	ssize_t got;

	/* Behind the body only its end can come, and that of one read long ago is there. */
	if (rq->body_read < rq->content_length && patience_us(rq) <= 0)
		return -1;
	got = rq->cgi ? read_cgi(rq, p, n) : read_fcgi(rq, p, n);
	rq->body_read += got > 0 ? (size_t)got : 0;
	return got;
}

enum fynq_err
fynq_req_body_fits(struct fynq_req *rq, size_t max)
{
	if (rq->content_length > max)
		return fynq_fail(rq, FYNQ_E_TOO_LARGE, "The body may have at most %zu bytes.", max);
	return FYNQ_OK;
}

enum fynq_err
fynq_req_body_piece(struct fynq_req *rq, char *p, size_t size, struct fynq_str *piece_r)
{
	size_t left = rq->content_length - rq->body_read, n = left < size ? left : size;
	ssize_t got = 1;

	*piece_r = (struct fynq_str){ p, 0 };
	while (piece_r->n < n && got > 0) {
		got = read_some(rq, p + piece_r->n, n - piece_r->n);
		piece_r->n += got > 0 ? (size_t)got : 0;
	}
	if (got < 0)
		return fynq_fail(rq, FYNQ_E_TOO_SLOW,
		    "The body must not pause for %d s, nor bring less than %d bytes a second.",
		    FYNQ_REQ_WAIT_SECONDS, RATE);
	/* A connection that broke looks like an early end of the body. */
	if (piece_r->n != n || (!rq->cgi && FCGX_GetError(rq->fcgx.in) != 0))
		return fynq_fail(rq, FYNQ_E_BAD_REQUEST, "The body ended early.");
	return FYNQ_OK;
}

enum fynq_err
fynq_req_body(struct fynq_req *rq, size_t max)
{
	FYNQ_TRY(fynq_req_body_fits(rq, max));
	return fynq_req_body_piece(
	    rq, fynq_arena_alloc(rq->arena, rq->content_length + 1), rq->content_length, &rq->body);
}

void
fynq_req_drain(struct fynq_req *rq)
{
	char waste[16384];
	ssize_t left = DRAIN_MAX, got = 1;

	/* CGI's server closes the pipe itself. */
	if (rq->cgi || rq->fcgx.in == NULL ||
	    (rq->content_length > rq->body_read && rq->content_length - rq->body_read > DRAIN_MAX))
		return;
	for (; left > 0 && got > 0; left -= got)
		got = read_some(rq, waste, sizeof(waste));
}
