/*
 * What the handlers say to the count of tries and to the record.
 */
#include "auth.h"

#include "identity/claims.h"

/* Whose account it is about, the caller says, or else the address that was given. */
static void
record(struct fynq_req *rq, enum fynq_event event, struct fynq_str email, struct fynq_str detail)
{
	if (rq->caller.id.n > 0)
		fynq_audit(rq, event, rq->caller.id, detail);
	else
		fynq_audit_email(rq, event, email, detail);
}

enum fynq_err
count_try(struct fynq_req *rq, enum fynq_attempt attempt, struct fynq_str email)
{
	enum fynq_err e;
	bool news;

	e = fynq_attempt_count(rq, attempt, email, &news);
	if (news)
		record(rq, FYNQ_EVENT_LOCKED, email, fynq_str_of(fynq_attempt_names[attempt]));
	return e;
}

/* Where accounts cannot be reached, nobody has failed. */
enum fynq_err
try_failed(struct fynq_req *rq, enum fynq_err e, struct fynq_str email)
{
	const struct fynq_err_info *info = fynq_err_info(e);

	if (info->status < 500)
		record(rq, FYNQ_EVENT_SIGN_IN_FAILED, email, fynq_str_of(info->code));
	return e;
}

struct fynq_str
session_user(struct fynq_req *rq, const struct fynq_session *session)
{
	return fynq_claims_find(rq->arena, session->user, "id");
}

struct fynq_str
caller_email(struct fynq_req *rq)
{
	struct fynq_str email = fynq_claims_find(rq->arena, rq->caller.claims, "email");

	return email.n > 0 ? email : rq->caller.id;
}
