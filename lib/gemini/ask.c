#include "base/clock.h"
#include "base/config.h"
#include "base/evloop.h"
#include "base/ids.h"
#include "base/log.h"
#include "gemini/ask.h"
#include "gemini/signature.h"
#include "limits/breaker.h"

enum {
	BACKOFF_MS = 500,
	BACKOFF_MAX_MS = 8000,
	CANCELLED = 499,
	LATE_US = 500000,
	PROBE_TRIES = 2 /* as many tries' backoff while another probes */
};

static void on_timer(struct fynq_timer *t);

static struct {
	struct fynq_gemini_ask *waiting; /* for their time */
	struct fynq_timer timer;
} asks = { .timer.fire = on_timer };

/* What comes after a try that failed. */
enum next { NEXT_NONE, NEXT_AGAIN, NEXT_MODEL };

/* Wake up for the one that is due first. */
static void
set_timer(void)
{
	int64_t first = 0, after;

	for (struct fynq_gemini_ask *ask = asks.waiting; ask != NULL; ask = ask->next)
		if (first == 0 || ask->due_us < first)
			first = ask->due_us;
	if (first == 0) {
		fynq_evloop_timer_clear(&asks.timer);
		return;
	}
	after = (first - fynq_clock_mono_us() + 999) / 1000;
	fynq_evloop_timer_set(&asks.timer, after > 0 ? after : 0);
}

static void
stop_waiting(struct fynq_gemini_ask *ask)
{
	*(ask->prev != NULL ? &ask->prev->next : &asks.waiting) = ask->next;
	if (ask->next != NULL)
		ask->next->prev = ask->prev;
	ask->prev = ask->next = NULL;
	ask->due_us = 0;
}

static void
send_now(struct fynq_gemini_ask *ask)
{
	int64_t now = fynq_clock_mono_us(), first = now + fynq_config.gemini_first_ms * 1000;

	ask->attempt++;
	ask->tries++;
	ask->admitted = false; /* Used up. */
	ask->call.model = fynq_gemini_model(ask->leave.model);
	ask->call.first_us = first < ask->patience_us ? first : ask->patience_us;
	ask->call.total_us = now + fynq_config.gemini_total_ms * 1000;
	fynq_gemini_send(&ask->call);
}

/* Go on at due_us: with leave by sending, otherwise by asking for it. */
static void
wait_until(struct fynq_gemini_ask *ask, int64_t due_us)
{
	ask->due_us = due_us;
	ask->next = asks.waiting;
	if (asks.waiting != NULL)
		asks.waiting->prev = ask;
	asks.waiting = ask;
	set_timer();
}

/* A random part of a delay that doubles with each try: those who failed together come apart. */
static int64_t
backoff_us(int tries)
{
	int64_t most = BACKOFF_MS;
	uint32_t chance;

	while (--tries > 0 && most < BACKOFF_MAX_MS)
		most *= 2;
	most = most < BACKOFF_MAX_MS ? most : BACKOFF_MAX_MS;
	fynq_random(&chance, sizeof(chance));
	return most * 1000 * (int64_t)chance / UINT32_MAX;
}

/*
 * A leave holds for its time. One that is used much later would let more into a later minute than
 * the quota has, so it is given back and another one taken.
 */
static void
get_leave(struct fynq_gemini_ask *ask)
{
	int64_t now = fynq_clock_mono_us();
	int model = ask->leave.model, after = 0;
	int64_t wait_ms = ask->spare ? 0 : (ask->patience_us - now) / 1000;
	enum fynq_err e = fynq_gemini_admit(
	    ask->first_model, ask->tokens, wait_ms, &ask->leave, &after);

	/* All whom the service told when to come back do so: one is the probe, the rest wait. */
	if (e == FYNQ_E_GEMINI_OVERLOADED && ask->call.error == FYNQ_E_GEMINI_QUOTA &&
	    now + after * INT64_C(1000000) < ask->patience_us) {
		wait_until(ask, now + backoff_us(PROBE_TRIES));
		return;
	}
	if (e != FYNQ_OK) {
		ask->call.error = e;
		ask->call.retry_after = after;
		ask->ended(ask);
		return;
	}
	if (ask->leave.model != model) {
		ask->tries = 0;
		fynq_gemini_unsign(&ask->call.body, fynq_gemini_model(ask->leave.model));
	}
	ask->admitted = true;
	if (ask->leave.permit.start_us > now)
		wait_until(ask, ask->leave.permit.start_us);
	else
		send_now(ask);
}

