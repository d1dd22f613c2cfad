#include "account/erasure.h"

enum fynq_err
fynq_erasure_add(struct fynq_req *rq, struct fynq_str user)
{
	(void)user;
	return fynq_fail(rq, FYNQ_E_INTERNAL, NULL);
}

enum fynq_err
fynq_erasure_do(struct fynq_req *rq, struct fynq_str user)
{
	(void)user;
	return fynq_fail(rq, FYNQ_E_INTERNAL, NULL);
}

void
fynq_erasure_run(struct fynq_req *rq)
{
	(void)rq;
}
