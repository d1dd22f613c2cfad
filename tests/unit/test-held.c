#include <poll.h>

#include "base/clock.h"
#include "service/held.h"
#include "unit.h"

enum { ROOM = 1000 };

static int fd;

static int
setup(void **state)
{
	(void)state;
	fd = fynq_held_init();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	return close(fd);
}

static struct fynq_req *
answered(int64_t not_before_us)
{
	struct fynq_req *rq = fynq_req_new(-1, true);

	rq->not_before_us = not_before_us;
	return rq;
}

/* Is the descriptor readable before so many milliseconds have passed? */
static bool
wakes(int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

static struct fynq_req *
wait_for_one(void)
{
	struct fynq_req *rq = NULL;

	while (rq == NULL && wakes(30000))
		rq = fynq_held_take();
	assert_non_null(rq);
	return rq;
}

static void
what_need_not_wait_does_not(void **state)
{
	struct fynq_req *now = answered(0), *past = answered(fynq_clock_mono_us());

	(void)state;
	assert_false(fynq_held_put(now));
	assert_false(fynq_held_put(past));
	assert_null(fynq_held_take());
	assert_false(wakes(0));
	fynq_req_free(&now);
	fynq_req_free(&past);
}

/* Each at its time and no earlier, whichever came first; the descriptor says when. */
static void
one_after_the_other(void **state)
{
	static const int after_ms[] = { 90, 30, 120, 60, 30 };
	int64_t began = fynq_clock_mono_us(), last = 0;

	(void)state;
	for (size_t i = 0; i < LENGTH(after_ms); i++)
		assert_true(fynq_held_put(answered(began + after_ms[i] * 1000 + 1000000)));
	for (size_t i = 0; i < LENGTH(after_ms); i++) {
		struct fynq_req *rq = wait_for_one();

		assert_true(rq->not_before_us <= fynq_clock_mono_us());
		assert_true(rq->not_before_us >= last);
		last = rq->not_before_us;
		fynq_req_free(&rq);
	}
	assert_true(last == began + 1120000);
	assert_null(fynq_held_take());
	assert_false(wakes(0));
}

/* One too many is waited for by whoever brings it, and all the others stay. */
static void
no_more_than_there_is_room_for(void **state)
{
	struct fynq_req *all[ROOM], *more = answered(0);
	int64_t at;

	(void)state;
	for (size_t i = 0; i < ROOM; i++)
		all[i] = answered(0);
	at = fynq_clock_mono_us() + 3000000;
	for (size_t i = 0; i < ROOM; i++) {
		all[i]->not_before_us = at;
		assert_true(fynq_held_put(all[i]));
	}
	more->not_before_us = fynq_clock_mono_us() + 20000;
	assert_false(fynq_held_put(more));
	assert_true(fynq_clock_mono_us() >= more->not_before_us);
	for (size_t i = 0; i < ROOM; i++)
		assert_ptr_equal(wait_for_one(), all[i]);

	/* Then there is room again. */
	more->not_before_us = fynq_clock_mono_us() + 1000000;
	assert_true(fynq_held_put(more));
	assert_ptr_equal(wait_for_one(), more);
	for (size_t i = 0; i < ROOM; i++)
		fynq_req_free(&all[i]);
	fynq_req_free(&more);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_need_not_wait_does_not),
		cmocka_unit_test(one_after_the_other),
		cmocka_unit_test(no_more_than_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
