#include "account/archive.h"

enum fynq_err
fynq_archive_reply(struct fynq_req *rq)
{
	return fynq_fail(rq, FYNQ_E_INTERNAL, NULL);
}
