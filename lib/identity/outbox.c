#include "identity/outbox.h"

enum fynq_err
fynq_outbox_add(struct fynq_req *rq, enum fynq_mail_kind kind, struct fynq_str email)
{
	(void)kind, (void)email;
	return fynq_fail(rq, FYNQ_E_INTERNAL, NULL);
}

void
fynq_outbox_wake(void)
{
}

void
fynq_outbox_run(struct fynq_req *rq)
{
	(void)rq;
}
