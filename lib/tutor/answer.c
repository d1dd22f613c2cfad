#include <stdatomic.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/evloop.h"
#include "base/jobs.h"
#include "base/log.h"
#include "http/access.h"
#include "http/response.h"
#include "http/stream.h"
#include "tutor/answer.h"
#include "tutor/runner.h"

/* A client waits this long for a database that is away; the reply itself waits on. */
enum { TICK_MS = 250, STORE_RETRY_MS = 1000, STORE_PATIENCE_MS = 30000, HEAD_MAX = 16384 };

struct fynq_answer {
	struct fynq_stream client;
	struct fynq_gemini_call call;
	struct fynq_req *rq;
	struct fynq_answer *prev, *next;
	struct fynq_turn turn;
	struct fynq_buf question; /* as JSON, where the answer is to repeat it */
	bool stream;

	bool head_sent; /* the event stream has begun: a failure can only be told inside it */
	bool gone;	/* the client is */
	bool told;	/* the client has its end of the answer: done, error, 201 or a problem */
	bool left;	/* and every byte of it is written */

	enum fynq_turn_status status;
	enum fynq_err error; /* for the client; FYNQ_OK for a complete reply */
	bool stored;
	enum fynq_err store_error;
	int64_t closed_us;     /* when Gemini's part was over; 0 before */
	int64_t retry_us;      /* when to try to store again; 0 for not at all */
	struct fynq_str reply; /* the stored reply as JSON, in rq's arena */
};

static void on_tick(struct fynq_timer *t);

static struct fynq_answer *answers;
static atomic_size_t active;
static struct fynq_timer tick = { .fire = on_tick };

size_t
fynq_answers_active(void)
{
	return active;
}

struct fynq_answer *
fynq_answer_new(
    const struct fynq_turn *turn, struct fynq_str question, struct fynq_buf *body, bool stream)
{
	struct fynq_answer *a = fynq_alloc(sizeof(*a));

	a->turn = *turn;
	a->question.max = question.n;
	if (!stream)
		fynq_buf_add(&a->question, question);
	a->stream = stream;
	a->call.body = *body;
	*body = (struct fynq_buf)FYNQ_BUF_INIT(body->max);
	active++;
	return a;
}

static void
free_answer(struct fynq_answer *a)
{
	*(a->prev != NULL ? &a->prev->next : &answers) = a->next;
	if (a->next != NULL)
		a->next->prev = a->prev;
	fynq_gemini_release(&a->call);
	fynq_buf_release(&a->question);
	fynq_req_free(&a->rq);
	free(a);
	active--;
}

/* Stored and told, in whichever order: nothing is left to do. */
static void
settle(struct fynq_answer *a)
{
	if (a->left && a->stored)
		free_answer(a);
}

static void
client_ended(struct fynq_stream *s)
{
	struct fynq_answer *a = (struct fynq_answer *)s; /* The stream is the first member. */

	a->left = true;
	fynq_access_log(a->rq);
	settle(a);
}

static void
send_head(struct fynq_answer *a)
{
	struct fynq_buf head = FYNQ_BUF_INIT(HEAD_MAX);

	fynq_reply_head(a->rq, &head);
	if (!a->stream || a->rq->reply.media_type == NULL)
		fynq_buf_printf(&head, "Content-Length: %zu\r\n", a->rq->reply.body.n);
	fynq_buf_add(&head, FYNQ_STR("\r\n"));
	fynq_stream_write(&a->client, fynq_buf_str(&head));
	a->rq->reply.bytes_sent = 0; /* What counts is the body. */
	fynq_buf_release(&head);
}

/*
 * The first words, or the first silence that a proxy would not bear, begin the event stream.
 * Until then a failure has a status of its own.
 */
static void
begin_stream(struct fynq_answer *a)
{
	struct fynq_buf data = FYNQ_BUF_INIT(1024);

	if (a->head_sent || !a->stream)
		return;
	a->head_sent = true;
	(void)fynq_reply_body(a->rq, 200, "text/event-stream", (struct fynq_str){ 0 });
	fynq_reply_header(a->rq, "Cache-Control", FYNQ_STR("no-store"));
	fynq_reply_header(a->rq, "X-Accel-Buffering", FYNQ_STR("no"));
	send_head(a);
	fynq_buf_printf(&data, "{\"chat_id\":\"%s\",\"message_id\":\"%s\",\"reply_id\":\"%s\"}",
	    a->turn.chat.text, a->turn.question.text, a->turn.reply.text);
	fynq_stream_event(&a->client, "start", fynq_buf_str(&data));
	fynq_buf_release(&data);
}

