#include <string.h>

#include "base/config.h"
#include "data/claim.h"
#include "data/steps.h"
#include "gemini/signature.h"
#include "limits/user.h"
#include "tutor/context.h"
#include "tutor/grounding.h"
#include "tutor/runner.h"
#include "tutor/turn.h"
#include "tutor/tutor.h"

/*
 * Opening a turn is one transaction of several statements, sent together. Each sees what was
 * committed before it began, so that one can take a lock and the next look at what it guards. Each
 * says in fynq.go, a setting of the transaction, whether the others are to do anything.
 */

/*
 * Keeps a second question out of the chat until this one is stored.
 * $1 chat, $2 it is to be made, $3 least age.
 */
static const struct fynq_stmt open_chat = { "open_chat", FYNQ_AS_USER, FYNQ_ONCE,
	"with me as ("
	"  select birth_date is null as ageless,"
	"    coalesce(birth_date <= (now() at time zone 'UTC')::date"
	"      - make_interval(years => $3::int), $3::int = 0) as of_age,"
	"    grade_level, locale, preferences"
	"  from profiles where id = auth.uid()"
	"), held as (select id from chats where id = $1::uuid and user_id = auth.uid() for update)"
	", found as (select $2::boolean or exists (select from held) as chat,"
	"    coalesce((select of_age from me), false) as of_age)"
	" select f.of_age, f.chat, me.grade_level, me.locale,"
	"   case when me.preferences <> '{}' then me.preferences::text end,"
	"   set_config('fynq.go', case when f.chat and f.of_age"
	"     and coalesce(current_setting('fynq.go', true), '') <> 'f' then 't' else 'f' end,"
	"     true), coalesce(me.ageless, true)"
	" from found f left join me on true" };

/*
 * Why the chat does not take the question; null where it does.
 * $1 chat, $2 message or null, $3 it must be a question, $4 file or null, $5 contents or null.
 */
static const struct fynq_stmt check_turn = { "check_turn", FYNQ_AS_USER, FYNQ_REPEATABLE,
	"with v as ("
	"  select case"
	"    when leaf.status = 'pending' then 'busy'"
	"    when $2::uuid is not null and (m.id is null or $3::boolean and m.sender <> 'student')"
	"      then 'message'"
	"    when $4::uuid is not null and not exists (select from files where id = $4::uuid"
	"      and user_id = auth.uid() and media_type in ('image/jpeg', 'image/png')) then 'file'"
	"    else (select 'content_ids.' || (min(w.at) - 1)"
	"      from jsonb_array_elements_text($5::jsonb) with ordinality as w(id, at)"
	"      where not exists (select from contents o where o.id = w.id::uuid))"
	"    end as fault"
	"  from (select) one"
	"  left join chats c on c.id = $1::uuid"
	"  left join messages leaf on leaf.id = c.leaf_id"
	"  left join messages m on m.id = $2::uuid and m.chat_id = c.id"
	"  where current_setting('fynq.go', true) = 't'"
	") select fault, case when fault is not null then set_config('fynq.go', 'f', true) end "
	"from v" };

/* A picture without words leaves the chat without a title. $1 chat, $2 content. */
static const struct fynq_stmt make_chat = { "make_chat", FYNQ_AS_USER, FYNQ_ONCE,
	"insert into chats (id, user_id, title)"
	" select $1::uuid, auth.uid(), " FYNQ_CONTEXT_TITLE(
	    "$2::text") " where current_setting('fynq.go', true) = 't'" };

/* What a question m asks about, and in which words. */
#define NAMED "nullif(m.content_ids, '{}')::text, m.content"

/*
 * $1 question, $2 chat, $3 content, $4 the question it replaces or null, $5 file or null, $6
 * contents or null.
 */
