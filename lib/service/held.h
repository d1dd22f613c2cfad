/*
 * Answers that are ready and must not leave yet: their requests have a not_before_us.
 *
 * Where the time of an answer would tell what it hides, all of a kind take as long as the longest.
 * No worker waits for that, or whoever asks often enough would keep them all waiting.
 */
#ifndef FYNQ_SERVICE_HELD_H
#define FYNQ_SERVICE_HELD_H

#include "http/request.h"

/* Once, before any thread starts. A descriptor that is readable while an answer is due. */
int fynq_held_init(void);

/*
 * Keep a request until its time has come; it is whoever takes it then that goes on with it. False
 * where its answer may leave now. Past 1,000 of them it is waited for here, in this thread.
 */
bool fynq_held_put(struct fynq_req *rq);

/* The one that is due longest; NULL where none is. */
struct fynq_req *fynq_held_take(void);

/* Wait in this thread until the answer may leave. */
void fynq_held_wait(const struct fynq_req *rq);

#endif
