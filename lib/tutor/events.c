#include "http/stream.h"
#include "tutor/events.h"

enum { EVENT_MAX = FYNQ_ARENA_MAX / 4 };

void
fynq_events_start(struct fynq_buf *b, const struct fynq_turn *turn)
{
	struct fynq_buf data = FYNQ_BUF_INIT(1024);

	fynq_buf_printf(&data, "{\"chat_id\":\"%s\",\"message_id\":\"%s\",\"reply_id\":\"%s\"}",
	    turn->chat.text, turn->question.text, turn->reply.text);
	fynq_event_add(b, 0, "start", fynq_buf_str(&data));
	fynq_buf_release(&data);
}

void
fynq_events_delta(struct fynq_buf *b, struct fynq_str text, size_t offset)
{
	struct fynq_buf data = FYNQ_BUF_INIT(EVENT_MAX);

	fynq_buf_add(&data, FYNQ_STR("{\"text\":"));
	fynq_buf_add_json(&data, text);
	fynq_buf_add_char(&data, '}');
	fynq_event_add(b, offset, "delta", fynq_buf_str(&data));
	fynq_buf_release(&data);
}

void
fynq_events_done(struct fynq_buf *b, const struct fynq_told *told, size_t offset)
{
	static const struct fynq_str none = FYNQ_STR_INIT(
	    "{\"prompt_tokens\":0,\"reply_tokens\":0,\"thought_tokens\":0,\"total_tokens\":0}");
	struct fynq_buf data = FYNQ_BUF_INIT(EVENT_MAX);

	fynq_buf_add(&data, FYNQ_STR("{\"reply\":"));
	fynq_buf_add(&data, told->reply);
	fynq_buf_add(&data, FYNQ_STR(",\"usage\":"));
	fynq_buf_add(&data, told->usage.n > 0 ? told->usage : none);
	fynq_buf_add(&data, FYNQ_STR(",\"finish_reason\":"));
	if (told->finish.n > 0)
		fynq_buf_add_json(&data, told->finish);
	else
		fynq_buf_add(&data, FYNQ_STR("null"));
	fynq_buf_add_char(&data, '}');
	fynq_event_add(b, offset + 1, "done", fynq_buf_str(&data));
	fynq_buf_release(&data);
}

void
fynq_events_error(
    struct fynq_buf *b, const struct fynq_problem *problem, struct fynq_str id, size_t offset)
{
	struct fynq_buf data = FYNQ_BUF_INIT(65536);

	fynq_buf_add(&data, FYNQ_STR("{\"problem\":"));
	fynq_problem_json(&data, problem, id);
	fynq_buf_add_char(&data, '}');
	fynq_event_add(b, offset + 1, "error", fynq_buf_str(&data));
	fynq_buf_release(&data);
}

void
fynq_events_whole(struct fynq_buf *b, const struct fynq_turn *turn, struct fynq_str question,
    const struct fynq_told *told)
{
	fynq_buf_printf(b, "{\"chat_id\":\"%s\",\"message\":", turn->chat.text);
	fynq_buf_add(b, question);
	fynq_buf_add(b, FYNQ_STR(",\"reply\":"));
	fynq_buf_add(b, told->reply);
	fynq_buf_add_char(b, '}');
}

enum fynq_err
fynq_events_fail(struct fynq_req *rq, enum fynq_err e)
{
	if (e == FYNQ_E_GEMINI_BLOCKED)
		return fynq_fail(rq, e,
		    "I cannot help with this one. Try to ask it in other words, or ask about the "
		    "part of it that you want to learn. If something worries you, talk to somebody "
		    "you trust.");
	return fynq_fail(rq, e, NULL);
}
