/*
 * Guessing: how often an address of the network, and anyone at one account, may try.
 *
 * Counted in PostgreSQL, so by all processes and hosts alike. A try is counted before it is made,
 * so a hundred at once are a hundred. After the first few the delay to the next doubles each time,
 * up to a maximum, and each try is forgiven after a time. One that is refused counts for nothing.
 * The rules are a table in attempts.c, for
 *
 *	the address   of the network; of IPv6 its first 64 bits, which are one subscriber's
 *	the account   whoever tries; its longest delay is short, so that strangers who try it do not
 *		      keep its owner out for long
 *	the pair      of both, whose delay grows longer
 *
 * Where an account has signed in from an address within 30 days, that address is at home there:
 * what strangers try from elsewhere does not count against it, only what comes from it.
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

/* "password", "token", "mail", "register". */
extern const char *const fynq_attempt_names[];

/*
 * Count a try, and refuse it where its time has not come: RATE_LIMITED, with a Retry-After. account
 * is the address of the account, in any case, or absent where the try names none. *news_r says
 * whether this is the first that is refused since one was counted: a record of refusals that keeps
 * to those cannot be flooded. Else the errors of fynq_db_run(): what cannot be counted is not
 * tried. With FYNQ_ATTEMPTS=off nothing is counted.
 */
enum fynq_err fynq_attempt_count(struct fynq_req *rq, enum fynq_attempt attempt,
    struct fynq_str account, bool *news_r) FYNQ_MUST_CHECK;

/*
 * The try was good: account and pair begin anew, and the address's is as if it had not been. What
 * fails is logged.
 */
void fynq_attempt_good(struct fynq_req *rq, enum fynq_attempt attempt, struct fynq_str account);

/* Delete what says nothing any more; part of the upkeep. What fails is logged. */
void fynq_attempts_forget(struct fynq_req *rq);

#endif
