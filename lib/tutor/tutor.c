#include <string.h>

#include "base/config.h"
#include "data/claim.h"
#include "gemini/ask.h"
#include "http/response.h"
#include "storage/file.h"
#include "storage/picture.h"
#include "tutor/answer.h"
#include "tutor/client.h"
#include "tutor/context.h"
#include "tutor/events.h"
#include "tutor/grounding.h"
#include "tutor/handover.h"
#include "tutor/runner.h"
#include "tutor/tutor.h"

enum { REQUEST_MAX = 20 << 20, BUSY_SECONDS = 5, TAKE_UP_SECONDS = 1 };

/* No event of a reply has a larger id, whatever FYNQ_REPLY_MAX was when it was written. */
enum { PLACE_MAX = 1 << 20 };

static void
start(void)
{
	fynq_context_init();
	fynq_gemini_init();
	fynq_gemini_leave_init();
	fynq_runner_start();
	if (fynq_config.resume_seconds > 0)
		fynq_handover_start();
	fynq_clients_init();
	fynq_answers_init();
}

const struct fynq_companion fynq_tutor = {
	.start = start,
	.active = fynq_answers_active,
	.cancel = fynq_answers_cancel,
	.stop = fynq_handover_stop,
};

/* The problem that a failed reply was told with. */
static enum fynq_err
past_error(struct fynq_req *rq, const struct fynq_past *past)
{
	enum fynq_err e = fynq_err_of_code(past->error);

	return fynq_events_fail(rq, e != FYNQ_OK ? e : FYNQ_E_INTERNAL);
}

/* The events of a reply that stands, from that byte of its text on. */
static enum fynq_err
tell_events(struct fynq_req *rq, const struct fynq_past *past, size_t from, bool resumes)
{
	struct fynq_buf events = FYNQ_BUF_INIT(FYNQ_ARENA_MAX / 4);
	struct fynq_str text = past->content;

	if (!resumes)
		fynq_events_start(&events, &past->turn);
	if (from < text.n)
		fynq_events_delta(
		    &events, (struct fynq_str){ text.p + from, text.n - from }, text.n);
	if (past->error.n > 0) {
		(void)past_error(rq, past);
		/* More may have been told than was stored: ids must not go back. */
		fynq_events_error(&events, &rq->problem, rq->id, from > text.n + 1 ? from : text.n);
		rq->problem = (struct fynq_problem){ 0 };
	} else {
		fynq_events_done(&events, &past->told, text.n);
	}
	fynq_reply_events(rq);
	rq->reply.body = fynq_arena_copy(rq->arena, fynq_buf_str(&events));
	fynq_buf_release(&events);
	return FYNQ_OK;
}

/* The first answer to a request that came again: the reply that it made, or its failure. */
static enum fynq_err
replay(struct fynq_req *rq, const struct fynq_uuid *reply, bool events)
{
	struct fynq_buf body = FYNQ_BUF_INIT(FYNQ_ARENA_MAX / 4);
	struct fynq_past past;

	FYNQ_TRY(fynq_turn_read(rq, reply, &past));
	if (fynq_str_eq(past.status, FYNQ_STR("pending"))) {
		rq->problem.retry_after = TAKE_UP_SECONDS;
		return fynq_fail(rq, FYNQ_E_REQUEST_RUNNING, NULL);
	}
	fynq_claim_replayed(rq);
	if (past.error.n > 0 && (!events || past.content.n == 0))
		return past_error(rq, &past);
	if (events)
		return tell_events(rq, &past, 0, false);
	fynq_events_whole(&body, &past.turn, past.question, &past.told);
	(void)fynq_reply_json(rq, 201, fynq_arena_copy(rq->arena, fynq_buf_str(&body)));
	fynq_buf_release(&body);
	return FYNQ_OK;
}

/* Have Gemini asked, or an answer told that is there already; the question is stored. */
static enum fynq_err
answer(struct fynq_req *rq, struct fynq_turn *turn, struct fynq_opening *opening,
    struct fynq_answer_start *start)
{
	struct fynq_buf body = FYNQ_BUF_INIT(REQUEST_MAX);
	enum fynq_err e = FYNQ_OK;

	start->turn = turn;
	start->opening = opening;
	start->body = &body;
	if (opening->cached.parts.n == 0)
		e = fynq_grounding_find(rq, turn, opening);
	if (opening->cached.parts.n == 0 && e == FYNQ_OK)
		e = fynq_context_build(rq, turn, opening, &body);
	if (e != FYNQ_OK) {
		/* Whoever beats next marks the reply failed. */
		fynq_runner_abandon(&turn->reply);
		fynq_buf_release(&body);
		return e;
	}
	fynq_req_detach(rq, fynq_answer_start, fynq_answer_new(rq, start));
	return FYNQ_OK;
}

/* Ask with leave to do so; *left_r says that it was not needed. */
static enum fynq_err
open_and_answer(struct fynq_req *rq, const struct fynq_question *question,
    struct fynq_answer_start *start, bool *stored_r, bool *left_r)
{
	struct fynq_opening opening;
	struct fynq_turn turn;

	*stored_r = false;
	*left_r = true;
	FYNQ_TRY(fynq_turn_open(rq, question, fynq_context_budget(), &turn, &opening));
	if (opening.earlier.text[0] != '\0')
		return replay(rq, &opening.earlier, start->events);
	*stored_r = true;
	FYNQ_TRY(answer(rq, &turn, &opening, start));
	*left_r = opening.cached.parts.n > 0;
	return FYNQ_OK;
}

