/*
 * Links that read a file without a token, until they expire.
 */
#include "base/clock.h"
#include "base/config.h"
#include "files.h"
#include "http/attachment.h"
#include "storage/link.h"
#include "storage/store.h"

enum { DAY = 86400 };

/* $4 when the link expires, in seconds since 1970. */
static const struct fynq_stmt find_to_sign = { "sign_file", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select " FILE_ROW ", " FYNQ_SQL_TIME("to_timestamp($4::bigint)") FILE_SEEN };

/* The link is what allows it. $1 id. */
static const struct fynq_stmt find_linked = { "get_linked_file", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select " FILE_ROW " from public.files f where f.id = $1::uuid" };

/* A store that has links of its own gives those: what they read does not go through here. */
static enum fynq_err
make_url(struct fynq_req *rq, const struct sign_in *in, const struct file_row *f, int64_t expires,
    struct fynq_str *url_r)
{
	const struct fynq_store *store = fynq_store();

	if (store->link == NULL)
		return fynq_link_sign(rq, &in->id, expires, url_r);
	return store->link(rq, f->key, fynq_filename(rq, file_name(rq, f)), in->expires_in, url_r);
}

/* A link is a secret: it goes into no cache and no log, nor to PostgreSQL, which may have one. */
static enum fynq_err
reply_link(struct fynq_req *rq, struct fynq_str url, struct fynq_str expires_at)
{
	struct fynq_buf json = FYNQ_BUF_INIT(8192);
	struct fynq_str text;

	fynq_buf_add(&json, FYNQ_STR("{\"url\":"));
	fynq_buf_add_json(&json, url);
	fynq_buf_add(&json, FYNQ_STR(",\"expires_at\":"));
	fynq_buf_add_json(&json, expires_at);
	fynq_buf_add_char(&json, '}');
	text = fynq_arena_copy(rq->arena, fynq_buf_str(&json));
	fynq_buf_release(&json);
	fynq_reply_header(rq, "Cache-Control", FYNQ_STR("no-store"));
	return fynq_reply_json(rq, 200, text);
}

enum fynq_err
post_sign(struct fynq_req *rq, const void *in_)
{
	const struct sign_in *in = in_;
	int64_t expires = fynq_clock_now_us() / 1000000 + in->expires_in;
	struct fynq_str url;
	struct fynq_rows rows;
	struct file_row f;

	if (in->expires_in > fynq_config.link_days * DAY) {
		fynq_fault(rq, FYNQ_STR("expires_in"), "too_large", "It must be at most %lld.",
		    (long long)fynq_config.link_days * DAY);
		return FYNQ_E_INVALID;
	}
	FYNQ_TRY(fynq_db_run(
	    rq, &find_to_sign, FYNQ_ARGS(FILE_FOR(rq, in->id), fynq_arg_int(rq, expires)), &rows));
	FYNQ_TRY(read_file_row(rq, &rows, &in->id, &f));
	FYNQ_TRY(make_url(rq, in, &f, expires, &url));
	return reply_link(rq, url, fynq_rows_str(&rows, 0, FILE_COLUMNS));
}

/*
 * A copy that a browser keeps is no older than the link would be; pages are not told of the link.
 */
enum fynq_err
get_link(struct fynq_req *rq, const void *in_)
{
	const struct link_in *in = in_;
	const struct fynq_link link = { in->expires, in->key, in->signature };
	struct fynq_rows rows;
	struct file_row f;
	int64_t seconds;

	fynq_reply_header(rq, "Referrer-Policy", FYNQ_STR("no-referrer"));
	FYNQ_TRY(fynq_link_check(rq, &in->id, &link, &seconds));
	FYNQ_TRY(fynq_db_run(rq, &find_linked, FYNQ_ARGS(fynq_uuid_str(&in->id)), &rows));
	FYNQ_TRY(read_file_row(rq, &rows, &in->id, &f));
	return send_file(
	    rq, &f, fynq_arena_printf(rq->arena, "private, max-age=%lld", (long long)seconds));
}
