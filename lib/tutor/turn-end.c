#include "data/steps.h"
#include "limits/user.h"
#include "tutor/grounding.h"
#include "tutor/turn.h"
#include "tutor/tutor.h"

/* All numbers that a reply can cite. */
enum { CITED_MAX = 256 };

#define USAGE_JSON                                                                     \
	"case when m.total_tokens is not null then json_build_object('prompt_tokens'," \
	" m.prompt_tokens, 'reply_tokens', m.reply_tokens, 'thought_tokens',"          \
	" m.thought_tokens, 'total_tokens', m.total_tokens) end"

/*
 * A reply may be marked failed by others who took this process for dead: what is stored here is
 * better. Stored again, it stays the same, and only the first time its tokens count.
 */
static const struct fynq_stmt close_reply = { "close_reply", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"with old as (select id, status from messages where id = $1::uuid for update), m as ("
	" update messages set status = $2::text, content = $3::text, parts = $4::jsonb,"
	"  error = $5::text, finish_reason = $6::text, model = coalesce($7::text, model),"
	"  prompt_tokens = $8::int, reply_tokens = $9::int, thought_tokens = $10::int,"
	"  total_tokens = $11::int, cached = $12::boolean,"
	"  citations = coalesce((select jsonb_agg(s.source order by s.at)"
	"   from jsonb_array_elements($13::jsonb) with ordinality as s(source, at)"
	"   where (s.source ->> 'n')::int = any ($14::int[])), '[]')"
	" from old where messages.id = $1::uuid and sender = 'tutor'"
	" returning messages.*, set_config('fynq.go',"
	"   case when old.status = 'pending' then 't' else 'f' end, true))"
	" select " FYNQ_MESSAGE_JSON ", " USAGE_JSON ", m.finish_reason from m" };

/* One that took no tokens, as far as is known, could save none. $1 hash, $2 reply. */
static const struct fynq_stmt put_cached = { "put_cached", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"insert into fynq.answers as a"
	" (hash, asked_by, content, parts, model, finish_reason, total_tokens)"
	" select $1::text, user_id, content, parts, model, finish_reason, total_tokens"
	" from messages where id = $2::uuid and status = 'complete' and finish_reason = 'STOP'"
	"   and parts is not null and total_tokens > 0 and not cached"
	" on conflict (hash) do update set asked_by = excluded.asked_by,"
	"   content = excluded.content, parts = excluded.parts,"
	"   model = excluded.model, total_tokens = excluded.total_tokens, created_at = now()" };

/* $1 reply. */
static const struct fynq_stmt get_past = { "get_past", FYNQ_AS_USER, FYNQ_REPEATABLE,
	"select " FYNQ_MESSAGE_JSON ", " USAGE_JSON
	", m.finish_reason, m.status, m.error, m.content,"
	" m.runner, m.chat_id, m.parent_id,"
	" (select " FYNQ_MESSAGE_JSON " from messages m where m.id = reply.parent_id)"
	" from messages reply join messages m on m.id = reply.id"
	" where reply.id = $1::uuid and reply.user_id = auth.uid() and reply.sender = 'tutor'" };

static struct fynq_str
text_or_null(const char *text)
{
	return fynq_str_of(text[0] != '\0' ? text : NULL);
}

enum fynq_err
fynq_turn_close(struct fynq_req *rq, const struct fynq_turn *turn, enum fynq_turn_status status,
    enum fynq_err error, const struct fynq_gemini_reply *reply, int64_t saved,
    struct fynq_str sources, struct fynq_told *told_r)
{
	static const char *const names[] = {
		[FYNQ_TURN_COMPLETE] = "complete",
		[FYNQ_TURN_STOPPED] = "stopped",
		[FYNQ_TURN_FAILED] = "failed",
	};
	const struct fynq_gemini_usage *usage = &reply->usage;
	bool failed = status == FYNQ_TURN_FAILED;
	bool counted = usage->total > 0;
	struct fynq_buf parts = FYNQ_BUF_INIT(FYNQ_ARENA_MAX / 4);
	struct fynq_buf cited = FYNQ_BUF_INIT(CITED_MAX);
	struct fynq_str null = { 0 }, id = fynq_uuid_str(&turn->reply);
	struct fynq_steps steps = { 0 };
	struct fynq_rows rows;
	enum fynq_err e;

	if (status == FYNQ_TURN_COMPLETE)
		fynq_gemini_reply_parts(reply, &parts);
	fynq_grounding_cited(fynq_buf_str(&reply->text), &cited);
	fynq_steps_add(&steps, rq, &close_reply, &rows,
	    FYNQ_ARGS(id, fynq_str_of(names[status]), fynq_buf_str(&reply->text),
		status == FYNQ_TURN_COMPLETE ? fynq_buf_str(&parts) : null,
		fynq_str_of(failed ? fynq_err_info(error)->code : NULL),
		text_or_null(reply->finish[0] != '\0' ? reply->finish : reply->blocked),
		text_or_null(reply->model), counted ? fynq_arg_int(rq, usage->prompt) : null,
		counted ? fynq_arg_int(rq, usage->reply) : null,
		counted ? fynq_arg_int(rq, usage->thought) : null,
		counted ? fynq_arg_int(rq, usage->total) : null, fynq_arg_bool(saved > 0), sources,
		fynq_buf_str(&cited)));
	fynq_steps_add(&steps, rq, &fynq_limit_spend, NULL,
	    FYNQ_ARGS(fynq_uuid_str(&turn->user), fynq_arg_int(rq, usage->prompt),
		fynq_arg_int(rq, usage->reply + usage->thought), fynq_arg_int(rq, saved)));
	if (turn->cache[0] != '\0')
		fynq_steps_add(
		    &steps, rq, &put_cached, NULL, FYNQ_ARGS(fynq_str_of(turn->cache), id));
	e = fynq_db_tx(rq, steps.all, steps.n);
	fynq_buf_release(&parts);
	fynq_buf_release(&cited);
	FYNQ_TRY(e);
	*told_r = (struct fynq_told){ 0 };
	if (rows.n > 0)
		*told_r = (struct fynq_told){ fynq_rows_str(&rows, 0, 0),
			fynq_rows_str(&rows, 0, 1), fynq_rows_str(&rows, 0, 2) };
	return FYNQ_OK;
}

enum fynq_err
fynq_turn_read(struct fynq_req *rq, const struct fynq_uuid *reply, struct fynq_past *past_r)
{
	struct fynq_rows rows;

	FYNQ_TRY(fynq_db_run(rq, &get_past, FYNQ_ARGS(fynq_uuid_str(reply)), &rows));
	if (rows.n == 0)
		return fynq_fail(rq, FYNQ_E_NOT_FOUND, NULL);
	*past_r = (struct fynq_past){
		.told = { fynq_rows_str(&rows, 0, 0), fynq_rows_str(&rows, 0, 1),
		    fynq_rows_str(&rows, 0, 2) },
		.status = fynq_rows_str(&rows, 0, 3),
		.error = fynq_rows_str(&rows, 0, 4),
		.content = fynq_rows_str(&rows, 0, 5),
		.runner = fynq_rows_str(&rows, 0, 6),
		.question = fynq_rows_str(&rows, 0, 9),
		.turn.reply = *reply,
	};
	(void)fynq_uuid_parse(fynq_rows_str(&rows, 0, 7), &past_r->turn.chat);
	(void)fynq_uuid_parse(fynq_rows_str(&rows, 0, 8), &past_r->turn.question);
	return FYNQ_OK;
}