/*
 * There is no room for a question now, with e in rq's problem. A request that came before does not
 * need any: it is told of what it made.
 */
static enum fynq_err
turn_away(struct fynq_req *rq, bool events, enum fynq_err e)
{
	const struct fynq_problem problem = rq->problem;
	struct fynq_uuid earlier;

	FYNQ_TRY(fynq_turn_earlier(rq, &earlier));
	if (earlier.text[0] != '\0')
		return replay(rq, &earlier, events);
	rq->problem = problem;
	return e;
}

static enum fynq_err
ask(struct fynq_req *rq, const struct fynq_question *question, bool events, bool *stored_r)
{
	struct fynq_answer_start start = { .events = events };
	int64_t tokens = fynq_context_tokens((int64_t)question->content.n / 4);
	int retry_after = 0;
	bool left;
	enum fynq_err e;

	*stored_r = false;
	e = fynq_gemini_admit(0, tokens, fynq_config.gemini_wait_ms, &start.leave, &retry_after);
	if (e != FYNQ_OK) {
		rq->problem.retry_after = retry_after;
		return turn_away(rq, events, fynq_fail(rq, e, NULL));
	}
	e = open_and_answer(rq, question, &start, stored_r, &left);
	if (left)
		fynq_gemini_give_back(&start.leave);
	return e;
}

enum fynq_err
fynq_tutor_ask(struct fynq_req *rq, const struct fynq_question *question,
    const struct fynq_upload *upload, bool events)
{
	const struct fynq_str field = FYNQ_STR("image");
	struct fynq_question shown = *question;
	struct fynq_picture picture;
	struct fynq_new_file file;
	struct fynq_uuid earlier;
	bool stored;
	enum fynq_err e;

	if (fynq_answers_given() >= (size_t)fynq_config.streams_max) {
		rq->problem.retry_after = BUSY_SECONDS;
		return turn_away(rq, events,
		    fynq_fail(rq, FYNQ_E_BUSY, "Too many replies are being written; try again."));
	}
	if (upload == NULL || upload->bytes == 0)
		return ask(rq, question, events, &stored);

	/* Preparing a picture is dear: a request that came before is told of that first. */
	FYNQ_TRY(fynq_turn_earlier(rq, &earlier));
	if (earlier.text[0] != '\0')
		return replay(rq, &earlier, events);
	FYNQ_TRY(fynq_picture_prepare(rq, field, upload->fd, upload->bytes, &picture));
	file = fynq_file_of_picture(&picture, FYNQ_STR("chat"), field, upload->name);
	FYNQ_TRY(fynq_files_add(rq, &file, 1, NULL, NULL));
	shown.file = file.id;
	e = ask(rq, &shown, events, &stored);
	if (!stored && e != FYNQ_E_DB_UNAVAILABLE && e != FYNQ_E_DB_TIMEOUT)
		fynq_file_drop(rq, &shown.file);
	return e;
}

static enum fynq_err
no_place(struct fynq_req *rq)
{
	return fynq_fail(rq, FYNQ_E_BAD_REQUEST, "Last-Event-ID is none of this reply.");
}

/* Where a client is in the text, from the id of the last event that it got. */
static enum fynq_err
read_place(struct fynq_req *rq, size_t *offset_r, bool *resumes_r)
{
	struct fynq_str id = fynq_req_param(rq, "HTTP_LAST_EVENT_ID");
	int64_t n = 0;

	*resumes_r = id.n > 0;
	if (id.n > 0 && (!fynq_str_int(id, &n) || id.p[0] == '-' || n > PLACE_MAX))
		return no_place(rq);
	*offset_r = (size_t)n;
	return FYNQ_OK;
}

/*
 * A client can have come there: into the text, to its end or past the last event. Of a reply whose
 * process was killed more may have been told than was stored.
 */
static bool
has_place(const struct fynq_past *past, size_t offset)
{
	return offset == past->content.n + 1 || fynq_str_boundary(past->content, offset) ||
	       fynq_err_of_code(past->error) == FYNQ_E_INTERRUPTED;
}

static bool
is_pending(const struct fynq_past *past)
{
	return fynq_str_eq(past->status, FYNQ_STR("pending"));
}

enum fynq_err
fynq_tutor_resume(struct fynq_req *rq, const struct fynq_uuid *reply)
{
	struct fynq_past past;
	size_t offset = 0;
	bool resumes;

	FYNQ_TRY(read_place(rq, &offset, &resumes));
	FYNQ_TRY(fynq_turn_read(rq, reply, &past));
	if (is_pending(&past) && rq->method == FYNQ_HEAD) {
		/* Who reads no events must not take the place of a client that does. */
		fynq_reply_events(rq);
		return FYNQ_OK;
	}
	if (is_pending(&past)) {
		switch (fynq_handover_send(rq, past.runner, reply, offset, resumes)) {
		case FYNQ_HANDOVER_TAKEN:
			fynq_req_detach(rq, fynq_handover_drop, NULL);
			return FYNQ_OK;
		case FYNQ_HANDOVER_NO_PLACE:
			return no_place(rq);
		case FYNQ_HANDOVER_NOBODY:
			break;
		}
		/* It ended just now, or its process did. */
		FYNQ_TRY(fynq_turn_read(rq, reply, &past));
	}
	if (is_pending(&past)) {
		rq->problem.retry_after = TAKE_UP_SECONDS;
		return fynq_fail(rq, FYNQ_E_CHAT_BUSY, "The reply cannot be taken up just now.");
	}
	if (!has_place(&past, offset))
		return no_place(rq);
	return tell_events(rq, &past, offset, resumes);
}
