#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/evloop.h"
#include "base/jobs.h"
#include "base/log.h"
#include "http/access.h"
#include "http/response.h"
#include "service/held.h"
#include "service/loop.h"
#include "service/pipeline.h"

enum { WORKERS_MAX = 64, BACKOFF_MS = 50 };

/* Queued connections are waited for this long where other processes share the socket. */
enum { QUEUE_MS = 1000 };

static struct {
	int epoll_fd, listen_fd, stop_fd;
	const struct fynq_route *routes;
	pthread_t threads[WORKERS_MAX];
	int n_threads;
	atomic_size_t active;
	atomic_bool draining, deaf; /* deaf: the listening socket is no longer watched */
	int64_t drain_us;	    /* when draining began */

	pthread_mutex_t lock;  /* guards idle, the newest of the list */
	struct fynq_req *idle; /* kept-alive connections that wait for a request */
} loop = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* What an epoll event means where it is not an idle connection; only the addresses matter. */
static char tag_listen, tag_jobs, tag_held, tag_stop;

static bool
arm(int op, int fd, uint32_t events, void *tag)
{
	struct epoll_event ev = { .events = events, .data.ptr = tag };

	return epoll_ctl(loop.epoll_fd, op, fd, &ev) == 0;
}

static void
must_arm(int fd, uint32_t events, void *tag)
{
	if (!arm(EPOLL_CTL_ADD, fd, events, tag))
		fynq_log_fatal("loop", "cannot watch descriptor %d: errno %d", fd, errno);
}

static void
link_idle(struct fynq_req *rq)
{
	pthread_mutex_lock(&loop.lock);
	rq->newer = NULL;
	rq->older = loop.idle;
	if (loop.idle != NULL)
		loop.idle->newer = rq;
	loop.idle = rq;
	pthread_mutex_unlock(&loop.lock);
}

static void
unlink_idle(struct fynq_req *rq)
{
	pthread_mutex_lock(&loop.lock);
	*(rq->newer != NULL ? &rq->newer->older : &loop.idle) = rq->older;
	if (rq->older != NULL)
		rq->older->newer = rq->newer;
	rq->older = rq->newer = NULL;
	pthread_mutex_unlock(&loop.lock);
}

/* Wait for the connection's next request. Whoever is woken for rq takes it off the list again. */
static void
park(struct fynq_req *rq)
{
	int fd = fynq_req_fd(rq);
	uint32_t events = EPOLLIN | EPOLLRDHUP | EPOLLONESHOT;

	link_idle(rq);
	if (arm(EPOLL_CTL_MOD, fd, events, rq) ||
	    (errno == ENOENT && arm(EPOLL_CTL_ADD, fd, events, rq)))
		return;
	unlink_idle(rq);
	fynq_req_free(&rq);
}

static void
start_detached(void *arg)
{
	struct fynq_req *rq = arg;

	rq->detached(rq);
}

/*
 * The answer leaves; then park or close the connection. One that is not whole is left without its
 * end, which tells the server in front.
 */
static void
answer(struct fynq_req *rq)
{
	bool whole = fynq_reply_send(rq);

	fynq_access_log(rq);
	if (whole && fynq_req_finish(rq) && !loop.draining)
		park(rq);
	else
		fynq_req_free(&rq);
}

/* Serve the request that was accepted, then answer, hold or hand it over. */
static void
serve(struct fynq_req *rq)
{
	fynq_pipeline(rq, loop.routes);
	if (rq->detached != NULL) {
		/*
		 * The streams of libfcgi go, the descriptor stays; from the post on rq is not ours.
		 */
		FCGX_Free(&rq->fcgx, 0);
		arm(EPOLL_CTL_DEL, fynq_req_fd(rq), 0, NULL);
		fynq_evloop_post(start_detached, rq);
		return;
	}
	/* It counts as active; it may be gone before this thread says so, which counts, too. */
	if (fynq_held_put(rq))
		loop.active++;
	else
		answer(rq);
}

static void
answer_held(void)
{
	struct fynq_req *rq = fynq_held_take();

	if (rq == NULL)
		return;
	answer(rq);
	loop.active--;
}

