#include "identity/standing.h"

enum fynq_err
fynq_standing_check(struct fynq_req *rq)
{
	(void)rq;
	return FYNQ_OK;
}
