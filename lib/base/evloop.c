#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "alloc.h"
#include "clock.h"
#include "evloop.h"
#include "log.h"

enum { EVENTS_A_TURN = 256 };

struct post {
	struct post *next;
	void (*fn)(void *);
	void *arg;
};

static void take_posts(struct fynq_watch *w, uint32_t events);

static struct {
	int epoll_fd;
	atomic_bool stopped;
	struct fynq_timer *timers; /* unsorted; few */
	struct fynq_watch inbox;   /* an eventfd, readable while posts wait */
	pthread_mutex_t lock;	   /* guards posts and last */
	struct post *posts, **last;
	struct epoll_event events[EVENTS_A_TURN];
	int n_events;
} loop = {
	.epoll_fd = -1,
	.inbox = { .fd = -1, .ready = take_posts },
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.last = &loop.posts,
};

void
fynq_evloop_init(void)
{
	loop.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	loop.inbox.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (loop.epoll_fd < 0 || loop.inbox.fd < 0)
		fynq_log_fatal("evloop", "cannot make the event loop's descriptors");
	fynq_evloop_watch(&loop.inbox, EPOLLIN);
}

void
fynq_evloop_watch(struct fynq_watch *w, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };
	int op = w->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

	if (w->events == events)
		return;
	if (epoll_ctl(loop.epoll_fd, op, w->fd, &ev) != 0)
		fynq_log_fatal("evloop", "cannot watch descriptor %d: errno %d", w->fd, errno);
	w->events = events;
}

void
fynq_evloop_unwatch(struct fynq_watch *w)
{
	if (w->events == 0)
		return;
	epoll_ctl(loop.epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
	w->events = 0;
	/* Its owner may be freed before the rest of this turn is served. */
	for (int i = 0; i < loop.n_events; i++)
		if (loop.events[i].data.ptr == w)
			loop.events[i].data.ptr = NULL;
}

static void
wake(void)
{
	uint64_t one = 1;

	if (write(loop.inbox.fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		fynq_log_fatal("evloop", "cannot wake the event loop");
}

void
fynq_evloop_post(void (*fn)(void *), void *arg)
{
	struct post *post = fynq_alloc(sizeof(*post));

	*post = (struct post){ .fn = fn, .arg = arg };
	pthread_mutex_lock(&loop.lock);
	*loop.last = post;
	loop.last = &post->next;
	pthread_mutex_unlock(&loop.lock);
	wake();
}

static void
take_posts(struct fynq_watch *w, uint32_t events)
{
	struct post *post, *next;
	uint64_t count;

	(void)events;
	if (read(w->fd, &count, sizeof(count)) < 0)
		return;
	pthread_mutex_lock(&loop.lock);
	post = loop.posts;
	loop.posts = NULL;
	loop.last = &loop.posts;
	pthread_mutex_unlock(&loop.lock);
	for (; post != NULL; post = next) {
		next = post->next;
		post->fn(post->arg);
		free(post);
	}
}

void
fynq_evloop_timer_clear(struct fynq_timer *t)
{
	if (t->due_us == 0)
		return;
	for (struct fynq_timer **at = &loop.timers; *at != NULL; at = &(*at)->next) {
		if (*at == t) {
			*at = t->next;
			break;
		}
	}
	t->due_us = 0;
}

void
fynq_evloop_timer_set(struct fynq_timer *t, int64_t after_ms)
{
	fynq_evloop_timer_clear(t);
	t->due_us = fynq_clock_mono_us() + after_ms * 1000;
	t->next = loop.timers;
	loop.timers = t;
}

/* Fire what is due. A timer set by what fires waits for the next turn. */
static void
fire_timers(void)
{
	int64_t now = fynq_clock_mono_us();
	struct fynq_timer *t;

	for (;;) {
		for (t = loop.timers; t != NULL && t->due_us > now; t = t->next)
			;
		if (t == NULL)
			return;
		fynq_evloop_timer_clear(t);
		t->fire(t);
	}
}

static int
wait_ms(int most_ms)
{
	int64_t now = fynq_clock_mono_us(), wait = most_ms;

	for (struct fynq_timer *t = loop.timers; t != NULL; t = t->next) {
		int64_t left = (t->due_us - now + 999) / 1000;

		if (left < wait)
			wait = left > 0 ? left : 0;
	}
	return (int)wait;
}

void
fynq_evloop_turn(int most_ms)
{
	int n = epoll_wait(loop.epoll_fd, loop.events, EVENTS_A_TURN, wait_ms(most_ms));

	loop.n_events = n > 0 ? n : 0;
	for (int i = 0; i < loop.n_events; i++) {
		struct fynq_watch *w = loop.events[i].data.ptr;

		if (w != NULL)
			w->ready(w, loop.events[i].events);
	}
	loop.n_events = 0;
	fire_timers();
}

void
fynq_evloop_run(void)
{
	while (!loop.stopped)
		fynq_evloop_turn(1000);
}

void
fynq_evloop_stop(void)
{
	loop.stopped = true;
	wake();
}
