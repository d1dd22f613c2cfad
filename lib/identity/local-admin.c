#include "identity/local.h"

enum fynq_err
fynq_local_create_user(
    struct fynq_req *rq, const struct fynq_account *account, struct fynq_uuid *id_r)
{
	(void)account, (void)id_r;
	return fynq_fail(rq, FYNQ_E_INTERNAL, NULL);
}

enum fynq_err
fynq_local_set_role(struct fynq_req *rq, struct fynq_str id, struct fynq_str role)
{
	(void)id, (void)role;
	return fynq_fail(rq, FYNQ_E_INTERNAL, NULL);
}

enum fynq_err
fynq_local_set_disabled(struct fynq_req *rq, struct fynq_str id, bool disabled)
{
	(void)id, (void)disabled;
	return fynq_fail(rq, FYNQ_E_INTERNAL, NULL);
}

enum fynq_err
fynq_local_set_password(struct fynq_req *rq, struct fynq_str id, struct fynq_str password)
{
	(void)id, (void)password;
	return fynq_fail(rq, FYNQ_E_INTERNAL, NULL);
}

enum fynq_err
fynq_local_delete_user(struct fynq_req *rq, struct fynq_str id)
{
	(void)id;
	return fynq_fail(rq, FYNQ_E_INTERNAL, NULL);
}
