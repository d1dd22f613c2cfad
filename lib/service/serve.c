#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include <fastcgi.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/evloop.h"
#include "base/fetch.h"
#include "base/jobs.h"
#include "base/log.h"
#include "data/db.h"
#include "http/access.h"
#include "http/openapi.h"
#include "http/response.h"
#include "identity/identity.h"
#include "limits/host.h"
#include "service/held.h"
#include "service/loop.h"
#include "service/pipeline.h"
#include "service/serve.h"
#include "storage/store.h"

enum { TEXT_MAX = 1 << 20, DRAIN_STEP_MS = 10, CANCEL_SECONDS = 10 };

static int
print(struct fynq_buf *text)
{
	bool whole = fwrite(text->p, 1, text->n, stdout) == text->n && fflush(stdout) == 0;

	fynq_buf_release(text);
	return whole ? 0 : EX_IOERR;
}

/* Settings, log and keys; false with every fault said on standard error and in the log. */
static bool
prepare(const char *name)
{
	static const char *const levels[] = { "debug", "info", "warn", "error" };
	struct fynq_buf problems = FYNQ_BUF_INIT(65536);
	enum fynq_log_level least = FYNQ_LOG_ERROR + 1;
	bool ok = fynq_config_load(&problems);

	for (int i = 0; ok && i <= FYNQ_LOG_ERROR; i++)
		if (strcmp(fynq_config.log_level, levels[i]) == 0)
			least = (enum fynq_log_level)i;
	if (ok && least > FYNQ_LOG_ERROR)
		fynq_buf_add(&problems, FYNQ_STR("FYNQ_LOG_LEVEL: debug, info, warn or error\n"));
	else if (ok && !fynq_log_open(fynq_config.log, least, name))
		fynq_buf_printf(&problems, "FYNQ_LOG: cannot open %s\n", fynq_config.log);
	ok = ok && fynq_identity_init(&problems) && fynq_store_init(&problems) &&
	     fynq_host_init(&problems);
	if (ok && problems.n == 0) {
		fynq_fetch_init();
		fynq_jobs_init();
		fynq_evloop_init();
		fynq_db_init();
		return true;
	}
	fprintf(stderr, "%s: cannot start:\n%.*s", name, (int)problems.n, problems.p);
	fynq_log(FYNQ_LOG_ERROR, "config", "%.*s", (int)problems.n, problems.p);
	fynq_buf_release(&problems);
	return false;
}

static int
check(const char *name)
{
	struct fynq_req *rq = fynq_req_new(-1, true);
	bool ready = fynq_db_ready(rq);

	fynq_req_free(&rq);
	fynq_db_close();
	if (!ready)
		fprintf(stderr, "%s: FYNQ_DATABASE_URL: the database does not answer\n", name);
	return ready ? 0 : EX_UNAVAILABLE;
}

/* One request from the environment and standard input; the loop and the jobs run here in turns. */
static int
serve_cgi(const struct fynq_route *routes, const struct fynq_companion *companion)
{
	struct fynq_req *rq = fynq_req_new(-1, true);

	signal(SIGPIPE, SIG_IGN);
	if (companion != NULL)
		companion->start();
	fynq_pipeline(rq, routes);
	if (rq->detached == NULL) {
		fynq_held_wait(rq);
		fynq_reply_send(rq);
		fynq_access_log(rq);
		fynq_req_free(&rq);
		while (fynq_jobs_run())
			continue;
	} else {
		rq->detached(rq);
		while (companion != NULL && companion->active() > 0)
			if (!fynq_jobs_run())
				fynq_evloop_turn(1000);
	}
	if (companion != NULL)
		companion->stop();
	fynq_db_close();
	return 0;
}

/* A stream is a descriptor, and there are thousands of them. */
static void
raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static void *
run_evloop(void *arg)
{
	(void)arg;
	fynq_evloop_run();
	return NULL;
}

