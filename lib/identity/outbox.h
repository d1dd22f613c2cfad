/*
 * Mails to be sent: rows of fynq.mails, sent after the answer.
 *
 * A row says kind and address and holds no token: the provider makes that when it sends. It is
 * written in the same way whether or not the address has an account, so neither answer nor time
 * tells. Where a mail cannot be sent, it is tried again with growing delay for a day.
 *
 * A process that dies after the row's COMMIT and before the mail leaves the row, which the next run
 * sends; one that dies after the mail and before the row is gone sends it twice, and the token of
 * the first is then void.
 */
#ifndef FYNQ_IDENTITY_OUTBOX_H
#define FYNQ_IDENTITY_OUTBOX_H

#include "data/db.h"
#include "identity/provider.h"

/* Store a mail to be sent, and have it sent once the answer is out. Fails as fynq_db_run(). */
enum fynq_err fynq_outbox_add(
    struct fynq_req *rq, enum fynq_mail_kind kind, struct fynq_str email) FYNQ_MUST_CHECK;

/* Have what is stored sent once the answer is out; after a transaction that wrote such a row. */
void fynq_outbox_wake(void);

/* Send what is due; part of the upkeep. What fails is logged. */
void fynq_outbox_run(struct fynq_req *rq);

#endif
