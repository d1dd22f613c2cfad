/*
 * Who asks: access tokens, passwords, sessions.
 *
 * Accounts lie in the auth schema as Supabase Auth lays it out. provider.h is the interface that
 * the auth responder speaks to; here is what every responder needs.
 */
#ifndef FYNQ_IDENTITY_IDENTITY_H
#define FYNQ_IDENTITY_IDENTITY_H

#include "http/request.h"

/*
 * Read the keys (identity/keys.h) and prepare the cache of verified tokens. Once, before any thread
 * starts. False where there is no usable key; problems_r then names the setting.
 */
bool fynq_identity_init(struct fynq_buf *problems_r);

/*
 * Verify the request's bearer token (RFC 6750), fill rq->caller and check that the caller is whom
 * the route serves. UNAUTHORIZED or TOKEN_EXPIRED, with a WWW-Authenticate header; FORBIDDEN for a
 * role that is not enough; AUTH_UNAVAILABLE where there are no keys to verify the token with. A
 * route that serves anyone looks at no token: a client whose token has
 * expired sends it with its refresh all the same.
 */
enum fynq_err fynq_authorise(struct fynq_req *rq, enum fynq_who who) FYNQ_MUST_CHECK;

/*
 * The token of "Authorization: Bearer ..." (RFC 6750 section 2.1); absent for any other scheme, and
 * once the request is detached. For whoever passes it on to those who issued it.
 */
struct fynq_str fynq_bearer_token(const struct fynq_req *rq);

#endif