/* Wait for a signal that ends the process; SIGHUP opens the log anew. */
static void
wait_for_end(const sigset_t *signals)
{
	int got;

	do {
		got = sigwaitinfo(signals, NULL);
		if (got == SIGHUP)
			fynq_log_reopen();
	} while (got != SIGTERM && got != SIGUSR1 && got != SIGINT);
	fynq_log(FYNQ_LOG_INFO, "drain", "signal %d: finishing what runs", got);
}

static size_t
unfinished(const struct fynq_companion *companion)
{
	return fynq_loop_active() + (companion != NULL ? companion->active() : 0);
}

static void
cancel(void *arg)
{
	const struct fynq_companion *companion = arg;

	companion->cancel();
}

/* Finish until nothing is left or the deadline passed; false in the latter case. */
static bool
drain(const struct fynq_companion *companion, const sigset_t *signals, int64_t seconds)
{
	static const struct timespec step = { .tv_nsec = DRAIN_STEP_MS * 1000000L };
	int64_t deadline = fynq_clock_mono_us() + seconds * 1000000;

	for (;;) {
		fynq_loop_drain();
		if (unfinished(companion) == 0)
			return true;
		if (fynq_clock_mono_us() > deadline)
			return false;
		if (sigtimedwait(signals, NULL, &step) == SIGHUP)
			fynq_log_reopen();
	}
}

static int
serve_fcgi(const struct fynq_route *routes, const struct fynq_companion *companion)
{
	pthread_t evloop;
	sigset_t signals;

	/* Blocked before the first thread starts, so that this one alone takes them. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGUSR1);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	if (FCGX_Init() != 0)
		fynq_log_fatal("fcgi", "libfcgi does not start");
	signal(SIGPIPE, SIG_IGN);
	raise_descriptors();
	/* A heap for each thread would leave holes in all of them: 1.7 KB a stream, measured. */
	mallopt(M_ARENA_MAX, 1);

	if (companion != NULL) {
		companion->start();
		if (pthread_create(&evloop, NULL, run_evloop, NULL) != 0)
			fynq_log_fatal("evloop", "cannot start a thread");
	}
	fynq_loop_start((int)fynq_config.threads, FCGI_LISTENSOCK_FILENO, routes);
	fynq_log(FYNQ_LOG_INFO, "start", "serving");

	wait_for_end(&signals);
	if (companion != NULL && companion->drain != NULL)
		companion->drain();
	if (!drain(companion, &signals, fynq_config.drain_seconds) && companion != NULL) {
		fynq_log(FYNQ_LOG_WARN, "drain", "out of time, ending what still runs");
		fynq_evloop_post(cancel, (void *)(uintptr_t)companion);
		(void)drain(companion, &signals, CANCEL_SECONDS);
	}
	fynq_loop_stop();
	if (companion != NULL) {
		fynq_evloop_stop();
		pthread_join(evloop, NULL);
		companion->stop();
	}
	fynq_db_close();
	fynq_log(FYNQ_LOG_INFO, "end", "ended");
	return 0;
}

int
fynq_serve(int argc, char **argv, const char *name, const struct fynq_route *routes,
    const struct fynq_companion *companion)
{
	struct fynq_buf text = FYNQ_BUF_INIT(TEXT_MAX);
	const char *option = argc == 2 ? argv[1] : "";

	if (strcmp(option, "--routes") == 0) {
		/* For FYNQ_BODY_MAX; what else is wrong or missing is not asked for here. */
		if (!fynq_config_load(&text))
			fynq_buf_reset(&text);
		fynq_routes_print(&text, routes);
		return print(&text);
	}
	if (strcmp(option, "--openapi") == 0) {
		fynq_openapi(&text, name, routes);
		return print(&text);
	}
	if (argc > 1 && strcmp(option, "--check") != 0) {
		fprintf(stderr, "usage: %s.fcgi [--routes | --openapi | --check]\n", name);
		return EX_USAGE;
	}
	if (!prepare(name))
		return EX_CONFIG;
	if (argc > 1)
		return check(name);
	return FCGX_IsCGI() ? serve_cgi(routes, companion) : serve_fcgi(routes, companion);
}
