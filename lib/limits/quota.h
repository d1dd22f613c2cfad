/*
 * Gemini's limits for each model: requests and input tokens a minute, requests a day.
 *
 * A permit is taken before a call is sent, and says when to send it. Permits of a model are given
 * in the order in which they were asked for, by all processes of a host, and no minute holds more
 * than the limits (limits/window.h), counted by what callers said and later settled. The day is
 * that of Pacific time in which a call starts.
 *
 * The limits are those of the process that asks: while processes of two settings run, each keeps
 * its own, and counts what all have taken.
 */
#ifndef FYNQ_LIMITS_QUOTA_H
#define FYNQ_LIMITS_QUOTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* The longest that fynq_quota_take() plans ahead, in ms. */
enum { FYNQ_QUOTA_WAIT_MAX_MS = 3600000 };

/* The right to make one call. A plain value: copy it, keep it, forget it. */
struct fynq_permit {
	int slot; /* negative where the model has no limits */
	uint64_t number;
	int64_t start_us; /* fynq_clock_mono_us(): when the call may be sent, now or later */
	int64_t tokens;	  /* as reserved */
};

/* Read FYNQ_GEMINI_QUOTAS; false with a line for each fault. Called by fynq_host_init(). */
bool fynq_quota_init(struct fynq_buf *problems_r);

/*
 * Take a permit for a call of so many input tokens that may start within wait_ms. Otherwise nothing
 * is reserved, *permit_r is not set, and *retry_after_r says in how many seconds, rounded up, a
 * call of that size could start at once, unless others come first. It is 0 with FYNQ_OK.
 *
 * FYNQ_E_GEMINI_QUOTA: the minute is full; also, with 60 s, where the call has more tokens than a
 * minute may have, and, with 1 s, where the memory could not be locked.
 * FYNQ_E_GEMINI_DAY: the day is full, until midnight.
 */
enum fynq_err fynq_quota_take(const char *model, int64_t tokens, int64_t wait_ms,
    struct fynq_permit *permit_r, int *retry_after_r) FYNQ_MUST_CHECK;

/* The call has ended and took so many input tokens. Those that wait already keep their starts. */
void fynq_quota_settle(const struct fynq_permit *permit, int64_t tokens);

/* The call was never sent: it counts neither for the minute nor for the day. At most once matters.
 */
void fynq_quota_return(const struct fynq_permit *permit);

/* What is taken of a model's limits. */
struct fynq_quota_state {
	const char *model;			      /* static */
	int64_t calls_limit, tokens_limit, day_limit; /* 0 for none */
	int64_t calls, tokens;			      /* in the minute that ends with the newest */
	int64_t day;				      /* calls in the Pacific day of now */
	int64_t ahead_us;			      /* how far from now the newest call starts */
};

/* The state of the i-th model that has limits; false past the last, or where it is not to be had.
 */
bool fynq_quota_state(size_t i, struct fynq_quota_state *state_r);

#endif
