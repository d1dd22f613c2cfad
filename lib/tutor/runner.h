/*
 * This process as the owner of the replies it is writing.
 *
 * It says every few seconds that it lives (fynq.beat of the migrations); whoever does so also ends
 * the replies of processes that have been silent. A killed process's replies are so marked failed
 * within FYNQ_RUNNER_STALE_SECONDS and one beat: under a minute.
 */
#ifndef FYNQ_TUTOR_RUNNER_H
#define FYNQ_TUTOR_RUNNER_H

#include "http/request.h"

enum { FYNQ_RUNNER_BEAT_SECONDS = 10, FYNQ_RUNNER_STALE_SECONDS = 35 };

/* Once, before the loop's thread starts: make the id, and beat from now on. */
void fynq_runner_start(void);

/* This process's id; valid for its life. */
struct fynq_str fynq_runner_id(void);

/*
 * This process will not write that reply after all, though it may stand in the database: the
 * connection broke while the question was being stored. The next beats mark it failed.
 */
void fynq_runner_abandon(const struct fynq_uuid *reply);

/* Beat now where that was never done: a pending reply needs an owner that is known. */
enum fynq_err fynq_runner_ensure(struct fynq_req *rq) FYNQ_MUST_CHECK;

#endif
