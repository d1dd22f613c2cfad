#include "data/paging.h"
#include "http/response.h"

enum { KEY_MAX = 256 };

/* The request's own query with its cursor replaced by next. */
static void
link_next(struct fynq_req *rq, struct fynq_str next)
{
	struct fynq_buf link = FYNQ_BUF_INIT(4096);
	struct fynq_str rest = rq->query, one;

	fynq_buf_printf(&link, "<%.*s?", FYNQ_STR_ARG(rq->path));
	while (rest.n > 0) {
		fynq_str_cut(rest, '&', &one, &rest);
		if (one.n > 0 && !fynq_str_starts(one, FYNQ_STR("cursor="))) {
			fynq_buf_add(&link, one);
			fynq_buf_add_char(&link, '&');
		}
	}
	fynq_buf_printf(&link, "cursor=%.*s>; rel=\"next\"", FYNQ_STR_ARG(next));
	if (!link.full)
		fynq_reply_header(rq, "Link", fynq_buf_str(&link));
	fynq_buf_release(&link);
}

/* The key of a client's cursor: after the list's name, the text of a row's sort columns. */
static enum fynq_err
decode_cursor(struct fynq_req *rq, const struct fynq_stmt *stmt, const struct fynq_cursor *cursor,
    struct fynq_str *key_r)
{
	char *text = fynq_arena_alloc(rq->arena, KEY_MAX + 1);
	struct fynq_str list, key;
	size_t n = 0;

	*key_r = (struct fynq_str){ 0 };
	if (cursor->text.n == 0)
		return FYNQ_OK;
	if (!fynq_base64url_decode(cursor->text, text, KEY_MAX, &n) ||
	    !fynq_str_utf8((struct fynq_str){ text, n }) ||
	    !fynq_str_cut((struct fynq_str){ text, n }, '/', &list, &key) ||
	    !fynq_str_eq(list, fynq_str_of(stmt->name)) || key.n == 0) {
		fynq_fault(rq, FYNQ_STR("cursor"), "format", "It is not a cursor of this list.");
		return FYNQ_E_INVALID;
	}
	*key_r = key;
	return FYNQ_OK;
}

static void
encode_cursor(
    struct fynq_buf *out, struct fynq_req *rq, const struct fynq_stmt *stmt, struct fynq_str key)
{
	struct fynq_str text = fynq_arena_printf(
	    rq->arena, "%s/%.*s", stmt->name, FYNQ_STR_ARG(key));

	fynq_base64url(out, text.p, text.n);
}

/* A key that somebody made up fails when PostgreSQL reads it. */
static enum fynq_err
blame_cursor(struct fynq_req *rq, enum fynq_err e, struct fynq_str key)
{
	if (e == FYNQ_E_INVALID && key.n > 0)
		fynq_fault(rq, FYNQ_STR("cursor"), "format", "It is not a cursor of this list.");
	return e;
}

enum fynq_err
fynq_page_reply(struct fynq_req *rq, const struct fynq_stmt *stmt, const struct fynq_str *args,
    size_t n_args, const struct fynq_cursor *cursor, int64_t limit)
{
	return fynq_page_reply_after(rq, NULL, stmt, args, n_args, cursor, limit);
}

enum fynq_err
fynq_page_reply_after(struct fynq_req *rq, const struct fynq_stmt *first,
    const struct fynq_stmt *stmt, const struct fynq_str *args, size_t n_args,
    const struct fynq_cursor *cursor, int64_t limit)
{
	struct fynq_str all[FYNQ_ARGS_MAX], key, next;
	struct fynq_buf body = FYNQ_BUF_INIT(FYNQ_ARENA_MAX / 2);
	struct fynq_buf encoded = FYNQ_BUF_INIT(2 * KEY_MAX);
	struct fynq_rows rows;
	struct fynq_step steps[] = { { .stmt = first },
		{ .stmt = stmt, .args = all, .rows_r = &rows } };
	size_t skip = first == NULL;
	enum fynq_err e;

	FYNQ_TRY(decode_cursor(rq, stmt, cursor, &key));
	for (size_t i = 0; i < n_args; i++)
		all[i] = args[i];
	all[n_args++] = key;
	all[n_args++] = fynq_arg_int(rq, limit);
	steps[1].n_args = n_args;
	if ((e = fynq_db_tx(rq, steps + skip, 2 - skip)) != FYNQ_OK)
		return blame_cursor(rq, e, key);
	if (rows.n == 0)
		return fynq_fail(rq, FYNQ_E_NOT_FOUND, NULL);

	next = fynq_rows_str(&rows, 0, 1);
	encode_cursor(&encoded, rq, stmt, next);
	fynq_buf_add(&body, FYNQ_STR("{\"items\":"));
	fynq_buf_add(&body, fynq_rows_str(&rows, 0, 0));
	if (next.n > 0) {
		fynq_buf_printf(
		    &body, ",\"next_cursor\":\"%.*s\"}", FYNQ_STR_ARG(fynq_buf_str(&encoded)));
		link_next(rq, fynq_buf_str(&encoded));
	} else {
		fynq_buf_add(&body, FYNQ_STR(",\"next_cursor\":null}"));
	}
	(void)fynq_reply_json(rq, 200, fynq_arena_copy(rq->arena, fynq_buf_str(&body)));
	fynq_buf_release(&encoded);
	fynq_buf_release(&body);
	return FYNQ_OK;
}
