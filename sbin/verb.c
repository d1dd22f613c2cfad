#include <stdio.h>
#include <string.h>

#include "base/fetch.h"
#include "base/log.h"
#include "data/db.h"
#include "fynqctl.h"

const struct verb *
ctl_verb_find(const struct verb *verbs, const char *name)
{
	for (; name != NULL && verbs->name != NULL; verbs++)
		if (strcmp(verbs->name, name) == 0)
			return verbs;
	return NULL;
}

static void
say_why(const char *command, const struct fynq_problem *problem, enum fynq_err e)
{
	for (size_t i = 0; i < problem->n_faults && i < FYNQ_FAULTS; i++)
		ctl_say("%s: %.*s: %.*s", command, FYNQ_STR_ARG(problem->faults[i].field),
		    FYNQ_STR_ARG(problem->faults[i].message));
	if (problem->n_faults == 0 && problem->detail.p != NULL)
		ctl_say("%s: %.*s", command, FYNQ_STR_ARG(problem->detail));
	else if (problem->n_faults == 0)
		ctl_say("%s: %s", command, fynq_err_info(e)->title);
}

int
ctl_verb_run(const char *command, const struct verb *verb, void *call)
{
	struct fynq_req *rq;
	enum fynq_err e;

	/* What was done is in the database; here only what went wrong is said. */
	(void)fynq_log_open("-", FYNQ_LOG_WARN, "fynqctl");
	fynq_fetch_init();
	fynq_db_init();
	rq = fynq_req_new(-1, true);
	e = verb->run(rq, call);
	if (e != FYNQ_OK)
		say_why(command, &rq->problem, e);
	fynq_req_free(&rq);
	fynq_db_close();
	return fflush(stdout) == 0 && e == FYNQ_OK ? EX_OK : CTL_FAILED;
}
