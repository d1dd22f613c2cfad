/*
 * The tutor: a question is stored, Gemini is asked, the reply streams and is stored.
 *
 * What a client was told is stored, is stored, whatever is killed:
 *
 *	1. The student's turn and the pending reply are committed before Gemini is asked. A process
 *	   that dies after that leaves a pending reply; another process finds its owner silent and
 *	   marks it failed, within a minute.
 *	2. The reply is committed before the client sees "done", or its status 201. Where the
 *	   database is away the reply waits for it here; a client that cannot wait any longer is
 *	   told so.
 *	3. A client that goes away leaves a stopped reply, an answer that breaks off a failed one,
 *	   each with the text that there was. Nothing is ever stored as complete but what Gemini
 *	   ended itself.
 */
#ifndef FYNQ_TUTOR_TUTOR_H
#define FYNQ_TUTOR_TUTOR_H

#include "base/companion.h"
#include "data/db.h"
#include "http/request.h"

/* For fynq_serve(): the streams beside the workers. Reads the tutor's instruction at start. */
extern const struct fynq_companion fynq_tutor;

/*
 * Put content, the student's words, into the chat (a new one where chat is absent) and answer with
 * the tutor's reply: whole with 201, or as server-sent events. The last thing a handler does.
 *
 * UNDER_AGE, NOT_FOUND, CHAT_BUSY while a reply is being written, BUSY past FYNQ_STREAMS_MAX, and
 * the errors of fynq_db_tx(); what goes wrong later is answered when it happens.
 */
enum fynq_err fynq_tutor_ask(struct fynq_req *rq, struct fynq_uuid chat, struct fynq_str content,
    bool stream) FYNQ_MUST_CHECK;

/* A row m of public.messages as the JSON that clients see. */
#define FYNQ_MESSAGE_TIME FYNQ_SQL_TIME("m.created_at")
#define FYNQ_MESSAGE_JSON                                                                       \
	"json_build_object('id', m.id, 'chat_id', m.chat_id, 'parent_id', m.parent_id,"         \
	" 'sender', m.sender, 'type', m.type, 'content', m.content, 'image_url', m.image_url,"  \
	" 'status', m.status, 'error', m.error, 'model', m.model,"                              \
	" 'finish_reason', m.finish_reason, 'usage', case when m.total_tokens is not null then" \
	" json_build_object('prompt_tokens', m.prompt_tokens, 'reply_tokens', m.reply_tokens,"  \
	" 'thought_tokens', m.thought_tokens, 'total_tokens', m.total_tokens) end,"             \
	" 'created_at', " FYNQ_MESSAGE_TIME ")"

#endif
