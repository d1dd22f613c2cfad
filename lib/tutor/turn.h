/*
 * The turns of a chat in the database: what is stored before Gemini is asked, and after.
 */
#ifndef FYNQ_TUTOR_TURN_H
#define FYNQ_TUTOR_TURN_H

#include "gemini/reply.h"
#include "http/request.h"

/* How a question comes to be: new, an earlier one in other words, or the same one once more. */
enum fynq_turn_kind { FYNQ_TURN_ASK, FYNQ_TURN_EDIT, FYNQ_TURN_REGENERATE };

struct fynq_question {
	enum fynq_turn_kind kind;
	struct fynq_uuid chat;	  /* absent for a new chat; needed but for ASK */
	struct fynq_uuid message; /* EDIT: the question that is replaced; REGENERATE: the reply that
				     is to be given anew, or its question */
	struct fynq_str content;  /* the student's words; not for REGENERATE */
	struct fynq_uuid file; /* the picture; absent for none, or for EDIT to keep the old one */
	struct fynq_str contents; /* of the library, a JSON array of ids; absent as file is */
};

/* One question and its reply; the ids are made here before anything is stored. */
struct fynq_turn {
	struct fynq_uuid user, chat, question, reply;
	bool opened;		      /* the chat is new */
	bool fold;		      /* what is old in the chat ought to be summed up */
	char cache[FYNQ_SHA256_SIZE]; /* under which others find the reply; empty for not */
	int64_t tokens;		      /* what the chat takes, as it is estimated */
};

/* What stands in the database about a turn once it was opened; valid as long as the arena. */
struct fynq_opening {
	struct fynq_str question; /* as JSON */
	struct fynq_str contents; /* the branch as Gemini's contents[] */
	struct fynq_str files;	  /* pictures in contents, "UUID,UUID"; see context.h */
	struct fynq_str named;	  /* what it asks about, "{UUID,UUID}"; absent for nothing */
	struct fynq_str words;	  /* the question's own */
	int64_t kept;		  /* tokens that the chat leaves to passages */
	struct fynq_str passages, sources;	    /* absent before fynq_grounding_find() */
	struct fynq_str grade, locale, preferences; /* of the profile; each may be absent */
	struct {
		struct fynq_str parts, model,
		    finish;	/* an answer that is there already, or absent */
		int64_t tokens; /* that it took */
	} cached;
	struct fynq_uuid
	    earlier; /* the reply of a request with this Idempotency-Key; nothing new */
};

/*
 * Store the student's turn and the pending reply, in a new chat where question->chat is absent;
 * all in one transaction, which also counts the question against the user's limits. The contents
 * are the newest turns that fit budget tokens, before them a summary where there is one.
 *
 * UNDER_AGE, NOT_FOUND, CHAT_BUSY while a reply is being written, RATE_LIMITED, INVALID where
 * there is no such picture or content, and those of fynq_claim_read() and
 * fynq_claim_verdict(). Then nothing is stored and the key is not used up.
 */
enum fynq_err fynq_turn_open(struct fynq_req *rq, const struct fynq_question *question,
    int64_t budget, struct fynq_turn *turn_r, struct fynq_opening *opening_r) FYNQ_MUST_CHECK;

/*
 * The reply that an earlier request with rq's Idempotency-Key made; absent where there is none, or
 * no key. The errors of fynq_claim_find().
 */
enum fynq_err fynq_turn_earlier(struct fynq_req *rq, struct fynq_uuid *reply_r) FYNQ_MUST_CHECK;

/* How a reply ended, as the column status has it. */
enum fynq_turn_status { FYNQ_TURN_COMPLETE, FYNQ_TURN_STOPPED, FYNQ_TURN_FAILED };

/* A stored reply, to tell of; valid as long as the arena. p is NULL for what is absent. */
struct fynq_told {
	struct fynq_str reply, usage; /* as JSON */
	struct fynq_str finish;
};

/*
 * Store how the reply ended: its text, parts, counts; count its tokens for the user, once. error
 * is recorded where it failed; saved is what an answer from the cache did not take; sources, or an
 * absent string, is what its text may cite (see grounding.h). May be run again after a failure. An
 * absent told_r->reply means that the chat was deleted meanwhile.
 */
enum fynq_err fynq_turn_close(struct fynq_req *rq, const struct fynq_turn *turn,
    enum fynq_turn_status status, enum fynq_err error, const struct fynq_gemini_reply *reply,
    int64_t saved, struct fynq_str sources, struct fynq_told *told_r) FYNQ_MUST_CHECK;

/* A reply as it stands, with its question; for who asks again. Valid as long as the arena. */
struct fynq_past {
	struct fynq_turn turn; /* the ids alone */
	struct fynq_str status, error, content, question, runner;
	struct fynq_told told;
};

/* The caller's reply of that id. NOT_FOUND. */
enum fynq_err fynq_turn_read(
    struct fynq_req *rq, const struct fynq_uuid *reply, struct fynq_past *past_r) FYNQ_MUST_CHECK;

#endif