static void
send_whole(struct fynq_answer *a)
{
	send_head(a);
	fynq_stream_write(&a->client, a->rq->reply.body);
}

/* The stored reply, as the last event or as the whole answer. */
static void
tell_done(struct fynq_answer *a)
{
	struct fynq_buf b = FYNQ_BUF_INIT(FYNQ_ARENA_MAX / 4);
	const struct fynq_gemini_reply *reply = &a->call.reply;

	if (a->stream) {
		fynq_buf_add(&b, FYNQ_STR("{\"reply\":"));
		fynq_buf_add(&b, a->reply);
		fynq_buf_printf(&b,
		    ",\"usage\":{\"prompt_tokens\":%lld,\"reply_tokens\":%lld,"
		    "\"thought_tokens\":%lld,\"total_tokens\":%lld},\"finish_reason\":",
		    (long long)reply->usage.prompt, (long long)reply->usage.reply,
		    (long long)reply->usage.thought, (long long)reply->usage.total);
		fynq_buf_add_json(&b, fynq_str_of(reply->finish));
		fynq_buf_add_char(&b, '}');
		begin_stream(a);
		fynq_stream_event(&a->client, "done", fynq_buf_str(&b));
	} else {
		fynq_buf_printf(&b, "{\"chat_id\":\"%s\",\"message\":", a->turn.chat.text);
		fynq_buf_add(&b, fynq_buf_str(&a->question));
		fynq_buf_add(&b, FYNQ_STR(",\"reply\":"));
		fynq_buf_add(&b, a->reply);
		fynq_buf_add_char(&b, '}');
		(void)fynq_reply_json(a->rq, 201, fynq_buf_str(&b));
		send_whole(a);
	}
	fynq_buf_release(&b);
}

static void
tell_problem(struct fynq_answer *a, enum fynq_err e)
{
	struct fynq_buf data = FYNQ_BUF_INIT(65536);

	(void)fynq_fail(a->rq, e, NULL);
	a->rq->problem.retry_after = a->call.retry_after;
	if (!a->head_sent) {
		fynq_reply_problem(a->rq);
		send_whole(a);
		return;
	}
	fynq_buf_add(&data, FYNQ_STR("{\"problem\":"));
	fynq_problem_json(&data, &a->rq->problem, a->rq->id);
	fynq_buf_add_char(&data, '}');
	fynq_stream_event(&a->client, "error", fynq_buf_str(&data));
	fynq_buf_release(&data);
}

static void
tell(struct fynq_answer *a, enum fynq_err e)
{
	if (a->told)
		return;
	a->told = true;
	if (a->gone)
		a->rq->reply.status = 499; /* For the log alone, as Nginx has it. */
	else if (e == FYNQ_OK)
		tell_done(a);
	else
		tell_problem(a, e);
	fynq_stream_end(&a->client, client_ended);
}

/* Back on the loop's thread: told only now, when it stands in the database. */
static void
after_store(void *arg)
{
	struct fynq_answer *a = arg;
	int64_t now = fynq_clock_mono_us();

	if (a->store_error == FYNQ_OK) {
		a->stored = true;
		/* A chat that was deleted meanwhile has no reply to tell of. */
		if (a->reply.p == NULL && a->error == FYNQ_OK)
			a->error = FYNQ_E_NOT_FOUND;
		tell(a, a->error);
		settle(a);
		return;
	}
	if (a->store_error != FYNQ_E_DB_UNAVAILABLE && a->store_error != FYNQ_E_DB_TIMEOUT) {
		/* The database will not have it, now or later: it is marked failed. */
		fynq_runner_abandon(&a->turn.reply);
		a->stored = true;
		tell(a, FYNQ_E_INTERNAL);
		settle(a);
		return;
	}
	a->retry_us = now + STORE_RETRY_MS * 1000;
	if (now - a->closed_us > STORE_PATIENCE_MS * 1000)
		tell(a, a->store_error);
}

/*
 * On a worker. Killed before the commit, the reply stays pending until another process sweeps it;
 * killed after, it stands in the database though the client was not told.
 */
static void
store(void *arg)
{
	struct fynq_answer *a = arg;

	fynq_log_request(a->rq->id);
	a->store_error = fynq_turn_close(
	    a->rq, &a->turn, a->status, a->error, &a->call.reply, &a->reply);
	a->rq->problem = (struct fynq_problem){ 0 };
	fynq_log_request((struct fynq_str){ 0 });
	fynq_evloop_post(after_store, a);
}

