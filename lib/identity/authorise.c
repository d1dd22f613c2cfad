#include "base/clock.h"
#include "http/response.h"
#include "identity/identity.h"
#include "identity/standing.h"
#include "identity/token.h"

struct fynq_str
fynq_bearer_token(const struct fynq_req *rq)
{
	struct fynq_str scheme, token;

	fynq_str_cut(fynq_str_trim(fynq_req_param(rq, "HTTP_AUTHORIZATION")), ' ', &scheme, &token);
	if (!fynq_str_ieq(scheme, FYNQ_STR("Bearer")))
		return (struct fynq_str){ 0 };
	return token.p != NULL ? fynq_str_trim(token) : FYNQ_STR("");
}

/* Fail with the challenge that RFC 6750 section 3 asks for. */
static enum fynq_err
challenge(struct fynq_req *rq, enum fynq_err e, struct fynq_str challenge)
{
	fynq_reply_header(rq, "WWW-Authenticate", challenge);
	return fynq_fail(rq, e, NULL);
}

enum fynq_err
fynq_authorise(struct fynq_req *rq, enum fynq_who who)
{
	struct fynq_str token;
	enum fynq_err e;

	if (who == FYNQ_ANYONE)
		return FYNQ_OK;
	token = fynq_bearer_token(rq);
	if (token.p == NULL)
		return challenge(rq, FYNQ_E_UNAUTHORIZED, FYNQ_STR("Bearer"));
	e = fynq_token_verify(rq->arena, token, fynq_clock_now_us() / 1000000, &rq->caller);
	if (e == FYNQ_E_TOKEN_EXPIRED)
		return challenge(rq, e,
		    FYNQ_STR("Bearer error=\"invalid_token\", "
			     "error_description=\"The access token has expired\""));
	if (e == FYNQ_E_AUTH_UNAVAILABLE)
		return fynq_fail(rq, e, NULL);
	if (e != FYNQ_OK)
		return challenge(rq, e, FYNQ_STR("Bearer error=\"invalid_token\""));
	e = fynq_standing_check(rq);
	if (e == FYNQ_E_UNAUTHORIZED)
		return challenge(rq, e, FYNQ_STR("Bearer error=\"invalid_token\""));
	FYNQ_TRY(e);
	return rq->caller.role >= who ? FYNQ_OK : fynq_fail(rq, FYNQ_E_FORBIDDEN, NULL);
}
