/*
 * Handing a client over to the process that gives its answer.
 *
 * A client that takes an answer up again reaches any process of the pool, and an answer lives in
 * one. So each process has a socket in FYNQ_RUN_DIR, named after its runner, and who is asked for
 * an answer of another passes the client's connection there: what the answering process writes goes
 * straight to the web server. A process that drains still takes clients for the answers it has.
 */
#ifndef FYNQ_TUTOR_HANDOVER_H
#define FYNQ_TUTOR_HANDOVER_H

#include "http/request.h"

/* Take clients from now on; once, before the loop's thread starts. Without a socket, none come. */
void fynq_handover_start(void);

/* Take no more, and remove the socket; at the process's end. */
void fynq_handover_stop(void);

enum fynq_handover {
	FYNQ_HANDOVER_TAKEN,	/* let go of rq without an answer, see fynq_handover_drop() */
	FYNQ_HANDOVER_NOBODY,	/* that process does not give such an answer, or is gone */
	FYNQ_HANDOVER_NO_PLACE, /* it does, but there is no such place in the text */
};

/*
 * Pass rq to the process of that runner (a UUID), which goes on with that reply from that byte of
 * its text; see fynq_answer_take_up(). rq stays the caller's but where it was taken. Waits at most
 * a second for the other process to have room, and one for its answer. On a worker.
 */
enum fynq_handover fynq_handover_send(struct fynq_req *rq, struct fynq_str runner,
    const struct fynq_uuid *reply, size_t offset, bool resumes) FYNQ_MUST_CHECK;

/* For fynq_req_detach(): close this process's copy of the connection. */
void fynq_handover_drop(struct fynq_req *rq);

#endif
