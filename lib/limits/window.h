/*
 * The calls of the last minute to one model: a log of when each starts and what it takes.
 *
 * A call is given its start in the log before it is made, the earliest at which no window of time
 * holds more than the limits. Starts never go back, so a window that ends with the newest call is
 * the only one to look at, and those who wait do so in the order in which they came, without a list
 * of them. What the log says holds also for a caller that has died: its start is wasted.
 *
 * The log lies in memory that processes share. One caller at a time changes it; each may die
 * between any two stores. Then `past`, `last` and the entries still say which calls there are, as
 * an entry is written before `last` names it; the sums may be wrong, and fynq_window_repair()
 * counts anew.
 */
#ifndef FYNQ_LIMITS_WINDOW_H
#define FYNQ_LIMITS_WINDOW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Calls that a log holds, and so the most that a minute may have. */
enum { FYNQ_WINDOW_CALLS = 20000 };

/* One more than may count: an entry that is being written never lies over one that counts. */
enum { FYNQ_WINDOW_RING = FYNQ_WINDOW_CALLS + 1 };

/*
 * The window's length: the minute of the limits, and a margin, as calls that start a minute apart
 * may arrive a little less than that apart.
 */
enum { FYNQ_WINDOW_US = 61000000 };

struct fynq_window_call {
	int64_t start_us; /* monotonic */
	uint32_t tokens;
	int32_t day; /* in Pacific time; 0 once it was given back */
};

/* All zero is an empty log. Calls are numbered from 1 and lie at their number modulo the size. */
struct fynq_window {
	_Atomic uint64_t past; /* numbers up to this one count no longer */
	_Atomic uint64_t
	    last;	/* the newest number; its start is the least that the next may have */
	int64_t tokens; /* of those that count */
	uint32_t calls; /* that count: not past and not given back */
	uint32_t unused;
	struct fynq_window_call ring[FYNQ_WINDOW_RING];
};

/* What a minute may have: calls from 1 to FYNQ_WINDOW_CALLS, and tokens. */
struct fynq_window_limits {
	uint32_t calls;
	int64_t tokens;
};

/* Where a call would stand. */
struct fynq_window_place {
	int64_t start_us;
	uint64_t past; /* what the log's members become */
	int64_t tokens;
	uint32_t calls;
};

/* Where the next call would stand if there were no limits: what is in the window that ends there.
 */
struct fynq_window_place fynq_window_next(struct fynq_window *w, int64_t now_us);

/*
 * The earliest place at now_us or later for a call of so many tokens, at most those of the limits.
 * Nothing is reserved. Takes constant time on average where the place is then taken, else at most
 * a step for each call of the log.
 */
struct fynq_window_place fynq_window_find(struct fynq_window *w,
    const struct fynq_window_limits *limits, int64_t now_us, uint32_t tokens);

/* Put a call at the place that fynq_window_find() gave, with nothing in between; its number. */
uint64_t fynq_window_add(
    struct fynq_window *w, const struct fynq_window_place *place, uint32_t tokens, int32_t day);

/* Change what a call takes; what other calls were given stays. */
void fynq_window_settle(struct fynq_window *w, uint64_t number, uint32_t tokens);

/*
 * Give a call back, as it was not sent; the day it counted for, 0 where there is no such call.
 * Calls to come may have its place, but none starts before the newest.
 */
int32_t fynq_window_return(struct fynq_window *w, uint64_t number);

/* Make the sums right again after a caller died. */
void fynq_window_repair(struct fynq_window *w);

#endif
