/*
 * Keeping chats: list, search, open, read, change, delete.
 */
#include "chat-fields.h"
#include "chat.h"

/* $1 archived, $2 cursor as time/id, $3 limit. */
static const struct fynq_stmt get_chats_page = { "get_chats_page", FYNQ_AS_USER, FYNQ_REPEATABLE,
	"with found as ("
	"  select * from chats"
	"  where user_id = (select auth.uid()) and archived = $1::boolean and (updated_at, id) <"
	"    ((select coalesce(split_part($2::text, '/', 1), 'infinity')::timestamptz),"
	"    (select coalesce(split_part($2::text, '/', 2), " LAST_ID ")::uuid))"
	"  order by updated_at desc, id desc limit $3::int + 1"
	"), c as (select *, row_number() over (order by updated_at desc, id desc) as n from found)"
	" select coalesce(json_agg(" CHAT_JSON " order by c.n)"
	"    filter (where c.n <= $3::int), '[]'),"
	"  case when count(*) > $3::int then"
	"    (array_agg(" CHAT_CHANGED " || '/' || c.id order by c.n))[$3::int] end"
	" from c" };

/*
 * What one request of a search reads, in bytes of messages: past that the page is what it has
 * found, with a cursor to go on from. One chat is always read whole.
 */
#define SEARCH_BYTES "16777216"

/* Characters of a snippet, beside the marks that it was cut. The text is in its middle. */
#define SNIPPET "120"
#define SNIPPET_BEGIN                                         \
	"greatest(1, strpos(lower(content), lower($2::text))" \
	"  - greatest(0, (" SNIPPET " - char_length($2::text)) / 2))"
#define SNIPPET_TEXT                                                                      \
	"case when b.at > 1 then '…' else '' end"                                       \
	" || btrim(regexp_replace(substr(content, b.at, " SNIPPET "), '\\s+', ' ', 'g'))" \
	" || case when b.at + " SNIPPET " <= char_length(content) then '…' else '' end"
#define TITLE_HOLDS "coalesce(strpos(lower(c.title), lower($2::text)) > 0, false)"
#define LAST_READ   FYNQ_SQL_TIME("last.updated_at")

/*
 * Chat by chat from the cursor on, each with the newest message that holds the text, until there is
 * one more than a page, or enough was read. uuid has no max() before PostgreSQL 18, hence the text.
 * $1 archived, $2 q, $3 cursor as time/id, $4 limit.
 */
static const struct fynq_stmt find_chats_page = { "find_chats_page", FYNQ_AS_USER, FYNQ_REPEATABLE,
	"with recursive walk as ("
	"  select 0 as step, 0 as found, false as hit, 0::numeric as bytes, null::uuid as newest,"
	"    coalesce(split_part($3::text, '/', 1), 'infinity')::timestamptz as updated_at,"
	"    coalesce(split_part($3::text, '/', 2), " LAST_ID ")::uuid as id"
	"  union all"
	"  select w.step + 1, w.found + h.hit::int, h.hit, w.bytes + m.bytes, m.id,"
	"    c.updated_at, c.id"
	"  from walk w"
	"  cross join lateral ("
	"    select id, title, updated_at from chats"
	"    where user_id = (select auth.uid()) and archived = $1::boolean"
	"      and (updated_at, id) < (w.updated_at, w.id)"
	"    order by updated_at desc, id desc limit 1"
	"  ) c"
	"  cross join lateral ("
	"    select 256 + coalesce(sum(octet_length(content) + 64), 0) as bytes,"
	"      max(id::text collate \"C\") filter ("
	"        where strpos(lower(content), lower($2::text)) > 0)::uuid as id"
	"    from messages where chat_id = c.id and user_id = (select auth.uid())"
	"  ) m"
	"  cross join lateral (select m.id is not null or " TITLE_HOLDS " as hit) h"
	"  where w.found <= $4::int and w.bytes < " SEARCH_BYTES "), c as ("
	"  select chats.*, w.newest, row_number() over (order by w.step) as n"
	"  from walk w join chats on chats.id = w.id where w.hit"
	"), last as ("
	"  select * from walk order by step desc limit 1"
	")"
	" select coalesce(json_agg(json_build_object(" CHAT_MEMBERS ", 'match', s.match)"
	"    order by c.n) filter (where c.n <= $4::int), '[]'),"
	"  case when count(c.id) > $4::int then"
	"      (array_agg(" CHAT_CHANGED " || '/' || c.id order by c.n))[$4::int]"
	"    when last.bytes >= " SEARCH_BYTES " then " LAST_READ " || '/' || last.id end"
	" from last left join c on true left join lateral ("
	"   select json_build_object('message_id', id, 'snippet', " SNIPPET_TEXT ") as match"
	"   from messages cross join lateral (select " SNIPPET_BEGIN " as at) b"
	"   where id = c.newest"
	" ) s on true"
	" group by last.bytes, last.updated_at, last.id" };

