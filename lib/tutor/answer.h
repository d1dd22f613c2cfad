/*
 * One answer on its way: what Gemini says goes to the client and into the database.
 *
 * An answer lives on the event loop's thread; only storing runs on a worker, while nothing else
 * touches it. It ends when the reply is stored. Its client may go before that: then the answer ends
 * too, at once or after FYNQ_RESUME_SECONDS in which a client may come back and take it up.
 */
#ifndef FYNQ_TUTOR_ANSWER_H
#define FYNQ_TUTOR_ANSWER_H

#include "gemini/ask.h"
#include "tutor/turn.h"

struct fynq_answer;

/* What an answer begins with. */
struct fynq_answer_start {
	const struct fynq_turn *turn;
	const struct fynq_opening *opening;
	struct fynq_buf *body;		/* the request to Gemini; taken over */
	struct fynq_gemini_leave leave; /* to send it; not for an answer from the cache */
	bool events;			/* the client wants events, not the whole */
};

/* An answer for rq's question; counts as active from now on. Copies what it needs. */
struct fynq_answer *fynq_answer_new(struct fynq_req *rq, const struct fynq_answer_start *start);

/* Begin, as fynq_req_detach() has it: rq->task is the answer; rq becomes its client. */
void fynq_answer_start(struct fynq_req *rq);

/* The answer of that reply, where it is being given; else NULL. */
struct fynq_answer *fynq_answer_find(const struct fynq_uuid *reply);

/* A client can have come to that byte of the text that there is: it ends or begins a character. */
bool fynq_answer_has(const struct fynq_answer *a, size_t offset);

/*
 * Go on telling the answer to rq, which is taken over, from that byte of its text on; resumes says
 * that its client has the events until there. A client that it has now is left.
 */
void fynq_answer_take_up(struct fynq_answer *a, struct fynq_req *rq, size_t offset, bool resumes);

/* Answers that are being given; from any thread. */
size_t fynq_answers_given(void);

/* Answers, clients and asides that have not ended; from any thread. */
size_t fynq_answers_active(void);

/* End all that still wait for Gemini and keep what they have: the process is out of time. */
void fynq_answers_cancel(void);

/* Watch over what waits; once, before the loop's thread starts. */
void fynq_answers_init(void);

#endif
