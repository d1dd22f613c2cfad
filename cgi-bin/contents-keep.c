/*
 * One content: read it, add it, change it, delete it.
 */
#include <string.h>

#include "contents.h"
#include "identity/redirect.h"

#define CONTENT_JSON "json_build_object(" CONTENT_MEMBERS ", 'body', c.body)"

/* Row security says who sees it. $1 id. */
static const struct fynq_stmt find_content = { "find_content", FYNQ_AS_USER, FYNQ_REPEATABLE,
	"select " CONTENT_JSON ", fynq.etag(c.updated_at)"
	" from public.contents c where c.id = $1::uuid" };

enum fynq_err
get_content(struct fynq_req *rq, const void *in_)
{
	const struct content_in *in = in_;

	return fynq_db_reply(rq, 200, &find_content, FYNQ_ARGS(fynq_uuid_str(&in->id)));
}

/* Is the host one of the settings'? To the byte: no name below one is meant. */
static bool
host_allowed(struct fynq_str host)
{
	struct fynq_str one, rest = fynq_str_of(fynq_config.video_hosts);

	while (rest.n > 0) {
		fynq_str_cut(rest, ',', &one, &rest);
		if (fynq_str_eq(fynq_str_trim(one), host))
			return true;
	}
	return false;
}

/* https, without a port: what follows the host is the path, the query or nothing. */
static bool
url_allowed(struct fynq_str text)
{
	const size_t scheme = strlen("https://");
	struct fynq_url url;

	if (!fynq_url_parse(text, &url) || !url.https || !host_allowed(url.host))
		return false;
	return text.n == scheme + url.host.n || text.p[scheme + url.host.n] != ':';
}

/* The members that a type wants, or may not have; those that a change leaves out are there. */
static void
check_members(struct fynq_req *rq, struct fynq_str type, const struct write_in *in, bool fresh)
{
	bool text = fynq_str_eq(type, FYNQ_STR("text")), pdf = fynq_str_eq(type, FYNQ_STR("pdf"));
	bool file = in->file_id.text[0] != '\0', url = in->url.n > 0, body = in->body.n > 0;

	if (body && !text)
		fynq_fault(rq, FYNQ_STR("body"), "value", "Only a text has one.");
	if (file && text)
		fynq_fault(rq, FYNQ_STR("file_id"), "value", "A text has none.");
	if (url && (text || pdf))
		fynq_fault(rq, FYNQ_STR("url"), "value", "Only a video has one.");
	if (file && url && !text && !pdf)
		fynq_fault(rq, FYNQ_STR("url"), "value", "A video is a file or a link, not both.");
	if (fresh && text && !body)
		fynq_fault(rq, FYNQ_STR("body"), "missing", "A text needs one.");
	if (fresh && pdf && !file)
		fynq_fault(rq, FYNQ_STR("file_id"), "missing", "A pdf needs one.");
	if (fresh && !text && !pdf && !file && !url)
		fynq_fault(rq, FYNQ_STR("url"), "missing", "A video needs one, or a file_id.");
	if (in->title.n > 0 && fynq_str_trim(in->title).n == 0)
		fynq_fault(rq, FYNQ_STR("title"), "value", "It shows nothing.");
	if (url && !url_allowed(in->url))
		fynq_fault(rq, FYNQ_STR("url"), "value",
		    "It is no https link to a host that videos may come from.");
}

/*
 * Whether the author has such a file for a content of this type. A file never changes, and that it
 * is there and the author's when the content refers to it, a foreign key sees to. $1 id, $2 author,
 * $3 type.
 */
static const struct fynq_stmt file_fits = { "file_fits", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select from public.files f"
	" where f.id = $1::uuid and f.user_id = $2::uuid and f.purpose = 'content'"
	"  and f.media_type = any (case $3::text when 'pdf' then array['application/pdf']"
	"   else array['video/mp4', 'video/webm'] end)" };

static enum fynq_err
check_written(struct fynq_req *rq, struct fynq_str type, struct fynq_str author,
    const struct write_in *in, bool fresh)
{
	struct fynq_rows rows;

	check_members(rq, type, in, fresh);
	if (rq->problem.n_faults == 0 && in->file_id.text[0] != '\0') {
		FYNQ_TRY(fynq_db_run(
		    rq, &file_fits, FYNQ_ARGS(fynq_uuid_str(&in->file_id), author, type), &rows));
		if (rows.n == 0)
			fynq_fault(rq, FYNQ_STR("file_id"), "value",
			    "The author has no such file for this type and the purpose content.");
	}
	return rq->problem.n_faults > 0 ? FYNQ_E_INVALID : FYNQ_OK;
}

