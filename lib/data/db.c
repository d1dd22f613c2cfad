#include <stdio.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "data/batch.h"
#include "data/db.h"
#include "data/sqlstate.h"
#include "http/response.h"

enum { TRIES = 3, MARGIN_MS = 2000, RETRY_SECONDS = 2 };

#define UTILITY(word)                                        \
	{                                                    \
		word, FYNQ_AS_SERVICE, FYNQ_REPEATABLE, word \
	}
static const struct fynq_stmt begin = UTILITY("begin");
static const struct fynq_stmt commit = UTILITY("commit");
static const struct fynq_stmt rollback = UTILITY("rollback");

/*
 * Role, claims and timeouts hold until the transaction ends: behind a pooler in transaction mode
 * the next transaction may go to another server session.
 */
static const struct fynq_stmt become = { "become", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select set_config('role', $1, true), set_config('request.jwt.claims', $2, true),"
	" set_config('statement_timeout', $3, true), set_config('lock_timeout', $3, true)" };

static const char *const roles[] = {
	[FYNQ_AS_SERVICE] = "service_role",
	[FYNQ_AS_USER] = "authenticated",
	[FYNQ_AS_ANON] = "anon",
};

void
fynq_db_init(void)
{
	fynq_pool_init();
}

void
fynq_db_close(void)
{
	fynq_pool_close();
}

static bool
add_role(struct fynq_batch *b, const struct fynq_req *rq, enum fynq_as as)
{
	bool user = as == FYNQ_AS_USER && rq->caller.claims.n > 0;
	struct fynq_str claims = user ? rq->caller.claims : FYNQ_STR("{}");
	char timeout[24];

	snprintf(timeout, sizeof(timeout), "%lld", (long long)fynq_config.db_timeout_ms);
	return fynq_batch_add(
	    b, &become, FYNQ_ARGS(fynq_str_of(roles[as]), claims, fynq_str_of(timeout)));
}

/* Queue the whole transaction; where[i] becomes the number of the i-th step's result. */
static bool
add_steps(struct fynq_batch *b, const struct fynq_req *rq, const struct fynq_step *steps, size_t n,
    int *where)
{
	int number = 0;

	if (!fynq_batch_add(b, &begin, FYNQ_NO_ARGS))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (i == 0 || steps[i].stmt->as != steps[i - 1].stmt->as) {
			number++;
			if (!add_role(b, rq, steps[i].stmt->as))
				return false;
		}
		where[i] = ++number;
		if (!fynq_batch_add(b, steps[i].stmt, steps[i].args, steps[i].n_args))
			return false;
	}
	return fynq_batch_add(b, &commit, FYNQ_NO_ARGS);
}

/* A failed statement leaves its session in an aborted transaction. */
static bool
roll_back(struct fynq_conn *conn, struct fynq_arena *arena, int64_t deadline_us)
{
	struct fynq_batch b = { .conn = conn, .arena = arena };

	return fynq_batch_add(&b, &rollback, FYNQ_NO_ARGS) && fynq_batch_run(&b, deadline_us);
}

static void
take_rows(const struct fynq_batch *b, const struct fynq_step *steps, size_t n, const int *where)
{
	for (size_t i = 0; i < n; i++) {
		PGresult *result = fynq_batch_result(b, where[i]);

		if (steps[i].rows_r != NULL)
			*steps[i].rows_r = (struct fynq_rows){ result, PQntuples(result) };
	}
}

/* What is wrong with a value is told with the value, which is a student's: that is left out. */
static void
log_failure(const struct fynq_batch *b)
{
	bool about_data = b->sqlstate[0] == '2' && (b->sqlstate[1] == '2' || b->sqlstate[1] == '3');

	fynq_log(FYNQ_LOG_WARN, "database", "SQLSTATE %s: %.*s (constraint \"%.*s\")", b->sqlstate,
	    FYNQ_STR_ARG(about_data ? FYNQ_STR("a value was refused") : b->message),
	    FYNQ_STR_ARG(b->constraint));
}

/*
 * One attempt. *again_r is set where another one can neither do harm nor is bound to fail the
 * same way: the error is transient, or the connection broke before the COMMIT was sent or under
 * steps that may run twice.
 */
static enum fynq_err
attempt(
    struct fynq_req *rq, const struct fynq_step *steps, size_t n, bool repeatable, bool *again_r)
{
	int64_t deadline = fynq_clock_mono_us() + (fynq_config.db_timeout_ms + MARGIN_MS) * 1000;
	int where[FYNQ_STEPS_MAX];
	struct fynq_batch b = { .arena = rq->arena };
	bool keep, late;

