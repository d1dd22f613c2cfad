/*
 * The turns of a chat in the database: what is stored before Gemini is asked, and after.
 */
#ifndef FYNQ_TUTOR_TURN_H
#define FYNQ_TUTOR_TURN_H

#include "gemini/engine.h"
#include "http/request.h"

/* The ids of one question and its reply, all made here before anything is stored. */
struct fynq_turn {
	struct fynq_uuid chat, question, reply;
};

/*
 * Store the student's turn and the pending reply, in a new chat where turn->chat is absent; all in
 * one transaction. *question_r is the question as JSON; *contents_r is the chat up to and with it
 * as Gemini's contents[]: the newest turns that fit FYNQ_CONTEXT_TOKENS, beginning with the
 * student. Both are valid until the arena is released.
 */
enum fynq_err fynq_turn_open(struct fynq_req *rq, struct fynq_turn *turn, struct fynq_str content,
    struct fynq_str *question_r, struct fynq_str *contents_r) FYNQ_MUST_CHECK;

/* How a reply ended, as the column status has it. */
enum fynq_turn_status { FYNQ_TURN_COMPLETE, FYNQ_TURN_STOPPED, FYNQ_TURN_FAILED };

/*
 * Store how the reply ended: its text, parts, counts. error is recorded where it failed. *reply_r
 * is the reply as JSON, valid until the arena is released. May be run again after a failure. An
 * absent *reply_r means that the chat was deleted meanwhile.
 */
enum fynq_err fynq_turn_close(struct fynq_req *rq, const struct fynq_turn *turn,
    enum fynq_turn_status status, enum fynq_err error, const struct fynq_gemini_reply *reply,
    struct fynq_str *reply_r) FYNQ_MUST_CHECK;

#endif
