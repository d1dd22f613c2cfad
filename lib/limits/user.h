/*
 * How much a user may ask: messages and tokens, a minute and a day.
 *
 * The limits are the settings' FYNQ_LIMIT_* for the caller's role, but for what public.user_limits
 * says for the user. PostgreSQL counts, in the transaction that stores the question: what is not
 * stored is not counted, whatever dies. The two statements are steps for fynq_db_tx(); the rules,
 * and where windows begin and end, stand with the functions, in sql/migrations.
 */
#ifndef FYNQ_LIMITS_USER_H
#define FYNQ_LIMITS_USER_H

#include "data/db.h"

enum { FYNQ_LIMIT_ARGS = 5 };

/*
 * Take one message; its arguments are those of fynq_limit_args(). A step before it says whether
 * there is something to store, with set_config('fynq.go', 't' or 'f', true): where that is not 't'
 * nothing is counted and there is no row. Where a limit refuses, fynq.go is 'f' for the steps that
 * follow. It locks a row of the user's own until the transaction ends.
 */
extern const struct fynq_stmt fynq_limit_take;

/* The caller's id and the limits of the role, as text that lives until the request ends. */
void fynq_limit_args(struct fynq_req *rq, struct fynq_str args_r[static FYNQ_LIMIT_ARGS]);

/*
 * What fynq_limit_take said. Where there is a limit the answer gets RateLimit-Limit, -Remaining and
 * -Reset (seconds) of the one that is nearest, also when it becomes a problem or a stream. Without
 * a row FYNQ_OK: it was not the limits that refused. Once a request.
 *
 * RATE_LIMITED, with a Retry-After after which there is room again.
 */
enum fynq_err fynq_limit_verdict(struct fynq_req *rq, const struct fynq_rows *rows) FYNQ_MUST_CHECK;

/*
 * Count what a reply cost: $1 the user, $2 tokens of the prompt, $3 of the reply and its thinking,
 * $4 those that an answer without Gemini saved; null is 0. In the transaction that stores the
 * reply. Where that may run again after its COMMIT was done, the step before sets fynq.go: to 'f'
 * where the reply's tokens stand there already, and nothing is counted twice. Nothing happens for
 * an account that is gone.
 */
extern const struct fynq_stmt fynq_limit_spend;

#endif
