/*
 * The erasure of a user: rows, files, and the account with its provider (GDPR article 17).
 *
 * What was asked for is a row of fynq.erasures first; from its COMMIT on the account is disabled
 * and its sessions are gone. Then come the files, the account with all its rows, and at last the
 * row itself. A process that dies at any step leaves the row, and the upkeep begins again: each
 * step may be done twice.
 */
#ifndef FYNQ_ACCOUNT_ERASURE_H
#define FYNQ_ACCOUNT_ERASURE_H

#include "http/request.h"

/* Record that the user is to be erased. Fails as fynq_db_run(). */
enum fynq_err fynq_erasure_add(struct fynq_req *rq, struct fynq_str user) FYNQ_MUST_CHECK;

/* CONFLICT where the user is to be erased: nobody enables such an account again. */
enum fynq_err fynq_erasure_none(struct fynq_req *rq, struct fynq_str user) FYNQ_MUST_CHECK;

/*
 * Erase that user now. What fails stays recorded for the upkeep, and is logged; rq's problem then
 * says what failed.
 */
enum fynq_err fynq_erasure_do(struct fynq_req *rq, struct fynq_str user) FYNQ_MUST_CHECK;

/*
 * Erase who is due, a few at a time, each by one process; part of the upkeep. now says that what
 * failed before does not wait for its time. Returns how many could not be erased.
 */
int fynq_erasure_run(struct fynq_req *rq, bool now);

#endif
