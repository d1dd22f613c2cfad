#include <errno.h>
#include <pthread.h>
#include <sys/timerfd.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "service/held.h"

enum { HELD_MAX = 1000 };

/* In the order of their times, the first one's on the timer. */
static struct {
	pthread_mutex_t lock;
	struct fynq_req *first, *last;
	size_t n;
	int timer_fd;
} held = { .lock = PTHREAD_MUTEX_INITIALIZER, .timer_fd = -1 };

int
fynq_held_init(void)
{
	held.timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (held.timer_fd < 0)
		fynq_log_fatal("held", "cannot make a timerfd");
	return held.timer_fd;
}

static struct timespec
time_of(int64_t us)
{
	return (struct timespec){ .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 };
}

/* With the lock held. Setting it anew also makes the descriptor unreadable; none stops it. */
static void
set_timer(void)
{
	struct itimerspec at = { .it_value = { 0 } };

	if (held.first != NULL)
		at.it_value = time_of(held.first->not_before_us);
	if (timerfd_settime(held.timer_fd, TFD_TIMER_ABSTIME, &at, NULL) != 0)
		fynq_log_fatal("held", "cannot set a timer: errno %d", errno);
}

/* With the lock held. They come nearly in order, so the place is near the end. */
static void
insert(struct fynq_req *rq)
{
	rq->older = held.last;
	while (rq->older != NULL && rq->older->not_before_us > rq->not_before_us)
		rq->older = rq->older->older;
	rq->newer = rq->older != NULL ? rq->older->newer : held.first;
	*(rq->older != NULL ? &rq->older->newer : &held.first) = rq;
	*(rq->newer != NULL ? &rq->newer->older : &held.last) = rq;
	held.n++;
}

bool
fynq_held_put(struct fynq_req *rq)
{
	bool room;

	if (rq->not_before_us <= fynq_clock_mono_us())
		return false;
	pthread_mutex_lock(&held.lock);
	room = held.n < HELD_MAX;
	if (room) {
		insert(rq);
		if (held.first == rq)
			set_timer();
	}
	pthread_mutex_unlock(&held.lock);
	if (!room)
		fynq_held_wait(rq);
	return room;
}

struct fynq_req *
fynq_held_take(void)
{
	struct fynq_req *rq;

	pthread_mutex_lock(&held.lock);
	rq = held.first;
	if (rq != NULL && rq->not_before_us > fynq_clock_mono_us())
		rq = NULL;
	if (rq != NULL) {
		held.first = rq->newer;
		*(rq->newer != NULL ? &rq->newer->older : &held.last) = NULL;
		rq->newer = NULL;
		held.n--;
	}
	set_timer();
	pthread_mutex_unlock(&held.lock);
	return rq;
}

void
fynq_held_wait(const struct fynq_req *rq)
{
	struct timespec until = time_of(rq->not_before_us);

	while (rq->not_before_us > 0 &&
	       clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		continue;
}