enum fynq_err
get_chats(struct fynq_req *rq, const void *arg)
{
	const struct list_in *in = arg;
	struct fynq_str archived = fynq_arg_bool(in->archived);

	if (in->q.n > 0)
		return fynq_page_reply(
		    rq, &find_chats_page, FYNQ_ARGS(archived, in->q), &in->cursor, in->limit);
	return fynq_page_reply(rq, &get_chats_page, FYNQ_ARGS(archived), &in->cursor, in->limit);
}

/* $1 id. */
static const struct fynq_stmt get_chat_row = { "get_chat_row", FYNQ_AS_USER, FYNQ_REPEATABLE,
	"select " CHAT_JSON ", fynq.etag(c.updated_at) from chats c"
	" where c.id = $1::uuid and c.user_id = auth.uid()" };

/* Nothing where an Idempotency-Key was claimed before. $1 id, $2 title. */
static const struct fynq_stmt add_chat = { "add_chat", FYNQ_AS_USER, FYNQ_ONCE,
	"insert into chats as c (id, user_id, title) select $1::uuid, auth.uid(), $2::text"
	" where current_setting('fynq.go', true) is distinct from 'f'"
	" returning " CHAT_JSON ", fynq.etag(c.updated_at)" };

static enum fynq_err
reply_chat(struct fynq_req *rq, const struct fynq_uuid *id, const struct fynq_rows *rows)
{
	fynq_reply_header(
	    rq, "Location", fynq_arena_printf(rq->arena, "/api/v1/chats/%s", id->text));
	fynq_reply_etag(rq, fynq_rows_str(rows, 0, 1));
	return fynq_reply_json(rq, 201, fynq_rows_str(rows, 0, 0));
}

/* The chat that an earlier request with the same key opened, as it is now. */
static enum fynq_err
replay_chat(struct fynq_req *rq, const struct fynq_uuid *id)
{
	struct fynq_rows rows;

	FYNQ_TRY(fynq_db_run(rq, &get_chat_row, FYNQ_ARGS(fynq_uuid_str(id)), &rows));
	if (rows.n == 0)
		return fynq_fail(rq, FYNQ_E_NOT_FOUND, "The chat was deleted meanwhile.");
	fynq_claim_replayed(rq);
	return reply_chat(rq, id, &rows);
}

enum fynq_err
post_chat(struct fynq_req *rq, const void *arg)
{
	const struct new_in *in = arg;
	struct fynq_uuid id = fynq_uuid_new();
	const struct fynq_str args[] = { fynq_uuid_str(&id), in->title };
	struct fynq_earlier earlier;
	struct fynq_rows rows;

	FYNQ_TRY(fynq_claim_make(rq, &id, &add_chat, args, 2, &earlier, &rows));
	if (earlier.chat.text[0] != '\0')
		return replay_chat(rq, &earlier.chat);
	return reply_chat(rq, &id, &rows);
}

enum fynq_err
get_chat(struct fynq_req *rq, const void *arg)
{
	const struct chat_in *in = arg;

	return fynq_db_reply(rq, 200, &get_chat_row, FYNQ_ARGS(fynq_uuid_str(&in->id)));
}

/* Keeps questions, and other changes, out of the chat until the transaction ends. $1 id. */
static const struct fynq_stmt hold_chat = { "hold_chat", FYNQ_AS_USER, FYNQ_ONCE,
	"select id from chats where id = $1::uuid and user_id = auth.uid() for update" };

/*
 * The chosen branch ends where the newest child of the newest child has no child; rows that were
 * seen before end the way down, so that parents in a circle, which only a hand writes, end nowhere.
 * The changed row or none, its tag, and why there is none: "changed", "unknown" leaf, or "busy".
 * $1 id, $2 the body, $3 the tag that must match.
 */
static const struct fynq_stmt change_chat = { "change_chat", FYNQ_AS_USER, FYNQ_ONCE,
	"with recursive old as ("
	"  select c.*, m.status = 'pending' as writing"
	"  from chats c left join messages m on m.id = c.leaf_id"
	"  where c.id = $1::uuid and c.user_id = auth.uid()"
	"), down(id) as ("
	"  select id from messages"
	"  where chat_id = (select id from old) and id = ($2::jsonb->>'leaf_id')::uuid"
	"  union"
	"  select child.id from down cross join lateral ("
	"    select id from messages where parent_id = down.id order by id desc limit 1) child"
	"), leaf as ("
	"  select id from down where not exists (select from messages where parent_id = down.id)"
	"), checked as ("
	"  select old.id, leaf.id as leaf_id, case"
	"    when $3::text <> fynq.etag(old.updated_at) then 'changed'"
	"    when $2::jsonb ? 'leaf_id' and leaf.id is null then 'unknown'"
	"    when writing and leaf.id <> old.leaf_id then 'busy' end as fault"
	"  from old left join leaf on true"
	"), c as ("
	"  update chats set"
	"    title = case when $2::jsonb ? 'title' then $2::jsonb->>'title' else title end,"
	"    archived = coalesce(($2::jsonb->>'archived')::boolean, archived),"
	"    leaf_id = coalesce(checked.leaf_id, chats.leaf_id)"
	"  from checked where chats.id = checked.id and checked.fault is null"
	"  returning chats.*"
	") select " CHAT_JSON ", fynq.etag(c.updated_at), checked.fault"
	" from checked left join c on c.id = checked.id" };

