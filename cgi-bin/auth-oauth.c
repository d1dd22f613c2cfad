/*
 * Signing in through another service, with PKCE (RFC 7636).
 */
#include "auth.h"

enum fynq_err
get_oauth(struct fynq_req *rq, const void *in)
{
	(void)in;
	return fynq_fail(rq, FYNQ_E_NOT_FOUND, NULL);
}

enum fynq_err
get_callback(struct fynq_req *rq, const void *in)
{
	(void)in;
	return fynq_fail(rq, FYNQ_E_NOT_FOUND, NULL);
}

enum fynq_err
post_exchange(struct fynq_req *rq, const void *in_)
{
	const struct exchange_in *in = in_;
	struct fynq_session session;

	FYNQ_TRY(fynq_attempt_count(rq, FYNQ_ATTEMPT_TOKEN, (struct fynq_str){ 0 }));
	FYNQ_TRY(fynq_provider()->exchange(rq, in->code, in->code_verifier, &session));
	fynq_attempt_good(rq, FYNQ_ATTEMPT_TOKEN, (struct fynq_str){ 0 });
	return reply_session(rq, 200, &session);
}