	*again_r = false;
	FYNQ_TRY(fynq_pool_take(&b.conn, fynq_clock_mono_us() + fynq_config.db_timeout_ms * 1000));
	if (!add_steps(&b, rq, steps, n, where)) {
		*again_r = true;
		fynq_pool_give(b.conn, false);
		return FYNQ_E_DB_UNAVAILABLE;
	}
	if (fynq_batch_run(&b, deadline)) {
		take_rows(&b, steps, n, where);
		fynq_pool_give(b.conn, true);
		return FYNQ_OK;
	}
	late = fynq_clock_mono_us() >= deadline;
	if (b.failed && !b.broken) {
		*again_r = fynq_sqlstate_transient(b.sqlstate);
		keep = !fynq_sqlstate_fatal(b.sqlstate) && roll_back(b.conn, rq->arena, deadline);
	} else {
		*again_r = repeatable && !late;
		keep = false;
	}
	fynq_pool_give(b.conn, keep);
	if (b.failed) {
		log_failure(&b);
		return fynq_sqlstate_error(b.sqlstate);
	}
	fynq_log(FYNQ_LOG_ERROR, "database", late ? "no answer in time" : "connection lost");
	return late ? FYNQ_E_DB_TIMEOUT : FYNQ_E_DB_UNAVAILABLE;
}

enum fynq_err
fynq_db_tx(struct fynq_req *rq, const struct fynq_step *steps, size_t n)
{
	enum fynq_err e = FYNQ_E_INTERNAL;
	bool repeatable = true, again = true;

	for (size_t i = 0; i < n; i++)
		repeatable = repeatable && steps[i].stmt->repeat == FYNQ_REPEATABLE;
	for (int try = 0; try < TRIES && again; try++)
		if ((e = attempt(rq, steps, n, repeatable, &again)) == FYNQ_OK)
			return FYNQ_OK;
	if (e == FYNQ_E_DB_UNAVAILABLE || e == FYNQ_E_DB_TIMEOUT)
		rq->problem.retry_after = RETRY_SECONDS;
	return fynq_fail(rq, e, NULL);
}

enum fynq_err
fynq_db_run(struct fynq_req *rq, const struct fynq_stmt *stmt, const struct fynq_str *args,
    size_t n_args, struct fynq_rows *rows_r)
{
	struct fynq_step step = { stmt, args, n_args, rows_r };

	return fynq_db_tx(rq, &step, 1);
}

void
fynq_db_aside(struct fynq_req *rq, const char *event, const struct fynq_stmt *stmt,
    const struct fynq_str *args, size_t n_args)
{
	const struct fynq_problem problem = rq->problem;

	if (fynq_db_run(rq, stmt, args, n_args, NULL) != FYNQ_OK)
		fynq_log(FYNQ_LOG_WARN, event, "%s was not done", stmt->name);
	rq->problem = problem;
}

enum fynq_err
fynq_db_reply(struct fynq_req *rq, int status, const struct fynq_stmt *stmt,
    const struct fynq_str *args, size_t n_args)
{
	struct fynq_rows rows;

	FYNQ_TRY(fynq_db_run(rq, stmt, args, n_args, &rows));
	if (rows.n == 0)
		return fynq_fail(rq, FYNQ_E_NOT_FOUND, NULL);
	FYNQ_TRY(fynq_reply_json(rq, status, fynq_rows_str(&rows, 0, 0)));
	if (PQnfields(rows.result) > 1)
		fynq_reply_etag(rq, fynq_rows_str(&rows, 0, 1));
	return FYNQ_OK;
}

struct fynq_str
fynq_rows_str(const struct fynq_rows *rows, int row, int column)
{
	if (PQgetisnull(rows->result, row, column))
		return (struct fynq_str){ 0 };
	return (struct fynq_str){ PQgetvalue(rows->result, row, column),
		(size_t)PQgetlength(rows->result, row, column) };
}

struct fynq_str
fynq_arg_int(struct fynq_req *rq, int64_t n)
{
	return fynq_arena_printf(rq->arena, "%lld", (long long)n);
}

struct fynq_str
fynq_arg_bool(bool value)
{
	return value ? FYNQ_STR("t") : FYNQ_STR("f");
}

bool
fynq_rows_true(const struct fynq_rows *rows, int row, int column)
{
	return fynq_str_eq(fynq_rows_str(rows, row, column), FYNQ_STR("t"));
}

bool
fynq_db_ready(struct fynq_req *rq)
{
	static const struct fynq_stmt ping = { "ping", FYNQ_AS_ANON, FYNQ_REPEATABLE, "select 1" };

	return fynq_db_run(rq, &ping, FYNQ_NO_ARGS, NULL) == FYNQ_OK;
}
