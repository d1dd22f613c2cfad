/*
 * What has to be done about accounts from time to time: mails that could not be sent, erasures that
 * were not finished, records and sessions that are too old.
 *
 * The auth responder has it as its companion. Each of its processes does all of it a minute after
 * the last time; several may do so at once, as rows are locked while they are worked on. As plain
 * CGI there is no such time: a request's own mail is sent after its answer, and `fynqctl upkeep`
 * does the rest, from cron.
 */
#ifndef FYNQ_ACCOUNT_UPKEEP_H
#define FYNQ_ACCOUNT_UPKEEP_H

#include "base/companion.h"
#include "http/request.h"

extern const struct fynq_companion fynq_upkeep;

/*
 * Do it once; now says that what failed before is tried whether its time has come or not. Returns
 * how many pieces of it failed; the log says which.
 */
int fynq_upkeep_run(struct fynq_req *rq, bool now);

#endif
