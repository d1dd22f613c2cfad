/*
 * One HTTP request to another service, blocking, with a deadline; for worker threads.
 *
 * Connections are kept and used again, at most 16 at a time in a process. TLS is verified. No
 * redirect is followed, no proxy of the environment is used, and only http and https are spoken.
 *
 * A body may come from a file and an answer be taken in pieces, so that neither is ever held in
 * memory, however long it is. Such a transfer is a stream: what bounds it is that it goes on.
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

/* Bytes of a regular file, from offset on; the descriptor's position is left alone. */
struct fynq_fetch_file {
	int fd;
	int64_t offset, bytes;
};

struct fynq_fetched {
	long status;
	struct fynq_str body; /* in the arena; what was taken in pieces is not in it */
	int64_t max_age;      /* of Cache-Control, in seconds; -1 where it does not say */
	int64_t retry_after;  /* of Retry-After, in seconds; -1 likewise, and for a date */
	int64_t length;	      /* of Content-Length; -1 where it does not say */
	int64_t range_from, range_last; /* of Content-Range, in bytes; -1 likewise */
};

/* Takes a piece of the answer's body; the head is whole, but for its body. False ends it. */
typedef bool fynq_fetch_take(void *arg, const struct fynq_fetched *head, struct fynq_str bytes);

struct fynq_fetch {
	const char *method, *url;
	const struct fynq_str *headers; /* "Name: value"; n_headers of them */
	size_t n_headers;
	struct fynq_str body; /* absent for none; Content-Type is one of the headers */
	const struct fynq_fetch_file *file; /* the body instead; NULL for none */
	fynq_fetch_take *take; /* for the body of a 2xx; of others it is held, as it is for NULL */
	void *take_arg;
	const char *ca_file; /* a PEM file; NULL or "" for the system's */
	int64_t timeout_ms;  /* for all of it; connecting may take half */
	/*
	 * Of a stream, instead of timeout_ms but for connecting: what 64 KB of it, its last bytes,
	 * and the answer after them may take, to about a second. What take does costs nothing of
	 * it.
	 */
	int64_t idle_ms;
	size_t max; /* bytes of the answer's body that are held */
	bool once;  /* never sent twice; costs a connection of its own */
};

enum fynq_fetch_end {
	FYNQ_FETCH_DONE,	/* an answer came, whatever its status */
	FYNQ_FETCH_UNREACHABLE, /* nothing was sent: it may be tried again */
	FYNQ_FETCH_BROKEN,	/* it was sent, and no whole answer came: it may have been done */
	FYNQ_FETCH_TIMEOUT,	/* likewise */
	FYNQ_FETCH_TOO_LARGE,	/* the answer has more than max bytes */
	FYNQ_FETCH_STOPPED	/* take has ended it; not logged */
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
