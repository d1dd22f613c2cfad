/*
 * What is known of a file, and its bytes.
 */
#include <string.h>

#include "files.h"
#include "http/attachment.h"
#include "http/range.h"
#include "storage/store.h"

/* A longer body is not kept by the server in front until its reader has it, in bytes. */
enum { LONG_BODY = 100000000 };

/* A file never changes, so its hash is the tag of both. */
static const struct fynq_stmt find_file = { "get_file", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select " FILE_JSON ", f.sha256" FILE_SEEN };

static const struct fynq_stmt find_content = { "get_file_content", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select " FILE_ROW FILE_SEEN };

enum fynq_err
get_file(struct fynq_req *rq, const void *in_)
{
	const struct file_in *in = in_;

	return fynq_db_reply(rq, 200, &find_file, FYNQ_ARGS(FILE_FOR(rq, in->id)));
}

enum fynq_err
read_file_row(struct fynq_req *rq, const struct fynq_rows *rows, const struct fynq_uuid *id,
    struct file_row *f_r)
{
	if (rows->n == 0 || !fynq_str_int(fynq_rows_str(rows, 0, FILE_BYTES), &f_r->bytes))
		return fynq_fail(rq, FYNQ_E_NOT_FOUND, NULL);
	f_r->key = fynq_store_key(rq, fynq_rows_str(rows, 0, FILE_USER), id);
	f_r->name = fynq_rows_str(rows, 0, FILE_NAME);
	f_r->media_type = fynq_rows_str(rows, 0, FILE_TYPE);
	f_r->sha256 = fynq_rows_str(rows, 0, FILE_SHA256);
	return FYNQ_OK;
}

/* What a browser may show in its place. */
static bool
is_shown(struct fynq_str type)
{
	static const char *const types[] = { "image/jpeg", "image/png", "image/webp", "image/gif" };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (fynq_str_eq(type, fynq_str_of(types[i])))
			return true;
	return false;
}

/* Whatever has come into the table that should not be there is told to be bytes. */
static const char *
media_type(struct fynq_req *rq, struct fynq_str type)
{
	return fynq_type_extension(type)[0] != '\0' ? fynq_arena_strdup(rq->arena, type)
						    : "application/octet-stream";
}

struct fynq_str
file_name(struct fynq_req *rq, const struct file_row *f)
{
	return fynq_type_name(rq, f->media_type, f->name.n > 0 ? f->name : FYNQ_STR("file"));
}

/* No sniffing, no script, no plugin and no page, should a browser open it as one. */
static void
add_headers(struct fynq_req *rq, const struct file_row *f, struct fynq_str cache)
{
	fynq_reply_header(rq, "Cache-Control", cache);
	fynq_reply_header(rq, "Content-Security-Policy", FYNQ_STR("default-src 'none'; sandbox"));
	fynq_reply_filename(rq, file_name(rq, f), is_shown(f->media_type));
}

/* What the store sends of an object. */
struct part {
	struct fynq_str key;
	struct fynq_range range;
};

static bool
take(void *arg, struct fynq_str bytes)
{
	return fynq_reply_piece(arg, bytes);
}

static enum fynq_err
write_part(struct fynq_req *rq, void *arg)
{
	const struct part *p = arg;

	if (p->range.n == 0)
		return FYNQ_OK;
	return fynq_store()->fetch(rq, p->key, p->range.from, p->range.n, take, rq);
}

static enum fynq_err
send_part(struct fynq_req *rq, const struct file_row *f, struct fynq_range range)
{
	struct part *p = fynq_arena_alloc(rq->arena, sizeof(*p));

	*p = (struct part){ f->key, range };
	fynq_reply_range(rq, &range, f->bytes);
	if (range.n >= LONG_BODY)
		fynq_reply_header(rq, "X-Accel-Buffering", FYNQ_STR("no"));
	return fynq_reply_written(
	    rq, range.part ? 206 : 200, media_type(rq, f->media_type), range.n, write_part, p);
}

/*
 * Nginx knows our tag only when it is too late for If-Match, and would hold If-Unmodified-Since
 * against the date of its file, though to clients there is none (RFC 9110 section 13.1.4).
 */
static bool
may_redirect(struct fynq_req *rq)
{
	return fynq_req_param(rq, "FYNQ_ACCEL").n > 0 && fynq_store()->path != NULL &&
	       fynq_req_if_match(rq).p == NULL &&
	       fynq_req_param(rq, "HTTP_IF_UNMODIFIED_SINCE").n == 0;
}

/*
 * Have the server in front send it: from where it takes the request's range, or, where that is not
 * to be heeded, from where it takes none (nginx/site.sh).
 */
static enum fynq_err
redirect(struct fynq_req *rq, const struct file_row *f, struct fynq_range range)
{
	bool whole = !range.part && fynq_req_param(rq, "HTTP_RANGE").n > 0;
	struct fynq_str prefix = fynq_req_param(rq, "FYNQ_ACCEL"), path;

	FYNQ_TRY(fynq_store()->path(rq, f->key, &path));
	if (whole)
		fynq_reply_range(rq, &range, f->bytes);
	fynq_reply_header(rq, "X-Accel-Redirect",
	    fynq_arena_printf(rq->arena, "%.*s%s/%.*s", FYNQ_STR_ARG(prefix),
		whole ? "whole" : "part", FYNQ_STR_ARG(path)));
	return fynq_reply_body(rq, 200, media_type(rq, f->media_type), (struct fynq_str){ 0 });
}

/*
 * In the order of RFC 9110 section 13.2.2. What is said of the bytes is not said of a failure, so
 * an object that another is to send is looked for first.
 */
enum fynq_err
send_file(struct fynq_req *rq, const struct file_row *f, struct fynq_str cache)
{
	struct fynq_str match = fynq_req_if_match(rq);
	struct fynq_range range;
	int64_t bytes;

	if (may_redirect(rq))
		FYNQ_TRY(fynq_store()->size(rq, f->key, &bytes));
	if (match.p != NULL && !fynq_str_eq(match, f->sha256))
		return fynq_fail(rq, FYNQ_E_PRECONDITION_FAILED, NULL);
	fynq_reply_etag(rq, f->sha256);
	if (rq->reply.status == 304) {
		fynq_reply_header(rq, "Cache-Control", cache);
		return FYNQ_OK;
	}
	FYNQ_TRY(fynq_range_of(rq, f->sha256, f->bytes, &range));
	add_headers(rq, f, cache);
	return may_redirect(rq) ? redirect(rq, f, range) : send_part(rq, f, range);
}

/* A client may keep it, but nobody between. */
enum fynq_err
get_content(struct fynq_req *rq, const void *in_)
{
	const struct file_in *in = in_;
	struct fynq_rows rows;
	struct file_row f;

	FYNQ_TRY(fynq_db_run(rq, &find_content, FYNQ_ARGS(FILE_FOR(rq, in->id)), &rows));
	FYNQ_TRY(read_file_row(rq, &rows, &in->id, &f));
	return send_file(rq, &f, FYNQ_STR("private, max-age=31536000, immutable"));
}
