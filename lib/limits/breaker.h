/*
 * A circuit breaker for each model, shared by the processes of a host: a service that fails is left
 * alone for a while, and then tried by one caller before all come back.
 *
 * Closed, it counts the calls that ended in the last 30 s. When FYNQ_BREAKER_FAILURES of them
 * failed, and those are at least half, it opens for FYNQ_BREAKER_SECONDS. After that it is
 * half-open: one call at a time may go, and counts as lost after 30 s. The first call that then
 * ends decides, the probe or one from before: a success closes, a failure opens again for twice as
 * long, up to 2 minutes. What ends while it is open does not count.
 *
 * With FYNQ_BREAKER_FAILURES at 0, and for a model without a slot (limits/host.h), it is always
 * closed. Opening and closing are logged, a line each, by the process that does it.
 */
#ifndef FYNQ_LIMITS_BREAKER_H
#define FYNQ_LIMITS_BREAKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest that a breaker is opened for, in seconds: the longest day of Pacific time. */
enum { FYNQ_BREAKER_OPEN_MAX = 90000 };

/*
 * May a call be sent now? Where true is the permission to probe, the caller sends it and reports.
 * False: *retry_after_r says in how many seconds, rounded up, it may be tried; otherwise 0.
 */
bool fynq_breaker_allows(const char *model, int *retry_after_r);

/* A call that was allowed is not sent, or ended without a sign: another may be the probe now. */
void fynq_breaker_return(const char *model);

/*
 * A call that was sent has ended. failed is about the service (overload, time-outs, broken
 * connections), not about the request.
 */
void fynq_breaker_report(const char *model, bool failed);

/* The service said to come back in so many seconds (RetryInfo, a full day). Never shortens. */
void fynq_breaker_open(const char *model, int64_t seconds);

struct fynq_breaker_state {
	const char *model;     /* as long as the shared memory */
	const char *phase;     /* "closed", "open", "half-open" */
	int64_t calls, failed; /* that ended in the last 30 s, while it was closed */
	int retry_after;       /* seconds until it may be tried; 0 where that is now */
};

/* The state of the i-th model that is known; false past the last, or where it is not to be had. */
bool fynq_breaker_state(size_t i, struct fynq_breaker_state *state_r);

#endif
