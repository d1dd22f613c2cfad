/*
 * Chats: ask the tutor, read what was said, keep chats in order.
 */
#include "chat-fields.h"

static fynq_handler post_message, get_history, get_chats, post_chat, get_chat, patch_chat,
    delete_chat, get_turns;

static const struct fynq_route routes[] = {
	{ FYNQ_POST, "/api/v1/chat/message", FYNQ_USER, .in = ask_in, .status = 201, .out = ask_out,
	    .body_max = 200000, .streams = true, .errors = ask_errors, .handler = post_message,
	    .summary = "Ask the tutor; question and reply are stored, the reply is returned or "
		       "streamed." },
	{ FYNQ_GET, "/api/v1/chat/history/{user_id}", FYNQ_USER, .in = history_in, .status = 200,
	    .out = message_out, .paged = true, .handler = get_history,
	    .summary =
		"A user's messages across chats, newest first; for the user and for admins." },
	{ FYNQ_GET, "/api/v1/chats", FYNQ_USER, .in = list_in, .status = 200, .out = chat_out,
	    .paged = true, .handler = get_chats,
	    .summary = "One's chats, the one used last first." },
	{ FYNQ_POST, "/api/v1/chats", FYNQ_USER, .in = new_in, .status = 201, .out = chat_out,
	    .handler = post_chat, .summary = "Open a chat." },
	{ FYNQ_GET, "/api/v1/chats/{id}", FYNQ_USER, .in = chat_in, .status = 200, .out = chat_out,
	    .handler = get_chat, .summary = "One chat." },
	{ FYNQ_PATCH, "/api/v1/chats/{id}", FYNQ_USER, .in = patch_in, .status = 200,
	    .out = chat_out, .errors = patch_errors, .handler = patch_chat,
	    .summary = "Rename a chat or put it away." },
	{ FYNQ_DELETE, "/api/v1/chats/{id}", FYNQ_USER, .in = chat_in, .status = 204,
	    .handler = delete_chat, .summary = "Delete a chat and all that was said in it." },
	{ FYNQ_GET, "/api/v1/chats/{id}/messages", FYNQ_USER, .in = turns_in, .status = 200,
	    .out = message_out, .paged = true, .handler = get_turns,
	    .summary = "A chat's messages, newest first; parent_id tells the branch." },
	{ 0 },
};

int
main(int argc, char **argv)
{
	return fynq_serve(argc, argv, "chat", routes, &fynq_tutor);
}

#define OPENED	FYNQ_SQL_TIME("c.created_at")
#define CHANGED FYNQ_SQL_TIME("c.updated_at")
#define CHAT_JSON                                                                 \
	"json_build_object('id', c.id, 'title', c.title, 'archived', c.archived," \
	" 'leaf_id', c.leaf_id, 'created_at', " OPENED ", 'updated_at', " CHANGED ")"

/* The row after all others, where a list's cursor is absent. */
#define LAST_ID "'ffffffff-ffff-ffff-ffff-ffffffffffff'"

/* The student's turn is stored before Gemini is asked, the reply before the client hears of its
 * end. */
static enum fynq_err
post_message(struct fynq_req *rq, const void *arg)
{
	const struct ask_in *in = arg;

	return fynq_tutor_ask(rq, in->chat_id, in->content, in->stream);
}

