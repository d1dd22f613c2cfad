/*
 * The event loop: one thread, epoll, no blocking calls.
 *
 * There is one loop in a process. Its thread owns what it watches: every call here but
 * fynq_evloop_post() is made on that thread (or before it starts). A plain CGI process has no
 * such thread and turns the loop itself.
 */
#ifndef FYNQ_BASE_EVLOOP_H
#define FYNQ_BASE_EVLOOP_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Something with a descriptor, embedded in what it serves. ready() gets the epoll events that
 * came (EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLHUP, EPOLLERR) and may unwatch any watch, itself
 * included, and free what it sits in: events of one turn that are still to come for an unwatched
 * one are not delivered.
 */
struct fynq_watch {
	int fd;
	uint32_t events; /* what is watched for now; 0 while it is not watched */
	void (*ready)(struct fynq_watch *w, uint32_t events);
};

/* Make the loop; once, before any thread starts. */
void fynq_evloop_init(void);

/* Watch w->fd for events (level-triggered); again with other events to change them. */
void fynq_evloop_watch(struct fynq_watch *w, uint32_t events);

/* Stop watching; before the descriptor is closed. Nothing happens where it is not watched. */
void fynq_evloop_unwatch(struct fynq_watch *w);

/* Call fn(arg) on the loop's thread, soon and in the order posted. From any thread. */
void fynq_evloop_post(void (*fn)(void *), void *arg);

/*
 * Timers. Embedded as a watch is; a timer that is set again moves. The loop keeps few of them (one
 * for curl, some periodic ones), so the list is searched whole: do not make one a stream.
 */
struct fynq_timer {
	int64_t due_us; /* on fynq_clock_mono_us(); 0 while it is not set */
	void (*fire)(struct fynq_timer *t);
	struct fynq_timer *next;
};

/* Fire once when after_ms have passed; at once, but never from inside this call, for 0. */
void fynq_evloop_timer_set(struct fynq_timer *t, int64_t after_ms);

void fynq_evloop_timer_clear(struct fynq_timer *t);

/* Wait for at most wait_ms and serve what came. */
void fynq_evloop_turn(int wait_ms);

/* Turn until fynq_evloop_stop(). */
void fynq_evloop_run(void);

/* Make fynq_evloop_run() return; from any thread. */
void fynq_evloop_stop(void);

#endif