static const struct fynq_stmt add_question = { "add_question", FYNQ_AS_SERVICE, FYNQ_ONCE,
	"with m as ("
	"  insert into messages"
	"    (id, chat_id, user_id, parent_id, sender, type, content, image_url, file_id, "
	"content_ids,"
	"     status)"
	"  select $1::uuid, c.id, c.user_id,"
	"    case when $4::uuid is null then c.leaf_id else old.parent_id end, 'student',"
	"    case when f.file is null then 'text' else 'image' end, coalesce($3::text, ''),"
	"    '/api/v1/files/' || f.file || '/content', f.file, case when $6::jsonb is not null"
	"      then array(select id::uuid from jsonb_array_elements_text($6::jsonb)"
	"        with ordinality as w(id, at) order by at)"
	"      else coalesce(old.content_ids, '{}') end, 'complete'"
	"  from chats c left join messages old on old.id = $4::uuid,"
	"  lateral (select coalesce($5::uuid, old.file_id) as file) f"
	"  where c.id = $2::uuid and current_setting('fynq.go', true) = 't'"
	"  returning *"
	") select " FYNQ_MESSAGE_JSON
	", m.id, set_config('fynq.question', m.id::text, true), " NAMED " from m" };

/* The question of a reply that is to be given anew. $1 chat, $2 the reply, or the question. */
static const struct fynq_stmt find_question = { "find_question", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select " FYNQ_MESSAGE_JSON ", m.id, set_config('fynq.question', m.id::text, true), " NAMED
	" from messages named join messages m"
	"   on m.id = case named.sender when 'student' then named.id else named.parent_id end"
	" where named.id = $2::uuid and named.chat_id = $1::uuid"
	"   and current_setting('fynq.go', true) = 't'" };

#define QUESTION "nullif(current_setting('fynq.question', true), '')::uuid"

/*
 * The way back from the question until the budget is spent, or to a summary of what was before. A
 * reply that failed or has no text is left out, of the pictures only the newest are shown again,
 * and neighbouring turns of one sender become one content, as roles must alternate. A question is
 * never left out: two replies in one content would mix up their signatures. Tokens are estimated at
 * four bytes each, see context.h. $1 budget, $2 pictures, $3 model, $4 what stands for another
 * model's thought signature, $5 tokens for passages of the contents that the question names. Where
 * they go, there is a part {"passages": true}: see context.c.
 */
#define COST FYNQ_CONTEXT_COST
/* What the model made under its name, or a version of it. An alias may name any. */
#define OWN_PARTS                                                                      \
	"(not p.parts @? '$[*].thoughtSignature' or $3::text like '%-latest'"          \
	" or starts_with(p.model, $3::text) and substr(p.model, length($3::text) + 1)" \
	"   ~ '^(-(preview-)?[0-9-]+)?$')"
static const struct fynq_stmt get_contents = {
	"get_contents", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"with recursive path as ("
	"  select m.*, null::text as summary, 1 as back,"
	"    " COST " + case when m.content_ids = '{}' then 0 else $5::int end as spent"
	"  from messages m where m.id = " QUESTION "  union all"
	"  select m.*, s.content, p.back + 1,"
	"    p.spent + coalesce(octet_length(s.content) / 4 + 8, " COST ")"
	"  from path p join messages m on m.id = p.parent_id"
	"  left join summaries s on s.message_id = m.id"
	"  where p.summary is null and p.back < 1000"
	"    and (s.content is not null or p.spent + " COST " <= $1::int)"
	"), shown as ("
	"  select p.back, case when summary is null then p.sender else 'student' end as sender,"
	"    case when p.back = 1 and p.content_ids <> '{}' then '[{\"passages\": true}]'::jsonb"
	"      else '[]' end"
	"    || case when summary is not null then jsonb_build_array(jsonb_build_object('text',"
	"        'What was said before, in short: ' || summary))"
	"      when p.type = 'image' then jsonb_build_array(case when f.id is not null"
	"          and row_number() over pictures <= $2::int then jsonb_build_object('inlineData', "
	"jsonb_build_object('data',"
	"          '@file:' || f.id, 'mimeType', f.media_type))"
	"        else '{\"text\": \"(a picture)\"}' end)"
	"        || case when p.content <> '' then jsonb_build_array(jsonb_build_object('text',"
	"          p.content)) else '[]' end"
	"      when p.status = 'complete' and p.parts is not null then case when " OWN_PARTS
	"        then p.parts else (select jsonb_agg(case when e.part ? 'thoughtSignature'"
	"          then e.part - 'thoughtSignature' || $4::jsonb else e.part end order by e.at)"
	"          from jsonb_array_elements(p.parts) with ordinality as e(part, at)) end"
	"      else jsonb_build_array(jsonb_build_object('text',"
	"        coalesce(nullif(p.content, ''), '(no words)'))) end as parts,"
	"    case when row_number() over pictures <= $2::int then f.id end as file"
	"  from path p left join files f on f.id = p.file_id"
	"  where summary is not null or p.sender = 'student'"
	"    or p.content <> '' and p.status in ('complete', 'stopped')"
	"  window pictures as (partition by f.id is not null order by p.back)"
	"), told as ("
	"  select *, sender is distinct from lag(sender) over (order by back desc) as starts"
	"  from shown"
	"), numbered as ("
	"  select *, count(*) filter (where starts) over (order by back desc) as content from told"
	"), contents as ("
	"  select n.content, n.sender, jsonb_agg(e.part order by n.back desc, e.at) as parts"
	"  from numbered n, jsonb_array_elements(n.parts) with ordinality as e(part, at)"
	"  group by n.content, n.sender"
	") select (select json_agg(json_build_object('role', case sender when 'student' then 'user'"
	"    else 'model' end, 'parts', parts) order by content)"
	"    from contents where not (content = 1 and sender = 'tutor')),"
	"  (select string_agg(file::text, ',') from shown),"
	"  (select max(spent) from path),"
	"  (select parent_id is not null and summary is null from path order by back desc limit 1)"
};