static void
post_store(struct fynq_answer *a)
{
	a->retry_us = 0;
	fynq_jobs_post(store, a);
}

/* Gemini's part is over: decide what the reply is, and store it. */
static void
close_reply(struct fynq_answer *a, enum fynq_err e)
{
	a->closed_us = fynq_clock_mono_us();
	a->error = e;
	if (e == FYNQ_OK)
		a->status = FYNQ_TURN_COMPLETE;
	else
		a->status = a->gone ? FYNQ_TURN_STOPPED : FYNQ_TURN_FAILED;
	post_store(a);
}

static void
log_call(const struct fynq_answer *a, enum fynq_err e)
{
	const struct fynq_gemini_reply *reply = &a->call.reply;
	struct fynq_buf b = FYNQ_BUF_INIT(1024);

	fynq_buf_printf(&b, ",\"model\":\"%s\",\"result\":\"%s\",\"ms\":%lld,\"tokens\":%lld",
	    fynq_config.gemini_model, a->gone ? "client_gone" : fynq_err_info(e)->code,
	    (long long)((fynq_clock_mono_us() - a->call.started_us) / 1000),
	    (long long)reply->usage.total);
	fynq_buf_add(&b, FYNQ_STR(",\"finish_reason\":"));
	fynq_buf_add_json(&b, fynq_str_of(reply->finish));
	fynq_log_request(a->rq->id);
	fynq_log_members(
	    e == FYNQ_OK || a->gone ? FYNQ_LOG_INFO : FYNQ_LOG_WARN, "gemini", fynq_buf_str(&b));
	fynq_log_request((struct fynq_str){ 0 });
	fynq_buf_release(&b);
}

static struct fynq_answer *
of_call(struct fynq_gemini_call *call)
{
	return (struct fynq_answer *)((char *)call - offsetof(struct fynq_answer, call));
}

static void
call_text(struct fynq_gemini_call *call, struct fynq_str text)
{
	struct fynq_answer *a = of_call(call);
	struct fynq_buf data = FYNQ_BUF_INIT(FYNQ_SSE_EVENT_MAX);

	if (!a->stream)
		return;
	begin_stream(a);
	fynq_buf_add(&data, FYNQ_STR("{\"text\":"));
	fynq_buf_add_json(&data, text);
	fynq_buf_add_char(&data, '}');
	fynq_stream_event(&a->client, "delta", fynq_buf_str(&data));
	fynq_buf_release(&data);
}

static void
call_ended(struct fynq_gemini_call *call)
{
	struct fynq_answer *a = of_call(call);

	log_call(a, call->error);
	close_reply(a, call->error);
}

/* The client went away: stop paying for words that nobody reads, keep those that came. */
static void
client_gone(struct fynq_stream *s)
{
	struct fynq_answer *a = (struct fynq_answer *)s;

	a->gone = true;
	if (a->closed_us != 0)
		return;
	fynq_gemini_cancel(&a->call);
	log_call(a, FYNQ_OK);
	close_reply(a, FYNQ_E_GEMINI_CUT);
}

void
fynq_answer_start(struct fynq_req *rq)
{
	struct fynq_answer *a = rq->task;

	a->rq = rq;
	a->next = answers;
	if (answers != NULL)
		answers->prev = a;
	answers = a;
	fynq_stream_open(&a->client, rq, client_gone);
	a->call.text = call_text;
	a->call.ended = call_ended;
	fynq_gemini_ask(&a->call);
}

void
fynq_answers_cancel(void)
{
	for (struct fynq_answer *a = answers; a != NULL; a = a->next) {
		if (a->closed_us == 0) {
			fynq_gemini_cancel(&a->call);
			close_reply(a, FYNQ_E_RESTARTING);
		}
	}
}

static void
on_tick(struct fynq_timer *t)
{
	int64_t now = fynq_clock_mono_us();
	int64_t silence = fynq_config.keepalive_seconds * 1000000;

	for (struct fynq_answer *a = answers; a != NULL; a = a->next) {
		if (!a->gone && !a->told && now - a->rq->started_us > silence)
			begin_stream(a);
		fynq_stream_tick(&a->client);
		if (a->retry_us != 0 && now > a->retry_us)
			post_store(a);
	}
	fynq_evloop_timer_set(t, TICK_MS);
}

void
fynq_answers_init(void)
{
	fynq_evloop_timer_set(&tick, TICK_MS);
}