/* Out of descriptors or memory: give others the time to release some. */
static void
back_off(void)
{
	struct timespec ms = { .tv_nsec = BACKOFF_MS * 1000000L };

	fynq_log(FYNQ_LOG_ERROR, "loop", "cannot accept: errno %d", errno);
	nanosleep(&ms, NULL);
}

static void
accept_one(void)
{
	struct fynq_req *rq = fynq_req_new(loop.listen_fd, false);
	bool accepted = fynq_req_accept(rq);

	if (!accepted && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
		back_off();
	/* Let another worker accept while this one serves. Fails once the drain took it out. */
	arm(EPOLL_CTL_MOD, loop.listen_fd, EPOLLIN | EPOLLONESHOT, &tag_listen);
	if (accepted)
		serve(rq);
	else
		fynq_req_free(&rq);
}

static void
next_request(struct fynq_req *rq)
{
	unlink_idle(rq);
	if (fynq_req_accept(rq))
		serve(rq);
	else
		fynq_req_free(&rq);
}

static void *
work(void *arg)
{
	struct epoll_event ev;

	(void)arg;
	for (;;) {
		if (epoll_wait(loop.epoll_fd, &ev, 1, -1) != 1)
			continue;
		if (ev.data.ptr == &tag_stop)
			return NULL;
		loop.active++;
		if (ev.data.ptr == &tag_jobs)
			fynq_jobs_run();
		else if (ev.data.ptr == &tag_held)
			answer_held();
		else if (ev.data.ptr == &tag_listen)
			accept_one();
		else
			next_request(ev.data.ptr);
		loop.active--;
	}
}

void
fynq_loop_start(int n, int listen_fd, const struct fynq_route *routes)
{
	loop.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	loop.stop_fd = eventfd(0, EFD_CLOEXEC);
	loop.listen_fd = listen_fd;
	loop.routes = routes;
	fcntl(listen_fd, F_SETFL, fcntl(listen_fd, F_GETFL) | O_NONBLOCK);
	must_arm(loop.stop_fd, EPOLLIN, &tag_stop);
	must_arm(fynq_jobs_fd(), EPOLLIN, &tag_jobs);
	must_arm(fynq_held_init(), EPOLLIN, &tag_held);
	must_arm(listen_fd, EPOLLIN | EPOLLONESHOT, &tag_listen);
	for (int i = 0; i < n; i++) {
		if (pthread_create(&loop.threads[i], NULL, work, NULL) != 0)
			fynq_log_fatal("loop", "cannot start a thread");
		loop.n_threads++;
	}
}

/*
 * An idle connection is woken, not freed: a worker may be on its way to it. The worker reads the
 * end of file and closes it. Where Nginx has just sent a request on it, that was a GET or a HEAD
 * (see nginx/), which Nginx sends again on another connection.
 */
static void
wake_idle(void)
{
	pthread_mutex_lock(&loop.lock);
	for (struct fynq_req *rq = loop.idle; rq != NULL; rq = rq->older)
		shutdown(fynq_req_fd(rq), SHUT_RDWR);
	pthread_mutex_unlock(&loop.lock);
}

void
fynq_loop_drain(void)
{
	struct pollfd queue = { .fd = loop.listen_fd, .events = POLLIN };
	int64_t now = fynq_clock_mono_us();

	if (!loop.draining) {
		loop.draining = true;
		loop.drain_us = now;
	}
	if (!loop.deaf && (poll(&queue, 1, 0) == 0 || now - loop.drain_us > QUEUE_MS * 1000)) {
		arm(EPOLL_CTL_DEL, loop.listen_fd, 0, NULL);
		loop.deaf = true;
	}
	wake_idle();
}

size_t
fynq_loop_active(void)
{
	return loop.active + (loop.draining && !loop.deaf);
}

void
fynq_loop_stop(void)
{
	uint64_t one = 1;

	if (write(loop.stop_fd, &one, sizeof(one)) != sizeof(one))
		fynq_log_fatal("loop", "cannot stop the workers");
	for (int i = 0; i < loop.n_threads; i++)
		pthread_join(loop.threads[i], NULL);
}
