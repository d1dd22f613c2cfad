#include <string.h>

#include "base/log.h"
#include "data/steps.h"

void
fynq_steps_add(struct fynq_steps *steps, struct fynq_req *rq, const struct fynq_stmt *stmt,
    struct fynq_rows *rows_r, const struct fynq_str *args, size_t n_args)
{
	struct fynq_str *kept = fynq_arena_alloc(rq->arena, (n_args + 1) * sizeof(*kept));

	if (steps->n == FYNQ_STEPS_MAX)
		fynq_log_fatal("database", "%s is one step too many", stmt->name);
	if (n_args > 0)
		memcpy(kept, args, n_args * sizeof(*kept));
	steps->all[steps->n++] = (struct fynq_step){ stmt, kept, n_args, rows_r };
}
