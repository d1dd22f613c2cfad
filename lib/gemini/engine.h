/*
 * The Gemini engine: thousands of replies on their way at once, on the event loop's thread.
 *
 * curl's multi interface over the event loop, HTTP/2 to one host (RFC 9113), at most
 * FYNQ_GEMINI_CONNECTIONS connections of 100 streams each. Every question is asked as
 * streamGenerateContent, also where the client wants the whole reply, so that one set of deadlines
 * (connect, first words, between words, whole) holds for all. This is one exchange over HTTP; which
 * model is asked, and when again, is for gemini/ask.h.
 */
#ifndef FYNQ_GEMINI_ENGINE_H
#define FYNQ_GEMINI_ENGINE_H

#include <curl/curl.h>

#include "gemini/reply.h"
#include "gemini/sse.h"

/*
 * One request. Zero it, set the first part, keep it in place until ended() was called or
 * fynq_gemini_cancel() returned. It may be sent again, with another model or other deadlines, until
 * its first words came; in the end it is released.
 */
struct fynq_gemini_call {
	struct fynq_buf body;	    /* the request as JSON; released with the first words */
	const char *model;	    /* static */
	char trace[80];		    /* a traceparent header for Gemini's service; may be empty */
	int64_t first_us, total_us; /* deadlines, on fynq_clock_mono_us(): first words, whole */
	/* More of the reply has come; text is valid during the call. */
	void (*text)(struct fynq_gemini_call *call, struct fynq_str text);
	/* It is over: error says how. Called once, never from inside fynq_gemini_send(). */
	void (*ended)(struct fynq_gemini_call *call);

	struct fynq_gemini_reply reply;
	enum fynq_err error; /* FYNQ_OK for a complete reply */
	int retry_after;     /* seconds; 0 where there is nothing to say */
	int asked_after;     /* seconds that the service itself asked for; 0 for none */
	int64_t started_us, words_us, last_us; /* sent; first words, or 0; newest words */
	long status;			       /* of HTTP; 0 while there is none */

	/* The engine's own. */
	struct fynq_gemini_call *prev, *next;
	void *easy;
	long port;		  /* the local one: tells connections apart; 0 while it has none */
	struct curl_slist header; /* its own, before those of all calls */
	struct fynq_sse sse;
	bool sent;    /* the whole body is; curl reads it no more */
	bool bad;     /* the stream made no sense, or was too large */
	bool retried; /* its connection broke before a byte came, and it was sent again */
};

/* Once, before any call and before the loop's thread starts. */
void fynq_gemini_init(void);

/* Send it, forgetting an earlier reply. On the loop's thread, as all here but fynq_gemini_init().
 */
void fynq_gemini_send(struct fynq_gemini_call *call);

/* End a call that has not ended, and its HTTP stream with it; ended() is not called. */
void fynq_gemini_cancel(struct fynq_gemini_call *call);

/* Free what a call holds. */
void fynq_gemini_release(struct fynq_gemini_call *call);

#endif
