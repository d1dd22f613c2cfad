#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/evloop.h"
#include "base/jobs.h"
#include "base/log.h"
#include "data/db.h"
#include "tutor/runner.h"

/* $1 runner, $2 process id, $3 seconds. */
static const struct fynq_stmt beat = { "beat", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select fynq.beat($1::uuid, 'chat', $2::int, make_interval(secs => $3::int))" };

/* $1 replies, as an array. */
static const struct fynq_stmt end_abandoned = { "end_abandoned", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"update messages set status = 'failed', error = 'interrupted'"
	" where id = any ($1::uuid[]) and status = 'pending'" };

/* $1 hours of keys, $2 hours of answers. */
static const struct fynq_stmt forget = { "forget", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select fynq.forget(make_interval(hours => $1::int), make_interval(hours => $2::int))" };

/* A transaction whose end is not known is over by then, one way or the other. */
enum { ABANDONED_SECONDS = 60, ABANDONED_TEXT = 1 << 20 };

struct abandoned {
	struct abandoned *next;
	struct fynq_uuid reply;
	int64_t since_us;
};

static void on_timer(struct fynq_timer *t);

static struct {
	struct fynq_uuid id;
	struct fynq_timer timer;
	atomic_bool known, running;
	pthread_mutex_t lock; /* guards abandoned */
	struct abandoned *abandoned;
} runner = { .timer.fire = on_timer, .lock = PTHREAD_MUTEX_INITIALIZER };

struct fynq_str
fynq_runner_id(void)
{
	return fynq_uuid_str(&runner.id);
}

static enum fynq_err
beat_now(struct fynq_req *rq)
{
	struct fynq_rows rows;

	FYNQ_TRY(fynq_db_run(rq, &beat,
	    FYNQ_ARGS(fynq_runner_id(), fynq_arg_int(rq, getpid()),
		fynq_arg_int(rq, FYNQ_RUNNER_STALE_SECONDS)),
	    &rows));
	if (!fynq_str_eq(fynq_rows_str(&rows, 0, 0), FYNQ_STR("0")))
		fynq_log(FYNQ_LOG_WARN, "sweep", "ended %.*s replies whose process is gone",
		    FYNQ_STR_ARG(fynq_rows_str(&rows, 0, 0)));
	runner.known = true;
	return FYNQ_OK;
}

enum fynq_err
fynq_runner_ensure(struct fynq_req *rq)
{
	return runner.known ? FYNQ_OK : beat_now(rq);
}

void
fynq_runner_abandon(const struct fynq_uuid *reply)
{
	struct abandoned *one = fynq_alloc(sizeof(*one));

	one->reply = *reply;
	one->since_us = fynq_clock_mono_us();
	pthread_mutex_lock(&runner.lock);
	one->next = runner.abandoned;
	runner.abandoned = one;
	pthread_mutex_unlock(&runner.lock);
}

/* The abandoned replies as an array in PostgreSQL's form; absent for none. */
static struct fynq_str
list_abandoned(struct fynq_req *rq)
{
	struct fynq_buf list = FYNQ_BUF_INIT(ABANDONED_TEXT);
	struct fynq_str text = { 0 };

	pthread_mutex_lock(&runner.lock);
	for (struct abandoned *one = runner.abandoned; one != NULL; one = one->next)
		fynq_buf_printf(&list, "%c%s", list.n == 0 ? '{' : ',', one->reply.text);
	pthread_mutex_unlock(&runner.lock);
	if (list.n > 0) {
		fynq_buf_add_char(&list, '}');
		text = fynq_arena_copy(rq->arena, fynq_buf_str(&list));
	}
	fynq_buf_release(&list);
	return text;
}

/* Forget those that were abandoned before that time. */
static void
forget_abandoned(int64_t before_us)
{
	struct abandoned **at = &runner.abandoned, *one;

	pthread_mutex_lock(&runner.lock);
	while ((one = *at) != NULL) {
		if (one->since_us < before_us) {
			*at = one->next;
			free(one);
		} else {
			at = &one->next;
		}
	}
	pthread_mutex_unlock(&runner.lock);
}

static enum fynq_err
sweep_abandoned(struct fynq_req *rq)
{
	int64_t before_us = fynq_clock_mono_us() - ABANDONED_SECONDS * INT64_C(1000000);
	struct fynq_str list = list_abandoned(rq);

	if (list.n == 0)
		return FYNQ_OK;
	FYNQ_TRY(fynq_db_run(rq, &end_abandoned, FYNQ_ARGS(list), NULL));
	forget_abandoned(before_us);
	return FYNQ_OK;
}

static enum fynq_err
forget_old(struct fynq_req *rq)
{
	return fynq_db_run(rq, &forget,
	    FYNQ_ARGS(fynq_arg_int(rq, fynq_config.idempotency_hours),
		fynq_arg_int(rq, fynq_config.cache_hours)),
	    NULL);
}

/* A beat that fails is logged by the database floor; the next one is soon. */
static void
beat_job(void *arg)
{
	struct fynq_req *rq = fynq_req_new(-1, true);

	(void)arg;
	if (beat_now(rq) != FYNQ_OK || sweep_abandoned(rq) != FYNQ_OK || forget_old(rq) != FYNQ_OK)
		fynq_log(FYNQ_LOG_WARN, "sweep", "cannot say that this process lives");
	fynq_req_free(&rq);
	runner.running = false;
}

static void
on_timer(struct fynq_timer *t)
{
	/* One that waits for a database that is away is enough. */
	if (!runner.running) {
		runner.running = true;
		fynq_jobs_post(beat_job, NULL);
	}
	fynq_evloop_timer_set(t, FYNQ_RUNNER_BEAT_SECONDS * 1000);
}

void
fynq_runner_start(void)
{
	runner.id = fynq_uuid_new();
	fynq_evloop_timer_set(&runner.timer, 0);
}
