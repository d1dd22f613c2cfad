#include "identity/provider.h"

static enum fynq_err
register_user(
    struct fynq_req *rq, const struct fynq_registration *given, struct fynq_session *session_r)
{
	(void)given, (void)session_r;
	return fynq_fail(rq, FYNQ_E_INTERNAL, NULL);
}

static enum fynq_err
login(struct fynq_req *rq, struct fynq_str email, struct fynq_str password,
    struct fynq_session *session_r)
{
	(void)email, (void)password, (void)session_r;
	return fynq_fail(rq, FYNQ_E_INTERNAL, NULL);
}

static enum fynq_err
refresh(struct fynq_req *rq, struct fynq_str token, struct fynq_session *session_r)
{
	(void)token, (void)session_r;
	return fynq_fail(rq, FYNQ_E_INTERNAL, NULL);
}

static enum fynq_err
logout(struct fynq_req *rq, enum fynq_scope scope)
{
	(void)scope;
	return fynq_fail(rq, FYNQ_E_INTERNAL, NULL);
}

static enum fynq_err
send_mail(struct fynq_req *rq, enum fynq_mail_kind kind, struct fynq_str email)
{
	(void)kind, (void)email;
	return fynq_fail(rq, FYNQ_E_INTERNAL, NULL);
}

static enum fynq_err
verify(struct fynq_req *rq, enum fynq_mail_kind kind, struct fynq_str token,
    struct fynq_session *session_r)
{
	(void)kind, (void)token, (void)session_r;
	return fynq_fail(rq, FYNQ_E_INTERNAL, NULL);
}

static enum fynq_err
reset(struct fynq_req *rq, struct fynq_str token, struct fynq_str password,
    struct fynq_session *session_r)
{
	(void)token, (void)password, (void)session_r;
	return fynq_fail(rq, FYNQ_E_INTERNAL, NULL);
}

static enum fynq_err
change_password(struct fynq_req *rq, struct fynq_str current, struct fynq_str password)
{
	(void)current, (void)password;
	return fynq_fail(rq, FYNQ_E_INTERNAL, NULL);
}

static enum fynq_err
authorize_url(struct fynq_req *rq, struct fynq_str service, struct fynq_str callback,
    struct fynq_str challenge, struct fynq_str *url_r)
{
	(void)service, (void)callback, (void)challenge, (void)url_r;
	return fynq_fail(rq, FYNQ_E_INTERNAL, NULL);
}

static enum fynq_err
exchange(struct fynq_req *rq, struct fynq_str code, struct fynq_str verifier,
    struct fynq_session *session_r)
{
	(void)code, (void)verifier, (void)session_r;
	return fynq_fail(rq, FYNQ_E_INTERNAL, NULL);
}

static enum fynq_err
create_user(struct fynq_req *rq, const struct fynq_account *account, struct fynq_uuid *id_r)
{
	(void)account, (void)id_r;
	return fynq_fail(rq, FYNQ_E_INTERNAL, NULL);
}

static enum fynq_err
set_role(struct fynq_req *rq, struct fynq_str id, struct fynq_str role)
{
	(void)id, (void)role;
	return fynq_fail(rq, FYNQ_E_INTERNAL, NULL);
}

static enum fynq_err
set_disabled(struct fynq_req *rq, struct fynq_str id, bool disabled)
{
	(void)id, (void)disabled;
	return fynq_fail(rq, FYNQ_E_INTERNAL, NULL);
}

static enum fynq_err
set_password(struct fynq_req *rq, struct fynq_str id, struct fynq_str password)
{
	(void)id, (void)password;
	return fynq_fail(rq, FYNQ_E_INTERNAL, NULL);
}

static enum fynq_err
delete_user(struct fynq_req *rq, struct fynq_str id)
{
	(void)id;
	return fynq_fail(rq, FYNQ_E_INTERNAL, NULL);
}

const struct fynq_provider fynq_provider_supabase = {
	.register_user = register_user,
	.login = login,
	.refresh = refresh,
	.logout = logout,
	.send_mail = send_mail,
	.verify = verify,
	.reset = reset,
	.change_password = change_password,
	.authorize_url = authorize_url,
	.exchange = exchange,
	.create_user = create_user,
	.set_role = set_role,
	.set_disabled = set_disabled,
	.set_password = set_password,
	.delete_user = delete_user,
};