/* Those that are due. Each may go on waiting, or end, and so change the list. */
static void
on_timer(struct fynq_timer *t)
{
	int64_t now = fynq_clock_mono_us();
	struct fynq_gemini_ask *ask = asks.waiting;

	(void)t;
	while (ask != NULL) {
		if (ask->due_us > now) {
			ask = ask->next;
			continue;
		}
		stop_waiting(ask);
		if (ask->admitted)
			send_now(ask);
		else
			get_leave(ask);
		ask = asks.waiting;
	}
	set_timer();
}

static long long
ms_since(int64_t from_us, int64_t to_us)
{
	return to_us > from_us ? (long long)((to_us - from_us) / 1000) : 0;
}

static void
log_try(const struct fynq_gemini_ask *ask, const char *result, bool bad)
{
	const struct fynq_gemini_call *call = &ask->call;
	const struct fynq_gemini_usage *usage = &call->reply.usage;
	struct fynq_buf b = FYNQ_BUF_INIT(2048);

	fynq_buf_add(&b, FYNQ_STR(",\"model\":"));
	fynq_buf_add_json(&b, fynq_str_of(call->model));
	fynq_buf_printf(&b,
	    ",\"for\":\"%s\",\"attempt\":%d,\"status\":%ld,\"result\":\"%s\",\"ms\":%lld",
	    ask->what, ask->attempt, call->status, result,
	    ms_since(call->started_us, fynq_clock_mono_us()));
	if (call->words_us != 0)
		fynq_buf_printf(
		    &b, ",\"first_ms\":%lld", ms_since(call->started_us, call->words_us));
	if (usage->total > 0)
		fynq_buf_printf(&b,
		    ",\"prompt_tokens\":%lld,\"reply_tokens\":%lld,\"thought_tokens\":%lld"
		    ",\"cached_tokens\":%lld",
		    (long long)usage->prompt, (long long)usage->reply, (long long)usage->thought,
		    (long long)usage->cached);
	if (call->reply.finish[0] != '\0') {
		fynq_buf_add(&b, FYNQ_STR(",\"finish_reason\":"));
		fynq_buf_add_json(&b, fynq_str_of(call->reply.finish));
	}
	if (call->reply.blocked[0] != '\0') {
		fynq_buf_add(&b, FYNQ_STR(",\"block_reason\":"));
		fynq_buf_add_json(&b, fynq_str_of(call->reply.blocked));
	}
	fynq_log_request(ask->id);
	fynq_log_members(bad ? FYNQ_LOG_WARN : FYNQ_LOG_INFO, "gemini", fynq_buf_str(&b));
	fynq_log_request((struct fynq_str){ 0 });
	fynq_buf_release(&b);
}

/* Whether the service, not the question, is at fault. */
static bool
service_failed(const struct fynq_gemini_call *call)
{
	switch (call->error) {
	case FYNQ_E_GEMINI_QUOTA:
	case FYNQ_E_GEMINI_DAY:
	case FYNQ_E_GEMINI_OVERLOADED:
	case FYNQ_E_GEMINI_TIMEOUT:
	case FYNQ_E_GEMINI_CUT:
		return true;
	case FYNQ_E_GEMINI_FAILED:
		return call->status == 200 ? call->reply.finish[0] == '\0'
					   : call->status != CANCELLED;
	default:
		return false;
	}
}

