/*
 * The tutor: a question is stored, Gemini is asked, the reply streams and is stored.
 *
 * What a client was told is stored, is stored, whatever is killed:
 *
 *	1. A question that Gemini's quotas or the user's limits do not admit leaves no trace.
 *	2. The student's turn and the pending reply are committed before Gemini is asked, with the
 *	   request's Idempotency-Key where it has one. A process that dies after that leaves a
 *	   pending reply; another process finds its owner silent and marks it failed, within a
 *	   minute. Who asks again with the key is told of that reply, and Gemini is not asked again.
 *	3. The reply is committed before the client sees "done", or its status 201. Where the
 *	   database is away the reply waits for it here; a client that cannot wait any longer is
 *	   told so.
 *	4. A client that goes away, and does not come back in time, leaves a stopped reply, an
 *	   answer that breaks off a failed one, each with the text that there was. Nothing is ever
 *	   stored as complete but what Gemini ended itself.
 *	5. A picture is stored before the question that shows it. A process that dies between the
 *	   two leaves a file that no message names.
 */
#ifndef FYNQ_TUTOR_TUTOR_H
#define FYNQ_TUTOR_TUTOR_H

#include "base/companion.h"
#include "data/db.h"
#include "http/fields.h"
#include "tutor/turn.h"

/* For fynq_serve(): the streams beside the workers. Reads the tutor's instruction at start. */
extern const struct fynq_companion fynq_tutor;

/*
 * Ask, and answer with the tutor's reply: whole with 201, or as server-sent events. picture, where
 * it is not NULL and holds something, is prepared, stored and shown to the tutor. The last thing a
 * handler does.
 *
 * The errors of fynq_turn_open(), fynq_grounding_find(), fynq_gemini_admit(),
 * fynq_picture_prepare() and fynq_files_add(), and BUSY past FYNQ_STREAMS_MAX; what goes wrong
 * later is answered when it happens.
 */
enum fynq_err fynq_tutor_ask(struct fynq_req *rq, const struct fynq_question *question,
    const struct fynq_upload *picture, bool events) FYNQ_MUST_CHECK;

/*
 * Answer with the events of a reply of the caller's that was asked for before, after the one whose
 * id Last-Event-ID gives. The process that is writing it goes on with it; where it stands already,
 * the events come from the database. NOT_FOUND, BAD_REQUEST for an id that is none of its events.
 */
enum fynq_err fynq_tutor_resume(struct fynq_req *rq, const struct fynq_uuid *reply) FYNQ_MUST_CHECK;

/* A row m of public.messages as the JSON that clients see. */
#define FYNQ_MESSAGE_TIME FYNQ_SQL_TIME("m.created_at")
#define FYNQ_MESSAGE_JSON                                                                       \
	"json_build_object('id', m.id, 'chat_id', m.chat_id, 'parent_id', m.parent_id,"         \
	" 'sender', m.sender, 'type', m.type, 'content', m.content, 'image_url', m.image_url,"  \
	" 'content_ids', m.content_ids, 'citations', m.citations,"                              \
	" 'status', m.status, 'error', m.error, 'model', m.model, 'cached', m.cached,"          \
	" 'finish_reason', m.finish_reason, 'usage', case when m.total_tokens is not null then" \
	" json_build_object('prompt_tokens', m.prompt_tokens, 'reply_tokens', m.reply_tokens,"  \
	" 'thought_tokens', m.thought_tokens, 'total_tokens', m.total_tokens) end,"             \
	" 'created_at', " FYNQ_MESSAGE_TIME ")"

#endif
