#include <stddef.h>

#include "limits/window.h"

static struct fynq_window_call *
call_of(struct fynq_window *w, uint64_t number)
{
	return &w->ring[number % FYNQ_WINDOW_RING];
}

/* Leave the oldest out: the place must be past its window. */
static void
drop(struct fynq_window *w, struct fynq_window_place *place)
{
	const struct fynq_window_call *oldest = call_of(w, ++place->past);

	if (oldest->day == 0)
		return;
	if (place->start_us < oldest->start_us + FYNQ_WINDOW_US)
		place->start_us = oldest->start_us + FYNQ_WINDOW_US;
	place->tokens -= oldest->tokens;
	place->calls--;
}

/* Does the window that ends with the place no longer hold the oldest? */
static bool
has_expired(struct fynq_window *w, const struct fynq_window_place *place)
{
	const struct fynq_window_call *oldest = call_of(w, place->past + 1);

	return oldest->day == 0 || oldest->start_us <= place->start_us - FYNQ_WINDOW_US;
}

/*
 * A death between these leaves sums that are wrong. past is only ever moved past calls that no
 * window holds that ends with the newest call or later, so also alone it is right.
 */
static void
commit(struct fynq_window *w, const struct fynq_window_place *place)
{
	w->past = place->past;
	w->tokens = place->tokens;
	w->calls = place->calls;
}

struct fynq_window_place
fynq_window_next(struct fynq_window *w, int64_t now_us)
{
	struct fynq_window_place place = {
		.start_us = now_us,
		.past = w->past,
		.tokens = w->tokens,
		.calls = w->calls,
	};

	if (w->last > 0 && call_of(w, w->last)->start_us > now_us)
		place.start_us = call_of(w, w->last)->start_us;
	while (place.past < w->last && has_expired(w, &place))
		drop(w, &place);
	/* So far it is true for every call to come: keep it, so that nobody does it again. */
	commit(w, &place);
	return place;
}

struct fynq_window_place
fynq_window_find(
    struct fynq_window *w, const struct fynq_window_limits *limits, int64_t now_us, uint32_t tokens)
{
	struct fynq_window_place place = fynq_window_next(w, now_us);

	/* Calls that were given back take no part in the counts, but they do take room. */
	while (place.past < w->last &&
	       (place.calls >= limits->calls || place.tokens + tokens > limits->tokens ||
		   w->last - place.past >= FYNQ_WINDOW_CALLS))
		drop(w, &place);
	return place;
}

/* Death before `last` is stored: no call; after it: a call whose start is wasted. */
uint64_t
fynq_window_add(
    struct fynq_window *w, const struct fynq_window_place *place, uint32_t tokens, int32_t day)
{
	uint64_t number = w->last + 1;

	*call_of(w, number) = (struct fynq_window_call){ place->start_us, tokens, day };
	/* Before past: what that leaves out counts until no call can start earlier. */
	w->last = number;
	commit(w, place);
	w->tokens += tokens;
	w->calls++;
	return number;
}

/* The call of a number; NULL where it was given back or overwritten since. */
static struct fynq_window_call *
get(struct fynq_window *w, uint64_t number)
{
	struct fynq_window_call *call = call_of(w, number);

	if (number == 0 || number > w->last || w->last - number >= FYNQ_WINDOW_RING)
		return NULL;
	return call->day != 0 ? call : NULL;
}

/* Death after the first store: the sum is counted anew. */
void
fynq_window_settle(struct fynq_window *w, uint64_t number, uint32_t tokens)
{
	struct fynq_window_call *call = get(w, number);
	uint32_t before;

	if (call == NULL)
		return;
	before = call->tokens;
	call->tokens = tokens;
	if (number > w->past)
		w->tokens += (int64_t)tokens - before;
}

/* Death after the first store: as above. */
int32_t
fynq_window_return(struct fynq_window *w, uint64_t number)
{
	struct fynq_window_call *call = get(w, number);
	int32_t day;

	if (call == NULL)
		return 0;
	day = call->day;
	call->day = 0;
	if (number > w->past) {
		w->tokens -= call->tokens;
		w->calls--;
	}
	return day;
}

void
fynq_window_repair(struct fynq_window *w)
{
	int64_t tokens = 0;
	uint32_t calls = 0;

	for (uint64_t i = w->past + 1; i <= w->last; i++) {
		const struct fynq_window_call *call = call_of(w, i);

		if (call->day != 0) {
			tokens += call->tokens;
			calls++;
		}
	}
	w->tokens = tokens;
	w->calls = calls;
}