/*
 * An answer that the same question got before, where it is a chat's first, has no picture and names
 * no contents: same words, model, instruction and profile. $1 what the settings say of the model,
 * $2 hours.
 */
static const struct fynq_stmt get_cached = { "get_cached", FYNQ_AS_SERVICE, FYNQ_ONCE,
	"with k as ("
	"  select encode(sha256(convert_to(jsonb_build_array($1::text, p.grade_level, p.locale,"
	"    p.preferences, m.content)::text, 'UTF8')), 'hex') as hash"
	"  from messages m join profiles p on p.id = m.user_id"
	"  where m.id = " QUESTION " and m.parent_id is null and m.file_id is null"
	"    and m.content_ids = '{}'"
	"), hit as ("
	"  update fynq.answers a set hits = a.hits + 1 from k"
	"  where a.hash = k.hash and a.created_at > now() - make_interval(hours => $2::int)"
	"  returning a.*"
	") select k.hash, hit.parts::text, hit.model, hit.finish_reason, hit.total_tokens"
	" from k left join hit on true" };

/* $1 reply, $2 model, $3 runner. */
static const struct fynq_stmt add_reply = { "add_reply", FYNQ_AS_SERVICE, FYNQ_ONCE,
	"with r as ("
	"  insert into messages (id, chat_id, user_id, parent_id, sender, status, model, runner)"
	"  select $1::uuid, q.chat_id, q.user_id, q.id, 'tutor', 'pending', $2::text, $3::uuid"
	"  from messages q where q.id = " QUESTION "  returning id, chat_id"
	") update chats c set leaf_id = r.id from r where c.id = r.chat_id" };

/* A key is used up only with what it made. $1 user, $2 key, $3 reply. */
static const struct fynq_stmt unclaim = { "unclaim", FYNQ_AS_SERVICE, FYNQ_ONCE,
	"delete from fynq.requests where user_id = $1::uuid and key = $2::text"
	" and reply_id = $3::uuid and not exists (select from messages where id = $3::uuid)" };

enum { RUNNING_SECONDS = 1 };

static bool
is(struct fynq_str column, const char *text)
{
	return fynq_str_eq(column, fynq_str_of(text));
}

static int64_t
read_number(struct fynq_str column)
{
	int64_t n = 0;

	return fynq_str_int(column, &n) ? n : 0;
}

enum fynq_err
fynq_turn_earlier(struct fynq_req *rq, struct fynq_uuid *reply_r)
{
	struct fynq_earlier earlier;

	FYNQ_TRY(fynq_claim_find(rq, &earlier));
	*reply_r = earlier.reply;
	return FYNQ_OK;
}

