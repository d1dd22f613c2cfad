/*
 * The client of an answer.
 *
 * A client is told everything once: the reply as server-sent events while it comes, or whole at its
 * end, or a problem. After that, or once it went away, it is on its own: it ends when its bytes are
 * written, logs itself and is gone. All on the event loop's thread.
 */
#ifndef FYNQ_TUTOR_CLIENT_H
#define FYNQ_TUTOR_CLIENT_H

#include "http/stream.h"
#include "tutor/turn.h"

struct fynq_client {
	struct fynq_stream stream; /* first */
	struct fynq_req *rq;
	struct fynq_client *prev, *next;
	const struct fynq_turn *turn; /* valid until it was told */
	/* The client went away before it was told. It must not be used after that. */
	void (*gone)(void *arg);
	void *arg;
	bool events;	/* the reply as events, not whole */
	bool head_sent; /* the events have begun: a failure can only be told inside them */
	bool resumes;	/* it has the first events already */
	bool left;	/* told, or gone */
};

/* Clients that have not ended; from any thread. */
size_t fynq_clients_active(void);

/* Once, before the loop's thread starts. */
void fynq_clients_init(void);

/*
 * A client that rq, which is taken over, leads to. gone(arg) is called when it goes away before it
 * was told, never from inside a call of this module.
 */
struct fynq_client *fynq_client_new(struct fynq_req *rq, const struct fynq_turn *turn, bool events,
    void (*gone)(void *arg), void *arg);

/* Begin the events, where that was not done; until then a failure has a status of its own. */
void fynq_client_begin(struct fynq_client *c);

/* More text, which ends at that offset of the whole; nothing where the reply is told whole. */
void fynq_client_delta(struct fynq_client *c, struct fynq_str text, size_t offset);

/* The stored reply, as the last event or as the whole answer. question is JSON. */
void fynq_client_done(
    struct fynq_client *c, struct fynq_str question, const struct fynq_told *told, size_t offset);

/* The problem, as the last event or as the whole answer. */
void fynq_client_problem(struct fynq_client *c, enum fynq_err e, int retry_after, size_t offset);

/* Another client has taken its place: its events end, or, where none came, it is told of that. */
void fynq_client_leave(struct fynq_client *c);

#endif