static enum fynq_err
refuse_change(struct fynq_req *rq, struct fynq_str fault)
{
	if (fynq_str_eq(fault, FYNQ_STR("changed")))
		return fynq_fail(rq, FYNQ_E_PRECONDITION_FAILED, NULL);
	if (fynq_str_eq(fault, FYNQ_STR("unknown"))) {
		fynq_fault(rq, FYNQ_STR("leaf_id"), "value", "It is not a message of this chat.");
		return FYNQ_E_INVALID;
	}
	rq->problem.retry_after = 1;
	return fynq_fail(rq, FYNQ_E_CHAT_BUSY, "Its branch can be left when the reply is there.");
}

enum fynq_err
patch_chat(struct fynq_req *rq, const void *arg)
{
	const struct patch_in *in = arg;
	struct fynq_str id = fynq_uuid_str(&in->id), fault;
	struct fynq_rows rows;
	const struct fynq_str change[] = { id, rq->body, fynq_req_if_match(rq) };
	const struct fynq_step steps[] = {
		{ &hold_chat, &id, 1, NULL },
		{ &change_chat, change, 3, &rows },
	};

	FYNQ_TRY(fynq_db_tx(rq, steps, sizeof(steps) / sizeof(steps[0])));
	if (rows.n == 0)
		return fynq_fail(rq, FYNQ_E_NOT_FOUND, NULL);
	if ((fault = fynq_rows_str(&rows, 0, 2)).n > 0)
		return refuse_change(rq, fault);
	fynq_reply_etag(rq, fynq_rows_str(&rows, 0, 1));
	return fynq_reply_json(rq, 200, fynq_rows_str(&rows, 0, 0));
}

/*
 * A question in another chat may be taking a picture of this one just now: it locks the picture's
 * row until its message stands, so whoever holds these locks sees that message in the next
 * statement. $1 id, $2 user.
 */
static const struct fynq_stmt hold_pictures = { "hold_pictures", FYNQ_AS_SERVICE, FYNQ_ONCE,
	"select f.id from files f where f.user_id = $2::uuid and f.id in ("
	"   select m.file_id from messages m where m.chat_id = $1::uuid and m.user_id = $2::uuid)"
	" order by f.id for update" };

/* The pictures that were sent for this chat and that no other shows. $1 id, $2 user. */
static const struct fynq_stmt drop_pictures = { "drop_pictures", FYNQ_AS_SERVICE, FYNQ_ONCE,
	"delete from files f where f.user_id = $2::uuid and f.purpose = 'chat' and f.id in ("
	"   select m.file_id from messages m where m.chat_id = $1::uuid and m.user_id = $2::uuid)"
	" and not exists (select from messages m where m.file_id = f.id and m.chat_id <> $1::uuid)"
	" returning f.id" };

/* $1 id. */
static const struct fynq_stmt drop_chat = { "drop_chat", FYNQ_AS_USER, FYNQ_ONCE,
	"delete from chats where id = $1::uuid and user_id = auth.uid() returning id" };

/* The objects of files whose rows are gone. */
static void
remove_objects(struct fynq_req *rq, const struct fynq_rows *files)
{
	struct fynq_uuid user, *ids;
	size_t n = (size_t)files->n;

	if (n == 0 || !fynq_uuid_parse(rq->caller.id, &user))
		return;
	ids = fynq_arena_alloc(rq->arena, n * sizeof(*ids));
	for (size_t i = 0; i < n; i++)
		(void)fynq_uuid_parse(fynq_rows_str(files, (int)i, 0), &ids[i]);
	fynq_file_remove(rq, &user, ids, n);
}

/*
 * Messages, pictures' rows and chat go in one transaction, the pictures' objects after its COMMIT.
 * A process that dies before the COMMIT, or is told that there was none, has deleted nothing. One
 * that dies after it, or never hears of it, leaves the objects that it has not come to: no row
 * names them, nobody can read them, and they cost room (storage/file.h).
 */
enum fynq_err
delete_chat(struct fynq_req *rq, const void *arg)
{
	const struct chat_in *in = arg;
	const struct fynq_str args[] = { fynq_uuid_str(&in->id), rq->caller.id };
	struct fynq_rows pictures, chats;
	const struct fynq_step steps[] = {
		{ &hold_chat, args, 1, NULL },
		{ &hold_pictures, args, 2, NULL },
		{ &drop_pictures, args, 2, &pictures },
		{ &drop_chat, args, 1, &chats },
	};

	FYNQ_TRY(fynq_db_tx(rq, steps, sizeof(steps) / sizeof(steps[0])));
	if (chats.n == 0)
		return fynq_fail(rq, FYNQ_E_NOT_FOUND, NULL);
	remove_objects(rq, &pictures);
	return fynq_reply_empty(rq, 204);
}
