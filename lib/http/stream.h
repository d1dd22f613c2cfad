/*
 * A reply written piece by piece without ever blocking, on the event loop's thread.
 *
 * libfcgi's writers block, and one stalled reader would stall every stream; so a detached request
 * writes its own FCGI_STDOUT and FCGI_END_REQUEST records (FastCGI specification, sections 3.3
 * and 5) on the request's descriptor. What the descriptor does not take is held back; a client
 * for whom more than FYNQ_STREAM_BUFFER bytes are held when more comes is given up. Plain CGI
 * writes to standard output and waits, as it has one client.
 */
#ifndef FYNQ_HTTP_STREAM_H
#define FYNQ_HTTP_STREAM_H

#include "base/evloop.h"
#include "http/request.h"

struct fynq_stream {
	struct fynq_watch watch;
	struct fynq_req *rq;
	struct fynq_buf held; /* framed bytes that the descriptor has not taken yet */
	int64_t last_us;      /* when something was last written, on fynq_clock_mono_us() */
	bool lost, ending, events;
	void (*gone)(struct fynq_stream *s);
	void (*ended)(struct fynq_stream *s);
};

/*
 * Begin to write to rq's client, who is watched from now on. gone() is called at most once, never
 * from inside a call of this module: the client has closed, or has fallen too
 * far behind. Writes after that go nowhere.
 */
void fynq_stream_open(
    struct fynq_stream *s, struct fynq_req *rq, void (*gone)(struct fynq_stream *s));

/* Write bytes of the response, head included. */
void fynq_stream_write(struct fynq_stream *s, struct fynq_str bytes);

/* Append a server-sent event (WHATWG HTML section 9.2) to b; data is one line. */
void fynq_event_add(struct fynq_buf *b, size_t id, const char *event, struct fynq_str data);

/* What is written from now on are events: silences are filled, see fynq_stream_tick(). */
void fynq_stream_keep_alive(struct fynq_stream *s);

/*
 * To be called every second or so: writes a comment line where an event stream was silent for
 * FYNQ_KEEPALIVE_SECONDS, so that no proxy takes it for dead, and gives up a client that has taken
 * nothing of what is held for a minute.
 */
void fynq_stream_tick(struct fynq_stream *s);

/*
 * End the response. ended() is called once, later, when everything is written or the client is
 * gone; gone() no longer is. There fynq_req_free() may close the connection.
 */
void fynq_stream_end(struct fynq_stream *s, void (*ended)(struct fynq_stream *s));

#endif
