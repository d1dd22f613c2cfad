#include "http/problem.h"

enum { RETRY_SECONDS = 5 };

static void
member(struct fynq_buf *out, const char *name, struct fynq_str text)
{
	fynq_buf_printf(out, ",\"%s\":", name);
	fynq_buf_add_json(out, text);
}

static void
add_faults(struct fynq_buf *out, const struct fynq_problem *problem)
{
	size_t n = problem->n_faults < FYNQ_FAULTS ? problem->n_faults : FYNQ_FAULTS;

	fynq_buf_add(out, FYNQ_STR(",\"errors\":["));
	for (size_t i = 0; i < n; i++) {
		const struct fynq_fault *fault = &problem->faults[i];

		fynq_buf_add(out, i > 0 ? FYNQ_STR(",{\"field\":") : FYNQ_STR("{\"field\":"));
		fynq_buf_add_json(out, fault->field);
		member(out, "code", fynq_str_of(fault->code));
		member(out, "message", fault->message);
		fynq_buf_add_char(out, '}');
	}
	fynq_buf_add_char(out, ']');
}

int
fynq_problem_retry_after(const struct fynq_problem *problem)
{
	int status = fynq_err_info(problem->error)->status;

	if (problem->retry_after > 0 || (status != 429 && status != 503))
		return problem->retry_after;
	return RETRY_SECONDS;
}

void
fynq_problem_json(
    struct fynq_buf *out, const struct fynq_problem *problem, struct fynq_str instance)
{
	const struct fynq_err_info *info = fynq_err_info(problem->error);

	fynq_buf_printf(out, "{\"type\":\"urn:fynq:problem:%s\"", info->code);
	member(out, "title", fynq_str_of(info->title));
	fynq_buf_printf(out, ",\"status\":%d", info->status);
	if (problem->detail.n > 0)
		member(out, "detail", problem->detail);
	member(out, "instance", instance);
	member(out, "code", fynq_str_of(info->code));
	if (fynq_problem_retry_after(problem) > 0)
		fynq_buf_printf(out, ",\"retry_after\":%d", fynq_problem_retry_after(problem));
	if (problem->n_faults > 0)
		add_faults(out, problem);
	fynq_buf_add_char(out, '}');
}