static enum next
what_next(const struct fynq_gemini_ask *ask)
{
	const struct fynq_gemini_call *call = &ask->call;

	if (call->words_us != 0)
		return NEXT_NONE;
	if (call->error == FYNQ_E_GEMINI_DAY || call->status == 404)
		return NEXT_MODEL;
	if (!service_failed(call))
		return NEXT_NONE;
	return ask->tries < fynq_config.gemini_tries ? NEXT_AGAIN : NEXT_MODEL;
}

/* Tell the quota what the try took, and the breaker how it went. */
static void
account(struct fynq_gemini_ask *ask)
{
	const struct fynq_gemini_call *call = &ask->call;

	if (call->reply.usage.prompt > 0)
		fynq_quota_settle(&ask->leave.permit, call->reply.usage.prompt);
	if (call->error == FYNQ_E_GEMINI_DAY || call->error == FYNQ_E_GEMINI_QUOTA)
		fynq_breaker_open(call->model, call->retry_after);
	else
		fynq_breaker_report(call->model, service_failed(call));
}

/* Have it sent again where there is a model and time for it. */
static bool
try_again(struct fynq_gemini_ask *ask)
{
	enum next next = what_next(ask);
	int64_t now = fynq_clock_mono_us(), due = now;

	ask->first_model = ask->leave.model;
	if (next == NEXT_AGAIN) {
		due += ask->call.asked_after * INT64_C(1000000) + backoff_us(ask->tries);
		if (due >= ask->patience_us)
			next = NEXT_MODEL;
	}
	if (next == NEXT_MODEL) {
		due = now;
		ask->first_model++;
	}
	if (next == NEXT_NONE || now >= ask->patience_us ||
	    ask->first_model >= fynq_gemini_models())
		return false;
	wait_until(ask, due);
	return true;
}

static void
call_ended(struct fynq_gemini_call *call)
{
	struct fynq_gemini_ask *ask = (struct fynq_gemini_ask *)call; /* Its first member. */

	log_try(ask, fynq_err_info(call->error)->code, call->error != FYNQ_OK);
	account(ask);
	if (!try_again(ask))
		ask->ended(ask);
}

static void
call_text(struct fynq_gemini_call *call, struct fynq_str text)
{
	struct fynq_gemini_ask *ask = (struct fynq_gemini_ask *)call;

	ask->text(ask, text);
}

void
fynq_gemini_begin(struct fynq_gemini_ask *ask)
{
	int64_t now = fynq_clock_mono_us();

	ask->call.text = call_text;
	ask->call.ended = call_ended;
	ask->patience_us = now + fynq_config.gemini_patience_ms * 1000;
	if (ask->leave.model != 0)
		fynq_gemini_unsign(&ask->call.body, fynq_gemini_model(ask->leave.model));
	ask->admitted = now - ask->leave.permit.start_us < LATE_US;
	if (ask->admitted)
		fynq_quota_settle(&ask->leave.permit, ask->tokens);
	else
		fynq_gemini_give_back(&ask->leave);
	if (ask->admitted && ask->leave.permit.start_us <= now)
		send_now(ask);
	else
		wait_until(ask, ask->admitted ? ask->leave.permit.start_us : now);
}

void
fynq_gemini_abandon(struct fynq_gemini_ask *ask, const char *why)
{
	if (ask->due_us != 0) {
		stop_waiting(ask);
		set_timer();
		if (ask->admitted)
			fynq_gemini_give_back(&ask->leave);
		return;
	}
	if (ask->call.easy == NULL)
		return;
	fynq_gemini_cancel(&ask->call);
	log_try(ask, why, false);
	if (ask->call.words_us != 0)
		fynq_breaker_report(ask->call.model, false);
	else
		fynq_breaker_return(ask->call.model);
}

void
fynq_gemini_ask_release(struct fynq_gemini_ask *ask)
{
	if (ask->due_us != 0)
		fynq_gemini_abandon(ask, "");
	fynq_gemini_release(&ask->call);
}
