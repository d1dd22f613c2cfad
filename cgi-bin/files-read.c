/*
 * What is known of a file, and its bytes.
 */
#include <string.h>

#include "files.h"

enum { CONTENT_MAX = 8 << 20 };

/* A file never changes, so its hash is the tag of both. $1 id. */
static const struct fynq_stmt find_file = { "get_file", FYNQ_AS_USER, FYNQ_REPEATABLE,
	"select " FILE_JSON ", f.sha256"
	" from public.files f where f.id = $1::uuid and f.user_id = auth.uid()" };

static const struct fynq_stmt find_content = { "get_file_content", FYNQ_AS_USER, FYNQ_REPEATABLE,
	"select f.user_id, f.name, f.media_type, f.sha256"
	" from public.files f where f.id = $1::uuid and f.user_id = auth.uid()" };
enum { USER_ID, NAME, MEDIA_TYPE, SHA256 };

enum fynq_err
get_file(struct fynq_req *rq, const void *in_)
{
	const struct file_in *in = in_;

	return fynq_db_reply(rq, 200, &find_file, FYNQ_ARGS(fynq_uuid_str(&in->id)));
}

/* inline, with the name in the one form that takes any characters (RFC 8187, RFC 6266). */
static struct fynq_str
disposition(struct fynq_req *rq, struct fynq_str name)
{
	struct fynq_buf out = FYNQ_BUF_INIT(4096);
	struct fynq_str text;

	fynq_buf_add(&out, FYNQ_STR("inline"));
	if (name.n > 0)
		fynq_buf_add(&out, FYNQ_STR("; filename*=UTF-8''"));
	fynq_buf_add_url(&out, name);
	text = fynq_arena_copy(rq->arena, fynq_buf_str(&out));
	fynq_buf_release(&out);
	return text;
}

/*
 * What users sent is shown as what fynq made of it, and as nothing else: no sniffing, no script, no
 * plugin, should a browser open it as a page. A client may keep it, but nobody between.
 */
enum fynq_err
get_content(struct fynq_req *rq, const void *in_)
{
	const struct file_in *in = in_;
	struct fynq_rows rows;
	struct fynq_uuid user;
	struct fynq_str bytes;

	FYNQ_TRY(fynq_db_run(rq, &find_content, FYNQ_ARGS(fynq_uuid_str(&in->id)), &rows));
	if (rows.n == 0 || !fynq_uuid_parse(fynq_rows_str(&rows, 0, USER_ID), &user))
		return fynq_fail(rq, FYNQ_E_NOT_FOUND, NULL);
	fynq_reply_header(rq, "Cache-Control", FYNQ_STR("private, max-age=31536000, immutable"));
	fynq_reply_etag(rq, fynq_rows_str(&rows, 0, SHA256));
	if (rq->reply.status == 304)
		return FYNQ_OK;
	FYNQ_TRY(fynq_file_read(rq, &user, &in->id, CONTENT_MAX, &bytes));
	fynq_reply_header(
	    rq, "Content-Disposition", disposition(rq, fynq_rows_str(&rows, 0, NAME)));
	fynq_reply_header(rq, "Content-Security-Policy", FYNQ_STR("default-src 'none'; sandbox"));
	return fynq_reply_body(
	    rq, 200, fynq_arena_strdup(rq->arena, fynq_rows_str(&rows, 0, MEDIA_TYPE)), bytes);
}