/* Why a question was not stored. */
static enum fynq_err
refuse(struct fynq_req *rq, const struct fynq_rows *chat, const struct fynq_rows *checked,
    const struct fynq_rows *limit)
{
	struct fynq_str fault;

	if (is(fynq_rows_str(chat, 0, 0), "f"))
		return fynq_fail(rq, FYNQ_E_UNDER_AGE,
		    "Questions may be asked from the age of %lld.%s",
		    (long long)fynq_config.min_age,
		    is(fynq_rows_str(chat, 0, 6), "t")
			? " The profile has no birth date yet: set birth_date with PATCH "
			  "/api/v1/users/me, once."
			: "");
	if (is(fynq_rows_str(chat, 0, 1), "f"))
		return fynq_fail(rq, FYNQ_E_NOT_FOUND, "There is no such chat.");
	fault = checked->n > 0 ? fynq_rows_str(checked, 0, 0) : (struct fynq_str){ 0 };
	if (is(fault, "message"))
		return fynq_fail(rq, FYNQ_E_NOT_FOUND, "There is no such question in this chat.");
	if (is(fault, "file")) {
		fynq_fault(rq, FYNQ_STR("file_id"), "value", "There is no such picture.");
		return FYNQ_E_INVALID;
	}
	if (fynq_str_starts(fault, FYNQ_STR("content_ids."))) {
		fynq_fault(rq, fault, "value", "There is no such content.");
		return FYNQ_E_INVALID;
	}
	if (fault.n == 0)
		FYNQ_TRY(fynq_limit_verdict(rq, limit));
	rq->problem.retry_after = RUNNING_SECONDS;
	return fynq_fail(rq, FYNQ_E_CHAT_BUSY, NULL);
}

struct opened_rows {
	struct fynq_rows claim, chat, check, limit, question, contents, cached;
};

/* As an object to be merged into a part. */
static struct fynq_str
foreign_signature(struct fynq_req *rq)
{
	const char *signature = fynq_gemini_foreign_signature(fynq_config.gemini_model);

	return signature != NULL
		   ? fynq_arena_printf(rq->arena, "{\"thoughtSignature\":\"%s\"}", signature)
		   : FYNQ_STR("{}");
}

static void
plan(struct fynq_req *rq, struct fynq_steps *steps, const struct fynq_question *q,
    const struct fynq_turn *turn, int64_t budget, struct fynq_str key, const char *fingerprint,
    struct opened_rows *rows)
{
	struct fynq_str chat = fynq_uuid_str(&turn->chat), reply = fynq_uuid_str(&turn->reply);
	struct fynq_str message = fynq_uuid_str(&q->message), file = fynq_uuid_str(&q->file);
	struct fynq_str limits[FYNQ_LIMIT_ARGS];
	bool cacheable = q->kind == FYNQ_TURN_ASK && fynq_config.cache_hours > 0;

	fynq_limit_args(rq, limits);
	if (key.n > 0)
		fynq_steps_add(steps, rq, &fynq_claim_take, &rows->claim,
		    FYNQ_ARGS(rq->caller.id, key, fynq_str_of(fingerprint), chat, reply));
	fynq_steps_add(steps, rq, &open_chat, &rows->chat,
	    FYNQ_ARGS(chat, fynq_arg_bool(turn->opened), fynq_arg_int(rq, fynq_config.min_age)));
	fynq_steps_add(steps, rq, &check_turn, &rows->check,
	    FYNQ_ARGS(chat, message, fynq_arg_bool(q->kind == FYNQ_TURN_EDIT), file, q->contents));
	fynq_steps_add(steps, rq, &fynq_limit_take, &rows->limit, limits, FYNQ_LIMIT_ARGS);
	if (turn->opened)
		fynq_steps_add(steps, rq, &make_chat, NULL, FYNQ_ARGS(chat, q->content));
	if (q->kind == FYNQ_TURN_REGENERATE)
		fynq_steps_add(
		    steps, rq, &find_question, &rows->question, FYNQ_ARGS(chat, message));
	else
		fynq_steps_add(steps, rq, &add_question, &rows->question,
		    FYNQ_ARGS(fynq_uuid_str(&turn->question), chat, q->content, message, file,
			q->contents));
	if (cacheable)
		fynq_steps_add(steps, rq, &get_cached, &rows->cached,
		    FYNQ_ARGS(fynq_context_settings(), fynq_arg_int(rq, fynq_config.cache_hours)));
	fynq_steps_add(steps, rq, &get_contents, &rows->contents,
	    FYNQ_ARGS(fynq_arg_int(rq, budget), fynq_arg_int(rq, fynq_config.context_pictures),
		fynq_str_of(fynq_config.gemini_model), foreign_signature(rq),
		fynq_arg_int(rq, fynq_grounding_tokens())));
	fynq_steps_add(steps, rq, &add_reply, NULL,
	    FYNQ_ARGS(reply, fynq_str_of(fynq_config.gemini_model), fynq_runner_id()));
	if (key.n > 0)
		fynq_steps_add(steps, rq, &unclaim, NULL, FYNQ_ARGS(rq->caller.id, key, reply));
}

