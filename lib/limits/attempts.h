/*
 * Guessing: how often an address of the network, and anyone at one account, may try.
 *
 * Counted in PostgreSQL, so by all processes and hosts alike. A try is counted before it is made,
 * so a hundred at once are a hundred. After the first few the delay to the next doubles each time,
 * up to a maximum; what is good clears the account's count. The rules are a table in attempts.c.
 */
#ifndef FYNQ_LIMITS_ATTEMPTS_H
#define FYNQ_LIMITS_ATTEMPTS_H

#include "data/db.h"

enum fynq_attempt {
	FYNQ_ATTEMPT_PASSWORD, /* login, and the current password at a change */
	FYNQ_ATTEMPT_TOKEN,    /* of a mail, or a code */
	FYNQ_ATTEMPT_MAIL,     /* that a mail be sent: recover, resend */
	FYNQ_ATTEMPT_REGISTER,
	FYNQ_ATTEMPTS
};

/*
 * Count a try, and refuse it where its time has not come: RATE_LIMITED, with a Retry-After. account
 * is the address of the account, in any case, or absent where the try names none.
 */
enum fynq_err fynq_attempt_count(
    struct fynq_req *rq, enum fynq_attempt attempt, struct fynq_str account) FYNQ_MUST_CHECK;

/* The try was good: the account's count begins anew, and the address's is as if it had not been. */
void fynq_attempt_good(struct fynq_req *rq, enum fynq_attempt attempt, struct fynq_str account);

#endif
