#include <pthread.h>

#include "base/jobs.h"
#include "base/log.h"
#include "identity/outbox.h"

/* What one run sends at most, and how many failures in a row tell that the server is away. */
enum { RUN_MAX = 100, FAILURES_MAX = 3 };

static const struct fynq_stmt add_mail = { "add_mail", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select fynq.add_mail($1::text, $2::text)" };

static const struct fynq_stmt claim_mail = { "claim_mail", FYNQ_AS_SERVICE, FYNQ_ONCE,
	"select id, kind, email, tries from fynq.claim_mail()" };

/* $1 the mail, $2 its tries: what another process has claimed since is not touched. */
static const struct fynq_stmt end_mail = { "end_mail", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select fynq.end_mail($1::uuid, $2::int)" };
static const struct fynq_stmt delay_mail = { "delay_mail", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select fynq.delay_mail($1::uuid, $2::int)" };

static const struct fynq_stmt forget_mails = { "forget_mails", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select fynq.forget_mails()" };

/*
 * One sender a process: a mail server that does not answer holds one worker, not all of them. Who
 * comes while it runs has it run once more, since it may just have found nothing left.
 */
static struct {
	pthread_mutex_t lock;
	bool running, again;
} sender = { .lock = PTHREAD_MUTEX_INITIALIZER };

enum fynq_err
fynq_outbox_add(struct fynq_req *rq, enum fynq_mail_kind kind, struct fynq_str email)
{
	FYNQ_TRY(
	    fynq_db_run(rq, &add_mail, FYNQ_ARGS(fynq_str_of(fynq_mail_names[kind]), email), NULL));
	fynq_outbox_wake();
	return FYNQ_OK;
}

static bool
is_kind(struct fynq_str name, enum fynq_mail_kind *kind_r)
{
	for (int i = 0; i < FYNQ_MAIL_KINDS; i++) {
		if (fynq_str_eq(name, fynq_str_of(fynq_mail_names[i]))) {
			*kind_r = (enum fynq_mail_kind)i;
			return true;
		}
	}
	return false;
}

/* Something that is over sooner or later, so that the mail can be sent after all. */
static bool
may_pass(enum fynq_err e)
{
	return e == FYNQ_E_AUTH_UNAVAILABLE || e == FYNQ_E_RATE_LIMITED ||
	       e == FYNQ_E_DB_UNAVAILABLE || e == FYNQ_E_DB_TIMEOUT;
}

enum sent { SENT_NOTHING, SENT, SENT_LATER };

/*
 * Send the next mail. What if the process dies:
 *
 *	before the claim's COMMIT     nothing has happened
 *	after it, before the mail     the row is due again when two minutes have passed
 *	after the mail, before the    likewise, and the mail goes out twice; the token of the
 *	row says so		      first one is void then
 *
 * Likewise where the row cannot be told what became of the mail, as the database is away.
 */
static enum sent
send_next(struct fynq_req *rq)
{
	const struct fynq_stmt *fate = &end_mail;
	struct fynq_str id, tries;
	struct fynq_rows rows;
	enum fynq_mail_kind kind;
	enum fynq_err e;

	if (fynq_db_run(rq, &claim_mail, FYNQ_NO_ARGS, &rows) != FYNQ_OK || rows.n == 0)
		return SENT_NOTHING;
	id = fynq_rows_str(&rows, 0, 0);
	tries = fynq_rows_str(&rows, 0, 3);
	if (!is_kind(fynq_rows_str(&rows, 0, 1), &kind))
		e = FYNQ_E_INTERNAL;
	else
		e = fynq_provider()->send_mail(rq, kind, fynq_rows_str(&rows, 0, 2));
	if (e != FYNQ_OK && may_pass(e)) {
		fynq_log(FYNQ_LOG_WARN, "mail", "mail %.*s waits after try %.*s: %s",
		    FYNQ_STR_ARG(id), FYNQ_STR_ARG(tries), fynq_err_info(e)->code);
		fate = &delay_mail;
	} else if (e != FYNQ_OK) {
		fynq_log(FYNQ_LOG_ERROR, "mail", "mail %.*s is given up: %s", FYNQ_STR_ARG(id),
		    fynq_err_info(e)->code);
	}
	if (fynq_db_run(rq, fate, FYNQ_ARGS(id, tries), NULL) != FYNQ_OK)
		return SENT_NOTHING;
	return fate == &delay_mail ? SENT_LATER : SENT;
}

/* False where a run's measure is full: there may be more. */
static bool
send_all(struct fynq_req *rq)
{
	struct fynq_mark mark = fynq_arena_mark(rq->arena);
	enum sent sent = SENT;
	int failures = 0;

	for (int i = 0; i < RUN_MAX; i++) {
		sent = send_next(rq);
		fynq_arena_release(rq->arena, mark);
		if (sent == SENT_NOTHING)
			return true;
		failures = sent == SENT_LATER ? failures + 1 : 0;
		/* The others wait for the next run: each might take as long as a server may. */
		if (failures == FAILURES_MAX)
			return true;
	}
	return false;
}

static void
forget(struct fynq_req *rq)
{
	struct fynq_rows rows;

	if (fynq_db_run(rq, &forget_mails, FYNQ_NO_ARGS, &rows) != FYNQ_OK)
		return;
	for (int i = 0; i < rows.n; i++)
		fynq_log(FYNQ_LOG_ERROR, "mail", "mail %.*s is given up: not sent for a day",
		    FYNQ_STR_ARG(fynq_rows_str(&rows, i, 0)));
}

static bool
begin(void)
{
	bool first;

	pthread_mutex_lock(&sender.lock);
	first = !sender.running;
	sender.running = true;
	sender.again = !first;
	pthread_mutex_unlock(&sender.lock);
	return first;
}

/* The run is over. True where somebody came meanwhile, and left it to this run to look again. */
static bool
end(void)
{
	bool again;

	pthread_mutex_lock(&sender.lock);
	again = sender.again;
	sender.running = sender.again = false;
	pthread_mutex_unlock(&sender.lock);
	return again;
}

/* Send what is due, up to a run's measure. True where there may be more. */
static bool
run(struct fynq_req *rq)
{
	bool all;

	if (!begin())
		return false;
	forget(rq);
	all = send_all(rq);
	return end() || !all;
}

void
fynq_outbox_run(struct fynq_req *rq)
{
	while (run(rq))
		continue;
}

static void
outbox_job(void *arg)
{
	struct fynq_req *rq = fynq_req_new(-1, true);
	bool more = run(rq);

	(void)arg;
	fynq_req_free(&rq);
	/* As a job of its own: others' work comes first. */
	if (more)
		fynq_outbox_wake();
}

void
fynq_outbox_wake(void)
{
	fynq_jobs_post(outbox_job, NULL);
}
