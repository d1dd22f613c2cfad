#include <string.h>

#include "base/config.h"
#include "data/db.h"
#include "tutor/runner.h"
#include "tutor/turn.h"
#include "tutor/tutor.h"

/*
 * Opens the chat and keeps a second question out of it until this one is stored. The steps that
 * follow see what is committed by then, and store nothing where this one found nothing.
 * $1 chat, $2 make it, $3 least age, $4 content.
 */
static const struct fynq_stmt open_chat = { "open_chat", FYNQ_AS_USER, FYNQ_ONCE,
	"with me as ("
	"  select coalesce(birth_date <= (now() at time zone 'UTC')::date"
	"      - make_interval(years => $3::int), $3::int = 0) as of_age"
	"  from profiles where id = auth.uid()"
	"), made as ("
	"  insert into chats (id, user_id, title)"
	"  select $1::uuid, auth.uid(), left(regexp_replace(btrim($4::text), '\\s+', ' ', 'g'), 80)"
	"  from me where $2::boolean and of_age"
	"  returning id"
	"), held as (select id from chats where id = $1::uuid and user_id = auth.uid() for update)"
	" select coalesce((select of_age from me), false),"
	"   exists (select from made) or exists (select from held)" };

/* $1 chat, $2 question, $3 content, $4 least age. No row: not found, too young, or busy. */
static const struct fynq_stmt add_question = { "add_question", FYNQ_AS_USER, FYNQ_ONCE,
	"with m as ("
	"  insert into messages (id, chat_id, user_id, parent_id, sender, content, status)"
	"  select $2::uuid, c.id, c.user_id, c.leaf_id, 'student', $3::text, 'complete'"
	"  from chats c left join messages leaf on leaf.id = c.leaf_id"
	"  where c.id = $1::uuid and c.user_id = auth.uid()"
	"    and leaf.status is distinct from 'pending'"
	"    and exists (select from profiles where id = auth.uid() and ($4::int = 0 or birth_date"
	"      <= (now() at time zone 'UTC')::date - make_interval(years => $4::int)))"
	"  returning *"
	") select " FYNQ_MESSAGE_JSON " from m" };

/* $1 question, $2 reply, $3 model, $4 runner. */
static const struct fynq_stmt add_reply = { "add_reply", FYNQ_AS_SERVICE, FYNQ_ONCE,
	"with r as ("
	"  insert into messages (id, chat_id, user_id, parent_id, sender, status, model, runner)"
	"  select $2::uuid, q.chat_id, q.user_id, q.id, 'tutor', 'pending', $3::text, $4::uuid"
	"  from messages q where q.id = $1::uuid"
	"  returning id, chat_id"
	") update chats c set leaf_id = r.id from r where c.id = r.chat_id" };

/*
 * The way back from the question, until the budget is spent. A reply that failed or has no text
 * is left out, and neighbouring turns of one sender become one content, as roles must alternate.
 * Tokens are estimated at four bytes each. $1 question, $2 budget.
 */
static const struct fynq_stmt get_contents = { "get_contents", FYNQ_AS_USER, FYNQ_REPEATABLE,
	"with recursive path as ("
	"  select m.*, 1 as back, octet_length(m.content) / 4 + 8 as spent"
	"  from messages m where m.id = $1::uuid"
	"  union all"
	"  select m.*, p.back + 1, p.spent + greatest(octet_length(m.content),"
	"    coalesce(octet_length(m.parts::text), 0)) / 4 + 8"
	"  from path p join messages m on m.id = p.parent_id"
	"  where p.back < 1000 and p.spent + greatest(octet_length(m.content),"
	"    coalesce(octet_length(m.parts::text), 0)) / 4 + 8 <= $2::int"
	"), told as ("
	"  select back, sender, case when status = 'complete' and parts is not null then parts"
	"    else jsonb_build_array(jsonb_build_object('text', content)) end as parts,"
	"    sender is distinct from lag(sender) over (order by back desc) as starts"
	"  from path where content <> '' and status in ('complete', 'stopped')"
	"), numbered as ("
	"  select *, count(*) filter (where starts) over (order by back desc) as content from told"
	"), contents as ("
	"  select n.content, n.sender, jsonb_agg(e.part order by n.back desc, e.at) as parts"
	"  from numbered n, jsonb_array_elements(n.parts) with ordinality as e(part, at)"
	"  group by n.content, n.sender"
	") select json_agg(json_build_object('role', case sender when 'student' then 'user'"
	"    else 'model' end, 'parts', parts) order by content)"
	" from contents where not (content = 1 and sender = 'tutor')" };

/*
 * A reply may be marked failed by others who took this process for dead: what is stored here is
 * better. Stored again, it stays the same.
 */
static const struct fynq_stmt close_reply = { "close_reply", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"update messages m set status = $2::text, content = $3::text, parts = $4::jsonb,"
	"  error = $5::text, finish_reason = $6::text, model = coalesce($7::text, model),"
	"  prompt_tokens = $8::int, reply_tokens = $9::int, thought_tokens = $10::int,"
	"  total_tokens = $11::int"
	" where id = $1::uuid and sender = 'tutor'"
	" returning " FYNQ_MESSAGE_JSON };

