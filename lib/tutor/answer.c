#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/evloop.h"
#include "base/jobs.h"
#include "base/log.h"
#include "tutor/answer.h"
#include "tutor/aside.h"
#include "tutor/client.h"
#include "tutor/context.h"
#include "tutor/runner.h"

/* A client waits this long for a database that is away; the reply itself waits on. */
enum { TICK_MS = 250, STORE_RETRY_MS = 1000, STORE_PATIENCE_MS = 30000, ID_MAX = 64 };

struct fynq_answer {
	struct fynq_gemini_ask ask; /* first */
	struct fynq_client *client; /* NULL once it was told, or went away */
	struct fynq_answer *prev, *next;
	struct fynq_turn turn;
	char id[ID_MAX + 1];	  /* the request's, for the log */
	struct fynq_buf question; /* as JSON, where the answer is to repeat it */
	struct fynq_buf sources;  /* what it may cite, as JSON */
	struct fynq_buf cached;	  /* an answer that is there already, as Gemini's reply */
	int64_t saved;		  /* tokens that it saves */
	bool events;

	int64_t gone_us; /* since when it has no client; 0 while it has, or was told */
	enum fynq_turn_status status;
	enum fynq_err error; /* for the client; FYNQ_OK for a complete reply */
	bool told, stored;
	enum fynq_err store_error;
	int64_t closed_us;     /* when Gemini's part was over; 0 before */
	int64_t retry_us;      /* when to try to store again; 0 for not at all */
	struct fynq_req *work; /* memory and errors of storing */
	struct fynq_told result;
};

static void on_tick(struct fynq_timer *t);

static struct fynq_answer *answers;
static atomic_size_t active;
static struct fynq_timer tick = { .fire = on_tick };

size_t
fynq_answers_given(void)
{
	return active;
}

size_t
fynq_answers_active(void)
{
	return active + fynq_clients_active() + fynq_asides_active();
}

/* An answer from the cache as the object that Gemini would send. */
static void
keep_cached(struct fynq_answer *a, const struct fynq_opening *o)
{
	if (o->cached.parts.n == 0)
		return;
	a->saved = o->cached.tokens;
	fynq_buf_add(&a->cached, FYNQ_STR("{\"candidates\":[{\"content\":{\"role\":\"model\","
					  "\"parts\":"));
	fynq_buf_add(&a->cached, o->cached.parts);
	fynq_buf_add(&a->cached, FYNQ_STR("},\"finishReason\":"));
	fynq_buf_add_json(&a->cached, o->cached.finish);
	fynq_buf_add(&a->cached, FYNQ_STR("}],\"modelVersion\":"));
	fynq_buf_add_json(&a->cached, o->cached.model);
	fynq_buf_add_char(&a->cached, '}');
}

struct fynq_answer *
fynq_answer_new(struct fynq_req *rq, const struct fynq_answer_start *start)
{
	struct fynq_answer *a = fynq_alloc(sizeof(*a));

	a->turn = *start->turn;
	a->events = start->events;
	a->question.max = start->opening->question.n;
	a->cached.max = FYNQ_ARENA_MAX / 4;
	a->sources.max = start->opening->sources.n;
	fynq_buf_add(&a->sources, start->opening->sources);
	if (!a->events) /* Who takes the answer up gets events. */
		fynq_buf_add(&a->question, start->opening->question);
	keep_cached(a, start->opening);
	memcpy(a->id, rq->id.p, rq->id.n < ID_MAX ? rq->id.n : ID_MAX);
	a->ask.id = fynq_str_of(a->id);
	a->ask.what = "answer";
	a->ask.leave = start->leave;
	a->ask.tokens = fynq_context_tokens(a->turn.tokens);
	if (rq->traceparent.n > 0)
		snprintf(a->ask.call.trace, sizeof(a->ask.call.trace), "traceparent: %.*s",
		    FYNQ_STR_ARG(rq->traceparent));
	a->ask.call.body = *start->body;
	*start->body = (struct fynq_buf)FYNQ_BUF_INIT(start->body->max);
	active++;
	return a;
}

/* What the text has come to: the place of an event in the reply. */
static size_t
offset(const struct fynq_answer *a)
{
	return a->ask.call.reply.text.n;
}

/* Stored and told, or nobody is there to be told: nothing is left to do. */
static void
settle(struct fynq_answer *a)
{
	if (!a->stored || a->client != NULL)
		return;
	*(a->prev != NULL ? &a->prev->next : &answers) = a->next;
	if (a->next != NULL)
		a->next->prev = a->prev;
	fynq_gemini_ask_release(&a->ask);
	fynq_buf_release(&a->question);
	fynq_buf_release(&a->cached);
	fynq_buf_release(&a->sources);
	fynq_req_free(&a->work);
	free(a);
	active--;
}

static void
tell(struct fynq_answer *a, enum fynq_err e)
{
	struct fynq_client *client = a->client;

	a->told = true;
	a->client = NULL; /* From here on it is on its own. */
	if (client == NULL)
		return;
	if (e == FYNQ_OK)
		fynq_client_done(client, fynq_buf_str(&a->question), &a->result, offset(a));
	else
		fynq_client_problem(client, e, a->ask.call.retry_after, offset(a));
}