#define TAGS_OF(array) "array(select t from jsonb_array_elements_text(" array ") t)"
#define TAGS	       TAGS_OF("coalesce($9::jsonb, '[]')")
#define GIVEN_TAGS     TAGS_OF("g -> 'tags'")

/*
 * Nothing where an Idempotency-Key was claimed before. What a day has room for is counted where the
 * row is added, so that a refusal takes the claim back, too. $1 id, $2 to $10 its members, $11 the
 * contents of a day.
 */
static const struct fynq_stmt add_content = { "add_content", FYNQ_AS_USER, FYNQ_ONCE,
	"insert into public.contents as c (id, author_id, type, title, description, body, file_id,"
	"  url, language, tags, published)"
	" select $1::uuid, auth.uid(), $2::text, $3::text, $4::text, $5::text, $6::uuid, $7::text,"
	"  coalesce($8::text, 'und'), " TAGS ", $10::boolean"
	" where current_setting('fynq.go', true) is distinct from 'f'"
	"  and set_config('fynq.contents_day', $11::text, true) is not null"
	" returning " CONTENT_JSON ", fynq.etag(c.updated_at)" };
enum { ADD_ARGS = 11 };

static enum fynq_err
reply_added(struct fynq_req *rq, const struct fynq_uuid *id, const struct fynq_rows *rows)
{
	fynq_reply_header(
	    rq, "Location", fynq_arena_printf(rq->arena, "/api/v1/contents/%s", id->text));
	fynq_reply_etag(rq, fynq_rows_str(rows, 0, 1));
	return fynq_reply_json(rq, 201, fynq_rows_str(rows, 0, 0));
}

/* The content that an earlier request with the same key added, as it is now. */
static enum fynq_err
replay_content(struct fynq_req *rq, const struct fynq_uuid *id)
{
	struct fynq_rows rows;

	FYNQ_TRY(fynq_db_run(rq, &find_content, FYNQ_ARGS(fynq_uuid_str(id)), &rows));
	if (rows.n == 0)
		return fynq_fail(rq, FYNQ_E_NOT_FOUND, "The content was deleted meanwhile.");
	fynq_claim_replayed(rq);
	return reply_added(rq, id, &rows);
}

static enum fynq_err
refuse_more(struct fynq_req *rq)
{
	rq->problem.retry_after = fynq_clock_day_left();
	return fynq_fail(rq, FYNQ_E_RATE_LIMITED, "There is a limit of %lld contents a day (UTC).",
	    (long long)fynq_config.contents_day);
}

/* What waits to be read is read also if nobody is woken, a little later. */
enum fynq_err
post_content(struct fynq_req *rq, const void *in_)
{
	const struct write_in *in = in_;
	struct fynq_uuid id = fynq_uuid_new();
	const struct fynq_str args[ADD_ARGS] = { fynq_uuid_str(&id), in->type, in->title,
		in->description, in->body, fynq_uuid_str(&in->file_id), in->url, in->language,
		in->tags.text, fynq_arg_bool(in->published),
		fynq_arg_int(rq, fynq_config.contents_day) };
	struct fynq_earlier earlier;
	struct fynq_rows rows;
	enum fynq_err e;

	FYNQ_TRY(check_written(rq, in->type, rq->caller.id, in, true));
	e = fynq_claim_make(rq, &id, &add_content, args, ADD_ARGS, &earlier, &rows);
	if (e == FYNQ_E_RATE_LIMITED)
		return refuse_more(rq);
	FYNQ_TRY(e);
	if (earlier.chat.text[0] != '\0')
		return replay_content(rq, &earlier.chat);
	fynq_reading_wake();
	return reply_added(rq, &id, &rows);
}

/* Of a content c, and a teacher or an admin: as the policies have it. */
#define MAY_WRITE "c.author_id = auth.uid() or fynq.app_role() = 'admin'"

