/*
 * Blocking work for worker threads.
 *
 * The event loop must never block; what blocks (a database transaction, a password hash) it posts
 * here, and the service's workers, or a CGI process's only thread, run it. One queue a process,
 * first in first out. Jobs are not lost: a process that ends runs what is queued first.
 */
#ifndef FYNQ_BASE_JOBS_H
#define FYNQ_BASE_JOBS_H

#include <stdbool.h>

/* Make the queue; once, before any thread starts. */
void fynq_jobs_init(void);

/* Run fn(arg) on a worker. Callable from any thread; never blocks. */
void fynq_jobs_post(void (*fn)(void *), void *arg);

/* A descriptor that is readable while jobs wait; for epoll. */
int fynq_jobs_fd(void);

/* Run one job if there is one; false where the queue was empty. */
bool fynq_jobs_run(void);

#endif
