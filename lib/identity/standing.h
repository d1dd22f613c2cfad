/*
 * Whether the account and the session of a verified token still stand.
 *
 * A token says what was true when it was issued. So a process asks the database when it first sees
 * a session and again when FYNQ_ACCOUNT_CHECK_SECONDS have passed: an account that was disabled or
 * deleted, a session that has ended and a role that has changed are out by then, at most 60 s. The
 * cost is a statement for each user, process and that time.
 */
#ifndef FYNQ_IDENTITY_STANDING_H
#define FYNQ_IDENTITY_STANDING_H

#include "http/request.h"

/*
 * Check rq->caller. UNAUTHORIZED where the token no longer says what is true: a client that
 * refreshes gets what holds now. DISABLED. Where the database does not answer, its errors.
 */
enum fynq_err fynq_standing_check(struct fynq_req *rq) FYNQ_MUST_CHECK;

#endif