/* What says whether a change may be, of a content that the caller sees. $1 id. */
static const struct fynq_stmt find_kept = { "find_kept", FYNQ_AS_USER, FYNQ_REPEATABLE,
	"select c.type, c.author_id, " MAY_WRITE " from public.contents c where c.id = $1::uuid" };
enum { TYPE, AUTHOR, MAY };

/*
 * A video that becomes a file is a link no more, and the other way round. Row security lets the
 * author change it, and an admin. $1 id, $2 the body, $3 the tag of If-Match.
 */
static const struct fynq_stmt change_content = { "change_content", FYNQ_AS_USER, FYNQ_ONCE,
	"with given as materialized (select $2::jsonb as g, $3::text as tag)"
	" update public.contents c set"
	"  title = coalesce(g ->> 'title', c.title),"
	"  description = case when g ? 'description' then g ->> 'description'"
	"   else c.description end,"
	"  body = coalesce(g ->> 'body', c.body),"
	"  file_id = case when g ? 'url' then null"
	"   else coalesce((g ->> 'file_id')::uuid, c.file_id) end,"
	"  url = case when g ? 'file_id' then null else coalesce(g ->> 'url', c.url) end,"
	"  language = coalesce(g ->> 'language', c.language),"
	"  tags = case when g ? 'tags' then " GIVEN_TAGS " else c.tags end,"
	"  published = coalesce((g ->> 'published')::boolean, c.published)"
	" from given where c.id = $1::uuid and (tag is null or tag = fynq.etag(c.updated_at))"
	" returning " CONTENT_JSON ", fynq.etag(c.updated_at)" };

enum fynq_err
patch_content(struct fynq_req *rq, const void *in_)
{
	const struct write_in *in = in_;
	struct fynq_str id = fynq_uuid_str(&in->id);
	struct fynq_str body = rq->body.n > 0 ? rq->body : FYNQ_STR("{}");
	struct fynq_str tag = fynq_req_if_match(rq);
	struct fynq_rows rows;

	FYNQ_TRY(fynq_db_run(rq, &find_kept, FYNQ_ARGS(id), &rows));
	if (rows.n == 0)
		return fynq_fail(rq, FYNQ_E_NOT_FOUND, NULL);
	if (!fynq_rows_true(&rows, 0, MAY))
		return fynq_fail(rq, FYNQ_E_FORBIDDEN, "Its author may change it.");
	FYNQ_TRY(check_written(
	    rq, fynq_rows_str(&rows, 0, TYPE), fynq_rows_str(&rows, 0, AUTHOR), in, false));
	FYNQ_TRY(fynq_db_run(rq, &change_content, FYNQ_ARGS(id, body, tag), &rows));
	/* Where no state was asked for, somebody has deleted it since it was looked at. */
	if (rows.n == 0)
		return fynq_fail(
		    rq, tag.p != NULL ? FYNQ_E_PRECONDITION_FAILED : FYNQ_E_NOT_FOUND, NULL);
	fynq_reading_wake();
	fynq_reply_etag(rq, fynq_rows_str(&rows, 0, 1));
	return fynq_reply_json(rq, 200, fynq_rows_str(&rows, 0, 0));
}

/* Whether it went, and may; no row where the caller sees none. $1 id. */
static const struct fynq_stmt drop_content = { "drop_content", FYNQ_AS_USER, FYNQ_ONCE,
	"with gone as (delete from public.contents c where c.id = $1::uuid returning c.id)"
	" select exists (select from gone), " MAY_WRITE
	" from public.contents c where c.id = $1::uuid" };

enum fynq_err
delete_content(struct fynq_req *rq, const void *in_)
{
	const struct content_in *in = in_;
	struct fynq_rows rows;

	FYNQ_TRY(fynq_db_run(rq, &drop_content, FYNQ_ARGS(fynq_uuid_str(&in->id)), &rows));
	if (rows.n == 0)
		return fynq_fail(rq, FYNQ_E_NOT_FOUND, NULL);
	if (fynq_rows_true(&rows, 0, 0))
		return fynq_reply_empty(rq, 204);
	/* One who may delete it, and did not, waited for another who did. */
	return fynq_rows_true(&rows, 0, 1)
		   ? fynq_fail(rq, FYNQ_E_NOT_FOUND, NULL)
		   : fynq_fail(rq, FYNQ_E_FORBIDDEN, "Its author may delete it.");
}
