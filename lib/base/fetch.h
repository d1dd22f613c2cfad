/*
 * One HTTP request to another service, blocking, with a deadline; for worker threads.
 *
 * Connections are kept and used again, at most 16 at a time in a process. TLS is verified. No
 * redirect is followed, no proxy of the environment is used, and only http and https are spoken.
 *
 * A connection that was kept may have been closed by the time it is used again: libcurl then sends
 * the request once more, not knowing whether the first one was read. Where it must not, say once.
 */
#ifndef FYNQ_BASE_FETCH_H
#define FYNQ_BASE_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"

struct fynq_fetch {
	const char *method, *url;
	const struct fynq_str *headers; /* "Name: value"; n_headers of them */
	size_t n_headers;
	struct fynq_str body; /* absent for none; Content-Type is one of the headers */
	const char *ca_file;  /* a PEM file; NULL or "" for the system's */
	int64_t timeout_ms;   /* for all of it; connecting may take half */
	size_t max;	      /* bytes of the answer's body */
	bool once;	      /* never sent twice; costs a connection of its own */
};

enum fynq_fetch_end {
	FYNQ_FETCH_DONE,	/* an answer came, whatever its status */
	FYNQ_FETCH_UNREACHABLE, /* nothing was sent: it may be tried again */
	FYNQ_FETCH_BROKEN,	/* it was sent, and no whole answer came: it may have been done */
	FYNQ_FETCH_TIMEOUT,	/* likewise */
	FYNQ_FETCH_TOO_LARGE	/* the answer has more than max bytes */
};

struct fynq_fetched {
	long status;
	struct fynq_str body; /* in the arena */
	int64_t max_age;      /* of Cache-Control, in seconds; -1 where it does not say */
	int64_t retry_after;  /* of Retry-After, in seconds; -1 likewise, and for a date */
};

/* Prepare libcurl; once, before any thread starts. */
void fynq_fetch_init(void);

/*
 * Send a request and wait for its answer. *fetched_r is set with FYNQ_FETCH_DONE alone; for
 * anything else one line in the log, under event, says why, with the URL's host and path and
 * nothing else of the request.
 */
enum fynq_fetch_end fynq_fetch(struct fynq_arena *a, const char *event,
    const struct fynq_fetch *fetch, struct fynq_fetched *fetched_r)
    __attribute__((warn_unused_result));

#endif