static void
take_opening(
    const struct opened_rows *rows, int64_t budget, struct fynq_turn *turn, struct fynq_opening *o)
{
	const struct fynq_rows *cached = &rows->cached;
	struct fynq_str hash;

	(void)fynq_uuid_parse(fynq_rows_str(&rows->question, 0, 1), &turn->question);
	o->question = fynq_rows_str(&rows->question, 0, 0);
	o->named = fynq_rows_str(&rows->question, 0, 3);
	o->words = fynq_rows_str(&rows->question, 0, 4);
	o->kept = fynq_grounding_tokens();
	o->grade = fynq_rows_str(&rows->chat, 0, 2);
	o->locale = fynq_rows_str(&rows->chat, 0, 3);
	o->preferences = fynq_rows_str(&rows->chat, 0, 4);
	o->contents = fynq_rows_str(&rows->contents, 0, 0);
	o->files = fynq_rows_str(&rows->contents, 0, 1);
	turn->tokens = read_number(fynq_rows_str(&rows->contents, 0, 2));
	turn->fold = turn->tokens > budget - budget / 4 ||
		     is(fynq_rows_str(&rows->contents, 0, 3), "t");
	if (cached->n == 0)
		return;
	hash = fynq_rows_str(cached, 0, 0);
	memcpy(turn->cache, hash.p, hash.n < FYNQ_SHA256_SIZE ? hash.n : FYNQ_SHA256_SIZE - 1);
	o->cached.parts = fynq_rows_str(cached, 0, 1);
	o->cached.model = fynq_rows_str(cached, 0, 2);
	o->cached.finish = fynq_rows_str(cached, 0, 3);
	o->cached.tokens = read_number(fynq_rows_str(cached, 0, 4));
}

enum fynq_err
fynq_turn_open(struct fynq_req *rq, const struct fynq_question *q, int64_t budget,
    struct fynq_turn *turn, struct fynq_opening *opening)
{
	struct fynq_steps steps = { 0 };
	struct opened_rows rows = { 0 };
	struct fynq_earlier earlier;
	struct fynq_claim claim;
	enum fynq_err e;

	*opening = (struct fynq_opening){ 0 };
	*turn = (struct fynq_turn){ .chat = q->chat, .opened = q->chat.text[0] == '\0' };
	FYNQ_TRY(fynq_claim_read(rq, &claim));
	FYNQ_TRY(fynq_runner_ensure(rq));
	(void)fynq_uuid_parse(rq->caller.id, &turn->user);
	if (turn->opened)
		turn->chat = fynq_uuid_new();
	turn->question = fynq_uuid_new();
	turn->reply = fynq_uuid_new();

	plan(rq, &steps, q, turn, budget, claim.key, claim.fingerprint, &rows);
	e = fynq_db_tx(rq, steps.all, steps.n);
	if (e == FYNQ_E_DB_UNAVAILABLE || e == FYNQ_E_DB_TIMEOUT)
		fynq_runner_abandon(&turn->reply);
	FYNQ_TRY(e);
	FYNQ_TRY(fynq_claim_verdict(rq, &rows.claim, &earlier));
	opening->earlier = earlier.reply;
	if (earlier.reply.text[0] != '\0')
		return FYNQ_OK;
	if (rows.question.n == 0)
		return refuse(rq, &rows.chat, &rows.check, &rows.limit);
	FYNQ_TRY(fynq_limit_verdict(rq, &rows.limit));
	take_opening(&rows, budget, turn, opening);
	return FYNQ_OK;
}