/* $1 user, $2 chat, $3 type, $4 sender, $5 q, $6 from, $7 to, $8 cursor, $9 limit. */
static const struct fynq_stmt get_history_page = { "get_history_page", FYNQ_AS_USER,
	FYNQ_REPEATABLE,
	"with found as ("
	"  select * from messages"
	"  where user_id = $1::uuid and id < coalesce($8::text, " LAST_ID ")::uuid"
	"    and ($2::uuid is null or chat_id = $2::uuid)"
	"    and ($3::text is null or type = $3::text)"
	"    and ($4::text is null or sender = $4::text)"
	"    and ($5::text is null or strpos(lower(content), lower($5::text)) > 0)"
	"    and ($6::timestamptz is null or created_at >= $6::timestamptz)"
	"    and ($7::timestamptz is null or created_at < $7::timestamptz)"
	"  order by id desc limit $9::int + 1"
	"), m as (select *, row_number() over (order by id desc) as n from found)"
	" select coalesce(json_agg(" FYNQ_MESSAGE_JSON " order by m.id desc)"
	"    filter (where m.n <= $9::int), '[]'),"
	"  case when count(*) > $9::int then min(m.id::text collate \"C\") filter (where m.n <= "
	"$9::int) end"
	" from m" };

static enum fynq_err
get_history(struct fynq_req *rq, const void *arg)
{
	const struct history_in *in = arg;

	if (rq->caller.role != FYNQ_ADMIN &&
	    !fynq_str_eq(rq->caller.id, fynq_uuid_str(&in->user_id)))
		return fynq_fail(rq, FYNQ_E_NOT_FOUND, NULL);
	return fynq_page_reply(rq, &get_history_page,
	    FYNQ_ARGS(fynq_uuid_str(&in->user_id), fynq_uuid_str(&in->chat_id), in->type,
		in->sender, in->q, in->from.text, in->to.text),
	    &in->cursor, in->limit);
}

/* $1 chat, $2 cursor, $3 limit. */
static const struct fynq_stmt get_turns_page = {
	"get_turns_page", FYNQ_AS_USER, FYNQ_REPEATABLE,
	"with found as ("
	"  select * from messages"
	"  where chat_id = $1::uuid and user_id = (select auth.uid())"
	"    and id < coalesce($2::text, " LAST_ID ")::uuid"
	"  order by id desc limit $3::int + 1"
	"), m as (select *, row_number() over (order by id desc) as n from found)"
	" select coalesce(json_agg(" FYNQ_MESSAGE_JSON " order by m.id desc)"
	"    filter (where m.n <= $3::int), '[]'),"
	"  case when count(*) > $3::int then min(m.id::text collate \"C\") filter (where m.n <= "
	"$3::int) end"
	" from m"
	" having exists (select from chats where id = $1::uuid and user_id = (select auth.uid()))"
};

static enum fynq_err
get_turns(struct fynq_req *rq, const void *arg)
{
	const struct turns_in *in = arg;

	return fynq_page_reply(
	    rq, &get_turns_page, FYNQ_ARGS(fynq_uuid_str(&in->id)), &in->cursor, in->limit);
}

/* $1 archived, $2 q, $3 cursor as time/id, $4 limit. */
static const struct fynq_stmt get_chats_page = { "get_chats_page", FYNQ_AS_USER, FYNQ_REPEATABLE,
	"with found as ("
	"  select * from chats"
	"  where user_id = (select auth.uid()) and archived = $1::boolean"
	"    and (updated_at, id) < (coalesce(split_part($3::text, '/', 1), "
	"'infinity')::timestamptz,"
	"      coalesce(split_part($3::text, '/', 2), " LAST_ID ")::uuid)"
	"    and ($2::text is null or strpos(lower(title), lower($2::text)) > 0)"
	"  order by updated_at desc, id desc limit $4::int + 1"
	"), c as (select *, row_number() over (order by updated_at desc, id desc) as n from found)"
	" select coalesce(json_agg(" CHAT_JSON
	" order by c.n) filter (where c.n <= $4::int), '[]'),"
	"  case when count(*) > $4::int then"
	"    (array_agg(" FYNQ_SQL_TIME(
	    "c.updated_at") " || '/' || c.id order by c.n))[$4::int] end"
			    " from c" };

static enum fynq_err
get_chats(struct fynq_req *rq, const void *arg)
{
	const struct list_in *in = arg;

	return fynq_page_reply(rq, &get_chats_page,
	    FYNQ_ARGS(in->archived ? FYNQ_STR("t") : FYNQ_STR("f"), in->q), &in->cursor, in->limit);
}

