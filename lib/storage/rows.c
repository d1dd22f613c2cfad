#include <string.h>

#include "data/db.h"
#include "storage/rows.h"

enum { PAGE = 500 };

static const struct fynq_stmt count_rows = { "store_count", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select count(*) from public.files" };

/* $1 the last id, $2 age in seconds, $3 how many. */
static const struct fynq_stmt list_rows = { "store_rows", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select f.user_id || '/' || f.id, f.bytes, f.media_type, f.sha256 from public.files f"
	" where f.id > $1::uuid and f.created_at <= now() - make_interval(secs => $2::int)"
	" order by f.id limit $3::int" };
enum { KEY, BYTES, MEDIA_TYPE, SHA256 };

/* $1 user, $2 id. */
static const struct fynq_stmt find_row = { "store_row", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select from public.files f where f.id = $2::uuid and f.user_id = $1::uuid"
	" and not exists (select from fynq.erasures e where e.user_id = f.user_id)" };

enum fynq_err
fynq_rows_count(struct fynq_req *rq, int64_t *n_r)
{
	struct fynq_rows rows;

	FYNQ_TRY(fynq_db_run(rq, &count_rows, FYNQ_NO_ARGS, &rows));
	if (rows.n != 1 || !fynq_str_int(fynq_rows_str(&rows, 0, 0), n_r))
		return fynq_fail(rq, FYNQ_E_INTERNAL, NULL);
	return FYNQ_OK;
}

static enum fynq_err
visit_one(struct fynq_req *rq, const struct fynq_rows *rows, int i, fynq_row_visit *visit,
    void *arg, struct fynq_uuid *last_r)
{
	struct fynq_mark mark = fynq_arena_mark(rq->arena);
	struct fynq_file_row row = {
		.media_type = fynq_arena_copy(rq->arena, fynq_rows_str(rows, i, MEDIA_TYPE)),
		.sha256 = fynq_rows_str(rows, i, SHA256),
	};

	if (!fynq_key_parse(fynq_rows_str(rows, i, KEY), &row.key) ||
	    !fynq_str_int(fynq_rows_str(rows, i, BYTES), &row.bytes))
		return fynq_fail(rq, FYNQ_E_INTERNAL, NULL);
	FYNQ_TRY(visit(arg, rq, &row));
	*last_r = row.key.id;
	rq->problem = (struct fynq_problem){ 0 };
	fynq_arena_release(rq->arena, mark);
	return FYNQ_OK;
}

enum fynq_err
fynq_rows_each(struct fynq_req *rq, int64_t age, fynq_row_visit *visit, void *arg)
{
	struct fynq_uuid last;
	struct fynq_rows rows = { .n = PAGE };

	(void)fynq_uuid_parse(FYNQ_STR("00000000-0000-0000-0000-000000000000"), &last);
	while (rows.n == PAGE) {
		struct fynq_mark mark = fynq_arena_mark(rq->arena);

		FYNQ_TRY(fynq_db_run(rq, &list_rows,
		    FYNQ_ARGS(fynq_uuid_str(&last), fynq_arg_int(rq, age), fynq_arg_int(rq, PAGE)),
		    &rows));
		for (int i = 0; i < rows.n; i++)
			FYNQ_TRY(visit_one(rq, &rows, i, visit, arg, &last));
		fynq_arena_release(rq->arena, mark);
	}
	return FYNQ_OK;
}

enum fynq_err
fynq_row_stands(struct fynq_req *rq, const struct fynq_key_parts *key, bool *stands_r)
{
	struct fynq_rows rows;

	FYNQ_TRY(fynq_db_run(
	    rq, &find_row, FYNQ_ARGS(fynq_uuid_str(&key->user), fynq_uuid_str(&key->id)), &rows));
	*stands_r = rows.n > 0;
	return FYNQ_OK;
}
