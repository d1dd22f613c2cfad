/*
 * Whether the account and the session of a verified token still stand.
 *
 * A token says what was true when it was issued. So a process asks the database when it first sees
 * a session and again when FYNQ_ACCOUNT_CHECK_SECONDS have passed: an account that was disabled or
 * deleted, a session that has ended and a role that has changed are out by then, at most 60 s. The
 * cost is a statement for each session, process and that time, of two look-ups by primary key. A
 * refusal is never remembered: who is let in again is in at once, and a new token counts at once.
 *
 * It is asked when a request comes: an answer that streams is finished.
 */
#ifndef FYNQ_IDENTITY_STANDING_H
#define FYNQ_IDENTITY_STANDING_H

#include "http/request.h"

/*
 * Check rq->caller. UNAUTHORIZED where the token no longer says what is true: a client that
 * refreshes gets what holds now. DISABLED. Where the database does not answer, its errors. Of a
 * token that names no session, only the account is looked at.
 */
enum fynq_err fynq_standing_check(struct fynq_req *rq) FYNQ_MUST_CHECK;

/* Something about the account user, a UUID, has changed: this process asks anew. */
void fynq_standing_forget(struct fynq_str user);

/*
 * Delete sessions that were not used for FYNQ_SESSION_DAYS, some thousands at a time, where they
 * are fynq's own. Where that fails the log says so; rq->problem is as before.
 */
void fynq_standing_sweep(struct fynq_req *rq);

#endif
