/*
 * The stream of server-sent events that Gemini answers with, read as bytes arrive.
 *
 * Lines end in LF or CRLF, several data: lines of one event are joined, an empty line ends an
 * event (WHATWG HTML section 9.2.6). Gemini may break off an event stream with an error object
 * that stands there without data:; lines that are no field of the format are kept as `raw`.
 */
#ifndef FYNQ_GEMINI_SSE_H
#define FYNQ_GEMINI_SSE_H

#include "base/buf.h"

enum { FYNQ_SSE_EVENT_MAX = 4 << 20, FYNQ_SSE_RAW_MAX = 64 << 10 };

struct fynq_sse {
	struct fynq_buf line, data, raw;
	bool overrun; /* one of them was too small: nothing more is told */
	void (*event)(void *arg, struct fynq_str data);
	void *arg;
};

/* event(arg, data) is called for each event; data is valid during the call. */
void fynq_sse_init(struct fynq_sse *s, void (*event)(void *arg, struct fynq_str data), void *arg);

/* Take more bytes. False once an event, or what is not an event, is larger than its maximum. */
bool fynq_sse_feed(struct fynq_sse *s, struct fynq_str bytes);

/* The body has ended: an event or a line without its end is taken as it is. */
bool fynq_sse_finish(struct fynq_sse *s);

void fynq_sse_release(struct fynq_sse *s);

#endif
