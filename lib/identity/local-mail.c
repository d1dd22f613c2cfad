#include "identity/local.h"

enum fynq_err
fynq_local_send_mail(struct fynq_req *rq, enum fynq_mail_kind kind, struct fynq_str email)
{
	(void)kind, (void)email;
	return fynq_fail(rq, FYNQ_E_INTERNAL, NULL);
}

enum fynq_err
fynq_local_verify(struct fynq_req *rq, enum fynq_mail_kind kind, struct fynq_str token,
    struct fynq_session *session_r)
{
	(void)kind, (void)token, (void)session_r;
	return fynq_fail(rq, FYNQ_E_INTERNAL, NULL);
}

enum fynq_err
fynq_local_reset(struct fynq_req *rq, struct fynq_str token, struct fynq_str password,
    struct fynq_session *session_r)
{
	(void)token, (void)password, (void)session_r;
	return fynq_fail(rq, FYNQ_E_INTERNAL, NULL);
}

enum fynq_err
fynq_local_change_password(struct fynq_req *rq, struct fynq_str current, struct fynq_str password)
{
	(void)current, (void)password;
	return fynq_fail(rq, FYNQ_E_INTERNAL, NULL);
}
