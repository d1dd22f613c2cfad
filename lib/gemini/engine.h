/*
 * The Gemini engine: thousands of replies on their way at once, on the event loop's thread.
 *
 * curl's multi interface over the event loop, HTTP/2 to one host (RFC 9113), at most
 * FYNQ_GEMINI_CONNECTIONS connections of 100 streams each. Every question is asked as
 * streamGenerateContent, also where the client wants the whole reply, so that one set of deadlines
 * (connect, first words, between words, whole) holds for all.
 */
#ifndef FYNQ_GEMINI_ENGINE_H
#define FYNQ_GEMINI_ENGINE_H

#include "gemini/reply.h"
#include "gemini/sse.h"

/*
 * One question. Zero it, set the first part, keep it in place until ended() was called or
 * fynq_gemini_cancel() returned, then release it.
 */
struct fynq_gemini_call {
	struct fynq_buf body; /* the request as JSON; released once it was sent */
	/* More of the reply has come; text is valid during the call. */
	void (*text)(struct fynq_gemini_call *call, struct fynq_str text);
	/* It is over: error says how. Called once, never from inside fynq_gemini_ask(). */
	void (*ended)(struct fynq_gemini_call *call);

	struct fynq_gemini_reply reply;
	enum fynq_err error; /* FYNQ_OK for a complete reply */
	int retry_after;     /* seconds; 0 where there is nothing to say */

	/* The engine's own. */
	struct fynq_gemini_call *prev, *next;
	void *easy;
	long port; /* the local one: tells connections apart; 0 while it has none */
	struct fynq_sse sse;
	int64_t started_us, last_us;
	long status;
	bool bad;     /* the stream made no sense, or was too large */
	bool retried; /* its connection broke before a byte came, and it was sent again */
};

/* Once, before any call and before the loop's thread starts. */
void fynq_gemini_init(void);

/* Ask. On the loop's thread, as all calls here but fynq_gemini_init(). */
void fynq_gemini_ask(struct fynq_gemini_call *call);

/* End a call that has not ended, and its HTTP stream with it; ended() is not called. */
void fynq_gemini_cancel(struct fynq_gemini_call *call);

/* Free what a call holds. */
void fynq_gemini_release(struct fynq_gemini_call *call);

#endif
