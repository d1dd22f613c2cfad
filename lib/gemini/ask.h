/*
 * Asking Gemini until it answers: the models in order, their quotas, retries and breakers.
 *
 * A question goes to FYNQ_GEMINI_MODEL, and to the FYNQ_GEMINI_FALLBACKS where that one cannot
 * answer. Until its first words came it is sent again after what may pass (408, 429 of the minute,
 * 5xx, a connection that failed, a silence): FYNQ_GEMINI_TRIES times a model, after an exponential
 * backoff with full jitter and never before RetryInfo's or Retry-After's time, all within
 * FYNQ_GEMINI_PATIENCE_MS. After the first words nothing is repeated: the client has seen them.
 *
 * Each sending is counted against the model's quotas beforehand (limits/quota.h) and reported to
 * its breaker (limits/breaker.h); each is one line of the log, without a word of its content.
 */
#ifndef FYNQ_GEMINI_ASK_H
#define FYNQ_GEMINI_ASK_H

#include "gemini/engine.h"
#include "gemini/leave.h"

/*
 * One question. Zero it, set the first part and call.body, keep it in place until ended() was
 * called or fynq_gemini_abandon() returned, then release it.
 */
struct fynq_gemini_ask {
	struct fynq_gemini_call
	    call; /* first; reply, error, retry_after: as the last try left them */
	struct fynq_gemini_leave leave;
	int64_t tokens;	    /* what the request is thought to take; corrects the leave's */
	bool spare;	    /* sent again only where there is room at once: others come first */
	const char *what;   /* for the log, static: "answer", "title", "summary" */
	struct fynq_str id; /* the request's, for the log; lives as long as the ask */
	void (*text)(struct fynq_gemini_ask *ask, struct fynq_str text);
	void (*ended)(struct fynq_gemini_ask *ask); /* never from inside fynq_gemini_begin() */

	/* Its own. */
	struct fynq_gemini_ask *prev, *next; /* of those that wait */
	int64_t due_us;			     /* when to send; 0 where it does not wait */
	bool admitted;			     /* the leave is for the sending that is to come */
	int first_model;		     /* where to begin when it asks for leave */
	int64_t patience_us;
	int attempt, tries; /* of all, and of this model */
};

/* Ask. On the event loop's thread, as fynq_gemini_abandon(). */
void fynq_gemini_begin(struct fynq_gemini_ask *ask);

/* End what has not ended; ended() is not called. why is for the log. */
void fynq_gemini_abandon(struct fynq_gemini_ask *ask, const char *why);

void fynq_gemini_ask_release(struct fynq_gemini_ask *ask);

#endif