/* $1 id, $2 title. */
static const struct fynq_stmt add_chat = { "add_chat", FYNQ_AS_USER, FYNQ_ONCE,
	"insert into chats as c (id, user_id, title) values ($1::uuid, auth.uid(), $2::text)"
	" returning " CHAT_JSON ", fynq.etag(c.updated_at)" };

static enum fynq_err
post_chat(struct fynq_req *rq, const void *arg)
{
	const struct new_in *in = arg;
	struct fynq_uuid id = fynq_uuid_new();

	fynq_reply_header(
	    rq, "Location", fynq_arena_printf(rq->arena, "/api/v1/chats/%s", id.text));
	return fynq_db_reply(rq, 201, &add_chat, FYNQ_ARGS(fynq_uuid_str(&id), in->title));
}

/* $1 id. */
static const struct fynq_stmt get_chat_row = { "get_chat_row", FYNQ_AS_USER, FYNQ_REPEATABLE,
	"select " CHAT_JSON ", fynq.etag(c.updated_at) from chats c"
	" where c.id = $1::uuid and c.user_id = auth.uid()" };

static enum fynq_err
get_chat(struct fynq_req *rq, const void *arg)
{
	const struct chat_in *in = arg;

	return fynq_db_reply(rq, 200, &get_chat_row, FYNQ_ARGS(fynq_uuid_str(&in->id)));
}

/* $1 id, $2 the body, $3 the tag that must match. The new row, or none, then the old tag. */
static const struct fynq_stmt change_chat = { "change_chat", FYNQ_AS_USER, FYNQ_ONCE,
	"with old as ("
	"  select id, updated_at from chats where id = $1::uuid and user_id = auth.uid() for update"
	"), c as ("
	"  update chats set"
	"    title = case when $2::jsonb ? 'title' then $2::jsonb->>'title' else title end,"
	"    archived = coalesce(($2::jsonb->>'archived')::boolean, archived)"
	"  from old where chats.id = old.id"
	"    and ($3::text is null or $3::text = fynq.etag(old.updated_at))"
	"  returning chats.*"
	") select " CHAT_JSON ", fynq.etag(c.updated_at), c.id is not null"
	" from old left join c on c.id = old.id" };

static enum fynq_err
patch_chat(struct fynq_req *rq, const void *arg)
{
	const struct patch_in *in = arg;
	struct fynq_rows rows;

	FYNQ_TRY(fynq_db_run(rq, &change_chat,
	    FYNQ_ARGS(fynq_uuid_str(&in->id), rq->body, fynq_req_if_match(rq)), &rows));
	if (rows.n == 0)
		return fynq_fail(rq, FYNQ_E_NOT_FOUND, NULL);
	if (fynq_str_eq(fynq_rows_str(&rows, 0, 2), FYNQ_STR("f")))
		return fynq_fail(rq, FYNQ_E_PRECONDITION_FAILED, NULL);
	fynq_reply_etag(rq, fynq_rows_str(&rows, 0, 1));
	return fynq_reply_json(rq, 200, fynq_rows_str(&rows, 0, 0));
}

/* $1 id. */
static const struct fynq_stmt drop_chat = { "drop_chat", FYNQ_AS_USER, FYNQ_ONCE,
	"delete from chats where id = $1::uuid and user_id = auth.uid() returning id" };

static enum fynq_err
delete_chat(struct fynq_req *rq, const void *arg)
{
	const struct chat_in *in = arg;
	struct fynq_rows rows;

	FYNQ_TRY(fynq_db_run(rq, &drop_chat, FYNQ_ARGS(fynq_uuid_str(&in->id)), &rows));
	return rows.n > 0 ? fynq_reply_empty(rq, 204) : fynq_fail(rq, FYNQ_E_NOT_FOUND, NULL);
}