/* A reply that stands has made a chat that may want a title, or older turns summed up. */
static void
follow_up(const struct fynq_answer *a)
{
	if (a->status != FYNQ_TURN_COMPLETE || a->result.reply.n == 0)
		return;
	if (a->turn.opened)
		fynq_aside_begin(FYNQ_ASIDE_TITLE, &a->turn);
	if (a->turn.fold)
		fynq_aside_begin(FYNQ_ASIDE_SUMMARY, &a->turn);
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
		if (a->result.reply.p == NULL && a->error == FYNQ_OK)
			a->error = FYNQ_E_NOT_FOUND;
		follow_up(a);
		tell(a, a->error);
		settle(a);
		return;
	}
	fynq_req_free(&a->work);
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
	struct fynq_str sources = { 0 };

	if (a->sources.n > 0)
		sources = fynq_buf_str(&a->sources);
	fynq_log_request(fynq_str_of(a->id));
	a->work = fynq_req_new(-1, true);
	a->store_error = fynq_turn_close(a->work, &a->turn, a->status, a->error, &a->ask.call.reply,
	    a->saved, sources, &a->result);
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
close_reply(struct fynq_answer *a, enum fynq_turn_status status, enum fynq_err e)
{
	a->closed_us = fynq_clock_mono_us();
	a->error = e;
	a->status = status;
	post_store(a);
}

static void
ask_text(struct fynq_gemini_ask *ask, struct fynq_str text)
{
	struct fynq_answer *a = (struct fynq_answer *)ask; /* Its first member. */

	if (a->client != NULL)
		fynq_client_delta(a->client, text, offset(a));
}

static void
ask_ended(struct fynq_gemini_ask *ask)
{
	struct fynq_answer *a = (struct fynq_answer *)ask;
	enum fynq_err e = ask->call.error;

	fynq_context_learn(a->turn.tokens, ask->call.reply.usage.prompt);
	close_reply(a, e == FYNQ_OK ? FYNQ_TURN_COMPLETE : FYNQ_TURN_FAILED, e);
}

/*
 * Nobody reads it any more: stop paying for its words, keep those that came. A client that comes
 * back while that is stored is told what the database will say: it is done, and was stopped.
 */
static void
stop(struct fynq_answer *a)
{
	fynq_gemini_abandon(&a->ask, "client_gone");
	close_reply(a, FYNQ_TURN_STOPPED, FYNQ_OK);
}

static void
client_gone(void *arg)
{
	struct fynq_answer *a = arg;

	a->client = NULL;
	a->gone_us = fynq_clock_mono_us();
	if (a->closed_us == 0 && fynq_config.resume_seconds == 0)
		stop(a);
}

/* The answer is there: it is told and stored as if it had just come. */
static void
answer_from_cache(struct fynq_answer *a)
{
	struct fynq_gemini_reply *reply = &a->ask.call.reply;
	struct fynq_str text;
	bool sound;

	fynq_gemini_reply_init(reply, (size_t)fynq_config.reply_max);
	sound = fynq_gemini_reply_add(reply, fynq_buf_str(&a->cached), &text);
	fynq_buf_release(&a->cached);
	fynq_log_request(fynq_str_of(a->id));
	fynq_log_members(FYNQ_LOG_INFO, "gemini",
	    FYNQ_STR(",\"for\":\"answer\",\"attempt\":0,\"result\":\"ok\",\"cache\":true"));
	fynq_log_request((struct fynq_str){ 0 });
	if (a->client != NULL)
		fynq_client_delta(a->client, text, offset(a));
	close_reply(
	    a, sound ? FYNQ_TURN_COMPLETE : FYNQ_TURN_FAILED, sound ? FYNQ_OK : FYNQ_E_INTERNAL);
}

void
fynq_answer_start(struct fynq_req *rq)
{
	struct fynq_answer *a = rq->task;

	a->next = answers;
	if (answers != NULL)
		answers->prev = a;
	answers = a;
	a->client = fynq_client_new(rq, &a->turn, a->events, client_gone, a);
	a->ask.text = ask_text;
	a->ask.ended = ask_ended;
	if (a->cached.n > 0)
		answer_from_cache(a);
	else
		fynq_gemini_begin(&a->ask);
}

struct fynq_answer *
fynq_answer_find(const struct fynq_uuid *reply)
{
	struct fynq_answer *a = answers;

	while (a != NULL && strcmp(a->turn.reply.text, reply->text) != 0)
		a = a->next;
	return a != NULL && !a->told ? a : NULL;
}

bool
fynq_answer_has(const struct fynq_answer *a, size_t from)
{
	return fynq_str_boundary(fynq_buf_str(&a->ask.call.reply.text), from);
}

void
fynq_answer_take_up(struct fynq_answer *a, struct fynq_req *rq, size_t from, bool resumes)
{
	struct fynq_str text = fynq_buf_str(&a->ask.call.reply.text);

	if (a->client != NULL)
		fynq_client_leave(a->client);
	a->gone_us = 0;
	a->client = fynq_client_new(rq, &a->turn, true, client_gone, a);
	a->client->resumes = resumes;
	fynq_client_begin(a->client);
	text.n -= from;
	if (text.n > 0)
		fynq_client_delta(a->client, (struct fynq_str){ text.p + from, text.n }, offset(a));
}

void
fynq_answers_cancel(void)
{
	for (struct fynq_answer *a = answers; a != NULL; a = a->next) {
		if (a->closed_us == 0) {
			fynq_gemini_abandon(&a->ask, "restarting");
			close_reply(a, FYNQ_TURN_FAILED, FYNQ_E_RESTARTING);
		}
	}
	fynq_asides_cancel();
}

static void
on_tick(struct fynq_timer *t)
{
	int64_t now = fynq_clock_mono_us();
	int64_t grace = fynq_config.resume_seconds * 1000000;

	for (struct fynq_answer *a = answers; a != NULL; a = a->next) {
		if (a->closed_us == 0 && a->gone_us != 0 && now - a->gone_us > grace)
			stop(a);
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
