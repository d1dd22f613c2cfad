#include "limits/attempts.h"

enum fynq_err
fynq_attempt_count(struct fynq_req *rq, enum fynq_attempt attempt, struct fynq_str account)
{
	(void)rq, (void)attempt, (void)account;
	return FYNQ_OK;
}

void
fynq_attempt_good(struct fynq_req *rq, enum fynq_attempt attempt, struct fynq_str account)
{
	(void)rq, (void)attempt, (void)account;
}
