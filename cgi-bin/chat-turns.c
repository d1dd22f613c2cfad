/*
 * What was said: across chats, in a chat, on one branch of it.
 */
#include "chat-fields.h"
#include "chat.h"

/* $1 user, $2 chat, $3 type, $4 sender, $5 q, $6 from, $7 to, $8 cursor, $9 limit. */
static const struct fynq_stmt get_history_page = { "get_history_page", FYNQ_AS_USER,
	FYNQ_REPEATABLE,
	"with found as ("
	"  select * from messages"
	"  where user_id = $1::uuid and id < (select coalesce($8::text, " LAST_ID ")::uuid)"
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

enum fynq_err
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

/*
 * Each message of m, with its place among the messages that have its parent. Those without a parent
 * are found through their chat. $1 chat.
 */
#define SIBLINGS                                                                     \
	"siblings as materialized (select * from ("                                  \
	"  select id, row_number() over (partition by parent_id order by id) as at," \
	"    count(*) over (partition by parent_id) as n"                            \
	"  from messages where parent_id in (select parent_id from m)"               \
	"  union all"                                                                \
	"  select id, row_number() over (order by id), count(*) over ()"             \
	"  from messages where chat_id = $1::uuid and parent_id is null"             \
	"    and exists (select from m where parent_id is null)"                     \
	") families where id in (select id from m))"
#define TURN_JSON                        \
	"(" FYNQ_MESSAGE_JSON ")::jsonb" \
	" || jsonb_build_object('siblings', jsonb_build_object('index', s.at, 'count', s.n))"

/* $1 chat, $2 cursor, $3 limit. */
static const struct fynq_stmt get_turns_page = {
	"get_turns_page", FYNQ_AS_USER, FYNQ_REPEATABLE,
	"with found as ("
	"  select * from messages"
	"  where chat_id = $1::uuid and user_id = (select auth.uid())"
	"    and id < (select coalesce($2::text, " LAST_ID ")::uuid)"
	"  order by id desc limit $3::int + 1"
	"), m as ("
	"  select *, row_number() over (order by id desc) as n from found"
	"), " SIBLINGS " select coalesce(json_agg(" TURN_JSON " order by m.n)"
	"    filter (where m.n <= $3::int), '[]'),"
	"  case when count(*) > $3::int then"
	"    max(m.id::text) filter (where m.n = $3::int) end"
	" from m join siblings s on s.id = m.id"
	" having exists (select from chats where id = $1::uuid and user_id = (select auth.uid()))"
};

/*
 * From where the page begins to the root; no row where that is no message of the chat. The cursor
 * is the parent of the page's last.
 * $1 chat, $2 leaf, $3 cursor, $4 limit.
 */
static const struct fynq_stmt get_branch_page = { "get_branch_page", FYNQ_AS_USER, FYNQ_REPEATABLE,
	"with recursive m as ("
	"  select messages.*, 1 as n from messages"
	"  where chat_id = $1::uuid and user_id = (select auth.uid())"
	"    and id = (select coalesce($3::text, $2::text)::uuid)"
	"  union all"
	"  select p.*, m.n + 1 from m join messages p on p.id = m.parent_id where m.n < $4::int"
	"), " SIBLINGS " select json_agg(" TURN_JSON " order by m.n),"
	"  max(m.parent_id::text) filter (where m.n = $4::int)"
	" from m join siblings s on s.id = m.id"
	" having count(*) > 0" };

enum fynq_err
get_turns(struct fynq_req *rq, const void *arg)
{
	const struct turns_in *in = arg;
	struct fynq_str id = fynq_uuid_str(&in->id), leaf = fynq_uuid_str(&in->leaf_id);

	if (leaf.n > 0)
		return fynq_page_reply(
		    rq, &get_branch_page, FYNQ_ARGS(id, leaf), &in->cursor, in->limit);
	return fynq_page_reply(rq, &get_turns_page, FYNQ_ARGS(id), &in->cursor, in->limit);
}
