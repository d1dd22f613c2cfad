#include <stdatomic.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/config.h"
#include "http/access.h"
#include "http/response.h"
#include "tutor/client.h"
#include "tutor/events.h"

enum { TICK_MS = 250, HEAD_MAX = 16384, ANSWER_MAX = FYNQ_ARENA_MAX / 4 };

static void on_tick(struct fynq_timer *t);

static struct fynq_client *clients;
static atomic_size_t active;
static struct fynq_timer tick = { .fire = on_tick };

size_t
fynq_clients_active(void)
{
	return active;
}

static void
client_ended(struct fynq_stream *s)
{
	struct fynq_client *c = (struct fynq_client *)s; /* The stream is the first member. */

	fynq_access_log(c->rq);
	*(c->prev != NULL ? &c->prev->next : &clients) = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	fynq_req_free(&c->rq);
	free(c);
	active--;
}

/* Nothing more is told; what is written already goes out. */
static void
finish(struct fynq_client *c)
{
	c->left = true;
	c->turn = NULL;
	fynq_stream_end(&c->stream, client_ended);
}

static void
stream_gone(struct fynq_stream *s)
{
	struct fynq_client *c = (struct fynq_client *)s;

	if (c->left)
		return;
	c->rq->reply.status = 499; /* For the log alone, as Nginx has it. */
	c->gone(c->arg);
	finish(c);
}

struct fynq_client *
fynq_client_new(struct fynq_req *rq, const struct fynq_turn *turn, bool events,
    void (*gone)(void *arg), void *arg)
{
	struct fynq_client *c = fynq_alloc(sizeof(*c));

	c->rq = rq;
	c->turn = turn;
	c->events = events;
	c->gone = gone;
	c->arg = arg;
	c->next = clients;
	if (clients != NULL)
		clients->prev = c;
	clients = c;
	active++;
	fynq_stream_open(&c->stream, rq, stream_gone);
	return c;
}

static void
send_head(struct fynq_client *c, bool sized)
{
	struct fynq_buf head = FYNQ_BUF_INIT(HEAD_MAX);

	fynq_reply_head(c->rq, &head);
	if (sized)
		fynq_buf_printf(&head, "Content-Length: %zu\r\n", c->rq->reply.body.n);
	fynq_buf_add(&head, FYNQ_STR("\r\n"));
	fynq_stream_write(&c->stream, fynq_buf_str(&head));
	c->rq->reply.bytes_sent = 0; /* What counts is the body. */
	fynq_buf_release(&head);
}

/* The answer that was just given to rq. */
static void
send_whole(struct fynq_client *c)
{
	send_head(c, true);
	fynq_stream_write(&c->stream, c->rq->reply.body);
}

static void
send_events(struct fynq_client *c, struct fynq_buf *events)
{
	if (!events->full)
		fynq_stream_write(&c->stream, fynq_buf_str(events));
	fynq_buf_release(events);
}

void
fynq_client_begin(struct fynq_client *c)
{
	struct fynq_buf events = FYNQ_BUF_INIT(1024);

	if (c->head_sent || !c->events)
		return;
	c->head_sent = true;
	fynq_stream_keep_alive(&c->stream);
	fynq_reply_events(c->rq);
	send_head(c, false);
	/* Nginx keeps a head back until bytes of the body come: that may take long here. */
	if (c->resumes)
		fynq_buf_add(&events, FYNQ_STR(": resumed\n\n"));
	else
		fynq_events_start(&events, c->turn);
	send_events(c, &events);
}

void
fynq_client_delta(struct fynq_client *c, struct fynq_str text, size_t offset)
{
	struct fynq_buf events = FYNQ_BUF_INIT(ANSWER_MAX);

	if (!c->events || text.n == 0)
		return;
	fynq_client_begin(c);
	fynq_events_delta(&events, text, offset);
	send_events(c, &events);
}

void
fynq_client_done(
    struct fynq_client *c, struct fynq_str question, const struct fynq_told *told, size_t offset)
{
	struct fynq_buf b = FYNQ_BUF_INIT(ANSWER_MAX);

	if (c->events) {
		fynq_client_begin(c);
		fynq_events_done(&b, told, offset);
		send_events(c, &b);
	} else {
		fynq_events_whole(&b, c->turn, question, told);
		(void)fynq_reply_json(c->rq, 201, fynq_buf_str(&b));
		send_whole(c);
		fynq_buf_release(&b);
	}
	finish(c);
}

void
fynq_client_problem(struct fynq_client *c, enum fynq_err e, int retry_after, size_t offset)
{
	struct fynq_buf b = FYNQ_BUF_INIT(65536);

	(void)fynq_events_fail(c->rq, e);
	c->rq->problem.retry_after = retry_after;
	if (c->head_sent) {
		fynq_events_error(&b, &c->rq->problem, c->rq->id, offset);
		send_events(c, &b);
	} else {
		fynq_reply_problem(c->rq);
		send_whole(c);
	}
	finish(c);
}

void
fynq_client_leave(struct fynq_client *c)
{
	if (c->left)
		return;
	if (!c->head_sent) {
		(void)fynq_fail(c->rq, FYNQ_E_CHAT_BUSY, "Another client has taken the reply up.");
		fynq_reply_problem(c->rq);
		send_whole(c);
	}
	finish(c);
}

static void
on_tick(struct fynq_timer *t)
{
	int64_t now = fynq_clock_mono_us();
	int64_t silence = fynq_config.keepalive_seconds * 1000000;

	for (struct fynq_client *c = clients; c != NULL; c = c->next) {
		/* A silence that a proxy would not bear begins the events, too. */
		if (!c->left && now - c->rq->started_us > silence)
			fynq_client_begin(c);
		fynq_stream_tick(&c->stream);
	}
	fynq_evloop_timer_set(t, TICK_MS);
}

void
fynq_clients_init(void)
{
	fynq_evloop_timer_set(&tick, TICK_MS);
}
