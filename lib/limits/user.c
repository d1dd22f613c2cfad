#include "base/config.h"
#include "http/response.h"
#include "limits/user.h"

/* $1 user, $2 to $5 the limits. */
const struct fynq_stmt fynq_limit_take = { "limit_take", FYNQ_AS_SERVICE, FYNQ_ONCE,
	"select admitted, limit_name, limit_value, remaining, reset_seconds"
	" from fynq.take_message($1::uuid, $2::int, $3::int, $4::bigint, $5::bigint)" };
enum { ADMITTED, NAME, VALUE, REMAINING, RESET };

const struct fynq_stmt fynq_limit_spend = { "limit_spend", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select fynq.spend_tokens($1::uuid, $2::bigint, $3::bigint, $4::bigint)" };

static const struct fynq_limits *const of_role[] = {
	[FYNQ_ANYONE] = &fynq_config.limit_student,
	[FYNQ_USER] = &fynq_config.limit_student,
	[FYNQ_TEACHER] = &fynq_config.limit_teacher,
	[FYNQ_ADMIN] = &fynq_config.limit_admin,
};

void
fynq_limit_args(struct fynq_req *rq, struct fynq_str args_r[static FYNQ_LIMIT_ARGS])
{
	const struct fynq_limits *limits = of_role[rq->caller.role];

	args_r[0] = rq->caller.id;
	for (size_t i = 1; i < FYNQ_LIMIT_ARGS; i++)
		args_r[i] = fynq_arg_int(rq, limits->most[i - 1]);
}

/* A limit's name as a person says it. */
static const char *
words(struct fynq_str name)
{
	static const char *const table[][2] = {
		{ "messages_minute", "questions a minute" },
		{ "messages_day", "questions a day (UTC)" },
		{ "tokens_minute", "tokens a minute" },
		{ "tokens_day", "tokens a day (UTC)" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (fynq_str_eq(name, fynq_str_of(table[i][0])))
			return table[i][1];
	return "questions";
}

enum fynq_err
fynq_limit_verdict(struct fynq_req *rq, const struct fynq_rows *rows)
{
	struct fynq_str value, reset;
	int64_t seconds = 0;

	if (rows->n == 0 || fynq_rows_str(rows, 0, NAME).p == NULL)
		return FYNQ_OK;
	value = fynq_rows_str(rows, 0, VALUE);
	reset = fynq_rows_str(rows, 0, RESET);
	fynq_reply_header(rq, "RateLimit-Limit", value);
	fynq_reply_header(rq, "RateLimit-Remaining", fynq_rows_str(rows, 0, REMAINING));
	fynq_reply_header(rq, "RateLimit-Reset", reset);
	if (fynq_rows_true(rows, 0, ADMITTED))
		return FYNQ_OK;
	if (fynq_str_int(reset, &seconds))
		rq->problem.retry_after = (int)seconds;
	return fynq_fail(rq, FYNQ_E_RATE_LIMITED, "There is a limit of %.*s %s.",
	    FYNQ_STR_ARG(value), words(fynq_rows_str(rows, 0, NAME)));
}
