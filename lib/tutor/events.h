/*
 * The words in which a client is told of a reply: as server-sent events, or whole.
 */
#ifndef FYNQ_TUTOR_EVENTS_H
#define FYNQ_TUTOR_EVENTS_H

#include "tutor/turn.h"

/*
 * The events of a reply, appended to b, while it comes or from the database. The id of an event is
 * how many bytes of the reply's text were told with it; that of the last one is one more.
 */
void fynq_events_start(struct fynq_buf *b, const struct fynq_turn *turn);
void fynq_events_delta(struct fynq_buf *b, struct fynq_str text, size_t offset);
void fynq_events_done(struct fynq_buf *b, const struct fynq_told *told, size_t offset);
void fynq_events_error(
    struct fynq_buf *b, const struct fynq_problem *problem, struct fynq_str id, size_t offset);

/* The same as one JSON object; question is JSON. */
void fynq_events_whole(struct fynq_buf *b, const struct fynq_turn *turn, struct fynq_str question,
    const struct fynq_told *told);

/* Record that the reply failed with e, in words for a student where the title is not enough. */
enum fynq_err fynq_events_fail(struct fynq_req *rq, enum fynq_err e);

#endif
