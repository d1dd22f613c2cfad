/*
 * One answer on its way: what Gemini says goes to the client and into the database.
 *
 * An answer lives on the event loop's thread; only storing runs on a worker, while nothing else
 * touches it. It ends when the reply is stored and the client has been told.
 */
#ifndef FYNQ_TUTOR_ANSWER_H
#define FYNQ_TUTOR_ANSWER_H

#include "tutor/turn.h"

struct fynq_answer;

/*
 * An answer to the turn that was just opened; body is the request to Gemini and is taken over.
 * Counts as active from now on. question is the question as JSON.
 */
struct fynq_answer *fynq_answer_new(
    const struct fynq_turn *turn, struct fynq_str question, struct fynq_buf *body, bool stream);

/* Begin, as fynq_req_detach() has it: rq->task is the answer, which owns rq from now on. */
void fynq_answer_start(struct fynq_req *rq);

/* Answers that have not ended; from any thread. */
size_t fynq_answers_active(void);

/* End all that still wait for Gemini and keep what they have: the process is out of time. */
void fynq_answers_cancel(void);

/* Keep streams alive and retry what could not be stored; once, before the loop's thread starts. */
void fynq_answers_init(void);

#endif