static struct fynq_str
number(struct fynq_req *rq, int64_t n)
{
	return fynq_arena_printf(rq->arena, "%lld", (long long)n);
}

static struct fynq_str
text_or_null(const char *text)
{
	return fynq_str_of(text[0] != '\0' ? text : NULL);
}

/* Why a question was not stored. */
static enum fynq_err
refuse(struct fynq_req *rq, const struct fynq_rows *chat)
{
	if (fynq_str_eq(fynq_rows_str(chat, 0, 0), FYNQ_STR("f")))
		return fynq_fail(rq, FYNQ_E_UNDER_AGE,
		    "Questions may be asked from the age of %lld. A profile needs its birth date.",
		    (long long)fynq_config.min_age);
	if (fynq_str_eq(fynq_rows_str(chat, 0, 1), FYNQ_STR("f")))
		return fynq_fail(rq, FYNQ_E_NOT_FOUND, "There is no such chat.");
	rq->problem.retry_after = 1;
	return fynq_fail(rq, FYNQ_E_CHAT_BUSY, NULL);
}

enum fynq_err
fynq_turn_open(struct fynq_req *rq, struct fynq_turn *turn, struct fynq_str content,
    struct fynq_str *question_r, struct fynq_str *contents_r)
{
	bool make = turn->chat.text[0] == '\0';
	struct fynq_str age = number(rq, fynq_config.min_age), chat_id, question_id;
	struct fynq_rows chat, question, contents;
	enum fynq_err e;

	FYNQ_TRY(fynq_runner_ensure(rq));
	if (make)
		turn->chat = fynq_uuid_new();
	turn->question = fynq_uuid_new();
	turn->reply = fynq_uuid_new();
	chat_id = fynq_uuid_str(&turn->chat);
	question_id = fynq_uuid_str(&turn->question);

	const struct fynq_str chat_args[] = { chat_id, make ? FYNQ_STR("t") : FYNQ_STR("f"), age,
		content };
	const struct fynq_str question_args[] = { chat_id, question_id, content, age };
	const struct fynq_str reply_args[] = { question_id, fynq_uuid_str(&turn->reply),
		fynq_str_of(fynq_config.gemini_model), fynq_runner_id() };
	const struct fynq_str contents_args[] = { question_id,
		number(rq, fynq_config.context_tokens) };
	const struct fynq_step steps[] = {
		{ &open_chat, chat_args, 4, &chat },
		{ &add_question, question_args, 4, &question },
		{ &get_contents, contents_args, 2, &contents },
		{ &add_reply, reply_args, 4, NULL },
	};

	e = fynq_db_tx(rq, steps, sizeof(steps) / sizeof(steps[0]));
	if (e == FYNQ_E_DB_UNAVAILABLE || e == FYNQ_E_DB_TIMEOUT)
		fynq_runner_abandon(&turn->reply);
	FYNQ_TRY(e);
	if (question.n == 0)
		return refuse(rq, &chat);
	*question_r = fynq_rows_str(&question, 0, 0);
	*contents_r = fynq_rows_str(&contents, 0, 0);
	return FYNQ_OK;
}

enum fynq_err
fynq_turn_close(struct fynq_req *rq, const struct fynq_turn *turn, enum fynq_turn_status status,
    enum fynq_err error, const struct fynq_gemini_reply *reply, struct fynq_str *reply_r)
{
	static const char *const names[] = {
		[FYNQ_TURN_COMPLETE] = "complete",
		[FYNQ_TURN_STOPPED] = "stopped",
		[FYNQ_TURN_FAILED] = "failed",
	};
	bool failed = status == FYNQ_TURN_FAILED;
	bool counted = reply->usage.total > 0;
	struct fynq_buf parts = FYNQ_BUF_INIT(FYNQ_ARENA_MAX / 4);
	struct fynq_str null = { 0 };
	struct fynq_rows rows;
	enum fynq_err e;

	if (status == FYNQ_TURN_COMPLETE)
		fynq_gemini_reply_parts(reply, &parts);
	const struct fynq_str args[] = {
		fynq_uuid_str(&turn->reply),
		fynq_str_of(names[status]),
		fynq_buf_str(&reply->text),
		status == FYNQ_TURN_COMPLETE ? fynq_buf_str(&parts) : null,
		fynq_str_of(failed ? fynq_err_info(error)->code : NULL),
		text_or_null(reply->finish[0] != '\0' ? reply->finish : reply->blocked),
		text_or_null(reply->model),
		counted ? number(rq, reply->usage.prompt) : null,
		counted ? number(rq, reply->usage.reply) : null,
		counted ? number(rq, reply->usage.thought) : null,
		counted ? number(rq, reply->usage.total) : null,
	};
	e = fynq_db_run(rq, &close_reply, args, sizeof(args) / sizeof(args[0]), &rows);
	fynq_buf_release(&parts);
	FYNQ_TRY(e);
	*reply_r = rows.n > 0 ? fynq_rows_str(&rows, 0, 0) : null;
	return FYNQ_OK;
}
