#include <pthread.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/evloop.h"
#include "unit.h"

enum { WAIT_MS = 30000, POSTS = 500, THREADS = 4 };

static char order[64];

static int
setup(void **state)
{
	(void)state;
	order[0] = '\0';
	return 0;
}

static void
note(void *arg)
{
	strcat(order, arg);
}

/* Turn the loop until *done, for at most WAIT_MS. */
static void
turn_until(const bool *done)
{
	int64_t end = fynq_clock_mono_us() + WAIT_MS * 1000;

	while (!*done) {
		assert_true(fynq_clock_mono_us() < end);
		fynq_evloop_turn(100);
	}
}

static void
set(void *arg)
{
	*(bool *)arg = true;
}

static void
posts_come_in_order(void **state)
{
	bool done = false;

	(void)state;
	fynq_evloop_post(note, "1");
	fynq_evloop_post(note, "2");
	fynq_evloop_post(note, "3");
	fynq_evloop_post(set, &done);
	assert_string_equal(order, "");
	turn_until(&done);
	assert_string_equal(order, "123");
}

static void
post_again(void *arg)
{
	note("a");
	fynq_evloop_post(set, arg);
}

static void
a_post_may_post(void **state)
{
	bool done = false;

	(void)state;
	fynq_evloop_post(post_again, &done);
	turn_until(&done);
	assert_string_equal(order, "a");
}

static int counted;

static void
count(void *arg)
{
	(void)arg;
	counted++;
}

static void *
post_many(void *arg)
{
	for (int i = 0; i < POSTS; i++)
		fynq_evloop_post(count, arg);
	return NULL;
}

static void
threads_may_post(void **state)
{
	pthread_t threads[THREADS];
	bool done = false;

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, post_many, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	fynq_evloop_post(set, &done);
	turn_until(&done);
	assert_int_equal(counted, POSTS * THREADS);
}

struct peer {
	struct fynq_watch watch; /* first: the watch is the peer */
	uint32_t seen;
	int calls, other_end;
	struct peer *unwatch;
};

static void
peer_ready(struct fynq_watch *w, uint32_t events)
{
	struct peer *peer = (struct peer *)w;

	peer->seen |= events;
	peer->calls++;
	if (peer->unwatch != NULL) {
		fynq_evloop_unwatch(&peer->unwatch->watch);
		/* As if it were freed: nothing may come any more. */
		peer->unwatch->watch.ready = NULL;
	}
}

static void
peer_open(struct peer *peer)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	*peer = (struct peer){
		.watch = { .fd = fds[0], .ready = peer_ready },
		.other_end = fds[1],
	};
}

static void
peer_close(struct peer *peer)
{
	fynq_evloop_unwatch(&peer->watch);
	close(peer->watch.fd);
	if (peer->other_end >= 0)
		close(peer->other_end);
}

static void
watches(void **state)
{
	struct peer peer;

	(void)state;
	peer_open(&peer);
	fynq_evloop_watch(&peer.watch, EPOLLIN | EPOLLRDHUP);
	fynq_evloop_turn(0);
	assert_int_equal(peer.calls, 0);
	assert_int_equal(write(peer.other_end, "x", 1), 1);
	fynq_evloop_turn(WAIT_MS);
	assert_int_equal(peer.seen, EPOLLIN);
	fynq_evloop_turn(WAIT_MS);
	assert_int_equal(peer.calls, 2);

	fynq_evloop_watch(&peer.watch, EPOLLOUT);
	peer.seen = 0;
	fynq_evloop_turn(WAIT_MS);
	assert_int_equal(peer.seen, EPOLLOUT);

	fynq_evloop_watch(&peer.watch, EPOLLRDHUP);
	peer.seen = 0;
	close(peer.other_end);
	peer.other_end = -1;
	fynq_evloop_turn(WAIT_MS);
	assert_true((peer.seen & EPOLLRDHUP) != 0);

	fynq_evloop_unwatch(&peer.watch);
	assert_int_equal(peer.watch.events, 0);
	peer.calls = 0;
	fynq_evloop_turn(0);
	assert_int_equal(peer.calls, 0);
	fynq_evloop_unwatch(&peer.watch);
	peer_close(&peer);
}

/* Both are ready in one turn; the first one served ends the other. */
static void
an_unwatched_one_hears_nothing(void **state)
{
	struct peer one, two;

	(void)state;
	peer_open(&one);
	peer_open(&two);
	one.unwatch = &two;
	two.unwatch = &one;
	fynq_evloop_watch(&one.watch, EPOLLOUT);
	fynq_evloop_watch(&two.watch, EPOLLOUT);
	fynq_evloop_turn(WAIT_MS);
	assert_int_equal(one.calls + two.calls, 1);
	peer_close(&one);
	peer_close(&two);
}

struct alarm {
	struct fynq_timer timer;
	const char *name;
	bool fired;
};

static void
fire(struct fynq_timer *t)
{
	struct alarm *alarm = (struct alarm *)t;

	alarm->fired = true;
	note((void *)(uintptr_t)alarm->name);
}

static void
timers_fire_when_due(void **state)
{
	struct alarm soon = { .timer.fire = fire, .name = "s" };
	struct alarm late = { .timer.fire = fire, .name = "l" };
	struct alarm never = { .timer.fire = fire, .name = "n" };
	int64_t start = fynq_clock_mono_us();

	(void)state;
	fynq_evloop_timer_set(&late.timer, 40);
	fynq_evloop_timer_set(&never.timer, 20);
	fynq_evloop_timer_set(&soon.timer, 1);
	fynq_evloop_timer_clear(&never.timer);
	turn_until(&late.fired);
	assert_true(fynq_clock_mono_us() - start >= 40000);
	assert_string_equal(order, "sl");
	assert_int_equal(late.timer.due_us, 0);
	fynq_evloop_timer_clear(&late.timer);
}

static void
a_timer_set_again_moves(void **state)
{
	struct alarm moved = { .timer.fire = fire, .name = "m" };
	struct alarm mark = { .timer.fire = fire, .name = "k" };

	(void)state;
	fynq_evloop_timer_set(&moved.timer, 3600000);
	fynq_evloop_timer_set(&mark.timer, 0);
	fynq_evloop_timer_set(&moved.timer, 0);
	assert_string_equal(order, "");
	turn_until(&moved.fired);
	turn_until(&mark.fired);
	assert_int_equal(strlen(order), 2);
	fynq_evloop_turn(0);
	assert_int_equal(strlen(order), 2);
}

static void *
stop(void *arg)
{
	(void)arg;
	fynq_evloop_stop();
	return NULL;
}

/* Stands last: a stopped loop stays stopped. */
static void
runs_until_stopped(void **state)
{
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, stop, NULL), 0);
	fynq_evloop_run();
	assert_int_equal(pthread_join(thread, NULL), 0);
}

static int
init(void **state)
{
	(void)state;
	fynq_evloop_init();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(posts_come_in_order, setup),
		cmocka_unit_test_setup(a_post_may_post, setup),
		cmocka_unit_test_setup(threads_may_post, setup),
		cmocka_unit_test_setup(watches, setup),
		cmocka_unit_test_setup(an_unwatched_one_hears_nothing, setup),
		cmocka_unit_test_setup(timers_fire_when_due, setup),
		cmocka_unit_test_setup(a_timer_set_again_moves, setup),
		cmocka_unit_test_setup(runs_until_stopped, setup),
	};

	return cmocka_run_group_tests_name("evloop", tests, init, NULL);
}
