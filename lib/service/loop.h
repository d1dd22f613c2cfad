/*
 * The worker threads of a FastCGI responder.
 *
 * All workers wait on one epoll set, one-shot, that holds the listening socket, the idle kept-alive
 * connections, the queue of jobs and the timer of answers that are held back (held.h). A worker
 * that wakes has its descriptor to itself: it reads one request, serves it start to end, and arms
 * the descriptor again. So a connection that is idle pins no thread, and any number of them may be
 * open. (A thread that waits inside FCGX_Accept_r instead is pinned to its connection, and no
 * signal ends it.)
 */
#ifndef FYNQ_SERVICE_LOOP_H
#define FYNQ_SERVICE_LOOP_H

#include "http/router.h"

/* Start n workers that serve routes on the listening socket listen_fd, made non-blocking. */
void fynq_loop_start(int n, int listen_fd, const struct fynq_route *routes);

/*
 * Take no new connections: what waits in the listening socket's queue is still served where no
 * other process does so, and idle connections are closed, which Nginx answers by opening another.
 * To be called again, every few milliseconds, until fynq_loop_active() is 0.
 */
void fynq_loop_drain(void);

/*
 * Requests that workers are serving now or whose answers are held back, and 1 more while the queue
 * is not known to be empty.
 */
size_t fynq_loop_active(void);

/* End the workers once each has finished what it does; returns when all are gone. */
void fynq_loop_stop(void);

#endif
