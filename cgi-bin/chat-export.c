/*
 * A chat as a file. PostgreSQL makes it whole in memory, so a chat has a size past which there is
 * none.
 */
#include "chat-fields.h"
#include "chat.h"

/* Of the chat's messages, on all branches, and of their texts together. */
#define EXPORT_MESSAGES_MAX "10000"
#define EXPORT_BYTES_MAX    "16777216"

/* The file, or null where the chat is too large; its title. $1 is the chat. */
#define EXPORT(ctes, file)                                                            \
	"with recursive c as ("                                                       \
	"  select * from chats where id = $1::uuid and user_id = (select auth.uid())" \
	"), size as ("                                                                \
	"  select count(*) as n, coalesce(sum(octet_length(content)), 0) as bytes"    \
	"  from messages where chat_id = (select id from c)"                          \
	")" ctes " select case when size.n <= " EXPORT_MESSAGES_MAX                   \
	"    and size.bytes <= " EXPORT_BYTES_MAX " then " file " end, c.title from c, size"

#define EXPORTED FYNQ_SQL_TIME("now()")

/* $1 chat. */
static const struct fynq_stmt export_json = { "export_json", FYNQ_AS_USER, FYNQ_REPEATABLE,
	EXPORT("",
	    "json_build_object('format_version', 1, 'exported_at', " EXPORTED ","
	    "  'chat', " CHAT_JSON ", 'messages', (select coalesce(json_agg(" FYNQ_MESSAGE_JSON
	    "    order by m.id), '[]') from messages m where m.chat_id = c.id))") };

/*
 * In Markdown a message is a heading and a quotation, which nothing in it can leave: each of its
 * lines, whatever ends it, begins with "> ". The tutor's text is Markdown; a student's is not,
 * and is kept from being HTML. A title's marks are escaped. A picture is a link only where its
 * address can be nothing else.
 */
#define SPELT " at time zone 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC'"
#define TITLE                                                                      \
	"regexp_replace(regexp_replace(btrim(coalesce(c.title, 'Untitled chat'))," \
	" '\\s+', ' ', 'g'), '([][\\\\`*_{}()<>#!|~&+-])', '\\\\\\1', 'g')"
#define HEADING                                                                 \
	"'## ' || case m.sender when 'student' then 'Student' else 'Tutor' end" \
	" || ', ' || to_char(m.created_at" SPELT                                \
	" || case m.status when 'complete' then '' else ', ' || m.status end"
#define PICTURE                                                              \
	"case when m.type <> 'image' then ''"                                \
	" when m.image_url ~ '^(https?:/)?/[A-Za-z0-9._~:/?#@!$&*+,;=%-]+$'" \
	" then E'\\n\\n[Picture](' || m.image_url || ')' else E'\\n\\nPicture' end"
#define WORDS                               \
	"case m.sender when 'student' then" \
	" replace(replace(m.content, '&', '&amp;'), '<', '&lt;') else m.content end"
#define QUOTATION                               \
	"case when m.content = '' then '' else" \
	" E'\\n\\n> ' || regexp_replace(" WORDS ", '\\r\\n?|\\n', E'\\n> ', 'g') end"

/*
 * The way back is as long as the chat has messages at most, and a message is on it once, also where
 * parents go in a circle. The limit keeps the lookup of each step in the index. $1 chat.
 */
static const struct fynq_stmt export_markdown = { "export_markdown", FYNQ_AS_USER, FYNQ_REPEATABLE,
	EXPORT(", path as ("
	       "  select leaf_id as id, 1 as back from c where leaf_id is not null"
	       "  union all"
	       "  select m.parent_id, p.back + 1 from path p cross join lateral ("
	       "    select parent_id from messages where id = p.id limit 1) m"
	       "  where m.parent_id is not null and p.back < (select n from size)"
	       "), branch as (select id, min(back) as back from path group by id)",
	    "'# ' || " TITLE " || E'\\n\\nExported on ' || to_char(now()" SPELT " || E'.\\n'"
	    " || coalesce("
	    "(select string_agg(E'\\n' || " HEADING " || " PICTURE " || " QUOTATION " || E'\\n', ''"
	    "  order by b.back desc) from branch b join messages m on m.id = b.id), '')") };

enum fynq_err
export_chat(struct fynq_req *rq, const void *arg)
{
	static const struct form {
		const struct fynq_stmt *stmt;
		const char *media_type, *extension;
	} json = { &export_json, "application/json", "json" },
	  markdown = { &export_markdown, "text/markdown; charset=utf-8", "md" };
	const struct export_in *in = arg;
	const struct form *form = fynq_str_eq(in->format, FYNQ_STR("markdown")) ? &markdown : &json;
	struct fynq_str file, title;
	struct fynq_rows rows;

	FYNQ_TRY(fynq_db_run(rq, form->stmt, FYNQ_ARGS(fynq_uuid_str(&in->id)), &rows));
	if (rows.n == 0)
		return fynq_fail(rq, FYNQ_E_NOT_FOUND, NULL);
	file = fynq_rows_str(&rows, 0, 0);
	title = fynq_rows_str(&rows, 0, 1);
	if (file.p == NULL)
		return fynq_fail(rq, FYNQ_E_CHAT_TOO_LARGE,
		    "It has more than " EXPORT_MESSAGES_MAX
		    " messages, or more than " EXPORT_BYTES_MAX " bytes of text.");
	fynq_reply_attachment(rq, title.n > 0 ? title : FYNQ_STR("chat"), form->extension);
	return fynq_reply_body(rq, 200, form->media_type, file);
}
